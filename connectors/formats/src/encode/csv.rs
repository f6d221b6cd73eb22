//! CSV: cells in quotes where they must be, a header, the null text for nulls.

use super::cells::Cells;
use crate::{CsvFormat, Header, scan::BYTE_ORDER_MARK};
use arrow::datatypes::Schema;

/// How rows are written.
pub(super) struct CsvStyle {
    delimiter: u8,
    quote: u8,
    null: Vec<u8>,
}

impl CsvStyle {
    /// The style, and the header row where the format has one.
    pub(super) fn new(format: &CsvFormat, schema: &Schema) -> (Self, Vec<u8>) {
        let style = CsvStyle { delimiter: format.delimiter, quote: format.quote, null: format.null.clone().into_bytes() };
        let mut header = Vec::new();
        if format.header != Header::Absent {
            for (i, field) in schema.fields().iter().enumerate() {
                if i > 0 {
                    header.push(format.delimiter);
                }
                let start = header.len();
                header.extend_from_slice(field.name().as_bytes());
                if field.name().trim() != field.name() || style.needs_quotes(&header[start..]) {
                    style.put_in_quotes(start, &mut header);
                }
            }
            header.push(b'\n');
        }
        (style, header)
    }

    #[inline]
    pub(super) fn write_row(&self, columns: &[Cells], row: usize, out: &mut Vec<u8>) {
        for (i, cells) in columns.iter().enumerate() {
            if i > 0 {
                out.push(self.delimiter);
            }
            if cells.is_null(row) {
                out.extend_from_slice(&self.null);
                continue;
            }
            let start = out.len();
            cells.write_text(row, out);
            if self.needs_quotes(&out[start..]) {
                self.put_in_quotes(start, out);
            }
        }
        out.push(b'\n');
    }

    /// Whether a reader would not take the text for what it is.
    #[inline]
    fn needs_quotes(&self, text: &[u8]) -> bool {
        text.is_empty()
            || text.iter().any(|b| matches!(b, b'\n' | b'\r') || *b == self.delimiter || *b == self.quote)
            || text == self.null
            || text.starts_with(&BYTE_ORDER_MARK)
    }

    #[cold]
    fn put_in_quotes(&self, start: usize, out: &mut Vec<u8>) {
        let text = out.split_off(start);
        out.push(self.quote);
        for byte in text {
            if byte == self.quote {
                out.push(byte);
            }
            out.push(byte);
        }
        out.push(self.quote);
    }
}
