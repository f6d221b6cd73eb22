//! Expected rows against actual ones: what matches, what is missing, what nobody expected, and which rows differ only in some cells.

use crate::rows::{Cell, Row, compare_rows};
use std::collections::{HashMap, VecDeque};

/// How many rows of each side are looked at to find pairs that are alike; beyond that they are shown as missing and unexpected.
const PAIRING_ROWS: usize = 200;

/// How two sets of rows differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The columns that were compared.
    pub columns: Vec<String>,
    /// How many rows are as expected.
    pub matching: usize,
    /// Rows that differ from an expected row of the same key, or, without key, the one most alike.
    pub changed: Vec<Change>,
    /// Expected rows that did not come.
    pub missing: Vec<Vec<Option<String>>>,
    /// Rows that came and were not expected.
    pub unexpected: Vec<Vec<Option<String>>>,
}

/// A row that is not quite what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// As the example says.
    pub expected: Vec<Option<String>>,
    /// As it came.
    pub actual: Vec<Option<String>>,
}

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Exactly the expected rows, in any order.
    Exactly,
    /// At least the expected rows.
    AtLeast,
}

/// Compares rows of the same columns; `key` are the places of the stream's key among them. `None` where the demand holds.
pub(crate) fn compare(columns: &[String], expected: &[Row], actual: &[Row], key: &[usize], demand: Demand) -> Option<Difference> {
    let mut left: HashMap<&Row, usize> = HashMap::new();
    for row in actual {
        *left.entry(row).or_default() += 1;
    }
    let mut missing = Vec::new();
    for row in expected {
        match left.get_mut(row).filter(|n| **n > 0) {
            Some(count) => *count -= 1,
            None => missing.push(row.clone()),
        }
    }
    let mut unexpected: Vec<Row> = left.into_iter().flat_map(|(row, n)| std::iter::repeat_n(row.clone(), n)).collect();
    if missing.is_empty() && (unexpected.is_empty() || demand == Demand::AtLeast) {
        return None;
    }
    unexpected.sort_by(|a, b| compare_rows(a, b));
    let matching = expected.len() - missing.len();
    let mut changed = if key.is_empty() { Vec::new() } else { pair_by_key(&mut missing, &mut unexpected, key) };
    if key.is_empty() {
        changed.extend(pair_by_likeness(&mut missing, &mut unexpected));
    }
    changed.sort_by(|a, b| compare_rows(&a.expected, &b.expected));
    if demand == Demand::AtLeast {
        unexpected.clear();
    }
    Some(Difference { columns: columns.to_vec(), matching, changed, missing, unexpected })
}

fn pair_by_key(missing: &mut Vec<Row>, unexpected: &mut Vec<Row>, key: &[usize]) -> Vec<Change> {
    let key_of = |row: &Row| -> Vec<Cell> { key.iter().map(|&k| row[k].clone()).collect() };
    let mut by_key: HashMap<Vec<Cell>, VecDeque<Row>> = HashMap::new();
    for row in unexpected.drain(..) {
        by_key.entry(key_of(&row)).or_default().push_back(row);
    }
    let mut changed = Vec::new();
    missing.retain(|expected| {
        let actual = by_key.get_mut(&key_of(expected)).and_then(VecDeque::pop_front);
        let unpaired = actual.is_none();
        changed.extend(actual.map(|actual| Change { expected: expected.clone(), actual }));
        unpaired
    });
    unexpected.extend(by_key.into_values().flatten());
    unexpected.sort_by(|a, b| compare_rows(a, b));
    changed
}

/// Pairs the rows that are most alike, as long as half of their cells are equal.
fn pair_by_likeness(missing: &mut Vec<Row>, unexpected: &mut Vec<Row>) -> Vec<Change> {
    let mut likely: Vec<(usize, usize, usize)> = Vec::new();
    for (i, expected) in missing.iter().enumerate().take(PAIRING_ROWS) {
        for (j, actual) in unexpected.iter().enumerate().take(PAIRING_ROWS) {
            let equal = expected.iter().zip(actual).filter(|(a, b)| a == b).count();
            if equal * 2 >= expected.len() && equal > 0 {
                likely.push((equal, i, j));
            }
        }
    }
    likely.sort_by_key(|&(equal, i, j)| (std::cmp::Reverse(equal), i, j));
    let (mut paired_missing, mut paired_unexpected) = (vec![false; missing.len()], vec![false; unexpected.len()]);
    let mut changed = Vec::new();
    for (_, i, j) in likely {
        if !paired_missing[i] && !paired_unexpected[j] {
            (paired_missing[i], paired_unexpected[j]) = (true, true);
            changed.push(Change { expected: missing[i].clone(), actual: unexpected[j].clone() });
        }
    }
    let keep = |rows: &mut Vec<Row>, paired: Vec<bool>| {
        let mut paired = paired.into_iter();
        rows.retain(|_| !paired.next().unwrap_or(false));
    };
    keep(missing, paired_missing);
    keep(unexpected, paired_unexpected);
    changed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &str) -> Vec<Row> {
        text.lines().map(|l| l.split_whitespace().map(|c| Some(c.to_owned())).collect()).collect()
    }

    fn columns(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("c{i}")).collect()
    }

    #[test]
    fn order_is_free_and_counts_are_not() {
        let (a, b) = (rows("x 1\ny 2\ny 2"), rows("y 2\nx 1\ny 2"));
        assert_eq!(compare(&columns(2), &a, &b, &[], Demand::Exactly), None);
        let once = rows("x 1\ny 2");
        let difference = compare(&columns(2), &a, &once, &[], Demand::Exactly).unwrap();
        assert_eq!((difference.matching, difference.missing), (2, rows("y 2")));
        assert_eq!(compare(&columns(2), &once, &a, &[], Demand::AtLeast), None);
        assert!(compare(&columns(2), &a, &once, &[], Demand::AtLeast).is_some());
    }

    #[test]
    fn rows_of_one_key_are_one_change() {
        let difference = compare(&columns(3), &rows("a 1 1\nb 1 1"), &rows("a 2 2\nc 1 1"), &[0], Demand::Exactly).unwrap();
        assert_eq!(difference.changed, [Change { expected: rows("a 1 1").remove(0), actual: rows("a 2 2").remove(0) }]);
        assert_eq!((difference.missing, difference.unexpected), (rows("b 1 1"), rows("c 1 1")));
    }

    #[test]
    fn without_a_key_the_row_most_alike_is_the_change() {
        let difference = compare(&columns(3), &rows("a 1 1\nb 7 8"), &rows("a 1 2\na 2 2"), &[], Demand::Exactly).unwrap();
        assert_eq!(difference.changed, [Change { expected: rows("a 1 1").remove(0), actual: rows("a 1 2").remove(0) }]);
        assert_eq!((difference.missing, difference.unexpected), (rows("b 7 8"), rows("a 2 2")));
    }

    proptest! {
        #[test]
        fn every_row_is_accounted_for(
            expected in prop::collection::vec(prop::collection::vec(prop::option::of("[ab]"), 2), 0..8),
            actual in prop::collection::vec(prop::collection::vec(prop::option::of("[ab]"), 2), 0..8),
            keyed: bool,
        ) {
            let key: &[usize] = if keyed { &[0] } else { &[] };
            let (mut a, mut b) = (expected.clone(), actual.clone());
            a.sort();
            b.sort();
            match compare(&columns(2), &expected, &actual, key, Demand::Exactly) {
                None => prop_assert_eq!(a, b),
                Some(d) => {
                    prop_assert_ne!(a, b);
                    prop_assert_eq!(d.matching + d.changed.len() + d.missing.len(), expected.len());
                    prop_assert_eq!(d.matching + d.changed.len() + d.unexpected.len(), actual.len());
                    prop_assert!(d.changed.iter().all(|c| c.expected != c.actual));
                }
            }
        }
    }
}
