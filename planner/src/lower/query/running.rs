//! `sum(x) over (partition by k order by t range between interval '1' hour preceding and current row)`: running aggregates.

use super::{Part, Scope, columns, rank::spread, select::Item};
use crate::{
    catalogue as codes,
    expr::function_name,
    lower::{Heard, Lowering},
    sql,
};
use datafusion_sql::sqlparser::ast::{
    Expr as SqlExpr, Function, Select, Spanned as _, WindowFrame, WindowFrameBound as Bound, WindowFrameUnits as Units, WindowSpec,
};
use runink_dsl::ast::{self, Action, Name, NamedExpr, RunningOver, Span, Spanned};

/// Functions that are no aggregates.
const NO_AGGREGATES: [&str; 8] = ["row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead"];

/// Calls over the same rows, which become one line.
struct Line {
    spec: WindowSpec,
    at: Span,
    /// The column that a call becomes, and the call.
    values: Vec<(Name, SqlExpr)>,
}

/// Which rows a frame has.
enum Frame {
    Over(Spanned<RunningOver>),
    /// All that came before.
    Before,
}

impl Lowering<'_> {
    /// Aggregates `over (…)` among what is selected. Whether it used the windows that the rows are cut into.
    pub(super) fn running_part(&mut self, scope: &Scope<'_>, part: &mut Part<'_>, select: &Select, items: &mut Vec<Item>) -> Heard<bool> {
        let mut lines: Vec<Line> = Vec::new();
        for item in items.iter_mut() {
            let Item::One { name, expr } = item else { continue };
            let mut calls: Vec<Function> = Vec::new();
            sql::replaced(expr, &mut |e| match e {
                SqlExpr::Function(f) if f.over.is_some() && !NO_AGGREGATES.contains(&function_name(f).as_str()) => {
                    calls.push(f.clone());
                    Some(e.clone())
                }
                _ => None,
            });
            if calls.is_empty() {
                continue;
            }
            let alone = matches!(sql::unnested(expr), SqlExpr::Function(f) if f.over.is_some());
            let called = match name {
                Some(name) => name.clone(),
                None => self.name_of_value(scope, expr)?,
            };
            let mut made = Vec::new();
            for call in calls {
                let at = scope.span(call.name.span());
                let spec = self.over(scope, select, &call, at)?;
                let taken = |n: &str| {
                    part.work.flow.columns().iter().any(|c| c.name() == n) || lines.iter().any(|l| l.values.iter().any(|v| v.0.value == n))
                };
                let own = alone && !taken(&called.value);
                let column = if own { called.value.clone() } else { free(&function_name(&call), &taken) };
                let value = (Name::new(column.clone(), called.span), SqlExpr::Function(Function { over: None, ..call.clone() }));
                match lines.iter_mut().find(|l| l.spec == spec) {
                    Some(line) => line.values.push(value),
                    None => lines.push(Line { spec, at, values: vec![value] }),
                }
                made.push((SqlExpr::Function(call), column));
            }
            let new = sql::replaced(expr, &mut |e| made.iter().find(|(call, _)| call == e).map(|(_, c)| columns::by_name(c, e.span())));
            *item = Item::One { name: Some(called), expr: Box::new(new) };
        }
        if lines.is_empty() {
            return Ok(false);
        }
        spread(items, part);
        let window = part.window.take();
        let windowed = window.is_some();
        for line in lines {
            self.running_line(scope, part, line, window.clone())?;
        }
        Ok(windowed)
    }

    fn running_line(&mut self, scope: &Scope<'_>, part: &mut Part<'_>, line: Line, window: Option<Spanned<ast::Window>>) -> Heard<()> {
        let Line { spec, at, values } = line;
        let mut keys = spec.partition_by;
        if window.is_some() {
            let all = keys.len();
            keys.retain(|k| columns::path(k).and_then(sql::is_window).is_none());
            if keys.len() == all {
                let message = "rows that are cut into windows are aggregated in them";
                let hint = "write `partition by window_start, window_end`, and the keys behind";
                return Err(self.refuse(scope, codes::QUERY_WINDOW, at, message, hint));
            }
        }
        if spec.order_by.is_empty() {
            let message = "an aggregate `over` rows without an order would be over all rows, those that are to come among them";
            let hint = "write `over (partition by k order by t)`, by the event time, and which rows before count";
            return Err(self.refuse(scope, codes::QUERY_RANK, at, message, hint));
        }
        let over = match (self.frame(scope, spec.window_frame.as_ref(), at)?, &window) {
            (Frame::Over(over), None) => Some(over),
            (Frame::Before, Some(_)) => None,
            (Frame::Over(_), Some(_)) => {
                let message = "the window says already which rows count";
                return Err(self.refuse(scope, codes::QUERY_RANK, at, message, "leave the frame out, or cut no windows"));
            }
            (Frame::Before, None) => {
                let message = "an aggregate over all rows before keeps a row for each of them, for ever";
                let hint = "say which count: `range between interval '1' hour preceding and current row`, or `rows between 9 preceding and current row`; for a total that is kept up to date, `group by` the keys";
                return Err(self.refuse(scope, codes::QUERY_RANK, at, message, hint));
            }
        };
        let order = self.order(scope, part, &spec.order_by)?;
        let values = values.into_iter().map(|(name, value)| NamedExpr { name: Some(name), expr: self.handed(scope, &value) }).collect();
        let counted = matches!(over.as_ref().map(|o| &o.value), Some(RunningOver::Rows(_)));
        let running = ast::Running {
            values,
            per: keys.iter().map(|k| NamedExpr { name: None, expr: self.handed(scope, k) }).collect(),
            order: Some(order),
            keep_state: if counted { scope.keep() } else { None },
            over,
            window,
        };
        self.line_at(part, at, Action::Running(running))
    }

    /// The rows that a frame has; without one those before, as in SQL.
    fn frame(&mut self, scope: &Scope<'_>, frame: Option<&WindowFrame>, at: Span) -> Heard<Frame> {
        let Some(WindowFrame { units, start_bound, end_bound }) = frame else { return Ok(Frame::Before) };
        let ends = matches!(end_bound, None | Some(Bound::CurrentRow));
        let found = match (units, start_bound) {
            (Units::Rows | Units::Range, Bound::Preceding(None)) => Some(Frame::Before),
            (Units::Rows, Bound::CurrentRow) => Some(Frame::Over(Spanned::new(RunningOver::Rows(Spanned::new(1, at)), at))),
            (Units::Rows, Bound::Preceding(Some(n))) => {
                let span = scope.place_of(n);
                let rows = sql::whole(n).and_then(|n| n.checked_add(1));
                rows.map(|rows| Frame::Over(Spanned::new(RunningOver::Rows(Spanned::new(rows, span)), span)))
            }
            (Units::Range, Bound::Preceding(Some(length))) => {
                let length = self.length(scope, length)?;
                let span = length.span;
                Some(Frame::Over(Spanned::new(RunningOver::Time(length), span)))
            }
            _ => None,
        };
        match found.filter(|_| ends) {
            Some(frame) => Ok(frame),
            None => {
                let message = "a frame on a stream has rows before a row, and the row itself";
                let hint =
                    "write `range between interval '1' hour preceding and current row`, or `rows between 9 preceding and current row`";
                Err(self.refuse(scope, codes::QUERY_RANK, at, message, hint))
            }
        }
    }
}

/// A name that nothing has.
fn free(function: &str, taken: &dyn Fn(&str) -> bool) -> String {
    (1..).map(|i| format!("__{function}{i}")).find(|n| !taken(n)).unwrap_or_default()
}
