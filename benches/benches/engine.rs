//! Aggregates over batches in memory, from text to end, beside the same by hand.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use runink_benches::{by_hand, data, run};
use runink_engine::{GroupConfig, WorkerGroup};

const ROWS: usize = 1_000_000;

fn aggregates(c: &mut Criterion) {
    type ByHand = fn(&[arrow::record_batch::RecordBatch]) -> usize;
    let works: [(&str, &str, &str, ByHand); 2] = [
        ("windowed count", run::WINDOWED_COUNT, "Counts", by_hand::windowed_count),
        ("grouped sum", run::GROUPED_SUM, "Sums", by_hand::grouped_sum),
    ];
    for (name, text, step, by_hand) in works {
        let plan = run::plan(text, step).unwrap();
        let batches = data::batches(ROWS, &run::columns_read(&plan).unwrap()).unwrap();
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
        group.bench_function("by hand", |b| b.iter(|| by_hand(&batches)));
        for workers in [1, 2] {
            let engine = WorkerGroup::start(GroupConfig { workers }).unwrap();
            group.bench_function(format!("{workers} workers"), |b| {
                b.iter(|| run::run(&engine, plan.clone(), step, &batches).unwrap());
            });
            engine.shutdown().unwrap();
        }
        group.finish();
    }
}

/// Links that come in one epoch, and the same with more that come in small epochs after them: what an epoch costs that changes little, beside all from nothing.
fn recursion(c: &mut Criterion) {
    const EPOCHS: usize = 100;
    let plan = run::plan(run::COMPONENTS, "Components").unwrap();
    let all = data::batches(5 * 8192, &run::columns_read(&plan).unwrap()).unwrap();
    let first = all[..4].to_vec();
    // Four batches make an epoch.
    let small = (0..4 * EPOCHS).map(|i| all[4].slice(2 * i, 2));
    let then: Vec<_> = first.iter().cloned().chain(small).collect();
    let mut group = c.benchmark_group("components of 32,768 links");
    group.sample_size(10);
    for workers in [1, 2] {
        let engine = WorkerGroup::start(GroupConfig { workers }).unwrap();
        for (name, batches) in [("all from nothing", &first), ("then 100 epochs of 8 links", &then)] {
            group.bench_function(format!("{name}, {workers} workers"), |b| {
                b.iter(|| run::run(&engine, plan.clone(), "Components", batches).unwrap());
            });
        }
        engine.shutdown().unwrap();
    }
    group.finish();
}

criterion_group!(benches, aggregates, recursion);
criterion_main!(benches);
