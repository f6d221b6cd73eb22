//! Keyed state as a checkpoint sees it: epochs, key groups, and the tables in which operators keep what they must not lose.
//!
//! An operator holds its state in whatever shape is fast for it and offers it as a [`StateTable`]: what changed since the
//! last capture, in columns, by key group and namespace. The durable store stands behind that border and knows keys,
//! columns and epochs; it knows nothing of operators, SQL or connectors.

mod capture;
pub mod conformance;
mod ids;
mod lagging;
mod memory;
mod publish;
mod replica;
mod shape;
mod spill;
mod table;

pub use capture::{Boundary, Cadence, Captures, HeldOutput, Part, Piece, Restored};
pub use ids::{Epoch, Generation, KeyGroup, KeyGroups};
pub use lagging::LaggingStore;
pub use memory::{MemoryRestored, MemoryStore};
pub use publish::{CheckpointNumber, CommitPermit, Exists, Fenced, NodeFacts, Publications, Published, SinkOutboxes};
pub use replica::TableReplica;
pub use shape::{Adaptation, TableShape};
pub use spill::{EachRows, Shelf, SpillCounts, SpillTable, StateReader};
pub use table::{Namespace, StateChanges, StateError, StateTable};
