//! Every command of the documentation, run as a reader would.
//!
//! In a page, a `sh` block is run with the blocks before it in one folder that starts as a copy of `docs/examples`. A block that says `file=NAME` writes that file.
//! A `text` block right after a `sh` block is what the commands print; a line `…` stands for any lines, and `…` in a line for any text.

use crate::support::{binaries, copy, root};
use std::{fs, path::Path, process::Command};

#[derive(Debug)]
struct Block {
    info: String,
    text: String,
    line: usize,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (i, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some(Block { info: info.trim().to_owned(), text: String::new(), line: i + 1 }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Whether a line is the expected one, a first `…` in it standing for any text.
fn line_fits(expected: &str, line: &str) -> bool {
    match expected.trim_end().split_once('…') {
        None => expected.trim_end() == line.trim_end(),
        Some((start, end)) => line.strip_prefix(start).is_some_and(|rest| rest.trim_end().ends_with(end)),
    }
}

/// Whether a text is the expected one, `…` lines standing for any number of lines.
fn fits(expected: &str, text: &str) -> bool {
    fn lines(expected: &[&str], text: &[&str]) -> bool {
        match expected.split_first() {
            None => text.is_empty(),
            Some((&"…", rest)) => (0..=text.len()).any(|skip| lines(rest, &text[skip..])),
            Some((first, rest)) => text.split_first().is_some_and(|(t, more)| line_fits(first, t) && lines(rest, more)),
        }
    }
    lines(&expected.lines().collect::<Vec<_>>(), &text.lines().collect::<Vec<_>>())
}

fn run_page(name: &str) {
    let page = fs::read_to_string(root().join("docs").join(name)).unwrap();
    run_text(name, &page, tempfile::tempdir().unwrap());
}

fn run_text(name: &str, page: &str, folder: tempfile::TempDir) {
    copy(&root().join("docs/examples"), folder.path());
    let blocks = blocks(page);
    let mut commands = 0;
    for (i, block) in blocks.iter().enumerate() {
        if let Some(file) = block.info.split_whitespace().find_map(|w| w.strip_prefix("file=")) {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &block.text).unwrap();
        } else if block.info == "sh" {
            commands += 1;
            let printed = shell(folder.path(), &block.text, &format!("{name}:{}", block.line));
            if let Some(next) = blocks.get(i + 1).filter(|b| b.info == "text") {
                assert!(fits(&next.text, &printed), "{name}:{} prints\n{printed}\nbut the page says\n{}", block.line, next.text);
            }
        }
    }
    assert!(commands > 0, "{name} has no command");
}

fn shell(folder: &Path, script: &str, place: &str) -> String {
    let path =
        std::env::join_paths(std::iter::once(binaries()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())));
    let out =
        Command::new("bash").args(["-euo", "pipefail", "-c", script]).current_dir(folder).env("PATH", path.unwrap()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(out.stdout), text(out.stderr));
    assert!(out.status.success(), "{place}: `{}` ended with {}\n{stdout}{stderr}", script.trim(), out.status);
    stdout
}

#[test]
fn the_tutorial() {
    run_page("tutorial.md");
}

/// The page starts a broker on its usual port; here it gets another one.
#[test]
fn the_page_about_kafka() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("deploy"), folder.path().join("deploy")).unwrap();
    let data = folder.path().join("kafka-data");
    let keeper = Keeper::of(&data);
    let page = fs::read_to_string(root().join("docs/kafka.md")).unwrap();
    run_text("kafka.md", &page.replace("9092", &free_ports(2).to_string()), folder);
    assert!(!data.join("pid").exists(), "the page stops its broker");
    drop(keeper);
}

/// Ports in a row that nobody has: the first of them.
pub(crate) fn free_ports(count: u16) -> u16 {
    use std::net::TcpListener;
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port.checked_add(count).is_some() && (port + 1..port + count).all(|p| TcpListener::bind(("127.0.0.1", p)).is_ok()) {
            return port;
        }
    }
}

/// Stops the broker of a folder when this process is gone, however it ends: its standard input is closed then.
pub(crate) struct Keeper(std::process::Child);

impl Keeper {
    pub(crate) fn of(data: &Path) -> Self {
        let script = "read -r _ || true; [ ! -e \"$1/pid\" ] || \"$0\" \"$1\"";
        let mut bash = Command::new("setsid");
        bash.args(["bash", "-c", script]).arg(root().join("deploy/kafka/stop")).arg(data);
        Keeper(bash.stdin(std::process::Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn the_pages_about_the_command() {
    for page in ["testing.md", "contracts.md", "explain.md", "connectors.md", "nexmark.md", "restarts.md"] {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        if blocks(&text).iter().any(|b| b.info == "sh") {
            run_page(page);
        }
    }
}

/// The second command of the README is the one that runs this test; the first is run here.
#[test]
fn the_readme_has_two_commands_and_they_work() {
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    let commands: Vec<_> = blocks(&page).into_iter().filter(|b| b.info == "sh").map(|b| b.text.trim().to_owned()).collect();
    assert_eq!(commands, ["deploy/dev/demo", "deploy/dev/verify"]);
    assert!(fs::read_to_string(root().join(".ci/run")).unwrap().contains("exec deploy/dev/verify"));
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("docs/examples"), folder.path());
    let printed = shell(folder.path(), "runi run flights/flights.dsl", "deploy/dev/demo");
    assert_eq!(printed.lines().count(), 26, "{printed}");
    let scenario = fs::read_to_string(root().join("docs/examples/flights/flights.dsl")).unwrap();
    let shown = blocks(&page).into_iter().find(|b| b.info == "gherkin").unwrap();
    let unindented: String = scenario.lines().map(|l| format!("{}\n", l.strip_prefix("  ").unwrap_or(l))).collect();
    assert!(unindented.contains(shown.text.trim_end()), "the README shows another scenario than it runs");
}

#[test]
fn every_page_of_the_book_exists_and_is_listed() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") && name != "SUMMARY.md" {
            assert!(summary.contains(&format!("({name})")), "docs/{name} is not in docs/SUMMARY.md");
        }
    }
    for link in summary.split('(').skip(1).filter_map(|l| l.split(')').next()) {
        assert!(root().join("docs").join(link).exists(), "docs/SUMMARY.md names {link}");
    }
}
