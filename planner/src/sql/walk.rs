//! Small walks over expressions of a query: its conjuncts, the columns it names, parts replaced.

use crate::expr::Places;
use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr as SqlExpr, Ident, Query, Spanned, Visit, VisitMut, Visitor, VisitorMut};
use std::ops::{ControlFlow, Range};

/// `a and b and c`, apart; brackets around `and` are looked through.
pub(crate) fn conjuncts(expr: &SqlExpr) -> Vec<SqlExpr> {
    match unnested(expr) {
        SqlExpr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let mut all = conjuncts(left);
            all.extend(conjuncts(right));
            all
        }
        _ => vec![expr.clone()],
    }
}

/// Conditions, put together again.
pub(crate) fn and(conditions: Vec<SqlExpr>) -> Option<SqlExpr> {
    conditions.into_iter().reduce(|left, right| SqlExpr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) })
}

/// Without brackets around it.
pub(crate) fn unnested(expr: &SqlExpr) -> &SqlExpr {
    match expr {
        SqlExpr::Nested(inner) => unnested(inner),
        other => other,
    }
}

/// A comparison seen from its other side.
pub(crate) fn flipped(op: &BinaryOperator) -> Option<BinaryOperator> {
    Some(match op {
        BinaryOperator::Lt => BinaryOperator::Gt,
        BinaryOperator::LtEq => BinaryOperator::GtEq,
        BinaryOperator::Gt => BinaryOperator::Lt,
        BinaryOperator::GtEq => BinaryOperator::LtEq,
        BinaryOperator::Eq => BinaryOperator::Eq,
        _ => return None,
    })
}

/// Every name and path in an expression, those of queries inside it left out.
pub(crate) fn columns_in(expr: &SqlExpr) -> Vec<Vec<Ident>> {
    struct Columns(Vec<Vec<Ident>>, usize);
    impl Visitor for Columns {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.1 += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.1 = self.1.saturating_sub(1);
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &SqlExpr) -> ControlFlow<()> {
            match expr {
                SqlExpr::Identifier(id) if self.1 == 0 => self.0.push(vec![id.clone()]),
                SqlExpr::CompoundIdentifier(ids) if self.1 == 0 => self.0.push(ids.clone()),
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut columns = Columns(Vec::new(), 0);
    let _ = Visit::visit(expr, &mut columns);
    columns.0
}

/// Whether one of these names is the last part of a name in it.
pub(crate) fn mentions(expr: &SqlExpr, names: &[&str]) -> bool {
    columns_in(expr).iter().any(|ids| ids.last().is_some_and(|id| names.iter().any(|n| id.value.eq_ignore_ascii_case(n))))
}

/// The expression with parts replaced: what `replace` answers stands as it is, everything else is looked into.
pub(crate) fn replaced(expr: &SqlExpr, replace: &mut dyn FnMut(&SqlExpr) -> Option<SqlExpr>) -> SqlExpr {
    struct Replace<'r> {
        replace: &'r mut dyn FnMut(&SqlExpr) -> Option<SqlExpr>,
        /// How many levels deep it is inside something that has been replaced.
        inside: usize,
    }
    impl VisitorMut for Replace<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &mut SqlExpr) -> ControlFlow<()> {
            if self.inside > 0 {
                self.inside += 1;
            } else if let Some(new) = (self.replace)(expr) {
                *expr = new;
                self.inside = 1;
            }
            ControlFlow::Continue(())
        }
        fn post_visit_expr(&mut self, _: &mut SqlExpr) -> ControlFlow<()> {
            self.inside = self.inside.saturating_sub(1);
            ControlFlow::Continue(())
        }
    }
    let mut expr = expr.clone();
    let _ = VisitMut::visit(&mut expr, &mut Replace { replace, inside: 0 });
    expr
}

/// Where an expression stands in its text. The parser leaves out what surrounds it: a closing bracket, the word before a bracket.
pub(crate) fn part_of(places: &Places<'_>, expr: &SqlExpr) -> Range<usize> {
    let text = places.text.text.as_str();
    let Some(mut range) = places.range(expr.span()) else { return 0..text.len() };
    let opens =
        |r: &Range<usize>| text.get(r.clone()).map_or(0, |t| t.matches('(').count().cast_signed() - t.matches(')').count().cast_signed());
    let wraps = matches!(
        expr,
        SqlExpr::Cast { .. }
            | SqlExpr::Extract { .. }
            | SqlExpr::Ceil { .. }
            | SqlExpr::Floor { .. }
            | SqlExpr::Substring { .. }
            | SqlExpr::Trim { .. }
            | SqlExpr::Position { .. }
            | SqlExpr::Nested(_)
            | SqlExpr::Exists { .. }
            | SqlExpr::Subquery(_)
            | SqlExpr::Interval(_)
    );
    if wraps {
        let before = text[..range.start].trim_end();
        if let Some(inner) = before.strip_suffix('(') {
            let word = inner.trim_end();
            let letters = word.len() - word.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_').len();
            let word_start = word.len() - letters;
            range.start = if letters == 0 || matches!(expr, SqlExpr::Nested(_) | SqlExpr::Subquery(_)) { inner.len() } else { word_start };
        } else if matches!(expr, SqlExpr::Interval(_) | SqlExpr::Extract { .. }) {
            range.start = before.trim_end_matches(|c: char| c.is_alphanumeric()).len();
        }
    }
    if matches!(expr, SqlExpr::Interval(i) if i.leading_field.is_some()) {
        let behind = &text[range.end..];
        let unit = behind.trim_start();
        let letters = unit.len() - unit.trim_start_matches(|c: char| c.is_alphabetic()).len();
        range.end += behind.len() - unit.len() + letters;
    }
    while opens(&range) > 0 {
        let Some(close) = text[range.end..].find(')') else { break };
        range.end += close + 1;
    }
    range
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use datafusion_sql::sqlparser::{dialect::PostgreSqlDialect, parser::Parser};
    use runink_dsl::{FileId, ast::Span, variables::Substituted};

    fn parsed(text: &str) -> SqlExpr {
        Parser::new(&PostgreSqlDialect {}).try_with_sql(text).unwrap().parse_expr().unwrap()
    }

    #[test]
    fn conditions_come_apart_and_together() {
        let all = conjuncts(&parsed("a = 1 and (b = 2 and c = 3) and (d = 4 or e = 5)"));
        assert_eq!(all.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a = 1", "b = 2", "c = 3", "(d = 4 OR e = 5)"]);
        assert_eq!(and(all).unwrap().to_string(), "a = 1 AND b = 2 AND c = 3 AND (d = 4 OR e = 5)");
    }

    #[test]
    fn what_is_replaced_is_not_looked_into() {
        let mut swap = |e: &SqlExpr| match e {
            SqlExpr::Identifier(id) if id.value == "a" => Some(parsed("f(a)")),
            _ => None,
        };
        assert_eq!(replaced(&parsed("a + b * a"), &mut swap).to_string(), "f(a) + b * f(a)");
    }

    #[test]
    fn an_expression_is_found_with_its_brackets() {
        for text in ["sum(x)", "cast(x as int)", "(a)", "upper(lower(x))", "a.b", "interval '1' month", "interval '1 day'"] {
            let whole = format!("  {text} , 1");
            let text_of = Substituted { text: whole.clone(), parts: vec![(0, Span::new(0, whole.len()))] };
            let places = Places::new(FileId(0), &text_of);
            let expr = parsed(&whole);
            assert_eq!(&whole[part_of(&places, &expr)], text, "{expr:?}");
        }
    }
}
