//! JSON lines of two kinds, decoded into Arrow columns; beside `simd-json`, which only parses the same bytes.

use crate::run::{BenchError, broken};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use runink_formats::{ReadSpec, TextFormat, decoder};
use std::{fmt::Write, hint::black_box, sync::Arc};

/// How many lines each text has.
pub const ROWS: usize = 50_000;
/// How much a decoder is handed at once.
const BLOCK_BYTES: usize = 512 << 10;

/// A cheap, reproducible source of numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A kind of row.
pub struct Lines {
    /// What it is called.
    pub name: &'static str,
    /// All of its columns.
    pub schema: SchemaRef,
    /// The lines.
    pub text: String,
    /// Two columns, where only two are read.
    pub two: [usize; 2],
    /// The columns that are no text.
    pub numbers: [usize; 4],
}

/// Bids and flights.
pub fn kinds() -> [Lines; 2] {
    let (bid, bids) = bids();
    let (flight, flights) = flights();
    [
        Lines { name: "bid", schema: bid, text: bids, two: [0, 2], numbers: [0, 1, 2, 5] },
        Lines { name: "flight", schema: flight, text: flights, two: [1, 3], numbers: [0, 1, 2, 5] },
    ]
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

/// Decodes the columns of a projection; how many rows there were.
///
/// # Errors
/// What the decoder says.
pub fn decode(lines: &Lines, projection: &[usize]) -> Result<usize, BenchError> {
    let spec = ReadSpec { projection: projection.to_vec(), ..ReadSpec::all(lines.schema.clone(), 8192) };
    let mut decoder = decoder(&TextFormat::Json, &spec, 1).map_err(broken)?;
    let mut rows = 0;
    for mut block in lines.text.as_bytes().chunks(BLOCK_BYTES) {
        while !block.is_empty() {
            block = &block[decoder.push(block).map_err(broken)?..];
            if decoder.is_full() {
                rows += decoder.take().map_err(broken)?.map_or(0, |d| black_box(d).batch.num_rows());
            }
        }
    }
    decoder.finish().map_err(broken)?;
    Ok(rows + decoder.take().map_err(broken)?.map_or(0, |d| black_box(d).batch.num_rows()))
}

/// Parses all lines to `simd-json`'s tape, which makes no columns; it needs a copy, because it writes into what it parses.
///
/// # Errors
/// What it says.
pub fn parse_to_tape(copy: &mut [u8], buffers: &mut simd_json::Buffers) -> Result<(), BenchError> {
    for line in copy.split_mut(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        black_box(simd_json::to_tape_with_buffers(line, buffers).map_err(broken)?);
    }
    Ok(())
}
