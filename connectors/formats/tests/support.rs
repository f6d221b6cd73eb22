//! What the tests of all formats use.

use arrow::{
    compute::concat_batches,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    record_batch::RecordBatch,
};
use runink_connector_api::{Positions, Reject};
use runink_formats::{Decoder, Encoder, OutputFormat, ReadSpec, TextFormat, decoder};
use std::sync::Arc;

/// All that a decoder gave.
#[derive(Debug, PartialEq)]
pub(crate) struct All {
    pub(crate) batch: RecordBatch,
    pub(crate) positions: Vec<u64>,
    pub(crate) rejects: Vec<Reject>,
}

impl All {
    pub(crate) fn messages(&self) -> Vec<String> {
        self.rejects.iter().map(|r| format!("{}: {}: {}", r.position, r.reason.as_str(), r.message)).collect()
    }
}

/// Decodes a text that is given in blocks.
pub(crate) fn decode_blocks<'a>(format: &TextFormat, spec: &ReadSpec, blocks: impl IntoIterator<Item = &'a [u8]>) -> All {
    drain(decoder(format, spec, 1).unwrap(), spec, blocks)
}

pub(crate) fn drain<'a>(mut decoder: Box<dyn Decoder>, spec: &ReadSpec, blocks: impl IntoIterator<Item = &'a [u8]>) -> All {
    let mut all = All { batch: RecordBatch::new_empty(spec.projected()), positions: Vec::new(), rejects: Vec::new() };
    let mut batches = Vec::new();
    let mut take = |decoder: &mut Box<dyn Decoder>| {
        if let Some(decoded) = decoder.take().unwrap() {
            assert!(decoded.batch.num_rows() <= spec.batch_rows);
            let rows = decoded.batch.num_rows() as u64;
            match decoded.positions {
                Positions::From(start) => all.positions.extend(start..start + rows),
                Positions::Each(each) => all.positions.extend(each.values()),
            }
            all.rejects.extend(decoded.rejects);
            batches.push(decoded.batch);
        }
    };
    for mut block in blocks {
        while !block.is_empty() {
            let taken = decoder.push(block).unwrap();
            block = &block[taken..];
            if decoder.is_full() {
                take(&mut decoder);
            } else {
                assert!(block.is_empty(), "a decoder that is not full takes all");
            }
        }
    }
    decoder.finish().unwrap();
    take(&mut decoder);
    if !spec.projection.is_empty() {
        all.batch = concat_batches(&spec.projected(), &batches).unwrap();
    } else if let Some(first) = batches.first() {
        all.batch = first.clone();
    }
    all
}

/// Decodes JSON lines in one block.
pub(crate) fn json(schema: &SchemaRef, text: &str) -> All {
    decode_blocks(&TextFormat::Json, &ReadSpec::all(schema.clone(), 1000), [text.as_bytes()])
}

pub(crate) fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

pub(crate) fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

pub(crate) fn json_field(name: &str) -> Field {
    field(name, DataType::Utf8).with_metadata([(runink_formats::JSON_METADATA.to_owned(), "true".to_owned())].into())
}

/// One column of every type of the language.
pub(crate) fn every_type() -> Vec<Field> {
    let list = |item| DataType::List(Arc::new(field("item", item)));
    let inner = vec![field("x", DataType::Int32), field("y", list(DataType::Utf8))];
    vec![
        field("flag", DataType::Boolean),
        field("i8", DataType::Int8),
        field("i16", DataType::Int16),
        field("i32", DataType::Int32),
        field("i64", DataType::Int64),
        field("u8", DataType::UInt8),
        field("u16", DataType::UInt16),
        field("u32", DataType::UInt32),
        field("u64", DataType::UInt64),
        field("f32", DataType::Float32),
        field("f64", DataType::Float64),
        field("money", DataType::Decimal128(20, 3)),
        field("wide", DataType::Decimal128(38, 0)),
        field("text", DataType::Utf8),
        field("bytes", DataType::Binary),
        field("date", DataType::Date32),
        field("time_s", DataType::Time32(TimeUnit::Second)),
        field("time_ms", DataType::Time32(TimeUnit::Millisecond)),
        field("time_us", DataType::Time64(TimeUnit::Microsecond)),
        field("time_ns", DataType::Time64(TimeUnit::Nanosecond)),
        field("at_s", DataType::Timestamp(TimeUnit::Second, None)),
        field("at_ms", DataType::Timestamp(TimeUnit::Millisecond, None)),
        field("at_us", DataType::Timestamp(TimeUnit::Microsecond, None)),
        field("at_ns", DataType::Timestamp(TimeUnit::Nanosecond, None)),
        json_field("json"),
        field("numbers", list(DataType::Int64)),
        field("nested", DataType::Struct(inner.clone().into())),
        field("rows", list(DataType::Struct(inner.into()))),
    ]
}

/// A batch in a text format.
pub(crate) fn all_text(format: &OutputFormat, batch: &RecordBatch) -> String {
    String::from_utf8(encoded(format, batch)).unwrap()
}

/// A batch in any format.
pub(crate) fn encoded(format: &OutputFormat, batch: &RecordBatch) -> Vec<u8> {
    let mut encoder = Encoder::new(format, &batch.schema(), false, Vec::new()).unwrap();
    encoder.write(batch, None).unwrap();
    let (bytes, summary) = encoder.finish().unwrap();
    assert_eq!((summary.rows, summary.bytes), (batch.num_rows() as u64, bytes.len() as u64));
    bytes
}

/// Compares with a file of `tests/golden`, or writes it where `UPDATE_GOLDEN` is set.
pub(crate) fn golden(name: &str, actual: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "differs from {name}; UPDATE_GOLDEN=1 writes it anew");
}
