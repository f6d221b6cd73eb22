//! What changes between two versions of a contract, and for whom it breaks.
//!
//! *Backward*: a reader with the new contract reads data written under the old one. *Forward*: a reader with the old
//! contract reads data written under the new one. Fields are known by name; a reader ignores fields that it does not know.

mod fields;
mod promise;
mod report;
mod rules;
mod types;

pub use promise::Promise;

use super::hash::{ContractHash, hash};
use crate::ast::Contract;
use serde::Serialize;

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The contract's name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The hash of its meaning.
    pub hash: ContractHash,
}

impl Side {
    fn of(contract: &Contract) -> Self {
        Side { name: contract.name.value.clone(), version: contract.version.value, hash: hash(contract) }
    }
}

/// What kind of thing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The contract's name.
    Name,
    /// A field is new.
    Added,
    /// A field is gone.
    Removed,
    /// A field, or a part of it, has another type.
    Type,
    /// A rule of a field.
    Rule,
    /// Which fields are the key.
    Key,
    /// Which field is the event time.
    EventTime,
    /// Tags of a field.
    Tags,
    /// The order of the fields.
    Order,
    /// The promise of compatibility.
    Promise,
}

/// What a change does in one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "effect", content = "reason", rename_all = "snake_case")]
pub enum Effect {
    /// Reading goes on as before, or gains something.
    Compatible,
    /// Reading can fail or go wrong, and why.
    Breaking(String),
}

impl Effect {
    /// Whether reading can fail.
    pub fn is_breaking(&self) -> bool {
        matches!(self, Effect::Breaking(_))
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What kind it is.
    pub kind: ChangeKind,
    /// The field, if it is about one; parts of a struct after a dot.
    pub field: Option<String>,
    /// What changed, in a few words.
    pub message: String,
    /// For a reader with the new contract and old data.
    pub backward: Effect,
    /// For a reader with the old contract and new data.
    pub forward: Effect,
    /// What to look at.
    pub hint: Option<String>,
}

impl Change {
    fn note(kind: ChangeKind, field: Option<&str>, message: String) -> Self {
        Change { kind, field: field.map(str::to_owned), message, backward: Effect::Compatible, forward: Effect::Compatible, hint: None }
    }

    fn backward(self, reason: impl Into<String>) -> Self {
        Change { backward: Effect::Breaking(reason.into()), ..self }
    }

    fn forward(self, reason: impl Into<String>) -> Self {
        Change { forward: Effect::Breaking(reason.into()), ..self }
    }
}

/// Whether the new version may take the old one's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// It may.
    pub holds: bool,
    /// Why not: each says what to do about it.
    pub problems: Vec<String>,
}

/// Everything that changed, and the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContractDiff {
    /// The old contract.
    pub old: Side,
    /// The new contract.
    pub new: Side,
    /// What changed, fields in the order of the old contract, then the new ones.
    pub changes: Vec<Change>,
    /// What the new version promises.
    pub promise: Promise,
    /// Whether the promise is kept and the version has grown.
    pub verdict: Verdict,
}

impl ContractDiff {
    /// No change breaks a reader with the new contract.
    pub fn is_backward_compatible(&self) -> bool {
        !self.changes.iter().any(|c| c.backward.is_breaking())
    }

    /// No change breaks a reader with the old contract.
    pub fn is_forward_compatible(&self) -> bool {
        !self.changes.iter().any(|c| c.forward.is_breaking())
    }

    /// Neither.
    pub fn is_fully_compatible(&self) -> bool {
        self.is_backward_compatible() && self.is_forward_compatible()
    }
}

/// Compares two versions of a contract and judges the new one by what it promises (`Compatibility:`).
pub fn diff(old: &Contract, new: &Contract) -> ContractDiff {
    let mut changes = Vec::new();
    if old.name.value != new.name.value {
        let message = format!("name changed from `{}` to `{}`", old.name.value, new.name.value);
        let reason = "readers and writers know a contract by its name";
        changes.push(Change::note(ChangeKind::Name, None, message).backward(reason).forward(reason));
    }
    fields::compare(old, new, &mut changes);
    let promise = Promise::of(new);
    let before = Promise::of(old);
    if before != promise {
        changes.push(Change::note(ChangeKind::Promise, None, format!("promise changed from `{before}` to `{promise}`")));
    }
    let mut result =
        ContractDiff { old: Side::of(old), new: Side::of(new), changes, promise, verdict: Verdict { holds: true, problems: Vec::new() } };
    let problems = problems(&result);
    result.verdict = Verdict { holds: problems.is_empty(), problems };
    result
}

fn problems(diff: &ContractDiff) -> Vec<String> {
    let mut problems = Vec::new();
    let (old, new) = (diff.old.version, diff.new.version);
    if new < old {
        problems.push(format!("version {new} is older than version {old}: compare them the other way round, or raise the version"));
    } else if new == old && diff.old.hash != diff.new.hash {
        problems.push(format!("the contract changed but is still version {old}: raise it to {}", old.saturating_add(1)));
    }
    if let Promise::Unknown(word) = &diff.promise {
        problems.push(format!("`Compatibility: {word}` is no promise: write backward, forward, full or none"));
    }
    for (promised, kept, direction) in [
        (diff.promise.covers_backward(), diff.is_backward_compatible(), "backward"),
        (diff.promise.covers_forward(), diff.is_forward_compatible(), "forward"),
    ] {
        if promised && !kept {
            problems.push(format!(
                "the promise `{}` is broken: the changes marked as breaking {direction} must be taken back, or the contract needs a new name",
                diff.promise
            ));
        }
    }
    problems
}
