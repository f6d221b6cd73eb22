//! Joins without a bound of time whose results can change: rows may be taken back, and a row without partner may find one.
//!
//! Every kept row knows its weight and the weight of its partners. A side's changes of an epoch are summed by row, then meet what the other side has:
//! pairs change by the product. Rows that come out alone change by the difference between the epoch's beginning and its end. What comes out is summed by
//! row once more, so that an epoch never takes back what it gives. A row that goes by age stays counted with its partners, and taking it back later does
//! nothing.

use super::{
    StreamJoinOperator, Way,
    bound::{Side, Span},
    bucket::NONE,
    pairs::{BLOCK_PAIRS, Pick, Probe, Walk, keep},
    rows::{Counts, SideRows, TOUCHED},
    spec::{Admitted, Spec},
};
use crate::{
    Batch, OperatorError, Rejects,
    aggregate::keys::{KeyLayout, KeyRows, KeyTable},
    summed::summed,
};
use arrow::{array::Int64Array, datatypes::SchemaRef, error::ArrowError, record_batch::RecordBatch};
use runink_planner::{StreamJoinKind, StreamJoinOp};
use std::sync::Arc;

/// See the module.
pub(super) struct Changing {
    /// Where rows can be taken back: how they are found.
    known: [Option<RowIndex>; 2],
    /// Rows whose counts changed in this epoch, with the counts before.
    touched: [Vec<(u32, Counts)>; 2],
    output: Arc<KeyLayout>,
}

/// Slots by all columns of a row.
struct RowIndex {
    layout: Arc<KeyLayout>,
    table: KeyTable,
    rows: KeyRows,
    /// By row number.
    slot_of: Vec<u32>,
    /// By slot.
    row_of: Vec<u32>,
}

fn layout_of(schema: &SchemaRef) -> Result<Arc<KeyLayout>, ArrowError> {
    KeyLayout::new(schema.fields().iter().map(|f| f.data_type().clone()).collect())
}

impl RowIndex {
    fn new(schema: &SchemaRef) -> Result<Self, ArrowError> {
        let layout = layout_of(schema)?;
        Ok(RowIndex { table: KeyTable::new(&layout), layout, rows: KeyRows::default(), slot_of: Vec::new(), row_of: Vec::new() })
    }

    /// The row numbers of a batch.
    fn intern(&mut self, rows: &RecordBatch) -> Result<Vec<u32>, ArrowError> {
        self.layout.prepare(rows.columns(), rows.num_rows(), &mut self.rows)?;
        let mut ids = Vec::with_capacity(rows.num_rows());
        self.table.intern(&self.rows, 0..rows.num_rows(), &mut ids);
        self.slot_of.resize(self.table.bound().max(self.slot_of.len()), NONE);
        Ok(ids)
    }

    fn set(&mut self, id: u32, slot: u32) {
        if self.row_of.len() <= slot as usize {
            self.row_of.resize(slot as usize + 1, NONE);
        }
        self.slot_of[id as usize] = slot;
        self.row_of[slot as usize] = id;
    }

    fn forget(&mut self, slot: u32) {
        if let Some(id) = self.row_of.get_mut(slot as usize).filter(|id| **id != NONE) {
            self.slot_of[*id as usize] = NONE;
            self.table.remove(*id);
            *id = NONE;
        }
    }
}

impl Changing {
    pub(super) fn new(spec: &Spec, op: &StreamJoinOp) -> Result<Self, OperatorError> {
        let index = |side: Side| op.changelog[side.index()].then(|| RowIndex::new(&spec.inputs[side.index()])).transpose();
        Ok(Changing {
            known: [index(Side::Left).map_err(|e| spec.error(e))?, index(Side::Right).map_err(|e| spec.error(e))?],
            touched: [Vec::new(), Vec::new()],
            output: layout_of(&spec.output).map_err(|e| spec.error(e))?,
        })
    }

    /// Slots are no longer in use.
    pub(super) fn forget(&mut self, side: Side, slots: &[u32]) {
        if let Some(index) = &mut self.known[side.index()] {
            slots.iter().for_each(|&slot| index.forget(slot));
        }
    }

    /// Slots have other numbers now; there are `slots` of them.
    pub(super) fn moved(&mut self, side: Side, to: &[u32], slots: usize) {
        let Some(index) = &mut self.known[side.index()] else { return };
        index.slot_of.iter_mut().filter(|slot| **slot != NONE).for_each(|slot| *slot = to[*slot as usize]);
        index.row_of = vec![NONE; slots];
        for (id, &slot) in index.slot_of.iter().enumerate().filter(|(_, slot)| **slot != NONE) {
            index.row_of[slot as usize] = id as u32;
        }
    }

    /// Notes rows of a checkpoint.
    pub(super) fn restored(&mut self, side: Side, rows: &RecordBatch, slots: &[u32]) -> Result<(), ArrowError> {
        let Some(index) = &mut self.known[side.index()] else { return Ok(()) };
        let ids = index.intern(rows)?;
        ids.iter().zip(slots).for_each(|(&id, &slot)| index.set(id, slot));
        Ok(())
    }

    fn touch(&mut self, side: Side, rows: &mut SideRows, slot: u32) {
        if rows.set(slot, TOUCHED) {
            self.touched[side.index()].push((slot, rows.counts[slot as usize]));
        }
    }
}

/// The changes of one side in one epoch, summed by row.
#[derive(Default)]
struct Deltas {
    /// In order of coming.
    slots: Vec<u32>,
    /// By slot.
    of: Vec<i64>,
}

impl Deltas {
    fn add(&mut self, slot: u32, diff: i64) {
        if self.of.len() <= slot as usize {
            self.of.resize(slot as usize + 1, 0);
        }
        self.of[slot as usize] = self.of[slot as usize].saturating_add(diff);
        self.slots.push(slot);
    }
}

impl StreamJoinOperator {
    pub(super) fn apply_changing(
        &mut self,
        side: Side,
        admitted: &[Admitted],
        reached: i64,
        rejects: &mut Rejects,
    ) -> Result<(), OperatorError> {
        let mut deltas = Deltas::default();
        for rows in admitted {
            self.take_changes(side, rows, reached, &mut deltas)?;
        }
        // The last change of a row stands for all; a row that is not there (any more) cannot be taken back.
        let Deltas { mut slots, mut of } = deltas;
        let own = &self.rows[side.index()];
        slots.sort_unstable();
        slots.dedup();
        for &slot in &slots {
            of[slot as usize] = of[slot as usize].max(-own.counts[slot as usize].weight);
        }
        let Way::Changing(changing) = &mut self.way else { return Ok(()) };
        let own = &mut self.rows[side.index()];
        slots.iter().for_each(|&slot| changing.touch(side, own, slot));
        slots.retain(|&slot| of[slot as usize] != 0);
        self.meet(side, &slots, &of, reached, rejects)?;
        let own = &mut self.rows[side.index()];
        for &slot in &slots {
            let counts = &mut own.counts[slot as usize];
            counts.weight = counts.weight.saturating_add(of[slot as usize]);
        }
        Ok(())
    }

    /// Finds the slots of a batch's rows; new ones get one, of weight 0.
    fn take_changes(&mut self, side: Side, rows: &Admitted, reached: i64, deltas: &mut Deltas) -> Result<(), OperatorError> {
        let keys = self.intern(side, rows)?;
        let batch = &rows.batch;
        let diff = |row: usize| batch.diffs.as_ref().map_or(1, |d| d.value(row));
        let failed = |spec: &Spec, e: ArrowError| spec.error(e);
        let Way::Changing(changing) = &mut self.way else { return Ok(()) };
        let Some(index) = &mut changing.known[side.index()] else {
            let slots = self.keep_rows(side, &batch.rows, &keys, &rows.spans, None, &[]).map_err(|e| failed(&self.spec, e))?;
            self.count(side);
            slots.iter().enumerate().for_each(|(row, &slot)| deltas.add(slot, diff(row)));
            return Ok(());
        };
        let own = &mut self.rows[side.index()];
        let mut ids = index.intern(&batch.rows).map_err(|e| failed(&self.spec, e))?;
        // Rows that are past their age are as good as not there.
        let gone: Vec<u32> =
            ids.iter().map(|&id| index.slot_of[id as usize]).filter(|&s| s != NONE && !own.is_there(own.slot(s), reached)).collect();
        if !gone.is_empty() {
            own.remove(&gone).map_err(|e| failed(&self.spec, e))?;
            gone.iter().for_each(|&slot| index.forget(slot));
            ids = index.intern(&batch.rows).map_err(|e| failed(&self.spec, e))?;
        }
        const COMING: u32 = NONE - 1;
        let mut new = Vec::new();
        for (row, &id) in ids.iter().enumerate() {
            if index.slot_of[id as usize] == NONE {
                index.slot_of[id as usize] = COMING;
                new.push(row as u32);
            }
        }
        let slots = self.keep_rows(side, &batch.rows, &keys, &rows.spans, Some(&new), &[]).map_err(|e| failed(&self.spec, e))?;
        self.count(side);
        let Way::Changing(changing) = &mut self.way else { return Ok(()) };
        let Some(index) = &mut changing.known[side.index()] else { return Ok(()) };
        new.iter().zip(&slots).for_each(|(&row, &slot)| index.set(ids[row as usize], slot));
        ids.iter().enumerate().for_each(|(row, &id)| deltas.add(index.slot_of[id as usize], diff(row)));
        Ok(())
    }

    /// Makes room for the counts of new slots.
    pub(super) fn count(&mut self, side: Side) {
        let own = &mut self.rows[side.index()];
        own.counts.resize(own.slots().max(own.counts.len()), Counts::default());
    }

    /// Changed rows meet what the other side has.
    fn meet(&mut self, side: Side, slots: &[u32], deltas: &[i64], reached: i64, rejects: &mut Rejects) -> Result<(), OperatorError> {
        let one_sided = !self.spec.kind.has_right_columns();
        let own = &self.rows[side.index()];
        let keys: Vec<u32> = slots.iter().map(|&slot| own.slot(slot).key).collect();
        let spans: Vec<Span> = slots.iter().map(|&slot| Span { low: own.slot(slot).low, high: own.slot(slot).high }).collect();
        let new: Vec<bool> = slots.iter().map(|&slot| own.counts[slot as usize].weight == 0).collect();
        let probe = Probe { keys: &keys, spans: &spans, reached, first_only: false };
        let (mut walk, mut pairs) = (Walk::default(), (Vec::new(), Vec::new()));
        while walk.next(&probe, &self.rows[side.other().index()], &mut pairs) {
            let of_row: Vec<u32> = pairs.0.iter().map(|&row| slots[row as usize]).collect();
            let [left, right] = &self.rows;
            if let Some(condition) = &self.spec.condition {
                let (l, r) = if side == Side::Left { (&of_row, &pairs.1) } else { (&pairs.1, &of_row) };
                let held = condition.holds(&self.spec.step, Pick::Kept(left, l), Pick::Kept(right, r), rejects)?;
                keep(&mut pairs, &held);
            }
            let Way::Changing(changing) = &mut self.way else { return Ok(()) };
            let (mut own_slots, mut other_slots, mut diffs) = (Vec::new(), Vec::new(), Vec::new());
            for (&row, &other) in pairs.0.iter().zip(&pairs.1) {
                let slot = slots[row as usize];
                let delta = deltas[slot as usize];
                let weight = self.rows[side.other().index()].counts[other as usize].weight;
                if weight == 0 {
                    continue;
                }
                changing.touch(side.other(), &mut self.rows[side.other().index()], other);
                let partners = &mut self.rows[side.other().index()].counts[other as usize].partners;
                *partners = partners.saturating_add(delta);
                if new[row as usize] {
                    let partners = &mut self.rows[side.index()].counts[slot as usize].partners;
                    *partners = partners.saturating_add(weight);
                }
                own_slots.push(slot);
                other_slots.push(other);
                diffs.push(delta.saturating_mul(weight));
            }
            if !one_sided && !diffs.is_empty() {
                let [left, right] = &self.rows;
                let (l, r) = if side == Side::Left { (&own_slots, &other_slots) } else { (&other_slots, &own_slots) };
                let rows = self.spec.pairs(Pick::Kept(left, l), Pick::Kept(right, r))?;
                self.out.push(Batch { rows, diffs: Some(diffs.into()), origin: None });
            }
        }
        Ok(())
    }

    pub(super) fn close_changing(&mut self) -> Result<(), OperatorError> {
        for side in Side::BOTH {
            self.close_touched(side)?;
        }
        let Way::Changing(changing) = &self.way else { return Ok(()) };
        let out = std::mem::take(&mut self.out);
        self.out = summed(&changing.output, &self.spec.output, out).map_err(|e| self.spec.error(e))?;
        Ok(())
    }

    /// What rows that changed give alone, from the epoch's beginning to its end; rows without weight go.
    fn close_touched(&mut self, side: Side) -> Result<(), OperatorError> {
        let Way::Changing(changing) = &mut self.way else { return Ok(()) };
        let touched = std::mem::take(&mut changing.touched[side.index()]);
        let semi = self.spec.kind == StreamJoinKind::Semi && side == Side::Left;
        let gives = semi || self.gives_unmatched(side);
        let alone = |counts: Counts| if gives && (counts.partners != 0) == semi { counts.weight } else { 0 };
        let own = &mut self.rows[side.index()];
        let (mut slots, mut diffs, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for (slot, before) in touched {
            own.clear(slot, TOUCHED);
            let now = own.counts[slot as usize];
            match alone(now).saturating_sub(alone(before)) {
                0 => {}
                diff => {
                    slots.push(slot);
                    diffs.push(diff);
                }
            }
            match now.weight {
                0 => gone.push(slot),
                _ if now != before => own.changed(slot),
                _ => {}
            }
        }
        for (block, diffs) in slots.chunks(BLOCK_PAIRS).zip(diffs.chunks(BLOCK_PAIRS)) {
            let rows = self.spec.alone(side, Pick::Kept(&self.rows[side.index()], block))?;
            self.out.push(Batch { rows, diffs: Some(Int64Array::from(diffs.to_vec())), origin: None });
        }
        self.rows[side.index()].remove(&gone).map_err(|e| self.spec.error(e))?;
        self.forget_rows(side, &gone);
        Ok(())
    }
}
