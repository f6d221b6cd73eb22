//! Replay: rows are handed on when their event time has come, on a clock that runs so many times faster than the world's.
//!
//! The first row's event time is "now" when it is read. Rows keep their order, so one waits for those before it. Where the next row is due in more than
//! [`LONGEST_WAIT`] of real time, or is overdue by more (clocks in data jump), the replay takes its time as "now" and goes on from there. So does one that goes on from a checkpoint,
//! with its first row.

use crate::error;
use arrow::{
    array::{Array, AsArray, TimestampMicrosecondArray, UInt64Array},
    compute::cast,
    datatypes::{DataType, TimeUnit, TimestampMicrosecondType},
};
use runink_connector_api::{Chunk, ConnectorError, Piecewise, Poll, Positions, Reject, Resume, SourceConfig, SourceReader};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The longest that a replay waits for one row.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// How soon a replay looks again at the latest.
const RETRY: Duration = Duration::from_millis(50);

/// Tells how much real time has passed since some moment.
type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// How a source is replayed.
#[derive(Clone)]
pub(crate) struct Pace {
    speedup: f64,
    column: Arc<str>,
    clock: Clock,
}

impl Pace {
    pub(crate) fn new(speedup: f64, config: &SourceConfig, follow: bool) -> Result<Self, ConnectorError> {
        if !(speedup.is_finite() && speedup > 0.0) {
            return Err(error::options(
                format!("`speedup` is {speedup}: it must be more than 0"),
                "1 replays in real time, 60 makes a minute a second.",
            ));
        }
        if follow {
            return Err(error::options("`speedup` and `follow` do not go together", "What grows has its own pace: leave one of them out."));
        }
        let Some(column) = &config.time_column else {
            return Err(error::options("`speedup` needs to know which column is the event time", "Add `time=<column>` to the source."));
        };
        let start = Instant::now();
        Ok(Pace { speedup, column: column.as_str().into(), clock: Arc::new(move || start.elapsed()) })
    }
}

/// Holds the rows of another reader back until they are due.
pub(crate) struct ReplayReader {
    inner: Box<dyn SourceReader>,
    pace: Pace,
    /// An event time, in µs, and when it was due.
    anchor: Option<(i64, Duration)>,
    held: Option<Held>,
}

struct Held {
    chunk: Chunk,
    times: TimestampMicrosecondArray,
    handed_on: usize,
}

impl ReplayReader {
    pub(crate) fn new(inner: Box<dyn SourceReader>, pace: Pace) -> Self {
        ReplayReader { inner, pace, anchor: None, held: None }
    }

    /// How long until an event time is due, at that moment; zero where it is.
    fn wait(&mut self, time_us: i64, now: Duration) -> Duration {
        let (base_us, base) = *self.anchor.get_or_insert((time_us, now));
        let due = base.as_secs_f64() + (time_us as f64 - base_us as f64) / 1e6 / self.pace.speedup;
        let wait = due - now.as_secs_f64();
        if wait.abs() > LONGEST_WAIT.as_secs_f64() {
            self.anchor = Some((time_us, now));
            return Duration::ZERO;
        }
        Duration::from_secs_f64(wait.max(0.0))
    }

    fn hold(&self, chunk: Chunk) -> Result<Held, ConnectorError> {
        let times = chunk.batch.column_by_name(&self.pace.column).and_then(|column| {
            let micros = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None)).ok()?;
            Some(micros.as_primitive_opt::<TimestampMicrosecondType>()?.clone())
        });
        let Some(times) = times else {
            return Err(error::options(
                format!("`speedup` cannot pace by `{}`: it is no column of this source that holds times", self.pace.column),
                "Let `time=` name a timestamp or date column.",
            ));
        };
        Ok(Held { chunk, times, handed_on: 0 })
    }
}

impl Held {
    fn position(&self, row: usize) -> u64 {
        match &self.chunk.positions {
            Positions::From(start) => start + row as u64,
            Positions::Each(each) => each.value(row),
        }
    }

    /// How many rejects stand before a row.
    fn rejects_before(&self, row: usize) -> usize {
        let next = self.position(row);
        self.chunk.rejects.iter().take_while(|r| r.position < next).count()
    }

    /// How far the file has been read when the rows before this one have been handed on; the next row stands behind that, and so do its rejects.
    fn after(&self, row: usize) -> Result<Option<Resume>, ConnectorError> {
        let Some(whole) = &self.chunk.after else { return Ok(None) };
        let within = self.position(row).checked_sub(1);
        within.map(|_| Piecewise::of(whole).map(|at| Piecewise { within, ..at }.save())).transpose()
    }
}

impl SourceReader for ReplayReader {
    fn poll(&mut self) -> Result<Poll, ConnectorError> {
        let mut held = match self.held.take() {
            Some(held) => held,
            None => match self.inner.poll()? {
                Poll::Rows(chunk) => self.hold(chunk)?,
                other => return Ok(other),
            },
        };
        let now = (self.pace.clock)();
        let from = held.handed_on;
        let rows = held.times.len();
        let mut wait = Duration::ZERO;
        let mut to = from;
        while to < rows {
            // A row without a time does not wait.
            if held.times.is_valid(to) {
                wait = self.wait(held.times.value(to), now);
                if wait > Duration::ZERO {
                    break;
                }
            }
            to += 1;
        }
        // With the rows that stand before them, so that a checkpoint has all up to a place.
        let behind = if to == rows { held.chunk.rejects.len() } else { held.rejects_before(to) };
        let rejects: Vec<Reject> = held.chunk.rejects.drain(..behind).collect();
        if to == from && rejects.is_empty() && rows > 0 {
            self.held = Some(held);
            return Ok(Poll::Pending { retry_in: wait.min(RETRY), caught_up: false });
        }
        let part = Chunk {
            batch: held.chunk.batch.slice(from, to - from),
            rejects,
            positions: slice(&held.chunk.positions, from, to - from),
            origin: held.chunk.origin.clone(),
            partition: held.chunk.partition,
            ordinal: held.chunk.ordinal,
            bytes: std::mem::take(&mut held.chunk.bytes),
            diffs: held.chunk.diffs.as_ref().map(|d| d.slice(from, to - from)),
            partition_ends: held.chunk.partition_ends && to == rows,
            after: if to == rows { held.chunk.after.clone() } else { held.after(to)? },
        };
        if to < rows {
            held.handed_on = to;
            self.held = Some(held);
        }
        Ok(Poll::Rows(part))
    }
}

fn slice(positions: &Positions, from: usize, length: usize) -> Positions {
    match positions {
        Positions::From(start) => Positions::From(start + from as u64),
        Positions::Each(each) => Positions::Each(UInt64Array::new(each.values().slice(from, length), None)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::{
        array::ArrayRef,
        datatypes::{Field, Schema},
        record_batch::RecordBatch,
    };
    use runink_connector_api::{Ordinal, Partition};
    use std::sync::Mutex;

    struct Script(Vec<Chunk>);
    impl SourceReader for Script {
        fn poll(&mut self) -> Result<Poll, ConnectorError> {
            Ok(if self.0.is_empty() { Poll::End } else { Poll::Rows(self.0.remove(0)) })
        }
    }

    fn chunk(times: &[Option<i64>], start: u64) -> Chunk {
        let at: ArrayRef = Arc::new(times.iter().map(|t| t.map(|s| s * 1_000_000)).collect::<TimestampMicrosecondArray>());
        let schema = Arc::new(Schema::new(vec![Field::new("at", at.data_type().clone(), true)]));
        Chunk {
            batch: RecordBatch::try_new(schema, vec![at]).unwrap(),
            rejects: Vec::new(),
            positions: Positions::From(start),
            origin: "x".into(),
            partition: Partition(0),
            ordinal: Ordinal::default(),
            bytes: 10,
            diffs: None,
            partition_ends: false,
            after: None,
        }
    }

    /// Polls at a moment: (position, rows, bytes) of each part that is due.
    fn due(reader: &mut ReplayReader, clock: &Mutex<Duration>, seconds: f64) -> Vec<(u64, usize, u64)> {
        *clock.lock().unwrap() = Duration::from_secs_f64(seconds);
        let mut parts = Vec::new();
        while let Poll::Rows(chunk) = reader.poll().unwrap() {
            let Positions::From(start) = chunk.positions else { panic!("positions") };
            parts.push((start, chunk.batch.num_rows(), chunk.bytes));
        }
        parts
    }

    fn reader(speedup: f64, chunks: Vec<Chunk>) -> (ReplayReader, Arc<Mutex<Duration>>) {
        let now = Arc::new(Mutex::new(Duration::ZERO));
        let clock = now.clone();
        let pace = Pace { speedup, column: "at".into(), clock: Arc::new(move || *clock.lock().unwrap()) };
        (ReplayReader::new(Box::new(Script(chunks)), pace), now)
    }

    #[test]
    fn rows_come_when_they_are_due_and_in_order() {
        let chunks = vec![chunk(&[Some(100), Some(100), None, Some(110), Some(105), Some(130)], 1), chunk(&[Some(130)], 7)];
        let (mut reader, clock) = reader(10.0, chunks);
        assert_eq!(due(&mut reader, &clock, 0.0), [(1, 3, 10)]);
        assert_eq!(due(&mut reader, &clock, 0.99), []);
        assert_eq!(due(&mut reader, &clock, 1.0), [(4, 2, 0)]);
        assert_eq!(due(&mut reader, &clock, 3.5), [(6, 1, 0), (7, 1, 10)]);
        assert!(matches!(reader.poll().unwrap(), Poll::End));
    }

    #[test]
    fn a_clock_that_jumps_stops_nothing() {
        let far = 100 * 365 * 86_400;
        let (mut reader, clock) = reader(1.0, vec![chunk(&[Some(0), Some(far), Some(1), Some(2)], 0)]);
        assert_eq!(due(&mut reader, &clock, 0.0), [(0, 3, 10)]);
        assert_eq!(due(&mut reader, &clock, 1.0), [(3, 1, 0)]);
    }
}
