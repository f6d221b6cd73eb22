//! The `file` source on complete files.

use crate::{
    source_suite::{check, check_with},
    support::{connector, gzip, schema, source, source_config, text},
};
use arrow::datatypes::DataType;
use proptest::prelude::*;
use runink_connector_api::{Boundedness, EpochBy, OptionValue, Ordinal, Poll, Share};
use std::{fmt::Write as _, path::Path};

/// JSON lines of about so many bytes: `id` is the line's number, every 1,000th line does not decode and every 777th is blank.
fn json_lines(bytes: usize) -> (String, u64) {
    let mut lines = String::new();
    let mut number = 0;
    while lines.len() < bytes {
        number += 1;
        if number % 1_000 == 0 {
            lines.push_str("{\"id\": true}\n");
        } else if number % 777 == 0 {
            lines.push_str("\r\n");
        } else {
            writeln!(lines, "{{\"id\":{number},\"name\":\"{}\"}}", "x".repeat(number as usize % 90)).unwrap();
        }
    }
    (lines, number)
}

fn write(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    std::fs::write(dir.join(name), bytes).unwrap();
}

#[test]
fn text_in_pieces_compressed_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let (lines, number) = json_lines(2_500_000);
    let lines = lines.trim_end();
    write(dir.path(), "a.json", lines);
    write(dir.path(), "b.jsonl.gz", gzip(lines.as_bytes()));
    write(dir.path(), "c.ndjson.zst", zstd::encode_all(lines.as_bytes(), 1).unwrap());
    write(dir.path(), "unnamed", gzip(lines.as_bytes()));
    for (name, format) in [("a.json", None), ("b.jsonl.gz", None), ("c.ndjson.zst", None), ("unnamed", Some("json"))] {
        let mut given = vec![("path", text(name))];
        given.extend(format.map(|f| ("format", text(f))));
        let source = source(dir.path(), &given, &schema(&["id", "name"])).unwrap();
        assert_eq!((source.boundedness(), source.epoch_by()), (Boundedness::Bounded, EpochBy::Volume));
        let read = check_with(source.as_ref(), 1_000, if name == "a.json" { &[2, 5] } else { &[3] });
        assert_eq!(source.total_bytes(), Some(std::fs::metadata(dir.path().join(name)).unwrap().len()));
        assert_eq!(Some(read.bytes), source.total_bytes(), "{name}");
        let chunks = read.rows.keys().map(|k| k.0).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(chunks.len(), 3, "{name}: a chunk is a MiB");
        for ((_, origin, line), row) in &read.rows {
            assert_eq!(origin, name);
            match row {
                Ok(row) => assert!(row.starts_with(&format!("{line}|")), "{row} on line {line}"),
                Err(_) => assert_eq!(line % 1_000, 0),
            }
        }
        let blank = number / 777 - number / (777 * 1_000);
        assert_eq!(read.rows.len() as u64, number - blank, "{name}");
    }
}

#[test]
fn files_of_a_pattern_are_read_in_sorted_order() {
    let dir = tempfile::tempdir().unwrap();
    for (name, id) in [("b.json", 2), ("c.json", 3), ("a.json", 1)] {
        write(dir.path(), name, format!("{{\"id\":{id}}}\n{{\"id\":{id}0}}"));
    }
    write(dir.path(), "aa.json", "");
    let source = source(dir.path(), &[("path", text("*.json"))], &schema(&["id"])).unwrap();
    let read = check(source.as_ref(), 1_000);
    assert_eq!(read.good(), ["1", "10", "2", "20", "3", "30"]);
    let units: Vec<u32> = read.rows.keys().map(|(o, _, _)| o.unit).collect();
    assert_eq!(units, [0, 0, 2, 2, 3, 3]);
}

#[test]
fn an_empty_file_is_an_empty_input() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.json", "a.csv", "a.parquet", "a.arrow", "a.json.gz"] {
        write(dir.path(), name, "");
        let source = source(dir.path(), &[("path", text(name))], &schema(&["id"])).unwrap();
        assert!(check(source.as_ref(), 1_000).rows.is_empty(), "{name}");
    }
}

#[test]
fn csv_with_line_ends_in_quotes_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let mut csv = String::from("name,id\n");
    let mut line = 2;
    while csv.len() < 1_500_000 {
        writeln!(csv, "\"{}\n\"\"quoted\"\", too\",{line}", "y".repeat(line % 70)).unwrap();
        line += 2;
    }
    write(dir.path(), "a.csv", &csv);
    let with_header = source(dir.path(), &[("path", text("a.csv"))], &schema(&["id", "name"])).unwrap();
    let read = check(with_header.as_ref(), 1_000);
    assert_eq!(read.rows.len(), (line - 2) / 2);
    assert!(read.rows.iter().all(|((_, _, line), row)| row.as_ref().unwrap().starts_with(&format!("{line}|"))));

    write(dir.path(), "b.txt", &csv[8..]);
    let given = [("path", text("b.txt")), ("format", text("csv")), ("header", OptionValue::Flag(false))];
    let without = source(dir.path(), &given, &schema(&["name", "id"])).unwrap();
    assert_eq!(check(without.as_ref(), 1_000).rows.len(), (line - 2) / 2);
}

#[test]
fn tabs_and_nulls() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.tsv", "id\tname\n1\tNULL\n2\tb\n");
    write(dir.path(), "b.csv", "id;name\n1;NULL\n2;b\n");
    for (name, more) in [("a.tsv", None), ("b.csv", Some(("delimiter", text(";"))))] {
        let given: Vec<_> = [("path", text(name)), ("null", text("NULL"))].into_iter().chain(more).collect();
        let source = source(dir.path(), &given, &schema(&["id", "name"])).unwrap();
        assert_eq!(check(source.as_ref(), 1_000).good(), ["1|null", "2|b"]);
    }
}

#[test]
fn a_line_of_any_length_takes_bounded_memory_and_no_other_row() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines = String::from("{\"id\":1}\n{\"id\":2,\"name\":\"");
    lines.push_str(&"z".repeat(20 << 20));
    lines.push_str("\"}\n{\"id\":3}\n");
    write(dir.path(), "a.json", &lines);
    let source = source(dir.path(), &[("path", text("a.json"))], &schema(&["id", "name"])).unwrap();
    let read = check(source.as_ref(), 1_000);
    assert_eq!(read.good(), ["1|null", "3|null"]);
    assert_eq!(read.rejected().iter().map(|r| r.0).collect::<Vec<_>>(), [2]);
}

#[test]
fn columnar_files_are_dealt_by_units() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<(i64, &str)> = (0..100_000).map(|i| (i, "n")).collect();
    let rows = crate::support::batch(&names);
    for name in ["a.parquet", "a.arrow"] {
        let sink = crate::support::sink(dir.path(), &[("path", text(name))], &rows.schema(), false).unwrap();
        let mut writer = sink.writer(Share { index: 0, peers: 1 }).unwrap();
        for from in (0..100_000).step_by(10_000) {
            writer.write(&rows.slice(from, 10_000), None).unwrap();
        }
        assert_eq!(writer.finish().unwrap().rows, 100_000);
        let source = source(dir.path(), &[("path", text(name))], &rows.schema()).unwrap();
        let read = check_with(source.as_ref(), 1_000, &[3]);
        assert_eq!(read.rows.len(), 100_000, "{name}");
        assert!(read.rows.iter().all(|((_, _, at), row)| *row.as_ref().unwrap() == format!("{at}|n")), "{name}");
        let places = read.rows.keys().map(|k| k.0).collect::<std::collections::BTreeSet<Ordinal>>();
        assert!(places.len() >= 4, "{name}: {} epochs", places.len());
    }
}

#[test]
fn only_projected_columns_come() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", "{\"id\":1,\"name\":\"x\"}\n");
    let mut config = source_config(dir.path(), &[("path", text("a.json"))], &schema(&["id", "name"]));
    config.projection = vec![1];
    let source = connector("file").source(config).unwrap();
    assert_eq!(check(source.as_ref(), 1_000).good(), ["x"]);
}

#[test]
fn the_schema_is_found_in_the_first_file_that_has_one() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", "");
    write(dir.path(), "b.json", "{\"id\":1,\"name\":\"x\"}\n");
    let mut config = source_config(dir.path(), &[("path", text("?.json"))], &schema(&["id"]));
    config.schema = None;
    let found = connector("file").discover(&config).unwrap();
    let fields: Vec<_> = found.fields().iter().map(|f| (f.name().as_str(), f.data_type().clone())).collect();
    assert_eq!(fields, [("id", DataType::Int64), ("name", DataType::Utf8)]);
}

#[test]
fn a_replay_is_read_by_one_worker_on_the_clock() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", "{\"id\":1,\"at\":\"2026-01-01T00:00:00Z\"}\n{\"id\":2,\"at\":\"2026-01-01T00:00:01Z\"}\n");
    let source = source(dir.path(), &[("path", text("a.json")), ("speedup", OptionValue::Number(1e6))], &schema(&["id", "at"])).unwrap();
    assert_eq!((source.boundedness(), source.epoch_by()), (Boundedness::Bounded, EpochBy::Clock));
    let mut other = source.reader(Share { index: 1, peers: 2 }).unwrap();
    assert!(matches!(other.poll().unwrap(), Poll::End));
    let mut reader = source.reader(Share { index: 0, peers: 2 }).unwrap();
    let mut rows = 0;
    loop {
        match reader.poll().unwrap() {
            Poll::Rows(chunk) => rows += chunk.batch.num_rows(),
            Poll::End => break,
            _ => std::thread::yield_now(),
        }
    }
    assert_eq!(rows, 2);
}

#[test]
fn a_named_pipe_is_read_like_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("p.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let source = source(dir.path(), &[("path", text("p.json"))], &schema(&["id"])).unwrap();
    assert_eq!((source.epoch_by(), source.total_bytes()), (EpochBy::Volume, None));
    let mut reader = source.reader(Share { index: 0, peers: 1 }).unwrap();
    let writer = std::thread::spawn(move || std::fs::write(pipe, "{\"id\":1}\n{\"id\":2}"));
    let mut ids = Vec::new();
    loop {
        match reader.poll().unwrap() {
            Poll::Rows(chunk) => ids.extend(crate::support::rows(&chunk.batch)),
            Poll::End => break,
            _ => std::thread::yield_now(),
        }
    }
    writer.join().unwrap().unwrap();
    assert_eq!(ids, ["1", "2"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Rows of any lengths, with and without a last line end, over chunk borders: every row comes once, on its own line.
    #[test]
    fn every_line_comes_once(lengths in proptest::collection::vec(0usize..400_000, 1..8), ended in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        let mut lines = String::new();
        for (i, length) in lengths.iter().enumerate() {
            writeln!(lines, "{{\"id\":{},\"name\":\"{}\"}}", i + 1, "q".repeat(*length)).unwrap();
        }
        write(dir.path(), "a.json", if ended { lines.as_str() } else { lines.trim_end() });
        let source = source(dir.path(), &[("path", text("a.json"))], &schema(&["id"])).unwrap();
        let read = check_with(source.as_ref(), 1_000, &[2]);
        prop_assert_eq!(read.rows.keys().map(|k| k.2).collect::<Vec<_>>(), (1..=lengths.len() as u64).collect::<Vec<_>>());
        prop_assert_eq!(read.good(), (1..=lengths.len()).map(|i| i.to_string()).collect::<Vec<_>>());
    }
}
