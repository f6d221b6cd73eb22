//! Schemas from samples.

use crate::support::golden;
use runink_formats::{CsvFormat, Header, TextFormat, infer};

fn shown(format: &TextFormat, sample: &str) -> String {
    match infer(format, sample.as_bytes(), true) {
        Ok(schema) => schema
            .fields()
            .iter()
            .map(|f| format!("    {}: {}{}\n", f.name(), f.data_type(), if f.metadata().is_empty() { "" } else { " (JSON)" }))
            .collect(),
        Err(e) => format!("    {e}\n    {}\n", e.hint.as_deref().unwrap_or_default()),
    }
}

#[test]
fn json_lines() {
    let samples = [
        "{\"i\":1,\"f\":1.5,\"b\":true,\"t\":\"x\",\"d\":\"2026-01-01\",\"at\":\"2026-01-01T00:00:00Z\",\"n\":null}",
        "{\"a\":1}\n{\"a\":1.5,\"z\":\"2026-01-01\"}\n{\"b\":{\"x\":[1]},\"z\":\"2026-01-01 10:00:00\"}\n{\"b\":{\"y\":[{\"k\":\"v\"}],\"x\":[2.5]}}",
        "{\"a\":1}\n{\"a\":\"x\"}\n{\"b\":{}}\n{\"c\":[]}\n{\"c\":[1,\"x\"]}",
        "{\"a\":\"2026-01-01\"}\n{\"a\":\"soon\"}\nnot json\n{\"big\":99999999999999999999}",
        "[{\"a\":1}]",
        "[\n{\"a\":1}\n]",
        "nothing\nhere",
        "",
        "{}\n",
    ];
    let all: Vec<String> = samples.iter().map(|s| format!("{s}\n{}", shown(&TextFormat::Json, s))).collect();
    golden("infer_json.txt", &all.concat());
}

#[test]
fn csv() {
    let first = CsvFormat::default();
    let absent = CsvFormat { header: Header::Absent, delimiter: b';', ..CsvFormat::default() };
    let samples = [
        (
            &first,
            "i,f,b,t,d,at,zip,none\n1,1,true,x,2026-01-01,2026-01-01T00:00:00Z,01234,\n2,2.5,FALSE,\"a,b\",2026-01-02,2026-01-02 10:00,99999,\n",
        ),
        (&first, "a,b\n1,x\n2\n"),
        (&absent, "1;x\n2;y\n"),
        (&first, "only,a,header"),
        (&first, ""),
    ];
    let all: Vec<String> = samples.iter().map(|(f, s)| format!("{s}\n{}", shown(&TextFormat::Csv((*f).clone()), s))).collect();
    golden("infer_csv.txt", &all.concat());
}

#[test]
fn a_cut_last_line_says_nothing() {
    let schema = infer(&TextFormat::Json, b"{\"a\":1}\n{\"a\":1.", false).unwrap();
    assert_eq!(schema.field(0).data_type(), &arrow::datatypes::DataType::Int64);
}
