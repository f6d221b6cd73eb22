//! What a failing example looks like: each file's reports, as people and as machines see them, are golden.

use crate::folder::{Folder, updates_goldens};
use runink_examples::{Outcome, Runner, render, to_json};
use std::{collections::BTreeMap, fmt::Write, fs, time::Duration};

#[test]
fn failures_look_as_they_should() {
    let folder = Folder::open("failing");
    let mut runner = Runner::new();
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    for scenario in folder.scenarios() {
        for mut report in folder.run(&mut runner, &scenario, None, false) {
            report.duration = Duration::ZERO;
            let path = folder.project.sources.get(report.file).unwrap().path.replace(".dsl", ".expected");
            let out = shown.entry(path).or_default();
            out.push_str(&render(&report, &folder.project.sources, false));
            let json = serde_json::to_string(&to_json(&report, &folder.project.sources)).unwrap();
            writeln!(out, "{json}\n").unwrap();
            assert!(!matches!(report.outcome, Outcome::Passed), "`{}` passes", report.title.value);
        }
    }
    assert!(shown.len() >= 3);
    for (path, out) in shown {
        let path = folder.path(&path);
        if updates_goldens() {
            fs::write(&path, &out).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let differs = out.lines().zip(expected.lines()).find(|(is, was)| is != was);
        assert!(out == expected, "{} is not golden any more (UPDATE_GOLDEN=1 rewrites it): {differs:#?}", path.display());
    }
}

#[test]
fn colours_mark_what_differs() {
    let folder = Folder::open("failing");
    let scenario = folder.scenarios().into_iter().find(|s| s.title.value == "Readings per minute").unwrap();
    let report = folder.run(&mut Runner::new(), &scenario, Some(1), false).remove(0);
    let colored = render(&report, &folder.project.sources, true);
    assert!(colored.contains("\u{1b}[31m2\u{1b}[0m → \u{1b}[32m1\u{1b}[0m"), "{colored}");
    let plain: String = strip(&colored);
    assert_eq!(plain, render(&report, &folder.project.sources, false));
}

fn strip(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain + rest
}
