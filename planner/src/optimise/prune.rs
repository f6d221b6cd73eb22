//! Only columns that somebody reads: back to front it is asked who needs what, front to back the nodes are narrowed.
//!
//! Kept although nobody reads them: a source's event time and key, the key of a changelog, and projected expressions that may fail (their rows
//! are rejected). Where a reader only counts rows, the narrowest column stays.

use super::{
    fallible::{call_rejects, cannot_fail},
    rewrite::{columns_of, is_observed, rebuild, rows_between},
};
use crate::{
    AggregateOp, ChangesOp, Demand, EventTime, ExpectAction, Fed, MatchOp, NeighbourOp, Node, NodeId, Op, OrderBy, Pick, Plan, RankOp,
    RankScope, RowStage, RowStageKind, RunningOp, SourceOp, StreamJoinOp, StreamKind, TableJoinOp,
};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion_common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion_expr::Expr;
use std::{collections::BTreeSet, sync::Arc};

/// Columns of one schema, by index.
type Columns = BTreeSet<usize>;

pub(super) fn pass(plan: Plan, observe: &[String]) -> Transformed<Plan> {
    let needed = needs(&plan, observe);
    let mut kept: Vec<Vec<usize>> = Vec::with_capacity(plan.nodes.len());
    let mut nodes: Vec<Option<Node>> = Vec::with_capacity(plan.nodes.len());
    let mut extra = Vec::new();
    let mut changed = false;
    for (at, node) in plan.nodes.iter().enumerate() {
        let mut node = node.clone();
        let before = node.schema.clone();
        let keep = narrow(&mut node, &plan, &needed[at], &kept, &nodes);
        if matches!(node.op, Op::Union) {
            for index in 0..node.inputs.len() {
                let input = node.inputs[index];
                if let Some(below) = nodes[input.0].as_ref().filter(|_| kept[input.0] != keep) {
                    let between = projection_between(input, below, &node);
                    node.inputs[index] = NodeId(plan.nodes.len() + extra.len());
                    extra.push(Some(between));
                }
            }
        }
        changed |= node.schema != before;
        if keep.len() < before.fields().len() {
            follow(&mut node, &keep);
        }
        kept.push(keep);
        nodes.push(Some(node));
    }
    nodes.extend(extra);
    Transformed::new(rebuild(plan.scenario, nodes), changed, TreeNodeRecursion::Continue)
}

/// Which of its columns each node's readers need.
fn needs(plan: &Plan, observe: &[String]) -> Vec<Columns> {
    let mut needed = vec![Columns::new(); plan.nodes.len()];
    for at in (0..plan.nodes.len()).rev() {
        let node = &plan.nodes[at];
        let unread = !plan.nodes[at + 1..].iter().any(|n| n.inputs.contains(&NodeId(at)));
        let whole = matches!(node.op, Op::Sink(_) | Op::Rejected) || unread || is_observed(plan, NodeId(at), observe);
        if whole {
            needed[at] = (0..node.schema.fields().len()).collect();
        }
        if let StreamKind::Upsert { key } | StreamKind::Changelog { key } = &node.kind {
            needed[at].extend(key.iter().filter_map(|k| node.schema.index_of(k).ok()));
        }
        if let (Op::Source(_), Some(time)) = (&node.op, &node.time) {
            needed[at].insert(time.column);
        }
        if let (true, Some(narrowest)) = (needed[at].is_empty(), narrowest(&node.schema, |_| true)) {
            needed[at].insert(narrowest);
        }
        for (index, columns) in input_needs(plan, node, &needed[at]).into_iter().enumerate() {
            needed[node.inputs[index].0].extend(columns);
        }
    }
    needed
}

/// What a node needs of each input to give the columns that are needed of it.
fn input_needs(plan: &Plan, node: &Node, needed: &Columns) -> Vec<Columns> {
    let schema = |i: usize| &plan.node(node.inputs[i]).schema;
    match &node.op {
        Op::Source(_) | Op::Rejected | Op::Fed(_) => Vec::new(),
        // What its round does not read was left out before.
        Op::Iterate(_) => (0..node.inputs.len()).map(|i| (0..schema(i).fields().len()).collect()).collect(),
        Op::Union => vec![needed.clone(); node.inputs.len()],
        // Whole rows are written.
        Op::Form(_) => vec![(0..schema(0).fields().len()).collect()],
        Op::Changes(op) => vec![needed.iter().chain(&op.key).copied().collect()],
        Op::Output | Op::Sink(_) => vec![needed.clone()],
        Op::Rows(stages) => vec![stage_needs(stages, schema(0), needed).swap_remove(0)],
        Op::Aggregate(op) => {
            let input = schema(0);
            let mut columns: Columns = op.keys.iter().copied().collect();
            for (_, call) in kept_calls(op, needed) {
                columns.extend(call.args.iter().flat_map(|a| columns_of(a, input)));
                columns.extend(call.filter);
                columns.extend(call.order_by.iter().map(|o| o.0));
            }
            columns.extend(op.window.as_ref().and_then(|w| w.time.as_ref()).map(|t| t.column));
            vec![columns]
        }
        Op::Check(op) => {
            let mut columns = match &op.demand {
                Demand::Share { of, .. } => columns_of(of, schema(0)).into_iter().collect(),
                Demand::Rows { .. } => Columns::new(),
            };
            columns.insert(op.time.column);
            vec![columns]
        }
        Op::TableJoin(op) => {
            let width = schema(0).fields().len();
            let [stream, mut table] = sides_needed(needed, width, &op.table_columns, &op.on, op.condition.as_ref());
            table.extend(op.table_key.iter().copied());
            vec![stream, table]
        }
        Op::StreamJoin(op) => {
            let width = schema(0).fields().len();
            let mut sides = sides_needed(needed, width, &op.right_columns, &op.on, op.condition.as_ref());
            for (side, time) in sides.iter_mut().zip(op.bound.times().into_iter().flatten()) {
                side.insert(time.column);
            }
            sides.into()
        }
        Op::Rank(op) => vec![rank_needs(op, schema(0), needed)],
        // Rows are told apart by their contents: without a column another one would be the first, or the one before.
        Op::First(_) | Op::Neighbour(_) | Op::Running(_) => vec![(0..schema(0).fields().len()).collect()],
        // All of them, read or not: their contents put rows of the same time in order.
        Op::Match(op) => vec![op.columns_read().into_iter().collect()],
    }
}

/// Rows that tie are told apart by all their columns. Which of them comes out does not matter only where nothing but what they tie in is read, or where
/// all of them come out or none.
fn rank_needs(op: &RankOp, input: &SchemaRef, needed: &Columns) -> Columns {
    let mut decide: Columns = op.keys.iter().copied().chain(op.order.iter().map(|o| o.column)).collect();
    decide.extend(op.time().map(|t| t.column));
    let width = input.fields().len();
    let read = || needed.iter().copied().filter(|&c| c < width);
    let all = op.newest_first || op.changelog || !op.ties && read().any(|c| !decide.contains(&c));
    if all {
        return (0..width).collect();
    }
    decide.extend(read());
    decide
}

/// What a join needs of its two sides: `width` columns of the first and the `chosen` ones of the second come out.
fn sides_needed(
    needed: &Columns,
    width: usize,
    chosen: &[usize],
    on: &[(usize, usize)],
    condition: Option<&(Expr, SchemaRef)>,
) -> [Columns; 2] {
    let mut left: Columns = needed.iter().copied().filter(|&c| c < width).collect();
    let mut right: Columns = needed.iter().filter_map(|&c| chosen.get(c.checked_sub(width)?).copied()).collect();
    left.extend(on.iter().map(|o| o.0));
    right.extend(on.iter().map(|o| o.1));
    for column in condition.into_iter().flat_map(|(e, s)| columns_of(e, s)) {
        if column < width {
            left.insert(column)
        } else {
            right.insert(column - width)
        };
    }
    [left, right]
}

/// What is needed before each stage, and after the last (`stages.len() + 1` entries).
fn stage_needs(stages: &[RowStage], input: &SchemaRef, needed: &Columns) -> Vec<Columns> {
    let mut all = vec![Columns::new(); stages.len() + 1];
    all[stages.len()] = needed.clone();
    for (at, stage) in stages.iter().enumerate().rev() {
        let schema = if at == 0 { input } else { &stages[at - 1].schema };
        let after = all[at + 1].clone();
        all[at] = match &stage.kind {
            RowStageKind::Filter(expr) => after.into_iter().chain(columns_of(expr, schema)).collect(),
            RowStageKind::Expect(expect) => {
                after.into_iter().filter(|&c| c < schema.fields().len()).chain(columns_of(&expect.predicate, schema)).collect()
            }
            RowStageKind::Expand { keys, .. } => {
                after.into_iter().filter(|&c| c < schema.fields().len()).chain(keys.iter().copied()).collect()
            }
            RowStageKind::Unnest { column, .. } => after.into_iter().filter(|&c| c < schema.fields().len()).chain([*column]).collect(),
            RowStageKind::Project(exprs) => {
                let kept = kept_expressions(exprs, schema, &stage.schema, &after);
                kept.into_iter().flat_map(|i| columns_of(&exprs[i].0, schema)).collect()
            }
        };
        if let (true, Some(narrowest)) = (all[at].is_empty(), narrowest(schema, |_| true)) {
            all[at].insert(narrowest);
        }
    }
    all
}

/// The expressions of a projection that stay: needed ones, and those that may fail; at least one, for the rows' sake.
fn kept_expressions(exprs: &[(Expr, String)], input: &SchemaRef, output: &SchemaRef, needed: &Columns) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..exprs.len()).filter(|&i| needed.contains(&i) || !cannot_fail(&exprs[i].0, input)).collect();
    if kept.is_empty() {
        let plain = |i: usize| matches!(exprs[i].0, Expr::Column(_) | Expr::Literal(..));
        kept.extend(narrowest(output, plain).or_else(|| narrowest(output, |_| true)));
    }
    kept
}

/// The calls that stay: needed ones, and those that may turn a row away; at least one, if there is any.
fn kept_calls<'a>(op: &'a AggregateOp, needed: &Columns) -> Vec<(usize, &'a crate::AggregateCall)> {
    let calls = || op.calls.iter().enumerate();
    let kept: Vec<_> = calls().filter(|(i, c)| needed.contains(&(op.keys.len() + i)) || call_rejects(c)).collect();
    if kept.is_empty() { calls().take(1).collect() } else { kept }
}

/// The column that costs least to carry, among those that fit.
fn narrowest(schema: &SchemaRef, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let width = |t: &DataType| match t {
        DataType::Boolean => 0,
        t => t.primitive_width().unwrap_or(usize::MAX),
    };
    (0..schema.fields().len()).filter(|&i| fits(i)).min_by_key(|&i| width(schema.field(i).data_type()))
}

/// Narrows a node, given what is left of its inputs. Gives the columns that stay.
fn narrow(node: &mut Node, plan: &Plan, needed: &Columns, kept: &[Vec<usize>], nodes: &[Option<Node>]) -> Vec<usize> {
    let ids = node.inputs.clone();
    let left = |i: usize| kept[ids[i].0].as_slice();
    let now = |i: usize| nodes[ids[i].0].as_ref().map(|n| n.schema.clone());
    let old = |i: usize| plan.node(ids[i]).schema.clone();
    match &mut node.op {
        Op::Source(op) => {
            let keep = needed.iter().copied().collect::<Vec<_>>();
            narrow_source(op, &keep);
            node.schema = project(&node.schema, &keep);
            keep
        }
        Op::Check(op) => {
            op.time.column = position(left(0), op.time.column);
            (0..node.schema.fields().len()).collect()
        }
        Op::Rejected | Op::Form(_) | Op::Iterate(_) | Op::Fed(Fed::Round | Fed::Input(0)) => (0..node.schema.fields().len()).collect(),
        Op::Union | Op::Fed(Fed::Input(_)) => {
            let keep = needed.iter().copied().collect::<Vec<_>>();
            node.schema = project(&node.schema, &keep);
            keep
        }
        Op::Changes(ChangesOp { key, .. }) => {
            key.iter_mut().for_each(|k| *k = position(left(0), *k));
            node.schema = now(0).unwrap_or_else(|| node.schema.clone());
            left(0).to_vec()
        }
        Op::Output | Op::Sink(_) => {
            node.schema = now(0).unwrap_or_else(|| node.schema.clone());
            left(0).to_vec()
        }
        Op::Rows(stages) => {
            let (schema, keep) = narrow_stages(stages, &old(0), now(0).unwrap_or_else(|| old(0)), left(0), needed);
            node.schema = schema;
            keep
        }
        Op::Aggregate(op) => {
            let (keys, width) = (op.keys.len(), node.schema.fields().len());
            let calls: Vec<usize> = kept_calls(op, needed).into_iter().map(|(i, _)| i).collect();
            let windows = keys + op.calls.len()..width;
            let keep: Vec<usize> = (0..keys).chain(calls.iter().map(|c| keys + c)).chain(windows).collect();
            narrow_aggregate(op, &calls, left(0));
            node.schema = project(&node.schema, &keep);
            keep
        }
        Op::TableJoin(op) => {
            let width = old(0).fields().len();
            let tables: Vec<usize> = (0..op.table_columns.len()).filter(|c| needed.contains(&(width + c))).collect();
            let keep: Vec<usize> = left(0).iter().copied().chain(tables.iter().map(|c| width + c)).collect();
            narrow_join(op, &tables, width, left(0), left(1));
            node.schema = project(&node.schema, &keep);
            keep
        }
        Op::StreamJoin(op) => {
            let width = old(0).fields().len();
            let chosen: Vec<usize> = (0..op.right_columns.len()).filter(|c| needed.contains(&(width + c))).collect();
            let keep: Vec<usize> = left(0).iter().copied().chain(chosen.iter().map(|c| width + c)).collect();
            narrow_stream_join(op, &chosen, width, [left(0), left(1)]);
            node.schema = project(&node.schema, &keep);
            keep
        }
        Op::Rank(op) => {
            let (before, width) = (old(0).fields().len(), node.schema.fields().len());
            let keep: Vec<usize> = left(0).iter().copied().chain(before..width).collect();
            narrow_rank(op, left(0));
            node.schema = project(&node.schema, &keep);
            keep
        }
        Op::First(op) => {
            narrow_order(&mut op.keys, &mut op.order, op.time.as_mut(), left(0));
            node.schema = project(&node.schema, left(0));
            left(0).to_vec()
        }
        Op::Neighbour(op) => {
            let width = old(0).fields().len();
            let values: Vec<usize> = (0..op.values.len()).filter(|v| needed.contains(&(width + v))).collect();
            let keep: Vec<usize> = left(0).iter().copied().chain(values.iter().map(|v| width + v)).collect();
            narrow_neighbour(op, &values, left(0));
            node.schema = project(&node.schema, &keep);
            keep
        }
        Op::Running(op) => {
            let width = old(0).fields().len();
            let calls: Vec<usize> = (0..op.calls.len()).filter(|c| needed.contains(&(width + c))).collect();
            let keep: Vec<usize> = left(0).iter().copied().chain(calls.iter().map(|c| width + c)).collect();
            narrow_running(op, &calls, left(0));
            node.schema = project(&node.schema, &keep);
            keep
        }
        Op::Match(op) => {
            narrow_match(op, old(0).fields().len(), left(0));
            (0..node.schema.fields().len()).collect()
        }
    }
}

fn project(schema: &SchemaRef, keep: &[usize]) -> SchemaRef {
    let fields: Vec<_> = keep.iter().filter_map(|&i| schema.fields().get(i).cloned()).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// Where a column has gone; columns that are still read have been kept, by the way `needs` was computed.
fn position(keep: &[usize], column: usize) -> usize {
    keep.binary_search(&column).unwrap_or_else(|after| after)
}

fn narrow_source(op: &mut SourceOp, keep: &[usize]) {
    op.projection = keep.iter().filter_map(|&i| op.projection.get(i).copied()).collect();
}

fn narrow_stages(
    stages: &mut [RowStage],
    old_input: &SchemaRef,
    input: SchemaRef,
    left: &[usize],
    needed: &Columns,
) -> (SchemaRef, Vec<usize>) {
    let needs = stage_needs(stages, old_input, needed);
    let (mut schema, mut keep) = (input, left.to_vec());
    let mut before = old_input.clone();
    for (at, stage) in stages.iter_mut().enumerate() {
        let old = stage.schema.clone();
        let width = before.fields().len();
        match &mut stage.kind {
            RowStageKind::Filter(_) => {}
            RowStageKind::Expect(expect) => {
                if matches!(expect.otherwise, ExpectAction::Tag(_)) {
                    keep.push(width);
                }
            }
            RowStageKind::Expand { keys, .. } => {
                keys.iter_mut().for_each(|k| *k = position(&keep, *k));
                keep.extend(width..=width + keys.len());
            }
            RowStageKind::Unnest { column, ordinality, .. } => {
                *column = position(&keep, *column);
                if *ordinality {
                    keep.push(width);
                }
            }
            RowStageKind::Project(exprs) => {
                keep = kept_expressions(exprs, &before, &old, &needs[at + 1]);
                *exprs = keep.iter().map(|&i| exprs[i].clone()).collect();
            }
        }
        schema = project(&old, &keep);
        stage.schema = schema.clone();
        before = old;
    }
    (schema, keep)
}

fn narrow_aggregate(op: &mut AggregateOp, calls: &[usize], left: &[usize]) {
    op.keys.iter_mut().for_each(|k| *k = position(left, *k));
    op.calls = calls.iter().map(|&c| op.calls[c].clone()).collect();
    for call in &mut op.calls {
        call.filter = call.filter.map(|f| position(left, f));
        call.order_by.iter_mut().for_each(|o| o.0 = position(left, o.0));
    }
    if let Some(time) = op.window.as_mut().and_then(|w| w.time.as_mut()) {
        time.column = position(left, time.column);
    }
}

fn narrow_join(op: &mut TableJoinOp, chosen: &[usize], width: usize, stream: &[usize], table: &[usize]) {
    op.on.iter_mut().for_each(|(s, t)| (*s, *t) = (position(stream, *s), position(table, *t)));
    op.table_key.iter_mut().for_each(|k| *k = position(table, *k));
    op.table_columns = chosen.iter().map(|&c| position(table, op.table_columns[c])).collect();
    narrow_condition(op.condition.as_mut(), width, stream, table);
}

fn narrow_stream_join(op: &mut StreamJoinOp, chosen: &[usize], width: usize, sides: [&[usize]; 2]) {
    let [left, right] = sides;
    op.on.iter_mut().for_each(|(l, r)| (*l, *r) = (position(left, *l), position(right, *r)));
    op.right_columns = chosen.iter().map(|&c| position(right, op.right_columns[c])).collect();
    for (time, side) in op.bound.times_mut().into_iter().flatten().zip(sides) {
        time.column = position(side, time.column);
    }
    narrow_condition(op.condition.as_mut(), width, left, right);
}

fn narrow_order(keys: &mut [usize], order: &mut [OrderBy], time: Option<&mut EventTime>, left: &[usize]) {
    keys.iter_mut().for_each(|k| *k = position(left, *k));
    order.iter_mut().for_each(|o| o.column = position(left, o.column));
    if let Some(time) = time {
        time.column = position(left, time.column);
    }
}

fn narrow_rank(op: &mut RankOp, left: &[usize]) {
    let time = match &mut op.scope {
        RankScope::Window { spec, .. } => spec.time.as_mut(),
        RankScope::AllTime { .. } => None,
    };
    narrow_order(&mut op.keys, &mut op.order, time, left);
}

fn narrow_neighbour(op: &mut NeighbourOp, values: &[usize], left: &[usize]) {
    narrow_order(&mut op.keys, &mut op.order, Some(&mut op.time), left);
    op.values = values.iter().map(|&v| position(left, op.values[v])).collect();
}

fn narrow_running(op: &mut RunningOp, calls: &[usize], left: &[usize]) {
    narrow_order(&mut op.keys, &mut op.order, Some(&mut op.time), left);
    op.calls = calls.iter().map(|&c| op.calls[c].clone()).collect();
    for call in &mut op.calls {
        call.filter = call.filter.map(|f| position(left, f));
        call.order_by.iter_mut().for_each(|o| o.0 = position(left, o.0));
    }
}

fn narrow_match(op: &mut MatchOp, width: usize, left: &[usize]) {
    op.keys.iter_mut().for_each(|k| *k = position(left, *k));
    op.time.column = position(left, op.time.column);
    op.order.iter_mut().for_each(|o| o.0 = position(left, o.0));
    op.events.iter_mut().filter_map(|e| e.own.as_mut()).for_each(|own| *own = position(left, *own));
    for reference in op.references.iter_mut().chain(&mut op.outputs) {
        match &mut reference.pick {
            Pick::First { column, .. } | Pick::Last { column, .. } => *column = position(left, *column),
            Pick::Call(call) => {
                call.filter = call.filter.map(|f| position(left, f));
                call.order_by.iter_mut().for_each(|o| o.0 = position(left, o.0));
            }
        }
    }
    let keep: Vec<usize> = left.iter().copied().chain(width..op.condition_schema.fields().len()).collect();
    op.condition_schema = project(&op.condition_schema, &keep);
}

fn narrow_condition(condition: Option<&mut (Expr, SchemaRef)>, width: usize, left: &[usize], right: &[usize]) {
    if let Some((_, schema)) = condition {
        let keep: Vec<usize> = left.iter().copied().chain(right.iter().map(|r| width + r)).collect();
        *schema = project(schema, &keep);
    }
}

/// What else a node says of its columns follows them.
fn follow(node: &mut Node, keep: &[usize]) {
    node.lineage = keep.iter().filter_map(|&i| node.lineage.get(i).cloned()).collect();
    node.time = node.time.take().filter(|t| keep.contains(&t.column)).map(|mut t| {
        t.column = position(keep, t.column);
        t
    });
}

/// A projection to a union's columns, for an input that has others besides.
fn projection_between(id: NodeId, below: &Node, union: &Node) -> Node {
    let columns = |f: &Arc<arrow::datatypes::Field>| (Expr::Column(datafusion_common::Column::new_unqualified(f.name())), f.name().clone());
    let kind = RowStageKind::Project(union.schema.fields().iter().map(columns).collect());
    let stage = RowStage { step: union.name.clone(), kind, schema: union.schema.clone() };
    let mut node = rows_between(id, below, union, vec![stage]);
    node.schema = union.schema.clone();
    let keep: Vec<usize> = union.schema.fields().iter().filter_map(|f| below.schema.index_of(f.name()).ok()).collect();
    follow_reordered(&mut node, &keep);
    node
}

fn follow_reordered(node: &mut Node, keep: &[usize]) {
    node.lineage = keep.iter().filter_map(|&i| node.lineage.get(i).cloned()).collect();
    node.time = node.time.take().and_then(|t| Some(crate::EventTime { column: keep.iter().position(|&k| k == t.column)?, ..t }));
}
