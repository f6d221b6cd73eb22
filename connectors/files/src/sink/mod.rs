//! The `file` sink: one file, or a folder of parts; complete when the scenario has ended well, and not there before.
//!
//! In a scenario with checkpoints it grows with each of them instead, each row once: text by appending (`held`), folders by parts (`staged_parts`).

mod held;
mod ledger;
mod part;
mod partition;
mod publish;
mod staged_parts;

pub use publish::remove_incomplete;

use crate::{
    compression::Compression,
    error,
    format::{self, Format},
};
use arrow::{array::Int64Array, datatypes::SchemaRef, record_batch::RecordBatch};
use held::{FileCommitter, HeldWriter};
use part::{Part, PartFormat};
use partition::{MAX_OPEN_PARTS, PartitionedWriter};
use publish::Publication;
use runink_connector_api::{
    CommitIdentity, Committer, ConnectorError, Delivery, Share, Sink, SinkConfig, SinkSummary, SinkWidth, SinkWriter,
};
use runink_formats::{ColumnarFormat, Encoder, OutputFormat, ParquetCompression, TextFormat};
use staged_parts::FolderCommitter;
use std::{
    fs::{File, OpenOptions},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

enum Target {
    /// One file.
    File(PathBuf),
    /// A folder of parts, with the columns (as indices) that make folders in it.
    Folder(PathBuf, Arc<[usize]>),
    /// A pipe or a device, opened when the sink was: it shows what it gets at once. Taken by its writer.
    Direct(PathBuf, Mutex<Option<File>>),
}

struct FileSink {
    target: Target,
    schema: SchemaRef,
    format: PartFormat,
    publication: Arc<Publication>,
    /// Output goes with checkpoints, under names of this run.
    run: Option<Arc<str>>,
}

/// Opens a sink: everything that can be wrong before the first row is found here.
pub(crate) fn open(config: SinkConfig) -> Result<Arc<dyn Sink>, ConnectorError> {
    let shown = config.options.text("path").unwrap_or_default();
    match shown {
        "" => return Err(error::options("`path` is empty", "Name a file, or a folder with `/` at its end.")),
        "-" => return Err(error::options("a `file` sink needs a name", "Write to standard output with `@sink(type=stdout)`.")),
        _ => {}
    }
    let columns = config.options.columns("partition_by");
    let path = config.base_dir.join(shown);
    let wants_folder = shown.ends_with('/') || !columns.is_empty();
    let there = match std::fs::metadata(&path) {
        Ok(metadata) => Some(metadata.file_type()),
        Err(cause) if cause.kind() == ErrorKind::NotFound => None,
        Err(cause) if cause.kind() == ErrorKind::NotADirectory => {
            return Err(error::bad_target(&path, "a part of its path is a file, not a folder", "Choose another `path`."));
        }
        Err(cause) => return Err(error::cannot_write(&path, cause)),
    };
    match there {
        Some(kind) if kind.is_dir() && !wants_folder => {
            return Err(error::bad_target(
                &path,
                "it is a folder",
                "End `path` with `/` to write parts into the folder, or name a file in it.",
            ));
        }
        Some(kind) if !kind.is_dir() && wants_folder => {
            return Err(error::bad_target(
                &path,
                "it is a file, and parts go to a folder",
                "Move the file away, or choose another `path`.",
            ));
        }
        _ => {}
    }
    let is_direct = there.is_some_and(|kind| !kind.is_dir() && !kind.is_file());
    let names = if wants_folder { Vec::new() } else { vec![Path::new(shown)] };
    let input = format::of(&config.options, shown, names)?;
    let format = part_format(input, &config, Path::new(shown), is_direct)?;
    let partition = partition::columns(columns, &config.schema)?;
    let written = part::schema_without(&config.schema, &partition);
    Encoder::new(&format.output, &written, config.changelog, std::io::sink()).map_err(|e| part::failed(&path, e))?;

    let target = if is_direct {
        let file = OpenOptions::new().write(true).open(&path).map_err(|cause| error::cannot_write(&path, cause))?;
        Target::Direct(path.clone(), Mutex::new(Some(file)))
    } else if wants_folder {
        std::fs::create_dir_all(&path).map_err(|cause| error::cannot_write(&path, cause))?;
        Target::Folder(path.clone(), partition.into())
    } else {
        // A link to a file stays a link.
        let path = path.canonicalize().unwrap_or(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|cause| error::cannot_write(folder, cause))?;
        }
        Target::File(path)
    };
    let publication = Arc::new(match &target {
        Target::Folder(folder, partition) => Publication::of_folder(folder.clone(), partition.len(), format.ending.clone())?,
        Target::File(path) => Publication::of_file(path)?,
        Target::Direct(..) => Publication::of_nothing(),
    });
    let grows = match &target {
        Target::File(_) => matches!(format.output, OutputFormat::Json | OutputFormat::Csv(_)),
        Target::Folder(..) => true,
        Target::Direct(..) => false,
    };
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let run = (config.checkpoints && grows).then(|| format!("{:x}", now()).into());
    Ok(Arc::new(FileSink { target, schema: config.schema, format, publication, run }))
}

/// How parts are written: the format, its compression, and how their names end.
fn part_format(format: Format, config: &SinkConfig, name: &Path, is_direct: bool) -> Result<PartFormat, ConnectorError> {
    let word = config.options.text("compression").unwrap_or("auto");
    let refused = |what: &str, hint: &str| Err(error::options(format!("`compression={word}` does not go with {what}"), hint));
    let (output, compression, ending) = match format {
        Format::Text(text) => {
            let compression = match word {
                "snappy" => return refused("text", "Use `gzip` or `zstd`."),
                word => Compression::of_option(Some(word)).unwrap_or_else(|| Compression::of_name(name)),
            };
            let (output, ending) = match text {
                TextFormat::Json => (OutputFormat::Json, "json"),
                TextFormat::Csv(csv) => (OutputFormat::Csv(csv), "csv"),
            };
            (output, compression, ending)
        }
        Format::Columnar(ColumnarFormat::Parquet) => {
            let inside = match word {
                "none" => ParquetCompression::None,
                "snappy" => ParquetCompression::Snappy,
                "auto" | "zstd" => ParquetCompression::Zstd,
                _ => return refused("Parquet", "Use `zstd` or `snappy`."),
            };
            (OutputFormat::Parquet(inside), Compression::None, "parquet")
        }
        Format::Columnar(ColumnarFormat::Arrow) => {
            if !matches!(word, "auto" | "none") {
                return refused("Arrow", "Leave `compression` out, or write Parquet.");
            }
            (if is_direct { OutputFormat::ArrowStream } else { OutputFormat::ArrowFile }, Compression::None, "arrow")
        }
    };
    let ending = match compression {
        Compression::None => ending.to_owned(),
        Compression::Gzip => format!("{ending}.gz"),
        Compression::Zstd => format!("{ending}.zst"),
    };
    Ok(PartFormat { output, compression, ending, changelog: config.changelog })
}

impl Sink for FileSink {
    fn width(&self) -> SinkWidth {
        match self.target {
            Target::Folder(..) => SinkWidth::EachWorker,
            Target::File(_) | Target::Direct(..) => SinkWidth::One,
        }
    }
    fn delivery(&self) -> Delivery {
        match self.target {
            Target::Direct(..) => Delivery::AtLeastOnce,
            _ if self.run.is_some() => Delivery::ExactlyOnce,
            Target::File(_) | Target::Folder(..) => Delivery::Atomic,
        }
    }
    fn committer(&self, identity: CommitIdentity) -> Result<Option<Box<dyn Committer>>, ConnectorError> {
        Ok(match &self.target {
            _ if self.run.is_none() => None,
            Target::File(path) => Some(Box::new(FileCommitter::new(path, identity))),
            Target::Folder(folder, columns) => Some(Box::new(FolderCommitter::new(folder, columns.len(), &self.format.ending, identity))),
            Target::Direct(..) => None,
        })
    }
    fn writer(&self, share: Share) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        match &self.target {
            Target::File(path) if self.run.is_some() => {
                Ok(Box::new(HeldWriter::new(path, self.format.clone(), self.schema.clone(), self.publication.clone())))
            }
            Target::File(path) => {
                self.publication.join();
                let part = Part::create(path, &self.format, &self.schema)?;
                Ok(Box::new(FileWriter { part, publication: self.publication.clone() }))
            }
            Target::Folder(folder, columns) => {
                self.publication.join();
                let writer = PartitionedWriter::new(
                    folder,
                    share.index,
                    self.format.clone(),
                    &self.schema,
                    columns,
                    MAX_OPEN_PARTS,
                    self.publication.clone(),
                )?;
                Ok(match &self.run {
                    Some(run) => Box::new(writer.held(run.clone())),
                    None => Box::new(writer),
                })
            }
            Target::Direct(path, file) => {
                let Some(file) = file.lock().unwrap_or_else(PoisonError::into_inner).take() else {
                    return Err(ConnectorError::bug("FIL091", "a pipe was to have two writers"));
                };
                Ok(Box::new(DirectWriter { part: Part::through(path, file, &self.format, &self.schema)? }))
            }
        }
    }
}

/// Writes one file when all is done.
struct FileWriter {
    part: Part,
    publication: Arc<Publication>,
}

impl SinkWriter for FileWriter {
    fn write(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), ConnectorError> {
        self.part.write(batch, diffs)
    }
    fn flush(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
    fn finish(self: Box<Self>) -> Result<SinkSummary, ConnectorError> {
        let (staged, summary) = self.part.finish()?;
        self.publication.writer_done(staged.into_iter().collect())?;
        Ok(summary)
    }
}

/// Writes to a pipe or device.
struct DirectWriter {
    part: Part,
}

impl SinkWriter for DirectWriter {
    fn write(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), ConnectorError> {
        self.part.write(batch, diffs)
    }
    fn flush(&mut self) -> Result<(), ConnectorError> {
        self.part.flush()
    }
    fn finish(self: Box<Self>) -> Result<SinkSummary, ConnectorError> {
        Ok(self.part.finish()?.1)
    }
}
