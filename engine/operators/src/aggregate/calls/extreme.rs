//! `min` and `max` over columns of fixed width, by total order: NaN is greater than every other float.

use super::{Accumulate, CallInput, Evaluated, for_each};
use arrow::{
    array::{Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, PrimitiveArray, downcast_primitive},
    datatypes::{DataType, IntervalUnit},
};
use datafusion_common::DataFusionError;
use std::sync::Arc;

/// Whether a type has its own accumulator here.
pub(super) fn takes(data_type: &DataType) -> bool {
    data_type.is_primitive() && !matches!(data_type, DataType::Interval(IntervalUnit::DayTime | IntervalUnit::MonthDayNano))
}

/// An accumulator for a type.
///
/// # Errors
/// Where the type is not one that [`takes`] takes.
pub(super) fn extreme(data_type: &DataType, greatest: bool) -> Result<Box<dyn Accumulate>, DataFusionError> {
    macro_rules! of {
        ($t:ty) => {
            Ok(Box::new(Extreme::<$t> { data_type: data_type.clone(), greatest, slots: Vec::new() }))
        };
    }
    downcast_primitive! {
        data_type => (of),
        other => Err(DataFusionError::Internal(format!("no minimum of {other}"))),
    }
}

/// See the module. A group without a value has `None`.
struct Extreme<T: ArrowPrimitiveType> {
    data_type: DataType,
    greatest: bool,
    slots: Vec<Option<T::Native>>,
}

impl<T: ArrowPrimitiveType> Extreme<T> {
    fn take(&mut self, values: &ArrayRef, valid: Option<&arrow::buffer::BooleanBuffer>, groups: &[u32], bound: usize) {
        self.slots.resize(bound.max(self.slots.len()), None);
        let values = values.as_primitive::<T>().values();
        let slots = self.slots.as_mut_slice();
        if self.greatest {
            for_each(groups, valid, |row, group| {
                let slot = &mut slots[group];
                if slot.is_none_or(|held| values[row].is_gt(held)) {
                    *slot = Some(values[row]);
                }
            });
        } else {
            for_each(groups, valid, |row, group| {
                let slot = &mut slots[group];
                if slot.is_none_or(|held| values[row].is_lt(held)) {
                    *slot = Some(values[row]);
                }
            });
        }
    }

    fn gather(&self, groups: &[u32]) -> ArrayRef {
        let values = groups.iter().map(|&g| self.slots.get(g as usize).copied().flatten());
        Arc::new(values.collect::<PrimitiveArray<T>>().with_data_type(self.data_type.clone()))
    }
}

impl<T: ArrowPrimitiveType> Accumulate for Extreme<T> {
    fn update(&mut self, input: &CallInput, groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.take(&input.columns[0], input.valid().as_ref(), groups, bound);
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.take(&states[0], states[0].nulls().map(|n| n.inner()), groups, bound);
        Ok(())
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>, DataFusionError> {
        Ok(vec![self.gather(groups)])
    }

    fn evaluate(&mut self, groups: &[u32]) -> Result<Evaluated, DataFusionError> {
        Ok(Evaluated::of(self.gather(groups)))
    }

    fn forget(&mut self, group: u32) {
        if let Some(slot) = self.slots.get_mut(group as usize) {
            *slot = None;
        }
    }

    fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Option<T::Native>>()
    }
}
