//! Text files that grow: read to their end, in sorted order, then looked at again and again.
//!
//! A row is taken when its line has ended. A file that becomes shorter is read from its start again; one that was moved away and written anew under the
//! same name (rotation) is read to its end first, then the new one from its start. A file that gets another name that the pattern matches goes on where it
//! was. What was overwritten between two looks without becoming
//! shorter cannot be noticed. With checkpoints a file is found again by what it is ([`super::place`]), and goes on behind the last whole row that was read. All files are one partition: rows of files that grow side by side may be late to each other, which `lateness` is for.

use super::{
    Text,
    blocks::BLOCK_BYTES,
    chunk_of, named,
    place::{Place, Places},
    text::later_format,
};
use crate::{
    compression::Compression,
    error,
    locate::{Found, Target},
};
use arrow::{error::ArrowError, record_batch::RecordBatch};
use runink_connector_api::{Chunk, ConnectorError, Ordinal, Poll, Positions, SavedPosition, SourceReader};
use runink_formats::{Decoded, Decoder, RowScan, decoder};
use std::{
    fs::{File, Metadata},
    io::{ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// How many files are followed at once, at most: each is held open.
const MAX_FILES: usize = 1_000;
/// How soon files that had nothing new are read again.
const READ_RETRY: Duration = Duration::from_millis(10);
/// How often new files of a pattern are looked for.
const LOOK_FOR_FILES_EVERY: Duration = Duration::from_millis(250);

/// Which file it is, whatever its name.
pub(super) type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

struct Followed {
    path: PathBuf,
    origin: Arc<str>,
    file: File,
    identity: Identity,
    offset: u64,
    decoder: Box<dyn Decoder>,
    rows: Rows,
    /// Another file has the name now; this one is read once more before it is let go.
    replaced: bool,
}

/// How far whole rows go in what the decoder was given.
struct Rows {
    scan: RowScan,
    /// Of all bytes that were given.
    given: u64,
    /// Line ends before the scan's start.
    lines_before: u64,
    /// Where the last whole row ends, and how many lines end before that.
    whole: (u64, u64),
}

impl Rows {
    fn new(text: &Text) -> Self {
        Rows { scan: RowScan::new(&text.format), given: 0, lines_before: 0, whole: (0, 0) }
    }

    fn give(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(row) = self.scan.next_row(&bytes[at..]) {
            at += row;
            self.whole = (self.given + at as u64, self.lines_before + self.scan.lines());
        }
        self.given += bytes.len() as u64;
    }
}

/// What a file without new bytes has come to.
enum AtEnd {
    Waits,
    ReadAgain,
    Restart,
    Gone,
}

impl Followed {
    fn open(path: PathBuf, text: &Text, base_dir: &Path) -> Result<Self, ConnectorError> {
        let found = Found::at(&path, base_dir)?;
        if found.length.is_none() {
            return Err(error::options(
                format!("`{}` is a pipe or a device: it cannot be followed", found.origin),
                "Let the pattern match files only.",
            ));
        }
        if Compression::of_name(&path) != Compression::None {
            return Err(error::options(
                format!("`{}` is compressed: it cannot be followed as it grows", found.origin),
                "Let the pattern match files of plain text only.",
            ));
        }
        let file = super::open_file(&path)?;
        let metadata = file.metadata().map_err(|cause| error::cannot_read(&path, cause))?;
        Ok(Followed {
            path,
            origin: found.origin,
            file,
            identity: identity(&metadata),
            offset: 0,
            decoder: decoder(&text.format, &text.spec, 1)?,
            rows: Rows::new(text),
            replaced: false,
        })
    }

    /// Goes on behind what had been read.
    fn go_on(&mut self, place: &Place, text: &Text) -> Result<(), ConnectorError> {
        let failed = |cause| error::cannot_read(&self.path, cause);
        let mut start = Vec::with_capacity(BLOCK_BYTES);
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        (&mut self.file).take(BLOCK_BYTES as u64).read_to_end(&mut start).map_err(failed)?;
        self.file.seek(SeekFrom::Start(place.offset)).map_err(failed)?;
        let format = later_format(&text.format, &start)?.ok_or_else(super::text::header_too_long)?;
        self.decoder = decoder(&format, &text.spec, place.lines + 1)?;
        self.offset = place.offset;
        let scan = RowScan::new(&format);
        self.rows = Rows { scan, given: place.offset, lines_before: place.lines, whole: (place.offset, place.lines) };
        Ok(())
    }

    fn place(&self, order: u64, gone: bool) -> Result<Place, ConnectorError> {
        Place::new(order, self.identity, self.rows.whole, &self.file, gone).map_err(|cause| error::cannot_read(&self.path, cause))
    }

    fn read(&mut self, block: &mut Vec<u8>) -> Result<usize, ConnectorError> {
        block.resize(BLOCK_BYTES, 0);
        let read = loop {
            match self.file.read(block) {
                Ok(read) => break read,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(cause) => return Err(error::cannot_read(&self.path, cause)),
            }
        };
        block.truncate(read);
        self.offset += read as u64;
        Ok(read)
    }

    /// Nothing new was read: is it still the file of that name, and as long as it was?
    fn at_end(&mut self) -> Result<AtEnd, ConnectorError> {
        match std::fs::metadata(&self.path) {
            Ok(now) if identity(&now) == self.identity => {
                self.replaced = false;
                Ok(if now.len() < self.offset { AtEnd::Restart } else { AtEnd::Waits })
            }
            // Its writer may have written between our last look and the move.
            Ok(_) if !self.replaced => {
                self.replaced = true;
                Ok(AtEnd::ReadAgain)
            }
            Ok(_) => Ok(AtEnd::Restart),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(AtEnd::Gone),
            Err(cause) => Err(error::cannot_read(&self.path, cause)),
        }
    }

    /// Ends the text that was read, which gives its last row, and begins with what has its name now.
    fn restart(&mut self, text: &Text) -> Result<Option<Decoded>, ConnectorError> {
        let last = self.end()?;
        if self.replaced {
            match File::open(&self.path) {
                Ok(file) => {
                    let metadata = file.metadata().map_err(|cause| error::cannot_read(&self.path, cause))?;
                    self.identity = identity(&metadata);
                    self.file = file;
                }
                // Gone again between two looks: the next look finds that.
                Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(last),
                Err(cause) => return Err(error::cannot_read(&self.path, cause)),
            }
        } else {
            self.file.seek(SeekFrom::Start(0)).map_err(|cause| error::cannot_read(&self.path, cause))?;
        }
        self.replaced = false;
        self.offset = 0;
        self.decoder = decoder(&text.format, &text.spec, 1)?;
        self.rows = Rows::new(text);
        Ok(last)
    }

    fn rename(&mut self, path: PathBuf, base_dir: &Path) {
        self.origin = path.strip_prefix(base_dir).unwrap_or(&path).to_string_lossy().as_ref().into();
        self.path = path;
        self.replaced = false;
    }

    fn end(&mut self) -> Result<Option<Decoded>, ConnectorError> {
        self.decoder.finish()?;
        self.decoder.take()
    }
}

/// Follows all files of a target.
pub(crate) struct FollowReader {
    text: Arc<Text>,
    target: Target,
    base_dir: PathBuf,
    files: Vec<Followed>,
    at: usize,
    /// Files in a row that had nothing new.
    quiet: usize,
    block: Vec<u8>,
    /// Up to here the block has been decoded.
    taken: usize,
    uncounted: u64,
    chunks: u32,
    looked: Option<Instant>,
    /// What is known of files from before, as long as they are looked for.
    before: Places,
    /// Of the next place that is told.
    order: u64,
}

impl FollowReader {
    pub(crate) fn new(text: Arc<Text>, target: Target, base_dir: PathBuf, from: &[SavedPosition]) -> Result<Self, ConnectorError> {
        let before = Places::of(from)?;
        let mut reader = FollowReader {
            text,
            target,
            base_dir,
            files: Vec::new(),
            at: 0,
            quiet: 0,
            block: Vec::new(),
            taken: 0,
            uncounted: 0,
            chunks: 0,
            looked: None,
            order: before.next,
            before,
        };
        reader.look_for_files()?;
        reader.before.all_found()?;
        Ok(reader)
    }

    /// Adds files that are new, behind those that are known.
    fn look_for_files(&mut self) -> Result<(), ConnectorError> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_FOR_FILES_EVERY) {
            return Ok(());
        }
        let again = self.looked.is_some();
        if !again || matches!(self.target, Target::Pattern { .. }) {
            for path in self.target.files()? {
                if self.files.iter().any(|f| f.path == path) {
                    continue;
                }
                if self.files.len() == MAX_FILES {
                    return Err(error::options(
                        format!("the pattern matches more than {MAX_FILES} files to follow at once"),
                        "Narrow the pattern, or move files away that are complete.",
                    ));
                }
                match Followed::open(path, &self.text, &self.base_dir) {
                    // Another name of a file that is followed already: it is moved, or linked.
                    Ok(file) if self.files.iter().any(|f| f.identity == file.identity) => {}
                    Ok(mut file) => {
                        if let Some(place) = self.before.find(&file.path, file.identity, &file.file)? {
                            file.go_on(&place, &self.text)?;
                        }
                        self.files.push(file);
                    }
                    // It was there when the folder was listed, and is not any more.
                    Err(e) if e.code == "FIL001" && again => {}
                    Err(e) => return Err(e),
                }
            }
        }
        self.looked = Some(Instant::now());
        Ok(())
    }

    /// Where the pattern finds a file that does not have its name any more. We hold it open: nothing else can have its identity.
    fn moved(&self, identity: Identity) -> Result<Option<PathBuf>, ConnectorError> {
        if !matches!(self.target, Target::Pattern { .. }) {
            return Ok(None);
        }
        let is_it = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|m| self::identity(&m) == identity);
        Ok(self.target.files()?.into_iter().find(is_it))
    }

    fn emit(&mut self, decoded: Decoded, origin: &Arc<str>, place: Place) -> Chunk {
        let ordinal = Ordinal { unit: 0, chunk: self.chunks };
        self.chunks = self.chunks.saturating_add(1);
        self.order += 1;
        self.quiet = 0;
        let after = Some(place.save());
        Chunk { after, ..chunk_of(decoded, origin, ordinal, std::mem::take(&mut self.uncounted), false) }
    }

    /// No rows, for what is only to be told to checkpoints.
    fn nothing(&self) -> Result<Decoded, ConnectorError> {
        let bug = |cause: ArrowError| ConnectorError::bug("FIL094", format!("columns that cannot be picked: {cause}")).caused_by(cause);
        let schema = Arc::new(self.text.spec.schema.project(&self.text.spec.projection).map_err(bug)?);
        Ok(Decoded { batch: RecordBatch::new_empty(schema), rejects: Vec::new(), positions: Positions::From(0) })
    }

    fn step(&mut self) -> Result<Option<Poll>, ConnectorError> {
        let Some(file) = self.files.get_mut(self.at) else {
            self.at = 0;
            if self.quiet < self.files.len() {
                return Ok(None);
            }
            self.quiet = 0;
            let known = self.files.len();
            self.look_for_files()?;
            if self.files.len() > known {
                self.at = known;
                return Ok(None);
            }
            return Ok(Some(Poll::Pending { retry_in: READ_RETRY, caught_up: true }));
        };
        let origin = file.origin.clone();
        if self.taken < self.block.len() {
            let taken = file.decoder.push(&self.block[self.taken..])?;
            file.rows.give(&self.block[self.taken..self.taken + taken]);
            self.taken += taken;
            let Some(decoded) = (if file.decoder.is_full() { file.decoder.take()? } else { None }) else { return Ok(None) };
            let place = file.place(self.order, false)?;
            return Ok(Some(Poll::Rows(self.emit(decoded, &origin, place))));
        }
        let read = file.read(&mut self.block)?;
        self.taken = 0;
        if read > 0 {
            self.uncounted += read as u64;
            file.replaced = false;
            return Ok(None);
        }
        if let Some(decoded) = file.decoder.take()? {
            let place = file.place(self.order, false)?;
            return Ok(Some(Poll::Rows(self.emit(decoded, &origin, place))));
        }
        let at_end = file.at_end()?;
        let (identity, left_its_name) = (file.identity, file.replaced || matches!(at_end, AtEnd::Gone));
        if left_its_name
            && !matches!(at_end, AtEnd::ReadAgain)
            && let Some(path) = self.moved(identity)?
        {
            self.files[self.at].rename(path, &self.base_dir);
            return Ok(None);
        }
        let Some(file) = self.files.get_mut(self.at) else { return Ok(None) };
        let (last, place) = match at_end {
            AtEnd::ReadAgain => return Ok(None),
            AtEnd::Restart => {
                self.quiet = 0;
                let old = file.place(self.order, true)?;
                let last = file.restart(&self.text)?;
                // The old file is done with; of the new one there is nothing to tell yet. One that was cut is the same file, from its start.
                (last, if file.identity == old.identity { file.place(self.order, false)? } else { old })
            }
            AtEnd::Gone if matches!(self.target, Target::Pattern { .. }) => {
                let place = file.place(self.order, true)?;
                let last = file.end()?;
                self.files.remove(self.at);
                (last, place)
            }
            AtEnd::Waits | AtEnd::Gone => {
                self.quiet += 1;
                self.at += 1;
                return Ok(None);
            }
        };
        let last = last.map_or_else(|| self.nothing(), Ok)?;
        Ok(Some(Poll::Rows(self.emit(last, &origin, place))))
    }
}

impl SourceReader for FollowReader {
    fn poll(&mut self) -> Result<Poll, ConnectorError> {
        loop {
            let place = self.files.get(self.at).map(|f| f.origin.clone());
            match self.step() {
                Ok(Some(poll)) => return Ok(poll),
                Ok(None) => {}
                Err(e) if e.code.starts_with("FMT") => return Err(named(&place.unwrap_or_else(|| "".into()), e)),
                Err(e) => return Err(e),
            }
        }
    }
}
