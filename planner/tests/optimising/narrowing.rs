//! Which columns stay, which stages become one, and what disappears.

use super::build::*;
use arrow::datatypes::DataType;
use datafusion_expr::{Expr, col, lit};
use runink_planner::{ExpectAction, TableJoinKind, WindowShape};

fn fields() -> Vec<(&'static str, DataType)> {
    vec![("id", DataType::Int64), ("status", DataType::Utf8), ("amount", DataType::Int64), ("note", DataType::Utf8), ("at", timestamp())]
}

#[test]
fn a_source_reads_what_somebody_needs() {
    let mut b = Build::default();
    let source = b.source("pay", &fields(), Some("at"));
    let step = b.rows("S", source, vec![Stage::Contract(col("status").is_not_null()), columns(&["id", "amount"])]);
    let sums = b.aggregate("Sums", step, &["id"], vec![count_all("n")], None);
    b.sink("out", sums);
    // `status` for its contract, `at` for the watermark; nobody reads `note`, and `amount` goes after the contract was checked.
    assert_eq!(
        shape(&optimised(b.plan(), &[])),
        ["pay [] source(id, status, at)", "S [0] expect status IS NOT NULL | project id", "Sums [1] aggregate(n)", "out [2] sink"]
    );
}

#[test]
fn a_column_whose_rows_may_be_rejected_is_still_computed() {
    let mut b = Build::default();
    let source = b.source("pay", &fields(), None);
    let step =
        b.rows("S", source, vec![Stage::Project(vec![(col("id"), "id"), (lit(1_i64) / col("amount"), "share"), (col("note"), "note")])]);
    let next = b.rows("T", step, vec![columns(&["id"])]);
    b.sink("out", next);
    let shape = shape(&optimised(b.plan(), &[]));
    assert_eq!(shape[0], "pay [] source(id, amount)");
    assert_eq!(shape[1], "T [0] project id, share := Int64(1) / amount | project id");
}

#[test]
fn where_rows_are_only_counted_the_narrowest_column_is_read() {
    let mut b = Build::default();
    let source = b.source("pay", &[("name", DataType::Utf8), ("big", DataType::Int64), ("small", DataType::Int16)], None);
    let all = b.aggregate("All", source, &[], vec![count_all("n")], None);
    b.sink("out", all);
    assert_eq!(shape(&optimised(b.plan(), &[])), ["pay [] source(small)", "All [0] aggregate(n)", "out [1] sink"]);
}

#[test]
fn aggregates_that_nobody_reads_are_not_computed() {
    let mut b = Build::default();
    let source = b.source("pay", &fields(), Some("at"));
    let calls = vec![count_all("n"), max_of("note", "last"), sum_of("amount", "total")];
    let sums = b.aggregate("Sums", source, &["id"], calls, Some(WindowShape::Tumbling { size: MINUTE, offset: 0 }));
    let step = b.rows("S", sums, vec![columns(&["id", "n", "window_end"])]);
    b.sink("out", step);
    // The sum stays: it rejects a row on which it overflows.
    assert_eq!(shape(&optimised(b.plan(), &[]))[..2], ["pay [] source(id, amount, at)", "Sums [0] aggregate(n, total)"]);
}

#[test]
fn a_join_keeps_its_keys_and_what_is_read() {
    let mut b = Build::default();
    let stream = b.source("pay", &fields(), None);
    let table = b.table("cards", &[("kind", DataType::Utf8), ("card", DataType::Int64), ("owner", DataType::Utf8)], "card");
    let joined = b.join("J", stream, table, ("id", "card"), TableJoinKind::Inner, &["kind", "owner"]);
    let step = b.rows("S", joined, vec![columns(&["amount", "owner"])]);
    b.sink("out", step);
    assert_eq!(
        shape(&optimised(b.plan(), &[])),
        [
            "pay [] source(id, amount)",
            "cards [] source(card, owner)",
            "J [0,1] join(id, amount, owner)",
            "S [2] project amount, owner",
            "out [3] sink"
        ]
    );
}

#[test]
fn the_branches_of_a_union_are_made_equal_again() {
    let mut b = Build::default();
    let (one, two) = (b.source("one", &fields(), None), b.source("two", &fields(), None));
    let checked = b.rows("C", two, vec![Stage::Expect(col("note").is_not_null(), ExpectAction::Reject)]);
    let all = b.union("All", &[one, checked]);
    let step = b.rows("S", all, vec![columns(&["id"])]);
    b.sink("out", step);
    assert_eq!(
        shape(&optimised(b.plan(), &[])),
        [
            "one [] source(id)",
            "two [] source(id, note)",
            "All [1] expect note IS NOT NULL | project id",
            "All [0,2] union",
            "S [3] project id",
            "out [4] sink"
        ]
    );
}

#[test]
fn steps_in_a_row_become_one_node_and_keep_their_own_stages() {
    let mut b = Build::default();
    let source = b.source("pay", &fields(), None);
    let one = b.rows("One", source, vec![Stage::Project(vec![(col("id"), "key"), (col("amount"), "amount")])]);
    let two = b.rows("Two", one, vec![Stage::Project(vec![(col("key"), "key"), (col("amount").gt(lit(5_i64)), "large")])]);
    b.sink("out", two);
    let plan = b.plan();
    assert_eq!(shape(&optimised(plan.clone(), &[]))[1], "Two [0] project key := id, amount | project key, large := amount > Int64(5)");
    // A step that is watched ends in a node of its own.
    assert_eq!(
        shape(&optimised(plan, &["One"]))[1..3],
        ["One [0] project key := id, amount", "Two [1] project key, large := amount > Int64(5)"]
    );
}

#[test]
fn projections_of_one_step_become_one_where_nothing_is_computed_twice() {
    let merged = |first: Expr, second: Vec<(Expr, &'static str)>| {
        let mut b = Build::default();
        let source = b.source("pay", &fields(), None);
        let step = b.rows("S", source, vec![Stage::Project(vec![(first, "x"), (col("id"), "id")]), Stage::Project(second)]);
        b.sink("out", step);
        shape(&optimised(b.plan(), &[]))[1].clone()
    };
    let lower = || datafusion_functions::string::lower().call(vec![col("status")]);
    assert_eq!(merged(lower(), vec![(col("x").eq(lit("a")), "y")]), "S [0] project y := lower(status) = Utf8(\"a\")");
    assert_eq!(
        merged(lower(), vec![(col("x").eq(lit("a")), "y"), (col("x"), "x")]),
        "S [0] project x := lower(status) | project y := x = Utf8(\"a\"), x"
    );
    // What may fail is handed on as it is, or stays where it was.
    let fails = || lit(1_i64) / col("amount");
    assert_eq!(merged(fails(), vec![(col("x"), "y")]), "S [0] project y := Int64(1) / amount");
    assert_eq!(merged(fails(), vec![(col("x").is_null(), "y")]), "S [0] project x := Int64(1) / amount | project y := x IS NULL");
    assert_eq!(merged(fails(), vec![(col("id"), "y")]), "S [0] project x := Int64(1) / amount, id | project y := id");
}

#[test]
fn what_nobody_reads_disappears_unless_it_has_an_effect() {
    let build = |stages: Vec<Stage>| {
        let mut b = Build::default();
        let source = b.source("pay", &fields(), None);
        b.rows("Leaf", source, stages);
        b.sink("out", source);
        shape(&optimised(b.plan(), &[])).len()
    };
    assert_eq!(build(vec![columns(&["id"])]), 2);
    assert_eq!(build(vec![Stage::Filter((lit(1_i64) / col("id")).gt(lit(0_i64)))]), 3, "it rejects rows");
    assert_eq!(build(vec![Stage::Expect(col("id").is_not_null(), ExpectAction::Fail)]), 3, "it stops the scenario");
}

#[test]
fn a_scenario_without_sinks_keeps_its_steps() {
    let mut b = Build::default();
    let source = b.source("pay", &fields(), None);
    b.rows("S", source, vec![columns(&["id"])]);
    assert_eq!(shape(&optimised(b.plan(), &[])), ["pay [] source(id)", "S [0] project id"]);
}

#[test]
fn conditions_that_are_always_true_disappear() {
    let mut b = Build::default();
    let source = b.source("pay", &fields(), None);
    let always = lit(1_i64).lt(lit(2_i64));
    let step = b.rows("S", source, vec![Stage::Filter(always)]);
    let watched = b.rows("T", step, vec![Stage::Filter(lit(true))]);
    b.sink("out", watched);
    let plan = b.plan();
    assert_eq!(shape(&optimised(plan.clone(), &[]))[1..], ["out [0] sink"]);
    assert_eq!(shape(&optimised(plan, &["T"]))[1..], ["T [0] output", "out [1] sink"]);
}
