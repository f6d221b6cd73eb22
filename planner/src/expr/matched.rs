//! What expressions about the rows of a match write differently: `first(b.x)`, `last(b.x, 1)` and `count(b.*)`.
//!
//! They become the aggregates that they are, so that everything else is typed as in any group: `first_value`, `last_value`, `nth_value` (from the end where
//! negative), and a count of a column that is never null.

use super::parse::Places;
use crate::catalogue as codes;
use datafusion_sql::sqlparser::ast::{
    Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Spanned, Value, VisitMut, VisitorMut,
};
use runink_dsl::Diagnostic;
use std::ops::ControlFlow;

/// The furthest row from the first or last one that can be asked for.
const SKIP_MAX: usize = 10_000;

/// Rewrites an expression in place. `counted` is a column that is never null.
pub(super) fn rewrite(sql: &mut SqlExpr, counted: &str, places: &Places<'_>) -> Result<(), Vec<Diagnostic>> {
    let mut rewriter = Rewriter { counted, places, errors: Vec::new() };
    let _ = VisitMut::visit(sql, &mut rewriter);
    if rewriter.errors.is_empty() { Ok(()) } else { Err(rewriter.errors) }
}

struct Rewriter<'a> {
    counted: &'a str,
    places: &'a Places<'a>,
    errors: Vec<Diagnostic>,
}

impl VisitorMut for Rewriter<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut SqlExpr) -> ControlFlow<()> {
        if let SqlExpr::Function(f) = expr {
            self.function(f);
        }
        ControlFlow::Continue(())
    }
}

impl Rewriter<'_> {
    fn function(&mut self, f: &mut Function) {
        let Some(id) = f.name.0.first().and_then(|p| p.as_ident()).cloned().filter(|_| f.name.0.len() == 1) else { return };
        let name = id.value.to_lowercase();
        let FunctionArguments::List(list) = &mut f.args else { return };
        if name == "count" {
            for arg in &mut list.args {
                if let FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(relation)) = arg {
                    let parts = relation.0.iter().filter_map(|p| p.as_ident()).cloned();
                    let column = Ident { value: self.counted.to_owned(), quote_style: Some('"'), span: relation.span() };
                    *arg = FunctionArg::Unnamed(FunctionArgExpr::Expr(SqlExpr::CompoundIdentifier(parts.chain([column]).collect())));
                }
            }
            return;
        }
        let from_end = match name.as_str() {
            "first" => false,
            "last" => true,
            _ => return,
        };
        let skip = match list.args.as_slice() {
            [_] => 0,
            [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(SqlExpr::Value(n)))] => match &n.value {
                Value::Number(digits, _) => digits.parse::<usize>().ok().filter(|&n| n <= SKIP_MAX).unwrap_or(usize::MAX),
                _ => usize::MAX,
            },
            _ => usize::MAX,
        };
        if skip == usize::MAX {
            let message = format!("`{name}` takes a column, and how many rows to pass over: a whole number of at most {SKIP_MAX}");
            let hint = format!("write `{name}(b.x)`, or `{name}(b.x, 1)` for the one {} it", if from_end { "before" } else { "after" });
            self.errors.push(self.places.error(codes::TYPE_ERROR, self.places.span(id.span), message).hint(hint));
            return;
        }
        let called = match (skip, from_end) {
            (0, false) => "first_value",
            (0, true) => "last_value",
            _ => "nth_value",
        };
        list.args.truncate(1);
        if skip > 0 {
            let nth = if from_end { format!("-{}", skip + 1) } else { format!("{}", skip + 1) };
            let nth = SqlExpr::Value(Value::Number(nth, false).with_empty_span());
            list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(nth)));
        }
        f.name = ObjectName::from(vec![Ident { value: called.to_owned(), quote_style: None, span: id.span }]);
    }
}
