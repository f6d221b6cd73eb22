//! The smallest pieces of code: names, durations, counts, texts.

use super::cursor::{Cursor, Parse};
use crate::{
    Diagnostic,
    ast::{DurationParam, DurationUs, Name, Span, Spanned},
    codes,
    syntax::SyntaxKind::*,
    units,
    variables::Reference,
};

impl Cursor<'_, '_> {
    /// A name: a word, a `"quoted name"`, a `${parameter}`, or words and parameters without a gap; with `dotted`, parts joined with `.`.
    pub(crate) fn name(&mut self, what: &str, dotted: bool) -> Parse<Name> {
        if self.kind(0) == Some(SQL_STRING) {
            let d = self.expected(what).hint("names are bare words, or stand in double quotes");
            return self.fail(d);
        }
        if !matches!(self.kind(0), Some(IDENT | STRING | VARIABLE)) {
            let d = self.expected(what);
            return self.fail(d);
        }
        let start = self.place();
        let mut value = String::new();
        self.node(NAME, |c| {
            loop {
                if c.kind(0) == Some(STRING) {
                    value.push_str(&unquote_name(c.text(0)));
                    c.bump();
                } else {
                    value.push_str(c.text(0));
                    c.bump();
                    while c.glued(0) && matches!(c.kind(0), Some(IDENT | VARIABLE | NUMBER)) {
                        value.push_str(c.text(0));
                        c.bump();
                    }
                }
                let more = dotted && c.punct(0, ".") && c.glued(0) && matches!(c.kind(1), Some(IDENT | STRING | VARIABLE));
                if !more {
                    break;
                }
                c.bump();
                value.push('.');
            }
        });
        Ok(Spanned::new(value, self.since(start)))
    }

    /// Names with commas between them.
    pub(crate) fn names(&mut self, what: &str, dotted: bool) -> Parse<Vec<Name>> {
        let mut names = vec![self.name(what, dotted)?];
        while self.eat(",") {
            names.push(self.name(what, dotted)?);
        }
        Ok(names)
    }

    /// A duration: `5s`.
    pub(crate) fn duration(&mut self, what: &str) -> Parse<Spanned<DurationUs>> {
        self.length(what, false)
    }

    /// `${horizon}` in a reusable step.
    fn duration_param(&mut self, what: &str, positive: bool) -> Parse<Spanned<DurationUs>> {
        let span = self.here();
        let inner = self.text(0).strip_prefix("${").and_then(|t| t.strip_suffix('}')).unwrap_or_default();
        let name = match Reference::read(inner) {
            Some(Reference::Parameter(name)) => name.to_owned(),
            _ => String::new(),
        };
        match &mut self.out.durations {
            Some(known) if !name.is_empty() && known.len() < DurationUs::MAX_REFERENCES => {
                let at = known.len();
                known.push(DurationParam { param: Spanned::new(name, span), what: what.to_owned(), positive });
                self.bump();
                Ok(Spanned::new(DurationUs::of_reference(at, false), span))
            }
            _ => {
                let d = self
                    .error_here(codes::VARIABLE_PLACE, format!("{what} cannot be a `${{…}}` reference here"))
                    .hint("write the duration itself, for example `5s`; in a reusable step it can be a parameter");
                self.fail(d)
            }
        }
    }

    fn length(&mut self, what: &str, positive: bool) -> Parse<Spanned<DurationUs>> {
        let span = self.here();
        match self.kind(0) {
            Some(NUMBER) => {}
            Some(VARIABLE) => return self.duration_param(what, positive),
            _ => {
                let d = self.expected(&format!("{what}, a duration like `5s`"));
                let d = Diagnostic { code: codes::DURATION, ..d };
                return self.fail(d);
            }
        }
        match units::duration(self.text(0)) {
            Ok(value) => {
                self.bump();
                Ok(Spanned::new(value, span))
            }
            Err(error) => {
                // `5 minutes`: the number and the word are one duration.
                let word = (self.kind(1) == Some(IDENT)).then(|| units::unit_of_word(self.text(1)).or(short_unit(self.text(1)))).flatten();
                let (span, hint) = match (&error, word) {
                    (units::UnitError::NoUnit(number), Some(unit)) => {
                        let end = self.nth(1).map_or(span.end as usize, |t| t.end);
                        (Span::new(span.start as usize, end), format!("write `{number}{unit}`"))
                    }
                    _ => (span, error.hint()),
                };
                let d = self.out.error(codes::DURATION, span, format!("{error}: {what} is a duration")).hint(hint);
                self.fail(d)
            }
        }
    }

    /// A duration that is longer than nothing.
    pub(crate) fn positive_duration(&mut self, what: &str) -> Parse<Spanned<DurationUs>> {
        let found = self.length(what, true)?;
        if found.value.0 > 0 || found.value.reference().is_some() {
            return Ok(found);
        }
        let d = self.out.error(codes::DURATION, found.span, format!("{what} must be longer than nothing"));
        self.fail(d)
    }

    /// A whole number.
    pub(crate) fn count(&mut self, what: &str) -> Parse<Spanned<u64>> {
        let span = self.here();
        if self.kind(0) == Some(NUMBER)
            && let Ok(value) = self.text(0).replace('_', "").parse()
        {
            self.bump();
            return Ok(Spanned::new(value, span));
        }
        let d = self.expected(&format!("{what}, a whole number"));
        self.fail(d)
    }

    /// A `"…"` text that must come.
    pub(crate) fn string(&mut self, what: &str) -> Parse<Spanned<String>> {
        let span = self.here();
        if self.kind(0) == Some(STRING) {
            let value = unquote_text(self.text(0));
            self.bump();
            return Ok(Spanned::new(value, span));
        }
        let d = self.expected(&format!("{what} in double quotes"));
        self.fail(d)
    }
}

/// A unit that stands apart from its number (`5 m`).
fn short_unit(word: &str) -> Option<&'static str> {
    ["us", "ms", "s", "m", "h", "d", "w"].into_iter().find(|unit| *unit == word)
}

/// `"a""b"` as a name.
fn unquote_name(text: &str) -> String {
    inner(text).replace("\"\"", "\"")
}

/// `"…"` as a text: `\"`, `\\`, `\n`, `\t` undone; any other `\` stays.
pub(crate) fn unquote_text(text: &str) -> String {
    unescape(inner(text), &[('"', '"'), ('\\', '\\'), ('n', '\n'), ('t', '\t')])
}

/// A text with its escapes undone: `\` and the first of a pair stand for the second. Any other `\` stays.
pub(super) fn unescape(text: &str, escapes: &[(char, char)]) -> String {
    let mut value = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = chars.peek().filter(|_| c == '\\').and_then(|next| escapes.iter().find(|(written, _)| written == next));
        match escaped {
            Some((_, meant)) => {
                chars.next();
                value.push(*meant);
            }
            None => value.push(c),
        }
    }
    value
}

/// What stands between the first and the last quote.
fn inner(text: &str) -> &str {
    text.get(1..text.len().saturating_sub(1)).unwrap_or("")
}
