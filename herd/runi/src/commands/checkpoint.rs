//! `runi checkpoint`: a look into the checkpoints of scenarios, whether they run or not.

mod shown;

use crate::{
    Exit,
    cli::{Checkpoint, Output, StateAt},
    screen::Screen,
};
use runink_formats::{EncodeError, Encoder, OutputFormat, ParquetCompression};
use runink_store::{
    Actor, Entry, From, Kind, Snapshots, StoreError,
    border::{CheckpointNumber, Restored, StateError},
    folder_name,
};
use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::Path,
};

/// What keeps a command from being done.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("RUN070: `{0}` has the state of no scenario")]
    NoScenario(String),
    #[error("RUN071: `{state}` has the state of several scenarios: {names}")]
    Several { state: String, names: String, first: String },
    #[error("RUN072: the checkpoint has no table of a step `{wanted}`; it has {names}")]
    NoStep { wanted: String, names: String },
    #[error("RUN073: `{path}` could not be written: {error}")]
    Write { path: String, error: io::Error },
    #[error("RUN074: the rows of `{step}` have no form in Parquet: {error}")]
    Format { step: String, error: String },
}

impl Problem {
    fn show(&self, screen: &Screen) -> Exit {
        let (hint, exit) = match self {
            Problem::Store(error) => (Some(error.hint().to_owned()), exit(error.actor())),
            Problem::NoScenario(_) => {
                (Some("name the folder that `runi run --state` has, or `--scenario` with `--snapshots`".to_owned()), Exit::User)
            }
            Problem::Several { first, .. } => (Some(format!("name one: `--scenario {first:?}`")), Exit::Usage),
            Problem::NoStep { .. } => (Some("`runi checkpoint show` says what each step has".to_owned()), Exit::User),
            Problem::Write { .. } => (None, Exit::Operator),
            Problem::Format { .. } => (Some("export the other steps with `--step`".to_owned()), Exit::User),
        };
        screen.error(&self.to_string(), hint.as_deref());
        exit
    }
}

fn exit(actor: Actor) -> Exit {
    match actor {
        Actor::User => Exit::User,
        Actor::Operator => Exit::Operator,
        Actor::Developer => Exit::Bug,
    }
}

pub(crate) fn run(command: &Checkpoint, screen: &Screen) -> Exit {
    act(command, screen).unwrap_or_else(|problem| problem.show(screen))
}

fn act(command: &Checkpoint, screen: &Screen) -> Result<Exit, Problem> {
    match command {
        Checkpoint::List { at, output } => list(at, *output, screen),
        Checkpoint::Show { at, which, output } => {
            let snapshots = open(at)?;
            let which = which_of(which);
            let (manifest, contents) = (snapshots.manifest(&which)?, snapshots.contents(&which)?);
            screen.out(&match output {
                Output::Text => shown::contents(&manifest, &contents),
                Output::Json => shown::contents_json(&manifest, &contents),
            });
            Ok(Exit::Done)
        }
        Checkpoint::Verify { at, which } => verify(at, which.as_deref(), screen),
        Checkpoint::Diff { at, first, second, output } => {
            let changes = open(at)?.diff(&which_of(first), &which_of(second))?;
            screen.out(&match output {
                Output::Text => shown::changes(&changes),
                Output::Json => shown::changes_json(&changes),
            });
            Ok(if changes.is_empty() { Exit::Done } else { Exit::Findings })
        }
        Checkpoint::Export { at, which, to, step } => export(at, which, to, step, screen),
        Checkpoint::Save { at, name, which } => {
            let number = open(at)?.save(name, &which_of(which))?;
            screen.out(&format!("savepoint {name} is checkpoint {number}\n"));
            Ok(Exit::Done)
        }
        Checkpoint::Forget { at, name } => {
            open(at)?.forget(name)?;
            Ok(Exit::Done)
        }
    }
}

/// `newest`, a number, or a savepoint's name.
fn which_of(written: &str) -> From {
    match written.parse() {
        Ok(number) => From::Number(CheckpointNumber(number)),
        Err(_) if written == "newest" => From::Newest,
        Err(_) => From::Savepoint(written.to_owned()),
    }
}

/// The scenarios that are asked about.
fn scenarios(at: &StateAt) -> Result<Vec<String>, Problem> {
    let state = at.state.display().to_string();
    match &at.scenario {
        Some(scenario) => Ok(vec![scenario.clone()]),
        None if !at.state.is_dir() => Err(Problem::NoScenario(state)),
        None => {
            let names = Snapshots::scenarios(&at.state)?;
            if names.is_empty() { Err(Problem::NoScenario(state)) } else { Ok(names) }
        }
    }
}

fn open(at: &StateAt) -> Result<Snapshots, Problem> {
    let names = scenarios(at)?;
    match names.as_slice() {
        [one] => Ok(Snapshots::open(&at.state, one, at.snapshots.as_deref())?),
        several => Err(Problem::Several {
            state: at.state.display().to_string(),
            first: several.first().cloned().unwrap_or_default(),
            names: several.join(", "),
        }),
    }
}

fn list(at: &StateAt, output: Output, screen: &Screen) -> Result<Exit, Problem> {
    let mut damaged = false;
    for scenario in scenarios(at)? {
        let entries = Snapshots::open(&at.state, &scenario, at.snapshots.as_deref())?.list()?;
        damaged |= entries.iter().any(|e| e.manifest.is_err());
        screen.out(&match output {
            Output::Text => shown::list(&scenario, &entries),
            Output::Json => shown::list_json(&scenario, &entries),
        });
    }
    Ok(if damaged { Exit::Findings } else { Exit::Done })
}

fn label(kind: &Kind) -> (String, From) {
    match kind {
        Kind::Checkpoint(number) => (format!("checkpoint {number}"), From::Number(*number)),
        Kind::Savepoint(name) => (format!("savepoint {name}"), From::Savepoint(name.clone())),
    }
}

fn verify(at: &StateAt, which: Option<&str>, screen: &Screen) -> Result<Exit, Problem> {
    let snapshots = open(at)?;
    let wanted: Vec<(String, From)> = match which {
        Some(which) => vec![(which.to_owned(), which_of(which))],
        None => snapshots.list()?.iter().map(|Entry { kind, .. }| label(kind)).collect(),
    };
    let mut exit = Exit::Done;
    for (label, which) in wanted {
        match snapshots.verify(&which) {
            Ok(rows) => screen.out(&format!("{label}: sound, {rows} rows\n")),
            Err(error @ StoreError::Damaged { .. }) => {
                screen.out(&format!("{label}: {error}\n"));
                exit = Exit::Findings;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(exit)
}

fn export(at: &StateAt, which: &str, to: &Path, steps: &[String], screen: &Screen) -> Result<Exit, Problem> {
    let looked = open(at)?.look(&which_of(which))?;
    let checkpoint = looked.checkpoint()?;
    let have: Vec<String> = checkpoint.nodes().iter().filter(|n| checkpoint.shape(n).is_some()).map(|n| n.to_string()).collect();
    if let Some(wanted) = steps.iter().find(|s| !have.contains(s)) {
        return Err(Problem::NoStep { wanted: wanted.clone(), names: have.join(", ") });
    }
    let unwritable = |path: &Path| {
        let path = path.display().to_string();
        move |error| Problem::Write { path, error }
    };
    fs::create_dir_all(to).map_err(unwritable(to))?;
    for step in have.iter().filter(|s| steps.is_empty() || steps.contains(s)) {
        let Some(shape) = checkpoint.shape(step) else { continue };
        let path = to.join(format!("{}.parquet", folder_name(step)));
        let refused = |error: EncodeError| match error {
            EncodeError::Io(error) => unwritable(&path)(error),
            other => Problem::Format { step: step.clone(), error: other.to_string() },
        };
        let out = BufWriter::new(File::create(&path).map_err(unwritable(&path))?);
        let mut encoder = Encoder::new(&OutputFormat::Parquet(ParquetCompression::Zstd), &shape.schema, false, out).map_err(refused)?;
        let mut failed = None;
        let read = checkpoint.rows(step, &shape, 0..u16::MAX, &mut |batch| {
            encoder.write(&batch, None).map_err(|error| {
                let said = StateError::Operator(error.to_string());
                failed = Some(error);
                said
            })
        });
        if let Some(error) = failed {
            return Err(refused(error));
        }
        read.map_err(|source| StoreError::State { node: step.clone(), source })?;
        let (_, summary) = encoder.finish().map_err(refused)?;
        screen.out(&format!("{}  {} rows\n", path.display(), summary.rows));
    }
    Ok(Exit::Done)
}
