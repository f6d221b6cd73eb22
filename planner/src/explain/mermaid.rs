//! The drawing: a Mermaid flowchart, for Markdown and browsers.

use super::facts::{Facts, NodeFacts};

/// How much of a line of work is shown in a box, in characters.
const MAX_LINE: usize = 60;

pub(super) fn render(facts: &Facts) -> String {
    let mut out = String::from("flowchart TD\n");
    for node in &facts.nodes {
        let (open, close) = match node.operator {
            "source" => ("[(", ")]"),
            "sink" => ("[/", "/]"),
            "aggregate" | "table join" | "stream join" | "recursion" => ("{{", "}}"),
            _ => ("[", "]"),
        };
        out.push_str(&format!("  n{}{open}\"{}\"{close}\n", node.id, label(node)));
    }
    for node in &facts.nodes {
        for input in &node.inputs {
            let how = match (input.travel, input.by.as_slice()) {
                ("by key", []) => "|to one worker|".to_owned(),
                ("by key", key) => format!("|\"by {}\"|", escape(&key.join(", "))),
                ("to all workers", _) => "|to all workers|".to_owned(),
                _ => String::new(),
            };
            out.push_str(&format!("  n{} -->{how} n{}\n", input.id, node.id));
        }
    }
    out
}

fn label(node: &NodeFacts) -> String {
    let what = match (&node.source, &node.sink) {
        (Some(source), _) => format!("source: {}", source.connector),
        (_, Some(sink)) => format!("sink: {}", sink.connector),
        _ => node.operator.to_owned(),
    };
    let mut lines = vec![format!("<b>{}</b> ({})", escape(&node.name), escape(&what))];
    lines.extend(
        node.work.iter().filter(|l| !matches!(l.what, "phases" | "table")).map(|l| escape(&cut(&format!("{} {}", l.what, l.text)))),
    );
    if node.state.kind != "none" {
        lines.push(format!("<i>state: {}</i>", escape(&node.state.words)));
    }
    lines.join("<br/>")
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_LINE) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Mermaid reads quotes, markup and `#` inside labels as its own.
fn escape(text: &str) -> String {
    text.replace('#', "#35;").replace('&', "#amp;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;").replace('\n', " ")
}
