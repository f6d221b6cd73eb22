//! Nexmark in process: each scenario of `docs/examples/nexmark` over the same batches in memory, beside a loop by hand.
//!
//! The events are written down once by `runi` ([`events`]); a process of its own then measures one query in one way ([`measure`]), so that neither
//! the generator nor another query is in its processor time or its memory. Both ways must come to the same rows ([`rows`]).

pub mod by_hand;
pub mod engine;
pub mod events;
pub mod json;
pub mod measure;
pub mod process;
pub mod report;
pub mod rows;

/// All queries, in order.
pub const QUERIES: [&str; 28] = [
    "q0",
    "q1",
    "q2",
    "q3",
    "q4",
    "q5",
    "q6",
    "q7",
    "q8",
    "q9",
    "q10",
    "q11",
    "q12",
    "q13",
    "q14",
    "q15",
    "q16",
    "q17",
    "q18",
    "q19",
    "q20",
    "q21",
    "q22",
    "q23",
    "pattern-0",
    "pattern-1",
    "pattern-2",
    "pattern-3",
];
