//! Connectors and the registry that finds them by name.

use crate::{ConnectorError, ConnectorSpec, Lookup, Sink, SinkConfig, Source, SourceConfig};
use arrow::datatypes::SchemaRef;
use std::{collections::BTreeMap, sync::Arc};

/// One outside system.
pub trait Connector: Send + Sync {
    /// Its name and options.
    fn spec(&self) -> &'static ConnectorSpec;

    /// The schema of the data itself, where no contract gives one: read from metadata, or inferred from a sample.
    ///
    /// # Errors
    /// Where the data cannot be reached or says nothing of its schema.
    fn discover(&self, config: &SourceConfig) -> Result<SchemaRef, ConnectorError>;

    /// Opens a source. `config.schema` is complete here.
    ///
    /// # Errors
    /// Where options are unusable or the system cannot be reached.
    fn source(&self, config: SourceConfig) -> Result<Arc<dyn Source>, ConnectorError>;

    /// Opens a lookup; asked in place of [`Self::source`] where [`ConnectorSpec::lookup`] says so.
    ///
    /// # Errors
    /// Where options are unusable, or the connector has no lookups.
    fn lookup(&self, config: SourceConfig) -> Result<Arc<dyn Lookup>, ConnectorError> {
        Err(ConnectorError::bug("CON003", format!("`{}` is not looked up by key, but was to be", config.name)))
    }

    /// Opens a sink.
    ///
    /// # Errors
    /// Where options are unusable or the system cannot be reached.
    fn sink(&self, config: SinkConfig) -> Result<Arc<dyn Sink>, ConnectorError>;
}

/// Connectors by name.
#[derive(Clone, Default)]
pub struct Registry {
    connectors: BTreeMap<&'static str, Arc<dyn Connector>>,
}

impl Registry {
    /// A registry of these connectors.
    pub fn new(connectors: impl IntoIterator<Item = Arc<dyn Connector>>) -> Self {
        Registry { connectors: connectors.into_iter().map(|c| (c.spec().name, c)).collect() }
    }

    /// The connector of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Connector>> {
        self.connectors.get(name)
    }

    /// All specs, by name.
    pub fn specs(&self) -> Vec<&'static ConnectorSpec> {
        self.connectors.values().map(|c| c.spec()).collect()
    }
}
