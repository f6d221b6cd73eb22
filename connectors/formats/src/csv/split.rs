//! Rows into cells.

use super::{CsvFormat, HeaderRow, NAME};
use memchr::{memchr, memchr_iter};
use runink_connector_api::ConnectorError;
use std::ops::Range;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Finds cells.
#[derive(Debug)]
pub(crate) struct Splitter {
    delimiter: u8,
    quote: u8,
}

/// A cell.
pub(super) struct Split {
    /// Its content, without the quotes around it.
    pub(super) text: Range<usize>,
    /// It is in quotes.
    pub(super) quoted: bool,
    /// It has doubled quotes.
    pub(super) doubled: bool,
    /// Text follows its closing quote.
    pub(super) broken: bool,
    /// Where the next cell, or row, starts.
    pub(super) next: usize,
    /// It is its row's last.
    pub(super) last: bool,
}

impl Splitter {
    pub(crate) fn new(format: &CsvFormat) -> Self {
        Splitter { delimiter: format.delimiter, quote: format.quote }
    }

    /// The cell that starts at `at`; `None` where it does not end in the buffer.
    #[inline(always)]
    pub(super) fn cell(&self, buf: &[u8], at: usize) -> Option<Split> {
        if buf.get(at) == Some(&self.quote) {
            return self.quoted(buf, at + 1);
        }
        let end = self.cell_end(buf, at)?;
        let last = buf[end] == b'\n';
        let text_end = if last && end > at && buf[end - 1] == b'\r' { end - 1 } else { end };
        Some(Split { text: at..text_end, quoted: false, doubled: false, broken: false, next: end + 1, last })
    }

    #[inline(never)]
    fn quoted(&self, buf: &[u8], start: usize) -> Option<Split> {
        let mut at = start;
        let mut doubled = false;
        let close = loop {
            let close = at + memchr(self.quote, buf.get(at..)?)?;
            if buf.get(close + 1)? != &self.quote {
                break close;
            }
            doubled = true;
            at = close + 2;
        };
        let end = self.cell_end(buf, close + 1)?;
        let last = buf[end] == b'\n';
        let broken = match &buf[close + 1..end] {
            [] => false,
            [b'\r'] => !last,
            _ => true,
        };
        Some(Split { text: start..close, quoted: true, doubled, broken, next: end + 1, last })
    }

    /// The first delimiter or newline from `at` on.
    #[inline(always)]
    fn cell_end(&self, buf: &[u8], mut at: usize) -> Option<usize> {
        let delimiters = ONES * u64::from(self.delimiter);
        while let Some(chunk) = buf.get(at..)?.first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let (delimiter, newline) = (word ^ delimiters, word ^ (ONES * b'\n' as u64));
            // The lowest high bit marks the first of the two; higher ones may be wrong, by a borrow.
            let found = ((delimiter.wrapping_sub(ONES) & !delimiter) | (newline.wrapping_sub(ONES) & !newline)) & HIGHS;
            if found != 0 {
                return Some(at + (found.trailing_zeros() / 8) as usize);
            }
            at += 8;
        }
        buf[at..].iter().position(|b| *b == self.delimiter || *b == b'\n').map(|step| at + step)
    }

    /// A quoted cell's content with its doubled quotes made single.
    pub(super) fn undouble<'a>(&self, text: &[u8], out: &'a mut Vec<u8>) -> &'a [u8] {
        out.clear();
        let mut from = 0;
        while let Some(step) = memchr(self.quote, &text[from..]) {
            // The second of the two is left out.
            out.extend_from_slice(&text[from..=from + step]);
            from += step + 2;
        }
        out.extend_from_slice(&text[from..]);
        out
    }

    /// How many lines a row takes.
    #[inline]
    pub(super) fn lines(&self, row: &[u8]) -> u64 {
        memchr_iter(b'\n', row).count() as u64
    }

    /// The names in a row, and where the next row starts; `None` where the row does not end in the buffer.
    pub(crate) fn names(&self, buf: &[u8]) -> Result<Option<HeaderRow>, ConnectorError> {
        let mut names = Vec::new();
        let mut unquoted = Vec::new();
        let mut at = 0;
        loop {
            let Some(cell) = self.cell(buf, at) else { return Ok(None) };
            let text = if cell.doubled { self.undouble(&buf[cell.text], &mut unquoted) } else { &buf[cell.text] };
            let name = std::str::from_utf8(text).map_err(|e| {
                ConnectorError::user("FMT003", format!("the header's name {} is not UTF-8", names.len() + 1))
                    .hint("convert the file to UTF-8 (`iconv -f LATIN1 -t UTF-8`)")
                    .caused_by(e)
            })?;
            if cell.broken {
                return Err(ConnectorError::user(
                    "FMT004",
                    format!("the header is not {NAME}: name {} has text after its closing quote", names.len() + 1),
                )
                .hint("write a quote inside quotes twice"));
            }
            names.push(name.trim().to_owned());
            at = cell.next;
            if cell.last {
                return Ok(Some((names.into(), at)));
            }
        }
    }
}

/// A cell's content, and whether it is in quotes.
pub(crate) type OwnedCell = (Vec<u8>, bool);

/// The cells of the row at `at`, and where the next row starts. Blank lines are passed over. `None` where no row ends in
/// the buffer.
pub(crate) fn cells(splitter: &Splitter, buf: &[u8], mut at: usize) -> Option<(Vec<OwnedCell>, usize)> {
    let mut row = Vec::new();
    let mut unquoted = Vec::new();
    loop {
        let cell = splitter.cell(buf, at)?;
        let text = if cell.doubled { splitter.undouble(&buf[cell.text.clone()], &mut unquoted) } else { &buf[cell.text.clone()] };
        at = cell.next;
        let blank = row.is_empty() && cell.last && !cell.quoted && text.is_empty();
        if blank {
            continue;
        }
        row.push((text.to_vec(), cell.quoted));
        if cell.last {
            return Some((row, at));
        }
    }
}
