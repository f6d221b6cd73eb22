//! Writes the outboxes of published checkpoints, each once: a short transaction holds the rows and both markers ([`super::marker`]).
//!
//! - `recover`: the transactional id fences off older producers (`init_transactions`, which also ends what they left open), then the markers say what was
//!   committed, then this generation says that it is there.
//! - `commit`: begin, rows, marker, offset, commit. An attempt whose outcome is not known (a timeout at the commit itself) is cleared up by a new producer with the
//!   same id, and by the markers.
//! - A producer that was fenced off never comes back: its committer refuses everything from then on.
//!
//! No transaction is open between two checkpoints, so that none can expire, and readers of committed messages wait for milliseconds only.

use super::{
    direct::record_of,
    marker::{self, Marker},
    outbox::opened,
    topic::Topics,
};
use crate::{
    client::{self, Ears, Heard, Side},
    error,
    failpoint::{FailPoint, StepHook},
};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{Consumer, ConsumerGroupMetadata},
    error::{KafkaError, RDKafkaError},
    producer::{BaseProducer, BaseRecord, Producer},
    types::RDKafkaErrorCode,
};
use runink_connector_api::{CheckpointNumber, CommitIdentity, Committer, ConnectorError, Options, Outbox, Witness};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How often a transaction that the brokers gave back is tried again.
const MAX_TRIES: u32 = 3;
/// How long before a step that may be tried again is.
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// How long one attempt at a step of a transaction is waited for.
const SERVE_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked whether everything is out.
const LOOK: Duration = Duration::from_millis(1);
/// How long a full queue of the producer is served at once.
const SERVE: Duration = Duration::from_millis(10);
/// How long one transaction may be open before the brokers end it.
const TRANSACTION_TIMEOUT_MS: &str = "60000";

/// Where a producer stands.
enum Standing {
    /// There is none.
    Unconnected,
    Ready(Box<Connection>),
    /// Another one has its place.
    Fenced,
}

struct Connection {
    producer: BaseProducer<Ears>,
    heard: Arc<Heard>,
    /// The private group; nobody joins it.
    group: ConsumerGroupMetadata,
}

/// See the module.
pub(super) struct KafkaCommitter {
    options: Options,
    client: ClientConfig,
    topic: String,
    marker_topic: String,
    /// Of the transactions, the private group and the markers.
    name: String,
    generation: u64,
    standing: Standing,
    committed: Option<CheckpointNumber>,
    marker_topic_there: bool,
    hook: StepHook,
}

/// Why an attempt failed.
enum Failed {
    /// It had no effect, or its effect is not known: a new connection tells.
    Again(KafkaError),
    Fenced(KafkaError),
    Refused(ConnectorError),
}

impl From<ConnectorError> for Failed {
    fn from(error: ConnectorError) -> Self {
        Failed::Refused(error)
    }
}

fn is_fenced(cause: &KafkaError) -> bool {
    use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced, TransactionCoordinatorFenced};
    let code = match cause {
        KafkaError::Transaction(error) => Some(error.code()),
        other => other.rdkafka_error_code(),
    };
    matches!(code, Some(Fenced | InvalidProducerEpoch | ProducerFenced | TransactionCoordinatorFenced))
}

/// A step of a transaction, tried again where librdkafka says that it may be. The producer is served between attempts: it may need a token, or hear that it is
/// not let in.
fn step(producer: &BaseProducer<Ears>, mut attempt: impl FnMut(Duration) -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    let until = Instant::now() + client::PATIENCE;
    loop {
        producer.poll(Duration::ZERO);
        let left = until.saturating_duration_since(Instant::now());
        match attempt(left.clamp(TRY_AGAIN, SERVE_EVERY)) {
            Err(KafkaError::Transaction(error)) if may_retry(&error) && left > TRY_AGAIN => producer.poll(TRY_AGAIN),
            done => return done,
        }
    }
}

/// Young brokers that still load their coordinators are among these.
fn may_retry(error: &RDKafkaError) -> bool {
    let passing = client::is_passing(&KafkaError::Global(error.code()));
    (error.is_retriable() || passing) && !error.is_fatal() && !error.txn_requires_abort()
}

impl KafkaCommitter {
    pub(super) fn new(
        options: &Options,
        topic: &str,
        sink: &str,
        identity: &CommitIdentity,
        hook: StepHook,
    ) -> Result<Self, ConnectorError> {
        Ok(KafkaCommitter {
            client: client::config(options, Side::Sink)?,
            topic: topic.to_owned(),
            marker_topic: options.text("marker_topic").unwrap_or("runink-markers").to_owned(),
            name: marker::name_of(&identity.scenario, sink),
            options: options.clone(),
            generation: identity.generation,
            standing: Standing::Unconnected,
            committed: None,
            marker_topic_there: false,
            hook,
        })
    }

    fn ears(&self) -> Result<Ears, ConnectorError> {
        Ok(Ears(Arc::new(Heard::new(&self.options)?)))
    }

    fn step(&self, point: FailPoint) {
        (self.hook)(point);
    }

    fn asking(&self, cause: client::Unanswered) -> ConnectorError {
        error::asking(&self.topic, client::brokers(&self.options), cause)
    }

    /// Sees that the marker topic is there; makes it where that is allowed.
    fn marker_topic(&mut self, may_make: bool) -> Result<bool, ConnectorError> {
        if !self.marker_topic_there {
            let topics = Topics::new(&self.options)?;
            self.marker_topic_there = marker::is_there(&topics, &self.marker_topic)?;
            if !self.marker_topic_there && may_make {
                marker::make(&topics, &self.marker_topic)?;
                self.marker_topic_there = true;
            }
        }
        Ok(self.marker_topic_there)
    }

    /// A new producer, which fences off all others of the name and ends what they left open; and what was committed before.
    fn connect(&mut self) -> Result<Option<Marker>, Failed> {
        self.standing = Standing::Unconnected;
        let mut config = self.client.clone();
        config
            .set("transactional.id", &self.name)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // A commit sends at once what there is; waiting for more gains nothing.
            .set("linger.ms", "0");
        if config.get("transaction.timeout.ms").is_none() {
            config.set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS);
        }
        let ears = self.ears()?;
        let heard = ears.0.clone();
        let producer: BaseProducer<Ears> = config.create_with_context(ears).map_err(error::creation)?;
        let mut config = client::config(&self.options, Side::Source)?;
        // What was committed, whatever a source of the same options may read.
        config.set("group.id", &self.name).set("isolation.level", "read_committed");
        let group = client::consumer(&config, self.ears()?)?;
        step(&producer, |patience| producer.init_transactions(patience)).map_err(again_or_fenced)?;
        self.step(FailPoint::Fenced);
        let mut found = marker::of_group(&group, &self.topic).map_err(|e| self.asking(e))?;
        if found.is_none() && self.marker_topic_there {
            found = marker::of_topic(&group, &self.marker_topic, &marker::key_of(&self.name, &self.topic)).map_err(|e| self.asking(e))?;
        }
        self.step(FailPoint::MarkersRead);
        if let Some(newer) = found.as_ref().filter(|m| m.generation > self.generation) {
            self.standing = Standing::Fenced;
            return Err(Failed::Refused(error::newer_generation(&self.name, self.generation, newer.generation)));
        }
        self.committed = found.as_ref().and_then(Marker::committed).max(self.committed);
        let Some(group) = group.group_metadata() else { return Err(Failed::Refused(error::bug("a group without metadata"))) };
        self.standing = Standing::Ready(Box::new(Connection { producer, heard, group }));
        Ok(found)
    }

    /// One transaction: rows and markers. The steps of commits are told.
    fn transaction(&self, outboxes: &[Outbox], marker: &Marker, commits: bool) -> Result<(), Failed> {
        let Standing::Ready(connection) = &self.standing else {
            return Err(Failed::Refused(error::bug("a transaction without a producer")));
        };
        let producer = &connection.producer;
        let step_done = |point| {
            if commits {
                self.step(point);
            }
        };
        // Nothing of an attempt before counts.
        connection.heard.take_failure();
        step(producer, |_| producer.begin_transaction()).map_err(again_or_fenced)?;
        step_done(FailPoint::TransactionBegun);
        let (half, mut sent) = (marker.rows / 2, 0);
        for outbox in outboxes {
            for frame in opened(outbox)? {
                let (frame, _) = frame.map_err(|_| error::outbox("a row of it is cut off"))?;
                self.send(connection, record_of(&self.topic, &frame))?;
                sent += 1;
                if sent == half.max(1) {
                    step_done(FailPoint::HalfSent);
                }
            }
        }
        step_done(FailPoint::RowsSent);
        let (text, key) = (marker.text(), marker::key_of(&self.name, &self.topic));
        self.send(connection, BaseRecord::to(&self.marker_topic).partition(0).key(key.as_bytes()).payload(text.as_bytes()))?;
        step_done(FailPoint::MarkerSent);
        let mut offsets = TopicPartitionList::new();
        let offset = Offset::Offset(marker::offset_of(marker));
        offsets.add_partition_offset(&self.topic, 0, offset).map_err(Failed::Again)?;
        for mut element in offsets.elements() {
            element.set_metadata(&text);
        }
        step(producer, |patience| producer.send_offsets_to_transaction(&offsets, &connection.group, patience)).map_err(again_or_fenced)?;
        step_done(FailPoint::OffsetSent);
        // First: a commit would look only ten times a second whether everything is out.
        client::flush(producer, client::PATIENCE, || producer.poll(LOOK)).map_err(again_or_fenced)?;
        step(producer, |patience| producer.commit_transaction(patience)).map_err(again_or_fenced)?;
        step_done(FailPoint::Committed);
        Ok(())
    }

    fn send(&self, connection: &Connection, mut record: BaseRecord<'_, [u8], [u8], ()>) -> Result<(), Failed> {
        let until = Instant::now() + client::PATIENCE;
        while let Err((cause, back)) = connection.producer.send(record) {
            let full = cause.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !full || Instant::now() > until {
                return Err(again_or_fenced(cause));
            }
            connection.producer.poll(SERVE);
            record = back;
        }
        Ok(())
    }

    /// Writes a marker alone.
    fn tell(&mut self, marker: &Marker) -> Result<(), ConnectorError> {
        match self.transaction(&[], marker, false) {
            Ok(()) => Ok(()),
            Err(Failed::Fenced(cause)) => Err(error::fenced(&self.name).caused_by(cause)),
            Err(Failed::Again(cause)) => Err(error::transaction(&self.topic, cause)),
            Err(Failed::Refused(error)) => Err(error),
        }
    }

    /// Brings a transaction to its end, with new attempts where the brokers gave it back.
    fn commit_marker(&mut self, outboxes: &[Outbox], marker: &Marker) -> Result<(), ConnectorError> {
        let mut tries = 0;
        loop {
            let attempt = match &self.standing {
                Standing::Fenced => return Err(error::fenced(&self.name)),
                Standing::Ready(_) => self.transaction(outboxes, marker, true),
                Standing::Unconnected => match self.connect() {
                    // The attempt before had come through.
                    Ok(_) if self.committed >= marker.committed() => return Ok(()),
                    Ok(_) => self.transaction(outboxes, marker, true),
                    Err(failed) => Err(failed),
                },
            };
            tries += 1;
            let cause = match attempt {
                Ok(()) => return Ok(()),
                Err(Failed::Fenced(cause)) => {
                    self.standing = Standing::Fenced;
                    return Err(error::fenced(&self.name).caused_by(cause));
                }
                Err(Failed::Refused(error)) => {
                    // What was begun is left to the next producer to end.
                    if let Standing::Ready(_) = self.standing {
                        self.standing = Standing::Unconnected;
                    }
                    return Err(error);
                }
                Err(Failed::Again(cause)) => cause,
            };
            // A delivery that failed says more than the transaction that failed with it.
            let cause = match &self.standing {
                Standing::Ready(connection) => connection.heard.take_failure().unwrap_or(cause),
                _ => cause,
            };
            self.standing = Standing::Unconnected;
            if tries >= MAX_TRIES || !(client::is_passing(&cause) || matches!(cause, KafkaError::Transaction(_))) {
                return Err(error::transaction(&self.topic, cause));
            }
            client::pause(TRY_AGAIN);
        }
    }

    fn marker_of(&self, checkpoint: Option<CheckpointNumber>, outboxes: &[Outbox]) -> Marker {
        let hash = outboxes.iter().fold(0u64, |sum, o| sum.wrapping_add(o.hash));
        Marker {
            version: marker::VERSION,
            checkpoint: checkpoint.map(|c| c.0),
            generation: self.generation,
            rows: outboxes.iter().map(|o| o.rows).sum(),
            hash: format!("{hash:016x}"),
        }
    }
}

fn again_or_fenced(cause: KafkaError) -> Failed {
    if is_fenced(&cause) { Failed::Fenced(cause) } else { Failed::Again(cause) }
}

impl Committer for KafkaCommitter {
    fn recover(&mut self) -> Result<Witness, ConnectorError> {
        self.step(FailPoint::Recovering);
        let first = self.generation <= 1;
        self.marker_topic(first)?;
        self.step(FailPoint::MarkerTopicThere);
        let found = match self.connect() {
            Ok(found) => found,
            Err(Failed::Fenced(cause)) => return Err(error::fenced(&self.name).caused_by(cause)),
            Err(Failed::Again(cause)) => return Err(error::transaction(&self.topic, cause)),
            Err(Failed::Refused(error)) => return Err(error),
        };
        if found.is_none() && !first {
            // Nothing is written: what cannot be told now must not look as if it could the next time.
            return Ok(Witness::Unknown);
        }
        // The markers of both kinds begin, or begin again where one was forgotten; and older generations see that there is a newer one.
        self.marker_topic(true)?;
        let told = Marker { generation: self.generation, ..found.clone().unwrap_or_else(|| self.marker_of(None, &[])) };
        self.tell(&told)?;
        self.step(FailPoint::GenerationTold);
        Ok(match found.and_then(|m| m.committed()) {
            Some(committed) => Witness::Committed(committed),
            None => Witness::Nothing,
        })
    }

    fn commit(&mut self, checkpoint: CheckpointNumber, outboxes: &[Outbox]) -> Result<(), ConnectorError> {
        if self.committed >= Some(checkpoint) {
            return Ok(());
        }
        self.step(FailPoint::Committing);
        self.marker_topic(true)?;
        let marker = self.marker_of(Some(checkpoint), outboxes);
        self.commit_marker(outboxes, &marker)?;
        self.committed = Some(checkpoint);
        Ok(())
    }
}
