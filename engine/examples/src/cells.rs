//! Cells of an example's table as rows of JSON, so that they are typed by the very decoder that real input goes through.
//!
//! A cell says less than JSON does: what it is depends on its column. Text needs no quotes, an empty cell is null, `""` is the empty text.

use arrow::datatypes::{DataType, Field, Schema};
use runink_dsl::ast::Table;
use runink_formats::JSON_METADATA;
use serde::de::IgnoredAny;

/// A table as JSON lines, one line a row. Columns that the schema does not have are typed by what each cell looks like.
pub(crate) fn table_as_json(table: &Table, schema: &Schema) -> Vec<u8> {
    let fields: Vec<Option<&Field>> = table.columns.iter().map(|c| schema.field_with_name(&c.value).ok()).collect();
    let mut out = String::new();
    for row in &table.rows {
        let cells = row.iter().map(|cell| read_cell(&cell.value));
        row_as_json(table.columns.iter().map(|c| c.value.as_str()).zip(cells).zip(&fields).map(|((n, c), f)| (n, c, *f)), &mut out);
    }
    out.into_bytes()
}

/// One row as a JSON object and a newline. Nulls are left out.
pub(crate) fn row_as_json<'a>(cells: impl Iterator<Item = (&'a str, Option<&'a str>, Option<&'a Field>)>, out: &mut String) {
    out.push('{');
    let mut first = true;
    for (name, cell, field) in cells {
        let Some(cell) = cell else { continue };
        if !std::mem::take(&mut first) {
            out.push_str(", ");
        }
        push_text(name, out);
        out.push_str(": ");
        if is_bare(cell, field) {
            // In valid JSON a line break stands only where a blank may.
            out.extend(cell.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }));
        } else {
            push_text(cell, out);
        }
    }
    out.push_str("}\n");
}

/// What a cell of the text stands for: `None` for null.
pub(crate) fn read_cell(text: &str) -> Option<&str> {
    match text {
        "" => None,
        "\"\"" => Some(""),
        _ => Some(text),
    }
}

/// How a value is written in a cell.
pub(crate) fn write_cell(value: Option<&str>) -> String {
    match value {
        None => String::new(),
        Some("") => "\"\"".to_owned(),
        Some(text) => text.replace('\\', "\\\\").replace('|', "\\|").replace('\n', "\\n"),
    }
}

fn push_text(text: &str, out: &mut String) {
    // A text always has a JSON form.
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// Whether a cell stands in JSON as it is. What does not fit its column becomes a JSON string, which the decoder then rejects, quoting it.
fn is_bare(cell: &str, field: Option<&Field>) -> bool {
    let is_number = || cell.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && is_json(cell);
    let is_nested = || cell.starts_with(['[', '{']) && is_json(cell);
    let is_flag = || matches!(cell, "true" | "false");
    let Some(field) = field else { return is_number() || is_nested() || is_flag() };
    match field.data_type() {
        DataType::Utf8 if field.metadata().contains_key(JSON_METADATA) => is_json(cell),
        DataType::Boolean => is_flag(),
        DataType::List(_) | DataType::Struct(_) => is_nested(),
        // A time as a number counts from 1970, as in real input.
        t if t.is_numeric() || t.is_temporal() => is_number(),
        _ => false,
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::HashMap;

    fn json(data_type: DataType, cell: &str) -> String {
        let field = Field::new("c", data_type, true);
        let mut out = String::new();
        row_as_json([("c", read_cell(cell), Some(&field))].into_iter(), &mut out);
        out
    }

    #[test]
    fn cells_are_what_their_column_is() {
        let amount = DataType::Decimal128(12, 2);
        assert_eq!(json(amount.clone(), "1.00"), "{\"c\": 1.00}\n");
        assert_eq!(json(amount.clone(), "1,00"), "{\"c\": \"1,00\"}\n");
        assert_eq!(json(amount, "+1"), "{\"c\": \"+1\"}\n");
        assert_eq!(json(DataType::Utf8, "1"), "{\"c\": \"1\"}\n");
        assert_eq!(json(DataType::Utf8, ""), "{}\n");
        assert_eq!(json(DataType::Utf8, "\"\""), "{\"c\": \"\"}\n");
        assert_eq!(json(DataType::Utf8, "say \"hi\"\n"), "{\"c\": \"say \\\"hi\\\"\\n\"}\n");
        assert_eq!(json(DataType::Boolean, "true"), "{\"c\": true}\n");
        assert_eq!(json(DataType::Boolean, "yes"), "{\"c\": \"yes\"}\n");
        assert_eq!(json(DataType::Date32, "2026-01-01"), "{\"c\": \"2026-01-01\"}\n");
        let list = DataType::List(Field::new("item", DataType::Int64, true).into());
        assert_eq!(json(list.clone(), "[1,\n2]"), "{\"c\": [1, 2]}\n");
        assert_eq!(json(list, "[1, 2"), "{\"c\": \"[1, 2\"}\n");
    }

    #[test]
    fn json_columns_take_any_json_and_text_besides() {
        let field = Field::new("c", DataType::Utf8, true).with_metadata(HashMap::from([(JSON_METADATA.into(), "true".into())]));
        let mut out = String::new();
        for cell in ["{\"a\": 1}", "7", "free text"] {
            row_as_json([("c", Some(cell), Some(&field))].into_iter(), &mut out);
        }
        assert_eq!(out, "{\"c\": {\"a\": 1}}\n{\"c\": 7}\n{\"c\": \"free text\"}\n");
    }

    #[test]
    fn untyped_cells_are_what_they_look_like() {
        let mut out = String::new();
        let cells = [("a", "7"), ("b", "007"), ("c", "true"), ("d", "[1]"), ("e", "2026-01-01")];
        row_as_json(cells.into_iter().map(|(n, c)| (n, Some(c), None)), &mut out);
        assert_eq!(out, "{\"a\": 7, \"b\": \"007\", \"c\": true, \"d\": [1], \"e\": \"2026-01-01\"}\n");
    }

    proptest::proptest! {
        #[test]
        fn every_row_is_one_line_of_json(cells in proptest::collection::vec(".{0,12}", 1..5)) {
            let names: Vec<String> = (0..cells.len()).map(|i| format!("c{i}")).collect();
            let mut out = String::new();
            row_as_json(names.iter().zip(&cells).map(|(n, c)| (n.as_str(), read_cell(c), None)), &mut out);
            proptest::prop_assert_eq!(out.matches('\n').count(), 1);
            let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&out).unwrap();
            proptest::prop_assert_eq!(row.len(), cells.iter().filter(|c| !c.is_empty()).count());
        }
    }
}
