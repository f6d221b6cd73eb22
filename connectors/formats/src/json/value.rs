//! JSON values into columns.

use super::cursor::Cursor;
use crate::{
    cell::{Grammar, Number, decode_base64, fits_precision, parse_date, parse_moment, parse_time, scan_number},
    column::{BytesKind, Column, Member, Rows, TimeKind, type_name},
    failure::{Failure, Misfit},
};
use arrow::datatypes::TimeUnit;

/// The row's own members whose last value so far did not fit, each once, in the order they came. The row goes on to be read, to see whether it is JSON
/// at all, and since the same key may come again with a value that fits.
pub(crate) type Pending = Vec<(usize, Box<Misfit>)>;

/// Reads the object of a whole row, up to its `}`, and returns how many members it gave; the row is not completed. Values that do not fit are left in
/// `pending`.
#[inline]
pub(super) fn read_row(rows: &mut Rows, cursor: &mut Cursor<'_>, pending: &mut Pending) -> Result<usize, Failure> {
    read_object(rows, cursor, |rows, cursor, member, start, failure| match failure {
        Some(Failure::Misfit(misfit)) => {
            rows.members[member].column.truncate(rows.len);
            cursor.at = start;
            cursor.skip_value()?;
            match pending.iter_mut().find(|(other, _)| *other == member) {
                Some((_, last)) => *last = misfit,
                None => pending.push((member, misfit)),
            }
            Ok(())
        }
        Some(syntax) => Err(syntax),
        None => {
            if !pending.is_empty() {
                pending.retain(|(other, _)| *other != member);
            }
            Ok(())
        }
    })
}

/// Reads an object's members and returns how many of those that are wanted it has. `after` is told how each of these went, and what it stands at.
#[inline]
fn read_object(
    rows: &mut Rows,
    cursor: &mut Cursor<'_>,
    mut after: impl FnMut(&mut Rows, &mut Cursor<'_>, usize, usize, Option<Failure>) -> Result<(), Failure>,
) -> Result<usize, Failure> {
    if cursor.peek() != b'{' {
        return Err(Failure::syntax(cursor.at, "`{`"));
    }
    let (mut slot, mut filled) = (0, 0);
    loop {
        let member = match rows.keys.guess(slot, cursor.rest()) {
            Some((found, member, len)) => {
                slot = found;
                cursor.at += len;
                // The line before may have had less space there.
                cursor.space();
                member
            }
            None if slot > 0 && cursor.peek() == b'}' => {
                cursor.at += 1;
                return Ok(filled);
            }
            None => match read_key(rows, cursor, slot)? {
                Some(member) => member,
                None => return Ok(filled),
            },
        };
        slot += 1;
        let Some(index) = member else {
            cursor.skip_value()?;
            continue;
        };
        let row = rows.len;
        let member = &mut rows.members[index];
        filled += 1;
        if member.last_row == row && member.column.len() > row {
            // The key was there before: the last one counts.
            member.column.truncate(row);
            filled -= 1;
        }
        member.last_row = row;
        let start = cursor.at;
        let failure = read_member(member, cursor).err();
        if failure.is_some() {
            filled -= 1;
        }
        after(rows, cursor, index, start, failure)?;
    }
}

/// Reads from the end of a value (or from the object's `{`) to the start of the next one, and remembers its key. `None` at the object's end.
#[cold]
fn read_key(rows: &mut Rows, cursor: &mut Cursor<'_>, slot: usize) -> Result<Option<Option<usize>>, Failure> {
    let raw = cursor.at;
    let first = slot == 0;
    if !first {
        cursor.space();
    }
    match cursor.peek() {
        b'{' if first => cursor.at += 1,
        b',' if !first => cursor.at += 1,
        b'}' if !first => {
            cursor.at += 1;
            return Ok(None);
        }
        _ => return Err(Failure::syntax(cursor.at, "`,` or `}`")),
    }
    cursor.space();
    if first && cursor.peek() == b'}' {
        cursor.at += 1;
        return Ok(None);
    }
    if cursor.peek() != b'"' {
        return Err(Failure::syntax(cursor.at, "a key in `\"`"));
    }
    let member = rows.keys.member(cursor.text()?);
    cursor.colon()?;
    rows.keys.remember(slot, &cursor.buf[raw..cursor.at], member);
    Ok(Some(member))
}

/// Reads a value into a member. What a failure leaves half built, the caller cuts back.
#[inline]
pub(crate) fn read_member(member: &mut Member, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
    if cursor.peek() == b'n' {
        cursor.literal("null")?;
        if !member.field.is_nullable() {
            return Err(Failure::nothing(member.field.name()));
        }
        member.column.push_null();
        return Ok(());
    }
    let start = cursor.at;
    match read_value(&mut member.column, cursor) {
        Ok(true) => Ok(()),
        Ok(false) => {
            cursor.at = start;
            cursor.skip_value()?;
            Err(Failure::value(member.field.name(), type_name(&member.field), &cursor.buf[start..cursor.at]))
        }
        Err(failure) => Err(match member.column {
            Column::List { .. } => failure.inside(member.field.name(), ""),
            _ => failure.inside(member.field.name(), "."),
        }),
    }
}

/// Reads a value that is not null; `false` where it is none of the column's type.
#[inline]
fn read_value(column: &mut Column, cursor: &mut Cursor<'_>) -> Result<bool, Failure> {
    match column {
        Column::Int { values, kind, .. } => {
            let Some((number, text)) = number(cursor) else { return Ok(false) };
            let (min, max) = kind.range();
            match number.to_i64(text) {
                Some(value) if (min..=max).contains(&value) => values.push(value),
                _ => return Ok(false),
            }
            Ok(true)
        }
        Column::Bytes { values, kind: BytesKind::Text, .. } => {
            if cursor.peek() != b'"' {
                return Ok(false);
            }
            let span = cursor.string()?;
            if span.escaped {
                cursor.unescape(span, &mut values.bytes)?;
            } else {
                values.bytes.extend_from_slice(&cursor.buf[span.start..span.end]);
            }
            values.end();
            Ok(true)
        }
        Column::Time { values, kind, unit, .. } => {
            let Some(value) = read_time(*kind, *unit, cursor)? else { return Ok(false) };
            values.push(value);
            Ok(true)
        }
        Column::Float { values, single, .. } => {
            if cursor.peek() == b'"' {
                let Some(value) = not_finite(cursor.text()?) else { return Ok(false) };
                values.push(value);
                return Ok(true);
            }
            let Some((number, text)) = number(cursor) else { return Ok(false) };
            let value = if *single { number.to_f32(text).map(f64::from) } else { number.to_f64(text) };
            match value {
                Some(value) if value.is_finite() => values.push(value),
                _ => return Ok(false),
            }
            Ok(true)
        }
        Column::Flag { values, .. } => {
            match cursor.peek() {
                b't' => {
                    cursor.literal("true")?;
                    values.push(true);
                }
                b'f' => {
                    cursor.literal("false")?;
                    values.push(false);
                }
                _ => return Ok(false),
            }
            Ok(true)
        }
        Column::UInt64 { values, .. } => {
            let Some((number, text)) = number(cursor) else { return Ok(false) };
            let Some(value) = number.to_u64(text) else { return Ok(false) };
            values.push(value);
            Ok(true)
        }
        Column::Decimal { values, precision, scale, .. } => {
            // Money is often sent as text, so that no reader makes a float of it.
            let value = if cursor.peek() == b'"' {
                let text = cursor.text()?;
                scan_number(text, Grammar::Json).filter(|n| n.len == text.len()).and_then(|n| n.to_scaled(text, i32::from(*scale)))
            } else {
                number(cursor).and_then(|(number, text)| number.to_scaled(text, i32::from(*scale)))
            };
            match value.filter(|v| fits_precision(*v, *precision)) {
                Some(value) => values.push(value),
                None => return Ok(false),
            }
            Ok(true)
        }
        Column::Bytes { values, kind: BytesKind::Json, .. } => {
            let start = cursor.at;
            cursor.skip_value()?;
            values.bytes.extend_from_slice(&cursor.buf[start..cursor.at]);
            values.end();
            Ok(true)
        }
        Column::Bytes { values, kind: BytesKind::Binary, .. } => {
            if cursor.peek() != b'"' {
                return Ok(false);
            }
            if !decode_base64(cursor.text()?, &mut values.bytes) {
                values.undo();
                return Ok(false);
            }
            values.end();
            Ok(true)
        }
        Column::List { ends, item, .. } => {
            if cursor.peek() != b'[' {
                return Ok(false);
            }
            read_list(item, cursor)?;
            ends.push(item.column.len() as i32);
            Ok(true)
        }
        Column::Struct { rows, .. } => {
            if cursor.peek() != b'{' {
                return Ok(false);
            }
            let filled = read_object(rows, cursor, |_, _, _, _, failure| failure.map_or(Ok(()), Err))?;
            rows.complete(filled).map_err(|i| Failure::nothing(rows.members[i].field.name()))?;
            Ok(true)
        }
    }
}

fn read_list(item: &mut Member, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
    cursor.at += 1;
    cursor.space();
    if cursor.peek() == b']' {
        cursor.at += 1;
        return Ok(());
    }
    loop {
        read_item(item, cursor)?;
        cursor.space();
        match cursor.peek() {
            b',' => cursor.at += 1,
            b']' => {
                cursor.at += 1;
                return Ok(());
            }
            _ => return Err(Failure::syntax(cursor.at, "`,` or `]`")),
        }
        cursor.space();
    }
}

/// Reads an item of a list; in messages it is `[]`, whatever Arrow calls it.
fn read_item(item: &mut Member, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
    read_member(item, cursor).map_err(|mut failure| {
        if let Failure::Misfit(misfit) = &mut failure {
            let inner = misfit.path.get(item.field.name().len()..).unwrap_or_default();
            misfit.path = format!("[]{inner}");
        }
        failure
    })
}

/// A number, and the text that begins with it.
#[inline(always)]
fn number<'a>(cursor: &mut Cursor<'a>) -> Option<(Number, &'a [u8])> {
    let text = cursor.rest();
    let number = scan_number(text, Grammar::Json)?;
    cursor.at += number.len;
    Some((number, text))
}

/// Text in RFC 3339, or a number of units.
#[inline(always)]
fn read_time(kind: TimeKind, unit: TimeUnit, cursor: &mut Cursor<'_>) -> Result<Option<i64>, Failure> {
    if cursor.peek() == b'"' {
        return Ok(time_from_text(kind, unit, cursor.text()?));
    }
    let value = number(cursor).and_then(|(number, text)| number.to_i64(text));
    Ok(value.filter(|v| time_in_range(kind, unit, *v)))
}

/// A date, time or moment from text.
#[inline(always)]
pub(crate) fn time_from_text(kind: TimeKind, unit: TimeUnit, text: &[u8]) -> Option<i64> {
    match kind {
        TimeKind::Timestamp => parse_moment(text)?.in_unit(unit),
        TimeKind::Date => parse_date(text).map(i64::from),
        TimeKind::Time => parse_time(text, unit),
    }
}

/// Whether a number of units can be one of these.
pub(crate) fn time_in_range(kind: TimeKind, unit: TimeUnit, value: i64) -> bool {
    match kind {
        TimeKind::Timestamp => true,
        TimeKind::Date => i32::try_from(value).is_ok(),
        TimeKind::Time => (0..86_400 * crate::cell::units_per_second(unit)).contains(&value),
    }
}

/// Floats that JSON has no numbers for.
fn not_finite(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" => Some(f64::NAN),
        b"inf" | b"Infinity" => Some(f64::INFINITY),
        b"-inf" | b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
