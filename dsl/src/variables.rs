//! `${env.X}`, `${secret.X}` and `${parameter}`: found in texts, and put in place.

use crate::{
    Diagnostic, FileId, Severity,
    ast::{DurationUs, Span, Value},
    codes,
    suggest::did_you_mean,
};
use std::collections::BTreeMap;

/// Where variables come from. Secrets are known by name only: their values never enter a plan; they are looked up when a connector opens.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    /// `${env.X}`.
    pub env: BTreeMap<String, String>,
    /// Texts are only being checked: an unset `${env.X}` without default is a warning, not an error.
    pub checking: bool,
}

/// A text with its variables put in place, and where each part of it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substituted {
    /// The text.
    pub text: String,
    /// (start in `text`, span in the file), ascending; a substituted part maps to its whole `${…}`.
    pub parts: Vec<(usize, Span)>,
}

impl Substituted {
    /// The place in the file of a range of the text.
    pub fn span_of(&self, start: usize, end: usize) -> Span {
        let at = |offset: usize| {
            let i = self.parts.partition_point(|(s, _)| *s <= offset).saturating_sub(1);
            let (from, span) = self.parts.get(i).copied().unwrap_or_default();
            let moved = span.start as usize + (offset - from.min(offset));
            moved.min(span.end as usize)
        };
        Span::new(at(start), at(end).max(at(start)))
    }
}

/// What went wrong with a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableError {
    /// `DSL…`.
    pub code: &'static str,
    /// A warning where texts are only being checked and what is missing comes from the outside; the text is usable then.
    pub severity: Severity,
    /// Where in the file.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl VariableError {
    /// As a diagnostic of a file.
    pub fn diagnostic(self, file: FileId) -> Diagnostic {
        let VariableError { code, severity, span, message, hint } = self;
        Diagnostic { severity, hint, ..Diagnostic::error(code, file, span, message) }
    }
}

/// What a `${…}` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference<'t> {
    /// `${env.X}`, `${env.X:default}`.
    Env {
        /// The variable's name.
        name: &'t str,
        /// What it is where it is not set.
        default: Option<&'t str>,
    },
    /// `${secret.X}`.
    Secret(&'t str),
    /// `${parameter}`.
    Parameter(&'t str),
}

impl<'t> Reference<'t> {
    /// Reads what stands between `${` and `}`; nothing where that is no name.
    pub fn read(inner: &'t str) -> Option<Self> {
        let word = |text: &'t str| (!text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')).then_some(text);
        if let Some(rest) = inner.strip_prefix("env.") {
            let (name, default) = match rest.split_once(':') {
                Some((name, default)) => (name, Some(default)),
                None => (rest, None),
            };
            return word(name).map(|name| Reference::Env { name, default });
        }
        match inner.strip_prefix("secret.") {
            // Secrets may live in folders of their store.
            Some(name) => {
                (!name.is_empty() && name.split(['.', '/', '-']).all(|part| word(part).is_some())).then_some(Reference::Secret(name))
            }
            None => word(inner).map(Reference::Parameter),
        }
    }
}

/// The `${…}` of a text: where each stands and what is inside. An unclosed one reaches to the end.
pub fn references(text: &str) -> impl Iterator<Item = (std::ops::Range<usize>, Option<&str>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find("${")?;
        let inner = &text[start + 2..];
        match inner.find('}') {
            Some(n) => {
                at = start + 2 + n + 1;
                Some((start..at, Some(&inner[..n])))
            }
            None => {
                at = text.len();
                Some((start..at, None))
            }
        }
    })
}

/// Puts variables into a text that stands at `span` of a file.
///
/// In an expression a parameter becomes SQL: a word names a column, a text is quoted, a duration is an interval, a list stands in brackets.
/// A variable of the environment stands as a number or truth value where it is one, else as a quoted text. Inside quotes of the expression both stand as
/// they are. In an option everything becomes plain text. `${secret.X}` stays as it is in an option and is refused in an expression.
pub fn substitute(
    text: &str,
    span: Span,
    in_expression: bool,
    arguments: &BTreeMap<String, Value>,
    variables: &Variables,
) -> (Substituted, Vec<VariableError>) {
    let mut work = Work {
        place: Place::new(text, span),
        in_expression,
        arguments,
        variables,
        out: Substituted { text: String::with_capacity(text.len()), parts: Vec::new() },
        errors: Vec::new(),
    };
    let mut quotes = Quotes::default();
    let mut at = 0;
    for (range, inner) in references(text) {
        work.literal(text, at..range.start);
        quotes.pass(&text[at..range.start]);
        work.reference(range.clone(), &text[range.clone()], inner, quotes.open);
        at = range.end;
    }
    work.literal(text, at..text.len());
    if work.out.parts.is_empty() {
        work.out.parts.push((0, span));
    }
    (work.out, work.errors)
}

/// How offsets of a text become places of its file.
struct Place {
    span: Span,
    /// Where the text's first byte stands; nothing where escapes made the text shorter than its place.
    base: Option<usize>,
}

impl Place {
    fn new(text: &str, span: Span) -> Self {
        let length = (span.end - span.start.min(span.end)) as usize;
        let base = match length.checked_sub(text.len()) {
            Some(0) => Some(span.start as usize),
            // `"…"`.
            Some(2) => Some(span.start as usize + 1),
            _ => None,
        };
        Place { span, base }
    }

    fn of(&self, range: std::ops::Range<usize>) -> Span {
        self.base.map_or(self.span, |base| Span::new(base + range.start, base + range.end))
    }
}

/// Which quote of SQL is open.
#[derive(Default)]
struct Quotes {
    open: Option<char>,
}

impl Quotes {
    fn pass(&mut self, text: &str) {
        for c in text.chars() {
            match self.open {
                // A doubled quote closes and opens again: the same in the end.
                Some(quote) if quote == c => self.open = None,
                None if c == '\'' || c == '"' => self.open = Some(c),
                _ => {}
            }
        }
    }
}

struct Work<'a> {
    place: Place,
    in_expression: bool,
    arguments: &'a BTreeMap<String, Value>,
    variables: &'a Variables,
    out: Substituted,
    errors: Vec<VariableError>,
}

impl Work<'_> {
    fn literal(&mut self, text: &str, range: std::ops::Range<usize>) {
        if !range.is_empty() {
            self.out.parts.push((self.out.text.len(), self.place.of(range.clone())));
            self.out.text.push_str(&text[range]);
        }
    }

    fn reference(&mut self, range: std::ops::Range<usize>, whole: &str, inner: Option<&str>, quote: Option<char>) {
        let span = self.place.of(range);
        let value = match inner.map(|i| (i, Reference::read(i))) {
            None => Err(self.error(codes::UNCLOSED_VARIABLE, span, "this `${` is not closed", "close it with `}`")),
            Some((_, None)) => {
                let message = format!("`{whole}` is not a reference");
                Err(self.error(
                    codes::UNCLOSED_VARIABLE,
                    span,
                    message,
                    "write `${env.NAME}`, `${env.NAME:default}`, `${secret.NAME}` or `${parameter}`",
                ))
            }
            Some((_, Some(reference))) => self.value(reference, span, whole, quote),
        };
        self.out.parts.push((self.out.text.len(), span));
        match value {
            Ok(text) => self.out.text.push_str(&text),
            Err(error) => {
                self.errors.push(error);
                // Something must stand there, so that what follows can still be checked.
                self.out.text.push_str(if self.in_expression && quote.is_none() { "null" } else { "" });
            }
        }
    }

    fn value(&self, reference: Reference<'_>, span: Span, whole: &str, quote: Option<char>) -> Result<String, VariableError> {
        match reference {
            Reference::Secret(name) if self.in_expression => {
                let message = format!("the secret `{name}` cannot stand in an expression: its value would enter the plan and the data");
                Err(self.error(codes::SECRET_IN_EXPRESSION, span, message, "use secrets only as the value of a source's or sink's option"))
            }
            Reference::Secret(_) => Ok(whole.to_owned()),
            Reference::Env { name, default } => match self.variables.env.get(name).map(String::as_str).or(default) {
                Some(value) => Ok(self.outside_text(value, quote)),
                None => {
                    let message = format!("the environment variable `{name}` is not set");
                    let mut error =
                        self.error(codes::VARIABLE_UNSET, span, message, &format!("set it, or write a default: `${{env.{name}:…}}`"));
                    if self.variables.checking {
                        error.severity = Severity::Warning;
                    }
                    Err(error)
                }
            },
            Reference::Parameter(name) => match self.arguments.get(name) {
                Some(Value::Variable(inner)) => match Reference::read(inner) {
                    Some(Reference::Parameter(other)) => Err(self.unknown(other, span)),
                    Some(reference) => self.value(reference, span, &format!("${{{inner}}}"), quote),
                    None => Err(self.unknown(inner, span)),
                },
                Some(value) => self.argument(name, value, span, quote),
                None => Err(self.unknown(name, span)),
            },
        }
    }

    fn unknown(&self, name: &str, span: Span) -> VariableError {
        let close = did_you_mean(name, self.arguments.keys().map(String::as_str));
        let hint = close.unwrap_or_else(|| {
            if name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') {
                format!("write `${{env.{name}}}` for a variable of the environment")
            } else if self.arguments.is_empty() {
                "parameters are known only inside a reusable step; elsewhere write `${env.NAME}` or `${secret.NAME}`".into()
            } else {
                let names: Vec<&str> = self.arguments.keys().map(String::as_str).collect();
                format!("the parameters are {}", crate::suggest::list_of(&names))
            }
        });
        self.error(codes::VARIABLE_UNKNOWN, span, format!("there is no parameter `{name}`"), &hint)
    }

    fn error(&self, code: &'static str, span: Span, message: impl Into<String>, hint: &str) -> VariableError {
        VariableError { code, severity: Severity::Error, span, message: message.into(), hint: Some(hint.to_owned()) }
    }

    /// A text from outside: inside quotes as it is, else as the literal that it looks like.
    fn outside_text(&self, value: &str, quote: Option<char>) -> String {
        if !self.in_expression {
            return value.to_owned();
        }
        let plain = matches!(value, "true" | "false")
            || (value.parse::<f64>().is_ok_and(f64::is_finite) && value.ends_with(|c: char| c.is_ascii_digit()));
        if quote.is_none() && plain { value.to_owned() } else { quoted(value, quote) }
    }

    fn argument(&self, name: &str, value: &Value, span: Span, quote: Option<char>) -> Result<String, VariableError> {
        let plain = !self.in_expression || quote.is_some();
        Ok(match value {
            Value::Word(word) if quote.is_none() => word.clone(),
            Value::Word(text) | Value::Text(text) if self.in_expression => quoted(text, quote),
            Value::Word(text) | Value::Text(text) => text.clone(),
            Value::Int(n) => n.to_string(),
            Value::Float(n) => n.to_string(),
            Value::Bool(b) => b.to_string(),
            Value::Bytes(n) => n.to_string(),
            Value::Duration(d) if plain => crate::units::show_duration(*d),
            Value::Duration(DurationUs(us)) => format!("interval '{us} microseconds'"),
            Value::Versioned { name, version } if !self.in_expression => format!("{name}@{version}"),
            Value::List(items) if !plain => {
                let mut parts = Vec::with_capacity(items.len());
                for item in items {
                    parts.push(match &item.value {
                        Value::List(_) => return Err(self.no_literal(name, span)),
                        Value::Variable(inner) => match Reference::read(inner) {
                            Some(reference @ (Reference::Env { .. } | Reference::Secret(_))) => {
                                self.value(reference, span, &format!("${{{inner}}}"), quote)?
                            }
                            _ => return Err(self.unknown(inner, span)),
                        },
                        // A list in an expression holds values: its words are texts.
                        Value::Word(text) => quoted(text, None),
                        other => self.argument(name, other, span, quote)?,
                    });
                }
                format!("({})", parts.join(", "))
            }
            Value::Versioned { .. } | Value::Variable(_) | Value::List(_) => return Err(self.no_literal(name, span)),
        })
    }

    fn no_literal(&self, name: &str, span: Span) -> VariableError {
        let message = format!("the value of `{name}` cannot stand here");
        self.error(
            codes::PARAMETER_VALUE,
            span,
            message,
            "give a word, a text, a number, true or false, or a duration; a list stands after `in` in an expression",
        )
    }
}

/// A text as SQL: with quotes of its own, or for a place inside quotes.
fn quoted(text: &str, open: Option<char>) -> String {
    match open {
        Some('"') => text.replace('"', "\"\""),
        Some(_) => text.replace('\'', "''"),
        None => format!("'{}'", text.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ast::Spanned;

    fn arguments() -> BTreeMap<String, Value> {
        let list = Value::List(vec![
            Spanned::new(Value::Text("it's".into()), Span::default()),
            Spanned::new(Value::Word("b".into()), Span::default()),
            Spanned::new(Value::Int(3), Span::default()),
        ]);
        [
            ("column", Value::Word("sin".into())),
            ("label", Value::Text("it's".into())),
            ("after", Value::Duration(DurationUs(5))),
            ("names", list),
            ("from_env", Value::Variable("env.NAME".into())),
            ("hidden", Value::Variable("secret.KEY".into())),
            ("version", Value::Versioned { name: "A".into(), version: 1 }),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into()
    }

    fn run(text: &str, in_expression: bool, checking: bool) -> (String, Vec<VariableError>) {
        let env = [("NAME", "o'hara"), ("LIMIT", "10"), ("FLAG", "true"), ("ODD", "inf")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let (found, errors) = substitute(text, Span::new(100, 100 + text.len()), in_expression, &arguments(), &Variables { env, checking });
        (found.text, errors)
    }

    #[test]
    fn values_become_sql_in_expressions() {
        for (text, sql) in [
            ("${column}_clean = ${label}", "sin_clean = 'it''s'"),
            ("x > ${env.LIMIT} and ${env.FLAG}", "x > 10 and true"),
            ("x = ${env.NAME} or x = '${env.NAME}!'", "x = 'o''hara' or x = 'o''hara!'"),
            ("x = ${env.ODD} or x = ${env.NONE:none}", "x = 'inf' or x = 'none'"),
            ("\"${label}\" in ${names}", "\"it's\" in ('it''s', 'b', 3)"),
            ("at + ${after}", "at + interval '5 microseconds'"),
            ("${from_env}", "'o''hara'"),
            ("no variable", "no variable"),
        ] {
            assert_eq!(run(text, true, false), (sql.to_owned(), Vec::new()), "{text}");
        }
    }

    #[test]
    fn values_stay_plain_in_options() {
        for (text, plain) in [
            ("${env.NAME}/${column}", "o'hara/sin"),
            ("${secret.KEY} ${hidden}", "${secret.KEY} ${secret.KEY}"),
            ("${after} ${version}", "5us A@1"),
        ] {
            assert_eq!(run(text, false, false), (plain.to_owned(), Vec::new()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        for (text, code) in [
            ("a ${colum}", codes::VARIABLE_UNKNOWN),
            ("a ${env.NONE}", codes::VARIABLE_UNSET),
            ("a ${secret.KEY}", codes::SECRET_IN_EXPRESSION),
            ("a ${hidden}", codes::SECRET_IN_EXPRESSION),
            ("a ${version}", codes::PARAMETER_VALUE),
            ("a ${", codes::UNCLOSED_VARIABLE),
            ("a ${}", codes::UNCLOSED_VARIABLE),
            ("a ${env.}", codes::UNCLOSED_VARIABLE),
        ] {
            let (_, errors) = run(text, true, false);
            let found: Vec<_> = errors.iter().map(|e| (e.code, e.span.start, e.span.end as usize)).collect();
            assert_eq!(found, [(code, 102, 100 + text.len())], "{text}");
        }
        assert_eq!(run("${colum}", true, false).1[0].hint.as_deref(), Some("did you mean `column`?"));
        assert_eq!(run("${env.NONE}", true, true).1[0].severity, Severity::Warning);
    }

    #[test]
    fn places_are_found_again() {
        let (found, _) = substitute("a = ${column} + b", Span::new(10, 27), true, &arguments(), &Variables::default());
        assert_eq!(found.text, "a = sin + b");
        assert_eq!(found.span_of(4, 7), Span::new(14, 23));
        assert_eq!(found.span_of(10, 11), Span::new(26, 27));
    }
}
