//! Kinds of values, and the kind that holds two of them.

use crate::{
    JSON_METADATA,
    cell::{Grammar, parse_date, parse_moment, scan_number},
    column::MAX_TYPE_DEPTH,
};
use arrow::datatypes::{DataType, Field, TimeUnit};
use std::sync::Arc;

/// How many members a struct has at most; an object with more is taken for a map, which is JSON.
pub(super) const MAX_MEMBERS: usize = 256;

/// What values have been seen.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Nothing but nulls.
    Null,
    Flag,
    Int,
    Float,
    Date,
    Moment,
    Text,
    List(Box<Kind>),
    /// Members in the order in which they were first seen.
    Struct(Vec<(String, Kind)>),
    /// Several kinds.
    Mixed,
}

impl Kind {
    /// What a text is, taken for itself.
    pub(super) fn of_text(text: &[u8]) -> Kind {
        if parse_date(text).is_some() && text.len() == b"2026-01-01".len() {
            Kind::Date
        } else if parse_moment(text).is_some() {
            Kind::Moment
        } else {
            Kind::Text
        }
    }

    /// What a number is, where the text is one as JSON writes it.
    pub(super) fn of_number(text: &[u8]) -> Option<Kind> {
        let number = scan_number(text, Grammar::Json).filter(|n| n.len == text.len())?;
        let whole = text.iter().all(|b| b.is_ascii_digit() || *b == b'-') && number.to_i64(text).is_some();
        Some(if whole { Kind::Int } else { Kind::Float })
    }

    /// The kind that holds what both hold.
    pub(super) fn merge(self, other: Kind) -> Kind {
        match (self, other) {
            (a, b) if a == b => a,
            (Kind::Null, kind) | (kind, Kind::Null) => kind,
            (Kind::Int, Kind::Float) | (Kind::Float, Kind::Int) => Kind::Float,
            (Kind::Date, Kind::Moment) | (Kind::Moment, Kind::Date) => Kind::Moment,
            (Kind::Text, Kind::Date | Kind::Moment) | (Kind::Date | Kind::Moment, Kind::Text) => Kind::Text,
            (Kind::List(a), Kind::List(b)) => Kind::List(Box::new(a.merge(*b))),
            (Kind::Struct(a), Kind::Struct(b)) => Kind::Struct(b.into_iter().fold(a, add_member)),
            _ => Kind::Mixed,
        }
    }

    /// A nullable field of that kind.
    pub(super) fn field(&self, name: &str) -> Field {
        self.nested(name, 0)
    }

    fn nested(&self, name: &str, depth: usize) -> Field {
        let json = || Field::new(name, DataType::Utf8, true).with_metadata([(JSON_METADATA.to_owned(), "true".to_owned())].into());
        let data_type = match self {
            Kind::Null | Kind::Mixed => return json(),
            Kind::Flag => DataType::Boolean,
            Kind::Int => DataType::Int64,
            Kind::Float => DataType::Float64,
            Kind::Date => DataType::Date32,
            Kind::Moment => DataType::Timestamp(TimeUnit::Microsecond, None),
            Kind::Text => DataType::Utf8,
            Kind::List(_) | Kind::Struct(_) if depth == MAX_TYPE_DEPTH => return json(),
            Kind::List(item) => DataType::List(Arc::new(item.nested("item", depth + 1))),
            Kind::Struct(members) if members.is_empty() || members.len() > MAX_MEMBERS => return json(),
            Kind::Struct(members) => DataType::Struct(members.iter().map(|(name, kind)| kind.nested(name, depth + 1)).collect()),
        };
        Field::new(name, data_type, true)
    }
}

/// Adds what was seen of a member. Beyond the bound, new members are only counted as one too many.
pub(super) fn add_member(mut members: Vec<(String, Kind)>, (name, kind): (String, Kind)) -> Vec<(String, Kind)> {
    if let Some((_, old)) = members.iter_mut().find(|(known, _)| *known == name) {
        *old = std::mem::replace(old, Kind::Null).merge(kind);
    } else if members.len() <= MAX_MEMBERS {
        members.push((name, kind));
    }
    members
}
