//! Chaos: what holds in every order passes, and what depends on it is found, shrunk, and told as an example that fails by itself.

use crate::folder::{Folder, updates_goldens};
use runink_dsl::{Project, SourceFile};
use runink_examples::{Chaos, ExampleReport, Finding, MismatchKind, Outcome, Runner, render, to_json, to_junit};
use std::{fs, time::Duration};

/// How many cases of each example of the folder of scenarios: a suite takes seconds.
const CASES: usize = 6;

/// Examples whose scenarios depend on order by what they say: state that is forgotten after a while is forgotten in some orders and not in others.
const ORDER_MATTERS: [&str; 1] = ["a key that did not change for that long is taken back"];

fn found(report: &ExampleReport) -> &Finding {
    let Outcome::Failed(mismatches) = &report.outcome else { panic!("{:?}", report.outcome) };
    let [mismatch] = mismatches.as_slice() else { panic!("{mismatches:?}") };
    let MismatchKind::Chaos(finding) = &mismatch.kind else { panic!("{:?}", mismatch.kind) };
    finding
}

fn run(folder: &Folder, scenario: &str, chaos: Chaos) -> Vec<ExampleReport> {
    let scenario = folder.scenarios().into_iter().find(|s| s.title.value == scenario).unwrap();
    folder.run_with(&mut Runner::new(), &scenario, None, false, Some(chaos))
}

#[test]
fn every_operator_holds_in_every_order() {
    let folder = Folder::open("scenarios");
    let mut runner = Runner::new();
    let mut failures = String::new();
    for scenario in folder.scenarios() {
        for report in folder.run_with(&mut runner, &scenario, None, false, Some(Chaos { seed: 1, runs: CASES })) {
            if !report.passed() && !ORDER_MATTERS.contains(&report.title.value.as_str()) {
                failures.push_str(&render(&report, &folder.project.sources, false));
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}\nWhere the scenario itself says that order matters, add the example to `ORDER_MATTERS`.");
}

#[test]
fn an_order_that_decides_is_found_and_shrunk() {
    let folder = Folder::open("chaos");
    let mut shown = String::new();
    let mut reports = Vec::new();
    for (scenario, most) in [("The first to come", 2), ("Counts that are forgotten", 3)] {
        let mut report = run(&folder, scenario, Chaos { seed: 7, runs: 50 }).remove(0);
        let finding = found(&report);
        assert!(finding.rows <= most, "{finding:?}");
        // Pasted below its scenario, what was found fails by itself.
        let text = folder.project.sources.get(report.file).unwrap().text.clone();
        let title = format!("  Scenario: {scenario}");
        let (before, rest) = text.split_once(&title).unwrap();
        let (own, _) = rest.split_once("    Examples:").unwrap();
        let (_, contract) = text.split_once("\nContract:").unwrap();
        let pasted = format!("{before}{title}{own}{}\nContract:{contract}", finding.example);
        let pasted = Folder::of_project(Project::new(vec![SourceFile { path: "pasted.dsl".into(), text: pasted }]));
        assert!(!pasted.project.has_errors(), "{:?}", pasted.project.diagnostics);
        let scenario = pasted.scenarios().into_iter().find(|s| s.title.value == scenario).unwrap();
        let again = pasted.run(&mut Runner::new(), &scenario, None, false);
        assert!(again.len() == 1 && matches!(again[0].outcome, Outcome::Failed(_)), "{}", finding.example);
        report.duration = Duration::ZERO;
        shown.push_str(&render(&report, &folder.project.sources, false));
        shown.push_str(&format!("{}\n\n", to_json(&report, &folder.project.sources)));
        reports.push(report);
    }
    shown.push_str(&to_junit(reports.iter().map(|r| (r, &folder.project.sources))));
    let path = folder.path("order.expected");
    if updates_goldens() {
        fs::write(&path, &shown).unwrap();
    }
    assert_eq!(shown, fs::read_to_string(&path).unwrap_or_default(), "UPDATE_GOLDEN=1 rewrites it");
}

#[test]
fn a_seed_finds_the_same_again() {
    let folder = Folder::open("chaos");
    let finding = |seed| format!("{:?}", found(&run(&folder, "The first to come", Chaos { seed, runs: 50 })[0]));
    assert_eq!(finding(3), finding(3));
}

#[test]
fn an_example_that_fails_as_it_is_written_is_not_tried() {
    let folder = Folder::open("failing");
    for report in run(&folder, "Readings per minute", Chaos { seed: 0, runs: 5 }) {
        let by_chaos = |report: &ExampleReport| match &report.outcome {
            Outcome::Failed(all) => all.iter().any(|m| matches!(m.kind, MismatchKind::Chaos(_))),
            _ => false,
        };
        assert!(!by_chaos(&report) && report.cases == 0, "{:?}", report.outcome);
    }
}
