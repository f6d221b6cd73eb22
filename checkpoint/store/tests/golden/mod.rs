//! Checkpoints that were written once are read by every later version. The folder of a format is written when there is none (`UPDATE_GOLDEN=1`), and never again: a
//! change of the format is a new number, and a new folder beside the old ones.

use crate::life::{Heard, Home, oracle, totals_of};
use runink_checkpoint::{Boundary, Restored};
use runink_store::{FORMAT, From, Probe, Settings, Store};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

const UPTO: u64 = 3;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Writes the golden files of the present format.
fn write(to: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    home.live(UPTO, Probe::default()).unwrap();
    copy(&home.state.join("Life/snapshots"), to);
}

#[test]
fn every_format_that_was_ever_written_is_read() {
    let present = golden().join(format!("v{FORMAT}"));
    if !present.exists() && std::env::var_os("UPDATE_GOLDEN").is_some() {
        write(&present);
    }
    assert!(present.exists(), "format {FORMAT} has no golden files: run once with UPDATE_GOLDEN=1");
    let mut formats = 0;
    for entry in fs::read_dir(golden()).unwrap() {
        let source = entry.unwrap().path();
        if !source.is_dir() {
            continue;
        }
        formats += 1;
        let folder = tempfile::tempdir().unwrap();
        copy(&source, &folder.path().join("Life/snapshots"));
        for from in [From::Newest, From::Savepoint(format!("at-{UPTO}"))] {
            let settings = Settings { from, ..Settings::new(folder.path(), "Life", Arc::new(Heard::default())) };
            let store = Store::open(settings).unwrap_or_else(|e| panic!("{}: {e}", source.display()));
            let restored = store.restored().unwrap();
            assert_eq!(restored.boundary(), Boundary(UPTO));
            assert_eq!(totals_of(&*restored), oracle(UPTO).0);
            assert_eq!(restored.facts("Numbers").unwrap(), vec![("position".to_owned(), UPTO.to_le_bytes().to_vec())]);
            let outboxes = restored.outboxes().unwrap();
            let lines: Vec<String> = outboxes.iter().flat_map(|o| &o.held).map(|h| String::from_utf8(h.bytes.clone()).unwrap()).collect();
            assert_eq!(lines.concat().lines().last(), oracle(UPTO).1.last().map(String::as_str));
        }
    }
    assert_eq!(formats, FORMAT, "each format has its folder");
}
