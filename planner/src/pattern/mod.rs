//! Pattern matching: which events are looked for, in what order, and what is known of a match.

mod automaton;

pub use automaton::{Automaton, PATTERN_STATES_MAX, PatternError, State, Takes, Target};

use crate::{AggregateCall, EventTime};
use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion_expr::Expr;
use runink_dsl::ast;

/// Looks for sequences of rows. One input, append-only. Output schema: the key columns, the outputs, `match_start` and `match_end` (of the time column's
/// type), and where partial matches come out a Boolean that is true for them. Append-only.
///
/// Rows are taken when the watermark has passed them, for each key in order of event time, then of [`MatchOp::order`], then of the contents of
/// [`MatchOp::columns_read`]. For each row that can begin a match there is at most one: the first in the order in which the pattern's automaton prefers.
#[derive(Debug, Clone)]
pub struct MatchOp {
    /// Key columns of the input.
    pub keys: Vec<usize>,
    /// The event time, by which rows are ordered.
    pub time: EventTime,
    /// What orders rows of the same time: input column, ascending, nulls first.
    pub order: Vec<(usize, bool, bool)>,
    /// The events, by which everything else counts them.
    pub events: Vec<MatchEvent>,
    /// The columns over which [`MatchEvent::joint`] is an expression: the input's, then one for each of `references`.
    pub condition_schema: SchemaRef,
    /// What conditions read of the rows matched so far.
    pub references: Vec<Reference>,
    /// What comes out of a match.
    pub outputs: Vec<Reference>,
    /// What is looked for.
    pub pattern: Pattern,
    /// Events that must not come behind the pattern until `within_us` is over; none where empty.
    pub ending: Vec<usize>,
    /// The last row's time is at most so much behind the first one's.
    pub within_us: Option<i64>,
    /// Where the next match may begin.
    pub after: AfterMatch,
    /// What had begun when its time ran out comes out too.
    pub partial: bool,
}

/// An event: a row that fits.
#[derive(Debug, Clone)]
pub struct MatchEvent {
    /// Its name.
    pub name: String,
    /// A Boolean column of the input that must be true: what of the condition is about the row alone.
    pub own: Option<usize>,
    /// What else must be true, over [`MatchOp::condition_schema`]. The row that is asked about counts as this event.
    pub joint: Option<Expr>,
}

/// Something known of the rows of a match so far.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Of rows that are this event; of all rows of the match where absent.
    pub event: Option<usize>,
    /// What of them.
    pub pick: Pick,
    /// Its name and type. Null where there is no such row.
    pub field: FieldRef,
}

/// What of a match's rows.
#[derive(Debug, Clone)]
pub enum Pick {
    /// A column of one of the first rows.
    First {
        /// Of the input.
        column: usize,
        /// How many rows before it.
        skip: usize,
    },
    /// A column of one of the last rows.
    Last {
        /// Of the input.
        column: usize,
        /// How many rows after it.
        skip: usize,
    },
    /// An aggregate.
    Call(AggregateCall),
}

/// What is looked for. Numbers are places in [`MatchOp::events`].
pub type Pattern = ast::Pattern<usize>;

/// What may lie between two parts of a [`Pattern`].
pub type Gap = ast::Gap<usize>;

/// Where the next match may begin, by places in [`MatchOp::events`].
pub type AfterMatch = ast::AfterMatch<usize>;

impl MatchOp {
    /// The pattern's automaton.
    ///
    /// # Errors
    /// Where the pattern is too large, or fits no row at all.
    pub fn automaton(&self) -> Result<Automaton, PatternError> {
        Automaton::new(&self.pattern, &self.ending)
    }

    /// The columns of the input that it reads, ascending.
    pub fn columns_read(&self) -> Vec<usize> {
        let mut read: Vec<usize> = self.keys.clone();
        read.push(self.time.column);
        read.extend(self.order.iter().map(|o| o.0));
        read.extend(self.events.iter().filter_map(|e| e.own));
        let inputs = self.condition_schema.fields().len().saturating_sub(self.references.len());
        let by_name = |name: &str| self.condition_schema.index_of(name).ok().filter(|&c| c < inputs);
        for joint in self.events.iter().filter_map(|e| e.joint.as_ref()) {
            read.extend(joint.column_refs().into_iter().filter_map(|c| by_name(&c.name)));
        }
        for reference in self.references.iter().chain(&self.outputs) {
            match &reference.pick {
                Pick::First { column, .. } | Pick::Last { column, .. } => read.push(*column),
                Pick::Call(call) => {
                    let args = call.args.iter().flat_map(Expr::column_refs);
                    read.extend(args.filter_map(|c| by_name(&c.name)));
                    read.extend(call.filter);
                    read.extend(call.order_by.iter().map(|o| o.0));
                }
            }
        }
        read.sort_unstable();
        read.dedup();
        read
    }

    /// The event time of the results, whose `match_end` is that column: never behind the watermark, as long as the rows that come in are not. A match
    /// comes out when its time is over at the latest; without an end to that there is no such time.
    pub fn output_time(&self, match_end: usize) -> Option<EventTime> {
        Some(EventTime { column: match_end, shift_us: self.time.shift_us.checked_add(self.within_us?)? })
    }
}
