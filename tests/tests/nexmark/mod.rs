//! All of Nexmark: the scenarios of `docs/examples/nexmark` give the answers that an independent engine gave to the published queries.
//!
//! `answers/` is written by `oracle.py`; see there for how. Each scenario runs as a user would run it, on one, two and four workers. What came out is
//! consolidated (a changelog's rows with their multiplicities), counted, and hashed without order. Each runs again with checkpoints, is killed at its first two, and goes on with
//! other numbers of workers: to the same answer.

mod answer;
mod sql;

use crate::{
    kills::through_kills,
    support::{copy, ran, root, runi},
};
use answer::Answer;
use std::collections::BTreeMap;

/// How many workers each query runs on.
const WORKERS: [&str; 3] = ["1", "2", "4"];

/// Runs a query and compares; `adapt` says what can be compared where that is not all.
fn check(query: &str, adapt: fn(answer::Rows) -> answer::Rows) {
    let expected = Answer::written_down(query);
    for workers in WORKERS {
        let folder = tempfile::tempdir().unwrap();
        copy(&root().join("docs/examples/nexmark"), folder.path());
        let (events, rate) = (format!("EVENTS={}", expected.events), format!("EVENT_RATE={}", expected.event_rate));
        let text = format!("{query}.dsl");
        let arguments = ["run", &text, "--workers", workers, "--set", &events, "--set", &rate, "--output", "json"];
        let run = ran(&mut runi(folder.path(), &arguments));
        assert_eq!(run.code, 0, "{query} on {workers} workers:\n{}", run.err);
        let summary: serde_json::Value = serde_json::from_str(run.err.lines().last().unwrap()).unwrap();
        assert_eq!(summary["metrics"]["rejected"], 0, "{query} on {workers} workers rejects rows: {}", run.err);
        let found = adapt(answer::of_output(&folder.path().join("out"), query));
        expected.compare(&format!("{query} on {workers} workers"), &found);
    }
}

/// The same through checkpoints, kills and other numbers of workers.
fn check_killed(query: &str, adapt: fn(answer::Rows) -> answer::Rows) {
    let expected = Answer::written_down(query);
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("docs/examples/nexmark"), folder.path());
    let (events, rate) = (format!("EVENTS={}", expected.events), format!("EVENT_RATE={}", expected.event_rate));
    through_kills(folder.path(), &[&format!("{query}.dsl"), "--set", &events, "--set", &rate]);
    let found = adapt(answer::of_output(&folder.path().join("out"), query));
    expected.compare(&format!("{query} through kills"), &found);
}

fn all(rows: answer::Rows) -> answer::Rows {
    rows
}

/// Bids of a bidder in all windows together: which window of the wall clock a bid falls into is not the same in two runs.
fn whatever_the_window(rows: answer::Rows) -> answer::Rows {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for (row, times) in rows {
        let column = |name: &str| {
            let prefix = format!("{name}=");
            row.split(';').find_map(|cell| cell.strip_prefix(&prefix)).unwrap().to_owned()
        };
        *sums.entry(column("bidder")).or_default() += times * column("bid_count").parse::<i64>().unwrap();
    }
    sums.into_iter().map(|(bidder, count)| (format!("bid_count={count};bidder={bidder}"), 1)).collect()
}

macro_rules! queries {
    ($($name:ident = $query:literal, $adapt:ident;)*) => {
        $(#[test]
        fn $name() {
            check($query, $adapt);
        })*

        mod killed {
            $(#[test]
            fn $name() {
                super::check_killed($query, super::$adapt);
            })*
        }

        const CHECKED: &[&str] = &[$($query),*];
    };
}

queries! {
    q0 = "q0", all;
    q1 = "q1", all;
    q2 = "q2", all;
    q3 = "q3", all;
    q4 = "q4", all;
    q5 = "q5", all;
    q6 = "q6", all;
    q7 = "q7", all;
    q8 = "q8", all;
    q9 = "q9", all;
    q10 = "q10", all;
    q11 = "q11", all;
    q12 = "q12", whatever_the_window;
    q13 = "q13", all;
    q14 = "q14", all;
    q15 = "q15", all;
    q16 = "q16", all;
    q17 = "q17", all;
    q18 = "q18", all;
    q19 = "q19", all;
    q20 = "q20", all;
    q21 = "q21", all;
    q22 = "q22", all;
    q23 = "q23", all;
    pattern_0 = "pattern-0", all;
    pattern_1 = "pattern-1", all;
    pattern_2 = "pattern-2", all;
    pattern_3 = "pattern-3", all;
}

#[test]
fn every_scenario_has_an_answer_and_is_checked() {
    let named = |folder: &str, ending: &str| {
        let files = std::fs::read_dir(root().join(folder)).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = files.filter_map(|f| f.strip_suffix(ending).map(str::to_owned)).collect();
        names.sort();
        names
    };
    let mut checked = CHECKED.to_vec();
    checked.sort_unstable();
    assert_eq!(named("docs/examples/nexmark", ".dsl"), checked);
    assert_eq!(named("tests/tests/nexmark/answers", ".json"), checked);
}

#[test]
fn the_examples_of_the_scenarios_hold() {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("docs/examples/nexmark"), folder.path());
    let run = ran(&mut runi(folder.path(), &["test", "."]));
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let layout = ran(&mut runi(folder.path(), &["fmt", "--check", "."]));
    assert_eq!(layout.code, 0, "{}{}", layout.out, layout.err);
}
