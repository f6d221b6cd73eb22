//! The soak: `runi run --state` from topic to topic exactly once, killed at random moments hundreds of times, on other numbers of workers each time, with a broker that goes
//! and comes. What a reader of committed messages sees in the end is compared with what the rows that went in must come to.
//!
//! The seed decides the rows, the numbers of workers, the moments to aim at and the delays; the machine decides what a moment hits. So a run is told by its table of what the
//! scenario was at when it was killed ([`life::Phase`]), and its log stays where something was wrong.

mod broker;
mod input;
mod life;
mod output;
mod report;
mod verdict;

use crate::{
    child::Scratch,
    run::{BenchError, broken},
};
use broker::{Broker, Going};
use input::{PARTITIONS, Producing};
use life::{Life, Phase, Watcher};
use output::{Pulse, Reading, Seen};
use rand::{RngExt, SeedableRng, rngs::StdRng};
pub use report::Report;
use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
pub use verdict::Difference;

const READ: &str = "soak-in";
const KEPT: &str = "soak-kept";
const COUNTS: &str = "soak-counts";
/// The scenario's name, and that of its state.
const SCENARIO: &str = "Soak";
const STATE: &str = "state";
const WINDOW_MS: u64 = 1000;
/// Many checkpoints, so that kills meet them.
const CHECKPOINT_EVERY: &str = "50ms";
/// On so many workers a scenario lives, in turns by chance.
const MOST_WORKERS: usize = 4;
/// How long a killed scenario or broker may take until there is output again.
const COMES_BACK: Duration = Duration::from_secs(120);
/// How long the last life may go without anything new before what is missing counts as lost.
const LAST_ROWS: Duration = Duration::from_secs(60);
/// How long is looked for rows that should not come.
const TOO_MANY: Duration = Duration::from_secs(2);
/// How long a life is left alone at most before it is killed at any moment.
const ANY_MOMENT_MS: u64 = 1500;
/// How long a certain moment is waited for before any other must do.
const AIMING: Duration = Duration::from_secs(3);
/// How often it is looked whether a moment has come, and whether the scenario is still there.
const LOOK: Duration = Duration::from_millis(1);
const ALIVE: Duration = Duration::from_millis(100);

/// What a soak is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often the scenario is killed.
    pub kills: usize,
    /// Decides whatever is random.
    pub seed: u64,
    /// After each so many kills the broker goes and comes.
    pub broker_every: usize,
    /// Rows per second.
    pub rate: u64,
}

/// Waits for a moment, or for what cannot be waited for otherwise: other processes.
#[allow(clippy::disallowed_methods)]
fn pause(length: Duration) {
    std::thread::sleep(length);
}

fn scenario(address: &str) -> String {
    format!(
        "Contract: Row version 1
  | field | type          | rules                |
  | key   | int           | required             |
  | n     | int           | required             |
  | value | int           | required             |
  | at    | timestamp(us) | required, event time |

Feature: Soak
  Scenario: {SCENARIO}
    @source(name=rows, type=kafka, brokers=\"{address}\", topic={READ}, contract=Row@1, lateness=30s)
    @step(name=Large, from=rows)
      @when value >= {}
      @do select key, n, value
    @step(name=Windows, from=rows)
      @do aggregate rows = count(*), total = sum(value) by key in tumbling({WINDOW_MS}ms)
    @step(name=Shown, from=Windows)
      @do select key, window_start as at, rows, total
    @sink(name=Kept, type=kafka, brokers=\"{address}\", topic={KEPT}, key=key, delivery=exactly-once, from=Large)
    @sink(name=Counts, type=kafka, brokers=\"{address}\", topic={COUNTS}, key=key, delivery=exactly-once, from=Shown)
",
        verdict::KEPT_FROM
    )
}

/// A soak that runs.
struct Soak {
    settings: Settings,
    random: StdRng,
    folder: Scratch,
    broker: Broker,
    watcher: Watcher,
    pulse: Arc<Pulse>,
    reading: Reading,
    phases: BTreeMap<Phase, usize>,
    /// From each start to the first output.
    starts: Vec<Duration>,
    /// From each coming of the broker to the first output.
    returns: Vec<Duration>,
    broker_restarts: usize,
}

/// What a kill aims at.
#[derive(Debug, Clone, Copy)]
enum Aim {
    Start,
    Checkpoint,
    Transaction,
    Any,
}

impl Soak {
    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn life(&mut self) -> Result<Life, BenchError> {
        let workers = self.random.random_range(1..=MOST_WORKERS);
        self.pulse.is_not_well();
        Life::start(self.path(), workers, CHECKPOINT_EVERY)
    }

    /// Waits until there is output that was not there before; the scenario must live as long. Says how long it took.
    fn output(&self, life: &mut Life, before: u64, since: Instant) -> Result<Duration, BenchError> {
        while !self.reading.wait(ALIVE, |seen| seen.rows > before)? {
            life.must_be(self.path())?;
            if since.elapsed() > COMES_BACK {
                return Err(BenchError(format!("the scenario lives, and writes nothing for {} s", COMES_BACK.as_secs())));
            }
        }
        Ok(since.elapsed())
    }

    /// Waits for a moment; any other must do where it does not come.
    fn moment(&mut self, aim: Aim) -> Result<(), BenchError> {
        match aim {
            Aim::Transaction => self.reading.wait(AIMING, |seen| seen.open).map(drop),
            Aim::Checkpoint => {
                let until = Instant::now() + AIMING;
                while !self.watcher.writes() && Instant::now() < until {
                    pause(LOOK);
                }
                // Somewhere in it.
                pause(Duration::from_millis(self.random.random_range(0..20)));
                Ok(())
            }
            Aim::Any | Aim::Start => {
                pause(Duration::from_millis(self.random.random_range(0..ANY_MOMENT_MS)));
                Ok(())
            }
        }
    }

    /// One life, to its kill.
    fn lives_and_dies(&mut self, aim: Aim) -> Result<(), BenchError> {
        let before = self.reading.seen(|s| s.rows);
        let mut life = self.life()?;
        if let Aim::Start = aim {
            let usual = self.starts.iter().max().map_or(ANY_MOMENT_MS, |d| d.as_millis() as u64);
            pause(Duration::from_millis(self.random.random_range(0..=usual)));
            life.kill(self.path())?;
            *self.phases.entry(Phase::Starting).or_default() += 1;
            return Ok(());
        }
        let began = life.began;
        let took = self.output(&mut life, before, began)?;
        self.starts.push(took);
        self.pulse.is_well();
        self.moment(aim)?;
        life.kill(self.path())?;
        self.pulse.is_not_well();
        let phase = self.watcher.phase();
        *self.phases.entry(phase).or_default() += 1;
        Ok(())
    }

    /// The broker goes and comes while the scenario lives. `dies`: the scenario is killed meanwhile, and started again before the broker is back.
    fn broker_goes_and_comes(&mut self, going: Going, dies: bool) -> Result<(), BenchError> {
        let before = self.reading.seen(|s| s.rows);
        let mut life = self.life()?;
        let began = life.began;
        let took = self.output(&mut life, before, began)?;
        self.starts.push(took);
        self.pulse.broker(true);
        self.broker.goes(going)?;
        pause(Duration::from_millis(self.random.random_range(0..ANY_MOMENT_MS)));
        if dies {
            life.kill(self.path())?;
            *self.phases.entry(Phase::BrokerAway).or_default() += 1;
            life = self.life()?;
        }
        let before = self.reading.seen(|s| s.rows);
        self.broker.comes()?;
        if dies && life.gave_up()? {
            life = self.life()?;
        }
        let took = self.output(&mut life, before, Instant::now())?;
        self.returns.push(took);
        self.broker_restarts += 1;
        self.pulse.broker(false);
        self.pulse.is_well();
        self.moment(Aim::Any)?;
        life.kill(self.path())?;
        let phase = self.watcher.phase();
        *self.phases.entry(phase).or_default() += 1;
        Ok(())
    }

    fn kills(&self) -> usize {
        self.phases.values().sum()
    }

    fn run(mut self, out: &mut impl Write) -> Result<Report, BenchError> {
        let began = Instant::now();
        let producing = Producing::start(&self.broker.address(), READ, self.settings.seed, self.settings.rate)?;
        let mut broker_next = self.settings.broker_every;
        while self.kills() < self.settings.kills {
            if self.kills() >= broker_next {
                broker_next += self.settings.broker_every;
                let going = if self.broker_restarts.is_multiple_of(2) { Going::Killed } else { Going::Clean };
                self.broker_goes_and_comes(going, self.broker_restarts % 4 >= 2)?;
            } else {
                let aim = match self.random.random_range(0..10) {
                    0..2 => Aim::Start,
                    2..5 => Aim::Checkpoint,
                    5..7 => Aim::Transaction,
                    _ => Aim::Any,
                };
                self.lives_and_dies(aim)?;
            }
            if self.kills().is_multiple_of(20) {
                writeln!(out, "{} kills, {} rows read, {} s", self.kills(), self.reading.seen(|s| s.rows), began.elapsed().as_secs())
                    .map_err(broken)?;
            }
        }
        let rows = producing.end()?;
        let due = verdict::due(self.settings.seed, rows);
        let mut life = self.life()?;
        let (mut before, mut since) = (0, Instant::now());
        while !self.reading.wait(ALIVE, |seen| seen.rows >= due)? && since.elapsed() < LAST_ROWS {
            life.must_be(self.path())?;
            let now = self.reading.seen(|s| s.rows);
            if now > before {
                (before, since) = (now, Instant::now());
            }
        }
        self.reading.wait(TOO_MANY, |seen| seen.rows > due)?;
        life.end(self.path())?;
        let report = self.reading.seen(|seen: &Seen| {
            let (kept, windows) = verdict::verdict(self.settings.seed, rows, seen);
            Report {
                seed: self.settings.seed,
                rows,
                took: began.elapsed(),
                phases: self.phases.iter().map(|(phase, times)| (*phase, *times)).collect(),
                starts: self.starts.clone(),
                returns: self.returns.clone(),
                longest_gap: seen.longest_gap,
                blocked_well: seen.blocked_well,
                blocked_restart: seen.blocked_restart,
                kept,
                windows,
            }
        });
        if !report.is_well() {
            self.keep();
        }
        Ok(report)
    }

    /// Leaves the folder where it is.
    fn keep(self) {
        drop((self.reading, self.broker));
        std::mem::forget(self.folder);
    }
}

/// Soaks. What it has come to is told on the way.
///
/// # Errors
/// Where the scenario ended by itself, or hangs, or the machine refuses something. What was found wrong in the output is in the report.
pub fn soak(settings: Settings, out: &mut impl Write) -> Result<Report, BenchError> {
    let folder = Scratch::new("soak")?;
    let broker = Broker::start(&folder.path().join("broker"))?;
    let address = broker.address();
    folder.file(life::FILE, &scenario(&address))?;
    [READ, KEPT, COUNTS].into_iter().try_for_each(|topic| broker.topic(topic, PARTITIONS as i32))?;
    let pulse = Arc::new(Pulse::default());
    let soak = Soak {
        random: StdRng::seed_from_u64(settings.seed),
        watcher: Watcher::new(&address, folder.path())?,
        reading: Reading::start(&address, pulse.clone())?,
        settings,
        folder,
        broker,
        pulse,
        phases: BTreeMap::new(),
        starts: Vec::new(),
        returns: Vec::new(),
        broker_restarts: 0,
    };
    soak.run(out)
}
