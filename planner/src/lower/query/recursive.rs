//! `with recursive r as (start union round)`: a recursion from the first query, whose round is the second one.

use super::{Part, Scope, quoted};
use crate::{
    catalogue as codes,
    lower::{Heard, Lowering},
};
use datafusion_sql::sqlparser::ast::{Cte, ObjectName, SetExpr, SetOperator, SetQuantifier, Spanned as _, Visit, Visitor};
use runink_dsl::ast::{self, Action, Name, NamedExpr, Span, Spanned};
use std::ops::ControlFlow;

/// Whether a definition reads what it defines.
pub(super) fn reads_itself(cte: &Cte) -> bool {
    struct Reads<'n>(&'n str);
    impl Visitor for Reads<'_> {
        type Break = ();
        fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
            let last = relation.0.last().and_then(|p| p.as_ident());
            match last.is_some_and(|id| id.value.eq_ignore_ascii_case(self.0)) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    cte.query.visit(&mut Reads(&cte.alias.name.value)).is_break()
}

impl Lowering<'_> {
    /// The rows of a definition that reads itself; `at` is its place among the definitions.
    pub(super) fn recursive<'t>(&mut self, scope: &mut Scope<'t>, at: usize, span: Span) -> Heard<Part<'t>> {
        let defined = scope.defined[at].clone();
        let name = defined.alias.name.value.clone();
        let plain = defined.query.order_by.is_none() && defined.query.limit_clause.is_none() && defined.query.with.is_none();
        let (start, round) = match defined.query.body.as_ref() {
            SetExpr::SetOperation {
                left,
                op: SetOperator::Union,
                set_quantifier: SetQuantifier::None | SetQuantifier::Distinct,
                right,
            } if plain => (left, right),
            SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, right, .. } => {
                let message = format!("`{name}` would have every row as often as there are ways to it, and a circle has no end of them");
                let hint = "write `union`: each different row counts once";
                return Err(self.refuse(scope, codes::ITERATE, scope.span(right.span()), message, hint));
            }
            _ => {
                let message = format!("`{name}` reads itself, but does not say what it starts from");
                let hint = "write it as `select … union select … from r join …`: what it starts from, then what a round finds";
                return Err(self.refuse(scope, codes::ITERATE, span, message, hint));
            }
        };
        // What it starts from sees the definitions before it; the round sees it as well.
        let later = scope.defined.split_off(at);
        let part = self.set_of(scope, start, None);
        let mut part = match part {
            Ok(part) => self.called(scope, part, name.clone(), Some(&defined.alias), span)?.part,
            Err(said) => {
                scope.defined.extend(later);
                return Err(said);
            }
        };
        let wanted: Vec<String> = part.work.flow.columns().iter().map(|c| c.name().to_owned()).collect();
        let keep = scope.keep.clone();
        scope.kept.set(scope.kept.get() || keep.is_some());
        let iterate = ast::Iterate { outputs: Vec::new(), by: Vec::new(), rounds: None, keep_state: scope.keep.take() };
        let round_span = scope.span(round.span());
        let done = self.recursion(&mut part.work, scope.line, &iterate, &mut |lowering, work, rows| {
            scope.defined.push(super::Defined { found: Some(rows), ..defined.clone() });
            let found = lowering.set_of(scope, round, None);
            scope.defined.pop();
            let mut found = found?;
            let names: Vec<String> = found.work.flow.columns().iter().map(|c| c.name().to_owned()).collect();
            if names.len() != wanted.len() {
                let message = format!("`{name}` starts from {} columns, and a round finds {}", wanted.len(), names.len());
                return Err(lowering.refuse(scope, codes::ITERATE, round_span, message, "select as many columns in both"));
            }
            if names != wanted {
                let items = names.iter().zip(&wanted).map(|(from, to)| NamedExpr {
                    name: Some(Name::new(to.clone(), round_span)),
                    expr: Spanned::new(quoted(from), round_span),
                });
                lowering.line_at(&mut found, round_span, Action::Select(items.collect()))?;
            }
            work.flow = found.work.flow;
            Ok(())
        });
        scope.keep = keep;
        scope.defined.extend(later);
        done.map(|()| part)
    }
}
