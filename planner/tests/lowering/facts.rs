//! Facts of plans that a golden would only show: kinds, keys, time, who is read first, what is refused silently nowhere.

use super::{planned, rendered, with_input};
use proptest::prelude::*;
use runink_planner::{Node, Op, Plan, RowStageKind, StateBound, StreamKind, plan_scenario, sources_to_discover};

const CONTRACTS: &str = "
Contract: Payment version 1
  | field   | type           | rules                |
  | card_id | string         | required             |
  | amount  | decimal(12, 2) |                      |
  | paid_at | timestamp(ms)  | required, event time |

Contract: Card version 1
  | field   | type   | rules         |
  | card_id | string | required, key |
  | owner   | string |               |
";

fn plan_of(lines: &str, observe: &[&str]) -> Plan {
    let text = format!(
        "Feature: F\n  Scenario: S\n    @source(name=payments, type=topic, topic=\"p\", contract=Payment)\n    \
         @source(name=cards, type=file, path=\"c\", contract=Card)\n{lines}\n{CONTRACTS}"
    );
    let (project, planned) = planned("facts.dsl", &text, observe);
    assert!(!project.has_errors(), "{:#?}", project.diagnostics);
    planned.plan.clone().unwrap_or_else(|| panic!("{}", rendered(&project, &planned)))
}

fn node<'p>(plan: &'p Plan, name: &str) -> &'p Node {
    plan.node(plan.output_of(name).unwrap_or_else(|| panic!("no {name}")))
}

fn time_column(node: &Node) -> Option<(&str, i64)> {
    node.time.as_ref().map(|t| (node.schema.field(t.column).name().as_str(), t.shift_us))
}

#[test]
fn a_renamed_event_time_stays_and_a_replaced_one_is_lost() {
    let plan = plan_of(
        "    @step(name=A, from=payments)\n      @do rename paid_at to at\n    @step(name=B)\n      @do set at = at + interval '1 day'\n    \
         @step(name=C, from=A)\n      @do set copy = at\n    @step(name=D, from=A)\n      @do select moved = at, amount\n    @sink(type=stdout, from=B)\n    @sink(type=stdout, from=C)\n    @sink(type=stdout, from=D)",
        &["A", "B", "C", "D"],
    );
    assert_eq!(time_column(node(&plan, "A")), Some(("at", 0)));
    assert_eq!(time_column(node(&plan, "B")), None);
    assert_eq!(time_column(node(&plan, "C")), Some(("at", 0)));
    assert_eq!(time_column(node(&plan, "D")), Some(("moved", 0)));
}

#[test]
fn a_windows_result_lies_just_inside_its_window() {
    let plan = plan_of(
        "    @step(name=A, from=payments)\n      @do aggregate n = count(*) by card_id in tumbling(1m)\n    @sink(type=stdout)",
        &["A"],
    );
    let a = node(&plan, "A");
    assert_eq!(time_column(a), Some(("window_end", -1)));
    assert_eq!(a.kind, StreamKind::AppendOnly);
}

#[test]
fn a_changelogs_key_follows_its_columns() {
    let plan = plan_of(
        "    @step(name=A, from=payments)\n      @do aggregate n = count(*) by card_id in tumbling(1m) emit on change\n      @do rename card_id to card\n    @sink(type=topic, topic=\"t\")",
        &["A"],
    );
    let key = vec!["card".to_owned(), "window_end".to_owned()];
    assert_eq!(node(&plan, "A").kind, StreamKind::Changelog { key: key.clone() });
    let sink = plan.nodes.iter().find_map(|n| if let Op::Sink(s) = &n.op { Some(s) } else { None });
    assert_eq!(sink.map(|s| s.key.clone()), Some(key));
}

#[test]
fn a_bounded_table_is_read_first_and_an_unbounded_one_is_not() {
    let lines = "    @step(name=A, from=payments)\n      @do left join cards on cards.card_id = payments.card_id\n    @sink(type=stdout)";
    let plan = plan_of(lines, &[]);
    let preloaded = |plan: &Plan| plan.nodes.iter().any(|n| matches!(&n.op, Op::Source(s) if s.preload));
    let broadcast = |plan: &Plan| plan.nodes.iter().any(|n| matches!(&n.op, Op::TableJoin(j) if j.broadcast));
    assert!(preloaded(&plan) && broadcast(&plan));
    let follows = "    @source(name=limits, type=file, path=\"l\", follow=true, contract=Card)\n    @step(name=A, from=payments)\n      \
                   @do left join limits on limits.card_id = payments.card_id keep state for 1d\n    @sink(type=stdout)";
    let plan = plan_of(follows, &[]);
    assert!(!preloaded(&plan) && !broadcast(&plan));
    let join = plan.nodes.iter().find(|n| matches!(n.op, Op::TableJoin(_))).map(|n| n.state.clone());
    assert_eq!(join, Some(StateBound::PerKey { ttl_us: Some(86_400_000_000) }));
}

#[test]
fn a_tables_columns_are_told_apart_and_helpers_do_not_stay() {
    let plan = plan_of(
        "    @step(name=A, from=payments)\n      @do join cards on cards.card_id = upper(payments.card_id)\n    @sink(type=stdout)",
        &["A"],
    );
    let names: Vec<&str> = node(&plan, "A").schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["card_id", "amount", "paid_at", "cards_card_id", "owner"]);
}

#[test]
fn what_is_watched_can_be_read() {
    let plan = plan_of(
        "    @step(name=A, from=payments)\n      @do split big when amount > 3, small otherwise\n    @step(name=B, from=A.big)\n      @when amount > 4\n    @sink(type=stdout)",
        &["payments", "A.big", "A.small", "B", "rejected"],
    );
    for name in ["payments", "A.big", "A.small", "B", "rejected"] {
        assert!(plan.output_of(name).is_some(), "{name}");
    }
}

#[test]
fn inputs_stand_before_their_readers_whatever_the_order_of_the_text() {
    let plan = plan_of(
        "    @step(name=Last, from=First)\n      @when amount > 1\n    @step(name=First, from=payments)\n      @when amount > 0\n    @sink(type=stdout, from=Last)",
        &[],
    );
    for (id, node) in plan.nodes.iter().enumerate() {
        assert!(node.inputs.iter().all(|i| i.0 < id), "{}", node.name);
    }
}

#[test]
fn lineage_reaches_through_windows_and_joins() {
    let plan = plan_of(
        "    @step(name=A, from=payments)\n      @do aggregate total = sum(amount) / count(*) by card_id in tumbling(1m)\n    \
         @step(name=B)\n      @do join cards on cards.card_id = A.card_id\n      @do select who = owner, total\n    @sink(type=stdout)",
        &["B"],
    );
    let lineage = &node(&plan, "B").lineage;
    assert_eq!(lineage[0].from, [("cards".to_owned(), "owner".to_owned())]);
    assert!(lineage[0].direct);
    assert_eq!(lineage[1].from, [("payments".to_owned(), "amount".to_owned())]);
    assert!(!lineage[1].direct);
}

#[test]
fn parameters_of_reusable_steps_are_put_in_place() {
    let plan = plan_of(
        "    @step(name=A, from=payments, use=Limit, column=amount, most=3)\n    @sink(type=stdout)\n\nStep: Limit(column, most)\n  @when ${column} < ${most}\n  @do drop ${column}",
        &["A"],
    );
    let names: Vec<&str> = node(&plan, "A").schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["card_id", "paid_at"]);
}

#[test]
fn an_expectation_says_what_it_means_after_parameters_are_put_in_place() {
    let plan = plan_of(
        "    @step(name=A, from=payments, use=Limit, column=amount, most=3)\n    @sink(type=stdout)\n\nStep: Limit(column, most)\n  @then ${column} < ${most}",
        &["A"],
    );
    let stages = plan.nodes.iter().filter_map(|n| if let Op::Rows(stages) = &n.op { Some(stages) } else { None }).flatten();
    let texts: Vec<&str> =
        stages.filter_map(|s| if let RowStageKind::Expect(e) = &s.kind { Some(e.text.as_str()) } else { None }).collect();
    assert_eq!(texts, ["card_id required", "paid_at required", "amount < 3"]);
}

#[test]
fn stars_choose_whole_inputs() {
    let plan = plan_of(
        "    @step(name=A, from=payments)\n      @do join cards on cards.card_id = payments.card_id\n      @do select payments.*, cards.owner\n    \
         @step(name=B, from=payments)\n      @do select *, twice = amount * 2\n    @sink(type=stdout, from=A)\n    @sink(type=stdout, from=B)",
        &["A", "B"],
    );
    let names = |step: &str| node(&plan, step).schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
    assert_eq!(names("A"), ["card_id", "amount", "paid_at", "owner"]);
    assert_eq!(names("B"), ["card_id", "amount", "paid_at", "twice"]);
}

#[test]
fn what_a_left_join_may_not_find_can_be_null() {
    let plan = plan_of(
        "    @source(name=ticks, type=tick, count=3, key=n)\n    @step(name=A, from=payments)\n      @do left join ticks on ticks.n = cast(payments.amount as bigint)\n    @sink(type=stdout)",
        &["A"],
    );
    let a = node(&plan, "A");
    assert!(a.schema.field_with_name("n").unwrap().is_nullable());
    assert!(a.schema.field_with_name("at").unwrap().is_nullable());
}

#[test]
fn only_what_nobody_knows_is_asked_of_the_outside() {
    let text = format!(
        "Feature: F\n  Scenario: S\n    @source(name=payments, type=topic, topic=\"p\", contract=Payment)\n    \
         @source(name=events, type=file, path=\"${{env.DATA}}/e.json\")\n    @source(name=wrong, type=file, paht=\"x\")\n    \
         @source(name=unread, type=file, path=\"u\")\n    @source(name=ticks, type=tick)\n    @step(name=A, from=payments)\n      \
         @do keep amount > 1\n    @sink(type=stdout)\n    @sink(type=stdout, from=events)\n    @sink(type=stdout, from=wrong)\n    \
         @sink(type=stdout, from=ticks)\n{CONTRACTS}"
    );
    let asked = with_input("ask.dsl", &text, &[], false, |_, input| sources_to_discover(input));
    let asked: Vec<(&str, Option<&str>)> = asked.iter().map(|s| (s.name.as_str(), s.options.text("path"))).collect();
    assert_eq!(asked, [("events", Some("data/e.json"))]);
}

#[test]
fn a_check_without_data_notes_what_it_cannot_see() {
    let text = "Feature: F\n  Scenario: S\n    @source(name=events, type=file, path=\"${env.NOT_SET}\")\n    @step(name=A)\n      @when x > 1\n    @sink(type=stdout)\n";
    let planned = with_input("check.dsl", text, &[], true, |_, input| plan_scenario(input));
    assert!(planned.plan.is_none());
    assert!(planned.diagnostics.iter().any(|d| d.code == "PLN007"));
    assert!(planned.diagnostics.iter().all(|d| !d.is_error()), "{:?}", planned.diagnostics);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Whatever stands where an expression stands: a plan or a diagnostic inside the text, never a panic.
    #[test]
    fn no_expression_makes_planning_panic(words in prop::collection::vec(
        prop::sample::select(vec![
            "amount", "card_id", "paid_at", "(", ")", ",", "+", "-", "*", "/", "%", "=", "<", "and", "or", "not", "null", "is", "in", "between", "like",
            "case", "when", "then", "else", "end", "cast", "as", "int", "string", "'x'", "1", "0.5", "sum", "upper", "coalesce", "interval", "'1 day'",
            "extract", "hour", "from", "::", "[", "]", "distinct", "||", "~", "array", "struct", "substring", "date", "timestamp", "é", "\"", "''", ".", "payments",
        ]), 1..14)) {
        let text = words.join(" ");
        let feature = format!(
            "Feature: F\n  Scenario: S\n    @source(name=payments, type=topic, topic=\"p\", contract=Payment)\n    \
             @step(name=A)\n      @do set x = {text}\n      @do aggregate y = {text} by card_id in tumbling(1m)\n    @sink(type=stdout)\n{CONTRACTS}"
        );
        let (project, planned) = planned("fuzz.dsl", &feature, &[]);
        prop_assert!(planned.plan.is_some() || !planned.diagnostics.is_empty() || project.has_errors());
        for d in &planned.diagnostics {
            prop_assert!(feature.get(d.span.range()).is_some(), "{d:?}");
            prop_assert_ne!(d.code, "PLN999", "{:?}", d);
        }
    }
}
