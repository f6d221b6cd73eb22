//! Which partitions of a reader are idle. Idleness needs evidence: the outside was asked again and again, and had nothing more, for the whole
//! idle time. Rows of one partition say nothing of another: each has its own evidence, and so have those that the reader has not heard of yet.

use crate::watermark::Fact;
use runink_connector_api::Partition;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// One worker's evidence for one source.
#[derive(Debug)]
pub(crate) struct Quiet {
    idle_after: Duration,
    /// The partitions that the reader has told of and that have not ended.
    known: BTreeMap<u32, Evidence>,
    /// All partitions that it has not told of.
    rest: Evidence,
}

#[derive(Debug, Clone, Copy, Default)]
struct Evidence {
    caught_up_since: Option<Instant>,
    idle: bool,
}

impl Evidence {
    /// The outside had nothing at that moment; tells whether idleness begins with it.
    fn add(&mut self, now: Instant, idle_after: Duration) -> bool {
        let since = *self.caught_up_since.get_or_insert(now);
        let begins = !self.idle && now.saturating_duration_since(since) >= idle_after;
        self.idle |= begins;
        begins
    }
}

impl Quiet {
    pub(crate) fn new(idle_after: Duration) -> Self {
        Quiet { idle_after, known: BTreeMap::new(), rest: Evidence::default() }
    }

    /// Something came of the partition.
    pub(crate) fn heard(&mut self, partition: Partition) {
        if self.known.insert(partition.0, Evidence::default()).is_none() && !self.rest.idle {
            self.rest = Evidence::default();
        }
    }

    /// The partition is no more.
    pub(crate) fn ended(&mut self, partition: Partition) {
        self.known.remove(&partition.0);
    }

    /// The outside had nothing more of one partition. What is to be reported.
    pub(crate) fn caught_up(&mut self, partition: Partition, now: Instant) -> Vec<Fact> {
        let begins = self.known.entry(partition.0).or_default().add(now, self.idle_after);
        if begins { vec![Fact::Idle { partition: partition.0 }] } else { Vec::new() }
    }

    /// The outside had nothing more of any partition. What is to be reported.
    pub(crate) fn all_caught_up(&mut self, now: Instant) -> Vec<Fact> {
        let idle_after = self.idle_after;
        let begun = self.known.iter_mut().filter_map(|(&partition, e)| e.add(now, idle_after).then_some(Fact::Idle { partition }));
        let mut facts: Vec<Fact> = begun.collect();
        if self.rest.add(now, idle_after) {
            facts.push(Fact::RestIdle);
        }
        facts
    }

    /// Rows wait that the reader does not give yet: whose, it does not say. What was idle stays so until rows come.
    pub(crate) fn held_back(&mut self) {
        self.known.values_mut().chain([&mut self.rest]).for_each(|e| e.caught_up_since = None);
    }

    /// The reader brings no partition any more that it has not told of. Tells whether that is news.
    pub(crate) fn settle_rest(&mut self) -> bool {
        !std::mem::replace(&mut self.rest.idle, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(1);

    #[test]
    fn a_quiet_partition_among_busy_ones_becomes_idle() {
        let (mut quiet, start) = (Quiet::new(IDLE), Instant::now());
        quiet.heard(Partition(3));
        quiet.heard(Partition(5));
        for tenth in 0..10 {
            assert_eq!(quiet.all_caught_up(start + IDLE / 10 * tenth), vec![]);
            quiet.heard(Partition(3));
        }
        assert_eq!(quiet.all_caught_up(start + IDLE), vec![Fact::Idle { partition: 5 }, Fact::RestIdle]);
        assert_eq!(quiet.all_caught_up(start + IDLE + IDLE / 2), vec![]);
        assert_eq!(quiet.all_caught_up(start + IDLE * 2), vec![Fact::Idle { partition: 3 }]);
    }

    #[test]
    fn a_reader_may_say_it_of_one_partition_and_only_of_that() {
        let (mut quiet, start) = (Quiet::new(IDLE), Instant::now());
        quiet.heard(Partition(0));
        assert_eq!(quiet.caught_up(Partition(1), start), vec![]);
        assert_eq!(quiet.caught_up(Partition(1), start + IDLE), vec![Fact::Idle { partition: 1 }]);
        quiet.heard(Partition(1));
        assert_eq!(quiet.caught_up(Partition(1), start + IDLE * 2), vec![]);
    }

    #[test]
    fn rows_that_are_held_back_are_no_evidence() {
        let (mut quiet, start) = (Quiet::new(IDLE), Instant::now());
        quiet.heard(Partition(0));
        quiet.all_caught_up(start);
        quiet.held_back();
        assert_eq!(quiet.all_caught_up(start + IDLE), vec![]);
    }

    #[test]
    fn nothing_is_said_of_partitions_that_others_read_or_that_have_ended() {
        let (mut quiet, start) = (Quiet::new(IDLE), Instant::now());
        quiet.heard(Partition(0));
        quiet.ended(Partition(0));
        quiet.all_caught_up(start);
        assert_eq!(quiet.all_caught_up(start + IDLE), vec![Fact::RestIdle]);
        assert!(!quiet.settle_rest());
    }
}
