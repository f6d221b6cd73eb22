//! A checkpoint, open for reading: what a dataflow starts from, and what `runi checkpoint` looks into.

use crate::{
    StoreError, codec,
    database::{Database, Each},
    layout::{self, Names, NodeNumber, OutboxPlace, ShapeNumber},
    manifest::Manifest,
};
use arrow::{
    array::{ArrayRef, Int64Array, UInt16Array},
    datatypes::{FieldRef, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use runink_checkpoint::{
    Adaptation, Boundary, CheckpointNumber, EachRows, HeldOutput, Namespace, Restored, SinkOutboxes, StateError, TableShape,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

/// How many rows a batch has.
const ROWS_PER_BATCH: usize = 8192;

/// See the module.
pub struct Checkpoint {
    /// `None` once everything was restored from it.
    database: RwLock<Option<Arc<Database>>>,
    names: Names,
    outboxes: BTreeSet<OutboxPlace>,
    manifest: Manifest,
}

impl Checkpoint {
    /// Opens the files of a checkpoint in a folder that nobody writes to.
    pub(crate) fn open(folder: &Path, manifest: Manifest) -> Result<Self, StoreError> {
        let database = Database::open_read_only(folder)?;
        let mut names = Names::default();
        database.scan(Names::keys(), &mut |key, value| names.read(key, value))?;
        let mut outboxes = BTreeSet::new();
        database.scan(layout::all_outboxes(), &mut |key, _| {
            outboxes.insert(OutboxPlace::read(key)?);
            Ok(())
        })?;
        Ok(Checkpoint { database: RwLock::new(Some(Arc::new(database))), names, outboxes, manifest })
    }

    /// The database, for as long as it is read.
    pub(crate) fn database(&self) -> Result<Arc<Database>, StoreError> {
        let open = self.database.read().unwrap_or_else(PoisonError::into_inner).clone();
        open.ok_or_else(|| {
            StoreError::NotThere(format!("checkpoint {} open any more: a newer one has been published", self.manifest.number))
        })
    }

    /// Everything was restored: the files are let go, so that the disk does not keep what the database has long merged.
    pub(crate) fn close(&self) {
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn outbox_places(&self) -> &BTreeSet<OutboxPlace> {
        &self.outboxes
    }

    /// What its manifest says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The names of all nodes that have a table, facts or outboxes.
    pub fn nodes(&self) -> Vec<Arc<str>> {
        self.names.nodes().map(|(name, _)| name.clone()).collect()
    }

    /// The newest shape of a node's table.
    pub fn shape(&self, node: &str) -> Option<TableShape> {
        let number = self.names.node(node)?;
        self.names.shapes_of(number).next_back().map(|(_, shape)| shape.clone())
    }

    /// The keys of a node's rows.
    pub(crate) fn keys_of_rows(&self, node: &str) -> Option<Range<Vec<u8>>> {
        self.names.node(node).map(layout::rows_of)
    }

    /// How many rows a node has.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn count_rows(&self, node: &str) -> Result<u64, StoreError> {
        let mut rows = 0;
        if let Some(keys) = self.keys_of_rows(node) {
            let database = self.database()?;
            let mut entries = database.entries(keys);
            while entries.here()?.is_some() {
                rows += 1;
                entries.go_on();
            }
        }
        Ok(rows)
    }

    fn scan_facts(&self, node: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.names.node(node).map_or(Ok(Vec::new()), |number| facts(&*self.database()?, number))
    }

    fn scan_outboxes(&self) -> Result<Vec<SinkOutboxes>, StoreError> {
        outboxes(&*self.database()?, &self.names, CheckpointNumber(0))
    }

    fn scan_rows(&self, node: &str, shape: &TableShape, groups: &Range<u16>, each: &mut EachRows<'_>) -> Result<(), Either> {
        let Some(number) = self.names.node(node) else { return Ok(()) };
        let database = self.database()?;
        rows((&self.names, number, node), shape, groups, &mut |entry| database.scan(layout::rows_of(number), entry), each)
    }

    /// Reads every entry and every row: whether all of it can be understood. How many rows there are.
    pub(crate) fn check(&self) -> Result<u64, StoreError> {
        let mut rows = 0;
        for node in self.nodes() {
            self.scan_facts(&node)?;
            if let Some(shape) = self.shape(&node) {
                let each = &mut |batch: RecordBatch| {
                    rows += batch.num_rows() as u64;
                    Ok(())
                };
                self.scan_rows(&node, &shape, &(0..u16::MAX), each).map_err(|e| e.into_store(&node))?;
            }
        }
        self.scan_outboxes()?;
        Ok(rows)
    }
}

/// Rows of a node as batches of the shape that is asked for: those of the groups among the entries that `entries` calls with.
pub(crate) fn rows(
    (names, number, node): (&Names, NodeNumber, &str),
    shape: &TableShape,
    groups: &Range<u16>,
    entries: &mut dyn FnMut(&mut Each<'_>) -> Result<(), StoreError>,
    each: &mut EachRows<'_>,
) -> Result<(), Either> {
    let mut readers: BTreeMap<ShapeNumber, Reader> = BTreeMap::new();
    for (stored, of) in names.shapes_of(number) {
        readers.insert(stored, Reader::new(node, shape, of)?);
    }
    let mut failed = None;
    entries(&mut |key, value| {
        let (group, stored, encoded) = layout::read_row_value(value)?;
        if failed.is_some() || !groups.contains(&group) {
            return Ok(());
        }
        let (namespace, key) = layout::read_row_key(key)?;
        let reader = readers.get_mut(&stored).ok_or_else(|| unknown_shape(node, stored))?;
        if reader.push(group, namespace, key, encoded) == ROWS_PER_BATCH
            && let Err(error) = reader.give(each)
        {
            failed = Some(error);
        }
        Ok(())
    })?;
    match failed {
        Some(error) => Err(error),
        None => readers.values_mut().try_for_each(|r| r.give(each)),
    }
}

fn unknown_shape(node: &str, stored: ShapeNumber) -> StoreError {
    StoreError::damaged(format!("a row of `{node}`"), format!("it has shape {}, which is not there", stored.0))
}

/// The outboxes with numbers above `after`.
pub(crate) fn outboxes(database: &Database, names: &Names, after: CheckpointNumber) -> Result<Vec<SinkOutboxes>, StoreError> {
    let mut found: BTreeMap<(CheckpointNumber, Arc<str>), Vec<HeldOutput>> = BTreeMap::new();
    database.scan(layout::all_outboxes(), &mut |key, value| {
        let place = OutboxPlace::read(key)?;
        if place.number > after {
            let name = names.name(place.node).ok_or_else(|| StoreError::damaged("an outbox", "its sink is not known"))?;
            found.entry((place.number, name)).or_default().push(layout::read_outbox_value(value)?);
        }
        Ok(())
    })?;
    Ok(found.into_iter().map(|((number, node), held)| SinkOutboxes { node, number, held }).collect())
}

/// The facts of a node.
pub(crate) fn facts(database: &Database, node: NodeNumber) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let mut facts = Vec::new();
    database.scan(layout::facts_of(node), &mut |key, value| {
        facts.push((layout::read_fact_key(key)?, value.to_vec()));
        Ok(())
    })?;
    Ok(facts)
}

/// What goes wrong while rows are read: in the store, or at whoever takes them.
pub(crate) enum Either {
    Store(StoreError),
    State(StateError),
}

impl From<StoreError> for Either {
    fn from(error: StoreError) -> Self {
        Either::Store(error)
    }
}

impl From<StateError> for Either {
    fn from(error: StateError) -> Self {
        Either::State(error)
    }
}

impl From<Either> for StateError {
    fn from(either: Either) -> Self {
        match either {
            Either::State(error) => error,
            Either::Store(error) => read_failed(&error),
        }
    }
}

impl Either {
    fn into_store(self, node: &str) -> StoreError {
        match self {
            Either::Store(error) => error,
            Either::State(source) => StoreError::State { node: node.to_owned(), source },
        }
    }
}

fn read_failed(error: &StoreError) -> StateError {
    StateError::Unread(error.to_string())
}

/// Rows of one stored shape on their way into batches of the shape that is asked for.
struct Reader {
    node: String,
    stored: TableShape,
    key_fields: Vec<FieldRef>,
    value_fields: Vec<FieldRef>,
    adaptation: Adaptation,
    groups: Vec<u16>,
    namespaces: Vec<i64>,
    keys: Arena,
    values: Arena,
}

/// Byte strings one after the other.
#[derive(Default)]
struct Arena {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Arena {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    fn all(&self) -> Vec<&[u8]> {
        let mut from = 0;
        self.ends
            .iter()
            .map(|&end| {
                let bytes = &self.bytes[from..end];
                from = end;
                bytes
            })
            .collect()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl Reader {
    fn new(node: &str, asked: &TableShape, stored: &TableShape) -> Result<Self, StateError> {
        let fields = stored.schema.fields();
        let keys = TableShape::LEADING + stored.key_columns;
        Ok(Reader {
            node: node.to_owned(),
            key_fields: fields.iter().take(keys).skip(TableShape::LEADING).cloned().collect(),
            value_fields: fields.iter().skip(keys).cloned().collect(),
            adaptation: asked.adapt_from(stored)?,
            stored: stored.clone(),
            groups: Vec::new(),
            namespaces: Vec::new(),
            keys: Arena::default(),
            values: Arena::default(),
        })
    }

    /// Takes a row; how many there are now.
    fn push(&mut self, group: u16, namespace: Namespace, key: &[u8], value: &[u8]) -> usize {
        self.groups.push(group);
        self.namespaces.push(namespace.0);
        self.keys.push(key);
        self.values.push(value);
        self.groups.len()
    }

    fn give(&mut self, each: &mut dyn FnMut(RecordBatch) -> Result<(), StateError>) -> Result<(), Either> {
        if self.groups.is_empty() {
            return Ok(());
        }
        let damaged = |source| StoreError::Value { node: self.node.clone(), source };
        let rows = self.groups.len();
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(UInt16Array::from(std::mem::take(&mut self.groups))),
            Arc::new(Int64Array::from(std::mem::take(&mut self.namespaces))),
        ];
        columns.extend(codec::decode(&self.key_fields, &self.keys.all()).map_err(damaged)?);
        columns.extend(codec::decode(&self.value_fields, &self.values.all()).map_err(damaged)?);
        self.keys.clear();
        self.values.clear();
        let batch = batch_of(&self.stored.schema, columns, rows)?;
        Ok(each(self.adaptation.apply(&batch)?)?)
    }
}

fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, StateError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

impl Restored for Checkpoint {
    fn boundary(&self) -> Boundary {
        self.manifest.boundary
    }

    fn number(&self) -> CheckpointNumber {
        self.manifest.number
    }

    fn tables(&self) -> Result<Vec<(Arc<str>, TableShape)>, StateError> {
        Ok(self.nodes().into_iter().filter_map(|node| self.shape(&node).map(|shape| (node, shape))).collect())
    }

    fn outboxes(&self) -> Result<Vec<SinkOutboxes>, StateError> {
        self.scan_outboxes().map_err(|e| read_failed(&e))
    }

    fn facts(&self, node: &str) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        self.scan_facts(node).map_err(|e| read_failed(&e))
    }

    fn rows(
        &self,
        node: &str,
        shape: &TableShape,
        groups: Range<u16>,
        each: &mut dyn FnMut(RecordBatch) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        Ok(self.scan_rows(node, shape, &groups, each)?)
    }
}
