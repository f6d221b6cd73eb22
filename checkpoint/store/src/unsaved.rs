//! Changes that are not on the disk yet: what was handed over, merged by key, so that what waits never has more than the newest value of each.

use rocksdb::WriteBatch;
use std::{collections::BTreeMap, ops::Range};

/// What an entry costs beside its bytes: the nodes of the map, lengths, the allocator.
const OVERHEAD_BYTES: usize = 96;

/// See the module. Ranges are deleted first, then entries are written.
#[derive(Debug, Default)]
pub(crate) struct Unsaved {
    ranges: Vec<Range<Vec<u8>>>,
    entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
}

impl Unsaved {
    /// An estimate of the memory that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.set(key, Some(value));
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.set(key, None);
    }

    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let key_bytes = key.len();
        self.bytes += value.as_ref().map_or(0, Vec::len);
        match self.entries.insert(key, value) {
            Some(old) => self.bytes -= old.map_or(0, |v| v.len()),
            None => self.bytes += key_bytes + OVERHEAD_BYTES,
        }
    }

    /// Everything in the range is gone, also what was written before.
    pub(crate) fn delete_range(&mut self, range: Range<Vec<u8>>) {
        if range.is_empty() {
            return;
        }
        let gone: Vec<Vec<u8>> = self.entries.range(range.clone()).map(|(key, _)| key.clone()).collect();
        for key in gone {
            let value = self.entries.remove(&key).flatten();
            self.bytes -= key.len() + OVERHEAD_BYTES + value.map_or(0, |v| v.len());
        }
        // Time goes on, so that ranges of one node mostly begin alike and grow: the one before lies in the new one.
        let within = |old: &Range<Vec<u8>>| range.start <= old.start && old.end <= range.end;
        let before: usize = self.ranges.iter().filter(|r| within(r)).map(|r| r.start.len() + r.end.len()).sum();
        self.ranges.retain(|old| !within(old));
        self.bytes = self.bytes + range.start.len() + range.end.len() - before;
        self.ranges.push(range);
    }

    /// As batches for the database, each of about that many bytes.
    pub(crate) fn batches(&self, bytes: usize) -> impl Iterator<Item = WriteBatch> {
        let mut ranges = self.ranges.iter();
        let mut entries = self.entries.iter();
        std::iter::from_fn(move || {
            let mut batch = WriteBatch::default();
            while batch.size_in_bytes() < bytes {
                if let Some(range) = ranges.next() {
                    batch.delete_range(&range.start, &range.end);
                    continue;
                }
                match entries.next() {
                    Some((key, Some(value))) => batch.put(key, value),
                    Some((key, None)) => batch.delete(key),
                    None => break,
                }
            }
            (!batch.is_empty()).then_some(batch)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Put(u8, u8),
        Delete(u8),
        Range(u8, u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (any::<u8>(), any::<u8>()).prop_map(|(k, v)| Step::Put(k, v)),
            1 => any::<u8>().prop_map(Step::Delete),
            1 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Step::Range(a, b)),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Ranges first, then entries, gives what the steps give one by one; and what is counted is what is held.
        #[test]
        fn merged_changes_are_the_changes(steps in steps()) {
            let mut plain = (0..=255u8).map(|k| (k, 0u8)).collect::<BTreeMap<_, _>>();
            let mut merged = plain.clone();
            let mut unsaved = Unsaved::default();
            for step in steps {
                match step {
                    Step::Put(k, v) => { plain.insert(k, v); unsaved.put(vec![k], vec![v]); }
                    Step::Delete(k) => { plain.remove(&k); unsaved.delete(vec![k]); }
                    Step::Range(a, b) => { plain.retain(|k, _| !(a..b).contains(k)); unsaved.delete_range(vec![a]..vec![b]); }
                }
            }
            for range in &unsaved.ranges {
                merged.retain(|k, _| !range.contains(&vec![*k]));
            }
            for (key, value) in &unsaved.entries {
                match value { Some(v) => { merged.insert(key[0], v[0]); } None => { merged.remove(&key[0]); } }
            }
            prop_assert_eq!(plain, merged);
            let entries: usize = unsaved.entries.iter().map(|(k, v)| k.len() + v.as_ref().map_or(0, Vec::len) + OVERHEAD_BYTES).sum();
            let ranges: usize = unsaved.ranges.iter().map(|r| r.start.len() + r.end.len()).sum();
            prop_assert_eq!(unsaved.bytes(), entries + ranges);
        }
    }
}
