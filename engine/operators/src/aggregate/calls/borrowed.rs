//! DataFusion's accumulators.
//!
//! They give up what they hold when they are asked for states or results, and all at once. So groups live in two places: those that got
//! rows since they were last read lie in the accumulator; those that were read lie as state columns, and go back into the accumulator when
//! they get rows again. The cost of reading follows what changed.

use super::{Accumulate, CallInput, Evaluated};
use crate::aggregate::store::RowStore;
use arrow::{
    array::{ArrayRef, BooleanArray, new_null_array},
    compute::concat,
};
use datafusion_common::DataFusionError;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use datafusion_physical_expr::{GroupsAccumulatorAdapter, aggregate::AggregateFunctionExpr};
use std::sync::Arc;

/// See the module.
pub(super) struct Borrowed {
    function: Arc<AggregateFunctionExpr>,
    live: Box<dyn GroupsAccumulator>,
    /// By group: its number in `live`, from 1; 0 where it is not there.
    place: Vec<u32>,
    /// The group of each number in `live`; a forgotten one's is [`NOBODY`].
    owner: Vec<u32>,
    frozen: RowStore,
    /// Scratch: numbers in `live`, as the accumulator wants them.
    numbers: Vec<usize>,
}

const NOBODY: u32 = u32::MAX;

impl Borrowed {
    pub(super) fn new(function: Arc<AggregateFunctionExpr>) -> Result<Self, DataFusionError> {
        let types = function.state_fields()?.iter().map(|f| f.data_type().clone()).collect();
        Ok(Borrowed {
            live: accumulator(&function)?,
            function,
            place: Vec::new(),
            owner: Vec::new(),
            frozen: RowStore::new(types),
            numbers: Vec::new(),
        })
    }

    /// Brings groups into the accumulator and leaves their numbers there in `numbers`.
    fn thaw(&mut self, groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.place.resize(bound.max(self.place.len()), 0);
        self.numbers.clear();
        let mut back = Vec::new();
        for &group in groups {
            let place = &mut self.place[group as usize];
            if *place == 0 {
                self.owner.push(group);
                *place = self.owner.len() as u32;
                if self.frozen.has(group) {
                    back.push(group);
                }
            }
            self.numbers.push(*place as usize - 1);
        }
        if !back.is_empty() {
            let numbers: Vec<usize> = back.iter().map(|&g| self.place[g as usize] as usize - 1).collect();
            let states = self.frozen.get(&back)?;
            self.live.merge_batch(&states, &numbers, self.owner.len())?;
            back.iter().for_each(|&g| self.frozen.forget(g));
        }
        Ok(())
    }

    /// Takes all groups out of the accumulator, as state columns.
    fn freeze(&mut self) -> Result<(), DataFusionError> {
        if self.owner.is_empty() {
            return Ok(());
        }
        let mut states = self.live.state(EmitTo::All)?;
        self.live = accumulator(&self.function)?;
        let mut owner = std::mem::take(&mut self.owner);
        if owner.contains(&NOBODY) {
            let wanted: BooleanArray = owner.iter().map(|&o| Some(o != NOBODY)).collect();
            states = states.iter().map(|s| arrow::compute::filter(s, &wanted)).collect::<Result<_, _>>()?;
            owner.retain(|&o| o != NOBODY);
        }
        self.frozen.put(&owner, states)?;
        owner.iter().for_each(|&group| self.place[group as usize] = 0);
        Ok(())
    }

    /// Results of states one by one: where a result fails, the others stand.
    fn evaluate_each(&self, states: &[ArrayRef], rows: usize) -> Result<Evaluated, DataFusionError> {
        let (mut values, mut failures) = (Vec::with_capacity(rows), Vec::new());
        for row in 0..rows {
            let state: Vec<ArrayRef> = states.iter().map(|s| s.slice(row, 1)).collect();
            values.push(match results(&self.function, &state, 1) {
                Ok(value) => value,
                Err(error) => {
                    failures.push((row, error.strip_backtrace()));
                    new_null_array(self.function.field().data_type(), 1)
                }
            });
        }
        let parts: Vec<&dyn arrow::array::Array> = values.iter().map(|v| v.as_ref()).collect();
        Ok(Evaluated { values: concat(&parts)?, failures })
    }
}

fn accumulator(function: &Arc<AggregateFunctionExpr>) -> Result<Box<dyn GroupsAccumulator>, DataFusionError> {
    if function.groups_accumulator_supported() {
        return function.create_groups_accumulator();
    }
    let function = function.clone();
    Ok(Box::new(GroupsAccumulatorAdapter::new(move || function.create_accumulator())))
}

fn results(function: &Arc<AggregateFunctionExpr>, states: &[ArrayRef], rows: usize) -> Result<ArrayRef, DataFusionError> {
    let mut fresh = accumulator(function)?;
    fresh.merge_batch(states, &(0..rows).collect::<Vec<_>>(), rows)?;
    fresh.evaluate(EmitTo::All)
}

impl Accumulate for Borrowed {
    fn update(&mut self, input: &CallInput, groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.thaw(groups, bound)?;
        let filter = input.mask.clone().map(|m| BooleanArray::new(m, None));
        self.live.update_batch(&input.columns, &self.numbers, filter.as_ref(), self.owner.len())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.thaw(groups, bound)?;
        self.live.merge_batch(states, &self.numbers, self.owner.len())
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>, DataFusionError> {
        self.freeze()?;
        Ok(self.frozen.get(groups)?)
    }

    fn evaluate(&mut self, groups: &[u32]) -> Result<Evaluated, DataFusionError> {
        let states = self.state(groups)?;
        match results(&self.function, &states, groups.len()) {
            Ok(values) => Ok(Evaluated::of(values)),
            Err(_) => self.evaluate_each(&states, groups.len()),
        }
    }

    fn finish(&mut self, bound: usize) -> Result<Evaluated, DataFusionError> {
        let in_order = self.owner.len() == bound && self.owner.iter().enumerate().all(|(i, &o)| o as usize == i);
        // An accumulator whose result can fail is asked for by state, so that the groups that do not fail keep theirs.
        if in_order && self.frozen.is_empty() && never_fails(self.function.fun().name()) {
            return Ok(Evaluated::of(self.live.evaluate(EmitTo::All)?));
        }
        self.evaluate(&(0..bound as u32).collect::<Vec<_>>())
    }

    fn forget(&mut self, group: u32) {
        self.frozen.forget(group);
        if let Some(place) = self.place.get_mut(group as usize).filter(|p| **p != 0) {
            self.owner[*place as usize - 1] = NOBODY;
            *place = 0;
        }
    }

    fn bytes(&self) -> usize {
        self.live.size() + self.frozen.bytes() + (self.place.capacity() + self.owner.capacity()) * 4
    }
}

/// Functions whose result is there for every state.
fn never_fails(function: &str) -> bool {
    const THEY: [&str; 16] = [
        "min",
        "max",
        "first_value",
        "last_value",
        "bool_and",
        "bool_or",
        "bit_and",
        "bit_or",
        "bit_xor",
        "stddev",
        "stddev_pop",
        "var",
        "var_pop",
        "corr",
        "covar_samp",
        "covar_pop",
    ];
    THEY.contains(&function)
}
