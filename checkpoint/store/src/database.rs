//! The working copy of a scenario's state in RocksDB: written by one thread, without a log of its own. What it has is only worth something as of the last
//! [`Database::set_aside`]: after a failure it is thrown away and built from there again.

use crate::{FailPoint, Probe, StoreError, unsaved::Unsaved};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRawIterator, FlushOptions, Options, ReadOptions,
    WriteOptions, checkpoint::Checkpoint,
};
use std::{fs, io, ops::Range, path::Path};

/// How many bytes one write to the database has at most (about).
const BATCH_BYTES: usize = 4 << 20;

/// The database's own buffer: larger than what an interval mostly changes, so that a checkpoint writes one file.
const BUFFER_BYTES: usize = 64 << 20;

/// How large its files grow: small enough that a compaction sends little that is unchanged to the snapshot store again.
const FILE_BYTES: u64 = 16 << 20;

/// How large its list of files grows before it begins a new one; each checkpoint stores it anew.
const LIST_BYTES: usize = 256 << 10;

/// How many fresh files gather before they are merged.
const FRESH_FILES: i32 = 8;

/// Bits of the filters that tell which keys a file does not have, for each key: one key in a hundred is looked for in vain.
const FILTER_BITS: f64 = 10.0;

/// How many files of what is read while a scenario runs are open at most.
const OPEN_FILES: i32 = 512;

fn blocks() -> BlockBasedOptions {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_bloom_filter(FILTER_BITS, false);
    blocks
}

fn options() -> Options {
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks());
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(BUFFER_BYTES);
    options.set_target_file_size_base(FILE_BYTES);
    options.set_max_manifest_file_size(LIST_BYTES);
    options.set_level_zero_file_num_compaction_trigger(FRESH_FILES);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_max_background_jobs(2);
    options.set_keep_log_file_num(1);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// What RocksDB said, as an error that names who must act. A full disk is told as such, so that its hint is.
pub(crate) fn failed(what: &'static str, path: &Path) -> impl FnOnce(rocksdb::Error) -> StoreError {
    let path = path.to_owned();
    move |error| {
        let message = error.into_string();
        if message.contains("No space left") {
            return StoreError::Disk { path, what: "written", source: io::Error::new(io::ErrorKind::StorageFull, message) };
        }
        if message.starts_with("Corruption") {
            return StoreError::damaged(format!("the database `{}`", path.display()), message);
        }
        StoreError::Database { what, message }
    }
}

/// A database that is open, for reading and writing or for reading alone.
pub(crate) struct Database {
    db: DB,
    path: std::path::PathBuf,
}

impl Database {
    /// Opens it, or makes an empty one.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let db = DB::open(&options(), path).map_err(failed("opening", path))?;
        Ok(Database { db, path: path.to_owned() })
    }

    /// Opens it for reading.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let mut options = options();
        options.create_if_missing(false);
        let db = DB::open_for_read_only(&options, path, false).map_err(failed("opening", path))?;
        Ok(Database { db, path: path.to_owned() })
    }

    /// Opens what was set aside, for looking up keys while a scenario runs. Filters and indexes are read when they are needed, into the cache: opening costs little however
    /// much there is.
    pub(crate) fn open_view(path: &Path, cache: &Cache) -> Result<Self, StoreError> {
        let mut options = options();
        options.create_if_missing(false);
        options.set_max_open_files(OPEN_FILES);
        let mut blocks = blocks();
        blocks.set_block_cache(cache);
        blocks.set_cache_index_and_filter_blocks(true);
        options.set_block_based_table_factory(&blocks);
        // By its name, so that keys can be looked up together.
        let all = ColumnFamilyDescriptor::new(ALL, options.clone());
        let db = DB::open_cf_descriptors_read_only(&options, path, [all], false).map_err(failed("opening", path))?;
        Ok(Database { db, path: path.to_owned() })
    }

    /// The last key of a range.
    pub(crate) fn last(&self, range: Range<Vec<u8>>) -> Result<Option<Vec<u8>>, StoreError> {
        let mut entries = self.entries(range);
        entries.entries.seek_to_last();
        Ok(entries.here()?.map(|(key, _)| key.to_vec()))
    }

    /// Calls with each of the keys that is there, and its value. Keys come in ascending order.
    pub(crate) fn get(&self, keys: &[&[u8]], each: &mut Each<'_>) -> Result<(), StoreError> {
        let all = self
            .db
            .cf_handle(ALL)
            .ok_or(StoreError::Database { what: "reading", message: "it is not open for looking up keys".to_owned() })?;
        for some in keys.chunks(KEYS_AT_ONCE) {
            let values = self.db.batched_multi_get_cf(all, some.iter().copied(), true);
            for (key, value) in some.iter().zip(values) {
                if let Some(value) = value.map_err(failed("reading", &self.path))? {
                    each(key, &value)?;
                }
            }
        }
        Ok(())
    }

    /// Writes changes and puts the whole, as files that stay as they are, into a folder that must not be there yet.
    pub(crate) fn set_aside(&self, unsaved: &Unsaved, to: &Path, probe: &Probe) -> Result<(), StoreError> {
        let at = |point| probe.at(point).map_err(StoreError::disk(&self.path, "written"));
        at(FailPoint::BeforeWrite)?;
        let mut options = WriteOptions::default();
        // A checkpoint is the unit of durability: what is not set aside is read from the last one and handed over again.
        options.disable_wal(true);
        for batch in unsaved.batches(BATCH_BYTES) {
            self.db.write_opt(batch, &options).map_err(failed("writing", &self.path))?;
        }
        at(FailPoint::Written)?;
        let mut flush = FlushOptions::default();
        flush.set_wait(true);
        self.db.flush_opt(&flush).map_err(failed("writing its files", &self.path))?;
        at(FailPoint::Flushed)?;
        let checkpoint = Checkpoint::new(&self.db).map_err(failed("setting files aside", &self.path))?;
        checkpoint.create_checkpoint(to).map_err(failed("setting files aside", &self.path))?;
        at(FailPoint::SetAside)
    }

    /// The entries of a range, in order of keys.
    pub(crate) fn entries(&self, range: Range<Vec<u8>>) -> Entries<'_> {
        let mut options = ReadOptions::default();
        let start = range.start.clone();
        options.set_iterate_range(range);
        options.set_readahead_size(READ_AHEAD_BYTES);
        options.fill_cache(false);
        let mut entries = self.db.raw_iterator_opt(options);
        entries.seek(&start);
        Entries { entries, path: &self.path }
    }

    /// Calls with each key and value of a range, in order of keys.
    pub(crate) fn scan(&self, range: Range<Vec<u8>>, each: &mut Each<'_>) -> Result<(), StoreError> {
        let mut entries = self.entries(range);
        while let Some((key, value)) = entries.here()? {
            each(key, value)?;
            entries.go_on();
        }
        Ok(())
    }
}

/// An entry's key and value.
pub(crate) type Entry<'a> = (&'a [u8], &'a [u8]);

/// What is called with keys and values.
pub(crate) type Each<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError> + 'a;

/// A place among the entries of a range.
pub(crate) struct Entries<'a> {
    entries: DBRawIterator<'a>,
    path: &'a Path,
}

impl Entries<'_> {
    /// The entry at this place; `None` at the end.
    pub(crate) fn here(&self) -> Result<Option<Entry<'_>>, StoreError> {
        match self.entries.item() {
            Some(entry) => Ok(Some(entry)),
            None => self.entries.status().map(|()| None).map_err(failed("reading", self.path)),
        }
    }

    pub(crate) fn go_on(&mut self) {
        self.entries.next();
    }
}

/// RocksDB's name for what has all keys.
const ALL: &str = "default";

/// How many keys are looked up together: their values are held at the same time.
const KEYS_AT_ONCE: usize = 1024;

/// How much a scan reads at once.
const READ_AHEAD_BYTES: usize = 2 << 20;

/// Whether a file of a database stays as it is once it is written: such a file may be shared by its name.
pub(crate) fn stays(name: &str) -> bool {
    name.ends_with(".sst") || name.ends_with(".blob")
}

/// The files of a database that was set aside that are needed to open it again, by name.
pub(crate) fn files_of(folder: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(StoreError::disk(folder, "read"))? {
        let entry = entry.map_err(StoreError::disk(folder, "read"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A log without entries (nothing is ever logged) and the options are not needed.
        if stays(&name) || name == "CURRENT" || name.starts_with("MANIFEST-") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// A second copy of a database's folder; files that stay as they are are shared.
pub(crate) fn copy_of(from: &Path, to: &Path) -> Result<(), StoreError> {
    clear(to)?;
    for name in files_of(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        if stays(&name) && fs::hard_link(&from, &to).is_ok() {
            continue;
        }
        fs::copy(&from, &to).map_err(StoreError::disk(&to, "written"))?;
    }
    Ok(())
}

/// Makes an empty folder.
pub(crate) fn clear(folder: &Path) -> Result<(), StoreError> {
    remove(folder)?;
    fs::create_dir_all(folder).map_err(StoreError::disk(folder, "made"))
}

/// Removes a folder with all that is in it, if it is there.
pub(crate) fn remove(folder: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::disk(folder, "removed")(error)),
        _ => Ok(()),
    }
}
