//! Tests of the whole: the command line on real files, the house rules, every command of the documentation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

mod cli;
mod docs;
mod house;
mod kills;
mod nexmark;
mod restart;
mod security;
mod support;
