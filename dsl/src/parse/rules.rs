//! Rules of a contract's fields: `required, matches '^c[0-9]+$'`, `one of a, b`, `>= 0`.

use super::{contract::within, cursor::quote, out::Out};
use crate::{
    ast::{Field, Rule, Spanned, Type},
    codes,
    suggest::did_you_mean,
};
use std::collections::HashSet;

/// Words that begin a rule. A bare value of `one of` that is one of them must be quoted.
const NAMES: [&str; 9] = ["required", "key", "event", "matches", "one", "between", "length", "unique", "default"];
/// Operators of comparing rules, longest first.
const OPERATORS: [&str; 6] = ["<=", ">=", "<>", "<", ">", "="];

/// What people write for a rule.
const HABITS: [(&str, &str); 12] = [
    ("not", "write `required`"),
    ("nonnull", "write `required`"),
    ("mandatory", "write `required`"),
    ("nullable", "fields may be null unless they are `required`"),
    ("optional", "fields may be null unless they are `required`"),
    ("primary", "write `required, key`"),
    ("pk", "write `required, key`"),
    ("regex", "write `matches '…'`"),
    ("pattern", "write `matches '…'`"),
    ("enum", "write `one of a, b`"),
    ("in", "write `one of a, b`"),
    ("min", "write `>= …`"),
];

/// Reads a cell of rules. A broken rule is reported and left out.
pub(crate) fn read(out: &mut Out<'_>, cell: &Spanned<String>) -> Vec<Spanned<Rule>> {
    let mut reader = Reader { text: &cell.value, at: 0, last: 0 };
    let mut rules: Vec<Spanned<Rule>> = Vec::new();
    while !reader.done() {
        let start = reader.at;
        match reader.rule() {
            Ok(rule) => {
                let span = within(cell, start, reader.last);
                if let Some(first) = rules.iter().find(|r| same_kind(&r.value, &rule)) {
                    let d =
                        out.error(codes::RULE_TWICE, span, "this rule stands twice").related(out.file, first.span, "it stands here first");
                    out.report(d);
                } else {
                    rules.push(Spanned::new(rule, span));
                }
                if !reader.eat(",") && !reader.done() {
                    let from = reader.at;
                    let message = format!("expected `,` and another rule, found {}", quote(reader.rest()));
                    let d = out
                        .error(codes::RULE, within(cell, from, cell.value.len()), message)
                        .hint("separate rules with commas; quote values that are not one word");
                    out.report(d);
                    return rules;
                }
            }
            Err((message, hint)) => {
                reader.skip();
                let d = out.error(codes::RULE, within(cell, start, reader.at.max(start)), message).hint(hint);
                out.report(d);
                reader.eat(",");
            }
        }
    }
    rules
}

/// Whether two rules cannot both stand: the same rule, or the same comparison twice.
fn same_kind(a: &Rule, b: &Rule) -> bool {
    match (a, b) {
        (Rule::Compare { op: a, .. }, Rule::Compare { op: b, .. }) | (Rule::Length { op: a, .. }, Rule::Length { op: b, .. }) => a == b,
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// The end of what was read last, without blanks after it.
    last: usize,
}

type Problem = (String, String);

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn done(&mut self) -> bool {
        self.blanks();
        self.at >= self.text.len()
    }

    fn pass(&mut self, length: usize) -> &'t str {
        let found = &self.text[self.at..self.at + length];
        self.at += length;
        self.last = self.at;
        self.blanks();
        found
    }

    fn eat(&mut self, text: &str) -> bool {
        self.blanks();
        let there = self.rest().starts_with(text);
        if there {
            self.pass(text.len());
        }
        there
    }

    fn peek_word(&self) -> &'t str {
        let rest = self.rest();
        &rest[..rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())]
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let there = self.peek_word().eq_ignore_ascii_case(word);
        if there {
            self.pass(word.len());
        }
        there
    }

    /// Passes a broken rule, up to its comma.
    fn skip(&mut self) {
        let mut quoted = false;
        for (i, c) in self.rest().char_indices() {
            quoted ^= c == '\'';
            if c == ',' && !quoted {
                self.at += i;
                return;
            }
        }
        self.at = self.text.len();
    }

    fn rule(&mut self) -> Result<Rule, Problem> {
        if let Some(op) = OPERATORS.into_iter().find(|op| self.rest().starts_with(op)) {
            self.pass(op.len());
            if self.rest().starts_with('=') {
                return Err(("compare with `=`, not `==`".into(), "write `= value`".into()));
            }
            return Ok(Rule::Compare { op: op.into(), value: self.literal("a value to compare with")? });
        }
        if self.rest().starts_with("!=") {
            return Err(("`!=` is written `<>`".into(), "write `<> value`".into()));
        }
        let word = self.peek_word();
        match word.to_ascii_lowercase().as_str() {
            "required" => self.only(word, Rule::Required),
            "key" => self.only(word, Rule::Key),
            "unique" => self.only(word, Rule::Unique),
            "event" => {
                self.pass(word.len());
                if self.eat_word("time") { Ok(Rule::EventTime) } else { Err(("expected `event time`".into(), "write `event time`".into())) }
            }
            "matches" => {
                self.pass(word.len());
                Ok(Rule::Matches(self.quoted("a pattern")?))
            }
            "one" => {
                self.pass(word.len());
                if !self.eat_word("of") {
                    return Err(("expected `one of` and values".into(), "write `one of a, b`".into()));
                }
                self.one_of()
            }
            "between" => {
                self.pass(word.len());
                let low = self.literal("the lower bound")?;
                if !self.eat_word("and") {
                    return Err((
                        format!("expected `and` and the upper bound, found {}", self.found()),
                        format!("write `between {low} and …`"),
                    ));
                }
                Ok(Rule::Between { low, high: self.literal("the upper bound")? })
            }
            "length" => {
                self.pass(word.len());
                let Some(op) = OPERATORS.into_iter().find(|op| self.rest().starts_with(op)) else {
                    return Err((
                        format!("expected a comparison after `length`, found {}", self.found()),
                        "write for example `length <= 64`".into(),
                    ));
                };
                self.pass(op.len());
                match self.peek_word().parse() {
                    Ok(value) => {
                        self.pass(self.peek_word().len());
                        Ok(Rule::Length { op: op.into(), value })
                    }
                    Err(_) => {
                        Err((format!("expected a number of characters, found {}", self.found()), "write for example `length <= 64`".into()))
                    }
                }
            }
            "default" => {
                self.pass(word.len());
                Ok(Rule::Default(self.literal("a value")?))
            }
            lower => {
                let habit = HABITS.iter().find(|(name, _)| *name == lower).map(|(_, hint)| (*hint).to_owned());
                let hint = habit.or_else(|| did_you_mean(lower, NAMES)).unwrap_or_else(|| {
                    "rules are required, key, event time, matches, one of, between, length, unique, default and comparisons like `>= 0`"
                        .into()
                });
                let shown = if word.is_empty() { self.found() } else { quote(word) };
                Err((format!("{shown} is not a rule"), hint))
            }
        }
    }

    fn only(&mut self, word: &str, rule: Rule) -> Result<Rule, Problem> {
        self.pass(word.len());
        Ok(rule)
    }

    fn found(&self) -> String {
        if self.at < self.text.len() { quote(self.rest()) } else { "the end".into() }
    }

    /// `'…'` with `''` for a quote inside.
    fn quoted(&mut self, what: &str) -> Result<String, Problem> {
        let rest = self.rest();
        if !rest.starts_with('\'') {
            let hint = if rest.starts_with('"') || rest.starts_with('/') { "use single quotes" } else { "write it as '…'" };
            return Err((format!("expected {what} in single quotes, found {}", self.found()), hint.into()));
        }
        let mut value = String::new();
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((i, c)) = chars.next() {
            if c != '\'' {
                value.push(c);
            } else if chars.peek().is_some_and(|(_, next)| *next == '\'') {
                value.push('\'');
                chars.next();
            } else {
                self.pass(i + 1);
                return Ok(value);
            }
        }
        Err(("this ' is not closed".into(), "close the text with '".into()))
    }

    /// A literal as written: a quoted text (with its quotes), or everything up to a comma or the word `and`.
    fn literal(&mut self, what: &str) -> Result<String, Problem> {
        let rest = self.rest();
        if rest.starts_with('\'') {
            let start = self.at;
            self.quoted(what)?;
            return Ok(self.text[start..self.last].to_owned());
        }
        let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
        if end == 0 {
            return Err((format!("expected {what}, found {}", self.found()), "write a number, or a text in single quotes".into()));
        }
        Ok(self.pass(end).to_owned())
    }

    /// Values up to the end, or up to a comma after which another rule begins.
    fn one_of(&mut self) -> Result<Rule, Problem> {
        let mut values = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let quoted = self.rest().starts_with('\'');
            let value = if quoted {
                self.quoted("a value")?
            } else {
                let rest = self.rest();
                let end = rest.find(',').unwrap_or(rest.len());
                let value = rest[..end].trim().to_owned();
                self.pass(rest[..end].trim_end().len());
                value
            };
            if value.is_empty() && !quoted {
                return Err((format!("expected a value, found {}", self.found()), "write `one of a, b`; the empty text is ''".into()));
            }
            if !seen.insert(value.clone()) {
                return Err((format!("{} stands twice", quote(&value)), "keep one of the two".into()));
            }
            values.push(value);
            let before = (self.at, self.last);
            if !self.eat(",") {
                return Ok(Rule::OneOf(values));
            }
            let word = self.peek_word().to_ascii_lowercase();
            let rule = NAMES.contains(&word.as_str()) || OPERATORS.iter().any(|op| self.rest().starts_with(op));
            if rule || self.done() {
                (self.at, self.last) = before;
                return Ok(Rule::OneOf(values));
            }
        }
    }
}

/// Whether the rules of a field fit its type.
pub(crate) fn check(out: &mut Out<'_>, field: &Field) {
    for rule in &field.rules {
        let problem = match &rule.value {
            Rule::Matches(_) | Rule::Length { .. } if !matches!(field.ty.value, Type::String | Type::Json) => {
                Some("this rule is about texts".to_owned())
            }
            Rule::OneOf(values) => values.iter().find_map(|v| misfit(&field.ty.value, v)),
            Rule::Compare { value, .. } | Rule::Default(value) => misfit(&field.ty.value, value),
            Rule::Between { low, high } => {
                misfit(&field.ty.value, low).or_else(|| misfit(&field.ty.value, high)).or_else(|| reversed(low, high))
            }
            Rule::Key | Rule::Unique if matches!(field.ty.value, Type::List(_) | Type::Struct(_) | Type::Json) => {
                Some("a list, struct or json value cannot be compared".to_owned())
            }
            _ => None,
        };
        if let Some(message) = problem {
            let d = out.error(codes::RULE_LITERAL, rule.span, message).related(
                out.file,
                field.ty.span,
                format!("the type of `{}`", field.name.value),
            );
            out.report(d);
        }
    }
}

fn reversed(low: &str, high: &str) -> Option<String> {
    let (a, b) = (low.parse::<f64>().ok()?, high.parse::<f64>().ok()?);
    (a > b).then(|| format!("`{low}` is above `{high}`: no value lies between"))
}

/// Why a literal cannot be a value of a type.
fn misfit(ty: &Type, literal: &str) -> Option<String> {
    let text = literal.trim_matches('\'');
    let fits = match ty {
        Type::Boolean => matches!(text, "true" | "false"),
        Type::Int { bits, signed: true } => {
            let most = i64::MAX >> (64 - u32::from(*bits));
            text.parse::<i64>().is_ok_and(|n| n <= most && n >= -most - 1)
        }
        Type::Int { bits, signed: false } => text.parse::<u64>().is_ok_and(|n| n <= u64::MAX >> (64 - u32::from(*bits))),
        Type::Float { .. } => text.parse::<f64>().is_ok(),
        Type::Decimal { precision, scale } => decimal_fits(text, *precision, *scale),
        Type::Date | Type::Timestamp(_) => {
            text.len() >= 10
                && text.as_bytes()[..10].iter().enumerate().all(|(i, b)| if i == 4 || i == 7 { *b == b'-' } else { b.is_ascii_digit() })
        }
        Type::Time(_) => text.len() >= 5 && text.as_bytes()[2] == b':',
        Type::String | Type::Json | Type::Bytes => true,
        Type::List(_) | Type::Struct(_) => return Some("a list or struct has no literals in rules".into()),
    };
    (!fits).then(|| format!("{} is not a value of this field's type", quote(literal)))
}

fn decimal_fits(text: &str, precision: u8, scale: i8) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let whole_digits = whole.trim_start_matches('0').len();
    let scale = usize::from(scale.unsigned_abs());
    !digits.is_empty()
        && digits != "."
        && numeric(whole)
        && numeric(fraction)
        && fraction.trim_end_matches('0').len() <= scale
        && whole_digits + scale <= usize::from(precision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FileId,
        ast::{Span, TimeUnit},
    };

    fn rules(text: &str) -> (Vec<Rule>, Vec<String>) {
        let mut out = Out::new(FileId(0), text);
        let cell = Spanned::new(text.to_owned(), Span::new(0, text.len()));
        let found = read(&mut out, &cell);
        (found.into_iter().map(|r| r.value).collect(), out.diagnostics.into_iter().map(|d| d.message).collect())
    }

    #[test]
    fn rules_are_read() {
        let (found, errors) = rules(
            "required, key, matches '^a,b$', one of x, y z, 'it''s', >= 0, length <= 64, between 1 and 2, event time, unique, default 'a'",
        );
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(found.len(), 10);
        assert_eq!(found[2], Rule::Matches("^a,b$".into()));
        assert_eq!(found[3], Rule::OneOf(vec!["x".into(), "y z".into(), "it's".into()]));
        assert_eq!(found[9], Rule::Default("'a'".into()));
    }

    #[test]
    fn broken_rules_cost_themselves() {
        for text in ["requird, key", "matches abc, key", "between 1, key", "length x, key", "one of , key", ">= , key", "event, key"] {
            let (found, errors) = rules(text);
            assert_eq!((found.last(), errors.len()), (Some(&Rule::Key), 1), "{text}: {errors:?}");
        }
    }

    #[test]
    fn literals_fit_their_types() {
        let decimal = Type::Decimal { precision: 4, scale: 2 };
        assert!(misfit(&decimal, "12.34").is_none() && misfit(&decimal, "123").is_some() && misfit(&decimal, "1.234").is_some());
        assert!(
            misfit(&Type::Int { bits: 8, signed: true }, "128").is_some() && misfit(&Type::Int { bits: 8, signed: true }, "-128").is_none()
        );
        assert!(misfit(&Type::Int { bits: 64, signed: false }, "18446744073709551615").is_none());
        assert!(misfit(&Type::Timestamp(TimeUnit::Second), "2026-01-01").is_none() && misfit(&Type::Date, "soon").is_some());
    }
}
