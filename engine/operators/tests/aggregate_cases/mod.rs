//! Single cases of the aggregate operator that random ones do not reach: failures, messages, and all of DataFusion's functions.

use arrow::{
    array::*,
    compute::{cast, concat_batches},
    datatypes::*,
};
use datafusion_expr::{AggregateUDF, Expr, col, lit};
use datafusion_functions_aggregate as udaf;
use runink_checkpoint::{KeyGroups, StateTable, TableReplica};
use runink_operators::{
    Batch, OperatorError, Rejects,
    aggregate::{AggregateOperator, PartialAggregate},
};
use runink_planner::{AggregateCall, AggregateOp, EmitMode, EventTime, WindowShape, WindowSpec};
use std::{collections::BTreeSet, sync::Arc};

const US: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

fn call(function: Arc<AggregateUDF>, args: Vec<Expr>, name: &str) -> AggregateCall {
    AggregateCall { function, args, distinct: false, filter: None, order_by: vec![], ignore_nulls: false, name: name.into() }
}

fn op(keys: Vec<usize>, calls: Vec<AggregateCall>, emit: EmitMode) -> AggregateOp {
    AggregateOp { keys, calls, window: None, emit, allowed_lateness_us: 0, ttl_us: None, two_phase: false, retracts: false }
}

fn tumbling(size: i64) -> Option<WindowSpec> {
    Some(WindowSpec { shape: WindowShape::Tumbling { size, offset: 0 }, time: Some(EventTime { column: 0, shift_us: 0 }) })
}

fn rows(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns.iter().map(|(n, c)| Field::new(*n, c.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, c)| c).collect()).unwrap()
}

fn operator(op: &AggregateOp, input: &SchemaRef, results: &[DataType]) -> AggregateOperator {
    let mut fields: Vec<Field> = op.keys.iter().map(|&k| input.field(k).clone()).collect();
    fields.extend(op.calls.iter().zip(results).map(|(c, t)| Field::new(&c.name, t.clone(), true)));
    if op.window.is_some() {
        fields.extend([Field::new("window_start", US, false), Field::new("window_end", US, false)]);
    }
    AggregateOperator::new("Totals", op, input, &Arc::new(Schema::new(fields)), KeyGroups::default()).unwrap()
}

fn epoch(operator: &mut AggregateOperator, input: RecordBatch, watermark: (i64, i64), rejects: &mut Rejects) -> Vec<Batch> {
    operator.apply(vec![Batch::of(input)], watermark.0, 0, rejects).unwrap();
    operator.close(watermark.1, 0, rejects).unwrap().batches
}

fn text(batches: &[Batch]) -> String {
    let mut lines = Vec::new();
    for batch in batches {
        for row in 0..batch.len() {
            let diff = batch.diffs.as_ref().map_or(1, |d| d.value(row));
            let cells = batch.rows.columns().iter().map(|c| arrow::util::display::array_value_to_string(c, row).unwrap());
            lines.push(format!("{diff:+} {}", cells.collect::<Vec<_>>().join(" ")));
        }
    }
    lines.sort();
    lines.join("\n")
}

#[test]
fn a_sum_that_does_not_fit_rejects_the_result_and_takes_back_the_old_one() {
    let k: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "b"]));
    let input = |v: Vec<i64>| rows(vec![("k", k.clone()), ("v", Arc::new(Int64Array::from(v)))]);
    let op = op(vec![0], vec![call(udaf::sum::sum_udaf(), vec![col("v")], "total")], EmitMode::OnChange);
    let mut sums = operator(&op, &input(vec![0, 0, 0]).schema(), &[DataType::Int64]);
    let mut rejects = Rejects::default();
    assert_eq!(text(&epoch(&mut sums, input(vec![i64::MAX, -1, 1]), (0, 0), &mut rejects)), "+1 a 9223372036854775806\n+1 b 1");
    assert_eq!(text(&epoch(&mut sums, input(vec![1, 1, 1]), (0, 0), &mut rejects)), "+1 b 2\n-1 a 9223372036854775806\n-1 b 1");
    let rejected = rejects.take();
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0].reason.as_str(), "expression");
    assert_eq!(
        rejected[0].message,
        "total: the sum does not fit Int64 (the exact sum is 9223372036854775808): cast the argument to a wider type"
    );
    assert_eq!(String::from_utf8(rejected[0].row.clone()).unwrap(), r#"{"k": "a", "total": null}"#);
    // It fits again: no row was lost.
    assert_eq!(text(&epoch(&mut sums, input(vec![-1, -1, 0]), (0, 0), &mut rejects)), "+1 a 9223372036854775806");
    assert!(rejects.is_empty());
}

#[test]
fn rows_without_a_place_in_time_are_rejected_with_the_reason() {
    let time = |t: Vec<Option<i64>>| rows(vec![("t", Arc::new(TimestampMicrosecondArray::from(t)) as ArrayRef)]);
    let mut plan = op(vec![], vec![call(udaf::count::count_udaf(), vec![lit(1i64)], "n")], EmitMode::OnClose);
    plan.window = tumbling(10_000_000);
    let mut counts = operator(&plan, &time(vec![]).schema(), &[DataType::Int64]);
    let mut rejects = Rejects::default();
    let input = time(vec![Some(1), None, Some(i64::MAX - 5), Some(i64::MIN + 5), Some(2)]);
    assert_eq!(text(&epoch(&mut counts, input, (i64::MIN, 9_999_999), &mut rejects)), "");
    assert_eq!(
        text(&epoch(&mut counts, time(vec![]), (9_999_999, 10_000_000), &mut rejects)),
        "+1 2 1970-01-01T00:00:00 1970-01-01T00:00:10"
    );
    assert_eq!(text(&epoch(&mut counts, time(vec![Some(9_500_000)]), (10_000_000, 10_000_000), &mut rejects)), "");
    plan.allowed_lateness_us = 2_500_000;
    let mut counts = operator(&plan, &time(vec![]).schema(), &[DataType::Int64]);
    assert_eq!(text(&epoch(&mut counts, time(vec![Some(0)]), (12_500_000, 12_500_000), &mut rejects)), "");
    let messages: Vec<String> = rejects.rows().iter().map(|r| format!("{}: {}", r.reason.as_str(), r.message)).collect();
    assert_eq!(
        messages,
        [
            "expression: event time is null",
            "expression: event time is out of the range of windows",
            "expression: event time is out of the range of windows",
            "late: late for Totals: event time 1970-01-01T00:00:09.500Z, the watermark was 1970-01-01T00:00:10Z",
            "late: late for Totals: event time 1970-01-01T00:00:00Z, the watermark was 1970-01-01T00:00:12.500Z, beyond the allowed \
             lateness of 2.5 s",
        ]
    );
}

#[test]
fn decimals_and_durations_are_exact() {
    let d = |t: DataType, values: Vec<i128>| -> ArrayRef {
        let wide = Decimal128Array::from(values).with_precision_and_scale(38, 2).unwrap();
        cast(&wide, &t).unwrap()
    };
    let narrow = DataType::Decimal128(10, 2);
    let wide = DataType::Decimal128(38, 2);
    let most = 99_999_999_999_999_999_999_999_999_999_999_999_999i128;
    let input = rows(vec![
        ("a", d(narrow, vec![150, 250, 1])),
        ("b", d(wide.clone(), vec![most, 1, -2])),
        ("c", Arc::new(DurationMillisecondArray::from(vec![1_500, -1, 1]))),
        ("u", Arc::new(UInt64Array::from(vec![u64::MAX - 1, 1, 0]))),
    ]);
    let sum = |c: &str| call(udaf::sum::sum_udaf(), vec![col(c)], &format!("sum {c}"));
    let calls = vec![sum("a"), sum("b"), sum("c"), sum("u"), call(udaf::average::avg_udaf(), vec![col("a")], "avg a")];
    let types =
        [DataType::Decimal128(20, 2), wide, DataType::Duration(TimeUnit::Millisecond), DataType::UInt64, DataType::Decimal128(14, 6)];
    let mut all = operator(&op(vec![], calls, EmitMode::OnClose), &input.schema(), &types);
    let mut rejects = Rejects::default();
    let given = epoch(&mut all, input, (0, i64::MAX), &mut rejects);
    assert!(rejects.is_empty(), "{:?}", rejects.rows());
    assert_eq!(text(&given), "+1 4.01 999999999999999999999999999999999999.98 PT1.5S 18446744073709551615 1.336666");
}

#[test]
fn equal_floats_are_one_key_and_nan_is_the_greatest() {
    let k: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN]));
    let v: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), Some(f64::NAN), None, Some(f64::NEG_INFINITY)]));
    let input = rows(vec![("k", k), ("v", v)]);
    let calls = vec![call(udaf::min_max::min_udaf(), vec![col("v")], "least"), call(udaf::min_max::max_udaf(), vec![col("v")], "most")];
    let mut all = operator(&op(vec![0], calls, EmitMode::OnClose), &input.schema(), &[DataType::Float64, DataType::Float64]);
    assert_eq!(text(&epoch(&mut all, input, (0, i64::MAX), &mut Rejects::default())), "+1 0.0 1.0 NaN\n+1 NaN -inf -inf");
}

#[test]
fn rows_go_in_the_order_that_the_call_says() {
    let v: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, Some("y"), Some("x"), Some("z")]));
    let by: ArrayRef = Arc::new(Int64Array::from(vec![Some(2), Some(1), None, Some(2), Some(3)]));
    let input = rows(vec![("v", v), ("by", by)]);
    let ordered = |function, args, name: &str, ascending, nulls_first| AggregateCall {
        order_by: vec![(1, ascending, nulls_first)],
        ..call(function, args, name)
    };
    let joined =
        |name, ascending, nulls_first| ordered(udaf::string_agg::string_agg_udaf(), vec![col("v"), lit("-")], name, ascending, nulls_first);
    let first = udaf::first_last::first_value_udaf;
    let calls = vec![
        joined("up", true, true),
        joined("down", false, false),
        AggregateCall { distinct: true, ..joined("distinct", true, false) },
        ordered(udaf::array_agg::array_agg_udaf(), vec![col("v")], "array", true, false),
        ordered(first(), vec![col("v")], "first", true, false),
        AggregateCall { ignore_nulls: true, ..ordered(first(), vec![col("v")], "first_some", true, false) },
    ];
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    let types = [DataType::LargeUtf8, DataType::LargeUtf8, DataType::LargeUtf8, list, DataType::Utf8, DataType::Utf8];
    let mut all = operator(&op(vec![], calls, EmitMode::OnChange), &input.schema(), &types);
    let given = epoch(&mut all, input, (0, 0), &mut Rejects::default());
    assert_eq!(text(&given), "+1 y-x-x-z z-x-x-y x-z-y [, x, x, z, y]  x");
}

#[test]
fn two_phases_are_refused_where_they_would_change_results() {
    let input = rows(vec![("i", Arc::new(Int64Array::from(vec![1])) as ArrayRef), ("f", Arc::new(Float64Array::from(vec![1.0])))]);
    let supports = |calls: Vec<AggregateCall>| PartialAggregate::supports(&op(vec![0], calls, EmitMode::OnClose), &input.schema());
    let sum = |c: &str| call(udaf::sum::sum_udaf(), vec![col(c)], "r");
    assert!(supports(vec![
        sum("i"),
        call(udaf::count::count_udaf(), vec![lit(1i64)], "n"),
        call(udaf::min_max::max_udaf(), vec![col("f")], "m")
    ]));
    assert!(!supports(vec![sum("f")]));
    assert!(!supports(vec![AggregateCall { distinct: true, ..sum("i") }]));
    assert!(!supports(vec![call(udaf::array_agg::array_agg_udaf(), vec![col("i")], "r")]));
    assert!(!supports(vec![sum("no such column")]));
    let refused = PartialAggregate::new("Totals", &op(vec![0], vec![sum("f")], EmitMode::OnClose), &input.schema(), KeyGroups::default());
    assert!(matches!(refused.err(), Some(OperatorError::Plan { .. })));
}

#[test]
fn a_plan_that_does_not_fit_is_an_error_and_no_panic() {
    let input = rows(vec![("i", Arc::new(Int64Array::from(vec![1])) as ArrayRef), ("t", Arc::new(StringArray::from(vec!["x"])))]);
    let schema = input.schema();
    let make = |op: &AggregateOp, output: Vec<Field>| {
        let made = AggregateOperator::new("Totals", op, &schema, &Arc::new(Schema::new(output)), KeyGroups::default());
        made.err().map(|e| e.to_string()).unwrap_or_default()
    };
    let sum = || vec![call(udaf::sum::sum_udaf(), vec![col("i")], "r")];
    let good = op(vec![0], sum(), EmitMode::OnClose);
    let int = |n: &str| Field::new(n, DataType::Int64, true);
    assert_eq!(make(&good, vec![int("i"), int("r")]), "");
    assert!(make(&good, vec![int("i")]).contains("the plan says"));
    assert!(make(&op(vec![7], sum(), EmitMode::OnClose), vec![int("i"), int("r")]).contains("column 7"));
    let windowed = AggregateOp {
        window: Some(WindowSpec { shape: WindowShape::Tumbling { size: 1, offset: 0 }, time: Some(EventTime { column: 1, shift_us: 0 }) }),
        ..good.clone()
    };
    assert!(make(&windowed, vec![int("i"), int("r")]).contains("event time of type Utf8"));
    let filtered = AggregateOp { calls: vec![AggregateCall { filter: Some(0), ..sum().remove(0) }], ..good.clone() };
    assert!(make(&filtered, vec![int("i"), int("r")]).contains("filter column"));
    let mut operator = operator(&good, &schema, &[DataType::Int64]);
    let changes = Batch { rows: input, diffs: Some(vec![-1].into()), origin: None };
    let error = operator.apply(vec![changes], 0, 0, &mut Rejects::default()).unwrap_err();
    assert!(error.to_string().contains("changelog"), "{error}");
}

/// Arguments that a function takes, tried in this order.
fn arguments(function: &AggregateUDF) -> Option<Vec<Expr>> {
    let (f, g, i, b, t) = (col("f"), col("g"), col("i"), col("b"), col("t"));
    let half = lit(0.5f64);
    Some(match function.name() {
        "approx_percentile_cont" | "percentile_cont" | "quantile_cont" => vec![f, half],
        "approx_percentile_cont_with_weight" => vec![f, g, half],
        "corr" | "covar_samp" | "covar_pop" => vec![f, g],
        name if name.starts_with("regr_") => vec![f, g],
        "bool_and" | "bool_or" => vec![b],
        "bit_and" | "bit_or" | "bit_xor" | "approx_distinct" => vec![i],
        "string_agg" => vec![t, lit(",")],
        "nth_value" => vec![f, lit(2i64)],
        "first_value" | "last_value" | "array_agg" | "any_value" => vec![t],
        // Only has a meaning with several grouping sets, which plans do not have.
        "grouping" => return None,
        _ => vec![f],
    })
}

/// Every function of DataFusion gives the same at the input's end, whether its results were read at every epoch, captured and restored on
/// the way, or computed in one go.
#[test]
fn all_of_datafusions_functions_keep_their_state() {
    let chunk = |from: i64| {
        let all = from..from + 40;
        let f: Float64Array = all.clone().map(|i| (i % 7 != 3).then_some((i * 37 % 50) as f64 / 8.0)).collect();
        let g: Float64Array = all.clone().map(|i| (i % 5 != 1).then_some((i * 11 % 30) as f64 / 4.0)).collect();
        rows(vec![
            ("k", Arc::new(all.clone().map(|i| i % 3).collect::<Int64Array>()) as ArrayRef),
            ("f", Arc::new(f)),
            ("g", Arc::new(g)),
            ("i", Arc::new(all.clone().map(|i| (i % 4 != 0).then_some(i * 13 % 17)).collect::<Int64Array>())),
            ("b", Arc::new(all.clone().map(|i| Some(i % 6 < 5)).collect::<BooleanArray>())),
            ("t", Arc::new(all.map(|i| (i % 5 != 0).then(|| format!("t{}", i * 7 % 9))).collect::<StringArray>())),
        ])
    };
    let schema = chunk(0).schema();
    let mut tried = 0;
    for function in udaf::all_default_aggregate_functions() {
        let Some(args) = arguments(&function) else { continue };
        let name = function.name().to_owned();
        let types: Vec<FieldRef> = args
            .iter()
            .map(|a| match a {
                Expr::Column(c) => Arc::new(schema.field_with_name(&c.name).unwrap().clone()),
                Expr::Literal(v, _) => Arc::new(Field::new("l", v.data_type(), true)),
                other => panic!("{other}"),
            })
            .collect();
        let result = function.return_field(&types).unwrap().data_type().clone();
        let one = vec![call(function, args, "r")];
        let mut rejects = Rejects::default();
        let mut at_once = operator(&op(vec![0], one.clone(), EmitMode::OnClose), &schema, std::slice::from_ref(&result));
        let all = concat_batches(&schema, &[chunk(0), chunk(40), chunk(80)]).unwrap();
        let expected = text(&epoch(&mut at_once, all, (0, i64::MAX), &mut rejects));
        let changes = op(vec![0], one, EmitMode::OnChange);
        let mut live = operator(&changes, &schema, std::slice::from_ref(&result));
        let mut replica = TableReplica::of(&live).unwrap();
        let mut last: BTreeSet<String> = BTreeSet::new();
        for from in [0, 40, 80] {
            let given = epoch(&mut live, chunk(from), (0, 0), &mut rejects);
            let given = text(&given);
            given.lines().filter_map(|l| l.strip_prefix('-')).for_each(|l| assert!(last.remove(&format!("+{l}")), "{name}: {l}"));
            last.extend(given.lines().filter(|l| l.starts_with('+')).map(str::to_owned));
            replica.apply(&live.capture().unwrap()).unwrap();
            live = operator(&changes, &schema, std::slice::from_ref(&result));
            live.restore(&replica.rows(0..KeyGroups::DEFAULT).unwrap()).unwrap();
        }
        assert!(rejects.is_empty(), "{name}: {:?}", rejects.rows());
        let last = last.into_iter().collect::<Vec<_>>().join("\n");
        let rounded = |text: &str| -> Vec<String> {
            let cell = |c: &str| c.parse::<f64>().map_or_else(|_| c.to_owned(), |v| format!("{v:.9}"));
            text.lines().map(|l| l.split(' ').map(cell).collect::<Vec<_>>().join(" ")).collect()
        };
        assert_eq!(rounded(&last).len(), 3, "{name}");
        // What is approximate depends on how often it was merged.
        if !name.starts_with("approx_percentile") && name != "approx_median" {
            assert_eq!(rounded(&last), rounded(&expected), "{name}");
        }
        tried += 1;
    }
    assert!(tried >= 30, "{tried}");
}
