//! The same passes inside a recursion: over the nodes of its round, as far as they look at rows and not at time.
//!
//! What a round reads of an input is all that the recursion keeps of it, so columns that no round reads are left out before they come to it.

use super::{
    fuse, prune, push_filters,
    rewrite::{rebuild, rows_between},
    simplify,
};
use crate::{Fed, IterateOp, Node, NodeId, Op, Plan, RowStage, RowStageKind};
use arrow::datatypes::SchemaRef;
use datafusion_common::{
    Column,
    tree_node::{Transformed, TreeNodeRecursion},
};
use datafusion_expr::Expr;

/// The names of the two nodes that must stay, while the passes run: names that no text can have.
const RESULT: &str = "\0result";
const FOUND: &str = "\0found";

pub(super) fn pass(plan: Plan, _observe: &[String]) -> Transformed<Plan> {
    let mut nodes: Vec<Option<Node>> = plan.nodes.into_iter().map(Some).collect();
    let mut changed = false;
    for at in 0..nodes.len() {
        let Some(mut node) = nodes[at].take() else { continue };
        if let Op::Iterate(op) = &mut node.op {
            changed |= optimised(op);
            for (input, schema) in inputs_of(op) {
                let Some(&id) = node.inputs.get(input) else { continue };
                let Some(below) = nodes[id.0].as_ref().filter(|below| below.schema.fields().len() > schema.fields().len()) else {
                    continue;
                };
                let mut between = chosen(id, below, &schema, &node.name);
                between.at = node.at;
                node.inputs[input] = NodeId(nodes.len());
                nodes.push(Some(between));
                changed = true;
            }
        }
        nodes[at] = Some(node);
    }
    Transformed::new(rebuild(plan.scenario, nodes), changed, TreeNodeRecursion::Continue)
}

/// Makes a round cheaper.
fn optimised(op: &mut IterateOp) -> bool {
    let mut round = Plan { scenario: String::new(), nodes: op.nodes.clone() };
    let (result, found) = (op.result.0, op.found.0);
    let names = [result, found].map(|at| round.nodes[at].name.clone());
    RESULT.clone_into(&mut round.nodes[result].name);
    FOUND.clone_into(&mut round.nodes[found].name);
    let observe = [RESULT.to_owned(), FOUND.to_owned()];
    let mut changed = false;
    for pass in [simplify::pass, fuse::pass, push_filters::pass, fuse::pass, prune::pass, fuse::pass] {
        let rewritten = pass(round, &observe);
        changed |= rewritten.transformed;
        round = rewritten.data;
    }
    let at = |name: &str| round.nodes.iter().rposition(|n| n.name == name);
    let (Some(result), Some(found)) = (at(RESULT), at(FOUND)) else { return false };
    if !changed {
        return false;
    }
    for (at, name) in [result, found].into_iter().zip(names) {
        round.nodes[at].name = name;
    }
    (op.nodes, op.result, op.found) = (round.nodes, NodeId(result), NodeId(found));
    true
}

/// The inputs of a recursion, with the columns that its round reads of them.
fn inputs_of(op: &IterateOp) -> Vec<(usize, SchemaRef)> {
    let fed = |node: &Node| match node.op {
        Op::Fed(Fed::Input(input)) => Some((input, node.schema.clone())),
        _ => None,
    };
    op.nodes.iter().filter_map(fed).collect()
}

/// Some columns of a node, by name.
fn chosen(id: NodeId, below: &Node, schema: &SchemaRef, step: &str) -> Node {
    let exprs = schema.fields().iter().map(|f| (Expr::Column(Column::new_unqualified(f.name())), f.name().clone())).collect();
    let stage = RowStage { step: step.to_owned(), kind: RowStageKind::Project(exprs), schema: schema.clone() };
    let mut node = rows_between(id, below, below, vec![stage]);
    node.lineage = below.lineage.iter().filter(|l| schema.index_of(&l.column).is_ok()).cloned().collect();
    (node.name, node.schema, node.time) = (step.to_owned(), schema.clone(), None);
    if let crate::StreamKind::Changelog { key } = &mut node.kind {
        // A recursion counts rows: those that differ only in what it does not read count together.
        *key = schema.fields().iter().map(|f| f.name().clone()).collect();
    }
    node
}
