//! What goes in: a stream that its seed alone decides, and the thread that produces it at a steady rate.

use crate::run::{BenchError, broken};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rdkafka::{
    ClientConfig, ClientContext,
    error::KafkaError,
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext},
    types::RDKafkaErrorCode,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Partitions of each topic: there are runs with more workers than that.
pub(super) const PARTITIONS: u32 = 3;
/// How many keys there are.
pub(super) const KEYS: u32 = 42;
/// Values are below this.
const VALUES: u32 = 1000;
/// How far a row's time may lie behind the order of the stream, in milliseconds.
const DISORDER_MS: u64 = 500;
/// Where event time begins: milliseconds of the day.
const BEGIN_MS: u64 = 3_600_000;
/// The time of the rows that close all windows: in the day's last hour.
const CLOSING_MS: u64 = 23 * 3_600_000;
/// How long the brokers may take to have all rows.
const DELIVERY: Duration = Duration::from_secs(180);
/// How long the producer is served at once.
const SERVE: Duration = Duration::from_millis(5);

/// A row of the stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) key: u32,
    /// Counts the rows of its key.
    pub(super) n: u32,
    pub(super) value: u32,
    /// Milliseconds of the day.
    pub(super) at_ms: u64,
}

impl Row {
    fn json(&self) -> String {
        let Row { key, n, value, at_ms } = self;
        format!(r#"{{"key":{key},"n":{n},"value":{value},"at":"{}.{:03}Z"}}"#, second(*at_ms), at_ms % 1000)
    }
}

/// The second that a time of the day lies in.
pub(super) fn second(at_ms: u64) -> String {
    let s = at_ms / 1000;
    format!("2026-01-01T{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// The rows, one for each millisecond of event time.
pub(super) struct Rows {
    random: StdRng,
    counts: Vec<u32>,
    next_ms: u64,
}

impl Rows {
    pub(super) fn new(seed: u64) -> Self {
        Rows { random: StdRng::seed_from_u64(seed), counts: vec![0; KEYS as usize], next_ms: BEGIN_MS }
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let key = self.random.random_range(0..KEYS);
        let n = self.counts[key as usize];
        self.counts[key as usize] += 1;
        self.next_ms += 1;
        let at_ms = self.next_ms - self.random.random_range(0..DISORDER_MS);
        Some(Row { key, n, value: self.random.random_range(0..VALUES), at_ms })
    }
}

/// The rows that close all windows: one in each partition, with keys of their own.
pub(super) fn closing() -> impl Iterator<Item = Row> {
    (0..PARTITIONS).map(|p| Row { key: KEYS + p, n: 0, value: VALUES, at_ms: CLOSING_MS })
}

/// Counts what the brokers have.
#[derive(Clone, Default)]
struct Deliveries(Arc<AtomicU64>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Produces the stream until it is told to end.
pub(super) struct Producing {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64, BenchError>>,
}

impl Producing {
    pub(super) fn start(address: &str, topic: &'static str, seed: u64, rate: u64) -> Result<Self, BenchError> {
        let delivered = Deliveries::default();
        let producer: BaseProducer<Deliveries> = ClientConfig::new()
            .set("bootstrap.servers", address)
            .set("enable.idempotence", "true")
            // For as long as the soak: brokers go and come.
            .set("message.timeout.ms", "0")
            .set("linger.ms", "5")
            .set("log_level", "2")
            .create_with_context(delivered.clone())
            .map_err(broken)?;
        let ends = Arc::new(AtomicBool::new(false));
        let told = ends.clone();
        let thread = thread::Builder::new().name("producer".into()).spawn(move || {
            let (started, mut sent) = (Instant::now(), 0);
            let mut rows = Rows::new(seed);
            while !told.load(Ordering::Acquire) {
                let due = started.elapsed().as_micros() as u64 * rate / 1_000_000;
                for row in rows.by_ref().take(due.saturating_sub(sent) as usize) {
                    send(&producer, topic, &row)?;
                    sent += 1;
                }
                producer.poll(SERVE);
            }
            if BEGIN_MS + sent >= CLOSING_MS {
                return Err(BenchError("the stream is longer than its day".into()));
            }
            // They come behind all others in every partition.
            for all in [sent, sent + u64::from(PARTITIONS)] {
                producer.flush(DELIVERY).map_err(broken)?;
                if delivered.0.load(Ordering::Acquire) != all {
                    return Err(BenchError(format!("{} of {all} rows were delivered", delivered.0.load(Ordering::Acquire))));
                }
                if all == sent {
                    closing().try_for_each(|row| send(&producer, topic, &row))?;
                }
            }
            Ok(sent)
        });
        Ok(Producing { ends, thread: thread.map_err(broken)? })
    }

    /// Ends the stream; gives how many rows it had before those that close it.
    pub(super) fn end(self) -> Result<u64, BenchError> {
        self.ends.store(true, Ordering::Release);
        self.thread.join().map_err(|_| BenchError("the producer's thread panicked".into()))?
    }
}

fn send(producer: &BaseProducer<Deliveries>, topic: &str, row: &Row) -> Result<(), BenchError> {
    let (json, until) = (row.json(), Instant::now() + DELIVERY);
    let mut record = BaseRecord::<str, str>::to(topic).partition((row.key % PARTITIONS) as i32).payload(&json);
    while let Err((cause, back)) = producer.send(record) {
        if !matches!(cause, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) || Instant::now() > until {
            return Err(broken(cause));
        }
        producer.poll(SERVE);
        record = back;
    }
    Ok(())
}
