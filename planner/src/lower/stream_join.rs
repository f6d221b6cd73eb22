//! `join` of two streams: what bounds it in time, and what it keeps.

use super::{
    Heard, Lowering, NewNode,
    join::{Equality, joined_columns, split},
    step::Work,
    stream::{Column, Flow, Stream, column_expr, schema_of},
};
use crate::{
    EventTime, JoinBound, Op, StateBound, StreamJoinKind, StreamJoinOp, StreamKind, WindowShape, catalogue as codes, expr::Place, types,
};
use datafusion_expr::{Expr, cast};
use runink_dsl::ast::{Join, JoinKind, JoinTime, Retention, Span, Spanned, TimeDomain};
use std::sync::Arc;

impl Lowering<'_> {
    pub(super) fn stream_join(&mut self, work: &mut Work<'_>, span: Span, join: &Join, right: Stream, alias: &str) -> Heard<()> {
        let file = work.texts.file;
        self.streams_fit(work, join, &right, alias)?;
        self.keep_fits(work, join)?;
        let kind = kind_of(join.kind);
        let width = work.flow.columns().len();
        let joined = joined_columns(work.flow.columns(), &right, alias);
        let condition = self.condition(work.texts, &join.on, &joined, Place::Row)?;
        let (mut equalities, mut rest) = split(&condition.expr, &joined, width);
        if matches!(right.kind, StreamKind::Upsert { .. }) {
            self.covers_key(file, join.on.span, alias, &right, &joined[width..], &equalities)?;
            // The version is found by the table's key alone; what else is compared is asked of it.
            let is_key = |e: &Equality| {
                let at = joined[width..].iter().position(|c| c.name() == e.table);
                at.is_some_and(|at| right.key().iter().any(|k| k == right.columns[at].name()))
            };
            let (keys, others) = equalities.into_iter().partition(is_key);
            equalities = keys;
            rest = others.into_iter().map(|e: Equality| e.stream.eq(cast(column_expr(&e.table), e.ty))).chain(rest).reduce(Expr::and);
        }
        if equalities.is_empty() {
            let message = format!("the condition does not say which column of `{alias}` equals which of this step's input");
            let hint =
                format!("compare a key: `on {alias}.id = …`; what has to be computed of `{alias}` first, compute in a step of its own");
            return Err(self.error(codes::JOIN_KEY, file, join.on.span, message, hint));
        }
        let (right, on) = self.prepare(work, join, right, &joined, width, equalities)?;
        let hidden = work.flow.columns().len() - width;
        let bound = self.join_bound(work, join, &right, alias)?;
        let left = work.flow.stream.clone();

        // The columns as they are behind the join: helpers of the condition still among them.
        let (left_may_miss, right_may_miss) = match kind {
            StreamJoinKind::Full => (true, true),
            StreamJoinKind::Left => (false, true),
            StreamJoinKind::Right => (true, false),
            StreamJoinKind::Inner | StreamJoinKind::Semi | StreamJoinKind::Anti => (false, false),
        };
        let named = |named: &Column, typed: &Column, may_miss: bool| {
            let mut column = if may_miss { named.or_null() } else { named.clone() };
            let nullable = may_miss || typed.field.is_nullable();
            column.field = Arc::new(typed.field.as_ref().clone().with_name(named.name()).with_nullable(nullable));
            column
        };
        let lefts: Vec<Column> = left.columns.iter().map(|c| named(c, c, left_may_miss)).collect();
        let rights: Vec<Column> =
            joined[width..].iter().zip(&right.columns).map(|(name, typed)| named(name, typed, right_may_miss)).collect();
        let whole: Vec<Column> = lefts.iter().chain(&rights).cloned().collect();
        let right_columns = if kind.has_right_columns() { (0..rights.len()).collect() } else { Vec::new() };
        let changelog = [&left, &right].map(|side| matches!(side.kind, StreamKind::Changelog { .. }));
        let op = StreamJoinOp { kind, on, condition: rest.map(|rest| (rest, schema_of(&whole))), right_columns, bound, changelog };
        let columns = if kind.has_right_columns() { whole } else { lefts };
        let stream_kind = match op.is_changelog() {
            true => StreamKind::Changelog { key: changelog_key(&left, &right, &columns, width..width + hidden) },
            false => StreamKind::AppendOnly,
        };
        let (step, at) = (work.flow.step.clone(), work.flow.at);
        let made = self.push(NewNode {
            name: step.clone(),
            inputs: vec![left.node, right.node],
            columns,
            kind: stream_kind,
            time: op.output_time(left.columns.len()),
            state: state_of(&op.bound, join, left.bounded && right.bounded),
            op: Op::StreamJoin(op),
            at,
        });
        work.flow = Flow::new(made, &step, at);
        self.drop_helpers(work, span, width..width + hidden)
    }

    /// What each side must be for the way in which the join is bounded.
    fn streams_fit(&mut self, work: &Work<'_>, join: &Join, right: &Stream, alias: &str) -> Heard<()> {
        let file = work.texts.file;
        if matches!(work.flow.stream.kind, StreamKind::Upsert { .. }) {
            let message = "the rows that are joined must stay, but this step's input is a keyed source, whose rows replace each other";
            let hint = "let the other input be the step's input, and join this one as a table";
            return Err(self.error(codes::JOIN_STREAM, file, join.input.span, message, hint));
        }
        let Some(Spanned { value: time, span }) = &join.time else { return Ok(()) };
        let as_of = matches!(time, JoinTime::AsOf(_));
        let sides = [("this step's input".to_owned(), &work.flow.stream), (format!("`{alias}`"), right)];
        for (name, side) in sides {
            let (message, hint) = match &side.kind {
                StreamKind::AppendOnly => continue,
                StreamKind::Upsert { .. } if as_of => continue,
                StreamKind::Upsert { .. } => (
                    format!("{name} is a table: each of its rows replaces the one before it, and is not an event at a moment"),
                    "leave the bound out, to look rows up in the table as it is, or say `as of <event time>`; or read the source without a key",
                ),
                StreamKind::Changelog { .. } => (
                    format!("{name} takes rows back, and a join that is bounded by time needs rows that stay"),
                    "let the aggregate `emit on close`, or leave the bound out and say `keep state for …`",
                ),
            };
            return Err(self.error(codes::JOIN_BOUND, file, *span, message, hint));
        }
        Ok(())
    }

    fn keep_fits(&mut self, work: &Work<'_>, join: &Join) -> Heard<()> {
        let (Some(keep), Some(time)) = (&join.keep_state, &join.time) else { return Ok(()) };
        let file = work.texts.file;
        match (&time.value, &keep.value) {
            (JoinTime::AsOf(_), Retention::Forever) => Ok(()),
            (JoinTime::AsOf(_), Retention::For(_)) => {
                let construct = "`keep state for` in a join `as of` a time";
                Err(self.not_yet(file, keep.span, construct, "say `keep for ever`: the newest row of each key is kept"))
            }
            (JoinTime::Window(_) | JoinTime::Within { .. }, _) => {
                let message = "rows of this join are kept exactly as long as they can meet others, as its bound in time says";
                Err(self.error(codes::EMIT, file, keep.span, message, "leave `keep` out, or the bound"))
            }
        }
    }

    fn join_bound(&mut self, work: &Work<'_>, join: &Join, right: &Stream, alias: &str) -> Heard<JoinBound> {
        let file = work.texts.file;
        let Some(Spanned { value: time, span }) = &join.time else {
            let ttl_us = match &join.keep_state {
                Some(Spanned { value: Retention::For(ttl), .. }) => Some(ttl.value.0),
                _ => None,
            };
            return Ok(JoinBound::Unbounded { ttl_us });
        };
        match time {
            JoinTime::Window(window) => {
                let window = Spanned::new(window.clone(), *span);
                let spec = self.window(work, &window)?;
                let word = match spec.shape {
                    WindowShape::Tumbling { .. } | WindowShape::Hopping { .. } => None,
                    WindowShape::Session { .. } => Some("session"),
                    WindowShape::Cumulating { .. } => Some("cumulating"),
                };
                if let Some(word) = word {
                    let construct = format!("a join of two streams in {word} windows");
                    return Err(self.not_yet(
                        file,
                        *span,
                        &construct,
                        "say how far apart rows may lie: `within 10m`, or use `tumbling` windows",
                    ));
                }
                let times = match spec.time {
                    Some(left) => Some([left, self.time_of(right, &format!("`{alias}`"), work, *span)?]),
                    None => None,
                };
                Ok(JoinBound::Window { shape: spec.shape, times })
            }
            JoinTime::Within { from, to } => {
                Ok(JoinBound::Within { from_us: *from, to_us: *to, times: self.times_of(work, right, alias, *span)? })
            }
            JoinTime::AsOf(TimeDomain::Processing) => {
                let message = "a join as of processing time was to wait for versions";
                Err(self.error(codes::INTERNAL, file, *span, message, "this is a bug of Runink: please report it"))
            }
            JoinTime::AsOf(TimeDomain::Column(name)) => {
                let times = self.times_of(work, right, alias, *span)?;
                let column = self.column(work.texts, &runink_dsl::ast::Name::new(name.clone(), *span), work.flow.columns())?;
                if column != times[0].column {
                    let event_time = work.flow.stream.time_column().unwrap_or_default();
                    let message =
                        format!("`{name}` is not the event time of these rows: `{event_time}` is, and the watermark is about that");
                    let hint = format!("write `as of {event_time}`, or give the source `time={name}`");
                    return Err(self.error(codes::WINDOW_COLUMN, file, *span, message, hint));
                }
                Ok(JoinBound::AsOf { times })
            }
        }
    }

    fn times_of(&mut self, work: &Work<'_>, right: &Stream, alias: &str, span: Span) -> Heard<[EventTime; 2]> {
        let left = self.time_of(&work.flow.stream, "this step's input", work, span)?;
        Ok([left, self.time_of(right, &format!("`{alias}`"), work, span)?])
    }

    /// The event time of one side.
    fn time_of(&mut self, side: &Stream, name: &str, work: &Work<'_>, span: Span) -> Heard<EventTime> {
        let is_time = |t: &EventTime| side.columns.get(t.column).is_some_and(|c| types::is_event_time(c.field.data_type()));
        if let Some(time) = side.time.clone().filter(is_time) {
            return Ok(time);
        }
        let message = format!("this join needs event times on both sides, and {name} has none");
        let hint = "give its source `time=<column>`, and keep that column in the steps before";
        Err(self.error(codes::WINDOW_TIME, work.texts.file, span, message, hint))
    }
}

fn kind_of(kind: JoinKind) -> StreamJoinKind {
    match kind {
        JoinKind::Inner => StreamJoinKind::Inner,
        JoinKind::Left => StreamJoinKind::Left,
        JoinKind::Right => StreamJoinKind::Right,
        JoinKind::Full => StreamJoinKind::Full,
        JoinKind::Semi => StreamJoinKind::Semi,
        JoinKind::Anti => StreamJoinKind::Anti,
    }
}

/// What the join keeps, and for how long; `bounded`: both inputs end.
fn state_of(bound: &JoinBound, join: &Join, bounded: bool) -> StateBound {
    let keep = join.keep_state.as_ref().map(|keep| &keep.value);
    match bound {
        JoinBound::Window { shape, .. } => StateBound::Rows {
            lifetime_us: match shape {
                WindowShape::Tumbling { size, .. } | WindowShape::Hopping { size, .. } | WindowShape::Cumulating { size, .. } => {
                    Some(*size)
                }
                WindowShape::Session { .. } => None,
            },
        },
        JoinBound::Within { from_us, to_us, .. } => StateBound::Rows { lifetime_us: Some((*to_us).max(from_us.saturating_neg()).max(0)) },
        JoinBound::AsOf { .. } => match keep {
            Some(Retention::Forever) => StateBound::ForEver,
            _ => StateBound::PerKey { ttl_us: None },
        },
        JoinBound::Unbounded { ttl_us } => match keep {
            Some(Retention::Forever) => StateBound::RowsForEver,
            None if bounded => StateBound::UntilEnd,
            _ => StateBound::Rows { lifetime_us: *ttl_us },
        },
    }
}

/// The key of rows that can be taken back: each side's own key where it has one, else all its columns. `columns` are those that come out, `helpers`
/// those among them that nobody reads.
fn changelog_key(left: &Stream, right: &Stream, columns: &[Column], helpers: std::ops::Range<usize>) -> Vec<String> {
    let sides = left.columns.iter().map(|c| (left, c)).chain(right.columns.iter().map(|c| (right, c)));
    let is_key = |(side, own): (&Stream, &Column)| !side.is_append_only() && side.key().iter().any(|k| k == own.name());
    let keyed = columns.iter().zip(sides).enumerate();
    keyed
        .filter(|(at, (_, side))| !helpers.contains(at) && (side.0.is_append_only() || is_key(*side)))
        .map(|(_, (column, _))| column.name().to_owned())
        .collect()
}
