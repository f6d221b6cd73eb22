//! Files as sources and sinks, and the two sinks that every first scenario uses.
//!
//! - `file`: JSON lines, CSV, Parquet and Arrow IPC, one file or many by a pattern, compressed or not; standard input; files that grow; replay at the
//!   pace of the events. As a sink: written beside the target and renamed when complete, or folders by column.
//! - `stdout`: a table on a terminal, JSON lines in a pipe.
//! - `blackhole`: takes rows and drops them.
//!
//! Bytes become columns in `runink-formats`; this crate knows paths, order, pieces and time.

mod blackhole;
mod compression;
mod error;
mod format;
mod locate;
mod sink;
mod source;
mod stdout;

pub use sink::remove_incomplete;
pub use stdout::NOBODY_READS;

use runink_connector_api::{
    Connector, ConnectorError, ConnectorSpec, Delivery, OptionKind, OptionSpec, Sink, SinkConfig, Source, SourceConfig,
};
use std::sync::Arc;

/// The connectors of this crate.
pub fn connectors() -> Vec<Arc<dyn Connector>> {
    vec![Arc::new(FileConnector), Arc::new(stdout::StdoutConnector::new()), Arc::new(blackhole::BlackholeConnector)]
}

const FORMATS: OptionKind = OptionKind::OneOf(&["json", "csv", "parquet", "arrow"]);

const fn option(name: &'static str, kind: OptionKind, about: &'static str) -> OptionSpec {
    OptionSpec { name, kind, required: false, default: None, about }
}

const HEADER: OptionSpec = option("header", OptionKind::Flag, "CSV: the first row has the columns' names; true unless given.");
const DELIMITER: OptionSpec =
    option("delimiter", OptionKind::Text, "CSV: the character between cells, or `tab`; a comma unless given (a tab for `.tsv`).");
const NULL: OptionSpec = option("null", OptionKind::Text, "CSV: the unquoted text of a null; the empty text unless given.");

static SPEC: ConnectorSpec = ConnectorSpec {
    name: "file",
    about: "Reads and writes files: JSON lines, CSV, Parquet and Arrow.",
    source: Some(&[
        OptionSpec {
            required: true,
            ..option("path", OptionKind::Path, "A file, a pattern (`data/*.json`, `**` for any folders), or `-` for standard input.")
        },
        option("format", FORMATS, "What is in it; told from the name's ending unless given."),
        OptionSpec {
            default: Some("auto"),
            ..option(
                "compression",
                OptionKind::OneOf(&["auto", "none", "gzip", "zstd"]),
                "How text is compressed; `auto` looks at the name and the first bytes.",
            )
        },
        option("follow", OptionKind::Flag, "Goes on reading as text files grow, and as new files match the pattern; never ends."),
        option(
            "speedup",
            OptionKind::Number,
            "Replays at the pace of the event time: 1 is as it happened, 60 makes a minute a second. Waits of more than an hour are skipped.",
        ),
        HEADER,
        DELIMITER,
        NULL,
    ]),
    sink: Some(&[
        OptionSpec {
            required: true,
            ..option("path", OptionKind::Path, "A file, or a folder (it ends in `/`, or `partition_by` is given); complete or not there.")
        },
        option("format", FORMATS, "What to write; told from the name's ending unless given."),
        OptionSpec {
            default: Some("auto"),
            ..option(
                "compression",
                OptionKind::OneOf(&["auto", "none", "gzip", "zstd", "snappy"]),
                "Text: gzip or zstd, `auto` looks at the name. Parquet: zstd or snappy, `auto` is zstd.",
            )
        },
        option("partition_by", OptionKind::Columns, "Columns whose values become folders (`country=DE/`) in place of columns."),
        HEADER,
        DELIMITER,
        NULL,
    ]),
    bounded: |options| !options.flag("follow"),
    sink_takes_retractions: true,
    lookup: false,
    delivery: |_| Delivery::Atomic,
    fixed_schema: |_| None,
    fixed_time: |_| None,
};

/// `file`.
struct FileConnector;

impl Connector for FileConnector {
    fn spec(&self) -> &'static ConnectorSpec {
        &SPEC
    }
    fn discover(&self, config: &SourceConfig) -> Result<arrow::datatypes::SchemaRef, ConnectorError> {
        source::discover(config)
    }
    fn source(&self, config: SourceConfig) -> Result<Arc<dyn Source>, ConnectorError> {
        source::open(config)
    }
    fn sink(&self, config: SinkConfig) -> Result<Arc<dyn Sink>, ConnectorError> {
        sink::open(config)
    }
}

/// For connectors that only write.
pub(crate) fn writes_only(name: &str) -> ConnectorError {
    ConnectorError::user("FIL013", format!("`{name}` can be written, not read")).hint("Read from `type=file`, or from a generator.")
}
