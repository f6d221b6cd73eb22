//! Decoding JSON lines into Arrow columns, beside `simd-json` that only parses the same bytes.
//!
//! Each group is one kind of row. `all` decodes every column, `two` only two of them, `numbers` those that are no text.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use runink_benches::json::{ROWS, decode, kinds, parse_to_tape};

fn json(c: &mut Criterion) {
    for lines in kinds() {
        let mut group = c.benchmark_group(format!("json_{}", lines.name));
        group.throughput(Throughput::Bytes(lines.text.len() as u64));
        let mut buffers = simd_json::Buffers::new(1024);
        group.bench_function("simd_json/tape", |b| {
            b.iter_batched_ref(|| lines.text.as_bytes().to_vec(), |copy| parse_to_tape(copy, &mut buffers).unwrap(), BatchSize::LargeInput);
        });
        let all: Vec<usize> = (0..lines.schema.fields().len()).collect();
        for (name, projection) in [("all", &all[..]), ("numbers", &lines.numbers), ("two", &lines.two)] {
            group.bench_function(format!("runink/{name}"), |b| b.iter(|| assert_eq!(decode(&lines, projection).unwrap(), ROWS)));
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = json
}
criterion_main!(benches);
