//! What an output remembers of the checkpoints that it has: a small file beside it. It never expires, so it can always tell.

use crate::error;
use runink_connector_api::{CheckpointNumber, CommitIdentity, ConnectorError, Witness};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

/// The version of the ledger's form.
const VERSION: u32 = 1;

/// The newest checkpoint whose output is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    version: u32,
    scenario: String,
    generation: u64,
    /// None before the first.
    checkpoint: Option<u64>,
    /// How long the output is with it, where it is one file.
    pub(crate) bytes: u64,
}

/// The ledger of one output.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    output: PathBuf,
    identity: CommitIdentity,
    entry: Option<Entry>,
}

impl Ledger {
    /// Of a file: a hidden file beside it.
    pub(crate) fn of_file(output: &Path, identity: CommitIdentity) -> Self {
        let mut name = OsString::from(".");
        name.push(output.file_name().unwrap_or_default());
        name.push(".runink.json");
        Ledger { path: output.with_file_name(name), output: output.to_owned(), identity, entry: None }
    }

    /// Of a folder: a hidden file in it.
    pub(crate) fn of_folder(output: &Path, identity: CommitIdentity) -> Self {
        Ledger { path: output.join(".runink.json"), output: output.to_owned(), identity, entry: None }
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// Where it cannot be read, is another scenario's, or a newer incarnation has taken over.
    pub(crate) fn read(&mut self) -> Result<Option<&Entry>, ConnectorError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == ErrorKind::NotFound => {
                self.entry = None;
                return Ok(None);
            }
            Err(cause) => return Err(error::cannot_read(&self.path, cause)),
        };
        let entry: Entry = serde_json::from_slice(&bytes).map_err(|cause| error::bad_ledger(&self.path, &cause.to_string()))?;
        if entry.version != VERSION {
            return Err(error::bad_ledger(&self.path, &format!("it has version {}", entry.version)));
        }
        if entry.scenario != self.identity.scenario {
            return Err(error::others_output(&self.output, &entry.scenario));
        }
        if entry.generation > self.identity.generation {
            return Err(error::fenced(&self.output, entry.generation, self.identity.generation));
        }
        Ok(Some(self.entry.insert(entry)))
    }

    /// What was read or written last.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        self.entry.as_ref()
    }

    /// The same as a connector says it.
    pub(crate) fn witness(&self) -> Witness {
        let checkpoint = self.entry.as_ref().and_then(|entry| entry.checkpoint);
        checkpoint.map_or(Witness::Nothing, |number| Witness::Committed(CheckpointNumber(number)))
    }

    /// Whether a checkpoint's output is there. Looks again: a newer incarnation may have taken over meanwhile.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn has(&mut self, checkpoint: CheckpointNumber) -> Result<bool, ConnectorError> {
        Ok(self.read()?.is_some_and(|entry| entry.checkpoint >= Some(checkpoint.0)))
    }

    /// The output is ours from now on, and empty: what a crash leaves in it before the first checkpoint can then be told from what somebody else wrote.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(crate) fn begin(&mut self) -> Result<(), ConnectorError> {
        self.put(None, 0)
    }

    /// A checkpoint's output is there, and on the disk.
    ///
    /// # Errors
    /// Where it cannot be written; what was there before stays.
    pub(crate) fn write(&mut self, checkpoint: CheckpointNumber, bytes: u64) -> Result<(), ConnectorError> {
        self.put(Some(checkpoint.0), bytes)
    }

    fn put(&mut self, checkpoint: Option<u64>, bytes: u64) -> Result<(), ConnectorError> {
        let CommitIdentity { scenario, generation } = self.identity.clone();
        let entry = Entry { version: VERSION, scenario, generation, checkpoint, bytes };
        let failed = |cause| error::cannot_write(&self.path, cause);
        let text = serde_json::to_vec(&entry).map_err(|cause| error::bad_ledger(&self.path, &cause.to_string()))?;
        let hidden = self.path.with_extension("json.tmp");
        let mut file = File::create(&hidden).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&hidden, &self.path).map_err(failed)?;
        sync_folder_of(&self.path)?;
        self.entry = Some(entry);
        Ok(())
    }
}

/// A new name is safe only when its folder is on the disk as well.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), ConnectorError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|f| f.sync_all()).map_err(|cause| error::cannot_write(folder, cause))
}
