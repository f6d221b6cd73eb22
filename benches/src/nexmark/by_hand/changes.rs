//! Results that change: what an epoch took back and what it gave.

use arrow::array::Int64Array;

/// What groups were like before the epoch.
pub(super) struct Touched<T> {
    /// By group: the epoch that touched it last.
    epochs: Vec<u32>,
    epoch: u32,
    before: Vec<(u32, Option<T>)>,
}

impl<T> Default for Touched<T> {
    fn default() -> Self {
        Touched { epochs: Vec::new(), epoch: 1, before: Vec::new() }
    }
}

impl<T> Touched<T> {
    /// A group is going to change. None: it is new.
    pub(super) fn touch(&mut self, group: u32, before: impl FnOnce() -> Option<T>) {
        if self.epochs.len() <= group as usize {
            self.epochs.resize(group as usize + 1, 0);
        }
        if std::mem::replace(&mut self.epochs[group as usize], self.epoch) != self.epoch {
            self.before.push((group, before()));
        }
    }

    /// The epoch is over: what has changed.
    pub(super) fn end(&mut self) -> Vec<(u32, Option<T>)> {
        self.epoch += 1;
        std::mem::take(&mut self.before)
    }
}

/// Rows with their multiplicity.
pub(super) struct Changes<T> {
    pub(super) rows: Vec<T>,
    diffs: Vec<i64>,
}

impl<T> Default for Changes<T> {
    fn default() -> Self {
        Changes { rows: Vec::new(), diffs: Vec::new() }
    }
}

impl<T: PartialEq> Changes<T> {
    /// One row in place of another.
    pub(super) fn push(&mut self, before: Option<T>, after: Option<T>) {
        if before == after {
            return;
        }
        for (row, diff) in before.map(|row| (row, -1)).into_iter().chain(after.map(|row| (row, 1))) {
            self.rows.push(row);
            self.diffs.push(diff);
        }
    }

    /// The rows and their multiplicities.
    pub(super) fn split(self) -> (Vec<T>, Int64Array) {
        (self.rows, Int64Array::from(self.diffs))
    }
}
