//! The part that all text decoders share: rows that are cut by the ends of blocks, rows that are too long, the last row without a newline.
//!
//! Rows that lie inside a block are decoded from where they lie. Only a row that goes on in the next block is copied, once.

use crate::{Decoded, Decoder, RowScan, output::Output, scan::BYTE_ORDER_MARK};
use runink_connector_api::{ConnectorError, Reject, RejectReason};

/// How long the byte order mark at a text's start is.
///
/// # Errors
/// Where the text is plainly in another encoding.
pub(crate) fn text_start(buf: &[u8]) -> Result<usize, ConnectorError> {
    if buf.starts_with(&[0xff, 0xfe]) || buf.starts_with(&[0xfe, 0xff]) {
        return Err(ConnectorError::user("FMT006", "the text is UTF-16, where UTF-8 is expected")
            .hint("convert it first: `iconv -f UTF-16 -t UTF-8`"));
    }
    Ok(if buf.starts_with(&BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 })
}

/// Decodes whole rows.
pub(crate) trait RowParser: Send {
    /// Decodes rows from the start of `buf` until the output is full or no complete row is left, and returns how many bytes that took.
    fn rows(&mut self, buf: &[u8], out: &mut Output) -> Result<usize, ConnectorError>;
}

/// A decoder of rows in some format.
pub(crate) struct TextDecoder<P> {
    parser: P,
    out: Output,
    /// Where a row begins; what the walk over the row in `carry` starts from.
    fresh: RowScan,
    carry: Vec<u8>,
    /// The walk over the row in `carry`.
    scan: RowScan,
    /// How many bytes the row in `carry` has until now; more than `carry` holds where it is too long.
    row_bytes: u64,
}

impl<P: RowParser> TextDecoder<P> {
    /// `fresh` is a scan at the input's start, whatever line that is.
    pub(crate) fn new(parser: P, out: Output, fresh: RowScan) -> Self {
        TextDecoder { parser, out, scan: fresh.clone(), fresh, carry: Vec::new(), row_bytes: 0 }
    }

    /// Keeps a piece of a row. Of one that is too long, only what its reject shows.
    fn keep(&mut self, piece: &[u8]) {
        self.row_bytes += piece.len() as u64;
        let limit = if self.is_too_long() { Reject::MAX_RAW_BYTES } else { usize::MAX };
        self.carry.truncate(limit);
        let room = limit.saturating_sub(self.carry.len()).min(piece.len());
        self.carry.extend_from_slice(&piece[..room]);
    }

    /// With its newline, a row may have one byte more.
    fn is_too_long(&self) -> bool {
        self.row_bytes > self.out.max_row_bytes as u64 + 1
    }

    /// The row in `carry` is complete.
    fn end_row(&mut self) -> Result<(), ConnectorError> {
        if self.is_too_long() {
            self.out.reject_too_long(self.row_bytes - 1, &self.carry);
            self.out.line += self.scan.lines();
        } else {
            let mut from = 0;
            // A row that is cut short by a full output, which cannot be, would be lost.
            while from < self.carry.len() {
                from += self.parser.rows(&self.carry[from..], &mut self.out)?.max(1);
            }
        }
        self.drop_carry();
        Ok(())
    }

    fn drop_carry(&mut self) {
        self.carry.clear();
        // A very long row's buffer is not kept for ever.
        self.carry.shrink_to(Reject::MAX_RAW_BYTES);
        self.row_bytes = 0;
        self.fresh.leave_start();
    }
}

impl<P: RowParser> Decoder for TextDecoder<P> {
    fn push(&mut self, bytes: &[u8]) -> Result<usize, ConnectorError> {
        if self.is_full() {
            return Ok(0);
        }
        let mut at = 0;
        if self.row_bytes > 0 {
            let Some(end) = self.scan.next_row(bytes) else {
                self.keep(bytes);
                return Ok(bytes.len());
            };
            self.keep(&bytes[..end]);
            self.end_row()?;
            at = end;
            if self.is_full() {
                return Ok(at);
            }
        }
        let decoded = self.parser.rows(&bytes[at..], &mut self.out)?;
        if decoded > 0 {
            self.fresh.leave_start();
        }
        at += decoded;
        if !self.is_full() && at < bytes.len() {
            self.scan = self.fresh.clone();
            self.scan.next_row(&bytes[at..]);
            self.keep(&bytes[at..]);
            at = bytes.len();
        }
        Ok(at)
    }

    fn is_full(&self) -> bool {
        self.out.is_full()
    }

    fn finish(&mut self) -> Result<(), ConnectorError> {
        if self.row_bytes == 0 {
            return Ok(());
        }
        if self.scan.next_row(b"\n").is_some() {
            self.keep(b"\n");
            return self.end_row();
        }
        let message = format!("not CSV: a quoted cell of this row is never closed ({} bytes until the end)", self.row_bytes);
        let raw = std::mem::take(&mut self.carry);
        self.out.reject(RejectReason::Decode, message, &raw);
        self.drop_carry();
        Ok(())
    }

    fn take(&mut self) -> Result<Option<Decoded>, ConnectorError> {
        self.out.take()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::{CsvFormat, Decoder, ReadSpec, csv::CsvDecoder, json::JsonDecoder};
    use arrow::datatypes::{DataType, Field, Schema};
    use std::sync::Arc;

    /// Decodes with a limit of 20 bytes a row: positions of rows that were rejected, with messages, and how many others there are.
    fn decode(decoder: &mut dyn Decoder, text: &[u8], block: usize) -> (Vec<(u64, String, usize)>, usize) {
        for block in text.chunks(block) {
            assert_eq!(decoder.push(block).unwrap(), block.len());
        }
        decoder.finish().unwrap();
        let decoded = decoder.take().unwrap().unwrap();
        let rejects = decoded.rejects.into_iter().map(|r| (r.position, r.message, r.raw.len())).collect();
        (rejects, decoded.batch.num_rows())
    }

    fn spec() -> ReadSpec {
        ReadSpec::all(Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, true)])), 100)
    }

    #[test]
    fn rows_that_are_too_long_are_rejected_and_the_next_ones_decoded() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
        let text = format!(
            "{{\"a\":\"12345678901\"}}\n{{\"a\":\"123456789012\"}}\n{{\"a\":\"1234567890123\"}}\n{long}\n{}\n{{}}\n{long}",
            " ".repeat(30)
        );
        let too_long = |bytes| format!("the row has {bytes} bytes, more than the 20 that a row may have");
        for block in 1..=text.len() {
            let mut decoder = JsonDecoder::json(&spec(), 1, 20).unwrap();
            let expected = [(3, too_long(21), 21), (4, too_long(108), 108), (5, too_long(30), 30), (7, too_long(108), 108)];
            assert_eq!(decode(&mut decoder, text.as_bytes(), block), (expected.to_vec(), 3), "blocks of {block}");
        }
    }

    #[test]
    fn rows_of_several_lines_that_are_too_long_are_counted_as_lines() {
        let text = b"a\n\"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\"\nshort\n\"x\n\"\n";
        for block in 1..=text.len() {
            let mut decoder = CsvDecoder::csv(&CsvFormat::default(), &spec(), 1, 20).unwrap();
            let (rejects, rows) = decode(&mut decoder, text, block);
            assert_eq!(rejects, [(2, "the row has 22 bytes, more than the 20 that a row may have".into(), 22)], "blocks of {block}");
            assert_eq!(rows, 2);
        }
    }

    #[test]
    fn what_is_kept_of_a_row_that_is_too_long_is_bounded() {
        let mut decoder = JsonDecoder::json(&spec(), 1, 100_000).unwrap();
        let block = vec![b'x'; 30_000];
        for _ in 0..100 {
            assert_eq!(decoder.push(&block).unwrap(), block.len());
            assert!(decoder.carry.capacity() <= 200_000);
        }
        decoder.push(b"\n{}\n").unwrap();
        let decoded = decoder.take().unwrap().unwrap();
        assert_eq!(decoded.batch.num_rows(), 1);
        assert_eq!(decoded.rejects[0].raw.len(), super::Reject::MAX_RAW_BYTES);
        assert!(decoded.rejects[0].message.starts_with("the row has 3000000 bytes"));
    }
}
