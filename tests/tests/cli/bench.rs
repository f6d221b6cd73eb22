//! A folder with a scenario in it, and what is looked at again and again.

use crate::support::{Ran, ran, runi};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// How long something that must come may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What most scenarios here read.
pub(crate) const ORDER: &str = "
Contract: Order version 1
  | field  | type          | rules                |
  | id     | int64         | required             |
  | who    | string        |                      |
  | amount | float64       |                      |
  | at     | timestamp(ms) | required, event time |
";

/// Copies what it reads; `IN` and `OUT` say what and where.
pub(crate) const COPY: &str = r#"
Feature: Copies
  Scenario: Copy
    @source(name=orders, type=file, path="${env.IN}", contract=Order@1)
    @sink(type=file, path="${env.OUT:out.jsonl}")
    @sink(name=Rejected, type=file, path="rejected.jsonl", from=rejected)
"#;

/// A folder with texts and data.
pub(crate) struct Bench(TempDir);

impl Bench {
    /// With one scenario file, `s.dsl`.
    pub(crate) fn new(parts: &[&str]) -> Self {
        let bench = Bench(tempfile::tempdir().unwrap());
        bench.write("s.dsl", parts.concat());
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        String::from_utf8(self.read(name)).unwrap().lines().map(str::to_owned).collect()
    }

    /// The lines of a file as JSON.
    pub(crate) fn rows(&self, name: &str) -> Vec<Value> {
        self.lines(name).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = runi(self.folder(), &["run", "s.dsl"]);
        command.args(arguments);
        command
    }

    /// `runi run s.dsl …`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.command(arguments))
    }

    /// As `run`, which must end well.
    pub(crate) fn must_run(&self, arguments: &[&str]) {
        let ran = self.run(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{arguments:?}");
    }

    /// The summary of a run that must end well.
    pub(crate) fn summary(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        let summary: Value = serde_json::from_str(ran.err.lines().last().unwrap()).unwrap();
        assert_eq!(summary["event"], "summary");
        summary
    }

    /// Runs with another way in: a shell's.
    pub(crate) fn shell(&self, script: &str) -> Ran {
        let path = std::env::join_paths(
            std::iter::once(crate::support::binaries()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        );
        ran(Command::new("bash").args(["-uo", "pipefail", "-c", script]).current_dir(self.folder()).env("PATH", path.unwrap()))
    }

    /// All files, in order.
    pub(crate) fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, top: &Path, files: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => walk(&path, top, files),
                    false => files.push(path.strip_prefix(top).unwrap().to_string_lossy().into_owned()),
                }
            }
        }
        let mut files = Vec::new();
        walk(self.folder(), self.folder(), &mut files);
        files.sort();
        files
    }

    /// No file that is not complete was left.
    pub(crate) fn is_tidy(&self) {
        let left: Vec<_> = self.files().into_iter().filter(|f| f.ends_with(".tmp") || f.starts_with('.')).collect();
        assert!(left.is_empty(), "left: {left:?}");
    }

    /// A run that goes on beside the test.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::of(self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }
}

/// `n` good orders, a second apart.
pub(crate) fn orders(n: usize) -> Vec<String> {
    (0..n)
        .map(|i| {
            let at = format!("2026-01-01T{:02}:{:02}:{:02}Z", i / 3600 % 24, i / 60 % 60, i % 60);
            format!(r#"{{"id": {i}, "who": "u{}", "amount": {:?}, "at": "{at}"}}"#, i % 7, (i * 37 % 1000) as f64 / 10.0)
        })
        .collect()
}

pub(crate) fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// How many rows a file's lines count together in a column.
pub(crate) fn total(rows: &[Value], column: &str) -> u64 {
    rows.iter().map(|row| row[column].as_u64().unwrap()).sum()
}

/// A run that goes on beside the test. It does not outlive it.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) out: Receiver<String>,
    pub(crate) err: Receiver<String>,
}

fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            if sender.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The next line of a stream.
pub(crate) fn next(lines: &Receiver<String>) -> String {
    lines.recv_timeout(PATIENCE).expect("a line comes")
}

/// Lines up to the first that fits, which is the last of them.
pub(crate) fn until(lines: &Receiver<String>, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|line: &String| !fits(line)) {
        seen.push(next(lines));
    }
    seen
}

impl Running {
    /// Reads what a process with pipes writes.
    pub(crate) fn of(mut child: Child) -> Self {
        let (out, err) = (lines_of(child.stdout.take().unwrap()), lines_of(child.stderr.take().unwrap()));
        Running { child, out, err }
    }

    pub(crate) fn interrupt(&self) {
        assert!(Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Its exit code.
    pub(crate) fn end(mut self) -> i32 {
        drop(self.child.stdin.take());
        let code = self.child.wait().unwrap().code();
        code.expect("it ends by itself")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
