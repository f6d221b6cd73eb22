//! Output that was held back for a checkpoint goes outside when the checkpoint is published: once, whatever crashes.
//!
//! What must be done is decided from what is known (`after_restart`): the newest checkpoint that the outside has, the one that the scenario starts from, and the outboxes that
//! it holds. The rest is I/O with bounded patience.

use crate::{EngineError, scenario::ScenarioSpec};
use runink_checkpoint::HeldOutput;
use runink_connector_api::{CheckpointNumber, CommitIdentity, Committer, ConnectorError, Outbox, Witness};
use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

/// How often a commit that the outside refused is tried again before the scenario stops.
const MAX_COMMIT_TRIES: u32 = 5;
/// How long to wait before the first new try; each further one waits twice as long.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// The outboxes of one checkpoint: by sink (its lasting name), those of all writers in their order.
pub type Outboxes = BTreeMap<Arc<str>, Vec<HeldOutput>>;

/// What must be done about one sink when a scenario starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterRestart {
    /// The outside has everything.
    Nothing,
    /// These checkpoints' outboxes are to be written, in this order.
    Commit(Vec<CheckpointNumber>),
    /// The outside has output of a checkpoint that is newer than the one the scenario starts from: starting would write it twice.
    Ahead {
        /// What the outside has.
        outside: CheckpointNumber,
    },
    /// The outside cannot tell whether it has these: writing them might double them, leaving them out might lose them.
    CannotTell(Vec<CheckpointNumber>),
}

/// Decides what one sink needs. `start` is the checkpoint that the scenario starts from; `held` are the checkpoints up to it that still hold an outbox for the sink.
pub fn after_restart(witness: Witness, start: Option<CheckpointNumber>, held: &[CheckpointNumber]) -> AfterRestart {
    let mut open: Vec<CheckpointNumber> = held.iter().copied().filter(|h| start.is_some_and(|s| *h <= s)).collect();
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
            if let (Some(committer), Some(lasting)) = (committer, names[id.0].clone()) {
                sinks.insert(lasting, (name, committer));
            }
        }
        Ok(Commits { sinks })
    }

    /// Fences off older incarnations and brings the outside to the checkpoint that the scenario starts from. `held` are the outboxes up to it that were not known to be
    /// committed.
    ///
    /// # Errors
    /// Where the outside cannot be reached, or where output would be lost or doubled.
    pub fn recover(&mut self, start: Option<CheckpointNumber>, held: &BTreeMap<CheckpointNumber, Outboxes>) -> Result<(), EngineError> {
        for (lasting, (name, committer)) in &mut self.sinks {
            let failed = |error| EngineError::Connector { name: name.clone(), error };
            let witness = patiently(|| committer.recover()).map_err(failed)?;
            let numbers: Vec<_> = held.iter().filter(|(_, o)| o.contains_key(lasting)).map(|(n, _)| *n).collect();
            match after_restart(witness, start, &numbers) {
                AfterRestart::Nothing => {}
                AfterRestart::Commit(numbers) => {
                    for number in numbers {
                        let outboxes = held.get(&number).and_then(|o| o.get(lasting)).map_or_else(Vec::new, |o| opened(o));
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

    /// Writes the outboxes of a checkpoint that has been published.
    ///
    /// # Errors
    /// Where the outside goes on refusing.
    pub fn commit(&mut self, number: CheckpointNumber, outboxes: &Outboxes) -> Result<(), EngineError> {
        for (lasting, held) in outboxes {
            let Some((name, committer)) = self.sinks.get_mut(lasting) else { continue };
            let outboxes = opened(held);
            patiently(|| committer.commit(number, &outboxes)).map_err(|error| EngineError::Connector { name: name.clone(), error })?;
        }
        Ok(())
    }

    /// Whether no sink holds anything back.
    pub fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }
}

fn opened(held: &[HeldOutput]) -> Vec<Outbox> {
    held.iter().map(|h| Outbox { bytes: h.bytes.clone(), rows: h.rows, hash: h.hash }).collect()
}

/// Tries again where the operator or time may mend it; an error of the scenario's author stays one.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, ConnectorError>) -> Result<T, ConnectorError> {
    let mut wait = FIRST_RETRY;
    for _ in 1..MAX_COMMIT_TRIES {
        match attempt() {
            Err(error) if error.who == runink_connector_api::WhoActs::Operator => thread::sleep(wait),
            done => return done,
        }
        wait *= 2;
    }
    attempt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(of: &[u64]) -> Vec<CheckpointNumber> {
        of.iter().map(|n| CheckpointNumber(*n)).collect()
    }

    #[test]
    fn each_outbox_goes_out_once_whatever_the_crash_left() {
        let held = numbers(&[7, 5, 6, 8]);
        let start = Some(CheckpointNumber(7));
        let committed = |n| Witness::Committed(CheckpointNumber(n));
        // The crash came before the commit, between two, after the last.
        assert_eq!(after_restart(committed(4), start, &held), AfterRestart::Commit(numbers(&[5, 6, 7])));
        assert_eq!(after_restart(committed(6), start, &held), AfterRestart::Commit(numbers(&[7])));
        assert_eq!(after_restart(committed(7), start, &held), AfterRestart::Nothing);
        assert_eq!(after_restart(Witness::Nothing, start, &held), AfterRestart::Commit(numbers(&[5, 6, 7])));
        assert_eq!(after_restart(Witness::Nothing, None, &[]), AfterRestart::Nothing);
    }

    #[test]
    fn what_would_double_or_lose_rows_is_refused() {
        let start = Some(CheckpointNumber(7));
        let outside = CheckpointNumber(8);
        assert_eq!(after_restart(Witness::Committed(outside), start, &[]), AfterRestart::Ahead { outside });
        assert_eq!(after_restart(Witness::Committed(outside), None, &[]), AfterRestart::Ahead { outside });
        assert_eq!(after_restart(Witness::Unknown, start, &numbers(&[7])), AfterRestart::CannotTell(numbers(&[7])));
        assert_eq!(after_restart(Witness::Unknown, start, &[]), AfterRestart::Nothing);
    }
}
