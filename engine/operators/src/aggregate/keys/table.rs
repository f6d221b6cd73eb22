//! A hash table from hashes to numbers; what the numbers stand for is the caller's.
//!
//! Open addressing, linear probing, at most half full. One word per place: the hash's upper half and the number, so that nearly every other
//! key is told apart without a look at it. [`IdTable::head`] reads a key's first place on its own: callers read those of many keys before
//! they compare the first, so that the memory's latencies pass at the same time.

/// See the module.
#[derive(Debug)]
pub(super) struct IdTable {
    /// 0 where empty, else the tag in the upper half, and the number + 1.
    places: Vec<u64>,
    len: usize,
}

/// A place as [`IdTable::head`] gives it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place(u64);

impl Place {
    /// The number that stands there, if it can be that of a key with that hash.
    #[inline]
    pub(super) fn id(self, hash: u64) -> Option<u32> {
        (self.0 >> 32 == hash >> 32).then(|| (self.0 as u32).checked_sub(1)).flatten()
    }
}

const MIN_PLACES: usize = 16;

impl Default for IdTable {
    fn default() -> Self {
        IdTable { places: vec![0; MIN_PLACES], len: 0 }
    }
}

impl IdTable {
    /// An empty table with room for so many numbers.
    pub(super) fn with_room(numbers: usize) -> Self {
        IdTable { places: vec![0; (numbers * 2).next_power_of_two().max(MIN_PLACES)], len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        hash as usize & (self.places.len() - 1)
    }

    #[inline]
    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }

    /// The first place at which a key with that hash can stand.
    #[inline]
    pub(super) fn head(&self, hash: u64) -> Place {
        Place(self.places[self.home(hash)])
    }

    /// The number of the key with that hash that `is_it` knows.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        while self.places[at] != 0 {
            if let Some(id) = Place(self.places[at]).id(hash).filter(|&id| is_it(id)) {
                return Some(id);
            }
            at = self.after(at);
        }
        None
    }

    /// Adds a key that is not there. `hashes` are those of all numbers, this one's included.
    pub(super) fn insert(&mut self, id: u32, hashes: &[u64]) {
        if (self.len + 1) * 2 > self.places.len() {
            let twice = vec![0; self.places.len() * 2];
            let old = std::mem::replace(&mut self.places, twice);
            old.into_iter().filter(|&place| place != 0).for_each(|place| self.put(place, hashes));
        }
        self.put(hashes[id as usize] >> 32 << 32 | u64::from(id + 1), hashes);
        self.len += 1;
    }

    fn put(&mut self, place: u64, hashes: &[u64]) {
        let mut at = self.home(hashes[place as u32 as usize - 1]);
        while self.places[at] != 0 {
            at = self.after(at);
        }
        self.places[at] = place;
    }

    /// Removes a number; says whether it was there.
    pub(super) fn remove(&mut self, id: u32, hashes: &[u64]) -> bool {
        let mut hole = self.home(hashes[id as usize]);
        while self.places[hole] as u32 != id + 1 {
            if self.places[hole] == 0 {
                return false;
            }
            hole = self.after(hole);
        }
        // Those behind move up, unless they stand at or after their home already.
        let mut at = self.after(hole);
        while self.places[at] != 0 {
            let home = self.home(hashes[self.places[at] as u32 as usize - 1]);
            let stays = if hole <= at { hole < home && home <= at } else { hole < home || home <= at };
            if !stays {
                self.places[hole] = self.places[at];
                hole = at;
            }
            at = self.after(at);
        }
        self.places[hole] = 0;
        self.len -= 1;
        true
    }

    pub(super) fn bytes(&self) -> usize {
        self.places.capacity() * 8
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn it_holds_what_a_set_holds(steps in proptest::collection::vec((0..200u32, any::<bool>()), 0..400), spread in 0..8u64) {
            // Few homes at the table's very end, and few tags: everything collides, and wraps around.
            let low = |i: u64| 0xffff_fff0 | (15 - i % (spread + 1));
            let hashes: Vec<u64> = (0..200u64).map(|i| (i % 3) << 32 | low(i)).collect();
            let (mut table, mut set) = (IdTable::default(), BTreeSet::new());
            for (id, add) in steps {
                if add && set.insert(id) {
                    table.insert(id, &hashes);
                } else if !add {
                    prop_assert_eq!(table.remove(id, &hashes), set.remove(&id));
                }
                for other in 0..200 {
                    prop_assert_eq!(table.find(hashes[other as usize], |found| found == other), set.get(&other).copied());
                }
            }
        }
    }
}
