//! Which expressions and aggregates cannot fail on any row.
//!
//! The list is of what is known to succeed; everything else may fail. That `false and x` hides a failure of `x` does not count.

use super::rewrite::ColumnTypes;
use crate::{AggregateCall, AggregateOp};
use arrow::datatypes::{DataType, Schema};
use datafusion_expr::{Expr, ExprSchemable, Operator};

/// Functions that give a value (or null) for every argument of their types.
const SAFE_FUNCTIONS: [&str; 24] = [
    "btrim",
    "character_length",
    "coalesce",
    "concat",
    "contains",
    "date_part",
    "ends_with",
    "get_field",
    "greatest",
    "isnan",
    "iszero",
    "least",
    "lower",
    "ltrim",
    "md5",
    "nullif",
    "nvl",
    "nvl2",
    "octet_length",
    "rtrim",
    "sha256",
    "starts_with",
    "strpos",
    "upper",
];

/// Whether the expression gives a value (or null) for every row of that schema.
pub(super) fn cannot_fail(expr: &Expr, schema: &Schema) -> bool {
    let safe = |e: &Expr| cannot_fail(e, schema);
    match expr {
        Expr::Column(_) | Expr::Literal(..) => true,
        Expr::Alias(alias) => safe(&alias.expr),
        Expr::Not(e)
        | Expr::IsNotNull(e)
        | Expr::IsNull(e)
        | Expr::IsTrue(e)
        | Expr::IsFalse(e)
        | Expr::IsUnknown(e)
        | Expr::IsNotTrue(e)
        | Expr::IsNotFalse(e)
        | Expr::IsNotUnknown(e) => safe(e),
        Expr::Negative(e) => safe(e) && is_float(e, schema),
        Expr::BinaryExpr(b) => safe(&b.left) && safe(&b.right) && safe_operator(b.op, &b.left, &b.right, schema),
        Expr::Between(b) => safe(&b.expr) && safe(&b.low) && safe(&b.high),
        Expr::InList(list) => safe(&list.expr) && list.list.iter().all(safe),
        Expr::Like(like) => safe(&like.expr) && matches!(*like.pattern, Expr::Literal(..)) && like.escape_char.is_none(),
        Expr::Case(case) => {
            case.expr.as_deref().is_none_or(safe)
                && case.when_then_expr.iter().all(|(when, then)| safe(when) && safe(then))
                && case.else_expr.as_deref().is_none_or(safe)
        }
        Expr::Cast(cast) => {
            safe(&cast.expr) && cast.expr.get_type(&ColumnTypes(schema)).is_ok_and(|from| safe_cast(&from, cast.field.data_type()))
        }
        Expr::TryCast(cast) => safe(&cast.expr),
        Expr::ScalarFunction(call) => SAFE_FUNCTIONS.contains(&call.name()) && call.args.iter().all(safe),
        _ => false,
    }
}

/// Whether an aggregate turns rows away: late ones, or ones on which a sum overflows.
pub(super) fn rejects_rows(op: &AggregateOp) -> bool {
    op.window.is_some() || op.calls.iter().any(call_rejects)
}

/// Whether an aggregate function may fail on a row's value.
pub(super) fn call_rejects(call: &AggregateCall) -> bool {
    !matches!(call.function.name(), "count" | "min" | "max" | "bool_and" | "bool_or" | "bit_and" | "bit_or" | "bit_xor")
}

fn is_float(expr: &Expr, schema: &Schema) -> bool {
    expr.get_type(&ColumnTypes(schema)).is_ok_and(|t| t.is_floating())
}

/// Comparing and combining never fail. Arithmetic overflows, but for floats; dividing may be by zero.
fn safe_operator(op: Operator, left: &Expr, right: &Expr, schema: &Schema) -> bool {
    match op {
        Operator::Eq
        | Operator::NotEq
        | Operator::Lt
        | Operator::LtEq
        | Operator::Gt
        | Operator::GtEq
        | Operator::And
        | Operator::Or
        | Operator::IsDistinctFrom
        | Operator::IsNotDistinctFrom => true,
        Operator::Plus | Operator::Minus | Operator::Multiply => is_float(left, schema) && is_float(right, schema),
        _ => false,
    }
}

/// Casts that hold every value of the type they start from.
fn safe_cast(from: &DataType, to: &DataType) -> bool {
    use DataType::{Boolean, Decimal128, Float32, Float64, LargeUtf8, Null, Utf8, Utf8View};
    if from == to || *from == Null {
        return true;
    }
    let text = |t: &DataType| matches!(t, Utf8 | LargeUtf8 | Utf8View);
    match (from, to) {
        (Boolean, to) => text(to),
        (Float32, Float64) => true,
        (from, to) if text(from) && text(to) => true,
        (from, Decimal128(precision, scale)) if from.is_integer() => {
            i16::from(*precision) - i16::from(*scale) >= i16::from(digits(from)) && *scale >= 0
        }
        (from, Float32 | Float64) if from.is_integer() => true,
        (from, to) if from.is_integer() && text(to) => true,
        (from, to) if from.is_integer() && to.is_integer() => holds(from, to),
        _ => false,
    }
}

/// Decimal digits of an integer type's longest value.
fn digits(integer: &DataType) -> u8 {
    match integer {
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        DataType::Int64 => 19,
        _ => 20,
    }
}

fn holds(from: &DataType, to: &DataType) -> bool {
    let width = |t: &DataType| t.primitive_width().unwrap_or(0);
    match (from.is_signed_integer(), to.is_signed_integer()) {
        (a, b) if a == b => width(from) <= width(to),
        (false, true) => width(from) < width(to),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;
    use datafusion_expr::{cast, col, lit};

    fn schema() -> Schema {
        let field = |name, t| Field::new(name, t, true);
        let fields = vec![field("i", DataType::Int32), field("f", DataType::Float64), field("s", DataType::Utf8)];
        Schema::new(fields)
    }

    #[test]
    fn comparing_is_safe_and_integer_arithmetic_is_not() {
        assert!(cannot_fail(&col("i").gt(lit(1)).and(col("s").is_not_null()), &schema()));
        assert!(!cannot_fail(&(col("i") + lit(1)).gt(lit(1)), &schema()));
        assert!(!cannot_fail(&(col("i") / lit(2)), &schema()));
        assert!(cannot_fail(&(col("f") * lit(2.0)), &schema()));
        assert!(!cannot_fail(&(col("f") / lit(2.0)), &schema()));
    }

    #[test]
    fn a_cast_is_safe_where_every_value_fits() {
        let to = |e: Expr, t| cannot_fail(&cast(e, t), &schema());
        assert!(to(col("i"), DataType::Int64));
        assert!(!to(col("i"), DataType::Int16));
        assert!(!to(col("i"), DataType::UInt64));
        assert!(!to(col("s"), DataType::Int64));
        assert!(to(col("i"), DataType::Decimal128(12, 2)));
        assert!(!to(col("i"), DataType::Decimal128(11, 2)));
    }
}
