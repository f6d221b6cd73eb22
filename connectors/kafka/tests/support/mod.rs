//! A broker for the tests of this binary, topics in it, and an independent client (`kcat`) that looks at what was written.

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use runink_connector_api::{
    Chunk, Connector, ConnectorError, OptionValue, Options, Poll, Positions, Share, SinkConfig, Source, SourceConfig, SourceReader,
};
use std::{
    future::Future,
    net::TcpListener,
    path::{Path, PathBuf},
    pin::pin,
    process::{Child, Command, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll as TaskPoll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Broker {
    pub(crate) address: String,
    /// Stops the broker when this process is gone, however it ends: its standard input is closed then.
    _keeper: Child,
}

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Two ports in a row that nobody has.
fn free_port() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

/// Starts a broker of its own; `settings` are lines of its configuration.
pub(crate) fn start_broker(settings: &[&str]) -> Broker {
    let port = free_port();
    let folder = std::env::temp_dir().join(format!("runink-kafka-{}-{port}", std::process::id()));
    let deploy = root().join("deploy/kafka");
    let mut start = Command::new(deploy.join("start"));
    start.arg(port.to_string()).arg(&folder).arg("--").args(settings);
    let out = start.output().unwrap();
    assert!(out.status.success(), "the broker does not start:\n{}", String::from_utf8_lossy(&out.stderr));
    let script = "read -r _ || true; \"$0\" \"$1\"; rm -rf \"$1\"";
    let mut keeper = Command::new("setsid");
    keeper.args(["bash", "-c", script]).arg(deploy.join("stop")).arg(&folder);
    let keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    Broker { address: format!("127.0.0.1:{port}"), _keeper: keeper }
}

/// The broker of this test binary.
pub(crate) fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| start_broker(&[]))
}

/// A name that no other test has.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn wait_for<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            TaskPoll::Ready(output) => return output,
            TaskPoll::Pending => thread::park(),
        }
    }
}

pub(crate) fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &broker().address).create().unwrap()
}

/// Makes a topic with a new name.
pub(crate) fn topic(name: &str, partitions: i32) -> String {
    topic_with(name, partitions, &[])
}

pub(crate) fn topic_with(name: &str, partitions: i32, config: &[(&str, &str)]) -> String {
    let topic = unique(name);
    let mut new = NewTopic::new(&topic, partitions, TopicReplication::Fixed(1));
    for (name, value) in config {
        new = new.set(name, value);
    }
    let made = wait_for(admin().create_topics([&new], &AdminOptions::new())).unwrap();
    made.into_iter().for_each(|m| drop(m.unwrap()));
    // A broker answers before it tells of the topic.
    let admin = admin();
    let until = Instant::now() + PATIENCE;
    let leads = |t: &rdkafka::metadata::MetadataTopic| t.error().is_none() && t.partitions().iter().all(|p| p.error().is_none());
    while !admin.inner().fetch_metadata(Some(&topic), PATIENCE).unwrap().topics().iter().any(|t| leads(t) && !t.partitions().is_empty()) {
        assert!(Instant::now() < until, "the topic does not come");
        thread::park_timeout(Duration::from_millis(20));
    }
    topic
}

/// Gives a topic more partitions.
pub(crate) fn grow(topic: &str, partitions: usize) {
    let more = rdkafka::admin::NewPartitions::new(topic, partitions);
    wait_for(admin().create_partitions([&more], &AdminOptions::new())).unwrap().into_iter().for_each(|m| drop(m.unwrap()));
}

/// Forgets a consumer group, as brokers do with one that has no members for long.
pub(crate) fn delete_group(group: &str) {
    wait_for(admin().delete_groups(&[group], &AdminOptions::new())).unwrap().into_iter().for_each(|g| drop(g.unwrap()));
}

/// Removes a topic, and waits until it is gone.
pub(crate) fn delete_topic(topic: &str) {
    wait_for(admin().delete_topics(&[topic], &AdminOptions::new())).unwrap().into_iter().for_each(|t| drop(t.unwrap()));
    let admin = admin();
    let until = Instant::now() + PATIENCE;
    while admin.inner().fetch_metadata(None, PATIENCE).unwrap().topics().iter().any(|t| t.name() == topic) {
        assert!(Instant::now() < until, "the topic stays");
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// Removes what stands before an offset, as retention does.
pub(crate) fn delete_before(topic: &str, partition: i32, offset: i64) {
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(topic, partition, rdkafka::Offset::Offset(offset)).unwrap();
    wait_for(admin().delete_records(&list, &AdminOptions::new())).unwrap();
}

/// A message to put into a topic.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Put<'a> {
    pub(crate) partition: i32,
    pub(crate) key: Option<&'a str>,
    pub(crate) value: Option<&'a str>,
    pub(crate) header: Option<(&'a str, &'a str)>,
    pub(crate) timestamp_ms: Option<i64>,
}

pub(crate) fn values<'a>(partition: i32, values: &[&'a str]) -> Vec<Put<'a>> {
    values.iter().map(|v| Put { partition, value: Some(v), ..Put::default() }).collect()
}

pub(crate) fn producer(transactional: Option<&str>) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &broker().address).set("linger.ms", "0");
    if let Some(id) = transactional {
        config.set("transactional.id", id);
    }
    config.create().unwrap()
}

pub(crate) fn send(producer: &BaseProducer, topic: &str, puts: &[Put<'_>]) {
    for put in puts {
        let headers = put.header.map(|(key, value)| OwnedHeaders::new().insert(Header { key, value: Some(value) }));
        let record = BaseRecord::<str, str> {
            topic,
            partition: Some(put.partition),
            payload: put.value,
            key: put.key,
            timestamp: put.timestamp_ms,
            headers,
            delivery_opaque: (),
        };
        producer.send(record).map_err(|(e, _)| e).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

pub(crate) fn put(topic: &str, puts: &[Put<'_>]) {
    send(&producer(None), topic, puts);
}

/// What a committed reader sees of a topic, by the independent client: `format` as kcat's, one message a line.
pub(crate) fn kcat(topic: &str, format: &str) -> Vec<String> {
    kcat_at(&broker().address, topic, format)
}

pub(crate) fn kcat_at(address: &str, topic: &str, format: &str) -> Vec<String> {
    let mut kcat = Command::new("kcat");
    kcat.args(["-C", "-q", "-e", "-b", address, "-t", topic, "-X", "isolation.level=read_committed", "-f", &format!("{format}\n")]);
    let out = kcat.output().expect("kcat is installed (deploy/dev/setup)");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}

pub(crate) fn connector() -> Arc<dyn Connector> {
    runink_kafka::connectors().remove(0)
}

pub(crate) fn text(value: &str) -> OptionValue {
    OptionValue::Text(value.into())
}

pub(crate) fn options(topic: &str, given: &[(&str, OptionValue)]) -> Options {
    let base = [("brokers", text(&broker().address)), ("topic", text(topic))];
    Options(base.into_iter().chain(given.iter().cloned()).map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(crate) fn source_config(options: Options, schema: &SchemaRef) -> SourceConfig {
    SourceConfig {
        name: "rows".into(),
        options,
        base_dir: PathBuf::new(),
        schema: Some(schema.clone()),
        projection: (0..schema.fields().len()).collect(),
        predicates: Vec::new(),
        key: Vec::new(),
        time_column: None,
        batch_rows: 8192,
    }
}

pub(crate) fn source(topic: &str, given: &[(&str, OptionValue)], schema: &SchemaRef) -> Arc<dyn Source> {
    connector().source(source_config(options(topic, given), schema)).unwrap()
}

pub(crate) fn sink_config(topic: &str, given: &[(&str, OptionValue)], schema: &SchemaRef) -> SinkConfig {
    SinkConfig {
        name: "out".into(),
        options: options(topic, given),
        base_dir: PathBuf::new(),
        schema: schema.clone(),
        key: Vec::new(),
        changelog: false,
        checkpoints: false,
    }
}

pub(crate) const ALONE: Share = Share { index: 0, peers: 1 };

/// What a reader does until it has nothing more: chunks, in order.
pub(crate) fn drain(reader: &mut dyn SourceReader) -> Vec<Chunk> {
    let until = Instant::now() + PATIENCE;
    let mut chunks = Vec::new();
    while Instant::now() < until {
        match reader.poll().unwrap() {
            Poll::Rows(chunk) => chunks.push(chunk),
            Poll::End | Poll::Pending { caught_up: true, .. } => return chunks,
            Poll::Pending { .. } | Poll::Waiting { .. } => thread::yield_now(),
            Poll::CaughtUp { .. } | Poll::Watermark { .. } => {}
        }
    }
    panic!("the reader has no end: {chunks:?}");
}

/// Rows with their places: `partition@offset row`.
pub(crate) fn rows(chunks: &[Chunk]) -> Vec<String> {
    let mut rows = Vec::new();
    for chunk in chunks {
        for (at, row) in shown(&chunk.batch).into_iter().enumerate() {
            let position = match &chunk.positions {
                Positions::From(start) => start + at as u64,
                Positions::Each(each) => each.value(at),
            };
            let diff = chunk.diffs.as_ref().map_or(String::new(), |d| format!("{:+} ", d.value(at)));
            rows.push(format!("{}@{position} {diff}{row}", chunk.partition.0));
        }
    }
    rows
}

/// Rows as JSON lines.
pub(crate) fn shown(batch: &RecordBatch) -> Vec<String> {
    let mut encoder = runink_formats::Encoder::new(&runink_formats::OutputFormat::Json, &batch.schema(), false, Vec::new()).unwrap();
    encoder.write(batch, None).unwrap();
    let (bytes, _) = encoder.finish().unwrap();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

pub(crate) fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

pub(crate) fn error_of<T>(result: Result<T, ConnectorError>) -> ConnectorError {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => error,
    }
}
