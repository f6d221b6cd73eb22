//! The plan that examples run: the scenario's own, with every expected output observed, its sinks left out, and idleness at once.

use crate::{
    cells::table_as_json,
    codes,
    files::{self, ReadFile},
    script::SourceFacts,
};
use arrow::datatypes::{Schema, SchemaRef};
use runink_connector_api::ConnectorSpec;
use runink_dsl::{
    Diagnostic, Project, ResolvedScenario,
    ast::{Clause, Rows},
    variables::Variables,
};
use runink_formats::{TextFormat, infer};
use runink_planner::{EventTime, Node, NodeId, Op, Plan, PlanInput, StreamKind, plan_scenario, sources_to_discover};
use std::collections::BTreeMap;

/// The name of the reject stream.
pub(crate) const REJECTED: &str = "rejected";

/// A scenario, planned for its examples.
pub(crate) struct ExamplePlan {
    pub(crate) plan: Plan,
    pub(crate) sources: BTreeMap<String, SourceFacts>,
    /// The outputs that examples expect something of, without `rejected`.
    pub(crate) outputs: Vec<String>,
}

/// Plans a scenario for all of its examples.
///
/// # Errors
/// What keeps the scenario from running.
pub(crate) fn plan(
    project: &Project,
    scenario: &ResolvedScenario,
    connectors: &[&'static ConnectorSpec],
    variables: &Variables,
    read: ReadFile<'_>,
) -> Result<ExamplePlan, Vec<Diagnostic>> {
    let outputs = outputs(scenario);
    let nothing = BTreeMap::new();
    let mut input = PlanInput { project, scenario, connectors, variables, discovered: &nothing, observe: &outputs };
    let mut discovered = BTreeMap::new();
    for source in sources_to_discover(&input) {
        discovered.insert(source.name.clone(), schema_of(scenario, &source.name, read)?);
    }
    input.discovered = &discovered;
    let planned = plan_scenario(&input);
    let Some(plan) = planned.plan else {
        return Err(planned.diagnostics.into_iter().filter(Diagnostic::is_error).collect());
    };
    let mut plan = without_sinks(plan);
    let mut sources = BTreeMap::new();
    for node in &mut plan.nodes {
        if let Op::Source(op) = &mut node.op {
            let facts = SourceFacts {
                schema: as_read(&op.full_schema, &op.projection),
                idle_us: op.idle_us,
                lateness_us: op.lateness_us,
                time: node.time.as_ref().and_then(|t| Some(EventTime { column: *op.projection.get(t.column)?, shift_us: t.shift_us })),
                keyed: matches!(node.kind, StreamKind::Upsert { .. }),
            };
            sources.insert(node.name.clone(), facts);
            // The clock is virtual: an example that says idle has waited long enough.
            op.idle_us = 0;
        }
    }
    Ok(ExamplePlan { plan, sources, outputs })
}

/// The columns of a source; those that nobody reads may be left out of a row, whatever they promise, as nobody would decode them.
fn as_read(schema: &SchemaRef, read: &[usize]) -> SchemaRef {
    let fields = schema.fields().iter().enumerate();
    let fields = fields.map(|(i, f)| if read.contains(&i) { f.clone() } else { f.as_ref().clone().with_nullable(true).into() });
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()).into()
}

/// What the examples of a scenario expect something of.
fn outputs(scenario: &ResolvedScenario) -> Vec<String> {
    let clauses = scenario.examples.iter().flat_map(|e| &e.clauses);
    let names = clauses.filter_map(|clause| match &clause.value {
        Clause::Then { output, .. } | Clause::ThenWatermark { output, .. } => Some(output.value.clone()),
        _ => None,
    });
    let mut names: Vec<String> = names.filter(|n| n != REJECTED).collect();
    names.sort();
    names.dedup();
    names
}

/// The schema of a source that has no contract: what the rows in all examples look like.
fn schema_of(scenario: &ResolvedScenario, source: &str, read: ReadFile<'_>) -> Result<SchemaRef, Vec<Diagnostic>> {
    let file = scenario.id.file;
    let untyped = Schema::empty();
    let mut lines = Vec::new();
    let mut columns: Vec<String> = Vec::new();
    for clause in scenario.examples.iter().flat_map(|e| &e.clauses) {
        let Clause::Given { input, rows } = &clause.value else { continue };
        if input.value != source {
            continue;
        }
        match rows {
            Rows::Table(table) => {
                columns.extend(table.columns.iter().map(|c| c.value.clone()));
                lines.extend(table_as_json(table, &untyped));
            }
            Rows::File(path) => {
                let opened = files::open(file, path, read)?;
                let failed = |e: &dyn std::fmt::Display| {
                    vec![Diagnostic::error(codes::FILE, file, path.span, format!("`{}` cannot be read: {e}", path.value))]
                };
                let schema = infer(&opened.format, &opened.bytes, true).map_err(|e| failed(&e))?;
                let typed = files::rows_of(file, path, &opened, &schema)?;
                let rows = crate::rows::as_text(&typed.batch, &schema).map_err(|e| failed(&e))?;
                columns.extend(opened.columns);
                lines.extend(files::golden(&TextFormat::Json, &schema, &rows));
            }
        }
    }
    if columns.is_empty() {
        let at = scenario.sources.iter().find(|s| s.name.value == source).map_or(scenario.title.span, |s| s.name.span);
        let message = format!("`{source}` has no contract, and no example gives it rows to tell its columns from");
        return Err(vec![Diagnostic::error(codes::NO_SCHEMA, file, at, message).hint("give it a contract, or rows in an example")]);
    }
    let inferred = infer(&TextFormat::Json, &lines, true).unwrap_or_else(|_| untyped.into());
    Ok(with_columns(&inferred, columns))
}

/// A schema of these columns; those of which only nulls were seen are text.
fn with_columns(inferred: &Schema, columns: Vec<String>) -> SchemaRef {
    use arrow::datatypes::{DataType, Field};
    let mut fields: Vec<Field> = Vec::new();
    for column in columns {
        if !fields.iter().any(|f| *f.name() == column) {
            let known = inferred.field_with_name(&column).cloned();
            fields.push(known.unwrap_or_else(|_| Field::new(column, DataType::Utf8, true)));
        }
    }
    Schema::new(fields).into()
}

/// The plan without what writes. Nothing reads a sink, so that the others only move up.
fn without_sinks(plan: Plan) -> Plan {
    let is_sink = |node: &Node| matches!(node.op, Op::Sink(_));
    let mut kept = 0;
    let moved: Vec<NodeId> = plan
        .nodes
        .iter()
        .map(|node| {
            kept += usize::from(!is_sink(node));
            NodeId(kept.saturating_sub(1))
        })
        .collect();
    let nodes = plan.nodes.into_iter().filter(|node| !is_sink(node)).map(|mut node| {
        node.inputs.iter_mut().chain(&mut node.watermark_of).for_each(|id| *id = moved[id.0]);
        node
    });
    Plan { scenario: plan.scenario, nodes: nodes.collect() }
}
