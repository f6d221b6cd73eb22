//! What is matched, compiled; which rows of a batch take part; how rows of the same time are ordered.

use super::{
    due::Due,
    nodes::Nodes,
    values::{Candidate, Value},
};
use crate::{
    Batch, OperatorError, Rejects,
    aggregate::{
        keys::KeyLayout,
        time::{Times, shown},
    },
    rows::Expression,
    stream_join::rows::SideRows,
};
use arrow::{
    array::{ArrayRef, AsArray, UInt32Array},
    compute::{SortOptions, filter_record_batch, take},
    datatypes::{DataType, Schema, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
    row::{RowConverter, SortField},
};
use datafusion_common::DataFusionError;
use runink_checkpoint::KeyGroups;
use runink_connector_api::RejectReason;
use runink_planner::{EventTime, MatchOp, Reference};
use std::sync::Arc;

/// See the module.
pub(super) struct Spec {
    pub(super) step: Arc<str>,
    /// Key columns of the input.
    pub(super) keys: Vec<usize>,
    pub(super) layout: Arc<KeyLayout>,
    pub(super) groups: KeyGroups,
    pub(super) time: EventTime,
    pub(super) input: SchemaRef,
    pub(super) output: SchemaRef,
    /// The input's columns that are kept.
    pub(super) stored: Vec<usize>,
    pub(super) events: Vec<Event>,
    pub(super) outputs: Vec<Value>,
    /// The times of a match's first and last row.
    pub(super) ends: [Value; 2],
    pub(super) partial: bool,
    /// Orders rows of the same time.
    ties: (Vec<usize>, RowConverter),
}

/// An event, compiled.
pub(super) struct Event {
    /// A Boolean column of the input that must be true.
    pub(super) own: Option<usize>,
    /// What else must be.
    pub(super) joint: Option<Joint>,
}

/// A condition over a row and a path.
pub(super) struct Joint {
    condition: Expression,
    schema: SchemaRef,
    /// The input's columns that it reads.
    pub(super) columns: Vec<usize>,
    references: Vec<Value>,
}

/// Whether a row is an event behind a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Known(bool),
    Failed(String),
}

impl Spec {
    pub(super) fn new(step: &str, op: &MatchOp, input: &SchemaRef, output: &SchemaRef, groups: KeyGroups) -> Result<Self, OperatorError> {
        let refuse = |message: String| Err(OperatorError::plan(step, message));
        let kernel = |e: arrow::error::ArrowError| OperatorError::kernel(step, e);
        let stored = op.columns_read();
        if stored.last().is_some_and(|&c| c >= input.fields().len()) {
            return refuse(format!("a pattern over columns {stored:?} of {input:?}"));
        }
        let time = Arc::new(input.field(op.time.column).clone());
        let end = |pick| Value::compile(step, &Reference { event: None, pick, field: time.clone() }, input);
        let ends = [
            end(runink_planner::Pick::First { column: op.time.column, skip: 0 })?,
            end(runink_planner::Pick::Last { column: op.time.column, skip: 0 })?,
        ];
        let given = op.keys.iter().map(|&k| input.field(k).data_type()).chain(op.outputs.iter().map(|r| r.field.data_type()));
        let given: Vec<&DataType> =
            given.chain([time.data_type(), time.data_type()]).chain(op.partial.then_some(&DataType::Boolean)).collect();
        if !given.iter().copied().eq(output.fields().iter().map(|f| f.data_type())) {
            return refuse(format!("a pattern that gives {given:?} as {output:?}"));
        }
        let references = op.references.iter().map(|r| Ok((r.field.name().clone(), r)));
        let references = references.collect::<Result<Vec<_>, OperatorError>>()?;
        let mut events = Vec::with_capacity(op.events.len());
        for event in &op.events {
            if event.own.is_some_and(|own| *input.field(own).data_type() != DataType::Boolean) {
                return refuse(format!("`{}` is told by what is not Boolean", event.name));
            }
            let joint = event.joint.as_ref().map(|joint| {
                let read = joint.column_refs();
                let mut columns: Vec<usize> =
                    (0..input.fields().len()).filter(|&c| read.iter().any(|r| r.name == *input.field(c).name())).collect();
                columns.sort_unstable();
                let used: Vec<&Reference> =
                    references.iter().filter(|(name, _)| read.iter().any(|r| r.name == *name)).map(|(_, r)| *r).collect();
                let fields = columns.iter().map(|&c| Arc::new(input.field(c).clone().with_nullable(true)));
                let schema: SchemaRef = Arc::new(Schema::new(fields.chain(used.iter().map(|r| r.field.clone())).collect::<Vec<_>>()));
                Ok(Joint {
                    condition: Expression::compile(step, joint, &schema)?,
                    schema,
                    columns,
                    references: used.iter().map(|r| Value::compile(step, r, input)).collect::<Result<_, OperatorError>>()?,
                })
            });
            events.push(Event { own: event.own, joint: joint.transpose()? });
        }
        let sort = |(c, ascending, nulls_first): (usize, bool, bool)| {
            SortField::new_with_options(input.field(c).data_type().clone(), SortOptions { descending: !ascending, nulls_first })
        };
        let contents = stored.iter().map(|&c| (c, true, false));
        let tied: Vec<(usize, bool, bool)> = op.order.iter().copied().chain(contents).collect();
        let converter = RowConverter::new(tied.iter().copied().map(sort).collect()).map_err(kernel)?;
        let types = op.keys.iter().map(|&k| input.field(k).data_type().clone()).collect();
        Ok(Spec {
            step: step.into(),
            keys: op.keys.clone(),
            layout: KeyLayout::new(types).map_err(kernel)?,
            groups,
            time: op.time.clone(),
            input: input.clone(),
            output: output.clone(),
            stored,
            events,
            outputs: op.outputs.iter().map(|r| Value::compile(step, r, input)).collect::<Result<_, _>>()?,
            ends,
            partial: op.partial,
            ties: (tied.iter().map(|t| t.0).collect(), converter),
        })
    }

    pub(super) fn error(&self, error: impl Into<DataFusionError>) -> OperatorError {
        OperatorError::kernel(&self.step, error)
    }

    /// Which rows of a batch take part, with their times; the others are rejected. `reached`: how far time had come before this epoch.
    pub(super) fn admit(&self, batch: &Batch, reached: i64, rejects: &mut Rejects) -> Result<(Batch, Vec<i64>), OperatorError> {
        if batch.diffs.as_ref().is_some_and(|d| d.values().iter().any(|&d| d != 1)) {
            return Err(OperatorError::plan(&self.step, "a pattern over a changelog"));
        }
        let times = Times::read(&self.step, Some(&self.time), batch, 0)?;
        let (mut kept, mut at) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for row in 0..batch.len() {
            match times.at(row) {
                Err(why) => rejects.push(RejectReason::Expression, &self.step, why.message().to_owned(), batch, row),
                Ok(time) if time < reached => {
                    let message = format!("late for {}: event time {}, the watermark was {}", self.step, shown(time), shown(reached));
                    rejects.push(RejectReason::Late, &self.step, message, batch, row);
                }
                Ok(time) => {
                    kept.push(row as u32);
                    at.push(time);
                }
            }
        }
        if kept.len() == batch.len() {
            return Ok((batch.clone(), at));
        }
        Ok((batch.take(&UInt32Array::from(kept)).map_err(|e| self.error(e))?, at))
    }

    /// Puts rows of the same key and time in order, among rows that are sorted by both.
    pub(super) fn order_ties(&self, due: &mut [Due], rows: &SideRows) -> Result<(), OperatorError> {
        let together = |a: &Due, b: &Due| (a.key, a.time) == (b.key, b.time);
        let tied: Vec<u32> = due.chunk_by(together).filter(|c| c.len() > 1).flatten().map(|d| d.slot).collect();
        if tied.is_empty() {
            return Ok(());
        }
        let columns = rows.gather(&tied, &self.ties.0).map_err(|e| self.error(e))?;
        let sorted = self.ties.1.convert_columns(&columns).map_err(|e| self.error(e))?;
        let mut first = 0;
        for chunk in due.chunk_by_mut(together).filter(|c| c.len() > 1) {
            let mut order: Vec<usize> = (first..first + chunk.len()).collect();
            order.sort_by(|&a, &b| sorted.row(a).cmp(&sorted.row(b)));
            chunk.iter_mut().zip(order).for_each(|(at, from)| at.slot = tied[from]);
            first += chunk.len();
        }
        Ok(())
    }

    /// A kept row as a batch, to be rejected.
    pub(super) fn row(&self, slot: u32, rows: &SideRows) -> Result<Batch, OperatorError> {
        let columns = rows.gather(&[slot], &self.stored).map_err(|e| self.error(e))?;
        let schema = self.input.project(&self.stored).map_err(|e| self.error(e))?;
        RecordBatch::try_new(Arc::new(schema), columns).map(Batch::of).map_err(|e| self.error(e))
    }

    pub(super) fn reject(&self, slot: u32, message: String, rows: &SideRows, rejects: &mut Rejects) -> Result<(), OperatorError> {
        let row = self.row(slot, rows)?;
        rejects.push(RejectReason::Expression, &self.step, message, &row, 0);
        Ok(())
    }
}

impl Joint {
    /// Which candidates are the event. `due` has, for each candidate, the place of its row in `columns`, which are [`Self::columns`] of all rows.
    pub(super) fn holds(
        &self,
        columns: &[ArrayRef],
        due: &[u32],
        candidates: &[Candidate],
        nodes: &Nodes,
        rows: &SideRows,
    ) -> Result<Vec<Answer>, DataFusionError> {
        let mut answers = vec![Answer::Known(false); candidates.len()];
        let places = UInt32Array::from(due.to_vec());
        let mut read = columns.iter().map(|c| take(c, &places, None)).collect::<Result<Vec<_>, _>>()?;
        for reference in &self.references {
            let values = reference.of(candidates, nodes, rows)?;
            values.failures.into_iter().for_each(|(at, why)| answers[at] = Answer::Failed(why));
            read.push(values.column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(candidates.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), read, &options)?;
        let held = match self.condition.evaluate(&batch) {
            Ok(held) => held,
            Err(_) => {
                let failures = self.condition.failures(&batch);
                failures.iter().for_each(|f| answers[f.row] = Answer::Failed(f.message.clone()));
                let good = arrow::array::BooleanArray::from_iter(answers.iter().map(|a| Some(matches!(a, Answer::Known(_)))));
                let held = self.condition.evaluate(&filter_record_batch(&batch, &good)?)?;
                let mut next = 0;
                let spread: UInt32Array = good
                    .values()
                    .iter()
                    .map(|good| {
                        next += u32::from(good);
                        good.then(|| next - 1)
                    })
                    .collect();
                take(&held, &spread, None)?
            }
        };
        let held = held.as_boolean();
        for (at, answer) in answers.iter_mut().enumerate() {
            if let Answer::Known(known) = answer {
                *known = arrow::array::Array::is_valid(held, at) && held.value(at);
            }
        }
        Ok(answers)
    }
}
