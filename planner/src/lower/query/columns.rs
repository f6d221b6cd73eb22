//! Columns as a query names them, and expressions in one form, so that equal ones are found to be equal.

use crate::{expr::column_of, lower::stream::Column, sql};
use datafusion_sql::sqlparser::{
    ast::{Expr as SqlExpr, Ident},
    tokenizer::Span as SqlSpan,
};

/// The names of a path, where an expression is one.
pub(super) fn path(expr: &SqlExpr) -> Option<&[Ident]> {
    match expr {
        SqlExpr::Identifier(id) => Some(std::slice::from_ref(id)),
        SqlExpr::CompoundIdentifier(ids) => Some(ids),
        SqlExpr::Nested(inner) => path(inner),
        _ => None,
    }
}

/// The column that an expression is, where it is just one.
pub(super) fn column<'c>(expr: &SqlExpr, columns: &'c [Column]) -> Option<&'c Column> {
    column_of(columns, path(expr)?)
}

/// A column by exactly this name.
pub(super) fn by_name(name: &str, span: SqlSpan) -> SqlExpr {
    SqlExpr::Identifier(Ident { value: name.to_owned(), quote_style: Some('"'), span })
}

/// An expression with every column under its own name, as text: equal texts mean the same.
pub(super) fn canonical(expr: &SqlExpr, columns: &[Column]) -> String {
    let mut name = |e: &SqlExpr| column(e, columns).map(|c| by_name(c.name(), SqlSpan::empty()));
    sql::replaced(sql::unnested(expr), &mut name).to_string()
}

/// Whether an expression reads columns of two sides of a join.
pub(super) struct Sides {
    pub(super) left: bool,
    pub(super) right: bool,
    /// It names something that is in neither.
    pub(super) other: bool,
}

/// Which sides an expression reads. A name that both have means the left one, as in every expression.
pub(super) fn sides(expr: &SqlExpr, left: &[Column], right: &[Column]) -> Sides {
    let mut found = Sides { left: false, right: false, other: false };
    for ids in sql::columns_in(expr) {
        match (reads(left, &ids), reads(right, &ids)) {
            (true, _) => found.left = true,
            (false, true) => found.right = true,
            (false, false) => found.other = true,
        }
    }
    found
}

/// Whether a path is a column of these, or a field of one.
pub(super) fn reads(columns: &[Column], ids: &[Ident]) -> bool {
    (1..=ids.len()).rev().any(|n| column_of(columns, &ids[..n]).is_some())
}
