//! Keyed state as a checkpoint sees it: epochs, key groups, and the tables in which operators keep what they must not lose.
//!
//! An operator holds its state in whatever shape is fast for it and offers it as a [`StateTable`]: what changed since the
//! last capture, in columns, by key group and namespace. The durable store stands behind that border and knows keys,
//! columns and epochs; it knows nothing of operators, SQL or connectors.

mod capture;
mod ids;
mod replica;
mod table;

pub use capture::{Boundary, Cadence, Captures, HeldOutput, Part, Piece, Restored, TableShape};
pub use ids::{Epoch, Generation, KeyGroup, KeyGroups};
pub use replica::TableReplica;
pub use table::{Namespace, StateChanges, StateError, StateTable};
