//! What Runink's speed is held against: the same work, done by hand beside it.
//!
//! Every figure is a ratio of two measurements on the same machine in the same minute, so that it means the same everywhere. The benches
//! (`cargo bench`) show each measurement; `report` prints the ratios with their goals.

pub mod by_hand;
pub mod checkpoints;
pub mod child;
pub mod data;
pub mod flights;
pub mod growth;
pub mod json;
pub mod kafka;
pub mod measure;
pub mod memory;
pub mod nexmark;
pub mod run;
pub mod soak;
pub mod state;
