//! Whether a plan is one: inputs stand before readers, indices are in range, expressions and schemas fit, names are there.
//!
//! Run after every pass in tests and debug builds; a fault is always a bug of the planner.

use super::rewrite::ColumnTypes;
use crate::{
    AggregateOp, Demand, Fed, IterateOp, MatchOp, NEIGHBOUR_DISTANCE_MAX, NeighbourOp, Node, NodeId, Op, OrderBy, Plan, RUNNING_ROWS_MAX,
    RankOp, RankScope, RowStage, RowStageKind, RunningOp, RunningOver, StreamJoinOp, StreamKind, TableJoinKind, TableJoinOp,
};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion_expr::{Expr, ExprSchemable};
use std::collections::BTreeSet;

/// What is wrong with a plan, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("node {node} (`{name}`): {message} (this is a bug of Runink)")]
pub struct PlanFault {
    /// Its place.
    pub node: usize,
    /// Its name.
    pub name: String,
    /// What does not fit.
    pub message: String,
}

type Check = Result<(), String>;

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(message()) }
}

/// Checks a plan.
///
/// # Errors
/// The first thing that does not fit.
pub fn validate(plan: &Plan) -> Result<(), PlanFault> {
    for (at, node) in plan.nodes.iter().enumerate() {
        node_fits(plan, at, node).map_err(|message| PlanFault { node: at, name: node.name.clone(), message })?;
    }
    Ok(())
}

fn node_fits(plan: &Plan, at: usize, node: &Node) -> Check {
    ensure(!node.name.is_empty(), || "no name".into())?;
    ensure(node.inputs.iter().all(|i| i.0 < at), || "an input that does not stand before it".into())?;
    let wanted = match &node.op {
        Op::Source(_) | Op::Rejected | Op::Fed(_) => 0..=0,
        Op::Rows(_)
        | Op::Aggregate(_)
        | Op::Changes(_)
        | Op::Form(_)
        | Op::Match(_)
        | Op::Rank(_)
        | Op::First(_)
        | Op::Neighbour(_)
        | Op::Running(_)
        | Op::Check(_)
        | Op::Output
        | Op::Sink(_) => 1..=1,
        Op::TableJoin(_) | Op::StreamJoin(_) => 2..=2,
        Op::Union | Op::Iterate(_) => 1..=usize::MAX,
    };
    ensure(wanted.contains(&node.inputs.len()), || format!("{} inputs", node.inputs.len()))?;
    let inputs: Vec<&Node> = node.inputs.iter().map(|&i| plan.node(i)).collect();
    op_fits(node, &inputs)?;
    facts_fit(plan, at, node)
}

fn facts_fit(plan: &Plan, at: usize, node: &Node) -> Check {
    let fields = node.schema.fields();
    let names: BTreeSet<&String> = fields.iter().map(|f| f.name()).collect();
    ensure(names.len() == fields.len(), || "a column name twice".into())?;
    if let Some(time) = &node.time {
        let field = fields.get(time.column).ok_or("an event-time column out of range")?;
        ensure(matches!(field.data_type(), DataType::Timestamp(_, None) | DataType::Date32), || {
            format!("event time `{}` of type {}", field.name(), field.data_type())
        })?;
    }
    ensure(node.watermark_of.is_sorted_by(|a, b| a < b), || "sources of the watermark out of order".into())?;
    let is_source = |id: &NodeId| id.0 <= at && matches!(plan.node(*id).op, Op::Source(_));
    ensure(node.watermark_of.iter().all(is_source), || "a watermark of what is not a source before it".into())?;
    ensure(node.lineage.len() == fields.len() && node.lineage.iter().zip(fields).all(|(l, f)| l.column == *f.name()), || {
        "lineage of other columns than its own".into()
    })?;
    match &node.kind {
        StreamKind::AppendOnly => Ok(()),
        StreamKind::Upsert { key } | StreamKind::Changelog { key } => {
            ensure(key.iter().all(|k| node.schema.index_of(k).is_ok()), || format!("a key that is no column: {key:?}"))
        }
    }
}

fn same_columns(a: &SchemaRef, b: &SchemaRef) -> bool {
    let typed = |s: &SchemaRef| s.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect::<Vec<_>>();
    typed(a) == typed(b)
}

fn op_fits(node: &Node, inputs: &[&Node]) -> Check {
    let first = inputs.first().map(|n| &n.schema);
    let same = |schema: Option<&SchemaRef>| schema.is_some_and(|s| same_columns(s, &node.schema));
    match (&node.op, first) {
        (Op::Source(op), _) => {
            let (full, picked) = (op.full_schema.fields(), &op.projection);
            ensure(picked.is_sorted_by(|a, b| a < b) && picked.iter().all(|&i| i < full.len()), || "a projection out of range".into())?;
            let projected = op.full_schema.project(picked).map_err(|e| e.to_string())?;
            ensure(same(Some(&projected.into())), || "a schema that is not the projected one".into())?;
            let known = |name: &String| node.schema.index_of(name).is_ok();
            ensure(op.predicates.iter().all(|p| known(&p.column)), || "a predicate on a column that it does not read".into())
        }
        (Op::Rows(stages), Some(input)) => {
            let mut schema = input;
            for stage in stages {
                stage_fits(stage, schema)?;
                schema = &stage.schema;
            }
            ensure(same(Some(schema)), || "a schema that is not its last stage's".into())
        }
        (Op::Union, _) => {
            ensure(inputs.iter().all(|i| same_columns(&i.schema, &node.schema)), || "an input of another schema".into())?;
            // Keys of several sources would mean nothing together; lowering refuses such a text.
            let keyed = |n: &Node| matches!(n.kind, StreamKind::Upsert { .. });
            ensure(!keyed(node) && !inputs.iter().any(|i| keyed(i)), || "a union of keyed sources".into())?;
            let changes = |n: &Node| matches!(n.kind, StreamKind::Changelog { .. });
            ensure(changes(node) == inputs.iter().any(|i| changes(i)), || "a union of another kind than its inputs".into())
        }
        (Op::Output | Op::Sink(_), first) => ensure(same(first), || "a schema that is not its input's".into()),
        (Op::Aggregate(op), Some(input)) => {
            let retracts = matches!(inputs[0].kind, StreamKind::Changelog { .. });
            ensure(op.retracts == retracts, || "an aggregate over a stream of another kind than it says".into())?;
            aggregate_fits(op, input, node)
        }
        (Op::Changes(op), first) => {
            ensure(same(first), || "a schema that is not its input's".into())?;
            let keyed = |kind: &StreamKind| matches!(kind, StreamKind::Upsert { .. });
            let fits = keyed(&inputs[0].kind) && matches!(node.kind, StreamKind::Changelog { .. });
            ensure(fits, || "changes of what is no keyed source".into())?;
            ensure(op.key.iter().all(|&k| k < node.schema.fields().len()), || "a key out of range".into())
        }
        (Op::Form(op), Some(input)) => {
            ensure(op.key.iter().all(|&k| k < input.fields().len()), || "a key out of range".into())?;
            ensure(node.kind == StreamKind::AppendOnly, || "rows that are written out and can be taken back".into())?;
            let fields: Vec<_> = op.form.fields(input.fields(), &op.key);
            ensure(fields[..] == node.schema.fields()[..], || "a form with other columns than it has".into())
        }
        (Op::TableJoin(op), Some(stream)) => join_fits(op, stream, &inputs[1].schema, node),
        (Op::StreamJoin(op), Some(left)) => stream_join_fits(op, [left, &inputs[1].schema], node),
        (Op::Rank(op), Some(input)) => rank_fits(op, input, node),
        (Op::First(op), Some(input)) => {
            columns_fit(op.keys.iter().chain(op.order.iter().map(|o| &o.column)).chain(op.time.iter().map(|t| &t.column)), input)?;
            ensure(op.time.is_some() || !op.settled && op.within_us.is_none(), || {
                "the first row by an event time that is not there".into()
            })?;
            ensure(same(Some(input)) && node.kind == StreamKind::AppendOnly, || "the first rows are other than those that come".into())
        }
        (Op::Neighbour(op), Some(input)) => neighbour_fits(op, input, node),
        (Op::Running(op), Some(input)) => running_fits(op, input, node),
        (Op::Match(op), Some(input)) => match_fits(op, input, node),
        (Op::Check(op), Some(input)) => {
            ensure(op.time.column < input.fields().len(), || "the time of an expectation out of range".into())?;
            if let Demand::Share { of, .. } = &op.demand {
                is_type(of, input, &DataType::Boolean)?;
            }
            ensure(same(Some(&crate::checks_schema())), || "a schema that is not that of checks".into())
        }
        (Op::Iterate(op), Some(_)) => recursion_fits(op, inputs, node),
        (Op::Fed(_), _) => Err("rows of a recursion outside of one".into()),
        (Op::Rejected, _) => ensure(same(Some(&crate::rejected_schema())), || "a schema that is not that of rejects".into()),
        (_, None) => Err("no input".into()),
    }
}

/// A round is looked at node by node; kinds and keys of its nodes mean nothing.
fn recursion_fits(op: &IterateOp, inputs: &[&Node], node: &Node) -> Check {
    let round = |id: NodeId| op.nodes.get(id.0).ok_or("a node of a round out of range");
    ensure(same_columns(&round(op.result)?.schema, &node.schema), || "a schema that is not its result's".into())?;
    ensure((1..=crate::ROUNDS_MAX).contains(&op.rounds), || format!("{} rounds", op.rounds))?;
    for (at, inner) in op.nodes.iter().enumerate() {
        ensure(inner.inputs.iter().all(|i| i.0 < at), || "an input that does not stand before its reader in a round".into())?;
        let below: Vec<&Node> = inner.inputs.iter().map(|&i| &op.nodes[i.0]).collect();
        let first = below.first().map(|n| &n.schema);
        match (&inner.op, first) {
            (Op::Fed(Fed::Input(input)), _) => {
                let given = inputs.get(*input).ok_or("an input that a recursion has not")?;
                ensure(same_columns(&given.schema, &inner.schema), || "an input of other columns than a round reads".into())
            }
            (Op::Fed(Fed::Round), _) => {
                ensure(same_columns(&round(op.found)?.schema, &inner.schema), || "a round that finds other columns than it reads".into())
            }
            (Op::Aggregate(op), Some(input)) => aggregate_fits(op, input, inner),
            (Op::StreamJoin(op), Some(left)) => {
                let right = below.get(1).ok_or("a join of one input")?;
                stream_join_fits(op, [left, &right.schema], inner)
            }
            (Op::Union, Some(_)) => {
                ensure(below.iter().all(|i| same_columns(&i.schema, &inner.schema)), || "an input of another schema".into())
            }
            (Op::Rows(_) | Op::Output, Some(_)) => op_fits(inner, &below),
            _ => Err("a node that has no meaning in a round".into()),
        }
        .map_err(|message| format!("in a round: {message}"))?;
    }
    Ok(())
}

fn is_type(expr: &Expr, schema: &SchemaRef, wanted: &DataType) -> Check {
    let found = expr.get_type(&ColumnTypes(schema)).map_err(|e| e.strip_backtrace())?;
    ensure(found == *wanted, || format!("`{expr}` is {found}, not {wanted}"))
}

fn stage_fits(stage: &RowStage, input: &SchemaRef) -> Check {
    match &stage.kind {
        RowStageKind::Filter(expr) => {
            is_type(expr, input, &DataType::Boolean)?;
            ensure(same_columns(input, &stage.schema), || format!("filter `{expr}` changes columns"))
        }
        RowStageKind::Project(exprs) => {
            let fields = stage.schema.fields();
            ensure(exprs.len() == fields.len(), || format!("{} expressions for {} columns", exprs.len(), fields.len()))?;
            exprs.iter().zip(fields).try_for_each(|((expr, name), field)| {
                ensure(name == field.name(), || format!("`{name}` comes out as `{}`", field.name()))?;
                is_type(expr, input, field.data_type())
            })
        }
        RowStageKind::Expect(expect) => {
            is_type(&expect.predicate, input, &DataType::Boolean)?;
            let tag = usize::from(matches!(expect.otherwise, crate::ExpectAction::Tag(_)));
            ensure(stage.schema.fields().len() == input.fields().len() + tag, || format!("`{}` changes columns", expect.text))
        }
        RowStageKind::Unnest { column, ordinality, .. } => {
            let list = input.fields().get(*column).ok_or("unnest of a column out of range")?;
            ensure(matches!(list.data_type(), DataType::List(_)), || format!("unnest of `{}`, which is no list", list.name()))?;
            let wanted = input.fields().len() + usize::from(*ordinality);
            ensure(stage.schema.fields().len() == wanted, || "unnest gives other columns than it should".into())
        }
        RowStageKind::Expand { keys, sets } => {
            let fits = !sets.is_empty() && keys.len() <= crate::MAX_GROUPING_KEYS && sets.iter().all(|s| s.len() == keys.len());
            ensure(fits, || "grouping sets of other keys".into())?;
            let (before, after) = (input.fields(), stage.schema.fields());
            ensure(keys.iter().all(|&k| k < before.len()), || "a grouping key out of range".into())?;
            let types = before.iter().map(|f| f.data_type()).chain(keys.iter().map(|&k| before[k].data_type())).chain([&DataType::UInt8]);
            ensure(after.iter().map(|f| f.data_type()).eq(types), || "grouping sets give other columns than they should".into())
        }
    }
}

fn aggregate_fits(op: &AggregateOp, input: &SchemaRef, node: &Node) -> Check {
    let (columns, out) = (input.fields(), node.schema.fields());
    ensure(op.keys.iter().all(|&k| k < columns.len()), || "a key out of range".into())?;
    let wanted = op.keys.len() + op.calls.len() + if op.window.is_some() { 2 } else { 0 };
    ensure(out.len() == wanted, || format!("{} columns come out, not {wanted}", out.len()))?;
    for (&key, field) in op.keys.iter().zip(out) {
        ensure(columns[key].data_type() == field.data_type(), || format!("key `{}` changes its type", field.name()))?;
    }
    for (call, field) in op.calls.iter().zip(&out[op.keys.len()..]) {
        ensure(call.name == *field.name(), || format!("`{}` comes out as `{}`", call.name, field.name()))?;
        let known =
            call.args.iter().all(|a| matches!(a, Expr::Literal(..)) || matches!(a, Expr::Column(c) if input.index_of(&c.name).is_ok()));
        ensure(known, || format!("`{}` of what is neither a column nor a constant", call.name))?;
        if let Some(filter) = call.filter {
            let boolean = columns.get(filter).is_some_and(|f| *f.data_type() == DataType::Boolean);
            ensure(boolean, || format!("`{}` is filtered by what is no Boolean column", call.name))?;
        }
        ensure(call.order_by.iter().all(|o| o.0 < columns.len()), || format!("`{}` is ordered by a column out of range", call.name))?;
    }
    let time = op.window.as_ref().and_then(|w| w.time.as_ref());
    ensure(time.is_none_or(|t| t.column < columns.len()), || "a window's time out of range".into())
}

fn join_fits(op: &TableJoinOp, stream: &SchemaRef, table: &SchemaRef, node: &Node) -> Check {
    let (s, t) = (stream.fields().len(), table.fields().len());
    ensure(op.on.iter().all(|&(a, b)| a < s && b < t), || "a join column out of range".into())?;
    same_types(&op.on, stream, table)?;
    let covered = op.table_key.iter().all(|&k| k < t && op.on.iter().any(|&(_, b)| b == k));
    ensure(covered, || "a join that does not cover the table's key".into())?;
    ensure(op.table_columns.iter().all(|&c| c < t), || "a table column out of range".into())?;
    ensure(node.schema.fields().len() == s + op.table_columns.len(), || "a join gives other columns than it should".into())?;
    let half = matches!(op.kind, TableJoinKind::Semi | TableJoinKind::Anti);
    ensure(!half || op.table_columns.is_empty(), || "a semi or anti join gives table columns".into())?;
    condition_fits(op.condition.as_ref(), s + t)
}

fn stream_join_fits(op: &StreamJoinOp, inputs: [&SchemaRef; 2], node: &Node) -> Check {
    let [left, right] = inputs;
    let (l, r) = (left.fields().len(), right.fields().len());
    ensure(op.on.iter().all(|&(a, b)| a < l && b < r), || "a join column out of range".into())?;
    same_types(&op.on, left, right)?;
    ensure(op.right_columns.iter().all(|&c| c < r), || "a right column out of range".into())?;
    ensure(node.schema.fields().len() == l + op.right_columns.len(), || "a join gives other columns than it should".into())?;
    ensure(op.kind.has_right_columns() || op.right_columns.is_empty(), || "a semi or anti join gives right columns".into())?;
    ensure(op.bound.times().is_none_or(|[a, b]| a.column < l && b.column < r), || "a join's time out of range".into())?;
    ensure(op.is_changelog() == matches!(node.kind, StreamKind::Changelog { .. }), || "a join of another kind than its stream".into())?;
    condition_fits(op.condition.as_ref(), l + r)
}

fn columns_fit<'a>(mut columns: impl Iterator<Item = &'a usize>, input: &SchemaRef) -> Check {
    ensure(columns.all(|&c| c < input.fields().len()), || "a column out of range".into())
}

fn order_columns(order: &[OrderBy]) -> impl Iterator<Item = &usize> {
    order.iter().map(|o| &o.column)
}

fn rank_fits(op: &RankOp, input: &SchemaRef, node: &Node) -> Check {
    columns_fit(op.keys.iter().chain(order_columns(&op.order)).chain(op.time().map(|t| &t.column)), input)?;
    let edges = matches!(op.scope, RankScope::Window { edges: true, .. });
    let wanted = input.fields().len() + usize::from(op.rank) + if edges { 2 } else { 0 };
    let (out, own) = (node.schema.fields(), input.fields());
    let same = out.len() == wanted && out.iter().zip(own).all(|(o, i)| o.name() == i.name() && o.data_type() == i.data_type());
    ensure(same, || "a ranking gives other columns than it should".into())?;
    ensure(op.count != Some(0), || "a ranking that gives no row".into())?;
    ensure((op.window().is_none()) == matches!(node.kind, StreamKind::Changelog { .. }), || {
        "a ranking of another kind than its stream".into()
    })
}

fn neighbour_fits(op: &NeighbourOp, input: &SchemaRef, node: &Node) -> Check {
    columns_fit(op.keys.iter().chain(order_columns(&op.order)).chain(&op.values).chain([&op.time.column]), input)?;
    let (out, own) = (node.schema.fields(), input.fields());
    let values = op.values.iter().map(|&v| own[v].data_type());
    let types = own.iter().map(|f| f.data_type()).chain(values);
    ensure(out.iter().map(|f| f.data_type()).eq(types), || "neighbours give other columns than they should".into())?;
    ensure((1..=NEIGHBOUR_DISTANCE_MAX).contains(&op.distance), || format!("neighbours {} rows away", op.distance))?;
    ensure(node.kind == StreamKind::AppendOnly, || "neighbours of rows that are taken back".into())
}

fn running_fits(op: &RunningOp, input: &SchemaRef, node: &Node) -> Check {
    let asked = op.calls.iter().flat_map(|c| c.filter.iter().chain(c.order_by.iter().map(|o| &o.0)));
    columns_fit(op.keys.iter().chain(order_columns(&op.order)).chain([&op.time.column]).chain(asked), input)?;
    let named = op.calls.iter().flat_map(|c| c.args.iter().flat_map(datafusion_expr::Expr::column_refs).map(|r| r.name.clone()));
    named.into_iter().try_for_each(|n| ensure(input.index_of(&n).is_ok(), || format!("`{n}` is aggregated and is no column")))?;
    let out = node.schema.fields();
    let own = input.fields().iter().map(|f| f.data_type());
    ensure(out.iter().map(|f| f.data_type()).take(input.fields().len()).eq(own), || "rows lose columns beside their totals".into())?;
    let names = out.iter().skip(input.fields().len()).map(|f| f.name());
    ensure(names.eq(op.calls.iter().map(|c| &c.name)), || "other totals than the plan computes".into())?;
    let rows = match op.over {
        RunningOver::Rows(rows) => (1..=RUNNING_ROWS_MAX).contains(&rows),
        RunningOver::Time(us) => us >= 0,
        RunningOver::Window { size, .. } => size > 0,
    };
    ensure(rows, || format!("totals over {:?}", op.over))?;
    ensure(node.kind == StreamKind::AppendOnly, || "totals of rows that are taken back".into())
}

fn match_fits(op: &MatchOp, input: &SchemaRef, node: &Node) -> Check {
    let columns = input.fields();
    ensure(op.columns_read().iter().all(|&c| c < columns.len()), || "a match reads a column out of range".into())?;
    let wanted = op.keys.len() + op.outputs.len() + 2 + usize::from(op.partial);
    ensure(node.schema.fields().len() == wanted, || format!("a match gives {} columns, not {wanted}", node.schema.fields().len()))?;
    let read = columns.len() + op.references.len();
    ensure(op.condition_schema.fields().len() == read, || "a match's conditions over other columns".into())?;
    for event in &op.events {
        let boolean = event.own.is_none_or(|own| *columns[own].data_type() == DataType::Boolean);
        ensure(boolean, || format!("`{}` is told by what is no Boolean column", event.name))?;
        event.joint.as_ref().map_or(Ok(()), |joint| is_type(joint, &op.condition_schema, &DataType::Boolean))?;
    }
    op.automaton().map(drop).map_err(|e| e.to_string())
}

fn same_types(on: &[(usize, usize)], left: &SchemaRef, right: &SchemaRef) -> Check {
    on.iter().try_for_each(|&(a, b)| {
        let (a, b) = (left.field(a), right.field(b));
        ensure(a.data_type() == b.data_type(), || format!("join of `{}` and `{}`, whose types differ", a.name(), b.name()))
    })
}

fn condition_fits(condition: Option<&(Expr, SchemaRef)>, width: usize) -> Check {
    condition.map_or(Ok(()), |(expr, schema)| {
        ensure(schema.fields().len() == width, || "a join condition over other columns".into())?;
        is_type(expr, schema, &DataType::Boolean)
    })
}
