//! The dataflow engine: a worker group on timely, and the dataflows it runs.
//!
//! A [`WorkerGroup`] is long-lived. It follows one ordered stream of commands, which timely sequences to all of its workers, and builds and
//! drops dataflows while others go on. A [`ScenarioSpec`] is a plan with its opened sources and sinks; [`WorkerGroup::create`] sends it and
//! gives a [`ScenarioHandle`] to watch, stop and wait for. `runi run` does just that.
//!
//! The operators themselves are state machines over epochs (`runink-operators`); this crate moves batches between them, tells them
//! when an epoch is closed and where the watermark stands, and does the I/O at the edges through connectors.

mod books;
mod build;
mod checkpoints;
mod checks;
mod clock;
mod commits;
mod driver;
mod error;
mod exchange;
mod group;
mod lookup;
mod memory;
mod metrics;
mod operators;
mod packet;
mod quiet;
mod recursion;
mod scenario;
mod sink;
mod source;
mod stateful;
pub mod testing;
mod watermark;

pub use checkpoints::{Checkpointing, EPOCHS_PER_INTERVAL, Stalls, lasting_names};
pub use checks::{BrokenWindow, CheckSnapshot};
pub use clock::{Clock, EpochClock, SystemClock, VirtualClock};
pub use commits::{AfterRestart, Commits, Committing, Late, after_restart};
pub use error::EngineError;
pub use group::{GroupConfig, WorkerGroup};
pub use memory::MemoryBudget;
pub use metrics::{MetricsSnapshot, SinkSnapshot, SourceSnapshot, StepSnapshot};
pub use runink_checkpoint::Epoch;
pub use runink_connector_api::WhoActs;
pub use runink_operators::{Batch, RejectedRow};
pub use scenario::{Drain, Durability, Ending, Outcome, ScenarioHandle, ScenarioSpec, Settings, Tap, WatermarkTap};

/// timely's timestamp: [`Epoch`] as a bare number.
type Time = u64;
