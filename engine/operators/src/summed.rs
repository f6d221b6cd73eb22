//! Changes of one epoch, summed by row.

use crate::{
    Batch,
    aggregate::keys::{KeyLayout, KeyRows, KeyTable},
};
use arrow::{
    array::UInt32Array,
    compute::{concat_batches, take_record_batch},
    datatypes::SchemaRef,
    error::ArrowError,
};
use std::sync::Arc;

/// Batches have this many rows at most.
const BATCH_ROWS: usize = 8192;

/// Sums changes by row, where there are any that take rows back; those first.
pub(crate) fn summed(layout: &Arc<KeyLayout>, schema: &SchemaRef, out: Vec<Batch>) -> Result<Vec<Batch>, ArrowError> {
    let diffs: Vec<i64> = out.iter().filter_map(|b| b.diffs.as_ref()).flat_map(|d| d.values().iter().copied()).collect();
    if diffs.iter().all(|&d| d > 0) {
        return Ok(out);
    }
    let rows = concat_batches(schema, out.iter().map(|b| &b.rows))?;
    let mut table = KeyTable::new(layout);
    let (mut keys, mut ids) = (KeyRows::default(), Vec::new());
    layout.prepare(rows.columns(), rows.num_rows(), &mut keys)?;
    table.intern(&keys, 0..rows.num_rows(), &mut ids);
    let mut sums = vec![(0i64, 0u32); table.bound()];
    for (row, (&id, &diff)) in ids.iter().zip(&diffs).enumerate() {
        let (sum, of) = &mut sums[id as usize];
        *sum = sum.saturating_add(diff);
        *of = row as u32;
    }
    sums.retain(|(sum, _)| *sum != 0);
    sums.sort_by_key(|(sum, _)| *sum > 0);
    sums.chunks(BATCH_ROWS)
        .map(|block| {
            let at: UInt32Array = block.iter().map(|(_, row)| *row).collect::<Vec<_>>().into();
            let diffs: Vec<i64> = block.iter().map(|(sum, _)| *sum).collect();
            Ok(Batch { rows: take_record_batch(&rows, &at)?, diffs: Some(diffs.into()), origin: None })
        })
        .collect()
}
