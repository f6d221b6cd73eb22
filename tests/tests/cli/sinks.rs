//! Where results go, and targets that cannot be.

use super::bench::{Bench, COPY, ORDER, orders, text};
use std::{collections::BTreeSet, fs};

fn bench() -> Bench {
    let bench = Bench::new(&[COPY, ORDER]);
    bench.write("orders.jsonl", text(&orders(1000)));
    bench
}

#[test]
fn a_target_that_cannot_be_written_is_refused_before_the_first_row() {
    let bench = bench();
    fs::create_dir(bench.path("folder.csv")).unwrap();
    for (out, code, exit) in [
        ("orders.jsonl/x.jsonl", "FIL023", 3),
        ("folder.csv", "FIL023", 3),
        ("out.txt", "FIL005", 3),
        ("-", "FIL006", 3),
        ("rejected.jsonl", "FIL026", 3),
        ("./folder.csv/../rejected.jsonl", "FIL026", 3),
        ("/proc/none/x.jsonl", "FIL022", 4),
    ] {
        let ran = bench.run(&["--set", "IN=orders.jsonl", "--set", &format!("OUT={out}")]);
        assert!(ran.code == exit && ran.err.contains(code) && ran.err.contains("hint: "), "{out}: {} {}", ran.code, ran.err);
        assert_eq!(bench.files(), ["orders.jsonl", "s.dsl"]);
    }
}

#[test]
fn two_scenarios_do_not_write_over_each_other() {
    let scenario = |title: &str| {
        format!(
            "\n  Scenario: {title}\n    @source(name=orders, type=file, path=\"orders.jsonl\", contract=Order@1)\n    \
             @sink(type=file, path=\"${{env.{title}}}\")\n"
        )
    };
    let bench = Bench::new(&["Feature: Twice", &scenario("A"), &scenario("B"), ORDER]);
    bench.write("orders.jsonl", text(&orders(1000)));
    let ran = bench.run(&["--set", "A=same.jsonl", "--set", "B=same.jsonl"]);
    assert!(ran.code == 3 && ran.err.contains("FIL026"), "{} {}", ran.code, ran.err);
    assert_eq!(bench.files(), ["orders.jsonl", "s.dsl"]);
    bench.must_run(&["--set", "A=a.jsonl", "--set", "B=b.jsonl"]);
    assert_eq!(bench.read("a.jsonl"), bench.read("b.jsonl"));
    bench.must_run(&["-s", "A", "--set", "A=b.jsonl", "--set", "B=b.jsonl"]);
}

#[test]
fn folders_are_made_and_a_file_may_replace_its_own_source() {
    let bench = bench();
    bench.must_run(&["--set", "IN=orders.jsonl", "--set", "OUT=new/deep/o.jsonl"]);
    assert_eq!(bench.lines("new/deep/o.jsonl").len(), 1000);
    bench.must_run(&["--set", "IN=orders.jsonl", "--set", "OUT=orders.jsonl"]);
    assert_eq!(bench.lines("orders.jsonl").len(), 1000);
    bench.is_tidy();
}

#[test]
fn a_partitioned_folder_has_every_row_once_and_nothing_of_the_run_before() {
    let copy = COPY.replace("path=\"${env.OUT:out.jsonl}\"", "path=\"parts\", format=json, partition_by=who");
    let bench = Bench::new(&[&copy, ORDER]);
    let mut rows = orders(40_000);
    rows.push(r#"{"id": -1, "who": "a/b=c", "at": "2026-01-01T00:00:00Z"}"#.into());
    rows.push(r#"{"id": -2, "at": "2026-01-01T00:00:00Z"}"#.into());
    bench.write("orders.jsonl", text(&rows));
    let ids = |bench: &Bench| {
        let files: Vec<_> = bench.files().into_iter().filter(|f| f.starts_with("parts/")).collect();
        let rows: Vec<_> = files.iter().flat_map(|f| bench.rows(f)).collect();
        let ids: BTreeSet<_> = rows.iter().map(|r| r["id"].as_i64().unwrap()).collect();
        assert_eq!(ids.len(), rows.len());
        let folders: BTreeSet<_> = files.iter().map(|f| f.rsplit_once('/').unwrap().0.to_owned()).collect();
        (ids.len(), folders.len())
    };
    for workers in ["1", "3"] {
        bench.must_run(&["--set", "IN=orders.jsonl", "-w", workers]);
        assert_eq!(ids(&bench), (40_002, 9));
    }
    bench.write("one.jsonl", text(&orders(1)));
    bench.must_run(&["--set", "IN=one.jsonl"]);
    assert_eq!(ids(&bench), (1, 1));
    bench.is_tidy();
}

#[test]
fn a_full_disk_is_the_operators_matter() {
    let bench = Bench::new(&[&COPY.replace("@sink(type=file, path=\"${env.OUT:out.jsonl}\")", "@sink(type=stdout)"), ORDER]);
    bench.write("orders.jsonl", text(&orders(1000)));
    let ran = bench.shell("runi run s.dsl --set IN=orders.jsonl > /dev/full");
    assert!(ran.code == 4 && ran.err.contains("FIL021"), "{} {}", ran.code, ran.err);
    assert_eq!(bench.files(), ["orders.jsonl", "s.dsl"]);
}
