//! A plan for people and machines: text, JSON, Mermaid.
//!
//! All three say the same facts ([`facts`]), gathered once. `docs/explain.md` tells how to read them, and the shape of the JSON.

mod expression;
mod facts;
mod mermaid;
mod order;
mod pattern;
mod recursion;
mod shape;
mod text;
mod words;

pub use shape::shape;
pub(crate) use words::duration;

use crate::Plan;

/// The plan as text for a terminal: one block for each node, in order.
pub fn text(plan: &Plan) -> String {
    text::render(&facts::Facts::of(plan))
}

/// The plan as JSON, with the same facts.
pub fn json(plan: &Plan) -> serde_json::Value {
    // Facts are texts, numbers, lists and maps with text keys: there is nothing in them that JSON has no form for.
    serde_json::to_value(facts::Facts::of(plan)).unwrap_or_default()
}

/// The plan as a Mermaid flowchart.
pub fn mermaid(plan: &Plan) -> String {
    mermaid::render(&facts::Facts::of(plan))
}
