//! Three million flights, hour by hour, beside DuckDB: the same filter, groups, condition and join, from the same files to a Parquet file.
//!
//! Runink's time is that of the whole command: the process's start, the plan and the workers' start are in it. DuckDB has two: that of its query alone, in a
//! Python process that is warm, and that of a Python process that starts, loads it and asks once.

use crate::{
    child::{Python, Scratch, runi},
    measure::{Pair, in_turn},
    run::BenchError,
};
use std::path::Path;

/// Threads of either.
const THREADS: usize = 2;

/// Runs the query once for each line `run`, compares both results for the line `compare`.
const DUCKDB: &str = r#"
import sys, duckdb
data, out, threads = sys.argv[1:]
db = duckdb.connect()
db.execute(f"SET threads={threads}")
query = f"""COPY (
  SELECT h.since, a.city, a.state, h.airport, h.flights, h.average, h.worst
  FROM (SELECT date_trunc('hour', date) AS since, origin AS airport, count(*) AS flights, avg(delay) AS average, max(delay) AS worst
        FROM '{data}/flights-3m.parquet' WHERE delay BETWEEN -60 AND 1000 GROUP BY ALL HAVING count(*) >= 20) h
  JOIN '{data}/airports.csv' a ON a.iata = h.airport
) TO '{out}/duckdb.parquet'"""
sums = "SELECT count(*), sum(flights), sum(worst), round(sum(average), 3), min(since), max(city) FROM '{}'"
for line in sys.stdin:
    if line.strip() == "run":
        db.execute(query)
        print("done", flush=True)
    else:
        theirs, ours = (db.execute(sums.format(f"{out}/{name}")).fetchall() for name in ("duckdb.parquet", "runink.parquet"))
        print("same" if theirs == ours else f"DuckDB: {theirs}, Runink: {ours}", flush=True)
"#;

fn scenario(data: &Path, out: &Path) -> String {
    let (data, out) = (data.display(), out.display());
    format!(
        "Feature: Bench
  Scenario: Flights
    @source(name=flights, type=file, path=\"{data}/flights-3m.parquet\", time=date)
    @source(name=airports, type=file, path=\"{data}/airports.csv\", key=iata)
    @step(name=Plausible)
      @when delay between -60 and 1000
    @step(name=Hours)
      @do aggregate flights = count(*), average = avg(delay), worst = max(delay) by origin in tumbling(1h) having flights >= 20
    @step(name=Named)
      @do join airports on airports.iata = Hours.origin
      @do select window_start as since, airports.city, airports.state, Hours.origin as airport, flights, average, worst
    @sink(type=file, path=\"{out}/runink.parquet\")
"
    )
}

/// DuckDB first, Runink second.
pub struct Flights {
    /// DuckDB's query alone.
    pub query: Pair,
    /// The whole command of either.
    pub command: Pair,
}

/// Measures both. `data` holds `flights-3m.parquet` and `airports.csv`.
///
/// # Errors
/// Where one of them does not run, or where their results differ.
pub fn beside_duckdb(data: &Path, rounds: usize) -> Result<Flights, BenchError> {
    let data = data.canonicalize().map_err(|e| BenchError(format!("{}: {e}", data.display())))?;
    let scratch = Scratch::new("flights")?;
    let text = scratch.file("flights.dsl", &scenario(&data, scratch.path()))?;
    let out = scratch.path().display().to_string();
    let start = || Python::start(DUCKDB, &[&data.display().to_string(), &out, &THREADS.to_string()]);
    let mut duckdb = start()?;
    let query = in_turn(rounds, || duckdb.ask("run").map(drop), || runi(&text, THREADS).map(drop))?;
    let command = in_turn(rounds, || start()?.ask("run").map(drop), || runi(&text, THREADS).map(drop))?;
    match duckdb.ask("compare")?.as_str() {
        "same" => Ok(Flights { query, command }),
        differ => Err(BenchError(format!("flights: the results differ: {differ}"))),
    }
}
