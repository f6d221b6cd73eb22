//! What remembers which checkpoint of a sink was committed: two witnesses, both written in the transaction that commits it.
//!
//! 1. The committed offset of a private consumer group (named like the sink) on partition 0 of the sink's topic: offset = checkpoint, metadata = generation and
//!    hash. It is read with one question, but brokers forget the offsets of a group without members (after 7 days, by default).
//! 2. A record in a compacted *marker topic*, with the sink as its key. Compaction keeps the newest record of each key for ever. (A header on the rows themselves
//!    would do as well only where the sink's topic kept its rows for ever, and where every checkpoint had rows.)
//!
//! Where neither has anything, only a first generation may take that for "nothing was committed".

use super::topic::{Making, Topics};
use crate::{
    client::{self, Ears, Unanswered},
    error,
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::Message,
};
use runink_connector_api::{CheckpointNumber, ConnectorError};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How long messages are waited for at once.
const POLL: Duration = Duration::from_millis(50);

/// A marker, as it stands in the marker topic and in the group's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// Of this form.
    pub(super) version: u32,
    /// `None` where a generation has said that it is there, before its first commit.
    pub(super) checkpoint: Option<u64>,
    pub(super) generation: u64,
    pub(super) rows: u64,
    /// Order-free hash of the rows, in hexadecimal digits.
    pub(super) hash: String,
}

/// The version of the form.
pub(super) const VERSION: u32 = 1;

impl Marker {
    pub(super) fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    fn read(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok().filter(|m: &Marker| m.version == VERSION)
    }

    pub(super) fn committed(&self) -> Option<CheckpointNumber> {
        self.checkpoint.map(CheckpointNumber)
    }
}

/// The name of a sink to the brokers: of its transactions, its private group, and its markers.
pub(super) fn name_of(scenario: &str, sink: &str) -> String {
    format!("runink/{scenario}/{sink}")
}

/// The key of a sink's markers in the marker topic: another topic is another output, as it is for the group.
pub(super) fn key_of(name: &str, topic: &str) -> String {
    format!("{name} -> {topic}")
}

/// The offset in the private group. Numbers of checkpoints begin with 0, so 0 itself means that there is none yet.
pub(super) fn offset_of(marker: &Marker) -> i64 {
    marker.checkpoint.map_or(0, |n| i64::try_from(n.saturating_add(1)).unwrap_or(i64::MAX))
}

/// Whether the marker topic is there; one that does not keep what it is told for ever is refused.
pub(super) fn is_there(topics: &Topics, marker_topic: &str) -> Result<bool, ConnectorError> {
    if topics.partitions(marker_topic)?.is_none() {
        return Ok(false);
    }
    match topics.cleanup_policy(marker_topic)?.as_deref() {
        Some("compact") | None => Ok(true),
        Some(other) => Err(error::forgetful(marker_topic, other)),
    }
}

/// Makes the marker topic where it is missing.
pub(super) fn make(topics: &Topics, marker_topic: &str) -> Result<(), ConnectorError> {
    // Small segments, so that compaction, which leaves the newest alone, keeps the topic quick to read.
    let config = vec![("cleanup.policy", "compact"), ("segment.bytes", "1048576"), ("min.cleanable.dirty.ratio", "0.1")];
    topics.ensure(marker_topic, Some(&Making { partitions: 1, replication: None, config }))
}

/// What the private group remembers.
pub(super) fn of_group(consumer: &BaseConsumer<Ears>, topic: &str) -> Result<Option<Marker>, Unanswered> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, 0);
    let answer = client::ask(consumer, |patience| consumer.committed_offsets(asked.clone(), patience))?;
    let elements = answer.elements();
    let Some(element) = elements.first() else { return Ok(None) };
    element.error()?;
    Ok(match element.offset() {
        Offset::Offset(_) => Marker::read(element.metadata().as_bytes()),
        _ => None,
    })
}

/// What the marker topic remembers of the sink: the newest record with its key.
pub(super) fn of_topic(consumer: &BaseConsumer<Ears>, marker_topic: &str, key: &str) -> Result<Option<Marker>, Unanswered> {
    let (low, high) = client::watermarks(consumer, marker_topic, 0)?;
    if low == high {
        return Ok(None);
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(marker_topic, 0, Offset::Offset(low))?;
    consumer.assign(&list)?;
    let mut newest = None;
    let mut until = Instant::now() + client::PATIENCE;
    let read = loop {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                // As long as something comes there is patience.
                until = Instant::now() + client::PATIENCE;
                if message.key() == Some(key.as_bytes())
                    && let Some(marker) = message.payload().and_then(Marker::read)
                {
                    newest = Some(marker);
                }
                if message.offset() + 1 >= high {
                    break Ok(newest);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => break Ok(newest),
            Some(Err(cause)) if client::is_passing(&cause) => {}
            Some(Err(cause)) => break Err(cause),
            None => {}
        }
        if Instant::now() > until {
            break Err(KafkaError::OffsetFetch(rdkafka::types::RDKafkaErrorCode::OperationTimedOut));
        }
    };
    consumer.unassign()?;
    Ok(read?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn markers_come_back_and_others_do_not() {
        let marker = Marker { version: VERSION, checkpoint: Some(7), generation: 3, rows: 5, hash: "00ff".into() };
        assert_eq!(marker.text(), r#"{"checkpoint":7,"generation":3,"hash":"00ff","rows":5,"version":1}"#);
        assert_eq!(Marker::read(marker.text().as_bytes()), Some(marker.clone()));
        assert_eq!((offset_of(&marker), marker.committed()), (8, Some(CheckpointNumber(7))));
        let first = Marker { checkpoint: None, ..marker.clone() };
        assert_eq!((offset_of(&first), first.committed()), (0, None));
        assert_eq!(Marker::read(b"{}"), None);
        assert_eq!(Marker::read(Marker { version: 2, ..marker }.text().as_bytes()), None);
    }
}
