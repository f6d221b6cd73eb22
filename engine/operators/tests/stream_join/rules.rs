//! Single rules of the join of two streams, and that the memory it takes follows the rows that can still meet.

use arrow::{array::*, datatypes::*};
use datafusion_expr::{col, lit};
use runink_checkpoint::{KeyGroups, StateTable};
use runink_operators::{Batch, OperatorError, Rejects, stream_join::StreamJoinOperator};
use runink_planner::{EventTime, JoinBound, StreamJoinKind, StreamJoinOp, WindowShape};
use std::sync::Arc;

fn schema(prefix: &str) -> SchemaRef {
    let field = |name: &str, t: DataType| Field::new(format!("{prefix}_{name}"), t, true);
    Arc::new(Schema::new(vec![field("time", DataType::Timestamp(TimeUnit::Microsecond, None)), field("k", DataType::Int64)]))
}

fn times() -> [EventTime; 2] {
    [EventTime { column: 0, shift_us: 0 }, EventTime { column: 0, shift_us: 0 }]
}

fn op(kind: StreamJoinKind, bound: JoinBound) -> StreamJoinOp {
    let right_columns = if kind.has_right_columns() { vec![1] } else { vec![] };
    StreamJoinOp { kind, on: vec![(1, 1)], condition: None, right_columns, bound, changelog: [false, false] }
}

fn made(op: &StreamJoinOp) -> Result<StreamJoinOperator, OperatorError> {
    let (left, right) = (schema("l"), schema("r"));
    let output = left.fields().iter().cloned().chain(op.right_columns.iter().map(|&c| right.fields()[c].clone())).collect::<Vec<_>>();
    StreamJoinOperator::new("step", op, &left, &right, &Arc::new(Schema::new(output)), KeyGroups::default())
}

fn batch(side: &str, times: Vec<i64>, keys: Vec<i64>) -> Batch {
    let columns: Vec<ArrayRef> = vec![Arc::new(TimestampMicrosecondArray::from(times)), Arc::new(Int64Array::from(keys))];
    Batch::of(RecordBatch::try_new(schema(side), columns).unwrap())
}

const TUMBLING: WindowShape = WindowShape::Tumbling { size: 1_000_000, offset: 0 };

#[test]
fn what_it_does_not_have_is_refused_by_name() {
    let session = JoinBound::Window { shape: WindowShape::Session { gap: 1 }, times: Some(times()) };
    let backwards = JoinBound::Within { from_us: 2, to_us: 1, times: times() };
    let cases = [op(StreamJoinKind::Inner, session), op(StreamJoinKind::Inner, backwards)];
    for (op, said) in cases.iter().zip(["Session", "Within"]) {
        let Err(error) = made(op) else { panic!("{op:?}") };
        assert!(error.to_string().contains(said), "{error}");
    }
    let mut changing = op(StreamJoinKind::Inner, JoinBound::AsOf { times: times() });
    changing.changelog = [false, true];
    assert!(made(&changing).is_err());
}

#[test]
fn a_changelog_into_an_append_only_input_is_an_error() {
    let mut join = made(&op(StreamJoinKind::Inner, JoinBound::Unbounded { ttl_us: None })).unwrap();
    let rows = Batch { diffs: Some(vec![-1].into()), ..batch("l", vec![1], vec![1]) };
    assert!(join.apply_left(vec![rows], i64::MIN, 0, &mut Rejects::default()).is_err());
}

#[test]
fn a_pair_on_which_the_condition_fails_is_rejected_and_does_not_meet() {
    let bound = JoinBound::Window { shape: TUMBLING, times: Some(times()) };
    let (left, right) = (schema("l"), schema("r"));
    let both: Vec<FieldRef> = left.fields().iter().chain(right.fields()).cloned().collect();
    let mut op = op(StreamJoinKind::Left, bound);
    op.on = vec![];
    op.condition = Some(((lit(6i64) / col("r_k")).eq(lit(3i64)), Arc::new(Schema::new(both))));
    let mut join = made(&op).unwrap();
    let mut rejects = Rejects::default();
    join.apply_left(vec![batch("l", vec![1], vec![7])], i64::MIN, 0, &mut rejects).unwrap();
    join.apply_right(vec![batch("r", vec![1, 2, 3], vec![0, 2, 5])], i64::MIN, 0, &mut rejects).unwrap();
    let out = join.close(i64::MAX, 0, &mut rejects).unwrap();
    assert_eq!(out.iter().map(Batch::len).sum::<usize>(), 1);
    assert_eq!(out[0].rows.column(2).as_primitive::<Int64Type>().value(0), 2);
    assert_eq!(rejects.len(), 1);
    assert_eq!((rejects.rows()[0].reason.as_str(), rejects.rows()[0].row.as_slice()), ("expression", b"{\"r_k\": 0}".as_slice()));
    assert!(rejects.rows()[0].message.starts_with("the join's condition: "), "{}", rejects.rows()[0].message);
}

#[test]
fn a_late_row_says_its_time_and_the_watermark() {
    let mut join = made(&op(StreamJoinKind::Inner, JoinBound::Window { shape: TUMBLING, times: Some(times()) })).unwrap();
    let mut rejects = Rejects::default();
    join.apply_left(vec![batch("l", vec![999_999], vec![1])], 1_000_000, 0, &mut rejects).unwrap();
    let message = &rejects.rows()[0].message;
    assert!(message.contains("late for step") && message.contains("00:00:00.999999") && message.contains("00:00:01Z"), "{message}");
}

/// Runs many epochs of rows that meet for a while; the most memory and rows that were held.
fn most_held(kind: StreamJoinKind, bound: JoinBound, epochs: i64) -> (usize, u64) {
    let mut join = made(&op(kind, bound)).unwrap();
    let mut rejects = Rejects::default();
    let mut most = (0, 0);
    for epoch in 0..epochs {
        let (start, before) = (epoch * 100_000, (epoch - 1) * 100_000);
        let rows = |side, key: i64| batch(side, (0..64).map(|i| start + i).collect(), (0..64).map(|i| epoch * key + i).collect());
        join.apply_left(vec![rows("l", 64)], before, 0, &mut rejects).unwrap();
        join.apply_right(vec![rows("r", 32)], before, 0, &mut rejects).unwrap();
        join.close(start, 0, &mut rejects).unwrap();
        most = (most.0.max(join.bytes()), most.1.max(join.held()));
    }
    assert!(rejects.is_empty());
    most
}

#[test]
fn memory_follows_the_rows_that_can_meet() {
    use StreamJoinKind::{Full, Inner, Semi};
    let within = JoinBound::Within { from_us: -500_000, to_us: 1_500_000, times: times() };
    let window = JoinBound::Window { shape: TUMBLING, times: Some(times()) };
    let kept = JoinBound::Unbounded { ttl_us: Some(2_000_000) };
    for (kind, bound) in
        [(Inner, within.clone()), (Full, within), (Semi, window.clone()), (Full, window), (Full, kept.clone()), (Inner, kept)]
    {
        let (few, many) = (most_held(kind, bound.clone(), 100), most_held(kind, bound.clone(), 1000));
        assert!(many.1 <= few.1 && many.0 < few.0 * 3 / 2, "{kind:?} {bound:?}: {few:?} after 100 epochs, {many:?} after 1000");
    }
}

#[test]
fn old_versions_go() {
    let mut join = made(&op(StreamJoinKind::Inner, JoinBound::AsOf { times: times() })).unwrap();
    let mut rejects = Rejects::default();
    for epoch in 0..500 {
        let rows = batch("r", (0..64).map(|i| epoch * 1000 + i).collect(), (0..64).map(|i| i % 8).collect());
        join.apply_right(vec![rows], (epoch - 1) * 1000, 0, &mut rejects).unwrap();
        join.close(epoch * 1000, 0, &mut rejects).unwrap();
        assert!(join.held() <= 128, "{}", join.held());
    }
    assert!(rejects.is_empty());
}

#[test]
fn the_time_of_what_comes_out_is_never_behind_the_watermark() {
    let window = JoinBound::Window { shape: TUMBLING, times: Some(times()) };
    let within = JoinBound::Within { from_us: -5, to_us: 10, times: times() };
    let time = |column, shift_us| Some(EventTime { column, shift_us });
    let mut right = op(StreamJoinKind::Right, within.clone());
    right.right_columns = vec![1, 0];
    assert_eq!(op(StreamJoinKind::Left, window).output_time(2), time(0, 999_999));
    assert_eq!(op(StreamJoinKind::Anti, within.clone()).output_time(2), time(0, 10));
    assert_eq!(right.output_time(2), time(3, 5));
    assert_eq!(op(StreamJoinKind::Right, within.clone()).output_time(2), None);
    assert_eq!(op(StreamJoinKind::Full, within).output_time(2), None);
    assert_eq!(op(StreamJoinKind::Left, JoinBound::AsOf { times: times() }).output_time(2), time(0, 0));
    let mut as_of = op(StreamJoinKind::Right, JoinBound::AsOf { times: times() });
    as_of.right_columns = vec![1, 0];
    assert_eq!(as_of.output_time(2), None, "a version that nobody met comes out long after its time");
}

/// Enough rows that slots and buckets are rewritten when most of them go.
const MANY: i64 = 40_000;

fn keys_of(out: &[Batch]) -> Vec<(i64, i64)> {
    let key = |b: &Batch, i| b.rows.column(1).as_primitive::<Int64Type>().value(i);
    let diff = |b: &Batch, i| b.diffs.as_ref().map_or(1, |d| d.value(i));
    let mut all: Vec<(i64, i64)> = out.iter().flat_map(|b| (0..b.len()).map(move |i| (key(b, i), diff(b, i)))).collect();
    all.sort_unstable();
    all
}

#[test]
fn few_rows_of_many_stay_what_they_are() {
    let mut op = op(StreamJoinKind::Inner, JoinBound::Unbounded { ttl_us: None });
    op.changelog = [true, false];
    let mut join = made(&op).unwrap();
    let mut rejects = Rejects::default();
    let rows = |keys: Vec<i64>, diff: i64| Batch { diffs: Some(vec![diff; keys.len()].into()), ..batch("l", keys.clone(), keys) };
    join.apply_left(vec![rows((0..MANY).collect(), 1)], i64::MIN, 0, &mut rejects).unwrap();
    assert!(join.close(i64::MIN, 0, &mut rejects).unwrap().is_empty());
    let full = join.bytes();
    join.apply_left(vec![rows((0..MANY).filter(|k| k % 100 != 7).collect(), -1)], i64::MIN, 0, &mut rejects).unwrap();
    assert!(join.close(i64::MIN, 0, &mut rejects).unwrap().is_empty());
    assert_eq!(join.held(), 400);
    assert!(join.bytes() < full);
    let right = || batch("r", vec![0; 1000], (0..1000).collect());
    join.apply_right(vec![right()], i64::MIN, 0, &mut rejects).unwrap();
    let met = (0..1000).filter(|k| k % 100 == 7);
    assert_eq!(keys_of(&join.close(i64::MIN, 0, &mut rejects).unwrap()), met.clone().map(|k| (k, 1)).collect::<Vec<_>>());
    join.apply_left(vec![rows((0..1000).collect(), -1)], i64::MIN, 0, &mut rejects).unwrap();
    assert_eq!(keys_of(&join.close(i64::MIN, 0, &mut rejects).unwrap()), met.map(|k| (k, -1)).collect::<Vec<_>>());
    assert_eq!(join.held(), 390 + 1000);
}

#[test]
fn the_last_rows_of_many_still_meet() {
    let within = JoinBound::Within { from_us: 0, to_us: 20_000_000, times: times() };
    for (kind, both) in [(StreamJoinKind::Left, true), (StreamJoinKind::Semi, false)] {
        let mut join = made(&op(kind, within.clone())).unwrap();
        let mut rejects = Rejects::default();
        let last: Vec<i64> = (MANY..MANY + 50).collect();
        join.apply_left(vec![batch("l", vec![0; MANY as usize], (0..MANY).collect())], 0, 0, &mut rejects).unwrap();
        join.apply_left(vec![batch("l", vec![15_000_000; 50], last.clone())], 0, 0, &mut rejects).unwrap();
        join.apply_right(vec![batch("r", vec![1; MANY as usize / 2], (0..MANY / 2).collect())], 0, 0, &mut rejects).unwrap();
        let first = keys_of(&join.close(0, 0, &mut rejects).unwrap());
        assert_eq!(first, (0..MANY / 2).map(|k| (k, 1)).collect::<Vec<_>>());
        let gone = keys_of(&join.close(25_000_000, 0, &mut rejects).unwrap());
        assert_eq!(gone, if both { (MANY / 2..MANY).map(|k| (k, 1)).collect() } else { vec![] });
        assert_eq!(join.held(), 50);
        join.apply_right(vec![batch("r", vec![30_000_000; 50], last.clone())], 25_000_000, 0, &mut rejects).unwrap();
        let met = keys_of(&join.close(30_000_000, 0, &mut rejects).unwrap());
        assert_eq!(met, last.iter().map(|&k| (k, 1)).collect::<Vec<_>>());
        assert!(rejects.is_empty());
    }
}
