//! What this process has used, as the kernel counts it.

use crate::run::BenchError;
use std::fs;

/// The step in which the kernel counts processor time, in seconds.
pub const TICK_SECONDS: f64 = 0.01;
/// Where user and system time stand in `/proc/self/stat`, counted behind the name.
const TIMES_AT: [usize; 2] = [11, 12];
/// What resets the high-water mark of memory.
const RESET_PEAK: &str = "5";

fn broken(what: &str, error: impl std::fmt::Display) -> BenchError {
    BenchError(format!("{what}: {error}"))
}

/// Processor time of all threads until now, those that have ended among them, in seconds; in steps of 10 ms.
///
/// # Errors
/// Where the kernel does not tell.
pub fn cpu_seconds() -> Result<f64, BenchError> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(|e| broken("/proc/self/stat", e))?;
    // The name in brackets may have anything in it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = TIMES_AT.iter().map(|&at| fields.get(at).and_then(|f| f.parse::<f64>().ok()));
    let ticks: Option<f64> = ticks.sum();
    ticks.map(|t| t * TICK_SECONDS).ok_or_else(|| broken("/proc/self/stat", "it has no processor times"))
}

/// Resident memory now and its high-water mark, in KiB.
fn resident() -> Result<[u64; 2], BenchError> {
    let status = fs::read_to_string("/proc/self/status").map_err(|e| broken("/proc/self/status", e))?;
    let of = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        let kib = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok());
        kib.ok_or_else(|| broken("/proc/self/status", format!("it has no {name}")))
    };
    Ok([of("VmRSS:")?, of("VmHWM:")?])
}

/// Runs some work; gives what it gave, and how much memory it took above what was there before, in KiB.
///
/// # Errors
/// The work's own, or where the kernel does not tell.
pub fn with_peak<T>(work: impl FnOnce() -> Result<T, BenchError>) -> Result<(T, u64), BenchError> {
    let [before, _] = resident()?;
    fs::write("/proc/self/clear_refs", RESET_PEAK).map_err(|e| broken("/proc/self/clear_refs", e))?;
    let done = work()?;
    let [_, peak] = resident()?;
    Ok((done, peak.saturating_sub(before)))
}
