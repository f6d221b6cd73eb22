//! A stream looked up in a table: each stream row meets the table's row of its key, as the table is at the row's epoch.
//!
//! Table changes of an epoch are applied before its stream rows. A key has at most one row, so the stream's rows never multiply.

mod lookup;
mod table;

pub use lookup::{LookupJoin, Outside};
pub use table::KeyedTable;

use crate::{
    Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects, batches,
    rows::{Expression, RowFailure, reject_failures},
};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray},
    buffer::BooleanBuffer,
    compute::{filter_record_batch, kernels::cmp::eq},
    datatypes::SchemaRef,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use datafusion_common::DataFusionError;
use runink_checkpoint::{KeyGroups, StateChanges, StateError, StateTable};
use runink_planner::{TableJoinKind, TableJoinOp};
use std::sync::Arc;

/// See the module.
pub struct TableJoinOperator {
    step: Arc<str>,
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
            step: step.into(),
            kind: op.kind,
            extra: op.on.iter().copied().filter(|&(s, t)| !used(s, t)).collect(),
            stream_key,
            condition,
            table_columns: op.table_columns.clone(),
            output: output.clone(),
            table: KeyedTable::new(table.clone(), op.table_key.clone(), op.ttl_us, groups).map_err(|e| OperatorError::kernel(step, e))?,
        })
    }

    /// A join with a keyed source as its table: a row and its deletion in one epoch count in their order.
    #[must_use]
    pub fn of_keyed_source(self) -> Self {
        TableJoinOperator { table: self.table.in_order(), ..self }
    }

    /// Takes the table's changes of one epoch. `watermark` is W of the epoch before, in µs: a row's age counts from it.
    ///
    /// # Errors
    /// Where rows do not fit the table.
    pub fn apply_table(&mut self, batches: Vec<Batch>, watermark: i64) -> Result<(), OperatorError> {
        self.table.apply(batches, watermark).map_err(|e| OperatorError::kernel(&self.step, e))
    }

    /// Joins stream rows with the table as it is now; `None` where none go on. A row on which the condition fails is rejected.
    ///
    /// # Errors
    /// Where a kernel fails without a row to blame.
    pub fn probe(&mut self, batch: Batch, watermark: i64, rejects: &mut Rejects) -> Result<Option<Batch>, OperatorError> {
        let step = self.step.clone();
        let kernel = |e| OperatorError::kernel(&step, e);
        let mut found = self.look_up(&batch, watermark).map_err(kernel)?;
        let failures = self.apply_condition(&batch, &mut found).map_err(kernel)?;
        if failures.is_empty() {
            return self.give(batch, found).map_err(kernel);
        }
        let mut good = vec![true; batch.len()];
        failures.iter().for_each(|f| good[f.row] = false);
        let found = found.filter(&BooleanArray::from(good)).map_err(|e| kernel(e.into()))?;
        let (batch, _) = reject_failures(&step, failures, batch, rejects)?;
        self.give(batch, found).map_err(kernel)
    }

    fn look_up(&mut self, batch: &Batch, watermark: i64) -> Result<Found, DataFusionError> {
        let keys: Vec<ArrayRef> = self.stream_key.iter().map(|&c| batch.rows.column(c).clone()).collect();
        let mut found = self.table.lookup(&keys, watermark)?;
        for &(stream, table) in &self.extra {
            let other = self.table.gather(table, &found)?;
            found.keep(&eq(batch.rows.column(stream), &other)?);
        }
        Ok(found)
    }

    /// Forgets the matches for which the condition is not true. Gives the rows on which it fails.
    fn apply_condition(&self, batch: &Batch, found: &mut Found) -> Result<Vec<RowFailure>, DataFusionError> {
        let Some((condition, schema)) = &self.condition else { return Ok(Vec::new()) };
        let mut columns = batch.rows.columns().to_vec();
        for column in 0..schema.fields().len() - columns.len() {
            columns.push(self.table.gather(column, found)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
        let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
        if let Ok(held) = condition.evaluate(&rows) {
            found.keep(boolean(&held)?);
            return Ok(Vec::new());
        }
        // Rows that met nothing are not asked: the condition is about pairs.
        let met: Vec<usize> = (0..found.slots.len()).filter(|&row| found.slots.value(row) != 0).collect();
        let pairs = filter_record_batch(&rows, &found.mask())?;
        let failures = condition.failures(&pairs);
        let mut good = vec![true; pairs.num_rows()];
        failures.iter().for_each(|f| good[f.row] = false);
        let held = condition.evaluate(&filter_record_batch(&pairs, &BooleanArray::from(good.clone()))?)?;
        let held = boolean(&held)?;
        let mut held = held.iter();
        let mut holds = vec![false; batch.len()];
        for (&row, _) in met.iter().zip(good).filter(|(_, good)| *good) {
            holds[row] = held.next().flatten().unwrap_or(false);
        }
        found.keep(&BooleanArray::from(holds));
        let place = |f: RowFailure| RowFailure { row: met[f.row], message: format!("the join's condition: {}", f.message) };
        Ok(failures.into_iter().map(place).collect())
    }

    fn give(&self, batch: Batch, found: Found) -> Result<Option<Batch>, DataFusionError> {
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

fn boolean(held: &ArrayRef) -> Result<&BooleanArray, DataFusionError> {
    held.as_boolean_opt().ok_or_else(|| DataFusionError::Internal("a join condition that is not Boolean".into()))
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

impl EpochOperator for TableJoinOperator {
    /// Input 0 is the stream, input 1 the table.
    fn epoch(&mut self, inputs: Vec<Vec<Ordered>>, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        let mut inputs = inputs.into_iter();
        let (stream, table) = (inputs.next().unwrap_or_default(), inputs.next().unwrap_or_default());
        if !table.is_empty() {
            self.apply_table(batches(table), time.before)?;
        }
        let mut given = Given::default();
        for Ordered { batch, order } in stream {
            let (came, rejected) = (batch.len(), rejects.len());
            let joined = self.probe(batch, time.before, rejects)?;
            let went = joined.as_ref().map_or(0, Batch::len);
            given.filtered += (came - went - (rejects.len() - rejected)) as u64;
            given.batches.extend(joined.map(|batch| Ordered { batch, order }));
        }
        Ok(given)
    }

    fn held(&self) -> u64 {
        self.keys() as u64
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        Some(self)
    }

    /// What is looked up next depends on the table alone.
    fn resume(&mut self, _: i64, _: i64) {}
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
