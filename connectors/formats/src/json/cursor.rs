//! JSON's tokens. A cursor never goes beyond a newline, which no token contains: the end of a line ends whatever is being read.

use crate::{
    cell::{Grammar, scan_number},
    failure::Failure,
};

/// How deep values that are not decoded may nest: what fits the bits of the stack in [`Cursor::skip_value`].
pub(crate) const MAX_DEPTH: u32 = 128;

/// A place in a text.
pub(crate) struct Cursor<'a> {
    pub(crate) buf: &'a [u8],
    pub(crate) at: usize,
    scratch: Vec<u8>,
}

/// A string's content between its quotes.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// It has escapes.
    pub(crate) escaped: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(buf: &'a [u8]) -> Self {
        Cursor { buf, at: 0, scratch: Vec::new() }
    }

    /// The byte here; a newline at the end.
    #[inline(always)]
    pub(crate) fn peek(&self) -> u8 {
        self.buf.get(self.at).copied().unwrap_or(b'\n')
    }

    /// All from here.
    #[inline(always)]
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.buf[self.at..]
    }

    /// Skips white space, but not newlines.
    #[inline(always)]
    pub(crate) fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r') {
            self.at += 1;
        }
    }

    #[inline]
    pub(crate) fn literal(&mut self, word: &'static str) -> Result<(), Failure> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(Failure::syntax(self.at, "a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// A string, from its opening quote. Escapes are checked by [`Cursor::unescape`].
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Result<Span, Failure> {
        if self.peek() != b'"' {
            return Err(Failure::syntax(self.at, "a string"));
        }
        let start = self.at + 1;
        let mut at = plain_end(self.buf, start);
        let mut escaped = false;
        while self.buf.get(at) == Some(&b'\\') {
            escaped = true;
            // The byte after a backslash cannot end the string, but a newline there still ends the line.
            if self.buf.get(at + 1).is_none_or(|b| *b < b' ') {
                return Err(Failure::syntax(at + 1, "an escape"));
            }
            at = plain_end(self.buf, at + 2);
        }
        if self.buf.get(at) != Some(&b'"') {
            return Err(Failure::syntax(at, "the string to go on until a `\"`"));
        }
        self.at = at + 1;
        Ok(Span { start, end: at, escaped })
    }

    /// A string's text: what was written, or what its escapes stand for.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<&[u8], Failure> {
        let span = self.string()?;
        if !span.escaped {
            return Ok(&self.buf[span.start..span.end]);
        }
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        let done = self.unescape(span, &mut text);
        self.scratch = text;
        done?;
        Ok(&self.scratch)
    }

    /// Appends what a string with escapes stands for.
    pub(crate) fn unescape(&self, span: Span, out: &mut Vec<u8>) -> Result<(), Failure> {
        let text = &self.buf[..span.end];
        let mut at = span.start;
        while let Some(step) = memchr::memchr(b'\\', &text[at..]) {
            out.extend_from_slice(&text[at..at + step]);
            at += step;
            let bad = Failure::syntax(at, "an escape of JSON (`\\n`, `\\u00e9`, …)");
            let plain = match text.get(at + 1) {
                Some(c @ (b'"' | b'\\' | b'/')) => *c,
                Some(b'b') => 8,
                Some(b'f') => 12,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'u') => {
                    let Some((character, len)) = unicode(&text[at..]) else { return Err(bad) };
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    at += len;
                    continue;
                }
                _ => return Err(bad),
            };
            out.push(plain);
            at += 2;
        }
        out.extend_from_slice(&text[at..]);
        Ok(())
    }

    /// A member's key and the colon after it.
    fn key(&mut self) -> Result<(), Failure> {
        if self.peek() != b'"' {
            return Err(Failure::syntax(self.at, "a key in `\"`"));
        }
        self.skip_string()?;
        self.colon()
    }

    /// The colon between key and value, and the space around it.
    pub(crate) fn colon(&mut self) -> Result<(), Failure> {
        self.space();
        if self.peek() != b':' {
            return Err(Failure::syntax(self.at, "`:`"));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    fn skip_string(&mut self) -> Result<(), Failure> {
        let span = self.string()?;
        if span.escaped {
            let mut text = std::mem::take(&mut self.scratch);
            text.clear();
            let done = self.unescape(span, &mut text);
            self.scratch = text;
            done?;
        }
        Ok(())
    }

    /// Goes behind a value of any kind.
    pub(crate) fn skip_value(&mut self) -> Result<(), Failure> {
        // One bit for each value that is open: whether it is an array.
        let (mut depth, mut arrays) = (0u32, 0u128);
        loop {
            match self.peek() {
                b'"' => self.skip_string()?,
                open @ (b'{' | b'[') => {
                    let array = open == b'[';
                    let start = self.at;
                    self.at += 1;
                    self.space();
                    if self.peek() == if array { b']' } else { b'}' } {
                        self.at += 1;
                    } else {
                        if depth == MAX_DEPTH {
                            return Err(Failure::syntax(start, "values that nest at most 128 deep"));
                        }
                        depth += 1;
                        arrays = arrays << 1 | u128::from(array);
                        if !array {
                            self.key()?;
                        }
                        continue;
                    }
                }
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                _ => match scan_number(self.rest(), Grammar::Json) {
                    Some(number) => self.at += number.len,
                    None => return Err(Failure::syntax(self.at, "a value")),
                },
            }
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let array = arrays & 1 == 1;
                self.space();
                match self.peek() {
                    b',' => {
                        self.at += 1;
                        self.space();
                        if !array {
                            self.key()?;
                        }
                        break;
                    }
                    b']' if array => {}
                    b'}' if !array => {}
                    _ => return Err(Failure::syntax(self.at, if array { "`,` or `]`" } else { "`,` or `}`" })),
                }
                self.at += 1;
                depth -= 1;
                arrays >>= 1;
            }
        }
    }
}

/// The first byte from `at` on that is a quote, a backslash or a control character, or the end.
#[inline(always)]
pub(crate) fn plain_end(buf: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = buf.get(at..).and_then(|b| b.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        // A high bit is set in the lowest byte that is looked for. Higher bytes may be wrong, by a borrow, but only above a right one.
        let found = ((quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * b' ' as u64) & !word))
            & HIGHS;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while buf.get(at).is_some_and(|b| !matches!(b, b'"' | b'\\' | 0..b' ')) {
        at += 1;
    }
    at.min(buf.len())
}

/// The character of `\uXXXX`, or of a pair of them, and how many bytes it takes.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let first = hex4(text.get(2..6)?)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    let second = match text.get(6..12)? {
        [b'\\', b'u', digits @ ..] => hex4(digits)?,
        _ => return None,
    };
    if !(0xd800..0xdc00).contains(&first) || !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    Some((char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, 12))
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | (*digit as char).to_digit(16)?))
}

/// Makes spaces of the newlines between values; `false` where one is inside a string, which is no JSON. A cursor
/// needs it where text may have lines.
pub(crate) fn join_lines(text: &mut [u8]) -> bool {
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'\n' if in_string => return false,
            b'\n' => *byte = b' ',
            _ => {}
        }
    }
    true
}
