//! What a connector is: the border between the engine and the systems outside.
//!
//! A connector names itself and its options ([`ConnectorSpec`], which the planner checks without any I/O), and opens
//! [`Source`]s, [`Sink`]s and [`Lookup`]s, which the engine drives. It sees Arrow batches, positions and options; it knows nothing of
//! plans, dataflows or other connectors.

mod connector;
mod error;
mod lookup;
mod options;
mod predicate;
mod resume;
mod sink;
mod source;

pub use connector::{Connector, Registry};
pub use error::{ConnectorError, WhoActs};
pub use lookup::{Answers, CACHE, CACHE_KEYS, CACHE_MISSING, Caching, Lookup, MAX_KEYS_ASKED, ON_FAILURE};
pub use options::{ConnectorSpec, OptionKind, OptionSpec, OptionValue, Options};
pub use predicate::{CompareOp, Literal, Predicate};
pub use resume::{
    CheckpointNumber, CommitIdentity, Committer, Follower, Left, Outbox, Piecewise, Resume, SavedPosition, Witness, row_hash,
};
pub use sink::{Delivery, Sink, SinkConfig, SinkSummary, SinkWidth, SinkWriter};
pub use source::{
    Boundedness, Chunk, EpochBy, Ordinal, Partition, Poll, Positions, Reject, RejectReason, Share, Source, SourceConfig, SourceReader,
};
