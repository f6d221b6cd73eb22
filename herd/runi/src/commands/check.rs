//! `runi check`: everything that is wrong with texts, without a look at anything but texts.

use super::planned::{report, variables};
use crate::{
    Exit,
    cli::{Check, Output},
    files::{self, LoadedProject},
    registry::registry,
    screen::Screen,
};
use runink_dsl::{Diagnostic, FileId, Severity};
use runink_planner::{PlanInput, plan_scenario, sources_to_discover};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What was found in one project.
struct Findings {
    loaded: LoadedProject,
    /// How many texts this is about.
    texts: usize,
    diagnostics: Vec<Diagnostic>,
    unplanned: Vec<Unplanned>,
}

/// A scenario that only data could say more about.
struct Unplanned {
    file: FileId,
    scenario: String,
    sources: Vec<String>,
}

pub(crate) fn run(check: &Check, screen: &Screen) -> Exit {
    let mut all = Vec::new();
    for path in &check.paths {
        let loaded = match files::load(path) {
            Ok(loaded) => loaded,
            Err(error) => return report(&error, screen),
        };
        // Of a single file: what concerns it, though its project is read as a whole.
        let only = if path.is_dir() { None } else { loaded.file(path) };
        all.push(findings(loaded, only));
    }
    match check.output {
        Output::Text => show(&all, screen),
        Output::Json => screen.out(&format!("{:#}\n", to_json(&all))),
    }
    let failed = all.iter().any(|f| f.diagnostics.iter().any(Diagnostic::is_error));
    if failed { Exit::Findings } else { Exit::Done }
}

fn findings(loaded: LoadedProject, only: Option<FileId>) -> Findings {
    let mut diagnostics = match only {
        Some(file) => loaded.findings_for(file),
        None => loaded.project.diagnostics.clone(),
    };
    let mut unplanned = Vec::new();
    let (registry, variables, nothing) = (registry(), variables(&[], true), BTreeMap::new());
    let specs = registry.specs();
    for id in loaded.project.scenarios() {
        // A broken text would only be found broken once more.
        let skipped = only.is_some_and(|file| file != id.file) || loaded.findings_for(id.file).iter().any(Diagnostic::is_error);
        let Some(scenario) = loaded.project.scenario(id).filter(|_| !skipped) else {
            continue;
        };
        let input = PlanInput {
            project: &loaded.project,
            scenario: &scenario,
            connectors: &specs,
            variables: &variables,
            discovered: &nothing,
            observe: &[],
        };
        let sources: Vec<String> = sources_to_discover(&input).into_iter().map(|s| s.name).collect();
        if sources.is_empty() {
            diagnostics.extend(plan_scenario(&input).diagnostics);
        } else {
            unplanned.push(Unplanned { file: id.file, scenario: scenario.title.value.clone(), sources });
        }
    }
    diagnostics.sort_by_key(|d| (d.file, d.span.start, d.severity));
    diagnostics.dedup();
    let texts = if only.is_some() { 1 } else { loaded.paths.len() };
    Findings { loaded, texts, diagnostics, unplanned }
}

fn path(findings: &Findings, file: FileId) -> &str {
    findings.loaded.project.sources.get(file).map_or("", |f| f.path.as_str())
}

fn show(all: &[Findings], screen: &Screen) {
    for found in all {
        screen.diagnostics(&found.diagnostics, &found.loaded.project.sources);
        for Unplanned { file, scenario, sources } in &found.unplanned {
            let names = sources.join(", ");
            screen.err(&format!(
                "note: {}: scenario `{scenario}` was checked without types: no contract says what {names} looks like; `runi explain` reads the data\n",
                path(found, *file)
            ));
        }
    }
    let count = |severity: Severity| all.iter().flat_map(|f| &f.diagnostics).filter(|d| d.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let texts: usize = all.iter().map(|f| f.texts).sum();
    let plural = |n: usize, word: &str| if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") };
    screen.err(&format!("{} checked: {}, {}\n", plural(texts, "text"), plural(errors, "error"), plural(warnings, "warning")));
}

fn to_json(all: &[Findings]) -> Value {
    let diagnostics: Vec<Value> =
        all.iter().flat_map(|f| f.diagnostics.iter().map(|d| runink_dsl::to_json(d, &f.loaded.project.sources))).collect();
    let unplanned: Vec<Value> = all
        .iter()
        .flat_map(|f| f.unplanned.iter().map(|u| json!({ "path": path(f, u.file), "scenario": u.scenario, "sources": u.sources })))
        .collect();
    json!({ "diagnostics": diagnostics, "checked_without_types": unplanned })
}
