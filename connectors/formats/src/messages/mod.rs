//! Messages: bytes that come one row at a time (a log's records), each complete in itself.
//!
//! [`Messages`] holds many of them end to end, so that a format decodes a whole batch in one pass. Every format has a [`MessageDecoder`]; a message that does
//! not decode is a reject with its own bytes, and never costs its neighbours.

mod arrow_ipc;
mod avro;
mod debezium;
mod protobuf;
mod raw;
mod text;

use crate::{CsvFormat, Decoded, ReadSpec};
use arrow::{array::Int64Array, datatypes::SchemaRef};
pub use avro::schema_id;
pub use protobuf::ProtobufTypes;
use runink_connector_api::{ConnectorError, Positions, Reject};
use text::TextMessages;

/// How many bytes of messages one [`Messages`] takes before it should be decoded. (One message more may go beyond it.)
pub const MESSAGES_BYTES: usize = 1 << 20;

/// Messages end to end. A newline stands behind each, so that text formats decode most of them from where they lie.
#[derive(Debug, Default)]
pub struct Messages {
    bytes: Vec<u8>,
    /// Where each ends, without its newline.
    ends: Vec<usize>,
    /// Some have line breaks inside, or are blank: lines are not messages.
    lines_differ: bool,
}

impl Messages {
    /// Adds one.
    pub fn push(&mut self, message: &[u8]) {
        self.bytes.extend_from_slice(message);
        self.end();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes they have together.
    pub fn bytes(&self) -> usize {
        self.bytes.len() - self.ends.len()
    }

    /// One of them; nothing where there is none of that number.
    pub fn get(&self, message: usize) -> &[u8] {
        let start = if message == 0 { Some(0) } else { self.ends.get(message - 1).map(|end| end + 1) };
        match (start, self.ends.get(message)) {
            (Some(start), Some(&end)) => &self.bytes[start..end],
            _ => &[],
        }
    }

    /// All, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|message| self.get(message))
    }

    /// Forgets them, and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.lines_differ = false;
    }

    /// Where the next message's bytes go; [`Messages::end`] ends it.
    pub(crate) fn open(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends a message: all bytes since the one before.
    pub(crate) fn end(&mut self) {
        let start = self.ends.last().map_or(0, |end| end + 1);
        let message = &self.bytes[start..];
        // Most messages begin with what no blank one does.
        let blank = message.first().is_none_or(u8::is_ascii_whitespace) && message.iter().all(u8::is_ascii_whitespace);
        self.lines_differ |= blank || memchr::memchr(b'\n', message).is_some();
        self.ends.push(self.bytes.len());
        self.bytes.push(b'\n');
    }
}

/// A format of messages.
#[derive(Debug, Clone, PartialEq)]
pub enum MessageFormat {
    /// One JSON object; line breaks between its values are allowed.
    Json,
    /// One or more rows of CSV without a header: cells in the order of the schema's columns.
    Csv(CsvFormat),
    /// An event of Debezium's, as JSON: rows and deletions of keys.
    Debezium,
    /// An Arrow IPC stream, of any number of rows.
    Arrow,
    /// The bytes as they are, for a schema of one column (text or bytes).
    Raw,
}

/// Rows of messages.
#[derive(Debug)]
pub struct DecodedMessages {
    /// The rows. Positions, also those of rejects, are numbers of messages, from 0.
    pub rows: Decoded,
    /// Each row's multiplicity, where the format has deletions.
    pub diffs: Option<Int64Array>,
}

impl DecodedMessages {
    /// The message that a row came from.
    pub fn message_of(&self, row: usize) -> usize {
        match &self.rows.positions {
            Positions::From(start) => *start as usize + row,
            Positions::Each(each) => each.value(row) as usize,
        }
    }
}

/// Decodes messages of one format.
pub trait MessageDecoder: Send {
    /// Decodes all of them, and hands on batches of bounded size, in order.
    ///
    /// # Errors
    /// Where rows cannot be decoded whatever the messages say.
    fn decode(&mut self, messages: &Messages, emit: &mut dyn FnMut(DecodedMessages)) -> Result<(), ConnectorError>;
}

/// A decoder of messages.
///
/// # Errors
/// Where the schema has a type that the format cannot give.
pub fn message_decoder(format: &MessageFormat, spec: &ReadSpec) -> Result<Box<dyn MessageDecoder>, ConnectorError> {
    Ok(match format {
        MessageFormat::Json => Box::new(TextMessages::json(spec)?),
        MessageFormat::Csv(csv) => Box::new(TextMessages::csv(csv, spec)?),
        MessageFormat::Debezium => Box::new(debezium::DebeziumMessages::new(spec)?),
        MessageFormat::Arrow => Box::new(arrow_ipc::ArrowMessages::new(spec)),
        MessageFormat::Raw => Box::new(raw::RawMessages::new(spec)?),
    })
}

/// A schema that messages were written with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterSchema {
    /// As JSON (Avro), or in Protobuf's language.
    pub text: String,
    /// The names and texts of the files that it imports (Protobuf).
    pub imports: Vec<(String, String)>,
}

/// Looks up the schemas that messages were written with.
pub trait WriterSchemas: Send {
    /// The schema of that number; `None` where there is none.
    ///
    /// # Errors
    /// Where it cannot be looked up.
    fn schema(&mut self, id: u32) -> Result<Option<WriterSchema>, ConnectorError>;
}

/// A decoder of Protobuf messages.
///
/// # Errors
/// Where a column cannot have what a message has for it.
pub fn protobuf_decoder(spec: &ReadSpec, types: ProtobufTypes) -> Result<Box<dyn MessageDecoder>, ConnectorError> {
    Ok(Box::new(protobuf::ProtobufMessages::new(spec, types)?))
}

/// A decoder of Avro messages, whose schemas are looked up by number.
pub fn avro_decoder(spec: &ReadSpec, schemas: Box<dyn WriterSchemas>) -> Box<dyn MessageDecoder> {
    Box::new(avro::AvroMessages::new(spec, schemas))
}

/// The columns that an Avro schema (as JSON) has.
///
/// # Errors
/// Where it cannot be read.
pub fn avro_columns(schema: &str) -> Result<SchemaRef, ConnectorError> {
    avro::columns(schema)
}

/// As much of a bad message as is kept.
fn raw_of(message: &[u8]) -> Vec<u8> {
    message[..message.len().min(Reject::MAX_RAW_BYTES)].to_vec()
}

#[cfg(test)]
mod tests;
