//! What an operator remembers of rows that lie in the store alone, whatever its table looks like: whether there may be any, and which of those in memory are clean.
//!
//! Captures are numbered from 1. A row in memory has the number of the capture that took it last: it is clean if the store has written that capture and the row has
//! not changed since, and rows with the lowest numbers are those not used for the longest time. So one number for each row is both its age and the proof that it
//! may go.

use runink_checkpoint::{Boundary, EachRows, Namespace, Shelf, SpillCounts, StateError};
use std::{
    collections::{BTreeSet, VecDeque},
    ops::{Range, RangeInclusive},
};

/// Captures that are not known to be written at most; the oldest are then taken for written as late as the ones that follow.
const MAX_UNWRITTEN: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shelved {
    shelf: Shelf,
    /// Rows of namespaces up to this one may lie on the shelf alone since the start.
    filled_to: Option<i64>,
    /// Namespaces of which rows were let go.
    evicted: BTreeSet<i64>,
    captures: u32,
    /// The number of the newest capture whose rows the store has written.
    written: u32,
    /// Captures that were handed over and are not known to be written, in order.
    handed: VecDeque<(Boundary, u32)>,
    /// The newest written capture when all that was clean had gone: until more is written there is nothing to look for.
    exhausted_at: Option<u32>,
    pub(crate) counts: SpillCounts,
}

impl Shelved {
    pub(crate) fn new(shelf: Shelf) -> Self {
        Shelved {
            filled_to: shelf.filled_to().map(|last| last.0),
            evicted: BTreeSet::new(),
            shelf,
            captures: 0,
            written: 0,
            handed: VecDeque::new(),
            exhausted_at: None,
            counts: SpillCounts::default(),
        }
    }

    /// Whether rows of a namespace may lie on the shelf alone: else there is nothing to look up.
    #[inline]
    pub(crate) fn absent(&self, namespace: i64) -> bool {
        self.filled_to.is_some_and(|last| namespace <= last) || self.evicted.contains(&namespace)
    }

    /// Whether rows of any of these namespaces may lie on the shelf alone.
    pub(crate) fn any_absent(&self, namespaces: RangeInclusive<i64>) -> bool {
        self.filled_to.is_some_and(|last| *namespaces.start() <= last) || self.evicted.range(namespaces).next().is_some()
    }

    /// Rows of a namespace were let go: from now on they lie there alone.
    pub(crate) fn evicted(&mut self, namespace: i64, rows: usize) {
        if rows > 0 {
            self.evicted.insert(namespace);
            self.counts.evicted += rows as u64;
        }
    }

    /// Namespaces up to this one are not asked for any more.
    pub(crate) fn expired(&mut self, upto: i64) {
        while let Some(first) = self.evicted.first().copied().filter(|first| *first <= upto) {
            self.evicted.remove(&first);
        }
    }

    /// A capture begins; its number.
    pub(crate) fn capture(&mut self) -> u32 {
        self.captures = self.captures.saturating_add(1);
        self.captures
    }

    /// The number of the next capture.
    pub(crate) fn next_capture(&self) -> u32 {
        self.captures.saturating_add(1)
    }

    /// The last capture counts at that boundary.
    pub(crate) fn handed_over(&mut self, boundary: Boundary) {
        if self.handed.len() == MAX_UNWRITTEN {
            self.handed.pop_front();
        }
        self.handed.push_back((boundary, self.captures));
    }

    /// The number of the newest capture whose rows the store has written.
    pub(crate) fn written(&mut self) -> u32 {
        let upto = self.shelf.written();
        while let Some(&(boundary, number)) = self.handed.front().filter(|(boundary, _)| *boundary <= upto) {
            debug_assert!(boundary <= upto);
            self.written = number;
            self.handed.pop_front();
        }
        self.written
    }

    /// The number of the newest capture whose rows the store has written, where there may be rows to let go: rows are looked through only then.
    pub(crate) fn may_evict(&mut self) -> Option<u32> {
        let written = self.written();
        (self.exhausted_at != Some(written)).then_some(written)
    }

    /// Rows were looked through; `all` says whether everything clean is gone.
    pub(crate) fn looked_through(&mut self, all: bool) {
        self.exhausted_at = all.then_some(self.written);
    }

    /// Looks keys up; `columns` has their namespace, then the key columns. At most one row for each comes.
    pub(crate) fn get(&mut self, columns: Vec<arrow::array::ArrayRef>, each: &mut EachRows<'_>) -> Result<(), StateError> {
        let keys = arrow::record_batch::RecordBatch::try_new(self.shelf.key_schema().clone(), columns)?;
        self.counts.looked_up += keys.num_rows() as u64;
        let fetched = &mut self.counts.fetched;
        self.shelf.get(&keys, &mut |rows| {
            *fetched += rows.num_rows() as u64;
            each(rows)
        })
    }

    /// All rows of some namespaces, those that are in memory as well among them.
    pub(crate) fn scan(&self, namespaces: Range<Namespace>, each: &mut EachRows<'_>) -> Result<(), StateError> {
        self.shelf.scan(namespaces, each)
    }
}

/// Which of some rows go: `ages` has the number of the capture of each that may, `wanted` says how many should. Gives the number below which all go, and how many of
/// those that have just this number go as well.
pub(crate) fn oldest(mut ages: Vec<u32>, wanted: usize) -> (u32, usize) {
    let wanted = wanted.min(ages.len());
    let Some(last) = wanted.checked_sub(1) else { return (0, 0) };
    let (older, cut, _) = ages.select_nth_unstable(last);
    let cut = *cut;
    let older = older.iter().filter(|age| **age < cut).count();
    (cut, wanted - older)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn the_oldest_go(ages in proptest::collection::vec(0..9u32, 0..40), wanted in 0..50usize) {
            let (cut, more) = oldest(ages.clone(), wanted);
            let below = ages.iter().copied().filter(|&age| age < cut);
            let mut gone: Vec<u32> = below.chain(ages.iter().copied().filter(|&age| age == cut).take(more)).collect();
            gone.sort_unstable();
            let mut sorted = ages;
            sorted.sort_unstable();
            sorted.truncate(wanted);
            prop_assert_eq!(gone, sorted);
        }
    }
}
