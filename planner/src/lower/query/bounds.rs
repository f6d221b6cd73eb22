//! How far apart the times of two inputs may lie, found in the conditions of a join: `b.at between a.at and a.at + interval '10' minute`.

use super::{Scope, columns};
use crate::{
    catalogue as codes,
    lower::{Heard, Lowering, stream::Stream},
    sql,
};
use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr as SqlExpr};
use runink_dsl::ast::{JoinTime, Span};

/// Bounds of the right time less the left one, in microseconds, both included.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    lower: Option<i64>,
    upper: Option<i64>,
}

impl Bounds {
    fn narrowed(self, other: Bounds) -> Bounds {
        let pick = |a: Option<i64>, b: Option<i64>, choose: fn(i64, i64) -> i64| match (a, b) {
            (Some(a), Some(b)) => Some(choose(a, b)),
            (one, None) => one,
            (None, one) => one,
        };
        Bounds { lower: pick(self.lower, other.lower, i64::max), upper: pick(self.upper, other.upper, i64::min) }
    }
}

/// A time of one side with an interval added.
struct Moment {
    right: bool,
    offset_us: i64,
}

/// The event times of both sides.
struct Times<'s> {
    sides: [&'s Stream; 2],
    names: [String; 2],
}

impl Lowering<'_> {
    /// Takes the conditions out that bound the join in time from both ends, and says the bound. Where only one end is bounded, nothing is taken.
    pub(super) fn time_bound(
        &mut self,
        scope: &Scope<'_>,
        left: &Stream,
        right: &Stream,
        conditions: &mut Vec<SqlExpr>,
    ) -> Heard<Option<(JoinTime, Span)>> {
        let (Some(left_time), Some(right_time)) = (&left.time, &right.time) else { return Ok(None) };
        let (Some(l), Some(r)) = (left.time_column(), right.time_column()) else { return Ok(None) };
        let times = Times { sides: [left, right], names: [l.to_owned(), r.to_owned()] };
        let mut bounds = Bounds::default();
        let mut used = Vec::new();
        for (i, condition) in conditions.iter().enumerate() {
            if let Some(found) = self.bounds_of(scope, &times, condition)? {
                bounds = bounds.narrowed(found);
                used.push(i);
            }
        }
        let Bounds { lower: Some(lower), upper: Some(upper) } = bounds else { return Ok(None) };
        let places: Vec<Span> = used.iter().map(|&i| scope.place_of(&conditions[i])).collect();
        let span = places.into_iter().reduce(Span::cover).unwrap_or(scope.line);
        if lower > upper {
            let message = "no row can meet another: the bounds of their times exclude each other";
            return Err(self.refuse(
                scope,
                codes::QUERY_JOIN,
                span,
                message,
                "the earlier bound comes first: `between a and b`, with a before b",
            ));
        }
        // A window's result lies just before its end: the bound is about the columns, the operator's about these moments.
        let shift = right_time.shift_us - left_time.shift_us;
        let mut taken: Vec<SqlExpr> = used.into_iter().rev().map(|i| conditions.remove(i)).collect();
        let compares = |c: &SqlExpr| matches!(sql::unnested(c), SqlExpr::BinaryOp { op: BinaryOperator::Eq, .. });
        if !conditions.iter().any(compares) {
            // Equal times are the only key that there is.
            taken.retain(compares);
            conditions.extend(taken);
        }
        Ok(Some((JoinTime::Within { from: lower.saturating_add(shift), to: upper.saturating_add(shift) }, span)))
    }

    fn bounds_of(&mut self, scope: &Scope<'_>, times: &Times<'_>, condition: &SqlExpr) -> Heard<Option<Bounds>> {
        match sql::unnested(condition) {
            SqlExpr::BinaryOp { left, op, right } => self.comparison(scope, times, left, op, right),
            SqlExpr::Between { expr, negated: false, low, high } => {
                let lower = self.comparison(scope, times, expr, &BinaryOperator::GtEq, low)?;
                let upper = self.comparison(scope, times, expr, &BinaryOperator::LtEq, high)?;
                // Half of a `between` cannot be taken out alone.
                Ok(lower.zip(upper).map(|(a, b)| a.narrowed(b)))
            }
            _ => Ok(None),
        }
    }

    /// `a op b`, where one side is a time of the left input and the other one of the right.
    fn comparison(
        &mut self,
        scope: &Scope<'_>,
        times: &Times<'_>,
        left: &SqlExpr,
        op: &BinaryOperator,
        right: &SqlExpr,
    ) -> Heard<Option<Bounds>> {
        let Some(a) = self.moment(scope, times, left)? else { return Ok(None) };
        let Some(b) = self.moment(scope, times, right)? else { return Ok(None) };
        let (op, value) = match (a.right, b.right) {
            // right + x op left + y: right - left op y - x
            (true, false) => (Some(op.clone()), b.offset_us.checked_sub(a.offset_us)),
            (false, true) => (sql::flipped(op), a.offset_us.checked_sub(b.offset_us)),
            _ => (None, None),
        };
        let (Some(op), Some(value)) = (op, value) else { return Ok(None) };
        Ok(match op {
            BinaryOperator::LtEq => Some(Bounds { lower: None, upper: Some(value) }),
            BinaryOperator::GtEq => Some(Bounds { lower: Some(value), upper: None }),
            BinaryOperator::Eq => Some(Bounds { lower: Some(value), upper: Some(value) }),
            // Nothing lies between two microseconds, unless times are finer.
            BinaryOperator::Lt if !times.finer() => Some(Bounds { lower: None, upper: value.checked_sub(1) }),
            BinaryOperator::Gt if !times.finer() => Some(Bounds { lower: value.checked_add(1), upper: None }),
            _ => None,
        })
    }

    fn moment(&mut self, scope: &Scope<'_>, times: &Times<'_>, expr: &SqlExpr) -> Heard<Option<Moment>> {
        match sql::unnested(expr) {
            SqlExpr::BinaryOp { left, op: op @ (BinaryOperator::Plus | BinaryOperator::Minus), right } => {
                let minus = *op == BinaryOperator::Minus;
                let (time, interval) = match (times.side(left), minus || times.side(left).is_some()) {
                    (Some(side), _) => (Some(side), right),
                    (None, false) => (times.side(right), left),
                    (None, true) => (None, right),
                };
                let Some(right) = time else { return Ok(None) };
                let Some(us) = self.interval_us(scope, interval)? else { return Ok(None) };
                Ok(Some(Moment { right, offset_us: if minus { us.saturating_neg() } else { us } }))
            }
            other => Ok(times.side(other).map(|right| Moment { right, offset_us: 0 })),
        }
    }
}

impl Times<'_> {
    /// Whose event time an expression is, where it is one: `true` for the right one's.
    fn side(&self, expr: &SqlExpr) -> Option<bool> {
        let found = |i: usize| columns::column(expr, &self.sides[i].columns).map(|c| c.name() == self.names[i]);
        match found(0) {
            Some(is_time) => is_time.then_some(false),
            None => found(1)?.then_some(true),
        }
    }

    /// Times are counted in less than microseconds.
    fn finer(&self) -> bool {
        use arrow::datatypes::{DataType, TimeUnit};
        self.sides.iter().zip(&self.names).any(|(side, name)| {
            let column = side.columns.iter().find(|c| c.name() == name);
            column.is_some_and(|c| matches!(c.field.data_type(), DataType::Timestamp(TimeUnit::Nanosecond, _)))
        })
    }
}
