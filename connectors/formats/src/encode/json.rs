//! JSON lines: one object a row, nulls written out, so that every row shows the whole schema.

use super::{cells::Cells, prefix::member_prefix};
use crate::json::{Cursor, join_lines, plain_end};
use arrow::datatypes::Schema;

/// What is written for rows of one schema.
pub(super) struct JsonStyle {
    /// Before each column's value.
    prefixes: Vec<Vec<u8>>,
}

impl JsonStyle {
    pub(super) fn new(schema: &Schema) -> Self {
        JsonStyle { prefixes: schema.fields().iter().enumerate().map(|(i, f)| member_prefix(f.name(), i == 0)).collect() }
    }

    #[inline]
    pub(super) fn write_row(&self, columns: &[Cells], row: usize, out: &mut Vec<u8>) {
        out.push(b'{');
        for (prefix, cells) in self.prefixes.iter().zip(columns) {
            out.extend_from_slice(prefix);
            cells.write_json(row, out);
        }
        out.extend_from_slice(b"}\n");
    }
}

/// A string in quotes, with what must be escaped.
#[inline]
pub(super) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut from = 0;
    loop {
        let end = plain_end(text, from);
        out.extend_from_slice(&text[from..end]);
        let Some(byte) = text.get(end) else { break };
        write_escape(*byte, out);
        from = end + 1;
    }
    out.push(b'"');
}

#[cold]
fn write_escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
    }
}

/// Text that should be JSON: as it is where it is a JSON value, but on one line; else as a string.
pub(super) fn write_json_text(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    let value = text.trim_ascii().as_bytes();
    out.extend_from_slice(value);
    let one_line = !value.contains(&b'\n') || join_lines(&mut out[start..]);
    let mut cursor = Cursor::new(&out[start..]);
    let valid = one_line && cursor.skip_value().is_ok() && cursor.rest().is_empty();
    if !valid {
        out.truncate(start);
        write_string(text.as_bytes(), out);
    }
}
