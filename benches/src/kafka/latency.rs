//! How late rows come out: rows with the time at which they were sent go through a scenario from topic to topic, and are met at the other end.

use super::{Broker, PARTITIONS, bare, broken, process};
use crate::{child::Scratch, run::BenchError};
use rdkafka::{
    ClientConfig, Message, Offset,
    producer::{DefaultProducerContext, Producer, ThreadedProducer},
};
use std::{
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long the scenario runs before anything is counted.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long rows that are under way are waited for.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// Rows are sent in steps of this.
const STEP: Duration = Duration::from_millis(1);
const POLL: Duration = Duration::from_millis(50);

/// Times from sending to meeting, in microseconds, ascending.
pub struct Histogram(Vec<u64>);

impl Histogram {
    /// The time that this share of rows did not exceed, in milliseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share).round() as usize).map_or(f64::NAN, |us| *us as f64 / 1e3)
    }

    /// How many rows were met.
    pub fn rows(&self) -> usize {
        self.0.len()
    }
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

fn topic(broker: &Broker, name: &str) -> Result<(), BenchError> {
    let scratch = Scratch::new("kafka-topic")?;
    let text = format!(
        "Feature: T\n  Scenario: {name}\n    @source(name=bids, type=nexmark, kind=bid, events=1)\n    @sink(type=kafka, brokers=\"{}\", topic={name}, partitions={PARTITIONS})\n",
        broker.address
    );
    crate::child::runi(&scratch.file("topic.dsl", &text)?, 1).map(drop)
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has no end of its own.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends `rate` rows a second for so long, through a scenario at least once or exactly once. `name` is that of its topics.
///
/// # Errors
/// Where something does not run, or rows are lost.
pub fn measure(broker: &Broker, name: &str, exactly_once: bool, rate: u64, length: Duration) -> Result<Histogram, BenchError> {
    let (from, to) = (format!("{name}-from"), format!("{name}-to"));
    topic(broker, &from)?;
    topic(broker, &to)?;
    let scratch = Scratch::new("kafka-latency")?;
    let brokers = &broker.address;
    let text = format!(
        "Contract: Row version 1\n  | field | type | rules |\n  | id | int | required |\n  | sent | int | required |\n\nFeature: L\n  Scenario: {name}\n    @source(name=rows, type=kafka, brokers=\"{brokers}\", topic={from}, contract=Row@1)\n    @step(name=All)\n      @when id >= 0\n    @sink(type=kafka, brokers=\"{brokers}\", topic={to})\n"
    );
    let mut command = process::runi()?;
    command.arg("run").arg(scratch.file("latency.dsl", &text)?).args(["--workers", "1"]);
    if exactly_once {
        command.arg("--state").arg(scratch.path().join("state"));
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(|e| broken("runi", e))?;
    let _running = Running(child);
    let consumer = bare::consumer(brokers)?;
    bare::assign(&consumer, &to, Offset::End)?;
    let total = rate * length.as_secs();
    thread::scope(|scope| {
        let sender = scope.spawn(|| send(brokers, &from, rate, length));
        let warm = now_us() + WARM_UP.as_micros() as u64;
        let mut met = Vec::with_capacity(total as usize);
        let (mut count, until) = (0, Instant::now() + length + AFTERWARDS);
        while count < total && Instant::now() < until {
            let Some(message) = consumer.poll(POLL) else { continue };
            let message = message.map_err(|e| broken("Kafka", e))?;
            let sent = message.payload().and_then(sent_of).ok_or_else(|| broken("a row", "it has no time"))?;
            count += 1;
            if sent >= warm {
                met.push(now_us().saturating_sub(sent));
            }
        }
        sender.join().map_err(|_| broken("the sender", "it panicked"))??;
        if count < total {
            return Err(broken("rows", format!("{count} of {total} came out in time")));
        }
        met.sort_unstable();
        Ok(Histogram(met))
    })
}

/// The number behind `"sent":`.
fn sent_of(row: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"sent\":";
    let at = row.windows(NAME.len()).rposition(|w| w == NAME)? + NAME.len();
    let digits = row[at..].iter().take_while(|b| b.is_ascii_digit());
    Some(digits.fold(0, |n, digit| n * 10 + u64::from(digit - b'0')))
}

fn send(brokers: &str, topic: &str, rate: u64, length: Duration) -> Result<(), BenchError> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("linger.ms", "1").set("sticky.partitioning.linger.ms", "2");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create().map_err(|e| broken("Kafka", e))?;
    let (started, mut id, total) = (Instant::now(), 0, rate * length.as_secs());
    while id < total {
        let due = (rate as f64 * started.elapsed().as_secs_f64()) as u64;
        let sent = now_us();
        while id < due.min(total) {
            bare::send(&producer, topic, None, format!("{{\"id\":{id},\"sent\":{sent}}}").as_bytes())?;
            id += 1;
        }
        process::look_later(STEP);
    }
    producer.flush(Duration::from_secs(30)).map_err(|e| broken("Kafka", e))
}
