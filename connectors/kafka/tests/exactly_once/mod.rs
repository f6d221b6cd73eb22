//! The sink, exactly once: what is held back, what is committed, what is remembered, who is fenced off.

mod crash;

use crate::support::*;
use arrow::{
    array::{ArrayRef, Int64Array, StringArray},
    record_batch::RecordBatch,
};
use runink_connector_api::{CheckpointNumber, CommitIdentity, Committer, Delivery, OptionValue, Outbox, Sink, SinkConfig, Witness};
use std::sync::Arc;

pub(crate) fn batch(rows: impl Iterator<Item = i64>) -> RecordBatch {
    let ids: Int64Array = rows.collect();
    let keys: StringArray = ids.iter().map(|id| id.map(|id| format!("k{}", id % 3))).collect();
    RecordBatch::try_from_iter([("id", Arc::new(ids) as ArrayRef), ("key", Arc::new(keys) as ArrayRef)]).unwrap()
}

pub(crate) fn config(topic: &str, given: &[(&str, OptionValue)]) -> SinkConfig {
    let config = sink_config(topic, given, &batch(std::iter::empty()).schema());
    SinkConfig { key: vec!["key".into()], checkpoints: true, name: topic.to_owned(), ..config }
}

fn sink(topic: &str, markers: &str) -> Arc<dyn Sink> {
    connector().sink(config(topic, &[("marker_topic", text(markers))])).unwrap()
}

fn committer(sink: &dyn Sink, generation: u64) -> Box<dyn Committer> {
    sink.committer(CommitIdentity { scenario: "tests".into(), generation }).unwrap().unwrap()
}

/// What a writer holds back of these rows.
fn held(sink: &dyn Sink, rows: std::ops::Range<i64>) -> Outbox {
    let mut writer = sink.writer(ALONE).unwrap();
    writer.write(&batch(rows), None).unwrap();
    writer.outbox().unwrap().unwrap()
}

fn ids(topic: &str) -> Vec<i64> {
    let number = |line: &String| line.trim_start_matches("{\"id\":").split(',').next().unwrap().parse().unwrap();
    let mut ids: Vec<i64> = kcat(topic, "%s").iter().map(number).collect();
    ids.sort_unstable();
    ids
}

const N: fn(u64) -> CheckpointNumber = CheckpointNumber;

#[test]
fn rows_go_out_with_their_checkpoint_once() {
    let (topic, markers) = (topic("once", 2), unique("markers"));
    let sink = sink(&topic, &markers);
    assert_eq!(sink.delivery(), Delivery::ExactlyOnce);
    let mut committer = committer(sink.as_ref(), 1);
    assert_eq!(committer.recover().unwrap(), Witness::Nothing);
    let (one, two) = (held(sink.as_ref(), 0..10), held(sink.as_ref(), 10..15));
    assert_eq!((one.rows, two.rows), (10, 5));
    assert_eq!(ids(&topic), Vec::<i64>::new(), "nothing goes out before its checkpoint");
    committer.commit(N(0), &[one.clone(), two]).unwrap();
    committer.commit(N(0), &[one]).unwrap();
    assert_eq!(ids(&topic), (0..15).collect::<Vec<_>>(), "and nothing twice");
    committer.commit(N(7), &[held(sink.as_ref(), 15..16)]).unwrap();
    assert_eq!(ids(&topic).len(), 16);
    // The next generation knows, and its commits of what is there already do nothing.
    let mut next = self::committer(sink.as_ref(), 2);
    assert_eq!(next.recover().unwrap(), Witness::Committed(N(7)));
    next.commit(N(7), &[held(sink.as_ref(), 15..16)]).unwrap();
    assert_eq!(ids(&topic).len(), 16);
    let marker = kcat(&markers, "%k %s").pop().unwrap();
    let start = format!("runink/tests/{topic} -> {topic} {{\"checkpoint\":7,\"generation\":2,");
    assert!(marker.starts_with(&start), "{marker}");
}

#[test]
fn a_changelog_is_held_back_as_the_newest_row_of_each_key() {
    let topic = topic("held-changes", 1);
    let config = SinkConfig { changelog: true, ..config(&topic, &[("marker_topic", text(&unique("markers")))]) };
    let sink = connector().sink(config).unwrap();
    let mut writer = sink.writer(ALONE).unwrap();
    writer.write(&batch(0..2), Some(&Int64Array::from(vec![1, 1]))).unwrap();
    // An epoch later, before the checkpoint: k0 changes its row, k1 goes.
    let later = batch([0, 3, 1].into_iter());
    writer.write(&later, Some(&Int64Array::from(vec![-1, 1, -1]))).unwrap();
    let outbox = writer.outbox().unwrap().unwrap();
    assert_eq!(outbox.rows, 1, "what came and went between two checkpoints is not written");
    assert!(writer.outbox().unwrap().is_none());
    let mut committer = committer(sink.as_ref(), 1);
    committer.recover().unwrap();
    committer.commit(N(1), &[outbox]).unwrap();
    assert_eq!(kcat(&topic, "%k %s"), [r#"k0 {"id":3,"key":"k0"}"#]);
}

#[test]
fn an_older_run_is_fenced_off() {
    let (topic, markers) = (topic("fenced", 1), unique("markers"));
    let sink = sink(&topic, &markers);
    let mut old = committer(sink.as_ref(), 1);
    old.recover().unwrap();
    let mut new = committer(sink.as_ref(), 2);
    assert_eq!(new.recover().unwrap(), Witness::Nothing, "a generation that wrote nothing is no checkpoint");
    for _ in 0..2 {
        let error = error_of(old.commit(N(1), &[held(sink.as_ref(), 0..5)]));
        assert_eq!(error.code, "KAF030");
    }
    new.commit(N(1), &[held(sink.as_ref(), 5..8)]).unwrap();
    assert_eq!(ids(&topic), [5, 6, 7]);
    // One that is even older and comes late sees that there is a newer one.
    let error = error_of(committer(sink.as_ref(), 1).recover());
    assert_eq!(error.code, "KAF030");
}

#[test]
fn the_marker_topic_remembers_when_the_group_has_expired() {
    let (topic, markers) = (topic("expired", 1), unique("markers"));
    let sink = sink(&topic, &markers);
    let mut first = committer(sink.as_ref(), 1);
    first.recover().unwrap();
    first.commit(N(4), &[held(sink.as_ref(), 0..3)]).unwrap();
    drop(first);
    delete_group(&format!("runink/tests/{topic}"));
    let mut second = committer(sink.as_ref(), 2);
    assert_eq!(second.recover().unwrap(), Witness::Committed(N(4)));
    drop(second);
    // Both forgotten: nobody can tell, and it stays so however often it is asked.
    delete_group(&format!("runink/tests/{topic}"));
    delete_topic(&markers);
    for _ in 0..2 {
        assert_eq!(committer(sink.as_ref(), 3).recover().unwrap(), Witness::Unknown);
    }
}

#[test]
fn a_marker_topic_that_forgets_is_refused() {
    let markers = topic("forgetful", 1);
    let topic = topic("of-forgetful", 1);
    let sink = sink(&topic, &markers);
    let error = error_of(committer(sink.as_ref(), 1).recover());
    assert_eq!(error.code, "KAF033");
    assert!(error.message.contains("cleanup.policy=delete"), "{error}");
}

#[test]
fn exactly_once_needs_checkpoints() {
    let topic = topic("without", 1);
    let given = [("delivery", text("exactly-once"))];
    let error = error_of(connector().sink(SinkConfig { checkpoints: false, ..config(&topic, &given) }));
    assert_eq!(error.code, "KAF032");
    let plain = connector().sink(SinkConfig { checkpoints: false, ..config(&topic, &[]) }).unwrap();
    assert_eq!(plain.delivery(), Delivery::AtLeastOnce);
    let less = connector().sink(config(&topic, &[("delivery", text("at-least-once"))])).unwrap();
    assert_eq!(less.delivery(), Delivery::AtLeastOnce);
    assert!(less.committer(CommitIdentity { scenario: "tests".into(), generation: 1 }).unwrap().is_none());
}

#[test]
fn a_damaged_outbox_is_refused_and_leaves_no_trace() {
    let (topic, markers) = (topic("damaged", 1), unique("markers"));
    let sink = sink(&topic, &markers);
    let mut committer = committer(sink.as_ref(), 1);
    committer.recover().unwrap();
    let good = held(sink.as_ref(), 0..4);
    let mut bad = good.clone();
    *bad.bytes.last_mut().unwrap() ^= 1;
    assert_eq!(error_of(committer.commit(N(1), &[good.clone(), bad])).code, "KAF034");
    committer.commit(N(1), &[good]).unwrap();
    assert_eq!(ids(&topic), [0, 1, 2, 3]);
}
