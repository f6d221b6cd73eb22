//! Snapshots in a folder of this machine. What is new is written under a name that does not count (it begins with a point), made durable, and then linked to
//! its name, which fails where the name is taken.

use super::{Objects, Put};
use crate::{FailPoint, Probe, StoreError, database::stays};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// See the module.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    probe: Probe,
    written: AtomicU64,
}

/// The folders of a store.
const FOLDERS: &[&str] = &["files", "generations", "manifests", "savepoints"];

impl Folder {
    /// Opens it; makes it where it is not there.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn open(root: &Path, probe: &Probe) -> Result<Self, StoreError> {
        for folder in FOLDERS {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(StoreError::disk(&path, "made"))?;
        }
        sync_folder(root)?;
        Ok(Folder { root: root.to_owned(), probe: probe.clone(), written: AtomicU64::new(0) })
    }

    /// What a process that was killed has left half-written. Only who has the scenario to himself may call it.
    pub(crate) fn remove_leftovers(root: &Path) -> Result<(), StoreError> {
        for folder in FOLDERS {
            let path = root.join(folder);
            for name in names(&path)?.into_iter().filter(|n| n.starts_with('.')) {
                let file = path.join(name);
                fs::remove_file(&file).map_err(StoreError::disk(&file, "removed"))?;
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A name in the same folder that does not count.
    fn aside(&self, path: &Path) -> PathBuf {
        let n = self.written.fetch_add(1, Ordering::Relaxed);
        path.with_file_name(format!(".{}-{n}", std::process::id()))
    }
}

/// Makes a folder's entries durable.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|f| f.sync_all()).map_err(StoreError::disk(path, "made durable"))
}

fn names(path: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(StoreError::disk(path, "read"))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(StoreError::disk(path, "read"))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Links a finished file to its name.
fn link(from: &Path, to: &Path) -> Result<Put, StoreError> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(Put::Done),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Put::Taken),
        Err(error) => Err(StoreError::disk(to, "written")(error)),
    }
}

impl Objects for Folder {
    fn url(&self) -> String {
        self.root.display().to_string()
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<Put, StoreError> {
        let path = self.path(name);
        let aside = self.aside(&path);
        let write = || -> io::Result<()> {
            let mut file = File::create(&aside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            if name.starts_with("manifests/") { self.probe.at(FailPoint::ManifestHalfStored) } else { Ok(()) }
        };
        let linked = write().map_err(StoreError::disk(&aside, "written")).and_then(|()| link(&aside, &path));
        // It counts for nothing: where it cannot be removed now, the next start does.
        let _left = fs::remove_file(&aside);
        if let Some(folder) = path.parent() {
            sync_folder(folder)?;
        }
        linked
    }

    fn put_file(&self, name: &str, from: &Path) -> Result<(), StoreError> {
        let path = self.path(name);
        let shared = from.file_name().is_some_and(|n| stays(&n.to_string_lossy())) && fs::hard_link(from, &path).is_ok();
        if shared || path.exists() {
            return Ok(());
        }
        // Another file system, or a file that its owner goes on writing.
        let aside = self.aside(&path);
        let copy = || fs::copy(from, &aside).and_then(|_| File::open(&aside)).and_then(|f| f.sync_all());
        let linked = copy().map_err(StoreError::disk(&aside, "written")).and_then(|()| link(&aside, &path));
        let _left = fs::remove_file(&aside);
        linked.map(|_| ())
    }

    fn sync(&self) -> Result<(), StoreError> {
        sync_folder(&self.root.join("files"))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::disk(path, "read")(error)),
        }
    }

    fn fetch(&self, name: &str, to: &Path) -> Result<bool, StoreError> {
        let path = self.path(name);
        if stays(&to.to_string_lossy()) && fs::hard_link(&path, to).is_ok() {
            return Ok(true);
        }
        match fs::copy(&path, to) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => Ok(false),
            Err(error) => Err(StoreError::disk(to, "written")(error)),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let mut names = names(&self.path(folder))?;
        names.retain(|n| !n.starts_with('.'));
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::disk(path, "removed")(error)),
            _ => Ok(()),
        }
    }
}
