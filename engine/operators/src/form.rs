//! Changes written as rows that stay, for sinks: retractions, upserts, or what Debezium writes.
//!
//! The changes of an epoch are summed by row before they are written, and those of a key stand side by side. Keys come in the order of their first change.

use crate::{
    Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects,
    aggregate::keys::KeyLayout,
    summed::{net, numbered, together},
};
use arrow::{
    array::{Array, ArrayRef, BooleanArray, Int64Array, StringArray, StructArray, UInt32Array},
    buffer::NullBuffer,
    compute::take,
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
};
use runink_checkpoint::StateTable;
use runink_planner::{ChangeForm, FormOp, StreamKind};
use std::sync::Arc;

/// Batches that come out are cut to that many rows.
const BATCH_ROWS: usize = 8192;

/// See the module.
pub struct FormOperator {
    step: Arc<str>,
    form: ChangeForm,
    key: Vec<usize>,
    /// Rows take others back.
    changes: bool,
    input: SchemaRef,
    output: SchemaRef,
    by_key: Arc<KeyLayout>,
    by_row: Arc<KeyLayout>,
}

/// A row by its number, and how often it is added or taken back.
type Change = (u32, i64);

impl FormOperator {
    /// For rows of a kind.
    ///
    /// # Errors
    /// Where the plan does not fit its schemas.
    pub fn new(step: &str, op: &FormOp, kind: &StreamKind, input: &SchemaRef, output: &SchemaRef) -> Result<Self, OperatorError> {
        let fields = input.fields();
        if op.key.iter().any(|&k| k >= fields.len()) || op.form.fields(fields, &op.key)[..] != output.fields()[..] {
            return Err(OperatorError::plan(step, format!("changes as `{}` do not fit {output:?}", op.form.as_str())));
        }
        let layout = |columns: &mut dyn Iterator<Item = usize>| {
            KeyLayout::new(columns.map(|c| fields[c].data_type().clone()).collect()).map_err(|e| OperatorError::kernel(step, e))
        };
        Ok(FormOperator {
            step: step.into(),
            form: op.form,
            by_key: layout(&mut op.key.iter().copied())?,
            by_row: layout(&mut (0..fields.len()))?,
            key: op.key.clone(),
            changes: matches!(kind, StreamKind::Changelog { .. }),
            input: input.clone(),
            output: output.clone(),
        })
    }

    /// The rows that an epoch's changes are written as.
    ///
    /// # Errors
    /// Where rows do not fit the plan.
    pub fn write(&self, batches: &[Batch]) -> Result<Vec<Batch>, OperatorError> {
        self.written(batches).map_err(|e| OperatorError::kernel(&self.step, e))
    }

    fn written(&self, batches: &[Batch]) -> Result<Vec<Batch>, ArrowError> {
        let (rows, diffs) = together(&self.input, batches)?;
        // Rows that stay are as they are; so are those of a keyed source, each of which stands for its key.
        let changes: Vec<Change> = match self.changes {
            true => net(&self.by_row, &rows, &diffs)?,
            false => diffs.iter().enumerate().map(|(row, &diff)| (row as u32, diff)).collect(),
        };
        let keys = self.side_by_side(&rows, changes)?;
        let whole = Batch::of(match self.form {
            ChangeForm::Retract => self.retractions(&rows, &keys.concat())?,
            ChangeForm::Upsert => self.upserts(&rows, &keys.iter().flat_map(|key| newest(key)).collect::<Vec<_>>())?,
            ChangeForm::Debezium => self.envelopes(&rows, &keys.iter().flat_map(|key| paired(key)).collect::<Vec<_>>())?,
        });
        Ok((0..whole.len()).step_by(BATCH_ROWS).map(|at| whole.slice(at, BATCH_ROWS.min(whole.len() - at))).collect())
    }

    /// The changes of each key; what is taken back stands first. Rows that stay are a key each.
    fn side_by_side(&self, rows: &RecordBatch, changes: Vec<Change>) -> Result<Vec<Vec<Change>>, ArrowError> {
        if !self.changes {
            return Ok(changes.into_iter().map(|change| vec![change]).collect());
        }
        let at: UInt32Array = changes.iter().map(|c| c.0).collect::<Vec<_>>().into();
        let columns = self.key.iter().map(|&k| take(rows.column(k), &at, None)).collect::<Result<Vec<_>, _>>()?;
        let ids = numbered(&self.by_key, &columns, changes.len())?;
        let mut keys: Vec<Vec<Change>> = vec![Vec::new(); ids.iter().max().map_or(0, |&id| id as usize + 1)];
        ids.iter().zip(changes).for_each(|(&id, change)| keys[id as usize].push(change));
        keys.iter_mut().for_each(|changes| changes.sort_by_key(|c| c.1 > 0));
        Ok(keys)
    }

    fn retractions(&self, rows: &RecordBatch, changes: &[Change]) -> Result<RecordBatch, ArrowError> {
        let at: UInt32Array = changes.iter().map(|c| c.0).collect::<Vec<_>>().into();
        let mut columns = rows.columns().iter().map(|c| take(c, &at, None)).collect::<Result<Vec<_>, _>>()?;
        columns.push(Arc::new(changes.iter().map(|c| Some(c.1)).collect::<Int64Array>()));
        RecordBatch::try_new(self.output.clone(), columns)
    }

    fn upserts(&self, rows: &RecordBatch, changes: &[Change]) -> Result<RecordBatch, ArrowError> {
        let key_at: UInt32Array = changes.iter().map(|c| Some(c.0)).collect();
        let rest_at: UInt32Array = changes.iter().map(|c| (c.1 > 0).then_some(c.0)).collect();
        let column = |(i, c): (usize, &ArrayRef)| take(c, if self.key.contains(&i) { &key_at } else { &rest_at }, None);
        let mut columns = rows.columns().iter().enumerate().map(column).collect::<Result<Vec<_>, _>>()?;
        columns.push(Arc::new(changes.iter().map(|c| Some(c.1 < 0)).collect::<BooleanArray>()));
        RecordBatch::try_new(self.output.clone(), columns)
    }

    fn envelopes(&self, rows: &RecordBatch, pairs: &[(Option<u32>, Option<u32>)]) -> Result<RecordBatch, ArrowError> {
        let side = |at: UInt32Array, field: usize| -> Result<ArrayRef, ArrowError> {
            let DataType::Struct(fields) = self.output.field(field).data_type() else {
                return Err(ArrowError::SchemaError("an envelope without rows".into()));
            };
            let columns = rows.columns().iter().map(|c| take(c, &at, None)).collect::<Result<Vec<_>, _>>()?;
            let valid: NullBuffer = (0..at.len()).map(|i| at.is_valid(i)).collect();
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, Some(valid), at.len())?))
        };
        let operation = |pair: &(Option<u32>, Option<u32>)| match pair {
            (None, _) => "c",
            (_, None) => "d",
            _ => "u",
        };
        let before = side(pairs.iter().map(|c| c.0).collect(), 0)?;
        let after = side(pairs.iter().map(|c| c.1).collect(), 1)?;
        let operations: ArrayRef = Arc::new(StringArray::from_iter_values(pairs.iter().map(operation)));
        RecordBatch::try_new(self.output.clone(), vec![before, after, operations])
    }
}

/// What is new of a key, or that it is gone.
fn newest(key: &[Change]) -> Vec<Change> {
    let new: Vec<Change> = key.iter().copied().filter(|c| c.1 > 0).collect();
    if new.is_empty() { key.last().copied().into_iter().collect() } else { new }
}

/// The rows of a key that go with those that come in their place; each as often as it does.
fn paired(key: &[Change]) -> Vec<(Option<u32>, Option<u32>)> {
    let each = |sign: i64| {
        let own = key.iter().filter(move |c| c.1.signum() == sign);
        own.flat_map(|c| std::iter::repeat_n(c.0, usize::try_from(c.1.unsigned_abs()).unwrap_or(usize::MAX)))
    };
    let (mut before, mut after) = (each(-1), each(1));
    std::iter::from_fn(|| match (before.next(), after.next()) {
        (None, None) => None,
        pair => Some(pair),
    })
    .collect()
}

impl EpochOperator for FormOperator {
    fn epoch(&mut self, mut inputs: Vec<Vec<Ordered>>, time: EpochTime, _: &mut Rejects) -> Result<Given, OperatorError> {
        let rows = inputs.pop().unwrap_or_default();
        if !self.changes {
            // Rows that stay keep their order.
            let mut given = Vec::with_capacity(rows.len());
            for Ordered { batch, order } in rows {
                given.extend(self.write(&[batch])?.into_iter().map(|batch| Ordered { batch, order }));
            }
            return Ok(Given::of(given));
        }
        let rows: Vec<Batch> = rows.into_iter().map(|o| o.batch).collect();
        Ok(Given::of(time.ordered(self.write(&rows)?)))
    }

    fn held(&self) -> u64 {
        0
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        None
    }

    fn resume(&mut self, _: i64, _: i64) {}
}
