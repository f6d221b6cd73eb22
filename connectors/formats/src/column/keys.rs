//! Names of a struct's members, and the guess that the next object has its keys where the last one had them.

use std::collections::HashMap;

/// Up to this many names are compared one by one, which is faster than hashing.
const FEW_NAMES: usize = 8;
/// How many keys of an object are remembered.
const MAX_SLOTS: usize = 512;
/// The longest stretch of bytes that is remembered for a key.
const MAX_RAW_BYTES: usize = 256;
/// How many keys that the last object had may be missing before the guess is given up.
const LOOK_AHEAD: usize = 4;

/// Finds members by key.
#[derive(Debug)]
pub(crate) struct Keys {
    names: Vec<Box<[u8]>>,
    index: HashMap<Box<[u8]>, usize>,
    slots: Vec<Slot>,
}

/// One key as it was last written.
#[derive(Debug)]
pub(crate) struct Slot {
    /// All bytes from the end of the value before to the start of this one: `,"name":`.
    raw: Box<[u8]>,
    /// Which member it names; `None` for one that is not wanted.
    member: Option<usize>,
}

impl Keys {
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<Box<[u8]>> = names.map(|n| n.as_bytes().into()).collect();
        let index = if names.len() > FEW_NAMES { names.iter().cloned().zip(0..).collect() } else { HashMap::new() };
        Keys { names, index, slots: Vec::new() }
    }

    /// The member of that name.
    pub(crate) fn member(&self, name: &[u8]) -> Option<usize> {
        if self.names.len() > FEW_NAMES { self.index.get(name).copied() } else { self.names.iter().position(|n| **n == *name) }
    }

    /// The key at the start of some bytes, where it is the one at `slot` or a little later: its slot, member and length.
    #[inline(always)]
    pub(crate) fn guess(&self, slot: usize, bytes: &[u8]) -> Option<(usize, Option<usize>, usize)> {
        let first = self.slots.get(slot)?;
        if begins_with(bytes, &first.raw) {
            return Some((slot, first.member, first.raw.len()));
        }
        self.guess_later(slot + 1, bytes)
    }

    #[cold]
    fn guess_later(&self, slot: usize, bytes: &[u8]) -> Option<(usize, Option<usize>, usize)> {
        let later = self.slots.get(slot..)?.iter().take(LOOK_AHEAD).position(|s| bytes.starts_with(&s.raw))?;
        let found = &self.slots[slot + later];
        Some((slot + later, found.member, found.raw.len()))
    }

    /// Remembers the key that stands at `slot` now.
    pub(crate) fn remember(&mut self, slot: usize, raw: &[u8], member: Option<usize>) {
        if slot >= MAX_SLOTS || raw.len() > MAX_RAW_BYTES {
            return;
        }
        let entry = Slot { raw: raw.into(), member };
        if slot == self.slots.len() {
            self.slots.push(entry);
        } else if let Some(old) = self.slots.get_mut(slot) {
            *old = entry;
        }
    }
}

/// As `starts_with`, for a few words: whole ones, and a last one that overlaps them.
#[inline(always)]
fn begins_with(bytes: &[u8], start: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..start.len()) else { return false };
    let (Some(last), Some(start_last)) = (bytes.last_chunk::<8>(), start.last_chunk::<8>()) else { return bytes == start };
    last == start_last && bytes.as_chunks::<8>().0.iter().zip(start.as_chunks::<8>().0).all(|(a, b)| a == b)
}
