//! The planner from outside: lowering, optimising, checking and explaining.
#![allow(clippy::unwrap_used)]

mod lowering;
mod optimising;
