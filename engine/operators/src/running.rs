//! Gives each row aggregates over the rows of its key before it in event time, and the row itself.
//!
//! A row comes out when it is settled (see [`crate::settled`]). The rows that count for it are listed and aggregated anew, those of many rows in one pass: so a
//! result depends on these rows alone, floats included, and nothing has to be subtracted. The cost is that of the rows that count, taken together.

use crate::{
    Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects,
    aggregate::calls::{GroupRows, Listed, ListedCall},
    batches,
    rank::{lists::Entry, order::moment_of},
    settled::{BATCH_ROWS, Due, Life, SettledRows},
};
use arrow::{
    array::{ArrayRef, BooleanArray},
    compute::filter_record_batch,
    datatypes::SchemaRef,
    record_batch::RecordBatch,
};
use runink_checkpoint::{KeyGroups, StateTable};
use runink_connector_api::RejectReason;
use runink_planner::{RUNNING_ROWS_MAX, RunningOp, RunningOver};
use std::ops::Range;

/// So many rows are listed before they are aggregated; a row's own list is never cut.
const LISTED_ROWS: usize = 1 << 16;

/// See the module.
pub struct RunningOperator {
    rows: SettledRows,
    life: Life,
    over: RunningOver,
    calls: Vec<ListedCall>,
    output: SchemaRef,
}

/// Rows that come out together, and those that count for each.
#[derive(Default)]
struct Pending {
    rows: Vec<u32>,
    listed: GroupRows,
}

impl RunningOperator {
    /// An operator without rows.
    ///
    /// # Errors
    /// Where the plan does not fit its schemas.
    pub fn new(step: &str, op: &RunningOp, input: &SchemaRef, output: &SchemaRef, groups: KeyGroups) -> Result<Self, OperatorError> {
        let refuse = |message: String| Err(OperatorError::plan(step, message));
        let width = input.fields().len();
        let own = input.fields().iter().map(|f| f.data_type());
        if output.fields().len() != width + op.calls.len() || !own.eq(output.fields().iter().take(width).map(|f| f.data_type())) {
            return refuse(format!("{} aggregates over {input:?} give {output:?}", op.calls.len()));
        }
        let life = match op.over {
            RunningOver::Time(us) if us >= 0 => Life { span: Some(us), ..Life::default() },
            RunningOver::Rows(rows) if (1..=RUNNING_ROWS_MAX).contains(&rows) => Life { ttl: op.ttl_us, ..Life::default() },
            RunningOver::Window { size, offset } => Life { window: Some((size, offset)), ..Life::default() },
            over => return refuse(format!("aggregates over {over:?}")),
        };
        let types = output.fields().iter().skip(width).map(|f| f.data_type());
        let calls = op.calls.iter().zip(types).map(|(call, data_type)| ListedCall::compile(step, call, input, data_type));
        Ok(RunningOperator {
            rows: SettledRows::new(step, (&op.keys, &op.time, &op.order), life, input, groups)?,
            life,
            over: op.over,
            calls: calls.collect::<Result<_, _>>()?,
            output: output.clone(),
        })
    }

    /// The rows of a list that count for one of its settled rows.
    fn counting(&self, settled: &[Entry], at: usize) -> Range<usize> {
        let moment = moment_of(settled[at].prefix);
        // Those of the same moment count, whatever their order.
        let moments_end = || at + settled[at..].partition_point(|e| moment_of(e.prefix) <= moment);
        match self.over {
            RunningOver::Time(us) => settled[..at].partition_point(|e| moment_of(e.prefix) < moment.saturating_sub(us))..moments_end(),
            RunningOver::Window { .. } => {
                let end = self.life.window_end(moment);
                settled[..at].partition_point(|e| self.life.window_end(moment_of(e.prefix)) < end)..moments_end()
            }
            RunningOver::Rows(rows) => {
                let first = (at + 1).saturating_sub(rows as usize);
                let broken = (first + 1..=at).rev().find(|&i| !self.life.goes_on(&settled[i - 1], &settled[i]));
                broken.unwrap_or(first)..at + 1
            }
        }
    }

    /// How many of the settled rows no later row needs.
    fn unneeded(&self, settled: &[Entry], watermark: i64) -> usize {
        match self.over {
            _ if watermark == i64::MAX => settled.len(),
            RunningOver::Time(us) => settled.partition_point(|e| moment_of(e.prefix) < watermark.saturating_sub(us)),
            RunningOver::Window { .. } => settled.partition_point(|e| self.life.window_end(moment_of(e.prefix)) <= watermark),
            RunningOver::Rows(_) if self.life.is_over(settled.last(), watermark) => settled.len(),
            RunningOver::Rows(rows) => settled.len().saturating_sub(rows as usize - 1),
        }
    }

    /// Ends the epoch: the rows that come out.
    fn close(&mut self, time: EpochTime, rejects: &mut Rejects) -> Result<Vec<Batch>, OperatorError> {
        let mut out = Vec::new();
        let mut dropped = Vec::new();
        let mut pending = Pending::default();
        for Due { key, settled } in self.rows.due(time.watermark) {
            for at in self.rows.lists.told_of(key)..settled {
                let list = &self.rows.lists.of(key)[..settled];
                pending.rows.push(list[at].row);
                pending.listed.push(list[self.counting(list, at)].iter().map(|e| e.row));
                self.rows.lists.tell(key, at, 1);
                if pending.listed.rows.len() >= LISTED_ROWS || pending.listed.len() >= BATCH_ROWS {
                    out.push(self.batch(std::mem::take(&mut pending), rejects)?);
                }
            }
            dropped.push((key, self.unneeded(&self.rows.lists.of(key)[..settled], time.watermark)));
        }
        if !pending.rows.is_empty() {
            out.push(self.batch(pending, rejects)?);
        }
        self.rows.end(dropped)?;
        Ok(out)
    }

    /// Rows with their aggregates. Those of which one has no result are rejected.
    fn batch(&self, Pending { rows, listed }: Pending, rejects: &mut Rejects) -> Result<Batch, OperatorError> {
        let all: Vec<usize> = (0..self.rows.input.fields().len()).collect();
        let mut columns: Vec<ArrayRef> = self.rows.lists.rows.gather(&rows, &all).map_err(|e| self.rows.error(e))?;
        let mut failed: Vec<Option<String>> = Vec::new();
        for call in &self.calls {
            let Listed { values, failures } =
                call.of(&listed, |rows, columns| self.rows.lists.rows.gather(rows, columns)).map_err(|e| self.rows.error(e))?;
            columns.push(values);
            for (row, why) in failures {
                failed.resize(rows.len(), None);
                failed[row].get_or_insert(why);
            }
        }
        let whole = RecordBatch::try_new(self.output.clone(), columns).map_err(|e| self.rows.error(e))?;
        if failed.is_empty() {
            return Ok(Batch::of(whole));
        }
        let input = whole.project(&all).map_err(|e| self.rows.error(e))?.columns().to_vec();
        let input = Batch::of(RecordBatch::try_new(self.rows.input.clone(), input).map_err(|e| self.rows.error(e))?);
        for (row, why) in failed.iter().enumerate() {
            if let Some(why) = why {
                rejects.push(RejectReason::Expression, &self.rows.step, why.clone(), &input, row);
            }
        }
        let kept: BooleanArray = failed.iter().map(|f| Some(f.is_none())).collect();
        Ok(Batch::of(filter_record_batch(&whole, &kept).map_err(|e| self.rows.error(e))?))
    }
}

impl EpochOperator for RunningOperator {
    fn epoch(&mut self, mut inputs: Vec<Vec<Ordered>>, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        for batch in batches(inputs.pop().unwrap_or_default()).iter().filter(|b| !b.is_empty()) {
            self.rows.add(batch, time, rejects)?;
        }
        Ok(Given::of(time.ordered(self.close(time, rejects)?)))
    }

    fn held(&self) -> u64 {
        self.rows.lists.len() as u64
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        Some(&mut self.rows)
    }

    fn resume(&mut self, _: i64, _: i64) {}
}
