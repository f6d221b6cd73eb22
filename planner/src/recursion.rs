//! Recursion to a fixed point: a round that is applied to what it has found itself, until nothing new comes.

use crate::{Node, NodeId, Op};

/// How many rounds a recursion has where the text does not say.
pub const ROUNDS: u64 = 1_000;
/// How many rounds a text can ask for.
pub const ROUNDS_MAX: u64 = 1_000_000_000;

/// See [`crate::Op::Iterate`]. The result is the least fixed point that rounds come to, from the rows of input 0 alone: after each round, what it found is put
/// together with the rows of input 0, and rows of one key become one. It is kept up to date with all inputs.
///
/// Inside, every node stands for the rows that are there (a collection), whatever its kind: joins are without bound, and aggregates over all time.
#[derive(Debug, Clone)]
pub struct IterateOp {
    /// What a round does. [`crate::Op::Fed`] nodes are what it reads; the others are `Rows`, `Union`, `Aggregate`, `StreamJoin` and `Output`. Inputs stand
    /// before their readers.
    pub nodes: Vec<Node>,
    /// The node whose rows are the result: the rows of input 0 and those found so far, one for each key.
    pub result: NodeId,
    /// The node that gives what a round finds from them; the next one reads it as [`Fed::Round`].
    pub found: NodeId,
    /// How many rounds may change the result.
    pub rounds: u64,
}

/// Where a round's rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Fed {
    /// An input of the recursion.
    Input(usize),
    /// What the round before found; nothing in the first.
    Round,
}

impl IterateOp {
    /// What the text calls an input; nothing where no round reads it.
    pub fn input_name(&self, input: usize) -> &str {
        let is = |node: &&Node| matches!(node.op, Op::Fed(Fed::Input(fed)) if fed == input);
        self.nodes.iter().find(is).map_or("", |node| &node.name)
    }
}
