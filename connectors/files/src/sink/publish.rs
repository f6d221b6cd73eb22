//! From half-written to there: files are written beside their target under a hidden name, and all get their names when the last writer is done.

use crate::error;
use runink_connector_api::ConnectorError;
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// A file under its hidden name. Dropping it removes it, unless it was published.
#[derive(Debug)]
pub(crate) struct Staged {
    hidden: PathBuf,
    target: PathBuf,
    published: bool,
}

/// Makes hidden names of one process differ.
static STAGED: AtomicU64 = AtomicU64::new(0);

/// The hidden files that this process has not published yet.
static INCOMPLETE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn incomplete() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // It is whole after every statement.
    INCOMPLETE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the files that are not complete, for a process that ends at once and drops nothing. No file can be begun after it: whoever tries waits for
/// the process's end.
pub fn remove_incomplete() {
    let files = incomplete();
    for file in files.iter() {
        // Nobody is left to tell; the name says what it is.
        let _ = std::fs::remove_file(file);
    }
    std::mem::forget(files);
}

impl Staged {
    /// Creates the file, in the target's folder: a rename does not cross file systems.
    pub(crate) fn create(target: &Path) -> Result<(Self, File), ConnectorError> {
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}-{}.tmp", std::process::id(), STAGED.fetch_add(1, Ordering::Relaxed)));
        let hidden = target.with_file_name(name);
        let file = {
            let mut files = incomplete();
            let file = OpenOptions::new().write(true).create_new(true).open(&hidden).map_err(|cause| error::cannot_write(target, cause))?;
            files.insert(hidden.clone());
            file
        };
        let staged = Staged { hidden, target: target.to_owned(), published: false };
        if let Ok(old) = std::fs::metadata(target) {
            file.set_permissions(old.permissions()).map_err(|cause| error::cannot_write(target, cause))?;
        }
        Ok((staged, file))
    }

    /// Leaves the file under its hidden name, for whoever publishes it later: the hidden and the final name.
    pub(crate) fn leave(mut self) -> (PathBuf, PathBuf) {
        self.published = true;
        (self.hidden.clone(), self.target.clone())
    }

    fn publish(&mut self) -> Result<(), ConnectorError> {
        std::fs::rename(&self.hidden, &self.target).map_err(|cause| error::cannot_write(&self.target, cause))?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            // Nothing can be done where even that is refused; the name says what it is.
            let _ = std::fs::remove_file(&self.hidden);
        }
        incomplete().remove(&self.hidden);
    }
}

/// A target that is one sink's alone: two would write over each other.
#[derive(Debug)]
pub(crate) struct Claim(PathBuf);

/// The targets that are claimed in this process.
static CLAIMED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

impl Claim {
    /// Claims a target whose folder is there.
    pub(crate) fn of(target: &Path) -> Result<Self, ConnectorError> {
        let whole = match (target.canonicalize(), target.parent(), target.file_name()) {
            (Ok(whole), ..) => whole,
            (_, Some(folder), Some(name)) => folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).join(name),
            _ => target.to_owned(),
        };
        if CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).insert(whole.clone()) {
            Ok(Claim(whole))
        } else {
            Err(error::two_sinks(target))
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// What one sink will show. All writers share it.
pub(crate) struct Publication {
    /// What is left of an earlier run is removed in here.
    folder: Option<PartsFolder>,
    state: Mutex<State>,
}

struct PartsFolder {
    path: PathBuf,
    /// How many levels of partition folders it has.
    levels: usize,
    /// Of part names.
    ending: String,
}

#[derive(Default)]
struct State {
    writers: usize,
    done: usize,
    staged: Vec<Staged>,
    /// Folders that were made for parts.
    made: Vec<PathBuf>,
    published: bool,
    /// Held until everything is published, or given up.
    claim: Option<Claim>,
}

impl Publication {
    /// For a file.
    pub(crate) fn of_file(path: &Path) -> Result<Self, ConnectorError> {
        Ok(Self::with(None, Some(Claim::of(path)?)))
    }

    /// For parts in a folder that is there.
    pub(crate) fn of_folder(path: PathBuf, levels: usize, ending: String) -> Result<Self, ConnectorError> {
        let claim = Claim::of(&path)?;
        Ok(Self::with(Some(PartsFolder { path, levels, ending }), Some(claim)))
    }

    /// For what shows at once what it gets.
    pub(crate) fn of_nothing() -> Self {
        Self::with(None, None)
    }

    fn with(folder: Option<PartsFolder>, claim: Option<Claim>) -> Self {
        Publication { folder, state: Mutex::new(State { claim, ..State::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // It is whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more writer.
    pub(crate) fn join(&self) {
        self.state().writers += 1;
    }

    /// Makes a folder for parts; it is removed if nothing is ever published.
    pub(crate) fn make_folder(&self, path: &Path) -> Result<(), ConnectorError> {
        let mut missing: Vec<&Path> = path.ancestors().take_while(|p| !p.exists()).collect();
        missing.reverse();
        self.state().made.extend(missing.into_iter().map(Path::to_owned));
        std::fs::create_dir_all(path).map_err(|cause| error::cannot_write(path, cause))
    }

    /// A writer's files are complete. The last writer publishes them all.
    pub(crate) fn writer_done(&self, files: Vec<Staged>) -> Result<(), ConnectorError> {
        let mut state = self.state();
        state.staged.extend(files);
        state.done += 1;
        if state.done < state.writers {
            return Ok(());
        }
        state.published = true;
        let _claim = state.claim.take();
        let mut staged = std::mem::take(&mut state.staged);
        let mut folders = BTreeSet::new();
        for file in &mut staged {
            file.publish()?;
            folders.extend(file.target.parent().map(Path::to_owned));
        }
        if let Some(folder) = &self.folder {
            let new: BTreeSet<&Path> = staged.iter().map(|s| s.target.as_path()).collect();
            remove_old_parts(&folder.path, folder.levels, &folder.ending, &new)?;
            folders.insert(folder.path.clone());
        }
        // A new name is safe only when its folder is on the disk as well.
        for folder in folders {
            let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { folder.as_path() };
            File::open(shown).and_then(|f| f.sync_all()).map_err(|cause| error::cannot_write(shown, cause))?;
        }
        Ok(())
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.staged.clear();
        if !state.published {
            for folder in state.made.iter().rev() {
                // One that somebody else has put something in stays.
                let _ = std::fs::remove_dir(folder);
            }
        }
    }
}

/// Removes parts that an earlier run has written and this one has not: files of exactly the names that this sink gives.
fn remove_old_parts(folder: &Path, levels: usize, ending: &str, new: &BTreeSet<&Path>) -> Result<(), ConnectorError> {
    let failed = |cause| error::cannot_write(folder, cause);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        if levels > 0 {
            if name.contains('=') && path.is_dir() {
                remove_old_parts(&path, levels - 1, ending, new)?;
            }
        } else if is_part_name(name, ending) && !new.contains(path.as_path()) {
            std::fs::remove_file(&path).map_err(|cause| error::cannot_write(&path, cause))?;
        }
    }
    Ok(())
}

/// The name of a worker's n-th part.
pub(crate) fn part_name(worker: usize, number: usize, ending: &str) -> String {
    format!("part-{worker}-{number}.{ending}")
}

/// The same where parts of many runs lie side by side: each run has its own names.
pub(crate) fn part_name_of_run(run: &str, worker: usize, number: usize, ending: &str) -> String {
    format!("part-{run}-{worker}-{number}.{ending}")
}

fn is_part_name(name: &str, ending: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    name.strip_prefix("part-")
        .and_then(|rest| rest.strip_suffix(ending)?.strip_suffix('.')?.split_once('-'))
        .is_some_and(|(worker, number)| digits(worker) && digits(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_part_names() {
        assert!(is_part_name(&part_name(3, 12, "json.gz"), "json.gz"));
        for other in
            ["part-3-12.json", "part-3.json.gz", "part-3-12.json.gz.bak", "part-a-1.json.gz", "my-part-1-2.json.gz", "part--1.json.gz"]
        {
            assert!(!is_part_name(other, "json.gz"), "{other}");
        }
    }
}
