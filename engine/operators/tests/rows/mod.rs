//! Row stages against plain loops.

mod choices;
mod dates;
mod failing;

use arrow::{array::*, datatypes::*};
use datafusion_expr::{Expr, col, lit};
use proptest::prelude::*;
use runink_connector_api::{Positions, RejectReason};
use runink_operators::{
    Batch, Origin, Rejects,
    rows::{RowPipeline, StageCounts},
};
use runink_planner::{ExpectAction, ExpectStage, RowStage, RowStageKind};
use std::sync::Arc;

fn schema(names: &[&str]) -> SchemaRef {
    Arc::new(Schema::new(names.iter().map(|n| Field::new(*n, DataType::Int64, true)).collect::<Vec<_>>()))
}

fn stage(kind: RowStageKind, schema: SchemaRef) -> RowStage {
    RowStage { step: "step".into(), kind, schema }
}

fn batch(rows: &[(Option<i64>, Option<i64>)]) -> Batch {
    let a: Int64Array = rows.iter().map(|r| r.0).collect();
    let b: Int64Array = rows.iter().map(|r| r.1).collect();
    let origin = Origin { source: "in".into(), place: "file".into(), positions: Positions::From(100) };
    let rows = RecordBatch::try_new(schema(&["a", "b"]), vec![Arc::new(a), Arc::new(b)]).unwrap();
    Batch { rows, diffs: None, origin: Some(origin) }
}

fn values(batch: &Batch, column: usize) -> Vec<Option<i64>> {
    batch.rows.column(column).as_primitive::<Int64Type>().iter().collect()
}

fn divided() -> Expr {
    lit(1000i64) / col("b")
}

/// `keep a > 0`, then `q = 1000 / b`, `p = a * big`, then an expectation on `q`.
fn stages(otherwise: ExpectAction) -> Vec<RowStage> {
    let out = if let ExpectAction::Tag(name) = &otherwise {
        let mut fields: Vec<Field> = schema(&["q", "p"]).fields().iter().map(|f| f.as_ref().clone()).collect();
        fields.push(Field::new(name, DataType::Boolean, true));
        Arc::new(Schema::new(fields))
    } else {
        schema(&["q", "p"])
    };
    let expect = ExpectStage { predicate: col("q").gt(lit(0i64)), text: "q > 0".into(), reason: RejectReason::Expectation, otherwise };
    vec![
        stage(RowStageKind::Filter(col("a").gt(lit(0i64))), schema(&["a", "b"])),
        stage(RowStageKind::Project(vec![(divided(), "q".into()), (col("a") * lit(BIG), "p".into())]), schema(&["q", "p"])),
        stage(RowStageKind::Expect(expect), out),
    ]
}

/// Five times it does not fit.
const BIG: i64 = i64::MAX / 4;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn each_row_goes_on_or_is_filtered_or_rejected_where_it_stood(
        rows in proptest::collection::vec((proptest::option::weighted(0.9, -2..8i64), proptest::option::weighted(0.9, -3..4i64)), 0..60),
        action in 0..3u8,
    ) {
        let otherwise = match action { 0 => ExpectAction::Reject, 1 => ExpectAction::Alert, _ => ExpectAction::Tag("bad".into()) };
        let mut pipeline = RowPipeline::new(&stages(otherwise.clone()), &schema(&["a", "b"])).unwrap();
        let mut rejects = Rejects::default();
        let out = pipeline.run(batch(&rows), &mut rejects).unwrap();
        let (mut expected, mut rejected, mut alerts) = (Vec::new(), Vec::new(), 0);
        for (i, (a, b)) in rows.iter().enumerate() {
            if a.is_none_or(|a| a <= 0) { continue }
            let quotient = match b { Some(0) => Err(()), b => Ok(b.map(|b| 1000 / b)) };
            let product = a.map(|a| a.checked_mul(BIG).ok_or(())).transpose();
            match (quotient, product) {
                (Ok(q), Ok(p)) => {
                    let good = q.is_some_and(|q| q > 0);
                    alerts += u64::from(!good && action != 0);
                    if good || action != 0 { expected.push((q, p, good, i)) } else { rejected.push((100 + i as u64, "expectation")) }
                }
                _ => rejected.push((100 + i as u64, "expression")),
            }
        }
        let found: Vec<_> = rejects.rows().iter().map(|r| (r.position.unwrap(), r.reason.as_str())).collect();
        let mut sorted = found.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, rejected);
        let mut counts = StageCounts::default();
        for (_, stage) in pipeline.take_counts() {
            prop_assert_eq!(stage.rows_in, stage.rows_out + stage.filtered + stage.rejected);
            counts.rejected += stage.rejected;
            counts.alerts += stage.alerts;
        }
        prop_assert_eq!((counts.rejected, counts.alerts), (found.len() as u64, alerts));
        let Some(out) = out else { prop_assert!(expected.is_empty()); return Ok(()) };
        prop_assert_eq!(values(&out, 0), expected.iter().map(|e| e.0).collect::<Vec<_>>());
        prop_assert_eq!(values(&out, 1), expected.iter().map(|e| e.1).collect::<Vec<_>>());
        let origin = out.origin.clone().unwrap();
        for (row, (_, _, good, from)) in expected.iter().enumerate() {
            prop_assert_eq!(origin.position(row), 100 + *from as u64);
            if action == 2 {
                prop_assert_eq!(out.rows.column(2).as_boolean().value(row), !good);
            }
        }
    }

    #[test]
    fn a_row_per_element(lists in proptest::collection::vec(proptest::option::weighted(0.8, proptest::collection::vec(proptest::option::of(0..9i64), 0..4)), 0..30), keep in any::<bool>()) {
        let n: Int64Array = (0..lists.len() as i64).map(Some).collect();
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>(lists.clone());
        let input = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("l", list.data_type().clone(), true)]));
        let rows = RecordBatch::try_new(input.clone(), vec![Arc::new(n), Arc::new(list)]).unwrap();
        let unnest = RowStageKind::Unnest { column: 1, ordinality: true, keep_empty: keep };
        let mut pipeline = RowPipeline::new(&[stage(unnest, schema(&["n", "l", "at"]))], &input).unwrap();
        let out = pipeline.run(Batch::of(rows), &mut Rejects::default()).unwrap();
        let mut expected = Vec::new();
        for (n, list) in lists.iter().enumerate() {
            let elements = list.clone().unwrap_or_default();
            if elements.is_empty() && keep {
                expected.push((Some(n as i64), None, None));
            }
            expected.extend(elements.into_iter().enumerate().map(|(i, e)| (Some(n as i64), e, Some(i as i64 + 1))));
        }
        let found = out.map_or_else(Vec::new, |b| {
            let columns = [values(&b, 0), values(&b, 1), values(&b, 2)];
            (0..b.len()).map(|i| (columns[0][i], columns[1][i], columns[2][i])).collect::<Vec<_>>()
        });
        prop_assert_eq!(found, expected);
    }
}
