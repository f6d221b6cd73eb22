//! Row stages put together: nodes that follow each other become one, projections that follow each other become one, and what does nothing
//! disappears.
//!
//! Stages of different steps stay apart inside a node: each step keeps its own books.

use super::{
    fallible::cannot_fail,
    rewrite::{columns_of, is_observed, readers, rebuild, redirect, substitute},
};
use crate::{Node, NodeId, Op, Plan, RowStage, RowStageKind};
use arrow::datatypes::SchemaRef;
use datafusion_common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion_expr::Expr;

pub(super) fn pass(plan: Plan, observe: &[String]) -> Transformed<Plan> {
    let (plan, dropped) = drop_idle(plan, observe);
    let (plan, fused) = fuse(plan, observe);
    Transformed::new(plan, dropped | fused, TreeNodeRecursion::Continue)
}

/// Removes nodes that hand on what they get, unless somebody looks at them.
fn drop_idle(plan: Plan, observe: &[String]) -> (Plan, bool) {
    let observed: Vec<bool> = (0..plan.nodes.len()).map(|i| is_observed(&plan, NodeId(i), observe)).collect();
    let mut nodes: Vec<Option<Node>> = plan.nodes.into_iter().map(Some).collect();
    let mut changed = false;
    for at in 0..nodes.len() {
        let Some(Node { op, inputs, .. }) = &mut nodes[at] else { continue };
        let empty = matches!(op, Op::Rows(stages) if stages.is_empty());
        let Some(&input) = inputs.first().filter(|_| empty || matches!(op, Op::Output)) else { continue };
        if observed[at] {
            changed |= empty;
            *op = Op::Output;
        } else {
            redirect(&mut nodes, NodeId(at), input);
            nodes[at] = None;
            changed = true;
        }
    }
    (rebuild(plan.scenario, nodes), changed)
}

/// Puts the stages of a node into its only reader, and makes the most of stages that are together now.
fn fuse(plan: Plan, observe: &[String]) -> (Plan, bool) {
    let readers = readers(&plan);
    let alone: Vec<bool> = (0..plan.nodes.len()).map(|i| readers[i].len() == 1 && !is_observed(&plan, NodeId(i), observe)).collect();
    let mut nodes: Vec<Option<Node>> = plan.nodes.into_iter().map(Some).collect();
    let mut changed = false;
    for at in 0..nodes.len() {
        let Some(mut node) = nodes[at].take() else { continue };
        if let (Op::Rows(stages), Some(input)) = (&mut node.op, node.inputs.first_mut()) {
            if let Some(Node { op: Op::Rows(first), inputs, .. }) = nodes[input.0].as_mut().filter(|_| alone[input.0]) {
                let mut all = std::mem::take(first);
                all.append(stages);
                *stages = all;
                let gone = input.0;
                if let Some(&below) = inputs.first() {
                    *input = below;
                }
                nodes[gone] = None;
                changed = true;
            }
            if let Some(below) = &nodes[input.0] {
                changed |= merge_projections(stages, &below.schema) | drop_identities(stages, &below.schema);
            }
        }
        nodes[at] = Some(node);
    }
    (rebuild(plan.scenario, nodes), changed)
}

/// Two projections of one step in a row become one, where that computes nothing twice and fails on the same rows in the same way.
fn merge_projections(stages: &mut Vec<RowStage>, input: &SchemaRef) -> bool {
    let before = stages.len();
    let mut at = 1;
    while at < stages.len() {
        let schema = if at == 1 { input.clone() } else { stages[at - 2].schema.clone() };
        match merged(&stages[at - 1], &stages[at], &schema) {
            Some(kind) => {
                stages[at].kind = kind;
                stages.remove(at - 1);
            }
            None => at += 1,
        }
    }
    stages.len() < before
}

fn merged(first: &RowStage, second: &RowStage, input: &SchemaRef) -> Option<RowStageKind> {
    let (RowStageKind::Project(inner), RowStageKind::Project(outer)) = (&first.kind, &second.kind) else { return None };
    if first.step != second.step {
        return None;
    }
    if !outer.iter().all(|(e, _)| cannot_fail(e, &first.schema)) {
        return None;
    }
    let mut uses = vec![0usize; inner.len()];
    let mut handed_on = vec![false; inner.len()];
    for (expr, _) in outer {
        let mut names = Vec::new();
        collect_columns(expr, &mut names);
        for name in &names {
            *uses.get_mut(first.schema.index_of(name).ok()?)? += 1;
        }
        if let (Expr::Column(_), [column]) = (expr, columns_of(expr, &first.schema).as_slice()) {
            handed_on[*column] = true;
        }
    }
    let fine = inner.iter().enumerate().all(|(i, (expr, _))| {
        let trivial = matches!(expr, Expr::Column(_) | Expr::Literal(..));
        (trivial || uses[i] <= 1) && (cannot_fail(expr, input) || handed_on[i])
    });
    if !fine {
        return None;
    }
    let of = |name: &str| inner.get(first.schema.index_of(name).ok()?).map(|(e, _)| e.clone());
    outer.iter().map(|(e, name)| Some((substitute(e, &of)?, name.clone()))).collect::<Option<_>>().map(RowStageKind::Project)
}

/// The columns that an expression reads, each as often as it does.
fn collect_columns(expr: &Expr, names: &mut Vec<String>) {
    use datafusion_common::tree_node::TreeNode;
    let walked = expr.apply(|e| {
        if let Expr::Column(column) = e {
            names.push(column.name.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the walk itself has no errors");
}

/// Projections that hand on what they get disappear, if their step has another stage beside them that keeps its books.
fn drop_identities(stages: &mut Vec<RowStage>, input: &SchemaRef) -> bool {
    let before = stages.len();
    let mut at = 0;
    while at < stages.len() {
        let schema = if at == 0 { input } else { &stages[at - 1].schema };
        let stage = &stages[at];
        let beside = |other: Option<&RowStage>| other.is_some_and(|o| o.step == stage.step);
        let has_company = beside(at.checked_sub(1).and_then(|i| stages.get(i))) || beside(stages.get(at + 1));
        let identity = match &stage.kind {
            RowStageKind::Project(exprs) => {
                stage.schema == *schema
                    && exprs.iter().zip(schema.fields()).all(|((e, _), f)| matches!(e, Expr::Column(c) if c.name == *f.name()))
            }
            _ => false,
        };
        if identity && has_company {
            stages.remove(at);
        } else {
            at += 1;
        }
    }
    stages.len() < before
}
