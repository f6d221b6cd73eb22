//! A scenario as the engine runs it: the spec that all workers share, and the handle of whoever started it.

use crate::{
    Checkpointing, Clock, EngineError, Epoch, MetricsSnapshot, SystemClock,
    checkpoints::{Gate, WATERMARKS, lasting_names, not_restored},
    clock::EpochClock,
    group::{Command, CommandSender},
    lookup::NotRead,
    metrics::Metrics,
    watermark::Watermarks,
};
use runink_checkpoint::KeyGroups;
use runink_connector_api::{Delivery, EpochBy, Lookup, Registry, Sink, SinkConfig, SinkWriter, Source, SourceConfig};
use runink_operators::{Batch, RejectedRow};
use runink_planner::{NodeId, Op, Plan, StreamKind};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Sees what a node gives, batch by batch. Called on worker threads: it must be quick.
pub trait Tap: Send + Sync {
    /// Rows of an epoch.
    fn observe(&self, epoch: Epoch, batch: &Batch);
}

/// Sees the watermarks of sources as they move. Called on one worker's thread: it must be quick.
pub trait WatermarkTap: Send + Sync {
    /// From this epoch on a source's watermark stands there, in µs; `i64::MAX` when the source has ended.
    fn observe(&self, epoch: Epoch, source: NodeId, watermark_us: i64);
}

/// How a scenario runs.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long an epoch is where the clock cuts them.
    pub epoch_tick: Duration,
    /// How many rows a source's batch should have at most.
    pub batch_rows: usize,
    /// How many epochs one worker's reader may be ahead of the slowest operator: what bounds rows in flight.
    pub epochs_in_flight: usize,
    /// How many key groups its state has.
    pub key_groups: KeyGroups,
    /// How many rejected rows are kept to be shown.
    pub rejects_shown: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            epoch_tick: Duration::from_millis(10),
            batch_rows: 8192,
            epochs_in_flight: 4,
            key_groups: KeyGroups::default(),
            rejects_shown: 10,
        }
    }
}

/// A plan with its sources and sinks opened.
pub struct ScenarioSpec {
    /// What to build.
    pub plan: Plan,
    /// Its sources, by node.
    pub sources: BTreeMap<NodeId, Arc<dyn Source>>,
    /// Whom its joins ask, by the source that stands for it: these sources are not read. Where one is absent, its source is a table that is.
    pub lookups: BTreeMap<NodeId, Arc<dyn Lookup>>,
    /// Its sinks, by node.
    pub sinks: BTreeMap<NodeId, Arc<dyn Sink>>,
    /// Who watches which node.
    pub taps: BTreeMap<NodeId, Arc<dyn Tap>>,
    /// Who watches the reject stream.
    pub rejected_tap: Option<Arc<dyn Tap>>,
    /// Who watches the watermarks.
    pub watermark_tap: Option<Arc<dyn WatermarkTap>>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// How it runs.
    pub settings: Settings,
    /// How its checkpoints are made; it makes none where absent. Its sources and sinks were opened for it ([`Durability::Checkpoints`]).
    pub checkpoints: Option<Checkpointing>,
}

/// What a scenario's sources and sinks are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// One run, from the start to the end.
    None,
    /// Runs that go on where the one before stopped: sources say how far they are read, sinks hold their output back.
    Checkpoints,
}

impl ScenarioSpec {
    /// A spec of sources and sinks that are open already.
    pub fn new(plan: Plan, sources: BTreeMap<NodeId, Arc<dyn Source>>, sinks: BTreeMap<NodeId, Arc<dyn Sink>>) -> Self {
        ScenarioSpec {
            plan,
            sources,
            lookups: BTreeMap::new(),
            sinks,
            taps: BTreeMap::new(),
            rejected_tap: None,
            watermark_tap: None,
            clock: Arc::new(SystemClock),
            settings: Settings::default(),
            checkpoints: None,
        }
    }

    /// Opens the plan's sources and sinks. Sources first: a sink is touched only when everything that is read is there.
    ///
    /// # Errors
    /// Where one cannot be opened, or cannot do what `durability` asks.
    pub fn open(plan: Plan, registry: &Registry, base_dir: &Path, durability: Durability) -> Result<Self, EngineError> {
        let checkpoints = durability == Durability::Checkpoints;
        let settings = Settings::default();
        let find = |name: &str, connector: &str| {
            registry
                .get(connector)
                .cloned()
                .ok_or_else(|| EngineError::NoConnector { name: name.to_owned(), connector: connector.to_owned() })
        };
        let mut sources: BTreeMap<NodeId, Arc<dyn Source>> = BTreeMap::new();
        let mut lookups = BTreeMap::new();
        let mut sinks = BTreeMap::new();
        for (id, node) in plan.nodes.iter().enumerate() {
            if let Op::Source(op) = &node.op {
                let config = SourceConfig {
                    name: node.name.clone(),
                    options: op.options.clone(),
                    base_dir: base_dir.to_owned(),
                    schema: Some(op.full_schema.clone()),
                    projection: op.projection.clone(),
                    predicates: op.predicates.clone(),
                    key: match &node.kind {
                        StreamKind::Upsert { key } => key.clone(),
                        StreamKind::AppendOnly | StreamKind::Changelog { .. } => Vec::new(),
                    },
                    time_column: node.time.as_ref().map(|t| node.schema.field(t.column).name().clone()),
                    batch_rows: settings.batch_rows,
                };
                let failed = |error| EngineError::Connector { name: node.name.clone(), error };
                let connector = find(&node.name, &op.connector)?;
                if op.lookup {
                    lookups.insert(NodeId(id), connector.lookup(config).map_err(failed)?);
                    sources.insert(NodeId(id), Arc::new(NotRead));
                    continue;
                }
                let source = connector.source(config).map_err(failed)?;
                if checkpoints && !source.resumable() {
                    return Err(EngineError::NotResumable { name: node.name.clone() });
                }
                sources.insert(NodeId(id), source);
            }
        }
        for (id, node) in plan.nodes.iter().enumerate() {
            if let Op::Sink(op) = &node.op {
                let input = node.inputs.first().map(|&i| plan.node(i));
                let config = SinkConfig {
                    name: node.name.clone(),
                    options: op.options.clone(),
                    base_dir: base_dir.to_owned(),
                    schema: node.schema.clone(),
                    key: op.key.clone(),
                    changelog: input.is_some_and(|i| matches!(i.kind, StreamKind::Changelog { .. })),
                    checkpoints,
                };
                let opened = find(&node.name, &op.connector)?.sink(config);
                let sink = opened.map_err(|error| EngineError::Connector { name: node.name.clone(), error })?;
                // What is complete only at the end would be lost with the process, and not written again.
                if checkpoints && sink.delivery() == Delivery::Atomic {
                    return Err(EngineError::NotInParts { name: node.name.clone() });
                }
                sinks.insert(NodeId(id), sink);
            }
        }
        Ok(ScenarioSpec { settings, lookups, ..ScenarioSpec::new(plan, sources, sinks) })
    }

    /// Whether one of its sinks is of that connector.
    pub fn writes_to(&self, connector: &str) -> bool {
        self.plan.nodes.iter().any(|n| matches!(&n.op, Op::Sink(sink) if sink.connector == connector))
    }

    /// What cuts the epochs: the clock, as soon as one source needs it.
    pub(crate) fn epoch_by(&self) -> EpochBy {
        let clock = self.sources.values().any(|s| s.epoch_by() == EpochBy::Clock);
        if clock { EpochBy::Clock } else { EpochBy::Volume }
    }
}

/// Whether a stop lets open windows close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Drain {
    /// What is closed goes out; what is open is let go.
    No,
    /// As if the input had ended: every window closes.
    Yes,
}

/// How a scenario came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Its input ended.
    Completed,
    /// It was stopped.
    Stopped,
}

/// What is left when a scenario has ended well.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Outcome {
    /// Why it ended.
    pub ending: Ending,
    /// Its counters.
    pub metrics: MetricsSnapshot,
}

/// What all workers of a scenario share.
pub(crate) struct Shared {
    pub(crate) spec: ScenarioSpec,
    pub(crate) epoch_by: EpochBy,
    pub(crate) epochs: EpochClock,
    pub(crate) metrics: Metrics,
    /// Where parts hand over what checkpoints need.
    pub(crate) gate: Option<Arc<Gate>>,
    names: Vec<Vec<Arc<str>>>,
    start: Watermarks,
    pub(crate) rejected: AtomicU64,
    shown: Mutex<Vec<RejectedRow>>,
    failed: AtomicBool,
    stopped: AtomicBool,
    workers_left: AtomicUsize,
    writers: Mutex<Vec<(usize, Box<dyn SinkWriter>)>>,
    result: Mutex<Option<Result<Outcome, EngineError>>>,
    ended: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these guard is whole after every statement: a panic elsewhere leaves nothing half-done behind it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// # Errors
    /// Where the checkpoint that it starts from cannot be read.
    pub(crate) fn new(spec: ScenarioSpec, workers: usize) -> Result<Self, EngineError> {
        let tick_us = i64::try_from(spec.settings.epoch_tick.as_micros()).unwrap_or(i64::MAX);
        let metrics = Metrics::of(&spec.plan);
        for (id, source) in &spec.sources {
            if let (Some(counters), Some(total)) = (metrics.source(id.0), source.total_bytes()) {
                counters.total_bytes.store(total, Ordering::Relaxed);
            }
        }
        let mut start = Watermarks::new();
        for (id, node) in spec.plan.nodes.iter().enumerate() {
            if let Op::Source(op) = &node.op {
                let partitions = spec.sources.get(&NodeId(id)).map_or(1, |s| s.partitions());
                start.add(id, &node.name, partitions, op.lateness_us, op.advance_when_idle);
            }
        }
        let gate = spec.checkpoints.clone().map(|checkpointing| Arc::new(Gate::new(checkpointing, workers)));
        let facts = gate.as_ref().map_or(Ok(Vec::new()), |gate| gate.facts(WATERMARKS))?;
        // Epochs go on where they were: the clock counts them from when the first of all began.
        let start_us = start.restore(&facts).map_err(|e| not_restored(WATERMARKS, e))?.unwrap_or_else(|| spec.clock.now_us());
        Ok(Shared {
            epoch_by: spec.epoch_by(),
            epochs: EpochClock { start_us, tick_us },
            metrics,
            gate,
            names: lasting_names(&spec.plan),
            start,
            spec,
            rejected: AtomicU64::new(0),
            shown: Mutex::new(Vec::new()),
            failed: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            workers_left: AtomicUsize::new(workers),
            writers: Mutex::new(Vec::new()),
            result: Mutex::new(None),
            ended: Condvar::new(),
        })
    }

    /// What a node's state and positions are kept under.
    pub(crate) fn lasting_name(&self, id: NodeId) -> Option<Arc<str>> {
        self.lasting_part(id, 0)
    }

    /// What the state of one of a node's parts is kept under.
    pub(crate) fn lasting_part(&self, id: NodeId, part: usize) -> Option<Arc<str>> {
        self.names.get(id.0)?.get(part).cloned()
    }

    /// Where watermarks and the clock stand before the first epoch.
    pub(crate) fn start_marks(&self) -> &Watermarks {
        &self.start
    }

    /// Stops the scenario with an error; the first one counts.
    pub(crate) fn fail(&self, error: EngineError) {
        if !self.failed.swap(true, Ordering::SeqCst) {
            lock(&self.writers).clear();
            self.finish(Err(error));
        }
    }

    pub(crate) fn fail_routing(&self, step: &str, message: &str) {
        self.fail(EngineError::Routing { step: step.to_owned(), message: message.to_owned() });
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    pub(crate) fn mark_stopped(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Keeps some rejected rows to be shown.
    pub(crate) fn show_rejects(&self, rows: &[RejectedRow]) {
        self.rejected.fetch_add(rows.len() as u64, Ordering::Relaxed);
        let mut shown = lock(&self.shown);
        let room = self.spec.settings.rejects_shown.saturating_sub(shown.len());
        shown.extend(rows.iter().take(room).cloned());
    }

    /// A writer has had all its rows. It is finished when every worker's part of the dataflow is complete.
    pub(crate) fn writer_done(&self, node: usize, writer: Box<dyn SinkWriter>) {
        lock(&self.writers).push((node, writer));
    }

    /// One worker's part is complete; the last one finishes the sinks.
    pub(crate) fn worker_done(&self) {
        if self.workers_left.fetch_sub(1, Ordering::SeqCst) != 1 || self.has_failed() {
            return;
        }
        let mut writers = std::mem::take(&mut *lock(&self.writers));
        writers.sort_by_key(|(node, _)| *node);
        for (node, writer) in writers {
            match writer.finish() {
                Ok(summary) => {
                    if let Some(counters) = self.metrics.sink(node) {
                        counters.bytes.fetch_add(summary.bytes, Ordering::Relaxed);
                    }
                }
                Err(error) => return self.fail(EngineError::Connector { name: self.spec.plan.nodes[node].name.clone(), error }),
            }
        }
        let ending = if self.stopped.load(Ordering::SeqCst) { Ending::Stopped } else { Ending::Completed };
        self.finish(Ok(Outcome { ending, metrics: self.snapshot() }));
    }

    fn finish(&self, result: Result<Outcome, EngineError>) {
        lock(&self.result).get_or_insert(result);
        self.ended.notify_all();
    }

    pub(crate) fn snapshot(&self) -> MetricsSnapshot {
        self.metrics.snapshot(self.rejected.load(Ordering::Relaxed))
    }
}

/// Stops a scenario with an error from outside its dataflow, as long as it is there: the scenario holds the store, the store whoever commits.
pub(crate) struct Failing(Weak<Shared>);

impl Failing {
    pub(crate) fn fail(&self, error: EngineError) {
        if let Some(shared) = self.0.upgrade() {
            shared.fail(error);
        }
    }
}

/// Watches, stops and awaits one scenario. Dropping it stops the scenario at once.
pub struct ScenarioHandle {
    id: u64,
    shared: Arc<Shared>,
    commands: CommandSender,
}

impl ScenarioHandle {
    pub(crate) fn new(id: u64, shared: Arc<Shared>, commands: CommandSender) -> Self {
        ScenarioHandle { id, shared, commands }
    }

    /// For whoever finds out later that it cannot go on.
    pub(crate) fn failing(&self) -> Failing {
        Failing(Arc::downgrade(&self.shared))
    }

    /// Its counters now.
    pub fn metrics(&self) -> MetricsSnapshot {
        self.shared.snapshot()
    }

    /// The first rejected rows, up to [`Settings::rejects_shown`].
    pub fn rejects_shown(&self) -> Vec<RejectedRow> {
        lock(&self.shared.shown).clone()
    }

    /// Asks it to end cleanly: sources stop, sinks are completed. Returns at once.
    pub fn stop(&self, drain: Drain) {
        self.commands.send(Command::Stop(self.id, drain));
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        lock(&self.shared.result).is_some()
    }

    /// Waits until it ends, or for that long; tells whether it has ended.
    pub fn wait_for(&self, timeout: Duration) -> bool {
        let result = lock(&self.shared.result);
        let waited = self.shared.ended.wait_timeout_while(result, timeout, |r| r.is_none());
        waited.map_or_else(|p| p.into_inner().0.is_some(), |(result, _)| result.is_some())
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// What stopped it.
    pub fn wait(self) -> Result<Outcome, EngineError> {
        let mut result = lock(&self.shared.result);
        while result.is_none() {
            result = self.shared.ended.wait(result).unwrap_or_else(PoisonError::into_inner);
        }
        result.take().unwrap_or_else(|| Err(EngineError::GroupStopped("the scenario's end was lost".into())))
    }
}

impl Drop for ScenarioHandle {
    fn drop(&mut self) {
        self.commands.send(Command::Drop(self.id));
    }
}
