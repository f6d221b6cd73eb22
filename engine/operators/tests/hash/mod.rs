//! The hash of a key: equal keys hash alike in whatever array they stand, and the values are part of the state format.

use arrow::{
    array::*,
    compute::{cast, take},
    datatypes::*,
    record_batch::RecordBatch,
};
use proptest::prelude::*;
use runink_operators::hash::key_hashes;
use std::sync::Arc;

fn hashes(columns: &[ArrayRef]) -> Vec<u64> {
    let mut out = Vec::new();
    key_hashes(columns, &mut out).unwrap();
    out
}

type Cells = (Option<i64>, Option<String>, Option<f64>, Option<bool>);

fn columns(rows: &[Cells]) -> Vec<ArrayRef> {
    vec![
        Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| r.1.clone()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|r| r.2).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|r| r.3).collect::<BooleanArray>()),
    ]
}

fn cells() -> impl Strategy<Value = Cells> {
    let text = proptest::option::of("[a-c]{0,20}");
    (
        proptest::option::of(-3..3i64),
        text,
        proptest::option::of(prop_oneof![Just(0.0), Just(-0.0), Just(f64::NAN), Just(2.5)]),
        any::<Option<bool>>(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_row_hashes_alike_wherever_it_stands(
        rows in proptest::collection::vec(cells(), 1..40),
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let all = columns(&rows);
        let expected = hashes(&all);
        let picks: UInt32Array = picks.iter().map(|p| Some(p.index(rows.len()) as u32)).collect();
        let taken: Vec<ArrayRef> = all.iter().map(|c| take(c, &picks, None).unwrap()).collect();
        prop_assert_eq!(hashes(&taken), picks.values().iter().map(|&p| expected[p as usize]).collect::<Vec<_>>());
        let half = rows.len() / 2;
        let sliced: Vec<ArrayRef> = all.iter().map(|c| c.slice(half, rows.len() - half)).collect();
        prop_assert_eq!(hashes(&sliced), expected[half..].to_vec());
        // In other encodings of the same values.
        let words = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let other = [DataType::Int8, words, DataType::Float32, DataType::Boolean];
        let encoded: Vec<ArrayRef> = all.iter().zip(&other).map(|(c, t)| cast(c, t).unwrap()).collect();
        prop_assert_eq!(hashes(&encoded), expected.clone());
        // Rows that differ almost never hash alike.
        let differ = |a: &Cells, b: &Cells| (a.0, &a.1, a.3) != (b.0, &b.1, b.3);
        for i in 1..rows.len() {
            prop_assert_eq!(differ(&rows[0], &rows[i]) && expected[0] == expected[i], false);
        }
    }
}

/// Another hash would move every key to another place in a checkpoint. Written by this very code; `UPDATE_GOLDEN=1` writes it anew, with a
/// new version of the format.
#[test]
fn the_hashes_of_version_1() {
    let one: Vec<Cells> = vec![
        (Some(1), Some("runink".into()), Some(2.5), Some(true)),
        (None, None, None, None),
        (Some(-1), Some("a text of more than sixteen bytes".into()), Some(-0.0), Some(false)),
    ];
    let all = columns(&one);
    let date: ArrayRef = Arc::new(Date32Array::from(vec![1, 2, 3]));
    let decimal: ArrayRef = Arc::new(Decimal128Array::from(vec![Some(1), None, Some(i128::MAX)]));
    let binary: ArrayRef = Arc::new(BinaryArray::from(vec![&b"x"[..], &[], &[255; 9]]));
    let rows = RecordBatch::try_from_iter([("date", date), ("decimal", decimal), ("binary", binary)]).unwrap();
    let mut text = String::new();
    for (name, columns) in
        all.iter().map(std::slice::from_ref).chain(rows.columns().iter().map(std::slice::from_ref)).zip(0..).map(|(c, n)| (n, c))
    {
        text += &format!("column {name} {}: {:016x?}\n", columns[0].data_type(), hashes(columns));
    }
    text += &format!("all: {:016x?}\n", hashes(&all));
    crate::golden("hash-v1.txt", &text);
}
