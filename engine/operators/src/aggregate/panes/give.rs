//! Giving out windows' results: whole ones when they close, and changes of some groups.

use super::{Panes, ROOM_MAX};
use crate::{
    OperatorError,
    aggregate::{
        calls::Evaluated,
        emit::Results,
        grouping::{Grouping, constant},
        keys::NOT_FOUND,
        pane::{DIRTY, PRESENT, Pane},
        settings::Turn,
        window::END_OF_TIME,
    },
};
use arrow::{array::ArrayRef, buffer::BooleanBuffer};
use datafusion_common::DataFusionError;
use std::collections::{BTreeMap, BTreeSet};

impl Panes {
    /// All groups of a window, in the window's own pane.
    pub(super) fn groups_of_window(&mut self, grouping: &Grouping, end: i64) -> Result<Vec<u32>, DataFusionError> {
        if grouping.windows.window_is_slice() {
            return Ok(self.panes.get(&end).map_or_else(Vec::new, |p| p.with_flag(PRESENT)));
        }
        let mut window = match self.panes.remove(&end) {
            Some(pane) => pane,
            None => Pane::new(grouping, 0)?,
        };
        let mut groups: BTreeSet<u32> = window.with_flag(PRESENT).into_iter().collect();
        let mut ids = Vec::new();
        for pane in self.panes.range(slices(grouping, end)).map(|(_, pane)| pane) {
            ids.clear();
            window.keys.intern_from(&pane.keys, &pane.with_flag(PRESENT), &mut ids);
            groups.extend(&ids);
        }
        self.panes.insert(end, window);
        Ok(groups.into_iter().collect())
    }

    /// Gives out a window's results, all of them, for good.
    pub(super) fn give_whole(&mut self, end: i64, turn: &mut Turn<'_>) -> Result<(), OperatorError> {
        let grouping = turn.grouping;
        let whole = if grouping.windows.window_is_slice() {
            let Some(pane) = self.panes.get_mut(&end) else { return Ok(()) };
            let (groups, evaluated) = pane.finish().map_err(|e| grouping.error(e))?;
            pane.keys.columns(&groups).map(|keys| (keys, evaluated, groups.len())).map_err(|e| grouping.error(e))?
        } else if self.folds {
            let Some(pane) = self.panes.get_mut(&end) else { return Ok(()) };
            let groups = pane.with_flag(PRESENT);
            let evaluated = pane.evaluate(&groups).map_err(|e| grouping.error(e))?;
            pane.keys.columns(&groups).map(|keys| (keys, evaluated, groups.len())).map_err(|e| grouping.error(e))?
        } else {
            self.put_together(grouping, end).map_err(|e| grouping.error(e))?
        };
        let (keys, evaluated, rows) = whole;
        let results = Results::new(grouping, keys, evaluated, bounds(grouping, end, rows), rows);
        let good = results.reject_failures(&turn.emission, turn.rejects)?;
        turn.emission.push((&results.keys, &results.values, results.bounds.clone()), good, 1)
    }

    /// Makes a closed window's pane part of the next window's, if there is one.
    pub(super) fn fold(&mut self, grouping: &Grouping, end: i64) -> Result<(), DataFusionError> {
        let Some(next) = grouping.windows.ends_of(end, end, END_OF_TIME).next() else { return Ok(()) };
        let Some(mut whole) = self.panes.remove(&end) else { return Ok(()) };
        self.expired_to = self.expired_to.max(Some(end));
        for id in whole.with_flag(PRESENT) {
            whole.set(id, DIRTY);
        }
        if let Some(mut slice) = self.panes.remove(&next) {
            whole.add(&mut slice)?;
        }
        self.panes.insert(next, whole);
        Ok(())
    }

    /// A whole window out of its slices.
    fn put_together(&mut self, grouping: &Grouping, end: i64) -> Result<(Vec<ArrayRef>, Vec<Evaluated>, usize), DataFusionError> {
        let room = self.panes.range(slices(grouping, end)).map(|(_, pane)| pane.keys.bound()).max();
        let mut whole = Pane::new(grouping, room.unwrap_or(0).min(ROOM_MAX))?;
        for (_, pane) in self.panes.range_mut(slices(grouping, end)) {
            whole.add(pane)?;
        }
        let rows = whole.keys.bound();
        let evaluated = whole.accumulators.iter_mut().map(|a| a.finish(rows)).collect::<Result<_, _>>()?;
        Ok((whole.keys.columns(&(0..rows as u32).collect::<Vec<_>>())?, evaluated, rows))
    }

    /// Gives out what changed in windows: groups by window, in the window's own pane.
    pub(super) fn give_changes(&mut self, ready: BTreeMap<i64, Vec<u32>>, turn: &mut Turn<'_>) -> Result<(), OperatorError> {
        let grouping = turn.grouping;
        for (end, groups) in ready {
            if groups.is_empty() {
                continue;
            }
            let (evaluated, present) = self.evaluate(grouping, end, &groups).map_err(|e| grouping.error(e))?;
            let Some(pane) = self.panes.get_mut(&end) else { continue };
            let keys = pane.keys.columns(&groups).map_err(|e| grouping.error(e))?;
            let mut results = Results::new(grouping, keys, evaluated, bounds(grouping, end, groups.len()), groups.len());
            let edges = grouping.windowed.then(|| (grouping.windows.start_of(end), end));
            let gone = if grouping.retracts { (!&present).set_indices().map(|i| groups[i]).collect() } else { Vec::new() };
            results.only(present);
            pane.give(&groups, &results, edges, turn)?;
            self.vacate(end, gone);
        }
        Ok(())
    }

    /// The results of some groups of a window, by their numbers in its own pane, and which of them have rows.
    fn evaluate(&mut self, grouping: &Grouping, end: i64, groups: &[u32]) -> Result<(Vec<Evaluated>, BooleanBuffer), DataFusionError> {
        if grouping.windows.window_is_slice() {
            let Some(pane) = self.panes.get_mut(&end) else { return Err(DataFusionError::Internal(format!("no pane {end}"))) };
            let present = BooleanBuffer::collect_bool(groups.len(), |i| pane.has(groups[i], PRESENT));
            return Ok((pane.evaluate(groups)?, present));
        }
        let mut has_rows = vec![false; groups.len()];
        let mut whole = grouping.accumulators()?;
        let Some(window) = self.panes.remove(&end) else { return Err(DataFusionError::Internal(format!("no pane {end}"))) };
        let mut add = |pane: &mut Pane, there: &[u32]| -> Result<(), DataFusionError> {
            let present = there.iter().enumerate().filter(|(_, id)| **id != NOT_FOUND && pane.has(**id, PRESENT));
            let (into, from): (Vec<u32>, Vec<u32>) = present.map(|(i, &id)| (i as u32, id)).unzip();
            if from.is_empty() {
                return Ok(());
            }
            into.iter().for_each(|&i| has_rows[i as usize] = true);
            for (into_acc, from_acc) in whole.iter_mut().zip(&mut pane.accumulators) {
                into_acc.merge(&from_acc.state(&from)?, &into, groups.len())?;
            }
            Ok(())
        };
        let mut window = window;
        let mut there = Vec::new();
        for (_, pane) in self.panes.range_mut(slices(grouping, end)) {
            there.clear();
            pane.keys.find_from(&window.keys, groups, &mut there);
            add(pane, &there)?;
        }
        add(&mut window, groups)?;
        self.panes.insert(end, window);
        let all: Vec<u32> = (0..groups.len() as u32).collect();
        Ok((whole.iter_mut().map(|a| a.evaluate(&all)).collect::<Result<_, _>>()?, BooleanBuffer::from(has_rows)))
    }
}

/// The ends of the slices of a window.
fn slices(grouping: &Grouping, end: i64) -> std::ops::RangeInclusive<i64> {
    grouping.windows.start_of(end).saturating_add(1)..=end
}

fn bounds(grouping: &Grouping, end: i64, rows: usize) -> Option<(ArrayRef, ArrayRef)> {
    grouping.windowed.then(|| (constant(grouping.windows.start_of(end), rows), constant(end, rows)))
}
