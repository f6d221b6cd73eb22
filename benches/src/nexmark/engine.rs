//! A scenario of Nexmark on the engine: its own text and plan, its sources played from memory, its sink counted.

use super::{
    events::{self, Piece, Tables},
    rows::Answer,
};
use crate::run::BenchError;
use arrow::{array::Int64Array, datatypes::SchemaRef, record_batch::RecordBatch};
use runink_connector_api::{
    ConnectorError, ConnectorSpec, Delivery, OptionKind, OptionSpec, Options, Ordinal, Positions, Share, Sink, SinkSummary, SinkWidth,
    SinkWriter, Source,
};
use runink_dsl::{Project, SourceFile, variables::Variables};
use runink_engine::{
    Epoch, ScenarioSpec, VirtualClock, WorkerGroup,
    testing::{Event, ScriptedSource},
};
use runink_planner::{NodeId, Op, Plan, PlanInput, plan_scenario};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// What the tables on disk look like; the planner asks the connector.
static SCHEMAS: OnceLock<BTreeMap<String, SchemaRef>> = OnceLock::new();

const fn option(name: &'static str, kind: OptionKind) -> OptionSpec {
    OptionSpec { name, kind, required: false, default: None, about: "See the connector." }
}

/// As the scenarios use it.
static NEXMARK: ConnectorSpec = ConnectorSpec {
    name: "nexmark",
    about: "Events in memory.",
    source: Some(&[option("kind", OptionKind::Text), option("events", OptionKind::Count), option("event_rate", OptionKind::Number)]),
    sink: None,
    bounded: |_: &Options| true,
    sink_takes_retractions: false,
    lookup: false,
    delivery: |_: &Options| Delivery::AtLeastOnce,
    fixed_schema: |options: &Options| SCHEMAS.get()?.get(options.text("kind")?).cloned(),
    fixed_time: |_: &Options| Some("date_time"),
};

const FILE_OPTIONS: [OptionSpec; 3] =
    [option("path", OptionKind::Path), option("format", OptionKind::Text), option("partition_by", OptionKind::Columns)];

static FILE: ConnectorSpec = ConnectorSpec {
    name: "file",
    about: "Rows in memory.",
    source: Some(&FILE_OPTIONS),
    sink: Some(&FILE_OPTIONS),
    bounded: |_: &Options| true,
    sink_takes_retractions: true,
    lookup: false,
    delivery: |_: &Options| Delivery::AtLeastOnce,
    fixed_schema: |_: &Options| None,
    fixed_time: |_: &Options| None,
};

/// A planned query with what its sources give.
pub struct Loaded {
    plan: Plan,
    sources: BTreeMap<NodeId, Arc<dyn Source>>,
    /// The same rows for the loop by hand.
    pub tables: Tables,
}

/// Plans a query and reads what it needs. The folder has the events.
///
/// # Errors
/// What the planner says, or where the events are not there.
pub fn load(query: &str, folder: &Path) -> Result<Loaded, BenchError> {
    let mut schemas = BTreeMap::new();
    for table in events::TABLES {
        schemas.insert(table.to_owned(), events::schema(folder, table)?);
    }
    SCHEMAS.get_or_init(|| schemas);
    let path = events::scenarios().join(query).with_extension("dsl");
    let text = std::fs::read_to_string(&path).map_err(|e| BenchError(format!("{}: {e}", path.display())))?;
    let plan = plan(text)?;
    let mut tables = Tables::default();
    let mut sources: BTreeMap<NodeId, Arc<dyn Source>> = BTreeMap::new();
    for (id, node) in plan.nodes.iter().enumerate() {
        let Op::Source(op) = &node.op else { continue };
        let table = op.options.text("kind").unwrap_or(&node.name);
        let pieces = events::read(folder, table, &op.projection)?;
        tables.insert(table, &pieces);
        sources.insert(NodeId(id), Arc::new(ScriptedSource::new("memory", script(pieces))));
    }
    Ok(Loaded { plan, sources, tables })
}

fn script(pieces: Vec<Piece>) -> Vec<(Ordinal, Event)> {
    let mut start = 0;
    let events = pieces.into_iter().map(|piece| {
        let positions = Positions::From(start);
        start += piece.batch.num_rows() as u64;
        (Ordinal { unit: 0, chunk: piece.epoch }, Event::Rows { batch: piece.batch, rejects: Vec::new(), positions })
    });
    events.collect()
}

fn plan(text: String) -> Result<Plan, BenchError> {
    let project = Project::new(vec![SourceFile { path: "nexmark.dsl".into(), text }]);
    let scenario = project.scenarios().first().and_then(|&id| project.scenario(id));
    let scenario = scenario.ok_or_else(|| BenchError("no scenario".into()))?;
    let planned = plan_scenario(&PlanInput {
        project: &project,
        scenario: &scenario,
        connectors: &[&NEXMARK, &FILE],
        variables: &Variables::default(),
        discovered: &BTreeMap::new(),
        observe: &[],
    });
    let said = || project.diagnostics.iter().chain(&planned.diagnostics).map(|d| format!("{}: {}", d.code, d.message)).collect::<Vec<_>>();
    planned.plan.ok_or_else(|| BenchError(said().join("\n")))
}

/// Runs a query; gives its answer where that is asked for.
///
/// # Errors
/// What the engine says.
pub fn run(group: &WorkerGroup, loaded: &Loaded, hash: bool) -> Result<Answer, BenchError> {
    let answer: Arc<Mutex<Answer>> = Arc::default();
    let sinks = loaded.plan.nodes.iter().enumerate().filter(|(_, node)| matches!(node.op, Op::Sink(_)));
    let sinks = sinks.map(|(id, _)| (NodeId(id), Arc::new(Taken { hash, answer: answer.clone() }) as Arc<dyn Sink>)).collect();
    let mut spec = ScenarioSpec::new(loaded.plan.clone(), loaded.sources.clone(), sinks);
    // The clock stands still: processing time has one window, and every run the same result.
    spec.clock = Arc::new(VirtualClock::new([(Epoch(0), 0)]));
    let outcome = group.create(spec).and_then(|handle| handle.wait()).map_err(|e| BenchError(e.to_string()))?;
    if outcome.metrics.rejected > 0 {
        return Err(BenchError(format!("{} rows were rejected", outcome.metrics.rejected)));
    }
    let found = *answer.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(found)
}

/// A sink that takes rows and drops them, or hashes them.
struct Taken {
    hash: bool,
    answer: Arc<Mutex<Answer>>,
}

impl Sink for Taken {
    fn width(&self) -> SinkWidth {
        SinkWidth::EachWorker
    }
    fn delivery(&self) -> Delivery {
        Delivery::AtLeastOnce
    }
    fn writer(&self, _: Share) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        Ok(Box::new(TakenWriter { hash: self.hash, answer: self.answer.clone(), own: Answer::default() }))
    }
}

struct TakenWriter {
    hash: bool,
    answer: Arc<Mutex<Answer>>,
    own: Answer,
}

impl SinkWriter for TakenWriter {
    fn write(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), ConnectorError> {
        if self.hash {
            self.own.add(batch.columns(), diffs).map_err(|e| ConnectorError::bug("BEN001", e.to_string()))?;
        }
        std::hint::black_box(batch);
        Ok(())
    }
    fn flush(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
    fn finish(self: Box<Self>) -> Result<SinkSummary, ConnectorError> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).join(self.own);
        Ok(SinkSummary::default())
    }
}
