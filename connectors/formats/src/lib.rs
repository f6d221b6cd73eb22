//! File formats: bytes to Arrow columns and back, without any I/O policy of their own.
//!
//! - Text ([`TextFormat`]): JSON lines and CSV. A [`Decoder`] is pushed blocks of bytes and gives batches; it reads no files and knows no paths.
//!   [`RowScan`] finds row boundaries, so that one large file can be decoded in pieces by several workers.
//! - Columnar ([`ColumnarFormat`]): Parquet and Arrow IPC. They need to seek, so [`open`] takes a file; its units (row groups, record batches) are
//!   read independently of each other.
//! - Messages ([`MessageFormat`]): what a log's records hold, many at once; [`MessageEncoder`] writes them.
//! - [`Encoder`] writes any of them.
//! - [`infer`] proposes a schema for a sample of text.
//!
//! A row that does not decode is a [`Reject`](runink_connector_api::Reject) with its position and bytes. An error means that the whole input is unusable.
//! Errors do not know the file's name: the caller adds it.

mod cell;
mod column;
mod columnar;
mod csv;
mod encode;
mod error;
mod failure;
mod frame;
mod infer;
mod json;
mod keep;
mod messages;
mod output;
mod protobuf;
mod read;
mod scan;
mod text;
mod utf8;

pub use columnar::{ColumnarFile, ColumnarFormat, UNIT_ROWS, UnitReader, open};
pub use csv::{CsvFormat, Header, HeaderRow};
pub use encode::{
    ARROW_MESSAGE_BYTES, CellText, Encoder, MULTIPLICITY, MessageEncoder, MessageOutput, OutputFormat, ParquetCompression, avro_schema,
};
pub use error::EncodeError;
pub use infer::{SAMPLE_BYTES, SAMPLE_ROWS, infer};
pub use messages::{
    DecodedMessages, MESSAGES_BYTES, MessageDecoder, MessageFormat, Messages, ProtobufTypes, WriterSchema, WriterSchemas, avro_columns,
    avro_decoder, message_decoder, protobuf_decoder, schema_id,
};
pub use protobuf::{ProtoFile, ProtoMessage, proto_schema};
pub use read::{Decoded, ReadSpec};
pub use scan::RowScan;
pub use text::{Decoder, MAX_LINE_BYTES, TextFormat, decoder};

/// The key of a field's metadata that marks a text column as JSON: it takes any JSON value and keeps it as it was written.
pub const JSON_METADATA: &str = "runink.json";
