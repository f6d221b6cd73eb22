//! The join of two streams: what rows meet, and for how long they wait for each other.

use crate::{EventTime, WindowShape};
use arrow::datatypes::SchemaRef;
use datafusion_expr::Expr;

/// Joins input 0 (left) with input 1 (right). Output schema: the left columns, then the chosen right columns (none for semi and anti).
///
/// A null in a key equals nothing. Append-only, unless [`StreamJoinOp::is_changelog`] says otherwise.
#[derive(Debug, Clone)]
pub struct StreamJoinOp {
    /// Which rows come out. A right join keeps its left columns first.
    pub kind: StreamJoinKind,
    /// Equal pairs: (left column, right column), of the same type. Both inputs go to workers by these columns, in this order.
    pub on: Vec<(usize, usize)>,
    /// A further condition over the left columns followed by the right ones (names as in the schema).
    pub condition: Option<(Expr, SchemaRef)>,
    /// Which right columns come out.
    pub right_columns: Vec<usize>,
    /// Which rows can meet.
    pub bound: JoinBound,
    /// Whether rows of the left, and of the right input take others back. Only [`JoinBound::Unbounded`] has a meaning for them.
    pub changelog: [bool; 2],
}

/// See [`StreamJoinOp::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum StreamJoinKind {
    /// Pairs.
    Inner,
    /// Pairs, and left rows without a partner.
    Left,
    /// Pairs, and right rows without a partner.
    Right,
    /// Pairs, and rows of both sides without a partner.
    Full,
    /// Left rows that have a partner, once.
    Semi,
    /// Left rows that have none.
    Anti,
}

/// Which rows can meet. All spans in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub enum JoinBound {
    /// Rows that lie in a window together. A pair comes out once, however many windows hold both rows.
    Window {
        /// Tumbling or hopping.
        shape: WindowShape,
        /// The event times of left and right; processing time where absent.
        times: Option<[EventTime; 2]>,
    },
    /// `from <= right.time - left.time <= to`.
    Within {
        /// Lower bound, included.
        from_us: i64,
        /// Upper bound, included.
        to_us: i64,
        /// The event times of left and right.
        times: [EventTime; 2],
    },
    /// Right rows are versions of their key, each valid from its event time until the next one's. A left row meets the version that is valid at its own
    /// event time, and comes out when the watermark says that no other version can be. A right row that no left row met comes out, where the join
    /// gives it, when a newer version has taken its place for all rows on time, or when the input has ended.
    AsOf {
        /// The event times of left and right.
        times: [EventTime; 2],
    },
    /// Every two rows, whenever they come.
    Unbounded {
        /// How long a row is kept after it came, in event time (the wall clock's where there is none); for ever where absent. Going is silent: what
        /// came out stays.
        ttl_us: Option<i64>,
    },
}

impl JoinBound {
    /// The event times of left and right, where they count.
    pub fn times(&self) -> Option<&[EventTime; 2]> {
        match self {
            JoinBound::Window { times, .. } => times.as_ref(),
            JoinBound::Within { times, .. } | JoinBound::AsOf { times } => Some(times),
            JoinBound::Unbounded { .. } => None,
        }
    }

    /// See [`Self::times`].
    pub(crate) fn times_mut(&mut self) -> Option<&mut [EventTime; 2]> {
        match self {
            JoinBound::Window { times, .. } => times.as_mut(),
            JoinBound::Within { times, .. } | JoinBound::AsOf { times } => Some(times),
            JoinBound::Unbounded { .. } => None,
        }
    }
}

impl StreamJoinKind {
    /// Whether right columns come out.
    pub fn has_right_columns(self) -> bool {
        !matches!(self, StreamJoinKind::Semi | StreamJoinKind::Anti)
    }
}

impl StreamJoinOp {
    /// Whether rows come out that take others back.
    pub fn is_changelog(&self) -> bool {
        matches!(self.bound, JoinBound::Unbounded { .. }) && (self.kind != StreamJoinKind::Inner || self.changelog.contains(&true))
    }

    /// The event time of the rows that come out: never behind the watermark, as long as those that come in are not.
    ///
    /// A row can come out long after it came in: when its window closes, or when its partner comes. The shift adds the longest such wait to the left
    /// row's time (to the right one's for a right join, if its column comes out). A full join has rows without left and rows without right columns, and
    /// so no such time; neither has a right join as of a time, whose versions wait for the next one, an unbounded join, or one by processing time.
    pub fn output_time(&self, left_columns: usize) -> Option<EventTime> {
        match &self.bound {
            JoinBound::Window { shape: WindowShape::Tumbling { size, .. } | WindowShape::Hopping { size, .. }, times: Some(times) } => {
                self.shifted(times, [size - 1, size - 1], left_columns)
            }
            JoinBound::Within { from_us, to_us, times } => {
                self.shifted(times, [(*to_us).max(0), from_us.saturating_neg().max(0)], left_columns)
            }
            JoinBound::AsOf { .. } if self.kind == StreamJoinKind::Right => None,
            JoinBound::AsOf { times } => self.shifted(times, [0, 0], left_columns),
            JoinBound::Window { .. } | JoinBound::Unbounded { .. } => None,
        }
    }

    fn shifted(&self, times: &[EventTime; 2], waits_us: [i64; 2], left_columns: usize) -> Option<EventTime> {
        let [left, right] = times;
        match self.kind {
            StreamJoinKind::Full => None,
            StreamJoinKind::Right => {
                let column = left_columns + self.right_columns.iter().position(|&c| c == right.column)?;
                Some(EventTime { column, shift_us: right.shift_us.checked_add(waits_us[1])? })
            }
            _ => Some(EventTime { column: left.column, shift_us: left.shift_us.checked_add(waits_us[0])? }),
        }
    }
}
