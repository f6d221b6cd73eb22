//! `sql`: a query becomes the lines that say the same, and those are lowered as if they stood in the step.
//!
//! A query is lowered from the inside out. Each relation of it is a [`Part`]: a flow, as a step has one, whose columns are called by the names that the query
//! gives them. What SQL says in one clause (`where`, `group by`, `row_number() … <= 3`) becomes an action of the language; so typing, checks, state, the
//! optimiser and `explain` are those of the verbs, and so is the plan. Expressions keep the places that the SQL parser gave them.

mod bounds;
mod columns;
mod from;
mod group;
mod join;
mod rank;
mod recognize;
mod recursive;
mod running;
mod select;
mod semi;

use super::{
    Heard, Lowering, Named, Said, Texts,
    step::{Work, names_of},
    stream::{Flow, Stream},
};
use crate::{catalogue as codes, expr::Places, names, sql};
use datafusion_sql::sqlparser::{
    ast::{Expr as SqlExpr, LimitClause, OrderBy, OrderByKind, Query, SetExpr, SetOperator, SetQuantifier, Spanned as _, TableAlias},
    tokenizer::Span as SqlSpan,
};
use runink_dsl::{
    FileId,
    ast::{self, Action, Name, NamedExpr, Retention, Span, Spanned},
    variables::Substituted,
};
use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
};

/// How deep queries may stand in each other.
const QUERY_DEPTH_MAX: usize = 32;

/// A query's text with the expressions of it that have been handed to lines.
pub(super) struct ParsedQuery {
    text: Arc<Substituted>,
    expressions: HashMap<(Span, String), (SqlExpr, Range<usize>)>,
}

/// The rows of the step before the query, and what they are called.
pub(super) struct Own {
    names: Vec<String>,
    stream: Stream,
}

/// A query, lowered.
pub(super) struct Lowered {
    pub(super) flow: Flow,
    /// The inputs of the scenario that it reads.
    read: BTreeSet<String>,
    /// It reads the rows of its step.
    own_read: bool,
}

/// What is the same everywhere in a query.
struct Scope<'t> {
    texts: Texts<'t>,
    text: Arc<Substituted>,
    /// `keep …` behind the query.
    keep: Option<Spanned<Retention>>,
    /// Something has been kept that long.
    kept: Cell<bool>,
    step: String,
    at: (FileId, Span),
    /// Where the line stands.
    line: Span,
    own: Option<Own>,
    own_read: bool,
    read: BTreeSet<String>,
    /// What `with` defines, the innermost last.
    defined: Vec<Defined>,
    depth: usize,
}

/// What `with` defines.
#[derive(Clone)]
struct Defined {
    alias: TableAlias,
    query: Query,
    /// It reads itself.
    recursive: bool,
    /// While its round is lowered: the rows that it has found so far.
    found: Option<Stream>,
}

/// A relation of a query.
struct Part<'t> {
    work: Work<'t>,
    /// It is cut into windows that nothing has used yet.
    window: Option<Spanned<ast::Window>>,
}

/// How many rows of each group the query outside wants of a ranking inside.
struct Wanted {
    limit: sql::RankLimit,
    /// The rank itself is read.
    rank: bool,
}

impl Scope<'_> {
    /// How long state is kept that nothing bounds.
    fn keep(&self) -> Option<Spanned<Retention>> {
        self.kept.set(true);
        self.keep.clone()
    }

    fn places(&self) -> Places<'_> {
        Places::new(self.texts.file, &self.text)
    }

    /// The place of something of the query in the file.
    fn span(&self, span: SqlSpan) -> Span {
        self.places().span(span)
    }

    /// The place of an expression.
    fn place_of(&self, expr: &SqlExpr) -> Span {
        let part = sql::part_of(&self.places(), expr);
        self.text.span_of(part.start, part.end)
    }

    /// An expression as it is written.
    fn written(&self, expr: &SqlExpr) -> String {
        let part = sql::part_of(&self.places(), expr);
        self.text.text.get(part).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn work<'t>(&self, flow: Flow, texts: Texts<'t>) -> Work<'t> {
        Work { flow, texts, input: Vec::new(), unused: Vec::new(), ports: Vec::new() }
    }
}

impl Lowering<'_> {
    /// `sql """…"""` among a step's lines: the query reads the rows so far by the name of the step's input.
    pub(super) fn sql(&mut self, work: &mut Work<'_>, span: Span, query: &ast::Sql) -> Heard<()> {
        self.flush(&mut work.flow);
        let own = Own { names: work.input.clone(), stream: work.flow.stream.clone() };
        let (step, at) = (work.flow.step.clone(), work.flow.at);
        let lowered = self.query(work.texts, &step, at, span, query, Some(own))?;
        work.unused.retain(|n| !lowered.read.contains(&n.value));
        if !lowered.own_read {
            let name = work.input.first().cloned().unwrap_or_default();
            let message = format!("the query does not read `{name}`, so what stands before it in this step is lost");
            let hint = format!("write `from {name}`, which means the rows as they are here, or leave out what stands before");
            return Err(self.error(codes::QUERY_INPUT, work.texts.file, span, message, hint));
        }
        work.flow = lowered.flow;
        Ok(())
    }

    /// Lowers a query to a flow of the step.
    pub(super) fn query(
        &mut self,
        texts: Texts<'_>,
        step: &str,
        at: (FileId, Span),
        line: Span,
        query: &ast::Sql,
        own: Option<Own>,
    ) -> Heard<Lowered> {
        let text = Arc::new(self.text(texts, &query.text.value, query.text.span, true)?);
        let parsed = sql::parse(&Places::new(texts.file, &text)).map_err(|d| vec![*d]);
        let parsed = self.heard(parsed)?;
        let number = self.queries.len();
        self.queries.push(ParsedQuery { text: text.clone(), expressions: HashMap::new() });
        let mut scope = Scope {
            texts: Texts { query: Some(number), ..texts },
            text,
            keep: query.keep_state.clone(),
            kept: Cell::new(false),
            step: step.to_owned(),
            at,
            line,
            own,
            own_read: false,
            read: BTreeSet::new(),
            defined: Vec::new(),
            depth: 0,
        };
        let part = self.whole_query(&mut scope, &parsed, None)?;
        if let Some(keep) = query.keep_state.as_ref().filter(|_| !scope.kept.get()) {
            let message = "nothing in this query is kept for longer than its windows and bounds say";
            return Err(self.error(codes::EMIT, texts.file, keep.span, message, "leave `keep` out"));
        }
        let mut flow = part.work.flow;
        // Names of the query's relations end with it.
        flow.stream.columns.iter_mut().for_each(|c| c.origins.clear());
        Ok(Lowered { flow, read: scope.read, own_read: scope.own_read })
    }

    /// The parsed form of an expression that a query handed to a line, and its places.
    pub(super) fn parsed<'q>(&'q self, texts: Texts<'_>, expr: &ast::Expr) -> Option<(SqlExpr, Places<'q>)> {
        let query = self.queries.get(texts.query?)?;
        let (sql, part) = query.expressions.get(&(expr.span, expr.value.clone()))?;
        Some((sql.clone(), Places::new(texts.file, &query.text).within(part.clone())))
    }

    /// An expression of the query as lines take it.
    fn handed(&mut self, scope: &Scope<'_>, sql: &SqlExpr) -> ast::Expr {
        let part = sql::part_of(&scope.places(), sql);
        let span = scope.text.span_of(part.start, part.end);
        let value = sql.to_string();
        if let Some(query) = scope.texts.query.and_then(|q| self.queries.get_mut(q)) {
            query.expressions.insert((span, value.clone()), (sql.clone(), part));
        }
        Spanned::new(value, span)
    }

    fn refuse(&mut self, scope: &Scope<'_>, code: &'static str, span: Span, message: impl Into<String>, hint: impl Into<String>) -> Said {
        self.error(code, scope.texts.file, span, message, hint)
    }

    /// Lowers one line of the step that the query stands for.
    fn line(&mut self, scope: &Scope<'_>, part: &mut Part<'_>, action: Action) -> Heard<()> {
        self.line_at(part, scope.line, action)
    }

    fn line_at(&mut self, part: &mut Part<'_>, span: Span, action: Action) -> Heard<()> {
        self.action(&mut part.work, &Spanned::new(action, span))
    }

    /// A query with everything around its `select`.
    fn whole_query<'t>(&mut self, scope: &mut Scope<'t>, query: &Query, wanted: Option<&Wanted>) -> Heard<Part<'t>> {
        scope.depth += 1;
        if scope.depth > QUERY_DEPTH_MAX {
            let message = format!("queries stand in each other more than {QUERY_DEPTH_MAX} deep");
            let at = scope.span(query.span());
            return Err(self.refuse(scope, codes::TOO_LONG, at, message, "put parts of it into steps of their own, and read those"));
        }
        let defined = scope.defined.len();
        let part = self.query_inside(scope, query, wanted);
        scope.defined.truncate(defined);
        scope.depth -= 1;
        part
    }

    fn query_inside<'t>(&mut self, scope: &mut Scope<'t>, query: &Query, wanted: Option<&Wanted>) -> Heard<Part<'t>> {
        let Query { with, body, order_by, limit_clause, fetch, locks, for_clause, settings, format_clause, pipe_operators } = query;
        let whole = scope.span(query.span());
        if !locks.is_empty() {
            return Err(self.refuse(
                scope,
                codes::QUERY_KIND,
                whole,
                "a stream has no rows to lock",
                "leave `for update` or `for share` out",
            ));
        }
        if for_clause.is_some() || settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty() {
            let message = "this query has a clause of another dialect behind it";
            return Err(self.refuse(scope, codes::QUERY_KIND, whole, message, "leave it out: options stand at sources, steps and sinks"));
        }
        if let Some(with) = with {
            for cte in &with.cte_tables {
                let recursive = with.recursive && recursive::reads_itself(cte);
                scope.defined.push(Defined { alias: cte.alias.clone(), query: cte.query.as_ref().clone(), recursive, found: None });
            }
        }
        let limit = self.limit(scope, limit_clause.as_ref(), fetch.as_ref())?;
        match (order_by, limit) {
            (None, None) => self.set_of(scope, body, wanted),
            (None, Some((_, span))) => {
                let message = "`limit` without an order takes whichever rows come first, which is not the same in two runs";
                let hint = "say which rows are wanted: `order by price desc limit 10`";
                Err(self.refuse(scope, codes::QUERY_KIND, span, message, hint))
            }
            (Some(order), None) => {
                let span = scope.span(order.span());
                let message = "a stream has no end at which its rows could be put into an order";
                let hint = "leave `order by` out, or add `limit n`: the first n rows, kept up to date as rows come";
                Err(self.refuse(scope, codes::QUERY_KIND, span, message, hint))
            }
            (Some(order), Some(limit)) => {
                let mut part = self.set_of(scope, body, None)?;
                self.first_rows(scope, &mut part, order, limit)?;
                Ok(part)
            }
        }
    }

    /// `limit n` or `fetch first n rows only`.
    fn limit(
        &mut self,
        scope: &Scope<'_>,
        clause: Option<&LimitClause>,
        fetch: Option<&datafusion_sql::sqlparser::ast::Fetch>,
    ) -> Heard<Option<(u64, Span)>> {
        let (quantity, exact, offset) = match (clause, fetch) {
            (None, None) => return Ok(None),
            (Some(LimitClause::LimitOffset { limit, offset, limit_by }), _) => (limit.as_ref(), limit_by.is_empty(), offset.is_some()),
            (Some(LimitClause::OffsetCommaLimit { limit, .. }), _) => (Some(limit), true, true),
            (None, Some(fetch)) => (fetch.quantity.as_ref(), !fetch.percent && !fetch.with_ties, false),
        };
        let span = quantity.map_or(scope.line, |q| scope.place_of(q));
        if offset {
            let message = "`offset` leaves out rows that change with every row that comes";
            return Err(self.refuse(
                scope,
                codes::QUERY_KIND,
                span,
                message,
                "leave `offset` out, and take the rows that you need in the reader",
            ));
        }
        match quantity.and_then(sql::whole).filter(|n| exact && *n > 0) {
            Some(count) => Ok(Some((count, span))),
            None => {
                let message = "`limit` takes a whole number of rows from 1";
                Err(self.refuse(scope, codes::QUERY_KIND, span, message, "for example `order by price desc limit 10`"))
            }
        }
    }

    /// `order by … limit n`.
    fn first_rows(&mut self, scope: &Scope<'_>, part: &mut Part<'_>, order: &OrderBy, (count, span): (u64, Span)) -> Heard<()> {
        let OrderByKind::Expressions(exprs) = &order.kind else {
            let at = scope.span(order.span());
            return Err(self.refuse(scope, codes::QUERY_KIND, at, "`order by all` does not say what counts most", "name the columns"));
        };
        let order = self.order(scope, part, exprs)?;
        let top = ast::Top {
            count: Spanned::new(count, span),
            order,
            per: Vec::new(),
            with_ties: false,
            rank_as: None,
            window: None,
            keep_state: scope.keep(),
        };
        self.line_at(part, span, Action::Top(top))
    }

    /// What stands where a `select` stands.
    fn set_of<'t>(&mut self, scope: &mut Scope<'t>, body: &SetExpr, wanted: Option<&Wanted>) -> Heard<Part<'t>> {
        match body {
            SetExpr::Select(select) => self.select_part(scope, select, wanted),
            SetExpr::Query(query) => self.whole_query(scope, query, wanted),
            SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right } => {
                self.union_part(scope, left, right, *set_quantifier)
            }
            SetExpr::SetOperation { op, right, .. } => {
                let span = scope.span(right.span());
                let (verb, with) = match op {
                    SetOperator::Intersect => ("intersect", "exists"),
                    _ => ("except", "not exists"),
                };
                let message = format!("`{verb}` compares all rows of two inputs, and a stream has no end at which they are all there");
                let hint =
                    format!("write `where {with} (select 1 from b where b.id = a.id and …)`, with a bound in time or `keep state for …`");
                Err(self.refuse(scope, codes::QUERY_SET, span, message, hint))
            }
            SetExpr::Values(_) => {
                let message = "`values` are rows without a source";
                let hint = "put them into a file, and read it: `@source(name=…, type=file, path=…, key=…)`";
                let span = scope.span(body.span());
                Err(self.refuse(scope, codes::QUERY_KIND, span, message, hint))
            }
            SetExpr::Table(_) | SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                let span = scope.span(body.span());
                Err(self.refuse(scope, codes::QUERY_KIND, span, "a `select` is needed here", "write `select * from …`"))
            }
        }
    }

    /// `a union all b`: by position in SQL, so the columns of all others take the names of the first.
    fn union_part<'t>(&mut self, scope: &mut Scope<'t>, left: &SetExpr, right: &SetExpr, quantifier: SetQuantifier) -> Heard<Part<'t>> {
        let distinct = match quantifier {
            SetQuantifier::All => false,
            SetQuantifier::None | SetQuantifier::Distinct => true,
            SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {
                let span = scope.span(right.span());
                let message = "`by name` is not part of this SQL";
                return Err(self.refuse(
                    scope,
                    codes::QUERY_SET,
                    span,
                    message,
                    "write `union all`, and select the columns in the same order",
                ));
            }
        };
        // A chain of `union all` is one union.
        let mut leaves = Vec::new();
        let mut open = left;
        let first = loop {
            match open {
                SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier: SetQuantifier::All, right } if !distinct => {
                    leaves.push(right.as_ref());
                    open = left;
                }
                other => break other,
            }
        };
        leaves.reverse();
        leaves.push(right);
        let mut part = self.set_of(scope, first, None)?;
        let wanted: Vec<String> = part.work.flow.columns().iter().map(|c| c.name().to_owned()).collect();
        let mut streams = Vec::new();
        for leaf in leaves {
            let mut other = self.set_of(scope, leaf, None)?;
            let span = scope.span(leaf.span());
            let names: Vec<String> = other.work.flow.columns().iter().map(|c| c.name().to_owned()).collect();
            if names.len() != wanted.len() {
                let message = format!("the first query has {} columns, and this one has {}", wanted.len(), names.len());
                return Err(self.refuse(scope, codes::QUERY_SET, span, message, "select the same columns in both, in the same order"));
            }
            if names != wanted {
                let items = names.iter().zip(&wanted);
                let items =
                    items.map(|(from, to)| NamedExpr { name: Some(Name::new(to.clone(), span)), expr: Spanned::new(quoted(from), span) });
                self.line_at(&mut other, span, Action::Select(items.collect()))?;
            }
            self.flush(&mut other.work.flow);
            streams.push(("the other query".to_owned(), span, other.work.flow.stream));
        }
        self.union_with(&mut part.work, scope.line, streams)?;
        if distinct {
            self.distinct(scope, &mut part, scope.line)?;
        }
        Ok(part)
    }

    /// An input that a query names: the rows of its own step, a step or a source.
    fn named_input(&mut self, scope: &mut Scope<'_>, name: &str, span: Span) -> Heard<(Stream, Vec<String>)> {
        if let Some(own) = &scope.own
            && own.names.iter().any(|n| n.eq_ignore_ascii_case(name))
        {
            scope.own_read = true;
            let (stream, names) = (own.stream.clone(), own.names.clone());
            return Ok((self.fed_stream(name, stream), names));
        }
        let scenario = self.input.scenario;
        let steps = scenario.steps.iter().map(|s| s.step.name.value.clone());
        let known: BTreeSet<String> =
            scenario.sources.iter().map(|s| s.name.value.clone()).chain(steps).chain(self.named.keys().cloned()).collect();
        let mut folded = known.iter().filter(|k| k.eq_ignore_ascii_case(name));
        let found = match (known.get(name), folded.next(), folded.next()) {
            (Some(exact), ..) => Some(exact.clone()),
            (None, Some(one), None) => Some(one.clone()),
            _ => None,
        };
        let is_step = |n: &str| scenario.steps.iter().any(|s| s.step.name.value == n);
        let Some(found) = found
            .or_else(|| (name == super::step::REJECTED || name.split_once('.').is_some_and(|(s, _)| is_step(s))).then(|| name.to_owned()))
        else {
            let others = known.iter().map(String::as_str).filter(|k| *k != scope.step);
            let hint = names::hint(name, "inputs of this scenario", others);
            return Err(self.refuse(scope, codes::QUERY_INPUT, span, format!("there is no source and no step `{name}`"), hint));
        };
        let step = found.split_once('.').map_or(found.as_str(), |(step, _)| if is_step(step) { step } else { found.as_str() });
        if matches!(self.named.get(step), Some(Named::Open)) || (is_step(step) && !self.named.contains_key(step)) {
            let message = if step == scope.step {
                "this query reads the step that it stands in".to_owned()
            } else {
                format!("`{found}` reads this step, so reading it here would be a circle")
            };
            return Err(self.refuse(scope, codes::QUERY_INPUT, span, message, "read a source, or a step that does not depend on this one"));
        }
        let stream = self.input_stream(&found, scope.texts.file, span)?;
        scope.read.insert(found.clone());
        let names = names_of(&found).into_iter().map(str::to_owned).collect();
        Ok((stream, names))
    }
}

/// A name in double quotes, as expressions take any column.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
