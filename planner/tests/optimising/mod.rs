//! The optimiser, the sanity check and `explain`, on plans built by hand.

mod build;
mod equivalence;
mod explaining;
mod filters;
mod golden;
mod interpret;
mod narrowing;
mod sanity;
mod sharing;
