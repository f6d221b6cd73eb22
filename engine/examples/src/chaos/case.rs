//! A case: an example's rows in one order, cut into epochs and batches, on a number of workers.

use super::{
    random::Random,
    timeline::{ItemRow, RowId, SegmentKind, Timeline},
};
use crate::script::{Moment, Script, at};
use arrow::{
    array::{RecordBatch, UInt64Array},
    compute::interleave_record_batch,
    datatypes::SchemaRef,
    error::ArrowError,
};
use runink_connector_api::{Ordinal, Positions};
use runink_engine::testing::{Event, ScriptedSource};
use std::collections::{BTreeMap, BTreeSet};

/// On how many workers cases run.
pub(crate) const WORKERS: [usize; 4] = [1, 2, 3, 4];

/// One in so many cases has crashes.
const CRASHING_ONE_IN: usize = 3;
/// How many it has at most.
const CRASHES: usize = 3;

/// Rows of one source that come in one epoch, batch by batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Together {
    pub(crate) source: usize,
    pub(crate) batches: Vec<Vec<RowId>>,
    /// The worker crashes when the epoch is complete.
    pub(crate) crash: bool,
}

impl Together {
    pub(crate) fn of(source: usize, rows: Vec<RowId>) -> Self {
        Together { source, batches: vec![rows], crash: false }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = RowId> + '_ {
        self.batches.iter().flatten().copied()
    }
}

/// See the module. `segments` are those of the timeline, in their order; a `When` has no rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) workers: usize,
    pub(crate) segments: Vec<Vec<Together>>,
}

impl Case {
    /// As the text has it.
    pub(crate) fn as_written(timeline: &Timeline) -> Self {
        Case::map(timeline, 1, |given, _| given.iter().map(|(source, rows)| Together::of(*source, rows.clone())).collect())
    }

    /// All rows that may come together in one epoch.
    pub(crate) fn at_once(timeline: &Timeline) -> Self {
        Case::map(timeline, 1, |given, free| {
            let mut all: Vec<Together> = Vec::new();
            for (source, rows) in given {
                match all.iter_mut().find(|t| free && t.source == *source) {
                    Some(together) => together.batches[0].extend(rows),
                    None => all.push(Together::of(*source, rows.clone())),
                }
            }
            all
        })
    }

    /// An order, cuts and a number of workers that the example allows.
    pub(crate) fn random(timeline: &Timeline, lateness_us: &[i64], random: &mut Random) -> Self {
        let workers = WORKERS[random.below(WORKERS.len())];
        let mut case = Case::map(timeline, workers, |given, free| {
            if free {
                return arranged(timeline, given, lateness_us, random);
            }
            // Batches of one epoch go to different workers: rows that are not free stay in one, and so in their order.
            given.iter().map(|(source, rows)| Together::of(*source, rows.clone())).collect()
        });
        if random.one_in(CRASHING_ONE_IN) {
            let mut epochs: Vec<&mut Together> = case.segments.iter_mut().flatten().collect();
            for _ in 0..=random.below(CRASHES) {
                let at = random.below(epochs.len());
                if let Some(together) = epochs.get_mut(at) {
                    together.crash = true;
                }
            }
        }
        case
    }

    fn map(timeline: &Timeline, workers: usize, mut each: impl FnMut(&[(usize, Vec<RowId>)], bool) -> Vec<Together>) -> Self {
        let segments = timeline.segments.iter().map(|segment| match &segment.kind {
            SegmentKind::Rows { given, free } => each(given, *free),
            SegmentKind::When { .. } => Vec::new(),
        });
        Case { workers, segments: segments.collect() }
    }

    /// The case without the other rows.
    pub(crate) fn only(&self, rows: &BTreeSet<RowId>) -> Self {
        let mut less = self.clone();
        for segment in &mut less.segments {
            for together in segment.iter_mut() {
                together.batches.iter_mut().for_each(|b| b.retain(|row| rows.contains(row)));
                together.batches.retain(|b| !b.is_empty());
            }
            segment.retain(|t| !t.batches.is_empty());
        }
        less
    }

    /// All its rows.
    pub(crate) fn rows(&self) -> BTreeSet<RowId> {
        self.segments.iter().flatten().flat_map(Together::rows).collect()
    }

    /// The case as a script.
    ///
    /// # Errors
    /// Where rows cannot be put together: a bug of Runink.
    pub(crate) fn script<'s>(&self, timeline: &Timeline, written: &Script<'s>, schemas: &[SchemaRef]) -> Result<Script<'s>, ArrowError> {
        let mut events: BTreeMap<String, Vec<(Ordinal, Event)>> = BTreeMap::new();
        let mut clock: Vec<_> = written.clock.iter().take(1).copied().collect();
        let mut ends = Vec::with_capacity(self.segments.len());
        let mut crashes = Vec::new();
        let mut place = 0;
        for (segment, rows) in timeline.segments.iter().zip(&self.segments) {
            for together in rows {
                place += 1;
                let source = &timeline.sources[together.source];
                for batch in &together.batches {
                    let event = event(timeline, written, batch, &schemas[together.source])?;
                    events.entry(source.clone()).or_default().push((at(place), event));
                }
                if together.crash {
                    crashes.push(place);
                }
            }
            if let SegmentKind::When { places, .. } = &segment.kind {
                for old in places.clone() {
                    place += 1;
                    for source in &timeline.sources {
                        let here = written.events_of(source).iter().filter(|(ordinal, _)| *ordinal == at(old));
                        events.entry(source.clone()).or_default().extend(here.map(|(_, event)| (at(place), event.clone())));
                    }
                    if written.crashes.contains(&old) {
                        crashes.push(place);
                    }
                    let old = ScriptedSource::epoch_of(at(old));
                    clock.extend(
                        written.clock.iter().filter(|(epoch, _)| *epoch == old).map(|(_, us)| (ScriptedSource::epoch_of(at(place)), *us)),
                    );
                }
            }
            ends.push(place);
        }
        // Every source comes to the last place, and ends after it.
        for (source, schema) in timeline.sources.iter().zip(schemas) {
            let tick = Event::Rows { batch: RecordBatch::new_empty(schema.clone()), rejects: Vec::new(), positions: Positions::From(0) };
            events.entry(source.clone()).or_default().push((at(place), tick));
        }
        let mut expectations = written.expectations.clone();
        for expectation in &mut expectations {
            if expectation.moment != Moment::End {
                let end = timeline.segment_at(expectation).and_then(|segment| ends.get(segment)).copied().unwrap_or_default();
                expectation.moment = Moment::Closed(ScriptedSource::epoch_of(at(end)));
            }
        }
        Ok(written.with(events, clock, expectations, crashes))
    }
}

/// The event that brings these rows.
fn event(timeline: &Timeline, written: &Script<'_>, rows: &[RowId], schema: &SchemaRef) -> Result<Event, ArrowError> {
    let (mut batches, mut picked, mut numbers, mut turned_away) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut known: BTreeMap<usize, usize> = BTreeMap::new();
    for &id in rows {
        let item = &timeline.rows[id];
        let events = written.events_of(&timeline.sources[item.source]);
        let Some((_, Event::Rows { batch, rejects, positions })) = events.get(item.event) else { continue };
        match item.row {
            ItemRow::Reject(n) => turned_away.extend(rejects.get(n).cloned()),
            ItemRow::Decoded(n) => {
                let at = *known.entry(item.event).or_insert_with(|| {
                    batches.push(batch);
                    batches.len() - 1
                });
                picked.push((at, n));
                numbers.push(match positions {
                    Positions::From(start) => start + n as u64,
                    Positions::Each(each) => each.value(n),
                });
            }
        }
    }
    let batch = if picked.is_empty() { RecordBatch::new_empty(schema.clone()) } else { interleave_record_batch(&batches, &picked)? };
    Ok(Event::Rows { batch, rejects: turned_away, positions: Positions::Each(UInt64Array::from(numbers)) })
}

/// Rows in an order that the lateness of their sources allows: none comes after one that is newer by more.
fn arranged(timeline: &Timeline, given: &[(usize, Vec<RowId>)], lateness_us: &[i64], random: &mut Random) -> Vec<Together> {
    let mut by_source: BTreeMap<usize, Vec<(i64, u64, RowId)>> = BTreeMap::new();
    for (source, rows) in given {
        for &id in rows {
            // A row without a time has no order: it goes with any other.
            let other = rows[random.below(rows.len())];
            let time = timeline.rows[id].time_us.or(timeline.rows[other].time_us).unwrap_or_default();
            let late = random.upto(lateness_us.get(*source).copied().unwrap_or_default());
            by_source.entry(*source).or_default().push((time.saturating_add(late), random.next(), id));
        }
    }
    let mut queues: Vec<Vec<Together>> = Vec::new();
    for (source, mut rows) in by_source {
        rows.sort_unstable();
        let rows: Vec<RowId> = rows.into_iter().map(|(_, _, id)| id).collect();
        // From one row an epoch to all rows in one.
        let most = 1 + random.below(rows.len());
        let mut epochs = Vec::new();
        let mut rest = rows.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(1 + random.below(most.min(rest.len())));
            epochs.push(Together { batches: in_batches(now, random), ..Together::of(source, Vec::new()) });
            rest = later;
        }
        epochs.reverse();
        queues.push(epochs);
    }
    let mut mixed = Vec::new();
    while !queues.is_empty() {
        let at = random.below(queues.len());
        mixed.extend(queues[at].pop());
        queues.retain(|q| !q.is_empty());
    }
    mixed
}

fn in_batches(rows: &[RowId], random: &mut Random) -> Vec<Vec<RowId>> {
    if !random.one_in(3) {
        return vec![rows.to_vec()];
    }
    let size = 1 + random.below(rows.len());
    rows.chunks(size).map(<[RowId]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::chaos::timeline::{Item, Segment};
    use proptest::prelude::*;

    const LATENESS_US: [i64; 2] = [10, 0];

    /// Segments of rows of two sources with these times; every third is not free.
    fn timeline(segments: &[Vec<(bool, Option<i64>)>]) -> Timeline {
        let mut timeline = Timeline { sources: vec!["a".into(), "b".into()], rows: Vec::new(), segments: Vec::new() };
        for (number, rows) in segments.iter().enumerate() {
            let mut given: Vec<(usize, Vec<RowId>)> = Vec::new();
            for (second, time_us) in rows {
                let source = usize::from(*second);
                match given.last_mut() {
                    Some((before, ids)) if *before == source => ids.push(timeline.rows.len()),
                    _ => given.push((source, vec![timeline.rows.len()])),
                }
                timeline.rows.push(Item { source, event: 0, row: ItemRow::Decoded(0), time_us: *time_us });
            }
            timeline.segments.push(Segment { kind: SegmentKind::Rows { given, free: number % 3 != 2 }, last: number as u32 });
        }
        timeline
    }

    proptest! {
        #[test]
        fn cases_have_every_row_once_and_in_an_order_that_lateness_allows(
            segments in proptest::collection::vec(
                proptest::collection::vec((any::<bool>(), proptest::option::weighted(0.9, 0i64..60)), 0..12), 0..5),
            seed in any::<u64>(),
        ) {
            let timeline = timeline(&segments);
            let written = Case::as_written(&timeline);
            let case = Case::random(&timeline, &LATENESS_US, &mut Random::of(seed, "a case"));
            prop_assert!(WORKERS.contains(&case.workers));
            for ((rows, as_written), segment) in case.segments.iter().zip(&written.segments).zip(&timeline.segments) {
                let all = |rows: &[Together]| {
                    let mut ids: Vec<RowId> = rows.iter().flat_map(Together::rows).collect();
                    ids.sort_unstable();
                    ids
                };
                prop_assert_eq!(all(rows), all(as_written));
                prop_assert!(rows.iter().all(|t| t.rows().all(|id| timeline.rows[id].source == t.source)));
                if matches!(segment.kind, SegmentKind::Rows { free: false, .. }) {
                    prop_assert!(rows.iter().zip(as_written).all(|(a, b)| a.batches == b.batches));
                    continue;
                }
                let mut newest = [i64::MIN; 2];
                for together in rows {
                    // Rows of one epoch come together: only those of epochs before can make one late.
                    let times = || together.rows().filter_map(|id| timeline.rows[id].time_us);
                    let source = together.source;
                    prop_assert!(times().all(|us| newest[source].saturating_sub(us) <= LATENESS_US[source]));
                    newest[source] = times().max().unwrap_or(i64::MIN).max(newest[source]);
                }
            }
            let again = Case::random(&timeline, &LATENESS_US, &mut Random::of(seed, "a case"));
            prop_assert_eq!(case, again);
        }
    }
}
