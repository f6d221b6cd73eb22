//! Every connector that this binary has.

use runink_connector_api::Registry;

pub(crate) fn registry() -> Registry {
    Registry::new(runink_files::connectors().into_iter().chain(runink_generators::connectors()).chain(runink_kafka::connectors()))
}
