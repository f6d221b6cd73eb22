//! Rows in memory, the same in every run.

use arrow::{
    array::{Int64Array, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
    record_batch::RecordBatch,
};
use std::sync::Arc;

/// Rows of one batch.
const BATCH_ROWS: usize = 8192;
/// How many keys the rows are spread over.
const KEYS: u64 = 10_000;
/// How many names.
const NAMES: u64 = 200;
/// Event time runs from here, in µs.
const START_US: i64 = 1_767_225_600_000_000;
/// Each row is that much later than the one before it, in µs: a million rows span about 16 minutes.
const STEP_US: i64 = 1_000;

/// `key`, `name`, `value` and `at` (the event time, ascending).
pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("value", DataType::Int64, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true),
    ]))
}

/// Batches of rows with these columns of [`schema`].
///
/// # Errors
/// Where a column is out of range.
pub fn batches(rows: usize, columns: &[usize]) -> Result<Vec<RecordBatch>, ArrowError> {
    (0..rows)
        .step_by(BATCH_ROWS)
        .map(|start| {
            let range = start as u64..rows.min(start + BATCH_ROWS) as u64;
            let key: Int64Array = range.clone().map(|i| Some((scattered(i) % KEYS) as i64)).collect();
            let name: StringArray = range.clone().map(|i| Some(format!("airport {}", scattered(i) / KEYS % NAMES))).collect();
            let value: Int64Array = range.clone().map(|i| Some((scattered(i) % 1_000) as i64)).collect();
            let at: TimestampMicrosecondArray = range.map(|i| Some(START_US + i as i64 * STEP_US)).collect();
            RecordBatch::try_new(schema(), vec![Arc::new(key), Arc::new(name), Arc::new(value), Arc::new(at)])?.project(columns)
        })
        .collect()
}

/// A number that looks random, by two rounds of multiplying and folding.
fn scattered(i: u64) -> u64 {
    let mixed = (i ^ (i >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB)) >> 16
}
