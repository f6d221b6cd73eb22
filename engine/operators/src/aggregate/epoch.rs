//! Aggregation as the engine sees it: whole, or in two phases.

use super::{AggregateOperator, PartialAggregate};
use crate::{Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects, epoch::batches, window_order::by_window};
use runink_checkpoint::StateTable;

/// The second of two phases: takes what [`PartialAggregate`] gives.
pub struct MergeAggregate(pub AggregateOperator);

impl AggregateOperator {
    fn give(&mut self, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        let given = self.close(time.watermark, time.clock_us, rejects)?.batches;
        if !self.grouping.windowed {
            return Ok(Given::of(time.ordered(given)));
        }
        // A windowed result's last column is the window's end.
        let end = self.settings.output.fields().len().saturating_sub(1);
        let mut ordered: Vec<Ordered> = Vec::with_capacity(given.len());
        for batch in given {
            ordered.extend(by_window(batch, end, time.worker).map_err(|e| OperatorError::kernel(&self.grouping.step, e))?);
        }
        Ok(Given::of(ordered))
    }
}

impl EpochOperator for AggregateOperator {
    fn epoch(&mut self, mut inputs: Vec<Vec<Ordered>>, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        self.apply(batches(inputs.pop().unwrap_or_default()), time.before, time.clock_us, rejects)?;
        self.give(time, rejects)
    }

    fn held(&self) -> u64 {
        AggregateOperator::held(self)
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        Some(self)
    }

    fn resume(&mut self, watermark: i64, clock_us: i64) {
        AggregateOperator::resume(self, watermark, clock_us);
    }
}

impl EpochOperator for MergeAggregate {
    fn epoch(&mut self, mut inputs: Vec<Vec<Ordered>>, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        let partials: Vec<_> = inputs.pop().unwrap_or_default().into_iter().map(|o| o.batch.rows).collect();
        self.0.merge(&partials)?;
        self.0.give(time, rejects)
    }

    fn held(&self) -> u64 {
        self.0.held()
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        Some(&mut self.0)
    }

    fn resume(&mut self, watermark: i64, clock_us: i64) {
        self.0.resume(watermark, clock_us);
    }
}

impl EpochOperator for PartialAggregate {
    fn epoch(&mut self, mut inputs: Vec<Vec<Ordered>>, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        self.apply(&batches(inputs.pop().unwrap_or_default()), time.before, time.clock_us, rejects)?;
        let states = self.give(time.watermark, time.clock_us)?;
        Ok(Given::of(time.ordered(states.into_iter().map(Batch::of))))
    }

    /// What is held here counts where it is merged.
    fn held(&self) -> u64 {
        0
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        None
    }

    fn resume(&mut self, _: i64, _: i64) {}

    fn gathers(&self) -> bool {
        PartialAggregate::gathers(self)
    }

    fn flush(&mut self) -> Result<Vec<Batch>, OperatorError> {
        Ok(PartialAggregate::flush(self)?.into_iter().map(Batch::of).collect())
    }
}
