//! Patterns, the slow way: all rows of a key in order, and every way to match them tried one after the other, the preferred first.

use runink_planner::{AfterMatch, Gap, Pattern};

/// A row of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) time: i64,
    pub(crate) key: Option<i64>,
    pub(crate) value: Option<i64>,
    pub(crate) id: i64,
}

/// What else must be true of a row that can be an event. `of` is an event, or all rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Joint {
    /// `value > last(of.value, skip)`.
    AboveLast { of: Option<usize>, skip: usize },
    /// `value >= first(of.value, skip)`.
    NotBelowFirst { of: Option<usize>, skip: usize },
    /// `count(of.*) <= n`.
    AtMost { of: Option<usize>, n: i64 },
    /// `sum(of.value) > n`.
    SumAbove { of: Option<usize>, n: i64 },
}

#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Values that can be it; all where absent.
    pub(crate) values: Option<Vec<i64>>,
    pub(crate) joint: Option<Joint>,
}

#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) events: Vec<Event>,
    pub(crate) pattern: Pattern,
    pub(crate) ending: Vec<usize>,
    pub(crate) within: Option<i64>,
    pub(crate) after: AfterMatch,
    pub(crate) partial: bool,
    /// Rows of the same time: the greatest value first, before their contents decide.
    pub(crate) descending: bool,
}

/// What comes out of a match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Match {
    pub(crate) key: Option<i64>,
    /// The ids of the first and the last row.
    pub(crate) ends: [i64; 2],
    pub(crate) events: Vec<Of>,
    pub(crate) times: [i64; 2],
    pub(crate) partial: bool,
}

/// Of an event: how many rows, the sum of their values, the value of the second and of the last but one.
pub(crate) type Of = (i64, Option<i64>, Option<i64>, Option<i64>);

/// Rows with the event that each is, from the first to the last.
type Path = Vec<(usize, usize)>;

/// All that comes of the rows of one key.
pub(crate) fn matches(query: &Query, mut rows: Vec<Row>) -> Vec<Match> {
    let value = |r: &Row| match query.descending {
        // Nulls first, as SQL has it for descending order.
        true => (r.value.is_some(), r.value.map_or(0, |v| -v)),
        false => (r.value.is_none(), r.value.unwrap_or_default()),
    };
    rows.sort_by_key(|r| (r.time, value(r), r.id));
    let search = Search { query, rows: &rows };
    let mut found = Vec::new();
    let mut start = 0;
    while start < rows.len() {
        let (mut best, mut begun) = (None, None);
        search.pattern(&query.pattern, start, start, vec![], &mut begun, &mut |at, path, begun| {
            let done = search.ends_well(start, at, &path, begun);
            if done {
                best = Some(path);
            }
            done
        });
        let partial = best.is_none() && query.partial;
        let path = best.or(begun.filter(|_| partial));
        let mut next = start + 1;
        if let Some(path) = &path {
            found.push(search.given(path, partial));
            if !partial {
                let is = |event: usize| move |(_, e): &&(usize, usize)| *e == event;
                let wanted = match query.after {
                    AfterMatch::PastLastRow => None,
                    AfterMatch::ToNextRow => Some(&path[0]),
                    AfterMatch::ToFirst(event) => path.iter().find(is(event)),
                    AfterMatch::ToLast(event) => path.iter().rev().find(is(event)),
                };
                next = wanted.map_or(path[path.len() - 1].0 + 1, |(row, _)| *row).max(start + 1);
            }
        }
        start = next;
    }
    found
}

struct Search<'a> {
    query: &'a Query,
    rows: &'a [Row],
}

/// Goes on at a row with a path; whether that led to a match.
type Next<'n> = &'n mut dyn FnMut(usize, Path, &mut Option<Path>) -> bool;

impl Search<'_> {
    /// Whether there is a row within the time; notes what had begun where there is none.
    fn comes(&self, start: usize, at: usize, path: &Path, begun: &mut Option<Path>) -> bool {
        let within = |row: &Row| self.query.within.is_none_or(|within| row.time - self.rows[start].time <= within);
        let comes = self.rows.get(at).is_some_and(within);
        if !comes && begun.is_none() && !path.is_empty() {
            *begun = Some(path.clone());
        }
        comes
    }

    fn pattern(&self, of: &Pattern, start: usize, at: usize, path: Path, begun: &mut Option<Path>, next: Next<'_>) -> bool {
        match of {
            Pattern::Event(event) => {
                self.comes(start, at, &path, begun) && self.holds(*event, at, &path) && {
                    let mut path = path;
                    path.push((at, *event));
                    next(at + 1, path, begun)
                }
            }
            Pattern::Sequence { parts, gaps } => self.sequence(parts, gaps, None, start, at, path, begun, next),
            Pattern::Choice(arms) => arms.iter().any(|arm| self.pattern(arm, start, at, path.clone(), begun, next)),
            Pattern::Repeat { of, least, most, reluctant, gap } => {
                let times = Times { of, least: *least, most: *most, reluctant: *reluctant, gap };
                self.repeat(&times, 0, None, start, at, path, begun, next)
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn sequence(
        &self,
        parts: &[Pattern],
        gaps: &[Gap],
        before: Option<&Gap>,
        start: usize,
        at: usize,
        path: Path,
        begun: &mut Option<Path>,
        next: Next<'_>,
    ) -> bool {
        let Some((part, parts)) = parts.split_first() else { return next(at, path, begun) };
        self.behind(before, part, start, at, path, begun, &mut |at, path, begun| {
            let (gap, gaps) = gaps.split_first().map_or((None, gaps), |(gap, gaps)| (Some(gap), gaps));
            self.sequence(parts, gaps, gap, start, at, path, begun, next)
        })
    }

    /// A part behind a gap; the gap belongs to what may be left out.
    #[allow(clippy::too_many_arguments)]
    fn behind(
        &self,
        gap: Option<&Gap>,
        part: &Pattern,
        start: usize,
        at: usize,
        path: Path,
        begun: &mut Option<Path>,
        next: Next<'_>,
    ) -> bool {
        let Some(Gap::Later(not)) = gap else { return self.pattern(part, start, at, path, begun, next) };
        if let Pattern::Repeat { of, least, most, reluctant, gap: between } = part {
            let times = Times { of, least: *least, most: *most, reluctant: *reluctant, gap: between };
            return self.repeat(&times, 0, gap, start, at, path, begun, next);
        }
        let mut at = at;
        loop {
            if self.pattern(part, start, at, path.clone(), begun, next) {
                return true;
            }
            // No row is skipped before the first one.
            if path.is_empty() || !self.comes(start, at, &path, begun) || not.iter().any(|&event| self.holds(event, at, &path)) {
                return false;
            }
            at += 1;
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn repeat(
        &self,
        times: &Times<'_>,
        done: u64,
        before: Option<&Gap>,
        start: usize,
        at: usize,
        path: Path,
        begun: &mut Option<Path>,
        next: Next<'_>,
    ) -> bool {
        let more = times.most.is_none_or(|most| done < most);
        let enough = done >= times.least;
        if enough && times.reluctant && next(at, path.clone(), begun) {
            return true;
        }
        let gap = if done == 0 { before } else { Some(times.gap) };
        let one_more = |next: Next<'_>, begun: &mut Option<Path>| {
            self.behind(gap, times.of, start, at, path.clone(), begun, &mut |to, path, begun| {
                self.repeat(times, done + 1, before, start, to, path, begun, next)
            })
        };
        (more && one_more(next, begun)) || (enough && !times.reluctant && next(at, path, begun))
    }

    /// Nothing comes behind the pattern that must not.
    fn ends_well(&self, start: usize, at: usize, path: &Path, begun: &mut Option<Path>) -> bool {
        if self.query.ending.is_empty() {
            return true;
        }
        let mut at = at;
        while self.comes(start, at, path, &mut begun.clone()) {
            if self.query.ending.iter().any(|&event| self.holds(event, at, path)) {
                return false;
            }
            at += 1;
        }
        true
    }

    fn holds(&self, event: usize, at: usize, path: &Path) -> bool {
        let row = &self.rows[at];
        let Event { values, joint } = &self.query.events[event];
        if values.as_ref().is_some_and(|values| !row.value.is_some_and(|v| values.contains(&v))) {
            return false;
        }
        let with_row: Path = path.iter().copied().chain([(at, event)]).collect();
        let of = |of: Option<usize>| self.values(&with_row, of);
        let above = |other: Option<&Option<i64>>, yes: fn(i64, i64) -> bool| {
            row.value.zip(other.copied().flatten()).is_some_and(|(a, b)| yes(a, b))
        };
        match joint {
            None => true,
            Some(Joint::AboveLast { of: event, skip }) => above(of(*event).iter().rev().nth(*skip), |a, b| a > b),
            Some(Joint::NotBelowFirst { of: event, skip }) => above(of(*event).get(*skip), |a, b| a >= b),
            Some(Joint::AtMost { of: event, n }) => of(*event).len() as i64 <= *n,
            Some(Joint::SumAbove { of: event, n }) => sum(&of(*event)).is_some_and(|sum| sum > *n),
        }
    }

    fn values(&self, path: &[(usize, usize)], of: Option<usize>) -> Vec<Option<i64>> {
        path.iter().filter(|(_, event)| of.is_none_or(|of| of == *event)).map(|(row, _)| self.rows[*row].value).collect()
    }

    fn given(&self, path: &Path, partial: bool) -> Match {
        let ends = [path[0].0, path[path.len() - 1].0];
        let events = (0..self.query.events.len()).map(|event| {
            let values = self.values(path, Some(event));
            let nth = |at: Option<usize>| at.and_then(|at| values.get(at)).copied().flatten();
            (values.len() as i64, sum(&values), nth(Some(1)), nth(values.len().checked_sub(2)))
        });
        Match {
            key: self.rows[ends[0]].key,
            ends: ends.map(|row| self.rows[row].id),
            events: events.collect(),
            times: ends.map(|row| self.rows[row].time),
            partial,
        }
    }
}

struct Times<'a> {
    of: &'a Pattern,
    least: u64,
    most: Option<u64>,
    reluctant: bool,
    gap: &'a Gap,
}

fn sum(values: &[Option<i64>]) -> Option<i64> {
    values.iter().flatten().copied().reduce(|a, b| a + b)
}
