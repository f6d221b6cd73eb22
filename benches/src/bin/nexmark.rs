//! All of Nexmark, measured: each query on one and two workers, beside a loop by hand over the same batches in memory.
//!
//! `nexmark [--events N] [--out FOLDER] [--json] [QUERY …]`: prints the table as it grows; with `--out`, writes it there (`nexmark.md`) with a plot (`nexmark.svg`). With `--json`, the
//! second table: from JSON lines on disk to a file. Events are written down by `runi`, which must be built. A query that does not run, or comes to other rows than the loop,
//! is told, and the others go on.

use runink_benches::{
    child::Scratch,
    nexmark::{
        events, json,
        measure::{CHILD, child},
        report::{HEAD, Line, draw, picked, table},
    },
    run::BenchError,
};
use std::{
    io::{StdoutLock, Write},
    path::Path,
    process::ExitCode,
};

/// As in `runi`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: u64 = 5_000_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = arguments.as_slice()
        && first == CHILD
    {
        writeln!(out, "{}", child(rest)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (mut events, mut folder, mut from_json, mut names) = (EVENTS, None, false, Vec::new());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| BenchError(format!("`{argument}` needs a value")));
        match argument.as_str() {
            "--events" => events = value()?.parse()?,
            "--out" => folder = Some(value()?),
            "--json" => from_json = true,
            _ => names.push(argument),
        }
    }
    let failed = if from_json { lines_to_file(&mut out, events, &names)? } else { in_memory(&mut out, events, &names, folder.as_deref())? };
    for error in &failed {
        writeln!(out, "\n{error}")?;
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_memory(out: &mut StdoutLock<'_>, events: u64, names: &[String], folder: Option<&str>) -> Result<Vec<BenchError>, Failure> {
    let queries = picked(names)?;
    let data = events::write_down(events)?;
    let (mut lines, mut failed) = (Vec::new(), Vec::new());
    writeln!(out, "{HEAD}")?;
    for query in queries {
        match Line::measure(query, events, data.path()) {
            Ok(line) => {
                writeln!(out, "{}", line.row())?;
                lines.push(line);
            }
            Err(error) => failed.push(error),
        }
        out.flush()?;
    }
    if let Some(folder) = folder {
        std::fs::write(Path::new(folder).join("nexmark.md"), table(&lines))?;
        draw(&lines, &Path::new(folder).join("nexmark.svg"))?;
    }
    Ok(failed)
}

fn lines_to_file(out: &mut StdoutLock<'_>, events: u64, names: &[String]) -> Result<Vec<BenchError>, Failure> {
    let data = Scratch::new("nexmark-json")?;
    let bids = json::write_down(&data, events)?;
    let mut failed = Vec::new();
    writeln!(out, "{}", json::HEAD)?;
    for (query, columns) in json::picked(names) {
        match json::row(query, columns, &data, bids) {
            Ok(row) => writeln!(out, "{row}")?,
            Err(error) => failed.push(error),
        }
        out.flush()?;
    }
    Ok(failed)
}
