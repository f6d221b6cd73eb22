//! Reports for machines.

use crate::{
    compare::Difference,
    render::time_text,
    report::{Against, ExampleReport, MismatchKind, Outcome, Symptom},
};
use runink_dsl::Sources;
use serde_json::{Map, Value, json};

/// A report as JSON: `scenario`, `example`, `path`, `line`, `outcome` (`passed`, `failed` or `broken`), `duration_us`, `workers`, `cases` (of chaos), and with it `mismatches`
/// or `diagnostics`.
pub fn to_json(report: &ExampleReport, sources: &Sources) -> Value {
    let path = sources.get(report.file).map_or("", |f| f.path.as_str());
    let line = |span: runink_dsl::ast::Span| sources.position(report.file, span.start).0;
    let mut out = json!({
        "scenario": report.scenario,
        "example": report.title.value,
        "path": path,
        "line": line(report.title.span),
        "duration_us": u64::try_from(report.duration.as_micros()).unwrap_or(u64::MAX),
        "workers": report.workers,
        "cases": report.cases,
        "accepted": report.accepted.iter().map(|g| g.path.as_str()).collect::<Vec<_>>(),
    });
    let (outcome, details) = match &report.outcome {
        Outcome::Passed => ("passed", None),
        Outcome::Failed(mismatches) => {
            let all: Vec<Value> = mismatches
                .iter()
                .map(|m| {
                    let mut one = kind_json(&m.kind);
                    one["output"] = json!(m.output);
                    one["line"] = json!(line(m.span));
                    one["workers"] = json!(m.workers);
                    one
                })
                .collect();
            ("failed", Some(("mismatches", all)))
        }
        Outcome::Broken(diagnostics) => {
            ("broken", Some(("diagnostics", diagnostics.iter().map(|d| runink_dsl::to_json(d, sources)).collect())))
        }
    };
    out["outcome"] = json!(outcome);
    if let Some((name, all)) = details {
        out[name] = Value::Array(all);
    }
    out
}

fn kind_json(kind: &MismatchKind) -> Value {
    match kind {
        MismatchKind::Rows { difference, rejected, watermark_us } => {
            let mut out = difference_json(difference);
            out["kind"] = json!("rows");
            out["rejected"] = json!(rejected);
            out["watermark"] = json!(watermark_us.map(time_text));
            out
        }
        MismatchKind::Watermark { expected_us, actual_us } => {
            json!({ "kind": "watermark", "expected": time_text(*expected_us), "actual": actual_us.map(time_text) })
        }
        MismatchKind::Stopped { code, message, hint } => json!({ "kind": "stopped", "code": code, "message": message, "hint": hint }),
        MismatchKind::DependsOnWorkers { other, difference } => {
            let mut out = difference_json(difference);
            out["kind"] = json!("depends_on_workers");
            out["other_workers"] = json!(other);
            out
        }
        MismatchKind::Chaos(finding) => {
            let mut out = match &finding.symptom {
                Symptom::Rows(difference) => difference_json(difference),
                Symptom::Watermark { expected_us, actual_us } => {
                    json!({ "expected": time_text(*expected_us), "actual": actual_us.map(time_text) })
                }
                Symptom::Stopped(message) => json!({ "message": message }),
            };
            out["kind"] = json!("chaos");
            out["seed"] = json!(finding.seed);
            out["case"] = json!(finding.run);
            out["against"] = json!(match finding.against {
                Against::Expectation => "expectation",
                Against::Recomputation => "recomputation",
            });
            out["rows"] = json!(finding.rows);
            out["of"] = json!(finding.of);
            out["smallest"] = json!(finding.example);
            out
        }
    }
}

fn difference_json(difference: &Difference) -> Value {
    let row = |cells: &Vec<Option<String>>| -> Value {
        Value::Object(difference.columns.iter().cloned().zip(cells.iter().map(|c| json!(c))).collect::<Map<_, _>>())
    };
    json!({
        "matching": difference.matching,
        "changed": difference.changed.iter().map(|c| json!({ "expected": row(&c.expected), "actual": row(&c.actual) })).collect::<Vec<_>>(),
        "missing": difference.missing.iter().map(row).collect::<Vec<_>>(),
        "unexpected": difference.unexpected.iter().map(row).collect::<Vec<_>>(),
    })
}
