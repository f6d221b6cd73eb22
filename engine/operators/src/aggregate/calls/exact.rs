//! Sums and averages of integers, decimals and durations: exact inside, checked when they are read. The mean of integers is a float, rounded once.
//!
//! A sum is held in 128 bits where the values are so narrow that no number of rows can overflow them, else in 256. So the order of rows
//! does not matter, and only a result that its own type cannot hold is a failure.

use super::{Accumulate, CallInput, Evaluated, for_each};
use arrow::{
    array::{ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, Decimal256Array, Int64Array, PrimitiveArray},
    datatypes::{
        DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, DurationMicrosecondType,
        DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float64Type, Int64Type, TimeUnit, UInt64Type, i256,
    },
};
use datafusion_common::DataFusionError;
use std::{marker::PhantomData, sync::Arc};

/// Decimals up to this many digits can be summed in 128 bits: 2^33 of the greatest fit.
const NARROW_DIGITS: u8 = 28;

/// Whether `sum` of that type is computed here.
pub(super) fn sums(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int64 | DataType::UInt64 | DataType::Duration(_)) || data_type.is_decimal()
}

/// Whether `avg` of that type is computed here.
pub(super) fn averages(data_type: &DataType, output: &DataType) -> bool {
    let whole = matches!(data_type, DataType::Int64 | DataType::UInt64) && *output == DataType::Float64;
    whole || data_type.is_decimal() && average_type(data_type).is_some_and(|t| t == *output)
}

/// What a sum is held as in state columns.
pub(super) fn state_type(data_type: &DataType) -> DataType {
    if is_wide(data_type) { DataType::Decimal256(76, 0) } else { DataType::Decimal128(38, 0) }
}

fn is_wide(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(p, _) if *p > NARROW_DIGITS) || matches!(data_type, DataType::Decimal256(..))
}

/// What a sum is read out as.
fn sum_type(data_type: &DataType) -> DataType {
    match *data_type {
        DataType::Decimal32(p, s) => DataType::Decimal32(Decimal32Type::MAX_PRECISION.min(p + 10), s),
        DataType::Decimal64(p, s) => DataType::Decimal64(Decimal64Type::MAX_PRECISION.min(p + 10), s),
        DataType::Decimal128(p, s) => DataType::Decimal128(Decimal128Type::MAX_PRECISION.min(p + 10), s),
        DataType::Decimal256(p, s) => DataType::Decimal256(Decimal256Type::MAX_PRECISION.min(p.saturating_add(10)), s),
        ref other => other.clone(),
    }
}

/// What an average is read out as: four more digits after the point, as far as the type has them.
fn average_type(data_type: &DataType) -> Option<DataType> {
    let more = |p: u8, s: i8, max_p: u8, max_s: i8| (max_p.min(p.saturating_add(4)), max_s.min(s.saturating_add(4)));
    Some(match *data_type {
        DataType::Decimal32(p, s) => {
            let (p, s) = more(p, s, Decimal32Type::MAX_PRECISION, Decimal32Type::MAX_SCALE);
            DataType::Decimal32(p, s)
        }
        DataType::Decimal64(p, s) => {
            let (p, s) = more(p, s, Decimal64Type::MAX_PRECISION, Decimal64Type::MAX_SCALE);
            DataType::Decimal64(p, s)
        }
        DataType::Decimal128(p, s) => {
            let (p, s) = more(p, s, Decimal128Type::MAX_PRECISION, Decimal128Type::MAX_SCALE);
            DataType::Decimal128(p, s)
        }
        DataType::Decimal256(p, s) => {
            let (p, s) = more(p, s, Decimal256Type::MAX_PRECISION, Decimal256Type::MAX_SCALE);
            DataType::Decimal256(p, s)
        }
        _ => return None,
    })
}

/// How a sum is held.
trait Held: Copy + Send + 'static {
    const ZERO: Self;
    /// Beyond its range it stays at the end of it: no result type reaches as far.
    fn plus(self, other: Self) -> Self;
    /// Beyond its range as [`Self::plus`].
    fn times(self, times: i64) -> Self;
    fn wide(self) -> i256;
    fn column(values: Vec<Self>) -> ArrayRef;
    fn values(column: &ArrayRef) -> &[Self];
}

impl Held for i128 {
    const ZERO: i128 = 0;
    #[inline]
    fn plus(self, other: i128) -> i128 {
        self.saturating_add(other)
    }
    #[inline]
    fn times(self, times: i64) -> i128 {
        self.saturating_mul(i128::from(times))
    }
    fn wide(self) -> i256 {
        i256::from_i128(self)
    }
    fn column(values: Vec<i128>) -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_data_type(DataType::Decimal128(38, 0)))
    }
    fn values(column: &ArrayRef) -> &[i128] {
        column.as_primitive::<Decimal128Type>().values()
    }
}

impl Held for i256 {
    const ZERO: i256 = i256::ZERO;
    #[inline]
    fn plus(self, other: i256) -> i256 {
        self.checked_add(other).unwrap_or(if other < i256::ZERO { i256::MIN } else { i256::MAX })
    }
    #[inline]
    fn times(self, times: i64) -> i256 {
        let negative = (self < i256::ZERO) != (times < 0);
        self.checked_mul(i256::from_i128(i128::from(times))).unwrap_or(if negative { i256::MIN } else { i256::MAX })
    }
    fn wide(self) -> i256 {
        self
    }
    fn column(values: Vec<i256>) -> ArrayRef {
        Arc::new(Decimal256Array::from(values).with_data_type(DataType::Decimal256(76, 0)))
    }
    fn values(column: &ArrayRef) -> &[i256] {
        column.as_primitive::<Decimal256Type>().values()
    }
}

/// A value as it is added up, and a result as it is read out.
trait Summed<H>: ArrowPrimitiveType {
    fn held(value: Self::Native) -> H;
    /// `None` where it does not fit the type.
    fn read(sum: i256, output: &DataType) -> Option<Self::Native>;
}

macro_rules! plain {
    ($($t:ty: $native:ty),*) => { $(
        impl Summed<i128> for $t {
            #[inline]
            fn held(value: $native) -> i128 { i128::from(value) }
            fn read(sum: i256, _: &DataType) -> Option<$native> { <$native>::try_from(sum.to_i128()?).ok() }
        }
    )* };
}
plain!(Int64Type: i64, UInt64Type: u64, DurationSecondType: i64, DurationMillisecondType: i64);
plain!(DurationMicrosecondType: i64, DurationNanosecondType: i64);

fn fits<T: DecimalType>(value: T::Native, output: &DataType) -> Option<T::Native> {
    let (precision, scale) = match *output {
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => (p, s),
        _ => return None,
    };
    T::validate_decimal_precision(value, precision, scale).is_ok().then_some(value)
}

macro_rules! decimal {
    ($($t:ty, $held:ty: $to_held:expr, $from_wide:expr;)*) => { $(
        impl Summed<$held> for $t {
            #[inline]
            fn held(value: Self::Native) -> $held { $to_held(value) }
            fn read(sum: i256, output: &DataType) -> Option<Self::Native> { fits::<$t>($from_wide(sum)?, output) }
        }
    )* };
}
decimal! {
    Decimal32Type, i128: i128::from, |w: i256| i32::try_from(w.to_i128()?).ok();
    Decimal64Type, i128: i128::from, |w: i256| i64::try_from(w.to_i128()?).ok();
    Decimal128Type, i128: |v| v, |w: i256| w.to_i128();
    Decimal128Type, i256: i256::from_i128, |w: i256| w.to_i128();
    Decimal256Type, i256: |v| v, Some;
}

macro_rules! of_type {
    ($data_type:expr, $make:ident) => {
        match $data_type {
            DataType::Int64 => $make!(Int64Type, i128),
            DataType::UInt64 => $make!(UInt64Type, i128),
            DataType::Duration(TimeUnit::Second) => $make!(DurationSecondType, i128),
            DataType::Duration(TimeUnit::Millisecond) => $make!(DurationMillisecondType, i128),
            DataType::Duration(TimeUnit::Microsecond) => $make!(DurationMicrosecondType, i128),
            DataType::Duration(TimeUnit::Nanosecond) => $make!(DurationNanosecondType, i128),
            DataType::Decimal32(..) => $make!(Decimal32Type, i128),
            DataType::Decimal64(..) => $make!(Decimal64Type, i128),
            DataType::Decimal128(..) if is_wide($data_type) => $make!(Decimal128Type, i256),
            DataType::Decimal128(..) => $make!(Decimal128Type, i128),
            DataType::Decimal256(..) => $make!(Decimal256Type, i256),
            other => Err(DataFusionError::Internal(format!("no exact sum of {other}"))),
        }
    };
}

/// `sum` over a type that [`sums`] takes.
///
/// # Errors
/// Where it is another.
pub(super) fn sum(data_type: &DataType) -> Result<Box<dyn Accumulate>, DataFusionError> {
    macro_rules! make {
        ($t:ty, $h:ty) => {
            Ok(Box::new(Exact::<$t, $t, $h> {
                output: sum_type(data_type),
                read: whole::<$t, $h>,
                up: None,
                slots: Vec::new(),
                of: PhantomData,
            }))
        };
    }
    of_type!(data_type, make)
}

/// `avg` over a type that [`averages`] takes.
///
/// # Errors
/// Where it is another.
pub(super) fn average(data_type: &DataType) -> Result<Box<dyn Accumulate>, DataFusionError> {
    match data_type {
        DataType::Int64 => return Ok(Box::new(Exact::<Int64Type, Float64Type, i128>::mean())),
        DataType::UInt64 => return Ok(Box::new(Exact::<UInt64Type, Float64Type, i128>::mean())),
        _ => {}
    }
    let output = average_type(data_type).ok_or_else(|| DataFusionError::Internal(format!("no exact average of {data_type}")))?;
    let scale = |t: &DataType| match *t {
        DataType::Decimal32(_, s) | DataType::Decimal64(_, s) | DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => s,
        _ => 0,
    };
    let up = Some(10i128.pow(u32::from((scale(&output) - scale(data_type)).unsigned_abs())));
    macro_rules! make {
        ($t:ty, $h:ty) => {
            Ok(Box::new(Exact::<$t, $t, $h> { output: output.clone(), read: divided::<$t, $h>, up, slots: Vec::new(), of: PhantomData }))
        };
    }
    of_type!(data_type, make)
}

#[derive(Debug, Clone, Copy)]
struct Slot<H> {
    sum: H,
    count: i64,
}

/// Reads a result of type `R` out of a group that has values; `None` where it does not fit.
type Read<R, H> = fn(Slot<H>, Option<i128>, &DataType) -> Option<<R as ArrowPrimitiveType>::Native>;

fn whole<T: Summed<H>, H: Held>(slot: Slot<H>, _: Option<i128>, output: &DataType) -> Option<T::Native> {
    T::read(slot.sum.wide(), output)
}

fn divided<T: Summed<H>, H: Held>(slot: Slot<H>, up: Option<i128>, output: &DataType) -> Option<T::Native> {
    let raised = slot.sum.wide().checked_mul(i256::from_i128(up?))?;
    T::read(raised.checked_div(i256::from_i128(i128::from(slot.count)))?, output)
}

fn mean(slot: Slot<i128>, _: Option<i128>, _: &DataType) -> Option<f64> {
    Some(slot.sum as f64 / slot.count as f64)
}

/// See the module. Values of type `T` are held as `H` and read out as `R`.
struct Exact<T, R: ArrowPrimitiveType, H> {
    output: DataType,
    read: Read<R, H>,
    /// For an average of decimals: what the sum is multiplied by before it is divided by the count.
    up: Option<i128>,
    slots: Vec<Slot<H>>,
    of: PhantomData<fn(T)>,
}

impl<T: Summed<i128>> Exact<T, Float64Type, i128> {
    fn mean() -> Self {
        Exact { output: DataType::Float64, read: mean, up: None, slots: Vec::new(), of: PhantomData }
    }
}

impl<T: Summed<H>, R: ArrowPrimitiveType, H: Held> Exact<T, R, H> {
    fn grow(&mut self, bound: usize) {
        self.slots.resize(bound.max(self.slots.len()), Slot { sum: H::ZERO, count: 0 });
    }

    fn slot(&self, group: u32) -> Slot<H> {
        self.slots.get(group as usize).copied().unwrap_or(Slot { sum: H::ZERO, count: 0 })
    }
}

impl<T: Summed<H>, R: ArrowPrimitiveType, H: Held> Accumulate for Exact<T, R, H> {
    fn update(&mut self, input: &CallInput, groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.grow(bound);
        let values = input.columns[0].as_primitive::<T>().values();
        let slots = self.slots.as_mut_slice();
        match &input.diffs {
            None => for_each(groups, input.valid().as_ref(), |row, group| {
                let slot = &mut slots[group];
                slot.sum = slot.sum.plus(T::held(values[row]));
                slot.count += 1;
            }),
            Some(diffs) => for_each(groups, input.valid().as_ref(), |row, group| {
                let slot = &mut slots[group];
                slot.sum = slot.sum.plus(T::held(values[row]).times(diffs[row]));
                slot.count = slot.count.saturating_add(diffs[row]);
            }),
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.grow(bound);
        let counts = states[1].as_primitive::<Int64Type>().values();
        for ((&group, &sum), &count) in groups.iter().zip(H::values(&states[0])).zip(counts) {
            let slot = &mut self.slots[group as usize];
            slot.sum = slot.sum.plus(sum);
            slot.count += count;
        }
        Ok(())
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>, DataFusionError> {
        let sums = H::column(groups.iter().map(|&g| self.slot(g).sum).collect());
        let counts = Int64Array::from_iter_values(groups.iter().map(|&g| self.slot(g).count));
        Ok(vec![sums, Arc::new(counts)])
    }

    fn evaluate(&mut self, groups: &[u32]) -> Result<Evaluated, DataFusionError> {
        let mut failures = Vec::new();
        let values = groups.iter().enumerate().map(|(i, &g)| {
            let slot = self.slot(g);
            let value = if slot.count == 0 { return None } else { (self.read)(slot, self.up, &self.output) };
            if value.is_none() {
                let what = if self.up.is_some() { "average" } else { "sum" };
                let held = slot.sum.wide();
                failures.push((
                    i,
                    format!("the {what} does not fit {} (the exact sum is {held}): cast the argument to a wider type", self.output),
                ));
            }
            value
        });
        let values = Arc::new(values.collect::<PrimitiveArray<R>>().with_data_type(self.output.clone()));
        Ok(Evaluated { values, failures })
    }

    fn forget(&mut self, group: u32) {
        if let Some(slot) = self.slots.get_mut(group as usize) {
            *slot = Slot { sum: H::ZERO, count: 0 };
        }
    }

    fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot<H>>()
    }
}
