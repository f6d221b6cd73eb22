//! The border at which a table lies partly in memory and partly in the store alone.
//!
//! A row that was captured, and whose capture the store has written, is *clean*: the store has its newest value. Such a row may be *evicted*: the operator forgets it,
//! and fetches it again before it works on rows of its key. So an evicted row is only ever read as of a boundary at which it is known to be there; rows that are
//! newer than that are all in memory. A table that starts from a checkpoint is the same case: everything is evicted, and nothing is read but what is touched.
//!
//! What a table deletes stays in memory as a mark until the store has written the deletion: else it would come back with the next look into the store.

use crate::{Boundary, Namespace, StateError, StateTable, TableShape};
use arrow::{
    datatypes::{Schema, SchemaRef},
    record_batch::RecordBatch,
};
use std::{ops::Range, sync::Arc};

/// Takes rows, batch by batch.
pub type EachRows<'a> = dyn FnMut(RecordBatch) -> Result<(), StateError> + 'a;

/// Reads what a store has written, while a dataflow runs. Called on worker threads: it waits for the disk, and for nothing else.
pub trait StateReader: Send + Sync {
    /// Everything that was handed over up to here can be read.
    fn written(&self) -> Boundary;

    /// The latest namespace of which a node's table has rows, whatever their key groups.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn last(&self, node: &str) -> Result<Option<Namespace>, StateError>;

    /// The rows of some keys, as far as there are any, in the shape that is asked for: columns are matched by name. `keys` has `namespace: Int64`, then the key columns.
    ///
    /// # Errors
    /// Where they cannot be read, or do not fit the shape.
    fn get(&self, node: &str, shape: &TableShape, keys: &RecordBatch, each: &mut EachRows<'_>) -> Result<(), StateError>;

    /// The rows of some namespaces whose key groups lie in the range, in the shape that is asked for.
    ///
    /// # Errors
    /// Where they cannot be read, or do not fit the shape.
    fn scan(
        &self,
        node: &str,
        shape: &TableShape,
        namespaces: Range<Namespace>,
        groups: Range<u16>,
        each: &mut EachRows<'_>,
    ) -> Result<(), StateError>;
}

/// Where one table's rows lie that are not in memory.
#[derive(Clone)]
pub struct Shelf {
    reader: Arc<dyn StateReader>,
    node: Arc<str>,
    shape: TableShape,
    groups: Range<u16>,
    filled_to: Option<Namespace>,
    keys: SchemaRef,
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf")
            .field("node", &self.node)
            .field("groups", &self.groups)
            .field("filled_to", &self.filled_to)
            .finish_non_exhaustive()
    }
}

impl Shelf {
    /// The shelf of a node's table, for the worker that holds those key groups. `filled` says whether it has rows from the start.
    ///
    /// # Errors
    /// Where rows that are there cannot be read in the table's shape.
    pub fn new(
        reader: Arc<dyn StateReader>,
        node: Arc<str>,
        shape: TableShape,
        groups: Range<u16>,
        filled: bool,
    ) -> Result<Self, StateError> {
        let fields = &shape.schema.fields()[1..TableShape::LEADING + shape.key_columns];
        let mut shelf = Shelf { reader, node, groups, filled_to: None, keys: Arc::new(Schema::new(fields.to_vec())), shape };
        if filled {
            shelf.filled_to = shelf.reader.last(&shelf.node)?;
            // No key, so no row: but what does not fit is told now, and not when the first of its rows is touched.
            shelf.get(&RecordBatch::new_empty(shelf.keys.clone()), &mut |_| Ok(()))?;
        }
        Ok(shelf)
    }

    /// The latest namespace of which it has rows from the start; `None` where it has none.
    pub fn filled_to(&self) -> Option<Namespace> {
        self.filled_to
    }

    /// What the keys of [`Shelf::get`] look like.
    pub fn key_schema(&self) -> &SchemaRef {
        &self.keys
    }

    /// See [`StateReader::written`].
    pub fn written(&self) -> Boundary {
        self.reader.written()
    }

    /// See [`StateReader::get`].
    ///
    /// # Errors
    /// As there.
    pub fn get(&self, keys: &RecordBatch, each: &mut EachRows<'_>) -> Result<(), StateError> {
        self.reader.get(&self.node, &self.shape, keys, each)
    }

    /// See [`StateReader::scan`]; the worker's own rows.
    ///
    /// # Errors
    /// As there.
    pub fn scan(&self, namespaces: Range<Namespace>, each: &mut EachRows<'_>) -> Result<(), StateError> {
        self.reader.scan(&self.node, &self.shape, namespaces, self.groups.clone(), each)
    }
}

/// What a table's shelf was used for, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpillCounts {
    /// How many rows were let go from memory.
    pub evicted: u64,
    /// How many rows came back.
    pub fetched: u64,
    /// How many keys were looked up on the shelf, those that it does not have among them.
    pub looked_up: u64,
}

/// A table whose clean rows may lie in the store alone.
pub trait SpillTable: StateTable {
    /// From now on rows that are not in memory are looked up there. Called once, before the first epoch, in place of [`StateTable::restore`].
    fn shelve(&mut self, shelf: Shelf);

    /// What the last capture gave counts at that boundary.
    fn handed_over(&mut self, boundary: Boundary);

    /// Lets go of clean rows, those not used for the longest time first, until about that many bytes are free or none is left; how many bytes it freed.
    /// Called between epochs.
    ///
    /// # Errors
    /// Where what stays cannot be put together anew.
    fn evict(&mut self, bytes: usize) -> Result<usize, StateError>;

    /// An estimate of the memory that its rows take: what eviction makes less.
    fn used_bytes(&self) -> usize;

    /// What the shelf was used for.
    fn spill_counts(&self) -> SpillCounts;
}
