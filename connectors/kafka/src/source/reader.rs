//! One worker's reader: takes what its thread has gathered, and decodes it.

use super::{
    Shared,
    columns::BesideColumns,
    deletions::{self, Deletions},
    fetch::{Event, Fetcher, QUEUE_BATCHES, Task},
    raw::RawBatch,
    start::{self, Span},
};
use crate::{client, error};
use arrow::{
    array::{AsArray, Int64Array, UInt32Array, UInt64Array},
    compute::concat_batches,
    datatypes::UInt32Type,
    record_batch::RecordBatch,
};
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use runink_connector_api::{Chunk, ConnectorError, Ordinal, Partition, Poll, Positions, Reject, RejectReason, Share, SourceReader};
use runink_formats::MessageDecoder;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// How soon a reader that has nothing is asked again.
const RETRY: Duration = Duration::from_millis(1);

pub(super) struct KafkaReader {
    shared: Arc<Shared>,
    decoder: Box<dyn MessageDecoder>,
    deletions: Option<Deletions>,
    events: Receiver<Event>,
    stop: Arc<AtomicBool>,
    origins: BTreeMap<i32, Arc<str>>,
}

impl KafkaReader {
    pub(super) fn start(shared: Arc<Shared>, share: Share, spans: BTreeMap<i32, Option<Span>>) -> Result<Self, ConnectorError> {
        let decoder = shared.format.decoder(&shared.columns.value).map_err(|e| error::named(&shared.topic, e))?;
        let deletions = Deletions::new(&shared.options, &shared.schema, &shared.columns, &shared.key)?;
        let consumer = client::consumer(&shared.config, shared.ears.clone())?;
        let (sender, events) = bounded(QUEUE_BATCHES);
        let stop = Arc::new(AtomicBool::new(false));
        let task = Task {
            topic: shared.topic.clone(),
            brokers: shared.brokers.clone(),
            share,
            wanted: shared.columns.wanted.clone(),
            batch_rows: shared.batch_rows,
            spans,
            known: shared.spans.keys().copied().collect(),
            bounded: shared.bounded,
            registry: shared.format.registry().cloned(),
            discover_every: shared.discover_every,
        };
        let fetcher = Fetcher::new(task, consumer, shared.ears.clone(), sender, stop.clone());
        let name = format!("kafka {}", shared.topic);
        thread::Builder::new().name(name).spawn(move || fetcher.run()).map_err(error::no_thread)?;
        Ok(KafkaReader { shared, decoder, deletions, events, stop, origins: BTreeMap::new() })
    }

    fn origin(&mut self, partition: i32) -> Arc<str> {
        let topic = &self.shared.topic;
        self.origins.entry(partition).or_insert_with(|| start::place(topic, partition).into()).clone()
    }

    fn decode(&mut self, mut raw: RawBatch) -> Result<Chunk, ConnectorError> {
        let columns = &self.shared.columns;
        let mut decoded = Vec::new();
        self.decoder.decode(&raw.messages, &mut |d| decoded.push(d)).map_err(|e| error::named(&self.shared.topic, e))?;
        let beside = BesideColumns::of(&mut raw);
        let (mut batches, mut of, mut rejects) = (Vec::<RecordBatch>::new(), Vec::<UInt32Array>::new(), Vec::<Reject>::new());
        let mut diffs: Option<Vec<i64>> = decoded.iter().any(|d| d.diffs.is_some()).then(Vec::new);
        for mut part in decoded {
            let whole = columns.assemble(&part, &beside, |message| cut(raw.messages.get(message)))?;
            rejects.append(&mut part.rows.rejects);
            rejects.extend(whole.rejects);
            if let Some(diffs) = &mut diffs {
                diffs.extend(whole.rows.iter().map(|row| part.diffs.as_ref().map_or(1, |d| d.value(*row))));
            }
            batches.push(whole.batch);
            of.push(whole.of);
        }
        for reject in &mut rejects {
            reject.position = beside.offset(reject.position as usize);
        }
        // All rows of a message are in one chunk: a checkpoint between them would read the message again.
        let (batch, of) = match (batches.len(), of.len()) {
            (0, _) => (columns.nothing(), UInt32Array::from(Vec::<u32>::new())),
            (1, 1) => (batches.remove(0), of.remove(0)),
            _ => {
                let parts: Vec<&dyn arrow::array::Array> = of.iter().map(|o| o as _).collect();
                let internal = |e| error::bug(format!("batches cannot be put together: {e}"));
                let of = arrow::compute::concat(&parts).map_err(internal)?;
                (concat_batches(columns.projected(), &batches).map_err(internal)?, of.as_primitive::<UInt32Type>().clone())
            }
        };
        let mut batch = batch;
        let mut diffs = diffs.map(Int64Array::from);
        let mut offsets: UInt64Array = of.values().iter().map(|m| beside.offset(*m as usize)).collect();
        match &mut self.deletions {
            _ if raw.tombstones.is_empty() => {}
            // What follows an event of a deletion, for compaction only.
            _ if self.shared.format.is_events() => {}
            Some(deletions) => {
                let before = |row: usize| of.value(row) as usize;
                let with = deletions.put_between(&batch, diffs.as_ref(), before, |row| offsets.value(row), &raw.tombstones)?;
                (batch, diffs, offsets) = (with.batch, Some(with.diffs), with.offsets);
                rejects.extend(with.rejects);
            }
            None => {
                let why = "the message has no value; `key=` makes it a deletion";
                rejects.extend(raw.tombstones.iter().map(|t| deletions::reject(t, RejectReason::Decode, why.into())));
            }
        }
        rejects.sort_by_key(|r| r.position);
        let positions = Positions::Each(offsets);
        Ok(Chunk {
            batch,
            diffs,
            rejects,
            positions,
            origin: self.origin(raw.partition),
            partition: Partition(raw.partition.unsigned_abs()),
            ordinal: Ordinal { unit: 0, chunk: raw.chunk },
            bytes: raw.messages.bytes() as u64,
            partition_ends: raw.ends,
            after: Some(start::resume_at(raw.next)),
        })
    }
}

/// As much of a message as a reject keeps.
fn cut(message: &[u8]) -> Vec<u8> {
    message[..message.len().min(Reject::MAX_RAW_BYTES)].to_vec()
}

impl SourceReader for KafkaReader {
    fn poll(&mut self) -> Result<Poll, ConnectorError> {
        match self.events.try_recv() {
            Ok(Event::Rows(raw)) => self.decode(*raw).map(Poll::Rows),
            Ok(Event::CaughtUp(partition)) => Ok(Poll::CaughtUp { partition: Partition(partition.unsigned_abs()) }),
            Ok(Event::AllCaughtUp) => Ok(Poll::Pending { retry_in: RETRY, caught_up: true }),
            Ok(Event::End) => Ok(Poll::End),
            Ok(Event::Failed(error)) => Err(error),
            Err(TryRecvError::Empty) => Ok(Poll::Waiting { retry_in: RETRY }),
            Err(TryRecvError::Disconnected) => Err(error::bug("the thread that reads has ended by itself")),
        }
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}
