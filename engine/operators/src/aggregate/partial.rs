//! The first of two phases: rows are aggregated on the worker that has them, by slice and key, and states travel in their place.
//!
//! Where results go out only as something ends ([`AggregateOp::gathers`]), states are held over epochs: until their slice ends, until they take too much
//! memory, or until a checkpoint asks for them ([`PartialAggregate::flush`]), so that they are never part of one. Else an epoch's go on with it. Which rows
//! are late is decided here, in their own epoch: so when states go on changes no result.
//!
//! Where nearly every row has a key of its own, gathering is lost work. So rows and keys are counted, and where it does not pay the next rows go on
//! as they are, each as the state of one row, until it is tried again.

use super::{
    grouping::{Grouping, Inputs},
    pane::{Marks, Pane},
    panes::Panes,
    time::{Run, runs},
};
use crate::{Batch, OperatorError, Rejects, aggregate::grouping::constant};
use arrow::{
    array::{ArrayRef, Int64Array, UInt32Array},
    compute::concat_batches,
    datatypes::{Schema, SchemaRef},
    record_batch::RecordBatch,
};
use runink_checkpoint::KeyGroups;
use runink_planner::AggregateOp;
use std::sync::Arc;

/// States of so many bytes are held at most; then all go on.
const HELD_BYTES_MAX: usize = 32 << 20;
/// Whether gathering pays is judged after this many rows.
const JUDGED_ROWS: u64 = 1 << 16;
/// It pays where there are at least so many rows for each state that travels: less saves no more than it costs.
const ROWS_PER_STATE_MIN: u64 = 2;
/// Where it did not pay, so many rows go on as they are before it is tried again.
const PASSED_ROWS: u64 = 1 << 21;

/// See the module.
pub struct PartialAggregate {
    grouping: Grouping,
    schema: SchemaRef,
    gathers: bool,
    panes: Panes,
    /// Rows that were gathered since the last judgement, and the states that they became and that have gone on.
    gathered: u64,
    given: u64,
    /// So many rows still go on as they are.
    to_pass: u64,
    passed: Vec<RecordBatch>,
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
        let panes = Panes::new(None, false);
        Ok(PartialAggregate { grouping, schema, gathers: op.gathers(), panes, gathered: 0, given: 0, to_pass: 0, passed: Vec::new() })
    }

    /// Whether two phases give the very results that one gives: states of parts merge exactly, in any order.
    pub fn supports(op: &AggregateOp, input: &SchemaRef) -> bool {
        Grouping::new("", op, input, KeyGroups::default()).is_ok_and(|grouping| is_exact(&grouping, op))
    }

    /// Whether states may be held when an epoch is over.
    pub fn gathers(&self) -> bool {
        self.gathers
    }

    /// Lets so many rows go on as they are before the next are gathered, where anything is. Tests ask for it; else [`PASSED_ROWS`] does when gathering does not pay.
    pub fn pass(&mut self, rows: u64) {
        self.to_pass = if self.gathers { rows } else { 0 };
    }

    /// Takes an epoch's rows. `watermark_before` is that of the epoch before, in µs; `clock_us` is the epoch's wall clock.
    ///
    /// # Errors
    /// Where rows do not fit the plan.
    pub fn apply(&mut self, batches: &[Batch], watermark_before: i64, clock_us: i64, rejects: &mut Rejects) -> Result<(), OperatorError> {
        let grouping = &self.grouping;
        // On the clock no row is late: its windows end after it.
        self.panes.closed_to = if grouping.by_clock() { i64::MIN } else { self.panes.closed_to.max(watermark_before) };
        for batch in batches {
            let rows = batch.len() as u64;
            if self.to_pass > 0 {
                self.to_pass = self.to_pass.saturating_sub(rows);
                let runs = runs(grouping, batch, self.panes.closed_to, clock_us, rejects)?;
                if !runs.is_empty() {
                    self.passed.push(self.each_row(batch, &runs)?);
                }
            } else {
                self.gathered += rows;
                self.panes.apply(grouping, batch, Marks::None, clock_us, rejects)?;
            }
        }
        Ok(())
    }

    /// Ends the epoch: gives the states that must go on now, as columns `slice_end_us`, the keys, each call's state. `watermark` is the epoch's, `i64::MAX` at
    /// the input's end.
    ///
    /// # Errors
    /// Where a kernel fails.
    pub fn give(&mut self, watermark: i64, clock_us: i64) -> Result<Vec<RecordBatch>, OperatorError> {
        if !self.gathers {
            return self.flush();
        }
        let reached = self.grouping.watermark(watermark, clock_us);
        let ended = match reached.checked_add(1) {
            Some(after) => {
                let open = self.panes.panes.split_off(&after);
                std::mem::replace(&mut self.panes.panes, open)
            }
            None => std::mem::take(&mut self.panes.panes),
        };
        let mut states = std::mem::take(&mut self.passed);
        states.extend(self.states(ended.into_iter())?);
        if self.panes.panes.values().map(Pane::bytes).sum::<usize>() > HELD_BYTES_MAX || self.judge() {
            states.extend(self.flush()?);
        }
        Ok(states)
    }

    /// Gives all states that are held.
    ///
    /// # Errors
    /// Where a kernel fails.
    pub fn flush(&mut self) -> Result<Vec<RecordBatch>, OperatorError> {
        let mut states = std::mem::take(&mut self.passed);
        let panes = std::mem::take(&mut self.panes.panes);
        states.extend(self.states(panes.into_iter())?);
        if self.gathered >= JUDGED_ROWS {
            (self.gathered, self.given) = (0, 0);
        }
        Ok(states)
    }

    /// Whether gathering has turned out not to pay, counted since nothing was held.
    fn judge(&mut self) -> bool {
        if self.gathered < JUDGED_ROWS {
            return false;
        }
        let held: u64 = self.panes.panes.values().map(|p| p.keys.bound() as u64).sum();
        let stops = self.gathered < ROWS_PER_STATE_MIN * (self.given + held);
        if stops {
            self.pass(PASSED_ROWS);
        }
        if held == 0 {
            (self.gathered, self.given) = (0, 0);
        }
        stops
    }

    fn states(&mut self, panes: impl Iterator<Item = (i64, Pane)>) -> Result<Option<RecordBatch>, OperatorError> {
        let grouping = &self.grouping;
        let mut pieces = Vec::new();
        for (end, mut pane) in panes {
            // All of them: a group whose rows cancel each other out may have changed all the same.
            let groups: Vec<u32> = (0..pane.keys.bound() as u32).collect();
            self.panes.usual = groups.len();
            self.given += groups.len() as u64;
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

    /// The rows of some runs, each as the state of one row.
    fn each_row(&self, batch: &Batch, runs: &[Run]) -> Result<RecordBatch, OperatorError> {
        let grouping = &self.grouping;
        let mut inputs: Inputs = grouping.inputs(batch)?;
        let rows: usize = runs.iter().map(|r| r.rows).sum();
        if rows < batch.len() {
            let kept: UInt32Array = runs.iter().flat_map(|r| r.first as u32..(r.first + r.rows) as u32).collect();
            inputs = inputs.take(&kept).map_err(|e| grouping.error(e))?;
        }
        let ends: Int64Array = runs.iter().flat_map(|r| std::iter::repeat_n(r.slice_end, r.rows)).map(Some).collect();
        let each: Vec<u32> = (0..rows as u32).collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(ends)];
        columns.append(&mut inputs.keys);
        for (mut accumulator, input) in grouping.accumulators().map_err(|e| grouping.error(e))?.into_iter().zip(&inputs.calls) {
            accumulator.update(input, &each, rows).map_err(|e| grouping.error(e))?;
            columns.extend(accumulator.state(&each).map_err(|e| grouping.error(e))?);
        }
        RecordBatch::try_new(self.schema.clone(), columns).map_err(|e| grouping.error(e))
    }
}

fn is_exact(grouping: &Grouping, op: &AggregateOp) -> bool {
    grouping.gap.is_none() && grouping.calls.iter().zip(&op.calls).all(|(compiled, call)| compiled.merges_exactly(call))
}
