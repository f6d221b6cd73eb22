//! What is under way for each key: attempts at a match, each with the states that it may be in.
//!
//! Every row that can begin a match begins an attempt. An attempt is an ordered list of threads, a state of the automaton with the path that led there, the
//! preferred first. A row takes each thread on or ends it. When a thread gets to the end, the threads behind it are given up: the match is the best as long as
//! none before it gets there too, and comes out when none is left. Where matches must not overlap, an attempt waits for those that began before it.
//!
//! Threads that can no longer differ are one: the same state and path, or the same state alone where no condition ahead asks what led there.

use super::nodes::Nodes;
use crate::stream_join::bucket::NONE;
use runink_planner::{AfterMatch, Automaton, Takes, Target};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet, VecDeque},
    ops::Range,
};

/// How many attempts and threads a key may have at once. A row that would make more is turned away, and changes nothing.
pub(super) const RUNS_PER_KEY_MAX: usize = 10_000;

/// The list of changed keys is looked through when it has this many, and twice as many as there are keys.
const CHANGED_MIN: usize = 1024;
/// Up to so many threads of an attempt are compared one by one.
const FEW_THREADS: usize = 8;

/// A state that an attempt may be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thread {
    pub(super) state: u16,
    /// The path that led there.
    pub(super) node: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Attempt {
    /// The place of its first row among those of its key.
    pub(super) start: u64,
    /// The first row's time.
    pub(super) time: i64,
    /// The preferred first.
    pub(super) threads: Vec<Thread>,
    /// The best match so far, or [`NONE`].
    pub(super) best: u32,
    /// What had come when its time ran out, or [`NONE`].
    pub(super) partial: u32,
}

/// Of a key.
#[derive(Debug, Default)]
pub(super) struct KeyRuns {
    /// In order of their first rows.
    pub(super) attempts: VecDeque<Attempt>,
    /// The place of the next row.
    pub(super) next: u64,
    /// It is noted as changed.
    noted: bool,
    /// A capture has its attempts.
    pub(super) captured: bool,
}

/// A match that came out, or what there was of one when its time ran out. Its path is held until it is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) key: u32,
    pub(super) node: u32,
    pub(super) partial: bool,
}

/// See the module.
pub(super) struct Runs {
    automaton: Automaton,
    within: Option<i64>,
    after: AfterMatch,
    partial: bool,
    /// A match's last row is the one that completed it, so that a better one ends later.
    ends_on_event: bool,
    /// By state: whether a condition ahead asks for rows that were matched before.
    remembers: Vec<bool>,
    pub(super) keys: Vec<KeyRuns>,
    pub(super) nodes: Nodes,
    pub(super) found: Vec<Found>,
    /// Keys whose attempts changed.
    changed: Vec<u32>,
    /// When the time of attempts is over; of those that are gone, too.
    deadlines: BinaryHeap<Reverse<(i64, u32)>>,
    // What a row makes, before it is known whether that is too much.
    threads: Vec<Thread>,
    steps: Vec<(Range<usize>, Option<u32>)>,
    made: Vec<u32>,
    seen: HashSet<(u16, u32), ahash::RandomState>,
}

impl Runs {
    /// `joint`: by event, whether its condition asks for rows that were matched before.
    pub(super) fn new(automaton: Automaton, within: Option<i64>, after: AfterMatch, partial: bool, joint: &[bool]) -> Self {
        let asks = |takes: &Takes| match takes {
            Takes::Event(event) => joint[*event],
            Takes::Skip(not) | Takes::Wait(not) => not.iter().any(|&event| joint[event]),
        };
        let mut remembers: Vec<bool> = automaton.states.iter().map(|s| asks(&s.takes)).collect();
        let mut more = true;
        while more {
            more = false;
            for (at, state) in automaton.states.iter().enumerate() {
                let ahead = state.next.iter().any(|t| matches!(t, Target::State(s) if remembers[usize::from(*s)]));
                more |= ahead && !remembers[at];
                remembers[at] |= ahead;
            }
        }
        let ends_on_event = automaton.states.iter().all(|s| match s.takes {
            Takes::Event(_) => true,
            Takes::Skip(_) => !s.next.contains(&Target::Match),
            Takes::Wait(_) => false,
        });
        Runs {
            automaton,
            within,
            after,
            partial,
            ends_on_event,
            remembers,
            keys: Vec::new(),
            nodes: Nodes::default(),
            found: Vec::new(),
            changed: Vec::new(),
            deadlines: BinaryHeap::new(),
            threads: Vec::new(),
            steps: Vec::new(),
            made: Vec::new(),
            seen: HashSet::default(),
        }
    }

    pub(super) fn automaton(&self) -> &Automaton {
        &self.automaton
    }

    /// Makes room for a key.
    pub(super) fn know(&mut self, key: u32) {
        if self.keys.len() <= key as usize {
            self.keys.resize_with(key as usize + 1, KeyRuns::default);
        }
    }

    /// What must be known of a row: whether it is this event behind this path. In the order in which [`Self::take`] asks.
    pub(super) fn ask(&self, key: u32, mut each: impl FnMut(usize, u32)) {
        let mut of_state = |state: u16, node: u32| match &self.automaton.states[usize::from(state)].takes {
            Takes::Event(event) => each(*event, node),
            Takes::Skip(not) | Takes::Wait(not) => not.iter().for_each(|&event| each(event, node)),
        };
        for attempt in &self.keys[key as usize].attempts {
            attempt.threads.iter().for_each(|t| of_state(t.state, t.node));
        }
        for target in &self.automaton.start {
            if let Target::State(state) = target {
                of_state(*state, NONE);
            }
        }
    }

    /// Takes the key's next row. False where it would make too many runs: then nothing has changed.
    pub(super) fn take(&mut self, key: u32, slot: u32, time: i64, mut holds: impl FnMut(usize, u32) -> bool) -> bool {
        let mut runs = std::mem::take(&mut self.keys[key as usize]);
        let place = runs.next;
        self.threads.clear();
        self.steps.clear();
        self.made.clear();
        for attempt in &runs.attempts {
            let first = self.threads.len();
            let mut best = None;
            self.seen.clear();
            for thread in &attempt.threads {
                let (node, event) = match &self.automaton.states[usize::from(thread.state)].takes {
                    Takes::Event(event) => (holds(*event, thread.node).then_some(thread.node), Some(*event)),
                    Takes::Skip(not) | Takes::Wait(not) => {
                        // All are asked, as `ask` does.
                        let broken = not.iter().fold(false, |broken, &event| holds(event, thread.node) | broken);
                        ((!broken).then_some(thread.node), None)
                    }
                };
                let Some(node) = node.filter(|_| best.is_none()) else { continue };
                let node = event.map_or(node, |event| self.add(slot, event, node, place));
                if self.follow(thread.state, node, first, attempt.threads.len() > FEW_THREADS) {
                    best = Some(node);
                }
            }
            self.steps.push((first..self.threads.len(), best));
        }
        let covered = self.after == AfterMatch::PastLastRow && self.ends_on_event && self.steps.iter().any(|(_, best)| best.is_some());
        let begun = self.begin(slot, place, covered, &mut holds);
        if self.threads.len() + self.steps.len() > RUNS_PER_KEY_MAX {
            while let Some(node) = self.made.pop() {
                self.nodes.drop_unheld(node);
            }
            self.keys[key as usize] = runs;
            return false;
        }
        self.commit(key, &mut runs, begun.map(|best| (time, best)));
        self.keys[key as usize] = runs;
        self.resolve(key);
        true
    }

    fn add(&mut self, slot: u32, event: usize, parent: u32, place: u64) -> u32 {
        let node = self.nodes.add(slot, event as u16, parent, place);
        self.made.push(node);
        node
    }

    /// What follows a state, for an attempt whose new threads stand from `first` on. Whether the match is complete.
    fn follow(&mut self, state: u16, node: u32, first: usize, many: bool) -> bool {
        for target in &self.automaton.states[usize::from(state)].next {
            let Target::State(state) = *target else { return true };
            let remembers = self.remembers[usize::from(state)];
            let is_new = if many {
                self.seen.insert((state, if remembers { node } else { NONE }))
            } else {
                !self.threads[first..].iter().any(|t| t.state == state && (!remembers || t.node == node))
            };
            if is_new {
                self.threads.push(Thread { state, node });
            }
        }
        false
    }

    /// An attempt that begins with this row, if one does: its best match.
    fn begin(&mut self, slot: u32, place: u64, covered: bool, holds: &mut impl FnMut(usize, u32) -> bool) -> Option<Option<u32>> {
        let first = self.threads.len();
        let mut best = None;
        self.seen.clear();
        for at in 0..self.automaton.start.len() {
            let Target::State(state) = self.automaton.start[at] else { continue };
            let Takes::Event(event) = self.automaton.states[usize::from(state)].takes else { continue };
            if !holds(event, NONE) || covered || best.is_some() {
                continue;
            }
            let node = self.add(slot, event, NONE, place);
            if self.follow(state, node, first, self.automaton.states.len() > FEW_THREADS) {
                best = Some(node);
            }
        }
        let begun = best.is_some() || self.threads.len() > first;
        if begun {
            self.steps.push((first..self.threads.len(), best));
        }
        begun.then_some(best)
    }

    /// Makes what a row led to the state of the key.
    fn commit(&mut self, key: u32, runs: &mut KeyRuns, begun: Option<(i64, Option<u32>)>) {
        if begun.is_some() || !runs.attempts.is_empty() {
            self.note(key, runs);
        }
        self.threads.iter().for_each(|t| self.nodes.hold(t.node));
        self.steps.iter().filter_map(|(_, best)| *best).for_each(|best| self.nodes.hold(best));
        for (attempt, (threads, best)) in runs.attempts.iter_mut().zip(&self.steps) {
            attempt.threads.drain(..).for_each(|t| self.nodes.release(t.node));
            attempt.threads.extend_from_slice(&self.threads[threads.clone()]);
            if let Some(best) = best {
                self.nodes.release(std::mem::replace(&mut attempt.best, *best));
            }
        }
        if let (Some((time, best)), Some((threads, _))) = (begun, self.steps.last()) {
            let threads = self.threads[threads.clone()].to_vec();
            runs.attempts.push_back(Attempt { start: runs.next, time, threads, best: best.unwrap_or(NONE), partial: NONE });
            if let Some(within) = self.within {
                self.deadlines.push(Reverse((time.saturating_add(within), key)));
            }
        }
        for node in self.made.drain(..) {
            self.nodes.drop_unheld(node);
        }
        if self.after == AfterMatch::PastLastRow
            && self.ends_on_event
            && let Some(first) = self.steps.iter().position(|(_, best)| best.is_some())
        {
            // Whatever the match will be, it ends here or later.
            while runs.attempts.len() > first + 1 {
                self.nodes.give_up(runs.attempts.pop_back());
            }
        }
        runs.next += 1;
    }

    fn note(&mut self, key: u32, runs: &mut KeyRuns) {
        if !std::mem::replace(&mut runs.noted, true) {
            self.changed.push(key);
        }
    }

    /// The attempts of a key whose time is over when time has come to `reached`.
    pub(super) fn expire(&mut self, key: u32, reached: i64) {
        let Some(within) = self.within else { return };
        let mut runs = std::mem::take(&mut self.keys[key as usize]);
        let over = runs.attempts.iter().take_while(|a| a.time.saturating_add(within) < reached).count();
        if over > 0 {
            self.note(key, &mut runs);
            for attempt in runs.attempts.iter_mut().take(over) {
                let waits = |t: &&Thread| matches!(self.automaton.states[usize::from(t.state)].takes, Takes::Wait(_));
                if let Some(thread) = attempt.threads.iter().find(waits) {
                    self.nodes.hold(thread.node);
                    self.nodes.release(std::mem::replace(&mut attempt.best, thread.node));
                } else if let Some(thread) = attempt.threads.first().filter(|_| self.partial && attempt.best == NONE) {
                    self.nodes.hold(thread.node);
                    attempt.partial = thread.node;
                }
                attempt.threads.drain(..).for_each(|t| self.nodes.release(t.node));
            }
        }
        self.keys[key as usize] = runs;
        if over > 0 {
            self.resolve(key);
        }
    }

    /// All attempts whose time is over when time has come to `reached`.
    pub(super) fn expire_all(&mut self, reached: i64) {
        while let Some(&Reverse((deadline, key))) = self.deadlines.peek()
            && deadline < reached
        {
            self.deadlines.pop();
            self.expire(key, reached);
        }
    }

    /// No row comes any more.
    pub(super) fn finish(&mut self) {
        for key in 0..self.keys.len() as u32 {
            let mut runs = std::mem::take(&mut self.keys[key as usize]);
            if !runs.attempts.is_empty() {
                self.note(key, &mut runs);
            }
            for attempt in &mut runs.attempts {
                attempt.threads.drain(..).for_each(|t| self.nodes.release(t.node));
            }
            self.keys[key as usize] = runs;
            self.resolve(key);
        }
    }

    /// Lets go what is decided, and gives the matches.
    fn resolve(&mut self, key: u32) {
        let Runs { keys, nodes, found, after, .. } = self;
        let attempts = &mut keys[key as usize].attempts;
        let mut give = |attempt: &mut Attempt| {
            for (path, partial) in [(&mut attempt.best, false), (&mut attempt.partial, true)] {
                if *path != NONE {
                    // The path stays held, now by what was found.
                    found.push(Found { key, node: std::mem::replace(path, NONE), partial });
                }
            }
        };
        if *after == AfterMatch::ToNextRow {
            attempts.iter_mut().filter(|a| a.threads.is_empty()).for_each(&mut give);
        } else {
            while let Some(mut front) = attempts.pop_front_if(|a| a.threads.is_empty()) {
                if front.best != NONE {
                    let next = next_start(nodes, *after, &front);
                    while attempts.front().is_some_and(|a| a.start < next) {
                        nodes.give_up(attempts.pop_front());
                    }
                }
                give(&mut front);
            }
        }
        // Nothing can come of these.
        attempts.retain(|a| !a.threads.is_empty() || a.best != NONE || a.partial != NONE);
    }

    /// Forgets a key, whose number another one may get.
    pub(super) fn forget(&mut self, key: u32) {
        self.keys[key as usize] = KeyRuns::default();
        // Without captures, what waits for one must not grow beyond the keys.
        if self.changed.len() > CHANGED_MIN.max(self.keys.len() * 2) {
            self.changed.sort_unstable();
            self.changed.dedup();
        }
    }

    /// The keys whose attempts changed since this was asked.
    pub(super) fn take_changed(&mut self) -> Vec<u32> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed.iter().for_each(|&key| self.keys[key as usize].noted = false);
        changed
    }

    /// Takes attempts from a checkpoint.
    pub(super) fn restore(&mut self, key: u32, next: u64, attempts: Vec<Attempt>) {
        self.know(key);
        if let Some(within) = self.within {
            self.deadlines.extend(attempts.iter().map(|a| Reverse((a.time.saturating_add(within), key))));
        }
        self.keys[key as usize] = KeyRuns { attempts: attempts.into(), next, noted: false, captured: true };
    }

    pub(super) fn bytes(&self) -> usize {
        let attempts = self.keys.iter().flat_map(|k| &k.attempts);
        self.nodes.bytes()
            + self.keys.capacity() * size_of::<KeyRuns>()
            + self.deadlines.len() * size_of::<(i64, u32)>()
            + attempts.map(|a| size_of::<Attempt>() + a.threads.capacity() * size_of::<Thread>()).sum::<usize>()
    }
}

/// The first place at which the match after this one may begin.
fn next_start(nodes: &Nodes, after: AfterMatch, attempt: &Attempt) -> u64 {
    let last = nodes.get(attempt.best).place;
    let wanted = match after {
        AfterMatch::PastLastRow | AfterMatch::ToNextRow => None,
        AfterMatch::ToFirst(event) => nodes.path_of(attempt.best, event).last(),
        AfterMatch::ToLast(event) => nodes.path_of(attempt.best, event).next(),
    };
    wanted.map_or(last + 1, |n| n.place).max(attempt.start + 1)
}

impl Nodes {
    /// Lets all paths of an attempt go.
    fn give_up(&mut self, attempt: Option<Attempt>) {
        let Some(attempt) = attempt else { return };
        attempt.threads.iter().for_each(|t| self.release(t.node));
        self.release(attempt.best);
        self.release(attempt.partial);
    }
}
