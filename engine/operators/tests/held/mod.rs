//! The rows that a recursion keeps of an input, against a map.

use arrow::{array::*, datatypes::*};
use proptest::{prelude::*, sample::Index};
use runink_checkpoint::{KeyGroups, StateChanges, StateTable, TableReplica};
use runink_operators::{Batch, EpochOperator, hash::key_hashes, held::HeldRows};
use std::{collections::BTreeMap, sync::Arc};

const GROUPS: u16 = 16;

type Row = (Option<i64>, Option<String>);

#[derive(Debug, Clone)]
struct EpochCase {
    rows: Vec<(Row, i64)>,
    cuts: Vec<Index>,
    /// State is captured at the epoch's end; with a number, it is restored on that many workers.
    capture: Option<Option<usize>>,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true), Field::new("t", DataType::Utf8, true)]))
}

fn batch(rows: &[(Row, i64)]) -> Batch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|r| r.0.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| r.0.1.clone()).collect::<StringArray>()),
    ];
    let diffs = rows.iter().any(|r| r.1 != 1).then(|| rows.iter().map(|r| r.1).collect());
    Batch { rows: RecordBatch::try_new(schema(), columns).unwrap(), diffs, origin: None }
}

fn worker() -> (HeldRows, TableReplica) {
    let operator = HeldRows::new("step", &schema(), KeyGroups::new(GROUPS)).unwrap();
    let replica = TableReplica::of(&operator).unwrap();
    (operator, replica)
}

/// Adds what was given to what is there; no row may be said twice.
fn take(given: &[Batch], found: &mut BTreeMap<Row, i64>) {
    for given in given {
        let (k, t) = (given.rows.column(0).as_primitive::<Int64Type>(), given.rows.column(1).as_string::<i32>());
        for row in 0..given.len() {
            let key = (k.is_valid(row).then(|| k.value(row)), t.is_valid(row).then(|| t.value(row).to_owned()));
            assert_eq!(found.insert(key, given.diffs.as_ref().unwrap().value(row)), None, "an epoch says nothing twice");
        }
    }
}

fn run(epochs: &[EpochCase], count: usize) {
    let groups = KeyGroups::new(GROUPS);
    let mut there: BTreeMap<Row, i64> = BTreeMap::new();
    let mut workers: Vec<_> = (0..count).map(|_| worker()).collect();
    for epoch in epochs {
        let mut expected: BTreeMap<Row, i64> = BTreeMap::new();
        for (row, diff) in &epoch.rows {
            *expected.entry(row.clone()).or_default() += diff;
            *there.entry(row.clone()).or_default() += diff;
        }
        expected.retain(|_, diff| *diff != 0);
        there.retain(|_, count| *count != 0);
        let all = batch(&epoch.rows);
        let mut hashes = Vec::new();
        key_hashes(all.rows.columns(), &mut hashes).unwrap();
        let mut found = BTreeMap::new();
        let count = workers.len();
        for (at, (operator, _)) in workers.iter_mut().enumerate() {
            let own = (0..all.len() as u32).filter(|&i| groups.worker_of(groups.of_hash(hashes[i as usize]), count) == at);
            let own = all.take(&own.collect::<UInt32Array>()).unwrap();
            let mut cuts: Vec<usize> = epoch.cuts.iter().map(|c| c.index(own.len() + 1)).chain([0, own.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<Batch> = cuts.windows(2).map(|w| own.slice(w[0], w[1] - w[0])).collect();
            take(&operator.apply(&pieces).unwrap(), &mut found);
        }
        assert_eq!(found, expected);
        assert_eq!(workers.iter().map(|(o, _)| o.held()).sum::<u64>(), there.len() as u64);
        for (operator, replica) in workers.iter_mut().filter(|_| epoch.capture.is_some()) {
            replica.apply(&operator.capture().unwrap()).unwrap();
            assert!(operator.capture().unwrap().is_empty());
            assert_eq!(replica.len() as u64, operator.held());
        }
        if let Some(Some(next)) = epoch.capture {
            let old = std::mem::take(&mut workers);
            let mut again = BTreeMap::new();
            for at in 0..next {
                let (mut operator, mut replica) = worker();
                for (_, before) in &old {
                    let rows = before.rows(groups.of_worker(at, next)).unwrap();
                    operator.restore(&rows).unwrap();
                    replica.apply(&StateChanges { expired: vec![], deleted: None, upserted: Some(rows) }).unwrap();
                }
                operator.resume(0, 0);
                take(&operator.again().unwrap(), &mut again);
                assert!(operator.again().unwrap().is_empty(), "only once");
                workers.push((operator, replica));
            }
            assert_eq!(again, there, "a new run is given all rows");
        }
    }
}

fn any_epoch() -> impl Strategy<Value = EpochCase> {
    let row = (prop::option::of(0..4i64), prop::option::of("[ab]{0,2}"));
    let rows = prop::collection::vec((row, prop_oneof![3 => Just(1i64), 2 => Just(-1), 1 => Just(2)]), 0..12);
    let capture = prop_oneof![2 => Just(None), 1 => Just(Some(None)), 1 => (1..4usize).prop_map(|n| Some(Some(n)))];
    (rows, prop::collection::vec(any::<Index>(), 0..3), capture).prop_map(|(rows, cuts, capture)| EpochCase { rows, cuts, capture })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn rows_are_kept_by_how_often_they_are_there(epochs in prop::collection::vec(any_epoch(), 1..10), workers in 1..5usize) {
        run(&epochs, workers);
    }
}
