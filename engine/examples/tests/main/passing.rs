//! Every operator of Runink, tested by scenarios that say what it does: on one, two and three workers.

use crate::folder::{Folder, updates_goldens};
use runink_dsl::render;
use runink_examples::{Runner, render as render_report};
use std::fs;

/// How many examples the folder has at least: a file that no longer parses must not pass by having none.
const LEAST_EXAMPLES: usize = 55;

#[test]
fn the_texts_have_no_errors() {
    let folder = Folder::open("scenarios");
    let shown: Vec<String> = folder.project.diagnostics.iter().map(|d| render(d, &folder.project.sources, false)).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

#[test]
fn every_example_passes_on_one_two_and_three_workers() {
    let folder = Folder::open("scenarios");
    let mut runner = Runner::new();
    let mut tried = 0;
    let mut failures = String::new();
    for workers in [Some(1), Some(3), None] {
        for scenario in folder.scenarios() {
            for report in folder.run(&mut runner, &scenario, workers, updates_goldens()) {
                tried += 1;
                for golden in &report.accepted {
                    fs::write(folder.path(&golden.path), &golden.content).unwrap();
                }
                if !report.passed() {
                    failures.push_str(&render_report(&report, &folder.project.sources, false));
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(tried >= 3 * LEAST_EXAMPLES, "only {tried} examples were found");
}

#[test]
fn the_book_tells_the_truth() {
    let pages = Folder::of_page("testing.md");
    assert!(pages.len() >= 3);
    for page in pages {
        let sources = &page.project.sources;
        let findings: Vec<String> = page.project.diagnostics.iter().map(|d| render(d, sources, false)).collect();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
        let reports: Vec<_> = page.scenarios().iter().flat_map(|s| page.run(&mut Runner::new(), s, None, false)).collect();
        assert!(!reports.is_empty());
        let failures: String = reports.iter().filter(|r| !r.passed()).map(|r| render_report(r, sources, false)).collect();
        assert!(failures.is_empty(), "\n{failures}");
    }
}

#[test]
fn what_came_out_can_be_accepted() {
    let folder = Folder::open("failing");
    let scenario = folder.scenarios().into_iter().find(|s| s.title.value == "Readings per minute").unwrap();
    let reports = folder.run(&mut Runner::new(), &scenario, None, true);
    let report = reports.iter().find(|r| r.title.value == "a golden file that is not there").unwrap();
    assert!(report.passed());
    assert_eq!(report.accepted.len(), 1);
    assert_eq!((report.accepted[0].path.as_str(), report.accepted[0].content.as_slice()), ("missing.jsonl", &b""[..]));
    assert!(reports.iter().all(|r| r.passed() == (r.title == report.title)), "only golden files are accepted");
}

/// The examples of the book that no page runs.
#[test]
fn networks_grow_together_and_fall_apart() {
    let folder = Folder::open("../../../docs/examples/graph");
    let mut runner = Runner::new();
    let mut tried = 0;
    for scenario in folder.scenarios() {
        for report in folder.run(&mut runner, &scenario, None, false) {
            tried += 1;
            assert!(report.passed(), "{}", render_report(&report, &folder.project.sources, false));
        }
    }
    assert_eq!(tried, 1);
}
