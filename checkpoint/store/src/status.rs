//! How checkpoints go, for whoever watches a scenario.

use crate::{Actor, StoreError};
use runink_checkpoint::{Boundary, CheckpointNumber, Generation};
use serde::Serialize;
use std::time::{Duration, Instant};

/// A failure as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its code.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
    /// Who must act.
    pub actor: Actor,
}

impl Failure {
    pub(crate) fn of(error: &StoreError) -> Self {
        Failure { code: error.code(), message: error.to_string(), hint: error.hint(), actor: error.actor() }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Status {
    /// Which start of the scenario this is.
    pub generation: Generation,
    /// The newest checkpoint.
    pub published: Option<CheckpointNumber>,
    /// Where it was taken.
    pub boundary: Option<Boundary>,
    /// When it was published, or where there is none yet, when the scenario started.
    pub since: Instant,
    /// How long it took from the boundary's being complete.
    pub took: Option<Duration>,
    /// How many have been published by this process.
    pub count: u64,
    /// How many bytes went to the snapshot store for the newest one.
    pub stored_bytes: u64,
    /// How many bytes wait in memory: handed over, and not in files yet.
    pub bytes_waiting: u64,
    /// How often in a row it has failed.
    pub failures: u32,
    /// What failed last, as long as it has not been mended.
    pub failure: Option<Failure>,
    /// It will never publish again: fenced, or a bug.
    pub ended: bool,
    /// The newest boundary that this process has published.
    pub(crate) reached: Option<Boundary>,
}

impl Status {
    pub(crate) fn new(generation: Generation) -> Self {
        Status {
            generation,
            published: None,
            boundary: None,
            since: Instant::now(),
            took: None,
            count: 0,
            stored_bytes: 0,
            bytes_waiting: 0,
            failures: 0,
            failure: None,
            ended: false,
            reached: None,
        }
    }

    /// How old the newest checkpoint is.
    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }
}
