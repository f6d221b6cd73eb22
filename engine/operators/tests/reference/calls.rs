//! Values and aggregates, one row after the other.

use super::Row;

/// A cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Null,
    Int(i64),
    /// Quarters: sums of them are exact in any order.
    Float(Quarters),
    Text(String),
    List(Vec<Value>),
}

/// A float by its quarters, or any float by its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quarters(u64);

impl Value {
    pub fn float(value: f64) -> Value {
        Value::Float(Quarters(value.to_bits()))
    }

    pub fn as_float(&self) -> f64 {
        match self {
            Value::Float(Quarters(bits)) => f64::from_bits(*bits),
            other => panic!("{other:?} is not a float"),
        }
    }

    pub fn as_int(&self) -> i64 {
        match self {
            Value::Int(value) => *value,
            other => panic!("{other:?} is not an integer"),
        }
    }
}

/// An aggregate over the column of that number among a row's values, or over all rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fold {
    Rows,
    Count(usize),
    /// Of those rows for which a Boolean column (1, 0, null) is true.
    CountWhere(usize, usize),
    SumInt(usize),
    SumFloat(usize),
    AverageFloat(usize),
    AverageInt(usize),
    Min(usize),
    Max(usize),
    CountDistinct(usize),
    SumDistinct(usize),
    /// All values, nulls as well, ordered by another column descending with nulls last, ties as they came.
    Array(usize, usize),
    /// The middle value of integers, of two the mean rounded towards zero.
    Median(usize),
    /// The greatest text.
    MaxText(usize),
    /// The value beside the lowest of another column, nulls last; the first of ties.
    FirstBy(usize, usize),
}

impl Fold {
    /// The result over rows in the order in which they came.
    pub fn of(&self, rows: &[&Row]) -> Value {
        let all = |c: usize| rows.iter().map(move |r| r.values[c].clone());
        let some = |c: usize| all(c).filter(|v| *v != Value::Null);
        let unless_empty = |values: Vec<Value>, f: &dyn Fn(&[Value]) -> Value| if values.is_empty() { Value::Null } else { f(&values) };
        match *self {
            Fold::Rows => Value::Int(rows.len() as i64),
            Fold::Count(c) => Value::Int(some(c).count() as i64),
            Fold::CountWhere(c, filter) => {
                Value::Int(rows.iter().filter(|r| r.values[filter] == Value::Int(1) && r.values[c] != Value::Null).count() as i64)
            }
            Fold::SumInt(c) => unless_empty(some(c).collect(), &|v| Value::Int(v.iter().map(Value::as_int).sum())),
            Fold::SumFloat(c) => unless_empty(some(c).collect(), &|v| Value::float(v.iter().map(Value::as_float).sum())),
            Fold::AverageFloat(c) => {
                unless_empty(some(c).collect(), &|v| Value::float(v.iter().map(Value::as_float).sum::<f64>() / v.len() as f64))
            }
            Fold::AverageInt(c) => unless_empty(some(c).collect(), &|v| {
                let sum: i128 = v.iter().map(|v| i128::from(v.as_int())).sum();
                Value::float(sum as f64 / v.len() as f64)
            }),
            Fold::Min(c) => some(c).min().unwrap_or(Value::Null),
            Fold::Max(c) | Fold::MaxText(c) => some(c).max().unwrap_or(Value::Null),
            Fold::CountDistinct(c) => Value::Int(some(c).collect::<std::collections::BTreeSet<_>>().len() as i64),
            Fold::SumDistinct(c) => {
                let distinct: std::collections::BTreeSet<Value> = some(c).collect();
                unless_empty(distinct.into_iter().collect(), &|v| Value::Int(v.iter().map(Value::as_int).sum()))
            }
            Fold::Array(c, by) => {
                let mut rows: Vec<&&Row> = rows.iter().collect();
                rows.sort_by(|a, b| match (&a.values[by], &b.values[by]) {
                    (Value::Null, Value::Null) => std::cmp::Ordering::Equal,
                    (Value::Null, _) => std::cmp::Ordering::Greater,
                    (_, Value::Null) => std::cmp::Ordering::Less,
                    (a, b) => b.cmp(a),
                });
                Value::List(rows.iter().map(|r| r.values[c].clone()).collect())
            }
            Fold::Median(c) => {
                let mut values: Vec<i64> = some(c).map(|v| v.as_int()).collect();
                values.sort_unstable();
                match values.len() {
                    0 => Value::Null,
                    n if n % 2 == 1 => Value::Int(values[n / 2]),
                    n => Value::Int((values[n / 2 - 1] + values[n / 2]) / 2),
                }
            }
            Fold::FirstBy(c, by) => {
                let rank = |r: &&&Row| (r.values[by] == Value::Null, r.values[by].clone());
                rows.iter().min_by_key(rank).map_or(Value::Null, |r| r.values[c].clone())
            }
        }
    }
}
