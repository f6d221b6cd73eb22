//! Queries inside conditions: `exists`, `in` and their opposites are joins that add no columns.

use super::{
    Part, Scope, columns,
    columns::by_name,
    from::{Clauses, Relation},
    join::{compares_edges, place},
};
use crate::{
    catalogue as codes,
    lower::{Heard, Lowering, join::joined_columns, stream::Column},
    sql,
};
use datafusion_sql::sqlparser::{
    ast::{BinaryOperator, Expr as SqlExpr, GroupByExpr, Query, Select, SelectItem, SetExpr, Spanned as _, UnaryOperator},
    tokenizer::Span as SqlSpan,
};
use runink_dsl::ast::{Action, JoinKind, Name, NamedExpr, Spanned};

/// A query inside a condition.
pub(super) struct Subquery<'q> {
    negated: bool,
    /// `x in (…)`: the x.
    value: Option<&'q SqlExpr>,
    query: &'q Query,
}

/// The query that a condition asks, where it is `exists` or `in`.
pub(super) fn subquery(condition: &SqlExpr) -> Option<Subquery<'_>> {
    match sql::unnested(condition) {
        SqlExpr::Exists { subquery, negated } => Some(Subquery { negated: *negated, value: None, query: subquery }),
        SqlExpr::InSubquery { expr, subquery, negated } => Some(Subquery { negated: *negated, value: Some(expr), query: subquery }),
        SqlExpr::UnaryOp { op: UnaryOperator::Not, expr } => subquery(expr).map(|s| Subquery { negated: !s.negated, ..s }),
        _ => None,
    }
}

/// The column that holds the value of an `in` query, where it is no column of its own.
const VALUE: &str = "__in";

impl Lowering<'_> {
    /// The conditions of `where`: those on rows first, then the queries among them.
    pub(super) fn filters<'t>(
        &mut self,
        scope: &mut Scope<'t>,
        select: Option<&Select>,
        part: &mut Part<'t>,
        conditions: Vec<SqlExpr>,
    ) -> Heard<()> {
        let (asking, plain): (Vec<_>, Vec<_>) = conditions.into_iter().partition(|c| subquery(c).is_some());
        let not_null: Vec<String> = plain.iter().filter_map(not_null).map(|e| columns::canonical(e, part.work.flow.columns())).collect();
        if let Some(all) = sql::and(plain) {
            let expr = self.handed(scope, &all);
            let span = expr.span;
            self.line_at(part, span, Action::Keep(expr))?;
        }
        for condition in &asking {
            if let Some(subquery) = subquery(condition) {
                self.ask(scope, select, part, condition, &subquery, &not_null)?;
            }
        }
        Ok(())
    }

    fn ask<'t>(
        &mut self,
        scope: &mut Scope<'t>,
        outer: Option<&Select>,
        part: &mut Part<'t>,
        condition: &SqlExpr,
        asked: &Subquery<'_>,
        not_null_outside: &[String],
    ) -> Heard<()> {
        let span = scope.place_of(condition);
        scope.depth += 1;
        let simple = simple(asked.query);
        let (mut inner, pool) = match simple {
            Some(select) => {
                let mut clauses = Clauses::of(select);
                self.plain_select(scope, select)?;
                (self.inputs_part(scope, &mut clauses)?, clauses.pool)
            }
            None if asked.value.is_some() => (self.whole_query(scope, asked.query, None)?, Vec::new()),
            None => {
                let message = "a query in `exists` that groups, limits or puts queries together cannot be a join";
                let hint = "let it be a plain `select 1 from … where …`, or join the input in `from`";
                return Err(self.refuse(scope, codes::QUERY_SUBQUERY, span, message, hint));
            }
        };
        scope.depth -= 1;
        let outside = part.work.flow.columns().to_vec();
        let inside = inner.work.flow.columns().to_vec();
        // A name means the inner column, where there is one.
        let correlated = |c: &SqlExpr| {
            compares_edges(c) || sql::columns_in(c).iter().any(|ids| !columns::reads(&inside, ids) && columns::reads(&outside, ids))
        };
        let (mut on, local): (Vec<_>, Vec<_>) = pool.into_iter().partition(correlated);
        let not_null_inside: Vec<String> = local.iter().filter_map(not_null).map(|e| columns::canonical(e, &inside)).collect();
        if inner.work.flow.stream.is_append_only() {
            self.filters(scope, None, &mut inner, local)?;
        } else {
            // Of rows that replace each other none can be left out; the join asks the one that is there.
            on.extend(local);
        }
        let mut value_of_inner = None;
        if let Some(value) = asked.value {
            let item = self.value_item(scope, &mut inner, simple, asked.query)?;
            if asked.negated {
                let known = |all: &[String], e: &SqlExpr, columns: &[Column]| all.contains(&columns::canonical(e, columns));
                if !known(not_null_outside, value, &outside) || !known(&not_null_inside, &item, &inside) {
                    let message = "`not in` is never true once the query has given a null, so its rows would have to be taken back then";
                    let hint = "write `not exists (select 1 from b where b.id = a.id)`; or say on both sides that the value `is not null`";
                    return Err(self.refuse(scope, codes::QUERY_SUBQUERY, span, message, hint));
                }
            }
            value_of_inner = Some((value.clone(), item));
        }
        let name = self.relation_name(&inner);
        self.flush(&mut part.work.flow);
        self.flush(&mut inner.work.flow);
        let mut relation = Relation { part: inner, name, span, as_of: None };
        let time = match self.window_of_join(scope, outer, part, &mut relation, &mut on)? {
            Some(window) => Some(window),
            None => {
                let (left, right) = (part.work.flow.stream.clone(), relation.part.work.flow.stream.clone());
                match left.is_append_only() && right.is_append_only() {
                    true => self.time_bound_inside(scope, &left, &right, &mut on)?,
                    false => None,
                }
            }
        };
        let inside = relation.part.work.flow.columns().to_vec();
        let outside = part.work.flow.columns().to_vec();
        let joined = joined_columns(&outside, &relation.part.work.flow.stream, &relation.name);
        // Every column under the name that the join gives it: inner ones first.
        let exact = |e: &SqlExpr, inner_only: bool| {
            sql::replaced(e, &mut |e| {
                let span = e.span();
                if let Some(column) = columns::column(e, &inside) {
                    let at = inside.iter().position(|c| c.name() == column.name())?;
                    return Some(by_name(joined[outside.len() + at].name(), span));
                }
                if inner_only {
                    return None;
                }
                columns::column(e, &outside).map(|c| by_name(c.name(), span))
            })
        };
        let mut conditions: Vec<SqlExpr> = Vec::new();
        conditions.extend(on.iter().map(|c| exact(c, false)));
        if let Some((value, item)) = value_of_inner {
            let value = sql::replaced(&value, &mut |e| columns::column(e, &outside).map(|c| by_name(c.name(), e.span())));
            let right = exact(&item, true);
            conditions.insert(0, SqlExpr::BinaryOp { left: Box::new(value), op: BinaryOperator::Eq, right: Box::new(right) });
        }
        if conditions.is_empty() && time.is_none() {
            let message = "this query does not say which rows of it belong to a row outside";
            let hint = "compare a key: `exists (select 1 from b where b.id = a.id)`";
            return Err(self.refuse(scope, codes::QUERY_SUBQUERY, span, message, hint));
        }
        let at = if conditions.is_empty() { span } else { place(scope, &conditions) };
        relation.span = at;
        let kind = if asked.negated { JoinKind::Anti } else { JoinKind::Semi };
        // Its names are those of the query inside, which are not seen outside.
        relation.part.work.flow.stream.columns.iter_mut().for_each(|c| c.origins.clear());
        self.join_on(scope, part, relation, kind, conditions, time)
    }

    /// Bounds in time among conditions of a query inside, where a name means the inner column first.
    fn time_bound_inside(
        &mut self,
        scope: &Scope<'_>,
        left: &crate::lower::stream::Stream,
        right: &crate::lower::stream::Stream,
        on: &mut Vec<SqlExpr>,
    ) -> Heard<Option<Spanned<runink_dsl::ast::JoinTime>>> {
        use runink_dsl::ast::JoinTime;
        // Seen from inside, the sides change places.
        let found = self.time_bound(scope, right, left, on)?;
        Ok(found.map(|(time, span)| {
            let time = match time {
                JoinTime::Within { from, to } => JoinTime::Within { from: to.saturating_neg(), to: from.saturating_neg() },
                other => other,
            };
            Spanned::new(time, span)
        }))
    }

    /// The value that an `in` query gives, as a column of it.
    fn value_item<'t>(&mut self, scope: &Scope<'t>, inner: &mut Part<'t>, simple: Option<&Select>, query: &Query) -> Heard<SqlExpr> {
        let span = scope.span(query.span());
        let item = match simple.map(|s| s.projection.as_slice()) {
            Some([SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. }]) => e.clone(),
            None if inner.work.flow.columns().len() == 1 => by_name(inner.work.flow.columns()[0].name(), SqlSpan::empty()),
            _ => {
                let message = "a query behind `in` gives one column";
                return Err(self.refuse(scope, codes::QUERY_SUBQUERY, span, message, "select the one that is compared"));
            }
        };
        if columns::column(&item, inner.work.flow.columns()).is_some() {
            return Ok(item);
        }
        let expr = self.handed(scope, &item);
        let set = NamedExpr { name: Some(Name::new(VALUE.into(), expr.span)), expr };
        self.line_at(inner, span, Action::Set(vec![set]))?;
        Ok(by_name(VALUE, SqlSpan::empty()))
    }

    fn relation_name(&self, part: &Part<'_>) -> String {
        let first = part.work.flow.columns().first().and_then(|c| c.origins.first());
        first.map_or_else(|| "query".to_owned(), |o| o.relation.clone())
    }
}

/// `x is not null`: the x.
fn not_null(condition: &SqlExpr) -> Option<&SqlExpr> {
    match sql::unnested(condition) {
        SqlExpr::IsNotNull(e) => Some(e),
        _ => None,
    }
}

/// A query that is nothing but rows of inputs, filtered.
fn simple(query: &Query) -> Option<&Select> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let bare = query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none() && query.fetch.is_none();
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(e, m) if e.is_empty() && m.is_empty());
    let aggregates = select.projection.iter().any(|i| match i {
        SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => crate::expr::has_aggregate(e),
        _ => false,
    });
    (bare && ungrouped && !aggregates && select.having.is_none() && select.qualify.is_none() && select.distinct.is_none())
        .then_some(select.as_ref())
}
