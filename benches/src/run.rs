//! Scenarios from their text to their end, on rows in memory.

use crate::data;
use arrow::record_batch::RecordBatch;
use runink_connector_api::{ConnectorSpec, Delivery, Options, Ordinal, Positions, Source};
use runink_dsl::{Project, SourceFile, variables::Variables};
use runink_engine::{
    Batch, Epoch, ScenarioSpec, Tap, WorkerGroup,
    testing::{Event, ScriptedSource},
};
use runink_planner::{NodeId, Op, Plan, PlanInput, plan_scenario};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// What went wrong, for whoever reads the figures: nothing here is for users.
#[derive(Debug)]
pub struct BenchError(pub String);

impl std::fmt::Display for BenchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BenchError {}

pub(crate) fn broken(error: impl std::fmt::Display) -> BenchError {
    BenchError(error.to_string())
}

/// How many batches of 8,192 rows an epoch has: as many as an epoch of the sources that read Parquet or generate.
const BATCHES_PER_EPOCH: usize = 4;

/// Rows per key and minute.
pub const WINDOWED_COUNT: &str = "Feature: Bench
  Scenario: Windowed count
    @source(name=rows, type=memory)
    @step(name=Counts)
      @do aggregate n = count(*) by key in tumbling(1m)
";

/// The sum of values per key and name.
pub const GROUPED_SUM: &str = "Feature: Bench
  Scenario: Grouped sum
    @source(name=rows, type=memory)
    @step(name=Sums)
      @do aggregate total = sum(value) by key, name emit on close
";

/// Which keys hang together, through values: a recursion.
pub const COMPONENTS: &str = "Feature: Bench
  Scenario: Components
    @source(name=rows, type=memory)
    @step(name=Ends)
      @do select key as a, value * 37 % 10000 as b
    @step(name=Back)
      @do select b as a, a as b
    @step(name=Ways, from=Ends)
      @do union Back
    @step(name=Components)
      @do select a as node, a as component
      @do iterate component = min(component) by node
      @do join Ways on Ways.a = Components.node
      @do select Ways.b as node, Components.component
";

/// A scenario of that many steps: filters, projections, expectations, and an aggregate at the end.
pub fn scenario_of(steps: usize) -> String {
    let mut text = String::from("Feature: Bench\n  Scenario: Many steps\n    @source(name=rows, type=memory)\n");
    for step in 1..steps {
        text.push_str(&format!("    @step(name=S{step})\n"));
        text.push_str(&match step % 3 {
            0 => format!("      @when value > {step} and name <> 'airport {step}'\n      @do set value = value + {step}\n"),
            1 => format!("      @do set more{step} = key * {step}, low{step} = lower(name)\n      @do drop low{step}\n"),
            _ => "      @do rename value as amount\n      @do rename amount as value\n      @then value is not null otherwise reject\n"
                .to_owned(),
        });
    }
    text.push_str("    @step(name=Last)\n      @do aggregate n = count(*), total = sum(value) by key in tumbling(1m)\n");
    text
}

static MEMORY: ConnectorSpec = ConnectorSpec {
    name: "memory",
    about: "Rows in memory.",
    source: Some(&[]),
    sink: None,
    bounded: |_: &Options| true,
    sink_takes_retractions: false,
    lookup: false,
    delivery: |_: &Options| Delivery::AtLeastOnce,
    fixed_schema: |_: &Options| Some(data::schema()),
    fixed_time: |_: &Options| Some("at"),
};

/// Parses and plans a text's only scenario; `observe` is watched.
///
/// # Errors
/// What the planner says.
pub fn plan(text: &str, observe: &str) -> Result<Plan, BenchError> {
    let project = Project::new(vec![SourceFile { path: "bench.dsl".into(), text: text.to_owned() }]);
    let scenario = project.scenarios().first().and_then(|&id| project.scenario(id)).ok_or_else(|| broken("no scenario"))?;
    let planned = plan_scenario(&PlanInput {
        project: &project,
        scenario: &scenario,
        connectors: &[&MEMORY],
        variables: &Variables::default(),
        discovered: &BTreeMap::new(),
        observe: &[observe.to_owned()],
    });
    let said = || project.diagnostics.iter().chain(&planned.diagnostics).map(|d| format!("{}: {}", d.code, d.message)).collect::<Vec<_>>();
    planned.plan.ok_or_else(|| BenchError(said().join("\n")))
}

/// The columns of [`data::schema`] that a plan reads.
///
/// # Errors
/// Where the plan has no source.
pub fn columns_read(plan: &Plan) -> Result<Vec<usize>, BenchError> {
    let read = plan.nodes.iter().find_map(|n| if let Op::Source(op) = &n.op { Some(op.projection.clone()) } else { None });
    read.ok_or_else(|| broken("no source"))
}

/// Counts rows that come out.
#[derive(Default)]
struct Count(AtomicU64);

impl Tap for Count {
    fn observe(&self, _: Epoch, batch: &Batch) {
        self.0.fetch_add(batch.len() as u64, Relaxed);
    }
}

/// Runs a plan over batches of the columns that it reads; gives how many rows `observe` gave.
///
/// # Errors
/// What the engine says.
pub fn run(group: &WorkerGroup, plan: Plan, observe: &str, batches: &[RecordBatch]) -> Result<usize, BenchError> {
    let watched = plan.output_of(observe).ok_or_else(|| broken(format!("no {observe}")))?;
    let source = plan.nodes.iter().position(|n| matches!(n.op, Op::Source(_))).ok_or_else(|| broken("no source"))?;
    let mut start = 0;
    let event = |(i, batch): (usize, &RecordBatch)| {
        let positions = Positions::From(start);
        start += batch.num_rows() as u64;
        (Ordinal { unit: 0, chunk: (i / BATCHES_PER_EPOCH) as u32 }, Event::Rows { batch: batch.clone(), rejects: Vec::new(), positions })
    };
    let rows: Arc<dyn Source> = Arc::new(ScriptedSource::new("memory", batches.iter().enumerate().map(event).collect()));
    let mut spec = ScenarioSpec::new(plan, BTreeMap::from([(NodeId(source), rows)]), BTreeMap::new());
    let count = Arc::new(Count::default());
    spec.taps.insert(watched, count.clone());
    group.create(spec).and_then(|handle| handle.wait()).map_err(broken)?;
    usize::try_from(count.0.load(Relaxed)).map_err(broken)
}
