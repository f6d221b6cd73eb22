//! Topics that sinks write to: found, or made.

use crate::{
    client::{self, Ears},
    error, options,
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use runink_connector_api::{ConnectorError, Options};

/// How a topic is made.
pub(crate) struct Making<'a> {
    pub(crate) partitions: i32,
    /// `None` for the brokers' default.
    pub(crate) replication: Option<i32>,
    pub(crate) config: Vec<(&'a str, &'a str)>,
}

/// What the options say of making the topic; `None` where it must be there.
pub(crate) fn making(options: &Options) -> Result<Option<Making<'_>>, ConnectorError> {
    let number = |name: &str| match options.count(name) {
        None => Ok(None),
        Some(n) => match i32::try_from(n) {
            Ok(n) if n > 0 => Ok(Some(n)),
            _ => Err(error::options(format!("`{name}` is {n}"), "it is at least 1")),
        },
    };
    let (partitions, replication) = (number("partitions")?, number("replication")?);
    let mut config = Vec::new();
    for pair in options.text("topic_config").unwrap_or_default().split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(error::options(
                format!("`topic_config` has `{pair}`, which is no `name=value`"),
                "write for example `topic_config=\"cleanup.policy=compact\"`",
            ));
        };
        config.push((name.trim(), value.trim()));
    }
    match partitions {
        Some(partitions) => Ok(Some(Making { partitions, replication, config })),
        None if replication.is_some() || !config.is_empty() => {
            Err(error::options("`replication` and `topic_config` are for topics that are made", "add `partitions=`, or leave them out"))
        }
        None => Ok(None),
    }
}

/// Who makes topics.
pub(crate) fn admin(config: &ClientConfig, ears: Ears) -> Result<AdminClient<Ears>, ConnectorError> {
    let mut config = config.clone();
    // What is only for producers would be warned of.
    for name in ["partitioner", "enable.idempotence", "linger.ms"] {
        config.remove(name);
    }
    config.create_with_context(ears).map_err(|cause| error::native_option("…", &cause.to_string()))
}

/// Sees that the topic is there, and makes it where that is wanted. Tells whether it was made, and how many partitions it has.
pub(crate) fn ensure(
    admin: &AdminClient<Ears>,
    brokers: &str,
    topic: &str,
    making: Option<&Making<'_>>,
) -> Result<(bool, usize), ConnectorError> {
    let asking = |e| error::asking(topic, brokers, e);
    if let Some(partitions) = client::partitions(admin.inner(), topic).map_err(asking)? {
        return Ok((false, partitions.len()));
    }
    let Some(making) = making else {
        let hint = format!("make it, or let the sink make it with `partitions=`; {}", client::topics_like(admin.inner(), topic));
        return Err(error::no_topic(topic, &hint));
    };
    let mut new = NewTopic::new(topic, making.partitions, TopicReplication::Fixed(making.replication.unwrap_or(-1)));
    for (name, value) in &making.config {
        new = new.set(name, value);
    }
    let options = AdminOptions::new().request_timeout(Some(client::PATIENCE)).operation_timeout(Some(client::PATIENCE));
    let made = client::wait_for(admin.create_topics([&new], &options)).map_err(|e| error::creating(topic, e))?;
    let made = match made.into_iter().next() {
        Some(Ok(_)) => true,
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => false,
        Some(Err((_, code))) => return Err(error::creating(topic, KafkaError::AdminOp(code))),
        None => return Err(error::bug("the brokers said nothing of the topic to be made")),
    };
    // Brokers hear of it one after the other.
    let known = client::ask(|patience| match client::partitions_now(admin.inner(), topic, patience)? {
        Some(partitions) => Ok(partitions.len()),
        None => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable)),
    });
    Ok((made, known.map_err(asking)?))
}

/// A topic's configuration value.
pub(crate) fn config_of(admin: &AdminClient<Ears>, topic: &str, name: &str) -> Result<Option<String>, KafkaError> {
    let options = AdminOptions::new().request_timeout(Some(client::PATIENCE));
    let described = client::wait_for(admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options))?;
    let Some(Ok(resource)) = described.into_iter().next() else { return Ok(None) };
    Ok(resource.entries.into_iter().find(|e| e.name == name && e.source != ConfigSource::Unknown).and_then(|e| e.value))
}

/// Whether the options can be understood, without asking anybody.
pub(crate) fn check(options: &Options) -> Result<(), ConnectorError> {
    options::topic(options)?;
    making(options).map(drop)
}
