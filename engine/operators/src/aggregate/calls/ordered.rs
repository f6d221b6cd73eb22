//! `min` and `max` over rows that can be taken back: every group keeps its values in order, with how often each is there.
//!
//! By total order, as for rows that stay: NaN is greater than every other float. A group's memory follows its different values.

use super::{Accumulate, CallInput, Evaluated};
use arrow::{
    array::{
        Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, Int64Array, ListArray, PrimitiveArray, StructArray,
        downcast_primitive,
    },
    buffer::{OffsetBuffer, ScalarBuffer},
    datatypes::{DataType, Field, FieldRef, Fields, Int64Type},
    error::ArrowError,
    row::{RowConverter, SortField},
};
use datafusion_common::DataFusionError;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, btree_map::Entry},
    marker::PhantomData,
    mem::size_of,
    sync::Arc,
};

fn pair(data_type: &DataType) -> Fields {
    Fields::from(vec![Field::new("value", data_type.clone(), true), Field::new("times", DataType::Int64, false)])
}

fn item(data_type: &DataType) -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(pair(data_type)), true))
}

/// What a group's values are in state columns: a list of values and how often each is there.
pub(super) fn state_type(data_type: &DataType) -> DataType {
    DataType::List(item(data_type))
}

/// An accumulator for a type.
///
/// # Errors
/// Where its values have no order.
pub(super) fn ordered(data_type: &DataType, greatest: bool) -> Result<Box<dyn Accumulate>, DataFusionError> {
    macro_rules! native {
        ($t:ty) => {
            Ok(Box::new(Ordered {
                data_type: data_type.clone(),
                greatest,
                values: Native::<$t>(data_type.clone(), PhantomData),
                groups: Vec::new(),
            }))
        };
    }
    downcast_primitive! {
        data_type => (native),
        _ => {
            let rows = Rows(RowConverter::new(vec![SortField::new(data_type.clone())])?, data_type.clone());
            Ok(Box::new(Ordered { data_type: data_type.clone(), greatest, values: rows, groups: Vec::new() }))
        },
    }
}

/// How values of a column are keys.
trait Values: Send {
    type Key: Ord + Send;
    /// Calls `each` for the rows that `wanted` wants.
    fn each(&self, column: &ArrayRef, wanted: impl Fn(usize) -> bool, each: impl FnMut(usize, Self::Key)) -> Result<(), ArrowError>;
    fn column<'k>(&'k self, keys: impl Iterator<Item = Option<&'k Self::Key>>) -> Result<ArrayRef, ArrowError>;
}

/// Numbers and times, by total order.
struct Native<T: ArrowPrimitiveType>(DataType, PhantomData<fn(T)>);

#[derive(Debug, Clone, Copy)]
struct Total<N>(N);

impl<N: ArrowNativeTypeOp> PartialEq for Total<N> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl<N: ArrowNativeTypeOp> Eq for Total<N> {}
impl<N: ArrowNativeTypeOp> PartialOrd for Total<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<N: ArrowNativeTypeOp> Ord for Total<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.compare(other.0)
    }
}

impl<T: ArrowPrimitiveType> Values for Native<T> {
    type Key = Total<T::Native>;

    fn each(&self, column: &ArrayRef, wanted: impl Fn(usize) -> bool, mut each: impl FnMut(usize, Self::Key)) -> Result<(), ArrowError> {
        let values = column.as_primitive::<T>().values();
        (0..values.len()).filter(|&row| wanted(row)).for_each(|row| each(row, Total(values[row])));
        Ok(())
    }

    fn column<'k>(&'k self, keys: impl Iterator<Item = Option<&'k Self::Key>>) -> Result<ArrayRef, ArrowError> {
        let column: PrimitiveArray<T> = keys.map(|key| key.map(|k| k.0)).collect();
        Ok(Arc::new(column.with_data_type(self.0.clone())))
    }
}

/// All other types, in arrow's row format.
struct Rows(RowConverter, DataType);

impl Values for Rows {
    type Key = Box<[u8]>;

    fn each(&self, column: &ArrayRef, wanted: impl Fn(usize) -> bool, mut each: impl FnMut(usize, Self::Key)) -> Result<(), ArrowError> {
        let rows = self.0.convert_columns(std::slice::from_ref(column))?;
        (0..rows.num_rows()).filter(|&row| wanted(row)).for_each(|row| each(row, rows.row(row).data().into()));
        Ok(())
    }

    fn column<'k>(&'k self, keys: impl Iterator<Item = Option<&'k Self::Key>>) -> Result<ArrayRef, ArrowError> {
        let nothing = self.0.convert_columns(&[arrow::array::new_null_array(&self.1, 1)])?;
        let parser = self.0.parser();
        let rows = keys.map(|key| key.map_or_else(|| nothing.row(0), |bytes| parser.parse(bytes)));
        self.0.convert_rows(rows)?.pop().ok_or_else(|| ArrowError::ComputeError("rows of no column".into()))
    }
}

/// See the module.
struct Ordered<V: Values> {
    data_type: DataType,
    greatest: bool,
    values: V,
    groups: Vec<BTreeMap<V::Key, i64>>,
}

impl<V: Values> Ordered<V> {
    fn take(
        &mut self,
        column: &ArrayRef,
        wanted: impl Fn(usize) -> bool,
        change: impl Fn(usize) -> (u32, i64),
        bound: usize,
    ) -> Result<(), DataFusionError> {
        if self.groups.len() < bound {
            self.groups.resize_with(bound, BTreeMap::new);
        }
        let groups = &mut self.groups;
        Ok(self.values.each(column, wanted, |row, key| {
            let (group, diff) = change(row);
            match groups[group as usize].entry(key) {
                Entry::Vacant(place) => {
                    place.insert(diff);
                }
                Entry::Occupied(mut times) => {
                    *times.get_mut() = times.get().saturating_add(diff);
                    if *times.get() == 0 {
                        times.remove();
                    }
                }
            }
        })?)
    }
}

impl<V: Values> Accumulate for Ordered<V> {
    fn update(&mut self, input: &CallInput, groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        let valid = input.valid();
        let wanted = |row: usize| valid.as_ref().is_none_or(|v| v.value(row)) && input.diff(row) != 0;
        self.take(&input.columns[0], wanted, |row| (groups[row], input.diff(row)), bound)
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        let lists = states[0].as_list::<i32>();
        let offsets = lists.value_offsets();
        let owner: Vec<u32> =
            (0..lists.len()).flat_map(|i| std::iter::repeat_n(groups[i], (offsets[i + 1] - offsets[i]) as usize)).collect();
        let (first, last) = (offsets[0] as usize, offsets[lists.len()] as usize);
        let rows = lists.values().slice(first, last - first);
        let [values, times] = rows.as_struct().columns() else {
            return Err(DataFusionError::Internal("values without how often they are there".into()));
        };
        let times = times.as_primitive::<Int64Type>().values();
        self.take(values, |row| times[row] != 0, |row| (owner[row], times[row]), bound)
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>, DataFusionError> {
        let of = |&g: &u32| self.groups.get(g as usize).into_iter().flatten();
        let mut offsets = vec![0i32];
        for group in groups {
            let next = offsets[offsets.len() - 1] as usize + of(group).count();
            offsets.push(i32::try_from(next).map_err(|_| ArrowError::ComputeError("more values than a list holds".into()))?);
        }
        let values = self.values.column(groups.iter().flat_map(of).map(|(value, _)| Some(value)))?;
        let times: ArrayRef = Arc::new(Int64Array::from_iter_values(groups.iter().flat_map(of).map(|(_, times)| *times)));
        let rows = StructArray::try_new(pair(&self.data_type), vec![values, times], None)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(vec![Arc::new(ListArray::try_new(item(&self.data_type), offsets, Arc::new(rows), None)?)])
    }

    fn evaluate(&mut self, groups: &[u32]) -> Result<Evaluated, DataFusionError> {
        let best = groups.iter().map(|&g| {
            let values = self.groups.get(g as usize)?;
            let mut there = values.iter().filter(|(_, times)| **times > 0).map(|(value, _)| value);
            if self.greatest { there.next_back() } else { there.next() }
        });
        Ok(Evaluated::of(self.values.column(best)?))
    }

    fn forget(&mut self, group: u32) {
        if let Some(values) = self.groups.get_mut(group as usize) {
            values.clear();
        }
    }

    fn bytes(&self) -> usize {
        const ENTRY: usize = 24;
        self.groups.capacity() * size_of::<BTreeMap<V::Key, i64>>() + self.groups.iter().map(|g| g.len() * ENTRY).sum::<usize>()
    }
}
