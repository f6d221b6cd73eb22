//! Which rows can meet, as arithmetic of time. Pure, in microseconds.
//!
//! Every row gets a span of time, and two rows can meet if their spans touch: the ends of the windows that hold it, the times at which its partner can
//! lie, or all time. A row is gone once the watermark has passed its span's end by the side's `keep`: no row that is on time can meet it then.

use crate::aggregate::{
    time::{NoTime, Times},
    window::Windows,
};
use runink_planner::JoinBound;

/// Of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    pub(super) const BOTH: [Side; 2] = [Side::Left, Side::Right];

    pub(super) fn index(self) -> usize {
        match self {
            Side::Left => 0,
            Side::Right => 1,
        }
    }

    pub(super) fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

/// See the module; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

/// The end of a span that is never over.
pub(crate) const FOR_EVER: i64 = i64::MAX;

/// Rows that go at about the same time lie in one bucket. A span of waiting is cut into about this many.
const BUCKETS_PER_SPAN: i64 = 16;
/// … but into none that is shorter.
const MIN_BUCKET_US: i64 = 1_000_000;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    Window(Windows),
    Within {
        from: i64,
        to: i64,
    },
    AsOf,
    /// Rows meet whenever they come, and are kept for that long.
    Kept {
        ttl: Option<i64>,
    },
}

impl Bound {
    /// `None` for windows that depend on rows, or that a join does not know.
    pub(super) fn of(bound: &JoinBound) -> Option<Bound> {
        match bound {
            JoinBound::Window { shape, .. } => match Windows::of(*shape) {
                Some(windows @ Windows::Hopping { .. }) => Some(Bound::Window(windows)),
                _ => None,
            },
            JoinBound::Within { from_us, to_us, .. } => (from_us <= to_us).then_some(Bound::Within { from: *from_us, to: *to_us }),
            JoinBound::AsOf { .. } => Some(Bound::AsOf),
            JoinBound::Unbounded { ttl_us } => Some(Bound::Kept { ttl: *ttl_us }),
        }
    }

    /// How far the watermark (for [`Bound::Kept`]: what ages count in) has to pass a span's end before the row is gone.
    pub(super) fn keep(&self, side: Side) -> i64 {
        match (self, side) {
            (Bound::Window(_) | Bound::Kept { .. }, _) => 0,
            (Bound::Within { .. } | Bound::AsOf, Side::Left) => 1,
            (Bound::Within { from, .. }, Side::Right) => 1i64.saturating_sub(*from),
            (Bound::AsOf, Side::Right) => 0,
        }
    }

    /// The span of a row at a moment. For [`Bound::Kept`] the moment is when it came.
    fn span(&self, side: Side, at: i64) -> Option<Span> {
        match (self, side) {
            (Bound::Window(windows), _) => {
                let slice = windows.slice_of(at, &(i64::MIN + 1..=i64::MAX - 1))?;
                let low = windows.ends_of(slice.end, i64::MIN, i64::MAX).next()?;
                Some(Span { low, high: windows.last_end(slice.end) })
            }
            (Bound::Within { from, to }, Side::Left) => Some(Span { low: at.checked_add(*from)?, high: at.checked_add(*to)? }),
            (Bound::Within { from, to }, Side::Right) => {
                // So that its partners' times, and when it is gone, can be told.
                at.checked_sub(*from).and(at.checked_sub(*to))?;
                Some(Span { low: at, high: at })
            }
            (Bound::AsOf, Side::Left) => Some(Span { low: at, high: at }),
            (Bound::AsOf, Side::Right) => Some(Span { low: at, high: FOR_EVER }),
            (Bound::Kept { ttl }, _) => Some(Span { low: i64::MIN, high: ttl.map_or(FOR_EVER, |ttl| at.saturating_add(ttl)) }),
        }
    }

    /// The spans of a batch's rows, in order.
    pub(super) fn spans(&self, side: Side, times: &Times, rows: usize) -> impl Iterator<Item = Result<(i64, Span), NoTime>> {
        // Windows: the slice of the row before. Its rows have one span.
        let mut before: Option<(i64, i64, Span)> = None;
        (0..rows).map(move |row| {
            let at = times.at(row)?;
            if let Bound::Window(windows) = self {
                if let Some((start, end, span)) = before
                    && start <= at
                    && at < end
                {
                    return Ok((at, span));
                }
                let span = self.span(side, at).ok_or(NoTime::OutOfRange)?;
                before = windows.slice_of(at, &(i64::MIN..=i64::MAX)).map(|slice| (slice.start, slice.end, span));
                return Ok((at, span));
            }
            Ok((at, self.span(side, at).ok_or(NoTime::OutOfRange)?))
        })
    }

    /// Whether no partner can be there any more, nor come. `at` is the row's time, `watermark` that of the epoch before. Versions are judged by what
    /// they would replace, not here.
    pub(super) fn is_late(&self, side: Side, at: i64, span: Span, watermark: i64) -> bool {
        match (self, side) {
            (Bound::Window(_), _) => span.high <= watermark,
            (Bound::Within { from, .. }, Side::Left) => span.high < watermark.saturating_add((*from).min(0)),
            (Bound::Within { from, to }, Side::Right) => at.saturating_sub(*from) < watermark.saturating_sub((*to).max(0)),
            (Bound::AsOf, Side::Left) => at < watermark,
            (Bound::AsOf, Side::Right) | (Bound::Kept { .. }, _) => false,
        }
    }

    /// The bucket of rows that are gone at a moment: its end, at least that moment.
    pub(super) fn bucket(&self, gone_at: i64) -> i64 {
        let span = match self {
            Bound::Window(_) => return gone_at,
            _ if gone_at == FOR_EVER => return FOR_EVER,
            Bound::Within { from, to } => to.saturating_sub(*from),
            Bound::AsOf => 0,
            Bound::Kept { ttl } => ttl.unwrap_or(0),
        };
        let width = i128::from((span / BUCKETS_PER_SPAN).max(MIN_BUCKET_US));
        let end = ((i128::from(gone_at) - 1).div_euclid(width) + 1) * width;
        // Before for ever.
        i64::try_from(end).unwrap_or(FOR_EVER).min(FOR_EVER - 1).max(gone_at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use runink_planner::{EventTime, WindowShape};

    fn times() -> [EventTime; 2] {
        [EventTime { column: 0, shift_us: 0 }, EventTime { column: 0, shift_us: 0 }]
    }

    fn touch(bound: &Bound, left: i64, right: i64) -> bool {
        let (l, r) = (bound.span(Side::Left, left).unwrap(), bound.span(Side::Right, right).unwrap());
        l.low.max(r.low) <= l.high.min(r.high)
    }

    fn gone(bound: &Bound, side: Side, at: i64, watermark: i64) -> bool {
        bound.span(side, at).unwrap().high.saturating_add(bound.keep(side)) <= watermark
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn rows_touch_if_a_window_holds_both(a in 1..12i64, b in 1..12i64, offset in -9..9i64, left in -40..40i64, right in -40..40i64) {
            let (size, slide) = (a.max(b), a.min(b));
            let shape = WindowShape::Hopping { size, slide, offset };
            let bound = Bound::of(&JoinBound::Window { shape, times: None }).unwrap();
            let holds = |start: i64, at: i64| start <= at && at < start + size;
            let together = (-100..100).map(|k| offset + k * slide).any(|start| holds(start, left) && holds(start, right));
            prop_assert_eq!(touch(&bound, left, right), together);
        }

        #[test]
        fn a_row_is_gone_when_no_row_on_time_can_meet_it(a in -9..9i64, b in -9..9i64, at in -20..20i64, watermark in -40..40i64) {
            let (from_us, to_us) = (a.min(b), a.max(b));
            let bound = Bound::of(&JoinBound::Within { from_us, to_us, times: times() }).unwrap();
            prop_assert_eq!(gone(&bound, Side::Left, at, watermark), !(watermark..100).any(|right| touch(&bound, at, right)));
            prop_assert_eq!(gone(&bound, Side::Right, at, watermark), !(watermark..100).any(|left| touch(&bound, left, at)));
        }

        #[test]
        fn a_late_row_can_meet_nothing_that_is_there_or_on_time(a in -9..9i64, b in -9..9i64, at in -20..20i64, watermark in -40..40i64) {
            let (from_us, to_us) = (a.min(b), a.max(b));
            let bound = Bound::of(&JoinBound::Within { from_us, to_us, times: times() }).unwrap();
            for side in Side::BOTH {
                let late = bound.is_late(side, at, bound.span(side, at).unwrap(), watermark);
                let meets = |other: i64| if side == Side::Left { touch(&bound, at, other) } else { touch(&bound, other, at) };
                let partner = (-100..100).any(|other| meets(other) && (other >= watermark || !gone(&bound, side.other(), other, watermark)));
                prop_assert_eq!(late, !partner, "{:?}", side);
            }
        }

        #[test]
        fn a_bucket_ends_when_its_rows_are_gone(gone_at in any::<i64>(), ttl in 1..i64::MAX) {
            let bucket = Bound::Kept { ttl: Some(ttl) }.bucket(gone_at);
            prop_assert!(bucket >= gone_at);
        }
    }
}
