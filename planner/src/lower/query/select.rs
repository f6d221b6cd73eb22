//! `select`: filters, groups, ranks, and then the columns that come out.

use super::{Part, Scope, Wanted, columns, from::Clauses, quoted};
use crate::{
    StreamKind, catalogue as codes,
    expr::{function_name, has_aggregate},
    lower::{Heard, Lowering, Said, stream::Column},
    sql,
};
use datafusion_sql::sqlparser::ast::{
    Distinct, Expr as SqlExpr, GroupByExpr, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, Spanned as _,
    WildcardAdditionalOptions,
};
use runink_dsl::ast::{self, Action, Name, NamedExpr, Span, Spanned};

/// What a `select` lists.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// `*`.
    All(Span),
    /// `relation.*`.
    AllOf(String, Span),
    /// An expression, with its name where it is given one.
    One { name: Option<Name>, expr: Box<SqlExpr> },
}

/// The count that groups are kept by when a query asks for nothing of them.
const ROWS: &str = "__rows";

impl Lowering<'_> {
    /// A `select` with all its clauses.
    pub(super) fn select_part<'t>(&mut self, scope: &mut Scope<'t>, select: &Select, wanted: Option<&Wanted>) -> Heard<Part<'t>> {
        self.plain_select(scope, select)?;
        let mut clauses = Clauses::of(select);
        let mut part = self.inputs_part(scope, &mut clauses)?;
        self.filters(scope, Some(select), &mut part, clauses.pool)?;
        let mut items = self.items_of(scope, select)?;
        self.no_values(scope, &items)?;
        let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(e, m) if e.is_empty() && m.is_empty());
        let aggregated = select.having.is_some() || items.iter().any(|i| matches!(i, Item::One { expr, .. } if has_aggregate(expr)));
        let mut qualify = select.qualify.clone();
        if grouped || aggregated {
            items = self.group_part(scope, &mut part, select, items, &mut qualify)?;
        }
        let mut ranked = self.rank_part(scope, &mut part, select, &mut items, qualify.as_ref(), wanted)?;
        ranked |= self.neighbours_part(scope, &mut part, select, &mut items)?;
        ranked |= self.running_part(scope, &mut part, select, &mut items)?;
        if part.window.is_some() && !ranked {
            self.edges_as_columns(scope, &mut part)?;
            part.window = None;
        }
        self.no_over(scope, &items)?;
        self.columns_out(scope, &mut part, &items)?;
        match &select.distinct {
            None | Some(Distinct::All) => {}
            Some(Distinct::Distinct) => self.distinct(scope, &mut part, scope.line)?,
            Some(Distinct::On(exprs)) => {
                let at = exprs.first().map_or(scope.line, |e| scope.place_of(e));
                let message = "`distinct on` takes the first row of an order, and a stream has none";
                let hint = "write `row_number() over (partition by … order by …) as rn` in a query in `from`, and `where rn = 1` around it";
                return Err(self.refuse(scope, codes::QUERY_KIND, at, message, hint));
            }
        }
        Ok(part)
    }

    /// Refuses clauses of other dialects and those that a stream has no answer to.
    pub(super) fn plain_select(&mut self, scope: &Scope<'_>, select: &Select) -> Heard<()> {
        let Select {
            select_token,
            optimizer_hints,
            distinct: _,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection: _,
            exclude,
            into,
            from: _,
            lateral_views,
            prewhere,
            selection: _,
            connect_by,
            group_by: _,
            cluster_by,
            distribute_by,
            sort_by,
            having: _,
            named_window: _,
            qualify: _,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        let at = scope.span(select_token.0.span);
        let (clause, hint) = if into.is_some() {
            ("into", "send the step's rows to a sink: `@sink(type=…)`")
        } else if top.is_some() {
            ("top", "write `order by … limit n`")
        } else if !sort_by.is_empty() || !cluster_by.is_empty() || !distribute_by.is_empty() {
            ("sort by", "leave it out: a stream's rows are put to workers by their keys")
        } else if !connect_by.is_empty() {
            ("connect by", "write the steps out as often as they are needed")
        } else if !lateral_views.is_empty() {
            ("lateral view", "write `cross join unnest(items) as i(item)`")
        } else if !optimizer_hints.is_empty() {
            ("/*+ … */", "leave the hint out; how long state is kept stands behind the query: `keep state for 7d`")
        } else if exclude.is_some() || prewhere.is_some() || select_modifiers.is_some() || value_table_mode.is_some() {
            ("select …", "write the query as PostgreSQL has it")
        } else if *flavor != SelectFlavor::Standard {
            ("from … select", "write `select … from …`")
        } else {
            return Ok(());
        };
        let message = format!("`{clause}` is not part of this SQL");
        Err(self.refuse(scope, codes::QUERY_KIND, at, message, hint))
    }

    fn items_of(&mut self, scope: &Scope<'_>, select: &Select) -> Heard<Vec<Item>> {
        let mut items = Vec::new();
        for item in &select.projection {
            items.push(match item {
                SelectItem::UnnamedExpr(expr) => Item::One { name: None, expr: Box::new(expr.clone()) },
                SelectItem::ExprWithAlias { expr, alias } => {
                    Item::One { name: Some(Name::new(alias.value.clone(), scope.span(alias.span))), expr: Box::new(expr.clone()) }
                }
                SelectItem::Wildcard(options) if plain_wildcard(options) => Item::All(scope.span(options.wildcard_token.0.span)),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) if plain_wildcard(options) => {
                    let parts: Vec<&str> = name.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.as_str()).collect();
                    Item::AllOf(parts.join("."), scope.span(name.span()))
                }
                other => {
                    let at = scope.span(other.span());
                    let message = format!("`{other}` is not part of this SQL");
                    return Err(self.refuse(scope, codes::QUERY_KIND, at, message, "list the columns that are wanted"));
                }
            });
        }
        Ok(items)
    }

    /// A query that stands where a value stands.
    fn no_values(&mut self, scope: &Scope<'_>, items: &[Item]) -> Heard<()> {
        for item in items {
            let Item::One { expr, .. } = item else { continue };
            let mut found = None;
            sql::replaced(expr, &mut |e| {
                if matches!(e, SqlExpr::Subquery(_) | SqlExpr::InSubquery { .. } | SqlExpr::Exists { .. }) && found.is_none() {
                    found = Some(scope.place_of(e));
                }
                None
            });
            if let Some(at) = found {
                let message = "a query cannot stand for a value: it changes with every row that comes";
                let hint = "join it in `from`: `join (select key, max(price) as most from … group by key) m on m.key = …`";
                return Err(self.refuse(scope, codes::QUERY_SUBQUERY, at, message, hint));
            }
        }
        Ok(())
    }

    /// A function `over (…)` that nothing has taken.
    fn no_over(&mut self, scope: &Scope<'_>, items: &[Item]) -> Heard<()> {
        for item in items {
            let Item::One { expr, .. } = item else { continue };
            let Some(call) = super::rank::over_in(expr) else { continue };
            let name = function_name(&call);
            let at = scope.span(call.name.span());
            let hint = match name.as_str() {
                "row_number" | "rank" => "give it a line of its own: `row_number() over (partition by … order by …) as rn`",
                "lag" | "lead" => "give it a line of its own: `lag(price) over (partition by … order by …) as before`",
                _ => "aggregate with `group by`, and join the result to the rows where they are needed",
            };
            return Err(self.refuse(scope, codes::QUERY_RANK, at, format!("`{name}(…) over (…)` cannot run on a stream here"), hint));
        }
        Ok(())
    }

    /// The columns that a `select` lists; nothing where they are those that there are.
    fn columns_out(&mut self, scope: &Scope<'_>, part: &mut Part<'_>, items: &[Item]) -> Heard<()> {
        if self.are_all(part.work.flow.columns(), items) {
            return Ok(());
        }
        let mut named = Vec::new();
        let mut failed = false;
        for item in items {
            named.push(match item {
                Item::All(span) => NamedExpr { name: None, expr: Spanned::new("*".into(), *span) },
                Item::AllOf(relation, span) => NamedExpr { name: None, expr: Spanned::new(format!("{relation}.*"), *span) },
                Item::One { name, expr } => match self.named_item_of(scope, part.work.flow.columns(), name.as_ref(), expr) {
                    Ok(name) => NamedExpr { name, expr: self.handed(scope, expr) },
                    Err(Said) => {
                        failed = true;
                        continue;
                    }
                },
            });
        }
        if failed {
            return Err(Said);
        }
        self.line(scope, part, Action::Select(named))
    }

    /// The name that a column comes out by: the given one, a column's own, a function's.
    fn named_item_of(&mut self, scope: &Scope<'_>, columns: &[Column], name: Option<&Name>, expr: &SqlExpr) -> Heard<Option<Name>> {
        if let Some(name) = name {
            return Ok(Some(name.clone()));
        }
        if columns::path(expr).is_some() {
            // One that there is not is said with its place when it is looked up.
            let own = columns::column(expr, columns).is_some() || columns::path(expr).is_some_and(|p| !columns::reads(columns, p));
            let last = columns::path(expr).and_then(<[_]>::last).map(|i| i.value.clone());
            return Ok(if own { None } else { last.map(|l| Name::new(l, scope.place_of(expr))) });
        }
        self.name_of_value(scope, expr).map(Some)
    }

    /// The name of a computed value that is given none.
    pub(super) fn name_of_value(&mut self, scope: &Scope<'_>, expr: &SqlExpr) -> Heard<Name> {
        let span = scope.place_of(expr);
        let own = match sql::unnested(expr) {
            SqlExpr::Function(f) => Some(function_name(f)),
            SqlExpr::Cast { expr, .. } => columns::path(expr).and_then(<[_]>::last).map(|i| i.value.clone()),
            SqlExpr::Extract { field, .. } => Some(field.to_string().to_lowercase()),
            _ => None,
        };
        match own {
            Some(own) => Ok(Name::new(own, span)),
            None => {
                let written = scope.written(expr);
                let message = format!("`{written}` needs a name");
                Err(self.refuse(scope, codes::NEEDS_NAME, span, message, format!("write `{written} as name`")))
            }
        }
    }

    fn are_all(&self, columns: &[Column], items: &[Item]) -> bool {
        if let [Item::All(_)] = items {
            return true;
        }
        let same = |(item, column): (&Item, &Column)| match item {
            Item::One { name, expr } => {
                columns::column(expr, columns).is_some_and(|c| c.name() == column.name())
                    && match name {
                        Some(name) => name.value == column.name(),
                        None => columns::path(expr).and_then(<[_]>::last).is_some_and(|i| i.value.eq_ignore_ascii_case(column.name())),
                    }
            }
            _ => false,
        };
        items.len() == columns.len() && items.iter().zip(columns).all(same)
    }

    /// Each row once. Rows that stay are let through when they come first; of rows that are taken back, those are there that are left at least once.
    pub(super) fn distinct(&mut self, scope: &Scope<'_>, part: &mut Part<'_>, span: Span) -> Heard<()> {
        let names: Vec<String> = part.work.flow.columns().iter().map(|c| c.name().to_owned()).collect();
        let by: Vec<NamedExpr> = names.iter().map(|n| NamedExpr { name: None, expr: Spanned::new(quoted(n), span) }).collect();
        if part.work.flow.stream.is_append_only() {
            let deduplicate = ast::Deduplicate { by, keep_last: false, order: None, within: None, keep_state: scope.keep() };
            return self.line_at(part, span, Action::Deduplicate(deduplicate));
        }
        let count = NamedExpr { name: Some(Name::new(ROWS.into(), span)), expr: Spanned::new("count(*)".into(), span) };
        let aggregate = ast::Aggregate {
            outputs: vec![count],
            by,
            grouping_sets: Vec::new(),
            window: None,
            having: None,
            emit: None,
            allowed_lateness: None,
            keep_state: scope.keep(),
        };
        self.line_at(part, span, Action::Aggregate(aggregate))?;
        self.line_at(part, span, Action::Drop(vec![Name::new(ROWS.into(), span)]))
    }

    /// Whether an unbounded `select distinct` can be the dedupe of keys: rows that stay.
    pub(super) fn rows_stay(&self, part: &Part<'_>) -> bool {
        part.work.flow.stream.kind == StreamKind::AppendOnly
    }

    /// The count that stands in for what a query does not ask.
    pub(super) fn rows_output(&self, span: Span) -> NamedExpr {
        NamedExpr { name: Some(Name::new(ROWS.into(), span)), expr: Spanned::new("count(*)".into(), span) }
    }
}

fn plain_wildcard(options: &WildcardAdditionalOptions) -> bool {
    let WildcardAdditionalOptions { wildcard_token: _, opt_ilike, opt_exclude, opt_except, opt_replace, opt_rename, opt_alias } = options;
    opt_ilike.is_none()
        && opt_exclude.is_none()
        && opt_except.is_none()
        && opt_replace.is_none()
        && opt_rename.is_none()
        && opt_alias.is_none()
}
