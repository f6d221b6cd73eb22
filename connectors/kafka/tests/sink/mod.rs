//! The sink, at least once: what stands in the topic afterwards, seen by an independent client.

use crate::support::*;
use arrow::{
    array::{ArrayRef, Int32Array, Int64Array, StringArray, TimestampMillisecondArray},
    datatypes::Schema,
    record_batch::RecordBatch,
};
use runink_connector_api::{OptionValue, SinkConfig};
use std::sync::Arc;

fn batch(rows: &[(i64, &str)]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(rows.iter().map(|(id, _)| *id).collect::<Int64Array>());
    let names: ArrayRef = Arc::new(rows.iter().map(|(_, name)| Some(*name)).collect::<StringArray>());
    RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap()
}

fn config(topic: &str, given: &[(&str, OptionValue)]) -> SinkConfig {
    sink_config(topic, given, &batch(&[]).schema())
}

/// Writes batches with their multiplicities, a flush behind each.
fn write(config: SinkConfig, batches: &[(RecordBatch, Option<Vec<i64>>)]) {
    let sink = connector().sink(config).unwrap();
    let mut writer = sink.writer(ALONE).unwrap();
    for (batch, diffs) in batches {
        writer.write(batch, diffs.clone().map(Int64Array::from).as_ref()).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn rows_are_messages() {
    let topic = topic("rows", 1);
    write(config(&topic, &[]), &[(batch(&[(1, "one"), (2, "a\nb")]), None), (batch(&[(3, "three")]), None)]);
    assert_eq!(
        kcat(&topic, "%o %K %s"),
        [r#"0 -1 {"id":1,"name":"one"}"#, r#"1 -1 {"id":2,"name":"a\nb"}"#, r#"2 -1 {"id":3,"name":"three"}"#]
    );
}

#[test]
fn a_missing_topic_is_made_as_told() {
    let topic = unique("made");
    let error = error_of(connector().sink(config(&topic, &[])));
    assert_eq!(error.code, "KAF002");
    let given = [("partitions", OptionValue::Count(3)), ("topic_config", text("cleanup.policy=compact, retention.ms=1000"))];
    let with_key = || SinkConfig { key: vec!["id".into()], ..config(&topic, &given) };
    write(with_key(), &[(batch(&[(1, "one"), (2, "two"), (1, "uno")]), None)]);
    let seen = kcat(&topic, "%k %p %s");
    assert_eq!(seen.len(), 3);
    let partitions: Vec<_> = seen.iter().filter(|l| l.starts_with("1 ")).map(|l| l.split(' ').nth(1).unwrap()).collect();
    assert_eq!((partitions.len(), partitions[0]), (2, partitions[1]), "a key stays in its partition");
    // What there is already is taken as it is.
    write(with_key(), &[(batch(&[(9, "nine")]), None)]);
    let bad = [("partitions", OptionValue::Count(1)), ("topic_config", text("no.such.thing=1"))];
    assert_eq!(error_of(connector().sink(config(&unique("bad"), &bad))).code, "KAF021");
}

#[test]
fn keys_headers_times_and_partitions_come_from_columns() {
    let topic = topic("parts", 3);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2]))),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![1_000, 2_000]))),
        ("part", Arc::new(Int32Array::from(vec![2, 1]))),
        ("trace", Arc::new(StringArray::from(vec![Some("t-1"), None]))),
    ];
    let rows = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let given = [
        ("headers", OptionValue::Columns(vec!["trace".into()])),
        ("timestamp_column", text("at")),
        ("partition_column", text("part")),
        ("key_format", text("json")),
    ];
    let config = SinkConfig { key: vec!["id".into(), "trace".into()], ..sink_config(&topic, &given, &rows.schema()) };
    write(config, &[(rows, None)]);
    assert_eq!(
        sorted(kcat(&topic, "%p %T %k %h %s")),
        [r#"1 2000 {"id":2,"trace":null} trace=NULL {"id":2}"#, r#"2 1000 {"id":1,"trace":"t-1"} trace=t-1 {"id":1}"#]
    );
}

#[test]
fn a_changelog_is_the_newest_row_of_each_key() {
    let topic = topic("changes", 1);
    let changelog = |given: &[(&str, OptionValue)]| SinkConfig { key: vec!["id".into()], changelog: true, ..config(&topic, given) };
    let epochs = [(batch(&[(1, "a"), (2, "b")]), Some(vec![1, 1])), (batch(&[(1, "c"), (1, "a"), (2, "b")]), Some(vec![1, -1, -1]))];
    write(changelog(&[]), &epochs);
    assert_eq!(
        kcat(&topic, "%k %S %s"),
        [r#"1 19 {"id":1,"name":"a"}"#, r#"2 19 {"id":2,"name":"b"}"#, r#"1 19 {"id":1,"name":"c"}"#, "2 -1 "]
    );
    let all = crate::support::topic("retract", 1);
    let config = SinkConfig { options: options(&all, &[("changes", text("retract"))]), ..changelog(&[]) };
    write(config, &epochs[1..]);
    assert_eq!(
        kcat(&all, "%s"),
        [r#"{"id":1,"name":"c","_diff":1}"#, r#"{"id":1,"name":"a","_diff":-1}"#, r#"{"id":2,"name":"b","_diff":-1}"#]
    );
    let events = crate::support::topic("events", 1);
    let as_events = SinkConfig { options: options(&events, &[("changes", text("debezium"))]), ..changelog(&[]) };
    write(as_events.clone(), &epochs);
    assert_eq!(
        kcat(&events, "%k %s"),
        [
            r#"1 {"before":null,"after":{"id":1,"name":"a"},"op":"c"}"#,
            r#"2 {"before":null,"after":{"id":2,"name":"b"},"op":"c"}"#,
            r#"1 {"before":{"id":1,"name":"a"},"after":{"id":1,"name":"c"},"op":"u"}"#,
            r#"2 {"before":{"id":2,"name":"b"},"after":null,"op":"d"}"#,
        ]
    );
    write(SinkConfig { changelog: false, ..as_events }, &[(batch(&[(5, "e")]), None)]);
    assert_eq!(kcat(&events, "%s").pop().unwrap(), r#"{"before":null,"after":{"id":5,"name":"e"},"op":"c"}"#);
    let without = SinkConfig { key: Vec::new(), ..changelog(&[]) };
    assert_eq!(error_of(connector().sink(without)).code, "KAF001");
}

#[test]
fn many_rows_pass_a_small_queue() {
    let topic = topic("many", 4);
    let rows: Vec<(i64, &str)> = (0..20_000).map(|i| (i, "row")).collect();
    let given = [("queue.buffering.max.messages", text("1000")), ("compression.type", text("zstd"))];
    let config = SinkConfig { checkpoints: true, ..config(&topic, &[&given[..], &[("delivery", text("at-least-once"))]].concat()) };
    let sink = connector().sink(config).unwrap();
    let mut writer = sink.writer(ALONE).unwrap();
    writer.write(&batch(&rows), None).unwrap();
    writer.flush().unwrap();
    assert_eq!(kcat(&topic, "%s").len(), 20_000, "with checkpoints, a flush ends when the brokers have everything");
    drop(writer);
}

#[test]
fn nothing_to_write_is_an_error() {
    let empty = Arc::new(Schema::empty());
    assert_eq!(error_of(connector().sink(sink_config(&topic("none", 1), &[], &empty))).code, "KAF001");
}

#[test]
fn protobuf_without_a_registry_is_the_bare_message() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("person.proto");
    std::fs::write(&file, "syntax = \"proto3\"; package shop; message Person { string name = 1; int64 id = 2; }").unwrap();
    let topic = topic("bare", 1);
    let given = [("format", text("protobuf")), ("proto_file", text(file.to_str().unwrap())), ("message", text("shop.Person"))];
    write(config(&topic, &given), &[(batch(&[(1, "one"), (2, "")]), None)]);
    assert_eq!(kcat(&topic, "%S"), ["7", "2"]);
    put(&topic, &values(0, &["\n\u{5}x"]));
    let until: Vec<_> = given.iter().cloned().chain([("until", text("latest"))]).collect();
    let mut found = source_config(options(&topic, &until), &batch(&[]).schema());
    found.schema = None;
    let found = connector().discover(&found).unwrap();
    let chunks = drain(source(&topic, &until, &found).reader(ALONE).unwrap().as_mut());
    assert_eq!(rows(&chunks), [r#"0@0 {"name":"one","id":1}"#, r#"0@1 {"name":"","id":2}"#]);
    let rejects: Vec<_> = chunks.iter().flat_map(|c| &c.rejects).map(|r| (r.position, r.message.as_str())).collect();
    assert_eq!(rejects, [(2, "not Protobuf: expected as many bytes as were announced at byte 3, found 0x78")]);

    let refused =
        |given: &[(&str, OptionValue)]| error_of(connector().sink(config(&topic, given))).to_string().replace(&format!("`{topic}`: "), "");
    let both: Vec<_> = given.iter().cloned().chain([("schema_registry", text("http://127.0.0.1:1"))]).collect();
    let neither = [("format", text("protobuf"))];
    let other = [("format", text("json")), ("proto_file", text("x.proto"))];
    assert_eq!(
        [refused(&both), refused(&neither), refused(&other)],
        [
            "KAF001: `proto_file` and `schema_registry` both say what messages are",
            "KAF001: `format=protobuf` needs to know what messages are",
            "KAF001: `proto_file` is an option of Protobuf, and the format is `json`",
        ]
    );
}

#[test]
fn messages_of_arrow_have_many_rows_and_a_bound() {
    let topic = topic("arrow", 1);
    let given = [("format", text("arrow"))];
    let long = "x".repeat(1000);
    let many: Vec<(i64, &str)> = (0..2000).map(|id| (id, long.as_str())).collect();
    let sink = connector().sink(config(&topic, &given)).unwrap();
    let mut writer = sink.writer(ALONE).unwrap();
    writer.write(&batch(&[(-1, "first"), (-2, "second")]), None).unwrap();
    writer.write(&batch(&many), None).unwrap();
    writer.flush().unwrap();
    assert_eq!(writer.finish().unwrap().rows, 2002);
    let sizes: Vec<usize> = kcat(&topic, "%S").iter().map(|s| s.parse().unwrap()).collect();
    assert!(sizes.len() == 5 && sizes.iter().all(|s| *s <= runink_formats::ARROW_MESSAGE_BYTES), "{sizes:?}");
    let until = [("format", text("arrow")), ("until", text("latest"))];
    let chunks = drain(source(&topic, &until, &batch(&[]).schema()).reader(ALONE).unwrap().as_mut());
    let back: Vec<String> = chunks.iter().flat_map(|c| shown(&c.batch)).collect();
    assert_eq!(back, [shown(&batch(&[(-1, "first"), (-2, "second")])), shown(&batch(&many))].concat());

    let keyed = SinkConfig { key: vec!["id".into()], ..config(&topic, &given) };
    assert_eq!(error_of(connector().sink(keyed)).to_string(), "KAF001: a message of `format=arrow` has many rows, and `key` is of one");
}
