//! The steps of recovery and commit, by name: where tests let a process die, to see that nothing is lost or doubled wherever it does.

use std::sync::Arc;

/// A step that has just been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailPoint {
    /// `recover` was called.
    Recovering,
    /// The marker topic is there.
    MarkerTopicThere,
    /// Older producers are fenced off.
    Fenced,
    /// It is known what was committed.
    MarkersRead,
    /// This generation has said that it is there.
    GenerationTold,
    /// `commit` was called.
    Committing,
    /// The transaction is open.
    TransactionBegun,
    /// Half of the rows are on their way.
    HalfSent,
    /// All rows are on their way.
    RowsSent,
    /// The marker is on its way.
    MarkerSent,
    /// The group's offset is part of the transaction.
    OffsetSent,
    /// The transaction is committed.
    Committed,
}

impl FailPoint {
    /// All of them, in the order of the protocol.
    pub const ALL: [FailPoint; 12] = [
        FailPoint::Recovering,
        FailPoint::MarkerTopicThere,
        FailPoint::Fenced,
        FailPoint::MarkersRead,
        FailPoint::GenerationTold,
        FailPoint::Committing,
        FailPoint::TransactionBegun,
        FailPoint::HalfSent,
        FailPoint::RowsSent,
        FailPoint::MarkerSent,
        FailPoint::OffsetSent,
        FailPoint::Committed,
    ];
}

/// Hears of each step.
pub type StepHook = Arc<dyn Fn(FailPoint) + Send + Sync>;

/// Hears of nothing.
pub(crate) fn no_hook() -> StepHook {
    Arc::new(|_| {})
}
