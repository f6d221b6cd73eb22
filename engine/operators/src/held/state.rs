//! What a checkpoint keeps of a recursion's input: each different row, and how often it is there.

use super::{CAPTURED, DIRTY, HeldRows};
use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, UInt16Array},
    compute::concat,
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use runink_checkpoint::{StateChanges, StateError, StateTable};
use std::sync::Arc;

impl StateTable for HeldRows {
    fn schema(&self) -> SchemaRef {
        let place = [Field::new("key_group", DataType::UInt16, false), Field::new("namespace", DataType::Int64, false)];
        let columns = self.schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true));
        let count = [Field::new(".count", DataType::Int64, false)];
        Arc::new(Schema::new(place.into_iter().chain(columns).chain(count).collect::<Vec<_>>()))
    }

    fn key_columns(&self) -> usize {
        self.schema.fields().len()
    }

    fn capture(&mut self) -> Result<StateChanges, StateError> {
        let mut ids = std::mem::take(&mut self.dirty);
        ids.retain(|&id| self.flags[id as usize] & DIRTY != 0);
        ids.sort_unstable();
        ids.dedup();
        let deleted = std::mem::take(&mut self.deleted);
        let deleted = if deleted.is_empty() {
            None
        } else {
            let rows = deleted.iter().map(|keys| keys.first().map_or(0, |k| k.len())).sum();
            let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_value(0, rows))];
            for key in 0..self.key_columns() {
                columns.push(concat(&deleted.iter().map(|keys| keys[key].as_ref() as &dyn Array).collect::<Vec<_>>())?);
            }
            let schema = StateTable::schema(self).project(&(1..2 + self.key_columns()).collect::<Vec<_>>())?;
            Some(RecordBatch::try_new(Arc::new(schema), columns)?)
        };
        if ids.is_empty() {
            return Ok(StateChanges { expired: Vec::new(), deleted, upserted: None });
        }
        for &id in &ids {
            let flags = &mut self.flags[id as usize];
            *flags = *flags & !DIRTY | CAPTURED;
        }
        let groups = ids.iter().map(|&id| self.groups.of_hash(self.keys.hash(id)).0).collect::<UInt16Array>();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(groups), Arc::new(Int64Array::from_value(0, ids.len()))];
        columns.extend(self.keys.columns(&ids)?);
        columns.push(Arc::new(Int64Array::from_iter_values(ids.iter().map(|&id| self.counts[id as usize]))));
        let upserted = RecordBatch::try_new(StateTable::schema(self), columns)?;
        Ok(StateChanges { expired: Vec::new(), deleted, upserted: Some(upserted) })
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), StateError> {
        let schema = StateTable::schema(self);
        if rows.schema() != schema {
            return Err(StateError::Schema(format!("expected {schema:?}, found {:?}", rows.schema())));
        }
        let last = rows.num_columns() - 1;
        let ids = self.intern(&rows.columns()[2..last], rows.num_rows())?;
        for (&id, &count) in ids.iter().zip(rows.column(last).as_primitive::<Int64Type>().values()) {
            self.held += usize::from(self.counts[id as usize] == 0 && count != 0);
            self.counts[id as usize] = count;
            self.flags[id as usize] |= CAPTURED;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.keys.bytes() + self.counts.capacity() * 8 + self.flags.capacity()
    }

    fn keys(&self) -> usize {
        self.held
    }
}
