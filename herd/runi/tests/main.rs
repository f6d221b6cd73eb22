//! The command line, from the outside.
#![allow(clippy::unwrap_used)]

mod checkpoint;
mod command;
mod lookup;
mod pages;
mod texts;
