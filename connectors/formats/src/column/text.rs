//! CSV cells into columns.

use super::{BytesKind, Column, Member, is_json, type_name};
use crate::{
    cell::{Grammar, Number, decode_base64, fits_precision, parse_flag, scan_number},
    failure::Failure,
    json::{Cursor, join_lines, read_member, time_from_text, time_in_range},
};

/// A cell as it stands in its row.
#[derive(Clone, Copy)]
pub(crate) struct Cell<'a> {
    /// Its content, without the quotes around it and with doubled ones made single.
    pub(crate) text: &'a [u8],
    /// It was in quotes.
    pub(crate) quoted: bool,
}

impl Member {
    /// Adds a cell. What a failure leaves half built, the caller cuts back.
    #[inline]
    pub(crate) fn push_cell(&mut self, cell: Cell<'_>, null: &[u8]) -> Result<(), Failure> {
        // An empty cell is a value of text, and in quotes of bytes; for other types it can be nothing but a null.
        let empty_is_null = match self.column {
            Column::Bytes { kind: BytesKind::Text, .. } => false,
            Column::Bytes { kind: BytesKind::Binary, .. } => !cell.quoted,
            _ => true,
        };
        if (!cell.quoted && cell.text == null) || (cell.text.is_empty() && empty_is_null) {
            if !self.field.is_nullable() {
                return Err(Failure::nothing(self.field.name()));
            }
            self.column.push_null();
            return Ok(());
        }
        if let Column::List { .. } | Column::Struct { .. } | Column::Bytes { kind: BytesKind::Json, .. } = self.column {
            return self.push_json(cell.text);
        }
        if self.column.push_plain(cell.text) {
            return Ok(());
        }
        Err(Failure::value(self.field.name(), type_name(&self.field), &quoted(cell.text)))
    }

    /// Adds a cell that holds JSON.
    fn push_json(&mut self, text: &[u8]) -> Result<(), Failure> {
        if text.contains(&b'\n') {
            let mut line = text.to_vec();
            // A newline that stays is inside a string, where the cursor finds it.
            join_lines(&mut line);
            return self.push_json_line(&line);
        }
        self.push_json_line(text)
    }

    fn push_json_line(&mut self, text: &[u8]) -> Result<(), Failure> {
        let mut cursor = Cursor::new(text);
        cursor.space();
        let read = read_member(self, &mut cursor);
        cursor.space();
        match read {
            Ok(()) if cursor.at == text.len() => Ok(()),
            Err(misfit @ Failure::Misfit(_)) => Err(misfit),
            _ => {
                let as_json = if is_json(&self.field) { "" } else { " as JSON" };
                Err(Failure::value(self.field.name(), format!("{}{as_json}", type_name(&self.field)), &quoted(text)))
            }
        }
    }
}

impl Column {
    /// Adds a value that is not null; `false` where it is none of the column's type.
    #[inline(always)]
    fn push_plain(&mut self, text: &[u8]) -> bool {
        match self {
            Column::Bytes { values, kind: BytesKind::Binary, .. } => {
                if !decode_base64(text, &mut values.bytes) {
                    return false;
                }
                values.end();
            }
            Column::Bytes { values, .. } => {
                values.bytes.extend_from_slice(text);
                values.end();
            }
            Column::Int { values, kind, .. } => {
                let text = text.trim_ascii();
                let (min, max) = kind.range();
                match number(text).and_then(|n| n.to_i64(text)) {
                    Some(value) if (min..=max).contains(&value) => values.push(value),
                    _ => return false,
                }
            }
            Column::UInt64 { values, .. } => {
                let text = text.trim_ascii();
                let Some(value) = number(text).and_then(|n| n.to_u64(text)) else { return false };
                values.push(value);
            }
            Column::Float { values, single, .. } => {
                let Some(value) = float(text.trim_ascii(), *single) else { return false };
                values.push(value);
            }
            Column::Decimal { values, precision, scale, .. } => {
                let text = text.trim_ascii();
                match number(text).and_then(|n| n.to_scaled(text, i32::from(*scale))) {
                    Some(value) if fits_precision(value, *precision) => values.push(value),
                    _ => return false,
                }
            }
            Column::Flag { values, .. } => {
                let Some(value) = parse_flag(text.trim_ascii()) else { return false };
                values.push(value);
            }
            Column::Time { values, kind, unit, .. } => {
                let text = text.trim_ascii();
                let units = || number(text).and_then(|n| n.to_i64(text)).filter(|v| time_in_range(*kind, *unit, *v));
                let Some(value) = time_from_text(*kind, *unit, text).or_else(units) else { return false };
                values.push(value);
            }
            Column::List { .. } | Column::Struct { .. } => return false,
        }
        true
    }
}

/// A number that is the whole text.
#[inline(always)]
fn number(text: &[u8]) -> Option<Number> {
    scan_number(text, Grammar::Plain).filter(|n| n.len == text.len())
}

/// A float. Words for what is not finite count; a number too large does not.
fn float(text: &[u8], single: bool) -> Option<f64> {
    if let Some(number) = number(text) {
        let value = if single { number.to_f32(text).map(f64::from) } else { number.to_f64(text) };
        return value.filter(|v| v.is_finite());
    }
    // Only words are left that `std` knows: `NaN`, `inf`, `-Infinity`, in any case.
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// As messages show a cell.
fn quoted(text: &[u8]) -> Vec<u8> {
    [b"`", text, b"`"].concat()
}
