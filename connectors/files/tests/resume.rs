//! A file source goes on where other numbers of readers left it: no row twice, none missing.

use crate::support::{gzip, schema, source, text};
use arrow::{array::AsArray, datatypes::Int64Type};
use runink_connector_api::{OptionValue, Poll, SavedPosition, Share, Source};
use std::{collections::BTreeMap, fmt::Write, path::Path};

/// Reads up to `chunks` chunks with each of `peers` readers, from where the positions say. Adds ids and the positions of rejects to what was seen, and moves the positions on.
fn read(
    source: &dyn Source,
    peers: usize,
    chunks: usize,
    positions: &mut BTreeMap<(String, usize, usize), SavedPosition>,
    seen: &mut (Vec<i64>, Vec<u64>),
) {
    let from: Vec<SavedPosition> = positions.values().cloned().collect();
    for index in 0..peers {
        let mut reader = source.resume(Share { index, peers }, &from).unwrap();
        let mut left = chunks;
        while left > 0 {
            match reader.poll().unwrap() {
                Poll::Rows(chunk) => {
                    left -= 1;
                    seen.0.extend_from_slice(chunk.batch.column(0).as_primitive::<Int64Type>().values());
                    seen.1.extend(chunk.rejects.iter().map(|r| r.position));
                    if let Some(after) = chunk.after {
                        let place = chunk.origin.clone();
                        let position = SavedPosition { place: place.clone(), reader: index, readers: peers, after, ended: false };
                        positions.insert((place.to_string(), index, peers), position);
                    }
                }
                Poll::Pending { .. } => {}
                Poll::End => break,
                other => panic!("{other:?}"),
            }
        }
    }
}

fn goes_on(dir: &Path, given: &[(&str, OptionValue)]) {
    goes_on_with(dir, given, &["id", "name"]);
}

fn goes_on_with(dir: &Path, given: &[(&str, OptionValue)], columns: &[&str]) {
    let schema = schema(columns);
    let source = source(dir, given, &schema).unwrap();
    assert!(source.resumable());
    let mut all = (Vec::new(), Vec::new());
    read(source.as_ref(), 1, usize::MAX, &mut BTreeMap::new(), &mut all);
    assert!(all.0.len() > 100_000);
    for stages in [[(1, 3), (2, 5), (3, 1)], [(3, 7), (1, 60), (2, 2)], [(2, 0), (2, 1), (1, 1)]] {
        let (mut positions, mut seen) = (BTreeMap::new(), (Vec::new(), Vec::new()));
        for (peers, chunks) in stages {
            read(source.as_ref(), peers, chunks, &mut positions, &mut seen);
        }
        read(source.as_ref(), 2, usize::MAX, &mut positions, &mut seen);
        let sorted = |(mut ids, mut rejects): (Vec<i64>, Vec<u64>)| {
            ids.sort_unstable();
            rejects.sort_unstable();
            (ids, rejects)
        };
        assert!(sorted(seen) == sorted(all.clone()), "{given:?} {stages:?}");
    }
}

fn lines(from: i64, count: i64) -> String {
    let mut out = String::new();
    for id in from..from + count {
        // Every 1,000th row does not decode.
        let id = if id % 1_000 == 0 { "\"no number\"".to_owned() } else { id.to_string() };
        writeln!(out, "{{\"id\": {id}, \"name\": \"a name of some length, so that pieces come soon\"}}").unwrap();
    }
    out
}

#[test]
fn text_goes_on_where_it_was_left() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.jsonl"), lines(0, 60_000)).unwrap();
    std::fs::write(dir.path().join("b.jsonl"), lines(60_000, 50_000)).unwrap();
    goes_on(dir.path(), &[("path", text("*.jsonl"))]);
    std::fs::write(dir.path().join("c.jsonl.gz"), gzip(lines(0, 110_000).as_bytes())).unwrap();
    goes_on(dir.path(), &[("path", text("c.jsonl.gz"))]);
}

#[test]
fn csv_with_a_header_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut out = "id,name\n".to_owned();
    (0..110_000).for_each(|id| writeln!(out, "{id},\"a name with\nan end of line in it, and long enough\"").unwrap());
    std::fs::write(dir.path().join("a.csv"), out).unwrap();
    goes_on(dir.path(), &[("path", text("a.csv"))]);
}

#[test]
fn columns_go_on() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.parquet", "a.arrow"] {
        let sink = crate::support::sink(dir.path(), &[("path", text(name))], &schema(&["id", "name"]), false).unwrap();
        let mut writer = sink.writer(Share { index: 0, peers: 1 }).unwrap();
        for block in 0..11 {
            let names: Vec<(i64, &str)> = (block * 10_000..(block + 1) * 10_000).map(|id| (id, "a name")).collect();
            writer.write(&crate::support::batch(&names), None).unwrap();
        }
        writer.finish().unwrap();
        goes_on(dir.path(), &[("path", text(name))]);
    }
}

#[test]
fn files_that_come_before_others_do_not_shift_what_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let schema = schema(&["id", "name"]);
    std::fs::write(dir.path().join("b.jsonl"), lines(1, 80_000)).unwrap();
    let open = || source(dir.path(), &[("path", text("*.jsonl"))], &schema).unwrap();
    let (mut positions, mut seen) = (BTreeMap::new(), (Vec::new(), Vec::new()));
    read(open().as_ref(), 2, 3, &mut positions, &mut seen);
    std::fs::write(dir.path().join("a.jsonl"), lines(100_001, 500)).unwrap();
    read(open().as_ref(), 3, usize::MAX, &mut positions, &mut seen);
    seen.0.sort_unstable();
    let wanted: Vec<i64> = (1..=80_000).chain(100_001..=100_500).filter(|id| id % 1_000 != 0).collect();
    assert!(seen.0 == wanted);
}

#[test]
fn what_is_replayed_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut out = String::new();
    for id in 0..110_000 {
        let name = if id % 1_000 == 7 { "\"no time\"".to_owned() } else { format!("\"2026-01-01T00:00:{:02}Z\"", id % 50) };
        writeln!(out, "{{\"id\": {id}, \"at\": {name}, \"name\": \"a name of some length, so that pieces come soon\"}}").unwrap();
    }
    std::fs::write(dir.path().join("a.jsonl"), out).unwrap();
    // So fast that nothing waits for long, and every row for a little.
    goes_on_with(dir.path(), &[("path", text("a.jsonl")), ("speedup", OptionValue::Number(1e6))], &["id", "at"]);
}

#[test]
fn what_comes_through_a_pipe_cannot_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let schema = schema(&["id", "name"]);
    let given = [("path", text("-")), ("format", text("json"))];
    assert!(!source(dir.path(), &given, &schema).unwrap().resumable());
    let pipe = dir.path().join("p.jsonl");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(!source(dir.path(), &[("path", text("p.jsonl"))], &schema).unwrap().resumable());
}
