//! `iterate`: the lines after it become the nodes of one round.
//!
//! A round is lowered by the same code as any other lines, over a list of nodes of its own. What it reads is there as nodes that stand for it ([`Op::Fed`]); all
//! rows in it count as rows that stay, because a round works on what is there and not on how it changes.

use super::{
    Heard, Lowering, NewNode,
    step::Work,
    stream::{Column, Flow, Projected, Stream, column_expr},
};
use crate::{
    AggregateOp, EmitMode, Fed, IterateOp, JoinBound, Node, NodeId, Op, ROUNDS, ROUNDS_MAX, StateBound, StreamJoinKind, StreamKind,
    catalogue as codes, expr, names, types,
};
use datafusion_expr::cast;
use runink_dsl::{
    FileId,
    ast::{self, Action, Retention, Span, Spanned},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Aggregates that a recursion knows: those that follow changes of their rows without keeping more than the rows.
const AGGREGATES: [&str; 4] = ["count", "max", "min", "sum"];

/// What surrounds a recursion while its round is lowered.
pub(super) struct Around {
    /// The scenario's nodes so far.
    nodes: Vec<Node>,
    /// What the round reads beside its own rows: by name, what it is outside and inside.
    inputs: Vec<(String, Stream, Stream)>,
    step: String,
    at: (FileId, Span),
    keep: Option<Spanned<Retention>>,
}

/// Lowers what a round does, over the rows found so far.
type RoundOf<'r> = dyn for<'w> FnMut(&mut Lowering<'_>, &mut Work<'w>, Stream) -> Heard<()> + 'r;

/// A round, as nodes.
struct Round {
    result: Stream,
    /// What tells its rows apart.
    key: Vec<String>,
    found: Stream,
}

impl Lowering<'_> {
    /// `lines` are those after `iterate`.
    pub(super) fn iterate(&mut self, work: &mut Work<'_>, span: Span, iterate: &ast::Iterate, lines: &[Spanned<Action>]) -> Heard<()> {
        if lines.is_empty() {
            let message = "no line says what a round does";
            let hint = "put the lines of a round after this one, for example `@do join links on …` and `@do select …`";
            return Err(self.error(codes::ITERATE, work.texts.file, span, message, hint));
        }
        for line in lines {
            self.line_fits(work, line)?;
        }
        self.recursion(work, span, iterate, &mut |lowering, work, rows| {
            let step = work.flow.step.clone();
            work.flow = Flow::new(rows.called(&[&step]), &step, work.flow.at);
            let called = std::mem::replace(&mut work.input, vec![step]);
            for line in lines {
                let before = lowering.nodes.len();
                lowering.action(work, line)?;
                lowering.functions_fit(work, line.span, before)?;
            }
            work.input = called;
            Ok(())
        })
    }

    /// A recursion from a step's rows so far. `round` gets the rows found so far, and leaves in the step what a round finds from them.
    pub(super) fn recursion(&mut self, work: &mut Work<'_>, span: Span, iterate: &ast::Iterate, round: &mut RoundOf<'_>) -> Heard<()> {
        let rounds = self.clauses_fit(work, iterate)?;
        self.as_changelog(work, iterate.keep_state.as_ref());
        self.flush(&mut work.flow);
        let base = work.flow.stream.clone();
        self.around = Some(Around {
            nodes: std::mem::take(&mut self.nodes),
            inputs: Vec::new(),
            step: work.flow.step.clone(),
            at: work.flow.at,
            keep: iterate.keep_state.clone(),
        });
        let made = self.round(work, span, iterate, round, &base);
        let Some(around) = self.around.take() else {
            let message = "what surrounds a recursion was lost";
            return Err(self.error(codes::INTERNAL, work.texts.file, span, message, "this is a bug of Runink: please report it"));
        };
        let nodes = std::mem::replace(&mut self.nodes, around.nodes);
        let Round { result, key, found } = made?;

        let others: Vec<Stream> = around.inputs.into_iter().map(|(_, outside, _)| outside).collect();
        let all_stay = base.is_append_only() && others.iter().all(Stream::is_append_only);
        // Without what counts or misses rows, more rows never make fewer.
        let grows = |node: &Node| match &node.op {
            Op::Fed(_) | Op::Rows(_) | Op::Union | Op::Output => true,
            Op::StreamJoin(join) => matches!(join.kind, StreamJoinKind::Inner | StreamJoinKind::Semi),
            Op::Aggregate(op) => op.calls.is_empty(),
            _ => false,
        };
        let kind = match all_stay && nodes.iter().all(grows) {
            true => StreamKind::AppendOnly,
            false => StreamKind::Changelog { key },
        };
        let ends = base.bounded && others.iter().all(|s| s.bounded);
        let state = match (&iterate.keep_state, ends) {
            (Some(_), _) => StateBound::RowsForEver,
            (None, true) => StateBound::UntilEnd,
            (None, false) => StateBound::Rows { lifetime_us: None },
        };
        let columns = columns_of_result(&base, &result, &found);
        let (step, at) = (work.flow.step.clone(), work.flow.at);
        let made = self.push(NewNode {
            name: step.clone(),
            op: Op::Iterate(Box::new(IterateOp { nodes, result: result.node, found: found.node, rounds })),
            inputs: std::iter::once(&base).chain(&others).map(|s| s.node).collect(),
            columns,
            kind,
            time: None,
            state,
            at,
        });
        work.flow = Flow::new(made, &step, at);
        Ok(())
    }

    /// Makes of a step's input what a recursion starts from: rows that are there, of which each is told apart by all that it is. So lines before the recursion may
    /// leave a key out.
    pub(super) fn as_collection(&mut self, work: &mut Work<'_>, iterate: &ast::Iterate) {
        self.as_changelog(work, iterate.keep_state.as_ref());
        if let StreamKind::Changelog { key } = &mut work.flow.stream.kind {
            *key = work.flow.stream.columns.iter().map(|c| c.name().to_owned()).collect();
        }
    }

    /// Whether the line `iterate` is one. Gives how many rounds there may be.
    fn clauses_fit(&mut self, work: &Work<'_>, iterate: &ast::Iterate) -> Heard<u64> {
        let file = work.texts.file;
        if let Some(keep @ Spanned { value: Retention::For(_), .. }) = &iterate.keep_state {
            let hint = "say `keep for ever`; give a keyed source that ages its own `keep state for …` in a step before";
            return Err(self.not_yet(file, keep.span, "a recursion that forgets rows after a while", hint));
        }
        if iterate.outputs.is_empty()
            && let Some(key) = iterate.by.first()
        {
            let message = "`by` says which rows are one, but not what becomes of them";
            let hint = format!("say it with an aggregate, for example `iterate least = min(least) by {}`", key.expr.value);
            return Err(self.error(codes::ITERATE, file, key.expr.span, message, hint));
        }
        let rounds = iterate.rounds.as_ref();
        if let Some(rounds) = rounds.filter(|r| r.value == 0 || r.value > ROUNDS_MAX) {
            let message = format!("a recursion has between 1 and {ROUNDS_MAX} rounds, not {}", rounds.value);
            return Err(self.error(codes::ITERATE, file, rounds.span, message, "correct the number"));
        }
        Ok(rounds.map_or(ROUNDS, |r| r.value))
    }

    fn line_fits(&mut self, work: &Work<'_>, line: &Spanned<Action>) -> Heard<()> {
        const REST: &str = "let one step find the fixed point, and do this in a step that reads it";
        const KEPT: &str = "leave it out: the line `iterate` says how long its rows are kept";
        let (at, what, hint) = match &line.value {
            Action::Set(_) | Action::Select(_) | Action::Drop(_) | Action::Rename(_) | Action::Keep(_) | Action::Unnest(_) => return Ok(()),
            Action::Union(_) | Action::Privacy(_) => return Ok(()),
            Action::Iterate(_) | Action::Other { .. } => return Err(self.refused(work.texts.file, line)),
            Action::Join(ast::Join { time: Some(time), .. }) => {
                (time.span, "a bound in time", "leave it out: all rows that are there meet; bound them in a step before")
            }
            Action::Join(ast::Join { keep_state: Some(keep), .. }) => (keep.span, "`keep`", KEPT),
            Action::Aggregate(ast::Aggregate { window: Some(window), .. }) => {
                (window.span, "a window", "aggregate over all rows, or put the window into a step before")
            }
            Action::Aggregate(ast::Aggregate { emit: Some(emit), .. }) => {
                (emit.span, "`emit`", "leave it out: a round sees what is there, and results go out when no round changes anything")
            }
            Action::Aggregate(ast::Aggregate { allowed_lateness: Some(late), .. }) => (late.span, "`allowed lateness`", "leave it out"),
            Action::Aggregate(ast::Aggregate { keep_state: Some(keep), .. }) => (keep.span, "`keep`", KEPT),
            Action::Join(_) | Action::Aggregate(_) => return Ok(()),
            Action::Split(_) => (line.span, "`split`", REST),
            Action::Top(_) => (line.span, "a ranking", REST),
            Action::Deduplicate(_) => (line.span, "`deduplicate`", "leave it out: each different row counts once in a recursion"),
            Action::Neighbours(_) => (line.span, "the row before or behind", REST),
            Action::Running(_) => (line.span, "an aggregate over the rows before", REST),
            Action::Match(_) => (line.span, "a pattern", REST),
            Action::Sql(_) => {
                let instead = "write its lines: `join`, `select`, `keep`, `aggregate`";
                return Err(self.not_yet(work.texts.file, line.span, "a query in a recursion", instead));
            }
        };
        let message = format!("{what} has no meaning in a recursion: a round has no time and no order of rows");
        Err(self.error(codes::ITERATE, work.texts.file, at, message, hint))
    }

    fn round(&mut self, work: &mut Work<'_>, span: Span, iterate: &ast::Iterate, round: &mut RoundOf<'_>, base: &Stream) -> Heard<Round> {
        let (step, at) = (work.flow.step.clone(), work.flow.at);
        let start: Vec<Column> = base.columns.iter().map(Column::or_null).collect();
        let again: Vec<Column> = start.iter().map(found_before).collect();
        let whole = start.iter().zip(&again).map(|(start, again)| {
            let mut column = again.clone();
            column.origins.clone_from(&start.origins);
            column.from.extend(start.from.iter().cloned());
            column
        });
        let whole = whole.collect();
        let inputs =
            [(Fed::Input(0), start), (Fed::Round, again)].map(|(fed, columns)| self.inside(Op::Fed(fed), &[], columns, (&step, at)));
        let nodes = inputs.each_ref().map(|s| s.node);
        let together = self.inside(Op::Union, &nodes, whole, (&step, at));
        work.flow = Flow::new(together, &step, at);
        let key = self.one_row_for_each_key(work, span, iterate)?;
        let result = self.inside(Op::Output, &[work.flow.stream.node], work.flow.columns().to_vec(), (&step, at));
        let before = self.nodes.len();
        round(self, work, result.clone())?;
        self.functions_fit(work, span, before)?;
        self.same_as_start(work, span, base)?;
        self.flush(&mut work.flow);
        let found = self.inside(Op::Output, &[work.flow.stream.node], work.flow.columns().to_vec(), (&step, at));
        Ok(Round { result, key, found })
    }

    /// A node of the round.
    fn inside(&mut self, op: Op, inputs: &[NodeId], columns: Vec<Column>, (step, at): (&str, (FileId, Span))) -> Stream {
        self.push(NewNode {
            name: step.to_owned(),
            op,
            inputs: inputs.to_vec(),
            columns,
            kind: StreamKind::AppendOnly,
            time: None,
            state: StateBound::Stateless,
            at,
        })
    }

    /// Rows of one key become one: equal rows, or those that an aggregate stands for. Gives the key.
    fn one_row_for_each_key(&mut self, work: &mut Work<'_>, span: Span, iterate: &ast::Iterate) -> Heard<Vec<String>> {
        if !iterate.outputs.is_empty() {
            let before = self.nodes.len();
            let aggregate = ast::Aggregate {
                outputs: iterate.outputs.clone(),
                by: iterate.by.clone(),
                grouping_sets: Vec::new(),
                window: None,
                having: None,
                emit: None,
                allowed_lateness: None,
                keep_state: None,
            };
            self.aggregate(work, span, &aggregate)?;
            self.functions_fit(work, span, before)?;
            self.flush(&mut work.flow);
            let made = self.nodes[before..].iter().find(|n| matches!(n.op, Op::Aggregate(_)));
            return Ok(made.map(|n| key_of(&n.kind).to_vec()).unwrap_or_default());
        }
        let columns = work.flow.columns().to_vec();
        let key: Vec<String> = columns.iter().map(|c| c.name().to_owned()).collect();
        let op = AggregateOp {
            keys: (0..columns.len()).collect(),
            calls: Vec::new(),
            window: None,
            emit: EmitMode::OnChange,
            allowed_lateness_us: 0,
            ttl_us: None,
            two_phase: false,
            retracts: false,
        };
        let (step, at) = (work.flow.step.clone(), work.flow.at);
        let stream = self.push(NewNode {
            name: step.clone(),
            op: Op::Aggregate(op),
            inputs: vec![work.flow.stream.node],
            columns,
            kind: StreamKind::Changelog { key: key.clone() },
            time: None,
            state: StateBound::ForEver,
            at,
        });
        work.flow = Flow::new(stream, &step, at);
        Ok(key)
    }

    /// Refuses aggregates that a recursion does not know, among the nodes from a place on.
    fn functions_fit(&mut self, work: &Work<'_>, span: Span, from: usize) -> Heard<()> {
        let stranger = |n: &&Node| match &n.op {
            Op::Fed(_) | Op::Rows(_) | Op::Union | Op::Output => false,
            Op::Aggregate(op) => op.window.is_some(),
            Op::StreamJoin(op) => op.bound != JoinBound::Unbounded { ttl_us: None },
            _ => true,
        };
        if self.nodes[from..].iter().any(|n| stranger(&n)) {
            let message = "a part of this query has no meaning in a recursion: a round has no time and no order of rows";
            let hint =
                "a round may join all rows, filter, compute, `union all` and aggregate; do the rest in a query that reads the result";
            return Err(self.error(codes::ITERATE, work.texts.file, span, message, hint));
        }
        let calls = self.nodes[from..].iter().flat_map(|n| match &n.op {
            Op::Aggregate(op) => op.calls.as_slice(),
            _ => &[],
        });
        let unfit = |c: &&crate::AggregateCall| {
            let name = c.function.name();
            !AGGREGATES.contains(&name) || (c.distinct && name == "sum") || !c.order_by.is_empty()
        };
        let Some(call) = calls.clone().find(unfit) else { return Ok(()) };
        let distinct = if call.distinct { " of distinct values" } else { "" };
        let construct = format!("`{}`{distinct} in a recursion", call.function.name());
        let instead =
            "a recursion has `min`, `max`, `sum`, `count` and `count(distinct …)`; compute others in a step that reads its result";
        Err(self.not_yet(work.texts.file, span, &construct, instead))
    }

    /// What a round finds has the columns of the rows that it starts from.
    fn same_as_start(&mut self, work: &mut Work<'_>, span: Span, base: &Stream) -> Heard<()> {
        let file = work.texts.file;
        let lacks = |has: &[Column], wants: &[Column]| -> Vec<String> {
            wants.iter().filter(|w| !has.iter().any(|c| c.name() == w.name())).map(|w| w.name().to_owned()).collect()
        };
        let lacking = |missing: &[String], verb: &str| names::list(missing).map(|l| format!("{verb} {l}"));
        let (there, here) = (lacks(work.flow.columns(), &base.columns), lacks(&base.columns, work.flow.columns()));
        let parts: Vec<String> = [lacking(&there, "lack"), lacking(&here, "have besides")].into_iter().flatten().collect();
        if !parts.is_empty() {
            let message = format!("the rows that a round finds {}, so they do not go with those that it starts from", parts.join(" and "));
            let wanted: Vec<&str> = base.columns.iter().map(Column::name).collect();
            let hint = format!("end the round with the columns from before `iterate`: `@do select … as {}`", wanted.join(", … as "));
            return Err(self.error(codes::ITERATE, file, span, message, hint));
        }
        let mut projected = Vec::with_capacity(base.columns.len());
        for target in &base.columns {
            let Some(at) = work.flow.columns().iter().position(|c| c.name() == target.name()) else { continue };
            let (found, wanted) = (work.flow.columns()[at].field.data_type().clone(), target.field.data_type());
            let mut kept = work.flow.keep(at);
            if found != *wanted {
                if types::common_type(wanted, &found).as_ref() != Some(wanted) {
                    let name = target.name();
                    let message = format!(
                        "`{name}` is {} in the rows that a round finds, and {} in those that it starts from",
                        types::type_name(&found),
                        types::type_name(wanted)
                    );
                    let hint = format!("bring it back to its type: `cast({name} as {}) as {name}`", expr::sql_type(wanted));
                    return Err(self.error(codes::ITERATE, file, span, message, hint));
                }
                kept =
                    Projected { expr: cast(column_expr(target.name()), wanted.clone()), column: Column { direct: false, ..kept.column } };
            }
            kept.column.field = Arc::new(target.field.as_ref().clone().with_nullable(true));
            projected.push(kept);
        }
        let fits = work.flow.columns().iter().map(|c| &c.field).eq(projected.iter().map(|p| &p.column.field));
        if fits { Ok(()) } else { self.project(work, span, projected) }
    }

    /// An input of the scenario, for a round that reads it. A keyed source counts by the rows that it has.
    pub(super) fn fed(&mut self, mut around: Around, name: &str, file: FileId, span: Span) -> Heard<Stream> {
        std::mem::swap(&mut self.nodes, &mut around.nodes);
        let stream = self.stream_of(name, file, span);
        std::mem::swap(&mut self.nodes, &mut around.nodes);
        let made = stream.map(|outside| self.feed(&mut around, name, outside));
        self.around = Some(around);
        made
    }

    /// A stream from around a recursion as it is inside; itself where there is no recursion around.
    pub(super) fn fed_stream(&mut self, name: &str, outside: Stream) -> Stream {
        let Some(mut around) = self.around.take() else { return outside };
        let inside = self.feed(&mut around, name, outside);
        self.around = Some(around);
        inside
    }

    fn feed(&mut self, around: &mut Around, name: &str, outside: Stream) -> Stream {
        if let Some((.., inside)) = around.inputs.iter().find(|(known, ..)| known == name) {
            return inside.clone();
        }
        std::mem::swap(&mut self.nodes, &mut around.nodes);
        let outside = self.changelog_of(outside, (&around.step, around.at), around.keep.as_ref());
        std::mem::swap(&mut self.nodes, &mut around.nodes);
        let input = Op::Fed(Fed::Input(around.inputs.len() + 1));
        let inside = self.inside(input, &[], outside.columns.clone(), (name, around.at));
        let inside = Stream { kind: StreamKind::AppendOnly, ..inside };
        around.inputs.push((name.to_owned(), outside, inside.clone()));
        inside
    }
}

fn key_of(kind: &StreamKind) -> &[String] {
    match kind {
        StreamKind::AppendOnly => &[],
        StreamKind::Upsert { key } | StreamKind::Changelog { key } => key,
    }
}

/// The source that stands, while a round is lowered, for what the round before found.
const BEFORE: &str = "";

/// A column as the round before found it.
fn found_before(column: &Column) -> Column {
    let mut found = column.clone();
    found.constant = None;
    found.from = BTreeSet::from([(BEFORE.to_owned(), column.name().to_owned())]);
    found
}

/// The columns that come out, with where they come from: whatever a round made them of, round after round.
fn columns_of_result(base: &Stream, result: &Stream, found: &Stream) -> Vec<Column> {
    let by_name: BTreeMap<&str, &Column> = found.columns.iter().map(|c| (c.name(), c)).collect();
    let through = |column: &Column| {
        let (mut from, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut open: Vec<&(String, String)> = column.from.iter().collect();
        while let Some(origin) = open.pop() {
            if origin.0 != BEFORE {
                from.insert(origin.clone());
            } else if seen.insert(&origin.1) {
                open.extend(by_name.get(origin.1.as_str()).into_iter().flat_map(|c| &c.from));
            }
        }
        from
    };
    let direct = |column: &Column| {
        let same = |c: &&Column| c.name() == column.name();
        let start = base.columns.iter().find(same);
        start.is_some_and(|start| start.direct && through(column) == start.from)
            && found.columns.iter().find(same).is_some_and(|c| c.direct)
    };
    let settled = |column: &Column| Column { from: through(column), direct: direct(column), origins: Vec::new(), ..column.clone() };
    result.columns.iter().map(settled).collect()
}
