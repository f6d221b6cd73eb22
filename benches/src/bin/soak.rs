//! `soak [--kills N] [--seed N] [--broker-every N] [--rate N]`: kills a scenario at random moments, and its broker now and then, and proves that nothing is lost or doubled.
//!
//! `runi` must be built. Without a seed, the clock gives one. Ends with 1 where something is lost, doubled or out of order, or readers had to wait for too long.

use runink_benches::{
    run::BenchError,
    soak::{Settings, soak},
};
use std::{
    io::Write,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut settings = Settings { kills: 200, seed: clock, broker_every: 20, rate: 1000 };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(|| BenchError(format!("`{argument}` needs a value")))?;
        match argument.as_str() {
            "--kills" => settings.kills = value.parse()?,
            "--seed" => settings.seed = value.parse()?,
            "--broker-every" => settings.broker_every = value.parse()?,
            "--rate" => settings.rate = value.parse()?,
            _ => return Err(BenchError(format!("`{argument}` is no argument: there are --kills, --seed, --broker-every, --rate")).into()),
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "seed {}", settings.seed)?;
    let report = soak(settings, &mut out)?;
    write!(out, "{report}")?;
    Ok(if report.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
