//! The `kafka` sink: rows go out as epochs close (at least once), or with the checkpoint that holds them (exactly once).

mod changes;
mod direct;
mod frames;
mod rows;
mod topic;

use crate::{
    client::{self, Ears, Heard, Side},
    error, options,
};
use changes::Upserts;
use direct::DirectWriter;
use frames::Frames;
use rdkafka::ClientConfig;
use rows::RowWriter;
use runink_connector_api::{ConnectorError, Delivery, Share, Sink, SinkConfig, SinkSummary, SinkWidth, SinkWriter};
use std::sync::Arc;

struct KafkaSink {
    config: SinkConfig,
    client: ClientConfig,
    topic: String,
}

/// Opens a sink: everything that can be wrong before the first row is found here.
pub(crate) fn open(config: SinkConfig) -> Result<Arc<dyn Sink>, ConnectorError> {
    options::brokers_given(&config.options)?;
    let topic = options::topic(&config.options)?.to_owned();
    topic::check(&config.options)?;
    rows::check_columns(&config.schema)?;
    RowWriter::new(&config)?;
    let client = client::config(&config.options, Side::Sink)?;
    let admin = topic::admin(&client, Ears(Arc::new(Heard::new(&config.options)?)))?;
    topic::ensure(&admin, client::brokers(&config.options), &topic, topic::making(&config.options)?.as_ref())?;
    Ok(Arc::new(KafkaSink { config, client, topic }))
}

impl Sink for KafkaSink {
    fn width(&self) -> SinkWidth {
        SinkWidth::EachWorker
    }
    fn delivery(&self) -> Delivery {
        Delivery::AtLeastOnce
    }
    fn writer(&self, _: Share) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let ears = Ears(Arc::new(Heard::new(&self.config.options)?));
        let heard = ears.0.clone();
        let producer = self.client.create_with_context(ears).map_err(|cause| error::native_option("…", &cause.to_string()))?;
        Ok(Box::new(DirectWriter {
            topic: self.topic.clone(),
            rows: RowWriter::new(&self.config)?,
            upserts: rows::upserts(&self.config).then(Upserts::default),
            producer,
            heard,
            waits: self.config.checkpoints,
            frames: Frames::default(),
            summary: SinkSummary::default(),
        }))
    }
}
