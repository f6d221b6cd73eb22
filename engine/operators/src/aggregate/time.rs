//! Which slice each row belongs to, and which rows have none: no event time, out of range, or too late.

use super::grouping::Grouping;
use crate::{Batch, OperatorError, Rejects};
use arrow::{
    array::{Array, ArrayRef, AsArray, PrimitiveArray},
    compute::kernels::aggregate::{max, min},
    datatypes::{
        ArrowPrimitiveType, DataType, Date32Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType,
    },
    temporal_conversions::timestamp_us_to_datetime,
};
use runink_connector_api::RejectReason;
use runink_planner::EventTime;

/// A run of neighbouring rows of one slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) slice_end: i64,
    pub(super) first: usize,
    pub(super) rows: usize,
}

/// Event times as µs.
pub(crate) enum Times {
    /// All rows at once (the epoch's clock).
    One(i64),
    /// `value * up / down + shift` of a column; Date32 values widened.
    Column(Column),
}

pub(crate) struct Column {
    values: Values,
    up: i64,
    down: i64,
    shift: i64,
    /// Lowest and highest value that is not null.
    bounds: Option<(i64, i64)>,
}

enum Values {
    Wide(PrimitiveArray<arrow::datatypes::Int64Type>),
    Days(PrimitiveArray<Date32Type>),
}

fn reinterpreted<T: ArrowPrimitiveType<Native = i64>>(column: &ArrayRef) -> Values {
    Values::Wide(column.as_primitive::<T>().reinterpret_cast())
}

impl Times {
    /// Of a batch, in an epoch with that clock.
    pub(super) fn of(grouping: &Grouping, batch: &Batch, clock_us: i64) -> Result<Times, OperatorError> {
        Times::read(&grouping.step, grouping.time.as_ref(), batch, clock_us)
    }

    /// Of a batch's time column; without one, of the epoch's clock.
    pub(crate) fn read(step: &str, time: Option<&EventTime>, batch: &Batch, clock_us: i64) -> Result<Times, OperatorError> {
        let Some(time) = time else { return Ok(Times::One(clock_us)) };
        let column = batch.rows.column(time.column);
        const DAY_US: i64 = 86_400_000_000;
        let (values, up, down) = match column.data_type() {
            DataType::Timestamp(TimeUnit::Second, _) => (reinterpreted::<TimestampSecondType>(column), 1_000_000, 1),
            DataType::Timestamp(TimeUnit::Millisecond, _) => (reinterpreted::<TimestampMillisecondType>(column), 1_000, 1),
            DataType::Timestamp(TimeUnit::Microsecond, _) => (reinterpreted::<TimestampMicrosecondType>(column), 1, 1),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => (reinterpreted::<TimestampNanosecondType>(column), 1, 1_000),
            DataType::Date32 => (Values::Days(column.as_primitive::<Date32Type>().clone()), DAY_US, 1),
            other => return Err(OperatorError::plan(step, format!("event time of type {other}"))),
        };
        let bounds = match &values {
            Values::Wide(values) => min(values).zip(max(values)),
            Values::Days(values) => min(values).zip(max(values)).map(|(a, b)| (i64::from(a), i64::from(b))),
        };
        Ok(Times::Column(Column { values, up, down, shift: time.shift_us, bounds }))
    }

    /// The time of a row; `Err` says why it has none.
    #[inline]
    pub(crate) fn at(&self, row: usize) -> Result<i64, NoTime> {
        match self {
            Times::One(clock) => Ok(*clock),
            Times::Column(column) => column.at(row),
        }
    }

    fn bounds(&self) -> Option<(i64, i64)> {
        match self {
            Times::One(clock) => Some((*clock, *clock)),
            Times::Column(column) => {
                let no_null = match &column.values {
                    Values::Wide(values) => values.null_count() == 0,
                    Values::Days(values) => values.null_count() == 0,
                };
                let (low, high) = column.bounds.filter(|_| no_null)?;
                Some((column.convert(low).ok()?, column.convert(high).ok()?))
            }
        }
    }
}

/// Why a row has no place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTime {
    Null,
    OutOfRange,
}

impl NoTime {
    pub(crate) fn message(self) -> &'static str {
        match self {
            NoTime::Null => "event time is null",
            NoTime::OutOfRange => "event time is out of the range of windows",
        }
    }
}

impl Column {
    #[inline]
    fn convert(&self, value: i64) -> Result<i64, NoTime> {
        let us = if self.down == 1 { value.checked_mul(self.up) } else { Some(value.div_euclid(self.down)) };
        us.and_then(|us| us.checked_add(self.shift)).ok_or(NoTime::OutOfRange)
    }

    #[inline]
    fn at(&self, row: usize) -> Result<i64, NoTime> {
        let (null, value) = match &self.values {
            Values::Wide(values) => (values.is_null(row), values.value(row)),
            Values::Days(values) => (values.is_null(row), i64::from(values.value(row))),
        };
        if null { Err(NoTime::Null) } else { self.convert(value) }
    }
}

/// A moment as text.
pub(crate) fn shown(us: i64) -> String {
    match timestamp_us_to_datetime(us) {
        Some(time) => format!("{time:?}Z"),
        None => format!("{us} µs"),
    }
}

pub(super) fn late_message(grouping: &Grouping, at: i64, watermark: i64) -> String {
    let allowed = match grouping.lateness {
        0 => String::new(),
        us => format!(", beyond the allowed lateness of {} s", us as f64 / 1e6),
    };
    format!("late for {}: event time {}, the watermark was {}{allowed}", grouping.step, shown(at), shown(watermark))
}

/// Whether a window (or a slice's last window) with that end takes no more rows.
#[inline]
pub(super) fn is_gone(end: i64, lateness: i64, watermark: i64) -> bool {
    end.saturating_add(lateness) <= watermark && end != super::window::END_OF_TIME
}

/// The runs of a batch, in the order of its rows; rows that belong nowhere are rejected. `watermark` is that of the epoch before.
pub(super) fn runs(
    grouping: &Grouping,
    batch: &Batch,
    watermark: i64,
    clock_us: i64,
    rejects: &mut Rejects,
) -> Result<Vec<Run>, OperatorError> {
    let rows = batch.len();
    if !grouping.windowed {
        return Ok(vec![Run { slice_end: super::window::END_OF_TIME, first: 0, rows }]);
    }
    let times = Times::of(grouping, batch, clock_us)?;
    let windows = &grouping.windows;
    let gone = |end: i64| is_gone(windows.last_end(end), grouping.lateness, watermark);
    if let Some((low, high)) = times.bounds()
        && let Some(slice) = windows.slice_of(low, &grouping.edges)
        && high < slice.end
        && !gone(slice.end)
    {
        return Ok(vec![Run { slice_end: slice.end, first: 0, rows }]);
    }
    let mut runs: Vec<Run> = Vec::new();
    // The slice of the row before, and whether it takes rows.
    let mut slice = super::window::Slice { start: 0, end: 0 };
    let mut takes = false;
    for row in 0..rows {
        let placed = times.at(row).and_then(|at| {
            if slice.start <= at && at < slice.end {
                return Ok(at);
            }
            slice = windows.slice_of(at, &grouping.edges).ok_or(NoTime::OutOfRange)?;
            takes = !gone(slice.end);
            Ok(at)
        });
        match placed {
            Ok(_) if takes => match runs.last_mut() {
                Some(run) if run.slice_end == slice.end && run.first + run.rows == row => run.rows += 1,
                _ => runs.push(Run { slice_end: slice.end, first: row, rows: 1 }),
            },
            Ok(at) => rejects.push(RejectReason::Late, &grouping.step, late_message(grouping, at, watermark), batch, row),
            Err(why) => rejects.push(RejectReason::Expression, &grouping.step, why.message().to_owned(), batch, row),
        }
    }
    Ok(runs)
}
