//! Output that was held back for a checkpoint goes outside when the checkpoint is published: once, whatever crashes.
//!
//! What must be done at a start is decided from what is known ([`after_restart`]): the newest checkpoint that the outside has, the one that the scenario starts from, and the
//! outboxes that it holds. The rest is I/O with bounded patience, on a thread of its own ([`Committing`]).

use crate::{EngineError, ScenarioHandle, scenario::ScenarioSpec};
use runink_checkpoint::{Captures, CommitPermit, Fenced, HeldOutput, Publications, Published, Restored, SinkOutboxes};
use runink_connector_api::{CheckpointNumber as Number, CommitIdentity, Committer, ConnectorError, Outbox, WhoActs, Witness};
use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// How often a commit that the outside refused is tried again before the scenario stops.
const MAX_COMMIT_TRIES: u32 = 5;
/// How long to wait before the first new try; each further one waits twice as long.
const FIRST_RETRY: Duration = Duration::from_millis(200);
/// How many published checkpoints may wait to be committed; the next one waits with its publication.
const MAX_WAITING: usize = 16;

/// What must be done about one sink when a scenario starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterRestart {
    /// The outside has everything.
    Nothing,
    /// These checkpoints' outboxes are to be written, in this order.
    Commit(Vec<Number>),
    /// The outside has output of a checkpoint that is newer than the one the scenario starts from: starting would write it twice.
    Ahead {
        /// What the outside has.
        outside: Number,
    },
    /// The outside cannot tell whether it has these: writing them might double them, leaving them out might lose them.
    CannotTell(Vec<Number>),
}

/// Decides what one sink needs. `start` is the checkpoint that the scenario starts from; `held` are the checkpoints up to it that still hold an outbox for the sink.
pub fn after_restart(witness: Witness, start: Option<Number>, held: &[Number]) -> AfterRestart {
    let mut open: Vec<Number> = held.iter().copied().filter(|h| start.is_some_and(|s| *h <= s)).collect();
    open.sort_unstable();
    match witness {
        Witness::Committed(outside) if start.is_none_or(|s| outside > s) => return AfterRestart::Ahead { outside },
        Witness::Committed(outside) => open.retain(|h| *h > outside),
        Witness::Unknown if !open.is_empty() => return AfterRestart::CannotTell(open),
        Witness::Unknown | Witness::Nothing => {}
    }
    if open.is_empty() { AfterRestart::Nothing } else { AfterRestart::Commit(open) }
}

/// All sinks of a scenario that deliver exactly once.
pub struct Commits {
    /// By lasting name: the sink's name for people, and who commits.
    sinks: BTreeMap<Arc<str>, (String, Box<dyn Committer>)>,
}

impl Commits {
    /// Opens the committers of a scenario's sinks.
    ///
    /// # Errors
    /// Where one cannot be opened.
    pub fn open(spec: &ScenarioSpec, identity: &CommitIdentity) -> Result<Self, EngineError> {
        let names = crate::checkpoints::lasting_names(&spec.plan);
        let mut sinks = BTreeMap::new();
        for (id, sink) in &spec.sinks {
            let name = spec.plan.node(*id).name.clone();
            let committer = sink.committer(identity.clone()).map_err(|error| EngineError::Connector { name: name.clone(), error })?;
            if let (Some(committer), Some(lasting)) = (committer, names[id.0].first().cloned()) {
                sinks.insert(lasting, (name, committer));
            }
        }
        Ok(Commits { sinks })
    }

    /// Fences off older incarnations and brings the outside to the checkpoint that the scenario starts from, given with the right to commit what it holds.
    ///
    /// # Errors
    /// Where the outside cannot be reached, or where output would be lost or doubled.
    pub fn recover(&mut self, start: Option<(&dyn Restored, &CommitPermit)>) -> Result<(), EngineError> {
        let held = start.map_or(Ok(Vec::new()), |(s, _)| s.outboxes()).map_err(|e| crate::checkpoints::not_restored("outboxes", e))?;
        let covered = |o: &&SinkOutboxes| start.is_some_and(|(_, permit)| permit.covers(o.number));
        let start = start.map(|(s, _)| Number(s.number().0));
        for (lasting, (name, committer)) in &mut self.sinks {
            let failed = |error| EngineError::Connector { name: name.clone(), error };
            let witness = patiently(|| committer.recover()).map_err(failed)?;
            let ours: Vec<&SinkOutboxes> = held.iter().filter(|o| o.node == *lasting).filter(covered).collect();
            let numbers: Vec<Number> = ours.iter().map(|o| Number(o.number.0)).collect();
            match after_restart(witness, start, &numbers) {
                AfterRestart::Nothing => {}
                AfterRestart::Commit(numbers) => {
                    for number in numbers {
                        let of_it = ours.iter().filter(|o| o.number.0 == number.0).flat_map(|o| o.held.iter().cloned());
                        let outboxes: Vec<Outbox> = of_it.map(opened).collect();
                        patiently(|| committer.commit(number, &outboxes)).map_err(failed)?;
                    }
                }
                AfterRestart::Ahead { outside } => {
                    return Err(EngineError::OutsideAhead { name: name.clone(), outside: outside.0, start: start.map(|s| s.0) });
                }
                AfterRestart::CannotTell(numbers) => {
                    let first = numbers.first().map_or(0, |n| n.0);
                    return Err(EngineError::OutsideUnknown { name: name.clone(), checkpoint: first });
                }
            }
        }
        Ok(())
    }

    /// Writes the outboxes of a checkpoint that has been published. Whoever asks has the right to: the permit.
    fn commit(&mut self, outboxes: SinkOutboxes, permit: &CommitPermit) -> Result<(), EngineError> {
        let Some((name, committer)) = self.sinks.get_mut(&outboxes.node).filter(|_| permit.covers(outboxes.number)) else { return Ok(()) };
        let held: Vec<Outbox> = outboxes.held.into_iter().map(opened).collect();
        patiently(|| committer.commit(Number(outboxes.number.0), &held))
            .map_err(|error| EngineError::Connector { name: name.clone(), error })
    }

    /// The sinks, by lasting name.
    pub fn sinks(&self) -> impl Iterator<Item = &Arc<str>> {
        self.sinks.keys()
    }
}

fn opened(HeldOutput { bytes, rows, hash }: HeldOutput) -> Outbox {
    Outbox { bytes, rows, hash }
}

/// Tries again where the operator or time may mend it; an error of the scenario's author stays one.
// There is no condition to wait on: the outside refuses now, and may not in a moment.
#[allow(clippy::disallowed_methods)]
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, ConnectorError>) -> Result<T, ConnectorError> {
    let mut wait = FIRST_RETRY;
    for _ in 1..MAX_COMMIT_TRIES {
        match attempt() {
            Err(error) if error.who == WhoActs::Operator => thread::sleep(wait),
            done => return done,
        }
        wait *= 2;
    }
    attempt()
}

/// Commits what is published, in order, on its own thread. Hears of checkpoints as [`Publications`].
pub struct Committing {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Published>,
    /// The thread has taken some that are not done yet.
    busy: bool,
    /// Nothing more will come.
    closed: bool,
    failed: Option<EngineError>,
    /// Whom to stop when a commit fails.
    scenario: Option<crate::scenario::Failing>,
}

impl Committing {
    /// Hears from now on; commits as soon as [`Self::start`] has said with whom.
    pub fn new() -> Arc<Self> {
        Arc::new(Committing { state: Mutex::new(State::default()), changed: Condvar::new() })
    }

    /// Starts the thread, and says who is to be told that output is outside: the store that published it.
    ///
    /// # Errors
    /// Where the machine has no thread left.
    pub fn start(self: &Arc<Self>, mut commits: Commits, captures: Arc<dyn Captures>) -> Result<JoinHandle<()>, EngineError> {
        let shared = self.clone();
        let thread = thread::Builder::new().name("commits".into()).spawn(move || shared.run(&mut commits, captures.as_ref()));
        thread.map_err(|e| EngineError::Start(e.to_string()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // It is whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says which scenario stops when a commit fails. One that has failed already stops it now.
    pub fn stops(&self, handle: &ScenarioHandle) {
        let mut state = self.state();
        let failing = handle.failing();
        if let Some(error) = state.failed.take() {
            failing.fail(error);
        }
        state.scenario = Some(failing);
    }

    fn run(&self, commits: &mut Commits, captures: &dyn Captures) {
        loop {
            let mut state = self.state();
            while state.waiting.is_empty() && !state.closed {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.waiting.is_empty() {
                return;
            }
            let taken = std::mem::take(&mut state.waiting);
            state.busy = true;
            drop(state);
            self.changed.notify_all();
            for published in taken {
                for outboxes in published.outboxes {
                    let (sink, number) = (outboxes.node.clone(), outboxes.number);
                    match commits.commit(outboxes, &published.permit) {
                        Ok(()) => captures.committed(&sink, number),
                        Err(error) => {
                            // Later output must not go out before this: the thread ends with it.
                            self.fail(error);
                            return;
                        }
                    }
                }
            }
            self.state().busy = false;
            self.changed.notify_all();
        }
    }

    fn fail(&self, error: EngineError) {
        let mut state = self.state();
        (state.closed, state.busy) = (true, false);
        state.waiting.clear();
        match &state.scenario {
            Some(scenario) => scenario.fail(error),
            None => state.failed = Some(error),
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until everything that was published is outside, and lets nothing more come.
    ///
    /// # Errors
    /// What went wrong, where no scenario was told.
    pub fn finish(&self) -> Result<(), EngineError> {
        let mut state = self.state();
        while state.busy || !state.waiting.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.closed = true;
        let failed = state.failed.take();
        drop(state);
        self.changed.notify_all();
        failed.map_or(Ok(()), Err)
    }
}

impl Publications for Committing {
    fn published(&self, published: Published) {
        if published.outboxes.is_empty() {
            return;
        }
        let mut state = self.state();
        while state.waiting.len() >= MAX_WAITING && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.closed {
            state.waiting.push(published);
        }
        drop(state);
        self.changed.notify_all();
    }

    fn fenced(&self, fenced: Fenced) {
        self.fail(EngineError::Fenced(fenced));
    }

    fn failed(&self, why: &str) {
        self.fail(EngineError::NoCheckpoints(why.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(of: &[u64]) -> Vec<Number> {
        of.iter().map(|n| Number(*n)).collect()
    }

    #[test]
    fn each_outbox_goes_out_once_whatever_the_crash_left() {
        let held = numbers(&[7, 5, 6, 8]);
        let start = Some(Number(7));
        let committed = |n| Witness::Committed(Number(n));
        // The crash came before the commit, between two, after the last.
        assert_eq!(after_restart(committed(4), start, &held), AfterRestart::Commit(numbers(&[5, 6, 7])));
        assert_eq!(after_restart(committed(6), start, &held), AfterRestart::Commit(numbers(&[7])));
        assert_eq!(after_restart(committed(7), start, &held), AfterRestart::Nothing);
        assert_eq!(after_restart(Witness::Nothing, start, &held), AfterRestart::Commit(numbers(&[5, 6, 7])));
        assert_eq!(after_restart(Witness::Nothing, None, &[]), AfterRestart::Nothing);
    }

    #[test]
    fn what_would_double_or_lose_rows_is_refused() {
        let start = Some(Number(7));
        let outside = Number(8);
        assert_eq!(after_restart(Witness::Committed(outside), start, &[]), AfterRestart::Ahead { outside });
        assert_eq!(after_restart(Witness::Committed(outside), None, &[]), AfterRestart::Ahead { outside });
        assert_eq!(after_restart(Witness::Unknown, start, &numbers(&[7])), AfterRestart::CannotTell(numbers(&[7])));
        assert_eq!(after_restart(Witness::Unknown, start, &[]), AfterRestart::Nothing);
    }
}
