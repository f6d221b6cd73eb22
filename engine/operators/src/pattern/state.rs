//! A pattern's state as a checkpoint sees it: one table, one row per row that is kept and one per key that has attempts.
//!
//! `key_group`, `namespace` (always the end of time); as the key the pattern's keys and `.row`, which tells rows of a key apart; then `.time_us`; then the columns
//! that are kept, as `row.x`. The row whose `.row` is -1 has the key's attempts in `.attempts` and nulls for the columns; the others have a null there.
//!
//! The attempts are numbers of 7 bits a byte, the lowest first (LEB128), signed ones folded to unsigned: a fingerprint of the automaton, the place of the next
//! row, the paths (a row's `.row`, event, 1 + the number of the path before it, place; paths stand before those that go on from them), then the attempts (start,
//! time, 1 + best, 1 + partial, threads: state and path). A state says nothing to another pattern: the fingerprint tells, and such a state is refused.

use super::{
    PatternOperator,
    due::Due,
    runs::{Attempt, Thread},
};
use crate::{
    OperatorError,
    stream_join::{
        bound::FOR_EVER,
        bucket::NONE,
        rows::{Deleted, SideRows},
    },
};
use arrow::{
    array::{ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array, UInt16Array, new_null_array},
    compute::{concat_batches, filter_record_batch, is_not_null, not},
    datatypes::{DataType, Field, FieldRef, Int64Type, Schema, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
};
use runink_checkpoint::{StateChanges, StateError, StateTable};
use runink_planner::{Automaton, Takes, Target};
use std::{collections::HashMap, sync::Arc};

/// What a checkpoint gave that waits until it is complete.
#[derive(Debug, Default)]
pub(super) struct Restored {
    /// Rows by key and sequence.
    rows: HashMap<(u32, i64), u32, ahash::RandomState>,
    attempts: Vec<(u32, Vec<u8>)>,
    /// Where the watermark stood.
    pub(super) resumed_at: Option<i64>,
}

/// The `.row` of a key's attempts.
const ATTEMPTS: i64 = -1;

impl PatternOperator {
    fn layout(&self) -> SchemaRef {
        let field = |name: &str, data_type: DataType, nullable: bool| -> FieldRef { Arc::new(Field::new(name, data_type, nullable)) };
        let mut fields = vec![field("key_group", DataType::UInt16, false), field("namespace", DataType::Int64, false)];
        fields.extend(self.spec.keys.iter().map(|&k| Arc::new(self.spec.input.field(k).clone().with_nullable(true))));
        fields.extend([
            field(".row", DataType::Int64, false),
            field(".time_us", DataType::Int64, false),
            field(".attempts", DataType::Binary, true),
        ]);
        for &c in &self.spec.stored {
            let stored = self.spec.input.field(c);
            fields.push(field(&format!("row.{}", stored.name()), stored.data_type().clone(), true));
        }
        Arc::new(Schema::new(fields))
    }

    /// Key group, namespace, keys, `.row`.
    fn key_part(&self, keys: &[u32], rows: Vec<i64>) -> Result<Vec<ArrayRef>, ArrowError> {
        let groups = keys.iter().map(|&key| self.spec.groups.of_hash(self.keys.hash(key)).0);
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(groups.collect::<UInt16Array>()), Arc::new(Int64Array::from_value(FOR_EVER, keys.len()))];
        columns.extend(self.keys.columns(keys)?);
        columns.push(Arc::new(Int64Array::from(rows)));
        Ok(columns)
    }

    /// Notes what captures have of rows that are gone, and of the attempts of keys that are about to go.
    pub(super) fn note_deleted(&mut self, idle: &[u32]) -> Result<(), OperatorError> {
        let gone = |deleted: &Deleted| (deleted.key, deleted.sequence);
        let mut deleted: Vec<(u32, i64)> = std::mem::take(&mut self.rows.deleted).iter().map(gone).collect();
        deleted.extend(idle.iter().filter(|&&key| self.runs.keys[key as usize].captured).map(|&key| (key, ATTEMPTS)));
        if deleted.is_empty() {
            return Ok(());
        }
        let batch = self.deleted_rows(&deleted).map_err(|e| self.spec.error(e))?;
        self.deleted.push(batch);
        Ok(())
    }

    fn deleted_rows(&self, deleted: &[(u32, i64)]) -> Result<RecordBatch, ArrowError> {
        let (keys, rows): (Vec<u32>, Vec<i64>) = deleted.iter().copied().unzip();
        let columns = self.key_part(&keys, rows)?.split_off(1);
        let schema = Schema::new(self.layout().fields()[1..=columns.len()].to_vec());
        RecordBatch::try_new(Arc::new(schema), columns)
    }

    fn captured_rows(&mut self, layout: &SchemaRef) -> Result<Option<RecordBatch>, ArrowError> {
        let slots = self.rows.take_dirty();
        if slots.is_empty() {
            return Ok(None);
        }
        let keys: Vec<u32> = slots.iter().map(|&slot| self.rows.slot(slot).key).collect();
        let mut columns = self.key_part(&keys, slots.iter().map(|&slot| self.rows.slot(slot).sequence).collect())?;
        columns.push(Arc::new(slots.iter().map(|&slot| self.rows.slot(slot).low).collect::<Int64Array>()));
        columns.push(new_null_array(&DataType::Binary, slots.len()));
        columns.extend(self.rows.gather(&slots, &self.spec.stored)?);
        RecordBatch::try_new(layout.clone(), columns).map(Some)
    }

    fn captured_attempts(&mut self, layout: &SchemaRef) -> Result<Option<RecordBatch>, ArrowError> {
        let mut keys = self.runs.take_changed();
        // A key without attempts has none to write; what was written is deleted.
        let mut deleted = Vec::new();
        keys.retain(|&key| {
            let runs = &mut self.runs.keys[key as usize];
            let some = !runs.attempts.is_empty();
            if std::mem::replace(&mut runs.captured, some) && !some {
                deleted.push((key, ATTEMPTS));
            }
            some
        });
        if !deleted.is_empty() {
            let batch = self.deleted_rows(&deleted)?;
            self.deleted.push(batch);
        }
        if keys.is_empty() {
            return Ok(None);
        }
        let fingerprint = fingerprint(self.runs.automaton());
        let encoded: BinaryArray = keys.iter().map(|&key| Some(self.encode(key, fingerprint))).collect();
        let mut columns = self.key_part(&keys, vec![ATTEMPTS; keys.len()])?;
        columns.push(Arc::new(Int64Array::from_value(0, keys.len())));
        columns.push(Arc::new(encoded));
        columns.extend(layout.fields()[columns.len()..].iter().map(|f| new_null_array(f.data_type(), keys.len())));
        RecordBatch::try_new(layout.clone(), columns).map(Some)
    }

    fn encode(&self, key: u32, fingerprint: u64) -> Vec<u8> {
        let runs = &self.runs.keys[key as usize];
        let mut numbers: HashMap<u32, u64, ahash::RandomState> = HashMap::default();
        let mut paths = Vec::new();
        for attempt in &runs.attempts {
            for node in attempt.threads.iter().map(|t| t.node).chain([attempt.best, attempt.partial]) {
                let first = paths.len();
                let mut at = node;
                while at != NONE && !numbers.contains_key(&at) {
                    numbers.insert(at, 0);
                    paths.push(at);
                    at = self.runs.nodes.get(at).parent;
                }
                paths[first..].reverse();
                for (number, node) in paths.iter().enumerate().skip(first) {
                    numbers.insert(*node, number as u64 + 1);
                }
            }
        }
        let number = |node: u32| numbers.get(&node).copied().unwrap_or_default();
        let mut out = Writer(Vec::new());
        out.unsigned(fingerprint);
        out.unsigned(runs.next);
        out.unsigned(paths.len() as u64);
        for &node in &paths {
            let node = self.runs.nodes.get(node);
            out.signed(self.rows.slot(node.slot).sequence);
            out.unsigned(u64::from(node.event));
            out.unsigned(number(node.parent));
            out.unsigned(node.place);
        }
        out.unsigned(runs.attempts.len() as u64);
        for attempt in &runs.attempts {
            out.unsigned(attempt.start);
            out.signed(attempt.time);
            out.unsigned(number(attempt.best));
            out.unsigned(number(attempt.partial));
            out.unsigned(attempt.threads.len() as u64);
            for thread in &attempt.threads {
                out.unsigned(u64::from(thread.state));
                out.unsigned(number(thread.node));
            }
        }
        out.0
    }

    /// Takes attempts of a key; its rows are there. `None` where they are damaged.
    fn decode(&mut self, key: u32, bytes: &[u8], fingerprint: u64) -> Option<Result<(), StateError>> {
        let mut from = Reader(bytes);
        if from.unsigned()? != fingerprint {
            let message = "it belongs to another pattern: give the step another name, so that it begins anew";
            return Some(Err(StateError::Schema(message.to_owned())));
        }
        let next = from.unsigned()?;
        let mut paths: Vec<u32> = vec![NONE];
        for _ in 0..from.count()? {
            let slot = *self.restored.rows.get(&(key, from.signed()?))?;
            let event = from.unsigned()?;
            u16::try_from(event).ok().filter(|&e| usize::from(e) < self.spec.events.len())?;
            let parent = *paths.get(usize::try_from(from.unsigned()?).ok()?)?;
            let place = from.unsigned()?;
            let node = self.runs.nodes.add(slot, event as u16, parent, place);
            self.runs.nodes.hold(node);
            paths.push(node);
        }
        let mut attempts = Vec::new();
        for _ in 0..from.count()? {
            let (start, time) = (from.unsigned()?, from.signed()?);
            let path = |from: &mut Reader<'_>| paths.get(usize::try_from(from.unsigned()?).ok()?).copied();
            let (best, partial) = (path(&mut from)?, path(&mut from)?);
            let mut threads = Vec::new();
            for _ in 0..from.count()? {
                let state = u16::try_from(from.unsigned()?).ok().filter(|&s| usize::from(s) < self.runs.automaton().states.len())?;
                let node = path(&mut from).filter(|&node| node != NONE)?;
                threads.push(Thread { state, node });
            }
            attempts.push(Attempt { start, time, threads, best, partial });
        }
        for attempt in &attempts {
            attempt.threads.iter().for_each(|t| self.runs.nodes.hold(t.node));
            self.runs.nodes.hold(attempt.best);
            self.runs.nodes.hold(attempt.partial);
        }
        paths.iter().for_each(|&node| self.runs.nodes.release(node));
        self.runs.restore(key, next, attempts);
        Some(Ok(()))
    }

    /// Makes what a checkpoint gave the state, once all of it is there.
    pub(super) fn settle_restored(&mut self, before: i64) -> Result<(), OperatorError> {
        let failed = |spec: &super::Spec, source: StateError| OperatorError::State { step: spec.step.to_string(), source };
        let fingerprint = fingerprint(self.runs.automaton());
        for (key, bytes) in std::mem::take(&mut self.restored.attempts) {
            let decoded = self.decode(key, &bytes, fingerprint);
            let damaged = || Err(StateError::Operator("the attempts of a key are damaged".to_owned()));
            decoded.unwrap_or_else(damaged).map_err(|e| failed(&self.spec, e))?;
        }
        let passed = self.restored.resumed_at.take().unwrap_or(before);
        for ((key, _), slot) in std::mem::take(&mut self.restored.rows) {
            let time = self.rows.slot(slot).low;
            if time >= passed {
                self.wait(Due { key, time, slot });
            }
        }
        Ok(())
    }
}

impl StateTable for PatternOperator {
    fn schema(&self) -> SchemaRef {
        self.layout()
    }

    fn key_columns(&self) -> usize {
        self.spec.keys.len() + 1
    }

    fn capture(&mut self) -> Result<StateChanges, StateError> {
        let layout = self.layout();
        let mut upserted: Vec<RecordBatch> = self.captured_attempts(&layout)?.into_iter().collect();
        upserted.extend(self.captured_rows(&layout)?);
        let deleted = std::mem::take(&mut self.deleted);
        Ok(StateChanges {
            expired: Vec::new(),
            deleted: match deleted.first() {
                None => None,
                Some(first) => Some(concat_batches(&first.schema(), &deleted)?),
            },
            upserted: if upserted.is_empty() { None } else { Some(concat_batches(&layout, &upserted)?) },
        })
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), StateError> {
        let layout = self.layout();
        if rows.schema() != layout {
            return Err(StateError::Schema(format!("expected {layout:?}, found {:?}", rows.schema())));
        }
        let width = self.spec.keys.len();
        let keys_of = |operator: &mut Self, part: &RecordBatch| -> Result<Vec<u32>, StateError> {
            let count = part.num_rows();
            operator.spec.layout.prepare(&part.columns()[2..2 + width], count, &mut operator.key_rows)?;
            let mut keys = Vec::with_capacity(count);
            operator.keys.intern(&operator.key_rows, 0..count, &mut keys);
            keys.iter().for_each(|&key| operator.runs.know(key));
            Ok(keys)
        };
        let of_attempts: BooleanArray = is_not_null(rows.column(width + 4))?;
        let part = filter_record_batch(rows, &of_attempts)?;
        let keys = keys_of(self, &part)?;
        let encoded = part.column(width + 4).as_binary::<i32>();
        self.restored.attempts.extend(keys.into_iter().zip(encoded.iter().flatten().map(<[u8]>::to_vec)));
        let part = filter_record_batch(rows, &not(&of_attempts)?)?;
        let keys = keys_of(self, &part)?;
        let ints = |column: usize| part.column(column).as_primitive::<Int64Type>().values().to_vec();
        let (sequences, times) = (ints(width + 2), ints(width + 3));
        let slots = self.keep(part.columns()[width + 5..].to_vec(), &keys, &times, Some(&sequences));
        let slots = slots.map_err(|e| StateError::Operator(e.to_string()))?;
        for ((key, sequence), slot) in keys.into_iter().zip(sequences).zip(slots) {
            self.restored.rows.insert((key, sequence), slot);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.keys.bytes() + self.rows.bytes() + self.runs.bytes() + self.waiting.bytes()
    }

    fn keys(&self) -> usize {
        let rows: &SideRows = &self.rows;
        rows.len() + self.runs.keys.iter().filter(|k| !k.attempts.is_empty()).count()
    }
}

/// A number for an automaton: another one where states mean something else. FNV-1a.
fn fingerprint(automaton: &Automaton) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut mix = |n: usize| {
        for byte in (n as u64).to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for state in &automaton.states {
        let (kind, events) = match &state.takes {
            Takes::Event(event) => (0, std::slice::from_ref(event)),
            Takes::Skip(not) => (1, not.as_slice()),
            Takes::Wait(not) => (2, not.as_slice()),
        };
        mix(kind);
        mix(events.len());
        events.iter().for_each(|&e| mix(e));
        mix(state.next.len());
        for target in &state.next {
            mix(match target {
                Target::State(state) => usize::from(*state) + 1,
                Target::Match => 0,
            });
        }
    }
    hash
}

struct Writer(Vec<u8>);

impl Writer {
    fn unsigned(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn signed(&mut self, n: i64) {
        self.unsigned((n << 1 ^ n >> 63) as u64);
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn unsigned(&mut self) -> Option<u64> {
        let mut n = 0u64;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(n);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let n = self.unsigned()?;
        Some((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// How many follow: no more than there are bytes.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.unsigned()?).ok().filter(|&n| n <= self.0.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_come_back() {
        let (unsigned, signed) = ([0, 1, 127, 128, 1 << 40, u64::MAX], [0, -1, 1, i64::MIN, i64::MAX, -300]);
        let mut out = Writer(Vec::new());
        unsigned.iter().for_each(|&n| out.unsigned(n));
        signed.iter().for_each(|&n| out.signed(n));
        let mut from = Reader(&out.0);
        assert_eq!(unsigned.map(|_| from.unsigned().unwrap()), unsigned);
        assert_eq!(signed.map(|_| from.signed().unwrap()), signed);
        assert_eq!(from.unsigned(), None);
        assert_eq!(Reader(&[0xff; 12]).unsigned(), None);
    }
}
