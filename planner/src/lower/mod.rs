//! Lowering: from a scenario's lines to the nodes of a plan.
//!
//! A [`Lowering`] walks the steps in order. A step's lines become row stages on a [`stream::Flow`] until something needs a node of its own. What is wrong is said
//! once, as a diagnostic; whatever depends on it is left out ([`Said`]), so that one mistake gives one message.

mod aggregate;
mod changes;
mod contract;
mod expect;
mod iterate;
mod join;
mod options;
mod order;
mod pattern;
mod privacy;
mod query;
mod refused;
mod rows;
mod running;
mod sink;
mod source;
mod step;
pub(crate) mod stream;
mod stream_join;
mod union;
mod window;

use crate::{
    ColumnLineage, EventTime, Node, NodeId, Op, Plan, PlanInput, SourceToDiscover, StateBound, StreamKind, catalogue as codes,
    expr::{self, Place, Typed},
};
use runink_dsl::{
    Diagnostic, FileId,
    ast::{self, Span, Value},
    variables::{Substituted, VariableError, substitute},
};
use std::collections::{BTreeMap, BTreeSet};
use stream::{Column, Flow, Stream, schema_of};

/// Something is wrong and has been said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said;

/// A result whose error has been said.
pub(crate) type Heard<T> = Result<T, Said>;

/// What a name of the scenario stands for.
#[derive(Debug, Clone)]
enum Named {
    /// It is being lowered: reading it would be a cycle.
    Open,
    /// Wrong, and said.
    Wrong,
    /// Its output.
    Stream(Box<Stream>),
    /// A step that splits: its ports.
    Ports(Vec<String>),
}

/// The state of lowering one scenario.
pub(crate) struct Lowering<'a> {
    input: &'a PlanInput<'a>,
    nodes: Vec<Node>,
    named: BTreeMap<String, Named>,
    diagnostics: Vec<Diagnostic>,
    uses: source::Uses,
    queries: Vec<query::ParsedQuery>,
    /// What surrounds the recursion whose round is being lowered: then `nodes` are the round's.
    around: Option<iterate::Around>,
}

/// Texts of one place: their file, and what `${…}` stands for in them.
#[derive(Clone, Copy)]
pub(crate) struct Texts<'a> {
    file: FileId,
    arguments: &'a BTreeMap<String, Value>,
    /// They come from a query: its place among those of this scenario.
    query: Option<usize>,
}

/// A node to be added; the rest of [`Node`] follows from it.
struct NewNode {
    name: String,
    op: Op,
    inputs: Vec<NodeId>,
    columns: Vec<Column>,
    kind: StreamKind,
    time: Option<EventTime>,
    state: StateBound,
    at: (FileId, Span),
}

/// The plan of a scenario as far as it can be planned, and everything that is wrong.
pub(crate) fn lower(input: &PlanInput<'_>) -> (Option<Plan>, Vec<Diagnostic>) {
    let mut lowering = Lowering::new(input);
    lowering.run();
    let failed = lowering.diagnostics.iter().any(Diagnostic::is_error);
    let missing = lowering.named.values().any(|n| matches!(n, Named::Wrong));
    if missing && !failed && !input.project.has_errors() && !input.variables.checking {
        let scenario = input.scenario;
        lowering.error(
            codes::INTERNAL,
            scenario.id.file,
            scenario.title.span,
            "this scenario could not be planned",
            "this is a bug of Runink: please report it",
        );
    }
    let plan =
        (!missing && !failed).then(|| Plan { scenario: input.scenario.title.value.clone(), nodes: std::mem::take(&mut lowering.nodes) });
    (plan, lowering.diagnostics)
}

/// See [`crate::sources_to_discover`].
pub(crate) fn to_discover(input: &PlanInput<'_>) -> Vec<SourceToDiscover> {
    Lowering::new(input).sources_without_schema()
}

impl<'a> Lowering<'a> {
    fn new(input: &'a PlanInput<'a>) -> Self {
        let uses = source::Uses::of(input.scenario, input.variables);
        Lowering { input, nodes: Vec::new(), named: BTreeMap::new(), diagnostics: Vec::new(), uses, queries: Vec::new(), around: None }
    }

    fn run(&mut self) {
        for at in step::order(self.input.scenario, self.input.variables) {
            self.step(at);
        }
        for at in 0..self.input.scenario.sinks.len() {
            // What is wrong with one sink has been said; the others are still looked at.
            let _ = self.sink(at);
        }
        self.examples();
        self.observers();
        self.settle_rejected();
        self.unread_sources();
    }

    // --- saying what is wrong ---

    fn error(&mut self, code: &'static str, file: FileId, span: Span, message: impl Into<String>, hint: impl Into<String>) -> Said {
        self.diagnostics.push(Diagnostic::error(code, file, span, message).hint(hint));
        Said
    }

    fn warn(&mut self, code: &'static str, file: FileId, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.diagnostics.push(Diagnostic::warning(code, file, span, message).hint(hint));
    }

    fn variables(&mut self, file: FileId, errors: Vec<VariableError>) -> Heard<()> {
        let before = self.diagnostics.len();
        self.diagnostics.extend(errors.into_iter().map(|e| e.diagnostic(file)));
        if self.diagnostics[before..].iter().any(Diagnostic::is_error) { Err(Said) } else { Ok(()) }
    }

    // --- texts ---

    fn text(&mut self, texts: Texts<'_>, text: &str, span: Span, in_expression: bool) -> Heard<Substituted> {
        let (substituted, errors) = substitute(text, span, in_expression, texts.arguments, self.input.variables);
        self.variables(texts.file, errors)?;
        Ok(substituted)
    }

    /// A name, with its variables put in place.
    fn name(&mut self, texts: Texts<'_>, name: &ast::Name) -> Heard<String> {
        if !name.value.contains("${") {
            return Ok(name.value.clone());
        }
        Ok(self.text(texts, &name.value, name.span, false)?.text)
    }

    /// An expression over columns.
    fn expression(&mut self, texts: Texts<'_>, expr: &ast::Expr, columns: &[Column], place: Place) -> Heard<Typed> {
        if let Some((sql, places)) = self.parsed(texts, expr) {
            let planned = expr::plan_parsed(sql, &places, columns, place);
            return self.heard(planned);
        }
        let text = self.text(texts, &expr.value, expr.span, true)?;
        self.heard(expr::plan(&text, texts.file, columns, place))
    }

    /// A condition over columns.
    fn condition(&mut self, texts: Texts<'_>, expr: &ast::Expr, columns: &[Column], place: Place) -> Heard<Typed> {
        if let Some((sql, places)) = self.parsed(texts, expr) {
            let planned = expr::plan_parsed(sql, &places, columns, place).and_then(|t| expr::must_be_condition(t, &places));
            return self.heard(planned);
        }
        let text = self.text(texts, &expr.value, expr.span, true)?;
        self.heard(expr::plan_condition(&text, texts.file, columns, place))
    }

    fn heard<T>(&mut self, result: Result<T, Vec<Diagnostic>>) -> Heard<T> {
        result.map_err(|errors| {
            self.diagnostics.extend(errors);
            Said
        })
    }

    /// The index of a column that a line names.
    fn column(&mut self, texts: Texts<'_>, name: &ast::Name, columns: &[Column]) -> Heard<usize> {
        let wanted = self.name(texts, name)?;
        // `"Name"` is the same name; a qualified name is looked up by where it comes from.
        let bare = wanted.strip_prefix('"').and_then(|w| w.strip_suffix('"')).unwrap_or(&wanted);
        let exact = columns.iter().position(|c| c.name() == bare);
        let qualified = || {
            let (relation, column) = bare.rsplit_once('.')?;
            columns.iter().position(|c| c.origins.iter().any(|o| o.relation == relation && o.column == column))
        };
        let mut folded = columns.iter().enumerate().filter(|(_, c)| c.name().eq_ignore_ascii_case(bare)).map(|(i, _)| i);
        let only = match (folded.next(), folded.next()) {
            (Some(one), None) => Some(one),
            _ => None,
        };
        exact.or_else(qualified).or(only).ok_or_else(|| {
            let hint = crate::names::hint(bare, "columns", columns.iter().map(Column::name));
            self.error(codes::UNKNOWN_COLUMN_NAME, texts.file, name.span, format!("there is no column `{bare}`"), hint)
        })
    }

    // --- nodes ---

    fn push(&mut self, new: NewNode) -> Stream {
        let id = NodeId(self.nodes.len());
        let is_source = matches!(new.op, Op::Source(_));
        let mut watermark_of = BTreeSet::new();
        for &input in &new.inputs {
            watermark_of.extend(self.nodes[input.0].watermark_of.iter().copied());
        }
        // A table does not hold the watermark of the rows that are looked up in it.
        if let (Op::TableJoin(_), Some(stream)) = (&new.op, new.inputs.first()) {
            watermark_of = self.nodes[stream.0].watermark_of.iter().copied().collect();
        }
        if is_source {
            watermark_of.insert(id);
        }
        let mut sources = self.sources_of(&new.inputs);
        if is_source {
            sources.insert(id);
        }
        let bounded = match &new.op {
            // Set by who adds them, once it is known.
            Op::Source(_) | Op::Rejected => false,
            _ => new.inputs.iter().all(|i| self.nodes[i.0].bounded),
        };
        let row_wise = matches!(new.op, Op::Source(_) | Op::Rows(_) | Op::Output | Op::Union | Op::Changes(_));
        let lineage: Vec<ColumnLineage> = new.columns.iter().map(Column::lineage).collect();
        self.nodes.push(Node {
            name: new.name,
            op: new.op,
            inputs: new.inputs,
            schema: schema_of(&new.columns),
            kind: new.kind.clone(),
            time: new.time.clone(),
            watermark_of: watermark_of.into_iter().collect(),
            state: new.state,
            bounded,
            lineage,
            at: Some(new.at),
        });
        // A round works on what is there, however that came about.
        let kind = if self.around.is_some() { StreamKind::AppendOnly } else { new.kind };
        Stream { node: id, columns: new.columns, kind, time: new.time, sources, bounded, row_wise }
    }

    /// All sources below nodes.
    fn sources_of(&self, nodes: &[NodeId]) -> BTreeSet<NodeId> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = nodes.to_vec();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let node = &self.nodes[id.0];
            if matches!(node.op, Op::Source(_)) {
                found.insert(id);
            }
            open.extend(node.inputs.iter().copied());
        }
        found
    }

    /// Row stages that have gathered become a node.
    fn flush(&mut self, flow: &mut Flow) {
        if flow.stages.is_empty() {
            return;
        }
        let stages = std::mem::take(&mut flow.stages);
        let row_wise = flow.stream.row_wise;
        let stream = self.push(NewNode {
            name: flow.step.clone(),
            op: Op::Rows(stages),
            inputs: vec![flow.stream.node],
            columns: flow.stream.columns.clone(),
            kind: flow.stream.kind.clone(),
            time: flow.stream.time.clone(),
            state: StateBound::Stateless,
            at: flow.at,
        });
        flow.stream = Stream { row_wise: row_wise && stream.row_wise, ..stream };
    }

    /// The stream of a flow under a name: its last node carries that name, and stays readable where somebody watches it.
    fn finish(&mut self, mut flow: Flow, name: &str) -> Stream {
        flow.step = name.to_owned();
        self.flush(&mut flow);
        let observed = self.input.observe.iter().any(|o| o == name);
        if self.nodes[flow.stream.node.0].name == name && !observed {
            return flow.stream;
        }
        let stream = self.push(NewNode {
            name: name.to_owned(),
            op: Op::Output,
            inputs: vec![flow.stream.node],
            columns: flow.stream.columns.clone(),
            kind: flow.stream.kind.clone(),
            time: flow.stream.time.clone(),
            state: StateBound::Stateless,
            at: flow.at,
        });
        Stream { row_wise: flow.stream.row_wise, ..stream }
    }
}
