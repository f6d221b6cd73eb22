//! The worker group: long-lived timely workers that follow one ordered stream of commands.
//!
//! Commands enter on worker 0 and are sequenced through timely, so that every worker sees the same commands in the same order and
//! builds and drops the same dataflows. What a command refers to (a spec with its opened sources) is looked up by its number.

use crate::{
    Drain, EngineError, ScenarioHandle, ScenarioSpec,
    build::{Built, build},
    scenario::Shared,
};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{JoinHandle, Thread},
    time::{Duration, Instant},
};
use timely::{synchronization::Sequencer, worker::Worker};

/// How many commands may wait to be sequenced; a sender waits when it is full.
const COMMANDS_WAITING: usize = 1024;
/// How long an idle worker sleeps at most before it looks for commands again. A sender wakes it earlier.
const IDLE_PARK: Duration = Duration::from_millis(20);
/// The same while scenarios run: what a source's own timer does not cover.
const BUSY_PARK: Duration = Duration::from_millis(2);

/// How a group is made.
#[derive(Debug, Clone, Copy)]
pub struct GroupConfig {
    /// How many timely workers; at least one.
    pub workers: usize,
}

/// What workers follow.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Builds a scenario's dataflow.
    Create(u64),
    /// Stops its sources.
    Stop(u64, Drain),
    /// Drops its dataflow as it is.
    Drop(u64),
    /// Ends the workers.
    Shutdown,
}

/// Sends commands and wakes the worker that sequences them.
#[derive(Clone)]
pub(crate) struct CommandSender {
    sender: Sender<Command>,
    workers: Arc<Mutex<Vec<Thread>>>,
}

impl CommandSender {
    /// Sends, waiting while too many commands wait. A group that has stopped takes none: nothing is left to command.
    pub(crate) fn send(&self, command: Command) -> bool {
        let sent = match self.sender.try_send(command) {
            Ok(()) => true,
            Err(TrySendError::Full(command)) => self.sender.send(command).is_ok(),
            Err(TrySendError::Disconnected(_)) => false,
        };
        for worker in self.workers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            worker.unpark();
        }
        sent
    }
}

/// Specs by number, each with how many workers have yet to take leave of it.
type Specs = Arc<Mutex<HashMap<u64, (Arc<Shared>, usize)>>>;

/// See the module. Dropping it ends its workers, and with them what still runs.
pub struct WorkerGroup {
    workers: usize,
    commands: CommandSender,
    specs: Specs,
    next: AtomicU64,
    running: Option<JoinHandle<Result<(), String>>>,
}

impl WorkerGroup {
    /// Starts the workers.
    ///
    /// # Errors
    /// Where threads cannot be started.
    pub fn start(config: GroupConfig) -> Result<Self, EngineError> {
        let workers = config.workers.max(1);
        let (sender, receiver) = bounded(COMMANDS_WAITING);
        let threads = Arc::new(Mutex::new(Vec::new()));
        let specs: Specs = Arc::default();
        let (for_threads, for_specs) = (threads.clone(), specs.clone());
        let started = Instant::now();
        let mut timely = timely::Config::process(workers);
        timely.worker = timely.worker.idle_spin(Duration::ZERO);
        let running = std::thread::Builder::new()
            .name("runink-group".into())
            .spawn(move || {
                let specs = for_specs.clone();
                let guards = timely::execute(timely, move |worker| {
                    for_threads.lock().unwrap_or_else(PoisonError::into_inner).push(std::thread::current());
                    // Only worker 0 takes commands in; the sequencer brings them to all.
                    let commands = (worker.index() == 0).then(|| receiver.clone());
                    WorkerLoop { specs: specs.clone(), commands, running: BTreeMap::new() }.run(worker, started);
                })?;
                let ended = guards.join().into_iter().find_map(Result::err);
                // Whoever still waits is told: nobody else will.
                let left = std::mem::take(&mut *for_specs.lock().unwrap_or_else(PoisonError::into_inner));
                let why = ended.clone().unwrap_or_else(|| "it was shut down".into());
                left.values().for_each(|(shared, _)| shared.fail(EngineError::GroupStopped(why.clone())));
                ended.map_or(Ok(()), Err)
            })
            .map_err(|e| EngineError::Start(e.to_string()))?;
        let commands = CommandSender { sender, workers: threads };
        Ok(WorkerGroup { workers, commands, specs, next: AtomicU64::new(1), running: Some(running) })
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Starts a scenario beside those that run. Returns at once; the handle tells how it goes.
    ///
    /// # Errors
    /// Where the group has stopped, or the checkpoint that it starts from cannot be read.
    pub fn create(&self, spec: ScenarioSpec) -> Result<ScenarioHandle, EngineError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::new(Shared::new(spec, self.workers)?);
        self.specs.lock().unwrap_or_else(PoisonError::into_inner).insert(id, (shared.clone(), self.workers));
        if !self.commands.send(Command::Create(id)) {
            return Err(EngineError::GroupStopped("it takes no commands".into()));
        }
        Ok(ScenarioHandle::new(id, shared, self.commands.clone()))
    }

    /// Ends the workers and waits for them.
    ///
    /// # Errors
    /// Where a worker had panicked.
    pub fn shutdown(mut self) -> Result<(), EngineError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), EngineError> {
        let Some(running) = self.running.take() else { return Ok(()) };
        self.commands.send(Command::Shutdown);
        match running.join() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(message)) => Err(EngineError::GroupStopped(message)),
            Err(_) => Err(EngineError::GroupStopped("its thread panicked".into())),
        }
    }
}

impl Drop for WorkerGroup {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "the worker group did not end well");
        }
    }
}

/// One worker's life.
struct WorkerLoop {
    specs: Specs,
    commands: Option<Receiver<Command>>,
    running: BTreeMap<u64, (Built, Arc<Shared>)>,
}

impl WorkerLoop {
    fn run(mut self, worker: &mut Worker, started: Instant) {
        let mut sequencer = Sequencer::new(worker, started);
        loop {
            if let Some(commands) = &self.commands {
                commands.try_iter().for_each(|command| sequencer.push(command));
            }
            let mut last = false;
            for command in sequencer.by_ref() {
                last |= matches!(command, Command::Shutdown);
                self.follow(command, worker);
            }
            if last {
                self.running.keys().copied().collect::<Vec<_>>().into_iter().for_each(|id| self.drop_scenario(id, worker));
                return;
            }
            let park = if self.running.is_empty() { IDLE_PARK } else { BUSY_PARK };
            worker.step_or_park(Some(park));
            self.settle(worker);
        }
    }

    fn follow(&mut self, command: Command, worker: &mut Worker) {
        match command {
            Command::Create(id) => {
                let shared = self.specs.lock().unwrap_or_else(PoisonError::into_inner).get(&id).map(|(s, _)| s.clone());
                if let Some(shared) = shared {
                    self.running.insert(id, (build(worker, &shared), shared));
                }
            }
            Command::Stop(id, drain) => {
                if let Some((built, shared)) = self.running.get(&id) {
                    shared.mark_stopped();
                    built.stop.set(Some(drain));
                }
            }
            Command::Drop(id) => self.drop_scenario(id, worker),
            Command::Shutdown => {}
        }
    }

    /// Takes leave of scenarios that are complete, or have failed somewhere.
    fn settle(&mut self, worker: &mut Worker) {
        let over = |(built, shared): &(Built, Arc<Shared>)| built.probe.done() || shared.has_failed();
        let ended: Vec<u64> = self.running.iter().filter(|(_, s)| over(s)).map(|(&id, _)| id).collect();
        for id in ended {
            if let Some((built, shared)) = self.running.remove(&id) {
                if shared.has_failed() {
                    worker.drop_dataflow(built.dataflow);
                } else {
                    shared.worker_done();
                }
                self.forget(id);
            }
        }
    }

    fn drop_scenario(&mut self, id: u64, worker: &mut Worker) {
        if let Some((built, shared)) = self.running.remove(&id) {
            shared.fail(EngineError::GroupStopped("the scenario was dropped".into()));
            worker.drop_dataflow(built.dataflow);
            self.forget(id);
        }
    }

    /// Every worker takes leave of a scenario once; the spec stays until the last one has, for a slow worker must still find what to build.
    fn forget(&self, id: u64) {
        let mut specs = self.specs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, workers)) = specs.get_mut(&id) {
            *workers -= 1;
            if *workers == 0 {
                specs.remove(&id);
            }
        }
    }
}
