//! A small scenario that lives on a store: a source that counts, a table, a sink whose outside remembers what it has. What it must come to is known, however often
//! it is killed.

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, StringArray, UInt16Array},
    datatypes::{DataType, Field, Int64Type, Schema},
    record_batch::RecordBatch,
};
use runink_checkpoint::{
    Boundary, CheckpointNumber, Fenced, HeldOutput, Namespace, Part, Piece, Publications, Published, Restored, SinkOutboxes, StateChanges,
    TableShape,
};
use runink_store::{From, Probe, Settings, Store, StoreError};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

/// How long anything may take before a test says that it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Hears and remembers.
#[derive(Default)]
pub(crate) struct Heard {
    published: Mutex<Vec<(CheckpointNumber, Boundary)>>,
    pub(crate) fenced: Mutex<Option<Fenced>>,
    pub(crate) failed: Mutex<Option<String>>,
    changed: Condvar,
}

impl Heard {
    pub(crate) fn numbers(&self) -> Vec<CheckpointNumber> {
        self.published.lock().unwrap().iter().map(|(n, _)| *n).collect()
    }

    pub(crate) fn wait_for_fence(&self) -> bool {
        let waited = self.changed.wait_timeout_while(self.fenced.lock().unwrap(), PATIENCE, |f| f.is_none()).unwrap();
        waited.0.is_some()
    }
}

impl Publications for Heard {
    fn published(&self, published: Published) {
        self.published.lock().unwrap().push((published.number, published.boundary));
    }

    fn fenced(&self, fenced: Fenced) {
        *self.fenced.lock().unwrap() = Some(fenced);
        self.changed.notify_all();
    }

    fn failed(&self, why: &str) {
        *self.failed.lock().unwrap() = Some(why.to_owned());
    }
}

/// The outside of a sink: a folder with one file for each checkpoint whose output it has. A file appears at once or not at all, as a transaction does.
#[derive(Clone)]
pub(crate) struct Outside(pub(crate) PathBuf);

impl Outside {
    pub(crate) fn witness(&self) -> CheckpointNumber {
        let names = fs::read_dir(&self.0).unwrap().filter_map(|e| e.unwrap().file_name().to_string_lossy().parse().ok());
        CheckpointNumber(names.max().unwrap_or(0))
    }

    pub(crate) fn commit(&self, outboxes: &[SinkOutboxes]) -> Option<CheckpointNumber> {
        for outbox in outboxes.iter().filter(|o| o.number > self.witness()) {
            let lines: Vec<u8> = outbox.held.iter().flat_map(|h| h.bytes.clone()).collect();
            let aside = self.0.join("aside");
            fs::write(&aside, lines).unwrap();
            fs::rename(aside, self.0.join(outbox.number.0.to_string())).unwrap();
        }
        outboxes.last().map(|o| o.number)
    }

    /// All that ever came out, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut numbers: Vec<u64> =
            fs::read_dir(&self.0).unwrap().filter_map(|e| e.unwrap().file_name().to_string_lossy().parse().ok()).collect();
        numbers.sort();
        numbers
            .iter()
            .flat_map(|n| fs::read_to_string(self.0.join(n.to_string())).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }
}

/// Commits what is published as soon as it is.
struct Committer {
    outside: Outside,
    committed: Mutex<Option<CheckpointNumber>>,
}

impl Publications for Committer {
    fn published(&self, published: Published) {
        assert!(published.outboxes.iter().all(|o| published.permit.covers(o.number)));
        if let Some(number) = self.outside.commit(&published.outboxes) {
            *self.committed.lock().unwrap() = Some(number);
        }
    }

    fn fenced(&self, fenced: Fenced) {
        panic!("{fenced}");
    }

    fn failed(&self, why: &str) {
        panic!("{why}");
    }
}

pub(crate) const TABLE: &str = "Totals by name";
const SOURCE: &str = "Numbers";
const SINK: &str = "Out";

pub(crate) fn shape() -> TableShape {
    let fields = vec![
        Field::new("key_group", DataType::UInt16, false),
        Field::new("namespace", DataType::Int64, false),
        Field::new("name", DataType::Utf8, false),
        Field::new("total", DataType::Int64, true),
    ];
    TableShape { schema: Arc::new(Schema::new(fields)), key_columns: 1 }
}

/// Totals by namespace and name.
pub(crate) type Totals = BTreeMap<(i64, String), i64>;

fn batch(rows: &[((i64, String), i64)]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|((n, name), _)| (*n as u16) * 31 + name.len() as u16).collect::<UInt16Array>()),
        Arc::new(rows.iter().map(|((n, _), _)| *n).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|((_, name), _)| Some(name.as_str())).collect::<StringArray>()),
        Arc::new(rows.iter().map(|(_, total)| *total).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(shape().schema, columns).unwrap()
}

pub(crate) fn totals_of(restored: &dyn Restored) -> Totals {
    let mut totals = Totals::new();
    let each = &mut |batch: RecordBatch| {
        let (namespaces, names, sums) =
            (batch.column(1).as_primitive::<Int64Type>(), batch.column(2).as_string::<i32>(), batch.column(3).as_primitive::<Int64Type>());
        for i in 0..batch.num_rows() {
            totals.insert((namespaces.value(i), names.value(i).to_owned()), sums.value(i));
        }
        assert_eq!(sums.null_count(), 0);
        Ok(())
    };
    restored.rows(TABLE, &shape(), 0..u16::MAX, each).unwrap();
    totals
}

/// What an interval does to the totals.
fn step(totals: &mut Totals, i: u64) -> StateChanges {
    let expired = Namespace(i64::MIN)..Namespace(i as i64 - 4);
    totals.retain(|(namespace, _), _| *namespace >= expired.end.0);
    let mut upserts = BTreeMap::new();
    for n in 0..20 {
        let key = (i as i64 - (n % 3) as i64, format!("name {}", (i + n) % 11));
        let total = totals.entry(key.clone()).or_default();
        *total += (i * n) as i64;
        upserts.insert(key, *total);
    }
    let gone = (i as i64, format!("name {}", i % 11));
    upserts.remove(&gone);
    let deleted = totals.remove(&gone).map(|_| {
        let fields: Vec<_> = shape().schema.fields()[1..3].to_vec();
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![gone.0])), Arc::new(StringArray::from(vec![gone.1.as_str()]))];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    });
    StateChanges { expired: vec![expired], deleted, upserted: Some(batch(&upserts.into_iter().collect::<Vec<_>>())) }
}

/// The totals and the output after some intervals: what every life must come to.
pub(crate) fn oracle(upto: u64) -> (Totals, Vec<String>) {
    let mut totals = Totals::new();
    let lines = (1..=upto).map(|i| {
        step(&mut totals, i);
        format!("{i}: {}", totals.values().sum::<i64>())
    });
    let lines = lines.collect();
    (totals, lines)
}

/// Where a scenario lives.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) state: PathBuf,
    pub(crate) outside: Outside,
    /// Where snapshots go; beside the state if absent.
    pub(crate) snapshots: Option<String>,
}

impl Home {
    pub(crate) fn new(folder: &Path) -> Self {
        let (state, outside) = (folder.join("state"), folder.join("outside"));
        fs::create_dir_all(&state).unwrap();
        fs::create_dir_all(&outside).unwrap();
        Home { state, outside: Outside(outside), snapshots: None }
    }

    pub(crate) fn settings(&self, probe: Probe) -> Settings {
        let committer = Committer { outside: self.outside.clone(), committed: Mutex::new(None) };
        let mut settings = Settings::new(&self.state, "Life", Arc::new(committer));
        (settings.every, settings.keep, settings.probe) = (Duration::ZERO, 2, probe);
        settings.snapshots.clone_from(&self.snapshots);
        settings
    }

    /// Lives from where it stopped up to an interval, one checkpoint each; the last is made before it ends.
    pub(crate) fn live(&self, upto: u64, probe: Probe) -> Result<(), StoreError> {
        let committer = Arc::new(Committer { outside: self.outside.clone(), committed: Mutex::new(None) });
        let mut settings = self.settings(probe);
        settings.publications = committer.clone();
        let store = Store::open(settings)?;
        let captures = store.captures();
        let (mut totals, mut at) = (Totals::new(), 0);
        if let Some(restored) = store.restored() {
            totals = totals_of(&*restored);
            let facts = restored.facts(SOURCE).unwrap();
            at = u64::from_le_bytes(facts[0].1.as_slice().try_into().unwrap());
            assert_eq!(restored.boundary(), Boundary(at), "facts and boundary are of one checkpoint");
            assert_eq!(totals, oracle(at).0, "restored at {at}");
            let permit = store.take_permit().unwrap();
            let outboxes = restored.outboxes().unwrap();
            assert!(outboxes.iter().all(|o| permit.covers(o.number)));
            assert!(self.outside.witness() <= restored.number(), "the outside has what no checkpoint has");
            if let Some(number) = self.outside.commit(&outboxes) {
                captures.committed(SINK, number);
            }
        }
        let part = |node: &str| Part { node: node.into(), worker: 0 };
        captures.register(&part(SOURCE), None);
        captures.register(&part(TABLE), Some(shape()));
        captures.register(&part(SINK), None);
        for i in at + 1..=upto {
            let changes = step(&mut totals, i);
            captures.hand_over(&part(SOURCE), Boundary(i), Piece::Facts(vec![("position".to_owned(), i.to_le_bytes().to_vec())]));
            captures.hand_over(&part(TABLE), Boundary(i), Piece::Table(changes));
            let line = format!("{i}: {}\n", totals.values().sum::<i64>());
            captures.hand_over(&part(SINK), Boundary(i), Piece::Outbox(HeldOutput { bytes: line.into_bytes(), rows: 1, hash: i }));
            for node in [SOURCE, TABLE, SINK] {
                captures.passed(&part(node), Boundary(i));
            }
            store.flush(PATIENCE)?;
            if let Some(number) = committer.committed.lock().unwrap().take() {
                captures.committed(SINK, number);
            }
            if i % 3 == 0 {
                match store.savepoint(&format!("at-{i}"), PATIENCE) {
                    // A life before this one has made it, and was killed before it went on.
                    Ok(_) | Err(StoreError::Taken(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        store.close(PATIENCE).map(|_| ())
    }

    /// What is there is what must be.
    pub(crate) fn check(&self, upto: u64) {
        let (totals, lines) = oracle(upto);
        let store = Store::open(self.settings(Probe::default())).unwrap();
        let restored = store.restored().unwrap();
        assert_eq!(restored.boundary(), Boundary(upto));
        assert_eq!(totals_of(&*restored), totals);
        self.outside.commit(&restored.outboxes().unwrap());
        assert_eq!(self.outside.lines(), lines, "each line once, in order");
        assert!(store.damaged().is_empty(), "{:?}", store.damaged());
        drop(store);
        for i in (3..=upto).step_by(3) {
            let mut settings = self.settings(Probe::default());
            settings.from = From::Savepoint(format!("at-{i}"));
            match Store::open(settings) {
                Ok(store) => {
                    let restored = store.restored().unwrap();
                    assert_eq!(restored.boundary(), Boundary(i));
                    assert_eq!(totals_of(&*restored), oracle(i).0);
                }
                // Killed before it was made, and not come by again.
                Err(StoreError::NotThere(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}
