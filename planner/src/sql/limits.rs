//! A condition on a rank that says how many rows of each group are wanted: `rn <= 3`, `rn = 1`.

use super::walk::{flipped, unnested};
use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr as SqlExpr, Value};

/// How many rows of a group can be wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RankLimit {
    /// The highest rank.
    pub(crate) count: u64,
    /// No other condition on the rank is left: every rank up to `count` is wanted.
    pub(crate) all: bool,
}

/// What a condition says of a rank; nothing where it does not bound it from above.
pub(crate) fn rank_limit(condition: &SqlExpr, is_rank: &dyn Fn(&SqlExpr) -> bool) -> Option<RankLimit> {
    match unnested(condition) {
        SqlExpr::BinaryOp { left, op, right } => {
            let (op, number) = match (is_rank(unnested(left)), is_rank(unnested(right))) {
                (true, false) => (op.clone(), whole(right)?),
                (false, true) => (flipped(op)?, whole(left)?),
                _ => return None,
            };
            let (count, all) = match op {
                BinaryOperator::LtEq => (number, true),
                BinaryOperator::Lt => (number.checked_sub(1)?, true),
                BinaryOperator::Eq => (number, number == 1),
                _ => return None,
            };
            (count > 0).then_some(RankLimit { count, all })
        }
        SqlExpr::Between { expr, negated: false, low, high } if is_rank(unnested(expr)) => {
            let (low, count) = (whole(low)?, whole(high)?);
            (count > 0).then_some(RankLimit { count, all: low <= 1 })
        }
        _ => None,
    }
}

/// A whole number as it stands in a query.
pub(crate) fn whole(expr: &SqlExpr) -> Option<u64> {
    match unnested(expr) {
        SqlExpr::Value(v) => match &v.value {
            Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use datafusion_sql::sqlparser::{dialect::PostgreSqlDialect, parser::Parser};

    fn limit(text: &str) -> Option<(u64, bool)> {
        let expr = Parser::new(&PostgreSqlDialect {}).try_with_sql(text).unwrap().parse_expr().unwrap();
        let is_rank = |e: &SqlExpr| matches!(e, SqlExpr::Identifier(id) if id.value == "rn");
        rank_limit(&expr, &is_rank).map(|l| (l.count, l.all))
    }

    #[test]
    fn what_bounds_a_rank() {
        for (text, wanted) in [
            ("rn <= 3", Some((3, true))),
            ("rn < 3", Some((2, true))),
            ("3 >= rn", Some((3, true))),
            ("(rn = 1)", Some((1, true))),
            ("rn = 2", Some((2, false))),
            ("rn between 1 and 5", Some((5, true))),
            ("rn between 2 and 5", Some((5, false))),
            ("rn > 3", None),
            ("rn < 1", None),
            ("rn <= x", None),
            ("other <= 3", None),
        ] {
            assert_eq!(limit(text), wanted, "{text}");
        }
    }
}
