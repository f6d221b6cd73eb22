//! Rows of a keyed source that lie in the store alone: an epoch's keys are looked up together, and what is clean is let go. Keys with a time to live stay in memory.

use super::{CAPTURED, ChangesOperator, DIRTY, GONE, KNOWN, SCHEDULED};
use crate::shelved::{Shelved, oldest};
use arrow::array::{ArrayRef, Int64Array};
use runink_checkpoint::{Boundary, Shelf, SpillCounts, SpillTable, StateError, StateTable};
use std::sync::Arc;

/// See the module.
pub(super) struct Spill {
    pub(super) shelved: Shelved,
    /// By key number: the number of the capture that took it last.
    captured_in: Vec<u32>,
}

impl Spill {
    /// Notes which capture took keys last.
    pub(super) fn stamp(&mut self, ids: &[u32], number: u32) {
        let bound = ids.iter().max().map_or(0, |&id| id as usize + 1);
        self.captured_in.resize(bound.max(self.captured_in.len()), 0);
        ids.iter().for_each(|&id| self.captured_in[id as usize] = number);
    }
}

impl ChangesOperator {
    /// Fetches what the store alone has of keys.
    pub(super) fn fetch(&mut self, ids: &[u32]) -> Result<(), StateError> {
        let Some(mut spill) = self.spill.take() else { return Ok(()) };
        let mut unknown = Vec::new();
        for &id in ids {
            let flags = &mut self.flags[id as usize];
            if *flags & KNOWN == 0 {
                *flags |= KNOWN;
                unknown.push(id);
            }
        }
        if spill.shelved.absent(0) && !unknown.is_empty() {
            let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_value(0, unknown.len()))];
            columns.extend(self.keys.columns(&unknown)?);
            let now = spill.shelved.written();
            spill.stamp(&unknown, now);
            spill.shelved.get(columns, &mut |rows| self.restore(&rows))?;
        }
        self.spill = Some(spill);
        Ok(())
    }

    fn is_clean(&self, spill: &Spill, id: u32, written: u32) -> bool {
        let flags = self.flags[id as usize];
        flags & (KNOWN | CAPTURED) == KNOWN | CAPTURED
            && flags & (DIRTY | SCHEDULED) == 0
            && spill.captured_in.get(id as usize).is_some_and(|&number| number <= written)
    }
}

impl SpillTable for ChangesOperator {
    fn shelve(&mut self, shelf: Shelf) {
        self.spill = Some(Spill { shelved: Shelved::new(shelf), captured_in: Vec::new() });
    }

    fn handed_over(&mut self, boundary: Boundary) {
        if let Some(spill) = &mut self.spill {
            spill.shelved.handed_over(boundary);
        }
    }

    fn evict(&mut self, bytes: usize) -> Result<usize, StateError> {
        let Some(mut spill) = self.spill.take() else { return Ok(0) };
        let Some(written) = spill.shelved.may_evict() else {
            self.spill = Some(spill);
            return Ok(0);
        };
        let clean: Vec<u32> = (0..self.flags.len() as u32).filter(|&id| self.is_clean(&spill, id, written)).collect();
        let each = self.used_bytes().div_ceil(self.keys.len().max(1)).max(1);
        let wanted = bytes.div_ceil(each);
        spill.shelved.looked_through(clean.len() <= wanted);
        let (cut, mut more) = oldest(clean.iter().map(|&id| spill.captured_in[id as usize]).collect(), wanted);
        let (mut evicted, mut gone) = (0, 0);
        for id in clean {
            let age = spill.captured_in[id as usize];
            let last = age == cut && more > 0;
            more -= usize::from(last);
            if age < cut || last {
                gone += 1;
                let flags = std::mem::take(&mut self.flags[id as usize]);
                evicted += usize::from(flags & GONE == 0);
                self.live -= usize::from(flags & super::LIVE != 0);
                self.rows.forget(id);
                self.keys.remove(id);
            }
        }
        spill.shelved.evicted(0, evicted);
        self.spill = Some(spill);
        Ok(gone * each)
    }

    fn used_bytes(&self) -> usize {
        self.bytes().div_ceil(self.keys.bound().max(1)) * self.keys.len()
    }

    fn spill_counts(&self) -> SpillCounts {
        self.spill.as_ref().map_or_else(SpillCounts::default, |spill| spill.shelved.counts)
    }
}
