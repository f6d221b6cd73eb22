//! One table's store that writes when it is told to: operators' tests let rows go from memory with it, and look them up again.

use crate::{Boundary, EachRows, Namespace, StateChanges, StateError, StateReader, StateTable, TableReplica, TableShape};
use arrow::record_batch::RecordBatch;
use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// See the module. It has one table, whatever node is asked for.
pub struct LaggingStore(Mutex<Inner>);

struct Inner {
    replica: TableReplica,
    /// What was handed over and is not written.
    waiting: VecDeque<(Boundary, StateChanges)>,
    written: Boundary,
    handed_over: Boundary,
}

impl LaggingStore {
    /// An empty store of a table.
    ///
    /// # Errors
    /// Where a key column's type has no order.
    pub fn of(table: &dyn StateTable) -> Result<Self, StateError> {
        let replica = TableReplica::of(table)?;
        Ok(LaggingStore(Mutex::new(Inner { replica, waiting: VecDeque::new(), written: Boundary(0), handed_over: Boundary(0) })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a capture gave; the boundary at which it counts.
    pub fn hand_over(&self, changes: StateChanges) -> Boundary {
        let mut inner = self.inner();
        inner.handed_over = Boundary(inner.handed_over.0 + 1);
        let boundary = inner.handed_over;
        inner.waiting.push_back((boundary, changes));
        boundary
    }

    /// Writes the oldest captures that wait, that many at most.
    ///
    /// # Errors
    /// Where they do not fit the table.
    pub fn write(&self, captures: usize) -> Result<(), StateError> {
        let mut inner = self.inner();
        for _ in 0..captures {
            let Some((boundary, changes)) = inner.waiting.pop_front() else { break };
            inner.replica.apply(&changes)?;
            inner.written = boundary;
        }
        Ok(())
    }

    /// The rows that are written whose key group lies in the range.
    ///
    /// # Errors
    /// Where rows cannot be put together.
    pub fn rows(&self, groups: Range<u16>) -> Result<RecordBatch, StateError> {
        self.inner().replica.rows(groups)
    }
}

impl StateReader for LaggingStore {
    fn written(&self) -> Boundary {
        self.inner().written
    }

    fn last(&self, _: &str) -> Result<Option<Namespace>, StateError> {
        Ok(self.inner().replica.last())
    }

    fn get(&self, _: &str, _: &TableShape, keys: &RecordBatch, each: &mut EachRows<'_>) -> Result<(), StateError> {
        let rows = self.inner().replica.get(keys)?;
        if rows.num_rows() > 0 { each(rows) } else { Ok(()) }
    }

    fn scan(
        &self,
        _: &str,
        _: &TableShape,
        namespaces: Range<Namespace>,
        groups: Range<u16>,
        each: &mut EachRows<'_>,
    ) -> Result<(), StateError> {
        let rows = self.inner().replica.scan(&namespaces, groups)?;
        // Row by row, so that a table does not rely on getting all at once.
        (0..rows.num_rows()).map(|at| rows.slice(at, 1)).try_for_each(each)
    }
}
