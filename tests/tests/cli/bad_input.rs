//! Input that is not what it should be.

use super::bench::{Bench, COPY, ORDER, orders, text, total};
use std::{collections::BTreeMap, fs, io::Write};

#[test]
fn what_is_not_there_is_named_and_the_next_best_is_offered() {
    let bench = Bench::new(&[COPY, ORDER]);
    bench.write("orders.jsonl", text(&orders(3)));
    fs::create_dir(bench.path("folder")).unwrap();
    for (path, code, says) in [
        ("ordres.jsonl", "FIL001", "Did you mean `orders.jsonl`?"),
        ("nowhere/x.jsonl", "FIL001", "nowhere` is not there either"),
        ("*.csv", "FIL002", "Look at the pattern"),
        ("[.jsonl", "FIL010", "`*` stands for"),
        ("folder", "FIL003", "folder/*`"),
        ("s.dsl", "FIL005", "Give `format=json`"),
    ] {
        let ran = bench.run(&["--set", &format!("IN={path}")]);
        assert_eq!(ran.code, 3, "{path}");
        assert!(ran.err.contains(&format!("error: orders: {code}: ")) && ran.err.contains(says), "{path}: {}", ran.err);
        assert_eq!(bench.files(), ["orders.jsonl", "s.dsl"]);
    }
}

#[test]
fn a_file_without_rights_is_the_operators_matter() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new(&[COPY, ORDER]);
    bench.write("orders.jsonl", text(&orders(3)));
    fs::set_permissions(bench.path("orders.jsonl"), fs::Permissions::from_mode(0o000)).unwrap();
    let ran = bench.run(&["--set", "IN=orders.jsonl"]);
    if fs::File::open(bench.path("orders.jsonl")).is_ok() {
        // Root may read everything.
        assert_eq!((ran.code, bench.lines("out.jsonl").len()), (0, 3));
    } else {
        assert_eq!(ran.code, 4);
        assert!(ran.err.contains("FIL004"), "{}", ran.err);
        assert_eq!(bench.files(), ["orders.jsonl", "s.dsl"]);
    }
}

#[test]
fn bad_json_lines_are_rejected_at_their_place_and_the_others_go_on() {
    let bench = Bench::new(&[COPY, ORDER]);
    let at = r#""at": "2026-01-01T00:00:00Z""#;
    let bad: BTreeMap<usize, (Vec<u8>, &str)> = [
        (100, (br#"{"id": 100, "who": "x"#.to_vec(), "decode")),
        (200, (format!(r#"{{"id": "no", {at}}}"#).into_bytes(), "decode")),
        (300, ([&br#"{"id": 300, "who": ""#[..], &[0xff, 0xfe], format!("\", {at}}}").as_bytes()].concat(), "decode")),
        (400, (b"[1, 2]".to_vec(), "decode")),
        (500, (b"nonsense".to_vec(), "decode")),
        (600, (format!("{{{at}}}").into_bytes(), "contract")),
        (800, (format!(r#"{{"id": 9999999999999999999999, {at}}}"#).into_bytes(), "decode")),
        (801, (format!(r#"{{"id": 1, "amount": 1e999, {at}}}"#).into_bytes(), "decode")),
        (802, (br#"{"id": 1, "at": "2026-02-30T00:00:00Z"}"#.to_vec(), "decode")),
        (803, (format!(r#"{{"id": 1, "who": 7, {at}}}"#).into_bytes(), "decode")),
        (804, (vec![0, 0], "decode")),
        (805, (format!(r#"{{"id": 1, {at}}} more"#).into_bytes(), "decode")),
        (806, ([br#"{"id":"#.to_vec(), vec![b'['; 100_000]].concat(), "decode")),
    ]
    .into();
    let mut lines: Vec<Vec<u8>> = orders(1000).into_iter().map(String::into_bytes).collect();
    for (&i, (line, _)) in &bad {
        lines[i] = line.clone();
    }
    (lines[700], lines[701]) = (Vec::new(), b"  \r".to_vec());
    // The last line is not ended.
    bench.write("bad.jsonl", lines.join(&b'\n'));
    for workers in ["1", "3"] {
        let summary = bench.summary(&["--set", "IN=bad.jsonl", "-w", workers]);
        let rejected = bench.rows("rejected.jsonl");
        let mut places: Vec<_> = rejected.iter().map(|r| (r["position"].as_u64().unwrap(), r["reason"].as_str().unwrap())).collect();
        places.sort_unstable();
        let expected: Vec<_> = bad.iter().map(|(&i, (_, reason))| (i as u64 + 1, *reason)).collect();
        assert_eq!(places, expected);
        assert!(rejected.iter().all(|r| r["place"] == "bad.jsonl" && r["source"] == "orders" && r["message"] != ""));
        assert_eq!(bench.lines("out.jsonl").len() + rejected.len() + 2, 1000);
        assert_eq!(summary["metrics"]["rejected"], rejected.len());
    }
}

#[test]
fn bad_csv_rows_are_rejected_at_their_place_and_the_others_go_on() {
    let bench = Bench::new(&[COPY, ORDER]);
    let good = "1,a,1.5,2026-01-01T00:00:00Z\r\n";
    bench.write(
        "bad.csv",
        [
            b"id,who,amount,at\n".as_slice(),
            good.as_bytes(),
            b"2,too few\n",
            b"x,not a number,1,2026-01-01T00:00:00Z\n",
            b"4,\"two\nlines, and \"\"quotes\"\"\",1,2026-01-01T00:00:00Z\n",
            b"5,too,1,2026-01-01T00:00:00Z,many\n",
            b"6,\xff,1,2026-01-01T00:00:00Z\n",
            b",,,\n\n",
            good.as_bytes(),
            b"9,\"never closed,1,2026-01-01T00:00:00Z\n",
        ]
        .concat(),
    );
    bench.must_run(&["--set", "IN=bad.csv"]);
    let mut places: Vec<_> = bench.rows("rejected.jsonl").iter().map(|r| r["position"].as_u64().unwrap()).collect();
    places.sort_unstable();
    assert_eq!(places, [3, 4, 7, 8, 9, 12]);
    let names: Vec<_> = bench.rows("out.jsonl").iter().map(|r| r["who"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["a", "two\nlines, and \"quotes\"", "a"]);

    bench.write("names.csv", "ident,who,amount,at\n1,a,1.5,2026-01-01T00:00:00Z\n");
    let ran = bench.run(&["--set", "IN=names.csv"]);
    assert!(ran.code == 3 && ran.err.contains("FMT002") && ran.err.contains("it has: ident, who, amount, at"), "{}", ran.err);
}

#[test]
fn damaged_files_fail_the_run_and_the_old_output_stays() {
    let bench = Bench::new(&[COPY, ORDER]);
    bench.write("orders.jsonl", text(&orders(1000)));
    bench.write("kept.jsonl", "KEPT");
    for name in ["o.jsonl.gz", "o.csv.zst", "o.parquet", "o.arrow"] {
        bench.must_run(&["--set", "IN=orders.jsonl", "--set", &format!("OUT={name}")]);
        fs::remove_file(bench.path("rejected.jsonl")).unwrap();
        let whole = bench.read(name);
        for length in [7, whole.len() / 2, whole.len() - 1] {
            let cut = format!("cut.{}", name.trim_start_matches("o."));
            bench.write(&cut, &whole[..length]);
            let ran = bench.run(&["--set", &format!("IN={cut}"), "--set", "OUT=kept.jsonl"]);
            assert_eq!(ran.code, 3, "{name} of {length} bytes: {}", ran.err);
            let code = ran.err.strip_prefix("error: orders: ").unwrap_or(&ran.err);
            assert!(["FIL007", "FMT010", "FMT011", "FMT012"].iter().any(|c| code.starts_with(c)) && ran.err.contains(&cut), "{}", ran.err);
            assert_eq!(bench.read("kept.jsonl"), b"KEPT");
            assert!(!bench.path("rejected.jsonl").exists());
            bench.is_tidy();
            fs::remove_file(bench.path(&cut)).unwrap();
        }
    }
}

#[test]
fn empty_input_gives_empty_output() {
    let bench = Bench::new(&[COPY, ORDER]);
    bench.write("none.jsonl", "");
    bench.write("blank.jsonl", "\n\n\n");
    bench.write("head.csv", "id,who,amount,at\n");
    for name in ["none.csv", "none.jsonl.gz"] {
        bench.write(name, "");
    }
    for (i, name) in ["no.parquet", "no.arrow", "no.csv.gz", "no.jsonl.zst"].into_iter().enumerate() {
        bench.must_run(&["--set", ["IN=none.jsonl", "IN=blank.jsonl"][i % 2], "--set", &format!("OUT={name}")]);
    }
    for name in [
        "none.jsonl",
        "blank.jsonl",
        "head.csv",
        "none.csv",
        "none.jsonl.gz",
        "no.parquet",
        "no.arrow",
        "no.csv.gz",
        "no.jsonl.zst",
        "*.csv",
    ] {
        let _ = fs::remove_file(bench.path("out.jsonl"));
        bench.must_run(&["--set", &format!("IN={name}")]);
        assert_eq!(bench.read("out.jsonl"), b"", "{name}");
        assert_eq!(bench.read("rejected.jsonl"), b"", "{name}");
    }
}

#[test]
fn a_line_of_100_megabytes_is_rejected_in_bounded_memory() {
    const MEGABYTES: usize = 100;
    let bench = Bench::new(&[&COPY.replace("path=\"${env.IN}\"", "path=\"-\", format=json"), ORDER]);
    let mut running = bench.start(&["-w", "2"]);
    let mut input = running.child.stdin.take().unwrap();
    let rows = orders(2);
    let part = vec![b'x'; 1_000_000];
    input.write_all(format!("{}\n{{\"id\": 1, \"who\": \"", rows[0]).as_bytes()).unwrap();
    (0..MEGABYTES).for_each(|_| input.write_all(&part).unwrap());
    input.write_all(format!("\"}}\n{}\n", rows[1]).as_bytes()).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB").parse::<usize>().unwrap();
    drop(input);
    assert_eq!(running.end(), 0);
    assert!(peak / 1024 < 150, "{peak} kB");
    assert_eq!(bench.lines("out.jsonl").len(), 2);
    let rejected = bench.rows("rejected.jsonl");
    assert_eq!((rejected.len(), rejected[0]["position"].as_u64()), (1, Some(2)));
    assert!(rejected[0]["message"].as_str().unwrap().contains("more than the 16777216 that a row may have"), "{}", rejected[0]["message"]);
}

const WINDOWS: &str = r#"
Feature: Clocks
  Scenario: Jump
    @source(name=t, type=file, path="t.jsonl", contract=T@1)
    @step(name=W)
      @do aggregate n = count(*) by k in tumbling(1m)
    @sink(type=file, path="out.jsonl")
    @sink(name=Rejected, type=file, path="rejected.jsonl", from=rejected)

Contract: T version 1
  | field | type          | rules                |
  | k     | int64         | required             |
  | at    | timestamp(us) | required, event time |
"#;

#[test]
fn a_clock_that_jumps_ahead_makes_the_rest_late_and_loses_none() {
    const ROWS: usize = 60_000;
    let bench = Bench::new(&[WINDOWS]);
    let rows: Vec<_> = (0..ROWS)
        .map(|i| match i {
            5 => r#"{"k": 5, "at": "0001-01-01T00:00:00Z"}"#.to_owned(),
            20_000 => r#"{"k": 6, "at": "9999-12-31T23:59:59Z"}"#.to_owned(),
            i => format!(r#"{{"k": {}, "at": "2026-01-01T00:{:02}:{:02}Z"}}"#, i % 3, i / 60_00 % 60, i / 100 % 60),
        })
        .collect();
    bench.write("t.jsonl", text(&rows));
    let mut results = Vec::new();
    for workers in ["1", "4"] {
        bench.must_run(&["-w", workers]);
        let (mut out, rejected) = (bench.lines("out.jsonl"), bench.rows("rejected.jsonl"));
        assert!(rejected.iter().all(|r| r["reason"] == "late" && r["step"] == "W"));
        assert!(rejected.len() > 10_000 && bench.rows("out.jsonl").iter().any(|r| r["k"] == 6));
        assert_eq!(total(&bench.rows("out.jsonl"), "n") as usize + rejected.len(), ROWS);
        out.sort_unstable();
        let mut places: Vec<_> = rejected.iter().map(|r| r["position"].as_u64()).collect();
        places.sort_unstable();
        results.push((out, places));
    }
    assert_eq!(results[0], results[1]);
}

#[test]
fn instants_that_no_window_can_hold_are_rejected() {
    let bench = Bench::new(&[WINDOWS]);
    let instants = [
        i64::MAX.to_string(),
        i64::MIN.to_string(),
        r#""1677-01-01T00:00:00Z""#.into(),
        r#""9999-12-31T23:59:59.999999999Z""#.into(),
        r#""+262142-12-31T23:59:59Z""#.into(),
        r#""2026-01-01T24:00:00Z""#.into(),
    ];
    bench.write("t.jsonl", text(&instants.map(|at| format!(r#"{{"k": 1, "at": {at}}}"#))));
    for window in ["tumbling(1m)", "hopping(1h, every 7m)", "session(1m)", "cumulating(1d, every 1h)", "tumbling(1m) offset 30s"] {
        bench.write("s.dsl", WINDOWS.replace("tumbling(1m)", window));
        bench.must_run(&[]);
        let rejected = bench.rows("rejected.jsonl");
        let mut reasons: Vec<_> = rejected.iter().map(|r| (r["reason"].as_str().unwrap(), r["position"].as_u64().unwrap())).collect();
        reasons.sort_unstable();
        // A session begins at its first row: the earliest instant is as good as any.
        let expected = [("decode", 5), ("decode", 6), ("expression", 1), ("expression", 2)];
        assert_eq!(reasons, expected[..if window.starts_with("session") { 3 } else { 4 }], "{window}");
        assert!(rejected.iter().any(|r| r["row"].as_str().unwrap().contains(&i64::MAX.to_string())), "{rejected:?}");
        if window.starts_with("tumbling") {
            assert_eq!(total(&bench.rows("out.jsonl"), "n"), 2);
        }
    }
}
