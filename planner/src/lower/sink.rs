//! Sinks: what they read, their options, key and delivery.

use super::{
    Heard, Lowering, NewNode, Texts,
    options::SINK_OPTIONS,
    step::REJECTED,
    stream::{Column, Stream},
};
use crate::{ChangeForm, DELETED, DIFF, FormOp, Op, SinkOp, StateBound, StreamKind, catalogue as codes, names};
use arrow::datatypes::FieldRef;
use runink_connector_api::{Delivery, OptionValue, Options};
use runink_dsl::{
    ast::{Sink, Span, Spanned, Value},
    suggest,
};
use std::collections::BTreeSet;

/// Deliveries that the language knows.
const DELIVERIES: [&str; 2] = ["at-least-once", "exactly-once"];

impl Lowering<'_> {
    pub(super) fn sink(&mut self, at: usize) -> Heard<()> {
        let scenario = self.input.scenario;
        let (file, sink) = (scenario.id.file, &scenario.sinks[at]);
        let texts = Texts::of(file);
        let spec = self.connector(&sink.connector)?;
        let Some(specs) = spec.sink else {
            let writable: Vec<&str> = self.input.connectors.iter().filter(|c| c.sink.is_some()).map(|c| c.name).collect();
            let hint = names::list(&writable).map_or_else(String::new, |l| format!("sinks are {l}"));
            let message = format!("`{}` cannot be written: it has only sources", spec.name);
            return Err(self.error(codes::CONNECTOR_DIRECTION, file, sink.connector.span, message, hint));
        };
        // A connector may know better how its target takes changes.
        let its_own = specs.iter().any(|s| s.name == "changes");
        let known: Vec<&str> = SINK_OPTIONS.iter().copied().filter(|o| !(its_own && *o == "changes")).collect();
        let mut options = self.options(texts, &sink.annotation, spec.name, specs, &known);
        if let (Ok(options), Some(value)) = (&mut options, sink.annotation.get("delivery")) {
            // A connector that promises more may be asked for less.
            options.0.insert("delivery".into(), OptionValue::Text(self.plain_text(texts, value)?));
        }
        let promised = (spec.delivery)(options.as_ref().unwrap_or(&Options::default()));
        let delivery = match sink.annotation.get("delivery") {
            Some(value) => self.delivery(texts, spec.name, promised, value),
            None => Ok(()),
        };
        let mut stream = self.sink_input(sink)?;
        let mut key = match sink.annotation.get("key") {
            Some(value) => self.sink_key(texts, value, &stream)?,
            None => stream.key().to_vec(),
        };
        let (options, ()) = (options?, delivery?);
        let name = self.sink_name(at);
        if let Some(value) = sink.annotation.get("changes").filter(|_| !its_own) {
            let form = self.change_form(texts, value)?;
            (stream, key) = self.in_form(texts, (value.span, &name), form, stream, key)?;
        }
        self.push(NewNode {
            name,
            op: Op::Sink(SinkOp { connector: spec.name.to_owned(), options, key, delivery: promised }),
            inputs: vec![stream.node],
            columns: stream.columns,
            kind: stream.kind,
            time: stream.time,
            state: StateBound::Stateless,
            at: (file, sink.connector.span),
        });
        Ok(())
    }

    /// `from=`, or the last step before the sink, or the only source.
    fn sink_input(&mut self, sink: &Sink) -> Heard<Stream> {
        let scenario = self.input.scenario;
        let file = scenario.id.file;
        if let Some(from) = &sink.from {
            if from.value == REJECTED {
                return Ok(self.rejected((file, from.span)));
            }
            return self.input_stream(&from.value, file, from.span);
        }
        let before = scenario.steps.iter().rev().find(|s| s.step.span.start < sink.annotation.span.start).or(scenario.steps.last());
        match before {
            Some(step) => self.input_stream(&step.step.name.value, file, sink.connector.span),
            None => self.default_stream(file, sink.connector.span),
        }
    }

    fn change_form(&mut self, texts: Texts<'_>, value: &Spanned<Value>) -> Heard<ChangeForm> {
        let wanted = self.plain_text(texts, value)?;
        let words = ChangeForm::ALL.map(|(word, _)| word);
        let found = ChangeForm::ALL.iter().find(|(word, _)| *word == wanted).map(|(_, form)| *form);
        found.ok_or_else(|| {
            let hint = suggest::did_you_mean(&wanted, words).unwrap_or_else(|| format!("write {}", suggest::list_of(&words)));
            self.error(codes::CHANGE_FORM, texts.file, value.span, format!("`{wanted}` is not a form of changes"), hint)
        })
    }

    /// A sink's rows, with changes written in a form, and the sink's key among them.
    fn in_form(
        &mut self,
        texts: Texts<'_>,
        (span, name): (Span, &str),
        form: ChangeForm,
        stream: Stream,
        key: Vec<String>,
    ) -> Heard<(Stream, Vec<String>)> {
        let refuse = |this: &mut Self, message: String, hint: &str| Err(this.error(codes::CHANGE_FORM, texts.file, span, message, hint));
        if matches!(stream.kind, StreamKind::Upsert { .. }) && form != ChangeForm::Upsert {
            let message = format!("a keyed source says only what is new, and `{}` needs what was there before", form.as_str());
            return refuse(self, message, "write `changes=upsert`");
        }
        // Columns that are all the key are those of rows without one: they are told apart by what they are.
        let keyless = match &stream.kind {
            StreamKind::AppendOnly => key.is_empty(),
            _ => key.len() == stream.columns.len() && stream.key().len() == key.len(),
        };
        if form == ChangeForm::Upsert && keyless {
            let message = "`upsert` writes the newest row of each key, and these rows have no key of their own";
            return refuse(self, message.into(), "say which columns tell them apart: `key=…`; or write `changes=retract`");
        }
        let own = match form {
            ChangeForm::Retract => Some(DIFF),
            ChangeForm::Upsert => Some(DELETED),
            ChangeForm::Debezium => None,
        };
        if let Some(own) = own.filter(|own| stream.columns.iter().any(|c| c.name() == *own)) {
            let message = format!("the column `{own}` takes the name that `changes={}` needs", form.as_str());
            return refuse(self, message, "give the column another name with `rename`");
        }
        let places: Vec<usize> = key.iter().filter_map(|k| stream.columns.iter().position(|c| c.name() == k)).collect();
        let fields: Vec<FieldRef> = stream.columns.iter().map(|c| c.field.clone()).collect();
        let all_of: BTreeSet<_> = stream.columns.iter().flat_map(|c| c.from.iter().cloned()).collect();
        let made = form.fields(&fields, &places).into_iter().enumerate().map(|(i, field)| match stream.columns.get(i) {
            Some(column) if form != ChangeForm::Debezium => Column { field, ..column.clone() },
            _ if form == ChangeForm::Debezium => Column { from: all_of.clone(), ..Column::new(field) },
            _ => Column::new(field),
        });
        let written = self.push(NewNode {
            name: format!("{name} ({})", form.as_str()),
            op: Op::Form(FormOp { form, key: places }),
            inputs: vec![stream.node],
            columns: made.collect(),
            kind: StreamKind::AppendOnly,
            time: None,
            state: StateBound::Stateless,
            at: (texts.file, span),
        });
        let key = if form == ChangeForm::Debezium { Vec::new() } else { key };
        Ok((written, key))
    }

    fn sink_key(&mut self, texts: Texts<'_>, value: &Spanned<Value>, stream: &Stream) -> Heard<Vec<String>> {
        let key = self.word_list(texts, value)?;
        for name in &key {
            if !stream.columns.iter().any(|c| c.name() == name) {
                let hint = names::hint(name, "columns", stream.columns.iter().map(Column::name));
                return Err(self.error(
                    codes::SINK_KEY,
                    texts.file,
                    value.span,
                    format!("there is no column `{name}` to be the key"),
                    hint,
                ));
            }
        }
        Ok(key)
    }

    /// Every sink sends rows at least once; what none promises is refused.
    fn delivery(&mut self, texts: Texts<'_>, connector: &str, promised: Delivery, value: &Spanned<Value>) -> Heard<()> {
        let wanted = self.plain_text(texts, value)?;
        match wanted.as_str() {
            "at-least-once" => Ok(()),
            "exactly-once" if promised == Delivery::ExactlyOnce => Ok(()),
            "exactly-once" => {
                let message = format!("`{connector}` does not promise exactly-once delivery");
                let more = match promised {
                    Delivery::AtLeastOnce | Delivery::ExactlyOnce => "",
                    Delivery::Atomic => "; its output still appears complete or not at all",
                };
                let hint = format!("leave `delivery` out or write `delivery=at-least-once`{more}");
                Err(self.error(codes::DELIVERY, texts.file, value.span, message, hint))
            }
            _ => {
                let hint = suggest::did_you_mean(&wanted, DELIVERIES).unwrap_or_else(|| format!("write {}", suggest::list_of(&DELIVERIES)));
                Err(self.error(codes::DELIVERY, texts.file, value.span, format!("`{wanted}` is not a delivery"), hint))
            }
        }
    }

    /// A sink's own name, or its connector's, numbered where several have it.
    fn sink_name(&self, at: usize) -> String {
        let sinks = &self.input.scenario.sinks;
        let own = |s: &Sink| s.name.as_ref().map(|n| n.value.clone());
        if let Some(name) = own(&sinks[at]) {
            return name;
        }
        let connector = &sinks[at].connector.value;
        let taken = |name: &str| sinks.iter().any(|s| own(s).as_deref() == Some(name));
        let before = sinks[..at].iter().filter(|s| s.name.is_none() && s.connector.value == *connector).count();
        let mut number = before + 1;
        loop {
            let name = if number == 1 { connector.clone() } else { format!("{connector}_{number}") };
            if !taken(&name) {
                return name;
            }
            number += sinks.len();
        }
    }
}
