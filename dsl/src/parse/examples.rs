//! `Examples:` blocks and their clauses: `Given …`, `When …`, `Then …`, `And …`.

use super::{
    blocks::Blocks,
    cursor::{Cursor, Parse},
    lexer::Mode,
    lines::{Heading, Line, LineKind},
    prose::{Place, Prose},
};
use crate::{
    ast::{Check, Clause, Examples, Name, Rows, Span, Spanned, Table},
    codes,
    suggest::{closest, did_you_mean},
    syntax::SyntaxKind::*,
};

/// What begins a clause.
pub(crate) const CLAUSES: [&str; 4] = ["Given", "When", "Then", "And"];

/// Which of the three a clause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClauseKind {
    Given,
    When,
    Then,
}

/// A clause that is complete, or waits for the table below it.
#[derive(Debug)]
pub(crate) enum Started {
    Whole(Clause),
    Given(Name),
    Is(Name),
    Contains(Name),
}

impl Started {
    /// With the table below it.
    pub(crate) fn with(self, table: Table) -> Clause {
        let rows = Rows::Table(table);
        match self {
            Started::Whole(clause) => clause,
            Started::Given(input) => Clause::Given { input, rows },
            Started::Is(output) => Clause::Then { output, check: Check::Is(rows) },
            Started::Contains(output) => Clause::Then { output, check: Check::Contains(rows) },
        }
    }
}

impl Cursor<'_, '_> {
    /// One line. `before` is the kind of the clause before it. Tells the kind even where the rest is broken.
    pub(crate) fn clause(&mut self, before: Option<ClauseKind>) -> (Option<ClauseKind>, Parse<Started>) {
        let word = if self.kind(0) == Some(IDENT) { self.text(0) } else { "" };
        let kind = match word {
            "Given" => ClauseKind::Given,
            "When" => ClauseKind::When,
            "Then" => ClauseKind::Then,
            "And" => match before {
                Some(kind) => kind,
                None => {
                    let d = self.error_here(codes::AND_FIRST, "`And` has no clause before it").hint("begin with `Given`, `When` or `Then`");
                    return (None, self.fail(d));
                }
            },
            _ => {
                let what = if word.is_empty() { self.found() } else { format!("`{word}`") };
                let d = self.error_here(codes::EXAMPLE_LINE, format!("expected `Given`, `When`, `Then` or `And`, found {what}"));
                let d = match word {
                    "But" | "but" => d.hint("write `And`"),
                    _ => match did_you_mean(word, CLAUSES) {
                        Some(hint) => d.hint(hint),
                        None => d.hint("notes stand before the first clause, or after a `#`"),
                    },
                };
                let guess = closest(word, CLAUSES).and_then(|meant| match meant {
                    "Given" => Some(ClauseKind::Given),
                    "When" => Some(ClauseKind::When),
                    "Then" => Some(ClauseKind::Then),
                    _ => before,
                });
                return (guess, self.fail(d));
            }
        };
        self.bump_as(KEYWORD);
        let found = match kind {
            ClauseKind::Given => self.given(),
            ClauseKind::When => self.when(),
            ClauseKind::Then => self.then(),
        };
        let found = found.and_then(|started| {
            if self.punct(0, ":") {
                let d = self.error_here(codes::TRAILING, "a clause does not end with `:`").hint("remove the `:`");
                return self.fail(d);
            }
            self.expect_end()?;
            Ok(started)
        });
        (Some(kind), found)
    }

    fn given(&mut self) -> Parse<Started> {
        if self.kind(0) == Some(NUMBER) {
            let count = self.count("how many workers")?;
            if !self.word(0, "workers") && !self.word(0, "worker") {
                let d = self.expected_words(&["workers"]);
                return self.fail(d);
            }
            self.keywords(1);
            if count.value == 0 {
                let d = self.out.error(codes::EXAMPLE_LINE, count.span, "a scenario needs one worker at least");
                return self.fail(d);
            }
            return Ok(Started::Whole(Clause::Workers(count)));
        }
        let input = self.name("a source", true)?;
        if self.word(0, "from") || self.word(0, "file") {
            self.eat_word("from");
            let file = self.file()?;
            return Ok(Started::Whole(Clause::Given { input, rows: Rows::File(file) }));
        }
        Ok(Started::Given(input))
    }

    /// `file "…"`.
    fn file(&mut self) -> Parse<Spanned<String>> {
        self.expect_word("file")?;
        self.string("a path")
    }

    fn when(&mut self) -> Parse<Started> {
        if self.words(&["the", "watermark"]) {
            self.keywords(2);
            let input = if self.eat_word("of") { Some(self.name("a source", true)?) } else { None };
            self.expect_word("reaches")?;
            let at = self.timestamp()?;
            return Ok(Started::Whole(Clause::Watermark { input, at }));
        }
        if self.words(&["time", "passes"]) {
            self.keywords(2);
            let by = self.positive_duration("how much time passes")?;
            return Ok(Started::Whole(Clause::TimePasses(by)));
        }
        if self.words(&["the", "input", "ends"]) {
            self.keywords(3);
            return Ok(Started::Whole(Clause::End));
        }
        if self.words(&["the", "worker", "crashes"]) {
            self.keywords(3);
            return Ok(Started::Whole(Clause::Crash));
        }
        let idle =
            matches!(self.kind(0), Some(IDENT | STRING | VARIABLE)) && !self.word(0, "the") && self.words_after_name(&["is", "idle"]);
        if !idle {
            let d = self
                .out
                .error(codes::EXAMPLE_LINE, self.rest(), "this is not something that can happen in an example")
                .hint(
                    "write `When the watermark of <source> reaches <time>`, `When <source> is idle`, `When time passes 5s`, `When the input ends` or \
                     `When the worker crashes`",
                );
            return self.fail(d);
        }
        let input = self.name("a source", true)?;
        self.keywords(2);
        let duration = if self.eat_word("for") { Some(self.positive_duration("how long it is idle")?) } else { None };
        Ok(Started::Whole(Clause::Idle { input, duration }))
    }

    /// Whether a dotted name comes next and then these words.
    fn words_after_name(&self, words: &[&str]) -> bool {
        let mut n = 1;
        while self.glued(n) {
            n += 1;
        }
        words.iter().enumerate().all(|(i, w)| self.word(n + i, w))
    }

    fn then(&mut self) -> Parse<Started> {
        if self.words(&["the", "watermark", "of"]) {
            self.keywords(3);
            let output = self.name("a step", true)?;
            self.expect_word("is")?;
            let at = self.timestamp()?;
            return Ok(Started::Whole(Clause::ThenWatermark { output, at }));
        }
        let output = self.name("a step, or `rejected`", true)?;
        if self.eat_word("contains") {
            if self.done() || self.punct(0, ":") {
                return Ok(Started::Contains(output));
            }
            let file = self.file()?;
            return Ok(Started::Whole(Clause::Then { output, check: Check::Contains(Rows::File(file)) }));
        }
        if !self.eat_word("is") {
            let d = self.expected_words(&["is", "contains"]);
            let d = match self.text(0) {
                "should" | "must" | "equals" | "are" | "=" | "has" => d.hint(format!("write `Then {} is`", output.value)),
                _ => d,
            };
            return self.fail(d);
        }
        if self.done() || self.punct(0, ":") {
            return Ok(Started::Is(output));
        }
        if self.eat_word("empty") {
            return Ok(Started::Whole(Clause::Then { output, check: Check::Empty }));
        }
        if self.word(0, "file") {
            let file = self.file()?;
            return Ok(Started::Whole(Clause::Then { output, check: Check::Is(Rows::File(file)) }));
        }
        let d = self.expected("a table below, `empty` or `file \"…\"`");
        let d = match did_you_mean(self.text(0), ["empty", "file"]) {
            Some(hint) => d.hint(hint),
            None => d,
        };
        self.fail(d)
    }

    fn timestamp(&mut self) -> Parse<Spanned<String>> {
        let found = self.raw_rest("a timestamp like 2026-01-01T00:00:00Z")?;
        match timestamp_problem(&found.value) {
            None => Ok(found),
            Some(hint) => {
                let d = self.out.error(codes::TIMESTAMP, found.span, format!("`{}` is not a timestamp", found.value)).hint(hint);
                self.fail(d)
            }
        }
    }
}

impl Blocks<'_> {
    /// An `Examples:` block.
    pub(super) fn examples(&mut self) -> Examples {
        let start = self.line().map_or(0, |l| l.first);
        self.out.start(EXAMPLES);
        let title = self.heading(Heading::Examples);
        let mut found = Examples { title, prose: String::new(), clauses: Vec::new(), span: Span::default() };
        let mut prose = Prose::default();
        let mut kind: Option<ClauseKind> = None;
        let mut begun = false;
        while let Some(line) = self.line() {
            match line.kind {
                LineKind::Blank | LineKind::Comment => self.gap_or_comment(&mut prose),
                LineKind::Heading(_) | LineKind::Annotation => break,
                LineKind::Table => drop(self.stray_table()),
                LineKind::Text if begun || self.looks_like_clause(&line) => {
                    begun = true;
                    let (now, clause) = self.clause_with_rows(kind);
                    kind = now.or(kind);
                    found.clauses.extend(clause);
                }
                LineKind::Text => {
                    self.text_line(Place::Examples, &mut prose, None);
                }
            }
        }
        found.prose = prose.text;
        found.span = Span::new(start, self.content_end);
        self.out.finish();
        found
    }

    fn looks_like_clause(&self, line: &Line) -> bool {
        let content = &self.out.text[line.first..line.trimmed];
        let word = content.split(char::is_whitespace).next().unwrap_or("");
        // Words of prose may be close to a clause's; a table below tells them apart.
        let with_table = self.lines.get(self.at + 1).is_some_and(|l| l.kind == LineKind::Table);
        CLAUSES.contains(&word) || word == "But" || (with_table && closest(word, CLAUSES).is_some())
    }

    /// One clause and the table below it.
    fn clause_with_rows(&mut self, before: Option<ClauseKind>) -> (Option<ClauseKind>, Option<Spanned<Clause>>) {
        let Some(line) = self.line() else { return (before, None) };
        let tokens = self.logical_line(line.first, None, Mode::Annotation);
        self.out.blank(line.first);
        self.out.start(EXAMPLE_LINE);
        let mut cursor = Cursor::new(&mut self.out, &tokens);
        let (kind, started) = cursor.clause(before);
        let started = if cursor.failed { None } else { started.ok() };
        cursor.finish();
        self.out.finish();
        let mut below = self.at;
        while self.lines.get(below).is_some_and(|l| matches!(l.kind, LineKind::Blank | LineKind::Comment)) {
            below += 1;
        }
        let has_table = self.lines.get(below).is_some_and(|l| l.kind == LineKind::Table);
        let span = Span::new(line.first, line.trimmed);
        if has_table && !matches!(started, Some(Started::Whole(_))) {
            while self.at < below {
                self.trivia_line();
            }
            let table = self.table();
            let span = span.cover(table.span);
            return (kind, started.map(|s| Spanned::new(s.with(table), span)));
        }
        match started {
            Some(Started::Whole(clause)) => (kind, Some(Spanned::new(clause, span))),
            Some(Started::Given(name) | Started::Is(name) | Started::Contains(name)) => {
                self.missing_rows(&name, span);
                (kind, None)
            }
            None => (kind, None),
        }
    }

    fn missing_rows(&mut self, name: &Name, span: Span) {
        let d = self
            .out
            .error(codes::EXAMPLE_ROWS, span, format!("the rows of `{}` are missing", name.value))
            .hint("add a table below, write `is empty`, or name a file: `from file \"rows.csv\"`, `is file \"rows.csv\"`");
        self.out.report(d);
    }
}

/// Why a text is not an RFC 3339 timestamp.
fn timestamp_problem(text: &str) -> Option<&'static str> {
    const EXAMPLE: &str = "write for example 2026-01-01T00:00:00Z";
    let number = |range: std::ops::Range<usize>, most: u32| {
        text.get(range).is_some_and(|t| t.bytes().all(|b| b.is_ascii_digit()) && t.parse::<u32>().is_ok_and(|n| n <= most))
    };
    let sign = |at: usize, any: &[u8]| text.as_bytes().get(at).is_some_and(|b| any.contains(b));
    let date = number(0..4, 9999) && sign(4, b"-") && number(5..7, 12) && sign(7, b"-") && number(8..10, 31);
    if !date {
        return Some(EXAMPLE);
    }
    if text.len() == 10 {
        return Some("add the time of day: 2026-01-01T00:00:00Z");
    }
    let time = sign(10, b"T ") && number(11..13, 23) && sign(13, b":") && number(14..16, 59) && sign(16, b":") && number(17..19, 60);
    if !time {
        return Some(EXAMPLE);
    }
    let rest = text.get(19..)?;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let offset = |z: &str| {
        let b = z.as_bytes();
        b.len() == 6 && (b[0] == b'+' || b[0] == b'-') && b[3] == b':' && [1, 2, 4, 5].iter().all(|i| b[*i].is_ascii_digit())
    };
    match zone {
        "Z" => None,
        "" => Some("say which time zone: add `Z` for UTC"),
        z if offset(z) => None,
        _ => Some(EXAMPLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_need_date_time_and_zone() {
        for good in ["2026-01-01T00:00:00Z", "2026-01-01 00:00:00.123456Z", "2026-12-31T23:59:60+02:00"] {
            assert_eq!(timestamp_problem(good), None, "{good}");
        }
        for bad in
            ["", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00Z", "yesterday", "2026-01-01Té:00:00Z"]
        {
            assert!(timestamp_problem(bad).is_some(), "{bad}");
        }
    }
}
