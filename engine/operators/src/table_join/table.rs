//! A table of one row per key, in columns.
//!
//! Rows lie in one column store; a change appends a row and leaves the old one dead, and the store is rewritten when more rows are
//! dead than alive. Slot 0 is a row of nulls, which a left join gives where nothing matches.

use super::Found;
use crate::{Batch, hash::key_hashes};
use arrow::{
    array::{Array, ArrayRef, Int64Array, UInt16Array, UInt32Array, new_null_array},
    compute::{concat, take},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
    row::{RowConverter, Rows, SortField},
};
use runink_checkpoint::{KeyGroups, StateChanges, StateError};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// A key, as the table's converter writes it.
pub(super) type Key = Box<[u8]>;

#[derive(Clone, Copy)]
struct Entry {
    slot: u32,
    /// The watermark when it was last changed, in µs.
    touched: i64,
}

/// See the module.
pub struct KeyedTable {
    schema: SchemaRef,
    key: Vec<usize>,
    ttl_us: Option<i64>,
    /// The table is a keyed source: a row and its deletion in one epoch count in their order.
    in_order: bool,
    groups: KeyGroups,
    converter: RowConverter,
    /// One array per column; rows by slot.
    columns: Vec<ArrayRef>,
    /// Appended since the columns were last put together.
    pending: Vec<Vec<ArrayRef>>,
    slots: u32,
    entries: HashMap<Key, Entry, ahash::RandomState>,
    changed: HashSet<Key, ahash::RandomState>,
    swept: i64,
}

/// The store is rewritten when it has this many rows and more than half of them are dead.
const REWRITE_MIN_SLOTS: u32 = 4096;

impl KeyedTable {
    /// An empty table; `key` are column indices.
    ///
    /// # Errors
    /// Where a key column's type cannot be a key.
    pub fn new(schema: SchemaRef, key: Vec<usize>, ttl_us: Option<i64>, groups: KeyGroups) -> Result<Self, ArrowError> {
        let fields = key.iter().map(|&k| SortField::new(schema.field(k).data_type().clone())).collect();
        Ok(KeyedTable {
            columns: null_row(&schema),
            converter: RowConverter::new(fields)?,
            schema,
            key,
            ttl_us,
            in_order: false,
            groups,
            pending: Vec::new(),
            slots: 1,
            entries: HashMap::default(),
            changed: HashSet::default(),
            swept: i64::MIN,
        })
    }

    /// A table that is a keyed source, whose rows replace each other in their order.
    #[must_use]
    pub fn in_order(self) -> Self {
        KeyedTable { in_order: true, ..self }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// An estimate of the memory held, in bytes.
    pub fn bytes(&self) -> usize {
        let columns = self.columns.iter().chain(self.pending.iter().flatten());
        columns.map(|c| c.get_array_memory_size()).sum::<usize>() + self.entries.keys().map(|k| k.len() + 48).sum::<usize>()
    }

    /// Applies the changes of one epoch: retractions first (those of a keyed source in their order), then rows, of which the last of a key wins. Rows whose key has a null are not kept: no
    /// stream row can equal them.
    pub fn apply(&mut self, batches: Vec<Batch>, watermark: i64) -> Result<(), ArrowError> {
        self.sweep(watermark);
        for batch in batches.iter().filter(|_| !self.in_order) {
            if let Some(diffs) = &batch.diffs {
                let keys = self.keys(&self.key_columns(&batch.rows))?;
                for row in (0..batch.len()).filter(|&row| diffs.value(row) < 0) {
                    let key: Key = keys.row(row).as_ref().into();
                    if self.entries.remove(&key).is_some() {
                        self.changed.insert(key);
                    }
                }
            }
        }
        for batch in batches {
            let key_columns = self.key_columns(&batch.rows);
            let keys = self.keys(&key_columns)?;
            for row in 0..batch.len() {
                let retracted = batch.diffs.as_ref().is_some_and(|d| d.value(row) < 0);
                if key_columns.iter().any(|c| c.is_null(row)) || (retracted && !self.in_order) {
                    continue;
                }
                let key: Key = keys.row(row).as_ref().into();
                if retracted {
                    if self.entries.remove(&key).is_some() {
                        self.changed.insert(key);
                    }
                    continue;
                }
                self.changed.insert(key.clone());
                self.entries.insert(key, Entry { slot: self.slots + row as u32, touched: watermark });
            }
            self.slots += batch.len() as u32;
            self.pending.push(batch.rows.columns().to_vec());
        }
        self.rewrite_if_mostly_dead()
    }

    fn key_columns(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.key.iter().map(|&k| rows.column(k).clone()).collect()
    }

    pub(super) fn keys(&self, columns: &[ArrayRef]) -> Result<Rows, ArrowError> {
        self.converter.convert_columns(columns)
    }

    /// Whether there is a row of that key.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    /// Lets the row of a key go.
    pub(super) fn forget(&mut self, key: &Key) {
        self.entries.remove(key);
    }

    /// No capture asks what has changed.
    pub(super) fn nobody_captures(&mut self) {
        self.changed.clear();
    }

    fn alive(&self, entry: &Entry, watermark: i64) -> bool {
        self.ttl_us.is_none_or(|ttl| entry.touched.saturating_add(ttl) > watermark)
    }

    /// Lets go of what is past its time to live. What [`Self::lookup`] finds does not depend on when this runs.
    fn sweep(&mut self, watermark: i64) {
        let Some(ttl) = self.ttl_us else { return };
        if watermark < self.swept.saturating_add(ttl / 2) {
            return;
        }
        self.swept = watermark;
        let changed = &mut self.changed;
        self.entries.retain(|key, entry| {
            let alive = entry.touched.saturating_add(ttl) > watermark;
            if !alive {
                changed.insert(key.clone());
            }
            alive
        });
    }

    /// The slot of each key; slot 0 where there is none, or where the key has a null.
    ///
    /// # Errors
    /// Where the columns are not of the key's types.
    pub fn lookup(&mut self, keys: &[ArrayRef], watermark: i64) -> Result<Found, ArrowError> {
        self.put_together()?;
        let rows = self.keys(keys)?;
        let nullable = keys.iter().any(|k| k.null_count() > 0);
        let slots = rows.iter().enumerate().map(|(i, row)| {
            if nullable && keys.iter().any(|k| k.is_null(i)) {
                return 0;
            }
            self.entries.get(row.as_ref()).filter(|e| self.alive(e, watermark)).map_or(0, |e| e.slot)
        });
        Ok(Found::new(slots.collect()))
    }

    /// A column's values by slot; null for slot 0.
    ///
    /// # Errors
    /// Where the column does not exist.
    pub fn gather(&self, column: usize, found: &Found) -> Result<ArrayRef, ArrowError> {
        let column = self.columns.get(column).ok_or_else(|| ArrowError::SchemaError(format!("no table column {column}")))?;
        take(column, found.slots(), None)
    }

    fn put_together(&mut self) -> Result<(), ArrowError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        for (i, column) in self.columns.iter_mut().enumerate() {
            let parts = std::iter::once(column.as_ref()).chain(pending.iter().map(|p| p[i].as_ref())).collect::<Vec<&dyn Array>>();
            *column = concat(&parts)?;
        }
        Ok(())
    }

    fn rewrite_if_mostly_dead(&mut self) -> Result<(), ArrowError> {
        if self.slots < REWRITE_MIN_SLOTS || (self.entries.len() as u32) * 2 > self.slots {
            return Ok(());
        }
        self.put_together()?;
        let mut live = vec![0u32];
        for entry in self.entries.values_mut() {
            let slot = live.len() as u32;
            live.push(std::mem::replace(&mut entry.slot, slot));
        }
        self.slots = live.len() as u32;
        let live = UInt32Array::from(live);
        for column in &mut self.columns {
            *column = take(column, &live, None)?;
        }
        Ok(())
    }

    /// `key_group`, `namespace`, the key columns, then the others.
    pub fn state_schema(&self) -> SchemaRef {
        let place = [Field::new("key_group", DataType::UInt16, false), Field::new("namespace", DataType::Int64, false)];
        let columns = self.state_order().into_iter().map(|c| self.schema.field(c).clone().with_nullable(true));
        let touched = [Field::new("touched_us", DataType::Int64, false)];
        Arc::new(Schema::new(place.into_iter().chain(columns).chain(touched).collect::<Vec<_>>()))
    }

    fn state_order(&self) -> Vec<usize> {
        let rest = (0..self.schema.fields().len()).filter(|c| !self.key.contains(c));
        self.key.iter().copied().chain(rest).collect()
    }

    /// What changed since the last capture.
    ///
    /// # Errors
    /// Where columns cannot be put together.
    pub fn capture(&mut self) -> Result<StateChanges, StateError> {
        self.put_together()?;
        let changed = std::mem::take(&mut self.changed);
        let (mut slots, mut touched, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for key in changed {
            match self.entries.get(&key) {
                Some(entry) => {
                    slots.push(entry.slot);
                    touched.push(entry.touched);
                }
                None => gone.push(key),
            }
        }
        let deleted = if gone.is_empty() {
            None
        } else {
            let parser = self.converter.parser();
            let keys = self.converter.convert_rows(gone.iter().map(|k| parser.parse(k)))?;
            let fields = self.key.iter().map(|&k| self.schema.field(k).clone().with_nullable(true));
            let schema = Schema::new([Field::new("namespace", DataType::Int64, false)].into_iter().chain(fields).collect::<Vec<_>>());
            let namespace: ArrayRef = Arc::new(Int64Array::from(vec![0; gone.len()]));
            Some(RecordBatch::try_new(Arc::new(schema), std::iter::once(namespace).chain(keys).collect())?)
        };
        let upserted = if slots.is_empty() {
            None
        } else {
            let slots = UInt32Array::from(slots);
            let columns = self.state_order().into_iter().map(|c| take(&self.columns[c], &slots, None)).collect::<Result<Vec<_>, _>>()?;
            let mut hashes = Vec::new();
            key_hashes(&columns[..self.key.len()], &mut hashes)?;
            let groups: ArrayRef = Arc::new(hashes.iter().map(|&h| self.groups.of_hash(h).0).collect::<UInt16Array>());
            let namespace: ArrayRef = Arc::new(Int64Array::from(vec![0; slots.len()]));
            let touched: ArrayRef = Arc::new(Int64Array::from(touched));
            let all = [groups, namespace].into_iter().chain(columns).chain([touched]).collect();
            Some(RecordBatch::try_new(self.state_schema(), all)?)
        };
        Ok(StateChanges { expired: Vec::new(), deleted, upserted })
    }

    /// Takes captured rows; they count as captured.
    ///
    /// # Errors
    /// Where they have another schema.
    pub fn restore(&mut self, rows: &RecordBatch) -> Result<(), StateError> {
        if rows.schema() != self.state_schema() {
            return Err(StateError::Schema(format!("expected {:?}, found {:?}", self.state_schema(), rows.schema())));
        }
        let touched = rows.columns().last().and_then(|c| c.as_any().downcast_ref::<Int64Array>());
        let touched = touched.ok_or_else(|| StateError::Schema("touched_us is not Int64".into()))?;
        let mut columns = vec![rows.column(0).clone(); self.schema.fields().len()];
        for (at, column) in self.state_order().into_iter().enumerate() {
            columns[column] = rows.column(at + 2).clone();
        }
        let key_columns = self.key.iter().map(|&k| columns[k].clone()).collect::<Vec<_>>();
        for (i, key) in self.keys(&key_columns)?.iter().enumerate() {
            self.entries.insert(key.as_ref().into(), Entry { slot: self.slots + i as u32, touched: touched.value(i) });
        }
        self.slots += rows.num_rows() as u32;
        self.pending.push(columns);
        Ok(())
    }
}

fn null_row(schema: &SchemaRef) -> Vec<ArrayRef> {
    schema.fields().iter().map(|f| new_null_array(f.data_type(), 1)).collect()
}
