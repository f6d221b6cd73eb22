//! Topics that sinks write to: found, or made.

use crate::{
    client::{self, Ears, Heard, Side},
    error, options, token,
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication},
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use runink_connector_api::{ConnectorError, Options};
use std::sync::Arc;

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

/// Who asks about topics, and makes them.
pub(crate) struct Topics {
    asks: BaseConsumer<Ears>,
    admin: ClientConfig,
    brokers: String,
    /// A client that makes topics asks for no tokens.
    administers: bool,
}

impl Topics {
    pub(crate) fn new(options: &Options) -> Result<Self, ConnectorError> {
        let asks = client::consumer(&client::config(options, Side::Source)?, Ears(Arc::new(Heard::new(options)?)))?;
        let mut admin = client::config(options, Side::Sink)?;
        // What is only for producers would be warned of.
        for name in ["partitioner", "enable.idempotence", "linger.ms", "delivery.report.only.error"] {
            admin.remove(name);
        }
        Ok(Topics { asks, admin, brokers: client::brokers(options).to_owned(), administers: !token::is_used(options) })
    }

    fn admin(&self) -> Result<AdminClient<Ears>, ConnectorError> {
        self.admin.create_with_context(self.asks.context().as_ref().clone()).map_err(error::creation)
    }

    /// How many partitions a topic has; `None` where it is not there.
    pub(crate) fn partitions(&self, topic: &str) -> Result<Option<usize>, ConnectorError> {
        let found = client::partitions(&self.asks, topic).map_err(|e| error::asking(topic, &self.brokers, e))?;
        Ok(found.map(|partitions| partitions.len()))
    }

    /// Sees that the topic is there, and makes it where that is wanted.
    pub(crate) fn ensure(&self, topic: &str, making: Option<&Making<'_>>) -> Result<(), ConnectorError> {
        if self.partitions(topic)?.is_some() {
            return Ok(());
        }
        let Some(making) = making else {
            let hint = format!("make it, or let the sink make it with `partitions=`; {}", client::topics_like(&self.asks, topic));
            return Err(error::no_topic(topic, &hint));
        };
        if !self.administers {
            return Err(error::cannot_make(topic));
        }
        let mut new = NewTopic::new(topic, making.partitions, TopicReplication::Fixed(making.replication.unwrap_or(-1)));
        for (name, value) in &making.config {
            new = new.set(name, value);
        }
        let options = AdminOptions::new().request_timeout(Some(client::PATIENCE)).operation_timeout(Some(client::PATIENCE));
        let made = client::wait_for(self.admin()?.create_topics([&new], &options)).map_err(|e| error::creating(topic, e))?;
        match made.into_iter().next() {
            Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {}
            Some(Err((_, code))) => return Err(error::creating(topic, KafkaError::AdminOp(code))),
            None => return Err(error::bug("the brokers said nothing of the topic to be made")),
        }
        // Brokers hear of it one after the other.
        let known = client::ask(&self.asks, |patience| match client::partitions_now(self.asks.client(), topic, patience)? {
            Some(_) => Ok(()),
            None => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable)),
        });
        known.map_err(|e| error::asking(topic, &self.brokers, e))
    }

    /// How a topic is cleaned up; `None` where that cannot be asked.
    pub(crate) fn cleanup_policy(&self, topic: &str) -> Result<Option<String>, ConnectorError> {
        const NAME: &str = "cleanup.policy";
        if !self.administers {
            tracing::warn!("with `sasl.mechanism=OAUTHBEARER` it cannot be seen whether `{topic}` has `{NAME}=compact`, as it must");
            return Ok(None);
        }
        let options = AdminOptions::new().request_timeout(Some(client::PATIENCE));
        let described = client::wait_for(self.admin()?.describe_configs([&ResourceSpecifier::Topic(topic)], &options));
        let described = described.map_err(|e| error::asking(topic, &self.brokers, e))?;
        let found = match described.into_iter().next() {
            Some(Ok(resource)) => resource.entries.into_iter().find(|e| e.name == NAME && e.source != ConfigSource::Unknown),
            Some(Err(code)) => return Err(error::asking(topic, &self.brokers, KafkaError::AdminOp(code))),
            None => None,
        };
        Ok(Some(found.and_then(|e| e.value).unwrap_or_else(|| "not known".into())))
    }
}

/// Whether the options can be understood, without asking anybody.
pub(crate) fn check(options: &Options) -> Result<(), ConnectorError> {
    options::topic(options)?;
    making(options).map(drop)
}
