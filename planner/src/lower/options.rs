//! Options of sources and sinks, checked against what the connector accepts.

use super::{Heard, Lowering, Said, Texts};
use crate::{catalogue as codes, names};
use runink_connector_api::{ConnectorSpec, OptionKind, OptionSpec, OptionValue, Options};
use runink_dsl::ast::{Annotation, Arg, Name, Spanned, Value};
use runink_dsl::{suggest, units};
use std::collections::BTreeMap;

/// Options of every source, which are the planner's own.
pub(super) const SOURCE_OPTIONS: &[&str] = &["name", "type", "contract", "time", "lateness", "idle", "advance_when_idle", "key"];
/// Options of every sink, which are the planner's own.
pub(super) const SINK_OPTIONS: &[&str] = &["name", "type", "from", "key", "delivery", "changes"];

impl Lowering<'_> {
    /// The connector of that name.
    pub(super) fn connector(&mut self, name: &Name) -> Heard<&'static ConnectorSpec> {
        let all = self.input.connectors;
        if let Some(spec) = all.iter().find(|s| s.name == name.value) {
            return Ok(spec);
        }
        let hint = names::hint(&name.value, "connectors", all.iter().map(|s| s.name));
        let message = format!("there is no connector `{}`", name.value);
        Err(self.error(codes::UNKNOWN_CONNECTOR, self.input.scenario.id.file, name.span, message, hint))
    }

    /// Checks the connector's options of a source or sink. Everything that is wrong with them is said.
    pub(super) fn options(
        &mut self,
        texts: Texts<'_>,
        annotation: &Annotation,
        connector: &str,
        specs: &[OptionSpec],
        own: &[&str],
    ) -> Heard<Options> {
        let mut options = BTreeMap::new();
        let mut failed = false;
        for arg in annotation.args.iter().filter(|a| !own.contains(&a.name.value.as_str())) {
            let name = arg.name.value.as_str();
            let Some(spec) = specs.iter().find(|s| s.name == name) else {
                let hint = names::hint(name, "options", specs.iter().map(|s| s.name).chain(own.iter().copied()));
                let message = format!("`{connector}` has no option `{name}` here");
                self.error(codes::UNKNOWN_OPTION, texts.file, arg.name.span, message, hint);
                failed = true;
                continue;
            };
            match self.option(texts, arg, spec) {
                Ok(value) => {
                    options.insert(name.to_owned(), value);
                }
                Err(Said) => failed = true,
            }
        }
        for spec in specs.iter().filter(|s| annotation.get(s.name).is_none()) {
            let misspelt =
                |a: &Arg| !specs.iter().any(|s| s.name == a.name.value) && suggest::closest(&a.name.value, [spec.name]).is_some();
            if spec.required && annotation.args.iter().any(misspelt) {
                // Said already, as the option that it was written as.
                continue;
            }
            if spec.required {
                let message = format!("`{connector}` needs `{}`", spec.name);
                let hint = format!("add `{}=…`: {}", spec.name, spec.about);
                self.error(codes::MISSING_OPTION, texts.file, annotation.name.span, message, hint);
                failed = true;
            } else if let Some(default) = spec.default {
                match read(spec.kind, default) {
                    Ok(value) => {
                        options.insert(spec.name.to_owned(), value);
                    }
                    Err(why) => {
                        let message = format!("the default of `{}` of `{connector}` is wrong: {why}", spec.name);
                        self.error(codes::INTERNAL, texts.file, annotation.name.span, message, "this is a bug of Runink: please report it");
                        failed = true;
                    }
                }
            }
        }
        if failed { Err(Said) } else { Ok(Options(options)) }
    }

    fn option(&mut self, texts: Texts<'_>, arg: &Arg, spec: &OptionSpec) -> Heard<OptionValue> {
        let value = &arg.value;
        let given = match (&value.value, spec.kind) {
            (Value::List(items), OptionKind::Columns) => return self.words(texts, items).map(OptionValue::Columns),
            (Value::List(_), _) => Err("a list".to_owned()),
            (Value::Int(n), OptionKind::Count) => u64::try_from(*n).map(OptionValue::Count).map_err(|_| n.to_string()),
            (Value::Int(n), OptionKind::Number) => Ok(OptionValue::Number(*n as f64)),
            (Value::Float(n), OptionKind::Number) => Ok(OptionValue::Number(*n)),
            (Value::Bool(b), OptionKind::Flag) => Ok(OptionValue::Flag(*b)),
            (Value::Duration(d), OptionKind::Duration) => Ok(OptionValue::Duration(d.0)),
            (Value::Bytes(b), OptionKind::Bytes) => Ok(OptionValue::Bytes(*b)),
            (Value::Int(n), OptionKind::Bytes) => u64::try_from(*n).map(OptionValue::Bytes).map_err(|_| n.to_string()),
            _ => {
                let text = self.plain_text(texts, value)?;
                read(spec.kind, &text).map_err(|why| if why.is_empty() { format!("`{text}`") } else { format!("`{text}`: {why}") })
            }
        };
        given.map_err(|given| {
            let message = format!("`{}` takes {}, not {given}", spec.name, kind_name(spec.kind));
            self.error(codes::OPTION_VALUE, texts.file, value.span, message, kind_hint(spec, &given))
        })
    }

    /// A value as text, with its variables put in place.
    pub(super) fn plain_text(&mut self, texts: Texts<'_>, value: &Spanned<Value>) -> Heard<String> {
        Ok(match &value.value {
            Value::Text(text) => self.text(texts, text, value.span, false)?.text,
            Value::Variable(text) if text.starts_with("${") => self.text(texts, text, value.span, false)?.text,
            Value::Variable(name) => self.text(texts, &format!("${{{name}}}"), value.span, false)?.text,
            Value::Word(word) => word.clone(),
            Value::Int(n) => n.to_string(),
            Value::Float(n) => n.to_string(),
            Value::Bool(b) => b.to_string(),
            Value::Duration(d) => units::show_duration(*d),
            Value::Bytes(b) => b.to_string(),
            Value::Versioned { name, version } => format!("{name}@{version}"),
            Value::List(_) => {
                return Err(self.error(
                    codes::OPTION_VALUE,
                    texts.file,
                    value.span,
                    "one value is expected here, not a list",
                    "leave the brackets out",
                ));
            }
        })
    }

    /// A list of names, or one.
    pub(super) fn word_list(&mut self, texts: Texts<'_>, value: &Spanned<Value>) -> Heard<Vec<String>> {
        match &value.value {
            Value::List(items) => self.words(texts, items),
            _ => Ok(vec![self.plain_text(texts, value)?]),
        }
    }

    fn words(&mut self, texts: Texts<'_>, items: &[Spanned<Value>]) -> Heard<Vec<String>> {
        items.iter().map(|item| self.plain_text(texts, item)).collect()
    }

    /// A duration of the planner's own options.
    pub(super) fn duration_option(&mut self, texts: Texts<'_>, annotation: &Annotation, name: &str, default_us: i64) -> Heard<i64> {
        let Some(value) = annotation.get(name) else { return Ok(default_us) };
        if let Value::Duration(d) = &value.value {
            return Ok(d.0);
        }
        let text = self.plain_text(texts, value)?;
        units::duration(&text).map(|d| d.0).map_err(|e| {
            self.error(codes::OPTION_VALUE, texts.file, value.span, format!("`{name}` takes a duration, not `{text}`"), e.hint())
        })
    }

    /// A flag of the planner's own options.
    pub(super) fn flag_option(&mut self, texts: Texts<'_>, annotation: &Annotation, name: &str, default: bool) -> Heard<bool> {
        let Some(value) = annotation.get(name) else { return Ok(default) };
        let text = self.plain_text(texts, value)?;
        match text.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => {
                let message = format!("`{name}` takes `true` or `false`, not `{text}`");
                Err(self.error(codes::OPTION_VALUE, texts.file, value.span, message, "write one of the two"))
            }
        }
    }
}

/// A value from its text; the error says why not, where that helps.
fn read(kind: OptionKind, text: &str) -> Result<OptionValue, String> {
    let none = |_| String::new();
    match kind {
        OptionKind::Text | OptionKind::Path => Ok(OptionValue::Text(text.to_owned())),
        OptionKind::Count => text.parse().map(OptionValue::Count).map_err(|_| String::new()),
        OptionKind::Number => text.parse().map(OptionValue::Number).map_err(|_| String::new()),
        OptionKind::Flag => text.parse().map(OptionValue::Flag).map_err(|_| String::new()),
        OptionKind::Duration => units::duration(text).map(|d| OptionValue::Duration(d.0)).map_err(|e| e.to_string()),
        OptionKind::Bytes => match units::bytes(text) {
            Some(bytes) => bytes.map(OptionValue::Bytes).map_err(|e| e.to_string()),
            None => text.parse().map(OptionValue::Bytes).map_err(|e: std::num::ParseIntError| none(e)),
        },
        OptionKind::OneOf(words) => match words.contains(&text) {
            true => Ok(OptionValue::Text(text.to_owned())),
            false => Err(String::new()),
        },
        OptionKind::Columns => Ok(OptionValue::Columns(text.split(',').map(|c| c.trim().to_owned()).filter(|c| !c.is_empty()).collect())),
    }
}

fn kind_name(kind: OptionKind) -> String {
    match kind {
        OptionKind::Text => "a text".into(),
        OptionKind::Path => "a path".into(),
        OptionKind::Count => "a whole number from 0".into(),
        OptionKind::Number => "a number".into(),
        OptionKind::Flag => "`true` or `false`".into(),
        OptionKind::Duration => "a duration".into(),
        OptionKind::Bytes => "a size in bytes".into(),
        OptionKind::OneOf(words) => suggest::list_of(words),
        OptionKind::Columns => "names of columns".into(),
    }
}

fn kind_hint(spec: &OptionSpec, given: &str) -> String {
    let example = match spec.kind {
        OptionKind::Duration => format!("for example `{}=5s`", spec.name),
        OptionKind::Bytes => format!("for example `{}=64MiB`", spec.name),
        OptionKind::OneOf(words) => suggest::did_you_mean(given.trim_matches('`'), words.iter().copied())
            .unwrap_or_else(|| format!("for example `{}={}`", spec.name, words.first().unwrap_or(&"…"))),
        OptionKind::Columns => format!("for example `{}=[a, b]`", spec.name),
        OptionKind::Count | OptionKind::Number => format!("for example `{}=100`", spec.name),
        OptionKind::Flag => format!("for example `{}=true`", spec.name),
        OptionKind::Text | OptionKind::Path => format!("for example `{}=\"…\"`", spec.name),
    };
    let between = if example.ends_with('?') { " It is" } else { ";" };
    format!("{example}{between} {}", spec.about)
}
