//! What checkpoints cost: stalls of a worker, and the store's work over changed keys and keys.
//!
//! `checkpoints [KEYS]`: with so many keys at most.

use runink_benches::checkpoints::{cost, stalls};
use std::io::Write;

/// As many keys as the largest state has.
const KEYS: u64 = 3_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let most = std::env::args().nth(1).map_or(Ok(KEYS), |keys| keys.parse())?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "| keys changed in an interval, of 100,000 | stall of the worker, p50, ms | p99 | max |\n|---|---|---|---|")?;
    for changed in [1_000, 10_000, 100_000] {
        let stalls = stalls(100_000, changed)?;
        let at = |share: f64| {
            stalls.get((stalls.len().saturating_sub(1) as f64 * share).round() as usize).map_or(f64::NAN, |s| s.as_secs_f64() * 1e3)
        };
        writeln!(out, "| {changed} | {:.2} | {:.2} | {:.2} |", at(0.5), at(0.99), at(1.0))?;
        out.flush()?;
    }
    writeln!(
        out,
        "\n| keys | changed keys | checkpoint, ms | bytes stored | of each changed key | on disk of each key |\n|---|---|---|---|---|---|"
    )?;
    let most: u64 = most;
    for (keys, changed) in [(most / 10, 1_000), (most / 10, 10_000), (most / 10, 100_000), (most / 30, 10_000), (most, 10_000)] {
        let cost = cost(keys, changed)?;
        let each = cost.stored as f64 / changed as f64;
        writeln!(out, "| {keys} | {changed} | {:.1} | {} | {each:.0} | {:.0} |", cost.took.as_secs_f64() * 1e3, cost.stored, cost.per_key)?;
        out.flush()?;
    }
    Ok(())
}
