//! Encoders.

use crate::{
    columnar::{opened, read},
    support::{decode_blocks, every_type, field, schema},
};
use arrow::{
    array::*,
    datatypes::{DataType, Int32Type, TimeUnit},
    record_batch::RecordBatch,
};
use runink_formats::{
    CellText, ColumnarFormat, CsvFormat, EncodeError, Encoder, Header, OutputFormat, ParquetCompression, ReadSpec, TextFormat,
};
use std::{
    io::{self, Write},
    sync::Arc,
};

fn counts() -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec!["a", "b"])), Arc::new(Int64Array::from(vec![1, 2]))];
    RecordBatch::try_new(schema(vec![field("k", DataType::Utf8), field("n", DataType::Int64)]), columns).unwrap()
}

fn formats() -> [OutputFormat; 5] {
    [
        OutputFormat::Json,
        OutputFormat::Csv(CsvFormat::default()),
        OutputFormat::Parquet(ParquetCompression::Zstd),
        OutputFormat::ArrowFile,
        OutputFormat::ArrowStream,
    ]
}

#[test]
fn changelogs_have_a_multiplicity_in_every_format() {
    for format in formats() {
        let mut encoder = Encoder::new(&format, &counts().schema(), true, Vec::new()).unwrap();
        encoder.write(&counts(), Some(&Int64Array::from(vec![1, -1]))).unwrap();
        encoder.write(&counts(), None).unwrap();
        let (bytes, summary) = encoder.finish().unwrap();
        assert_eq!((summary.rows, summary.bytes), (4, bytes.len() as u64));
        let with_diff = schema(vec![field("k", DataType::Utf8), field("n", DataType::Int64), field("_diff", DataType::Int64)]);
        let spec = ReadSpec::all(with_diff, 100);
        let columnar = |format| {
            let file = opened(format, &bytes).unwrap();
            read(file.as_ref(), &spec, 0..file.units()).unwrap()
        };
        let all = match &format {
            OutputFormat::Json => decode_blocks(&TextFormat::Json, &spec, [bytes.as_slice()]),
            OutputFormat::Csv(csv) => decode_blocks(&TextFormat::Csv(csv.clone()), &spec, [bytes.as_slice()]),
            OutputFormat::Parquet(_) => columnar(ColumnarFormat::Parquet),
            OutputFormat::ArrowFile | OutputFormat::ArrowStream => columnar(ColumnarFormat::Arrow),
        };
        let diffs: &Int64Array = all.batch.column(2).as_primitive();
        assert_eq!(diffs.values(), &[1, -1, 1, 1], "{format:?}");
    }
}

#[test]
fn no_rows_are_a_valid_file() {
    for format in formats() {
        let encoder = Encoder::new(&format, &counts().schema(), false, Vec::new()).unwrap();
        let (bytes, _) = encoder.finish().unwrap();
        match &format {
            OutputFormat::Json => assert!(bytes.is_empty()),
            OutputFormat::Csv(_) => assert_eq!(bytes, b"k,n\n"),
            OutputFormat::Parquet(_) => assert_eq!(opened(ColumnarFormat::Parquet, &bytes).unwrap().units(), 0),
            OutputFormat::ArrowFile | OutputFormat::ArrowStream => assert_eq!(opened(ColumnarFormat::Arrow, &bytes).unwrap().units(), 0),
        }
    }
}

#[test]
fn layouts_of_arrow_are_written_by_their_values() {
    let dictionary: DictionaryArray<Int32Type> = vec![Some("x"), None].into_iter().collect();
    let list: LargeListArray = LargeListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("view", Arc::new(StringViewArray::from(vec![Some("a long text that is not kept inline"), None]))),
        ("large", Arc::new(LargeStringArray::from(vec!["a", "b"]))),
        ("dictionary", Arc::new(dictionary)),
        ("list", Arc::new(list)),
        ("null", Arc::new(NullArray::new(2))),
        ("wait", Arc::new(DurationSecondArray::from(vec![5, 6]))),
        ("zoned", Arc::new(TimestampSecondArray::from(vec![0, 1]).with_timezone("Europe/Berlin"))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    assert_eq!(
        crate::support::all_text(&OutputFormat::Json, &batch),
        concat!(
            "{\"view\":\"a long text that is not kept inline\",\"large\":\"a\",\"dictionary\":\"x\",\"list\":[1],\"null\":null,\"wait\":5,\"zoned\":\"1970-01-01T00:00:00Z\"}\n",
            "{\"view\":null,\"large\":\"b\",\"dictionary\":null,\"list\":null,\"null\":null,\"wait\":6,\"zoned\":\"1970-01-01T00:00:01Z\"}\n",
        )
    );
}

#[test]
fn csv_quotes_what_would_be_read_as_something_else() {
    let text = StringArray::from(vec![Some("NULL"), None, Some(""), Some("a;b"), Some("it's"), Some("\u{feff}x"), Some(" x ")]);
    let batch = RecordBatch::try_new(schema(vec![field(" t", DataType::Utf8)]), vec![Arc::new(text)]).unwrap();
    let csv = CsvFormat { delimiter: b';', quote: b'\'', header: Header::FirstRow, null: "NULL".into() };
    assert_eq!(crate::support::all_text(&OutputFormat::Csv(csv), &batch), "' t'\n'NULL'\nNULL\n''\n'a;b'\n'it''s'\n'\u{feff}x'\n x \n");
}

#[test]
fn cells_as_text() {
    let at = TimestampMillisecondArray::from(vec![Some(1), None, Some(i64::MAX)]);
    let field = field("at", DataType::Timestamp(TimeUnit::Millisecond, None));
    let cells = CellText::new(&field, &at).unwrap();
    let mut out = Vec::new();
    assert!(cells.write(0, &mut out));
    assert!(!cells.write(1, &mut out));
    assert!(!cells.write(3, &mut out));
    assert_eq!(out, b"1970-01-01T00:00:00.001Z");
    out.clear();
    assert!(cells.write(2, &mut out));
    assert_eq!(out, i64::MAX.to_string().as_bytes());
    for field in every_type() {
        assert!(!CellText::new(&field, new_null_array(field.data_type(), 1).as_ref()).unwrap().write(0, &mut out));
    }
}

/// A writer that is full after some bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.0.min(bytes.len());
        self.0 -= room;
        if room == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(room) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_of_the_writer() {
    for format in formats() {
        let outcome = Encoder::new(&format, &counts().schema(), false, Full(10)).and_then(|mut encoder| {
            for _ in 0..50_000 {
                encoder.write(&counts(), None)?;
            }
            encoder.finish()
        });
        match outcome {
            Err(EncodeError::Io(e)) => assert_eq!(e.kind(), io::ErrorKind::StorageFull, "{format:?}"),
            Err(e) => unreachable!("{format:?}: {e}"),
            Ok(_) => unreachable!("{format:?} wrote more than fits"),
        }
    }
}

#[test]
fn flush_shows_what_was_written() {
    let mut encoder = Encoder::new(&OutputFormat::Json, &counts().schema(), false, Vec::new()).unwrap();
    encoder.write(&counts(), None).unwrap();
    encoder.flush().unwrap();
    encoder.flush().unwrap();
    let (bytes, summary) = encoder.finish().unwrap();
    assert_eq!(summary.bytes, bytes.len() as u64);
    assert_eq!(bytes, b"{\"k\":\"a\",\"n\":1}\n{\"k\":\"b\",\"n\":2}\n");
}
