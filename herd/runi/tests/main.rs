//! The command line, from the outside.
#![allow(clippy::unwrap_used)]

mod command;
mod pages;
mod texts;
