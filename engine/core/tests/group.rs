//! The worker group: many scenarios created, dropped, stopped and failed on the same workers, and results that do not depend on how many.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "group/books.rs"]
mod books;
#[path = "group/idle.rs"]
mod idle;

use arrow::{
    array::{AsArray, Int64Array, StringArray},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use datafusion_expr::{Expr, col, lit};
use runink_connector_api::{
    Boundedness, ConnectorError, Delivery, EpochBy, Options, Poll, RejectReason, Share, Sink, SinkSummary, SinkWidth, SinkWriter, Source,
    SourceReader,
};
use runink_engine::{Drain, Ending, EngineError, GroupConfig, ScenarioSpec, WorkerGroup, testing::Collector, testing::ScriptedSource};
use runink_planner::*;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true), Field::new("v", DataType::Int64, true)]))
}

fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
    let k: Int64Array = rows.clone().map(|i| i % 10).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(k), Arc::new(rows.collect::<Int64Array>())]).unwrap()
}

fn node(name: &str, op: Op, inputs: &[usize], schema: SchemaRef) -> Node {
    Node {
        name: name.into(),
        op,
        inputs: inputs.iter().map(|&i| NodeId(i)).collect(),
        schema,
        kind: StreamKind::AppendOnly,
        time: None,
        watermark_of: vec![],
        state: StateBound::Stateless,
        bounded: true,
        lineage: vec![],
        at: None,
    }
}

fn source_op(preload: bool) -> Op {
    Op::Source(SourceOp {
        connector: "memory".into(),
        options: Options::default(),
        full_schema: schema(),
        projection: vec![0, 1],
        predicates: vec![],
        lateness_us: 0,
        idle_us: 1_000_000,
        advance_when_idle: true,
        preload,
        lookup: false,
    })
}

fn stage(kind: RowStageKind) -> RowStage {
    RowStage { step: "step".into(), kind, schema: schema() }
}

fn filter_plan(predicate: Expr) -> Plan {
    Plan {
        scenario: "test".into(),
        nodes: vec![
            node("in", source_op(false), &[], schema()),
            node("step", Op::Rows(vec![stage(RowStageKind::Filter(predicate))]), &[0], schema()),
        ],
    }
}

fn spec(plan: Plan, source: Arc<dyn Source>) -> (ScenarioSpec, Arc<Collector>) {
    let last = NodeId(plan.nodes.len() - 1);
    let mut spec = ScenarioSpec::new(plan, BTreeMap::from([(NodeId(0), source)]), BTreeMap::new());
    let seen = Arc::new(Collector::default());
    spec.taps.insert(last, seen.clone());
    (spec, seen)
}

fn values(seen: &Collector, column: usize) -> Vec<i64> {
    let mut all: Vec<i64> = seen.all().iter().flat_map(|b| b.rows.column(column).as_primitive::<Int64Type>().values().to_vec()).collect();
    all.sort_unstable();
    all
}

fn scripted(chunks: i64) -> Arc<dyn Source> {
    Arc::new(ScriptedSource::of_batches((0..chunks).map(|i| batch(i * 100..(i + 1) * 100))))
}

#[test]
fn hundreds_of_scenarios_come_and_go_on_one_group() {
    for workers in [1, 3] {
        let group = WorkerGroup::start(GroupConfig { workers }).unwrap();
        let mut running = Vec::new();
        for i in 0..300i64 {
            let (spec, seen) = spec(filter_plan(col("v").gt_eq(lit(i))), scripted(3));
            let handle = group.create(spec).unwrap();
            if i % 3 == 0 { drop(handle) } else { running.push((i, handle, seen)) }
        }
        for (i, handle, seen) in running {
            assert_eq!(handle.wait().unwrap().ending, Ending::Completed);
            assert_eq!(values(&seen, 1), (i..300).collect::<Vec<_>>());
        }
        group.shutdown().unwrap();
    }
}

#[test]
fn one_scenario_fails_and_others_go_on() {
    let group = WorkerGroup::start(GroupConfig { workers: 2 }).unwrap();
    let stop = ExpectStage {
        predicate: col("v").lt(lit(250i64)),
        text: "v < 250".into(),
        reason: RejectReason::Expectation,
        otherwise: ExpectAction::Fail,
    };
    let mut failing = filter_plan(lit(true));
    failing.nodes[1].op = Op::Rows(vec![stage(RowStageKind::Expect(stop))]);
    let (bad, _) = spec(failing, scripted(3));
    let (good, seen) = spec(filter_plan(lit(true)), scripted(50));
    let (bad, good) = (group.create(bad).unwrap(), group.create(good).unwrap());
    let error = bad.wait().unwrap_err();
    assert!(matches!(&error, EngineError::Operator(_)), "{error}");
    assert_eq!(error.to_string(), "ENG001: step: `v < 250` does not hold for {\"k\": 0, \"v\": 250}");
    good.wait().unwrap();
    assert_eq!(values(&seen, 1).len(), 5000);
}

#[test]
fn a_row_that_overflows_is_rejected_and_the_others_go_on() {
    let group = WorkerGroup::start(GroupConfig { workers: 2 }).unwrap();
    let mut plan = filter_plan(lit(true));
    let exprs = vec![(col("k"), "k".into()), (col("v") * lit(i64::MAX / 10), "v".into())];
    plan.nodes[1].op = Op::Rows(vec![stage(RowStageKind::Project(exprs))]);
    let (mut spec, seen) = spec(plan, scripted(1));
    let rejects = Arc::new(Collector::default());
    spec.rejected_tap = Some(rejects.clone());
    let handle = group.create(spec).unwrap();
    let outcome = handle.wait().unwrap();
    assert_eq!(values(&seen, 1).len(), 11);
    assert_eq!((outcome.metrics.rejected, outcome.metrics.steps[0].rejected, outcome.metrics.steps[0].rows_out), (89, 89, 11));
    let rejected = rejects.all();
    let rows: usize = rejected.iter().map(|b| b.len()).sum();
    assert_eq!(rows, 89);
    assert_eq!(rejected[0].rows.schema(), rejected_schema());
    assert_eq!(rejected[0].rows.column(0).as_string::<i32>().value(0), "expression");
    assert_eq!(rejected[0].rows.column(6).as_string::<i32>().value(0), "{\"k\": 1, \"v\": 11}");
}

#[test]
fn a_bounded_table_is_read_before_the_stream() {
    let table_schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)]));
    let names = |r: std::ops::Range<i64>| {
        let name: StringArray = r.clone().map(|i| Some(format!("name {i}"))).collect();
        RecordBatch::try_new(table_schema.clone(), vec![Arc::new(r.collect::<Int64Array>()), Arc::new(name)]).unwrap()
    };
    let out = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("v", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
    ]));
    for workers in 1..=3 {
        for broadcast in [false, true] {
            for (kind, matched) in
                [(TableJoinKind::Inner, 500), (TableJoinKind::Left, 1000), (TableJoinKind::Semi, 500), (TableJoinKind::Anti, 500)]
            {
                let keeps_name = matches!(kind, TableJoinKind::Inner | TableJoinKind::Left);
                let join = Op::TableJoin(TableJoinOp {
                    kind,
                    on: vec![(0, 0)],
                    condition: None,
                    table_columns: if keeps_name { vec![1] } else { vec![] },
                    table_key: vec![0],
                    broadcast,
                    ttl_us: None,
                });
                let joined = if keeps_name { out.clone() } else { schema() };
                let plan = Plan {
                    scenario: "join".into(),
                    nodes: vec![
                        node("in", source_op(false), &[], schema()),
                        node("table", source_op(true), &[], table_schema.clone()),
                        node("joined", join, &[0, 1], joined),
                    ],
                };
                let (mut spec, seen) = spec(plan, scripted(10));
                // Two versions of every row: the later one counts.
                let table = ScriptedSource::of_batches([names(2..4), names(0..5)]);
                spec.sources.insert(NodeId(1), Arc::new(table));
                let group = WorkerGroup::start(GroupConfig { workers }).unwrap();
                let outcome = group.create(spec).unwrap().wait().unwrap();
                assert_eq!(values(&seen, 1).len(), matched, "{kind:?} on {workers} workers");
                assert_eq!(outcome.metrics.steps[0].held, 5);
                if keeps_name {
                    for batch in seen.all() {
                        for row in 0..batch.len() {
                            let k = batch.rows.column(0).as_primitive::<Int64Type>().value(row);
                            let name = batch.rows.column(2).as_string::<i32>();
                            let name = arrow::array::Array::is_valid(name, row).then(|| name.value(row).to_owned());
                            assert_eq!(name, (k < 5).then(|| format!("name {k}")));
                        }
                    }
                }
            }
        }
    }
}

/// Gives a batch whenever it is asked, for ever.
struct Endless;

impl Source for Endless {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Unbounded
    }
    fn epoch_by(&self) -> EpochBy {
        EpochBy::Clock
    }
    fn partitions(&self) -> u32 {
        1
    }
    fn reader(&self, share: Share) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let inner = ScriptedSource::of_batches((0..1_000_000).map(|i| batch(i..i + 1)).take(1)).reader(share)?;
        Ok(Box::new(EndlessReader(inner)))
    }
}

struct EndlessReader(Box<dyn SourceReader>);

impl SourceReader for EndlessReader {
    fn poll(&mut self) -> Result<Poll, ConnectorError> {
        Ok(match self.0.poll()? {
            Poll::End => Poll::Pending { retry_in: Duration::from_millis(1), caught_up: true },
            other => other,
        })
    }
}

/// Says when rows have come, and whether it was finished.
#[derive(Default)]
struct Watch {
    rows: Mutex<usize>,
    came: std::sync::Condvar,
    finished: Mutex<bool>,
}

struct WatchSink(Arc<Watch>, SinkWidth);
struct WatchWriter(Arc<Watch>);

impl Sink for WatchSink {
    fn width(&self) -> SinkWidth {
        self.1
    }
    fn delivery(&self) -> Delivery {
        Delivery::AtLeastOnce
    }
    fn writer(&self, _: Share) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        Ok(Box::new(WatchWriter(self.0.clone())))
    }
}

impl SinkWriter for WatchWriter {
    fn write(&mut self, batch: &RecordBatch, _: Option<&Int64Array>) -> Result<(), ConnectorError> {
        *self.0.rows.lock().unwrap() += batch.num_rows();
        self.0.came.notify_all();
        Ok(())
    }
    fn flush(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
    fn finish(self: Box<Self>) -> Result<SinkSummary, ConnectorError> {
        *self.0.finished.lock().unwrap() = true;
        Ok(SinkSummary::default())
    }
}

/// All rows of the source, into a sink that is watched.
fn watched(source: Arc<dyn Source>, width: SinkWidth) -> (ScenarioSpec, Arc<Watch>) {
    let mut plan = filter_plan(lit(true));
    let sink = SinkOp { connector: "watch".into(), options: Options::default(), key: vec![], delivery: Delivery::AtLeastOnce };
    plan.nodes.push(node("out", Op::Sink(sink), &[1], schema()));
    let (mut spec, _) = spec(plan, source);
    spec.taps.clear();
    let watch = Arc::new(Watch::default());
    spec.sinks.insert(NodeId(2), Arc::new(WatchSink(watch.clone(), width)));
    (spec, watch)
}

#[test]
fn a_sink_lets_more_epochs_through_than_may_be_in_flight() {
    for workers in [1, 3] {
        for width in [SinkWidth::One, SinkWidth::EachWorker] {
            let group = WorkerGroup::start(GroupConfig { workers }).unwrap();
            let (spec, watch) = watched(scripted(50), width);
            assert!(spec.settings.epochs_in_flight * workers < 50);
            let handle = group.create(spec).unwrap();
            let rows = watch.came.wait_timeout_while(watch.rows.lock().unwrap(), Duration::from_secs(30), |rows| *rows < 5000).unwrap();
            assert_eq!(*rows.0, 5000, "within 30 s, on {workers} workers");
            drop(rows);
            let outcome = handle.wait().unwrap();
            assert_eq!((outcome.ending, outcome.metrics.sinks[0].rows), (Ending::Completed, 5000));
        }
    }
}

#[test]
fn an_endless_scenario_stops_cleanly_when_asked() {
    for drain in [Drain::No, Drain::Yes] {
        let group = WorkerGroup::start(GroupConfig { workers: 2 }).unwrap();
        let (spec, watch) = watched(Arc::new(Endless), SinkWidth::One);
        let handle = group.create(spec).unwrap();
        let rows = watch.came.wait_timeout_while(watch.rows.lock().unwrap(), Duration::from_secs(30), |rows| *rows == 0).unwrap();
        assert!(*rows.0 > 0, "no row within 30 s");
        drop(rows);
        assert!(!handle.has_ended());
        handle.stop(drain);
        assert_eq!(handle.wait().unwrap().ending, Ending::Stopped);
        assert!(*watch.finished.lock().unwrap());
    }
}
