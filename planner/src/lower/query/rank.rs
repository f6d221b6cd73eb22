//! `row_number() over (…)` and `rank() over (…)`: the first rows of each group.

use super::{Part, Scope, Wanted, columns, select::Item};
use crate::{
    catalogue as codes,
    expr::function_name,
    lower::{Heard, Lowering},
    sql::{self, RankLimit},
};
use datafusion_sql::sqlparser::ast::{
    Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, NamedWindowExpr, OrderByExpr, OrderByOptions, Select,
    SelectItem, Spanned as _, Visit, Visitor, WindowSpec, WindowType,
};
use runink_dsl::ast::{self, Action, Name, NamedExpr, Span, Spanned};
use std::ops::ControlFlow;

/// Functions that give a rank.
const RANKS: [&str; 2] = ["row_number", "rank"];

/// The name of the rank that a `select` lists, where it does.
pub(super) fn rank_item(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { expr, alias } => ranking(expr).map(|_| alias.value.clone()),
        SelectItem::UnnamedExpr(expr) => ranking(expr).map(function_name),
        _ => None,
    }
}

fn ranking(expr: &SqlExpr) -> Option<&Function> {
    match sql::unnested(expr) {
        SqlExpr::Function(f) if f.over.is_some() && RANKS.contains(&function_name(f).as_str()) => Some(f),
        _ => None,
    }
}

/// The first function `over (…)` in an expression.
pub(super) fn over_in(expr: &SqlExpr) -> Option<Function> {
    struct Over;
    impl Visitor for Over {
        type Break = Function;
        fn pre_visit_expr(&mut self, expr: &SqlExpr) -> ControlFlow<Function> {
            match expr {
                SqlExpr::Function(f) if f.over.is_some() => ControlFlow::Break(f.clone()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match Visit::visit(expr, &mut Over) {
        ControlFlow::Break(f) => Some(f),
        ControlFlow::Continue(()) => None,
    }
}

/// `*` means the columns from before the line that is to come, and the edges of the windows that the rows are cut into.
pub(super) fn spread(items: &mut Vec<Item>, part: &Part<'_>) {
    let edges: &[&str] = if part.window.is_some() { &["window_start", "window_end"] } else { &[] };
    let names: Vec<String> =
        part.work.flow.columns().iter().map(|c| c.name().to_owned()).chain(edges.iter().map(|e| (*e).to_owned())).collect();
    let all = std::mem::take(items).into_iter().flat_map(|item| match item {
        Item::All(span) => names
            .iter()
            .map(|name| Item::One {
                name: Some(Name::new(name.clone(), span)),
                expr: Box::new(columns::by_name(name, datafusion_sql::sqlparser::tokenizer::Span::empty())),
            })
            .collect(),
        other => vec![other],
    });
    *items = all.collect();
}

/// `lag` or `lead`.
fn neighbour(expr: &SqlExpr) -> Option<&Function> {
    match sql::unnested(expr) {
        SqlExpr::Function(f) if f.over.is_some() && ["lag", "lead"].contains(&function_name(f).as_str()) => Some(f),
        _ => None,
    }
}

/// Calls of `lag` or `lead` that become one line.
struct NeighbourLine {
    /// Direction, distance and `over (…)`.
    key: (bool, u64, String),
    at: Span,
    spec: WindowSpec,
    values: Vec<(Name, SqlExpr)>,
}

impl NeighbourLine {
    fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(n, _)| n.value == name)
    }
}

/// A ranking that is to become a line.
struct Ranking {
    call: Function,
    name: Name,
    limit: Option<RankLimit>,
    /// The rank comes out.
    rank: bool,
}

impl Lowering<'_> {
    /// The ranking among what is selected, or in `qualify`. Whether it used the windows that the rows are cut into.
    pub(super) fn rank_part<'t>(
        &mut self,
        scope: &mut Scope<'t>,
        part: &mut Part<'t>,
        select: &Select,
        items: &mut Vec<Item>,
        qualify: Option<&SqlExpr>,
        wanted: Option<&Wanted>,
    ) -> Heard<bool> {
        let at = items.iter().position(|i| matches!(i, Item::One { expr, .. } if ranking(expr).is_some()));
        let mut conditions = qualify.map(sql::conjuncts).unwrap_or_default();
        let ranking = match at {
            Some(at) => {
                let Item::One { name, expr } = items[at].clone() else { return Ok(false) };
                let Some(call) = ranking(&expr).cloned() else { return Ok(false) };
                let name = name.unwrap_or_else(|| Name::new(function_name(&call), scope.place_of(&expr)));
                let called = name.value.clone();
                let text = expr.to_string();
                let is_rank =
                    |e: &SqlExpr| e.to_string() == text || matches!(columns::path(e), Some([id]) if id.value.eq_ignore_ascii_case(&called));
                let limit = take_limit(&mut conditions, &is_rank).or(wanted.map(|w| w.limit));
                let rank = qualify.is_some() || wanted.is_none_or(|w| w.rank);
                if rank {
                    let own = super::columns::by_name(&called, expr.span());
                    items[at] = Item::One { name: Some(name.clone()), expr: Box::new(own) };
                } else {
                    items.remove(at);
                }
                Some(Ranking { call, name, limit, rank })
            }
            None => {
                let call = conditions.iter().find_map(over_in);
                match call {
                    Some(call) if RANKS.contains(&function_name(&call).as_str()) => {
                        let text = SqlExpr::Function(call.clone()).to_string();
                        let is_rank = |e: &SqlExpr| e.to_string() == text;
                        let limit = take_limit(&mut conditions, &is_rank);
                        let name = Name::new("__rank".into(), scope.span(call.name.span()));
                        Some(Ranking { call, name, limit, rank: false })
                    }
                    _ => None,
                }
            }
        };
        let Some(ranking) = ranking else {
            if let Some(condition) = qualify {
                let at = scope.place_of(condition);
                let message = "`qualify` is about a rank, and there is none";
                let hint = "write `qualify row_number() over (partition by … order by …) <= 3`, or filter in `where`";
                return Err(self.refuse(scope, codes::QUERY_RANK, at, message, hint));
            }
            return Ok(false);
        };
        let ranks = |f: Function| RANKS.contains(&function_name(&f).as_str());
        if let Some(Item::One { expr, .. }) = items.iter().find(|i| matches!(i, Item::One { expr, .. } if over_in(expr).is_some_and(ranks)))
        {
            let at = scope.place_of(expr);
            let message = "one query has one ranking";
            return Err(self.refuse(scope, codes::QUERY_RANK, at, message, "rank in a query in `from`, and again around it"));
        }
        spread(items, part);
        let windowed = self.rank_line(scope, part, select, ranking)?;
        if !conditions.is_empty() {
            self.filters(scope, Some(select), part, conditions)?;
        }
        Ok(windowed)
    }

    fn rank_line(&mut self, scope: &Scope<'_>, part: &mut Part<'_>, select: &Select, ranking: Ranking) -> Heard<bool> {
        let at = scope.span(ranking.call.name.span());
        let function = function_name(&ranking.call);
        let spec = self.over(scope, select, &ranking.call, at)?;
        if spec.window_frame.is_some() {
            let message = format!("`{function}` looks at the whole group, and takes no frame");
            return Err(self.refuse(scope, codes::QUERY_RANK, at, message, "leave `rows between …` out"));
        }
        if spec.order_by.is_empty() {
            let message = format!("`{function}` without an order ranks rows by chance");
            return Err(self.refuse(
                scope,
                codes::QUERY_RANK,
                at,
                message,
                "say which rows come first: `over (partition by k order by t desc)`",
            ));
        }
        let mut keys = spec.partition_by.clone();
        let mut window = None;
        if part.window.is_some() {
            keys.retain(|k| columns::path(k).and_then(sql::is_window).is_none());
            if keys.len() == spec.partition_by.len() {
                let message = "rows that are cut into windows are ranked in them";
                let hint = "write `partition by window_start, window_end`, and the keys behind";
                return Err(self.refuse(scope, codes::QUERY_WINDOW, at, message, hint));
            }
            window = part.window.take();
        }
        // Groups of one event time each, such as results of windows by the window's end, are kept until the watermark has passed it.
        let time = part.work.flow.stream.time_column().filter(|_| self.rows_stay(part));
        let settled =
            time.is_some_and(|t| keys.iter().any(|k| columns::column(k, part.work.flow.columns()).is_some_and(|c| c.name() == t)));
        let per: Vec<NamedExpr> = keys.iter().map(|k| NamedExpr { name: None, expr: self.handed(scope, k) }).collect();
        let windowed = window.is_some();
        let first =
            ranking.limit.is_some_and(|l| l.count == 1 && l.all) && !ranking.rank && function == "row_number" && !windowed && !settled;
        if first
            && let [OrderByExpr { expr, options: OrderByOptions { asc, nulls_first: None }, with_fill: None }] = spec.order_by.as_slice()
            && columns::column(expr, part.work.flow.columns()).is_some()
        {
            let deduplicate = ast::Deduplicate {
                by: per,
                keep_last: *asc == Some(false),
                order: Some(self.handed(scope, expr)),
                within: None,
                keep_state: scope.keep(),
            };
            self.line_at(part, at, Action::Deduplicate(deduplicate))?;
            return Ok(false);
        }
        let order = self.order(scope, part, &spec.order_by)?;
        let top = ast::Top {
            count: Spanned::new(ranking.limit.map_or(u64::MAX, |l| l.count), at),
            order,
            per,
            with_ties: function == "rank",
            rank_as: ranking.rank.then(|| ranking.name.clone()),
            keep_state: if windowed || settled { None } else { scope.keep() },
            window,
        };
        self.line_at(part, at, Action::Top(top))?;
        Ok(windowed)
    }

    /// `lag` and `lead` among what is selected: a line for all that look equally far, in the same direction, through the same order.
    pub(super) fn neighbours_part(
        &mut self,
        scope: &Scope<'_>,
        part: &mut Part<'_>,
        select: &Select,
        items: &mut Vec<Item>,
    ) -> Heard<bool> {
        let mut lines: Vec<NeighbourLine> = Vec::new();
        for item in items.iter_mut() {
            let Item::One { name, expr } = item else { continue };
            let Some(call) = neighbour(expr).cloned() else { continue };
            let at = scope.span(call.name.span());
            let function = function_name(&call);
            let name = name.clone().unwrap_or_else(|| Name::new(function.clone(), at));
            let (value, distance) = self.neighbour_arguments(scope, &call, at)?;
            let spec = self.over(scope, select, &call, at)?;
            if spec.window_frame.is_some() || spec.order_by.is_empty() {
                let message = format!("`{function}` goes through the rows of a group in an order, without a frame");
                let hint = "write `over (partition by k order by t)`, by the event time";
                return Err(self.refuse(scope, codes::QUERY_RANK, at, message, hint));
            }
            // The name may be one that the rows have already, and that is let go.
            let taken = |n: &str| part.work.flow.columns().iter().any(|c| c.name() == n);
            let column = match taken(&name.value) {
                true => {
                    (1..).map(|i| format!("__{function}{i}")).find(|n| !taken(n) && lines.iter().all(|l| !l.has(n))).unwrap_or_default()
                }
                false => name.value.clone(),
            };
            let key = (function == "lead", distance, spec.to_string());
            let value = (Name::new(column.clone(), name.span), value);
            match lines.iter_mut().find(|l| l.key == key) {
                Some(line) => line.values.push(value),
                None => lines.push(NeighbourLine { key, at, spec, values: vec![value] }),
            }
            **expr = columns::by_name(&column, expr.span());
            *item = Item::One { name: Some(name), expr: expr.clone() };
        }
        let any = !lines.is_empty();
        if any {
            spread(items, part);
        }
        let window = if any { part.window.take() } else { None };
        for line in lines {
            self.neighbour_line(scope, part, line, window.clone())?;
        }
        Ok(any)
    }

    fn neighbour_line(
        &mut self,
        scope: &Scope<'_>,
        part: &mut Part<'_>,
        line: NeighbourLine,
        window: Option<Spanned<ast::Window>>,
    ) -> Heard<()> {
        let NeighbourLine { key: (ahead, distance, _), at, spec, values } = line;
        let mut keys = spec.partition_by;
        if window.is_some() {
            let all = keys.len();
            keys.retain(|k| columns::path(k).and_then(sql::is_window).is_none());
            if keys.len() == all {
                let message = "rows that are cut into windows see each other in them";
                let hint = "write `partition by window_start, window_end`, and the keys behind";
                return Err(self.refuse(scope, codes::QUERY_WINDOW, at, message, hint));
            }
        }
        let order = self.order(scope, part, &spec.order_by)?;
        let values = values.into_iter().map(|(name, value)| NamedExpr { name: Some(name), expr: self.handed(scope, &value) }).collect();
        let neighbours = ast::Neighbours {
            ahead,
            values,
            distance: (distance != 1).then(|| Spanned::new(distance, at)),
            per: keys.iter().map(|k| NamedExpr { name: None, expr: self.handed(scope, k) }).collect(),
            order: Some(order),
            keep_state: if window.is_some() { None } else { scope.keep() },
            window,
        };
        self.line_at(part, at, Action::Neighbours(neighbours))
    }

    /// `lag(x)`, `lag(x, 2)`: the value, and how far away.
    fn neighbour_arguments(&mut self, scope: &Scope<'_>, call: &Function, at: Span) -> Heard<(SqlExpr, u64)> {
        let args: Vec<&SqlExpr> = match &call.args {
            FunctionArguments::List(list) if list.clauses.is_empty() && list.duplicate_treatment.is_none() => list
                .args
                .iter()
                .filter_map(|a| match a {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        let found = match args.as_slice() {
            [value] => Some(((*value).clone(), 1)),
            [value, distance] => sql::whole(distance).filter(|d| *d > 0).map(|d| ((*value).clone(), d)),
            _ => None,
        };
        match found {
            Some(found) if call.null_treatment.is_none() && call.filter.is_none() => Ok(found),
            _ => {
                let function = function_name(call);
                let message = format!("`{function}` takes a value and how many rows away it is");
                let hint = format!(
                    "write `{function}(price)` or `{function}(price, 2)`; where there is no such row it is null: `coalesce` gives another value in a query around it"
                );
                Err(self.refuse(scope, codes::QUERY_RANK, at, message, hint))
            }
        }
    }

    /// What stands in `over (…)`, or in `window w as (…)`.
    pub(super) fn over(&mut self, scope: &Scope<'_>, select: &Select, call: &Function, at: Span) -> Heard<WindowSpec> {
        let named = |wanted: &str| {
            select.named_window.iter().find_map(|w| match &w.1 {
                NamedWindowExpr::WindowSpec(spec) if w.0.value.eq_ignore_ascii_case(wanted) => Some(spec.clone()),
                _ => None,
            })
        };
        let found = match &call.over {
            Some(WindowType::WindowSpec(spec)) if spec.window_name.is_none() => Some(spec.clone()),
            Some(WindowType::NamedWindow(id)) => named(&id.value),
            _ => None,
        };
        match found {
            Some(spec) => Ok(spec),
            None => {
                let message = "there is no `window` of this name in the query";
                Err(self.refuse(scope, codes::QUERY_RANK, at, message, "write what it stands for: `over (partition by … order by …)`"))
            }
        }
    }

    /// An order as the lines of a step have it. Its columns are looked up first, so that a wrong one is said where it stands.
    pub(super) fn order(&mut self, scope: &Scope<'_>, part: &Part<'_>, exprs: &[OrderByExpr]) -> Heard<ast::Expr> {
        let mut texts = Vec::new();
        let mut spans = Vec::new();
        for item in exprs {
            let handed = self.handed(scope, &item.expr);
            self.expression(scope.texts, &handed, part.work.flow.columns(), crate::expr::Place::Row)?;
            spans.push(handed.span);
            texts.push(item.to_string());
        }
        let span = spans.into_iter().reduce(Span::cover).unwrap_or(scope.line);
        Ok(Spanned::new(texts.join(", "), span))
    }
}

/// The condition that says how many rows are wanted; taken out where nothing else is left of it.
fn take_limit(conditions: &mut Vec<SqlExpr>, is_rank: &dyn Fn(&SqlExpr) -> bool) -> Option<RankLimit> {
    let (at, limit) = conditions.iter().enumerate().find_map(|(i, c)| sql::rank_limit(c, is_rank).map(|l| (i, l)))?;
    if limit.all {
        conditions.remove(at);
    }
    Some(limit)
}
