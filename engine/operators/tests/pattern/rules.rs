//! What patterns do with rows that fail, with too much at once, and with state that is not theirs.

use super::{
    batch, input_schema, plan,
    reference::{Event, Query, Row},
};
use datafusion_expr::{col, lit};
use runink_checkpoint::{KeyGroups, StateError};
use runink_operators::{Batch, EpochOperator, EpochTime, OperatorError, Rejects, batches, pattern::PatternOperator};
use runink_planner::{AfterMatch, Gap, Pattern};

fn query(pattern: Pattern) -> Query {
    let event = |values: Vec<i64>| Event { values: Some(values), joint: None };
    Query {
        events: vec![event(vec![0]), event(vec![1]), event(vec![2])],
        pattern,
        ending: vec![],
        within: None,
        after: AfterMatch::PastLastRow,
        partial: false,
        descending: false,
    }
}

fn later() -> Pattern {
    Pattern::Sequence { parts: vec![Pattern::Event(0), Pattern::Event(1)], gaps: vec![Gap::Later(vec![])] }
}

fn operator(query: &Query) -> PatternOperator {
    let (op, output) = plan(query, false);
    PatternOperator::new("step", &op, &input_schema(), &output, KeyGroups::default()).unwrap()
}

fn rows(query: &Query, values: impl IntoIterator<Item = i64>) -> Batch {
    let row = |(i, v): (usize, i64)| (Some(i as i64), Row { time: i as i64, key: None, value: Some(v), id: i as i64 });
    batch(query, &values.into_iter().enumerate().map(row).collect::<Vec<_>>())
}

fn epoch(operator: &mut PatternOperator, batch: Batch, watermark: i64, rejects: &mut Rejects) -> Result<Vec<Batch>, OperatorError> {
    let time = EpochTime { before: i64::MIN, watermark, clock_us: 0, worker: 0 };
    Ok(batches(operator.epoch(vec![time.ordered([batch])], time, rejects)?.batches))
}

#[test]
fn what_would_be_too_much_for_a_key_is_rejected_and_changes_nothing() {
    let query = query(later());
    let mut operator = operator(&query);
    let mut rejects = Rejects::default();
    // Each beginning is one attempt with two threads: the row that is waited for, and one that is skipped.
    let beginnings = 10_000 / 3;
    let values = std::iter::repeat_n(0, beginnings + 5).chain([1]);
    let out = epoch(&mut operator, rows(&query, values), i64::MAX, &mut rejects).unwrap();
    assert_eq!(rejects.len(), 5);
    assert!(rejects.rows()[0].message.contains("more than 10000"), "{}", rejects.rows()[0].message);
    // The first one's match covers the others.
    assert_eq!(out.iter().map(Batch::len).sum::<usize>(), 1);
    assert_eq!(operator.held(), 0);
}

#[test]
fn a_row_on_which_a_condition_fails_is_as_if_it_had_not_come() {
    let query = query(Pattern::Sequence { parts: vec![Pattern::Event(0), Pattern::Event(1)], gaps: vec![Gap::Next] });
    let (mut op, output) = plan(&query, false);
    op.events[1].own = None;
    // 10 / (value - 3) fails for 3.
    op.references = vec![op.outputs[0].clone()];
    let fields = op.condition_schema.fields().iter().cloned().chain([op.outputs[0].field.clone()]);
    op.condition_schema = std::sync::Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
    op.events[1].joint = Some((lit(10i64) / (col("value") - lit(3i64))).gt(col("first")));
    let mut operator = PatternOperator::new("step", &op, &input_schema(), &output, KeyGroups::default()).unwrap();
    let mut rejects = Rejects::default();
    let out = epoch(&mut operator, rows(&query, [0, 3, 4, 0, 9]), i64::MAX, &mut rejects).unwrap();
    assert_eq!(rejects.len(), 1);
    assert!(rejects.rows()[0].message.to_lowercase().contains("divide by zero"), "{}", rejects.rows()[0].message);
    // The 0, then the 4, though a 3 stood between them. 10 / 6 is no more than the fourth row's id.
    assert_eq!(out.iter().map(Batch::len).sum::<usize>(), 1);
}

#[test]
fn state_of_another_pattern_is_refused() {
    let first = query(later());
    let mut before = operator(&first);
    epoch(&mut before, rows(&first, [0, 0]), 5, &mut Rejects::default()).unwrap();
    let changes = before.table().unwrap().capture().unwrap();
    let other = query(Pattern::Sequence { parts: vec![Pattern::Event(0), Pattern::Event(2)], gaps: vec![Gap::Later(vec![])] });
    let mut after = operator(&other);
    after.table().unwrap().restore(&changes.upserted.unwrap()).unwrap();
    after.resume(5, 0);
    let error = epoch(&mut after, rows(&other, []), 5, &mut Rejects::default()).unwrap_err();
    assert!(matches!(&error, OperatorError::State { source: StateError::Schema(_), .. }), "{error}");
    assert!(error.to_string().contains("another pattern"), "{error}");
}

#[test]
fn a_row_of_the_past_is_late_after_a_restart_too() {
    let query = query(later());
    let mut operator = operator(&query);
    operator.resume(3, 0);
    let mut rejects = Rejects::default();
    epoch(&mut operator, rows(&query, [0, 0, 0, 0, 0]), i64::MAX, &mut rejects).unwrap();
    assert_eq!(rejects.rows().iter().filter(|r| r.reason.as_str() == "late").count(), 3);
}
