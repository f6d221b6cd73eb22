//! The `kafka` source.
//!
//! Partition p is read by worker p mod n, each worker's by one thread (`fetch`); the worker decodes whole batches of messages. Positions are offsets: a chunk
//! says the next one, and a checkpoint goes on there. No consumer group is joined: who reads what is the plan's matter, and where to go on the checkpoint's.

mod columns;
mod deletions;
mod discover;
mod fetch;
mod follow;
mod raw;
mod reader;
mod start;

pub(crate) use discover::discover;

use crate::options::ValueFormat;
use crate::{
    client::{self, Ears, Heard, Side},
    error, options,
};
use arrow::datatypes::SchemaRef;
use columns::Columns;
use deletions::Deletions;
use rdkafka::ClientConfig;
use reader::KafkaReader;
use runink_connector_api::{
    Boundedness, ConnectorError, EpochBy, Follower, Options, SavedPosition, Share, Source, SourceConfig, SourceReader,
};
use runink_formats::ReadSpec;
use start::{Span, Start};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How often new partitions are looked for, at the least.
const DISCOVER_AT_LEAST: Duration = Duration::from_millis(50);

/// What all readers of a source share.
pub(crate) struct Shared {
    config: ClientConfig,
    ears: Ears,
    brokers: String,
    topic: String,
    format: ValueFormat,
    columns: Columns,
    options: Options,
    name: String,
    schema: SchemaRef,
    key: Vec<String>,
    batch_rows: usize,
    /// Of every partition that there was when the source was opened.
    spans: BTreeMap<i32, Span>,
    bounded: bool,
    discover_every: Duration,
}

struct KafkaSource(Arc<Shared>);

/// Opens a source: asks the brokers what there is.
pub(crate) fn open(config: SourceConfig) -> Result<Arc<dyn Source>, ConnectorError> {
    let options = &config.options;
    options::brokers_given(options)?;
    let topic = options::topic(options)?.to_owned();
    let Some(schema) = config.schema.clone() else { return Err(error::bug("a source was opened without a schema")) };
    let format = ValueFormat::of(options, &config.base_dir)?;
    follow::group_of(options, "", &config.name)?;
    let start = Start::parse(options.text("start").unwrap_or("earliest"))?;
    let columns = Columns::new(options, &schema, &ReadSpec::new(&config, schema.clone()))?;
    if format.is_events() && config.key.is_empty() {
        return Err(error::options("events of Debezium change the rows of keys", "name the key: `key=id`"));
    }
    Deletions::new(options, &schema, &columns, &config.key)?;
    format.decoder(&columns.value).map_err(|e| error::named(&topic, e))?;
    let every = options.duration_us("discover_every").unwrap_or_default().unsigned_abs();
    let client_config = client::config(options, Side::Source)?;
    let ears = Ears(Arc::new(Heard::new(options)?));
    let brokers = client::brokers(options).to_owned();
    let consumer = client::consumer(&client_config, ears.clone())?;
    let asked = client::partitions(&consumer, &topic).map_err(|e| error::asking(&topic, &brokers, e))?;
    let Some(partitions) = asked else { return Err(error::no_topic(&topic, &client::topics_like(&consumer, &topic))) };
    if let Start::Offsets(offsets) = &start
        && let Some(unknown) = offsets.keys().find(|p| !partitions.contains(p))
    {
        let message = format!("`start` names partition {unknown}, and `{topic}` has {}", partitions.len());
        return Err(error::options(message, "partitions count from 0"));
    }
    let bounded = options.text("until").is_some();
    let spans = start::spans(&consumer, &topic, &partitions, &start, bounded).map_err(|e| error::asking(&topic, &brokers, e))?;
    Ok(Arc::new(KafkaSource(Arc::new(Shared {
        config: client_config,
        ears,
        brokers,
        topic,
        format,
        columns,
        options: config.options.clone(),
        name: config.name,
        schema,
        key: config.key,
        batch_rows: config.batch_rows.max(1),
        spans,
        bounded,
        discover_every: Duration::from_micros(every).max(DISCOVER_AT_LEAST),
    }))))
}

impl KafkaSource {
    fn start(&self, share: Share, spans: BTreeMap<i32, Option<Span>>) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let mine = spans.into_iter().filter(|(p, _)| p.unsigned_abs() as usize % share.peers == share.index).collect();
        Ok(Box::new(KafkaReader::start(self.0.clone(), share, mine)?))
    }
}

impl Source for KafkaSource {
    fn boundedness(&self) -> Boundedness {
        if self.0.bounded { Boundedness::Bounded } else { Boundedness::Unbounded }
    }
    fn epoch_by(&self) -> EpochBy {
        if self.0.bounded { EpochBy::Volume } else { EpochBy::Clock }
    }
    fn partitions(&self) -> u32 {
        u32::try_from(self.0.spans.len()).unwrap_or(u32::MAX).max(1)
    }
    fn reader(&self, share: Share) -> Result<Box<dyn SourceReader>, ConnectorError> {
        self.start(share, self.0.spans.iter().map(|(&p, &span)| (p, Some(span))).collect())
    }
    fn follower(&self, scenario: &str) -> Result<Option<Box<dyn Follower>>, ConnectorError> {
        let group = follow::group_of(&self.0.options, scenario, &self.0.name)?;
        Ok(Some(Box::new(follow::LagFollower::new(&self.0.options, group)?)))
    }
    fn resumable(&self) -> bool {
        true
    }
    fn resume(&self, share: Share, from: &[SavedPosition]) -> Result<Box<dyn SourceReader>, ConnectorError> {
        if from.is_empty() {
            return self.reader(share);
        }
        let shared = &self.0;
        let consumer = client::consumer(&shared.config, shared.ears.clone())?;
        let mut lows = BTreeMap::new();
        for &partition in shared.spans.keys() {
            let found = client::watermarks(&consumer, &shared.topic, partition);
            lows.insert(partition, found.map_err(|e| error::asking(&shared.topic, &shared.brokers, e))?);
        }
        self.start(share, start::resumed(&shared.topic, &shared.spans, &lows, from)?)
    }
}
