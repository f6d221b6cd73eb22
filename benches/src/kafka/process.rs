//! Processes that run to their end, with the time and the processor time that they take.

use super::broken;
use crate::run::BenchError;
use std::{
    fs,
    io::Read,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How often it is looked whether a child has ended: nothing is measured more finely.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// The step in which the kernel counts processor time, in seconds.
const TICK_SECONDS: f64 = 0.01;
/// Where user and system time stand in `/proc/PID/stat`, counted behind the name.
const TIMES_AT: [usize; 2] = [11, 12];

/// What a process took.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// From start to end.
    pub seconds: f64,
    /// On all processors.
    pub cpu_seconds: f64,
}

/// The `runi` that lies beside this program.
///
/// # Errors
/// Where there is none.
pub fn runi() -> Result<Command, BenchError> {
    let runi = std::env::current_exe().map_err(|e| broken("this program", e))?.with_file_name("runi");
    if runi.exists() { Ok(Command::new(runi)) } else { Err(broken("runi", "build it with `cargo build --release -p runi`")) }
}

/// Sampling, not synchronisation: nothing depends on what happens meanwhile.
#[allow(clippy::disallowed_methods)]
pub(super) fn look_later(length: Duration) {
    std::thread::sleep(length);
}

/// State, user and system time of a process; an ended one that nobody has waited for still has them.
fn stat(id: u32) -> Option<(String, f64)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in brackets may have anything in it.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks: Option<f64> = TIMES_AT.iter().map(|&at| fields.get(at).and_then(|f| f.parse::<f64>().ok())).sum();
    Some(((*fields.first()?).to_owned(), ticks? * TICK_SECONDS))
}

/// Runs a command to its end.
///
/// # Errors
/// Where it does not start, or fails.
pub fn used_by(command: &mut Command) -> Result<Used, BenchError> {
    let started = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|e| broken("a process", e))?;
    let cpu_seconds = loop {
        match stat(child.id()) {
            Some((state, cpu)) if state == "Z" => break cpu,
            Some(_) => look_later(LOOK_EVERY),
            None => return Err(broken("a process", "the kernel does not tell of it")),
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let status = child.wait().map_err(|e| broken("a process", e))?;
    if status.success() {
        return Ok(Used { seconds, cpu_seconds });
    }
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut said);
    }
    Err(broken("a process", format!("{status}\n{said}")))
}
