//! Lines about the order of rows: `top` and `rank`, `deduplicate`, `lag` and `lead`.
//!
//! What they order, group and take by becomes columns: a named key is one of the step's from then on, what has no name is dropped behind the operator.

use super::{
    Heard, Lowering, NewNode,
    aggregate::{WINDOW_END, WINDOW_START, window_columns},
    rows::own_column,
    step::Work,
    stream::{Column, Flow, Projected, column_expr},
    window::window_state,
};
use crate::{
    EventTime, FirstOp, NEIGHBOUR_DISTANCE_MAX, NeighbourOp, Op, OrderBy, RankOp, RankScope, RowStageKind, StateBound, StreamKind,
    WindowShape, WindowSpec, catalogue as codes,
    expr::{self, Place, Typed},
};
use arrow::datatypes::{DataType, Field};
use datafusion_expr::Expr;
use runink_dsl::ast::{self, NamedExpr, Retention, Span, Spanned};
use std::sync::Arc;

/// Columns that a line makes: named ones first, then those that nobody sees.
#[derive(Default)]
pub(super) struct Made {
    pub(super) columns: Vec<Projected>,
    named: usize,
}

impl Made {
    /// All names, the flow's and those that were made.
    fn taken(&self, flow: &Flow) -> Vec<Column> {
        flow.columns().iter().cloned().chain(self.columns.iter().map(|p| p.column.clone())).collect()
    }

    /// Where a column of the flow stands that an expression only names.
    fn plain(flow: &Flow, expr: &Expr) -> Option<usize> {
        let Expr::Column(read) = expr else { return None };
        flow.columns().iter().position(|c| c.name() == read.name)
    }

    /// The index of an expression among the operator's columns; it is computed once.
    fn index(&mut self, flow: &Flow, typed: &Typed, purpose: &str) -> usize {
        if let Some(index) = Made::plain(flow, &typed.expr) {
            return index;
        }
        let width = flow.columns().len();
        if let Some(index) = self.columns.iter().position(|p| p.expr == typed.expr) {
            return width + index;
        }
        let name = own_column(&self.taken(flow), purpose);
        self.columns.push(flow.make(typed.expr.clone(), typed.named(&name)));
        width + self.columns.len() - 1
    }
}

/// How long a line keeps keys.
pub(super) struct Kept {
    pub(super) ttl_us: Option<i64>,
    for_ever: bool,
}

impl Kept {
    pub(super) fn of(keep: Option<&Spanned<Retention>>) -> Self {
        match keep.map(|k| &k.value) {
            Some(Retention::For(ttl)) => Kept { ttl_us: Some(ttl.value.0), for_ever: false },
            Some(Retention::Forever) => Kept { ttl_us: None, for_ever: true },
            None => Kept { ttl_us: None, for_ever: false },
        }
    }

    pub(super) fn rows(&self, rows: Option<u64>) -> StateBound {
        StateBound::RowsPerKey { rows, ttl_us: self.ttl_us, for_ever: self.for_ever }
    }
}

impl Lowering<'_> {
    pub(super) fn top(&mut self, work: &mut Work<'_>, span: Span, top: &ast::Top) -> Heard<()> {
        let file = work.texts.file;
        let all = top.count.value == u64::MAX;
        let kept = self.kept(work, top.keep_state.as_ref());
        let mut made = Made::default();
        let keys = self.keys(work, &top.per, &mut made)?;
        let order = self.ordered(work, &top.order, &mut made)?;
        let rank = match &top.rank_as {
            Some(name) => {
                let text = self.name(work.texts, name)?;
                self.free(work, &made, &text, name.span)?;
                Some(text)
            }
            None => None,
        };
        let changelog = !work.flow.stream.is_append_only();
        let scope = self.rank_scope(work, top, &keys, changelog, &kept)?;
        if let RankScope::Window { edges: true, .. } = scope {
            for edge in [WINDOW_START, WINDOW_END] {
                let taken = made.taken(&work.flow).iter().any(|c| c.name() == edge) || rank.as_deref() == Some(edge);
                if taken {
                    let message = format!("there would be two columns `{edge}`: the window's own, and one that the rows have");
                    let hint = format!(
                        "rename it before: `@do rename {edge} to …`; or, if the rows are results of windows, leave `in` out and say `per {WINDOW_END}`"
                    );
                    return Err(self.error(codes::DUPLICATE_COLUMN, file, span, message, hint));
                }
            }
        }
        let op = RankOp {
            keys,
            order,
            newest_first: false,
            count: (!all).then_some(top.count.value),
            ties: top.with_ties,
            rank: rank.is_some(),
            scope,
            changelog,
        };
        self.rank(work, span, made, op, rank.as_deref(), &kept)
    }

    fn rank_scope(&mut self, work: &Work<'_>, top: &ast::Top, keys: &[usize], changelog: bool, kept: &Kept) -> Heard<RankScope> {
        let file = work.texts.file;
        if let Some(window) = &top.window {
            if let Some(keep) = &top.keep_state {
                let message = "a window is kept until it closes";
                return Err(self.error(codes::EMIT, file, keep.span, message, "leave `keep` out"));
            }
            if changelog {
                let message = "rows that are taken back have no window in which they are final";
                let hint = "let the aggregate before it `emit on close`, or leave the window out and say `keep state for …`";
                return Err(self.error(codes::KEYED_STREAM, file, window.span, message, hint));
            }
            let spec = self.window(work, window)?;
            if let WindowShape::Session { .. } = spec.shape {
                let instead = "use `tumbling`, `hopping` or `cumulating` windows";
                return Err(self.not_yet(file, window.span, "a ranking in session windows", instead));
            }
            return Ok(RankScope::Window { spec, edges: true });
        }
        // Rows of one moment are all there when the watermark has passed it.
        let time = work.flow.stream.time.clone().filter(|t| !changelog && keys.contains(&t.column));
        let Some(time) = time else { return Ok(RankScope::AllTime { ttl_us: kept.ttl_us }) };
        if let Some(keep) = &top.keep_state {
            let message = "each group has one event time, and is kept until the watermark has passed it";
            return Err(self.error(codes::EMIT, file, keep.span, message, "leave `keep` out"));
        }
        Ok(RankScope::Window { spec: WindowSpec { shape: WindowShape::Tumbling { size: 1, offset: 0 }, time: Some(time) }, edges: false })
    }

    /// Adds a ranking's node, and drops what nobody sees.
    fn rank(&mut self, work: &mut Work<'_>, span: Span, made: Made, op: RankOp, rank: Option<&str>, kept: &Kept) -> Heard<()> {
        let hidden = self.make(work, span, made)?;
        let input = work.flow.stream.clone();
        let mut columns = input.columns.clone();
        if let Some(rank) = rank {
            let from = op.order.iter().flat_map(|o| input.columns[o.column].from.clone()).collect();
            columns.push(Column { from, ..Column::new(Field::new(rank, DataType::Int64, true)) });
        }
        let name = |i: usize| input.columns[i].name().to_owned();
        let (kind, time, state) = match &op.scope {
            RankScope::AllTime { .. } => {
                let mut key: Vec<String> = op.keys.iter().map(|&k| name(k)).collect();
                let seen = !op.keys.iter().any(|k| hidden.contains(k));
                match rank {
                    _ if op.count == Some(1) && !op.ties && seen => {}
                    Some(rank) if !op.ties && seen => key.push(rank.to_owned()),
                    _ if op.changelog => key = input.key().to_vec(),
                    rank => {
                        key = (0..input.columns.len()).filter(|i| !hidden.contains(i)).map(name).chain(rank.map(str::to_owned)).collect()
                    }
                }
                let rows = op.count.filter(|_| !op.ties && !op.changelog);
                (StreamKind::Changelog { key }, None, kept.rows(rows))
            }
            RankScope::Window { spec, edges: true } => {
                let time = window_columns(spec, &input, &mut columns);
                (StreamKind::AppendOnly, time, window_state(spec.shape, 0))
            }
            RankScope::Window { edges: false, .. } => {
                (StreamKind::AppendOnly, input.time.clone(), StateBound::Windowed { windows_per_key: 1, lifetime_us: None })
            }
        };
        self.order_node(work, Op::Rank(op), columns, kind, time, state);
        self.drop_helpers(work, span, hidden)
    }

    pub(super) fn deduplicate(&mut self, work: &mut Work<'_>, span: Span, line: &ast::Deduplicate) -> Heard<()> {
        let file = work.texts.file;
        let kept = self.kept(work, line.keep_state.as_ref());
        let mut made = Made::default();
        let keys = self.keys(work, &line.by, &mut made)?;
        let mut order = match &line.order {
            Some(order) => self.ordered(work, order, &mut made)?,
            None => Vec::new(),
        };
        let stream = &work.flow.stream;
        let (changelog, time) = (!stream.is_append_only(), stream.time.clone());
        if changelog && line.order.is_none() {
            let message = "rows here are taken back, so which of them came first or last is not known";
            return Err(self.error(codes::ROW_ORDER, file, span, message, "say what orders them: `order by …`"));
        }
        let by_time = |o: &OrderBy| !o.descending && time.as_ref().is_some_and(|t| t.column == o.column);
        let settled = !changelog && order.first().is_some_and(by_time);
        if let Some(keep) = line.keep_state.as_ref().filter(|_| line.within.is_some()) {
            let message = "`within` says already for how long a key is kept";
            return Err(self.error(codes::EMIT, file, keep.span, message, "leave one of them out"));
        }
        if let (Some(within), None) = (&line.within, &time) {
            let message = "`within` is about event time, and the rows here have none";
            let hint = "give the source `time=<column>`, and keep that column in the steps before";
            return Err(self.error(codes::WINDOW_TIME, file, within.span, message, hint));
        }
        if let (Some(within), Some(time), true) = (&line.within, &time, line.keep_last && !changelog && (order.is_empty() || settled)) {
            let order = if settled { order.split_off(1) } else { order };
            return self.last_within(work, span, made, keys, (time.clone(), order), within.value.0);
        }
        if !line.keep_last && !changelog && (order.is_empty() || settled) {
            let within_us = line.within.as_ref().map(|w| w.value.0);
            // What bounds keys in time bounds the state.
            let bound = Kept { ttl_us: kept.ttl_us.or(within_us), for_ever: kept.for_ever };
            let order = if settled { order.split_off(1) } else { order };
            let op = FirstOp { keys, time: time.clone(), settled, order, within_us, ttl_us: kept.ttl_us };
            let hidden = self.make(work, span, made)?;
            let columns = work.flow.columns().to_vec();
            self.order_node(work, Op::First(op), columns, StreamKind::AppendOnly, time, bound.rows(Some(1)));
            return self.drop_helpers(work, span, hidden);
        }
        if let Some(within) = &line.within {
            let message = "`within` is about event time, and these rows are ordered by something else";
            let hint = "order by the event time, from early to late; or say how long keys are kept: `keep state for …`";
            return Err(self.error(codes::ROW_ORDER, file, within.span, message, hint));
        }
        let newest_first = line.order.is_none();
        if newest_first {
            // Of one epoch, the latest in time.
            order.extend(time.map(|t| OrderBy { column: t.column, descending: true, nulls_first: false }));
        } else if line.keep_last {
            for by in &mut order {
                (by.descending, by.nulls_first) = (!by.descending, !by.nulls_first);
            }
        }
        let scope = RankScope::AllTime { ttl_us: kept.ttl_us };
        let op = RankOp { keys, order, newest_first, count: Some(1), ties: false, rank: false, scope, changelog };
        self.rank(work, span, made, op, None, &kept)
    }

    /// Rows that none of the same key follows within a time: a row sees the one behind it as long as that is near, and stays if it sees none.
    fn last_within(
        &mut self,
        work: &mut Work<'_>,
        span: Span,
        made: Made,
        keys: Vec<usize>,
        (time, order): (EventTime, Vec<OrderBy>),
        within: i64,
    ) -> Heard<()> {
        let hidden = self.make(work, span, made)?;
        let mut columns = work.flow.columns().to_vec();
        let next = own_column(&columns, "next");
        columns.push(columns[time.column].renamed(&next));
        let hidden = hidden.chain([columns.len() - 1]).collect::<Vec<_>>();
        let out_time = time.shift_us.checked_add(within).map(|shift_us| EventTime { column: time.column, shift_us });
        let op = NeighbourOp { keys, values: vec![time.column], time, order, distance: 1, ahead: true, window: None, ttl_us: Some(within) };
        let state = StateBound::RowsPerKey { rows: Some(1), ttl_us: Some(within), for_ever: false };
        self.order_node(work, Op::Neighbour(op), columns, StreamKind::AppendOnly, out_time, state);
        work.flow.stage(RowStageKind::Filter(column_expr(&next).is_null()));
        let kept = (0..work.flow.columns().len()).filter(|i| !hidden.contains(i)).map(|i| work.flow.keep(i)).collect();
        self.project(work, span, kept)
    }

    pub(super) fn neighbours(&mut self, work: &mut Work<'_>, span: Span, line: &ast::Neighbours) -> Heard<()> {
        let file = work.texts.file;
        let verb = if line.ahead { "lead" } else { "lag" };
        let mut made = Made::default();
        let keys = self.keys(work, &line.per, &mut made)?;
        let (time, order) = self.rows_in_time(work, span, verb, line.order.as_ref(), &mut made)?;
        let distance = line.distance.as_ref().map_or(1, |d| d.value);
        if let Some(far) = line.distance.as_ref().filter(|d| d.value > NEIGHBOUR_DISTANCE_MAX) {
            let message = format!("a row that is {distance} rows away is too far: at most {NEIGHBOUR_DISTANCE_MAX} are kept for each key");
            return Err(self.error(codes::ROW_ORDER, file, far.span, message, "join the rows by what makes them belong together"));
        }
        let mut values: Vec<(usize, Column)> = Vec::new();
        for item in &line.values {
            let typed = self.expression(work.texts, &item.expr, work.flow.columns(), Place::Row)?;
            let Some(name) = &item.name else { continue };
            let text = self.name(work.texts, name)?;
            self.free(work, &made, &text, name.span)?;
            if values.iter().any(|(_, c)| c.name() == text) {
                let message = format!("there would be two columns `{text}`");
                return Err(self.error(codes::DUPLICATE_COLUMN, file, name.span, message, "give one of them another name"));
            }
            let index = made.index(&work.flow, &typed, "value");
            let projected = work.flow.make(typed.expr.clone(), typed.named(&text));
            let column = Column { from: projected.column.from, ..Column::new(typed.named(&text)) };
            values.push((index, column));
        }
        let window = self.neighbour_window(work, line, verb)?;
        let kept = Kept::of(line.keep_state.as_ref());
        let state = match window {
            Some((size, _)) => StateBound::Windowed { windows_per_key: 1, lifetime_us: Some(size) },
            None => kept.rows(Some(distance)),
        };
        // A row that waits for one behind it comes out when its window or its key's time is over, at the latest.
        let waits = match (line.ahead, window, kept.ttl_us) {
            (false, ..) => Some(0),
            (true, Some((size, _)), _) => Some(size - 1),
            (true, None, ttl) => ttl,
        };
        let shift = waits.and_then(|waits| time.shift_us.checked_add(waits));
        let out_time = shift.map(|shift_us| EventTime { column: time.column, shift_us });
        let op = NeighbourOp {
            keys,
            time,
            order,
            distance,
            ahead: line.ahead,
            values: values.iter().map(|v| v.0).collect(),
            window,
            ttl_us: kept.ttl_us,
        };
        let hidden = self.make(work, span, made)?;
        let columns = work.flow.columns().iter().cloned().chain(values.into_iter().map(|v| v.1)).collect();
        self.order_node(work, Op::Neighbour(op), columns, StreamKind::AppendOnly, out_time, state);
        self.drop_helpers(work, span, hidden)
    }

    /// The event time that rows stand in the order of, and what orders rows of the same moment.
    pub(super) fn rows_in_time(
        &mut self,
        work: &Work<'_>,
        span: Span,
        verb: &str,
        order: Option<&ast::Expr>,
        made: &mut Made,
    ) -> Heard<(EventTime, Vec<OrderBy>)> {
        let file = work.texts.file;
        if !work.flow.stream.is_append_only() {
            let message = format!("`{verb}` needs rows that stay, and here rows are taken back");
            let hint = "let the aggregate before it `emit on close`, without `allowed lateness`";
            return Err(self.error(codes::KEYED_STREAM, file, span, message, hint));
        }
        let Some(time) = work.flow.stream.time.clone() else {
            let message = format!("`{verb}` orders rows by their event time, and the rows here have none");
            let hint = "give the source `time=<column>`, and keep that column in the steps before";
            return Err(self.error(codes::WINDOW_TIME, file, span, message, hint));
        };
        let Some(written) = order else { return Ok((time, Vec::new())) };
        let mut order = self.ordered(work, written, made)?;
        if order.first().is_none_or(|o| o.descending || o.column != time.column) {
            let event_time = work.flow.stream.time_column().unwrap_or_default().to_owned();
            let message = format!("`{verb}` goes through rows from early to late, so their order begins with the event time");
            let hint = format!("write `order by {event_time}`, and what else orders them after it");
            return Err(self.error(codes::ROW_ORDER, file, written.span, message, hint));
        }
        Ok((time, order.split_off(1)))
    }

    fn neighbour_window(&mut self, work: &Work<'_>, line: &ast::Neighbours, verb: &str) -> Heard<Option<(i64, i64)>> {
        let Some(window) = &line.window else { return Ok(None) };
        let file = work.texts.file;
        if let Some(keep) = &line.keep_state {
            let message = "a window is kept until it closes";
            return Err(self.error(codes::EMIT, file, keep.span, message, "leave `keep` out"));
        }
        let spec = self.window(work, window)?;
        match (spec.shape, spec.time) {
            (WindowShape::Tumbling { size, offset }, Some(_)) => Ok(Some((size, offset))),
            _ => {
                let construct = format!("`{verb}` in other than tumbling windows on event time");
                Err(self.not_yet(file, window.span, &construct, "use `in tumbling(…)`, or leave the window out"))
            }
        }
    }

    /// How long a line keeps keys. A keyed source becomes a changelog, whose rows age; what is made of them goes with them.
    fn kept(&mut self, work: &mut Work<'_>, keep: Option<&Spanned<Retention>>) -> Kept {
        let keyed = matches!(work.flow.stream.kind, StreamKind::Upsert { .. });
        self.as_changelog(work, keep);
        if keyed && keep.is_some() { Kept { ttl_us: None, for_ever: true } } else { Kept::of(keep) }
    }

    /// The columns of a group. A named expression becomes a column of the step, one without a name is not seen.
    pub(super) fn keys(&mut self, work: &Work<'_>, items: &[NamedExpr], made: &mut Made) -> Heard<Vec<usize>> {
        let mut found: Vec<(Typed, Option<usize>)> = Vec::new();
        for item in items {
            let typed = self.expression(work.texts, &item.expr, work.flow.columns(), Place::Row)?;
            let plain = Made::plain(&work.flow, &typed.expr);
            let index = match &item.name {
                None => None,
                Some(name) => {
                    let text = self.name(work.texts, name)?;
                    let own = plain.filter(|&index| work.flow.columns()[index].name() == text);
                    if own.is_none() {
                        self.free(work, made, &text, name.span)?;
                        made.columns.push(work.flow.make(typed.expr.clone(), typed.named(&text)));
                        made.named += 1;
                    }
                    own.or(Some(work.flow.columns().len() + made.columns.len() - 1))
                }
            };
            found.push((typed, index));
        }
        let mut keys = Vec::new();
        for (typed, index) in found {
            let key = index.unwrap_or_else(|| made.index(&work.flow, &typed, "key"));
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// What rows are ordered by.
    fn ordered(&mut self, work: &Work<'_>, order: &ast::Expr, made: &mut Made) -> Heard<Vec<OrderBy>> {
        let text = self.text(work.texts, &order.value, order.span, true)?;
        let parts = self.heard(expr::plan_order(&text, work.texts.file, work.flow.columns()))?;
        let by = |part: &expr::Ordered| OrderBy {
            column: made.index(&work.flow, &part.typed, "order"),
            descending: part.descending,
            nulls_first: part.nulls_first,
        };
        Ok(parts.iter().map(by).collect())
    }

    /// Refuses a name that a column has.
    pub(super) fn free(&mut self, work: &Work<'_>, made: &Made, name: &str, span: Span) -> Heard<()> {
        if made.taken(&work.flow).iter().all(|c| c.name() != name) {
            return Ok(());
        }
        let message = format!("there would be two columns `{name}`");
        Err(self.error(codes::DUPLICATE_COLUMN, work.texts.file, span, message, "choose another name"))
    }

    /// Computes what was made. Gives the places of what nobody sees.
    pub(super) fn make(&mut self, work: &mut Work<'_>, span: Span, made: Made) -> Heard<std::ops::Range<usize>> {
        let width = work.flow.columns().len();
        let hidden = width + made.named..width + made.columns.len();
        if !made.columns.is_empty() {
            let mut projected: Vec<Projected> = (0..width).map(|i| work.flow.keep(i)).collect();
            projected.extend(made.columns);
            self.project(work, span, projected)?;
        }
        self.flush(&mut work.flow);
        Ok(hidden)
    }

    pub(super) fn order_node(
        &mut self,
        work: &mut Work<'_>,
        op: Op,
        columns: Vec<Column>,
        kind: StreamKind,
        time: Option<EventTime>,
        state: StateBound,
    ) {
        let (step, at, input) = (work.flow.step.clone(), work.flow.at, work.flow.stream.node);
        let columns = columns.into_iter().map(|c| Column { field: Arc::new(c.field.as_ref().clone().with_nullable(true)), ..c }).collect();
        let stream = self.push(NewNode { name: step.clone(), op, inputs: vec![input], columns, kind, time, state, at });
        work.flow = Flow::new(stream, &step, at);
    }
}
