//! A pane: the groups of one slice of time with their accumulators, and what was given out for the window that ends where the slice does.

use super::{
    calls::{Accumulate, CallInput, Evaluated},
    emit::{Results, equal_rows, narrowed},
    grouping::{Grouping, Inputs, constant},
    keys::{KeyRows, KeyTable},
    settings::Turn,
    spill::Fetching,
    store::RowStore,
};
use crate::OperatorError;
use arrow::{array::ArrayRef, buffer::BooleanBuffer};
use datafusion_common::DataFusionError;
use std::ops::Range;

/// The group has rows of this slice; where rows can be taken back, as of the last epoch's end.
pub(super) const PRESENT: u8 = 1;
/// The group got rows in this epoch.
pub(super) const TOUCHED: u8 = 2;
/// The group changed since the last capture.
pub(super) const DIRTY: u8 = 4;
/// The group's result in the window that ends here may have changed since it was given out.
pub(super) const CHANGED: u8 = 8;
/// The group has its entry in the calendar of keys to let go.
pub(super) const SCHEDULED: u8 = 16;
/// A capture has the group.
pub(super) const CAPTURED: u8 = 32;
/// What is known of the group is all in memory: where rows may lie in the store alone, it was looked up.
pub(super) const KNOWN: u8 = 64;
/// The group is gone, and stands here until the store has written that it is.
pub(super) const GONE: u8 = 128;

/// What is noted of groups that get rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// Nothing: the pane gives its states away and is gone.
    None,
    /// That they have rows and that the next capture must have them.
    Rows,
    /// Also that the epoch touched them.
    Touched,
}

/// The list of changed groups is looked through when it has this many, and twice as many as there are groups.
const DIRTY_MIN: usize = 1024;

/// See the module.
pub(super) struct Pane {
    pub(super) keys: KeyTable,
    pub(super) accumulators: Vec<Box<dyn Accumulate>>,
    /// By group.
    pub(super) flags: Vec<u8>,
    pub(super) present: usize,
    pub(super) touched: Vec<u32>,
    pub(super) dirty: Vec<u32>,
    pub(super) given: Given,
    /// By group, where rows can be taken back: how many rows it has.
    pub(super) weights: Option<Vec<i64>>,
    /// By group, where rows may lie in the store alone: the number of the capture that took it last.
    pub(super) captured_in: Vec<u32>,
}

/// What was given out and not taken back.
pub(super) struct Given {
    pub(super) rows: RowStore,
    /// By group: when, in the window's time.
    pub(super) at: Vec<i64>,
}

impl Given {
    pub(super) fn new(grouping: &Grouping) -> Self {
        let mut types: Vec<_> = grouping.calls.iter().map(|c| c.output.clone()).collect();
        if grouping.gap.is_some() {
            types.extend([arrow::datatypes::DataType::Int64, arrow::datatypes::DataType::Int64]);
        }
        Given { rows: RowStore::new(types), at: Vec::new() }
    }

    pub(super) fn stamp(&mut self, group: u32, now: i64) {
        if self.at.len() <= group as usize {
            self.at.resize(group as usize + 1, i64::MIN);
        }
        self.at[group as usize] = now;
    }

    /// The moment from which a new result may be given out, where one is at most every `period`.
    pub(super) fn due(&self, group: u32, period: i64) -> i64 {
        if self.rows.has(group) { self.at.get(group as usize).copied().unwrap_or(i64::MIN).saturating_add(period) } else { i64::MIN }
    }
}

impl Pane {
    /// A pane without groups, with room for so many.
    pub(super) fn new(grouping: &Grouping, room: usize) -> Result<Self, DataFusionError> {
        Ok(Pane {
            keys: KeyTable::with_room(&grouping.layout, room),
            accumulators: grouping.accumulators()?,
            flags: Vec::new(),
            present: 0,
            touched: Vec::new(),
            dirty: Vec::new(),
            given: Given::new(grouping),
            weights: grouping.retracts.then(Vec::new),
            captured_in: Vec::new(),
        })
    }

    /// Takes rows; `ids` is scratch. What the store alone has of their groups is fetched first.
    pub(super) fn update(
        &mut self,
        inputs: &Inputs,
        keys: &KeyRows,
        range: Range<usize>,
        marks: Marks,
        ids: &mut Vec<u32>,
        spill: &mut Fetching<'_>,
    ) -> Result<(), OperatorError> {
        ids.clear();
        self.keys.intern(keys, range.clone(), ids);
        spill.fetch(self, ids)?;
        self.update_groups(inputs, keys.hashes.len(), range, marks, ids).map_err(|e| spill.grouping.error(e))
    }

    fn update_groups(
        &mut self,
        inputs: &Inputs,
        rows: usize,
        range: Range<usize>,
        marks: Marks,
        ids: &[u32],
    ) -> Result<(), DataFusionError> {
        let bound = self.keys.bound();
        for (accumulator, input) in self.accumulators.iter_mut().zip(&inputs.calls) {
            update_range(accumulator.as_mut(), input, rows, range.clone(), ids, bound)?;
        }
        match &inputs.diffs {
            None => self.weigh(ids, std::iter::repeat(1)),
            Some(diffs) => self.weigh(ids, diffs[range].iter().copied()),
        }
        self.mark_rows(ids, marks);
        Ok(())
    }

    fn weigh(&mut self, ids: &[u32], diffs: impl Iterator<Item = i64>) {
        let Some(weights) = &mut self.weights else { return };
        weights.resize(self.keys.bound().max(weights.len()), 0);
        for (&id, diff) in ids.iter().zip(diffs) {
            let weight = &mut weights[id as usize];
            *weight = weight.saturating_add(diff);
        }
    }

    /// Takes captured numbers of rows.
    pub(super) fn restore_weights(&mut self, ids: &[u32], weights: &[i64]) {
        self.weigh(ids, weights.iter().copied());
    }

    /// How many rows a group has, where that is counted.
    pub(super) fn weight(&self, id: u32) -> i64 {
        self.weights.as_ref().and_then(|w| w.get(id as usize)).copied().unwrap_or(0)
    }

    /// Takes states of parts, split by call.
    pub(super) fn merge<'s>(
        &mut self,
        states: impl Iterator<Item = &'s [ArrayRef]>,
        weights: Option<&[i64]>,
        (keys, range): (&KeyRows, Range<usize>),
        marks: Marks,
        ids: &mut Vec<u32>,
        spill: &mut Fetching<'_>,
    ) -> Result<(), OperatorError> {
        ids.clear();
        self.keys.intern(keys, range.clone(), ids);
        spill.fetch(self, ids)?;
        self.merge_groups(states, weights, range, marks, ids).map_err(|e| spill.grouping.error(e))
    }

    fn merge_groups<'s>(
        &mut self,
        states: impl Iterator<Item = &'s [ArrayRef]>,
        weights: Option<&[i64]>,
        range: Range<usize>,
        marks: Marks,
        ids: &[u32],
    ) -> Result<(), DataFusionError> {
        let bound = self.keys.bound();
        for (accumulator, states) in self.accumulators.iter_mut().zip(states) {
            let states: Vec<ArrayRef> = states.iter().map(|s| s.slice(range.start, range.len())).collect();
            accumulator.merge(&states, ids, bound)?;
        }
        if let Some(weights) = weights {
            self.weigh(ids, weights[range].iter().copied());
        }
        self.mark_rows(ids, marks);
        Ok(())
    }

    /// Takes another pane's groups.
    pub(super) fn add(&mut self, other: &mut Pane) -> Result<(), DataFusionError> {
        let groups = other.with_flag(PRESENT);
        let mut ids = Vec::with_capacity(groups.len());
        self.keys.intern_from(&other.keys, &groups, &mut ids);
        let bound = self.keys.bound();
        for (into, from) in self.accumulators.iter_mut().zip(&mut other.accumulators) {
            into.merge(&from.state(&groups)?, &ids, bound)?;
        }
        self.weigh(&ids, groups.iter().map(|&id| other.weight(id)));
        self.mark_rows(&ids, Marks::Rows);
        if self.weights.is_some() {
            self.settle(&ids);
        }
        Ok(())
    }

    /// Where rows can be taken back: says of groups whether they have rows, now that the epoch's have all come.
    pub(super) fn settle(&mut self, groups: &[u32]) {
        for &id in groups {
            let (has, had) = (self.weight(id) > 0, self.has(id, PRESENT));
            if has && !had {
                self.set(id, PRESENT);
                self.present += 1;
            } else if had && !has {
                self.clear(id, PRESENT);
                self.present -= 1;
            }
        }
    }

    /// Lets go of those of the groups that have no rows and of which nothing is given out; gives the keys of those that a capture has. Where rows may lie in the
    /// store alone, `marked` is the number of the next capture: a group that a capture has leaves a mark until the store has written that one.
    pub(super) fn sweep(&mut self, mut groups: Vec<u32>, marked: Option<u32>) -> Result<Option<Vec<ArrayRef>>, DataFusionError> {
        groups.sort_unstable();
        groups.dedup();
        groups.retain(|&id| self.weight(id) == 0 && !self.given.rows.has(id) && !self.has(id, PRESENT | CHANGED | TOUCHED | GONE));
        let captured: Vec<u32> = groups.iter().copied().filter(|&id| self.has(id, CAPTURED)).collect();
        let keys = if captured.is_empty() { None } else { Some(self.keys.columns(&captured)?) };
        for &id in &groups {
            match marked.filter(|_| self.has(id, CAPTURED)) {
                Some(number) => self.mark_gone(id, number),
                None => self.remove(id),
            }
        }
        if self.dirty.len() > DIRTY_MIN.max(2 * self.keys.bound()) {
            let flags = &self.flags;
            self.dirty.retain(|&id| flags[id as usize] & DIRTY != 0);
            self.dirty.sort_unstable();
            self.dirty.dedup();
        }
        Ok(keys)
    }

    /// Forgets a group; its number will be given to another.
    pub(super) fn remove(&mut self, id: u32) {
        self.empty(id);
        self.keys.remove(id);
    }

    /// Forgets all of a group but its key: it is gone, and the capture of that number says so.
    fn mark_gone(&mut self, id: u32, number: u32) {
        self.empty(id);
        self.flags[id as usize] = KNOWN | CAPTURED | GONE;
        self.stamp(&[id], number);
    }

    /// Notes which capture took groups last.
    pub(super) fn stamp(&mut self, ids: &[u32], number: u32) {
        self.captured_in.resize(self.keys.bound().max(self.captured_in.len()), 0);
        ids.iter().for_each(|&id| self.captured_in[id as usize] = number);
    }

    fn empty(&mut self, id: u32) {
        self.accumulators.iter_mut().for_each(|a| a.forget(id));
        self.given.rows.forget(id);
        self.present -= usize::from(self.has(id, PRESENT));
        if let Some(flags) = self.flags.get_mut(id as usize) {
            *flags = 0;
        }
        if let Some(weight) = self.weights.as_mut().and_then(|w| w.get_mut(id as usize)) {
            *weight = 0;
        }
    }

    fn mark_rows(&mut self, ids: &[u32], marks: Marks) {
        let present = if self.weights.is_none() { PRESENT } else { 0 };
        let bits = match marks {
            Marks::None => return,
            Marks::Rows => present | DIRTY | KNOWN,
            Marks::Touched => present | DIRTY | KNOWN | TOUCHED,
        };
        self.flags.resize(self.keys.bound().max(self.flags.len()), 0);
        for &id in ids {
            let flags = &mut self.flags[id as usize];
            let new = bits & !*flags;
            if new != 0 {
                // What is gone is changed when rows come again, so that it is seen here.
                *flags = (*flags | bits) & !GONE;
                self.present += usize::from(new & PRESENT != 0);
                if new & DIRTY != 0 {
                    self.dirty.push(id);
                }
                if new & TOUCHED != 0 {
                    self.touched.push(id);
                }
            }
        }
    }

    /// Sets a flag; says whether it was not set.
    pub(super) fn set(&mut self, id: u32, flag: u8) -> bool {
        if self.flags.len() <= id as usize {
            self.flags.resize(self.keys.bound(), 0);
        }
        let flags = &mut self.flags[id as usize];
        let new = *flags & flag == 0;
        *flags |= flag;
        if new && flag == DIRTY {
            self.dirty.push(id);
        }
        new
    }

    pub(super) fn has(&self, id: u32, flag: u8) -> bool {
        self.flags.get(id as usize).is_some_and(|f| f & flag != 0)
    }

    pub(super) fn clear(&mut self, id: u32, flag: u8) {
        if let Some(flags) = self.flags.get_mut(id as usize) {
            *flags &= !flag;
        }
    }

    /// The groups this epoch touched; none are afterwards.
    pub(super) fn take_touched(&mut self) -> Vec<u32> {
        let touched = std::mem::take(&mut self.touched);
        touched.iter().for_each(|&id| self.clear(id, TOUCHED));
        touched
    }

    /// Groups that have a flag.
    pub(super) fn with_flag(&self, flag: u8) -> Vec<u32> {
        (0..self.flags.len() as u32).filter(|&id| self.flags[id as usize] & flag != 0).collect()
    }

    pub(super) fn evaluate(&mut self, groups: &[u32]) -> Result<Vec<Evaluated>, DataFusionError> {
        self.accumulators.iter_mut().map(|a| a.evaluate(groups)).collect()
    }

    /// The results of all groups with rows, which are not read afterwards.
    pub(super) fn finish(&mut self) -> Result<(Vec<u32>, Vec<Evaluated>), DataFusionError> {
        let all = self.with_flag(PRESENT);
        let evaluated = if all.len() == self.keys.bound() {
            self.accumulators.iter_mut().map(|a| a.finish(all.len())).collect::<Result<_, _>>()?
        } else {
            self.evaluate(&all)?
        };
        Ok((all, evaluated))
    }

    /// Gives out what differs from what was given out before: takes the old row back, and gives the new one.
    pub(super) fn give(
        &mut self,
        groups: &[u32],
        results: &Results,
        bounds: Option<(i64, i64)>,
        turn: &mut Turn<'_>,
    ) -> Result<(), OperatorError> {
        let Turn { emission, rejects, now, .. } = turn;
        let good = results.reject_failures(emission, rejects)?;
        let changes = Changes::of(&self.given.rows, groups, &results.values, &good).map_err(|e| emission.error(e))?;
        let edges = |rows| bounds.map(|(start, end)| (constant(start, rows), constant(end, rows)));
        emission.push((&results.keys, &changes.old, edges(groups.len())), changes.taken_back.clone(), -1)?;
        emission.push((&results.keys, &results.values, results.bounds.clone()), changes.given.clone(), 1)?;
        for id in changes.apply(&mut self.given, groups, &results.values, *now).map_err(|e| emission.error(e))? {
            self.set(id, DIRTY);
        }
        Ok(())
    }

    /// An estimate of the memory held.
    pub(super) fn bytes(&self) -> usize {
        let lists = self.weights.as_ref().map_or(0, |w| w.capacity() * 8)
            + self.flags.capacity()
            + (self.touched.capacity() + self.dirty.capacity() + self.captured_in.capacity()) * 4
            + self.given.at.capacity() * 8;
        self.keys.bytes() + self.accumulators.iter().map(|a| a.bytes()).sum::<usize>() + self.given.rows.bytes() + lists
    }
}

fn update_range(
    accumulator: &mut dyn Accumulate,
    input: &CallInput,
    rows: usize,
    range: Range<usize>,
    ids: &[u32],
    bound: usize,
) -> Result<(), DataFusionError> {
    if range.len() == rows { accumulator.update(input, ids, bound) } else { accumulator.update(&input.slice(range), ids, bound) }
}

/// How results differ from what was given out.
pub(super) struct Changes {
    pub(super) old: Vec<ArrayRef>,
    pub(super) taken_back: BooleanBuffer,
    pub(super) given: BooleanBuffer,
}

impl Changes {
    /// `good` says which groups have a result.
    pub(super) fn of(before: &RowStore, groups: &[u32], values: &[ArrayRef], good: &BooleanBuffer) -> Result<Self, DataFusionError> {
        let old = before.get(groups)?;
        let had = BooleanBuffer::collect_bool(groups.len(), |i| before.has(groups[i]));
        let same = &(&equal_rows(&old, values, groups.len())? & &had) & good;
        Ok(Changes { old, taken_back: &had & &!&same, given: good & &!&same })
    }

    /// Notes them as given out. Gives the groups that changed.
    pub(super) fn apply(&self, given: &mut Given, groups: &[u32], values: &[ArrayRef], now: i64) -> Result<Vec<u32>, DataFusionError> {
        let mut changed = Vec::new();
        for gone in (&self.taken_back & &!&self.given).set_indices() {
            given.rows.forget(groups[gone]);
            changed.push(groups[gone]);
        }
        let new: Vec<u32> = self.given.set_indices().map(|i| groups[i]).collect();
        if !new.is_empty() {
            given.rows.put(&new, narrowed(values, &self.given)?)?;
            new.iter().for_each(|&group| given.stamp(group, now));
        }
        changed.extend(new);
        Ok(changed)
    }
}
