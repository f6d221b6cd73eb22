//! Which column of a file goes where.

use super::{CsvFormat, split::Splitter};
use crate::{ReadSpec, error, frame::text_start};
use runink_connector_api::ConnectorError;
use std::sync::Arc;

/// The names in a header, and the offset behind it.
pub type HeaderRow = (Arc<[String]>, usize);

impl CsvFormat {
    /// The names in the first row of a text that starts here, and the offset of the second; `None` where the row does not end in these bytes.
    ///
    /// # Errors
    /// Where the row is not CSV.
    pub fn read_header(&self, start: &[u8]) -> Result<Option<HeaderRow>, ConnectorError> {
        let mark = text_start(start)?;
        let names = Splitter::new(self).names(&start[mark..])?;
        Ok(names.map(|(names, next)| (names, next + mark)))
    }
}

/// Columns in the order of the schema.
pub(super) fn by_position(spec: &ReadSpec) -> Vec<Option<usize>> {
    (0..spec.schema.fields().len()).map(|column| spec.projection.iter().position(|p| *p == column)).collect()
}

/// Columns by the names in the header.
pub(super) fn by_name(names: &[String], spec: &ReadSpec) -> Result<Vec<Option<usize>>, ConnectorError> {
    let mut targets = vec![None; names.len()];
    for (member, &column) in spec.projection.iter().enumerate() {
        let wanted = spec.schema.field(column).name();
        let mut places = (0..names.len()).filter(|i| names[*i] == *wanted);
        let place = places.next().ok_or_else(|| error::column_missing("the header", wanted, names.iter().map(String::as_str)))?;
        if places.next().is_some() {
            return Err(
                ConnectorError::user("FMT005", format!("the header has the column `{wanted}` twice")).hint("give each column its own name")
            );
        }
        targets[place] = Some(member);
    }
    Ok(targets)
}
