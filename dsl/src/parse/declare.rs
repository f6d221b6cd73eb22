//! Annotations that declare something: `@source`, `@sink`, `@step`.

use super::{blocks::Blocks, cursor::quote, steps::Body};
use crate::{
    ast::{Annotation, Arg, Name, Sink, Source, Span, Spanned, Step, Use, Value},
    codes,
    suggest::closest,
};

/// Arguments of `@step` that are the language's own; others are arguments of a reusable step.
pub(crate) const STEP_OPTIONS: [&str; 6] = ["name", "from", "domain", "use", "affinity", "keep"];

/// The stream of rejected rows; no step can have its name.
pub(crate) const REJECTED: &str = "rejected";

impl Blocks<'_> {
    pub(crate) fn source(&mut self, annotation: Annotation) -> Option<Source> {
        let name = self.name_arg(&annotation, "name", true);
        let connector = self.name_arg(&annotation, "type", true);
        Some(Source { name: name??, connector: connector??, annotation })
    }

    pub(crate) fn sink(&mut self, annotation: Annotation) -> Option<Sink> {
        let name = self.name_arg(&annotation, "name", false);
        let connector = self.name_arg(&annotation, "type", true);
        let from = match annotation.get("from") {
            Some(value) => self.input(value).map(Some),
            None => Some(None),
        };
        Some(Sink { name: name?, connector: connector??, from: from?, annotation })
    }

    pub(crate) fn step_of(&mut self, annotation: Annotation, body: Body, span: Span) -> Option<Step> {
        let name = self.name_arg(&annotation, "name", true)??;
        let mut from = Vec::new();
        match annotation.get("from").map(|v| (v, &v.value)) {
            Some((_, Value::List(items))) => {
                for item in items {
                    from.extend(self.input(item));
                }
            }
            Some((value, _)) => from.extend(self.input(value)),
            None => {}
        }
        let domain = self.name_arg(&annotation, "domain", false)?;
        let template = self.name_arg(&annotation, "use", false)?;
        let empty = !body.has_lines;
        if let (Some(template), false) = (&template, empty) {
            let d = self
                .out
                .error(codes::STEP_EMPTY, template.span, format!("the step `{}` has lines of its own and uses another one", name.value))
                .hint("remove `use=`, or move the lines into a step of their own");
            self.out.report(d);
        }
        if !empty {
            self.close_options(&annotation);
        }
        let args = || annotation.args.iter().filter(|a| !STEP_OPTIONS.contains(&a.name.value.as_str())).cloned().collect::<Vec<Arg>>();
        let uses = empty.then(|| Use { domain, template: template.unwrap_or_else(|| name.clone()), args: args() });
        Some(Step { name, from, uses, body: body.lines, prose: body.prose, annotation, span })
    }

    /// Arguments of a step with lines are options; one that is close to an option is a typo.
    fn close_options(&mut self, annotation: &Annotation) {
        for arg in &annotation.args {
            if !STEP_OPTIONS.contains(&arg.name.value.as_str())
                && let Some(meant) = closest(&arg.name.value, STEP_OPTIONS)
            {
                let d = self
                    .out
                    .error(codes::ARGUMENT_SYNTAX, arg.name.span, format!("`{}` is not an argument of `@step`", arg.name.value))
                    .hint(format!("did you mean `{meant}`?"));
                self.out.report(d);
            }
        }
    }

    /// The name that an argument holds: `None` where it is wrong (reported), `Some(None)` where it is absent and may be.
    fn name_arg(&mut self, annotation: &Annotation, key: &str, required: bool) -> Option<Option<Name>> {
        let Some(value) = annotation.get(key) else {
            if required && self.broken {
                return None;
            }
            if required {
                let close = closest(key, annotation.args.iter().map(|a| a.name.value.as_str()));
                let d =
                    self.out.error(codes::ARGUMENT_MISSING, annotation.name.span, format!("`@{}` needs `{key}=`", annotation.name.value));
                let hint = match (close, key) {
                    (Some(close), _) => format!("did you mean `{key}` where it says `{close}`?"),
                    (None, "type") => "say which connector it is, for example `type=file`".into(),
                    (None, _) => format!("give it a name: `{key}=…`"),
                };
                self.out.report(d.hint(hint));
                return None;
            }
            return Some(None);
        };
        let text = match &value.value {
            Value::Word(text) | Value::Text(text) => text.clone(),
            Value::Int(_) | Value::Bool(_) | Value::Duration(_) | Value::Bytes(_) | Value::Float(_) => {
                self.out.text[value.span.range()].to_owned()
            }
            Value::Versioned { .. } | Value::Variable(_) | Value::List(_) => {
                let shown = quote(&self.out.text[value.span.range()]);
                let d = self.out.error(codes::VALUE, value.span, format!("{shown} is not a name"));
                self.out.report(d.hint("a name is one word of letters, digits and `_`"));
                return None;
            }
        };
        if key == "name" || key == "use" {
            let word = text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_');
            if !word {
                let d = self.out.error(codes::VALUE, value.span, format!("{} is not a name", quote(&text)));
                let fixed: String = text.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
                self.out.report(d.hint(format!("a name is one word of letters, digits and `_`: {}", quote(&fixed))));
                return None;
            }
            if text == REJECTED && annotation.name.value != "sink" {
                let d = self.out.error(codes::DUPLICATE_NAME, value.span, "`rejected` is the stream of rejected rows");
                self.out.report(d.hint("choose another name"));
                return None;
            }
        }
        Some(Some(Spanned::new(text, value.span)))
    }

    /// `Step`, `source` or `Step.port`.
    fn input(&mut self, value: &Spanned<Value>) -> Option<Name> {
        match &value.value {
            Value::Word(text) | Value::Text(text) => Some(Spanned::new(text.clone(), value.span)),
            _ => {
                let shown = quote(&self.out.text[value.span.range()]);
                let d = self.out.error(codes::VALUE, value.span, format!("{shown} is not the name of an input"));
                self.out.report(d.hint("name a source or a step; several stand in brackets: `from=[A, B]`"));
                None
            }
        }
    }
}
