//! Which of two rows comes first.
//!
//! Each row gets a prefix: 128 bits that compare as the rows do, as far as they reach. Nearly every question is answered by them; where two are equal, the
//! columns are compared themselves, and where those are equal, all columns. So the order is total up to rows that are the same.

use crate::OperatorError;
use arrow::{
    array::{Array, ArrayRef, AsArray, make_comparator, new_empty_array},
    buffer::ScalarBuffer,
    compute::SortOptions,
    datatypes::*,
    error::ArrowError,
};
use runink_planner::OrderBy;
use std::cmp::Ordering;

/// How many bits a prefix has.
const PREFIX_BITS: u32 = 128;
/// How many of them stand before the columns' where something leads.
const LEAD_BITS: u32 = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Order {
    by: Vec<OrderBy>,
    /// Rows of equal prefixes are equal in all columns of the order.
    exact: bool,
    leads: bool,
}

/// What rows are ordered by before the columns.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lead<'a> {
    /// Nothing.
    None,
    /// The same for all.
    Same(u64),
    /// Each row's own moment.
    Times(&'a [i64]),
}

/// A row where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowAt<'a> {
    pub(crate) columns: &'a [ArrayRef],
    pub(crate) row: usize,
}

/// A moment as bits that compare as moments do.
pub(crate) fn moment_bits(at: i64) -> u64 {
    at as u64 ^ (1 << 63)
}

/// The moment that leads a prefix.
pub(crate) fn moment_of(prefix: u128) -> i64 {
    ((prefix >> LEAD_BITS) as u64 ^ (1 << 63)) as i64
}

/// How many bits tell the values of a type apart; `None` where only comparing does. Texts have more than any prefix.
fn width(data_type: &DataType) -> Option<u32> {
    match data_type {
        DataType::Boolean => Some(1),
        DataType::Utf8 | DataType::Binary => Some(u32::MAX),
        DataType::Float16 | DataType::Interval(_) | DataType::Decimal32(..) | DataType::Decimal64(..) => None,
        other => other.primitive_width().filter(|&bytes| bytes <= 16).map(|bytes| bytes as u32 * 8),
    }
}

impl Order {
    /// An order over columns of `input`; `leads` where something comes before the columns.
    ///
    /// # Errors
    /// Where columns cannot be compared.
    pub(crate) fn new(step: &str, by: &[OrderBy], input: &SchemaRef, leads: bool) -> Result<Self, OperatorError> {
        for field in input.fields() {
            let empty = new_empty_array(field.data_type());
            let compares = make_comparator(empty.as_ref(), empty.as_ref(), SortOptions::default());
            compares.map(drop).map_err(|e| OperatorError::kernel(step, e))?;
        }
        if let Some(wrong) = by.iter().find(|o| o.column >= input.fields().len()) {
            return Err(OperatorError::plan(step, format!("order by column {}", wrong.column)));
        }
        let mut room = if leads { PREFIX_BITS - LEAD_BITS } else { PREFIX_BITS };
        let exact = by.iter().all(|o| match width(input.field(o.column).data_type()) {
            Some(width) if width < room => {
                room -= width + 1;
                true
            }
            _ => false,
        });
        Ok(Order { by: by.to_vec(), exact, leads })
    }

    /// The prefixes of a batch's rows.
    pub(crate) fn prefixes(&self, columns: &[ArrayRef], rows: usize, lead: Lead<'_>, out: &mut Vec<u128>) {
        out.clear();
        match lead {
            Lead::None => out.resize(rows, 0),
            Lead::Same(lead) => out.resize(rows, u128::from(lead) << LEAD_BITS),
            Lead::Times(times) => out.extend(times.iter().map(|&at| u128::from(moment_bits(at)) << LEAD_BITS)),
        }
        let mut room = if self.leads { PREFIX_BITS - LEAD_BITS } else { PREFIX_BITS };
        for by in &self.by {
            let column = &columns[by.column];
            let Some(width) = width(column.data_type()) else { return };
            if room == 0 {
                return;
            }
            // A text fills what room there is.
            let part = Part { room, width: width.min(PREFIX_BITS), descending: by.descending, nulls_first: by.nulls_first };
            part.write(column, out);
            room = (room - 1).saturating_sub(width);
        }
    }

    /// Compares the columns of the order; those of equal prefixes.
    #[cold]
    fn compare_columns(&self, a: RowAt<'_>, b: RowAt<'_>) -> Ordering {
        let each = |by: &OrderBy| {
            let (x, y) = (&a.columns[by.column], &b.columns[by.column]);
            match (x.is_null(a.row), y.is_null(b.row)) {
                (true, true) => Ordering::Equal,
                (false, false) => {
                    let order = values(x, a.row, y, b.row, true);
                    if by.descending { order.reverse() } else { order }
                }
                (null, _) => {
                    if null == by.nulls_first {
                        Ordering::Less
                    } else {
                        Ordering::Greater
                    }
                }
            }
        };
        self.by.iter().map(each).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Compares rows of equal prefixes: by the order's columns, then by their contents.
    #[cold]
    pub(crate) fn compare(&self, a: RowAt<'_>, b: RowAt<'_>) -> Ordering {
        let by = if self.exact { Ordering::Equal } else { self.compare_columns(a, b) };
        by.then_with(|| contents(a, b))
    }

    /// Whether the order does not tell rows of equal prefixes apart.
    pub(crate) fn ties(&self, a: RowAt<'_>, b: RowAt<'_>) -> bool {
        self.exact || self.compare_columns(a, b).is_eq()
    }
}

/// Compares all columns, from the first to the last, ascending, nulls last.
pub(crate) fn contents(a: RowAt<'_>, b: RowAt<'_>) -> Ordering {
    let each = |(x, y): (&ArrayRef, &ArrayRef)| match (x.is_null(a.row), y.is_null(b.row)) {
        (false, false) => values(x, a.row, y, b.row, false),
        (x, y) => x.cmp(&y),
    };
    a.columns.iter().zip(b.columns).map(each).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// Compares two values that are not null. `as_numbers`: every NaN is one, and so is every zero.
fn values(a: &ArrayRef, i: usize, b: &ArrayRef, j: usize, as_numbers: bool) -> Ordering {
    macro_rules! primitive {
        ($($pattern:pat => $type:ty,)*) => {
            match a.data_type() {
                $($pattern => a.as_primitive::<$type>().value(i).cmp(&b.as_primitive::<$type>().value(j)),)*
                DataType::Utf8 => a.as_string::<i32>().value(i).cmp(b.as_string::<i32>().value(j)),
                DataType::Binary => a.as_binary::<i32>().value(i).cmp(b.as_binary::<i32>().value(j)),
                DataType::Boolean => a.as_boolean().value(i).cmp(&b.as_boolean().value(j)),
                DataType::Float64 => floats(a.as_primitive::<Float64Type>().value(i), b.as_primitive::<Float64Type>().value(j), as_numbers),
                DataType::Float32 => {
                    floats(a.as_primitive::<Float32Type>().value(i).into(), b.as_primitive::<Float32Type>().value(j).into(), as_numbers)
                }
                // That such columns can be compared was asked when the order was made.
                _ => make_comparator(a.as_ref(), b.as_ref(), SortOptions::default()).map_or(Ordering::Equal, |compare| compare(i, j)),
            }
        };
    }
    primitive! {
        DataType::Int8 => Int8Type,
        DataType::Int16 => Int16Type,
        DataType::Int32 => Int32Type,
        DataType::Int64 => Int64Type,
        DataType::UInt8 => UInt8Type,
        DataType::UInt16 => UInt16Type,
        DataType::UInt32 => UInt32Type,
        DataType::UInt64 => UInt64Type,
        DataType::Decimal128(..) => Decimal128Type,
        DataType::Date32 => Date32Type,
        DataType::Timestamp(TimeUnit::Second, _) => TimestampSecondType,
        DataType::Timestamp(TimeUnit::Millisecond, _) => TimestampMillisecondType,
        DataType::Timestamp(TimeUnit::Microsecond, _) => TimestampMicrosecondType,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => TimestampNanosecondType,
    }
}

fn one(value: f64) -> f64 {
    if value.is_nan() {
        f64::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    }
}

fn floats(a: f64, b: f64, as_numbers: bool) -> Ordering {
    if as_numbers { one(a).total_cmp(&one(b)) } else { a.total_cmp(&b) }
}

/// A column's place in a prefix: the highest of the `room` lowest bits say whether there is a value, those after it which.
struct Part {
    room: u32,
    width: u32,
    descending: bool,
    nulls_first: bool,
}

impl Part {
    fn write(&self, column: &ArrayRef, out: &mut [u128]) {
        let float = |v: f64| {
            let bits = one(v).to_bits();
            u128::from(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 })
        };
        match column.data_type() {
            DataType::Boolean => {
                let values = column.as_boolean();
                self.each(column, out, |i| u128::from(values.value(i)));
            }
            DataType::Utf8 => {
                let values = column.as_string::<i32>();
                self.each(column, out, |i| first_bytes(values.value(i).as_bytes()));
            }
            DataType::Binary => {
                let values = column.as_binary::<i32>();
                self.each(column, out, |i| first_bytes(values.value(i)));
            }
            DataType::Float64 => {
                let values = column.as_primitive::<Float64Type>();
                self.each(column, out, |i| float(values.value(i)));
            }
            DataType::Float32 => {
                let values = column.as_primitive::<Float32Type>();
                let bits = |v: f32| {
                    let bits = (one(v.into()) as f32).to_bits();
                    u128::from(if bits >> 31 == 1 { !bits } else { bits | 1 << 31 })
                };
                self.each(column, out, |i| bits(values.value(i)));
            }
            DataType::UInt8 => self.words::<u8>(column, out, u128::from),
            DataType::UInt16 => self.words::<u16>(column, out, u128::from),
            DataType::UInt32 => self.words::<u32>(column, out, u128::from),
            DataType::UInt64 => self.words::<u64>(column, out, u128::from),
            _ => match self.width {
                8 => self.words::<u8>(column, out, |v| u128::from(v ^ 1 << 7)),
                16 => self.words::<u16>(column, out, |v| u128::from(v ^ 1 << 15)),
                32 => self.words::<u32>(column, out, |v| u128::from(v ^ 1 << 31)),
                64 => self.words::<u64>(column, out, |v| u128::from(v ^ 1 << 63)),
                _ => self.words::<i128>(column, out, |v| v as u128 ^ 1 << 127),
            },
        }
    }

    fn words<T: ArrowNativeType>(&self, column: &ArrayRef, out: &mut [u128], bits: impl Fn(T) -> u128) {
        let data = column.to_data();
        let values = ScalarBuffer::<T>::new(data.buffers()[0].clone(), data.offset(), data.len());
        self.each(column, out, |i| bits(values[i]));
    }

    fn each(&self, column: &ArrayRef, out: &mut [u128], bits: impl Fn(usize) -> u128) {
        let taken = self.width.min(self.room - 1);
        let (dropped, shift) = (self.width - taken, self.room - 1 - taken);
        let all = if self.width == PREFIX_BITS { u128::MAX } else { (1 << self.width) - 1 };
        let inverted = if self.descending { all } else { 0 };
        let value = |i: usize| if taken == 0 { 0 } else { ((bits(i) ^ inverted) >> dropped) << shift };
        let (there, missing) = (u128::from(self.nulls_first) << (self.room - 1), u128::from(!self.nulls_first) << (self.room - 1));
        match column.nulls().filter(|n| n.null_count() > 0) {
            None => out.iter_mut().enumerate().for_each(|(i, prefix)| *prefix |= there | value(i)),
            Some(nulls) => {
                let each = |(i, prefix): (usize, &mut u128)| *prefix |= if nulls.is_null(i) { missing } else { there | value(i) };
                out.iter_mut().enumerate().for_each(each);
            }
        }
    }
}

fn first_bytes(text: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let length = text.len().min(16);
    bytes[..length].copy_from_slice(&text[..length]);
    u128::from_be_bytes(bytes)
}

/// Whether rows of these columns can be compared and gathered: a column of the wrong type would be a bug of who calls.
pub(crate) fn same_types(columns: &[ArrayRef], types: &[DataType]) -> Result<(), ArrowError> {
    match columns.iter().zip(types).find(|(c, t)| c.data_type() != *t) {
        Some((column, wanted)) => Err(ArrowError::SchemaError(format!("a column of type {}, not {wanted}", column.data_type()))),
        None if columns.len() != types.len() => Err(ArrowError::SchemaError(format!("{} columns, not {}", columns.len(), types.len()))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    type Row = (Option<i64>, Option<f64>, Option<String>, Option<bool>);

    fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        vec![
            Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|r| r.1).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|r| r.2.clone()).collect::<StringArray>()),
            Arc::new(rows.iter().map(|r| r.3).collect::<BooleanArray>()),
            Arc::new(rows.iter().map(|r| r.0.map(i128::from)).collect::<Decimal128Array>()),
            Arc::new(rows.iter().map(|r| r.0.map(|v| v as i16)).collect::<Int16Array>()),
        ]
    }

    fn any_row() -> impl Strategy<Value = Row> {
        let number = prop_oneof![Just(None), (-3..3i64).prop_map(Some), any::<i64>().prop_map(Some)];
        let float = prop::sample::select(vec![None, Some(0.0), Some(-0.0), Some(f64::NAN), Some(-1.5), Some(f64::INFINITY), Some(2.0)]);
        let text =
            prop::sample::select(vec![None, Some(""), Some("a"), Some("a\0"), Some("abcdefghijklmnopqrs"), Some("abcdefghijklmnopqrt")]);
        (number, float, text.prop_map(|t| t.map(str::to_owned)), any::<Option<bool>>())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn prefixes_compare_as_the_columns_do(
            rows in proptest::collection::vec(any_row(), 1..8),
            by in proptest::collection::vec((0..6usize, any::<bool>(), any::<bool>()), 0..4),
            leads in any::<bool>(),
        ) {
            let columns = columns(&rows);
            let fields: Vec<Field> = columns.iter().enumerate().map(|(i, c)| Field::new(format!("c{i}"), c.data_type().clone(), true)).collect();
            let by: Vec<OrderBy> = by.into_iter().map(|(column, descending, nulls_first)| OrderBy { column, descending, nulls_first }).collect();
            let order = Order::new("s", &by, &Arc::new(Schema::new(fields)), leads).unwrap();
            let mut prefixes = Vec::new();
            let times: Vec<i64> = (0..rows.len() as i64).map(|i| i / 3 - 1).collect();
            order.prefixes(&columns, rows.len(), if leads { Lead::Times(&times) } else { Lead::None }, &mut prefixes);
            for i in 0..rows.len() {
                for j in 0..rows.len() {
                    let (a, b) = (RowAt { columns: &columns, row: i }, RowAt { columns: &columns, row: j });
                    let slow = if leads { times[i].cmp(&times[j]) } else { Ordering::Equal }.then_with(|| order.compare_columns(a, b));
                    let fast = prefixes[i].cmp(&prefixes[j]);
                    prop_assert!(fast == slow || fast.is_eq() && !order.exact, "{i} {j}: {fast:?} {slow:?}");
                    if leads {
                        prop_assert_eq!(moment_of(prefixes[i]), times[i]);
                    }
                }
            }
        }
    }
}
