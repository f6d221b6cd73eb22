//! What the tests have in common: options, configurations, rows as text.

use arrow::{
    array::Int64Array,
    datatypes::{DataType, Field, Schema, SchemaRef},
    record_batch::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use runink_connector_api::{Connector, ConnectorError, OptionValue, Options, Sink, SinkConfig, Source, SourceConfig};
use std::{path::Path, sync::Arc};

pub(crate) fn text(value: &str) -> OptionValue {
    OptionValue::Text(value.into())
}

pub(crate) fn options(given: &[(&str, OptionValue)]) -> Options {
    Options(given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

pub(crate) fn connector(name: &str) -> Arc<dyn Connector> {
    runink_files::connectors().into_iter().find(|c| c.spec().name == name).unwrap()
}

/// A nullable column for each name: whole numbers for `id`, times for `at`, text for others.
pub(crate) fn schema(names: &[&str]) -> SchemaRef {
    let field = |name: &&str| {
        let data_type = match *name {
            "id" => DataType::Int64,
            "at" => DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None),
            _ => DataType::Utf8,
        };
        Field::new(*name, data_type, true)
    };
    Arc::new(Schema::new(names.iter().map(field).collect::<Vec<_>>()))
}

pub(crate) fn source_config(dir: &Path, given: &[(&str, OptionValue)], schema: &SchemaRef) -> SourceConfig {
    SourceConfig {
        name: "in".into(),
        options: options(given),
        base_dir: dir.to_owned(),
        schema: Some(schema.clone()),
        projection: (0..schema.fields().len()).collect(),
        predicates: Vec::new(),
        key: Vec::new(),
        time_column: schema.index_of("at").is_ok().then(|| "at".to_owned()),
        batch_rows: 1_000,
    }
}

pub(crate) fn source(dir: &Path, given: &[(&str, OptionValue)], schema: &SchemaRef) -> Result<Arc<dyn Source>, ConnectorError> {
    connector("file").source(source_config(dir, given, schema))
}

pub(crate) fn sink_config(dir: &Path, given: &[(&str, OptionValue)], schema: &SchemaRef, changelog: bool) -> SinkConfig {
    SinkConfig {
        name: "out".into(),
        options: options(given),
        base_dir: dir.to_owned(),
        schema: schema.clone(),
        key: Vec::new(),
        changelog,
        checkpoints: false,
    }
}

pub(crate) fn sink(
    dir: &Path,
    given: &[(&str, OptionValue)],
    schema: &SchemaRef,
    changelog: bool,
) -> Result<Arc<dyn Sink>, ConnectorError> {
    connector("file").sink(sink_config(dir, given, schema, changelog))
}

/// Each row as text.
pub(crate) fn rows(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("null");
    let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|")).collect()
}

/// Rows of `id` and `name`.
pub(crate) fn batch(names: &[(i64, &str)]) -> RecordBatch {
    let ids = Int64Array::from_iter_values(names.iter().map(|n| n.0));
    let texts = arrow::array::StringArray::from_iter_values(names.iter().map(|n| n.1));
    RecordBatch::try_new(schema(&["id", "name"]), vec![Arc::new(ids), Arc::new(texts)]).unwrap()
}

/// All names below a folder, sorted; folders end in `/`.
pub(crate) fn names_below(dir: &Path) -> Vec<String> {
    fn walk(root: &Path, dir: &Path, out: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                out.push(format!("{name}/"));
                walk(root, &path, out);
            } else {
                out.push(name);
            }
        }
    }
    let mut names = Vec::new();
    walk(dir, dir, &mut names);
    names.sort();
    names
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
