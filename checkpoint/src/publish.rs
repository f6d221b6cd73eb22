//! What a checkpoint is to the outside: its number, the outboxes that it holds, and the rights that follow from its being there.

use crate::{Boundary, Generation, HeldOutput};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// The number of a checkpoint of a scenario: numbers grow and are never used twice, whatever the generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct CheckpointNumber(pub u64);

impl CheckpointNumber {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> CheckpointNumber {
        CheckpointNumber(self.0.saturating_add(1))
    }
}

impl fmt::Display for CheckpointNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Output of one sink that goes to the outside as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkOutboxes {
    /// The sink's lasting name.
    pub node: Arc<str>,
    /// What the outside's marker is to say. At most the number of the checkpoint that holds it: where a checkpoint could not be published, the next one has its
    /// output as well, under the number that it was given then.
    pub number: CheckpointNumber,
    /// In order of boundaries, and of workers at each.
    pub held: Vec<HeldOutput>,
}

/// A checkpoint that was found complete and durable by whoever wrote or read its manifest. Only [`CommitPermit::of`] asks for it.
#[derive(Debug)]
pub struct Exists {
    number: CheckpointNumber,
}

impl Exists {
    /// To be called by a store when the manifest is durable under its final name, or was read from there and all of it is sound.
    pub fn seen(number: CheckpointNumber) -> Self {
        Exists { number }
    }
}

/// A newer incarnation of the scenario has begun: this one must not change anything outside any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("generation {} of this scenario has begun; this process is of generation {} and must end", .newest.0, .own.0)]
pub struct Fenced {
    /// Who asked.
    pub own: Generation,
    /// Who is there.
    pub newest: Generation,
}

/// The right to commit to the outside the outboxes of a checkpoint and of those before it. It is only made of the two facts that justify it: the checkpoint
/// exists, and *after* that no newer generation was there. A newer generation announces itself before it looks for checkpoints, so it restores from this one or
/// from a later one, whatever becomes of the commit.
#[derive(Debug)]
pub struct CommitPermit {
    number: CheckpointNumber,
    generation: Generation,
}

impl CommitPermit {
    /// `newest` is the newest generation that was seen after the checkpoint was.
    ///
    /// # Errors
    /// Where it is not `own`.
    pub fn of(exists: Exists, own: Generation, newest: Generation) -> Result<Self, Fenced> {
        if newest == own { Ok(CommitPermit { number: exists.number, generation: own }) } else { Err(Fenced { own, newest }) }
    }

    /// The checkpoint.
    pub fn number(&self) -> CheckpointNumber {
        self.number
    }

    /// Who may commit.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether it covers outboxes of that number.
    pub fn covers(&self, number: CheckpointNumber) -> bool {
        number <= self.number
    }
}

/// A checkpoint has come to be.
#[derive(Debug)]
pub struct Published {
    /// Its number.
    pub number: CheckpointNumber,
    /// Where it was taken.
    pub boundary: Boundary,
    /// The outboxes that have become durable with it, in order of numbers and names. Those of earlier checkpoints are not said again.
    pub outboxes: Vec<SinkOutboxes>,
    /// The right to commit them.
    pub permit: CommitPermit,
    /// The facts of the nodes that [`Publications::wants_facts_of`] named, as the checkpoint has them.
    pub facts: NodeFacts,
}

/// Facts of some nodes: by node, (key, value).
pub type NodeFacts = BTreeMap<Arc<str>, Vec<(String, Vec<u8>)>>;

/// Hears of checkpoints. Called on a thread of the store, in order of numbers; the next checkpoint waits until it returns, so it must be quick.
pub trait Publications: Send + Sync {
    /// A checkpoint exists.
    fn published(&self, published: Published);

    /// Which nodes' facts a publication should have.
    fn wants_facts_of(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// A newer generation has begun. No further checkpoint of this one will be; the scenario must stop.
    fn fenced(&self, fenced: Fenced);

    /// What was handed over cannot be stored: a type without a form on disk, or a bug. No further checkpoint will be; the scenario must stop, as its output could
    /// never be committed. (A disk that is full or a store that is away is not this: then checkpoints are late.)
    fn failed(&self, why: &str);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_generation_may_commit() {
        let permit = CommitPermit::of(Exists::seen(CheckpointNumber(7)), Generation(3), Generation(3)).ok();
        assert!(permit.is_some_and(|p| p.covers(CheckpointNumber(7)) && p.covers(CheckpointNumber(2)) && !p.covers(CheckpointNumber(8))));
        let fenced = CommitPermit::of(Exists::seen(CheckpointNumber(7)), Generation(3), Generation(4)).err();
        assert_eq!(fenced, Some(Fenced { own: Generation(3), newest: Generation(4) }));
    }
}
