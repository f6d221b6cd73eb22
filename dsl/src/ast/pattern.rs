//! Patterns of rows: `match`.

use super::{Duration, Expr, Name, NamedExpr, Retention, Spanned};
use serde::Serialize;

/// See [`super::Action::Match`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Match {
    /// Which events follow each other.
    pub pattern: Spanned<Pattern>,
    /// `without a or b` at the end: no such row comes until the time of `within` is over.
    pub ending: Vec<Name>,
    /// `where a is …, b is …`; an event without a condition is any row.
    pub conditions: Vec<EventCondition>,
    /// The key.
    pub per: Vec<NamedExpr>,
    /// What orders rows of the same time, as SQL text.
    pub order: Option<Expr>,
    /// The longest that a match may take.
    pub within: Option<Duration>,
    /// Where the next match may begin; past the last row where absent.
    pub after: Option<Spanned<AfterMatch>>,
    /// `with partial as name`: matches whose time ran out come out too; the column tells.
    pub partial: Option<Name>,
    /// The columns of a match.
    pub give: Vec<NamedExpr>,
    /// `keep for ever`.
    pub keep_state: Option<Spanned<Retention>>,
}

/// `a is <condition>`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventCondition {
    /// The event's name.
    pub event: Name,
    /// Which rows it is.
    pub condition: Expr,
}

/// A pattern of events.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Pattern {
    /// One row.
    Event(Name),
    /// One after the other.
    Sequence {
        /// At least two.
        parts: Vec<Pattern>,
        /// What lies between each and the next.
        gaps: Vec<Gap>,
    },
    /// `a or b`: the first one where several would do.
    Choice(Vec<Pattern>),
    /// `a+`, `a{2,5}?`, `a{3} apart`.
    Repeat {
        /// What is repeated.
        of: Box<Pattern>,
        /// At least so often.
        least: u64,
        /// At most so often; any number where absent.
        most: Option<u64>,
        /// As few as possible, not as many.
        reluctant: bool,
        /// What lies between two of them.
        gap: Gap,
    },
}

/// What may lie between two parts of a pattern.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Gap {
    /// Nothing: `then`.
    Next,
    /// Any rows but these events: `without c followed by`, `apart`.
    Later(Vec<Name>),
}

impl Pattern {
    /// Calls `each` with every name of an event in it, those that gaps exclude among them.
    pub fn events<'a>(&'a self, each: &mut dyn FnMut(&'a Name)) {
        let later = |gap: &'a Gap| match gap {
            Gap::Next => [].iter(),
            Gap::Later(not) => not.iter(),
        };
        match self {
            Pattern::Event(name) => each(name),
            Pattern::Sequence { parts, gaps } => {
                parts.iter().for_each(|p| p.events(each));
                gaps.iter().flat_map(later).for_each(each);
            }
            Pattern::Choice(arms) => arms.iter().for_each(|p| p.events(each)),
            Pattern::Repeat { of, gap, .. } => {
                of.events(each);
                later(gap).for_each(each);
            }
        }
    }
}

/// Where the next match may begin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum AfterMatch {
    /// Behind the match.
    PastLastRow,
    /// At any row after the first.
    ToNextRow,
    /// At the match's first row of that event.
    ToFirst(Name),
    /// At the match's last row of that event.
    ToLast(Name),
}
