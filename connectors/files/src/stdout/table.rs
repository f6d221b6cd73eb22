//! Rows as a table of text: columns that line up, numbers to the right, nothing that a terminal would obey.

use arrow::{
    array::{Int64Array, new_empty_array},
    datatypes::SchemaRef,
    record_batch::RecordBatch,
};
use runink_connector_api::ConnectorError;
use runink_formats::CellText;
use std::fmt::Write;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many rows show how wide the columns are, at most.
const ROWS_TO_SIZE: usize = 20;
/// How wide a cell is, at most; what is cut ends in `…`.
const MAX_CELL_WIDTH: usize = 48;
const GAP: &str = "  ";
const NULL: &str = "null";

struct Column {
    /// Its name, as it is shown.
    head: String,
    right: bool,
    width: usize,
}

/// Lays rows out. Widths come from the first rows; a wider cell later widens its column from there on.
pub(crate) struct Table {
    schema: SchemaRef,
    changelog: bool,
    columns: Vec<Column>,
    /// The first rows, until the columns have their widths.
    held: Vec<(RecordBatch, Option<Int64Array>)>,
    held_rows: usize,
    sized: bool,
    ready: String,
    cell: String,
    bytes: Vec<u8>,
}

impl Table {
    pub(crate) fn new(schema: &SchemaRef, changelog: bool) -> Result<Self, ConnectorError> {
        let mut columns = Vec::new();
        for field in schema.fields() {
            CellText::new(field, new_empty_array(field.data_type()).as_ref())?;
            let mut head = String::new();
            push_shown(field.name(), &mut head);
            let width = head.width();
            columns.push(Column { head, right: field.data_type().is_numeric(), width });
        }
        Ok(Table {
            schema: schema.clone(),
            changelog,
            columns,
            held: Vec::new(),
            held_rows: 0,
            sized: false,
            ready: String::new(),
            cell: String::new(),
            bytes: Vec::new(),
        })
    }

    /// Takes rows. They are held until there are enough to see how wide the columns are.
    pub(crate) fn push(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), ConnectorError> {
        if self.sized {
            return self.write_rows(batch, diffs);
        }
        self.held.push((batch.clone(), diffs.cloned()));
        self.held_rows += batch.num_rows();
        if self.held_rows >= ROWS_TO_SIZE { self.lay_out() } else { Ok(()) }
    }

    /// Makes the held rows ready, however few there are: somebody waits to see them.
    pub(crate) fn lay_out(&mut self) -> Result<(), ConnectorError> {
        if self.held_rows == 0 {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        self.held_rows = 0;
        self.sized = true;
        let mut left = ROWS_TO_SIZE;
        for (batch, _) in &held {
            let rows = batch.num_rows().min(left);
            left -= rows;
            for column in 0..self.columns.len() {
                let field = self.schema.field(column);
                let text = CellText::new(field, batch.column(column).as_ref())?;
                for row in 0..rows {
                    show(&text, row, &mut self.bytes, &mut self.cell);
                    self.columns[column].width = self.columns[column].width.max(self.cell.width());
                }
            }
        }
        for (batch, diffs) in &held {
            self.write_rows(batch, diffs.as_ref())?;
        }
        Ok(())
    }

    /// The lines that are ready.
    pub(crate) fn ready(&self) -> &str {
        &self.ready
    }

    /// They have been written.
    pub(crate) fn clear(&mut self) {
        self.ready.clear();
    }

    /// The table's head, as wide as the columns are now.
    pub(crate) fn head(&self, title: Option<&str>, after_others: bool) -> String {
        let mut head = String::new();
        if after_others {
            head.push('\n');
        }
        if let Some(title) = title {
            head.push_str("── ");
            push_shown(title, &mut head);
            head.push_str(" ──\n");
        }
        let mut rule = String::new();
        if self.changelog {
            head.push('±');
            rule.push('─');
        }
        for (i, column) in self.columns.iter().enumerate() {
            if i > 0 || self.changelog {
                head.push_str(GAP);
                rule.push_str(GAP);
            }
            let last = i + 1 == self.columns.len();
            align(&column.head, column.width, column.right, last, &mut head);
            rule.extend(std::iter::repeat_n('─', column.width));
        }
        head.push('\n');
        head.push_str(&rule);
        head.push('\n');
        head
    }

    fn write_rows(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), ConnectorError> {
        let mut texts = Vec::with_capacity(self.columns.len());
        for (field, column) in self.schema.fields().iter().zip(batch.columns()) {
            texts.push(CellText::new(field, column.as_ref())?);
        }
        for row in 0..batch.num_rows() {
            if self.changelog {
                push_sign(diffs.map_or(1, |d| d.value(row)), &mut self.ready);
            }
            for (i, (column, text)) in self.columns.iter_mut().zip(&texts).enumerate() {
                if i > 0 || self.changelog {
                    self.ready.push_str(GAP);
                }
                show(text, row, &mut self.bytes, &mut self.cell);
                column.width = column.width.max(self.cell.width());
                align(&self.cell, column.width, column.right, i + 1 == texts.len(), &mut self.ready);
            }
            self.ready.push('\n');
        }
        Ok(())
    }
}

/// `+` and `-`; with the number where it is not one.
fn push_sign(diff: i64, out: &mut String) {
    out.push(if diff < 0 { '-' } else { '+' });
    if diff.unsigned_abs() != 1 {
        // Writing to a text cannot fail.
        let _ = write!(out, "{}", diff.unsigned_abs());
    }
}

fn align(text: &str, width: usize, right: bool, last: bool, out: &mut String) {
    let missing = width.saturating_sub(text.width());
    if right {
        out.extend(std::iter::repeat_n(' ', missing));
    }
    out.push_str(text);
    // No line ends in blanks.
    if !right && !last {
        out.extend(std::iter::repeat_n(' ', missing));
    }
}

/// Puts a cell, as it is shown, into `cell`.
fn show(text: &CellText<'_>, row: usize, bytes: &mut Vec<u8>, cell: &mut String) {
    bytes.clear();
    cell.clear();
    if text.write(row, bytes) {
        push_shown(&String::from_utf8_lossy(bytes), cell);
    } else {
        cell.push_str(NULL);
    }
}

/// Appends text without anything that a terminal would obey, and not more of it than fits.
fn push_shown(text: &str, out: &mut String) {
    let mut width = 0;
    // Where the text would be cut, if it turns out to be too long.
    let mut cut = None;
    for c in text.chars() {
        let before = out.len();
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Marks that turn the direction of text around would disorder the whole line.
            c if c.is_control() || ('\u{202A}'..='\u{202E}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c) => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
            c => out.push(c),
        }
        // What was written out in ASCII is as wide as it is long.
        width += c.width().unwrap_or(out.len() - before);
        if width >= MAX_CELL_WIDTH && cut.is_none() {
            cut = Some(before);
        }
        if width > MAX_CELL_WIDTH {
            out.truncate(cut.unwrap_or(before));
            out.push('…');
            return;
        }
    }
}
