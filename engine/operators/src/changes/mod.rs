//! A keyed source as a changelog: a row takes the one before it with the same key back.
//!
//! Of the rows of a key in one epoch the last one counts, in the order of the source; a row that says the same as the one before it changes nothing. A row
//! that is taken back (a deletion) leaves nothing in its place. Null is a key like others.

mod spill;
mod state;

use crate::{
    Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects,
    aggregate::{
        emit::equal_rows,
        keys::{KeyLayout, KeyRows, KeyTable},
        store::RowStore,
    },
    batches,
};
use arrow::{
    array::{ArrayRef, BooleanArray, Int64Array, UInt32Array},
    buffer::BooleanBuffer,
    compute::{concat_batches, filter_record_batch, take_record_batch},
    datatypes::SchemaRef,
    error::ArrowError,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use datafusion_common::DataFusionError;
use runink_checkpoint::{KeyGroups, StateTable};
use runink_planner::ChangesOp;
use spill::Spill;
use std::{collections::BTreeMap, sync::Arc};

/// The key has a row.
const LIVE: u8 = 1;
/// It changed since the last capture.
const DIRTY: u8 = 2;
/// A capture has it.
const CAPTURED: u8 = 4;
/// It has its entry in the calendar.
const SCHEDULED: u8 = 8;
/// Where rows may lie in the store alone: it was looked up.
const KNOWN: u8 = 16;
/// It is gone, and stands here until the store has written that it is.
const GONE: u8 = 32;

const NO_ROW: u32 = u32::MAX;

/// Batches that come out are cut to that many rows.
const BATCH_ROWS: usize = 8192;

/// See the module.
pub struct ChangesOperator {
    step: Arc<str>,
    schema: SchemaRef,
    key: Vec<usize>,
    ttl: Option<i64>,
    groups: KeyGroups,
    layout: Arc<KeyLayout>,
    keys: KeyTable,
    rows: RowStore,
    /// By key number.
    flags: Vec<u8>,
    /// By key number: when its row came, in event time (the clock's until that is known).
    touched: Vec<i64>,
    live: usize,
    dirty: Vec<u32>,
    deleted: Vec<Vec<ArrayRef>>,
    calendar: BTreeMap<i64, Vec<u32>>,
    in_event_time: bool,
    /// Where rows may lie in the store alone.
    spill: Option<Spill>,
    key_rows: KeyRows,
    /// Scratch, by key number: its last row of this epoch, from 1; 0 where it is taken back, and [`NO_ROW`] outside of an epoch.
    last: Vec<u32>,
}

/// The list of changed keys is looked through when it has this many, and twice as many as there are keys.
const DIRTY_MIN: usize = 1024;

impl ChangesOperator {
    /// An operator that knows no row.
    ///
    /// # Errors
    /// Where the plan does not fit its schema.
    pub fn new(step: &str, op: &ChangesOp, schema: &SchemaRef, groups: KeyGroups) -> Result<Self, OperatorError> {
        if let Some(&key) = op.key.iter().find(|&&k| k >= schema.fields().len()) {
            return Err(OperatorError::plan(step, format!("key column {key} of {}", schema.fields().len())));
        }
        let types = op.key.iter().map(|&k| schema.field(k).data_type().clone()).collect();
        let layout = KeyLayout::new(types).map_err(|e| OperatorError::kernel(step, e))?;
        Ok(ChangesOperator {
            step: step.into(),
            schema: schema.clone(),
            key: op.key.clone(),
            ttl: op.ttl_us,
            groups,
            keys: KeyTable::new(&layout),
            layout,
            rows: RowStore::new(schema.fields().iter().map(|f| f.data_type().clone()).collect()),
            flags: Vec::new(),
            touched: Vec::new(),
            live: 0,
            dirty: Vec::new(),
            deleted: Vec::new(),
            calendar: BTreeMap::new(),
            in_event_time: false,
            spill: None,
            key_rows: KeyRows::default(),
            last: Vec::new(),
        })
    }

    /// Takes the rows of an epoch in their order; gives what changed, what is taken back first. `watermark` is the epoch's, `clock_us` its wall clock.
    ///
    /// # Errors
    /// Where rows do not fit the schema.
    pub fn apply(&mut self, batches: &[Batch], watermark: i64, clock_us: i64) -> Result<Vec<Batch>, OperatorError> {
        let ids = self.intern(batches).map_err(|e| OperatorError::kernel(&self.step, e))?;
        self.fetch(&ids).map_err(|source| OperatorError::State { step: self.step.to_string(), source })?;
        self.changes(batches, &ids, watermark, clock_us).map_err(|e| OperatorError::kernel(&self.step, e))
    }

    /// The numbers of the rows' keys.
    fn intern(&mut self, batches: &[Batch]) -> Result<Vec<u32>, ArrowError> {
        let mut ids = Vec::with_capacity(batches.iter().map(Batch::len).sum());
        for batch in batches {
            let columns: Vec<ArrayRef> = self.key.iter().map(|&k| batch.rows.column(k).clone()).collect();
            self.intern_rows(&columns, batch.len(), &mut ids)?;
        }
        Ok(ids)
    }

    fn intern_rows(&mut self, key: &[ArrayRef], rows: usize, ids: &mut Vec<u32>) -> Result<(), ArrowError> {
        self.layout.prepare(key, rows, &mut self.key_rows)?;
        self.keys.intern(&self.key_rows, 0..rows, ids);
        self.flags.resize(self.keys.bound().max(self.flags.len()), 0);
        self.touched.resize(self.flags.len(), i64::MIN);
        Ok(())
    }

    fn changes(&mut self, batches: &[Batch], ids: &[u32], watermark: i64, clock_us: i64) -> Result<Vec<Batch>, DataFusionError> {
        self.enter_event_time(watermark);
        let now = if self.in_event_time { watermark } else { clock_us };
        let mut out = Vec::new();
        if !ids.is_empty() {
            self.take(batches, ids, now, &mut out)?;
        }
        self.age(now, watermark, &mut out)?;
        if self.dirty.len() > DIRTY_MIN.max(2 * self.keys.bound()) {
            let flags = &self.flags;
            self.dirty.retain(|&id| flags[id as usize] & DIRTY != 0);
            self.dirty.sort_unstable();
            self.dirty.dedup();
        }
        Ok(out)
    }

    fn take(&mut self, batches: &[Batch], ids: &[u32], now: i64, out: &mut Vec<Batch>) -> Result<(), DataFusionError> {
        let rows = concat_batches(&self.schema, batches.iter().map(|b| &b.rows))?;
        let gone = batches.iter().flat_map(|b| (0..b.len()).map(|row| b.diffs.as_ref().is_some_and(|d| d.value(row) < 0)));
        let mut last = std::mem::take(&mut self.last);
        last.resize(self.keys.bound().max(last.len()), NO_ROW);
        // Keys in the order of their first rows.
        let mut order = Vec::new();
        for ((row, &id), gone) in ids.iter().enumerate().zip(gone) {
            if last[id as usize] == NO_ROW {
                order.push(id);
            }
            last[id as usize] = if gone { 0 } else { row as u32 + 1 };
        }
        let old = self.rows.get(&order)?;
        let had = BooleanBuffer::collect_bool(order.len(), |i| self.flags[order[i] as usize] & LIVE != 0);
        let has = BooleanBuffer::collect_bool(order.len(), |i| last[order[i] as usize] != 0);
        let new: UInt32Array = order.iter().map(|&id| last[id as usize].checked_sub(1)).collect();
        order.iter().for_each(|&id| last[id as usize] = NO_ROW);
        self.last = last;
        let new = take_record_batch(&rows, &new)?;
        let same = &(&equal_rows(&old, new.columns(), order.len())? & &had) & &has;
        let (back, forth) = (&had & &!&same, &has & &!&same);
        self.give(old, &back, -1, out)?;
        let (wanted, given) = (BooleanArray::new(forth.clone(), None), forth.count_set_bits() > 0);
        let put = filter_record_batch(&new, &wanted)?;
        if given {
            self.give(new.columns().to_vec(), &forth, 1, out)?;
        }
        let came: Vec<u32> = forth.set_indices().map(|i| order[i]).collect();
        self.rows.put(&came, put.columns().to_vec())?;
        for (i, &id) in order.iter().enumerate() {
            if has.value(i) {
                self.live(id, now, forth.value(i));
            }
        }
        let vacant: Vec<u32> = (0..order.len()).filter(|&i| !has.value(i)).map(|i| order[i]).collect();
        self.forget(&vacant)
    }

    /// A key has a row that came now; `changed`: another than before.
    fn live(&mut self, id: u32, now: i64, changed: bool) {
        let flags = &mut self.flags[id as usize];
        self.live += usize::from(*flags & LIVE == 0);
        *flags = (*flags | LIVE) & !GONE;
        self.touched[id as usize] = now;
        // When a row came counts only where it ages.
        if (changed || self.ttl.is_some()) && *flags & DIRTY == 0 {
            *flags |= DIRTY;
            self.dirty.push(id);
        }
        if let Some(ttl) = self.ttl.filter(|_| self.flags[id as usize] & SCHEDULED == 0) {
            self.flags[id as usize] |= SCHEDULED;
            self.calendar.entry(now.saturating_add(ttl)).or_default().push(id);
        }
    }

    fn forget(&mut self, ids: &[u32]) -> Result<(), DataFusionError> {
        let captured: Vec<u32> = ids.iter().copied().filter(|&id| self.flags[id as usize] & (CAPTURED | GONE) == CAPTURED).collect();
        if !captured.is_empty() {
            self.deleted.push(self.keys.columns(&captured)?);
        }
        for &id in ids {
            let flags = std::mem::take(&mut self.flags[id as usize]);
            self.live -= usize::from(flags & LIVE != 0);
            // Its entry in the calendar stays; whoever gets the number next has it.
            self.flags[id as usize] = flags & SCHEDULED;
            self.rows.forget(id);
            match &mut self.spill {
                Some(spill) if flags & CAPTURED != 0 => {
                    self.flags[id as usize] |= KNOWN | CAPTURED | GONE;
                    if flags & GONE == 0 {
                        spill.stamp(&[id], spill.shelved.next_capture());
                    }
                }
                _ => self.keys.remove(id),
            }
        }
        Ok(())
    }

    /// Event time becomes known: what came before counts as coming now.
    fn enter_event_time(&mut self, watermark: i64) {
        if self.in_event_time || watermark == i64::MIN || watermark == i64::MAX {
            return;
        }
        self.in_event_time = true;
        let Some(ttl) = self.ttl else { return };
        self.touched.fill(watermark);
        for id in 0..self.flags.len() as u32 {
            if self.flags[id as usize] & (LIVE | DIRTY) == LIVE {
                self.flags[id as usize] |= DIRTY;
                self.dirty.push(id);
            }
        }
        let all: Vec<u32> = std::mem::take(&mut self.calendar).into_values().flatten().collect();
        if !all.is_empty() {
            self.calendar.insert(watermark.saturating_add(ttl), all);
        }
    }

    /// Takes rows back that are past their time.
    fn age(&mut self, now: i64, watermark: i64, out: &mut Vec<Batch>) -> Result<(), DataFusionError> {
        let Some(ttl) = self.ttl.filter(|_| watermark != i64::MAX) else { return Ok(()) };
        let mut gone = Vec::new();
        while let Some(first) = self.calendar.first_entry() {
            if *first.key() > now {
                break;
            }
            for id in first.remove() {
                let due = self.touched[id as usize].saturating_add(ttl);
                if self.flags[id as usize] & LIVE == 0 {
                    self.flags[id as usize] &= !SCHEDULED;
                } else if due <= now {
                    self.flags[id as usize] &= !SCHEDULED;
                    gone.push(id);
                } else {
                    self.calendar.entry(due).or_default().push(id);
                }
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        let rows = self.rows.get(&gone)?;
        self.give(rows, &BooleanBuffer::new_set(gone.len()), -1, out)?;
        self.forget(&gone)
    }

    /// Gives rows out, those that `wanted` says.
    fn give(&self, columns: Vec<ArrayRef>, wanted: &BooleanBuffer, diff: i64, out: &mut Vec<Batch>) -> Result<(), DataFusionError> {
        let options = RecordBatchOptions::new().with_row_count(Some(wanted.len()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        let rows = filter_record_batch(&rows, &BooleanArray::new(wanted.clone(), None))?;
        let whole = Batch { diffs: Some(Int64Array::from_value(diff, rows.num_rows())), rows, origin: None };
        out.extend((0..whole.len()).step_by(BATCH_ROWS).map(|at| whole.slice(at, BATCH_ROWS.min(whole.len() - at))));
        Ok(())
    }

    /// How many keys have a row.
    pub fn held(&self) -> u64 {
        self.live as u64
    }
}

impl EpochOperator for ChangesOperator {
    fn epoch(&mut self, mut inputs: Vec<Vec<Ordered>>, time: EpochTime, _: &mut Rejects) -> Result<Given, OperatorError> {
        let given = self.apply(&batches(inputs.pop().unwrap_or_default()), time.watermark, time.clock_us)?;
        Ok(Given::of(time.ordered(given)))
    }

    fn held(&self) -> u64 {
        ChangesOperator::held(self)
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        Some(self)
    }

    fn resume(&mut self, watermark: i64, _: i64) {
        self.in_event_time |= watermark != i64::MIN && watermark != i64::MAX;
    }
}
