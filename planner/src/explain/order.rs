//! What rankings, first rows and neighbours do, line by line.

use super::{
    expression::name,
    facts::{Line, call, column, line},
    words,
};
use crate::{EventTime, FirstOp, NeighbourOp, OrderBy, RankOp, RankScope, RunningOp, RunningOver, WindowShape, WindowSpec};
use arrow::datatypes::SchemaRef;

fn named(columns: &[usize], schema: &SchemaRef) -> String {
    columns.iter().map(|&c| name(&column(schema, c))).collect::<Vec<_>>().join(", ")
}

fn ordered(order: &[OrderBy], schema: &SchemaRef) -> Vec<String> {
    let direction = |o: &OrderBy| match (o.descending, o.nulls_first) {
        (false, false) => "",
        (false, true) => " nulls first",
        (true, true) => " desc",
        (true, false) => " desc nulls last",
    };
    order.iter().map(|o| format!("{}{}", name(&column(schema, o.column)), direction(o))).collect()
}

fn by(keys: &[usize], schema: &SchemaRef) -> Option<Line> {
    (!keys.is_empty()).then(|| line("per", named(keys, schema)))
}

pub(super) fn rank(op: &RankOp, input: &SchemaRef) -> Vec<Line> {
    let what = match (op.count, op.ties) {
        (Some(1), false) => "the first row".to_owned(),
        (Some(n), false) => format!("the first {n} rows"),
        (Some(n), true) => format!("the rows of the first {n} ranks; rows that tie share one"),
        (None, false) => "all rows, counted through".to_owned(),
        (None, true) => "all rows; those that tie share a rank".to_owned(),
    };
    let mut order = ordered(&op.order, input);
    if op.newest_first {
        order.insert(0, "the newest epoch first".to_owned());
    }
    order.push("what the rows contain".to_owned());
    let mut lines = vec![line("keeps", what), line("order", order.join(", "))];
    lines.extend(by(&op.keys, input));
    match &op.scope {
        RankScope::AllTime { .. } => lines.push(line("emits", "whenever a ranking changes".into())),
        RankScope::Window { spec, edges: true } => {
            let time = spec.time.as_ref().map(|t| column(input, t.column));
            lines.push(line("in", words::window(spec, time.as_deref())));
            lines.push(line("emits", "once, when a window closes".into()));
        }
        RankScope::Window { spec, edges: false } => {
            let time = spec.time.as_ref().map(|t| column(input, t.column)).unwrap_or_default();
            lines.push(line("emits", format!("once, when the watermark has passed {}", name(&time))));
        }
    }
    lines
}

fn moments(time: &EventTime, order: &[OrderBy], input: &SchemaRef) -> String {
    let time = name(&column(input, time.column));
    std::iter::once(time).chain(ordered(order, input)).chain(["what the rows contain".to_owned()]).collect::<Vec<_>>().join(", ")
}

pub(super) fn first(op: &FirstOp, input: &SchemaRef) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(by(&op.keys, input));
    let rest = match &op.time {
        Some(time) => moments(time, &op.order, input),
        None => "what the rows contain".to_owned(),
    };
    lines.push(line("order", if op.settled { rest } else { format!("the oldest epoch first, {rest}") }));
    if let Some(within) = op.within_us {
        lines.push(line("within", format!("a row {} behind the one that went through is a first one again", words::duration(within))));
    }
    let emits = if op.settled { "once the watermark has passed the row" } else { "at once" };
    lines.push(line("emits", emits.into()));
    lines
}

pub(super) fn running(op: &RunningOp, input: &SchemaRef) -> Vec<Line> {
    let mut lines: Vec<Line> = op.calls.iter().map(|c| line("adds", call(c, input))).collect();
    lines.extend(by(&op.keys, input));
    lines.push(line("order", moments(&op.time, &op.order, input)));
    lines.push(match op.over {
        RunningOver::Time(us) => line("over", format!("rows at most {} older, and those of the same moment", words::duration(us))),
        RunningOver::Rows(1) => line("over", "the row itself".into()),
        RunningOver::Rows(rows) => line("over", format!("{rows} rows, the row itself among them")),
        RunningOver::Window { size, offset } => {
            let spec = WindowSpec { shape: WindowShape::Tumbling { size, offset }, time: Some(op.time.clone()) };
            line("over", format!("the rows so far in {}", words::window(&spec, Some(&column(input, op.time.column)))))
        }
    });
    lines.push(line("emits", "once the watermark has passed the row".into()));
    lines
}

pub(super) fn neighbour(op: &NeighbourOp, input: &SchemaRef, output: &SchemaRef) -> Vec<Line> {
    let width = input.fields().len();
    let rows = if op.distance == 1 { "the row".to_owned() } else { format!("{} rows", op.distance) };
    let place = if op.ahead { "behind" } else { "before" };
    let value = |(n, &v): (usize, &usize)| format!("{} = {} of {rows} {place}", name(&column(output, width + n)), name(&column(input, v)));
    let mut lines: Vec<Line> = op.values.iter().enumerate().map(|v| line("adds", value(v))).collect();
    lines.extend(by(&op.keys, input));
    lines.push(line("order", moments(&op.time, &op.order, input)));
    if let Some((size, offset)) = op.window {
        let spec = WindowSpec { shape: WindowShape::Tumbling { size, offset }, time: Some(op.time.clone()) };
        lines.push(line("in", words::window(&spec, Some(&column(input, op.time.column)))));
    }
    let emits = if op.ahead { "when the other row is settled, or cannot come" } else { "once the watermark has passed the row" };
    lines.push(line("emits", emits.into()));
    lines
}
