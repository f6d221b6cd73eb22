//! `runi contract infer`: data of any format that Runink reads, shown to the observer row by row.

use crate::{Exit, screen::Screen};
use arrow::{
    array::AsArray,
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use runink_connector_api::ConnectorError;
use runink_dsl::{
    ast,
    contract::{InferError, Inference, canonical_text},
};
use runink_formats::{ColumnarFormat, CsvFormat, JSON_METADATA, MAX_LINE_BYTES, ReadSpec, TextFormat};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::Arc,
};

/// How many bytes are read at once.
const BLOCK_BYTES: usize = 256 * 1024;
/// How many rows of a CSV file are looked at together.
const BATCH_ROWS: usize = 8192;
/// How many rows that cannot be read are told of one by one.
const MAX_SHOWN_REJECTS: u64 = 5;

/// What keeps a contract from being inferred.
#[derive(Debug, thiserror::Error)]
pub(in crate::commands) enum Problem {
    #[error("RUN040: there is no file `{0}`")]
    Missing(String),
    #[error("RUN041: `{path}` could not be read: {error}")]
    Read { path: String, error: io::Error },
    #[error("RUN042: the name of `{path}` does not say its format")]
    Format { path: String },
    #[error("RUN043: `{path}`: {error}")]
    Data { path: String, error: ConnectorError },
    #[error("RUN044: `{path}`: {error}")]
    Rows { path: String, error: InferError },
    #[error("RUN045: `{path}` has no rows that could be read, so there is nothing to infer a contract from")]
    Empty { path: String },
    #[error("RUN046: `{path}`: column `{column}` is {ty}, which no contract can say")]
    Type { path: String, column: String, ty: DataType },
    #[error("RUN047: `{0}` is no name for a contract")]
    Name(String),
    #[error("RUN048: `{path}` is compressed")]
    Compressed { path: String },
}

impl Problem {
    pub(super) fn show(&self, screen: &Screen) -> Exit {
        let hint = match self {
            Problem::Format { .. } => Some("it ends in .json, .jsonl, .ndjson, .csv, .tsv, .parquet or .arrow"),
            Problem::Data { error, .. } => error.hint.as_deref(),
            Problem::Type { .. } => Some("write the data without this column, or as another type"),
            Problem::Name(_) => Some("`--name Payment`: a word of letters, digits and `_`"),
            Problem::Compressed { .. } => Some("unpack it first; a sample of its rows is enough"),
            Problem::Missing(_) | Problem::Read { .. } | Problem::Rows { .. } | Problem::Empty { .. } => None,
        };
        screen.error(&self.to_string(), hint);
        match self {
            Problem::Read { .. } => Exit::Operator,
            Problem::Data { error, .. } => error.who.into(),
            Problem::Name(_) => Exit::Usage,
            _ => Exit::User,
        }
    }
}

pub(super) fn run(path: &Path, name: Option<&str>, screen: &Screen) -> Result<Exit, super::ContractError> {
    let source = Data { path, shown: path.display().to_string(), screen };
    let name = match name {
        Some(name) if is_word(name) => name.to_owned(),
        Some(name) => return Err(Problem::Name(name.to_owned()).into()),
        None => name_of(path),
    };
    let contract = source.infer(name)?;
    if contract.fields.is_empty() {
        return Err(Problem::Empty { path: source.shown }.into());
    }
    screen.out(&canonical_text(&contract));
    Ok(Exit::Done)
}

fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// `flights-2001.jsonl` gives `Flights2001`.
fn name_of(path: &Path) -> String {
    let stem = path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
    let stem = stem.split('.').next().unwrap_or_default();
    let mut name = String::new();
    for part in stem.split(|c: char| !c.is_alphanumeric()).filter(|p| !p.is_empty()) {
        let mut chars = part.chars();
        name.extend(chars.next().into_iter().flat_map(char::to_uppercase));
        name.extend(chars);
    }
    if is_word(&name) { name } else { format!("Data{name}") }
}

struct Data<'a> {
    path: &'a Path,
    shown: String,
    screen: &'a Screen,
}

impl Data<'_> {
    fn infer(&self, name: String) -> Result<ast::Contract, Problem> {
        let extension = self.path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        if !self.path.is_file() {
            return Err(Problem::Missing(self.shown.clone()));
        }
        match extension.as_str() {
            "json" | "jsonl" | "ndjson" => self.json(name),
            "csv" => self.csv(name, b','),
            "tsv" => self.csv(name, b'\t'),
            "parquet" => self.columnar(name, ColumnarFormat::Parquet),
            "arrow" | "arrows" | "ipc" | "feather" => self.columnar(name, ColumnarFormat::Arrow),
            "gz" | "zst" => Err(Problem::Compressed { path: self.shown.clone() }),
            _ => Err(Problem::Format { path: self.shown.clone() }),
        }
    }

    fn open(&self) -> Result<File, Problem> {
        File::open(self.path).map_err(|e| self.read_error(e))
    }

    fn read_error(&self, error: io::Error) -> Problem {
        Problem::Read { path: self.shown.clone(), error }
    }

    fn data_error(&self, error: ConnectorError) -> Problem {
        Problem::Data { path: self.shown.clone(), error }
    }

    fn rows_error(&self, error: InferError) -> Problem {
        Problem::Rows { path: self.shown.clone(), error }
    }

    /// Rows that are no JSON objects are told of and left out, as a run would reject them.
    fn json(&self, name: String) -> Result<ast::Contract, Problem> {
        let mut reader = BufReader::with_capacity(BLOCK_BYTES, self.open()?);
        let mut inference = Inference::new(name);
        let mut line = Vec::new();
        let (mut number, mut rejected) = (0_u64, 0_u64);
        loop {
            line.clear();
            let read = reader.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut line).map_err(|e| self.read_error(e))?;
            if read == 0 {
                break;
            }
            number += 1;
            let whole = line.last() == Some(&b'\n') || read < MAX_LINE_BYTES;
            let text = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line) } else { &line[..] };
            let found = match (whole, std::str::from_utf8(text)) {
                (false, _) => {
                    reader.skip_until(b'\n').map_err(|e| self.read_error(e))?;
                    Err(format!("the line is longer than {MAX_LINE_BYTES} bytes"))
                }
                (true, Err(_)) => Err("the line is not UTF-8".to_owned()),
                (true, Ok(text)) if text.trim().is_empty() => Ok(()),
                (true, Ok(text)) => match inference.observe_json(text) {
                    Err(InferError::NotJson { message, .. }) => Err(format!("not JSON: {message}")),
                    Err(InferError::NotAnObject { found, .. }) => Err(format!("{found}, not an object")),
                    other => {
                        other.map_err(|e| self.rows_error(e))?;
                        Ok(())
                    }
                },
            };
            if let Err(message) = found {
                self.rejected(&mut rejected, number, &message);
            }
        }
        self.rejected_in_all(rejected);
        Ok(inference.finish())
    }

    fn csv(&self, name: String, delimiter: u8) -> Result<ast::Contract, Problem> {
        let format = CsvFormat { delimiter, ..CsvFormat::default() };
        let mut file = self.open()?;
        let mut block = vec![0; BLOCK_BYTES];
        let mut filled = fill(&mut file, &mut block).map_err(|e| self.read_error(e))?;
        let header = format.read_header(&block[..filled]).map_err(|e| self.data_error(e))?;
        let mut inference = Inference::new(name);
        let Some((names, _)) = header else {
            return Ok(inference.finish());
        };
        // Every cell as text: what it could be is the observer's to say.
        let fields: Vec<Field> = names.iter().map(|n| Field::new(n, DataType::Utf8, true)).collect();
        let spec = ReadSpec::all(Arc::new(Schema::new(fields)), BATCH_ROWS);
        let mut decoder = runink_formats::decoder(&TextFormat::Csv(format), &spec, 1).map_err(|e| self.data_error(e))?;
        let mut rejected = 0_u64;
        while filled > 0 {
            let mut bytes = &block[..filled];
            while !bytes.is_empty() {
                let taken = decoder.push(bytes).map_err(|e| self.data_error(e))?;
                bytes = &bytes[taken..];
                if decoder.is_full() {
                    self.show_rows(decoder.as_mut(), &names, &mut inference, &mut rejected)?;
                }
            }
            filled = fill(&mut file, &mut block).map_err(|e| self.read_error(e))?;
        }
        decoder.finish().map_err(|e| self.data_error(e))?;
        self.show_rows(decoder.as_mut(), &names, &mut inference, &mut rejected)?;
        self.rejected_in_all(rejected);
        Ok(inference.finish())
    }

    fn show_rows(
        &self,
        decoder: &mut dyn runink_formats::Decoder,
        names: &[String],
        inference: &mut Inference,
        rejected: &mut u64,
    ) -> Result<(), Problem> {
        let Some(decoded) = decoder.take().map_err(|e| self.data_error(e))? else {
            return Ok(());
        };
        for reject in &decoded.rejects {
            self.rejected(rejected, reject.position, &reject.message);
        }
        for (name, column) in names.iter().zip(decoded.batch.columns()) {
            let Some(column) = column.as_string_opt::<i32>() else {
                continue;
            };
            for cell in column {
                inference.observe_text(name, cell).map_err(|e| self.rows_error(e))?;
            }
        }
        Ok(())
    }

    fn columnar(&self, name: String, format: ColumnarFormat) -> Result<ast::Contract, Problem> {
        let file = runink_formats::open(format, self.open()?).map_err(|e| self.data_error(e))?;
        let mut fields = Vec::new();
        for field in file.schema().fields() {
            let ty = contract_type(field).ok_or_else(|| Problem::Type {
                path: self.shown.clone(),
                column: field.name().clone(),
                ty: field.data_type().clone(),
            })?;
            fields.push((field.name().clone(), ty, field.is_nullable()));
        }
        Ok(Inference::from_schema(name, &fields).map_err(|e| self.rows_error(e))?.finish())
    }

    fn rejected(&self, count: &mut u64, line: u64, message: &str) {
        *count += 1;
        if *count <= MAX_SHOWN_REJECTS {
            self.screen.err(&format!("left out: {}:{line}: {message}\n", self.shown));
        }
    }

    fn rejected_in_all(&self, count: u64) {
        if count > MAX_SHOWN_REJECTS {
            self.screen.err(&format!("left out: {count} rows in all\n"));
        }
    }
}

/// Fills a block as far as the file goes.
fn fill(file: &mut File, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The contract's type that is decoded to this Arrow type or reads it without loss.
fn contract_type(field: &Field) -> Option<ast::Type> {
    use ast::Type;
    let int = |bits, signed| Some(Type::Int { bits, signed });
    match field.data_type() {
        DataType::Boolean => Some(Type::Boolean),
        DataType::Int8 => int(8, true),
        DataType::Int16 => int(16, true),
        DataType::Int32 => int(32, true),
        DataType::Int64 => int(64, true),
        DataType::UInt8 => int(8, false),
        DataType::UInt16 => int(16, false),
        DataType::UInt32 => int(32, false),
        DataType::UInt64 => int(64, false),
        DataType::Float16 | DataType::Float32 => Some(Type::Float { bits: 32 }),
        DataType::Float64 => Some(Type::Float { bits: 64 }),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
            Some(Type::Decimal { precision: *p, scale: *s })
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let json = field.metadata().get(JSON_METADATA).is_some_and(|v| v == "true");
            Some(if json { Type::Json } else { Type::String })
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Some(Type::Bytes),
        DataType::Date32 | DataType::Date64 => Some(Type::Date),
        DataType::Time32(unit) | DataType::Time64(unit) => Some(Type::Time(time_unit(*unit))),
        DataType::Timestamp(unit, _) => Some(Type::Timestamp(time_unit(*unit))),
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
            contract_type(element).map(|t| Type::List(Box::new(t)))
        }
        DataType::Struct(fields) => {
            let parts = fields.iter().map(|f| Some((f.name().clone(), contract_type(f)?)));
            parts.collect::<Option<Vec<_>>>().map(Type::Struct)
        }
        DataType::Dictionary(_, value) => contract_type(&Field::new(field.name(), (**value).clone(), true)),
        _ => None,
    }
}

fn time_unit(unit: TimeUnit) -> ast::TimeUnit {
    match unit {
        TimeUnit::Second => ast::TimeUnit::Second,
        TimeUnit::Millisecond => ast::TimeUnit::Millisecond,
        TimeUnit::Microsecond => ast::TimeUnit::Microsecond,
        TimeUnit::Nanosecond => ast::TimeUnit::Nanosecond,
    }
}
