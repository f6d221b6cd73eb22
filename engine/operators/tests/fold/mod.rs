//! Aggregates over the rows of a key, against loops over values.

use arrow::{array::*, datatypes::*};
use datafusion_expr::{AggregateUDF, Expr, col, lit};
use datafusion_functions_aggregate::{count::count_udaf, min_max, sum::sum_udaf};
use proptest::prelude::*;
use runink_operators::fold::Fold;
use runink_planner::{AggregateCall, AggregateOp, EmitMode};
use std::{collections::BTreeMap, sync::Arc};

/// A key, a number, a text, a float in quarters, whether the filtered call takes the row; and how often the row is there.
type Row = (i64, Option<i64>, Option<String>, Option<i64>, bool, i64);

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("n", DataType::Int64, true),
        Field::new("t", DataType::Utf8, true),
        Field::new("f", DataType::Float64, true),
        Field::new("w", DataType::Boolean, true),
        Field::new("d", DataType::Decimal128(6, 2), true),
    ]))
}

fn calls() -> Vec<(AggregateCall, DataType)> {
    let call = |function: Arc<AggregateUDF>, arg: Expr, name: &str| AggregateCall {
        function,
        args: vec![arg],
        distinct: false,
        filter: None,
        order_by: Vec::new(),
        ignore_nulls: false,
        name: name.to_owned(),
    };
    vec![
        (call(count_udaf(), lit(1i64), "rows"), DataType::Int64),
        (call(count_udaf(), col("n"), "numbers"), DataType::Int64),
        (AggregateCall { distinct: true, ..call(count_udaf(), col("t"), "texts") }, DataType::Int64),
        (call(min_max::min_udaf(), col("t"), "least"), DataType::Utf8),
        (call(min_max::max_udaf(), col("n"), "most"), DataType::Int64),
        (call(sum_udaf(), col("n"), "sum"), DataType::Int64),
        (call(sum_udaf(), col("f"), "quarters"), DataType::Float64),
        (AggregateCall { filter: Some(4), ..call(sum_udaf(), col("d"), "some") }, DataType::Decimal128(8, 2)),
    ]
}

fn fold() -> Fold {
    let calls = calls();
    let fields = calls.iter().map(|(call, ty)| Field::new(&call.name, ty.clone(), true));
    let output = Arc::new(Schema::new([Field::new("k", DataType::Int64, true)].into_iter().chain(fields).collect::<Vec<_>>()));
    let op = AggregateOp {
        keys: vec![0],
        calls: calls.into_iter().map(|(call, _)| call).collect(),
        window: None,
        emit: EmitMode::OnChange,
        allowed_lateness_us: 0,
        ttl_us: None,
        two_phase: false,
        retracts: false,
    };
    Fold::new("step", &op, &input(), &output).unwrap()
}

fn batch(rows: &[Row]) -> RecordBatch {
    let quarter = |v: i64| v as f64 / 4.0;
    let decimal = rows.iter().map(|r| r.1.map(|n| i128::from(n % 1000))).collect::<Decimal128Array>();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| r.2.clone()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|r| r.3.map(quarter)).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|r| Some(r.4)).collect::<BooleanArray>()),
        Arc::new(decimal.with_precision_and_scale(6, 2).unwrap()),
    ];
    RecordBatch::try_new(input(), columns).unwrap()
}

/// What a key's rows come to, as text; and whether a sum does not fit.
fn expected(rows: &[&Row]) -> (Vec<String>, bool) {
    let there: Vec<&&Row> = rows.iter().filter(|r| r.5 > 0).collect();
    let null = || "null".to_owned();
    let numbers = || there.iter().filter_map(|r| Some((r.1?, r.5)));
    let texts: std::collections::BTreeSet<&String> = there.iter().filter_map(|r| r.2.as_ref()).collect();
    let sum = numbers().map(|(n, times)| i128::from(n) * i128::from(times)).sum::<i128>();
    let too_large = i64::try_from(sum).is_err();
    let quarters: Vec<i64> = there.iter().filter_map(|r| Some(r.3? * r.5)).collect();
    let some: Vec<i64> = there.iter().filter(|r| r.4).filter_map(|r| Some(r.1? % 1000 * r.5)).collect();
    let any = |present: bool, text: String| if present { text } else { null() };
    let values = vec![
        there.iter().map(|r| r.5).sum::<i64>().to_string(),
        numbers().map(|(_, times)| times).sum::<i64>().to_string(),
        texts.len().to_string(),
        texts.first().map_or_else(null, |t| (*t).clone()),
        numbers().map(|(n, _)| n).max().map_or_else(null, |n| n.to_string()),
        any(numbers().next().is_some() && !too_large, sum.to_string()),
        any(!quarters.is_empty(), format!("{:?}", quarters.iter().sum::<i64>() as f64 / 4.0)),
        any(!some.is_empty(), some.iter().sum::<i64>().to_string()),
    ];
    (values, too_large)
}

fn shown(rows: &RecordBatch, row: usize) -> Vec<String> {
    let text = |column: &ArrayRef| match column.data_type() {
        _ if column.is_null(row) => "null".to_owned(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => format!("{:?}", column.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => column.as_primitive::<Decimal128Type>().value(row).to_string(),
        _ => column.as_string::<i32>().value(row).to_owned(),
    };
    rows.columns()[1..].iter().map(text).collect()
}

fn row() -> impl Strategy<Value = Row> {
    let number = prop_oneof![8 => (-3..4i64).prop_map(Some), 1 => Just(Some(i64::MAX)), 2 => Just(None)];
    (0..3i64, number, prop::option::of("[ab]{0,2}"), prop::option::of(-8..8i64), any::<bool>(), -1..3i64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_key_is_what_its_rows_come_to(rows in prop::collection::vec(row(), 1..12)) {
        let mut fold = fold();
        let mut by_key: BTreeMap<i64, Vec<(Vec<u8>, i64)>> = BTreeMap::new();
        fold.pack(&batch(&rows), |at, value| by_key.entry(rows[at].0).or_default().push((value.to_vec(), rows[at].5))).unwrap();
        let mut results = Vec::new();
        for (key, mut values) in by_key {
            values.sort();
            let own: Vec<&Row> = rows.iter().filter(|r| r.0 == key).collect();
            match fold.fold(values.iter().map(|(v, times)| (v.as_slice(), *times))) {
                None => prop_assert!(own.iter().all(|r| r.5 <= 0)),
                Some(result) => results.push((key, result.to_vec(), expected(&own))),
            }
        }
        let keys: ArrayRef = Arc::new(results.iter().map(|r| r.0).collect::<Int64Array>());
        let folded: Vec<&[u8]> = results.iter().map(|r| r.1.as_slice()).collect();
        let (found, failures) = fold.results(&[keys], &folded).unwrap();
        for (at, (_, _, (values, too_large))) in results.iter().enumerate() {
            prop_assert_eq!(&shown(&found, at), values);
            prop_assert_eq!(failures.iter().any(|(row, _)| row == &at), *too_large);
        }
    }
}
