//! The thread that makes checkpoints: it sees what is, asks the protocol what is to be done, does it, and looks again. It alone touches the database and the
//! snapshot store.

mod steps;

use crate::{
    FailPoint, Settings, StoreError,
    database::Database,
    intake::Intake,
    manifest::{FileEntry, ManifestId},
    merge::Merged,
    objects::Objects,
    open::Opened,
    open::Places,
    protocol::{Action, Facts, Stage, decide, retire::too_old},
    read::Checkpoint,
    status::{Failure, Status},
    view::Showing,
};
use runink_checkpoint::{Boundary, CheckpointNumber, Generation};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many bytes may be merged in memory before they are written without a checkpoint's being due.
const MERGED_BYTES: usize = 64 << 20;

/// The pause after a failure, and how far it grows while failures go on.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What the writer says to others.
pub(crate) struct Board {
    status: Mutex<Status>,
    changed: Condvar,
}

impl Board {
    pub(crate) fn new(status: Status) -> Self {
        Board { status: Mutex::new(status), changed: Condvar::new() }
    }

    pub(crate) fn read(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.read());
        self.changed.notify_all();
    }

    /// No more checkpoints, ever.
    pub(crate) fn ended(&self, error: &StoreError) {
        let failure = Failure::of(error);
        self.write(|s| (s.ended, s.failure) = (true, Some(failure)));
    }

    /// Waits until something is so, or for that long; whether it is.
    pub(crate) fn wait_until(&self, at_most: Duration, so: impl Fn(&Status) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(self.read(), at_most, |s| !so(s));
        let status = waited.unwrap_or_else(PoisonError::into_inner).0;
        so(&status)
    }
}

/// A checkpoint that is to be.
struct Candidate {
    number: CheckpointNumber,
    boundary: Boundary,
    stage: Stage,
    /// Its files, once they are stored.
    files: Vec<FileEntry>,
    /// When its boundary was merged.
    begun: Instant,
    stored_bytes: u64,
    /// The machine's clock when its manifest was first written: a second try writes the same.
    made_at_ms: Option<u64>,
}

/// See the module.
pub(crate) struct Writer {
    settings: Settings,
    intake: Arc<Intake>,
    board: Arc<Board>,
    places: Places,
    objects: Arc<dyn Objects>,
    generation: Generation,
    /// `None` after a failure: then it is built from what was set aside.
    database: Option<Database>,
    merged: Merged,
    merged_to: Option<Boundary>,
    merged_at: Instant,
    /// Which folder has what was set aside last, if anything was.
    aside: Option<(u64, Boundary)>,
    /// Which folders were made: their numbers are not used again.
    asides: u64,
    candidate: Option<Candidate>,
    failed: bool,
    published: Option<Boundary>,
    /// Outboxes up to this number have been told of, or were given back at the start.
    told: CheckpointNumber,
    /// What is read while the scenario runs.
    showing: Showing,
    /// What the dataflow was restored from, until the first checkpoint of this start.
    restored: Option<Arc<Checkpoint>>,
    next_number: CheckpointNumber,
    manifests: BTreeMap<ManifestId, Option<BTreeSet<String>>>,
    /// Files that are durable in the snapshot store.
    there: BTreeSet<String>,
    /// The files of the database that stay as they are, by name: each is hashed once.
    known: BTreeMap<String, FileEntry>,
    /// No more checkpoints, ever: fenced, or what was handed over cannot be stored.
    ended: bool,
    next_at: Instant,
    retry_at: Instant,
    retire_at: Instant,
    failures: u32,
}

impl Writer {
    pub(crate) fn new(settings: Settings, intake: Arc<Intake>, board: Arc<Board>, opened: Opened) -> Self {
        let now = Instant::now();
        let from = opened.restored.as_ref().map(|r| r.manifest().clone());
        // A run that had come to its end goes on with boundaries below the end: they are newer all the same.
        let boundary = from.as_ref().map(|m| if m.boundary == Boundary::END { Boundary(0) } else { m.boundary });
        let files = from.iter().flat_map(|m| &m.files);
        Writer {
            intake,
            board,
            places: opened.places,
            objects: opened.objects,
            generation: opened.generation,
            database: Some(opened.database),
            merged: opened.merged,
            merged_to: boundary,
            merged_at: now,
            aside: boundary.map(|b| (0, b)),
            asides: 0,
            candidate: None,
            failed: false,
            published: boundary,
            showing: Showing::new(opened.views),
            restored: opened.restored,
            told: from.as_ref().map_or(CheckpointNumber(0), |m| m.number),
            next_number: opened.next_number,
            manifests: opened.manifests,
            there: opened.files,
            known: files.filter(|f| crate::database::stays(&f.name)).map(|f| (f.name.clone(), f.clone())).collect(),
            ended: false,
            next_at: now + settings.every,
            retry_at: now,
            retire_at: now,
            failures: 0,
            settings,
        }
    }

    /// Runs until it is stopped.
    pub(crate) fn run(mut self) {
        loop {
            let (stop, complete, savepoint, hurry) = {
                let mut handed = self.intake.lock();
                handed.merged_bytes = self.merged.unsaved.bytes() as u64;
                (handed.stop, handed.complete(), !handed.savepoints.is_empty(), handed.hurry)
            };
            if stop {
                return;
            }
            let now = Instant::now();
            let facts = self.facts(now, complete, savepoint, hurry);
            match decide(&facts) {
                Action::Rest => {
                    if self.ended {
                        self.refuse_savepoints();
                    }
                    // Whatever is paused comes by then; if nothing is, only something new makes a difference.
                    let pauses = [self.next_at, self.retry_at, self.retire_at];
                    self.intake.wait(pauses.iter().filter_map(|at| at.checked_duration_since(now)).filter(|d| !d.is_zero()).min());
                }
                action => self.act(action),
            }
        }
    }

    fn facts(&self, now: Instant, complete: Option<Boundary>, savepoint: bool, hurry: bool) -> Facts {
        let retried = now >= self.retry_at;
        Facts {
            fenced: self.ended,
            database_sound: self.database.is_some(),
            complete,
            merged: self.merged_to,
            set_aside: self.aside.map(|(_, boundary)| boundary),
            published: self.published,
            candidate: self.candidate.as_ref().map(|c| (c.boundary, c.stage)),
            failed: self.failed,
            due: retried && (hurry || savepoint || now >= self.next_at),
            must_write: retried && self.merged.unsaved.bytes() > MERGED_BYTES,
            savepoint,
            too_old: too_old(&self.manifests.keys().copied().collect(), self.generation, self.settings.keep).len(),
            retire_due: now >= self.retire_at,
        }
    }

    fn act(&mut self, action: Action) {
        let done = match action {
            Action::Rest => Ok(()),
            Action::Merge(boundary) => self.merge(boundary),
            Action::Rebuild => self.rebuild(),
            Action::SetAside(boundary) => self.set_aside(boundary),
            Action::Store => self.store(),
            Action::Publish => self.publish(),
            Action::Confirm => self.confirm(),
            Action::Savepoint => self.savepoints(),
            Action::Retire => self.retire(),
        };
        match done {
            Ok(()) => {}
            Err(StoreError::Fenced(fenced)) => {
                tracing::error!(generation = self.generation.0, "{fenced}");
                self.end(&StoreError::Fenced(fenced));
                self.settings.publications.fenced(fenced);
            }
            // Half of it may be merged: nothing that has it may ever be published.
            Err(error) if matches!(action, Action::Merge(_)) => {
                tracing::error!("{error}");
                self.end(&error);
                self.settings.publications.failed(&error.to_string());
            }
            Err(error) => self.later(action, &error),
        }
    }

    fn end(&mut self, error: &StoreError) {
        self.ended = true;
        self.board.ended(error);
        self.refuse_savepoints();
    }

    fn refuse_savepoints(&self) {
        let why = self.board.read().failure.as_ref().map_or(String::new(), |f| f.message.clone());
        for (_, reply) in std::mem::take(&mut self.intake.lock().savepoints) {
            // Whoever asked may have gone.
            let _gone = reply.send(Err(StoreError::Ended(why.clone())));
        }
    }

    /// It is tried again after a pause; the scenario goes on.
    fn later(&mut self, action: Action, error: &StoreError) {
        tracing::warn!(code = error.code(), "a checkpoint is late: {error}");
        self.failures = self.failures.saturating_add(1);
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        let at = Instant::now() + pause;
        if action == Action::Retire {
            self.retire_at = at
        } else {
            self.retry_at = at
        }
        self.failed = self.candidate.is_some();
        let (failure, failures) = (Failure::of(error), self.failures);
        let waiting = self.intake.lock().merged_bytes;
        self.board.write(|s| (s.failure, s.failures, s.bytes_waiting) = (Some(failure), failures, waiting));
    }

    fn at(&self, point: FailPoint) -> Result<(), StoreError> {
        self.settings.probe.at(point).map_err(StoreError::disk(&self.places.root, "written"))
    }
}
