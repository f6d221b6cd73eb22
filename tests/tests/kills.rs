//! `kill -9` at any moment, again and again, and other numbers of workers each time: what was written in the end is what one undisturbed run writes.
//!
//! The moments are taken from the output: as soon as another piece of it has appeared, the process is killed. So it dies between publishing and committing, in the
//! middle of either, and anywhere else, as the machine has it.

use crate::support::{copy, ran, root, runi};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How often a scenario is killed at most; it must come to its end all the same.
const KILLS: usize = 6;
/// How long one life may take.
const DEADLINE: Duration = Duration::from_secs(120);
/// How often the output is looked at.
const LOOK: Duration = Duration::from_millis(1);

const SCENARIOS: &[(&str, &str)] = &[
    ("no state", "    @step(name=Cheap, from=bids)\n      @when price < 10000\n      @do select auction, price, date_time"),
    (
        "windows",
        "    @step(name=Counts, from=bids)\n      @do aggregate n = count(*), most = sum(price) by auction in hopping(2s, every 1s)",
    ),
    (
        "totals",
        "    @step(name=Totals, from=bids)\n      @when price < 1000\n      @do aggregate n = count(*), mean = avg(price) by auction keep for ever",
    ),
    ("sessions", "    @step(name=Visits, from=bids)\n      @do aggregate n = count(*) by bidder in session(10ms)"),
    (
        "recursion",
        "    @step(name=Links, from=bids)\n      @when price % 400 = 7\n      @do select bidder as a, auction as b\n    @step(name=Components)\n      @do select a as node, a as component\n      @do iterate component = min(component) by node\n      @do join Links on Links.a = Components.node\n      @do select Links.b as node, Components.component\n    @step(name=Last)\n      @do aggregate n = count(*) by component\n      @do keep n > 1",
    ),
    (
        "joins",
        "    @step(name=Matched, from=bids)\n      @do inner join auctions on auctions.id = bids.auction within 100ms\n      @do select bids.auction, bids.price, auctions.seller",
    ),
];

fn text(steps: &str, path: &str) -> String {
    let changes = if steps.contains("iterate") { ", changes=retract" } else { "" };
    format!(
        "Feature: Kills
  Scenario: Killed
    @source(name=bids, type=nexmark, kind=bid, events=1500000)
    @source(name=auctions, type=nexmark, kind=auction, events=1500000)
{steps}
    @sink(name=Out, type=file, path=\"{path}\", format=json{changes})
"
    )
}

/// The bytes that are to be seen below a path.
fn visible(path: &Path) -> u64 {
    let Ok(metadata) = fs::metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let entries = fs::read_dir(path).unwrap().flatten();
    entries.filter(|e| !e.file_name().to_string_lossy().starts_with('.')).filter_map(|e| e.metadata().ok()).map(|m| m.len()).sum()
}

fn sorted(path: &Path) -> Vec<String> {
    let files: Vec<_> = if path.is_dir() {
        fs::read_dir(path)
            .unwrap()
            .flatten()
            .map(|e| e.path())
            .filter(|p| !p.file_name().unwrap().to_string_lossy().starts_with('.'))
            .collect()
    } else {
        vec![path.to_owned()]
    };
    let mut lines: Vec<String> =
        files.iter().flat_map(|f| fs::read_to_string(f).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.sort();
    lines
}

/// Waits until more of the output is to be seen; gives the end of the process, if that comes first.
fn until_more(child: &mut Child, path: &Path, before: u64) -> Option<bool> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status.success());
        }
        if visible(path) > before {
            return None;
        }
        assert!(started.elapsed() < DEADLINE, "neither output nor an end");
        thread::sleep(LOOK);
    }
}

/// The newest checkpoint of any scenario in a state folder: generation and number, as their manifest's name has them.
fn newest(state: &Path) -> Option<String> {
    let scenarios = fs::read_dir(state).ok()?.flatten();
    let manifests = scenarios.filter_map(|s| fs::read_dir(s.path().join("snapshots/manifests")).ok()).flatten().flatten();
    manifests.map(|m| m.file_name().to_string_lossy().into_owned()).filter(|name| !name.starts_with('.')).max()
}

/// Runs a scenario with checkpoints to its end, on another number of workers each time: its first lives end with their first checkpoint, by `kill -9`.
pub(crate) fn through_kills(folder: &Path, arguments: &[&str]) {
    let mut killed = 0;
    for workers in ["2", "1", "4"] {
        let mut command = runi(folder, &["run"]);
        command.args(arguments).args(["--state", "state", "--checkpoint-every", "1ms", "--workers", workers]);
        let before = newest(&folder.join("state"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let started = Instant::now();
        while workers != "4" && child.try_wait().unwrap().is_none() && newest(&folder.join("state")) == before {
            assert!(started.elapsed() < DEADLINE, "{arguments:?}: neither a checkpoint nor an end");
            thread::sleep(LOOK);
        }
        if workers != "4" && child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            continue;
        }
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "{arguments:?} on {workers} workers: {}", String::from_utf8_lossy(&out.stderr));
    }
    assert!(killed > 0, "{arguments:?}: never killed");
}

/// The example of the README: what it writes through kills is what it writes undisturbed.
#[test]
fn the_flights_survive() {
    let (plain, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&plain, &killed] {
        copy(&root().join("docs/examples/flights"), folder.path());
        let text = fs::read_to_string(folder.path().join("flights.dsl")).unwrap();
        // Standard output has no memory of what it was given.
        let in_file = text.replace("@sink(type=stdout)", "@sink(type=file, path=\"out/hours.jsonl\")");
        assert_ne!(text, in_file);
        fs::write(folder.path().join("flights.dsl"), in_file).unwrap();
    }
    let ended = ran(&mut runi(plain.path(), &["run", "flights.dsl"]));
    assert_eq!(ended.code, 0, "{}", ended.err);
    through_kills(killed.path(), &["flights.dsl"]);
    for path in ["out/hours.jsonl", "out/rejected.jsonl"] {
        let (wanted, found) = (sorted(&plain.path().join(path)), sorted(&killed.path().join(path)));
        assert!(!wanted.is_empty() && found == wanted, "{path}: {} rows where {} were due", found.len(), wanted.len());
    }
}

/// A file that grows while the scenario lives, and while it is dead.
#[test]
fn a_file_that_grows_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let (log, out) = (dir.path().join("log.jsonl"), dir.path().join("out.jsonl"));
    let contract = "Contract: Row version 1\n  | field | type | rules |\n  | id | int | required |\n";
    let source = "@source(name=rows, type=file, path=\"log*.jsonl\", follow=true, contract=Row@1)";
    let steps = "@step(name=All)\n      @do select id\n    @sink(type=file, path=\"out.jsonl\")";
    let text = format!("{contract}\nFeature: Log\n  Scenario: Copied\n    {source}\n    {steps}\n");
    fs::write(dir.path().join("s.dsl"), text).unwrap();
    let append = |ids: std::ops::Range<u32>| {
        let lines: String = ids.map(|id| format!("{{\"id\":{id}}}\n")).collect();
        OpenOptions::new().create(true).append(true).open(&log).unwrap().write_all(lines.as_bytes()).unwrap();
    };
    append(0..1);
    let mut written = 1;
    for (life, workers) in ["2", "1", "3", "2"].into_iter().enumerate() {
        let arguments = ["run", "s.dsl", "--state", "state", "--checkpoint-every", "20ms", "--workers", workers];
        let mut child = runi(dir.path(), &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let before = visible(&out);
        let ended = until_more(&mut child, &out, before);
        assert_eq!(ended, None, "{}", String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr));
        append(written..written + 1000);
        written += 1000;
        let before = visible(&out);
        assert_eq!(until_more(&mut child, &out, before), None, "it goes on");
        child.kill().unwrap();
        child.wait().unwrap();
        // Its log is rotated once, into the pattern.
        if life == 1 {
            fs::rename(&log, dir.path().join("log-old.jsonl")).unwrap();
        }
        append(written..written + 1000);
        written += 1000;
    }
    let mut last = runi(dir.path(), &["run", "s.dsl", "--state", "state"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while sorted(&out).len() < written as usize && started.elapsed() < DEADLINE && last.try_wait().unwrap().is_none() {
        thread::sleep(LOOK);
    }
    last.kill().unwrap();
    let said = last.wait_with_output().unwrap().stderr;
    let mut wanted: Vec<String> = (0..written).map(|id| format!("{{\"id\":{id}}}")).collect();
    wanted.sort();
    let found = sorted(&out);
    assert!(found == wanted, "{} rows where {} were due: {}", found.len(), wanted.len(), String::from_utf8_lossy(&said));
}

fn survives(name: &str, steps: &str, path: &str) {
    let (plain, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&plain, &dir] {
        fs::write(folder.path().join("s.dsl"), text(steps, path)).unwrap();
    }
    let ended = ran(&mut runi(plain.path(), &["run", "s.dsl"]));
    assert_eq!(ended.code, 0, "{}", ended.err);
    let wanted = sorted(&plain.path().join(path));
    let out = dir.path().join(path);
    let mut killed = 0;
    for life in 0.. {
        let workers = ["2", "1", "3"][life % 3];
        // With and without a budget: state that lies in the store alone is read as one that is in memory.
        let budget = ["0MiB", "1TiB"][life % 2];
        let arguments = ["run", "s.dsl", "--state", "state", "--checkpoint-every", "20ms", "--workers", workers, "--memory-budget", budget];
        let mut child = runi(dir.path(), &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let before = visible(&out);
        let ended = if killed < KILLS { until_more(&mut child, &out, before) } else { Some(child.wait().unwrap().success()) };
        match ended {
            Some(true) => break,
            Some(false) => panic!("{name}: life {life} failed: {}", String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr)),
            None => {
                // SIGKILL: nothing of the process runs after it.
                child.kill().unwrap();
                child.wait().unwrap();
                killed += 1;
            }
        }
    }
    assert!(killed > 0, "{name}: never killed");
    let found = sorted(&out);
    assert!(found == wanted, "{name}: {} rows where {} were due, after {killed} kills", found.len(), wanted.len());
}

#[test]
fn a_file_has_each_row_once() {
    for (name, steps) in SCENARIOS {
        survives(name, steps, "out.jsonl");
    }
}

#[test]
fn a_folder_of_parts_has_each_row_once() {
    for (name, steps) in &SCENARIOS[1..2] {
        survives(name, steps, "out/");
    }
}
