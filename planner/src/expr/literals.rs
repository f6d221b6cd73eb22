//! Literals take the type of what they are compared with, now and not row by row.

use super::{internal, parse::Places};
use crate::{catalogue as codes, types::type_name};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::{
    DFSchema, Result, ScalarValue,
    format::DEFAULT_CAST_OPTIONS,
    tree_node::{Transformed, TransformedResult, TreeNode},
};
use datafusion_expr::{BinaryExpr, Expr, ExprSchemable, Operator, expr::Cast};
use runink_dsl::{Diagnostic, ast::Span};

/// In comparisons, gives a literal the other side's type where that changes nothing of its value: `amount > 0` compares decimals and
/// `at >= '2026-01-01'` timestamps, without a cast of the column. Everything else is left to DataFusion's coercion.
pub(super) fn typed_as_compared(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    expr.transform_up(|e| {
        Ok(match e {
            Expr::BinaryExpr(BinaryExpr { mut left, op, mut right }) if compares(op) => {
                let (l, r) = (fitted(&left, &right, schema), fitted(&right, &left, schema));
                let changed = l.is_some() || r.is_some();
                *left = l.unwrap_or(*left);
                *right = r.unwrap_or(*right);
                Transformed::new_transformed(Expr::BinaryExpr(BinaryExpr { left, op, right }), changed)
            }
            Expr::BinaryExpr(BinaryExpr { mut left, op, mut right }) if op.is_numerical_operators() => {
                let (l, r) = (whole_decimal(&left, &right, schema), whole_decimal(&right, &left, schema));
                let changed = l.is_some() || r.is_some();
                *left = l.unwrap_or(*left);
                *right = r.unwrap_or(*right);
                Transformed::new_transformed(Expr::BinaryExpr(BinaryExpr { left, op, right }), changed)
            }
            Expr::Between(mut between) => {
                let (low, high) = (fitted(&between.low, &between.expr, schema), fitted(&between.high, &between.expr, schema));
                if let (Some(low), Some(high)) = (low, high) {
                    (*between.low, *between.high) = (low, high);
                }
                Transformed::yes(Expr::Between(between))
            }
            Expr::InList(mut list) => {
                let fit: Option<Vec<Expr>> = list.list.iter().map(|item| fitted(item, &list.expr, schema)).collect();
                list.list = fit.unwrap_or(list.list);
                Transformed::yes(Expr::InList(list))
            }
            other => Transformed::no(other),
        })
    })
    .data()
}

/// A whole number beside a decimal as a decimal of just its digits: `amount * 2` must not become as wide as the widest integer.
fn whole_decimal(literal: &Expr, other: &Expr, schema: &DFSchema) -> Option<Expr> {
    let Expr::Literal(ScalarValue::Int64(Some(value)), None) = literal else { return None };
    if !matches!(other.get_type(schema).ok()?, DataType::Decimal128(_, _)) {
        return None;
    }
    let digits = u8::try_from(value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1).ok()?;
    Some(Expr::Literal(ScalarValue::Decimal128(Some(i128::from(*value)), digits, 0), None))
}

fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

/// A literal as the other side's type, where that keeps its value.
fn fitted(literal: &Expr, other: &Expr, schema: &DFSchema) -> Option<Expr> {
    let Expr::Literal(value, None) = literal else { return None };
    if matches!(other, Expr::Literal(..)) || value.is_null() {
        return None;
    }
    let ty = other.get_type(schema).ok()?;
    let exact = |ty: &DataType, through: &DataType| {
        let typed = value.cast_to_with_options(ty, &DEFAULT_CAST_OPTIONS).ok()?;
        let there = value.cast_to_with_options(through, &DEFAULT_CAST_OPTIONS).ok()?;
        let back = typed.cast_to_with_options(through, &DEFAULT_CAST_OPTIONS).ok()?;
        (there == back).then_some(typed)
    };
    let given = value.data_type();
    let typed = match (&given, &ty) {
        _ if given == ty => value.clone(),
        (DataType::Utf8, DataType::Timestamp(_, None) | DataType::Date32) => exact(&ty, &DataType::Timestamp(TimeUnit::Nanosecond, None))?,
        (g, t) if g.is_numeric() && t.is_numeric() => exact(t, g)?,
        _ => return None,
    };
    Some(Expr::Literal(typed, None))
}

/// Casts of literals are done now: a literal that cannot be read is said here and not row by row.
pub(super) fn fold_casts(expr: Expr, places: &Places<'_>) -> std::result::Result<Expr, Box<Diagnostic>> {
    let mut bad: Option<(ScalarValue, DataType)> = None;
    let folded = expr.transform_up(|e| match &e {
        Expr::Cast(Cast { expr, field }) => match expr.as_ref() {
            Expr::Literal(value, _) if !value.data_type().equals_datatype(field.data_type()) => {
                match value.cast_to_with_options(field.data_type(), &DEFAULT_CAST_OPTIONS) {
                    Ok(value) => Ok(Transformed::yes(Expr::Literal(value, None))),
                    Err(_) => {
                        bad = Some((value.clone(), field.data_type().clone()));
                        Ok(Transformed::no(e))
                    }
                }
            }
            _ => Ok(Transformed::no(e)),
        },
        _ => Ok(Transformed::no(e)),
    });
    if let Some((value, ty)) = bad {
        let (written, span) = written(&value, places);
        let kind = if ty.is_temporal() { type_name(&ty).split('(').next().unwrap_or_default().to_owned() } else { type_name(&ty) };
        let message = format!("`{written}` cannot be read as {kind}");
        return Err(Box::new(places.error(codes::LITERAL, span, message).hint(example_of(&ty))));
    }
    folded.data().map_err(|e| Box::new(internal(places, &e)))
}

/// A literal as it stands in the text, and where.
fn written(value: &ScalarValue, places: &Places<'_>) -> (String, Span) {
    let written = match value {
        ScalarValue::Utf8(Some(text)) => format!("'{}'", text.replace('\'', "''")),
        other => other.to_string(),
    };
    let span = places.find(&written);
    (written, span)
}

fn example_of(ty: &DataType) -> String {
    match ty {
        DataType::Timestamp(_, _) => "write a time as '2026-01-31 12:00:00' or '2026-01-31T12:00:00Z'".into(),
        DataType::Date32 => "write a date as '2026-01-31'".into(),
        DataType::Boolean => "write `true` or `false`".into(),
        t if t.is_numeric() => "write a number that fits the type".into(),
        other => format!("write a value of type {}", type_name(other)),
    }
}
