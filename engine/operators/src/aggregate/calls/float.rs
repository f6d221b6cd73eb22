//! Sums and averages of floats, in the order in which rows come.

use super::{Accumulate, CallInput, Evaluated, for_each};
use arrow::{
    array::{ArrayRef, AsArray, Float64Array, Int64Array},
    datatypes::{Float64Type, Int64Type},
};
use datafusion_common::DataFusionError;
use std::sync::Arc;

#[derive(Debug, Clone, Copy)]
struct Slot {
    sum: f64,
    count: i64,
}

/// What a group has before its first value. Adding to -0.0 gives the very value, 0.0 and -0.0 included.
const EMPTY: Slot = Slot { sum: -0.0, count: 0 };

/// See the module.
pub(super) struct FloatSum {
    average: bool,
    slots: Vec<Slot>,
}

impl FloatSum {
    pub(super) fn sum() -> Self {
        FloatSum { average: false, slots: Vec::new() }
    }

    pub(super) fn average() -> Self {
        FloatSum { average: true, slots: Vec::new() }
    }

    fn slot(&self, group: u32) -> Slot {
        self.slots.get(group as usize).copied().unwrap_or(EMPTY)
    }
}

impl Accumulate for FloatSum {
    fn update(&mut self, input: &CallInput, groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.slots.resize(bound.max(self.slots.len()), EMPTY);
        let values = input.columns[0].as_primitive::<Float64Type>().values();
        let slots = self.slots.as_mut_slice();
        for_each(groups, input.valid().as_ref(), |row, group| {
            let slot = &mut slots[group];
            slot.sum += values[row];
            slot.count += 1;
        });
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.slots.resize(bound.max(self.slots.len()), EMPTY);
        let sums = states[0].as_primitive::<Float64Type>().values();
        let counts = states[1].as_primitive::<Int64Type>().values();
        for ((&group, &sum), &count) in groups.iter().zip(sums).zip(counts) {
            if count > 0 {
                let slot = &mut self.slots[group as usize];
                slot.sum += sum;
                slot.count += count;
            }
        }
        Ok(())
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>, DataFusionError> {
        let sums = Float64Array::from_iter_values(groups.iter().map(|&g| self.slot(g).sum));
        let counts = Int64Array::from_iter_values(groups.iter().map(|&g| self.slot(g).count));
        Ok(vec![Arc::new(sums), Arc::new(counts)])
    }

    fn evaluate(&mut self, groups: &[u32]) -> Result<Evaluated, DataFusionError> {
        let values = groups.iter().map(|&g| {
            let slot = self.slot(g);
            (slot.count > 0).then(|| if self.average { slot.sum / slot.count as f64 } else { slot.sum })
        });
        Ok(Evaluated::of(Arc::new(values.collect::<Float64Array>())))
    }

    fn forget(&mut self, group: u32) {
        if let Some(slot) = self.slots.get_mut(group as usize) {
            *slot = EMPTY;
        }
    }

    fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }
}
