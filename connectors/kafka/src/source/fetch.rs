//! The thread that reads one worker's partitions: it asks librdkafka for messages, gathers them by partition, and hands them on through a bounded queue.
//!
//! - Back-pressure: the queue holds [`QUEUE_BATCHES`] batches. While it is full nothing is asked for, and librdkafka stops fetching when it holds
//!   `queued.max.messages.kbytes`. Where epochs are cut by volume, a partition that is ahead of the others is paused.
//! - Evidence of idleness: a partition's end was met (librdkafka tells when a fetch reaches it), nothing came since, and the brokers, asked again every
//!   [`EVIDENCE_EVERY`], still name the same end. An error of the connection makes what was met stale.

use super::{
    raw::{RawBatch, Wanted},
    start::Span,
};
use crate::{
    client::{self, Ears},
    error,
    registry::Registry,
};
use crossbeam_channel::{SendTimeoutError, Sender};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::Message,
    types::RDKafkaErrorCode,
};
use runink_connector_api::{ConnectorError, Share};
use runink_formats::{MESSAGES_BYTES, schema_id};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How many batches wait for the worker at most.
pub(super) const QUEUE_BATCHES: usize = 16;
/// How long messages are gathered at most before they are handed on.
const GATHER: Duration = Duration::from_millis(5);
/// How many messages are taken between two looks at the clock.
const CLOCK_EVERY: u32 = 64;
/// How long nothing is waited for at once.
const POLL: Duration = Duration::from_millis(10);
/// How often the ends of quiet partitions are asked for.
const EVIDENCE_EVERY: Duration = Duration::from_millis(200);
/// How long the brokers may take to say where a partition ends.
const EVIDENCE_PATIENCE: Duration = Duration::from_secs(1);
/// How many chunks a partition may be ahead of the others where volume cuts epochs.
const CHUNKS_AHEAD: u32 = 4;

/// What the worker is told.
pub(super) enum Event {
    Rows(Box<RawBatch>),
    /// The partition has no more just now.
    CaughtUp(i32),
    /// None of this reader's partitions has.
    AllCaughtUp,
    /// Nothing ever again.
    End,
    Failed(ConnectorError),
}

/// What a reader's thread knows from the start.
pub(super) struct Task {
    pub(super) topic: String,
    pub(super) brokers: String,
    pub(super) share: Share,
    pub(super) wanted: Wanted,
    pub(super) batch_rows: usize,
    /// Of this reader. `None` where a partition was read to its end before.
    pub(super) spans: BTreeMap<i32, Option<Span>>,
    /// All partitions that there were; others are new.
    pub(super) known: BTreeSet<i32>,
    pub(super) bounded: bool,
    /// Where the schemas of messages are looked up, here rather than on the worker, which must not wait.
    pub(super) registry: Option<Registry>,
    pub(super) discover_every: Duration,
}

struct Reading {
    span: Span,
    gathered: RawBatch,
    /// Its end was met, and nothing came since; the end that the brokers named then.
    end: Option<Option<i64>>,
    paused: bool,
}

pub(super) struct Fetcher {
    task: Task,
    consumer: BaseConsumer<Ears>,
    ears: Ears,
    events: Sender<Event>,
    stop: Arc<AtomicBool>,
    readings: BTreeMap<i32, Reading>,
    /// Where volume cuts epochs: complete chunks, by their place in the order.
    complete: BTreeMap<(u32, i32), Box<RawBatch>>,
    gathering_since: Option<Instant>,
}

/// The worker wants no more.
struct Stopped;

impl Fetcher {
    pub(super) fn new(task: Task, consumer: BaseConsumer<Ears>, ears: Ears, events: Sender<Event>, stop: Arc<AtomicBool>) -> Self {
        Fetcher { task, consumer, ears, events, stop, readings: BTreeMap::new(), complete: BTreeMap::new(), gathering_since: None }
    }

    /// Reads until the end, an error, or the worker wants no more.
    pub(super) fn run(mut self) {
        let outcome = self.begin().and_then(|()| self.read());
        if let Err(Some(error)) = outcome {
            let _ = self.send(Event::Failed(error));
        }
    }

    fn begin(&mut self) -> Result<(), Option<ConnectorError>> {
        let spans: Vec<_> = std::mem::take(&mut self.task.spans).into_iter().collect();
        for (partition, span) in spans {
            // Checkpoints must know of a partition before it has rows.
            let next = span.map_or(0, |s| s.from);
            let mut first = RawBatch::new(partition, next, &self.task.wanted);
            first.ends = span.is_none_or(|s| s.to.is_some_and(|to| to <= s.from));
            if let Some(span) = span.filter(|_| !first.ends) {
                self.add(partition, span)?;
            }
            self.send(Event::Rows(Box::new(first))).map_err(|Stopped| None)?;
        }
        Ok(())
    }

    fn add(&mut self, partition: i32, span: Span) -> Result<(), ConnectorError> {
        let gathered = RawBatch::new(partition, span.from, &self.task.wanted);
        self.readings.insert(partition, Reading { span, gathered, end: None, paused: false });
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.task.topic, partition, Offset::Offset(span.from)).map_err(|e| self.reading(e))?;
        self.consumer.incremental_assign(&list).map_err(|e| self.reading(e))
    }

    fn reading(&self, cause: KafkaError) -> ConnectorError {
        error::reading(&self.task.topic, cause)
    }

    fn read(&mut self) -> Result<(), Option<ConnectorError>> {
        let mut troubles = self.ears.0.troubles.load(Ordering::Acquire);
        let mut evidence_at = Instant::now();
        let mut discover_at = Instant::now() + self.task.discover_every;
        let mut until_clock = CLOCK_EVERY;
        let stopped = |Stopped| None;
        loop {
            if self.task.bounded && self.readings.is_empty() {
                return self.send(Event::End).map_err(stopped);
            }
            let wait = if self.gathering_since.is_some() { Duration::ZERO } else { POLL };
            let nothing = match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    let partition = message.partition();
                    if let Some(reading) = self.readings.get_mut(&partition) {
                        reading.end = None;
                        if let (Some(registry), Some(id)) = (&self.task.registry, message.payload().and_then(schema_id)) {
                            registry.schema(id)?;
                        }
                        let boundary = boundary(&self.task, reading);
                        if reading.span.to.is_some_and(|to| message.offset() >= to) {
                            drop(message);
                            self.finish(partition).map_err(stopped)?;
                        } else {
                            if self.task.bounded && message.offset() >= boundary {
                                let chunk = chunk_of(&self.task, reading.span, message.offset());
                                cut(&self.task, reading, chunk, &mut self.complete);
                            }
                            reading.gathered.push(&message, &self.task.wanted);
                            let full = reading.gathered.len() >= self.task.batch_rows || reading.gathered.bytes() >= MESSAGES_BYTES;
                            let ends = reading.span.to.is_some_and(|to| message.offset() + 1 >= to);
                            drop(message);
                            self.gathering_since.get_or_insert_with(Instant::now);
                            if ends {
                                self.finish(partition).map_err(stopped)?;
                            } else if full && !self.task.bounded {
                                self.hand_on(partition).map_err(stopped)?;
                            }
                        }
                    }
                    false
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    if let Some(reading) = self.readings.get_mut(&partition) {
                        reading.end = Some(None);
                        if self.task.bounded {
                            self.finish(partition).map_err(stopped)?;
                        }
                    }
                    false
                }
                Some(Err(cause)) if client::is_passing(&cause) => {
                    self.readings.values_mut().for_each(|r| r.end = None);
                    false
                }
                Some(Err(cause)) if error::is_tls(&cause).is_some() && self.is_let_in() => {
                    self.readings.values_mut().for_each(|r| r.end = None);
                    false
                }
                Some(Err(cause)) => return Err(Some(self.failed(cause))),
                None => true,
            };
            until_clock -= 1;
            if !nothing && until_clock > 0 {
                continue;
            }
            until_clock = CLOCK_EVERY;
            if self.stop.load(Ordering::Acquire) {
                return Ok(());
            }
            let now = Instant::now();
            if nothing || self.gathering_since.is_some_and(|since| now.saturating_duration_since(since) >= GATHER) {
                self.hand_on_all().map_err(stopped)?;
            }
            let heard = self.ears.0.troubles.load(Ordering::Acquire);
            if heard != troubles {
                troubles = heard;
                // What was met before may not be the end any more; the next fetch tells.
                self.readings.values_mut().for_each(|r| r.end = r.end.map(|_| None));
            }
            if self.task.bounded {
                continue;
            }
            if now >= evidence_at {
                self.evidence().map_err(stopped)?;
                evidence_at = Instant::now() + EVIDENCE_EVERY;
            }
            if now >= discover_at {
                self.discover()?;
                discover_at = Instant::now() + self.task.discover_every;
            }
        }
    }

    /// A broker that does not let one in may be one that starts, or the only one of many: what counts is whether any answers.
    fn is_let_in(&self) -> bool {
        let until = Instant::now() + client::PATIENCE;
        while Instant::now() < until && !self.stop.load(Ordering::Acquire) {
            if client::partitions_now(self.consumer.client(), &self.task.topic, EVIDENCE_PATIENCE).is_ok() {
                return true;
            }
            client::pause(POLL);
        }
        false
    }

    fn failed(&self, cause: KafkaError) -> ConnectorError {
        if let Some(refusal) = self.ears.0.refusal().filter(|_| error::is_tls(&cause).is_some()) {
            return error::not_let_in(&self.task.brokers, &refusal);
        }
        let gone = matches!(
            cause.rdkafka_error_code(),
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::LogTruncation)
        );
        if gone {
            for (&partition, reading) in &self.readings {
                let Ok((low, high)) = self.consumer.fetch_watermarks(&self.task.topic, partition, EVIDENCE_PATIENCE) else { continue };
                let next = reading.gathered.next;
                if next < low || next > high {
                    return error::position_gone(&self.task.topic, partition, next, low, high);
                }
            }
        }
        match cause.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownPartition) => {
                error::no_topic(&self.task.topic, "it was there when the scenario started: it has been removed since")
            }
            _ => self.reading(cause),
        }
    }

    /// Hands on what has been gathered of a partition.
    fn hand_on(&mut self, partition: i32) -> Result<(), Stopped> {
        let Some(reading) = self.readings.get_mut(&partition) else { return Ok(()) };
        if reading.gathered.len() == 0 {
            return Ok(());
        }
        let next = RawBatch::new(partition, reading.gathered.next, &self.task.wanted);
        let batch = std::mem::replace(&mut reading.gathered, next);
        self.send(Event::Rows(Box::new(batch)))
    }

    fn hand_on_all(&mut self) -> Result<(), Stopped> {
        self.gathering_since = None;
        if self.task.bounded {
            return self.in_order();
        }
        let partitions: Vec<i32> = self.readings.keys().copied().collect();
        partitions.into_iter().try_for_each(|partition| self.hand_on(partition))
    }

    /// A bounded partition has been read to its end.
    fn finish(&mut self, partition: i32) -> Result<(), Stopped> {
        let Some(mut reading) = self.readings.remove(&partition) else { return Ok(()) };
        reading.gathered.ends = true;
        reading.gathered.next = reading.span.to.unwrap_or(reading.gathered.next);
        self.complete.insert((reading.gathered.chunk, partition), Box::new(reading.gathered));
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.task.topic, partition);
        // Not to be rid of it costs no more than messages that are thrown away.
        let _ = self.consumer.incremental_unassign(&list);
        self.in_order()
    }

    /// Where volume cuts epochs: hands on the chunks that nothing can come before, and keeps partitions from running ahead.
    fn in_order(&mut self) -> Result<(), Stopped> {
        let lowest = self.readings.values().map(|r| r.gathered.chunk).min().unwrap_or(u32::MAX);
        while let Some(entry) = self.complete.first_entry() {
            if entry.key().0 >= lowest {
                break;
            }
            let batch = entry.remove();
            self.send(Event::Rows(batch))?;
        }
        for (&partition, reading) in &mut self.readings {
            let ahead = reading.gathered.chunk > lowest.saturating_add(CHUNKS_AHEAD);
            if ahead != reading.paused {
                let mut list = TopicPartitionList::new();
                list.add_partition(&self.task.topic, partition);
                let done = if ahead { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
                if done.is_ok() {
                    reading.paused = ahead;
                }
            }
        }
        Ok(())
    }

    /// Asks whether the ends that were met still are the ends.
    fn evidence(&mut self) -> Result<(), Stopped> {
        let mut caught_up = Vec::new();
        for (&partition, reading) in &mut self.readings {
            let Some(end) = &mut reading.end else { continue };
            let Ok((_, high)) = self.consumer.fetch_watermarks(&self.task.topic, partition, EVIDENCE_PATIENCE) else {
                *end = None;
                continue;
            };
            if *end == Some(high) {
                caught_up.push(partition);
            }
            *end = Some(high);
        }
        if caught_up.len() == self.readings.len() {
            return self.send(Event::AllCaughtUp);
        }
        caught_up.into_iter().try_for_each(|partition| self.send(Event::CaughtUp(partition)))
    }

    /// Looks for partitions that are new, and takes those of this worker.
    fn discover(&mut self) -> Result<(), Option<ConnectorError>> {
        let found = match client::partitions_now(self.consumer.client(), &self.task.topic, EVIDENCE_PATIENCE) {
            Ok(Some(found)) => found,
            // It is asked again; that the topic is gone shows when it is read.
            Ok(None) | Err(_) => return Ok(()),
        };
        for partition in found {
            if self.task.known.insert(partition) && partition as usize % self.task.share.peers == self.task.share.index {
                let span = Span { from: 0, to: None };
                self.add(partition, span)?;
                let first = RawBatch::new(partition, span.from, &self.task.wanted);
                self.send(Event::Rows(Box::new(first))).map_err(|Stopped| None)?;
            }
        }
        Ok(())
    }

    fn send(&self, mut event: Event) -> Result<(), Stopped> {
        loop {
            if self.stop.load(Ordering::Acquire) {
                return Err(Stopped);
            }
            event = match self.events.send_timeout(event, POLL) {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Timeout(event)) => event,
                Err(SendTimeoutError::Disconnected(_)) => return Err(Stopped),
            };
        }
    }
}

/// The chunk that an offset is in: offsets alone decide, so that it is the same whatever the number of readers.
fn chunk_of(task: &Task, span: Span, offset: i64) -> u32 {
    let rows = i64::try_from(task.batch_rows.max(1)).unwrap_or(i64::MAX);
    u32::try_from((offset - span.from).max(0) / rows).unwrap_or(u32::MAX)
}

/// The first offset behind the chunk that is gathered.
fn boundary(task: &Task, reading: &Reading) -> i64 {
    let rows = i64::try_from(task.batch_rows.max(1)).unwrap_or(i64::MAX);
    reading.span.from.saturating_add((i64::from(reading.gathered.chunk) + 1).saturating_mul(rows))
}

/// Ends a chunk, and begins the one of that number.
fn cut(task: &Task, reading: &mut Reading, chunk: u32, complete: &mut BTreeMap<(u32, i32), Box<RawBatch>>) {
    let partition = reading.gathered.partition;
    let mut next = RawBatch::new(partition, reading.gathered.next, &task.wanted);
    next.chunk = chunk;
    let done = std::mem::replace(&mut reading.gathered, next);
    if done.len() > 0 {
        complete.insert((done.chunk, partition), Box::new(done));
    }
}
