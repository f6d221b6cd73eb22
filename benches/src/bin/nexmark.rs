//! All of Nexmark, measured: each query on one and two workers, beside a loop by hand over the same batches in memory.
//!
//! `nexmark [--events N] [--out FOLDER] [QUERY …]`: prints the table as it grows, and with `--out` writes it there (`nexmark.md`) with a plot
//! (`nexmark.svg`). Events are written down by `runi`, which must be built. A query that does not run, or comes to other rows than the loop, is told, and the others go on.

use runink_benches::{
    nexmark::{
        events,
        measure::{CHILD, child},
        report::{HEAD, Line, draw, picked, table},
    },
    run::BenchError,
};
use std::{io::Write, path::Path, process::ExitCode};

const EVENTS: u64 = 5_000_000;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = arguments.as_slice()
        && first == CHILD
    {
        writeln!(out, "{}", child(rest)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (mut events, mut folder, mut names) = (EVENTS, None, Vec::new());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| BenchError(format!("`{argument}` needs a value")));
        match argument.as_str() {
            "--events" => events = value()?.parse()?,
            "--out" => folder = Some(value()?),
            _ => names.push(argument),
        }
    }
    let queries = picked(&names)?;
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
        std::fs::write(Path::new(&folder).join("nexmark.md"), table(&lines))?;
        draw(&lines, &Path::new(&folder).join("nexmark.svg"))?;
    }
    for error in &failed {
        writeln!(out, "\n{error}")?;
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
