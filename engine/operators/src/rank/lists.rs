//! The rows of each key, in order: what ranking, settling and neighbours are made of.
//!
//! A key has a number, by which it has a short list of entries. An entry has its row's prefix, so that most questions of order never look at the row.

use super::{
    order::{Order, contents},
    rows::Rows,
    runs::{Run, Runs},
};
use crate::aggregate::keys::{KeyLayout, KeyTable};
use arrow::{array::ArrayRef, datatypes::DataType, error::ArrowError};
use std::{cmp::Ordering, sync::Arc};

/// A row in its key's list.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entry {
    pub(crate) prefix: u128,
    /// Names the row within its key in a checkpoint.
    pub(crate) sequence: i64,
    /// Its number in the store.
    pub(crate) row: u32,
    /// What was told of it, and what captures know of it.
    mark: u32,
}

/// The entry changed since the last capture.
const DIRTY: u32 = 1 << 31;
/// A capture has it.
const CAPTURED: u32 = 1 << 30;
/// The highest that can be told of an entry; a key cannot hold more rows than that in memory.
const TOLD_MAX: u32 = CAPTURED - 1;

impl Entry {
    /// What was told of the row: 0 for nothing.
    #[inline]
    pub(crate) fn told(&self) -> u32 {
        self.mark & TOLD_MAX
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Head {
    run: Run,
    /// How many of its entries have been told.
    told: u32,
    flags: u8,
}

/// Its list changed in this epoch.
const TOUCHED: u8 = 1;
/// One of its entries may be dirty.
const KEY_DIRTY: u8 = 2;

/// A told row that left its list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gone {
    pub(crate) key: u32,
    pub(crate) row: u32,
    pub(crate) told: u32,
}

/// How many rows of a list are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) count: usize,
    /// Those as well that the order does not tell from the last one.
    pub(crate) ties: bool,
}

/// Rows that come for lists.
pub(crate) struct Offer<'a> {
    pub(crate) keys: &'a [u32],
    pub(crate) prefixes: &'a [u128],
    pub(crate) columns: &'a [ArrayRef],
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Lists {
    pub(crate) keys: KeyTable,
    heads: Vec<Head>,
    entries: Runs<Entry>,
    /// By key, where rows are limited: rows of higher prefixes have no chance.
    thresholds: Vec<u128>,
    pub(crate) rows: Rows,
    sequence: i64,
    len: usize,
    /// Rows have been met that are the same in all columns.
    pub(crate) twins: bool,
    touched: Vec<u32>,
    dirty: Vec<u32>,
    /// Told rows that left in this epoch.
    pub(crate) gone: Vec<Gone>,
    /// Captured rows that left since the last call of [`Self::take_deleted`].
    deleted: Vec<(u32, i64)>,
    /// Keys that may have no row left.
    idle: Vec<u32>,
    scratch: Scratch,
}

#[derive(Debug, Default)]
struct Scratch {
    picks: Vec<u32>,
    /// Of the chunk that is being taken in: which rows are kept.
    alive: Vec<bool>,
}

/// Rows are written anew when this many are dead, and more than are alive.
const REWRITE_MIN_ROWS: usize = 4096;
/// … and one for so many keys, with rows or without.
const KEYS_PER_DEAD_ROW: usize = 8;
/// The list of changed keys is looked through when it has this many, and more than there are rows.
const DIRTY_MIN: usize = 1024;

impl Lists {
    pub(crate) fn new(layout: &Arc<KeyLayout>, types: Vec<DataType>) -> Self {
        Lists {
            keys: KeyTable::new(layout),
            heads: Vec::new(),
            entries: Runs::default(),
            thresholds: Vec::new(),
            rows: Rows::new(types),
            sequence: 0,
            len: 0,
            twins: false,
            touched: Vec::new(),
            dirty: Vec::new(),
            gone: Vec::new(),
            deleted: Vec::new(),
            idle: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// How many rows are kept.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The rows of a key, in order.
    #[inline]
    pub(crate) fn of(&self, key: u32) -> &[Entry] {
        self.heads.get(key as usize).map_or(&[], |head| self.entries.get(head.run))
    }

    /// How many of a key's rows have been told.
    pub(crate) fn told_of(&self, key: u32) -> usize {
        self.heads.get(key as usize).map_or(0, |h| h.told as usize)
    }

    /// Makes room for keys that have been interned.
    pub(crate) fn grow(&mut self) {
        let bound = self.keys.bound();
        if self.heads.len() < bound {
            self.heads.resize(bound, Head::default());
            self.thresholds.resize(bound, u128::MAX);
        }
    }

    /// The numbers of all keys that have rows.
    pub(crate) fn all_keys(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.heads.len() as u32).filter(|&key| !self.heads[key as usize].run.is_empty())
    }

    fn compare(&self, order: &Order, entry: &Entry, prefix: u128, row: u32) -> Ordering {
        entry.prefix.cmp(&prefix).then_with(|| order.compare(self.rows.at(entry.row), self.rows.at(row)))
    }

    /// Whether the order does not tell two rows of a list apart.
    #[inline]
    pub(crate) fn tie(&self, order: &Order, a: &Entry, b: &Entry) -> bool {
        a.prefix == b.prefix && order.ties(self.rows.at(a.row), self.rows.at(b.row))
    }

    /// Where a row belongs in a key's list: behind those that are the same.
    fn place(&mut self, order: &Order, key: u32, prefix: u128, row: u32) -> usize {
        let list = self.of(key);
        let at = match list.last() {
            // Most rows come in order, or the list is short.
            Some(last) if last.prefix < prefix => list.len(),
            _ => list.partition_point(|e| self.compare(order, e, prefix, row).is_le()),
        };
        if let Some(before) = at.checked_sub(1).map(|before| list[before])
            && before.prefix == prefix
        {
            self.twins |= contents(self.rows.at(before.row), self.rows.at(row)).is_eq();
        }
        at
    }

    /// Notes that a key's list changed in this epoch.
    pub(crate) fn touch(&mut self, key: u32) {
        let head = &mut self.heads[key as usize];
        if head.flags & TOUCHED == 0 {
            head.flags |= TOUCHED;
            self.touched.push(key);
        }
        self.note_dirty(key);
    }

    fn note_dirty(&mut self, key: u32) {
        let head = &mut self.heads[key as usize];
        if head.flags & KEY_DIRTY == 0 {
            head.flags |= KEY_DIRTY;
            self.dirty.push(key);
        }
    }

    fn insert(&mut self, key: u32, at: usize, prefix: u128, row: u32) {
        let entry = Entry { prefix, sequence: self.sequence, row, mark: DIRTY };
        self.sequence += 1;
        self.len += 1;
        self.entries.insert(&mut self.heads[key as usize].run, at, entry);
    }

    /// Takes an entry out of a list.
    fn take_out(&mut self, key: u32, at: usize) -> Entry {
        let head = &mut self.heads[key as usize];
        let entry = self.entries.remove(&mut head.run, at);
        self.len -= 1;
        if entry.told() != 0 {
            head.told -= 1;
            self.gone.push(Gone { key, row: entry.row, told: entry.told() });
        }
        if head.run.is_empty() {
            self.idle.push(key);
            self.thresholds[key as usize] = u128::MAX;
        }
        entry
    }

    fn remove(&mut self, key: u32, at: usize) -> Entry {
        let entry = self.take_out(key, at);
        if entry.mark & CAPTURED != 0 {
            self.deleted.push((key, entry.sequence));
        }
        entry
    }

    /// Takes rows of a batch in, as far as the limit goes. Gives how many were turned away.
    pub(crate) fn offer(&mut self, order: &Order, limit: Limit, offer: &Offer<'_>) -> Result<u64, ArrowError> {
        let mut picks = std::mem::take(&mut self.scratch.picks);
        picks.clear();
        let chance = |i: usize| offer.prefixes[i] <= self.thresholds[offer.keys[i] as usize];
        picks.extend((0..offer.keys.len()).filter(|&i| chance(i)).map(|i| i as u32));
        let mut turned_away = (offer.keys.len() - picks.len()) as u64;
        if !picks.is_empty() {
            // Few rows are taken out of their batch; many are taken in with it.
            let sparse = picks.len() * 4 < offer.keys.len();
            let (columns, rows): (Vec<ArrayRef>, usize) = if sparse {
                let at = arrow::array::UInt32Array::from(picks.clone());
                (offer.columns.iter().map(|c| arrow::compute::take(c, &at, None)).collect::<Result<_, _>>()?, picks.len())
            } else {
                (offer.columns.to_vec(), offer.keys.len())
            };
            let first = self.rows.push(columns, rows)?;
            self.scratch.alive.clear();
            self.scratch.alive.resize(rows, false);
            for (n, &pick) in picks.iter().enumerate() {
                let row = first + if sparse { n as u32 } else { pick };
                if !self.offer_one(order, limit, offer.keys[pick as usize], offer.prefixes[pick as usize], row, first) {
                    turned_away += 1;
                }
            }
            self.close_chunk(first, picks.iter().map(|&pick| offer.keys[pick as usize]))?;
        }
        self.scratch.picks = picks;
        Ok(turned_away)
    }

    /// Takes a row in that stands in the last chunk, which begins at `first`; whether it was kept.
    #[inline]
    fn offer_one(&mut self, order: &Order, limit: Limit, key: u32, prefix: u128, row: u32, first: u32) -> bool {
        if prefix > self.thresholds[key as usize] {
            return false;
        }
        let at = self.place(order, key, prefix, row);
        if at >= limit.count {
            let list = self.of(key);
            let last = list[limit.count - 1];
            if !limit.ties || last.prefix != prefix || !order.ties(self.rows.at(last.row), self.rows.at(row)) {
                return false;
            }
        }
        self.insert(key, at, prefix, row);
        self.scratch.alive[(row - first) as usize] = true;
        self.touch(key);
        let mut freed = None;
        while self.of(key).len() > limit.count {
            let list = self.of(key);
            let (last, edge) = (list[list.len() - 1], list[limit.count - 1]);
            if limit.ties && self.tie(order, &edge, &last) {
                break;
            }
            let evicted = self.take_out(key, list.len() - 1);
            if evicted.row >= first {
                self.scratch.alive[(evicted.row - first) as usize] = false;
            }
            match evicted.mark & CAPTURED != 0 {
                true if freed.is_none() => freed = Some(evicted.sequence),
                true => self.deleted.push((key, evicted.sequence)),
                false => {}
            }
        }
        if let Some(sequence) = freed {
            // The new row takes the old one's place in checkpoints: one change, not two.
            let run = self.heads[key as usize].run;
            let entry = &mut self.entries.get_mut(run)[at];
            (entry.sequence, entry.mark) = (sequence, entry.mark | CAPTURED);
        }
        let list = self.of(key);
        if let Some(edge) = list.get(limit.count - 1).map(|edge| edge.prefix) {
            self.thresholds[key as usize] = edge;
        }
        true
    }

    /// Lets go of the rows of the last chunk that were not kept, where those are most.
    fn close_chunk(&mut self, first: u32, keys: impl Iterator<Item = u32>) -> Result<(), ArrowError> {
        let alive = std::mem::take(&mut self.scratch.alive);
        let kept = alive.iter().filter(|&&a| a).count();
        if kept * 2 < alive.len() {
            let mut moved = vec![0; alive.len()];
            let mut rows = Vec::with_capacity(kept);
            for (row, _) in alive.iter().enumerate().filter(|(_, alive)| **alive) {
                moved[row] = first + rows.len() as u32;
                rows.push(row as u32);
            }
            let mut keys: Vec<u32> = keys.collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let run = self.heads[key as usize].run;
                let own = self.entries.get_mut(run).iter_mut().filter(|e| e.row >= first);
                own.for_each(|e| e.row = moved[(e.row - first) as usize]);
            }
            self.rows.narrow_last(rows)?;
        }
        self.scratch.alive = alive;
        self.rows.tidy()
    }

    /// Takes all rows of a batch in.
    pub(crate) fn add(&mut self, order: &Order, offer: &Offer<'_>) -> Result<(), ArrowError> {
        let first = self.rows.push(offer.columns.to_vec(), offer.keys.len())?;
        for (i, (&key, &prefix)) in offer.keys.iter().zip(offer.prefixes).enumerate() {
            let row = first + i as u32;
            let at = self.place(order, key, prefix, row);
            self.insert(key, at, prefix, row);
            self.touch(key);
        }
        self.rows.tidy()
    }

    /// Takes one row of each row of a batch out that is the same, one that has not been told if there is one. Rows that are not there are passed over.
    pub(crate) fn take_back(&mut self, order: &Order, offer: &Offer<'_>) -> Result<(), ArrowError> {
        let first = self.rows.push(offer.columns.to_vec(), offer.keys.len())?;
        for (i, (&key, &prefix)) in offer.keys.iter().zip(offer.prefixes).enumerate() {
            let row = first + i as u32;
            let list = self.of(key);
            let from = list.partition_point(|e| self.compare(order, e, prefix, row).is_lt());
            let same = list[from..].iter().take_while(|e| self.compare(order, e, prefix, row).is_eq()).count();
            let untold = list[from..from + same].iter().position(|e| e.told() == 0);
            if let Some(at) = untold.or(same.checked_sub(1)) {
                self.remove(key, from + at);
                self.touch(key);
            } else if self.of(key).is_empty() {
                self.idle.push(key);
            }
        }
        self.rows.pop();
        Ok(())
    }

    /// Tells something of an entry.
    pub(crate) fn tell(&mut self, key: u32, at: usize, told: u32) {
        let head = &mut self.heads[key as usize];
        let entry = &mut self.entries.get_mut(head.run)[at];
        let before = entry.told();
        entry.mark = entry.mark & CAPTURED | DIRTY | told.min(TOLD_MAX);
        head.told = head.told + u32::from(told != 0) - u32::from(before != 0);
        self.note_dirty(key);
    }

    /// Marks the first entries of a key as changed since the last capture.
    pub(crate) fn soil(&mut self, key: u32, count: usize) {
        let run = self.heads[key as usize].run;
        self.entries.get_mut(run).iter_mut().take(count).for_each(|e| e.mark |= DIRTY);
        self.note_dirty(key);
    }

    /// Lets the first rows of a key go; they count as neither told nor gone.
    pub(crate) fn drop_first(&mut self, key: u32, count: usize) {
        let head = &mut self.heads[key as usize];
        for entry in &self.entries.get(head.run)[..count] {
            head.told -= u32::from(entry.told() != 0);
            if entry.mark & CAPTURED != 0 {
                self.deleted.push((key, entry.sequence));
            }
        }
        self.len -= count;
        if count > 0 {
            self.entries.remove_first(&mut head.run, count);
            if head.run.is_empty() {
                self.idle.push(key);
                self.thresholds[key as usize] = u128::MAX;
            }
        }
    }

    /// A key may have nothing left.
    pub(crate) fn note_idle(&mut self, key: u32) {
        self.idle.push(key);
    }

    /// The keys whose lists changed since the last call.
    pub(crate) fn take_touched(&mut self) -> Vec<u32> {
        let touched = std::mem::take(&mut self.touched);
        for &key in &touched {
            self.heads[key as usize].flags &= !TOUCHED;
        }
        touched
    }

    /// The keys and sequences of captured rows that left. Called before keys are let go.
    pub(crate) fn take_deleted(&mut self) -> Vec<(u32, i64)> {
        std::mem::take(&mut self.deleted)
    }

    /// Ends the epoch, when [`Self::gone`] has been read: lets go of dead rows, and of keys without rows unless they must stay.
    pub(crate) fn end_epoch(&mut self, mut keeps: impl FnMut(u32) -> bool) -> Result<(), ArrowError> {
        self.gone.clear();
        let mut idle = std::mem::take(&mut self.idle);
        idle.sort_unstable();
        idle.dedup();
        for key in idle {
            if self.heads[key as usize].run.is_empty() && !keeps(key) {
                self.keys.remove(key);
            }
        }
        // Writing anew looks at all keys: it must have come to be worth that.
        let dead = self.rows.len() - self.len;
        if self.len == 0 {
            self.rows.clear();
        } else if dead >= REWRITE_MIN_ROWS && dead > self.len.max(self.heads.len() / KEYS_PER_DEAD_ROW) {
            let mut rows = Vec::with_capacity(self.len);
            for head in &self.heads {
                for entry in self.entries.get_mut(head.run) {
                    rows.push(entry.row);
                    entry.row = rows.len() as u32 - 1;
                }
            }
            self.rows.rewrite(&rows)?;
        }
        // Without captures, what waits for one must not grow beyond the rows.
        if self.dirty.len() > DIRTY_MIN.max(self.len) {
            let heads = &mut self.heads;
            self.dirty.retain(|&key| {
                let head = &mut heads[key as usize];
                let keep = !head.run.is_empty();
                head.flags &= if keep { u8::MAX } else { !KEY_DIRTY };
                keep
            });
        }
        Ok(())
    }

    /// The rows that a capture must write: keys and entries. They count as captured.
    pub(crate) fn take_dirty(&mut self) -> (Vec<u32>, Vec<Entry>) {
        let (mut keys, mut entries) = (Vec::new(), Vec::new());
        for key in std::mem::take(&mut self.dirty) {
            let head = &mut self.heads[key as usize];
            head.flags &= !KEY_DIRTY;
            for entry in self.entries.get_mut(head.run).iter_mut().filter(|e| e.mark & DIRTY != 0) {
                entry.mark = entry.mark & !DIRTY | CAPTURED;
                keys.push(key);
                entries.push(*entry);
            }
        }
        (keys, entries)
    }

    /// Takes captured rows in. `told` and `sequences` are theirs.
    pub(crate) fn restore(&mut self, order: &Order, offer: &Offer<'_>, sequences: &[i64], told: &[u32]) -> Result<(), ArrowError> {
        let first = self.rows.push(offer.columns.to_vec(), offer.keys.len())?;
        for (i, (&key, &prefix)) in offer.keys.iter().zip(offer.prefixes).enumerate() {
            let row = first + i as u32;
            let at = self.place(order, key, prefix, row);
            self.insert(key, at, prefix, row);
            let head = &mut self.heads[key as usize];
            let entry = &mut self.entries.get_mut(head.run)[at];
            (entry.sequence, entry.mark) = (sequences[i], told[i].min(TOLD_MAX) | CAPTURED);
            head.told += u32::from(told[i] != 0);
            self.sequence = self.sequence.max(sequences[i] + 1);
        }
        self.rows.tidy()
    }

    /// Finds each key's threshold, when its rows have been restored.
    pub(crate) fn restore_thresholds(&mut self, limit: Limit) {
        for key in 0..self.heads.len() {
            if let Some(edge) = self.entries.get(self.heads[key].run).get(limit.count - 1) {
                self.thresholds[key] = edge.prefix;
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let by_key = self.heads.capacity() * (size_of::<Head>() + size_of::<u128>());
        self.keys.bytes() + self.entries.bytes() + self.rows.bytes() + by_key
    }
}
