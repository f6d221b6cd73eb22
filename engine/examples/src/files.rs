//! Files that examples name: rows to give, and golden files to expect. Whoever runs examples reads and writes them; this crate sees bytes.

use crate::{
    cells::row_as_json,
    codes,
    rows::{Row, Typed, decode},
};
use arrow::datatypes::{Schema, SchemaRef};
use runink_dsl::{Diagnostic, FileId, ast::Spanned};
use runink_formats::{CsvFormat, TextFormat};
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// Reads a file by its path as the example says it (relative to the `.dsl` file), or tells why it cannot.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// A file of an example, read.
pub(crate) struct ExampleFile {
    pub(crate) format: TextFormat,
    pub(crate) bytes: Vec<u8>,
    /// The columns that it has, in their order.
    pub(crate) columns: Vec<String>,
}

/// The format of a file, by its path.
pub(crate) fn format_of(file: FileId, path: &Spanned<String>) -> Result<TextFormat, Vec<Diagnostic>> {
    let extension = path.value.rsplit_once('.').map_or("", |(_, e)| e);
    match extension.to_ascii_lowercase().as_str() {
        "jsonl" | "ndjson" | "json" => Ok(TextFormat::Json),
        "csv" => Ok(TextFormat::Csv(CsvFormat::default())),
        _ => {
            let message = format!("examples do not read files like `{}`", path.value);
            Err(vec![Diagnostic::error(codes::FILE_FORMAT, file, path.span, message).hint("use JSON lines (`.jsonl`) or CSV (`.csv`)")])
        }
    }
}

/// Reads a file and finds its columns.
pub(crate) fn open(file: FileId, path: &Spanned<String>, read: ReadFile<'_>) -> Result<ExampleFile, Vec<Diagnostic>> {
    let format = format_of(file, path)?;
    let failed = |why: String| Diagnostic::error(codes::FILE, file, path.span, format!("`{}` cannot be read: {why}", path.value));
    let bytes = read(&path.value).map_err(|why| vec![failed(why).hint("the path starts at the folder of the `.dsl` file")])?;
    let columns = columns_of(&format, &bytes).map_err(|why| vec![failed(why)])?;
    Ok(ExampleFile { format, bytes, columns })
}

/// The rows of a file by a schema.
pub(crate) fn rows_of(file: FileId, path: &Spanned<String>, opened: &ExampleFile, schema: &SchemaRef) -> Result<Typed, Vec<Diagnostic>> {
    decode(&opened.format, &opened.bytes, schema)
        .map_err(|e| vec![Diagnostic::error(codes::FILE, file, path.span, format!("`{}` cannot be read: {e}", path.value))])
}

fn columns_of(format: &TextFormat, bytes: &[u8]) -> Result<Vec<String>, String> {
    match format {
        TextFormat::Csv(csv) => {
            let mut whole = bytes.to_vec();
            whole.push(b'\n');
            let header = csv.read_header(&whole).map_err(|e| e.to_string())?;
            Ok(header.map_or_else(Vec::new, |(names, _)| names.to_vec()))
        }
        TextFormat::Json => {
            let mut columns: Vec<String> = Vec::new();
            for line in bytes.split(|b| *b == b'\n') {
                // Lines that are no objects are rejected, with their position, when the rows are decoded.
                let keys: BTreeMap<String, IgnoredAny> = serde_json::from_slice(line).unwrap_or_default();
                for key in keys.into_keys() {
                    if !columns.contains(&key) {
                        columns.push(key);
                    }
                }
            }
            Ok(columns)
        }
    }
}

/// Rows as a golden file.
pub(crate) fn golden(format: &TextFormat, schema: &Schema, rows: &[Row]) -> Vec<u8> {
    let mut out = String::new();
    match format {
        TextFormat::Json => {
            for row in rows {
                let fields = schema.fields().iter();
                row_as_json(fields.zip(row).map(|(f, c)| (f.name().as_str(), c.as_deref(), Some(f.as_ref()))), &mut out);
            }
        }
        TextFormat::Csv(_) => {
            csv_line(schema.fields().iter().map(|f| Some(f.name().as_str())), &mut out);
            rows.iter().for_each(|row| csv_line(row.iter().map(Option::as_deref), &mut out));
        }
    }
    out.into_bytes()
}

fn csv_line<'a>(cells: impl Iterator<Item = Option<&'a str>>, out: &mut String) {
    for (i, cell) in cells.enumerate() {
        if i > 0 {
            out.push(',');
        }
        // An unquoted empty cell is null.
        match cell {
            Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
                out.push('"');
                out.push_str(&text.replace('"', "\"\""));
                out.push('"');
            }
            Some(text) => out.push_str(text),
            None => {}
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::datatypes::{DataType, Field};
    use runink_dsl::ast::Span;

    fn schema() -> Schema {
        Schema::new(vec![Field::new("name", DataType::Utf8, true), Field::new("n", DataType::Int64, true)])
    }

    fn rows() -> Vec<Row> {
        vec![vec![Some("a, \"b\"".into()), Some("1".into())], vec![Some(String::new()), None]]
    }

    #[test]
    fn golden_files_tell_null_from_the_empty_text() {
        let json = golden(&TextFormat::Json, &schema(), &rows());
        assert_eq!(String::from_utf8(json).unwrap(), "{\"name\": \"a, \\\"b\\\"\", \"n\": 1}\n{\"name\": \"\"}\n");
        let csv = golden(&TextFormat::Csv(CsvFormat::default()), &schema(), &rows());
        assert_eq!(String::from_utf8(csv).unwrap(), "name,n\n\"a, \"\"b\"\"\",1\n\"\",\n");
    }

    #[test]
    fn formats_go_by_the_extension() {
        let of = |path: &str| format_of(FileId(0), &Spanned::new(path.to_owned(), Span::default()));
        assert_eq!(of("a/b.JSONL").unwrap(), TextFormat::Json);
        assert_eq!(of("b.csv").unwrap(), TextFormat::Csv(CsvFormat::default()));
        assert_eq!(of("b.parquet").unwrap_err()[0].code, codes::FILE_FORMAT);
        assert_eq!(of("b").unwrap_err()[0].code, codes::FILE_FORMAT);
    }

    #[test]
    fn the_columns_of_json_are_all_keys() {
        let columns = columns_of(&TextFormat::Json, b"{\"a\": 1}\nnot json\n{\"b\": 2, \"a\": 3}\n").unwrap();
        assert_eq!(columns, ["a", "b"]);
    }
}
