//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Streaming dataflows from readable text.
#[derive(Debug, Parser)]
#[command(name = "runi", version, about, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Colours: by default where the output is a terminal and NO_COLOR is not set.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a new project: a scenario, a contract, an example and a CI file.
    Init(Init),
    /// Says everything that is wrong with the texts of a folder. Reads nothing else.
    Check(Check),
    /// Puts texts into their one layout.
    Fmt(Fmt),
    /// Shows what a scenario becomes: steps, schemas, keys, state, watermarks, guarantees, lineage.
    Explain(Explain),
    /// Runs the examples of scenarios on a virtual clock.
    Test(Test),
    /// Runs scenarios until their input ends or Ctrl-C.
    Run(Run),
    /// Contracts: inferred from data, compared, hashed.
    #[command(subcommand)]
    Contract(Contract),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For machines.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The new folder.
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Folders or `.dsl` files.
    #[arg(default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// How findings are shown.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// Folders or `.dsl` files; `-` reads standard input and writes standard output.
    #[arg(default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// Writes nothing; tells which files would change, and fails if any would.
    #[arg(long)]
    pub(crate) check: bool,
}

/// What picks scenarios of a file.
#[derive(Debug, Args)]
pub(crate) struct Pick {
    /// The `.dsl` file.
    pub(crate) file: PathBuf,
    /// Only the scenario of this title; by default all of the file.
    #[arg(long, short)]
    pub(crate) scenario: Option<String>,
    /// Sets a variable, as if it stood in the environment: `--set topic=payments` for `${env.topic}`.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) set: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) pick: Pick,
    /// Text, JSON, or a Mermaid drawing.
    #[arg(long, value_enum, default_value_t = ExplainAs::Text)]
    pub(crate) output: ExplainAs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainAs {
    Text,
    Json,
    Mermaid,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Folders or `.dsl` files.
    #[arg(default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// Writes what came out into the golden files that examples name.
    #[arg(long)]
    pub(crate) accept: bool,
    /// Only examples whose title (or whose scenario's) has this in it.
    #[arg(long)]
    pub(crate) filter: Option<String>,
    /// How many workers; by default each example runs on one and on two, and both must agree.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) workers: Option<u16>,
    /// How results are shown.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// Writes a report as JUnit XML, which CI systems read.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Stays, and runs again what a change of a file concerns; Ctrl-C ends it.
    #[arg(long, conflicts_with = "accept")]
    pub(crate) watch: bool,
    /// Tries each example in other orders of rows, epochs, batches and on other numbers of workers: the results must stay.
    #[arg(long, conflicts_with = "accept")]
    pub(crate) chaos: bool,
    /// What the chance of `--chaos` follows from; by default another one each time, which is shown.
    #[arg(long, requires = "chaos")]
    pub(crate) seed: Option<u64>,
    /// How many cases `--chaos` tries of each example.
    #[arg(long, requires = "chaos", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) runs: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) pick: Pick,
    /// How many workers; by default one for each processor.
    #[arg(long, short, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: Option<u16>,
    /// On Ctrl-C, close open windows as if the input had ended; by default they are let go.
    #[arg(long)]
    pub(crate) drain: bool,
    /// Progress and the closing summary on standard error: as text where that is a terminal, or as JSON lines.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Contract {
    /// Proposes a contract from JSON lines, CSV, Parquet or Arrow IPC data.
    Infer {
        /// The data.
        file: PathBuf,
        /// The contract's name; by default made from the file's.
        #[arg(long)]
        name: Option<String>,
    },
    /// Tells what changed between two versions, and for whom it breaks.
    Diff {
        /// The old version: a `.dsl` file with one contract, or `FILE:Name@1`.
        old: String,
        /// The new one.
        new: String,
        /// How changes are shown.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// The hash of each contract in a file: equal for texts that promise the same.
    Hash {
        /// A `.dsl` file.
        file: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
