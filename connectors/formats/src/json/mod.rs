//! JSON lines: one pass over the bytes, straight into columns.
//!
//! Keys are guessed to stand where they stood in the line before, so that most of them cost one comparison. Values of columns that are not wanted
//! are skipped, but checked to be JSON: whether a row is good does not depend on which columns are read. Only the types of wanted columns are checked.

mod cursor;
mod value;

pub(crate) use cursor::{Cursor, join_lines, plain_end};
pub(crate) use value::{read_member, time_from_text, time_in_range};

use crate::{
    ReadSpec, RowScan, TextFormat,
    failure::Failure,
    frame::{RowParser, TextDecoder, text_start},
    output::Output,
    utf8::Utf8Check,
};
use memchr::{memchr, memrchr};
use runink_connector_api::{ConnectorError, RejectReason};

/// What the format is called in messages.
pub(crate) const NAME: &str = "JSON";

/// Decodes JSON lines.
pub(crate) type JsonDecoder = TextDecoder<JsonRows>;

impl JsonDecoder {
    pub(crate) fn json(spec: &ReadSpec, first_line: u64, max_row_bytes: usize) -> Result<Self, ConnectorError> {
        let out = Output::new(NAME, spec, first_line, max_row_bytes)?;
        Ok(TextDecoder::new(JsonRows { at_start: first_line == 1 }, out, RowScan::new(&TextFormat::Json)))
    }
}

/// Decodes whole lines.
pub(crate) struct JsonRows {
    at_start: bool,
}

impl JsonRows {
    /// For messages, each of which is a line, and none the start of a text.
    pub(crate) fn of_messages() -> Self {
        JsonRows { at_start: false }
    }
}

impl RowParser for JsonRows {
    fn rows(&mut self, buf: &[u8], out: &mut Output) -> Result<usize, ConnectorError> {
        let Some(last) = memrchr(b'\n', buf) else { return Ok(0) };
        let mut cursor = Cursor::new(&buf[..=last]);
        if self.at_start {
            cursor.at = text_start(buf)?;
            self.at_start = false;
        }
        let mut utf8 = Utf8Check::default();
        while cursor.at <= last && !out.is_full() {
            row(&mut cursor, &mut utf8, out);
            out.line += 1;
        }
        Ok(cursor.at)
    }
}

/// Reads one line.
#[inline]
fn row(cursor: &mut Cursor<'_>, utf8: &mut Utf8Check, out: &mut Output) {
    let start = cursor.at;
    let mut pending = Vec::new();
    cursor.space();
    let blank = cursor.peek() == b'\n';
    let mut read = if blank { Ok(0) } else { value::read_row(&mut out.rows, cursor, &mut pending) };
    if read.is_ok() {
        cursor.space();
        if cursor.peek() != b'\n' {
            read = Err(Failure::syntax(cursor.at, "the end of the line after the object"));
        }
    }
    // A cursor never goes beyond the line's end.
    let newline = if read.is_ok() { cursor.at } else { memchr(b'\n', cursor.rest()).map_or(cursor.buf.len() - 1, |step| cursor.at + step) };
    cursor.at = newline + 1;
    let raw = &cursor.buf[start..=newline];
    let bytes = newline - start;
    if bytes > out.max_row_bytes {
        out.reject_too_long(bytes as u64, raw);
    } else if let Some(bad) = utf8.bad_in(cursor.buf, start, newline + 1) {
        out.reject_not_utf8(bad - start, raw);
    } else if let Some((_, misfit)) = pending.into_iter().next().filter(|_| read.is_ok()) {
        out.reject_failed(NAME, &Failure::Misfit(misfit), start, raw);
    } else {
        match read {
            Ok(filled) if !blank => out.complete(filled, raw),
            Ok(_) => {}
            Err(failure) => reject(out, &failure, start, raw),
        }
    }
}

#[cold]
fn reject(out: &mut Output, failure: &Failure, start: usize, raw: &[u8]) {
    if raw.trim_ascii_start().starts_with(b"[") {
        let message =
            "not JSON lines: the line begins an array, where each line must be one object (`jq -c '.[]'` makes lines of an array)";
        return out.reject(RejectReason::Decode, message.into(), raw);
    }
    out.reject_failed(NAME, failure, start, raw);
}
