//! The state of an expectation on windows as a checkpoint sees it: one row per open window, and one that says which window is checked next.

use super::{CheckWindows, Count};
use crate::hash::no_key;
use arrow::{
    array::{ArrayRef, AsArray, Int64Array, UInt16Array, UInt64Array},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, UInt64Type},
    record_batch::RecordBatch,
};
use runink_checkpoint::{Namespace, StateChanges, StateError, StateTable};
use std::sync::Arc;

/// The namespace of the row that says what is checked next: no window ends there.
const NEXT: i64 = i64::MAX;

impl StateTable for CheckWindows {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("key_group", DataType::UInt16, false),
            Field::new("namespace", DataType::Int64, false),
            Field::new("window_start", DataType::Int64, false),
            Field::new("rows", DataType::UInt64, false),
            Field::new("counted", DataType::UInt64, false),
        ]))
    }

    /// None: a namespace is one window, and has one row. The start of the next one is a value.
    fn key_columns(&self) -> usize {
        0
    }

    fn capture(&mut self) -> Result<StateChanges, StateError> {
        let mut rows: Vec<(i64, i64, Count)> = std::mem::take(&mut self.changed)
            .into_iter()
            .filter_map(|start| Some((start.saturating_add(self.op.size_us), start, *self.open.get(&start)?)))
            .collect();
        if std::mem::take(&mut self.next_changed)
            && let Some(next) = self.next
        {
            rows.push((NEXT, next, Count::default()));
        }
        let upserted = match rows.is_empty() {
            true => None,
            false => {
                let columns: Vec<ArrayRef> = vec![
                    Arc::new(UInt16Array::from_value(self.groups.of_hash(no_key()).0, rows.len())),
                    Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>()),
                    Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()),
                    Arc::new(rows.iter().map(|r| r.2.rows).collect::<UInt64Array>()),
                    Arc::new(rows.iter().map(|r| r.2.counted).collect::<UInt64Array>()),
                ];
                Some(RecordBatch::try_new(self.schema(), columns)?)
            }
        };
        // A window that starts before the limit ends at it, at the latest.
        let expired = self.expired_to.take().map(|limit| Namespace(i64::MIN)..Namespace(limit.saturating_add(1)));
        Ok(StateChanges { expired: expired.into_iter().collect(), deleted: None, upserted })
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), StateError> {
        if rows.schema() != self.schema() {
            return Err(StateError::Schema(format!("expected {:?}, found {:?}", self.schema(), rows.schema())));
        }
        let ints = |i: usize| rows.column(i).as_primitive::<Int64Type>().values();
        let counts = |i: usize| rows.column(i).as_primitive::<UInt64Type>().values();
        for (row, (&namespace, &start)) in ints(1).iter().zip(ints(2)).enumerate() {
            if namespace == NEXT {
                self.next = Some(start);
            } else {
                self.open.insert(start, Count { rows: counts(3)[row], counted: counts(4)[row] });
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.open.len() * (size_of::<i64>() + size_of::<Count>())
    }

    fn keys(&self) -> usize {
        self.open.len() + usize::from(self.next.is_some())
    }
}
