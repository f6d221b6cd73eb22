//! Joins whose results stay: both sides append-only, rows within a bound of time (or inner joins without one).

use super::{
    StreamJoinOperator,
    bound::Side,
    pairs::{BLOCK_PAIRS, Pick, Probe, Walk, keep},
    rows::MATCHED,
    spec::Admitted,
};
use crate::{Batch, OperatorError, Rejects};
use runink_planner::StreamJoinKind;

impl StreamJoinOperator {
    pub(super) fn apply_settled(
        &mut self,
        side: Side,
        rows: &Admitted,
        keys: &[u32],
        reached: i64,
        rejects: &mut Rejects,
    ) -> Result<(), OperatorError> {
        let one_sided = matches!(self.spec.kind, StreamJoinKind::Semi | StreamJoinKind::Anti);
        // Whether it counts that a row has met one, on the side that comes and on the other.
        let own_counts = self.gives_unmatched(side) || (one_sided && side == Side::Left);
        let other_counts = self.gives_unmatched(side.other()) || (one_sided && side == Side::Right);
        let first_only = one_sided && side == Side::Left && self.spec.condition.is_none();
        let probe = Probe { keys, spans: &rows.spans, reached, first_only };
        let mut met = vec![false; if own_counts { keys.len() } else { 0 }];
        let (mut walk, mut pairs, mut first_met) = (Walk::default(), (Vec::new(), Vec::new()), Vec::new());
        while walk.next(&probe, &self.rows[side.other().index()], &mut pairs) {
            self.filter(side, &rows.batch, &mut pairs, rejects)?;
            if own_counts {
                pairs.0.iter().for_each(|&row| met[row as usize] = true);
            }
            let others = &mut self.rows[side.other().index()];
            if other_counts {
                for &slot in &pairs.1 {
                    if others.set(slot, MATCHED) {
                        others.changed(slot);
                        first_met.push(slot);
                    }
                }
            }
            if !one_sided && !pairs.0.is_empty() {
                let (come, kept) = (Pick::Batch(&rows.batch.rows, &pairs.0), Pick::Kept(others, &pairs.1));
                let (left, right) = if side == Side::Left { (come, kept) } else { (kept, come) };
                self.out.push(Batch::of(self.spec.pairs(left, right)?));
            }
        }
        match (one_sided, side) {
            (true, Side::Left) => {
                let (with, without): (Vec<u32>, Vec<u32>) = (0..keys.len() as u32).partition(|&row| met[row as usize]);
                if self.spec.kind == StreamJoinKind::Semi && !with.is_empty() {
                    self.out.push(Batch::of(self.spec.alone(Side::Left, Pick::Batch(&rows.batch.rows, &with))?));
                }
                let left = &mut self.rows[Side::Left.index()];
                left.idle.extend(with.iter().map(|&row| keys[row as usize]));
                let which = (!with.is_empty()).then_some(without.as_slice());
                self.keep_rows(side, &rows.batch.rows, keys, &rows.spans, which, &[])
            }
            (true, Side::Right) => {
                if self.spec.kind == StreamJoinKind::Semi {
                    self.give_alone(Side::Left, &first_met)?;
                }
                self.rows[Side::Left.index()].remove(&first_met).map_err(|e| self.spec.error(e))?;
                self.keep_rows(side, &rows.batch.rows, keys, &rows.spans, None, &[])
            }
            (false, _) => self.keep_rows(side, &rows.batch.rows, keys, &rows.spans, None, &met),
        }
        .map_err(|e| self.spec.error(e))?;
        Ok(())
    }

    /// Keeps the pairs for which the further condition is true: rows that come, and slots of the other side.
    fn filter(&self, side: Side, batch: &Batch, pairs: &mut (Vec<u32>, Vec<u32>), rejects: &mut Rejects) -> Result<(), OperatorError> {
        let Some(condition) = &self.spec.condition else { return Ok(()) };
        let (come, kept) = (Pick::Batch(&batch.rows, &pairs.0), Pick::Kept(&self.rows[side.other().index()], &pairs.1));
        let (left, right) = if side == Side::Left { (come, kept) } else { (kept, come) };
        let held = condition.holds(&self.spec.step, left, right, rejects)?;
        keep(pairs, &held);
        Ok(())
    }

    /// Kept rows of a side come out alone.
    pub(super) fn give_alone(&mut self, side: Side, slots: &[u32]) -> Result<(), OperatorError> {
        for block in slots.chunks(BLOCK_PAIRS) {
            let rows = self.spec.alone(side, Pick::Kept(&self.rows[side.index()], block))?;
            self.out.push(Batch::of(rows));
        }
        Ok(())
    }

    pub(super) fn close_settled(&mut self, reached: i64) -> Result<(), OperatorError> {
        for side in Side::BOTH {
            if self.gives_unmatched(side) {
                let rows = &mut self.rows[side.index()];
                let mut gone = rows.take_gone(reached);
                gone.retain(|&slot| !rows.has(slot, MATCHED));
                self.give_alone(side, &gone)?;
            }
        }
        Ok(())
    }
}
