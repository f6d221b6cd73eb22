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

/// A pattern of events; an event is told by its name, or by whatever stands for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Pattern<E = Name> {
    /// One row.
    Event(E),
    /// One after the other.
    Sequence {
        /// At least two.
        parts: Vec<Pattern<E>>,
        /// What lies between each and the next.
        gaps: Vec<Gap<E>>,
    },
    /// `a or b`: the first one where several would do.
    Choice(Vec<Pattern<E>>),
    /// `a+`, `a{2,5}?`, `a{3} apart`.
    Repeat {
        /// What is repeated.
        of: Box<Pattern<E>>,
        /// At least so often.
        least: u64,
        /// At most so often; any number where absent.
        most: Option<u64>,
        /// As few as possible, not as many.
        reluctant: bool,
        /// What lies between two of them.
        gap: Gap<E>,
    },
}

/// What may lie between two parts of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Gap<E = Name> {
    /// Nothing: `then`.
    Next,
    /// Any rows but these events: `without c followed by`, `apart`.
    Later(Vec<E>),
}

impl<E> Pattern<E> {
    /// Calls `each` with every event in it, those that gaps exclude among them.
    pub fn events<'a>(&'a self, each: &mut dyn FnMut(&'a E)) {
        let later = |gap: &'a Gap<E>| match gap {
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

    /// The same, with what `of` says for each event.
    pub fn map<F>(&self, of: &impl Fn(&E) -> F) -> Pattern<F> {
        let all = |parts: &[Pattern<E>]| parts.iter().map(|p| p.map(of)).collect();
        match self {
            Pattern::Event(event) => Pattern::Event(of(event)),
            Pattern::Sequence { parts, gaps } => Pattern::Sequence { parts: all(parts), gaps: gaps.iter().map(|g| g.map(of)).collect() },
            Pattern::Choice(arms) => Pattern::Choice(all(arms)),
            Pattern::Repeat { of: inner, least, most, reluctant, gap } => {
                Pattern::Repeat { of: Box::new(inner.map(of)), least: *least, most: *most, reluctant: *reluctant, gap: gap.map(of) }
            }
        }
    }
}

impl<E> Gap<E> {
    fn map<F>(&self, of: &impl Fn(&E) -> F) -> Gap<F> {
        match self {
            Gap::Next => Gap::Next,
            Gap::Later(not) => Gap::Later(not.iter().map(of).collect()),
        }
    }
}

/// Where the next match may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum AfterMatch<E = Name> {
    /// Behind the match's last row.
    PastLastRow,
    /// At any row behind the match's first one.
    ToNextRow,
    /// At the match's first row of this event; past the last row where there is none.
    ToFirst(E),
    /// At the match's last row of this event; past the last row where there is none.
    ToLast(E),
}

impl<E> AfterMatch<E> {
    /// The same, with what `of` says for each event.
    pub fn map<F>(&self, of: &impl Fn(&E) -> F) -> AfterMatch<F> {
        match self {
            AfterMatch::PastLastRow => AfterMatch::PastLastRow,
            AfterMatch::ToNextRow => AfterMatch::ToNextRow,
            AfterMatch::ToFirst(event) => AfterMatch::ToFirst(of(event)),
            AfterMatch::ToLast(event) => AfterMatch::ToLast(of(event)),
        }
    }
}
