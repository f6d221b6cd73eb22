//! A table's contents put together from its captures, in memory: what a durable store would hold. Operators' tests hold their
//! captures against it, and restore from it.

use crate::{Namespace, StateChanges, StateError, StateTable, TableShape};
use arrow::{
    array::{Array, Int64Array, NullArray, UInt16Array},
    compute::{concat_batches, take_record_batch},
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
    row::{OwnedRow, RowConverter, SortField},
};
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// The contents of one table.
pub struct TableReplica {
    schema: SchemaRef,
    keys: usize,
    converter: RowConverter,
    rows: BTreeMap<(Namespace, OwnedRow), RecordBatch>,
}

impl TableReplica {
    /// An empty replica of that table.
    ///
    /// # Errors
    /// Where a key column's type has no order.
    pub fn of(table: &dyn StateTable) -> Result<Self, StateError> {
        TableReplica::of_shape(&TableShape { schema: table.schema(), key_columns: table.key_columns() })
    }

    /// An empty replica of a table of that shape.
    ///
    /// # Errors
    /// Where a key column's type has no order.
    pub fn of_shape(shape: &TableShape) -> Result<Self, StateError> {
        let (schema, keys) = (shape.schema.clone(), shape.key_columns);
        let mut fields: Vec<_> = schema.fields()[2..2 + keys].iter().map(|f| SortField::new(f.data_type().clone())).collect();
        if keys == 0 {
            // Rows of no columns cannot be counted: the one key stands in a column of nulls.
            fields.push(SortField::new(DataType::Null));
        }
        Ok(TableReplica { converter: RowConverter::new(fields)?, schema, keys, rows: BTreeMap::new() })
    }

    /// Applies a capture.
    ///
    /// # Errors
    /// Where its columns are not the table's.
    pub fn apply(&mut self, changes: &StateChanges) -> Result<(), StateError> {
        for range in &changes.expired {
            self.rows.retain(|(namespace, _), _| !(range.start <= *namespace && *namespace < range.end));
        }
        if let Some(deleted) = &changes.deleted {
            for key in self.keys_of(deleted, 0)? {
                self.rows.remove(&key);
            }
        }
        if let Some(upserted) = &changes.upserted {
            if upserted.schema() != self.schema {
                return Err(StateError::Schema(format!("expected {:?}, found {:?}", self.schema, upserted.schema())));
            }
            for (i, key) in self.keys_of(upserted, 1)?.into_iter().enumerate() {
                self.rows.insert(key, upserted.slice(i, 1));
            }
        }
        Ok(())
    }

    fn keys_of(&mut self, batch: &RecordBatch, namespace_at: usize) -> Result<Vec<(Namespace, OwnedRow)>, StateError> {
        let namespaces = batch
            .column(namespace_at)
            .as_any()
            .downcast_ref::<Int64Array>()
            .ok_or_else(|| StateError::Schema("namespace is not Int64".into()))?;
        let mut keys = batch.columns()[namespace_at + 1..namespace_at + 1 + self.keys].to_vec();
        if keys.is_empty() {
            keys.push(Arc::new(NullArray::new(batch.num_rows())));
        }
        let rows = self.converter.convert_columns(&keys)?;
        Ok(rows.iter().enumerate().map(|(i, row)| (Namespace(namespaces.value(i)), row.owned())).collect())
    }

    /// The rows whose key group lies in the range: what a worker restores.
    ///
    /// # Errors
    /// Where rows cannot be put together.
    pub fn rows(&self, groups: Range<u16>) -> Result<RecordBatch, StateError> {
        self.of_groups(&concat_batches(&self.schema, self.rows.values())?, groups)
    }

    fn of_groups(&self, all: &RecordBatch, groups: Range<u16>) -> Result<RecordBatch, StateError> {
        let group = all
            .column(0)
            .as_any()
            .downcast_ref::<UInt16Array>()
            .ok_or_else(|| ArrowError::SchemaError("key_group is not UInt16".into()))?;
        let wanted = (0..group.len() as u64).filter(|&i| groups.contains(&group.value(i as usize))).collect::<Vec<_>>();
        Ok(take_record_batch(all, &arrow::array::UInt64Array::from(wanted))?)
    }

    /// The rows of some keys, as far as there are any: what [`crate::StateReader::get`] gives.
    ///
    /// # Errors
    /// Where the keys are not the table's.
    pub fn get(&mut self, keys: &RecordBatch) -> Result<RecordBatch, StateError> {
        let keys = self.keys_of(keys, 0)?;
        Ok(concat_batches(&self.schema, keys.iter().filter_map(|key| self.rows.get(key)))?)
    }

    /// The rows of some namespaces whose key group lies in the range: what [`crate::StateReader::scan`] gives.
    ///
    /// # Errors
    /// Where rows cannot be put together.
    pub fn scan(&self, namespaces: &Range<Namespace>, groups: Range<u16>) -> Result<RecordBatch, StateError> {
        let rows = self.rows.iter().filter(|((namespace, _), _)| namespaces.contains(namespace)).map(|(_, row)| row);
        self.of_groups(&concat_batches(&self.schema, rows)?, groups)
    }

    /// The latest namespace of which it has rows: what [`crate::StateReader::last`] gives.
    pub fn last(&self) -> Option<Namespace> {
        self.rows.last_key_value().map(|((namespace, _), _)| *namespace)
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
