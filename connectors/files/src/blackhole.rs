//! `blackhole`: takes rows and drops them, to measure everything before it.

use crate::writes_only;
use arrow::{array::Int64Array, datatypes::SchemaRef, record_batch::RecordBatch};
use runink_connector_api::{
    Connector, ConnectorError, ConnectorSpec, Delivery, Share, Sink, SinkConfig, SinkSummary, SinkWidth, SinkWriter, Source, SourceConfig,
};
use std::sync::Arc;

static SPEC: ConnectorSpec = ConnectorSpec {
    name: "blackhole",
    about: "Takes rows, counts them and drops them.",
    source: None,
    sink: Some(&[]),
    bounded: |_| true,
    sink_takes_retractions: true,
    lookup: false,
    delivery: |_| Delivery::AtLeastOnce,
    fixed_schema: |_| None,
    fixed_time: |_| None,
};

pub(crate) struct BlackholeConnector;

impl Connector for BlackholeConnector {
    fn spec(&self) -> &'static ConnectorSpec {
        &SPEC
    }
    fn discover(&self, _: &SourceConfig) -> Result<SchemaRef, ConnectorError> {
        Err(writes_only(SPEC.name))
    }
    fn source(&self, _: SourceConfig) -> Result<Arc<dyn Source>, ConnectorError> {
        Err(writes_only(SPEC.name))
    }
    fn sink(&self, _: SinkConfig) -> Result<Arc<dyn Sink>, ConnectorError> {
        Ok(Arc::new(Blackhole))
    }
}

struct Blackhole;

impl Sink for Blackhole {
    fn width(&self) -> SinkWidth {
        SinkWidth::EachWorker
    }
    fn delivery(&self) -> Delivery {
        Delivery::AtLeastOnce
    }
    fn writer(&self, _: Share) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        Ok(Box::new(Counter { rows: 0 }))
    }
}

struct Counter {
    rows: u64,
}

impl SinkWriter for Counter {
    fn write(&mut self, batch: &RecordBatch, _: Option<&Int64Array>) -> Result<(), ConnectorError> {
        self.rows += batch.num_rows() as u64;
        Ok(())
    }
    fn flush(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
    fn finish(self: Box<Self>) -> Result<SinkSummary, ConnectorError> {
        Ok(SinkSummary { rows: self.rows, bytes: 0 })
    }
}
