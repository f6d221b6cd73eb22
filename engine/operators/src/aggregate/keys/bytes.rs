//! Keys of any length: bytes in one buffer, beside up to 16 bytes of fixed width.

use hashbrown::HashTable;
use std::mem::size_of;

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The hash's lower half: tells nearly all other keys apart without a look at them.
    hash: u32,
    id: u32,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    fixed: u128,
    start: usize,
    length: u32,
    nulls: u16,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct BytesKeys {
    table: HashTable<Entry>,
    /// By number.
    slots: Vec<Slot>,
    hashes: Vec<u64>,
    data: Vec<u8>,
    /// Bytes of removed keys.
    dead: usize,
    free: Vec<u32>,
}

/// Whether texts are equal. Most are short: a call to compare memory costs more than the comparison.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    const SHORT: usize = 32;
    if a.len() != b.len() {
        return false;
    }
    if a.len() > SHORT {
        return a == b;
    }
    match (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(a_last), Some(b_last)) => a_last == b_last && a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).all(|(a, b)| a == b),
        _ => a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0,
    }
}

/// The buffer is rewritten when it has this many bytes and more than half of them are of removed keys.
const REWRITE_MIN_BYTES: usize = 64 * 1024;

impl BytesKeys {
    pub(super) fn bound(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn hash(&self, id: u32) -> u64 {
        self.hashes[id as usize]
    }

    pub(super) fn text(&self, id: u32) -> &[u8] {
        let slot = &self.slots[id as usize];
        &self.data[slot.start..slot.start + slot.length as usize]
    }

    /// The columns of fixed width, and the null mask of all.
    pub(super) fn fixed(&self, id: u32) -> (u128, u16) {
        let slot = &self.slots[id as usize];
        (slot.fixed, slot.nulls)
    }

    #[inline]
    fn find(&self, hash: u64, fixed: u128, nulls: u16, text: &[u8]) -> Option<u32> {
        let found = self.table.find(hash, |e| {
            e.hash == hash as u32 && {
                let slot = &self.slots[e.id as usize];
                slot.fixed == fixed && slot.nulls == nulls && same(&self.data[slot.start..slot.start + slot.length as usize], text)
            }
        });
        found.map(|e| e.id)
    }

    /// The numbers of rows' keys, appended.
    pub(super) fn intern_rows<'t>(
        &mut self,
        range: std::ops::Range<usize>,
        hashes: &[u64],
        fixed: &[u128],
        nulls: &[u16],
        text: impl Fn(usize) -> &'t [u8],
        ids: &mut Vec<u32>,
    ) {
        ids.extend(range.map(|row| {
            let fixed = fixed.get(row).copied().unwrap_or(0);
            let mask = nulls.get(row).copied().unwrap_or(0);
            self.intern(hashes[row], fixed, mask, text(row))
        }));
    }

    #[inline]
    fn intern(&mut self, hash: u64, fixed: u128, nulls: u16, text: &[u8]) -> u32 {
        match self.find(hash, fixed, nulls, text) {
            Some(id) => id,
            None => self.add(hash, fixed, nulls, text),
        }
    }

    #[cold]
    fn add(&mut self, hash: u64, fixed: u128, nulls: u16, text: &[u8]) -> u32 {
        let slot = Slot { fixed, start: self.data.len(), length: text.len() as u32, nulls };
        self.data.extend_from_slice(text);
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = slot;
                self.hashes[id as usize] = hash;
                id
            }
            None => {
                self.slots.push(slot);
                self.hashes.push(hash);
                (self.slots.len() - 1) as u32
            }
        };
        let hashes = &self.hashes;
        self.table.insert_unique(hash, Entry { hash: hash as u32, id }, |e| hashes[e.id as usize]);
        id
    }

    pub(super) fn intern_from(&mut self, other: &Self, of: &[u32], ids: &mut Vec<u32>) {
        ids.extend(of.iter().map(|&id| {
            let (fixed, nulls) = other.fixed(id);
            self.intern(other.hash(id), fixed, nulls, other.text(id))
        }));
    }

    pub(super) fn find_from(&self, other: &Self, of: &[u32], ids: &mut Vec<u32>) {
        ids.extend(of.iter().map(|&id| {
            let (fixed, nulls) = other.fixed(id);
            self.find(other.hash(id), fixed, nulls, other.text(id)).unwrap_or(super::NOT_FOUND)
        }));
    }

    pub(super) fn remove(&mut self, id: u32) {
        let Ok(entry) = self.table.find_entry(self.hashes[id as usize], |e| e.id == id) else { return };
        entry.remove();
        self.free.push(id);
        self.dead += self.slots[id as usize].length as usize;
        if self.data.len() >= REWRITE_MIN_BYTES && self.dead * 2 > self.data.len() {
            let mut data = Vec::with_capacity(self.data.len() - self.dead);
            for entry in &self.table {
                let slot = &mut self.slots[entry.id as usize];
                let start = data.len();
                data.extend_from_slice(&self.data[slot.start..slot.start + slot.length as usize]);
                slot.start = start;
            }
            self.data = data;
            self.dead = 0;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.table.allocation_size() + self.slots.capacity() * (size_of::<Slot>() + 8) + self.data.capacity()
    }
}
