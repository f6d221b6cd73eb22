//! `nexmark`: people, auctions and bids of an online auction house, in the proportions and with the skew of the public benchmark.
//!
//! Of 50 events 1 is a person, 3 are auctions and 46 are bids. Prices are spread over decades, most bids go to the hot auction and come from a hot
//! bidder, most auctions from a hot seller. `kind` gives one kind of event of the same stream: sources with one seed fit together.

mod columns;
mod model;
mod words;

use crate::{
    options::{FIRST_EVENT_TIME, RATE, Run, SEED},
    source::{GeneratedSource, Model},
    ticks::{batch, read_only},
};
use arrow::{
    array::{ArrayRef, Int32Array, StructArray, TimestampMicrosecondArray, UInt32Array, UInt64Array},
    compute::take,
    datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
    record_batch::RecordBatch,
};
use model::{Events, Kind};
use runink_connector_api::{
    Connector, ConnectorError, ConnectorSpec, Delivery, OptionKind, OptionSpec, Options, Sink, SinkConfig, Source, SourceConfig,
};
use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

/// Events per second of event time where no rate is given.
const PER_SECOND: f64 = 10_000.0;

static SPEC: ConnectorSpec = ConnectorSpec {
    name: "nexmark",
    about: "Generates the people, auctions and bids of the Nexmark benchmark.",
    source: Some(&[
        OptionSpec {
            name: "kind",
            kind: OptionKind::OneOf(&["all", "person", "auction", "bid"]),
            required: false,
            default: Some("all"),
            about: "Which events; `all` has a struct column for each kind.",
        },
        OptionSpec {
            name: "events",
            kind: OptionKind::Count,
            required: false,
            default: None,
            about: "How many events of all kinds the stream has (46 of 50 are bids); without end unless given.",
        },
        OptionSpec { about: "Events of all kinds per second, of event time and of real time; as fast as possible unless given.", ..RATE },
        OptionSpec {
            name: "event_rate",
            kind: OptionKind::Number,
            required: false,
            default: None,
            about: "Events of all kinds per second of event time, in place of `rate`: they still come as fast as possible. 10,000 unless given.",
        },
        SEED,
        FIRST_EVENT_TIME,
    ]),
    sink: None,
    bounded: |options| options.get("events").is_some(),
    sink_takes_retractions: false,
    lookup: false,
    delivery: |_| Delivery::AtLeastOnce,
    fixed_schema: |options| Some(schema_of(kind_of(options))),
    fixed_time: |_| Some("date_time"),
};

/// `None` for all kinds.
fn kind_of(options: &Options) -> Option<Kind> {
    match options.text("kind") {
        Some("person") => Some(Kind::Person),
        Some("auction") => Some(Kind::Auction),
        Some("bid") => Some(Kind::Bid),
        _ => None,
    }
}

/// The columns of a kind. Inside a struct they are null where the struct is.
fn fields_of(kind: Kind, nullable: bool) -> Fields {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, None);
    let fields: &[(&str, DataType)] = match kind {
        Kind::Person => &[
            ("id", DataType::Int64),
            ("name", DataType::Utf8),
            ("email_address", DataType::Utf8),
            ("credit_card", DataType::Utf8),
            ("city", DataType::Utf8),
            ("state", DataType::Utf8),
            ("date_time", time()),
            ("extra", DataType::Utf8),
        ],
        Kind::Auction => &[
            ("id", DataType::Int64),
            ("item_name", DataType::Utf8),
            ("description", DataType::Utf8),
            ("initial_bid", DataType::Int64),
            ("reserve", DataType::Int64),
            ("date_time", time()),
            ("expires", time()),
            ("seller", DataType::Int64),
            ("category", DataType::Int64),
            ("extra", DataType::Utf8),
        ],
        Kind::Bid => &[
            ("auction", DataType::Int64),
            ("bidder", DataType::Int64),
            ("price", DataType::Int64),
            ("channel", DataType::Utf8),
            ("url", DataType::Utf8),
            ("date_time", time()),
            ("extra", DataType::Utf8),
        ],
    };
    fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), nullable)).collect()
}

fn schema_of(kind: Option<Kind>) -> SchemaRef {
    static SCHEMAS: OnceLock<[SchemaRef; 4]> = OnceLock::new();
    let [all, person, auction, bid] = SCHEMAS.get_or_init(|| {
        let of = |kind| Arc::new(Schema::new(fields_of(kind, false)));
        let part = |name, kind| Field::new(name, DataType::Struct(fields_of(kind, true)), true);
        let all = Schema::new(vec![
            Field::new("event_type", DataType::Int32, false),
            part("person", Kind::Person),
            part("auction", Kind::Auction),
            part("bid", Kind::Bid),
            Field::new("date_time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        ]);
        [Arc::new(all), of(Kind::Person), of(Kind::Auction), of(Kind::Bid)]
    });
    match kind {
        None => all,
        Some(Kind::Person) => person,
        Some(Kind::Auction) => auction,
        Some(Kind::Bid) => bid,
    }
    .clone()
}

pub(crate) struct NexmarkConnector;

impl Connector for NexmarkConnector {
    fn spec(&self) -> &'static ConnectorSpec {
        &SPEC
    }
    fn discover(&self, config: &SourceConfig) -> Result<SchemaRef, ConnectorError> {
        Ok(schema_of(kind_of(&config.options)))
    }
    fn source(&self, config: SourceConfig) -> Result<Arc<dyn Source>, ConnectorError> {
        let run = Run::of(&config.options, "events", PER_SECOND)?;
        let model = Nexmark { run, kind: kind_of(&config.options) };
        Ok(Arc::new(GeneratedSource::new(Arc::new(model), run, config.projection, config.batch_rows)))
    }
    fn sink(&self, _: SinkConfig) -> Result<Arc<dyn Sink>, ConnectorError> {
        Err(read_only(SPEC.name))
    }
}

struct Nexmark {
    run: Run,
    kind: Option<Kind>,
}

impl Nexmark {
    /// Columns of one kind of event, one row for each of these events, which are all of that kind.
    fn columns(&self, kind: Kind, numbers: &[u64], columns: impl Iterator<Item = usize>) -> Vec<ArrayRef> {
        let events = Events { run: &self.run, numbers };
        columns.map(|column| columns::column(kind, column, &events)).collect()
    }

    /// A struct column: null for events of other kinds.
    fn part(&self, kind: Kind, events: Range<u64>) -> Result<ArrayRef, ArrowError> {
        let fields = fields_of(kind, true);
        let numbers: Vec<u64> = events.clone().filter(|n| Kind::of(*n) == kind).collect();
        let compact = StructArray::try_new(fields.clone(), self.columns(kind, &numbers, 0..fields.len()), None)?;
        let mut next = 0;
        let places: UInt32Array = events
            .map(|n| {
                (Kind::of(n) == kind).then(|| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        take(&compact, &places, None)
    }
}

impl Model for Nexmark {
    fn name(&self) -> &'static str {
        SPEC.name
    }
    fn rows(&self, events: Range<u64>, projection: &[usize]) -> Result<(RecordBatch, Option<UInt64Array>), ConnectorError> {
        let schema = schema_of(self.kind);
        if let Some(kind) = self.kind {
            let numbers: Vec<u64> = events.filter(|n| Kind::of(*n) == kind).collect();
            let columns = self.columns(kind, &numbers, projection.iter().copied());
            return Ok((batch(&schema, projection, columns, numbers.len())?, Some(UInt64Array::from(numbers))));
        }
        let bug = |cause: ArrowError| ConnectorError::bug("GEN091", format!("events do not make a struct: {cause}")).caused_by(cause);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(projection.len());
        for column in projection {
            columns.push(match column {
                0 => Arc::new(Int32Array::from_iter_values(events.clone().map(|n| Kind::of(n) as i32))),
                1 => self.part(Kind::Person, events.clone()).map_err(bug)?,
                2 => self.part(Kind::Auction, events.clone()).map_err(bug)?,
                3 => self.part(Kind::Bid, events.clone()).map_err(bug)?,
                _ => Arc::new(TimestampMicrosecondArray::from_iter_values(events.clone().map(|n| self.run.timeline.at_us(n)))),
            });
        }
        let rows = (events.end - events.start) as usize;
        Ok((batch(&schema, projection, columns, rows)?, None))
    }
}

#[cfg(test)]
mod tests;
