//! What a text decoder has decoded and not yet given: rows, positions and rejects.

use crate::{
    Decoded, ReadSpec,
    column::Rows,
    error,
    failure::{Failure, Found, required, shown},
    keep::Keep,
};
use arrow::{
    array::UInt64Array,
    datatypes::SchemaRef,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use runink_connector_api::{ConnectorError, Positions, Reject, RejectReason};

/// How many bytes of text make a batch at most, whatever the number of its rows (one row more may go beyond it). Bounds memory, and keeps offsets of
/// 32 bits far from their end.
pub(crate) const MAX_BATCH_BYTES: usize = 32 << 20;

/// How many bytes of rejected rows wait at most (one row more may go beyond it).
const MAX_REJECTED_BYTES: usize = 4 << 20;

/// Rows, positions and rejects that wait to be taken.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) rows: Rows,
    /// The line that the next row begins on.
    pub(crate) line: u64,
    /// The longest row that is decoded, in bytes.
    pub(crate) max_row_bytes: usize,
    schema: SchemaRef,
    keep: Keep,
    batch_rows: usize,
    positions: Vec<u64>,
    rejects: Vec<Reject>,
    text_bytes: usize,
    rejected_bytes: usize,
}

impl Output {
    pub(crate) fn new(format: &str, spec: &ReadSpec, first_line: u64, max_row_bytes: usize) -> Result<Self, ConnectorError> {
        let schema = spec.projected();
        Ok(Output {
            rows: Rows::new(format, schema.fields())?,
            line: first_line,
            max_row_bytes,
            keep: Keep::new(&spec.predicates, &schema),
            schema,
            batch_rows: spec.batch_rows.max(1),
            positions: Vec::new(),
            rejects: Vec::new(),
            text_bytes: 0,
            rejected_bytes: 0,
        })
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.positions.len() >= self.batch_rows
            || self.rejects.len() >= self.batch_rows
            || self.text_bytes >= MAX_BATCH_BYTES
            || self.rejected_bytes >= MAX_REJECTED_BYTES
    }

    /// Completes the row that has been read from these bytes, which end with its newline, and of which `filled` members have a value.
    #[inline]
    pub(crate) fn complete(&mut self, filled: usize, raw: &[u8]) {
        if let Err(member) = self.rows.complete(filled) {
            let message = required(self.rows.members[member].field.name());
            self.reject(RejectReason::Contract, message, raw);
            return;
        }
        if self.keep.drops_last(&self.rows) {
            self.rows.truncate(self.rows.len - 1);
            return;
        }
        self.text_bytes += raw.len();
        self.positions.push(self.line);
    }

    /// Turns a row away, with what was built of it.
    #[cold]
    pub(crate) fn reject(&mut self, reason: RejectReason, message: String, raw: &[u8]) {
        self.rows.truncate(self.positions.len());
        let raw = trim_newline(raw);
        let raw = raw[..raw.len().min(Reject::MAX_RAW_BYTES)].to_vec();
        self.rejected_bytes += raw.len();
        self.rejects.push(Reject { reason, position: self.line, message, raw });
    }

    /// Turns a row away that failed. `start` is the row's own offset in the buffer that the failure speaks of.
    #[cold]
    pub(crate) fn reject_failed(&mut self, format: &str, failure: &Failure, start: usize, raw: &[u8]) {
        match failure {
            Failure::Syntax { at, expected } => {
                let at = at.saturating_sub(start);
                let message = match trim_newline(raw).get(at..) {
                    Some([]) | None => format!("not {format}: expected {expected}, but the row ends at byte {}", at + 1),
                    Some(found) => {
                        let found = shown(&found[..found.len().min(12)]);
                        format!("not {format}: expected {expected} at byte {}, found `{found}`", at + 1)
                    }
                };
                self.reject(RejectReason::Decode, message, raw);
            }
            Failure::Misfit(misfit) => {
                let reason = match misfit.found {
                    Found::Nothing => RejectReason::Contract,
                    Found::Value(_) => RejectReason::Decode,
                };
                self.reject(reason, misfit.message(), raw);
            }
        }
    }

    /// Turns a row away that is longer than any may be, of which `raw` is the beginning.
    pub(crate) fn reject_too_long(&mut self, row_bytes: u64, raw: &[u8]) {
        let message = format!("the row has {row_bytes} bytes, more than the {} that a row may have", self.max_row_bytes);
        self.reject(RejectReason::Decode, message, raw);
    }

    /// Turns a row away that is not UTF-8 from its byte `at` (from 0) on.
    pub(crate) fn reject_not_utf8(&mut self, at: usize, raw: &[u8]) {
        let byte = raw.get(at).copied().unwrap_or_default();
        self.reject(RejectReason::Decode, format!("not UTF-8: byte {} is {byte:#04x}", at + 1), raw);
    }

    pub(crate) fn take(&mut self) -> Result<Option<Decoded>, ConnectorError> {
        if self.positions.is_empty() && self.rejects.is_empty() {
            return Ok(None);
        }
        self.rows.truncate(self.positions.len());
        let columns = self.rows.finish().map_err(error::batch)?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.positions.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(error::batch)?;
        let positions = positions(std::mem::take(&mut self.positions));
        (self.text_bytes, self.rejected_bytes) = (0, 0);
        Ok(Some(Decoded { batch, rejects: std::mem::take(&mut self.rejects), positions }))
    }
}

/// Ascending positions; a run where there are no gaps.
pub(crate) fn positions(each: Vec<u64>) -> Positions {
    match (each.first(), each.last()) {
        (Some(first), Some(last)) if last - first == each.len() as u64 - 1 => Positions::From(*first),
        (None, _) => Positions::From(0),
        _ => Positions::Each(UInt64Array::from(each)),
    }
}

/// A line without its end.
pub(crate) fn trim_newline(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
