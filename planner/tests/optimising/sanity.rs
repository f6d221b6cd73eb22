//! What the last look refuses, each with its hint, as goldens.

use super::{build::*, golden};
use arrow::datatypes::DataType;
use datafusion_functions_aggregate::{array_agg, first_last};
use runink_connector_api::{ConnectorSpec, Delivery, Options};
use runink_dsl::Diagnostic;
use runink_planner::{EmitMode, Node, NodeId, Op, Plan, StateBound, TableJoinKind, WindowShape, sanity};

static APPENDS: ConnectorSpec = spec("stdout", false);
static TAKES_BACK: ConnectorSpec = spec("ledger", true);

const fn spec(name: &'static str, sink_takes_retractions: bool) -> ConnectorSpec {
    fn ends(_: &Options) -> bool {
        true
    }
    fn no_schema(_: &Options) -> Option<arrow::datatypes::SchemaRef> {
        None
    }
    fn no_time(_: &Options) -> Option<&'static str> {
        None
    }
    ConnectorSpec {
        name,
        about: "for tests",
        source: None,
        sink: Some(&[]),
        bounded: ends,
        sink_takes_retractions,
        lookup: false,
        delivery: |_| Delivery::AtLeastOnce,
        fixed_schema: no_schema,
        fixed_time: no_time,
    }
}

fn check(plan: &Plan) -> Vec<Diagnostic> {
    sanity::check(plan, &[&APPENDS, &TAKES_BACK])
}

fn shown(found: &[Diagnostic]) -> String {
    let one = |d: &Diagnostic| {
        let (label, hint) = (d.label.as_deref().unwrap_or(""), d.hint.as_deref().unwrap_or(""));
        format!("{} at {}..{}: {}\n  because: {label}\n  hint: {hint}\n", d.code, d.span.start, d.span.end, d.message)
    };
    found.iter().map(one).collect()
}

fn events(b: &mut Build, time: Option<&str>) -> NodeId {
    let id = b.source("pay", &[("card", DataType::Int64), ("amount", DataType::Int64), ("at", timestamp())], time);
    b.unbounded();
    id
}

fn change(b: &mut Build, id: NodeId, change: impl FnOnce(&mut Node)) {
    change(&mut b.nodes[id.0]);
}

#[test]
fn groups_over_all_time_without_a_bound() {
    let build = |state: StateBound, keys: &[&str], call| {
        let mut b = Build::default();
        let pay = events(&mut b, None);
        let sums = b.aggregate("Sums", pay, keys, vec![call], None);
        change(&mut b, sums, |n| n.state = state);
        b.plan()
    };
    let no_bound = || StateBound::PerKey { ttl_us: None };
    golden::matches("sanity/unbounded_groups.txt", &shown(&check(&build(no_bound(), &["card", "at"], count_all("n")))));
    let distinct = runink_planner::AggregateCall {
        distinct: true,
        ..call(datafusion_functions_aggregate::count::count_udaf(), datafusion_expr::col("card"), "cards")
    };
    golden::matches("sanity/unbounded_values.txt", &shown(&check(&build(no_bound(), &[], distinct))));
    let list = call(array_agg::array_agg_udaf(), datafusion_expr::col("amount"), "all");
    assert_eq!(check(&build(no_bound(), &[], list)).len(), 1);
    let first = call(first_last::first_value_udaf(), datafusion_expr::col("amount"), "first");
    assert_eq!(check(&build(no_bound(), &[], first)), []);
    assert_eq!(check(&build(no_bound(), &[], count_all("n"))), []);
    assert_eq!(check(&build(StateBound::ForEver, &["card"], count_all("n"))), []);
    assert_eq!(check(&build(StateBound::PerKey { ttl_us: Some(MINUTE) }, &["card"], count_all("n"))), []);
}

#[test]
fn a_bounded_input_needs_no_bound() {
    let mut b = Build::default();
    let pay = b.source("pay", &[("card", DataType::Int64)], None);
    b.aggregate("Sums", pay, &["card"], vec![count_all("n")], None);
    assert_eq!(check(&b.plan()), []);
}

#[test]
fn a_result_at_the_end_of_what_never_ends() {
    let mut b = Build::default();
    let pay = events(&mut b, None);
    let sums = b.aggregate("Sums", pay, &[], vec![count_all("n")], None);
    change(&mut b, sums, |n| {
        if let Op::Aggregate(op) = &mut n.op {
            op.emit = EmitMode::OnClose;
        }
    });
    golden::matches("sanity/never_emits.txt", &shown(&check(&b.plan())));
}

#[test]
fn a_table_that_grows_for_ever() {
    let build = |ends: bool, state: Option<StateBound>| {
        let mut b = Build::default();
        let pay = events(&mut b, None);
        let cards = b.table("cards", &[("card", DataType::Int64), ("owner", DataType::Utf8)], "card");
        if !ends {
            b.unbounded();
        }
        let joined = b.join("J", pay, cards, ("card", "card"), TableJoinKind::Semi, &[]);
        if let Some(state) = state {
            change(&mut b, joined, |n| n.state = state);
        }
        b.plan()
    };
    golden::matches("sanity/unbounded_table.txt", &shown(&check(&build(false, None))));
    assert_eq!(check(&build(true, None)), []);
    assert_eq!(check(&build(false, Some(StateBound::ForEver))), []);
}

#[test]
fn a_changelog_into_a_sink_that_appends() {
    let build = |connector: &str, key: &[&str]| {
        let mut b = Build::default();
        let pay = b.source("pay", &[("card", DataType::Int64)], None);
        let sums = b.aggregate("Sums", pay, &["card"], vec![count_all("n")], None);
        let sink = b.sink("out", sums);
        change(&mut b, sink, |n| {
            if let Op::Sink(op) = &mut n.op {
                op.connector = connector.to_owned();
                op.key = key.iter().map(|k| (*k).to_owned()).collect();
            }
        });
        check(&b.plan())
    };
    golden::matches("sanity/changelog_appended.txt", &shown(&build("stdout", &[])));
    golden::matches("sanity/sink_key.txt", &shown(&build("stdout", &["card", "owner"])));
    assert_eq!(build("stdout", &["card"]), []);
    assert_eq!(build("ledger", &[]), []);
}

#[test]
fn a_window_that_never_closes() {
    let build = |time: Option<&str>, ends: bool| {
        let mut b = Build::default();
        let pay = b.source("pay", &[("card", DataType::Int64), ("at", timestamp())], time);
        if !ends {
            b.unbounded();
        }
        let sums = b.aggregate("Sums", pay, &["card"], vec![count_all("n")], Some(WindowShape::Tumbling { size: MINUTE, offset: 0 }));
        change(&mut b, sums, |n| {
            if let Op::Aggregate(op) = &mut n.op
                && let Some(window) = &mut op.window
            {
                window.time = Some(runink_planner::EventTime { column: 1, shift_us: 0 });
            }
        });
        check(&b.plan())
    };
    golden::matches("sanity/no_watermark.txt", &shown(&build(None, false)));
    assert_eq!(build(None, true), []);
    assert_eq!(build(Some("at"), false), []);
}

#[test]
fn an_event_time_that_is_no_time() {
    let mut b = Build::default();
    b.source("pay", &[("card", DataType::Int64)], Some("card"));
    let plan = Plan { scenario: "Trial".into(), nodes: b.nodes };
    golden::matches("sanity/time_type.txt", &shown(&check(&plan)));
}

#[test]
fn windows_whose_lengths_do_not_go_together() {
    let build = |shape| {
        let mut b = Build::default();
        let pay = events(&mut b, Some("at"));
        b.aggregate("Sums", pay, &["card"], vec![count_all("n")], Some(shape));
        check(&b.plan())
    };
    let cumulating = |size, step| build(WindowShape::Cumulating { size, step, offset: 0 });
    let hopping = |size, slide| build(WindowShape::Hopping { size, slide, offset: 0 });
    golden::matches("sanity/cumulating_step.txt", &shown(&cumulating(60 * MINUTE, 7 * MINUTE)));
    golden::matches("sanity/hopping_slide.txt", &shown(&hopping(MINUTE, 7 * MINUTE)));
    golden::matches("sanity/too_many_windows.txt", &shown(&hopping(24 * 60 * MINUTE, 1_000)));
    assert_eq!(cumulating(60 * MINUTE, 10 * MINUTE), []);
    assert_eq!(hopping(10 * MINUTE, 3 * MINUTE), [], "a slide need not divide the size");
    assert_eq!(hopping(60 * MINUTE, 1_000_000), []);
}
