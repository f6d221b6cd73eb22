//! What of an example's order is meant, and what is chance.
//!
//! Between two places that look at results or say something of time, the rows of a source may come in any order that its lateness allows, in any number of
//! epochs: the results must not depend on it. Such a stretch is a *segment*. What is meant stays as it is: `When` lines, rows that are late already (they
//! test lateness), the rows of a keyed source (each replaces the one before it).

use crate::script::{Expectation, Moment, Says, Script, SourceFacts, at};
use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, TimeUnit, TimestampMicrosecondType},
    error::ArrowError,
};
use runink_dsl::ast::Span;
use runink_engine::testing::{Event, ScriptedSource};
use runink_planner::{AggregateOp, EmitMode, NodeId, Op, Plan};
use std::{collections::BTreeMap, ops::RangeInclusive};

/// The number of a row among all rows of an example.
pub(crate) type RowId = usize;

/// A row of an example: one that decodes, or one that does not.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Its source, by its place in [`Timeline::sources`].
    pub(crate) source: usize,
    /// Which of the source's events gives it.
    pub(crate) event: usize,
    /// Which of the event's rows.
    pub(crate) row: ItemRow,
    /// Its event time, in µs.
    pub(crate) time_us: Option<i64>,
}

/// See [`Item`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemRow {
    Decoded(usize),
    Reject(usize),
}

/// A stretch of an example. Its last place is where results may be looked at.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// What it is made of.
    pub(crate) kind: SegmentKind,
    /// The last of its places in the text's own order.
    pub(crate) last: u32,
}

/// See [`Segment`].
#[derive(Debug, Clone)]
pub(crate) enum SegmentKind {
    /// Rows, epoch by epoch as in the text: each with its source. `free` rows may be arranged anew, others only cut into batches.
    Rows { given: Vec<(usize, Vec<RowId>)>, free: bool },
    /// A `When`.
    When { span: Span, places: RangeInclusive<u32> },
}

/// An example, cut into segments.
#[derive(Debug)]
pub(crate) struct Timeline {
    pub(crate) sources: Vec<String>,
    pub(crate) rows: Vec<Item>,
    pub(crate) segments: Vec<Segment>,
}

impl Timeline {
    /// Cuts an example.
    ///
    /// # Errors
    /// Where an event time cannot be read as one.
    pub(crate) fn of(script: &Script<'_>, facts: &BTreeMap<String, SourceFacts>, plan: &Plan) -> Result<Self, ArrowError> {
        let mut cut = Cutting {
            facts,
            timeline: Timeline { sources: facts.keys().cloned().collect(), rows: Vec::new(), segments: Vec::new() },
            watermarks: vec![i64::MIN; facts.len()],
            clocked: false,
            arrival_counts: arrival_counts(plan),
            arrival_decides: plan.nodes.iter().any(|node| arrival_decides(&node.op)),
        };
        let looked_at = |place: u32| {
            let epoch = ScriptedSource::epoch_of(at(place));
            script.expectations.iter().any(|e| e.moment == Moment::Closed(epoch))
        };
        let mut open = false;
        for happening in &script.happenings {
            let last = *happening.places.end();
            match &happening.given {
                Some(source) => open = cut.given(script, source, last, open)? && !looked_at(last),
                None => {
                    cut.when(happening.says);
                    let kind = SegmentKind::When { span: happening.span, places: happening.places.clone() };
                    cut.timeline.segments.push(Segment { kind, last });
                    open = false;
                }
            }
        }
        Ok(cut.timeline)
    }

    /// Which segment's results an expectation looks at; nothing where it stands before the first.
    pub(crate) fn segment_at(&self, expectation: &Expectation<'_>) -> Option<usize> {
        match expectation.moment {
            Moment::End => self.segments.len().checked_sub(1),
            Moment::Closed(epoch) => self.segments.iter().rposition(|s| ScriptedSource::epoch_of(at(s.last)) <= epoch),
        }
    }
}

struct Cutting<'a> {
    facts: &'a BTreeMap<String, SourceFacts>,
    timeline: Timeline,
    /// Where the rows so far bring each source's watermark, in µs.
    watermarks: Vec<i64>,
    /// The clock may have carried watermarks on: which rows are late is not known from rows alone.
    clocked: bool,
    /// What comes out depends on the order in which rows of different lines come.
    arrival_counts: bool,
    /// What comes out depends on the order of rows itself.
    arrival_decides: bool,
}

impl Cutting<'_> {
    /// Takes the rows of a `Given`; tells whether those of the next may be mixed with them.
    fn given(&mut self, script: &Script<'_>, source: &str, place: u32, open: bool) -> Result<bool, ArrowError> {
        let Some(index) = self.timeline.sources.iter().position(|s| s == source) else { return Ok(false) };
        let Some(facts) = self.facts.get(source) else { return Ok(false) };
        let first = self.timeline.rows.len();
        for (number, (ordinal, event)) in script.events_of(source).iter().enumerate() {
            let Event::Rows { batch, rejects, .. } = event else { continue };
            if *ordinal != at(place) {
                continue;
            }
            let times = times_us(batch, facts)?;
            let item = |row, time_us| Item { source: index, event: number, row, time_us };
            self.timeline.rows.extend(times.into_iter().enumerate().map(|(row, time)| item(ItemRow::Decoded(row), time)));
            self.timeline.rows.extend((0..rejects.len()).map(|row| item(ItemRow::Reject(row), None)));
        }
        let given: Vec<RowId> = (first..self.timeline.rows.len()).collect();
        let times = given.iter().filter_map(|&id| self.timeline.rows[id].time_us);
        let is_late = times.clone().any(|us| us < self.watermarks[index]);
        if let Some(newest) = times.max() {
            self.watermarks[index] = self.watermarks[index].max(newest.saturating_sub(facts.lateness_us));
        }
        let free = !(facts.keyed || is_late || self.clocked || self.arrival_decides);
        match self.timeline.segments.last_mut() {
            Some(Segment { kind: SegmentKind::Rows { given: before, free: true }, last }) if open && free => {
                before.push((index, given));
                *last = place;
            }
            _ => self.timeline.segments.push(Segment { kind: SegmentKind::Rows { given: vec![(index, given)], free }, last: place }),
        }
        Ok(free && !self.arrival_counts)
    }

    fn when(&mut self, says: Says) {
        match says {
            // Said of one source or of all: for whom it does not hold, fewer rows count as late than are.
            Says::Watermark(us) => self.watermarks.iter_mut().for_each(|w| *w = (*w).max(us)),
            Says::Clock => self.clocked = true,
            Says::Nothing => {}
        }
    }
}

fn times_us(batch: &RecordBatch, facts: &SourceFacts) -> Result<Vec<Option<i64>>, ArrowError> {
    let Some(time) = &facts.time else { return Ok(vec![None; batch.num_rows()]) };
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let micros = cast_with_options(batch.column(time.column), &DataType::Timestamp(TimeUnit::Microsecond, None), &strict)?;
    let micros = micros.as_primitive::<TimestampMicrosecondType>();
    Ok((0..micros.len()).map(|i| micros.is_valid(i).then(|| micros.value(i).saturating_add(time.shift_us))).collect())
}

/// Whether results depend on which of two inputs' rows come first, by what the scenario says: a stream that is looked up in a table that changes.
fn arrival_counts(plan: &Plan) -> bool {
    let read_first = |id: NodeId| {
        let mut above = vec![id];
        while let Some(id) = above.pop() {
            let node = plan.node(id);
            match &node.op {
                Op::Source(source) if source.preload => {}
                Op::Source(_) => return false,
                _ => above.extend(&node.inputs),
            }
        }
        true
    };
    plan.nodes.iter().any(|node| matches!(node.op, Op::TableJoin(_)) && !node.inputs.get(1).is_some_and(|&table| read_first(table)))
}

/// Whether an operator says that the row which comes first, or last, is meant: `deduplicate` without an order.
fn arrival_decides(op: &Op) -> bool {
    match op {
        Op::First(first) => !first.settled,
        Op::Rank(rank) => rank.newest_first,
        _ => false,
    }
}

/// Whether what is there before the end depends on where epochs are cut, by what the scenario says: it gives news only every so often.
pub(crate) fn gives_every_so_often(plan: &Plan, id: NodeId) -> bool {
    let node = plan.node(id);
    let itself = matches!(&node.op, Op::Aggregate(AggregateOp { emit: EmitMode::Every(_), .. }));
    itself || node.inputs.iter().any(|&input| gives_every_so_often(plan, input))
}
