//! Text formats and the decoder that all of them have in common.

use crate::{CsvFormat, Decoded, ReadSpec, csv::CsvDecoder, json::JsonDecoder};
use runink_connector_api::ConnectorError;

/// The longest line (or CSV row) that is decoded, in bytes. A longer one is rejected with its first bytes, and takes no more memory than this.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// A text format.
#[derive(Debug, Clone, PartialEq)]
pub enum TextFormat {
    /// JSON lines: one object a line.
    Json,
    /// CSV (RFC 4180) and its relatives.
    Csv(CsvFormat),
}

/// Turns bytes into batches.
///
/// ```text
/// while let bytes = the next block (256 KiB to 1 MiB is best) {
///     while !bytes.is_empty() {
///         bytes = &bytes[decoder.push(bytes)?..];
///         if decoder.is_full() { emit(decoder.take()?) }
///     }
/// }
/// decoder.finish()?;
/// emit(decoder.take()?)
/// ```
pub trait Decoder: Send {
    /// Decodes rows from bytes that follow those of the call before, and returns how many it took: all, unless the decoder is full. The end of a row
    /// that is still to come is kept for.
    ///
    /// # Errors
    /// Where the input is unusable as a whole, such as a CSV header that lacks a column.
    fn push(&mut self, bytes: &[u8]) -> Result<usize, ConnectorError>;

    /// A batch's worth of rows waits; nothing more is taken before it is.
    fn is_full(&self) -> bool;

    /// The input ends here: decodes a last row that no newline ends. To be called on a decoder that is not full.
    ///
    /// # Errors
    /// As [`Decoder::push`].
    fn finish(&mut self) -> Result<(), ConnectorError>;

    /// What has been decoded until now; `None` where that is nothing.
    ///
    /// # Errors
    /// Where columns cannot be put together.
    fn take(&mut self) -> Result<Option<Decoded>, ConnectorError>;
}

/// A decoder for input whose first byte stands on the line of that number (from 1). On line 1 a byte order mark is skipped.
///
/// # Errors
/// Where a column has a type that text cannot give.
pub fn decoder(format: &TextFormat, spec: &ReadSpec, first_line: u64) -> Result<Box<dyn Decoder>, ConnectorError> {
    Ok(match format {
        TextFormat::Json => Box::new(JsonDecoder::json(spec, first_line, MAX_LINE_BYTES)?),
        TextFormat::Csv(csv) => Box::new(CsvDecoder::csv(csv, spec, first_line, MAX_LINE_BYTES)?),
    })
}
