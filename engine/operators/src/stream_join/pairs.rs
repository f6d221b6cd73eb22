//! Pairs of rows: which ones the further condition lets through, and what they look like when they come out.

use super::{bound::Span, bucket::NONE, rows::SideRows};
use crate::{Batch, OperatorError, Rejects, rows::Expression};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array, new_null_array},
    buffer::BooleanBuffer,
    compute::{filter_record_batch, take},
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use datafusion_common::DataFusionError;
use datafusion_expr::Expr;
use runink_connector_api::RejectReason;
use std::sync::Arc;

/// How many candidate pairs are looked at, and how many rows come out, at once: a key with many rows must not make a batch without bound.
pub(super) const BLOCK_PAIRS: usize = 16 * 1024;

/// The rows of one side of pairs, in order.
#[derive(Clone, Copy)]
pub(super) enum Pick<'a> {
    /// Rows of a batch.
    Batch(&'a RecordBatch, &'a [u32]),
    /// Rows that are kept.
    Kept(&'a SideRows, &'a [u32]),
    /// None: nulls.
    Nulls(&'a SchemaRef, usize),
}

impl Pick<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Pick::Batch(_, rows) | Pick::Kept(_, rows) => rows.len(),
            Pick::Nulls(_, rows) => *rows,
        }
    }

    fn columns(&self, wanted: &[usize]) -> Result<Vec<ArrayRef>, ArrowError> {
        match self {
            Pick::Batch(batch, rows) => {
                let rows = UInt32Array::from(rows.to_vec());
                wanted.iter().map(|&c| take(batch.column(c), &rows, None)).collect()
            }
            Pick::Kept(kept, slots) => kept.gather(slots, wanted),
            Pick::Nulls(schema, rows) => Ok(wanted.iter().map(|&c| new_null_array(schema.field(c).data_type(), *rows)).collect()),
        }
    }
}

/// Columns for pairs: left ones, then right ones.
pub(super) fn joined(schema: &SchemaRef, left: (Pick<'_>, &[usize]), right: (Pick<'_>, &[usize])) -> Result<RecordBatch, ArrowError> {
    let rows = left.0.len();
    let mut columns = left.0.columns(left.1)?;
    columns.extend(right.0.columns(right.1)?);
    RecordBatch::try_new_with_options(schema.clone(), columns, &RecordBatchOptions::new().with_row_count(Some(rows)))
}

/// A further condition, compiled over the columns that it reads.
pub(super) struct Condition {
    expression: Expression,
    schema: SchemaRef,
    /// Left columns, and right ones.
    pub(super) reads: [Vec<usize>; 2],
}

impl Condition {
    pub(super) fn compile(step: &str, expr: &Expr, schema: &SchemaRef, left_columns: usize) -> Result<Self, OperatorError> {
        let mut read: Vec<usize> = Vec::new();
        for column in expr.column_refs() {
            read.push(schema.index_of(&column.name).map_err(|e| OperatorError::plan(step, e.to_string()))?);
        }
        read.sort_unstable();
        let schema: SchemaRef = Arc::new(Schema::new(read.iter().map(|&c| schema.field(c).clone()).collect::<Vec<_>>()));
        let left = read.iter().copied().filter(|&c| c < left_columns).collect();
        let right = read.iter().filter_map(|&c| c.checked_sub(left_columns)).collect();
        Ok(Condition { expression: Expression::compile(step, expr, &schema)?, schema, reads: [left, right] })
    }

    /// For each pair, whether the condition is true. A pair on which it fails is rejected and does not meet.
    pub(super) fn holds(
        &self,
        step: &Arc<str>,
        left: Pick<'_>,
        right: Pick<'_>,
        rejects: &mut Rejects,
    ) -> Result<BooleanBuffer, OperatorError> {
        let kernel = |e: DataFusionError| OperatorError::kernel(step, e);
        let pairs = joined(&self.schema, (left, &self.reads[0]), (right, &self.reads[1])).map_err(|e| kernel(e.into()))?;
        let error = match self.evaluate(&pairs) {
            Ok(held) => return Ok(held),
            Err(error) => error,
        };
        let failures = self.expression.failures(&pairs);
        if failures.is_empty() {
            return Err(kernel(error));
        }
        let mut good = vec![true; pairs.num_rows()];
        let batch = Batch::of(pairs);
        for failure in failures {
            good[failure.row] = false;
            rejects.push(RejectReason::Expression, step, format!("the join's condition: {}", failure.message), &batch, failure.row);
        }
        let rest = filter_record_batch(&batch.rows, &BooleanArray::from(good.clone())).map_err(|e| kernel(e.into()))?;
        let mut held = self.evaluate(&rest).map_err(kernel)?.iter().collect::<Vec<_>>().into_iter();
        Ok(good.into_iter().map(|good| good && held.next().unwrap_or(false)).collect())
    }

    fn evaluate(&self, pairs: &RecordBatch) -> Result<BooleanBuffer, DataFusionError> {
        let held = self.expression.evaluate(pairs)?;
        let held = held.as_boolean_opt().ok_or_else(|| DataFusionError::Internal("a join condition that is not Boolean".into()))?;
        Ok(match held.nulls() {
            None => held.values().clone(),
            Some(valid) => held.values() & valid.inner(),
        })
    }
}

/// Keeps the pairs for which the mask is true.
pub(super) fn keep(pairs: &mut (Vec<u32>, Vec<u32>), mask: &BooleanBuffer) {
    let mut held = mask.iter();
    pairs.0.retain(|_| held.next().unwrap_or(false));
    let mut held = mask.iter();
    pairs.1.retain(|_| held.next().unwrap_or(false));
}

/// A walk over all candidate pairs of rows that come with the kept rows of the other side, in blocks.
#[derive(Default)]
pub(super) struct Walk {
    row: usize,
    /// Where in the row's chain it stands, if inside.
    at: Option<u32>,
}

/// The rows that come, as a walk sees them.
#[derive(Clone, Copy)]
pub(super) struct Probe<'a> {
    pub(super) keys: &'a [u32],
    pub(super) spans: &'a [Span],
    /// How far time had come before this epoch.
    pub(super) reached: i64,
    /// One candidate for each row is enough.
    pub(super) first_only: bool,
}

impl Walk {
    /// The next candidates: rows that come, and slots, pair by pair. None where all have been seen.
    pub(super) fn next(&mut self, probe: &Probe<'_>, kept: &SideRows, pairs: &mut (Vec<u32>, Vec<u32>)) -> bool {
        pairs.0.clear();
        pairs.1.clear();
        while self.row < probe.keys.len() {
            let span = probe.spans[self.row];
            let mut at = self.at.take().unwrap_or_else(|| kept.head(probe.keys[self.row]));
            while at != NONE {
                if pairs.0.len() == BLOCK_PAIRS {
                    self.at = Some(at);
                    return true;
                }
                let slot = kept.slot(at);
                if slot.low.max(span.low) <= slot.high.min(span.high) && kept.is_there(slot, probe.reached) {
                    pairs.0.push(self.row as u32);
                    pairs.1.push(at);
                    if probe.first_only {
                        break;
                    }
                }
                at = slot.next;
            }
            self.row += 1;
        }
        !pairs.0.is_empty()
    }
}
