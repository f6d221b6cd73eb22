//! Lookups: outside systems that are asked for the rows of keys, when a stream's rows need them.
//!
//! A [`Lookup`] answers for many keys at once and returns when all have an answer or its own time is over: it never waits longer than that. What it
//! answers is not part of the scenario's input, so the engine asks for a key once, keeps the answer for as long as [`Caching`] says, and asks anew after that.

use crate::{ConnectorError, OptionKind, OptionSpec, Options};
use arrow::record_batch::RecordBatch;

/// An opened lookup. All workers share it.
pub trait Lookup: Send + Sync {
    /// Asks for keys. `keys` has the key columns, in the order of [`crate::SourceConfig::key`]; no two rows are alike, and none has a null. At most
    /// [`MAX_KEYS_ASKED`] of them.
    ///
    /// # Errors
    /// Fatal: the scenario stops with it (the outside refuses who asks, say). A key that has no answer this time stands in [`Answers::failed`].
    fn get(&self, keys: &RecordBatch) -> Result<Answers, ConnectorError>;
}

/// How many keys are asked for in one call.
pub const MAX_KEYS_ASKED: usize = 4096;

/// What the outside says of keys. A key that stands in none of these has no row there.
#[derive(Debug)]
pub struct Answers {
    /// Rows with the projected columns of the source, at most one for each key.
    pub rows: RecordBatch,
    /// Keys that have no answer, by their place among those asked, and why.
    pub failed: Vec<(usize, String)>,
}

/// How long answers are kept, and what happens without one: options that every lookup has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caching {
    /// How long a row counts after it was answered, in microseconds.
    pub found_us: i64,
    /// How long it counts that there is none, in microseconds.
    pub missing_us: i64,
    /// How many keys each worker keeps; the oldest answers go.
    pub keys: usize,
    /// The scenario stops where a key has no answer; else the rows that need it are rejected.
    pub stops: bool,
}

/// `cache`.
pub const CACHE: OptionSpec = OptionSpec {
    name: "cache",
    kind: OptionKind::Duration,
    required: false,
    default: Some("10m"),
    about: "How long an answer is used again.",
};
/// `cache_missing`.
pub const CACHE_MISSING: OptionSpec = OptionSpec {
    name: "cache_missing",
    kind: OptionKind::Duration,
    required: false,
    default: Some("1m"),
    about: "How long the answer that there is no such row is used again.",
};
/// `cache_keys`.
pub const CACHE_KEYS: OptionSpec = OptionSpec {
    name: "cache_keys",
    kind: OptionKind::Count,
    required: false,
    default: Some("100000"),
    about: "How many keys each worker keeps answers of; the oldest go first.",
};
/// `on_failure`.
pub const ON_FAILURE: OptionSpec = OptionSpec {
    name: "on_failure",
    kind: OptionKind::OneOf(&["reject", "stop"]),
    required: false,
    default: Some("reject"),
    about: "What happens where a key gets no answer: its rows are rejected (reason `lookup`), or the scenario stops.",
};

impl Caching {
    /// What the options say.
    pub fn of(options: &Options) -> Caching {
        let duration = |spec: &OptionSpec| options.duration_us(spec.name).unwrap_or_default().max(0);
        let keys = options.count(CACHE_KEYS.name).and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        Caching {
            found_us: duration(&CACHE),
            missing_us: duration(&CACHE_MISSING),
            keys,
            stops: options.text(ON_FAILURE.name) == Some("stop"),
        }
    }
}
