//! Row stages: filters, projections, expectations and unnesting, one after the other over a batch, without state.

mod choice;
mod days;
mod expand;
mod expression;
mod instead;
mod strict;
mod unnest;

pub use expression::{Expression, RowFailure};

use crate::{Batch, OperatorError, Rejects, rejects::row_as_json};
use arrow::{
    array::{Array, ArrayRef, BooleanArray},
    buffer::{BooleanBuffer, NullBuffer},
    compute::not,
    datatypes::SchemaRef,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use runink_connector_api::RejectReason;
use runink_planner::{ExpectAction, RowStage, RowStageKind};
use std::sync::Arc;

/// What a stage did with its rows: `rows_in = rows_out + filtered + rejected`, but for unnesting and grouping sets, where rows multiply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageCounts {
    /// Rows that came.
    pub rows_in: u64,
    /// Rows that went on.
    pub rows_out: u64,
    /// Rows that a filter left out.
    pub filtered: u64,
    /// Rows that were rejected.
    pub rejected: u64,
    /// Rows that went on although an expectation did not hold.
    pub alerts: u64,
}

/// Stages, compiled.
pub struct RowPipeline {
    stages: Vec<Stage>,
}

struct Stage {
    step: Arc<str>,
    kind: Kind,
    schema: SchemaRef,
    counts: StageCounts,
}

enum Kind {
    Filter(Expression),
    Project(Vec<Expression>),
    Expect { predicate: Expression, text: String, reason: RejectReason, otherwise: ExpectAction },
    Unnest { column: usize, ordinality: bool, keep_empty: bool },
    Expand { keys: Vec<usize>, sets: Vec<Vec<bool>> },
}

impl RowPipeline {
    /// Compiles stages over rows of `input`.
    ///
    /// # Errors
    /// Where an expression does not fit its schema.
    pub fn new(stages: &[RowStage], input: &SchemaRef) -> Result<Self, OperatorError> {
        let mut schema = input.clone();
        let mut compiled = Vec::with_capacity(stages.len());
        for stage in stages {
            let step = stage.step.as_str();
            let kind = match &stage.kind {
                RowStageKind::Filter(expr) => Kind::Filter(Expression::compile(step, expr, &schema)?),
                RowStageKind::Project(exprs) => {
                    Kind::Project(exprs.iter().map(|(e, _)| Expression::compile(step, e, &schema)).collect::<Result<_, _>>()?)
                }
                RowStageKind::Expect(expect) => Kind::Expect {
                    predicate: Expression::compile(step, &expect.predicate, &schema)?,
                    text: expect.text.clone(),
                    reason: expect.reason,
                    otherwise: expect.otherwise.clone(),
                },
                RowStageKind::Expand { keys, sets } => Kind::Expand { keys: keys.clone(), sets: sets.clone() },
                RowStageKind::Unnest { column, ordinality, keep_empty } => {
                    Kind::Unnest { column: *column, ordinality: *ordinality, keep_empty: *keep_empty }
                }
            };
            compiled.push(Stage { step: step.into(), kind, schema: stage.schema.clone(), counts: StageCounts::default() });
            schema = stage.schema.clone();
        }
        Ok(RowPipeline { stages: compiled })
    }

    /// What each stage did since the last call, with the step it belongs to.
    pub fn take_counts(&mut self) -> impl Iterator<Item = (&Arc<str>, StageCounts)> {
        self.stages.iter_mut().map(|s| (&s.step, std::mem::take(&mut s.counts)))
    }

    /// Takes a batch through all stages; `None` where no row is left.
    ///
    /// # Errors
    /// Where an expectation says to stop, or a kernel fails without a row to blame.
    pub fn run(&mut self, batch: Batch, rejects: &mut Rejects) -> Result<Option<Batch>, OperatorError> {
        let mut batch = batch;
        for stage in &mut self.stages {
            if batch.is_empty() {
                return Ok(None);
            }
            stage.counts.rows_in += batch.len() as u64;
            batch = stage.run(batch, rejects)?;
            stage.counts.rows_out += batch.len() as u64;
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

impl Stage {
    fn run(&mut self, batch: Batch, rejects: &mut Rejects) -> Result<Batch, OperatorError> {
        match &self.kind {
            Kind::Filter(predicate) => {
                let (batch, mask) = evaluate_on(&self.step, predicate, batch, rejects, &mut self.counts)?;
                let kept = mask.true_count();
                self.counts.filtered += (batch.len() - kept) as u64;
                if kept == batch.len() { Ok(batch) } else { batch.filter(&mask).map_err(|e| OperatorError::kernel(&self.step, e)) }
            }
            Kind::Project(expressions) => self.project(expressions, batch, rejects).map(|(batch, failed)| {
                self.counts.rejected += failed;
                batch
            }),
            Kind::Expect { predicate, text, reason, otherwise } => {
                let (batch, mut held) = evaluate_on(&self.step, predicate, batch, rejects, &mut self.counts)?;
                if let (RejectReason::Contract, Some(diffs)) = (reason, &batch.diffs) {
                    // A deletion of a keyed source has its key only, and promises nothing of the rest.
                    held = BooleanArray::from_unary(diffs, |diff| diff < 0)
                        .iter()
                        .zip(&held)
                        .map(|(d, h)| Some(d == Some(true) || h == Some(true)))
                        .collect();
                }
                let broken = (batch.len() - held.true_count()) as u64;
                match otherwise {
                    ExpectAction::Tag(_) => {
                        let flags: ArrayRef = Arc::new(not(&held).map_err(|e| OperatorError::kernel(&self.step, e))?);
                        let columns = batch.rows.columns().iter().cloned().chain([flags]).collect();
                        let rows = RecordBatch::try_new(self.schema.clone(), columns).map_err(|e| OperatorError::kernel(&self.step, e))?;
                        self.counts.alerts += broken;
                        Ok(Batch { rows, ..batch })
                    }
                    _ if broken == 0 => Ok(batch),
                    ExpectAction::Alert => {
                        self.counts.alerts += broken;
                        Ok(batch)
                    }
                    ExpectAction::Reject => {
                        for row in (0..batch.len()).filter(|&row| !held.value(row)) {
                            rejects.push(*reason, &self.step, format!("`{text}` does not hold"), &batch, row);
                        }
                        self.counts.rejected += broken;
                        batch.filter(&held).map_err(|e| OperatorError::kernel(&self.step, e))
                    }
                    ExpectAction::Fail => {
                        let row = (0..batch.len()).find(|&row| !held.value(row)).unwrap_or_default();
                        Err(OperatorError::Expectation {
                            step: self.step.to_string(),
                            text: text.clone(),
                            row: row_as_json(&batch.rows, row),
                        })
                    }
                }
            }
            Kind::Expand { keys, sets } => {
                expand::expand(&batch, keys, sets, &self.schema).map_err(|e| OperatorError::kernel(&self.step, e))
            }
            Kind::Unnest { column, ordinality, keep_empty } => {
                unnest::unnest(&batch, *column, *ordinality, *keep_empty, &self.schema).map_err(|e| OperatorError::kernel(&self.step, e))
            }
        }
    }

    fn project(&self, expressions: &[Expression], batch: Batch, rejects: &mut Rejects) -> Result<(Batch, u64), OperatorError> {
        let evaluate = |rows: &RecordBatch| {
            let columns = expressions.iter().map(|e| e.evaluate(rows)).collect::<Result<Vec<_>, _>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
            RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(datafusion_common::DataFusionError::from)
        };
        match evaluate(&batch.rows) {
            Ok(rows) => Ok((Batch { rows, ..batch }, 0)),
            Err(error) => {
                let failures = expressions.iter().flat_map(|e| e.failures(&batch.rows)).collect::<Vec<_>>();
                if failures.is_empty() {
                    return Err(OperatorError::kernel(&self.step, error));
                }
                let (batch, failed) = reject_failures(&self.step, failures, batch, rejects)?;
                let rows = evaluate(&batch.rows).map_err(|e| OperatorError::kernel(&self.step, e))?;
                Ok((Batch { rows, ..batch }, failed))
            }
        }
    }
}

/// Evaluates a condition; rows on which it fails are rejected. Gives the rows that are left and, for each, whether it is true.
fn evaluate_on(
    step: &Arc<str>,
    predicate: &Expression,
    batch: Batch,
    rejects: &mut Rejects,
    counts: &mut StageCounts,
) -> Result<(Batch, BooleanArray), OperatorError> {
    let (batch, values) = match predicate.evaluate(&batch.rows) {
        Ok(values) => (batch, values),
        Err(error) => {
            let failures = predicate.failures(&batch.rows);
            if failures.is_empty() {
                return Err(OperatorError::kernel(step, error));
            }
            let (batch, failed) = reject_failures(step, failures, batch, rejects)?;
            counts.rejected += failed;
            let values = predicate.evaluate(&batch.rows).map_err(|e| OperatorError::kernel(step, e))?;
            (batch, values)
        }
    };
    let values = values
        .as_any()
        .downcast_ref::<BooleanArray>()
        .ok_or_else(|| OperatorError::plan(step, format!("a condition of type {}", values.data_type())))?;
    Ok((batch, null_is_false(values)))
}

fn null_is_false(values: &BooleanArray) -> BooleanArray {
    match values.nulls() {
        None => values.clone(),
        Some(valid) => BooleanArray::new(values.values() & valid.inner(), None::<NullBuffer>),
    }
}

/// Rejects the rows on which an expression failed; gives those that are left, and how many were rejected.
pub(crate) fn reject_failures(
    step: &Arc<str>,
    mut failures: Vec<RowFailure>,
    batch: Batch,
    rejects: &mut Rejects,
) -> Result<(Batch, u64), OperatorError> {
    failures.sort_by_key(|f| f.row);
    failures.dedup_by_key(|f| f.row);
    let mut keep = vec![true; batch.len()];
    for failure in &failures {
        keep[failure.row] = false;
        rejects.push(RejectReason::Expression, step, failure.message.clone(), &batch, failure.row);
    }
    let mask = BooleanArray::new(BooleanBuffer::from(keep), None);
    let batch = batch.filter(&mask).map_err(|e| OperatorError::kernel(step, e))?;
    Ok((batch, failures.len() as u64))
}
