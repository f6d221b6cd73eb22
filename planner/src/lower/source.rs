//! Sources: which are read, their options, schema, event time and key.

use super::{
    Heard, Lowering, Named, NewNode, Said, Texts,
    options::SOURCE_OPTIONS,
    step::{first_query, inputs_of},
    stream::{Column, Flow, Stream},
};
use crate::{EventTime, Op, SourceOp, SourceToDiscover, StateBound, StreamKind, catalogue as codes, names, types};
use arrow::datatypes::{Schema, SchemaRef};
use runink_connector_api::{ConnectorSpec, Options};
use runink_dsl::{
    FileId, ResolvedScenario,
    ast::{Clause, Contract, Rule, Source, Span, Value},
    variables::Variables,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How long a partition must be silent, with evidence, before it no longer holds the watermark: one second.
const IDLE_DEFAULT_US: i64 = 1_000_000;

/// No arguments: texts that belong to no reusable step.
pub(super) static NO_ARGUMENTS: BTreeMap<String, Value> = BTreeMap::new();

/// Who reads what, by name.
#[derive(Debug)]
pub(super) struct Uses {
    /// What joins look up in.
    tables: BTreeSet<String>,
    /// What steps and sinks read row by row.
    streams: BTreeSet<String>,
    /// What examples feed.
    examples: BTreeSet<String>,
    /// What a step without `from=` reads where no step stands before it; or the sources it cannot choose between.
    pub(super) default: Result<String, Vec<String>>,
}

impl Uses {
    pub(super) fn of(scenario: &ResolvedScenario, variables: &Variables) -> Uses {
        let none = BTreeSet::new;
        let mut uses = Uses { tables: none(), streams: none(), examples: none(), default: Err(Vec::new()) };
        for step in &scenario.steps {
            let (joined, taken) = inputs_of(step, variables);
            // An input that a join names is read as a table, the others as streams.
            let first = step.step.from.first().map(|n| n.value.clone());
            uses.streams
                .extend(step.step.from.iter().map(|n| n.value.clone()).filter(|n| !joined.contains(n) || first.as_ref() == Some(n)));
            uses.tables.extend(joined);
            uses.streams.extend(taken);
        }
        uses.default = default_source(scenario, &uses);
        let reads_default = scenario.steps.first().is_some_and(|s| s.step.from.is_empty() && first_query(s).is_none())
            || (scenario.steps.is_empty() && scenario.sinks.iter().any(|s| s.from.is_none()));
        if reads_default && let Ok(source) = &uses.default {
            uses.streams.insert(source.clone());
        }
        uses.streams.extend(scenario.sinks.iter().filter_map(|s| s.from.as_ref()).map(|n| n.value.clone()));
        for clause in scenario.examples.iter().flat_map(|e| &e.clauses) {
            match &clause.value {
                Clause::Given { input, .. } | Clause::Watermark { input: Some(input), .. } | Clause::Idle { input, .. } => {
                    uses.examples.insert(input.value.clone());
                }
                Clause::Then { output, .. } | Clause::ThenWatermark { output, .. } => {
                    uses.examples.insert(output.value.clone());
                }
                _ => {}
            }
        }
        uses
    }

    fn reads(&self, source: &str) -> bool {
        self.tables.contains(source) || self.streams.contains(source) || self.examples.contains(source)
    }
}

/// The one source that is no table.
fn default_source(scenario: &ResolvedScenario, uses: &Uses) -> Result<String, Vec<String>> {
    let name = |s: &&Source| s.name.value.clone();
    let plain: Vec<String> = scenario
        .sources
        .iter()
        .filter(|s| !uses.tables.contains(&s.name.value) && s.annotation.get("key").is_none())
        .map(|s| name(&s))
        .collect();
    match (plain.as_slice(), scenario.sources.as_slice()) {
        ([one], _) => Ok(one.clone()),
        (_, [one]) => Ok(one.name.value.clone()),
        ([], all) => Err(all.iter().map(|s| s.name.value.clone()).collect()),
        (several, _) => Err(several.to_vec()),
    }
}

/// Where a source's columns come from.
enum SchemaOf<'a> {
    Contract(FileId, &'a Contract),
    Fixed(SchemaRef, Option<&'static str>),
    Discovered(SchemaRef),
}

impl<'a> Lowering<'a> {
    fn file(&self) -> FileId {
        self.input.scenario.id.file
    }

    fn source_texts(&self) -> Texts<'a> {
        Texts { file: self.file(), arguments: &NO_ARGUMENTS, query: None }
    }

    fn source_options(&mut self, source: &Source) -> Heard<(&'static ConnectorSpec, Options)> {
        let spec = self.connector(&source.connector)?;
        let Some(specs) = spec.source else {
            let message = format!("`{}` cannot be read: it has only sinks", spec.name);
            let readable: Vec<&str> = self.input.connectors.iter().filter(|c| c.source.is_some()).map(|c| c.name).collect();
            let hint = names::list(&readable).map_or_else(String::new, |l| format!("sources are {l}"));
            return Err(self.error(codes::CONNECTOR_DIRECTION, self.file(), source.connector.span, message, hint));
        };
        let options = self.options(self.source_texts(), &source.annotation, spec.name, specs, SOURCE_OPTIONS)?;
        Ok((spec, options))
    }

    /// See [`crate::sources_to_discover`].
    pub(super) fn sources_without_schema(mut self) -> Vec<SourceToDiscover> {
        let mut found = Vec::new();
        for source in &self.input.scenario.sources {
            let name = &source.name.value;
            if !self.uses.reads(name) || source.annotation.get("contract").is_some() || self.input.discovered.contains_key(name) {
                continue;
            }
            if let Ok((spec, options)) = self.source_options(source)
                && (spec.fixed_schema)(&options).is_none()
            {
                found.push(SourceToDiscover { name: name.clone(), connector: spec.name.to_owned(), options });
            }
        }
        found
    }

    /// Lowers a source when it is first read.
    pub(super) fn source(&mut self, source: &Source) -> Heard<Stream> {
        let name = source.name.value.clone();
        self.named.insert(name.clone(), Named::Open);
        let lowered = self.source_nodes(source);
        let named = lowered.as_ref().map_or(Named::Wrong, |s| Named::Stream(Box::new(s.clone())));
        self.named.insert(name, named);
        lowered
    }

    fn source_nodes(&mut self, source: &Source) -> Heard<Stream> {
        let (texts, at) = (self.source_texts(), (self.file(), source.name.span));
        let (spec, options) = self.source_options(source)?;
        let schema_of = self.schema_of(source, spec, &options)?;
        let schema: SchemaRef = match &schema_of {
            SchemaOf::Contract(_, contract) => types::contract_schema(contract),
            SchemaOf::Fixed(schema, _) => schema.clone(),
            SchemaOf::Discovered(schema) => {
                Arc::new(Schema::new(schema.fields().iter().map(|f| types::plain_field(f)).collect::<Vec<_>>()))
            }
        };
        let (time, key) = (self.event_time(source, &schema_of, &schema), self.source_key(source, &schema_of, &schema));
        let lateness_us = self.duration_option(texts, &source.annotation, "lateness", 0);
        let idle_us = self.duration_option(texts, &source.annotation, "idle", IDLE_DEFAULT_US);
        let advance_when_idle = self.flag_option(texts, &source.annotation, "advance_when_idle", true);
        let (time, key, lateness_us, idle_us, advance_when_idle) = (time?, key?, lateness_us?, idle_us?, advance_when_idle?);
        let name = &source.name.value;
        if spec.lookup && key.is_none() {
            let message = format!("`{name}` is looked up by key, and has none");
            let hint = "add `key=<column>`: the columns that a row is asked for by";
            return Err(self.error(codes::LOOKUP, at.0, at.1, message, hint));
        }
        let columns = schema.fields().iter().map(|f| Column {
            from: [(name.clone(), f.name().clone())].into(),
            direct: true,
            ..Column::new(f.clone())
        });
        let bounded = (spec.bounded)(&options);
        let kind = key.map_or(StreamKind::AppendOnly, |key| StreamKind::Upsert { key });
        let mut stream = self.push(NewNode {
            name: name.clone(),
            columns: columns.collect(),
            kind,
            time,
            inputs: Vec::new(),
            state: StateBound::Stateless,
            at,
            op: Op::Source(SourceOp {
                connector: spec.name.to_owned(),
                options,
                projection: (0..schema.fields().len()).collect(),
                full_schema: schema,
                predicates: Vec::new(),
                lateness_us,
                idle_us,
                advance_when_idle,
                preload: false,
                lookup: spec.lookup,
            }),
        });
        self.nodes[stream.node.0].bounded = bounded;
        stream.bounded = bounded;
        let mut flow = Flow::new(stream, name, at);
        if let SchemaOf::Contract(file, contract) = schema_of {
            self.contract_rules(&mut flow, file, contract)?;
        }
        Ok(self.finish(flow, name))
    }

    fn schema_of(&mut self, source: &Source, spec: &ConnectorSpec, options: &Options) -> Heard<SchemaOf<'a>> {
        let fixed = (spec.fixed_schema)(options);
        if let Some(value) = source.annotation.get("contract") {
            if fixed.is_some() {
                let message = format!("`{}` has its own schema and takes no contract", spec.name);
                return Err(self.error(codes::CONTRACT_ON_FIXED, self.file(), value.span, message, "leave `contract=` out"));
            }
            let (name, version) = match &value.value {
                Value::Versioned { name, version } => (name.clone(), Some(*version)),
                _ => (self.plain_text(self.source_texts(), value)?, None),
            };
            let project = self.input.project;
            return match project.contract(&name, version) {
                Some((file, contract)) => Ok(SchemaOf::Contract(file, contract)),
                // The language says it with its own code where the project was checked.
                None if project.has_errors() => Err(Said),
                None => {
                    let wanted = version.map_or_else(|| name.clone(), |v| format!("{name}@{v}"));
                    let message = format!("there is no contract `{wanted}`");
                    Err(self.error(
                        codes::CONTRACT_UNKNOWN,
                        self.file(),
                        value.span,
                        message,
                        "write the contract, or correct its name or version",
                    ))
                }
            };
        }
        if let Some(schema) = fixed {
            return Ok(SchemaOf::Fixed(schema, (spec.fixed_time)(options)));
        }
        if let Some(schema) = self.input.discovered.get(&source.name.value) {
            return Ok(SchemaOf::Discovered(schema.clone()));
        }
        let message = format!("the schema of `{}` is only known when its data is read", source.name.value);
        let hint = "name a contract with `contract=…`, so that everything can be checked before";
        if self.input.variables.checking {
            let diagnostic = runink_dsl::Diagnostic {
                severity: runink_dsl::Severity::Note,
                ..runink_dsl::Diagnostic::error(codes::SCHEMA_UNKNOWN, self.file(), source.name.span, message)
            };
            self.diagnostics.push(diagnostic.hint(hint));
            return Err(Said);
        }
        Err(self.error(codes::SCHEMA_UNKNOWN, self.file(), source.name.span, message, hint))
    }

    fn event_time(&mut self, source: &Source, schema_of: &SchemaOf<'_>, schema: &SchemaRef) -> Heard<Option<EventTime>> {
        let (name, file, span): (String, FileId, Span) = match (source.annotation.get("time"), schema_of) {
            (Some(value), _) => (self.plain_text(self.source_texts(), value)?, self.file(), value.span),
            (None, SchemaOf::Contract(file, contract)) => {
                let marked = |f: &&runink_dsl::ast::Field| f.rules.iter().any(|r| r.value == Rule::EventTime);
                let Some(field) = contract.fields.iter().find(marked) else { return Ok(None) };
                (field.name.value.clone(), *file, field.name.span)
            }
            (None, SchemaOf::Fixed(_, Some(time))) => ((*time).to_owned(), self.file(), source.name.span),
            _ => return Ok(None),
        };
        let Some((column, field)) = schema.column_with_name(&name) else {
            let hint = names::hint(&name, "columns", schema.fields().iter().map(|f| f.name().as_str()));
            return Err(self.error(
                codes::EVENT_TIME_COLUMN,
                file,
                span,
                format!("there is no column `{name}` to be the event time"),
                hint,
            ));
        };
        if !types::is_event_time(field.data_type()) {
            let message = format!("`{name}` is {} and cannot be the event time", types::type_name(field.data_type()));
            let hint = "an event time is a timestamp or a date; the contract can give the column that type";
            return Err(self.error(codes::EVENT_TIME_COLUMN, file, span, message, hint));
        }
        Ok(Some(EventTime { column, shift_us: 0 }))
    }

    /// `key=`; or the contract's key fields where joins look rows up in the source and nobody reads it row by row.
    fn source_key(&mut self, source: &Source, schema_of: &SchemaOf<'_>, schema: &SchemaRef) -> Heard<Option<Vec<String>>> {
        if let Some(value) = source.annotation.get("key") {
            let key = self.word_list(self.source_texts(), value)?;
            for name in &key {
                if schema.column_with_name(name).is_none() {
                    let hint = names::hint(name, "columns", schema.fields().iter().map(|f| f.name().as_str()));
                    return Err(self.error(
                        codes::KEY_COLUMN,
                        self.file(),
                        value.span,
                        format!("there is no column `{name}` to be the key"),
                        hint,
                    ));
                }
            }
            return Ok((!key.is_empty()).then_some(key));
        }
        let name = &source.name.value;
        let SchemaOf::Contract(_, contract) = schema_of else { return Ok(None) };
        if !self.uses.tables.contains(name) || self.uses.streams.contains(name) {
            return Ok(None);
        }
        let is_key = |f: &&runink_dsl::ast::Field| f.rules.iter().any(|r| r.value == Rule::Key);
        let key: Vec<String> = contract.fields.iter().filter(is_key).map(|f| f.name.value.clone()).collect();
        Ok((!key.is_empty()).then_some(key))
    }

    /// Sources that only examples feed are part of the plan; those that nobody reads are not.
    pub(super) fn examples(&mut self) {
        for source in &self.input.scenario.sources {
            if self.uses.examples.contains(&source.name.value) && !self.named.contains_key(&source.name.value) {
                let _ = self.source(source);
            }
        }
    }

    pub(super) fn unread_sources(&mut self) {
        if self.diagnostics.iter().any(runink_dsl::Diagnostic::is_error) {
            // Perhaps it is a mistake that keeps somebody from reading it.
            return;
        }
        for source in &self.input.scenario.sources {
            if !self.named.contains_key(&source.name.value) && !self.uses.reads(&source.name.value) {
                let message = format!("nobody reads `{}`, so it is not planned", source.name.value);
                self.warn(codes::SOURCE_UNREAD, self.file(), source.name.span, message, "read it in a step with `from=`, or remove it");
            }
        }
    }
}
