//! What goes in comes out; what is not a row is an error, never a panic.

#![allow(clippy::unwrap_used)]
use super::*;
use arrow::{
    array::*,
    datatypes::{Int32Type, Int64Type, IntervalMonthDayNanoType},
};
use proptest::prelude::*;

fn samples() -> Vec<ArrayRef> {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(1), None, Some(3)]),
        None,
        Some(vec![]),
        Some(vec![Some(7)]),
    ]);
    let large = LargeListArray::from_iter_primitive::<Int32Type, _, _>(vec![None, Some(vec![Some(1)]), Some(vec![]), Some(vec![None])]);
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
        vec![Some(vec![Some(1), Some(2)]), None, Some(vec![None, Some(4)]), Some(vec![Some(5), Some(6)])],
        2,
    );
    let inner: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, Some(""), Some("ü\0")]));
    let fields = Fields::from(vec![Field::new("text", DataType::Utf8, true), Field::new("list", list.data_type().clone(), true)]);
    let nulls = NullBuffer::from(vec![true, true, false, true]);
    let structs = StructArray::new(fields, vec![inner, Arc::new(list.clone())], Some(nulls));
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for i in 0..4 {
        for j in 0..i {
            map.keys().append_value(format!("k{j}"));
            map.values().append_option((j != 1).then_some(j));
        }
        map.append(i != 2).unwrap();
    }
    let months = [Some(IntervalMonthDayNanoType::make_value(1, 2, 3)), None, None, Some(IntervalMonthDayNanoType::make_value(-1, 0, 9))];
    let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("b"), Some("a")].into_iter().collect();
    vec![
        Arc::new(NullArray::new(4)),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
        Arc::new(UInt16Array::from(vec![0, 1, u16::MAX, 7])),
        Arc::new(Float64Array::from(vec![Some(-0.0), Some(f64::NAN), None, Some(1.5)])),
        Arc::new(Decimal128Array::from(vec![Some(i128::MIN / 10), None, Some(0), Some(5)]).with_precision_and_scale(38, 2).unwrap()),
        Arc::new(Decimal256Array::from(vec![Some(arrow::datatypes::i256::ONE), None, None, None]).with_precision_and_scale(40, 2).unwrap()),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(i64::MIN), None, Some(0), Some(i64::MAX)]).with_timezone("UTC")),
        Arc::new(Date32Array::from(vec![Some(-5), None, Some(0), Some(19_000)])),
        Arc::new(IntervalMonthDayNanoArray::from(months.to_vec())),
        Arc::new(
            FixedSizeBinaryArray::try_from_sparse_iter_with_size([Some([1u8, 2]), None, Some([0, 0]), Some([9, 9])].into_iter(), 2)
                .unwrap(),
        ),
        Arc::new(StringArray::from(vec![Some(""), None, Some("a\0b"), Some("straße")])),
        Arc::new(LargeStringArray::from(vec![Some("z"), None, Some(""), Some("y")])),
        Arc::new(StringViewArray::from(vec![Some("short"), None, Some("a string that is longer than a view's inline part"), Some("")])),
        Arc::new(BinaryArray::from(vec![Some(&b"\xff\x00"[..]), None, Some(b""), Some(b"z")])),
        Arc::new(BinaryViewArray::from(vec![Some(&b"\xff\x00"[..]), None, Some(b""), Some(b"a view that is longer than twelve bytes")])),
        Arc::new(dictionary),
        Arc::new(list),
        Arc::new(large),
        Arc::new(fixed),
        Arc::new(structs),
        Arc::new(map.finish()),
    ]
}

fn fields_of(columns: &[ArrayRef]) -> Vec<FieldRef> {
    columns.iter().enumerate().map(|(i, c)| Arc::new(Field::new(format!("c{i}"), c.data_type().clone(), true))).collect()
}

fn rows_of(encoded: &Encoded, rows: usize) -> Vec<&[u8]> {
    (0..rows).map(|i| encoded.row(i)).collect()
}

#[test]
fn every_kind_of_column_comes_back() {
    let columns = samples();
    let encoded = encode(&columns, 4).unwrap();
    let back = decode(&fields_of(&columns), &rows_of(&encoded, 4)).unwrap();
    for (was, is) in columns.iter().zip(&back) {
        supported(was.data_type()).unwrap();
        assert_eq!(was.data_type(), is.data_type());
        // Compared as they are kept: dictionaries may number their values anew.
        let plain = plain(was.data_type());
        assert_eq!(&cast(was, &plain).unwrap(), &cast(is, &plain).unwrap(), "{}", was.data_type());
    }
}

/// Rows as they stand in the golden file of format 1: written when there is none, and never again.
#[test]
fn rows_of_format_1_are_what_they_were() {
    use std::fmt::Write as _;
    let mut text = String::new();
    for column in samples() {
        let encoded = encode(std::slice::from_ref(&column), 4).unwrap();
        let rows: Vec<String> = (0..4).map(|i| encoded.row(i).iter().map(|b| format!("{b:02x}")).collect()).collect();
        writeln!(text, "{}\n  {}", column.data_type(), rows.join("\n  ")).unwrap();
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rows-v1.txt");
    if !path.exists() && std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "the form of rows has changed: that is a new format");
}

#[test]
fn a_slice_is_encoded_as_what_it_shows() {
    for column in samples() {
        let whole = encode(std::slice::from_ref(&column), 4).unwrap();
        let part = encode(&[column.slice(1, 3)], 3).unwrap();
        for i in 0..3 {
            assert_eq!(whole.row(i + 1), part.row(i), "{}", column.data_type());
        }
    }
}

#[test]
fn rows_without_columns_are_rows() {
    let encoded = encode(&[], 3).unwrap();
    assert_eq!(rows_of(&encoded, 3), vec![&[] as &[u8]; 3]);
    assert!(decode(&[], &[&[], &[]]).unwrap().is_empty());
}

#[test]
fn a_type_without_a_form_on_disk_is_named() {
    let field = Arc::new(Field::new("run_ends", DataType::Int32, false));
    let values = Arc::new(Field::new("values", DataType::Int32, true));
    let refused = supported(&DataType::RunEndEncoded(field, values)).unwrap_err().to_string();
    assert!(refused.starts_with("values of type RunEndEncoded"), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_rows_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..96)) {
        for column in samples() {
            let _either = decode(&fields_of(&[column]), &[&bytes]);
        }
    }

    #[test]
    fn a_changed_byte_is_another_row_or_an_error(at in 0usize..4096, bit in 0u8..8, cut in any::<bool>()) {
        let columns = samples();
        let encoded = encode(&columns, 4).unwrap();
        let mut row = encoded.row(3).to_vec();
        let at = at % row.len();
        if cut { row.truncate(at) } else { row[at] ^= 1 << bit }
        if let Ok(back) = decode(&fields_of(&columns), &[&row]) {
            let again = encode(&back, 1).unwrap();
            prop_assert_ne!(again.row(0), encoded.row(3));
        }
    }
}
