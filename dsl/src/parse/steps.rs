//! Steps, reusable steps, and their lines.

use super::{
    annotation::LINES,
    blocks::Blocks,
    cursor::{Cursor, Parse},
    lexer::Mode,
    lines::{Heading, LineKind},
    prose::{Place, Prose},
};
use crate::{
    ast::{Annotation, Name, Param, Span, Step, StepBody, StepTemplate},
    codes,
    syntax::SyntaxKind::*,
};
use std::collections::HashMap;

impl Cursor<'_, '_> {
    /// `Name(param, other = default)`, after the heading's colon.
    fn template_heading(&mut self) -> Parse<(Name, Vec<Param>)> {
        if self.done() {
            let d =
                self.error_here(codes::TITLE_MISSING, "a reusable step has a name").hint("write for example `Step: ValidateSIN(column)`");
            return self.fail(d);
        }
        let name = self.name("the step's name", false)?;
        let mut params: Vec<Param> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        if self.punct(0, "(") {
            let open = self.here();
            self.bump();
            while !self.eat(")") {
                if self.done() {
                    let d = self.out.error(codes::UNCLOSED_BRACKET, open, "this `(` is not closed").hint("close the parameters with `)`");
                    return self.fail(d);
                }
                let param = self.node(PARAM, |c| {
                    let name = c.name("a parameter", false)?;
                    let default = if c.eat("=") { Some(c.value(0)?) } else { None };
                    Ok(Param { name, default })
                })?;
                if let Some(first) = seen.insert(param.name.value.clone(), param.name.span) {
                    let d = self
                        .out
                        .error(codes::DUPLICATE_NAME, param.name.span, format!("two parameters are called `{}`", param.name.value))
                        .related(self.out.file, first, "the first one");
                    self.out.report(d);
                } else {
                    params.push(param);
                }
                if !self.eat(",") && !self.punct(0, ")") && !self.done() {
                    let d = self.expected("`,` or `)`");
                    return self.fail(d);
                }
            }
        }
        self.expect_end()?;
        Ok((name, params))
    }
}

/// What stands below a step's head.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub lines: StepBody,
    /// Whether there are lines at all, be they understood or not.
    pub has_lines: bool,
    pub prose: String,
}

impl Blocks<'_> {
    /// `Step:` with its lines; nothing where the heading cannot be read.
    pub(crate) fn template(&mut self) -> Option<StepTemplate> {
        let start = self.line().map_or(0, |l| l.first);
        self.out.start(STEP_TEMPLATE);
        let heading = self.code_heading(Heading::Step, |c| c.template_heading());
        self.out.durations = Some(Vec::new());
        let body = self.body(Place::Template);
        let durations = self.out.durations.take().unwrap_or_default();
        self.out.finish();
        let (name, params) = heading?;
        if !body.has_lines {
            let d = self
                .out
                .error(codes::STEP_EMPTY, name.span, format!("the reusable step `{}` has no lines", name.value))
                .hint("add `@when`, `@do` or `@then` lines");
            self.out.report(d);
        }
        Some(StepTemplate { name, params, prose: body.prose, body: body.lines, durations, span: Span::new(start, self.content_end) })
    }

    /// `@step(…)` with its lines; nothing where the annotation cannot be read.
    pub(crate) fn step(&mut self) -> Option<Step> {
        let start = self.line().map_or(0, |l| l.first);
        self.out.start(STEP);
        let mut annotations = self.annotation_line().into_iter();
        let broken = self.broken;
        let annotation = annotations.next();
        if let Some(other) = annotations.next() {
            self.step_not_alone(&other);
        }
        let body = self.body(Place::Step);
        self.out.finish();
        let span = Span::new(start, self.content_end);
        self.broken = broken;
        self.step_of(annotation?, body, span)
    }

    pub(crate) fn step_not_alone(&mut self, annotation: &Annotation) {
        let d = self
            .out
            .error(codes::ANNOTATION_PLACE, annotation.span, format!("`@{}` cannot share a line with a step", annotation.name.value))
            .hint("give every `@step`, `@source` and `@sink` a line of its own");
        self.out.report(d);
    }

    /// The lines of a step, up to the next annotation that is none of them, heading or table.
    fn body(&mut self, place: Place) -> Body {
        let mut body = Body::default();
        let mut prose = Prose::default();
        while let Some(line) = self.line() {
            match line.kind {
                LineKind::Blank | LineKind::Comment => self.gap_or_comment(&mut prose),
                LineKind::Annotation if LINES.contains(&self.word_of(&line)) => {
                    body.has_lines = true;
                    self.step_line(&mut body.lines);
                }
                LineKind::Annotation if place == Place::Template && self.misplaced_in_template(&line) => {}
                LineKind::Annotation if self.mistyped_line(&line) => {
                    body.has_lines = true;
                    self.annotation_line();
                }
                LineKind::Annotation | LineKind::Heading(_) => break,
                LineKind::Table => drop(self.stray_table()),
                LineKind::Text => body.has_lines |= self.text_line(place, &mut prose, None),
            }
        }
        body.prose = prose.text;
        body
    }

    /// Whether an annotation was probably meant as a line of this step, so that the step goes on after it.
    fn mistyped_line(&self, line: &super::lines::Line) -> bool {
        let word = self.word_of(line);
        let known = super::annotation::KNOWN;
        !known.contains(&word)
            && (super::action::VERBS.contains(&word)
                || ["where", "filter", "expect", "assert", "ensure", "given", "and"].contains(&word.to_ascii_lowercase().as_str())
                || crate::suggest::closest(word, LINES.into_iter().chain(known)).is_some_and(|meant| LINES.contains(&meant)))
    }

    /// Annotations have no place in a reusable step.
    fn misplaced_in_template(&mut self, line: &super::lines::Line) -> bool {
        if self.mistyped_line(line) {
            return false;
        }
        for annotation in self.annotation_line() {
            let message = format!("`@{}` cannot stand in a reusable step", annotation.name.value);
            let d = self.out.error(codes::ANNOTATION_PLACE, annotation.name.span, message);
            self.out.report(d.hint("a reusable step holds only `@when`, `@do` and `@then` lines"));
        }
        true
    }

    /// A line of a step where there is no step.
    pub(crate) fn line_outside_step(&mut self) {
        let Some(line) = self.line() else { return };
        let word = self.word_of(&line).to_owned();
        let span = Span::new(line.first, line.first + 1 + word.len());
        let d = self
            .out
            .error(codes::ANNOTATION_PLACE, span, format!("`@{word}` stands outside of a step"))
            .hint("begin a step before it: `@step(name=…)`");
        self.out.report(d);
        let known = self.out.diagnostics.len();
        self.step_line(&mut StepBody::default());
        // What else is wrong with the line can wait until it stands in a step.
        self.out.diagnostics.truncate(known);
    }

    /// `@when`, `@do` or `@then` with what follows.
    fn step_line(&mut self, body: &mut StepBody) {
        let Some(line) = self.line() else { return };
        let word = self.word_of(&line);
        let tokens = self.logical_line(line.first, Some(line.indent), Mode::Expression);
        self.out.blank(line.first);
        self.out.start(match word {
            "when" => WHEN,
            "do" => DO,
            _ => THEN,
        });
        let later = match word {
            "when" if !body.expectations.is_empty() => Some("@then"),
            "when" if !body.actions.is_empty() => Some("@do"),
            "do" if !body.expectations.is_empty() => Some("@then"),
            _ => None,
        };
        let mut c = Cursor::new(&mut self.out, &tokens);
        if let Some(later) = later {
            let place = Span::new(line.first, line.first + 1 + word.len());
            let d = c.out.error(codes::LINE_ORDER, place, format!("`@{word}` stands after `{later}`"));
            let hint = if word == "when" {
                "filter with `@do keep …` here, or begin a new step"
            } else {
                "begin a new step after the expectations"
            };
            c.report(d.hint(hint));
        }
        c.bump_as(AT);
        c.bump_as(KEYWORD);
        // A line with errors is left out: half of what it says is not what it means.
        match word {
            "when" => body.when.extend(c.expr("a condition after `@when`", &[]).ok().filter(|_| !c.failed)),
            "do" => body.actions.extend(c.action().ok().filter(|_| !c.failed)),
            _ => body.expectations.extend(c.expectation().ok().filter(|_| !c.failed)),
        }
        c.finish();
        self.out.finish();
    }
}
