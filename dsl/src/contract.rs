//! Contracts: their text, their hash, what changes between two versions, and what a sample of data says one could be.
//!
//! All of it is pure: it works on the syntax tree, and whoever reads files hands texts, schemas and values in.

mod diff;
mod hash;
mod infer;
mod literal;
mod text;

pub use diff::{Change, ChangeKind, ContractDiff, Effect, Promise, Side, Verdict, diff};
pub use hash::{ContractHash, hash};
pub use infer::{InferError, Inference};
pub use text::{canonical_text, rule_text};
