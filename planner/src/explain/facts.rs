//! What there is to say of a plan, gathered once for all forms. Serialised as it stands: this is the shape of the JSON.

use super::{
    expression::{name, sql},
    order, words,
};
use crate::{
    AggregateCall, AggregateOp, ChangeForm, CheckOp, ExpectAction, FirstOp, JoinBound, NeighbourOp, Node, Op, Plan, RankOp, RowStage,
    RowStageKind, SourceOp, StateBound, StreamJoinKind, StreamJoinOp, StreamKind, TableJoinKind, TableJoinOp, WindowShape, WindowSpec,
    types::type_name,
};
use arrow::datatypes::SchemaRef;
use datafusion_expr::Expr;
use runink_connector_api::{Caching, Delivery, RejectReason};
use serde::Serialize;
use std::collections::BTreeMap;

/// A plan.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    pub(super) scenario: String,
    /// Every input ends.
    pub(super) ends: bool,
    pub(super) nodes: Vec<NodeFacts>,
}

/// A node.
#[derive(Debug, Serialize)]
pub(super) struct NodeFacts {
    pub(super) id: usize,
    pub(super) name: String,
    pub(super) operator: &'static str,
    /// Where rows come from: numbers of nodes.
    pub(super) inputs: Vec<Input>,
    /// What it does, line by line: what, and to what.
    pub(super) work: Vec<Line>,
    pub(super) columns: Vec<Column>,
    pub(super) stream: Stream,
    pub(super) ends: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_time: Option<Time>,
    /// The sources whose watermarks it waits for.
    pub(super) watermark_of: Vec<String>,
    pub(super) state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sink: Option<Sink>,
}

/// An input, and how its rows find their worker.
#[derive(Debug, Serialize)]
pub(super) struct Input {
    pub(super) id: usize,
    pub(super) name: String,
    /// `as they come`, `by key`, `to all workers`, `to the sink's writers`.
    pub(super) travel: &'static str,
    /// The columns of the key, where rows go by key.
    pub(super) by: Vec<String>,
}

/// One line of work.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) text: String,
    /// The step that it belongs to, where that is not the node's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) step: Option<String>,
}

/// A column, and where it comes from.
#[derive(Debug, Serialize)]
pub(super) struct Column {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) ty: String,
    pub(super) from: Vec<String>,
    /// Handed on unchanged.
    pub(super) direct: bool,
}

/// What kind of stream comes out.
#[derive(Debug, Serialize)]
pub(super) struct Stream {
    pub(super) kind: &'static str,
    pub(super) key: Vec<String>,
}

/// Which column is the event time.
#[derive(Debug, Serialize)]
pub(super) struct Time {
    pub(super) column: String,
    pub(super) shift_us: i64,
}

/// What is kept, and what bounds it.
#[derive(Debug, Serialize)]
pub(super) struct State {
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) windows_per_key: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kept_us: Option<i64>,
    pub(super) words: String,
}

/// What only a source has.
#[derive(Debug, Serialize)]
pub(super) struct Source {
    pub(super) connector: String,
    pub(super) options: BTreeMap<String, String>,
    pub(super) columns_read: usize,
    pub(super) columns_of: usize,
    pub(super) leaves_out_unless: Vec<String>,
    pub(super) lateness_us: i64,
    pub(super) idle_us: i64,
    pub(super) advance_when_idle: bool,
    pub(super) preload: bool,
    /// It is asked by key, and not read.
    pub(super) lookup: bool,
    /// What cuts its epochs: `volume` or `clock`.
    pub(super) epochs: &'static str,
}

/// What only a sink has.
#[derive(Debug, Serialize)]
pub(super) struct Sink {
    pub(super) connector: String,
    pub(super) options: BTreeMap<String, String>,
    pub(super) key: Vec<String>,
    /// `rows` or `changes`.
    pub(super) gets: &'static str,
    /// What the sink promises.
    pub(super) delivery: Delivery,
}

impl Facts {
    pub(super) fn of(plan: &Plan) -> Self {
        let nodes = plan.nodes.iter().enumerate().map(|(id, node)| NodeFacts::of(plan, id, node)).collect();
        Facts { scenario: plan.scenario.clone(), ends: plan.nodes.iter().all(|n| n.bounded), nodes }
    }
}

impl NodeFacts {
    fn of(plan: &Plan, id: usize, node: &Node) -> Self {
        let columns = node.schema.fields().iter().zip(&node.lineage).map(|(field, lineage)| Column {
            name: field.name().clone(),
            ty: type_name(field.data_type()),
            from: lineage.from.iter().map(|(source, column)| format!("{source}.{column}")).collect(),
            direct: lineage.direct,
        });
        let asked = asked(plan, node);
        NodeFacts {
            id,
            name: node.name.clone(),
            operator: if asked.is_some() { "lookup join" } else { operator(&node.op) },
            inputs: inputs(plan, node),
            work: work(plan, node),
            columns: columns.collect(),
            stream: stream(&node.kind),
            ends: node.bounded,
            event_time: node.time.as_ref().map(|t| Time { column: column(&node.schema, t.column), shift_us: t.shift_us }),
            watermark_of: node.watermark_of.iter().map(|&s| plan.node(s).name.clone()).collect(),
            state: asked.map_or_else(|| state(node, kept_of_ends(plan, node)), |source| answers(node, source)),
            source: source(node),
            sink: sink(plan, node),
        }
    }
}

/// Of a join whose table is asked by key: the source that stands for it.
fn asked<'p>(plan: &'p Plan, node: &Node) -> Option<&'p SourceOp> {
    let mut next = node.inputs.get(1).filter(|_| matches!(node.op, Op::TableJoin(_)));
    while let Some(&id) = next {
        let below = plan.node(id);
        match &below.op {
            Op::Source(op) => return Some(op).filter(|op| op.lookup),
            Op::Rows(_) | Op::Output => next = below.inputs.first(),
            _ => return None,
        }
    }
    None
}

fn operator(op: &Op) -> &'static str {
    match op {
        Op::Source(_) => "source",
        Op::Rows(_) => "rows",
        Op::Union => "union",
        Op::Aggregate(_) => "aggregate",
        Op::Changes(_) => "changes",
        Op::Form(_) => "form",
        Op::TableJoin(_) => "table join",
        Op::StreamJoin(_) => "stream join",
        Op::Check(_) => "expectation",
        Op::Iterate(_) => "recursion",
        Op::Fed(_) => "rows of a round",
        Op::Rank(_) => "ranking",
        Op::First(_) => "first of each key",
        Op::Neighbour(_) => "neighbours",
        Op::Running(_) => "running totals",
        Op::Match(_) => "match",
        Op::Rejected => "rejected",
        Op::Output => "output",
        Op::Sink(_) => "sink",
    }
}

pub(super) fn column(schema: &SchemaRef, index: usize) -> String {
    schema.fields().get(index).map(|f| f.name().clone()).unwrap_or_default()
}

fn inputs(plan: &Plan, node: &Node) -> Vec<Input> {
    let travel = |index: usize, schema: &SchemaRef| -> (&'static str, Vec<String>) {
        let by = |columns: Vec<usize>| columns.iter().map(|&c| column(schema, c)).collect();
        match &node.op {
            Op::Aggregate(op) => ("by key", by(op.keys.clone())),
            Op::Changes(op) => ("by key", by(op.key.clone())),
            Op::Match(op) => ("by key", by(op.keys.clone())),
            Op::Form(op) if goes_by_key(plan, node) => ("by key", by(op.key.clone())),
            Op::TableJoin(op) if op.broadcast => (["as they come", "to all workers"][index.min(1)], Vec::new()),
            Op::TableJoin(op) if index == 0 => {
                let on = |key: &usize| op.on.iter().find(|(_, t)| t == key).map(|(s, _)| *s);
                ("by key", by(op.table_key.iter().filter_map(on).collect()))
            }
            Op::TableJoin(op) => ("by key", by(op.table_key.clone())),
            Op::StreamJoin(op) => ("by key", by(op.on.iter().map(|&(left, right)| [left, right][index.min(1)]).collect())),
            Op::Rank(RankOp { keys, .. }) | Op::First(FirstOp { keys, .. }) | Op::Neighbour(NeighbourOp { keys, .. }) => {
                ("by key", by(keys.clone()))
            }
            Op::Iterate(_) => ("by key", by((0..schema.fields().len()).collect())),
            Op::Running(op) => ("by key", by(op.keys.clone())),
            Op::Check(_) => ("as counts to one worker", Vec::new()),
            Op::Sink(_) => ("to the sink's writers", Vec::new()),
            _ => ("as they come", Vec::new()),
        }
    };
    let describe = |(index, &id): (usize, &crate::NodeId)| {
        let input = plan.node(id);
        let (travel, by) = travel(index, &input.schema);
        Input { id: id.0, name: input.name.clone(), travel, by }
    };
    node.inputs.iter().enumerate().map(describe).collect()
}

/// Changes of one key meet on one worker; rows that stay go as they come.
fn goes_by_key(plan: &Plan, node: &Node) -> bool {
    node.inputs.first().is_some_and(|&i| matches!(plan.node(i).kind, StreamKind::Changelog { .. }))
}

fn stream(kind: &StreamKind) -> Stream {
    match kind {
        StreamKind::AppendOnly => Stream { kind: "append-only", key: Vec::new() },
        StreamKind::Upsert { key } => Stream { kind: "upsert", key: key.clone() },
        StreamKind::Changelog { key } => Stream { kind: "changelog", key: key.clone() },
    }
}

/// Whether what a node keeps rows of ends: of a join, that is the table.
fn kept_of_ends(plan: &Plan, node: &Node) -> bool {
    match (&node.op, node.inputs.get(1)) {
        (Op::TableJoin(_), Some(&table)) => plan.node(table).bounded,
        (Op::StreamJoin(op), Some(&right)) if matches!(op.bound, JoinBound::AsOf { .. }) => plan.node(right).bounded,
        _ => node.bounded,
    }
}

/// What a lookup join keeps.
fn answers(node: &Node, source: &SourceOp) -> State {
    let Caching { found_us, missing_us, keys, .. } = Caching::of(&source.options);
    let (found, missing) = (words::duration(found_us), words::duration(missing_us));
    let words =
        format!("answers for at most {keys} keys on each worker: a row for {found}, that there is none for {missing}; in no checkpoint");
    State { words, ..state(node, true) }
}

fn state(node: &Node, bounded: bool) -> State {
    let state = &node.state;
    let (kind, windows_per_key, kept_us) = match state {
        StateBound::Stateless => ("none", None, None),
        StateBound::Windowed { windows_per_key, lifetime_us } => ("windowed", Some(*windows_per_key), *lifetime_us),
        StateBound::PerKey { ttl_us } => ("per key", None, *ttl_us),
        StateBound::ForEver => ("for ever", None, None),
        StateBound::UntilEnd => ("until end", None, None),
        StateBound::Rows { lifetime_us } => ("rows", None, *lifetime_us),
        StateBound::RowsForEver => ("rows for ever", None, None),
        StateBound::RowsPerKey { for_ever: true, .. } => ("rows per key, for ever", None, None),
        StateBound::RowsPerKey { ttl_us, .. } => ("rows per key", None, *ttl_us),
    };
    let words = match node.op {
        Op::Match(_) => words::state_of_matches(state, bounded),
        _ => words::state(state, bounded),
    };
    State { kind, windows_per_key, kept_us, words }
}

fn source(node: &Node) -> Option<Source> {
    let Op::Source(op) = &node.op else { return None };
    Some(Source {
        connector: op.connector.clone(),
        options: op.options.0.iter().map(|(k, v)| (k.clone(), words::option(v))).collect(),
        columns_read: op.projection.len(),
        columns_of: op.full_schema.fields().len(),
        leaves_out_unless: op.predicates.iter().map(words::predicate).collect(),
        lateness_us: op.lateness_us,
        idle_us: op.idle_us,
        advance_when_idle: op.advance_when_idle,
        preload: op.preload,
        lookup: op.lookup,
        epochs: if node.bounded { "volume" } else { "clock" },
    })
}

fn sink(plan: &Plan, node: &Node) -> Option<Sink> {
    let Op::Sink(op) = &node.op else { return None };
    let appends = node.inputs.first().is_none_or(|&i| plan.node(i).kind == StreamKind::AppendOnly);
    Some(Sink {
        connector: op.connector.clone(),
        options: op.options.0.iter().map(|(k, v)| (k.clone(), words::option(v))).collect(),
        key: op.key.clone(),
        gets: if appends { "rows" } else { "changes" },
        delivery: op.delivery,
    })
}

pub(super) fn work(plan: &Plan, node: &Node) -> Vec<Line> {
    let input = |i: usize| node.inputs.get(i).map(|&id| plan.node(id));
    match (&node.op, input(0)) {
        (Op::Rows(stages), Some(below)) => {
            let mut schema = &below.schema;
            let mut lines = Vec::new();
            for stage in stages {
                let mut line = stage_line(stage, schema);
                line.step = (stage.step != node.name).then(|| stage.step.clone());
                lines.push(line);
                schema = &stage.schema;
            }
            lines
        }
        (Op::Aggregate(op), Some(below)) => aggregate_lines(op, &below.schema),
        (Op::Form(op), _) => {
            let what = match op.form {
                ChangeForm::Retract => "each change, and how often the row is added or taken back",
                ChangeForm::Upsert => "the newest row of each key, and whether the key is gone",
                ChangeForm::Debezium => "the row before, the row after, and the operation",
            };
            vec![line("write", what.into())]
        }
        (Op::Changes(op), Some(below)) => {
            let key = op.key.iter().map(|&k| name(&column(&below.schema, k))).collect::<Vec<_>>().join(", ");
            let mut lines = vec![line("replace", format!("each row takes back the one before it with the same {key}"))];
            lines.extend(
                op.ttl_us.map(|us| line("keep", format!("a row for {} after it came; then it is taken back", words::duration(us)))),
            );
            lines
        }
        (Op::TableJoin(op), Some(stream)) => input(1).map(|table| join_lines(op, stream, table)).unwrap_or_default(),
        (Op::Rank(op), Some(below)) => order::rank(op, &below.schema),
        (Op::First(op), Some(below)) => order::first(op, &below.schema),
        (Op::Neighbour(op), Some(below)) => order::neighbour(op, &below.schema, &node.schema),
        (Op::Running(op), Some(below)) => order::running(op, &below.schema),
        (Op::Match(op), Some(below)) => super::pattern::lines(op, &below.schema),
        (Op::StreamJoin(op), Some(left)) => input(1).map(|right| stream_join_lines(op, left, right)).unwrap_or_default(),
        (Op::Iterate(op), Some(start)) => super::recursion::lines(op, start),
        (Op::Check(op), Some(below)) => check_lines(op, &below.schema),
        _ => Vec::new(),
    }
}

fn check_lines(op: &CheckOp, input: &SchemaRef) -> Vec<Line> {
    let otherwise = if op.fail { "stop the scenario" } else { "raise an alert" };
    let window = WindowSpec { shape: WindowShape::Tumbling { size: op.size_us, offset: 0 }, time: Some(op.time.clone()) };
    let time = column(input, op.time.column);
    vec![line("expect", format!("{}, else {otherwise}", op.text)), line("in", words::window(&window, Some(&time)))]
}

pub(super) fn line(what: &'static str, text: String) -> Line {
    Line { what, text, step: None }
}

fn stage_line(stage: &RowStage, input: &SchemaRef) -> Line {
    match &stage.kind {
        RowStageKind::Filter(expr) => line("filter", sql(expr)),
        RowStageKind::Project(exprs) => {
            let shown = |(expr, to): &(Expr, String)| match expr {
                Expr::Column(c) if c.name == *to => name(to),
                _ => format!("{} = {}", name(to), sql(expr)),
            };
            line("select", exprs.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        RowStageKind::Expect(expect) => {
            let otherwise = match &expect.otherwise {
                ExpectAction::Reject => "reject the row".to_owned(),
                ExpectAction::Tag(column) => format!("set {}", name(column)),
                ExpectAction::Alert => "raise an alert".to_owned(),
                ExpectAction::Fail => "stop the scenario".to_owned(),
            };
            let what = if expect.reason == RejectReason::Contract { "contract" } else { "expect" };
            line(what, format!("{}, else {otherwise}", expect.text))
        }
        RowStageKind::Unnest { column: list, ordinality, keep_empty } => {
            let mut text = name(&column(input, *list));
            if *ordinality {
                text.push_str(&format!(" with ordinality {}", name(&column(&stage.schema, stage.schema.fields().len() - 1))));
            }
            if *keep_empty {
                text.push_str(", keeping rows whose list is empty");
            }
            line("unnest", text)
        }
        RowStageKind::Expand { keys, sets } => {
            let set = |set: &Vec<bool>| {
                let has = keys.iter().zip(set).filter(|(_, has)| **has).map(|(&k, _)| name(&column(input, k)));
                format!("({})", has.collect::<Vec<_>>().join(", "))
            };
            line("each for", sets.iter().map(set).collect::<Vec<_>>().join(", "))
        }
    }
}

fn aggregate_lines(op: &AggregateOp, input: &SchemaRef) -> Vec<Line> {
    let mut lines: Vec<Line> = op.calls.iter().map(|c| line("compute", call(c, input))).collect();
    if !op.keys.is_empty() {
        lines.push(line("by", op.keys.iter().map(|&k| name(&column(input, k))).collect::<Vec<_>>().join(", ")));
    }
    if let Some(spec) = &op.window {
        let time = spec.time.as_ref().map(|t| column(input, t.column));
        lines.push(line("in", words::window(spec, time.as_deref())));
    }
    lines.push(line("emits", words::emit(op.emit, op.window.is_some())));
    if op.retracts {
        lines.push(line("input", "takes rows back; a result is that of the rows that are there".into()));
    }
    if op.allowed_lateness_us > 0 {
        let text = format!("a closed window takes late rows for {} and corrects itself", words::duration(op.allowed_lateness_us));
        lines.push(line("lateness", text));
    }
    let phases = if op.two_phase { "two: each worker on its own, then by key" } else { "one: by key" };
    lines.push(line("phases", phases.into()));
    lines
}

pub(super) fn call(call: &AggregateCall, input: &SchemaRef) -> String {
    // `count(*)` is counted as `count(1)`.
    let args = match call.args.as_slice() {
        [Expr::Literal(value, _)] if call.function.name() == "count" && !value.is_null() => "*".to_owned(),
        args => args.iter().map(sql).collect::<Vec<_>>().join(", "),
    };
    let mut text = format!("{} = {}(", name(&call.name), call.function.name());
    if call.distinct {
        text.push_str("distinct ");
    }
    text.push_str(&args);
    let direction = |ascending: bool, nulls_first: bool| match (ascending, nulls_first) {
        (true, false) => "",
        (true, true) => " nulls first",
        (false, true) => " desc",
        (false, false) => " desc nulls last",
    };
    let order: Vec<String> =
        call.order_by.iter().map(|&(c, asc, first)| format!("{}{}", name(&column(input, c)), direction(asc, first))).collect();
    if !order.is_empty() {
        text.push_str(&format!(" order by {}", order.join(", ")));
    }
    text.push(')');
    if call.ignore_nulls {
        text.push_str(" ignore nulls");
    }
    if let Some(filter) = call.filter {
        text.push_str(&format!(" filter (where {})", name(&column(input, filter))));
    }
    text
}

fn join_lines(op: &TableJoinOp, stream: &Node, table: &Node) -> Vec<Line> {
    let kind = match op.kind {
        TableJoinKind::Inner => "rows that have a match in",
        TableJoinKind::Left => "all rows, with their match in",
        TableJoinKind::Semi => "rows that have a match (not shown) in",
        TableJoinKind::Anti => "rows that have no match in",
    };
    let mut lines = matching_lines(kind, &op.on, op.condition.as_ref(), stream, table);
    let table_state = if op.broadcast { "whole on every worker" } else { "split by key" };
    lines.push(line("table", table_state.into()));
    lines
}

fn stream_join_lines(op: &StreamJoinOp, left: &Node, right: &Node) -> Vec<Line> {
    let kind = match op.kind {
        StreamJoinKind::Inner => "rows that meet one of",
        StreamJoinKind::Left => "all rows, with those that they meet of",
        StreamJoinKind::Right => "rows that meet one of, and all of",
        StreamJoinKind::Full => "all rows, with those that they meet of, and all of",
        StreamJoinKind::Semi => "rows that meet one (not shown) of",
        StreamJoinKind::Anti => "rows that meet none of",
    };
    let mut lines = matching_lines(kind, &op.on, op.condition.as_ref(), left, right);
    let time = |side: &Node, column_at: usize| format!("{}.{}", side.name, name(&column(&side.schema, column_at)));
    match &op.bound {
        JoinBound::Window { shape, times } => {
            let spec = WindowSpec { shape: *shape, time: None };
            let by = times.as_ref().map(|[l, r]| format!("{} and {}", time(left, l.column), time(right, r.column)));
            lines.push(line("in", words::window(&spec, by.as_deref())));
        }
        JoinBound::Within { from_us, to_us, times: [l, r] } => {
            let (from, to) = (words::duration(*from_us), words::duration(*to_us));
            lines.push(line("within", format!("{from} to {to}: {} less {}", time(right, r.column), time(left, l.column))));
        }
        JoinBound::AsOf { times: [l, r] } => {
            lines.push(line("as of", format!("{}; a version is valid from its {}", time(left, l.column), time(right, r.column))));
        }
        JoinBound::Unbounded { ttl_us: Some(us) } => lines.push(line("meet", format!("for {} after a row has come", words::duration(*us)))),
        JoinBound::Unbounded { ttl_us: None } => lines.push(line("meet", "whenever they come".into())),
    }
    lines
}

/// Which rows go on, the key, a further condition.
fn matching_lines(kind: &str, on: &[(usize, usize)], condition: Option<&(Expr, SchemaRef)>, left: &Node, right: &Node) -> Vec<Line> {
    let pair =
        |&(l, r): &(usize, usize)| format!("{} = {}.{}", name(&column(&left.schema, l)), right.name, name(&column(&right.schema, r)));
    let mut lines = vec![line("join", format!("{kind} {}", right.name)), line("on", on.iter().map(pair).collect::<Vec<_>>().join(" and "))];
    if let Some((condition, _)) = condition {
        lines.push(line("and", sql(condition)));
    }
    lines
}
