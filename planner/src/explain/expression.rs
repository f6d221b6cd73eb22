//! Expressions as one would write them in a scenario.

use crate::types::type_name;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion_common::ScalarValue;
use datafusion_expr::{Case, Expr, Like, Operator};

/// How deep expressions are written out; deeper ones end in `…`.
const MAX_DEPTH: usize = 64;

/// Precedence of what binds tighter than any operator.
const ATOM: u8 = u8::MAX;
/// Precedence of `is null`, `between`, `in` and `like`, which compare.
const COMPARISON: u8 = 15;
const NOT: u8 = 12;

/// An expression as text.
pub(super) fn sql(expr: &Expr) -> String {
    write(expr, MAX_DEPTH).0
}

/// The text, and how tightly its outermost operator binds.
fn write(expr: &Expr, depth: usize) -> (String, u8) {
    let Some(depth) = depth.checked_sub(1) else { return ("…".into(), ATOM) };
    let plain = |e: &Expr| write(e, depth).0;
    let inside = |e: &Expr, least: u8| match write(e, depth) {
        (text, binds) if binds < least => format!("({text})"),
        (text, _) => text,
    };
    let suffix = |e: &Expr, suffix: &str| (format!("{} {suffix}", inside(e, COMPARISON + 1)), COMPARISON);
    let not = |negated: bool| if negated { "not " } else { "" };
    match expr {
        Expr::Column(column) => (name(&column.name), ATOM),
        Expr::Literal(value, _) => (literal(value), ATOM),
        Expr::Alias(alias) => write(&alias.expr, depth),
        Expr::BinaryExpr(b) => {
            let binds = b.op.precedence();
            (format!("{} {} {}", inside(&b.left, binds), operator(b.op), inside(&b.right, binds + 1)), binds)
        }
        Expr::Not(e) => (format!("not {}", inside(e, NOT)), NOT),
        Expr::Negative(e) => (format!("-{}", inside(e, ATOM)), ATOM - 1),
        Expr::IsNull(e) => suffix(e, "is null"),
        Expr::IsNotNull(e) => suffix(e, "is not null"),
        Expr::IsTrue(e) => suffix(e, "is true"),
        Expr::IsFalse(e) => suffix(e, "is false"),
        Expr::IsUnknown(e) => suffix(e, "is unknown"),
        Expr::IsNotTrue(e) => suffix(e, "is not true"),
        Expr::IsNotFalse(e) => suffix(e, "is not false"),
        Expr::IsNotUnknown(e) => suffix(e, "is not unknown"),
        Expr::Between(b) => {
            let (low, high) = (inside(&b.low, COMPARISON + 1), inside(&b.high, COMPARISON + 1));
            (format!("{} {}between {low} and {high}", inside(&b.expr, COMPARISON + 1), not(b.negated)), COMPARISON)
        }
        Expr::InList(list) => {
            let items: Vec<String> = list.list.iter().map(plain).collect();
            (format!("{} {}in ({})", inside(&list.expr, COMPARISON + 1), not(list.negated), items.join(", ")), COMPARISON)
        }
        Expr::Like(like) => (matching(like, if like.case_insensitive { "ilike" } else { "like" }, &plain), COMPARISON),
        Expr::SimilarTo(like) => (matching(like, "similar to", &plain), COMPARISON),
        Expr::Case(case) => (when(case, &plain), ATOM),
        Expr::Cast(cast) => (format!("cast({} as {})", plain(&cast.expr), type_name(cast.field.data_type())), ATOM),
        Expr::TryCast(cast) => (format!("try_cast({} as {})", plain(&cast.expr), type_name(cast.field.data_type())), ATOM),
        Expr::ScalarFunction(call) => {
            let args: Vec<String> = call.args.iter().map(plain).collect();
            (format!("{}({})", call.name(), args.join(", ")), ATOM)
        }
        other => (other.to_string(), ATOM),
    }
}

fn matching(like: &Like, word: &str, plain: &dyn Fn(&Expr) -> String) -> String {
    let not = if like.negated { "not " } else { "" };
    let escape = like.escape_char.map(|c| format!(" escape '{c}'")).unwrap_or_default();
    format!("{} {not}{word} {}{escape}", plain(&like.expr), plain(&like.pattern))
}

fn when(case: &Case, plain: &dyn Fn(&Expr) -> String) -> String {
    let mut text = String::from("case");
    if let Some(subject) = &case.expr {
        text.push_str(&format!(" {}", plain(subject)));
    }
    for (when, then) in &case.when_then_expr {
        text.push_str(&format!(" when {} then {}", plain(when), plain(then)));
    }
    if let Some(other) = &case.else_expr {
        text.push_str(&format!(" else {}", plain(other)));
    }
    text.push_str(" end");
    text
}

fn operator(op: Operator) -> String {
    match op {
        Operator::NotEq => "<>".into(),
        other => other.to_string().to_lowercase(),
    }
}

/// A name, quoted where SQL would want it.
pub(super) fn name(name: &str) -> String {
    let plain =
        name.chars().enumerate().all(|(i, c)| c.is_ascii_lowercase() || c == '_' || c.is_alphabetic() || (i > 0 && c.is_ascii_digit()));
    if plain && !name.is_empty() { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn literal(value: &ScalarValue) -> String {
    match value {
        value if value.is_null() => "null".into(),
        ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        value => {
            let Ok(array) = value.to_array() else { return value.to_string() };
            let options = FormatOptions::default();
            let shown = ArrayFormatter::try_new(array.as_ref(), &options).and_then(|f| f.value(0).try_to_string());
            let shown = shown.unwrap_or_else(|_| value.to_string());
            let bare = value.data_type().is_numeric() || matches!(value, ScalarValue::Boolean(_));
            if bare { shown } else { format!("'{shown}'") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType;
    use datafusion_expr::{case, cast, col, ident, lit};

    #[test]
    fn expressions_read_as_they_were_written() {
        let shown = |e: Expr| sql(&e);
        assert_eq!(shown(col("status").eq(lit("it's")).and(col("amount").gt(lit(0_i64)))), "status = 'it''s' and amount > 0");
        assert_eq!(shown((col("a") + col("b")) * col("c")), "(a + b) * c");
        assert_eq!(shown(col("a") - (col("b") - col("c"))), "a - (b - c)");
        assert_eq!(shown(col("a").eq(lit(1)).or(col("b").eq(lit(2))).and(col("c").is_null())), "(a = 1 or b = 2) and c is null");
        assert_eq!(shown(!col("a").eq(lit(1))), "not a = 1");
        assert_eq!(shown(cast(ident("Total Sum"), DataType::Decimal128(12, 2))), "cast(\"Total Sum\" as decimal(12, 2))");
        assert_eq!(shown(lit(ScalarValue::Decimal128(Some(150), 12, 2))), "1.50");
        assert_eq!(shown(lit(ScalarValue::TimestampMillisecond(Some(0), None))), "'1970-01-01T00:00:00'");
        let chosen = case(col("a")).when(lit(1), lit("x")).otherwise(lit("y"));
        assert_eq!(chosen.map(|e| sql(&e)).ok().as_deref(), Some("case a when 1 then 'x' else 'y' end"));
    }
}
