//! What a running scenario reads: the state as it was set aside last, in files that nobody writes to.
//!
//! Not the database that is written to: that one is thrown away and built anew when a write fails, and it is in the midst of one boundary or another. A view is as of one
//! boundary, and stays open for whoever is reading in it while the next one takes its place.

use crate::{
    StoreError,
    database::{Database, remove},
    layout::{self, Names},
    merge::row_keys,
    read::{Either, rows},
};
use arrow::record_batch::RecordBatch;
use rocksdb::Cache;
use runink_checkpoint::{Boundary, EachRows, Namespace, StateError, StateReader, TableShape};
use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// How many bytes of files are held unpacked for reading, filters and indexes among them; it is beside the memory budget.
const CACHE_BYTES: usize = 64 << 20;

/// The state as of a boundary.
struct View {
    /// `None` where nothing was ever set aside.
    database: Option<Database>,
    names: Names,
    boundary: Boundary,
    /// Where its files are.
    folder: Option<PathBuf>,
}

/// The newest view, for those who read; the writer shows it.
pub(crate) struct Views {
    shown: RwLock<Arc<View>>,
    /// Somebody reads.
    wanted: AtomicBool,
    cache: Cache,
}

impl Views {
    /// Of a scenario that starts from a checkpoint, whose files are there; from nothing where absent.
    pub(crate) fn open(from: Option<(&Path, Names, Boundary)>) -> Result<Self, StoreError> {
        let cache = Cache::new_lru_cache(CACHE_BYTES);
        let view = match from {
            None => View { database: None, names: Names::default(), boundary: Boundary(0), folder: None },
            Some((folder, names, boundary)) => View::open(folder, names, boundary, &cache)?,
        };
        Ok(Views { shown: RwLock::new(Arc::new(view)), wanted: AtomicBool::new(false), cache })
    }

    fn now(&self) -> Arc<View> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl View {
    fn open(folder: &Path, names: Names, boundary: Boundary, cache: &Cache) -> Result<Self, StoreError> {
        Ok(View { database: Some(Database::open_view(folder, cache)?), names, boundary, folder: Some(folder.to_owned()) })
    }
}

/// Shows views, and removes the folders of those that nobody reads in any more.
pub(crate) struct Showing {
    views: Arc<Views>,
    /// Views that others have taken the place of, and may still be read in.
    left: Vec<Arc<View>>,
}

impl Showing {
    pub(crate) fn new(views: Arc<Views>) -> Self {
        Showing { views, left: Vec::new() }
    }

    /// Shows what was set aside in a folder; `before` is the folder that it takes the place of. Where it cannot be opened the view before stays: nothing newer is
    /// taken for written then.
    pub(crate) fn show(&mut self, folder: &Path, names: &Names, boundary: Boundary, before: Option<PathBuf>) {
        let old = self.views.now();
        let new = match self.views.wanted.load(Ordering::SeqCst) {
            false => View { database: None, names: Names::default(), boundary: Boundary(0), folder: None },
            true => match View::open(folder, names.clone(), boundary, &self.views.cache) {
                Ok(view) => view,
                Err(error) => {
                    tracing::warn!(code = error.code(), "state that was written cannot be let go from memory: {error}");
                    return self.leave(before);
                }
            },
        };
        *self.views.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        let kept = before.filter(|folder| old.folder.as_ref() != Some(folder));
        self.left.push(old);
        self.leave(kept);
    }

    /// Removes folders: that one, unless somebody may read in it, and those that nobody reads in any more.
    fn leave(&mut self, folder: Option<PathBuf>) {
        let shown = self.views.now();
        let mut gone: Vec<PathBuf> = folder.into_iter().filter(|folder| shown.folder.as_ref() != Some(folder)).collect();
        self.left.retain(|view| {
            let read = Arc::strong_count(view) > 1;
            gone.extend(view.folder.clone().filter(|_| !read));
            read
        });
        for folder in gone {
            if let Err(error) = remove(&folder) {
                // It only takes room; the next start clears the folder of it.
                tracing::warn!("{error}");
            }
        }
    }
}

/// Reads what a store has written.
pub(crate) struct Reader(Arc<Views>);

impl Reader {
    pub(crate) fn of(views: Arc<Views>) -> Self {
        views.wanted.store(true, Ordering::SeqCst);
        Reader(views)
    }
}

impl StateReader for Reader {
    fn written(&self) -> Boundary {
        self.0.now().boundary
    }

    fn last(&self, node: &str) -> Result<Option<Namespace>, StateError> {
        let view = self.0.now();
        let (Some(database), Some(number)) = (&view.database, view.names.node(node)) else { return Ok(None) };
        let last = database.last(layout::rows_of(number)).map_err(Either::Store)?;
        let namespace = last.map(|key| layout::read_row_key(&key).map(|(namespace, _)| namespace));
        Ok(namespace.transpose().map_err(Either::Store)?)
    }

    fn get(&self, node: &str, shape: &TableShape, keys: &RecordBatch, each: &mut EachRows<'_>) -> Result<(), StateError> {
        let view = self.0.now();
        let (Some(database), Some(number)) = (&view.database, view.names.node(node)) else { return Ok(()) };
        let encoded = row_keys(node, number, shape, keys, 0).map_err(Either::Store)?;
        let mut sorted: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
        sorted.sort_unstable();
        Ok(rows((&view.names, number, node), shape, &(0..u16::MAX), &mut |entry| database.get(&sorted, entry), each)?)
    }

    fn scan(
        &self,
        node: &str,
        shape: &TableShape,
        namespaces: Range<Namespace>,
        groups: Range<u16>,
        each: &mut EachRows<'_>,
    ) -> Result<(), StateError> {
        let view = self.0.now();
        let (Some(database), Some(number)) = (&view.database, view.names.node(node)) else { return Ok(()) };
        if namespaces.is_empty() {
            return Ok(());
        }
        let range = layout::namespaces(number, &namespaces);
        Ok(rows((&view.names, number, node), shape, &groups, &mut |entry| database.scan(range.clone(), entry), each)?)
    }
}
