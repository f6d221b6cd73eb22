//! From JSON lines on disk to a file: what a whole run of `runi` takes, beside one that only decodes the same columns.

use super::events;
use crate::{
    child::{Scratch, runi},
    run::BenchError,
};
use std::{path::Path, time::Instant};

/// Processors, and so workers.
const WORKERS: usize = 2;
/// How often each is run; the fastest counts: what disturbs a machine only makes it slower.
const ROUNDS: usize = 3;

/// Queries that read bids alone, with the columns that they need of them.
const QUERIES: [(&str, &str); 16] = [
    ("q0", "auction, bidder, price, date_time, extra"),
    ("q1", "auction, bidder, price, date_time, extra"),
    ("q2", "auction, price"),
    ("q5", "auction, date_time"),
    ("q7", "auction, bidder, price, date_time, extra"),
    ("q10", "auction, bidder, price, date_time, extra"),
    ("q11", "bidder, date_time"),
    ("q12", "bidder"),
    ("q14", "auction, bidder, price, date_time, extra"),
    ("q15", "auction, bidder, price, date_time"),
    ("q16", "auction, bidder, price, channel, date_time"),
    ("q17", "auction, price, date_time"),
    ("q18", "auction, bidder, price, channel, url, date_time, extra"),
    ("q19", "auction, bidder, price, channel, url, date_time, extra"),
    ("q21", "auction, bidder, price, channel, url"),
    ("q22", "auction, bidder, price, channel, url"),
];

/// Rows per second of Flink 2.3 with its RocksDB backend, on a machine like the one that the goals are for: two processors, 4.6 M bids, no sink.
const FLINK: [(&str, f64); 3] = [("q0", 390e3), ("q5", 167e3), ("q17", 57e3)];
/// The goal: so many times its speed.
const TIMES_FLINK: f64 = 10.0;

const SOURCE: &str = "type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000}";
const CONTRACT: &str = "
Contract: Bid version 1
  | field     | type          | rules                |
  | auction   | int64         | required             |
  | bidder    | int64         | required             |
  | price     | int64         | required             |
  | channel   | string        | required             |
  | url       | string        | required             |
  | date_time | timestamp(us) | required, event time |
  | extra     | string        | required             |
";

/// The head of the table.
pub const HEAD: &str =
    "| query | bids, M rows/s | decoding alone, M rows/s | share of it | Flink, M rows/s | to Flink |\n|---|---|---|---|---|---|";

/// Bids as JSON lines; gives how many.
///
/// # Errors
/// Where `runi` does not run.
pub fn write_down(folder: &Scratch, events: u64) -> Result<u64, BenchError> {
    let out = folder.path().display();
    let rate = events::PER_SECOND;
    let text = format!(
        "Feature: Bids
  Scenario: Bids
    @source(name=bids, type=nexmark, kind=bid, events={events}, event_rate={rate})
    @step(name=All)
      @do select *
    @sink(type=file, path=\"{out}/bid.jsonl\")
"
    );
    runi(&folder.file("bids.dsl", &text)?, 1)?;
    Ok(events / 50 * 46)
}

/// One query as a row of the table.
///
/// # Errors
/// Where `runi` does not run.
pub fn row(query: &str, columns: &str, folder: &Scratch, bids: u64) -> Result<String, BenchError> {
    let path = events::scenarios().join(query).with_extension("dsl");
    let text = std::fs::read_to_string(&path).map_err(|e| BenchError(format!("{}: {e}", path.display())))?;
    let source = format!("type=file, path=\"{}/bid.jsonl\", contract=Bid@1", folder.path().display());
    if !text.contains(SOURCE) {
        return Err(BenchError(format!("{query} does not read bids as the others do")));
    }
    let whole = rate(folder, &(text.replace(SOURCE, &source) + CONTRACT), bids)?;
    // No bid passes, and every column that the query needs is read.
    let every: Vec<String> = columns.split(", ").map(|c| format!("{c} is null")).collect();
    let decoding = format!(
        "Feature: Decoding
  Scenario: Decoding
    @source(name=bids, {source})
    @step(name=None)
      @when {}
      @do select {columns}
    @sink(type=file, path=\"out/none.jsonl\")
{}",
        every.join(" or "),
        CONTRACT.replace("required, event time", "event time").replace("required", "")
    );
    let alone = rate(folder, &decoding, bids)?;
    let flink = FLINK.iter().find(|(q, _)| *q == query).map(|(_, rate)| *rate);
    let (peer, times) = flink.map_or_else(Default::default, |rate| {
        let times = whole / rate;
        let shown = if times >= TIMES_FLINK { format!("{times:.1}") } else { format!("**{times:.1}**") };
        (format!("{:.2}", rate / 1e6), shown)
    });
    Ok(format!("| {query} | {:.2} | {:.2} | {:.2} | {peer} | {times} |", whole / 1e6, alone / 1e6, whole / alone))
}

fn rate(folder: &Scratch, text: &str, bids: u64) -> Result<f64, BenchError> {
    let scenario = folder.file("scenario.dsl", text)?;
    let mut fastest = f64::MAX;
    for _ in 0..ROUNDS {
        remove_output(folder.path())?;
        let started = Instant::now();
        runi(&scenario, WORKERS)?;
        fastest = fastest.min(started.elapsed().as_secs_f64());
    }
    Ok(bids as f64 / fastest)
}

fn remove_output(folder: &Path) -> Result<(), BenchError> {
    match std::fs::remove_dir_all(folder.join("out")) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(BenchError(format!("the output before: {e}"))),
        _ => Ok(()),
    }
}

/// Queries that are named, or all.
pub fn picked(names: &[String]) -> impl Iterator<Item = (&'static str, &'static str)> {
    QUERIES.into_iter().filter(move |(query, _)| names.is_empty() || names.iter().any(|n| n == query))
}
