//! The join of two streams against the reference: all kinds and bounds, on random rows, epochs, batch cuts, workers and restores.

mod reference;
mod rules;

use arrow::{array::*, compute::take_record_batch, datatypes::*};
use datafusion_expr::col;
use proptest::{prelude::*, sample::Index};
use reference::{Bound, Expected, Given, Query, Reference, Row, shape};
use runink_checkpoint::{KeyGroups, StateChanges, StateTable, TableReplica};
use runink_operators::{
    Batch, Rejects,
    hash::{key_hashes, no_key},
    stream_join::StreamJoinOperator,
};
use runink_planner::{EventTime, JoinBound, StreamJoinKind, StreamJoinOp};
use std::{collections::BTreeMap, sync::Arc};

/// Few, so that workers share them in many ways.
const GROUPS: u16 = 16;
/// The right time column stands that much behind the event time.
const SHIFT_US: i64 = 3;

#[derive(Debug, Clone)]
struct Case {
    query: Query,
    /// How many key columns, of Int64 and Utf8.
    keys: usize,
    changelog: [bool; 2],
    /// One tick of time, in µs: small, so that all lies in one bucket, or large.
    tick: i64,
    epochs: Vec<EpochCase>,
    workers: usize,
}

#[derive(Debug, Clone)]
struct EpochCase {
    rows: [Vec<RowCase>; 2],
    advance: i64,
    clock: i64,
    cuts: Vec<Index>,
    /// State is captured at the epoch's end; with a number, it is restored on that many workers.
    capture: Option<Option<usize>>,
}

#[derive(Debug, Clone)]
struct RowCase {
    key: u8,
    time: Option<i64>,
    value: u8,
    /// Takes back one of the rows before, where its input can.
    back: Option<Index>,
}

fn input_schema(case: &Case, side: usize) -> SchemaRef {
    let prefix = ["l", "r"][side];
    let field = |name: &str, t: DataType| Field::new(format!("{prefix}_{name}"), t, true);
    let mut fields = vec![field("time", DataType::Timestamp(TimeUnit::Microsecond, None))];
    fields.extend([field("k", DataType::Int64), field("t", DataType::Utf8)].into_iter().take(case.keys));
    fields.extend([field("value", DataType::Int64), field("id", DataType::Int64)]);
    Arc::new(Schema::new(fields))
}

fn batch(case: &Case, side: usize, rows: &[(Row, i64)]) -> Batch {
    let shift = [0, SHIFT_US][side];
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(rows.iter().map(|(r, _)| r.time.map(|t| t - shift)).collect::<TimestampMicrosecondArray>())];
    let key = |i: usize| rows.iter().map(move |(r, _)| r.key[i]);
    if case.keys > 0 {
        columns.push(Arc::new(key(0).collect::<Int64Array>()));
    }
    if case.keys > 1 {
        columns.push(Arc::new(key(1).map(|k| k.map(|k| "k".repeat(k as usize))).collect::<StringArray>()));
    }
    columns.push(Arc::new(rows.iter().map(|(r, _)| r.value).collect::<Int64Array>()));
    columns.push(Arc::new(rows.iter().map(|(r, _)| Some(r.id)).collect::<Int64Array>()));
    let diffs = case.changelog[side].then(|| rows.iter().map(|(_, d)| *d).collect::<Vec<_>>().into());
    Batch { rows: RecordBatch::try_new(input_schema(case, side), columns).unwrap(), diffs, origin: None }
}

/// The plan, and the output's schema.
fn plan(case: &Case) -> (StreamJoinOp, SchemaRef) {
    let [left, right] = [0, 1].map(|side| input_schema(case, side));
    let times = [EventTime { column: 0, shift_us: 0 }, EventTime { column: 0, shift_us: SHIFT_US }];
    let both: Vec<FieldRef> = left.fields().iter().chain(right.fields()).cloned().collect();
    let kind = case.query.kind;
    // Not the last, so that places differ.
    let right_columns: Vec<usize> = if kind.has_right_columns() { (0..right.fields().len()).rev().collect() } else { vec![] };
    let output = left.fields().iter().cloned().chain(right_columns.iter().map(|&c| right.fields()[c].clone())).collect::<Vec<_>>();
    let op = StreamJoinOp {
        kind,
        on: (1..=case.keys).map(|k| (k, k)).collect(),
        condition: case.query.condition.then(|| (col("l_value").lt_eq(col("r_value")), Arc::new(Schema::new(both)) as SchemaRef)),
        right_columns,
        bound: match case.query.bound {
            Bound::Window { size, slide, offset, by_clock } => {
                JoinBound::Window { shape: shape(size, slide, offset), times: (!by_clock).then_some(times) }
            }
            Bound::Within { from, to } => JoinBound::Within { from_us: from, to_us: to, times },
            Bound::AsOf => JoinBound::AsOf { times },
            Bound::Unbounded { ttl } => JoinBound::Unbounded { ttl_us: ttl },
        },
        changelog: case.changelog,
    };
    (op, Arc::new(Schema::new(output)))
}

/// The row in columns that stand as in the input; none where all are null.
fn row(case: &Case, side: usize, columns: &[ArrayRef], i: usize) -> Option<Row> {
    let int = |c: &ArrayRef| c.is_valid(i).then(|| c.as_primitive::<Int64Type>().value(i));
    let id = int(columns.last().unwrap())?;
    let time = columns[0].as_primitive::<TimestampMicrosecondType>();
    let mut key = vec![];
    if case.keys > 0 {
        key.push(int(&columns[1]));
    }
    if case.keys > 1 {
        key.push(columns[2].is_valid(i).then(|| columns[2].as_string::<i32>().value(i).len() as i64));
    }
    let time = time.is_valid(i).then(|| time.value(i) + [0, SHIFT_US][side]);
    Some(Row { time, key, value: int(&columns[columns.len() - 2]), id })
}

fn given(case: &Case, changelog: bool, batches: &[Batch]) -> BTreeMap<Given, i64> {
    let mut rows: BTreeMap<Given, i64> = BTreeMap::new();
    for batch in batches {
        assert_eq!(batch.diffs.is_some(), changelog);
        let width = case.keys + 3;
        let (left, right) = batch.rows.columns().split_at(width);
        let right: Vec<ArrayRef> = right.iter().rev().cloned().collect();
        for i in 0..batch.len() {
            let right = if right.is_empty() { None } else { row(case, 1, &right, i) };
            *rows.entry((row(case, 0, left, i), right)).or_default() += batch.diffs.as_ref().map_or(1, |d| d.value(i));
        }
    }
    rows.retain(|_, diff| *diff != 0);
    rows
}

struct Worker {
    operator: StreamJoinOperator,
    replica: TableReplica,
}

fn worker(case: &Case) -> Worker {
    let (op, output) = plan(case);
    let [left, right] = [0, 1].map(|side| input_schema(case, side));
    let operator = StreamJoinOperator::new("step", &op, &left, &right, &output, KeyGroups::new(GROUPS)).unwrap();
    Worker { replica: TableReplica::of(&operator).unwrap(), operator }
}

/// Rows for one worker, in pieces.
fn routed(case: &Case, all: &Batch, cuts: &[Index], worker: usize, workers: usize) -> Vec<Batch> {
    let groups = KeyGroups::new(GROUPS);
    let mut hashes = Vec::new();
    key_hashes(&all.rows.columns()[1..=case.keys], &mut hashes).unwrap();
    if case.keys == 0 {
        hashes = vec![no_key(); all.len()];
    }
    let own = (0..all.len() as u32).filter(|&i| groups.worker_of(groups.of_hash(hashes[i as usize]), workers) == worker);
    let own = all.take(&own.collect::<UInt32Array>()).unwrap();
    let mut at: Vec<usize> = cuts.iter().map(|c| c.index(own.len() + 1)).chain([0, own.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|w| own.slice(w[0], w[1] - w[0])).collect()
}

/// The rows of an epoch, with multiplicities; rows that are taken back leave `live`.
fn rows_of(case: &Case, side: usize, rows: &[RowCase], live: &mut Vec<Row>, next_id: &mut i64) -> Vec<(Row, i64)> {
    let unique = !matches!(case.query.bound, Bound::Unbounded { ttl: None });
    let made = rows.iter().map(|r| {
        if let Some(index) = r.back.filter(|_| case.changelog[side] && !live.is_empty()) {
            let at = index.index(live.len());
            return (live.remove(at), -1);
        }
        *next_id += 1;
        let key = (0..case.keys).map(|i| r.key >> (2 * i) & 3).map(|k| (k < 3).then_some(i64::from(k))).collect();
        let value = (r.value % 7 != 0).then_some(i64::from(r.value % 4));
        let row = Row { time: r.time.map(|t| t * case.tick), key, value, id: if unique { *next_id } else { 0 } };
        live.push(row.clone());
        (row, 1)
    });
    made.collect()
}

fn run(case: &Case) {
    let changelog = plan(case).0.is_changelog();
    let mut reference = Reference::new(case.query.clone());
    let mut workers: Vec<Worker> = (0..case.workers).map(|_| worker(case)).collect();
    let (mut watermark, mut clock, mut next_id) = (i64::MIN, 0, 0);
    let mut live = [vec![], vec![]];
    let mut seen: BTreeMap<Given, i64> = BTreeMap::new();
    let last = case.epochs.len();
    let end = EpochCase { rows: [vec![], vec![]], advance: 0, clock: 1, cuts: vec![], capture: None };
    for (number, epoch) in case.epochs.iter().chain([&end]).enumerate() {
        let before = watermark;
        clock += epoch.clock * case.tick;
        watermark = match (number == last, epoch.advance) {
            (true, _) => i64::MAX,
            (_, 0) => watermark,
            (_, by) => (if watermark == i64::MIN { 0 } else { watermark }) + by * case.tick,
        };
        let rows = [0, 1].map(|side| rows_of(case, side, &epoch.rows[side], &mut live[side], &mut next_id));
        let Expected { rows: expected, late, rejected } = reference.epoch([&rows[0], &rows[1]], watermark, clock);
        let mut rejects = Rejects::default();
        let count = workers.len();
        let mut batches = Vec::new();
        for (n, worker) in workers.iter_mut().enumerate() {
            let [left, right] = [0, 1].map(|side| routed(case, &batch(case, side, &rows[side]), &epoch.cuts, n, count));
            worker.operator.apply_left(left, before, clock, &mut rejects).unwrap();
            worker.operator.apply_right(right, before, clock, &mut rejects).unwrap();
            let out = worker.operator.close(watermark, clock, &mut rejects).unwrap();
            // No change is given and taken back in one epoch.
            let (net, all) = (given(case, changelog, &out).len(), out.iter().map(Batch::len).sum::<usize>());
            assert!(!out.iter().filter_map(|b| b.diffs.as_ref()).any(|d| d.values().iter().any(|&d| d < 0)) || net == all);
            batches.extend(out);
        }
        let found = given(case, changelog, &batches);
        assert_eq!(found, expected, "epoch {number}, watermark {watermark}, clock {clock}");
        let reasons = |reason: &str| rejects.rows().iter().filter(|r| r.reason.as_str() == reason).count();
        assert_eq!((reasons("late"), reasons("expression")), (late, rejected), "epoch {number}: {:?}", rejects.rows());
        for (row, diff) in found {
            *seen.entry(row).or_default() += diff;
        }
        assert!(seen.values().all(|&n| n >= 0), "a row was taken back that had not been given");
        for (n, worker) in workers.iter_mut().enumerate().filter(|_| epoch.capture.is_some()) {
            let changes = worker.operator.capture().unwrap();
            if let Some(rows) = &changes.upserted {
                let own = KeyGroups::new(GROUPS).of_worker(n, count);
                assert!(rows.column(0).as_primitive::<UInt16Type>().values().iter().all(|g| own.contains(g)));
            }
            worker.replica.apply(&changes).unwrap();
            assert!(worker.operator.capture().unwrap().is_empty());
            assert_eq!(worker.operator.keys(), worker.replica.len());
            assert_eq!(worker.operator.keys() as u64, worker.operator.held());
        }
        if let Some(Some(next)) = epoch.capture {
            let old = std::mem::take(&mut workers);
            for n in 0..next {
                let mut new = worker(case);
                let own = KeyGroups::new(GROUPS).of_worker(n, next);
                for before in &old {
                    let rows = before.replica.rows(own.clone()).unwrap();
                    // In an order that is not theirs.
                    let reversed: UInt32Array = (0..rows.num_rows() as u32).rev().collect();
                    new.operator.restore(&take_record_batch(&rows, &reversed).unwrap()).unwrap();
                    new.replica.apply(&StateChanges { expired: vec![], deleted: None, upserted: Some(rows) }).unwrap();
                }
                new.operator.resume(watermark, clock);
                workers.push(new);
            }
            assert_eq!(workers.iter().map(|w| w.operator.held()).sum::<u64>(), old.iter().map(|w| w.operator.held()).sum::<u64>());
        }
    }
    assert!(matches!(case.query.bound, Bound::Unbounded { .. } | Bound::AsOf) || workers.iter().all(|w| w.operator.held() == 0));
}

fn any_kind() -> impl Strategy<Value = StreamJoinKind> {
    use StreamJoinKind::*;
    prop::sample::select(vec![Inner, Left, Right, Full, Semi, Anti])
}

fn any_row() -> impl Strategy<Value = RowCase> {
    let time = prop_oneof![9 => (0..24i64).prop_map(Some), 1 => Just(None)];
    let back = prop_oneof![2 => Just(None), 1 => any::<Index>().prop_map(Some)];
    (0..16u8, time, any::<u8>(), back).prop_map(|(key, time, value, back)| RowCase { key, time, value, back })
}

fn any_epoch() -> impl Strategy<Value = EpochCase> {
    let rows = || proptest::collection::vec(any_row(), 0..9);
    let capture = prop_oneof![2 => Just(None), 1 => Just(Some(None)), 1 => (1..4usize).prop_map(|n| Some(Some(n)))];
    let cuts = proptest::collection::vec(any::<Index>(), 0..3);
    ([rows(), rows()], prop_oneof![1 => Just(0i64), 3 => 1..8i64], 0..6i64, cuts, capture)
        .prop_map(|(rows, advance, clock, cuts, capture)| EpochCase { rows, advance, clock, cuts, capture })
}

prop_compose! {
    fn any_case(bound: BoxedStrategy<Bound>)(
        kind in any_kind(),
        bound in bound,
        condition in any::<bool>(),
        keys in 0..3usize,
        changelog in any::<[bool; 2]>(),
        tick in prop::sample::select(vec![1i64, 1_000_000]),
        epochs in proptest::collection::vec(any_epoch(), 1..9),
        workers in 1..5usize,
    ) -> Case {
        let (bound, kind) = match bound {
            Bound::Window { size, slide, offset, by_clock } => {
                (Bound::Window { size: size * tick, slide: slide * tick, offset: offset * tick, by_clock }, kind)
            }
            Bound::Within { from, to } => (Bound::Within { from: from * tick, to: to * tick }, kind),
            Bound::AsOf => (bound, kind),
            Bound::Unbounded { ttl } => (Bound::Unbounded { ttl: ttl.map(|t| t * tick) }, kind),
        };
        let changelog = if matches!(bound, Bound::Unbounded { .. }) { changelog } else { [false, false] };
        Case { query: Query { kind, bound, condition }, keys, changelog, tick, epochs, workers }
    }
}

fn check(bound: impl Strategy<Value = Bound> + 'static) {
    let config = ProptestConfig { max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::with_cases(192) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&any_case(bound.boxed()), |case| {
        run(&case);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn rows_in_a_window() {
    let window = (1..9i64, 1..9i64, any::<bool>(), -5..5i64, prop::bool::weighted(0.2));
    check(window.prop_map(|(a, b, tumbling, offset, by_clock)| {
        let (size, slide) = if tumbling { (a, a) } else { (a.max(b), a.min(b)) };
        Bound::Window { size, slide, offset, by_clock }
    }));
}

#[test]
fn rows_within_a_span_of_each_other() {
    check((-8..8i64, -8..8i64).prop_map(|(a, b)| Bound::Within { from: a.min(b), to: a.max(b) }));
}

#[test]
fn rows_as_of_a_time() {
    check(Just(Bound::AsOf));
}

#[test]
fn every_two_rows() {
    check(Just(Bound::Unbounded { ttl: None }));
}

#[test]
fn every_two_rows_for_a_while() {
    check((1..12i64).prop_map(|ttl| Bound::Unbounded { ttl: Some(ttl) }));
}
