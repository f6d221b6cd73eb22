//! The errors of Kafka: one place for their codes, so that none is used for two things.

use crate::client::{self, Refusal, Unanswered};
use rdkafka::{error::KafkaError, types::RDKafkaErrorCode};
use runink_connector_api::{ConnectorError, WhoActs};
use std::fmt::Display;

/// Options that do not go together, or a value that means nothing.
pub(crate) fn options(message: impl Into<String>, hint: impl Into<String>) -> ConnectorError {
    ConnectorError::user("KAF001", message).hint(hint)
}

/// There is no such topic.
pub(crate) fn no_topic(topic: &str, hint: &str) -> ConnectorError {
    ConnectorError::user("KAF002", format!("there is no topic `{topic}`")).hint(hint)
}

/// Nobody answers.
pub(crate) fn unreachable(brokers: &str, cause: KafkaError) -> ConnectorError {
    let passes = client::is_passing(&cause);
    let error = ConnectorError::operator("KAF003", format!("no broker answers at `{brokers}`: {cause}"))
        .hint("see whether the brokers run and can be reached from here, and whether `security.protocol` is the one that they speak")
        .caused_by(cause);
    if passes { error.passing() } else { error }
}

/// The brokers know who asks, and refuse.
fn refused(what: impl Display, cause: KafkaError) -> ConnectorError {
    ConnectorError::operator("KAF004", format!("{what}: {cause}"))
        .hint("give the user of `sasl.username` (or of the token or certificate) the right to do that")
        .caused_by(cause)
}

/// The brokers do not let one in.
pub(crate) fn not_let_in(brokers: &str, refusal: &Refusal) -> ConnectorError {
    let why = &refusal.why;
    if refusal.tls {
        return ConnectorError::operator("KAF013", format!("no TLS connection to the brokers at `{brokers}`: {why}")).hint(
            "let `ssl.ca.location` name the authority that signed the brokers' certificate; see that the certificate has not expired, and names the host of `brokers`",
        );
    }
    ConnectorError::operator("KAF012", format!("the brokers at `{brokers}` do not know who asks: {why}")).hint(
        "correct `sasl.username` and the secret of `sasl.password` (or the token), and see that `sasl.mechanism` is one that this listener offers",
    )
}

/// Errors of the connection that say that one is not let in: whether it is for TLS.
pub(crate) fn is_tls(cause: &KafkaError) -> Option<bool> {
    match cause.rdkafka_error_code()? {
        RDKafkaErrorCode::SSL => Some(true),
        RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => Some(false),
        _ => None,
    }
}

/// With tokens there is no way to make a topic: the library asks for none where topics are made.
pub(crate) fn cannot_make(topic: &str) -> ConnectorError {
    ConnectorError::user("KAF014", format!("the topic `{topic}` is missing, and cannot be made with `sasl.mechanism=OAUTHBEARER`"))
        .hint("make it by hand; the topic of markers has one partition and `cleanup.policy=compact`")
}

/// There is no token to show.
pub(crate) fn token(why: &str) -> ConnectorError {
    ConnectorError::operator("KAF015", format!("there is no token for `sasl.mechanism=OAUTHBEARER`: {why}"))
        .hint("see the secret of `oauth_token`, or the provider of `sasl.oauthbearer.token.endpoint.url` and what its client may do")
}

/// Brokers do not take the offsets that are for others to look at.
pub(crate) fn not_followed(group: &str, cause: KafkaError) -> ConnectorError {
    ConnectorError::operator("KAF016", format!("the offsets of the group `{group}` were not committed: {cause}"))
        .hint("only tools that look at its lag need them; give the user the right to `READ` that group, or name another with `group=`")
        .caused_by(cause)
}

/// A client does not come to be; librdkafka's text begins with the option that it could not use.
pub(crate) fn creation(cause: KafkaError) -> ConnectorError {
    let text = match &cause {
        KafkaError::ClientCreation(text) => text.clone(),
        other => other.to_string(),
    };
    match text.split_once(" failed: ") {
        Some((name, why)) if !name.contains(' ') => native_option(name, why),
        _ => native_option("…", &text),
    }
}

/// A value that librdkafka does not take. Values are not shown: they may be secrets.
pub(crate) fn native_option(name: &str, why: &str) -> ConnectorError {
    ConnectorError::user("KAF005", format!("librdkafka refuses the value of `{name}`: {why}"))
        .hint("its documentation (CONFIGURATION.md) lists what each option takes")
}

/// A secret that is not there, or is no secret.
pub(crate) fn secret(message: String, hint: String) -> ConnectorError {
    ConnectorError::user("KAF006", message).hint(hint)
}

/// A column that is filled from beside the message does not fit.
pub(crate) fn column(message: String, hint: impl Into<String>) -> ConnectorError {
    ConnectorError::user("KAF007", message).hint(hint)
}

/// The topic does not have what comes next.
pub(crate) fn position_gone(topic: &str, partition: i32, next: i64, low: i64, high: i64) -> ConnectorError {
    let has = if low == high { format!("is empty and would go on at {high}") } else { format!("has offsets {low} to {}", high - 1) };
    ConnectorError::operator("KAF008", format!("partition {partition} of `{topic}` is to be read on from offset {next}, but {has}"))
        .hint("the rows between are lost (retention), or the topic was made anew; start without the state, or from a place that is there")
}

/// Reading fails.
pub(crate) fn reading(topic: &str, cause: KafkaError) -> ConnectorError {
    if is_refusal(&cause) {
        return refused(format!("reading `{topic}` is refused"), cause);
    }
    ConnectorError::operator("KAF009", format!("cannot read `{topic}`: {cause}"))
        .hint("see the brokers' logs; the scenario can be started again where it stopped")
        .caused_by(cause)
}

/// Nothing to infer columns from.
pub(crate) fn no_sample(topic: &str, why: &str) -> ConnectorError {
    ConnectorError::user("KAF010", format!("cannot find the columns of `{topic}`: {why}"))
        .hint("say what it holds: write a contract and name it with `contract=`")
}

/// Rows do not go out.
pub(crate) fn writing(topic: &str, cause: KafkaError) -> ConnectorError {
    if is_refusal(&cause) {
        return refused(format!("writing `{topic}` is refused"), cause);
    }
    if cause.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
        return ConnectorError::user("KAF022", format!("a row is longer than a message of `{topic}` may be"))
            .hint("raise `message.max.bytes` here and `max.message.bytes` of the topic, or write fewer columns")
            .caused_by(cause);
    }
    ConnectorError::operator("KAF020", format!("cannot write `{topic}`: {cause}"))
        .hint("see whether the brokers run and have room; the scenario can be started again where it stopped")
        .caused_by(cause)
}

/// A topic cannot be made.
pub(crate) fn creating(topic: &str, cause: KafkaError) -> ConnectorError {
    if is_refusal(&cause) {
        return refused(format!("making `{topic}` is refused"), cause);
    }
    ConnectorError::user("KAF021", format!("cannot make the topic `{topic}`: {cause}"))
        .hint("correct `partitions`, `replication` or `topic_config`, or make the topic by hand")
        .caused_by(cause)
}

/// What can only be a mistake in this crate.
pub(crate) fn bug(message: impl Into<String>) -> ConnectorError {
    ConnectorError::bug("KAF090", message)
}

/// A thread cannot be started.
pub(crate) fn no_thread(cause: std::io::Error) -> ConnectorError {
    ConnectorError::operator("KAF011", format!("the system gives no thread to read Kafka with: {cause}"))
        .hint("raise the limit of threads for this process")
        .caused_by(cause)
}

/// An error of a question to the brokers about a topic.
pub(crate) fn asking(topic: &str, brokers: &str, cause: impl Into<Unanswered>) -> ConnectorError {
    let cause = match cause.into() {
        Unanswered::Refused(refusal) => return not_let_in(brokers, &refusal),
        Unanswered::Failed(cause) => cause,
    };
    if is_refusal(&cause) {
        return refused(format!("asking about `{topic}` is refused"), cause);
    }
    unreachable(brokers, cause)
}

/// Whether the brokers refuse because of what whoever asks may do.
pub(crate) fn is_refusal(cause: &KafkaError) -> bool {
    use RDKafkaErrorCode::*;
    matches!(
        cause.rdkafka_error_code(),
        Some(TopicAuthorizationFailed | GroupAuthorizationFailed | ClusterAuthorizationFailed | TransactionalIdAuthorizationFailed)
    )
}

/// An error of formats, with the topic that it happened to.
pub(crate) fn named(topic: &str, mut error: ConnectorError) -> ConnectorError {
    if error.who != WhoActs::Bug {
        error.message = format!("`{topic}`: {}", error.message);
    }
    error
}

/// Another producer has the place.
pub(crate) fn fenced(name: &str) -> ConnectorError {
    ConnectorError::operator("KAF030", format!("another run of `{name}` has taken over its output"))
        .hint("let only one run of a scenario write to a sink; this one wrote nothing that the other does not know of")
}

/// A marker of a newer generation.
pub(crate) fn newer_generation(name: &str, own: u64, newer: u64) -> ConnectorError {
    ConnectorError::operator("KAF030", format!("`{name}` is generation {own}, and generation {newer} has written already"))
        .hint("let only one run of a scenario write to a sink; stop this one, or start it from the newest checkpoint")
}

/// A transaction does not come to its end.
pub(crate) fn transaction(topic: &str, cause: KafkaError) -> ConnectorError {
    if is_refusal(&cause) || cause.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
        return writing(topic, cause);
    }
    let passes = match &cause {
        KafkaError::Transaction(error) => client::is_passing(&KafkaError::Global(error.code())),
        other => client::is_passing(other),
    };
    let error = ConnectorError::operator("KAF031", format!("a transaction on `{topic}` does not come to its end: {cause}"))
        .hint("see whether the brokers run and have room; nothing of it is visible, and it is written again")
        .caused_by(cause);
    if passes { error.passing() } else { error }
}

/// Exactly once needs checkpoints.
pub(crate) fn needs_checkpoints() -> ConnectorError {
    ConnectorError::user("KAF032", "`delivery=exactly-once` needs checkpoints")
        .hint("run with `--state DIR`, or write `delivery=at-least-once`")
}

/// A marker topic that does not keep its markers.
pub(crate) fn forgetful(topic: &str, policy: &str) -> ConnectorError {
    ConnectorError::user("KAF033", format!("the marker topic `{topic}` has `cleanup.policy={policy}`, and would forget what was committed"))
        .hint("set its `cleanup.policy` to `compact`, or name another one with `marker_topic=`")
}

/// An outbox that is not what was held back.
pub(crate) fn outbox(why: &str) -> ConnectorError {
    ConnectorError::operator("KAF034", format!("output that a checkpoint holds back is damaged: {why}"))
        .hint("start from the checkpoint before it")
}

/// A schema registry that does not answer as one.
pub(crate) fn registry(url: &str, why: &str) -> ConnectorError {
    ConnectorError::operator("KAF040", format!("the schema registry `{url}` is of no use: {why}"))
        .hint("see whether it runs and can be reached from here")
}

/// A schema registry that refuses who asks.
pub(crate) fn registry_refuses(url: &str, status: u16) -> ConnectorError {
    ConnectorError::operator("KAF041", format!("the schema registry `{url}` refuses who asks ({status})"))
        .hint("correct `schema_registry_user` and the secret of `schema_registry_password`")
}

/// Options of `http` that mean nothing.
pub(crate) fn http_options(message: impl Into<String>, hint: impl Into<String>) -> ConnectorError {
    ConnectorError::user("HTT001", message).hint(hint)
}

/// An HTTP service that refuses who asks.
pub(crate) fn http_refuses(name: &str, status: u16) -> ConnectorError {
    ConnectorError::operator("HTT002", format!("the service that `{name}` asks refuses who asks ({status})"))
        .hint("correct `authorization` and its secret, or give whom it names the right to ask")
}

/// There is no client to ask an HTTP service with.
pub(crate) fn http(name: &str, why: &str) -> ConnectorError {
    ConnectorError::operator("HTT003", format!("`{name}` cannot be asked: {why}"))
        .hint("see whether this system's certificates can be read")
}

/// A schema that does not go with those before it.
pub(crate) fn incompatible(subject: &str, answer: &str) -> ConnectorError {
    let shown: String = answer.chars().take(300).collect();
    ConnectorError::user("KAF042", format!("the schema registry refuses the schema of `{subject}`: {shown}"))
        .hint("write columns that go with those that were written before, or change the subject's compatibility")
}
