//! Operators that look at the order of rows: ranking, the first of each key, neighbours.

use crate::{AggregateCall, EventTime, WindowSpec};

/// One column of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct OrderBy {
    /// Its index in the operator's input.
    pub column: usize,
    /// From high to low.
    pub descending: bool,
    /// Nulls come before all values, else after them.
    pub nulls_first: bool,
}

/// Gives the first rows of each key. Rows that the order does not tell apart are told apart by their contents: column by column, ascending, nulls last.
///
/// Output schema: the input's columns, then the rank (Int64) where it is asked for, then `window_start` and `window_end` where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankOp {
    /// Key columns, as indices into the input.
    pub keys: Vec<usize>,
    /// What rows are ordered by.
    pub order: Vec<OrderBy>,
    /// Rows of a later epoch come before those of an earlier one, whatever the order says. Only with one row per key, over an append-only input.
    pub newest_first: bool,
    /// How many rows of each key come out; all where absent.
    pub count: Option<u64>,
    /// Rows that the order does not tell apart have the same rank, and all of a rank come out or none. Else ranks count through.
    pub ties: bool,
    /// The rank comes out.
    pub rank: bool,
    /// Among which rows.
    pub scope: RankScope,
    /// The input takes rows back.
    pub changelog: bool,
}

/// See [`RankOp::scope`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RankScope {
    /// All rows so far: a changelog.
    AllTime {
        /// How long a key is kept after its ranking last changed, in microseconds; its rows are then taken back. For ever (or until the end) where absent.
        ttl_us: Option<i64>,
    },
    /// The rows of a window, once, when it closes: append-only.
    Window {
        /// Tumbling, hopping or cumulating.
        spec: WindowSpec,
        /// Whether the window's edges come out.
        edges: bool,
    },
}

/// Lets the first row of each key through, and no other. Output schema: the input's. Append-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstOp {
    /// Key columns, as indices into the input.
    pub keys: Vec<usize>,
    /// The event time of the input, where there is one.
    pub time: Option<EventTime>,
    /// The first is the earliest in event time, and comes out when the watermark has passed it; else it is the first that comes, and does so at once.
    pub settled: bool,
    /// What tells rows of one moment (without event time: of one epoch) apart, before their contents do.
    pub order: Vec<OrderBy>,
    /// A row that lies that far behind the one that went through is a first one again, in microseconds of event time.
    pub within_us: Option<i64>,
    /// How long a key is kept after its row went through, in microseconds.
    pub ttl_us: Option<i64>,
}

/// Gives each row values of one before or behind it in event time, among those of its key. Output schema: the input's columns, then one for each value,
/// null where there is no such row. Append-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourOp {
    /// Key columns, as indices into the input.
    pub keys: Vec<usize>,
    /// The event time, by which rows are ordered.
    pub time: EventTime,
    /// What tells rows of one moment apart, before their contents do.
    pub order: Vec<OrderBy>,
    /// How many rows away, at least 1.
    pub distance: u64,
    /// Values of a row behind (`lead`), else of one before (`lag`).
    pub ahead: bool,
    /// The columns that are taken from it.
    pub values: Vec<usize>,
    /// Only rows of one tumbling window see each other: its size and offset, in microseconds.
    pub window: Option<(i64, i64)>,
    /// How long a key is kept after its last row, in microseconds.
    pub ttl_us: Option<i64>,
}

/// The farthest neighbour that a row can ask for: that many rows are kept for each key.
pub const NEIGHBOUR_DISTANCE_MAX: u64 = 1_000;

/// Gives each row aggregates over the rows of its key before it in event time, and the row itself. Output schema: the input's columns, then one for each call.
/// Append-only.
#[derive(Debug, Clone)]
pub struct RunningOp {
    /// Key columns, as indices into the input.
    pub keys: Vec<usize>,
    /// The event time, by which rows are ordered.
    pub time: EventTime,
    /// What tells rows of one moment apart, before their contents do.
    pub order: Vec<OrderBy>,
    /// Which rows count.
    pub over: RunningOver,
    /// What is computed.
    pub calls: Vec<AggregateCall>,
    /// How long a key is kept after its last row, in microseconds; only where rows are counted.
    pub ttl_us: Option<i64>,
}

/// See [`RunningOp::over`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunningOver {
    /// Those that lie at most so far back, in microseconds, and those of the same moment.
    Time(i64),
    /// So many, the row itself among them.
    Rows(u64),
    /// Those of the same tumbling window so far, and those of the same moment; in microseconds.
    #[allow(missing_docs)]
    Window { size: i64, offset: i64 },
}

/// The most rows that [`RunningOver::Rows`] can have: so many are kept for each key.
pub const RUNNING_ROWS_MAX: u64 = 10_000;

impl RankOp {
    /// How long a key is kept.
    pub fn ttl_us(&self) -> Option<i64> {
        match self.scope {
            RankScope::AllTime { ttl_us } => ttl_us,
            RankScope::Window { .. } => None,
        }
    }

    /// The window, where there is one.
    pub fn window(&self) -> Option<&WindowSpec> {
        match &self.scope {
            RankScope::AllTime { .. } => None,
            RankScope::Window { spec, .. } => Some(spec),
        }
    }

    /// The column of event time that it reads.
    pub fn time(&self) -> Option<&EventTime> {
        self.window().and_then(|w| w.time.as_ref())
    }
}
