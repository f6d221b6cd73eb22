//! Filters done earlier: before projections, in the branches of a union, before the aggregate whose keys they look at, on the stream side of
//! a join with a table.
//!
//! Only filters that cannot fail move, and only past what turns no row away: a row that was rejected must not be filtered before. So they
//! never pass an expectation, a projection that may fail, an `unnest`, a filter that may fail, or an aggregate that rejects late rows.

use super::{
    fallible::{cannot_fail, rejects_rows},
    rewrite::{columns_of, is_observed, readers, rebuild, rows_between, substitute},
};
use crate::{JoinBound, Node, NodeId, Op, Plan, RowStage, RowStageKind, StreamJoinKind, StreamKind};
use arrow::datatypes::SchemaRef;
use datafusion_common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion_expr::{
    Expr,
    utils::{conjunction, split_conjunction_owned},
};

pub(super) fn pass(plan: Plan, observe: &[String]) -> Transformed<Plan> {
    let readers = readers(&plan);
    let pushable: Vec<bool> = (0..plan.nodes.len()).map(|i| readers[i].len() == 1 && !is_observed(&plan, NodeId(i), observe)).collect();
    let mut nodes: Vec<Option<Node>> = plan.nodes.into_iter().map(Some).collect();
    let mut changed = false;
    for at in 0..nodes.len() {
        let Some(mut node) = nodes[at].take() else { continue };
        let through = node.inputs.first().copied();
        if let (Op::Rows(stages), Some(input)) = (&mut node.op, through)
            && let Some(below) = &nodes[input.0]
        {
            changed |= hoist(stages, &below.schema);
        }
        if let Some(input) = through.filter(|i| pushable.get(i.0) == Some(&true))
            && let Some(mut below) = nodes[input.0].take()
        {
            changed |= push_into(&mut node, &mut below, &mut nodes);
            nodes[input.0] = Some(below);
        }
        nodes[at] = Some(node);
    }
    Transformed::new(rebuild(plan.scenario, nodes), changed, TreeNodeRecursion::Continue)
}

/// Moves filters up inside a node.
fn hoist(stages: &mut Vec<RowStage>, input: &SchemaRef) -> bool {
    let mut changed = false;
    for at in 1..stages.len() {
        let schema = |i: usize| if i == 0 { input.clone() } else { stages[i - 1].schema.clone() };
        let RowStageKind::Filter(filter) = &stages[at].kind else { continue };
        let mut moved = filter.clone();
        let mut target = None;
        if !cannot_fail(&moved, &schema(at)) {
            continue;
        }
        for above in (0..at).rev() {
            let typed = schema(above);
            match &stages[above].kind {
                RowStageKind::Filter(other) if cannot_fail(other, &typed) => {}
                RowStageKind::Project(exprs) if exprs.iter().all(|(e, _)| cannot_fail(e, &typed)) => {
                    // Only plain columns and constants are put in a column's place: nothing is computed twice.
                    let of = |name: &str| {
                        let (expr, _) = exprs.get(stages[above].schema.index_of(name).ok()?)?;
                        matches!(expr, Expr::Column(_) | Expr::Literal(..)).then(|| expr.clone())
                    };
                    let Some(below) = substitute(&moved, &of) else { break };
                    moved = below;
                    target = Some(above);
                }
                _ => break,
            }
        }
        if let Some(target) = target {
            let schema = schema(target);
            let stage = stages.remove(at);
            stages.insert(target, RowStage { kind: RowStageKind::Filter(moved), schema, ..stage });
            changed = true;
        }
    }
    changed
}

/// Moves a node's first filters into the inputs of the node below.
fn push_into(node: &mut Node, below: &mut Node, nodes: &mut Vec<Option<Node>>) -> bool {
    let schema = below.schema.clone();
    let Op::Rows(stages) = &mut node.op else { return false };
    let mut changed = false;
    while let Some(RowStage { kind: RowStageKind::Filter(filter), step, .. }) = stages.first() {
        let step = step.clone();
        if !cannot_fail(filter, &schema) {
            break;
        }
        let (go, stay): (Vec<_>, Vec<_>) =
            split_conjunction_owned(filter.clone()).into_iter().partition(|part| passes(part, below, &schema, nodes));
        let Some(go) = conjunction(go) else { break };
        push(&go, &step, node.name.as_str(), node.at, below, &schema, nodes);
        changed = true;
        match conjunction(stay) {
            None => {
                stages.remove(0);
            }
            Some(rest) => {
                stages[0].kind = RowStageKind::Filter(rest);
                break;
            }
        }
    }
    changed
}

fn input_of<'a>(node: &Node, index: usize, nodes: &'a [Option<Node>]) -> Option<&'a Node> {
    nodes.get(node.inputs.get(index)?.0)?.as_ref()
}

/// Whether a condition on a node's output can be asked of its inputs.
fn passes(part: &Expr, below: &Node, schema: &SchemaRef, nodes: &[Option<Node>]) -> bool {
    let columns = columns_of(part, schema);
    let replaces = |i: usize| input_of(below, i, nodes).is_none_or(|n| matches!(n.kind, StreamKind::Upsert { .. }));
    match &below.op {
        Op::Union => !(0..below.inputs.len()).any(replaces),
        Op::Aggregate(op) => !replaces(0) && !rejects_rows(op) && !columns.is_empty() && columns.iter().all(|&c| c < op.keys.len()),
        // A row of a join within a bound of time may be late, and a rejected row must stay rejected.
        Op::StreamJoin(op) => {
            let left_columns = input_of(below, 0, nodes).map_or(0, |n| n.schema.fields().len());
            let keeps_left = !matches!(op.kind, StreamJoinKind::Right | StreamJoinKind::Full);
            matches!(op.bound, JoinBound::Unbounded { .. })
                && keeps_left
                && condition_is_safe(op.condition.as_ref())
                && !columns.is_empty()
                && columns.iter().all(|&c| c < left_columns)
        }
        Op::TableJoin(op) => {
            let stream_columns = input_of(below, 0, nodes).map_or(0, |n| n.schema.fields().len());
            !replaces(0) && condition_is_safe(op.condition.as_ref()) && !columns.is_empty() && columns.iter().all(|&c| c < stream_columns)
        }
        _ => false,
    }
}

fn condition_is_safe(condition: Option<&(Expr, SchemaRef)>) -> bool {
    condition.is_none_or(|(expr, schema)| cannot_fail(expr, schema))
}

/// Puts a filter between a node and its inputs (the first only, for a join).
fn push(
    filter: &Expr,
    step: &str,
    name: &str,
    at: Option<(runink_dsl::FileId, runink_dsl::ast::Span)>,
    below: &mut Node,
    schema: &SchemaRef,
    nodes: &mut Vec<Option<Node>>,
) {
    let keys = match &below.op {
        Op::Aggregate(op) => Some(op.keys.clone()),
        _ => None,
    };
    let inputs = if matches!(below.op, Op::Union) { below.inputs.len() } else { 1 };
    for index in 0..inputs {
        let Some(input) = input_of(below, index, nodes) else { continue };
        let of = |column: &str| {
            let output = schema.index_of(column).ok()?;
            let source = match &keys {
                Some(keys) => *keys.get(output)?,
                None => output,
            };
            Some(Expr::Column(datafusion_common::Column::new_unqualified(input.schema.fields().get(source)?.name())))
        };
        let Some(filter) = substitute(filter, &of) else { continue };
        let stage = RowStage { step: step.to_owned(), kind: RowStageKind::Filter(filter), schema: input.schema.clone() };
        let mut node = rows_between(below.inputs[index], input, below, vec![stage]);
        (node.name, node.at) = (name.to_owned(), at);
        below.inputs[index] = NodeId(nodes.len());
        nodes.push(Some(node));
    }
}
