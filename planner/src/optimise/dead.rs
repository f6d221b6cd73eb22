//! Nodes whose output nobody reads disappear, if they do nothing else: a node that can reject a row, raise an alert or stop the scenario has
//! an effect without readers.

use super::{
    fallible::{cannot_fail, rejects_rows},
    rewrite::{is_observed, rebuild},
};
use crate::{JoinBound, Node, NodeId, Op, Plan, RowStageKind};
use datafusion_common::tree_node::{Transformed, TreeNodeRecursion};

pub(super) fn pass(plan: Plan, observe: &[String]) -> Transformed<Plan> {
    let mut read = vec![false; plan.nodes.len()];
    let roots = (0..plan.nodes.len()).any(|i| is_sink(&plan.nodes[i]) || is_observed(&plan, NodeId(i), observe));
    if !roots {
        // Nothing is written or watched yet: a scenario that is being looked at (`explain`) keeps all its steps.
        return Transformed::no(plan);
    }
    for at in (0..plan.nodes.len()).rev() {
        let node = &plan.nodes[at];
        read[at] |= is_sink(node) || is_observed(&plan, NodeId(at), observe) || has_effects(&plan, node);
        if read[at] {
            node.inputs.iter().for_each(|i| read[i.0] = true);
        }
    }
    let changed = read.contains(&false);
    let nodes = plan.nodes.into_iter().zip(read).map(|(node, read)| read.then_some(node)).collect();
    Transformed::new(rebuild(plan.scenario, nodes), changed, TreeNodeRecursion::Continue)
}

fn is_sink(node: &Node) -> bool {
    matches!(node.op, Op::Sink(_))
}

/// Whether a node does more than hand rows to its readers.
pub(super) fn has_effects(plan: &Plan, node: &Node) -> bool {
    match &node.op {
        Op::Source(_) | Op::Union | Op::Changes(_) | Op::Form(_) | Op::Rejected | Op::Output | Op::Fed(_) => false,
        Op::Iterate(op) => {
            let round = Plan { scenario: String::new(), nodes: op.nodes.clone() };
            round.nodes.iter().any(|n| has_effects(&round, n))
        }
        Op::Sink(_) | Op::Check(_) => true,
        Op::Aggregate(op) => rejects_rows(op),
        Op::TableJoin(op) => op.condition.as_ref().is_some_and(|(e, schema)| !cannot_fail(e, schema)),
        // A late row is rejected.
        Op::Match(_) => true,
        Op::StreamJoin(op) => {
            !matches!(op.bound, JoinBound::Unbounded { .. }) || op.condition.as_ref().is_some_and(|(e, schema)| !cannot_fail(e, schema))
        }
        // A late row is rejected.
        Op::Rank(op) => op.window().is_some(),
        Op::First(op) => op.settled || op.within_us.is_some(),
        Op::Neighbour(_) | Op::Running(_) => true,
        Op::Rows(stages) => {
            let Some(mut schema) = node.inputs.first().map(|&i| &plan.node(i).schema) else { return true };
            stages.iter().any(|stage| {
                let before = std::mem::replace(&mut schema, &stage.schema);
                match &stage.kind {
                    RowStageKind::Filter(e) => !cannot_fail(e, before),
                    RowStageKind::Project(exprs) => !exprs.iter().all(|(e, _)| cannot_fail(e, before)),
                    RowStageKind::Expect(_) => true,
                    RowStageKind::Unnest { .. } | RowStageKind::Expand { .. } => false,
                }
            })
        }
    }
}
