//! Columns as typed arrays whose cells are written one after the other, with one branch on the type and no `String` between.

use super::{
    canonical::canonical,
    json::{write_json_text, write_string},
    prefix::member_prefix,
};
use crate::{
    cell::{encode_base64, write_date, write_decimal, write_f32, write_f64, write_i64, write_time, write_timestamp, write_u64},
    column::is_json,
    error,
};
use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, PrimitiveArray, StringArray},
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::cast,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema,
        Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use runink_connector_api::ConnectorError;

/// Refuses a schema with a type that text has no form for.
pub(super) fn check(format: &str, schema: &Schema) -> Result<(), ConnectorError> {
    for field in schema.fields() {
        if canonical(field.data_type()).is_none() {
            return Err(error::type_not_supported(format, field.name(), field.data_type()));
        }
    }
    Ok(())
}

/// One column.
pub(crate) struct Cells {
    nulls: Option<NullBuffer>,
    values: Values,
}

/// Its values.
enum Values {
    Nothing,
    Flag(BooleanArray),
    Int8(ScalarBuffer<i8>),
    Int16(ScalarBuffer<i16>),
    Int32(ScalarBuffer<i32>),
    Int64(ScalarBuffer<i64>),
    UInt8(ScalarBuffer<u8>),
    UInt16(ScalarBuffer<u16>),
    UInt32(ScalarBuffer<u32>),
    UInt64(ScalarBuffer<u64>),
    Float32(ScalarBuffer<f32>),
    Float64(ScalarBuffer<f64>),
    Decimal(ScalarBuffer<i128>, i8),
    Date(ScalarBuffer<i32>),
    Time32(ScalarBuffer<i32>, TimeUnit),
    Time64(ScalarBuffer<i64>, TimeUnit),
    Timestamp(ScalarBuffer<i64>, TimeUnit),
    Text(StringArray),
    Json(StringArray),
    Binary(BinaryArray),
    List(OffsetBuffer<i32>, Box<Cells>),
    Struct(Vec<(Vec<u8>, Cells)>),
}

fn scalars<T: ArrowPrimitiveType>(array: &dyn Array) -> ScalarBuffer<T::Native> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    array.values().clone()
}

impl Cells {
    /// The cells of a column. Types must have been checked.
    pub(crate) fn new(field: &Field, array: &dyn Array) -> Result<Self, ConnectorError> {
        let wanted = canonical(array.data_type()).ok_or_else(|| error::type_not_supported("text", field.name(), array.data_type()))?;
        if wanted == *array.data_type() {
            return Self::typed(field, array);
        }
        let array: ArrayRef = cast(array, &wanted).map_err(error::batch)?;
        Self::typed(field, array.as_ref())
    }

    fn typed(field: &Field, array: &dyn Array) -> Result<Self, ConnectorError> {
        let values = match array.data_type() {
            DataType::Null => Values::Nothing,
            DataType::Boolean => Values::Flag(array.as_boolean().clone()),
            DataType::Int8 => Values::Int8(scalars::<Int8Type>(array)),
            DataType::Int16 => Values::Int16(scalars::<Int16Type>(array)),
            DataType::Int32 => Values::Int32(scalars::<Int32Type>(array)),
            DataType::Int64 => Values::Int64(scalars::<Int64Type>(array)),
            DataType::UInt8 => Values::UInt8(scalars::<UInt8Type>(array)),
            DataType::UInt16 => Values::UInt16(scalars::<UInt16Type>(array)),
            DataType::UInt32 => Values::UInt32(scalars::<UInt32Type>(array)),
            DataType::UInt64 => Values::UInt64(scalars::<UInt64Type>(array)),
            DataType::Float32 => Values::Float32(scalars::<Float32Type>(array)),
            DataType::Float64 => Values::Float64(scalars::<Float64Type>(array)),
            DataType::Decimal128(_, scale) => Values::Decimal(scalars::<Decimal128Type>(array), *scale),
            DataType::Date32 => Values::Date(scalars::<Date32Type>(array)),
            DataType::Time32(TimeUnit::Second) => Values::Time32(scalars::<Time32SecondType>(array), TimeUnit::Second),
            DataType::Time32(unit) => Values::Time32(scalars::<Time32MillisecondType>(array), *unit),
            DataType::Time64(TimeUnit::Microsecond) => Values::Time64(scalars::<Time64MicrosecondType>(array), TimeUnit::Microsecond),
            DataType::Time64(unit) => Values::Time64(scalars::<Time64NanosecondType>(array), *unit),
            DataType::Timestamp(unit, _) => {
                let values = match unit {
                    TimeUnit::Second => scalars::<TimestampSecondType>(array),
                    TimeUnit::Millisecond => scalars::<TimestampMillisecondType>(array),
                    TimeUnit::Microsecond => scalars::<TimestampMicrosecondType>(array),
                    TimeUnit::Nanosecond => scalars::<TimestampNanosecondType>(array),
                };
                Values::Timestamp(values, *unit)
            }
            DataType::Utf8 if is_json(field) => Values::Json(array.as_string().clone()),
            DataType::Utf8 => Values::Text(array.as_string().clone()),
            DataType::Binary => Values::Binary(array.as_binary().clone()),
            DataType::List(item) => {
                let list = array.as_list::<i32>();
                Values::List(list.offsets().clone(), Box::new(Cells::new(item, list.values().as_ref())?))
            }
            DataType::Struct(fields) => {
                let members = fields.iter().zip(array.as_struct().columns()).enumerate();
                let members =
                    members.map(|(i, (field, array))| Ok((member_prefix(field.name(), i == 0), Cells::new(field, array.as_ref())?)));
                Values::Struct(members.collect::<Result<_, ConnectorError>>()?)
            }
            other => return Err(error::type_not_supported("text", field.name(), other)),
        };
        Ok(Cells { nulls: array.nulls().cloned(), values })
    }

    /// Whether a cell is null.
    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Nothing) || self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Writes a cell as a JSON value.
    #[inline]
    pub(super) fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return out.extend_from_slice(b"null");
        }
        match &self.values {
            Values::Text(values) => write_string(values.value(row).as_bytes(), out),
            Values::Json(values) => write_json_text(values.value(row), out),
            Values::Float64(values) if !values[row].is_finite() => self.write_in_quotes(row, out),
            Values::Float32(values) if !values[row].is_finite() => self.write_in_quotes(row, out),
            Values::Binary(_) => self.write_in_quotes(row, out),
            Values::Date(_) | Values::Time32(..) | Values::Time64(..) | Values::Timestamp(..) => {
                let start = out.len();
                out.push(b'"');
                if self.write_scalar(row, out) {
                    out.push(b'"');
                } else {
                    // A number of units needs no quotes.
                    out.remove(start);
                }
            }
            Values::List(offsets, items) => {
                out.push(b'[');
                let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
                for item in start..end {
                    if item > start {
                        out.push(b',');
                    }
                    items.write_json(item, out);
                }
                out.push(b']');
            }
            Values::Struct(members) => {
                out.push(b'{');
                for (prefix, cells) in members {
                    out.extend_from_slice(prefix);
                    cells.write_json(row, out);
                }
                out.push(b'}');
            }
            _ => {
                self.write_scalar(row, out);
            }
        }
    }

    fn write_in_quotes(&self, row: usize, out: &mut Vec<u8>) {
        out.push(b'"');
        self.write_scalar(row, out);
        out.push(b'"');
    }

    /// Writes a cell that is not null as plain text.
    #[inline]
    pub(crate) fn write_text(&self, row: usize, out: &mut Vec<u8>) {
        match &self.values {
            Values::Text(values) | Values::Json(values) => out.extend_from_slice(values.value(row).as_bytes()),
            Values::List(..) | Values::Struct(_) => self.write_json(row, out),
            _ => {
                self.write_scalar(row, out);
            }
        }
    }

    /// Writes a value that is neither text nor nested; `false` where a time is beyond RFC 3339 and its number of units was written.
    #[inline]
    fn write_scalar(&self, row: usize, out: &mut Vec<u8>) -> bool {
        match &self.values {
            Values::Flag(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Values::Int8(values) => write_i64(values[row].into(), out),
            Values::Int16(values) => write_i64(values[row].into(), out),
            Values::Int32(values) => write_i64(values[row].into(), out),
            Values::Int64(values) => write_i64(values[row], out),
            Values::UInt8(values) => write_u64(values[row].into(), out),
            Values::UInt16(values) => write_u64(values[row].into(), out),
            Values::UInt32(values) => write_u64(values[row].into(), out),
            Values::UInt64(values) => write_u64(values[row], out),
            Values::Float32(values) => write_f32(values[row], out),
            Values::Float64(values) => write_f64(values[row], out),
            Values::Decimal(values, scale) => write_decimal(values[row], *scale, out),
            Values::Date(values) => return write_date(values[row].into(), out) || units(values[row].into(), out),
            Values::Time32(values, unit) => return write_time(values[row].into(), *unit, out) || units(values[row].into(), out),
            Values::Time64(values, unit) => return write_time(values[row], *unit, out) || units(values[row], out),
            Values::Timestamp(values, unit) => return write_timestamp(values[row], *unit, out) || units(values[row], out),
            Values::Binary(values) => encode_base64(values.value(row), out),
            Values::Nothing | Values::Text(_) | Values::Json(_) | Values::List(..) | Values::Struct(_) => {}
        }
        true
    }
}

fn units(value: i64, out: &mut Vec<u8>) -> bool {
    write_i64(value, out);
    false
}

/// Writes the cells of one column as plain text, as CSV has them (unquoted).
pub struct CellText<'a> {
    array: &'a dyn Array,
    cells: Cells,
}

impl<'a> CellText<'a> {
    /// The cells of that column.
    ///
    /// # Errors
    /// Where the type has no text form.
    pub fn new(field: &Field, array: &'a dyn Array) -> Result<Self, ConnectorError> {
        Ok(CellText { array, cells: Cells::new(field, array)? })
    }

    /// Appends a cell's text; nothing for null. Returns whether there is a value.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) -> bool {
        let is_null = row >= self.array.len() || self.cells.is_null(row);
        if !is_null {
            self.cells.write_text(row, out);
        }
        !is_null
    }
}
