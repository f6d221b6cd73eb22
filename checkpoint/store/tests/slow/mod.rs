//! Disks that are full, stores that are away: the scenario goes on, the checkpoint is late, and whoever watches is told.

use crate::life::{Heard, PATIENCE, shape};
use arrow::{
    array::{ArrayRef, Int64Array, StringArray, UInt16Array},
    record_batch::RecordBatch,
};
use runink_checkpoint::{Boundary, HeldOutput, Part, Piece, StateChanges};
use runink_store::{Actor, FailPoint, Probe, Settings, Store};
use std::{
    io,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

fn part() -> Part {
    Part { node: "Totals".into(), worker: 0 }
}

fn rows(from: i64, n: i64, width: usize) -> Piece {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt16Array::from_iter_values((0..n).map(|i| (i % 1024) as u16))),
        Arc::new(Int64Array::from_iter_values((0..n).map(|_| 0))),
        Arc::new(StringArray::from_iter_values(
            (0..n).map(|i| format!("{:0width$}", (from + i).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64))),
        )),
        Arc::new(Int64Array::from_iter_values(from..from + n)),
    ];
    let upserted = Some(RecordBatch::try_new(shape().schema, columns).unwrap());
    Piece::Table(StateChanges { expired: Vec::new(), deleted: None, upserted })
}

fn open(folder: &Path, probe: Probe) -> (Store, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let mut settings = Settings::new(folder, "Slow", heard.clone());
    (settings.every, settings.probe) = (Duration::ZERO, probe);
    let store = Store::open(settings).unwrap();
    store.captures().register(&part(), Some(shape()));
    (store, heard)
}

/// Waits for an attempt that was begun, and has failed, after everything that was handed over by now.
fn fails_again(store: &Store) {
    let before = store.status().failures;
    assert!(store.wait_for(PATIENCE, |s| s.failures >= before + 2), "{:?}", store.status());
}

#[test]
fn while_nothing_can_be_written_what_waits_is_merged_and_then_all_of_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(true));
    let seen = full.clone();
    let probe = Probe::new(move |at| {
        let fails = at == FailPoint::Written && seen.load(Ordering::SeqCst);
        if fails { Err(io::Error::new(io::ErrorKind::StorageFull, "a full disk, for a test")) } else { Ok(()) }
    });
    let (store, heard) = open(folder.path(), probe);
    let captures = store.captures();
    for boundary in 1..=50 {
        captures.hand_over(&part(), Boundary(boundary), rows(0, 100, 10));
        captures.passed(&part(), Boundary(boundary));
    }
    fails_again(&store);
    assert_eq!(store.flush(Duration::ZERO).unwrap_err().code(), "CKP016");
    let status = store.status();
    let failure = status.failure.clone().unwrap();
    assert_eq!((failure.code, failure.actor), ("CKP001", Actor::Operator));
    assert!(failure.hint.contains("disk is full"), "{}", failure.hint);
    assert!(status.failures > 0 && status.published.is_none());
    // Fifty times the same hundred keys: what is held is one of each.
    let merged = captures.bytes_waiting();
    assert!(merged > 0 && merged < 2 * 100 * 400, "{merged} bytes");

    full.store(false, Ordering::SeqCst);
    let status = store.close(PATIENCE).unwrap();
    assert_eq!((status.boundary, status.failures, status.failure, status.bytes_waiting), (Some(Boundary(50)), 0, None, 0));
    assert_eq!(heard.numbers().len(), 1);
    let (store, _) = open(folder.path(), Probe::default());
    assert_eq!(store.restored().unwrap().count_rows("Totals").unwrap(), 100);
}

#[test]
fn while_the_snapshot_store_is_away_memory_does_not_grow() {
    let [folder, shared] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let away = Arc::new(AtomicBool::new(true));
    let seen = away.clone();
    let probe = Probe::new(move |at| {
        let fails = at == FailPoint::BeforeFileStored && seen.load(Ordering::SeqCst);
        if fails { Err(io::Error::new(io::ErrorKind::NetworkUnreachable, "away, for a test")) } else { Ok(()) }
    });
    let heard = Arc::new(Heard::default());
    let mut settings = Settings::new(folder.path(), "Slow", heard.clone());
    (settings.every, settings.probe, settings.snapshots) = (Duration::ZERO, probe, Some(shared.path().display().to_string()));
    let store = Store::open(settings.clone()).unwrap();
    let captures = store.captures();
    captures.register(&part(), Some(shape()));
    for boundary in 1..=5 {
        captures.hand_over(&part(), Boundary(boundary), rows(boundary as i64 * 1000, 1000, 10));
        captures.hand_over(
            &part(),
            Boundary(boundary),
            Piece::Outbox(HeldOutput { bytes: vec![boundary as u8; 1000], rows: 1, hash: boundary }),
        );
        captures.passed(&part(), Boundary(boundary));
    }
    fails_again(&store);
    assert_eq!(captures.bytes_waiting(), 0, "all of it is in files of this machine");
    away.store(false, Ordering::SeqCst);
    let status = store.close(PATIENCE).unwrap();
    assert_eq!(status.boundary, Some(Boundary(5)));
    settings.probe = Probe::default();
    let store = Store::open(settings).unwrap();
    let restored = store.restored().unwrap();
    assert_eq!(restored.count_rows("Totals").unwrap(), 5000);
    let outboxes = runink_checkpoint::Restored::outboxes(&*restored).unwrap();
    assert_eq!(outboxes.iter().flat_map(|o| &o.held).map(|h| h.rows).sum::<u64>(), 5);
}

#[test]
fn a_bug_in_the_writer_ends_checkpoints_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let probe = Probe::new(|at| if at == FailPoint::SetAside { panic!("a bug, for a test") } else { Ok(()) });
    let (store, heard) = open(folder.path(), probe);
    let captures = store.captures();
    captures.hand_over(&part(), Boundary(1), rows(0, 10, 10));
    captures.passed(&part(), Boundary(1));
    assert!(store.wait_for(PATIENCE, |s| s.ended));
    assert_eq!(store.flush(PATIENCE).unwrap_err().code(), "CKP016");
    assert_eq!(store.status().failure.unwrap().code, "CKP017");
    drop(store);
    assert_eq!(heard.failed.lock().unwrap().as_deref(), Some("CKP017: the thread that writes checkpoints has ended: it panicked"));
    // What was handed over does not fit its table: nothing that has it is ever published.
    let (store, heard) = open(folder.path(), Probe::default());
    let schema = shape().schema.project(&[0, 1, 2]).unwrap();
    let columns: Vec<ArrayRef> =
        vec![Arc::new(UInt16Array::from(vec![1])), Arc::new(Int64Array::from(vec![0])), Arc::new(StringArray::from(vec!["a"]))];
    let misfit = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    let captures = store.captures();
    captures.hand_over(&part(), Boundary(1), Piece::Table(StateChanges { expired: Vec::new(), deleted: None, upserted: Some(misfit) }));
    captures.passed(&part(), Boundary(1));
    assert!(store.wait_for(PATIENCE, |s| s.ended));
    let why = store.status().failure.unwrap().message;
    assert_eq!(
        why,
        "CKP014: step `Totals`: state does not fit: expected columns (UInt16, Int64, Utf8, Int64), found (UInt16, Int64, Utf8)"
    );
    assert!(heard.numbers().is_empty());
}

/// A disk that is really full: a small file system in memory. Only where this process may mount one (a container's root may not).
#[test]
fn a_disk_that_is_really_full_is_told_and_got_over() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let disk_shown = disk.to_str().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs", disk_shown]).status().is_ok_and(|s| s.success());
    if !mounted {
        return;
    }
    struct Mounted(String);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _gone = Command::new("umount").arg(&self.0).status();
        }
    }
    let _mounted = Mounted(disk_shown.to_owned());
    let (store, heard) = open(&disk, Probe::default());
    let captures = store.captures();
    captures.hand_over(&part(), Boundary(1), rows(0, 100, 10));
    captures.passed(&part(), Boundary(1));
    store.flush(PATIENCE).unwrap();
    fill(&disk.join("ballast"));
    for boundary in 2..5 {
        captures.hand_over(&part(), Boundary(boundary), rows(boundary as i64 * 20_000, 20_000, 10));
        captures.passed(&part(), Boundary(boundary));
    }
    fails_again(&store);
    let failure = store.status().failure.unwrap();
    assert!(failure.hint.contains("disk is full"), "{} {}", failure.message, failure.hint);
    assert_eq!(heard.numbers().len(), 1, "no checkpoint was published of what was not written");
    std::fs::remove_file(disk.join("ballast")).unwrap();
    let status = store.close(PATIENCE).unwrap();
    assert_eq!((status.boundary, status.failure), (Some(Boundary(4)), None));
    let (store, _) = open(&disk, Probe::default());
    assert_eq!(store.restored().unwrap().count_rows("Totals").unwrap(), 60_100);
}

/// Writes until there is no more room.
fn fill(path: &Path) {
    let mut ballast = std::fs::File::create(path).unwrap();
    while std::io::Write::write(&mut ballast, &[0; 4096]).is_ok() {}
}
