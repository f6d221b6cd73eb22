//! Tables: cells padded to the width that people see.

use crate::syntax::{SyntaxElement, SyntaxKind::*, SyntaxNode};
use unicode_width::UnicodeWidthStr;

/// Rows of cells (already escaped) as `| a | b |` lines, every column as wide as its widest cell. Rows may differ in length.
pub(crate) fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let mut line = String::from("|");
            for (cell, width) in row.iter().zip(&widths) {
                line.push(' ');
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - cell.width() + 1));
                line.push('|');
            }
            line
        })
        .collect()
}

/// A cell's text as a table writes it. A backslash is doubled only where it would be read as an escape, so that patterns stay readable.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '|' => out.push_str("\\|"),
            '\n' => out.push_str("\\n"),
            '\\' if matches!(chars.peek(), None | Some('|' | '\\' | 'n' | '\n')) => out.push_str("\\\\"),
            _ => out.push(c),
        }
    }
    out
}

/// A table of a text. A row that is not cut into cells by pipes keeps its text.
pub(super) fn formatted(table: &SyntaxNode) -> Vec<String> {
    let rows: Vec<Row> = table
        .children_with_tokens()
        .filter_map(|element| match element {
            SyntaxElement::Node(node) => Some(Row::of(&node)),
            SyntaxElement::Token(token) if token.kind() == COMMENT => {
                Some(Row { cells: None, text: token.text().trim_end().to_owned(), comment: None })
            }
            SyntaxElement::Token(_) => None,
        })
        .collect();
    let cells: Vec<Vec<String>> = rows.iter().filter_map(|r| r.cells.clone()).collect();
    let mut lines = aligned(&cells).into_iter();
    rows.into_iter()
        .map(|row| {
            let mut line = if row.cells.is_some() { lines.next().unwrap_or_default() } else { row.text };
            if let Some(comment) = row.comment {
                line.push_str("  ");
                line.push_str(comment.trim_end());
            }
            line
        })
        .collect()
}

/// One line of a table, or a comment between its rows.
struct Row {
    /// Its cells, where it is `| a | b |` and nothing else.
    cells: Option<Vec<String>>,
    /// What it says, without its comment.
    text: String,
    comment: Option<String>,
}

impl Row {
    fn of(node: &SyntaxNode) -> Self {
        let mut row = Row { cells: None, text: String::new(), comment: None };
        let mut cells = Vec::new();
        let mut cell: Option<String> = None;
        let mut regular = node.kind() == ROW && !node.descendants().any(|n| n.kind() == ERROR);
        for token in node.descendants_with_tokens().filter_map(SyntaxElement::into_token) {
            match token.kind() {
                NEWLINE => continue,
                COMMENT => {
                    row.comment = Some(token.text().to_owned());
                    continue;
                }
                PIPE => {
                    if let Some(cell) = cell.replace(String::new()) {
                        cells.push(cell.trim().to_owned());
                    }
                }
                _ => match &mut cell {
                    Some(cell) => cell.push_str(token.text()),
                    None => regular &= token.kind() == WHITESPACE,
                },
            }
            row.text.push_str(token.text());
        }
        row.text = row.text.trim().to_owned();
        let closed = cell.is_some_and(|rest| rest.trim().is_empty());
        row.cells = (regular && closed && !cells.is_empty()).then_some(cells);
        row
    }
}
