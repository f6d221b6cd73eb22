//! How a dataflow's parts hand over what checkpoints need, and what they start from. The border itself is `runink_checkpoint::Captures`.
//!
//! A part works through epochs in order. Before it begins an epoch of a new interval it hands over what the intervals before changed (a [`Recorder`] sees to that), and
//! as its frontier moves it says which boundaries it has passed. So no barrier travels with the data, and nothing waits for the store.

use crate::{EngineError, MemoryBudget};
use runink_checkpoint::{Boundary, Cadence, Captures, Epoch, Part, Piece, Restored, Shelf, StateError, StateReader, TableShape};
use runink_operators::OperatorError;
use runink_planner::{Op, Plan};
use std::{
    collections::BTreeMap,
    num::NonZeroU64,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// How many epochs an interval has: what is handed over is gathered over so many, and a checkpoint is at most so many behind. It is part of what checkpoints mean
/// (boundaries count intervals), so it is the same for all scenarios and never changes.
pub const EPOCHS_PER_INTERVAL: NonZeroU64 = NonZeroU64::MIN.saturating_add(7);

/// How much may wait for a slow or full disk before sources are read no further, in bytes.
const MAX_WAITING_BYTES: u64 = 512 << 20;

/// How a scenario's checkpoints are made, and the one it starts from.
#[derive(Clone)]
pub struct Checkpointing {
    /// How many epochs lie between boundaries.
    pub cadence: Cadence,
    /// Who takes what the parts hand over.
    pub captures: Arc<dyn Captures>,
    /// What it starts from; from nothing where absent.
    pub restored: Option<Arc<dyn Restored>>,
    /// Who hears how long workers stood still for what they handed over, where somebody measures it.
    pub stalls: Option<Arc<dyn Stalls>>,
    /// What the store has written: tables that can leave rows to it do so. Where absent all state is in memory.
    pub reader: Option<Arc<dyn StateReader>>,
    /// How much such tables may take in memory; as much as they like where absent.
    pub budget: Option<Arc<MemoryBudget>>,
}

/// Hears how long a part's worker stood still at a boundary. Called on worker threads.
pub trait Stalls: Send + Sync {
    /// It gathered and handed over what an interval had changed.
    fn stalled(&self, part: &Part, length: Duration);
}

impl std::fmt::Debug for Checkpointing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpointing").field("cadence", &self.cadence).finish_non_exhaustive()
    }
}

/// The node under which facts about watermarks and the clock are kept.
pub(crate) const WATERMARKS: &str = "watermarks";

/// The lasting names of each node's parts that have something to keep, by its place in the plan: what a restarted scenario is matched by. A step that needs several nodes
/// with state numbers them; a recursion keeps each of its inputs under that one's name.
pub fn lasting_names(plan: &Plan) -> Vec<Vec<Arc<str>>> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut name = |node: &runink_planner::Node| {
        let base = match &node.op {
            Op::Rows(_) | Op::Union | Op::Form(_) | Op::Output | Op::Rejected | Op::Fed(_) => return Vec::new(),
            Op::Source(_) => format!("source {}", node.name),
            Op::Sink(_) => format!("sink {}", node.name),
            _ => format!("step {}", node.name),
        };
        let nth = seen.entry(base.clone()).and_modify(|n| *n += 1).or_insert(1);
        let own = if *nth == 1 { base } else { format!("{base} ({nth})") };
        let mut names = vec![Arc::from(own.as_str())];
        if let Op::Iterate(op) = &node.op {
            names.extend((1..node.inputs.len()).map(|input| format!("{own} reads {}", op.input_name(input)).into()));
            names.extend(["gives", "rejects"].map(|what| format!("{own} {what}").into()));
        }
        names
    };
    plan.nodes.iter().map(&mut name).collect()
}

/// A call that waits until all workers have built their part of the dataflow.
enum Waiting {
    HandOver(Part, Boundary, Piece),
    Passed(Part, Boundary),
}

/// Lets nobody pass a boundary before all parts are registered.
pub(crate) struct Gate {
    checkpointing: Checkpointing,
    open: AtomicBool,
    workers_left: AtomicUsize,
    waiting: Mutex<Vec<Waiting>>,
}

impl Gate {
    pub(crate) fn new(checkpointing: Checkpointing, workers: usize) -> Self {
        Gate { checkpointing, open: AtomicBool::new(false), workers_left: AtomicUsize::new(workers), waiting: Mutex::new(Vec::new()) }
    }

    pub(crate) fn restored(&self) -> Option<&Arc<dyn Restored>> {
        self.checkpointing.restored.as_ref()
    }

    /// Where a node's table finds the rows that are not in memory; `None` where all state is in memory.
    pub(crate) fn shelf(&self, node: &Arc<str>, shape: &TableShape, groups: Range<u16>) -> Result<Option<Shelf>, StateError> {
        let Some(reader) = &self.checkpointing.reader else { return Ok(None) };
        let tables = self.restored().map_or_else(|| Ok(Vec::new()), |restored| restored.tables())?;
        let filled = tables.iter().any(|(name, _)| name == node);
        Shelf::new(reader.clone(), node.clone(), shape.clone(), groups, filled).map(Some)
    }

    pub(crate) fn budget(&self) -> Option<Arc<MemoryBudget>> {
        self.checkpointing.budget.clone()
    }

    /// The first epoch that may have rows; `last` is the last one that the checkpoint knows of. A run that had come to its end begins its next interval.
    pub(crate) fn first_epoch(&self, last: Epoch) -> Option<Epoch> {
        let cadence = self.checkpointing.cadence;
        self.restored().map(|restored| match restored.boundary() {
            Boundary::END => cadence.first_after(cadence.after(last)),
            boundary => cadence.first_after(boundary),
        })
    }

    /// How epochs are cut into intervals.
    pub(crate) fn cadence(&self) -> Cadence {
        self.checkpointing.cadence
    }

    /// Whether so much waits for the store that nothing more should be read.
    pub(crate) fn is_full(&self) -> bool {
        self.checkpointing.captures.bytes_waiting() > MAX_WAITING_BYTES
    }

    /// One worker has registered all its parts.
    pub(crate) fn built(&self) {
        if self.workers_left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for call in waiting.drain(..) {
            self.call(call);
        }
        self.open.store(true, Ordering::SeqCst);
    }

    fn say(&self, call: Waiting) {
        if !self.open.load(Ordering::SeqCst) {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            // It may have been opened while this one waited for the lock.
            if !self.open.load(Ordering::SeqCst) {
                return waiting.push(call);
            }
        }
        self.call(call);
    }

    fn call(&self, call: Waiting) {
        match call {
            Waiting::HandOver(part, boundary, piece) => self.checkpointing.captures.hand_over(&part, boundary, piece),
            Waiting::Passed(part, boundary) => self.checkpointing.captures.passed(&part, boundary),
        }
    }

    /// A node's facts in the checkpoint that the scenario starts from; none where it starts from nothing.
    pub(crate) fn facts(&self, node: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
        match self.restored() {
            None => Ok(Vec::new()),
            Some(restored) => restored.facts(node).map_err(|e| not_restored(node, e)),
        }
    }

    /// Registers a part.
    pub(crate) fn recorder(self: &Arc<Self>, node: &Arc<str>, worker: usize, shape: Option<TableShape>) -> Recorder {
        let part = Part { node: node.clone(), worker };
        self.checkpointing.captures.register(&part, shape);
        Recorder { gate: self.clone(), part, changed: None, passed: Boundary(0) }
    }
}

/// State that a checkpoint holds could not be taken.
pub(crate) fn not_restored(node: &str, source: StateError) -> EngineError {
    OperatorError::State { step: node.to_owned(), source }.into()
}

/// What one part owes to the next checkpoint.
pub(crate) struct Recorder {
    gate: Arc<Gate>,
    part: Part,
    /// Something may have changed in the interval that ends there, and has not been handed over.
    changed: Option<Boundary>,
    passed: Boundary,
}

impl Recorder {
    /// An epoch is about to be applied: what earlier intervals changed goes first. From now on the epoch's interval counts as changed.
    pub(crate) fn begin<E>(&mut self, epoch: Epoch, capture: impl FnOnce(Boundary) -> Result<Option<Piece>, E>) -> Result<(), E> {
        let boundary = self.gate.checkpointing.cadence.after(epoch);
        if self.changed.is_some_and(|changed| changed < boundary) {
            self.hand_over(capture)?;
        }
        self.changed = Some(boundary);
        Ok(())
    }

    /// No epoch before `frontier` comes any more; `None` is the end.
    pub(crate) fn reach<E>(
        &mut self,
        frontier: Option<Epoch>,
        capture: impl FnOnce(Boundary) -> Result<Option<Piece>, E>,
    ) -> Result<(), E> {
        let passed = self.gate.checkpointing.cadence.passed(frontier);
        if self.changed.is_some_and(|changed| changed <= passed) {
            self.hand_over(capture)?;
        }
        if passed > self.passed {
            self.passed = passed;
            self.gate.say(Waiting::Passed(self.part.clone(), passed));
        }
        Ok(())
    }

    fn hand_over<E>(&mut self, capture: impl FnOnce(Boundary) -> Result<Option<Piece>, E>) -> Result<(), E> {
        let Some(boundary) = self.changed else { return Ok(()) };
        let stalls = self.gate.checkpointing.stalls.clone().map(|stalls| (stalls, Instant::now()));
        let piece = capture(boundary)?;
        self.changed = None;
        if let Some(piece) = piece {
            self.gate.say(Waiting::HandOver(self.part.clone(), boundary, piece));
        }
        if let Some((stalls, begun)) = stalls {
            stalls.stalled(&self.part, begun.elapsed());
        }
        Ok(())
    }
}
