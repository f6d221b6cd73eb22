//! `docs/connectors.md` lists the options that connectors have.

use super::{Page, row};
use runink_connector_api::{OptionKind, OptionSpec, Registry};
use std::fmt::Write;

fn takes(kind: OptionKind) -> String {
    match kind {
        OptionKind::Text => "text".into(),
        OptionKind::Path => "path".into(),
        OptionKind::Count => "whole number".into(),
        OptionKind::Number => "number".into(),
        OptionKind::Flag => "`true` or `false`".into(),
        OptionKind::Duration => "duration".into(),
        OptionKind::Bytes => "size".into(),
        OptionKind::Columns => "column, or a list of columns".into(),
        OptionKind::OneOf(words) => words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "),
    }
}

fn table(side: &str, options: Option<&[OptionSpec]>) -> String {
    match options {
        None => format!("No {side}.\n"),
        Some([]) => format!("As a {side}, without options of its own.\n"),
        Some(options) => {
            let mut text = format!("As a {side}:\n\n{}|---|---|---|---|\n", row(&["option", "takes", "default", "meaning"]));
            let (native, own): (Vec<_>, Vec<_>) = options.iter().partition(|o| o.about == runink_kafka::NATIVE_ABOUT);
            for option in own {
                let default = match option.default {
                    Some(default) => format!("`{default}`"),
                    None if option.required => "required".into(),
                    None => String::new(),
                };
                text += &row(&[&format!("`{}`", option.name), &takes(option.kind), &default, option.about]);
            }
            if !native.is_empty() {
                let names: Vec<_> = native.iter().map(|o| format!("`{}`", o.name)).collect();
                write!(text, "\nOptions of librdkafka, handed on as they are: {}.\n", names.join(", ")).unwrap();
            }
            text
        }
    }
}

#[test]
fn the_page_lists_every_option_of_every_connector() {
    let registry =
        Registry::new(runink_files::connectors().into_iter().chain(runink_generators::connectors()).chain(runink_kafka::connectors()));
    let mut page = Page::open("connectors.md");
    let mut overview = format!("{}|---|---|---|---|\n", row(&["`type=`", "source", "sink", "what it does"]));
    for spec in registry.specs() {
        let mark = |has: bool| if has { "yes" } else { "" };
        overview += &row(&[&format!("`{}`", spec.name), mark(spec.source.is_some()), mark(spec.sink.is_some()), spec.about]);
        let mut options = table("source", spec.source);
        write!(options, "\n{}", table("sink", spec.sink)).unwrap();
        page.part(&format!("options of {}", spec.name), &options);
    }
    page.part("connectors", &overview);
    page.compare();
}
