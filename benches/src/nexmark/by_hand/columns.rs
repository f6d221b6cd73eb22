//! Columns in and out.

use crate::run::BenchError;
use arrow::{
    array::{Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray},
    compute::interleave,
    datatypes::{Int64Type, TimestampMicrosecondType},
    error::ArrowError,
    record_batch::RecordBatch,
};
use std::sync::Arc;

/// How many results are given at once.
pub(super) const GIVEN_ROWS: usize = 8192;
pub(super) const SECOND_US: i64 = 1_000_000;
pub(super) const DAY_US: i64 = 86_400 * SECOND_US;

/// A row: which batch, which of its rows.
pub(super) type Place = (usize, usize);

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, BenchError> {
    batch.column_by_name(name).ok_or_else(|| BenchError(format!("the plan does not read `{name}`")))
}

pub(super) fn broken(error: ArrowError) -> BenchError {
    BenchError(error.to_string())
}

pub(super) fn ints<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a [i64], BenchError> {
    Ok(column(batch, name)?.as_primitive::<Int64Type>().values())
}

/// In µs.
pub(super) fn times<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a [i64], BenchError> {
    Ok(column(batch, name)?.as_primitive::<TimestampMicrosecondType>().values())
}

pub(super) fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, BenchError> {
    Ok(column(batch, name)?.as_string())
}

pub(super) fn from_ints(values: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

pub(super) fn from_times(values: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values))
}

pub(super) fn from_floats(values: Vec<f64>) -> ArrayRef {
    Arc::new(Float64Array::from(values))
}

/// Days since 1970.
pub(super) fn from_days(values: Vec<i64>) -> ArrayRef {
    Arc::new(values.into_iter().map(|d| i32::try_from(d).ok()).collect::<Date32Array>())
}

/// A column of picked rows.
pub(super) fn picked(batches: &[RecordBatch], name: &str, places: &[Place]) -> Result<ArrayRef, BenchError> {
    let columns = batches.iter().map(|b| Ok(column(b, name)?.as_ref())).collect::<Result<Vec<&dyn Array>, BenchError>>()?;
    interleave(&columns, places).map_err(broken)
}

/// Several of them.
pub(super) fn all_picked(batches: &[RecordBatch], names: &[&str], places: &[Place]) -> Result<Vec<ArrayRef>, BenchError> {
    names.iter().map(|name| picked(batches, name, places)).collect()
}
