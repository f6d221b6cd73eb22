//! Expressions: from SQL text over a step's columns to a resolved, typed and coerced DataFusion expression.
//!
//! The SQL parser gives a tree with places ([`parse`]); our own pass resolves names in it ([`resolve`]), so that every wrong name is said with
//! its place; DataFusion types and coerces the rest; what it cannot is explained by [`blame`]. Numbers with a point are decimals, as in PostgreSQL.

mod blame;
mod dialect;
mod functions;
mod literals;
mod matched;
mod meaning;
mod parse;
mod resolve;

pub(crate) use blame::sql_type;
pub(crate) use functions::Functions;
pub(crate) use parse::{Places, parse_query};
pub(crate) use resolve::{Place, column_of, function_name, has_aggregate};

use crate::{
    catalogue as codes,
    lower::stream::{Column, schema_of},
    types::{JSON_METADATA, plain_type, type_name},
};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{
    DFSchema, DataFusionError,
    tree_node::{TransformedResult, TreeNode},
};
use datafusion_expr::{Expr, ExprSchemable, expr::Cast};
use datafusion_optimizer::analyzer::type_coercion::TypeCoercionRewriter;
use datafusion_sql::{
    planner::{NullOrdering, ParserOptions, PlannerContext, SqlToRel},
    sqlparser::ast::Expr as SqlExpr,
};
use runink_dsl::{Diagnostic, FileId, variables::Substituted};
use std::{collections::HashMap, sync::Arc};

/// An expression with its type.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) expr: Expr,
    /// Its type, without a name that means anything. Always nullable: whether a value can be missing is not the plan's to promise.
    pub(crate) field: FieldRef,
    /// An aggregate is called in it.
    pub(crate) aggregates: bool,
}

impl Typed {
    /// The field under a name.
    pub(crate) fn named(&self, name: &str) -> FieldRef {
        Arc::new(self.field.as_ref().clone().with_name(name))
    }
}

/// Plans an expression over columns.
pub(crate) fn plan(text: &Substituted, file: FileId, columns: &[Column], place: Place) -> Result<Typed, Vec<Diagnostic>> {
    let places = Places::new(file, text);
    let sql = parse::parse(&places).map_err(|d| vec![*d])?;
    plan_parsed(sql, &places, columns, place)
}

/// Plans an expression over the rows of a match: `columns` has those of each event too, and `counted` is a column of each that is never null.
pub(crate) fn plan_matched(text: &Substituted, file: FileId, columns: &[Column], counted: &str) -> Result<Typed, Vec<Diagnostic>> {
    let places = Places::new(file, text);
    plan_matched_parsed(parse::parse(&places).map_err(|d| vec![*d])?, &places, columns, counted)
}

/// The same for an expression that has been parsed, as part of a query.
pub(crate) fn plan_matched_parsed(
    mut sql: SqlExpr,
    places: &Places<'_>,
    columns: &[Column],
    counted: &str,
) -> Result<Typed, Vec<Diagnostic>> {
    matched::rewrite(&mut sql, counted, places)?;
    plan_parsed(sql, places, columns, Place::Group)
}

/// One part of what rows are ordered by.
#[derive(Debug, Clone)]
pub(crate) struct Ordered {
    pub(crate) typed: Typed,
    pub(crate) descending: bool,
    /// As it is said; otherwise nulls count as higher than all values.
    pub(crate) nulls_first: bool,
}

/// Plans what rows are ordered by: `price desc, at`.
pub(crate) fn plan_order(text: &Substituted, file: FileId, columns: &[Column]) -> Result<Vec<Ordered>, Vec<Diagnostic>> {
    let places = Places::new(file, text);
    let parts = parse::parse_order(&places).map_err(|d| vec![*d])?;
    let mut ordered = Vec::with_capacity(parts.len());
    for part in parts {
        let descending = part.options.asc == Some(false);
        let nulls_first = part.options.nulls_first.unwrap_or(descending);
        ordered.push(Ordered { typed: plan_parsed(part.expr, &places, columns, Place::Row)?, descending, nulls_first });
    }
    Ok(ordered)
}

/// Plans an expression that has been parsed, as part of a query.
pub(crate) fn plan_parsed(mut sql: SqlExpr, places: &Places<'_>, columns: &[Column], place: Place) -> Result<Typed, Vec<Diagnostic>> {
    resolve::resolve(&mut sql, columns, place, places)?;
    let schema = df_schema(columns).map_err(|e| vec![internal(places, &e)])?;
    let expr = plan_sql(sql.clone(), &schema);
    if let Some(diagnostic) = meaning::check(&sql, &schema, places) {
        return Err(vec![diagnostic]);
    }
    let expr = expr.map_err(|e| vec![blame::blame(&sql, columns, &schema, places, &e)])?;
    let expr = literals::fold_casts(expr, places).map_err(|d| vec![*d])?;
    let (expr, field) = plain(expr, &schema).map_err(|e| vec![internal(places, &e)])?;
    if *field.data_type() == DataType::Null {
        let message = "the type of this expression is not known";
        return Err(vec![places.error(codes::TYPE_UNKNOWN, places.whole(), message).hint("say it, for example `cast(null as string)`")]);
    }
    Ok(Typed { expr, field, aggregates: resolve::has_aggregate(&sql) })
}

/// Plans a condition: true or false.
pub(crate) fn plan_condition(text: &Substituted, file: FileId, columns: &[Column], place: Place) -> Result<Typed, Vec<Diagnostic>> {
    must_be_condition(plan(text, file, columns, place)?, &Places::new(file, text))
}

/// Refuses what is neither true nor false.
pub(crate) fn must_be_condition(typed: Typed, places: &Places<'_>) -> Result<Typed, Vec<Diagnostic>> {
    if *typed.field.data_type() == DataType::Boolean {
        return Ok(typed);
    }
    let name = type_name(typed.field.data_type());
    let message = format!("a condition is needed here, and `{}` is {name}", places.written());
    Err(vec![
        places
            .error(codes::NOT_BOOLEAN, places.whole(), message)
            .hint("compare it with something, for example `… = 1`, or `… is not null`"),
    ])
}

/// The schema that expressions over these columns are typed by.
pub(crate) fn df_schema(columns: &[Column]) -> Result<DFSchema, DataFusionError> {
    DFSchema::from_unqualified_fields(schema_of(columns).fields().clone(), HashMap::new())
}

/// A plain type for the result, and the field that says it.
pub(crate) fn plain(expr: Expr, schema: &DFSchema) -> Result<(Expr, FieldRef), DataFusionError> {
    let (_, field) = expr.to_field(schema)?;
    let ty = plain_type(field.data_type());
    let expr = if ty == *field.data_type() { expr } else { Expr::Cast(Cast::new(Box::new(expr), ty.clone())) };
    // Only a column that is handed on is still any JSON value; every other expression's text is text.
    let json = matches!(&expr, Expr::Column(_)).then(|| field.metadata().get(JSON_METADATA)).flatten();
    let metadata = json.map(|v| (JSON_METADATA.to_owned(), v.clone()));
    Ok((expr, Arc::new(Field::new("", ty, true).with_metadata(metadata.into_iter().collect()))))
}

/// Types and coerces a resolved expression.
fn plan_sql(sql: SqlExpr, schema: &DFSchema) -> Result<Expr, DataFusionError> {
    let options = ParserOptions {
        parse_float_as_decimal: true,
        enable_ident_normalization: false,
        support_varchar_with_length: true,
        enable_options_value_normalization: false,
        collect_spans: false,
        map_string_types_to_utf8view: false,
        default_null_ordering: NullOrdering::NullsMax,
    };
    let planner = SqlToRel::new_with_options(Functions::get(), options);
    let expr = planner.sql_to_expr(sql, schema, &mut PlannerContext::new())?;
    let expr = literals::typed_as_compared(expr.unalias_nested().data.unalias(), schema)?;
    let expr = expr.rewrite(&mut TypeCoercionRewriter::new(schema)).data()?;
    // Errors of typing that coercion does not meet come up here.
    expr.get_type(schema)?;
    Ok(expr)
}

fn internal(places: &Places<'_>, error: &DataFusionError) -> Diagnostic {
    places
        .error(codes::INTERNAL, places.whole(), format!("planning failed: {}", error.strip_backtrace()))
        .hint("this is a bug of Runink: please report it")
}

#[cfg(test)]
mod tests;
