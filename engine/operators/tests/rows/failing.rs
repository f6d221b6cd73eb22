//! Which rows fail: only those that fail alone.

use super::{batch, schema, stage, values};
use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use datafusion_expr::{Expr, Operator, binary_expr, col, lit, when};
use datafusion_functions::math::expr_fn::{abs, factorial, gcd, lcm};
use proptest::prelude::*;
use runink_operators::{
    Rejects,
    rows::{Expression, RowPipeline},
};
use runink_planner::RowStageKind;

type Row = (Option<i64>, Option<i64>);

/// What two integers should give; none where it does not fit.
type Model = Box<dyn Fn(i64, i64) -> Option<i64>>;

/// Each row's value or failure when it is alone, against what comes out of a pipeline over all of them.
fn check(expr: &Expr, rows: &[Row]) {
    let input = schema(&["a", "b"]);
    let compiled = Expression::compile("step", expr, &input).unwrap();
    let alone: Vec<Result<Option<i64>, ()>> = rows
        .iter()
        .map(|row| match compiled.evaluate(&batch(&[*row]).rows) {
            Ok(column) => Ok(as_int(&column, 0)),
            Err(_) => Err(()),
        })
        .collect();
    let out = if compiled.evaluate(&batch(&[(Some(1), Some(1))]).rows).is_ok_and(|c| c.as_boolean_opt().is_some()) {
        when(expr.clone(), lit(1i64)).when(Expr::Not(Box::new(expr.clone())), lit(0i64)).end().unwrap()
    } else {
        expr.clone()
    };
    let stages = vec![stage(RowStageKind::Project(vec![(out, "a".into()), (col("b"), "b".into())]), input.clone())];
    let mut rejects = Rejects::default();
    let given = RowPipeline::new(&stages, &input).unwrap().run(batch(rows), &mut rejects).unwrap();
    let failed: Vec<usize> = rejects.rows().iter().map(|r| r.position.unwrap() as usize - 100).collect();
    let expected: Vec<usize> = (0..rows.len()).filter(|&i| alone[i].is_err()).collect();
    assert_eq!(failed, expected, "{expr}");
    let given = given.map(|b| values(&b, 0)).unwrap_or_default();
    assert_eq!(given, alone.into_iter().flatten().collect::<Vec<_>>(), "{expr}");
}

fn as_int(column: &dyn Array, row: usize) -> Option<i64> {
    if column.is_null(row) {
        return None;
    }
    match column.as_boolean_opt() {
        Some(values) => Some(i64::from(values.value(row))),
        None => Some(column.as_primitive::<Int64Type>().value(row)),
    }
}

fn quotient() -> Expr {
    (lit(10i64) / col("b")).gt(lit(1i64))
}

#[test]
fn a_guarded_division_fails_on_no_row() {
    let rows: Vec<Row> = (0..100).map(|i| (Some(i), Some(i % 2 * 3))).collect();
    for expr in [
        col("b").not_eq(lit(0i64)).and(quotient()),
        col("b").eq(lit(0i64)).or(quotient()),
        col("a").lt(lit(50i64)).and(col("b").not_eq(lit(0i64)).and(quotient())),
        when(col("b").not_eq(lit(0i64)), lit(10i64) / col("b")).otherwise(col("a")).unwrap(),
        when(col("b").eq(lit(0i64)), lit(0i64)).when(col("a").gt(lit(3i64)), lit(7i64) / col("b")).end().unwrap(),
    ] {
        let compiled = Expression::compile("step", &expr, &schema(&["a", "b"])).unwrap();
        assert_eq!(compiled.evaluate(&batch(&rows).rows).unwrap().len(), rows.len(), "{expr}");
        check(&expr, &rows);
    }
}

#[test]
fn a_constant_that_fails_rejects_every_row() {
    check(&(lit(1i64) / lit(0i64)), &[(Some(1), Some(1)), (None, Some(2))]);
}

fn divisor(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[test]
fn integers_never_wrap() {
    let edges = [i64::MIN, i64::MIN + 1, -1, 0, 1, 20, 21, 62, 63, 64, 70, i64::MAX - 1, i64::MAX];
    let rows: Vec<Row> =
        edges.iter().flat_map(|&a| edges.iter().map(move |&b| (Some(a), Some(b)))).chain([(None, Some(1)), (Some(1), None)]).collect();
    let (a, b) = (col("a"), col("b"));
    let shift = |op| binary_expr(col("a"), op, col("b"));
    let wide = |expr: fn(i128, i128) -> Option<i128>| move |a: i64, b: i64| expr(a.into(), b.into()).and_then(|v| i64::try_from(v).ok());
    let cases: Vec<(Expr, Model)> = vec![
        (a.clone() + b.clone(), Box::new(wide(|a, b| Some(a + b)))),
        (a.clone() - b.clone(), Box::new(wide(|a, b| Some(a - b)))),
        (a.clone() * b.clone(), Box::new(wide(|a, b| a.checked_mul(b)))),
        (a.clone() / b.clone(), Box::new(wide(|a, b| a.checked_div(b)))),
        (a.clone() % b.clone(), Box::new(wide(|a, b| a.checked_rem(b)))),
        (Expr::Negative(Box::new(a.clone())), Box::new(wide(|a, _| Some(-a)))),
        (abs(a.clone()), Box::new(wide(|a, _| Some(a.abs())))),
        (gcd(a.clone(), b.clone()), Box::new(wide(|a, b| Some(divisor(a.abs(), b.abs()))))),
        (
            lcm(a.clone(), b.clone()),
            Box::new(wide(|a, b| if a == 0 || b == 0 { Some(0) } else { Some((a / divisor(a.abs(), b.abs()) * b).abs()) })),
        ),
        (factorial(a.clone()), Box::new(wide(|a, _| if a < 0 { None } else { (1..=a.min(40)).try_fold(1i128, i128::checked_mul) }))),
        (shift(Operator::BitwiseShiftLeft), Box::new(|a, b| u32::try_from(b).ok().and_then(|b| a.checked_shl(b)))),
        (shift(Operator::BitwiseShiftRight), Box::new(|a, b| u32::try_from(b).ok().and_then(|b| a.checked_shr(b)))),
    ];
    for (expr, expected) in cases {
        check(&expr, &rows);
        let compiled = Expression::compile("step", &expr, &schema(&["a", "b"])).unwrap();
        for (x, y) in rows.iter().filter_map(|r| r.0.zip(r.1)) {
            let found = compiled.evaluate(&batch(&[(Some(x), Some(y))]).rows).ok().map(|c| as_int(&c, 0).unwrap());
            assert_eq!(found, expected(x, y), "{expr} for {x}, {y}");
        }
    }
}

fn condition() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        Just(col("a").gt(lit(0i64))),
        Just(col("b").not_eq(lit(0i64))),
        Just(quotient()),
        Just((col("a") * lit(i64::MAX / 3)).lt(lit(7i64))),
        Just(lit(true)),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(l, r)| l.and(r)),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| l.or(r)),
            inner.clone().prop_map(|e| Expr::Not(Box::new(e))),
            (inner.clone(), inner.clone(), inner).prop_map(|(w, t, e)| when(w, t).otherwise(e).unwrap()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn a_row_fails_among_others_just_as_alone(
        expr in condition(),
        rows in proptest::collection::vec((proptest::option::weighted(0.9, -6..6i64), proptest::option::weighted(0.9, -2..4i64)), 1..40),
    ) {
        check(&expr, &rows);
    }
}
