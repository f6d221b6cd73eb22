//! Columns under construction: plain vectors that can be cut back to a row's start when the row turns out bad.

mod finish;
mod keys;
mod names;
mod text;

pub(crate) use keys::Keys;
pub(crate) use names::type_name;
pub(crate) use text::Cell;

use crate::{JSON_METADATA, error};
use arrow::datatypes::{DataType, Field, TimeUnit};
use runink_connector_api::ConnectorError;
use std::sync::Arc;

/// How deep types may nest. Bounds recursion over them.
pub(crate) const MAX_TYPE_DEPTH: usize = 32;

/// One field of rows or of a struct.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) field: Arc<Field>,
    /// The row that was last given a value here, where the values come by name; what it says of rows that were cut back is out of date.
    pub(crate) last_row: usize,
    pub(crate) column: Column,
}

/// Values of one type. A null has a value too (zero or nothing), so that every vector has one entry for each row.
#[derive(Debug)]
pub(crate) enum Column {
    Flag { values: Vec<bool>, nulls: Nulls },
    Int { values: Vec<i64>, nulls: Nulls, kind: IntKind },
    UInt64 { values: Vec<u64>, nulls: Nulls },
    Float { values: Vec<f64>, nulls: Nulls, single: bool },
    Decimal { values: Vec<i128>, nulls: Nulls, precision: u8, scale: i8 },
    Time { values: Vec<i64>, nulls: Nulls, kind: TimeKind, unit: TimeUnit },
    Bytes { values: Values, nulls: Nulls, kind: BytesKind },
    List { ends: Vec<i32>, nulls: Nulls, item: Box<Member> },
    Struct { rows: Rows, nulls: Nulls },
}

/// Whole numbers that `i64` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntKind {
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
}

/// What a number of units stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeKind {
    /// Days since 1970.
    Date,
    /// Since midnight.
    Time,
    /// Since 1970.
    Timestamp,
}

/// What bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BytesKind {
    /// UTF-8.
    Text,
    /// UTF-8 that is a JSON value.
    Json,
    /// Anything.
    Binary,
}

/// Byte strings, end to end.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) bytes: Vec<u8>,
    /// Where each ends. Batches are bounded well below 2 GiB (`output::MAX_BATCH_BYTES`), so that this never wraps.
    pub(crate) ends: Vec<i32>,
}

/// Which rows are null, ascending. Nothing is kept for the others.
#[derive(Debug, Default)]
pub(crate) struct Nulls(Vec<u32>);

/// Several columns of the same length: the fields of a struct, or of the rows themselves.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) members: Vec<Member>,
    pub(crate) keys: Keys,
    /// Complete rows. A member that is longer already has its value of the row that is being built.
    pub(crate) len: usize,
}

impl Nulls {
    fn push(&mut self, row: usize) {
        self.0.push(row as u32);
    }

    fn truncate(&mut self, rows: usize) {
        while self.0.last().is_some_and(|last| *last as usize >= rows) {
            self.0.pop();
        }
    }

    fn last_is(&self, row: usize) -> bool {
        self.0.last().is_some_and(|last| *last as usize == row)
    }
}

impl Values {
    /// Ends a value: all bytes since the end of the one before.
    #[inline(always)]
    pub(crate) fn end(&mut self) {
        self.ends.push(self.bytes.len() as i32);
    }

    fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.bytes.truncate(self.ends.last().map_or(0, |end| *end as usize));
    }

    /// Takes back the bytes of a value that is not ended.
    pub(crate) fn undo(&mut self) {
        self.bytes.truncate(self.ends.last().map_or(0, |end| *end as usize));
    }

    pub(crate) fn last(&self) -> &[u8] {
        let (start, end) = match self.ends.as_slice() {
            [.., start, end] => (*start as usize, *end as usize),
            [end] => (0, *end as usize),
            [] => (0, 0),
        };
        &self.bytes[start..end]
    }
}

impl IntKind {
    /// The smallest and the largest value.
    #[inline]
    pub(crate) fn range(self) -> (i64, i64) {
        match self {
            IntKind::Int8 => (i8::MIN.into(), i8::MAX.into()),
            IntKind::Int16 => (i16::MIN.into(), i16::MAX.into()),
            IntKind::Int32 => (i32::MIN.into(), i32::MAX.into()),
            IntKind::Int64 => (i64::MIN, i64::MAX),
            IntKind::UInt8 => (0, u8::MAX.into()),
            IntKind::UInt16 => (0, u16::MAX.into()),
            IntKind::UInt32 => (0, u32::MAX.into()),
        }
    }
}

impl Rows {
    /// Empty columns for these fields.
    pub(crate) fn new<'a>(format: &str, fields: impl IntoIterator<Item = &'a Arc<Field>>) -> Result<Self, ConnectorError> {
        Self::nested(format, fields, 0)
    }

    fn nested<'a>(format: &str, fields: impl IntoIterator<Item = &'a Arc<Field>>, depth: usize) -> Result<Self, ConnectorError> {
        let members = fields.into_iter().map(|field| Member::new(format, field, depth)).collect::<Result<Vec<_>, _>>()?;
        let keys = Keys::new(members.iter().map(|m| m.field.name().as_str()));
        Ok(Rows { members, keys, len: 0 })
    }

    /// Cuts back to that many rows, and leaves none half built.
    pub(crate) fn truncate(&mut self, rows: usize) {
        for member in &mut self.members {
            member.column.truncate(rows);
        }
        self.len = rows;
    }

    /// Completes a row of which `filled` members have a value; the others become null. `Err` gives a member that may not. A value that is there has been
    /// checked when it came.
    #[inline]
    pub(crate) fn complete(&mut self, filled: usize) -> Result<(), usize> {
        if filled < self.members.len() {
            self.fill()?;
        }
        self.len += 1;
        Ok(())
    }

    fn fill(&mut self) -> Result<(), usize> {
        for (i, member) in self.members.iter_mut().enumerate() {
            if member.column.len() == self.len {
                if !member.field.is_nullable() {
                    return Err(i);
                }
                member.column.push_null();
            }
        }
        Ok(())
    }
}

impl Member {
    fn new(format: &str, field: &Arc<Field>, depth: usize) -> Result<Self, ConnectorError> {
        Ok(Member { field: field.clone(), last_row: usize::MAX, column: Column::new(format, field, depth)? })
    }
}

impl Column {
    fn new(format: &str, field: &Arc<Field>, depth: usize) -> Result<Self, ConnectorError> {
        let nulls = Nulls::default();
        let int = |kind| Column::Int { values: Vec::new(), nulls: Nulls::default(), kind };
        let time = |kind, unit| Column::Time { values: Vec::new(), nulls: Nulls::default(), kind, unit };
        let bytes = |kind| Column::Bytes { values: Values::default(), nulls: Nulls::default(), kind };
        let unsupported = || error::type_not_supported(format, field.name(), field.data_type());
        if depth > MAX_TYPE_DEPTH {
            return Err(unsupported());
        }
        Ok(match field.data_type() {
            DataType::Boolean => Column::Flag { values: Vec::new(), nulls },
            DataType::Int8 => int(IntKind::Int8),
            DataType::Int16 => int(IntKind::Int16),
            DataType::Int32 => int(IntKind::Int32),
            DataType::Int64 => int(IntKind::Int64),
            DataType::UInt8 => int(IntKind::UInt8),
            DataType::UInt16 => int(IntKind::UInt16),
            DataType::UInt32 => int(IntKind::UInt32),
            DataType::UInt64 => Column::UInt64 { values: Vec::new(), nulls },
            DataType::Float32 => Column::Float { values: Vec::new(), nulls, single: true },
            DataType::Float64 => Column::Float { values: Vec::new(), nulls, single: false },
            DataType::Decimal128(precision, scale) => Column::Decimal { values: Vec::new(), nulls, precision: *precision, scale: *scale },
            DataType::Date32 => time(TimeKind::Date, TimeUnit::Second),
            DataType::Time32(unit) | DataType::Time64(unit) => time(TimeKind::Time, *unit),
            // The zone of an Arrow type says how a moment is shown, not which one it is.
            DataType::Timestamp(unit, _) => time(TimeKind::Timestamp, *unit),
            DataType::Utf8 if is_json(field) => bytes(BytesKind::Json),
            DataType::Utf8 => bytes(BytesKind::Text),
            DataType::Binary => bytes(BytesKind::Binary),
            DataType::List(item) => Column::List { ends: Vec::new(), nulls, item: Box::new(Member::new(format, item, depth + 1)?) },
            DataType::Struct(fields) => Column::Struct { rows: Rows::nested(format, fields, depth + 1)?, nulls },
            _ => return Err(unsupported()),
        })
    }

    /// How many values it has.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Column::Flag { values, .. } => values.len(),
            Column::Int { values, .. } | Column::Time { values, .. } => values.len(),
            Column::UInt64 { values, .. } => values.len(),
            Column::Float { values, .. } => values.len(),
            Column::Decimal { values, .. } => values.len(),
            Column::Bytes { values, .. } => values.ends.len(),
            Column::List { ends, .. } => ends.len(),
            Column::Struct { rows, .. } => rows.len,
        }
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls().last_is(row)
    }

    fn nulls(&self) -> &Nulls {
        match self {
            Column::Flag { nulls, .. }
            | Column::Int { nulls, .. }
            | Column::UInt64 { nulls, .. }
            | Column::Float { nulls, .. }
            | Column::Decimal { nulls, .. }
            | Column::Time { nulls, .. }
            | Column::Bytes { nulls, .. }
            | Column::List { nulls, .. }
            | Column::Struct { nulls, .. } => nulls,
        }
    }

    /// Adds a null.
    pub(crate) fn push_null(&mut self) {
        let row = self.len();
        let nulls = match self {
            Column::Flag { values, nulls } => {
                values.push(false);
                nulls
            }
            Column::Int { values, nulls, .. } | Column::Time { values, nulls, .. } => {
                values.push(0);
                nulls
            }
            Column::UInt64 { values, nulls } => {
                values.push(0);
                nulls
            }
            Column::Float { values, nulls, .. } => {
                values.push(0.0);
                nulls
            }
            Column::Decimal { values, nulls, .. } => {
                values.push(0);
                nulls
            }
            Column::Bytes { values, nulls, .. } => {
                values.end();
                nulls
            }
            Column::List { ends, nulls, item, .. } => {
                ends.push(item.column.len() as i32);
                nulls
            }
            Column::Struct { rows, nulls } => {
                for member in &mut rows.members {
                    member.column.push_null();
                }
                rows.len += 1;
                nulls
            }
        };
        nulls.push(row);
    }

    /// Cuts back to that many values, and leaves none half built.
    pub(crate) fn truncate(&mut self, rows: usize) {
        let nulls = match self {
            Column::Flag { values, nulls } => {
                values.truncate(rows);
                nulls
            }
            Column::Int { values, nulls, .. } | Column::Time { values, nulls, .. } => {
                values.truncate(rows);
                nulls
            }
            Column::UInt64 { values, nulls } => {
                values.truncate(rows);
                nulls
            }
            Column::Float { values, nulls, .. } => {
                values.truncate(rows);
                nulls
            }
            Column::Decimal { values, nulls, .. } => {
                values.truncate(rows);
                nulls
            }
            Column::Bytes { values, nulls, .. } => {
                values.truncate(rows);
                nulls
            }
            Column::List { ends, nulls, item, .. } => {
                ends.truncate(rows);
                item.column.truncate(ends.last().map_or(0, |end| *end as usize));
                nulls
            }
            Column::Struct { rows: members, nulls } => {
                members.truncate(rows);
                nulls
            }
        };
        nulls.truncate(rows);
    }
}

/// Whether a field's text is JSON.
pub(crate) fn is_json(field: &Field) -> bool {
    field.metadata().get(JSON_METADATA).is_some_and(|value| value == "true")
}
