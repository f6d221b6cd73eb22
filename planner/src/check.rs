//! Expectations on the rows of a window together: how many there are, or which share of them is of a kind.

use crate::EventTime;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion_expr::Expr;
use std::sync::{Arc, OnceLock};

/// See [`crate::Op::Check`]. Beside the step, never in it: rows are counted as they leave, and nothing happens to them. Output schema: [`checks_schema`].
#[derive(Debug, Clone, PartialEq)]
pub struct CheckOp {
    /// As the text says it, for messages.
    pub text: String,
    /// What must hold.
    pub demand: Demand,
    /// How long the windows are, in microseconds; they begin at multiples of it.
    pub size_us: i64,
    /// The event time of the rows. Rows without one, and late ones, belong to no window.
    pub time: EventTime,
    /// Where it does not hold, the scenario stops; else it is counted and reported.
    pub fail: bool,
}

/// What must hold of a window's rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Demand {
    /// The share of the rows for which the expression is true. Windows without rows have none. A row on which it fails is one for which it is not true.
    Share {
        /// Over the input.
        of: Expr,
        /// How the share compares with the bound.
        op: ShareOp,
        /// A fraction.
        bound: f64,
    },
    /// The number of rows: at least, or at most so many. Counted from the first window that has rows on, those without rows among them.
    Rows {
        /// Else at most.
        at_least: bool,
        /// How many.
        rows: u64,
    },
}

/// How a share compares with its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ShareOp {
    Lt,
    LtEq,
    Gt,
    GtEq,
}

impl Demand {
    /// Whether it holds for a window with so many rows, of which so many count.
    pub fn holds(&self, rows: u64, counted: u64) -> bool {
        match self {
            Demand::Share { op, bound, .. } => {
                let share = counted as f64 / rows.max(1) as f64;
                match op {
                    ShareOp::Lt => share < *bound,
                    ShareOp::LtEq => share <= *bound,
                    ShareOp::Gt => share > *bound,
                    ShareOp::GtEq => share >= *bound,
                }
            }
            Demand::Rows { at_least: true, rows: wanted } => rows >= *wanted,
            Demand::Rows { at_least: false, rows: wanted } => rows <= *wanted,
        }
    }
}

/// What comes out of a check: one row for each window, or for a run of `windows` windows without rows; how many `rows` it has, how many of them are `counted`,
/// and whether the expectation `holds`.
pub fn checks_schema() -> SchemaRef {
    static SCHEMA: OnceLock<SchemaRef> = OnceLock::new();
    SCHEMA
        .get_or_init(|| {
            let time = || DataType::Timestamp(TimeUnit::Microsecond, None);
            Arc::new(Schema::new(vec![
                Field::new("window_start", time(), false),
                Field::new("window_end", time(), false),
                Field::new("windows", DataType::UInt64, false),
                Field::new("rows", DataType::UInt64, false),
                Field::new("counted", DataType::UInt64, false),
                Field::new("holds", DataType::Boolean, false),
            ]))
        })
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion_expr::lit;

    #[test]
    fn a_share_is_compared_as_it_is_written() {
        let share = |op, bound| Demand::Share { of: lit(true), op, bound };
        assert!(!share(ShareOp::Lt, 0.01).holds(1000, 10));
        assert!(share(ShareOp::LtEq, 0.01).holds(1000, 10));
        assert!(share(ShareOp::Lt, 0.01).holds(1000, 9));
        assert!(share(ShareOp::Gt, 0.5).holds(3, 2));
        assert!(share(ShareOp::GtEq, 0.5).holds(4, 2));
        assert!(!share(ShareOp::GtEq, 0.5).holds(0, 0));
    }
}
