//! What sources and sinks accept, and what it says.

use crate::{
    error, native,
    registry::{Registry, SchemaKind},
    token,
};
use arrow::datatypes::SchemaRef;
use runink_connector_api::{ConnectorError, ConnectorSpec, Delivery, OptionKind, OptionSpec, Options};
use runink_formats::{
    CsvFormat, EncodeError, Header, MessageDecoder, MessageFormat, MessageOutput, ProtoFile, ProtoMessage, ProtobufTypes, ReadSpec,
    avro_decoder, avro_schema, message_decoder, proto_schema, protobuf_decoder,
};
use std::{path::Path, sync::LazyLock};

/// The type of Protobuf messages that a sink makes, unless its options name one.
const ROW: &str = "Row";

const fn option(name: &'static str, kind: OptionKind, about: &'static str) -> OptionSpec {
    OptionSpec { name, kind, required: false, default: None, about }
}

const fn by_default(name: &'static str, kind: OptionKind, default: &'static str, about: &'static str) -> OptionSpec {
    OptionSpec { name, kind, required: false, default: Some(default), about }
}

const fn required(name: &'static str, about: &'static str) -> OptionSpec {
    OptionSpec { name, kind: OptionKind::Text, required: true, default: None, about }
}

const SOURCE_FORMATS: OptionKind = OptionKind::OneOf(&["json", "csv", "avro", "protobuf", "debezium", "arrow", "raw"]);
const SINK_FORMATS: OptionKind = OptionKind::OneOf(&["json", "csv", "avro", "protobuf", "arrow", "raw"]);
const KEY_FORMATS: OptionKind = OptionKind::OneOf(&["text", "json"]);

fn both(formats: OptionKind, about: &'static str) -> [OptionSpec; 10] {
    [
        required("brokers", "Where the brokers are: `host:port`, several with commas between them."),
        required("topic", "The topic."),
        by_default("format", formats, "json", about),
        option("delimiter", OptionKind::Text, "CSV: the character between cells, or `tab`; a comma unless given."),
        option("null", OptionKind::Text, "CSV: the unquoted text of a null; the empty text unless given."),
        option("schema_registry", OptionKind::Text, "Avro, Protobuf: where the schema registry is, as a URL."),
        option("schema_registry_user", OptionKind::Text, "Avro, Protobuf: who asks the schema registry."),
        option("schema_registry_password", OptionKind::Text, "Avro, Protobuf: the user's password there, as `${secret.NAME}`."),
        option(
            "proto_file",
            OptionKind::Path,
            "Protobuf without a registry: the `.proto` file that has the messages' type; what it imports stands in the same folder.",
        ),
        option(
            "message",
            OptionKind::Text,
            "Protobuf: the name of the messages' type, with its package: `shop.Order`. The first of the file unless given; `Row` where a sink makes the type.",
        ),
    ]
}

/// Where the tokens of `sasl.mechanism=OAUTHBEARER` come from; a provider is named as librdkafka names it.
fn tokens() -> [OptionSpec; 7] {
    [
        option(
            token::TOKEN,
            OptionKind::Text,
            "The token for `sasl.mechanism=OAUTHBEARER`, as `${secret.NAME}`; it is looked up again before it ends.",
        ),
        option(token::METHOD, OptionKind::Text, "`oidc`: an OpenID provider is asked for tokens, with client credentials."),
        option(token::ENDPOINT, OptionKind::Text, "`oidc`: where tokens are asked for, as a URL."),
        option(token::CA, OptionKind::Text, "`oidc`: a file of those who may have signed the certificate of that place."),
        option(token::CLIENT_ID, OptionKind::Text, "`oidc`: who asks for tokens."),
        option(token::CLIENT_SECRET, OptionKind::Text, "`oidc`: the secret of who asks, as `${secret.NAME}`."),
        option(token::SCOPE, OptionKind::Text, "`oidc`: what the tokens are for."),
    ]
}

fn handed_on(names: &[&'static [&'static str]]) -> impl Iterator<Item = OptionSpec> {
    let mut names: Vec<_> = names.concat();
    names.sort_unstable();
    names.into_iter().map(|name| option(name, OptionKind::Text, native::NATIVE_ABOUT))
}

static SOURCE: LazyLock<Vec<OptionSpec>> = LazyLock::new(|| {
    let mut specs: Vec<_> = both(
        SOURCE_FORMATS,
        "What a message holds: a JSON object, a row of CSV without a header, Avro or Protobuf (with a schema's number; Protobuf also without), an event of Debezium's (JSON; needs `key`), an Arrow IPC stream of rows, or (`raw`) the value of the only column.",
    )
    .into();
    specs.extend([
        by_default(
            "start",
            OptionKind::Text,
            "earliest",
            "Where to begin without a checkpoint: `earliest`, `latest`, a time (RFC 3339), or offsets (`0:120,1:80`; other partitions from their start).",
        ),
        option("until", OptionKind::OneOf(&["latest"]), "`latest`: ends where the topic ended when the scenario started; never ends unless given."),
        by_default(
            "isolation",
            OptionKind::OneOf(&["read-committed", "read-uncommitted"]),
            "read-committed",
            "Whether messages of transactions are read before they are committed.",
        ),
        option(
            "group",
            OptionKind::Text,
            "With checkpoints: the consumer group whose offsets say how far they have read, for tools that look at lag; `runink-SCENARIO-SOURCE` unless given.",
        ),
        by_default("discover_every", OptionKind::Duration, "10s", "How often new partitions of the topic are looked for."),
        by_default(
            "key_format",
            KEY_FORMATS,
            "text",
            "With `key`: how a message's key has the key columns, for messages without a value, which are deletions: the text of the only one, or a JSON object.",
        ),
        option("key_column", OptionKind::Text, "The column that takes the message's key (text or bytes)."),
        option("partition_column", OptionKind::Text, "The column that takes the partition's number."),
        option("offset_column", OptionKind::Text, "The column that takes the message's offset."),
        option("timestamp_column", OptionKind::Text, "The column that takes the message's timestamp."),
        option("headers", OptionKind::Columns, "Columns that take the message's headers of the same names (text or bytes)."),
        option("headers_column", OptionKind::Text, "The column that takes all headers, as a JSON object."),
    ]);
    specs.extend(tokens());
    specs.extend(handed_on(&[native::BOTH, native::CONSUMER]));
    specs
});

static SINK: LazyLock<Vec<OptionSpec>> = LazyLock::new(|| {
    let mut specs: Vec<_> =
        both(SINK_FORMATS, "What a message holds: a JSON object, a row of CSV without a header, Avro or Protobuf (with a schema's number; Protobuf also without), an Arrow IPC stream of many rows, or (`raw`) the value of the only column.")
            .into();
    specs.extend([
        by_default(
            "key_format",
            KEY_FORMATS,
            "text",
            "How the columns of `key` become the message's key: the text of the only one, or a JSON object.",
        ),
        by_default(
            "changes",
            OptionKind::OneOf(&["upsert", "retract", "debezium"]),
            "upsert",
            "How a changelog is written: per key the newest row, or a message without a value where the key is gone; every change with `_diff`; or per key an event of Debezium's (JSON).",
        ),
        option("headers", OptionKind::Columns, "Columns that become headers of the same names, in place of columns."),
        option("timestamp_column", OptionKind::Text, "The column that becomes the message's timestamp, in place of a column."),
        option("partition_column", OptionKind::Text, "The column that says which partition a row goes to, in place of a column; by the key unless given."),
        option("partitions", OptionKind::Count, "Makes the topic where it is missing, with so many partitions."),
        option("replication", OptionKind::Count, "How many copies a topic that is made has; the brokers' default unless given."),
        option("topic_config", OptionKind::Text, "Configuration of a topic that is made: `cleanup.policy=compact,retention.ms=86400000`."),
        by_default("marker_topic", OptionKind::Text, "runink-markers", "Exactly once: the compacted topic that remembers what was committed."),
    ]);
    specs.extend(tokens());
    specs.extend(handed_on(&[native::BOTH, native::PRODUCER]));
    specs
});

/// `kafka`.
pub(crate) static SPEC: LazyLock<ConnectorSpec> = LazyLock::new(|| ConnectorSpec {
    name: "kafka",
    about: "Reads and writes topics of Apache Kafka.",
    source: Some(&SOURCE),
    sink: Some(&SINK),
    bounded: |options| options.text("until").is_some(),
    sink_takes_retractions: true,
    lookup: false,
    delivery: |options| match options.text("delivery") {
        Some("at-least-once") => Delivery::AtLeastOnce,
        _ => Delivery::ExactlyOnce,
    },
    fixed_schema: |_| None,
    fixed_time: |_| None,
});

/// How values of a source are read.
pub(crate) enum ValueFormat {
    Plain(MessageFormat),
    Avro(Registry),
    /// Bare messages of one type.
    Protobuf(ProtoMessage),
    /// Messages that say which registered schema they were written with.
    RegisteredProtobuf(Registry),
}

impl ValueFormat {
    /// The format that a source's options name. Paths start at `base`.
    pub(crate) fn of(options: &Options, base: &Path) -> Result<Self, ConnectorError> {
        check_format_options(options)?;
        Ok(ValueFormat::Plain(match options.text("format").unwrap_or("json") {
            "json" => MessageFormat::Json,
            "csv" => MessageFormat::Csv(csv(options)?),
            "debezium" => MessageFormat::Debezium,
            "arrow" => MessageFormat::Arrow,
            "raw" => MessageFormat::Raw,
            "avro" => return registry(options, SchemaKind::Avro).map(ValueFormat::Avro),
            "protobuf" => {
                return Ok(match proto_file(options, base)? {
                    Some(message) => ValueFormat::Protobuf(message),
                    None => ValueFormat::RegisteredProtobuf(registry(options, SchemaKind::Protobuf)?),
                });
            }
            other => return Err(no_format(other)),
        }))
    }

    /// A decoder to these columns.
    pub(crate) fn decoder(&self, spec: &ReadSpec) -> Result<Box<dyn MessageDecoder>, ConnectorError> {
        match self {
            ValueFormat::Plain(format) => message_decoder(format, spec),
            ValueFormat::Avro(registry) => Ok(avro_decoder(spec, Box::new(registry.clone()))),
            ValueFormat::Protobuf(message) => protobuf_decoder(spec, ProtobufTypes::Bare(message.clone())),
            ValueFormat::RegisteredProtobuf(registry) => protobuf_decoder(spec, ProtobufTypes::Registered(Box::new(registry.clone()))),
        }
    }

    /// Whether messages are events of Debezium's.
    pub(crate) fn is_events(&self) -> bool {
        matches!(self, ValueFormat::Plain(MessageFormat::Debezium))
    }

    /// Where schemas are looked up.
    pub(crate) fn registry(&self) -> Option<&Registry> {
        match self {
            ValueFormat::Avro(registry) | ValueFormat::RegisteredProtobuf(registry) => Some(registry),
            ValueFormat::Plain(_) | ValueFormat::Protobuf(_) => None,
        }
    }
}

/// How values of a sink are written, whose rows have these columns, and with `changes` how often each counts. What needs a schema in a registry has one from
/// now on.
pub(crate) fn output_format(options: &Options, base: &Path, columns: &SchemaRef, changes: bool) -> Result<MessageOutput, EncodeError> {
    check_format_options(options)?;
    let subject = || topic(options).map(|topic| format!("{topic}-value"));
    Ok(match options.text("format").unwrap_or("json") {
        "json" => MessageOutput::Json,
        "csv" => MessageOutput::Csv(csv(options)?),
        "raw" => MessageOutput::Raw,
        "arrow" => MessageOutput::Arrow,
        "avro" => MessageOutput::Avro(registry(options, SchemaKind::Avro)?.register(&subject()?, &avro_schema(columns, changes)?)?),
        "protobuf" => match proto_file(options, base)? {
            Some(message) => MessageOutput::Protobuf(message, None),
            None => {
                let registry = registry(options, SchemaKind::Protobuf)?;
                let name = options.text("message").unwrap_or(ROW);
                let text = proto_schema(columns, changes, name)?;
                let message = ProtoFile::parse(&text, Vec::new())?.message(Some(name))?;
                MessageOutput::Protobuf(message, Some(registry.register(&subject()?, &text)?))
            }
        },
        other => return Err(no_format(other).into()),
    })
}

/// The type that the options name a file for; `None` where a registry has it.
fn proto_file(options: &Options, base: &Path) -> Result<Option<ProtoMessage>, ConnectorError> {
    match (options.text("proto_file"), options.text("schema_registry")) {
        (Some(_), Some(_)) => Err(error::options(
            "`proto_file` and `schema_registry` both say what messages are",
            "leave `schema_registry` out where messages have no schema's number before them, and else `proto_file`",
        )),
        (Some(path), None) => ProtoFile::open(&base.join(path))?.message(options.text("message")).map(Some),
        (None, Some(_)) => Ok(None),
        (None, None) => Err(error::options(
            "`format=protobuf` needs to know what messages are",
            "add `proto_file=\"orders.proto\"`, or `schema_registry=\"http://host:8081\"`",
        )),
    }
}

fn no_format(format: &str) -> ConnectorError {
    error::options(format!("there is no format `{format}` here"), "see the option `format` of the connector")
}

fn registry(options: &Options, kind: SchemaKind) -> Result<Registry, ConnectorError> {
    Registry::of(options, kind)?
        .ok_or_else(|| error::options("`format=avro` needs to know where the schemas are", "add `schema_registry=\"http://host:8081\"`"))
}

/// Options of one format are not for others.
fn check_format_options(options: &Options) -> Result<(), ConnectorError> {
    let format = options.text("format").unwrap_or("json");
    let of: [(&[&str], &str, &[&str]); 3] = [
        (&["csv"], "CSV", &["delimiter", "null"]),
        (&["avro", "protobuf"], "Avro and Protobuf", &["schema_registry", "schema_registry_user", "schema_registry_password"]),
        (&["protobuf"], "Protobuf", &["proto_file", "message"]),
    ];
    for (_, what, names) in of.into_iter().filter(|(owners, ..)| !owners.contains(&format)) {
        if let Some(given) = names.iter().find(|name| options.get(name).is_some()) {
            return Err(error::options(
                format!("`{given}` is an option of {what}, and the format is `{format}`"),
                format!("leave `{given}` out"),
            ));
        }
    }
    Ok(())
}

fn csv(options: &Options) -> Result<CsvFormat, ConnectorError> {
    let bare = CsvFormat { header: Header::Absent, ..CsvFormat::default() };
    bare.with_options(options).map_err(|message| error::options(message, "write for example `delimiter=\";\"` or `delimiter=tab`"))
}

/// The topic, checked.
pub(crate) fn topic(options: &Options) -> Result<&str, ConnectorError> {
    let topic = options.text("topic").unwrap_or_default();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || topic.len() > 249 || topic == "." || topic == ".." || !topic.chars().all(legal) {
        return Err(error::options(format!("`{topic}` cannot be a topic's name"), "names have 1 to 249 letters, digits, `.`, `_` and `-`"));
    }
    Ok(topic)
}

/// What is handed on must say something.
pub(crate) fn brokers_given(options: &Options) -> Result<(), ConnectorError> {
    if crate::client::brokers(options).trim().is_empty() {
        return Err(error::options("`brokers` is empty", "write `brokers=\"host:9092\"`"));
    }
    Ok(())
}
