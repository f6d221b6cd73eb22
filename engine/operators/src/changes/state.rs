//! What a checkpoint keeps of a keyed source: the row of each key, and when it came.

use super::{CAPTURED, ChangesOperator, DIRTY, KNOWN, LIVE, SCHEDULED};
use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, UInt16Array},
    compute::concat,
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use runink_checkpoint::{SpillTable, StateChanges, StateError, StateTable};
use std::sync::Arc;

impl ChangesOperator {
    /// The source's columns in the order of the state: the key, then the others.
    fn order(&self) -> Vec<usize> {
        let rest = (0..self.schema.fields().len()).filter(|c| !self.key.contains(c));
        self.key.iter().copied().chain(rest).collect()
    }
}

impl StateTable for ChangesOperator {
    fn schema(&self) -> SchemaRef {
        let place = [Field::new("key_group", DataType::UInt16, false), Field::new("namespace", DataType::Int64, false)];
        let columns = self.order().into_iter().map(|c| self.schema.field(c).clone().with_nullable(true));
        Arc::new(Schema::new(
            place.into_iter().chain(columns).chain([Field::new(".touched_us", DataType::Int64, false)]).collect::<Vec<_>>(),
        ))
    }

    fn key_columns(&self) -> usize {
        self.key.len()
    }

    fn capture(&mut self) -> Result<StateChanges, StateError> {
        let number = self.spill.as_mut().map_or(0, |spill| spill.shelved.capture());
        let mut ids = std::mem::take(&mut self.dirty);
        ids.retain(|&id| self.flags[id as usize] & DIRTY != 0);
        ids.sort_unstable();
        ids.dedup();
        let failed = |e: datafusion_common::DataFusionError| StateError::Operator(e.strip_backtrace());
        let deleted = std::mem::take(&mut self.deleted);
        let deleted = if deleted.is_empty() {
            None
        } else {
            let rows = deleted.iter().map(|keys| keys.first().map_or(1, |k| k.len())).sum();
            let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_value(0, rows))];
            for key in 0..self.key.len() {
                columns.push(concat(&deleted.iter().map(|keys| keys[key].as_ref() as &dyn Array).collect::<Vec<_>>())?);
            }
            Some(RecordBatch::try_new(Arc::new(self.schema().project(&(1..2 + self.key.len()).collect::<Vec<_>>())?), columns)?)
        };
        if ids.is_empty() {
            return Ok(StateChanges { expired: Vec::new(), deleted, upserted: None });
        }
        for &id in &ids {
            let flags = &mut self.flags[id as usize];
            *flags = *flags & !DIRTY | CAPTURED;
        }
        if let Some(spill) = &mut self.spill {
            spill.stamp(&ids, number);
        }
        let groups = ids.iter().map(|&id| self.groups.of_hash(self.keys.hash(id)).0).collect::<UInt16Array>();
        let rows = self.rows.get(&ids).map_err(|e| failed(e.into()))?;
        let mut columns: Vec<ArrayRef> = vec![Arc::new(groups), Arc::new(Int64Array::from_value(0, ids.len()))];
        columns.extend(self.order().into_iter().map(|c| rows[c].clone()));
        columns.push(Arc::new(Int64Array::from_iter_values(ids.iter().map(|&id| self.touched[id as usize]))));
        Ok(StateChanges { expired: Vec::new(), deleted, upserted: Some(RecordBatch::try_new(self.schema(), columns)?) })
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), StateError> {
        if rows.schema() != self.schema() {
            return Err(StateError::Schema(format!("expected {:?}, found {:?}", self.schema(), rows.schema())));
        }
        let count = rows.num_rows();
        let mut ids = Vec::with_capacity(count);
        self.intern_rows(&rows.columns()[2..2 + self.key.len()], count, &mut ids)?;
        let mut columns = vec![rows.column(0).clone(); self.schema.fields().len()];
        for (at, column) in self.order().into_iter().enumerate() {
            columns[column] = rows.column(at + 2).clone();
        }
        self.rows.put(&ids, columns)?;
        let touched = rows.column(rows.num_columns() - 1).as_primitive::<Int64Type>();
        for (&id, &at) in ids.iter().zip(touched.values()) {
            self.live += usize::from(self.flags[id as usize] & LIVE == 0);
            self.flags[id as usize] |= LIVE | CAPTURED | KNOWN;
            self.touched[id as usize] = at;
            if let Some(ttl) = self.ttl {
                self.flags[id as usize] |= SCHEDULED;
                self.calendar.entry(at.saturating_add(ttl)).or_default().push(id);
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.keys.bytes() + self.rows.bytes() + self.flags.capacity() + self.touched.capacity() * 8
    }

    fn keys(&self) -> usize {
        self.live
    }

    fn spilling(&mut self) -> Option<&mut dyn SpillTable> {
        // Keys that age have a calendar of all of them.
        if self.ttl.is_none() { Some(self) } else { None }
    }
}
