//! Contracts: fields, types, rules.

use super::{Metadata, Name, Span, Spanned};
use serde::Serialize;
use std::collections::BTreeMap;

/// `Contract: Payment version 2`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contract {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: Spanned<u32>,
    /// Prose under the heading.
    pub prose: String,
    /// `Owner:`, `Compatibility:` and others.
    pub metadata: Vec<Metadata>,
    /// Its fields in order.
    pub fields: Vec<Field>,
    /// Where it stands.
    pub span: Span,
}

/// A row of a contract's table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Spanned<Type>,
    /// What must hold.
    pub rules: Vec<Spanned<Rule>>,
    /// Tags (`pii`, `phi`, …).
    pub tags: Vec<Name>,
    /// Other columns of the table by header (`description`, …).
    pub more: BTreeMap<String, String>,
}

/// The unit of a timestamp or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub enum TimeUnit {
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
}

/// A field's type. Its Arrow type is in brackets.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub enum Type {
    /// `boolean`
    Boolean,
    /// `int8` … `int64`, with `int` = `int64`
    Int { bits: u8, signed: bool },
    /// `float32`, `float64`, with `float` = `float64`
    Float { bits: u8 },
    /// `decimal(p, s)` (`Decimal128`)
    Decimal { precision: u8, scale: i8 },
    /// `string` (`Utf8`)
    String,
    /// `bytes` (`Binary`); base64 in text formats
    Bytes,
    /// `date` (`Date32`)
    Date,
    /// `time(unit)`
    Time(TimeUnit),
    /// `timestamp(unit)`, UTC without a zone in the Arrow type; `timestamptz` is read as the same
    Timestamp(TimeUnit),
    /// `list<T>` or `T[]`
    List(Box<Type>),
    /// `struct<a: int, b: string>`
    Struct(Vec<(String, Type)>),
    /// `json`: any JSON value kept as text (`Utf8`)
    Json,
}

/// A rule of a field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Rule {
    /// `required`: never null.
    Required,
    /// `key`: part of the key.
    Key,
    /// `event time`.
    EventTime,
    /// `matches '…'`: a regular expression.
    Matches(String),
    /// `one of a, b` (values as written, quotes undone).
    OneOf(Vec<String>),
    /// `>= 0` and so on: operator and literal as written.
    Compare {
        /// `<`, `<=`, `>`, `>=`, `=`, `<>`.
        op: String,
        /// The literal.
        value: String,
    },
    /// `between 0 and 9`.
    Between {
        /// Lower bound, included.
        low: String,
        /// Upper bound, included.
        high: String,
    },
    /// `length <= 64` (same operators).
    Length {
        /// The operator.
        op: String,
        /// In characters.
        value: u64,
    },
    /// `unique`: declared; checked where a step says so.
    Unique,
    /// `default <literal>`: used where the field is absent.
    Default(String),
}
