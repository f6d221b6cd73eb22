//! Parquet and Arrow IPC.

use crate::{
    random::Random,
    support::{All, encoded, field, schema},
};
use arrow::{
    array::*,
    compute::concat_batches,
    datatypes::{DataType, Field, Int32Type, SchemaRef, TimeUnit},
    record_batch::RecordBatch,
};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use proptest::prelude::*;
use runink_connector_api::{CompareOp, Literal, Positions, Predicate};
use runink_formats::{ColumnarFile, ColumnarFormat, OutputFormat, ParquetCompression, ReadSpec, UNIT_ROWS, open};
use std::{io::Write, sync::Arc};

pub(crate) fn opened(format: ColumnarFormat, bytes: &[u8]) -> Result<Arc<dyn ColumnarFile>, runink_connector_api::ConnectorError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    open(format, file)
}

/// Reads these units one after the other.
pub(crate) fn read(
    file: &dyn ColumnarFile,
    spec: &ReadSpec,
    units: impl IntoIterator<Item = usize>,
) -> Result<All, runink_connector_api::ConnectorError> {
    let mut all = All { batch: RecordBatch::new_empty(spec.projected()), positions: Vec::new(), rejects: Vec::new() };
    let mut batches = Vec::new();
    for unit in units {
        let mut reader = file.read(unit, spec)?;
        while let Some(decoded) = reader.next()? {
            assert!(decoded.batch.num_rows() <= spec.batch_rows);
            let rows = decoded.batch.num_rows() as u64;
            match decoded.positions {
                Positions::From(start) => all.positions.extend(start..start + rows),
                Positions::Each(each) => all.positions.extend(each.values()),
            }
            all.rejects.extend(decoded.rejects);
            batches.push(decoded.batch);
        }
    }
    all.batch = concat_batches(&spec.projected(), &batches).unwrap();
    Ok(all)
}

fn formats() -> [(ColumnarFormat, OutputFormat); 5] {
    [
        (ColumnarFormat::Parquet, OutputFormat::Parquet(ParquetCompression::None)),
        (ColumnarFormat::Parquet, OutputFormat::Parquet(ParquetCompression::Snappy)),
        (ColumnarFormat::Parquet, OutputFormat::Parquet(ParquetCompression::Zstd)),
        (ColumnarFormat::Arrow, OutputFormat::ArrowFile),
        (ColumnarFormat::Arrow, OutputFormat::ArrowStream),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn files_give_back_the_rows_they_were_given(seed: u64, rows in 0usize..40) {
        let mut random = Random(seed);
        let batch = random.batch(rows);
        let mut spec = ReadSpec::all(batch.schema(), 7);
        spec.projection.retain(|_| !random.one_in(3));
        if spec.projection.is_empty() {
            spec.projection.push(0);
        }
        for (format, output) in formats() {
            let file = opened(format, &encoded(&output, &batch)).unwrap();
            let all = read(file.as_ref(), &spec, 0..file.units()).unwrap();
            prop_assert_eq!(all.messages(), Vec::<String>::new());
            prop_assert_eq!(&all.batch, &batch.project(&spec.projection).unwrap());
            prop_assert_eq!(all.positions, (0..rows as u64).collect::<Vec<_>>());
        }
    }
}

#[test]
fn readers_of_several_row_groups_decode_for_each_other() {
    let rows = 7 * UNIT_ROWS;
    let batch = numbers(rows);
    let mut bytes = Vec::new();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2 * UNIT_ROWS + 50)).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let file = opened(ColumnarFormat::Parquet, &bytes).unwrap();
    let spec = ReadSpec::all(batch.schema(), 8192);
    let whole = read(file.as_ref(), &spec, 0..file.units()).unwrap();
    assert_eq!(whole.batch, batch);
    // Each takes every second or third unit; one may be far ahead of another.
    for peers in [2, 3] {
        for ahead in [1, 4, 9] {
            let file = opened(ColumnarFormat::Parquet, &bytes).unwrap();
            let mut order: Vec<usize> = (0..file.units()).collect();
            order.sort_by_key(|unit| (unit + if unit % peers == 0 { 0 } else { ahead }, *unit));
            for unit in order {
                let found = read(file.as_ref(), &spec, [unit]).unwrap();
                let first = usize::try_from(found.positions[0]).unwrap();
                assert_eq!(found.batch, batch.slice(first, found.batch.num_rows()), "unit {unit} of {peers}, {ahead} ahead");
            }
        }
    }
}

fn numbers(rows: usize) -> RecordBatch {
    let schema = schema(vec![field("n", DataType::Int64), field("t", DataType::Utf8)]);
    let n = Int64Array::from_iter_values((0..rows as i64).map(|i| i * 3));
    let t = StringArray::from_iter_values((0..rows).map(|i| format!("text {}", i % 1000)));
    RecordBatch::try_new(schema, vec![Arc::new(n), Arc::new(t)]).unwrap()
}

#[test]
fn units_are_the_same_rows_in_whatever_order_they_are_read() {
    let rows = 3 * UNIT_ROWS + 100;
    let batch = numbers(rows);
    let file = opened(ColumnarFormat::Parquet, &encoded(&OutputFormat::Parquet(ParquetCompression::Snappy), &batch)).unwrap();
    assert_eq!(file.units(), 4);
    let spec = ReadSpec::all(batch.schema(), 5000);
    let other = ReadSpec::all(batch.schema(), 700);
    for order in [vec![0, 1, 2, 3], vec![0, 2], vec![1, 3], vec![2, 0, 3, 1], vec![3, 2, 1, 0], vec![1, 1, 2], vec![0, 3], vec![1, 2]] {
        let all = read(file.as_ref(), &spec, order.iter().copied()).unwrap();
        // Who reads it otherwise gets nothing that was decoded for others.
        assert_eq!(read(file.as_ref(), &other, [3]).unwrap().batch.num_rows(), 100);
        let pieces: Vec<RecordBatch> = order.iter().map(|u| batch.slice(u * UNIT_ROWS, UNIT_ROWS.min(rows - u * UNIT_ROWS))).collect();
        assert_eq!(all.batch, concat_batches(&batch.schema(), &pieces).unwrap(), "{order:?}");
        let expected: Vec<u64> = order.iter().flat_map(|u| u * UNIT_ROWS..((u + 1) * UNIT_ROWS).min(rows)).map(|r| r as u64).collect();
        assert_eq!(all.positions, expected);
    }
    let bytes: u64 = (0..4).map(|u| file.unit_bytes(u)).sum();
    assert!(bytes > 0);
}

#[test]
fn statistics_rule_units_out() {
    let batch = numbers(2 * UNIT_ROWS);
    let file = opened(ColumnarFormat::Parquet, &encoded(&OutputFormat::Parquet(ParquetCompression::None), &batch)).unwrap();
    let most = (2 * UNIT_ROWS as i64 - 1) * 3;
    let cases = [
        ("n", CompareOp::Eq, Literal::Int(most), true),
        ("n", CompareOp::Eq, Literal::Int(most + 1), false),
        ("n", CompareOp::Gt, Literal::Int(most), false),
        ("n", CompareOp::Ge, Literal::Int(most), true),
        ("n", CompareOp::Lt, Literal::Int(0), false),
        ("n", CompareOp::Le, Literal::Int(0), true),
        ("n", CompareOp::Ne, Literal::Int(0), true),
        ("t", CompareOp::Eq, Literal::Text("tex".into()), false),
        ("t", CompareOp::Lt, Literal::Text("text 1".into()), true),
        ("t", CompareOp::Gt, Literal::Text("text 999".into()), false),
        ("unknown", CompareOp::Eq, Literal::Int(1), true),
    ];
    for (column, op, value, may_match) in cases {
        let mut spec = ReadSpec::all(batch.schema(), UNIT_ROWS);
        let case = format!("{column} {op:?} {value:?}");
        spec.predicates.push(Predicate { column: column.into(), op, value });
        let all = read(file.as_ref(), &spec, 0..file.units()).unwrap();
        assert_eq!(all.batch.num_rows() > 0, may_match, "{case}");
    }
}

/// Reads one column of a file as another type.
fn converted(array: ArrayRef, wanted: Field) -> All {
    let batch = RecordBatch::try_new(
        schema(vec![field("x", DataType::Int8), field("c", array.data_type().clone())]),
        vec![Arc::new(Int8Array::from_value(1, array.len())), array],
    )
    .unwrap();
    let file = opened(ColumnarFormat::Arrow, &encoded(&OutputFormat::ArrowFile, &batch)).unwrap();
    let spec = ReadSpec { projection: vec![1], ..ReadSpec::all(schema(vec![field("y", DataType::Int8), wanted]), 1000) };
    read(file.as_ref(), &spec, 0..file.units()).unwrap()
}

#[test]
fn values_are_converted_exactly_or_their_rows_rejected() {
    let mut shown = String::new();
    let mut case = |what: &str, array: ArrayRef, wanted: Field| {
        let all = converted(array, wanted);
        shown.push_str(&format!("{what}\n    rows {:?}\n", all.positions));
        let text = crate::support::all_text(&OutputFormat::Json, &all.batch);
        text.lines().for_each(|line| shown.push_str(&format!("    {line}\n")));
        all.messages()
            .iter()
            .zip(&all.rejects)
            .for_each(|(m, r)| shown.push_str(&format!("    {m} {}\n", String::from_utf8_lossy(&r.raw))));
    };
    let c = |data_type| field("c", data_type);
    case("int64 to int8", Arc::new(Int64Array::from(vec![Some(1), None, Some(128), Some(-128)])), c(DataType::Int8));
    case("float64 to int64", Arc::new(Float64Array::from(vec![1.0, 1.5, f64::NAN, 1e300])), c(DataType::Int64));
    case("float64 to decimal", Arc::new(Float64Array::from(vec![0.25, 0.125])), c(DataType::Decimal128(10, 2)));
    case("int64 to decimal", Arc::new(Int64Array::from(vec![99, 100])), c(DataType::Decimal128(3, 1)));
    case(
        "text to timestamp",
        Arc::new(StringArray::from(vec!["2026-01-01", "soon", ""])),
        c(DataType::Timestamp(TimeUnit::Millisecond, None)),
    );
    case("int64 to text", Arc::new(Int64Array::from(vec![7])), c(DataType::Utf8));
    let at = TimestampNanosecondArray::from(vec![-1, 1_000_000_000]).with_timezone("Europe/Berlin");
    case("timestamp(ns) with a zone to timestamp(ms)", Arc::new(at), c(DataType::Timestamp(TimeUnit::Millisecond, None)));
    let far = TimestampSecondArray::from(vec![1, i64::MAX]);
    case("timestamp(s) to timestamp(ns)", Arc::new(far), c(DataType::Timestamp(TimeUnit::Nanosecond, None)));
    let noon = TimestampSecondArray::from(vec![86_400, 86_401]);
    case("timestamp to date", Arc::new(noon), c(DataType::Date32));
    let dictionary: DictionaryArray<Int32Type> = vec!["a", "b", "a"].into_iter().collect();
    case("dictionary to text", Arc::new(dictionary), c(DataType::Utf8));
    case("required", Arc::new(Int64Array::from(vec![Some(1), None])), Field::new("c", DataType::Int64, false));
    case("invalid UTF-8", Arc::new(BinaryArray::from(vec![b"ok".as_slice(), b"\xff"])), c(DataType::Utf8));

    let list = LargeListArray::from_iter_primitive::<arrow::datatypes::Int64Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![Some(300)]),
        Some(vec![]),
    ]);
    case("list of int64 to list of int8", Arc::new(list.clone()), c(DataType::List(Arc::new(field("item", DataType::Int8)))));
    case("list to list of required", Arc::new(list), c(DataType::List(Arc::new(Field::new("element", DataType::Int64, false)))));
    let inner: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(1000), None]));
    let people = StructArray::from(vec![
        (Arc::new(field("age", DataType::Int64)), inner),
        (Arc::new(field("z", DataType::Int8)), Arc::new(Int8Array::from(vec![1, 2, 3]))),
    ]);
    let wanted = DataType::Struct(vec![Field::new("age", DataType::Int8, false), field("name", DataType::Utf8)].into());
    case("struct to struct with other members", Arc::new(people), c(wanted));
    crate::support::golden("conversions.txt", &shown);
}

#[test]
fn only_wanted_members_of_structs_are_read() {
    let inner = StructArray::from(vec![
        (Arc::new(field("a", DataType::Int64)), Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
        (Arc::new(field("b", DataType::Utf8)), Arc::new(StringArray::from(vec!["x", "y"])) as ArrayRef),
    ]);
    let batch = RecordBatch::try_new(schema(vec![field("s", inner.data_type().clone())]), vec![Arc::new(inner)]).unwrap();
    let file = opened(ColumnarFormat::Parquet, &encoded(&OutputFormat::Parquet(ParquetCompression::None), &batch)).unwrap();
    let wanted: SchemaRef = schema(vec![field("s", DataType::Struct(vec![field("b", DataType::Utf8)].into()))]);
    let all = read(file.as_ref(), &ReadSpec::all(wanted, 10), 0..1).unwrap();
    assert_eq!(crate::support::all_text(&OutputFormat::Json, &all.batch), "{\"s\":{\"b\":\"x\"}}\n{\"s\":{\"b\":\"y\"}}\n");
}
