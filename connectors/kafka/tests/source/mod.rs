//! The source: what it reads, from where to where, and what it says of itself.

use crate::support::*;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use runink_connector_api::{Chunk, OptionValue, Ordinal, Poll, SavedPosition, Share, SourceReader};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)]))
}

const UNTIL_LATEST: (&str, fn() -> OptionValue) = ("until", || OptionValue::Text("latest".into()));

fn until_latest() -> (&'static str, OptionValue) {
    (UNTIL_LATEST.0, UNTIL_LATEST.1())
}

#[test]
fn rows_of_all_partitions_are_read_by_all_workers_each_once() {
    let topic = topic("shared", 3);
    for partition in 0..3 {
        let lines: Vec<String> = (0..10).map(|i| format!("{{\"id\":{},\"name\":\"p{partition}\"}}", partition * 100 + i)).collect();
        put(&topic, &values(partition, &lines.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    let source = source(&topic, &[], &schema());
    assert_eq!(source.partitions(), 3);
    let mut whole = Vec::new();
    for peers in 1..=4 {
        let mut all = Vec::new();
        for index in 0..peers {
            let chunks = drain(source.reader(Share { index, peers }).unwrap().as_mut());
            assert!(chunks.iter().all(|c| c.partition.0 as usize % peers == index));
            assert!(chunks.iter().all(|c| *c.origin == *format!("{topic}/{}", c.partition.0)));
            all.extend(rows(&chunks));
        }
        assert_eq!(all.len(), 30);
        if peers == 1 {
            whole = sorted(all);
        } else {
            assert_eq!(sorted(all), whole, "{peers} workers");
        }
    }
    assert_eq!(whole[0], r#"0@0 {"id":0,"name":"p0"}"#);
}

#[test]
fn bad_messages_are_rejected_with_their_places() {
    let topic = topic("bad", 1);
    let mut puts = values(0, &["{\"id\":1}", "nonsense", "{\"id\":\"x\"}", "", "{\"id\":2,\n\"name\":\"two\"}"]);
    puts.push(Put { key: Some("k"), ..Put::default() });
    put(&topic, &puts);
    let chunks = drain(source(&topic, &[], &schema()).reader(ALONE).unwrap().as_mut());
    assert_eq!(rows(&chunks), [r#"0@0 {"id":1,"name":null}"#, r#"0@4 {"id":2,"name":"two"}"#]);
    let rejects: Vec<_> = chunks.iter().flat_map(|c| &c.rejects).map(|r| (r.position, r.message.as_str(), r.raw.as_slice())).collect();
    let expected: [(u64, &str, &[u8]); 4] = [
        (1, "not JSON: expected `{` at byte 1, found `nonsense`", b"nonsense"),
        (2, "column `id`: expected int64, found \"x\"", b"{\"id\":\"x\"}"),
        (3, "not JSON: the message is empty", b""),
        (5, "the message has no value; `key=` makes it a deletion", b"k"),
    ];
    assert_eq!(rejects, expected);
    assert_eq!(chunks.last().unwrap().after.as_ref().unwrap().0.as_ref(), "6");
}

#[test]
fn reading_starts_where_it_is_told_to() {
    let topic = topic("starts", 2);
    let at = |partition, id, ms| (partition, format!("{{\"id\":{id}}}"), ms);
    let all = [at(0, 1, 1_000), at(0, 2, 2_000), at(0, 3, 3_000), at(1, 4, 1_500), at(1, 5, 2_500)];
    let puts: Vec<_> =
        all.iter().map(|(p, v, ms)| Put { partition: *p, value: Some(v), timestamp_ms: Some(*ms), ..Put::default() }).collect();
    put(&topic, &puts);
    let read = |start: &str| {
        let source = source(&topic, &[("start", text(start)), until_latest()], &schema());
        let chunks = drain(source.reader(ALONE).unwrap().as_mut());
        sorted(rows(&chunks).iter().map(|r| r.split_once(' ').unwrap().0.to_owned()).collect())
    };
    assert_eq!(read("earliest"), ["0@0", "0@1", "0@2", "1@0", "1@1"]);
    assert_eq!(read("latest"), Vec::<String>::new());
    assert_eq!(read("1970-01-01T00:00:02Z"), ["0@1", "0@2", "1@1"]);
    assert_eq!(read("0:2"), ["0@2", "1@0", "1@1"]);
    assert_eq!(read("0:9,1:1"), ["1@1"], "behind the end there is nothing");
}

#[test]
fn a_live_reader_sees_new_rows_new_partitions_and_the_end() {
    let topic = topic("live", 1);
    put(&topic, &values(0, &["{\"id\":1}"]));
    let source = source(&topic, &[("start", text("latest")), ("discover_every", OptionValue::Duration(100_000))], &schema());
    let mut reader = source.reader(ALONE).unwrap();
    let first = drain(reader.as_mut());
    assert_eq!(rows(&first), Vec::<String>::new());
    assert_eq!(first[0].after.as_ref().unwrap().0.as_ref(), "1", "a checkpoint knows of a partition before it has rows");
    put(&topic, &values(0, &["{\"id\":2}"]));
    assert_eq!(rows(&next_rows(reader.as_mut(), 1)), [r#"0@1 {"id":2,"name":null}"#]);
    grow(&topic, 2);
    put(&topic, &values(1, &["{\"id\":3}"]));
    assert_eq!(rows(&next_rows(reader.as_mut(), 1)), [r#"1@0 {"id":3,"name":null}"#], "a new partition is read from its start");
}

/// Polls until that many rows have come.
fn next_rows(reader: &mut dyn SourceReader, wanted: usize) -> Vec<Chunk> {
    let until = Instant::now() + PATIENCE;
    let (mut chunks, mut count) = (Vec::new(), 0);
    while count < wanted {
        assert!(Instant::now() < until, "{wanted} rows do not come");
        match reader.poll().unwrap() {
            Poll::Rows(chunk) => {
                count += chunk.batch.num_rows();
                chunks.push(chunk);
            }
            Poll::End => panic!("the reader has ended"),
            _ => thread::yield_now(),
        }
    }
    chunks
}

#[test]
fn only_a_partition_at_its_end_is_said_to_be_caught_up() {
    let topic = topic("idle", 2);
    put(&topic, &values(0, &["{\"id\":1}"]));
    let mut reader = source(&topic, &[], &schema()).reader(ALONE).unwrap();
    drain(reader.as_mut());
    // Rows of partition 1 keep coming; partition 0 is quiet.
    let until = Instant::now() + PATIENCE;
    let producer = producer(None);
    let mut sent = 0;
    loop {
        assert!(Instant::now() < until, "no evidence for the quiet partition");
        sent += 1;
        send(&producer, &topic, &values(1, &[&format!("{{\"id\":{sent}}}")]));
        match reader.poll().unwrap() {
            Poll::CaughtUp { partition } => {
                assert_eq!(partition.0, 0);
                break;
            }
            Poll::Rows(chunk) => assert_eq!(chunk.partition.0, 1),
            _ => {}
        }
    }
}

#[test]
fn what_is_not_committed_is_not_read() {
    let topic = topic("transactions", 1);
    let producer = producer(Some("of-the-test"));
    use rdkafka::producer::Producer;
    producer.init_transactions(PATIENCE).unwrap();
    let transaction = |lines: &[&str], commit: bool| {
        producer.begin_transaction().unwrap();
        send(&producer, &topic, &values(0, lines));
        if commit { producer.commit_transaction(PATIENCE) } else { producer.abort_transaction(PATIENCE) }.unwrap();
    };
    transaction(&["{\"id\":1}"], true);
    transaction(&["{\"id\":2}"], false);
    transaction(&["{\"id\":3}"], true);
    let read = |given: &[(&str, OptionValue)]| {
        let chunks = drain(source(&topic, given, &schema()).reader(ALONE).unwrap().as_mut());
        rows(&chunks).iter().map(|r| r.split_once(' ').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(read(&[]), ["0@0", "0@4"]);
    assert_eq!(read(&[until_latest()]), ["0@0", "0@4"], "markers at the end are no rows");
    assert_eq!(read(&[("isolation", text("read-uncommitted"))]), ["0@0", "0@2", "0@4"]);
}

#[test]
fn what_stands_beside_a_message_can_be_read() {
    let topic = topic("beside", 2);
    let full = Put { partition: 1, key: Some("k1"), value: Some("{\"id\":1}"), header: Some(("trace", "t-1")), timestamp_ms: Some(1_500) };
    put(&topic, &[full, Put { key: None, header: None, ..full }]);
    let utf8 = |name: &str| Field::new(name, DataType::Utf8, true);
    let schema = Arc::new(Schema::new(vec![
        utf8("key"),
        Field::new("id", DataType::Int64, true),
        Field::new("part", DataType::Int32, false),
        Field::new("at", DataType::Int64, false),
        Field::new("when", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        utf8("trace"),
        utf8("all"),
    ]));
    let given = [
        ("key_column", text("key")),
        ("partition_column", text("part")),
        ("offset_column", text("at")),
        ("timestamp_column", text("when")),
        ("headers", OptionValue::Columns(vec!["trace".into()])),
        ("headers_column", text("all")),
        until_latest(),
    ];
    let chunks = drain(source(&topic, &given, &schema).reader(ALONE).unwrap().as_mut());
    let expected = [
        r#"1@0 {"key":"k1","id":1,"part":1,"at":0,"when":"1970-01-01T00:00:01.500000Z","trace":"t-1","all":"{\"trace\":\"t-1\"}"}"#,
        r#"1@1 {"key":null,"id":1,"part":1,"at":1,"when":"1970-01-01T00:00:01.500000Z","trace":null,"all":"{}"}"#,
    ];
    assert_eq!(rows(&chunks), expected);

    // Only what is read is kept, in the order that is asked for; a key that must be there and is not rejects its row.
    let mut config = source_config(options(&topic, &given), &schema);
    config.projection = vec![2, 5];
    let chunks = drain(connector().source(config).unwrap().reader(ALONE).unwrap().as_mut());
    assert_eq!(rows(&chunks), [r#"1@0 {"part":1,"trace":"t-1"}"#, r#"1@1 {"part":1,"trace":null}"#]);
    let strict = Arc::new(Schema::new(vec![Field::new("key", DataType::Utf8, false), Field::new("id", DataType::Int64, true)]));
    let given = [("key_column", text("key")), until_latest()];
    let chunks = drain(source(&topic, &given, &strict).reader(ALONE).unwrap().as_mut());
    assert_eq!(rows(&chunks), [r#"1@0 {"key":"k1","id":1}"#]);
    let reject = chunks.iter().flat_map(|c| &c.rejects).next().unwrap();
    assert_eq!((reject.position, reject.message.as_str()), (1, "column `key` is required, but the message has no value for it"));
    assert_eq!(reject.raw, b"{\"id\":1}");
}

#[test]
fn a_keyed_source_has_deletions_in_their_places() {
    let topic = topic_with("keyed", 1, &[("cleanup.policy", "compact")]);
    let message = |key: &'static str, value: Option<&'static str>| Put { key: Some(key), value, ..Put::default() };
    let puts = [
        message("7", Some("{\"id\":7,\"name\":\"a\"}")),
        message("7", None),
        message("8", Some("{\"id\":8,\"name\":\"b\"}")),
        message("x", None),
        message("7", Some("{\"id\":7,\"name\":\"c\"}")),
        message("8", None),
    ];
    put(&topic, &puts);
    let mut config = source_config(options(&topic, &[until_latest()]), &schema());
    config.key = vec!["id".into()];
    let chunks = drain(connector().source(config.clone()).unwrap().reader(ALONE).unwrap().as_mut());
    let expected = [
        r#"0@0 +1 {"id":7,"name":"a"}"#,
        r#"0@1 -1 {"id":7,"name":null}"#,
        r#"0@2 +1 {"id":8,"name":"b"}"#,
        r#"0@4 +1 {"id":7,"name":"c"}"#,
        r#"0@5 -1 {"id":8,"name":null}"#,
    ];
    assert_eq!(rows(&chunks), expected);
    let rejects: Vec<_> = chunks.iter().flat_map(|c| &c.rejects).map(|r| (r.position, r.message.as_str())).collect();
    assert_eq!(rejects, [(3, "the key of a deletion: column `id`: expected int64, found `x`")]);

    config.key = vec!["id".into(), "name".into()];
    assert_eq!(error_of(connector().source(config.clone())).code, "KAF001");
    config.options = options(&topic, &[until_latest(), ("key_format", text("json"))]);
    put(&topic, &[message("{\"id\":9,\"name\":\"z\"}", None)]);
    let chunks = drain(connector().source(config).unwrap().reader(ALONE).unwrap().as_mut());
    assert_eq!(rows(&chunks).last().unwrap(), r#"0@6 -1 {"id":9,"name":"z"}"#);
}

#[test]
fn events_of_debezium_are_rows_and_deletions() {
    let topic = topic("debezium", 1);
    let mut puts = values(
        0,
        &[
            r#"{"before":null,"after":{"id":1,"name":"a","more":true},"op":"c"}"#,
            r#"{"payload":{"before":{"id":1},"after":{"id":1,"name":"b"},"op":"u"},"schema":{}}"#,
            r#"{"before":{"id":1,"name":"b"},"after":null,"op":"d"}"#,
        ],
    );
    puts.push(Put { key: Some("{\"id\":1}"), ..Put::default() });
    put(&topic, &puts);
    let mut config = source_config(options(&topic, &[until_latest(), ("format", text("debezium"))]), &schema());
    assert_eq!(error_of(connector().source(config.clone())).code, "KAF001");
    config.key = vec!["id".into()];
    let chunks = drain(connector().source(config).unwrap().reader(ALONE).unwrap().as_mut());
    let expected = [r#"0@0 +1 {"id":1,"name":"a"}"#, r#"0@1 +1 {"id":1,"name":"b"}"#, r#"0@2 -1 {"id":1,"name":"b"}"#];
    assert_eq!(rows(&chunks), expected);
    assert!(chunks.iter().all(|c| c.rejects.is_empty()), "what follows a deletion for compaction is no message of its own");
}

#[test]
fn csv_and_raw_messages_are_read() {
    let topic = topic("formats", 1);
    put(&topic, &values(0, &["7;seven", "\"8\";\"a;b\"", "x;y"]));
    let csv = [("format", text("csv")), ("delimiter", text(";")), until_latest()];
    let chunks = drain(source(&topic, &csv, &schema()).reader(ALONE).unwrap().as_mut());
    assert_eq!(rows(&chunks), [r#"0@0 {"id":7,"name":"seven"}"#, r#"0@1 {"id":8,"name":"a;b"}"#]);
    assert_eq!(chunks.iter().map(|c| c.rejects.len()).sum::<usize>(), 1);
    let raw = Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8, true), Field::new("at", DataType::Int64, true)]));
    let given = [("format", text("raw")), ("offset_column", text("at")), until_latest()];
    let chunks = drain(source(&topic, &given, &raw).reader(ALONE).unwrap().as_mut());
    assert_eq!(rows(&chunks)[2], r#"0@2 {"text":"x;y","at":2}"#);
}

#[test]
fn epochs_of_a_bounded_topic_depend_on_offsets_alone() {
    let topic = topic("volume", 3);
    for (partition, count) in [(0, 25), (1, 7), (2, 40)] {
        let lines: Vec<String> = (0..count).map(|i| format!("{{\"id\":{i}}}")).collect();
        put(&topic, &values(partition, &lines.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    let read = |peers: usize| {
        let mut places = Vec::new();
        let mut config = source_config(options(&topic, &[until_latest()]), &schema());
        config.batch_rows = 10;
        let source = connector().source(config).unwrap();
        for index in 0..peers {
            let chunks = drain(source.reader(Share { index, peers }).unwrap().as_mut());
            let mut last = Ordinal::default();
            for chunk in &chunks {
                assert!(chunk.ordinal >= last, "chunks never go back");
                last = chunk.ordinal;
                assert!(chunk.batch.num_rows() <= 10);
                places.extend(rows(std::slice::from_ref(chunk)).iter().map(|r| format!("{} {r}", chunk.ordinal.chunk)));
            }
            assert_eq!(chunks.iter().filter(|c| c.partition_ends).count(), (0..3).filter(|p| p % peers == index).count());
        }
        sorted(places)
    };
    let alone = read(1);
    assert_eq!(alone.len(), 72);
    assert!(alone.contains(&r#"3 2@39 {"id":39,"name":null}"#.to_owned()), "{alone:?}");
    assert_eq!(read(2), alone);
    assert_eq!(read(4), alone);
}

#[test]
fn reading_goes_on_where_a_checkpoint_was_on_any_number_of_workers() {
    let topic = topic("resume", 3);
    let line = |i: i32| format!("{{\"id\":{i}}}");
    for i in 0..30 {
        put(&topic, &[Put { partition: i % 3, value: Some(&line(i)), ..Put::default() }]);
    }
    let source = source(&topic, &[("start", text("earliest"))], &schema());
    let mut positions = Vec::new();
    for index in 0..2 {
        for chunk in drain(source.reader(Share { index, peers: 2 }).unwrap().as_mut()) {
            let place = SavedPosition {
                place: chunk.origin.clone(),
                reader: index,
                readers: 2,
                after: chunk.after.clone().unwrap(),
                ended: chunk.partition_ends,
            };
            positions.retain(|p: &SavedPosition| p.place != place.place);
            positions.push(place);
        }
    }
    assert_eq!(positions.len(), 3);
    for i in 30..36 {
        put(&topic, &[Put { partition: i % 3, value: Some(&line(i)), ..Put::default() }]);
    }
    grow(&topic, 4);
    put(&topic, &values(3, &["{\"id\":99}"]));
    // The source is opened anew, as after a restart: `start` no longer counts.
    let again = crate::support::source(&topic, &[("start", text("latest"))], &schema());
    for peers in [1, 3] {
        let mut all = Vec::new();
        for index in 0..peers {
            all.extend(rows(&drain(again.resume(Share { index, peers }, &positions).unwrap().as_mut())));
        }
        let all: Vec<_> = sorted(all).iter().map(|r| r.split_once(' ').unwrap().0.to_owned()).collect();
        assert_eq!(all, ["0@10", "0@11", "1@10", "1@11", "2@10", "2@11", "3@0"], "{peers} workers");
    }
    delete_before(&topic, 0, 11);
    let error = error_of(again.resume(ALONE, &positions));
    assert_eq!(error.code, "KAF008");
    assert!(error.message.contains("is to be read on from offset 10"), "{error}");
}

#[test]
fn columns_are_found_in_the_messages() {
    let topic = topic("discover", 2);
    put(&topic, &values(1, &["{\"id\":1,\n\"price\":1.5}", "{\"id\":2,\"at\":\"2026-01-01T00:00:00Z\"}"]));
    let mut config = source_config(options(&topic, &[("offset_column", text("offset"))]), &schema());
    config.schema = None;
    let found = connector().discover(&config).unwrap();
    let names: Vec<_> = found.fields().iter().map(|f| (f.name().as_str(), f.data_type().clone())).collect();
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    assert_eq!(names, [("id", DataType::Int64), ("price", DataType::Float64), ("at", time), ("offset", DataType::Int64)]);
}

#[test]
fn a_reader_that_is_dropped_lets_go() {
    let topic = topic("dropped", 1);
    put(&topic, &values(0, &["{\"id\":1}"]));
    let source = source(&topic, &[], &schema());
    let threads = || {
        let name = format!("kafka {topic}");
        let name = &name[..name.len().min(15)];
        std::fs::read_dir("/proc/self/task")
            .unwrap()
            .filter(|t| std::fs::read_to_string(t.as_ref().unwrap().path().join("comm")).is_ok_and(|c| c.trim() == name))
            .count()
    };
    let mut reader = source.reader(ALONE).unwrap();
    drain(reader.as_mut());
    assert_eq!(threads(), 1);
    drop(reader);
    let until = Instant::now() + PATIENCE;
    while threads() > 0 {
        assert!(Instant::now() < until, "the thread goes on");
        thread::park_timeout(Duration::from_millis(5));
    }
}
