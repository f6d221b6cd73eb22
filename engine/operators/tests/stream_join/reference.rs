//! A join of two streams as the semantics say it, over all rows so far, by nested loops. Without any of the operator's ideas: no spans, no chains, no
//! buckets.

use runink_planner::{StreamJoinKind, WindowShape};
use std::collections::{BTreeMap, BTreeSet};

/// What an input row is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub time: Option<i64>,
    pub key: Vec<Option<i64>>,
    pub value: Option<i64>,
    pub id: i64,
}

/// Which rows can meet; µs.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    Window { size: i64, slide: i64, offset: i64, by_clock: bool },
    Within { from: i64, to: i64 },
    AsOf,
    Unbounded { ttl: Option<i64> },
}

#[derive(Debug, Clone)]
pub struct Query {
    pub kind: StreamJoinKind,
    pub bound: Bound,
    /// `left.value <= right.value`.
    pub condition: bool,
}

pub fn shape(size: i64, slide: i64, offset: i64) -> WindowShape {
    if size == slide { WindowShape::Tumbling { size, offset } } else { WindowShape::Hopping { size, slide, offset } }
}

/// A row that comes out.
pub type Given = (Option<Row>, Option<Row>);

#[derive(Debug, Default, PartialEq)]
pub struct Expected {
    pub rows: BTreeMap<Given, i64>,
    pub late: usize,
    pub rejected: usize,
}

/// A row that was taken.
#[derive(Debug, Clone)]
struct Taken {
    row: Row,
    at: i64,
    epoch: usize,
    /// When its age is over.
    until: i64,
    taken_back: bool,
    /// It came out alone, or was found not to.
    told: bool,
}

pub struct Reference {
    query: Query,
    sides: [Vec<Taken>; 2],
    /// Pairs that have been found and not been taken back, by number, and the epoch that found them.
    pairs: BTreeMap<(usize, usize), usize>,
    seen: BTreeMap<Given, i64>,
    /// By epoch: how far time came (in what counts).
    closed: Vec<i64>,
    event_time_known: bool,
    semi_given: BTreeSet<usize>,
    /// Versions that rows have met.
    met: BTreeSet<usize>,
}

const LEFT: usize = 0;
const RIGHT: usize = 1;

impl Reference {
    pub fn new(query: Query) -> Self {
        Reference {
            query,
            sides: [vec![], vec![]],
            pairs: BTreeMap::new(),
            seen: BTreeMap::new(),
            closed: vec![],
            event_time_known: false,
            semi_given: BTreeSet::new(),
            met: BTreeSet::new(),
        }
    }

    fn windows(&self, at: i64) -> Vec<(i64, i64)> {
        let Bound::Window { size, slide, offset, .. } = self.query.bound else { return vec![] };
        let mut start = offset + (at - offset).div_euclid(slide) * slide;
        let mut all = vec![];
        while start + size > at {
            all.push((start, start + size));
            start -= slide;
        }
        all
    }

    fn fits(&self, left: i64, right: i64) -> bool {
        match self.query.bound {
            Bound::Within { from, to } => from <= right - left && right - left <= to,
            _ => true,
        }
    }

    /// No row on time can meet it.
    fn gone(&self, side: usize, at: i64, watermark: i64) -> bool {
        match (self.query.bound, side) {
            (Bound::Window { .. }, _) => self.windows(at).iter().all(|(_, end)| *end <= watermark),
            // The latest partner lies before the watermark.
            (Bound::Within { to, .. }, LEFT) => at + to < watermark,
            (Bound::Within { from, .. }, _) => at - from < watermark,
            (Bound::AsOf, _) => at < watermark,
            (Bound::Unbounded { .. }, _) => false,
        }
    }

    fn late(&self, side: usize, at: i64, watermark: i64, row: &Row, epoch: usize) -> bool {
        match (self.query.bound, side) {
            (Bound::Window { .. }, _) => self.gone(side, at, watermark),
            (Bound::Within { from, to }, _) => {
                let (low, high) = if side == LEFT { (at + from, at + to) } else { (at - to, at - from) };
                // The earlier of: on time; not gone.
                let oldest = if side == LEFT { watermark.saturating_add(from) } else { watermark.saturating_sub(to) };
                low.max(watermark.min(oldest)) > high
            }
            (Bound::AsOf, LEFT) => at < watermark,
            (Bound::AsOf, _) => {
                let newer = |v: &&Taken| v.epoch < epoch && Self::equal(&v.row, row) && v.at > at && v.at <= watermark;
                at < watermark && self.sides[RIGHT].iter().any(|v| newer(&v))
            }
            (Bound::Unbounded { .. }, _) => false,
        }
    }

    fn condition(&self, left: &Row, right: &Row) -> bool {
        !self.query.condition || matches!((left.value, right.value), (Some(l), Some(r)) if l <= r)
    }

    fn equal(left: &Row, right: &Row) -> bool {
        left.key == right.key && left.key.iter().all(Option::is_some)
    }

    /// One epoch: the rows of both sides with multiplicities, its watermark and its clock.
    pub fn epoch(&mut self, rows: [&[(Row, i64)]; 2], watermark: i64, clock: i64) -> Expected {
        let mut expected = Expected::default();
        let epoch = self.closed.len();
        let by_clock = matches!(self.query.bound, Bound::Window { by_clock: true, .. });
        let unbounded = matches!(self.query.bound, Bound::Unbounded { .. });
        let before = self.closed.last().copied().unwrap_or(i64::MIN);
        let before = if unbounded && !self.event_time_known { clock } else { before };
        let reached = match () {
            () if by_clock && watermark != i64::MAX => clock,
            () if unbounded && watermark == i64::MIN => clock,
            () => watermark,
        };
        for side in [LEFT, RIGHT] {
            let mut changes: Vec<(Row, i64)> = vec![];
            for (row, diff) in rows[side] {
                let timeless = by_clock || unbounded;
                match row.time {
                    None if !timeless => expected.rejected += 1,
                    time => {
                        let at = if by_clock { clock } else { time.unwrap_or(0) };
                        if self.late(side, at, before, row, epoch) {
                            expected.late += 1;
                        } else if let Some(known) = changes.iter_mut().find(|(r, _)| unbounded && r == row) {
                            known.1 += diff;
                        } else {
                            changes.push((row.clone(), *diff));
                        }
                    }
                }
            }
            for (row, diff) in changes {
                for _ in 0..diff {
                    self.take(side, row.clone(), if by_clock { clock } else { row.time.unwrap_or(0) }, epoch, before);
                }
                for _ in diff..0 {
                    self.take_back(side, &row, epoch, before);
                }
            }
        }
        if let (Bound::Unbounded { ttl: Some(ttl) }, false) = (self.query.bound, self.event_time_known)
            && watermark != i64::MIN
            && watermark != i64::MAX
        {
            // Ages begin anew; what was over stays over.
            for taken in self.sides.iter_mut().flatten().filter(|t| t.until != i64::MAX) {
                taken.until = if taken.until > clock { watermark + ttl } else { i64::MIN };
            }
        }
        self.event_time_known |= watermark != i64::MIN;
        let view = if unbounded { self.view() } else { self.settled(epoch, reached) };
        for (row, n) in view.iter().map(|(r, n)| (r, *n)).chain(self.seen.iter().map(|(r, n)| (r, -n))) {
            *expected.rows.entry(row.clone()).or_default() += n;
        }
        expected.rows.retain(|_, n| *n != 0);
        self.seen = view;
        self.closed.push(reached);
        expected
    }

    fn there(&self, side: usize, taken: &Taken, epoch: usize, before: i64) -> bool {
        taken.epoch == epoch
            || match self.query.bound {
                Bound::Unbounded { .. } => taken.until > before,
                _ => !self.gone(side, taken.at, before),
            }
    }

    fn take(&mut self, side: usize, row: Row, at: i64, epoch: usize, before: i64) {
        // A row with a null in its key has no age: nothing of it is kept.
        let null = row.key.iter().any(Option::is_none);
        let until = match self.query.bound {
            Bound::Unbounded { ttl: Some(ttl) } if !null => before.saturating_add(ttl),
            _ => i64::MAX,
        };
        let new = Taken { row, at, epoch, until, taken_back: false, told: false };
        let number = self.sides[side].len();
        if !matches!(self.query.bound, Bound::AsOf) {
            for (n, other) in self.sides[1 - side].iter().enumerate() {
                let (left, right) = if side == LEFT { (&new, other) } else { (other, &new) };
                let window = match self.query.bound {
                    Bound::Window { .. } => {
                        let others = self.windows(right.at);
                        self.windows(left.at).iter().any(|w| others.contains(w) && w.1 > before)
                    }
                    _ => self.fits(left.at, right.at),
                };
                if window
                    && !other.taken_back
                    && self.there(1 - side, other, epoch, before)
                    && Self::equal(&left.row, &right.row)
                    && self.condition(&left.row, &right.row)
                {
                    self.pairs.insert(if side == LEFT { (number, n) } else { (n, number) }, epoch);
                }
            }
        }
        self.sides[side].push(new);
    }

    fn take_back(&mut self, side: usize, row: &Row, epoch: usize, before: i64) {
        let found = self.sides[side].iter().position(|t| !t.taken_back && t.row == *row && self.there(side, t, epoch, before));
        let Some(number) = found else { return };
        self.sides[side][number].taken_back = true;
        let all: Vec<(usize, usize)> = self.pairs.keys().copied().collect();
        for pair in all {
            let (own, other) = if side == LEFT { pair } else { (pair.1, pair.0) };
            if own == number && self.there(1 - side, &self.sides[1 - side][other], epoch, before) {
                self.pairs.remove(&pair);
            }
        }
    }

    /// What is to be seen after an epoch, where results can change.
    fn view(&self) -> BTreeMap<Given, i64> {
        use StreamJoinKind::{Anti, Full, Left, Right, Semi};
        let mut view: BTreeMap<Given, i64> = BTreeMap::new();
        let mut add = |given: Given| *view.entry(given).or_default() += 1;
        for &(l, r) in self.pairs.keys().filter(|_| self.query.kind.has_right_columns()) {
            add((Some(self.sides[LEFT][l].row.clone()), Some(self.sides[RIGHT][r].row.clone())));
        }
        for (n, left) in self.sides[LEFT].iter().enumerate().filter(|(_, t)| !t.taken_back) {
            let met = self.pairs.keys().any(|(l, _)| *l == n);
            if matches!(self.query.kind, Left | Full | Anti) && !met || self.query.kind == Semi && met {
                add((Some(left.row.clone()), None));
            }
        }
        for (n, right) in self.sides[RIGHT].iter().enumerate().filter(|(_, t)| !t.taken_back) {
            if matches!(self.query.kind, Right | Full) && !self.pairs.keys().any(|(_, r)| *r == n) {
                add((None, Some(right.row.clone())));
            }
        }
        view
    }

    /// What has come out up to an epoch, where results stay.
    fn settled(&mut self, epoch: usize, reached: i64) -> BTreeMap<Given, i64> {
        use StreamJoinKind::{Anti, Full, Left, Right, Semi};
        let mut view = self.seen.clone();
        let mut add = |given: Given| *view.entry(given).or_default() += 1;
        if matches!(self.query.bound, Bound::AsOf) {
            for n in 0..self.sides[LEFT].len() {
                let left = &self.sides[LEFT][n];
                let null = left.row.key.iter().any(Option::is_none);
                if left.told || !(null && left.epoch == epoch || left.at < reached) {
                    continue;
                }
                let valid = self.sides[RIGHT].iter().enumerate().filter(|(_, r)| r.at <= left.at && Self::equal(&left.row, &r.row));
                let newest = valid.max_by_key(|(n, r)| (r.at, *n)).filter(|(_, r)| self.condition(&left.row, &r.row));
                self.met.extend(newest.map(|(n, _)| n));
                match (newest, self.query.kind) {
                    (Some((_, right)), StreamJoinKind::Inner | Left | Right | Full) => {
                        add((Some(left.row.clone()), Some(right.row.clone())))
                    }
                    (Some(_), Semi) | (None, Left | Full | Anti) => add((Some(left.row.clone()), None)),
                    _ => {}
                }
                self.sides[LEFT][n].told = true;
            }
            for n in 0..self.sides[RIGHT].len() {
                let version = &self.sides[RIGHT][n];
                let null = version.row.key.iter().any(Option::is_none);
                let newer = |m: usize, other: &Taken| (version.at, n) < (other.at, m) && other.at <= reached;
                let others = || self.sides[RIGHT].iter().enumerate().filter(|(_, other)| Self::equal(&version.row, &other.row));
                let over = null || reached == i64::MAX || others().any(|(m, other)| newer(m, other));
                if version.told || !over {
                    continue;
                }
                if matches!(self.query.kind, Right | Full) && !self.met.contains(&n) {
                    add((None, Some(version.row.clone())));
                }
                self.sides[RIGHT][n].told = true;
            }
            return view;
        }
        for (&(l, r), _) in self.pairs.iter().filter(|(_, found)| **found == epoch) {
            let (left, right) = (&self.sides[LEFT][l].row, &self.sides[RIGHT][r].row);
            match self.query.kind {
                Semi if self.semi_given.insert(l) => add((Some(left.clone()), None)),
                Semi | Anti => {}
                _ => add((Some(left.clone()), Some(right.clone()))),
            }
        }
        for side in [LEFT, RIGHT] {
            let alone = matches!((self.query.kind, side), (Left | Full | Anti, LEFT) | (Right | Full, RIGHT));
            for n in 0..self.sides[side].len() {
                let taken = &self.sides[side][n];
                let null = taken.row.key.iter().any(Option::is_none);
                if taken.told || !(null || self.gone(side, taken.at, reached)) {
                    continue;
                }
                let met = self.pairs.keys().any(|(l, r)| [*l, *r][side] == n);
                if alone && !met {
                    let row = Some(taken.row.clone());
                    add(if side == LEFT { (row, None) } else { (None, row) });
                }
                self.sides[side][n].told = true;
            }
        }
        view
    }
}
