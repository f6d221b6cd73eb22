//! Checkpoints as they lie in a snapshot store: found, read, checked, brought to this machine.

use crate::{
    FailPoint, Probe, StoreError,
    claim::hex,
    database::clear,
    manifest::{FileEntry, Manifest, ManifestId, plain_name},
    objects::Objects,
};
use runink_checkpoint::CheckpointNumber;
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::Read,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How much of a file is read at once while it is checked.
const READ_BYTES: usize = 1 << 20;

/// How many files are checked at once at most.
const MAX_CHECKERS: usize = 8;

/// Where a manifest stands.
pub(crate) fn manifest_object(id: ManifestId) -> String {
    format!("manifests/{}", id.object())
}

/// Where a savepoint stands.
pub(crate) fn savepoint_object(name: &str) -> Result<String, StoreError> {
    if plain_name(name) { Ok(format!("savepoints/{name}")) } else { Err(StoreError::Name(name.to_owned())) }
}

/// All manifests that are there, in the order in which they count.
pub(crate) fn manifests(objects: &dyn Objects) -> Result<Vec<ManifestId>, StoreError> {
    let mut ids: Vec<ManifestId> = objects.list("manifests")?.iter().filter_map(|n| ManifestId::read(n)).collect();
    ids.sort();
    Ok(ids)
}

/// Reads a manifest.
pub(crate) fn manifest(objects: &dyn Objects, id: ManifestId) -> Result<Manifest, StoreError> {
    let what = format!("checkpoint {}", id.number);
    let bytes = objects.get(&manifest_object(id))?.ok_or_else(|| StoreError::NotThere(what.clone()))?;
    let manifest = Manifest::decode(&what, &bytes)?;
    if manifest.id() == id {
        return Ok(manifest);
    }
    Err(StoreError::damaged(what, format!("it says that it is checkpoint {} of generation {}", manifest.number, manifest.generation.0)))
}

/// Reads the manifest of a number: the one that counts where several generations have given it.
pub(crate) fn numbered(objects: &dyn Objects, number: CheckpointNumber) -> Result<Manifest, StoreError> {
    match manifests(objects)?.into_iter().rev().find(|id| id.number == number) {
        Some(id) => manifest(objects, id),
        None => Err(StoreError::NotThere(format!("checkpoint {number}"))),
    }
}

/// Reads the manifest of a savepoint.
pub(crate) fn savepoint(objects: &dyn Objects, name: &str) -> Result<Manifest, StoreError> {
    let what = format!("savepoint `{name}`");
    let bytes = objects.get(&savepoint_object(name)?)?.ok_or_else(|| StoreError::NotThere(what.clone()))?;
    Manifest::decode(&what, &bytes)
}

/// The name of a file's object, below `files/`.
pub(crate) fn file_object(object: &str) -> String {
    format!("files/{object}")
}

/// A file's length and hash.
pub(crate) fn measure(path: &Path) -> Result<(u64, String), StoreError> {
    let mut file = File::open(path).map_err(StoreError::disk(path, "read"))?;
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut part = vec![0; READ_BYTES];
    loop {
        let n = file.read(&mut part).map_err(StoreError::disk(path, "read"))?;
        if n == 0 {
            return Ok((bytes, hex(&hash.finalize())));
        }
        bytes += n as u64;
        hash.update(&part[..n]);
    }
}

/// Brings the files of a checkpoint into an empty folder and checks each against the manifest.
pub(crate) fn fetch(objects: &dyn Objects, manifest: &Manifest, folder: &Path, probe: &Probe) -> Result<(), StoreError> {
    clear(folder)?;
    let what = |file: &FileEntry| format!("file `{}` of checkpoint {}", file.object, manifest.number);
    for file in &manifest.files {
        let to = folder.join(&file.name);
        if !objects.fetch(&file_object(&file.object), &to)? {
            return Err(StoreError::damaged(what(file), "it is missing"));
        }
        probe.at(FailPoint::FileFetched).map_err(StoreError::disk(&to, "written"))?;
    }
    // Hashing is what takes time in a large state: files are independent.
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<StoreError>> = Mutex::new(None);
    let check = |file: &FileEntry| -> Result<(), StoreError> {
        let (bytes, sha256) = measure(&folder.join(&file.name))?;
        if bytes != file.bytes {
            return Err(StoreError::damaged(what(file), format!("it has {bytes} bytes, not {}", file.bytes)));
        }
        if sha256 != file.sha256 {
            return Err(StoreError::damaged(what(file), "its hash is another"));
        }
        Ok(())
    };
    let checkers = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_CHECKERS).min(manifest.files.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..checkers {
            scope.spawn(|| {
                while let Some(file) = manifest.files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = check(file) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}
