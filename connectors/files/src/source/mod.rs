//! The `file` source: what the options ask for, and which reader gives it.
//!
//! A bounded source of ordinary files is read by all workers: each file is a unit, cut into chunks (of text) or units of its format (row groups'
//! slices); chunk c of file f is read by worker (f + c) mod n. All of it is one partition in one order, so that watermarks do not depend on n.
//! What has one reader only (a pipe, files that grow, a replay) is read by worker 0.

mod blocks;
mod columnar;
mod follow;
mod place;
mod replay;
mod text;

use crate::{
    compression::{Compression, Stream},
    error,
    format::{self, Format},
    locate::{Found, Target},
};
use arrow::{
    array::{AsArray, BooleanArray, UInt64Array},
    compute::{filter, filter_record_batch},
    datatypes::{SchemaRef, UInt64Type},
    error::ArrowError,
};
use runink_connector_api::{
    Boundedness, Chunk, ConnectorError, EpochBy, Left, Ordinal, Partition, Piecewise, Poll, Positions, SavedPosition, Share, Source,
    SourceConfig, SourceReader,
};
use runink_formats::{ColumnarFormat, Decoded, ReadSpec, SAMPLE_BYTES, TextFormat, infer};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How messages and chunks name standard input.
const STANDARD_INPUT: &str = "standard input";

/// Text to be read: how, and where from.
pub(crate) struct Text {
    pub(crate) format: TextFormat,
    pub(crate) spec: ReadSpec,
    pub(crate) compression: Option<Compression>,
}

enum Input {
    /// `live`: pipes whose rows go on as they come.
    Text {
        text: Arc<Text>,
        files: Arc<[Found]>,
        live: bool,
    },
    Standard {
        text: Arc<Text>,
        live: bool,
    },
    Follow {
        text: Arc<Text>,
        target: Target,
        base_dir: PathBuf,
    },
    Columnar {
        format: ColumnarFormat,
        spec: Arc<ReadSpec>,
        files: Arc<[Found]>,
        shelf: Arc<columnar::Shelf>,
    },
}

struct FileSource {
    input: Input,
    replay: Option<replay::Pace>,
    follow: bool,
}

/// The target, the format and (where they do not have to be looked for again) the files of a source.
struct Located {
    target: Target,
    shown: String,
    format: Format,
    files: Vec<Found>,
    compression: Option<Compression>,
    follow: bool,
}

fn locate(config: &SourceConfig) -> Result<Located, ConnectorError> {
    let shown = config.options.text("path").unwrap_or_default().to_owned();
    if shown.is_empty() {
        return Err(error::options("`path` is empty", "Name a file, a pattern, or `-` for standard input."));
    }
    let target = Target::of(&shown, &config.base_dir)?;
    let follow = config.options.flag("follow");
    let paths = target.files()?;
    if let Target::Pattern { given, .. } = &target
        && paths.is_empty()
        && !follow
    {
        return Err(error::no_match(given, "Look at the pattern and at the folder; paths are relative to the scenario's folder."));
    }
    // A pattern that names the ending speaks for files that are not there yet as well.
    let pattern = [Path::new(&shown)];
    let names: Vec<&Path> = match &target {
        Target::Pattern { .. } if shown.ends_with('*') && !paths.is_empty() => paths.iter().map(PathBuf::as_path).collect(),
        _ => pattern.to_vec(),
    };
    // Whether it is there comes first: a folder has no ending to tell a format by.
    let files = paths.iter().map(|path| Found::at(path, &config.base_dir)).collect::<Result<Vec<_>, _>>()?;
    let format = format::of(&config.options, if target == Target::StandardInput { STANDARD_INPUT } else { &shown }, names)?;
    let compression = Compression::of_option(config.options.text("compression"));
    if matches!(format, Format::Columnar(_)) {
        if target == Target::StandardInput || files.iter().any(|f| f.length.is_none()) {
            let what = if target == Target::StandardInput { STANDARD_INPUT.to_owned() } else { format!("`{shown}`") };
            return Err(error::options(
                format!("{what} is a pipe, and a Parquet or Arrow file is read from its end"),
                "Save it to a file first, or send JSON lines or CSV through the pipe.",
            ));
        }
        if follow {
            return Err(error::options(
                "`follow` is for text: a Parquet or Arrow file does not grow",
                "Leave `follow` out, or read JSON lines or CSV.",
            ));
        }
        if compression.is_some_and(|c| c != Compression::None) {
            return Err(error::options(
                "`compression` is for text: Parquet and Arrow files are compressed inside",
                "Leave `compression` out; it is told from the file.",
            ));
        }
    }
    if follow && target != Target::StandardInput && compression.is_some_and(|c| c != Compression::None) {
        return Err(error::options("a compressed file cannot be followed as it grows", "Leave `follow` or `compression` out."));
    }
    Ok(Located { target, shown, format, files, compression, follow })
}

/// Finds the schema in the first file that has something to say.
pub(crate) fn discover(config: &SourceConfig) -> Result<SchemaRef, ConnectorError> {
    let located = locate(config)?;
    if located.target == Target::StandardInput {
        return Err(error::no_sample(STANDARD_INPUT, "what is read from it to look at is gone"));
    }
    for found in &located.files {
        if found.length == Some(0) {
            continue;
        }
        if found.length.is_none() {
            return Err(error::no_sample(format!("`{}`", found.origin), "it is a pipe, and what is read from it to look at is gone"));
        }
        let file = open_file(&found.path)?;
        match &located.format {
            Format::Columnar(format) => {
                return Ok(runink_formats::open(*format, file).map_err(|e| named(&found.origin, e))?.schema());
            }
            Format::Text(format) => {
                let mut stream = Stream::new(file, u64::MAX, located.compression, &found.path)
                    .map_err(|cause| error::cannot_read(&found.path, cause))?;
                let mut sample = Vec::new();
                let read = (&mut stream).take(SAMPLE_BYTES as u64 + 1).read_to_end(&mut sample);
                read.map_err(|cause| read_error(&found.path, &found.origin, &stream, cause))?;
                let whole = sample.len() <= SAMPLE_BYTES;
                sample.truncate(SAMPLE_BYTES);
                if !sample.is_empty() {
                    return infer(format, &sample, whole).map_err(|e| named(&found.origin, e));
                }
            }
        }
    }
    let why = if located.files.is_empty() { "no file matches it yet" } else { "it is empty" };
    Err(error::no_sample(format!("`{}`", located.shown), why))
}

/// Opens a source.
pub(crate) fn open(config: SourceConfig) -> Result<Arc<dyn Source>, ConnectorError> {
    let located = locate(&config)?;
    let Some(schema) = config.schema.clone() else {
        return Err(ConnectorError::bug("FIL090", "a source was opened without a schema"));
    };
    let spec = ReadSpec::new(&config, schema);
    let replay = match config.options.number("speedup") {
        None => None,
        Some(speedup) => Some(replay::Pace::new(speedup, &config, located.follow)?),
    };
    let input = match located.format {
        Format::Columnar(format) => Input::Columnar { format, spec: Arc::new(spec), files: located.files.into(), shelf: Arc::default() },
        Format::Text(format) => {
            let text = Arc::new(Text { format, spec, compression: located.compression });
            if located.target == Target::StandardInput {
                Input::Standard { text, live: located.follow }
            } else if located.follow && located.files.iter().all(|f| f.length.is_some()) {
                Input::Follow { text, target: located.target, base_dir: config.base_dir }
            } else if located.follow && located.files.iter().any(|f| f.length.is_some()) {
                return Err(error::options(
                    format!("`{}` matches files and pipes: they cannot be followed together", located.shown),
                    "Make two sources of it, and a step that reads both.",
                ));
            } else {
                Input::Text { text, files: located.files.into(), live: located.follow }
            }
        }
    };
    Ok(Arc::new(FileSource { input, replay, follow: located.follow }))
}

impl FileSource {
    fn has_one_reader(&self) -> bool {
        self.replay.is_some()
            || match &self.input {
                Input::Text { files, .. } => files.iter().any(|f| f.length.is_none()),
                Input::Standard { .. } | Input::Follow { .. } => true,
                Input::Columnar { .. } => false,
            }
    }
}

impl Source for FileSource {
    fn boundedness(&self) -> Boundedness {
        if self.follow { Boundedness::Unbounded } else { Boundedness::Bounded }
    }
    fn epoch_by(&self) -> EpochBy {
        if self.follow || self.replay.is_some() { EpochBy::Clock } else { EpochBy::Volume }
    }
    fn partitions(&self) -> u32 {
        1
    }
    fn reader(&self, share: Share) -> Result<Box<dyn SourceReader>, ConnectorError> {
        self.resume(share, &[])
    }
    /// Files. What comes through a pipe is gone.
    fn resumable(&self) -> bool {
        match &self.input {
            Input::Text { files, .. } => files.iter().all(|f| f.length.is_some()),
            Input::Standard { .. } => false,
            Input::Follow { .. } | Input::Columnar { .. } => true,
        }
    }
    fn resume(&self, share: Share, from: &[SavedPosition]) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let alone = Share { index: 0, peers: 1 };
        let (share, from): (Share, Vec<SavedPosition>) = match self.has_one_reader() {
            true if share.index > 0 => return Ok(Box::new(NothingToRead)),
            // Whoever of whatever number it was, it read everything.
            true => (alone, from.iter().map(|saved| SavedPosition { reader: 0, readers: 1, ..saved.clone() }).collect()),
            false => (share, from.to_vec()),
        };
        let reader: Box<dyn SourceReader> = match &self.input {
            Input::Text { text, files, live } => {
                Box::new(text::TextReader::of_files(text.clone(), files.clone(), share, *live, from.into()))
            }
            Input::Standard { text, live } => Box::new(text::TextReader::of_standard_input(text.clone(), *live)?),
            Input::Follow { text, target, base_dir } => {
                Box::new(follow::FollowReader::new(text.clone(), target.clone(), base_dir.clone(), &from)?)
            }
            Input::Columnar { format, spec, files, shelf } => {
                Box::new(columnar::ColumnarReader::new(shelf.clone(), *format, spec.clone(), files.clone(), share, from.into()))
            }
        };
        Ok(match &self.replay {
            Some(pace) => Box::new(replay::ReplayReader::new(reader, pace.clone())),
            None => reader,
        })
    }
    fn total_bytes(&self) -> Option<u64> {
        match &self.input {
            Input::Text { files, .. } | Input::Columnar { files, .. } => files.iter().map(|f| f.length).sum(),
            Input::Standard { .. } | Input::Follow { .. } => None,
        }
    }
}

/// The reader of a worker that has no share.
struct NothingToRead;

impl SourceReader for NothingToRead {
    fn poll(&mut self) -> Result<Poll, ConnectorError> {
        Ok(Poll::End)
    }
}

fn open_file(path: &Path) -> Result<File, ConnectorError> {
    File::open(path).map_err(|cause| error::cannot_read(path, cause))
}

/// An error of a stream: of the machine, or of what it decompresses.
fn read_error<R: Read>(path: &Path, origin: &str, stream: &Stream<R>, cause: std::io::Error) -> ConnectorError {
    if cause.raw_os_error().is_some() || stream.compression() == Compression::None {
        return error::cannot_read(path, cause);
    }
    error::damaged(origin, stream.compression().name(), stream.raw_bytes(), cause)
}

/// Adds the file's name to an error of its format.
fn named(origin: &str, mut error: ConnectorError) -> ConnectorError {
    error.message = format!("`{origin}`: {}", error.message);
    error
}

/// Who of `readers` reads a piece of a file.
fn dealt_to(unit: u64, piece: u64, readers: usize) -> usize {
    (unit.wrapping_add(piece) % readers.max(1) as u64) as usize
}

/// What is left of a file's piece, after what was read before.
fn left(from: &[SavedPosition], origin: &str, piece: u64) -> Result<Left, ConnectorError> {
    Piecewise::left(from, origin, piece, |unit, readers| dealt_to(unit, piece, readers))
}

/// Decoded rows with their place. All files are one partition. `complete` is whether they end their piece.
fn chunk_of(decoded: Decoded, origin: &Arc<str>, ordinal: Ordinal, bytes: u64, complete: bool) -> Chunk {
    let at = |within| Piecewise { unit: ordinal.unit.into(), piece: ordinal.chunk.into(), within }.save();
    let after = if complete { Some(at(None)) } else { last_position(&decoded).map(|last| at(Some(last))) };
    Chunk {
        batch: decoded.batch,
        rejects: decoded.rejects,
        positions: decoded.positions,
        origin: origin.clone(),
        partition: Partition(0),
        ordinal,
        bytes,
        diffs: None,
        partition_ends: false,
        after,
    }
}

/// The highest position of decoded rows and rejects.
fn last_position(decoded: &Decoded) -> Option<u64> {
    let rows = decoded.batch.num_rows() as u64;
    let last = match &decoded.positions {
        Positions::From(start) => rows.checked_sub(1).map(|last| start + last),
        Positions::Each(each) => each.values().iter().copied().max(),
    };
    last.max(decoded.rejects.iter().map(|r| r.position).max())
}

/// Leaves out what was read before.
fn behind(decoded: Decoded, position: u64) -> Result<Decoded, ConnectorError> {
    let Decoded { batch, mut rejects, positions } = decoded;
    rejects.retain(|r| r.position > position);
    let mask: BooleanArray = match &positions {
        Positions::From(start) => (0..batch.num_rows() as u64).map(|row| Some(start + row > position)).collect(),
        Positions::Each(each) => each.values().iter().map(|p| Some(*p > position)).collect(),
    };
    let bug = |cause: ArrowError| {
        ConnectorError::bug("FIL093", format!("rows that were read before cannot be left out: {cause}")).caused_by(cause)
    };
    let positions = match positions {
        Positions::From(start) => Positions::From(start.max(position.saturating_add(1))),
        Positions::Each(each) => {
            let kept = filter(&each, &mask).map_err(bug)?;
            Positions::Each(kept.as_primitive_opt::<UInt64Type>().cloned().unwrap_or_else(|| UInt64Array::from(Vec::<u64>::new())))
        }
    };
    Ok(Decoded { batch: filter_record_batch(&batch, &mask).map_err(bug)?, rejects, positions })
}
