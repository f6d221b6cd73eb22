//! From a case that fails to the smallest one found that still does: first without crashes, workers and batches, then with fewer rows (delta debugging), then
//! with fewer epochs and the rows in the order of the text.

use super::{
    case::{Case, Together},
    timeline::RowId,
};
use std::collections::BTreeSet;

/// How many smaller cases are tried at most.
pub(crate) const MOST_TRIES: usize = 400;

/// Whether a case still fails; an error ends the search.
pub(crate) type StillFails<'t, E> = &'t mut dyn FnMut(&Case) -> Result<bool, E>;

/// The smallest case found.
///
/// # Errors
/// What the trial says.
pub(crate) fn shrink<E>(case: Case, still_fails: StillFails<'_, E>) -> Result<Case, E> {
    let mut search = Search { case, left: MOST_TRIES, still_fails };
    loop {
        let before = search.case.clone();
        search.crashes()?;
        search.workers()?;
        search.batches()?;
        search.rows()?;
        search.epochs()?;
        search.order()?;
        if search.case == before || search.left == 0 {
            return Ok(search.case);
        }
    }
}

struct Search<'t, E> {
    case: Case,
    left: usize,
    still_fails: StillFails<'t, E>,
}

impl<E> Search<'_, E> {
    /// Goes on with a smaller case, if it fails as well.
    fn attempt(&mut self, smaller: Case) -> Result<bool, E> {
        if self.left == 0 || smaller == self.case {
            return Ok(false);
        }
        self.left -= 1;
        let fails = (self.still_fails)(&smaller)?;
        if fails {
            self.case = smaller;
        }
        Ok(fails)
    }

    /// Without any crash, or else without each.
    fn crashes(&mut self) -> Result<(), E> {
        let mut none = self.case.clone();
        none.segments.iter_mut().flatten().for_each(|t| t.crash = false);
        if self.attempt(none)? {
            return Ok(());
        }
        for segment in 0..self.case.segments.len() {
            for at in 0..self.case.segments[segment].len() {
                let mut fewer = self.case.clone();
                fewer.segments[segment][at].crash = false;
                self.attempt(fewer)?;
            }
        }
        Ok(())
    }

    fn workers(&mut self) -> Result<(), E> {
        for workers in 1..self.case.workers {
            if self.attempt(Case { workers, ..self.case.clone() })? {
                break;
            }
        }
        Ok(())
    }

    fn batches(&mut self) -> Result<(), E> {
        let mut whole = self.case.clone();
        for together in whole.segments.iter_mut().flatten() {
            *together = Together { crash: together.crash, ..Together::of(together.source, together.rows().collect()) };
        }
        self.attempt(whole).map(drop)
    }

    /// Leaves out halves, quarters, … of the rows, down to single ones.
    fn rows(&mut self) -> Result<(), E> {
        let mut parts = 2;
        loop {
            let rows: Vec<RowId> = self.case.rows().into_iter().collect();
            if rows.len() < 2 {
                return Ok(());
            }
            let size = rows.len().div_ceil(parts);
            let mut smaller = false;
            for start in (0..rows.len()).step_by(size) {
                let kept: BTreeSet<RowId> = rows[..start].iter().chain(rows.get(start + size..).unwrap_or(&[])).copied().collect();
                if self.attempt(self.case.only(&kept))? {
                    smaller = true;
                    break;
                }
            }
            if smaller {
                parts = (parts - 1).max(2);
            } else if size == 1 || self.left == 0 {
                return Ok(());
            } else {
                parts = (parts * 2).min(rows.len());
            }
        }
    }

    /// Lets epochs of one source that follow each other come together.
    fn epochs(&mut self) -> Result<(), E> {
        for segment in 0..self.case.segments.len() {
            let mut at = 0;
            while at + 1 < self.case.segments[segment].len() {
                let mut fewer = self.case.clone();
                let pair = &mut fewer.segments[segment];
                if pair[at].source == pair[at + 1].source && !pair[at].crash {
                    let next = pair.remove(at + 1);
                    let rows = pair[at].rows().chain(next.rows()).collect();
                    pair[at] = Together { crash: next.crash, ..Together::of(next.source, rows) };
                    if self.attempt(fewer)? {
                        continue;
                    }
                }
                at += 1;
            }
        }
        Ok(())
    }

    /// Puts the rows of each epoch into the order of the text.
    fn order(&mut self) -> Result<(), E> {
        for segment in 0..self.case.segments.len() {
            for at in 0..self.case.segments[segment].len() {
                let mut tidy = self.case.clone();
                tidy.segments[segment][at].batches.iter_mut().for_each(|b| b.sort_unstable());
                self.attempt(tidy)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shrunk(case: Case, fails: impl Fn(&Case) -> bool) -> (Case, usize) {
        let mut tries = 0;
        let small = shrink(case, &mut |case| {
            tries += 1;
            Ok::<bool, ()>(fails(case))
        });
        (small.unwrap(), tries)
    }

    fn big() -> Case {
        let epoch = |rows: Vec<RowId>| Together { source: 0, batches: rows.chunks(3).map(<[RowId]>::to_vec).collect(), crash: true };
        let mut segments = vec![Vec::new(); 3];
        segments[0] = vec![epoch((0..40).rev().collect()), epoch((40..50).collect()), epoch((50..60).rev().collect())];
        segments[2] = vec![epoch((60..90).collect())];
        Case { workers: 4, segments }
    }

    #[test]
    fn what_matters_is_left() {
        // Two rows in two epochs, the later one first.
        let epoch_of = |case: &Case, row: RowId| case.segments.iter().flatten().position(|t| t.rows().any(|r| r == row));
        let fails = |case: &Case| epoch_of(case, 55).is_some_and(|late| epoch_of(case, 7).is_some_and(|early| early < late));
        let (small, tries) = shrunk(big(), fails);
        assert_eq!(small, Case { workers: 1, segments: vec![vec![Together::of(0, vec![7]), Together::of(0, vec![55])], vec![], vec![]] });
        assert!(tries <= MOST_TRIES);
    }

    #[test]
    fn a_case_that_needs_all_of_it_stays_and_the_search_ends() {
        let (small, tries) = shrunk(big(), |case| *case == big());
        assert_eq!(small, big());
        assert!(tries <= MOST_TRIES);
        // One row, two workers: nothing else is needed.
        let (small, _) = shrunk(big(), |case| case.workers > 1 && case.rows().contains(&89));
        assert_eq!(small, Case { workers: 2, segments: vec![vec![], vec![], vec![Together::of(0, vec![89])]] });
    }
}
