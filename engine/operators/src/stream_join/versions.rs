//! Joins as of a time: left rows wait until the watermark has passed them, then meet the version of their key that is valid at their time.
//!
//! Of versions of the same time the last that came counts. The newest version is found first; then the further condition is asked. A version goes when a
//! newer one is valid for all rows that are on time. One that comes late replaces nothing that has come out; if a newer one that came in an earlier epoch
//! is valid already, nobody can meet it: it is rejected.
//!
//! Where right rows come out that no left row met, a version does so when it goes, or when the input has ended: no row on time can meet it then.

use super::{
    StreamJoinOperator, Way,
    bound::Side,
    bucket::NONE,
    pairs::{BLOCK_PAIRS, Pick, keep},
    rows::MATCHED,
    spec::Admitted,
};
use crate::{Batch, OperatorError, Rejects};
use runink_connector_api::RejectReason;
use runink_planner::StreamJoinKind;
use std::{cmp::Reverse, collections::BinaryHeap};

/// See the module.
#[derive(Default)]
pub(super) struct Versions {
    /// From when on a key's version makes older ones superfluous: moment, key.
    replaced: BinaryHeap<Reverse<(i64, u32)>>,
}

impl StreamJoinOperator {
    pub(super) fn apply_versions(
        &mut self,
        side: Side,
        rows: &Admitted,
        keys: &[u32],
        reached: i64,
        rejects: &mut Rejects,
    ) -> Result<(), OperatorError> {
        let mut which = None;
        if side == Side::Right {
            let late: Vec<bool> =
                keys.iter().zip(&rows.spans).map(|(&key, span)| span.low < reached && self.is_replaced(key, span.low, reached)).collect();
            if late.contains(&true) {
                for row in (0..keys.len()).filter(|&row| late[row]) {
                    rejects.push(RejectReason::Late, &self.spec.step, self.spec.late(rows.spans[row].low, reached), &rows.batch, row);
                    self.rows[Side::Right.index()].idle.push(keys[row]);
                }
                which = Some((0..keys.len() as u32).filter(|&row| !late[row as usize]).collect::<Vec<u32>>());
            }
        }
        let slots = self.keep_rows(side, &rows.batch.rows, keys, &rows.spans, which.as_deref(), &[]).map_err(|e| self.spec.error(e))?;
        if side == Side::Right {
            self.note_versions(&slots);
        }
        Ok(())
    }

    /// Whether a version of an earlier epoch that is newer than that moment was valid already.
    fn is_replaced(&self, key: u32, at: i64, reached: i64) -> bool {
        let versions = &self.rows[Side::Right.index()];
        let mut next = versions.head(key);
        while next != NONE {
            let slot = versions.slot(next);
            if slot.low <= at {
                return false;
            }
            if slot.low <= reached && versions.is_old(slot) {
                return true;
            }
            next = slot.next;
        }
        false
    }

    /// Notes from when on the versions around new ones are superfluous.
    pub(super) fn note_versions(&mut self, slots: &[u32]) {
        let Way::Versions(noted) = &mut self.way else { return };
        let versions = &self.rows[Side::Right.index()];
        for slot in slots.iter().map(|&slot| versions.slot(slot)) {
            if slot.next != NONE {
                noted.replaced.push(Reverse((slot.low, slot.key)));
            }
            if slot.before != NONE {
                noted.replaced.push(Reverse((versions.slot(slot.before).low, slot.key)));
            }
        }
    }

    pub(super) fn close_versions(&mut self, reached: i64, rejects: &mut Rejects) -> Result<(), OperatorError> {
        let due = self.rows[Side::Left.index()].take_gone(reached);
        for block in due.chunks(BLOCK_PAIRS) {
            self.give_versions(block, rejects)?;
        }
        let gone = self.replaced_by(reached);
        self.give_unmet(gone.clone())?;
        self.rows[Side::Right.index()].remove(&gone).map_err(|e| self.spec.error(e))?;
        if reached == i64::MAX {
            let last = self.rows[Side::Right.index()].take_gone(reached);
            self.give_unmet(last)?;
        }
        Ok(())
    }

    /// Of versions that nobody can meet any more, those that nobody has met come out alone, where the join gives them.
    fn give_unmet(&mut self, mut gone: Vec<u32>) -> Result<(), OperatorError> {
        if !self.gives_unmatched(Side::Right) {
            return Ok(());
        }
        gone.retain(|&slot| !self.rows[Side::Right.index()].has(slot, MATCHED));
        self.give_alone(Side::Right, &gone)
    }

    fn give_versions(&mut self, block: &[u32], rejects: &mut Rejects) -> Result<(), OperatorError> {
        let [left, right] = &self.rows;
        // Left slots and right slots.
        let mut pairs: (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        for &at in block {
            let row = left.slot(at);
            let mut version = right.head(row.key);
            while version != NONE && right.slot(version).low > row.low {
                version = right.slot(version).next;
            }
            if version != NONE {
                pairs.0.push(at);
                pairs.1.push(version);
            }
        }
        if let Some(condition) = self.spec.condition.as_ref().filter(|_| !pairs.0.is_empty()) {
            let held = condition.holds(&self.spec.step, Pick::Kept(left, &pairs.0), Pick::Kept(right, &pairs.1), rejects)?;
            keep(&mut pairs, &held);
        }
        if self.gives_unmatched(Side::Right) {
            let versions = &mut self.rows[Side::Right.index()];
            for &slot in &pairs.1 {
                if versions.set(slot, MATCHED) {
                    versions.changed(slot);
                }
            }
        }
        let [left, right] = &self.rows;
        // Both are in the order of the block.
        let mut with = pairs.0.iter().peekable();
        let without: Vec<u32> = block.iter().copied().filter(|at| with.next_if_eq(&at).is_none()).collect();
        match self.spec.kind {
            StreamJoinKind::Semi => return self.give_alone(Side::Left, &pairs.0),
            StreamJoinKind::Anti => return self.give_alone(Side::Left, &without),
            _ if pairs.0.is_empty() => {}
            _ => self.out.push(Batch::of(self.spec.pairs(Pick::Kept(left, &pairs.0), Pick::Kept(right, &pairs.1))?)),
        }
        if self.gives_unmatched(Side::Left) { self.give_alone(Side::Left, &without) } else { Ok(()) }
    }

    /// The versions that no row on time can meet, because newer ones are valid for all of these.
    fn replaced_by(&mut self, reached: i64) -> Vec<u32> {
        let Way::Versions(noted) = &mut self.way else { return Vec::new() };
        let versions = &self.rows[Side::Right.index()];
        let mut gone = Vec::new();
        let mut done = std::collections::HashSet::<u32, ahash::RandomState>::default();
        while let Some(&Reverse((from, key))) = noted.replaced.peek()
            && from <= reached
        {
            noted.replaced.pop();
            if !done.insert(key) {
                continue;
            }
            let mut at = versions.head(key);
            while at != NONE && versions.slot(at).low > reached {
                at = versions.slot(at).next;
            }
            while at != NONE {
                at = versions.slot(at).next;
                if at != NONE {
                    gone.push(at);
                }
            }
        }
        gone
    }
}
