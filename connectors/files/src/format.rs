//! Which format a file has: from the option, else from the name's ending.

use crate::error;
use runink_connector_api::{ConnectorError, Options};
use runink_formats::{ColumnarFormat, CsvFormat, Header, TextFormat};
use std::path::Path;

/// A format.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Format {
    Text(TextFormat),
    Columnar(ColumnarFormat),
}

/// The word that the `format` option has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Csv,
    /// CSV with tabs.
    Tsv,
    Parquet,
    Arrow,
}

const HINT: &str = "Give `format=json`, `csv`, `parquet` or `arrow`, or a name that ends so (`.json`, `.jsonl`, `.ndjson`, `.csv`, `.tsv`, `.parquet`, \
                    `.arrow`; for text also with `.gz` or `.zst` after it).";

/// The endings of compressed files.
pub(crate) const GZIP_ENDINGS: &[&str] = &["gz", "gzip"];
pub(crate) const ZSTD_ENDINGS: &[&str] = &["zst", "zstd"];

/// A name's ending, in small letters.
pub(crate) fn ending(name: &Path) -> Option<String> {
    name.extension().map(|e| e.to_string_lossy().to_ascii_lowercase())
}

fn kind_of_name(name: &Path) -> Option<Kind> {
    let last = ending(name)?;
    match last.as_str() {
        "json" | "jsonl" | "ndjson" => Some(Kind::Json),
        "csv" => Some(Kind::Csv),
        "tsv" => Some(Kind::Tsv),
        "parquet" | "pq" => Some(Kind::Parquet),
        "arrow" | "arrows" | "ipc" | "feather" => Some(Kind::Arrow),
        _ if GZIP_ENDINGS.contains(&last.as_str()) || ZSTD_ENDINGS.contains(&last.as_str()) => kind_of_name(Path::new(name.file_stem()?)),
        _ => None,
    }
}

/// The format that options and names give. All names must agree.
pub(crate) fn of<'a>(options: &Options, shown: &str, names: impl IntoIterator<Item = &'a Path>) -> Result<Format, ConnectorError> {
    let kind = match options.text("format") {
        Some("json") => Kind::Json,
        Some("csv") => Kind::Csv,
        Some("parquet") => Kind::Parquet,
        Some("arrow") => Kind::Arrow,
        Some(other) => return Err(error::unknown_format(format!("`{other}`"), HINT)),
        None => {
            let mut kinds = names.into_iter().map(|name| (name, kind_of_name(name)));
            let Some((_, Some(first))) = kinds.next() else { return Err(error::unknown_format(format!("`{shown}`"), HINT)) };
            if let Some((name, _)) = kinds.find(|(_, kind)| *kind != Some(first)) {
                return Err(error::unknown_format(
                    format!("`{shown}`: the file `{}` has another ending than those before it", name.display()),
                    "Give `format=` where all files have one format, or a pattern that matches the files of one.",
                ));
            }
            first
        }
    };
    match kind {
        Kind::Csv => Ok(Format::Text(TextFormat::Csv(csv(options, b',')?))),
        Kind::Tsv => Ok(Format::Text(TextFormat::Csv(csv(options, b'\t')?))),
        _ => {
            if let Some(given) = ["header", "delimiter", "null"].into_iter().find(|name| options.get(name).is_some()) {
                return Err(error::options(
                    format!("`{given}` is an option of CSV, and `{shown}` is not CSV"),
                    format!("Leave `{given}` out."),
                ));
            }
            Ok(match kind {
                Kind::Parquet => Format::Columnar(ColumnarFormat::Parquet),
                Kind::Arrow => Format::Columnar(ColumnarFormat::Arrow),
                _ => Format::Text(TextFormat::Json),
            })
        }
    }
}

/// The CSV options.
pub(crate) fn csv(options: &Options, delimiter: u8) -> Result<CsvFormat, ConnectorError> {
    let mut csv = CsvFormat { delimiter, ..CsvFormat::default() };
    if options.get("header").is_some() && !options.flag("header") {
        csv.header = Header::Absent;
    }
    csv.with_options(options).map_err(|message| error::options(message, "Write for example `delimiter=\";\"` or `delimiter=tab`."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn format(name: &str) -> Result<Format, ConnectorError> {
        of(&Options::default(), name, [Path::new(name)])
    }

    #[test]
    fn endings_tell_the_format_through_compression() {
        assert_eq!(format("a.jsonl.gz").unwrap(), Format::Text(TextFormat::Json));
        assert_eq!(format("A.PARQUET").unwrap(), Format::Columnar(ColumnarFormat::Parquet));
        assert!(matches!(format("a.tsv.zst").unwrap(), Format::Text(TextFormat::Csv(CsvFormat { delimiter: b'\t', .. }))));
        assert_eq!(format("a.txt").unwrap_err().code, "FIL005");
        assert_eq!(format("gz").unwrap_err().code, "FIL005");
    }

    #[test]
    fn files_of_several_formats_are_not_one_source() {
        let error = of(&Options::default(), "*", [Path::new("a.json"), Path::new("b.csv")]).unwrap_err();
        assert_eq!(error.code, "FIL005");
        assert!(error.message.contains("b.csv"), "{error}");
    }
}
