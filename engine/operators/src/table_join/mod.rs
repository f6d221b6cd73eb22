//! A stream looked up in a table: each stream row meets the table's row of its key, as the table is at the row's epoch.
//!
//! Table changes of an epoch are applied before its stream rows. A key has at most one row, so the stream's rows never multiply.

mod table;

pub use table::KeyedTable;

use crate::{Batch, OperatorError, rows::Expression};
use arrow::{
    array::{Array, ArrayRef, BooleanArray},
    buffer::BooleanBuffer,
    compute::kernels::cmp::eq,
    datatypes::SchemaRef,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use runink_checkpoint::{KeyGroups, StateChanges, StateError, StateTable};
use runink_planner::{TableJoinKind, TableJoinOp};

/// See the module.
pub struct TableJoinOperator {
    step: String,
    kind: TableJoinKind,
    /// Stream columns in the order of the table's key.
    stream_key: Vec<usize>,
    /// Further equal pairs, beyond the key.
    extra: Vec<(usize, usize)>,
    condition: Option<(Expression, SchemaRef)>,
    table_columns: Vec<usize>,
    output: SchemaRef,
    table: KeyedTable,
}

impl TableJoinOperator {
    /// A join with an empty table.
    ///
    /// # Errors
    /// Where the plan does not fit its schemas: the equal pairs must cover the table's key.
    pub fn new(
        step: &str,
        op: &TableJoinOp,
        stream: &SchemaRef,
        table: &SchemaRef,
        output: &SchemaRef,
        groups: KeyGroups,
    ) -> Result<Self, OperatorError> {
        let stream_key = op
            .table_key
            .iter()
            .map(|key| op.on.iter().find(|(_, t)| t == key).map(|(s, _)| *s))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| OperatorError::plan(step, "the join's equal columns do not cover the table's key"))?;
        for (&s, &t) in stream_key.iter().zip(&op.table_key) {
            if stream.field(s).data_type() != table.field(t).data_type() {
                return Err(OperatorError::plan(step, format!("join of {} with {}", stream.field(s), table.field(t))));
            }
        }
        let used = |s: usize, t: usize| op.table_key.iter().zip(&stream_key).any(|(&k, &sk)| k == t && sk == s);
        let condition = match &op.condition {
            None => None,
            Some((expr, schema)) => Some((Expression::compile(step, expr, schema)?, schema.clone())),
        };
        Ok(TableJoinOperator {
            step: step.to_owned(),
            kind: op.kind,
            extra: op.on.iter().copied().filter(|&(s, t)| !used(s, t)).collect(),
            stream_key,
            condition,
            table_columns: op.table_columns.clone(),
            output: output.clone(),
            table: KeyedTable::new(table.clone(), op.table_key.clone(), op.ttl_us, groups)
                .map_err(|e| OperatorError::kernel(step, e))?,
        })
    }

    /// Takes the table's changes of one epoch. `watermark` is W of the epoch before, in µs: a row's age counts from it.
    ///
    /// # Errors
    /// Where rows do not fit the table.
    pub fn apply_table(&mut self, batches: Vec<Batch>, watermark: i64) -> Result<(), OperatorError> {
        self.table.apply(batches, watermark).map_err(|e| OperatorError::kernel(&self.step, e))
    }

    /// Joins stream rows with the table as it is now; `None` where none go on.
    ///
    /// # Errors
    /// Where a kernel fails.
    pub fn probe(&mut self, batch: Batch, watermark: i64) -> Result<Option<Batch>, OperatorError> {
        let step = self.step.clone();
        self.join(batch, watermark).map_err(|e| OperatorError::kernel(&step, e))
    }

    fn join(&mut self, batch: Batch, watermark: i64) -> Result<Option<Batch>, datafusion_common::DataFusionError> {
        let keys: Vec<ArrayRef> = self.stream_key.iter().map(|&c| batch.rows.column(c).clone()).collect();
        let mut found = self.table.lookup(&keys, watermark)?;
        for &(stream, table) in &self.extra {
            let other = self.table.gather(table, &found)?;
            found.keep(&eq(batch.rows.column(stream), &other)?);
        }
        if let Some((condition, schema)) = &self.condition {
            let mut columns = batch.rows.columns().to_vec();
            for column in 0..schema.fields().len() - columns.len() {
                columns.push(self.table.gather(column, &found)?);
            }
            let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
            let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
            let held = condition.evaluate(&rows)?;
            match held.as_any().downcast_ref::<BooleanArray>() {
                Some(held) => found.keep(held),
                None => return Err(datafusion_common::DataFusionError::Internal("a join condition that is not Boolean".into())),
            }
        }
        let wanted = match self.kind {
            TableJoinKind::Left => None,
            TableJoinKind::Inner | TableJoinKind::Semi => Some(found.mask()),
            TableJoinKind::Anti => Some(arrow::compute::not(&found.mask())?),
        };
        let (batch, found) = match &wanted {
            Some(mask) if mask.true_count() < batch.len() => (batch.filter(mask)?, found.filter(mask)?),
            _ => (batch, found),
        };
        if batch.is_empty() {
            return Ok(None);
        }
        let mut columns = batch.rows.columns().to_vec();
        for &column in &self.table_columns {
            columns.push(self.table.gather(column, &found)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
        let rows = RecordBatch::try_new_with_options(self.output.clone(), columns, &options)?;
        Ok(Some(Batch { rows, ..batch }))
    }
}

/// For each stream row: the table slot it met, if any.
pub struct Found {
    /// Slot 0 is the row of nulls.
    slots: arrow::array::UInt32Array,
}

impl Found {
    /// Of slot numbers.
    pub fn new(slots: Vec<u32>) -> Self {
        Found { slots: slots.into() }
    }

    /// Forgets the matches for which the mask is not true.
    fn keep(&mut self, mask: &BooleanArray) {
        let slots = self.slots.values().iter().enumerate().map(|(i, &s)| if mask.is_valid(i) && mask.value(i) { s } else { 0 });
        self.slots = slots.collect::<Vec<_>>().into();
    }

    /// Which rows met one.
    fn mask(&self) -> BooleanArray {
        BooleanArray::new(BooleanBuffer::collect_bool(self.slots.len(), |i| self.slots.value(i) != 0), None)
    }

    fn filter(&self, mask: &BooleanArray) -> Result<Found, arrow::error::ArrowError> {
        let slots = arrow::compute::filter(&self.slots, mask)?;
        Ok(Found { slots: slots.as_any().downcast_ref().cloned().unwrap_or_else(|| Vec::<u32>::new().into()) })
    }

    /// The slots.
    pub fn slots(&self) -> &arrow::array::UInt32Array {
        &self.slots
    }
}

impl StateTable for TableJoinOperator {
    fn schema(&self) -> SchemaRef {
        self.table.state_schema()
    }
    fn key_columns(&self) -> usize {
        self.stream_key.len()
    }
    fn capture(&mut self) -> Result<StateChanges, StateError> {
        self.table.capture()
    }
    fn restore(&mut self, rows: &RecordBatch) -> Result<(), StateError> {
        self.table.restore(rows)
    }
    fn bytes(&self) -> usize {
        self.table.bytes()
    }
    fn keys(&self) -> usize {
        self.table.len()
    }
}
