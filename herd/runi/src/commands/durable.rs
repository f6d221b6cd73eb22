//! `runi run --state`: a scenario that makes checkpoints, and goes on where it stopped.

use crate::{Exit, cli::Keep, screen::Screen};
use runink_checkpoint::{Cadence, CheckpointNumber, Restored};
use runink_connector_api::CommitIdentity;
use runink_engine::{
    Checkpointing, Commits, Committing, EPOCHS_PER_INTERVAL, EngineError, MemoryBudget, ScenarioHandle, ScenarioSpec, lasting_names,
};
use runink_store::{Actor, Checkpoint, Failure, From as Start, Settings, Store, StoreError};
use std::{path::Path, sync::Arc, thread::JoinHandle, time::Duration};

/// How long the last checkpoint may take when a scenario has ended.
const LAST_CHECKPOINT: Duration = Duration::from_secs(60);

/// The checkpoints of one scenario that runs.
pub(crate) struct Durable {
    title: String,
    store: Store,
    committing: Arc<Committing>,
    thread: JoinHandle<()>,
    /// What was said of a late checkpoint.
    told: Option<Failure>,
    /// It was said that output waits, and why: the outside had not answered at all, or had refused.
    told_of_output: Option<bool>,
    /// What was said of sources whose place the outside does not know.
    unheard: Option<String>,
}

impl Durable {
    /// Opens the store, brings the outside up to the checkpoint that the scenario starts from, and lets the spec make checkpoints.
    pub(crate) fn open(keep: &Keep, folder: &Path, title: &str, spec: &mut ScenarioSpec, screen: &Screen) -> Result<Self, Exit> {
        let committing = Committing::new();
        let mut settings = Settings::new(folder, title, committing.clone());
        settings.key_groups = spec.settings.key_groups;
        settings.snapshots.clone_from(&keep.snapshots);
        settings.every = keep.checkpoint_every.unwrap_or(Settings::EVERY);
        settings.keep = keep.keep.map_or(Settings::KEEP, usize::from);
        settings.from = match &keep.from {
            None => Start::Newest,
            Some(from) => from.parse().map_or_else(|_| Start::Savepoint(from.clone()), |n| Start::Number(CheckpointNumber(n))),
        };
        let store = Store::open(settings).map_err(|e| stopped_store(&e, screen))?;
        for damaged in store.damaged() {
            screen.warning(&format!("{title}: {damaged}"), "the checkpoint before it is used");
        }
        let restored = store.restored();
        if let Some(checkpoint) = &restored {
            tell_start(title, checkpoint, spec, screen)?;
        }
        let identity = CommitIdentity { scenario: title.to_owned(), generation: store.generation().0 };
        let failed = |e: EngineError| stopped(&e, screen);
        let mut commits = Commits::open(spec, &identity).map_err(failed)?;
        let permit = store.take_permit();
        let start = restored.as_ref().map(|r| &**r as &dyn Restored).zip(permit.as_ref());
        commits.recover(start).map_err(failed)?;
        let thread = committing.start(commits, store.captures()).map_err(failed)?;
        spec.checkpoints = Some(Checkpointing {
            cadence: Cadence(EPOCHS_PER_INTERVAL),
            captures: store.captures(),
            restored: restored.map(|r| r as Arc<dyn Restored>),
            stalls: None,
            reader: Some(store.reader()),
            budget: keep.memory_budget.map(|bytes| Arc::new(MemoryBudget::new(bytes))),
        });
        Ok(Durable { title: title.to_owned(), store, committing, thread, told: None, told_of_output: None, unheard: None })
    }

    /// The scenario runs: it stops if its output cannot be committed.
    pub(crate) fn runs(&self, handle: &ScenarioHandle) {
        self.committing.stops(handle);
    }

    /// Says when checkpoints or their output are late, once for each reason. The scenario goes on.
    pub(crate) fn look(&mut self, screen: &Screen) {
        let late = self.committing.late();
        let tell = late.as_ref().map(|late| late.why.is_some());
        match &late {
            Some(late) if tell != self.told_of_output => {
                let why = late.why.as_ref().map_or_else(|| "the outside does not answer".to_owned(), Clone::clone);
                screen.warning(
                    &format!("{}: output has been waiting for {} s: {why}", self.title, late.waits.as_secs()),
                    "the scenario goes on, and what waits goes out as soon as it can; nothing of it is lost",
                );
            }
            None if self.told_of_output.is_some() => screen.note(&format!("{}: output goes out again", self.title)),
            _ => {}
        }
        self.told_of_output = tell;
        let failure = self.store.status().failure;
        if let Some(failure) = failure.as_ref().filter(|_| failure != self.told) {
            screen.warning(&format!("{}: the checkpoint is late: {}", self.title, failure.message), failure.hint);
        }
        self.told = failure;
        let unheard = self.committing.unheard();
        if let Some((message, hint)) = unheard.as_ref().filter(|(message, _)| self.unheard.as_ref() != Some(message)) {
            screen.warning(&format!("{}: {message}", self.title), hint.as_deref().unwrap_or_default());
        }
        self.unheard = unheard.map(|(message, _)| message);
    }

    /// The scenario has ended well: makes the last checkpoint, and sees its output out.
    pub(crate) fn finish(self, screen: &Screen) -> Result<(), Exit> {
        let Durable { store, committing, thread, .. } = self;
        let flushed = store.flush(LAST_CHECKPOINT);
        let committed = committing.finish();
        // It has nothing left to do.
        let _ended = thread.join();
        let closed = store.close(LAST_CHECKPOINT);
        flushed.and(closed).map_err(|e| stopped_store(&e, screen))?;
        committed.map_err(|e| stopped(&e, screen))
    }
}

/// Says from where the scenario goes on, and what of its state fits no step any more, or is new.
fn tell_start(title: &str, checkpoint: &Checkpoint, spec: &ScenarioSpec, screen: &Screen) -> Result<(), Exit> {
    let tables = checkpoint.tables().map_err(|e| {
        screen.error(&format!("{title}: {e}"), Some("try an older checkpoint with `--from`"));
        Exit::Operator
    })?;
    let names: Vec<Arc<str>> = lasting_names(&spec.plan).into_iter().flatten().collect();
    let gone: Vec<&str> = tables.iter().map(|(node, _)| &**node).filter(|node| !names.iter().any(|n| &**n == *node)).collect();
    screen.note(&format!("{title}: goes on from checkpoint {}", checkpoint.number()));
    if !gone.is_empty() {
        screen.warning(
            &format!("{title}: the checkpoint has state that no step takes: {}", gone.join(", ")),
            "a step keeps its state by its name; give it the old name to keep it",
        );
    }
    Ok(())
}

fn stopped(error: &EngineError, screen: &Screen) -> Exit {
    screen.error(&error.to_string(), error.hint().as_deref());
    Exit::from(error.who())
}

fn stopped_store(error: &StoreError, screen: &Screen) -> Exit {
    screen.error(&error.to_string(), Some(error.hint()));
    match error.actor() {
        Actor::User => Exit::User,
        Actor::Operator => Exit::Operator,
        Actor::Developer => Exit::Bug,
    }
}
