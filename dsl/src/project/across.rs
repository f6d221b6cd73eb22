//! Scenarios that read another one's step: `from="Other scenario.Step"`.
//!
//! The step, with all that it reads, becomes part of the scenario that reads it, under its own name; so everything after this (checks, plans, state, examples)
//! sees one scenario. Only scenarios of one feature can read each other.

use super::{Project, ScenarioId, names, reuse, sources_of};
use crate::{
    Diagnostic, FileId,
    ast::{Action, Feature, Name, Scenario, Source, Span, Step},
    codes,
    suggest::{did_you_mean, list_of},
};
use std::collections::{BTreeMap, BTreeSet};

/// How many steps of others one scenario reads at most, with those that they read in turn.
const MAX_STEPS: usize = 200;

/// What putting scenarios together gives.
#[derive(Default)]
pub(super) struct Across {
    /// The scenarios that have changed.
    scenarios: Vec<(ScenarioId, Scenario)>,
    /// Steps that another scenario reads.
    pub(super) read: BTreeSet<(ScenarioId, String)>,
    pub(super) found: Vec<Diagnostic>,
}

impl Across {
    /// Puts together all scenarios of a project.
    pub(super) fn of(project: &Project) -> Self {
        let mut across = Across::default();
        for (file, document) in project.files() {
            let Some(feature) = &document.feature else { continue };
            for index in 0..feature.scenarios.len() {
                Work::new(project, feature, ScenarioId { file, index }, &mut across).run();
            }
        }
        across
    }

    /// Puts what has changed into the project's trees.
    pub(super) fn apply(&mut self, project: &mut Project) {
        for (id, scenario) in self.scenarios.drain(..) {
            let document = project.documents.get_mut(id.file.0 as usize);
            if let Some(place) = document.and_then(|d| d.feature.as_mut()).and_then(|f| f.scenarios.get_mut(id.index)) {
                *place = scenario;
            }
        }
    }
}

/// A step that is to be put in: in which scenario of the feature it stands, its name, and where it is first named.
struct Wanted {
    scenario: usize,
    step: String,
    mention: Span,
}

/// One scenario that reads others.
struct Work<'p, 'a> {
    project: &'p Project,
    feature: &'p Feature,
    id: ScenarioId,
    across: &'a mut Across,
    scenario: Scenario,
    wanted: Vec<Wanted>,
    /// Who has brought each name.
    brought: BTreeMap<String, (usize, usize)>,
}

impl<'p, 'a> Work<'p, 'a> {
    fn new(project: &'p Project, feature: &'p Feature, id: ScenarioId, across: &'a mut Across) -> Self {
        let scenario = feature.scenarios[id.index].clone();
        Work { project, feature, id, across, scenario, wanted: Vec::new(), brought: BTreeMap::new() }
    }

    fn run(mut self) {
        let mut own = std::mem::take(&mut self.scenario.steps);
        for name in own.iter_mut().flat_map(names_of).chain(self.scenario.sinks.iter_mut().filter_map(|s| s.from.as_mut())) {
            take_reference(self.feature, self.id.index, name, &mut self.wanted);
        }
        self.scenario.steps = own;
        if self.wanted.is_empty() {
            return;
        }
        self.say_inputs();
        self.wanted.reverse();
        let mut brought = 0;
        while let Some(wanted) = self.wanted.pop() {
            brought += 1;
            if brought > MAX_STEPS {
                let message = format!("this scenario reads more than {MAX_STEPS} steps of others");
                return self.error(codes::TOO_MANY, wanted.mention, message, "put scenarios that belong together into one");
            }
            self.bring(&wanted);
        }
        self.across.scenarios.push((self.id, self.scenario));
    }

    fn error(&mut self, code: &'static str, span: Span, message: String, hint: impl Into<String>) {
        self.across.found.push(Diagnostic::error(code, self.id.file, span, message).hint(hint));
    }

    /// What was read because of its place is read by its name from now on: there will be more steps and sources.
    fn say_inputs(&mut self) {
        let before = |sink: Span| self.scenario.steps.iter().rev().find(|s| s.span.start < sink.start).or(self.scenario.steps.last());
        let only = default_source(self.feature, &self.scenario).map(|s| s.name.value.clone());
        let mut inputs = Vec::with_capacity(self.scenario.sinks.len());
        for sink in &self.scenario.sinks {
            inputs.push(before(sink.annotation.span).map(|s| s.name.value.clone()).or_else(|| only.clone()));
        }
        for (sink, input) in self.scenario.sinks.iter_mut().zip(inputs) {
            if sink.from.is_none() {
                sink.from = input.map(|name| Name::new(name, sink.connector.span));
            }
        }
        if let (Some(first), Some(only)) = (self.scenario.steps.first_mut().filter(|s| s.from.is_empty()), only) {
            first.from.push(Name::new(only, first.name.span));
        }
    }

    /// Puts a step in, and asks for those that it reads.
    fn bring(&mut self, wanted: &Wanted) {
        let feature = self.feature;
        if wanted.scenario == self.id.index {
            // A step of this very scenario, which another one reads that this one reads.
            return;
        }
        let Some(other) = feature.scenarios.get(wanted.scenario) else { return };
        let Some(at) = other.steps.iter().position(|s| s.name.value == wanted.step) else {
            let message = format!("the scenario `{}` has no step `{}`", other.title.value, wanted.step);
            let names: Vec<&str> = other.steps.iter().map(|s| s.name.value.as_str()).collect();
            let hint = did_you_mean(&wanted.step, names.iter().copied()).unwrap_or_else(|| match names.is_empty() {
                true => "it has no steps".to_owned(),
                false => format!("it has {}", list_of(&names).replace(" or ", " and ")),
            });
            return self.error(codes::INPUT_UNKNOWN, wanted.mention, message, hint);
        };
        let mut step = other.steps[at].clone();
        match self.brought.get(&step.name.value) {
            Some(known) if *known == (wanted.scenario, at) => return,
            _ => {}
        }
        let own = sources_of(feature, &self.scenario).any(|s| s.name.value == step.name.value);
        if own || self.scenario.steps.iter().any(|s| s.name.value == step.name.value) {
            let message = format!("`{}` of `{}` has the name of something that is here already", step.name.value, other.title.value);
            return self.error(codes::DUPLICATE_NAME, wanted.mention, message, "rename one of them: everything is known by its name");
        }
        if step.from.is_empty() {
            let input = match at.checked_sub(1).and_then(|before| other.steps.get(before)) {
                Some(before) => before.name.value.clone(),
                None => match default_source(feature, other) {
                    Some(source) => source.name.value.clone(),
                    None => {
                        let message = format!("`{}` of `{}` does not say which source it reads", step.name.value, other.title.value);
                        return self.error(codes::INPUT_UNKNOWN, wanted.mention, message, "add `from=` to it");
                    }
                },
            };
            step.from.push(Name::new(input, step.name.span));
        }
        for name in names_of(&mut step) {
            take_reference(feature, wanted.scenario, name, &mut self.wanted);
        }
        // What it reads of another scenario has been asked for; the rest it reads of its own.
        for name in reads(self.project, self.id.file, &step) {
            self.local(wanted, other, &name);
        }
        self.brought.insert(step.name.value.clone(), (wanted.scenario, at));
        self.across.read.insert((ScenarioId { file: self.id.file, index: wanted.scenario }, step.name.value.clone()));
        self.scenario.steps.push(step);
    }

    /// Something that a step reads of its own scenario.
    fn local(&mut self, wanted: &Wanted, other: &Scenario, name: &str) {
        let step = other.steps.iter().find(|s| s.name.value == name || name.split_once('.').is_some_and(|(step, _)| s.name.value == step));
        if let Some(step) = step {
            self.wanted.push(Wanted { scenario: wanted.scenario, step: step.name.value.clone(), mention: wanted.mention });
            return;
        }
        let Some(source) = sources_of(self.feature, other).find(|s| s.name.value == name) else { return };
        let here = sources_of(self.feature, &self.scenario).find(|s| s.name.value == name);
        let taken = self.scenario.steps.iter().any(|s| s.name.value == name);
        if taken || here.is_some_and(|here| here.annotation.span != source.annotation.span) {
            let message = format!("`{}` of `{}` reads `{name}`, and here something else has that name", wanted.step, other.title.value);
            self.error(codes::DUPLICATE_NAME, wanted.mention, message, "rename one of them, or declare the source in the background");
        } else if here.is_none() {
            self.scenario.sources.push(source.clone());
        }
    }
}

/// The names that a step's own text reads by, to be changed in place.
fn names_of(step: &mut Step) -> impl Iterator<Item = &mut Name> {
    let lines = step.body.actions.iter_mut().flat_map(|action| match &mut action.value {
        Action::Join(join) => vec![&mut join.input],
        Action::Union(inputs) => inputs.iter_mut().collect(),
        _ => Vec::new(),
    });
    step.from.iter_mut().chain(lines)
}

/// Everything that a step reads by name, a reusable step's inputs among it.
fn reads(project: &Project, file: FileId, step: &Step) -> Vec<String> {
    let mut all: Vec<String> = step.from.iter().map(|n| n.value.clone()).collect();
    if let Some(resolved) = reuse::resolve(project, file, step) {
        all.extend(names::inputs(&resolved.body, &resolved.arguments).into_iter().map(|n| n.value));
    }
    all
}

/// `Other scenario.Step`, `Other scenario.Step.port`: asks for the step, and leaves its own name in the place. The longest title that fits is meant.
fn take_reference(feature: &Feature, of: usize, name: &mut Name, wanted: &mut Vec<Wanted>) {
    let titled = feature.scenarios.iter().enumerate().filter(|(_, s)| !s.title.value.is_empty());
    let rest = |title: &str| name.value.strip_prefix(title).and_then(|rest| rest.strip_prefix('.'));
    let fits = titled.filter_map(|(i, s)| Some((i, s.title.value.len(), rest(&s.title.value)?.to_owned())));
    let Some((scenario, _, own)) = fits.max_by_key(|(_, length, _)| *length) else { return };
    // A step may have the title of its scenario: what is known here by the whole name is meant by it.
    let here = feature.scenarios.get(of).is_some_and(|s| s.steps.iter().any(|step| name.value.split('.').next() == Some(&step.name.value)));
    if here {
        return;
    }
    if scenario != of {
        let step = own.split_once('.').map_or(own.as_str(), |(step, _)| step).to_owned();
        wanted.push(Wanted { scenario, step, mention: name.span });
    }
    name.value = own;
}

/// The one source that a step reads which names none: the only one, or the only one without a key that no join looks rows up in.
fn default_source<'f>(feature: &'f Feature, scenario: &'f Scenario) -> Option<&'f Source> {
    let all: Vec<&Source> = sources_of(feature, scenario).collect();
    let joined = |source: &Source| {
        let actions = scenario.steps.iter().flat_map(|s| &s.body.actions);
        actions.into_iter().any(|a| matches!(&a.value, Action::Join(join) if join.input.value == source.name.value))
    };
    let plain: Vec<&Source> = all.iter().copied().filter(|s| s.annotation.get("key").is_none() && !joined(s)).collect();
    match (plain.as_slice(), all.as_slice()) {
        ([one], _) | (_, [one]) => Some(one),
        _ => None,
    }
}
