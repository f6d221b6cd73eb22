//! `runi test --watch`: stays, and runs again what a change concerns.
//!
//! Which examples those are is decided by what they are made of, not by what the system says has happened: a scenario runs again when its own text, a shared
//! text of its project (contracts, reusable steps) or a file that its examples name is another than before. The system's events only say when to look.

use super::{Named, Round, ScenarioName, hash_of, name_of, read, report};
use crate::{
    Exit,
    cli::Test,
    files::{self, FilesError, LoadedProject},
    interrupt,
    screen::Screen,
};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use runink_dsl::{FileId, ResolvedScenario};
use runink_examples::Runner;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    time::{Duration, Instant},
};

/// How often it is looked whether somebody has pressed Ctrl-C.
const LOOK_UP: Duration = Duration::from_millis(50);
/// How long nothing must change before examples run: editors write a file in several steps.
const QUIET: Duration = Duration::from_millis(80);
/// How long changes are waited out at most.
const QUIET_AT_MOST: Duration = Duration::from_secs(2);
/// How many events wait: that there is one is enough.
const EVENTS_WAITING: usize = 1;

pub(super) fn run(test: &Test, screen: &Screen) -> Exit {
    if let Err(error) = interrupt::listen() {
        screen.error(&format!("RUN009: signals cannot be listened to: {error}"), None);
        return Exit::Operator;
    }
    let (changed, changes) = sync_channel(EVENTS_WAITING);
    let on_event = move |event: notify::Result<Event>| {
        // Reading is no change: what examples read must not wake them.
        if !matches!(event.map(|e| e.kind), Ok(EventKind::Access(_))) {
            let _one_waits_already = changed.try_send(());
        }
    };
    let watcher = notify::recommended_watcher(on_event).and_then(|watcher| watch_all(watcher, &test.paths));
    let _watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => {
            screen.error(&format!("RUN012: the folders cannot be watched: {error}"), Some("is the limit of watched files reached?"));
            return Exit::Operator;
        }
    };
    let mut watched = Watched { test, screen, runner: Runner::new(), known: BTreeMap::new() };
    watched.round(true);
    while wait(&changes) {
        watched.round(false);
    }
    Exit::Interrupted
}

fn watch_all(mut watcher: RecommendedWatcher, paths: &[PathBuf]) -> notify::Result<RecommendedWatcher> {
    let mut folders = BTreeSet::new();
    for path in paths {
        // A path that cannot be loaded is told of by the first round; it may come to be.
        let root = files::load(path).map_or_else(|_| path.clone(), |loaded| loaded.root);
        folders.insert(if root.is_file() { root.parent().map(Path::to_owned).unwrap_or_default() } else { root });
    }
    for folder in folders {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        watcher.watch(folder, RecursiveMode::Recursive)?;
    }
    Ok(watcher)
}

/// Waits until something has changed and is quiet again; `false` when somebody asked for the end.
fn wait(changes: &Receiver<()>) -> bool {
    loop {
        if interrupt::asked() {
            return false;
        }
        match changes.recv_timeout(LOOK_UP) {
            Ok(()) => break,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    let started = Instant::now();
    while started.elapsed() < QUIET_AT_MOST && changes.recv_timeout(QUIET).is_ok() {}
    !interrupt::asked()
}

struct Watched<'a> {
    test: &'a Test,
    screen: &'a Screen,
    runner: Runner,
    /// What each scenario was made of when it was last looked at: its texts, and the files that its examples name.
    known: BTreeMap<ScenarioName, (u64, Named)>,
}

impl Watched<'_> {
    /// Runs what is not as it was.
    fn round(&mut self, first: bool) {
        let mut round = Round::new(self.test, self.screen, &mut self.runner);
        let known = &mut self.known;
        let mut any = first;
        for path in &self.test.paths {
            let loaded = match files::load(path) {
                Ok(loaded) => loaded,
                Err(error) => {
                    // Saving a file may take it away for a moment; the next event brings it back.
                    if first || !matches!(error, FilesError::Missing(_)) {
                        let _goes_on = report(&error, self.screen);
                    }
                    continue;
                }
            };
            round.project(loaded, path, &mut |loaded, scenario| {
                let texts = texts_of(loaded, scenario);
                let before = known.entry(name_of(loaded, scenario)).or_default();
                let changed = before.0 != texts || before.1.iter().any(|(path, was)| hash_of(&read(path)) != *was);
                before.0 = texts;
                any |= changed;
                changed
            });
        }
        for (name, named) in std::mem::take(&mut round.named) {
            known.entry(name).or_default().1 = named;
        }
        if any {
            let _goes_on = round.end();
            self.screen.err("watching for changes; Ctrl-C ends it\n");
        }
    }
}

/// A number for the texts that a scenario is made of: its own file's, and those that all of the project share.
fn texts_of(loaded: &LoadedProject, scenario: &ResolvedScenario) -> u64 {
    let shared = |id: FileId| loaded.project.documents.get(id.0 as usize).is_some_and(|d| d.feature.is_none());
    let texts = loaded.project.sources.iter().filter(|(id, _)| *id == scenario.id.file || shared(*id));
    hash_of(&texts.map(|(_, file)| (&file.path, &file.text)).collect::<Vec<_>>())
}
