//! State beside memory. `state KEYS [ROWS [WORKERS]]` fills the state with one row for each key; then it starts again over random ones of them: with all that is wanted in memory, and with
//! budgets of a half and a quarter of that. Each line says how long the start took, how fast it went on, and what was read.

use runink_benches::state::{Life, Rows, folder, live};
use std::io::Write;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many as take some 100 MB.
const KEYS: u64 = 1_000_000;
const ROWS: u64 = 4_000_000;

fn show(name: &str, rows: u64, life: &Life) -> std::io::Result<()> {
    let (seconds, step) = (life.rest.as_secs_f64(), &life.step);
    writeln!(
        std::io::stdout(),
        "{name:<28} first row after {:>7.1} ms, then {:>6.3} M rows/s; {:>8.1} MB in memory, {} evicted, {} fetched, {} looked up",
        life.to_first.as_secs_f64() * 1e3,
        rows as f64 / 1e6 / seconds,
        step.state_bytes as f64 / 1e6,
        step.evicted,
        step.fetched,
        step.looked_up,
    )
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let keys = arguments.next().map_or(Ok(KEYS), |n| n.parse())?;
    let rows = arguments.next().map_or(Ok(ROWS), |n| n.parse())?;
    let workers = arguments.next().map_or(Ok(1), |n| n.parse())?;
    let state = folder()?;
    let filled = live(state.path(), workers, None, Rows::Each(keys))?;
    show("filled, all in memory", keys, &filled)?;
    let all = filled.step.state_bytes;
    let random = Rows::Random { rows, keys };
    // All of it is touched once, so that what follows finds it in memory.
    let warm = live(state.path(), workers, None, Rows::Each(keys))?;
    show("all fetched once", keys, &warm)?;
    for (name, budget) in
        [("no budget", None), ("budget of all", Some(all * 2)), ("budget of a half", Some(all / 2)), ("budget of a quarter", Some(all / 4))]
    {
        show(name, rows, &live(state.path(), workers, budget, random)?)?;
    }
    Ok(())
}
