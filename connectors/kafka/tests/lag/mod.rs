//! Offsets for tools that look at lag: an independent client finds them, and nobody reads from them.

use crate::support::*;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};
use runink_connector_api::{Resume, SavedPosition};
use std::sync::Arc;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]))
}

fn member_of(group: &str) -> BaseConsumer {
    ClientConfig::new().set("bootstrap.servers", &broker().address).set("group.id", group).create().unwrap()
}

/// What the brokers have for a group, by partition.
fn committed(group: &str, topic: &str, partitions: i32) -> Vec<Option<i64>> {
    let mut asked = TopicPartitionList::new();
    for partition in 0..partitions {
        asked.add_partition(topic, partition);
    }
    let found = member_of(group).committed_offsets(asked, PATIENCE).unwrap();
    let offset = |o| if let Offset::Offset(o) = o { Some(o) } else { None };
    found.elements().iter().map(|e| offset(e.offset())).collect()
}

fn at(place: String, next: &str, reader: usize) -> SavedPosition {
    SavedPosition { place: place.into(), reader, readers: 2, after: Resume(next.into()), ended: false }
}

#[test]
fn the_group_of_a_source_has_what_checkpoints_have_read() {
    let topic = topic("lag", 3);
    let source = source(&topic, &[], &schema());
    let mut follower = source.follower("Late bids").unwrap().unwrap();
    let place = |partition| format!("{topic}/{partition}");
    // Of readers of before, the one that came furthest counts; what is no place of this topic does not.
    let positions = [at(place(0), "7", 0), at(place(0), "5", 1), at(place(2), "1", 0), at("other/1".into(), "9", 0), at(place(1), "v", 0)];
    follower.follow(&positions).unwrap();
    drop(follower);
    assert_eq!(committed("runink-Late bids-rows", &topic, 3), [Some(7), None, Some(1)]);
    let mut named = self::source(&topic, &[("group", text("mine"))], &schema()).follower("Late bids").unwrap().unwrap();
    named.follow(&[at(place(1), "3", 0)]).unwrap();
    named.follow(&[at(place(1), "4", 0)]).unwrap();
    drop(named);
    assert_eq!(committed("mine", &topic, 3), [None, Some(4), None]);
}

#[test]
fn what_a_group_says_is_never_read_back() {
    let topic = topic("lag-unread", 1);
    put(&topic, &values(0, &["{\"id\":1}", "{\"id\":2}"]));
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(2)).unwrap();
    member_of("ahead").commit(&list, CommitMode::Sync).unwrap();
    let source = source(&topic, &[("group", text("ahead")), ("until", text("latest"))], &schema());
    let chunks = drain(source.reader(ALONE).unwrap().as_mut());
    assert_eq!(rows(&chunks), [r#"0@0 {"id":1}"#, r#"0@1 {"id":2}"#]);
}

#[test]
fn a_group_of_sinks_is_refused() {
    let topic = topic("lag-refused", 1);
    let given = [("group", text("runink/tests/out"))];
    let error = error_of(connector().source(source_config(options(&topic, &given), &schema())));
    assert_eq!(error.code, "KAF001");
}
