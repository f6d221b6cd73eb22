//! What has become of expectations on windows: how many windows were looked at, and which of them broke it.

use arrow::{
    array::AsArray,
    datatypes::{TimestampMicrosecondType, UInt64Type},
    record_batch::RecordBatch,
};
use std::sync::{Mutex, PoisonError};

/// How many broken windows are kept to be shown; all are counted.
const BROKEN_WINDOWS_KEPT: usize = 20;

/// One expectation on windows.
#[derive(Debug)]
pub(crate) struct Check {
    name: String,
    // One worker notes, once an epoch at most: a lock costs nothing here.
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    windows: u64,
    broken: u64,
    first: Vec<BrokenWindow>,
}

/// An expectation on windows at a moment.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CheckSnapshot {
    /// The step, and the expectation as the text says it.
    pub name: String,
    /// Windows that were looked at.
    pub windows: u64,
    /// Windows for which it did not hold.
    pub broken: u64,
    /// The first of them.
    pub first: Vec<BrokenWindow>,
}

/// A window that broke an expectation, or a run of windows without rows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BrokenWindow {
    /// Its start, in µs.
    pub start_us: i64,
    /// Its end, in µs.
    pub end_us: i64,
    /// How many windows these are.
    pub windows: u64,
    /// Rows in it.
    pub rows: u64,
    /// Those of them that the expectation counts.
    pub counted: u64,
}

impl Check {
    pub(crate) fn of(name: &str) -> Self {
        Check { name: name.to_owned(), noted: Mutex::default() }
    }

    /// Takes rows of [`runink_planner::checks_schema`].
    pub(crate) fn note(&self, rows: &RecordBatch) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let time = |i: usize| rows.column(i).as_primitive::<TimestampMicrosecondType>().values();
        let count = |i: usize| rows.column(i).as_primitive::<UInt64Type>().values();
        let holds = rows.column(5).as_boolean();
        for row in 0..rows.num_rows() {
            let windows = count(2)[row];
            noted.windows = noted.windows.saturating_add(windows);
            if holds.value(row) {
                continue;
            }
            noted.broken = noted.broken.saturating_add(windows);
            if noted.first.len() < BROKEN_WINDOWS_KEPT {
                let (rows, counted) = (count(3)[row], count(4)[row]);
                noted.first.push(BrokenWindow { start_us: time(0)[row], end_us: time(1)[row], windows, rows, counted });
            }
        }
    }

    pub(crate) fn snapshot(&self) -> CheckSnapshot {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        CheckSnapshot { name: self.name.clone(), windows: noted.windows, broken: noted.broken, first: noted.first.clone() }
    }
}
