//! From a path to plans: the project is read, scenarios are picked, schemas are asked of the outside where nothing else gives them.

use crate::{
    Exit,
    cli::Pick,
    files::{self, FilesError, LoadedProject},
    screen::Screen,
};
use runink_connector_api::{Registry, SourceConfig};
use runink_dsl::{Diagnostic, FileId, ResolvedScenario, variables::Variables};
use runink_planner::{Plan, PlanInput, plan_scenario, sources_to_discover};
use std::{collections::BTreeMap, path::Path};

/// How many rows a batch has at most when only its schema is asked for.
const DISCOVERY_BATCH_ROWS: usize = 1024;

/// Says what keeps files from being read.
pub(crate) fn report(error: &FilesError, screen: &Screen) -> Exit {
    screen.error(&error.to_string(), error.hint());
    error.exit()
}

/// What `${env.X}` stands for in this process, after what the command line sets.
pub(crate) fn variables(set: &[(String, String)], checking: bool) -> Variables {
    let mut env: BTreeMap<String, String> =
        std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
    env.extend(set.iter().cloned());
    Variables { env, checking }
}

/// The scenarios that a command is about, with the project they belong to.
pub(crate) struct Picked {
    pub(crate) loaded: LoadedProject,
    pub(crate) file: FileId,
    pub(crate) scenarios: Vec<ResolvedScenario>,
}

/// Reads the project of a file and picks its scenarios. Errors in texts that concern them end the command.
pub(crate) fn pick(pick: &Pick, screen: &Screen) -> Result<Picked, Exit> {
    let loaded = files::load(&pick.file).map_err(|e| report(&e, screen))?;
    let Some(file) = loaded.file(&pick.file) else {
        screen.error(&format!("RUN006: `{}` is a folder", pick.file.display()), Some("name one of its `.dsl` files"));
        return Err(Exit::Usage);
    };
    let findings = loaded.findings_for(file);
    screen.diagnostics(&findings, &loaded.project.sources);
    if findings.iter().any(Diagnostic::is_error) {
        return Err(Exit::Findings);
    }
    let all: Vec<_> =
        loaded.project.scenarios().into_iter().filter(|id| id.file == file).filter_map(|id| loaded.project.scenario(id)).collect();
    let titles = all.iter().map(|s| format!("`{}`", s.title.value)).collect::<Vec<_>>().join(", ");
    let scenarios: Vec<_> = match &pick.scenario {
        None => all,
        Some(title) => all.into_iter().filter(|s| s.title.value == *title).collect(),
    };
    if scenarios.is_empty() {
        let (message, hint) = match &pick.scenario {
            Some(title) => (format!("RUN007: `{}` has no scenario `{title}`", pick.file.display()), format!("it has {titles}")),
            None => (
                format!("RUN008: `{}` has no scenario", pick.file.display()),
                "a scenario starts with `Scenario: …` below a `Feature: …`".into(),
            ),
        };
        screen.error(&message, Some(&hint));
        return Err(Exit::Findings);
    }
    Ok(Picked { loaded, file, scenarios })
}

/// Schemas of the sources that neither a contract nor a connector's spec describes, asked of the outside.
pub(crate) fn discover(
    input: &PlanInput<'_>,
    registry: &Registry,
    base_dir: &Path,
    screen: &Screen,
) -> Result<BTreeMap<String, arrow::datatypes::SchemaRef>, Exit> {
    let mut discovered = BTreeMap::new();
    for source in sources_to_discover(input) {
        let Some(connector) = registry.get(&source.connector) else { continue };
        let config = SourceConfig {
            name: source.name.clone(),
            options: source.options.clone(),
            base_dir: base_dir.to_owned(),
            schema: None,
            projection: Vec::new(),
            predicates: Vec::new(),
            key: Vec::new(),
            time_column: None,
            batch_rows: DISCOVERY_BATCH_ROWS,
        };
        match connector.discover(&config) {
            Ok(schema) => {
                discovered.insert(source.name, schema);
            }
            Err(error) => {
                screen.error(&format!("{}: {error}", source.name), error.hint.as_deref());
                return Err(error.who.into());
            }
        }
    }
    Ok(discovered)
}

/// Plans a scenario; says everything that is wrong with it.
pub(crate) fn plan(
    picked: &Picked,
    scenario: &ResolvedScenario,
    registry: &Registry,
    variables: &Variables,
    screen: &Screen,
) -> Result<Plan, Exit> {
    let (specs, nothing) = (registry.specs(), BTreeMap::new());
    let mut input =
        PlanInput { project: &picked.loaded.project, scenario, connectors: &specs, variables, discovered: &nothing, observe: &[] };
    let discovered = discover(&input, registry, &picked.loaded.folder_of(picked.file), screen)?;
    input.discovered = &discovered;
    let planned = plan_scenario(&input);
    screen.diagnostics(&planned.diagnostics, &picked.loaded.project.sources);
    planned.plan.ok_or(Exit::Findings)
}
