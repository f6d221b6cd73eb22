//! One row per element of a list column.

use crate::Batch;
use arrow::{
    array::{Array, ArrayRef, Int64Array, ListArray, UInt32Array},
    compute::take,
    datatypes::SchemaRef,
    error::ArrowError,
    record_batch::RecordBatch,
};
use std::sync::Arc;

/// Unnests a batch; `schema` is that of the result.
pub(super) fn unnest(batch: &Batch, column: usize, ordinality: bool, keep_empty: bool, schema: &SchemaRef) -> Result<Batch, ArrowError> {
    let lists = batch
        .rows
        .columns()
        .get(column)
        .and_then(|c| c.as_any().downcast_ref::<ListArray>())
        .ok_or_else(|| ArrowError::SchemaError(format!("column {column} is not a list")))?;
    let mut parents = Vec::new();
    let mut elements = Vec::new();
    let mut ordinals = Vec::new();
    for row in 0..lists.len() {
        let (start, end) = (lists.value_offsets()[row], lists.value_offsets()[row + 1]);
        if lists.is_null(row) || start == end {
            if keep_empty {
                parents.push(row as u32);
                elements.push(None);
                ordinals.push(None);
            }
            continue;
        }
        for at in start..end {
            parents.push(row as u32);
            elements.push(u32::try_from(at).ok());
            ordinals.push(Some(i64::from(at - start) + 1));
        }
    }
    let parents = UInt32Array::from(parents);
    let taken = batch.take(&parents)?;
    let mut columns: Vec<ArrayRef> = taken.rows.columns().to_vec();
    columns[column] = take(lists.values(), &UInt32Array::from(elements), None)?;
    if ordinality {
        columns.push(Arc::new(Int64Array::from(ordinals)));
    }
    Ok(Batch { rows: RecordBatch::try_new(schema.clone(), columns)?, ..taken })
}
