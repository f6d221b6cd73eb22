//! Rows that go: which have been waiting long enough, and buckets and slots that are let go.

use super::{ALIVE, GIVEN, SHRINK_MIN_SLOTS, SideRows, Slot};
use crate::stream_join::{bound::FOR_EVER, bucket::NONE};
use arrow::error::ArrowError;
use std::cmp::Reverse;

impl SideRows {
    /// The rows that are gone by that moment and have not been told so.
    pub(in crate::stream_join) fn take_gone(&mut self, reached: i64) -> Vec<u32> {
        let mut gone = Vec::new();
        for (&namespace, &at) in &self.by_namespace {
            let bucket = &mut self.buckets[at as usize];
            if bucket.first_gone > reached {
                break;
            }
            if namespace <= reached && !bucket.scheduled {
                gone.extend(bucket.live().filter(|&slot| self.slots[slot as usize].flags & GIVEN == 0));
            } else if !bucket.scheduled {
                bucket.scheduled = true;
                let keep = self.keep;
                self.calendar.extend(
                    bucket
                        .live()
                        .map(|at| (at, &self.slots[at as usize]))
                        .filter(|(_, slot)| slot.flags & GIVEN == 0)
                        .map(|(at, slot)| Reverse((slot.high.saturating_add(keep), slot.sequence, at))),
                );
            }
        }
        while let Some(&Reverse((gone_at, sequence, slot))) = self.calendar.peek()
            && gone_at <= reached
        {
            self.calendar.pop();
            let there = &self.slots[slot as usize];
            if there.flags & ALIVE != 0 && there.sequence == sequence {
                gone.push(slot);
            }
        }
        gone.iter().for_each(|&slot| self.slots[slot as usize].flags |= GIVEN);
        gone
    }

    /// Rows that are gone by that moment have been told so before (a checkpoint's).
    pub(in crate::stream_join) fn forget_gone(&mut self, reached: i64) {
        let keep = self.keep;
        let gone = |slot: &&mut Slot| slot.flags & ALIVE != 0 && slot.high.saturating_add(keep) <= reached;
        self.slots.iter_mut().filter(gone).for_each(|slot| slot.flags |= GIVEN);
    }

    /// Lets the buckets go whose rows are all gone, but for those that are for ever. Which rows went.
    pub(in crate::stream_join) fn drop_gone(&mut self, reached: i64) -> Vec<u32> {
        let mut dropped = Vec::new();
        while let Some((&namespace, &at)) = self.by_namespace.first_key_value()
            && namespace <= reached
            && namespace != FOR_EVER
        {
            self.by_namespace.remove(&namespace);
            let bucket = std::mem::take(&mut self.buckets[at as usize]);
            self.spare.push(at);
            let first = dropped.len();
            dropped.extend(bucket.live());
            dropped[first..].iter().for_each(|&slot| self.unlink(slot));
            self.expired_to = Some(self.expired_to.map_or(namespace, |to| to.max(namespace)));
        }
        dropped
    }

    /// Gives all rows another span and bucket: what ages count in changed. Rows that are gone by `reached` go; which.
    pub(in crate::stream_join) fn move_all(&mut self, reached: i64, high: i64, namespace: i64) -> Result<Vec<u32>, ArrowError> {
        let all: Vec<u32> = self.by_namespace.values().flat_map(|&b| self.buckets[b as usize].live()).collect();
        let (gone, kept): (Vec<u32>, Vec<u32>) = all.into_iter().partition(|&slot| self.gone_at(self.slot(slot)) <= reached);
        self.remove(&gone)?;
        let columns = self.gather_stored(&kept, &(0..self.stored.len()).collect::<Vec<_>>())?;
        if let Some(&last) = self.by_namespace.keys().next_back() {
            self.expired_to = Some(self.expired_to.map_or(last, |to| to.max(last)));
        }
        self.by_namespace.clear();
        self.buckets.clear();
        self.spare.clear();
        self.calendar.clear();
        for &slot in &kept {
            self.slots[slot as usize].high = high;
            self.changed(slot);
        }
        if !kept.is_empty() {
            self.place(namespace, columns, &kept)?;
        }
        Ok(gone)
    }

    /// Puts the slots closer together where few are in use; gives the new slot of each old one where it did.
    pub(crate) fn shrink(&mut self) -> Option<Vec<u32>> {
        if self.slots.len() < SHRINK_MIN_SLOTS || self.live * 4 > self.slots.len() {
            return None;
        }
        let mut moved = vec![NONE; self.slots.len()];
        let in_use = (0..self.slots.len()).filter(|&at| self.slots[at].flags & ALIVE != 0);
        in_use.enumerate().for_each(|(next, at)| moved[at] = next as u32);
        let to = |slot: u32| if slot == NONE { NONE } else { moved[slot as usize] };
        let kept = |at: &usize| moved[*at] != NONE;
        self.counts = (0..self.counts.len()).filter(kept).map(|at| self.counts[at]).collect();
        self.slots = (0..self.slots.len())
            .filter(kept)
            .map(|at| Slot { next: to(self.slots[at].next), before: to(self.slots[at].before), ..self.slots[at] })
            .collect();
        self.free = Vec::new();
        self.heads.iter_mut().for_each(|head| *head = to(*head));
        self.buckets.iter_mut().flat_map(|bucket| &mut bucket.slots).for_each(|slot| *slot = to(*slot));
        self.calendar = self
            .calendar
            .drain()
            .filter(|Reverse((.., slot))| to(*slot) != NONE)
            .map(|Reverse((g, s, slot))| Reverse((g, s, to(slot))))
            .collect();
        self.dirty = self.dirty.iter().map(|&slot| to(slot)).filter(|&slot| slot != NONE).collect();
        Some(moved)
    }
}
