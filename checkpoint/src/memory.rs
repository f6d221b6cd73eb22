//! A store of checkpoints in memory: what a durable one must do, as plainly as it can be said. Tests restart scenarios from it; it keeps the newest checkpoint.
//!
//! It publishes on the worker's thread as soon as a boundary is complete, so that a run on one thread is the same each time.

use crate::{
    Boundary, Captures, CheckpointNumber, CommitPermit, EachRows, Exists, Generation, HeldOutput, Namespace, Part, Piece, Publications,
    Published, Restored, SinkOutboxes, StateChanges, StateError, StateReader, TableReplica, TableShape,
};
use arrow::record_batch::RecordBatch;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many rows a batch of restored rows has.
const ROWS_PER_BATCH: usize = 8192;

/// See the module.
pub struct MemoryStore {
    generation: Generation,
    inner: Mutex<Inner>,
    publications: Option<Arc<dyn Publications>>,
}

/// What parts handed over in an interval, by worker and node.
type Interval = BTreeMap<(usize, Arc<str>), Vec<Piece>>;

#[derive(Default)]
struct Inner {
    /// How far each part has come.
    parts: BTreeMap<Part, Boundary>,
    /// What was handed over for boundaries that are not complete.
    waiting: BTreeMap<Boundary, Interval>,
    tables: BTreeMap<Arc<str>, (TableShape, TableReplica)>,
    facts: BTreeMap<Arc<str>, BTreeMap<String, Vec<u8>>>,
    outboxes: BTreeMap<(CheckpointNumber, Arc<str>), Vec<HeldOutput>>,
    /// What the outside is known to have.
    committed: BTreeMap<String, CheckpointNumber>,
    number: CheckpointNumber,
    /// Where the last checkpoint was taken, of this generation or the one before. A run that had ended begins anew.
    last: Boundary,
    newest: Option<Arc<MemoryRestored>>,
    /// The first failure: after it nothing is published, so that nothing wrong is.
    failed: Option<String>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore { generation: Generation(1), inner: Mutex::new(Inner::default()), publications: None }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        MemoryStore::default()
    }

    /// A store of the next generation, which goes on from a checkpoint.
    ///
    /// # Errors
    /// Where the checkpoint's rows cannot be put into tables.
    pub fn from_checkpoint(checkpoint: &MemoryRestored) -> Result<Self, StateError> {
        let last = if checkpoint.boundary == Boundary::END { Boundary(0) } else { checkpoint.boundary };
        let mut inner = Inner { number: checkpoint.number, last, facts: checkpoint.facts.clone(), ..Inner::default() };
        inner.outboxes = checkpoint.outboxes.iter().map(|o| ((o.number, o.node.clone()), o.held.clone())).collect();
        for (node, (shape, rows)) in &checkpoint.tables {
            let mut replica = TableReplica::of_shape(shape)?;
            replica.apply(&StateChanges { expired: Vec::new(), deleted: None, upserted: Some(rows.clone()) })?;
            inner.tables.insert(node.clone(), (shape.clone(), replica));
        }
        Ok(MemoryStore { generation: checkpoint.generation.next(), inner: Mutex::new(inner), publications: None })
    }

    /// Tells someone of each checkpoint, on the worker's thread that completes it.
    #[must_use]
    pub fn telling(mut self, publications: Arc<dyn Publications>) -> Self {
        self.publications = Some(publications);
        self
    }

    /// Its generation.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// Where what was handed over did not fit its table.
    pub fn newest(&self) -> Result<Option<Arc<MemoryRestored>>, StateError> {
        let inner = self.inner();
        match &inner.failed {
            Some(failed) => Err(StateError::Schema(failed.clone())),
            None => Ok(inner.newest.clone()),
        }
    }
}

impl Inner {
    /// A table's contents in the shape that it has now.
    fn take_shape(&mut self, node: &Arc<str>, shape: TableShape) -> Result<(), StateError> {
        let mut replica = TableReplica::of_shape(&shape)?;
        if let Some((stored, old)) = self.tables.get(node) {
            if *stored == shape {
                return Ok(());
            }
            // Rows that cannot be read as the table is now were not restored either.
            if let Ok(adaptation) = shape.adapt_from(stored) {
                let rows = adaptation.apply(&old.rows(0..u16::MAX)?)?;
                replica.apply(&StateChanges { expired: Vec::new(), deleted: None, upserted: Some(rows) })?;
            }
        }
        self.tables.insert(node.clone(), (shape, replica));
        Ok(())
    }

    fn apply(&mut self, pieces: Interval, number: CheckpointNumber) -> Result<(), StateError> {
        let mut changes: Vec<(Arc<str>, StateChanges)> = Vec::new();
        for ((_, node), pieces) in pieces {
            for piece in pieces {
                match piece {
                    Piece::Table(change) => changes.push((node.clone(), change)),
                    Piece::Facts(facts) => self.facts.entry(node.clone()).or_default().extend(facts),
                    Piece::Outbox(held) => self.outboxes.entry((number, node.clone())).or_default().push(held),
                }
            }
        }
        // One worker's word about time holds for all: what is gone goes before what any of them has written.
        let step = |take: &dyn Fn(&StateChanges) -> StateChanges, tables: &mut BTreeMap<Arc<str>, (TableShape, TableReplica)>| {
            for (node, change) in &changes {
                let (_, replica) =
                    tables.get_mut(node).ok_or_else(|| StateError::Schema(format!("{node} was not said to have a table")))?;
                replica.apply(&take(change))?;
            }
            Ok::<_, StateError>(())
        };
        let none = || StateChanges { expired: Vec::new(), deleted: None, upserted: None };
        step(&|c| StateChanges { expired: c.expired.clone(), ..none() }, &mut self.tables)?;
        step(&|c| StateChanges { deleted: c.deleted.clone(), ..none() }, &mut self.tables)?;
        step(&|c| StateChanges { upserted: c.upserted.clone(), ..none() }, &mut self.tables)
    }

    /// Makes the checkpoint of the newest boundary that is complete, if there is one that is newer than the last.
    fn publish(&mut self, generation: Generation, wanted: &[Arc<str>]) -> Result<Option<Published>, StateError> {
        let Some(&complete) = self.parts.values().min() else { return Ok(None) };
        if complete <= self.last {
            return Ok(None);
        }
        // All parts are there: a node that is not has no part in the scenario any more.
        let nodes: BTreeSet<&Arc<str>> = self.parts.keys().map(|p| &p.node).collect();
        self.tables.retain(|node, _| nodes.contains(node));
        self.facts.retain(|node, _| nodes.contains(node));
        let number = self.number.next();
        // What is left to wait has boundaries beyond the complete one; nothing can be beyond the end.
        let later = if complete == Boundary::END { BTreeMap::new() } else { self.waiting.split_off(&Boundary(complete.0 + 1)) };
        for (_, pieces) in std::mem::replace(&mut self.waiting, later) {
            self.apply(pieces, number)?;
        }
        let committed = std::mem::take(&mut self.committed);
        self.outboxes.retain(|(number, sink), _| committed.get(&**sink).is_none_or(|done| number > done));
        let outboxes: Vec<SinkOutboxes> = self
            .outboxes
            .iter()
            .map(|((number, node), held)| SinkOutboxes { node: node.clone(), number: *number, held: held.clone() })
            .collect();
        let mut tables = BTreeMap::new();
        for (node, (shape, replica)) in &self.tables {
            tables.insert(node.clone(), (shape.clone(), replica.rows(0..u16::MAX)?));
        }
        (self.number, self.last) = (number, complete);
        let new = outboxes.iter().filter(|o| o.number == number).cloned().collect();
        self.newest =
            Some(Arc::new(MemoryRestored { generation, number, boundary: complete, facts: self.facts.clone(), tables, outboxes }));
        let permit = CommitPermit::of(Exists::seen(number), generation, generation).map_err(|e| StateError::Operator(e.to_string()))?;
        let of = |node: &Arc<str>| Some((node.clone(), self.facts.get(node)?.clone().into_iter().collect()));
        Ok(Some(Published { number, boundary: complete, outboxes: new, permit, facts: wanted.iter().filter_map(of).collect() }))
    }
}

impl Captures for MemoryStore {
    fn register(&self, part: &Part, shape: Option<TableShape>) {
        let mut inner = self.inner();
        inner.parts.insert(part.clone(), Boundary(0));
        if let Some(shape) = shape
            && let Err(error) = inner.take_shape(&part.node, shape)
        {
            inner.failed.get_or_insert(error.to_string());
        }
    }

    fn hand_over(&self, part: &Part, boundary: Boundary, piece: Piece) {
        self.inner().waiting.entry(boundary).or_default().entry((part.worker, part.node.clone())).or_default().push(piece);
    }

    fn passed(&self, part: &Part, boundary: Boundary) {
        let mut inner = self.inner();
        let passed = inner.parts.entry(part.clone()).or_default();
        *passed = boundary.max(*passed);
        if inner.failed.is_some() {
            return;
        }
        let wanted = self.publications.as_ref().map(|p| p.wants_facts_of()).unwrap_or_default();
        match inner.publish(self.generation, &wanted) {
            // Under the lock, so that no other worker tells of a later one before.
            Ok(Some(published)) => {
                if let Some(publications) = &self.publications {
                    publications.published(published);
                }
            }
            Ok(None) => {}
            Err(error) => inner.failed = Some(error.to_string()),
        }
    }

    fn committed(&self, sink: &str, number: CheckpointNumber) {
        let mut inner = self.inner();
        let known = inner.committed.entry(sink.to_owned()).or_default();
        *known = number.max(*known);
    }

    fn bytes_waiting(&self) -> u64 {
        let batch = |b: &Option<RecordBatch>| b.as_ref().map_or(0, RecordBatch::get_array_memory_size);
        let piece = |p: &Piece| match p {
            Piece::Table(change) => batch(&change.deleted) + batch(&change.upserted),
            Piece::Facts(facts) => facts.iter().map(|(name, value)| name.len() + value.len()).sum(),
            Piece::Outbox(held) => held.bytes.len(),
        };
        self.inner().waiting.values().flat_map(BTreeMap::values).flatten().map(piece).sum::<usize>() as u64
    }
}

impl StateReader for MemoryStore {
    fn written(&self) -> Boundary {
        self.inner().last
    }

    fn last(&self, node: &str) -> Result<Option<Namespace>, StateError> {
        Ok(self.inner().tables.get(node).and_then(|(_, replica)| replica.last()))
    }

    fn get(&self, node: &str, shape: &TableShape, keys: &RecordBatch, each: &mut EachRows<'_>) -> Result<(), StateError> {
        let rows = match self.inner().tables.get_mut(node) {
            Some((stored, replica)) => shape.adapt_from(stored)?.apply(&replica.get(keys)?)?,
            None => return Ok(()),
        };
        if rows.num_rows() > 0 { each(rows) } else { Ok(()) }
    }

    fn scan(
        &self,
        node: &str,
        shape: &TableShape,
        namespaces: Range<Namespace>,
        groups: Range<u16>,
        each: &mut EachRows<'_>,
    ) -> Result<(), StateError> {
        let rows = match self.inner().tables.get(node) {
            Some((stored, replica)) => shape.adapt_from(stored)?.apply(&replica.scan(&namespaces, groups)?)?,
            None => return Ok(()),
        };
        let batches = (0..rows.num_rows()).step_by(ROWS_PER_BATCH);
        batches.map(|at| rows.slice(at, ROWS_PER_BATCH.min(rows.num_rows() - at))).try_for_each(each)
    }
}

/// A checkpoint of a [`MemoryStore`].
#[derive(Debug, Clone)]
pub struct MemoryRestored {
    generation: Generation,
    number: CheckpointNumber,
    boundary: Boundary,
    facts: BTreeMap<Arc<str>, BTreeMap<String, Vec<u8>>>,
    tables: BTreeMap<Arc<str>, (TableShape, RecordBatch)>,
    outboxes: Vec<SinkOutboxes>,
}

impl Restored for MemoryRestored {
    fn boundary(&self) -> Boundary {
        self.boundary
    }

    fn number(&self) -> CheckpointNumber {
        self.number
    }

    fn tables(&self) -> Result<Vec<(Arc<str>, TableShape)>, StateError> {
        Ok(self.tables.iter().map(|(node, (shape, _))| (node.clone(), shape.clone())).collect())
    }

    fn outboxes(&self) -> Result<Vec<SinkOutboxes>, StateError> {
        Ok(self.outboxes.clone())
    }

    fn facts(&self, node: &str) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        Ok(self.facts.get(node).map(|facts| facts.iter().map(|(k, v)| (k.clone(), v.clone())).collect()).unwrap_or_default())
    }

    fn rows(
        &self,
        node: &str,
        shape: &TableShape,
        groups: Range<u16>,
        each: &mut dyn FnMut(RecordBatch) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let Some((stored, rows)) = self.tables.get(node) else { return Ok(()) };
        let adaptation = shape.adapt_from(stored)?;
        let mut replica = TableReplica::of_shape(stored)?;
        replica.apply(&StateChanges { expired: Vec::new(), deleted: None, upserted: Some(rows.clone()) })?;
        let wanted = adaptation.apply(&replica.rows(groups)?)?;
        for at in (0..wanted.num_rows()).step_by(ROWS_PER_BATCH) {
            each(wanted.slice(at, ROWS_PER_BATCH.min(wanted.num_rows() - at)))?;
        }
        Ok(())
    }
}
