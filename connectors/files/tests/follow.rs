//! Files that grow. What is waited for is a condition, never a time: the reader is polled until it has given what was written.

use crate::support::{rows, schema, source, text};
use runink_connector_api::{Boundedness, Chunk, ConnectorError, EpochBy, OptionValue, Poll, Positions, SavedPosition, Share, SourceReader};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
};

fn follow(dir: &Path, path: &str) -> Box<dyn SourceReader> {
    let given = [("path", text(path)), ("follow", OptionValue::Flag(true))];
    let source = source(dir, &given, &schema(&["id"])).unwrap();
    assert_eq!((source.boundedness(), source.epoch_by(), source.total_bytes()), (Boundedness::Unbounded, EpochBy::Clock, None));
    let mut other = source.reader(Share { index: 1, peers: 2 }).unwrap();
    assert!(matches!(other.poll().unwrap(), Poll::End), "one worker follows");
    source.reader(Share { index: 0, peers: 2 }).unwrap()
}

fn append(dir: &Path, name: &str, text: &str) {
    OpenOptions::new().append(true).create(true).open(dir.join(name)).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Polls until that many rows have come; each as `name:line=row`.
fn until(reader: &mut dyn SourceReader, count: usize) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.len() < count {
        match reader.poll().unwrap() {
            Poll::Rows(chunk) => {
                seen.extend(lines(&chunk));
                SAVED.with_borrow_mut(|saved| saved.push(saved_at(&chunk)));
            }
            Poll::Pending { caught_up, .. } => {
                assert!(caught_up);
                std::thread::yield_now();
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen.len(), count, "{seen:?}");
    seen
}

fn lines(chunk: &Chunk) -> Vec<String> {
    let at = |i: usize| match &chunk.positions {
        Positions::From(start) => start + i as u64,
        Positions::Each(each) => each.value(i),
    };
    rows(&chunk.batch).into_iter().enumerate().map(|(i, row)| format!("{}:{}={row}", chunk.origin, at(i))).collect()
}

thread_local! {
    /// What checkpoints would have of the chunks that this test has seen.
    static SAVED: RefCell<Vec<SavedPosition>> = const { RefCell::new(Vec::new()) };
}

fn saved_at(chunk: &Chunk) -> SavedPosition {
    SavedPosition { place: chunk.origin.clone(), reader: 0, readers: 2, after: chunk.after.clone().unwrap(), ended: false }
}

/// Polls until nothing has come in a whole look at all files; chunks without rows may.
fn nothing(reader: &mut dyn SourceReader) {
    loop {
        match reader.poll().unwrap() {
            Poll::Pending { caught_up: true, .. } => return,
            Poll::Rows(chunk) if chunk.batch.num_rows() == 0 => SAVED.with_borrow_mut(|saved| saved.push(saved_at(&chunk))),
            other => panic!("{other:?}"),
        }
    }
}

/// A reader that goes on from what was seen, as a checkpoint keeps it: the newest of each name, and those of other numbers of readers.
fn goes_on(dir: &Path, path: &str) -> Result<Box<dyn SourceReader>, ConnectorError> {
    let given = [("path", text(path)), ("follow", OptionValue::Flag(true))];
    let source = source(dir, &given, &schema(&["id"])).unwrap();
    assert!(source.resumable());
    let saved = SAVED.with_borrow(|saved| {
        let newest: BTreeMap<_, _> = saved.iter().map(|s| (s.place.clone(), s.clone())).collect();
        let stale = saved.iter().map(|s| SavedPosition { readers: 1, ..s.clone() });
        stale.take(saved.len() / 2).chain(newest.into_values()).collect::<Vec<_>>()
    });
    source.resume(Share { index: 0, peers: 3 }, &saved)
}

#[test]
fn a_follower_goes_on_behind_the_last_whole_row() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), "a.json", "{\"id\":1}\n{\"id\":2}\n{\"id\"");
    let mut reader = follow(dir.path(), "*.json");
    until(reader.as_mut(), 2);
    drop(reader);
    append(dir.path(), "a.json", ":3}\n");
    append(dir.path(), "b.json", "{\"id\":4}\n");
    let mut reader = goes_on(dir.path(), "*.json").unwrap();
    assert_eq!(until(reader.as_mut(), 2), ["a.json:3=3", "b.json:1=4"]);
    // It got another name meanwhile, and another file has its own.
    drop(reader);
    std::fs::rename(dir.path().join("a.json"), dir.path().join("c.json")).unwrap();
    append(dir.path(), "c.json", "{\"id\":5}\n");
    append(dir.path(), "a.json", "{\"id\":6}\n");
    let mut reader = goes_on(dir.path(), "*.json").unwrap();
    assert_eq!(until(reader.as_mut(), 2), ["a.json:1=6", "c.json:4=5"]);
    drop(reader);
    let mut reader = goes_on(dir.path(), "*.json").unwrap();
    nothing(reader.as_mut());
}

#[test]
fn csv_goes_on_without_its_header_and_with_line_ends_in_cells() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), "a.csv", "id,x\n1,\"a\nb\"\n2,\"c\n");
    let mut reader = follow(dir.path(), "a.csv");
    assert_eq!(until(reader.as_mut(), 1), ["a.csv:2=1"]);
    drop(reader);
    append(dir.path(), "a.csv", "d\"\n3,e\n");
    let mut reader = goes_on(dir.path(), "a.csv").unwrap();
    assert_eq!(until(reader.as_mut(), 2), ["a.csv:4=2", "a.csv:6=3"]);
}

#[test]
fn what_was_read_to_its_end_and_is_gone_need_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), "a.json", "{\"id\":1}\n");
    append(dir.path(), "b.json", "{\"id\":2}\n");
    let mut reader = follow(dir.path(), "*.json");
    until(reader.as_mut(), 2);
    std::fs::remove_file(dir.path().join("a.json")).unwrap();
    nothing(reader.as_mut());
    drop(reader);
    let mut reader = goes_on(dir.path(), "*.json").unwrap();
    nothing(reader.as_mut());
}

#[test]
fn what_went_while_nobody_followed_is_an_error() {
    let refused = |path: &str, change: fn(&Path)| {
        SAVED.take();
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), "a.json", "{\"id\":1}\n{\"id\":2}\n");
        let mut reader = follow(dir.path(), path);
        until(reader.as_mut(), 2);
        drop(reader);
        change(dir.path());
        goes_on(dir.path(), path).err().unwrap()
    };
    let rotated = refused("a.json", |dir| {
        std::fs::rename(dir.join("a.json"), dir.join("a.json.1")).unwrap();
        append(dir, "a.json", "{\"id\":3}\n{\"id\":4}\n{\"id\":5}\n");
    });
    assert_eq!(rotated.code, "FIL035");
    assert!(rotated.message.contains("`a.json`") && rotated.message.contains("byte 18"), "{rotated}");
    assert_eq!(refused("*.json", |dir| std::fs::remove_file(dir.join("a.json")).unwrap()).code, "FIL035");
    let cut = refused("a.json", |dir| std::fs::write(dir.join("a.json"), "{\"id\":3}\n").unwrap());
    assert_eq!(cut.code, "FIL034");
    assert!(cut.message.contains("has 9 bytes, but 18 had been read"), "{cut}");
    // Written anew, and as long as before.
    assert_eq!(refused("a.json", |dir| std::fs::write(dir.join("a.json"), "{\"id\":8}\n{\"id\":9}\n").unwrap()).code, "FIL035");
    // A position of a file that was complete.
    SAVED.set(vec![SavedPosition {
        place: "a.json".into(),
        reader: 0,
        readers: 1,
        after: runink_connector_api::Resume("0.1".into()),
        ended: false,
    }]);
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), "a.json", "{\"id\":1}\n");
    assert_eq!(goes_on(dir.path(), "a.json").err().unwrap().code, "FIL036");
}

#[test]
fn rows_come_when_their_line_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), "a.json", "{\"id\":1}\n{\"id\"");
    let mut reader = follow(dir.path(), "a.json");
    assert_eq!(until(reader.as_mut(), 1), ["a.json:1=1"]);
    nothing(reader.as_mut());
    append(dir.path(), "a.json", ":2}");
    nothing(reader.as_mut());
    append(dir.path(), "a.json", "\n{\"id\":3}\n");
    assert_eq!(until(reader.as_mut(), 2), ["a.json:2=2", "a.json:3=3"]);
}

#[test]
fn new_files_of_the_pattern_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut reader = follow(dir.path(), "*.json");
    nothing(reader.as_mut());
    append(dir.path(), "b.json", "{\"id\":1}\n");
    assert_eq!(until(reader.as_mut(), 1), ["b.json:1=1"]);
    append(dir.path(), "a.json", "{\"id\":2}\n");
    assert_eq!(until(reader.as_mut(), 1), ["a.json:1=2"]);
    append(dir.path(), "b.json", "{\"id\":3}\n");
    assert_eq!(until(reader.as_mut(), 1), ["b.json:2=3"]);
}

#[test]
fn a_file_that_moves_within_the_pattern_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), "a.json", "{\"id\":1}\n");
    let mut reader = follow(dir.path(), "*.json");
    assert_eq!(until(reader.as_mut(), 1), ["a.json:1=1"]);
    std::fs::rename(dir.path().join("a.json"), dir.path().join("b.json")).unwrap();
    append(dir.path(), "b.json", "{\"id\":2}\n");
    let [moved] = until(reader.as_mut(), 1).try_into().unwrap();
    assert!(moved.ends_with(".json:2=2"), "{moved}");
    append(dir.path(), "a.json", "{\"id\":3}\n");
    assert_eq!(until(reader.as_mut(), 1), ["a.json:1=3"]);
    append(dir.path(), "b.json", "{\"id\":4}\n");
    assert_eq!(until(reader.as_mut(), 1), ["b.json:3=4"]);
}

#[test]
fn a_rotated_file_is_read_to_its_end_and_the_new_one_from_its_start() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), "a.json", "{\"id\":1}\n");
    let mut reader = follow(dir.path(), "a.json");
    assert_eq!(until(reader.as_mut(), 1), ["a.json:1=1"]);
    append(dir.path(), "a.json", "{\"id\":2}\n{\"id\":3}");
    std::fs::rename(dir.path().join("a.json"), dir.path().join("a.json.1")).unwrap();
    append(dir.path(), "a.json", "{\"id\":4}\n");
    assert_eq!(until(reader.as_mut(), 3), ["a.json:2=2", "a.json:3=3", "a.json:1=4"]);
}

#[test]
fn a_truncated_file_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), "a.json", "{\"id\":1}\n{\"id\":2}\n");
    let mut reader = follow(dir.path(), "a.json");
    until(reader.as_mut(), 2);
    File::create(dir.path().join("a.json")).unwrap();
    nothing(reader.as_mut());
    append(dir.path(), "a.json", "{\"id\":3}\n");
    assert_eq!(until(reader.as_mut(), 1), ["a.json:1=3"]);
}

#[test]
fn a_file_that_is_gone_gives_its_last_row_and_may_come_back() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), "a.json", "{\"id\":1}");
    let mut reader = follow(dir.path(), "?.json");
    nothing(reader.as_mut());
    std::fs::remove_file(dir.path().join("a.json")).unwrap();
    assert_eq!(until(reader.as_mut(), 1), ["a.json:1=1"]);
    append(dir.path(), "a.json", "{\"id\":2}\n");
    assert_eq!(until(reader.as_mut(), 1), ["a.json:1=2"]);
}

#[test]
fn a_pipe_gives_rows_as_they_come_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("p.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut reader = follow(dir.path(), "p.json");
    nothing(reader.as_mut());
    let mut writer = OpenOptions::new().write(true).open(&pipe).unwrap();
    writer.write_all(b"{\"id\":1}\n{\"id\"").unwrap();
    assert_eq!(until(reader.as_mut(), 1), ["p.json:1=1"]);
    writer.write_all(b":2}\n").unwrap();
    assert_eq!(until(reader.as_mut(), 1), ["p.json:2=2"]);
    writer.write_all(b"{\"id\":3}").unwrap();
    drop(writer);
    assert_eq!(until(reader.as_mut(), 1), ["p.json:3=3"]);
    assert!(matches!(reader.poll().unwrap(), Poll::End));
}

#[test]
fn what_does_not_grow_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), "a.json.gz", "");
    let refused = |given: &[(&str, OptionValue)]| -> ConnectorError {
        let given: Vec<_> = given.iter().cloned().chain([("follow", OptionValue::Flag(true))]).collect();
        let opened = source(dir.path(), &given, &schema(&["id"])).and_then(|s| s.reader(Share { index: 0, peers: 1 }));
        opened.err().unwrap()
    };
    assert_eq!(refused(&[("path", text("a.json.gz"))]).code, "FIL006");
    assert_eq!(refused(&[("path", text("*.parquet"))]).code, "FIL006");
    assert_eq!(refused(&[("path", text("b.json"))]).code, "FIL001");
}
