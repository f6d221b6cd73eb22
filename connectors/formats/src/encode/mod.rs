//! Encoders: batches to bytes.

mod canonical;
mod cells;
mod columnar;
mod csv;
mod json;
mod messages;
mod prefix;

pub(crate) use canonical::canonical;
pub use cells::CellText;
pub(crate) use cells::Cells;
pub use messages::{ARROW_MESSAGE_BYTES, MessageEncoder, MessageOutput, avro_schema};

use crate::{CsvFormat, EncodeError, error};
use arrow::{
    array::{ArrayRef, Int64Array},
    datatypes::{DataType, Field, Schema, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use columnar::Columnar;
use runink_connector_api::{ConnectorError, SinkSummary};
use std::{io::Write, sync::Arc};

/// The column that a changelog has in every format, as its last: how many times the row is added (positive) or taken back (negative). Int64, never zero.
pub const MULTIPLICITY: &str = "_diff";

/// How much text is gathered before it is handed to the writer, in bytes.
const TEXT_BUFFER_BYTES: usize = 256 << 10;

/// What to write.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputFormat {
    /// JSON lines.
    Json,
    /// CSV; a header row is written unless the format has none.
    Csv(CsvFormat),
    /// Parquet.
    Parquet(ParquetCompression),
    /// The Arrow IPC file format.
    ArrowFile,
    /// The Arrow IPC stream format.
    ArrowStream,
}

/// How a Parquet file's pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ParquetCompression {
    None,
    Snappy,
    Zstd,
}

/// Writes rows of one schema in one format.
pub struct Encoder<W: Write + Send> {
    /// With [`MULTIPLICITY`], where there is one.
    schema: SchemaRef,
    changelog: bool,
    rows: u64,
    body: Body<W>,
}

enum Body<W: Write + Send> {
    Text(Text<W>),
    Columnar(Columnar<W>),
}

/// Text on its way out.
struct Text<W> {
    style: Style,
    buffer: Vec<u8>,
    /// Bytes handed to the writer.
    bytes: u64,
    out: W,
}

enum Style {
    Json(json::JsonStyle),
    Csv(csv::CsvStyle),
}

impl<W: Write + Send> Encoder<W> {
    /// An encoder of rows of that schema; with `changelog` they get the column [`MULTIPLICITY`].
    ///
    /// # Errors
    /// Where a column has no form in the format, or is named like [`MULTIPLICITY`].
    pub fn new(format: &OutputFormat, schema: &SchemaRef, changelog: bool, out: W) -> Result<Self, EncodeError> {
        let schema = if changelog { with_multiplicity(schema)? } else { schema.clone() };
        let body = match format {
            OutputFormat::Json => {
                cells::check("JSON", &schema)?;
                Body::Text(Text::new(Style::Json(json::JsonStyle::new(&schema)), Vec::new(), out))
            }
            OutputFormat::Csv(csv) => {
                cells::check("CSV", &schema)?;
                let (style, header) = csv::CsvStyle::new(csv, &schema);
                Body::Text(Text::new(Style::Csv(style), header, out))
            }
            OutputFormat::Parquet(compression) => Body::Columnar(Columnar::parquet(*compression, &schema, out)?),
            OutputFormat::ArrowFile => Body::Columnar(Columnar::arrow_file(&schema, out)?),
            OutputFormat::ArrowStream => Body::Columnar(Columnar::arrow_stream(&schema, out)?),
        };
        Ok(Encoder { schema, changelog, rows: 0, body })
    }

    /// Writes rows. `diffs` gives each row's multiplicity; without it every row of a changelog counts once.
    ///
    /// # Errors
    /// Where the writer refuses the bytes.
    pub fn write(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), EncodeError> {
        let mut columns = batch.columns().to_vec();
        if self.changelog {
            let diffs = diffs.cloned().unwrap_or_else(|| Int64Array::from_value(1, batch.num_rows()));
            columns.push(Arc::new(diffs));
        }
        match &mut self.body {
            Body::Text(text) => text.write(&self.schema, &columns, batch.num_rows())?,
            Body::Columnar(columnar) => {
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(error::batch)?;
                columnar.write(&batch)?;
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Hands on what is buffered, as far as the format allows it before its end (Parquet does not), and flushes the writer.
    ///
    /// # Errors
    /// Where the writer refuses the bytes.
    pub fn flush(&mut self) -> Result<(), EncodeError> {
        match &mut self.body {
            Body::Text(text) => {
                text.hand_on()?;
                Ok(text.out.flush()?)
            }
            Body::Columnar(columnar) => columnar.flush(),
        }
    }

    /// Completes the output and gives the writer back. The summary counts rows and encoded bytes.
    ///
    /// # Errors
    /// Where the writer refuses the bytes.
    pub fn finish(self) -> Result<(W, SinkSummary), EncodeError> {
        let (out, bytes) = match self.body {
            Body::Text(mut text) => {
                text.hand_on()?;
                text.out.flush()?;
                (text.out, text.bytes)
            }
            Body::Columnar(columnar) => columnar.finish()?,
        };
        Ok((out, SinkSummary { rows: self.rows, bytes }))
    }
}

impl<W: Write> Text<W> {
    fn new(style: Style, buffer: Vec<u8>, out: W) -> Self {
        Text { style, buffer, bytes: 0, out }
    }

    fn write(&mut self, schema: &SchemaRef, columns: &[ArrayRef], rows: usize) -> Result<(), EncodeError> {
        let cells =
            schema.fields().iter().zip(columns).map(|(field, array)| Cells::new(field, array.as_ref())).collect::<Result<Vec<_>, _>>()?;
        for row in 0..rows {
            match &mut self.style {
                Style::Json(json) => json.write_row(&cells, row, &mut self.buffer),
                Style::Csv(csv) => csv.write_row(&cells, row, &mut self.buffer),
            }
            if self.buffer.len() >= TEXT_BUFFER_BYTES {
                self.hand_on()?;
            }
        }
        Ok(())
    }

    fn hand_on(&mut self) -> Result<(), EncodeError> {
        self.out.write_all(&self.buffer)?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// The schema of a changelog's rows.
pub(crate) fn with_multiplicity(schema: &SchemaRef) -> Result<SchemaRef, ConnectorError> {
    if schema.index_of(MULTIPLICITY).is_ok() {
        return Err(ConnectorError::user(
            "FMT007",
            format!("the column `{MULTIPLICITY}` takes the name that a changelog's multiplicity has"),
        )
        .hint("give the column another name with `rename`"));
    }
    let fields = schema.fields().iter().cloned().chain([Arc::new(Field::new(MULTIPLICITY, DataType::Int64, false))]);
    Ok(Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())))
}

/// One row as a JSON object, as far as its columns have a form in it.
pub(crate) fn row_as_json(batch: &RecordBatch, row: usize) -> Vec<u8> {
    let schema = batch.schema_ref();
    let known: Vec<usize> = (0..batch.num_columns()).filter(|i| canonical::canonical(schema.field(*i).data_type()).is_some()).collect();
    let cells = known.iter().filter_map(|i| Cells::new(schema.field(*i), batch.column(*i).slice(row, 1).as_ref()).ok()).collect::<Vec<_>>();
    let mut out = Vec::new();
    if let Ok(schema) = schema.project(&known) {
        json::JsonStyle::new(&schema).write_row(&cells, 0, &mut out);
    }
    out.pop();
    out
}
