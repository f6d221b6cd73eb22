//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{path::PathBuf, time::Duration};

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
    /// Data to try things with.
    #[command(subcommand)]
    Data(Data),
    /// Checkpoints of scenarios that run or ran with `--state`: listed, shown, verified, compared, exported, kept.
    #[command(subcommand)]
    Checkpoint(Checkpoint),
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
    #[command(flatten)]
    pub(crate) keep: Keep,
    /// Progress and the closing summary on standard error: as text where that is a terminal, or as JSON lines.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// How a scenario's state is kept from one run to the next.
#[derive(Debug, Args)]
pub(crate) struct Keep {
    /// Makes checkpoints in this folder, and goes on from the newest one that is there: on any number of workers, each row of the output once.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Where snapshots go: a folder or an address (`s3://…`, `gs://…`, `az://…`); by default into the state folder.
    #[arg(long, value_name = "URL", requires = "state")]
    pub(crate) snapshots: Option<String>,
    /// How often a checkpoint is begun, at most.
    #[arg(long, value_name = "DURATION", requires = "state", value_parser = pause)]
    pub(crate) checkpoint_every: Option<Duration>,
    /// Goes on from this checkpoint (a number) or savepoint (a name), not from the newest.
    #[arg(long, value_name = "CHECKPOINT", requires = "state")]
    pub(crate) from: Option<String>,
    /// How many checkpoints are kept.
    #[arg(long, value_name = "N", requires = "state", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) keep: Option<u16>,
    /// How much memory the state of steps may take that can leave it on disk (`512MiB`); what does not fit lies in the state folder alone. By default as much as there is.
    #[arg(long, value_name = "SIZE", requires = "state", value_parser = size)]
    pub(crate) memory_budget: Option<u64>,
}

fn size(text: &str) -> Result<u64, String> {
    let wrong = || "expected a size such as `512MiB` or `4GiB`".to_owned();
    runink_dsl::units::bytes(text).ok_or_else(wrong)?.map_err(|_| wrong())
}

fn pause(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a duration such as `250ms` or `10s`".to_owned();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(wrong()),
    }
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

#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    /// Makes up rows that keep a contract, and where asked for rows that break one of its rules each.
    Fake(Fake),
}

#[derive(Debug, Args)]
pub(crate) struct Fake {
    /// `FILE` with one contract, `FILE:Payment@1`, or `Payment@1` of the project in this folder.
    pub(crate) contract: String,
    /// How many rows.
    #[arg(long, default_value_t = 100)]
    pub(crate) rows: u64,
    /// What all chance follows from: the same seed makes the same rows.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// The share of rows that break a rule: `5%`.
    #[arg(long, value_name = "SHARE", value_parser = share_per_million, default_value = "0%")]
    pub(crate) invalid: u32,
    /// The format; by default the one that the name of `--to` says, else JSON lines.
    #[arg(long, value_enum)]
    pub(crate) format: Option<FakeFormat>,
    /// The file to write; by default standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// The first event time.
    #[arg(long, value_name = "TIME", value_parser = time_us, default_value = "2026-01-01T00:00:00Z")]
    pub(crate) start: i64,
    /// How much event time lies between two rows on average.
    #[arg(long, value_name = "DURATION", value_parser = duration_us, default_value = "1s")]
    pub(crate) every: i64,
    /// How much later than newer ones rows may come.
    #[arg(long, value_name = "DURATION", value_parser = duration_us, default_value = "0s")]
    pub(crate) lateness: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FakeFormat {
    /// JSON lines.
    Jsonl,
    Csv,
    Parquet,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Checkpoint {
    /// What there is: checkpoints, oldest first, and savepoints.
    List {
        #[command(flatten)]
        at: StateAt,
        /// How it is shown.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// What one has of each step: rows, columns, facts, output that it holds back.
    Show {
        #[command(flatten)]
        at: StateAt,
        /// A checkpoint's number, a savepoint's name, or `newest`.
        #[arg(default_value = "newest")]
        which: String,
        /// How it is shown.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Reads all of one, or of all, and says what is damaged.
    Verify {
        #[command(flatten)]
        at: StateAt,
        /// A checkpoint's number, a savepoint's name, or `newest`; all, if absent.
        which: Option<String>,
    },
    /// How the steps of two differ.
    Diff {
        #[command(flatten)]
        at: StateAt,
        /// The first.
        first: String,
        /// The second.
        #[arg(default_value = "newest")]
        second: String,
        /// How it is shown.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Writes what steps hold as Parquet, one file for each.
    Export {
        #[command(flatten)]
        at: StateAt,
        /// A checkpoint's number, a savepoint's name, or `newest`.
        #[arg(default_value = "newest")]
        which: String,
        /// The folder to write into.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// Only this step, by the name that `show` has; by default all.
        #[arg(long)]
        step: Vec<String>,
    },
    /// Keeps a checkpoint under a name, until it is forgotten.
    Save {
        #[command(flatten)]
        at: StateAt,
        /// The savepoint's name.
        name: String,
        /// A checkpoint's number, another savepoint's name, or `newest`.
        #[arg(default_value = "newest")]
        which: String,
    },
    /// Forgets a savepoint.
    Forget {
        #[command(flatten)]
        at: StateAt,
        /// The savepoint's name.
        name: String,
    },
}

/// Where checkpoints are.
#[derive(Debug, Args)]
pub(crate) struct StateAt {
    /// The folder that `runi run --state` has.
    pub(crate) state: PathBuf,
    /// The scenario, where the folder has several.
    #[arg(long, short)]
    pub(crate) scenario: Option<String>,
    /// The snapshot store, where it is elsewhere: a folder or a URL.
    #[arg(long, value_name = "URL")]
    pub(crate) snapshots: Option<String>,
}

/// `5%` and `0.5%`, in millionths.
fn share_per_million(text: &str) -> Result<u32, String> {
    let percent = text.strip_suffix('%').and_then(|n| n.trim().parse::<f64>().ok()).filter(|n| (0.0..=100.0).contains(n));
    percent.map(|n| (n * 10_000.0).round() as u32).ok_or_else(|| "expected a share like `5%`".to_owned())
}

fn time_us(text: &str) -> Result<i64, String> {
    let time = text.parse::<jiff::Timestamp>().map_err(|_| "expected a time like `2026-01-01T00:00:00Z`".to_owned())?;
    Ok(time.as_microsecond())
}

fn duration_us(text: &str) -> Result<i64, String> {
    runink_dsl::units::duration(text).map(|d| d.0).map_err(|e| e.hint())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn shares_times_and_durations_are_read_with_their_units() {
        assert_eq!((share_per_million("5%"), share_per_million("0.01%"), share_per_million("100 %")), (Ok(50_000), Ok(100), Ok(1_000_000)));
        for wrong in ["5", "101%", "-1%", "%", "nan%"] {
            assert!(share_per_million(wrong).is_err(), "{wrong}");
        }
        assert_eq!((time_us("1970-01-01T00:00:01Z"), duration_us("1m30s")), (Ok(1_000_000), Ok(90_000_000)));
        assert!(time_us("yesterday").is_err() && duration_us("5").is_err());
    }
}
