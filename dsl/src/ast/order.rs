//! Lines about the order of rows: `top`, `rank`, `deduplicate`, `lag`, `lead`.

use super::{Duration, Expr, Name, NamedExpr, Retention, Spanned, Window};
use serde::Serialize;

/// See [`super::Action::Top`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Top {
    /// How many rows per group; `u64::MAX` for `rank`, which keeps all.
    pub count: Spanned<u64>,
    /// Order, as SQL text (`price desc, at`).
    pub order: Expr,
    /// The group.
    pub per: Vec<NamedExpr>,
    /// Keeps all rows that tie with the last.
    pub with_ties: bool,
    /// The name of the rank column, if wanted.
    pub rank_as: Option<Name>,
    /// The window.
    pub window: Option<Spanned<Window>>,
    /// How long state is kept.
    pub keep_state: Option<Spanned<Retention>>,
}

/// See [`super::Action::Deduplicate`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deduplicate {
    /// The key.
    pub by: Vec<NamedExpr>,
    /// Keeps the last row instead of the first.
    pub keep_last: bool,
    /// What orders rows; arrival where absent.
    pub order: Option<Expr>,
    /// The horizon.
    pub within: Option<Duration>,
    /// How long state is kept.
    pub keep_state: Option<Spanned<Retention>>,
}

/// See [`super::Action::Neighbours`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Neighbours {
    /// `lead`: of a row behind; else `lag`: of one before.
    pub ahead: bool,
    /// `name = expr`, of the other row.
    pub values: Vec<NamedExpr>,
    /// How many rows away; 1 where absent.
    pub distance: Option<Spanned<u64>>,
    /// The group.
    pub per: Vec<NamedExpr>,
    /// What rows are ordered by; the event time where absent.
    pub order: Option<Expr>,
    /// The window.
    pub window: Option<Spanned<Window>>,
    /// How long state is kept.
    pub keep_state: Option<Spanned<Retention>>,
}

/// See [`super::Action::Running`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Running {
    /// `name = expr` with aggregates over the rows before and the row itself.
    pub values: Vec<NamedExpr>,
    /// The group.
    pub per: Vec<NamedExpr>,
    /// What rows are ordered by; the event time where absent.
    pub order: Option<Expr>,
    /// How far back the rows lie that count.
    pub over: Option<Spanned<RunningOver>>,
    /// The window whose rows count.
    pub window: Option<Spanned<Window>>,
    /// How long state is kept.
    pub keep_state: Option<Spanned<Retention>>,
}

/// See [`Running::over`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum RunningOver {
    /// `within 1h`: rows of the same moment count as well.
    Time(Duration),
    /// `within 10 rows`, the row itself among them.
    Rows(Spanned<u64>),
}
