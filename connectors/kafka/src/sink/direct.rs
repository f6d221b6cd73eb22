//! The writer that sends rows as they come: at least once, with the least delay.

use super::{
    changes::Upserts,
    frames::{Frame, FrameIter, Frames},
    rows::RowWriter,
};
use crate::{
    client::{self, Ears, Heard},
    error,
};
use arrow::{array::Int64Array, record_batch::RecordBatch};
use rdkafka::{
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, ThreadedProducer},
    types::RDKafkaErrorCode,
};
use runink_connector_api::{ConnectorError, SinkSummary, SinkWriter};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a worker waits for room in the producer's queue, or for the brokers to have taken everything. Beyond `message.timeout.ms` (5 minutes), when
/// librdkafka itself gives up.
const PATIENCE: Duration = Duration::from_secs(330);
/// How soon a full queue is tried again, and how often it is looked whether everything is out.
const FULL_RETRY: Duration = Duration::from_millis(1);

pub(super) struct DirectWriter {
    pub(super) topic: String,
    pub(super) brokers: String,
    pub(super) rows: RowWriter,
    /// Where only the newest row of a key is written.
    pub(super) upserts: Option<Upserts>,
    pub(super) producer: ThreadedProducer<Ears>,
    pub(super) heard: Arc<Heard>,
    /// Epochs are done with only when the brokers have their rows: checkpoints count on it.
    pub(super) waits: bool,
    pub(super) frames: Frames,
    pub(super) summary: SinkSummary,
}

/// The message of a frame, with its headers as librdkafka holds them.
pub(super) fn headers_of(frame: &Frame<'_>) -> Option<OwnedHeaders> {
    if frame.headers.is_empty() {
        return None;
    }
    let headers = OwnedHeaders::new_with_capacity(frame.headers.len());
    Some(frame.headers.iter().fold(headers, |headers, (name, value)| headers.insert(Header { key: name, value: *value })))
}

/// A record to send.
pub(super) fn record_of<'a>(topic: &'a str, frame: &Frame<'a>) -> BaseRecord<'a, [u8], [u8], ()> {
    BaseRecord {
        topic,
        partition: frame.partition,
        payload: frame.value,
        key: frame.key,
        timestamp: frame.timestamp_ms,
        headers: headers_of(frame),
        delivery_opaque: (),
    }
}

impl DirectWriter {
    fn failed(&self, cause: KafkaError) -> ConnectorError {
        // What keeps one out says more than that a message came too late.
        match self.heard.refusal() {
            Some(refusal) if client::is_passing(&cause) => error::not_let_in(&self.brokers, &refusal),
            _ => error::writing(&self.topic, cause),
        }
    }

    fn check(&self) -> Result<(), ConnectorError> {
        match self.heard.take_failure() {
            Some(cause) => Err(self.failed(cause)),
            None => Ok(()),
        }
    }

    fn send(&mut self) -> Result<(), ConnectorError> {
        let until = Instant::now() + PATIENCE;
        for frame in (FrameIter { rest: &self.frames.bytes }) {
            let (frame, _) = frame.map_err(|_| error::bug("a row that was just written is damaged"))?;
            let mut record = record_of(&self.topic, &frame);
            while let Err((cause, back)) = self.producer.send(record) {
                if cause.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) || Instant::now() > until {
                    return Err(self.failed(cause));
                }
                self.check()?;
                self.producer.poll(FULL_RETRY);
                record = back;
            }
            self.summary.rows += 1;
            self.summary.bytes += (frame.key.map_or(0, <[u8]>::len) + frame.value.map_or(0, <[u8]>::len)) as u64;
        }
        self.frames.clear();
        self.check()
    }

    fn send_changes(&mut self) -> Result<(), ConnectorError> {
        if let Some(upserts) = &mut self.upserts {
            upserts.take(&mut self.frames)?;
            self.send()?;
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<(), ConnectorError> {
        client::flush(&self.producer, PATIENCE, || self.producer.poll(FULL_RETRY)).map_err(|e| self.failed(e))?;
        self.check()
    }
}

impl SinkWriter for DirectWriter {
    fn write(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), ConnectorError> {
        match &mut self.upserts {
            Some(upserts) => {
                self.rows.write(batch, None, &mut upserts.frames)?;
                upserts.count(batch.num_rows(), diffs);
                Ok(())
            }
            None => {
                self.rows.write(batch, diffs, &mut self.frames)?;
                self.summary.rows += self.rows.take_sharing();
                self.send()
            }
        }
    }

    fn flush(&mut self) -> Result<(), ConnectorError> {
        self.send_changes()?;
        if self.waits { self.wait() } else { self.check() }
    }

    fn finish(mut self: Box<Self>) -> Result<SinkSummary, ConnectorError> {
        self.send_changes()?;
        self.wait()?;
        Ok(self.summary)
    }
}
