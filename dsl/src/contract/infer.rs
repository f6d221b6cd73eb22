//! A first contract from real data: rows are shown to an observer, and at the end it says what it saw.
//!
//! It keeps a summary, never the rows: memory is bounded by [`MAX_PARTS`], [`MAX_DISTINCT`] and their kin. The same rows give the same
//! contract. What it proposes is a proposal: a person reads it, adds the promises that no sample can show, and commits it.

mod json;
mod observed;
mod scalar;

use crate::ast::{Contract, Field, Name, Rule, Span, Spanned, Type};
use json::Json;
use observed::{Budget, Observed};
use std::collections::{BTreeMap, HashMap};
use thiserror::Error;

/// The most columns that a contract can be inferred for.
pub(crate) const MAX_FIELDS: usize = 2_000;
/// The most parts of all fields together: nested names and list elements. Beyond it, what is nested becomes `json`.
pub(crate) const MAX_PARTS: usize = 10_000;
/// The most parts of one struct. An object with more of them is taken for a map, and becomes `json`.
pub(crate) const MAX_STRUCT_PARTS: usize = 128;
/// How deep types nest. What lies deeper becomes `json`.
pub(crate) const MAX_DEPTH: usize = 8;
/// The longest name of a field, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 256;
/// The most values that `one of` is proposed for.
pub(crate) const MAX_DISTINCT: usize = 12;
/// The longest value that `one of` is proposed for, in bytes.
pub(crate) const MAX_VALUE_BYTES: usize = 40;
/// How often each value must have been seen, on average, before `one of` is proposed.
pub(crate) const ROWS_PER_VALUE: u64 = 20;

/// Why a row cannot be shown to an [`Inference`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InferError {
    /// The text is not JSON.
    #[error("row {row} is not JSON: {message}")]
    NotJson {
        /// Which row, from 1.
        row: u64,
        /// What the JSON parser says.
        message: String,
    },
    /// A row must be an object.
    #[error("row {row} is {found}, not an object: write one object per line")]
    NotAnObject {
        /// Which row, from 1.
        row: u64,
        /// What it is.
        found: &'static str,
    },
    /// More columns than [`MAX_FIELDS`].
    #[error("more than {MAX_FIELDS} columns: split the data, or write the contract by hand for the columns that are used")]
    TooManyFields,
    /// A name that a table's cell cannot hold as it is.
    #[error(
        "a column is called {name:?}, and a contract cannot hold that name: rename it; names are not empty and have no blanks around them"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A name longer than [`MAX_NAME_BYTES`].
    #[error("a column's name has {bytes} bytes, and {MAX_NAME_BYTES} are the most: is the first line really a header?")]
    NameTooLong {
        /// How long it is.
        bytes: usize,
    },
}

/// What a column is known to be.
#[derive(Debug, Clone)]
enum Column {
    /// A typed file says so.
    Declared { ty: Type, nullable: bool },
    /// Values were seen.
    Seen(Box<Observed>),
}

/// Watches rows and proposes a contract.
#[derive(Debug, Clone)]
pub struct Inference {
    name: String,
    columns: Vec<(String, Column)>,
    index: HashMap<String, usize>,
    json_rows: u64,
    budget: Budget,
}

impl Inference {
    /// Nothing seen yet, for a contract of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Inference { name: name.into(), columns: Vec::new(), index: HashMap::new(), json_rows: 0, budget: Budget::default() }
    }

    /// From a typed file's schema: (name, type, whether it may be null).
    ///
    /// # Errors
    /// Where there are too many columns or a name is too long.
    pub fn from_schema(name: impl Into<String>, fields: &[(String, Type, bool)]) -> Result<Self, InferError> {
        let mut inference = Inference::new(name);
        for (column, ty, nullable) in fields {
            let place = inference.place(column)?;
            inference.columns[place].1 = Column::Declared { ty: ty.clone(), nullable: *nullable };
        }
        Ok(inference)
    }

    /// One cell of a CSV row; every row shows every column, with `None` for null.
    ///
    /// # Errors
    /// Where there are too many columns or a name is too long.
    pub fn observe_text(&mut self, column: &str, value: Option<&str>) -> Result<(), InferError> {
        let place = self.place(column)?;
        if let Column::Seen(seen) = &mut self.columns[place].1 {
            seen.text(value);
        }
        Ok(())
    }

    /// One JSON row. Columns keep the order in which they first came.
    ///
    /// # Errors
    /// Where the row is not a JSON object, there are too many columns, or a name is too long. The row then has not been counted.
    pub fn observe_json(&mut self, row: &str) -> Result<(), InferError> {
        let number = self.json_rows + 1;
        let parsed: Json = serde_json::from_str(row.trim()).map_err(|e| InferError::NotJson { row: number, message: json_message(&e) })?;
        let Json::Object(fields) = parsed else {
            return Err(InferError::NotAnObject { row: number, found: parsed.kind() });
        };
        let places = fields.iter().map(|(column, _)| self.place(column)).collect::<Result<Vec<_>, _>>()?;
        for (place, (_, value)) in places.into_iter().zip(&fields) {
            if let Column::Seen(seen) = &mut self.columns[place].1 {
                seen.json(value, 0, &mut self.budget);
            }
        }
        self.json_rows = number;
        Ok(())
    }

    /// The proposal, as version 1. Without any row it has no fields.
    pub fn finish(self) -> Contract {
        let rows = self.columns.iter().map(|(_, c)| if let Column::Seen(seen) = c { seen.count() } else { 0 }).max().unwrap_or(0);
        let rows = rows.max(self.json_rows);
        let from_json = self.json_rows > 0;
        let mut fields: Vec<Field> = self.columns.iter().map(|(name, column)| field(name, column, rows, from_json)).collect();
        propose_event_time(&mut fields);
        Contract {
            name: unplaced(self.name),
            version: Spanned::new(1, Span::default()),
            prose: String::new(),
            metadata: Vec::new(),
            fields,
            span: Span::default(),
        }
    }

    fn place(&mut self, column: &str) -> Result<usize, InferError> {
        if let Some(place) = self.index.get(column) {
            return Ok(*place);
        }
        if column.len() > MAX_NAME_BYTES {
            return Err(InferError::NameTooLong { bytes: column.len() });
        }
        if column.is_empty() || column != column.trim() || column.chars().any(char::is_control) {
            return Err(InferError::Name { name: column.to_owned() });
        }
        if self.columns.len() >= MAX_FIELDS {
            return Err(InferError::TooManyFields);
        }
        let place = self.columns.len();
        self.columns.push((column.to_owned(), Column::Seen(Box::default())));
        self.index.insert(column.to_owned(), place);
        Ok(place)
    }
}

/// What the JSON parser says, with the place inside the row only: the row's own place is the caller's to tell.
fn json_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("{what} (column {})", error.column())
}

fn unplaced(text: String) -> Name {
    Spanned::new(text, Span::default())
}

fn field(name: &str, column: &Column, rows: u64, from_json: bool) -> Field {
    let (ty, nullable, values) = match column {
        Column::Declared { ty, nullable } => (ty.clone(), *nullable, None),
        Column::Seen(seen) => (seen.ty(from_json), seen.values_present() < rows, seen.few_values()),
    };
    let mut rules = Vec::new();
    if !nullable {
        rules.push(Rule::Required);
    }
    if let (Type::String, Some(values)) = (&ty, values) {
        rules.push(Rule::OneOf(values));
    }
    Field {
        name: unplaced(name.to_owned()),
        ty: Spanned::new(ty, Span::default()),
        rules: rules.into_iter().map(|r| Spanned::new(r, Span::default())).collect(),
        tags: Vec::new(),
        more: BTreeMap::new(),
    }
}

/// The event time is proposed only where there is no choice: one timestamp in all, and never null.
fn propose_event_time(fields: &mut [Field]) {
    let mut timestamps = fields.iter_mut().filter(|f| matches!(f.ty.value, Type::Timestamp(_)));
    let (Some(only), None) = (timestamps.next(), timestamps.next()) else {
        return;
    };
    if only.rules.iter().any(|r| r.value == Rule::Required) {
        only.rules.push(Spanned::new(Rule::EventTime, Span::default()));
    }
}

#[cfg(test)]
mod tests;
