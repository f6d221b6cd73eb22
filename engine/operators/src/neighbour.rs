//! Gives each row values of one before it (`lag`), or behind it (`lead`), in event time, among the rows of its key.
//!
//! A row that looks back comes out when it is settled (see [`crate::settled`]); one that looks ahead waits for the row that it looks at, until none
//! can come: its window is over, its key has lived its time, or the input has ended. Settled rows are needed as long as others look at them (`lag`: the last
//! ones), or as they look for others (`lead`).

use crate::{
    Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects, batches,
    rank::order::moment_of,
    settled::{BATCH_ROWS, Due, Life, SettledRows},
};
use arrow::{
    array::UInt32Array,
    compute::take,
    datatypes::SchemaRef,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use runink_checkpoint::{KeyGroups, StateTable};
use runink_planner::{NEIGHBOUR_DISTANCE_MAX, NeighbourOp};

/// See the module.
pub struct NeighbourOperator {
    rows: SettledRows,
    life: Life,
    distance: usize,
    ahead: bool,
    values: Vec<usize>,
    output: SchemaRef,
}

/// A row that comes out, and the one that it sees.
type Seen = (u32, Option<u32>);

impl NeighbourOperator {
    /// An operator without rows.
    ///
    /// # Errors
    /// Where the plan does not fit its schemas.
    pub fn new(step: &str, op: &NeighbourOp, input: &SchemaRef, output: &SchemaRef, groups: KeyGroups) -> Result<Self, OperatorError> {
        let refuse = |message: String| Err(OperatorError::plan(step, message));
        let width = input.fields().len();
        if op.values.iter().any(|&c| c >= width) {
            return refuse(format!("neighbours in {width} columns: {op:?}"));
        }
        if !(1..=NEIGHBOUR_DISTANCE_MAX).contains(&op.distance) {
            return refuse(format!("neighbours {} rows away", op.distance));
        }
        let given = input.fields().iter().map(|f| f.data_type()).chain(op.values.iter().map(|&v| input.field(v).data_type()));
        if !given.eq(output.fields().iter().map(|f| f.data_type())) {
            return refuse(format!("neighbours in {input:?} give {output:?}"));
        }
        let life = Life { ttl: op.ttl_us, window: op.window, span: None };
        Ok(NeighbourOperator {
            rows: SettledRows::new(step, (&op.keys, &op.time, &op.order), life, input, groups)?,
            life,
            distance: op.distance as usize,
            ahead: op.ahead,
            values: op.values.clone(),
            output: output.clone(),
        })
    }

    /// Ends the epoch: the rows that come out.
    fn close(&mut self, time: EpochTime) -> Result<Vec<Batch>, OperatorError> {
        let mut seen: Vec<Seen> = Vec::new();
        let mut dropped = Vec::new();
        for Due { key, settled } in self.rows.due(time.watermark) {
            let forgotten = self.life.is_over(self.rows.lists.of(key)[..settled].last(), time.watermark);
            let gone = match self.ahead {
                true => self.look_ahead(key, settled, forgotten, time.watermark, &mut seen),
                false => self.look_back(key, settled, forgotten, time.watermark, &mut seen),
            };
            dropped.push((key, gone));
        }
        let batches = seen.chunks(BATCH_ROWS).map(|part| self.batch(part)).collect::<Result<_, _>>()?;
        self.rows.end(dropped)?;
        Ok(batches)
    }

    /// Newly settled rows see those before them. How many of the first rows are no longer needed.
    fn look_back(&mut self, key: u32, settled: usize, forgotten: bool, watermark: i64, seen: &mut Vec<Seen>) -> usize {
        let life = self.life;
        for at in self.rows.lists.told_of(key)..settled {
            let list = self.rows.lists.of(key);
            let before = at.checked_sub(self.distance).map(|before| list[before]);
            let near = before.filter(|b| life.window_end(moment_of(b.prefix)) == life.window_end(moment_of(list[at].prefix)));
            let near = near.filter(|_| life.spans(&list[at - self.distance..=at]));
            seen.push((list[at].row, near.map(|b| b.row)));
            self.rows.lists.tell(key, at, 1);
        }
        let list = self.rows.lists.of(key);
        let over = list[..settled].partition_point(|e| life.window_end(moment_of(e.prefix)) <= watermark);
        if forgotten { settled } else { over.max(settled.saturating_sub(self.distance)) }
    }

    /// Settled rows see those behind them, as far as these are settled. How many of the first rows have come out.
    fn look_ahead(&mut self, key: u32, settled: usize, forgotten: bool, watermark: i64, seen: &mut Vec<Seen>) -> usize {
        let life = self.life;
        for at in self.rows.lists.told_of(key)..settled {
            self.rows.lists.tell(key, at, 1);
        }
        let list = self.rows.lists.of(key);
        for at in 0..settled {
            let entry = list[at];
            let end = life.window_end(moment_of(entry.prefix));
            match list[..settled].get(at + self.distance) {
                Some(next) => {
                    let near = life.window_end(moment_of(next.prefix)) == end && life.spans(&list[at..=at + self.distance]);
                    seen.push((entry.row, near.then_some(next.row)));
                }
                None if forgotten || end <= watermark || !life.spans(&list[at..settled]) => seen.push((entry.row, None)),
                None => return at,
            }
        }
        settled
    }

    fn batch(&self, seen: &[Seen]) -> Result<Batch, OperatorError> {
        let all: Vec<usize> = (0..self.rows.input.fields().len()).collect();
        let rows: Vec<u32> = seen.iter().map(|s| s.0).collect();
        let mut columns = self.rows.lists.rows.gather(&rows, &all).map_err(|e| self.rows.error(e))?;
        let others: Vec<u32> = seen.iter().filter_map(|s| s.1).collect();
        let values = self.rows.lists.rows.gather(&others, &self.values).map_err(|e| self.rows.error(e))?;
        if others.len() == seen.len() {
            columns.extend(values);
        } else {
            let mut taken = 0;
            let mut next = |_| {
                taken += 1;
                taken - 1
            };
            let at: UInt32Array = seen.iter().map(|s| s.1.map(&mut next)).collect();
            for value in values {
                columns.push(take(&value, &at, None).map_err(|e| self.rows.error(e))?);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(Batch::of(RecordBatch::try_new_with_options(self.output.clone(), columns, &options).map_err(|e| self.rows.error(e))?))
    }
}

impl EpochOperator for NeighbourOperator {
    fn epoch(&mut self, mut inputs: Vec<Vec<Ordered>>, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        for batch in batches(inputs.pop().unwrap_or_default()).iter().filter(|b| !b.is_empty()) {
            self.rows.add(batch, time, rejects)?;
        }
        Ok(Given::of(time.ordered(self.close(time)?)))
    }

    fn held(&self) -> u64 {
        self.rows.lists.len() as u64
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        Some(&mut self.rows)
    }

    fn resume(&mut self, _: i64, _: i64) {}
}
