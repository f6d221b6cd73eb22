//! Reusable steps: found by domain and name, their arguments checked.

use super::{Project, ResolvedStep, durations};
use crate::{
    Diagnostic, FileId,
    ast::{
        Action, AfterMatch, Document, Expectation, NamedExpr, Otherwise, Scenario, Span, Spanned, Sql, Step, StepBody, StepTemplate, Use,
        Value,
    },
    codes,
    parse::MAX_DIAGNOSTICS,
    suggest::{closest, did_you_mean, list_of},
    variables::{Reference, references},
};
use std::collections::BTreeMap;

/// The file `steps/<domain>.dsl` that a file means: the one in the nearest folder above it, else the first of the project.
fn domain_file(project: &Project, from: FileId, domain: &str) -> Option<FileId> {
    let wanted = format!("steps/{domain}.dsl");
    let path = project.sources.get(from).map_or("", |f| f.path.as_str());
    let mut folder = path;
    loop {
        folder = folder.rfind('/').map_or("", |i| &folder[..i]);
        let candidate = if folder.is_empty() { wanted.clone() } else { format!("{folder}/{wanted}") };
        if let Some((id, _)) = project.sources.iter().find(|(_, f)| f.path == candidate) {
            return Some(id);
        }
        if folder.is_empty() {
            break;
        }
    }
    let suffix = format!("/{wanted}");
    project.sources.iter().find(|(_, f)| f.path.ends_with(&suffix)).map(|(id, _)| id)
}

/// Domains that have a file.
fn domains(project: &Project) -> impl Iterator<Item = &str> {
    project.sources.iter().filter_map(|(_, f)| {
        let (folder, name) = f.path.rsplit_once('/')?;
        (folder == "steps" || folder.ends_with("/steps")).then(|| name.strip_suffix(".dsl")).flatten()
    })
}

fn template_in<'p>(project: &'p Project, file: FileId, name: &str) -> Option<&'p StepTemplate> {
    project.document(file)?.steps.iter().find(|t| t.name.value == name)
}

fn template<'p>(project: &'p Project, from: FileId, uses: &Use) -> Option<(FileId, &'p StepTemplate)> {
    let file = match &uses.domain {
        Some(domain) => domain_file(project, from, &domain.value)?,
        None => from,
    };
    template_in(project, file, &uses.template.value).map(|t| (file, t))
}

/// A step with its lines, wherever they stand.
pub(super) fn resolve(project: &Project, file: FileId, step: &Step) -> Option<ResolvedStep> {
    let Some(uses) = &step.uses else {
        return Some(ResolvedStep { step: step.clone(), body: step.body.clone(), body_file: file, arguments: BTreeMap::new() });
    };
    let (body_file, template) = template(project, file, uses)?;
    let mut arguments: BTreeMap<String, Value> = BTreeMap::new();
    for param in &template.params {
        let given = uses.args.iter().find(|a| a.name.value == param.name.value).map(|a| &a.value);
        let value = given.or(param.default.as_ref())?;
        arguments.insert(param.name.value.clone(), value.value.clone());
    }
    Some(ResolvedStep { step: step.clone(), body: durations::put_in(template, uses)?, body_file, arguments })
}

/// Checks the reusable steps that a scenario names.
pub(super) fn check(project: &Project, file: FileId, scenario: &Scenario, found: &mut Vec<Diagnostic>) {
    for step in &scenario.steps {
        let Some(uses) = &step.uses else { continue };
        if found.len() >= MAX_DIAGNOSTICS {
            return;
        }
        match template(project, file, uses) {
            Some((template_file, template)) => {
                check_arguments(file, uses, step, template_file, template, found);
                durations::check(file, uses, step, template_file, template, found);
            }
            None => found.push(missing(project, file, uses, step)),
        }
    }
}

fn missing(project: &Project, file: FileId, uses: &Use, step: &Step) -> Diagnostic {
    let name = &uses.template;
    if let Some(domain) = &uses.domain {
        let Some(domain_file) = domain_file(project, file, &domain.value) else {
            let d = Diagnostic::error(codes::TEMPLATE_UNKNOWN, file, domain.span, format!("there is no file `steps/{}.dsl`", domain.value));
            let hint = did_you_mean(&domain.value, domains(project));
            return d.hint(hint.unwrap_or_else(|| {
                "reusable steps of a domain stand in `steps/<domain>.dsl`; a step with lines of its own needs no file".into()
            }));
        };
        let path = project.sources.get(domain_file).map_or("", |f| f.path.as_str());
        let names: Vec<&str> = project.document(domain_file).iter().flat_map(|d| d.steps.iter().map(|t| t.name.value.as_str())).collect();
        let d = Diagnostic::error(codes::TEMPLATE_UNKNOWN, file, name.span, format!("`{path}` has no step `{}`", name.value));
        return match (did_you_mean(&name.value, names.iter().copied()), names.is_empty()) {
            (Some(hint), _) => d.hint(hint),
            (None, true) => d.hint(format!("add `Step: {}` to it", name.value)),
            (None, false) => d.hint(format!("it has {}", list_of(&names))),
        };
    }
    let here: Vec<&str> = project.document(file).iter().flat_map(|d| d.steps.iter().map(|t| t.name.value.as_str())).collect();
    let close = closest(&name.value, here.iter().copied());
    let elsewhere =
        domains(project).find(|d| domain_file(project, file, d).is_some_and(|f| template_in(project, f, &name.value).is_some()));
    let own_name = name.span == step.name.span;
    let (code, message) = if own_name {
        (codes::STEP_EMPTY, format!("the step `{}` has no lines", name.value))
    } else {
        (codes::TEMPLATE_UNKNOWN, format!("this file has no reusable step `{}`", name.value))
    };
    let hint = match (close, elsewhere) {
        (_, Some(domain)) => format!("there is one in `steps/{domain}.dsl`: add `domain={domain}`"),
        (Some(close), None) => format!("did you mean `{close}`?"),
        (None, None) if own_name => "add `@when`, `@do` or `@then` lines below, or `domain=` for a reusable step".into(),
        (None, None) => format!("add `Step: {}` to this file, or `domain=`", name.value),
    };
    Diagnostic::error(code, file, name.span, message).hint(hint)
}

fn check_arguments(file: FileId, uses: &Use, step: &Step, template_file: FileId, template: &StepTemplate, found: &mut Vec<Diagnostic>) {
    let names: Vec<&str> = template.params.iter().map(|p| p.name.value.as_str()).collect();
    for arg in &uses.args {
        if names.contains(&arg.name.value.as_str()) {
            continue;
        }
        let message = format!("`{}` has no parameter `{}`", template.name.value, arg.name.value);
        let hint = did_you_mean(&arg.name.value, names.iter().copied().chain(crate::parse::STEP_OPTIONS)).unwrap_or_else(|| {
            if names.is_empty() {
                format!("`{}` takes no arguments", template.name.value)
            } else {
                format!("its parameters are {}", list_of(&names))
            }
        });
        let d = Diagnostic::error(codes::TEMPLATE_ARGUMENT, file, arg.name.span, message).hint(hint);
        found.push(d.related(template_file, template.name.span, "the reusable step"));
    }
    let mistyped: Vec<&str> = uses.args.iter().filter_map(|a| closest(&a.name.value, names.iter().copied())).collect();
    for param in &template.params {
        let name = param.name.value.as_str();
        let given = uses.args.iter().any(|a| a.name.value == name) || mistyped.contains(&name);
        if param.default.is_none() && !given {
            let message = format!("`{}` needs the argument `{}`", template.name.value, param.name.value);
            let d = Diagnostic::error(codes::TEMPLATE_ARGUMENT, file, step.annotation.span, message)
                .related(template_file, param.name.span, "the parameter has no default")
                .hint(format!("add `{}=…`", param.name.value));
            found.push(d);
        }
    }
}

/// Checks what a file's reusable steps say by themselves: names, and references to parameters.
pub(super) fn check_templates(file: FileId, document: &Document, found: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for template in &document.steps {
        if let Some(first) = seen.insert(&template.name.value, template.name.span) {
            let message = format!("two reusable steps are called `{}`", template.name.value);
            found.push(Diagnostic::error(codes::DUPLICATE_NAME, file, template.name.span, message).related(file, first, "the first one"));
        }
        durations::check_defaults(file, template, found);
        let names: Vec<&str> = template.params.iter().map(|p| p.name.value.as_str()).collect();
        for needed in template.durations.iter().filter(|d| !names.contains(&d.param.value.as_str())) {
            let name = &needed.param.value;
            let hint = did_you_mean(name, names.iter().copied())
                .unwrap_or_else(|| format!("add it to the heading: `Step: {}({name})`", template.name.value));
            let message = format!("the step `{}` has no parameter `{name}`", template.name.value);
            found.push(Diagnostic::error(codes::VARIABLE_UNKNOWN, file, needed.param.span, message).hint(hint));
        }
        for text in texts(&template.body) {
            for (range, inner) in references(&text.value) {
                let Some(Reference::Parameter(name)) = inner.and_then(Reference::read) else { continue };
                if names.contains(&name) {
                    continue;
                }
                let exact = (text.span.end - text.span.start) as usize == text.value.len();
                let start = text.span.start as usize;
                let span = if exact { Span::new(start + range.start, start + range.end) } else { text.span };
                let hint = did_you_mean(name, names.iter().copied())
                    .unwrap_or_else(|| format!("add it to the heading: `Step: {}({name})`", template.name.value));
                let message = format!("the step `{}` has no parameter `{name}`", template.name.value);
                found.push(Diagnostic::error(codes::VARIABLE_UNKNOWN, file, span, message).hint(hint));
            }
        }
    }
}

/// All texts of a step that may hold references.
fn texts(body: &StepBody) -> Vec<&Spanned<String>> {
    let mut all: Vec<&Spanned<String>> = body.when.iter().collect();
    fn named<'b>(items: &'b [NamedExpr], all: &mut Vec<&'b Spanned<String>>) {
        for item in items {
            all.extend(item.name.iter());
            all.push(&item.expr);
        }
    }
    for action in &body.actions {
        match &action.value {
            Action::Set(items) | Action::Select(items) => named(items, &mut all),
            Action::Drop(names) | Action::Union(names) => all.extend(names),
            Action::Rename(pairs) => all.extend(pairs.iter().flat_map(|(a, b)| [a, b])),
            Action::Keep(expr) => all.push(expr),
            Action::Unnest(u) => all.extend(std::iter::once(&u.column).chain(&u.alias).chain(&u.ordinality)),
            Action::Split(arms) => all.extend(arms.iter().flat_map(|a| std::iter::once(&a.port).chain(&a.when))),
            Action::Aggregate(a) => {
                named(&a.outputs, &mut all);
                named(&a.by, &mut all);
                all.extend(&a.having);
            }
            Action::Iterate(i) => {
                named(&i.outputs, &mut all);
                named(&i.by, &mut all);
            }
            Action::Join(j) => all.extend([&j.input, &j.on].into_iter().chain(&j.alias)),
            Action::Top(t) => {
                all.push(&t.order);
                named(&t.per, &mut all);
                all.extend(&t.rank_as);
            }
            Action::Deduplicate(d) => {
                named(&d.by, &mut all);
                all.extend(&d.order);
            }
            Action::Neighbours(n) => {
                named(&n.values, &mut all);
                named(&n.per, &mut all);
                all.extend(&n.order);
            }
            Action::Running(r) => {
                named(&r.values, &mut all);
                named(&r.per, &mut all);
                all.extend(&r.order);
            }
            Action::Match(m) => {
                all.extend(m.conditions.iter().flat_map(|c| [&c.event, &c.condition]));
                m.pattern.value.events(&mut |name| all.push(name));
                all.extend(m.ending.iter().chain(&m.order).chain(&m.partial));
                if let Some(AfterMatch::ToFirst(name) | AfterMatch::ToLast(name)) = m.after.as_ref().map(|a| &a.value) {
                    all.push(name);
                }
                named(&m.per, &mut all);
                named(&m.give, &mut all);
            }
            Action::Privacy(p) => all.extend(p.columns.iter().chain(&p.with)),
            Action::Sql(Sql { text, .. }) | Action::Other { text, .. } => all.push(text),
        }
    }
    for expectation in &body.expectations {
        match &expectation.value {
            Expectation::Row { expr, otherwise } => {
                all.push(expr);
                if let Otherwise::Tag(name) = otherwise {
                    all.push(name);
                }
            }
            Expectation::Share { expr, .. } => all.push(expr),
            Expectation::Volume { .. } => {}
        }
    }
    all
}
