//! Window arithmetic: which slice a moment falls into, which windows a slice is part of. Pure, in microseconds.
//!
//! A slice (or pane) is a piece of time that no window's edge cuts. A row is aggregated once, into its slice; a window is put together
//! from the slices inside it. A slice is named by its end. Every window's end is a slice's end.

use runink_planner::WindowShape;

/// Windows that do not depend on the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Windows {
    /// `[offset + k * slide, … + size)`; tumbling where `slide == size`.
    Hopping { size: i64, slide: i64, offset: i64 },
    /// `[offset + k * size, … + j * step)` for j from 1.
    Cumulating { size: i64, step: i64, offset: i64 },
    /// One window that ends when the input does.
    All,
}

/// `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// The end of the only window of [`Windows::All`].
pub(crate) const END_OF_TIME: i64 = i64::MAX;

fn floor_to(at: i128, step: i64, offset: i64) -> i128 {
    let (step, offset) = (i128::from(step), i128::from(offset));
    (at - offset).div_euclid(step) * step + offset
}

impl Windows {
    /// Of a shape; `None` for sessions.
    pub(crate) fn of(shape: WindowShape) -> Option<Windows> {
        match shape {
            WindowShape::Tumbling { size, offset } => Some(Windows::Hopping { size, slide: size, offset }),
            WindowShape::Hopping { size, slide, offset } => Some(Windows::Hopping { size, slide, offset }),
            WindowShape::Cumulating { size, step, offset } => Some(Windows::Cumulating { size, step, offset }),
            WindowShape::Session { .. } => None,
        }
    }

    /// Whether a window is one slice.
    pub(crate) fn window_is_slice(&self) -> bool {
        match self {
            Windows::Hopping { size, slide, .. } => size == slide,
            Windows::Cumulating { size, step, .. } => size == step,
            Windows::All => true,
        }
    }

    /// The slice of a moment; `None` where one of its windows would leave `range` (and so a column of the time's unit).
    pub(crate) fn slice_of(&self, at: i64, range: &std::ops::RangeInclusive<i64>) -> Option<Slice> {
        let at = i128::from(at);
        let (start, end, reach) = match *self {
            Windows::All => return Some(Slice { start: i64::MIN, end: END_OF_TIME }),
            Windows::Hopping { size, slide, offset } => {
                let base = floor_to(at, slide, offset);
                let cut = base + i128::from(size % slide);
                let (start, end) = match () {
                    () if cut == base => (base, base + i128::from(slide)),
                    () if at < cut => (base, cut),
                    () => (cut, base + i128::from(slide)),
                };
                (start, end, size)
            }
            Windows::Cumulating { size, step, offset } => {
                let base = floor_to(at, size, offset);
                let start = base + (at - base).div_euclid(i128::from(step)) * i128::from(step);
                (start, start + i128::from(step), size)
            }
        };
        let inside = i128::from(*range.start()) <= start - i128::from(reach) && end + i128::from(reach) <= i128::from(*range.end());
        inside.then_some(Slice { start: start as i64, end: end as i64 })
    }

    /// The ends of the windows that a slice is part of, ascending, of those in `after < end <= up_to`.
    pub(crate) fn ends_of(&self, slice_end: i64, after: i64, up_to: i64) -> impl Iterator<Item = i64> + use<> {
        let (first, last, step) = match *self {
            Windows::All => (END_OF_TIME, END_OF_TIME, 1),
            Windows::Hopping { size, slide, offset } => {
                let behind = i128::from(slide) - 1;
                (floor_to(i128::from(slice_end) + behind, slide, offset.wrapping_add(size % slide)) as i64, self.last_end(slice_end), slide)
            }
            Windows::Cumulating { step, .. } => (slice_end, self.last_end(slice_end), step),
        };
        let first = if first > after { first } else { skip_past(first, after, step) };
        let last = last.min(up_to);
        let count = if first > last { 0 } else { (i128::from(last) - i128::from(first)) / i128::from(step) + 1 };
        (0..count).map(move |k| (i128::from(first) + k * i128::from(step)) as i64)
    }

    /// Whether any window can end in `after < end <= up_to`.
    pub(crate) fn any_end_in(&self, after: i64, up_to: i64) -> bool {
        let last = match *self {
            Windows::All => return up_to == END_OF_TIME && after < up_to,
            Windows::Hopping { size, slide, offset } => floor_to(i128::from(up_to), slide, offset.wrapping_add(size % slide)),
            Windows::Cumulating { step, offset, .. } => floor_to(i128::from(up_to), step, offset),
        };
        last > i128::from(after)
    }

    /// The end of the last window that a slice is part of.
    pub(crate) fn last_end(&self, slice_end: i64) -> i64 {
        let inside = i128::from(slice_end) - 1;
        match *self {
            Windows::All => END_OF_TIME,
            Windows::Hopping { size, slide, offset } => (floor_to(inside, slide, offset) + i128::from(size)) as i64,
            Windows::Cumulating { size, offset, .. } => (floor_to(inside, size, offset) + i128::from(size)) as i64,
        }
    }

    /// The start of the window with that end.
    pub(crate) fn start_of(&self, end: i64) -> i64 {
        match *self {
            Windows::All => i64::MIN,
            Windows::Hopping { size, .. } => end.saturating_sub(size),
            Windows::Cumulating { size, offset, .. } => floor_to(i128::from(end) - 1, size, offset) as i64,
        }
    }
}

/// The first member of `first + k * step` that is greater than `after`.
fn skip_past(first: i64, after: i64, step: i64) -> i64 {
    let steps = (i128::from(after) - i128::from(first)) / i128::from(step) + 1;
    i64::try_from(i128::from(first) + steps * i128::from(step)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// All windows that hold a moment, by trying.
    fn holding(windows: &Windows, at: i64) -> Vec<(i64, i64)> {
        let mut all = Vec::new();
        match *windows {
            Windows::Hopping { size, slide, offset } => {
                for k in -200..200 {
                    let start = offset + k * slide;
                    if start <= at && at < start + size {
                        all.push((start, start + size));
                    }
                }
            }
            Windows::Cumulating { size, step, offset } => {
                for k in -200..200 {
                    let start = offset + k * size;
                    for j in 1..=size / step {
                        if start <= at && at < start + j * step {
                            all.push((start, start + j * step));
                        }
                    }
                }
            }
            Windows::All => all.push((i64::MIN, END_OF_TIME)),
        }
        all
    }

    fn any_windows() -> impl Strategy<Value = Windows> {
        prop_oneof![
            (1..12i64, 1..12i64, -20..20i64).prop_map(|(a, b, offset)| Windows::Hopping { size: a.max(b), slide: a.min(b), offset }),
            (1..6i64, 1..6i64, -20..20i64).prop_map(|(step, n, offset)| Windows::Cumulating { size: step * n, step, offset }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn a_slice_is_part_of_exactly_the_windows_that_hold_its_moments(windows in any_windows(), at in -60..60i64) {
            let slice = windows.slice_of(at, &(i64::MIN..=i64::MAX)).unwrap();
            prop_assert!(slice.start <= at && at < slice.end);
            for inside in slice.start..slice.end {
                prop_assert_eq!(windows.slice_of(inside, &(i64::MIN..=i64::MAX)), Some(slice));
                let expected = holding(&windows, inside);
                let found: Vec<_> = windows.ends_of(slice.end, i64::MIN, i64::MAX).map(|e| (windows.start_of(e), e)).collect();
                prop_assert_eq!(&found, &expected);
                prop_assert_eq!(windows.last_end(slice.end), expected.last().unwrap().1);
            }
        }

        #[test]
        fn ends_are_cut_to_a_range(windows in any_windows(), at in -60..60i64, after in -60..60i64, up_to in -60..60i64) {
            let slice = windows.slice_of(at, &(i64::MIN..=i64::MAX)).unwrap();
            let expected: Vec<_> = windows.ends_of(slice.end, i64::MIN, i64::MAX).filter(|&e| after < e && e <= up_to).collect();
            prop_assert!(expected.is_empty() || windows.any_end_in(after, up_to));
            prop_assert_eq!(windows.ends_of(slice.end, after, up_to).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_moment_whose_windows_cannot_be_written_has_no_slice() {
        let windows = Windows::Hopping { size: 10, slide: 10, offset: 0 };
        assert_eq!(windows.slice_of(i64::MAX - 3, &(i64::MIN..=i64::MAX)), None);
        assert_eq!(windows.slice_of(i64::MIN + 3, &(i64::MIN..=i64::MAX)), None);
        assert!(windows.slice_of(i64::MAX - 40, &(i64::MIN..=i64::MAX)).is_some());
    }
}
