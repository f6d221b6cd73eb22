//! What came out against what must come out, computed from the rows that went in and nothing else.

use super::{
    WINDOW_MS,
    input::{self, Rows},
    output::{Seen, Window},
};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::Hash,
};

/// Rows from this value on are kept.
pub(super) const KEPT_FROM: u32 = 200;

/// What one output has that it must not have, or does not have that it must.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// How many rows there must be.
    pub wanted: u64,
    /// Rows that are not there.
    pub lost: u64,
    /// Rows that are there too often, or should not be there at all.
    pub doubled: u64,
    /// Rows that are there as often as they should be, and stand before one of their key that comes first.
    pub disordered: u64,
    /// The first key with a difference.
    pub first: Option<String>,
}

impl Difference {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        (self.lost, self.doubled, self.disordered) == (0, 0, 0)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { wanted, lost, doubled, disordered, first } = self;
        write!(f, "{wanted} rows due, {lost} lost, {doubled} doubled, {disordered} out of order")?;
        first.as_ref().map_or(Ok(()), |first| write!(f, "; the first difference: {first}"))
    }
}

/// Compares what stands of each key.
fn compare<T: Eq + Hash + Ord + fmt::Debug>(wanted: &[Vec<T>], found: &[Vec<T>]) -> Difference {
    let mut all = Difference::default();
    for (key, (wanted, found)) in wanted.iter().zip(found).enumerate() {
        all.wanted += wanted.len() as u64;
        if wanted == found {
            continue;
        }
        let mut counts: HashMap<&T, i64> = HashMap::new();
        wanted.iter().for_each(|w| *counts.entry(w).or_default() -= 1);
        found.iter().for_each(|f| *counts.entry(f).or_default() += 1);
        all.lost += counts.values().filter(|n| **n < 0).map(|n| n.unsigned_abs()).sum::<u64>();
        all.doubled += counts.values().filter(|n| **n > 0).map(|n| n.unsigned_abs()).sum::<u64>();
        all.disordered += found.windows(2).filter(|pair| pair[0] > pair[1]).count() as u64;
        if all.first.is_none() {
            let at = wanted.iter().zip(found).position(|(w, f)| w != f).unwrap_or(wanted.len().min(found.len()));
            all.first = Some(format!("key {key}, row {at}: {:?} is due, {:?} is there", wanted.get(at), found.get(at)));
        }
    }
    all
}

/// Both outputs against the rows of a seed.
pub(super) fn verdict(seed: u64, rows: u64, seen: &Seen) -> (Difference, Difference) {
    let mut kept = vec![Vec::new(); seen.kept.len()];
    let mut sums: Vec<BTreeMap<u64, (u64, u64)>> = vec![BTreeMap::new(); seen.windows.len()];
    for row in Rows::new(seed).take(rows as usize) {
        let sum = sums[row.key as usize].entry(row.at_ms / WINDOW_MS).or_default();
        *sum = (sum.0 + 1, sum.1 + u64::from(row.value));
        if row.value >= KEPT_FROM {
            kept[row.key as usize].push((row.n, row.value));
        }
    }
    // Their own windows never close.
    input::closing().for_each(|row| kept[row.key as usize].push((row.n, row.value)));
    let window =
        |(at, (rows, total)): (u64, (u64, u64))| Window { start: format!("{}.000000Z", input::second(at * WINDOW_MS)), rows, total };
    let windows: Vec<Vec<Window>> = sums.into_iter().map(|sums| sums.into_iter().map(window).collect()).collect();
    (compare(&kept, &seen.kept), compare(&windows, &seen.windows))
}

/// How many rows come out at all.
pub(super) fn due(seed: u64, rows: u64) -> u64 {
    let mut windows = std::collections::HashSet::new();
    let kept = Rows::new(seed).take(rows as usize).filter(|row| {
        windows.insert((row.key, row.at_ms / WINDOW_MS));
        row.value >= KEPT_FROM
    });
    let kept = kept.count() + input::closing().count();
    (kept + windows.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_doubled_and_out_of_order_is_told() {
        let difference = |found: &[i32]| compare(&[vec![], vec![1, 2, 3]], &[vec![], found.to_vec()]);
        assert!(difference(&[1, 2, 3]).is_none());
        let told = |found: &[i32]| {
            let d = difference(found);
            (d.lost, d.doubled, d.disordered)
        };
        assert_eq!(told(&[1, 3]), (1, 0, 0));
        assert_eq!(told(&[1, 2, 2, 3]), (0, 1, 0));
        assert_eq!(told(&[1, 2, 3, 4]), (0, 1, 0));
        assert_eq!(told(&[2, 1, 3]), (0, 0, 1));
        assert_eq!(told(&[1, 2, 1, 3]), (0, 1, 1));
        assert_eq!(difference(&[1, 3]).first.as_deref(), Some("key 1, row 1: Some(2) is due, Some(3) is there"));
    }
}
