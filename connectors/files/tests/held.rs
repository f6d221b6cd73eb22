//! Output that goes with checkpoints: once each, whatever a crash leaves half done.

use crate::support::{batch, names_below, schema, sink_config, text};
use runink_connector_api::{
    CheckpointNumber, CommitIdentity, Committer, OptionValue, Outbox, Share, Sink, SinkConfig, SinkWriter, Witness,
};
use std::{fs, path::Path, sync::Arc};

fn open(dir: &Path, path: &str, more: &[(&str, OptionValue)]) -> Arc<dyn Sink> {
    let options: Vec<_> = [("path", text(path))].into_iter().chain(more.iter().cloned()).collect();
    let config = SinkConfig { checkpoints: true, ..sink_config(dir, &options, &schema(&["id", "name"]), false) };
    crate::support::connector("file").sink(config).unwrap()
}

fn committer(sink: &dyn Sink, generation: u64) -> Box<dyn Committer> {
    sink.committer(CommitIdentity { scenario: "Orders".into(), generation }).unwrap().unwrap()
}

fn outbox(sink: &dyn Sink, names: &[(i64, &str)]) -> Outbox {
    let mut writer = sink.writer(Share { index: 0, peers: 1 }).unwrap();
    let outbox = held(writer.as_mut(), names);
    writer.finish().unwrap();
    outbox
}

fn held(writer: &mut dyn SinkWriter, names: &[(i64, &str)]) -> Outbox {
    writer.write(&batch(names), None).unwrap();
    let outbox = writer.outbox().unwrap().unwrap();
    assert_eq!(writer.outbox().unwrap(), None);
    assert_eq!(outbox.rows, names.len() as u64);
    outbox
}

const N: fn(u64) -> CheckpointNumber = CheckpointNumber;

#[test]
fn a_file_grows_with_each_checkpoint() {
    for (name, wanted) in [
        ("out.csv", "id,name\n1,a\n2,b\n3,c\n"),
        ("out.jsonl", "{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":\"b\"}\n{\"id\":3,\"name\":\"c\"}\n"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        {
            let sink = open(dir.path(), name, &[]);
            let mut commits = committer(sink.as_ref(), 1);
            assert_eq!(commits.recover().unwrap(), Witness::Nothing);
            // A crash in the middle of the very first commit.
            fs::write(&path, "{\"id\":").unwrap();
            assert_eq!(commits.recover().unwrap(), Witness::Nothing);
            let first = outbox(sink.as_ref(), &[(1, "a"), (2, "b")]);
            assert_eq!(fs::read(&path).unwrap(), b"");
            commits.commit(N(3), std::slice::from_ref(&first)).unwrap();
            // Asked again after a lost answer.
            commits.commit(N(3), &[first]).unwrap();
        }
        // A crash in the middle of the next commit.
        let mut half = fs::read(&path).unwrap();
        half.extend_from_slice(b"{\"id\":3,\"na");
        fs::write(&path, half).unwrap();
        let sink = open(dir.path(), name, &[]);
        let mut commits = committer(sink.as_ref(), 2);
        assert_eq!(commits.recover().unwrap(), Witness::Committed(N(3)));
        commits.commit(N(7), &[outbox(sink.as_ref(), &[(3, "c")])]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), wanted);
        // The older incarnation that still runs is told.
        let sink_of_old = sink;
        let error = committer(sink_of_old.as_ref(), 1).recover().unwrap_err();
        assert_eq!(error.code, "FIL029");
    }
}

#[test]
fn compressed_pieces_are_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let sink = open(dir.path(), "out.csv.gz", &[]);
    let mut commits = committer(sink.as_ref(), 1);
    commits.recover().unwrap();
    commits.commit(N(1), &[outbox(sink.as_ref(), &[(1, "a")])]).unwrap();
    commits.commit(N(2), &[outbox(sink.as_ref(), &[(2, "b")])]).unwrap();
    let mut whole = String::new();
    std::io::Read::read_to_string(
        &mut flate2::read::MultiGzDecoder::new(fs::File::open(dir.path().join("out.csv.gz")).unwrap()),
        &mut whole,
    )
    .unwrap();
    assert_eq!(whole, "id,name\n1,a\n2,b\n");
}

#[test]
fn parts_get_their_names_with_their_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let partition = [("partition_by", OptionValue::Columns(vec!["name".into()])), ("format", text("parquet"))];
    let visible = || names_below(dir.path()).into_iter().filter(|n| n.ends_with(".parquet")).count();
    let second = {
        let sink = open(dir.path(), "./", &partition);
        let mut commits = committer(sink.as_ref(), 1);
        assert_eq!(commits.recover().unwrap(), Witness::Nothing);
        let mut writer = sink.writer(Share { index: 0, peers: 1 }).unwrap();
        let first = held(writer.as_mut(), &[(1, "a"), (2, "b")]);
        assert_eq!(visible(), 0);
        commits.commit(N(1), &[first]).unwrap();
        assert_eq!(visible(), 2);
        // Checkpoint 2 is published, and the process is killed before it commits; what comes after is in no checkpoint.
        let second = held(writer.as_mut(), &[(3, "a")]);
        held(writer.as_mut(), &[(4, "a")]);
        second
    };
    let sink = open(dir.path(), "./", &partition);
    let mut commits = committer(sink.as_ref(), 2);
    assert_eq!(commits.recover().unwrap(), Witness::Committed(N(1)));
    commits.commit(N(2), std::slice::from_ref(&second)).unwrap();
    assert_eq!(visible(), 3);
    // Killed between the renames and the ledger: the same again finds the names given.
    fs::remove_file(dir.path().join(".runink.json")).unwrap();
    commits.commit(N(2), &[second]).unwrap();
    assert_eq!(visible(), 3);
    commits.commit(N(3), &[outbox(sink.as_ref(), &[(5, "c")])]).unwrap();
    assert_eq!(visible(), 4);
    let hidden: Vec<_> = names_below(dir.path()).into_iter().filter(|n| n.contains(".tmp")).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn what_cannot_be_told_apart_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.csv");
    let code = |scenario: &str| {
        let sink = open(dir.path(), "out.csv", &[]);
        let identity = CommitIdentity { scenario: scenario.into(), generation: 1 };
        sink.committer(identity).unwrap().unwrap().recover().map_err(|e| e.code)
    };
    fs::write(&path, "id,name\n").unwrap();
    assert_eq!(code("Orders"), Err("FIL033"));
    fs::remove_file(&path).unwrap();
    {
        let sink = open(dir.path(), "out.csv", &[]);
        let mut commits = committer(sink.as_ref(), 1);
        commits.recover().unwrap();
        commits.commit(N(1), &[outbox(sink.as_ref(), &[(1, "a")])]).unwrap();
    }
    assert_eq!(code("Orders"), Ok(Witness::Committed(N(1))));
    assert_eq!(code("Others"), Err("FIL028"));
    fs::write(&path, "id").unwrap();
    assert_eq!(code("Orders"), Err("FIL031"));
    fs::write(dir.path().join(".out.csv.runink.json"), "{").unwrap();
    assert_eq!(code("Orders"), Err("FIL027"));
    let sink = open(dir.path(), "new.csv", &[]);
    let error = committer(sink.as_ref(), 1).commit(N(1), &[Outbox { bytes: vec![9], rows: 1, hash: 0 }]).unwrap_err();
    assert_eq!(error.code, "FIL032");
}
