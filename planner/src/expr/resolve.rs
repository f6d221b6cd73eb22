//! Names in an expression: every column becomes the one of the node's input that is meant, every function is one that there is.
//! What a stream cannot evaluate (queries, `over`, functions that never give the same twice) is refused here, where its place is known.

use super::{functions::Functions, parse::Places};
use crate::{catalogue as codes, lower::stream::Column, names};
use arrow::datatypes::DataType;
use datafusion_sql::sqlparser::{
    ast::{
        AccessExpr, Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
        Query, Spanned, Value, ValueWithSpan, VisitMut, VisitorMut,
    },
    tokenizer::Span as SqlSpan,
};
use runink_dsl::Diagnostic;
use runink_dsl::suggest::closest;
use std::{collections::BTreeSet, ops::ControlFlow};

/// How deep an expression's tree may be.
const EXPRESSION_DEPTH_MAX: usize = 200;

/// Functions of other dialects, and what they are here.
const FUNCTIONS_ELSEWHERE: [(&str, &str); 13] = [
    ("if", "case when … then … else … end"),
    ("iff", "case when … then … else … end"),
    ("iif", "case when … then … else … end"),
    ("isnull", "x is null"),
    ("notnull", "x is not null"),
    ("len", "length(x)"),
    ("group_concat", "string_agg(x, ',')"),
    ("count_distinct", "count(distinct x)"),
    ("countdistinct", "count(distinct x)"),
    ("date_format", "to_char(t, '%Y-%m-%d')"),
    ("datediff", "extract(day from a - b)"),
    ("regexp_matches", "regexp_like(x, '…')"),
    ("tostring", "cast(x as string)"),
];

/// What stands where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Of each row.
    Row,
    /// Of a group of rows: aggregates are allowed.
    Group,
    /// Of the results of an aggregate.
    Result,
}

/// Resolves an expression in place. All that is wrong with its names is said at once.
pub(crate) fn resolve(sql: &mut SqlExpr, columns: &[Column], place: Place, places: &Places<'_>) -> Result<(), Vec<Diagnostic>> {
    let mut resolver = Resolver { columns, place, places, errors: Vec::new(), depth: 0, inside_aggregates: 0 };
    let _ = VisitMut::visit(sql, &mut resolver);
    if resolver.errors.is_empty() { Ok(()) } else { Err(resolver.errors) }
}

/// Whether an aggregate is called in it.
pub(crate) fn has_aggregate(sql: &SqlExpr) -> bool {
    datafusion_sql::sqlparser::ast::visit_expressions(sql, |e| match e {
        SqlExpr::Function(f) if f.over.is_none() && Functions::get().is_aggregate(&function_name(f)) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

struct Resolver<'a> {
    columns: &'a [Column],
    place: Place,
    places: &'a Places<'a>,
    errors: Vec<Diagnostic>,
    depth: usize,
    inside_aggregates: usize,
}

impl VisitorMut for Resolver<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let span = self.places.span(query.span());
        self.say(codes::SUBQUERY, span, "a query cannot stand inside an expression", "join the other input in this step: `@do join …`");
        ControlFlow::Break(())
    }

    fn pre_visit_expr(&mut self, expr: &mut SqlExpr) -> ControlFlow<()> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            let message = format!("this expression is more than {EXPRESSION_DEPTH_MAX} operations deep");
            self.say(codes::TOO_LONG, self.places.whole(), message, "compute parts of it in `@do set` lines before");
            return ControlFlow::Break(());
        }
        let replaced = match expr {
            SqlExpr::Identifier(id) => self.one(id).map(|name| SqlExpr::Identifier(quoted(name, id.span))),
            SqlExpr::CompoundIdentifier(ids) => self.path(ids),
            SqlExpr::CompoundFieldAccess { access_chain, .. } => {
                for access in access_chain {
                    if let AccessExpr::Dot(SqlExpr::Identifier(id)) = access {
                        let value = Value::SingleQuotedString(id.value.clone());
                        *access = AccessExpr::Dot(SqlExpr::Value(ValueWithSpan { value, span: id.span }));
                    }
                }
                None
            }
            SqlExpr::Function(f) => self.function(f),
            SqlExpr::Substring { expr, substring_from, substring_for, .. } => Some(substring(expr, substring_from, substring_for)),
            _ => None,
        };
        if let Some(replaced) = replaced {
            *expr = replaced;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut SqlExpr) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        if matches!(expr, SqlExpr::Function(f) if Functions::get().is_aggregate(&function_name(f))) {
            self.inside_aggregates = self.inside_aggregates.saturating_sub(1);
        }
        ControlFlow::Continue(())
    }
}

impl Resolver<'_> {
    fn say(&mut self, code: &'static str, span: runink_dsl::ast::Span, message: impl Into<String>, hint: impl Into<String>) {
        self.errors.push(self.places.error(code, span, message).hint(hint));
    }

    /// A bare name.
    fn one(&mut self, id: &Ident) -> Option<String> {
        match find(self.columns.iter().map(Column::name), &id.value, id.quote_style.is_some()) {
            Found::One(name) => Some(name.to_owned()),
            Found::Several(names) => {
                let list = names::list(&names).unwrap_or_default();
                let message = format!("`{}` may be any of {list}", id.value);
                self.say(codes::AMBIGUOUS_COLUMN, self.places.span(id.span), message, "write the name with its capitals, in double quotes");
                None
            }
            Found::None => {
                self.unknown(id);
                None
            }
        }
    }

    fn unknown(&mut self, id: &Ident) {
        if self.place != Place::Group && self.inside_aggregates > 0 {
            // The aggregate itself is out of place, which has been said.
            return;
        }
        let span = self.places.span(id.span);
        let hint = if id.quote_style.is_some() && closest(&id.value, self.columns.iter().map(Column::name)).is_none() {
            format!("double quotes are for names: write '{}' if it is a text", id.value)
        } else {
            names::hint(&id.value, "columns", self.columns.iter().map(Column::name))
        };
        self.say(codes::UNKNOWN_COLUMN, span, format!("there is no column `{}`", id.value), hint);
    }

    /// `relation.column`, `Step.port.column`, `column.field`, and fields of those.
    fn path(&mut self, ids: &[Ident]) -> Option<SqlExpr> {
        let (first, rest) = ids.split_first()?;
        let relations: BTreeSet<&str> = self.columns.iter().flat_map(|c| c.origins.iter().map(|o| o.relation.as_str())).collect();
        // The longest relation first: `Step.port` before `Step`.
        let two = (ids.len() > 2).then(|| format!("{}.{}", first.value, ids[1].value));
        for (relation, fields) in two.iter().map(|r| (r.as_str(), &ids[2..])).chain([(first.value.as_str(), rest)]) {
            let Found::One(relation) = find(relations.iter().copied(), relation, first.quote_style.is_some()) else { continue };
            let of = |o: &crate::lower::stream::Origin| o.relation == relation;
            let theirs: Vec<(&str, &Column)> =
                self.columns.iter().filter_map(|c| c.origins.iter().find(|o| of(o)).map(|o| (o.column.as_str(), c))).collect();
            let (column, nested) = fields.split_first()?;
            let Found::One(found) = find(theirs.iter().map(|(n, _)| *n), &column.value, column.quote_style.is_some()) else {
                if self.is_struct(first) {
                    continue;
                }
                let relation = relation.to_owned();
                let hint = names::hint(&column.value, "its columns", theirs.iter().map(|(n, _)| *n));
                let span = self.places.span(column.span);
                self.say(codes::UNKNOWN_COLUMN, span, format!("`{relation}` has no column `{}`", column.value), hint);
                return None;
            };
            let name = theirs.iter().find(|(n, _)| *n == found).map(|(_, c)| c.name().to_owned())?;
            return Some(access(name, ids, nested));
        }
        if let Found::One(name) = find(self.columns.iter().map(Column::name), &first.value, first.quote_style.is_some()) {
            let name = name.to_owned();
            if self.is_struct(first) {
                return Some(access(name, ids, rest));
            }
            let field = rest.iter().map(|i| i.value.as_str()).collect::<Vec<_>>().join(".");
            let message = format!("`{name}` has no field `{field}`: it is no struct");
            self.say(codes::UNKNOWN_COLUMN, self.places.span(first.span), message, "write the column's name alone");
            return None;
        }
        let hint = match relations.is_empty() {
            true => names::hint(&first.value, "columns", self.columns.iter().map(Column::name)),
            false => names::hint(&first.value, "inputs of this step", relations.iter().copied()),
        };
        let span = self.places.span(first.span);
        self.say(codes::UNKNOWN_COLUMN, span, format!("there is no input and no column `{}` here", first.value), hint);
        None
    }

    fn is_struct(&self, id: &Ident) -> bool {
        let column =
            self.columns.iter().find(|c| c.name() == id.value || (id.quote_style.is_none() && c.name().eq_ignore_ascii_case(&id.value)));
        column.is_some_and(|c| matches!(c.field.data_type(), DataType::Struct(_) | DataType::Map(_, _)))
    }

    fn function(&mut self, f: &mut Function) -> Option<SqlExpr> {
        let name = function_name(f);
        let id = f.name.0.first().and_then(|p| p.as_ident()).cloned();
        // Words such as `user` are functions for PostgreSQL; here a column of that name comes first.
        if let (FunctionArguments::None, Some(id)) = (&f.args, &id)
            && let Found::One(column) = find(self.columns.iter().map(Column::name), &id.value, false)
        {
            return Some(SqlExpr::Identifier(quoted(column.to_owned(), id.span)));
        }
        let span = self.places.span(id.as_ref().map_or(SqlSpan::empty(), |i| i.span));
        let functions = Functions::get();
        if f.over.is_some() {
            let hint = "aggregate in a step: `@do aggregate x = sum(y) by k in tumbling(1m)`";
            self.say(codes::OVER, span, "`over (…)` is not part of expressions", hint);
        } else if functions.is_aggregate(&name) {
            self.aggregate(&name, span);
        } else if name == "unnest" {
            self.say(codes::NOT_SUPPORTED, span, "`unnest` is not a function here", "use a line of its own: `@do unnest column`");
        } else if ARROW_CASTS.contains(&name.as_str()) {
            let hint = "write `cast(x as bigint)`, or `try_cast(x as bigint)` for null where it does not fit";
            self.say(codes::NOT_SUPPORTED, span, format!("`{name}` is not a function here"), hint);
        } else if functions.is_volatile(&name) {
            let hint = match name.as_str() {
                "random" | "uuid" => "derive it from the row, for example `md5(key)`",
                _ => "use a column of the row, such as its event time, or a window `on processing time`",
            };
            let message = format!("`{name}` gives another result each time, so a replay would not give the same rows");
            self.say(codes::VOLATILE, span, message, hint);
        } else if !functions.is_scalar(&name) {
            let elsewhere = FUNCTIONS_ELSEWHERE.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
            let hint = match (elsewhere, closest(&name, functions.names())) {
                (Some(ours), _) => format!("write `{ours}`"),
                (None, Some(close)) => format!("did you mean `{close}`?"),
                (None, None) => "the functions are DataFusion's: https://datafusion.apache.org/user-guide/sql/scalar_functions.html".into(),
            };
            self.say(codes::UNKNOWN_FUNCTION, span, format!("there is no function `{name}`"), hint);
        }
        None
    }

    fn aggregate(&mut self, name: &str, span: runink_dsl::ast::Span) {
        if self.place != Place::Group {
            let message = format!("`{name}` is an aggregate, and here is one row at a time");
            let hint = match self.place {
                Place::Result => format!("name it among the results: `x = {name}(…)`, and write `having x > …`"),
                _ => format!("use it in a line of its own: `@do aggregate x = {name}(…) by …`"),
            };
            self.say(codes::AGGREGATE_PLACE, span, message, hint);
        } else if self.inside_aggregates > 0 {
            let message = format!("`{name}` stands inside another aggregate");
            self.say(codes::AGGREGATE_PLACE, span, message, "aggregate twice: once in this step, again in the next");
        }
        self.inside_aggregates += 1;
    }
}

/// Functions of the library that cast to a type which a text or another value names. Types are the language's own here.
const ARROW_CASTS: [&str; 4] = ["arrow_cast", "arrow_try_cast", "cast_to_type", "try_cast_to_type"];

/// The column that a name or a path of names means, where there is one and it is not a field of a struct.
pub(crate) fn column_of<'c>(columns: &'c [Column], ids: &[Ident]) -> Option<&'c Column> {
    let (last, relation) = ids.split_last()?;
    let exact = last.quote_style.is_some();
    if relation.is_empty() {
        return match find(columns.iter().map(Column::name), &last.value, exact) {
            Found::One(name) => columns.iter().find(|c| c.name() == name),
            Found::Several(_) | Found::None => None,
        };
    }
    let wanted = relation.iter().map(|i| i.value.as_str()).collect::<Vec<_>>().join(".");
    let relations: BTreeSet<&str> = columns.iter().flat_map(|c| c.origins.iter().map(|o| o.relation.as_str())).collect();
    let Found::One(relation) = find(relations.iter().copied(), &wanted, relation[0].quote_style.is_some()) else { return None };
    let theirs = || columns.iter().filter_map(|c| c.origins.iter().find(|o| o.relation == relation).map(|o| (o.column.as_str(), c)));
    match find(theirs().map(|(n, _)| n), &last.value, exact) {
        Found::One(found) => theirs().find(|(n, _)| *n == found).map(|(_, c)| c),
        Found::Several(_) | Found::None => None,
    }
}

/// A function's name as it is looked up.
pub(crate) fn function_name(f: &Function) -> String {
    match f.name.0.as_slice() {
        [one] => match one.as_ident() {
            Some(id) if id.quote_style.is_some() => id.value.clone(),
            Some(id) => id.value.to_lowercase(),
            None => f.name.to_string(),
        },
        _ => f.name.to_string(),
    }
}

/// `substring(x from a for b)` as the call that it means.
fn substring(text: &SqlExpr, from: &Option<Box<SqlExpr>>, length: &Option<Box<SqlExpr>>) -> SqlExpr {
    let first = || SqlExpr::Value(Value::Number("1".into(), false).with_empty_span());
    let from = from.as_deref().cloned().unwrap_or_else(first);
    let args = [Some(text.clone()), Some(from), length.as_deref().cloned()];
    let args = args.into_iter().flatten().map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a))).collect();
    SqlExpr::Function(Function {
        name: ObjectName::from(vec![Ident { value: "substr".into(), quote_style: None, span: text.span() }]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

enum Found<'a> {
    One(&'a str),
    Several(Vec<&'a str>),
    None,
}

/// A name as written first; without quotes also in other capitals, where that is unambiguous.
fn find<'a>(names: impl Iterator<Item = &'a str> + Clone, wanted: &str, exact: bool) -> Found<'a> {
    if let Some(name) = names.clone().find(|n| *n == wanted) {
        return Found::One(name);
    }
    if exact {
        return Found::None;
    }
    let mut close: Vec<&str> = names.filter(|n| n.eq_ignore_ascii_case(wanted)).collect();
    close.dedup();
    match close.as_slice() {
        [] => Found::None,
        [one] => Found::One(one),
        _ => Found::Several(close),
    }
}

fn quoted(name: String, span: SqlSpan) -> Ident {
    Ident { value: name, quote_style: Some('"'), span }
}

/// A column, or a field of it.
fn access(name: String, written: &[Ident], nested: &[Ident]) -> SqlExpr {
    let span = written.iter().fold(SqlSpan::empty(), |all, id| all.union(&id.span));
    if nested.is_empty() {
        return SqlExpr::Identifier(quoted(name, span));
    }
    let fields = nested.iter().map(|id| Ident { quote_style: Some('"'), ..id.clone() });
    SqlExpr::CompoundIdentifier(std::iter::once(quoted(name, span)).chain(fields).collect())
}
