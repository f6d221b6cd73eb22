//! The border between an operator's state and the durable store.

use crate::SpillTable;
use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use std::ops::Range;

/// A part of a table that lives and dies as a whole, in order of time: a window's slice (its end, in microseconds of event time),
/// or 0 for state that belongs to no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(pub i64);

/// What changed in a table since its last capture. Applied in this order: `expired`, `deleted`, `upserted`.
#[derive(Debug, Clone)]
pub struct StateChanges {
    /// Namespaces whose whole content is gone. It follows from time alone, so that it is gone on all workers as of the same boundary: a store may drop such a
    /// range for the whole node as soon as one worker says so.
    pub expired: Vec<Range<Namespace>>,
    /// Keys that are gone: columns `namespace: Int64`, then the key columns.
    pub deleted: Option<RecordBatch>,
    /// New contents of keys: columns as [`StateTable::schema`] says. At most one row per (namespace, key).
    pub upserted: Option<RecordBatch>,
}

impl StateChanges {
    /// Nothing changed.
    pub fn is_empty(&self) -> bool {
        self.expired.is_empty() && self.deleted.is_none() && self.upserted.is_none()
    }
}

/// One operator's keyed state on one worker.
///
/// Laws, which [`crate::TableReplica`] checks in the operators' tests: captures applied in order to an empty replica give the whole
/// state; a table restored from a replica behaves as the one that was captured; every key is captured by the worker that holds its key group.
pub trait StateTable {
    /// `key_group: UInt16`, `namespace: Int64`, the key columns, then the value columns. Column names are what a changed scenario is matched by.
    fn schema(&self) -> SchemaRef;

    /// How many columns after `namespace` are the key.
    fn key_columns(&self) -> usize;

    /// What changed since the last capture. Called when an epoch is closed at the operator; cost follows what changed.
    ///
    /// # Errors
    /// Where state cannot be put into columns.
    fn capture(&mut self) -> Result<StateChanges, StateError>;

    /// Takes rows of [`StateTable::schema`] into an empty or partly restored table; they count as captured.
    ///
    /// # Errors
    /// Where rows do not fit the schema.
    fn restore(&mut self, rows: &RecordBatch) -> Result<(), StateError>;

    /// An estimate of the memory it holds, in bytes.
    fn bytes(&self) -> usize;

    /// How many keys it holds in memory, over all namespaces.
    fn keys(&self) -> usize;

    /// The table as one whose clean rows may lie in the store alone; `None` where all of it stays in memory.
    fn spilling(&mut self) -> Option<&mut dyn SpillTable> {
        None
    }
}

/// What goes wrong between a table and its store.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Rows of another shape than the table's.
    #[error("state does not fit: {0}")]
    Schema(String),
    /// Columns could not be computed.
    #[error("state could not be put into columns: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The store could not be read: a disk's error, or damage.
    #[error("state could not be read from the store: {0}")]
    Unread(String),
    /// The operator could not read its own state.
    #[error("state could not be read: {0}")]
    Operator(String),
}
