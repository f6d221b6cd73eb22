//! Examples: the tests that scenarios carry in their text, run on a virtual clock.
//!
//! An example is planned like the scenario itself and runs on the same engine; only its edges differ. Sources play a script (rows, watermarks,
//! idleness) in place of their connectors, sinks are left out, the clock stands still until the example moves it. So nothing sleeps, and results are
//! the same on every machine. This crate reads and writes no files: whoever runs examples hands in what they name.

mod cells;
mod chaos;
mod codes;
mod compare;
mod evaluate;
mod files;
mod json;
mod junit;
mod plan;
mod render;
mod report;
mod rows;
mod runner;
mod script;

pub use chaos::Chaos;
pub use codes::catalogue;
pub use compare::{Change, Difference};
pub use files::ReadFile;
pub use json::to_json;
pub use junit::to_junit;
pub use render::{render, summary};
pub use report::{Against, ExampleReport, Finding, GoldenFile, Mismatch, MismatchKind, Outcome, Symptom};
pub use runner::{Request, Runner};
pub use script::{CLOCK_START_US, MAX_WORKERS};
