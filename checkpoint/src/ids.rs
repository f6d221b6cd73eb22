//! Names of moments, incarnations and places (`docs/glossary.md` defines them).

use serde::{Deserialize, Serialize};
use std::{fmt, ops::Range};

/// The logical clock: every row, change and progress statement belongs to one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch after this one.
    #[must_use]
    pub fn next(self) -> Epoch {
        Epoch(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}", self.0)
    }
}

/// One incarnation of a worker group; whatever still runs of an older one is fenced off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Generation(pub u64);

impl Generation {
    /// The incarnation after this one.
    #[must_use]
    pub fn next(self) -> Generation {
        Generation(self.0.saturating_add(1))
    }
}

/// The unit of state placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyGroup(pub u16);

/// How many key groups a scenario has: fixed when it is first created, whatever the number of workers later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyGroups(u16);

impl Default for KeyGroups {
    fn default() -> Self {
        KeyGroups(KeyGroups::DEFAULT)
    }
}

impl KeyGroups {
    /// Unless said otherwise.
    pub const DEFAULT: u16 = 1024;

    /// That many groups, at least one.
    pub fn new(count: u16) -> Self {
        KeyGroups(count.max(1))
    }

    /// How many there are.
    pub fn count(self) -> u16 {
        self.0
    }

    /// The group of a key by its hash. Uses the upper half of the hash, so that a hash table over the lower half stays even within a group.
    #[inline]
    pub fn of_hash(self, hash: u64) -> KeyGroup {
        KeyGroup((((hash >> 32) * u64::from(self.0)) >> 32) as u16)
    }

    /// Which of `workers` holds a group: contiguous ranges, so that a rescale moves few of them.
    #[inline]
    pub fn worker_of(self, group: KeyGroup, workers: usize) -> usize {
        (usize::from(group.0) * workers) / usize::from(self.0)
    }

    /// The groups that one worker holds.
    pub fn of_worker(self, index: usize, workers: usize) -> Range<u16> {
        let groups = usize::from(self.0);
        let first = (index * groups).div_ceil(workers);
        let end = ((index + 1) * groups).div_ceil(workers);
        first as u16..end as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_the_worker_whose_range_holds_it() {
        for workers in 1..=9 {
            let groups = KeyGroups::default();
            for group in 0..groups.count() {
                let worker = groups.worker_of(KeyGroup(group), workers);
                assert!(groups.of_worker(worker, workers).contains(&group), "{group} of {workers}");
            }
        }
    }

    #[test]
    fn groups_cover_their_range_evenly() {
        let groups = KeyGroups::new(8);
        let mut seen = [0u32; 8];
        for i in 0..8_000u64 {
            seen[usize::from(groups.of_hash(i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).0)] += 1;
        }
        assert!(seen.iter().all(|n| (800..1200).contains(n)), "{seen:?}");
    }
}
