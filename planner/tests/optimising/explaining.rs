//! `explain` in its three forms, as goldens.

use super::{build::*, golden};
use arrow::datatypes::DataType;
use datafusion_expr::{col, lit};
use runink_planner::{ExpectAction, Op, Plan, StateBound, TableJoinKind, WindowShape, explain};

/// Bursts of declined payments: a contract, a filter, windows, a table, an expectation, two sinks.
fn bursts() -> Plan {
    let mut b = Build::default();
    let fields = [
        ("card_id", DataType::Utf8),
        ("status", DataType::Utf8),
        ("amount", DataType::Decimal128(12, 2)),
        ("merchant", DataType::Utf8),
        ("country", DataType::Utf8),
        ("paid_at", timestamp()),
    ];
    let payments = b.source("payments", &fields, Some("paid_at"));
    b.unbounded();
    let checked = b.rows("payments", payments, vec![Stage::Contract(col("card_id").is_not_null())]);
    let declined = b.rows(
        "Declines",
        checked,
        vec![
            Stage::Filter(col("status").eq(lit("declined"))),
            Stage::Project(vec![(col("card_id"), "card_id"), (col("amount"), "amount"), (col("paid_at"), "paid_at")]),
        ],
    );
    let calls = vec![count_all("declines"), sum_of("amount", "total")];
    let sums = b.aggregate("Declines", declined, &["card_id"], calls, Some(WindowShape::Tumbling { size: MINUTE, offset: 0 }));
    let bursts = b.rows("Declines", sums, vec![Stage::Filter(col("declines").gt_eq(lit(3_i64)))]);
    let cards = b.table("cards", &[("card_id", DataType::Utf8), ("owner", DataType::Utf8), ("limit", DataType::Int64)], "card_id");
    let owned = b.join("WithOwner", bursts, cards, ("card_id", "card_id"), TableJoinKind::Left, &["owner"]);
    let kept = b.rows(
        "WithOwner",
        owned,
        vec![
            Stage::Expect(col("owner").is_not_null(), ExpectAction::Reject),
            columns(&["card_id", "declines", "total", "owner", "window_end"]),
        ],
    );
    b.sink("alerts", kept);
    b.sink("audit", bursts);
    optimised(Plan { scenario: "Bursts of declined payments".into(), ..b.plan() }, &[])
}

/// Changes over all time, from two sources, watched in the middle.
fn changes() -> Plan {
    let mut b = Build::default();
    let fields = [("id", DataType::Int64), ("kind", DataType::Utf8), ("size", DataType::Float64)];
    let (one, two) = (b.source("north", &fields, None), b.source("south", &fields, None));
    let all = b.union("All", &[one, two]);
    let shown = b.output("All", all);
    let sums = b.aggregate("PerKind", shown, &["kind"], vec![count_all("n"), mean_of("size", "mean")], None);
    let last = b.rows(
        "Large",
        sums,
        vec![
            Stage::Filter(col("n").gt(lit(10_i64)).or(col("mean").is_null().and(col("kind").like(lit("a%"))))),
            Stage::Project(vec![(col("kind"), "kind"), (col("n") * lit(2_i64), "twice"), (col("mean"), "mean")]),
            Stage::Expect(col("twice").lt(lit(1_000_000_i64)), ExpectAction::Tag("odd".into())),
        ],
    );
    b.sink("out", last);
    let mut plan = optimised(Plan { scenario: "Kinds".into(), ..b.plan() }, &["All"]);
    for node in &mut plan.nodes {
        if let Op::Aggregate(op) = &mut node.op {
            op.ttl_us = Some(7 * 24 * 60 * MINUTE);
            node.state = StateBound::PerKey { ttl_us: op.ttl_us };
        }
    }
    plan
}

#[test]
fn text_reads_well() {
    golden::matches("explain/bursts.txt", &explain::text(&bursts()));
    golden::matches("explain/changes.txt", &explain::text(&changes()));
}

#[test]
fn json_has_the_same_facts() {
    let pretty = |plan: &Plan| format!("{}\n", serde_json::to_string_pretty(&explain::json(plan)).unwrap());
    golden::matches("explain/bursts.json", &pretty(&bursts()));
    golden::matches("explain/changes.json", &pretty(&changes()));
}

#[test]
fn mermaid_draws_it() {
    golden::matches("explain/bursts.mmd", &explain::mermaid(&bursts()));
    golden::matches("explain/changes.mmd", &explain::mermaid(&changes()));
}

#[test]
fn names_cannot_break_the_drawing() {
    let mut b = Build::default();
    let source = b.source("a\"]; click n0 <script>", &[("id", DataType::Int64)], None);
    b.sink("out#1", source);
    let drawn = explain::mermaid(&b.plan());
    assert!(drawn.contains("a#quot;]; click n0 #lt;script#gt;") && drawn.contains("out#35;1"), "{drawn}");
}
