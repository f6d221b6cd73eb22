//! What `runi checkpoint` shows: lists, contents, checks, differences; also while the scenario runs.

use crate::life::{Home, TABLE, oracle};
use runink_checkpoint::CheckpointNumber;
use runink_store::{From, Kind, Probe, Snapshots, Store, StoreError};
use std::fs;

#[test]
fn a_scenario_is_looked_into() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    home.live(5, Probe::default()).unwrap();
    // Someone runs it meanwhile.
    let running = Store::open(home.settings(Probe::default())).unwrap();
    assert_eq!(Snapshots::scenarios(&home.state).unwrap(), vec!["Life"]);
    let snapshots = Snapshots::open(&home.state, "Life", None).unwrap();
    let kinds: Vec<Kind> = snapshots.list().unwrap().into_iter().map(|e| e.kind).collect();
    let checkpoint = |n| Kind::Checkpoint(CheckpointNumber(n));
    // Older ones may not be retired yet: that is not waited for at the end.
    assert!(kinds.ends_with(&[checkpoint(4), checkpoint(5), Kind::Savepoint("at-3".into())]), "{kinds:?}");

    let contents = snapshots.contents(&From::Newest).unwrap();
    let names: Vec<&str> = contents.iter().map(|c| &*c.node).collect();
    assert_eq!(names, vec!["Numbers", "Out", TABLE]);
    let (totals, _) = oracle(5);
    assert_eq!(contents[2].rows, totals.len() as u64);
    assert_eq!(contents[0].facts, vec![("position".to_owned(), 5u64.to_le_bytes().to_vec())]);
    assert_eq!(snapshots.verify(&From::Savepoint("at-3".into())).unwrap(), oracle(3).0.len() as u64);

    let changes = snapshots.diff(&From::Savepoint("at-3".into()), &From::Newest).unwrap();
    let rows = changes.iter().find(|c| &*c.node == TABLE).unwrap();
    let before = oracle(3).0;
    let added = totals.keys().filter(|k| !before.contains_key(*k)).count() as u64;
    let removed = before.keys().filter(|k| !totals.contains_key(*k)).count() as u64;
    let changed = totals.iter().filter(|(k, v)| before.get(*k).is_some_and(|b| b != *v)).count() as u64;
    assert!(added > 0 && removed > 0 && changed > 0);
    assert_eq!((rows.added, rows.removed, rows.changed, rows.reshaped), (added, removed, changed, false));
    assert!(snapshots.diff(&From::Newest, &From::Number(CheckpointNumber(5))).unwrap().is_empty());
    drop(running);

    // Nothing is left behind.
    let left: Vec<String> =
        fs::read_dir(home.state.join("Life")).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(!left.iter().any(|n| n.starts_with("look-")), "{left:?}");
}

#[test]
fn what_is_not_there_is_said_not_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Snapshots::open(folder.path(), "Life", None).map(|_| ()).unwrap_err();
    assert!(matches!(missing, StoreError::NotThere(_)), "{missing}");
    assert!(Snapshots::scenarios(folder.path()).unwrap().is_empty());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "looking makes nothing");
}
