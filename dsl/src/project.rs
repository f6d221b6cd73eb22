//! The texts of a project, put together: reusable steps found, backgrounds shared, names checked, contracts by name and version.

mod across;
mod durations;
mod examples;
mod names;
mod reuse;

use crate::{
    Diagnostic, FileId, SourceFile, Sources,
    ast::{Annotation, Contract, Document, Examples, Feature, Metadata, Name, Scenario, Sink, Source, Step, StepBody, Value},
    codes,
    parse::parse,
};
use across::Across;
use std::collections::{BTreeMap, BTreeSet};

/// All texts of a folder, parsed and put together.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// The texts.
    pub sources: Sources,
    /// Their trees, by [`FileId`]. A scenario that reads another one's step has that step among its own.
    pub documents: Vec<Document>,
    /// Everything that is wrong, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// Steps that another scenario reads.
    read_elsewhere: BTreeSet<(ScenarioId, String)>,
}

/// Which scenario of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScenarioId {
    /// In which file.
    pub file: FileId,
    /// Which one of the file's feature, from 0.
    pub index: usize,
}

/// A scenario with everything that its text takes from elsewhere.
#[derive(Debug, Clone)]
pub struct ResolvedScenario {
    /// Which one.
    pub id: ScenarioId,
    /// Its feature's title.
    pub feature: Name,
    /// Its title.
    pub title: Name,
    /// Prose under its heading.
    pub prose: String,
    /// The feature's metadata, then its own; its own wins where keys repeat.
    pub metadata: Vec<Metadata>,
    /// Annotations of the feature, the background and its own.
    pub annotations: Vec<Annotation>,
    /// The background's sources, then its own.
    pub sources: Vec<Source>,
    /// Its steps.
    pub steps: Vec<ResolvedStep>,
    /// Its sinks.
    pub sinks: Vec<Sink>,
    /// Its tests.
    pub examples: Vec<Examples>,
}

/// A step with its body, wherever that stands.
#[derive(Debug, Clone)]
pub struct ResolvedStep {
    /// As the scenario says it.
    pub step: Step,
    /// The lines to run: the step's own, or the reusable step's.
    pub body: StepBody,
    /// In which file those stand: spans inside `body` are of that file.
    pub body_file: FileId,
    /// What `${name}` stands for inside `body`: arguments and defaults of the reusable step; empty for a step of its own.
    pub arguments: BTreeMap<String, Value>,
}

impl Project {
    /// Parses texts and checks what one can check without data: duplicate names, reusable steps and their arguments, contracts.
    pub fn new(files: Vec<SourceFile>) -> Self {
        let sources = Sources::new(files);
        let mut documents = Vec::new();
        let mut diagnostics = Vec::new();
        for (id, file) in sources.iter() {
            let parsed = parse(id, &file.text);
            documents.push(parsed.document);
            diagnostics.extend(parsed.diagnostics);
        }
        let mut project = Project { sources, documents, diagnostics, read_elsewhere: BTreeSet::new() };
        let mut across = Across::of(&project);
        across.apply(&mut project);
        project.read_elsewhere = across.read;
        let mut found = project.contract_names();
        for id in project.scenarios() {
            if let Some((feature, scenario)) = project.find(id) {
                reuse::check(&project, id.file, scenario, &mut found);
                names::check(&project, id, feature, scenario, &mut found);
                examples::check(&project, id, scenario, &mut found);
            }
        }
        for (file, document) in project.files() {
            reuse::check_templates(file, document, &mut found);
            names::check_titles(file, document, &mut found);
            names::check_background(&project, file, document, &mut found);
        }
        // What could not be put together has been said; that it is not there follows from it.
        found.retain(|d| !across.found.iter().any(|said| (said.file, said.span) == (d.file, d.span)));
        project.diagnostics.extend(across.found);
        project.diagnostics.extend(found);
        project.diagnostics.sort_by_key(|d| (d.file, d.span.start, d.span.end));
        project.diagnostics.dedup();
        project
    }

    /// All scenarios, in order of files and text.
    pub fn scenarios(&self) -> Vec<ScenarioId> {
        let count = |d: &Document| d.feature.as_ref().map_or(0, |f| f.scenarios.len());
        self.files().flat_map(|(file, d)| (0..count(d)).map(move |index| ScenarioId { file, index })).collect()
    }

    /// A scenario put together. What could not be found has been said in [`Project::diagnostics`] and is left out.
    pub fn scenario(&self, id: ScenarioId) -> Option<ResolvedScenario> {
        let (feature, scenario) = self.find(id)?;
        let mut metadata: Vec<Metadata> =
            feature.metadata.iter().filter(|m| !scenario.metadata.iter().any(|own| own.key.value == m.key.value)).cloned().collect();
        metadata.extend(scenario.metadata.iter().cloned());
        let background = feature.background.as_ref();
        let mut annotations = feature.annotations.clone();
        annotations.extend(background.iter().flat_map(|b| b.annotations.iter().cloned()));
        annotations.extend(scenario.annotations.iter().cloned());
        Some(ResolvedScenario {
            id,
            feature: feature.title.clone(),
            title: scenario.title.clone(),
            prose: scenario.prose.clone(),
            metadata,
            annotations,
            sources: sources_of(feature, scenario).cloned().collect(),
            steps: scenario.steps.iter().filter_map(|step| reuse::resolve(self, id.file, step)).collect(),
            sinks: scenario.sinks.clone(),
            examples: scenario.examples.clone(),
        })
    }

    /// A contract by name and version (the highest where none is given), with its file.
    pub fn contract(&self, name: &str, version: Option<u32>) -> Option<(FileId, &Contract)> {
        self.contracts()
            .filter(|(_, c)| c.name.value == name && version.is_none_or(|v| c.version.value == v))
            .max_by_key(|(_, c)| c.version.value)
    }

    /// Whether anything keeps things from running.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    fn files(&self) -> impl Iterator<Item = (FileId, &Document)> {
        self.sources.iter().zip(&self.documents).map(|((file, _), document)| (file, document))
    }

    fn contracts(&self) -> impl Iterator<Item = (FileId, &Contract)> {
        self.files().flat_map(|(file, d)| d.contracts.iter().map(move |c| (file, c)))
    }

    fn document(&self, file: FileId) -> Option<&Document> {
        self.documents.get(file.0 as usize)
    }

    fn find(&self, id: ScenarioId) -> Option<(&Feature, &Scenario)> {
        let feature = self.document(id.file)?.feature.as_ref()?;
        feature.scenarios.get(id.index).map(|scenario| (feature, scenario))
    }

    /// Whether an annotation of a file could not be read, so that names may be missing only for that.
    fn declarations_are_broken(&self, file: FileId) -> bool {
        const OF_DECLARATIONS: [&str; 8] = [
            codes::ANNOTATION_UNKNOWN,
            codes::ANNOTATION_SYNTAX,
            codes::ARGUMENT_SYNTAX,
            codes::ARGUMENT_MISSING,
            codes::VALUE,
            codes::ANNOTATION_PLACE,
            codes::CODE_AS_PROSE,
            codes::UNCLOSED_STRING,
        ];
        self.diagnostics.iter().any(|d| d.file == file && d.is_error() && OF_DECLARATIONS.contains(&d.code))
    }

    /// Contracts that stand twice.
    fn contract_names(&self) -> Vec<Diagnostic> {
        let mut seen: BTreeMap<(&str, u32), (FileId, &Contract)> = BTreeMap::new();
        let mut found = Vec::new();
        for (file, contract) in self.contracts() {
            let key = (contract.name.value.as_str(), contract.version.value);
            if let Some((first_file, first)) = seen.get(&key) {
                let message = format!("the contract `{}` version {} stands twice", key.0, key.1);
                found.push(
                    Diagnostic::error(codes::DUPLICATE_NAME, file, contract.name.span, message)
                        .related(*first_file, first.name.span, "the first one")
                        .hint("give a changed contract a higher version"),
                );
            } else {
                seen.insert(key, (file, contract));
            }
        }
        found
    }
}

/// The background's sources, then the scenario's own.
fn sources_of<'p>(feature: &'p Feature, scenario: &'p Scenario) -> impl Iterator<Item = &'p Source> {
    feature.background.iter().flat_map(|b| &b.sources).chain(&scenario.sources)
}
