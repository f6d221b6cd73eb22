//! The join of two streams over batches in memory, beside a loop by hand over hash maps that does the same on one thread.
#![allow(missing_docs, clippy::unwrap_used)]

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use runink_checkpoint::KeyGroups;
use runink_operators::{Batch, Rejects, stream_join::StreamJoinOperator};
use runink_planner::{EventTime, JoinBound, StreamJoinKind, StreamJoinOp, WindowShape};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

const EPOCHS: i64 = 64;
const BATCH: i64 = 8192;
const KEYS: u64 = 50_000;
/// Event time of one batch.
const BATCH_US: i64 = 1_000_000;
const WINDOW_US: i64 = 10_000_000;

fn schema(prefix: &str) -> SchemaRef {
    let field = |name: &str, t: DataType| Field::new(format!("{prefix}_{name}"), t, true);
    Arc::new(Schema::new(vec![
        field("time", DataType::Timestamp(TimeUnit::Microsecond, None)),
        field("key", DataType::Int64),
        field("value", DataType::Int64),
    ]))
}

fn batches(prefix: &str, seed: u64) -> Vec<RecordBatch> {
    let schema = schema(prefix);
    let key = |row: i64| ((row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ seed).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 32;
    let columns = |rows: std::ops::Range<i64>| -> Vec<ArrayRef> {
        vec![
            Arc::new(TimestampMicrosecondArray::from_iter_values(rows.clone().map(|r| r * BATCH_US / BATCH))),
            Arc::new(rows.clone().map(|r| (key(r) % KEYS) as i64).collect::<Int64Array>()),
            Arc::new(rows.collect::<Int64Array>()),
        ]
    };
    (0..EPOCHS).map(|e| RecordBatch::try_new(schema.clone(), columns(e * BATCH..(e + 1) * BATCH)).unwrap()).collect()
}

fn operator(kind: StreamJoinKind, bound: JoinBound, left: &[RecordBatch], right: &[RecordBatch]) -> usize {
    let (l, r) = (schema("l"), schema("r"));
    let right_columns = vec![2];
    let output = l.fields().iter().cloned().chain([r.fields()[2].clone()]).collect::<Vec<_>>();
    let op = StreamJoinOp { kind, on: vec![(1, 1)], condition: None, right_columns, bound, changelog: [false, false] };
    let mut join = StreamJoinOperator::new("step", &op, &l, &r, &Arc::new(Schema::new(output)), KeyGroups::default()).unwrap();
    let mut rejects = Rejects::default();
    let mut rows = 0;
    for (epoch, (left, right)) in left.iter().zip(right).enumerate() {
        let watermark = epoch as i64 * BATCH_US;
        join.apply_left(vec![Batch::of(left.clone())], watermark, 0, &mut rejects).unwrap();
        join.apply_right(vec![Batch::of(right.clone())], watermark, 0, &mut rejects).unwrap();
        rows += join.close(watermark + BATCH_US, 0, &mut rejects).unwrap().iter().map(Batch::len).sum::<usize>();
    }
    rows + join.close(i64::MAX, 0, &mut rejects).unwrap().iter().map(Batch::len).sum::<usize>()
}

/// What came out, in columns.
#[derive(Default)]
struct Out {
    time: Vec<i64>,
    key: Vec<i64>,
    left: Vec<i64>,
    right: Vec<Option<i64>>,
}

struct Kept {
    time: i64,
    value: i64,
    met: bool,
}

type Side = (HashMap<i64, VecDeque<Kept>, ahash::RandomState>, VecDeque<(i64, i64)>);

fn columns(batch: &RecordBatch) -> (&[i64], &[i64], &[i64]) {
    let int = |c: usize| &batch.column(c).as_primitive::<Int64Type>().values()[..];
    (&batch.column(0).as_primitive::<TimestampMicrosecondType>().values()[..], int(1), int(2))
}

/// Rows of both sides that are at most a window apart (or lie in the same window); left rows without partner where `outer`.
fn by_hand(outer: bool, tumbling: bool, left: &[RecordBatch], right: &[RecordBatch]) -> usize {
    let mut sides: [Side; 2] = Default::default();
    let meet = |a: i64, b: i64| if tumbling { a / WINDOW_US == b / WINDOW_US } else { (a - b).abs() <= WINDOW_US };
    let gone_at = |time: i64| if tumbling { (time / WINDOW_US + 1) * WINDOW_US } else { time + WINDOW_US + 1 };
    let mut rows = 0;
    let batches = left.iter().zip(right).enumerate();
    for (epoch, (left, right)) in batches {
        let mut out = Out::default();
        for (own, batch) in [(0, left), (1, right)] {
            let (times, keys, values) = columns(batch);
            for ((&time, &key), &value) in times.iter().zip(keys).zip(values) {
                let mut met = false;
                for other in sides[1 - own].0.get_mut(&key).into_iter().flatten().filter(|other| meet(time, other.time)) {
                    let (l, r, at) = if own == 0 { (value, other.value, time) } else { (other.value, value, other.time) };
                    out.time.push(at);
                    out.key.push(key);
                    out.left.push(l);
                    out.right.push(Some(r));
                    other.met = true;
                    met = true;
                }
                sides[own].0.entry(key).or_default().push_back(Kept { time, value, met });
                sides[own].1.push_back((gone_at(time), key));
            }
        }
        let watermark = if epoch + 1 == EPOCHS as usize { i64::MAX } else { (epoch as i64 + 1) * BATCH_US };
        for (own, (kept, order)) in sides.iter_mut().enumerate() {
            while let Some(&(gone, key)) = order.front().filter(|(gone, _)| *gone <= watermark) {
                order.pop_front();
                let Some(of_key) = kept.get_mut(&key) else { continue };
                if let Some(row) = of_key.pop_front().filter(|row| outer && own == 0 && !row.met) {
                    debug_assert!(gone <= watermark);
                    out.time.push(row.time);
                    out.key.push(key);
                    out.left.push(row.value);
                    out.right.push(None);
                }
                if of_key.is_empty() {
                    kept.remove(&key);
                }
            }
        }
        let Out { time, key, left, right } = out;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from(time)),
            Arc::new(Int64Array::from(key)),
            Arc::new(Int64Array::from(left)),
            Arc::new(Int64Array::from(right)),
        ];
        rows += std::hint::black_box(columns)[0].len();
    }
    rows
}

fn joins(c: &mut Criterion) {
    let (left, right) = (batches("l", 1), batches("r", 0x5bd1_e995));
    let times = [EventTime { column: 0, shift_us: 0 }, EventTime { column: 0, shift_us: 0 }];
    let within = JoinBound::Within { from_us: -WINDOW_US, to_us: WINDOW_US, times: times.clone() };
    let window = JoinBound::Window { shape: WindowShape::Tumbling { size: WINDOW_US, offset: 0 }, times: Some(times) };
    for (name, kind, bound) in [
        ("inner join in a window", StreamJoinKind::Inner, &window),
        ("inner join within a span", StreamJoinKind::Inner, &within),
        ("left join within a span", StreamJoinKind::Left, &within),
    ] {
        let (outer, tumbling) = (kind == StreamJoinKind::Left, bound == &window);
        assert_eq!(operator(kind, bound.clone(), &left, &right), by_hand(outer, tumbling, &left, &right));
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements((2 * EPOCHS * BATCH) as u64)).sample_size(10);
        group.bench_function("by hand", |b| b.iter(|| by_hand(outer, tumbling, &left, &right)));
        group.bench_function("operator", |b| b.iter(|| operator(kind, bound.clone(), &left, &right)));
        group.finish();
    }
}

criterion_group!(benches, joins);
criterion_main!(benches);
