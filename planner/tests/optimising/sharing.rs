//! What is computed once for several readers.

use super::build::*;
use arrow::datatypes::DataType;
use datafusion_expr::{col, lit};
use runink_planner::{ExpectAction, WindowShape};

fn source(b: &mut Build, name: &str) -> runink_planner::NodeId {
    b.source(name, &[("id", DataType::Int64), ("amount", DataType::Int64), ("at", timestamp())], Some("at"))
}

#[test]
fn equal_chains_of_steps_are_one() {
    let mut b = Build::default();
    let pay = source(&mut b, "pay");
    for (step, sums, sink) in [("A", "SumsA", "one"), ("B", "SumsB", "two")] {
        let large = b.rows(step, pay, vec![Stage::Filter(col("amount").gt(lit(5_i64)))]);
        let counted = b.aggregate(sums, large, &["id"], vec![count_all("n")], None);
        b.sink(sink, counted);
    }
    let plan = b.plan();
    assert_eq!(
        shape(&optimised(plan.clone(), &[]))[1..],
        ["A [0] filter amount > Int64(5)", "SumsA [1] aggregate(n)", "one [2] sink", "two [2] sink"]
    );
    // A step that is watched keeps its name.
    assert_eq!(
        shape(&optimised(plan, &["SumsB"]))[1..],
        ["A [0] filter amount > Int64(5)", "SumsA [1] aggregate(n)", "one [2] sink", "SumsB [2] output", "two [4] sink"]
    );
}

#[test]
fn steps_that_reject_rows_are_not_put_together() {
    let tumbling = Some(WindowShape::Tumbling { size: MINUTE, offset: 0 });
    let mut b = Build::default();
    let pay = source(&mut b, "pay");
    for (step, sums, sink) in [("A", "SumsA", "one"), ("B", "SumsB", "two")] {
        let checked = b.rows(step, pay, vec![Stage::Expect(col("id").is_not_null(), ExpectAction::Reject)]);
        let counted = b.aggregate(sums, checked, &["id"], vec![count_all("n")], tumbling);
        b.sink(sink, counted);
    }
    assert_eq!(shape(&optimised(b.plan(), &[])).len(), 7);
}

#[test]
fn sources_and_sinks_are_not_put_together() {
    let mut b = Build::default();
    let (one, two) = (source(&mut b, "one"), source(&mut b, "two"));
    b.sink("a", one);
    b.sink("b", one);
    b.sink("c", two);
    assert_eq!(shape(&optimised(b.plan(), &[])).len(), 5);
}
