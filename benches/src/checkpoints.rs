//! What checkpoints cost: how long a worker stands still for them, what the store does for a checkpoint over numbers of changed keys and of keys, and how much room a key has on disk.

use crate::{
    child::Scratch,
    run::{self, BenchError, broken},
};
use arrow::{
    array::{ArrayRef, Int64Array, TimestampMicrosecondArray, UInt16Array},
    datatypes::{DataType, Field, Schema},
    record_batch::RecordBatch,
};
use runink_checkpoint::{Boundary, Cadence, Fenced, KeyGroups, Part, Piece, Publications, Published, StateChanges, TableShape};
use runink_connector_api::{Ordinal, Positions, Source};
use runink_engine::{
    Checkpointing, EPOCHS_PER_INTERVAL, GroupConfig, ScenarioSpec, Stalls, WorkerGroup,
    testing::{Event, ScriptedSource},
};
use runink_planner::{NodeId, Op};
use runink_store::{Settings, Store};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long one checkpoint may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many checkpoints are measured; the median counts.
const CHECKPOINTS: u64 = 9;
/// How many intervals a worker goes through.
const INTERVALS: usize = 200;
const STEPS: &str = "Feature: Bench
  Scenario: Totals
    @source(name=rows, type=memory)
    @step(name=Totals)
      @do aggregate total = sum(value), n = count(*) by key
";

/// Hears of checkpoints and does nothing about them.
struct Silent;

impl Publications for Silent {
    fn published(&self, _: Published) {}
    fn fenced(&self, _: Fenced) {}
    fn failed(&self, _: &str) {}
}

/// How long workers stood still.
#[derive(Default)]
struct Heard(Mutex<Vec<Duration>>);

impl Stalls for Heard {
    fn stalled(&self, part: &Part, length: Duration) {
        if part.node.starts_with("step ") {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(length);
        }
    }
}

fn store(folder: &Path, every: Duration) -> Result<Store, BenchError> {
    let mut settings = Settings::new(folder, "Bench", Arc::new(Silent));
    settings.every = every;
    Store::open(settings).map_err(broken)
}

/// How long a worker stands still at each boundary while it counts `changed` of `keys` keys in every interval: ascending.
///
/// # Errors
/// Where something does not run.
pub fn stalls(keys: usize, changed: usize) -> Result<Vec<Duration>, BenchError> {
    let plan = run::plan(STEPS, "Totals")?;
    let columns = run::columns_read(&plan)?;
    let schema = Arc::new(crate::data::schema().project(&columns).map_err(broken)?);
    let batch = |first: usize, rows: usize| {
        let of = |name: &str, range: std::ops::Range<usize>| -> ArrayRef {
            match name {
                "key" => Arc::new(range.map(|i| (i % keys) as i64).collect::<Int64Array>()),
                "value" => Arc::new(range.map(|i| i as i64).collect::<Int64Array>()),
                _ => Arc::new(TimestampMicrosecondArray::from_iter_values(range.map(|i| i as i64))),
            }
        };
        let columns = schema.fields().iter().map(|f| of(f.name(), first..first + rows)).collect();
        RecordBatch::try_new(schema.clone(), columns).map_err(broken)
    };
    let epochs = EPOCHS_PER_INTERVAL.get() as usize;
    let mut events = Vec::new();
    let mut row = 0u64;
    let mut push = |epoch: usize, batch: RecordBatch| {
        let positions = Positions::From(row);
        row += batch.num_rows() as u64;
        events.push((Ordinal { unit: 0, chunk: epoch as u32 }, Event::Rows { batch, rejects: Vec::new(), positions }));
    };
    // All keys are there before anything counts: in the first interval.
    push(0, batch(0, keys)?);
    let per_epoch = changed.div_ceil(epochs);
    for epoch in epochs..epochs * (INTERVALS + 1) {
        push(epoch, batch((epoch % epochs) * per_epoch, per_epoch)?);
    }
    let scratch = Scratch::new("checkpoint-stalls")?;
    let store = store(scratch.path(), Settings::EVERY)?;
    let heard = Arc::new(Heard::default());
    let source = plan.nodes.iter().position(|n| matches!(n.op, Op::Source(_))).ok_or_else(|| broken("no source"))?;
    let rows: Arc<dyn Source> = Arc::new(ScriptedSource::new("memory", events));
    let mut spec = ScenarioSpec::new(plan, BTreeMap::from([(NodeId(source), rows)]), BTreeMap::new());
    spec.checkpoints = Some(Checkpointing {
        cadence: Cadence(EPOCHS_PER_INTERVAL),
        captures: store.captures(),
        restored: None,
        stalls: Some(heard.clone()),
        reader: None,
        budget: None,
    });
    let group = WorkerGroup::start(GroupConfig { workers: 1 }).map_err(broken)?;
    group.create(spec).and_then(|handle| handle.wait()).map_err(broken)?;
    store.close(PATIENCE).map_err(broken)?;
    let mut stalls = std::mem::take(&mut *heard.0.lock().unwrap_or_else(PoisonError::into_inner));
    // The first has all keys.
    stalls.drain(..1.min(stalls.len()));
    stalls.sort_unstable();
    Ok(stalls)
}

/// What the store does for one checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// From its boundary's being complete to its publication.
    pub took: Duration,
    /// Bytes that went to the snapshot store.
    pub stored: u64,
    /// Bytes on disk of one key, when all are stored.
    pub per_key: f64,
}

fn shape() -> TableShape {
    let fields = vec![
        Field::new("key_group", DataType::UInt16, false),
        Field::new("namespace", DataType::Int64, false),
        Field::new("key", DataType::Int64, true),
        Field::new("total", DataType::Int64, true),
        Field::new("n", DataType::Int64, true),
    ];
    TableShape { schema: Arc::new(Schema::new(fields)), key_columns: 1 }
}

fn rows(keys: impl Iterator<Item = u64> + Clone, value: i64) -> Result<Piece, BenchError> {
    let group = |key: u64| KeyGroups::default().of_hash(key.wrapping_mul(0x9E37_79B9_7F4A_7C15)).0;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(keys.clone().map(group).collect::<UInt16Array>()),
        Arc::new(keys.clone().map(|_| 0).collect::<Int64Array>()),
        Arc::new(keys.clone().map(|k| k as i64).collect::<Int64Array>()),
        Arc::new(keys.clone().map(|k| k as i64 * value).collect::<Int64Array>()),
        Arc::new(keys.map(|_| value).collect::<Int64Array>()),
    ];
    let upserted = RecordBatch::try_new(shape().schema, columns).map_err(broken)?;
    Ok(Piece::Table(StateChanges { expired: Vec::new(), deleted: None, upserted: Some(upserted) }))
}

fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// A checkpoint with `changed` of `keys` keys: the median of some, one after the other.
///
/// # Errors
/// Where the store fails.
pub fn cost(keys: u64, changed: u64) -> Result<Cost, BenchError> {
    let scratch = Scratch::new("checkpoint-cost")?;
    let store = store(&scratch.path().join("state"), Duration::ZERO)?;
    let (captures, part) = (store.captures(), Part { node: "step Totals".into(), worker: 0 });
    captures.register(&part, Some(shape()));
    let mut costs = Vec::new();
    let mut per_key = 0.0;
    for number in 0..=CHECKPOINTS {
        // Keys all over the table change, as those of a stream do.
        let piece = if number == 0 {
            rows(0..keys, 1)?
        } else {
            rows((0..changed).map(|i| (i * (keys / changed) + number) % keys), number as i64)?
        };
        let begun = Instant::now();
        captures.hand_over(&part, Boundary(number + 1), piece);
        captures.passed(&part, Boundary(number + 1));
        if !store.wait_for(PATIENCE, |s| s.count > number) {
            return Err(broken("a checkpoint did not come to be"));
        }
        let status = store.status();
        if number == 0 {
            per_key = bytes_in(scratch.path()) as f64 / keys as f64;
        } else {
            costs.push(Cost { took: begun.elapsed(), stored: status.stored_bytes, per_key });
        }
    }
    store.close(PATIENCE).map_err(broken)?;
    costs.sort_unstable_by_key(|c| c.took);
    costs.get(costs.len() / 2).copied().ok_or_else(|| broken("no checkpoint"))
}
