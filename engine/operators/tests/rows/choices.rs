//! Texts that are chosen by constants, against plain loops.

use super::stage;
use arrow::{array::*, datatypes::*};
use datafusion_expr::{Expr, case, col, lit};
use datafusion_functions::string::expr_fn::split_part;
use proptest::prelude::*;
use runink_operators::{
    Batch, Rejects,
    rows::{Expression, RowPipeline},
};
use runink_planner::RowStageKind;
use std::sync::Arc;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("unread", DataType::Utf8, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("text", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
    ]))
}

type Row = (Option<String>, Option<String>, i64);

fn rows(rows: &[Row]) -> RecordBatch {
    let names: StringArray = rows.iter().map(|r| r.0.as_deref()).collect();
    let texts: StringArray = rows.iter().map(|r| r.1.as_deref()).collect();
    let numbers: Int64Array = rows.iter().map(|r| Some(r.2)).collect();
    let unread = StringArray::from(vec!["unread"; rows.len()]);
    RecordBatch::try_new(schema(), vec![Arc::new(unread), Arc::new(names), Arc::new(texts), Arc::new(numbers)]).unwrap()
}

fn texts(column: &dyn Array) -> Vec<Option<String>> {
    column.as_string::<i32>().iter().map(|t| t.map(str::to_owned)).collect()
}

fn second(text: &str) -> String {
    text.split('/').nth(1).unwrap_or_default().to_owned()
}

fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[/&a0.äã%']{0,24}").unwrap()
}

fn row() -> impl Strategy<Value = Row> {
    let name = proptest::sample::select(vec!["a", "b", "bb", "", "ä", "c", "x"]).prop_map(str::to_owned);
    (proptest::option::weighted(0.9, name), proptest::option::weighted(0.9, text()), -2..3i64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_choice_is_the_first_constant_that_is_met_or_the_rest(
        given in proptest::collection::vec(row(), 0..40),
        constants in proptest::collection::vec(
            (proptest::sample::select(vec!["a", "b", "bb", "", "ä", "q"]), proptest::option::of(proptest::sample::select(vec!["1", "", "two"]))), 1..20),
        cut in 0..10usize,
    ) {
        let (first, others) = constants.split_first().unwrap();
        let then = |t: &Option<&str>| lit(datafusion_common::ScalarValue::Utf8(t.map(str::to_owned)));
        let mut choice = case(col("name")).when(lit(first.0), then(&first.1));
        for (when, text) in others {
            choice.when(lit(*when), then(text));
        }
        let choice = choice.otherwise(split_part(col("text"), lit("/"), lit(2i64))).unwrap();
        let compiled = Expression::compile("step", &choice, &schema()).unwrap();
        let cut = cut.min(given.len());
        let found = compiled.evaluate(&rows(&given).slice(cut, given.len() - cut)).unwrap();
        let expected: Vec<_> = given[cut..].iter().map(|(name, text, _)| {
            match constants.iter().find(|(when, _)| Some(*when) == name.as_deref()) {
                Some((_, then)) => then.map(str::to_owned),
                None => text.as_deref().map(second),
            }
        }).collect();
        prop_assert_eq!(texts(&found), expected);
    }

    /// The rest is not evaluated where a constant is met, so it fails on no such row; where it fails, that row is rejected and no other.
    #[test]
    fn the_rest_fails_only_on_rows_that_meet_nothing(given in proptest::collection::vec(row(), 0..40)) {
        let quotient = Expr::Cast(datafusion_expr::Cast::new(Box::new(lit(10i64) / col("n")), DataType::Utf8));
        let choice = case(col("name")).when(lit("a"), lit("1")).when(lit("b"), lit("2")).otherwise(quotient).unwrap();
        let out: SchemaRef = Arc::new(Schema::new(vec![Field::new("chosen", DataType::Utf8, true)]));
        let mut pipeline = RowPipeline::new(&[stage(RowStageKind::Project(vec![(choice, "chosen".into())]), out)], &schema()).unwrap();
        let mut rejects = Rejects::default();
        let found = pipeline.run(Batch { rows: rows(&given), diffs: None, origin: None }, &mut rejects).unwrap();
        let all: Vec<Result<String, ()>> = given.iter().map(|(name, _, n)| match name.as_deref() {
            Some("a") => Ok("1".to_owned()),
            Some("b") => Ok("2".to_owned()),
            _ if *n == 0 => Err(()),
            _ => Ok((10 / n).to_string()),
        }).collect();
        prop_assert_eq!(rejects.rows().len(), all.iter().filter(|r| r.is_err()).count());
        let expected: Vec<_> = all.into_iter().flatten().map(Some).collect();
        prop_assert_eq!(found.map(|b| texts(b.rows.column(0))).unwrap_or_default(), expected);
    }
}
