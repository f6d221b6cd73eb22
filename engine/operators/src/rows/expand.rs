//! Every row once for each grouping set.

use crate::Batch;
use arrow::{
    array::{Array, ArrayRef, UInt8Array, UInt32Array, new_null_array},
    compute::concat,
    datatypes::SchemaRef,
    error::ArrowError,
    record_batch::RecordBatch,
};
use runink_planner::grouping_id;
use std::sync::Arc;

/// The rows of a batch, set after set; `schema` is that of the result.
pub(super) fn expand(batch: &Batch, keys: &[usize], sets: &[Vec<bool>], schema: &SchemaRef) -> Result<Batch, ArrowError> {
    let rows = batch.len();
    let again: UInt32Array = sets.iter().flat_map(|_| 0..rows as u32).collect::<Vec<_>>().into();
    let taken = batch.take(&again)?;
    let mut columns: Vec<ArrayRef> = taken.rows.columns().to_vec();
    for (at, &key) in keys.iter().enumerate() {
        let column = batch.rows.columns().get(key).ok_or_else(|| ArrowError::SchemaError(format!("no column {key} to group by")))?;
        let absent = new_null_array(column.data_type(), rows);
        let parts: Vec<&dyn Array> =
            sets.iter().map(|set| if set.get(at) == Some(&true) { column.as_ref() } else { absent.as_ref() }).collect();
        columns.push(concat(&parts)?);
    }
    let ids = sets.iter().flat_map(|set| std::iter::repeat_n(grouping_id(set), rows));
    columns.push(Arc::new(UInt8Array::from_iter_values(ids)));
    Ok(Batch { rows: RecordBatch::try_new(schema.clone(), columns)?, ..taken })
}
