//! Rows into messages, by a plan that is made once for a type and the columns that are written.
//!
//! A null, and the zero of a field that does not tell zero from nothing, is not written. A message inside another one is written where it stands, and its length
//! put before it.

use super::{
    NAME, ProtoMessage,
    plan::{WellKnown, kind_of, well_known},
    wire::{write_varint, zigzag},
};
use crate::{
    EncodeError, Messages,
    cell::units_per_second,
    column::{MAX_TYPE_DEPTH, type_name},
    encode::{Cells, canonical},
    error,
};
use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, StringArray},
    buffer::{NullBuffer, OffsetBuffer},
    compute::{CastOptions, cast_with_options},
    datatypes::{
        DataType, Field, Fields, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt32Type, UInt64Type,
    },
};
use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use runink_connector_api::ConnectorError;
use std::collections::HashMap;

const VARINT: u32 = 0;
const EIGHT: u32 = 1;
const BYTES: u32 = 2;
const FOUR: u32 = 5;

/// Writes rows of some columns as messages of one type.
pub(crate) struct ProtoWriter {
    /// What stands before each message.
    prefix: Vec<u8>,
    fields: Vec<FieldPlan>,
}

/// How a column is written.
struct FieldPlan {
    column: Field,
    number: u32,
    several: bool,
    packed: bool,
    /// A value that is zero or empty is written too.
    presence: bool,
    value: ValueKind,
}

enum ValueKind {
    /// A number that is cast to that type, and how it is on the wire.
    Number(DataType, OnWire),
    Flag,
    Text,
    Bytes,
    /// Numbers by name.
    Enum(String, HashMap<String, i32>),
    Timestamp,
    Wrapper(Box<FieldPlan>),
    Message(Vec<FieldPlan>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnWire {
    Varint,
    Zigzag,
    Four,
    Eight,
}

/// A column's values in a batch.
struct Column {
    nulls: Option<NullBuffer>,
    values: Values,
}

enum Values {
    /// As they are on the wire.
    Raw(Vec<u64>),
    Text(StringArray),
    Binary(BinaryArray),
    /// What is written as text.
    Cells(Cells),
    Moments(Vec<i64>, TimeUnit),
    Wrapped(Box<Column>),
    Message(Vec<Column>),
    Several(OffsetBuffer<i32>, Box<Column>),
}

impl ProtoWriter {
    /// For columns, each of which is the field of its name. With `registered`, the number of a schema, messages are as schema registries have them, and the type is
    /// the first of its schema.
    pub(crate) fn new(message: &ProtoMessage, registered: Option<u32>, columns: &Fields) -> Result<Self, ConnectorError> {
        let mut prefix = Vec::new();
        if let Some(id) = registered {
            prefix.push(0);
            prefix.extend_from_slice(&id.to_be_bytes());
            prefix.push(0);
        }
        Ok(ProtoWriter { prefix, fields: plan(&message.0, columns, 0)? })
    }

    /// Adds a message for each row.
    pub(crate) fn write(&self, columns: &[ArrayRef], rows: usize, out: &mut Messages) -> Result<(), EncodeError> {
        let columns = self.fields.iter().zip(columns).map(|(field, array)| field.read(array)).collect::<Result<Vec<_>, _>>()?;
        for row in 0..rows {
            out.open().extend_from_slice(&self.prefix);
            for (field, column) in self.fields.iter().zip(&columns) {
                field.write(column, row, out.open())?;
            }
            out.end();
        }
        Ok(())
    }
}

fn plan(message: &MessageDescriptor, columns: &Fields, depth: usize) -> Result<Vec<FieldPlan>, ConnectorError> {
    let place = format!("the message type `{}`", message.full_name());
    if let Some(missing) =
        message.fields().find(|f| f.cardinality() == Cardinality::Required && !columns.iter().any(|c| c.name() == f.name()))
    {
        return Err(ConnectorError::user("FMT025", format!("{place} requires `{}`, and no column has that name", missing.name()))
            .hint("add the column"));
    }
    let one = |column: &std::sync::Arc<Field>| {
        let field = message.get_field_by_name(column.name()).ok_or_else(|| {
            let names: Vec<String> = message.fields().map(|f| f.name().to_owned()).collect();
            error::column_missing(&place, column.name(), names.iter().map(String::as_str))
        })?;
        FieldPlan::new(&field, column, depth)
    };
    columns.iter().map(one).collect()
}

impl FieldPlan {
    fn new(field: &FieldDescriptor, column: &Field, depth: usize) -> Result<Self, ConnectorError> {
        let several = field.is_list() || field.is_map();
        let misfit = || {
            let (kind, of) = (kind_of(field), field.parent_message().full_name().to_owned());
            let message =
                format!("column `{}` is {}, and `{}` of the message type `{of}` is {kind}", column.name(), type_name(column), field.name());
            ConnectorError::user("FMT026", message).hint("give the column that type with `cast`, or leave it out with `drop`")
        };
        let wanted = canonical(column.data_type()).ok_or_else(misfit)?;
        let item = match &wanted {
            DataType::List(item) if several => item.as_ref().clone(),
            DataType::List(_) => return Err(misfit()),
            _ if several => return Err(misfit()),
            _ => column.clone().with_data_type(wanted),
        };
        if depth > MAX_TYPE_DEPTH {
            return Err(misfit());
        }
        let value = ValueKind::new(field, &item, depth)?.ok_or_else(misfit)?;
        Ok(FieldPlan {
            // An item is called like its list.
            column: item.with_name(column.name()),
            number: field.number(),
            several,
            packed: field.is_packed(),
            // Entries of maps have both their values, whatever these are.
            presence: several || field.supports_presence() || field.parent_message().is_map_entry(),
            value,
        })
    }

    fn read(&self, array: &ArrayRef) -> Result<Column, EncodeError> {
        let array = self.cast(array, canonical(array.data_type()).unwrap_or_else(|| array.data_type().clone()))?;
        if self.several {
            let list = array.as_list::<i32>();
            let items = self.values(list.values())?;
            return Ok(Column { nulls: list.nulls().cloned(), values: Values::Several(list.offsets().clone(), Box::new(items)) });
        }
        self.values(&array)
    }

    fn cast(&self, array: &ArrayRef, wanted: DataType) -> Result<ArrayRef, EncodeError> {
        if *array.data_type() == wanted {
            return Ok(array.clone());
        }
        let options = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(array, &wanted, &options).map_err(|e| self.unfit(e.to_string()).into())
    }

    #[cold]
    fn unfit(&self, why: impl std::fmt::Display) -> ConnectorError {
        ConnectorError::user("FMT027", format!("column `{}` has a value that its field in {NAME} cannot have: {why}", self.column.name()))
            .hint("keep such values out with `where`, or give the field another type")
    }

    fn values(&self, array: &ArrayRef) -> Result<Column, EncodeError> {
        let nulls = array.nulls().cloned();
        let values = match &self.value {
            ValueKind::Number(wanted, wire) => Values::Raw(raw(&self.cast(array, wanted.clone())?, *wire)),
            ValueKind::Flag => Values::Raw(array.as_boolean().iter().map(|v| u64::from(v.unwrap_or_default())).collect()),
            ValueKind::Text if *array.data_type() == DataType::Utf8 => Values::Text(array.as_string().clone()),
            ValueKind::Text => Values::Cells(Cells::new(&self.column, array.as_ref())?),
            ValueKind::Bytes => Values::Binary(array.as_binary().clone()),
            ValueKind::Enum(kind, numbers) => {
                let number = |name: Option<&str>| match name.map(|name| (name, numbers.get(name))) {
                    None => Ok(0),
                    Some((_, Some(number))) => Ok(i64::from(*number) as u64),
                    Some((name, None)) => Err(self.unfit(format!("`{name}` is none of the names of `{kind}`"))),
                };
                Values::Raw(array.as_string::<i32>().iter().map(number).collect::<Result<_, _>>()?)
            }
            ValueKind::Timestamp => {
                let DataType::Timestamp(unit, _) = array.data_type() else { return Err(self.unfit("it is no timestamp").into()) };
                let values = match unit {
                    TimeUnit::Second => array.as_primitive::<TimestampSecondType>().values().to_vec(),
                    TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().values().to_vec(),
                    TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values().to_vec(),
                    TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values().to_vec(),
                };
                Values::Moments(values, *unit)
            }
            ValueKind::Wrapper(inner) => Values::Wrapped(Box::new(inner.values(array)?)),
            ValueKind::Message(fields) => {
                let members = fields.iter().zip(array.as_struct().columns()).map(|(field, array)| field.read(array));
                Values::Message(members.collect::<Result<_, _>>()?)
            }
        };
        Ok(Column { nulls, values })
    }

    fn write(&self, column: &Column, row: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if column.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return Ok(());
        }
        let Values::Several(offsets, items) = &column.values else {
            if self.presence || !column.values.is_zero(row) {
                self.key(out);
                self.write_value(&column.values, row, out)?;
            }
            return Ok(());
        };
        let range = offsets[row] as usize..offsets[row + 1] as usize;
        if items.nulls.as_ref().is_some_and(|nulls| range.clone().any(|item| nulls.is_null(item))) {
            return Err(self.unfit("a list has a null in it").into());
        }
        if self.packed && !range.is_empty() {
            write_varint(u64::from(self.number << 3 | BYTES), out);
            let start = out.len();
            range.into_iter().try_for_each(|item| self.write_value(&items.values, item, out))?;
            put_length(start, out);
            return Ok(());
        }
        for item in range {
            self.key(out);
            self.write_value(&items.values, item, out)?;
        }
        Ok(())
    }

    fn key(&self, out: &mut Vec<u8>) {
        let wire = match &self.value {
            ValueKind::Number(_, OnWire::Four) => FOUR,
            ValueKind::Number(_, OnWire::Eight) => EIGHT,
            ValueKind::Number(..) | ValueKind::Flag | ValueKind::Enum(..) => VARINT,
            _ => BYTES,
        };
        write_varint(u64::from(self.number << 3 | wire), out);
    }

    fn write_value(&self, values: &Values, row: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match (values, &self.value) {
            (Values::Raw(values), ValueKind::Number(_, OnWire::Four)) => out.extend_from_slice(&(values[row] as u32).to_le_bytes()),
            (Values::Raw(values), ValueKind::Number(_, OnWire::Eight)) => out.extend_from_slice(&values[row].to_le_bytes()),
            (Values::Raw(values), _) => write_varint(values[row], out),
            (Values::Text(values), _) => write_bytes(values.value(row).as_bytes(), out),
            (Values::Binary(values), _) => write_bytes(values.value(row), out),
            (Values::Cells(cells), _) => {
                let start = out.len();
                cells.write_text(row, out);
                put_length(start, out);
            }
            (Values::Moments(values, unit), _) => {
                let scale = units_per_second(*unit);
                let (seconds, rest) = (values[row].div_euclid(scale), values[row].rem_euclid(scale));
                let start = out.len();
                for (number, part) in [(1u8, seconds), (2, rest * (1_000_000_000 / scale))] {
                    if part != 0 {
                        out.push(number << 3);
                        write_varint(part as u64, out);
                    }
                }
                put_length(start, out);
            }
            (Values::Wrapped(column), ValueKind::Wrapper(inner)) => {
                let start = out.len();
                inner.write(column, row, out)?;
                put_length(start, out);
            }
            (Values::Message(columns), ValueKind::Message(fields)) => {
                let start = out.len();
                fields.iter().zip(columns).try_for_each(|(field, column)| field.write(column, row, out))?;
                put_length(start, out);
            }
            _ => return Err(ConnectorError::bug("FMT090", "a Protobuf field was read as another one").into()),
        }
        Ok(())
    }
}

impl Values {
    fn is_zero(&self, row: usize) -> bool {
        match self {
            Values::Raw(values) => values[row] == 0,
            Values::Text(values) => values.value(row).is_empty(),
            Values::Binary(values) => values.value(row).is_empty(),
            _ => false,
        }
    }
}

impl ValueKind {
    /// How values of a column are written as those of a field; `None` where they cannot.
    fn new(field: &FieldDescriptor, column: &Field, depth: usize) -> Result<Option<Self>, ConnectorError> {
        let given = column.data_type();
        let number = |wanted: DataType, wire: OnWire| {
            let fits = if wanted.is_floating() {
                given.is_floating() && given.primitive_width() <= wanted.primitive_width()
            } else {
                given.is_integer()
            };
            Ok(fits.then_some(ValueKind::Number(wanted, wire)))
        };
        let only = |wanted: bool, kind: ValueKind| Ok(wanted.then_some(kind));
        match field.kind() {
            Kind::Int32 => number(DataType::Int32, OnWire::Varint),
            Kind::Sint32 => number(DataType::Int32, OnWire::Zigzag),
            Kind::Sfixed32 => number(DataType::Int32, OnWire::Four),
            Kind::Int64 => number(DataType::Int64, OnWire::Varint),
            Kind::Sint64 => number(DataType::Int64, OnWire::Zigzag),
            Kind::Sfixed64 => number(DataType::Int64, OnWire::Eight),
            Kind::Uint32 => number(DataType::UInt32, OnWire::Varint),
            Kind::Fixed32 => number(DataType::UInt32, OnWire::Four),
            Kind::Uint64 => number(DataType::UInt64, OnWire::Varint),
            Kind::Fixed64 => number(DataType::UInt64, OnWire::Eight),
            Kind::Float => number(DataType::Float32, OnWire::Four),
            Kind::Double => number(DataType::Float64, OnWire::Eight),
            Kind::Bool => only(*given == DataType::Boolean, ValueKind::Flag),
            Kind::Bytes => only(*given == DataType::Binary, ValueKind::Bytes),
            Kind::String => {
                let time = matches!(given, DataType::Date32 | DataType::Time32(_) | DataType::Time64(_) | DataType::Timestamp(..));
                only(time || matches!(given, DataType::Utf8 | DataType::Decimal128(..)), ValueKind::Text)
            }
            Kind::Enum(_) if given.is_integer() => number(DataType::Int32, OnWire::Varint),
            Kind::Enum(kind) => {
                let numbers = kind.values().map(|v| (v.name().to_owned(), v.number())).collect();
                only(*given == DataType::Utf8, ValueKind::Enum(kind.full_name().to_owned(), numbers))
            }
            Kind::Message(_) if field.is_group() => Ok(None),
            Kind::Message(message) => Ok(match (well_known(&message), given) {
                (_, DataType::Struct(fields)) => Some(ValueKind::Message(plan(&message, fields, depth + 1)?)),
                (Some(WellKnown::Timestamp), DataType::Timestamp(..)) => Some(ValueKind::Timestamp),
                (Some(WellKnown::Wrapper(inner)), _) => Self::new(&inner, column, depth)?.map(|value| {
                    let column = column.clone();
                    ValueKind::Wrapper(Box::new(FieldPlan { column, number: 1, several: false, packed: false, presence: false, value }))
                }),
                _ => None,
            }),
        }
    }
}

/// Numbers as they are on the wire. The array has one of the types that [`ValueKind::new`] names.
fn raw(array: &ArrayRef, wire: OnWire) -> Vec<u64> {
    let signed = |value: i64| match wire {
        OnWire::Zigzag => zigzag(value),
        _ => value as u64,
    };
    match array.data_type() {
        DataType::Int32 => array.as_primitive::<Int32Type>().values().iter().map(|v| signed(i64::from(*v))).collect(),
        DataType::Int64 => array.as_primitive::<Int64Type>().values().iter().map(|v| signed(*v)).collect(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().values().iter().map(|v| u64::from(*v)).collect(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().values().to_vec(),
        DataType::Float32 => array.as_primitive::<Float32Type>().values().iter().map(|v| u64::from(v.to_bits())).collect(),
        _ => array.as_primitive::<Float64Type>().values().iter().map(|v| v.to_bits()).collect(),
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Puts the length of what was written from `start` on before it.
fn put_length(start: usize, out: &mut Vec<u8>) {
    let length = out.len() - start;
    write_varint(length as u64, out);
    let behind = out.len() - start - length;
    out[start..].rotate_right(behind);
}
