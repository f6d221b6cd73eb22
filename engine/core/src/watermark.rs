//! Watermarks: W(e) as a pure function of what was reported for epochs up to e.
//!
//! Every source reader reports, per epoch, the highest event time it saw of each partition, which partitions are idle (on evidence) or
//! have ended, and the wall clock. Every worker hears all reports, so all compute the same watermarks for the same epochs.

use runink_checkpoint::{Epoch, StateError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// "No row yet": before every event time.
pub(crate) const NOT_YET: i64 = i64::MIN;
/// "No row any more": after every event time.
pub(crate) const ENDED: i64 = i64::MAX;

/// What a reader reports, at an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Which source, by its place among the plan's nodes.
    pub(crate) source: usize,
    /// Which worker's reader.
    pub(crate) reader: usize,
    pub(crate) fact: Fact,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Fact {
    /// The highest event time seen in the partition, in µs.
    Seen { partition: u32, max_us: i64 },
    /// The source itself says that nothing older comes in the partition, in µs.
    Asserted { partition: u32, at_us: i64 },
    /// Nothing has come for the idle time, and nothing was there to come.
    Idle { partition: u32 },
    /// The same of all partitions that the reader has not heard of yet, whichever they are. Once from each reader.
    RestIdle,
    /// The partition has no more rows.
    PartitionEnded { partition: u32 },
    /// One worker's reader has no more rows.
    ReaderEnded,
    /// The wall clock, in µs.
    Clock { us: i64 },
}

impl Report {
    /// The order in which an epoch's reports are taken, whatever the order they come in. The clock first: what an idle source gains by it counts
    /// from this epoch's stamp. Then reader by reader, each in its own order.
    pub(crate) fn rank(&self) -> (bool, usize) {
        (!matches!(self.fact, Fact::Clock { .. }), self.reader)
    }
}

/// What is known of one source.
#[derive(Debug, Clone)]
struct SourceState {
    /// Its name in the scenario.
    name: String,
    lateness_us: i64,
    advance_when_idle: bool,
    /// The source may show more than it said it had.
    partitions: BTreeMap<u32, PartitionState>,
    readers_left: usize,
    /// Readers that may still bring a partition which nobody has heard of.
    rest_left: usize,
    watermark: i64,
    /// The watermark and the clock when all partitions had become idle.
    idle_since: Option<(i64, i64)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct PartitionState {
    /// A reader has told of it.
    known: bool,
    watermark: Option<i64>,
    idle: bool,
    ended: bool,
}

/// All sources of a scenario.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watermarks {
    sources: BTreeMap<usize, SourceState>,
    clock_us: i64,
    /// The last epoch that had reports.
    epoch: u64,
}

impl Watermarks {
    pub(crate) fn new() -> Self {
        Watermarks { sources: BTreeMap::new(), clock_us: NOT_YET, epoch: 0 }
    }

    /// Adds a source before its first report.
    pub(crate) fn add(&mut self, source: usize, name: &str, partitions: u32, lateness_us: i64, advance_when_idle: bool) {
        self.sources.insert(
            source,
            SourceState {
                name: name.to_owned(),
                lateness_us,
                advance_when_idle,
                partitions: (0..partitions).map(|p| (p, PartitionState::default())).collect(),
                readers_left: 1,
                rest_left: 1,
                watermark: NOT_YET,
                idle_since: None,
            },
        );
    }

    /// Says how many readers each source has, before the first report.
    pub(crate) fn readers(&mut self, readers: usize) {
        for source in self.sources.values_mut() {
            (source.readers_left, source.rest_left) = (readers, readers);
        }
    }

    /// A source's watermark.
    pub(crate) fn watermark_of(&self, source: usize) -> i64 {
        self.sources.get(&source).map_or(NOT_YET, |s| s.watermark)
    }

    /// The last epoch that had reports.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    /// What a checkpoint keeps: one fact for each source, and the clock. `start_us` is when epoch 1 began.
    pub(crate) fn facts(&self, start_us: i64) -> Vec<(String, Vec<u8>)> {
        let clock = saved(&SavedClock { version: 1, clock_us: self.clock_us, start_us, epoch: self.epoch });
        let source = |s: &SourceState| (format!("source {}", s.name), saved(&s.save()));
        self.sources.values().map(source).chain([(CLOCK.to_owned(), clock)]).collect()
    }

    /// Takes what a checkpoint kept, before the first report. Sources are matched by name; gives when epoch 1 began.
    ///
    /// # Errors
    /// Where a fact cannot be read.
    pub(crate) fn restore(&mut self, facts: &[(String, Vec<u8>)]) -> Result<Option<i64>, StateError> {
        let unreadable = |name: &str, e: serde_json::Error| StateError::Schema(format!("what the checkpoint keeps of `{name}`: {e}"));
        let mut start_us = None;
        for (name, bytes) in facts {
            if name == CLOCK {
                let clock: SavedClock = serde_json::from_slice(bytes).map_err(|e| unreadable(name, e))?;
                (self.clock_us, self.epoch, start_us) = (clock.clock_us, clock.epoch, Some(clock.start_us));
            } else if let Some(source) = self.sources.values_mut().find(|s| name.strip_prefix("source ") == Some(&s.name)) {
                source.restore(serde_json::from_slice(bytes).map_err(|e| unreadable(name, e))?);
            }
        }
        Ok(start_us)
    }

    /// Takes a report of the epoch that is being closed.
    pub(crate) fn report(&mut self, report: &Report) {
        if let Fact::Clock { us } = report.fact {
            // The machine's clock may jump back; an epoch's never does.
            self.clock_us = self.clock_us.max(us);
            return;
        }
        let Some(source) = self.sources.get_mut(&report.source) else { return };
        match report.fact {
            Fact::Seen { partition, max_us } => source.raise(partition, max_us.saturating_sub(source.lateness_us)),
            Fact::Asserted { partition, at_us } => source.raise(partition, at_us),
            Fact::Idle { partition } => source.partition(partition).idle = true,
            Fact::RestIdle => source.rest_left = source.rest_left.saturating_sub(1),
            Fact::PartitionEnded { partition } => source.partition(partition).ended = true,
            Fact::ReaderEnded => source.readers_left = source.readers_left.saturating_sub(1),
            Fact::Clock { .. } => {}
        }
    }

    /// The epoch's reports are in: its watermarks, for the sources whose watermark has moved.
    pub(crate) fn close(&mut self, epoch: Epoch) -> Vec<(usize, i64)> {
        self.epoch = self.epoch.max(epoch.0);
        let clock = self.clock_us;
        self.sources.iter_mut().filter_map(|(&id, source)| source.advance(clock).then_some((id, source.watermark))).collect()
    }

    /// The wall clock of the closed epoch.
    pub(crate) fn clock_us(&self) -> i64 {
        self.clock_us
    }
}

/// The name of the fact about the clock.
const CLOCK: &str = "clock";

#[derive(Serialize, Deserialize)]
struct SavedClock {
    version: u32,
    clock_us: i64,
    start_us: i64,
    epoch: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedSource {
    version: u32,
    watermark: i64,
    idle_since: Option<(i64, i64)>,
    partitions: BTreeMap<u32, SavedPartition>,
}

#[derive(Serialize, Deserialize)]
struct SavedPartition {
    watermark: Option<i64>,
    idle: bool,
    ended: bool,
}

fn saved(fact: &impl Serialize) -> Vec<u8> {
    // Maps with numbers as keys and plain numbers: JSON has a form for all of it.
    serde_json::to_vec(fact).unwrap_or_default()
}

impl SourceState {
    fn save(&self) -> SavedSource {
        let partition = |(&id, p): (&u32, &PartitionState)| (id, SavedPartition { watermark: p.watermark, idle: p.idle, ended: p.ended });
        SavedSource {
            version: 1,
            watermark: self.watermark,
            idle_since: self.idle_since,
            partitions: self.partitions.iter().map(partition).collect(),
        }
    }

    fn restore(&mut self, saved: SavedSource) {
        self.watermark = saved.watermark;
        self.idle_since = saved.idle_since;
        for (id, partition) in saved.partitions {
            let SavedPartition { watermark, idle, ended } = partition;
            // No reader of this incarnation has told of it yet.
            self.partitions.insert(id, PartitionState { known: false, watermark, idle, ended });
        }
    }

    fn partition(&mut self, partition: u32) -> &mut PartitionState {
        let state = self.partitions.entry(partition).or_default();
        state.known = true;
        state
    }

    fn raise(&mut self, partition: u32, to: i64) {
        let state = self.partition(partition);
        state.idle = false;
        state.watermark = Some(state.watermark.map_or(to, |w| w.max(to)));
    }

    /// Moves the watermark on, never back; tells whether it has moved.
    fn advance(&mut self, clock_us: i64) -> bool {
        let open = || self.partitions.values().filter(|p| !p.ended);
        let idle = |p: &PartitionState| p.idle || (!p.known && self.rest_left == 0);
        let next = if self.readers_left == 0 || (!self.partitions.is_empty() && open().next().is_none()) {
            ENDED
        } else if open().all(idle) {
            // What idle partitions have shown so far stands; beyond it only the wall clock can carry the watermark on.
            let shown = open().filter_map(|p| p.watermark).max().unwrap_or(NOT_YET).max(self.watermark);
            if !self.advance_when_idle || shown == NOT_YET || clock_us == NOT_YET {
                shown
            } else {
                let (base, since) = *self.idle_since.get_or_insert((shown, clock_us));
                base.saturating_add(clock_us.saturating_sub(since))
            }
        } else {
            self.idle_since = None;
            open().filter(|p| !idle(p)).map(|p| p.watermark.unwrap_or(NOT_YET)).min().unwrap_or(NOT_YET)
        };
        let moved = next > self.watermark;
        self.watermark = self.watermark.max(next);
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(partitions: u32, lateness: i64) -> Watermarks {
        let mut w = Watermarks::new();
        w.add(0, "s", partitions, lateness, true);
        w
    }

    fn say(w: &mut Watermarks, facts: &[Fact]) -> Vec<(usize, i64)> {
        for fact in facts {
            w.report(&Report { source: 0, reader: 0, fact: fact.clone() });
        }
        w.close(Epoch(1))
    }

    #[test]
    fn the_slowest_partition_holds_it_and_it_never_goes_back() {
        let mut w = marks(2, 5);
        assert_eq!(say(&mut w, &[Fact::Seen { partition: 0, max_us: 100 }]), vec![]);
        assert_eq!(say(&mut w, &[Fact::Seen { partition: 1, max_us: 50 }]), vec![(0, 45)]);
        assert_eq!(say(&mut w, &[Fact::Seen { partition: 1, max_us: 20 }]), vec![]);
        assert_eq!(say(&mut w, &[Fact::PartitionEnded { partition: 1 }]), vec![(0, 95)]);
        assert_eq!(say(&mut w, &[Fact::ReaderEnded]), vec![(0, ENDED)]);
    }

    #[test]
    fn an_idle_partition_does_not_hold_it_until_rows_come_again() {
        let mut w = marks(2, 0);
        say(&mut w, &[Fact::Seen { partition: 0, max_us: 100 }, Fact::Idle { partition: 1 }]);
        assert_eq!(say(&mut w, &[Fact::Seen { partition: 0, max_us: 110 }]), vec![(0, 110)]);
        assert_eq!(say(&mut w, &[Fact::Seen { partition: 1, max_us: 60 }, Fact::Seen { partition: 0, max_us: 200 }]), vec![]);
        assert_eq!(say(&mut w, &[Fact::Seen { partition: 1, max_us: 150 }]), vec![(0, 150)]);
    }

    #[test]
    fn when_all_are_idle_the_wall_clock_carries_it_on() {
        let mut w = marks(1, 10);
        say(&mut w, &[Fact::Clock { us: 1_000 }, Fact::Seen { partition: 0, max_us: 100 }]);
        assert_eq!(say(&mut w, &[Fact::Clock { us: 2_000 }, Fact::Idle { partition: 0 }]), vec![]);
        assert_eq!(say(&mut w, &[Fact::Clock { us: 2_500 }]), vec![(0, 590)]);
        // A clock that jumps back moves nothing.
        assert_eq!(say(&mut w, &[Fact::Clock { us: 1_500 }]), vec![]);
    }

    #[test]
    fn a_partition_that_nobody_has_heard_of_is_idle_when_no_reader_could_bring_it() {
        let mut w = Watermarks::new();
        w.add(0, "s", 3, 0, true);
        w.readers(2);
        assert_eq!(
            say(&mut w, &[Fact::Seen { partition: 0, max_us: 100 }, Fact::Seen { partition: 2, max_us: 90 }, Fact::RestIdle]),
            vec![]
        );
        assert_eq!(say(&mut w, &[Fact::RestIdle]), vec![(0, 90)]);
        // It holds the watermark as soon as it shows itself.
        assert_eq!(say(&mut w, &[Fact::Seen { partition: 1, max_us: 95 }, Fact::Seen { partition: 2, max_us: 200 }]), vec![(0, 95)]);
    }

    #[test]
    fn a_partition_beyond_those_that_were_told_of_counts_and_those_between_do_not() {
        let mut w = marks(1, 0);
        assert_eq!(say(&mut w, &[Fact::Seen { partition: 0, max_us: 100 }, Fact::Seen { partition: 7, max_us: 50 }]), vec![(0, 50)]);
        assert_eq!(say(&mut w, &[Fact::PartitionEnded { partition: 7 }]), vec![(0, 100)]);
    }

    #[test]
    fn the_source_may_say_itself() {
        let mut w = marks(1, 5);
        assert_eq!(say(&mut w, &[Fact::Asserted { partition: 0, at_us: 70 }]), vec![(0, 70)]);
    }

    #[test]
    fn a_checkpoint_keeps_where_each_partition_stands() {
        let mut w = marks(3, 5);
        say(&mut w, &[Fact::Clock { us: 7 }, Fact::Seen { partition: 0, max_us: 200 }, Fact::Seen { partition: 1, max_us: 100 }]);
        say(&mut w, &[Fact::PartitionEnded { partition: 2 }]);
        let mut back = marks(3, 5);
        assert!(matches!(back.restore(&w.facts(3)), Ok(Some(3))));
        assert_eq!((back.watermark_of(0), back.clock_us()), (95, 7));
        assert_eq!(say(&mut back, &[Fact::Seen { partition: 1, max_us: 150 }]), vec![(0, 145)]);
        assert!(back.restore(&[("clock".into(), b"{".to_vec())]).is_err());
    }
}
