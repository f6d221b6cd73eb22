//! Rankings, first rows and neighbours against the reference: on random rows with ties, nulls, late rows and rows that are taken back, in random epochs,
//! batch cuts, workers and restores.

mod reference;
mod running;

use arrow::{array::*, compute::take_record_batch, datatypes::*};
use proptest::{prelude::*, sample::Index, test_runner::TestRunner};
use reference::{First, Neighbour, Out, Rank, Reference, Row};
use runink_checkpoint::{KeyGroups, StateChanges, TableReplica};
use runink_operators::{
    Batch, EpochOperator, EpochTime, Ordered, Rejects, first::FirstOperator, hash::key_hashes, neighbour::NeighbourOperator,
    rank::RankOperator, running::RunningOperator,
};
use runink_planner::{EventTime, FirstOp, NeighbourOp, OrderBy, RankOp, RankScope, RunningOp, RunningOver, WindowShape, WindowSpec};
use running::Running;
use std::{collections::BTreeMap, sync::Arc};

/// Few, so that workers share them in many ways.
const GROUPS: u16 = 16;
/// The columns: key, value, text, time, id.
pub const KEY: usize = 0;
pub const TIME: usize = 3;

#[derive(Debug, Clone)]
enum Op {
    Rank(RankOp),
    First(FirstOp),
    Neighbour(NeighbourOp),
    Running(RunningOp),
}

#[derive(Debug, Clone)]
struct Case {
    op: Op,
    epochs: Vec<EpochCase>,
    workers: usize,
}

#[derive(Debug, Clone)]
struct EpochCase {
    rows: Vec<RowCase>,
    advance: i64,
    clock: i64,
    cuts: Vec<Index>,
    /// State is captured at the epoch's end; with a number, it is restored on that many workers.
    capture: Option<Option<usize>>,
}

#[derive(Debug, Clone)]
struct RowCase {
    row: Row,
    /// Takes back one of the rows before, where the input can.
    back: Option<Index>,
}

impl Case {
    fn changelog(&self) -> bool {
        matches!(&self.op, Op::Rank(op) if op.changelog)
    }

    /// Whether results can be taken back.
    fn changes(&self) -> bool {
        matches!(&self.op, Op::Rank(op) if op.window().is_none())
    }

    fn output(&self) -> SchemaRef {
        let mut fields: Vec<FieldRef> = schema().fields().to_vec();
        let field = |name: &str, t: DataType| Arc::new(Field::new(name, t, true));
        match &self.op {
            Op::Rank(op) => {
                fields.extend(op.rank.then(|| field("rank", DataType::Int64)));
                if matches!(op.scope, RankScope::Window { edges: true, .. }) {
                    let edges = ["start", "end"].map(|n| field(n, DataType::Timestamp(TimeUnit::Microsecond, None)));
                    fields.extend(edges);
                }
            }
            Op::First(_) => {}
            Op::Neighbour(op) => {
                for (n, &v) in op.values.iter().enumerate() {
                    let value = fields[v].as_ref().clone().with_name(format!("value {n}"));
                    fields.push(Arc::new(value));
                }
            }
            Op::Running(_) => fields.extend(running::calls().into_iter().map(|(call, t)| field(&call.name, t))),
        }
        Arc::new(Schema::new(fields))
    }

    fn operator(&self) -> Box<dyn EpochOperator> {
        let (input, output, groups) = (schema(), self.output(), KeyGroups::new(GROUPS));
        match &self.op {
            Op::Rank(op) => Box::new(RankOperator::new("step", op, &input, &output, groups).unwrap()),
            Op::First(op) => Box::new(FirstOperator::new("step", op, &input, groups).unwrap()),
            Op::Neighbour(op) => Box::new(NeighbourOperator::new("step", op, &input, &output, groups).unwrap()),
            Op::Running(op) => Box::new(RunningOperator::new("step", op, &input, &output, groups).unwrap()),
        }
    }

    fn reference(&self) -> Box<dyn Reference> {
        match &self.op {
            Op::Rank(op) => Box::new(Rank::new(op.clone())),
            Op::First(op) => Box::new(First::new(op.clone())),
            Op::Neighbour(op) => Box::new(Neighbour::new(op.clone())),
            Op::Running(op) => Box::new(Running::new(op.clone())),
        }
    }
}

fn schema() -> SchemaRef {
    let field = |name: &str, t: DataType| Field::new(name, t, true);
    Arc::new(Schema::new(vec![
        field("key", DataType::Int64),
        field("value", DataType::Int64),
        field("text", DataType::Utf8),
        field("time", DataType::Timestamp(TimeUnit::Microsecond, None)),
        field("id", DataType::Int64),
    ]))
}

fn batch(rows: &[(Row, i64)], diffs: bool) -> Batch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|(r, _)| r.key).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|(r, _)| r.value).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|(r, _)| r.text.clone()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|(r, _)| r.time).collect::<TimestampMicrosecondArray>()),
        Arc::new(rows.iter().map(|(r, _)| Some(r.id)).collect::<Int64Array>()),
    ];
    let diffs = diffs.then(|| rows.iter().map(|(_, d)| *d).collect::<Vec<_>>().into());
    Batch { rows: RecordBatch::try_new(schema(), columns).unwrap(), diffs, origin: None }
}

/// The rows of batches with their multiplicities.
fn given(batches: &[Ordered], changes: bool) -> BTreeMap<Out, i64> {
    let mut rows: BTreeMap<Out, i64> = BTreeMap::new();
    for Ordered { batch, .. } in batches {
        assert_eq!(batch.diffs.is_some(), changes);
        let cell = |c: &ArrayRef, i: usize| {
            c.is_valid(i).then(|| match c.data_type() {
                DataType::Utf8 => c.as_string::<i32>().value(i).to_owned(),
                DataType::Int64 => c.as_primitive::<Int64Type>().value(i).to_string(),
                _ => c.as_primitive::<TimestampMicrosecondType>().value(i).to_string(),
            })
        };
        for i in 0..batch.len() {
            let row = batch.rows.columns().iter().map(|c| cell(c, i)).collect();
            *rows.entry(row).or_default() += batch.diffs.as_ref().map_or(1, |d| d.value(i));
        }
    }
    rows.retain(|_, n| *n != 0);
    rows
}

/// Rows for one worker, in pieces.
fn routed(all: &Batch, cuts: &[Index], worker: usize, workers: usize) -> Vec<Ordered> {
    let groups = KeyGroups::new(GROUPS);
    let mut hashes = Vec::new();
    key_hashes(&all.rows.columns()[KEY..=KEY], &mut hashes).unwrap();
    let own = (0..all.len() as u32).filter(|&i| groups.worker_of(groups.of_hash(hashes[i as usize]), workers) == worker);
    let own = all.take(&own.collect::<UInt32Array>()).unwrap();
    let mut at: Vec<usize> = cuts.iter().map(|c| c.index(own.len() + 1)).chain([0, own.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|w| Ordered { batch: own.slice(w[0], w[1] - w[0]), order: 0 }).collect()
}

struct Worker {
    operator: Box<dyn EpochOperator>,
    replica: TableReplica,
}

fn worker(case: &Case) -> Worker {
    let mut operator = case.operator();
    Worker { replica: TableReplica::of(operator.table().unwrap()).unwrap(), operator }
}

fn run(case: &Case) {
    let mut reference = case.reference();
    let mut workers: Vec<Worker> = (0..case.workers).map(|_| worker(case)).collect();
    let (mut watermark, mut clock) = (i64::MIN, 0);
    let mut live: Vec<Row> = vec![];
    let mut seen: BTreeMap<Out, i64> = BTreeMap::new();
    let last = case.epochs.len();
    let end = EpochCase { rows: vec![], advance: 0, clock: 1, cuts: vec![], capture: None };
    for (number, epoch) in case.epochs.iter().chain([&end]).enumerate() {
        let before = watermark;
        clock += epoch.clock;
        watermark = match (number == last, epoch.advance) {
            (true, _) => i64::MAX,
            (_, 0) => watermark,
            (_, by) => watermark.max(0) + by,
        };
        let mut rows: Vec<(Row, i64)> = vec![];
        for RowCase { row, back } in &epoch.rows {
            match back.filter(|_| case.changelog() && !live.is_empty()) {
                Some(index) => rows.push((live.remove(index.index(live.len())), -1)),
                None => {
                    live.push(row.clone());
                    rows.push((row.clone(), 1));
                }
            }
        }
        // In the order in which they come rows mean nothing.
        rows.sort_by_key(|(row, diff)| (row.id * 7 + row.value.unwrap_or(3) * 5) % 11 + diff);
        let expected = reference.epoch(&rows, before, watermark, clock);
        let mut rejects = Rejects::default();
        let count = workers.len();
        let mut batches = Vec::new();
        for (n, worker) in workers.iter_mut().enumerate() {
            let input = routed(&batch(&rows, case.changelog()), &epoch.cuts, n, count);
            let time = EpochTime { before, watermark, clock_us: clock, worker: n as u64 };
            let out = worker.operator.epoch(vec![input], time, &mut rejects).unwrap();
            batches.extend(out.batches);
        }
        let found = given(&batches, case.changes());
        assert_eq!(found, expected.rows, "epoch {number}, watermark {before} to {watermark}, clock {clock}, rows {rows:#?}");
        // No change is given and taken back in one epoch.
        let all: i64 =
            batches.iter().map(|o| o.batch.diffs.as_ref().map_or(o.batch.len() as i64, |d| d.values().iter().map(|d| d.abs()).sum())).sum();
        assert_eq!(found.values().map(|n| n.abs()).sum::<i64>(), all);
        let reasons = |reason: &str| rejects.rows().iter().filter(|r| r.reason.as_str() == reason).count();
        assert_eq!((reasons("late"), reasons("expression")), (expected.late, expected.rejected), "epoch {number}: {:?}", rejects.rows());
        for (row, diff) in found {
            *seen.entry(row).or_default() += diff;
        }
        assert!(seen.values().all(|&n| n >= 0), "a row was taken back that had not been given");
        capture(case, &mut workers, epoch.capture, watermark, clock);
    }
}

fn capture(case: &Case, workers: &mut Vec<Worker>, capture: Option<Option<usize>>, watermark: i64, clock: i64) {
    let Some(next) = capture else { return };
    let count = workers.len();
    for (n, worker) in workers.iter_mut().enumerate() {
        let table = worker.operator.table().unwrap();
        let changes = table.capture().unwrap();
        if let Some(rows) = &changes.upserted {
            let own = KeyGroups::new(GROUPS).of_worker(n, count);
            assert!(rows.column(0).as_primitive::<UInt16Type>().values().iter().all(|g| own.contains(g)));
        }
        worker.replica.apply(&changes).unwrap();
        assert!(table.capture().unwrap().is_empty());
        assert_eq!(table.keys(), worker.replica.len());
    }
    let Some(next) = next else { return };
    let old = std::mem::take(workers);
    for n in 0..next {
        let mut new = worker(case);
        let own = KeyGroups::new(GROUPS).of_worker(n, next);
        for before in &old {
            let rows = before.replica.rows(own.clone()).unwrap();
            // In an order that is not theirs.
            let reversed: UInt32Array = (0..rows.num_rows() as u32).rev().collect();
            new.operator.table().unwrap().restore(&take_record_batch(&rows, &reversed).unwrap()).unwrap();
            new.replica.apply(&StateChanges { expired: vec![], deleted: None, upserted: Some(rows) }).unwrap();
        }
        new.operator.resume(watermark, clock);
        workers.push(new);
    }
    assert_eq!(workers.iter().map(|w| w.operator.held()).sum::<u64>(), old.iter().map(|w| w.operator.held()).sum::<u64>());
}

fn any_row() -> impl Strategy<Value = RowCase> {
    let maybe = |top: i64| prop_oneof![9 => (0..top).prop_map(Some), 1 => Just(None)];
    let text = prop::sample::select(vec![None, Some(""), Some("a long common beginning 1"), Some("a long common beginning 2")]);
    let back = prop_oneof![2 => Just(None), 1 => any::<Index>().prop_map(Some)];
    (maybe(3), maybe(4), text, maybe(24), 0..3i64, back)
        .prop_map(|(key, value, text, time, id, back)| RowCase { row: Row { key, value, text: text.map(str::to_owned), time, id }, back })
}

fn any_epoch() -> impl Strategy<Value = EpochCase> {
    let rows = proptest::collection::vec(any_row(), 0..12);
    let capture = prop_oneof![2 => Just(None), 1 => Just(Some(None)), 1 => (1..5usize).prop_map(|n| Some(Some(n)))];
    let cuts = proptest::collection::vec(any::<Index>(), 0..3);
    (rows, prop_oneof![1 => Just(0i64), 3 => 1..8i64], 0..6i64, cuts, capture).prop_map(|(rows, advance, clock, cuts, capture)| EpochCase {
        rows,
        advance,
        clock,
        cuts,
        capture,
    })
}

fn any_order(columns: &'static [usize]) -> impl Strategy<Value = Vec<OrderBy>> {
    let by = (prop::sample::select(columns), any::<bool>(), any::<bool>());
    proptest::collection::vec(by.prop_map(|(column, descending, nulls_first)| OrderBy { column, descending, nulls_first }), 0..3)
}

fn time() -> EventTime {
    EventTime { column: TIME, shift_us: 2 }
}

fn any_ttl() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![1 => Just(None), 1 => (1..12i64).prop_map(Some)]
}

fn check(op: impl Strategy<Value = Op> + 'static) {
    let config = ProptestConfig { max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::with_cases(128) };
    let cases = (op, proptest::collection::vec(any_epoch(), 1..10), 1..5usize);
    let outcome = TestRunner::new(config).run(&cases.prop_map(|(op, epochs, workers)| Case { op, epochs, workers }), |case| {
        run(&case);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

fn any_rank() -> impl Strategy<Value = RankOp> {
    let count = prop_oneof![1 => Just(None), 4 => (1..4u64).prop_map(Some)];
    (any_order(&[1, 2, 4, TIME]), count, any::<bool>(), any::<bool>(), any_ttl()).prop_map(|(order, count, ties, rank, ttl_us)| RankOp {
        keys: vec![KEY],
        order,
        newest_first: false,
        count,
        ties,
        rank,
        scope: RankScope::AllTime { ttl_us },
        changelog: false,
    })
}

#[test]
fn rankings_over_all_time() {
    check(any_rank().prop_map(Op::Rank));
}

#[test]
fn rankings_of_rows_that_are_taken_back() {
    check(any_rank().prop_map(|op| Op::Rank(RankOp { changelog: true, ..op })));
}

#[test]
fn the_newest_row_of_each_key() {
    check(any_rank().prop_map(|op| Op::Rank(RankOp { newest_first: true, count: Some(1), ties: false, rank: false, ..op })));
}

#[test]
fn rankings_in_windows() {
    let shapes = prop_oneof![
        (1..9i64, -3..3i64).prop_map(|(size, offset)| WindowShape::Tumbling { size, offset }),
        (1..9i64, 1..9i64, -3..3i64).prop_map(|(a, b, offset)| WindowShape::Hopping { size: a.max(b), slide: a.min(b), offset }),
        (1..4i64, 1..4i64, -3..3i64).prop_map(|(step, n, offset)| WindowShape::Cumulating { size: step * n, step, offset }),
    ];
    let cases = (any_rank(), shapes, any::<bool>(), any::<bool>()).prop_map(|(op, shape, by_clock, edges)| {
        let spec = WindowSpec { shape, time: (!by_clock).then(time) };
        Op::Rank(RankOp { scope: RankScope::Window { spec, edges }, ..op })
    });
    check(cases);
}

#[test]
fn the_first_row_that_comes() {
    let within = prop_oneof![1 => Just(None), 1 => (1..9i64).prop_map(Some)];
    let cases = (any_order(&[1, 2, 4]), within, any_ttl(), any::<bool>()).prop_map(|(order, within_us, ttl_us, timed)| {
        let time = (timed || within_us.is_some()).then(time);
        Op::First(FirstOp { keys: vec![KEY], time, settled: false, order, within_us, ttl_us: ttl_us.filter(|_| within_us.is_none()) })
    });
    check(cases);
}

#[test]
fn the_first_row_in_time() {
    let within = prop_oneof![1 => Just(None), 1 => (1..9i64).prop_map(Some)];
    let cases = (any_order(&[1, 2, 4]), within, any_ttl()).prop_map(|(order, within_us, ttl_us)| {
        let ttl_us = ttl_us.filter(|_| within_us.is_none());
        Op::First(FirstOp { keys: vec![KEY], time: Some(time()), settled: true, order, within_us, ttl_us })
    });
    check(cases);
}

#[test]
fn neighbours() {
    let window = prop_oneof![1 => Just(None), 1 => (1..9i64, -3..3i64).prop_map(Some)];
    let values = prop::sample::select(vec![vec![1], vec![2, 1], vec![4]]);
    let cases = (any_order(&[1, 2, 4]), 1..4u64, any::<bool>(), values, window, any_ttl()).prop_map(
        |(order, distance, ahead, values, window, ttl_us)| {
            let ttl_us = ttl_us.filter(|_| window.is_none());
            Op::Neighbour(NeighbourOp { keys: vec![KEY], time: time(), order, distance, ahead, values, window, ttl_us })
        },
    );
    check(cases);
}

#[test]
fn running_aggregates() {
    let over = prop_oneof![
        (0..9i64).prop_map(RunningOver::Time),
        (1..5u64).prop_map(RunningOver::Rows),
        (1..9i64, -3..3i64).prop_map(|(size, offset)| RunningOver::Window { size, offset }),
    ];
    let cases = (any_order(&[1, 2, 4]), over, any_ttl()).prop_map(|(order, over, ttl_us)| {
        let ttl_us = ttl_us.filter(|_| matches!(over, RunningOver::Rows(_)));
        let calls = running::calls().into_iter().map(|(call, _)| call).collect();
        Op::Running(RunningOp { keys: vec![KEY], time: time(), order, over, calls, ttl_us })
    });
    check(cases);
}
