//! Standard input and output, several scenarios, variables, and exit codes.

use super::bench::{Bench, ORDER, orders, text, until};
use crate::support::{ran, runi};
use serde_json::Value;

const THROUGH: &str = r#"
Feature: Pipe
  Scenario: Through
    @source(name=orders, type=file, path="-", format=json, contract=Order@1)
    @step(name=Large)
      @when amount >= 50
    @sink(type=stdout)
"#;

/// More bids than any pipe holds, without end.
const BIDS: &str = r#"
Feature: Bids
  Scenario: All
    @source(name=bids, type=nexmark, kind=bid)
    @sink(type=stdout)
"#;

#[test]
fn from_standard_input_to_standard_output() {
    let bench = Bench::new(&[THROUGH, ORDER]);
    bench.write("orders.jsonl", text(&orders(1000)));
    for script in ["cat orders.jsonl | runi run s.dsl", "gzip -c orders.jsonl | runi run s.dsl", "runi run s.dsl < orders.jsonl"] {
        let ran = bench.shell(script);
        assert_eq!((ran.code, ran.err.as_str(), ran.out.lines().count()), (0, "", 500), "{script}");
    }
    for script in ["runi run s.dsl < /dev/null", "runi run s.dsl <&-", "runi run s.dsl >&- < orders.jsonl"] {
        let ran = bench.shell(script);
        assert_eq!((ran.code, ran.err.as_str(), ran.out.as_str()), (0, "", ""), "{script}");
    }
    let ran = bench.shell("runi run s.dsl < .");
    assert!(ran.code == 4 && ran.err.contains("FIL009"), "{}", ran.err);
    bench.write("s.dsl", THROUGH.replace(", contract=Order@1", ""));
    let ran = bench.shell("cat orders.jsonl | runi run s.dsl");
    assert!(ran.code == 3 && ran.err.contains("FIL011") && ran.err.contains("contract="), "{}", ran.err);
}

#[test]
fn a_reader_that_has_enough_ends_the_run_quietly() {
    let bench = Bench::new(&[BIDS]);
    let ran = bench.shell("runi run s.dsl | head -1");
    assert_eq!((ran.code, ran.err.as_str(), ran.out.lines().count()), (0, "", 1));
    // What else was to be written is not complete: that is not quiet.
    bench.write("s.dsl", [BIDS, "    @sink(name=kept, type=file, path=\"kept.jsonl\", from=bids)\n"].concat());
    let ran = bench.shell("runi run s.dsl | head -1");
    assert!(ran.code == 3 && ran.err.contains("FIL030") && ran.out.lines().count() == 1, "{} {}", ran.code, ran.err);
    assert_eq!(bench.files(), ["s.dsl"]);
}

#[test]
fn rows_that_are_rejected_do_not_vanish_in_a_pipe() {
    let bench = Bench::new(&[THROUGH, ORDER]);
    let mut rows = orders(1000);
    rows.push("nonsense".into());
    bench.write("orders.jsonl", text(&rows));
    let ran = bench.shell("cat orders.jsonl | runi run s.dsl");
    assert_eq!((ran.code, ran.out.lines().count()), (0, 500));
    let expected = "warning: Through: 1 row was rejected, and no sink has them; the first: decode in orders standard input:1001: not JSON";
    assert!(ran.err.starts_with(expected) && ran.err.contains("hint: ") && ran.err.contains("from=rejected"), "{}", ran.err);
    bench.write("s.dsl", [THROUGH, "    @sink(name=Rejected, type=file, path=\"rejected.jsonl\", from=rejected)\n", ORDER].concat());
    let ran = bench.shell("cat orders.jsonl | runi run s.dsl");
    assert_eq!((ran.code, ran.err.as_str(), bench.lines("rejected.jsonl").len()), (0, "", 1));
}

const SEVERAL: &str = r#"
Feature: Several
  Background:
    @source(name=orders, type=file, path="orders.jsonl", contract=Order@1)
  Scenario: Large
    @step(name=L)
      @when amount >= 50
    @sink(type=file, path="large.jsonl")
  Scenario: Small
    @step(name=S)
      @when not amount >= 50
    @sink(type=file, path="small.csv", header=false)
"#;

#[test]
fn several_scenarios_of_a_file_run_side_by_side_or_alone() {
    let bench = Bench::new(&[SEVERAL, ORDER]);
    bench.write("orders.jsonl", text(&orders(1000)));
    bench.must_run(&["-s", "Large"]);
    assert_eq!(bench.files(), ["large.jsonl", "orders.jsonl", "s.dsl"]);
    let ran = bench.run(&["--output", "json"]);
    assert_eq!((ran.code, bench.lines("large.jsonl").len(), bench.lines("small.csv").len()), (0, 500, 500));
    let mut titles: Vec<_> = ran.err.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["scenario"].clone()).collect();
    titles.sort_by_key(Value::to_string);
    assert_eq!(titles, ["Large", "Small"]);
    let ran = bench.run(&["-s", "Lorge"]);
    assert!(ran.code == 1 && ran.err.contains("RUN007") && ran.err.contains("`Large`, `Small`"), "{}", ran.err);
}

#[test]
fn one_that_fails_is_told_of_while_others_go_on() {
    let bench = Bench::new(&[
        r#"
Feature: Two
  Scenario: Endless
    @source(name=ticks, type=ticks, rate=100)
    @sink(type=blackhole)
  Scenario: Short
    @source(name=orders, type=file, path="orders.jsonl", contract=Order@1)
    @step(name=Checked)
      @then id < 5 otherwise fail
    @sink(type=blackhole)
"#,
        ORDER,
    ]);
    bench.write("orders.jsonl", text(&orders(10)));
    let running = bench.start(&[]);
    until(&running.err, |line| line.contains("ENG001"));
    running.interrupt();
    assert_eq!(running.end(), 130);
}

#[test]
fn variables_come_from_the_environment_or_the_command_line() {
    let bench = Bench::new(&[
        "Feature: V\n  Scenario: S\n    @source(name=o, type=file, path=\"${env.RUNINK_TEST_IN}\", contract=Order@1)\n    @sink(type=stdout)\n",
        ORDER,
    ]);
    bench.write("orders.jsonl", text(&orders(3)));
    let ran = bench.run(&[]);
    assert!(ran.code == 1 && ran.err.contains("DSL091") && ran.err.contains("RUNINK_TEST_IN"), "{}", ran.err);
    assert_eq!(bench.run(&["--set", "RUNINK_TEST_IN=orders.jsonl"]).out.lines().count(), 3);
    assert_eq!(bench.shell("RUNINK_TEST_IN=orders.jsonl runi run s.dsl").out.lines().count(), 3);
    assert_eq!(bench.shell("RUNINK_TEST_IN=no.jsonl runi run s.dsl --set RUNINK_TEST_IN=orders.jsonl").out.lines().count(), 3);
    assert_eq!(bench.run(&["--set", "RUNINK_TEST_IN"]).code, 2);
}

#[test]
fn exit_codes_tell_who_must_act() {
    let bench = Bench::new(&["nothing that is a scenario\n"]);
    bench.write("bytes.dsl", [0xff, 0xfe, 0]);
    bench.write("empty.dsl", "");
    for (arguments, code) in [
        (&["run", "s.dsl"][..], 1),
        (&["run", "bytes.dsl"], 1),
        (&["run", "empty.dsl"], 1),
        (&["run"], 2),
        (&["run", "."], 2),
        (&["run", "s.dsl", "--workers", "0"], 2),
        (&["frobnicate"], 2),
        (&["--help"], 0),
    ] {
        let ran = ran(&mut runi(bench.folder(), arguments));
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.err);
        assert!(code == 0 || ran.err.contains("error"), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn everything_that_runs_is_explained() {
    for (parts, set) in
        [([THROUGH, ORDER], "X=1"), ([BIDS, ""], "X=1"), ([SEVERAL, ORDER], "X=1"), ([super::bench::COPY, ORDER], "IN=orders.jsonl")]
    {
        let bench = Bench::new(&parts);
        bench.write("orders.jsonl", text(&orders(3)));
        for output in ["text", "json", "mermaid"] {
            let ran = ran(&mut runi(bench.folder(), &["explain", "s.dsl", "--output", output, "--set", set]));
            assert_eq!((ran.code, ran.err.as_str()), (0, ""));
            match output {
                "json" => assert!(serde_json::from_str::<Value>(&ran.out).unwrap()[0]["nodes"].is_array()),
                "mermaid" => assert!(ran.out.starts_with("flowchart")),
                _ => assert!(ran.out.contains("(source: ") && ran.out.contains("(sink: "), "{}", ran.out),
            }
        }
    }
}
