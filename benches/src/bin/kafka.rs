//! Kafka, measured: throughput beside bare clients, and how late rows come out.
//!
//! `kafka [--port N] [--events N] [--rate N] [--seconds N] [--rounds N] [source|copy|latency …]`: starts a broker of its own, which stops with it. `runi` must be built. The bare clients are this program again.

use runink_benches::{
    kafka::{Broker, Taken, bare, fill, latency, scenario},
    run::BenchError,
};
use std::{io::Write, time::Duration};

const EVENTS: u64 = 3_000_000;
const RATE: u64 = 100_000;
const SECONDS: u64 = 15;
const ROUNDS: usize = 3;
const PORT: u16 = 19_592;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, brokers, topic, to @ ..] = arguments.as_slice()
        && first == bare::CHILD
    {
        return Ok(bare::run(brokers, topic, to.first().map(String::as_str))?);
    }
    let (mut port, mut events, mut rate, mut seconds, mut rounds, mut parts) = (PORT, EVENTS, RATE, SECONDS, ROUNDS, Vec::new());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| BenchError(format!("`{argument}` needs a value")));
        match argument.as_str() {
            "--port" => port = value()?.parse()?,
            "--events" => events = value()?.parse()?,
            "--rate" => rate = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            "--rounds" => rounds = value()?.parse()?,
            "source" | "copy" | "latency" => parts.push(argument),
            _ => return Err(BenchError(format!("`{argument}` is not known")).into()),
        }
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|p| p == part);
    let mut out = std::io::stdout().lock();
    let broker = Broker::start(port)?;
    if wanted("source") || wanted("copy") {
        let rows = fill(&broker, events)?;
        writeln!(out, "{rows} bids\n\n| what | M rows/s | per core, M rows/s | to the bare client |\n|---|---|---|---|")?;
        if wanted("source") {
            let bare = best(rounds, || runink_benches::kafka::bare(&broker, rows, None))?;
            line(&mut out, "bare consumer", bare, bare)?;
            let all = "    @step(name=All)\n      @when price >= 0\n";
            let two = "    @step(name=Two)\n      @do select auction, price\n";
            for (name, steps) in [("all 7 columns to `blackhole`", all), ("2 columns to `blackhole`", two)] {
                line(&mut out, name, best(rounds, || scenario(&broker, rows, steps, "type=blackhole", false))?, bare)?;
            }
        }
        if wanted("copy") {
            let mut topics = 0;
            let mut topic = || {
                topics += 1;
                format!("copy-{topics}")
            };
            let made = |topic: &str| {
                format!(
                    "type=kafka, brokers=\"{}\", topic={topic}, partitions={}, key=auction",
                    broker.address,
                    runink_benches::kafka::PARTITIONS
                )
            };
            let step = "    @step(name=All)\n      @when price >= 0\n";
            let nothing = "    @step(name=All)\n      @when price < 0\n";
            let bare = best(rounds, || {
                let to = topic();
                scenario(&broker, rows, nothing, &made(&to), false)?;
                runink_benches::kafka::bare(&broker, rows, Some(&to))
            })?;
            line(&mut out, "bare consumer and producer", bare, bare)?;
            line(&mut out, "to a topic, at least once", best(rounds, || scenario(&broker, rows, step, &made(&topic()), false))?, bare)?;
            line(&mut out, "to a topic, exactly once", best(rounds, || scenario(&broker, rows, step, &made(&topic()), true))?, bare)?;
        }
    }
    if wanted("latency") {
        writeln!(out, "\n| {rate} rows/s | p50, ms | p90 | p99 | max | rows |\n|---|---|---|---|---|---|")?;
        for (name, exactly_once) in [("at-least-once", false), ("exactly-once", true)] {
            let times = latency::measure(&broker, name, exactly_once, rate, Duration::from_secs(seconds))?;
            let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|share| times.quantile(share));
            writeln!(out, "| {name} | {p50:.1} | {p90:.1} | {p99:.1} | {max:.1} | {} |", times.rows())?;
            out.flush()?;
        }
    }
    Ok(())
}

/// The fastest of some rounds: what disturbs a machine only makes it slower.
fn best(rounds: usize, mut way: impl FnMut() -> Result<Taken, BenchError>) -> Result<Taken, BenchError> {
    let mut best = way()?;
    for _ in 1..rounds {
        let taken = way()?;
        if taken.used.seconds < best.used.seconds {
            best = taken;
        }
    }
    Ok(best)
}

fn line(out: &mut impl Write, what: &str, taken: Taken, bare: Taken) -> std::io::Result<()> {
    writeln!(out, "| {what} | {:.2} | {:.2} | {:.2} |", taken.rate(), taken.per_core(), taken.rate() / bare.rate())?;
    out.flush()
}
