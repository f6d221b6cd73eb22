//! Where reading begins, and where it ends.

use crate::{client, error};
use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use runink_connector_api::{ConnectorError, Resume, SavedPosition};
use std::collections::BTreeMap;

/// `start=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    Earliest,
    Latest,
    /// Milliseconds since 1970.
    At(i64),
    /// By partition; others from their start.
    Offsets(BTreeMap<i32, i64>),
}

/// What is read of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first offset.
    pub(crate) from: i64,
    /// The offset behind the last one; `None` where it never ends.
    pub(crate) to: Option<i64>,
}

impl Start {
    /// Reads the option.
    pub(crate) fn parse(text: &str) -> Result<Self, ConnectorError> {
        let text = text.trim();
        match text {
            "earliest" => return Ok(Start::Earliest),
            "latest" => return Ok(Start::Latest),
            _ => {}
        }
        let offset = |pair: &str| {
            let (partition, offset) = pair.split_once(':')?;
            let (partition, offset) = (partition.trim().parse::<i32>().ok()?, offset.trim().parse::<i64>().ok()?);
            (partition >= 0 && offset >= 0).then_some((partition, offset))
        };
        if let Some(offsets) = text.split(',').map(offset).collect::<Option<BTreeMap<_, _>>>() {
            return Ok(Start::Offsets(offsets));
        }
        match string_to_timestamp_nanos(text) {
            Ok(nanos) => Ok(Start::At(nanos.div_euclid(1_000_000))),
            Err(_) => Err(error::options(
                format!("`start` is `{text}`"),
                "write `earliest`, `latest`, a time (`2026-01-01T00:00:00Z`), or offsets (`\"0:120,1:80\"`)",
            )),
        }
    }
}

/// Where a partition is, as chunks and checkpoints name it.
pub(crate) fn place(topic: &str, partition: i32) -> String {
    format!("{topic}/{partition}")
}

/// The partition of a place of this topic.
pub(super) fn partition_of(place: &str, topic: &str) -> Option<i32> {
    let (of, partition) = place.rsplit_once('/')?;
    if of == topic { partition.parse().ok() } else { None }
}

/// A position, as checkpoints keep it: the next offset.
pub(crate) fn resume_at(next: i64) -> Resume {
    Resume(next.to_string().into())
}

/// Asks where every partition begins and ends.
pub(crate) fn spans(
    consumer: &BaseConsumer<client::Ears>,
    topic: &str,
    partitions: &[i32],
    start: &Start,
    until_latest: bool,
) -> Result<BTreeMap<i32, Span>, client::Unanswered> {
    let at = match start {
        Start::At(ms) => offsets_at(consumer, topic, partitions, *ms)?,
        _ => BTreeMap::new(),
    };
    let mut spans = BTreeMap::new();
    for &partition in partitions {
        let (low, high) = client::watermarks(consumer, topic, partition)?;
        let from = match start {
            Start::Earliest => low,
            Start::Latest => high,
            Start::At(_) => at.get(&partition).copied().flatten().unwrap_or(high),
            Start::Offsets(offsets) => offsets.get(&partition).copied().unwrap_or(low).max(low),
        };
        spans.insert(partition, Span { from, to: until_latest.then_some(high.max(from)) });
    }
    Ok(spans)
}

/// The first offset at or behind a time; `None` where there is none yet.
fn offsets_at(
    consumer: &BaseConsumer<client::Ears>,
    topic: &str,
    partitions: &[i32],
    ms: i64,
) -> Result<BTreeMap<i32, Option<i64>>, client::Unanswered> {
    let mut asked = TopicPartitionList::new();
    for &partition in partitions {
        asked.add_partition_offset(topic, partition, Offset::Offset(ms))?;
    }
    let answers = client::ask(consumer, |patience| consumer.offsets_for_times(asked.clone(), patience))?;
    let offset = |offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None };
    Ok(answers.elements().iter().map(|e| (e.partition(), offset(e.offset()))).collect())
}

/// Where to go on after a checkpoint. Partitions that it does not know have come since, and are read from their start.
pub(crate) fn resumed(
    topic: &str,
    spans: &BTreeMap<i32, Span>,
    lows: &BTreeMap<i32, (i64, i64)>,
    from: &[SavedPosition],
) -> Result<BTreeMap<i32, Option<Span>>, ConnectorError> {
    let mut saved = BTreeMap::new();
    for position in from {
        let Some(partition) = partition_of(&position.place, topic) else {
            return Err(error::options(
                format!("the checkpoint has read `{}`, and the source now reads `{topic}`", position.place),
                "name the topic that it has read, or start without the state",
            ));
        };
        let next = position.after.0.parse::<i64>().map_err(|_| {
            error::options(
                format!("the checkpoint's position of `{}` is `{}`, which is no offset", position.place, position.after.0),
                "it was made by another version; start without the state",
            )
        })?;
        // Readers of before may have known the partition too; who came furthest has read what the others have.
        let furthest = saved.entry(partition).or_insert((next, position.ended));
        *furthest = (furthest.0.max(next), furthest.1 || position.ended);
    }
    let mut resumed = BTreeMap::new();
    for (&partition, span) in spans {
        let (low, high) = lows.get(&partition).copied().unwrap_or((0, 0));
        let span = match saved.remove(&partition) {
            Some((_, true)) => None,
            Some((next, false)) => {
                if next < low || next > high {
                    return Err(error::position_gone(topic, partition, next, low, high));
                }
                Some(Span { from: next, to: span.to.map(|to| to.max(next)) })
            }
            None => Some(Span { from: low, to: span.to }),
        };
        resumed.insert(partition, span);
    }
    if let Some((partition, _)) = saved.into_iter().next() {
        return Err(error::options(
            format!("the checkpoint has read partition {partition} of `{topic}`, which is not there"),
            "the topic was made anew with fewer partitions; start without the state",
        ));
    }
    Ok(resumed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn starts_are_read() {
        assert_eq!(Start::parse("latest").unwrap(), Start::Latest);
        assert_eq!(Start::parse("0:120, 1:80").unwrap(), Start::Offsets([(0, 120), (1, 80)].into()));
        assert_eq!(Start::parse("1970-01-01T00:00:01.5Z").unwrap(), Start::At(1500));
        for bad in ["", "yesterday", "0:", "-1:4", "0:1,latest"] {
            assert_eq!(Start::parse(bad).unwrap_err().code, "KAF001", "{bad}");
        }
    }

    fn saved(place: &str, after: &str, ended: bool) -> SavedPosition {
        SavedPosition { place: place.into(), reader: 0, readers: 1, after: Resume(after.into()), ended }
    }

    #[test]
    fn reading_goes_on_where_it_stopped() {
        let span = |from| Span { from, to: None };
        let spans = [(0, span(9)), (1, span(9)), (2, span(9))].into();
        let lows = [(0, (3, 9)), (1, (4, 9)), (2, (5, 9))].into();
        let resumed = |from: &[SavedPosition]| resumed("a/b", &spans, &lows, from);
        let got = resumed(&[saved("a/b/0", "3", false), saved("a/b/1", "9", true), saved("a/b/0", "1", false)]).unwrap();
        assert_eq!(got, [(0, Some(span(3))), (1, None), (2, Some(span(5)))].into());
        for (position, code) in [
            (saved("a/b/0", "2", false), "KAF008"),
            (saved("a/b/0", "10", false), "KAF008"),
            (saved("a/c/0", "3", false), "KAF001"),
            (saved("a/b/7", "3", false), "KAF001"),
            (saved("a/b/0", "v9", false), "KAF001"),
        ] {
            assert_eq!(resumed(std::slice::from_ref(&position)).unwrap_err().code, code, "{position:?}");
        }
    }
}
