//! Changes of one epoch, summed by row.

use crate::{
    Batch,
    aggregate::keys::{KeyLayout, KeyRows, KeyTable},
};
use arrow::{
    array::{ArrayRef, UInt32Array},
    compute::{concat_batches, take_record_batch},
    datatypes::SchemaRef,
    error::ArrowError,
    record_batch::RecordBatch,
};
use std::sync::Arc;

/// Batches have this many rows at most.
const BATCH_ROWS: usize = 8192;

/// Sums changes by row, where there are any that take rows back; those first.
pub(crate) fn summed(layout: &Arc<KeyLayout>, schema: &SchemaRef, out: Vec<Batch>) -> Result<Vec<Batch>, ArrowError> {
    let takes_back = |b: &Batch| b.diffs.as_ref().is_some_and(|d| d.values().iter().any(|&d| d < 0));
    if !out.iter().any(takes_back) {
        return Ok(out);
    }
    let (rows, diffs) = together(schema, &out)?;
    let mut sums = net(layout, &rows, &diffs)?;
    sums.sort_by_key(|(_, sum)| *sum > 0);
    sums.chunks(BATCH_ROWS)
        .map(|block| {
            let at: UInt32Array = block.iter().map(|(row, _)| *row).collect::<Vec<_>>().into();
            let diffs: Vec<i64> = block.iter().map(|(_, sum)| *sum).collect();
            Ok(Batch { rows: take_record_batch(&rows, &at)?, diffs: Some(diffs.into()), origin: None })
        })
        .collect()
}

/// Numbers rows by the columns of a layout, in order of their first.
pub(crate) fn numbered(layout: &Arc<KeyLayout>, columns: &[ArrayRef], rows: usize) -> Result<Vec<u32>, ArrowError> {
    let mut table = KeyTable::new(layout);
    let (mut keys, mut ids) = (KeyRows::default(), Vec::with_capacity(rows));
    layout.prepare(columns, rows, &mut keys)?;
    table.intern(&keys, 0..rows, &mut ids);
    Ok(ids)
}

/// All rows of batches, and each row's multiplicity.
pub(crate) fn together(schema: &SchemaRef, batches: &[Batch]) -> Result<(RecordBatch, Vec<i64>), ArrowError> {
    let rows = concat_batches(schema, batches.iter().map(|b| &b.rows))?;
    let mut diffs = Vec::with_capacity(rows.num_rows());
    for batch in batches {
        match &batch.diffs {
            Some(own) => diffs.extend_from_slice(own.values()),
            None => diffs.extend(std::iter::repeat_n(1, batch.len())),
        }
    }
    Ok((rows, diffs))
}

/// The different rows among some, by the number of one of them, with the sums of their multiplicities; in order of their first. Rows that come to nothing are
/// left out. The layout is of all columns.
pub(crate) fn net(layout: &Arc<KeyLayout>, rows: &RecordBatch, diffs: &[i64]) -> Result<Vec<(u32, i64)>, ArrowError> {
    let ids = numbered(layout, rows.columns(), rows.num_rows())?;
    let mut sums: Vec<(u32, i64)> = Vec::new();
    for (row, (&id, &diff)) in ids.iter().zip(diffs).enumerate() {
        match sums.get_mut(id as usize) {
            Some((_, sum)) => *sum = sum.saturating_add(diff),
            None => sums.push((row as u32, diff)),
        }
    }
    sums.retain(|(_, sum)| *sum != 0);
    Ok(sums)
}
