//! Results of windows, in order of the windows' ends, whatever the number of workers.
//!
//! Inside an epoch no order is promised; but an epoch may close many windows at once, and people read results from the first to the last. One batch a
//! window, numbered by the window's end, lets whoever gathers the batches of all workers put them in that order without looking into them.

use crate::{Batch, Ordered};
use arrow::{
    array::{AsArray, UInt32Array},
    compute::cast,
    datatypes::{DataType, Int64Type},
    error::ArrowError,
};

/// When an epoch closes more windows than this, they stay one batch, in order: a batch must carry rows, not only its own overhead.
const MAX_BATCHES: usize = 64;
/// How many workers share an order's low bits.
const WORKER_BITS: u32 = 8;

/// Cuts a batch by `end`, the column of window ends.
pub(crate) fn by_window(batch: Batch, end: usize, worker: u64) -> Result<Vec<Ordered>, ArrowError> {
    let ends = cast(batch.rows.column(end), &DataType::Int64)?;
    let ends = ends.as_primitive::<Int64Type>().values();
    let order = |end: i64| ((end as u64 ^ (1 << 63)) & !((1 << WORKER_BITS) - 1)) | (worker & ((1 << WORKER_BITS) - 1));
    let Some(&first) = ends.first() else { return Ok(Vec::new()) };
    if ends.iter().all(|&e| e == first) {
        return Ok(vec![Ordered { batch, order: order(first) }]);
    }
    let mut rows: Vec<u32> = (0..ends.len() as u32).collect();
    // Stable: a key's retraction stays before its new result.
    rows.sort_by_key(|&row| ends[row as usize]);
    let sorted: Vec<i64> = rows.iter().map(|&row| ends[row as usize]).collect();
    let batch = if ends.is_sorted() { batch } else { batch.take(&UInt32Array::from(rows))? };
    if sorted.chunk_by(|a, b| a == b).count() > MAX_BATCHES {
        return Ok(vec![Ordered { batch, order: order(sorted[0]) }]);
    }
    let mut from = 0;
    let mut pieces = Vec::new();
    for window in sorted.chunk_by(|a, b| a == b) {
        pieces.push(Ordered { batch: batch.slice(from, window.len()), order: order(window[0]) });
        from += window.len();
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::{
        array::{Int64Array, TimestampMillisecondArray},
        record_batch::RecordBatch,
    };
    use std::sync::Arc;

    #[test]
    fn batches_of_all_workers_sort_by_window() {
        let batch = |ends: Vec<i64>| {
            let row: Int64Array = (0..ends.len() as i64).collect();
            let rows = RecordBatch::try_from_iter([
                ("row", Arc::new(row) as _),
                ("window_end", Arc::new(TimestampMillisecondArray::from(ends)) as _),
            ]);
            Batch::of(rows.unwrap())
        };
        let mut pieces = by_window(batch(vec![2000, -1000, 2000]), 1, 1).unwrap();
        pieces.extend(by_window(batch(vec![1000, 1000]), 1, 0).unwrap());
        pieces.sort_by_key(|p| p.order);
        let seen: Vec<Vec<i64>> = pieces.iter().map(|p| p.batch.rows.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
        assert_eq!(seen, [vec![1], vec![0, 1], vec![0, 2]]);
        assert!(by_window(batch(vec![]), 1, 0).unwrap().is_empty());
    }
}
