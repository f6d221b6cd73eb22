//! CSV: RFC 4180 with any delimiter, quote and null text.
//!
//! A quote opens a quoted cell at a cell's start only; elsewhere it is an ordinary byte. Lines end with `\n` or `\r\n`. Blank lines are left out, but where
//! the file has one column, which then is null. A row must have as many cells as the header.

mod header;
mod split;

use crate::{
    ReadSpec, RowScan, TextFormat,
    column::Cell,
    frame::{RowParser, TextDecoder, text_start},
    output::Output,
    utf8::Utf8Check,
};
pub use header::HeaderRow;
use runink_connector_api::{ConnectorError, Options, RejectReason};
use split::Split;
pub(crate) use split::{Splitter, cells};
use std::sync::Arc;

/// What the format is called in messages.
pub(crate) const NAME: &str = "CSV";

/// How a CSV file is written.
#[derive(Debug, Clone, PartialEq)]
pub struct CsvFormat {
    /// Between cells.
    pub delimiter: u8,
    /// Around cells that hold delimiters, quotes or newlines; doubled inside.
    pub quote: u8,
    /// Where column names come from.
    pub header: Header,
    /// The unquoted text of a null.
    pub null: String,
}

impl Default for CsvFormat {
    fn default() -> Self {
        CsvFormat { delimiter: b',', quote: b'"', header: Header::FirstRow, null: String::new() }
    }
}

impl CsvFormat {
    /// With what the options `null` and `delimiter` say, where they are given.
    ///
    /// # Errors
    /// What is wrong with the delimiter, for a message of the connector's own.
    pub fn with_options(mut self, options: &Options) -> Result<Self, String> {
        if let Some(null) = options.text("null") {
            self.null = null.to_owned();
        }
        self.delimiter = match options.text("delimiter") {
            None => self.delimiter,
            Some("tab" | "\\t") => b'\t',
            Some(text) => match *text.as_bytes() {
                [byte] if byte.is_ascii() && byte != self.quote && !matches!(byte, b'\n' | b'\r') => byte,
                _ => return Err(format!("`delimiter` is `{text}`: it must be one ASCII character, neither a quote nor a line's end")),
            },
        };
        Ok(self)
    }
}

/// Where the names of a CSV file's columns come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Header {
    /// The first row has them.
    FirstRow,
    /// Nowhere: columns are in the order of the schema.
    Absent,
    /// Given: for pieces of a file whose first row was read before.
    Names(Arc<[String]>),
}

/// Decodes CSV.
pub(crate) type CsvDecoder = TextDecoder<CsvRows>;

impl CsvDecoder {
    pub(crate) fn csv(format: &CsvFormat, spec: &ReadSpec, first_line: u64, max_row_bytes: usize) -> Result<Self, ConnectorError> {
        let out = Output::new(NAME, spec, first_line, max_row_bytes)?;
        let targets = match &format.header {
            Header::FirstRow => None,
            Header::Absent => Some(header::by_position(spec)),
            Header::Names(names) => Some(header::by_name(names, spec)?),
        };
        let mut scan = RowScan::new(&TextFormat::Csv(format.clone()));
        if first_line != 1 {
            scan.leave_start();
        }
        let rows = CsvRows { at_start: first_line == 1, ..CsvRows::new(format, spec, targets) };
        Ok(TextDecoder::new(rows, out, scan))
    }
}

/// Decodes whole rows.
pub(crate) struct CsvRows {
    splitter: Splitter,
    null: Vec<u8>,
    /// For each column of the file, the member it goes to; `None` until the header has been read.
    targets: Option<Vec<Option<usize>>>,
    spec: ReadSpec,
    at_start: bool,
    /// A cell with its doubled quotes made single.
    unquoted: Vec<u8>,
}

impl RowParser for CsvRows {
    fn rows(&mut self, buf: &[u8], out: &mut Output) -> Result<usize, ConnectorError> {
        let mut at = if self.at_start { text_start(buf)? } else { 0 };
        let mut done = 0;
        if self.targets.is_none() {
            let Some((names, next)) = self.splitter.names(&buf[at..])? else { return Ok(0) };
            self.targets = Some(header::by_name(&names, &self.spec)?);
            out.line += memchr::memchr_iter(b'\n', &buf[at..at + next]).count() as u64;
            at += next;
            (done, self.at_start) = (at, false);
        }
        let mut utf8 = Utf8Check::default();
        while at < buf.len() && !out.is_full() {
            let Some(next) = self.row(buf, at, &mut utf8, out) else { break };
            (at, done, self.at_start) = (next, next, false);
        }
        Ok(done)
    }
}

impl CsvRows {
    fn new(format: &CsvFormat, spec: &ReadSpec, targets: Option<Vec<Option<usize>>>) -> Self {
        CsvRows {
            splitter: Splitter::new(format),
            null: format.null.clone().into_bytes(),
            targets,
            spec: spec.clone(),
            at_start: false,
            unquoted: Vec::new(),
        }
    }

    /// For messages: cells in the order of the schema, and none the start of a text.
    pub(crate) fn of_messages(format: &CsvFormat, spec: &ReadSpec) -> Self {
        Self::new(format, spec, Some(header::by_position(spec)))
    }

    /// Decodes the row at `start` and returns where the next one starts; `None` where it does not end in the buffer.
    #[inline]
    fn row(&mut self, buf: &[u8], start: usize, utf8: &mut Utf8Check, out: &mut Output) -> Option<usize> {
        let targets = self.targets.as_deref().unwrap_or_default();
        let mut failed = None;
        let mut stray = None;
        let mut cells = 0;
        let mut any_quoted = false;
        let mut at = start;
        let next = loop {
            let Split { text, quoted, doubled, broken, next, last } = match self.splitter.cell(buf, at) {
                Some(split) => split,
                None => {
                    out.rows.truncate(out.rows.len);
                    return None;
                }
            };
            any_quoted |= quoted;
            if broken && stray.is_none() {
                stray = Some(cells);
            }
            if let Some(Some(member)) = targets.get(cells).filter(|_| failed.is_none()) {
                let text = if doubled { self.splitter.undouble(&buf[text], &mut self.unquoted) } else { &buf[text] };
                failed = out.rows.members[*member].push_cell(Cell { text, quoted }, &self.null).err();
            }
            cells += 1;
            at = next;
            if last {
                break next;
            }
        };
        let raw = &buf[start..next];
        // A newline in a row is one in quotes.
        let lines = if any_quoted { self.splitter.lines(raw) } else { 1 };
        let blank = cells == 1 && matches!(raw, b"\n" | b"\r\n") && targets.len() != 1;
        if raw.len() - 1 > out.max_row_bytes {
            out.reject_too_long(raw.len() as u64 - 1, raw);
        } else if let Some(bad) = utf8.bad_in(buf, start, next) {
            out.reject_not_utf8(bad - start, raw);
        } else if blank {
            out.rows.truncate(out.rows.len);
        } else if cells != targets.len() {
            let message = format!("not CSV of these columns: the row has {cells} cells, where {} are expected", targets.len());
            out.reject(RejectReason::Decode, message, raw);
        } else if let Some(cell) = stray {
            let message = format!("not CSV: cell {} has text after its closing quote", cell + 1);
            out.reject(RejectReason::Decode, message, raw);
        } else if let Some(failure) = failed {
            out.reject_failed(NAME, &failure, start, raw);
        } else {
            out.complete(out.rows.members.len(), raw);
        }
        out.line += lines;
        Some(next)
    }
}
