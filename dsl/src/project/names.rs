//! Names of a scenario: unique, known, not in a circle, read by somebody.

use super::{Project, ScenarioId, reuse, sources_of};
use crate::{
    Diagnostic, FileId,
    ast::{Action, Annotation, Document, Feature, Name, Scenario, Span, Step, StepBody, Value},
    codes,
    parse::{MAX_DIAGNOSTICS, REJECTED},
    suggest::{closest, did_you_mean, list_of},
};
use std::collections::{BTreeMap, BTreeSet};

/// What a name of a scenario stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Source,
    /// By its place in the scenario.
    Step(usize),
}

/// The names of a scenario.
pub(super) struct Scope {
    pub names: BTreeMap<String, Named>,
    /// Outputs of steps that end in a split, by step.
    pub ports: Vec<Vec<String>>,
    /// What each step reads beside the step before it, with where it says so (and in which file).
    reads: Vec<Vec<(Name, FileId)>>,
    /// The words of each step's queries: what they read is known to the planner, which parses them.
    queries: Vec<Query>,
}

/// What a step's queries may read.
#[derive(Default)]
struct Query {
    /// Every word in them.
    words: BTreeSet<String>,
    /// The step begins with a query: it reads the step before only where the query says so.
    alone: bool,
}

impl Query {
    fn of(step: &crate::ast::Step, body: &StepBody) -> Query {
        let is_query = |action: &Action| matches!(action, Action::Sql(_));
        let alone = step.from.is_empty() && body.when.is_empty() && body.actions.first().is_some_and(|a| is_query(&a.value));
        let texts = body.actions.iter().filter_map(|a| match &a.value {
            Action::Sql(sql) => Some(sql.text.value.as_str()),
            _ => None,
        });
        let words = texts.flat_map(|t| t.split(|c: char| !c.is_alphanumeric() && c != '_')).filter(|w| !w.is_empty());
        Query { words: words.map(str::to_owned).collect(), alone }
    }
}

impl Scope {
    pub(super) fn new(project: &Project, file: FileId, feature: &Feature, scenario: &Scenario) -> Self {
        let mut names: BTreeMap<String, Named> = BTreeMap::new();
        for source in sources_of(feature, scenario) {
            names.insert(source.name.value.clone(), Named::Source);
        }
        let (mut ports, mut reads, mut queries) = (Vec::new(), Vec::new(), Vec::new());
        for (i, step) in scenario.steps.iter().enumerate() {
            names.entry(step.name.value.clone()).or_insert(Named::Step(i));
            let resolved = reuse::resolve(project, file, step);
            let mut read: Vec<(Name, FileId)> = step.from.iter().map(|n| (n.clone(), file)).collect();
            let mut out = Vec::new();
            let mut query = Query::default();
            if let Some(resolved) = &resolved {
                let arguments = &resolved.arguments;
                out = split_ports(&resolved.body, arguments);
                query = Query::of(step, &resolved.body);
                read.extend(inputs(&resolved.body, arguments).into_iter().map(|n| (n, resolved.body_file)));
            }
            ports.push(out);
            reads.push(read);
            queries.push(query);
        }
        Scope { names, ports, reads, queries }
    }

    /// What `Step`, `source` or `Step.port` stands for.
    pub(super) fn find(&self, name: &str) -> Option<Named> {
        if let Some(found) = self.names.get(name) {
            return Some(*found);
        }
        let (step, port) = name.split_once('.')?;
        match self.names.get(step) {
            Some(Named::Step(i)) if self.ports.get(*i).is_some_and(|p| p.iter().any(|q| q == port)) => Some(Named::Step(*i)),
            _ => None,
        }
    }

    /// All names that something can be read by.
    pub(super) fn all(&self) -> Vec<String> {
        let mut all: Vec<String> = self.names.keys().cloned().collect();
        for (name, named) in &self.names {
            if let Named::Step(i) = named {
                all.extend(self.ports.get(*i).into_iter().flatten().map(|p| format!("{name}.{p}")));
            }
        }
        all
    }

    /// "nothing is called …", with the closest name.
    pub(super) fn unknown(&self, code: &'static str, file: FileId, name: &Name, message: String) -> Diagnostic {
        let d = Diagnostic::error(code, file, name.span, message);
        if let Some((step, port)) = name.value.split_once('.')
            && let Some(Named::Step(i)) = self.names.get(step)
        {
            let ports = self.ports.get(*i).cloned().unwrap_or_default();
            return if ports.is_empty() {
                d.hint(format!("`{step}` has one output only: write `{step}`, or split it with `@do split {port} when …`"))
            } else {
                let known: Vec<&str> = ports.iter().map(String::as_str).collect();
                let close = closest(port, known.iter().copied()).map(|meant| format!("did you mean `{step}.{meant}`?"));
                d.hint(close.unwrap_or_else(|| format!("`{step}` has the outputs {}", list_of(&known).replace(" or ", " and "))))
            };
        }
        let all = self.all();
        match did_you_mean(&name.value, all.iter().map(String::as_str)) {
            Some(hint) => d.hint(hint),
            None if all.is_empty() => d.hint("declare a source: `@source(name=…, type=…)`"),
            None => {
                let names: Vec<&str> = all.iter().map(String::as_str).take(MAX_LISTED).collect();
                d.hint(format!("there {} {}", if names.len() == 1 { "is" } else { "are" }, list_of(&names).replace(" or ", " and ")))
            }
        }
    }
}

/// Most names that a hint lists.
const MAX_LISTED: usize = 8;

/// A name with its parameter put in place; nothing where that cannot be known here.
fn known_name(name: &Name, arguments: &BTreeMap<String, Value>) -> Option<Name> {
    if !name.value.contains("${") {
        return Some(name.clone());
    }
    let (found, errors) = crate::variables::substitute(&name.value, name.span, false, arguments, &crate::variables::Variables::default());
    errors.is_empty().then(|| Name::new(found.text, name.span))
}

fn split_ports(body: &StepBody, arguments: &BTreeMap<String, Value>) -> Vec<String> {
    let arms = body.actions.iter().filter_map(|a| match &a.value {
        Action::Split(arms) => Some(arms),
        _ => None,
    });
    arms.flatten().filter_map(|arm| known_name(&arm.port, arguments)).map(|n| n.value).collect()
}

/// The inputs that a step's lines name.
pub(super) fn inputs(body: &StepBody, arguments: &BTreeMap<String, Value>) -> Vec<Name> {
    let mut names = Vec::new();
    for action in &body.actions {
        match &action.value {
            Action::Join(join) => names.extend(known_name(&join.input, arguments)),
            Action::Union(inputs) => names.extend(inputs.iter().filter_map(|n| known_name(n, arguments))),
            _ => {}
        }
    }
    names
}

/// Checks the names of a scenario.
pub(super) fn check(project: &Project, id: ScenarioId, feature: &Feature, scenario: &Scenario, found: &mut Vec<Diagnostic>) {
    let file = id.file;
    let scope = Scope::new(project, file, feature, scenario);
    duplicates(file, feature, scenario, found);
    for sink in &scenario.sinks {
        contract_of(project, file, &sink.annotation, found);
    }
    for source in &scenario.sources {
        contract_of(project, file, &source.annotation, found);
    }
    cycles(file, scenario, &scope, found);
    // A name may be unknown only because what declares it could not be read.
    if !project.declarations_are_broken(file) {
        let known = found.len();
        unknown_inputs(project, file, scenario, &scope, found);
        missing_inputs(file, feature, scenario, found);
        if found.len() == known {
            unread(project, id, scenario, &scope, found);
        }
    }
}

/// A name that begins with the title of a scenario of another feature.
fn is_of_another_feature(project: &Project, name: &str) -> bool {
    let mut titles = project.files().flat_map(|(_, d)| d.feature.iter().flat_map(|f| &f.scenarios)).map(|s| s.title.value.as_str());
    titles.any(|title| !title.is_empty() && name.strip_prefix(title).is_some_and(|rest| rest.starts_with('.')))
}

fn unknown_inputs(project: &Project, file: FileId, scenario: &Scenario, scope: &Scope, found: &mut Vec<Diagnostic>) {
    for (name, in_file) in scope.reads.iter().flatten() {
        if found.len() >= MAX_DIAGNOSTICS {
            return;
        }
        if scope.find(&name.value).is_none() && !(name.value == REJECTED && *in_file == file) {
            let mut d = scope.unknown(codes::INPUT_UNKNOWN, *in_file, name, format!("nothing here is called `{}`", name.value));
            if is_of_another_feature(project, &name.value) {
                d = d.hint(
                    "only scenarios of one feature can read each other's steps: put them into one file, or make a reusable step of it",
                );
            }
            if *in_file != file {
                d = d.related(file, scenario.title.span, "the scenario that uses this step");
            }
            found.push(d);
        }
    }
    for sink in &scenario.sinks {
        if let Some(from) = &sink.from
            && from.value != REJECTED
            && scope.find(&from.value).is_none()
        {
            found.push(scope.unknown(codes::INPUT_UNKNOWN, file, from, format!("nothing here is called `{}`", from.value)));
        }
    }
}

fn duplicates(file: FileId, feature: &Feature, scenario: &Scenario, found: &mut Vec<Diagnostic>) {
    let mut twice = |name: &'_ Name, kind: &'static str, seen: &mut BTreeMap<String, (Span, &'static str)>| {
        if let Some((first, first_kind)) = seen.get(&name.value) {
            let message = if *first_kind == kind {
                format!("two {kind}s are called `{}`", name.value)
            } else {
                format!("a {first_kind} and a {kind} are called `{}`", name.value)
            };
            found.push(
                Diagnostic::error(codes::DUPLICATE_NAME, file, name.span, message)
                    .related(file, *first, format!("the {first_kind}"))
                    .hint("rename one of them: everything is known by its name"),
            );
        } else {
            seen.insert(name.value.clone(), (name.span, kind));
        }
    };
    let mut streams: BTreeMap<String, (Span, &'static str)> = BTreeMap::new();
    for source in sources_of(feature, scenario) {
        twice(&source.name, "source", &mut streams);
    }
    for step in &scenario.steps {
        twice(&step.name, "step", &mut streams);
    }
    let mut sinks: BTreeMap<String, (Span, &'static str)> = BTreeMap::new();
    for name in scenario.sinks.iter().filter_map(|s| s.name.as_ref()) {
        twice(name, "sink", &mut sinks);
    }
    let mut examples: BTreeMap<String, (Span, &'static str)> = BTreeMap::new();
    for title in scenario.examples.iter().map(|e| &e.title).filter(|t| !t.value.is_empty()) {
        twice(title, "example", &mut examples);
    }
}

/// Scenarios of one file have different titles.
pub(super) fn check_titles(file: FileId, document: &Document, found: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for scenario in document.feature.iter().flat_map(|f| &f.scenarios) {
        let title = &scenario.title;
        if title.value.is_empty() {
            continue;
        }
        if let Some(first) = seen.insert(&title.value, title.span) {
            let message = format!("two scenarios are called {}", crate::parse::quote(&title.value));
            found.push(
                Diagnostic::error(codes::DUPLICATE_NAME, file, title.span, message)
                    .related(file, first, "the first one")
                    .hint("a scenario is known by its title"),
            );
        }
    }
}

/// Contracts that the background's sources name: once for the file, not once for each scenario.
pub(super) fn check_background(project: &Project, file: FileId, document: &Document, found: &mut Vec<Diagnostic>) {
    for source in document.feature.iter().flat_map(|f| f.background.iter().flat_map(|b| &b.sources)) {
        contract_of(project, file, &source.annotation, found);
    }
}

/// `contract=Payment@2` names a contract of the project.
fn contract_of(project: &Project, file: FileId, annotation: &Annotation, found: &mut Vec<Diagnostic>) {
    let Some(value) = annotation.get("contract") else { return };
    let (name, version) = match &value.value {
        Value::Versioned { name, version } => (name, Some(*version)),
        Value::Word(name) => (name, None),
        Value::Text(text) if !text.contains("${") => (text, None),
        _ => return,
    };
    if project.contract(name, version).is_some() {
        return;
    }
    let shown = version.map_or_else(|| name.clone(), |v| format!("{name}@{v}"));
    let d = Diagnostic::error(codes::CONTRACT_UNKNOWN, file, value.span, format!("there is no contract `{shown}`"));
    if let Some((other_file, other)) = project.contract(name, None) {
        let d = d.hint(format!("did you mean `{name}@{}`?", other.version.value));
        found.push(d.related(other_file, other.name.span, "a contract of this name"));
        return;
    }
    let known = project.contracts().map(|(_, c)| c.name.value.as_str());
    let hint = did_you_mean(name, known).unwrap_or_else(|| format!("write one: `Contract: {name} version {}`", version.unwrap_or(1)));
    found.push(d.hint(hint));
}

/// Steps and sinks that read nothing at all.
fn missing_inputs(file: FileId, feature: &Feature, scenario: &Scenario, found: &mut Vec<Diagnostic>) {
    if sources_of(feature, scenario).next().is_some() {
        return;
    }
    let hint = "declare a source in the scenario or the background: `@source(name=…, type=…)`";
    if let Some(step) = scenario.steps.first().filter(|s| s.from.is_empty()) {
        let message = format!("the step `{}` has nothing to read", step.name.value);
        found.push(Diagnostic::error(codes::INPUT_MISSING, file, step.name.span, message).hint(hint));
    } else if let (Some(sink), true) = (scenario.sinks.iter().find(|s| s.from.is_none()), scenario.steps.is_empty()) {
        found.push(Diagnostic::error(codes::INPUT_MISSING, file, sink.connector.span, "this sink has nothing to read").hint(hint));
    }
}

/// A step that is read, and the name that says so (and in which file), where one does.
type Input<'s> = (usize, Option<&'s (Name, FileId)>);

/// The steps that a step reads, each with the name that says so, where one does.
fn step_inputs<'s>(scenario: &'s Scenario, scope: &'s Scope, i: usize) -> Vec<Input<'s>> {
    let mut found: Vec<Input<'_>> = Vec::new();
    for read in &scope.reads[i] {
        if let Some(Named::Step(input)) = scope.find(&read.0.value) {
            found.push((input, Some(read)));
        }
    }
    if scenario.steps[i].from.is_empty() && i > 0 && !scope.queries[i].alone {
        found.push((i - 1, None));
    }
    found
}

/// Steps that read each other in a circle: one diagnostic for each circle.
fn cycles(file: FileId, scenario: &Scenario, scope: &Scope, found: &mut Vec<Diagnostic>) {
    /// How far a step has been looked at.
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; scenario.steps.len()];
    for root in 0..scenario.steps.len() {
        // A path of steps, each with the inputs that are still to be followed.
        let mut path: Vec<(usize, Vec<Input<'_>>)> = Vec::new();
        if marks[root] == Mark::New {
            marks[root] = Mark::Open;
            path.push((root, step_inputs(scenario, scope, root)));
        }
        while let Some((step, inputs)) = path.last_mut() {
            let step = *step;
            let Some((input, said)) = inputs.pop() else {
                marks[step] = Mark::Done;
                path.pop();
                continue;
            };
            match marks[input] {
                Mark::Done => {}
                Mark::New => {
                    marks[input] = Mark::Open;
                    path.push((input, step_inputs(scenario, scope, input)));
                }
                Mark::Open => {
                    let from = path.iter().position(|(s, _)| *s == input).unwrap_or(0);
                    let mut names: Vec<&str> = path[from..].iter().map(|(s, _)| scenario.steps[*s].name.value.as_str()).collect();
                    names.push(&scenario.steps[input].name.value);
                    let (place, place_file) = said.map_or((scenario.steps[step].name.span, file), |(name, file)| (name.span, *file));
                    let message = if names.len() == 2 {
                        format!("the step `{}` reads itself", names[0])
                    } else {
                        format!("steps read each other in a circle: {}", names.join(" ← "))
                    };
                    found.push(
                        Diagnostic::error(codes::CYCLE, place_file, place, message)
                            .hint("let one of them read something else with `from=`"),
                    );
                }
            }
        }
    }
}

/// Steps whose output goes nowhere.
fn unread(project: &Project, id: ScenarioId, scenario: &Scenario, scope: &Scope, found: &mut Vec<Diagnostic>) {
    let file = id.file;
    let mut read = vec![false; scenario.steps.len()];
    for i in 0..scenario.steps.len() {
        for (input, _) in step_inputs(scenario, scope, i) {
            read[input] = true;
        }
    }
    for (step, is_read) in scenario.steps.iter().zip(&mut read) {
        *is_read |= scope.queries.iter().any(|q| q.words.contains(&step.name.value));
    }
    for sink in &scenario.sinks {
        let input = match &sink.from {
            Some(from) => scope.find(&from.value),
            None => scenario.steps.iter().rposition(|s| s.span.start < sink.annotation.span.start).map(Named::Step),
        };
        if let Some(Named::Step(i)) = input {
            read[i] = true;
        }
    }
    let shown: BTreeSet<&str> =
        scenario.examples.iter().flat_map(|e| &e.clauses).filter_map(|c| super::examples::step_read(&c.value)).collect();
    // Those of other scenarios, which it reads, stand outside of its text.
    let own = |step: &Step| scenario.span.range().contains(&(step.span.start as usize));
    let last = scenario.steps.iter().rposition(own);
    for (i, step) in scenario.steps.iter().enumerate().filter(|(_, step)| own(step)) {
        // A scenario without sinks is read through its views: its last step is what it is for.
        let is_view = scenario.sinks.is_empty() && Some(i) == last;
        let elsewhere = project.read_elsewhere.contains(&(id, step.name.value.clone()));
        if !read[i] && !is_view && !elsewhere && !shown.contains(step.name.value.as_str()) {
            let message = format!("nobody reads the output of `{}`", step.name.value);
            found.push(
                Diagnostic::warning(codes::UNREAD, file, step.name.span, message)
                    .hint(format!("add `@sink(type=…, from={})`, or remove the step", step.name.value)),
            );
        }
    }
}
