//! Peak memory of `runi` while it filters a file into a file.

use crate::{
    child::{Scratch, runi},
    run::BenchError,
};
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

/// Rows of the smaller file, of about 90 bytes each.
pub const ROWS: usize = 250_000;

fn write_rows(path: &Path, rows: usize) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for row in 0..rows {
        let (key, value) = (row * 7_919 % 10_007, row * 31 % 1_000);
        writeln!(file, r#"{{"key":{key},"name":"airport {}","value":{value},"note":"row {row} of a file that is filtered"}}"#, key % 200)?;
    }
    file.flush()
}

/// Peak resident memory in KiB, of a file of [`ROWS`] rows and of one that is `times` as long.
///
/// # Errors
/// Where `runi` does not run.
pub fn of_filter(times: usize, workers: usize) -> Result<(u64, u64), BenchError> {
    let scratch = Scratch::new("memory")?;
    let out = scratch.path().display();
    let peak = |rows: usize| {
        let input = scratch.path().join("rows.jsonl");
        write_rows(&input, rows).map_err(|e| BenchError(format!("{}: {e}", input.display())))?;
        let text = scratch.file(
            "filter.dsl",
            &format!(
                "Feature: Bench
  Scenario: Filter
    @source(name=rows, type=file, path=\"{out}/rows.jsonl\")
    @step(name=Few)
      @when value > 500
    @sink(type=file, path=\"{out}/few.jsonl\")
"
            ),
        )?;
        runi(&text, workers)
    };
    Ok((peak(ROWS)?, peak(ROWS * times)?))
}
