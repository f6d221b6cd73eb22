//! Slow and plain: everything is kept and found anew in each epoch.

use super::{KEY, TIME};
use runink_planner::{FirstOp, NeighbourOp, OrderBy, RankOp, RankScope, WindowShape};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub key: Option<i64>,
    pub value: Option<i64>,
    pub text: Option<String>,
    pub time: Option<i64>,
    pub id: i64,
}

/// A row that comes out, cell by cell.
pub type Out = Vec<Option<String>>;

#[derive(Debug, Default)]
pub struct Expected {
    pub rows: BTreeMap<Out, i64>,
    pub late: usize,
    pub rejected: usize,
}

pub trait Reference {
    fn epoch(&mut self, rows: &[(Row, i64)], before: i64, watermark: i64, clock: i64) -> Expected;
}

/// A value that compares: numbers, or texts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Cell<'a> {
    Number(i64),
    Text(&'a str),
}

impl Row {
    fn cell(&self, column: usize) -> Option<Cell<'_>> {
        match column {
            KEY => self.key.map(Cell::Number),
            1 => self.value.map(Cell::Number),
            2 => self.text.as_deref().map(Cell::Text),
            TIME => self.time.map(Cell::Number),
            _ => Some(Cell::Number(self.id)),
        }
    }

    pub fn out(&self) -> Out {
        let shown = |column| {
            self.cell(column).map(|cell| match cell {
                Cell::Number(n) => n.to_string(),
                Cell::Text(text) => text.to_owned(),
            })
        };
        (0..5).map(shown).collect()
    }

    /// The event time: the column's, shifted.
    pub fn at(&self) -> Option<i64> {
        self.time.map(|t| t + 2)
    }
}

fn nulls<T: Ord>(a: Option<T>, b: Option<T>, descending: bool, nulls_first: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if descending => b.cmp(&a),
        (Some(a), Some(b)) => a.cmp(&b),
        (None, None) => Ordering::Equal,
        (None, _) if nulls_first => Ordering::Less,
        (None, _) => Ordering::Greater,
        (_, None) if nulls_first => Ordering::Greater,
        (_, None) => Ordering::Less,
    }
}

pub fn by(order: &[OrderBy], a: &Row, b: &Row) -> Ordering {
    let each = |o: &OrderBy| nulls(a.cell(o.column), b.cell(o.column), o.descending, o.nulls_first);
    order.iter().map(each).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

pub fn contents(a: &Row, b: &Row) -> Ordering {
    (0..5).map(|c| nulls(a.cell(c), b.cell(c), false, false)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

pub fn add(rows: &mut BTreeMap<Out, i64>, row: Out, n: i64) {
    *rows.entry(row).or_default() += n;
}

pub fn differences(before: &BTreeMap<Out, i64>, now: &BTreeMap<Out, i64>) -> BTreeMap<Out, i64> {
    let mut all = now.clone();
    before.iter().for_each(|(row, n)| add(&mut all, row.clone(), -n));
    all.retain(|_, n| *n != 0);
    all
}

/// When keys last changed, and which have lived their time.
#[derive(Default)]
struct Lives {
    touched: BTreeMap<Option<i64>, i64>,
    known: bool,
}

impl Lives {
    /// Ends an epoch: which keys are gone.
    fn end(&mut self, ttl: Option<i64>, touched: &BTreeSet<Option<i64>>, watermark: i64, clock: i64) -> Vec<Option<i64>> {
        let Some(ttl) = ttl else { return vec![] };
        if watermark == i64::MAX {
            return vec![];
        }
        if !self.known && watermark != i64::MIN {
            self.known = true;
            self.touched.values_mut().for_each(|at| *at = watermark);
        }
        let now = if self.known { watermark } else { clock };
        self.touched.extend(touched.iter().map(|key| (*key, now)));
        let gone: Vec<_> = self.touched.iter().filter(|(_, at)| **at + ttl <= now).map(|(key, _)| *key).collect();
        gone.iter().for_each(|key| {
            self.touched.remove(key);
        });
        gone
    }
}

pub struct Rank {
    op: RankOp,
    /// All rows there are, with the epoch in which they came.
    rows: Vec<(Row, i64)>,
    /// In windows: rows with the windows that took them.
    taken: Vec<(Row, Vec<(i64, i64)>)>,
    epoch: i64,
    closed_to: i64,
    view: BTreeMap<Out, i64>,
    lives: Lives,
}

impl Rank {
    pub fn new(op: RankOp) -> Self {
        Rank { op, rows: vec![], taken: vec![], epoch: 0, closed_to: i64::MIN, view: BTreeMap::new(), lives: Lives::default() }
    }

    /// The rows of a key that are to be seen, with their ranks.
    fn ranked(&self, rows: &[(Row, i64)]) -> Vec<(Row, usize)> {
        let newest = |a: i64, b: i64| if self.op.newest_first { b.cmp(&a) } else { Ordering::Equal };
        let mut sorted = rows.to_vec();
        sorted.sort_by(|(a, i), (b, j)| newest(*i, *j).then(by(&self.op.order, a, b)).then(contents(a, b)));
        let mut ranked: Vec<(Row, usize)> = vec![];
        for (n, (row, _)) in sorted.into_iter().enumerate() {
            let rank = match ranked.last() {
                Some((before, rank)) if self.op.ties && by(&self.op.order, before, &row).is_eq() => *rank,
                _ => n + 1,
            };
            if self.op.count.is_none_or(|count| rank as u64 <= count) {
                ranked.push((row, rank));
            } else {
                break;
            }
        }
        ranked
    }

    fn out(&self, row: &Row, rank: usize) -> Out {
        row.out().into_iter().chain(self.op.rank.then(|| Some(rank.to_string()))).collect()
    }

    fn by_key(rows: &[(Row, i64)]) -> BTreeMap<Option<i64>, Vec<(Row, i64)>> {
        let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in rows {
            keys.entry(row.0.key).or_default().push(row.clone());
        }
        keys
    }

    fn all_time(&mut self, rows: &[(Row, i64)], watermark: i64, clock: i64) -> Expected {
        let kept = |this: &Rank| {
            let keys = Self::by_key(&this.rows);
            keys.into_iter()
                .map(|(key, rows)| (key, this.ranked(&rows).into_iter().map(|r| r.0).collect::<Vec<_>>()))
                .collect::<BTreeMap<_, _>>()
        };
        let before = kept(self);
        let mut touched = BTreeSet::new();
        for (row, _) in rows.iter().filter(|(_, d)| *d > 0) {
            self.rows.push((row.clone(), self.epoch));
            if self.op.changelog || self.op.newest_first {
                touched.insert(row.key);
            }
        }
        for (row, _) in rows.iter().filter(|(_, d)| *d < 0) {
            if let Some(at) = self.rows.iter().position(|(r, _)| r == row) {
                self.rows.remove(at);
                touched.insert(row.key);
            }
        }
        if !self.op.changelog && !self.op.newest_first {
            touched.extend(kept(self).into_iter().filter(|(key, rows)| before.get(key) != Some(rows)).map(|(key, _)| key));
        }
        let gone = self.lives.end(self.op.ttl_us(), &touched, watermark, clock);
        self.rows.retain(|(row, _)| !gone.contains(&row.key));
        let mut view = BTreeMap::new();
        for rows in Self::by_key(&self.rows).values() {
            for (row, rank) in self.ranked(rows) {
                add(&mut view, self.out(&row, rank), 1);
            }
        }
        let rows = differences(&self.view, &view);
        self.view = view;
        Expected { rows, ..Expected::default() }
    }

    fn windows(shape: WindowShape, at: i64) -> Vec<(i64, i64)> {
        let from = |size: i64, slide: i64, offset: i64| {
            let mut start = offset + (at - offset).div_euclid(slide) * slide;
            let mut all = vec![];
            while start + size > at {
                all.push((start, start + size));
                start -= slide;
            }
            all
        };
        match shape {
            WindowShape::Tumbling { size, offset } => from(size, size, offset),
            WindowShape::Hopping { size, slide, offset } => from(size, slide, offset),
            WindowShape::Cumulating { size, step, offset } => {
                let (start, _) = from(size, size, offset)[0];
                (1..=size / step).map(|n| (start, start + n * step)).filter(|(_, end)| *end > at).collect()
            }
            WindowShape::Session { .. } => panic!("no sessions here"),
        }
    }

    fn windowed(&mut self, rows: &[(Row, i64)], before: i64, watermark: i64, clock: i64) -> Expected {
        let RankScope::Window { spec, edges } = self.op.scope.clone() else { panic!("a window") };
        let by_clock = spec.time.is_none();
        if !by_clock {
            self.closed_to = self.closed_to.max(before);
        }
        let mut expected = Expected::default();
        for (row, _) in rows {
            let Some(at) = (if by_clock { Some(clock) } else { row.at() }) else {
                expected.rejected += 1;
                continue;
            };
            let open: Vec<_> = Self::windows(spec.shape, at).into_iter().filter(|(_, end)| *end > self.closed_to).collect();
            if open.is_empty() {
                expected.late += 1;
            } else {
                self.taken.push((row.clone(), open));
            }
        }
        let reached = if by_clock && watermark != i64::MAX { clock } else { watermark };
        let closing: BTreeSet<_> =
            self.taken.iter().flat_map(|(_, w)| w).filter(|(_, end)| *end > self.closed_to && *end <= reached).copied().collect();
        for window in closing {
            let inside: Vec<_> = self.taken.iter().filter(|(_, w)| w.contains(&window)).map(|(row, _)| (row.clone(), 0)).collect();
            for rows in Self::by_key(&inside).values() {
                for (row, rank) in self.ranked(rows) {
                    let mut out = self.out(&row, rank);
                    if edges {
                        out.extend([window.0, window.1].map(|edge| Some(edge.to_string())));
                    }
                    add(&mut expected.rows, out, 1);
                }
            }
        }
        self.closed_to = self.closed_to.max(reached);
        expected
    }
}

impl Reference for Rank {
    fn epoch(&mut self, rows: &[(Row, i64)], before: i64, watermark: i64, clock: i64) -> Expected {
        self.epoch += 1;
        match self.op.scope {
            RankScope::AllTime { .. } => self.all_time(rows, watermark, clock),
            RankScope::Window { .. } => self.windowed(rows, before, watermark, clock),
        }
    }
}

pub struct First {
    op: FirstOp,
    waiting: Vec<(i64, Row)>,
    /// The moment of the row that went through.
    passed: BTreeMap<Option<i64>, i64>,
    lives: Lives,
}

impl First {
    pub fn new(op: FirstOp) -> Self {
        First { op, waiting: vec![], passed: BTreeMap::new(), lives: Lives::default() }
    }

    fn is_first(&self, key: Option<i64>, at: i64) -> bool {
        match (self.passed.get(&key), self.op.within_us) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(passed), Some(within)) => at >= passed + within,
        }
    }
}

impl Reference for First {
    fn epoch(&mut self, rows: &[(Row, i64)], before: i64, watermark: i64, clock: i64) -> Expected {
        let mut expected = Expected::default();
        let needs_time = self.op.settled || self.op.within_us.is_some();
        for (row, _) in rows {
            let at = if self.op.time.is_some() { row.at() } else { Some(0) };
            match at {
                None if needs_time => expected.rejected += 1,
                Some(at) if needs_time && at < before => {
                    // Of a key that is known it is a duplicate.
                    expected.late += usize::from(!self.passed.contains_key(&row.key));
                }
                at => {
                    let at = at.unwrap_or(i64::MAX);
                    // As long as its key is known it is a duplicate, whenever it would be settled.
                    if self.is_first(row.key, at) {
                        self.waiting.push((at, row.clone()));
                    }
                }
            }
        }
        let ready = |at: i64| !self.op.settled || watermark == i64::MAX || at < watermark;
        let (mut now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting).into_iter().partition(|(at, _)| ready(*at));
        self.waiting = later;
        now.sort_by(|(a, r), (b, s)| a.cmp(b).then(by(&self.op.order, r, s)).then(contents(r, s)));
        let mut touched = BTreeSet::new();
        for (at, row) in now {
            if self.is_first(row.key, at) {
                self.passed.insert(row.key, at);
                touched.insert(row.key);
                add(&mut expected.rows, row.out(), 1);
            }
        }
        // What waits behind a row that went through is its duplicate.
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting = waiting.into_iter().filter(|(at, row)| self.is_first(row.key, *at)).collect();
        if let Some(within) = self.op.within_us {
            self.passed.retain(|_, at| *at + within > watermark);
        }
        for key in self.lives.end(self.op.ttl_us, &touched, watermark, clock) {
            self.passed.remove(&key);
        }
        expected
    }
}

pub struct Neighbour {
    op: NeighbourOp,
    rows: Vec<(i64, Row)>,
    given: BTreeMap<Out, i64>,
}

impl Neighbour {
    pub fn new(op: NeighbourOp) -> Self {
        Neighbour { op, rows: vec![], given: BTreeMap::new() }
    }

    fn window_end(&self, at: i64) -> i64 {
        self.op.window.map_or(i64::MAX, |(size, offset)| offset + (at - offset).div_euclid(size) * size + size)
    }

    /// Whether a key lived on from one row to the next, all along.
    fn one_life(&self, rows: &[(i64, Row)]) -> bool {
        self.op.ttl_us.is_none_or(|ttl| rows.windows(2).all(|w| w[1].0 < w[0].0 + ttl))
    }

    fn out(&self, row: &Row, other: Option<&Row>) -> Out {
        let cells = other.map(Row::out);
        row.out().into_iter().chain(self.op.values.iter().map(|&v| cells.as_ref().and_then(|c| c[v].clone()))).collect()
    }

    /// Everything that has come out by that watermark.
    fn view(&self, watermark: i64) -> BTreeMap<Out, i64> {
        let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in self.rows.iter().filter(|(at, _)| *at < watermark) {
            keys.entry(row.1.key).or_default().push(row.clone());
        }
        let mut view = BTreeMap::new();
        let far = self.op.distance as usize;
        for settled in keys.values_mut() {
            settled.sort_by(|(a, r), (b, s)| a.cmp(b).then(by(&self.op.order, r, s)).then(contents(r, s)));
            for (i, (at, row)) in settled.iter().enumerate() {
                let meets =
                    |a: usize, b: usize| self.window_end(settled[a].0) == self.window_end(settled[b].0) && self.one_life(&settled[a..=b]);
                if !self.op.ahead {
                    let other = i.checked_sub(far).filter(|&j| meets(j, i)).map(|j| &settled[j].1);
                    add(&mut view, self.out(row, other), 1);
                } else if let Some((_, next)) = settled.get(i + far) {
                    add(&mut view, self.out(row, Some(next).filter(|_| meets(i, i + far))), 1);
                } else {
                    let last = settled[settled.len() - 1].0;
                    let over = watermark == i64::MAX
                        || self.window_end(*at) <= watermark
                        || !self.one_life(&settled[i..])
                        || self.op.ttl_us.is_some_and(|ttl| last + ttl <= watermark);
                    if over {
                        add(&mut view, self.out(row, None), 1);
                    }
                }
            }
        }
        view
    }
}

impl Reference for Neighbour {
    fn epoch(&mut self, rows: &[(Row, i64)], before: i64, watermark: i64, _: i64) -> Expected {
        let mut expected = Expected::default();
        for (row, _) in rows {
            match row.at() {
                None => expected.rejected += 1,
                Some(at) if at < before => expected.late += 1,
                Some(at) => self.rows.push((at, row.clone())),
            }
        }
        let view = self.view(watermark);
        expected.rows = differences(&self.given, &view);
        self.given = view;
        expected
    }
}
