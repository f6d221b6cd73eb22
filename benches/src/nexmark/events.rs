//! The events of Nexmark in memory, as the generator makes them: written down once by `runi`, then read column by column.

use crate::{
    child::{Scratch, runi},
    run::BenchError,
};
use arrow::{
    array::AsArray,
    datatypes::{SchemaRef, TimestampMicrosecondType},
    ipc::reader::FileReader,
    record_batch::RecordBatch,
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    ops::Range,
    path::{Path, PathBuf},
};

/// Events of all kinds in a second of event time, in which the first one stands at [`FIRST_US`].
pub const PER_SECOND: u64 = 10_000;
/// 2026-01-01, in µs.
const FIRST_US: i64 = 1_767_225_600_000_000;
/// How many events make an epoch, as the generator cuts them.
const CHUNK_EVENTS: i64 = 32 << 10;
const MICROS: i64 = 1_000_000;

/// What is written down: the kinds of events, and the table that query 13 looks up.
pub const TABLES: [&str; 4] = ["person", "auction", "bid", "side_input"];

/// The scenarios.
pub fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/nexmark")
}

/// Writes so many events down.
///
/// # Errors
/// Where `runi` does not run.
pub fn write_down(events: u64) -> Result<Scratch, BenchError> {
    let scratch = Scratch::new("nexmark")?;
    let out = scratch.path().display();
    let mut text = String::from("Feature: Events\n");
    for table in TABLES {
        let source = match table {
            "side_input" => format!("type=file, path=\"{}/data/side_input.csv.gz\"", scenarios().display()),
            kind => format!("type=nexmark, kind={kind}, events={events}, event_rate={PER_SECOND}"),
        };
        text.push_str(&format!(
            "  Scenario: {table}
    @source(name=rows, {source})
    @step(name=All)
      @do select *
    @sink(type=file, path=\"{out}/{table}.arrow\", compression=none)
"
        ));
    }
    // One worker: the rows stay in their order.
    runi(&scratch.file("events.dsl", &text)?, 1)?;
    Ok(scratch)
}

fn broken(path: &Path, error: impl std::fmt::Display) -> BenchError {
    BenchError(format!("{}: {error}", path.display()))
}

fn open(folder: &Path, table: &str, columns: Option<Vec<usize>>) -> Result<FileReader<BufReader<File>>, BenchError> {
    let path = folder.join(table).with_extension("arrow");
    let file = File::open(&path).map_err(|e| broken(&path, e))?;
    FileReader::try_new(BufReader::new(file), columns).map_err(|e| broken(&path, e))
}

/// The columns of a table.
///
/// # Errors
/// Where it has not been written down.
pub fn schema(folder: &Path, table: &str) -> Result<SchemaRef, BenchError> {
    Ok(open(folder, table, None)?.schema())
}

/// Rows of one epoch.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Which one.
    pub epoch: u32,
    /// The rows.
    pub batch: RecordBatch,
}

/// Some columns of a table, in the generator's order and cut into its epochs.
///
/// # Errors
/// Where it cannot be read.
pub fn read(folder: &Path, table: &str, columns: &[usize]) -> Result<Vec<Piece>, BenchError> {
    let path = folder.join(table);
    let time = schema(folder, table)?.index_of("date_time").ok();
    let mut wanted: Vec<usize> = columns.to_vec();
    wanted.extend(time.filter(|t| !columns.contains(t)));
    let batches = open(folder, table, Some(wanted.clone()))?;
    // The file gives columns in its own order.
    wanted.sort_unstable();
    let kept: Vec<usize> = columns.iter().filter_map(|c| wanted.iter().position(|w| w == c)).collect();
    let time = time.and_then(|t| wanted.iter().position(|w| *w == t));
    let mut pieces = Vec::new();
    for batch in batches {
        let batch = batch.map_err(|e| broken(&path, e))?;
        let narrow = batch.project(&kept).map_err(|e| broken(&path, e))?;
        let Some(time) = time else {
            pieces.push(Piece { epoch: 0, batch: narrow });
            continue;
        };
        let times = batch.column(time).as_primitive::<TimestampMicrosecondType>().values();
        let epoch_of = |us: i64| ((us - FIRST_US) * PER_SECOND as i64 / MICROS / CHUNK_EVENTS) as u32;
        let mut from = 0;
        while from < times.len() {
            let epoch = epoch_of(times[from]);
            let length = times[from..].partition_point(|&us| epoch_of(us) == epoch);
            pieces.push(Piece { epoch, batch: narrow.slice(from, length) });
            from += length;
        }
    }
    Ok(pieces)
}

/// Tables by name, each in batches.
#[derive(Debug, Default)]
pub struct Tables(BTreeMap<String, (Vec<RecordBatch>, Vec<u32>)>);

impl Tables {
    /// Adds one.
    pub fn insert(&mut self, table: &str, pieces: &[Piece]) {
        self.0.insert(table.to_owned(), pieces.iter().map(|p| (p.batch.clone(), p.epoch)).unzip());
    }

    fn table(&self, table: &str) -> Result<&(Vec<RecordBatch>, Vec<u32>), BenchError> {
        self.0.get(table).ok_or_else(|| BenchError(format!("there is no table `{table}`")))
    }

    /// One of them.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn get(&self, table: &str) -> Result<&[RecordBatch], BenchError> {
        Ok(&self.table(table)?.0)
    }

    /// Epoch by epoch, which batches of some tables belong to it.
    ///
    /// # Errors
    /// Where one of them is not there.
    pub fn epochs<const N: usize>(&self, tables: [&str; N]) -> Result<Vec<[Range<usize>; N]>, BenchError> {
        let mut all = Vec::with_capacity(N);
        for table in tables {
            all.push(&self.table(table)?.1);
        }
        let last = all.iter().filter_map(|epochs| epochs.last()).max().copied().unwrap_or_default();
        let mut done = [0; N];
        let mut of = |epoch: u32| {
            std::array::from_fn(|at| {
                let from = done[at];
                done[at] += all[at][from..].iter().take_while(|e| **e == epoch).count();
                from..done[at]
            })
        };
        Ok((0..=last).map(&mut of).collect())
    }
}
