//! Recursions: what they start from, what a round does, and when they end.

use super::{
    expression::name,
    facts::{Line, line, work},
};
use crate::{Fed, IterateOp, Node, Op, Plan};

pub(super) fn lines(op: &IterateOp, start: &Node) -> Vec<Line> {
    let round = Plan { scenario: String::new(), nodes: op.nodes.clone() };
    let names = |node: &Node, columns: &[usize]| columns.iter().map(|&c| name(node.schema.field(c).name())).collect::<Vec<_>>().join(", ");
    let mut lines = vec![line("start", format!("the rows of {}", start.name))];
    let one = one_for_each_key(op);
    for (at, node) in round.nodes.iter().enumerate() {
        let below = node.inputs.first().map(|&i| round.node(i));
        match (&node.op, below) {
            (Op::Aggregate(aggregate), Some(below)) if Some(at) == one => {
                let calls: Vec<String> = aggregate.calls.iter().map(|c| super::facts::call(c, &below.schema)).collect();
                let text = match (calls.is_empty(), aggregate.keys.is_empty()) {
                    (true, _) => "each different row once".to_owned(),
                    (false, true) => format!("one row, with {}", calls.join(", ")),
                    (false, false) => format!("one row for each {}, with {}", names(below, &aggregate.keys), calls.join(", ")),
                };
                lines.push(line("keep", text));
            }
            (Op::Aggregate(aggregate), Some(below)) => {
                let calls: Vec<String> = aggregate.calls.iter().map(|c| super::facts::call(c, &below.schema)).collect();
                let by = if aggregate.keys.is_empty() { String::new() } else { format!(" by {}", names(below, &aggregate.keys)) };
                lines.push(line("round", format!("compute {}{by}", calls.join(", "))));
            }
            (Op::Rows(_), Some(_)) => {
                lines.extend(work(&round, node).into_iter().map(|l| line("round", format!("{} {}", l.what, l.text))));
            }
            (Op::StreamJoin(_), Some(_)) => {
                let parts = work(&round, node);
                let text = |what: &str| parts.iter().find(|l| l.what == what).map(|l| l.text.as_str());
                let conditions: Vec<&str> = ["on", "and"].into_iter().filter_map(text).collect();
                lines.push(line("round", format!("join {}, on {}", text("join").unwrap_or_default(), conditions.join(" and "))));
            }
            (Op::Union, Some(_)) if !starts(&round, node) => {
                let inputs: Vec<&str> = node.inputs.iter().skip(1).map(|&i| round.node(i).name.as_str()).collect();
                lines.push(line("round", format!("add the rows of {}", inputs.join(", "))));
            }
            _ => {}
        }
    }
    let rounds = if op.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", op.rounds) };
    lines.push(line("until", format!("a round changes nothing; at most {rounds}")));
    lines
}

/// The place of the aggregate that makes one row of all rows of a key: the first behind the union of what the recursion starts from and what a round found.
fn one_for_each_key(op: &IterateOp) -> Option<usize> {
    op.nodes.iter().position(|n| matches!(n.op, Op::Aggregate(_)))
}

/// Whether a union is that of the rows that the recursion starts from with those that a round found.
fn starts(round: &Plan, union: &Node) -> bool {
    let mut open: Vec<&Node> = union.inputs.iter().map(|&i| round.node(i)).collect();
    while let Some(node) = open.pop() {
        match &node.op {
            Op::Fed(Fed::Round) => return true,
            // Behind the aggregate stands the round.
            Op::Aggregate(_) => {}
            _ => open.extend(node.inputs.iter().map(|&i| round.node(i))),
        }
    }
    false
}
