//! How a source goes on where it stopped, and how a sink writes each result once: what connectors offer to checkpoints.

use crate::ConnectorError;
use std::sync::Arc;

/// How far a place (a file, a topic's partition) has been read, in the connector's own words: short text, kept in checkpoints. Its form is part of the
/// connector's on-disk format: an older form must stay readable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Resume(pub Arc<str>);

/// A place and how far it had been read when a checkpoint was taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct SavedPosition {
    /// The place: [`crate::Chunk::origin`].
    pub place: Arc<str>,
    /// [`crate::Chunk::after`] of its last chunk.
    pub after: Resume,
    /// It had no more rows ([`crate::Chunk::partition_ends`]).
    pub ended: bool,
}

/// What a writer holds back for a checkpoint: encoded rows, or names of files that wait to be renamed. Opaque to all but the sink's own [`Committer`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outbox {
    /// The payload, in the sink's own format with a version in front.
    pub bytes: Vec<u8>,
    /// How many rows it stands for.
    pub rows: u64,
    /// An order-free hash of these rows: the wrapping sum of a hash of each.
    pub hash: u64,
}

/// The number of a checkpoint of a scenario: they grow, and are never used twice, whatever the generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct CheckpointNumber(pub u64);

/// What the outside remembers of a sink: the newest checkpoint whose outbox it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// That one, and all before it.
    Committed(CheckpointNumber),
    /// Nothing was ever committed: the outside can tell, because what remembers does not expire.
    Nothing,
    /// The outside cannot tell any more (a marker that may have expired).
    Unknown,
}

/// Who writes a sink's outboxes to the outside, one checkpoint after the other. There is one for each sink, whatever the number of workers.
pub trait Committer: Send {
    /// Fences off whatever still runs of older generations, and says what the outside remembers. Called once, before anything else.
    ///
    /// # Errors
    /// Where the outside cannot be reached or fenced.
    fn recover(&mut self) -> Result<Witness, ConnectorError>;

    /// Writes the outboxes of a checkpoint that has been published, together with its number as a marker: all or nothing, and nothing a second time where the marker
    /// is there already. `outboxes` are those of all writers, in the writers' order.
    ///
    /// # Errors
    /// Where the outside refuses. The caller tries again with the same arguments, or stops the scenario.
    fn commit(&mut self, checkpoint: CheckpointNumber, outboxes: &[Outbox]) -> Result<(), ConnectorError>;
}

/// Who a [`Committer`] is to the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitIdentity {
    /// The scenario's lasting name; with the sink's name it is unique where sinks of one system meet.
    pub scenario: String,
    /// The incarnation: a newer one fences off older ones.
    pub generation: u64,
}
