//! One life of the scenario: the real `runi run --state`, from its start to its `kill -9`, and what it was at when that came.

use super::{KEPT, SCENARIO, STATE, input::PARTITIONS, pause};
use crate::run::{BenchError, broken};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// The scenario's file.
pub(super) const FILE: &str = "soak.dsl";
/// What all lives said.
pub(super) const SAID: &str = "runi.log";
/// How much of that is shown.
const SHOWN_LINES: usize = 20;
/// How long a scenario may take to end when it is asked to.
const ENDING: Duration = Duration::from_secs(60);
/// What it ends with where the operator must act.
const OUTSIDE: i32 = 4;
/// How often that is looked for.
const LOOK: Duration = Duration::from_millis(1);
/// How long the brokers may take to say what was committed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the scenario was at when it was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It had not written anything yet.
    Starting,
    /// A transaction was open.
    Committing,
    /// A checkpoint was published, and its output not outside yet.
    Published,
    /// A checkpoint was being written.
    Writing,
    /// Between two checkpoints.
    Running,
    /// The broker was away.
    BrokerAway,
}

impl Phase {
    pub(super) const ALL: [(Phase, &str); 6] = [
        (Phase::Starting, "starting"),
        (Phase::Running, "between two checkpoints"),
        (Phase::Writing, "writing a checkpoint"),
        (Phase::Published, "a checkpoint published, its output not committed"),
        (Phase::Committing, "a transaction open"),
        (Phase::BrokerAway, "the broker away"),
    ];
}

/// A process that dies with its owner, however that one ends.
pub(super) struct Life {
    child: Child,
    pub(super) began: Instant,
}

impl Life {
    /// Starts the scenario of a folder.
    pub(super) fn start(folder: &Path, workers: usize, every: &str) -> Result<Self, BenchError> {
        let runi = beside("runi")?;
        let log = OpenOptions::new().create(true).append(true).open(folder.join(SAID)).map_err(broken)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(runi).args(["run", FILE, "--state", STATE, "--checkpoint-every", every]);
        command.args(["--workers", &workers.to_string()]).current_dir(folder);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().map_err(|e| BenchError(format!("setpriv: {e}")))?;
        Ok(Life { child, began: Instant::now() })
    }

    /// An error where it has ended by itself.
    pub(super) fn must_be(&mut self, folder: &Path) -> Result<(), BenchError> {
        match self.child.try_wait().map_err(broken)? {
            Some(status) => Err(ended(status, folder)),
            None => Ok(()),
        }
    }

    /// Whether it has ended because something outside was not there for long: whoever watches over it starts it again.
    pub(super) fn gave_up(&mut self) -> Result<bool, BenchError> {
        Ok(self.child.try_wait().map_err(broken)?.is_some_and(|status| status.code() == Some(OUTSIDE)))
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self, folder: &Path) -> Result<(), BenchError> {
        self.must_be(folder)?;
        self.child.kill().and_then(|()| self.child.wait()).map(drop).map_err(broken)
    }

    /// Asks it to end, and sees that it ends well.
    pub(super) fn end(mut self, folder: &Path) -> Result<(), BenchError> {
        self.must_be(folder)?;
        let asked = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().map_err(broken)?;
        if !asked.success() {
            return Err(BenchError("the scenario cannot be asked to end".into()));
        }
        let until = Instant::now() + ENDING;
        loop {
            match self.child.try_wait().map_err(broken)? {
                // What Ctrl-C ends with.
                Some(status) if status.code() == Some(130) => return Ok(()),
                Some(status) => return Err(ended(status, folder)),
                None if Instant::now() > until => return Err(BenchError("the scenario does not end".into())),
                None => pause(LOOK),
            }
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ended(status: ExitStatus, folder: &Path) -> BenchError {
    let said = fs::read_to_string(folder.join(SAID)).unwrap_or_default();
    let lines: Vec<&str> = said.lines().collect();
    let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
    BenchError(format!("the scenario ended by itself: {status}\n{shown}"))
}

/// A program that was built with this one: tests lie one folder deeper.
fn beside(name: &str) -> Result<PathBuf, BenchError> {
    let this = std::env::current_exe().map_err(broken)?;
    let found = this.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| BenchError(format!("`{name}` is not beside this program: build it with `cargo build --release -p {name}`")))
}

/// Looks from outside at what a scenario is at.
pub(super) struct Watcher {
    /// Of the private group that remembers what was committed.
    group: BaseConsumer,
    /// Sees what is not committed too.
    all: BaseConsumer,
    state: PathBuf,
}

impl Watcher {
    pub(super) fn new(address: &str, folder: &Path) -> Result<Self, BenchError> {
        let consumer = |isolation: &str| {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", address).set("group.id", format!("runink/{SCENARIO}/Kept"));
            config.set("isolation.level", isolation).set("log_level", "2").create().map_err(broken)
        };
        Ok(Watcher { group: consumer("read_committed")?, all: consumer("read_uncommitted")?, state: folder.join(STATE).join(SCENARIO) })
    }

    /// Whether a checkpoint is being written.
    pub(super) fn writes(&self) -> bool {
        names(&self.state.join("work")).any(|name| name.starts_with("set-aside"))
    }

    /// The newest checkpoint that was published.
    fn published(&self) -> Option<u64> {
        names(&self.state.join("snapshots/manifests")).filter_map(|name| name.rsplit('-').next()?.parse().ok()).max()
    }

    /// The newest one whose output is outside.
    fn committed(&self) -> Option<u64> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(KEPT, 0);
        let found = self.group.committed_offsets(asked, PATIENCE).ok()?;
        match found.find_partition(KEPT, 0)?.offset() {
            Offset::Offset(next) => u64::try_from(next).ok()?.checked_sub(1),
            _ => None,
        }
    }

    /// Whether a transaction is open.
    fn open(&self) -> bool {
        let end = |of: &BaseConsumer, p: i32| of.fetch_watermarks(KEPT, p, PATIENCE).map(|(_, end)| end);
        (0..PARTITIONS as i32).any(|p| matches!((end(&self.group, p), end(&self.all, p)), (Ok(may), Ok(there)) if may < there))
    }

    /// What a process was at that has just been killed, after it had written something.
    pub(super) fn phase(&self) -> Phase {
        if self.open() {
            Phase::Committing
        } else if self.published() > self.committed() {
            Phase::Published
        } else if self.writes() {
            Phase::Writing
        } else {
            Phase::Running
        }
    }
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned())
}
