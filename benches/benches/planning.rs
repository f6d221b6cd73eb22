//! From a text to a running scenario: parse, plan, start.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, criterion_group, criterion_main};
use runink_benches::run;
use runink_dsl::{Project, SourceFile};
use runink_engine::{GroupConfig, WorkerGroup};

const STEPS: usize = 50;

fn planning(c: &mut Criterion) {
    let text = run::scenario_of(STEPS);
    let mut group = c.benchmark_group("50 steps");
    group.bench_function("parse", |b| {
        b.iter(|| Project::new(vec![SourceFile { path: "bench.dsl".into(), text: text.clone() }]));
    });
    group.bench_function("parse and plan", |b| b.iter(|| run::plan(&text, "Last").unwrap()));
    let engine = WorkerGroup::start(GroupConfig { workers: 2 }).unwrap();
    group.bench_function("parse, plan, start and end", |b| {
        b.iter(|| run::run(&engine, run::plan(&text, "Last").unwrap(), "Last", &[]).unwrap());
    });
    group.finish();
    engine.shutdown().unwrap();
}

criterion_group!(benches, planning);
criterion_main!(benches);
