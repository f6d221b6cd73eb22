//! What must hold after a step's lines: `@then`.

use super::{
    Heard, Lowering, Texts,
    stream::{Column, Flow, columns_read},
};
use crate::{ExpectAction, ExpectStage, RowStageKind, catalogue as codes, expr::Place};
use arrow::datatypes::{DataType, Field};
use runink_connector_api::RejectReason;
use runink_dsl::ast::{Expectation, Otherwise, Spanned};

impl Lowering<'_> {
    pub(super) fn expectation(&mut self, flow: &mut Flow, texts: Texts<'_>, expectation: &Spanned<Expectation>) -> Heard<()> {
        let (expr, otherwise) = match &expectation.value {
            Expectation::Row { expr, otherwise } => (expr, otherwise),
            Expectation::Share { .. } | Expectation::Volume { .. } => return Err(self.refused_expectation(texts.file, expectation)),
        };
        let condition = self.condition(texts, expr, flow.columns(), Place::Row)?;
        let reads = columns_read(&condition.expr);
        let otherwise = match otherwise {
            Otherwise::Reject => {
                self.no_upsert(flow, texts.file, expectation.span, "otherwise reject")?;
                ExpectAction::Reject
            }
            Otherwise::Alert => ExpectAction::Alert,
            Otherwise::Fail => ExpectAction::Fail,
            Otherwise::Tag(name) => {
                let tag = self.name(texts, name)?;
                if flow.columns().iter().any(|c| c.name() == tag) {
                    let message = format!("there is a column `{tag}` already");
                    return Err(self.error(codes::DUPLICATE_COLUMN, texts.file, name.span, message, "give the tag another name"));
                }
                let mut column = Column::new(Field::new(&tag, DataType::Boolean, true));
                column.from = flow.columns().iter().filter(|c| reads.contains(c.name())).flat_map(|c| c.from.clone()).collect();
                flow.stream.columns.push(column);
                ExpectAction::Tag(tag)
            }
        };
        let text = self.text(texts, &expr.value, expr.span, true)?.text.split_whitespace().collect::<Vec<_>>().join(" ");
        flow.stage(RowStageKind::Expect(ExpectStage { predicate: condition.expr, text, reason: RejectReason::Expectation, otherwise }));
        Ok(())
    }
}
