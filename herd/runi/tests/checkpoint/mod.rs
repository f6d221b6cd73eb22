//! `runi checkpoint`, over the checkpoints of format 1 that lie in the tree.

use crate::command::runi;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A state folder with one scenario, `Life`.
fn state(folder: &Path) -> PathBuf {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../checkpoint/store/tests/golden/v1");
    let snapshots = folder.join("state/Life/snapshots");
    for part in fs::read_dir(golden).unwrap().map(|e| e.unwrap().path()) {
        let to = snapshots.join(part.file_name().unwrap());
        fs::create_dir_all(&to).unwrap();
        for file in fs::read_dir(part).unwrap().map(|e| e.unwrap().path()) {
            fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
    snapshots
}

#[test]
fn what_there_is_is_listed_shown_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    state(folder.path());
    let list = runi(folder.path(), &["checkpoint", "list", "state"]).ended(0).out;
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines[0], "Life");
    assert!(lines[1].starts_with("name  number  generation  boundary  made"), "{list}");
    assert!(lines[2].starts_with("2     2       1           2") && lines[4].starts_with("at-3  3       1           3"), "{list}");

    let show = runi(folder.path(), &["checkpoint", "show", "state"]).ended(0).out;
    for part in [
        "checkpoint 3 of `Life`, generation 1, boundary 3",
        "Totals by name\n  ",
        "    name: Utf8 key\n    total: Int64\n",
        "position = 0x0300000000000000",
    ] {
        assert!(show.contains(part), "{part} is not in\n{show}");
    }
    let json = runi(folder.path(), &["checkpoint", "show", "state", "at-3", "--output", "json"]).ended(0).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["manifest"]["number"], 3);
    assert_eq!(json["steps"][2]["step"], "Totals by name");

    let verify = runi(folder.path(), &["checkpoint", "verify", "state"]).ended(0).out;
    assert!(verify.starts_with("checkpoint 2: sound, ") && verify.contains("\nsavepoint at-3: sound, "), "{verify}");
    let diff = runi(folder.path(), &["checkpoint", "diff", "state", "2", "3"]).ended(1).out;
    assert!(
        diff.starts_with("step            added  removed  changed  facts\n")
            && diff.contains("Numbers         0      0        0        position\n"),
        "{diff}"
    );
    assert_eq!(runi(folder.path(), &["checkpoint", "diff", "state", "at-3", "3"]).ended(0).out, "no difference\n");
}

#[test]
fn damage_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let snapshots = state(folder.path());
    let newest = snapshots.join("manifests/00000000000000000001-00000000000000000003");
    let whole = fs::read(&newest).unwrap();
    fs::write(&newest, &whole[..100]).unwrap();
    let list = runi(folder.path(), &["checkpoint", "list", "state"]).ended(1).out;
    assert!(list.ends_with("CKP006: checkpoint 3 is damaged: it is cut off\n"), "{list}");
    let verify = runi(folder.path(), &["checkpoint", "verify", "state"]).ended(1).out;
    assert!(verify.contains("checkpoint 3: CKP006: checkpoint 3 is damaged: it is cut off\n"), "{verify}");
    let show = runi(folder.path(), &["checkpoint", "show", "state"]).ended(4).err;
    assert!(show.contains("error: CKP006") && show.contains("hint: `runi checkpoint verify` says"), "{show}");
}

#[test]
fn rows_are_exported_as_parquet() {
    let folder = tempfile::tempdir().unwrap();
    state(folder.path());
    let export = runi(folder.path(), &["checkpoint", "export", "state", "--to", "out"]).ended(0).out;
    assert!(export.starts_with("out/Totals+by+name.parquet  "), "{export}");
    let text = "Feature: Exported\n  Scenario: Rows\n    @source(name=Totals, type=file, path=\"out/Totals+by+name.parquet\")\n    @step(name=All)\n      @do select name, total\n    @sink(name=Out, type=stdout, format=csv)\n";
    fs::write(folder.path().join("read.dsl"), text).unwrap();
    let rows = runi(folder.path(), &["run", "read.dsl"]);
    let exported: u64 = export.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(rows.ended(0).out.lines().count() as u64, exported + 1, "a header and each row");
    let error = runi(folder.path(), &["checkpoint", "export", "state", "--to", "out", "--step", "Other"]).ended(3).err;
    assert!(error.contains("RUN072: the checkpoint has no table of a step `Other`; it has Totals by name"), "{error}");
}

#[test]
fn savepoints_are_made_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    state(folder.path());
    let saved = runi(folder.path(), &["checkpoint", "save", "state", "before-upgrade"]).ended(0).out;
    assert_eq!(saved, "savepoint before-upgrade is checkpoint 3\n");
    let taken = runi(folder.path(), &["checkpoint", "save", "state", "before-upgrade", "2"]).ended(3).err;
    assert!(taken.contains("CKP012: there is a savepoint `before-upgrade` already"), "{taken}");
    runi(folder.path(), &["checkpoint", "forget", "state", "before-upgrade"]).ended(0);
    let gone = runi(folder.path(), &["checkpoint", "forget", "state", "before-upgrade"]).ended(3).err;
    assert!(gone.contains("CKP010: there is no savepoint `before-upgrade`"), "{gone}");
}

#[test]
fn a_folder_without_state_is_said_to_have_none() {
    let folder = tempfile::tempdir().unwrap();
    for state in [".", "missing"] {
        let error = runi(folder.path(), &["checkpoint", "list", state]).ended(3).err;
        assert!(error.contains(&format!("RUN070: `{state}` has the state of no scenario")), "{error}");
    }
    state(folder.path());
    let error = runi(folder.path(), &["checkpoint", "show", "state", "--scenario", "Other"]).ended(3).err;
    assert!(error.contains("CKP010: there is no state of a scenario `Other` in `state`"), "{error}");
}
