//! When an expression's types do not go together: which part of it, and in plain words why.

use super::{parse::Places, plan_sql};
use crate::{catalogue as codes, lower::stream::Column, types::type_name};
use arrow::datatypes::DataType;
use datafusion_common::{DFSchema, DataFusionError};
use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Expr as SqlExpr, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned, Visit, Visitor,
};
use runink_dsl::Diagnostic;
use std::ops::ControlFlow;

/// Finds the innermost part that fails and says what is wrong with it. Planning again costs time, but only where something is wrong.
pub(crate) fn blame(sql: &SqlExpr, columns: &[Column], schema: &DFSchema, places: &Places<'_>, error: &DataFusionError) -> Diagnostic {
    let mut search = Search { schema, found: None };
    let _ = Visit::visit(sql, &mut search);
    let (part, error) = match &search.found {
        Some((part, error)) => (part, error),
        None => (sql, error),
    };
    let span = places.span(part.span());
    let text = plain(error);
    let ty = |e: &SqlExpr| plan_sql(e.clone(), schema).ok().and_then(|e| datafusion_expr::ExprSchemable::get_type(&e, schema).ok());
    match part {
        SqlExpr::BinaryOp { left, op, right } => {
            if let (Some(l), Some(r)) = (ty(left), ty(right)) {
                return operator(places, span, (places.slice(left.span()), &l), op, (places.slice(right.span()), &r));
            }
        }
        SqlExpr::Function(f) => {
            let args = arguments(&f.args);
            let types: Vec<String> = args.iter().map(|a| ty(a).map_or_else(|| "?".into(), |t| type_name(&t))).collect();
            let message = format!("`{}` does not take ({})", f.name.to_string().to_lowercase(), types.join(", "));
            return places
                .error(codes::TYPE_ERROR, places.call(part.span()), message)
                .hint("give it other arguments, or convert one with `cast(x as …)`");
        }
        SqlExpr::Extract { field, expr, .. } => {
            let message = format!(
                "`extract({} from …)` needs a time, and `{}` is {}",
                field.to_string().to_lowercase(),
                places.slice(expr.span()),
                ty(expr).map_or_else(|| "none".into(), |t| type_name(&t))
            );
            return places.error(codes::TYPE_ERROR, span, message).hint("convert it: `to_timestamp(…)`, or `cast(… as timestamp)`");
        }
        _ => {}
    }
    let unsupported = matches!(error.find_root(), DataFusionError::NotImplemented(_));
    let code = if unsupported { codes::NOT_SUPPORTED } else { codes::TYPE_ERROR };
    let hint = if unsupported {
        "write it another way: expressions are PostgreSQL's, with DataFusion's functions".to_owned()
    } else {
        let list: Vec<String> = columns.iter().take(8).map(|c| format!("{}: {}", c.name(), type_name(c.field.data_type()))).collect();
        format!("the columns here are {}", list.join(", "))
    };
    places.error(code, span, text).hint(hint)
}

/// An operator whose two sides do not go together.
pub(super) fn operator(
    places: &Places<'_>,
    span: runink_dsl::ast::Span,
    left: (&str, &DataType),
    op: &BinaryOperator,
    right: (&str, &DataType),
) -> Diagnostic {
    let ((l, lt), (r, rt)) = ((left.0, type_name(left.1)), (right.0, type_name(right.1)));
    let both = format!("`{l}` is {lt} and `{r}` is {rt}");
    let op_text = op.to_string().to_lowercase();
    let (message, hint) = match op {
        BinaryOperator::And | BinaryOperator::Or => {
            (format!("`{op_text}` needs true or false on both sides, but {both}"), "compare each side with something".to_owned())
        }
        _ => (
            format!("{both}: `{op_text}` does not go with that"),
            format!("convert one side, for example `cast({l} as {})`", sql_type(right.1)),
        ),
    };
    places.error(codes::TYPE_ERROR, span, message).hint(hint)
}

/// A type as SQL's cast wants it.
pub(crate) fn sql_type(ty: &DataType) -> String {
    match ty {
        DataType::Utf8 => "string".into(),
        DataType::Int64 | DataType::UInt64 | DataType::UInt32 => "bigint".into(),
        DataType::Int32 | DataType::UInt16 => "int".into(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint".into(),
        DataType::Float32 => "real".into(),
        DataType::Float64 => "double".into(),
        DataType::Timestamp(_, _) => "timestamp".into(),
        other => type_name(other),
    }
}

struct Search<'a> {
    schema: &'a DFSchema,
    found: Option<(SqlExpr, DataFusionError)>,
}

impl Visitor for Search<'_> {
    type Break = ();
    fn post_visit_expr(&mut self, expr: &SqlExpr) -> ControlFlow<()> {
        match plan_sql(expr.clone(), self.schema) {
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => {
                self.found = Some((expr.clone(), error));
                ControlFlow::Break(())
            }
        }
    }
}

pub(super) fn arguments(args: &FunctionArguments) -> Vec<&SqlExpr> {
    match args {
        FunctionArguments::List(list) => list
            .args
            .iter()
            .filter_map(|a| match a {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) | FunctionArg::Named { arg: FunctionArgExpr::Expr(e), .. } => Some(e),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// DataFusion's message without its wrappings.
fn plain(error: &DataFusionError) -> String {
    let text = error.find_root().strip_backtrace();
    let mut text = text.trim();
    for prefix in [
        "Error during planning: ",
        "This feature is not implemented: ",
        "SQL error: ",
        "Execution error: ",
        "Schema error: ",
        "Arrow error: ",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    let first = text.lines().next().unwrap_or(text).trim_end_matches('.');
    super::parse::lower_first(first)
}
