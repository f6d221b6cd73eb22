//! Sources and taps in memory, for tests, examples and benches: what comes in is a script, what goes out is kept.

mod memory;

pub use memory::MemoryCheckpoints;

use crate::{Epoch, Tap, WatermarkTap, source::epoch_of};
use arrow::record_batch::RecordBatch;
use runink_connector_api::{
    Boundedness, Chunk, ConnectorError, EpochBy, Ordinal, Partition, Poll, Positions, Reject, SavedPosition, Share, Source, SourceReader,
};
use runink_operators::Batch;
use runink_planner::NodeId;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// One thing that a [`ScriptedSource`] does.
#[derive(Debug, Clone)]
pub enum Event {
    /// Rows come, and rows that did not decode.
    Rows {
        /// Those that did.
        batch: RecordBatch,
        /// Those that did not.
        rejects: Vec<Reject>,
        /// Where the rows of the batch stand.
        positions: Positions,
    },
    /// Nothing older than this comes any more, in µs.
    Watermark(i64),
    /// Nothing comes, and nothing is there to come. A source counts as idle at once where the plan gives it no idle time to wait for.
    Idle,
}

/// A source that plays a script: each event at its own place in the order, dealt to workers in turn.
pub struct ScriptedSource {
    events: Vec<(Ordinal, Event)>,
    place: Arc<str>,
    halt: Option<Ordinal>,
}

impl ScriptedSource {
    /// Events with their places, which must not go back.
    pub fn new(place: &str, events: Vec<(Ordinal, Event)>) -> Self {
        ScriptedSource { events, place: place.into(), halt: None }
    }

    /// Does not end after its events, but comes to this place and stays there: for a scenario that crashes.
    #[must_use]
    pub fn halting(mut self, at: Ordinal) -> Self {
        self.halt = Some(at);
        self
    }

    /// Batches, one epoch each.
    pub fn of_batches(batches: impl IntoIterator<Item = RecordBatch>) -> Self {
        let mut start = 0;
        let events = batches.into_iter().enumerate().map(|(i, batch)| {
            let positions = Positions::From(start);
            start += batch.num_rows() as u64;
            (Ordinal { unit: 0, chunk: i as u32 }, Event::Rows { batch, rejects: Vec::new(), positions })
        });
        let events = events.collect();
        ScriptedSource::new("memory", events)
    }

    /// The epoch in which an event at that place happens.
    pub fn epoch_of(ordinal: Ordinal) -> Epoch {
        epoch_of(ordinal)
    }
}

impl Source for ScriptedSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }
    fn epoch_by(&self) -> EpochBy {
        EpochBy::Volume
    }
    fn partitions(&self) -> u32 {
        1
    }
    fn reader(&self, share: Share) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let mut polls = VecDeque::new();
        for (ordinal, event) in self.events.iter().skip(share.index).step_by(share.peers.max(1)) {
            let watermark = |at_us| Poll::Watermark { partition: Partition(0), at_us, ordinal: *ordinal };
            match event {
                Event::Watermark(at_us) => polls.push_back(watermark(*at_us)),
                // A watermark before all times says nothing, but brings the source to its place in the order.
                Event::Idle => polls.extend([watermark(i64::MIN), Poll::Pending { retry_in: Duration::ZERO, caught_up: true }]),
                Event::Rows { batch, rejects, positions } => polls.push_back(Poll::Rows(Chunk {
                    batch: batch.clone(),
                    rejects: rejects.clone(),
                    positions: positions.clone(),
                    origin: self.place.clone(),
                    partition: Partition(0),
                    ordinal: *ordinal,
                    bytes: 0,
                    diffs: None,
                    partition_ends: false,
                    after: None,
                })),
            }
        }
        polls.extend(self.halt.map(|ordinal| Poll::Watermark { partition: Partition(0), at_us: i64::MIN, ordinal }));
        Ok(Box::new(ScriptedReader { polls, halts: self.halt.is_some() }))
    }
    /// The script of a source that goes on begins where the one before halted.
    fn resume(&self, share: Share, _from: &[SavedPosition]) -> Result<Box<dyn SourceReader>, ConnectorError> {
        self.reader(share)
    }
}

/// How soon a source that halts is asked again.
const HALTED_RETRY: Duration = Duration::from_millis(5);

struct ScriptedReader {
    polls: VecDeque<Poll>,
    halts: bool,
}

impl SourceReader for ScriptedReader {
    fn poll(&mut self) -> Result<Poll, ConnectorError> {
        let after = if self.halts { Poll::Pending { retry_in: HALTED_RETRY, caught_up: false } } else { Poll::End };
        Ok(self.polls.pop_front().unwrap_or(after))
    }
}

/// A tap that keeps everything.
#[derive(Debug, Default)]
pub struct Collector {
    seen: Mutex<Vec<(Epoch, Batch)>>,
}

impl Collector {
    /// What was seen up to an epoch, in order of epochs.
    pub fn upto(&self, epoch: Epoch) -> Vec<Batch> {
        let mut seen: Vec<_> =
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|(e, _)| *e <= epoch).cloned().collect();
        seen.sort_by_key(|(e, _)| *e);
        seen.into_iter().map(|(_, b)| b).collect()
    }

    /// All of it.
    pub fn all(&self) -> Vec<Batch> {
        self.upto(Epoch(u64::MAX))
    }
}

impl Tap for Collector {
    fn observe(&self, epoch: Epoch, batch: &Batch) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push((epoch, batch.clone()));
    }
}

/// Keeps every source's watermarks.
#[derive(Debug, Default)]
pub struct WatermarkLog {
    seen: Mutex<Vec<(Epoch, NodeId, i64)>>,
}

impl WatermarkLog {
    /// Where the watermark of these sources stood when an epoch had closed, in µs: the minimum; `None` as long as one of them has none.
    pub fn at(&self, epoch: Epoch, sources: &[NodeId]) -> Option<i64> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |source| seen.iter().filter(|(e, s, _)| *e <= epoch && *s == source).map(|(_, _, us)| *us).max();
        sources.iter().map(|&source| of(source)).min().flatten()
    }
}

impl WatermarkTap for WatermarkLog {
    fn observe(&self, epoch: Epoch, source: NodeId, watermark_us: i64) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push((epoch, source, watermark_us));
    }
}
