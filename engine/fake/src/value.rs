//! Values of any type of a contract, and columns of them.

use crate::FakeError;
use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int64Array, ListArray, PrimitiveArray, StringArray, StructArray,
        new_null_array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Decimal128Type, Field, UInt64Type},
    error::ArrowError,
};
use std::{cmp::Ordering, sync::Arc};

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// What is whole in its own unit: integers, decimals without their point, dates in days, times in their unit.
    Whole(i128),
    /// A float by its bits.
    Float(u64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Struct(Vec<Value>),
}

impl Value {
    pub(crate) fn float(value: f64) -> Self {
        // One zero only.
        Value::Float((value + 0.0).to_bits())
    }

    pub(crate) fn is_null(&self) -> bool {
        *self == Value::Null
    }

    /// Which is less; `None` for values that have no order.
    pub(crate) fn order(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Whole(a), Value::Whole(b)) => Some(a.cmp(b)),
            (Value::Float(a), Value::Float(b)) => f64::from_bits(*a).partial_cmp(&f64::from_bits(*b)),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// A literal of a rule as a value of a type; `None` where it is none.
pub(crate) fn literal(text: &str, data_type: &DataType) -> Option<Value> {
    let inner = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\''));
    let plain = inner.map_or_else(|| text.to_owned(), |t| t.replace("''", "'"));
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let cast = |array: &ArrayRef, to: &DataType| cast_with_options(array, to, &strict).ok();
    let typed = cast(&(Arc::new(StringArray::from(vec![plain.as_str()])) as ArrayRef), data_type)?;
    let whole = |array: &ArrayRef| cast(array, &DataType::Int64).map(|a| a.to_data().buffer::<i64>(0)[0]);
    Some(match data_type {
        DataType::Utf8 => Value::Text(plain),
        DataType::Boolean => Value::Bool(typed.as_any().downcast_ref::<BooleanArray>()?.value(0)),
        DataType::Float32 | DataType::Float64 => {
            Value::float(cast(&typed, &DataType::Float64)?.as_any().downcast_ref::<Float64Array>()?.value(0))
        }
        DataType::Decimal128(..) => Value::Whole(typed.as_any().downcast_ref::<PrimitiveArray<Decimal128Type>>()?.value(0)),
        DataType::UInt64 => Value::Whole(i128::from(typed.as_any().downcast_ref::<PrimitiveArray<UInt64Type>>()?.value(0))),
        DataType::Date32 => Value::Whole(i128::from(whole(&cast(&typed, &DataType::Int32)?)?)),
        DataType::Time32(_) => Value::Whole(i128::from(whole(&cast(&typed, &DataType::Int32)?)?)),
        t if t.is_integer() || t.is_temporal() => Value::Whole(i128::from(whole(&typed)?)),
        _ => return None,
    })
}

/// A column of values.
///
/// # Errors
/// Where a value is not of the type: a bug.
pub(crate) fn column(values: &[&Value], field: &Field) -> Result<ArrayRef, FakeError> {
    build(values, field.data_type()).map_err(|e| FakeError::Columns(e.to_string()))
}

fn build(values: &[&Value], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let misfit = || ArrowError::CastError(format!("a value is not {data_type}"));
    let wholes = || values.iter().map(|v| if let Value::Whole(n) = v { Some(*n) } else { None });
    let floats = || values.iter().map(|v| if let Value::Float(bits) = v { Some(f64::from_bits(*bits)) } else { None });
    Ok(match data_type {
        DataType::Utf8 => {
            Arc::new(values.iter().map(|v| if let Value::Text(t) = v { Some(t.as_str()) } else { None }).collect::<StringArray>())
        }
        DataType::Binary => {
            Arc::new(values.iter().map(|v| if let Value::Bytes(b) = v { Some(b.as_slice()) } else { None }).collect::<BinaryArray>())
        }
        DataType::Boolean => {
            Arc::new(values.iter().map(|v| if let Value::Bool(b) = v { Some(*b) } else { None }).collect::<BooleanArray>())
        }
        DataType::Float64 => Arc::new(floats().collect::<Float64Array>()),
        DataType::Float32 => Arc::new(floats().map(|f| f.map(|f| f as f32)).collect::<Float32Array>()),
        DataType::Decimal128(precision, scale) => {
            Arc::new(wholes().collect::<PrimitiveArray<Decimal128Type>>().with_precision_and_scale(*precision, *scale)?)
        }
        DataType::UInt64 => Arc::new(wholes().map(|n| n.and_then(|n| u64::try_from(n).ok())).collect::<PrimitiveArray<UInt64Type>>()),
        DataType::List(item) => {
            let mut inner = Vec::new();
            let mut lengths = Vec::with_capacity(values.len());
            for value in values {
                let items = if let Value::List(items) = value { items.as_slice() } else { &[] };
                inner.extend(items);
                lengths.push(items.len());
            }
            let nulls: NullBuffer = values.iter().map(|v| !v.is_null()).collect();
            Arc::new(ListArray::try_new(item.clone(), OffsetBuffer::from_lengths(lengths), build(&inner, item.data_type())?, Some(nulls))?)
        }
        DataType::Struct(fields) => {
            let nulls: NullBuffer = values.iter().map(|v| !v.is_null()).collect();
            let columns = fields.iter().enumerate().map(|(i, field)| {
                let inner =
                    values.iter().map(|v| if let Value::Struct(all) = v { all.get(i).unwrap_or(&Value::Null) } else { &Value::Null });
                build(&inner.collect::<Vec<_>>(), field.data_type())
            });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            if columns.is_empty() {
                return Ok(new_null_array(data_type, values.len()));
            }
            Arc::new(StructArray::try_new(fields.clone(), columns, Some(nulls))?)
        }
        t if t.is_integer() || t.is_temporal() => {
            let narrow = wholes().map(|n| n.map(i64::try_from).transpose().map_err(|_| misfit()));
            let array: ArrayRef = Arc::new(narrow.collect::<Result<Int64Array, _>>()?);
            match t {
                // 32-bit units are reached by way of their integers.
                DataType::Date32 | DataType::Time32(_) => {
                    let narrow = cast_with_options(&array, &DataType::Int32, &strict)?;
                    cast_with_options(&narrow, t, &strict)?
                }
                _ => cast_with_options(&array, t, &strict)?,
            }
        }
        _ => return Err(misfit()),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::datatypes::TimeUnit;

    #[test]
    fn literals_are_values_of_their_type() {
        for (text, data_type, value) in [
            ("1.50", DataType::Decimal128(12, 2), Value::Whole(150)),
            ("'2026-01-02'", DataType::Date32, Value::Whole(20_455)),
            ("2026-01-02T00:00:01Z", DataType::Timestamp(TimeUnit::Millisecond, None), Value::Whole(1_767_312_001_000)),
            ("00:00:02", DataType::Time32(TimeUnit::Second), Value::Whole(2)),
            ("18446744073709551615", DataType::UInt64, Value::Whole(u64::MAX.into())),
            ("-5", DataType::Int8, Value::Whole(-5)),
            ("-0.0", DataType::Float64, Value::float(0.0)),
            ("'it''s'", DataType::Utf8, Value::Text("it's".into())),
            ("true", DataType::Boolean, Value::Bool(true)),
        ] {
            let found = literal(text, &data_type).unwrap();
            assert_eq!(found, value, "{text}");
            let array = build(&[&found, &Value::Null], &data_type).unwrap();
            assert_eq!((array.data_type(), array.len(), array.null_count()), (&data_type, 2, 1), "{text}");
        }
        assert_eq!(literal("many", &DataType::Int64), None);
        assert_eq!(literal("300", &DataType::Int8), None);
    }
}
