//! Headings, metadata lines and prose; and the lines that look like one of them but are something else.

use super::{
    action::VERBS,
    annotation::{KNOWN, LINES},
    blocks::Blocks,
    cursor::{Cursor, Parse, quote},
    lexer::Mode,
    lines::{self, Heading, Line, LineKind, keyword},
};
use crate::{
    Diagnostic,
    ast::{Metadata, Name, Span, Spanned},
    codes,
    suggest::{MAX_COMPARED_CHARS, closest, distance},
    syntax::SyntaxKind::*,
};
use std::collections::{BTreeMap, HashMap};

/// Metadata keys that tools know; any other is kept as well.
const METADATA_KEYS: [&str; 7] = ["Domain", "Herd", "Owner", "Purpose", "Classification", "Slo", "Compatibility"];

/// Longest title, in words, of a heading whose colon is missing; longer lines are prose.
const MAX_TITLE_WORDS: usize = 10;

/// Where a line of text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Feature,
    Background,
    Scenario,
    Step,
    Template,
    Examples,
    Contract,
}

/// Prose under a heading: lines joined as they are, paragraphs with an empty line between them.
#[derive(Debug, Default)]
pub(crate) struct Prose {
    pub text: String,
    gap: bool,
}

impl Prose {
    pub(crate) fn push(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push_str(if self.gap { "\n\n" } else { "\n" });
        }
        self.gap = false;
        self.text.push_str(line);
    }

    pub(crate) fn gap(&mut self) {
        self.gap = true;
    }
}

/// A heading that is not spelled as the language spells it.
#[derive(Debug, Clone)]
pub(crate) struct Misspelt {
    code: &'static str,
    message: String,
    hint: String,
    /// Where the title begins, from the line's first character.
    title: usize,
}

/// Finds lines that were meant as headings, and makes them headings.
pub(crate) fn respell(text: &str, lines: &mut [Line]) -> BTreeMap<usize, Misspelt> {
    let mut found = BTreeMap::new();
    let mut after_blank = true;
    for (i, line) in lines.iter_mut().enumerate() {
        if line.kind == LineKind::Text
            && let Some((heading, misspelt)) = misspelt(&text[line.first..line.trimmed], after_blank)
        {
            line.kind = LineKind::Heading(heading);
            found.insert(i, misspelt);
        }
        after_blank = matches!(line.kind, LineKind::Blank | LineKind::Comment);
    }
    found
}

fn misspelt(content: &str, after_blank: bool) -> Option<(Heading, Misspelt)> {
    let lower = content.get(..18).unwrap_or(content).to_ascii_lowercase();
    for outline in ["scenario outline:", "scenario template:"] {
        if lower.starts_with(outline) {
            let message = format!("{} is not a heading", quote(&content[..outline.len() - 1]));
            let hint = "write `Scenario:`; what varies stands in several `Examples:` blocks".to_owned();
            return Some((Heading::Scenario, Misspelt { code: codes::HEADING_SPELLING, message, hint, title: outline.len() }));
        }
    }
    if let Some((word, title)) = keyword(content) {
        let heading = meant_heading(word)?;
        let message = format!("`{word}:` is not a heading");
        let hint = format!("did you mean `{}:`?", heading.keyword());
        return Some((heading, Misspelt { code: codes::HEADING_SPELLING, message, hint, title }));
    }
    if !after_blank {
        return None;
    }
    let (word, rest) = content.split_once(char::is_whitespace).unwrap_or((content, ""));
    let heading = lines::heading(word)?;
    let short = rest.split_whitespace().count() <= MAX_TITLE_WORDS && !rest.ends_with(['.', ',', ';', '!', '?']);
    let meant = match heading {
        Heading::Feature | Heading::Scenario => short,
        Heading::Background | Heading::Examples => rest.is_empty(),
        Heading::Step => rest.contains('(') && rest.ends_with(')'),
        Heading::Contract => rest.split_whitespace().nth(1) == Some("version"),
    };
    let message = format!("a `:` is missing after `{word}`");
    let hint = format!("write {}", quote(format!("{word}: {rest}").trim_end()));
    meant.then_some((heading, Misspelt { code: codes::HEADING_COLON, message, hint, title: word.len() }))
}

/// The heading that a word before a colon was meant to be.
fn meant_heading(word: &str) -> Option<Heading> {
    if word.eq_ignore_ascii_case("rule") || word.eq_ignore_ascii_case("contact") || word.eq_ignore_ascii_case("contacts") {
        return None;
    }
    if let Some((heading, _)) = Heading::ALL.into_iter().find(|(_, keyword)| keyword.eq_ignore_ascii_case(word)) {
        // Lower case is a key of YAML as well; only as a heading does it begin a line of this language.
        return Some(heading);
    }
    if !word.starts_with(|c: char| c.is_uppercase()) {
        return None;
    }
    // One slip only: `Future:` and `Samples:` are keys of their own.
    let close = |keyword: &str| word.len() <= MAX_COMPARED_CHARS && distance(&word.to_lowercase(), &keyword.to_lowercase()) == 1;
    Heading::ALL.into_iter().find(|(heading, keyword)| *heading != Heading::Step && close(keyword)).map(|(heading, _)| heading)
}

impl<'t> Blocks<'t> {
    /// Reads the next line as a heading with a title of free text.
    pub(crate) fn heading(&mut self, heading: Heading) -> Name {
        let Some((line, title)) = self.heading_start() else { return Spanned::new(String::new(), Span::default()) };
        let end = comment_start(&self.out.text[title..line.trimmed]).map_or(line.trimmed, |n| title + n);
        let text = self.out.text[title..end].trim();
        let first = title + (self.out.text[title..end].len() - self.out.text[title..end].trim_start().len());
        let span = Span::new(first, first + text.len());
        self.out.blank(first);
        self.out.token(TEXT, first + text.len());
        self.rest_of_line(&line);
        let needs_title = matches!(heading, Heading::Feature | Heading::Scenario | Heading::Examples);
        if text.is_empty() && needs_title {
            let place = Span::new(line.first, line.trimmed);
            let d = self.out.error(codes::TITLE_MISSING, place, format!("this `{}:` has no title", heading.keyword()));
            let what = match heading {
                Heading::Feature => "say what the feature is about",
                Heading::Scenario => "say what the scenario does; its title is its name",
                _ => "say what the example shows",
            };
            self.out.report(d.hint(what));
        }
        Spanned::new(text.to_owned(), span)
    }

    /// Reads the next logical line as a heading with code after its colon.
    pub(crate) fn code_heading<T>(&mut self, heading: Heading, parse: impl FnOnce(&mut Cursor<'_, 't>) -> Parse<T>) -> Option<T> {
        let (line, title) = self.heading_start()?;
        let tokens = self.logical_line(title, None, Mode::Annotation);
        let misspelt = line.kind != LineKind::Heading(heading);
        let mut cursor = Cursor::new(&mut self.out, &tokens);
        cursor.muted |= misspelt;
        let found = parse(&mut cursor).ok();
        cursor.finish();
        self.out.finish();
        found
    }

    /// Writes a heading's keyword and colon; gives its line and the place after the colon. The node stays open.
    fn heading_start(&mut self) -> Option<(Line, usize)> {
        let line = self.line()?;
        self.out.start(HEADING);
        self.out.blank(line.first);
        let content = &self.out.text[line.first..line.trimmed];
        let misspelt = self.misspelt.remove(&self.at);
        let title = match &misspelt {
            Some(m) => m.title,
            None => keyword(content).map_or(content.len(), |(_, after)| after),
        };
        let head = content[..title].trim_end_matches(':').trim_end();
        self.out.token(KEYWORD, line.first + head.len());
        self.out.blank(line.first + content[..title].trim_end_matches(':').len());
        self.out.token(COLON, line.first + title);
        if let Some(m) = misspelt {
            let span = Span::new(line.first, line.first + head.len());
            let d = self.out.error(m.code, span, m.message).hint(m.hint);
            self.out.report(d);
        }
        Some((line, line.first + title))
    }

    /// Writes what is left of a line of free text: blanks, a comment, the line's end. Closes the node and passes the line.
    fn rest_of_line(&mut self, line: &Line) {
        let written = self.out.written();
        let rest = &self.out.text[written..line.end];
        if let Some(hash) = rest.find('#').filter(|n| rest[..*n].trim().is_empty()) {
            self.out.blank(written + hash);
            self.out.token(COMMENT, line.end);
        }
        self.out.blank(line.end);
        self.out.token(NEWLINE, line.next);
        self.out.finish();
        self.content_end = line.trimmed;
        self.at += 1;
    }

    /// A line that is neither code nor a heading: metadata, where the block has some, or prose. Tells whether it was meant as code (reported).
    pub(crate) fn text_line(&mut self, place: Place, prose: &mut Prose, metadata: Option<&mut Vec<Metadata>>) -> bool {
        let Some(line) = self.line() else { return false };
        let content = &self.out.text[line.first..line.trimmed];
        if let (Some(metadata), Some((word, after))) = (metadata, keyword(content))
            && word.starts_with(|c: char| c.is_uppercase())
            && content[after..].starts_with(|c: char| c.is_whitespace())
        {
            self.metadata_line(&line, word.to_owned(), after, metadata);
            return false;
        }
        let known = self.out.diagnostics.len();
        self.suspicious(place, &line, content);
        let is_code = self.out.diagnostics[known..].iter().any(Diagnostic::is_error);
        prose.push(content);
        self.out.start(PROSE);
        self.out.blank(line.first);
        self.out.token(TEXT, line.trimmed);
        self.rest_of_line(&line);
        is_code
    }

    fn metadata_line(&mut self, line: &Line, word: String, after: usize, metadata: &mut Vec<Metadata>) {
        let key_span = Span::new(line.first, line.first + word.len());
        let from = line.first + after;
        let end = comment_start(&self.out.text[from..line.trimmed]).map_or(line.trimmed, |n| from + n);
        let raw = &self.out.text[from..end];
        let first = from + (raw.len() - raw.trim_start().len());
        let value = raw.trim();
        self.out.start(METADATA);
        self.out.blank(line.first);
        self.out.token(KEYWORD, line.first + word.len());
        self.out.blank(from - 1);
        self.out.token(COLON, from);
        self.out.blank(first);
        self.out.token(TEXT, first + value.len());
        self.rest_of_line(line);
        if !METADATA_KEYS.contains(&word.as_str())
            && let Some(meant) = closest(&word, METADATA_KEYS)
        {
            let d =
                Diagnostic::warning(codes::METADATA_SPELLING, self.out.file, key_span, format!("`{word}:` is not a key that tools know"))
                    .hint(format!("did you mean `{meant}:`?"));
            self.out.report(d);
        }
        let value = Spanned::new(value.to_owned(), Span::new(first, first + value.len()));
        metadata.push(Metadata { key: Spanned::new(word, key_span), value });
    }

    /// Warns of keys that stand twice under one heading.
    pub(crate) fn check_metadata(&mut self, metadata: &[Metadata]) {
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for Metadata { key, .. } in metadata {
            if let Some(first) = seen.insert(&key.value, key.span) {
                let d = Diagnostic::warning(codes::METADATA_TWICE, self.out.file, key.span, format!("`{}:` stands twice here", key.value))
                    .related(self.out.file, first, "it stands here first");
                self.out.report(d);
            }
        }
    }

    /// Prose that was probably meant as something else.
    fn suspicious(&mut self, place: Place, line: &Line, content: &str) {
        let span = Span::new(line.first, line.trimmed);
        let word = &content[..content.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(content.len())];
        let first = Span::new(line.first, line.first + word.len());
        let rest = content[word.len()..].trim_start();
        let blank_after = content[word.len()..].starts_with(char::is_whitespace);
        let in_steps = matches!(place, Place::Step | Place::Template);
        // A sentence may go on with such a word at the start of its next line.
        let goes_on = self.at.checked_sub(1).and_then(|i| self.lines.get(i)).is_some_and(|before| before.kind == LineKind::Text)
            && !rest.contains(['=', '<', '>', '(', '*']);
        let is_code = LINES.contains(&word) || (in_steps && VERBS.contains(&word));
        if is_code && blank_after && !goes_on && (in_steps || place == Place::Scenario) {
            let marked = if LINES.contains(&word) { format!("@{word}") } else { format!("@do {word}") };
            let d = self.out.error(
                codes::CODE_AS_PROSE,
                first,
                format!("this line looks like code, but does not begin with `@{}`", if LINES.contains(&word) { word } else { "do" }),
            );
            return self.out.report(d.hint(format!("write `{marked} …`; prose begins with a capital letter")));
        }
        if KNOWN.contains(&word) && rest.starts_with('(') {
            let d = self.out.error(codes::CODE_AS_PROSE, first, format!("this line looks like code, but does not begin with `@{word}`"));
            return self.out.report(d.hint(format!("write `@{word}(…)`")));
        }
        let outside = matches!(place, Place::Scenario | Place::Background | Place::Step | Place::Template);
        if outside && blank_after && ["Given", "When", "Then", "And", "But"].contains(&word) {
            let d = Diagnostic::warning(codes::GHERKIN_LINE, self.out.file, first, format!("`{word} …` is read as prose here"))
                .hint("steps are written with `@step`, `@when`, `@do` and `@then`; clauses belong under `Examples:`");
            return self.out.report(d);
        }
        let yaml = content.starts_with("- ") || (keyword(content).is_some_and(|(w, _)| w.starts_with(char::is_lowercase)));
        if yaml && place != Place::Examples {
            let key = content.trim_start_matches("- ");
            let known = keyword(key).and_then(|(w, _)| METADATA_KEYS.into_iter().find(|k| k.eq_ignore_ascii_case(w)));
            let d = Diagnostic::warning(codes::CODE_AS_PROSE, self.out.file, span, "this line is read as prose");
            let hint = match (known, keyword(key)) {
                (Some(known), _) => format!("metadata keys begin with a capital: `{known}:`"),
                (None, Some(_)) => "options stand in an annotation: `@source(name=…, type=…)`; metadata keys begin with a capital".into(),
                (None, None) => "lists are not part of the language; steps are written with `@step(name=…)`".into(),
            };
            self.out.report(d.hint(hint));
        }
    }
}

/// Where a comment begins in free text: at a `#` between blanks (or at the end).
fn comment_start(text: &str) -> Option<usize> {
    text.char_indices().find_map(|(i, c)| {
        let before = text[..i].chars().next_back().is_none_or(char::is_whitespace);
        let after = text[i + c.len_utf8()..].chars().next().is_none_or(char::is_whitespace);
        (c == '#' && before && after).then_some(i)
    })
}
