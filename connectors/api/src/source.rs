//! Sources: where rows come in.

use crate::{ConnectorError, Follower, Options, Predicate, Resume, SavedPosition};
use arrow::{
    array::{Int64Array, UInt64Array},
    datatypes::SchemaRef,
    record_batch::RecordBatch,
};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// What a source is opened with.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Its name in the scenario.
    pub name: String,
    /// Its checked options.
    pub options: Options,
    /// Where relative paths start.
    pub base_dir: PathBuf,
    /// The schema of all columns, from the contract, the discovery or the fixed schema; `None` only for `discover`.
    /// Text formats decode to these types, typed formats are cast to them; a value that does not fit rejects its row.
    /// Field metadata `runink.json = "true"` marks text columns that take any JSON value.
    pub schema: Option<SchemaRef>,
    /// The columns that the plan reads, as indices into `schema`, ascending; batches have exactly these.
    pub projection: Vec<usize>,
    /// A conjunction that the source may use to skip rows.
    pub predicates: Vec<Predicate>,
    /// The key columns, where rows replace each other by it (`key=`): the source may then give deletions ([`Chunk::diffs`]).
    pub key: Vec<String>,
    /// The event-time column, for sources that pace themselves by it (replay).
    pub time_column: Option<String>,
    /// How many rows a batch should have at most.
    pub batch_rows: usize,
}

/// An opened source: a description that every worker makes its own reader from.
pub trait Source: Send + Sync {
    /// Whether it ends.
    fn boundedness(&self) -> Boundedness;
    /// What cuts its epochs.
    fn epoch_by(&self) -> EpochBy;
    /// How many partitions it has now; at least 1. Each has its own watermark, the source has their minimum. Readers may bring more as the
    /// outside grows: such a partition counts from its first rows on.
    fn partitions(&self) -> u32;
    /// The reader of one worker. All rows come through exactly one worker's reader.
    ///
    /// # Errors
    /// Where the worker's share cannot be opened.
    fn reader(&self, share: Share) -> Result<Box<dyn SourceReader>, ConnectorError>;
    /// Whether every chunk says where to go on after it, so that a scenario with checkpoints can read it.
    fn resumable(&self) -> bool {
        false
    }
    /// The reader of one worker that goes on after these positions. All workers are given all positions, of whatever number of readers there was before.
    ///
    /// # Errors
    /// Where the source cannot go on from them: it keeps none ([`Chunk::after`]), or the outside no longer has what comes next.
    fn resume(&self, share: Share, from: &[SavedPosition]) -> Result<Box<dyn SourceReader>, ConnectorError> {
        if from.is_empty() {
            return self.reader(share);
        }
        Err(ConnectorError::user("CON001", "this source cannot go on from a checkpoint")
            .hint("run without `--state`, or read from another source"))
    }
    /// Who tells the outside how far the source has been read, where the outside keeps such a thing.
    ///
    /// # Errors
    /// Where the options for it mean nothing.
    fn follower(&self, _scenario: &str) -> Result<Option<Box<dyn Follower>>, ConnectorError> {
        Ok(None)
    }
    /// The total in bytes, where known, for progress.
    fn total_bytes(&self) -> Option<u64> {
        None
    }
}

/// Which worker of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// From 0.
    pub index: usize,
    /// How many there are.
    pub peers: usize,
}

/// Whether a source ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Boundedness {
    Bounded,
    Unbounded,
}

/// What cuts a source's epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochBy {
    /// The chunk's [`Ordinal`]: which rows share an epoch depends on the data alone, not on the clock nor on how many workers read.
    Volume,
    /// The wall clock's tick.
    Clock,
}

/// A place in a source's deterministic order of chunks: (file, chunk in it), compared in that order. For a source with
/// `EpochBy::Volume` every reader delivers its chunks with ordinals that never go back, and which chunk has which ordinal does not
/// depend on the number of readers. Chunks of partitions that are read side by side share ordinals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ordinal {
    /// Which file (or other unit that is read one after the other).
    pub unit: u32,
    /// Which chunk of it.
    pub chunk: u32,
}

/// A partition of a source, from 0. It is read by one reader at a time; the engine takes it for that reader's as soon as the reader tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u32);

/// One worker's reader. It never blocks for long: file reads are short, anything that waits is done by a thread behind a bounded channel.
pub trait SourceReader: Send {
    /// The next rows.
    ///
    /// # Errors
    /// Fatal: the scenario stops with it. Bad rows are rejects in the chunk.
    fn poll(&mut self) -> Result<Poll, ConnectorError>;
}

/// What a poll gave.
#[derive(Debug)]
// It is handed on once and never kept; a box for each chunk would cost more than it saves.
#[allow(clippy::large_enum_variant)]
pub enum Poll {
    /// Rows, rejects, or both.
    Rows(Chunk),
    /// Nothing now. Ask again after that time at the latest.
    Pending {
        /// How long to wait at most.
        retry_in: Duration,
        /// Evidence of idleness, for every partition of this reader: the outside system was asked and had nothing more of any. `false` where
        /// rows wait but the pace holds them back. A partition is idle when the evidence has gone on for the idle time without rows of that
        /// partition; one that no reader has told of is idle when each reader has had such a time.
        caught_up: bool,
    },
    /// Nothing is at hand now, and nothing is known of the outside: what was shown of idleness before stands. Ask again after that time at the latest.
    Waiting {
        /// How long to wait at most.
        retry_in: Duration,
    },
    /// The evidence of `caught_up` for one partition, while others may have rows: for readers of several partitions that are asked one by one. More may be
    /// there at once: ask again.
    CaughtUp {
        /// Which one.
        partition: Partition,
    },
    /// The source itself knows that nothing older than `at_us` (microseconds of event time) comes in the partition any more: the watermark is at least there from this
    /// place in the order on.
    Watermark {
        /// Of which partition.
        partition: Partition,
        /// In microseconds since 1970.
        at_us: i64,
        /// Which place in the order.
        ordinal: Ordinal,
    },
    /// Nothing ever again.
    End,
}

/// Some rows of one partition.
#[derive(Debug)]
pub struct Chunk {
    /// The rows, with the projected columns.
    pub batch: RecordBatch,
    /// Each row's multiplicity, where some rows are deletions: -1 takes away what the row's key stands for (only its key columns count), 1 puts the row there.
    pub diffs: Option<Int64Array>,
    /// Rows that could not be decoded.
    pub rejects: Vec<Reject>,
    /// Where the rows stand.
    pub positions: Positions,
    /// What positions count in: a file's path, a topic's partition.
    pub origin: Arc<str>,
    /// Of which partition.
    pub partition: Partition,
    /// Which place in the order.
    pub ordinal: Ordinal,
    /// How many bytes were read for it, as they lie outside (compressed, where they are).
    pub bytes: u64,
    /// The partition has no more rows: it no longer holds the watermark.
    pub partition_ends: bool,
    /// Where to go on after this chunk; `None` where the source cannot.
    pub after: Option<Resume>,
}

/// Positions of a batch's rows in their origin: row numbers from 0, or line numbers from 1, as the format counts.
#[derive(Debug, Clone)]
pub enum Positions {
    /// Row i is at `start + i`.
    From(u64),
    /// Each row's own.
    Each(UInt64Array),
}

/// A row that did not decode.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    /// Why, as a class.
    pub reason: RejectReason,
    /// Where it stands.
    pub position: u64,
    /// Why, as a sentence: column, value, what was expected.
    pub message: String,
    /// The original bytes, at most [`Reject::MAX_RAW_BYTES`] of them.
    pub raw: Vec<u8>,
}

impl Reject {
    /// How much of a bad row is kept.
    pub const MAX_RAW_BYTES: usize = 64 * 1024;
}

/// The class of a rejection (`semantics.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectReason {
    /// The bytes are not a row of the format and schema.
    Decode,
    /// The row breaks a rule of its contract.
    Contract,
    /// An expression failed on it.
    Expression,
    /// All its windows had closed.
    Late,
    /// It broke a `@then … otherwise reject`.
    Expectation,
    /// An outside system that is asked for its key gave no answer.
    Lookup,
}

impl RejectReason {
    /// As it stands in the `rejected` stream.
    pub fn as_str(self) -> &'static str {
        match self {
            RejectReason::Decode => "decode",
            RejectReason::Contract => "contract",
            RejectReason::Expression => "expression",
            RejectReason::Late => "late",
            RejectReason::Expectation => "expectation",
            RejectReason::Lookup => "lookup",
        }
    }
}
