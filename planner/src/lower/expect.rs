//! What must hold after a step's lines: `@then`.

use super::{
    Heard, Lowering, NewNode, Texts,
    stream::{Column, Flow, columns_read},
};
use crate::{
    CheckOp, Demand, EventTime, ExpectAction, ExpectStage, Op, RowStageKind, ShareOp, StateBound, StreamKind, catalogue as codes,
    checks_schema, expr::Place, types,
};
use arrow::datatypes::{DataType, Field};
use runink_connector_api::RejectReason;
use runink_dsl::{
    ast::{Expectation, Otherwise, Spanned},
    units::show_duration,
};

impl Lowering<'_> {
    pub(super) fn expectation(&mut self, flow: &mut Flow, texts: Texts<'_>, expectation: &Spanned<Expectation>) -> Heard<()> {
        let (expr, otherwise) = match &expectation.value {
            Expectation::Row { expr, otherwise } => (expr, otherwise),
            Expectation::Share { .. } | Expectation::Volume { .. } => return self.of_windows(flow, texts, expectation),
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

    /// An expectation on the rows of a window together: a node beside the step, which reads the rows as they are here.
    fn of_windows(&mut self, flow: &mut Flow, texts: Texts<'_>, expectation: &Spanned<Expectation>) -> Heard<()> {
        let (demand, text, size, otherwise) = match &expectation.value {
            Expectation::Share { expr, op, bound, over, otherwise } => {
                let condition = self.condition(texts, expr, flow.columns(), Place::Row)?;
                let written = self.text(texts, &expr.value, expr.span, true)?.text.split_whitespace().collect::<Vec<_>>().join(" ");
                let share_op = match op.as_str() {
                    "<" => ShareOp::Lt,
                    "<=" => ShareOp::LtEq,
                    ">" => ShareOp::Gt,
                    _ => ShareOp::GtEq,
                };
                let text = format!("share of {written} {op} {} over {}", percent(*bound), show_duration(over.value));
                (Demand::Share { of: condition.expr, op: share_op, bound: *bound }, text, over, otherwise)
            }
            Expectation::Volume { at_least, rows, per, otherwise } => {
                let text = format!("at {} {rows} rows per {}", if *at_least { "least" } else { "most" }, show_duration(per.value));
                (Demand::Rows { at_least: *at_least, rows: *rows }, text, per, otherwise)
            }
            Expectation::Row { .. } => return Ok(()),
        };
        if size.value.0 <= 0 {
            let message = "the window of an expectation is longer than 0";
            return Err(self.error(codes::WINDOW_LENGTH, texts.file, size.span, message, "for example `over 10m`"));
        }
        if !flow.stream.is_append_only() {
            let message = "rows of a window can be counted where they stay, and here some replace others or take them back";
            let hint = "expect it of a step before, or let the aggregate emit `on close`";
            return Err(self.error(codes::KEYED_STREAM, texts.file, expectation.span, message, hint));
        }
        let is_time = |t: &&EventTime| flow.columns().get(t.column).is_some_and(|c| types::is_event_time(c.field.data_type()));
        let Some(time) = flow.stream.time.as_ref().filter(is_time).cloned() else {
            let message = "this expectation is about windows of event time, and the rows here have none";
            let hint = "give the source `time=<column>`, and keep that column in the lines before";
            return Err(self.error(codes::WINDOW_TIME, texts.file, expectation.span, message, hint));
        };
        self.flush(flow);
        let columns = checks_schema().fields().iter().map(|f| Column::new(f.clone())).collect();
        let op = CheckOp { text: text.clone(), demand, size_us: size.value.0, time, fail: matches!(otherwise, Otherwise::Fail) };
        self.push(NewNode {
            name: format!("{}: {text}", flow.step),
            op: Op::Check(op),
            inputs: vec![flow.stream.node],
            columns,
            kind: StreamKind::AppendOnly,
            time: None,
            state: StateBound::Windowed { windows_per_key: 1, lifetime_us: Some(size.value.0) },
            at: flow.at,
        });
        Ok(())
    }
}

/// A fraction as people write it; what a fraction's last bits add is left out.
fn percent(fraction: f64) -> String {
    format!("{}%", (fraction * 1e12).round() / 1e10)
}
