//! Sessions: windows that rows of a key make, each reaching a gap beyond its last row. Sessions that overlap are one.
//!
//! The rows of an epoch are placed together, by key and time, before any is aggregated: so the result does not depend on how they were cut
//! into batches, nor on their order. A row is late if the session that it ends up in had closed (and its lateness had passed) before the
//! epoch.

mod give;

use super::{
    calls::Accumulate,
    grouping::{Grouping, Inputs},
    keys::{KeyRows, KeyTable},
    pane::Given,
    time::{NoTime, Times, is_gone, late_message},
};
use crate::{Batch, OperatorError, Rejects, by_key};
use arrow::array::{ArrayRef, UInt32Array};
use datafusion_common::DataFusionError;
use runink_connector_api::RejectReason;
use std::collections::BTreeMap;

/// One session. Its number is its group in the accumulators.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) key: u32,
    pub(super) alive: bool,
    /// When it stands in the calendar.
    pub(super) scheduled: i64,
    /// It changed since it was captured.
    pub(super) dirty: bool,
    /// The end under which it was captured.
    pub(super) captured: Option<i64>,
    touched: bool,
    /// Its result may have changed since it was given out.
    pub(super) changed: bool,
    /// A session that had been given out became part of it in this epoch.
    absorbed: bool,
}

/// See the module.
pub(super) struct Sessions {
    pub(super) keys: KeyTable,
    /// By key: its sessions by start.
    pub(super) of_key: Vec<Vec<u32>>,
    pub(super) sessions: Vec<Session>,
    free: Vec<u32>,
    pub(super) accumulators: Vec<Box<dyn Accumulate>>,
    /// Columns: the results, then start and end.
    pub(super) given: Given,
    /// Sessions by the time at which they close or go.
    pub(super) calendar: BTreeMap<i64, Vec<u32>>,
    /// For [`EmitMode::Every`]: changed sessions, by when they may be given out.
    due: BTreeMap<i64, Vec<u32>>,
    pub(super) closed_to: i64,
    /// Sessions that are gone since the last capture: the highest end.
    pub(super) expired_to: Option<i64>,
    touched: Vec<u32>,
    /// Rows that were given out and belong to sessions that are no more: to take back.
    taken_back: Vec<(Vec<ArrayRef>, Vec<ArrayRef>)>,
    pub(super) dirty: Vec<u32>,
    /// Captured sessions that are no more: end and key.
    pub(super) deleted: Vec<(Vec<i64>, Vec<ArrayRef>)>,
}

const NOWHERE: u32 = u32::MAX;

/// A row of the epoch: key, time, and its place among the epoch's rows.
type Placed = (u32, i64, u32);

impl Sessions {
    pub(super) fn new(grouping: &Grouping) -> Result<Self, DataFusionError> {
        Ok(Sessions {
            keys: KeyTable::new(&grouping.layout),
            of_key: Vec::new(),
            sessions: Vec::new(),
            free: Vec::new(),
            accumulators: grouping.accumulators()?,
            given: Given::new(grouping),
            calendar: BTreeMap::new(),
            due: BTreeMap::new(),
            closed_to: i64::MIN,
            expired_to: None,
            touched: Vec::new(),
            taken_back: Vec::new(),
            dirty: Vec::new(),
            deleted: Vec::new(),
        })
    }

    pub(super) fn alive(&self) -> usize {
        self.sessions.len() - self.free.len()
    }

    /// Takes the rows of an epoch.
    pub(super) fn apply(
        &mut self,
        grouping: &Grouping,
        gap: i64,
        batches: &[Batch],
        clock_us: i64,
        rejects: &mut Rejects,
    ) -> Result<(), OperatorError> {
        let mut placed: Vec<Placed> = Vec::new();
        let mut inputs = Vec::with_capacity(batches.len());
        let mut rows = KeyRows::default();
        let mut ids = Vec::new();
        let mut turned_away = Vec::new();
        let mut first = 0u32;
        for batch in batches {
            let input = grouping.inputs(batch)?;
            grouping.prepare(&input.keys, batch.len(), &mut rows)?;
            ids.clear();
            self.keys.intern(&rows, 0..batch.len(), &mut ids);
            inputs.push(input);
            let times = Times::of(grouping, batch, clock_us)?;
            for (row, &key) in ids.iter().enumerate() {
                let at = times.at(row);
                let fits = |at: i64| at.checked_add(gap).is_some_and(|end| grouping.edges.contains(&at) && end < *grouping.edges.end());
                match at.and_then(|at| if fits(at) { Ok(at) } else { Err(NoTime::OutOfRange) }) {
                    Ok(at) => placed.push((key, at, first + row as u32)),
                    Err(why) => {
                        turned_away.push(key);
                        rejects.push(RejectReason::Expression, &grouping.step, why.message().to_owned(), batch, row);
                    }
                }
            }
            first += batch.len() as u32;
        }
        self.of_key.resize(self.keys.bound().max(self.of_key.len()), Vec::new());
        by_key::sort(&mut placed, |row| row.0);
        let mut session_of = vec![NOWHERE; first as usize];
        let mut late: Vec<Placed> = Vec::new();
        let lateness = grouping.lateness;
        for rows in placed.chunk_by(|a, b| a.0 == b.0) {
            self.place(gap, lateness, rows, &mut session_of, &mut late).map_err(|e| grouping.error(e))?;
        }
        late.sort_unstable_by_key(|&(_, _, place)| place);
        let mut late = late.into_iter().peekable();
        let mut first = 0;
        for (batch, input) in batches.iter().zip(inputs) {
            let end = first + batch.len();
            while let Some((key, at, place)) = late.next_if(|&(_, _, place)| (place as usize) < end) {
                turned_away.push(key);
                let message = late_message(grouping, at, self.closed_to);
                rejects.push(RejectReason::Late, &grouping.step, message, batch, place as usize - first);
            }
            self.update(input, &session_of[first..end]).map_err(|e| grouping.error(e))?;
            first = end;
        }
        turned_away.into_iter().for_each(|key| self.forget_key_without_sessions(key));
        Ok(())
    }

    fn update(&mut self, input: Inputs, groups: &[u32]) -> Result<(), DataFusionError> {
        let bound = self.sessions.len();
        if groups.contains(&NOWHERE) {
            let wanted: UInt32Array = (0..groups.len() as u32).filter(|&i| groups[i as usize] != NOWHERE).collect();
            let input = input.take(&wanted)?;
            let groups: Vec<u32> = groups.iter().copied().filter(|&g| g != NOWHERE).collect();
            return self.accumulators.iter_mut().zip(&input.calls).try_for_each(|(a, input)| a.update(input, &groups, bound));
        }
        self.accumulators.iter_mut().zip(&input.calls).try_for_each(|(a, input)| a.update(input, groups, bound))
    }

    /// Places one key's rows, in order of time, into its sessions.
    fn place(
        &mut self,
        gap: i64,
        lateness: i64,
        rows: &[Placed],
        session_of: &mut [u32],
        late: &mut Vec<Placed>,
    ) -> Result<(), DataFusionError> {
        let key = rows[0].0;
        let mut held = std::mem::take(&mut self.of_key[key as usize]).into_iter().peekable();
        let mut after = Vec::new();
        let mut rows = rows.iter().peekable();
        loop {
            // A session grows from whatever comes first: a row, or one that is there.
            let next_held = held.peek().map(|&id| self.sessions[id as usize].start);
            let (mut start, mut end) = match (rows.peek(), next_held) {
                (Some(&&(_, at, _)), Some(held_start)) if at < held_start => (at, at + gap),
                (Some(&&(_, at, _)), None) => (at, at + gap),
                (_, Some(held_start)) => (held_start, self.sessions[held.peek().copied().unwrap_or(NOWHERE) as usize].end),
                (None, None) => break,
            };
            let (mut parts, mut own) = (Vec::new(), Vec::new());
            loop {
                if let Some(&id) = held.peek()
                    && self.sessions[id as usize].start < end
                {
                    start = start.min(self.sessions[id as usize].start);
                    end = end.max(self.sessions[id as usize].end);
                    parts.push(id);
                    held.next();
                } else if let Some(&row) = rows.peek()
                    && row.1 < end
                {
                    end = end.max(row.1 + gap);
                    own.push(*row);
                    rows.next();
                } else {
                    break;
                }
            }
            if own.is_empty() {
                after.extend(parts);
                continue;
            }
            if parts.is_empty() && is_gone(end, lateness, self.closed_to) {
                late.extend(own);
                continue;
            }
            let id = match parts.split_first() {
                None => self.open(key),
                Some((&first, others)) => {
                    self.absorb(first, others)?;
                    first
                }
            };
            let session = &mut self.sessions[id as usize];
            let extended = (session.start, session.end) != (start, end);
            (session.start, session.end) = (start, end);
            self.touch(id, extended);
            own.iter().for_each(|&(_, _, place)| session_of[place as usize] = id);
            after.push(id);
        }
        self.of_key[key as usize] = after;
        Ok(())
    }

    fn open(&mut self, key: u32) -> u32 {
        let session = Session {
            start: 0,
            end: 0,
            key,
            alive: true,
            scheduled: i64::MIN,
            dirty: false,
            captured: None,
            touched: false,
            changed: false,
            absorbed: false,
        };
        match self.free.pop() {
            Some(id) => {
                self.sessions[id as usize] = session;
                id
            }
            None => {
                self.sessions.push(session);
                (self.sessions.len() - 1) as u32
            }
        }
    }

    /// Adds a session as it was captured.
    pub(super) fn restore(&mut self, key: u32, start: i64, end: i64) -> u32 {
        let id = self.open(key);
        let session = &mut self.sessions[id as usize];
        (session.start, session.end, session.captured) = (start, end, Some(end));
        session.scheduled = end;
        self.calendar.entry(end).or_default().push(id);
        let of_key = &mut self.of_key[key as usize];
        let at = of_key.partition_point(|&other| self.sessions[other as usize].start < start);
        of_key.insert(at, id);
        id
    }

    pub(super) fn bound(&self) -> usize {
        self.sessions.len()
    }

    /// Notes that a restored session may be given out again.
    pub(super) fn expect(&mut self, id: u32, period: i64) {
        self.sessions[id as usize].changed = true;
        self.due.entry(self.given.due(id, period)).or_default().push(id);
    }

    /// Marks a session that got rows; `extended` where its edges moved.
    fn touch(&mut self, id: u32, extended: bool) {
        let session = &mut self.sessions[id as usize];
        if !session.touched {
            session.touched = true;
            self.touched.push(id);
        }
        if !session.dirty {
            session.dirty = true;
            self.dirty.push(id);
        }
        // A closed session that grows stands in the calendar beyond its new end.
        if extended && (session.scheduled == i64::MIN || session.scheduled > session.end) {
            session.scheduled = session.end;
            self.calendar.entry(session.end).or_default().push(id);
        }
    }

    /// Makes sessions part of another of the same key.
    fn absorb(&mut self, into: u32, others: &[u32]) -> Result<(), DataFusionError> {
        if others.is_empty() {
            return Ok(());
        }
        let bound = self.sessions.len();
        for accumulator in &mut self.accumulators {
            let states = accumulator.state(others)?;
            accumulator.merge(&states, &vec![into; others.len()], bound)?;
        }
        for &id in others {
            let given = self.given.rows.has(id);
            if given {
                self.take_back(id)?;
            }
            self.sessions[into as usize].absorbed |= given;
            self.remove(id)?;
        }
        Ok(())
    }

    fn take_back(&mut self, id: u32) -> Result<(), DataFusionError> {
        let keys = self.keys.columns(&[self.sessions[id as usize].key])?;
        self.taken_back.push((keys, self.given.rows.get(&[id])?));
        self.given.rows.forget(id);
        Ok(())
    }

    /// Lets a session go.
    fn remove(&mut self, id: u32) -> Result<(), DataFusionError> {
        let session = &mut self.sessions[id as usize];
        session.alive = false;
        session.changed = false;
        session.touched = false;
        session.dirty = false;
        if let Some(end) = session.captured {
            self.deleted.push((vec![end], self.keys.columns(&[session.key])?));
        }
        self.accumulators.iter_mut().for_each(|a| a.forget(id));
        self.given.rows.forget(id);
        self.free.push(id);
        Ok(())
    }

    fn forget_key_without_sessions(&mut self, key: u32) {
        if self.of_key[key as usize].is_empty() {
            self.keys.remove(key);
        }
    }

    /// An estimate of the memory held.
    pub(super) fn bytes(&self) -> usize {
        let own = self.sessions.capacity() * size_of::<Session>() + self.of_key.capacity() * size_of::<Vec<u32>>();
        own + self.keys.bytes() + self.accumulators.iter().map(|a| a.bytes()).sum::<usize>() + self.given.rows.bytes()
    }
}
