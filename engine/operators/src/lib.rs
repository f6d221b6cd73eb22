//! Operators as state machines over epochs: rows of an epoch go in, the epoch closes with a watermark, batches come out.
//!
//! Nothing here knows timely, threads, clocks or I/O, so that every operator can be driven by a test row by row, and held
//! against a slow reference. The engine feeds them in order of epochs and sends on what they give.

pub mod aggregate;
mod batch;
mod by_key;
pub mod changes;
pub mod check;
mod epoch;
mod error;
pub mod first;
pub mod fold;
pub mod form;
pub mod hash;
pub mod held;
pub mod neighbour;
pub mod pattern;
pub mod rank;
mod rejects;
pub mod rows;
pub mod running;
mod settled;
mod shelved;
pub mod stream_join;
mod summed;
pub mod table_join;
mod window_order;

pub use batch::{Batch, Origin};
pub use epoch::{EpochOperator, EpochTime, Given, Ordered, batches};
pub use error::OperatorError;
pub use rejects::{RejectedRow, Rejects};
