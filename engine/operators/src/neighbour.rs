//! Gives each row values of one before it (`lag`), or behind it (`lead`), in event time, among the rows of its key.
//!
//! Rows wait until the watermark has passed them: then all that lie before them are there, and they are settled, in order. Rows of one moment are told apart
//! by the plan's order, then by their contents. A settled row that looks back comes out; one that looks ahead waits for the row that it looks at, until none
//! can come: its window is over, its key has lived its time, or the input has ended. A row that is behind the watermark is late.
//!
//! A key's list has the rows that are settled and still needed (`lag`: the last ones; `lead`: those that wait for others), then those that are not settled.

mod state;

use crate::{
    Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects,
    aggregate::{
        keys::{KeyLayout, KeyRows},
        time::{Times, shown},
    },
    batches,
    rank::{
        lists::{Entry, Lists, Offer},
        order::{Lead, Order, moment_of},
        state::Deleted,
        visits::Visits,
    },
};
use arrow::{
    array::{ArrayRef, UInt32Array},
    compute::take,
    datatypes::SchemaRef,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use datafusion_common::DataFusionError;
use runink_checkpoint::{KeyGroups, StateTable};
use runink_connector_api::RejectReason;
use runink_planner::{NEIGHBOUR_DISTANCE_MAX, NeighbourOp};
use std::sync::Arc;

/// See the module.
pub struct NeighbourOperator {
    step: Arc<str>,
    op: NeighbourOp,
    distance: usize,
    groups: KeyGroups,
    layout: Arc<KeyLayout>,
    order: Order,
    input: SchemaRef,
    output: SchemaRef,
    lists: Lists,
    visits: Visits,
    deleted: Vec<Deleted>,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    rows: KeyRows,
    keys: Vec<u32>,
    prefixes: Vec<u128>,
    times: Vec<i64>,
}

/// Results go out in batches of that many rows.
const BATCH_ROWS: usize = 8192;

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
        if op.keys.iter().chain(&op.values).chain([&op.time.column]).any(|&c| c >= width) {
            return refuse(format!("neighbours in {width} columns: {op:?}"));
        }
        if !(1..=NEIGHBOUR_DISTANCE_MAX).contains(&op.distance) || op.window.is_some_and(|(size, _)| size <= 0) {
            return refuse(format!("neighbours {} rows away, in {:?}", op.distance, op.window));
        }
        let given = input.fields().iter().map(|f| f.data_type()).chain(op.values.iter().map(|&v| input.field(v).data_type()));
        if !given.eq(output.fields().iter().map(|f| f.data_type())) {
            return refuse(format!("neighbours in {input:?} give {output:?}"));
        }
        let layout = KeyLayout::new(op.keys.iter().map(|&k| input.field(k).data_type().clone()).collect());
        let layout = layout.map_err(|e| OperatorError::kernel(step, e))?;
        Ok(NeighbourOperator {
            step: step.into(),
            distance: op.distance as usize,
            groups,
            order: Order::new(step, &op.order, input, true)?,
            input: input.clone(),
            output: output.clone(),
            lists: Lists::new(&layout, input.fields().iter().map(|f| f.data_type().clone()).collect()),
            layout,
            visits: Visits::default(),
            deleted: Vec::new(),
            scratch: Scratch::default(),
            op: op.clone(),
        })
    }

    fn error(&self, error: impl Into<DataFusionError>) -> OperatorError {
        OperatorError::kernel(&self.step, error)
    }

    fn apply(&mut self, batch: &Batch, time: EpochTime, rejects: &mut Rejects) -> Result<(), OperatorError> {
        if batch.diffs.as_ref().is_some_and(|d| d.values().iter().any(|&d| d != 1)) {
            return Err(OperatorError::plan(&self.step, "neighbours in a changelog"));
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.times.clear();
        let times = Times::read(&self.step, Some(&self.op.time), batch, time.clock_us)?;
        let mut kept = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            match times.at(row) {
                Ok(at) if at >= time.before => {
                    kept.push(row as u32);
                    scratch.times.push(at);
                }
                Ok(at) => {
                    let message = format!("late for {}: event time {}, the watermark was {}", self.step, shown(at), shown(time.before));
                    rejects.push(RejectReason::Late, &self.step, message, batch, row);
                }
                Err(why) => rejects.push(RejectReason::Expression, &self.step, why.message().to_owned(), batch, row),
            }
        }
        let columns: Vec<ArrayRef> = if kept.len() == batch.len() {
            batch.rows.columns().to_vec()
        } else {
            let kept = UInt32Array::from(kept);
            batch.rows.columns().iter().map(|c| take(c, &kept, None)).collect::<Result<_, _>>().map_err(|e| self.error(e))?
        };
        self.prepare(&columns, &mut scratch)?;
        let offer = Offer { keys: &scratch.keys, prefixes: &scratch.prefixes, columns: &columns };
        self.lists.add(&self.order, &offer).map_err(|e| OperatorError::kernel(&self.step, e))?;
        for (&key, &at) in scratch.keys.iter().zip(&scratch.times) {
            self.visits.plan(key, at.saturating_add(1));
        }
        self.scratch = scratch;
        Ok(())
    }

    /// Keys and prefixes of rows whose moments are known.
    fn prepare(&mut self, columns: &[ArrayRef], scratch: &mut Scratch) -> Result<(), OperatorError> {
        let rows = scratch.times.len();
        let keys: Vec<ArrayRef> = self.op.keys.iter().map(|&k| columns[k].clone()).collect();
        self.layout.prepare(&keys, rows, &mut scratch.rows).map_err(|e| self.error(e))?;
        scratch.keys.clear();
        self.lists.keys.intern(&scratch.rows, 0..rows, &mut scratch.keys);
        self.lists.grow();
        self.order.prefixes(columns, rows, Lead::Times(&scratch.times), &mut scratch.prefixes);
        Ok(())
    }

    /// The end of the window that holds a moment; there is one window if the plan has none.
    fn window_end(&self, at: i64) -> i64 {
        let Some((size, offset)) = self.op.window else { return i64::MAX };
        let from_offset = i128::from(at) - i128::from(offset);
        let end = from_offset.div_euclid(i128::from(size)) * i128::from(size) + i128::from(size) + i128::from(offset);
        i64::try_from(end).unwrap_or(i64::MAX)
    }

    /// Ends the epoch: the rows that come out.
    fn close(&mut self, time: EpochTime) -> Result<Vec<Batch>, OperatorError> {
        self.lists.take_touched();
        let mut seen: Vec<Seen> = Vec::new();
        let mut dropped = Vec::new();
        let over = time.watermark == i64::MAX;
        let due = if over { self.lists.all_keys().collect() } else { self.visits.due(time.watermark) };
        for key in due {
            let list = self.lists.of(key);
            let settled = if over { list.len() } else { list.partition_point(|e| moment_of(e.prefix) < time.watermark) };
            let forgotten = self.forgotten(list[..settled].last().map(|e| moment_of(e.prefix)), time.watermark);
            let gone = match self.op.ahead {
                true => self.look_ahead(key, settled, forgotten, time.watermark, &mut seen),
                false => self.look_back(key, settled, forgotten, time.watermark, &mut seen),
            };
            dropped.push((key, gone));
        }
        let batches = seen.chunks(BATCH_ROWS).map(|part| self.batch(part)).collect::<Result<_, _>>()?;
        for (key, count) in dropped {
            self.lists.drop_first(key, count);
            self.plan(key);
        }
        self.deleted.extend(Deleted::take(&mut self.lists, 0).map_err(|e| self.error(e))?);
        let visits = &mut self.visits;
        let forget = |key: u32| {
            visits.forget(key);
            false
        };
        self.lists.end_epoch(forget).map_err(|e| OperatorError::kernel(&self.step, e))?;
        Ok(batches)
    }

    /// Whether nothing more can meet the settled rows of a key, of which this is the last.
    fn forgotten(&self, last: Option<i64>, watermark: i64) -> bool {
        let over = |at: i64| {
            let until = self.op.ttl_us.map_or(i64::MAX, |ttl| at.saturating_add(ttl));
            until.min(self.window_end(at)) <= watermark
        };
        last.is_some_and(over)
    }

    /// Newly settled rows see those before them. How many of the first rows are no longer needed.
    fn look_back(&mut self, key: u32, settled: usize, forgotten: bool, watermark: i64, seen: &mut Vec<Seen>) -> usize {
        let told = self.lists.told_of(key);
        for at in told..settled {
            let list = self.lists.of(key);
            let before = at.checked_sub(self.distance).map(|before| list[before]);
            let near = before.filter(|b| self.window_end(moment_of(b.prefix)) == self.window_end(moment_of(list[at].prefix)));
            let near = near.filter(|_| self.alive_between(&list[at - self.distance..=at]));
            seen.push((list[at].row, near.map(|b| b.row)));
            self.lists.tell(key, at, 1);
        }
        let list = self.lists.of(key);
        let over = list[..settled].partition_point(|e| self.window_end(moment_of(e.prefix)) <= watermark);
        if forgotten { settled } else { over.max(settled.saturating_sub(self.distance)) }
    }

    /// Whether a key was never forgotten from the first of some rows to the last.
    fn alive_between(&self, rows: &[Entry]) -> bool {
        self.op.ttl_us.is_none_or(|ttl| rows.windows(2).all(|w| moment_of(w[1].prefix) < moment_of(w[0].prefix).saturating_add(ttl)))
    }

    /// Settled rows see those behind them, as far as these are settled. How many of the first rows have come out.
    fn look_ahead(&mut self, key: u32, settled: usize, forgotten: bool, watermark: i64, seen: &mut Vec<Seen>) -> usize {
        for at in self.lists.told_of(key)..settled {
            self.lists.tell(key, at, 1);
        }
        let list = self.lists.of(key);
        for at in 0..settled {
            let entry = list[at];
            let end = self.window_end(moment_of(entry.prefix));
            match list[..settled].get(at + self.distance) {
                Some(next) => {
                    let near = self.window_end(moment_of(next.prefix)) == end && self.alive_between(&list[at..=at + self.distance]);
                    seen.push((entry.row, near.then_some(next.row)));
                }
                None if forgotten || end <= watermark || !self.alive_between(&list[at..settled]) => seen.push((entry.row, None)),
                None => return at,
            }
        }
        settled
    }

    /// When a key is to be looked at again: as its next row is settled, or those that are settled are no longer needed.
    fn plan(&mut self, key: u32) {
        let list = self.lists.of(key);
        let Some(first) = list.first() else { return };
        let mut moments = [i64::MAX; 2];
        for entry in list {
            let at = moment_of(entry.prefix);
            if entry.told() == 0 {
                moments[0] = at.saturating_add(1);
                break;
            }
            moments[1] = self.op.ttl_us.map_or(i64::MAX, |ttl| at.saturating_add(ttl));
        }
        moments[1] = moments[1].min(self.window_end(moment_of(first.prefix)));
        if let Some(&moment) = moments.iter().min().filter(|m| **m != i64::MAX) {
            self.visits.plan(key, moment);
        }
    }

    fn batch(&self, seen: &[Seen]) -> Result<Batch, OperatorError> {
        let all: Vec<usize> = (0..self.input.fields().len()).collect();
        let rows: Vec<u32> = seen.iter().map(|s| s.0).collect();
        let mut columns = self.lists.rows.gather(&rows, &all).map_err(|e| self.error(e))?;
        let others: Vec<u32> = seen.iter().filter_map(|s| s.1).collect();
        let values = self.lists.rows.gather(&others, &self.op.values).map_err(|e| self.error(e))?;
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
                columns.push(take(&value, &at, None).map_err(|e| self.error(e))?);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(Batch::of(RecordBatch::try_new_with_options(self.output.clone(), columns, &options).map_err(|e| self.error(e))?))
    }
}

impl EpochOperator for NeighbourOperator {
    fn epoch(&mut self, mut inputs: Vec<Vec<Ordered>>, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        for batch in batches(inputs.pop().unwrap_or_default()).iter().filter(|b| !b.is_empty()) {
            self.apply(batch, time, rejects)?;
        }
        Ok(Given::of(time.ordered(self.close(time)?)))
    }

    fn held(&self) -> u64 {
        self.lists.len() as u64
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        Some(self)
    }

    fn resume(&mut self, _: i64, _: i64) {}
}
