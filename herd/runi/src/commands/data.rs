//! `runi data fake`: made-up rows of a contract, written as a file or to standard output.

use super::contract::{ContractError, contract, label};
use crate::{
    Exit,
    cli::{Fake, FakeFormat},
    files::{self, FilesError},
    screen::Screen,
};
use runink_connector_api::ConnectorError;
use runink_dsl::ast::Contract;
use runink_fake::{FakeError, Faker, Settings};
use runink_formats::{CsvFormat, EncodeError, Encoder, OutputFormat, ParquetCompression};
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// How many rows are made up and written together.
const BATCH_ROWS: u64 = 8192;

/// What keeps rows from being made up or written.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Contract(#[from] ContractError),
    #[error("{0}")]
    Fake(#[from] FakeError),
    #[error("RUN060: `{path}` could not be written: {error}")]
    Write { path: String, error: io::Error },
    #[error("RUN061: the rows have no form in this format: {0}")]
    Format(ConnectorError),
    #[error("RUN062: the name of `{0}` does not say its format")]
    Name(String),
    #[error("RUN063: Parquet is no text for standard output")]
    Parquet,
}

impl Problem {
    fn show(&self, screen: &Screen) -> Exit {
        let (hint, exit) = match self {
            Problem::Contract(error) => return error.show(screen),
            Problem::Fake(error @ FakeError::Columns(_)) => (Some(error.hint()), Exit::Bug),
            Problem::Fake(error) => (Some(error.hint()), Exit::User),
            Problem::Write { .. } => (None, Exit::Operator),
            Problem::Format(_) => (Some("take another format: `--format parquet --to FILE` writes every type"), Exit::User),
            Problem::Name(_) => (Some("let it end in .jsonl, .csv or .parquet, or say `--format`"), Exit::Usage),
            Problem::Parquet => (Some("name a file: `--to rows.parquet`"), Exit::Usage),
        };
        screen.error(&self.to_string(), hint);
        exit
    }
}

pub(crate) fn fake(fake: &Fake, screen: &Screen) -> Exit {
    make(fake, screen).unwrap_or_else(|problem| problem.show(screen))
}

fn make(fake: &Fake, screen: &Screen) -> Result<Exit, Problem> {
    let format = format_of(fake)?;
    let contract = find(&fake.contract)?;
    let settings = Settings {
        seed: fake.seed,
        invalid_per_million: fake.invalid,
        start_us: fake.start,
        every_us: fake.every,
        lateness_us: fake.lateness,
    };
    let mut faker = Faker::new(&contract, settings)?;
    match &fake.to {
        None => {
            let out = write(&mut faker, &format, fake.rows, "standard output", BufWriter::new(screen.out_writer()));
            // A reader that has enough (`… | head`) ends it without an error.
            if !matches!(&out, Err(Problem::Write { error, .. }) if error.kind() == io::ErrorKind::BrokenPipe) {
                out?;
            }
        }
        Some(path) => to_file(&mut faker, &format, fake.rows, path)?,
    }
    say(&faker, &contract, fake, screen);
    Ok(Exit::Done)
}

/// By its place in a file, or by its name in the project of this folder.
fn find(written: &str) -> Result<Contract, ContractError> {
    let missing = match contract(written) {
        Err(error @ ContractError::Files(FilesError::Missing(_))) => error,
        other => return other,
    };
    let (name, version) = match written.split_once('@') {
        Some((name, version)) => (name, version.parse().ok()),
        None => (written, None),
    };
    let Ok(loaded) = files::load(Path::new(".")) else { return Err(missing) };
    loaded.project.contract(name, version).map(|(_, contract)| contract.clone()).ok_or(missing)
}

fn format_of(fake: &Fake) -> Result<OutputFormat, Problem> {
    let by_name = |path: &PathBuf| match path.extension().and_then(|e| e.to_str()) {
        Some("jsonl" | "ndjson" | "json") => Ok(FakeFormat::Jsonl),
        Some("csv") => Ok(FakeFormat::Csv),
        Some("parquet") => Ok(FakeFormat::Parquet),
        _ => Err(Problem::Name(path.display().to_string())),
    };
    Ok(match (fake.format, &fake.to) {
        (Some(FakeFormat::Parquet), None) => return Err(Problem::Parquet),
        (Some(format), _) => format,
        (None, Some(path)) => by_name(path)?,
        (None, None) => FakeFormat::Jsonl,
    })
    .map(|format| match format {
        FakeFormat::Jsonl => OutputFormat::Json,
        FakeFormat::Csv => OutputFormat::Csv(CsvFormat::default()),
        FakeFormat::Parquet => OutputFormat::Parquet(ParquetCompression::Zstd),
    })
}

/// Under its own name only when it is complete.
fn to_file(faker: &mut Faker, format: &OutputFormat, rows: u64, path: &Path) -> Result<(), Problem> {
    let shown = path.display().to_string();
    let failed = |error| Problem::Write { path: shown.clone(), error };
    let mut half = path.as_os_str().to_owned();
    half.push(".tmp");
    let half = PathBuf::from(half);
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let file = File::create(&half).map_err(failed)?;
    let written = write(faker, format, rows, &shown, BufWriter::new(file)).and_then(|()| fs::rename(&half, path).map_err(failed));
    if written.is_err() {
        let _nothing_half_is_left = fs::remove_file(&half);
    }
    written
}

fn write(faker: &mut Faker, format: &OutputFormat, rows: u64, shown: &str, out: impl Write + Send) -> Result<(), Problem> {
    let failed = |error: EncodeError| match error {
        EncodeError::Io(error) => Problem::Write { path: shown.to_owned(), error },
        EncodeError::Format(error) => Problem::Format(error),
    };
    let mut encoder = Encoder::new(format, faker.schema(), false, out).map_err(failed)?;
    let mut left = rows;
    while left > 0 {
        let now = left.min(BATCH_ROWS);
        encoder.write(&faker.batch(now as usize)?, None).map_err(failed)?;
        left -= now;
    }
    let (mut out, _) = encoder.finish().map_err(failed)?;
    out.flush().map_err(|error| Problem::Write { path: shown.to_owned(), error })
}

/// How many rows of which sort there are.
fn say(faker: &Faker, contract: &Contract, fake: &Fake, screen: &Screen) {
    let summary = faker.summary();
    let invalid = summary.rows() - summary.valid;
    let mut text =
        format!("{} rows of {}, seed {}: {} valid, {invalid} invalid\n", summary.rows(), label(contract), fake.seed, summary.valid);
    for ((field, rule), rows) in &summary.invalid {
        text.push_str(&format!("  {rows} break `{field} {rule}`\n"));
    }
    if fake.invalid > 0 {
        for (field, rule) in &summary.unbroken {
            text.push_str(&format!("  none breaks `{field} {rule}`: it cannot be broken alone\n"));
        }
    }
    screen.err(&text);
}
