//! Conditions that were pushed down, on the row that was just decoded. Where it is not certain that the engine would leave the row out too, it is kept.

use crate::column::{BytesKind, Column, Rows};
use arrow::datatypes::Schema;
use runink_connector_api::{CompareOp, Literal, Predicate};
use std::cmp::Ordering;

/// Decides whether a row is kept.
#[derive(Debug, Default)]
pub(crate) struct Keep(Vec<(usize, CompareOp, Literal)>);

impl Keep {
    /// Those of the conditions whose columns are decoded.
    pub(crate) fn new(predicates: &[Predicate], projected: &Schema) -> Self {
        let known = |p: &Predicate| Some((projected.index_of(&p.column).ok()?, p.op, p.value.clone()));
        Keep(predicates.iter().filter_map(known).collect())
    }

    /// Whether the last row of complete rows certainly does not fulfil the conjunction.
    #[inline]
    pub(crate) fn drops_last(&self, rows: &Rows) -> bool {
        !self.0.is_empty() && self.0.iter().any(|(member, op, literal)| drops(&rows.members[*member].column, rows.len - 1, *op, literal))
    }
}

fn drops(column: &Column, row: usize, op: CompareOp, literal: &Literal) -> bool {
    let ordering = match (column, literal) {
        (Column::Int { values, .. } | Column::Time { values, .. }, Literal::Int(value)) => values[row].cmp(value),
        (Column::UInt64 { values, .. }, Literal::Int(value)) => match u64::try_from(*value) {
            Ok(value) => values[row].cmp(&value),
            Err(_) => Ordering::Greater,
        },
        (Column::Float { values, .. }, Literal::Float(value)) => {
            // What NaN and the two zeros compare as is the engine's to say.
            match values[row].partial_cmp(value) {
                Some(ordering) if values[row] != 0.0 || *value != 0.0 => ordering,
                _ => return column.is_null(row),
            }
        }
        (Column::Flag { values, .. }, Literal::Bool(value)) => values[row].cmp(value),
        (Column::Bytes { values, kind: BytesKind::Text, .. }, Literal::Text(value)) => values.last().cmp(value.as_bytes()),
        _ => return false,
    };
    column.is_null(row) || !holds(op, ordering)
}

/// Whether a comparison that came out so is true.
pub(crate) fn holds(op: CompareOp, ordering: Ordering) -> bool {
    match op {
        CompareOp::Eq => ordering.is_eq(),
        CompareOp::Ne => ordering.is_ne(),
        CompareOp::Lt => ordering.is_lt(),
        CompareOp::Le => ordering.is_le(),
        CompareOp::Gt => ordering.is_gt(),
        CompareOp::Ge => ordering.is_ge(),
    }
}
