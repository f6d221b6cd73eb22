//! `group by`: keys, windows, aggregates and `having` become one `aggregate`; what is selected of its results comes behind it.

use super::{Part, Scope, columns, columns::by_name, select::Item};
use crate::{
    Op, catalogue as codes,
    expr::{Functions, function_name, has_aggregate},
    lower::{Heard, Lowering, stream::Column},
    sql::{self, WindowEdge},
};
use datafusion_sql::sqlparser::{
    ast::{Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, Select, Spanned as _},
    tokenizer::Span as SqlSpan,
};
use runink_dsl::ast::{self, Action, Duration, DurationUs, Name, NamedExpr, Span, Spanned};

/// How many sets `grouping sets`, `cube` and `rollup` may come to.
const GROUPING_SETS_MAX: usize = 64;

/// The column that tells groupings apart.
const GROUPING_ID: &str = "grouping_id";

const WINDOW_START: &str = "window_start";
const WINDOW_END: &str = "window_end";

/// A key of the group.
struct Key {
    expr: SqlExpr,
    canonical: String,
    /// What it is called in the result.
    name: String,
    /// It is a column by that very name.
    own: bool,
}

/// What `group by` says.
#[derive(Default)]
struct Groups {
    keys: Vec<Key>,
    sets: Vec<Vec<usize>>,
    window: Option<Spanned<ast::Window>>,
    /// The column that is the end of an earlier window: the new window's end is the same.
    end: Option<String>,
}

/// An aggregate's result.
struct Output {
    canonical: String,
    name: String,
    expr: SqlExpr,
    at: Span,
}

/// An aggregate with what surrounds it in the query.
struct Grouping {
    groups: Groups,
    outputs: Vec<Output>,
    columns: Vec<Column>,
}

impl Lowering<'_> {
    /// Groups; what comes back is what is selected, over the results.
    pub(super) fn group_part<'t>(
        &mut self,
        scope: &mut Scope<'t>,
        part: &mut Part<'t>,
        select: &Select,
        items: Vec<Item>,
        qualify: &mut Option<SqlExpr>,
    ) -> Heard<Vec<Item>> {
        if let Some(Item::All(at) | Item::AllOf(_, at)) = items.iter().find(|i| !matches!(i, Item::One { .. })) {
            let message = "`*` stands for all columns, and only the keys are left of a group";
            return Err(self.refuse(scope, codes::QUERY_GROUP, *at, message, "list the keys and the aggregates"));
        }
        let groups = self.groups(scope, part, select, &items)?;
        let columns = part.work.flow.columns().to_vec();
        let mut grouping = Grouping { groups, outputs: Vec::new(), columns };
        // Aggregates that are selected as they are keep their names; all others get one.
        for item in &items {
            let Item::One { name, expr } = item else { continue };
            if has_aggregate(expr) && grouping.is_whole(expr) {
                let name = match name {
                    Some(name) => name.clone(),
                    None => self.name_of_value(scope, expr)?,
                };
                let at = scope.place_of(expr);
                grouping.add(expr, name.value, at);
            }
        }
        let mut results = Vec::new();
        for item in items {
            let Item::One { name, expr } = item else { continue };
            let name = match (name, columns::path(&expr).and_then(<[_]>::last)) {
                (Some(name), _) => name,
                (None, Some(id)) => Name::new(id.value.clone(), scope.span(id.span)),
                (None, None) => match edge_name(&expr) {
                    Some(edge) => Name::new(edge, scope.place_of(&expr)),
                    None => self.name_of_value(scope, &expr)?,
                },
            };
            let expr = self.over_results(scope, &mut grouping, &expr)?;
            results.push(Item::One { name: Some(name), expr: Box::new(expr) });
        }
        let having = select.having.as_ref().map(|h| self.over_results(scope, &mut grouping, h)).transpose()?;
        if let Some(condition) = qualify {
            *condition = self.over_results(scope, &mut grouping, condition)?;
        }
        self.aggregate_line(scope, part, &grouping, having)?;
        Ok(results)
    }

    fn aggregate_line(&mut self, scope: &Scope<'_>, part: &mut Part<'_>, grouping: &Grouping, having: Option<SqlExpr>) -> Heard<()> {
        let Grouping { groups, outputs, .. } = grouping;
        let by: Vec<NamedExpr> = groups
            .keys
            .iter()
            .map(|key| {
                let expr = self.handed(scope, &key.expr);
                NamedExpr { name: (!key.own).then(|| Name::new(key.name.clone(), expr.span)), expr }
            })
            .collect();
        if outputs.is_empty() && groups.window.is_none() && groups.sets.is_empty() && having.is_none() && self.rows_stay(part) {
            // Groups of which only the keys are wanted: each once.
            let span = by.iter().map(|k| k.expr.span).reduce(Span::cover).unwrap_or(scope.line);
            self.line_at(part, span, Action::Select(by))?;
            return self.distinct(scope, part, span);
        }
        let mut named: Vec<NamedExpr> =
            outputs.iter().map(|o| NamedExpr { name: Some(Name::new(o.name.clone(), o.at)), expr: self.handed(scope, &o.expr) }).collect();
        if named.is_empty() {
            named.push(self.rows_output(scope.line));
        }
        let having = having.map(|h| self.handed(scope, &h));
        let aggregate = ast::Aggregate {
            outputs: named,
            by,
            grouping_sets: groups.sets.clone(),
            keep_state: if groups.window.is_none() { scope.keep() } else { None },
            window: groups.window.clone(),
            having,
            emit: None,
            allowed_lateness: None,
        };
        part.window = None;
        self.line(scope, part, Action::Aggregate(aggregate))
    }

    /// The keys, sets and window of `group by`.
    fn groups(&mut self, scope: &Scope<'_>, part: &mut Part<'_>, select: &Select, items: &[Item]) -> Heard<Groups> {
        let columns = part.work.flow.columns().to_vec();
        let sets = self.group_sets(scope, select, items)?;
        let mut groups = Groups::default();
        let mut edges: Vec<(WindowEdge, Span)> = Vec::new();
        let mut positions: Vec<Vec<usize>> = Vec::new();
        let earlier = self.earlier_window(part);
        for set in &sets {
            let mut indices = Vec::new();
            for written in set {
                let expr = self.group_expr(scope, written, items, &columns)?;
                if let Some(call) = sql::group_window(&expr) {
                    let call = self.call(scope, call)?;
                    let window = self.window_of_call(scope, &call)?;
                    if groups.window.is_some() || part.window.is_some() {
                        let message = "a query is cut into windows once";
                        let hint = "aggregate in one window, and again in a query around it";
                        return Err(self.refuse(scope, codes::QUERY_WINDOW, window.span, message, hint));
                    }
                    groups.window = Some(window);
                    continue;
                }
                if part.window.is_some()
                    && let Some(edge) = columns::path(&expr).and_then(sql::is_window)
                {
                    edges.push((edge, scope.place_of(&expr)));
                    continue;
                }
                let column = columns::column(&expr, &columns).map(|c| c.name().to_owned());
                if let (Some((name, window)), Some(column)) = (&earlier, &column)
                    && name == column
                {
                    groups.end = Some(column.clone());
                    groups.window = Some(Spanned::new(window.clone(), scope.place_of(&expr)));
                    continue;
                }
                let canonical = columns::canonical(&expr, &columns);
                let index = match groups.keys.iter().position(|k| k.canonical == canonical) {
                    Some(index) => index,
                    None => {
                        groups.keys.push(key(expr, canonical, column, items, &columns, groups.keys.len()));
                        groups.keys.len() - 1
                    }
                };
                indices.push(index);
            }
            positions.push(indices);
        }
        if let Some(window) = &part.window {
            self.edges_fit(scope, window, &edges)?;
            groups.window = part.window.clone();
        }
        if sets.len() > 1 {
            groups.sets = positions;
        }
        if groups.window.is_some() {
            // The window's own columns have these names.
            for key in groups.keys.iter_mut().filter(|k| k.name == WINDOW_START || k.name == WINDOW_END) {
                key.name = format!("__{}", key.name);
                key.own = false;
            }
        }
        Ok(groups)
    }

    /// A windowed input is grouped by what tells its windows apart.
    fn edges_fit(&mut self, scope: &Scope<'_>, window: &Spanned<ast::Window>, edges: &[(WindowEdge, Span)]) -> Heard<()> {
        let has = |edge| edges.iter().any(|(e, _)| *e == edge);
        let either = matches!(window.value.shape, ast::WindowShape::Tumbling(_) | ast::WindowShape::Hopping { .. });
        if (has(WindowEdge::Start) && has(WindowEdge::End)) || (either && !edges.is_empty()) {
            return Ok(());
        }
        let at = edges.first().map_or(window.span, |(_, at)| *at);
        let message = "rows that are cut into windows are grouped by them";
        Err(self.refuse(scope, codes::QUERY_WINDOW, at, message, "write `group by window_start, window_end`, and the keys behind"))
    }

    /// `group by` as lists of expressions: one, unless there are `grouping sets`, `rollup` or `cube`.
    fn group_sets(&mut self, scope: &Scope<'_>, select: &Select, items: &[Item]) -> Heard<Vec<Vec<SqlExpr>>> {
        let (exprs, modifiers) = match &select.group_by {
            GroupByExpr::Expressions(exprs, modifiers) => (exprs.clone(), modifiers),
            GroupByExpr::All(modifiers) => {
                let keys = items.iter().filter_map(|i| match i {
                    Item::One { expr, .. } if !has_aggregate(expr) => Some(expr.as_ref().clone()),
                    _ => None,
                });
                (keys.collect(), modifiers)
            }
        };
        if !modifiers.is_empty() {
            let at = exprs.last().map_or(scope.line, |e| scope.place_of(e));
            let message = "`with rollup`, `with cube` and `with totals` are not part of this SQL";
            return Err(self.refuse(
                scope,
                codes::QUERY_GROUP,
                at,
                message,
                "write `group by rollup (a, b)` or `grouping sets ((a, b), (a), ())`",
            ));
        }
        let mut sets: Vec<Vec<SqlExpr>> = vec![Vec::new()];
        for expr in &exprs {
            let choices: Vec<Vec<SqlExpr>> = match expr {
                SqlExpr::GroupingSets(sets) => sets.clone(),
                SqlExpr::Rollup(parts) => (0..=parts.len()).rev().map(|n| parts[..n].concat()).collect(),
                SqlExpr::Cube(parts) if parts.len() <= 6 => {
                    let choose =
                        |mask: usize| parts.iter().enumerate().filter(move |(i, _)| mask & (1 << i) != 0).flat_map(|(_, p)| p.clone());
                    (0..1usize << parts.len()).rev().map(|mask| choose(mask).collect()).collect()
                }
                SqlExpr::Cube(_) => return Err(self.too_many_sets(scope, expr)),
                SqlExpr::Tuple(parts) => vec![parts.clone()],
                plain => vec![vec![plain.clone()]],
            };
            sets = sets.iter().flat_map(|set| choices.iter().map(|c| [set.as_slice(), c].concat())).collect();
            if sets.len() > GROUPING_SETS_MAX {
                return Err(self.too_many_sets(scope, expr));
            }
        }
        Ok(sets)
    }

    fn too_many_sets(&mut self, scope: &Scope<'_>, expr: &SqlExpr) -> crate::lower::Said {
        let message = format!("this comes to more than {GROUPING_SETS_MAX} groupings of every row");
        let at = scope.place_of(expr);
        self.refuse(scope, codes::QUERY_GROUP, at, message, "name those that are wanted: `grouping sets ((a, b), (a), ())`")
    }

    /// `1` is the first thing selected, and a name that is no column is one that is selected.
    fn group_expr(&mut self, scope: &Scope<'_>, written: &SqlExpr, items: &[Item], columns: &[Column]) -> Heard<SqlExpr> {
        if let Some(number) = sql::whole(written) {
            let item = usize::try_from(number).ok().and_then(|n| items.get(n.checked_sub(1)?));
            return match item {
                Some(Item::One { expr, .. }) => Ok(expr.as_ref().clone()),
                _ => {
                    let message = format!("`group by {number}` means what is selected there, and {} things are", items.len());
                    Err(self.refuse(scope, codes::QUERY_GROUP, scope.place_of(written), message, "name the column"))
                }
            };
        }
        if let Some([id]) = columns::path(written)
            && columns::column(written, columns).is_none()
        {
            let selected = items.iter().find_map(|i| match i {
                Item::One { name: Some(name), expr } if name.value.eq_ignore_ascii_case(&id.value) => Some(expr.as_ref().clone()),
                _ => None,
            });
            if let Some(expr) = selected {
                return Ok(expr);
            }
        }
        if has_aggregate(written) {
            let at = scope.place_of(written);
            let message = "an aggregate is known only when the group is, so it cannot be a key of it";
            return Err(self.refuse(scope, codes::QUERY_GROUP, at, message, "group by its columns, or aggregate in a query in `from`"));
        }
        Ok(written.clone())
    }

    /// Where the rows are results of windows with fixed edges: the column of their ends, and the windows that hold exactly the results of one end.
    pub(super) fn earlier_window(&self, part: &Part<'_>) -> Option<(String, ast::Window)> {
        let stream = &part.work.flow.stream;
        let time = stream.time.as_ref().filter(|t| t.shift_us == -1)?;
        let column = stream.columns.get(time.column)?.name().to_owned();
        let mut node = &self.nodes[stream.node.0];
        let shape = loop {
            match &node.op {
                Op::Aggregate(aggregate) => break aggregate.window.as_ref()?.shape,
                Op::Rows(_) | Op::Output => node = &self.nodes[node.inputs.first()?.0],
                _ => return None,
            }
        };
        use crate::WindowShape as W;
        let (step, offset) = match shape {
            W::Tumbling { size, offset } => (size, offset.rem_euclid(size)),
            W::Hopping { size, slide, offset } => (slide, offset.saturating_add(size).rem_euclid(slide)),
            W::Cumulating { step, offset, .. } => (step, offset.rem_euclid(step)),
            W::Session { .. } => return None,
        };
        let length = |us: i64| -> Duration { Spanned::new(DurationUs(us), Span::default()) };
        Some((
            column,
            ast::Window { shape: ast::WindowShape::Tumbling(length(step)), offset: (offset != 0).then(|| length(offset)), on: None },
        ))
    }

    /// An expression of `select` or `having` over the results: keys, edges and aggregates become the result's columns.
    fn over_results(&mut self, scope: &Scope<'_>, grouping: &mut Grouping, expr: &SqlExpr) -> Heard<SqlExpr> {
        let mut wrong: Option<Ungrouped> = None;
        let rewritten = sql::replaced(expr, &mut |e| {
            let span = e.span();
            if let Some(found) = sql::edge_function(e) {
                match (found, grouping.groups.window.is_some()) {
                    (Ok(edge), true) => return Some(by_name(edge_column(edge), span)),
                    (Ok(_), false) => wrong = wrong.take().or(Some(Ungrouped::Edge(Box::new(e.clone())))),
                    (Err(mistake), _) => wrong = wrong.take().or(Some(Ungrouped::Mistake(mistake))),
                }
                return Some(e.clone());
            }
            if sql::group_window(e).is_some() && grouping.groups.window.is_some() {
                return Some(by_name(WINDOW_START, span));
            }
            grouping.result_of(scope, e, span, &mut wrong)
        });
        match wrong {
            None => Ok(rewritten),
            Some(Ungrouped::Mistake(mistake)) => self.call(scope, Err(mistake)),
            Some(Ungrouped::Edge(e)) => {
                let message = "there is no window here whose edge it could be";
                let hint = "group by the window: `group by tumble(t, interval '1' minute)`";
                Err(self.refuse(scope, codes::QUERY_WINDOW, scope.place_of(&e), message, hint))
            }
            Some(Ungrouped::Column(ids)) => {
                let name = ids.iter().map(|i| i.value.as_str()).collect::<Vec<_>>().join(".");
                let at = scope.span(ids.iter().fold(SqlSpan::empty(), |all, id| all.union(&id.span)));
                if !columns::reads(&grouping.columns, &ids) {
                    let path = if ids.len() == 1 { SqlExpr::Identifier(ids[0].clone()) } else { SqlExpr::CompoundIdentifier(ids) };
                    let handed = self.handed(scope, &path);
                    self.expression(scope.texts, &handed, &grouping.columns, crate::expr::Place::Row)?;
                }
                let message = format!("`{name}` is neither a key nor inside an aggregate");
                let hint = format!("add it to `group by`, or aggregate it: `max({name})`, `first_value({name})`");
                Err(self.refuse(scope, codes::NOT_GROUPED, at, message, hint))
            }
        }
    }
}

/// What stands in an expression over results and is none.
enum Ungrouped {
    Column(Vec<Ident>),
    Edge(Box<SqlExpr>),
    Mistake(sql::WindowMistake),
}

impl Grouping {
    /// An aggregate with nothing of the window in it can be computed as it stands.
    fn is_whole(&self, expr: &SqlExpr) -> bool {
        let mut edges = false;
        sql::replaced(expr, &mut |e| {
            edges |= sql::edge_function(e).is_some() || sql::group_window(e).is_some();
            edges |= columns::path(e).and_then(sql::is_window).is_some() && columns::column(e, &self.columns).is_none();
            edges |= matches!(e, SqlExpr::Function(f) if f.over.is_some());
            edges |= self.groups.end.is_some() && columns::column(e, &self.columns).map(Column::name) == self.groups.end.as_deref();
            None
        });
        !edges
    }

    /// `grouping(a, b)` of all keys, in their order: the number that tells groupings apart.
    fn names_all_keys(&self, f: &Function) -> bool {
        let FunctionArguments::List(list) = &f.args else { return false };
        let named = list.args.iter().map(|a| match a {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => columns::canonical(e, &self.columns),
            _ => String::new(),
        });
        named.eq(self.groups.keys.iter().map(|k| k.canonical.clone()))
    }

    fn add(&mut self, expr: &SqlExpr, name: String, at: Span) {
        let canonical = columns::canonical(expr, &self.columns);
        self.outputs.push(Output { canonical, name, expr: expr.clone(), at });
    }

    /// The result column that a part of an expression is.
    fn result_of(&mut self, scope: &Scope<'_>, e: &SqlExpr, span: SqlSpan, wrong: &mut Option<Ungrouped>) -> Option<SqlExpr> {
        let canonical = columns::canonical(e, &self.columns);
        if let Some(key) = self.groups.keys.iter().find(|k| k.canonical == canonical) {
            return Some(by_name(&key.name, span));
        }
        if let Some(output) = self.outputs.iter().find(|o| o.canonical == canonical) {
            return Some(by_name(&output.name, span));
        }
        if let Some(ids) = columns::path(e) {
            let column = columns::column(e, &self.columns).map(Column::name);
            if column.is_some() && column == self.groups.end.as_deref() {
                return Some(by_name(WINDOW_END, span));
            }
            if let (Some(edge), true, None) = (sql::is_window(ids), self.groups.window.is_some(), column) {
                return Some(by_name(edge_column(edge), span));
            }
            if let ([id], None, false) = (ids, column, self.groups.sets.is_empty())
                && id.value.eq_ignore_ascii_case(GROUPING_ID)
            {
                return Some(by_name(GROUPING_ID, span));
            }
            // `having` may call a result by the name that it is selected by.
            if let ([id], None) = (ids, column)
                && let Some(output) = self.outputs.iter().find(|o| o.name.eq_ignore_ascii_case(&id.value))
            {
                return Some(by_name(&output.name, span));
            }
            if !matches!(e, SqlExpr::Nested(_)) && wrong.is_none() {
                *wrong = Some(Ungrouped::Column(ids.to_vec()));
            }
            return None;
        }
        if let SqlExpr::Function(f) = e
            && ["grouping", GROUPING_ID].contains(&function_name(f).as_str())
            && !self.groups.sets.is_empty()
            && self.names_all_keys(f)
        {
            return Some(by_name(GROUPING_ID, span));
        }
        if let SqlExpr::Function(f) = e
            && f.over.is_none()
            && Functions::get().is_aggregate(&function_name(f))
        {
            let taken = |n: &str| self.outputs.iter().any(|o| o.name == n) || self.columns.iter().any(|c| c.name() == n);
            let name = (1..).map(|i| format!("__{}{i}", function_name(f))).find(|n| !taken(n))?;
            self.add(e, name.clone(), scope.place_of(e));
            return Some(by_name(&name, span));
        }
        None
    }
}

fn key(expr: SqlExpr, canonical: String, column: Option<String>, items: &[Item], columns: &[Column], number: usize) -> Key {
    let selected = items.iter().find_map(|i| match i {
        Item::One { name: Some(name), expr } if columns::canonical(expr, columns) == canonical => Some(name.value.clone()),
        _ => None,
    });
    let name = selected.or_else(|| column.clone()).unwrap_or_else(|| format!("__key{}", number + 1));
    Key { own: column.as_ref() == Some(&name), expr, canonical, name }
}

fn edge_column(edge: WindowEdge) -> &'static str {
    match edge {
        WindowEdge::Start => WINDOW_START,
        WindowEdge::End => WINDOW_END,
    }
}

/// The name of `tumble_start(…)` where it is given none.
fn edge_name(expr: &SqlExpr) -> Option<String> {
    match sql::edge_function(expr) {
        Some(Ok(edge)) => Some(edge_column(edge).to_owned()),
        _ => None,
    }
}
