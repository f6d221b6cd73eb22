//! A keyed source as a changelog, against a map.

use arrow::{array::*, datatypes::*};
use proptest::{prelude::*, sample::Index};
use runink_checkpoint::{KeyGroups, StateChanges, StateTable, TableReplica};
use runink_operators::{Batch, changes::ChangesOperator, hash::key_hashes};
use runink_planner::ChangesOp;
use std::{collections::BTreeMap, sync::Arc};

const GROUPS: u16 = 16;

/// A row: key, value, and whether it is a deletion.
type Row = (Option<i64>, Option<i64>, bool);

#[derive(Debug, Clone)]
struct EpochCase {
    rows: Vec<Row>,
    advance: i64,
    cuts: Vec<Index>,
    /// State is captured at the epoch's end; with a number, it is restored on that many workers.
    capture: Option<Option<usize>>,
}

/// What is there: by key, its value and when it came.
#[derive(Default)]
struct Reference {
    rows: BTreeMap<Option<i64>, (Option<i64>, i64)>,
    in_event_time: bool,
}

impl Reference {
    /// What an epoch changes.
    fn epoch(&mut self, rows: &[Row], watermark: i64, clock: i64, ttl: Option<i64>) -> BTreeMap<(Option<i64>, Option<i64>), i64> {
        if watermark != i64::MIN && watermark != i64::MAX && !self.in_event_time {
            self.in_event_time = true;
            self.rows.values_mut().for_each(|(_, at)| *at = watermark);
        }
        let now = if self.in_event_time { watermark } else { clock };
        let before = self.rows.clone();
        for &(key, value, gone) in rows {
            if gone {
                self.rows.remove(&key)
            } else {
                self.rows.insert(key, (value, now))
            };
        }
        if let Some(ttl) = ttl.filter(|_| watermark != i64::MAX) {
            self.rows.retain(|_, (_, at)| at.saturating_add(ttl) > now);
        }
        let mut changes = BTreeMap::new();
        before.iter().for_each(|(key, (value, _))| *changes.entry((*key, *value)).or_insert(0) -= 1);
        self.rows.iter().for_each(|(key, (value, _))| *changes.entry((*key, *value)).or_insert(0) += 1);
        changes.retain(|_, diff| *diff != 0);
        changes
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true), Field::new("k", DataType::Int64, true)]))
}

fn batch(rows: &[Row]) -> Batch {
    let columns: Vec<ArrayRef> =
        vec![Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()), Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>())];
    let diffs = rows.iter().any(|r| r.2).then(|| rows.iter().map(|r| if r.2 { -1 } else { 1 }).collect());
    Batch { rows: RecordBatch::try_new(schema(), columns).unwrap(), diffs, origin: None }
}

fn worker(ttl_us: Option<i64>) -> (ChangesOperator, TableReplica) {
    let operator = ChangesOperator::new("step", &ChangesOp { key: vec![1], ttl_us }, &schema(), KeyGroups::new(GROUPS)).unwrap();
    let replica = TableReplica::of(&operator).unwrap();
    (operator, replica)
}

fn run(epochs: &[EpochCase], ttl: Option<i64>, count: usize) {
    let groups = KeyGroups::new(GROUPS);
    let mut reference = Reference::default();
    let mut workers: Vec<_> = (0..count).map(|_| worker(ttl)).collect();
    let (mut watermark, mut clock) = (i64::MIN, 0);
    let end = EpochCase { rows: vec![], advance: 0, cuts: vec![], capture: None };
    for (number, epoch) in epochs.iter().chain([&end]).enumerate() {
        clock += 2;
        watermark = match (number == epochs.len(), epoch.advance) {
            (true, _) => i64::MAX,
            (_, 0) => watermark,
            (_, by) => watermark.max(0) + by,
        };
        let expected = reference.epoch(&epoch.rows, watermark, clock, ttl);
        let all = batch(&epoch.rows);
        let mut hashes = Vec::new();
        key_hashes(&all.rows.columns()[1..], &mut hashes).unwrap();
        let mut found = BTreeMap::new();
        let count = workers.len();
        for (at, (operator, _)) in workers.iter_mut().enumerate() {
            let own = (0..all.len() as u32).filter(|&i| groups.worker_of(groups.of_hash(hashes[i as usize]), count) == at);
            let own = all.take(&own.collect::<UInt32Array>()).unwrap();
            let mut cuts: Vec<usize> = epoch.cuts.iter().map(|c| c.index(own.len() + 1)).chain([0, own.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<Batch> = cuts.windows(2).map(|w| own.slice(w[0], w[1] - w[0])).collect();
            for given in operator.apply(&pieces, watermark, clock).unwrap() {
                let (v, k) = (given.rows.column(0).as_primitive::<Int64Type>(), given.rows.column(1).as_primitive::<Int64Type>());
                let value = |column: &Int64Array, row: usize| column.is_valid(row).then(|| column.value(row));
                for row in 0..given.len() {
                    let change = found.insert((value(k, row), value(v, row)), given.diffs.as_ref().unwrap().value(row));
                    assert_eq!(change, None, "an epoch says nothing twice");
                }
            }
        }
        assert_eq!(found, expected, "epoch {number}, watermark {watermark}");
        assert_eq!(workers.iter().map(|(o, _)| o.held()).sum::<u64>(), reference.rows.len() as u64);
        for (operator, replica) in workers.iter_mut().filter(|_| epoch.capture.is_some()) {
            replica.apply(&operator.capture().unwrap()).unwrap();
            assert!(operator.capture().unwrap().is_empty());
            assert_eq!(replica.len() as u64, operator.held());
        }
        if let Some(Some(next)) = epoch.capture {
            let old = std::mem::take(&mut workers);
            for at in 0..next {
                let (mut operator, mut replica) = worker(ttl);
                for (_, before) in &old {
                    let rows = before.rows(groups.of_worker(at, next)).unwrap();
                    operator.restore(&rows).unwrap();
                    replica.apply(&StateChanges { expired: vec![], deleted: None, upserted: Some(rows) }).unwrap();
                }
                runink_operators::EpochOperator::resume(&mut operator, watermark, clock);
                workers.push((operator, replica));
            }
        }
    }
}

fn any_epoch() -> impl Strategy<Value = EpochCase> {
    let number = |n: i64| prop_oneof![5 => (0..n).prop_map(Some), 1 => Just(None)];
    let rows = proptest::collection::vec((number(8), number(3), prop::bool::weighted(0.2)), 0..12);
    let capture = prop_oneof![2 => Just(None), 1 => Just(Some(None)), 1 => (1..4usize).prop_map(|n| Some(Some(n)))];
    (rows, 0..6i64, proptest::collection::vec(any::<Index>(), 0..3), capture).prop_map(|(rows, advance, cuts, capture)| EpochCase {
        rows,
        advance,
        cuts,
        capture,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_row_takes_back_what_it_replaces(
        epochs in proptest::collection::vec(any_epoch(), 1..10),
        ttl in prop_oneof![Just(None), (1..9i64).prop_map(Some)],
        workers in 1..5usize,
    ) {
        run(&epochs, ttl, workers);
    }
}
