//! Rows that wait until the watermark has passed them.
//!
//! They lie in buckets of similar time, so that an epoch looks only at those that it takes and at one bucket more.

use crate::by_key;
use std::collections::BTreeMap;

/// A bucket is that long: 2^16 µs.
const BUCKET_BITS: u32 = 16;

/// A row that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub(super) key: u32,
    pub(super) time: i64,
    pub(super) slot: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    buckets: BTreeMap<i64, Vec<Due>>,
}

impl Waiting {
    pub(super) fn add(&mut self, row: Due) {
        self.buckets.entry(row.time >> BUCKET_BITS).or_default().push(row);
    }

    /// Takes the rows before a moment (at the end of time, all), by key and time.
    pub(super) fn take(&mut self, before: i64) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some(bucket) = self.buckets.first_entry().filter(|b| before == i64::MAX || *b.key() < before >> BUCKET_BITS) {
            due.append(&mut bucket.remove());
        }
        if let Some(mut bucket) = self.buckets.first_entry().filter(|b| *b.key() == before >> BUCKET_BITS) {
            let rows = bucket.get_mut();
            due.extend(rows.extract_if(.., |row| row.time < before));
            if rows.is_empty() {
                bucket.remove();
            }
        }
        by_key::sort(&mut due, |row| row.key);
        due
    }

    /// Rows have got other slots: by old slot, the new one.
    pub(super) fn moved(&mut self, to: &[u32]) {
        self.buckets.values_mut().flatten().for_each(|row| row.slot = to[row.slot as usize]);
    }

    pub(super) fn bytes(&self) -> usize {
        self.buckets.values().map(|b| b.capacity() * size_of::<Due>()).sum()
    }
}
