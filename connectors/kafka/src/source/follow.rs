//! How far a source has been read, told to the brokers as the committed offsets of a consumer group: for tools that look at lag. Nobody joins the group, and its
//! offsets are never read back.

use crate::{
    client::{self, Ears, Heard, Side},
    error, options,
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};
use runink_connector_api::{ConnectorError, Follower, Options, SavedPosition};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::start::partition_of;

/// How long the last offsets are waited for when a scenario ends.
const FAREWELL: Duration = Duration::from_secs(2);
/// How many of the brokers' answers are heard each time.
const HEARD_AT_ONCE: usize = 64;
/// How groups of sinks begin, which remember what was committed: nobody else may write there.
const OF_SINKS: &str = "runink/";

/// The group that options name, or that a source of a scenario has.
pub(super) fn group_of(options: &Options, scenario: &str, source: &str) -> Result<String, ConnectorError> {
    match options.text("group") {
        Some(group) if group.trim().is_empty() || group.starts_with(OF_SINKS) => Err(error::options(
            format!("`group` is `{group}`"),
            format!("give it a name of its own; those that begin with `{OF_SINKS}` are for what sinks remember"),
        )),
        Some(group) => Ok(group.to_owned()),
        None => Ok(format!("runink-{scenario}-{source}")),
    }
}

/// See the module.
pub(super) struct LagFollower {
    consumer: BaseConsumer<Ears>,
    topic: String,
    group: String,
    /// How many commits the brokers were asked for.
    asked: u64,
}

impl LagFollower {
    pub(super) fn new(options: &Options, group: String) -> Result<Self, ConnectorError> {
        let mut config = client::config(options, Side::Source)?;
        config.set("group.id", &group);
        let consumer = client::consumer(&config, Ears(Arc::new(Heard::new(options)?)))?;
        Ok(LagFollower { consumer, topic: options::topic(options)?.to_owned(), group, asked: 0 })
    }

    fn hear(&self) {
        for _ in 0..HEARD_AT_ONCE {
            // Answers are heard by the client's ears; there are no messages.
            let _ = self.consumer.poll(Duration::ZERO);
        }
    }

    fn heard(&self) -> &Heard {
        &self.consumer.context().0
    }
}

impl Follower for LagFollower {
    fn follow(&mut self, positions: &[SavedPosition]) -> Result<(), ConnectorError> {
        self.hear();
        let mut next = BTreeMap::<i32, i64>::new();
        for position in positions {
            if let (Some(partition), Ok(offset)) = (partition_of(&position.place, &self.topic), position.after.0.parse()) {
                let furthest = next.entry(partition).or_insert(offset);
                *furthest = offset.max(*furthest);
            }
        }
        let failed = |cause| error::not_followed(&self.group, cause);
        let mut list = TopicPartitionList::new();
        for (partition, offset) in next {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset)).map_err(failed)?;
        }
        if list.count() > 0 {
            self.consumer.commit(&list, CommitMode::Async).map_err(failed)?;
            self.asked += 1;
        }
        match self.heard().take_failure() {
            Some(cause) => Err(failed(cause)),
            None => Ok(()),
        }
    }
}

impl Drop for LagFollower {
    fn drop(&mut self) {
        let until = Instant::now() + FAREWELL;
        while self.heard().commits() < self.asked && Instant::now() < until {
            let _ = self.consumer.poll(Duration::from_millis(10));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use runink_connector_api::OptionValue;

    #[test]
    fn groups_have_names_of_their_own() {
        let of = |group: Option<&str>| {
            let given = group.map(|g| ("group".to_owned(), OptionValue::Text(g.into())));
            group_of(&Options(given.into_iter().collect()), "Late bids", "bids")
        };
        assert_eq!(of(None).unwrap(), "runink-Late bids-bids");
        assert_eq!(of(Some("mine")).unwrap(), "mine");
        for bad in ["", "runink/Copy/out"] {
            assert_eq!(of(Some(bad)).unwrap_err().code, "KAF001");
        }
    }
}
