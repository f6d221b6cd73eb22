//! Connectors that exist only as specs: files, a generator with its own schema, a topic without end, standard output.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use runink_connector_api::{CACHE, CACHE_KEYS, CACHE_MISSING, ConnectorSpec, Delivery, ON_FAILURE, OptionKind, OptionSpec, Options};
use std::{collections::BTreeMap, sync::Arc};

const fn option(name: &'static str, kind: OptionKind, required: bool, default: Option<&'static str>, about: &'static str) -> OptionSpec {
    OptionSpec { name, kind, required, default, about }
}

static FILE_SOURCE: [OptionSpec; 4] = [
    option("path", OptionKind::Path, true, None, "where the files are"),
    option("format", OptionKind::OneOf(&["json", "csv", "parquet"]), false, Some("json"), "what is in them"),
    option("follow", OptionKind::Flag, false, Some("false"), "goes on reading as files grow"),
    option("max_line", OptionKind::Bytes, false, Some("1MiB"), "the longest line"),
];
static FILE_SINK: [OptionSpec; 3] = [
    option("path", OptionKind::Path, true, None, "where the files go"),
    option("format", OptionKind::OneOf(&["json", "csv", "parquet"]), false, Some("json"), "what is in them"),
    option("partition_by", OptionKind::Columns, false, None, "columns that make folders"),
];
static TICK_SOURCE: [OptionSpec; 3] = [
    option("rate", OptionKind::Number, false, Some("1"), "rows per second"),
    option("count", OptionKind::Count, false, None, "how many rows; without end where absent"),
    option("every", OptionKind::Duration, false, None, "how far apart rows are"),
];
static TOPIC: [OptionSpec; 1] = [option("topic", OptionKind::Text, true, None, "which topic")];
static ASKED: [OptionSpec; 5] = [option("url", OptionKind::Text, true, None, "where it is"), CACHE, CACHE_MISSING, CACHE_KEYS, ON_FAILURE];
static NONE: [OptionSpec; 0] = [];

fn no_schema(_: &Options) -> Option<SchemaRef> {
    None
}

fn no_time(_: &Options) -> Option<&'static str> {
    None
}

static FILE: ConnectorSpec = ConnectorSpec {
    name: "file",
    about: "Files.",
    source: Some(&FILE_SOURCE),
    sink: Some(&FILE_SINK),
    bounded: |options| !options.flag("follow"),
    sink_takes_retractions: false,
    lookup: false,
    delivery: |_| Delivery::Atomic,
    fixed_schema: no_schema,
    fixed_time: no_time,
};
static TICK: ConnectorSpec = ConnectorSpec {
    name: "tick",
    about: "Rows with a number and a time.",
    source: Some(&TICK_SOURCE),
    sink: None,
    bounded: |options| options.count("count").is_some(),
    sink_takes_retractions: false,
    lookup: false,
    delivery: |_| Delivery::AtLeastOnce,
    fixed_schema: |_| {
        let at = Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), false);
        Some(Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false), at])))
    },
    fixed_time: |_| Some("at"),
};
static TOPIC_SPEC: ConnectorSpec = ConnectorSpec {
    name: "topic",
    about: "A topic of a broker.",
    source: Some(&TOPIC),
    sink: Some(&TOPIC),
    bounded: |_| false,
    sink_takes_retractions: false,
    lookup: false,
    delivery: |_| Delivery::AtLeastOnce,
    fixed_schema: no_schema,
    fixed_time: no_time,
};
static ASKED_SPEC: ConnectorSpec = ConnectorSpec {
    name: "asked",
    about: "A service that is asked by key.",
    source: Some(&ASKED),
    sink: None,
    bounded: |_| true,
    sink_takes_retractions: false,
    lookup: true,
    delivery: |_| Delivery::AtLeastOnce,
    fixed_schema: no_schema,
    fixed_time: no_time,
};
static STDOUT: ConnectorSpec = ConnectorSpec {
    name: "stdout",
    about: "Standard output.",
    source: None,
    sink: Some(&NONE),
    bounded: |_| true,
    sink_takes_retractions: true,
    lookup: false,
    delivery: |_| Delivery::AtLeastOnce,
    fixed_schema: no_schema,
    fixed_time: no_time,
};

pub(crate) fn all() -> Vec<&'static ConnectorSpec> {
    vec![&ASKED_SPEC, &FILE, &STDOUT, &TICK, &TOPIC_SPEC]
}

/// What asking the outside gave for sources called `found`.
pub(crate) fn discovered() -> BTreeMap<String, SchemaRef> {
    let schema = Schema::new(vec![
        Field::new("id", DataType::LargeUtf8, false),
        Field::new("seen_at", DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), false),
        Field::new("value", DataType::Float64, true),
    ]);
    BTreeMap::from([("found".to_owned(), Arc::new(schema) as SchemaRef)])
}
