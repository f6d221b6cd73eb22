//! Other processes: `runi` as its users start it, and Python with DuckDB beside it.

use crate::run::BenchError;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

/// How often a child's memory is looked at while it runs. What counts is the kernel's own high-water mark, so only what a child takes in its last
/// moments can be missed.
const LOOK_EVERY: Duration = Duration::from_millis(2);

fn broken(what: &str, error: impl std::fmt::Display) -> BenchError {
    BenchError(format!("{what}: {error}"))
}

/// A folder that goes with its owner.
pub struct Scratch(PathBuf);

impl Scratch {
    /// In the machine's folder for such.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new(name: &str) -> Result<Self, BenchError> {
        let path = std::env::temp_dir().join(format!("runink-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|e| broken("a folder for results", e))?;
        Ok(Scratch(path))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a text into it; gives its path.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> Result<PathBuf, BenchError> {
        let path = self.0.join(name);
        fs::write(&path, text).map_err(|e| broken(name, e))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left lies in a folder that the machine itself clears.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a scenario with the `runi` that lies beside this program; gives its peak resident memory in KiB, as far as the kernel tells.
///
/// # Errors
/// Where there is no `runi`, or it says that something is wrong.
pub fn runi(scenario: &Path, workers: usize) -> Result<u64, BenchError> {
    let runi = std::env::current_exe().map_err(|e| broken("this program", e))?.with_file_name("runi");
    if !runi.exists() {
        return Err(BenchError(format!("{} is not there: build it with `cargo build --release -p runi`", runi.display())));
    }
    let mut child = Command::new(&runi)
        .arg("run")
        .arg(scenario)
        .args(["--workers", &workers.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| broken("runi", e))?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(high_water(&child));
        if let Some(status) = child.try_wait().map_err(|e| broken("runi", e))? {
            break status;
        }
        look_later();
    };
    if status.success() {
        return Ok(peak);
    }
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = std::io::Read::read_to_string(&mut stderr, &mut said);
    }
    Err(BenchError(format!("runi: {status}\n{said}")))
}

/// Sampling, not synchronisation: nothing depends on what happens meanwhile.
#[allow(clippy::disallowed_methods)]
fn look_later() {
    std::thread::sleep(LOOK_EVERY);
}

/// A process's highest resident memory until now, in KiB; 0 where there is no process any more.
fn high_water(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// A Python script that does one thing for every line that it reads, and answers each with a line.
pub struct Python {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Python {
    /// Starts it.
    ///
    /// # Errors
    /// Where there is no Python.
    pub fn start(script: &str, args: &[&str]) -> Result<Self, BenchError> {
        let spawned = Command::new("python3").args(["-c", script]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|e| broken("python3", e))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(BenchError("python3 has no pipes".into()));
        };
        Ok(Python { child, to, from: BufReader::new(from) })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// Where the script has ended.
    pub fn ask(&mut self, what: &str) -> Result<String, BenchError> {
        writeln!(self.to, "{what}").and_then(|()| self.to.flush()).map_err(|e| broken("python3", e))?;
        let mut answer = String::new();
        match self.from.read_line(&mut answer).map_err(|e| broken("python3", e))? {
            0 => Err(BenchError("the Python script has ended: its packages are `duckdb` and nothing else".into())),
            _ => Ok(answer.trim().to_owned()),
        }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It has no state to be saved, and may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
