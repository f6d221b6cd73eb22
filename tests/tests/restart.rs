//! Scenarios that are killed at every checkpoint and go on with other numbers of workers write what one undisturbed run writes.
//!
//! The store is the one in memory: here it is about what the engine hands over and takes back. What is durable is tested where the durable store is.

use runink_checkpoint::{
    Boundary, Cadence, Captures, CheckpointNumber, CommitPermit, Exists, Fenced, MemoryRestored, MemoryStore, Part, Piece, Publications,
    Published, Restored, TableShape,
};
use runink_connector_api::{CommitIdentity, Registry};
use runink_dsl::{Project, SourceFile, variables::Variables};
use runink_engine::{Checkpointing, Commits, Committing, Durability, GroupConfig, MemoryBudget, ScenarioSpec, WorkerGroup};
use runink_planner::{Plan, PlanInput, plan_scenario};
use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroU64,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

fn registry() -> Registry {
    Registry::new(runink_files::connectors().into_iter().chain(runink_generators::connectors()))
}

fn plan(steps: &str) -> Plan {
    let text = format!(
        "Feature: Restarts
  Scenario: Restarted
    @source(name=bids, type=nexmark, kind=bid, events=200000)
    @source(name=auctions, type=nexmark, kind=auction, events=200000)
{steps}
    @sink(name=Out, type=file, path=\"out.jsonl\")
"
    );
    let project = Project::new(vec![SourceFile { path: "restart.dsl".into(), text }]);
    let scenario = project.scenarios().first().and_then(|&id| project.scenario(id)).unwrap();
    let registry = registry();
    let planned = plan_scenario(&PlanInput {
        project: &project,
        scenario: &scenario,
        connectors: &registry.specs(),
        variables: &Variables::default(),
        discovered: &BTreeMap::new(),
        observe: &[],
    });
    let said: Vec<_> = project.diagnostics.iter().chain(&planned.diagnostics).map(|d| format!("{}: {}", d.code, d.message)).collect();
    planned.plan.unwrap_or_else(|| panic!("{said:#?}"))
}

/// A store whose process is killed as soon as it has published a number of checkpoints.
struct Killed {
    store: Arc<MemoryStore>,
    at: Arc<At>,
    /// One call at a time: nothing comes between the last checkpoint and the end.
    turn: Mutex<()>,
}

struct At {
    last: CheckpointNumber,
    /// Whether the last one's output still goes out.
    commits_last: bool,
    dead: AtomicBool,
    committing: Arc<Committing>,
}

impl Publications for At {
    fn published(&self, published: Published) {
        let number = published.number;
        if number < self.last || (number == self.last && self.commits_last) {
            self.committing.published(published);
        }
        if number >= self.last {
            self.dead.store(true, Ordering::SeqCst);
        }
    }
    fn fenced(&self, fenced: Fenced) {
        self.committing.fenced(fenced);
    }
    fn failed(&self, why: &str) {
        self.committing.failed(why);
    }
}

impl Killed {
    fn alive(&self, call: impl FnOnce(&MemoryStore)) {
        let _turn = self.turn.lock().unwrap();
        if !self.at.dead.load(Ordering::SeqCst) {
            call(&self.store);
        }
    }
}

impl Captures for Killed {
    fn register(&self, part: &Part, shape: Option<TableShape>) {
        self.alive(|s| s.register(part, shape));
    }
    fn hand_over(&self, part: &Part, boundary: Boundary, piece: Piece) {
        self.alive(|s| s.hand_over(part, boundary, piece));
    }
    fn passed(&self, part: &Part, boundary: Boundary) {
        self.alive(|s| s.passed(part, boundary));
    }
    fn committed(&self, _: &str, _: CheckpointNumber) {
        // The process is killed before it could note that: the outside must be asked.
    }
    fn bytes_waiting(&self) -> u64 {
        self.store.bytes_waiting()
    }
}

/// One life of the scenario. Gives the checkpoint that it left, or nothing where it came to its end and all its output is out.
fn live(
    steps: &str,
    dir: &Path,
    workers: usize,
    start: Option<Arc<MemoryRestored>>,
    last: u64,
    commits_last: bool,
) -> Option<Arc<MemoryRestored>> {
    let mut spec = ScenarioSpec::open(plan(steps), &registry(), dir, Durability::Checkpoints).unwrap();
    // One epoch after the other, so that there are boundaries to die at.
    spec.settings.epochs_in_flight = 1;
    let store = start.as_ref().map_or_else(MemoryStore::new, |s| MemoryStore::from_checkpoint(s).unwrap());
    let identity = CommitIdentity { scenario: "Restarted".into(), generation: store.generation().0 };
    let mut commits = Commits::open(&spec, &identity).unwrap();
    let permit = |s: &Arc<MemoryRestored>| CommitPermit::of(Exists::seen(s.number()), store.generation(), store.generation()).unwrap();
    let right = start.as_ref().map(permit);
    commits.recover(start.as_ref().zip(right.as_ref()).map(|(s, right)| (&**s as &dyn Restored, right))).unwrap();
    let committing = Committing::new();
    let at = Arc::new(At { last: CheckpointNumber(last), commits_last, dead: AtomicBool::new(false), committing: committing.clone() });
    let killed = Arc::new(Killed { store: Arc::new(store.telling(at.clone())), at: at.clone(), turn: Mutex::new(()) });
    let thread = committing.start(commits, killed.clone()).unwrap();
    spec.checkpoints = Some(Checkpointing {
        cadence: Cadence(NonZeroU64::MIN),
        captures: killed.clone(),
        restored: start.map(|s| s as Arc<dyn Restored>),
        stalls: None,
        // Whatever can lie in the store alone does so as soon as it is written.
        reader: Some(killed.store.clone()),
        budget: Some(Arc::new(MemoryBudget::new(0))),
    });
    let group = WorkerGroup::start(GroupConfig { workers }).unwrap();
    let handle = group.create(spec).unwrap();
    committing.stops(&handle);
    handle.wait().unwrap();
    committing.finish().unwrap();
    thread.join().unwrap();
    group.shutdown().unwrap();
    let newest = killed.store.newest().unwrap().unwrap();
    let all_is_out = newest.boundary() == Boundary::END && (newest.number() < CheckpointNumber(last) || commits_last);
    (!all_is_out).then_some(newest)
}

fn sorted(path: &Path) -> Vec<String> {
    let mut lines: Vec<String> = fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn survives(steps: &str) {
    let plain = tempfile::tempdir().unwrap();
    let spec = ScenarioSpec::open(plan(steps), &registry(), plain.path(), Durability::None).unwrap();
    WorkerGroup::start(GroupConfig { workers: 2 }).unwrap().create(spec).unwrap().wait().unwrap();
    let wanted = sorted(&plain.path().join("out.jsonl"));
    assert!(!wanted.is_empty());
    for first in [1, 2] {
        let dir = tempfile::tempdir().unwrap();
        let (mut start, mut lives, mut last) = (None, 0, first);
        loop {
            // Each life leaves two checkpoints more: at the end of the input one for the last rows and one for the end. Every third one dies before its last output is out.
            match live(steps, dir.path(), [2, 1, 3][lives % 3], start, last, lives % 3 != 1) {
                Some(left) => start = Some(left),
                None => break,
            }
            (lives, last) = (lives + 1, last + 2);
            assert!(lives < 50, "it never ends");
        }
        assert!(lives >= 2, "only {lives} lives");
        let found = sorted(&dir.path().join("out.jsonl"));
        assert!(found == wanted, "{steps}: {} rows where {} were due, after {lives} lives", found.len(), wanted.len());
    }
}

#[test]
fn rows_without_state() {
    survives("    @step(name=Cheap, from=bids)\n      @when price < 1000\n      @do select auction, price, date_time");
}

#[test]
fn windows_of_every_shape() {
    for window in ["tumbling(1s)", "hopping(2s, every 500ms)", "session(20ms)", "cumulating(2s, every 500ms)"] {
        survives(&format!(
            "    @step(name=Counts, from=bids)\n      @do aggregate n = count(*), high = max(price), most = sum(price) by channel in {window}"
        ));
    }
}

#[test]
fn changelogs_over_all_time() {
    survives("    @step(name=Totals, from=bids)\n      @do aggregate n = count(*), mean = avg(price) by channel keep for ever");
}

#[test]
fn joins_of_two_streams() {
    survives(
        "    @step(name=Matched, from=bids)\n      @do inner join auctions on auctions.id = bids.auction within 200ms\n      @do select bids.auction, bids.price, auctions.seller",
    );
}

#[test]
fn results_of_results() {
    survives(
        "    @step(name=Counts, from=bids)\n      @do aggregate n = count(*) by auction in tumbling(500ms)\n    @step(name=Most)\n      @do aggregate most = max(n), all = sum(n) in tumbling(2s)",
    );
}
