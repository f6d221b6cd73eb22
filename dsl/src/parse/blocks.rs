//! The structure of a text: headings and what stands under them.

use super::{
    cursor::Cursor,
    lexer::{self, Mode, Token},
    lines::{self, Heading, Line, LineKind},
    out::Out,
    prose::{Misspelt, Place, Prose, respell},
    table,
};
use crate::{
    ast::{Annotation, Background, Document, Feature, Name, Scenario, Span, Spanned, Table},
    codes,
    syntax::SyntaxKind::*,
};
use std::collections::BTreeMap;

/// The walk over a text's lines.
pub(crate) struct Blocks<'t> {
    pub out: Out<'t>,
    pub lines: Vec<Line>,
    /// The next line.
    pub at: usize,
    /// Headings that are not spelled as they should be, by line.
    pub misspelt: BTreeMap<usize, Misspelt>,
    /// For lines with only annotations or comments: the heading directly below them.
    pub leads_to: Vec<Option<Heading>>,
    /// End of the last line that is not blank.
    pub content_end: usize,
    /// The annotations read last had errors: what they lack may be what could not be read.
    pub broken: bool,
    pub document: Document,
}

impl<'t> Blocks<'t> {
    pub(crate) fn new(mut out: Out<'t>) -> Self {
        let mut lines = lines::cut(out.text);
        let misspelt = respell(out.text, &mut lines);
        if let Some(line) = lines.iter().find(|l| out.text[l.start..l.first].contains('\t') && l.kind != LineKind::Blank) {
            let span = Span::new(line.start, line.first);
            let d = crate::Diagnostic::warning(codes::TAB_INDENT, out.file, span, "this line is indented with tabs");
            out.report(d.hint("indent with spaces; `runi fmt` does it"));
        }
        let mut leads_to = vec![None; lines.len()];
        let mut below = None;
        for (i, line) in lines.iter().enumerate().rev() {
            below = match line.kind {
                LineKind::Heading(heading @ (Heading::Feature | Heading::Scenario)) => Some(heading),
                LineKind::Comment => below,
                LineKind::Annotation if !["step", "source", "sink", "when", "do", "then"].contains(&annotation_word(out.text, line)) => {
                    below
                }
                _ => None,
            };
            leads_to[i] = below;
        }
        Blocks { out, lines, at: 0, misspelt, leads_to, content_end: 0, broken: false, document: Document::default() }
    }

    pub(crate) fn into_parts(self) -> (Out<'t>, Document) {
        (self.out, self.document)
    }

    pub(crate) fn line(&self) -> Option<Line> {
        self.lines.get(self.at).copied()
    }

    /// The word after the `@` of a line.
    pub(crate) fn word_of(&self, line: &Line) -> &'t str {
        annotation_word(self.out.text, line)
    }

    /// Writes the next line as it is: blanks, one token, its end.
    pub(crate) fn plain_line(&mut self, kind: crate::syntax::SyntaxKind) {
        if let Some(line) = self.line() {
            self.out.blank(line.first);
            self.out.token(kind, line.trimmed);
            self.out.blank(line.end);
            self.out.token(NEWLINE, line.next);
            if line.kind != LineKind::Blank {
                self.content_end = line.trimmed;
            }
            self.at += 1;
        }
    }

    /// Writes the next line, where it is blank or a comment.
    pub(crate) fn trivia_line(&mut self) {
        self.plain_line(COMMENT);
    }

    /// The tokens of the logical line that begins at the byte `from` of the next line; passes its lines. With a `base`, lines that are
    /// indented deeper than that go on with it.
    pub(crate) fn logical_line(&mut self, from: usize, base: Option<usize>, mode: Mode) -> Vec<Token> {
        let mut tokens = Vec::new();
        let mut open = 0_usize;
        let mut at = from;
        loop {
            while let Some(line) = self.line() {
                if at >= line.end {
                    break;
                }
                let token = lexer::token(self.out.text, at, line.end, mode, |from| self.triple_end(from));
                match &self.out.text[token.start..token.end] {
                    "(" | "[" | "{" => open += 1,
                    ")" | "]" | "}" => open = open.saturating_sub(1),
                    _ => {}
                }
                at = token.end;
                tokens.push(token);
                while self.line().is_some_and(|l| l.next <= at && l.end < at) {
                    self.at += 1;
                }
            }
            if let Some(line) = self.line() {
                if line.end < line.next {
                    tokens.push(Token { kind: NEWLINE, start: line.end, end: line.next });
                }
                self.content_end = line.trimmed;
                self.at += 1;
            }
            let mut next = self.at;
            while self.lines.get(next).is_some_and(|l| l.kind == LineKind::Comment) {
                next += 1;
            }
            let Some(line) = self.lines.get(next).copied() else { return tokens };
            if line.kind != LineKind::Text || !(open > 0 || base.is_some_and(|b| line.indent > b)) {
                return tokens;
            }
            while self.at < next {
                let Some(comment) = self.line() else { return tokens };
                self.comment_tokens(&comment, &mut tokens);
                self.at += 1;
            }
            at = line.start;
        }
    }

    fn comment_tokens(&self, line: &Line, tokens: &mut Vec<Token>) {
        for (kind, start, end) in [(WHITESPACE, line.start, line.first), (COMMENT, line.first, line.end), (NEWLINE, line.end, line.next)] {
            if end > start {
                tokens.push(Token { kind, start, end });
            }
        }
    }

    /// Where a `"""` text ends, if it does before the next line that begins with `@` or a heading.
    fn triple_end(&self, from: usize) -> Option<usize> {
        let mut start = from;
        for (i, line) in self.lines.iter().enumerate().skip(self.at) {
            if i > self.at && matches!(line.kind, LineKind::Annotation | LineKind::Heading(_)) {
                return None;
            }
            if let Some(found) = self.out.text.get(start..line.end).and_then(|t| t.find("\"\"\"")) {
                return Some(start + found + 3);
            }
            start = line.next;
        }
        None
    }

    pub(crate) fn root(&mut self) {
        while let Some(line) = self.line() {
            match line.kind {
                LineKind::Blank | LineKind::Comment => self.trivia_line(),
                LineKind::Heading(Heading::Feature) => self.feature(),
                LineKind::Heading(Heading::Contract) => self.contract(),
                LineKind::Heading(Heading::Step) => {
                    let template = self.template();
                    self.document.steps.extend(template);
                }
                LineKind::Heading(Heading::Scenario) => self.scenario_at_root(),
                LineKind::Heading(heading @ (Heading::Background | Heading::Examples)) => {
                    self.heading_out_of_place(heading);
                    if heading == Heading::Background { drop(self.background()) } else { drop(self.examples()) }
                }
                LineKind::Annotation if self.leads_to[self.at] == Some(Heading::Feature) => self.feature(),
                LineKind::Annotation if self.leads_to[self.at] == Some(Heading::Scenario) => self.scenario_at_root(),
                LineKind::Annotation | LineKind::Table | LineKind::Text => self.stray_lines(),
            }
        }
    }

    /// A scenario after a contract or a reusable step still belongs to the file's feature.
    fn scenario_at_root(&mut self) {
        if self.document.feature.is_none() {
            if let Some(line) = self.line() {
                let span = Span::new(line.first, line.trimmed);
                let d = self.out.error(codes::HEADING_PLACE, span, "this scenario belongs to no feature");
                self.out.report(d.hint("begin the file with `Feature: <title>`"));
            }
            let title = Spanned::new(String::new(), Span::default());
            self.document.feature = Some(empty_feature(title));
        }
        let scenario = self.scenario();
        if let Some(feature) = &mut self.document.feature {
            feature.scenarios.push(scenario);
        }
    }

    pub(crate) fn heading_out_of_place(&mut self, heading: Heading) {
        if let Some(line) = self.line() {
            let (message, hint) = match heading {
                Heading::Background => ("a background stands under a feature, before its scenarios", "move it below the line `Feature: …`"),
                _ => ("examples belong to a scenario", "move the block below the scenario that it tests"),
            };
            let d = self.out.error(codes::HEADING_PLACE, Span::new(line.first, line.trimmed), message).hint(hint);
            self.out.report(d);
        }
    }

    /// Lines outside of any block: one diagnostic for all of them up to the next heading.
    fn stray_lines(&mut self) {
        if let Some(line) = self.line() {
            let span = Span::new(line.first, line.trimmed);
            let d = self.out.error(codes::STRAY_LINE, span, "expected `Feature:`, `Contract:` or `Step:`");
            let d = match line.kind {
                LineKind::Annotation => d.hint("annotations and steps stand under `Feature:`, `Background:` or `Scenario:`"),
                LineKind::Table => d.hint("a table belongs to an example or a contract"),
                _ => d.hint("begin the file with `Feature: <title>`; notes outside of a block stand after `#`"),
            };
            self.out.report(d);
        }
        self.out.start(ERROR);
        while let Some(line) = self.line() {
            if matches!(line.kind, LineKind::Heading(_)) || (self.leads_to[self.at].is_some() && line.kind == LineKind::Annotation) {
                break;
            }
            self.plain_line(if line.kind == LineKind::Comment { COMMENT } else { TEXT });
        }
        self.out.finish();
    }

    fn feature(&mut self) {
        self.out.start(FEATURE);
        let annotations = self.annotations_above();
        let title = self.heading(Heading::Feature);
        let mut feature = empty_feature(title);
        feature.annotations = annotations;
        let mut prose = Prose::default();
        if let Some(first) = &self.document.feature {
            let d = self
                .out
                .error(codes::HEADING_PLACE, feature.title.span, "a file has one feature")
                .related(self.out.file, first.title.span, "the first one")
                .hint("put it into a file of its own");
            self.out.report(d);
        }
        while let Some(line) = self.line() {
            match line.kind {
                LineKind::Blank | LineKind::Comment => self.gap_or_comment(&mut prose),
                LineKind::Heading(Heading::Background) => {
                    let background = self.background();
                    match &mut feature.background {
                        None => feature.background = Some(background),
                        Some(first) => {
                            let d = self
                                .out
                                .error(codes::HEADING_PLACE, Span::new(line.first, line.trimmed), "a feature has one background")
                                .related(self.out.file, first_line(self.out.text, first.span), "the first one");
                            first.sources.extend(background.sources);
                            self.out.report(d);
                        }
                    }
                }
                LineKind::Heading(Heading::Scenario) => {
                    let scenario = self.scenario();
                    feature.scenarios.push(scenario);
                }
                LineKind::Heading(Heading::Examples) => {
                    self.heading_out_of_place(Heading::Examples);
                    self.examples();
                }
                LineKind::Heading(_) => break,
                LineKind::Annotation if self.leads_to[self.at] == Some(Heading::Scenario) => {
                    let scenario = self.scenario();
                    feature.scenarios.push(scenario);
                }
                LineKind::Annotation if self.leads_to[self.at].is_some() => break,
                LineKind::Annotation => self.feature_annotation(&mut feature),
                LineKind::Table => drop(self.stray_table()),
                LineKind::Text => {
                    self.text_line(Place::Feature, &mut prose, Some(&mut feature.metadata));
                }
            }
        }
        feature.prose = prose.text;
        self.check_metadata(&feature.metadata);
        self.out.finish();
        match &mut self.document.feature {
            Some(first) => first.scenarios.extend(feature.scenarios),
            None => self.document.feature = Some(feature),
        }
    }

    fn feature_annotation(&mut self, feature: &mut Feature) {
        let Some(line) = self.line() else { return };
        let word = self.word_of(&line);
        if super::annotation::LINES.contains(&word) {
            return self.line_outside_step();
        }
        for annotation in self.annotation_line() {
            if ["source", "sink", "step"].contains(&annotation.name.value.as_str()) {
                self.annotation_out_of_place(
                    &annotation,
                    if annotation.name.value == "source" { "Background:` or `Scenario:" } else { "Scenario:" },
                );
            } else {
                feature.annotations.push(annotation);
            }
        }
    }

    fn annotation_out_of_place(&mut self, annotation: &Annotation, under: &str) {
        let message = format!("`@{}` cannot stand here", annotation.name.value);
        let d = self.out.error(codes::ANNOTATION_PLACE, annotation.name.span, message).hint(format!("move it under `{under}`"));
        self.out.report(d);
    }

    fn background(&mut self) -> Background {
        let start = self.line().map_or(0, |l| l.first);
        self.out.start(BACKGROUND);
        let title = self.heading(Heading::Background);
        let mut found = Background { prose: String::new(), sources: Vec::new(), annotations: Vec::new(), span: Span::default() };
        let mut prose = Prose::default();
        prose.push(&title.value);
        while let Some(line) = self.line() {
            match line.kind {
                LineKind::Blank | LineKind::Comment => self.gap_or_comment(&mut prose),
                LineKind::Heading(_) => break,
                LineKind::Annotation if self.leads_to[self.at].is_some() => break,
                LineKind::Annotation if super::annotation::LINES.contains(&self.word_of(&line)) => self.line_outside_step(),
                LineKind::Annotation => {
                    for annotation in self.annotation_line() {
                        match annotation.name.value.as_str() {
                            "source" => found.sources.extend(self.source(annotation)),
                            "sink" | "step" => self.annotation_out_of_place(&annotation, "Scenario:"),
                            _ => found.annotations.push(annotation),
                        }
                    }
                }
                LineKind::Table => drop(self.stray_table()),
                LineKind::Text => {
                    self.text_line(Place::Background, &mut prose, None);
                }
            }
        }
        found.prose = prose.text;
        found.span = Span::new(start, self.content_end);
        self.out.finish();
        found
    }

    fn scenario(&mut self) -> Scenario {
        let start = self.line().map_or(0, |l| l.first);
        self.out.start(SCENARIO);
        let annotations = self.annotations_above();
        let title = self.heading(Heading::Scenario);
        let mut found = Scenario {
            title,
            prose: String::new(),
            metadata: Vec::new(),
            annotations,
            sources: Vec::new(),
            steps: Vec::new(),
            sinks: Vec::new(),
            examples: Vec::new(),
            span: Span::default(),
        };
        let mut prose = Prose::default();
        while let Some(line) = self.line() {
            match line.kind {
                LineKind::Blank | LineKind::Comment => self.gap_or_comment(&mut prose),
                LineKind::Heading(Heading::Examples) => {
                    let examples = self.examples();
                    found.examples.push(examples);
                }
                LineKind::Heading(Heading::Background) => {
                    self.heading_out_of_place(Heading::Background);
                    let background = self.background();
                    found.sources.extend(background.sources);
                }
                LineKind::Heading(_) => break,
                LineKind::Annotation if self.leads_to[self.at].is_some() => break,
                LineKind::Annotation => match self.word_of(&line) {
                    "when" | "do" | "then" => self.line_outside_step(),
                    "step" => {
                        let step = self.step();
                        found.steps.extend(step);
                    }
                    _ => {
                        for annotation in self.annotation_line() {
                            match annotation.name.value.as_str() {
                                "source" => found.sources.extend(self.source(annotation)),
                                "sink" => found.sinks.extend(self.sink(annotation)),
                                "step" => self.step_not_alone(&annotation),
                                _ => found.annotations.push(annotation),
                            }
                        }
                    }
                },
                LineKind::Table => drop(self.stray_table()),
                LineKind::Text => {
                    self.text_line(Place::Scenario, &mut prose, Some(&mut found.metadata));
                }
            }
        }
        found.prose = prose.text;
        found.span = Span::new(start, self.content_end);
        self.check_metadata(&found.metadata);
        self.out.finish();
        found
    }

    fn annotations_above(&mut self) -> Vec<Annotation> {
        let mut found = Vec::new();
        while let Some(line) = self.line() {
            match line.kind {
                LineKind::Annotation => found.extend(self.annotation_line()),
                LineKind::Comment => self.trivia_line(),
                _ => break,
            }
        }
        found
    }

    /// The annotations of the next logical line; those that are broken are left out.
    pub(crate) fn annotation_line(&mut self) -> Vec<Annotation> {
        let Some(line) = self.line() else { return Vec::new() };
        let tokens = self.logical_line(line.first, None, Mode::Annotation);
        self.out.blank(line.first);
        let mut cursor = Cursor::new(&mut self.out, &tokens);
        let mut found = Vec::new();
        while cursor.punct(0, "@") {
            match cursor.annotation() {
                Ok(annotation) => found.push(annotation),
                Err(super::cursor::Reported) => break,
            }
        }
        // What is left has been reported, or is reported here.
        let broken = cursor.expect_end().is_err() || cursor.failed;
        cursor.finish();
        self.broken = broken;
        found
    }

    /// A blank line ends a paragraph of prose.
    pub(crate) fn gap_or_comment(&mut self, prose: &mut Prose) {
        if self.line().is_some_and(|l| l.kind == LineKind::Blank) {
            prose.gap();
        }
        self.trivia_line();
    }

    /// The rows that begin at the next line.
    pub(crate) fn table(&mut self) -> Table {
        let start = self.at;
        let mut end = start;
        while let Some(line) = self.lines.get(self.at) {
            match line.kind {
                LineKind::Table => end = self.at + 1,
                LineKind::Text if self.out.text[line.first..].starts_with('|') => end = self.at + 1,
                LineKind::Comment => {}
                _ => break,
            }
            self.at += 1;
        }
        self.at = end;
        let lines = self.lines[start..end].to_vec();
        self.content_end = lines.last().map_or(self.content_end, |l| l.trimmed);
        table::table(&mut self.out, &lines)
    }

    pub(crate) fn stray_table(&mut self) -> Table {
        if let Some(line) = self.line() {
            let d = self
                .out
                .error(codes::TABLE_PLACE, Span::new(line.first, line.trimmed), "a table cannot stand here")
                .hint("a table belongs below a `Given` or `Then` of an example, or into a contract");
            self.out.report(d);
        }
        self.table()
    }
}

fn annotation_word<'t>(text: &'t str, line: &Line) -> &'t str {
    let rest = text[line.first..line.trimmed].trim_start_matches('@');
    &rest[..rest.find(|c| !lexer::is_word(c)).unwrap_or(rest.len())]
}

/// The part of a span that stands on its first line.
fn first_line(text: &str, span: Span) -> Span {
    let start = span.start as usize;
    let end = text[start..].find('\n').map_or(text.len(), |n| start + n);
    Span::new(start, end.min(span.end as usize))
}

fn empty_feature(title: Name) -> Feature {
    Feature { title, prose: String::new(), metadata: Vec::new(), annotations: Vec::new(), background: None, scenarios: Vec::new() }
}
