//! Row boundaries without decoding: how one large file is cut into pieces that several workers decode.

use crate::TextFormat;
use memchr::{memchr, memchr_iter, memchr2};

/// Walks over text from a row's start, counts lines and knows where rows end. For CSV it must have seen the text from the beginning, since a newline
/// inside quotes ends no row; JSON lines may be entered anywhere.
#[derive(Debug, Clone)]
pub struct RowScan {
    quotes: Option<Quotes>,
    lines: u64,
    /// How much of a byte order mark has been seen; `None` behind the text's start.
    mark: Option<usize>,
}

/// What a text may begin with, without it being a part of its first cell.
pub(crate) const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Where a walk over CSV stands. A quote opens a quoted cell at a cell's start only; one right after a closing quote is a doubled one. Elsewhere it is
/// an ordinary byte. The decoder follows the same rules.
#[derive(Debug, Clone)]
struct Quotes {
    quote: u8,
    delimiter: u8,
    inside: bool,
    /// The byte before, or the newline before the first row.
    before: u8,
    /// The byte before closed a quoted cell.
    closed: bool,
}

impl RowScan {
    /// A scan that begins at a row's start (or, for JSON lines, anywhere).
    pub fn new(format: &TextFormat) -> Self {
        let quotes = match format {
            TextFormat::Json => None,
            TextFormat::Csv(csv) => {
                Some(Quotes { quote: csv.quote, delimiter: csv.delimiter, inside: false, before: b'\n', closed: false })
            }
        };
        RowScan { quotes, lines: 0, mark: Some(0) }
    }

    /// Newlines walked over until now.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// What follows is not the text's start, where a byte order mark may stand.
    pub(crate) fn leave_start(&mut self) {
        self.mark = None;
    }

    /// Walks over what these bytes have of a byte order mark, and returns how much that is.
    fn skip_mark(&mut self, bytes: &[u8]) -> usize {
        let Some(seen) = self.mark else { return 0 };
        let rest = &BYTE_ORDER_MARK[seen..];
        let len = rest.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        self.mark = (len == bytes.len() && len < rest.len()).then_some(seen + len);
        if len < rest.len() && self.mark.is_none() {
            // It was none, and a cell has begun with what looked like it.
            if let (Some(quotes), true) = (&mut self.quotes, seen > 0) {
                quotes.before = BYTE_ORDER_MARK[0];
            }
            return 0;
        }
        len
    }

    /// Walks over all these bytes.
    pub fn advance(&mut self, mut bytes: &[u8]) {
        if self.quotes.is_none() {
            self.lines += memchr_iter(b'\n', bytes).count() as u64;
            return;
        }
        while let Some(row) = self.next_row(bytes) {
            bytes = &bytes[row..];
        }
    }

    /// Walks to the next row's start and returns its offset; `None` where no row ends in these bytes, which have then all been walked over.
    pub fn next_row(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = self.skip_mark(bytes);
        let Some(quotes) = &mut self.quotes else {
            let end = memchr(b'\n', bytes)?;
            self.lines += 1;
            return Some(end + 1);
        };
        while let Some(step) = memchr2(b'\n', quotes.quote, &bytes[at..]) {
            let found = at + step;
            if step > 0 {
                quotes.before = bytes[found - 1];
                quotes.closed = false;
            }
            at = found + 1;
            if bytes[found] == b'\n' {
                self.lines += 1;
                quotes.before = b'\n';
                quotes.closed = false;
                if !quotes.inside {
                    return Some(at);
                }
            } else if quotes.inside {
                quotes.inside = false;
                quotes.closed = true;
            } else {
                quotes.inside = quotes.closed || quotes.before == b'\n' || quotes.before == quotes.delimiter;
                quotes.closed = false;
                quotes.before = quotes.quote;
            }
        }
        if let Some(&last) = bytes[at..].last() {
            quotes.before = last;
            quotes.closed = false;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CsvFormat;

    fn rows(format: &TextFormat, text: &[u8], block: usize) -> Vec<usize> {
        let mut scan = RowScan::new(format);
        let mut starts = Vec::new();
        let mut base = 0;
        for piece in text.chunks(block) {
            let mut at = 0;
            while let Some(step) = scan.next_row(&piece[at..]) {
                at += step;
                starts.push(base + at);
            }
            base += piece.len();
        }
        assert_eq!(scan.lines(), text.iter().filter(|b| **b == b'\n').count() as u64);
        starts
    }

    #[test]
    fn newlines_in_quotes_end_no_row_wherever_blocks_are_cut() {
        let csv = TextFormat::Csv(CsvFormat::default());
        let text = b"a,b\n\"x\ny\",2\n5\" pipe,\"q\"\"\n\"\n\"\"\n\"\",\"\n\n\"\n";
        for block in 1..=text.len() {
            assert_eq!(rows(&csv, text, block), [4, 12, 27, 30, text.len()], "blocks of {block}");
        }
    }

    #[test]
    fn a_byte_order_mark_does_not_hide_a_quote() {
        let csv = TextFormat::Csv(CsvFormat::default());
        let text = b"\xef\xbb\xbf\"a\nb\"\n1\n";
        for block in 1..=text.len() {
            assert_eq!(rows(&csv, text, block), [9, 11], "blocks of {block}");
        }
    }

    #[test]
    fn json_lines_end_at_every_newline() {
        assert_eq!(rows(&TextFormat::Json, b"{\"a\":\"\\n\"}\n\n{}\n", 3), [11, 12, 15]);
    }
}
