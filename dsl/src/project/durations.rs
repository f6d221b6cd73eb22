//! Durations of reusable steps that are parameters: found in the lines, checked at each use, and put in.

use crate::{
    Diagnostic, FileId,
    ast::{
        Action, DurationParam, DurationUs, Emit, Expectation, JoinTime, Retention, RunningOver, Span, Spanned, Step, StepBody,
        StepTemplate, Use, Value, Window, WindowShape,
    },
    codes,
    units::show_duration,
};

/// Every duration of a step's lines.
fn durations(body: &mut StepBody, each: &mut dyn FnMut(&mut i64)) {
    for action in &mut body.actions {
        match &mut action.value {
            Action::Aggregate(aggregate) => {
                window(aggregate.window.as_mut(), each);
                match aggregate.emit.as_mut().map(|e| &mut e.value) {
                    Some(Emit::Every(every) | Emit::EarlyAndOnClose(Some(every))) => each(&mut every.value.0),
                    Some(Emit::OnClose | Emit::OnChange | Emit::EarlyAndOnClose(None)) | None => {}
                }
                aggregate.allowed_lateness.iter_mut().for_each(|d| each(&mut d.value.0));
                retention(aggregate.keep_state.as_mut(), each);
            }
            Action::Join(join) => {
                match join.time.as_mut().map(|t| &mut t.value) {
                    Some(JoinTime::Window(in_window)) => shape(in_window, each),
                    Some(JoinTime::Within { from, to }) => {
                        each(from);
                        each(to);
                    }
                    Some(JoinTime::AsOf(_)) | None => {}
                }
                retention(join.keep_state.as_mut(), each);
            }
            Action::Top(top) => {
                window(top.window.as_mut(), each);
                retention(top.keep_state.as_mut(), each);
            }
            Action::Match(pattern) => {
                pattern.within.iter_mut().for_each(|d| each(&mut d.value.0));
                retention(pattern.keep_state.as_mut(), each);
            }
            Action::Neighbours(neighbours) => {
                window(neighbours.window.as_mut(), each);
                retention(neighbours.keep_state.as_mut(), each);
            }
            Action::Running(running) => {
                if let Some(RunningOver::Time(time)) = running.over.as_mut().map(|o| &mut o.value) {
                    each(&mut time.value.0);
                }
                window(running.window.as_mut(), each);
                retention(running.keep_state.as_mut(), each);
            }
            Action::Deduplicate(deduplicate) => {
                deduplicate.within.iter_mut().for_each(|d| each(&mut d.value.0));
                retention(deduplicate.keep_state.as_mut(), each);
            }
            Action::Iterate(iterate) => retention(iterate.keep_state.as_mut(), each),
            Action::Set(_)
            | Action::Select(_)
            | Action::Drop(_)
            | Action::Rename(_)
            | Action::Keep(_)
            | Action::Unnest(_)
            | Action::Union(_)
            | Action::Split(_)
            | Action::Privacy(_)
            | Action::Sql(_)
            | Action::Other { .. } => {}
        }
    }
    for expectation in &mut body.expectations {
        match &mut expectation.value {
            Expectation::Share { over, .. } => each(&mut over.value.0),
            Expectation::Volume { per, .. } => each(&mut per.value.0),
            Expectation::Row { .. } => {}
        }
    }
}

fn window(window: Option<&mut Spanned<Window>>, each: &mut dyn FnMut(&mut i64)) {
    if let Some(window) = window {
        shape(&mut window.value, each);
    }
}

fn shape(window: &mut Window, each: &mut dyn FnMut(&mut i64)) {
    match &mut window.shape {
        WindowShape::Tumbling(size) | WindowShape::Session(size) => each(&mut size.value.0),
        WindowShape::Hopping { size, every } | WindowShape::Cumulating { size, every } => {
            each(&mut size.value.0);
            each(&mut every.value.0);
        }
    }
    window.offset.iter_mut().for_each(|offset| each(&mut offset.value.0));
}

fn retention(kept: Option<&mut Spanned<Retention>>, each: &mut dyn FnMut(&mut i64)) {
    match kept.map(|k| &mut k.value) {
        Some(Retention::For(kept)) => each(&mut kept.value.0),
        Some(Retention::Forever) | None => {}
    }
}

/// The value that a use gives a parameter.
fn argument<'a>(template: &'a StepTemplate, uses: &'a Use, param: &str) -> Option<&'a Spanned<Value>> {
    let given = uses.args.iter().find(|a| a.name.value == param).map(|a| &a.value);
    given.or_else(|| template.params.iter().find(|p| p.name.value == param)?.default.as_ref())
}

/// The lines of a reusable step with a use's durations; nothing where one of them is none, which [`check`] has said.
pub(super) fn put_in(template: &StepTemplate, uses: &Use) -> Option<StepBody> {
    let mut body = template.body.clone();
    let mut complete = true;
    durations(&mut body, &mut |us| {
        let Some((at, negated)) = DurationUs(*us).reference() else { return };
        let value = template.durations.get(at).and_then(|d| argument(template, uses, &d.param.value)).map(|v| &v.value);
        match value {
            Some(Value::Duration(DurationUs(given))) => *us = if negated { given.saturating_neg() } else { *given },
            _ => complete = false,
        }
    });
    complete.then_some(body)
}

/// Checks that a use gives durations where durations are needed.
pub(super) fn check(file: FileId, uses: &Use, step: &Step, template_file: FileId, template: &StepTemplate, found: &mut Vec<Diagnostic>) {
    let mut seen: Vec<&str> = Vec::new();
    for needed in &template.durations {
        let Some(given) = uses.args.iter().find(|a| a.name.value == needed.param.value) else { continue };
        if seen.contains(&needed.param.value.as_str()) {
            continue;
        }
        if let Some(problem) = problem(needed, &given.value) {
            seen.push(&needed.param.value);
            let place = Place { file, template_file, template };
            found.push(place.diagnostic(needed, given.value.span, problem));
        }
    }
    let backwards = put_in(template, uses).is_some_and(|body| {
        body.actions.iter().any(|action| match &action.value {
            Action::Join(join) => matches!(join.time.as_ref().map(|t| &t.value), Some(JoinTime::Within { from, to }) if from > to),
            _ => false,
        })
    });
    if backwards && !template.durations.is_empty() {
        let message = format!("with these durations an interval of `{}` ends before it begins", template.name.value);
        let d = Diagnostic::error(codes::DURATION, file, step.annotation.span, message);
        found.push(d.related(template_file, template.name.span, "the reusable step").hint("the smaller bound comes first"));
    }
}

/// Checks the defaults of parameters that stand for durations.
pub(super) fn check_defaults(file: FileId, template: &StepTemplate, found: &mut Vec<Diagnostic>) {
    for needed in &template.durations {
        let default = template.params.iter().find(|p| p.name.value == needed.param.value).and_then(|p| p.default.as_ref());
        if let Some(default) = default
            && let Some(problem) = problem(needed, default)
        {
            let place = Place { file, template_file: file, template };
            let new = place.diagnostic(needed, default.span, problem);
            if !found.iter().any(|d| (d.file, d.span) == (new.file, new.span)) {
                found.push(new);
            }
        }
    }
}

/// What is wrong with a value that should be a duration.
enum Problem {
    NotOne,
    NotLongerThanNothing,
}

fn problem(needed: &DurationParam, given: &Spanned<Value>) -> Option<Problem> {
    match given.value {
        Value::Duration(DurationUs(us)) if us > 0 || !needed.positive => None,
        Value::Duration(_) => Some(Problem::NotLongerThanNothing),
        _ => Some(Problem::NotOne),
    }
}

struct Place<'a> {
    file: FileId,
    template_file: FileId,
    template: &'a StepTemplate,
}

impl Place<'_> {
    fn diagnostic(&self, needed: &DurationParam, at: Span, problem: Problem) -> Diagnostic {
        let (param, what) = (&needed.param.value, &needed.what);
        let message = match problem {
            Problem::NotOne => format!("`{param}` is {what} in `{}`: it must be a duration", self.template.name.value),
            Problem::NotLongerThanNothing => {
                format!("`{param}` is {what} in `{}`: it must be longer than nothing", self.template.name.value)
            }
        };
        let example = show_duration(DurationUs(300_000_000));
        Diagnostic::error(codes::TEMPLATE_ARGUMENT, self.file, at, message)
            .related(self.template_file, needed.param.span, "here it stands for a duration")
            .hint(format!("write it with its unit: `{param}={example}`"))
    }
}
