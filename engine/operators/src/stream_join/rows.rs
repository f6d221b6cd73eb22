//! The rows of one side that wait for partners: chained by key, and put in buckets by when they are gone.
//!
//! A row has a slot as long as it is kept. The slots of a key form a chain, the newest first (versions: the latest in time first). Columns lie in
//! the buckets, so that letting a bucket go costs what is in it, and rows of one batch stay neighbours.

mod going;

use super::{
    bound::Span,
    bucket::{Bucket, NONE},
};
use arrow::{
    array::{Array, ArrayRef, UInt32Array, new_empty_array},
    compute::{interleave, take},
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    mem::size_of,
};

/// One row that is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// The row after it in its key's chain.
    pub(crate) next: u32,
    pub(crate) before: u32,
    pub(crate) key: u32,
    bucket: u32,
    row: u32,
    flags: u32,
    pub(crate) low: i64,
    pub(crate) high: i64,
    /// In order of coming; names the row within its key in a checkpoint.
    pub(crate) sequence: i64,
}

/// It has had a partner.
pub(crate) const MATCHED: u32 = 1;
/// It came out, or was found not to, when it was gone.
pub(crate) const GIVEN: u32 = 2;
/// It changed since the last capture.
const DIRTY: u32 = 4;
/// A capture has it.
const CAPTURED: u32 = 8;
/// It is noted as touched in this epoch.
pub(crate) const TOUCHED: u32 = 16;
/// It is kept.
const ALIVE: u32 = 32;

/// Multiplicities, where rows can be taken back or pairs can change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// How many of the row there are.
    pub(crate) weight: i64,
    /// How many partners it has.
    pub(crate) partners: i64,
}

/// A row that a capture has and that was taken out: its namespace, its key and its sequence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deleted {
    pub(crate) namespace: i64,
    pub(crate) key: u32,
    pub(crate) sequence: i64,
}

/// Rows that come.
pub(crate) struct Incoming<'a> {
    /// The columns that are stored.
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) keys: &'a [u32],
    pub(crate) spans: &'a [Span],
    /// The bucket of each.
    pub(crate) namespaces: Vec<i64>,
    /// Which have had a partner; none where empty.
    pub(crate) matched: &'a [bool],
    /// From a checkpoint.
    pub(crate) sequences: Option<&'a [i64]>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct SideRows {
    /// The input's columns that are stored.
    pub(crate) stored: Vec<usize>,
    types: Vec<DataType>,
    keep: i64,
    versions: bool,
    slots: Vec<Slot>,
    /// By slot, where they are used.
    pub(crate) counts: Vec<Counts>,
    free: Vec<u32>,
    /// By key.
    heads: Vec<u32>,
    buckets: Vec<Bucket>,
    spare: Vec<u32>,
    by_namespace: BTreeMap<i64, u32>,
    /// When rows of the bucket that time is passing through are gone: moment, sequence, slot.
    calendar: BinaryHeap<Reverse<(i64, i64, u32)>>,
    sequence: i64,
    epoch_sequence: i64,
    live: usize,
    dirty: Vec<u32>,
    pub(crate) deleted: Vec<Deleted>,
    pub(crate) expired_to: Option<i64>,
    /// Keys that may have no row left.
    pub(crate) idle: Vec<u32>,
}

/// Slots are put closer together when there are this many and less than a quarter is in use.
const SHRINK_MIN_SLOTS: usize = 16 * 1024;
/// The list of changed rows is looked through when it has this many, and twice as many as there are rows.
const DIRTY_MIN: usize = 1024;

impl SideRows {
    /// `keep`: see [`super::bound::Bound::keep`].
    pub(crate) fn new(input: &SchemaRef, stored: Vec<usize>, keep: i64, versions: bool) -> Self {
        SideRows {
            types: stored.iter().map(|&c| input.field(c).data_type().clone()).collect(),
            stored,
            keep,
            versions,
            slots: Vec::new(),
            counts: Vec::new(),
            free: Vec::new(),
            heads: Vec::new(),
            buckets: Vec::new(),
            spare: Vec::new(),
            by_namespace: BTreeMap::new(),
            calendar: BinaryHeap::new(),
            sequence: 0,
            epoch_sequence: 0,
            live: 0,
            dirty: Vec::new(),
            deleted: Vec::new(),
            expired_to: None,
            idle: Vec::new(),
        }
    }

    pub(crate) fn slot(&self, slot: u32) -> &Slot {
        &self.slots[slot as usize]
    }

    pub(crate) fn has(&self, slot: u32, flag: u32) -> bool {
        self.slots[slot as usize].flags & flag != 0
    }

    /// Sets a flag; whether it was not set before.
    pub(crate) fn set(&mut self, slot: u32, flag: u32) -> bool {
        let flags = &mut self.slots[slot as usize].flags;
        let new = *flags & flag == 0;
        *flags |= flag;
        new
    }

    pub(crate) fn clear(&mut self, slot: u32, flag: u32) {
        self.slots[slot as usize].flags &= !flag;
    }

    /// The first row of a key.
    #[inline]
    pub(crate) fn head(&self, key: u32) -> u32 {
        self.heads.get(key as usize).copied().unwrap_or(NONE)
    }

    /// The moment at which a row is gone.
    #[inline]
    pub(crate) fn gone_at(&self, slot: &Slot) -> i64 {
        slot.high.saturating_add(self.keep)
    }

    /// Whether a row can be met where time has reached that moment: rows of this epoch always can.
    #[inline]
    pub(crate) fn is_there(&self, slot: &Slot, reached: i64) -> bool {
        self.gone_at(slot) > reached || slot.sequence >= self.epoch_sequence
    }

    /// How many slots there are, in use or not.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// How many rows are kept.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Ends the epoch: rows that come from now on belong to the next one.
    pub(crate) fn end_epoch(&mut self) {
        self.epoch_sequence = self.sequence;
        // Without captures, what waits for one must not grow beyond the rows.
        if self.dirty.len() > DIRTY_MIN.max(self.live * 2) {
            self.dirty.retain(|&slot| self.slots[slot as usize].flags & (ALIVE | DIRTY) == ALIVE | DIRTY);
            self.dirty.sort_unstable();
            self.dirty.dedup();
        }
    }

    /// Whether a row came in an earlier epoch.
    pub(crate) fn is_old(&self, slot: &Slot) -> bool {
        slot.sequence < self.epoch_sequence
    }

    fn bucket_of(&mut self, namespace: i64) -> u32 {
        if let Some(&bucket) = self.by_namespace.get(&namespace) {
            return bucket;
        }
        let bucket = self.spare.pop().unwrap_or(self.buckets.len() as u32);
        if bucket as usize == self.buckets.len() {
            self.buckets.push(Bucket::new(namespace));
        } else {
            self.buckets[bucket as usize] = Bucket::new(namespace);
        }
        self.by_namespace.insert(namespace, bucket);
        bucket
    }

    /// Takes rows in. Their slots, in order.
    pub(crate) fn insert(&mut self, rows: &Incoming<'_>) -> Result<Vec<u32>, ArrowError> {
        let mut slots = Vec::with_capacity(rows.keys.len());
        for (i, (&key, span)) in rows.keys.iter().zip(rows.spans).enumerate() {
            let sequence = match rows.sequences {
                None => self.sequence,
                Some(sequences) => sequences[i],
            };
            self.sequence = self.sequence.max(sequence.saturating_add(1));
            let matched = if rows.matched.get(i) == Some(&true) { MATCHED } else { 0 };
            let state = if rows.sequences.is_some() { CAPTURED } else { DIRTY };
            let flags = matched | state | ALIVE;
            let slot = Slot { next: NONE, before: NONE, key, bucket: 0, row: 0, flags, low: span.low, high: span.high, sequence };
            let at = match self.free.pop() {
                Some(at) => {
                    self.slots[at as usize] = slot;
                    at
                }
                None => {
                    self.slots.push(slot);
                    (self.slots.len() - 1) as u32
                }
            };
            if state == DIRTY {
                self.dirty.push(at);
            }
            self.link(at, key);
            slots.push(at);
        }
        self.live += slots.len();
        if rows.namespaces.windows(2).all(|pair| pair[0] == pair[1]) {
            if let Some(&namespace) = rows.namespaces.first() {
                self.place(namespace, rows.columns.clone(), &slots)?;
            }
            return Ok(slots);
        }
        let mut parts: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (row, &namespace) in rows.namespaces.iter().enumerate() {
            parts.entry(namespace).or_default().push(row as u32);
        }
        for (namespace, part) in parts {
            let own: Vec<u32> = part.iter().map(|&row| slots[row as usize]).collect();
            let part = UInt32Array::from(part);
            let columns = rows.columns.iter().map(|c| take(c, &part, None)).collect::<Result<_, _>>()?;
            self.place(namespace, columns, &own)?;
        }
        Ok(slots)
    }

    fn place(&mut self, namespace: i64, columns: Vec<ArrayRef>, slots: &[u32]) -> Result<(), ArrowError> {
        let at = self.bucket_of(namespace);
        let bucket = &mut self.buckets[at as usize];
        let first = bucket.slots.len() as u32;
        for (i, &slot) in slots.iter().enumerate() {
            let slot_row = &mut self.slots[slot as usize];
            (slot_row.bucket, slot_row.row) = (at, first + i as u32);
            let gone_at = slot_row.high.saturating_add(self.keep);
            bucket.first_gone = bucket.first_gone.min(gone_at);
            if bucket.scheduled {
                self.calendar.push(Reverse((gone_at, slot_row.sequence, slot)));
            }
        }
        bucket.append(columns, slots)
    }

    fn link(&mut self, at: u32, key: u32) {
        if self.heads.len() <= key as usize {
            self.heads.resize(key as usize + 1, NONE);
        }
        let (mut before, mut next) = (NONE, self.heads[key as usize]);
        if self.versions {
            let order = |slot: &Slot| (slot.low, slot.sequence);
            let own = order(&self.slots[at as usize]);
            while next != NONE && order(&self.slots[next as usize]) > own {
                (before, next) = (next, self.slots[next as usize].next);
            }
        }
        (self.slots[at as usize].before, self.slots[at as usize].next) = (before, next);
        if next != NONE {
            self.slots[next as usize].before = at;
        }
        if before == NONE { self.heads[key as usize] = at } else { self.slots[before as usize].next = at }
    }

    fn unlink(&mut self, at: u32) {
        let Slot { before, next, key, .. } = self.slots[at as usize];
        if next != NONE {
            self.slots[next as usize].before = before;
        }
        if before != NONE {
            self.slots[before as usize].next = next;
        } else {
            self.heads[key as usize] = next;
            if next == NONE {
                self.idle.push(key);
            }
        }
        self.slots[at as usize].flags = 0;
        if let Some(counts) = self.counts.get_mut(at as usize) {
            *counts = Counts::default();
        }
        self.free.push(at);
        self.live -= 1;
    }

    /// Takes single rows out.
    pub(crate) fn remove(&mut self, slots: &[u32]) -> Result<(), ArrowError> {
        for &at in slots {
            let Slot { key, bucket, row, flags, sequence, .. } = self.slots[at as usize];
            if flags & ALIVE == 0 {
                continue;
            }
            if flags & CAPTURED != 0 {
                let namespace = self.buckets[bucket as usize].namespace;
                self.deleted.push(Deleted { namespace, key, sequence });
            }
            self.unlink(at);
            let bucket_at = &mut self.buckets[bucket as usize];
            let rewrite = bucket_at.take_out(row);
            if bucket_at.is_dead() {
                self.by_namespace.remove(&bucket_at.namespace);
                *bucket_at = Bucket::default();
                self.spare.push(bucket);
            } else if rewrite {
                bucket_at.rewrite()?;
                for (row, &slot) in bucket_at.slots.iter().enumerate() {
                    self.slots[slot as usize].row = row as u32;
                }
            }
        }
        Ok(())
    }

    /// Notes that a capture must write a row.
    pub(crate) fn changed(&mut self, slot: u32) {
        if self.set(slot, DIRTY) {
            self.dirty.push(slot);
        }
    }

    /// The rows that a capture must write, which then count as captured.
    pub(crate) fn take_dirty(&mut self) -> Vec<u32> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.retain(|&slot| {
            let flags = &mut self.slots[slot as usize].flags;
            let write = *flags & (ALIVE | DIRTY) == ALIVE | DIRTY;
            if write {
                *flags = *flags & !DIRTY | CAPTURED;
            }
            write
        });
        dirty
    }

    pub(crate) fn namespace(&self, slot: u32) -> i64 {
        self.buckets[self.slots[slot as usize].bucket as usize].namespace
    }

    /// Columns of the input for slots.
    pub(crate) fn gather(&self, slots: &[u32], columns: &[usize]) -> Result<Vec<ArrayRef>, ArrowError> {
        let at = |column: &usize| self.stored.iter().position(|s| s == column);
        let places = columns.iter().map(at).collect::<Option<Vec<_>>>();
        self.gather_stored(slots, &places.ok_or_else(|| ArrowError::SchemaError("a column that is not kept".into()))?)
    }

    /// Stored columns, by their place among them, for slots.
    pub(crate) fn gather_stored(&self, slots: &[u32], columns: &[usize]) -> Result<Vec<ArrayRef>, ArrowError> {
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        // Only the chunks that are needed, since there can be many.
        let mut chunks: Vec<(u32, u32)> = Vec::new();
        let mut known: HashMap<(u32, u32), usize, ahash::RandomState> = HashMap::default();
        let mut last = ((NONE, NONE), 0);
        let places: Vec<(usize, usize)> = slots
            .iter()
            .map(|&slot| {
                let slot = &self.slots[slot as usize];
                let (chunk, row) = self.buckets[slot.bucket as usize].locate(slot.row);
                let chunk = (slot.bucket, chunk);
                if last.0 != chunk {
                    let place = *known.entry(chunk).or_insert_with(|| {
                        chunks.push(chunk);
                        chunks.len() - 1
                    });
                    last = (chunk, place);
                }
                (last.1, row as usize)
            })
            .collect();
        let array = |(bucket, chunk): (u32, u32), column: usize| self.buckets[bucket as usize].column(chunk, column);
        match chunks.as_slice() {
            [] => Ok(columns.iter().map(|&c| new_empty_array(&self.types[c])).collect()),
            [chunk] => {
                let rows: UInt32Array = places.iter().map(|(_, row)| *row as u32).collect::<Vec<_>>().into();
                columns.iter().map(|&c| take(array(*chunk, c), &rows, None)).collect()
            }
            _ => columns
                .iter()
                .map(|&c| interleave(&chunks.iter().map(|&chunk| array(chunk, c).as_ref()).collect::<Vec<&dyn Array>>(), &places))
                .collect(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.counts.capacity() * size_of::<Counts>()
            + self.heads.capacity() * 4
            + self.buckets.iter().map(Bucket::bytes).sum::<usize>()
    }
}
