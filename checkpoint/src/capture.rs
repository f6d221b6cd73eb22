//! The border between a running dataflow and whoever makes its checkpoints.
//!
//! Epochs are cut into *intervals*; between two intervals lies a [`Boundary`], and only there can a checkpoint be taken. Each *part* of a dataflow (a node's
//! share on one worker) hands over what changed in an interval before it begins the next one, and says how far it has come. No barrier travels with the data: a
//! boundary is complete when every part has passed it, and then everything handed over up to it is the state as of it.

use crate::{CheckpointNumber, Epoch, SinkOutboxes, StateChanges, StateError, TableShape};
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};
use std::{num::NonZeroU64, ops::Range, sync::Arc};

/// A place between two epochs at which a checkpoint can be taken: all epochs before it count, none after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Boundary(pub u64);

impl Boundary {
    /// Behind the last epoch: the part has ended.
    pub const END: Boundary = Boundary(u64::MAX);
}

/// How many epochs an interval has: the same on all workers, so that all know the boundaries without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cadence(pub NonZeroU64);

impl Cadence {
    /// The first boundary at which an epoch counts.
    pub fn after(self, epoch: Epoch) -> Boundary {
        Boundary((epoch.0 / self.0).saturating_add(1))
    }

    /// The last boundary that is passed when no epoch before `frontier` can come any more; `None` is the end.
    pub fn passed(self, frontier: Option<Epoch>) -> Boundary {
        frontier.map_or(Boundary::END, |epoch| Boundary(epoch.0 / self.0))
    }

    /// The first epoch that does not count at a boundary.
    pub fn first_after(self, boundary: Boundary) -> Epoch {
        Epoch(boundary.0.saturating_mul(self.0.get()))
    }
}

/// A node's share on one worker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// The node's lasting name: what a restarted or changed scenario is matched by.
    pub node: Arc<str>,
    /// Which worker.
    pub worker: usize,
}

/// What a part hands over.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Its table changed.
    Table(StateChanges),
    /// Facts that replace those of the same names: positions of a source, where a watermark stands. A fact belongs to its node, not to the worker.
    Facts(Vec<(String, Vec<u8>)>),
    /// What a sink's writer holds back for the checkpoint.
    Outbox(HeldOutput),
}

/// Output that waits for its checkpoint; opaque but for what tells one output from another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeldOutput {
    /// The payload.
    pub bytes: Vec<u8>,
    /// How many rows it stands for.
    pub rows: u64,
    /// An order-free hash of these rows.
    pub hash: u64,
}

/// Takes what parts hand over. Called on worker threads: it must neither block nor wait for I/O. A part calls in order of boundaries.
pub trait Captures: Send + Sync {
    /// A part is there; it will hand over pieces. `shape` is given where it has a table. All parts are there before any passes a boundary: then what nodes have left
    /// that are not there any more is let go, and so are rows that cannot be read in the shape that their table has now.
    fn register(&self, part: &Part, shape: Option<TableShape>);

    /// Something changed in the interval that ends at `boundary`.
    fn hand_over(&self, part: &Part, boundary: Boundary, piece: Piece);

    /// The part hands over nothing more for boundaries up to this one.
    fn passed(&self, part: &Part, boundary: Boundary);

    /// The outside has all output of a sink up to that number: it need not be kept any longer. Called by whoever commits, on any thread.
    fn committed(&self, sink: &str, number: CheckpointNumber);

    /// How many bytes have been handed over and are not in the store yet. Where a disk is slow or full they grow; whoever feeds the dataflow should then feed less.
    fn bytes_waiting(&self) -> u64;
}

/// What a checkpoint holds, for a dataflow that starts from it. It is read before parts pass boundaries: a store may close it when the first checkpoint after it exists.
pub trait Restored: Send + Sync {
    /// Where the checkpoint was taken.
    fn boundary(&self) -> Boundary;

    /// Its number.
    fn number(&self) -> CheckpointNumber;

    /// The nodes that have a table, with its shape as it was stored last.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn tables(&self) -> Result<Vec<(Arc<str>, TableShape)>, StateError>;

    /// Output that was not known to be outside when the checkpoint was taken, in order of numbers and names. It may be outside all the same: the outside must be asked.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn outboxes(&self) -> Result<Vec<SinkOutboxes>, StateError>;

    /// A node's facts, by name.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn facts(&self, node: &str) -> Result<Vec<(String, Vec<u8>)>, StateError>;

    /// The rows of a node's table whose key groups lie in the range, batch by batch, in the shape that the table has now: columns are matched by name, a
    /// column that is new is null.
    ///
    /// # Errors
    /// Where they cannot be read, or do not fit the shape.
    fn rows(
        &self,
        node: &str,
        shape: &TableShape,
        groups: Range<u16>,
        each: &mut dyn FnMut(RecordBatch) -> Result<(), StateError>,
    ) -> Result<(), StateError>;
}
