//! Rules of a field in two versions: does the new one allow fewer rows, more rows, or others?

use super::{Change, ChangeKind, fields::demands_value};
use crate::{
    ast::{Field, Rule},
    contract::{literal::Literal, text::rule_text},
};
use std::{cmp::Ordering, collections::BTreeSet};

/// How the set of allowed rows moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shift {
    Same,
    /// Fewer rows are allowed.
    Tighter,
    /// More rows are allowed.
    Looser,
    /// Some rows are no longer allowed, and others are, or nobody can tell.
    Other,
}

impl Shift {
    fn of(tighter: bool, looser: bool) -> Self {
        match (tighter, looser) {
            (false, false) => Shift::Same,
            (true, false) => Shift::Tighter,
            (false, true) => Shift::Looser,
            (true, true) => Shift::Other,
        }
    }

    fn and(self, other: Shift) -> Self {
        let tighter = |s| matches!(s, Shift::Tighter | Shift::Other);
        let looser = |s| matches!(s, Shift::Looser | Shift::Other);
        Shift::of(tighter(self) || tighter(other), looser(self) || looser(other))
    }
}

/// Whether a rule is of a group.
type Belongs = fn(&Rule) -> bool;
/// How far a group of rules moved.
type Compare = fn(&[Rule], &[Rule]) -> Shift;

/// Rules that bear on each other are compared together.
const GROUPS: [(Belongs, Compare); 7] = [
    (|r| matches!(r, Rule::Unique), set_shift),
    (|r| matches!(r, Rule::Between { .. }) || matches!(r, Rule::Compare { op, .. } if op != "<>"), range_shift),
    (|r| matches!(r, Rule::Compare { op, .. } if op == "<>"), set_shift),
    (|r| matches!(r, Rule::Length { op, .. } if op != "<>"), range_shift),
    (|r| matches!(r, Rule::Length { op, .. } if op == "<>"), set_shift),
    (|r| matches!(r, Rule::Matches(_)), set_shift),
    (|r| matches!(r, Rule::OneOf(_)), one_of_shift),
];

/// Reports every group of rules that changed. `key` and `event time` are compared for the contract as a whole.
pub(super) fn compare(name: &str, old: &Field, new: &Field, changes: &mut Vec<Change>) {
    compare_presence(name, old, new, changes);
    let group = |field: &Field, belongs: Belongs| -> Vec<Rule> { field.rules.iter().map(|r| r.value.clone()).filter(belongs).collect() };
    for (belongs, shift) in GROUPS {
        let (before, after) = (group(old, belongs), group(new, belongs));
        // The same rules say the same, whether or not their bounds can be compared.
        let said = |rules: &[Rule]| rules.iter().map(normalised).collect::<BTreeSet<_>>();
        if said(&before) == said(&after) {
            continue;
        }
        let message = match (before.is_empty(), after.is_empty()) {
            (true, _) => format!("`{}` added", texts(&after)),
            (false, true) => format!("`{}` removed", texts(&before)),
            (false, false) => format!("`{}` became `{}`", texts(&before), texts(&after)),
        };
        push(name, message, shift(&before, &after), changes);
    }
}

fn texts(rules: &[Rule]) -> String {
    rules.iter().map(rule_text).collect::<Vec<_>>().join(", ")
}

fn push(name: &str, message: String, shift: Shift, changes: &mut Vec<Change>) {
    let change = Change::note(ChangeKind::Rule, Some(name), message);
    let tighter = "old data may hold what is no longer allowed";
    let looser = "new data may hold what old readers do not allow";
    changes.push(match shift {
        Shift::Same => return,
        Shift::Tighter => change.backward(tighter),
        Shift::Looser => change.forward(looser),
        Shift::Other => change.backward(tighter).forward(looser),
    });
}

/// `required` and `default` together decide whether a value must be there.
fn compare_presence(name: &str, old: &Field, new: &Field, changes: &mut Vec<Change>) {
    let belongs = |r: &Rule| matches!(r, Rule::Required | Rule::Default(_));
    let rules = |f: &Field| -> BTreeSet<String> { f.rules.iter().filter(|r| belongs(&r.value)).map(|r| normalised(&r.value)).collect() };
    let (before, after) = (rules(old), rules(new));
    if before == after {
        return;
    }
    let quoted = |set: Vec<&String>| set.into_iter().map(|t| format!("`{t}`")).collect::<Vec<_>>().join(", ");
    let (gone, come) = (quoted(before.difference(&after).collect()), quoted(after.difference(&before).collect()));
    let message = match (gone.is_empty(), come.is_empty()) {
        (true, _) => format!("{come} added"),
        (_, true) => format!("{gone} removed"),
        _ => format!("{gone} became {come}"),
    };
    let mut change = Change::note(ChangeKind::Rule, Some(name), message);
    match (demands_value(old), demands_value(new)) {
        (false, true) => change = change.backward("old data may lack a value, and it is now required without a default"),
        (true, false) => change = change.forward("new data may lack a value, and old readers require one"),
        _ => {}
    }
    changes.push(change);
}

fn normalised(rule: &Rule) -> String {
    match rule {
        Rule::Default(value) => format!("default {}", Literal::of(value).canonical()),
        other => rule_text(other),
    }
}

/// Rules that must all hold and of which nothing is known but whether they are the same.
fn set_shift(old: &[Rule], new: &[Rule]) -> Shift {
    let key = |rules: &[Rule]| -> BTreeSet<String> {
        rules
            .iter()
            .map(|r| match r {
                Rule::Compare { op, value } => format!("{op} {}", Literal::of(value).canonical()),
                other => rule_text(other),
            })
            .collect()
    };
    let (old, new) = (key(old), key(new));
    Shift::of(!new.is_subset(&old), !old.is_subset(&new))
}

/// Several lists must all hold: their intersection counts.
fn one_of_shift(old: &[Rule], new: &[Rule]) -> Shift {
    let allowed = |rules: &[Rule]| -> Option<BTreeSet<String>> {
        rules
            .iter()
            .filter_map(|r| match r {
                Rule::OneOf(values) => Some(values.iter().cloned().collect::<BTreeSet<_>>()),
                _ => None,
            })
            .reduce(|a, b| a.intersection(&b).cloned().collect())
    };
    match (allowed(old), allowed(new)) {
        (None, None) => Shift::Same,
        (None, Some(_)) => Shift::Tighter,
        (Some(_), None) => Shift::Looser,
        (Some(old), Some(new)) => Shift::of(!old.is_subset(&new), !new.is_subset(&old)),
    }
}

/// A bound: the literal, and whether it is itself allowed.
type Bound = Option<(Literal, bool)>;

/// Comparisons as one interval. `None` where two bounds on one side cannot be compared.
struct Interval {
    low: Bound,
    high: Bound,
}

fn range_shift(old: &[Rule], new: &[Rule]) -> Shift {
    let (Some(old), Some(new)) = (interval(old), interval(new)) else {
        return Shift::Other;
    };
    let low = bound_shift(old.low.as_ref(), new.low.as_ref(), Ordering::Greater);
    let high = bound_shift(old.high.as_ref(), new.high.as_ref(), Ordering::Less);
    match (low, high) {
        (Some(low), Some(high)) => low.and(high),
        _ => Shift::Other,
    }
}

fn interval(rules: &[Rule]) -> Option<Interval> {
    let mut interval = Interval { low: None, high: None };
    for rule in rules {
        let compare = |op: &str, value: &str| (op.to_owned(), Literal::of(value));
        let parts = match rule {
            Rule::Compare { op, value } => vec![compare(op, value)],
            Rule::Length { op, value } => vec![compare(op, &value.to_string())],
            Rule::Between { low, high } => vec![compare(">=", low), compare("<=", high)],
            _ => continue,
        };
        for (op, literal) in parts {
            let closed = matches!(op.as_str(), ">=" | "<=" | "=");
            if matches!(op.as_str(), ">" | ">=" | "=") {
                narrow(&mut interval.low, (literal.clone(), closed), Ordering::Greater)?;
            }
            if matches!(op.as_str(), "<" | "<=" | "=") {
                narrow(&mut interval.high, (literal, closed), Ordering::Less)?;
            }
        }
    }
    Some(interval)
}

/// Keeps the narrower bound; `inward` is where narrower lies.
fn narrow(bound: &mut Bound, candidate: (Literal, bool), inward: Ordering) -> Option<()> {
    let replace = match bound {
        None => true,
        Some(present) => match candidate.0.compare(&present.0)? {
            Ordering::Equal => !candidate.1,
            order => order == inward,
        },
    };
    if replace {
        *bound = Some(candidate);
    }
    Some(())
}

/// How one side of an interval moved; `None` where the two bounds cannot be compared.
fn bound_shift(old: Option<&(Literal, bool)>, new: Option<&(Literal, bool)>, inward: Ordering) -> Option<Shift> {
    Some(match (old, new) {
        (None, None) => Shift::Same,
        (None, Some(_)) => Shift::Tighter,
        (Some(_), None) => Shift::Looser,
        (Some((old, old_closed)), Some((new, new_closed))) => match new.compare(old)? {
            Ordering::Equal => Shift::of(*old_closed && !new_closed, !old_closed && *new_closed),
            order => Shift::of(order == inward, order != inward),
        },
    })
}
