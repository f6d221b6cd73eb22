//! Where snapshots lie: a folder, or a store of objects. Names have slashes, contents never change once they are there.

mod folder;
mod remote;

pub use folder::Folder;
pub use remote::Remote;

use crate::{Probe, StoreError};
use std::{path::Path, sync::Arc};

/// What became of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is there now, durable.
    Done,
    /// Something of that name was there before, and stays.
    Taken,
}

/// A store of snapshots. Calls may take as long as a request takes; they are made on the store's own thread.
pub trait Objects: Send + Sync {
    /// What errors call it.
    fn url(&self) -> String;

    /// Puts an object of a new name: all of it durable, or nothing under that name.
    ///
    /// # Errors
    /// Where it cannot be stored; it may be there all the same.
    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<Put, StoreError>;

    /// Puts a file whose name says its contents: one that is there is the same.
    ///
    /// # Errors
    /// Where it cannot be stored.
    fn put_file(&self, name: &str, from: &Path) -> Result<(), StoreError>;

    /// All files that were put are durable after this. Called before a manifest names them.
    ///
    /// # Errors
    /// Where the disk refuses.
    fn sync(&self) -> Result<(), StoreError>;

    /// An object's contents, if it is there.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Brings an object into a file that is not there yet; `false` where there is no such object. The file must not be changed afterwards: it may be shared.
    ///
    /// # Errors
    /// Where it cannot be read or written.
    fn fetch(&self, name: &str, to: &Path) -> Result<bool, StoreError>;

    /// The names in a folder, without it, in order.
    ///
    /// # Errors
    /// Where they cannot be listed.
    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError>;

    /// Deletes an object, if it is there.
    ///
    /// # Errors
    /// Where it cannot be deleted.
    fn delete(&self, name: &str) -> Result<(), StoreError>;
}

/// The store of that address: a folder's path, or a URL.
///
/// # Errors
/// Where the address is none, or the folder cannot be made.
pub fn open(url: &str, scenario_folder: &str, probe: &Probe) -> Result<Arc<dyn Objects>, StoreError> {
    match url.split_once("://") {
        None => Ok(Arc::new(Folder::open(&Path::new(url).join(scenario_folder), probe)?)),
        Some(("file", path)) if path.starts_with('/') => Ok(Arc::new(Folder::open(&Path::new(path).join(scenario_folder), probe)?)),
        Some(_) => Ok(Arc::new(Remote::open(url, scenario_folder)?)),
    }
}
