//! Rows to messages: one message a row, in any format that has rows; only of Arrow IPC a message has many.

use super::{
    cells::{self, Cells},
    csv::CsvStyle,
    json::JsonStyle,
    with_multiplicity,
};
use crate::{
    CsvFormat, EncodeError, Header, Messages, error,
    protobuf::{ProtoMessage, ProtoWriter},
};
use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array},
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
    ipc::writer::StreamWriter,
    record_batch::RecordBatch,
};
use arrow_avro::{
    schema::{AvroSchema, FingerprintStrategy},
    writer::{Encoder, WriterBuilder, format::AvroSoeFormat},
};
use runink_connector_api::ConnectorError;
use std::sync::Arc;

/// How long a message of several rows is at most, in bytes: brokers take 1 MB unless they are told otherwise. (One row alone may go beyond it.)
pub const ARROW_MESSAGE_BYTES: usize = 768 << 10;

/// What messages are written as.
#[derive(Debug, Clone, PartialEq)]
pub enum MessageOutput {
    /// A JSON object.
    Json,
    /// A CSV row without a header.
    Csv(CsvFormat),
    /// Avro, in the wire format of schema registries; the schema ([`avro_schema`]) has this number there.
    Avro(u32),
    /// Protobuf: messages of a type, which with a number is the first of a registered schema.
    Protobuf(ProtoMessage, Option<u32>),
    /// Arrow IPC streams, each of as many rows of a batch as make a message of bounded size.
    Arrow,
    /// The bytes of the only column.
    Raw,
}

/// The Avro schema of rows of that schema, as JSON.
///
/// # Errors
/// Where a column has no form in Avro.
pub fn avro_schema(schema: &SchemaRef, changelog: bool) -> Result<String, EncodeError> {
    let schema = if changelog { with_multiplicity(schema)? } else { schema.clone() };
    Ok(AvroSchema::try_from(schema.as_ref()).map_err(|e| no_avro(e.into()))?.json_string)
}

fn no_avro(cause: Box<dyn std::error::Error + Send + Sync>) -> ConnectorError {
    ConnectorError::user("FMT008", format!("Avro cannot hold these rows: {cause}"))
        .hint("give the columns types and names that Avro has, or write another format")
        .caused_by(cause)
}

/// Writes each row of a batch as a message.
pub struct MessageEncoder {
    schema: SchemaRef,
    changelog: bool,
    style: Style,
}

enum Style {
    Json(JsonStyle),
    Csv(CsvStyle),
    Avro(Box<Encoder>),
    Protobuf(Box<ProtoWriter>),
    Arrow,
    Raw,
}

impl MessageEncoder {
    /// An encoder of rows of that schema; with `changelog` they get the column [`crate::MULTIPLICITY`].
    ///
    /// # Errors
    /// Where a column has no form in the format.
    pub fn new(output: &MessageOutput, schema: &SchemaRef, changelog: bool) -> Result<Self, EncodeError> {
        let schema = if changelog { with_multiplicity(schema)? } else { schema.clone() };
        let style = match output {
            MessageOutput::Json => {
                cells::check("JSON", &schema)?;
                Style::Json(JsonStyle::new(&schema))
            }
            MessageOutput::Csv(csv) => {
                cells::check("CSV", &schema)?;
                Style::Csv(CsvStyle::new(&CsvFormat { header: Header::Absent, ..csv.clone() }, &schema).0)
            }
            MessageOutput::Avro(id) => {
                let builder = WriterBuilder::new(schema.as_ref().clone()).with_fingerprint_strategy(FingerprintStrategy::Id(*id));
                Style::Avro(Box::new(builder.build_encoder::<AvroSoeFormat>().map_err(|e| no_avro(e.into()))?))
            }
            MessageOutput::Protobuf(message, registered) => {
                Style::Protobuf(Box::new(ProtoWriter::new(message, *registered, schema.fields())?))
            }
            MessageOutput::Arrow => Style::Arrow,
            MessageOutput::Raw => {
                let [field] = schema.fields().as_ref() else { return Err(several_columns(&schema).into()) };
                if !matches!(field.data_type(), DataType::Utf8 | DataType::Binary) {
                    return Err(error::type_not_supported("a raw message", field.name(), field.data_type()).into());
                }
                Style::Raw
            }
        };
        Ok(MessageEncoder { schema, changelog, style })
    }

    /// Adds a message for each row; of Arrow IPC, for as many as go into one. A null of a raw message is an empty one.
    ///
    /// # Errors
    /// Where a value has no form in the format.
    pub fn encode(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>, out: &mut Messages) -> Result<(), EncodeError> {
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        if self.changelog {
            columns.push(Arc::new(diffs.cloned().unwrap_or_else(|| Int64Array::from_value(1, batch.num_rows()))));
        }
        if let Style::Raw = self.style {
            let Some(values) = columns.first() else { return Ok(()) };
            for row in 0..batch.num_rows() {
                if !values.is_null(row) {
                    out.open().extend_from_slice(match values.data_type() {
                        DataType::Utf8 => values.as_string::<i32>().value(row).as_bytes(),
                        _ => values.as_binary::<i32>().value(row),
                    });
                }
                out.end();
            }
            return Ok(());
        }
        if let Style::Arrow = self.style {
            return encode_arrow(&RecordBatch::try_new(self.schema.clone(), columns).map_err(error::batch)?, out);
        }
        if let Style::Avro(encoder) = &mut self.style {
            let rows = RecordBatch::try_new(self.schema.clone(), columns).map_err(error::batch)?;
            encoder.encode(&rows).map_err(|e| no_avro(e.into()))?;
            encoder.flush().iter().for_each(|message| out.push(&message));
            return Ok(());
        }
        if let Style::Protobuf(writer) = &self.style {
            return writer.write(&columns, batch.num_rows(), out);
        }
        let fields = self.schema.fields().iter();
        let cells = fields.zip(&columns).map(|(field, array)| Cells::new(field, array.as_ref())).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            match &self.style {
                Style::Json(json) => json.write_row(&cells, row, out.open()),
                Style::Csv(csv) => csv.write_row(&cells, row, out.open()),
                Style::Avro(_) | Style::Protobuf(_) | Style::Arrow | Style::Raw => {}
            }
            // A message needs no newline at its end.
            out.open().pop();
            out.end();
        }
        Ok(())
    }
}

/// Adds a stream of all rows, or of each half of them where it would be too long.
fn encode_arrow(rows: &RecordBatch, out: &mut Messages) -> Result<(), EncodeError> {
    if rows.num_rows() == 0 {
        return Ok(());
    }
    let stream = out.open();
    let start = stream.len();
    let mut writer = StreamWriter::try_new(&mut *stream, rows.schema_ref()).map_err(no_arrow)?;
    writer.write(rows).and_then(|()| writer.finish()).map_err(no_arrow)?;
    drop(writer);
    if stream.len() - start <= ARROW_MESSAGE_BYTES || rows.num_rows() == 1 {
        out.end();
        return Ok(());
    }
    stream.truncate(start);
    let half = rows.num_rows() / 2;
    encode_arrow(&rows.slice(0, half), out)?;
    encode_arrow(&rows.slice(half, rows.num_rows() - half), out)
}

fn no_arrow(cause: ArrowError) -> ConnectorError {
    ConnectorError::user("FMT008", format!("Arrow IPC cannot hold these rows: {cause}"))
        .hint("give the columns types that the format has, or write another format")
        .caused_by(cause)
}

fn several_columns(schema: &SchemaRef) -> ConnectorError {
    let names: Vec<_> = schema.fields().iter().map(|f| format!("`{}`", f.name())).collect();
    ConnectorError::user("FMT022", format!("a raw message is one column, and these are to be written: {}", names.join(", ")))
        .hint("leave one column of type `bytes` or `string` with `select`, or write another format")
}
