//! Bare clients of librdkafka: what moving messages costs at least.

use super::broken;
use crate::run::BenchError;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
    types::RDKafkaErrorCode,
};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// The argument that makes this program such a client: then brokers, topic, and the topic to write to.
pub const CHILD: &str = "--bare";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long nothing is waited for at once.
const POLL: Duration = Duration::from_millis(100);

fn failed(cause: KafkaError) -> BenchError {
    broken("Kafka", cause)
}

/// A consumer, as librdkafka is without settings.
pub(super) fn consumer(brokers: &str) -> Result<BaseConsumer, BenchError> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "bench").set("enable.auto.commit", "false");
    config.set("isolation.level", "read_committed").create().map_err(failed)
}

fn ends(consumer: &BaseConsumer, topic: &str) -> Result<Vec<(i32, i64)>, BenchError> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).map_err(failed)?;
    let partitions = metadata.topics().iter().flat_map(|t| t.partitions()).map(|p| p.id());
    partitions.map(|p| Ok((p, consumer.fetch_watermarks(topic, p, PATIENCE).map_err(failed)?.1))).collect()
}

/// How many messages a topic that was never cut has.
///
/// # Errors
/// Where the broker does not tell.
pub fn length(brokers: &str, topic: &str) -> Result<u64, BenchError> {
    Ok(ends(&consumer(brokers)?, topic)?.iter().map(|(_, end)| end.unsigned_abs()).sum())
}

/// Takes a consumer to where a topic begins, or ends.
pub(super) fn assign(consumer: &BaseConsumer, topic: &str, from: Offset) -> Result<Vec<(i32, i64)>, BenchError> {
    let ends = ends(consumer, topic)?;
    let mut list = TopicPartitionList::new();
    for (partition, end) in &ends {
        let at = if from == Offset::End { Offset::Offset(*end) } else { from };
        list.add_partition_offset(topic, *partition, at).map_err(failed)?;
    }
    consumer.assign(&list).map_err(failed)?;
    Ok(ends)
}

/// Sends, and waits while the queue is full.
pub(super) fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    key: Option<&[u8]>,
    payload: &[u8],
) -> Result<(), BenchError> {
    let mut record = BaseRecord::<[u8], [u8]>::to(topic).payload(payload);
    record.key = key;
    while let Err((cause, back)) = producer.send(record) {
        if cause.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            return Err(failed(cause));
        }
        producer.poll(Duration::from_millis(1));
        record = back;
    }
    Ok(())
}

/// Reads a topic to its end; with `to`, writes each message there.
///
/// # Errors
/// What Kafka says.
pub fn run(brokers: &str, topic: &str, to: Option<&str>) -> Result<(), BenchError> {
    let consumer = consumer(brokers)?;
    let mut left: u64 = assign(&consumer, topic, Offset::Beginning)?.iter().map(|(_, end)| end.unsigned_abs()).sum();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("enable.idempotence", "true").set("partitioner", "murmur2_random");
    let producer: Option<ThreadedProducer<DefaultProducerContext>> = to.map(|_| config.create()).transpose().map_err(failed)?;
    let until = Instant::now() + PATIENCE;
    let mut bytes = 0;
    while left > 0 {
        match consumer.poll(POLL) {
            Some(message) => {
                let message = message.map_err(failed)?;
                let payload = message.payload().unwrap_or_default();
                if let (Some(producer), Some(to)) = (&producer, to) {
                    send(producer, to, message.key(), payload)?;
                }
                bytes += payload.len();
                left -= 1;
            }
            None if Instant::now() > until => return Err(broken("Kafka", "messages do not come")),
            None => {}
        }
    }
    black_box(bytes);
    if let Some(producer) = producer {
        producer.flush(PATIENCE).map_err(failed)?;
    }
    Ok(())
}
