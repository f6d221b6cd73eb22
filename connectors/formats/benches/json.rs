//! Decoding JSON lines into Arrow columns, beside `simd-json` that only parses the same bytes.
//!
//! Each group is one kind of row. `simd_json/tape` parses to its tape and `simd_json/borrowed` to a value; neither makes columns. `all` decodes every
//! column, `two` only two of them, `numbers` those that are no text.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use runink_formats::{ReadSpec, TextFormat, decoder};
use std::{fmt::Write, hint::black_box, sync::Arc};

const ROWS: usize = 50_000;
const BLOCK_BYTES: usize = 512 << 10;

/// A cheap, reproducible source of numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn bids() -> (SchemaRef, String) {
    let schema = Schema::new(vec![
        Field::new("auction", DataType::Int64, true),
        Field::new("bidder", DataType::Int64, true),
        Field::new("price", DataType::Int64, true),
        Field::new("channel", DataType::Utf8, true),
        Field::new("url", DataType::Utf8, true),
        Field::new("date_time", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        Field::new("extra", DataType::Utf8, true),
    ]);
    let mut n = Numbers(1);
    let mut text = String::new();
    for row in 0..ROWS {
        let channel = ["Google", "Facebook", "Baidu", "Apple", "channel-4711"][n.below(5) as usize];
        let (second, milli) = (row / 1000 % 60, row % 1000);
        let extra: String = (0..n.below(60)).map(|i| char::from(b'a' + (i % 26) as u8)).collect();
        let _ = writeln!(
            text,
            r#"{{"auction":{},"bidder":{},"price":{},"channel":"{channel}","url":"https://www.nexmark.com/{}/item.htm?query=1","date_time":"2026-01-01T00:10:{second:02}.{milli:03}Z","extra":"{extra}"}}"#,
            1000 + n.below(100_000),
            1000 + n.below(100_000),
            n.below(10_000_000),
            n.below(1_000_000),
        );
    }
    (Arc::new(schema), text)
}

fn flights() -> (SchemaRef, String) {
    let schema = Schema::new(vec![
        Field::new("date", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("delay", DataType::Int64, true),
        Field::new("distance", DataType::Float64, true),
        Field::new("origin", DataType::Utf8, true),
        Field::new("destination", DataType::Utf8, true),
        Field::new("cancelled", DataType::Boolean, true),
    ]);
    let airports = ["ATL", "ORD", "DFW", "LAX", "JFK", "SFO", "DEN"];
    let mut n = Numbers(2);
    let mut text = String::new();
    for row in 0..ROWS {
        let (hour, minute) = (row / 60 % 24, row % 60);
        let _ = writeln!(
            text,
            r#"{{"date": "2001-01-{:02} {hour:02}:{minute:02}:00", "delay": {}, "distance": {}.{}, "origin": "{}", "destination": "{}", "cancelled": {}}}"#,
            1 + n.below(28),
            n.below(200) as i64 - 30,
            n.below(3000),
            n.below(100),
            airports[n.below(7) as usize],
            airports[n.below(7) as usize],
            n.below(50) == 0,
        );
    }
    (Arc::new(schema), text)
}

/// Decodes all of a text, block by block; how many rows it had.
fn decode(spec: &ReadSpec, text: &[u8]) -> usize {
    let mut decoder = decoder(&TextFormat::Json, spec, 1).expect("the types are supported");
    let mut rows = 0;
    for mut block in text.chunks(BLOCK_BYTES) {
        while !block.is_empty() {
            block = &block[decoder.push(block).expect("the text is UTF-8")..];
            if decoder.is_full() {
                rows += decoder.take().expect("columns make a batch").map_or(0, |d| black_box(d).batch.num_rows());
            }
        }
    }
    decoder.finish().expect("the text is UTF-8");
    rows + decoder.take().expect("columns make a batch").map_or(0, |d| black_box(d).batch.num_rows())
}

fn compare(c: &mut Criterion, name: &str, (schema, text): (SchemaRef, String), two: [usize; 2], numbers: &[usize]) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Bytes(text.len() as u64));
    let bytes = text.as_bytes();
    let mut buffers = simd_json::Buffers::new(1024);
    group.bench_function("simd_json/tape", |b| {
        b.iter_batched_ref(
            || bytes.to_vec(),
            |copy| {
                for line in copy.split_mut(|b| *b == b'\n').filter(|l| !l.is_empty()) {
                    black_box(simd_json::to_tape_with_buffers(line, &mut buffers).expect("the text is JSON"));
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("simd_json/borrowed", |b| {
        b.iter_batched_ref(
            || bytes.to_vec(),
            |copy| {
                for line in copy.split_mut(|b| *b == b'\n').filter(|l| !l.is_empty()) {
                    black_box(simd_json::to_borrowed_value_with_buffers(line, &mut buffers).expect("the text is JSON"));
                }
            },
            BatchSize::LargeInput,
        );
    });
    let all = ReadSpec::all(schema, 8192);
    let mut bench = |name: &str, projection: &[usize]| {
        let spec = ReadSpec { projection: projection.to_vec(), ..all.clone() };
        group.bench_function(name, |b| b.iter(|| assert_eq!(decode(&spec, bytes), ROWS)));
    };
    bench("runink/all", &all.projection);
    bench("runink/numbers", numbers);
    bench("runink/two", &two);
    group.finish();
}

fn json(c: &mut Criterion) {
    compare(c, "json_bids", bids(), [0, 2], &[0, 1, 2, 5]);
    compare(c, "json_flights", flights(), [1, 3], &[0, 1, 2, 5]);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = json
}
criterion_main!(benches);
