//! Output that was held back for a checkpoint goes outside when the checkpoint is published: once, whatever crashes.
//!
//! What must be done at a start is decided from what is known ([`after_restart`]): the newest checkpoint that the outside has, the one that the scenario starts from, and the
//! outboxes that it holds. The rest is I/O with bounded patience, on a thread of its own ([`Committing`]).
//!
//! While the outside is away the scenario goes on: its output waits, in checkpoints, and [`Committing::late`] says so.

use crate::{EngineError, ScenarioHandle, scenario::ScenarioSpec};
use runink_checkpoint::{
    Captures, CheckpointNumber, CommitPermit, Fenced, HeldOutput, NodeFacts, Publications, Published, Restored, SinkOutboxes,
};
use runink_connector_api::{
    CheckpointNumber as Number, CommitIdentity, Committer, ConnectorError, Follower, Outbox, SavedPosition, WhoActs, Witness,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often what must be done at a start, or what the outside refuses for a reason that does not pass, is tried.
const MAX_TRIES: u32 = 5;
/// How long a commit is tried again, where the outside is away, before the scenario stops.
const COMMIT_PATIENCE: Duration = Duration::from_secs(3600);
/// The same when the scenario has come to its end.
const LAST_PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait before the first new try; each further one waits twice as long, up to a bound.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// From when on a commit that is not done is late.
const LATE: Duration = Duration::from_secs(5);
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
    /// Sources that tell the outside how far they have been read, by lasting name.
    sources: BTreeMap<Arc<str>, (String, Box<dyn Follower>)>,
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
        let mut sources = BTreeMap::new();
        for (id, source) in &spec.sources {
            let name = spec.plan.node(*id).name.clone();
            let follower = source.follower(&identity.scenario).map_err(|error| EngineError::Connector { name: name.clone(), error })?;
            if let (Some(follower), Some(lasting)) = (follower, names[id.0].first().cloned()) {
                sources.insert(lasting, (name, follower));
            }
        }
        Ok(Commits { sinks, sources })
    }

    /// Tells the outside how far sources have been read. That it does not hear of it stops nothing.
    fn follow(&mut self, facts: &NodeFacts) -> Option<EngineError> {
        let mut failed = None;
        for (lasting, facts) in facts {
            let Some((name, follower)) = self.sources.get_mut(lasting) else { continue };
            // What cannot be read is told of where the scenario would go on from it.
            let positions: Vec<SavedPosition> = facts.iter().filter_map(|(_, bytes)| serde_json::from_slice(bytes).ok()).collect();
            if let Err(error) = follower.follow(&positions) {
                failed = Some(EngineError::Connector { name: name.clone(), error });
            }
        }
        failed
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

    /// Writes the outboxes of a checkpoint that has been published, once. Whoever asks has the right to: the permit.
    fn commit(&mut self, of: &Held, permit: &CommitPermit) -> Result<(), EngineError> {
        let Some((name, committer)) = self.sinks.get_mut(&of.node).filter(|_| permit.covers(of.number)) else { return Ok(()) };
        committer.commit(Number(of.number.0), &of.outboxes).map_err(|error| EngineError::Connector { name: name.clone(), error })
    }

    /// The sinks, by lasting name.
    pub fn sinks(&self) -> impl Iterator<Item = &Arc<str>> {
        self.sinks.keys()
    }
}

/// What one sink holds back for one checkpoint.
struct Held {
    node: Arc<str>,
    number: CheckpointNumber,
    outboxes: Vec<Outbox>,
}

impl Held {
    fn of(SinkOutboxes { node, number, held }: SinkOutboxes) -> Self {
        Held { node, number, outboxes: held.into_iter().map(opened).collect() }
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
    for _ in 1..MAX_TRIES {
        match attempt() {
            Err(error) if error.who == WhoActs::Operator => thread::sleep(wait),
            done => return done,
        }
        wait *= 2;
    }
    attempt()
}

/// Output that has not come outside for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// For how long.
    pub waits: Duration,
    /// What the outside said the last time, where it has said something.
    pub why: Option<String>,
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
    /// Since when the commit that is at hand is tried, and why it was refused the last time.
    trying: Option<(Instant, Option<String>)>,
    /// The scenario has come to its end: from then on patience is shorter.
    ending: Option<Instant>,
    /// Nothing more will come.
    closed: bool,
    failed: Option<EngineError>,
    /// Which sources tell how far they have been read.
    follow: Vec<Arc<str>>,
    /// Why the outside was not told so the last time.
    unheard: Option<EngineError>,
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
        self.state().follow = commits.sources.keys().cloned().collect();
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
                for held in published.outboxes.into_iter().map(Held::of) {
                    match self.commit(commits, &held, &published.permit) {
                        Ok(()) => captures.committed(&held.node, held.number),
                        Err(error) => {
                            // Later output must not go out before this: the thread ends with it.
                            self.fail(error);
                            return;
                        }
                    }
                }
                let unheard = commits.follow(&published.facts);
                self.state().unheard = unheard;
            }
            self.state().busy = false;
            self.changed.notify_all();
        }
    }

    /// Tries until the outside takes it, refuses it for good, or patience ends.
    fn commit(&self, commits: &mut Commits, held: &Held, permit: &CommitPermit) -> Result<(), EngineError> {
        let (started, mut wait, mut refusals) = (Instant::now(), FIRST_RETRY, 0);
        self.state().trying = Some((started, None));
        let outcome = loop {
            let refused = match commits.commit(held, permit) {
                Err(error) if error.who() == WhoActs::Operator => error,
                outcome => break outcome,
            };
            refusals += u32::from(!refused.passes());
            if refusals >= MAX_TRIES || !self.waits(started, wait, &refused) {
                break Err(refused);
            }
            wait = LONGEST_RETRY.min(wait * 2);
        };
        self.state().trying = None;
        outcome
    }

    /// Waits before a new try; that the scenario comes to its end cuts it short. Says whether there is patience left.
    fn waits(&self, started: Instant, wait: Duration, error: &EngineError) -> bool {
        let mut state = self.state();
        state.trying = Some((started, Some(error.to_string())));
        let was_ending = state.ending;
        let (state, _) = self.changed.wait_timeout_while(state, wait, |s| s.ending == was_ending).unwrap_or_else(PoisonError::into_inner);
        started.elapsed() < COMMIT_PATIENCE && state.ending.is_none_or(|since| since.elapsed() < LAST_PATIENCE)
    }

    /// Output that waits for longer than commits take; the scenario goes on meanwhile.
    pub fn late(&self) -> Option<Late> {
        let state = self.state();
        let (since, why) = state.trying.as_ref()?;
        let waits = since.elapsed();
        (waits >= LATE).then(|| Late { waits, why: why.clone() })
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

    /// Why the outside does not know how far a source has been read: a message, and what to do. It is a warning.
    pub fn unheard(&self) -> Option<(String, Option<String>)> {
        self.state().unheard.as_ref().map(|error| (error.to_string(), error.hint()))
    }

    /// Waits until everything that was published is outside, and lets nothing more come.
    ///
    /// # Errors
    /// What went wrong, where no scenario was told.
    pub fn finish(&self) -> Result<(), EngineError> {
        let mut state = self.state();
        state.ending = Some(Instant::now());
        self.changed.notify_all();
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
        if published.outboxes.is_empty() && published.facts.is_empty() {
            return;
        }
        let mut state = self.state();
        // Where only places have moved, the newest ones are enough.
        if let Some(last) = state.waiting.last_mut().filter(|_| published.outboxes.is_empty()) {
            last.facts = published.facts;
            return;
        }
        while state.waiting.len() >= MAX_WAITING && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.closed {
            state.waiting.push(published);
        }
        drop(state);
        self.changed.notify_all();
    }

    fn wants_facts_of(&self) -> Vec<Arc<str>> {
        self.state().follow.clone()
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
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn numbers(of: &[u64]) -> Vec<Number> {
        of.iter().map(|n| Number(*n)).collect()
    }

    /// An outside that refuses some times, and then takes what it is given.
    struct Refusing {
        times: u32,
        passes: bool,
        tries: Arc<AtomicU32>,
    }

    impl Committer for Refusing {
        fn recover(&mut self) -> Result<Witness, ConnectorError> {
            Ok(Witness::Nothing)
        }
        fn commit(&mut self, _: Number, _: &[Outbox]) -> Result<(), ConnectorError> {
            if self.tries.fetch_add(1, Ordering::SeqCst) < self.times {
                let error = ConnectorError::operator("KAF031", "away");
                return Err(if self.passes { error.passing() } else { error });
            }
            Ok(())
        }
    }

    /// Commits one checkpoint. Gives how it ended, and how often it was tried.
    fn committed(times: u32, passes: bool, ending: bool) -> (Result<(), EngineError>, u32) {
        let tries = Arc::new(AtomicU32::new(0));
        let refusing = Refusing { times, passes, tries: tries.clone() };
        let node: Arc<str> = "sink".into();
        let mut commits = Commits {
            sinks: BTreeMap::from([(node.clone(), ("Sink".to_owned(), Box::new(refusing) as Box<dyn Committer>))]),
            sources: BTreeMap::new(),
        };
        let exists = runink_checkpoint::Exists::seen(CheckpointNumber(1));
        let generation = runink_checkpoint::Generation(1);
        let permit = CommitPermit::of(exists, generation, generation).unwrap();
        let committing = Committing::new();
        if ending {
            // It came to its end long ago.
            committing.state().ending = Instant::now().checked_sub(LAST_PATIENCE);
        }
        let held = Held { node, number: CheckpointNumber(1), outboxes: Vec::new() };
        let outcome = committing.commit(&mut commits, &held, &permit);
        assert_eq!(committing.late(), None, "nothing waits any more");
        (outcome, tries.load(Ordering::SeqCst))
    }

    #[test]
    fn an_outside_that_is_away_is_waited_for_and_one_that_refuses_is_not() {
        assert!(matches!(committed(3, true, false), (Ok(()), 4)));
        assert!(matches!(committed(2, false, false), (Ok(()), 3)));
        let (outcome, tries) = committed(u32::MAX, true, true);
        assert!(matches!(outcome, Err(EngineError::Connector { .. })) && tries == 1, "there is no time left: {tries}");
    }

    #[test]
    fn what_waits_for_long_is_told_with_its_reason() {
        let committing = Committing::new();
        assert_eq!(committing.late(), None);
        committing.state().trying = Instant::now().checked_sub(LATE).map(|since| (since, Some("away".to_owned())));
        let late = committing.late().unwrap();
        assert!(late.waits >= LATE && late.why.as_deref() == Some("away"), "{late:?}");
        committing.state().trying = Some((Instant::now(), None));
        assert_eq!(committing.late(), None, "commits take a moment");
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
