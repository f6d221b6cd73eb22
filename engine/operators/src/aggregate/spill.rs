//! Groups that lie in the store alone: looked up before rows are added to them, let go when they are clean and memory is wanted.
//!
//! A group is named by its slice and its key, so that what an epoch touches is known as soon as its keys have numbers: those whose numbers are new are looked up, all of a
//! batch's at once. Windows that close are given out whole: what the store alone has of their slices is read then.
//!
//! Groups of these stay in memory: sessions (whose slices move), cumulating windows whose panes fold, results at most every so often and keys with a time to live (both need a
//! calendar of all groups), windows of several slices that correct themselves, and calls whose state does not come back exactly as it was.

use super::{
    AggregateOperator, Shape,
    grouping::{Grouping, constant},
    pane::{CAPTURED, CHANGED, DIRTY, GONE, KNOWN, Pane, SCHEDULED, TOUCHED},
    panes::Panes,
    settings::Settings,
    state::{Layout, failed, namespace, restore_groups},
    window::END_OF_TIME,
};
use crate::{
    OperatorError,
    shelved::{Shelved, oldest},
};
use arrow::{
    array::{AsArray, BooleanArray},
    compute::filter_record_batch,
    datatypes::Int64Type,
    record_batch::RecordBatch,
};
use runink_checkpoint::{Boundary, Namespace, Shelf, SpillCounts, SpillTable, StateError, StateTable};
use runink_planner::{AggregateOp, EmitMode};
use std::ops::Range;

/// Whether an aggregation's groups may lie in the store alone.
pub(super) fn can(grouping: &Grouping, settings: &Settings, shape: &Shape, op: &AggregateOp) -> bool {
    let Shape::Panes(panes) = shape else { return false };
    let gives = match settings.emit {
        EmitMode::Every(_) => false,
        EmitMode::OnClose if !settings.changelog => true,
        EmitMode::OnClose | EmitMode::OnChange => grouping.windows.window_is_slice(),
    };
    let exact = || grouping.calls.iter().zip(&op.calls).all(|(compiled, call)| compiled.restores_exactly(call));
    gives && !panes.folds && panes.age.is_none() && exact()
}

/// Of an aggregation whose groups may lie in the store alone.
pub(super) struct Spill {
    pub(super) shelved: Shelved,
    layout: Layout,
}

/// How a pane comes by what the store alone has of its groups.
pub(super) struct Fetching<'a> {
    pub(super) grouping: &'a Grouping,
    pub(super) slice_end: i64,
    pub(super) spill: Option<&'a mut Spill>,
}

impl Fetching<'_> {
    /// Fetches what the store alone has of groups.
    #[inline]
    pub(super) fn fetch(&mut self, pane: &mut Pane, ids: &[u32]) -> Result<(), OperatorError> {
        let slice_end = namespace(self.slice_end);
        match self.spill.as_deref_mut().filter(|spill| spill.shelved.absent(slice_end)) {
            Some(spill) => spill.fetch(self.grouping, self.slice_end, pane, ids).map_err(|source| state_error(self.grouping, source)),
            None => Ok(()),
        }
    }
}

fn state_error(grouping: &Grouping, source: StateError) -> OperatorError {
    OperatorError::State { step: grouping.step.to_string(), source }
}

impl Spill {
    fn fetch(&mut self, grouping: &Grouping, slice_end: i64, pane: &mut Pane, ids: &[u32]) -> Result<(), StateError> {
        let unknown = newly_known(pane, ids.iter().copied());
        if unknown.is_empty() {
            return Ok(());
        }
        let mut columns = vec![constant(namespace(slice_end), unknown.len())];
        columns.extend(pane.keys.columns(&unknown)?);
        let Spill { shelved, layout } = self;
        let now = shelved.written();
        pane.stamp(&unknown, now);
        shelved.get(columns, &mut |rows| restore_groups(grouping, layout, pane, &rows).map(drop).map_err(failed))
    }

    /// Fetches all that the store alone has of some namespaces.
    fn fetch_all(&mut self, grouping: &Grouping, panes: &mut Panes, namespaces: Range<Namespace>) -> Result<(), StateError> {
        let Spill { shelved, layout } = self;
        let now = shelved.written();
        let mut fetched = 0;
        shelved.scan(namespaces, &mut |rows| {
            let ends = rows.column(1).as_primitive::<Int64Type>().clone();
            let mut first = 0;
            for run in ends.values().chunk_by(|a, b| a == b) {
                let part = rows.slice(first, run.len());
                first += run.len();
                let end = if grouping.windowed { run[0] } else { END_OF_TIME };
                let pane = panes.pane(grouping, end).map_err(failed)?;
                fetched += fetch_rows(grouping, layout, pane, &part, now)?;
            }
            Ok(())
        })?;
        shelved.counts.fetched += fetched as u64;
        Ok(())
    }
}

/// Puts those of the rows into a pane whose groups it does not know; how many.
fn fetch_rows(grouping: &Grouping, layout: &Layout, pane: &mut Pane, rows: &RecordBatch, now: u32) -> Result<usize, StateError> {
    let mut keys = super::keys::KeyRows::default();
    grouping.layout.prepare(&rows.columns()[layout.keys.clone()], rows.num_rows(), &mut keys)?;
    let mut ids = Vec::with_capacity(rows.num_rows());
    pane.keys.intern(&keys, 0..rows.num_rows(), &mut ids);
    let missing: BooleanArray = ids.iter().map(|&id| Some(!pane.has(id, KNOWN))).collect();
    let unknown = newly_known(pane, ids.iter().copied());
    if unknown.is_empty() {
        return Ok(0);
    }
    pane.stamp(&unknown, now);
    restore_groups(grouping, layout, pane, &filter_record_batch(rows, &missing)?).map_err(failed)?;
    Ok(unknown.len())
}

/// Those of the groups that were not known; from now on they are.
fn newly_known(pane: &mut Pane, ids: impl Iterator<Item = u32>) -> Vec<u32> {
    pane.flags.resize(pane.keys.bound().max(pane.flags.len()), 0);
    let flags = &mut pane.flags;
    ids.filter(|&id| {
        let flags = &mut flags[id as usize];
        let new = *flags & KNOWN == 0;
        *flags |= KNOWN;
        new
    })
    .collect()
}

impl Panes {
    /// Windows that close are given out whole: fetches what the store alone has of them.
    pub(super) fn fetch_closing(&mut self, grouping: &Grouping, settings: &Settings, watermark: i64) -> Result<(), OperatorError> {
        let closes = settings.emit == EmitMode::OnClose && watermark > self.closed_to;
        if !closes || !grouping.windows.any_end_in(self.closed_to, watermark) {
            return Ok(());
        }
        let namespaces = if grouping.windowed {
            // Slices of a window that closes begin after that window does.
            grouping.windows.start_of(self.closed_to.saturating_add(1)).saturating_add(1)..=watermark
        } else {
            0..=0
        };
        let Some(mut spill) = self.spill.take_if(|spill| spill.shelved.any_absent(namespaces.clone())) else { return Ok(()) };
        let namespaces = Namespace(*namespaces.start())..Namespace(namespaces.end().saturating_add(1));
        spill.fetch_all(grouping, self, namespaces).map_err(|source| state_error(grouping, source))?;
        self.spill = Some(spill);
        Ok(())
    }
}

impl Pane {
    /// Whether a group may be let go, where the store has written the captures up to a number.
    fn is_clean(&self, id: u32, written: u32) -> bool {
        let flags = self.flags.get(id as usize).copied().unwrap_or(0);
        flags & (KNOWN | CAPTURED) == KNOWN | CAPTURED
            && flags & (DIRTY | TOUCHED | CHANGED | SCHEDULED) == 0
            && self.captured_in.get(id as usize).is_some_and(|&number| number <= written)
    }

    /// What a group takes, about.
    fn bytes_per_group(&self) -> usize {
        self.bytes().div_ceil(self.keys.bound().max(1))
    }

    /// What the groups take that are there.
    fn used_bytes(&self) -> usize {
        self.bytes_per_group() * self.keys.len()
    }
}

impl SpillTable for AggregateOperator {
    fn shelve(&mut self, shelf: Shelf) {
        let spill = Spill { shelved: Shelved::new(shelf), layout: self.layout() };
        if let Shape::Panes(panes) = &mut self.shape {
            panes.spill = Some(Box::new(spill));
        }
    }

    fn handed_over(&mut self, boundary: Boundary) {
        if let Shape::Panes(panes) = &mut self.shape
            && let Some(spill) = &mut panes.spill
        {
            spill.shelved.handed_over(boundary);
        }
    }

    fn evict(&mut self, bytes: usize) -> Result<usize, StateError> {
        let Shape::Panes(panes) = &mut self.shape else { return Ok(0) };
        let Some(spill) = &mut panes.spill else { return Ok(0) };
        let Some(written) = spill.shelved.may_evict() else { return Ok(0) };
        let mut ages = Vec::new();
        let (mut used, mut groups) = (0, 0);
        for pane in panes.panes.values() {
            (used, groups) = (used + pane.used_bytes(), groups + pane.keys.len());
            ages.extend((0..pane.flags.len() as u32).filter(|&id| pane.is_clean(id, written)).map(|id| pane.captured_in[id as usize]));
        }
        let each = used.div_ceil(groups.max(1)).max(1);
        let wanted = bytes.div_ceil(each);
        spill.shelved.looked_through(ages.len() <= wanted);
        let (cut, mut more) = oldest(ages, wanted);
        let mut gone = 0;
        for (&end, pane) in &mut panes.panes {
            let mut evicted = 0;
            for id in 0..pane.flags.len() as u32 {
                let goes = pane.is_clean(id, written) && {
                    let age = pane.captured_in[id as usize];
                    let last = age == cut && more > 0;
                    more -= usize::from(last);
                    age < cut || last
                };
                if goes {
                    gone += 1;
                    evicted += usize::from(!pane.has(id, GONE));
                    pane.remove(id);
                }
            }
            spill.shelved.evicted(namespace(end), evicted);
        }
        Ok(gone * each)
    }

    fn used_bytes(&self) -> usize {
        match &self.shape {
            Shape::Panes(panes) => panes.panes.values().map(Pane::used_bytes).sum(),
            Shape::Sessions { .. } => self.bytes(),
        }
    }

    fn spill_counts(&self) -> SpillCounts {
        match &self.shape {
            Shape::Panes(panes) => panes.spill.as_ref().map_or_else(SpillCounts::default, |spill| spill.shelved.counts),
            Shape::Sessions { .. } => SpillCounts::default(),
        }
    }
}
