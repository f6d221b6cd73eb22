//! The crash matrix: for each step of recovery and commit a process dies right behind it, twice, and is started again; a committed reader sees each row once.
//!
//! The process is this test binary, with a small engine: it writes rows, publishes checkpoints into a file, commits them, and decides after a restart as the
//! engine does.

use super::*;
use runink_kafka::{FailPoint, StepHook, connectors_heard_by};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// How many checkpoints a run makes.
const CHECKPOINTS: u64 = 4;
/// How many rows each has.
const ROWS: i64 = 30;
/// How many cases run side by side.
const SIDE_BY_SIDE: usize = 3;
/// What the child is told, in this order: topic, marker topic, folder, the point to die at (or nothing), at which time that it is met.
const TOLD: &str = "RUNINK_KAFKA_CRASH";

/// Where the first and the second process die: (point, which time). A new point needs a case here.
fn case(point: FailPoint) -> [(FailPoint, usize); 2] {
    match point {
        // These are met once in a life: the first process dies in the middle of a commit, so that recovery has something to do.
        FailPoint::Recovering | FailPoint::MarkerTopicThere | FailPoint::Fenced | FailPoint::MarkersRead | FailPoint::GenerationTold => {
            [(FailPoint::RowsSent, 2), (point, 1)]
        }
        FailPoint::Committing
        | FailPoint::TransactionBegun
        | FailPoint::HalfSent
        | FailPoint::RowsSent
        | FailPoint::MarkerSent
        | FailPoint::OffsetSent
        | FailPoint::Committed => [(point, 2), (point, 1)],
    }
}

#[test]
fn each_row_is_seen_once_wherever_a_process_dies() {
    let work = Mutex::new(FailPoint::ALL.to_vec());
    let markers = unique("markers");
    broker();
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let Some(point) = work.lock().unwrap().pop() else { return };
                    die_at(point, &markers);
                }
            });
        }
    });
}

fn die_at(point: FailPoint, markers: &str) {
    let topic = topic(&format!("crash-{point:?}").to_lowercase(), 3);
    let folder = tempfile::tempdir().unwrap();
    let run = |dies: Option<(FailPoint, usize)>| {
        let at = dies.map_or(String::new(), |(point, time)| format!("{point:?} {time}"));
        let told = format!("{}\n{topic}\n{markers}\n{}\n{at}", broker().address, folder.path().display());
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["exactly_once::crash::child", "--exact", "--nocapture"]).env(TOLD, told);
        child.output().unwrap()
    };
    for (time, dies) in case(point).into_iter().enumerate() {
        let out = run(Some(dies));
        assert_eq!(
            out.status.signal(),
            Some(6),
            "{point:?}: process {time} did not die at {dies:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
    let out = run(None);
    assert!(out.status.success(), "{point:?}: {}", String::from_utf8_lossy(&out.stderr));
    let expected: Vec<i64> = (0..ROWS * CHECKPOINTS as i64).collect();
    assert_eq!(ids(&topic), expected, "{point:?}");
    // Per key in the order they were written.
    let mut last = BTreeMap::new();
    for line in kcat(&topic, "%k %s") {
        let (key, row) = line.split_once(' ').unwrap();
        let id: i64 = row.trim_start_matches("{\"id\":").split(',').next().unwrap().parse().unwrap();
        assert!(last.insert(key.to_owned(), id).is_none_or(|before| before < id), "{point:?}: {key} goes back to {id}");
    }
}

/// What a checkpoint store knows: the generation, the newest checkpoint, and the outboxes that it holds.
#[derive(Default)]
struct Store {
    generation: u64,
    newest: Option<u64>,
    held: BTreeMap<u64, Vec<u8>>,
}

impl Store {
    fn load(folder: &Path) -> Self {
        let mut store = Store::default();
        let Ok(text) = fs::read_to_string(folder.join("store")) else { return store };
        for line in text.lines() {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["generation", n] => store.generation = n.parse().unwrap(),
                ["outbox", n, hex] => {
                    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
                    store.held.insert(n.parse().unwrap(), (0..hex.len()).step_by(2).map(byte).collect());
                    store.newest = store.newest.max(Some(n.parse().unwrap()));
                }
                other => panic!("{other:?}"),
            }
        }
        store
    }

    fn save(&self, folder: &Path) {
        let mut text = format!("generation {}\n", self.generation);
        for (n, bytes) in &self.held {
            text += &format!("outbox {n} {}\n", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>());
        }
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join("store")).unwrap();
    }
}

fn outbox_of(sink: &dyn Sink, checkpoint: u64) -> Outbox {
    let from = (checkpoint as i64 - 1) * ROWS;
    held(sink, from..from + ROWS)
}

/// Not a test: the process that dies, where it is told to be one.
#[test]
fn child() {
    let Ok(told) = std::env::var(TOLD) else { return };
    let told: Vec<&str> = told.split('\n').collect();
    let [address, topic, markers, folder, dies] = told[..] else { panic!("{told:?}") };
    let folder = Path::new(folder);
    let dies = dies.split_once(' ').map(|(point, time)| (point.to_owned(), time.parse::<usize>().unwrap()));
    let met = AtomicUsize::new(0);
    let hook: StepHook = Arc::new(move |point: FailPoint| {
        if let Some((at, time)) = &dies
            && format!("{point:?}") == *at
            && met.fetch_add(1, Ordering::SeqCst) + 1 == *time
        {
            std::process::abort();
        }
    });
    let given = [("brokers", text(address)), ("topic", text(topic)), ("marker_topic", text(markers))];
    let options = runink_connector_api::Options(given.into_iter().map(|(n, v)| (n.to_owned(), v)).collect());
    let schema = batch(std::iter::empty()).schema();
    let config = SinkConfig {
        name: topic.to_owned(),
        options,
        base_dir: "".into(),
        schema,
        key: vec!["key".into()],
        changelog: false,
        checkpoints: true,
    };
    let sink = connectors_heard_by(hook).remove(0).sink(config).unwrap();

    let mut store = Store::load(folder);
    store.generation += 1;
    store.save(folder);
    let mut committer = committer(sink.as_ref(), store.generation);
    let outside = match committer.recover().unwrap() {
        Witness::Committed(CheckpointNumber(n)) => {
            assert!(Some(n) <= store.newest, "the outside is ahead of the store");
            Some(n)
        }
        Witness::Nothing => None,
        Witness::Unknown => {
            // The first process died before its first marker: then nothing was published either.
            assert!(store.held.is_empty(), "nobody can tell what was committed");
            None
        }
    };
    let again: Vec<u64> = store.held.keys().copied().filter(|n| Some(*n) > outside).collect();
    for n in again {
        committer.commit(N(n), &[outbox_of(sink.as_ref(), n)]).unwrap();
    }
    for n in store.newest.map_or(1, |n| n + 1)..=CHECKPOINTS {
        let outbox = outbox_of(sink.as_ref(), n);
        store.held.insert(n, outbox.bytes.clone());
        store.newest = Some(n);
        store.save(folder);
        committer.commit(N(n), &[outbox]).unwrap();
    }
}
