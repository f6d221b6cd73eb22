//! One query in one way, measured in a process of its own.

use super::{by_hand, engine, process, rows::Answer};
use crate::run::BenchError;
use arrow::array::{ArrayRef, Int64Array};
use runink_engine::{GroupConfig, WorkerGroup};
use std::{path::Path, process::Command, time::Instant};

/// The argument that makes a process measure one query.
pub const CHILD: &str = "--measure";
/// How often each is run; medians count. The first one tells the memory.
const ROUNDS: usize = 3;

/// How a query is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// One thread, one loop.
    ByHand,
    /// The scenario, on so many workers.
    Workers(usize),
}

/// What one way took.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Processor time, in seconds.
    pub cpu_s: f64,
    /// Time, in seconds.
    pub wall_s: f64,
    /// Memory above what was there before, events included, in KiB.
    pub peak_kib: u64,
    /// What came out.
    pub answer: Answer,
}

/// Measures in a child; the folder has the events.
///
/// # Errors
/// What the child says.
pub fn in_child(query: &str, way: Way, folder: &Path) -> Result<Figures, BenchError> {
    let workers = match way {
        Way::ByHand => 0,
        Way::Workers(n) => n,
    };
    let this = std::env::current_exe().map_err(|e| BenchError(format!("this program: {e}")))?;
    let out = Command::new(this).arg(CHILD).arg(query).arg(workers.to_string()).arg(folder).output();
    let out = out.map_err(|e| BenchError(format!("this program: {e}")))?;
    let said = String::from_utf8_lossy(&out.stdout);
    if !out.status.success() {
        return Err(BenchError(format!("{query}: {}{}", said, String::from_utf8_lossy(&out.stderr)).trim().to_owned()));
    }
    let line = said.lines().last().unwrap_or_default();
    parse(line).ok_or_else(|| BenchError(format!("{query}: `{line}` is no measurement")))
}

fn parse(line: &str) -> Option<Figures> {
    let mut words = line.split_whitespace();
    Some(Figures {
        cpu_s: words.next()?.parse().ok()?,
        wall_s: words.next()?.parse().ok()?,
        peak_kib: words.next()?.parse().ok()?,
        answer: Answer { rows: words.next()?.parse().ok()?, hash: words.next()?.parse().ok()? },
    })
}

/// What the child does: the arguments behind [`CHILD`]; gives the line to be printed.
///
/// # Errors
/// What goes wrong with the query.
pub fn child(arguments: &[String]) -> Result<String, BenchError> {
    let [query, workers, folder] = arguments else { return Err(BenchError("a query, a number of workers, a folder".into())) };
    let workers: usize = workers.parse().map_err(|e| BenchError(format!("workers: {e}")))?;
    let loaded = engine::load(query, Path::new(folder))?;
    let figures = match workers {
        0 => {
            let by_hand = by_hand::of(query).ok_or_else(|| BenchError(format!("{query} has no loop")))?;
            rounds(|hash| {
                let mut answer = Answer::default();
                let mut failed = None;
                let mut take = |columns: &[ArrayRef], diffs: Option<&Int64Array>| {
                    if hash {
                        failed = answer.add(columns, diffs).err().or(failed.take());
                    }
                    std::hint::black_box(columns);
                };
                by_hand(&loaded.tables, &mut by_hand::Give(&mut take))?;
                failed.map_or(Ok(answer), |e| Err(BenchError(e.to_string())))
            })?
        }
        workers => {
            let group = WorkerGroup::start(GroupConfig { workers }).map_err(|e| BenchError(e.to_string()))?;
            let figures = rounds(|hash| engine::run(&group, &loaded, hash))?;
            group.shutdown().map_err(|e| BenchError(e.to_string()))?;
            figures
        }
    };
    let Figures { cpu_s, wall_s, peak_kib, answer } = figures;
    Ok(format!("{cpu_s} {wall_s} {peak_kib} {} {}", answer.rows, answer.hash))
}

fn rounds(mut run: impl FnMut(bool) -> Result<Answer, BenchError>) -> Result<Figures, BenchError> {
    let (mut cpu, mut wall, mut peak_kib) = (Vec::new(), Vec::new(), 0);
    for round in 0..ROUNDS {
        let (cpu_before, started) = (process::cpu_seconds()?, Instant::now());
        let (_, peak) = process::with_peak(|| run(false))?;
        wall.push(started.elapsed().as_secs_f64());
        cpu.push(process::cpu_seconds()? - cpu_before);
        if round == 0 {
            peak_kib = peak;
        }
    }
    Ok(Figures { cpu_s: median(cpu), wall_s: median(wall), peak_kib, answer: run(true)? })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
