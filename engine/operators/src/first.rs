//! Lets the first row of each key through, and no other.
//!
//! The first is the first that comes: in the earliest epoch; of one epoch's rows, the earliest in event time. It goes through at once. Or it is the earliest
//! in event time (`settled`): then rows wait until the watermark has passed them. What ties is told apart by the plan's order, then by the rows' contents.
//!
//! With a horizon (`within`), a row that lies that far behind the one that went through is a first one again. Where rows are settled by the watermark, or a
//! key may have been forgotten because the watermark passed its horizon, a row behind the watermark is late, unless its key is known: then it is a duplicate.
//!
//! State: for each key the moment of the row that went through, or where ages count when it did; and the rows that wait.

mod marks;
mod state;

use crate::{
    Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects,
    aggregate::{
        keys::{KeyLayout, KeyRows},
        time::{Times, shown},
    },
    batches,
    rank::{
        ages::Ages,
        lists::{Limit, Lists, Offer},
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
use marks::Marks;
use runink_checkpoint::{KeyGroups, StateTable};
use runink_connector_api::RejectReason;
use runink_planner::FirstOp;
use std::sync::Arc;

/// See the module.
pub struct FirstOperator {
    step: Arc<str>,
    op: FirstOp,
    groups: KeyGroups,
    layout: Arc<KeyLayout>,
    order: Order,
    limit: Limit,
    input: SchemaRef,
    /// Rows that wait for the watermark, or for the epoch's end.
    waiting: Lists,
    /// Keys through which a row went.
    marks: Marks,
    ages: Option<Ages>,
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
    kept: Vec<u32>,
}

/// Results go out in batches of that many rows.
const BATCH_ROWS: usize = 8192;

impl FirstOperator {
    /// An operator that has seen no row.
    ///
    /// # Errors
    /// Where the plan does not fit its schema.
    pub fn new(step: &str, op: &FirstOp, input: &SchemaRef, groups: KeyGroups) -> Result<Self, OperatorError> {
        let width = input.fields().len();
        if op.keys.iter().chain(op.time.iter().map(|t| &t.column)).any(|&c| c >= width) {
            return Err(OperatorError::plan(step, format!("the first of each key, of {width} columns: {op:?}")));
        }
        if op.time.is_none() && (op.settled || op.within_us.is_some()) {
            return Err(OperatorError::plan(step, "the first row by an event time that is not there"));
        }
        let types = || input.fields().iter().map(|f| f.data_type().clone());
        let layout = KeyLayout::new(op.keys.iter().map(|&k| input.field(k).data_type().clone()).collect());
        let layout = layout.map_err(|e| OperatorError::kernel(step, e))?;
        Ok(FirstOperator {
            step: step.into(),
            groups,
            order: Order::new(step, &op.order, input, true)?,
            // Without a horizon, only one row of a key can go through.
            limit: Limit { count: if op.within_us.is_some() { usize::MAX } else { 1 }, ties: false },
            input: input.clone(),
            waiting: Lists::new(&layout, types().collect()),
            layout,
            marks: Marks::default(),
            ages: op.ttl_us.map(Ages::new),
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
            return Err(OperatorError::plan(&self.step, "the first rows of a changelog"));
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let keys: Vec<ArrayRef> = self.op.keys.iter().map(|&k| batch.rows.column(k).clone()).collect();
        self.layout.prepare(&keys, batch.len(), &mut scratch.rows).map_err(|e| self.error(e))?;
        scratch.keys.clear();
        self.waiting.keys.intern(&scratch.rows, 0..batch.len(), &mut scratch.keys);
        self.waiting.grow();
        self.marks.grow(self.waiting.keys.bound());
        self.select(batch, time, &mut scratch, rejects)?;
        if !scratch.kept.is_empty() {
            let all = scratch.kept.len() == batch.len();
            let columns: Vec<ArrayRef> = if all {
                batch.rows.columns().to_vec()
            } else {
                scratch.keys = scratch.kept.iter().map(|&row| scratch.keys[row as usize]).collect();
                let kept = UInt32Array::from(scratch.kept.clone());
                batch.rows.columns().iter().map(|c| take(c, &kept, None)).collect::<Result<_, _>>().map_err(|e| self.error(e))?
            };
            self.order.prefixes(&columns, scratch.keys.len(), Lead::Times(&scratch.times), &mut scratch.prefixes);
            let offer = Offer { keys: &scratch.keys, prefixes: &scratch.prefixes, columns: &columns };
            self.waiting.offer(&self.order, self.limit, &offer).map_err(|e| OperatorError::kernel(&self.step, e))?;
            if self.op.settled {
                for (&key, &at) in scratch.keys.iter().zip(&scratch.times) {
                    self.visits.plan(key, at.saturating_add(1));
                }
            }
        }
        self.scratch = scratch;
        Ok(())
    }

    /// Which rows have a chance, and their moments; the others are duplicates, or rejected.
    fn select(&mut self, batch: &Batch, time: EpochTime, scratch: &mut Scratch, rejects: &mut Rejects) -> Result<(), OperatorError> {
        scratch.kept.clear();
        scratch.times.clear();
        let times = Times::read(&self.step, self.op.time.as_ref(), batch, 0)?;
        let needs_time = self.op.settled || self.op.within_us.is_some();
        for (row, &key) in scratch.keys.iter().enumerate() {
            let mark = self.marks.get(key);
            let at = match times.at(row) {
                Ok(at) => at,
                // A row without event time is the last of its epoch.
                Err(_) if !needs_time => i64::MAX,
                Err(why) => {
                    rejects.push(RejectReason::Expression, &self.step, why.message().to_owned(), batch, row);
                    self.waiting.note_idle(key);
                    continue;
                }
            };
            match mark {
                Some(passed) if self.op.within_us.is_none_or(|within| at < passed.saturating_add(within)) => continue,
                None if needs_time && at < time.before => {
                    let message = format!("late for {}: event time {}, the watermark was {}", self.step, shown(at), shown(time.before));
                    rejects.push(RejectReason::Late, &self.step, message, batch, row);
                    self.waiting.note_idle(key);
                    continue;
                }
                _ => {}
            }
            scratch.kept.push(row as u32);
            scratch.times.push(at);
        }
        Ok(())
    }

    /// Ends the epoch: the rows that go through.
    fn close(&mut self, time: EpochTime) -> Result<Vec<Batch>, OperatorError> {
        let touched = self.waiting.take_touched();
        let visited = self.visits.due(time.watermark);
        let ready = if self.op.settled { &visited } else { &touched };
        let now = self.enter(time);
        let (mut out, mut dropped) = (Vec::new(), Vec::with_capacity(ready.len()));
        for &key in ready {
            let list = self.waiting.of(key);
            let settled = |prefix: u128| !self.op.settled || time.watermark == i64::MAX || moment_of(prefix) < time.watermark;
            let count = list.partition_point(|e| settled(e.prefix));
            let before = self.marks.get(key);
            let mut passed = before;
            for entry in &list[..count] {
                let at = moment_of(entry.prefix);
                let first = match (passed, self.op.within_us) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(passed), Some(within)) => at >= passed.saturating_add(within),
                };
                if first {
                    passed = Some(at);
                    out.push(entry.row);
                }
            }
            dropped.push((key, count));
            if let Some(at) = passed.filter(|_| passed != before) {
                self.marks.set(key, at);
                self.ages.iter_mut().for_each(|ages| ages.touch(key, now));
            }
        }
        let batches = out.chunks(BATCH_ROWS).map(|rows| self.batch(rows)).collect::<Result<_, _>>()?;
        for (key, count) in dropped {
            self.waiting.drop_first(key, count);
            self.plan(key);
        }
        self.forget(visited.iter().chain(&touched), time, now)?;
        self.deleted.extend(Deleted::take(&mut self.waiting, 0).map_err(|e| self.error(e))?);
        let (marks, visits) = (&self.marks, &mut self.visits);
        let keeps = |key: u32| {
            let known = marks.get(key).is_some();
            if !known {
                visits.forget(key);
            }
            known
        };
        self.waiting.end_epoch(keeps).map_err(|e| OperatorError::kernel(&self.step, e))?;
        self.marks.tidy();
        Ok(batches)
    }

    /// What ages count in now.
    fn enter(&mut self, time: EpochTime) -> i64 {
        let Some(ages) = &mut self.ages else { return 0 };
        if ages.enter(time.watermark) {
            self.marks.soil();
        }
        ages.now(time.watermark, time.clock_us)
    }

    /// When a key is to be looked at again: as its first waiting row is settled, or its horizon is over.
    fn plan(&mut self, key: u32) {
        if let Some(first) = self.waiting.of(key).first().filter(|_| self.op.settled) {
            self.visits.plan(key, moment_of(first.prefix).saturating_add(1));
        }
        if let (Some(passed), Some(within)) = (self.marks.get(key), self.op.within_us) {
            self.visits.plan(key, passed.saturating_add(within));
        }
    }

    /// Forgets keys whose horizon is over, or whose age.
    fn forget<'k>(&mut self, looked_at: impl Iterator<Item = &'k u32>, time: EpochTime, now: i64) -> Result<(), OperatorError> {
        let mut gone = match &mut self.ages {
            Some(ages) if time.watermark != i64::MAX => ages.take_gone(now),
            _ => Vec::new(),
        };
        if let Some(within) = self.op.within_us {
            for &key in looked_at {
                match self.marks.get(key) {
                    Some(passed) if passed.saturating_add(within) <= time.watermark => gone.push(key),
                    _ => self.plan(key),
                }
            }
        }
        let captured: Vec<u32> = gone.iter().copied().filter(|&key| self.marks.forget(key)).collect();
        for &key in &gone {
            self.waiting.note_idle(key);
            if !self.waiting.of(key).is_empty() {
                self.plan(key);
            }
        }
        if !captured.is_empty() {
            let keys = self.waiting.keys.columns(&captured).map_err(|e| self.error(e))?;
            self.deleted.push(Deleted { namespace: 0, keys, sequences: vec![state::MARK; captured.len()] });
        }
        Ok(())
    }

    fn batch(&self, rows: &[u32]) -> Result<Batch, OperatorError> {
        let all: Vec<usize> = (0..self.input.fields().len()).collect();
        let columns = self.waiting.rows.gather(rows, &all).map_err(|e| self.error(e))?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(Batch::of(RecordBatch::try_new_with_options(self.input.clone(), columns, &options).map_err(|e| self.error(e))?))
    }
}

impl EpochOperator for FirstOperator {
    fn epoch(&mut self, mut inputs: Vec<Vec<Ordered>>, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        let batches = batches(inputs.pop().unwrap_or_default());
        let came: u64 = batches.iter().map(|b| b.len() as u64).sum();
        let (waited, rejected) = (self.waiting.len() as u64, rejects.len() as u64);
        for batch in batches.iter().filter(|b| !b.is_empty()) {
            self.apply(batch, time, rejects)?;
        }
        let out = self.close(time)?;
        let went = out.iter().map(|b| b.len() as u64).sum::<u64>() + (rejects.len() as u64 - rejected) + self.waiting.len() as u64;
        Ok(Given { batches: time.ordered(out), filtered: (came + waited).saturating_sub(went) })
    }

    fn held(&self) -> u64 {
        self.waiting.len() as u64
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        Some(self)
    }

    fn resume(&mut self, watermark: i64, _: i64) {
        self.ages.iter_mut().for_each(|ages| ages.in_event_time |= watermark != i64::MIN);
    }
}
