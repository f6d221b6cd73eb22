//! Clients of librdkafka: how they are configured from options, where their logs go, and questions to brokers with bounded patience.

use crate::{error, native, secret, token::Tokens};
use rdkafka::{
    ClientConfig, ClientContext, TopicPartitionList,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
    producer::{DeliveryResult, Producer, ProducerContext},
    types::RDKafkaErrorCode,
};
use runink_connector_api::{ConnectorError, OptionValue, Options};
use std::{
    error::Error,
    future::Future,
    path::Path,
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
/// How long the first attempt at a question may take; each further one twice as long. Between attempts one hears of refusals.
const FIRST_TRY: Duration = Duration::from_millis(250);
/// How long a client is listened to between two attempts.
const LISTEN: Duration = Duration::from_millis(10);
/// How soon a question is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Who we are in the brokers' logs.
const CLIENT_ID: &str = "runink";
/// What `ssl.ca.location` may be instead of a file: librdkafka looks where systems keep them.
const NO_FILE: &str = "probe";
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
                // Where enough waits, nothing is fetched for that long. A second, as it is without this, starves who reads what waits in a tenth of it.
                .set("fetch.queue.backoff.ms", "5")
                // Where a place is gone, that is an error, not a jump.
                .set("auto.offset.reset", "error");
        }
        Side::Sink => {
            // The partition of a key is the one that Java's clients choose.
            config.set("partitioner", "murmur2_random").set("enable.idempotence", "true").set("linger.ms", "1");
            // Deliveries that succeed are not told one by one.
            config.set("delivery.report.only.error", "true");
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
            let value = secret::resolve(name, text, secret::of_process)?;
            if name.ends_with(".location") && value != NO_FILE && !Path::new(&value).exists() {
                return Err(error::native_option(name, "there is no such file"));
            }
            config.set(name, value);
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

/// Why the brokers do not let one in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// TLS, not who asks.
    pub(crate) tls: bool,
    pub(crate) why: String,
}

/// What librdkafka says of a client, beside its answers.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The first delivery or commit of offsets that failed.
    failed: Mutex<Option<KafkaError>>,
    /// The newest refusal since brokers last answered.
    refusal: Mutex<Option<Refusal>>,
    /// How many errors there were of the connection: evidence from before is stale.
    pub(crate) troubles: AtomicU64,
    /// How many commits of offsets were answered.
    commits: AtomicU64,
    /// Where the tokens of `OAUTHBEARER` come from.
    tokens: Option<Tokens>,
}

impl Heard {
    pub(crate) fn new(options: &Options) -> Result<Self, ConnectorError> {
        let tokens = Tokens::of(options)?;
        // That there is none now is said at once, and as what it is.
        if let Some(tokens) = &tokens {
            tokens.next()?;
        }
        Ok(Heard { tokens, ..Heard::default() })
    }

    /// How many commits of offsets the brokers have answered, well or not.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// The first delivery or commit of offsets that failed since the last call.
    pub(crate) fn take_failure(&self) -> Option<KafkaError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Why the brokers do not let one in, where they do not.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refused(&self, refusal: Option<Refusal>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }
}

/// What librdkafka says of a refusal, without how long it took and who was asked.
fn why(reason: &str) -> String {
    let reason = reason.split_once(" (after ").map_or(reason, |(why, _)| why);
    let reason = reason.split_once("/bootstrap: ").map_or(reason, |(_, why)| why);
    // What to do is our hint's to say.
    let reason = reason.split_once(", verify that ").map_or(reason, |(why, _)| why);
    reason.trim_start_matches("SASL authentication error: ").trim_start_matches("SSL handshake failed: ").to_owned()
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
        if let Some(tls) = error::is_tls(&error) {
            self.0.refused(Some(Refusal { tls, why: why(reason) }));
        }
        tracing::warn!(target: "librdkafka", "{error}: {reason}");
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let tokens = self.0.tokens.as_ref().ok_or("`sasl.mechanism=OAUTHBEARER` is without a token")?;
        // Without the hint: it ends up in a message of librdkafka's.
        tokens.next().map_err(|error| error.message.into())
    }
}

impl ConsumerContext for Ears {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        self.0.commits.fetch_add(1, Ordering::AcqRel);
        if let Err(cause) = result {
            self.0.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
        }
    }
}

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
    let consumer: BaseConsumer<Ears> = config.create_with_context(ears).map_err(error::creation)?;
    if consumer.context().0.tokens.is_some() {
        // It asks for its token as it comes to be.
        listen(&consumer);
    }
    Ok(consumer)
}

/// Hears what librdkafka has to say. Only for consumers without partitions: messages would be lost.
fn listen(consumer: &BaseConsumer<Ears>) {
    let until = Instant::now() + LISTEN;
    while Instant::now() < until {
        // Errors have been heard.
        let _ = consumer.poll(until.saturating_duration_since(Instant::now()));
    }
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

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    Failed(KafkaError),
    /// Nobody was let in; asking again does not help.
    Refused(Refusal),
}

impl From<KafkaError> for Unanswered {
    fn from(cause: KafkaError) -> Self {
        Unanswered::Failed(cause)
    }
}

/// Asks until there is an answer, an error that stays, or no patience left. The consumer has no partitions.
pub(crate) fn ask<T>(consumer: &BaseConsumer<Ears>, mut question: impl FnMut(Duration) -> Result<T, KafkaError>) -> Result<T, Unanswered> {
    let heard = &consumer.context().0;
    let until = Instant::now() + PATIENCE;
    let mut patience = FIRST_TRY;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match question(left.min(patience).max(ASK_AGAIN)) {
            Ok(answer) => {
                heard.refused(None);
                return Ok(answer);
            }
            Err(cause) if is_passing(&cause) => {
                listen(consumer);
                if let Some(refusal) = heard.refusal() {
                    return Err(Unanswered::Refused(refusal));
                }
                if left <= ASK_AGAIN {
                    return Err(Unanswered::Failed(cause));
                }
                pause(ASK_AGAIN);
                patience *= 2;
            }
            Err(cause) => return Err(Unanswered::Failed(cause)),
        }
    }
}

/// The partitions of a topic, ascending; `None` where there is no such topic.
pub(crate) fn partitions(consumer: &BaseConsumer<Ears>, topic: &str) -> Result<Option<Vec<i32>>, Unanswered> {
    ask(consumer, |patience| partitions_now(consumer.client(), topic, patience))
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
pub(crate) fn topics_like(consumer: &BaseConsumer<Ears>, topic: &str) -> String {
    const SHOWN: usize = 10;
    let Ok(metadata) = consumer.fetch_metadata(None, Duration::from_secs(2)) else { return "see the topic's name".into() };
    let start: String = topic.chars().take(3).collect();
    let mut names: Vec<&str> = metadata.topics().iter().map(|t| t.name()).filter(|n| !n.starts_with("__")).collect();
    names.sort_by_key(|n| (!n.starts_with(&start), *n));
    names.truncate(SHOWN);
    if names.is_empty() { "the brokers have no topics".into() } else { format!("the brokers have: {}", names.join(", ")) }
}

/// Sees everything out that was sent. The library's own flush, where it has to wait, looks ten times a second; here `look` says how long to wait.
pub(crate) fn flush<P: Producer<Ears>>(producer: &P, patience: Duration, look: impl Fn()) -> Result<(), KafkaError> {
    let until = Instant::now() + patience;
    loop {
        match producer.flush(Duration::ZERO) {
            Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)) if Instant::now() < until => look(),
            done => return done,
        }
    }
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
pub(crate) fn watermarks(consumer: &BaseConsumer<Ears>, topic: &str, partition: i32) -> Result<(i64, i64), Unanswered> {
    ask(consumer, |patience| consumer.fetch_watermarks(topic, partition, patience))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_without_what_changes() {
        let told = "sasl_plaintext://127.0.0.1:9095/bootstrap: SASL authentication error: Authentication failed: Invalid username or password \
                    (after 108ms in state AUTH_REQ)";
        assert_eq!(why(told), "Authentication failed: Invalid username or password");
        assert_eq!(why("sasl_ssl://b:1/3: certificate verify failed"), "sasl_ssl://b:1/3: certificate verify failed");
    }
}
