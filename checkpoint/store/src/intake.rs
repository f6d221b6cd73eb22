//! What parts have handed over and the writer has not taken yet. Worker threads hold its lock for as long as a push takes.

use arrow::record_batch::RecordBatch;
use runink_checkpoint::{Boundary, Captures, CheckpointNumber, Part, Piece, TableShape};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How many savepoints may wait to be written.
pub(crate) const SAVEPOINTS_WAITING: usize = 64;

/// What a savepoint became: its checkpoint, or why there is none.
pub(crate) type SavepointReply = crossbeam_channel::Sender<Result<CheckpointNumber, crate::StoreError>>;

/// What the writer takes at once.
pub(crate) struct Taken {
    /// What was handed over, by boundary.
    pub(crate) pieces: BTreeMap<Boundary, Vec<(Part, Piece)>>,
    /// Up to which number each sink's output is outside.
    pub(crate) committed: BTreeMap<String, CheckpointNumber>,
}

#[derive(Default)]
pub(crate) struct Handed {
    parts: BTreeMap<Part, Boundary>,
    shapes: BTreeMap<Arc<str>, TableShape>,
    waiting: BTreeMap<Boundary, Vec<(Part, Piece)>>,
    committed: BTreeMap<String, CheckpointNumber>,
    complete: Option<Boundary>,
    bytes: u64,
    /// How many bytes the writer holds, merged.
    pub(crate) merged_bytes: u64,
    pub(crate) savepoints: Vec<(String, SavepointReply)>,
    /// The last checkpoint is wanted at once.
    pub(crate) hurry: bool,
    /// The writer ends, whatever waits.
    pub(crate) stop: bool,
    /// Something came since the writer last looked.
    changed: bool,
}

impl Handed {
    pub(crate) fn complete(&self) -> Option<Boundary> {
        self.complete
    }

    pub(crate) fn nodes(&self) -> BTreeSet<Arc<str>> {
        self.parts.keys().map(|p| p.node.clone()).collect()
    }

    pub(crate) fn shapes(&self) -> &BTreeMap<Arc<str>, TableShape> {
        &self.shapes
    }

    /// What was handed over up to a boundary, and what is known to be outside.
    pub(crate) fn take(&mut self, upto: Boundary) -> Taken {
        let later = if upto == Boundary::END { BTreeMap::new() } else { self.waiting.split_off(&Boundary(upto.0 + 1)) };
        let taken = std::mem::replace(&mut self.waiting, later);
        self.bytes -= taken.values().flatten().map(|(_, piece)| size(piece)).sum::<u64>();
        Taken { pieces: taken, committed: std::mem::take(&mut self.committed) }
    }
}

fn size(piece: &Piece) -> u64 {
    let batch = |b: &Option<RecordBatch>| b.as_ref().map_or(0, RecordBatch::get_array_memory_size);
    let bytes = match piece {
        Piece::Table(change) => batch(&change.deleted) + batch(&change.upserted),
        Piece::Facts(facts) => facts.iter().map(|(name, value)| name.len() + value.len()).sum(),
        Piece::Outbox(held) => held.bytes.len(),
    };
    bytes as u64
}

/// See the module.
#[derive(Default)]
pub(crate) struct Intake {
    handed: Mutex<Handed>,
    wake: Condvar,
}

impl Intake {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Handed> {
        // Each statement leaves it whole: a panic elsewhere leaves nothing half-done behind it.
        self.handed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something and wakes the writer.
    pub(crate) fn tell(&self, change: impl FnOnce(&mut Handed)) {
        let mut handed = self.lock();
        change(&mut handed);
        handed.changed = true;
        self.wake.notify_all();
    }

    /// Waits until something comes, or for that long.
    pub(crate) fn wait(&self, at_most: Option<Duration>) {
        let handed = self.lock();
        let mut handed = match at_most {
            Some(timeout) => self.wake.wait_timeout_while(handed, timeout, |h| !h.changed).unwrap_or_else(PoisonError::into_inner).0,
            None => self.wake.wait_while(handed, |h| !h.changed).unwrap_or_else(PoisonError::into_inner),
        };
        handed.changed = false;
    }
}

impl Captures for Intake {
    fn register(&self, part: &Part, shape: Option<TableShape>) {
        let mut handed = self.lock();
        handed.parts.insert(part.clone(), Boundary(0));
        if let Some(shape) = shape {
            handed.shapes.insert(part.node.clone(), shape);
        }
    }

    fn hand_over(&self, part: &Part, boundary: Boundary, piece: Piece) {
        let bytes = size(&piece);
        let mut handed = self.lock();
        handed.bytes += bytes;
        handed.waiting.entry(boundary).or_default().push((part.clone(), piece));
    }

    fn passed(&self, part: &Part, boundary: Boundary) {
        let mut handed = self.lock();
        let passed = handed.parts.entry(part.clone()).or_default();
        if boundary <= *passed {
            return;
        }
        *passed = boundary;
        let complete = handed.parts.values().min().copied().filter(|b| *b > Boundary(0));
        if complete > handed.complete {
            handed.complete = complete;
            handed.changed = true;
            drop(handed);
            self.wake.notify_all();
        }
    }

    fn committed(&self, sink: &str, number: CheckpointNumber) {
        // It goes with the next checkpoint; there is no hurry.
        let mut handed = self.lock();
        let known = handed.committed.entry(sink.to_owned()).or_default();
        *known = number.max(*known);
    }

    fn bytes_waiting(&self) -> u64 {
        let handed = self.lock();
        handed.bytes + handed.merged_bytes
    }
}
