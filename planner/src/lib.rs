//! From a scenario's text to a checked dataflow plan: names, types, schemas, keys, watermarks, bounds of state.
//!
//! Pure: no I/O, no clocks, no threads. What only the outside knows (the schema of a file without contract) is handed in.

mod catalogue;
mod check;
pub mod explain;
mod expr;
mod join;
mod lower;
mod names;
pub mod optimise;
mod pattern;
mod plan;
mod rank;
mod recursion;
pub mod sanity;
mod scenario;
mod sql;
mod types;

pub use catalogue::catalogue;
pub use check::{CheckOp, Demand, ShareOp, checks_schema};
pub use join::{JoinBound, StreamJoinKind, StreamJoinOp};
pub use pattern::{
    AfterMatch, Automaton, Gap, MatchEvent, MatchOp, PATTERN_STATES_MAX, Pattern, PatternError, Pick, Reference, State, Takes, Target,
};
pub use plan::*;
pub use rank::{FirstOp, NEIGHBOUR_DISTANCE_MAX, NeighbourOp, OrderBy, RUNNING_ROWS_MAX, RankOp, RankScope, RunningOp, RunningOver};
pub use recursion::{Fed, IterateOp, ROUNDS, ROUNDS_MAX};
pub use scenario::{PlanInput, Planned, SourceToDiscover, plan_scenario, sources_to_discover};
pub use types::contract_schema;
