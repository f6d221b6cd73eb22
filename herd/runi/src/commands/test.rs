//! `runi test`: the examples of scenarios, on a virtual clock.

mod watch;

use super::planned::{report, variables};
use crate::{
    Exit,
    cli::{Output, Test},
    files::{self, LoadedProject},
    registry::registry,
    screen::Screen,
};
use runink_dsl::{Diagnostic, FileId, ResolvedScenario, ast::Examples};
use runink_engine::{Clock, SystemClock};
use runink_examples::{Chaos, ExampleReport, Outcome, Request, Runner, render, summary, to_json, to_junit};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

/// How large a file of an example is at most, in bytes: examples are small.
const MAX_FILE_BYTES: u64 = 64 << 20;

pub(crate) fn run(test: &Test, screen: &Screen) -> Exit {
    if test.watch {
        return watch::run(test, screen);
    }
    let mut runner = Runner::new();
    let mut round = Round::new(test, screen, &mut runner);
    for path in &test.paths {
        match files::load(path) {
            Ok(loaded) => round.project(loaded, path, &mut |_, _| true),
            Err(error) => return report(&error, screen),
        }
    }
    round.end()
}

/// A scenario, by its file and title.
type ScenarioName = (PathBuf, String);
/// Files that examples name, with a number for what was in them.
type Named = BTreeMap<PathBuf, u64>;
/// Sees each scenario that could be run, and says whether it is.
type Wanted<'w> = &'w mut dyn FnMut(&LoadedProject, &ResolvedScenario) -> bool;

/// One run of examples.
struct Round<'a> {
    test: &'a Test,
    screen: &'a Screen,
    runner: &'a mut Runner,
    chaos: Option<Chaos>,
    /// Reports, each with the place of its project.
    reports: Vec<(ExampleReport, usize)>,
    projects: Vec<LoadedProject>,
    /// Which files the examples of each scenario that ran have named.
    named: Vec<(ScenarioName, Named)>,
    json: Vec<Value>,
    exit: Exit,
}

impl<'a> Round<'a> {
    fn new(test: &'a Test, screen: &'a Screen, runner: &'a mut Runner) -> Self {
        let seed = || test.seed.unwrap_or_else(|| SystemClock.now_us().unsigned_abs() % 1_000_000_007);
        let chaos = test.chaos.then(|| Chaos { seed: seed(), runs: test.runs as usize });
        let (reports, projects, named, json) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Round { test, screen, runner, chaos, reports, projects, named, json, exit: Exit::Done }
    }

    /// Runs the examples of a project, or of one file of it.
    fn project(&mut self, loaded: LoadedProject, path: &Path, wanted: Wanted<'_>) {
        let only = if path.is_dir() { None } else { loaded.file(path) };
        let mut broken: Option<FileId> = None;
        for id in loaded.project.scenarios() {
            if only.is_some_and(|file| file != id.file) || broken == Some(id.file) {
                continue;
            }
            let Some(scenario) = loaded.project.scenario(id) else { continue };
            if !wanted(&loaded, &scenario) {
                continue;
            }
            let findings = loaded.findings_for(id.file);
            if findings.iter().any(Diagnostic::is_error) {
                self.screen.diagnostics(&findings, &loaded.project.sources);
                self.exit = self.exit.and(Exit::Findings);
                broken = Some(id.file);
            } else {
                self.scenario(&loaded, &scenario);
            }
        }
        self.projects.push(loaded);
    }

    fn scenario(&mut self, loaded: &LoadedProject, scenario: &ResolvedScenario) {
        let folder = loaded.folder_of(scenario.id.file);
        let specs = registry().specs();
        let variables = variables(&[], false);
        let wanted = |example: &Examples| {
            let has = |text: &str| self.test.filter.as_ref().is_none_or(|wanted| text.contains(wanted.as_str()));
            has(&example.title.value) || has(&scenario.title.value)
        };
        let named: RefCell<Named> = RefCell::default();
        let request = Request {
            project: &loaded.project,
            scenario,
            connectors: &specs,
            variables: &variables,
            read: &|path| {
                let path = folder.join(path);
                let content = read(&path);
                named.borrow_mut().insert(path, hash_of(&content));
                content
            },
            accept: self.test.accept,
            workers: self.test.workers.map(usize::from),
            chaos: self.chaos,
            wanted: &wanted,
        };
        for report in self.runner.run(&request) {
            self.accept(&report, &folder);
            match self.test.output {
                Output::Text => self.screen.out(&render(&report, &loaded.project.sources, self.screen.out_color())),
                Output::Json => self.json.push(to_json(&report, &loaded.project.sources)),
            }
            if !report.passed() {
                self.exit = self.exit.and(Exit::Findings);
            }
            self.reports.push((report, self.projects.len()));
        }
        self.named.push((name_of(loaded, scenario), named.into_inner()));
    }

    /// Writes golden files. A report has some only where they are to be accepted.
    fn accept(&mut self, report: &ExampleReport, folder: &Path) {
        for golden in &report.accepted {
            let path = folder.join(&golden.path);
            self.write(&path, &golden.content);
        }
    }

    fn write(&mut self, path: &Path, content: &[u8]) {
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        if let Err(error) = made.and_then(|()| fs::write(path, content)) {
            self.screen.error(&format!("RUN010: `{}` cannot be written: {error}", path.display()), None);
            self.exit = self.exit.and(Exit::Operator);
        }
    }

    fn end(mut self) -> Exit {
        let count = |wanted: fn(&Outcome) -> bool| self.reports.iter().filter(|(r, _)| wanted(&r.outcome)).count();
        match self.test.output {
            Output::Text => {
                let reports: Vec<&ExampleReport> = self.reports.iter().map(|(r, _)| r).collect();
                self.screen.out(&summary(&reports, self.screen.out_color()));
                if let Some(chaos) = self.chaos {
                    self.screen.out(&format!("chaos: {} cases of each example that passes, seed {}\n", chaos.runs, chaos.seed));
                }
            }
            Output::Json => {
                let all = json!({
                    "examples": self.json,
                    "passed": count(|o| matches!(o, Outcome::Passed)),
                    "failed": count(|o| matches!(o, Outcome::Failed(_))),
                    "broken": count(|o| matches!(o, Outcome::Broken(_))),
                    "seed": self.chaos.map(|c| c.seed),
                });
                // Watching goes on and on: there, each round is a line.
                self.screen.out(&if self.test.watch { format!("{all}\n") } else { format!("{all:#}\n") });
            }
        }
        if let Some(path) = &self.test.junit {
            let with_texts = self.reports.iter().filter_map(|(r, at)| Some((r, &self.projects.get(*at)?.project.sources)));
            let document = to_junit(with_texts);
            self.write(path, document.as_bytes());
        }
        if let Some(filter) = self.test.filter.as_ref().filter(|_| self.reports.is_empty()) {
            self.screen.error(&format!("RUN011: no example or scenario has `{filter}` in its title"), None);
            return self.exit.and(Exit::Findings);
        }
        self.exit
    }
}

fn name_of(loaded: &LoadedProject, scenario: &ResolvedScenario) -> ScenarioName {
    let file = loaded.paths.get(scenario.id.file.0 as usize).cloned().unwrap_or_default();
    (file, scenario.title.value.clone())
}

/// A number for a content: another one for another content.
fn hash_of(content: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    match fs::metadata(path) {
        Ok(file) if file.len() > MAX_FILE_BYTES => Err(format!("it is larger than {} MiB", MAX_FILE_BYTES >> 20)),
        Ok(file) if file.is_dir() => Err("it is a folder".to_owned()),
        Ok(_) => fs::read(path).map_err(|e| e.to_string()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err("there is no such file".to_owned()),
        Err(e) => Err(e.to_string()),
    }
}
