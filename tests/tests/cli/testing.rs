//! `runi test`: chaos, reports for machines, and watching.

use super::bench::{Bench, Running, next, until};
use crate::support::{Ran, ran, runi};
use serde_json::Value;
use std::process::Stdio;

const SUMS: &str = r#"
Feature: Sums
  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1, lateness=10s)

  Scenario: Sums
    @step(name=Summed)
      @do aggregate total = sum(value) by sensor in tumbling(1m)
    @sink(type=stdout)

    Examples: a minute
      Given readings from file "given.csv"
      When the input ends
      Then Summed is
        | sensor | total |
        | a      | 3     |

Contract: Reading version 1
  | field  | type          | rules                |
  | sensor | string        | required             |
  | value  | int           |                      |
  | at     | timestamp(ms) | required, event time |
"#;

const OTHER: &str = r#"
Feature: Other
  Scenario: Other
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1, lateness=1m)
    @step(name=First)
      @do aggregate first = first_value(value) by sensor in tumbling(1m)
    @sink(type=stdout)

    Examples: the first
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:01Z |
        | a      | 2     | 2026-01-01T00:00:02Z |
      When the input ends
      Then First contains
        | first |
        | 1     |

Contract: Reading version 1
  | field  | type          | rules                |
  | sensor | string        | required             |
  | value  | int           |                      |
  | at     | timestamp(ms) | required, event time |
"#;

const GIVEN: &str = "sensor,value,at\na,1,2026-01-01T00:00:01Z\na,2,2026-01-01T00:00:02Z\n";

fn bench() -> Bench {
    let bench = Bench::new(&[SUMS]);
    bench.write("given.csv", GIVEN);
    bench
}

fn test(bench: &Bench, arguments: &[&str]) -> Ran {
    ran(runi(bench.folder(), &["test"]).args(arguments))
}

#[test]
fn chaos_passes_what_holds_and_finds_what_does_not() {
    let bench = bench();
    let held = test(&bench, &["s.dsl", "--chaos", "--seed", "4", "--runs", "10"]);
    assert_eq!(held.code, 0, "{}{}", held.out, held.err);
    assert!(held.out.contains("10 cases") && held.out.ends_with("seed 4\n"), "{}", held.out);
    bench.write("other.dsl", OTHER);
    let found = || test(&bench, &["other.dsl", "--chaos", "--seed", "4", "--output", "json"]);
    let report = found();
    assert_eq!(report.code, 1, "{}", report.err);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    let finding = &report["examples"][0]["mismatches"][0];
    assert_eq!((&finding["kind"], &finding["seed"], &finding["rows"]), (&"chaos".into(), &4.into(), &2.into()));
    assert!(finding["smallest"].as_str().unwrap().contains("Then First is"));
    let again: Value = serde_json::from_str(&found().out).unwrap();
    assert_eq!(again["examples"][0]["mismatches"], report["examples"][0]["mismatches"]);
}

#[test]
fn junit_tells_of_every_example() {
    let bench = bench();
    let ran = test(&bench, &["--junit", "reports/junit.xml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let xml = String::from_utf8(bench.read("reports/junit.xml")).unwrap();
    assert!(xml.contains("<testsuites name=\"runi test\" tests=\"1\" failures=\"0\" errors=\"0\""), "{xml}");
    bench.write("given.csv", GIVEN.replace("a,1", "a,7"));
    assert_eq!(test(&bench, &["--junit", "reports/junit.xml"]).code, 1);
    let xml = String::from_utf8(bench.read("reports/junit.xml")).unwrap();
    assert!(xml.contains("<failure message=\"Summed is not as expected\">") && xml.contains("3 → 9"), "{xml}");
    let refused = test(&bench, &["--junit", "given.csv/junit.xml"]);
    assert!(refused.code == 4 && refused.err.contains("RUN010"), "{}", refused.err);
}

fn watching(bench: &Bench) -> Running {
    let mut command = runi(bench.folder(), &["test", "--watch", "--output", "json"]);
    Running::of(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// The next round: which scenarios ran, and how many examples passed.
fn round(running: &Running) -> (Vec<String>, u64) {
    let round: Value = serde_json::from_str(&next(&running.out)).unwrap();
    until(&running.err, |line| line.contains("watching for changes"));
    let ran = round["examples"].as_array().unwrap().iter().map(|e| e["scenario"].as_str().unwrap().to_owned());
    (ran.collect(), round["passed"].as_u64().unwrap())
}

#[test]
fn watching_runs_again_what_changed_and_only_that() {
    let bench = bench();
    bench.write("other.dsl", OTHER.replace("Reading", "Other"));
    let running = watching(&bench);
    assert_eq!(round(&running), (vec!["Other".to_owned(), "Sums".to_owned()], 2));
    // A file that an example names.
    bench.write("given.csv", GIVEN.replace("a,1", "a,7"));
    assert_eq!(round(&running), (vec!["Sums".to_owned()], 0));
    bench.write("given.csv", GIVEN);
    assert_eq!(round(&running), (vec!["Sums".to_owned()], 1));
    // A text of its own; what nobody reads concerns nobody.
    bench.write("notes.txt", "nothing");
    bench.write("other.dsl", OTHER.replace("Reading", "Other").replace("| 1     |\n\n", "| 2     |\n\n"));
    assert_eq!(round(&running), (vec!["Other".to_owned()], 0));
    // A text that all share.
    bench.write("shared.dsl", "Contract: Shared version 1\n  | field | type |\n  | a     | int  |\n");
    assert_eq!(round(&running), (vec!["Other".to_owned(), "Sums".to_owned()], 1));
    // A text that is wrong for a while.
    bench.write("s.dsl", SUMS.replace("Scenario:", "Scenaro:"));
    let shown = until(&running.err, |line| line.contains("watching for changes")).join("\n");
    assert!(shown.contains("error[DSL") && next(&running.out).contains("\"passed\":0"), "{shown}");
    bench.write("s.dsl", SUMS);
    assert_eq!(round(&running), (vec!["Sums".to_owned()], 1));
    running.interrupt();
    assert_eq!(running.end(), 130);
}
