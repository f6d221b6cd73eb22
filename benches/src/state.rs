//! State beside memory: what a budget costs, and how long a start takes by how much there is to go on from.
//!
//! The scenario counts and sums by key for ever; each key has a row before anything is measured. Checkpoints are made as `runi run --state` makes them, into a folder of this machine.

use crate::{
    child::Scratch,
    run::{BenchError, broken, plan},
};
use arrow::{
    array::{ArrayRef, Int64Array, TimestampMicrosecondArray},
    record_batch::RecordBatch,
};
use runink_checkpoint::{Cadence, Fenced, Publications, Published, Restored};
use runink_connector_api::{Ordinal, Positions, Source};
use runink_engine::{
    Batch, Checkpointing, EPOCHS_PER_INTERVAL, Epoch, GroupConfig, MemoryBudget, ScenarioSpec, StepSnapshot, Tap, WorkerGroup,
    testing::{Event, ScriptedSource},
};
use runink_planner::{NodeId, Op};
use runink_store::{Settings, Store};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

const TEXT: &str = "Feature: State
  Scenario: State
    @source(name=rows, type=memory)
    @step(name=Totals)
      @do aggregate n = count(*), total = sum(value) by key keep for ever
";
const STEP: &str = "Totals";
const BATCH_ROWS: u64 = 8192;
const BATCHES_PER_EPOCH: usize = 4;
/// How long the last checkpoint may take.
const LAST_CHECKPOINT: Duration = Duration::from_secs(300);

static LIVES: AtomicU32 = AtomicU32::new(0);

/// Nobody waits for checkpoints here.
struct Nobody;

impl Publications for Nobody {
    fn published(&self, _: Published) {}
    fn fenced(&self, _: Fenced) {}
    fn failed(&self, _: &str) {}
}

/// Counts what comes out, and says when the first did.
#[derive(Default)]
struct Out {
    rows: AtomicU64,
    first: Mutex<Option<Instant>>,
}

impl Tap for Out {
    fn observe(&self, _: Epoch, batch: &Batch) {
        if self.rows.fetch_add(batch.len() as u64, Relaxed) == 0 {
            self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        }
    }
}

/// Which rows come.
#[derive(Debug, Clone, Copy)]
pub enum Rows {
    /// One for each key.
    Each(u64),
    /// That many, of keys that look drawn from so many, evenly.
    Random {
        /// How many rows.
        rows: u64,
        /// Of how many keys.
        keys: u64,
    },
}

fn mixed(i: u64) -> u64 {
    let x = (i ^ (i >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB)) >> 16
}

impl Rows {
    fn count(self) -> u64 {
        match self {
            Rows::Each(rows) | Rows::Random { rows, .. } => rows,
        }
    }

    fn batches(self, columns: &[usize]) -> Result<Vec<RecordBatch>, BenchError> {
        let schema = Arc::new(crate::data::schema().project(columns).map_err(broken)?);
        let key = |i: u64| match self {
            Rows::Each(_) => i as i64,
            Rows::Random { keys, .. } => (mixed(i) % keys) as i64,
        };
        let batch = |start: usize| {
            let range = start as u64..self.count().min(start as u64 + BATCH_ROWS);
            let column = |name: &str| -> ArrayRef {
                match name {
                    "key" => Arc::new(range.clone().map(key).collect::<Int64Array>()),
                    "value" => Arc::new(range.clone().map(|i| (mixed(i) % 1000) as i64).collect::<Int64Array>()),
                    _ => Arc::new(TimestampMicrosecondArray::from_iter_values(range.clone().map(|i| i as i64))),
                }
            };
            let columns = schema.fields().iter().map(|f| column(f.name())).collect();
            RecordBatch::try_new(schema.clone(), columns).map_err(broken)
        };
        (0..self.count() as usize).step_by(BATCH_ROWS as usize).map(batch).collect()
    }
}

/// One life of the scenario.
#[derive(Debug, Clone)]
pub struct Life {
    /// From the call that opens the store to the first row that came out.
    pub to_first: Duration,
    /// From there to the last row.
    pub rest: Duration,
    /// The step's counters at the end.
    pub step: StepSnapshot,
}

/// Runs the scenario over rows, with its state in a folder; the last checkpoint is made at the end.
///
/// # Errors
/// What the engine or the store say.
pub fn live(folder: &Path, workers: usize, budget: Option<u64>, rows: Rows) -> Result<Life, BenchError> {
    let plan = plan(TEXT, STEP)?;
    let watched = plan.output_of(STEP).ok_or_else(|| broken("no step"))?;
    let source = plan.nodes.iter().position(|n| matches!(n.op, Op::Source(_))).ok_or_else(|| broken("no source"))?;
    let batches = rows.batches(&crate::run::columns_read(&plan)?)?;
    // Each life's rows come behind those of the lives before it, in epochs of their own.
    let unit = LIVES.fetch_add(1, Relaxed);
    let mut start = 0;
    let event = |(i, batch): (usize, RecordBatch)| {
        let positions = Positions::From(start);
        start += batch.num_rows() as u64;
        (Ordinal { unit, chunk: (i / BATCHES_PER_EPOCH) as u32 }, Event::Rows { batch, rejects: Vec::new(), positions })
    };
    let scripted: Arc<dyn Source> = Arc::new(ScriptedSource::new("memory", batches.into_iter().enumerate().map(event).collect()));
    let mut spec = ScenarioSpec::new(plan, BTreeMap::from([(NodeId(source), scripted)]), BTreeMap::new());
    let out = Arc::new(Out::default());
    spec.taps.insert(watched, out.clone());
    let group = WorkerGroup::start(GroupConfig { workers }).map_err(broken)?;
    let began = Instant::now();
    let mut settings = Settings::new(folder, "State", Arc::new(Nobody));
    settings.key_groups = spec.settings.key_groups;
    let store = Store::open(settings).map_err(broken)?;
    spec.checkpoints = Some(Checkpointing {
        cadence: Cadence(EPOCHS_PER_INTERVAL),
        captures: store.captures(),
        restored: store.restored().map(|r| r as Arc<dyn Restored>),
        reader: Some(store.reader()),
        stalls: None,
        budget: budget.map(|bytes| Arc::new(MemoryBudget::new(bytes))),
    });
    let outcome = group.create(spec).and_then(|handle| handle.wait()).map_err(broken)?;
    let ended = Instant::now();
    store.close(LAST_CHECKPOINT).map_err(broken)?;
    group.shutdown().map_err(broken)?;
    let first = out.first.lock().unwrap_or_else(PoisonError::into_inner).ok_or_else(|| broken("nothing came out"))?;
    let step = outcome.metrics.steps.into_iter().find(|s| s.name == STEP).ok_or_else(|| broken("no step"))?;
    Ok(Life { to_first: first - began, rest: ended - first, step })
}

/// A folder for state.
///
/// # Errors
/// Where it cannot be made.
pub fn folder() -> Result<Scratch, BenchError> {
    Scratch::new("state")
}
