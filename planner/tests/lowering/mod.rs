//! Scenarios to plans: goldens of good ones and of the mistakes that people make.

mod connectors;
mod facts;
mod goldens;
mod queries;

use runink_dsl::{Project, SourceFile, variables::Variables};
use runink_planner::{PlanInput, Planned, plan_scenario};
use std::collections::BTreeMap;

/// The project of one text, its first scenario planned. Whoever watches a step names it.
fn planned(path: &str, text: &str, observe: &[&str]) -> (Project, Planned) {
    with_input(path, text, observe, false, |project, input| (project.clone(), plan_scenario(input)))
}

/// What planning the first scenario of a text is given.
fn with_input<T>(path: &str, text: &str, observe: &[&str], checking: bool, run: impl FnOnce(&Project, &PlanInput<'_>) -> T) -> T {
    let project = Project::new(vec![SourceFile { path: path.to_owned(), text: text.to_owned() }]);
    let observe: Vec<String> = observe.iter().map(|o| (*o).to_owned()).collect();
    let id = *project.scenarios().first().unwrap_or_else(|| panic!("{path} has no scenario: {:?}", project.diagnostics));
    let scenario = project.scenario(id).expect("a scenario");
    let variables = Variables { env: BTreeMap::from([("DATA".into(), "data".into())]), checking };
    let (connectors, discovered) = (connectors::all(), connectors::discovered());
    let input = PlanInput {
        project: &project,
        scenario: &scenario,
        connectors: &connectors,
        variables: &variables,
        discovered: &discovered,
        observe: &observe,
    };
    run(&project, &input)
}

/// What is wrong, as people see it; the language's own findings are left to its own tests.
fn rendered(project: &Project, planned: &Planned) -> String {
    let texts: Vec<String> = planned.diagnostics.iter().map(|d| runink_dsl::render(d, &project.sources, false)).collect();
    texts.join("\n")
}
