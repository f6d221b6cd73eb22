//! `runi`: the one command. It reads files and arguments, hands texts to the language and the planner, plans to a worker group, and shows people what
//! comes of it. Nothing here decides what a scenario means.

mod cli;
mod commands;
mod exit;
mod files;
mod interrupt;
mod progress;
mod registry;
mod screen;
mod summary;

pub use exit::Exit;

use clap::Parser;
use std::process::ExitCode;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap prints help and version to standard output, mistakes to standard error, and knows which is which.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return if error.print().is_ok() { exit.into() } else { Exit::Operator.into() };
        }
    };
    commands::run(arguments).into()
}
