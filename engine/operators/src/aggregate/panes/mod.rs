//! Windows made of slices, and the one window over all time.

mod age;
mod give;

use super::{
    grouping::Grouping,
    keys::KeyRows,
    pane::{CHANGED, Marks, Pane},
    settings::{Settings, Turn},
    spill::{Fetching, Spill},
    time::{is_gone, runs},
    window::END_OF_TIME,
};
use crate::{Batch, OperatorError, Rejects};
use age::Age;
use arrow::{
    array::{ArrayRef, AsArray, UInt32Array},
    datatypes::Int64Type,
    record_batch::RecordBatch,
};
use datafusion_common::DataFusionError;
use runink_planner::EmitMode;
use std::collections::{BTreeMap, BTreeSet};

/// See the module. Panes by the end of their slice.
pub(super) struct Panes {
    pub(super) panes: BTreeMap<i64, Pane>,
    /// A closed window's pane becomes part of the next one's: each window is a pane as it closes. For cumulating windows that do not
    /// correct themselves, where windows would else be put together from more and more slices.
    pub(super) folds: bool,
    /// All windows that end until then have closed.
    pub(super) closed_to: i64,
    /// For [`EmitMode::Every`]: windows' groups with a changed result, by when it may be given out.
    pub(super) due: BTreeMap<i64, Vec<(i64, u32)>>,
    pub(super) age: Option<Age>,
    /// Slices that are gone since the last capture: the highest end.
    pub(super) expired_to: Option<i64>,
    /// Keys that were let go since the last capture, by namespace.
    pub(super) deleted: Vec<(i64, Vec<ArrayRef>)>,
    /// Where rows may lie in the store alone.
    pub(super) spill: Option<Box<Spill>>,
    /// Groups, by pane, that may have no rows any more.
    vacant: BTreeMap<i64, Vec<u32>>,
    /// How many groups the last pane had that went: the next ones will probably have as many.
    pub(super) usual: usize,
    scratch: Scratch,
}

/// A new pane has room for as many groups as the one before it had, but at most for so many.
pub(super) const ROOM_MAX: usize = 1 << 20;

#[derive(Default)]
struct Scratch {
    keys: KeyRows,
    ids: Vec<u32>,
}

impl Panes {
    pub(super) fn new(ttl: Option<i64>, folds: bool) -> Self {
        Panes {
            panes: BTreeMap::new(),
            folds,
            closed_to: i64::MIN,
            due: BTreeMap::new(),
            age: ttl.map(Age::new),
            expired_to: None,
            deleted: Vec::new(),
            spill: None,
            vacant: BTreeMap::new(),
            usual: 0,
            scratch: Scratch::default(),
        }
    }

    /// Takes a batch.
    pub(super) fn apply(
        &mut self,
        grouping: &Grouping,
        batch: &Batch,
        marks: Marks,
        clock_us: i64,
        rejects: &mut Rejects,
    ) -> Result<(), OperatorError> {
        let mut runs = runs(grouping, batch, self.closed_to, clock_us, rejects)?;
        if runs.is_empty() {
            return Ok(());
        }
        runs.iter_mut().for_each(|run| run.slice_end = self.home(grouping, run.slice_end));
        let mut inputs = grouping.inputs(batch)?;
        let mut rows = batch.len();
        if runs.windows(2).any(|w| w[0].slice_end >= w[1].slice_end) {
            // Slices that come again are put together, so that each is worked on once.
            runs.sort_by_key(|r| r.slice_end);
            let order: UInt32Array = runs.iter().flat_map(|r| r.first as u32..(r.first + r.rows) as u32).collect();
            inputs = inputs.take(&order).map_err(|e| grouping.error(e))?;
            rows = order.len();
            let mut first = 0;
            for run in &mut runs {
                run.first = first;
                first += run.rows;
            }
            runs.dedup_by(|run, before| {
                let joins = run.slice_end == before.slice_end;
                before.rows += if joins { run.rows } else { 0 };
                joins
            });
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut spill = self.spill.take();
        grouping.prepare(&inputs.keys, rows, &mut scratch.keys)?;
        for run in runs {
            let pane = self.pane(grouping, run.slice_end).map_err(|e| grouping.error(e))?;
            let range = run.first..run.first + run.rows;
            let mut fetching = Fetching { grouping, slice_end: run.slice_end, spill: spill.as_deref_mut() };
            pane.update(&inputs, &scratch.keys, range, marks, &mut scratch.ids, &mut fetching)?;
        }
        self.spill = spill;
        self.scratch = scratch;
        Ok(())
    }

    /// Takes a batch of partial states (see [`Grouping::partial_fields`]).
    pub(super) fn merge(&mut self, grouping: &Grouping, batch: &RecordBatch, marks: Marks) -> Result<(), OperatorError> {
        let ends = batch
            .column(0)
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(|| OperatorError::plan(&grouping.step, "partial states without slices"))?;
        let key_count = grouping.keys.len();
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut spill = self.spill.take();
        grouping.prepare(&batch.columns()[1..=key_count], batch.num_rows(), &mut scratch.keys)?;
        let states = &batch.columns()[key_count + 1..];
        let weights = match states.last().filter(|_| grouping.retracts) {
            None => None,
            Some(rows) => Some(
                rows.as_primitive_opt::<Int64Type>().ok_or_else(|| OperatorError::plan(&grouping.step, "partial states without rows"))?,
            ),
        };
        let mut first = 0;
        for run in ends.values().chunk_by(|a, b| a == b) {
            let slice_end = self.home(grouping, run[0]);
            let pane = self.pane(grouping, slice_end).map_err(|e| grouping.error(e))?;
            let range = first..first + run.len();
            first += run.len();
            let by_call = grouping.by_call(states);
            let weights = weights.map(|w| &w.values()[..]);
            let mut fetching = Fetching { grouping, slice_end, spill: spill.as_deref_mut() };
            pane.merge(by_call, weights, (&scratch.keys, range), marks, &mut scratch.ids, &mut fetching)?;
        }
        self.spill = spill;
        self.scratch = scratch;
        Ok(())
    }

    /// The pane for rows of a slice: its own, or, where panes fold, that of the first window that is still open.
    fn home(&self, grouping: &Grouping, slice_end: i64) -> i64 {
        if !self.folds || slice_end > self.closed_to {
            return slice_end;
        }
        grouping.windows.ends_of(slice_end, self.closed_to, END_OF_TIME).next().unwrap_or(slice_end)
    }

    pub(super) fn pane(&mut self, grouping: &Grouping, end: i64) -> Result<&mut Pane, DataFusionError> {
        if !self.panes.contains_key(&end) {
            let before = self.panes.range(..end).next_back().map_or(self.usual, |(_, pane)| pane.keys.bound());
            self.panes.insert(end, Pane::new(grouping, before.min(ROOM_MAX))?);
        }
        self.panes.get_mut(&end).ok_or_else(|| DataFusionError::Internal("a pane that was made is missing".into()))
    }

    /// Ends an epoch: gives results out as the mode says and lets go of what no row can reach any more.
    pub(super) fn close(&mut self, turn: &mut Turn<'_>) -> Result<(), OperatorError> {
        let (grouping, settings, watermark) = (turn.grouping, turn.settings, turn.watermark);
        let touched = self.take_touched(settings);
        if grouping.retracts {
            self.settle(&touched);
            // Nothing is given out that would have to be taken back; and panes that fold number their groups anew.
            if !settings.changelog {
                self.sweep(grouping)?;
            }
        }
        self.fetch_closing(grouping, settings, watermark)?;
        let closing = self.closing(grouping, watermark);
        match settings.emit {
            EmitMode::OnClose if !settings.changelog => {
                for &end in &closing {
                    self.give_whole(end, turn)?;
                    if self.folds {
                        self.fold(grouping, end).map_err(|e| grouping.error(e))?;
                    }
                }
            }
            EmitMode::OnClose => {
                let ready = self.changed_windows(grouping, &touched, self.closed_to)?;
                let mut ready = self.without_flags(ready);
                for &end in &closing {
                    let groups = self.groups_of_window(grouping, end).map_err(|e| grouping.error(e))?;
                    ready.insert(end, groups);
                }
                self.give_changes(ready, turn)?;
            }
            EmitMode::OnChange => {
                let ready = self.changed_windows(grouping, &touched, END_OF_TIME)?;
                let ready = self.without_flags(ready);
                self.give_changes(ready, turn)?;
            }
            EmitMode::Every(period) => {
                let changed = self.changed_windows(grouping, &touched, END_OF_TIME)?;
                let ready = self.ready(changed, &closing, period, turn);
                self.give_changes(ready, turn)?;
            }
        }
        self.age(&touched, turn)?;
        self.sweep(grouping)?;
        self.closed_to = self.closed_to.max(watermark);
        self.expire(grouping, settings);
        Ok(())
    }

    fn take_touched(&mut self, settings: &Settings) -> Vec<(i64, Vec<u32>)> {
        if !settings.touches {
            return Vec::new();
        }
        let panes = self.panes.iter_mut().filter(|(_, p)| !p.touched.is_empty());
        panes.map(|(&end, p)| (end, p.take_touched())).collect()
    }

    /// Says of groups that an epoch touched whether they have rows.
    fn settle(&mut self, touched: &[(i64, Vec<u32>)]) {
        for (end, groups) in touched {
            let Some(pane) = self.panes.get_mut(end) else { continue };
            pane.settle(groups);
            let vacant: Vec<u32> = groups.iter().copied().filter(|&id| pane.weight(id) == 0).collect();
            self.vacate(*end, vacant);
        }
    }

    fn vacate(&mut self, end: i64, groups: Vec<u32>) {
        if !groups.is_empty() {
            self.vacant.entry(end).or_default().extend(groups);
        }
    }

    /// Lets go of groups whose rows have all been taken back.
    fn sweep(&mut self, grouping: &Grouping) -> Result<(), OperatorError> {
        let marked = self.spill.as_ref().map(|spill| spill.shelved.next_capture());
        for (end, groups) in std::mem::take(&mut self.vacant) {
            let Some(pane) = self.panes.get_mut(&end) else { continue };
            if let Some(keys) = pane.sweep(groups, marked).map_err(|e| grouping.error(e))? {
                self.deleted.push((if end == END_OF_TIME { 0 } else { end }, keys));
            }
        }
        Ok(())
    }

    /// The ends of the windows that close now, ascending.
    fn closing(&self, grouping: &Grouping, watermark: i64) -> BTreeSet<i64> {
        let mut closing = BTreeSet::new();
        if watermark > self.closed_to && grouping.windows.any_end_in(self.closed_to, watermark) {
            for (&end, pane) in &self.panes {
                if end > watermark {
                    break;
                }
                // A result whose rows have all been taken back may still be there.
                if pane.present > 0 || (grouping.retracts && !pane.given.rows.is_empty()) {
                    closing.extend(grouping.windows.ends_of(end, self.closed_to, watermark));
                }
            }
        }
        closing
    }

    /// The windows, up to an end, whose results may have changed, with the groups in their own pane. Sets [`CHANGED`]; groups of
    /// open windows that had it are left out.
    fn changed_windows(
        &mut self,
        grouping: &Grouping,
        touched: &[(i64, Vec<u32>)],
        up_to: i64,
    ) -> Result<BTreeMap<i64, Vec<u32>>, OperatorError> {
        let mut changed: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        let (mut ids, closed_to) = (Vec::new(), self.closed_to);
        for (slice_end, groups) in touched {
            let ends = grouping.windows.ends_of(*slice_end, i64::MIN, up_to);
            for end in ends.filter(|&end| !is_gone(end, grouping.lateness, closed_to)) {
                ids.clear();
                if end == *slice_end {
                    ids.extend_from_slice(groups);
                } else {
                    // Out and in again: the window's pane takes keys from the slice's.
                    let Some(slice) = self.panes.remove(slice_end) else { continue };
                    self.pane(grouping, end).map_err(|e| grouping.error(e))?.keys.intern_from(&slice.keys, groups, &mut ids);
                    self.panes.insert(*slice_end, slice);
                }
                let pane = self.pane(grouping, end).map_err(|e| grouping.error(e))?;
                ids.retain(|&id| pane.set(id, CHANGED) || end <= closed_to);
                changed.entry(end).or_default().extend_from_slice(&ids);
            }
        }
        changed.retain(|_, groups| {
            groups.sort_unstable();
            groups.dedup();
            !groups.is_empty()
        });
        Ok(changed)
    }

    fn without_flags(&mut self, changed: BTreeMap<i64, Vec<u32>>) -> BTreeMap<i64, Vec<u32>> {
        for (end, groups) in &changed {
            if let Some(pane) = self.panes.get_mut(end) {
                groups.iter().for_each(|&id| pane.clear(id, CHANGED));
            }
        }
        changed
    }

    /// For [`EmitMode::Every`]: what may be given out now; the rest goes into the calendar.
    fn ready(
        &mut self,
        changed: BTreeMap<i64, Vec<u32>>,
        closing: &BTreeSet<i64>,
        period: i64,
        turn: &Turn<'_>,
    ) -> BTreeMap<i64, Vec<u32>> {
        let (watermark, now) = (turn.watermark, turn.now);
        let mut ready: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (end, groups) in changed {
            let Some(pane) = self.panes.get(&end) else { continue };
            for id in groups {
                let due = if end <= watermark { i64::MIN } else { pane.given.due(id, period) };
                self.due.entry(due).or_default().push((end, id));
            }
        }
        for &end in closing {
            if let Some(pane) = self.panes.get(&end) {
                ready.insert(end, pane.with_flag(CHANGED));
            }
        }
        while let Some(first) = self.due.first_entry() {
            if *first.key() > now {
                break;
            }
            for (end, id) in first.remove() {
                // What was restored stands here as well, windows that take no more rows included.
                if closing.contains(&end) || is_gone(end, turn.grouping.lateness, self.closed_to) {
                    continue;
                }
                let Some(pane) = self.panes.get_mut(&end) else { continue };
                if pane.has(id, CHANGED) && (end <= watermark || pane.given.due(id, period) <= now) {
                    pane.clear(id, CHANGED);
                    ready.entry(end).or_default().push(id);
                }
            }
        }
        self.without_flags(ready)
    }

    /// Lets go of panes that no row can reach any more.
    fn expire(&mut self, grouping: &Grouping, settings: &Settings) {
        while let Some(first) = self.panes.first_entry() {
            let end = *first.key();
            let over = if end == END_OF_TIME {
                self.closed_to == END_OF_TIME && !settings.changelog
            } else {
                is_gone(grouping.windows.last_end(end), grouping.lateness, self.closed_to)
            };
            if !over {
                break;
            }
            self.usual = first.remove().keys.bound();
            self.expired_to = self.expired_to.max(Some(end));
            if let Some(spill) = &mut self.spill {
                spill.shelved.expired(end);
            }
        }
    }
}
