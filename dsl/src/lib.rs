//! The feature language: text in, a lossless tree, a typed syntax tree and diagnostics out.
//!
//! No input makes anything here panic, hang or give up: a broken text has a tree and diagnostics. Nothing here knows files, the network,
//! Arrow or timely; whoever reads files hands their texts in ([`Project::new`]).

pub mod ast;
pub mod codes;
pub mod contract;
mod diagnostic;
mod format;
mod parse;
mod project;
mod render;
pub mod suggest;
pub mod syntax;
pub mod units;
pub mod variables;

pub use codes::{CodeEntry, catalogue};
pub use diagnostic::{Diagnostic, FileId, Related, Severity, SourceFile, Sources};
pub use format::format;
pub use parse::{Parsed, parse};
pub use project::{Project, ResolvedScenario, ResolvedStep, ScenarioId};
pub use render::{render, to_json};
