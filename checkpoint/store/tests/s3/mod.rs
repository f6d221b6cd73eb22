//! Snapshots in a store that speaks S3: a real server on this machine, which `deploy/s3/start` starts.

use crate::{crash::life, life::Home};
use runink_store::FailPoint;
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

/// A server, stopped when it is dropped.
struct Server {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

fn deploy(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/s3").join(script)
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let started = Command::new(deploy("start")).arg(port.to_string()).arg(folder.path()).output().unwrap();
        assert!(started.status.success(), "the S3 server does not start: {}", String::from_utf8_lossy(&started.stderr));
        let said = String::from_utf8(started.stdout).unwrap();
        let environment = said.lines().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Server { folder, environment }
    }

    /// The objects in a folder below the bucket's, as they lie on the server's disk.
    fn objects(&self, folder: &str) -> usize {
        fs::read_dir(self.folder.path().join("data/runink").join(folder)).map_or(0, |entries| entries.count())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _stopped = Command::new(deploy("stop")).arg(self.folder.path()).status();
    }
}

#[test]
fn a_scenario_moves_from_machine_to_machine_and_is_killed_on_each() {
    let server = Server::start();
    let outside = tempfile::tempdir().unwrap();
    let kills = [(FailPoint::FileStored, 4), (FailPoint::FileFetched, 2), (FailPoint::ManifestStored, 2), (FailPoint::ManifestDeleted, 1)];
    let mut upto = 2;
    for kill in kills.map(Some).into_iter().chain([None]) {
        // A machine that knows nothing of it, but for what the outside has.
        let machine = tempfile::tempdir().unwrap();
        let home = Home { snapshots: Some("s3://runink/tests/state".to_owned()), ..Home::new(machine.path()) };
        fs::remove_dir(&home.outside.0).unwrap();
        std::os::unix::fs::symlink(outside.path(), &home.outside.0).unwrap();
        upto += 2;
        let ran = life(&home, upto, kill, &server.environment);
        let said = || format!("{kill:?}: {}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert_eq!(ran.status.code().is_none(), kill.is_some(), "{}", said());
    }
    assert!(server.objects("tests/state/Life/manifests") <= 3, "old manifests are deleted");
    assert!(server.objects("tests/state/Life/savepoints") >= 2);
}

#[test]
fn a_store_that_does_not_answer_is_not_taken_for_an_empty_one() {
    let machine = tempfile::tempdir().unwrap();
    let home = Home { snapshots: Some("s3://runink/nowhere".to_owned()), ..Home::new(machine.path()) };
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let environment = [
        ("AWS_ENDPOINT", format!("http://{closed}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "nobody".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "nothing".to_owned()),
    ];
    let ran = life(&home, 2, None, &environment.map(|(name, value)| (name.to_owned(), value)));
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(101), "{said}");
    assert!(said.contains("Remote { url: \"s3://runink/nowhere\", what: \"listing generations\""), "{said}");
}
