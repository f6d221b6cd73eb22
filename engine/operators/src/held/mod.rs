//! What a recursion reads, as the rows that are there: each different row, and how often.
//!
//! A recursion computes anew from its inputs when it starts, so they are all of its state. This operator keeps one of them, sums the changes of an epoch before
//! they go in, and gives all rows again where a run starts from a checkpoint.

mod state;

use crate::{
    Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects,
    aggregate::keys::{KeyLayout, KeyRows, KeyTable},
    batches,
    summed::together,
};
use arrow::{
    array::{ArrayRef, Int64Array},
    datatypes::SchemaRef,
    error::ArrowError,
    record_batch::RecordBatch,
};
use runink_checkpoint::{KeyGroups, StateTable};
use std::sync::Arc;

/// It changed since the last capture.
const DIRTY: u8 = 1;
/// A capture has it.
const CAPTURED: u8 = 2;

/// Batches that come out are cut to that many rows.
const BATCH_ROWS: usize = 8192;

/// See the module.
pub struct HeldRows {
    step: Arc<str>,
    schema: SchemaRef,
    groups: KeyGroups,
    layout: Arc<KeyLayout>,
    /// The different rows.
    keys: KeyTable,
    key_rows: KeyRows,
    /// By key number: how often the row is there. Below zero where it was taken back before it came.
    counts: Vec<i64>,
    /// By key number.
    flags: Vec<u8>,
    held: usize,
    dirty: Vec<u32>,
    deleted: Vec<Vec<ArrayRef>>,
    /// The run starts from a checkpoint, and the rows of that have not gone out.
    owes: bool,
}

impl HeldRows {
    /// An operator that knows no row.
    ///
    /// # Errors
    /// Where a column's type cannot tell rows apart.
    pub fn new(step: &str, schema: &SchemaRef, groups: KeyGroups) -> Result<Self, OperatorError> {
        let types = schema.fields().iter().map(|f| f.data_type().clone()).collect();
        let layout = KeyLayout::new(types).map_err(|e| OperatorError::kernel(step, e))?;
        Ok(HeldRows {
            step: step.into(),
            schema: schema.clone(),
            groups,
            keys: KeyTable::new(&layout),
            layout,
            key_rows: KeyRows::default(),
            counts: Vec::new(),
            flags: Vec::new(),
            held: 0,
            dirty: Vec::new(),
            deleted: Vec::new(),
            owes: false,
        })
    }

    /// Takes the rows of an epoch; gives what they come to, what is taken back first.
    ///
    /// # Errors
    /// Where rows do not fit the schema.
    pub fn apply(&mut self, batches: &[Batch]) -> Result<Vec<Batch>, OperatorError> {
        self.changes(batches).map_err(|e| OperatorError::kernel(&self.step, e))
    }

    fn changes(&mut self, batches: &[Batch]) -> Result<Vec<Batch>, ArrowError> {
        if batches.iter().all(Batch::is_empty) {
            return Ok(Vec::new());
        }
        let (rows, diffs) = together(&self.schema, batches)?;
        let ids = self.intern(rows.columns(), rows.num_rows())?;
        let mut sums: Vec<(u32, i64)> = ids.into_iter().zip(diffs).collect();
        sums.sort_unstable_by_key(|(id, _)| *id);
        sums.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            same
        });
        let vacant = |id: u32, counts: &[i64]| counts[id as usize] == 0;
        // A row that came and went in this epoch was never there.
        sums.iter().filter(|(id, sum)| *sum == 0 && vacant(*id, &self.counts)).for_each(|(id, _)| self.keys.remove(*id));
        sums.retain(|(_, sum)| *sum != 0);
        sums.sort_by_key(|(_, sum)| *sum > 0);
        let out = self.given(&sums)?;
        let mut gone = Vec::new();
        for &(id, sum) in &sums {
            let count = &mut self.counts[id as usize];
            let was = std::mem::replace(count, count.saturating_add(sum));
            self.held = self.held + usize::from(was == 0) - usize::from(*count == 0);
            if *count == 0 {
                gone.push(id);
            } else if self.flags[id as usize] & DIRTY == 0 {
                self.flags[id as usize] |= DIRTY;
                self.dirty.push(id);
            }
        }
        self.forget(&gone)?;
        Ok(out)
    }

    /// The numbers of rows; new ones get one.
    fn intern(&mut self, columns: &[ArrayRef], rows: usize) -> Result<Vec<u32>, ArrowError> {
        self.layout.prepare(columns, rows, &mut self.key_rows)?;
        let mut ids = Vec::with_capacity(rows);
        self.keys.intern(&self.key_rows, 0..rows, &mut ids);
        self.counts.resize(self.keys.bound().max(self.counts.len()), 0);
        self.flags.resize(self.counts.len(), 0);
        Ok(ids)
    }

    /// Rows by number, each as often as is said.
    fn given(&self, sums: &[(u32, i64)]) -> Result<Vec<Batch>, ArrowError> {
        let batch = |some: &[(u32, i64)]| {
            let ids: Vec<u32> = some.iter().map(|(id, _)| *id).collect();
            let rows = RecordBatch::try_new(self.schema.clone(), self.keys.columns(&ids)?)?;
            Ok(Batch { rows, diffs: Some(Int64Array::from_iter_values(some.iter().map(|(_, sum)| *sum))), origin: None })
        };
        sums.chunks(BATCH_ROWS).map(batch).collect()
    }

    fn forget(&mut self, ids: &[u32]) -> Result<(), ArrowError> {
        let captured: Vec<u32> = ids.iter().copied().filter(|&id| self.flags[id as usize] & CAPTURED != 0).collect();
        if !captured.is_empty() {
            self.deleted.push(self.keys.columns(&captured)?);
        }
        for &id in ids {
            self.flags[id as usize] = 0;
            self.keys.remove(id);
        }
        // Numbers are used again; those in the list that are not dirty any more would make it grow for ever.
        if self.dirty.len() > BATCH_ROWS.max(2 * self.held) {
            let flags = &self.flags;
            self.dirty.retain(|&id| flags[id as usize] & DIRTY != 0);
            self.dirty.sort_unstable();
            self.dirty.dedup();
        }
        Ok(())
    }
}

impl EpochOperator for HeldRows {
    fn epoch(&mut self, mut inputs: Vec<Vec<Ordered>>, time: EpochTime, _: &mut Rejects) -> Result<Given, OperatorError> {
        let given = self.apply(&batches(inputs.pop().unwrap_or_default()))?;
        Ok(Given::of(time.ordered(given)))
    }

    fn held(&self) -> u64 {
        self.held as u64
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        Some(self)
    }

    fn resume(&mut self, _: i64, _: i64) {
        self.owes = true;
    }

    fn again(&mut self) -> Result<Vec<Batch>, OperatorError> {
        if !std::mem::take(&mut self.owes) {
            return Ok(Vec::new());
        }
        let there = |id: u32| (id, self.counts[id as usize]);
        let sums: Vec<(u32, i64)> = (0..self.counts.len() as u32).map(there).filter(|(_, count)| *count != 0).collect();
        self.given(&sums).map_err(|e| OperatorError::kernel(&self.step, e))
    }
}
