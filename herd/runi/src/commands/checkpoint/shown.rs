//! What `runi checkpoint` shows, as text and as JSON.

use runink_store::{Change, Entry, Kind, Manifest, NodeContents, border::Boundary};
use serde_json::{Value, json};
use std::fmt::Write;

/// How many bytes of a fact are shown.
const FACT_BYTES: usize = 200;

/// A time as a person reads it.
fn time(ms: u64) -> String {
    i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).map_or_else(|| ms.to_string(), |t| t.to_string())
}

fn boundary(at: Boundary) -> String {
    if at == Boundary::END { "the end".to_owned() } else { at.0.to_string() }
}

/// Bytes with a unit.
fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if n < 1000 {
        return format!("{n} B");
    }
    let mut value = n as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    format!("{value:.1} {unit}")
}

/// Lines whose columns stand below each other.
fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(width).collect();
    rows.iter().fold(String::new(), |mut text, row| {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
        text
    })
}

pub(super) fn list(scenario: &str, entries: &[Entry]) -> String {
    let mut rows = vec![["name", "number", "generation", "boundary", "made", "files", "size"].map(str::to_owned).to_vec()];
    let mut damaged = String::new();
    for entry in entries {
        let name = match &entry.kind {
            Kind::Checkpoint(number) => number.to_string(),
            Kind::Savepoint(name) => name.clone(),
        };
        match &entry.manifest {
            Ok(m) => rows.push(vec![
                name,
                m.number.to_string(),
                m.generation.0.to_string(),
                boundary(m.boundary),
                time(m.made_at_ms),
                m.files.len().to_string(),
                bytes(m.bytes()),
            ]),
            Err(error) => damaged.push_str(&format!("{error}\n")),
        }
    }
    format!("{scenario}\n{}{damaged}", columns(&rows))
}

fn manifest_json(m: &Manifest) -> Value {
    json!({
        "number": m.number.0,
        "generation": m.generation.0,
        "boundary": if m.boundary == Boundary::END { Value::Null } else { json!(m.boundary.0) },
        "made_at_ms": m.made_at_ms,
        "files": m.files.len(),
        "bytes": m.bytes(),
    })
}

pub(super) fn list_json(scenario: &str, entries: &[Entry]) -> String {
    let entries: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let (kind, name) = match &entry.kind {
                Kind::Checkpoint(number) => ("checkpoint", number.to_string()),
                Kind::Savepoint(name) => ("savepoint", name.clone()),
            };
            match &entry.manifest {
                Ok(m) => json!({"kind": kind, "name": name, "manifest": manifest_json(m)}),
                Err(error) => json!({"kind": kind, "name": name, "code": error.code(), "error": error.to_string()}),
            }
        })
        .collect();
    format!("{}\n", json!({"scenario": scenario, "checkpoints": entries}))
}

/// A fact's bytes: as text where they are, else as hexadecimal digits.
fn fact(value: &[u8]) -> String {
    let cut = &value[..value.len().min(FACT_BYTES)];
    let more = if cut.len() < value.len() { "…" } else { "" };
    match std::str::from_utf8(cut) {
        Ok(text) if !text.chars().any(char::is_control) => format!("{text}{more}"),
        _ => {
            cut.iter().fold("0x".to_owned(), |mut text, byte| {
                // Writing to a string cannot fail.
                let _whole = write!(text, "{byte:02x}");
                text
            }) + more
        }
    }
}

pub(super) fn contents(manifest: &Manifest, nodes: &[NodeContents]) -> String {
    let mut text = format!(
        "checkpoint {} of `{}`, generation {}, boundary {}\nmade {}, {} files, {}\n",
        manifest.number,
        manifest.scenario,
        manifest.generation.0,
        boundary(manifest.boundary),
        time(manifest.made_at_ms),
        manifest.files.len(),
        bytes(manifest.bytes()),
    );
    for node in nodes {
        text.push_str(&format!("\n{}\n", node.node));
        if let Some(shape) = &node.shape {
            text.push_str(&format!("  {} rows\n", node.rows));
            for (i, field) in shape.schema.fields().iter().enumerate() {
                let key = if i >= 2 && i < 2 + shape.key_columns { " key" } else { "" };
                text.push_str(&format!("    {}: {}{key}\n", field.name(), field.data_type()));
            }
        }
        if node.held_rows > 0 {
            text.push_str(&format!("  {} rows of output are held back\n", node.held_rows));
        }
        for (name, value) in &node.facts {
            text.push_str(&format!("  {name} = {}\n", fact(value)));
        }
    }
    text
}

pub(super) fn contents_json(manifest: &Manifest, nodes: &[NodeContents]) -> String {
    let nodes: Vec<Value> = nodes
        .iter()
        .map(|node| {
            let columns = node.shape.iter().flat_map(|shape| {
                let keys = 2..2 + shape.key_columns;
                shape
                    .schema
                    .fields()
                    .iter()
                    .enumerate()
                    .map(move |(i, f)| json!({"name": f.name(), "type": f.data_type().to_string(), "key": keys.contains(&i)}))
            });
            let facts: serde_json::Map<String, Value> = node.facts.iter().map(|(name, value)| (name.clone(), json!(fact(value)))).collect();
            json!({
                "step": &*node.node,
                "rows": node.shape.as_ref().map(|_| node.rows),
                "columns": columns.collect::<Vec<_>>(),
                "held_rows": node.held_rows,
                "facts": facts,
            })
        })
        .collect();
    format!("{}\n", json!({"scenario": manifest.scenario, "manifest": manifest_json(manifest), "steps": nodes}))
}

pub(super) fn changes(changes: &[Change]) -> String {
    let mut rows = vec![["step", "added", "removed", "changed", "facts"].map(str::to_owned).to_vec()];
    for change in changes {
        let [added, removed, changed] = [change.added, change.removed, change.changed].map(|n| n.to_string());
        let facts = change.facts.join(", ");
        rows.push(if change.reshaped {
            vec![change.node.to_string(), "other columns".to_owned(), String::new(), String::new(), facts]
        } else {
            vec![change.node.to_string(), added, removed, changed, facts]
        });
    }
    if changes.is_empty() { "no difference\n".to_owned() } else { columns(&rows) }
}

pub(super) fn changes_json(changes: &[Change]) -> String {
    let changes: Vec<Value> = changes
        .iter()
        .map(|c| {
            let (added, removed, changed) = (c.added, c.removed, c.changed);
            json!({"step": &*c.node, "added": added, "removed": removed, "changed": changed, "facts": c.facts, "other_columns": c.reshaped})
        })
        .collect();
    format!("{}\n", json!(changes))
}
