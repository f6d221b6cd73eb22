//! The command line, from the outside.
#![allow(clippy::unwrap_used)]

mod checkpoint;
mod command;
mod pages;
mod texts;
