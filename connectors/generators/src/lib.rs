//! Sources that make their rows up: `nexmark`, the event model of the public streaming benchmark, and `ticks`, a plain clock.
//!
//! Event n is a pure function of the seed and n, so that runs repeat, workers share by ranges, and a projection costs only the columns that it names.

mod draw;
mod nexmark;
mod options;
mod source;
mod ticks;
mod timeline;

use runink_connector_api::Connector;
use std::sync::Arc;

/// The connectors of this crate.
pub fn connectors() -> Vec<Arc<dyn Connector>> {
    vec![Arc::new(nexmark::NexmarkConnector), Arc::new(ticks::TicksConnector)]
}
