//! Apache Kafka: topics as sources and sinks.
//!
//! - Source: partitions by plan, positions in checkpoints, evidence of idleness; keys, headers, offsets and timestamps as columns.
//! - Sink: at least once as epochs close, or exactly once by outboxes: rows go out in a short transaction when the checkpoint that holds them is published.
//!
//! - `http`: services that joins ask for the rows of keys.
//!
//! librdkafka speaks the protocol; messages become columns in `runink-formats`. All of librdkafka's own threads end with the client they belong to.

mod client;
mod error;
mod failpoint;
mod http;
mod native;
mod options;
mod registry;
mod secret;
mod sink;
mod source;
mod token;

pub use failpoint::{FailPoint, StepHook};
pub use native::NATIVE_ABOUT;

use arrow::datatypes::SchemaRef;
use runink_connector_api::{Connector, ConnectorError, ConnectorSpec, Sink, SinkConfig, Source, SourceConfig};
use std::sync::Arc;

/// The connectors of this crate.
pub fn connectors() -> Vec<Arc<dyn Connector>> {
    connectors_heard_by(failpoint::no_hook())
}

/// The same; the hook hears of each step of recovery and commit.
pub fn connectors_heard_by(hook: StepHook) -> Vec<Arc<dyn Connector>> {
    vec![Arc::new(KafkaConnector { hook }), Arc::new(http::HttpConnector)]
}

/// `kafka`.
struct KafkaConnector {
    hook: StepHook,
}

impl Connector for KafkaConnector {
    fn spec(&self) -> &'static ConnectorSpec {
        &options::SPEC
    }
    fn discover(&self, config: &SourceConfig) -> Result<SchemaRef, ConnectorError> {
        source::discover(config)
    }
    fn source(&self, config: SourceConfig) -> Result<Arc<dyn Source>, ConnectorError> {
        source::open(config)
    }
    fn sink(&self, config: SinkConfig) -> Result<Arc<dyn Sink>, ConnectorError> {
        sink::open(config, self.hook.clone())
    }
}
