//! Lines that work row by row: set, select, drop, rename, unnest, split.

use super::{
    Heard, Lowering, Said,
    step::Work,
    stream::{Column, Flow, Projected, free_name},
};
use crate::{RowStageKind, StreamKind, catalogue as codes, expr::Place, names, types::type_name};
use arrow::datatypes::{DataType, Field};
use datafusion_expr::{Expr, not};
use runink_dsl::ast::{Name, NamedExpr, Span, SplitArm, Unnest};
use std::{collections::BTreeSet, sync::Arc};

impl Lowering<'_> {
    pub(super) fn set(&mut self, work: &mut Work<'_>, span: Span, items: &[NamedExpr]) -> Heard<()> {
        let mut made: Vec<(String, Span, Projected)> = Vec::new();
        let mut failed = false;
        for item in items {
            match self.named_item(work, item) {
                Ok((name, at, projected)) => {
                    if made.iter().any(|(n, ..)| *n == name) {
                        let message = format!("`{name}` is set twice in one line");
                        let hint = "every expression sees the columns from before the line; set it again in the next line";
                        self.error(codes::DUPLICATE_COLUMN, work.texts.file, at, message, hint);
                        failed = true;
                    }
                    made.push((name, at, projected));
                }
                Err(Said) => failed = true,
            }
        }
        if failed {
            return Err(Said);
        }
        let mut projected: Vec<Projected> = (0..work.flow.columns().len()).map(|i| work.flow.keep(i)).collect();
        for (name, _, new) in made {
            match projected.iter_mut().find(|p| p.column.name() == name) {
                Some(place) => *place = new,
                None => projected.push(new),
            }
        }
        self.project(work, span, projected)
    }

    /// An expression under its name.
    fn named_item(&mut self, work: &Work<'_>, item: &NamedExpr) -> Heard<(String, Span, Projected)> {
        let typed = self.expression(work.texts, &item.expr, work.flow.columns(), Place::Row)?;
        let (name, at) = match &item.name {
            Some(name) => (self.name(work.texts, name)?, name.span),
            None => (self.own_name(work, &item.expr, &typed.expr)?, item.expr.span),
        };
        let field = typed.named(&name);
        Ok((name, at, work.flow.make(typed.expr, field)))
    }

    /// The name of an expression that is given none: a column's own.
    fn own_name(&mut self, work: &Work<'_>, text: &runink_dsl::ast::Expr, expr: &Expr) -> Heard<String> {
        let written = text.value.trim();
        let last = written.rsplit('.').next().unwrap_or(written).trim_matches('"');
        let is_path = !written.is_empty() && written.chars().all(|c| c.is_alphanumeric() || "_.\"".contains(c));
        match expr {
            Expr::Column(read) => {
                // A table's column that had to be renamed keeps the name that it was asked for by.
                let column = work.flow.columns().iter().find(|c| c.name() == read.name);
                let origin = column.and_then(|c| c.origins.iter().find(|o| o.column.eq_ignore_ascii_case(last)));
                Ok(origin.map_or_else(|| read.name.clone(), |o| o.column.clone()))
            }
            _ if is_path => Ok(last.to_owned()),
            _ => {
                let message = format!("`{written}` needs a name");
                Err(self.error(codes::NEEDS_NAME, work.texts.file, text.span, message, format!("write `name = {written}`")))
            }
        }
    }

    pub(super) fn select(&mut self, work: &mut Work<'_>, span: Span, items: &[NamedExpr]) -> Heard<()> {
        let mut chosen: Vec<Projected> = Vec::new();
        let mut failed = false;
        for item in items {
            let text = item.expr.value.trim();
            let added: Heard<Vec<(Span, Projected)>> = if text == "*" {
                Ok((0..work.flow.columns().len()).map(|i| (item.expr.span, work.flow.keep(i))).collect())
            } else if let Some(relation) = text.strip_suffix(".*") {
                self.all_of(work, relation.trim(), item.expr.span)
            } else {
                self.named_item(work, item).map(|(_, at, projected)| vec![(at, projected)])
            };
            let Ok(added) = added else {
                failed = true;
                continue;
            };
            for (at, new) in added {
                if chosen.iter().any(|p| p.column.name() == new.column.name()) {
                    let message = format!("`{}` would be there twice", new.column.name());
                    self.error(
                        codes::DUPLICATE_COLUMN,
                        work.texts.file,
                        at,
                        message,
                        "give one of them another name: `other = …`, or leave it out",
                    );
                    failed = true;
                } else {
                    chosen.push(new);
                }
            }
        }
        if failed { Err(Said) } else { self.project(work, span, chosen) }
    }

    /// `Relation.*`.
    fn all_of(&mut self, work: &Work<'_>, relation: &str, span: Span) -> Heard<Vec<(Span, Projected)>> {
        let columns = work.flow.columns();
        let of = |c: &Column| c.origins.iter().any(|o| o.relation == relation);
        let found: Vec<_> = (0..columns.len()).filter(|&i| of(&columns[i])).map(|i| (span, work.flow.keep(i))).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let relations: BTreeSet<&str> = columns.iter().flat_map(|c| c.origins.iter().map(|o| o.relation.as_str())).collect();
        let hint = names::hint(relation, "inputs of this step", relations);
        Err(self.error(codes::UNKNOWN_COLUMN, work.texts.file, span, format!("this step has no input `{relation}`"), hint))
    }

    pub(super) fn drop_columns(&mut self, work: &mut Work<'_>, span: Span, columns: &[Name]) -> Heard<()> {
        let mut gone = BTreeSet::new();
        for name in columns {
            gone.insert(self.column(work.texts, name, work.flow.columns())?);
        }
        let kept = (0..work.flow.columns().len()).filter(|i| !gone.contains(i)).map(|i| work.flow.keep(i)).collect();
        self.project(work, span, kept)
    }

    pub(super) fn rename(&mut self, work: &mut Work<'_>, span: Span, pairs: &[(Name, Name)]) -> Heard<()> {
        let mut projected: Vec<Projected> = (0..work.flow.columns().len()).map(|i| work.flow.keep(i)).collect();
        for (old, new) in pairs {
            let index = self.column(work.texts, old, work.flow.columns())?;
            let name = self.name(work.texts, new)?;
            projected[index].column = work.flow.columns()[index].renamed(&name);
        }
        for (_, new) in pairs {
            let name = self.name(work.texts, new)?;
            if projected.iter().filter(|p| p.column.name() == name).count() > 1 {
                let message = format!("there would be two columns `{name}`");
                return Err(self.error(
                    codes::DUPLICATE_COLUMN,
                    work.texts.file,
                    new.span,
                    message,
                    "choose another name, or drop the other column before",
                ));
            }
        }
        self.project(work, span, projected)
    }

    /// Adds a projection, and says so where it leaves nothing or loses the key.
    pub(super) fn project(&mut self, work: &mut Work<'_>, span: Span, projected: Vec<Projected>) -> Heard<()> {
        if projected.is_empty() {
            return Err(self.error(codes::NO_COLUMNS, work.texts.file, span, "no column is left", "keep at least one"));
        }
        work.flow.project(projected).map_err(|lost| {
            let what = match work.flow.stream.kind {
                StreamKind::Upsert { .. } => "a keyed source",
                _ => "a changelog: rows that take earlier ones back",
            };
            let message = format!("`{lost}` is part of the key of {what}, and this line drops or replaces it");
            self.error(codes::KEY_LOST, work.texts.file, span, message, format!("keep `{lost}`; it may be renamed"))
        })
    }

    pub(super) fn unnest(&mut self, work: &mut Work<'_>, span: Span, unnest: &Unnest) -> Heard<()> {
        let file = work.texts.file;
        let index = self.column(work.texts, &unnest.column, work.flow.columns())?;
        let list = work.flow.columns()[index].clone();
        let (DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _)) = list.field.data_type() else {
            let message = format!("`{}` is {} and cannot be unnested", list.name(), type_name(list.field.data_type()));
            return Err(self.error(codes::NOT_A_LIST, file, unnest.column.span, message, "name a column whose type is a list"));
        };
        self.no_upsert(&work.flow, file, span, "unnest")?;
        let name = match &unnest.alias {
            Some(alias) => self.name(work.texts, alias)?,
            None => list.name().to_owned(),
        };
        let mut columns = work.flow.columns().to_vec();
        let mut column = list.renamed(&name);
        column.field = Arc::new(Field::new(&name, element.data_type().clone(), true).with_metadata(element.metadata().clone()));
        column.direct = false;
        columns[index] = column;
        let ordinality = match &unnest.ordinality {
            Some(name) => {
                let text = self.name(work.texts, name)?;
                columns.push(Column { from: list.from.clone(), ..Column::new(Field::new(&text, DataType::Int64, true)) });
                Some(text)
            }
            None => None,
        };
        let mut seen = BTreeSet::new();
        if let Some(twice) = columns.iter().map(Column::name).find(|n| !seen.insert(n.to_owned())) {
            let message = format!("there would be two columns `{twice}`");
            return Err(self.error(
                codes::DUPLICATE_COLUMN,
                file,
                span,
                message,
                "name the element with `as`, or the number with `with ordinality as`",
            ));
        }
        if let StreamKind::Changelog { key } = &mut work.flow.stream.kind {
            let Some(number) = ordinality.clone().filter(|_| !key.iter().any(|k| k == list.name())) else {
                let message = "elements of a changelog's rows need a number to be told apart";
                return Err(self.error(
                    codes::KEYED_STREAM,
                    file,
                    span,
                    message,
                    "add `with ordinality as n`, and keep the key out of the list",
                ));
            };
            key.push(number);
        }
        work.flow.stream.columns = columns;
        work.flow.stage(RowStageKind::Unnest { column: index, ordinality: ordinality.is_some(), keep_empty: unnest.keep_empty });
        Ok(())
    }

    /// Every arm is the flow so far, filtered by its condition and by none of those before it.
    pub(super) fn split(&mut self, work: &mut Work<'_>, span: Span, arms: &[SplitArm]) -> Heard<()> {
        let file = work.texts.file;
        self.no_upsert(&work.flow, file, span, "split")?;
        // The first condition that holds wins: each arm takes what none before it took.
        let mut before: Vec<Expr> = Vec::new();
        let mut made: Vec<(String, Vec<Expr>)> = Vec::new();
        for arm in arms {
            let mut conditions: Vec<Expr> = before.iter().map(|b| not_true(b.clone())).collect();
            if let Some(when) = &arm.when {
                let condition = self.condition(work.texts, when, work.flow.columns(), Place::Row)?.expr;
                before.push(condition.clone());
                conditions.push(condition);
            }
            made.push((arm.port.value.clone(), conditions));
        }
        self.flush(&mut work.flow);
        for (port, conditions) in made {
            let mut flow = Flow { stages: Vec::new(), ..work.flow.clone() };
            flow.step = format!("{}.{port}", flow.step);
            if let Some(all) = conditions.into_iter().reduce(Expr::and) {
                flow.stage(RowStageKind::Filter(all));
            }
            work.ports.push((port, flow));
        }
        Ok(())
    }
}

/// False or null.
fn not_true(condition: Expr) -> Expr {
    not(condition.is_true())
}

/// A name for a column of the planner's own, which the step's rows do not have.
pub(super) fn own_column(columns: &[Column], wish: &str) -> String {
    free_name(columns, &format!("__{wish}"))
}
