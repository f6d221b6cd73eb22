//! The files connector from outside: one suite that every source passes, one for sinks, and what is special to each.
#![allow(clippy::unwrap_used)]

mod errors;
mod follow;
mod held;
mod resume;
mod sink_suite;
mod sinks;
mod source_suite;
mod sources;
mod support;
