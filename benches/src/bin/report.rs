//! The figures in one table: each a ratio to the same work done beside it, with its goal.
//!
//! `report [FOLDER]`: the folder holds `flights-3m.parquet` and `airports.csv` (`npm pack vega-datasets@3.2.1` has them in `package/data`), and
//! `python3` has the package `duckdb`. Without a folder the flights are left out, and the table says so.

use runink_benches::{
    by_hand, data, flights, json,
    measure::{Pair, in_turn},
    memory,
    run::{self, BenchError},
};
use runink_engine::{GroupConfig, WorkerGroup};
use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

/// As in `runi`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: usize = 2_000_000;
const ROUNDS: usize = 7;
const STEPS: usize = 50;
/// How many times as long the longer file is that is filtered.
const TIMES: usize = 10;
/// How much more memory that may take: the heap of a process is not the same in two runs.
const FLAT: f64 = 1.15;

/// A line of the table.
struct Figure {
    what: String,
    found: String,
    goal: &'static str,
    reached: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "| what | found | goal | |\n|---|---|---|---|")?;
    let aggregates: [(&str, &str, &str, ByHand); 2] = [
        ("windowed count", run::WINDOWED_COUNT, "Counts", by_hand::windowed_count),
        ("two-column group-by", run::GROUPED_SUM, "Sums", by_hand::grouped_sum),
    ];
    for lines in json::kinds() {
        for figure in decoding(&lines)? {
            line(&mut out, &figure)?;
        }
    }
    for (name, text, step, by_hand) in aggregates {
        for figure in aggregate(name, text, step, by_hand)? {
            line(&mut out, &figure)?;
        }
    }
    line(&mut out, &start()?)?;
    line(&mut out, &filter()?)?;
    match std::env::args().nth(1) {
        Some(folder) => {
            for figure in hours(Path::new(&folder))? {
                line(&mut out, &figure)?;
            }
        }
        None => writeln!(out, "| flights | left out: name the folder of vega-datasets' data | 1 | |")?,
    }
    Ok(())
}

type ByHand = fn(&[arrow::record_batch::RecordBatch]) -> usize;

fn line(out: &mut impl Write, figure: &Figure) -> std::io::Result<()> {
    let mark = if figure.reached { "reached" } else { "missed" };
    writeln!(out, "| {} | {} | {} | {mark} |", figure.what, figure.found, figure.goal)?;
    out.flush()
}

fn rate(time: Duration) -> f64 {
    ROWS as f64 / time.as_secs_f64() / 1e6
}

/// All columns and two of them, beside `simd-json` that parses to its tape.
fn decoding(lines: &json::Lines) -> Result<[Figure; 2], BenchError> {
    let all: Vec<usize> = (0..lines.schema.fields().len()).collect();
    let mut buffers = simd_json::Buffers::new(1024);
    let mut beside = |projection: &[usize]| -> Result<f64, BenchError> {
        let mut copies: Vec<Vec<u8>> = vec![lines.text.clone().into_bytes(); ROUNDS + 1];
        let parse = || json::parse_to_tape(&mut copies.pop().unwrap_or_default(), &mut buffers);
        let decode = || match json::decode(lines, projection)? {
            json::ROWS => Ok(()),
            rows => Err(BenchError(format!("{rows} rows, not {}", json::ROWS))),
        };
        Ok(in_turn(ROUNDS, parse, decode)?.speed_of_second())
    };
    let (whole, two) = (beside(&all)?, beside(&lines.two)?);
    let what = |columns: &str| format!("JSON lines to columns, {columns} of a {}, to simd-json's parsing alone", lines.name);
    Ok([
        Figure { what: what(&format!("all {} columns", all.len())), found: format!("{whole:.2}"), goal: "0.5", reached: whole >= 0.5 },
        Figure { what: what("2 columns"), found: format!("{two:.2}"), goal: "more than all", reached: two > whole },
    ])
}

fn aggregate(name: &str, text: &str, step: &str, by_hand: ByHand) -> Result<[Figure; 2], Box<dyn std::error::Error>> {
    let plan = run::plan(text, step)?;
    let batches = data::batches(ROWS, &run::columns_read(&plan)?)?;
    let one = WorkerGroup::start(GroupConfig { workers: 1 })?;
    let two = WorkerGroup::start(GroupConfig { workers: 2 })?;
    let wanted = by_hand(&batches);
    let on = |group: &WorkerGroup| -> Result<(), BenchError> {
        let found = run::run(group, plan.clone(), step, &batches)?;
        if found == wanted { Ok(()) } else { Err(BenchError(format!("{name}: {found} results, not {wanted}"))) }
    };
    let hand = || -> Result<(), BenchError> {
        std::hint::black_box(by_hand(&batches));
        Ok(())
    };
    let single: Pair = in_turn(ROUNDS, hand, || on(&one))?;
    let double: Pair = in_turn(ROUNDS, || on(&one), || on(&two))?;
    one.shutdown()?;
    two.shutdown()?;
    let (share, gain) = (single.speed_of_second(), double.speed_of_second());
    Ok([
        Figure {
            what: format!("{name}, one worker, to a loop by hand"),
            found: format!("{share:.2} ({:.1} to {:.1} M rows/s)", rate(single.second), rate(single.first)),
            goal: "0.5",
            reached: share >= 0.5,
        },
        Figure {
            what: format!("{name}, two workers, to one"),
            found: format!("{gain:.2} ({:.1} to {:.1} M rows/s)", rate(double.second), rate(double.first)),
            goal: "1.8",
            reached: gain >= 1.8,
        },
    ])
}

fn start() -> Result<Figure, Box<dyn std::error::Error>> {
    let text = run::scenario_of(STEPS);
    let group = WorkerGroup::start(GroupConfig { workers: 2 })?;
    let mut times = Vec::new();
    for _ in 0..=ROUNDS {
        let start = Instant::now();
        run::run(&group, run::plan(&text, "Last")?, "Last", &[])?;
        times.push(start.elapsed());
    }
    group.shutdown()?;
    times.sort_unstable();
    let median = times[times.len() / 2];
    let found = format!("{:.1} ms", median.as_secs_f64() * 1e3);
    Ok(Figure {
        what: format!("{STEPS} steps: parse, plan, start, end"),
        found,
        goal: "50 ms",
        reached: median <= Duration::from_millis(50),
    })
}

fn filter() -> Result<Figure, BenchError> {
    let (small, large) = memory::of_filter(TIMES, 2)?;
    let more = large as f64 / small.max(1) as f64;
    let mib = |kib: u64| kib as f64 / 1024.0;
    Ok(Figure {
        what: format!("peak memory of a file-to-file filter, {TIMES} times the file to once"),
        found: format!("{more:.2} ({:.0} to {:.0} MiB)", mib(large), mib(small)),
        goal: "1 (flat)",
        reached: small > 0 && more <= FLAT,
    })
}

fn hours(folder: &Path) -> Result<[Figure; 2], BenchError> {
    let flights = flights::beside_duckdb(folder, ROUNDS)?;
    let figure = |beside: &str, pair: Pair, goal| {
        let speed = pair.speed_of_second();
        Figure {
            what: format!("3 M flights by hour and airport, two workers, the whole command, to {beside}"),
            found: format!("{speed:.2} ({:.0} to {:.0} ms)", pair.second.as_secs_f64() * 1e3, pair.first.as_secs_f64() * 1e3),
            goal,
            reached: speed >= 1.0,
        }
    };
    Ok([
        figure("DuckDB's query alone, warm, on two threads", flights.query, "1"),
        figure("Python that loads DuckDB and asks it once", flights.command, "1"),
    ])
}
