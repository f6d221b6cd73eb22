//! What DataFusion would take and nobody means: text compared with numbers, numbers where a condition is needed.

use super::{
    blame::{arguments, operator},
    parse::Places,
    plan_sql,
};
use crate::{
    catalogue as codes,
    types::{plain_type, type_name},
};
use arrow::datatypes::DataType;
use datafusion_common::DFSchema;
use datafusion_expr::ExprSchemable;
use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr as SqlExpr, Spanned, UnaryOperator, Value, Visit, Visitor};
use runink_dsl::Diagnostic;
use std::ops::ControlFlow;

/// The first part of an expression that has a meaning which nobody intends.
pub(super) fn check(sql: &SqlExpr, schema: &DFSchema, places: &Places<'_>) -> Option<Diagnostic> {
    let mut check = Check { schema, places };
    match Visit::visit(sql, &mut check) {
        ControlFlow::Break(diagnostic) => Some(*diagnostic),
        ControlFlow::Continue(()) => None,
    }
}

/// Functions whose first argument DataFusion would parse as a number if it were text.
const NUMERIC_FUNCTIONS: [&str; 7] = ["abs", "round", "ceil", "floor", "sqrt", "sum", "avg"];

struct Check<'a> {
    schema: &'a DFSchema,
    places: &'a Places<'a>,
}

impl Visitor for Check<'_> {
    type Break = Box<Diagnostic>;

    fn pre_visit_expr(&mut self, expr: &SqlExpr) -> ControlFlow<Box<Diagnostic>> {
        match expr {
            SqlExpr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
                self.condition(left)?;
                self.condition(right)
            }
            SqlExpr::BinaryOp { left, op, right } => self.comparison(expr, left, op, right),
            SqlExpr::UnaryOp { op: UnaryOperator::Not, expr } => self.condition(expr),
            SqlExpr::Case { operand: None, conditions, .. } => conditions.iter().try_for_each(|c| self.condition(&c.condition)),
            SqlExpr::Like { expr, pattern, .. } | SqlExpr::ILike { expr, pattern, .. } | SqlExpr::SimilarTo { expr, pattern, .. } => {
                self.text(expr)?;
                self.text(pattern)
            }
            SqlExpr::Function(f) => {
                if let Some(filter) = &f.filter {
                    self.condition(filter)?;
                }
                let name = f.name.to_string();
                match arguments(&f.args).first() {
                    Some(first) if NUMERIC_FUNCTIONS.contains(&name.to_lowercase().as_str()) => self.number(&name, first),
                    _ => ControlFlow::Continue(()),
                }
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Check<'_> {
    /// A part's type; `None` for a literal text, which takes the type that it is used as, and for what has no type.
    fn ty(&self, expr: &SqlExpr) -> Option<DataType> {
        match expr {
            SqlExpr::Value(v) if matches!(v.value, Value::SingleQuotedString(_) | Value::Null) => None,
            SqlExpr::Nested(inner) => self.ty(inner),
            // Names and numbers are most of what there is, and need no planning.
            SqlExpr::Identifier(id) => self.schema.field_with_unqualified_name(&id.value).ok().map(|f| plain_type(f.data_type())),
            SqlExpr::Value(v) if matches!(v.value, Value::Number(..)) => Some(DataType::Int64),
            e => plan_sql(e.clone(), self.schema).ok().and_then(|e| e.get_type(self.schema).ok()).map(|t| plain_type(&t)),
        }
    }

    fn wrong(&self, expr: &SqlExpr, code: &'static str, message: String, hint: &str) -> ControlFlow<Box<Diagnostic>> {
        ControlFlow::Break(Box::new(self.places.error(code, self.places.span(expr.span()), message).hint(hint)))
    }

    fn condition(&self, expr: &SqlExpr) -> ControlFlow<Box<Diagnostic>> {
        match self.ty(expr) {
            Some(ty) if !matches!(ty, DataType::Boolean | DataType::Null) => {
                let message = format!("a condition is needed here, and `{}` is {}", self.places.slice(expr.span()), type_name(&ty));
                self.wrong(expr, codes::NOT_BOOLEAN, message, "compare it with something, for example `… = 1`, or `… is not null`")
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn text(&self, expr: &SqlExpr) -> ControlFlow<Box<Diagnostic>> {
        match self.ty(expr) {
            Some(ty) if ty != DataType::Utf8 => {
                let message = format!("a text is needed here, and `{}` is {}", self.places.slice(expr.span()), type_name(&ty));
                self.wrong(expr, codes::TYPE_ERROR, message, "compare it with `=`, `<` or `between`, or convert it: `cast(… as string)`")
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn number(&self, function: &str, expr: &SqlExpr) -> ControlFlow<Box<Diagnostic>> {
        match self.ty(expr) {
            Some(ty) if matches!(ty, DataType::Utf8 | DataType::Boolean) => {
                let message = format!("`{function}` needs a number, and `{}` is {}", self.places.slice(expr.span()), type_name(&ty));
                self.wrong(
                    expr,
                    codes::TYPE_ERROR,
                    message,
                    "convert it: `cast(… as double)`; a row whose value is no number is then rejected",
                )
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn comparison(&self, whole: &SqlExpr, left: &SqlExpr, op: &BinaryOperator, right: &SqlExpr) -> ControlFlow<Box<Diagnostic>> {
        use BinaryOperator as B;
        if !matches!(op, B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq | B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo) {
            return ControlFlow::Continue(());
        }
        let (Some(l), Some(r)) = (self.ty(left), self.ty(right)) else { return ControlFlow::Continue(()) };
        let text = |t: &DataType| *t == DataType::Utf8;
        let other = |t: &DataType| t.is_numeric() || t.is_temporal() || *t == DataType::Boolean;
        if !(text(&l) && other(&r) || other(&l) && text(&r)) {
            return ControlFlow::Continue(());
        }
        let sides = ((self.places.slice(left.span()), &l), (self.places.slice(right.span()), &r));
        ControlFlow::Break(Box::new(operator(self.places, self.places.span(whole.span()), sides.0, op, sides.1)))
    }
}
