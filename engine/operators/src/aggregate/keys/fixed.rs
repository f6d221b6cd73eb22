//! Keys of a fixed width, held in the hash table itself.

use super::NOT_FOUND;
use hashbrown::HashTable;
use std::{mem::size_of, ops::Range};

#[derive(Debug, Clone, Copy)]
struct Entry<W> {
    word: W,
    nulls: u16,
    id: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct FixedKeys<W> {
    table: HashTable<Entry<W>>,
    /// By number.
    words: Vec<W>,
    nulls: Vec<u16>,
    hashes: Vec<u64>,
    free: Vec<u32>,
}

impl<W: Copy + Eq> FixedKeys<W> {
    /// No keys, and room for so many.
    pub(super) fn with_room(keys: usize) -> Self {
        FixedKeys {
            table: HashTable::with_capacity(keys),
            words: Vec::with_capacity(keys),
            nulls: Vec::with_capacity(keys),
            hashes: Vec::with_capacity(keys),
            free: Vec::new(),
        }
    }

    pub(super) fn bound(&self) -> usize {
        self.words.len()
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn hash(&self, id: u32) -> u64 {
        self.hashes[id as usize]
    }

    pub(super) fn key(&self, id: u32) -> (W, u16) {
        (self.words[id as usize], self.nulls[id as usize])
    }

    #[inline]
    fn find(&self, hash: u64, word: W, nulls: u16) -> Option<u32> {
        self.table.find(hash, |e| e.word == word && e.nulls == nulls).map(|e| e.id)
    }

    #[inline]
    fn find_or_add(&mut self, hash: u64, word: W, nulls: u16) -> u32 {
        match self.find(hash, word, nulls) {
            Some(id) => id,
            None => self.add(hash, word, nulls),
        }
    }

    #[cold]
    fn add(&mut self, hash: u64, word: W, nulls: u16) -> u32 {
        let id = match self.free.pop() {
            Some(id) => {
                let at = id as usize;
                (self.words[at], self.nulls[at], self.hashes[at]) = (word, nulls, hash);
                id
            }
            None => {
                self.words.push(word);
                self.nulls.push(nulls);
                self.hashes.push(hash);
                (self.words.len() - 1) as u32
            }
        };
        let hashes = &self.hashes;
        self.table.insert_unique(hash, Entry { word, nulls, id }, |e| hashes[e.id as usize]);
        id
    }

    /// The numbers of rows' keys, appended.
    pub(super) fn intern(&mut self, words: &[W], nulls: &[u16], hashes: &[u64], range: Range<usize>, ids: &mut Vec<u32>) {
        let rows = words[range.clone()].iter().zip(&hashes[range.clone()]);
        if nulls.is_empty() {
            ids.extend(rows.map(|(&word, &hash)| self.find_or_add(hash, word, 0)));
        } else {
            ids.extend(rows.zip(&nulls[range]).map(|((&word, &hash), &mask)| self.find_or_add(hash, word, mask)));
        }
    }

    pub(super) fn intern_from(&mut self, other: &Self, of: &[u32], ids: &mut Vec<u32>) {
        ids.extend(of.iter().map(|&id| {
            let (word, nulls) = other.key(id);
            self.find_or_add(other.hash(id), word, nulls)
        }));
    }

    pub(super) fn find_from(&self, other: &Self, of: &[u32], ids: &mut Vec<u32>) {
        ids.extend(of.iter().map(|&id| {
            let (word, nulls) = other.key(id);
            self.find(other.hash(id), word, nulls).unwrap_or(NOT_FOUND)
        }));
    }

    pub(super) fn remove(&mut self, id: u32) {
        if let Ok(entry) = self.table.find_entry(self.hashes[id as usize], |e| e.id == id) {
            entry.remove();
            self.free.push(id);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.table.allocation_size() + self.words.capacity() * (size_of::<W>() + 10)
    }
}
