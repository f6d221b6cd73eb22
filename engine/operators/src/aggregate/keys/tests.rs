//! Keys: every kind of column finds the group that a plain map finds.

#![allow(clippy::unwrap_used)]
use super::*;
use arrow::{
    array::{BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, TimestampMillisecondArray, UInt8Array},
    row::OwnedRow,
};
use proptest::prelude::*;
use std::collections::HashMap;

/// Columns of a few values each, so that keys repeat; which columns is what is tried.
fn columns(kinds: &[u8], rows: &[(u8, u8)]) -> Vec<ArrayRef> {
    let value = |i: usize, row: &(u8, u8)| {
        let v = (row.0 >> (i % 4)) & 3;
        (v != 3 || row.1.is_multiple_of(3)).then_some(v)
    };
    let column = |(i, kind): (usize, &u8)| -> ArrayRef {
        let values = rows.iter().map(|r| value(i, r));
        match kind % 9 {
            0 => Arc::new(values.map(|v| v.map(|v| i64::from(v) - 1)).collect::<Int64Array>()),
            1 => Arc::new(values.map(|v| v.map(|v| "xy".repeat(usize::from(v)))).collect::<StringArray>()),
            2 => Arc::new(values.map(|v| v.map(|v| v & 1 == 1)).collect::<BooleanArray>()),
            3 => Arc::new(values.map(|v| v.map(i32::from)).collect::<Date32Array>()),
            4 => Arc::new(values.map(|v| v.map(|v| i128::from(v) << 90)).collect::<Decimal128Array>()),
            5 => Arc::new(values.map(|v| v.map(|v| [0.0, -1.5, f64::NAN, 3.0][usize::from(v)])).collect::<Float64Array>()),
            6 => Arc::new(values.collect::<UInt8Array>()),
            7 => Arc::new(values.map(|v| v.map(|v| i64::from(v) << 40)).collect::<TimestampMillisecondArray>()),
            _ => Arc::new(values.map(|v| v.map(|v| vec![v; usize::from(v)])).collect::<BinaryArray>()),
        }
    };
    kinds.iter().enumerate().map(column).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn equal_keys_get_equal_numbers_and_come_back_as_they_were(
        kinds in proptest::collection::vec(any::<u8>(), 1..4),
        rows in proptest::collection::vec(any::<(u8, u8)>(), 1..60),
        gone in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let columns = columns(&kinds, &rows);
        let types: Vec<_> = columns.iter().map(|c| c.data_type().clone()).collect();
        let converter = RowConverter::new(types.iter().map(|t| SortField::new(t.clone())).collect()).unwrap();
        let expected = converter.convert_columns(&columns).unwrap();
        let layout = KeyLayout::new(types).unwrap();
        let mut prepared = KeyRows::default();
        layout.prepare(&columns, rows.len(), &mut prepared).unwrap();
        let mut table = KeyTable::new(&layout);
        let mut known: HashMap<OwnedRow, u32> = HashMap::new();
        for round in 0..3 {
            let mut ids = Vec::new();
            table.intern(&prepared, 0..rows.len() / 2, &mut ids);
            table.intern(&prepared, rows.len() / 2..rows.len(), &mut ids);
            for (row, &id) in ids.iter().enumerate() {
                prop_assert_eq!(*known.entry(expected.row(row).owned()).or_insert(id), id);
                prop_assert_eq!(table.hash(id), prepared.hashes[row]);
            }
            let mut distinct: Vec<u32> = known.values().copied().collect();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), known.len());
            prop_assert_eq!(table.bound(), if round == 0 { known.len() } else { table.bound() });
            let back = converter.convert_columns(&table.columns(&ids).unwrap()).unwrap();
            for row in 0..rows.len() {
                prop_assert_eq!(back.row(row), expected.row(row));
            }
            // Another table knows the same keys under numbers of its own.
            let mut other = KeyTable::new(&layout);
            let reversed: Vec<u32> = distinct.iter().rev().copied().collect();
            let (mut there, mut found) = (Vec::new(), Vec::new());
            other.intern_from(&table, &reversed[..reversed.len() / 2], &mut there);
            prop_assert_eq!(there, (0..reversed.len() as u32 / 2).collect::<Vec<_>>());
            other.find_from(&table, &reversed, &mut found);
            let half = reversed.len() as u32 / 2;
            let expected_there: Vec<u32> = (0..reversed.len() as u32).map(|i| if i < half { i } else { NOT_FOUND }).collect();
            prop_assert_eq!(found, expected_there);
            // Numbers of removed keys are given out again.
            let highest = table.bound();
            for index in &gone {
                let row = index.index(rows.len());
                if let Some(id) = known.remove(&expected.row(row).owned()) {
                    table.remove(id);
                }
            }
            let mut again = Vec::new();
            table.intern(&prepared, 0..rows.len(), &mut again);
            prop_assert_eq!(table.bound(), highest);
            known = again.iter().enumerate().map(|(row, &id)| (expected.row(row).owned(), id)).collect();
        }
    }
}

#[test]
fn no_columns_are_one_key() {
    let layout = KeyLayout::new(vec![]).unwrap();
    let mut rows = KeyRows::default();
    layout.prepare(&[], 3, &mut rows).unwrap();
    let mut table = KeyTable::new(&layout);
    let mut ids = Vec::new();
    table.intern(&rows, 0..3, &mut ids);
    assert_eq!((ids, table.bound()), (vec![0, 0, 0], 1));
}
