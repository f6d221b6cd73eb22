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

criterion_group!(benches, aggregates);
criterion_main!(benches);
