//! Annotations: `@name(key=value, …)`.

use super::{
    atoms::unquote_text,
    cursor::{Cursor, Parse, Reported, quote},
};
use crate::{
    ast::{Annotation, Arg, Span, Spanned, Value},
    codes,
    suggest::closest,
    syntax::SyntaxKind::{self, *},
    units,
};
use std::collections::HashMap;

/// Deepest nesting of lists in a value.
pub(crate) const MAX_LIST_NESTING: usize = 16;

/// The annotations that the language knows; others are kept as they are.
pub(crate) const KNOWN: [&str; 6] = ["source", "sink", "step", "module", "affinity", "requires"];

/// What begins a line of a step.
pub(crate) const LINES: [&str; 3] = ["when", "do", "then"];

impl Cursor<'_, '_> {
    /// One annotation, from its `@` on. What is wrong inside it is reported; an annotation comes out anyway.
    pub(crate) fn annotation(&mut self) -> Parse<Annotation> {
        self.node(ANNOTATION, |c| {
            let start = c.place();
            c.bump_as(AT);
            if c.kind(0) != Some(IDENT) {
                let d = c.error_here(codes::ANNOTATION_SYNTAX, format!("expected a name after `@`, found {}", c.found()));
                return c.fail(d.hint("for example `@step(name=Declines)`"));
            }
            let name = Spanned::new(c.text(0).to_owned(), c.here());
            c.check_annotation_name(&name.value)?;
            c.bump_as(KEYWORD);
            let mut args = Vec::new();
            if c.punct(0, "(") {
                c.args(&mut args);
            } else if !c.done() && !c.punct(0, "@") {
                let d = c
                    .error_here(codes::ANNOTATION_SYNTAX, format!("expected `(` after `@{}`, found {}", name.value, c.found()))
                    .hint(format!("write `@{}(key=value, …)`", name.value));
                return c.fail(d);
            }
            Ok(Annotation { name, args, span: c.since(start) })
        })
    }

    fn check_annotation_name(&mut self, name: &str) -> Parse<()> {
        if KNOWN.contains(&name) {
            return Ok(());
        }
        let names = KNOWN.into_iter().chain(LINES);
        let habit = match name.to_ascii_lowercase().as_str() {
            "where" | "filter" => Some("write `@when <condition>`".to_owned()),
            "expect" | "assert" | "ensure" => Some("write `@then <condition> otherwise …`".into()),
            "input" | "from" => Some("write `@source(name=…, type=…)`".into()),
            "output" | "to" | "target" => Some("write `@sink(type=…)`".into()),
            "given" | "and" => Some("steps are written with `@when`, `@do` and `@then`; Given and And belong under `Examples:`".into()),
            lower if super::action::VERBS.contains(&lower) => Some(format!("write `@do {lower} …`")),
            _ => closest(name, names).map(|meant| format!("did you mean `@{meant}`?")),
        };
        match habit {
            Some(hint) => {
                let d = self.error_here(codes::ANNOTATION_UNKNOWN, format!("`@{name}` is not an annotation")).hint(hint);
                self.fail(d)
            }
            None => Ok(()),
        }
    }

    /// `(key=value, …)`, from its bracket on. A broken argument costs itself: parsing goes on at the next comma.
    fn args(&mut self, args: &mut Vec<Arg>) {
        let mut seen: HashMap<String, Span> = HashMap::new();
        let open = self.here();
        self.bump();
        loop {
            if self.eat(")") {
                return;
            }
            if self.done() {
                let d = self.out.error(codes::UNCLOSED_BRACKET, open, "this `(` is not closed");
                let d = d.hint("close the arguments with `)`; a blank line or a line that begins with `@` ends them");
                return self.report(d);
            }
            match self.node(ARG, |c| c.arg()) {
                Ok(arg) => {
                    if let Some(first) = seen.get(&arg.name.value) {
                        let d = self
                            .out
                            .error(codes::ARGUMENT_TWICE, arg.name.span, format!("`{}` is given twice", arg.name.value))
                            .related(self.out.file, *first, "it is first given here");
                        self.out.report(d);
                    } else {
                        seen.insert(arg.name.value.clone(), arg.name.span);
                        args.push(arg);
                    }
                }
                Err(Reported) => self.skip_argument(),
            }
            self.unmute();
            if self.eat(",") || self.punct(0, ")") || self.done() {
                continue;
            }
            // `name=a type=b`: the comma is missing, and the next argument can be read.
            let mut d = self.error_here(codes::ARGUMENT_SYNTAX, format!("expected `,` or `)`, found {}", self.found()));
            d = match (self.kind(0), self.punct(1, "=")) {
                (Some(IDENT), true) => d.hint("write a `,` between arguments"),
                _ => d.hint("put texts that are not one word into double quotes"),
            };
            self.report(d);
            if !(self.kind(0) == Some(IDENT) && self.punct(1, "=")) {
                self.skip_argument();
                self.eat(",");
            }
            self.unmute();
        }
    }

    /// Passes what is left of a broken argument, up to its comma or the closing bracket.
    fn skip_argument(&mut self) {
        let mut depth = 0_usize;
        if self.done() || self.punct(0, ",") || self.punct(0, ")") {
            return;
        }
        self.node(ERROR, |c| {
            while !c.done() {
                match c.text(0) {
                    "(" | "[" => depth += 1,
                    ")" | "]" if depth > 0 => depth -= 1,
                    ")" => break,
                    "," if depth == 0 => break,
                    _ => {}
                }
                c.bump();
            }
        });
    }

    fn arg(&mut self) -> Parse<Arg> {
        if self.kind(0) != Some(IDENT) {
            let mut d = self.error_here(codes::ARGUMENT_SYNTAX, format!("expected `key=value`, found {}", self.found()));
            if self.punct(0, ",") {
                d = d.hint("remove one of the two commas");
            }
            return self.fail(d);
        }
        let name = self.name("a key", true)?;
        if !self.punct(0, "=") {
            let d = self.error_here(codes::ARGUMENT_SYNTAX, format!("expected `=` after `{}`, found {}", name.value, self.found()));
            if !matches!(self.text(0), ":" | "=>" | "==") {
                return self.fail(d.hint(format!("write `{}=…`, for example `name={}`", name.value, name.value)));
            }
            // What was meant is clear; the value can be read.
            let hint = format!("write `{}={}`", name.value, self.text(1));
            self.report(d.hint(hint));
        }
        self.bump();
        let value = self.value(0)?;
        Ok(Arg { name, value })
    }

    /// A value of an annotation.
    pub(crate) fn value(&mut self, depth: usize) -> Parse<Spanned<Value>> {
        let start = self.place();
        let value = self.node(VALUE, |c| c.value_inner(depth))?;
        Ok(Spanned::new(value, self.since(start)))
    }

    fn value_inner(&mut self, depth: usize) -> Parse<Value> {
        match self.kind(0) {
            Some(STRING) => {
                let value = Value::Text(unquote_text(self.text(0)));
                self.bump();
                Ok(value)
            }
            Some(SQL_STRING) => {
                let meant = self.text(0).trim_matches('\'').replace('"', "\\\"");
                let d = self
                    .error_here(codes::VALUE, "texts stand in double quotes here")
                    .hint(format!("write {}", quote(&format!("\"{meant}\""))));
                self.fail(d)
            }
            Some(VARIABLE) if !self.glued_word(1) => {
                let text = self.text(0);
                let name = text.get(2..text.len().saturating_sub(1)).unwrap_or("").to_owned();
                self.bump();
                Ok(Value::Variable(name))
            }
            Some(PUNCT) if self.punct(0, "[") || self.punct(0, "(") => self.list(depth),
            Some(IDENT | NUMBER | VARIABLE) => self.word_value(),
            Some(PUNCT) if self.punct(0, "-") && self.kind(1) == Some(NUMBER) && self.glued(1) => self.word_value(),
            _ => {
                let d = self.error_here(codes::VALUE, format!("expected a value, found {}", self.found()));
                let d = if self.done() || self.punct(0, ",") || self.punct(0, ")") { d } else { d.hint("put texts into double quotes") };
                self.fail(d)
            }
        }
    }

    fn list(&mut self, depth: usize) -> Parse<Value> {
        let open = self.here();
        if depth >= MAX_LIST_NESTING {
            let d = self.error_here(codes::NESTED_TOO_DEEP, format!("lists are nested more than {MAX_LIST_NESTING} deep"));
            return self.fail(d);
        }
        let close = if self.punct(0, "[") { "]" } else { ")" };
        self.bump();
        let mut items = Vec::new();
        while !self.eat(close) {
            if self.done() {
                let d = self.out.error(codes::UNCLOSED_BRACKET, open, "this list is not closed").hint(format!("close it with `{close}`"));
                return self.fail(d);
            }
            items.push(self.value(depth + 1)?);
            if !self.eat(",") && !self.punct(0, close) && !self.done() {
                let d = self.expected(&format!("`,` or `{close}`"));
                return self.fail(d);
            }
        }
        Ok(Value::List(items))
    }

    /// Whether the `n`th token goes on with a word without a gap.
    fn glued_word(&self, n: usize) -> bool {
        self.glued(n) && !matches!(self.text(n), "," | ")" | "]" | "(" | "[")
    }

    /// A bare word, a number, a duration, a size, `true`, `Payment@2`: all tokens up to the next gap, comma or bracket.
    fn word_value(&mut self) -> Parse<Value> {
        let start = self.place();
        let mut kinds: Vec<SyntaxKind> = Vec::new();
        let mut odd: Option<Span> = None;
        loop {
            let part = matches!(self.kind(0), Some(IDENT | NUMBER)) || matches!(self.text(0), "-" | "." | "@");
            if !part && odd.is_none() {
                odd = Some(self.here());
            }
            kinds.extend(self.kind(0));
            self.bump();
            if !self.glued_word(0) {
                break;
            }
        }
        let span = self.since(start);
        let text = &self.out.text[span.range()];
        if odd.is_some() {
            let d = self
                .out
                .error(codes::VALUE, span, format!("{} is not one word", quote(text)))
                .hint(format!("put it into quotes: {}", quote(&format!("\"{text}\""))));
            return self.fail(d);
        }
        if let Some((name, version)) = text.split_once('@') {
            return match version.parse::<u32>() {
                Ok(version) if version > 0 && !name.is_empty() => Ok(Value::Versioned { name: name.into(), version }),
                _ => {
                    let d = self
                        .out
                        .error(codes::VALUE, span, format!("`{text}` is not a name and its version"))
                        .hint("write for example `Payment@2`");
                    self.fail(d)
                }
            };
        }
        match text {
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            _ => {}
        }
        let negative = text.starts_with('-');
        if kinds.first() == Some(&NUMBER) && kinds.len() == 1 || negative && kinds.len() == 2 {
            return self.number_value(text, span);
        }
        Ok(Value::Word(text.to_owned()))
    }

    fn number_value(&mut self, text: &str, span: Span) -> Parse<Value> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let plain = text.replace('_', "");
        if let Ok(n) = plain.parse::<i64>() {
            return Ok(Value::Int(n));
        }
        // `1.2.3` is a version, not a number: a word.
        if digits.matches('.').count() > 1 && !negative {
            return Ok(Value::Word(text.to_owned()));
        }
        let numeric = digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '_' | 'e' | 'E' | '-' | '+'));
        if numeric
            && let Ok(n) = plain.parse::<f64>()
            && n.is_finite()
        {
            let whole = digits.chars().all(|c| c.is_ascii_digit() || c == '_');
            if whole {
                let d = self
                    .out
                    .error(codes::VALUE, span, format!("`{text}` does not fit into 64 bits"))
                    .hint("put it into quotes, if it is a text");
                return self.fail(d);
            }
            return Ok(Value::Float(n));
        }
        if !negative && let Some(size) = units::bytes(digits) {
            return match size {
                Ok(size) => Ok(Value::Bytes(size)),
                Err(error) => {
                    let d = self.out.error(codes::VALUE, span, error.to_string());
                    self.fail(d)
                }
            };
        }
        match units::duration(digits) {
            Ok(mut duration) => {
                if negative {
                    duration.0 = -duration.0;
                }
                Ok(Value::Duration(duration))
            }
            Err(error) => {
                let hint = match units::closest_byte_unit(digits) {
                    Some(unit) if !matches!(error, units::UnitError::UnknownUnit { meant: Some(_), .. }) => {
                        format!("did you mean `{}{unit}`?", digits.trim_end_matches(|c: char| c.is_alphabetic()))
                    }
                    _ => format!("{}; put a text into quotes", error.hint()),
                };
                let d = self.out.error(codes::DURATION, span, format!("`{text}` is neither a number nor a duration nor a size")).hint(hint);
                self.fail(d)
            }
        }
    }
}
