//! What is written is read back as it was, whatever the format, and whatever the number of workers.

use super::bench::{Bench, COPY, ORDER, orders, text, total};

#[test]
fn every_format_and_compression_keeps_every_row() {
    let bench = Bench::new(&[COPY, ORDER]);
    let mut rows = orders(500);
    rows.push(r#"{"id": 500, "at": "2026-01-01T00:00:00Z"}"#.into());
    rows.push(r#"{"id": -501, "who": "näh, \"x\";\t\n'", "amount": -0.25, "at": "1969-12-31T23:59:59.999Z"}"#.into());
    bench.write("orders.jsonl", text(&rows));
    bench.must_run(&["--set", "IN=orders.jsonl"]);
    let expected = bench.lines("out.jsonl");
    assert_eq!(expected.len(), 502);
    let endings = ["json", "jsonl.gz", "ndjson.zst", "csv", "csv.gz", "csv.zst", "tsv", "tsv.gz", "parquet", "arrow", "feather"];
    for ending in endings {
        let file = format!("o.{ending}");
        bench.must_run(&["--set", "IN=orders.jsonl", "--set", &format!("OUT={file}")]);
        bench.must_run(&["--set", &format!("IN={file}")]);
        assert_eq!(bench.lines("out.jsonl"), expected, "{ending}");
        assert_eq!(bench.read("rejected.jsonl"), b"", "{ending}");
    }
    bench.is_tidy();
}

#[test]
fn options_of_csv_and_of_compression() {
    for (options, name) in [
        ("delimiter=\";\"", "o.csv"),
        ("delimiter=tab, header=false", "o.csv"),
        ("header=false, null=\"\\\\N\"", "o.csv"),
        ("null=\"NA\", compression=zstd", "o.csv"),
        ("format=csv, compression=gzip", "data"),
        ("format=json, compression=zstd", "data"),
        ("format=parquet", "data"),
    ] {
        let write = COPY.replace("path=\"${env.OUT:out.jsonl}\"", &format!("path=\"${{env.OUT}}\", {options}"));
        let read = COPY.replace("path=\"${env.IN}\"", &format!("path=\"${{env.IN}}\", {options}"));
        let bench = Bench::new(&[&write, ORDER]);
        let mut rows = orders(50);
        rows.push(r#"{"id": 50, "at": "2026-01-01T00:00:00Z"}"#.into());
        bench.write("orders.jsonl", text(&rows));
        bench.must_run(&["--set", "IN=orders.jsonl", "--set", &format!("OUT={name}")]);
        bench.write("s.dsl", [&read, ORDER].concat());
        bench.must_run(&["--set", &format!("IN={name}")]);
        let back = bench.rows("out.jsonl");
        assert_eq!((back.len(), &back[50]["who"], &back[3]["who"]), (51, &serde_json::Value::Null, &"u3".into()), "{options}");
    }
}

#[test]
fn nexmark_through_files_is_nexmark() {
    let bench = Bench::new(&[r#"
Feature: Nexmark
  Scenario: Out
    @source(name=events, type=nexmark, kind=${env.KIND}, events=5000)
    @sink(type=file, path="${env.FILE}")
    @sink(name=direct, type=file, path="direct.jsonl", from=events)
  Scenario: Back
    @source(name=events, type=file, path="${env.FILE}")
    @sink(type=file, path="back.jsonl")
"#]);
    for (kind, rows) in [("all", 5000), ("person", 100), ("auction", 300), ("bid", 4600)] {
        for file in ["n.parquet", "n.arrow", "n.jsonl.gz"] {
            for scenario in ["Out", "Back"] {
                bench.must_run(&["-s", scenario, "--set", &format!("KIND={kind}"), "--set", &format!("FILE={file}")]);
            }
            assert_eq!(bench.lines("direct.jsonl").len(), rows);
            assert_eq!(bench.lines("direct.jsonl"), bench.lines("back.jsonl"), "{kind} {file}");
        }
    }
}

/// Event-time windows over a generator, with rows that are rejected before them.
#[test]
fn results_do_not_depend_on_the_number_of_workers() {
    let bench = Bench::new(&[r#"
Feature: Workers
  Scenario: Bids
    @source(name=bids, type=nexmark, kind=bid, events=50000, lateness=1s)
    @step(name=Cheap)
      @then price < 100000 otherwise reject
    @step(name=PerAuction)
      @do aggregate n = count(*), top = max(price), bidders = count(distinct bidder) by auction in tumbling(1s)
    @sink(type=file, path="out.jsonl")
    @sink(name=Rejected, type=file, path="rejected.jsonl", from=rejected)
"#]);
    let mut first = None;
    for workers in ["1", "2", "3", "4"] {
        let summary = bench.summary(&["-w", workers]);
        let (mut out, mut rejected) = (bench.lines("out.jsonl"), bench.lines("rejected.jsonl"));
        assert!(!rejected.is_empty());
        assert_eq!(total(&bench.rows("out.jsonl"), "n") as usize + rejected.len(), 46_000);
        for step in summary["metrics"]["steps"].as_array().unwrap().iter().filter(|s| s["name"] == "Cheap") {
            let count = |name: &str| step[name].as_u64().unwrap();
            assert_eq!(count("rows_in"), count("rows_out") + count("filtered") + count("rejected"));
        }
        out.sort_unstable();
        rejected.sort_unstable();
        assert_eq!(first.get_or_insert((out.clone(), rejected.clone())), &(out, rejected), "{workers} workers");
    }
}
