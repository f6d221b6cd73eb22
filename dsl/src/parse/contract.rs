//! `Contract:` blocks: the heading, and the table of fields.

use super::{
    blocks::Blocks,
    cursor::{Cursor, Parse, quote},
    lines::{Heading, LineKind},
    out::Out,
    prose::{Place, Prose},
    rules, types,
};
use crate::{
    ast::{Contract, Field, Name, Rule, Span, Spanned, Table, Type},
    codes,
    suggest::{did_you_mean, list_of},
    syntax::SyntaxKind::*,
};
use std::collections::BTreeMap;

/// What `Compatibility:` may say.
const COMPATIBILITIES: [&str; 4] = ["backward", "forward", "full", "none"];

impl Cursor<'_, '_> {
    /// `Payment version 2`, after the heading's colon.
    pub(crate) fn contract_heading(&mut self) -> Parse<(Name, Spanned<u32>)> {
        if self.done() {
            let d = self
                .error_here(codes::TITLE_MISSING, "a contract has a name and a version")
                .hint("write for example `Contract: Payment version 1`");
            return self.fail(d);
        }
        let name = self.name("the contract's name", false)?;
        let example = format!("write `Contract: {} version 1`", name.value);
        if !self.word(0, "version") {
            let d = self.error_here(codes::CONTRACT_HEADING, format!("expected `version` and a number, found {}", self.found()));
            let number = if self.punct(0, "@") { self.text(1) } else { self.text(0).trim_start_matches(['v', 'V']) };
            let hint = match number.parse::<u32>() {
                Ok(n) => format!("write `Contract: {} version {n}`", name.value),
                Err(_) => did_you_mean(self.text(0), ["version"]).unwrap_or(example),
            };
            return self.fail(d.hint(hint));
        }
        self.keywords(1);
        let span = self.here();
        let version = match self.text(0).parse::<u32>() {
            Ok(n) if n > 0 && self.kind(0) == Some(NUMBER) => Spanned::new(n, span),
            _ => {
                let d = self
                    .error_here(codes::CONTRACT_HEADING, format!("expected a version number from 1 on, found {}", self.found()))
                    .hint(example);
                return self.fail(d);
            }
        };
        self.bump();
        self.expect_end()?;
        Ok((name, version))
    }
}

impl Blocks<'_> {
    /// A `Contract:` block.
    pub(super) fn contract(&mut self) {
        let start = self.line().map_or(0, |l| l.first);
        self.out.start(CONTRACT);
        let heading = self.code_heading(Heading::Contract, |c| c.contract_heading());
        let (name, version) =
            heading.clone().unwrap_or_else(|| (Spanned::new(String::new(), Span::default()), Spanned::new(0, Span::default())));
        let mut found = Contract { name, version, prose: String::new(), metadata: Vec::new(), fields: Vec::new(), span: Span::default() };
        let mut prose = Prose::default();
        let mut fields_table: Option<Table> = None;
        while let Some(line) = self.line() {
            match line.kind {
                LineKind::Blank | LineKind::Comment => self.gap_or_comment(&mut prose),
                LineKind::Heading(_) => break,
                LineKind::Annotation if self.leads_to[self.at].is_some() => break,
                LineKind::Annotation => {
                    let d = self
                        .out
                        .error(codes::ANNOTATION_PLACE, Span::new(line.first, line.trimmed), "an annotation cannot stand in a contract")
                        .hint("what a contract says stands in `Key: value` lines and in its table");
                    self.out.report(d);
                    self.annotation_line();
                }
                LineKind::Table if fields_table.is_none() => fields_table = Some(self.table()),
                LineKind::Table => drop(self.stray_table()),
                LineKind::Text => {
                    self.text_line(Place::Contract, &mut prose, Some(&mut found.metadata));
                }
            }
        }
        found.prose = prose.text;
        found.span = Span::new(start, self.content_end);
        match &fields_table {
            Some(table) => found.fields = fields(&mut self.out, table),
            None => {
                let span = if heading.is_some() { found.name.span } else { Span::new(start, start) };
                let d = self
                    .out
                    .error(codes::CONTRACT_COLUMNS, span, "this contract has no table of fields")
                    .hint("add a table with the columns `field`, `type`, `rules`, `tags`");
                self.out.report(d);
            }
        }
        self.check_metadata(&found.metadata);
        check(&mut self.out, &found);
        self.out.finish();
        if heading.is_some() {
            self.document.contracts.push(found);
        }
    }
}

/// Reads the fields out of a contract's table.
pub(crate) fn fields(out: &mut Out<'_>, table: &Table) -> Vec<Field> {
    let column = |name: &str| table.columns.iter().position(|c| c.value.eq_ignore_ascii_case(name));
    let header = table.columns.first().map_or(table.span, |c| c.span);
    let (Some(name), Some(ty)) = (column("field"), column("type")) else {
        let missing = if column("field").is_none() { "field" } else { "type" };
        let d = out.error(codes::CONTRACT_COLUMNS, header, format!("the contract's table has no column `{missing}`"));
        let close = table.columns.iter().find(|c| match (missing, c.value.to_ascii_lowercase().as_str()) {
            ("field", "name" | "column" | "fields" | "col") | ("type", "types" | "datatype" | "data type" | "kind") => true,
            (_, written) => crate::suggest::closest(written, [missing]).is_some(),
        });
        let d = match close {
            Some(c) => d.hint(format!("rename the column {} to `{missing}`", quote(&c.value))),
            None => d.hint("the columns are `field`, `type`, `rules`, `tags`, and others as you like"),
        };
        out.report(d);
        return Vec::new();
    };
    let (rules, tags) = (column("rules"), column("tags"));
    for header in &table.columns {
        let known = ["field", "type", "rules", "tags"];
        if !known.iter().any(|k| header.value.eq_ignore_ascii_case(k))
            && let Some(hint) = did_you_mean(&header.value, known)
        {
            let d = out.error(codes::CONTRACT_COLUMNS, header.span, format!("{} is not a column that says anything", quote(&header.value)));
            out.report(d.hint(hint));
        }
    }
    if table.rows.is_empty() {
        let d = out.error(codes::CONTRACT_COLUMNS, header, "the contract has no fields").hint("add a row for each field");
        out.report(d);
    }
    let mut fields: Vec<Field> = Vec::new();
    for row in &table.rows {
        let cell = |i: usize| row.get(i).cloned().unwrap_or_else(|| Spanned::new(String::new(), table.span));
        let field_name = cell(name);
        if field_name.value.is_empty() {
            let d = out.error(codes::COLUMN_EMPTY, field_name.span, "this field has no name");
            out.report(d);
            continue;
        }
        let Some(field_type) = types::read(out, &cell(ty)) else { continue };
        let mut found = Field {
            name: field_name,
            ty: field_type,
            rules: rules.map(|i| rules::read(out, &cell(i))).unwrap_or_default(),
            tags: tags.map(|i| words(&cell(i))).unwrap_or_default(),
            more: BTreeMap::new(),
        };
        for (i, header) in table.columns.iter().enumerate() {
            if ![Some(name), Some(ty), rules, tags].contains(&Some(i)) {
                found.more.insert(header.value.clone(), cell(i).value);
            }
        }
        rules::check(out, &found);
        fields.push(found);
    }
    fields
}

/// Tags: words with commas or blanks between them.
fn words(cell: &Spanned<String>) -> Vec<Name> {
    let mut found = Vec::new();
    let mut at = 0;
    for part in cell.value.split(|c: char| c == ',' || c.is_whitespace()) {
        if !part.is_empty() {
            found.push(Spanned::new(part.to_owned(), within(cell, at, at + part.len())));
        }
        at += part.len() + cell.value[at + part.len()..].chars().next().map_or(0, char::len_utf8);
    }
    found
}

/// The place of a piece of a cell. Where escapes make the cell longer in the file than its value is, the whole cell.
pub(crate) fn within(cell: &Spanned<String>, start: usize, end: usize) -> Span {
    let length = (cell.span.end - cell.span.start) as usize;
    if length != cell.value.len() {
        return cell.span;
    }
    Span::new(cell.span.start as usize + start, cell.span.start as usize + end)
}

/// Rules about the contract as a whole.
pub(crate) fn check(out: &mut Out<'_>, contract: &Contract) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    let mut event_time: Option<Span> = None;
    for field in &contract.fields {
        if let Some(first) = seen.insert(&field.name.value, field.name.span) {
            let d = out
                .error(codes::DUPLICATE_NAME, field.name.span, format!("two fields are called {}", quote(&field.name.value)))
                .related(out.file, first, "the first one");
            out.report(d);
        }
        let rule = |wanted: &Rule| field.rules.iter().find(|r| r.value == *wanted);
        if let Some(rule) = rule(&Rule::EventTime) {
            if !matches!(field.ty.value, Type::Timestamp(_) | Type::Date) {
                let d = out
                    .error(codes::EVENT_TIME, rule.span, format!("{} is not a time", quote(&field.name.value)))
                    .label("event time is a timestamp or a date")
                    .related(out.file, field.ty.span, "its type");
                out.report(d);
            }
            if let Some(first) = event_time {
                let d = out
                    .error(codes::EVENT_TIME, rule.span, "a contract has one event time at most")
                    .related(out.file, first, "the other one")
                    .hint("choose another column per source with `time=`");
                out.report(d);
            }
            event_time = Some(rule.span);
        }
        if let Some(key) = rule(&Rule::Key)
            && rule(&Rule::Required).is_none()
        {
            let d = out
                .error(codes::KEY_REQUIRED, key.span, format!("{} is part of the key and may be null", quote(&field.name.value)))
                .hint("write `required, key`");
            out.report(d);
        }
    }
    let compatibility = contract.metadata.iter().find(|m| m.key.value == "Compatibility");
    if let Some(found) = compatibility
        && !COMPATIBILITIES.contains(&found.value.value.as_str())
    {
        let d = out.error(
            codes::COMPATIBILITY,
            found.value.span,
            format!("expected {}, found {}", list_of(&COMPATIBILITIES), quote(&found.value.value)),
        );
        let d = match did_you_mean(&found.value.value, COMPATIBILITIES) {
            Some(hint) => d.hint(hint),
            None => d,
        };
        out.report(d);
    }
}
