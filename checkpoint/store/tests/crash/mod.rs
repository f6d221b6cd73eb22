//! Killed at every step, or failed by the disk at every step: state and output are what they would have been.

use crate::life::Home;
use runink_store::{FailPoint, Probe};
use std::{
    io,
    path::Path,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

/// The variables by which a child knows where it lives and dies.
const HOME: &str = "RUNINK_TEST_HOME";
const POINT: &str = "RUNINK_TEST_POINT";
const NTH: &str = "RUNINK_TEST_NTH";
const SNAPSHOTS: &str = "RUNINK_TEST_SNAPSHOTS";
const UPTO: &str = "RUNINK_TEST_UPTO";

/// A life as a process of its own: in a home, up to an interval, killed at a point's nth visit or, without one, looked at in the end.
pub(crate) fn life(home: &Home, upto: u64, kill: Option<(FailPoint, u32)>, environment: &[(String, String)]) -> Output {
    let folder = home.state.parent().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["crash::child", "--exact", "--test-threads=1"]).envs(environment.iter().cloned());
    child.env(HOME, folder).env(UPTO, upto.to_string());
    if let Some(url) = &home.snapshots {
        child.env(SNAPSHOTS, url);
    }
    if let Some((point, nth)) = kill {
        child.env(POINT, point.name()).env(NTH, nth.to_string());
    }
    child.output().unwrap()
}

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
    let Ok(folder) = std::env::var(HOME) else { return };
    let upto: u64 = std::env::var(UPTO).unwrap().parse().unwrap();
    let home = Home { snapshots: std::env::var(SNAPSHOTS).ok(), ..Home::new(Path::new(&folder)) };
    let kill = std::env::var(POINT).ok().map(|name| (name, std::env::var(NTH).unwrap().parse::<u32>().unwrap()));
    let seen = AtomicU32::new(0);
    let killed = kill.is_some();
    let probe = Probe::new(move |point| {
        if kill.as_ref().is_some_and(|(name, nth)| point.name() == name && seen.fetch_add(1, Ordering::SeqCst) + 1 == *nth) {
            std::process::abort();
        }
        Ok(())
    });
    home.live(upto, probe).unwrap();
    if !killed {
        home.check(upto);
    }
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
        let child = life(&home, SECOND, Some((point, nth)), &[]);
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
