//! Streaming SQL as syntax: from the text of `@do sql` to a tree, which inputs it reads, and what its parts are.
//!
//! Nothing here knows columns or streams; [`crate::lower`] turns the tree into the lines of a step and lowers those.

mod inputs;
mod limits;
mod pattern;
mod text;
mod walk;
mod window;

pub(crate) use inputs::inputs;
pub(crate) use limits::{RankLimit, rank_limit, whole};
pub(crate) use pattern::WITHIN;
pub(crate) use text::{SYSTEM_TIME, parse};
pub(crate) use walk::{and, columns_in, conjuncts, flipped, mentions, part_of, replaced, unnested};
pub(crate) use window::{Shape, WindowCall, WindowEdge, WindowMistake, edge_function, group_window, is_window, table_window};
