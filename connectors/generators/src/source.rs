//! What generators have in common: ranges of events, dealt to workers, held back until they are due where there is a pace.
//!
//! - As fast as possible, with an end: epochs by volume. Range c is epoch c, is read by worker c mod n, and all is one partition.
//! - With a pace, or without an end: epochs by the clock. Ranges belong to partitions, which hold the watermark until their range has come; a worker
//!   that falls behind makes no row late. A slow stream is one partition, lest its watermark wait for partitions that have no event for long.

use crate::options::Run;
use arrow::{array::UInt64Array, record_batch::RecordBatch};
use runink_connector_api::{Boundedness, Chunk, ConnectorError, EpochBy, Ordinal, Partition, Poll, Positions, Share, Source, SourceReader};
use std::{
    ops::Range,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// How many events one epoch holds where volume cuts epochs.
const CHUNK_EVENTS: u64 = 32 << 10;
/// How much real time a paced range covers, in µs.
const PACED_US: u64 = 10_000;
/// Partitions of a fast stream on the clock: at most so many workers share it.
const PARTITIONS: u32 = 16;
/// From how many events in a paced range on a stream is fast.
const FAST_EVENTS: u64 = 100;
/// How long a reader waits before it looks again, at most.
const RETRY: Duration = Duration::from_millis(50);

/// What is generated.
pub(crate) trait Model: Send + Sync {
    fn name(&self) -> &'static str;
    /// The rows of a range of events, with these columns, and the numbers of their events; `None` where each event is a row.
    fn rows(&self, events: Range<u64>, projection: &[usize]) -> Result<(RecordBatch, Option<UInt64Array>), ConnectorError>;
}

/// A source of generated events.
pub(crate) struct GeneratedSource {
    model: Arc<dyn Model>,
    run: Run,
    projection: Arc<[usize]>,
    batch_rows: u64,
    /// How long the run has been going; set off by the first poll of any worker.
    clock: Clock,
}

type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

impl GeneratedSource {
    pub(crate) fn new(model: Arc<dyn Model>, run: Run, projection: Vec<usize>, batch_rows: usize) -> Self {
        let start: OnceLock<Instant> = OnceLock::new();
        let clock = move || start.get_or_init(Instant::now).elapsed();
        GeneratedSource { model, run, projection: projection.into(), batch_rows: (batch_rows as u64).max(1), clock: Arc::new(clock) }
    }

    fn chunk_events(&self) -> u64 {
        match self.run.paced {
            true => self.run.timeline.events_in(PACED_US).clamp(1, CHUNK_EVENTS),
            false => CHUNK_EVENTS,
        }
    }
}

impl Source for GeneratedSource {
    fn boundedness(&self) -> Boundedness {
        if self.run.events.is_some() { Boundedness::Bounded } else { Boundedness::Unbounded }
    }
    fn epoch_by(&self) -> EpochBy {
        if self.run.events.is_some() && !self.run.paced { EpochBy::Volume } else { EpochBy::Clock }
    }
    fn partitions(&self) -> u32 {
        match self.epoch_by() {
            EpochBy::Volume => 1,
            EpochBy::Clock if self.chunk_events() < FAST_EVENTS => 1,
            EpochBy::Clock => PARTITIONS,
        }
    }
    fn reader(&self, share: Share) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let lanes = match self.epoch_by() {
            EpochBy::Volume => None,
            EpochBy::Clock => Some(u64::from(self.partitions())),
        };
        let mut reader = GeneratedReader {
            model: self.model.clone(),
            run: self.run,
            projection: self.projection.clone(),
            batch_rows: self.batch_rows,
            clock: self.clock.clone(),
            chunk_events: self.chunk_events(),
            lanes,
            share,
            chunk: 0,
            next: 0,
        };
        reader.skip_to_ours();
        Ok(Box::new(reader))
    }
}

struct GeneratedReader {
    model: Arc<dyn Model>,
    run: Run,
    projection: Arc<[usize]>,
    batch_rows: u64,
    clock: Clock,
    chunk_events: u64,
    /// How many partitions there are, where they matter.
    lanes: Option<u64>,
    share: Share,
    chunk: u64,
    /// The next event, in the chunk.
    next: u64,
}

impl GeneratedReader {
    fn is_ours(&self) -> bool {
        let lane = self.lanes.map_or(self.chunk, |lanes| self.chunk % lanes);
        lane % self.share.peers.max(1) as u64 == self.share.index as u64
    }

    fn skip_to_ours(&mut self) {
        if self.lanes.is_some_and(|lanes| lanes <= self.share.index as u64) {
            // There are more workers than partitions.
            self.chunk = u64::MAX;
        }
        while self.chunk < u64::MAX && !self.is_ours() {
            self.chunk += 1;
        }
        self.next = self.chunk.saturating_mul(self.chunk_events);
    }
}

impl SourceReader for GeneratedReader {
    fn poll(&mut self) -> Result<Poll, ConnectorError> {
        let last = self.run.events.unwrap_or(u64::MAX);
        if self.next >= last {
            return Ok(Poll::End);
        }
        let chunk_end = self.chunk.saturating_add(1).saturating_mul(self.chunk_events).min(last);
        let events = self.next..chunk_end.min(self.next.saturating_add(self.batch_rows));
        if self.run.paced {
            let due = Duration::from_micros(self.run.timeline.offset_us(chunk_end - 1));
            let now = (self.clock)();
            if now < due {
                return Ok(Poll::Pending { retry_in: (due - now).min(RETRY), caught_up: false });
            }
        }
        let (batch, numbers) = self.model.rows(events.clone(), &self.projection)?;
        let positions = numbers.map_or(Positions::From(events.start), Positions::Each);
        let partition = self.lanes.map_or(0, |lanes| u32::try_from(self.chunk % lanes).unwrap_or(0));
        let chunk = Chunk {
            batch,
            rejects: Vec::new(),
            positions,
            origin: self.model.name().into(),
            partition: Partition(partition),
            ordinal: Ordinal { unit: u32::try_from(self.chunk >> 32).unwrap_or(u32::MAX), chunk: (self.chunk & 0xFFFF_FFFF) as u32 },
            bytes: 0,
            diffs: None,
            partition_ends: false,
            after: None,
        };
        self.next = events.end;
        if self.next == chunk_end {
            self.chunk += 1;
            self.skip_to_ours();
        }
        Ok(Poll::Rows(chunk))
    }
}

#[cfg(test)]
mod tests;
