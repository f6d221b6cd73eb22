//! Wall clocks: the system's, and a virtual one for tests that must not depend on it.

use runink_checkpoint::Epoch;
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

/// Microseconds since 1970, UTC.
pub trait Clock: Send + Sync {
    /// Now.
    fn now_us(&self) -> i64;

    /// The wall clock that an epoch is stamped with, asked for while the epoch is open. Processing-time windows go by it.
    fn stamp_us(&self, _epoch: Epoch) -> i64 {
        self.now_us()
    }
}

/// The machine's clock. It may jump; whoever reads it for epochs keeps the highest value seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
        }
    }
}

/// A clock that a test sets: each epoch has the time of the last mark at or before it.
#[derive(Debug, Clone, Default)]
pub struct VirtualClock {
    marks: BTreeMap<Epoch, i64>,
}

impl VirtualClock {
    /// A clock with these marks.
    pub fn new(marks: impl IntoIterator<Item = (Epoch, i64)>) -> Self {
        VirtualClock { marks: marks.into_iter().collect() }
    }
}

impl Clock for VirtualClock {
    fn now_us(&self) -> i64 {
        self.marks.values().next_back().copied().unwrap_or(0)
    }

    fn stamp_us(&self, epoch: Epoch) -> i64 {
        self.marks.range(..=epoch).next_back().map_or(0, |(_, us)| *us)
    }
}

/// Which epoch it is, for sources that the wall clock drives. All workers share start and tick, so they agree but for the clock's own error.
#[derive(Debug, Clone, Copy)]
pub struct EpochClock {
    /// When epoch 1 began, in µs.
    pub start_us: i64,
    /// How long an epoch is, in µs; positive.
    pub tick_us: i64,
}

impl EpochClock {
    /// The epoch at a moment.
    pub fn epoch_at(&self, now_us: i64) -> Epoch {
        let elapsed = now_us.saturating_sub(self.start_us).max(0);
        Epoch(elapsed.unsigned_abs() / self.tick_us.max(1).unsigned_abs() + 1)
    }
}
