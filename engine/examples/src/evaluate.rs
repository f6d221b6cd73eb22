//! What a run gave, held against what its example expects.

use crate::{
    cells::table_as_json,
    codes,
    compare::{Demand, Difference, compare},
    files::{self, ReadFile},
    plan::REJECTED,
    report::{GoldenFile, Mismatch, MismatchKind},
    rows::{Row, as_text, consolidate, decode, places, plain_schema},
    script::{Expectation, Expected, check_columns},
};
use arrow::datatypes::{Schema, SchemaRef};
use runink_dsl::{
    Diagnostic, FileId,
    ast::{Check, Name, Rows, Spanned, Table},
    suggest::did_you_mean,
};
use runink_engine::testing::{Collector, WatermarkLog};
use runink_formats::TextFormat;
use runink_planner::{NodeId, Op, Plan, StreamKind, rejected_schema};
use std::{collections::BTreeMap, sync::Arc};

/// How many rejected rows a mismatch quotes.
const REJECTS_QUOTED: usize = 3;

/// What one run gave.
pub(crate) struct Observed {
    pub(crate) workers: usize,
    pub(crate) outputs: BTreeMap<NodeId, Arc<Collector>>,
    pub(crate) rejected: Arc<Collector>,
    pub(crate) watermarks: Arc<WatermarkLog>,
}

/// One expectation, looked at.
pub(crate) struct Looked {
    pub(crate) mismatch: Option<Mismatch>,
    /// All columns of what was looked at, for comparing runs with each other.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) golden: Option<GoldenFile>,
}

/// A stream by the name that an example has for it.
struct Output {
    node: Option<NodeId>,
    schema: SchemaRef,
    kind: StreamKind,
}

pub(crate) struct Evaluation<'a> {
    pub(crate) file: FileId,
    pub(crate) plan: &'a Plan,
    pub(crate) observed: &'a Observed,
    pub(crate) read: ReadFile<'a>,
    /// Golden files become what came out.
    pub(crate) accept: bool,
    /// The example itself expects something of `rejected`.
    pub(crate) asks_for_rejects: bool,
}

impl Evaluation<'_> {
    /// Looks at one expectation.
    pub(crate) fn look(&self, expectation: &Expectation<'_>) -> Result<Looked, Vec<Diagnostic>> {
        let output = self.output(expectation.output)?;
        match expectation.expected {
            Expected::WatermarkUs(expected_us) => Ok(self.watermark(expectation, &output, expected_us)),
            Expected::Rows(check) => self.rows(expectation, &output, check),
        }
    }

    fn output(&self, name: &Name) -> Result<Output, Vec<Diagnostic>> {
        if name.value == REJECTED {
            return Ok(Output { node: None, schema: rejected_schema(), kind: StreamKind::AppendOnly });
        }
        match self.plan.output_of(&name.value) {
            Some(id) => {
                let node = self.plan.node(id);
                Ok(Output { node: Some(id), schema: node.schema.clone(), kind: node.kind.clone() })
            }
            None => {
                let names = self.plan.nodes.iter().map(|n| n.name.as_str()).chain([REJECTED]);
                let mut diagnostic = Diagnostic::error(
                    codes::NOT_AN_OUTPUT,
                    self.file,
                    name.span,
                    format!("nothing called `{}` gives rows here", name.value),
                );
                diagnostic.hint = did_you_mean(&name.value, names);
                Err(vec![diagnostic])
            }
        }
    }

    fn mismatch(&self, expectation: &Expectation<'_>, kind: MismatchKind) -> Mismatch {
        Mismatch { output: expectation.output.value.clone(), span: expectation.span, workers: self.observed.workers, kind }
    }

    fn watermark(&self, expectation: &Expectation<'_>, output: &Output, expected_us: i64) -> Looked {
        let actual_us = self.watermark_us(expectation, output);
        let kind = MismatchKind::Watermark { expected_us, actual_us };
        let mismatch = (actual_us != Some(expected_us)).then(|| self.mismatch(expectation, kind));
        let shown = vec![actual_us.map(|us| us.to_string())];
        Looked { mismatch, columns: vec!["watermark".to_owned()], rows: vec![shown], golden: None }
    }

    fn watermark_us(&self, expectation: &Expectation<'_>, output: &Output) -> Option<i64> {
        let sources = output.node.map_or(&[][..], |id| &self.plan.node(id).watermark_of);
        self.observed.watermarks.at(expectation.moment.epoch(), sources)
    }

    fn rows(&self, expectation: &Expectation<'_>, output: &Output, check: &Check) -> Result<Looked, Vec<Diagnostic>> {
        let rows = self.actual(expectation, output)?;
        let all: Vec<String> = output.schema.fields().iter().map(|f| f.name().clone()).collect();
        let mut golden = None;
        let (columns, expected, demand) = match check {
            Check::Empty => (all.clone(), Vec::new(), Demand::Exactly),
            Check::Is(Rows::File(path)) if self.accept => {
                let format = files::format_of(self.file, path)?;
                golden =
                    Some(GoldenFile { path: path.value.clone(), content: files::golden(&format, &plain_schema(&output.schema), &rows) });
                (all.clone(), rows.clone(), Demand::Exactly)
            }
            Check::Is(wanted) | Check::Contains(wanted) => {
                let demand = if matches!(check, Check::Is(_)) { Demand::Exactly } else { Demand::AtLeast };
                let (columns, expected) = match wanted {
                    Rows::Table(table) => self.expected_table(table, &output.schema)?,
                    Rows::File(path) => self.expected_file(path, &output.schema)?,
                };
                (columns, expected, demand)
            }
        };
        let at = places(&output.schema, &columns);
        let actual: Vec<Row> = rows.iter().map(|row| at.iter().map(|&c| row[c].clone()).collect()).collect();
        let difference = compare(&columns, &expected, &actual, &key_among(&output.kind, &columns), demand);
        let rejected = if difference.is_some() && !self.asks_for_rejects { self.rejects_by(expectation) } else { Vec::new() };
        let windowed = output.node.is_some_and(|id| is_windowed(self.plan, id));
        let watermark_us = self.watermark_us(expectation, output).filter(|us| windowed && *us != i64::MAX);
        let mismatch = difference.map(|difference| self.mismatch(expectation, MismatchKind::Rows { difference, rejected, watermark_us }));
        Ok(Looked { mismatch, columns: all, rows, golden })
    }

    /// All rows that are there at the expectation's place.
    fn actual(&self, expectation: &Expectation<'_>, output: &Output) -> Result<Vec<Row>, Vec<Diagnostic>> {
        let collector = match output.node {
            None => Some(&self.observed.rejected),
            Some(id) => self.observed.outputs.get(&id),
        };
        let batches = collector.map_or_else(Vec::new, |c| c.upto(expectation.moment.epoch()));
        consolidate(&batches, &output.schema, &output.kind).map_err(|e| {
            let message = format!("the rows of `{}` cannot be compared: {e}", expectation.output.value);
            vec![Diagnostic::error(codes::NO_ROWS_TO_COMPARE, self.file, expectation.span, message)]
        })
    }

    /// Why rows were rejected by then: the reason why something is missing, more often than not.
    fn rejects_by(&self, expectation: &Expectation<'_>) -> Vec<String> {
        let schema = plain_schema(&rejected_schema());
        let batches = self.observed.rejected.upto(expectation.moment.epoch());
        let mut said: Vec<String> = Vec::new();
        for batch in batches {
            let text = |row: &Row, column: &str| {
                let cell = schema.index_of(column).ok().and_then(|i| row.get(i).cloned().flatten());
                cell.unwrap_or_default()
            };
            for row in as_text(&batch.rows, &schema).unwrap_or_default() {
                said.push(format!("{} ({}): {}", text(&row, "step"), text(&row, "reason"), text(&row, "message")));
            }
        }
        said.sort();
        let more = said.len().saturating_sub(REJECTS_QUOTED);
        said.truncate(REJECTS_QUOTED);
        if more > 0 {
            said.push(format!("… and {more} more"));
        }
        said
    }

    fn expected_table(&self, table: &Table, schema: &Schema) -> Result<(Vec<String>, Vec<Row>), Vec<Diagnostic>> {
        check_columns(self.file, table.columns.iter().map(|c| (c.value.as_str(), c.span)), schema)?;
        let columns: Vec<String> = table.columns.iter().map(|c| c.value.clone()).collect();
        let wanted = subset(schema, &columns);
        let failed = |e: &dyn std::fmt::Display| {
            let message = format!("these rows cannot be compared: {e}");
            vec![Diagnostic::error(codes::NO_ROWS_TO_COMPARE, self.file, table.span, message)]
        };
        let typed = decode(&TextFormat::Json, &table_as_json(table, &wanted), &wanted).map_err(|e| failed(&e))?;
        if !typed.rejects.is_empty() {
            return Err(typed.rejects.iter().flat_map(|r| self.bad_cells(table, &wanted, r.position, &r.message)).collect());
        }
        let rows = as_text(&typed.batch, &wanted).map_err(|e| failed(&e))?;
        Ok((columns, rows))
    }

    /// Which cells of a row (from 1) are to blame, found by reading them one by one.
    fn bad_cells(&self, table: &Table, schema: &SchemaRef, row: u64, message: &str) -> Vec<Diagnostic> {
        let cells = usize::try_from(row).ok().and_then(|r| r.checked_sub(1)).and_then(|r| table.rows.get(r));
        let Some(cells) = cells else {
            return vec![Diagnostic::error(codes::CELL, self.file, table.span, message)];
        };
        let mut bad = Vec::new();
        for (column, cell) in table.columns.iter().zip(cells) {
            let alone = Table { columns: vec![column.clone()], rows: vec![vec![cell.clone()]], span: cell.span };
            let field = subset(schema, std::slice::from_ref(&column.value));
            if let Ok(typed) = decode(&TextFormat::Json, &table_as_json(&alone, &field), &field)
                && let Some(reject) = typed.rejects.first()
            {
                bad.push(Diagnostic::error(codes::CELL, self.file, cell.span, &reject.message));
            }
        }
        if bad.is_empty() {
            let span = cells.first().zip(cells.last()).map_or(table.span, |(a, b)| a.span.cover(b.span));
            bad.push(Diagnostic::error(codes::CELL, self.file, span, message));
        }
        bad
    }

    fn expected_file(&self, path: &Spanned<String>, schema: &Schema) -> Result<(Vec<String>, Vec<Row>), Vec<Diagnostic>> {
        let accepted = |d: Diagnostic| if d.code == codes::FILE { d.hint("`runi test --accept` writes golden files") } else { d };
        let opened = files::open(self.file, path, self.read).map_err(|wrong| wrong.into_iter().map(accepted).collect::<Vec<_>>())?;
        check_columns(self.file, opened.columns.iter().map(|c| (c.as_str(), path.span)), schema)?;
        let wanted = subset(schema, &opened.columns);
        let failed = |e: &dyn std::fmt::Display| {
            vec![Diagnostic::error(codes::FILE, self.file, path.span, format!("`{}` cannot be compared: {e}", path.value))]
        };
        let typed = files::rows_of(self.file, path, &opened, &wanted)?;
        if let Some(reject) = typed.rejects.first() {
            return Err(failed(&format!("line {}: {}", reject.position, reject.message)));
        }
        let rows = as_text(&typed.batch, &wanted).map_err(|e| failed(&e))?;
        Ok((opened.columns, rows))
    }
}

/// Whether a node's rows wait for windows to close.
fn is_windowed(plan: &Plan, id: NodeId) -> bool {
    // Inputs stand before their readers.
    let mut windowed = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        let itself = matches!(&node.op, Op::Aggregate(aggregate) if aggregate.window.is_some());
        windowed.push(itself || node.inputs.iter().any(|input| windowed.get(input.0) == Some(&true)));
    }
    windowed.get(id.0) == Some(&true)
}

/// Some columns of a schema, in that order, as text formats know them.
fn subset(schema: &Schema, columns: &[String]) -> SchemaRef {
    let fields: Vec<_> = places(schema, columns).into_iter().map(|i| schema.field(i).clone()).collect();
    plain_schema(&Schema::new(fields))
}

/// The places of a stream's key, if all of it is among these columns.
fn key_among(kind: &StreamKind, columns: &[String]) -> Vec<usize> {
    let (StreamKind::Upsert { key } | StreamKind::Changelog { key }) = kind else { return Vec::new() };
    let places: Option<Vec<usize>> = key.iter().map(|k| columns.iter().position(|c| c == k)).collect();
    places.unwrap_or_default()
}

/// How two runs of one example differ in what they gave at the same place.
pub(crate) fn disagreement(a: &Looked, b: &Looked) -> Option<Difference> {
    compare(&a.columns, &a.rows, &b.rows, &[], Demand::Exactly)
}
