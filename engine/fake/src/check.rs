//! The rules of a field as checks of single values.

use crate::{
    FakeError,
    pattern::Pattern,
    value::{Value, literal},
};
use arrow::datatypes::DataType;
use runink_dsl::{ast::Rule, contract::rule_text};
use std::cmp::Ordering;

/// A rule that a row can break.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    /// As the contract writes it.
    pub(crate) text: String,
    pub(crate) kind: CheckKind,
}

#[derive(Debug, Clone)]
pub(crate) enum CheckKind {
    Required,
    OneOf(Vec<Value>),
    Compare(Comparison, Value),
    Between(Value, Value),
    Matches(Pattern),
    Length(Comparison, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Comparison {
    fn of(op: &str) -> Option<Self> {
        Some(match op {
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            "=" => Comparison::Equal,
            "<>" | "!=" => Comparison::NotEqual,
            _ => return None,
        })
    }

    pub(crate) fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
        }
    }
}

impl Check {
    /// A rule as a check; `None` where there is nothing to check in one value.
    ///
    /// # Errors
    /// Where the rule does not fit the type, or its pattern is not known.
    pub(crate) fn of(field: &str, data_type: &DataType, rule: &Rule) -> Result<Option<Check>, FakeError> {
        let misfit = || FakeError::Rule { field: field.to_owned(), rule: rule_text(rule) };
        let value = |text: &str| literal(text, data_type).ok_or_else(misfit);
        let is_text = *data_type == DataType::Utf8;
        let kind = match rule {
            Rule::Key | Rule::EventTime | Rule::Unique | Rule::Default(_) => return Ok(None),
            Rule::Required => CheckKind::Required,
            Rule::OneOf(values) => CheckKind::OneOf(values.iter().map(|v| value(v)).collect::<Result<_, _>>()?),
            Rule::Compare { op, value: bound } => CheckKind::Compare(Comparison::of(op).ok_or_else(misfit)?, value(bound)?),
            Rule::Between { low, high } => CheckKind::Between(value(low)?, value(high)?),
            Rule::Matches(pattern) if is_text => {
                let known = Pattern::parse(pattern);
                let failed = |why| FakeError::Pattern { field: field.to_owned(), pattern: pattern.clone(), why };
                CheckKind::Matches(known.map_err(failed)?)
            }
            Rule::Length { op, value } if is_text => CheckKind::Length(Comparison::of(op).ok_or_else(misfit)?, *value),
            Rule::Matches(_) | Rule::Length { .. } => return Err(misfit()),
        };
        Ok(Some(Check { text: rule_text(rule), kind }))
    }

    /// Whether a value keeps the rule. A missing one breaks none but `required`.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        if value.is_null() {
            return !matches!(self.kind, CheckKind::Required);
        }
        match (&self.kind, value) {
            (CheckKind::Required, _) => true,
            (CheckKind::OneOf(values), value) => values.contains(value),
            (CheckKind::Compare(op, bound), value) => value.order(bound).is_some_and(|o| op.holds(o)),
            (CheckKind::Between(low, high), value) => {
                value.order(low).is_some_and(Ordering::is_ge) && value.order(high).is_some_and(Ordering::is_le)
            }
            (CheckKind::Matches(pattern), Value::Text(text)) => pattern.matches(text),
            (CheckKind::Length(op, bound), Value::Text(text)) => op.holds((text.chars().count() as u64).cmp(bound)),
            (CheckKind::Matches(_) | CheckKind::Length(..), _) => false,
        }
    }
}
