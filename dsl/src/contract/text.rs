//! A contract as the language writes it: one layout, whatever its text looked like.

use crate::{
    ast::{Contract, Field, Metadata, Rule, TimeUnit, Type},
    format::table,
};
use std::{collections::BTreeSet, fmt};

/// The contract's text: heading, prose, metadata, the aligned table, and the promise of compatibility below it.
pub fn canonical_text(contract: &Contract) -> String {
    let mut out = format!("Contract: {} version {}\n", contract.name.value, contract.version.value);
    for line in contract.prose.lines().map(str::trim).filter(|l| !l.is_empty()) {
        push_line(&mut out, line);
    }
    let is_promise = |m: &&Metadata| m.key.value.eq_ignore_ascii_case("compatibility");
    for m in contract.metadata.iter().filter(|m| !is_promise(m)) {
        push_line(&mut out, &format!("{}: {}", m.key.value, m.value.value.trim()));
    }
    for row in table::aligned(&rows(contract)) {
        push_line(&mut out, &row);
    }
    for m in contract.metadata.iter().filter(is_promise) {
        push_line(&mut out, &format!("Compatibility: {}", m.value.value.trim().to_lowercase()));
    }
    out
}

fn push_line(out: &mut String, line: &str) {
    out.push_str("  ");
    out.push_str(line);
    out.push('\n');
}

/// The table: `field`, `type`, `rules` always; `tags` and further columns only where a field has some.
fn rows(contract: &Contract) -> Vec<Vec<String>> {
    let tagged = contract.fields.iter().any(|f| !f.tags.is_empty());
    let more: BTreeSet<&String> = contract.fields.iter().flat_map(|f| f.more.keys()).collect();
    let mut header: Vec<String> = ["field", "type", "rules"].map(String::from).into();
    if tagged {
        header.push("tags".to_owned());
    }
    header.extend(more.iter().map(|h| table::escape(h)));
    let mut rows = vec![header];
    for field in &contract.fields {
        let mut row = vec![table::escape(&field.name.value), table::escape(&field.ty.value.to_string()), table::escape(&rules_text(field))];
        if tagged {
            row.push(table::escape(&field.tags.iter().map(|t| t.value.as_str()).collect::<Vec<_>>().join(", ")));
        }
        row.extend(more.iter().map(|h| field.more.get(*h).map_or_else(String::new, |v| table::escape(v))));
        rows.push(row);
    }
    rows
}

/// A field's rules in their canonical order, `one of` last because its list has no end of its own.
fn rules_text(field: &Field) -> String {
    let mut rules: Vec<&Rule> = field.rules.iter().map(|r| &r.value).collect();
    rules.sort_by_key(|r| rank(r));
    rules.into_iter().map(rule_text).collect::<Vec<_>>().join(", ")
}

fn rank(rule: &Rule) -> u8 {
    match rule {
        Rule::Required => 0,
        Rule::Key => 1,
        Rule::EventTime => 2,
        Rule::Unique => 3,
        Rule::Compare { .. } => 4,
        Rule::Between { .. } => 5,
        Rule::Length { .. } => 6,
        Rule::Matches(_) => 7,
        Rule::Default(_) => 8,
        Rule::OneOf(_) => 9,
    }
}

/// A rule as the language writes it.
pub fn rule_text(rule: &Rule) -> String {
    match rule {
        Rule::Required => "required".to_owned(),
        Rule::Key => "key".to_owned(),
        Rule::EventTime => "event time".to_owned(),
        Rule::Unique => "unique".to_owned(),
        Rule::Matches(pattern) => format!("matches {}", quoted(pattern)),
        Rule::OneOf(values) => format!("one of {}", values.iter().map(|v| word_or_quoted(v)).collect::<Vec<_>>().join(", ")),
        Rule::Compare { op, value } => format!("{op} {value}"),
        Rule::Between { low, high } => format!("between {low} and {high}"),
        Rule::Length { op, value } => format!("length {op} {value}"),
        Rule::Default(value) => format!("default {value}"),
    }
}

/// Words that begin a rule: as a value of `one of` they are quoted.
const RULE_WORDS: [&str; 10] = ["required", "key", "event", "matches", "one", "between", "length", "unique", "default", "not"];

fn word_or_quoted(value: &str) -> String {
    let bare = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !RULE_WORDS.iter().any(|w| value.eq_ignore_ascii_case(w));
    if bare { value.to_owned() } else { quoted(value) }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl TimeUnit {
    /// As a type's argument: `s`, `ms`, `us`, `ns`.
    pub fn suffix(self) -> &'static str {
        match self {
            TimeUnit::Second => "s",
            TimeUnit::Millisecond => "ms",
            TimeUnit::Microsecond => "us",
            TimeUnit::Nanosecond => "ns",
        }
    }
}

/// As the language writes it, without abbreviations: `int64`, `list<string>`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Boolean => f.write_str("boolean"),
            Type::Int { bits, signed } => write!(f, "{}int{bits}", if *signed { "" } else { "u" }),
            Type::Float { bits } => write!(f, "float{bits}"),
            Type::Decimal { precision, scale } => write!(f, "decimal({precision}, {scale})"),
            Type::String => f.write_str("string"),
            Type::Bytes => f.write_str("bytes"),
            Type::Date => f.write_str("date"),
            Type::Time(unit) => write!(f, "time({})", unit.suffix()),
            Type::Timestamp(unit) => write!(f, "timestamp({})", unit.suffix()),
            Type::List(element) => write!(f, "list<{element}>"),
            Type::Struct(fields) => {
                f.write_str("struct<")?;
                for (i, (name, ty)) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{name}: {ty}")?;
                }
                f.write_str(">")
            }
            Type::Json => f.write_str("json"),
        }
    }
}
