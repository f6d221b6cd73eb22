//! What is joined, compiled; which rows of a batch take part.

use super::{
    bound::{Bound, Side, Span},
    pairs::{Condition, Pick, joined},
};
use crate::{
    Batch, OperatorError, Rejects,
    aggregate::{
        keys::KeyLayout,
        time::{Times, shown},
    },
};
use arrow::{
    array::{Array, UInt32Array},
    buffer::NullBuffer,
    datatypes::SchemaRef,
    record_batch::RecordBatch,
};
use datafusion_common::DataFusionError;
use runink_checkpoint::KeyGroups;
use runink_connector_api::RejectReason;
use runink_planner::{EventTime, JoinBound, StreamJoinKind, StreamJoinOp};
use std::sync::Arc;

/// See the module.
pub(super) struct Spec {
    pub(super) step: Arc<str>,
    pub(super) kind: StreamJoinKind,
    pub(super) bound: Bound,
    /// The columns of event time, where it counts.
    times: Option<[EventTime; 2]>,
    pub(super) inputs: [SchemaRef; 2],
    /// Key columns of left and right.
    pub(super) keys: [Vec<usize>; 2],
    pub(super) layout: Arc<KeyLayout>,
    pub(super) condition: Option<Condition>,
    /// Which columns come out of left and right.
    columns: [Vec<usize>; 2],
    pub(super) output: SchemaRef,
    pub(super) groups: KeyGroups,
    /// Rows come out with multiplicities.
    pub(super) changelog: bool,
    /// Rows come in with multiplicities.
    pub(super) takes_back: [bool; 2],
}

/// The rows of a batch that take part.
pub(super) struct Admitted {
    pub(super) batch: Batch,
    pub(super) spans: Vec<Span>,
    /// Rows with a null in their key.
    pub(super) unkeyed: Option<Batch>,
}

impl Spec {
    pub(super) fn new(
        step: &str,
        op: &StreamJoinOp,
        inputs: [&SchemaRef; 2],
        output: &SchemaRef,
        groups: KeyGroups,
    ) -> Result<Self, OperatorError> {
        let refuse = |message: String| Err(OperatorError::plan(step, message));
        let [left, right] = inputs;
        for &(l, r) in &op.on {
            let types = [(left, l), (right, r)].map(|(schema, c)| schema.fields().get(c).map(|f| f.data_type().clone()));
            if types[0].is_none() || types[0] != types[1] {
                return refuse(format!("a join of column {l} with column {r}: {types:?}"));
            }
        }
        let Some(bound) = Bound::of(&op.bound) else { return refuse(format!("a join of two streams by {:?}", op.bound)) };
        if !matches!(bound, Bound::Kept { .. }) && op.changelog.contains(&true) {
            return refuse("a join within a bound of time over a changelog".into());
        }
        let times = match &op.bound {
            JoinBound::Window { times, .. } => times.clone(),
            JoinBound::Within { times, .. } | JoinBound::AsOf { times } => Some(times.clone()),
            JoinBound::Unbounded { .. } => None,
        };
        let right_columns = if op.kind.has_right_columns() { op.right_columns.clone() } else { Vec::new() };
        let given = left
            .fields()
            .iter()
            .map(|f| Some(f.data_type()))
            .chain(right_columns.iter().map(|&c| right.fields().get(c).map(|f| f.data_type())));
        if !given.eq(output.fields().iter().map(|f| Some(f.data_type()))) {
            return refuse(format!("the join of {left:?} with columns {right_columns:?} of {right:?} gives {output:?}"));
        }
        let condition =
            op.condition.as_ref().map(|(expr, schema)| Condition::compile(step, expr, schema, left.fields().len())).transpose()?;
        let keys = [op.on.iter().map(|on| on.0).collect::<Vec<_>>(), op.on.iter().map(|on| on.1).collect()];
        let types = keys[0].iter().map(|&k| left.field(k).data_type().clone()).collect();
        Ok(Spec {
            step: step.into(),
            kind: op.kind,
            bound,
            times,
            inputs: [left.clone(), right.clone()],
            keys,
            layout: KeyLayout::new(types).map_err(|e| OperatorError::kernel(step, e))?,
            condition,
            columns: [(0..left.fields().len()).collect(), right_columns],
            output: output.clone(),
            groups,
            changelog: op.is_changelog(),
            takes_back: op.changelog,
        })
    }

    pub(super) fn by_clock(&self) -> bool {
        matches!(self.bound, Bound::Window(_)) && self.times.is_none()
    }

    pub(super) fn error(&self, error: impl Into<DataFusionError>) -> OperatorError {
        OperatorError::kernel(&self.step, error)
    }

    /// The columns that are kept of a side: those that come out or that the condition reads; all where a row must be found to be taken back.
    pub(super) fn stored(&self, side: Side) -> Vec<usize> {
        let at = side.index();
        let read =
            |c: &usize| self.columns[at].contains(c) || self.condition.as_ref().is_some_and(|condition| condition.reads[at].contains(c));
        (0..self.inputs[at].fields().len()).filter(|c| self.takes_back[at] || read(c)).collect()
    }

    /// Which rows of a batch take part, and when; the others are rejected. `reached`: how far time had come before this epoch.
    pub(super) fn admit(
        &self,
        side: Side,
        batch: &Batch,
        reached: i64,
        clock_us: i64,
        rejects: &mut Rejects,
    ) -> Result<Admitted, OperatorError> {
        if !self.takes_back[side.index()] && batch.diffs.as_ref().is_some_and(|d| d.values().iter().any(|&d| d != 1)) {
            return Err(OperatorError::plan(&self.step, "a join of an append-only input over a changelog"));
        }
        let time = self.times.as_ref().map(|times| &times[side.index()]);
        // Without event time, the moment at which rows come; ages may count in event time.
        let now = if matches!(self.bound, Bound::Kept { .. }) { reached } else { clock_us };
        let times = Times::read(&self.step, time, batch, now)?;
        let columns = self.keys[side.index()].iter().map(|&k| batch.rows.column(k).logical_nulls());
        let nulls = columns.fold(None, |all, column| NullBuffer::union(all.as_ref(), column.as_ref())).filter(|n| n.null_count() > 0);
        let (mut kept, mut unkeyed) = (Vec::with_capacity(batch.len()), Vec::new());
        let mut spans = Vec::with_capacity(batch.len());
        for (row, placed) in self.bound.spans(side, &times, batch.len()).enumerate() {
            match placed {
                Err(why) => rejects.push(RejectReason::Expression, &self.step, why.message().to_owned(), batch, row),
                Ok((at, span)) if self.bound.is_late(side, at, span, reached) => {
                    rejects.push(RejectReason::Late, &self.step, self.late(at, reached), batch, row);
                }
                Ok(_) if nulls.as_ref().is_some_and(|n| n.is_null(row)) => unkeyed.push(row as u32),
                Ok((_, span)) => {
                    kept.push(row as u32);
                    spans.push(span);
                }
            }
        }
        let pick = |rows: Vec<u32>| batch.take(&UInt32Array::from(rows)).map_err(|e| self.error(e));
        let unkeyed = if unkeyed.is_empty() { None } else { Some(pick(unkeyed)?) };
        Ok(Admitted { batch: if kept.len() == batch.len() { batch.clone() } else { pick(kept)? }, spans, unkeyed })
    }

    pub(super) fn late(&self, at: i64, watermark: i64) -> String {
        format!(
            "late for {}: event time {}, the watermark was {}, and no partner can come any more",
            self.step,
            shown(at),
            shown(watermark)
        )
    }

    /// Pairs, as they come out.
    pub(super) fn pairs(&self, left: Pick<'_>, right: Pick<'_>) -> Result<RecordBatch, OperatorError> {
        joined(&self.output, (left, &self.columns[0]), (right, &self.columns[1])).map_err(|e| self.error(e))
    }

    /// Rows without partner (or, for semi joins, with one), as they come out.
    pub(super) fn alone(&self, side: Side, rows: Pick<'_>) -> Result<RecordBatch, OperatorError> {
        let nulls = Pick::Nulls(&self.inputs[side.other().index()], rows.len());
        match side {
            Side::Left => self.pairs(rows, nulls),
            Side::Right => self.pairs(nulls, rows),
        }
    }
}
