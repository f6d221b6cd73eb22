//! Patterns against the reference: random patterns and conditions, on random rows, epochs, batch cuts, workers and restores.

mod reference;
mod rules;

use arrow::{array::*, compute::take_record_batch, datatypes::*};
use datafusion_expr::{Expr, col, lit};
use datafusion_functions_aggregate::{count::count_udaf, sum::sum_udaf};
use proptest::{prelude::*, sample::Index};
use reference::{Event, Joint, Match, Query, Row, matches};
use runink_checkpoint::{KeyGroups, StateChanges, TableReplica};
use runink_operators::{
    Batch, EpochOperator, EpochTime, Rejects, batches,
    hash::{key_hashes, no_key},
    pattern::PatternOperator,
};
use runink_planner::{AfterMatch, AggregateCall, EventTime, Gap, MatchEvent, MatchOp, Pattern, Pick, Reference};
use std::{collections::BTreeMap, sync::Arc};

/// Few, so that workers share them in many ways.
const GROUPS: u16 = 16;
/// The time column stands that much behind the event time.
const SHIFT_US: i64 = 3;
const EVENTS: usize = 3;

#[derive(Debug, Clone)]
pub(crate) struct Case {
    query: Query,
    /// Rows have a key.
    keyed: bool,
    epochs: Vec<EpochCase>,
    workers: usize,
}

#[derive(Debug, Clone)]
struct EpochCase {
    rows: Vec<(u8, Option<i64>, u8)>,
    advance: i64,
    cuts: Vec<Index>,
    /// State is captured at the epoch's end; with a number, it is restored on that many workers.
    capture: Option<Option<usize>>,
}

/// `time`, `k`, `value`, a Boolean for each event, `id`.
fn input_schema() -> SchemaRef {
    let mut fields = vec![
        Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("k", DataType::Int64, true),
        Field::new("value", DataType::Int64, true),
    ];
    fields.extend((0..EVENTS).map(|e| Field::new(format!("is_{e}"), DataType::Boolean, true)));
    fields.push(Field::new("id", DataType::Int64, true));
    Arc::new(Schema::new(fields))
}

fn batch(query: &Query, rows: &[(Option<i64>, Row)]) -> Batch {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|(time, _)| time.map(|t| t - SHIFT_US)).collect::<TimestampMicrosecondArray>()),
        Arc::new(rows.iter().map(|(_, r)| r.key).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|(_, r)| r.value).collect::<Int64Array>()),
    ];
    for event in &query.events {
        let is = |r: &Row| event.values.as_ref().map_or(Some(true), |values| r.value.map(|v| values.contains(&v)));
        columns.push(Arc::new(rows.iter().map(|(_, r)| is(r)).collect::<BooleanArray>()));
    }
    columns.push(Arc::new(rows.iter().map(|(_, r)| Some(r.id)).collect::<Int64Array>()));
    Batch::of(RecordBatch::try_new(input_schema(), columns).unwrap())
}

fn call(name: &str, count: bool) -> Pick {
    let function = if count { count_udaf() } else { sum_udaf() };
    let args = vec![if count { lit(1i64) } else { col("value") }];
    Pick::Call(AggregateCall { function, args, distinct: false, filter: None, order_by: vec![], ignore_nulls: false, name: name.into() })
}

const TIME: usize = 0;
const KEY: usize = 1;
const VALUE: usize = 2;
const ID: usize = 3 + EVENTS;

/// The plan, and the output's schema.
pub(crate) fn plan(query: &Query, keyed: bool) -> (MatchOp, SchemaRef) {
    let input = input_schema();
    let int = |name: String| Arc::new(Field::new(name, DataType::Int64, true));
    let mut references = Vec::new();
    let mut events = Vec::new();
    for (at, event) in query.events.iter().enumerate() {
        let joint = event.joint.as_ref().map(|joint| {
            let name = format!("ref_{at}");
            let (of, pick) = match joint {
                Joint::AboveLast { of, skip } => (of, Pick::Last { column: VALUE, skip: *skip }),
                Joint::NotBelowFirst { of, skip } => (of, Pick::First { column: VALUE, skip: *skip }),
                Joint::AtMost { of, .. } => (of, call(&name, true)),
                Joint::SumAbove { of, .. } => (of, call(&name, false)),
            };
            references.push(Reference { event: *of, pick, field: int(name.clone()) });
            let reference: Expr = col(name);
            match joint {
                Joint::AboveLast { .. } => col("value").gt(reference),
                Joint::NotBelowFirst { .. } => col("value").gt_eq(reference),
                Joint::AtMost { n, .. } => reference.lt_eq(lit(*n)),
                Joint::SumAbove { n, .. } => reference.gt(lit(*n)),
            }
        });
        events.push(MatchEvent { name: format!("e{at}"), own: event.values.is_some().then_some(3 + at), joint });
    }
    let mut outputs = vec![
        Reference { event: None, pick: Pick::First { column: ID, skip: 0 }, field: int("first".into()) },
        Reference { event: None, pick: Pick::Last { column: ID, skip: 0 }, field: int("last".into()) },
    ];
    for event in 0..EVENTS {
        let name = |what: &str| format!("{what}_{event}");
        let picks = [
            (name("count"), call(&name("count"), true)),
            (name("sum"), call(&name("sum"), false)),
            (name("second"), Pick::First { column: VALUE, skip: 1 }),
            (name("before"), Pick::Last { column: VALUE, skip: 1 }),
        ];
        outputs.extend(picks.map(|(name, pick)| Reference { event: Some(event), pick, field: int(name) }));
    }
    let mut given: Vec<FieldRef> = if keyed { vec![input.fields()[KEY].clone()] } else { vec![] };
    given.extend(outputs.iter().map(|r| r.field.clone()));
    let time = |name: &str| Arc::new(input.field(TIME).clone().with_name(name));
    given.extend([time("match_start"), time("match_end")]);
    if query.partial {
        given.push(Arc::new(Field::new("partial", DataType::Boolean, true)));
    }
    let conditions: Vec<FieldRef> = input.fields().iter().cloned().chain(references.iter().map(|r| r.field.clone())).collect();
    let op = MatchOp {
        keys: if keyed { vec![KEY] } else { vec![] },
        time: EventTime { column: TIME, shift_us: SHIFT_US },
        order: if query.descending { vec![(VALUE, false, true)] } else { vec![] },
        events,
        condition_schema: Arc::new(Schema::new(conditions)),
        references,
        outputs,
        pattern: query.pattern.clone(),
        ending: query.ending.clone(),
        within_us: query.within,
        after: query.after,
        partial: query.partial,
    };
    (op, Arc::new(Schema::new(given)))
}

fn found(case: &Case, batch: &Batch) -> Vec<Match> {
    assert!(batch.diffs.is_none());
    let column = |name: &str| batch.rows.column_by_name(name).unwrap().clone();
    let int = |name: &str, i: usize| {
        let column = column(name);
        column.is_valid(i).then(|| column.as_primitive::<Int64Type>().value(i))
    };
    let time = |name: &str, i: usize| column(name).as_primitive::<TimestampMicrosecondType>().value(i) + SHIFT_US;
    let of = |i: usize| Match {
        key: if case.keyed { int("k", i) } else { None },
        ends: ["first", "last"].map(|name| int(name, i).unwrap()),
        events: (0..EVENTS)
            .map(|e| {
                let value = |what: &str| int(&format!("{what}_{e}"), i);
                (value("count").unwrap(), value("sum"), value("second"), value("before"))
            })
            .collect(),
        times: ["match_start", "match_end"].map(|name| time(name, i)),
        partial: case.query.partial && column("partial").as_boolean().value(i),
    };
    (0..batch.len()).map(of).collect()
}

struct Worker {
    operator: PatternOperator,
    replica: TableReplica,
}

fn worker(case: &Case) -> Worker {
    let (op, output) = plan(&case.query, case.keyed);
    let mut operator = PatternOperator::new("step", &op, &input_schema(), &output, KeyGroups::new(GROUPS)).unwrap();
    Worker { replica: TableReplica::of(operator.table().unwrap()).unwrap(), operator }
}

/// Rows for one worker, in pieces.
fn routed(case: &Case, all: &Batch, cuts: &[Index], worker: usize, workers: usize) -> Vec<Batch> {
    let groups = KeyGroups::new(GROUPS);
    let mut hashes = vec![no_key(); all.len()];
    if case.keyed {
        key_hashes(&all.rows.columns()[KEY..=KEY], &mut hashes).unwrap();
    }
    let own = (0..all.len() as u32).filter(|&i| groups.worker_of(groups.of_hash(hashes[i as usize]), workers) == worker);
    let own = all.take(&own.collect::<UInt32Array>()).unwrap();
    let mut at: Vec<usize> = cuts.iter().map(|c| c.index(own.len() + 1)).chain([0, own.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|w| own.slice(w[0], w[1] - w[0])).collect()
}

fn capture(workers: &mut [Worker]) {
    let count = workers.len();
    for (n, worker) in workers.iter_mut().enumerate() {
        let table = worker.operator.table().unwrap();
        let changes = table.capture().unwrap();
        if let Some(rows) = &changes.upserted {
            let own = KeyGroups::new(GROUPS).of_worker(n, count);
            assert!(rows.column(0).as_primitive::<UInt16Type>().values().iter().all(|g| own.contains(g)));
        }
        worker.replica.apply(&changes).unwrap();
        assert!(table.capture().unwrap().is_empty());
        assert_eq!(table.keys(), worker.replica.len());
    }
}

fn restored(case: &Case, old: &[Worker], next: usize, watermark: i64) -> Vec<Worker> {
    let groups = KeyGroups::new(GROUPS);
    let restore = |n: usize| {
        let mut new = worker(case);
        for before in old {
            let rows = before.replica.rows(groups.of_worker(n, next)).unwrap();
            // In an order that is not theirs, and in two pieces.
            let reversed: UInt32Array = (0..rows.num_rows() as u32).rev().collect();
            let rows = take_record_batch(&rows, &reversed).unwrap();
            let half = rows.num_rows() / 2;
            let table = new.operator.table().unwrap();
            table.restore(&rows.slice(0, half)).unwrap();
            table.restore(&rows.slice(half, rows.num_rows() - half)).unwrap();
            new.replica.apply(&StateChanges { expired: vec![], deleted: None, upserted: Some(rows) }).unwrap();
        }
        new.operator.resume(watermark, 0);
        new
    };
    let new: Vec<Worker> = (0..next).map(restore).collect();
    let held = |workers: &[Worker]| workers.iter().map(|w| w.operator.held()).sum::<u64>();
    assert_eq!(held(&new), held(old));
    new
}

fn run(case: &Case) {
    let mut workers: Vec<Worker> = (0..case.workers).map(|_| worker(case)).collect();
    let (mut watermark, mut next_id) = (i64::MIN, 0);
    let mut taken: BTreeMap<Option<i64>, Vec<Row>> = BTreeMap::new();
    let (mut seen, mut late, mut timeless) = (Vec::new(), 0, 0);
    let mut rejects = Rejects::default();
    let end = EpochCase { rows: vec![], advance: 0, cuts: vec![], capture: None };
    for (number, epoch) in case.epochs.iter().chain([&end]).enumerate() {
        let before = watermark;
        watermark = match (number == case.epochs.len(), epoch.advance) {
            (true, _) => i64::MAX,
            (_, 0) => watermark,
            (_, by) => (if watermark == i64::MIN { 0 } else { watermark }) + by,
        };
        let mut rows = Vec::new();
        for &(key, time, value) in &epoch.rows {
            next_id += 1;
            let key = (case.keyed && key % 4 < 3).then_some(i64::from(key % 4));
            let value = (value % 8 < 7).then_some(i64::from(value % 8));
            let row = Row { time: time.unwrap_or_default(), key, value, id: next_id };
            match time {
                None => timeless += 1,
                Some(time) if time < before => late += 1,
                Some(_) => taken.entry(key).or_default().push(row.clone()),
            }
            rows.push((time, row));
        }
        let all = batch(&case.query, &rows);
        let count = workers.len();
        for (n, worker) in workers.iter_mut().enumerate() {
            let time = EpochTime { before, watermark, clock_us: 0, worker: n as u64 };
            let input = time.ordered(routed(case, &all, &epoch.cuts, n, count));
            let out = batches(worker.operator.epoch(vec![input], time, &mut rejects).unwrap().batches);
            let out: Vec<Match> = out.iter().flat_map(|b| found(case, b)).collect();
            // Nothing is late for a later window, and nothing is told before it is certain.
            let not_late = |m: &Match| case.query.within.is_none_or(|within| m.times[1] + within >= before);
            assert!(out.iter().all(|m| not_late(m) && m.times[1] < watermark), "epoch {number}: {out:?}");
            seen.extend(out);
        }
        if epoch.capture.is_some() {
            capture(&mut workers);
        }
        if let Some(Some(next)) = epoch.capture {
            workers = restored(case, &workers, next, watermark);
        }
    }
    let mut expected: Vec<Match> = taken.into_values().flat_map(|rows| matches(&case.query, rows)).collect();
    expected.sort();
    seen.sort();
    assert_eq!(seen, expected);
    let reasons = |reason: &str| rejects.rows().iter().filter(|r| r.reason.as_str() == reason).count();
    assert_eq!((reasons("late"), reasons("expression")), (late, timeless), "{:?}", rejects.rows());
    assert!(workers.iter().all(|w| w.operator.held() == 0));
    capture(&mut workers);
    assert!(workers.iter().all(|w| w.replica.is_empty()));
}

fn any_gap() -> impl Strategy<Value = Gap> {
    prop_oneof![2 => Just(Gap::Next), 2 => Just(Gap::Later(vec![])), 1 => (0..EVENTS).prop_map(|e| Gap::Later(vec![e]))]
}

fn any_pattern() -> impl Strategy<Value = Pattern> {
    let event = (0..EVENTS).prop_map(Pattern::Event);
    event.prop_recursive(3, 12, 3, |inner| {
        let sequence = proptest::collection::vec((inner.clone(), any_gap()), 2..4).prop_map(|parts| {
            let (parts, mut gaps): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            gaps.pop();
            Pattern::Sequence { parts, gaps }
        });
        let sequence = sequence.boxed();
        let choice = proptest::collection::vec(inner.clone(), 2..3).prop_map(Pattern::Choice);
        let times = prop_oneof![
            Just((0, Some(1))),
            Just((0, None)),
            Just((1, None)),
            (0..3u64, 0..2u64).prop_map(|(n, m)| (n, Some((n + m).max(1)))),
            (2..3u64).prop_map(|n| (n, None)),
        ];
        // Only of single events: what may be left out, many times over, is tried in too many ways here.
        let repeat = ((0..EVENTS).prop_map(Pattern::Event), times, any::<bool>(), any_gap())
            .prop_map(|(of, (least, most), reluctant, gap)| Pattern::Repeat { of: Box::new(of), least, most, reluctant, gap });
        let group = (sequence.clone(), any_gap()).prop_map(|(of, gap)| Pattern::Repeat {
            of: Box::new(of),
            least: 1,
            most: Some(2),
            reluctant: false,
            gap,
        });
        prop_oneof![4 => sequence, 1 => choice, 3 => repeat, 1 => group]
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let values = prop_oneof![1 => Just(None), 4 => proptest::collection::vec(0..7i64, 1..5).prop_map(Some)];
    let of = || prop_oneof![3 => (0..EVENTS).prop_map(Some), 1 => Just(None)];
    let joint = prop_oneof![
        4 => Just(None),
        1 => (of(), 0..2usize).prop_map(|(of, skip)| Some(Joint::AboveLast { of, skip })),
        1 => (of(), 0..2usize).prop_map(|(of, skip)| Some(Joint::NotBelowFirst { of, skip })),
        1 => (of(), 1..4i64).prop_map(|(of, n)| Some(Joint::AtMost { of, n })),
        1 => (of(), 0..9i64).prop_map(|(of, n)| Some(Joint::SumAbove { of, n })),
    ];
    (values, joint).prop_map(|(values, joint)| Event { values, joint })
}

prop_compose! {
    fn any_query()(
        events in proptest::collection::vec(any_event(), EVENTS),
        pattern in any_pattern(),
        ending in prop_oneof![4 => Just(vec![]), 1 => (0..EVENTS).prop_map(|e| vec![e])],
        within in prop_oneof![1 => Just(None), 3 => (0..12i64).prop_map(Some)],
        after in prop_oneof![
            2 => Just(AfterMatch::PastLastRow),
            2 => Just(AfterMatch::ToNextRow),
            1 => (0..EVENTS).prop_map(AfterMatch::ToFirst),
            1 => (0..EVENTS).prop_map(AfterMatch::ToLast),
        ],
        partial in any::<bool>(),
        descending in any::<bool>(),
    ) -> Query {
        let ending = if within.is_some() { ending } else { vec![] };
        let partial = partial && within.is_some();
        Query { events, pattern, ending, within, after, partial, descending }
    }
}

fn any_epoch() -> impl Strategy<Value = EpochCase> {
    let time = prop_oneof![12 => (0..24i64).prop_map(Some), 1 => Just(None)];
    let rows = proptest::collection::vec((0..8u8, time, any::<u8>()), 0..10);
    let capture = prop_oneof![2 => Just(None), 1 => Just(Some(None)), 1 => (1..4usize).prop_map(|n| Some(Some(n)))];
    let cuts = proptest::collection::vec(any::<Index>(), 0..3);
    (rows, prop_oneof![1 => Just(0i64), 3 => 1..8i64], cuts, capture).prop_map(|(rows, advance, cuts, capture)| EpochCase {
        rows,
        advance,
        cuts,
        capture,
    })
}

prop_compose! {
    fn any_case()(
        query in any_query(),
        keyed in prop::bool::weighted(0.8),
        epochs in proptest::collection::vec(any_epoch(), 1..6),
        workers in 1..5usize,
    ) -> Case {
        Case { query, keyed, epochs, workers }
    }
}

#[test]
fn patterns_are_those_that_a_reader_would_find() {
    let config = ProptestConfig { max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::with_cases(256) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&any_case(), |case| {
        // What needs no row is refused by the planner.
        prop_assume!(plan(&case.query, case.keyed).0.automaton().is_ok());
        run(&case);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
