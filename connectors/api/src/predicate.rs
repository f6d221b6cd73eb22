//! Conditions that a source may use to leave rows out before it decodes them.

use serde::Serialize;

/// `column op value`. A source may skip rows for which it is not true (null counts as not true), and need not: the engine
/// applies the whole filter again. A conjunction is a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Predicate {
    /// A top-level column of the source.
    pub column: String,
    /// The comparison.
    pub op: CompareOp,
    /// What it is compared with, of the column's own type.
    pub value: Literal,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Literal {
    /// For boolean columns.
    Bool(bool),
    /// For integer columns; for dates in days, timestamps in the column's unit.
    Int(i64),
    /// For float columns.
    Float(f64),
    /// For string columns.
    Text(String),
}
