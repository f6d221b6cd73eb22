//! Keys of any length: up to 16 bytes of fixed width, and a text. A short text lies beside them; a long one's bytes lie in one buffer.

use super::{
    NOT_FOUND,
    table::{IdTable, Place},
};
use crate::hash::short_word;
use std::{mem::size_of, ops::Range};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    fixed: u128,
    text: View,
}

/// A text: its length in the lowest 32 bits; then all of its bytes if there are at most [`View::INLINE`], else its first four and, in the
/// upper half, where it begins in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View(u128);

impl View {
    const INLINE: usize = 12;

    #[inline]
    fn of(text: &[u8]) -> View {
        let length = text.len();
        let bytes = match (length, text.first_chunk::<8>(), text.last_chunk::<4>()) {
            (0, ..) => 0,
            (1..8, ..) => u128::from(short_word(text)),
            (8..=View::INLINE, Some(first), Some(last)) => {
                let rest = u32::from_le_bytes(*last) as u64 >> (8 * (View::INLINE - length));
                u128::from(u64::from_le_bytes(*first)) | u128::from(rest) << 64
            }
            (_, Some(first), _) => u128::from(u64::from_le_bytes(*first) as u32),
            _ => 0,
        };
        View(length as u32 as u128 | bytes << 32)
    }

    #[inline]
    fn length(self) -> usize {
        self.0 as u32 as usize
    }

    #[inline]
    fn is_inline(self) -> bool {
        self.length() <= View::INLINE
    }

    fn start(self) -> usize {
        (self.0 >> 64) as usize
    }

    fn starting_at(self, start: usize) -> View {
        View(self.0 as u64 as u128 | (start as u128) << 64)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct BytesKeys {
    table: IdTable,
    /// By number.
    slots: Vec<Slot>,
    nulls: Vec<u16>,
    hashes: Vec<u64>,
    data: Vec<u8>,
    /// Bytes of removed keys.
    dead: usize,
    free: Vec<u32>,
}

/// So many keys are looked up at the same time.
const AT_ONCE: usize = 32;

/// The buffer is rewritten when it has this many bytes and more than half of them are of removed keys.
const REWRITE_MIN_BYTES: usize = 64 * 1024;

impl BytesKeys {
    /// No keys, and room for so many.
    pub(super) fn with_room(keys: usize) -> Self {
        BytesKeys {
            table: IdTable::with_room(keys),
            slots: Vec::with_capacity(keys),
            nulls: Vec::with_capacity(keys),
            hashes: Vec::with_capacity(keys),
            ..BytesKeys::default()
        }
    }

    pub(super) fn bound(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn hash(&self, id: u32) -> u64 {
        self.hashes[id as usize]
    }

    /// A key's text, which is handed to `to`.
    pub(super) fn with_text<R>(&self, id: u32, to: impl FnOnce(&[u8]) -> R) -> R {
        let text = self.slots[id as usize].text;
        if text.is_inline() { to(&text.0.to_le_bytes()[4..4 + text.length()]) } else { to(long(&self.data, text)) }
    }

    /// The columns of fixed width, and the null mask of all.
    pub(super) fn fixed(&self, id: u32) -> (u128, u16) {
        (self.slots[id as usize].fixed, self.nulls[id as usize])
    }

    #[inline]
    fn is(&self, id: u32, key: &Slot, nulls: u16, text: &[u8]) -> bool {
        let slot = &self.slots[id as usize];
        let same = match key.text.is_inline() {
            true => slot == key,
            false => slot.fixed == key.fixed && slot.text.0 as u64 == key.text.0 as u64 && long(&self.data, slot.text) == text,
        };
        same && self.nulls[id as usize] == nulls
    }

    fn find(&self, hash: u64, fixed: u128, nulls: u16, text: &[u8]) -> Option<u32> {
        let key = Slot { fixed, text: View::of(text) };
        self.table.find(hash, |id| self.is(id, &key, nulls, text))
    }

    /// The numbers of rows' keys, appended.
    pub(super) fn intern_rows<'t>(
        &mut self,
        range: Range<usize>,
        hashes: &[u64],
        fixed: &[u128],
        nulls: &[u16],
        text: impl Fn(usize) -> &'t [u8],
        ids: &mut Vec<u32>,
    ) {
        ids.reserve(range.len());
        for first in range.clone().step_by(AT_ONCE) {
            let rows = first..range.end.min(first + AT_ONCE);
            let mut heads = [Place::default(); AT_ONCE];
            for (head, &hash) in heads.iter_mut().zip(&hashes[rows.clone()]) {
                *head = self.table.head(hash);
            }
            for (row, head) in rows.zip(heads) {
                let (hash, text, mask) = (hashes[row], text(row), nulls.get(row).copied().unwrap_or(0));
                let key = Slot { fixed: fixed.get(row).copied().unwrap_or(0), text: View::of(text) };
                let id = match head.id(hash) {
                    Some(id) if self.is(id, &key, mask, text) => id,
                    _ => self.intern(hash, key.fixed, mask, text),
                };
                ids.push(id);
            }
        }
    }

    fn intern(&mut self, hash: u64, fixed: u128, nulls: u16, text: &[u8]) -> u32 {
        match self.find(hash, fixed, nulls, text) {
            Some(id) => id,
            None => self.add(hash, fixed, nulls, text),
        }
    }

    fn add(&mut self, hash: u64, fixed: u128, nulls: u16, text: &[u8]) -> u32 {
        let mut view = View::of(text);
        if !view.is_inline() {
            view = view.starting_at(self.data.len());
            self.data.extend_from_slice(text);
        }
        let slot = Slot { fixed, text: view };
        let id = match self.free.pop() {
            Some(id) => {
                let at = id as usize;
                (self.slots[at], self.nulls[at], self.hashes[at]) = (slot, nulls, hash);
                id
            }
            None => {
                self.slots.push(slot);
                self.nulls.push(nulls);
                self.hashes.push(hash);
                (self.slots.len() - 1) as u32
            }
        };
        self.table.insert(id, &self.hashes);
        id
    }

    pub(super) fn intern_from(&mut self, other: &Self, of: &[u32], ids: &mut Vec<u32>) {
        ids.extend(of.iter().map(|&id| {
            let (fixed, nulls) = other.fixed(id);
            other.with_text(id, |text| self.intern(other.hash(id), fixed, nulls, text))
        }));
    }

    pub(super) fn find_from(&self, other: &Self, of: &[u32], ids: &mut Vec<u32>) {
        ids.extend(of.iter().map(|&id| {
            let (fixed, nulls) = other.fixed(id);
            other.with_text(id, |text| self.find(other.hash(id), fixed, nulls, text)).unwrap_or(NOT_FOUND)
        }));
    }

    pub(super) fn remove(&mut self, id: u32) {
        if !self.table.remove(id, &self.hashes) {
            return;
        }
        self.free.push(id);
        let text = self.slots[id as usize].text;
        self.dead += if text.is_inline() { 0 } else { text.length() };
        if self.data.len() >= REWRITE_MIN_BYTES && self.dead * 2 > self.data.len() {
            self.rewrite();
        }
    }

    fn rewrite(&mut self) {
        let mut data = Vec::with_capacity(self.data.len() - self.dead);
        let free: std::collections::HashSet<u32, ahash::RandomState> = self.free.iter().copied().collect();
        for id in (0..self.slots.len() as u32).filter(|id| !free.contains(id)) {
            let text = &mut self.slots[id as usize].text;
            if !text.is_inline() {
                let start = data.len();
                data.extend_from_slice(long(&self.data, *text));
                *text = text.starting_at(start);
            }
        }
        self.data = data;
        self.dead = 0;
    }

    pub(super) fn bytes(&self) -> usize {
        self.table.bytes() + self.slots.capacity() * (size_of::<Slot>() + 10) + self.data.capacity()
    }
}

#[inline]
fn long(data: &[u8], text: View) -> &[u8] {
    &data[text.start()..text.start() + text.length()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn texts_of_every_length_are_told_apart_and_come_back() {
        let mut keys = BytesKeys::default();
        let texts: Vec<Vec<u8>> = (0..40usize)
            .flat_map(|length| (0..=length).map(move |at| (0..length).map(|i| if i == at { 0xff } else { i as u8 }).collect()))
            .collect();
        // All in one place of the table: only the comparison tells them apart.
        let ids: Vec<u32> = texts.iter().map(|t| keys.intern(7, 1, 0, t)).collect();
        assert_eq!(ids, (0..texts.len() as u32).collect::<Vec<_>>());
        for (id, text) in texts.iter().enumerate() {
            assert_eq!(keys.find(7, 1, 0, text), Some(id as u32));
            assert_eq!(keys.find(7, 2, 0, text), None);
            assert_eq!(keys.find(7, 1, 1, text), None);
            keys.with_text(id as u32, |t| assert_eq!(t, text));
        }
    }

    #[test]
    fn removed_texts_do_not_stay() {
        let mut keys = BytesKeys::default();
        for round in 0..200u64 {
            let texts: Vec<String> = (0..50).map(|i| format!("{round} {i} {}", "x".repeat(100))).collect();
            let ids: Vec<u32> = texts.iter().enumerate().map(|(i, t)| keys.intern(i as u64, 0, 0, t.as_bytes())).collect();
            assert_eq!(keys.bound(), 50);
            for (&id, text) in ids.iter().zip(&texts) {
                keys.with_text(id, |t| assert_eq!(t, text.as_bytes()));
            }
            ids.iter().for_each(|&id| keys.remove(id));
        }
        assert!(keys.data.len() < 2 * REWRITE_MIN_BYTES);
    }
}
