//! Joins of a query: which rows meet, and what bounds them in time.

use super::{
    Part, Scope, columns,
    from::{Clauses, Relation},
};
use crate::{
    StreamKind, catalogue as codes,
    lower::{Heard, Lowering, stream::Column},
    sql::{self, WindowEdge},
};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Expr as SqlExpr, Ident, Join as SqlJoin, JoinConstraint, JoinOperator as J, Select, Spanned as _, TableFactor, Value,
};
use runink_dsl::ast::{self, Action, JoinKind, JoinTime, Name, NamedExpr, Retention, Span, Spanned, TimeDomain, Unnest};

impl Lowering<'_> {
    /// `join …` in `from`.
    pub(super) fn join_part<'t>(
        &mut self,
        scope: &mut Scope<'t>,
        part: &mut Part<'t>,
        join: &SqlJoin,
        clauses: &mut Clauses<'_>,
    ) -> Heard<()> {
        let span = scope.span(join.relation.span());
        let (kind, constraint) = match &join.join_operator {
            J::Join(c) | J::Inner(c) => (JoinKind::Inner, c),
            J::CrossJoin(c) => (JoinKind::Inner, c),
            J::Left(c) | J::LeftOuter(c) => (JoinKind::Left, c),
            J::Right(c) | J::RightOuter(c) => (JoinKind::Right, c),
            J::FullOuter(c) => (JoinKind::Full, c),
            J::Semi(c) | J::LeftSemi(c) => (JoinKind::Semi, c),
            J::Anti(c) | J::LeftAnti(c) => (JoinKind::Anti, c),
            _ => {
                let message = "this kind of join is not part of this SQL";
                let hint = "there are `join`, `left`, `right` and `full join`, `exists` and `not exists`; for the version at a time `for system_time as of`";
                return Err(self.refuse(scope, codes::QUERY_JOIN, span, message, hint));
            }
        };
        if let TableFactor::UNNEST { .. } = &join.relation {
            return self.unnest_part(scope, part, &join.relation, kind, constraint);
        }
        let relation = self.relation(scope, &join.relation, clauses)?;
        match constraint {
            JoinConstraint::On(on) => self.joined(scope, part, relation, kind, sql::conjuncts(on), clauses),
            JoinConstraint::Using(names) => {
                let ids: Vec<Ident> = names.iter().filter_map(|n| n.0.last()?.as_ident().cloned()).collect();
                self.using(scope, part, relation, kind, &ids, clauses)
            }
            JoinConstraint::None if kind == JoinKind::Inner => self.comma(scope, part, relation, clauses),
            JoinConstraint::None => {
                let message = "this join does not say which rows meet";
                Err(self.refuse(scope, codes::QUERY_JOIN, span, message, "add `on a.id = b.id`"))
            }
            JoinConstraint::Natural => {
                let message = "a `natural join` changes its meaning with every column that an input gets";
                Err(self.refuse(scope, codes::QUERY_JOIN, span, message, "name the columns: `using (id)`, or `on a.id = b.id`"))
            }
        }
    }

    /// An input behind a comma, or of a `cross join`: the conditions that join it stand in `where`.
    pub(super) fn comma<'t>(
        &mut self,
        scope: &mut Scope<'t>,
        part: &mut Part<'t>,
        relation: Relation<'t>,
        clauses: &mut Clauses<'_>,
    ) -> Heard<()> {
        self.joined(scope, part, relation, JoinKind::Inner, Vec::new(), clauses)
    }

    /// `using (a, b)`: both columns are one behind the join.
    fn using<'t>(
        &mut self,
        scope: &mut Scope<'t>,
        part: &mut Part<'t>,
        relation: Relation<'t>,
        kind: JoinKind,
        ids: &[Ident],
        clauses: &mut Clauses<'_>,
    ) -> Heard<()> {
        let name = relation.name.clone();
        let mut conditions = Vec::new();
        for id in ids {
            for side in [part.work.flow.columns(), relation.part.work.flow.columns()] {
                if crate::expr::column_of(side, std::slice::from_ref(id)).is_none() {
                    let message = format!("there is no column `{}` on both sides of this join", id.value);
                    let at = scope.span(id.span);
                    return Err(self.refuse(scope, codes::UNKNOWN_COLUMN, at, message, "write `on a.x = b.y` where the names differ"));
                }
            }
            let other = Ident { value: name.clone(), quote_style: Some('"'), span: id.span };
            conditions.push(SqlExpr::BinaryOp {
                left: Box::new(SqlExpr::Identifier(id.clone())),
                op: BinaryOperator::Eq,
                right: Box::new(SqlExpr::CompoundIdentifier(vec![other, id.clone()])),
            });
        }
        self.joined(scope, part, relation, kind, conditions, clauses)?;
        if matches!(kind, JoinKind::Semi | JoinKind::Anti) {
            return Ok(());
        }
        for id in ids {
            let at = scope.span(id.span);
            let other = Ident { value: name.clone(), quote_style: Some('"'), span: id.span };
            let doubled = crate::expr::column_of(part.work.flow.columns(), &[other, id.clone()]).map(|c| c.name().to_owned());
            let Some(doubled) = doubled.filter(|d| *d != id.value) else { continue };
            if matches!(kind, JoinKind::Right | JoinKind::Full) {
                let either = Spanned::new(format!("coalesce({}, {})", super::quoted(&id.value), super::quoted(&doubled)), at);
                let set = NamedExpr { name: Some(Name::new(id.value.clone(), at)), expr: either };
                self.line_at(part, at, Action::Set(vec![set]))?;
            }
            self.line_at(part, at, Action::Drop(vec![Name::new(doubled, at)]))?;
        }
        Ok(())
    }

    fn joined<'t>(
        &mut self,
        scope: &mut Scope<'t>,
        part: &mut Part<'t>,
        mut relation: Relation<'t>,
        mut kind: JoinKind,
        mut conditions: Vec<SqlExpr>,
        clauses: &mut Clauses<'_>,
    ) -> Heard<()> {
        conditions.retain(|c| !is_true(c));
        if kind == JoinKind::Inner {
            // What `where` says of both sides is what joins them.
            let (left, right) = (part.work.flow.columns(), relation.part.work.flow.columns());
            let joins = |c: &SqlExpr| {
                let sides = columns::sides(c, left, right);
                sides.left && sides.right && !sides.other && super::semi::subquery(c).is_none()
            };
            let (taken, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut clauses.pool).into_iter().partition(joins);
            clauses.pool = rest;
            conditions.extend(taken);
        }
        if conditions.is_empty() {
            let message =
                format!("nothing says which rows of `{}` meet which others, so every row would meet every other one", relation.name);
            let hint = "add a condition that compares a key: `on a.id = b.id`";
            return Err(self.refuse(scope, codes::QUERY_JOIN, relation.span, message, hint));
        }
        if relation.as_of.is_none() && matches!(kind, JoinKind::Inner | JoinKind::Right) && table_before_stream(part, &relation) {
            // A table stands on the left: the stream's rows are looked up in it all the same.
            let name = relation_of(part).unwrap_or_else(|| "table".into());
            std::mem::swap(part, &mut relation.part);
            relation.name = name;
            if kind == JoinKind::Right {
                kind = JoinKind::Left;
            }
        }
        let time = self.time_of_join(scope, Some(clauses.select), part, &mut relation, &mut conditions)?;
        self.join_on(scope, part, relation, kind, conditions, time)
    }

    /// The join itself, its conditions and its bound in time being known.
    pub(super) fn join_on<'t>(
        &mut self,
        scope: &mut Scope<'t>,
        part: &mut Part<'t>,
        mut relation: Relation<'t>,
        kind: JoinKind,
        conditions: Vec<SqlExpr>,
        time: Option<Spanned<JoinTime>>,
    ) -> Heard<()> {
        let span = relation.span;
        let taken = |r: &str| part.work.flow.columns().iter().flat_map(|c| &c.origins).any(|o| o.relation == r);
        let twice =
            relation.part.work.flow.columns().iter().flat_map(|c| &c.origins).find(|o| taken(&o.relation)).map(|o| o.relation.clone());
        if let Some(name) = twice {
            let message = format!("two inputs of this query are called `{name}`");
            return Err(self.refuse(scope, codes::JOIN_ALIAS, span, message, format!("give one of them another name: `{name} as other`")));
        }
        let Some(on) = sql::and(conditions) else {
            let message = format!("only times are compared with those of `{}`", relation.name);
            let hint = "compare a key as well: `a.id = b.id and …`";
            return Err(self.refuse(scope, codes::QUERY_JOIN, span, message, hint));
        };
        let keep_state = match time.as_ref().map(|t| &t.value) {
            None => scope.keep(),
            Some(JoinTime::AsOf(TimeDomain::Processing)) => scope.keep(),
            Some(JoinTime::AsOf(TimeDomain::Column(_))) => scope.keep().filter(|k| k.value == Retention::Forever),
            Some(JoinTime::Window(_) | JoinTime::Within { .. }) => None,
        };
        let on = self.handed(scope, &on);
        let join = ast::Join { kind, input: Name::new(relation.name.clone(), span), alias: None, on, time, keep_state };
        let before = time_of(part);
        self.flush(&mut relation.part.work.flow);
        self.join_with(&mut part.work, span, &join, relation.part.work.flow.stream, &relation.name)?;
        if let Some(window) = &part.window
            && time_of(part) != before
        {
            let message = "the rows of this join do not lie in the windows that one side was cut into";
            let at = window.span;
            let hint = "cut both sides into the same windows, and compare `window_start` and `window_end` of both";
            return Err(self.refuse(scope, codes::QUERY_WINDOW, at, message, hint));
        }
        Ok(())
    }

    /// What bounds the join in time, its conditions taken out.
    pub(super) fn time_of_join<'t>(
        &mut self,
        scope: &mut Scope<'t>,
        select: Option<&Select>,
        part: &mut Part<'t>,
        relation: &mut Relation<'t>,
        conditions: &mut Vec<SqlExpr>,
    ) -> Heard<Option<Spanned<JoinTime>>> {
        if let Some(as_of) = &relation.as_of {
            let span = scope.place_of(as_of);
            let time = match as_of {
                SqlExpr::Function(f) if crate::expr::function_name(f) == "proctime" => TimeDomain::Processing,
                other => match columns::column(other, part.work.flow.columns()) {
                    Some(column) => TimeDomain::Column(column.name().to_owned()),
                    None => {
                        let message = format!("`{}` is no column of the rows that are joined", scope.written(other));
                        let hint = "name their event time: `for system_time as of o.ordered_at`";
                        return Err(self.refuse(scope, codes::UNKNOWN_COLUMN, span, message, hint));
                    }
                },
            };
            return Ok(Some(Spanned::new(JoinTime::AsOf(time), span)));
        }
        if let Some(window) = self.window_of_join(scope, select, part, relation, conditions)? {
            return Ok(Some(window));
        }
        self.flush(&mut part.work.flow);
        self.flush(&mut relation.part.work.flow);
        let (left, right) = (part.work.flow.stream.clone(), relation.part.work.flow.stream.clone());
        if !left.is_append_only() || !right.is_append_only() {
            return Ok(None);
        }
        Ok(self.time_bound(scope, &left, &right, conditions)?.map(|(time, span)| Spanned::new(time, span)))
    }

    /// The windows that both sides lie in: both are cut into them, or one is, and the other has the results of such windows.
    pub(super) fn window_of_join<'t>(
        &mut self,
        scope: &Scope<'_>,
        select: Option<&Select>,
        part: &mut Part<'t>,
        relation: &mut Relation<'t>,
        conditions: &mut Vec<SqlExpr>,
    ) -> Heard<Option<Spanned<JoinTime>>> {
        let left = part.work.flow.columns().to_vec();
        let right = relation.part.work.flow.columns().to_vec();
        let (window, end) = match (part.window.clone(), relation.part.window.clone()) {
            (Some(ours), Some(theirs)) if same_window(&ours.value, &theirs.value) => (ours, None),
            (Some(_), Some(theirs)) => return Err(self.other_windows(scope, theirs.span)),
            (Some(window), None) => match self.earlier_window(&relation.part) {
                Some((end, results)) if same_window(&window.value, &results) => (window, Some(end)),
                // What is cut on the left may be aggregated behind a join that leaves rows where they are.
                _ => return Ok(None),
            },
            (None, Some(window)) => match self.earlier_window(part) {
                Some((end, results)) if same_window(&window.value, &results) => (window, Some(end)),
                _ => return Err(self.other_windows(scope, window.span)),
            },
            (None, None) => return Ok(None),
        };
        // The results' columns of these names are their own; the others' are the window's.
        let is_edge = |c: &SqlExpr| same_edge(c, end.as_deref(), &left, &right);
        if !conditions.iter().any(is_edge) {
            if relation.part.window.is_none() {
                return Ok(None);
            }
            return Err(self.other_windows(scope, window.span));
        }
        conditions.retain(|c| !is_edge(c));
        let reads_edges = select.is_some_and(|s| ["window_start", "window_end"].iter().any(|edge| super::from::selects_name(s, edge)));
        if reads_edges && part.window.is_some() {
            self.edges_as_columns(scope, part)?;
        }
        (part.window, relation.part.window) = (None, None);
        // The time of either side is found by the operator: a column has another name on each.
        let span = window.span;
        let window = ast::Window { on: on_processing_time(&window.value), ..window.value };
        Ok(Some(Spanned::new(JoinTime::Window(window), span)))
    }

    fn other_windows(&mut self, scope: &Scope<'_>, span: Span) -> crate::lower::Said {
        let message = "an input that is cut into windows is joined to one that is cut into the same windows";
        let hint = "write the same window on both sides, and `on a.window_start = b.window_start and a.window_end = b.window_end and …`";
        self.refuse(scope, codes::QUERY_WINDOW, span, message, hint)
    }

    /// `cross join unnest(a.items) as i(item)`.
    fn unnest_part(
        &mut self,
        scope: &Scope<'_>,
        part: &mut Part<'_>,
        factor: &TableFactor,
        kind: JoinKind,
        constraint: &JoinConstraint,
    ) -> Heard<()> {
        let TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias: _, with_ordinality } = factor else { return Ok(()) };
        let span = scope.span(factor.span());
        let always = match constraint {
            JoinConstraint::None => true,
            JoinConstraint::On(on) => is_true(on),
            _ => false,
        };
        let (keep_empty, [list]) = (kind == JoinKind::Left, array_exprs.as_slice()) else {
            let message = "`unnest` takes one list";
            return Err(self.refuse(scope, codes::QUERY_JOIN, span, message, "unnest one list after the other"));
        };
        if !always || *with_offset || !matches!(kind, JoinKind::Inner | JoinKind::Left) {
            let message = "a list is unnested with `cross join unnest(…)` or `left join unnest(…) on true`";
            return Err(self.refuse(scope, codes::QUERY_JOIN, span, message, "filter its elements in `where`"));
        }
        let names: Vec<Name> = match alias {
            Some(a) if !a.columns.is_empty() => {
                a.columns.iter().map(|c| Name::new(c.name.value.clone(), scope.span(c.name.span))).collect()
            }
            Some(a) => vec![Name::new(a.name.value.clone(), scope.span(a.name.span))],
            None => {
                let message = "the elements of the list have no name";
                return Err(self.refuse(scope, codes::NEEDS_NAME, span, message, "write `unnest(items) as i(item)`"));
            }
        };
        let element = names[0].clone();
        let expr = self.handed(scope, list);
        self.line_at(part, span, Action::Set(vec![NamedExpr { name: Some(element.clone()), expr }]))?;
        let ordinality = with_ordinality.then(|| names.get(1).cloned().unwrap_or_else(|| Name::new("ordinality".into(), span)));
        let unnest = Unnest { column: element.clone(), alias: None, ordinality, keep_empty };
        self.line_at(part, span, Action::Unnest(unnest))?;
        if let Some(alias) = alias {
            for column in &mut part.work.flow.stream.columns {
                if names.iter().any(|n| n.value == column.name()) {
                    let name = column.name().to_owned();
                    column.origins.push(crate::lower::stream::Origin { relation: alias.name.value.clone(), column: name });
                }
            }
        }
        Ok(())
    }
}

/// What a part's event time is.
fn time_of(part: &Part<'_>) -> Option<(String, i64)> {
    let stream = &part.work.flow.stream;
    Some((stream.time_column()?.to_owned(), stream.time.as_ref()?.shift_us))
}

/// `on processing time`, where a window says it.
fn on_processing_time(window: &ast::Window) -> Option<Spanned<TimeDomain>> {
    window.on.clone().filter(|on| on.value == TimeDomain::Processing)
}

fn is_true(expr: &SqlExpr) -> bool {
    matches!(sql::unnested(expr), SqlExpr::Value(v) if v.value == Value::Boolean(true))
}

/// A keyed source alone on the left, and rows that stay on the right.
fn table_before_stream(part: &Part<'_>, relation: &Relation<'_>) -> bool {
    let left = &part.work.flow.stream;
    matches!(left.kind, StreamKind::Upsert { .. })
        && relation.part.work.flow.stream.is_append_only()
        && part.window.is_none()
        && relation.part.window.is_none()
}

fn relation_of(part: &Part<'_>) -> Option<String> {
    part.work.flow.columns().first()?.origins.first().map(|o| o.relation.clone())
}

/// Lengths and time domain are the same, wherever they stand.
fn same_window(a: &ast::Window, b: &ast::Window) -> bool {
    use ast::WindowShape as W;
    let shapes = match (&a.shape, &b.shape) {
        (W::Tumbling(x), W::Tumbling(y)) | (W::Session(x), W::Session(y)) => x.value == y.value,
        (W::Hopping { size: s, every: e }, W::Hopping { size: t, every: f })
        | (W::Cumulating { size: s, every: e }, W::Cumulating { size: t, every: f }) => s.value == t.value && e.value == f.value,
        _ => false,
    };
    let offset = |w: &ast::Window| w.offset.as_ref().map_or(0, |o| o.value.0);
    shapes && offset(a) == offset(b) && on_processing_time(a).is_some() == on_processing_time(b).is_some()
}

/// `a.window_start = b.window_start` or the same of the ends. Where one side has results of windows, `end` is its column that stands for the ends.
fn same_edge(condition: &SqlExpr, end: Option<&str>, left: &[Column], right: &[Column]) -> bool {
    let SqlExpr::BinaryOp { left: a, op: BinaryOperator::Eq, right: b } = sql::unnested(condition) else { return false };
    let of = |ids: &[Ident], side: &[Column]| {
        ids.len() == 2 && side.iter().flat_map(|c| &c.origins).any(|o| o.relation.eq_ignore_ascii_case(&ids[0].value))
    };
    let sides = |a: &[Ident], b: &[Ident]| (of(a, left) && of(b, right)) || (of(a, right) && of(b, left));
    if let (Some(a), Some(b)) = (edge(a), edge(b)) {
        return a.1 == b.1 && sides(a.0, b.0);
    }
    let Some(end) = end else { return false };
    let is_end = |e: &SqlExpr| [left, right].iter().any(|s| columns::column(e, s).is_some_and(|c| c.name() == end));
    let (Some(a_path), Some(b_path)) = (columns::path(a), columns::path(b)) else { return false };
    let ends = |e: &SqlExpr| matches!(edge(e), Some((_, WindowEdge::End)));
    sides(a_path, b_path) && ((ends(a) && is_end(b)) || (ends(b) && is_end(a)))
}

/// An edge of a window of one relation is compared with a column of another.
pub(super) fn compares_edges(condition: &SqlExpr) -> bool {
    let SqlExpr::BinaryOp { left, op: BinaryOperator::Eq, right } = sql::unnested(condition) else { return false };
    let relation = |e: &SqlExpr| columns::path(e).filter(|ids| ids.len() == 2).map(|ids| ids[0].value.to_lowercase());
    (edge(left).is_some() || edge(right).is_some()) && relation(left).zip(relation(right)).is_some_and(|(a, b)| a != b)
}

fn edge(expr: &SqlExpr) -> Option<(&[Ident], WindowEdge)> {
    let ids = columns::path(expr)?;
    Some((ids, sql::is_window(ids)?))
}

/// The edges of tumbling windows can be computed of each row.
impl Lowering<'_> {
    /// Adds `window_start` and `window_end` to rows that are in one window each.
    pub(super) fn edges_as_columns(&mut self, scope: &Scope<'_>, part: &mut Part<'_>) -> Heard<()> {
        let Some(window) = part.window.clone() else { return Ok(()) };
        let span = window.span;
        let ast::WindowShape::Tumbling(size) = &window.value.shape else {
            let message = "a row is in several of these windows, or in one whose edges are known only later";
            let hint = "aggregate in them: `group by window_start, window_end`; or use `tumble`";
            return Err(self.refuse(scope, codes::QUERY_WINDOW, span, message, hint));
        };
        let time = match &window.value.on {
            Some(Spanned { value: TimeDomain::Column(name), .. }) => name.clone(),
            _ => {
                let message = "the edges of windows by processing time are known only when a window closes";
                return Err(self.refuse(
                    scope,
                    codes::QUERY_WINDOW,
                    span,
                    message,
                    "aggregate in them: `group by window_start, window_end`",
                ));
            }
        };
        let offset = window.value.offset.as_ref().map_or(0, |o| o.value.0);
        let interval = |us: i64| format!("interval '{us} microseconds'");
        let name = Name::new(time, span);
        let column = self.column(part.work.texts, &name, part.work.flow.columns())?;
        let column = &part.work.flow.columns()[column];
        let digits = match column.field.data_type() {
            DataType::Timestamp(TimeUnit::Second, _) => 0,
            DataType::Timestamp(TimeUnit::Millisecond, _) => 3,
            DataType::Timestamp(TimeUnit::Nanosecond, _) => 9,
            _ => 6,
        };
        let time = super::quoted(column.name());
        // The edges have the unit of the time, as those that an aggregate gives.
        let bin = format!("date_bin({}, {time}, to_timestamp_micros({offset}))", interval(size.value.0));
        let start = format!("cast({bin} as timestamp({digits}))");
        let end = format!("window_start + {}", interval(size.value.0));
        for (name, text) in [("window_start", start), ("window_end", end)] {
            let set = NamedExpr { name: Some(Name::new(name.into(), span)), expr: Spanned::new(text, span) };
            self.line_at(part, span, Action::Set(vec![set]))?;
        }
        // They belong to the relation that was cut.
        let relation = relation_of(part);
        for column in &mut part.work.flow.stream.columns {
            let name = column.name().to_owned();
            if let (Some(relation), "window_start" | "window_end") = (&relation, name.as_str()) {
                column.origins = vec![crate::lower::stream::Origin { relation: relation.clone(), column: name }];
            }
        }
        Ok(())
    }
}

/// Where all conditions stand.
pub(super) fn place(scope: &Scope<'_>, conditions: &[SqlExpr]) -> Span {
    conditions.iter().map(|c| scope.place_of(c)).reduce(Span::cover).unwrap_or(scope.line)
}
