//! How cost grows with keys, windows, skew and epochs: tables, and with a folder as second argument a plot in it (`growth.svg`).
//!
//! `growth [ROWS [FOLDER]]`. The number behind each name is that of the workers.

use runink_benches::growth::{Growth, draw, table};
use std::{io::Write, path::Path};

/// As in `runi`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many rows as the most keys.
const ROWS: usize = 10_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rows = arguments.next().map_or(Ok(ROWS), |rows| rows.parse())?;
    let mut out = std::io::stdout().lock();
    let mut written = Ok(());
    let charts = Growth::start(rows)?.charts(|chart| written = writeln!(out, "{}", table(chart)))?;
    written?;
    if let Some(folder) = arguments.next() {
        draw(&charts, &Path::new(&folder).join("growth.svg"))?;
    }
    Ok(())
}
