//! `stdout`: a table for people, JSON lines or CSV for programs.

mod table;

use crate::{error, writes_only};
use arrow::{array::Int64Array, datatypes::SchemaRef, record_batch::RecordBatch};
use runink_connector_api::{
    Connector, ConnectorError, ConnectorSpec, Delivery, OptionKind, OptionSpec, Share, Sink, SinkConfig, SinkSummary, SinkWidth,
    SinkWriter, Source, SourceConfig,
};
use runink_formats::{CsvFormat, EncodeError, Encoder, OutputFormat};
use std::{
    io::{self, ErrorKind, IsTerminal, Write},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use table::Table;

/// The code of the error that whoever read standard output has gone (`runi run | head`): the run ends, and nothing is wrong.
pub const NOBODY_READS: &str = "FIL030";

/// How much text waits for a flush, in bytes; beyond, whole lines are written out.
const BUFFER_BYTES: usize = 256 << 10;

static SPEC: ConnectorSpec = ConnectorSpec {
    name: "stdout",
    about: "Writes to standard output: a table on a terminal, JSON lines in a pipe.",
    source: None,
    sink: Some(&[OptionSpec {
        name: "format",
        kind: OptionKind::OneOf(&["auto", "table", "json", "csv"]),
        required: false,
        default: Some("auto"),
        about: "How rows are written; `auto` is a table on a terminal, else JSON lines.",
    }]),
    bounded: |_| true,
    sink_takes_retractions: true,
    lookup: false,
    delivery: |_| Delivery::AtLeastOnce,
    fixed_schema: |_| None,
    fixed_time: |_| None,
};

/// Where everything goes, shared by the sinks of a process.
struct Output {
    out: Box<dyn Write + Send>,
    is_terminal: bool,
    /// How many sinks there have been, and how many are open.
    sinks: usize,
    open: usize,
    /// Whose rows were written last: a table that is not its own continuation begins with its head.
    last: Option<usize>,
}

type SharedOutput = Arc<Mutex<Output>>;

fn lock(output: &SharedOutput) -> MutexGuard<'_, Output> {
    // Whole after every statement.
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct StdoutConnector {
    output: SharedOutput,
}

impl StdoutConnector {
    pub(crate) fn new() -> Self {
        Self::to(Box::new(io::stdout()), io::stdout().is_terminal())
    }

    fn to(out: Box<dyn Write + Send>, is_terminal: bool) -> Self {
        StdoutConnector { output: Arc::new(Mutex::new(Output { out, is_terminal, sinks: 0, open: 0, last: None })) }
    }
}

impl Connector for StdoutConnector {
    fn spec(&self) -> &'static ConnectorSpec {
        &SPEC
    }
    fn discover(&self, _: &SourceConfig) -> Result<SchemaRef, ConnectorError> {
        Err(writes_only(SPEC.name))
    }
    fn source(&self, _: SourceConfig) -> Result<Arc<dyn Source>, ConnectorError> {
        Err(writes_only(SPEC.name))
    }
    fn sink(&self, config: SinkConfig) -> Result<Arc<dyn Sink>, ConnectorError> {
        let (id, is_terminal) = {
            let mut output = lock(&self.output);
            output.sinks += 1;
            output.open += 1;
            (output.sinks, output.is_terminal)
        };
        let format = match config.options.text("format") {
            Some("table") => Format::Table,
            Some("json") => Format::Lines(OutputFormat::Json),
            Some("csv") => Format::Lines(OutputFormat::Csv(CsvFormat::default())),
            _ if is_terminal => Format::Table,
            _ => Format::Lines(OutputFormat::Json),
        };
        let sink = StdoutSink { output: self.output.clone(), id, format, config };
        // What cannot be shown is found before the first row.
        sink.open_writer()?;
        Ok(Arc::new(sink))
    }
}

enum Format {
    Table,
    Lines(OutputFormat),
}

struct StdoutSink {
    output: SharedOutput,
    id: usize,
    format: Format,
    config: SinkConfig,
}

impl Drop for StdoutSink {
    fn drop(&mut self) {
        lock(&self.output).open -= 1;
    }
}

impl StdoutSink {
    fn open_writer(&self) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let out = Lines { output: self.output.clone(), id: self.id, waiting: Vec::new() };
        Ok(match &self.format {
            Format::Table => {
                let table = Table::new(&self.config.schema, self.config.changelog)?;
                Box::new(TableWriter {
                    table,
                    name: self.config.name.clone(),
                    output: self.output.clone(),
                    id: self.id,
                    summary: SinkSummary::default(),
                })
            }
            Format::Lines(format) => {
                let encoder = Encoder::new(format, &self.config.schema, self.config.changelog, out).map_err(failed)?;
                Box::new(LineWriter { encoder })
            }
        })
    }
}

impl Sink for StdoutSink {
    fn width(&self) -> SinkWidth {
        SinkWidth::One
    }
    fn delivery(&self) -> Delivery {
        Delivery::AtLeastOnce
    }
    fn writer(&self, _: Share) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        self.open_writer()
    }
}

fn failed(cause: EncodeError) -> ConnectorError {
    match cause {
        EncodeError::Io(cause) => io_failed(cause),
        EncodeError::Format(cause) => cause,
    }
}

fn io_failed(cause: io::Error) -> ConnectorError {
    if cause.kind() == ErrorKind::BrokenPipe {
        return ConnectorError::user(NOBODY_READS, "nobody reads standard output any more")
            .hint("The program behind the pipe has ended, as `head` does when it has enough.")
            .caused_by(cause);
    }
    error::cannot_write(Path::new("standard output"), cause)
}

/// Text that goes out by whole lines, so that those of several sinks do not mix.
struct Lines {
    output: SharedOutput,
    id: usize,
    waiting: Vec<u8>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= BUFFER_BYTES
            && let Some(last_end) = self.waiting.iter().rposition(|&b| b == b'\n')
        {
            let mut output = lock(&self.output);
            output.last = Some(self.id);
            output.out.write_all(&self.waiting[..=last_end])?;
            self.waiting.drain(..=last_end);
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        let mut output = lock(&self.output);
        if !self.waiting.is_empty() {
            output.last = Some(self.id);
            output.out.write_all(&self.waiting)?;
            self.waiting.clear();
        }
        output.out.flush()
    }
}

struct LineWriter {
    encoder: Encoder<Lines>,
}

impl SinkWriter for LineWriter {
    fn write(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), ConnectorError> {
        self.encoder.write(batch, diffs).map_err(failed)
    }
    fn flush(&mut self) -> Result<(), ConnectorError> {
        self.encoder.flush().map_err(failed)
    }
    fn finish(self: Box<Self>) -> Result<SinkSummary, ConnectorError> {
        let (mut lines, summary) = self.encoder.finish().map_err(failed)?;
        lines.flush().map_err(io_failed)?;
        Ok(summary)
    }
}

struct TableWriter {
    table: Table,
    name: String,
    output: SharedOutput,
    id: usize,
    summary: SinkSummary,
}

impl TableWriter {
    /// Writes out what the table has ready.
    fn write_out(&mut self) -> Result<(), ConnectorError> {
        if self.table.ready().is_empty() {
            return Ok(());
        }
        let mut output = lock(&self.output);
        if output.last != Some(self.id) {
            // With one sink the rows speak for themselves.
            let title = (output.open > 1).then_some(self.name.as_str());
            let head = self.table.head(title, output.last.is_some());
            output.out.write_all(head.as_bytes()).map_err(io_failed)?;
            output.last = Some(self.id);
        }
        output.out.write_all(self.table.ready().as_bytes()).map_err(io_failed)?;
        self.summary.bytes += self.table.ready().len() as u64;
        self.table.clear();
        Ok(())
    }
}

impl SinkWriter for TableWriter {
    fn write(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), ConnectorError> {
        self.summary.rows += batch.num_rows() as u64;
        self.table.push(batch, diffs)?;
        self.write_out()
    }
    fn flush(&mut self) -> Result<(), ConnectorError> {
        self.table.lay_out()?;
        self.write_out()?;
        lock(&self.output).out.flush().map_err(io_failed)
    }
    fn finish(mut self: Box<Self>) -> Result<SinkSummary, ConnectorError> {
        self.flush()?;
        Ok(self.summary)
    }
}

#[cfg(test)]
mod tests;
