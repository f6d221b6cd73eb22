//! What stops a scenario, and who must act.

use runink_connector_api::{ConnectorError, WhoActs};
use runink_operators::OperatorError;

/// An error that stops one scenario (or keeps it from starting). Others on the same workers go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A source or sink failed.
    #[error("{name}: {error}")]
    Connector {
        /// The source or sink.
        name: String,
        /// Why.
        error: ConnectorError,
    },
    /// A step failed.
    #[error("ENG001: {0}")]
    Operator(#[from] OperatorError),
    /// The plan names a connector that is not there.
    #[error("ENG002: {name}: there is no connector `{connector}`")]
    NoConnector {
        /// The source or sink.
        name: String,
        /// The connector.
        connector: String,
    },
    /// A worker panicked inside a step.
    #[error("ENG003: a worker failed inside `{step}`: {message}")]
    Panic {
        /// Which node.
        step: String,
        /// The panic's message.
        message: String,
    },
    /// The worker group does not run any more.
    #[error("ENG004: the worker group has stopped: {0}")]
    GroupStopped(String),
    /// The workers could not be started.
    #[error("ENG005: workers could not be started: {0}")]
    Start(String),
    /// Data between workers could not be routed or put together.
    #[error("ENG006: `{step}`: {message}")]
    Routing {
        /// Which node.
        step: String,
        /// Why.
        message: String,
    },
}

impl EngineError {
    /// Who must act.
    pub fn who(&self) -> WhoActs {
        match self {
            EngineError::Connector { error, .. } => error.who,
            EngineError::Operator(OperatorError::Expectation { .. }) => WhoActs::User,
            EngineError::Start(_) => WhoActs::Operator,
            _ => WhoActs::Bug,
        }
    }

    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            EngineError::Connector { error, .. } => error.code,
            EngineError::Operator(_) => "ENG001",
            EngineError::NoConnector { .. } => "ENG002",
            EngineError::Panic { .. } => "ENG003",
            EngineError::GroupStopped(_) => "ENG004",
            EngineError::Start(_) => "ENG005",
            EngineError::Routing { .. } => "ENG006",
        }
    }

    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            EngineError::Connector { error, .. } => error.hint.clone(),
            EngineError::Operator(OperatorError::Expectation { .. }) => {
                Some("mend the data, or let the step `otherwise reject` or `otherwise alert` instead".into())
            }
            EngineError::Panic { .. } | EngineError::Routing { .. } => Some("please report this with the scenario and the message".into()),
            _ => None,
        }
    }
}
