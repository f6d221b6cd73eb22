//! Made-up rows that keep a contract: its types, rules and keys; and, where asked for, rows that break exactly one of its rules each.
//!
//! Everything follows from a seed. Names of fields make values likely (`email`, `city`, `first_name`, …), rules make them right: each value is held against
//! all rules of its field before it is given. Patterns are written by a generator of our own for a subset of regular expressions ([`pattern`]).
//! The crate does no I/O: it gives record batches.

mod check;
mod error;
mod field;
mod likely;
mod numbers;
pub mod pattern;
mod rows;
mod value;

pub use error::FakeError;
pub use rows::{Faker, Settings, Summary};
