//! Patterns of rows: for each key, in order of event time, sequences of events with conditions between them.
//!
//! A row waits until the watermark has passed it (`due`), so that it is looked at in its place. Then it takes the key's attempts on (`runs`), along the
//! automaton that the planner made of the pattern. What of a condition is about the row alone is a Boolean column; the rest is asked of many keys at once: the
//! first rows of all keys, then the second ones, so that each condition is evaluated over columns (`spec`, `values`). A row on which a condition fails is
//! rejected, and it is as if it had not come.
//!
//! Results depend on the rows and watermarks alone: rows of the same time are ordered by their contents, and what comes out is a function of the rows before the
//! watermark, whatever the epochs, batches and workers.
//!
//! A row is kept as long as it waits or an attempt has matched it (`nodes`).

mod due;
mod nodes;
mod runs;
mod spec;
mod state;
mod values;

use crate::{
    Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects,
    aggregate::keys::{KeyRows, KeyTable},
    batches,
    stream_join::{
        bound::{FOR_EVER, Span},
        bucket::NONE,
        rows::{Incoming, SideRows},
    },
};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray},
    buffer::BooleanBuffer,
    compute::filter_record_batch,
    datatypes::SchemaRef,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use due::{Due, Waiting};
use runink_checkpoint::{KeyGroups, StateTable};
use runink_planner::MatchOp;
use runs::{Found, RUNS_PER_KEY_MAX, Runs};
use spec::{Answer, Spec};
use state::Restored;
use std::{ops::Range, sync::Arc};
use values::Candidate;

/// Finds patterns. See the module.
pub struct PatternOperator {
    spec: Spec,
    keys: KeyTable,
    rows: SideRows,
    waiting: Waiting,
    runs: Runs,
    /// How far time had come when the last epoch closed.
    closed_to: i64,
    /// Of rows and attempts that captures have and that are gone.
    deleted: Vec<RecordBatch>,
    restored: Restored,
    key_rows: KeyRows,
}

/// The rows that an epoch takes, and what is known of each alone.
struct Rows {
    due: Vec<Due>,
    /// By event: the rows that can be it; all where absent.
    own: Vec<Option<BooleanBuffer>>,
    /// By event: the columns that its condition reads.
    columns: Vec<Vec<ArrayRef>>,
}

/// What is known of a row, a path and an event.
#[derive(Debug, Clone, Copy)]
enum Mark {
    Known(bool),
    /// The answer of that number for that event.
    Asked(usize, usize),
}

impl PatternOperator {
    /// Nothing under way.
    ///
    /// # Errors
    /// Where the plan does not fit its schemas.
    pub fn new(step: &str, op: &MatchOp, input: &SchemaRef, output: &SchemaRef, groups: KeyGroups) -> Result<Self, OperatorError> {
        let spec = Spec::new(step, op, input, output, groups)?;
        let automaton = op.automaton().map_err(|e| OperatorError::plan(step, e.to_string()))?;
        let joint: Vec<bool> = spec.events.iter().map(|e| e.joint.is_some()).collect();
        Ok(PatternOperator {
            keys: KeyTable::new(&spec.layout),
            rows: SideRows::new(input, spec.stored.clone(), 0, false),
            waiting: Waiting::default(),
            runs: Runs::new(automaton, op.within_us, op.after, op.partial, &joint),
            closed_to: i64::MIN,
            deleted: Vec::new(),
            restored: Restored::default(),
            key_rows: KeyRows::default(),
            spec,
        })
    }

    fn admit(&mut self, batch: &Batch, reached: i64, rejects: &mut Rejects) -> Result<(), OperatorError> {
        let (batch, times) = self.spec.admit(batch, reached, rejects)?;
        if batch.is_empty() {
            return Ok(());
        }
        let key_columns: Vec<_> = self.spec.keys.iter().map(|&k| batch.rows.column(k).clone()).collect();
        self.spec.layout.prepare(&key_columns, batch.len(), &mut self.key_rows).map_err(|e| self.spec.error(e))?;
        let mut keys = Vec::with_capacity(batch.len());
        self.keys.intern(&self.key_rows, 0..batch.len(), &mut keys);
        let columns = self.spec.stored.iter().map(|&c| batch.rows.column(c).clone()).collect();
        let slots = self.keep(columns, &keys, &times, None)?;
        for ((&key, &time), slot) in keys.iter().zip(&times).zip(slots) {
            self.wait(Due { key, time, slot });
        }
        Ok(())
    }

    /// Keeps rows; `sequences` are those that a checkpoint knows them by.
    fn keep(&mut self, columns: Vec<ArrayRef>, keys: &[u32], times: &[i64], sequences: Option<&[i64]>) -> Result<Vec<u32>, OperatorError> {
        let spans: Vec<Span> = times.iter().map(|&time| Span { low: time, high: FOR_EVER }).collect();
        let namespaces = vec![FOR_EVER; keys.len()];
        let incoming = Incoming { columns, keys, spans: &spans, namespaces, matched: &[], sequences };
        self.rows.insert(&incoming).map_err(|e| self.spec.error(e))
    }

    fn wait(&mut self, row: Due) {
        self.runs.know(row.key);
        self.runs.nodes.hold_row(row.slot);
        self.waiting.add(row);
    }

    /// Takes the rows that the watermark has passed, in their order.
    fn process(&mut self, watermark: i64, rejects: &mut Rejects) -> Result<(), OperatorError> {
        let mut due = self.waiting.take(watermark);
        if due.is_empty() {
            return Ok(());
        }
        self.spec.order_ties(&mut due, &self.rows)?;
        let slots: Vec<u32> = due.iter().map(|d| d.slot).collect();
        let gather = |columns: &[usize]| self.rows.gather(&slots, columns).map_err(|e| self.spec.error(e));
        let (mut own, mut columns) = (Vec::new(), Vec::new());
        for event in &self.spec.events {
            own.push(match event.own {
                None => None,
                Some(column) => {
                    let held = gather(&[column])?.swap_remove(0);
                    let held = held.as_boolean();
                    Some(held.nulls().map_or_else(|| held.values().clone(), |valid| held.values() & valid.inner()))
                }
            });
            columns.push(event.joint.as_ref().map_or(Ok(Vec::new()), |joint| gather(&joint.columns))?);
        }
        let rows = Rows { due, own, columns };
        if self.spec.events.iter().all(|e| e.joint.is_none()) {
            for at in 0..rows.due.len() {
                self.runs.expire(rows.due[at].key, rows.due[at].time);
                self.take(rows.due[at], |event, _| rows.can_be(event, at), rejects)?;
            }
        } else {
            self.rounds(&rows, rejects)?;
        }
        rows.due.iter().for_each(|row| self.runs.nodes.release_row(row.slot));
        Ok(())
    }

    fn take(&mut self, row: Due, holds: impl FnMut(usize, u32) -> bool, rejects: &mut Rejects) -> Result<(), OperatorError> {
        if self.runs.take(row.key, row.slot, row.time, holds) {
            return Ok(());
        }
        let message = format!("more than {RUNS_PER_KEY_MAX} beginnings and alternatives of the pattern would be under way for this key");
        self.spec.reject(row.slot, message, &self.rows, rejects)
    }

    /// The first rows of all keys, then the second ones, and so on: what has to be known of each is asked for all of them at once.
    fn rounds(&mut self, rows: &Rows, rejects: &mut Rejects) -> Result<(), OperatorError> {
        let mut keys: Vec<Range<usize>> = Vec::new();
        for chunk in rows.due.chunk_by(|a, b| a.key == b.key) {
            let first = keys.last().map_or(0, |k| k.end);
            keys.push(first..first + chunk.len());
        }
        let events = self.spec.events.len();
        let mut candidates: Vec<Vec<Candidate>> = vec![Vec::new(); events];
        let mut places: Vec<Vec<u32>> = vec![Vec::new(); events];
        let mut marks: Vec<Mark> = Vec::new();
        let mut ends: Vec<usize> = Vec::new();
        while !keys.is_empty() {
            candidates.iter_mut().for_each(Vec::clear);
            places.iter_mut().for_each(Vec::clear);
            marks.clear();
            ends.clear();
            for at in keys.iter().map(|k| k.start) {
                let Due { key, time, slot } = rows.due[at];
                self.runs.expire(key, time);
                self.runs.ask(key, |event, node| {
                    marks.push(match &self.spec.events[event].joint {
                        Some(_) if rows.can_be(event, at) => {
                            candidates[event].push(Candidate { node, slot, event });
                            places[event].push(at as u32);
                            Mark::Asked(event, candidates[event].len() - 1)
                        }
                        _ => Mark::Known(rows.can_be(event, at)),
                    });
                });
                ends.push(marks.len());
            }
            let answers = self.answers(rows, &candidates, &places)?;
            let mut first = 0;
            for (key, &end) in keys.iter().zip(&ends) {
                let asked = &marks[first..end];
                first = end;
                let row = rows.due[key.start];
                let failed = asked.iter().find_map(|mark| match mark {
                    Mark::Asked(event, at) => match &answers[*event][*at] {
                        Answer::Failed(why) => Some(why.clone()),
                        Answer::Known(_) => None,
                    },
                    Mark::Known(_) => None,
                });
                if let Some(why) = failed {
                    self.spec.reject(row.slot, why, &self.rows, rejects)?;
                    continue;
                }
                let mut asked = asked.iter();
                let known = |_: usize, _: u32| match asked.next() {
                    Some(Mark::Known(known)) => *known,
                    Some(Mark::Asked(event, at)) => answers[*event][*at] == Answer::Known(true),
                    None => false,
                };
                self.take(row, known, rejects)?;
            }
            keys.iter_mut().for_each(|k| k.start += 1);
            keys.retain(|k| !k.is_empty());
        }
        Ok(())
    }

    fn answers(&self, rows: &Rows, candidates: &[Vec<Candidate>], places: &[Vec<u32>]) -> Result<Vec<Vec<Answer>>, OperatorError> {
        let each = self.spec.events.iter().enumerate().map(|(event, compiled)| match &compiled.joint {
            Some(joint) if !candidates[event].is_empty() => joint
                .holds(&rows.columns[event], &places[event], &candidates[event], &self.runs.nodes, &self.rows)
                .map_err(|e| self.spec.error(e)),
            _ => Ok(Vec::new()),
        });
        each.collect()
    }

    /// The matches that were found, as they come out.
    fn give(&mut self, rejects: &mut Rejects) -> Result<Vec<Batch>, OperatorError> {
        let found = std::mem::take(&mut self.runs.found);
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let batch = self.given(&found, rejects)?;
        found.iter().for_each(|f| self.runs.nodes.release(f.node));
        Ok(if batch.num_rows() == 0 { Vec::new() } else { vec![Batch::of(batch)] })
    }

    fn given(&self, found: &[Found], rejects: &mut Rejects) -> Result<RecordBatch, OperatorError> {
        let candidates: Vec<Candidate> = found.iter().map(|f| Candidate { node: f.node, slot: NONE, event: 0 }).collect();
        let keys: Vec<u32> = found.iter().map(|f| f.key).collect();
        let mut columns = self.keys.columns(&keys).map_err(|e| self.spec.error(e))?;
        let mut good = vec![true; found.len()];
        for value in self.spec.outputs.iter().chain(&self.spec.ends) {
            let values = value.of(&candidates, &self.runs.nodes, &self.rows).map_err(|e| self.spec.error(e))?;
            for (at, why) in values.failures {
                if std::mem::replace(&mut good[at], false) {
                    let last = self.runs.nodes.get(found[at].node).slot;
                    self.spec.reject(last, format!("the match that ends with this row cannot be given: {why}"), &self.rows, rejects)?;
                }
            }
            columns.push(values.column);
        }
        if self.spec.partial {
            columns.push(Arc::new(BooleanArray::from_iter(found.iter().map(|f| Some(f.partial)))));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(found.len()));
        let batch = RecordBatch::try_new_with_options(self.spec.output.clone(), columns, &options).map_err(|e| self.spec.error(e))?;
        if good.iter().all(|&good| good) {
            return Ok(batch);
        }
        filter_record_batch(&batch, &BooleanArray::from(good)).map_err(|e| self.spec.error(e))
    }

    /// Lets go the rows that nothing needs, and the keys that have none.
    fn end_epoch(&mut self) -> Result<(), OperatorError> {
        let gone = std::mem::take(&mut self.runs.nodes.gone);
        self.rows.remove(&gone).map_err(|e| self.spec.error(e))?;
        let mut idle = std::mem::take(&mut self.rows.idle);
        idle.sort_unstable();
        idle.dedup();
        idle.retain(|&key| self.rows.head(key) == NONE);
        self.note_deleted(&idle)?;
        for key in idle {
            self.runs.forget(key);
            self.keys.remove(key);
        }
        self.rows.end_epoch();
        if let Some(moved) = self.rows.shrink() {
            self.runs.nodes.moved(&moved);
            self.waiting.moved(&moved);
        }
        Ok(())
    }
}

impl Rows {
    /// Whether what is about the row alone lets it be the event.
    #[inline]
    fn can_be(&self, event: usize, at: usize) -> bool {
        self.own[event].as_ref().is_none_or(|own| own.value(at))
    }
}

impl EpochOperator for PatternOperator {
    fn epoch(&mut self, inputs: Vec<Vec<Ordered>>, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        self.settle_restored(time.before)?;
        self.closed_to = self.closed_to.max(time.before);
        for batch in batches(inputs.into_iter().next().unwrap_or_default()) {
            self.admit(&batch, self.closed_to, rejects)?;
        }
        self.process(time.watermark, rejects)?;
        self.runs.expire_all(time.watermark);
        if time.watermark == i64::MAX {
            self.runs.finish();
        }
        let given = self.give(rejects)?;
        self.closed_to = self.closed_to.max(time.watermark);
        self.end_epoch()?;
        Ok(Given::of(time.ordered(given)))
    }

    fn held(&self) -> u64 {
        self.rows.len() as u64
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        Some(self)
    }

    fn resume(&mut self, watermark: i64, _clock_us: i64) {
        self.restored.resumed_at = Some(watermark);
        self.closed_to = self.closed_to.max(watermark);
    }
}
