//! `count(*)` and `count(x)`.

use super::{Accumulate, CallInput, Evaluated, for_each};
use arrow::{
    array::{ArrayRef, AsArray, Int64Array},
    datatypes::Int64Type,
};
use datafusion_common::DataFusionError;
use std::sync::Arc;

/// See the module.
pub(super) struct Count {
    values_only: bool,
    counts: Vec<i64>,
}

impl Count {
    pub(super) fn rows() -> Self {
        Count { values_only: false, counts: Vec::new() }
    }

    /// Those that are not null.
    pub(super) fn values() -> Self {
        Count { values_only: true, counts: Vec::new() }
    }

    fn gather(&self, groups: &[u32]) -> ArrayRef {
        let values = groups.iter().map(|&g| self.counts.get(g as usize).copied().unwrap_or(0));
        Arc::new(Int64Array::from_iter_values(values))
    }
}

impl Accumulate for Count {
    fn update(&mut self, input: &CallInput, groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.counts.resize(bound.max(self.counts.len()), 0);
        let valid = if self.values_only { input.valid() } else { input.mask.clone() };
        let counts = self.counts.as_mut_slice();
        match &input.diffs {
            None => for_each(groups, valid.as_ref(), |_, group| counts[group] += 1),
            Some(diffs) => for_each(groups, valid.as_ref(), |row, group| counts[group] = counts[group].saturating_add(diffs[row])),
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.counts.resize(bound.max(self.counts.len()), 0);
        let states = states[0].as_primitive::<Int64Type>().values();
        groups.iter().zip(states).for_each(|(&group, &count)| self.counts[group as usize] += count);
        Ok(())
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>, DataFusionError> {
        Ok(vec![self.gather(groups)])
    }

    fn evaluate(&mut self, groups: &[u32]) -> Result<Evaluated, DataFusionError> {
        Ok(Evaluated::of(self.gather(groups)))
    }

    fn finish(&mut self, bound: usize) -> Result<Evaluated, DataFusionError> {
        let mut counts = std::mem::take(&mut self.counts);
        counts.resize(bound, 0);
        Ok(Evaluated::of(Arc::new(Int64Array::from(counts))))
    }

    fn forget(&mut self, group: u32) {
        if let Some(count) = self.counts.get_mut(group as usize) {
            *count = 0;
        }
    }

    fn bytes(&self) -> usize {
        self.counts.capacity() * 8
    }
}
