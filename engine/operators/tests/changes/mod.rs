//! A keyed source as a changelog, against a map.

use arrow::{array::*, datatypes::*};
use proptest::{prelude::*, sample::Index};
use runink_checkpoint::{KeyGroups, LaggingStore, Shelf, SpillTable, StateChanges, StateTable, TableReplica, TableShape};
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
    /// How many captures the store writes then, and how many bytes are let go from memory.
    write: usize,
    evict: usize,
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

struct Worker {
    operator: ChangesOperator,
    replica: TableReplica,
    store: Arc<LaggingStore>,
}

fn worker(ttl_us: Option<i64>) -> Worker {
    let operator = ChangesOperator::new("step", &ChangesOp { key: vec![1], ttl_us }, &schema(), KeyGroups::new(GROUPS)).unwrap();
    let replica = TableReplica::of(&operator).unwrap();
    Worker { store: Arc::new(LaggingStore::of(&operator).unwrap()), operator, replica }
}

impl Worker {
    /// Its table as one whose rows may lie in the store alone, where it can and the case asks for it.
    fn spilling(&mut self, spills: bool) -> Option<&mut dyn SpillTable> {
        self.operator.spilling().filter(|_| spills)
    }

    fn shelve(&mut self, spills: bool, filled: bool) {
        let shape = TableShape { schema: self.operator.schema(), key_columns: self.operator.key_columns() };
        let shelf = Shelf::new(self.store.clone(), "step".into(), shape, 0..GROUPS, filled).unwrap();
        if let Some(table) = self.spilling(spills) {
            table.shelve(shelf);
        }
    }
}

fn run(epochs: &[EpochCase], ttl: Option<i64>, count: usize, spills: bool) {
    let groups = KeyGroups::new(GROUPS);
    let mut reference = Reference::default();
    let mut workers: Vec<_> = (0..count).map(|_| worker(ttl)).collect();
    workers.iter_mut().for_each(|w| w.shelve(spills, false));
    let spills_here = workers.iter_mut().any(|w| w.spilling(spills).is_some());
    let (mut watermark, mut clock) = (i64::MIN, 0);
    let end = EpochCase { rows: vec![], advance: 0, cuts: vec![], capture: None, write: 0, evict: 0 };
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
        for (at, Worker { operator, .. }) in workers.iter_mut().enumerate() {
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
        let held = workers.iter().map(|w| w.operator.held()).sum::<u64>();
        assert!(held == reference.rows.len() as u64 || (spills_here && held < reference.rows.len() as u64));
        for worker in workers.iter_mut().filter(|_| epoch.capture.is_some()) {
            let changes = worker.operator.capture().unwrap();
            worker.replica.apply(&changes).unwrap();
            let boundary = worker.store.hand_over(changes);
            if let Some(table) = worker.spilling(spills) {
                table.handed_over(boundary);
            }
            assert!(worker.operator.capture().unwrap().is_empty());
            assert!(worker.replica.len() as u64 == worker.operator.held() || spills_here);
        }
        if epoch.capture.is_some() {
            assert_eq!(workers.iter().map(|w| w.replica.len()).sum::<usize>(), reference.rows.len());
        }
        for worker in &mut workers {
            worker.store.write(epoch.write).unwrap();
            if let Some(table) = worker.spilling(spills) {
                table.evict(epoch.evict).unwrap();
            }
        }
        if let Some(Some(next)) = epoch.capture {
            let old = std::mem::take(&mut workers);
            for at in 0..next {
                let mut new = worker(ttl);
                for before in &old {
                    let rows = before.replica.rows(groups.of_worker(at, next)).unwrap();
                    if new.spilling(spills).is_none() {
                        new.operator.restore(&rows).unwrap();
                    }
                    let all = StateChanges { expired: vec![], deleted: None, upserted: Some(rows) };
                    new.replica.apply(&all).unwrap();
                    new.store.hand_over(all);
                }
                new.store.write(usize::MAX).unwrap();
                new.shelve(spills, true);
                runink_operators::EpochOperator::resume(&mut new.operator, watermark, clock);
                workers.push(new);
            }
        }
    }
}

fn any_epoch() -> impl Strategy<Value = EpochCase> {
    let number = |n: i64| prop_oneof![5 => (0..n).prop_map(Some), 1 => Just(None)];
    let rows = proptest::collection::vec((number(8), number(3), prop::bool::weighted(0.2)), 0..12);
    let capture = prop_oneof![2 => Just(None), 1 => Just(Some(None)), 1 => (1..4usize).prop_map(|n| Some(Some(n)))];
    let spill = (prop_oneof![Just(0usize), 1..3usize, Just(usize::MAX)], prop_oneof![Just(0usize), 1..2000usize, Just(usize::MAX)]);
    (rows, 0..6i64, proptest::collection::vec(any::<Index>(), 0..3), capture, spill)
        .prop_map(|(rows, advance, cuts, capture, (write, evict))| EpochCase { rows, advance, cuts, capture, write, evict })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_row_takes_back_what_it_replaces(
        epochs in proptest::collection::vec(any_epoch(), 1..10),
        ttl in prop_oneof![Just(None), (1..9i64).prop_map(Some)],
        workers in 1..5usize,
        spills in any::<bool>(),
    ) {
        run(&epochs, ttl, workers, spills);
    }
}
