//! Examples name inputs and outputs that their scenario has.

use super::{
    Project, ScenarioId,
    names::{Named, Scope},
};
use crate::{
    Diagnostic,
    ast::{Clause, Name, Scenario},
    codes,
    parse::{MAX_DIAGNOSTICS, REJECTED},
    suggest::did_you_mean,
};

/// Checks the names in a scenario's examples.
pub(super) fn check(project: &Project, id: ScenarioId, scenario: &Scenario, found: &mut Vec<Diagnostic>) {
    if scenario.examples.is_empty() || project.declarations_are_broken(id.file) {
        return;
    }
    let Some((feature, _)) = project.find(id) else { return };
    let scope = Scope::new(project, id.file, feature, scenario);
    for clause in scenario.examples.iter().flat_map(|e| &e.clauses) {
        if found.len() >= MAX_DIAGNOSTICS {
            return;
        }
        match &clause.value {
            Clause::Given { input, .. } | Clause::Idle { input, .. } | Clause::Watermark { input: Some(input), .. } => {
                if scope.names.get(&input.value) != Some(&Named::Source) {
                    found.push(no_source(&scope, id, input));
                }
            }
            Clause::Then { output, .. } | Clause::ThenWatermark { output, .. } => {
                if output.value != REJECTED && scope.find(&output.value).is_none() {
                    let sink = scenario.sinks.iter().find(|s| s.name.as_ref().is_some_and(|n| n.value == output.value));
                    let mut d =
                        scope.unknown(codes::EXAMPLE_NAME, id.file, output, format!("this scenario has no step `{}`", output.value));
                    if sink.is_some() {
                        d = d.hint("an example reads steps, not sinks: name the step that the sink reads");
                    }
                    found.push(d);
                }
            }
            Clause::Watermark { input: None, .. } | Clause::TimePasses(_) | Clause::End | Clause::Crash | Clause::Workers(_) => {}
        }
    }
}

fn no_source(scope: &Scope, id: ScenarioId, input: &Name) -> Diagnostic {
    let sources: Vec<&str> = scope.names.iter().filter(|(_, n)| **n == Named::Source).map(|(name, _)| name.as_str()).collect();
    let d = Diagnostic::error(codes::EXAMPLE_NAME, id.file, input.span, format!("this scenario has no source `{}`", input.value));
    if scope.find(&input.value).is_some() {
        return d.hint("rows are given to sources; what a step gives out is checked with `Then`");
    }
    match did_you_mean(&input.value, sources.iter().copied()) {
        Some(hint) => d.hint(hint),
        None if sources.is_empty() => d.hint("declare a source: `@source(name=…, type=…)`"),
        None => d.hint(format!("its sources are {}", crate::suggest::list_of(&sources).replace(" or ", " and "))),
    }
}

/// The step whose output a clause reads.
pub(super) fn step_read(clause: &Clause) -> Option<&str> {
    match clause {
        Clause::Then { output, .. } | Clause::ThenWatermark { output, .. } => {
            Some(output.value.split_once('.').map_or(output.value.as_str(), |(step, _)| step))
        }
        _ => None,
    }
}
