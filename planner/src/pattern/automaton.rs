//! A pattern as an automaton: which state takes which rows, and what may come next, the preferred first.
//!
//! States that take no row (choices, loops) are gone: each state names all that can follow the row it takes, in order of preference. An attempt at a match is
//! an ordered list of states; the first one that gets to the end wins.

use super::{Gap, Pattern};

/// How many states a pattern may have: `a{3}` has three.
pub const PATTERN_STATES_MAX: usize = 1_000;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Automaton {
    /// The states.
    pub states: Vec<State>,
    /// What a match can begin with.
    pub start: Vec<Target>,
}

/// A state: it waits for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Which row.
    pub takes: Takes,
    /// What follows, the preferred first; nothing stands behind [`Target::Match`].
    pub next: Vec<Target>,
}

/// Which row a state takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Takes {
    /// One that is this event. It belongs to the match.
    Event(usize),
    /// Any that is none of these. It does not belong to the match.
    Skip(Vec<usize>),
    /// As [`Takes::Skip`], behind the pattern: it is a match if its time runs out here.
    Wait(Vec<usize>),
}

/// What follows a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// This state.
    State(u16),
    /// The match is complete.
    Match,
}

/// Why there is no automaton.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// More than [`PATTERN_STATES_MAX`] states.
    #[error("the pattern has more than {PATTERN_STATES_MAX} states")]
    TooLarge,
    /// Nothing has to come for it.
    #[error("the pattern is complete without any row")]
    Empty,
}

/// A step of the program from which the automaton is made.
enum Step {
    Take(Takes),
    /// The first is preferred.
    Either(usize, usize),
    Jump(usize),
    End,
}

impl Automaton {
    pub(crate) fn new(pattern: &Pattern, ending: &[usize]) -> Result<Self, PatternError> {
        let mut program = Program(Vec::new());
        program.add(pattern)?;
        if ending.is_empty() {
            program.push(Step::End)?;
        } else {
            let wait = program.push(Step::Take(Takes::Wait(ending.to_vec())))?;
            program.push(Step::Jump(wait))?;
        }
        let steps = program.0;
        let mut numbers = vec![None; steps.len()];
        let takes = (0..steps.len()).filter(|&at| matches!(steps[at], Step::Take(_)));
        takes.enumerate().for_each(|(number, at)| numbers[at] = Some(number as u16));
        let start = closure(&steps, &numbers, 0);
        let of = |target: &Target| match target {
            Target::Match => None,
            Target::State(number) => numbers.iter().position(|n| *n == Some(*number)).map(|at| &steps[at]),
        };
        if start.iter().any(|t| !matches!(of(t), Some(Step::Take(Takes::Event(_) | Takes::Skip(_))))) {
            return Err(PatternError::Empty);
        }
        // A row that does not belong to the match cannot begin it.
        let start = start.into_iter().filter(|t| matches!(of(t), Some(Step::Take(Takes::Event(_))))).collect();
        let states = steps.iter().enumerate().filter_map(|(at, step)| match step {
            Step::Take(takes) => Some(State { takes: takes.clone(), next: closure(&steps, &numbers, at + 1) }),
            _ => None,
        });
        Ok(Automaton { states: states.collect(), start })
    }
}

/// What can come at a place of the program, the preferred first.
fn closure(steps: &[Step], numbers: &[Option<u16>], from: usize) -> Vec<Target> {
    let mut found = Vec::new();
    let mut seen = vec![false; steps.len()];
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if std::mem::replace(&mut seen[at], true) {
            continue;
        }
        match &steps[at] {
            Step::Take(_) => found.extend(numbers[at].map(Target::State)),
            Step::Either(first, second) => open.extend([*second, *first]),
            Step::Jump(to) => open.push(*to),
            Step::End => {
                found.push(Target::Match);
                return found;
            }
        }
    }
    found
}

struct Program(Vec<Step>);

impl Program {
    fn push(&mut self, step: Step) -> Result<usize, PatternError> {
        if self.0.iter().filter(|s| matches!(s, Step::Take(_))).count() >= PATTERN_STATES_MAX {
            return Err(PatternError::TooLarge);
        }
        self.0.push(step);
        Ok(self.0.len() - 1)
    }

    fn here(&self) -> usize {
        self.0.len()
    }

    /// A place where the next step may be left out; [`Self::leave_out`] says where it goes on then.
    fn optional(&mut self, reluctant: bool) -> Result<(usize, bool), PatternError> {
        let at = self.push(Step::Either(0, 0))?;
        Ok((at, reluctant))
    }

    fn leave_out(&mut self, (at, reluctant): (usize, bool), to: usize) {
        self.0[at] = if reluctant { Step::Either(to, at + 1) } else { Step::Either(at + 1, to) };
    }

    fn gap(&mut self, gap: &Gap) -> Result<(), PatternError> {
        if let Gap::Later(not) = gap {
            let choice = self.push(Step::Either(0, 0))?;
            let skip = self.push(Step::Take(Takes::Skip(not.clone())))?;
            self.push(Step::Jump(choice))?;
            self.0[choice] = Step::Either(self.here(), skip);
        }
        Ok(())
    }

    fn add(&mut self, pattern: &Pattern) -> Result<(), PatternError> {
        match pattern {
            Pattern::Event(event) => {
                self.push(Step::Take(Takes::Event(*event)))?;
            }
            Pattern::Sequence { parts, gaps } => {
                for (at, part) in parts.iter().enumerate() {
                    match at.checked_sub(1).and_then(|gap| gaps.get(gap)) {
                        None => self.add(part)?,
                        Some(gap) => self.add_behind(gap, part)?,
                    }
                }
            }
            Pattern::Choice(arms) => {
                let mut ends = Vec::new();
                for (at, arm) in arms.iter().enumerate() {
                    let choice = if at + 1 < arms.len() { Some(self.optional(false)?) } else { None };
                    self.add(arm)?;
                    if let Some(choice) = choice {
                        ends.push(self.push(Step::Jump(0))?);
                        self.leave_out(choice, self.here());
                    }
                }
                let end = self.here();
                ends.into_iter().for_each(|at| self.0[at] = Step::Jump(end));
            }
            Pattern::Repeat { of, least, most, reluctant, gap } => self.repeat(of, (*least, *most), *reluctant, gap, None)?,
        }
        Ok(())
    }

    /// A part behind a gap. Where the part may be left out, so is the gap: what comes is looked for before it is left out.
    fn add_behind(&mut self, gap: &Gap, part: &Pattern) -> Result<(), PatternError> {
        if let Pattern::Repeat { of, least, most, reluctant, gap: between } = part {
            return self.repeat(of, (*least, *most), *reluctant, between, Some(gap));
        }
        self.gap(gap)?;
        self.add(part)
    }

    /// `before`: what lies before the first one.
    fn repeat(
        &mut self,
        of: &Pattern,
        (least, most): (u64, Option<u64>),
        reluctant: bool,
        between: &Gap,
        before: Option<&Gap>,
    ) -> Result<(), PatternError> {
        let one = |program: &mut Self, nth: u64| match if nth == 0 { before } else { Some(between) } {
            Some(gap) => program.add_behind(gap, of),
            None => program.add(of),
        };
        for nth in 0..least {
            one(self, nth)?;
        }
        let mut left_out = Vec::new();
        match most {
            Some(most) => {
                for nth in least..most {
                    left_out.push(self.optional(reluctant)?);
                    one(self, nth)?;
                }
            }
            None => {
                if least == 0 {
                    left_out.push(self.optional(reluctant)?);
                    one(self, 0)?;
                }
                let again = self.optional(reluctant)?;
                one(self, least.max(1))?;
                self.push(Step::Jump(again.0))?;
                left_out.push(again);
            }
        }
        let end = self.here();
        left_out.into_iter().for_each(|choice| self.leave_out(choice, end));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn repeat(event: usize, least: u64, most: Option<u64>) -> Pattern {
        Pattern::Repeat { of: Box::new(Pattern::Event(event)), least, most, reluctant: false, gap: Gap::Next }
    }

    fn sequence(parts: Vec<Pattern>, gap: Gap) -> Pattern {
        let gaps = vec![gap; parts.len() - 1];
        Pattern::Sequence { parts, gaps }
    }

    #[test]
    fn what_follows_is_ordered_by_preference() {
        let automaton = Automaton::new(&sequence(vec![repeat(0, 1, None), Pattern::Event(1)], Gap::Next), &[]).unwrap();
        assert_eq!(automaton.start, [Target::State(0)]);
        // Another `a` before the `b`.
        assert_eq!(automaton.states[0].next, [Target::State(1), Target::State(2)]);
        assert_eq!(automaton.states[2].next, [Target::Match]);
    }

    #[test]
    fn a_gap_skips_only_where_it_must() {
        let automaton = Automaton::new(&sequence(vec![Pattern::Event(0), Pattern::Event(1)], Gap::Later(vec![2])), &[]).unwrap();
        assert_eq!(automaton.states[0].next, [Target::State(2), Target::State(1)]);
        assert_eq!(automaton.states[1].takes, Takes::Skip(vec![2]));
        assert_eq!(automaton.states[1].next, [Target::State(2), Target::State(1)]);
    }

    #[test]
    fn patterns_that_need_no_row_are_refused() {
        assert_eq!(Automaton::new(&repeat(0, 0, None), &[]), Err(PatternError::Empty));
        assert_eq!(Automaton::new(&repeat(0, 0, Some(1)), &[1]), Err(PatternError::Empty));
        let nested = Pattern::Repeat { of: Box::new(repeat(0, 0, None)), least: 1, most: None, reluctant: false, gap: Gap::Next };
        assert_eq!(Automaton::new(&nested, &[]), Err(PatternError::Empty));
    }

    #[test]
    fn a_pattern_has_a_bound() {
        let many = Pattern::Repeat { of: Box::new(repeat(0, 100, None)), least: 1000, most: None, reluctant: false, gap: Gap::Next };
        assert_eq!(Automaton::new(&many, &[]), Err(PatternError::TooLarge));
        assert!(Automaton::new(&repeat(0, 900, Some(999)), &[]).is_ok());
    }

    #[test]
    fn no_row_is_skipped_before_the_first() {
        let automaton = Automaton::new(&sequence(vec![repeat(0, 0, Some(1)), Pattern::Event(1)], Gap::Later(vec![])), &[]).unwrap();
        let takes: Vec<&Takes> = automaton
            .start
            .iter()
            .map(|t| match t {
                Target::State(s) => &automaton.states[usize::from(*s)].takes,
                Target::Match => panic!("{automaton:?}"),
            })
            .collect();
        assert_eq!(takes, [&Takes::Event(0), &Takes::Event(1)]);
    }
}
