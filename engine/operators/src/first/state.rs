//! The state of [`super::FirstOperator`] as a checkpoint sees it: one row per key that is known, and one per row that waits.
//!
//! The layout is that of rankings (see `rank::state`). A known key's row has `.row` -1 and no columns but its key; `.touched_us` is the moment of the row
//! that went through, or where keys age, when it did.

use super::FirstOperator;
use crate::aggregate::time::Times;
use crate::rank::{
    lists::Offer,
    order::{Lead, moment_of},
    state::{Layout, Opened},
};
use arrow::{
    array::{ArrayRef, BooleanArray, Int64Array, UInt16Array, new_null_array},
    compute::{concat_batches, filter_record_batch},
    datatypes::SchemaRef,
    error::ArrowError,
    record_batch::RecordBatch,
};
use runink_checkpoint::{StateChanges, StateError, StateTable};
use std::sync::Arc;

/// What stands in `.row` for a key that is known.
pub(super) const MARK: i64 = -1;

impl FirstOperator {
    fn state_layout(&self) -> Layout {
        Layout::of(&self.input, &self.op.keys, true)
    }

    fn marks(&mut self, layout: &Layout) -> Result<Option<RecordBatch>, ArrowError> {
        let keys = self.marks.take_dirty();
        if keys.is_empty() {
            return Ok(None);
        }
        let touched = |&key: &u32| match &self.ages {
            Some(ages) => ages.touched_at(key),
            None => self.marks.get(key).unwrap_or_default(),
        };
        let count = keys.len();
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(keys.iter().map(|&key| self.groups.of_hash(self.waiting.keys.hash(key)).0).collect::<UInt16Array>()),
            Arc::new(Int64Array::from_value(0, count)),
        ];
        columns.extend(self.waiting.keys.columns(&keys)?);
        columns.extend([Arc::new(Int64Array::from_value(MARK, count)) as ArrayRef, Arc::new(Int64Array::from_value(1, count))]);
        columns.push(Arc::new(keys.iter().map(touched).collect::<Int64Array>()));
        columns.extend(layout.others.iter().map(|&c| new_null_array(self.input.field(c).data_type(), count)));
        RecordBatch::try_new(layout.schema.clone(), columns).map(Some)
    }

    fn restore_part(&mut self, layout: &Layout, rows: &RecordBatch) -> Result<(), StateError> {
        let failed = |e: &dyn std::fmt::Display| StateError::Operator(e.to_string());
        let Opened { columns, sequences, told, touched } = layout.open(rows);
        let keys: Vec<ArrayRef> = self.op.keys.iter().map(|&k| columns[k].clone()).collect();
        let mut scratch = std::mem::take(&mut self.scratch);
        self.layout.prepare(&keys, rows.num_rows(), &mut scratch.rows)?;
        scratch.keys.clear();
        self.waiting.keys.intern(&scratch.rows, 0..rows.num_rows(), &mut scratch.keys);
        self.waiting.grow();
        self.marks.grow(self.waiting.keys.bound());
        if sequences.first() == Some(&MARK) {
            for (&key, &at) in scratch.keys.iter().zip(&touched) {
                self.marks.restore(key, at);
                self.ages.iter_mut().for_each(|ages| ages.touch(key, at));
            }
        } else {
            let batch = RecordBatch::try_new(self.input.clone(), columns.clone())?;
            let times = Times::read(&self.step, self.op.time.as_ref(), &crate::Batch::of(batch), 0).map_err(|e| failed(&e))?;
            scratch.times = (0..rows.num_rows()).map(|row| times.at(row).unwrap_or(i64::MAX)).collect();
            self.order.prefixes(&columns, rows.num_rows(), Lead::Times(&scratch.times), &mut scratch.prefixes);
            let offer = Offer { keys: &scratch.keys, prefixes: &scratch.prefixes, columns: &columns };
            self.waiting.restore(&self.order, &offer, &sequences, &told)?;
            self.waiting.restore_thresholds(self.limit);
            debug_assert!(scratch.prefixes.iter().zip(&scratch.times).all(|(&p, &t)| moment_of(p) == t));
        }
        for &key in &scratch.keys {
            self.plan(key);
        }
        self.scratch = scratch;
        Ok(())
    }
}

impl StateTable for FirstOperator {
    fn schema(&self) -> SchemaRef {
        self.state_layout().schema
    }

    fn key_columns(&self) -> usize {
        self.state_layout().key_columns()
    }

    fn capture(&mut self) -> Result<StateChanges, StateError> {
        let layout = self.state_layout();
        let deleted = layout.deleted(std::mem::take(&mut self.deleted))?;
        let marks = self.marks(&layout)?;
        let waiting = layout.captured(&mut self.waiting, 0, self.groups, Some(&|_| 0))?;
        let upserted: Vec<RecordBatch> = marks.into_iter().chain(waiting).collect();
        let upserted = if upserted.is_empty() { None } else { Some(concat_batches(&layout.schema, &upserted)?) };
        Ok(StateChanges { expired: Vec::new(), deleted, upserted })
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), StateError> {
        let layout = self.state_layout();
        layout.fits(rows)?;
        let is_mark: Vec<bool> = layout.open(rows).sequences.iter().map(|&s| s == MARK).collect();
        for mark in [true, false] {
            let part = filter_record_batch(rows, &is_mark.iter().map(|&m| Some(m == mark)).collect::<BooleanArray>())?;
            if part.num_rows() > 0 {
                self.restore_part(&layout, &part)?;
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.waiting.bytes() + self.marks.bytes() + self.visits.bytes()
    }

    fn keys(&self) -> usize {
        self.waiting.len() + self.marks.len()
    }
}
