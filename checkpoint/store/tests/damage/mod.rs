//! Whatever happens to what was written: it is found, it is named, and the checkpoint before is used. Nothing wrong is ever restored.

use crate::life::{Heard, Home, oracle, totals_of};
use proptest::prelude::*;
use runink_checkpoint::{Boundary, CheckpointNumber, Restored};
use runink_store::{FileEntry, From, Manifest, Probe, Settings, Snapshots, Store, StoreError};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

const UPTO: u64 = 5;

/// A home with a few checkpoints, made once: each case damages a copy.
fn lived() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    home.live(UPTO, Probe::default()).unwrap();
    folder
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

fn snapshots(folder: &Path) -> PathBuf {
    folder.join("state/Life/snapshots")
}

/// The manifests, newest first.
fn manifests(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(snapshots(folder).join("manifests")).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.reverse();
    paths
}

fn read(path: &Path) -> Manifest {
    Manifest::decode("m", &fs::read(path).unwrap()).unwrap()
}

/// A file that only the newest checkpoint has.
fn newest_only(folder: &Path) -> FileEntry {
    let manifests = manifests(folder);
    let (newest, before) = (read(&manifests[0]), read(&manifests[1]));
    newest.files.into_iter().rfind(|f| !before.files.contains(f)).unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn settings(folder: &Path) -> Settings {
    Settings::new(folder.join("state"), "Life", Arc::new(Heard::default()))
}

/// Opens after some damage: the checkpoint before is used, and the damage is said as expected.
fn falls_back(what: &str, damage: impl Fn(&Path)) -> String {
    let (source, folder) = (lived(), tempfile::tempdir().unwrap());
    copy(source.path(), folder.path());
    damage(folder.path());
    let store = Store::open(settings(folder.path())).unwrap_or_else(|e| panic!("{what}: {e}"));
    let restored = store.restored().unwrap();
    assert_eq!(restored.boundary(), Boundary(UPTO - 1), "{what}");
    assert_eq!(totals_of(&*restored), oracle(UPTO - 1).0, "{what}");
    assert_eq!(store.damaged().len(), 1, "{what}");
    assert!(store.next_number() > CheckpointNumber(UPTO), "the damaged one's number is not used again");
    store.damaged()[0].to_string()
}

#[test]
fn each_damage_is_named_and_the_checkpoint_before_is_used() {
    let file = |folder: &Path| snapshots(folder).join("files").join(newest_only(folder).object);
    let said = falls_back("a flipped bit in the manifest", |f| flip(&manifests(f)[0], 200));
    assert_eq!(said, "CKP006: checkpoint 5 is damaged: its checksum is wrong");
    let said = falls_back("half a manifest", |f| {
        let manifest = &manifests(f)[0];
        let bytes = fs::read(manifest).unwrap();
        fs::write(manifest, &bytes[..bytes.len() / 2]).unwrap();
    });
    assert_eq!(said, "CKP006: checkpoint 5 is damaged: it is cut off");
    let said = falls_back("an empty manifest", |f| fs::write(&manifests(f)[0], b"").unwrap());
    assert_eq!(said, "CKP006: checkpoint 5 is damaged: it is cut off");
    let said = falls_back("a manifest of another", |f| {
        fs::copy(&manifests(f)[1], &manifests(f)[0]).unwrap();
    });
    assert_eq!(said, "CKP006: checkpoint 5 is damaged: it says that it is checkpoint 4 of generation 1");
    let said = falls_back("a missing file", |f| fs::remove_file(file(f)).unwrap());
    assert!(said.starts_with("CKP006: file `1-") && said.ends_with("of checkpoint 5 is damaged: it is missing"), "{said}");
    let said = falls_back("a cut file", |f| fs::write(file(f), &fs::read(file(f)).unwrap()[..100]).unwrap());
    assert!(said.contains("of checkpoint 5 is damaged: it has 100 bytes, not "), "{said}");
    let said = falls_back("a flipped bit in a file", |f| flip(&file(f), 77));
    assert!(said.ends_with("of checkpoint 5 is damaged: its hash is another"), "{said}");
}

#[test]
fn where_none_is_sound_the_scenario_does_not_start_from_nothing() {
    let folder = lived();
    manifests(folder.path()).iter().for_each(|m| flip(m, 30));
    let error = Store::open(settings(folder.path())).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::NoneSound { .. }));
    let said = error.to_string();
    assert!(said.contains("checkpoint 5 is damaged") && said.contains("checkpoint 4 is damaged"), "{said}");
    // A savepoint has all it needs still.
    let store = Store::open(Settings { from: From::Savepoint("at-3".into()), ..settings(folder.path()) }).unwrap();
    assert_eq!(totals_of(&*store.restored().unwrap()), oracle(3).0);
}

#[test]
fn what_is_asked_for_by_name_is_not_replaced_by_another() {
    let folder = lived();
    let open = |from: From| Store::open(Settings { from, ..settings(folder.path()) }).map(|_| ()).map_err(|e| e.to_string());
    assert_eq!(open(From::Number(CheckpointNumber(77))), Err("CKP010: there is no checkpoint 77".to_owned()));
    assert_eq!(open(From::Savepoint("nope".into())), Err("CKP010: there is no savepoint `nope`".to_owned()));
    assert_eq!(open(From::Savepoint("../x".into())), Err("CKP011: `../x` cannot be the name of a savepoint".to_owned()));
    flip(&manifests(folder.path())[0], 100);
    assert!(open(From::Number(CheckpointNumber(5))).unwrap_err().contains("checkpoint 5 is damaged"));
}

#[test]
fn a_newer_format_is_said_and_nothing_older_is_used_in_its_place() {
    let folder = lived();
    let newest = &manifests(folder.path())[0];
    let text = String::from_utf8(fs::read(newest).unwrap()).unwrap();
    fs::write(newest, text.replacen("runink-checkpoint 1", "runink-checkpoint 9", 1)).unwrap();
    let error = Store::open(settings(folder.path())).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "CKP008: checkpoint 5 has format 9; this version of Runink reads format 1");
}

#[test]
fn another_number_of_key_groups_is_refused() {
    let folder = lived();
    let other = Settings { key_groups: runink_checkpoint::KeyGroups::new(7), ..settings(folder.path()) };
    let error = Store::open(other).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "CKP009: the checkpoint has 1024 key groups, the scenario has 7");
}

#[test]
fn files_that_a_damaged_checkpoint_may_need_are_kept_as_long_as_it_is() {
    let folder = lived();
    let object = newest_only(folder.path()).object;
    let newest = manifests(folder.path())[0].clone();
    let whole = fs::read(&newest).unwrap();
    flip(&newest, 60);
    let mut settings = settings(folder.path());
    settings.keep = 3;
    drop(Store::open(settings).unwrap());
    assert!(snapshots(folder.path()).join("files").join(&object).exists());
    // It may be mended by hand.
    fs::write(&newest, whole).unwrap();
    Snapshots::open(&folder.path().join("state"), "Life", None).unwrap().verify(&From::Number(CheckpointNumber(UPTO))).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// One bit, anywhere: what is restored is one of the checkpoints as it was, or the start is refused.
    #[test]
    fn a_flipped_bit_anywhere_never_restores_what_never_was(which in any::<prop::sample::Index>(), at in any::<usize>()) {
        static LIVED: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
        let source = LIVED.get_or_init(lived);
        let folder = tempfile::tempdir().unwrap();
        copy(&snapshots(source.path()), &snapshots(folder.path()));
        let mut files: Vec<PathBuf> = ["files", "manifests"].iter()
            .flat_map(|f| fs::read_dir(snapshots(folder.path()).join(f)).unwrap().map(|e| e.unwrap().path())).collect();
        files.sort();
        flip(&files[which.index(files.len())], at);
        match Store::open(settings(folder.path())) {
            Ok(store) => {
                let restored = store.restored().unwrap();
                let Boundary(boundary) = restored.boundary();
                prop_assert!(boundary == UPTO || (boundary < UPTO && !store.damaged().is_empty()));
                prop_assert_eq!(totals_of(&*restored), oracle(boundary).0);
            }
            Err(error) => prop_assert!(matches!(error, StoreError::NoneSound { .. } | StoreError::Format { .. }), "{}", error),
        }
    }
}
