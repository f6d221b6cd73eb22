//! Killed at every step, or failed by the disk at every step: state and output are what they would have been.

use crate::life::Home;
use runink_store::{FailPoint, Probe};
use std::{
    io,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

/// The variables by which a child knows where it lives and dies.
const HOME: &str = "RUNINK_TEST_HOME";
const POINT: &str = "RUNINK_TEST_POINT";
const NTH: &str = "RUNINK_TEST_NTH";

/// How far the three lives go.
const FIRST: u64 = 2;
const SECOND: u64 = 7;

/// How many cases run at once: most of the time a disk is waited for.
const AT_ONCE: usize = 6;

/// At which of its visits a point kills. A point that has no answer here does not compile.
fn visits(point: FailPoint) -> &'static [u32] {
    match point {
        FailPoint::Locked
        | FailPoint::GenerationClaimed
        | FailPoint::CheckpointChosen
        | FailPoint::DatabaseFetched
        | FailPoint::DatabaseOpened => &[1],
        FailPoint::FileFetched => &[1, 3],
        FailPoint::Merged
        | FailPoint::BeforeWrite
        | FailPoint::Written
        | FailPoint::Flushed
        | FailPoint::SetAside
        | FailPoint::AllFilesStored
        | FailPoint::ManifestHalfStored
        | FailPoint::ManifestStored
        | FailPoint::Confirmed
        | FailPoint::Told => &[1, 3],
        FailPoint::BeforeFileStored | FailPoint::FileStored => &[1, 2, 5],
        FailPoint::SavepointStored => &[1],
        FailPoint::ManifestDeleted | FailPoint::FileDeleted => &[1, 2],
    }
}

/// Not a test of its own: the life of a child that [`killed_at_every_step`] starts.
#[test]
fn child() {
    let (Ok(home), Ok(name), Ok(nth)) = (std::env::var(HOME), std::env::var(POINT), std::env::var(NTH)) else { return };
    let nth: u32 = nth.parse().unwrap();
    let seen = AtomicU32::new(0);
    let probe = Probe::new(move |point| {
        if point.name() == name && seen.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            std::process::abort();
        }
        Ok(())
    });
    Home::new(Path::new(&home)).live(SECOND, probe).unwrap();
}

/// Runs cases side by side.
fn side_by_side<T: Sync>(cases: &[T], case: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(one) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    case(one);
                }
            });
        }
    });
}

#[test]
fn killed_at_every_step() {
    let cases: Vec<(FailPoint, u32)> = FailPoint::ALL.iter().flat_map(|&p| visits(p).iter().map(move |&nth| (p, nth))).collect();
    side_by_side(&cases, |&(point, nth)| {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        home.live(FIRST, Probe::default()).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child", "--exact", "--test-threads=1"])
            .envs([(HOME, folder.path().to_str().unwrap()), (POINT, point.name()), (NTH, &nth.to_string())])
            .output()
            .unwrap();
        // It must have come by the point: killed, neither done nor failed.
        assert_eq!(child.status.code(), None, "{point:?} {nth}: {}", String::from_utf8_lossy(&child.stdout));
        home.live(SECOND, Probe::default()).unwrap_or_else(|e| panic!("{point:?} {nth}: {e}"));
        home.check(SECOND);
    });
}

#[test]
fn a_disk_that_fails_at_any_step_makes_checkpoints_late_and_nothing_else() {
    side_by_side(FailPoint::ALL, |&point| {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        home.live(FIRST, Probe::default()).unwrap();
        let seen = Arc::new(AtomicU32::new(0));
        let count = seen.clone();
        let probe = Probe::new(move |at| {
            let visit = if at == point { count.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
            if [1, 2, 5].contains(&visit) { Err(io::Error::new(io::ErrorKind::StorageFull, "a full disk, for a test")) } else { Ok(()) }
        });
        // Recovery says so and has changed nothing; a scenario that runs goes on by itself.
        let mut starts = 0;
        loop {
            starts += 1;
            match home.live(SECOND, probe.clone()) {
                Ok(()) => break,
                Err(error) => {
                    assert_eq!(error.code(), "CKP001", "{point:?}: {error}");
                    assert!(error.hint().contains("disk is full"), "{point:?}: {}", error.hint());
                    assert!(starts < 10, "{point:?} never gets through");
                }
            }
        }
        assert!(seen.load(Ordering::SeqCst) >= 1, "{point:?} was never come by");
        home.check(SECOND);
    });
}
