//! What stops an operator. A bad row never does: it becomes a reject.

use runink_checkpoint::StateError;
use runink_connector_api::ConnectorError;

/// Fatal for the scenario.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A plan that the operator cannot run: a bug of the planner or here.
    #[error("{step}: the plan cannot be run: {message} (this is a bug of Runink)")]
    Plan {
        /// Which step.
        step: String,
        /// What does not fit.
        message: String,
    },
    /// A kernel failed where no single row is to blame.
    #[error("{step}: {source}")]
    Kernel {
        /// Which step.
        step: String,
        /// What the kernel said.
        source: datafusion_common::DataFusionError,
    },
    /// `@then … otherwise fail` did not hold.
    #[error("{step}: `{text}` does not hold for {row}")]
    Expectation {
        /// Which step.
        step: String,
        /// The expectation as written.
        text: String,
        /// The row, as JSON.
        row: String,
    },
    /// An outside system that is looked up in refuses, or gives no answer where the text says to stop.
    #[error("{name}: {error}")]
    Outside {
        /// The source that stands for it.
        name: String,
        /// Why.
        error: ConnectorError,
    },
    /// State could not be captured or restored.
    #[error("{step}: {source}")]
    State {
        /// Which step.
        step: String,
        /// Why.
        source: StateError,
    },
}

impl OperatorError {
    /// A kernel's failure.
    pub fn kernel(step: &str, source: impl Into<datafusion_common::DataFusionError>) -> Self {
        OperatorError::Kernel { step: step.to_owned(), source: source.into() }
    }

    /// A plan that does not fit.
    pub fn plan(step: &str, message: impl Into<String>) -> Self {
        OperatorError::Plan { step: step.to_owned(), message: message.into() }
    }
}
