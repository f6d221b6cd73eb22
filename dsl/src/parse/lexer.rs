//! Tokens of code: annotations, the lines of steps, clauses of examples.
//!
//! Prose, titles and tables are not lexed; the block parser cuts them by lines. A token never spans lines, save the `"""…"""` text.

use crate::syntax::SyntaxKind;
use SyntaxKind::*;

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub kind: SyntaxKind,
    pub start: usize,
    pub end: usize,
}

/// How quotes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Annotations: `"…"` is a text with `\` escapes.
    Annotation,
    /// SQL: `"…"` and `'…'` double their quote.
    Expression,
}

/// Operators of more than one character, longest first.
const OPERATORS: [&str; 14] = ["->>", "<=>", "<=", ">=", "<>", "!=", "==", "=>", "::", "||", "->", "&&", "@>", "<@"];

/// Whether a word can go on with this character.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The token at `at`. `line_end` is the end of the line without its line break; `close` tells where a `"""` text that begins at a given
/// place ends, if it does. Never empty for `at < line_end`.
pub(crate) fn token(text: &str, at: usize, line_end: usize, mode: Mode, close: impl FnOnce(usize) -> Option<usize>) -> Token {
    let rest = &text[at..line_end];
    let Some(first) = rest.chars().next() else { return Token { kind: NEWLINE, start: at, end: at } };
    let make = |kind, length: usize| Token { kind, start: at, end: at + length };
    let run = |keep: fn(char) -> bool| rest.find(|c| !keep(c)).unwrap_or(rest.len());
    match first {
        c if c.is_whitespace() => make(WHITESPACE, run(char::is_whitespace)),
        '#' => make(COMMENT, rest.len()),
        '"' if rest.starts_with("\"\"\"") => match close(at + 3) {
            Some(end) => Token { kind: TRIPLE_STRING, start: at, end },
            None => make(UNKNOWN, rest.len()),
        },
        '"' => quoted(rest, '"', mode).map_or_else(|| make(UNKNOWN, rest.len()), |n| make(STRING, n)),
        '\'' => quoted(rest, '\'', mode).map_or_else(|| make(UNKNOWN, rest.len()), |n| make(SQL_STRING, n)),
        '$' if rest.starts_with("${") => match rest.find('}') {
            Some(n) => make(VARIABLE, n + 1),
            None => make(UNKNOWN, rest.len()),
        },
        c if c.is_ascii_digit() => make(NUMBER, number(rest)),
        c if c.is_alphabetic() || c == '_' => make(IDENT, run(is_word)),
        c if c.is_ascii_punctuation() => make(PUNCT, OPERATORS.iter().find(|o| rest.starts_with(**o)).map_or(1, |o| o.len())),
        c => make(UNKNOWN, c.len_utf8()),
    }
}

/// The length of a quoted text, or nothing where it does not end.
fn quoted(rest: &str, quote: char, mode: Mode) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((i, c)) = chars.next() {
        if c == '\\' && mode == Mode::Annotation {
            chars.next();
        } else if c == quote {
            if mode == Mode::Expression && chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
            } else {
                return Some(i + 1);
            }
        }
    }
    None
}

/// The length of a number with its unit: `3`, `1_000`, `1.5`, `2e-3`, `1h30m`, `64MiB`.
fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut plain = true;
    let mut i = 0;
    while let Some(c) = rest[i..].chars().next() {
        if is_word(c) {
            let exponent = plain && (c == 'e' || c == 'E');
            let sign = bytes.get(i + 1).is_some_and(|b| *b == b'-' || *b == b'+');
            if exponent && sign && bytes.get(i + 2).is_some_and(u8::is_ascii_digit) {
                i += 2;
            }
            plain &= c.is_ascii_digit() || c == '_';
            i += c.len_utf8();
        } else if c == '.' && bytes.get(i + 1).is_some_and(u8::is_ascii_digit) {
            i += 1;
        } else {
            break;
        }
    }
    i
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str, mode: Mode) -> Vec<(SyntaxKind, &str)> {
        let mut at = 0;
        let mut found = Vec::new();
        while at < text.len() {
            let t = token(text, at, text.len(), mode, |from| text[from..].find("\"\"\"").map(|i| from + i + 3));
            assert!(t.end > at);
            if t.kind != WHITESPACE {
                found.push((t.kind, &text[t.start..t.end]));
            }
            at = t.end;
        }
        found
    }

    #[test]
    fn numbers_keep_their_units() {
        for text in ["3", "1_000", "1.5", "2e-3", "1h30m", "64MiB", "1.2.3"] {
            assert_eq!(kinds(text, Mode::Expression), [(NUMBER, text)]);
        }
        assert_eq!(kinds("1..2", Mode::Expression).len(), 4);
    }

    #[test]
    fn quotes_follow_their_mode() {
        assert_eq!(kinds(r#""a\"b" c"#, Mode::Annotation), [(STRING, r#""a\"b""#), (IDENT, "c")]);
        assert_eq!(kinds(r#"'it''s' "a""b""#, Mode::Expression), [(SQL_STRING, "'it''s'"), (STRING, r#""a""b""#)]);
        assert_eq!(kinds("'open", Mode::Expression), [(UNKNOWN, "'open")]);
        assert_eq!(kinds("\"\"\"a\"b\"\"\"", Mode::Expression), [(TRIPLE_STRING, "\"\"\"a\"b\"\"\"")]);
    }

    #[test]
    fn operators_are_whole() {
        let found = kinds("a<=b::int||'x'->>c", Mode::Expression);
        let operators: Vec<&str> = found.iter().filter(|(k, _)| *k == PUNCT).map(|(_, t)| *t).collect();
        assert_eq!(operators, ["<=", "::", "||", "->>"]);
    }
}
