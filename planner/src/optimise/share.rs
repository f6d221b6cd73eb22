//! What several steps compute alike is computed once.
//!
//! Sources and sinks are never put together: each reads or writes on its own. Nodes that can reject rows only if they are the same step's:
//! else a row that two steps reject would be reported by one.

use super::{
    dead::has_effects,
    rewrite::{is_observed, rebuild, redirect},
};
use crate::{
    AggregateCall, AggregateOp, MatchEvent, MatchOp, Node, NodeId, Op, Pick, Plan, Reference, RowStage, RowStageKind, RunningOp,
    StateBound, StreamJoinOp, TableJoinOp,
};
use datafusion_common::tree_node::{Transformed, TreeNodeRecursion};

pub(super) fn pass(plan: Plan, observe: &[String]) -> Transformed<Plan> {
    // What each node is computed by. Inputs are compared by this, so that chains of equal nodes meet.
    let mut by: Vec<usize> = Vec::with_capacity(plan.nodes.len());
    for (at, node) in plan.nodes.iter().enumerate() {
        let inputs = |n: &Node| n.inputs.iter().map(|i| by[i.0]).collect::<Vec<_>>();
        let mine = inputs(node);
        let effects = has_effects(&plan, node);
        let stands_for = |&i: &usize| {
            let other = &plan.nodes[i];
            by[i] == i && inputs(other) == mine && alike(node, other) && (!effects || same_step(node, other))
        };
        let found = (0..at).find(stands_for).unwrap_or(at);
        by.push(found);
    }
    if by.iter().enumerate().all(|(at, &by)| at == by) {
        return Transformed::no(plan);
    }
    let observed: Vec<bool> = (0..plan.nodes.len()).map(|i| is_observed(&plan, NodeId(i), observe)).collect();
    let mut nodes: Vec<Option<Node>> = plan.nodes.into_iter().map(Some).collect();
    for (at, &same) in by.iter().enumerate().filter(|(at, same)| at != *same) {
        if !observed[at] {
            redirect(&mut nodes, NodeId(at), NodeId(same));
            nodes[at] = None;
        } else if let Some(node) = &mut nodes[at] {
            (node.op, node.inputs, node.state) = (Op::Output, vec![NodeId(same)], StateBound::Stateless);
        }
    }
    Transformed::new(rebuild(plan.scenario, nodes), true, TreeNodeRecursion::Continue)
}

fn same_step(a: &Node, b: &Node) -> bool {
    let steps = |n: &Node| match &n.op {
        Op::Rows(stages) => stages.iter().map(|s| s.step.clone()).collect(),
        _ => vec![n.name.clone()],
    };
    steps(a) == steps(b)
}

/// Whether two nodes compute the same from equal inputs.
fn alike(a: &Node, b: &Node) -> bool {
    a.schema == b.schema && a.kind == b.kind && a.time == b.time && a.state == b.state && same_op(&a.op, &b.op)
}

fn same_op(a: &Op, b: &Op) -> bool {
    match (a, b) {
        (Op::Rows(a), Op::Rows(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_stage(a, b)),
        (Op::Union, Op::Union) | (Op::Rejected, Op::Rejected) => true,
        (Op::Aggregate(a), Op::Aggregate(b)) => same_aggregate(a, b),
        (Op::Changes(a), Op::Changes(b)) => a == b,
        (Op::Form(a), Op::Form(b)) => a == b,
        (Op::TableJoin(a), Op::TableJoin(b)) => same_join(a, b),
        (Op::StreamJoin(a), Op::StreamJoin(b)) => same_stream_join(a, b),
        (Op::Rank(a), Op::Rank(b)) => a == b,
        (Op::First(a), Op::First(b)) => a == b,
        (Op::Neighbour(a), Op::Neighbour(b)) => a == b,
        (Op::Running(a), Op::Running(b)) => same_running(a, b),
        (Op::Match(a), Op::Match(b)) => same_match(a, b),
        _ => false,
    }
}

fn same_stage(a: &RowStage, b: &RowStage) -> bool {
    a.schema == b.schema
        && match (&a.kind, &b.kind) {
            (RowStageKind::Filter(a), RowStageKind::Filter(b)) => a == b,
            (RowStageKind::Project(a), RowStageKind::Project(b)) => a == b,
            (RowStageKind::Expect(a), RowStageKind::Expect(b)) => {
                a.predicate == b.predicate && a.text == b.text && a.reason == b.reason && a.otherwise == b.otherwise
            }
            (
                RowStageKind::Unnest { column: a, ordinality: ao, keep_empty: ak },
                RowStageKind::Unnest { column: b, ordinality: bo, keep_empty: bk },
            ) => a == b && ao == bo && ak == bk,
            (RowStageKind::Expand { keys: a, sets: of_a }, RowStageKind::Expand { keys: b, sets: of_b }) => a == b && of_a == of_b,
            _ => false,
        }
}

fn same_aggregate(a: &AggregateOp, b: &AggregateOp) -> bool {
    let AggregateOp { keys, calls, window, emit, allowed_lateness_us, ttl_us, two_phase, retracts } = a;
    *keys == b.keys
        && *window == b.window
        && *emit == b.emit
        && *allowed_lateness_us == b.allowed_lateness_us
        && *ttl_us == b.ttl_us
        && *two_phase == b.two_phase
        && *retracts == b.retracts
        && calls.len() == b.calls.len()
        && calls.iter().zip(&b.calls).all(|(a, b)| same_call(a, b))
}

fn same_running(a: &RunningOp, b: &RunningOp) -> bool {
    let RunningOp { keys, time, order, over, calls, ttl_us } = a;
    let same = *keys == b.keys && *time == b.time && *order == b.order && *over == b.over && *ttl_us == b.ttl_us;
    same && calls.len() == b.calls.len() && calls.iter().zip(&b.calls).all(|(a, b)| same_call(a, b))
}

fn same_call(a: &AggregateCall, b: &AggregateCall) -> bool {
    let AggregateCall { function, args, distinct, filter, order_by, ignore_nulls, name } = a;
    *function == b.function
        && *args == b.args
        && *distinct == b.distinct
        && *filter == b.filter
        && *order_by == b.order_by
        && *ignore_nulls == b.ignore_nulls
        && *name == b.name
}

fn same_join(a: &TableJoinOp, b: &TableJoinOp) -> bool {
    let TableJoinOp { kind, on, condition, table_columns, table_key, broadcast, ttl_us } = a;
    *kind == b.kind
        && *on == b.on
        && *condition == b.condition
        && *table_columns == b.table_columns
        && *table_key == b.table_key
        && *broadcast == b.broadcast
        && *ttl_us == b.ttl_us
}

fn same_match(a: &MatchOp, b: &MatchOp) -> bool {
    let MatchOp { keys, time, order, events, condition_schema, references, outputs, pattern, ending, within_us, after, partial } = a;
    let same_events = |(a, b): (&MatchEvent, &MatchEvent)| a.name == b.name && a.own == b.own && a.joint == b.joint;
    *keys == b.keys
        && *time == b.time
        && *order == b.order
        && *condition_schema == b.condition_schema
        && *pattern == b.pattern
        && *ending == b.ending
        && *within_us == b.within_us
        && *after == b.after
        && *partial == b.partial
        && events.len() == b.events.len()
        && events.iter().zip(&b.events).all(same_events)
        && same_references(references, &b.references)
        && same_references(outputs, &b.outputs)
}

fn same_references(a: &[Reference], b: &[Reference]) -> bool {
    let same_pick = |a: &Pick, b: &Pick| match (a, b) {
        (Pick::First { column: a, skip: n }, Pick::First { column: b, skip: m })
        | (Pick::Last { column: a, skip: n }, Pick::Last { column: b, skip: m }) => a == b && n == m,
        (Pick::Call(a), Pick::Call(b)) => same_call(a, b),
        _ => false,
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.event == b.event && a.field == b.field && same_pick(&a.pick, &b.pick))
}

fn same_stream_join(a: &StreamJoinOp, b: &StreamJoinOp) -> bool {
    let StreamJoinOp { kind, on, condition, right_columns, bound, changelog } = a;
    *kind == b.kind
        && *on == b.on
        && *condition == b.condition
        && *right_columns == b.right_columns
        && *bound == b.bound
        && *changelog == b.changelog
}
