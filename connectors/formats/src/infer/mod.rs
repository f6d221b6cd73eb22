//! Schemas from samples.

mod csv;
mod json;
mod kind;

use crate::{TextFormat, error, frame::text_start};
use arrow::datatypes::SchemaRef;
use runink_connector_api::ConnectorError;

/// How many rows of a sample are looked at.
pub const SAMPLE_ROWS: usize = 1000;

/// How many bytes a sample should have at most.
pub const SAMPLE_BYTES: usize = 1 << 20;

/// Proposes a schema for a text that begins with these bytes. `whole` says that they are all of it; otherwise a last line without its end is left out.
/// All fields are nullable. Numbers are `Int64` or `Float64`, text that looks like it is a date or a timestamp in microseconds; what is of several kinds
/// is JSON in JSON lines and text in CSV.
///
/// # Errors
/// Where no row of the sample can be read.
pub fn infer(format: &TextFormat, sample: &[u8], whole: bool) -> Result<SchemaRef, ConnectorError> {
    let mut text = sample[text_start(sample)?..].to_vec();
    if whole {
        text.push(b'\n');
    }
    if text.trim_ascii().is_empty() {
        return Err(error::nothing_to_infer("the input is empty, which says nothing of its columns"));
    }
    match format {
        TextFormat::Json => json::infer(&text),
        TextFormat::Csv(csv) => csv::infer(csv, &text),
    }
}
