//! Rows as text cells: how expected and actual rows are compared and shown.
//!
//! Both sides have the same Arrow types before they become text, so equal text means equal value: decimals have one scale, timestamps one unit,
//! floats their shortest form.

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch},
    compute::{CastOptions, cast_with_options, concat_batches},
    datatypes::{DataType, Field, Float32Type, Float64Type, Schema, SchemaRef},
    error::ArrowError,
};
use runink_connector_api::{ConnectorError, Positions, Reject};
use runink_engine::Batch;
use runink_formats::{CellText, ReadSpec, TextFormat, decoder};
use runink_planner::StreamKind;
use std::{cmp::Ordering, collections::HashMap, sync::Arc};

/// How many rows are decoded into one batch.
const DECODE_BATCH_ROWS: usize = 8192;

/// A cell's text; `None` for null.
pub(crate) type Cell = Option<String>;
/// A row's cells.
pub(crate) type Row = Vec<Cell>;

/// Why rows could not be read. A bug of Runink, or types that text has no form for.
#[derive(Debug)]
pub(crate) enum RowsError {
    /// A format's own words.
    Format(ConnectorError),
    /// An Arrow kernel's.
    Arrow(ArrowError),
    /// A changelog takes back more than it gave.
    NeverGiven(Row),
}

impl From<ConnectorError> for RowsError {
    fn from(e: ConnectorError) -> Self {
        RowsError::Format(e)
    }
}

impl From<ArrowError> for RowsError {
    fn from(e: ArrowError) -> Self {
        RowsError::Arrow(e)
    }
}

impl std::fmt::Display for RowsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RowsError::Format(e) => e.fmt(f),
            RowsError::Arrow(e) => e.fmt(f),
            RowsError::NeverGiven(row) => {
                let row: Vec<_> = row.iter().map(|c| c.as_deref().unwrap_or("null")).collect();
                write!(f, "the changelog takes a row back that it never gave: {} (this is a bug of Runink)", row.join(", "))
            }
        }
    }
}

/// What a text was decoded to.
pub(crate) struct Typed {
    pub(crate) batch: RecordBatch,
    pub(crate) rejects: Vec<Reject>,
    /// The line of each row of the batch, from 1.
    pub(crate) lines: Vec<u64>,
}

/// Decodes a whole text.
pub(crate) fn decode(format: &TextFormat, bytes: &[u8], schema: &SchemaRef) -> Result<Typed, RowsError> {
    let mut decoder = decoder(format, &ReadSpec::all(schema.clone(), DECODE_BATCH_ROWS), 1)?;
    let (mut batches, mut rejects, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    let mut keep = |decoded: runink_formats::Decoded| {
        match decoded.positions {
            Positions::From(start) => lines.extend((start..).take(decoded.batch.num_rows())),
            Positions::Each(each) => lines.extend(each.values().iter().copied()),
        }
        rejects.extend(decoded.rejects);
        batches.push(decoded.batch);
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        rest = &rest[decoder.push(rest)?..];
        if decoder.is_full() {
            decoder.take()?.map(&mut keep);
        }
    }
    decoder.finish()?;
    decoder.take()?.map(&mut keep);
    Ok(Typed { batch: concat_batches(schema, &batches)?, rejects, lines })
}

/// A schema whose types the text formats know, as near as possible to that one. All fields may be null.
pub(crate) fn plain_schema(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(|f| plain_field(f)).collect::<Vec<_>>()))
}

fn plain_field(field: &Field) -> Field {
    field.clone().with_data_type(plain_type(field.data_type())).with_nullable(true)
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => plain_type(value),
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Duration(_) | DataType::Interval(_) | DataType::Null => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, None),
        DataType::Date64 => DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None),
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) | DataType::ListView(f) => {
            DataType::List(Arc::new(plain_field(f)))
        }
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|f| Arc::new(plain_field(f))).collect()),
        other => other.clone(),
    }
}

/// The rows of a batch, cast to plain types, as text.
pub(crate) fn as_text(batch: &RecordBatch, plain: &SchemaRef) -> Result<Vec<Row>, RowsError> {
    let mut rows = vec![Row::with_capacity(plain.fields().len()); batch.num_rows()];
    let mut text = Vec::new();
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    for (field, column) in plain.fields().iter().zip(batch.columns()) {
        let column = match column.data_type() == field.data_type() {
            true => column.clone(),
            false => cast_with_options(column, field.data_type(), &strict)?,
        };
        let column = without_negative_zero(column);
        let cells = CellText::new(field, column.as_ref())?;
        for (i, row) in rows.iter_mut().enumerate() {
            text.clear();
            let valid = cells.write(i, &mut text);
            row.push(valid.then(|| shortest(field.data_type(), String::from_utf8_lossy(&text).into_owned())));
        }
    }
    Ok(rows)
}

/// A time without zeros at the end of its fraction, as one would write it.
fn shortest(data_type: &DataType, text: String) -> String {
    match (data_type, text.strip_suffix('Z').and_then(|t| t.split_once('.'))) {
        (DataType::Timestamp(..), Some((whole, fraction))) => match fraction.trim_end_matches('0') {
            "" => format!("{whole}Z"),
            fraction => format!("{whole}.{fraction}Z"),
        },
        _ => text,
    }
}

/// -0.0 equals 0.0, and must have its text.
fn without_negative_zero(column: ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(|v| v + 0.0)),
        DataType::Float32 => Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(|v| v + 0.0)),
        _ => column,
    }
}

/// What a stream's batches come to: the rows that are there after all of them, sorted.
pub(crate) fn consolidate(batches: &[Batch], schema: &SchemaRef, kind: &StreamKind) -> Result<Vec<Row>, RowsError> {
    let plain = plain_schema(schema);
    let mut changes: Vec<(Row, i64)> = Vec::new();
    for batch in batches {
        let rows = as_text(&batch.rows, &plain)?;
        let diff = |i: usize| batch.diffs.as_ref().map_or(1, |d| d.value(i));
        changes.extend(rows.into_iter().enumerate().map(|(i, row)| (row, diff(i))));
    }
    let mut rows = match kind {
        StreamKind::Upsert { key } => newest(changes, &places(&plain, key)),
        StreamKind::AppendOnly | StreamKind::Changelog { .. } => summed(changes)?,
    };
    rows.sort_by(|a, b| compare_rows(a, b));
    Ok(rows)
}

/// The places of columns by name.
pub(crate) fn places(schema: &Schema, columns: &[String]) -> Vec<usize> {
    columns.iter().filter_map(|c| schema.index_of(c).ok()).collect()
}

fn newest(changes: Vec<(Row, i64)>, key: &[usize]) -> Vec<Row> {
    let mut latest: HashMap<Row, Row> = HashMap::new();
    for (row, _) in changes {
        latest.insert(key.iter().map(|&k| row[k].clone()).collect(), row);
    }
    latest.into_values().collect()
}

fn summed(changes: Vec<(Row, i64)>) -> Result<Vec<Row>, RowsError> {
    let mut counts: HashMap<Row, i64> = HashMap::new();
    for (row, diff) in changes {
        *counts.entry(row).or_default() += diff;
    }
    let mut rows = Vec::new();
    for (row, count) in counts {
        match usize::try_from(count) {
            Ok(count) => rows.extend(std::iter::repeat_n(row, count)),
            Err(_) => return Err(RowsError::NeverGiven(row)),
        }
    }
    Ok(rows)
}

/// An order that people expect: numbers by value, nulls last, the rest as text.
pub(crate) fn compare_rows(a: &[Cell], b: &[Cell]) -> Ordering {
    let cells = |(a, b): (&Cell, &Cell)| match (a, b) {
        (Some(a), Some(b)) => match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(x), Ok(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        },
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
    };
    a.iter().zip(b).map(cells).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(cells: &[&str]) -> Row {
        cells.iter().map(|c| (*c != "null").then(|| (*c).to_owned())).collect()
    }

    #[test]
    fn a_changelog_comes_to_what_is_left() {
        let changes = vec![(row(&["a", "1"]), 1), (row(&["a", "1"]), -1), (row(&["a", "2"]), 1), (row(&["b", "1"]), 2)];
        let mut left = summed(changes).unwrap();
        left.sort();
        assert_eq!(left, [row(&["a", "2"]), row(&["b", "1"]), row(&["b", "1"])]);
        assert!(matches!(summed(vec![(row(&["a"]), -1)]), Err(RowsError::NeverGiven(_))));
    }

    #[test]
    fn of_a_keyed_stream_the_newest_counts() {
        let changes = vec![(row(&["a", "1"]), 1), (row(&["b", "5"]), 1), (row(&["a", "2"]), 1)];
        let mut left = newest(changes, &[0]);
        left.sort();
        assert_eq!(left, [row(&["a", "2"]), row(&["b", "5"])]);
    }

    #[test]
    fn rows_are_shown_in_the_order_of_their_values() {
        let mut rows = vec![row(&["10"]), row(&["null"]), row(&["x"]), row(&["9"]), row(&["-1.5"])];
        rows.sort_by(|a, b| compare_rows(a, b));
        assert_eq!(rows, [row(&["-1.5"]), row(&["9"]), row(&["10"]), row(&["x"]), row(&["null"])]);
    }
}
