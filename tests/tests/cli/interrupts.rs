//! Streams without end: Ctrl-C, files that grow, windows on the wall clock.

use super::bench::{Bench, ORDER, next, orders, text, total, until};
use serde_json::Value;
use std::{fs, io::Write};

const TICKS: &str = r#"
Feature: Ticks
  Scenario: Ticks
    @source(name=ticks, type=ticks, rate=2000)
    @step(name=Counted)
      @do aggregate n = count(*) by key in tumbling(500ms)
    @sink(type=file, path="windows.jsonl")
    @sink(name=all, type=file, path="all.jsonl", from=ticks)
"#;

/// Runs ticks until a second has been counted, interrupts, and gives the summary.
fn interrupted(bench: &Bench, arguments: &[&str]) -> Value {
    let running = bench.start(&[arguments, &["--output", "json"]].concat());
    until(&running.err, |line| line.contains("progress"));
    running.interrupt();
    let summary = until(&running.err, |line| line.contains("summary")).pop().unwrap();
    assert_eq!(running.end(), 130);
    bench.is_tidy();
    serde_json::from_str(&summary).unwrap()
}

#[test]
fn ctrl_c_closes_cleanly_and_lets_open_windows_go() {
    let bench = Bench::new(&[TICKS]);
    let summary = interrupted(&bench, &[]);
    assert_eq!(summary["ending"], "stopped");
    let metrics = &summary["metrics"];
    let (all, windows) = (bench.rows("all.jsonl"), bench.rows("windows.jsonl"));
    assert!(all.len() > 100, "{}", all.len());
    assert_eq!(metrics["sources"][0]["rows"], all.len());
    let ids: Vec<_> = all.iter().map(|r| r["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (0..all.len() as u64).collect::<Vec<_>>());
    assert!(!windows.is_empty() && windows.iter().all(|w| w["n"].as_u64().unwrap() > 0));
    // Closed windows are whole: 1000 ticks each.
    assert_eq!(total(&windows, "n") % 1000, 0);
    assert!(total(&windows, "n") <= all.len() as u64);
}

#[test]
fn ctrl_c_with_drain_closes_open_windows() {
    let bench = Bench::new(&[TICKS]);
    interrupted(&bench, &["--drain"]);
    assert_eq!(total(&bench.rows("windows.jsonl"), "n"), bench.lines("all.jsonl").len() as u64);
}

#[test]
fn ctrl_c_twice_ends_at_once_and_leaves_nothing_half() {
    let bench = Bench::new(&[r#"
Feature: Stuck
  Scenario: Stuck
    @source(name=bids, type=nexmark, kind=bid)
    @sink(type=stdout)
    @sink(name=kept, type=file, path="kept.jsonl", from=bids)
"#]);
    let mut command = bench.command(&["--output", "json"]);
    // Nobody empties this pipe: the clean end cannot come.
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut told = [0];
    std::io::Read::read_exact(&mut child.stderr.take().unwrap(), &mut told).unwrap();
    assert!(bench.files().iter().any(|f| f.ends_with(".tmp")));
    // Signals that come while one is pending are one.
    let code = (0..1_000).find_map(|_| {
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        child.try_wait().unwrap()
    });
    let _ = child.kill();
    assert_eq!(code.and_then(|status| status.code()), Some(130));
    assert_eq!(bench.files(), ["s.dsl"]);
}

#[test]
fn a_file_is_followed_as_it_grows_and_moves() {
    let bench = Bench::new(&[
        r#"
Feature: Follow
  Scenario: Follow
    @source(name=orders, type=file, path="in/*.jsonl", contract=Order@1, follow=true)
    @step(name=Ids)
      @do select id
    @sink(type=stdout)
    @sink(name=Rejected, type=file, path="rejected.jsonl", from=rejected)
"#,
        ORDER,
    ]);
    fs::create_dir(bench.path("in")).unwrap();
    let rows = orders(6);
    let id = |i: usize| format!("{{\"id\":{i}}}");
    let mut log = fs::File::create(bench.path("in/a.jsonl")).unwrap();
    let running = bench.start(&[]);
    writeln!(log, "{}", rows[0]).unwrap();
    assert_eq!(next(&running.out), id(0));
    let (first, rest) = rows[1].split_at(10);
    write!(log, "{first}").unwrap();
    log.flush().unwrap();
    writeln!(log, "{rest}\nnonsense").unwrap();
    assert_eq!(next(&running.out), id(1));
    bench.write("in/b.jsonl", text(&rows[2..3]));
    assert_eq!(next(&running.out), id(2));
    // Under its new name it goes on where it was; the old name is a new file.
    fs::rename(bench.path("in/a.jsonl"), bench.path("in/c.jsonl")).unwrap();
    bench.write("in/a.jsonl", text(&rows[3..4]));
    assert_eq!(next(&running.out), id(3));
    writeln!(log, "{}", rows[4]).unwrap();
    assert_eq!(next(&running.out), id(4));
    fs::remove_file(bench.path("in/b.jsonl")).unwrap();
    bench.write("in/d.jsonl", text(&rows[5..6]));
    assert_eq!(next(&running.out), id(5));
    running.interrupt();
    assert!(running.out.iter().next().is_none());
    assert_eq!(running.end(), 130);
    assert_eq!(bench.lines("rejected.jsonl").len(), 1);
}

#[test]
fn windows_on_processing_time_hold_every_tick_once() {
    let bench = Bench::new(&[r#"
Feature: Wall clock
  Scenario: Ticks
    @source(name=ticks, type=ticks, rate=2000, count=2000)
    @step(name=Counted)
      @do aggregate n = count(*), first = min(id) in tumbling(200ms) on processing time
    @sink(type=file, path="out.jsonl")
"#]);
    bench.must_run(&[]);
    let rows = bench.rows("out.jsonl");
    assert_eq!(total(&rows, "n"), 2000);
    assert!(rows.len() > 2, "{rows:?}");
    assert!(rows.is_sorted_by_key(|r| (r["window_start"].as_str().unwrap().to_owned(), r["first"].as_u64())), "{rows:?}");
}

#[test]
fn a_replay_has_every_row() {
    let bench = Bench::new(&[
        r#"
Feature: Replay
  Scenario: Replay
    @source(name=orders, type=file, path="orders.jsonl", contract=Order@1, speedup=${env.SPEEDUP})
    @step(name=Counted)
      @do aggregate n = count(*) in tumbling(10s)
    @sink(type=stdout)
"#,
        ORDER,
    ]);
    bench.write("orders.jsonl", text(&orders(100)));
    let ran = bench.run(&["--set", "SPEEDUP=1000"]);
    assert_eq!((ran.code, ran.err.as_str(), ran.out.matches("\"n\":10,").count()), (0, "", 10), "{}", ran.out);
    for speedup in ["0", "-1", "nan"] {
        let ran = bench.run(&["--set", &format!("SPEEDUP={speedup}")]);
        assert!(ran.code == 3 && ran.err.contains("FIL006"), "{}", ran.err);
    }
}
