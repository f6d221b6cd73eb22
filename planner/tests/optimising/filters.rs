//! Where filters go, and where they must not.

use super::build::*;
use arrow::datatypes::{DataType, Field};
use datafusion_expr::{Expr, col, lit};
use runink_planner::{AggregateCall, ExpectAction, Op, TableJoinKind, WindowShape};
use std::sync::Arc;

fn fields() -> Vec<(&'static str, DataType)> {
    vec![("id", DataType::Int64), ("status", DataType::Utf8), ("amount", DataType::Int64), ("at", timestamp())]
}

fn large() -> Expr {
    col("amount").gt(lit(5_i64))
}

#[test]
fn a_filter_goes_before_a_projection_and_is_told_to_the_source() {
    let mut b = Build::default();
    let source = b.source("pay", &fields(), None);
    let step = b.rows(
        "S",
        source,
        vec![Stage::Project(vec![(col("amount"), "sum"), (col("id"), "id")]), Stage::Filter(col("sum").gt(lit(5_i64)))],
    );
    b.sink("out", step);
    assert_eq!(
        shape(&optimised(b.plan(), &[])),
        ["pay [] source(id, amount) amount Gt Int(5)", "S [0] filter amount > Int64(5) | project sum := amount, id", "out [1] sink",]
    );
}

#[test]
fn a_filter_stays_behind_what_may_reject_a_row() {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    let fallible = Stage::Project(vec![(lit(10_i64) / col("amount"), "share"), (col("amount"), "amount")]);
    let stages: Vec<(Stage, &str)> = vec![
        (Stage::Expect(col("id").is_not_null(), ExpectAction::Reject), "expect id IS NOT NULL"),
        (Stage::Expect(col("id").is_not_null(), ExpectAction::Alert), "expect id IS NOT NULL"),
        (Stage::Contract(col("id").is_not_null()), "expect id IS NOT NULL"),
        (fallible, "project share := Int64(10) / amount, amount"),
        (Stage::Unnest("parts"), "unnest 1"),
        (Stage::Filter((lit(1_i64) / col("id")).gt(lit(0_i64))), "filter Int64(1) / id > Int64(0)"),
    ];
    for (stage, shown) in stages {
        let mut b = Build::default();
        let source = b.source("pay", &[("id", DataType::Int64), ("parts", list.clone()), ("amount", DataType::Int64)], None);
        let step = b.rows("S", source, vec![stage, Stage::Filter(large())]);
        b.sink("out", step);
        let shape = shape(&optimised(b.plan(), &[]));
        assert!(shape[0].ends_with(')'), "{shown}: a predicate got past it: {shape:?}");
        assert_eq!(shape[1], format!("S [0] {shown} | filter amount > Int64(5)"));
    }
}

#[test]
fn a_filter_that_may_fail_stays_where_it_is() {
    let mut b = Build::default();
    let source = b.source("pay", &fields(), None);
    let fails = (lit(10_i64) / col("amount")).gt(lit(1_i64));
    let step = b.rows("S", source, vec![columns(&["amount", "id"]), Stage::Filter(fails)]);
    b.sink("out", step);
    assert_eq!(shape(&optimised(b.plan(), &[]))[1], "S [0] project amount, id | filter Int64(10) / amount > Int64(1)");
}

#[test]
fn a_filter_on_a_computed_column_does_not_compute_it_twice() {
    let mut b = Build::default();
    let source = b.source("pay", &fields(), None);
    let lower = datafusion_functions::string::lower().call(vec![col("status")]);
    let step = b.rows("S", source, vec![Stage::Project(vec![(lower, "state")]), Stage::Filter(col("state").eq(lit("x")))]);
    b.sink("out", step);
    assert_eq!(shape(&optimised(b.plan(), &[]))[1], "S [0] project state := lower(status) | filter state = Utf8(\"x\")");
}

#[test]
fn a_filter_goes_into_every_branch_of_a_union() {
    let mut b = Build::default();
    let (one, two) = (b.source("one", &fields(), None), b.source("two", &fields(), None));
    let all = b.union("All", &[one, two]);
    let step = b.rows("S", all, vec![Stage::Filter(large())]);
    b.sink("out", step);
    assert_eq!(
        shape(&optimised(b.plan(), &[])),
        [
            "one [] source(id, status, amount, at) amount Gt Int(5)",
            "two [] source(id, status, amount, at) amount Gt Int(5)",
            "S [0] filter amount > Int64(5)",
            "S [1] filter amount > Int64(5)",
            "All [2,3] union",
            "out [4] sink",
        ]
    );
}

#[test]
fn a_step_that_is_watched_keeps_its_rows() {
    let mut b = Build::default();
    let source = b.source("pay", &fields(), None);
    let all = b.union("All", &[source, source]);
    let watched = b.output("All", all);
    let step = b.rows("S", watched, vec![Stage::Filter(large())]);
    b.sink("out", step);
    let plan = b.plan();
    let kept = shape(&optimised(plan.clone(), &["All"]));
    assert_eq!(kept[1..3], ["All [0,0] union", "All [1] output"]);
    assert_eq!(kept[3], "S [2] filter amount > Int64(5)");
    let pushed = shape(&optimised(plan, &[]));
    assert!(pushed.iter().all(|n| !n.contains("output")), "{pushed:?}");
    assert!(pushed[0].ends_with("amount Gt Int(5)"), "{pushed:?}");
}

#[test]
fn the_key_part_of_a_filter_goes_before_an_aggregate_that_rejects_nothing() {
    let build = |window, last| {
        let mut b = Build::default();
        let source = b.source("pay", &fields(), Some("at"));
        let sums = b.aggregate("Sums", source, &["status"], vec![count_all("n"), last], window);
        let step = b.rows("S", sums, vec![Stage::Filter(col("status").eq(lit("x")).and(col("n").gt(lit(3_i64))))]);
        b.sink("out", step);
        shape(&optimised(b.plan(), &[]))
    };
    let pushed = build(None, max_of("amount", "top"));
    assert_eq!(pushed[1..4], ["S [0] filter status = Utf8(\"x\")", "Sums [1] aggregate(n, top)", "S [2] filter n > Int64(3)"]);
    // A window rejects late rows, a sum of integers rows on which it overflows: they must see all rows.
    for stays in
        [build(Some(WindowShape::Tumbling { size: MINUTE, offset: 0 }), max_of("amount", "top")), build(None, sum_of("amount", "top"))]
    {
        assert_eq!(stays[1..3], ["Sums [0] aggregate(n, top)", "S [1] filter status = Utf8(\"x\") AND n > Int64(3)"]);
    }
}

#[test]
fn the_stream_part_of_a_filter_goes_before_a_join() {
    let mut b = Build::default();
    let stream = b.source("pay", &fields(), None);
    let table = b.table("cards", &[("card", DataType::Int64), ("owner", DataType::Utf8), ("note", DataType::Utf8)], "card");
    let joined = b.join("J", stream, table, ("id", "card"), TableJoinKind::Left, &["owner", "note"]);
    let step = b.rows("S", joined, vec![Stage::Filter(large().and(col("owner").is_not_null())), columns(&["id", "owner"])]);
    b.sink("out", step);
    assert_eq!(
        shape(&optimised(b.plan(), &[])),
        [
            "pay [] source(id, amount) amount Gt Int(5)",
            "cards [] source(card, owner)",
            "S [0] filter amount > Int64(5)",
            "J [2,1] join(id, amount, owner)",
            "S [3] filter owner IS NOT NULL | project id, owner",
            "out [4] sink",
        ]
    );
}

#[test]
fn a_keyed_source_is_told_nothing() {
    let mut b = Build::default();
    let table = b.table("cards", &[("card", DataType::Int64), ("limit", DataType::Int64)], "card");
    let step = b.rows("S", table, vec![Stage::Filter(col("limit").gt(lit(1_i64)))]);
    b.sink("out", step);
    assert_eq!(shape(&optimised(b.plan(), &[]))[0], "cards [] source(card, limit)");
}

#[test]
fn where_time_matters_only_lower_bounds_on_it_are_told() {
    let at = |ms| lit(datafusion_common::ScalarValue::TimestampMillisecond(Some(ms), None));
    let build = |ends: bool| {
        let mut b = Build::default();
        let source = b.source("pay", &fields(), Some("at"));
        if !ends {
            b.unbounded();
        }
        let recent = col("at").gt_eq(at(1_000)).and(col("at").lt(at(9_000))).and(large());
        let step = b.rows("S", source, vec![Stage::Filter(recent)]);
        let sums = b.aggregate("Sums", step, &["id"], vec![count_all("n")], Some(WindowShape::Tumbling { size: MINUTE, offset: 0 }));
        b.sink("out", sums);
        shape(&optimised(b.plan(), &[]))[0].clone()
    };
    assert_eq!(build(true), "pay [] source(id, amount, at) at Ge Int(1000)");
    // A partition of which only skipped rows come would count as idle.
    assert_eq!(build(false), "pay [] source(id, amount, at)");
}

#[test]
fn only_what_all_readers_filter_is_told() {
    let mut b = Build::default();
    let source = b.source("pay", &fields(), None);
    let one = b.rows("One", source, vec![Stage::Filter(large().and(col("status").eq(lit("x"))))]);
    let two = b.rows("Two", source, vec![Stage::Filter(large().and(col("id").between(lit(1_i64), lit(2_i64))))]);
    b.sink("a", one);
    b.sink("b", two);
    let plan = b.plan();
    assert!(shape(&optimised(plan.clone(), &[]))[0].ends_with(") amount Gt Int(5)"));
    assert!(shape(&optimised(plan, &["pay"]))[0].ends_with(")"), "a source that is watched shows all rows");
}

#[test]
fn two_phases_where_partial_results_merge_exactly_and_are_gathered_or_of_few_keys() {
    let two_phase = |keys: &[&str], calls, window, floats: bool| {
        let mut b = Build::default();
        let number = if floats { DataType::Float64 } else { DataType::Int64 };
        let fields =
            [("id", DataType::Int64), ("ok", DataType::Boolean), ("x", number), ("d", DataType::Decimal128(12, 2)), ("at", timestamp())];
        let source = b.source("pay", &fields, Some("at"));
        let sums = b.aggregate("Sums", source, keys, calls, window);
        b.sink("out", sums);
        let plan = optimised(b.plan(), &[]);
        plan.nodes.iter().any(|n| matches!(&n.op, Op::Aggregate(op) if op.two_phase))
    };
    let tumbling = Some(WindowShape::Tumbling { size: MINUTE, offset: 0 });
    let exact = |calls, window, floats| two_phase(&["ok"], calls, window, floats);
    assert!(exact(vec![count_all("n"), sum_of("x", "s"), max_of("x", "m"), mean_of("d", "a")], tumbling, false));
    assert!(two_phase(&[], vec![count_all("n")], None, false));
    assert!(!two_phase(&["id"], vec![count_all("n")], None, false), "changes go out in every epoch, and there may be many keys");
    assert!(two_phase(&["id"], vec![count_all("n"), mean_of("x", "a")], tumbling, false), "a window's results go out once");
    assert!(!exact(vec![count_all("n"), sum_of("x", "s")], tumbling, true), "float sums depend on the order");
    assert!(!exact(vec![mean_of("x", "a")], tumbling, true));
    assert!(!exact(vec![count_all("n")], Some(WindowShape::Session { gap: MINUTE }), false));
    let distinct = AggregateCall { distinct: true, ..count_all("n") };
    assert!(!exact(vec![distinct], tumbling, false));
}

#[test]
fn a_filter_that_may_fail_tells_the_source_nothing() {
    let mut b = Build::default();
    let source = b.source("pay", &fields(), None);
    let fails = large().and((lit(10_i64) / col("id")).gt(lit(1_i64)));
    let step = b.rows("S", source, vec![Stage::Filter(fails), Stage::Filter(col("id").eq(lit(7_i64)))]);
    b.sink("out", step);
    assert_eq!(shape(&optimised(b.plan(), &[]))[0], "pay [] source(id, status, amount, at)");
}
