//! Parquet and Arrow files: units that are read independently, dealt to the readers in turn.

use super::{behind, chunk_of, dealt_to, left, named, open_file};
use crate::{error, locate::Found};
use runink_connector_api::{ConnectorError, Left, Ordinal, Piecewise, Poll, SavedPosition, Share, SourceReader};
use runink_formats::{ColumnarFile, ColumnarFormat, ReadSpec, UNIT_ROWS, UnitReader};
use std::{
    collections::BTreeMap,
    fs::File,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// The files that are open, by their place among the source's: readers of one process read a file together, so that its pages are decoded once.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<BTreeMap<usize, Weak<dyn ColumnarFile>>>);

impl Shelf {
    fn open(
        &self,
        number: usize,
        open: impl FnOnce() -> Result<Arc<dyn ColumnarFile>, ConnectorError>,
    ) -> Result<Arc<dyn ColumnarFile>, ConnectorError> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&number).and_then(Weak::upgrade) {
            return Ok(file);
        }
        let file = open()?;
        files.insert(number, Arc::downgrade(&file));
        Ok(file)
    }
}

/// Reads its share of units.
pub(crate) struct ColumnarReader {
    shelf: Arc<Shelf>,
    format: ColumnarFormat,
    spec: Arc<ReadSpec>,
    files: Arc<[Found]>,
    next_file: usize,
    share: Share,
    /// What was read before.
    from: Arc<[SavedPosition]>,
    open: Option<OpenFile>,
}

struct OpenFile {
    found: Found,
    number: usize,
    columns: Arc<dyn ColumnarFile>,
    /// The same open file, to see at the end whether it is still what it was.
    handle: File,
    unit: usize,
    reading: Option<Reading>,
}

/// A unit that is being read.
struct Reading {
    rows: Box<dyn UnitReader>,
    rows_read: usize,
    /// The unit's bytes, until a chunk has carried them.
    bytes: u64,
    /// Up to here it was read before.
    after: Option<u64>,
}

impl ColumnarReader {
    pub(crate) fn new(
        shelf: Arc<Shelf>,
        format: ColumnarFormat,
        spec: Arc<ReadSpec>,
        files: Arc<[Found]>,
        share: Share,
        from: Arc<[SavedPosition]>,
    ) -> Self {
        ColumnarReader { shelf, format, spec, files, next_file: 0, share, from, open: None }
    }

    fn open_next(&mut self) -> Result<bool, ConnectorError> {
        while let Some(found) = self.files.get(self.next_file) {
            let number = self.next_file;
            self.next_file += 1;
            if found.length == Some(0) {
                continue;
            }
            let file = open_file(&found.path)?;
            let handle = file.try_clone().map_err(|cause| error::cannot_read(&found.path, cause))?;
            let opened = self.shelf.open(number, || runink_formats::open(self.format, file));
            let columns = or_changed(found, &handle, opened)?;
            self.open = Some(OpenFile { found: found.clone(), number, columns, handle, unit: 0, reading: None });
            return Ok(true);
        }
        Ok(false)
    }
}

/// A file that is changed while it is read looks damaged: say what really happened.
fn or_changed<T>(found: &Found, handle: &File, outcome: Result<T, ConnectorError>) -> Result<T, ConnectorError> {
    outcome.or_else(|e| {
        found.unchanged(handle)?;
        Err(named(&found.origin, e))
    })
}

impl SourceReader for ColumnarReader {
    fn poll(&mut self) -> Result<Poll, ConnectorError> {
        loop {
            let Some(open) = &mut self.open else {
                if self.open_next()? {
                    continue;
                }
                return Ok(Poll::End);
            };
            let Some(reading) = &mut open.reading else {
                let units = open.columns.units();
                let mut after = None;
                while open.unit < units {
                    if dealt_to(open.number as u64, open.unit as u64, self.share.peers) == self.share.index {
                        match left(&self.from, &open.found.origin, open.unit as u64)? {
                            Left::Nothing => {}
                            Left::All => break,
                            Left::After(position) => {
                                after = Some(position);
                                break;
                            }
                        }
                    }
                    open.unit += 1;
                }
                if open.unit == units {
                    open.found.unchanged(&open.handle)?;
                    self.open = None;
                    continue;
                }
                let rows = or_changed(&open.found, &open.handle, open.columns.read(open.unit, &self.spec))?;
                open.reading = Some(Reading { rows, rows_read: 0, bytes: open.columns.unit_bytes(open.unit), after });
                continue;
            };
            let Some(decoded) = or_changed(&open.found, &open.handle, reading.rows.next())? else {
                open.reading = None;
                open.unit += 1;
                continue;
            };
            // A file may be one unit of unknown length (an Arrow stream). No unit comes after the last: its places in the order go on.
            let beyond = if open.unit + 1 == open.columns.units() { reading.rows_read / UNIT_ROWS } else { 0 };
            reading.rows_read += decoded.batch.num_rows() + decoded.rejects.len();
            let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let ordinal = Ordinal { unit: place(open.number), chunk: place(open.unit + beyond) };
            let bytes = std::mem::take(&mut reading.bytes);
            let decoded = match reading.after {
                Some(position) => behind(decoded, position)?,
                None => decoded,
            };
            let mut chunk = chunk_of(decoded, &open.found.origin, ordinal, bytes, false);
            // Whatever its place in the order, it is a part of this unit.
            let within = chunk.after.as_ref().map(Piecewise::of).transpose()?.and_then(|at| at.within);
            chunk.after = within.map(|within| Piecewise { unit: open.number as u64, piece: open.unit as u64, within: Some(within) }.save());
            return Ok(Poll::Rows(chunk));
        }
    }
}
