//! Columns from a sample of a topic, where no contract says them.

use super::{columns, start};
use crate::{
    client::{self, Ears, Heard, Side},
    error,
    options::{self, ValueFormat},
    registry::Registry,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rdkafka::{Offset, TopicPartitionList, consumer::Consumer, error::KafkaError, message::Message};
use runink_connector_api::{ConnectorError, SourceConfig};
use runink_formats::{MessageFormat, ProtoFile, SAMPLE_BYTES, SAMPLE_ROWS, TextFormat, infer};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long messages are waited for at once.
const POLL: Duration = Duration::from_millis(100);

/// Finds the columns.
pub(crate) fn discover(config: &SourceConfig) -> Result<SchemaRef, ConnectorError> {
    let options = &config.options;
    options::brokers_given(options)?;
    let topic = options::topic(options)?;
    let newest = |registry: &Registry, kind: &str| {
        let schema = registry.latest(&format!("{topic}-value"))?;
        schema.ok_or_else(|| error::no_sample(topic, &format!("the schema registry has no {kind} schema for it")))
    };
    let own: Vec<Arc<Field>> = match options::ValueFormat::of(options, &config.base_dir)? {
        ValueFormat::Avro(registry) => {
            let columns = runink_formats::avro_columns(&newest(&registry, "Avro")?.text).map_err(|e| error::named(topic, e))?;
            columns.fields().iter().cloned().collect()
        }
        ValueFormat::Protobuf(message) => message.columns().map_err(|e| error::named(topic, e))?.fields().iter().cloned().collect(),
        ValueFormat::RegisteredProtobuf(registry) => {
            let schema = newest(&registry, "Protobuf")?;
            let message = ProtoFile::parse(&schema.text, schema.imports).and_then(|file| file.message(options.text("message")));
            let columns = message.and_then(|m| m.columns()).map_err(|e| error::named(topic, e))?;
            columns.fields().iter().cloned().collect()
        }
        ValueFormat::Plain(MessageFormat::Arrow) => return Err(error::no_sample(topic, "streams of Arrow are not looked into")),
        ValueFormat::Plain(MessageFormat::Raw) => vec![Arc::new(Field::new("value", DataType::Binary, false))],
        ValueFormat::Plain(MessageFormat::Json) => {
            let sample = sample(config, topic)?;
            let schema = infer(&TextFormat::Json, &sample, true).map_err(|e| error::named(topic, e))?;
            schema.fields().iter().cloned().collect()
        }
        ValueFormat::Plain(MessageFormat::Debezium) => {
            return Err(error::no_sample(topic, "its events have the rows of a table, whose columns a contract says"));
        }
        ValueFormat::Plain(MessageFormat::Csv(_)) => return Err(error::no_sample(topic, "rows of CSV do not name their columns")),
    };
    let beside = columns::beside_fields(options);
    let own = own.into_iter().filter(|f| !beside.iter().any(|b| b.name() == f.name()));
    Ok(Arc::new(Schema::new(own.chain(beside.iter().cloned().map(Arc::new)).collect::<Vec<_>>())))
}

/// The first messages of the topic, as lines.
fn sample(config: &SourceConfig, topic: &str) -> Result<Vec<u8>, ConnectorError> {
    let options = &config.options;
    let ears = Ears(Arc::new(Heard::new(options)?));
    let consumer = client::consumer(&client::config(options, Side::Source)?, ears)?;
    let brokers = client::brokers(options);
    let asking = |cause: KafkaError| error::asking(topic, brokers, cause);
    let Some(partitions) = client::partitions(&consumer, topic).map_err(|e| error::asking(topic, brokers, e))? else {
        return Err(error::no_topic(topic, &client::topics_like(&consumer, topic)));
    };
    let spans = start::spans(&consumer, topic, &partitions, &start::Start::Earliest, true).map_err(|e| error::asking(topic, brokers, e))?;
    let mut list = TopicPartitionList::new();
    let mut open = BTreeSet::new();
    for (&partition, span) in spans.iter().filter(|(_, s)| s.to != Some(s.from)) {
        list.add_partition_offset(topic, partition, Offset::Offset(span.from)).map_err(asking)?;
        open.insert(partition);
    }
    consumer.assign(&list).map_err(asking)?;
    let until = Instant::now() + client::PATIENCE;
    let (mut sample, mut rows) = (Vec::new(), 0);
    while rows < SAMPLE_ROWS && sample.len() < SAMPLE_BYTES && !open.is_empty() && Instant::now() < until {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let Some(value) = message.payload().filter(|v| !v.trim_ascii().is_empty()) else { continue };
                // Inside a text, a line break is no JSON; between values it means nothing.
                sample.extend(value.iter().map(|b| if *b == b'\n' { b' ' } else { *b }));
                sample.push(b'\n');
                rows += 1;
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(cause)) if client::is_passing(&cause) => {}
            Some(Err(cause)) => return Err(error::reading(topic, cause)),
            None => {}
        }
    }
    if rows == 0 {
        return Err(error::no_sample(topic, "it has no messages"));
    }
    Ok(sample)
}
