//! What of a message becomes which column: made once for a type of messages and the columns that are wanted.

use super::wire::{Piece, Wire};
use crate::column::{MAX_TYPE_DEPTH, is_json, type_name};
use arrow::datatypes::{DataType, Field, Fields};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value};
use runink_connector_api::ConnectorError;
use std::collections::HashMap;

/// Numbers below that are found by index.
const DIRECT_NUMBERS: usize = 256;

/// How messages of one type are read.
pub(crate) struct MessagePlan {
    /// What is known of a field, by its number: small ones by index (into `entries`, from 1), others by search.
    direct: Vec<u16>,
    others: HashMap<u32, u16>,
    entries: Vec<Entry>,
    pub(super) slots: Vec<Slot>,
    /// The slots of each `oneof`: of them one has a value.
    pub(super) oneofs: Vec<Vec<usize>>,
    /// For each column its slot, unless the type does not know it.
    pub(super) columns: Vec<Option<usize>>,
}

/// A field that is met.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Where it goes; `None` where it only takes the place of others.
    pub(super) slot: Option<usize>,
    pub(super) oneof: Option<usize>,
}

/// A field that is wanted, and what the message that is being read has of it.
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) value: ValuePlan,
    pub(super) wire: Wire,
    pub(super) shape: Shape,
    /// What stands for an absent value that is not null.
    pub(super) default: Option<Default>,
    /// The last value, of a field that has one.
    pub(super) last: Option<Piece>,
    /// All values: of a field that has several, and of a message, whose pieces are read as one.
    pub(super) pieces: Vec<Piece>,
}

/// A value that is not on the wire.
#[derive(Debug, Clone)]
pub(super) struct Default {
    pub(super) raw: u64,
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    /// Several; numbers of them may stand in one piece.
    Many {
        packable: bool,
    },
}

/// How a value is read.
pub(super) enum ValuePlan {
    Int32,
    Int64,
    UInt32,
    UInt64,
    SInt32,
    SInt64,
    /// Bits that are a number with a sign.
    SFixed64,
    Float,
    Double,
    Flag,
    Text,
    Bytes,
    /// Names by number.
    Enum(HashMap<i32, String>),
    /// Seconds since 1970, and nanoseconds.
    Timestamp(Box<MessagePlan>),
    /// A message around a value.
    Wrapper(Box<MessagePlan>),
    Message(Box<MessagePlan>),
}

/// Types of Google's that stand for a plain value.
pub(super) enum WellKnown {
    Timestamp,
    /// The value inside.
    Wrapper(FieldDescriptor),
}

/// Whether a type stands for a plain value.
pub(super) fn well_known(message: &MessageDescriptor) -> Option<WellKnown> {
    let name = message.full_name().strip_prefix("google.protobuf.")?;
    match name {
        "Timestamp" => Some(WellKnown::Timestamp),
        "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value" | "BoolValue" | "StringValue"
        | "BytesValue" => message.get_field(1).map(WellKnown::Wrapper),
        _ => None,
    }
}

impl MessagePlan {
    /// For messages of that type. A column that the type does not know is null.
    ///
    /// # Errors
    /// Where a column cannot have what its field holds, or is required and has no field.
    pub(crate) fn new(message: &MessageDescriptor, columns: &Fields) -> Result<Self, ConnectorError> {
        Self::nested(message, columns, 0)
    }

    fn nested(message: &MessageDescriptor, columns: &Fields, depth: usize) -> Result<Self, ConnectorError> {
        if depth > MAX_TYPE_DEPTH {
            return Err(ConnectorError::user(
                "FMT025",
                format!("`{}` has messages inside messages, too deep to be read", message.full_name()),
            )
            .hint("leave the columns out that lead there"));
        }
        let mut slots = Vec::new();
        let mut numbers = HashMap::new();
        let mut of_columns = Vec::with_capacity(columns.len());
        for column in columns {
            let Some(field) = message.get_field_by_name(column.name()) else {
                if !column.is_nullable() {
                    let names: Vec<String> = message.fields().map(|f| f.name().to_owned()).collect();
                    let place = format!("the message type `{}`", message.full_name());
                    return Err(crate::error::column_missing(&place, column.name(), names.iter().map(String::as_str)));
                }
                of_columns.push(None);
                continue;
            };
            of_columns.push(Some(slots.len()));
            numbers.insert(field.number(), slots.len());
            slots.push(Slot::new(&field, column, depth)?);
        }
        Ok(Self::of(message, slots, numbers, of_columns))
    }

    fn of(message: &MessageDescriptor, slots: Vec<Slot>, numbers: HashMap<u32, usize>, columns: Vec<Option<usize>>) -> Self {
        let mut plan = MessagePlan { direct: Vec::new(), others: HashMap::new(), entries: Vec::new(), slots, oneofs: Vec::new(), columns };
        for (&number, &slot) in &numbers {
            plan.enter(number, Entry { slot: Some(slot), oneof: None });
        }
        for oneof in message.oneofs() {
            let mine: Vec<usize> = oneof.fields().filter_map(|f| numbers.get(&f.number()).copied()).collect();
            if mine.is_empty() {
                continue;
            }
            let group = plan.oneofs.len();
            plan.oneofs.push(mine);
            for field in oneof.fields() {
                plan.enter(field.number(), Entry { slot: numbers.get(&field.number()).copied(), oneof: Some(group) });
            }
        }
        plan
    }

    fn enter(&mut self, number: u32, entry: Entry) {
        self.entries.push(entry);
        // A type has far fewer fields than that; one beyond is not found, and so not read.
        let Ok(at) = u16::try_from(self.entries.len()) else { return };
        match number as usize {
            number if number < DIRECT_NUMBERS => {
                if self.direct.len() <= number {
                    self.direct.resize(number + 1, 0);
                }
                self.direct[number] = at;
            }
            _ => {
                self.others.insert(number, at);
            }
        }
    }

    /// What is known of a field.
    #[inline]
    pub(super) fn entry(&self, number: u32) -> Option<Entry> {
        let at = match self.direct.get(number as usize) {
            Some(at) => *at,
            None => *self.others.get(&number)?,
        };
        self.entries.get((at as usize).checked_sub(1)?).copied()
    }
}

impl Slot {
    fn new(field: &FieldDescriptor, column: &Field, depth: usize) -> Result<Self, ConnectorError> {
        let several = field.is_list() || field.is_map();
        let value = match column.data_type() {
            DataType::List(item) if several => ValuePlan::new(field, item, depth)?,
            _ if several => None,
            _ => ValuePlan::new(field, column, depth)?,
        };
        match value {
            Some(value) => Ok(Self::with(field, value)),
            None => Err(misfit(field, column)),
        }
    }

    fn with(field: &FieldDescriptor, value: ValuePlan) -> Self {
        let kind = field.kind();
        let several = field.is_list() || field.is_map();
        let wire = match kind {
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Wire::Eight,
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Wire::Four,
            Kind::Message(_) if field.is_group() => Wire::Group,
            Kind::String | Kind::Bytes | Kind::Message(_) => Wire::Bytes,
            _ => Wire::Varint,
        };
        let packable = !matches!(wire, Wire::Bytes | Wire::Group);
        let own = field.field_descriptor_proto().default_value.is_some() || field.parent_message().is_map_entry();
        Slot {
            name: field.name().to_owned(),
            value,
            wire,
            shape: if several { Shape::Many { packable } } else { Shape::One },
            default: if several || (field.supports_presence() && !own) { None } else { default_of(field) },
            last: None,
            pieces: Vec::new(),
        }
    }
}

/// What stands for an absent value; of messages, one without fields.
fn default_of(field: &FieldDescriptor) -> Option<Default> {
    let raw = |raw: u64| Some(Default { raw, bytes: Vec::new() });
    let signed = |value: i64| match field.kind() {
        Kind::Sint32 | Kind::Sint64 => raw(super::wire::zigzag(value)),
        _ => raw(value as u64),
    };
    match field.default_value() {
        Value::Bool(value) => raw(value.into()),
        Value::I32(value) => signed(value.into()),
        Value::I64(value) => signed(value),
        Value::EnumNumber(value) => raw(i64::from(value) as u64),
        Value::U32(value) => raw(value.into()),
        Value::U64(value) => raw(value),
        Value::F32(value) => raw(value.to_bits().into()),
        Value::F64(value) => raw(value.to_bits()),
        Value::String(text) => Some(Default { raw: 0, bytes: text.into_bytes() }),
        Value::Bytes(bytes) => Some(Default { raw: 0, bytes: bytes.to_vec() }),
        Value::Message(_) => raw(0),
        Value::List(_) | Value::Map(_) => None,
    }
}

impl ValuePlan {
    /// How values of a field become values of a column; `None` where they cannot.
    fn new(field: &FieldDescriptor, column: &Field, depth: usize) -> Result<Option<Self>, ConnectorError> {
        let wanted = column.data_type();
        let whole = wanted.is_integer() || wanted.is_floating() || matches!(wanted, DataType::Decimal128(..)) || is_time(wanted);
        let plan = match field.kind() {
            Kind::Message(message) => return Self::of_message(&message, column, depth),
            Kind::Float | Kind::Double if !wanted.is_floating() => return Ok(None),
            Kind::Bool if *wanted != DataType::Boolean => return Ok(None),
            Kind::Bytes if *wanted != DataType::Binary => return Ok(None),
            Kind::String if !matches!(wanted, DataType::Utf8 | DataType::Decimal128(..)) && !is_time(wanted) => return Ok(None),
            Kind::Enum(_) if is_json(column) || !(*wanted == DataType::Utf8 || wanted.is_integer()) => return Ok(None),
            Kind::Enum(kind) => ValuePlan::Enum(names(&kind)),
            Kind::Float | Kind::Double | Kind::Bool | Kind::Bytes | Kind::String => Self::scalar(&field.kind()),
            kind if whole => Self::scalar(&kind),
            _ => return Ok(None),
        };
        Ok(Some(plan))
    }

    /// Of a kind that is neither an enumeration nor a message.
    fn scalar(kind: &Kind) -> Self {
        match kind {
            Kind::Int32 | Kind::Sfixed32 => ValuePlan::Int32,
            Kind::Int64 => ValuePlan::Int64,
            Kind::Sfixed64 => ValuePlan::SFixed64,
            Kind::Uint32 | Kind::Fixed32 => ValuePlan::UInt32,
            Kind::Uint64 | Kind::Fixed64 => ValuePlan::UInt64,
            Kind::Sint32 => ValuePlan::SInt32,
            Kind::Sint64 => ValuePlan::SInt64,
            Kind::Float => ValuePlan::Float,
            Kind::Double => ValuePlan::Double,
            Kind::Bool => ValuePlan::Flag,
            Kind::String => ValuePlan::Text,
            _ => ValuePlan::Bytes,
        }
    }

    fn of_message(message: &MessageDescriptor, column: &Field, depth: usize) -> Result<Option<Self>, ConnectorError> {
        Ok(match (well_known(message), column.data_type()) {
            (_, DataType::Struct(fields)) => Some(ValuePlan::Message(Box::new(MessagePlan::nested(message, fields, depth + 1)?))),
            (Some(WellKnown::Timestamp), DataType::Timestamp(..)) => {
                let fields = [message.get_field(1), message.get_field(2)].into_iter().flatten();
                let slots: Vec<Slot> = fields.map(|field| Slot::with(&field, Self::scalar(&field.kind()))).collect();
                let numbers = HashMap::from([(1, 0), (2, 1)]);
                (slots.len() == 2).then(|| ValuePlan::Timestamp(Box::new(MessagePlan::of(message, slots, numbers, Vec::new()))))
            }
            (Some(WellKnown::Wrapper(value)), _) => Self::new(&value, column, depth)?.map(|plan| {
                let slots = vec![Slot::with(&value, plan)];
                ValuePlan::Wrapper(Box::new(MessagePlan::of(message, slots, HashMap::from([(1, 0)]), Vec::new())))
            }),
            _ => None,
        })
    }
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Time32(_) | DataType::Time64(_) | DataType::Timestamp(..))
}

fn names(kind: &EnumDescriptor) -> HashMap<i32, String> {
    let mut names = HashMap::new();
    // Of several names for a number the first is its own.
    for value in kind.values() {
        names.entry(value.number()).or_insert_with(|| value.name().to_owned());
    }
    names
}

/// What a field holds, in the words of Protobuf.
pub(super) fn kind_of(field: &FieldDescriptor) -> String {
    if field.is_map() {
        return "a map".into();
    }
    let kind = match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(kind) => kind.full_name().to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    if field.is_list() { format!("repeated {kind}") } else { kind }
}

fn misfit(field: &FieldDescriptor, column: &Field) -> ConnectorError {
    let (kind, of) = (kind_of(field), field.parent_message().full_name().to_owned());
    ConnectorError::user(
        "FMT026",
        format!("`{}` of the message type `{of}` is {kind}, of which no {} can be made", field.name(), type_name(column)),
    )
    .hint("change the column's type in the contract")
}
