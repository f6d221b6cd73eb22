//! What a plan does, whatever its steps are called and in whatever order its inputs were looked up: for asking whether two texts say the same.

use crate::{NodeId, Op, Plan};

/// The plan as text, without the names that only say which step did it, each node behind its own inputs, from the sinks on. Nodes that no sink reads are left out.
pub fn shape(mut plan: Plan) -> String {
    for node in &mut plan.nodes {
        if let Op::Rows(stages) = &mut node.op {
            stages.iter_mut().for_each(|s| s.step.clear());
        }
        if !matches!(node.op, Op::Source(_)) {
            node.name.clear();
        }
        node.at = None;
    }
    let sinks = (0..plan.nodes.len()).rev().filter(|&i| matches!(plan.nodes[i].op, Op::Sink(_)));
    let mut open: Vec<(usize, bool)> = sinks.map(|i| (i, false)).collect();
    let mut order: Vec<usize> = Vec::new();
    while let Some((at, inputs_done)) = open.pop() {
        if inputs_done && !order.contains(&at) {
            order.push(at);
        } else if !inputs_done {
            open.push((at, true));
            open.extend(plan.nodes[at].inputs.iter().rev().map(|i| (i.0, false)));
        }
    }
    let place = |id: &NodeId| order.iter().position(|o| *o == id.0).map(NodeId);
    let nodes = order.iter().map(|&at| {
        let mut node = plan.nodes[at].clone();
        node.inputs = node.inputs.iter().filter_map(place).collect();
        node.watermark_of = node.watermark_of.iter().filter_map(place).collect();
        node.watermark_of.sort();
        node
    });
    plan.nodes = nodes.collect();
    super::text(&plan)
}
