//! Schemas of CSV.

use super::{SAMPLE_ROWS, kind::Kind};
use crate::{
    CsvFormat, Header,
    csv::{Splitter, cells},
    error,
};
use arrow::datatypes::{Schema, SchemaRef};
use runink_connector_api::ConnectorError;
use std::sync::Arc;

/// Proposes a schema from whole rows.
pub(super) fn infer(format: &CsvFormat, text: &[u8]) -> Result<SchemaRef, ConnectorError> {
    let splitter = Splitter::new(format);
    let mut at = 0;
    let mut names: Option<Vec<String>> = match &format.header {
        Header::Names(names) => Some(names.to_vec()),
        Header::Absent => None,
        Header::FirstRow => {
            let (names, next) = splitter.names(text)?.ok_or_else(|| error::nothing_to_infer("the sample ends inside its first row"))?;
            at = next;
            Some(names.to_vec())
        }
    };
    let mut kinds = vec![Kind::Null; names.as_ref().map_or(0, Vec::len)];
    for _ in 0..SAMPLE_ROWS {
        let Some((row, next)) = cells(&splitter, text, at) else { break };
        at = next;
        let names = names.get_or_insert_with(|| (1..=row.len()).map(|i| format!("column_{i}")).collect());
        kinds.resize(names.len(), Kind::Null);
        // Bad rows are rejected when the source is read; here they only say nothing.
        if row.len() == kinds.len() {
            for (kind, (cell, quoted)) in kinds.iter_mut().zip(row) {
                let is_null = cell.is_empty() || (!quoted && cell == format.null.as_bytes());
                let seen = if is_null { Kind::Null } else { of_cell(&cell) };
                *kind = match std::mem::replace(kind, Kind::Null).merge(seen) {
                    // Text holds whatever CSV can say.
                    Kind::Mixed => Kind::Text,
                    merged => merged,
                };
            }
        }
    }
    let Some(names) = names else { return Err(error::nothing_to_infer("no row of the sample is CSV")) };
    let fields = names.iter().zip(&kinds).map(|(name, kind)| match kind {
        Kind::Null => Kind::Text.field(name),
        kind => kind.field(name),
    });
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// What a cell is. Numbers count as such only where JSON would write them so: `007` is a text.
fn of_cell(cell: &[u8]) -> Kind {
    let cell = cell.trim_ascii();
    if cell.eq_ignore_ascii_case(b"true") || cell.eq_ignore_ascii_case(b"false") {
        return Kind::Flag;
    }
    Kind::of_number(cell).unwrap_or_else(|| Kind::of_text(cell))
}
