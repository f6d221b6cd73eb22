//! Joins with an outside system against a map of answers. The outside here is a script: what it says of a key depends on the key and on how often time has
//! gone on, and some keys fail.

use super::{STREAM, TABLE, batch, schema};
use arrow::{array::*, datatypes::*};
use datafusion_expr::{col, lit};
use proptest::prelude::*;
use runink_checkpoint::KeyGroups;
use runink_connector_api::{Answers, Caching, ConnectorError, Lookup, RejectReason};
use runink_operators::{
    Batch, EpochOperator, EpochTime, Ordered, Rejects,
    rows::RowPipeline,
    table_join::{LookupJoin, Outside, TableJoinOperator},
};
use runink_planner::{ExpectAction, ExpectStage, RowStage, RowStageKind, TableJoinKind, TableJoinOp};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

type Key = (i64, String);

/// The outside: what it says at a moment, and what it was asked.
#[derive(Default)]
struct Script {
    now: Mutex<i64>,
    asked: Mutex<Vec<Key>>,
}

/// What there is of a key at a moment: no answer, no row, or a row with a value.
fn says(key: &Key, now: i64) -> Option<Option<i64>> {
    match (key.0 + key.1.len() as i64 * 3 + now / 4).rem_euclid(5) {
        0 => None,
        1 => Some(None),
        n => Some(Some(n * 10 + now)),
    }
}

impl Lookup for Script {
    fn get(&self, keys: &RecordBatch) -> Result<Answers, ConnectorError> {
        let now = *self.now.lock().unwrap();
        let mut asked = self.asked.lock().unwrap();
        let (mut rows, mut failed) = (vec![], vec![]);
        for at in 0..keys.num_rows() {
            let key = (keys.column(0).as_primitive::<Int64Type>().value(at), keys.column(1).as_string::<i32>().value(at).to_owned());
            match says(&key, now) {
                None => failed.push((at, "down".to_owned())),
                Some(None) => {}
                Some(Some(value)) => rows.push((Some(key.0), Some(key.1.clone()), Some(value))),
            }
            asked.push(key);
        }
        Ok(Answers { rows: batch(TABLE, &rows), failed })
    }
}

#[derive(Debug, Clone)]
struct Case {
    kind: TableJoinKind,
    condition: bool,
    /// Answers with values that end in this are left out between the source and the join.
    promise: bool,
    caching: Caching,
    epochs: Vec<(Vec<Vec<super::Cells>>, i64)>,
}

fn operator(case: &Case, lookup: Arc<Script>) -> LookupJoin {
    let keeps = matches!(case.kind, TableJoinKind::Inner | TableJoinKind::Left);
    let both: Vec<Field> = schema(STREAM).fields().iter().chain(schema(TABLE).fields()).map(|f| f.as_ref().clone()).collect();
    let output = if keeps { both.clone() } else { both[..3].to_vec() };
    let op = TableJoinOp {
        kind: case.kind,
        on: vec![(0, 0), (1, 1)],
        condition: case.condition.then(|| (col("v").lt_eq(col("w")), Arc::new(Schema::new(both.clone())) as SchemaRef)),
        table_columns: if keeps { vec![0, 1, 2] } else { vec![] },
        table_key: vec![0, 1],
        broadcast: false,
        ttl_us: None,
    };
    let join = TableJoinOperator::new("join", &op, &schema(STREAM), &schema(TABLE), &Arc::new(Schema::new(output)), KeyGroups::new(8));
    let expect = ExpectStage {
        predicate: col("w").gt(lit(25i64)),
        text: "w > 25".into(),
        reason: RejectReason::Contract,
        otherwise: ExpectAction::Reject,
    };
    let stage = RowStage { step: "asked".into(), kind: RowStageKind::Expect(expect), schema: schema(TABLE) };
    let stages = if case.promise { vec![stage] } else { vec![] };
    let outside = Outside {
        name: "asked".into(),
        lookup,
        key: Arc::new(schema(TABLE).project(&[0, 1]).unwrap()),
        stages: RowPipeline::new(&stages, &schema(TABLE)).unwrap(),
        caching: case.caching,
    };
    LookupJoin::new(join.unwrap(), outside)
}

/// What comes out, and what is rejected, by nested loops over a map of answers.
#[derive(Default)]
struct Reference {
    /// Until when, its number, and the value.
    answers: BTreeMap<Key, (i64, usize, Option<i64>)>,
    number: usize,
}

type Row = (super::Cells, Option<i64>);

#[derive(Debug, Default, PartialEq)]
struct Expected {
    rows: Vec<Row>,
    unanswered: usize,
    broken: usize,
    asked: BTreeSet<Key>,
}

impl Reference {
    fn epoch(&mut self, case: &Case, rows: &[super::Cells], now: i64) -> Expected {
        let mut expected = Expected::default();
        self.answers.retain(|_, answer| answer.0 > now);
        let mut failed = BTreeSet::new();
        for row in rows {
            let (Some(a), Some(b)) = (row.0, row.1.clone()) else { continue };
            let key = (a, b);
            if self.answers.contains_key(&key) || !expected.asked.insert(key.clone()) {
                continue;
            }
            match says(&key, now) {
                None => {
                    failed.insert(key);
                }
                Some(value) => {
                    let kept = value.filter(|&w| !case.promise || w > 25);
                    expected.broken += usize::from(kept != value);
                    let until = now + if kept.is_some() { case.caching.found_us } else { case.caching.missing_us };
                    self.answers.insert(key, (until, self.number, kept));
                    self.number += 1;
                }
            }
        }
        for row in rows {
            let key = row.0.zip(row.1.clone());
            if key.as_ref().is_some_and(|key| failed.contains(key)) {
                expected.unanswered += 1;
                continue;
            }
            let found = key.and_then(|key| self.answers.get(&key)).and_then(|answer| answer.2);
            let met = found.filter(|&w| !case.condition || row.2.is_some_and(|v| v <= w));
            match (case.kind, met) {
                (TableJoinKind::Left, met) => expected.rows.push((row.clone(), met)),
                (TableJoinKind::Inner, Some(w)) => expected.rows.push((row.clone(), Some(w))),
                (TableJoinKind::Semi, Some(_)) | (TableJoinKind::Anti, None) => expected.rows.push((row.clone(), None)),
                _ => {}
            }
        }
        while self.answers.len() > case.caching.keys {
            let oldest = self.answers.iter().min_by_key(|(_, answer)| (answer.0, answer.1)).map(|(key, _)| key.clone());
            self.answers.remove(&oldest.unwrap());
        }
        expected.rows.sort();
        expected
    }
}

fn given(case: &Case, batches: &[Ordered]) -> Vec<Row> {
    let mut rows = vec![];
    for Ordered { batch, .. } in batches {
        let columns = batch.rows.columns();
        let int = |c: usize, i: usize| columns[c].is_valid(i).then(|| columns[c].as_primitive::<Int64Type>().value(i));
        for i in 0..batch.len() {
            let b = columns[1].is_valid(i).then(|| columns[1].as_string::<i32>().value(i).to_owned());
            let w = matches!(case.kind, TableJoinKind::Inner | TableJoinKind::Left).then(|| int(5, i)).flatten();
            rows.push(((int(0, i), b, int(2, i)), w));
        }
    }
    rows.sort();
    rows
}

fn run(case: &Case) {
    let script = Arc::new(Script::default());
    let mut join = operator(case, script.clone());
    let mut reference = Reference::default();
    let mut now = 0;
    for (batches, advance) in &case.epochs {
        now += advance;
        *script.now.lock().unwrap() = now;
        let all: Vec<super::Cells> = batches.concat();
        let expected = reference.epoch(case, &all, now);
        let time = EpochTime { before: i64::MIN, watermark: i64::MIN, clock_us: now, worker: 0 };
        let mut rejects = Rejects::default();
        let stream = time.ordered(batches.iter().map(|rows| Batch::of(batch(STREAM, rows))));
        let out = join.epoch(vec![stream, vec![]], time, &mut rejects).unwrap();
        let reasons = |reason| rejects.rows().iter().filter(|r| r.reason == reason).count();
        let asked: Vec<Key> = std::mem::take(&mut *script.asked.lock().unwrap());
        assert_eq!(asked.len(), expected.asked.len(), "a key was asked for twice: {asked:?}");
        let found = Expected {
            rows: given(case, &out.batches),
            unanswered: reasons(RejectReason::Lookup),
            broken: reasons(RejectReason::Contract),
            asked: asked.into_iter().collect(),
        };
        assert_eq!(found, expected);
        let went: usize = out.batches.iter().map(|o| o.batch.len()).sum();
        assert_eq!(went as u64 + out.filtered + found.unanswered as u64, all.len() as u64);
        assert!(join.held() <= case.caching.keys as u64);
    }
    assert!(join.table().is_none(), "answers are in no checkpoint");
}

fn any_cells() -> impl Strategy<Value = super::Cells> {
    let key = prop_oneof![9 => (0..4i64).prop_map(Some), 1 => Just(None)];
    let text = prop_oneof![9 => (0..3usize).prop_map(|n| Some("k".repeat(n))), 1 => Just(None)];
    (key, text, prop_oneof![4 => (0..60i64).prop_map(Some), 1 => Just(None)])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]
    #[test]
    fn a_row_meets_the_answer_that_counts(
        kind in prop::sample::select(vec![TableJoinKind::Inner, TableJoinKind::Left, TableJoinKind::Semi, TableJoinKind::Anti]),
        condition in any::<bool>(),
        promise in any::<bool>(),
        found_us in 0..12i64,
        missing_us in 0..6i64,
        keys in prop_oneof![Just(0usize), 1..6usize, Just(1000)],
        epochs in proptest::collection::vec((proptest::collection::vec(proptest::collection::vec(any_cells(), 0..6), 0..4), 0..5i64), 1..10),
    ) {
        run(&Case { kind, condition, promise, caching: Caching { found_us, missing_us, keys, stops: false }, epochs });
    }
}

#[test]
fn a_key_without_an_answer_stops_where_the_text_says_so() {
    let caching = Caching { found_us: 1, missing_us: 1, keys: 10, stops: true };
    let case = Case { kind: TableJoinKind::Left, condition: false, promise: false, caching, epochs: vec![] };
    let mut join = operator(&case, Arc::new(Script::default()));
    let time = EpochTime { before: i64::MIN, watermark: i64::MIN, clock_us: 0, worker: 0 };
    let rows = time.ordered([Batch::of(batch(STREAM, &[(Some(5), Some(String::new()), None)]))]);
    let error = join.epoch(vec![rows], time, &mut Rejects::default()).unwrap_err().to_string();
    assert_eq!(error, "asked: CON004: there is no answer for {\"ta\": 5, \"tb\": \"\"}: down");
}

#[test]
fn more_keys_than_one_call_takes_are_asked_for_in_several() {
    let caching = Caching { found_us: 10, missing_us: 10, keys: 100_000, stops: false };
    let case = Case { kind: TableJoinKind::Left, condition: false, promise: false, caching, epochs: vec![] };
    let script = Arc::new(Script::default());
    let mut join = operator(&case, script.clone());
    let time = EpochTime { before: i64::MIN, watermark: i64::MIN, clock_us: 0, worker: 0 };
    let cells: Vec<super::Cells> = (0..10_000i64).map(|n| (Some(n), Some(String::new()), Some(n))).collect();
    let mut rejects = Rejects::default();
    let out = join.epoch(vec![time.ordered([Batch::of(batch(STREAM, &cells))])], time, &mut rejects).unwrap();
    let none = cells.iter().filter(|c| says(&(c.0.unwrap(), String::new()), 0).is_none()).count();
    assert_eq!((out.batches.iter().map(|o| o.batch.len()).sum::<usize>(), rejects.len()), (cells.len() - none, none));
    assert_eq!(script.asked.lock().unwrap().len(), cells.len());
}
