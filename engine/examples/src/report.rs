//! What came of an example.

use crate::compare::Difference;
use runink_dsl::{
    Diagnostic, FileId,
    ast::{Name, Span},
};
use std::time::Duration;

/// One example, tried.
#[derive(Debug, Clone)]
pub struct ExampleReport {
    /// The scenario's title.
    pub scenario: String,
    /// The example's title, with its place.
    pub title: Name,
    /// In which file.
    pub file: FileId,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took, on all numbers of workers together.
    pub duration: Duration,
    /// On how many workers it was tried, one after the other.
    pub workers: Vec<usize>,
    /// Golden files to write, where they are to be accepted.
    pub accepted: Vec<GoldenFile>,
    /// How many cases of chaos it was tried in.
    pub cases: usize,
}

impl ExampleReport {
    /// Whether everything was as expected.
    pub fn passed(&self) -> bool {
        matches!(self.outcome, Outcome::Passed)
    }
}

/// A golden file as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldenFile {
    /// Its path, as the example says it: relative to the `.dsl` file.
    pub path: String,
    /// What it should hold.
    pub content: Vec<u8>,
}

/// How an example went.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// As expected.
    Passed,
    /// It ran, and something is not as expected.
    Failed(Vec<Mismatch>),
    /// It could not run.
    Broken(Vec<Diagnostic>),
}

/// Something that is not as expected.
#[derive(Debug, Clone)]
pub struct Mismatch {
    /// What was looked at: a step, a source, `rejected`.
    pub output: String,
    /// The line that expects it.
    pub span: Span,
    /// On how many workers.
    pub workers: usize,
    /// What is not as expected.
    pub kind: MismatchKind,
}

/// What is not as expected.
#[derive(Debug, Clone)]
pub enum MismatchKind {
    /// The rows.
    Rows {
        /// How they differ.
        difference: Difference,
        /// Rows that the scenario rejected by then and that the example does not ask about, as sentences: often the reason.
        rejected: Vec<String>,
        /// Where the watermark of an output behind windows stood, in µs; `None` before the first, and after the end.
        watermark_us: Option<i64>,
    },
    /// The watermark.
    Watermark {
        /// As the example says, in µs.
        expected_us: i64,
        /// As it was: `None` before the first, `i64::MAX` after the end.
        actual_us: Option<i64>,
    },
    /// The scenario stopped with an error.
    Stopped {
        /// The error's stable code.
        code: &'static str,
        /// What it said.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// Another number of workers gives other rows: a bug of Runink.
    DependsOnWorkers {
        /// The number of workers that gave what the difference calls expected.
        other: usize,
        /// How they differ.
        difference: Difference,
    },
    /// The result depends on the order of rows, or on how they are cut into epochs.
    Chaos(Box<Finding>),
}

/// A case in which an example does not hold, although it may come to that in a running scenario.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What the chance came from.
    pub seed: u64,
    /// Which case it was, from 1; 0 is the recomputation from scratch.
    pub run: usize,
    /// What does not agree with what.
    pub against: Against,
    /// How the smallest case differs.
    pub symptom: Symptom,
    /// How many rows the smallest case has.
    pub rows: usize,
    /// How many the example has.
    pub of: usize,
    /// On how many workers.
    pub workers: usize,
    /// The smallest case as an example to be pasted; empty where it has no such form.
    pub example: String,
}

/// What a case was held against when it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// What the example expects.
    Expectation,
    /// A recomputation from scratch: everything that may come together in one epoch, on one worker.
    Recomputation,
}

/// How a case differs.
#[derive(Debug, Clone, PartialEq)]
pub enum Symptom {
    /// In its rows; `expected` are those of the text's own order, or of the recomputation.
    Rows(Difference),
    /// In where the watermark stands, in µs.
    Watermark {
        /// As the example says.
        expected_us: i64,
        /// As it was; `None` before the first.
        actual_us: Option<i64>,
    },
    /// The scenario stopped with an error.
    Stopped(String),
}
