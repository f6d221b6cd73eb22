//! Rows to messages: one message a row, in any format that has rows.

use super::{
    cells::{self, Cells},
    csv::CsvStyle,
    json::JsonStyle,
    with_multiplicity,
};
use crate::{CsvFormat, EncodeError, Header, Messages, error};
use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array},
    datatypes::{DataType, SchemaRef},
    record_batch::RecordBatch,
};
use arrow_avro::{
    schema::{AvroSchema, FingerprintStrategy},
    writer::{Encoder, WriterBuilder, format::AvroSoeFormat},
};
use runink_connector_api::ConnectorError;
use std::sync::Arc;

/// What messages are written as.
#[derive(Debug, Clone, PartialEq)]
pub enum MessageOutput {
    /// A JSON object.
    Json,
    /// A CSV row without a header.
    Csv(CsvFormat),
    /// Avro, in the wire format of schema registries; the schema ([`avro_schema`]) has this number there.
    Avro(u32),
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

    /// Adds a message for each row. A null of a raw message is an empty one.
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
        if let Style::Avro(encoder) = &mut self.style {
            let rows = RecordBatch::try_new(self.schema.clone(), columns).map_err(error::batch)?;
            encoder.encode(&rows).map_err(|e| no_avro(e.into()))?;
            encoder.flush().iter().for_each(|message| out.push(&message));
            return Ok(());
        }
        let fields = self.schema.fields().iter();
        let cells = fields.zip(&columns).map(|(field, array)| Cells::new(field, array.as_ref())).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            match &self.style {
                Style::Json(json) => json.write_row(&cells, row, out.open()),
                Style::Csv(csv) => csv.write_row(&cells, row, out.open()),
                Style::Avro(_) | Style::Raw => {}
            }
            // A message needs no newline at its end.
            out.open().pop();
            out.end();
        }
        Ok(())
    }
}

fn several_columns(schema: &SchemaRef) -> ConnectorError {
    let names: Vec<_> = schema.fields().iter().map(|f| format!("`{}`", f.name())).collect();
    ConnectorError::user("FMT022", format!("a raw message is one column, and these are to be written: {}", names.join(", ")))
        .hint("leave one column of type `bytes` or `string` with `select`, or write another format")
}
