//! The aggregate operator beside hand-written single-threaded loops over the same rows. Goal: at least half their speed.
#![allow(clippy::unwrap_used, missing_docs)]

use arrow::{
    array::{AsArray, Int64Array, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use datafusion_expr::{Expr, col, lit};
use datafusion_functions_aggregate::{count::count_udaf, sum::sum_udaf};
use hashbrown::HashMap;
use runink_checkpoint::KeyGroups;
use runink_operators::{Batch, Rejects, aggregate::AggregateOperator};
use runink_planner::{AggregateCall, AggregateOp, EmitMode, EventTime, WindowShape, WindowSpec};
use std::{hint::black_box, sync::Arc};

const BATCHES: i64 = 256;
const ROWS: i64 = 8192;
/// Batches in an epoch.
const EPOCH: usize = 8;
/// A row each µs, so a window of so many rows.
const WINDOW_US: i64 = 500_000;
const SLIDES: i64 = 5;

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

fn schema() -> SchemaRef {
    let field = |name: &str, t: DataType| Field::new(name, t, true);
    Arc::new(Schema::new(vec![
        field("time", timestamp()),
        field("k", DataType::Int64),
        field("s", DataType::Utf8),
        field("v", DataType::Int64),
    ]))
}

/// Event times with some disorder, `keys` keys (and eight texts beside them).
fn input(keys: i64) -> Vec<RecordBatch> {
    let mut seed = 42u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as i64
    };
    let batch = |b: i64| {
        let time: TimestampMicrosecondArray = (0..ROWS).map(|i| Some((b * ROWS + i) - random() % 1000)).collect();
        let k: Int64Array = (0..ROWS).map(|_| Some(random() % keys)).collect();
        let s: StringArray = (0..ROWS).map(|_| Some(format!("category {}", random() % 8))).collect();
        let v: Int64Array = (0..ROWS).map(|_| Some(random() % 1000)).collect();
        RecordBatch::try_new(schema(), vec![Arc::new(time), Arc::new(k), Arc::new(s), Arc::new(v)]).unwrap()
    };
    let mut batch = batch;
    (0..BATCHES).map(&mut batch).collect()
}

fn call(function: Arc<datafusion_expr::AggregateUDF>, arg: Expr) -> AggregateCall {
    AggregateCall { function, args: vec![arg], distinct: false, filter: None, order_by: vec![], ignore_nulls: false, name: "r".into() }
}

fn operator(keys: Vec<usize>, call: AggregateCall, shape: Option<WindowShape>) -> AggregateOperator {
    let mut fields: Vec<Field> = keys.iter().map(|&k| schema().field(k).clone()).collect();
    fields.push(Field::new("r", DataType::Int64, true));
    if shape.is_some() {
        fields.extend([Field::new("window_start", timestamp(), false), Field::new("window_end", timestamp(), false)]);
    }
    let op = AggregateOp {
        keys,
        calls: vec![call],
        window: shape.map(|shape| WindowSpec { shape, time: Some(EventTime { column: 0, shift_us: 0 }) }),
        emit: EmitMode::OnClose,
        allowed_lateness_us: 0,
        ttl_us: None,
        two_phase: false,
        retracts: false,
    };
    AggregateOperator::new("bench", &op, &schema(), &Arc::new(Schema::new(fields)), KeyGroups::default()).unwrap()
}

/// All batches, in epochs; gives how many rows come out.
fn run(mut operator: AggregateOperator, batches: &[RecordBatch]) -> usize {
    let (mut rejects, mut rows, mut watermark) = (Rejects::default(), 0, i64::MIN);
    for (e, epoch) in batches.chunks(EPOCH).enumerate() {
        operator.apply(epoch.iter().cloned().map(Batch::of).collect(), watermark, 0, &mut rejects).unwrap();
        watermark = ((e + 1) * EPOCH) as i64 * ROWS - 1000;
        rows += operator.close(watermark, 0, &mut rejects).unwrap().batches.iter().map(Batch::len).sum::<usize>();
    }
    rows += operator.close(i64::MAX, 0, &mut rejects).unwrap().batches.iter().map(Batch::len).sum::<usize>();
    assert!(rejects.is_empty());
    rows
}

/// One update per row and window, then a row for each (window, key).
fn windowed_by_hand(batches: &[RecordBatch], slides: i64) -> usize {
    let slide = WINDOW_US / slides;
    let mut counts: HashMap<(i64, i64), i64, ahash::RandomState> = HashMap::default();
    for batch in batches {
        let time = batch.column(0).as_primitive::<TimestampMicrosecondType>().values();
        let k = batch.column(1).as_primitive::<Int64Type>().values();
        for (t, k) in time.iter().zip(k) {
            let last = t.div_euclid(slide) * slide;
            for w in 0..slides {
                *counts.entry((last - w * slide, *k)).or_insert(0) += 1;
            }
        }
    }
    black_box(&counts).len()
}

/// As [`windowed_by_hand`], by a text as well, over all time, with a sum.
fn grouped_by_hand(batches: &[RecordBatch]) -> usize {
    let mut sums: HashMap<(i64, String), i64, ahash::RandomState> = HashMap::default();
    for batch in batches {
        let k = batch.column(1).as_primitive::<Int64Type>().values();
        let s = batch.column(2).as_string::<i32>();
        let v = batch.column(3).as_primitive::<Int64Type>().values();
        for i in 0..batch.num_rows() {
            let key = Borrowed(k[i], s.value(i));
            match sums.get_mut(&key) {
                Some(sum) => *sum += v[i],
                None => {
                    sums.insert((k[i], s.value(i).to_owned()), v[i]);
                }
            }
        }
    }
    black_box(&sums).len()
}

#[derive(Hash)]
struct Borrowed<'a>(i64, &'a str);

impl hashbrown::Equivalent<(i64, String)> for Borrowed<'_> {
    fn equivalent(&self, key: &(i64, String)) -> bool {
        self.0 == key.0 && self.1 == key.1
    }
}

fn benches(c: &mut Criterion) {
    for keys in [1_000, 100_000] {
        let batches = input(keys);
        let mut group = c.benchmark_group(format!("{keys} keys"));
        group.throughput(Throughput::Elements((BATCHES * ROWS) as u64)).sample_size(10);
        let tumbling = || operator(vec![1], call(count_udaf(), lit(1i64)), Some(WindowShape::Tumbling { size: WINDOW_US, offset: 0 }));
        assert_eq!(run(tumbling(), &batches), windowed_by_hand(&batches, 1));
        group.bench_function("tumbling count by Int64: by hand", |b| b.iter(|| windowed_by_hand(&batches, 1)));
        group.bench_function("tumbling count by Int64", |b| b.iter_batched(tumbling, |o| run(o, &batches), BatchSize::PerIteration));
        let shape = WindowShape::Hopping { size: WINDOW_US, slide: WINDOW_US / SLIDES, offset: 0 };
        let hopping = || operator(vec![1], call(count_udaf(), lit(1i64)), Some(shape));
        assert_eq!(run(hopping(), &batches), windowed_by_hand(&batches, SLIDES));
        group.bench_function("hopping count by Int64: by hand", |b| b.iter(|| windowed_by_hand(&batches, SLIDES)));
        group.bench_function("hopping count by Int64", |b| b.iter_batched(hopping, |o| run(o, &batches), BatchSize::PerIteration));
        let grouped = || operator(vec![1, 2], call(sum_udaf(), col("v")), None);
        assert_eq!(run(grouped(), &batches), grouped_by_hand(&batches));
        group.bench_function("sum by Int64 and Utf8: by hand", |b| b.iter(|| grouped_by_hand(&batches)));
        group.bench_function("sum by Int64 and Utf8", |b| b.iter_batched(grouped, |o| run(o, &batches), BatchSize::PerIteration));
        group.finish();
    }
}

criterion_group!(aggregate, benches);
criterion_main!(aggregate);
