//! Sinks: where results go out.

use crate::{CommitIdentity, Committer, ConnectorError, Options, Outbox, Share};
use arrow::{array::Int64Array, datatypes::SchemaRef, record_batch::RecordBatch};
use std::path::PathBuf;

/// What a sink is opened with.
#[derive(Debug, Clone)]
pub struct SinkConfig {
    /// Its name in the scenario.
    pub name: String,
    /// Its checked options.
    pub options: Options,
    /// Where relative paths start.
    pub base_dir: PathBuf,
    /// The rows it will get.
    pub schema: SchemaRef,
    /// Key columns, where the stream is a changelog or the sink names one.
    pub key: Vec<String>,
    /// Whether retractions will come.
    pub changelog: bool,
    /// Whether its scenario makes checkpoints: a sink that can then holds its output back for them, and delivers exactly once.
    pub checkpoints: bool,
}

/// An opened sink.
pub trait Sink: Send + Sync {
    /// How many writers it wants.
    fn width(&self) -> SinkWidth;
    /// What it promises: what [`crate::ConnectorSpec::delivery`] says of its options, as long as the target is not another thing than it looks.
    fn delivery(&self) -> Delivery;
    /// The writer of one worker.
    ///
    /// # Errors
    /// Where the target cannot be opened.
    fn writer(&self, share: Share) -> Result<Box<dyn SinkWriter>, ConnectorError>;
    /// Who commits its outboxes, where [`Sink::delivery`] is [`Delivery::ExactlyOnce`]; `None` for all others.
    ///
    /// # Errors
    /// Where the target cannot be opened.
    fn committer(&self, _identity: CommitIdentity) -> Result<Option<Box<dyn Committer>>, ConnectorError> {
        Ok(None)
    }
}

/// How many writers a sink wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkWidth {
    /// One: all rows come to one worker (a terminal, one file).
    One,
    /// One on every worker.
    EachWorker,
}

/// What a sink promises when everything goes on after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Rows go out as epochs close; after a crash some may go out again.
    AtLeastOnce,
    /// A complete output appears at once or not at all.
    Atomic,
    /// Rows go out with the checkpoint that holds them, each once, whatever crashes.
    ExactlyOnce,
}

impl Delivery {
    /// As a sentence says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Delivery::AtLeastOnce => "at least once",
            Delivery::Atomic => "complete or not at all",
            Delivery::ExactlyOnce => "exactly once",
        }
    }
}

/// One worker's writer.
pub trait SinkWriter: Send {
    /// Takes rows. `diffs` gives each row's multiplicity where the stream is a changelog (never zero).
    ///
    /// # Errors
    /// Where the target refuses them.
    fn write(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), ConnectorError>;

    /// All rows of some epochs have come: what was written may now be shown.
    ///
    /// # Errors
    /// Where the target refuses the flush.
    fn flush(&mut self) -> Result<(), ConnectorError>;

    /// What was written since the last call and is held back for the next checkpoint. Only writers of a sink that delivers exactly once hold anything back; with
    /// checkpoints, theirs is called in place of [`SinkWriter::flush`].
    ///
    /// # Errors
    /// Where rows cannot be encoded or made durable.
    fn outbox(&mut self) -> Result<Option<Outbox>, ConnectorError> {
        Ok(None)
    }

    /// The scenario has ended well, every writer's input with it: completes the output.
    ///
    /// # Errors
    /// Where the output cannot be completed; nothing half-written is left under its final name.
    fn finish(self: Box<Self>) -> Result<SinkSummary, ConnectorError>;
}

/// What a writer wrote. A writer that is dropped without `finish` removes what is incomplete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SinkSummary {
    /// Rows.
    pub rows: u64,
    /// Encoded bytes.
    pub bytes: u64,
}
