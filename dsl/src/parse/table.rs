//! Tables: rows of cells between `|`.

use super::{atoms::unescape, cursor::quote, lines::Line, out::Out};
use crate::{
    ast::{Name, Span, Spanned, Table},
    codes,
    syntax::SyntaxKind::*,
};

/// Most columns of a table.
pub(crate) const MAX_COLUMNS: usize = 4096;

/// Writes the rows of a table into the tree and reads them. `lines` are its rows, with the comment lines between them.
pub(crate) fn table(out: &mut Out<'_>, lines: &[Line]) -> Table {
    let span = match (lines.first(), lines.last()) {
        (Some(first), Some(last)) => Span::new(first.first, last.trimmed),
        _ => Span::default(),
    };
    let mut rows: Vec<(Vec<Spanned<String>>, Span)> = Vec::new();
    out.start(TABLE);
    for line in lines {
        if out.text[line.first..].starts_with('#') {
            out.blank(line.first);
            out.token(COMMENT, line.end);
            out.token(NEWLINE, line.next);
        } else if let Some(cells) = row(out, line) {
            rows.push((cells, Span::new(line.first, line.trimmed)));
        }
    }
    out.finish();
    let mut rows = rows.into_iter();
    let columns = rows.next().map(|(cells, _)| cells).unwrap_or_default();
    check_header(out, &columns);
    let rows = rows.filter_map(|(cells, span)| same_length(out, &columns, cells, span)).collect();
    Table { columns, rows, span }
}

/// One row; nothing where it is Markdown's separator.
fn row(out: &mut Out<'_>, line: &Line) -> Option<Vec<Spanned<String>>> {
    let text = out.text;
    let content = &text[line.first..line.trimmed];
    if content.len() > 1 && content.chars().all(|c| matches!(c, '|' | '-' | ':' | '+' | ' ')) && content.contains("--") {
        let d = out
            .error(codes::TABLE_RULE, Span::new(line.first, line.trimmed), "tables have no separator line")
            .hint("remove the line: the first row is the header");
        out.report(d);
        out.blank(line.first);
        out.start(ERROR);
        out.token(TEXT, line.end);
        out.token(NEWLINE, line.next);
        out.finish();
        return None;
    }
    out.start(ROW);
    out.blank(line.first);
    out.token(PIPE, line.first + 1);
    let mut cells = Vec::new();
    let mut at = line.first + 1;
    while let Some(bar) = next_bar(&text[at..line.trimmed]).map(|n| at + n) {
        let cell = cell(out, at, bar);
        cells.push(cell);
        out.token(PIPE, bar + 1);
        at = bar + 1;
    }
    let rest = &text[at..line.trimmed];
    let first = at + (rest.len() - rest.trim_start().len());
    if text[first..line.trimmed].starts_with('#') && !cells.is_empty() {
        out.blank(first);
        out.token(COMMENT, line.end);
    } else if first < line.trimmed || cells.is_empty() {
        let d = out
            .error(codes::ROW_UNCLOSED, Span::new(line.trimmed, line.trimmed), "this row does not end with `|`")
            .hint("close the last cell with `|`");
        out.report(d);
        let cell = cell(out, at, line.trimmed);
        cells.push(cell);
    }
    out.blank(line.end);
    out.token(NEWLINE, line.next);
    out.finish();
    Some(cells)
}

/// The next `|` that is not escaped.
fn next_bar(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|b| {
        let bar = b == b'|' && !escaped;
        escaped = b == b'\\' && !escaped;
        bar
    })
}

fn cell(out: &mut Out<'_>, start: usize, end: usize) -> Spanned<String> {
    let raw = &out.text[start..end];
    let first = start + (raw.len() - raw.trim_start().len());
    let last = first + out.text[first..end].trim_end().len();
    out.start(CELL);
    out.blank(first);
    out.token(TEXT, last);
    out.blank(end);
    out.finish();
    let span = if first == last { Span::new(start, end) } else { Span::new(first, last) };
    Spanned::new(unescape_cell(&out.text[first..last]), span)
}

/// `\|`, `\\` and `\n` undone.
fn unescape_cell(text: &str) -> String {
    unescape(text, &[('|', '|'), ('\\', '\\'), ('n', '\n')])
}

fn check_header(out: &mut Out<'_>, columns: &[Name]) {
    if columns.len() > MAX_COLUMNS {
        let span = columns.last().map_or(Span::default(), |c| c.span);
        let d = out.error(codes::CELL_COUNT, span, format!("a table has at most {MAX_COLUMNS} columns"));
        return out.report(d);
    }
    let mut seen: std::collections::HashMap<&str, Span> = std::collections::HashMap::new();
    for column in columns {
        if column.value.is_empty() {
            let d = out.error(codes::COLUMN_EMPTY, column.span, "this column has no name").hint("write its name into the header");
            out.report(d);
        } else if let Some(first) = seen.get(column.value.as_str()) {
            let d = out.error(codes::COLUMN_TWICE, column.span, format!("{} stands twice in the header", quote(&column.value))).related(
                out.file,
                *first,
                "it stands here first",
            );
            out.report(d);
        } else {
            seen.insert(&column.value, column.span);
        }
    }
}

/// A row that has the header's number of cells.
fn same_length(out: &mut Out<'_>, columns: &[Name], cells: Vec<Spanned<String>>, span: Span) -> Option<Vec<Spanned<String>>> {
    if cells.len() == columns.len() {
        return Some(cells);
    }
    let (has, needs) = (cells.len(), columns.len());
    let plural = |n: usize| if n == 1 { "1 cell".to_owned() } else { format!("{n} cells") };
    let d = out.error(codes::CELL_COUNT, span, format!("this row has {}, the header has {needs}", plural(has)));
    let d = if has > needs {
        d.hint("write `\\|` for a bar inside a cell")
    } else {
        match columns.get(has) {
            Some(missing) => d.hint(format!("the cell of `{}` is missing; an empty cell is written `| |`", missing.value)),
            None => d,
        }
    };
    out.report(d);
    None
}
