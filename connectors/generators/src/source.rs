//! What generators have in common: ranges of events, dealt to workers, held back until they are due where there is a pace.
//!
//! - As fast as possible, with an end: epochs by volume. Range c is epoch c, is read by worker c mod n, and all is one partition.
//! - With a pace, or without an end: epochs by the clock. Ranges belong to partitions, which hold the watermark until their range has come; a worker
//!   that falls behind makes no row late. A slow stream is one partition, lest its watermark wait for partitions that have no event for long.

use crate::options::Run;
use arrow::{array::UInt64Array, record_batch::RecordBatch};
use runink_connector_api::{
    Boundedness, Chunk, ConnectorError, EpochBy, Left, Ordinal, Partition, Piecewise, Poll, Positions, SavedPosition, Share, Source,
    SourceReader,
};
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
        self.resume(share, &[])
    }
    fn resumable(&self) -> bool {
        !self.run.from_now
    }
    fn resume(&self, share: Share, from: &[SavedPosition]) -> Result<Box<dyn SourceReader>, ConnectorError> {
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
            from: from.into(),
            behind: Duration::ZERO,
            chunk: 0,
            next: 0,
        };
        reader.take_over()?;
        reader.skip_to_ours()?;
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
    /// What was read before.
    from: Arc<[SavedPosition]>,
    /// How far into the run the pace begins.
    behind: Duration,
    chunk: u64,
    /// The next event, in the chunk.
    next: u64,
}

impl GeneratedReader {
    /// Which of `readers` is given a chunk.
    fn dealt_to(&self, chunk: u64, readers: usize) -> usize {
        let lane = self.lanes.map_or(chunk, |lanes| chunk % lanes);
        (lane % readers.max(1) as u64) as usize
    }

    /// Goes on with the pace where the run before left it.
    fn take_over(&mut self) -> Result<(), ConnectorError> {
        for saved in self.from.iter() {
            let at = Piecewise::of(&saved.after)?;
            let read = at.within.map_or_else(|| at.piece.saturating_add(1).saturating_mul(self.chunk_events), |within| within + 1);
            self.behind = self.behind.max(Duration::from_micros(self.run.timeline.offset_us(read)));
        }
        Ok(())
    }

    /// The next chunk that is given to us and not read.
    fn skip_to_ours(&mut self) -> Result<(), ConnectorError> {
        if self.lanes.is_some_and(|lanes| lanes <= self.share.index as u64) {
            // There are more workers than partitions.
            self.chunk = u64::MAX;
        }
        while self.chunk < u64::MAX {
            if self.dealt_to(self.chunk, self.share.peers) == self.share.index {
                let deal = |_: u64, readers: usize| self.dealt_to(self.chunk, readers);
                match Piecewise::left(&self.from, self.model.name(), self.chunk, deal)? {
                    Left::Nothing => {}
                    Left::All => break,
                    Left::After(event) => {
                        self.next = event + 1;
                        return Ok(());
                    }
                }
            }
            self.chunk += 1;
        }
        self.next = self.chunk.saturating_mul(self.chunk_events);
        Ok(())
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
            let now = (self.clock)() + self.behind;
            if now < due {
                return Ok(Poll::Pending { retry_in: (due - now).min(RETRY), caught_up: false });
            }
        }
        let within = Some(events.end - 1).filter(|_| events.end < chunk_end);
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
            after: Some(Piecewise { unit: 0, piece: self.chunk, within }.save()),
        };
        self.next = events.end;
        if self.next == chunk_end {
            self.chunk += 1;
            self.skip_to_ours()?;
        }
        Ok(Poll::Rows(chunk))
    }
}

#[cfg(test)]
mod tests;
