//! Steps: their order, their inputs, their lines one after the other.

use super::{
    Heard, Lowering, Named, NewNode, Said, Texts,
    source::NO_ARGUMENTS,
    stream::{Flow, Stream},
};
use crate::{Op, RowStageKind, StateBound, StreamKind, catalogue as codes, expr::Place, names, rejected_schema, sql};
use runink_dsl::{
    FileId, ResolvedScenario, ResolvedStep,
    ast::{Action, Name, Span, Spanned},
    variables::{Variables, substitute},
};
use std::collections::BTreeMap;

/// The name of the stream of rows that could not go on.
pub(super) const REJECTED: &str = "rejected";

/// A step while its lines are lowered.
pub(super) struct Work<'t> {
    pub(super) flow: Flow,
    pub(super) texts: Texts<'t>,
    /// What its first input is called.
    pub(super) input: Vec<String>,
    /// The inputs that `from=` names beside the first, until a line uses them.
    pub(super) unused: Vec<Name>,
    /// The outputs of a split, which is the last line.
    pub(super) ports: Vec<(String, Flow)>,
}

/// The inputs that a step's lines name beside `from=`: those that it joins, and those whose rows it takes. Wrong variables are said when the line is lowered.
pub(super) fn inputs_of(step: &ResolvedStep, variables: &Variables) -> (Vec<String>, Vec<String>) {
    let plain = |name: &Name| substitute(&name.value, name.span, false, &step.arguments, variables).0.text;
    let (mut joined, mut taken) = (Vec::new(), Vec::new());
    for action in &step.body.actions {
        match &action.value {
            Action::Join(join) => joined.push(plain(&join.input)),
            Action::Union(inputs) => taken.extend(inputs.iter().map(plain)),
            Action::Sql(query) => {
                let text = substitute(&query.text.value, query.text.span, true, &step.arguments, variables).0;
                for read in sql::inputs(&text, step.body_file) {
                    if read.joined { joined.push(read.name) } else { taken.push(read.name) }
                }
            }
            _ => {}
        }
    }
    (joined, taken)
}

/// The query that a step begins with, where it reads nothing before it: such a step reads what the query names.
pub(super) fn first_query(step: &ResolvedStep) -> Option<&Spanned<Action>> {
    let alone = step.step.from.is_empty() && step.body.when.is_empty();
    step.body.actions.first().filter(|a| alone && matches!(a.value, Action::Sql(_)))
}

/// Steps in an order in which each stands after those that it reads. Those in a circle, which the language has refused, come anyhow.
pub(super) fn order(scenario: &ResolvedScenario, variables: &Variables) -> Vec<usize> {
    let index: BTreeMap<&str, usize> = scenario.steps.iter().enumerate().map(|(i, s)| (s.step.name.value.as_str(), i)).collect();
    let reads = |at: usize| -> Vec<usize> {
        let step = &scenario.steps[at];
        let (joined, taken) = inputs_of(step, variables);
        let names = step.step.from.iter().map(|n| n.value.clone()).chain(joined).chain(taken);
        let step_of = |name: &str| index.get(name).or_else(|| index.get(name.split_once('.')?.0)).copied();
        let mut found: Vec<usize> = names.filter_map(|n| step_of(&n)).collect();
        if step.step.from.is_empty() && at > 0 && first_query(step).is_none() {
            found.push(at - 1);
        }
        found
    };
    let mut done = vec![false; scenario.steps.len()];
    let mut entered = done.clone();
    let mut order = Vec::new();
    for root in 0..scenario.steps.len() {
        let mut open = vec![(root, false)];
        while let Some((at, inputs_done)) = open.pop() {
            if inputs_done && !done[at] {
                done[at] = true;
                order.push(at);
            } else if !inputs_done && !entered[at] {
                entered[at] = true;
                open.push((at, true));
                open.extend(reads(at).into_iter().rev().map(|i| (i, false)));
            }
        }
    }
    order
}

impl<'a> Lowering<'a> {
    pub(super) fn step(&mut self, at: usize) {
        let scenario = self.input.scenario;
        let resolved = &scenario.steps[at];
        let name = resolved.step.name.value.clone();
        self.named.insert(name.clone(), Named::Open);
        let named = match self.step_nodes(resolved, at) {
            Err(Said) => Named::Wrong,
            Ok(work) if work.ports.is_empty() => Named::Stream(Box::new(self.finish(work.flow, &name))),
            Ok(work) => {
                let mut ports = Vec::new();
                for (port, flow) in work.ports {
                    let full = format!("{name}.{port}");
                    let stream = self.finish(flow, &full);
                    self.named.insert(full, Named::Stream(Box::new(stream)));
                    ports.push(port);
                }
                Named::Ports(ports)
            }
        };
        self.named.insert(name, named);
    }

    fn step_nodes(&mut self, resolved: &'a ResolvedStep, at: usize) -> Heard<Work<'a>> {
        let scenario = self.input.scenario;
        let step = &resolved.step;
        let place = (scenario.id.file, step.name.span);
        let texts = Texts { file: resolved.body_file, arguments: &resolved.arguments, query: None };
        let mut actions = resolved.body.actions.as_slice();
        let (flow, input) = if let Some(Spanned { value: Action::Sql(query), span }) = first_query(resolved) {
            actions = actions.get(1..).unwrap_or_default();
            (self.query(texts, &step.name.value, place, *span, query, None)?.flow, Vec::new())
        } else {
            let (input, span) = match (step.from.first(), at.checked_sub(1)) {
                (Some(name), _) => (name.value.clone(), name.span),
                (None, Some(before)) => (scenario.steps[before].step.name.value.clone(), place.1),
                (None, None) => (self.default_input(place.0, place.1)?, place.1),
            };
            let stream = self.input_stream(&input, scenario.id.file, span)?;
            let names = names_of(&input).into_iter().map(str::to_owned).collect();
            (Flow::new(stream, &step.name.value, place), names)
        };
        let mut work = Work { flow, texts, input, unused: step.from.iter().skip(1).cloned().collect(), ports: Vec::new() };
        let iterated = actions.iter().find_map(|a| match &a.value {
            Action::Iterate(iterate) => Some(iterate),
            _ => None,
        });
        if let Some(iterate) = iterated {
            self.as_collection(&mut work, iterate);
        }
        let mut failed = false;
        for when in &resolved.body.when {
            failed |= self.filter(&mut work.flow, texts, when, "@when").is_err();
        }
        while let Some((action, rest)) = actions.split_first() {
            actions = rest;
            if !work.ports.is_empty() {
                let message = "a split is the last line of its step";
                return Err(self.error(
                    codes::SPLIT_ARMS,
                    texts.file,
                    action.span,
                    message,
                    "put what follows into a step that reads one of its outputs",
                ));
            }
            // Lines after a wrong one would only repeat the complaint.
            if let Action::Iterate(iterate) = &action.value {
                // All lines after it are its round.
                self.iterate(&mut work, action.span, iterate, std::mem::take(&mut actions))?;
            } else {
                self.action(&mut work, action)?;
            }
        }
        for expectation in &resolved.body.expectations {
            if work.ports.is_empty() {
                failed |= self.expectation(&mut work.flow, texts, expectation).is_err();
            }
            let mut ports = std::mem::take(&mut work.ports);
            for (_, flow) in &mut ports {
                failed |= self.expectation(flow, texts, expectation).is_err();
            }
            work.ports = ports;
        }
        for name in std::mem::take(&mut work.unused) {
            let message = format!("`{}` is in `from=`, but no line of this step uses it", name.value);
            let hint = format!("add `@do union {0}` or `@do join {0} on …`, or take it out", name.value);
            self.error(codes::INPUT_UNUSED, scenario.id.file, name.span, message, hint);
            failed = true;
        }
        if failed { Err(Said) } else { Ok(work) }
    }

    pub(super) fn action(&mut self, work: &mut Work<'_>, action: &Spanned<Action>) -> Heard<()> {
        let span = action.span;
        match &action.value {
            Action::Set(items) => self.set(work, span, items),
            Action::Select(items) => self.select(work, span, items),
            Action::Drop(names) => self.drop_columns(work, span, names),
            Action::Rename(pairs) => self.rename(work, span, pairs),
            Action::Keep(expr) => {
                let texts = work.texts;
                self.filter(&mut work.flow, texts, expr, "keep")
            }
            Action::Unnest(unnest) => self.unnest(work, span, unnest),
            Action::Union(names) => self.union(work, span, names),
            Action::Split(arms) => self.split(work, span, arms),
            Action::Aggregate(aggregate) => self.aggregate(work, span, aggregate),
            Action::Join(join) => self.join(work, span, join),
            Action::Match(found) => self.match_rows(work, span, found),
            Action::Privacy(privacy) => self.privacy(work, span, privacy),
            Action::Top(top) => self.top(work, span, top),
            Action::Deduplicate(deduplicate) => self.deduplicate(work, span, deduplicate),
            Action::Neighbours(neighbours) => self.neighbours(work, span, neighbours),
            Action::Running(running) => self.running(work, span, running),
            Action::Sql(query) => self.sql(work, span, query),
            Action::Iterate(_) | Action::Other { .. } => Err(self.refused(work.texts.file, action)),
        }
    }

    /// A filter on rows.
    pub(super) fn filter(&mut self, flow: &mut Flow, texts: Texts<'_>, expr: &runink_dsl::ast::Expr, what: &str) -> Heard<()> {
        let condition = self.condition(texts, expr, flow.columns(), Place::Row)?;
        self.no_upsert(flow, texts.file, expr.span, what)?;
        flow.stage(RowStageKind::Filter(condition.expr));
        Ok(())
    }

    /// Refuses a line on a keyed source: leaving a row out would leave the row before it standing.
    pub(super) fn no_upsert(&mut self, flow: &Flow, file: FileId, span: Span, what: &str) -> Heard<()> {
        if !matches!(flow.stream.kind, StreamKind::Upsert { .. }) {
            return Ok(());
        }
        let message =
            format!("`{what}` cannot work on a keyed source: each row replaces the one before it, and a row that is left out would not");
        Err(self.error(
            codes::KEYED_STREAM,
            file,
            span,
            message,
            "join it as a table and filter after the join, or read the source without `key=`",
        ))
    }

    /// The output of a source, step or port, with the names that expressions may call its columns by.
    pub(super) fn input_stream(&mut self, name: &str, file: FileId, span: Span) -> Heard<Stream> {
        let stream = match self.around.take() {
            None => self.stream_of(name, file, span)?,
            Some(around) => self.fed(around, name, file, span)?,
        };
        Ok(stream.called(&names_of(name)))
    }

    pub(super) fn stream_of(&mut self, name: &str, file: FileId, span: Span) -> Heard<Stream> {
        match self.named.get(name) {
            Some(Named::Stream(stream)) => return Ok(stream.as_ref().clone()),
            Some(Named::Open | Named::Wrong) => return Err(Said),
            Some(Named::Ports(ports)) => {
                let ports: Vec<String> = ports.iter().map(|p| format!("{name}.{p}")).collect();
                let hint = names::list(&ports).map_or_else(String::new, |l| format!("read one of {l}"));
                return Err(self.error(codes::NO_SUCH_PORT, file, span, format!("`{name}` is split and has no output of its own"), hint));
            }
            None => {}
        }
        if let Some(source) = self.input.scenario.sources.iter().find(|s| s.name.value == name) {
            return self.source(source);
        }
        if name == REJECTED {
            let message = "a step cannot read `rejected`: its own rejects would come back to it";
            return Err(self.error(codes::REJECTED_INPUT, file, span, message, "send them out with `@sink(…, from=rejected)`"));
        }
        if let Some((step, port)) = name.split_once('.') {
            match self.named.get(step) {
                Some(Named::Ports(ports)) => {
                    let hint = names::hint(port, "outputs", ports.iter().map(String::as_str));
                    return Err(self.error(codes::NO_SUCH_PORT, file, span, format!("`{step}` has no output `{port}`"), hint));
                }
                Some(Named::Stream(_)) => {
                    let message = format!("`{step}` does not split, so it has no output `{port}`");
                    return Err(self.error(codes::NO_SUCH_PORT, file, span, message, format!("read `{step}`")));
                }
                _ => {}
            }
        }
        // The language says where nothing has the name; a port of a step that is wrong needs no second complaint.
        Err(Said)
    }

    /// The only source, for a step or sink before which there is no step.
    pub(super) fn default_stream(&mut self, file: FileId, span: Span) -> Heard<Stream> {
        let name = self.default_input(file, span)?;
        self.input_stream(&name, file, span)
    }

    fn default_input(&mut self, file: FileId, span: Span) -> Heard<String> {
        match self.uses.default.clone() {
            Ok(name) => Ok(name),
            Err(sources) if sources.is_empty() => Err(self.error(
                codes::WHICH_INPUT,
                file,
                span,
                "this scenario has no source to read",
                "declare one: `@source(name=…, type=…)`",
            )),
            Err(sources) => {
                let list = names::list(&sources).unwrap_or_default();
                Err(self.error(
                    codes::WHICH_INPUT,
                    file,
                    span,
                    format!("it is not clear which source is read here: {list}"),
                    "say it with `from=`",
                ))
            }
        }
    }

    /// The scenario's reject stream.
    pub(super) fn rejected(&mut self, at: (FileId, Span)) -> Stream {
        if let Some(Named::Stream(stream)) = self.named.get(REJECTED) {
            return stream.as_ref().clone();
        }
        let columns = rejected_schema().fields().iter().map(|f| super::stream::Column::new(f.clone())).collect();
        let stream = self.push(NewNode {
            name: REJECTED.to_owned(),
            op: Op::Rejected,
            inputs: Vec::new(),
            columns,
            kind: StreamKind::AppendOnly,
            time: None,
            state: StateBound::Stateless,
            at,
        });
        self.named.insert(REJECTED.to_owned(), Named::Stream(Box::new(stream.clone())));
        stream
    }

    /// Rows of every source may be rejected: now that all are known, the reject stream ends when they do.
    pub(super) fn settle_rejected(&mut self) {
        let sources = || self.nodes.iter().enumerate().filter(|(_, n)| matches!(n.op, Op::Source(_)));
        let (watermark_of, bounded): (Vec<_>, bool) =
            (sources().map(|(i, _)| crate::NodeId(i)).collect(), sources().all(|(_, n)| n.bounded));
        let of_rejects = |n: &crate::Node| matches!(n.op, Op::Rejected);
        let rejected: Vec<usize> = (0..self.nodes.len())
            .filter(|&i| of_rejects(&self.nodes[i]) || self.nodes[i].inputs.iter().any(|r| of_rejects(&self.nodes[r.0])))
            .collect();
        for i in rejected {
            self.nodes[i].watermark_of.clone_from(&watermark_of);
            self.nodes[i].bounded = bounded;
        }
    }

    /// What somebody watches is in the plan: sources that nobody else reads, and the reject stream.
    pub(super) fn observers(&mut self) {
        for name in self.input.observe {
            if self.named.contains_key(name.as_str()) {
                continue;
            }
            let scenario = self.input.scenario;
            if name == REJECTED {
                self.rejected((scenario.id.file, scenario.title.span));
            } else if let Some(source) = scenario.sources.iter().find(|s| s.name.value == *name) {
                let _ = self.source(source);
            }
        }
    }
}

/// The names that expressions may call an input by.
pub(super) fn names_of(input: &str) -> Vec<&str> {
    match input.split_once('.') {
        Some((step, port)) => vec![input, port, step],
        None => vec![input],
    }
}

impl Texts<'_> {
    /// Texts of the scenario itself.
    pub(super) fn of(file: FileId) -> Texts<'static> {
        Texts { file, arguments: &NO_ARGUMENTS, query: None }
    }
}
