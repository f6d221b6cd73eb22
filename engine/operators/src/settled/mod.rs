//! Rows by key that wait until the watermark has passed them: then all that lie before them are there, and they are settled, in order.
//!
//! Rows of one moment are told apart by the plan's order, then by their contents. A row that is behind the watermark is late. A key's list has the rows that
//! are settled and still needed, then those that are not settled. What operators over such rows share: `lag` and `lead`, and running aggregates.

mod state;

use crate::{
    Batch, EpochTime, OperatorError, Rejects,
    aggregate::{
        keys::{KeyLayout, KeyRows},
        time::{Times, shown},
    },
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
};
use datafusion_common::DataFusionError;
use runink_checkpoint::KeyGroups;
use runink_connector_api::RejectReason;
use runink_planner::{EventTime, OrderBy};
use std::sync::Arc;

/// Results go out in batches of that many rows.
pub(crate) const BATCH_ROWS: usize = 8192;

/// How long settled rows are needed; all in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Life {
    /// A key is forgotten that long after its last row.
    pub(crate) ttl: Option<i64>,
    /// The size and offset of the window that rows live in.
    pub(crate) window: Option<(i64, i64)>,
    /// A row is needed by those that lie at most so far behind it.
    pub(crate) span: Option<i64>,
}

/// See the module.
pub(crate) struct SettledRows {
    pub(crate) step: Arc<str>,
    pub(crate) input: SchemaRef,
    pub(crate) lists: Lists,
    life: Life,
    keys: Vec<usize>,
    time: EventTime,
    groups: KeyGroups,
    layout: Arc<KeyLayout>,
    order: Order,
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

/// A key that is to be looked at, and how many of its first rows are settled.
pub(crate) struct Due {
    pub(crate) key: u32,
    pub(crate) settled: usize,
}

impl Life {
    /// The end of the window that holds a moment; there is one window if the plan has none.
    pub(crate) fn window_end(&self, at: i64) -> i64 {
        let Some((size, offset)) = self.window else { return i64::MAX };
        let from_offset = i128::from(at) - i128::from(offset);
        let end = from_offset.div_euclid(i128::from(size)) * i128::from(size) + i128::from(size) + i128::from(offset);
        i64::try_from(end).unwrap_or(i64::MAX)
    }

    /// Whether a key was never forgotten between two rows that follow each other.
    pub(crate) fn goes_on(&self, before: &Entry, after: &Entry) -> bool {
        self.ttl.is_none_or(|ttl| moment_of(after.prefix) < moment_of(before.prefix).saturating_add(ttl))
    }

    /// Whether a key was never forgotten from the first of some rows to the last.
    pub(crate) fn spans(&self, rows: &[Entry]) -> bool {
        rows.windows(2).all(|w| self.goes_on(&w[0], &w[1]))
    }

    /// Whether nothing more can meet the settled rows of a key, of which this is the last.
    pub(crate) fn is_over(&self, last: Option<&Entry>, watermark: i64) -> bool {
        let over = |at: i64| {
            let until = self.ttl.map_or(i64::MAX, |ttl| at.saturating_add(ttl));
            until.min(self.window_end(at)) <= watermark
        };
        last.is_some_and(|last| over(moment_of(last.prefix)))
    }

    /// When a key is to be looked at again: as its next row is settled, or those that are settled are no longer needed.
    fn next_visit(&self, list: &[Entry]) -> Option<i64> {
        let first = moment_of(list.first()?.prefix);
        let waiting = list.iter().find(|e| e.told() == 0).map_or(i64::MAX, |e| moment_of(e.prefix).saturating_add(1));
        let last = list.iter().take_while(|e| e.told() != 0).last().map(|e| moment_of(e.prefix));
        let forgotten = self.ttl.zip(last).map_or(i64::MAX, |(ttl, last)| last.saturating_add(ttl));
        let out_of_reach = self.span.map_or(i64::MAX, |span| first.saturating_add(span).saturating_add(1));
        Some(waiting.min(forgotten).min(out_of_reach).min(self.window_end(first))).filter(|moment| *moment != i64::MAX)
    }
}

impl SettledRows {
    /// No rows.
    ///
    /// # Errors
    /// Where the plan does not fit its schema.
    pub(crate) fn new(
        step: &str,
        (keys, time, order): (&[usize], &EventTime, &[OrderBy]),
        life: Life,
        input: &SchemaRef,
        groups: KeyGroups,
    ) -> Result<Self, OperatorError> {
        let width = input.fields().len();
        if keys.iter().chain([&time.column]).any(|&c| c >= width) || life.window.is_some_and(|(size, _)| size <= 0) {
            return Err(OperatorError::plan(step, format!("rows by {keys:?} and {time:?}, which live {life:?}, of {width} columns")));
        }
        let layout = KeyLayout::new(keys.iter().map(|&k| input.field(k).data_type().clone()).collect());
        let layout = layout.map_err(|e| OperatorError::kernel(step, e))?;
        Ok(SettledRows {
            step: step.into(),
            input: input.clone(),
            lists: Lists::new(&layout, input.fields().iter().map(|f| f.data_type().clone()).collect()),
            life,
            keys: keys.to_vec(),
            time: time.clone(),
            groups,
            layout,
            order: Order::new(step, order, input, true)?,
            visits: Visits::default(),
            deleted: Vec::new(),
            scratch: Scratch::default(),
        })
    }

    pub(crate) fn error(&self, error: impl Into<DataFusionError>) -> OperatorError {
        OperatorError::kernel(&self.step, error)
    }

    /// Takes rows in; late ones, and those without a time, are rejected.
    pub(crate) fn add(&mut self, batch: &Batch, time: EpochTime, rejects: &mut Rejects) -> Result<(), OperatorError> {
        if batch.diffs.as_ref().is_some_and(|d| d.values().iter().any(|&d| d != 1)) {
            return Err(OperatorError::plan(&self.step, "rows of a changelog, where rows must stay"));
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.times.clear();
        let times = Times::read(&self.step, Some(&self.time), batch, time.clock_us)?;
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
        let keys: Vec<ArrayRef> = self.keys.iter().map(|&k| columns[k].clone()).collect();
        self.layout.prepare(&keys, rows, &mut scratch.rows).map_err(|e| self.error(e))?;
        scratch.keys.clear();
        self.lists.keys.intern(&scratch.rows, 0..rows, &mut scratch.keys);
        self.lists.grow();
        self.order.prefixes(columns, rows, Lead::Times(&scratch.times), &mut scratch.prefixes);
        Ok(())
    }

    /// The keys that are to be looked at now.
    pub(crate) fn due(&mut self, watermark: i64) -> Vec<Due> {
        self.lists.take_touched();
        let over = watermark == i64::MAX;
        let due = if over { self.lists.all_keys().collect() } else { self.visits.due(watermark) };
        let settled = |key: u32| {
            let list = self.lists.of(key);
            if over { list.len() } else { list.partition_point(|e| moment_of(e.prefix) < watermark) }
        };
        due.into_iter().map(|key| Due { key, settled: settled(key) }).collect()
    }

    /// Ends the epoch: so many of the first rows of each key that was looked at are no longer needed.
    pub(crate) fn end(&mut self, dropped: Vec<(u32, usize)>) -> Result<(), OperatorError> {
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
        self.lists.end_epoch(forget).map_err(|e| OperatorError::kernel(&self.step, e))
    }

    fn plan(&mut self, key: u32) {
        if let Some(moment) = self.life.next_visit(self.lists.of(key)) {
            self.visits.plan(key, moment);
        }
    }
}
