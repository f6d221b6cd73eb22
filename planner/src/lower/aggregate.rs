//! `aggregate`: keys and arguments become columns, aggregates become calls, expressions over aggregates a projection behind them.

use super::{
    Heard, Lowering, NewNode, Said,
    rows::own_column,
    step::Work,
    stream::{Column, Flow, Projected, Stream, column_expr, columns_read, free_name},
    window::window_state,
};
use crate::{
    AggregateCall, AggregateOp, EmitMode, EventTime, MAX_GROUPING_KEYS, Op, RowStageKind, StateBound, StreamKind, WindowSpec,
    catalogue as codes,
    expr::{self, Place, Typed},
    types,
};
use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion_expr::{
    Cast, Expr, ExprSchemable,
    expr::{AggregateFunction, NullTreatment},
};
use runink_dsl::ast::{self, Emit, NamedExpr, Retention, Span, Spanned};
use std::sync::Arc;

pub(super) const WINDOW_START: &str = "window_start";
pub(super) const WINDOW_END: &str = "window_end";
/// Tells a key that a grouping set does not have from one that is null.
const GROUPING_ID: &str = "grouping_id";

/// A key or output as written: its name, its place, its expression.
pub(super) struct Item {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) typed: Typed,
}

/// The columns that the operator reads: those of the input, then computed ones.
pub(super) struct Arguments<'f> {
    pub(super) flow: &'f Flow,
    pub(super) computed: Vec<Projected>,
}

impl Lowering<'_> {
    pub(super) fn aggregate(&mut self, work: &mut Work<'_>, span: Span, aggregate: &ast::Aggregate) -> Heard<()> {
        let file = work.texts.file;
        let keyed = matches!(work.flow.stream.kind, StreamKind::Upsert { .. });
        if let Some(window) = aggregate.window.as_ref().filter(|_| keyed) {
            let message = "the rows of a keyed source replace each other, and a window that has closed cannot let one go";
            let hint = "read the source without `key=`, so that every row is an event, or leave the window out";
            return Err(self.error(codes::OVER_CHANGELOG, file, window.span, message, hint));
        }
        self.as_changelog(work, aggregate.keep_state.as_ref());
        let retracts = !work.flow.stream.is_append_only();
        if retracts && !keyed {
            self.over_changelog(work, aggregate)?;
        }
        let keys = self.items(work, &aggregate.by, Place::Row);
        let outputs = self.items(work, &aggregate.outputs, Place::Group);
        let window = aggregate.window.as_ref().map(|w| self.window(work, w)).transpose();
        let (keys, outputs, window) = (keys?, outputs?, window?);
        let grouped = !aggregate.grouping_sets.is_empty();
        self.distinct_names(work, &keys, &outputs, window.is_some(), grouped)?;
        let (emit, allowed_lateness_us, ttl_us) = self.emission(work, aggregate, window.is_some())?;
        // Of a keyed source the rows age, and a group goes with its last row.
        let ttl_us = ttl_us.filter(|_| !keyed);

        let mut arguments = Arguments { flow: &work.flow, computed: Vec::new() };
        let mut key_columns: Vec<usize> = keys.iter().map(|k| arguments.column(&k.typed.expr, "key")).collect();
        let mut calls = Calls { outputs: &outputs, keys: &keys, rows: &[], calls: Vec::new(), columns: Vec::new() };
        let results = self.calls(work, &mut calls, &mut arguments)?;
        let Calls { calls, columns: call_columns, .. } = calls;
        let calls = calls.into_iter().map(|(_, call)| call).collect();
        let computed = arguments.computed;
        if !computed.is_empty() {
            self.compute(work, computed)?;
        }
        if grouped {
            key_columns = self.expand(work, aggregate, key_columns)?;
        }
        self.flush(&mut work.flow);

        let input = work.flow.stream.clone();
        let mut columns: Vec<Column> = Vec::new();
        for (key, &index) in keys.iter().zip(&key_columns) {
            columns.push(input.columns[index].renamed(&key.name));
        }
        if let Some(&id) = key_columns.get(keys.len()) {
            columns.push(input.columns[id].renamed(GROUPING_ID));
        }
        let key_names: Vec<String> = columns.iter().map(|c| c.name().to_owned()).collect();
        columns.extend(call_columns);
        let time = window.as_ref().map(|w| window_columns(w, &input, &mut columns));
        let kind = match emit {
            EmitMode::OnClose if allowed_lateness_us == 0 || window.is_none() => StreamKind::AppendOnly,
            _ => StreamKind::Changelog { key: key_names.iter().cloned().chain(window.is_some().then(|| WINDOW_END.to_owned())).collect() },
        };
        let state = match &window {
            Some(w) => window_state(w.shape, allowed_lateness_us),
            None if emit == EmitMode::OnClose && input.bounded => StateBound::UntilEnd,
            None if keyed || matches!(aggregate.keep_state, Some(Spanned { value: Retention::Forever, .. })) => StateBound::ForEver,
            None => StateBound::PerKey { ttl_us },
        };
        let (step, at) = (work.flow.step.clone(), work.flow.at);
        let stream = self.push(NewNode {
            name: step.clone(),
            op: Op::Aggregate(AggregateOp {
                keys: key_columns,
                calls,
                window,
                emit,
                allowed_lateness_us,
                ttl_us,
                two_phase: false,
                retracts,
            }),
            inputs: vec![input.node],
            columns,
            kind,
            time: time.flatten(),
            state,
            at,
        });
        work.flow = Flow::new(stream, &step, at);
        self.outputs(work, span, key_names.len(), &outputs, results)?;
        if let Some(having) = &aggregate.having {
            self.having(work, having)?;
        }
        Ok(())
    }

    /// What has no meaning over rows that can be taken back: a row and what takes it back must meet in one window, and a key's rows must all be there.
    fn over_changelog(&mut self, work: &Work<'_>, aggregate: &ast::Aggregate) -> Heard<()> {
        let file = work.texts.file;
        if let Some(window) = &aggregate.window {
            if matches!(window.value.on.as_ref().map(|on| &on.value), Some(ast::TimeDomain::Processing)) {
                let message = "rows that are taken back come at another time than they came first, and would fall into another window";
                let hint = "use the event time, or leave the window out";
                return Err(self.error(codes::OVER_CHANGELOG, file, window.span, message, hint));
            }
            if matches!(window.value.shape, ast::WindowShape::Session(_)) {
                let hint = "use tumbling, hopping or cumulating windows, or aggregate over all time";
                return Err(self.not_yet(file, window.span, "a session window over a changelog, whose rows take earlier ones back,", hint));
            }
        }
        if let Some(keep @ Spanned { value: Retention::For(_), .. }) = &aggregate.keep_state {
            let message =
                "the input takes rows back: a key that is forgotten while it has rows could not be told from one that never had any";
            let hint = "say `keep for ever`: a key goes by itself when its last row is taken back";
            return Err(self.error(codes::OVER_CHANGELOG, file, keep.span, message, hint));
        }
        Ok(())
    }

    pub(super) fn items(&mut self, work: &Work<'_>, items: &[NamedExpr], place: Place) -> Heard<Vec<Item>> {
        let mut made = Vec::new();
        let mut failed = false;
        for item in items {
            match self.item(work, item, place) {
                Ok(item) => made.push(item),
                Err(Said) => failed = true,
            }
        }
        if failed { Err(Said) } else { Ok(made) }
    }

    fn item(&mut self, work: &Work<'_>, item: &NamedExpr, place: Place) -> Heard<Item> {
        let typed = self.expression(work.texts, &item.expr, work.flow.columns(), place)?;
        let (name, span) = match &item.name {
            Some(name) => (self.name(work.texts, name)?, name.span),
            None => match &typed.expr {
                Expr::Column(c) => (c.name.clone(), item.expr.span),
                Expr::AggregateFunction(f) => (f.func.name().to_owned(), item.expr.span),
                _ => {
                    let text = item.expr.value.trim();
                    let message = format!("`{text}` needs a name");
                    return Err(self.error(codes::NEEDS_NAME, work.texts.file, item.expr.span, message, format!("write `name = {text}`")));
                }
            },
        };
        if place == Place::Group && !typed.aggregates {
            let message = format!("`{name}` has no aggregate in it");
            let hint = "use an aggregate such as `max(…)` or `first_value(…)`; a key stands in `by` or `per`";
            return Err(self.error(codes::AGGREGATE_MISSING, work.texts.file, item.expr.span, message, hint));
        }
        Ok(Item { name, span: if item.name.is_some() { span } else { item.expr.span }, typed })
    }

    fn distinct_names(&mut self, work: &Work<'_>, keys: &[Item], outputs: &[Item], windowed: bool, grouped: bool) -> Heard<()> {
        let mut seen: Vec<&str> = if windowed { vec![WINDOW_START, WINDOW_END] } else { Vec::new() };
        seen.extend(grouped.then_some(GROUPING_ID));
        for item in keys.iter().chain(outputs) {
            if seen.contains(&item.name.as_str()) {
                let message = format!("there would be two columns `{}`", item.name);
                let hint = match item.name.as_str() {
                    WINDOW_START | WINDOW_END if windowed => "the window's own columns have this name; choose another",
                    GROUPING_ID if grouped => "the column that tells grouping sets apart has this name; choose another",
                    _ => "give one of them another name: `other = …`",
                };
                return Err(self.error(codes::DUPLICATE_COLUMN, work.texts.file, item.span, message, hint));
            }
            seen.push(&item.name);
        }
        Ok(())
    }

    fn emission(&mut self, work: &Work<'_>, aggregate: &ast::Aggregate, windowed: bool) -> Heard<(EmitMode, i64, Option<i64>)> {
        let file = work.texts.file;
        let emit = match aggregate.emit.as_ref().map(|e| &e.value) {
            None if windowed => EmitMode::OnClose,
            None => EmitMode::OnChange,
            Some(Emit::OnClose) => EmitMode::OnClose,
            Some(Emit::OnChange | Emit::EarlyAndOnClose(None)) => EmitMode::OnChange,
            Some(Emit::Every(every) | Emit::EarlyAndOnClose(Some(every))) => EmitMode::Every(every.value.0),
        };
        let lateness = match &aggregate.allowed_lateness {
            Some(lateness) if !windowed => {
                let message = "`allowed lateness` is about windows that have closed, and there is no window";
                return Err(self.error(codes::EMIT, file, lateness.span, message, "add `in tumbling(…)`, or leave it out"));
            }
            Some(lateness) => lateness.value.0,
            None => 0,
        };
        let ttl = match &aggregate.keep_state {
            Some(keep) if windowed => return Err(self.keep_in_window(work, keep)),
            Some(Spanned { value: Retention::For(ttl), .. }) => Some(ttl.value.0),
            _ => None,
        };
        Ok((emit, lateness, ttl))
    }

    fn keep_in_window(&mut self, work: &Work<'_>, keep: &Spanned<Retention>) -> Said {
        let message = "a window is kept until it closes, and for its allowed lateness";
        self.error(codes::EMIT, work.texts.file, keep.span, message, "write `allowed lateness …` in place of `keep`")
    }

    /// Every aggregate in the outputs becomes a call; what remains of each output is an expression over keys and calls.
    fn calls(&mut self, work: &Work<'_>, calls: &mut Calls<'_>, arguments: &mut Arguments<'_>) -> Heard<Vec<Expr>> {
        let schema = expr::df_schema(work.flow.columns()).map_err(|e| {
            self.error(
                codes::INTERNAL,
                work.texts.file,
                work.flow.at.1,
                format!("planning failed: {}", e.strip_backtrace()),
                "this is a bug of Runink: please report it",
            )
        })?;
        let mut results = Vec::new();
        let mut failed = false;
        let outputs = calls.outputs;
        for output in outputs {
            let alone = matches!(output.typed.expr, Expr::AggregateFunction(_));
            let mut wrong: Option<String> = None;
            let rewritten = output.typed.expr.clone().transform_down(|e| {
                if let Some(key) = calls.keys.iter().find(|k| k.typed.expr == e) {
                    return Ok(Transformed::new(column_expr(&key.name), true, datafusion_common::tree_node::TreeNodeRecursion::Jump));
                }
                match &e {
                    Expr::AggregateFunction(f) => {
                        let name = calls.call(f, alone.then_some(output.name.as_str()), &schema, arguments)?;
                        Ok(Transformed::new(column_expr(&name), true, datafusion_common::tree_node::TreeNodeRecursion::Jump))
                    }
                    Expr::Column(c) => {
                        wrong = Some(c.name.clone());
                        Ok(Transformed::no(e))
                    }
                    _ => Ok(Transformed::no(e)),
                }
            });
            match (rewritten.data(), wrong) {
                (Ok(expr), None) => results.push(expr),
                (Ok(_), Some(column)) => {
                    let message = format!("`{column}` is neither a key nor inside an aggregate");
                    let hint = format!("add it to `by`, or aggregate it: `max({column})`, `first_value({column})`");
                    self.error(codes::NOT_GROUPED, work.texts.file, output.span, message, hint);
                    failed = true;
                }
                (Err(e), _) => {
                    let message = format!("`{}` cannot be computed: {}", output.name, e.strip_backtrace());
                    self.error(codes::TYPE_ERROR, work.texts.file, output.span, message, "give the aggregate other arguments");
                    failed = true;
                }
            }
        }
        if failed { Err(Said) } else { Ok(results) }
    }

    /// A projection that computes keys and arguments: the columns that are read by name stay, so that indices into them hold.
    pub(super) fn compute(&mut self, work: &mut Work<'_>, computed: Vec<Projected>) -> Heard<()> {
        let mut projected: Vec<Projected> = (0..work.flow.columns().len()).map(|i| work.flow.keep(i)).collect();
        projected.extend(computed);
        let at = work.flow.at.1;
        self.project(work, at, projected)
    }

    /// Every row once for each grouping set: columns with the keys of its set come behind the others, and the set's number. Gives their places.
    fn expand(&mut self, work: &mut Work<'_>, aggregate: &ast::Aggregate, keys: Vec<usize>) -> Heard<Vec<usize>> {
        let (file, at) = (work.texts.file, aggregate.by.first().map_or(work.flow.at.1, |k| k.expr.span));
        if keys.len() > MAX_GROUPING_KEYS {
            let message = format!("grouping sets over {} columns; at most {MAX_GROUPING_KEYS} can be told apart", keys.len());
            return Err(self.error(codes::GROUPING_SETS, file, at, message, "write several aggregates, of fewer columns each"));
        }
        let sets: Vec<Vec<bool>> = aggregate.grouping_sets.iter().map(|set| (0..keys.len()).map(|k| set.contains(&k)).collect()).collect();
        if let Some(twice) = (1..sets.len()).find(|&i| sets[..i].contains(&sets[i])) {
            let names: Vec<&str> = aggregate.grouping_sets[twice].iter().map(|&k| aggregate.by[k].expr.value.as_str()).collect();
            let message = format!("the grouping set `({})` is there twice", names.join(", "));
            return Err(self.error(codes::GROUPING_SETS, file, at, message, "write it once: its results are the same both times"));
        }
        let width = work.flow.columns().len();
        let mut columns = work.flow.columns().to_vec();
        for &key in &keys {
            let name = own_column(&columns, "key");
            let mut copy = columns[key].renamed(&name).or_null();
            copy.direct = false;
            columns.push(copy);
        }
        columns.push(Column::new(Field::new(own_column(&columns, "set"), DataType::UInt8, false)));
        let set = columns[columns.len() - 1].name().to_owned();
        if let StreamKind::Changelog { key } = &mut work.flow.stream.kind {
            key.push(set);
        }
        work.flow.stream.columns = columns;
        let places = (width..=width + keys.len()).collect();
        work.flow.stage(RowStageKind::Expand { keys, sets });
        Ok(places)
    }

    /// Outputs that are more than a call: one projection over keys, calls and window.
    fn outputs(&mut self, work: &mut Work<'_>, span: Span, keys: usize, outputs: &[Item], results: Vec<Expr>) -> Heard<()> {
        let plain = |(item, result): (&Item, &Expr)| matches!(result, Expr::Column(c) if c.name == item.name);
        let calls = work.flow.columns().iter().skip(keys).filter(|c| c.name() != WINDOW_START && c.name() != WINDOW_END).count();
        if outputs.len() == calls && outputs.iter().zip(&results).all(plain) {
            return Ok(());
        }
        let columns = work.flow.columns().to_vec();
        let mut projected: Vec<Projected> = (0..keys).map(|i| work.flow.keep(i)).collect();
        for (output, result) in outputs.iter().zip(results) {
            projected.push(work.flow.make(result, output.typed.named(&output.name)));
        }
        let window = |c: &Column| c.name() == WINDOW_START || c.name() == WINDOW_END;
        projected.extend((keys..columns.len()).filter(|&i| window(&columns[i])).map(|i| work.flow.keep(i)));
        self.project(work, span, projected)
    }

    fn having(&mut self, work: &mut Work<'_>, having: &ast::Expr) -> Heard<()> {
        let condition = self.condition(work.texts, having, work.flow.columns(), Place::Result)?;
        work.flow.stage(RowStageKind::Filter(condition.expr));
        Ok(())
    }
}

/// Aggregate calls as they are found.
pub(super) struct Calls<'a> {
    pub(super) outputs: &'a [Item],
    pub(super) keys: &'a [Item],
    /// Columns that come out beside.
    pub(super) rows: &'a [Column],
    pub(super) calls: Vec<(AggregateFunction, AggregateCall)>,
    pub(super) columns: Vec<Column>,
}

impl Calls<'_> {
    /// The column of a call; the same call is made once.
    pub(super) fn call(
        &mut self,
        function: &AggregateFunction,
        wish: Option<&str>,
        schema: &datafusion_common::DFSchema,
        arguments: &mut Arguments<'_>,
    ) -> datafusion_common::Result<String> {
        if let Some((_, call)) = self.calls.iter().find(|(f, c)| f == function && wish.is_none_or(|w| w == c.name)) {
            return Ok(call.name.clone());
        }
        let name = match wish {
            Some(name) => name.to_owned(),
            None => {
                let taken: Vec<Column> = self
                    .columns
                    .iter()
                    .chain(self.rows)
                    .cloned()
                    .chain(self.outputs.iter().chain(self.keys).map(|i| Column::new(i.typed.named(&i.name))))
                    .collect();
                free_name(&taken, &format!("__{}", function.func.name()))
            }
        };
        let whole = Expr::AggregateFunction(function.clone());
        let (_, field) = whole.to_field(schema)?;
        let ty = types::plain_type(field.data_type());
        let mut column = Column::new(Field::new(&name, ty, true));
        column.from = columns_read(&whole)
            .iter()
            .flat_map(|n| arguments.flow.columns().iter().filter(move |c| c.name() == n))
            .flat_map(|c| c.from.clone())
            .collect();
        let params = &function.params;
        let argument = |a: &Expr| match whole_numbers(function, a, schema) {
            Some(whole) => arguments.argument(&whole),
            None => arguments.argument(a),
        };
        let call = AggregateCall {
            function: function.func.clone(),
            args: params.args.iter().map(argument).collect(),
            distinct: params.distinct,
            filter: params.filter.as_ref().map(|f| arguments.column(f, "filter")),
            order_by: params.order_by.iter().map(|s| (arguments.column(&s.expr, "order"), s.asc, s.nulls_first)).collect(),
            ignore_nulls: params.null_treatment == Some(NullTreatment::IgnoreNulls),
            name: name.clone(),
        };
        self.calls.push((function.clone(), call));
        self.columns.push(column);
        Ok(name)
    }
}

/// The integers of which a mean is asked, before they are made floats: their sum is exact, and so the mean is the same in whatever parts it is computed.
fn whole_numbers(function: &AggregateFunction, argument: &Expr, schema: &datafusion_common::DFSchema) -> Option<Expr> {
    let Expr::Cast(Cast { expr, field }) = argument else { return None };
    if function.func.name() != "avg" || *field.data_type() != DataType::Float64 {
        return None;
    }
    match expr.get_type(schema).ok()? {
        DataType::Int64 | DataType::UInt64 => Some(expr.as_ref().clone()),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            Some(Expr::Cast(Cast::new(expr.clone(), DataType::Int64)))
        }
        _ => None,
    }
}

impl Arguments<'_> {
    /// A literal, or a reference to a column.
    pub(super) fn argument(&mut self, expr: &Expr) -> Expr {
        match expr {
            Expr::Literal(..) => expr.clone(),
            _ => {
                let index = self.column(expr, "arg");
                column_expr(self.name(index))
            }
        }
    }

    fn name(&self, index: usize) -> &str {
        let columns = self.flow.columns();
        columns.get(index).map_or_else(|| self.computed[index - columns.len()].column.name(), Column::name)
    }

    /// The index of an expression among the operator's columns; it is computed once.
    pub(super) fn column(&mut self, expr: &Expr, purpose: &str) -> usize {
        let columns = self.flow.columns();
        if let Expr::Column(c) = expr
            && let Some(index) = columns.iter().position(|k| k.name() == c.name)
        {
            return index;
        }
        if let Some(index) = self.computed.iter().position(|p| p.expr == *expr) {
            return columns.len() + index;
        }
        let taken: Vec<Column> = columns.iter().cloned().chain(self.computed.iter().map(|p| p.column.clone())).collect();
        let name = own_column(&taken, purpose);
        // The type was found when the expression was planned; asking again cannot fail.
        let ty = expr::df_schema(columns).ok().and_then(|s| expr.get_type(&s).ok()).map_or(DataType::Null, |t| types::plain_type(&t));
        self.computed.push(self.flow.make(expr.clone(), Arc::new(Field::new(name, ty, true))));
        columns.len() + self.computed.len() - 1
    }
}

/// Adds `window_start` and `window_end`; the event time of a window's result lies just inside its window.
pub(super) fn window_columns(window: &WindowSpec, input: &Stream, columns: &mut Vec<Column>) -> Option<EventTime> {
    let time = window.time.as_ref().map(|t| &input.columns[t.column]);
    let ty = match time.map(|c| c.field.data_type()) {
        Some(ty @ DataType::Timestamp(_, None)) => ty.clone(),
        _ => DataType::Timestamp(TimeUnit::Microsecond, None),
    };
    for name in [WINDOW_START, WINDOW_END] {
        let from = time.map(|c| c.from.clone()).unwrap_or_default();
        columns.push(Column { from, ..Column::new(Field::new(name, ty.clone(), true)) });
    }
    time.map(|_| EventTime { column: columns.len() - 1, shift_us: -1 })
}
