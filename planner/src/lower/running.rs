//! `running`: aggregates over the rows before each row and the row itself.

use super::{
    Heard, Lowering,
    aggregate::{Arguments, Calls, Item},
    order::{Kept, Made},
    step::Work,
    stream::{Column, Projected, column_expr},
};
use crate::{
    Op, RUNNING_ROWS_MAX, RunningOp, RunningOver, StateBound, StreamKind, WindowShape, catalogue as codes,
    expr::{self, Place},
};
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_expr::Expr;
use runink_dsl::ast::{self, Span};

const VERB: &str = "running";

impl Lowering<'_> {
    pub(super) fn running(&mut self, work: &mut Work<'_>, span: Span, line: &ast::Running) -> Heard<()> {
        let mut made = Made::default();
        let keys = self.keys(work, &line.per, &mut made)?;
        let (time, order) = self.rows_in_time(work, span, VERB, line.order.as_ref(), &mut made)?;
        let items = self.running_items(work, line, &made)?;
        let over = self.running_over(work, span, line)?;
        let kept = Kept::of(line.keep_state.as_ref());
        let state = match over {
            RunningOver::Time(us) => StateBound::Rows { lifetime_us: Some(us) },
            RunningOver::Rows(rows) => kept.rows(Some(rows)),
            RunningOver::Window { size, .. } => StateBound::Windowed { windows_per_key: 1, lifetime_us: Some(size) },
        };
        let mut arguments = Arguments { flow: &work.flow, computed: std::mem::take(&mut made.columns) };
        let (calls, call_columns, results) = self.running_calls(work, &items, &mut arguments)?;
        made.columns = arguments.computed;
        let hidden = self.make(work, span, made)?;
        let width = work.flow.columns().len();
        let columns: Vec<Column> = work.flow.columns().iter().cloned().chain(call_columns).collect();
        let out_time = Some(time.clone());
        let op = RunningOp { keys, time, order, over, calls, ttl_us: kept.ttl_us };
        self.order_node(work, Op::Running(op), columns, StreamKind::AppendOnly, out_time, state);
        let plain = |(item, result): (&Item, &Expr)| matches!(result, Expr::Column(c) if c.name == item.name);
        if hidden.is_empty() && work.flow.columns().len() == width + items.len() && items.iter().zip(&results).all(plain) {
            return Ok(());
        }
        let mut projected: Vec<Projected> = (0..width).filter(|i| !hidden.contains(i)).map(|i| work.flow.keep(i)).collect();
        for (item, result) in items.iter().zip(results) {
            projected.push(work.flow.make(result, item.typed.named(&item.name)));
        }
        self.project(work, span, projected)
    }

    /// What is computed, under names that no column has.
    fn running_items(&mut self, work: &Work<'_>, line: &ast::Running, made: &Made) -> Heard<Vec<Item>> {
        let items = self.items(work, &line.values, Place::Group)?;
        for (i, item) in items.iter().enumerate() {
            self.free(work, made, &item.name, item.span)?;
            if items[..i].iter().any(|other| other.name == item.name) {
                let message = format!("there would be two columns `{}`", item.name);
                return Err(self.error(codes::DUPLICATE_COLUMN, work.texts.file, item.span, message, "give one of them another name"));
            }
        }
        Ok(items)
    }

    /// Which rows count.
    fn running_over(&mut self, work: &mut Work<'_>, span: Span, line: &ast::Running) -> Heard<RunningOver> {
        let file = work.texts.file;
        let over = match (&line.over, &line.window) {
            (Some(over), None) => match &over.value {
                ast::RunningOver::Time(time) => RunningOver::Time(time.value.0),
                ast::RunningOver::Rows(rows) if rows.value <= RUNNING_ROWS_MAX => RunningOver::Rows(rows.value),
                ast::RunningOver::Rows(rows) => {
                    let message = format!("{} rows are too many: at most {RUNNING_ROWS_MAX} are kept for each key", rows.value);
                    return Err(self.error(codes::ROW_ORDER, file, rows.span, message, "say how far back rows count in time: `within 1h`"));
                }
            },
            (None, Some(window)) => {
                let spec = self.window(work, window)?;
                match (spec.shape, spec.time) {
                    (WindowShape::Tumbling { size, offset }, Some(_)) => RunningOver::Window { size, offset },
                    _ => {
                        let construct = "`running` in other than tumbling windows on event time";
                        return Err(self.not_yet(file, window.span, construct, "use `in tumbling(…)`, or `within 1h`"));
                    }
                }
            }
            (over, _) => {
                let (message, at) = match over {
                    Some(over) => ("`within` and a window are two answers to the question which rows count", over.span),
                    None => ("`running` has to know which rows before a row count", span),
                };
                let hint =
                    "say `within 1h`, `within 10 rows`, or `in tumbling(1d)`; totals of all time are an `aggregate … emit on change`";
                return Err(self.error(codes::ROW_ORDER, file, at, message, hint));
            }
        };
        if let Some(keep) = line.keep_state.as_ref().filter(|_| !matches!(over, RunningOver::Rows(_))) {
            let message = "rows are kept as long as they count";
            return Err(self.error(codes::EMIT, file, keep.span, message, "leave `keep` out"));
        }
        Ok(over)
    }

    /// The calls, their columns, and the results over those.
    fn running_calls(
        &mut self,
        work: &Work<'_>,
        items: &[Item],
        arguments: &mut Arguments<'_>,
    ) -> Heard<(Vec<crate::AggregateCall>, Vec<Column>, Vec<Expr>)> {
        let file = work.texts.file;
        let schema = expr::df_schema(work.flow.columns()).map_err(|e| {
            let message = format!("planning failed: {}", e.strip_backtrace());
            self.error(codes::INTERNAL, file, work.flow.at.1, message, "this is a bug of Runink: please report it")
        })?;
        let mut calls = Calls { outputs: items, keys: &[], rows: work.flow.columns(), calls: Vec::new(), columns: Vec::new() };
        let mut results = Vec::new();
        for item in items {
            let alone = matches!(item.typed.expr, Expr::AggregateFunction(_));
            let rewritten = item.typed.expr.clone().transform_down(|e| match &e {
                Expr::AggregateFunction(f) => {
                    let name = calls.call(f, alone.then_some(item.name.as_str()), &schema, arguments)?;
                    Ok(Transformed::new(column_expr(&name), true, TreeNodeRecursion::Jump))
                }
                _ => Ok(Transformed::no(e)),
            });
            match rewritten.data() {
                Ok(expr) => results.push(expr),
                Err(e) => {
                    let message = format!("`{}` cannot be computed: {}", item.name, e.strip_backtrace());
                    return Err(self.error(codes::TYPE_ERROR, file, item.span, message, "give the aggregate other arguments"));
                }
            }
        }
        let Calls { calls, columns, .. } = calls;
        Ok((calls.into_iter().map(|(_, call)| call).collect(), columns, results))
    }
}
