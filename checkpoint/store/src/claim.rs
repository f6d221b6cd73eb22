//! Who a process is: it locks the scenario's folder on this machine, and announces a new generation in the snapshot store before it looks for checkpoints.

use crate::{
    StoreError,
    objects::{Objects, Put},
};
use runink_checkpoint::Generation;
use sha2::{Digest, Sha256};
use std::{
    fs::{File, TryLockError},
    path::Path,
    time::{Duration, Instant},
};

/// How often a generation is announced anew where another process was faster.
const MAX_CLAIMS: usize = 16;

/// How long a lock is waited for, and how long between two tries.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// How long the name of a scenario's folder gets before the rest is a hash.
const MAX_FOLDER_NAME: usize = 100;

/// The folder of a scenario: its name, with what a file name may not have written otherwise. Different names have different folders.
pub fn folder_name(scenario: &str) -> String {
    let mut name = String::new();
    for byte in scenario.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(byte as char),
            b' ' => name.push('+'),
            other => name.push_str(&format!("={other:02X}")),
        }
    }
    if name.len() <= MAX_FOLDER_NAME && !name.is_empty() {
        return name;
    }
    let hash = hex(&Sha256::digest(scenario.as_bytes()));
    name.truncate(MAX_FOLDER_NAME / 2);
    format!("{name}={}", &hash[..32])
}

/// As hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char]).collect()
}

/// Locks the folder for as long as the file lives: the system lets go of it when the process ends, however it does. Of one that was killed just now it does so a
/// moment later, so it is tried for a while.
pub(crate) fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("LOCK");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(StoreError::disk(&path, "made"))?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(StoreError::disk(&path, "locked")(error)),
            Err(TryLockError::WouldBlock) if since.elapsed() > LOCK_PATIENCE => return Err(StoreError::InUse { path: folder.to_owned() }),
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(LOCK_PAUSE),
        }
    }
}

fn object(generation: Generation) -> String {
    format!("generations/{:020}", generation.0)
}

/// The newest generation that was announced.
pub(crate) fn newest_generation(objects: &dyn Objects) -> Result<Generation, StoreError> {
    let names = objects.list("generations")?;
    Ok(names.iter().filter_map(|n| n.parse().ok()).map(Generation).max().unwrap_or_default())
}

/// Announces the next generation. Announcements of older ones are not needed any more.
pub(crate) fn claim(objects: &dyn Objects) -> Result<Generation, StoreError> {
    for _ in 0..MAX_CLAIMS {
        let newest = newest_generation(objects)?;
        let own = newest.next();
        if objects.put_new(&object(own), b"")? == Put::Done {
            // All that keeps two starts apart is that a name is given once. Some servers answer a conditional put as if it were any put.
            if objects.put_new(&object(own), b"")? == Put::Done {
                return Err(StoreError::Remote {
                    url: objects.url(),
                    what: "announcing this start".to_owned(),
                    message: "it writes over an object although it is told not to (If-None-Match); checkpoints need that".to_owned(),
                });
            }
            if newest > Generation(0) {
                objects.delete(&object(newest))?;
            }
            return Ok(own);
        }
    }
    Err(StoreError::Remote {
        url: objects.url(),
        what: "announcing this start".to_owned(),
        message: format!("{MAX_CLAIMS} times in a row another process was faster"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Probe, objects::Folder};

    #[test]
    fn folders_of_scenarios_differ_as_their_names_do() {
        assert_eq!(folder_name("Orders by hour"), "Orders+by+hour");
        assert_eq!(folder_name("a/b"), "a=2Fb");
        assert_ne!(folder_name("a+b"), folder_name("a b"));
        assert_eq!(folder_name("..").len(), 6);
        let long = |c: char| folder_name(&format!("{}{c}", "x".repeat(300)));
        assert!(long('a') != long('b') && long('a').len() < 100);
        assert!(!folder_name("").is_empty());
    }

    #[test]
    fn each_start_is_of_a_newer_generation() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Folder::open(folder.path(), &Probe::default()).unwrap();
        assert_eq!(claim(&objects).unwrap(), Generation(1));
        assert_eq!(claim(&objects).unwrap(), Generation(2));
        assert_eq!(newest_generation(&objects).unwrap(), Generation(2));
        assert_eq!(objects.list("generations").unwrap().len(), 1);
    }

    #[test]
    fn a_folder_has_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        assert!(matches!(lock(folder.path()), Err(StoreError::InUse { .. })));
        drop(held);
        lock(folder.path()).unwrap();
    }
}
