//! The `kafka` sink: rows go out as epochs close (at least once), or with the checkpoint that holds them (exactly once).

mod changes;
mod committer;
mod direct;
mod frames;
mod marker;
mod outbox;
mod rows;
mod topic;

use crate::failpoint::StepHook;
use crate::{
    client::{self, Ears, Heard, Side},
    error, options,
};
use committer::KafkaCommitter;
use direct::DirectWriter;
use frames::Frames;
use outbox::HeldWriter;
use rdkafka::ClientConfig;
use rows::RowWriter;
use runink_connector_api::{
    CommitIdentity, Committer, ConnectorError, Delivery, Share, Sink, SinkConfig, SinkSummary, SinkWidth, SinkWriter,
};
use runink_formats::MessageOutput;
use std::sync::Arc;
use topic::Topics;

struct KafkaSink {
    config: SinkConfig,
    client: ClientConfig,
    topic: String,
    output: MessageOutput,
    delivery: Delivery,
    hook: StepHook,
}

/// Opens a sink: everything that can be wrong before the first row is found here.
pub(crate) fn open(config: SinkConfig, hook: StepHook) -> Result<Arc<dyn Sink>, ConnectorError> {
    options::brokers_given(&config.options)?;
    let topic = options::topic(&config.options)?.to_owned();
    topic::check(&config.options)?;
    rows::check_columns(&config.schema)?;
    let delivery = match (config.options.text("delivery"), config.checkpoints) {
        (Some("at-least-once"), _) | (None, false) => Delivery::AtLeastOnce,
        (_, true) => Delivery::ExactlyOnce,
        (_, false) => return Err(error::needs_checkpoints()),
    };
    let client = client::config(&config.options, Side::Sink)?;
    Topics::new(&config.options)?.ensure(&topic, topic::making(&config.options)?.as_ref())?;
    // Last: what it registers stays.
    let output = RowWriter::new(&config, None)?.output;
    Ok(Arc::new(KafkaSink { output, config, client, topic, delivery, hook }))
}

impl Sink for KafkaSink {
    fn width(&self) -> SinkWidth {
        SinkWidth::EachWorker
    }
    fn delivery(&self) -> Delivery {
        self.delivery
    }
    fn writer(&self, _: Share) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        if self.delivery == Delivery::ExactlyOnce {
            return Ok(Box::new(HeldWriter {
                rows: RowWriter::new(&self.config, Some(&self.output))?,
                upserts: rows::upserts(&self.config),
                frames: Frames::default(),
                summary: SinkSummary::default(),
            }));
        }
        let ears = Ears(Arc::new(Heard::new(&self.config.options)?));
        let heard = ears.0.clone();
        let producer = self.client.create_with_context(ears).map_err(error::creation)?;
        Ok(Box::new(DirectWriter {
            topic: self.topic.clone(),
            brokers: client::brokers(&self.config.options).to_owned(),
            rows: RowWriter::new(&self.config, Some(&self.output))?,
            upserts: rows::upserts(&self.config),
            producer,
            heard,
            waits: self.config.checkpoints,
            frames: Frames::default(),
            summary: SinkSummary::default(),
        }))
    }
    fn committer(&self, identity: CommitIdentity) -> Result<Option<Box<dyn Committer>>, ConnectorError> {
        if self.delivery != Delivery::ExactlyOnce {
            return Ok(None);
        }
        let committer = KafkaCommitter::new(&self.config.options, &self.topic, &self.config.name, &identity, self.hook.clone())?;
        Ok(Some(Box::new(committer)))
    }
}
