//! The first of two phases: an epoch's rows, aggregated on the worker that has them, by slice and key.

use super::{grouping::Grouping, pane::PRESENT, panes::Panes};
use crate::{Batch, OperatorError, Rejects, aggregate::grouping::constant};
use arrow::{
    array::{ArrayRef, Int64Array},
    compute::concat_batches,
    datatypes::{Schema, SchemaRef},
    record_batch::RecordBatch,
};
use runink_checkpoint::KeyGroups;
use runink_planner::AggregateOp;
use std::sync::Arc;

/// See the module.
pub struct PartialAggregate {
    grouping: Grouping,
    schema: SchemaRef,
}

impl PartialAggregate {
    /// Of a plan that [`Self::supports`] supports.
    ///
    /// # Errors
    /// Where the plan does not fit its schema.
    pub fn new(step: &str, op: &AggregateOp, input: &SchemaRef, groups: KeyGroups) -> Result<Self, OperatorError> {
        let grouping = Grouping::new(step, op, input, groups)?;
        if !is_exact(&grouping, op) {
            return Err(OperatorError::plan(step, "two phases would change results"));
        }
        let schema = Arc::new(Schema::new(grouping.partial_fields()));
        Ok(PartialAggregate { grouping, schema })
    }

    /// Whether two phases give the very results that one gives: states of parts merge exactly, in any order.
    pub fn supports(op: &AggregateOp, input: &SchemaRef) -> bool {
        Grouping::new("", op, input, KeyGroups::default()).is_ok_and(|grouping| is_exact(&grouping, op))
    }

    /// The states of an epoch's rows: columns `slice_end_us`, the keys, each call's state; `None` where no row is left. `watermark_before`
    /// is that of the epoch before, in µs; `clock_us` is the epoch's wall clock.
    ///
    /// # Errors
    /// Where rows do not fit the plan.
    pub fn apply(
        &mut self,
        batches: Vec<Batch>,
        watermark_before: i64,
        clock_us: i64,
        rejects: &mut Rejects,
    ) -> Result<Option<RecordBatch>, OperatorError> {
        let grouping = &self.grouping;
        let mut panes = Panes::new(None, false);
        // On the clock no row is late: its windows end after it.
        panes.closed_to = if grouping.by_clock() { i64::MIN } else { watermark_before };
        for batch in &batches {
            panes.apply(grouping, batch, false, clock_us, rejects)?;
        }
        let mut pieces = Vec::with_capacity(panes.panes.len());
        for (end, mut pane) in panes.panes {
            // A group whose rows cancel each other out may have changed all the same.
            let groups = if grouping.retracts { (0..pane.keys.bound() as u32).collect() } else { pane.with_flag(PRESENT) };
            let mut columns: Vec<ArrayRef> = vec![constant(end, groups.len())];
            columns.extend(pane.keys.columns(&groups).map_err(|e| grouping.error(e))?);
            for accumulator in &mut pane.accumulators {
                columns.extend(accumulator.state(&groups).map_err(|e| grouping.error(e))?);
            }
            if grouping.retracts {
                columns.push(Arc::new(groups.iter().map(|&id| Some(pane.weight(id))).collect::<Int64Array>()));
            }
            pieces.push(RecordBatch::try_new(self.schema.clone(), columns).map_err(|e| grouping.error(e))?);
        }
        match pieces.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only.clone())),
            all => concat_batches(&self.schema, all).map(Some).map_err(|e| grouping.error(e)),
        }
    }
}

fn is_exact(grouping: &Grouping, op: &AggregateOp) -> bool {
    grouping.gap.is_none() && grouping.calls.iter().zip(&op.calls).all(|(compiled, call)| compiled.merges_exactly(call))
}
