//! `runi contract`.

use crate::command::{runi, write};
use arrow::{
    array::{Int64Array, RecordBatch, StringArray, TimestampMillisecondArray},
    datatypes::{DataType, Field, Schema, TimeUnit},
    ipc::writer::FileWriter,
};
use serde_json::Value;
use std::{fs::File, sync::Arc};

#[test]
fn a_contract_is_inferred_from_json_lines() {
    let folder = tempfile::tempdir().unwrap();
    let data =
        "{\"id\":1,\"at\":\"2026-01-01T00:00:00Z\",\"who\":{\"name\":\"x\"}}\n\nnot json\n{\"id\":2,\"at\":\"2026-01-01T00:00:01Z\"}\n";
    write(folder.path(), &[("card-events.jsonl", data)]);
    let found = runi(folder.path(), &["contract", "infer", "card-events.jsonl"]).ended(0);
    let expected = "Contract: CardEvents version 1
  | field | type                 | rules                |
  | id    | int64                | required             |
  | at    | timestamp(ms)        | required, event time |
  | who   | struct<name: string> |                      |
";
    assert_eq!(found.out, expected);
    assert!(found.err.contains("card-events.jsonl:3"), "{}", found.err);
    // What is proposed is a contract.
    write(folder.path(), &[("contract.dsl", &found.out)]);
    runi(folder.path(), &["check", "contract.dsl"]).ended(0);
    runi(folder.path(), &["fmt", "--check", "contract.dsl"]).ended(0);
}

#[test]
fn a_contract_is_inferred_from_csv_and_from_typed_files() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("a.csv", "id,price,note\n1,2.5,\"a, b\"\n2,3,\n")]);
    let found = runi(folder.path(), &["contract", "infer", "a.csv", "--name", "Price"]).ended(0);
    assert_eq!(
        found.out,
        "Contract: Price version 1
  | field | type    | rules    |
  | id    | int64   | required |
  | price | float64 | required |
  | note  | string  |          |
"
    );
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Millisecond, None), false),
    ]));
    let columns: Vec<arrow::array::ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(StringArray::from(vec![None::<&str>])),
        Arc::new(TimestampMillisecondArray::from(vec![0])),
    ];
    let mut writer = FileWriter::try_new(File::create(folder.path().join("b.arrow")).unwrap(), &schema).unwrap();
    writer.write(&RecordBatch::try_new(schema, columns).unwrap()).unwrap();
    writer.finish().unwrap();
    let found = runi(folder.path(), &["contract", "infer", "b.arrow"]).ended(0);
    assert_eq!(
        found.out,
        "Contract: B version 1
  | field | type          | rules                |
  | id    | int64         | required             |
  | name  | string        |                      |
  | at    | timestamp(ms) | required, event time |
"
    );
}

#[test]
fn data_that_says_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("empty.jsonl", ""), ("a.txt", "x"), ("a.csv.gz", "x"), ("a.csv", "a,a b\n1,2\n")]);
    for (arguments, code, what) in [
        (vec!["empty.jsonl"], 3, "RUN045"),
        (vec!["missing.csv"], 3, "RUN040"),
        (vec!["a.txt"], 3, "RUN042"),
        (vec!["a.csv.gz"], 3, "RUN048"),
        (vec!["a.csv", "--name", "two words"], 2, "RUN047"),
    ] {
        let call: Vec<&str> = ["contract", "infer"].into_iter().chain(arguments).collect();
        let refused = runi(folder.path(), &call).ended(code);
        assert!(refused.err.contains(what), "{what}: {}", refused.err);
    }
}

const CONTRACTS: &str = "Contract: A version 1
  | field | type  |
  | id    | int32 |
  Compatibility: backward

Contract: A version 2
  | field | type  |
  | id    | int64 |
  Compatibility: backward

Contract: A version 3
  | field | type  | rules    |
  | id    | int64 | required |
  Compatibility: backward
";

#[test]
fn versions_are_compared_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("a.dsl", CONTRACTS)]);
    let kept = runi(folder.path(), &["contract", "diff", "a.dsl:A@1", "a.dsl:A@2"]).ended(0);
    assert!(kept.out.contains("int32 to int64") && kept.out.contains("version 2 may follow"), "{}", kept.out);
    // Without a version, the highest.
    let broken = runi(folder.path(), &["contract", "diff", "a.dsl:A@2", "a.dsl:A", "--output", "json"]).ended(1);
    let json: Value = serde_json::from_str(&broken.out).unwrap();
    assert_eq!((json["backward"].as_str(), json["verdict"]["holds"].as_bool()), (Some("breaking"), Some(false)), "{json:#}");
    for (old, code, what) in [("a.dsl", 3, "RUN031"), ("a.dsl:B", 3, "RUN032"), ("a.dsl:A@9", 3, "RUN032"), ("b.dsl", 3, "RUN001")] {
        let refused = runi(folder.path(), &["contract", "diff", old, "a.dsl:A@1"]).ended(code);
        assert!(refused.err.contains(what), "{}", refused.err);
    }
}

#[test]
fn hashes_tell_texts_apart_by_what_they_promise() {
    let folder = tempfile::tempdir().unwrap();
    let same = CONTRACTS.replace("  | field | type  |\n", "  Owner: somebody\n  | field | type |\n");
    write(folder.path(), &[("a.dsl", CONTRACTS), ("b.dsl", &same), ("none.dsl", "Feature: F\n"), ("bad.dsl", "Contract: A\n")]);
    let hashes = runi(folder.path(), &["contract", "hash", "a.dsl"]).ended(0).out;
    let lines: Vec<&str> = hashes.lines().collect();
    assert!(lines.len() == 3 && lines[0].ends_with("  A@1") && lines[0].len() == 64 + 5, "{hashes}");
    assert_eq!(runi(folder.path(), &["contract", "hash", "b.dsl"]).ended(0).out, hashes);
    assert!(runi(folder.path(), &["contract", "hash", "none.dsl"]).ended(3).err.contains("RUN030"));
    assert!(runi(folder.path(), &["contract", "hash", "bad.dsl"]).ended(1).err.contains("RUN033"));
}
