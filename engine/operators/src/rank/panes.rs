//! Ranking in windows: the rows of each slice of time, put together when a window closes.

use super::{
    lists::{Entry, Lists},
    order::Lead,
    rows::{Rows, gather},
    spec::{Scratch, Spec, Windowed},
    state::Deleted,
};
use crate::{
    Batch, EpochTime, OperatorError, Ordered, Rejects,
    aggregate::{
        emit::as_timestamps,
        keys::KeyTable,
        time::{NoTime, Times, shown},
        window::{END_OF_TIME, Slice},
    },
    window_order::by_window,
};
use arrow::{
    array::{ArrayRef, Int64Array, UInt32Array},
    compute::take,
    datatypes::DataType,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use runink_connector_api::RejectReason;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// See the module.
#[derive(Default)]
pub(super) struct Panes {
    /// By the end of their slice.
    pub(super) panes: BTreeMap<i64, Lists>,
    /// All windows that end until then have closed.
    pub(super) closed_to: i64,
    /// Slices that are gone since the last capture: the highest end.
    pub(super) expired_to: Option<i64>,
    /// Slices that got rows in this epoch.
    touched: BTreeSet<i64>,
    scratch: Scratch,
}

/// Results go out in batches of about that many rows.
const BATCH_ROWS: usize = 8192;

/// A row that comes out: of which slice, which row, and its rank.
struct Given {
    pane: usize,
    row: u32,
    rank: usize,
}

impl Windowed {
    /// The watermark of what time is here: of the event time, or the clock until the input ends.
    pub(super) fn reached(&self, watermark: i64, clock_us: i64) -> i64 {
        if self.time.is_none() && watermark != i64::MAX { clock_us } else { watermark }
    }
}

impl Panes {
    pub(super) fn new() -> Self {
        Panes { closed_to: i64::MIN, ..Panes::default() }
    }

    /// Takes a batch; gives how many rows were turned away for good.
    pub(super) fn apply(
        &mut self,
        (spec, windowed): (&Spec, &Windowed),
        batch: &Batch,
        time: EpochTime,
        rejects: &mut Rejects,
    ) -> Result<u64, OperatorError> {
        spec.only_new(batch)?;
        if windowed.time.is_some() {
            self.closed_to = self.closed_to.max(time.before);
        }
        let times = Times::read(&spec.step, windowed.time.as_ref(), batch, time.clock_us)?;
        let mut parts: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        let mut slice = Slice { start: 0, end: 0 };
        let mut takes = false;
        let mut part: (i64, Vec<u32>) = (END_OF_TIME, Vec::with_capacity(batch.len()));
        for row in 0..batch.len() {
            let placed = times.at(row).and_then(|at| {
                if at < slice.start || slice.end <= at {
                    slice = windowed.windows.slice_of(at, &windowed.range).ok_or(NoTime::OutOfRange)?;
                    takes = windowed.windows.last_end(slice.end) > self.closed_to;
                }
                Ok(at)
            });
            match placed {
                Ok(_) if takes => {
                    if part.0 != slice.end {
                        if !part.1.is_empty() {
                            parts.entry(part.0).or_default().append(&mut part.1);
                        }
                        part.0 = slice.end;
                    }
                    part.1.push(row as u32);
                }
                Ok(at) => {
                    let message = format!("late for {}: event time {}, the watermark was {}", spec.step, shown(at), shown(self.closed_to));
                    rejects.push(RejectReason::Late, &spec.step, message, batch, row);
                }
                Err(why) => rejects.push(RejectReason::Expression, &spec.step, why.message().to_owned(), batch, row),
            }
        }
        if !part.1.is_empty() {
            parts.entry(part.0).or_default().append(&mut part.1);
        }
        let mut turned_away = 0;
        for (end, rows) in parts {
            let columns: Vec<ArrayRef> = if rows.len() == batch.len() {
                batch.rows.columns().to_vec()
            } else {
                let rows = UInt32Array::from(rows.clone());
                batch.rows.columns().iter().map(|c| take(c, &rows, None)).collect::<Result<_, _>>().map_err(|e| spec.error(e))?
            };
            let pane = self.panes.entry(end).or_insert_with(|| spec.lists());
            self.touched.insert(end);
            spec.prepare(pane, &columns, rows.len(), Lead::None, &mut self.scratch)?;
            turned_away += pane.offer(&spec.order, spec.limit, &self.scratch.offer(&columns)).map_err(|e| spec.error(e))?;
        }
        Ok(turned_away)
    }

    /// Ends the epoch: the rows of windows that close.
    pub(super) fn close(
        &mut self,
        (spec, windowed): (&Spec, &Windowed),
        time: EpochTime,
        deleted: &mut Vec<Deleted>,
    ) -> Result<Vec<Ordered>, OperatorError> {
        for end in std::mem::take(&mut self.touched) {
            let Some(pane) = self.panes.get_mut(&end) else { continue };
            pane.take_touched();
            deleted.extend(Deleted::take(pane, end).map_err(|e| spec.error(e))?);
            pane.end_epoch(|_| false).map_err(|e| spec.error(e))?;
        }
        let watermark = windowed.reached(time.watermark, time.clock_us);
        let windows = &windowed.windows;
        let mut closing = BTreeSet::new();
        if watermark > self.closed_to && windows.any_end_in(self.closed_to, watermark) {
            for (&end, pane) in self.panes.range(..=watermark) {
                if pane.len() > 0 {
                    closing.extend(windows.ends_of(end, self.closed_to, watermark));
                }
            }
        }
        let mut batches = Vec::new();
        for end in closing {
            self.give((spec, windowed), end, &mut batches)?;
        }
        self.closed_to = self.closed_to.max(watermark);
        while let Some(first) = self.panes.first_entry() {
            let end = *first.key();
            if windows.last_end(end) > self.closed_to {
                break;
            }
            first.remove();
            self.expired_to = self.expired_to.max(Some(end));
        }
        if !windowed.edges {
            return Ok(time.ordered(batches));
        }
        // The last column is the window's end.
        let end = spec.output.fields().len() - 1;
        let mut ordered = Vec::with_capacity(batches.len());
        for batch in batches {
            ordered.extend(by_window(batch, end, time.worker).map_err(|e| spec.error(e))?);
        }
        Ok(ordered)
    }

    fn give(&self, (spec, windowed): (&Spec, &Windowed), end: i64, batches: &mut Vec<Batch>) -> Result<(), OperatorError> {
        let start = windowed.windows.start_of(end);
        let panes: Vec<&Lists> = self.panes.range(start.saturating_add(1)..=end).map(|(_, pane)| pane).filter(|p| p.len() > 0).collect();
        let mut given: Vec<Given> = Vec::new();
        if let [pane] = panes.as_slice() {
            for key in pane.all_keys() {
                let list = pane.of(key);
                ranked(
                    spec,
                    list.len(),
                    |at| pane.tie(&spec.order, &list[at - 1], &list[at]),
                    |at, rank| {
                        given.push(Given { pane: 0, row: list[at].row, rank });
                    },
                );
            }
        } else {
            for list in together(spec, &panes) {
                let at = |i: usize| panes[list[i].0].rows.at(list[i].1.row);
                let tie = |i: usize| list[i - 1].1.prefix == list[i].1.prefix && spec.order.ties(at(i - 1), at(i));
                ranked(spec, list.len(), tie, |i, rank| given.push(Given { pane: list[i].0, row: list[i].1.row, rank }));
            }
        }
        let stores: Vec<&Rows> = panes.iter().map(|p| &p.rows).collect();
        for part in given.chunks(BATCH_ROWS) {
            batches.push(batch((spec, windowed), &stores, part, (start, end)).map_err(|e| spec.error(e))?);
        }
        Ok(())
    }
}

/// Goes through a list in order as far as rows come out: whether each ties with the one before it is asked, where it matters.
fn ranked(spec: &Spec, len: usize, ties: impl Fn(usize) -> bool, mut give: impl FnMut(usize, usize)) {
    let mut rank = 0;
    for at in 0..len {
        let tied = spec.limit.ties && at > 0 && ties(at);
        rank = if tied { rank } else { at + 1 };
        if rank > spec.limit.count {
            return;
        }
        give(at, rank);
    }
}

/// The rows of each key in all panes, in order.
fn together(spec: &Spec, panes: &[&Lists]) -> Vec<Vec<(usize, Entry)>> {
    let mut keys = KeyTable::new(&spec.layout);
    let mut lists: Vec<Vec<(usize, Entry)>> = Vec::new();
    let mut ids = Vec::new();
    for (n, pane) in panes.iter().enumerate() {
        let own: Vec<u32> = pane.all_keys().collect();
        ids.clear();
        keys.intern_from(&pane.keys, &own, &mut ids);
        lists.resize(keys.bound(), Vec::new());
        for (&key, &id) in own.iter().zip(&ids) {
            lists[id as usize].extend(pane.of(key).iter().map(|entry| (n, *entry)));
        }
    }
    for list in &mut lists {
        list.sort_by(|(p, a), (q, b)| {
            a.prefix.cmp(&b.prefix).then_with(|| spec.order.compare(panes[*p].rows.at(a.row), panes[*q].rows.at(b.row)))
        });
    }
    lists
}

fn batch(
    (spec, windowed): (&Spec, &Windowed),
    stores: &[&Rows],
    given: &[Given],
    (start, end): (i64, i64),
) -> Result<Batch, arrow::error::ArrowError> {
    let types: Vec<DataType> = spec.input.fields().iter().map(|f| f.data_type().clone()).collect();
    let all: Vec<usize> = (0..types.len()).collect();
    let mut columns = gather(&types, given.iter().map(|g| (stores[g.pane], g.row)), &all)?;
    if spec.rank {
        columns.push(Arc::new(given.iter().map(|g| g.rank as i64).collect::<Int64Array>()));
    }
    if windowed.edges {
        for edge in [start, end] {
            let us: ArrayRef = Arc::new(Int64Array::from_value(edge, given.len()));
            columns.push(as_timestamps(&us, spec.output.field(columns.len()).data_type())?);
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(given.len()));
    Ok(Batch::of(RecordBatch::try_new_with_options(spec.output.clone(), columns, &options)?))
}
