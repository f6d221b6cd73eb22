//! The language, tested through its public face.
#![allow(clippy::unwrap_used)]

mod contract;
mod docs;
mod errors;
mod format;
mod fuzz;
mod golden;
mod parse;
mod project;
