//! An aggregation as the semantics say it, computed from scratch over all rows so far at every epoch. Slow, plain, and without any of the
//! operator's ideas: no slices, no accumulators, no vectors.
//!
//! At the end of every epoch a view is computed: the windows' results that are to be seen then. What an epoch gives is the difference
//! between its view and the one before; windows that no row can reach any more are frozen.

pub mod calls;

use calls::{Fold, Value};
use std::collections::BTreeMap;

/// A window's shape, in µs.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    Everything,
    Hopping { size: i64, slide: i64, offset: i64 },
    Cumulating { size: i64, step: i64, offset: i64 },
    Session { gap: i64 },
}

/// When results go out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Emit {
    OnClose,
    OnChange,
    Every(i64),
}

/// What is computed.
#[derive(Debug, Clone)]
pub struct Query {
    pub shape: Shape,
    /// Time is the epoch's clock.
    pub by_clock: bool,
    pub emit: Emit,
    pub lateness: i64,
    pub ttl: Option<i64>,
    pub calls: Vec<Fold>,
}

impl Query {
    pub fn is_changelog(&self) -> bool {
        self.emit != Emit::OnClose || (self.lateness > 0 && !matches!(self.shape, Shape::Everything))
    }
}

/// One input row: its key, its time (absent where null), and its other columns.
#[derive(Debug, Clone)]
pub struct Row {
    pub key: Vec<Value>,
    pub time: Option<i64>,
    pub values: Vec<Value>,
    /// 1, or -1 where it takes an equal row back.
    pub diff: i64,
}

/// A window of a key: key, start, end.
pub type Window = (Vec<Value>, i64, i64);

/// A row that is given out: key, results, start and end.
pub type Given = (Vec<Value>, Vec<Value>, i64, i64);

/// What an epoch gives.
#[derive(Debug, Default, PartialEq)]
pub struct Expected {
    /// Rows with multiplicities, without zeros.
    pub rows: BTreeMap<Given, i64>,
    pub late: usize,
    pub rejected: usize,
}

/// All rows that were taken, and what is to be seen.
pub struct Reference {
    query: Query,
    /// Rows that were not turned away, with their time (that of their epoch, by the clock), in order.
    taken: Vec<(i64, Row)>,
    watermark: i64,
    /// What was given out last for each window, and when.
    seen: BTreeMap<Window, (Vec<Value>, i64)>,
    /// For [`Shape::Everything`] with a time to live: when each key last had a row.
    touched: BTreeMap<Vec<Value>, i64>,
    ages_by_event_time: bool,
}

const EVER: i64 = i64::MAX;

impl Reference {
    pub fn new(query: Query) -> Self {
        Reference {
            query,
            taken: Vec::new(),
            watermark: i64::MIN,
            seen: BTreeMap::new(),
            touched: BTreeMap::new(),
            ages_by_event_time: false,
        }
    }

    fn windows_of(&self, at: i64) -> Vec<(i64, i64)> {
        let mut all = Vec::new();
        match self.query.shape {
            Shape::Everything => all.push((i64::MIN, EVER)),
            Shape::Session { gap } => all.push((at, at + gap)),
            Shape::Hopping { size, slide, offset } => {
                let mut start = offset + (at - offset).div_euclid(slide) * slide;
                while start + size > at {
                    all.push((start, start + size));
                    start -= slide;
                }
            }
            Shape::Cumulating { size, step, offset } => {
                let start = offset + (at - offset).div_euclid(size) * size;
                all.extend((1..=size / step).map(|j| (start, start + j * step)).filter(|(_, end)| at < *end));
            }
        }
        all
    }

    /// A window takes no more rows.
    fn is_over(&self, end: i64) -> bool {
        end != EVER && end.saturating_add(self.query.lateness) <= self.watermark
    }

    /// One epoch: its rows in order, its watermark, and its clock.
    pub fn epoch(&mut self, rows: &[Row], watermark: i64, clock: i64) -> Expected {
        let mut expected = Expected::default();
        let reached = if self.query.by_clock && watermark != EVER { clock } else { watermark }.max(self.watermark);
        let mut new = Vec::new();
        // An epoch's rows have no order among each other: what is taken back is there.
        for row in rows.iter().filter(|r| r.diff > 0).chain(rows.iter().filter(|r| r.diff < 0)) {
            match (self.query.by_clock, row.time, self.query.shape) {
                (true, ..) => new.push((clock, row.clone())),
                (_, Some(at), _) => new.push((at, row.clone())),
                (_, None, Shape::Everything) => new.push((0, row.clone())),
                (_, None, _) => expected.rejected += 1,
            }
        }
        let all: Vec<(i64, Row)> = self.taken.iter().chain(&new).cloned().collect();
        for (at, row) in new {
            let last = match self.query.shape {
                Shape::Session { gap } => session_of(&all, &row.key, gap, at).2,
                _ => self.windows_of(at).iter().map(|(_, end)| *end).max().unwrap(),
            };
            let equal = |(_, r): &(i64, Row)| (&r.key, r.time, &r.values) == (&row.key, row.time, &row.values);
            if self.is_over(last) {
                expected.late += 1;
            } else if row.diff > 0 {
                self.taken.push((at, row));
            } else if let Some(place) = self.taken.iter().rposition(equal) {
                self.taken.remove(place);
            }
        }
        let now = if matches!(self.query.shape, Shape::Everything) { clock } else { reached };
        self.give(reached, now, &mut expected);
        self.age(rows, watermark, clock, &mut expected);
        self.watermark = reached;
        self.freeze();
        expected.rows.retain(|_, diff| *diff != 0);
        expected
    }

    /// Lets go of rows and results of windows that take no more rows: they stay as they were given out.
    fn freeze(&mut self) {
        let all = std::mem::take(&mut self.taken);
        let open = |(at, row): &&(i64, Row)| match self.query.shape {
            Shape::Session { gap } => !self.is_over(session_of(&all, &row.key, gap, *at).2),
            _ => self.windows_of(*at).iter().any(|(_, end)| !self.is_over(*end)),
        };
        self.taken = all.iter().filter(open).cloned().collect();
        let seen = std::mem::take(&mut self.seen);
        // What was seen of a session that grew since is as open as the session.
        let end_of = |(key, start, end): &Window| match self.query.shape {
            Shape::Session { gap } => session_of(&all, key, gap, *start).2,
            _ => *end,
        };
        self.seen = seen.into_iter().filter(|(window, _)| !self.is_over(end_of(window))).collect();
    }

    /// The windows that have rows, with their rows in order.
    fn windows(&self) -> BTreeMap<Window, Vec<&Row>> {
        let mut windows: BTreeMap<Window, Vec<&Row>> = BTreeMap::new();
        for (at, row) in &self.taken {
            if let Shape::Session { gap } = self.query.shape {
                windows.entry(session_of(&self.taken, &row.key, gap, *at)).or_default().push(row);
                continue;
            }
            for (start, end) in self.windows_of(*at) {
                windows.entry((row.key.clone(), start, end)).or_default().push(row);
            }
        }
        windows
    }

    fn give(&mut self, reached: i64, now: i64, expected: &mut Expected) {
        let mut view: BTreeMap<Window, Vec<Value>> = BTreeMap::new();
        let windows = self.windows();
        // What is seen of a window whose rows have all been taken back goes as a changed result comes.
        let vacant = |(window, (_, at)): &(&Window, &(Vec<Value>, i64))| match self.query.emit {
            Emit::Every(period) => !windows.contains_key(*window) && (window.2 <= reached || at.saturating_add(period) <= now),
            _ => false,
        };
        let session = matches!(self.query.shape, Shape::Session { .. });
        let vacant: Vec<Window> = self.seen.iter().filter(|seen| !session && vacant(seen)).map(|(window, _)| window.clone()).collect();
        for (window, rows) in windows {
            let closed = window.2 <= reached;
            let shown = match self.query.emit {
                Emit::OnClose => closed,
                Emit::OnChange => true,
                // A session that took in another is shown at once.
                Emit::Every(period) => match self.parts(&window).as_slice() {
                    [one] => closed || self.seen[one].1.saturating_add(period) <= now,
                    _ => true,
                },
            };
            if shown && !self.is_over(window.2) {
                view.insert(window, self.query.calls.iter().map(|c| c.of(&rows)).collect());
            }
        }
        let gone: Vec<Window> = match self.query.emit {
            Emit::Every(_) => view.keys().flat_map(|w| self.parts(w).into_iter().filter(move |part| part != w)).chain(vacant).collect(),
            _ => self.seen.keys().filter(|w| !view.contains_key(*w)).cloned().collect(),
        };
        for window in gone {
            let (old, _) = self.seen.remove(&window).unwrap();
            self.add(&window, &old, -1, expected);
        }
        for (window, results) in view {
            if let Some((old, _)) = self.seen.get(&window) {
                if *old == results {
                    continue;
                }
                self.add(&window, old, -1, expected);
            }
            self.add(&window, &results, 1, expected);
            if self.query.is_changelog() {
                self.seen.insert(window, (results, now));
            }
        }
    }

    /// The windows that were seen of what is this window now: sessions grow together.
    fn parts(&self, window: &Window) -> Vec<Window> {
        let inside = |w: &&Window| match self.query.shape {
            Shape::Session { .. } => w.0 == window.0 && window.1 <= w.1 && w.2 <= window.2,
            _ => *w == window,
        };
        self.seen.keys().filter(inside).cloned().collect()
    }

    fn add(&self, window: &Window, results: &[Value], diff: i64, expected: &mut Expected) {
        *expected.rows.entry((window.0.clone(), results.to_vec(), window.1, window.2)).or_default() += diff;
    }

    /// Lets go of keys that got no row for their time to live.
    fn age(&mut self, rows: &[Row], watermark: i64, clock: i64, expected: &mut Expected) {
        let (Some(ttl), Shape::Everything) = (self.query.ttl, self.query.shape) else { return };
        if watermark == EVER {
            return;
        }
        if watermark != i64::MIN && !self.ages_by_event_time {
            self.ages_by_event_time = true;
            self.touched.values_mut().for_each(|at| *at = watermark);
        }
        let now = if watermark == i64::MIN { clock } else { watermark };
        self.touched.extend(rows.iter().map(|row| (row.key.clone(), now)));
        let old: Vec<Vec<Value>> =
            self.touched.iter().filter(|(_, at)| at.saturating_add(ttl) <= now).map(|(key, _)| key.clone()).collect();
        for key in old {
            let window = (key.clone(), i64::MIN, EVER);
            if self.query.is_changelog() {
                let (results, _) = self.seen.remove(&window).unwrap();
                self.add(&window, &results, -1, expected);
            } else {
                let rows: Vec<&Row> = self.taken.iter().filter(|(_, row)| row.key == key).map(|(_, row)| row).collect();
                let results: Vec<Value> = self.query.calls.iter().map(|c| c.of(&rows)).collect();
                self.add(&window, &results, 1, expected);
            }
            self.touched.remove(&key);
            self.taken.retain(|(_, row)| row.key != key);
        }
    }
}

/// The session of a key that holds a moment.
fn session_of(rows: &[(i64, Row)], key: &[Value], gap: i64, at: i64) -> Window {
    sessions(rows, key, gap).into_iter().find(|(_, start, end)| *start <= at && at < *end).unwrap()
}

/// The sessions of a key's rows.
fn sessions(rows: &[(i64, Row)], key: &[Value], gap: i64) -> Vec<Window> {
    let mut times: Vec<i64> = rows.iter().filter(|(_, row)| row.key == key).map(|(at, _)| *at).collect();
    times.sort_unstable();
    let mut all: Vec<Window> = Vec::new();
    for at in times {
        match all.last_mut().filter(|(_, _, end)| at < *end) {
            Some((_, _, end)) => *end = at + gap,
            None => all.push((key.to_vec(), at, at + gap)),
        }
    }
    all
}
