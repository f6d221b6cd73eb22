//! What a user reads when an input is unusable, word by word.

use crate::{
    columnar::{opened, read},
    support::{encoded, field, golden, schema},
};
use arrow::{
    array::{ArrayRef, Int64Array},
    datatypes::{DataType, Field, IntervalUnit, SchemaRef},
    record_batch::RecordBatch,
};
use runink_connector_api::ConnectorError;
use runink_formats::{ColumnarFormat, CsvFormat, EncodeError, Encoder, OutputFormat, ParquetCompression, ReadSpec, TextFormat, decoder};
use std::sync::Arc;

fn rows() -> RecordBatch {
    let n: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    RecordBatch::try_new(schema(vec![field("amount", DataType::Int64)]), vec![n]).unwrap()
}

fn wanted(name: &str, data_type: DataType) -> ReadSpec {
    ReadSpec::all(schema(vec![field(name, data_type)]), 10)
}

fn csv_error(text: &[u8], spec: &ReadSpec) -> ConnectorError {
    decoder(&TextFormat::Csv(CsvFormat::default()), spec, 1).unwrap().push(text).unwrap_err()
}

#[test]
fn messages() {
    let map = Field::new_map("m", "entries", Field::new("k", DataType::Utf8, false), field("v", DataType::Utf8), false, true);
    let parquet = encoded(&OutputFormat::Parquet(ParquetCompression::None), &rows());
    let arrow = encoded(&OutputFormat::ArrowFile, &rows());
    let mut broken_footer = parquet.clone();
    let trailer = broken_footer.len() - 8;
    let footer_bytes = u32::from_le_bytes(*broken_footer[trailer..].first_chunk().unwrap()) as usize;
    broken_footer[trailer - footer_bytes..][..8].fill(0xff);
    let mut broken_batch = arrow.clone();
    // The schema's message, then the record batch's.
    let batch = (0..arrow.len()).filter(|i| arrow[*i..].starts_with(&[0xff; 4])).nth(1).unwrap();
    broken_batch[batch + 8..batch + 16].fill(0xee);
    let int = wanted("amount", DataType::Int64);
    let open_error = |format, bytes: &[u8]| opened(format, bytes).map(|_| ()).unwrap_err();
    let read_error = |format, bytes: &[u8], spec: &ReadSpec| {
        opened(format, bytes).and_then(|f| read(f.as_ref(), spec, 0..f.units())).map(|_| ()).unwrap_err()
    };
    let encode_error = |format: &OutputFormat, fields: Vec<Field>, changelog| match Encoder::new(
        format,
        &(schema(fields) as SchemaRef),
        changelog,
        Vec::new(),
    ) {
        Err(EncodeError::Format(e)) => e,
        _ => unreachable!("it was refused"),
    };
    let errors = [
        decoder(&TextFormat::Json, &ReadSpec::all(schema(vec![map.clone()]), 1), 1).map(|_| ()).unwrap_err(),
        csv_error(b"amuont,b\n", &int),
        csv_error(b"a,b\n", &int),
        csv_error(b"amount,amount\n", &int),
        csv_error(b"am\xffount\n", &int),
        csv_error(b"\"amount\"x\n", &int),
        csv_error(b"\xff\xfea\0\n\0", &int),
        encode_error(&OutputFormat::Json, vec![field("wait", DataType::Interval(IntervalUnit::DayTime))], false),
        encode_error(&OutputFormat::Csv(CsvFormat::default()), vec![field("_diff", DataType::Int64)], true),
        open_error(ColumnarFormat::Parquet, b"{\"a\":1}\n"),
        open_error(ColumnarFormat::Parquet, b""),
        open_error(ColumnarFormat::Arrow, b"PAR1PAR1"),
        open_error(ColumnarFormat::Parquet, &parquet[..parquet.len() - 3]),
        open_error(ColumnarFormat::Arrow, &arrow[..arrow.len() - 3]),
        open_error(ColumnarFormat::Parquet, &broken_footer),
        read_error(ColumnarFormat::Parquet, &parquet, &wanted("amuont", DataType::Int64)),
        read_error(ColumnarFormat::Parquet, &parquet, &wanted("amount", DataType::List(Arc::new(field("item", DataType::Int8))))),
        read_error(ColumnarFormat::Arrow, &broken_batch, &int),
    ];
    let shown: Vec<String> = errors.iter().map(|e| format!("{e}\n    hint: {}\n", e.hint.clone().unwrap_or_default())).collect();
    golden("errors.txt", &shown.concat());
}
