//! Keys without a window live for a while after their last change.

use super::Panes;
use crate::{
    OperatorError,
    aggregate::{
        emit::Results,
        pane::{CAPTURED, DIRTY, PRESENT, SCHEDULED},
        settings::Turn,
        window::END_OF_TIME,
    },
};
use arrow::buffer::BooleanBuffer;
use std::collections::BTreeMap;

/// For keys without a window: when each was last changed, and a calendar of when it may go.
pub(in crate::aggregate) struct Age {
    pub(in crate::aggregate) ttl: i64,
    /// By group.
    pub(in crate::aggregate) touched_at: Vec<i64>,
    pub(in crate::aggregate) calendar: BTreeMap<i64, Vec<u32>>,
    /// Whether event time is known, so that ages count in it; until then they count in the clock's.
    pub(in crate::aggregate) in_event_time: bool,
}

impl Panes {
    /// Lets go of keys that have not changed for their time to live. A result that was given out is taken back; one that waited for the
    /// input's end is given out.
    pub(in crate::aggregate) fn age(&mut self, touched: &[(i64, Vec<u32>)], turn: &mut Turn<'_>) -> Result<(), OperatorError> {
        let grouping = turn.grouping;
        let (Some(age), Some(pane)) = (&mut self.age, self.panes.get_mut(&END_OF_TIME)) else { return Ok(()) };
        if turn.watermark == END_OF_TIME {
            return Ok(());
        }
        if age.enters_event_time(turn.watermark) {
            pane.with_flag(PRESENT).into_iter().for_each(|id| {
                pane.set(id, DIRTY);
            });
        }
        let now = if age.in_event_time { turn.watermark } else { turn.now };
        for &id in touched.iter().flat_map(|(_, ids)| ids) {
            age.touch(id, now);
            if pane.set(id, SCHEDULED) {
                age.calendar.entry(now.saturating_add(age.ttl)).or_default().push(id);
            }
        }
        let mut gone = Vec::new();
        while let Some(first) = age.calendar.first_entry() {
            if *first.key() > now {
                break;
            }
            for id in first.remove() {
                let until = age.touched_at[id as usize].saturating_add(age.ttl);
                if until <= now { gone.push(id) } else { age.calendar.entry(until).or_default().push(id) }
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        let keys = pane.keys.columns(&gone).map_err(|e| grouping.error(e))?;
        if turn.settings.changelog {
            let old = pane.given.rows.get(&gone).map_err(|e| grouping.error(e))?;
            let had = BooleanBuffer::collect_bool(gone.len(), |i| pane.given.rows.has(gone[i]));
            turn.emission.push((&keys, &old, None), had, -1)?;
        } else {
            let evaluated = pane.evaluate(&gone).map_err(|e| grouping.error(e))?;
            let results = Results::new(grouping, keys.clone(), evaluated, None, gone.len());
            let good = results.reject_failures(&turn.emission, turn.rejects)?;
            turn.emission.push((&results.keys, &results.values, None), good, 1)?;
        }
        // Only what a capture has must be taken out of it.
        let captured: Vec<u32> = gone.iter().copied().filter(|&id| pane.has(id, CAPTURED)).collect();
        if !captured.is_empty() {
            self.deleted.push((0, pane.keys.columns(&captured).map_err(|e| grouping.error(e))?));
        }
        gone.iter().for_each(|&id| pane.remove(id));
        pane.dirty.retain(|id| pane.flags[*id as usize] & DIRTY != 0);
        Ok(())
    }
}

impl Age {
    pub(in crate::aggregate) fn new(ttl: i64) -> Self {
        Age { ttl, touched_at: Vec::new(), calendar: BTreeMap::new(), in_event_time: false }
    }

    /// Event time becomes known: what was touched before counts as touched now. Says whether that is so.
    fn enters_event_time(&mut self, watermark: i64) -> bool {
        if self.in_event_time || watermark == i64::MIN {
            return false;
        }
        self.in_event_time = true;
        self.touched_at.fill(watermark);
        let all = std::mem::take(&mut self.calendar).into_values().flatten().collect::<Vec<_>>();
        if !all.is_empty() {
            self.calendar.insert(watermark.saturating_add(self.ttl), all);
        }
        true
    }

    pub(in crate::aggregate) fn touch(&mut self, id: u32, now: i64) {
        if self.touched_at.len() <= id as usize {
            self.touched_at.resize(id as usize + 1, now);
        }
        self.touched_at[id as usize] = now;
    }
}
