//! The text form: one block for each node, in order, wrapped for a terminal.

use super::{
    facts::{Column, Facts, NodeFacts},
    words::duration,
};
use std::collections::BTreeMap;

/// Where lines break, in characters.
const WIDTH: usize = 100;
/// Where a block's contents start: after the longest label and its margin.
const INDENT: usize = 16;

pub(super) fn render(facts: &Facts) -> String {
    let mut out = format!("{}\n", facts.scenario);
    let nodes = if facts.nodes.len() == 1 { "1 node".to_owned() } else { format!("{} nodes", facts.nodes.len()) };
    let end = if facts.ends { "ends when its input ends" } else { "runs until it is stopped" };
    out.push_str(&format!("{nodes}; {end}.\n"));
    for node in &facts.nodes {
        out.push('\n');
        block(node, &mut out);
    }
    out
}

fn block(node: &NodeFacts, out: &mut String) {
    let what = match (&node.source, &node.sink) {
        (Some(source), _) => format!("source: {}", source.connector),
        (_, Some(sink)) => format!("sink: {}", sink.connector),
        _ => node.operator.to_owned(),
    };
    let reads: Vec<String> = node.inputs.iter().map(|i| format!("#{} {}", i.id, i.name)).collect();
    let reads = if reads.is_empty() { String::new() } else { format!("  <- {}", reads.join(", ")) };
    out.push_str(&format!("#{} {}  ({what}){reads}\n", node.id, node.name));
    source(node, out);
    for line in &node.work {
        let step = line.step.as_ref().map(|s| format!("  [{s}]")).unwrap_or_default();
        entry(line.what, &format!("{}{step}", line.text), out);
    }
    travel(node, out);
    sink(node, out);
    if node.sink.is_none() {
        columns(&node.columns, node.inputs.is_empty(), out);
        stream(node, out);
        if let Some(time) = &node.event_time {
            let shift = match time.shift_us {
                0 => String::new(),
                us if us < 0 => format!(" less {}", duration(us.saturating_neg())),
                us => format!(" and {}", duration(us)),
            };
            entry("event time", &format!("{}{shift}", time.column), out);
        }
        if node.source.is_none() {
            match node.watermark_of.as_slice() {
                [] => {}
                [one] => entry("watermark", &format!("that of {one}"), out),
                several => entry("watermark", &format!("the lowest of {}", several.join(", ")), out),
            }
        }
        if node.state.kind != "none" {
            entry("state", &node.state.words, out);
        }
    }
}

fn source(node: &NodeFacts, out: &mut String) {
    let Some(source) = &node.source else { return };
    options(&source.options, out);
    let all = source.columns_read == source.columns_of;
    let reads = if all {
        format!("all {} columns", source.columns_of)
    } else {
        format!("{} of {} columns", source.columns_read, source.columns_of)
    };
    entry("reads", &reads, out);
    if !source.leaves_out_unless.is_empty() {
        entry("only rows", &format!("with {} (a source may skip the others undecoded)", source.leaves_out_unless.join(" and ")), out);
    }
    if source.lookup {
        return entry("asked", "for the rows of keys, by the joins that need them; not read", out);
    }
    let epochs = if source.epochs == "volume" { "cut by volume, so that every run is the same" } else { "cut by the clock" };
    entry("epochs", epochs, out);
    if source.preload {
        entry("order", "read completely before any other source starts", out);
    }
    if node.event_time.is_some() {
        let idle = match (node.ends, source.advance_when_idle) {
            (true, _) => String::new(),
            (false, true) => format!("; after {} without rows the clock carries it on", duration(source.idle_us)),
            (false, false) => format!("; a partition without rows for {} no longer holds it", duration(source.idle_us)),
        };
        let late = if source.lateness_us == 0 {
            "the highest event time".to_owned()
        } else {
            format!("the highest event time less {}", duration(source.lateness_us))
        };
        entry("watermark", &format!("{late}{idle}"), out);
    }
}

fn options(options: &BTreeMap<String, String>, out: &mut String) {
    let plain = |v: &String| !v.is_empty() && !v.contains([' ', ',', '"', '=']);
    let shown = options.iter().map(|(k, v)| if plain(v) { format!("{k}={v}") } else { format!("{k}={v:?}") });
    let shown = shown.collect::<Vec<_>>().join(", ");
    if !shown.is_empty() {
        entry("options", &shown, out);
    }
}

fn travel(node: &NodeFacts, out: &mut String) {
    for input in node.inputs.iter().filter(|i| matches!(i.travel, "by key" | "to all workers")) {
        let by = match (input.travel, input.by.as_slice()) {
            ("by key", []) => "to one worker".to_owned(),
            ("by key", key) => format!("by {}", key.join(", ")),
            (other, _) => other.to_owned(),
        };
        entry("exchange", &format!("#{} {by}", input.id), out);
    }
}

fn sink(node: &NodeFacts, out: &mut String) {
    let Some(sink) = &node.sink else { return };
    options(&sink.options, out);
    let key = if sink.key.is_empty() { String::new() } else { format!(", by key {}", sink.key.join(", ")) };
    entry("gets", &format!("{}{key}", if sink.gets == "rows" { "rows, each once" } else { "changes: rows, and rows taken back" }), out);
    entry("delivery", sink.delivery.as_str(), out);
    entry("columns", &node.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "), out);
}

fn columns(columns: &[Column], starts_here: bool, out: &mut String) {
    let name = columns.iter().map(|c| c.name.chars().count()).max().unwrap_or(0);
    let ty = columns.iter().map(|c| c.ty.chars().count()).max().unwrap_or(0);
    for (i, column) in columns.iter().enumerate() {
        let label = if i == 0 { "columns" } else { "" };
        let from = match (starts_here, column.from.is_empty(), column.direct) {
            (true, ..) => String::new(),
            (_, true, _) => "from no column".to_owned(),
            (_, _, true) => format!("from {}", column.from.join(", ")),
            (_, _, false) => format!("computed from {}", column.from.join(", ")),
        };
        let text = format!("{:name$}  {:ty$}  {from}", column.name, column.ty);
        entry(label, text.trim_end(), out);
    }
}

fn stream(node: &NodeFacts, out: &mut String) {
    let kind = match node.stream.kind {
        "upsert" => "a row replaces the one before it with the same key",
        "changelog" => "changelog: rows come, and are taken back",
        other => other,
    };
    let key = if node.stream.key.is_empty() { String::new() } else { format!("; key {}", node.stream.key.join(", ")) };
    let end = if node.ends { "; ends" } else { "" };
    entry("stream", &format!("{kind}{key}{end}"), out);
}

/// A label and its text. Text that is too long goes on below itself, broken at spaces; runs of spaces inside it stay.
fn entry(label: &str, text: &str, out: &mut String) {
    let mut line = format!("    {label:<width$}", width = INDENT - 4);
    let mut used = INDENT;
    let mut at_start = true;
    for word in text.split_inclusive(' ') {
        let length = word.trim_end().chars().count();
        if !at_start && used + length > WIDTH {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(INDENT + 2);
            used = INDENT + 2;
        }
        line.push_str(word);
        used += word.chars().count();
        at_start = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}
