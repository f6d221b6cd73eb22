//! Rejects are data: rows that could not go on, with why, where they stood, and what they were.

use crate::Batch;
use arrow::{
    array::{ArrayRef, BinaryArray, StringArray, UInt64Array},
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
    record_batch::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use runink_connector_api::RejectReason;
use std::sync::Arc;

/// One row that could not go on.
#[derive(Debug, Clone, PartialEq)]
pub struct RejectedRow {
    /// Why, as a class.
    pub reason: RejectReason,
    /// The step (or source) that turned it away.
    pub step: Arc<str>,
    /// The source it came from, where known.
    pub source: Option<Arc<str>>,
    /// What its position counts in.
    pub place: Option<Arc<str>>,
    /// Its position.
    pub position: Option<u64>,
    /// Why, as a sentence.
    pub message: String,
    /// The original bytes, or the row as the step saw it, as JSON.
    pub row: Vec<u8>,
}

/// Rejects of one epoch as they come up.
#[derive(Debug, Default)]
pub struct Rejects {
    rows: Vec<RejectedRow>,
}

impl Rejects {
    /// Turns a row of a batch away.
    pub fn push(&mut self, reason: RejectReason, step: &Arc<str>, message: String, batch: &Batch, row: usize) {
        let origin = batch.origin.as_ref();
        self.rows.push(RejectedRow {
            reason,
            step: step.clone(),
            source: origin.map(|o| o.source.clone()),
            place: origin.map(|o| o.place.clone()),
            position: origin.map(|o| o.position(row)),
            message,
            row: row_as_json(&batch.rows, row).into_bytes(),
        });
    }

    /// Takes a row that is complete.
    pub fn push_row(&mut self, row: RejectedRow) {
        self.rows.push(row);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All of them.
    pub fn rows(&self) -> &[RejectedRow] {
        &self.rows
    }

    /// All of them, leaving none.
    pub fn take(&mut self) -> Vec<RejectedRow> {
        std::mem::take(&mut self.rows)
    }

    /// All of them as a batch of the reject stream's schema, leaving none; `None` where there are none.
    ///
    /// # Errors
    /// Where columns cannot be put together.
    pub fn take_batch(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let rows = self.take();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.reason.as_str()))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &*r.step))),
            Arc::new(StringArray::from_iter(rows.iter().map(|r| r.source.as_deref()))),
            Arc::new(StringArray::from_iter(rows.iter().map(|r| r.place.as_deref()))),
            Arc::new(UInt64Array::from_iter(rows.iter().map(|r| r.position))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.message))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|r| String::from_utf8_lossy(&r.row)))),
            Arc::new(BinaryArray::from_iter_values(rows.iter().map(|r| &r.row))),
        ];
        RecordBatch::try_new(runink_planner::rejected_schema(), columns).map(Some)
    }
}

/// One row as a JSON object, for people. Values that JSON has no form for are shown as text.
pub(crate) fn row_as_json(rows: &RecordBatch, row: usize) -> String {
    let options = FormatOptions::default().with_null("null");
    let mut out = String::from("{");
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        if out.len() > 1 {
            out.push_str(", ");
        }
        out.push_str(&format!("{:?}: ", field.name()));
        let bare = column.is_null(row) || column.data_type().is_numeric() || *column.data_type() == DataType::Boolean;
        let text = ArrayFormatter::try_new(column.as_ref(), &options).and_then(|formatter| formatter.value(row).try_to_string());
        // An instant that no calendar has is shown as its number.
        let text = text.or_else(|e| {
            let number = cast(&column.slice(row, 1), &DataType::Int64).map_err(|_| e)?;
            ArrayFormatter::try_new(number.as_ref(), &options)?.value(0).try_to_string()
        });
        let text = text.unwrap_or_else(|e| e.to_string());
        if bare { out.push_str(&text) } else { out.push_str(&format!("{text:?}")) }
    }
    out.push('}');
    out
}
