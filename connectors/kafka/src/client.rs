//! Clients of librdkafka: how they are configured from options, where their logs go, and questions to brokers with bounded patience.

use crate::{error, native, secret};
use rdkafka::{
    ClientConfig, ClientContext,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    producer::{DeliveryResult, ProducerContext},
    types::RDKafkaErrorCode,
};
use runink_connector_api::{ConnectorError, OptionValue, Options};
use std::{
    error::Error,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// How long a question to the brokers may take, with all its retries.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How soon a question is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Who we are in the brokers' logs.
const CLIENT_ID: &str = "runink";
/// Sources join no group; librdkafka wants a name all the same.
const GROUP_ID: &str = "runink";

/// What a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Sink,
}

/// Where the brokers are.
pub(crate) fn brokers(options: &Options) -> &str {
    options.text("brokers").unwrap_or_default()
}

/// The configuration of a client: ours, then what the options hand on.
pub(crate) fn config(options: &Options, side: Side) -> Result<ClientConfig, ConnectorError> {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Info);
    config.set("bootstrap.servers", secret::resolve("brokers", brokers(options), secret::of_process)?);
    config.set("client.id", CLIENT_ID);
    config.set("enable.metrics.push", "false");
    match side {
        Side::Source => {
            let isolation = options.text("isolation").unwrap_or("read-committed").replace('-', "_");
            config
                .set("group.id", GROUP_ID)
                .set("isolation.level", isolation)
                .set("enable.auto.commit", "false")
                .set("enable.auto.offset.store", "false")
                .set("enable.partition.eof", "true")
                // Where a place is gone, that is an error, not a jump.
                .set("auto.offset.reset", "error");
        }
        Side::Sink => {
            // The partition of a key is the one that Java's clients choose.
            config.set("partitioner", "murmur2_random").set("enable.idempotence", "true").set("linger.ms", "1");
        }
    }
    let handed_on = |name: &str| {
        native::BOTH.contains(&name)
            || match side {
                Side::Source => native::CONSUMER.contains(&name),
                Side::Sink => native::PRODUCER.contains(&name),
            }
    };
    for (name, value) in &options.0 {
        if let OptionValue::Text(text) = value
            && handed_on(name)
        {
            if native::SECRETS.contains(&name.as_str()) {
                secret::by_name_only(name, text)?;
            }
            config.set(name, secret::resolve(name, text, secret::of_process)?);
        }
    }
    match config.create_native_config() {
        Ok(_) => Ok(config),
        Err(KafkaError::ClientConfig(_, why, name, value)) => {
            let shown = if value.is_empty() || native::SECRETS.contains(&name.as_str()) { why } else { why.replace(&value, "…") };
            Err(error::native_option(&name, shown.trim()))
        }
        Err(other) => Err(error::native_option("…", &other.to_string())),
    }
}

/// What librdkafka says of a client, beside its answers.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The first delivery that failed.
    failed: Mutex<Option<KafkaError>>,
    /// How many errors there were of the connection: evidence from before is stale.
    pub(crate) troubles: AtomicU64,
    /// The token of `OAUTHBEARER`, where the options give one.
    token: Option<String>,
}

impl Heard {
    pub(crate) fn new(options: &Options) -> Result<Self, ConnectorError> {
        let token = match options.text("oauth_token") {
            Some(text) => {
                secret::by_name_only("oauth_token", text)?;
                Some(secret::resolve("oauth_token", text, secret::of_process)?)
            }
            None => None,
        };
        Ok(Heard { token, ..Heard::default() })
    }

    /// The first delivery that failed since the last call.
    pub(crate) fn take_failure(&self) -> Option<KafkaError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The context of all our clients.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ears(pub(crate) Arc<Heard>);

impl ClientContext for Ears {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                tracing::warn!(target: "librdkafka", facility, "{message}");
            }
            _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.troubles.fetch_add(1, Ordering::AcqRel);
        tracing::warn!(target: "librdkafka", "{error}: {reason}");
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let token = self.0.token.clone().ok_or("`sasl.mechanism=OAUTHBEARER` needs `oauth_token`")?;
        // The token's own end is the broker's to know; it is asked for again before this.
        let lifetime_ms = (std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)? + OAUTH_LIFETIME).as_millis();
        Ok(OAuthToken { token, principal_name: CLIENT_ID.into(), lifetime_ms: i64::try_from(lifetime_ms)? })
    }
}

/// How long a token is used before it is looked up again.
const OAUTH_LIFETIME: Duration = Duration::from_secs(3600);

impl ConsumerContext for Ears {}

impl ProducerContext for Ears {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((cause, _)) = result {
            self.0.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| cause.clone());
        }
    }
}

/// A consumer without partitions, for questions and for reading.
pub(crate) fn consumer(config: &ClientConfig, ears: Ears) -> Result<BaseConsumer<Ears>, ConnectorError> {
    config.create_with_context(ears).map_err(|cause| error::native_option("…", &cause.to_string()))
}

/// Whether asking again may help: brokers that start, elect or move.
pub(crate) fn is_passing(cause: &KafkaError) -> bool {
    use RDKafkaErrorCode::*;
    matches!(
        cause.rdkafka_error_code(),
        Some(
            AllBrokersDown
                | BrokerTransportFailure
                | OperationTimedOut
                | TimedOutQueue
                | RequestTimedOut
                | LeaderNotAvailable
                | NotLeaderForPartition
                | CoordinatorLoadInProgress
                | CoordinatorNotAvailable
                | NotCoordinator
                | BrokerNotAvailable
                | ReplicaNotAvailable
                | NetworkException
                | NotEnoughReplicas
                | NotEnoughReplicasAfterAppend
                | ConcurrentTransactions
                | UnstableOffsetCommit
                | WaitingForCoordinator
                | Resolve
                | Retry
        )
    )
}

/// Waits between two bounded attempts. What the outside does meanwhile is no condition that could be waited for.
#[allow(clippy::disallowed_methods)]
pub(crate) fn pause(length: Duration) {
    thread::sleep(length);
}

/// Asks until there is an answer, an error that stays, or no patience left.
pub(crate) fn ask<T>(mut question: impl FnMut(Duration) -> Result<T, KafkaError>) -> Result<T, KafkaError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match question(left.max(ASK_AGAIN)) {
            Err(cause) if is_passing(&cause) && left > ASK_AGAIN => pause(ASK_AGAIN),
            answer => return answer,
        }
    }
}

/// The partitions of a topic, ascending; `None` where there is no such topic.
pub(crate) fn partitions<C: ClientContext>(client: &rdkafka::client::Client<C>, topic: &str) -> Result<Option<Vec<i32>>, KafkaError> {
    ask(|patience| partitions_now(client, topic, patience))
}

/// The same, asked once.
pub(crate) fn partitions_now<C: ClientContext>(
    client: &rdkafka::client::Client<C>,
    topic: &str,
    patience: Duration,
) -> Result<Option<Vec<i32>>, KafkaError> {
    let metadata = client.fetch_metadata(Some(topic), patience)?;
    let Some(found) = metadata.topics().iter().find(|t| t.name() == topic) else { return Ok(None) };
    match found.error().map(RDKafkaErrorCode::from) {
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => return Ok(None),
        Some(code) => return Err(KafkaError::MetadataFetch(code)),
        None => {}
    }
    let mut ids: Vec<i32> = found.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect();
    ids.sort_unstable();
    Ok((!ids.is_empty()).then_some(ids))
}

/// The names of some topics, for a hint. Not to be able to ask is no error.
pub(crate) fn topics_like<C: ClientContext>(client: &rdkafka::client::Client<C>, topic: &str) -> String {
    const SHOWN: usize = 10;
    let Ok(metadata) = client.fetch_metadata(None, Duration::from_secs(2)) else { return "see the topic's name".into() };
    let start: String = topic.chars().take(3).collect();
    let mut names: Vec<&str> = metadata.topics().iter().map(|t| t.name()).filter(|n| !n.starts_with("__")).collect();
    names.sort_by_key(|n| (!n.starts_with(&start), *n));
    names.truncate(SHOWN);
    if names.is_empty() { "the brokers have no topics".into() } else { format!("the brokers have: {}", names.join(", ")) }
}

/// Waits for what librdkafka answers from its own threads.
pub(crate) fn wait_for<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// First and next offset of a partition, as far as the isolation lets one see.
pub(crate) fn watermarks(consumer: &BaseConsumer<Ears>, topic: &str, partition: i32) -> Result<(i64, i64), KafkaError> {
    ask(|patience| consumer.fetch_watermarks(topic, partition, patience))
}
