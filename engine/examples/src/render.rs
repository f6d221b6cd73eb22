//! Reports for people: what failed, where, and a table of rows in which the eye falls on what differs.

use crate::{
    cells::write_cell,
    compare::Difference,
    report::{Against, ExampleReport, Finding, Mismatch, MismatchKind, Outcome, Symptom},
};
use arrow::temporal_conversions::timestamp_us_to_datetime;
use runink_dsl::Sources;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// How many rows of each sort a table shows.
const ROWS_SHOWN: usize = 20;
/// How wide a cell is shown at most, in columns of a terminal.
const CELL_COLUMNS: usize = 60;

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";

struct Paint(bool);

impl Paint {
    fn text(&self, style: &str, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("{style}{text}{RESET}") } else { text.to_owned() }
    }
}

/// A report as text: one line where the example passed, else what is not as expected. Ends with a newline.
pub fn render(report: &ExampleReport, sources: &Sources, color: bool) -> String {
    let paint = Paint(color);
    let place = |span: runink_dsl::ast::Span| {
        let path = sources.get(report.file).map_or("", |f| f.path.as_str());
        format!("({path}:{}", sources.position(report.file, span.start).0)
    };
    let title = format!("{}: {}", report.scenario, report.title.value);
    let mut out = String::new();
    match &report.outcome {
        Outcome::Passed => {
            let ms = format!("{:.1} ms", report.duration.as_secs_f64() * 1000.0);
            let cases = if report.cases > 0 { format!(", {} cases", report.cases) } else { String::new() };
            line(&mut out, &format!("{} {title} {}", paint.text(GREEN, "✓"), paint.text(DIM, &format!("{ms}{cases}"))));
            for file in &report.accepted {
                line(&mut out, &format!("  accepted {}", file.path));
            }
        }
        Outcome::Failed(mismatches) => {
            line(
                &mut out,
                &format!(
                    "{} {} {}",
                    paint.text(RED, "✗"),
                    paint.text(BOLD, &title),
                    paint.text(DIM, &format!("{})", place(report.title.span)))
                ),
            );
            for mismatch in mismatches {
                render_mismatch(mismatch, &place(mismatch.span), &paint, &mut out);
            }
        }
        Outcome::Broken(diagnostics) => {
            let what = paint.text(RED, "✗");
            line(
                &mut out,
                &format!("{what} {} cannot run {}", paint.text(BOLD, &title), paint.text(DIM, &format!("{})", place(report.title.span)))),
            );
            for diagnostic in diagnostics {
                for text in runink_dsl::render(diagnostic, sources, color).lines() {
                    line(&mut out, &format!("  {text}"));
                }
            }
        }
    }
    out
}

/// The closing line of a run.
pub fn summary(reports: &[&ExampleReport], color: bool) -> String {
    let paint = Paint(color);
    let count = |wanted: fn(&Outcome) -> bool| reports.iter().filter(|r| wanted(&r.outcome)).count();
    let passed = count(|o| matches!(o, Outcome::Passed));
    let failed = count(|o| matches!(o, Outcome::Failed(_)));
    let broken = count(|o| matches!(o, Outcome::Broken(_)));
    let total: std::time::Duration = reports.iter().map(|r| r.duration).sum();
    let mut parts = vec![paint.text(GREEN, &format!("{passed} passed"))];
    for (n, word) in [(failed, "failed"), (broken, "cannot run")] {
        if n > 0 {
            parts.push(paint.text(RED, &format!("{n} {word}")));
        }
    }
    let examples = if reports.len() == 1 { "1 example" } else { &format!("{} examples", reports.len()) };
    format!("{examples}: {} in {} ms\n", parts.join(", "), total.as_millis())
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn render_mismatch(mismatch: &Mismatch, place: &str, paint: &Paint, out: &mut String) {
    let on = if mismatch.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", mismatch.workers) };
    let at = paint.text(DIM, &format!("{place}, on {on})"));
    match &mismatch.kind {
        MismatchKind::Rows { difference, rejected, watermark_us } => {
            line(out, &format!("  {}: {} {at}", mismatch.output, counts(difference)));
            render_difference(difference, paint, out);
            if let Some(us) = watermark_us.filter(|_| !difference.missing.is_empty()) {
                line(out, &format!("  its watermark stands at {} by then: windows that end later are open", time_text(us)));
            }
            if !rejected.is_empty() {
                line(out, "  rejected by then:");
                rejected.iter().for_each(|r| line(out, &format!("    {r}")));
            }
        }
        MismatchKind::Watermark { expected_us, actual_us } => {
            let actual = actual_us.map_or_else(|| "not set yet".to_owned(), time_text);
            let (expected, actual) = (paint.text(RED, &time_text(*expected_us)), paint.text(GREEN, &actual));
            line(out, &format!("  the watermark of {}: expected {expected}, it is {actual} {at}", mismatch.output));
        }
        MismatchKind::Stopped { message, hint, .. } => {
            line(out, &format!("  the scenario stopped: {} {at}", paint.text(RED, message)));
            if let Some(hint) = hint {
                line(out, &format!("  hint: {hint}"));
            }
        }
        MismatchKind::DependsOnWorkers { other, difference } => {
            let what =
                format!("the result depends on the number of workers (this is a bug of Runink); `-` stands for {other}, `+` for {on}");
            line(out, &format!("  {}: {what} {at}", mismatch.output));
            render_difference(difference, paint, out);
        }
        MismatchKind::Chaos(finding) => render_finding(finding, &mismatch.output, &at, paint, out),
    }
}

fn render_finding(finding: &Finding, output: &str, at: &str, paint: &Paint, out: &mut String) {
    let found = match (finding.run, finding.against) {
        (0, _) => "with all rows that may come together in one epoch, it breaks what the example expects".to_owned(),
        (run, Against::Expectation) => format!("case {run} of seed {} breaks what the example expects", finding.seed),
        (run, Against::Recomputation) => format!("case {run} of seed {} differs from a recomputation from scratch", finding.seed),
    };
    line(out, &format!("  {output} depends on the order of rows, or on how they are cut into epochs: {found} {at}"));
    line(out, &format!("  smallest case: {} of {} rows", finding.rows, finding.of));
    match &finding.symptom {
        Symptom::Rows(difference) => render_difference(difference, paint, out),
        Symptom::Watermark { expected_us, actual_us } => {
            let actual = actual_us.map_or_else(|| "not set yet".to_owned(), time_text);
            line(out, &format!("  the watermark: expected {}, it is {actual}", time_text(*expected_us)));
        }
        Symptom::Stopped(message) => line(out, &format!("  the scenario stopped: {message}")),
    }
    if !finding.example.is_empty() {
        line(out, "  as an example, to be pasted below the scenario:");
        finding.example.lines().for_each(|text| line(out, text));
    }
}

/// "1 row differs, 2 are missing, 1 was not expected, 3 match".
fn counts(difference: &Difference) -> String {
    let mut parts = Vec::new();
    let mut part = |n: usize, one: &str, many: &str| {
        if n > 0 {
            let row = match (parts.is_empty(), n) {
                (true, 1) => " row",
                (true, _) => " rows",
                (false, _) => "",
            };
            parts.push(format!("{n}{row} {}", if n == 1 { one } else { many }));
        }
    };
    part(difference.changed.len(), "differs", "differ");
    part(difference.missing.len(), "is missing", "are missing");
    part(difference.unexpected.len(), "was not expected", "were not expected");
    part(difference.matching, "matches", "match");
    parts.join(", ")
}

/// A row as it is shown: its mark, its style, and its cells with what each one replaces.
struct Shown<'a> {
    mark: &'a str,
    style: &'a str,
    cells: Vec<ShownCell>,
}

struct ShownCell {
    text: String,
    /// In place of the expected one.
    instead: Option<String>,
}

impl ShownCell {
    fn width(&self) -> usize {
        self.text.width() + self.instead.as_ref().map_or(0, |i| i.width() + ARROW.width())
    }
}

const ARROW: &str = " → ";

fn render_difference(difference: &Difference, paint: &Paint, out: &mut String) {
    let plain = |row: &Vec<Option<String>>| row.iter().map(|c| ShownCell { text: cut(c.as_deref()), instead: None }).collect();
    let changed = difference.changed.iter().take(ROWS_SHOWN).map(|change| {
        let cells = change.expected.iter().zip(&change.actual).map(|(expected, actual)| ShownCell {
            text: if expected == actual { cut(expected.as_deref()) } else { shown_null(expected.as_deref()) },
            instead: (expected != actual).then(|| shown_null(actual.as_deref())),
        });
        Shown { mark: "~", style: YELLOW, cells: cells.collect() }
    });
    let missing = difference.missing.iter().take(ROWS_SHOWN).map(|row| Shown { mark: "-", style: RED, cells: plain(row) });
    let unexpected = difference.unexpected.iter().take(ROWS_SHOWN).map(|row| Shown { mark: "+", style: GREEN, cells: plain(row) });
    let rows: Vec<Shown<'_>> = changed.chain(missing).chain(unexpected).collect();

    let mut widths: Vec<usize> = difference.columns.iter().map(|c| c.width()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.width());
        }
    }
    let pad = |width: usize, used: usize| " ".repeat(width.saturating_sub(used));
    let mut header = String::from("      |");
    for (column, width) in difference.columns.iter().zip(&widths) {
        let _ = write!(header, " {column}{} |", pad(*width, column.width()));
    }
    line(out, &paint.text(DIM, &header));
    for row in &rows {
        let mut text = format!("    {} |", paint.text(row.style, row.mark));
        for (cell, width) in row.cells.iter().zip(&widths) {
            let shown = match &cell.instead {
                Some(instead) => format!("{}{ARROW}{}", paint.text(RED, &cell.text), paint.text(GREEN, instead)),
                None if row.mark == "~" => cell.text.clone(),
                None => paint.text(row.style, &cell.text),
            };
            let _ = write!(text, " {shown}{} |", pad(*width, cell.width()));
        }
        line(out, &text);
    }
    for (rows, what) in [
        (difference.changed.len(), "differ"),
        (difference.missing.len(), "are missing"),
        (difference.unexpected.len(), "were not expected"),
    ] {
        if rows > ROWS_SHOWN {
            line(out, &format!("      … and {} more that {what}", rows - ROWS_SHOWN));
        }
    }
    let legend = [
        (!difference.changed.is_empty(), "~ expected → actual"),
        (!difference.missing.is_empty(), "- missing"),
        (!difference.unexpected.is_empty(), "+ not expected"),
    ];
    let legend: Vec<&str> = legend.into_iter().filter(|(shown, _)| *shown).map(|(_, text)| text).collect();
    line(out, &paint.text(DIM, &format!("      {}", legend.join(", "))));
}

/// In a change, an empty cell would not be seen.
fn shown_null(cell: Option<&str>) -> String {
    if cell.is_none() { "null".to_owned() } else { cut(cell) }
}

/// A cell as tables have it, cut where it is long.
fn cut(cell: Option<&str>) -> String {
    let text = write_cell(cell);
    if text.width() <= CELL_COLUMNS {
        return text;
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if short.width() >= CELL_COLUMNS {
            break;
        }
    }
    short.push('…');
    short
}

/// A moment as tables have it.
pub(crate) fn time_text(us: i64) -> String {
    if us == i64::MAX {
        return "at the end".to_owned();
    }
    match timestamp_us_to_datetime(us) {
        Some(time) => format!("{}Z", time.format("%Y-%m-%dT%H:%M:%S%.f")),
        None => format!("{us} µs"),
    }
}
