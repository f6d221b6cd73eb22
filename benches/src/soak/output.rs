//! What comes out, as a reader of committed messages sees it, and how long it has to wait for open transactions.

use super::{
    COUNTS, KEPT,
    input::{KEYS, PARTITIONS},
};
use crate::run::{BenchError, broken};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::Message,
};
use serde_json::Value;
use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long a message is waited for at once.
const POLL: Duration = Duration::from_millis(20);
/// How long the brokers may take to say where a partition ends.
const PATIENCE: Duration = Duration::from_secs(1);
/// The rows of a soak have these keys.
const ALL_KEYS: usize = (KEYS + PARTITIONS) as usize;

/// Whether the scenario and its broker are well.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Changes with every life, and with every going and coming of the broker; 0 while one of them is away.
    well: AtomicU64,
    changes: AtomicU64,
    broker_away: AtomicBool,
}

impl Pulse {
    pub(super) fn is_well(&self) {
        self.well.store(self.changes.fetch_add(1, Ordering::AcqRel) + 1, Ordering::Release);
    }

    pub(super) fn is_not_well(&self) {
        self.well.store(0, Ordering::Release);
    }

    pub(super) fn broker(&self, away: bool) {
        self.broker_away.store(away, Ordering::Release);
    }
}

/// A window as it came out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Window {
    pub(super) start: String,
    pub(super) rows: u64,
    pub(super) total: u64,
}

/// What was read, and what was noticed.
#[derive(Debug)]
pub(super) struct Seen {
    /// By key: its rows' numbers and values.
    pub(super) kept: Vec<Vec<(u32, u32)>>,
    pub(super) windows: Vec<Vec<Window>>,
    /// How many rows came at all, and how many of them windows.
    pub(super) rows: u64,
    /// The longest time between two rows while all was well.
    pub(super) longest_gap: Duration,
    /// The longest time that readers waited for one transaction while all was well.
    pub(super) blocked_well: Duration,
    /// The same with a restart of the scenario in it.
    pub(super) blocked_restart: Duration,
    /// A transaction is open.
    pub(super) open: bool,
    failed: Option<String>,
}

struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
    ends: AtomicBool,
    pulse: Arc<Pulse>,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        // It is whole after every statement.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads and watches on threads of its own.
pub(super) struct Reading {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

fn consumer(address: &str, isolation: &str) -> Result<BaseConsumer, BenchError> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("isolation.level", isolation).set("group.id", "soak").set("log_level", "2");
    config.set("fetch.wait.max.ms", "20").set("reconnect.backoff.max.ms", "500").set("enable.auto.commit", "false");
    config.create().map_err(broken)
}

fn places() -> impl Iterator<Item = (&'static str, i32)> {
    [KEPT, COUNTS].into_iter().flat_map(|topic| (0..PARTITIONS as i32).map(move |p| (topic, p)))
}

impl Reading {
    pub(super) fn start(address: &str, pulse: Arc<Pulse>) -> Result<Self, BenchError> {
        let seen = Seen {
            kept: vec![Vec::new(); ALL_KEYS],
            windows: vec![Vec::new(); ALL_KEYS],
            rows: 0,
            longest_gap: Duration::ZERO,
            blocked_well: Duration::ZERO,
            blocked_restart: Duration::ZERO,
            open: false,
            failed: None,
        };
        let shared = Arc::new(Shared { seen: Mutex::new(seen), changed: Condvar::new(), ends: AtomicBool::new(false), pulse });
        let (reader, committed, written) =
            (consumer(address, "read_committed")?, consumer(address, "read_committed")?, consumer(address, "read_uncommitted")?);
        let mut list = TopicPartitionList::new();
        places().try_for_each(|(topic, p)| list.add_partition_offset(topic, p, Offset::Beginning)).map_err(broken)?;
        reader.assign(&list).map_err(broken)?;
        let (one, other) = (shared.clone(), shared.clone());
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| thread::Builder::new().name(name.into()).spawn(run).map_err(broken);
        let threads = vec![
            spawn("reader", Box::new(move || read(&one, &reader)))?,
            spawn("watch", Box::new(move || watch(&other, &committed, &written)))?,
        ];
        Ok(Reading { shared, threads })
    }

    /// Looks at what was read.
    pub(super) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.shared.seen())
    }

    /// Waits until something holds; says whether it does.
    pub(super) fn wait(&self, patience: Duration, holds: impl Fn(&Seen) -> bool) -> Result<bool, BenchError> {
        let until = Instant::now() + patience;
        let mut seen = self.shared.seen();
        loop {
            if let Some(why) = &seen.failed {
                return Err(BenchError(why.clone()));
            }
            let left = until.saturating_duration_since(Instant::now());
            if holds(&seen) || left.is_zero() {
                return Ok(holds(&seen));
            }
            seen = self.shared.changed.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            // A panic there has been shown already.
            let _ = thread.join();
        }
    }
}

fn read(shared: &Shared, reader: &BaseConsumer) {
    let (mut last, mut last_well) = (Instant::now(), 0);
    while !shared.ends.load(Ordering::Acquire) {
        let message = match reader.poll(POLL) {
            Some(Ok(message)) => message,
            // The broker is away at times; nothing that is there is passed over for it.
            Some(Err(_)) | None => continue,
        };
        let (now, well) = (Instant::now(), shared.pulse.well.load(Ordering::Acquire));
        let mut seen = shared.seen();
        if well != 0 && well == last_well {
            seen.longest_gap = seen.longest_gap.max(now - last);
        }
        (last, last_well) = (now, well);
        match taken(&mut seen, message.topic(), message.payload().unwrap_or_default()) {
            Some(()) => seen.rows += 1,
            None => {
                let text = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
                seen.failed.get_or_insert(format!("{} has a message that nothing wrote: {text}", message.topic()));
            }
        }
        drop(seen);
        shared.changed.notify_all();
    }
}

fn taken(seen: &mut Seen, topic: &str, payload: &[u8]) -> Option<()> {
    let row: Value = serde_json::from_slice(payload).ok()?;
    let number = |name: &str| row[name].as_u64();
    let key = number("key")? as usize;
    if topic == KEPT {
        seen.kept.get_mut(key)?.push((number("n")? as u32, number("value")? as u32));
    } else {
        let window = Window { start: row["at"].as_str()?.to_owned(), rows: number("rows")?, total: number("total")? };
        seen.windows.get_mut(key)?.push(window);
    }
    Some(())
}

/// Looks how far readers of committed messages may go, and how far there are messages: between the two lies an open transaction.
fn watch(shared: &Shared, committed: &BaseConsumer, written: &BaseConsumer) {
    struct Blocked {
        at: i64,
        since: Instant,
        well: u64,
    }
    let mut blocked: Vec<Option<Blocked>> = places().map(|_| None).collect();
    let end = |of: &BaseConsumer, topic: &str, p: i32| -> Result<i64, KafkaError> { Ok(of.fetch_watermarks(topic, p, PATIENCE)?.1) };
    while !shared.ends.load(Ordering::Acquire) {
        let mut open = false;
        for ((topic, p), blocked) in places().zip(&mut blocked) {
            // Asked in this order: what is written meanwhile must not look as if it were blocked for longer than it is.
            let found = end(committed, topic, p).and_then(|may| Ok((may, end(written, topic, p)?)));
            let (now, well) = (Instant::now(), shared.pulse.well.load(Ordering::Acquire));
            let Ok((may, there)) =
                found.map_err(drop).and_then(|f| if shared.pulse.broker_away.load(Ordering::Acquire) { Err(()) } else { Ok(f) })
            else {
                *blocked = None;
                continue;
            };
            open |= may < there;
            if let Some(was) = blocked.as_ref() {
                let length = now - was.since;
                let mut seen = shared.seen();
                let longest = if was.well != 0 && was.well == well { &mut seen.blocked_well } else { &mut seen.blocked_restart };
                *longest = length.max(*longest);
            }
            match blocked {
                Some(was) if was.at == may && may < there => {}
                _ => *blocked = (may < there).then_some(Blocked { at: may, since: now, well }),
            }
        }
        shared.seen().open = open;
        shared.changed.notify_all();
    }
}
