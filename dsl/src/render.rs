//! Diagnostics as people and machines read them.

use crate::{Diagnostic, FileId, Severity, Sources, ast::Span};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthChar;

/// Columns of a tab.
const TAB: usize = 4;
/// Longest piece of a line that is shown, in columns.
const MAX_COLUMNS: usize = 120;
/// Columns shown before the span where a line is cut.
const COLUMNS_BEFORE: usize = 30;
/// Most lines that are shown of one span.
const MAX_LINES: usize = 4;

/// ANSI codes, or nothing.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn severity(&self, severity: Severity, text: &str) -> String {
        self.with(
            match severity {
                Severity::Error => "1;31",
                Severity::Warning => "1;33",
                Severity::Note => "1;36",
            },
            text,
        )
    }

    fn frame(&self, text: &str) -> String {
        self.with("34", text)
    }
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// A diagnostic with the lines it is about, a caret under its place, the hint and related places. Ends with a line break.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, color: bool) -> String {
    let paint = Paint(color);
    let severity = diagnostic.severity;
    let head = format!("{}[{}]", name(severity), diagnostic.code);
    let mut text = format!("{}{}\n", paint.severity(severity, &head), paint.with("1", &format!(": {}", diagnostic.message)));
    let places = std::iter::once((diagnostic.file, diagnostic.span)).chain(diagnostic.related.iter().map(|r| (r.file, r.span)));
    let last = places.map(|(file, span)| sources.position(file, span.end).0).max().unwrap_or(1);
    let margin = last.to_string().len();
    let main = Snippet { file: diagnostic.file, span: diagnostic.span, label: diagnostic.label.as_deref(), mark: '^', severity };
    main.write(&mut text, sources, margin, paint);
    for related in &diagnostic.related {
        let place = Snippet { file: related.file, span: related.span, label: Some(&related.message), mark: '-', severity: Severity::Note };
        place.write(&mut text, sources, margin, paint);
    }
    if let Some(hint) = &diagnostic.hint {
        text.push_str(&format!("{} {} {}\n", " ".repeat(margin), paint.frame("="), paint.with("36", &format!("hint: {hint}"))));
    }
    text
}

/// A place with the text that stands there.
struct Snippet<'d> {
    file: FileId,
    span: Span,
    /// What stands behind the marks.
    label: Option<&'d str>,
    /// `^` under the finding itself, `-` under what explains it.
    mark: char,
    severity: Severity,
}

impl Snippet<'_> {
    /// `margin` is how many columns line numbers take.
    fn write(&self, text: &mut String, sources: &Sources, margin: usize, paint: Paint) {
        let Some(source) = sources.get(self.file) else { return };
        let pad = " ".repeat(margin);
        let (line, column) = sources.position(self.file, self.span.start);
        let arrow = if self.mark == '^' { "-->" } else { ":::" };
        text.push_str(&format!("{pad}{} {}:{line}:{column}\n", paint.frame(arrow), source.path));
        text.push_str(&format!("{pad} {}\n", paint.frame("|")));
        let lines = lines_of(&source.text, self.span);
        let shown = lines.len();
        for (i, (number, content, from, to)) in lines.into_iter().enumerate() {
            let (before, width, cut) = measure(content, from, to);
            text.push_str(&format!("{} {} {cut}\n", paint.frame(&format!("{number:>margin$}")), paint.frame("|")));
            let mut marks = self.mark.to_string().repeat(width);
            if let (Some(label), true) = (self.label, i + 1 == shown) {
                marks.push(' ');
                marks.push_str(label);
            }
            text.push_str(&format!("{pad} {} {}{}\n", paint.frame("|"), " ".repeat(before), paint.severity(self.severity, &marks)));
        }
    }
}

/// The lines of a span: number, text, first and last byte of the span in it. At most [`MAX_LINES`].
fn lines_of(text: &str, span: Span) -> Vec<(usize, &str, usize, usize)> {
    let clamp = |offset: u32| {
        let mut at = (offset as usize).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (start, end) = (clamp(span.start), clamp(span.end.max(span.start)));
    let mut number = text[..start].matches('\n').count() + 1;
    let mut line = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let mut found = Vec::new();
    while found.len() < MAX_LINES {
        let stop = text[line..].find('\n').map_or(text.len(), |n| line + n);
        let content = text[line..stop].strip_suffix('\r').unwrap_or(&text[line..stop]);
        let indent = content.len() - content.trim_start().len();
        let from = if start > line { start - line } else { indent.min(end.saturating_sub(line)) };
        found.push((number, content, from.min(content.len()), end.saturating_sub(line).clamp(from.min(content.len()), content.len())));
        line = stop + 1;
        number += 1;
        if line >= end || line > text.len() {
            break;
        }
    }
    found
}

/// Columns before the marks, how many marks, and the line as it is shown: tabs as blanks, cut around the span where it is long.
fn measure(line: &str, from: usize, to: usize) -> (usize, usize, String) {
    let mut columns = 0;
    let (mut before, mut after) = (None, None);
    let mut cells: Vec<(usize, String)> = Vec::new();
    for (i, c) in line.char_indices() {
        if i >= from && before.is_none() {
            before = Some(columns);
        }
        if i >= to && after.is_none() {
            after = Some(columns);
        }
        let (shown, width) = match c {
            '\t' => (" ".repeat(TAB), TAB),
            c if c.is_control() => ("\u{fffd}".to_owned(), 1),
            c => (c.to_string(), c.width().unwrap_or(0)),
        };
        cells.push((columns, shown));
        columns += width;
    }
    let before = before.unwrap_or(columns);
    let after = after.unwrap_or(columns);
    let carets = (after - before).max(1);
    if columns <= MAX_COLUMNS {
        return (before, carets, cells.into_iter().map(|(_, s)| s).collect());
    }
    let wanted = before.saturating_sub(COLUMNS_BEFORE);
    let first = cells.iter().map(|(c, _)| *c).find(|c| *c >= wanted).unwrap_or(0);
    let lead = if first > 0 { "…" } else { "" };
    let mut shown = lead.to_owned();
    shown.extend(cells.iter().filter(|(c, _)| *c >= first && *c < first + MAX_COLUMNS).map(|(_, s)| s.as_str()));
    if first + MAX_COLUMNS < columns {
        shown.push('…');
    }
    let start = before - first + usize::from(first > 0);
    (start, carets.min(MAX_COLUMNS.saturating_sub(before - first).max(1)), shown)
}

/// A diagnostic for machines. Lines and columns count from 1, in characters; `span` is in bytes.
pub fn to_json(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let place = |file: FileId, span: Span| {
        let (line, column) = sources.position(file, span.start);
        let (end_line, end_column) = sources.position(file, span.end);
        json!({
            "path": sources.get(file).map(|f| f.path.as_str()),
            "line": line,
            "column": column,
            "end_line": end_line,
            "end_column": end_column,
            "span": { "start": span.start, "end": span.end },
        })
    };
    let related: Vec<Value> = diagnostic
        .related
        .iter()
        .map(|r| {
            let mut value = place(r.file, r.span);
            value["message"] = json!(r.message);
            value
        })
        .collect();
    let mut value = place(diagnostic.file, diagnostic.span);
    value["code"] = json!(diagnostic.code);
    value["severity"] = json!(diagnostic.severity);
    value["message"] = json!(diagnostic.message);
    value["label"] = json!(diagnostic.label);
    value["hint"] = json!(diagnostic.hint);
    value["related"] = json!(related);
    value
}
