//! Windows as queries write them: `table(tumble(table t, descriptor(c), interval '1' minute))` in `from`, `tumble(c, interval '1' minute)` in `group by`.

use super::inputs::name_of;
use crate::expr::function_name;
use datafusion_sql::sqlparser::{
    ast::{
        Expr as SqlExpr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Spanned, TableAlias, TableFactor,
        TableFunctionArgs,
    },
    tokenizer::Span as SqlSpan,
};

/// The kinds of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum Shape {
    Tumble,
    Hop,
    Session,
    Cumulate,
}

/// A call of a window function.
#[derive(Debug)]
pub(crate) struct WindowCall<'q> {
    pub(crate) shape: Shape,
    /// Where its name stands.
    pub(crate) span: SqlSpan,
    /// What it cuts into windows: a name or a query; none in `group by`.
    pub(crate) table: Option<&'q SqlExpr>,
    /// The time column, or `proctime()`.
    pub(crate) time: &'q SqlExpr,
    /// Its lengths in SQL's order: the size; slide and size; the gap; step and size.
    pub(crate) lengths: Vec<&'q SqlExpr>,
    /// By how much its edges are shifted.
    pub(crate) offset: Option<&'q SqlExpr>,
    /// What the result is called.
    pub(crate) alias: Option<&'q TableAlias>,
}

/// How a window is not written.
#[derive(Debug)]
pub(crate) struct WindowMistake {
    pub(crate) span: SqlSpan,
    pub(crate) message: String,
    pub(crate) hint: &'static str,
}

/// An edge of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum WindowEdge {
    Start,
    End,
}

/// `window_start` or `window_end`, perhaps with its relation before it.
pub(crate) fn is_window(ids: &[Ident]) -> Option<WindowEdge> {
    match ids.last()?.value.to_lowercase().as_str() {
        "window_start" => Some(WindowEdge::Start),
        "window_end" => Some(WindowEdge::End),
        _ => None,
    }
}

impl WindowCall<'_> {
    /// The name of the input that it cuts, where it is one.
    pub(crate) fn table_name(&self) -> Option<String> {
        match self.table? {
            SqlExpr::Identifier(id) => Some(id.value.clone()),
            SqlExpr::CompoundIdentifier(ids) => Some(ids.iter().map(|i| i.value.as_str()).collect::<Vec<_>>().join(".")),
            _ => None,
        }
    }
}

impl Shape {
    fn named(name: &str) -> Option<Shape> {
        Some(match name {
            "tumble" | "tumbling" => Shape::Tumble,
            "hop" | "hopping" => Shape::Hop,
            "session" => Shape::Session,
            "cumulate" | "cumulating" => Shape::Cumulate,
            _ => return None,
        })
    }

    /// The names of its lengths, in SQL's order.
    fn lengths(self) -> &'static [&'static str] {
        match self {
            Shape::Tumble => &["size"],
            Shape::Hop => &["slide", "size"],
            Shape::Session => &["gap"],
            Shape::Cumulate => &["step", "size"],
        }
    }

    fn usage(self, table: bool) -> &'static str {
        match (self, table) {
            (Shape::Tumble, true) => "write `tumble(table t, descriptor(time_column), interval '1' minute)`",
            (Shape::Hop, true) => {
                "write `hop(table t, descriptor(time_column), interval '1' minute, interval '1' hour)`: the slide, then the size"
            }
            (Shape::Session, true) => "write `session(table t, descriptor(time_column), interval '30' minute)`",
            (Shape::Cumulate, true) => {
                "write `cumulate(table t, descriptor(time_column), interval '1' hour, interval '1' day)`: the step, then the size"
            }
            (Shape::Tumble, false) => "write `tumble(time_column, interval '1' minute)`",
            (Shape::Hop, false) => "write `hop(time_column, interval '1' minute, interval '1' hour)`: the slide, then the size",
            (Shape::Session, false) => "write `session(time_column, interval '30' minute)`",
            (Shape::Cumulate, false) => "write `cumulate(time_column, interval '1' hour, interval '1' day)`: the step, then the size",
        }
    }
}

/// An argument with its name, where it has one.
type Argument<'q> = (Option<String>, &'q SqlExpr);

/// A window function in `from`, with or without `table(…)` around it.
pub(crate) fn table_window(factor: &TableFactor) -> Option<Result<WindowCall<'_>, WindowMistake>> {
    let (name, args, alias): (&ObjectName, &[FunctionArg], _) = match factor {
        TableFactor::Table { name, args: Some(TableFunctionArgs { args, .. }), alias, .. } => (name, args, alias),
        TableFactor::TableFunction { expr: SqlExpr::Function(f), alias } => match &f.args {
            FunctionArguments::List(list) => (&f.name, &list.args, alias),
            _ => return None,
        },
        _ => return None,
    };
    let shape = Shape::named(&name_of(name).to_lowercase())?;
    Some(call(shape, name.span(), args, true).map(|call| WindowCall { alias: alias.as_ref(), ..call }))
}

/// A window function in `group by`.
pub(crate) fn group_window(expr: &SqlExpr) -> Option<Result<WindowCall<'_>, WindowMistake>> {
    let SqlExpr::Function(f) = expr else { return None };
    let shape = Shape::named(&function_name(f))?;
    let args: &[FunctionArg] = match &f.args {
        FunctionArguments::List(list) => &list.args,
        _ => &[],
    };
    Some(call(shape, f.name.span(), args, false))
}

/// `tumble_start(…)`, `hop_end(…)` and the like: which edge.
pub(crate) fn edge_function(expr: &SqlExpr) -> Option<Result<WindowEdge, WindowMistake>> {
    let SqlExpr::Function(f) = expr else { return None };
    let name = function_name(f);
    let (shape, edge) = name.rsplit_once('_')?;
    Shape::named(shape)?;
    match edge {
        "start" => Some(Ok(WindowEdge::Start)),
        "end" => Some(Ok(WindowEdge::End)),
        "rowtime" | "proctime" => Some(Err(WindowMistake {
            span: f.name.span(),
            message: format!("`{name}` is not there: the event time of a window's result is `window_end`"),
            hint: "write `window_end`, or `tumble_end(…)`: the next window counts the result just before that moment",
        })),
        _ => None,
    }
}

fn call(shape: Shape, span: SqlSpan, args: &[FunctionArg], table: bool) -> Result<WindowCall<'_>, WindowMistake> {
    let mistake = |span: SqlSpan, message: String| WindowMistake { span, message, hint: shape.usage(table) };
    let mut found: Vec<Argument<'_>> = Vec::new();
    for arg in args {
        let (name, arg_expr) = match arg {
            FunctionArg::Unnamed(e) => (None, e),
            FunctionArg::Named { name, arg, .. } => (Some(name.value.to_lowercase()), arg),
            FunctionArg::ExprNamed { name, arg, .. } => (Some(name.to_string().to_lowercase()), arg),
        };
        let FunctionArgExpr::Expr(e) = arg_expr else {
            return Err(mistake(span, "a window function takes a table, a time column and lengths".to_owned()));
        };
        found.push((name, e));
    }
    let mut order: Vec<&str> = if table { vec!["data", "timecol"] } else { vec!["timecol"] };
    order.extend(shape.lengths());
    order.push("offset");
    let mut slots: Vec<Option<&SqlExpr>> = vec![None; order.len()];
    for (i, (name, expr)) in found.iter().enumerate() {
        let slot = match name {
            Some(name) => order.iter().position(|o| o == name),
            None => (i < order.len()).then_some(i),
        };
        match slot {
            Some(slot) if slots[slot].is_none() => slots[slot] = Some(expr),
            _ => {
                let extra = name
                    .as_ref()
                    .map_or_else(|| "one argument too many".to_owned(), |n| format!("`{n}` is no argument here, or is given twice"));
                return Err(mistake(expr.span(), extra));
            }
        }
    }
    let needed = order.len() - 1;
    if let Some(missing) = (0..needed).find(|&i| slots[i].is_none()) {
        let what = match order[missing] {
            "data" => "the table that is cut into windows",
            "timecol" => "the time column",
            other => other,
        };
        return Err(mistake(span, format!("{what} is missing in this window")));
    }
    let mut given = slots.into_iter();
    let data = if table { given.next().flatten() } else { None };
    let time = given.next().flatten();
    let rest: Vec<Option<&SqlExpr>> = given.collect();
    let (offset, lengths) = rest.split_last().map_or((None, &[][..]), |(last, lengths)| (*last, lengths));
    let Some(time) = time else { return Err(mistake(span, "the time column is missing in this window".to_owned())) };
    let time = match time {
        SqlExpr::Function(f) if table && function_name(f) == "descriptor" => match single(&f.args) {
            Some(inner) => inner,
            None => return Err(mistake(f.name.span(), "`descriptor` names one column".to_owned())),
        },
        other if table => return Err(mistake(other.span(), "the time column stands in `descriptor(…)`".to_owned())),
        other => other,
    };
    Ok(WindowCall { shape, span, table: data, time, lengths: lengths.iter().flatten().copied().collect(), offset, alias: None })
}

fn single(args: &FunctionArguments) -> Option<&SqlExpr> {
    match args {
        FunctionArguments::List(list) => match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(e))] => Some(e),
            _ => None,
        },
        _ => None,
    }
}
