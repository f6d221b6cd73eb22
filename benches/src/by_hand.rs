//! The same work by hand: one thread, one loop, one hash map.

use arrow::{
    array::{Array, AsArray},
    datatypes::{Int64Type, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use hashbrown::HashMap;

/// Length of a window, in µs.
const WINDOW_US: i64 = 60_000_000;

/// Rows per key and minute; gives how many results there are. Columns: key, event time.
pub fn windowed_count(batches: &[RecordBatch]) -> usize {
    let mut counts: HashMap<(i64, i64), u64> = HashMap::new();
    for batch in batches {
        let keys = batch.column(0).as_primitive::<Int64Type>().values();
        let times = batch.column(1).as_primitive::<TimestampMicrosecondType>().values();
        for (&key, &at) in keys.iter().zip(times) {
            *counts.entry((at.div_euclid(WINDOW_US), key)).or_insert(0) += 1;
        }
    }
    counts.len()
}

/// The sum of values per key and name; gives how many results there are. Columns: key, name, value.
pub fn grouped_sum(batches: &[RecordBatch]) -> usize {
    let mut sums: HashMap<(i64, &str), i64> = HashMap::new();
    for batch in batches {
        let keys = batch.column(0).as_primitive::<Int64Type>().values();
        let names = batch.column(1).as_string::<i32>();
        let values = batch.column(2).as_primitive::<Int64Type>().values();
        for row in 0..names.len() {
            *sums.entry((keys[row], names.value(row))).or_insert(0) += values[row];
        }
    }
    sums.len()
}
