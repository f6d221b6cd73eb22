//! Patterns as one would write them.

use super::{
    expression::{name, sql},
    facts::{Line, call, column, line},
    words,
};
use crate::{AfterMatch, Gap, MatchOp, Pattern, Pick, Reference};
use arrow::datatypes::SchemaRef;

pub(super) fn lines(op: &MatchOp, input: &SchemaRef) -> Vec<Line> {
    let event = |at: usize| op.events.get(at).map(|e| name(&e.name)).unwrap_or_default();
    let mut text = pattern(&op.pattern, &event, false);
    if !op.ending.is_empty() {
        text.push_str(&format!(" {}", without(&op.ending, &event)));
    }
    let mut lines = vec![line("match", text)];
    for e in &op.events {
        let own = e.own.map(|own| name(&column(input, own)));
        let joint = e.joint.as_ref().map(|joint| named(sql(joint), op, input, &event));
        let conditions: Vec<String> = own.into_iter().chain(joint).collect();
        if !conditions.is_empty() {
            lines.push(line("where", format!("{} is {}", name(&e.name), conditions.join(" and "))));
        }
    }
    if !op.keys.is_empty() {
        lines.push(line("by", op.keys.iter().map(|&k| name(&column(input, k))).collect::<Vec<_>>().join(", ")));
    }
    let order = |&(c, ascending, nulls_first): &(usize, bool, bool)| {
        let direction = match (ascending, nulls_first) {
            (true, false) => "",
            (true, true) => " nulls first",
            (false, true) => " desc",
            (false, false) => " desc nulls last",
        };
        format!("{}{direction}", name(&column(input, c)))
    };
    let ordered = std::iter::once(name(&column(input, op.time.column))).chain(op.order.iter().map(order));
    lines.push(line("order", ordered.collect::<Vec<_>>().join(", ")));
    if let Some(within) = op.within_us {
        lines.push(line("within", words::duration(within)));
    }
    let after = match op.after {
        AfterMatch::PastLastRow => "past its last row".to_owned(),
        AfterMatch::ToNextRow => "at any row after its first".to_owned(),
        AfterMatch::ToFirst(e) => format!("at its first {}", event(e)),
        AfterMatch::ToLast(e) => format!("at its last {}", event(e)),
    };
    lines.push(line("next", after));
    if !op.outputs.is_empty() {
        let shown = op.outputs.iter().map(|r| format!("{} = {}", name(r.field.name()), reference(r, input, &event)));
        lines.push(line("give", shown.collect::<Vec<_>>().join(", ")));
    }
    if op.partial {
        lines.push(line("partial", "come out when their time is over".into()));
    }
    lines
}

/// A condition with its references as one would write them.
fn named(mut text: String, op: &MatchOp, input: &SchemaRef, event: &impl Fn(usize) -> String) -> String {
    // From the last to the first, so that no name is found inside a longer one.
    for r in op.references.iter().rev() {
        text = text.replace(&name(r.field.name()), &reference(r, input, event));
    }
    text
}

fn reference(r: &Reference, input: &SchemaRef, event: &impl Fn(usize) -> String) -> String {
    let of = |c: usize| match r.event {
        Some(e) => format!("{}.{}", event(e), name(&column(input, c))),
        None => name(&column(input, c)),
    };
    match &r.pick {
        Pick::First { column, skip: 0 } => format!("first({})", of(*column)),
        Pick::First { column, skip } => format!("first({}, {skip})", of(*column)),
        Pick::Last { column, skip: 0 } => format!("last({})", of(*column)),
        Pick::Last { column, skip } => format!("last({}, {skip})", of(*column)),
        Pick::Call(c) => {
            let whole = call(c, input);
            let value = whole.split_once(" = ").map_or(whole.as_str(), |(_, value)| value).to_owned();
            match r.event {
                Some(e) => format!("{value} of {}", event(e)),
                None => value,
            }
        }
    }
}

fn without(events: &[usize], event: &impl Fn(usize) -> String) -> String {
    format!("without {}", events.iter().map(|&e| event(e)).collect::<Vec<_>>().join(" or "))
}

/// `inside`: brackets are needed around more than one part.
fn pattern(of: &Pattern, event: &impl Fn(usize) -> String, inside: bool) -> String {
    let text = match of {
        Pattern::Event(e) => return event(*e),
        Pattern::Sequence { parts, gaps } => {
            let mut text = String::new();
            for (at, part) in parts.iter().enumerate() {
                match at.checked_sub(1).and_then(|gap| gaps.get(gap)) {
                    None => {}
                    Some(Gap::Next) => text.push_str(" then "),
                    Some(Gap::Later(not)) if not.is_empty() => text.push_str(" followed by "),
                    Some(Gap::Later(not)) => text.push_str(&format!(" {} followed by ", without(not, event))),
                }
                text.push_str(&pattern(part, event, true));
            }
            text
        }
        Pattern::Choice(arms) => arms.iter().map(|a| pattern(a, event, true)).collect::<Vec<_>>().join(" or "),
        Pattern::Repeat { of, least, most, reluctant, gap } => {
            let times = match (least, most) {
                (0, Some(1)) => "?".to_owned(),
                (0, None) => "*".to_owned(),
                (1, None) => "+".to_owned(),
                (n, None) => format!("{{{n},}}"),
                (n, Some(m)) if n == m => format!("{{{n}}}"),
                (n, Some(m)) => format!("{{{n}, {m}}}"),
            };
            let apart = match gap {
                Gap::Next => String::new(),
                Gap::Later(not) if not.is_empty() => " apart".to_owned(),
                Gap::Later(not) => format!(" {} apart", without(not, event)),
            };
            return format!("{}{times}{}{apart}", pattern(of, event, true), if *reluctant { "?" } else { "" });
        }
    };
    if inside { format!("({text})") } else { text }
}
