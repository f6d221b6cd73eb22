//! Where a step begins and ends in a plan. A step's work may be several nodes, and a node may do the work of several steps: the books of a step
//! count the rows that come to its first part and those that leave its last, and what any of its parts turns away.

use runink_planner::{Node, NodeId, Op, Plan};

/// A run of one step's work inside one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// Which step, by its place among the steps.
    pub(crate) step: usize,
    pub(crate) side: Side,
}

/// How a part's rows count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// On the way through the step.
    Through {
        /// Its rows come from outside the step.
        enters: bool,
        /// Its rows go outside the step.
        leaves: bool,
    },
    /// It prepares the table or the right rows of the step's join: only those that it turns away count.
    Table,
}

/// The steps whose work a node does, in order.
fn steps_of(node: &Node) -> Vec<&str> {
    match &node.op {
        Op::Rows(stages) => stages.chunk_by(|a, b| a.step == b.step).map(|run| run[0].step.as_str()).collect(),
        Op::Aggregate(_)
        | Op::Changes(_)
        | Op::TableJoin(_)
        | Op::StreamJoin(_)
        | Op::Match(_)
        | Op::Rank(_)
        | Op::First(_)
        | Op::Neighbour(_)
        | Op::Iterate(_)
        | Op::Running(_) => {
            vec![&node.name]
        }
        // What is expected of windows is looked at beside the step.
        Op::Source(_) | Op::Union | Op::Form(_) | Op::Check(_) | Op::Rejected | Op::Output | Op::Fed(_) | Op::Sink(_) => Vec::new(),
    }
}

/// The inputs whose rows go through: a join's table does not, and the right rows of a join of streams are counted where they come to it.
fn through(node: &Node) -> &[NodeId] {
    match &node.op {
        Op::TableJoin(_) | Op::StreamJoin(_) | Op::Iterate(_) => node.inputs.get(..1).unwrap_or_default(),
        _ => &node.inputs,
    }
}

/// All steps in the plan's order, and each node's parts.
pub(crate) fn of(plan: &Plan) -> (Vec<String>, Vec<Vec<Part>>) {
    let mut steps: Vec<String> = Vec::new();
    let works: Vec<Vec<&str>> = plan.nodes.iter().map(steps_of).collect();
    for name in works.iter().flatten() {
        if !steps.iter().any(|s| s == name) {
            steps.push((*name).to_owned());
        }
    }
    // The nodes whose rows a node gets, past those that only hand on. Inputs stand before their readers.
    let mut origins: Vec<Vec<usize>> = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        let past = |id: &NodeId| match &plan.node(*id).op {
            Op::Union | Op::Output => origins[id.0].clone(),
            _ => vec![id.0],
        };
        origins.push(through(node).iter().flat_map(past).collect());
    }
    let begins = |node: usize| works[node].first();
    let ends = |node: usize| works[node].last();
    let same = |from: usize, to: usize| ends(from).is_some() && ends(from) == begins(to);
    let readers = |from: usize| origins.iter().enumerate().filter(|(to, of)| of.contains(&from) && same(from, *to)).count();
    let goes_on: Vec<bool> = (0..plan.nodes.len())
        .map(|to| begins(to).is_some() && !origins[to].is_empty() && origins[to].iter().all(|&from| same(from, to) && readers(from) == 1))
        .collect();
    let is_table = |node: usize| {
        plan.nodes.iter().any(|n| {
            matches!(n.op, Op::TableJoin(_) | Op::StreamJoin(_) | Op::Iterate(_))
                && n.inputs.iter().skip(1).any(|&i| i == NodeId(node))
                && ends(node) == Some(&n.name.as_str())
        })
    };
    let parts = works.iter().enumerate().map(|(node, names)| {
        let last = names.len().saturating_sub(1);
        let part = |(at, name): (usize, &&str)| {
            let step = steps.iter().position(|s| s == name).unwrap_or_default();
            if at == last && is_table(node) {
                return Part { step, side: Side::Table };
            }
            let taken_on = || (0..plan.nodes.len()).any(|to| goes_on[to] && origins[to].contains(&node));
            Part { step, side: Side::Through { enters: at > 0 || !goes_on[node], leaves: at < last || !taken_on() } }
        };
        names.iter().enumerate().map(part).collect()
    });
    let parts = parts.collect();
    (steps, parts)
}
