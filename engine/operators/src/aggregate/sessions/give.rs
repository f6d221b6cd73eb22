//! The end of an epoch: sessions close, are given out, and go.

use super::{Session, Sessions};
use crate::{
    OperatorError,
    aggregate::{emit::Results, grouping::Grouping, pane::Changes, settings::Turn},
};
use arrow::{
    array::{ArrayRef, Int64Array},
    buffer::BooleanBuffer,
};
use datafusion_common::DataFusionError;
use runink_planner::EmitMode;
use std::sync::Arc;

impl Sessions {
    /// Ends an epoch.
    pub(in crate::aggregate) fn close(&mut self, turn: &mut Turn<'_>) -> Result<(), OperatorError> {
        let grouping = turn.grouping;
        let watermark = turn.watermark.max(self.closed_to);
        let mut touched = std::mem::take(&mut self.touched);
        touched.retain(|&id| self.sessions[id as usize].alive && std::mem::take(&mut self.sessions[id as usize].touched));
        let (closing, gone) = self.advance(grouping, watermark);
        let ready = match turn.settings.emit {
            EmitMode::OnClose => {
                // One that is open again is not a closed window's result any more.
                for &id in &touched {
                    if self.sessions[id as usize].end > watermark && self.given.rows.has(id) {
                        self.take_back(id).map_err(|e| grouping.error(e))?;
                    }
                }
                let mut ready: Vec<u32> = touched.iter().copied().filter(|&id| self.sessions[id as usize].end <= watermark).collect();
                ready.extend(closing);
                ready
            }
            EmitMode::OnChange => touched,
            EmitMode::Every(period) => self.ready(&touched, &closing, period, watermark, turn.now),
        };
        self.give(ready, turn)?;
        for id in gone {
            self.expire(id).map_err(|e| grouping.error(e))?;
        }
        self.closed_to = watermark;
        Ok(())
    }

    /// The sessions that close now, and those that no row can reach any more.
    fn advance(&mut self, grouping: &Grouping, watermark: i64) -> (Vec<u32>, Vec<u32>) {
        let (mut closing, mut gone) = (Vec::new(), Vec::new());
        while let Some(first) = self.calendar.first_entry() {
            let at = *first.key();
            if at > watermark {
                break;
            }
            for id in first.remove() {
                let session = &mut self.sessions[id as usize];
                if !session.alive || session.scheduled != at {
                    continue;
                }
                if session.end > self.closed_to && session.end <= watermark {
                    closing.push(id);
                }
                let until = session.end.saturating_add(grouping.lateness);
                let next = if session.end > watermark { session.end } else { until };
                if session.end <= watermark && until <= watermark {
                    session.scheduled = i64::MAX;
                    gone.push(id);
                } else {
                    session.scheduled = next;
                    self.calendar.entry(next).or_default().push(id);
                }
            }
        }
        (closing, gone)
    }

    fn ready(&mut self, touched: &[u32], closing: &[u32], period: i64, watermark: i64, now: i64) -> Vec<u32> {
        let mut ready = Vec::new();
        for &id in touched {
            let session = &mut self.sessions[id as usize];
            let at_once = std::mem::take(&mut session.absorbed) || session.end <= watermark;
            let known = std::mem::replace(&mut session.changed, true);
            if at_once {
                ready.push(id);
            } else if !known {
                self.due.entry(self.given.due(id, period)).or_default().push(id);
            }
        }
        ready.extend(closing.iter().filter(|&&id| self.sessions[id as usize].changed));
        while let Some(first) = self.due.first_entry() {
            if *first.key() > now {
                break;
            }
            for id in first.remove() {
                if self.sessions[id as usize].changed && self.given.due(id, period) <= now {
                    ready.push(id);
                }
            }
        }
        ready
    }

    /// Gives out what differs from what was given out before.
    fn give(&mut self, mut ready: Vec<u32>, turn: &mut Turn<'_>) -> Result<(), OperatorError> {
        let grouping = turn.grouping;
        let results = grouping.calls.len();
        for (keys, old) in std::mem::take(&mut self.taken_back) {
            let edges = Some((old[results].clone(), old[results + 1].clone()));
            turn.emission.push((&keys, &old[..results], edges), BooleanBuffer::new_set(1), -1)?;
        }
        ready.sort_unstable();
        ready.dedup();
        if ready.is_empty() {
            return Ok(());
        }
        let kernel = |e: DataFusionError| grouping.error(e);
        let of = |what: fn(&Session) -> i64| ready.iter().map(|&id| what(&self.sessions[id as usize])).collect::<Int64Array>();
        let (start, end): (ArrayRef, ArrayRef) = (Arc::new(of(|s| s.start)), Arc::new(of(|s| s.end)));
        let keys: Vec<u32> = ready.iter().map(|&id| self.sessions[id as usize].key).collect();
        let keys = self.keys.columns(&keys).map_err(|e| grouping.error(e))?;
        let evaluated = self.accumulators.iter_mut().map(|a| a.evaluate(&ready)).collect::<Result<_, _>>().map_err(kernel)?;
        let bounds = Some((start.clone(), end.clone()));
        let new = Results::new(grouping, keys, evaluated, bounds.clone(), ready.len());
        let good = new.reject_failures(&turn.emission, turn.rejects)?;
        ready.iter().for_each(|&id| self.sessions[id as usize].changed = false);
        if !turn.settings.changelog {
            return turn.emission.push((&new.keys, &new.values, bounds), good, 1);
        }
        let values: Vec<ArrayRef> = new.values.iter().cloned().chain([start, end]).collect();
        let changes = Changes::of(&self.given.rows, &ready, &values, &good).map_err(kernel)?;
        let edges = Some((changes.old[results].clone(), changes.old[results + 1].clone()));
        turn.emission.push((&new.keys, &changes.old[..results], edges), changes.taken_back.clone(), -1)?;
        turn.emission.push((&new.keys, &new.values, bounds), changes.given.clone(), 1)?;
        for id in changes.apply(&mut self.given, &ready, &values, turn.now).map_err(kernel)? {
            if !std::mem::replace(&mut self.sessions[id as usize].dirty, true) {
                self.dirty.push(id);
            }
        }
        Ok(())
    }

    fn expire(&mut self, id: u32) -> Result<(), DataFusionError> {
        let session = &mut self.sessions[id as usize];
        let key = session.key;
        session.captured = None;
        self.expired_to = self.expired_to.max(Some(session.end));
        self.remove(id)?;
        self.of_key[key as usize].retain(|&other| other != id);
        self.forget_key_without_sessions(key);
        Ok(())
    }
}
