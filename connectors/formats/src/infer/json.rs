//! Schemas of JSON lines.

use super::{
    SAMPLE_ROWS,
    kind::{Kind, MAX_MEMBERS, add_member},
};
use crate::{
    cell::{Grammar, scan_number},
    column::MAX_TYPE_DEPTH,
    error,
    failure::Failure,
    json::Cursor,
};
use arrow::datatypes::{Schema, SchemaRef};
use runink_connector_api::ConnectorError;
use std::sync::Arc;

/// Proposes a schema from whole lines.
pub(super) fn infer(text: &[u8]) -> Result<SchemaRef, ConnectorError> {
    let mut members = Vec::new();
    let mut rows = 0;
    let mut lines = text.split_inclusive(|b| *b == b'\n').filter(|l| l.ends_with(b"\n") && !l.trim_ascii().is_empty()).peekable();
    let first = lines.peek().map(|l| l.trim_ascii()).unwrap_or_default();
    if first.starts_with(b"[") {
        return Err(ConnectorError::user("FMT015", "the input is a JSON array, where JSON lines are expected: one object on each line")
            .hint("make lines of it: `jq -c '.[]' in.json > out.jsonl`"));
    }
    for line in lines.take(SAMPLE_ROWS) {
        let mut cursor = Cursor::new(line);
        cursor.space();
        // Bad rows are rejected when the source is read; here they only say nothing.
        if let Ok(Kind::Struct(row)) = kind(&mut cursor, 0) {
            rows += 1;
            members = row.into_iter().fold(members, add_member);
        }
    }
    if rows == 0 {
        return Err(error::nothing_to_infer(format!(
            "no line of the sample is a JSON object; the first is `{}`",
            crate::failure::shown(first)
        )));
    }
    if members.is_empty() {
        return Err(error::nothing_to_infer("the objects of the sample have no members"));
    }
    if members.len() > MAX_MEMBERS {
        return Err(error::nothing_to_infer(format!("the objects of the sample have more than {MAX_MEMBERS} different keys")));
    }
    Ok(Arc::new(Schema::new(members.iter().map(|(name, kind)| kind.field(name)).collect::<Vec<_>>())))
}

/// What a value is. Recursion ends where types may not nest deeper.
fn kind(cursor: &mut Cursor<'_>, depth: usize) -> Result<Kind, Failure> {
    match cursor.peek() {
        b'"' => return Ok(Kind::of_text(cursor.text()?)),
        b'{' if depth <= MAX_TYPE_DEPTH => return members(cursor, depth),
        b'[' if depth <= MAX_TYPE_DEPTH => return items(cursor, depth),
        b'{' | b'[' => {
            cursor.skip_value()?;
            return Ok(Kind::Mixed);
        }
        b't' => cursor.literal("true")?,
        b'f' => cursor.literal("false")?,
        b'n' => {
            cursor.literal("null")?;
            return Ok(Kind::Null);
        }
        _ => {
            let text = cursor.rest();
            let number = scan_number(text, Grammar::Json).ok_or(Failure::syntax(cursor.at, "a value"))?;
            cursor.at += number.len;
            return Ok(Kind::of_number(&text[..number.len]).unwrap_or(Kind::Float));
        }
    }
    Ok(Kind::Flag)
}

fn members(cursor: &mut Cursor<'_>, depth: usize) -> Result<Kind, Failure> {
    let mut found = Vec::new();
    cursor.at += 1;
    cursor.space();
    if cursor.peek() == b'}' {
        cursor.at += 1;
        return Ok(Kind::Struct(found));
    }
    loop {
        let name = String::from_utf8_lossy(cursor.text()?).into_owned();
        cursor.colon()?;
        found = add_member(found, (name, kind(cursor, depth + 1)?));
        if !another(cursor, b'}')? {
            return Ok(Kind::Struct(found));
        }
    }
}

fn items(cursor: &mut Cursor<'_>, depth: usize) -> Result<Kind, Failure> {
    let mut found = Kind::Null;
    cursor.at += 1;
    cursor.space();
    if cursor.peek() == b']' {
        cursor.at += 1;
        return Ok(Kind::List(Box::new(found)));
    }
    loop {
        found = found.merge(kind(cursor, depth + 1)?);
        if !another(cursor, b']')? {
            return Ok(Kind::List(Box::new(found)));
        }
    }
}

/// Goes behind the comma before another value, or behind the end.
fn another(cursor: &mut Cursor<'_>, end: u8) -> Result<bool, Failure> {
    cursor.space();
    let found = cursor.peek();
    if found != b',' && found != end {
        return Err(Failure::syntax(cursor.at, "`,` or the end"));
    }
    cursor.at += 1;
    cursor.space();
    Ok(found == b',')
}
