//! `runi test`: the examples of scenarios, on a virtual clock.

use super::planned::{report, variables};
use crate::{
    Exit,
    cli::{Output, Test},
    files::{self, LoadedProject},
    registry::registry,
    screen::Screen,
};
use runink_dsl::{Diagnostic, FileId, ResolvedScenario, ast::Examples};
use runink_examples::{ExampleReport, Outcome, Request, Runner, render, summary, to_json};
use serde_json::{Value, json};
use std::{fs, io, path::Path};

/// How large a file of an example is at most, in bytes: examples are small.
const MAX_FILE_BYTES: u64 = 64 << 20;

pub(crate) fn run(test: &Test, screen: &Screen) -> Exit {
    let mut tested = Tested { test, screen, runner: Runner::new(), reports: Vec::new(), json: Vec::new(), exit: Exit::Done };
    for path in &test.paths {
        match files::load(path) {
            Ok(loaded) => tested.project(&loaded, path),
            Err(error) => return report(&error, screen),
        }
    }
    tested.end()
}

/// A run of examples as it goes on.
struct Tested<'a> {
    test: &'a Test,
    screen: &'a Screen,
    runner: Runner,
    reports: Vec<ExampleReport>,
    json: Vec<Value>,
    exit: Exit,
}

impl Tested<'_> {
    /// Runs the examples of a project, or of one file of it.
    fn project(&mut self, loaded: &LoadedProject, path: &Path) {
        let only = if path.is_dir() { None } else { loaded.file(path) };
        let mut broken: Option<FileId> = None;
        for id in loaded.project.scenarios() {
            if only.is_some_and(|file| file != id.file) || broken == Some(id.file) {
                continue;
            }
            let findings = loaded.findings_for(id.file);
            if findings.iter().any(Diagnostic::is_error) {
                self.screen.diagnostics(&findings, &loaded.project.sources);
                self.exit = self.exit.and(Exit::Findings);
                broken = Some(id.file);
            } else if let Some(scenario) = loaded.project.scenario(id) {
                self.scenario(loaded, &scenario);
            }
        }
    }

    fn scenario(&mut self, loaded: &LoadedProject, scenario: &ResolvedScenario) {
        let folder = loaded.folder_of(scenario.id.file);
        let specs = registry().specs();
        let variables = variables(&[], false);
        let wanted = |example: &Examples| {
            let has = |text: &str| self.test.filter.as_ref().is_none_or(|wanted| text.contains(wanted.as_str()));
            has(&example.title.value) || has(&scenario.title.value)
        };
        let request = Request {
            project: &loaded.project,
            scenario,
            connectors: &specs,
            variables: &variables,
            read: &|path| read(&folder.join(path)),
            accept: self.test.accept,
            workers: self.test.workers.map(usize::from),
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
            self.reports.push(report);
        }
    }

    /// Writes golden files. A report has some only where they are to be accepted.
    fn accept(&mut self, report: &ExampleReport, folder: &Path) {
        for golden in &report.accepted {
            let path = folder.join(&golden.path);
            let made = path.parent().map_or(Ok(()), fs::create_dir_all);
            if let Err(error) = made.and_then(|()| fs::write(&path, &golden.content)) {
                self.screen.error(&format!("RUN010: `{}` cannot be written: {error}", path.display()), None);
                self.exit = self.exit.and(Exit::Operator);
            }
        }
    }

    fn end(self) -> Exit {
        let count = |wanted: fn(&Outcome) -> bool| self.reports.iter().filter(|r| wanted(&r.outcome)).count();
        match self.test.output {
            Output::Text => self.screen.out(&summary(&self.reports, self.screen.out_color())),
            Output::Json => {
                let all = json!({
                    "examples": self.json,
                    "passed": count(|o| matches!(o, Outcome::Passed)),
                    "failed": count(|o| matches!(o, Outcome::Failed(_))),
                    "broken": count(|o| matches!(o, Outcome::Broken(_))),
                });
                self.screen.out(&format!("{all:#}\n"));
            }
        }
        if let Some(filter) = self.test.filter.as_ref().filter(|_| self.reports.is_empty()) {
            self.screen.error(&format!("RUN011: no example or scenario has `{filter}` in its title"), None);
            return self.exit.and(Exit::Findings);
        }
        self.exit
    }
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
