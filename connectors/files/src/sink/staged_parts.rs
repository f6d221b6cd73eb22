//! Parts of a folder that get their names with their checkpoint: written and made durable under hidden names first.

use super::ledger::{Ledger, sync_folder_of};
use crate::error;
use runink_connector_api::{CheckpointNumber, CommitIdentity, Committer, ConnectorError, Outbox, Witness};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The version of an outbox's form: this byte, then pairs of names (hidden, final) as JSON, relative to the folder.
const VERSION: u8 = 1;

/// The outbox of parts.
pub(crate) fn outbox(folder: &Path, parts: &[(PathBuf, PathBuf)], rows: u64) -> Result<Outbox, ConnectorError> {
    let relative = |path: &PathBuf| path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned();
    let names: Vec<(String, String)> = parts.iter().map(|(hidden, target)| (relative(hidden), relative(target))).collect();
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, &names).map_err(|_| error::bad_outbox())?;
    // What its rows are is in the parts; they are not held as bytes here.
    Ok(Outbox { bytes, rows, hash: 0 })
}

fn opened(outbox: &Outbox) -> Result<Vec<(String, String)>, ConnectorError> {
    match outbox.bytes.split_first() {
        Some((&VERSION, names)) => serde_json::from_slice(names).map_err(|_| error::bad_outbox()),
        _ => Err(error::bad_outbox()),
    }
}

/// Gives parts their names.
pub(crate) struct FolderCommitter {
    folder: PathBuf,
    levels: usize,
    ending: String,
    ledger: Ledger,
    /// Hidden parts that an earlier incarnation left. Those that its last checkpoints hold are renamed first; the rest belongs to none.
    left_over: BTreeSet<PathBuf>,
}

impl FolderCommitter {
    pub(crate) fn new(folder: &Path, levels: usize, ending: &str, identity: CommitIdentity) -> Self {
        FolderCommitter {
            folder: folder.to_owned(),
            levels,
            ending: ending.to_owned(),
            ledger: Ledger::of_folder(folder, identity),
            left_over: BTreeSet::new(),
        }
    }
}

impl Committer for FolderCommitter {
    fn recover(&mut self) -> Result<Witness, ConnectorError> {
        self.ledger.read()?;
        self.left_over.clear();
        hidden_parts(&self.folder, self.levels, &self.ending, &mut self.left_over)?;
        Ok(self.ledger.witness())
    }

    fn commit(&mut self, checkpoint: CheckpointNumber, outboxes: &[Outbox]) -> Result<(), ConnectorError> {
        if self.ledger.has(checkpoint)? {
            return Ok(());
        }
        let mut folders = BTreeSet::new();
        let mut of_before = false;
        for outbox in outboxes {
            for (hidden, target) in opened(outbox)? {
                let (hidden, target) = (self.folder.join(hidden), self.folder.join(target));
                of_before |= self.left_over.remove(&hidden);
                match fs::rename(&hidden, &target) {
                    Ok(()) => {}
                    // A crash came between the rename and the ledger.
                    Err(_) if target.exists() && !hidden.exists() => {}
                    Err(cause) => return Err(error::cannot_write(&target, cause)),
                }
                folders.insert(target);
            }
        }
        folders.iter().try_for_each(|target| sync_folder_of(target))?;
        self.ledger.write(checkpoint, 0)?;
        if !of_before {
            for hidden in std::mem::take(&mut self.left_over) {
                // Its name says what it is, should that be refused.
                let _ = fs::remove_file(hidden);
            }
        }
        Ok(())
    }
}

/// Hidden names that this sink gives: `.part-….<ending>.….tmp`.
fn hidden_parts(folder: &Path, levels: usize, ending: &str, found: &mut BTreeSet<PathBuf>) -> Result<(), ConnectorError> {
    let failed = |cause| error::cannot_read(folder, cause);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        if levels > 0 {
            if name.contains('=') && path.is_dir() {
                hidden_parts(&path, levels - 1, ending, found)?;
            }
        } else if name.starts_with(".part-") && name.ends_with(".tmp") && name.contains(&format!(".{ending}.")) {
            found.insert(path);
        }
    }
    Ok(())
}
