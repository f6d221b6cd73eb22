//! `ticks`: a clock that ticks so many times a second, each tick with a random value and key.

use crate::{
    draw::Draw,
    options::{FIRST_EVENT_TIME, RATE, Run, SEED},
    source::{GeneratedSource, Model},
};
use arrow::{
    array::{ArrayRef, Float64Array, Int64Array, RecordBatchOptions, TimestampMicrosecondArray, UInt64Array},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
    record_batch::RecordBatch,
};
use runink_connector_api::{
    Connector, ConnectorError, ConnectorSpec, Delivery, OptionKind, OptionSpec, Options, Sink, SinkConfig, Source, SourceConfig,
};
use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

/// How many keys there are unless the text says it.
const KEYS: u64 = 10;
/// Ticks per second where neither a rate nor a count is given, and of event time where no rate is.
const PER_SECOND: f64 = 1.0;

static SPEC: ConnectorSpec = ConnectorSpec {
    name: "ticks",
    about: "A clock: rows with a number, a time, a random value and a random key.",
    source: Some(&[
        OptionSpec {
            about: "Ticks per second, of event time and of real time; with `count` as fast as possible unless given, else 1.",
            ..RATE
        },
        OptionSpec {
            name: "count",
            kind: OptionKind::Count,
            required: false,
            default: None,
            about: "How many ticks; without end unless given.",
        },
        SEED,
        OptionSpec { name: "keys", kind: OptionKind::Count, required: false, default: Some("10"), about: "`key` is below this number." },
        FIRST_EVENT_TIME,
    ]),
    sink: None,
    bounded: |options| options.get("count").is_some(),
    sink_takes_retractions: false,
    lookup: false,
    delivery: |_| Delivery::AtLeastOnce,
    fixed_schema: |_| Some(schema()),
    fixed_time: |_| Some("at"),
};

fn schema() -> SchemaRef {
    static SCHEMA: OnceLock<SchemaRef> = OnceLock::new();
    SCHEMA
        .get_or_init(|| {
            Arc::new(Schema::new(vec![
                Field::new("id", DataType::Int64, false),
                Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), false),
                Field::new("value", DataType::Float64, false),
                Field::new("key", DataType::Int64, false),
            ]))
        })
        .clone()
}

pub(crate) struct TicksConnector;

impl Connector for TicksConnector {
    fn spec(&self) -> &'static ConnectorSpec {
        &SPEC
    }
    fn discover(&self, _: &SourceConfig) -> Result<SchemaRef, ConnectorError> {
        Ok(schema())
    }
    fn source(&self, config: SourceConfig) -> Result<Arc<dyn Source>, ConnectorError> {
        let run = of_options(&config.options)?;
        let model = model(run, config.options.count("keys").unwrap_or(KEYS));
        Ok(Arc::new(GeneratedSource::new(model, run, config.projection, config.batch_rows)))
    }
    fn sink(&self, _: SinkConfig) -> Result<Arc<dyn Sink>, ConnectorError> {
        Err(read_only(SPEC.name))
    }
}

/// For connectors that only read.
pub(crate) fn read_only(name: &str) -> ConnectorError {
    ConnectorError::user("GEN003", format!("`{name}` can be read, not written")).hint("Write to `type=file`, `stdout` or `blackhole`.")
}

fn of_options(options: &Options) -> Result<Run, ConnectorError> {
    let mut run = Run::of(options, "count", PER_SECOND)?;
    // Nobody wants an endless clock that ticks as fast as it can.
    run.paced |= run.events.is_none();
    Ok(run)
}

pub(crate) fn model(run: Run, keys: u64) -> Arc<dyn Model> {
    Arc::new(Ticks { run, keys })
}

struct Ticks {
    run: Run,
    keys: u64,
}

impl Model for Ticks {
    fn name(&self) -> &'static str {
        SPEC.name
    }
    fn rows(&self, events: Range<u64>, projection: &[usize]) -> Result<(RecordBatch, Option<UInt64Array>), ConnectorError> {
        let draws = || events.clone().map(|n| Draw::new(self.run.seed, n));
        let column = |index: &usize| -> ArrayRef {
            match index {
                0 => Arc::new(Int64Array::from_iter_values(events.clone().map(|n| n as i64))),
                1 => Arc::new(TimestampMicrosecondArray::from_iter_values(events.clone().map(|n| self.run.timeline.at_us(n)))),
                2 => Arc::new(Float64Array::from_iter_values(draws().map(|d| d.unit(0) * 100.0))),
                _ => Arc::new(Int64Array::from_iter_values(draws().map(|d| d.below(1, self.keys) as i64))),
            }
        };
        batch(&schema(), projection, projection.iter().map(column).collect(), (events.end - events.start) as usize).map(|b| (b, None))
    }
}

/// A batch of projected columns.
pub(crate) fn batch(schema: &SchemaRef, projection: &[usize], columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, ConnectorError> {
    let bug = |cause: ArrowError| ConnectorError::bug("GEN090", format!("generated columns do not make a batch: {cause}")).caused_by(cause);
    let schema = Arc::new(schema.project(projection).map_err(bug)?);
    RecordBatch::try_new_with_options(schema, columns, &RecordBatchOptions::new().with_row_count(Some(rows))).map_err(bug)
}
