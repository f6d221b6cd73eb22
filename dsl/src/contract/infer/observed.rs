//! What was seen of one column, or of one part of it: kinds of values, how often, and the values themselves while they are few.

use super::{
    MAX_DEPTH, MAX_DISTINCT, MAX_NAME_BYTES, MAX_PARTS, MAX_STRUCT_PARTS, MAX_VALUE_BYTES, ROWS_PER_VALUE,
    json::Json,
    scalar::{self, Scalar},
};
use crate::ast::{TimeUnit, Type};
use std::collections::{BTreeSet, HashMap};

/// How many nested parts are left.
#[derive(Debug, Clone)]
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Budget(MAX_PARTS)
    }
}

impl Budget {
    fn take(&mut self) -> bool {
        let left = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        left
    }
}

/// The kinds of values that were seen, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Kinds(u8);

impl Kinds {
    const BOOLEAN: Kinds = Kinds(1);
    const INT: Kinds = Kinds(2);
    const FLOAT: Kinds = Kinds(4);
    const DATE: Kinds = Kinds(8);
    const TIMESTAMP: Kinds = Kinds(16);
    const TEXT: Kinds = Kinds(32);
    const LIST: Kinds = Kinds(64);
    const OBJECT: Kinds = Kinds(128);
    const NUMBERS: Kinds = Kinds(2 | 4);
    const TEXTS: Kinds = Kinds(8 | 16 | 32);

    fn add(&mut self, kind: Kinds) {
        self.0 |= kind.0;
    }

    /// At least one kind was seen, and none but these.
    fn are_only(self, kinds: Kinds) -> bool {
        self.0 != 0 && self.0 & !kinds.0 == 0
    }
}

/// A summary of values.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    present: u64,
    nulls: u64,
    kinds: Kinds,
    /// The least and the greatest whole number.
    range: Option<(i128, i128)>,
    /// The most digits of a second's fraction.
    fraction_digits: u8,
    distinct: Distinct,
    element: Option<Box<Observed>>,
    parts: Vec<(String, Observed)>,
    index: HashMap<String, usize>,
    /// What is below is too deep, too wide or too much: any JSON.
    collapsed: bool,
}

/// Different texts, as long as they are few and short.
#[derive(Debug, Clone)]
enum Distinct {
    Few(BTreeSet<String>),
    Many,
}

impl Default for Distinct {
    fn default() -> Self {
        Distinct::Few(BTreeSet::new())
    }
}

impl Distinct {
    fn add(&mut self, text: &str) {
        let Distinct::Few(values) = self else {
            return;
        };
        if values.contains(text) {
            return;
        }
        if values.len() >= MAX_DISTINCT || text.len() > MAX_VALUE_BYTES || text.is_empty() || text.chars().any(char::is_control) {
            *self = Distinct::Many;
            return;
        }
        values.insert(text.to_owned());
    }
}

impl Observed {
    /// A cell of a text file: everything is text there, and is what all of the column's texts can be read as.
    pub(super) fn text(&mut self, value: Option<&str>) {
        match value {
            None => self.nulls += 1,
            Some(text) => {
                self.present += 1;
                self.scalar(scalar::of_text(text));
                self.distinct.add(text);
            }
        }
    }

    /// A JSON value, whose kind is known but for dates and times.
    pub(super) fn json(&mut self, value: &Json, depth: usize, budget: &mut Budget) {
        if matches!(value, Json::Null) {
            self.nulls += 1;
            return;
        }
        self.present += 1;
        match value {
            Json::Null => {}
            Json::Bool => self.kinds.add(Kinds::BOOLEAN),
            Json::Int(n) => self.scalar(Scalar::Int(*n)),
            Json::Float => self.kinds.add(Kinds::FLOAT),
            Json::Text(text) => {
                self.scalar(scalar::time_of_text(text));
                self.distinct.add(text);
            }
            Json::List(elements) => {
                self.kinds.add(Kinds::LIST);
                self.list(elements, depth, budget);
            }
            Json::Object(fields) => {
                self.kinds.add(Kinds::OBJECT);
                self.object(fields, depth, budget);
            }
        }
    }

    fn list(&mut self, elements: &[Json], depth: usize, budget: &mut Budget) {
        if self.collapsed || elements.is_empty() {
            return;
        }
        if self.element.is_none() && (depth >= MAX_DEPTH || !budget.take()) {
            self.collapse();
            return;
        }
        let seen = self.element.get_or_insert_default();
        elements.iter().for_each(|e| seen.json(e, depth + 1, budget));
    }

    fn object(&mut self, fields: &[(String, Json)], depth: usize, budget: &mut Budget) {
        for (name, value) in fields {
            if self.collapsed {
                return;
            }
            let place = match self.index.get(name) {
                Some(place) => *place,
                None if depth >= MAX_DEPTH || !is_part_name(name) || self.parts.len() >= MAX_STRUCT_PARTS || !budget.take() => {
                    self.collapse();
                    return;
                }
                None => {
                    self.parts.push((name.clone(), Observed::default()));
                    self.index.insert(name.clone(), self.parts.len() - 1);
                    self.parts.len() - 1
                }
            };
            self.parts[place].1.json(value, depth + 1, budget);
        }
    }

    fn collapse(&mut self) {
        self.collapsed = true;
        self.element = None;
        self.parts = Vec::new();
        self.index = HashMap::new();
    }

    fn scalar(&mut self, scalar: Scalar) {
        match scalar {
            Scalar::Boolean => self.kinds.add(Kinds::BOOLEAN),
            Scalar::Int(n) => {
                self.kinds.add(Kinds::INT);
                let (low, high) = self.range.unwrap_or((n, n));
                self.range = Some((low.min(n), high.max(n)));
            }
            Scalar::Float => self.kinds.add(Kinds::FLOAT),
            Scalar::Date => self.kinds.add(Kinds::DATE),
            Scalar::Timestamp { fraction_digits } => {
                self.kinds.add(Kinds::TIMESTAMP);
                self.fraction_digits = self.fraction_digits.max(fraction_digits);
            }
            Scalar::Text => self.kinds.add(Kinds::TEXT),
        }
    }

    /// How many values were seen, nulls included.
    pub(super) fn count(&self) -> u64 {
        self.present + self.nulls
    }

    /// How many were not null.
    pub(super) fn values_present(&self) -> u64 {
        self.present
    }

    /// The values, where they are few and each was seen often.
    pub(super) fn few_values(&self) -> Option<Vec<String>> {
        let Distinct::Few(values) = &self.distinct else {
            return None;
        };
        let often = self.present >= ROWS_PER_VALUE.saturating_mul(values.len() as u64);
        (values.len() >= 2 && often).then(|| values.iter().cloned().collect())
    }

    /// The narrowest type that takes everything that was seen. In JSON a mixture is `json`; in a text file it is `string`.
    pub(super) fn ty(&self, from_json: bool) -> Type {
        let mixture = if from_json { Type::Json } else { Type::String };
        let kinds = self.kinds;
        if kinds.are_only(Kinds::BOOLEAN) {
            Type::Boolean
        } else if kinds.are_only(Kinds::INT) {
            self.whole_number().unwrap_or(if from_json { Type::Float { bits: 64 } } else { Type::String })
        } else if kinds.are_only(Kinds::NUMBERS) {
            Type::Float { bits: 64 }
        } else if kinds.are_only(Kinds::DATE) {
            Type::Date
        } else if kinds.are_only(Kinds::TIMESTAMP) {
            Type::Timestamp(unit(self.fraction_digits))
        } else if kinds.are_only(Kinds::TEXTS) {
            Type::String
        } else if kinds.are_only(Kinds::LIST) {
            match &self.element {
                Some(element) => Type::List(Box::new(element.ty(from_json))),
                None => Type::Json,
            }
        } else if kinds.are_only(Kinds::OBJECT) && !self.parts.is_empty() {
            Type::Struct(self.parts.iter().map(|(name, part)| (name.clone(), part.ty(from_json))).collect())
        } else {
            mixture
        }
    }

    /// `None` where no integer type holds all of them.
    fn whole_number(&self) -> Option<Type> {
        let (low, high) = self.range?;
        let holds = |min: i128, max: i128| low >= min && high <= max;
        if holds(i64::MIN.into(), i64::MAX.into()) {
            Some(Type::Int { bits: 64, signed: true })
        } else if holds(0, u64::MAX.into()) {
            Some(Type::Int { bits: 64, signed: false })
        } else {
            None
        }
    }
}

/// What a struct's type can call a part.
fn is_part_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Whole seconds are read as milliseconds: the next value may well have a fraction.
fn unit(fraction_digits: u8) -> TimeUnit {
    match fraction_digits {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}
