//! One scenario, planned: the steps of planning in their order.

use crate::Plan;
use arrow::datatypes::SchemaRef;
use runink_connector_api::{ConnectorSpec, Options};
use runink_dsl::{Diagnostic, Project, ResolvedScenario, variables::Variables};
use std::collections::BTreeMap;

/// What planning needs to know.
pub struct PlanInput<'a> {
    /// Where contracts are found.
    pub project: &'a Project,
    /// What to plan.
    pub scenario: &'a ResolvedScenario,
    /// Which connectors there are.
    pub connectors: &'a [&'static ConnectorSpec],
    /// What `${env.X}` stands for.
    pub variables: &'a Variables,
    /// Schemas of sources that neither a contract nor the connector's spec gives (see [`sources_to_discover`]), by source name.
    pub discovered: &'a BTreeMap<String, SchemaRef>,
    /// Steps, ports and sources whose output must stay readable under its name, because somebody watches it.
    pub observe: &'a [String],
}

/// What planning gave.
#[derive(Debug)]
pub struct Planned {
    /// The plan; `None` where a diagnostic is an error.
    pub plan: Option<Plan>,
    /// What is wrong or worth knowing.
    pub diagnostics: Vec<Diagnostic>,
}

/// A source whose schema must be asked of the outside.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceToDiscover {
    /// Its name in the scenario.
    pub name: String,
    /// Its connector.
    pub connector: String,
    /// Its checked options.
    pub options: Options,
}

/// Which sources have no schema yet, among those that somebody reads. Sources whose options are wrong are left out: [`plan_scenario`] says so.
pub fn sources_to_discover(input: &PlanInput<'_>) -> Vec<SourceToDiscover> {
    crate::lower::to_discover(input)
}

/// Plans a scenario: lowered, optimised, and looked at once more.
pub fn plan_scenario(input: &PlanInput<'_>) -> Planned {
    let (plan, mut diagnostics) = crate::lower::lower(input);
    let plan = plan.map(|plan| crate::optimise::optimise(plan, input.observe)).and_then(|plan| {
        let found = crate::sanity::check(&plan, input.connectors);
        let sound = !found.iter().any(Diagnostic::is_error);
        diagnostics.extend(found);
        sound.then_some(plan)
    });
    diagnostics.sort_by_key(|d| (d.file, d.span));
    Planned { plan, diagnostics }
}
