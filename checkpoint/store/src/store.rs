//! The handle of a scenario's checkpoints.

use crate::{
    Settings, StoreError,
    intake::{Intake, SAVEPOINTS_WAITING},
    open::{self, Opened},
    read::Checkpoint,
    status::Status,
    view::{Reader, Views},
    writer::{Board, Writer},
};
use runink_checkpoint::{Captures, CheckpointNumber, CommitPermit, Generation, Publications, StateReader};
use std::{
    fs::File,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

/// Checkpoints of one scenario, open for one process. Dropping it ends the thread that writes them as soon as that has done its present step; [`Store::close`]
/// makes the last checkpoint first.
pub struct Store {
    intake: Arc<Intake>,
    board: Arc<Board>,
    views: Arc<Views>,
    restored: Option<Arc<Checkpoint>>,
    permit: Mutex<Option<CommitPermit>>,
    generation: Generation,
    next_number: CheckpointNumber,
    damaged: Vec<StoreError>,
    writer: Option<JoinHandle<()>>,
    /// Held as long as the writer may write.
    _lock: File,
}

impl Store {
    /// Locks the scenario's folder, begins a generation, and finds the checkpoint to start from.
    ///
    /// # Errors
    /// Where another process has it, the snapshot store cannot be reached, or there are checkpoints and none can be used.
    pub fn open(settings: Settings) -> Result<Self, StoreError> {
        let mut opened = open::open(&settings)?;
        let damaged = std::mem::take(&mut opened.damaged);
        let permit = Mutex::new(opened.permit.take());
        for error in &damaged {
            tracing::warn!(code = error.code(), "{error}; the checkpoint before it is used");
        }
        let Opened { restored, generation, next_number, .. } = &opened;
        let (restored, generation, next_number) = (restored.clone(), *generation, *next_number);
        let lock = opened.lock.try_clone().map_err(StoreError::disk(&opened.places.root, "locked"))?;
        let intake = Arc::new(Intake::default());
        let mut status = Status::new(generation);
        (status.published, status.boundary) = restored.as_ref().map(|r| (r.manifest().number, r.manifest().boundary)).unzip();
        let board = Arc::new(Board::new(status));
        let watch = Watch { board: board.clone(), publications: settings.publications.clone() };
        let views = opened.views.clone();
        let writer = Writer::new(settings, intake.clone(), board.clone(), opened);
        let thread = std::thread::Builder::new().name("checkpoints".to_owned()).spawn(move || {
            let _watch = watch;
            writer.run();
        });
        let thread = thread.map_err(|e| StoreError::Ended(e.to_string()))?;
        Ok(Store { intake, board, views, restored, permit, generation, next_number, damaged, writer: Some(thread), _lock: lock })
    }

    /// Where parts hand over.
    pub fn captures(&self) -> Arc<dyn Captures> {
        self.intake.clone()
    }

    /// What has been written, for tables that leave rows to the store. To be asked for before the scenario starts: else nothing is kept ready for reading.
    pub fn reader(&self) -> Arc<dyn StateReader> {
        Arc::new(Reader::of(self.views.clone()))
    }

    /// What the dataflow starts from; `None` where it starts from nothing. Its rows can be read until the first checkpoint of this start is published: by then all
    /// parts have theirs.
    pub fn restored(&self) -> Option<Arc<Checkpoint>> {
        self.restored.clone()
    }

    /// The right to commit the outboxes of what is restored, as far as the outside does not have them. Given once.
    pub fn take_permit(&self) -> Option<CommitPermit> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Which start of the scenario this is: what sinks fence off older ones by.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The number that the first checkpoint of this start has at least.
    pub fn next_number(&self) -> CheckpointNumber {
        self.next_number
    }

    /// Checkpoints that are newer than the one that is restored and could not be used, each with what is wrong.
    pub fn damaged(&self) -> &[StoreError] {
        &self.damaged
    }

    /// How it goes.
    pub fn status(&self) -> Status {
        let mut status = self.board.read().clone();
        status.bytes_waiting = self.intake.bytes_waiting();
        status
    }

    /// Waits until the status is so, or for that long; whether it is.
    pub fn wait_for(&self, at_most: Duration, so: impl Fn(&Status) -> bool) -> bool {
        self.board.wait_until(at_most, so)
    }

    /// Keeps the newest checkpoint under a name, for ever. Waits until it is written, or for that long; not to be called on a worker's thread.
    ///
    /// # Errors
    /// Where the name is taken or none, or there is no checkpoint by then.
    pub fn savepoint(&self, name: &str, at_most: Duration) -> Result<CheckpointNumber, StoreError> {
        crate::fetch::savepoint_object(name)?;
        let (reply, answer) = crossbeam_channel::bounded(1);
        let mut waiting = true;
        self.intake.tell(|handed| {
            waiting = handed.savepoints.len() < SAVEPOINTS_WAITING;
            if waiting {
                handed.savepoints.push((name.to_owned(), reply));
            }
        });
        let answer = if waiting { answer.recv_timeout(at_most) } else { Err(crossbeam_channel::RecvTimeoutError::Timeout) };
        answer.unwrap_or_else(|_| Err(StoreError::NotPublished { newest: self.board.read().published }))
    }

    /// Publishes the newest complete boundary without a pause, and waits for it, for that long at most.
    ///
    /// # Errors
    /// Where it was not published.
    pub fn flush(&self, at_most: Duration) -> Result<Status, StoreError> {
        self.intake.tell(|handed| handed.hurry = true);
        let complete = self.intake.lock().complete();
        let done = self.board.wait_until(at_most, |s| s.ended || s.reached >= complete);
        let status = self.status();
        self.intake.tell(|handed| handed.hurry = false);
        if done && status.reached >= complete { Ok(status) } else { Err(StoreError::NotPublished { newest: status.published }) }
    }

    /// Makes the last checkpoint and ends.
    ///
    /// # Errors
    /// Where it could not be published in that time.
    pub fn close(mut self, at_most: Duration) -> Result<Status, StoreError> {
        let flushed = self.flush(at_most);
        self.end();
        flushed
    }

    fn end(&mut self) {
        self.intake.tell(|handed| handed.stop = true);
        if let Some(writer) = self.writer.take() {
            // A panic of the thread has been told by its hook; there is nothing to add here.
            let _panicked = writer.join();
        }
    }
}

/// Tells of a panic of the writer's thread: without checkpoints a scenario must not look as if it had them.
struct Watch {
    board: Arc<Board>,
    publications: Arc<dyn Publications>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let error = StoreError::Ended("it panicked".to_owned());
            self.board.ended(&error);
            self.publications.failed(&error.to_string());
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.end();
    }
}
