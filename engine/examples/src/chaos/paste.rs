//! A case as the text of an example, to be pasted below its scenario.

use super::{
    case::{Case, Together},
    timeline::{ItemRow, SegmentKind, Timeline},
};
use crate::{
    cells::write_cell,
    rows::{Row, as_text, plain_schema},
    script::Script,
};
use arrow::datatypes::SchemaRef;
use runink_engine::testing::Event;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// What a text is made of.
pub(crate) struct Paste<'a> {
    pub(crate) timeline: &'a Timeline,
    pub(crate) script: &'a Script<'a>,
    pub(crate) schemas: &'a [SchemaRef],
    /// The whole text of the scenario's file.
    pub(crate) text: &'a str,
}

/// What the example must come to.
pub(crate) struct Expecting<'a> {
    pub(crate) output: &'a str,
    pub(crate) columns: &'a [String],
    pub(crate) rows: &'a [Row],
    /// After which segment; nothing where it stands before the first.
    pub(crate) after: Option<usize>,
}

impl Paste<'_> {
    /// The example.
    pub(crate) fn example(&self, title: &str, case: &Case, expecting: &Expecting<'_>) -> String {
        let mut out = format!("    Examples: {title}\n");
        if case.workers > 1 {
            let _infallible = writeln!(out, "      Given {} workers", case.workers);
        }
        for (number, (segment, rows)) in self.timeline.segments.iter().zip(&case.segments).enumerate() {
            if expecting.after.is_none_or(|last| number > last) {
                break;
            }
            match &segment.kind {
                SegmentKind::Rows { .. } => rows.iter().for_each(|together| self.given(together, &mut out)),
                SegmentKind::When { span, .. } => {
                    let clause = self.text.get(span.range()).unwrap_or_default();
                    let clause = clause.trim().strip_prefix("And ").map_or_else(|| clause.trim().to_owned(), |rest| format!("When {rest}"));
                    let _infallible = writeln!(out, "      {clause}");
                }
            }
        }
        if expecting.rows.is_empty() {
            let _infallible = writeln!(out, "      Then {} is empty", expecting.output);
        } else {
            let _infallible = writeln!(out, "      Then {} is", expecting.output);
            table(expecting.columns, expecting.rows, &mut out);
        }
        out
    }

    fn given(&self, together: &Together, out: &mut String) {
        let source = &self.timeline.sources[together.source];
        let schema = plain_schema(&self.schemas[together.source]);
        let columns: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        let (mut rows, mut unreadable) = (Vec::new(), Vec::new());
        for id in together.rows() {
            let item = &self.timeline.rows[id];
            let Some((_, Event::Rows { batch, rejects, .. })) = self.script.events_of(source).get(item.event) else { continue };
            match item.row {
                ItemRow::Decoded(n) => rows.extend(as_text(&batch.slice(n, 1), &schema).unwrap_or_default()),
                ItemRow::Reject(n) => match rejects.get(n).map(|r| (cells_of(&r.raw, &columns), &r.raw)) {
                    Some((Some(cells), _)) => rows.push(cells),
                    Some((None, raw)) => unreadable.push(String::from_utf8_lossy(raw).replace('\n', " ")),
                    None => {}
                },
            }
        }
        for row in unreadable {
            let _infallible = writeln!(out, "      # and a row of a file that has no form as a table: {row}");
        }
        if together.batches.len() > 1 {
            let _infallible = writeln!(out, "      # these came in {} batches", together.batches.len());
        }
        let _infallible = writeln!(out, "      Given {source}");
        table(&columns, &rows, out);
        if together.crash {
            out.push_str("      When the worker crashes\n");
        }
    }
}

/// The cells of a row that did not decode, as its table had them.
fn cells_of(raw: &[u8], columns: &[String]) -> Option<Row> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(raw).ok()?;
    let cell = |column: &String| match object.get(column)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Some(columns.iter().map(cell).collect())
}

/// A table of an example. Columns in which no row has anything are left out.
fn table(columns: &[String], rows: &[Row], out: &mut String) {
    let used: Vec<usize> = (0..columns.len()).filter(|&c| rows.iter().any(|row| row.get(c).is_some_and(Option::is_some))).collect();
    let used = if used.is_empty() { (0..columns.len().min(1)).collect() } else { used };
    let header: Vec<String> = used.iter().map(|&c| columns[c].clone()).collect();
    let cells = |row: &Row| used.iter().map(|&c| write_cell(row.get(c).and_then(Option::as_deref))).collect();
    let lines: Vec<Vec<String>> = std::iter::once(header).chain(rows.iter().map(cells)).collect();
    let widths: Vec<usize> = (0..used.len()).map(|c| lines.iter().map(|l| l[c].width()).max().unwrap_or_default()).collect();
    for line in &lines {
        out.push_str("        |");
        for (cell, width) in line.iter().zip(&widths) {
            let _infallible = write!(out, " {cell}{} |", " ".repeat(width - cell.width()));
        }
        out.push('\n');
    }
}
