//! What every store of checkpoints must do, as checks that an implementer calls from a test. Each check panics where the store breaks a law.

use crate::{
    Boundary, Captures, CheckpointNumber, EachRows, HeldOutput, KeyGroups, Namespace, Part, Piece, Restored, StateChanges, StateError,
    StateReader, TableReplica, TableShape,
};
use arrow::{
    array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, UInt16Array},
    compute::concat_batches,
    datatypes::{DataType, Field, Schema},
    record_batch::RecordBatch,
};
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// A store under test.
pub trait Subject {
    /// Takes captures of the present generation.
    fn captures(&self) -> Arc<dyn Captures>;

    /// Waits until the checkpoint of the newest complete boundary is published, and gives it back as a restarted process finds it. A new generation has begun
    /// after that: [`Subject::captures`] is its.
    fn restart(&mut self) -> Option<Arc<dyn Restored>>;

    /// Reads what the present generation has written. Asked for before parts pass boundaries.
    fn reader(&self) -> Arc<dyn StateReader>;

    /// Waits until the newest complete boundary is written.
    fn write(&mut self);
}

/// Runs all checks, each on a fresh store.
pub fn all(fresh: &mut dyn FnMut() -> Box<dyn Subject>) {
    nothing_is_restored_before_a_boundary_is_complete(fresh().as_mut());
    a_checkpoint_has_what_was_handed_over_up_to_its_boundary(fresh().as_mut());
    facts_belong_to_nodes(fresh().as_mut());
    outboxes_stay_until_they_are_committed(fresh().as_mut());
    shapes_may_grow(fresh().as_mut());
    the_end_is_a_boundary(fresh().as_mut());
    what_a_scenario_no_longer_has_is_let_go(fresh().as_mut());
    numbers_grow(fresh().as_mut());
    for seed in 0..8 {
        rows_are_those_of_a_replica(fresh().as_mut(), seed);
        what_is_written_can_be_looked_up(fresh().as_mut(), seed);
    }
}

const NODE: &str = "Totals";

fn part(node: &str, worker: usize) -> Part {
    Part { node: node.into(), worker }
}

fn shape() -> TableShape {
    let fields = vec![
        Field::new("key_group", DataType::UInt16, false),
        Field::new("namespace", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("id", DataType::Int64, true),
        Field::new("sum", DataType::Float64, true),
        Field::new("note", DataType::Utf8, true),
        Field::new("open", DataType::Boolean, false),
    ];
    TableShape { schema: Arc::new(Schema::new(fields)), key_columns: 2 }
}

/// A key of the test's table; its group follows from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    namespace: i64,
    name: Option<String>,
    id: Option<i64>,
}

impl Key {
    fn group(&self) -> u16 {
        let text = self.name.as_deref().unwrap_or("-").bytes().fold(7u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
        let hash = (text ^ self.id.unwrap_or(-1) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        KeyGroups::default().of_hash(hash).0
    }
}

fn key_columns(keys: &[Key]) -> Vec<ArrayRef> {
    vec![
        Arc::new(keys.iter().map(|k| k.namespace).collect::<Int64Array>()),
        Arc::new(keys.iter().map(|k| k.name.as_deref()).collect::<StringArray>()),
        Arc::new(keys.iter().map(|k| k.id).collect::<Int64Array>()),
    ]
}

fn upserted(rows: &[(Key, Option<f64>)]) -> RecordBatch {
    let keys: Vec<Key> = rows.iter().map(|(k, _)| k.clone()).collect();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(keys.iter().map(|k| k.group()).collect::<UInt16Array>())];
    columns.extend(key_columns(&keys));
    columns.push(Arc::new(rows.iter().map(|(_, v)| *v).collect::<Float64Array>()));
    columns.push(Arc::new(rows.iter().map(|(_, v)| v.map(|v| format!("note {v}"))).collect::<StringArray>()));
    columns.push(Arc::new(rows.iter().map(|(_, v)| Some(v.is_some())).collect::<BooleanArray>()));
    RecordBatch::try_new(shape().schema, columns).unwrap_or_else(|e| panic!("{e}"))
}

fn deleted(keys: &[Key]) -> RecordBatch {
    let schema = shape().schema;
    let fields: Vec<_> = schema.fields()[1..4].to_vec();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), key_columns(keys)).unwrap_or_else(|e| panic!("{e}"))
}

fn upsert(rows: &[(Key, Option<f64>)]) -> Piece {
    Piece::Table(StateChanges { expired: Vec::new(), deleted: None, upserted: Some(upserted(rows)) })
}

fn key(namespace: i64, name: &str, id: i64) -> Key {
    Key { namespace, name: Some(name.to_owned()), id: Some(id) }
}

fn rows_of(restored: &dyn Restored, shape: &TableShape, groups: Range<u16>) -> RecordBatch {
    let mut batches = Vec::new();
    let read = restored.rows(NODE, shape, groups, &mut |batch| {
        assert_eq!(batch.schema(), shape.schema, "restored rows have the shape that was asked for");
        batches.push(batch);
        Ok(())
    });
    read.unwrap_or_else(|e| panic!("{e}"));
    concat_batches(&shape.schema, &batches).unwrap_or_else(|e| panic!("{e}"))
}

/// Rows as text, sorted.
fn said(rows: &RecordBatch) -> Vec<String> {
    let options = arrow::util::display::FormatOptions::default().with_null("∅");
    let columns: Result<Vec<_>, _> =
        rows.columns().iter().map(|c| arrow::util::display::ArrayFormatter::try_new(c.as_ref(), &options)).collect();
    let columns = columns.unwrap_or_else(|e| panic!("{e}"));
    let mut lines: Vec<String> =
        (0..rows.num_rows()).map(|i| columns.iter().map(|c| c.value(i).to_string()).collect::<Vec<_>>().join("|")).collect();
    lines.sort();
    lines
}

fn restarted(subject: &mut dyn Subject) -> Arc<dyn Restored> {
    subject.restart().unwrap_or_else(|| panic!("a boundary was complete, but there is no checkpoint"))
}

/// Two parts: as long as one has not passed, there is nothing to start from.
pub fn nothing_is_restored_before_a_boundary_is_complete(subject: &mut dyn Subject) {
    let captures = subject.captures();
    captures.register(&part(NODE, 0), Some(shape()));
    captures.register(&part(NODE, 1), Some(shape()));
    captures.hand_over(&part(NODE, 0), Boundary(1), upsert(&[(key(0, "a", 1), Some(1.0))]));
    captures.passed(&part(NODE, 0), Boundary(1));
    assert!(subject.restart().is_none(), "worker 1 has not passed boundary 1");
}

/// What belongs to a later boundary is not in it.
pub fn a_checkpoint_has_what_was_handed_over_up_to_its_boundary(subject: &mut dyn Subject) {
    let captures = subject.captures();
    captures.register(&part(NODE, 0), Some(shape()));
    captures.register(&part(NODE, 1), Some(shape()));
    captures.hand_over(&part(NODE, 0), Boundary(1), upsert(&[(key(0, "a", 1), Some(1.0))]));
    captures.passed(&part(NODE, 0), Boundary(1));
    captures.hand_over(&part(NODE, 0), Boundary(2), upsert(&[(key(0, "a", 1), Some(2.0)), (key(0, "late", 1), None)]));
    captures.passed(&part(NODE, 0), Boundary(2));
    captures.hand_over(&part(NODE, 1), Boundary(1), upsert(&[(key(5, "b", 2), None)]));
    captures.passed(&part(NODE, 1), Boundary(1));
    let restored = restarted(subject);
    assert_eq!(restored.boundary(), Boundary(1));
    let rows = rows_of(&*restored, &shape(), 0..KeyGroups::DEFAULT);
    assert_eq!(said(&rows), said(&upserted(&[(key(0, "a", 1), Some(1.0)), (key(5, "b", 2), None)])));
    let tables = restored.tables().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(tables, vec![(NODE.into(), shape())]);
    assert_eq!(restored.facts("nobody").unwrap_or_else(|e| panic!("{e}")), vec![]);
}

/// The newest fact of a name counts, whoever said it.
pub fn facts_belong_to_nodes(subject: &mut dyn Subject) {
    let fact = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let captures = subject.captures();
    for worker in 0..2 {
        captures.register(&part("Orders", worker), None);
    }
    captures.hand_over(&part("Orders", 0), Boundary(1), Piece::Facts(vec![fact("p0", "10"), fact("p1", "3")]));
    captures.hand_over(&part("Orders", 1), Boundary(2), Piece::Facts(vec![fact("p1", "7"), fact("p2", "")]));
    captures.passed(&part("Orders", 1), Boundary(2));
    captures.passed(&part("Orders", 0), Boundary(2));
    let restored = restarted(subject);
    assert_eq!(restored.boundary(), Boundary(2));
    let facts = restored.facts("Orders").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(facts, vec![fact("p0", "10"), fact("p1", "7"), fact("p2", "")]);
}

/// Output comes back from every checkpoint until it is said to be outside, also across generations.
pub fn outboxes_stay_until_they_are_committed(subject: &mut dyn Subject) {
    let held = |text: &str, rows| HeldOutput { bytes: text.as_bytes().to_vec(), rows, hash: rows.wrapping_mul(31) };
    let captures = subject.captures();
    captures.register(&part("Out", 0), None);
    captures.register(&part("Out", 1), None);
    captures.hand_over(&part("Out", 1), Boundary(1), Piece::Outbox(held("one of 1", 2)));
    captures.hand_over(&part("Out", 0), Boundary(1), Piece::Outbox(held("one of 0", 1)));
    captures.passed(&part("Out", 0), Boundary(1));
    captures.passed(&part("Out", 1), Boundary(1));
    let restored = restarted(subject);
    let first = restored.outboxes().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].held, vec![held("one of 0", 1), held("one of 1", 2)], "outboxes come in order of workers");
    assert!(first[0].number <= restored.number());

    let captures = subject.captures();
    captures.register(&part("Out", 0), None);
    captures.hand_over(&part("Out", 0), Boundary(2), Piece::Outbox(held("two", 5)));
    captures.passed(&part("Out", 0), Boundary(2));
    let restored = restarted(subject);
    let second = restored.outboxes().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(second.len(), 2, "the first was not said to be committed");
    assert_eq!(second[0], first[0]);
    assert!(second[0].number < second[1].number);

    let captures = subject.captures();
    captures.register(&part("Out", 0), None);
    captures.committed("Out", second[0].number);
    captures.passed(&part("Out", 0), Boundary(3));
    let third = restarted(subject).outboxes().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(third, vec![second[1].clone()], "what is committed is let go, what is not is kept");
}

/// A changed scenario reads the rows of the old one by column name.
pub fn shapes_may_grow(subject: &mut dyn Subject) {
    let captures = subject.captures();
    captures.register(&part(NODE, 0), Some(shape()));
    captures.hand_over(&part(NODE, 0), Boundary(1), upsert(&[(key(0, "a", 1), Some(1.0))]));
    captures.passed(&part(NODE, 0), Boundary(1));
    let restored = restarted(subject);
    let old = shape();
    let mut fields: Vec<_> = old.schema.fields().iter().filter(|f| f.name() != "note").cloned().collect();
    fields.push(Arc::new(Field::new("count", DataType::Int64, true)));
    let grown = TableShape { schema: Arc::new(Schema::new(fields.clone())), key_columns: 2 };
    let rows = rows_of(&*restored, &grown, 0..KeyGroups::DEFAULT);
    assert_eq!(said(&rows), vec![format!("{}|0|a|1|1.0|true|∅", key(0, "a", 1).group())]);

    // Rows of both shapes stand side by side from now on.
    let captures = subject.captures();
    captures.register(&part(NODE, 0), Some(grown.clone()));
    let other = key(0, "b", 2);
    let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt16Array::from(vec![other.group()]))];
    columns.extend(key_columns(std::slice::from_ref(&other)));
    columns.push(Arc::new(Float64Array::from(vec![None])));
    columns.push(Arc::new(BooleanArray::from(vec![false])));
    columns.push(Arc::new(Int64Array::from(vec![9])));
    let batch = RecordBatch::try_new(grown.schema.clone(), columns).unwrap_or_else(|e| panic!("{e}"));
    let change = StateChanges { expired: Vec::new(), deleted: None, upserted: Some(batch) };
    captures.hand_over(&part(NODE, 0), Boundary(2), Piece::Table(change));
    captures.passed(&part(NODE, 0), Boundary(2));
    let restored = restarted(subject);
    let rows = rows_of(&*restored, &grown, 0..KeyGroups::DEFAULT);
    let mut expected = vec![format!("{}|0|a|1|1.0|true|∅", key(0, "a", 1).group()), format!("{}|0|b|2|∅|false|9", other.group())];
    expected.sort();
    assert_eq!(said(&rows), expected);

    // What cannot be read as the new shape says which column.
    fields.pop();
    fields[4] = Arc::new(Field::new("sum", DataType::Int64, true));
    let changed = TableShape { schema: Arc::new(Schema::new(fields)), key_columns: 2 };
    let error = restored.rows(NODE, &changed, 0..KeyGroups::DEFAULT, &mut |_| Ok(()));
    assert!(matches!(&error, Err(StateError::Schema(said)) if said.contains("`sum`")), "{error:?}");
}

/// When all parts have ended, the last checkpoint is at the end.
pub fn the_end_is_a_boundary(subject: &mut dyn Subject) {
    let captures = subject.captures();
    captures.register(&part(NODE, 0), Some(shape()));
    captures.register(&part("Orders", 0), None);
    captures.passed(&part("Orders", 0), Boundary::END);
    captures.hand_over(&part(NODE, 0), Boundary(4), upsert(&[(key(0, "a", 1), Some(1.0))]));
    captures.passed(&part(NODE, 0), Boundary::END);
    let restored = restarted(subject);
    assert_eq!(restored.boundary(), Boundary::END);
    assert_eq!(rows_of(&*restored, &shape(), 0..KeyGroups::DEFAULT).num_rows(), 1);

    // A run that goes on after the end has boundaries below it: they are newer all the same.
    let captures = subject.captures();
    captures.register(&part(NODE, 0), Some(shape()));
    captures.hand_over(&part(NODE, 0), Boundary(6), upsert(&[(key(0, "b", 2), None)]));
    captures.passed(&part(NODE, 0), Boundary(6));
    let restored = restarted(subject);
    assert_eq!(restored.boundary(), Boundary(6));
    assert_eq!(rows_of(&*restored, &shape(), 0..KeyGroups::DEFAULT).num_rows(), 2);
}

/// Rows that cannot be read as the table is now, and nodes that are not registered, do not come back.
pub fn what_a_scenario_no_longer_has_is_let_go(subject: &mut dyn Subject) {
    let fact = || Piece::Facts(vec![("at".to_owned(), b"1".to_vec())]);
    let captures = subject.captures();
    captures.register(&part(NODE, 0), Some(shape()));
    captures.register(&part("Gone", 0), Some(shape()));
    captures.register(&part("Kept", 0), None);
    captures.hand_over(&part(NODE, 0), Boundary(1), upsert(&[(key(0, "a", 1), Some(1.0))]));
    captures.hand_over(&part("Gone", 0), Boundary(1), upsert(&[(key(0, "a", 1), Some(1.0))]));
    captures.hand_over(&part("Gone", 0), Boundary(1), fact());
    captures.hand_over(&part("Kept", 0), Boundary(1), fact());
    [NODE, "Gone", "Kept"].iter().for_each(|node| captures.passed(&part(node, 0), Boundary(1)));
    restarted(subject);

    // The same columns, but the key has one of them less.
    let rekeyed = TableShape { key_columns: 1, ..shape() };
    let captures = subject.captures();
    captures.register(&part(NODE, 0), Some(rekeyed.clone()));
    captures.register(&part("Kept", 0), None);
    [NODE, "Kept"].iter().for_each(|node| captures.passed(&part(node, 0), Boundary(2)));
    let restored = restarted(subject);
    assert_eq!(rows_of(&*restored, &rekeyed, 0..KeyGroups::DEFAULT).num_rows(), 0);
    assert_eq!(restored.tables().unwrap_or_else(|e| panic!("{e}")), vec![(NODE.into(), rekeyed)]);
    assert_eq!(restored.facts("Gone").unwrap_or_else(|e| panic!("{e}")), vec![]);
    assert_eq!(restored.facts("Kept").unwrap_or_else(|e| panic!("{e}")).len(), 1);
}

/// No number is used twice.
pub fn numbers_grow(subject: &mut dyn Subject) {
    let mut last = CheckpointNumber(0);
    for boundary in 1..4 {
        let captures = subject.captures();
        captures.register(&part(NODE, 0), Some(shape()));
        captures.passed(&part(NODE, 0), Boundary(boundary));
        let number = restarted(subject).number();
        assert!(number > last, "{number} after {last}");
        last = number;
    }
}

/// A small generator, so that this module needs no dependency.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Random changes on several workers, restarts between them on other numbers of workers: the rows are those of a replica, for each range of groups.
pub fn rows_are_those_of_a_replica(subject: &mut dyn Subject, seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut replica = TableReplica::of_shape(&shape()).unwrap_or_else(|e| panic!("{e}"));
    let mut boundary = 0;
    let mut expired_to = 0;
    for _ in 0..3 {
        let workers = 1 + random.below(4) as usize;
        let captures = subject.captures();
        for worker in 0..workers {
            captures.register(&part(NODE, worker), Some(shape()));
        }
        for _ in 0..1 + random.below(4) {
            boundary += 1;
            if random.below(3) == 0 {
                expired_to += random.below(3) as i64;
            }
            let mut upserts: BTreeMap<Key, Option<f64>> = BTreeMap::new();
            let mut deletes = Vec::new();
            for _ in 0..random.below(40) {
                let name = [None, Some(""), Some("a"), Some("ab"), Some("ü\0")][random.below(5) as usize].map(str::to_owned);
                let id = [None, Some(-1), Some(0), Some(i64::MAX)][random.below(4) as usize];
                // Namespaces below zero as well: their order must hold too.
                let key = Key { namespace: expired_to - 2 + random.below(5) as i64, name, id };
                if random.below(4) == 0 && !upserts.contains_key(&key) {
                    deletes.push(key);
                } else if !deletes.contains(&key) && key.namespace >= expired_to {
                    upserts.insert(key, (random.below(5) > 0).then(|| random.below(100) as f64 / 4.0));
                }
            }
            let mut all = StateChanges { expired: Vec::new(), deleted: None, upserted: None };
            let expired = Namespace(i64::MIN)..Namespace(expired_to);
            all.expired.push(expired.clone());
            all.deleted = Some(deleted(&deletes));
            all.upserted = Some(upserted(&upserts.clone().into_iter().collect::<Vec<_>>()));
            replica.apply(&all).unwrap_or_else(|e| panic!("{e}"));
            for worker in 0..workers {
                let mine = |key: &Key| KeyGroups::default().worker_of(crate::KeyGroup(key.group()), workers) == worker;
                let rows: Vec<_> = upserts.iter().filter(|(k, _)| mine(k)).map(|(k, v)| (k.clone(), *v)).collect();
                let keys: Vec<_> = deletes.iter().filter(|k| mine(k)).cloned().collect();
                let change = StateChanges {
                    expired: if worker == 0 { vec![expired.clone()] } else { Vec::new() },
                    deleted: (!keys.is_empty()).then(|| deleted(&keys)),
                    upserted: (!rows.is_empty()).then(|| upserted(&rows)),
                };
                captures.hand_over(&part(NODE, worker), Boundary(boundary), Piece::Table(change));
                captures.passed(&part(NODE, worker), Boundary(boundary));
            }
        }
        let restored = restarted(subject);
        assert_eq!(restored.boundary(), Boundary(boundary));
        let others = 1 + random.below(4) as usize;
        for worker in 0..others {
            let groups = KeyGroups::default().of_worker(worker, others);
            let rows = rows_of(&*restored, &shape(), groups.clone());
            let expected = replica.rows(groups).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(said(&rows), said(&expected), "seed {seed}, worker {worker} of {others}");
        }
    }
}

/// Random changes, looked up by key and by namespace as soon as they are written, and from the start of the next generation on: the rows are those of a replica.
pub fn what_is_written_can_be_looked_up(subject: &mut dyn Subject, seed: u64) {
    let mut random = Random(seed.wrapping_mul(0xD134_2543_DE82_EF95) | 1);
    let mut replica = TableReplica::of_shape(&shape()).unwrap_or_else(|e| panic!("{e}"));
    let (mut boundary, mut expired_to) = (0, 0);
    for _ in 0..3 {
        let reader = subject.reader();
        look_up(&*reader, &mut replica, &mut random, expired_to);
        let captures = subject.captures();
        captures.register(&part(NODE, 0), Some(shape()));
        for _ in 0..3 {
            boundary += 1;
            expired_to += random.below(2) as i64;
            let upserts: BTreeMap<Key, Option<f64>> =
                (0..random.below(30)).map(|_| (some_key(&mut random, expired_to), Some(random.below(100) as f64))).collect();
            let deletes: Vec<Key> =
                (0..random.below(10)).map(|_| some_key(&mut random, expired_to)).filter(|k| !upserts.contains_key(k)).collect();
            let change = StateChanges {
                expired: vec![Namespace(i64::MIN)..Namespace(expired_to)],
                deleted: Some(deleted(&deletes)),
                upserted: Some(upserted(&upserts.into_iter().collect::<Vec<_>>())),
            };
            replica.apply(&change).unwrap_or_else(|e| panic!("{e}"));
            captures.hand_over(&part(NODE, 0), Boundary(boundary), Piece::Table(change));
            captures.passed(&part(NODE, 0), Boundary(boundary));
            subject.write();
            assert!(reader.written() >= Boundary(boundary), "{:?} after boundary {boundary} was written", reader.written());
            look_up(&*reader, &mut replica, &mut random, expired_to);
        }
        restarted(subject);
    }
}

fn some_key(random: &mut Random, from: i64) -> Key {
    let name = [None, Some(""), Some("a"), Some("ab")][random.below(4) as usize].map(str::to_owned);
    Key { namespace: from + random.below(3) as i64, name, id: [None, Some(-1), Some(7)][random.below(3) as usize] }
}

fn look_up(reader: &dyn StateReader, replica: &mut TableReplica, random: &mut Random, from: i64) {
    let gathered = |read: &dyn Fn(&mut EachRows<'_>) -> Result<(), StateError>| {
        let mut batches = Vec::new();
        let done = read(&mut |batch| {
            assert_eq!(batch.schema(), shape().schema, "rows have the shape that was asked for");
            batches.push(batch);
            Ok(())
        });
        done.unwrap_or_else(|e| panic!("{e}"));
        said(&concat_batches(&shape().schema, &batches).unwrap_or_else(|e| panic!("{e}")))
    };
    assert_eq!(reader.last(NODE).unwrap_or_else(|e| panic!("{e}")), replica.last());
    let keys: BTreeMap<Key, ()> = (0..random.below(20)).map(|_| (some_key(random, from - 1), ())).collect();
    let keys = deleted(&keys.into_keys().collect::<Vec<_>>());
    let found = gathered(&|each| reader.get(NODE, &shape(), &keys, each));
    assert_eq!(found, said(&replica.get(&keys).unwrap_or_else(|e| panic!("{e}"))));
    let namespaces = Namespace(from + random.below(2) as i64)..Namespace(from + random.below(4) as i64);
    let groups = KeyGroups::default().of_worker(random.below(2) as usize, 2);
    let found = gathered(&|each| reader.scan(NODE, &shape(), namespaces.clone(), groups.clone(), each));
    assert_eq!(found, said(&replica.scan(&namespaces, groups.clone()).unwrap_or_else(|e| panic!("{e}"))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryRestored, MemoryStore};

    struct InMemory {
        store: Arc<MemoryStore>,
        newest: Option<Arc<MemoryRestored>>,
    }

    impl Subject for InMemory {
        fn captures(&self) -> Arc<dyn Captures> {
            self.store.clone()
        }

        fn restart(&mut self) -> Option<Arc<dyn Restored>> {
            if let Some(newest) = self.store.newest().unwrap_or_else(|e| panic!("{e}")) {
                self.newest = Some(newest);
            }
            let next = self.newest.as_ref().map(|n| MemoryStore::from_checkpoint(n).unwrap_or_else(|e| panic!("{e}")));
            self.store = Arc::new(next.unwrap_or_default());
            self.newest.clone().map(|n| n as Arc<dyn Restored>)
        }

        fn reader(&self) -> Arc<dyn StateReader> {
            self.store.clone()
        }

        fn write(&mut self) {}
    }

    #[test]
    fn the_store_in_memory_keeps_the_laws() {
        all(&mut || Box::new(InMemory { store: Arc::new(MemoryStore::new()), newest: None }));
    }
}
