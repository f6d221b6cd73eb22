//! A table's shape, and how rows of an older shape are read as rows of the one that the table has now.

use crate::StateError;
use arrow::{
    array::new_null_array,
    datatypes::SchemaRef,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use std::sync::Arc;

/// What a table looks like: what its rows are stored and matched by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableShape {
    /// See [`crate::StateTable::schema`].
    pub schema: SchemaRef,
    /// See [`crate::StateTable::key_columns`].
    pub key_columns: usize,
}

/// How rows of a stored shape become rows of the present one.
#[derive(Debug, Clone)]
pub struct Adaptation {
    schema: SchemaRef,
    /// For each present column the stored one; `None` where it is new.
    from: Vec<Option<usize>>,
}

impl TableShape {
    /// How many columns stand before the key: `key_group` and `namespace`.
    pub const LEADING: usize = 2;

    /// Columns are matched by name. A value column that is new is null, one that is gone is left out; a key must be the same.
    ///
    /// # Errors
    /// Where a column has another type now, the key has other columns, or a new column may not be null.
    pub fn adapt_from(&self, stored: &TableShape) -> Result<Adaptation, StateError> {
        let keys = Self::LEADING + self.key_columns;
        let names = |shape: &TableShape| -> Vec<String> {
            let fields = shape.schema.fields().iter().take(Self::LEADING + shape.key_columns);
            fields.map(|f| format!("{} {}", f.name(), f.data_type())).collect()
        };
        let (now, then) = (names(self), names(stored));
        if now != then {
            let key = |names: &[String]| names.get(Self::LEADING..).unwrap_or_default().join(", ");
            return Err(StateError::Schema(format!("the key was ({}), it is ({}) now", key(&then), key(&now))));
        }
        let mut from: Vec<Option<usize>> = (0..keys).map(Some).collect();
        for field in self.schema.fields().iter().skip(keys) {
            let found = stored.schema.fields().iter().enumerate().skip(keys).find(|(_, f)| f.name() == field.name());
            match found {
                Some((at, then)) if then.data_type() == field.data_type() => from.push(Some(at)),
                Some((_, then)) => {
                    let (name, then, now) = (field.name(), then.data_type(), field.data_type());
                    return Err(StateError::Schema(format!("column `{name}` was {then}, it is {now} now")));
                }
                None if field.is_nullable() => from.push(None),
                None => {
                    return Err(StateError::Schema(format!("column `{}` is new and has no value in the rows that are kept", field.name())));
                }
            }
        }
        Ok(Adaptation { schema: self.schema.clone(), from })
    }
}

impl Adaptation {
    /// Rows of the stored shape as rows of the present one.
    ///
    /// # Errors
    /// Where the rows are not of the stored shape.
    pub fn apply(&self, rows: &RecordBatch) -> Result<RecordBatch, StateError> {
        let columns = self.from.iter().zip(self.schema.fields()).map(|(from, field)| match from {
            Some(at) if *at < rows.num_columns() => Ok(rows.column(*at).clone()),
            Some(at) => Err(StateError::Schema(format!("row has no column {at}"))),
            None => Ok(new_null_array(field.data_type(), rows.num_rows())),
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::{
        array::{Array, Int64Array, UInt16Array},
        datatypes::{DataType, Field, Schema},
    };

    fn shape(columns: &[(&str, DataType, bool)], key_columns: usize) -> TableShape {
        let mut fields = vec![Field::new("key_group", DataType::UInt16, false), Field::new("namespace", DataType::Int64, false)];
        fields.extend(columns.iter().map(|(name, data_type, nullable)| Field::new(*name, data_type.clone(), *nullable)));
        TableShape { schema: Arc::new(Schema::new(fields)), key_columns }
    }

    #[test]
    fn value_columns_are_matched_by_name() {
        let then = shape(&[("k", DataType::Int64, false), ("gone", DataType::Int64, true), ("kept", DataType::Int64, true)], 1);
        let now = shape(&[("k", DataType::Int64, false), ("kept", DataType::Int64, true), ("new", DataType::Utf8, true)], 1);
        let column = |v: i64| Arc::new(Int64Array::from(vec![v])) as _;
        let group = Arc::new(UInt16Array::from(vec![1])) as _;
        let rows = RecordBatch::try_new(then.schema.clone(), vec![group, column(0), column(5), column(6), column(7)]).unwrap();
        let adapted = now.adapt_from(&then).unwrap().apply(&rows).unwrap();
        assert_eq!(adapted.schema(), now.schema);
        assert_eq!(adapted.column(3).as_any().downcast_ref::<Int64Array>().unwrap().value(0), 7);
        assert!(adapted.column(4).is_null(0));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let said = |now: &TableShape, then: &TableShape| now.adapt_from(then).unwrap_err().to_string();
        let then = shape(&[("k", DataType::Int64, false), ("v", DataType::Int64, true)], 1);
        let typed = shape(&[("k", DataType::Int64, false), ("v", DataType::Utf8, true)], 1);
        assert_eq!(said(&typed, &then), "state does not fit: column `v` was Int64, it is Utf8 now");
        let keyed = shape(&[("other", DataType::Int64, false), ("v", DataType::Int64, true)], 1);
        assert_eq!(said(&keyed, &then), "state does not fit: the key was (k Int64), it is (other Int64) now");
        let strict = shape(&[("k", DataType::Int64, false), ("v", DataType::Int64, true), ("w", DataType::Int64, false)], 1);
        assert_eq!(said(&strict, &then), "state does not fit: column `w` is new and has no value in the rows that are kept");
    }
}
