//! Checkpoints in memory that one can wait for: how tests and examples let a scenario crash and go on, on whatever number of workers.

use crate::{Checkpointing, EngineError, Epoch, MemoryBudget, ScenarioHandle, checkpoints::not_restored};
use runink_checkpoint::{Boundary, Cadence, Fenced, MemoryStore, Publications, Published, StateError};
use std::{
    num::NonZeroU64,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// How often it is looked whether the scenario still runs that a checkpoint is awaited of.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A place between every two epochs at which a scenario can be taken up again.
pub struct MemoryCheckpoints {
    store: Arc<MemoryStore>,
    newest: Arc<Newest>,
    checkpointing: Checkpointing,
}

/// The newest boundary of which there is a checkpoint.
#[derive(Default)]
struct Newest {
    boundary: Mutex<Boundary>,
    moved: Condvar,
}

impl Publications for Newest {
    fn published(&self, published: Published) {
        let mut boundary = self.boundary.lock().unwrap_or_else(PoisonError::into_inner);
        *boundary = published.boundary.max(*boundary);
        self.moved.notify_all();
    }

    /// No other process reaches a store in memory.
    fn fenced(&self, _: Fenced) {}

    /// [`MemoryStore::newest`] says it to whoever waits.
    fn failed(&self, _: &str) {}
}

impl MemoryCheckpoints {
    /// None yet: for a scenario that starts from nothing.
    pub fn new() -> Self {
        MemoryCheckpoints::of(MemoryStore::new(), None)
    }

    fn of(store: MemoryStore, restored: Option<Arc<dyn runink_checkpoint::Restored>>) -> Self {
        let newest = Arc::new(Newest::default());
        let store = Arc::new(store.telling(newest.clone()));
        let cadence = Cadence(NonZeroU64::MIN);
        // What was captured is let go at once: whoever is tested with these is tested with state that is not in memory.
        let budget = Some(Arc::new(MemoryBudget::new(0)));
        let checkpointing = Checkpointing { cadence, captures: store.clone(), restored, stalls: None, reader: Some(store.clone()), budget };
        MemoryCheckpoints { checkpointing, store, newest }
    }

    /// What a scenario's spec takes.
    pub fn checkpointing(&self) -> Checkpointing {
        self.checkpointing.clone()
    }

    /// Waits until an epoch counts at a checkpoint; `false` where the scenario has ended without it.
    ///
    /// # Errors
    /// Where what was handed over cannot be put together.
    pub fn wait_for(&self, epoch: Epoch, scenario: &ScenarioHandle) -> Result<bool, EngineError> {
        let wanted = self.checkpointing.cadence.after(epoch);
        loop {
            {
                let boundary = self.newest.boundary.lock().unwrap_or_else(PoisonError::into_inner);
                let short = |boundary: &mut Boundary| *boundary < wanted;
                let waited = self.newest.moved.wait_timeout_while(boundary, LOOK_AGAIN, short);
                if *waited.unwrap_or_else(PoisonError::into_inner).0 >= wanted {
                    return Ok(true);
                }
            }
            // Not under the lock: the store tells of checkpoints under its own.
            self.store.newest().map_err(|e| not_restored("checkpoints", e))?;
            if scenario.has_ended() {
                return Ok(false);
            }
        }
    }

    /// The checkpoints of the next incarnation, which goes on from the newest of these.
    ///
    /// # Errors
    /// Where what was handed over cannot be put together, or nothing was.
    pub fn next(&self) -> Result<Self, EngineError> {
        let next = || {
            let newest = self.store.newest()?.ok_or_else(|| StateError::Operator("there is none to go on from".into()))?;
            Ok(MemoryCheckpoints::of(MemoryStore::from_checkpoint(&newest)?, Some(newest)))
        };
        next().map_err(|e| not_restored("checkpoints", e))
    }
}

impl Default for MemoryCheckpoints {
    fn default() -> Self {
        MemoryCheckpoints::new()
    }
}
