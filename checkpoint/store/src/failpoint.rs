//! The steps of checkpoints and of recovery, by name: tests kill the process, or let the disk fail, at each of them.

use std::{fmt, io, sync::Arc};

macro_rules! fail_points {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// A step that has just been done, or is about to be where its name says `Before`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FailPoint { $($(#[doc = $doc])+ $name,)+ }

        impl FailPoint {
            /// All of them, in the order in which a process comes by.
            pub const ALL: &'static [FailPoint] = &[$(FailPoint::$name,)+];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(FailPoint::$name => stringify!($name),)+ }
            }
        }
    };
}

fail_points! {
    /// Recovery: the scenario's folder is locked.
    Locked,
    /// Recovery: the new generation is announced.
    GenerationClaimed,
    /// Recovery: the checkpoint to start from is chosen; nothing has been changed.
    CheckpointChosen,
    /// Recovery: a file of it has been fetched.
    FileFetched,
    /// Recovery: the database is there as it was.
    DatabaseFetched,
    /// Recovery: the database is open; the scenario may start.
    DatabaseOpened,
    /// Checkpoint: what was handed over up to a boundary is merged, in memory.
    Merged,
    /// Checkpoint: before changes are written to the database.
    BeforeWrite,
    /// Checkpoint: the changes are in the database's memory.
    Written,
    /// Checkpoint: they are in its files.
    Flushed,
    /// Checkpoint: these files are set aside.
    SetAside,
    /// Checkpoint: before a file goes to the snapshot store.
    BeforeFileStored,
    /// Checkpoint: a file is in the snapshot store.
    FileStored,
    /// Checkpoint: all files are in the snapshot store.
    AllFilesStored,
    /// Checkpoint: the manifest is written under a name that does not count.
    ManifestHalfStored,
    /// Checkpoint: the manifest is there. The checkpoint exists.
    ManifestStored,
    /// Checkpoint: no newer generation was seen after that. Outboxes may be committed.
    Confirmed,
    /// Checkpoint: whoever commits has been told.
    Told,
    /// A savepoint has been written.
    SavepointStored,
    /// Retiring: an old manifest is deleted.
    ManifestDeleted,
    /// Retiring: a file that nothing needs is deleted.
    FileDeleted,
}

/// What is done at fail points: nothing, unless a test says otherwise. An error is taken as one of the disk.
#[derive(Clone, Default)]
pub struct Probe(Option<Arc<dyn Fn(FailPoint) -> io::Result<()> + Send + Sync>>);

impl Probe {
    /// Calls this at each point.
    pub fn new(at: impl Fn(FailPoint) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Probe(Some(Arc::new(at)))
    }

    pub(crate) fn at(&self, point: FailPoint) -> io::Result<()> {
        match &self.0 {
            Some(at) => at(point),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Probe(set)" } else { "Probe" })
    }
}
