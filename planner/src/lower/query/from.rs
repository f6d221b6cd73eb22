//! `from`: inputs, queries and windows, one after the other.

use super::{Defined, Part, Scope, Wanted, quoted};
use crate::{
    catalogue as codes,
    lower::{
        Heard, Lowering,
        stream::{Flow, Stream},
    },
    sql::{self, Shape, WindowCall, WindowMistake},
};
use datafusion_expr::Expr;
use datafusion_sql::sqlparser::ast::{
    Expr as SqlExpr, FunctionArg, FunctionArgExpr, ObjectName, Query, Select, SelectItem, SetExpr, Spanned as _, TableAlias, TableFactor,
    TableFunctionArgs, TableWithJoins,
};
use runink_dsl::ast::{self, Action, Duration, DurationUs, Name, NamedExpr, Span, Spanned, TimeDomain, WindowShape};

/// The clauses of a `select` that its inputs are joined by.
pub(super) struct Clauses<'q> {
    pub(super) select: &'q Select,
    /// The conditions of `where` that nothing has taken.
    pub(super) pool: Vec<SqlExpr>,
}

impl<'q> Clauses<'q> {
    pub(super) fn of(select: &'q Select) -> Self {
        Clauses { select, pool: select.selection.as_ref().map(sql::conjuncts).unwrap_or_default() }
    }
}

/// A relation of `from` with what a join needs to know of it.
pub(super) struct Relation<'t> {
    pub(super) part: Part<'t>,
    /// What messages and doubled columns call it.
    pub(super) name: String,
    /// Where it stands.
    pub(super) span: Span,
    /// `for system_time as of …`.
    pub(super) as_of: Option<SqlExpr>,
}

impl Lowering<'_> {
    /// All of `from`. Conditions that join inputs are taken out of those of `where`.
    pub(super) fn inputs_part<'t>(&mut self, scope: &mut Scope<'t>, clauses: &mut Clauses<'_>) -> Heard<Part<'t>> {
        let Some((first, rest)) = clauses.select.from.split_first() else {
            let span = scope.span(clauses.select.select_token.0.span);
            let message = "this query reads nothing";
            return Err(self.refuse(scope, codes::QUERY_INPUT, span, message, "name a source or a step: `select … from …`"));
        };
        let mut part = self.with_joins(scope, first, clauses)?;
        for other in rest {
            let relation = self.relation(scope, &other.relation, clauses)?;
            self.comma(scope, &mut part, relation, clauses)?;
            for join in &other.joins {
                self.join_part(scope, &mut part, join, clauses)?;
            }
        }
        Ok(part)
    }

    fn with_joins<'t>(&mut self, scope: &mut Scope<'t>, from: &TableWithJoins, clauses: &mut Clauses<'_>) -> Heard<Part<'t>> {
        let first = self.relation(scope, &from.relation, clauses)?;
        if let Some(as_of) = &first.as_of {
            let span = scope.place_of(as_of);
            let message = "`for system_time as of` says which version of a joined input is meant, and this one is not joined";
            return Err(self.refuse(scope, codes::QUERY_JOIN, span, message, "put it at the input behind `join`"));
        }
        let mut part = first.part;
        for join in &from.joins {
            self.join_part(scope, &mut part, join, clauses)?;
        }
        Ok(part)
    }

    /// One relation of `from`.
    pub(super) fn relation<'t>(&mut self, scope: &mut Scope<'t>, factor: &TableFactor, clauses: &mut Clauses<'_>) -> Heard<Relation<'t>> {
        let span = scope.span(factor.span());
        if let Some(call) = sql::table_window(factor) {
            return self.window_relation(scope, call, span);
        }
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                let as_of = match args {
                    None => None,
                    Some(args) => Some(self.system_time(scope, name, args)?),
                };
                self.table(scope, name, alias.as_ref(), as_of, clauses)
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                let called = alias.as_ref().map(|a| a.name.value.clone());
                let wanted = wanted_rank(clauses, subquery, called.as_deref());
                let part = self.whole_query(scope, subquery, wanted.as_ref())?;
                self.called(scope, part, called.unwrap_or_else(|| "query".into()), alias.as_ref(), span)
            }
            TableFactor::MatchRecognize { alias, .. } => {
                let part = self.recognized(scope, factor, clauses)?;
                let name = alias.as_ref().map_or_else(|| "matches".to_owned(), |a| a.name.value.clone());
                self.called(scope, part, name, alias.as_ref(), span)
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                let part = self.with_joins(scope, table_with_joins, clauses)?;
                Ok(Relation { part, name: "joined".into(), span, as_of: None })
            }
            _ => {
                let message = "this is not an input that a stream can be read from";
                let hint = "read a source, a step, a query in brackets, or `table(tumble(table t, descriptor(c), interval '1' minute))`";
                Err(self.refuse(scope, codes::QUERY_INPUT, span, message, hint))
            }
        }
    }

    fn system_time(&mut self, scope: &Scope<'_>, name: &ObjectName, args: &TableFunctionArgs) -> Heard<SqlExpr> {
        if let [FunctionArg::ExprNamed { name: SqlExpr::Identifier(id), arg: FunctionArgExpr::Expr(time), .. }] = args.args.as_slice()
            && id.value == sql::SYSTEM_TIME
        {
            return Ok(time.clone());
        }
        let message = format!("there is no table function `{name}`");
        let hint = "window functions are `tumble`, `hop`, `session` and `cumulate`; anything else is a source or a step";
        Err(self.refuse(scope, codes::QUERY_INPUT, scope.span(name.span()), message, hint))
    }

    fn table<'t>(
        &mut self,
        scope: &mut Scope<'t>,
        name: &ObjectName,
        alias: Option<&TableAlias>,
        as_of: Option<SqlExpr>,
        clauses: &mut Clauses<'_>,
    ) -> Heard<Relation<'t>> {
        let span = scope.span(name.span());
        let written: Vec<&str> = name.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.as_str()).collect();
        let written = written.join(".");
        let called = alias.map(|a| a.name.value.clone());
        let by_with = scope.defined.iter().rposition(|d| d.alias.name.value.eq_ignore_ascii_case(&written));
        if let Some(at) = by_with {
            let defined = scope.defined[at].clone();
            let known = called.clone().unwrap_or_else(|| written.clone());
            let part = if let Some(found) = &defined.found {
                self.part(scope, found.clone(), &[])
            } else if defined.recursive {
                self.recursive(scope, at, span)?
            } else {
                let wanted = wanted_rank(clauses, &defined.query, Some(&known));
                // A definition sees those before it, and not itself.
                let later = scope.defined.split_off(at);
                let part = self.whole_query(scope, &defined.query, wanted.as_ref());
                scope.defined.extend(later);
                part?
            };
            // What a recursion finds has its names already.
            let names = Some(&defined.alias).filter(|_| !defined.recursive);
            let mut relation = self.called(scope, part, known.clone(), names, span)?;
            if let Some(alias) = alias {
                relation = self.called(scope, relation.part, known, Some(alias), span)?;
            }
            return Ok(Relation { as_of, ..relation });
        }
        let (stream, names) = self.named_input(scope, &written, span)?;
        let part = self.part(scope, stream, &names);
        match called {
            Some(called) => Ok(Relation { as_of, ..self.called(scope, part, called, alias, span)? }),
            None => {
                let name = written.rsplit_once('.').map_or(written.clone(), |(_, port)| port.to_owned());
                Ok(Relation { part, name, span, as_of })
            }
        }
    }

    /// A stream as a relation of the query.
    pub(super) fn part<'t>(&mut self, scope: &Scope<'t>, stream: Stream, names: &[String]) -> Part<'t> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let flow = Flow::new(stream.called(&names), &scope.step, scope.at);
        Part { work: scope.work(flow, scope.texts), window: None }
    }

    /// A relation under its alias, with the names that the alias gives its columns.
    pub(super) fn called<'t>(
        &mut self,
        scope: &Scope<'t>,
        mut part: Part<'t>,
        name: String,
        alias: Option<&TableAlias>,
        span: Span,
    ) -> Heard<Relation<'t>> {
        let given = alias.map(|a| a.columns.as_slice()).unwrap_or_default();
        if !given.is_empty() {
            let columns: Vec<String> = part.work.flow.columns().iter().map(|c| c.name().to_owned()).collect();
            if given.len() > columns.len() {
                let message = format!("`{name}` has {} columns, and {} names are given", columns.len(), given.len());
                return Err(self.refuse(scope, codes::QUERY_SET, span, message, "give as many names as there are columns, or fewer"));
            }
            let items = columns.iter().enumerate().map(|(i, column)| NamedExpr {
                name: given.get(i).map(|g| Name::new(g.name.value.clone(), scope.span(g.name.span))),
                expr: Spanned::new(quoted(column), span),
            });
            self.line_at(&mut part, span, Action::Select(items.collect()))?;
        }
        part.work.flow.stream = part.work.flow.stream.clone().called(&[&name]);
        Ok(Relation { part, name, span, as_of: None })
    }

    /// `table(tumble(table t, descriptor(c), …))`.
    fn window_relation<'t>(
        &mut self,
        scope: &mut Scope<'t>,
        call: Result<WindowCall<'_>, WindowMistake>,
        span: Span,
    ) -> Heard<Relation<'t>> {
        let call = self.call(scope, call)?;
        let window = self.window_of_call(scope, &call)?;
        let name = call.table_name();
        let mut part = match (call.table, &name) {
            (_, Some(name)) => {
                let at = call.table.map_or(span, |t| scope.place_of(t));
                let by_with = scope.defined.iter().rposition(|d| d.alias.name.value.eq_ignore_ascii_case(name));
                match by_with {
                    Some(i) => {
                        let Defined { query, .. } = scope.defined[i].clone();
                        let later = scope.defined.split_off(i);
                        let part = self.whole_query(scope, &query, None);
                        scope.defined.extend(later);
                        let part = part?;
                        self.called(scope, part, name.clone(), None, at)?.part
                    }
                    None => {
                        let (stream, names) = self.named_input(scope, name, at)?;
                        self.part(scope, stream, &names)
                    }
                }
            }
            (Some(SqlExpr::Subquery(query)), None) => self.whole_query(scope, query, None)?,
            _ => {
                let hint = "name a source or a step: `tumble(table bids, descriptor(at), interval '1' minute)`";
                return Err(self.refuse(scope, codes::QUERY_WINDOW, span, "a window cuts one input", hint));
            }
        };
        part.window = Some(window);
        let called = call.alias.map(|a| a.name.value.clone());
        match called {
            Some(called) => self.called(scope, part, called, call.alias, span),
            None => Ok(Relation { part, name: name.unwrap_or_else(|| "windowed".into()), span, as_of: None }),
        }
    }

    /// What is wrong with how a window is written, said.
    pub(super) fn call<T>(&mut self, scope: &Scope<'_>, call: Result<T, WindowMistake>) -> Heard<T> {
        call.map_err(|m| self.refuse(scope, codes::QUERY_WINDOW, scope.span(m.span), m.message, m.hint))
    }

    /// A window of the language for one of SQL's.
    pub(super) fn window_of_call(&mut self, scope: &Scope<'_>, call: &WindowCall<'_>) -> Heard<Spanned<ast::Window>> {
        let mut lengths = Vec::new();
        for length in &call.lengths {
            lengths.push(self.length(scope, length)?);
        }
        let shape = match (call.shape, lengths.as_slice()) {
            (Shape::Tumble, [size]) => WindowShape::Tumbling(size.clone()),
            (Shape::Session, [gap]) => WindowShape::Session(gap.clone()),
            (Shape::Hop, [every, size]) => WindowShape::Hopping { size: size.clone(), every: every.clone() },
            (Shape::Cumulate, [every, size]) => WindowShape::Cumulating { size: size.clone(), every: every.clone() },
            _ => {
                let at = scope.span(call.span);
                return Err(self.refuse(scope, codes::QUERY_WINDOW, at, "this window lacks a length", "give it as `interval '1' minute`"));
            }
        };
        let offset = call.offset.map(|o| self.length(scope, o)).transpose()?;
        let on = match call.time {
            SqlExpr::Function(f) if crate::expr::function_name(f) == "proctime" => TimeDomain::Processing,
            time => match super::columns::path(time).and_then(<[_]>::last) {
                Some(id) => TimeDomain::Column(id.value.clone()),
                None => {
                    let at = scope.place_of(time);
                    let message = "a window is about an event-time column";
                    return Err(self.refuse(scope, codes::QUERY_WINDOW, at, message, "name the column, or write `proctime()`"));
                }
            },
        };
        let on = Some(Spanned::new(on, scope.place_of(call.time)));
        Ok(Spanned::new(ast::Window { shape, offset, on }, scope.span(call.span)))
    }

    /// An interval of the query as a length of time.
    pub(super) fn length(&mut self, scope: &Scope<'_>, expr: &SqlExpr) -> Heard<Duration> {
        let span = scope.place_of(expr);
        match self.interval_us(scope, expr)? {
            Some(us) => Ok(Spanned::new(DurationUs(us), span)),
            None => {
                let message = format!("`{}` is not a length of time", scope.written(expr));
                let hint = "write `interval '10' second`; months and years are not always equally long, and cannot be one";
                Err(self.refuse(scope, codes::QUERY_WINDOW, span, message, hint))
            }
        }
    }

    /// The microseconds of an interval; nothing where it is none, or one with months.
    pub(super) fn interval_us(&mut self, scope: &Scope<'_>, expr: &SqlExpr) -> Heard<Option<i64>> {
        if !matches!(sql::unnested(expr), SqlExpr::Interval(_) | SqlExpr::Cast { .. } | SqlExpr::TypedString(_)) {
            return Ok(None);
        }
        let handed = self.handed(scope, expr);
        let typed = self.expression(scope.texts, &handed, &[], crate::expr::Place::Row)?;
        use datafusion_common::ScalarValue as V;
        let us = match typed.expr {
            Expr::Literal(V::IntervalMonthDayNano(Some(i)), _) if i.months == 0 => {
                i64::from(i.days).checked_mul(86_400_000_000).and_then(|d| d.checked_add(i.nanoseconds / 1_000))
            }
            Expr::Literal(V::IntervalDayTime(Some(i)), _) => {
                i64::from(i.days).checked_mul(86_400_000_000).and_then(|d| d.checked_add(i64::from(i.milliseconds) * 1_000))
            }
            _ => None,
        };
        Ok(us)
    }
}

/// What the query outside wants of a ranking inside; a condition that says it all is taken out of the pool.
fn wanted_rank(Clauses { select, pool }: &mut Clauses<'_>, inner: &Query, alias: Option<&str>) -> Option<Wanted> {
    let SetExpr::Select(inside) = inner.body.as_ref() else { return None };
    let name = inside.projection.iter().find_map(super::rank::rank_item)?;
    let is_rank = |e: &SqlExpr| match super::columns::path(e) {
        Some([id]) => id.value.eq_ignore_ascii_case(&name),
        Some([relation, id]) => id.value.eq_ignore_ascii_case(&name) && alias.is_some_and(|a| relation.value.eq_ignore_ascii_case(a)),
        _ => false,
    };
    let (at, limit) = pool.iter().enumerate().find_map(|(i, c)| sql::rank_limit(c, &is_rank).map(|l| (i, l)))?;
    if limit.all {
        pool.remove(at);
    }
    let rank = !limit.all || reads_name(select, &name) || pool.iter().any(|c| sql::mentions(c, &[&name]));
    Some(Wanted { limit, rank })
}

/// Whether a `select` reads a name anywhere but in `where`.
fn reads_name(select: &Select, name: &str) -> bool {
    use datafusion_sql::sqlparser::ast::{JoinConstraint, JoinOperator as J};
    let in_expr = |e: &SqlExpr| sql::mentions(e, &[name]);
    let joins = select.from.iter().flat_map(|f| &f.joins).any(|j| match &j.join_operator {
        J::Join(JoinConstraint::On(e))
        | J::Inner(JoinConstraint::On(e))
        | J::Left(JoinConstraint::On(e))
        | J::LeftOuter(JoinConstraint::On(e))
        | J::Right(JoinConstraint::On(e))
        | J::RightOuter(JoinConstraint::On(e))
        | J::FullOuter(JoinConstraint::On(e)) => in_expr(e),
        _ => false,
    });
    joins || selects_name(select, name)
}

/// Whether a name is selected, grouped by or asked for of the results.
pub(super) fn selects_name(select: &Select, name: &str) -> bool {
    use datafusion_sql::sqlparser::ast::GroupByExpr;
    let in_expr = |e: &SqlExpr| sql::mentions(e, &[name]);
    let items = select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } | SelectItem::ExprWithAliases { expr: e, .. } => in_expr(e),
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => true,
    });
    let groups = match &select.group_by {
        GroupByExpr::Expressions(exprs, _) => exprs.iter().any(in_expr),
        GroupByExpr::All(_) => false,
    };
    items || groups || select.having.iter().chain(&select.qualify).any(in_expr)
}
