//! Several starts of one scenario: on one machine they exclude each other, in a shared snapshot store the newer fences off the older.

use crate::life::{Heard, Home, PATIENCE};
use runink_checkpoint::{Boundary, CheckpointNumber, Generation, Part, Piece, Restored};
use runink_store::{Probe, Settings, Store, StoreError};
use std::{path::Path, sync::Arc, time::Duration};

fn part() -> Part {
    Part { node: "Numbers".into(), worker: 0 }
}

/// A start on a machine of its own, all with one snapshot store.
fn start(machine: &Path, shared: &Path) -> (Store, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let mut settings = Settings::new(machine, "Shared", heard.clone());
    settings.snapshots = Some(shared.display().to_string());
    settings.every = Duration::ZERO;
    let store = Store::open(settings).unwrap();
    store.captures().register(&part(), None);
    (store, heard)
}

fn pass(store: &Store, boundary: u64) {
    let captures = store.captures();
    captures.hand_over(&part(), Boundary(boundary), Piece::Facts(vec![("at".to_owned(), boundary.to_le_bytes().to_vec())]));
    captures.passed(&part(), Boundary(boundary));
}

#[test]
fn a_folder_that_is_in_use_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    let first = Store::open(home.settings(Probe::default())).unwrap();
    let second = Store::open(home.settings(Probe::default())).map(|_| ()).unwrap_err();
    assert!(matches!(second, StoreError::InUse { .. }), "{second}");
    assert!(second.hint().contains("stop the other process"));
    drop(first);
    Store::open(home.settings(Probe::default())).unwrap();
}

#[test]
fn what_was_restored_is_let_go_with_the_next_checkpoint() {
    let [machine, shared] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (store, _) = start(machine.path(), shared.path());
    pass(&store, 1);
    store.close(PATIENCE).unwrap();
    let (store, _) = start(machine.path(), shared.path());
    let restored = store.restored().unwrap();
    assert_eq!(restored.facts("Numbers").unwrap().len(), 1);
    pass(&store, 2);
    store.flush(PATIENCE).unwrap();
    let late = restored.facts("Numbers").unwrap_err().to_string();
    assert!(late.contains("a newer one has been published"), "{late}");
    assert!(!machine.path().join("Shared/work/restored").exists());
}

#[test]
fn an_older_start_that_still_runs_is_fenced_off() {
    let [old_machine, new_machine, shared] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let (old, old_heard) = start(old_machine.path(), shared.path());
    pass(&old, 1);
    old.flush(PATIENCE).unwrap();
    assert_eq!(old_heard.numbers(), vec![CheckpointNumber(1)]);

    let (new, new_heard) = start(new_machine.path(), shared.path());
    assert_eq!((old.generation(), new.generation()), (Generation(1), Generation(2)));
    assert_eq!(new.restored().unwrap().manifest().number, CheckpointNumber(1));

    // What the older one still writes is never told of: it has no permit to commit.
    pass(&old, 2);
    assert!(old.flush(PATIENCE).is_err());
    assert!(old_heard.wait_for_fence());
    assert_eq!(old_heard.numbers(), vec![CheckpointNumber(1)]);
    assert_eq!(old.status().failure.unwrap().code, "CKP003");
    assert!(matches!(old.savepoint("late", PATIENCE), Err(StoreError::Ended(_))));

    // The newer one is not held up by what the older one has left, and counts from then on.
    pass(&new, 2);
    pass(&new, 3);
    new.flush(PATIENCE).unwrap();
    drop(new);
    let (third, _) = start(old_machine.path().join("third").as_path(), shared.path());
    let restored = third.restored().unwrap();
    assert_eq!((restored.manifest().generation, restored.manifest().boundary), (Generation(2), Boundary(3)));
    assert_eq!(Some(&restored.manifest().number), new_heard.numbers().last());
}
