//! What stops a scenario, and who must act.

use runink_checkpoint::StateError;
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
    Operator(#[source] OperatorError),
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
    /// A scenario with checkpoints reads what cannot go on where it stopped.
    #[error("ENG007: {name}: this source cannot go on where it stopped, so a scenario that reads it cannot make checkpoints")]
    NotResumable {
        /// The source.
        name: String,
    },
    /// The outside has output of a checkpoint that the state folder has not, or no longer.
    #[error("ENG009: {name}: the outside has the output of checkpoint {outside} already, but the newest intact checkpoint here is {}: starting would write rows twice", .start.map_or("none".to_owned(), |s| s.to_string()))]
    OutsideAhead {
        /// The sink.
        name: String,
        /// What the outside has.
        outside: u64,
        /// What the scenario would start from.
        start: Option<u64>,
    },
    /// What a step keeps lies in the store, and could not be read.
    #[error("ENG014: {step}: {source}")]
    Unread {
        /// Which step.
        step: String,
        /// What the store said.
        source: StateError,
    },
    /// What steps keep cannot be stored: a bug, as types are looked at before.
    #[error("ENG012: no checkpoints can be made of this scenario: {0}")]
    NoCheckpoints(String),
    /// A recursion did not come to its end.
    #[error("ENG013: {step}: no fixed point after {rounds} rounds, in epoch {epoch}")]
    Rounds {
        /// Which step.
        step: String,
        /// How many rounds were allowed.
        rounds: u64,
        /// The epoch whose rows it could not settle.
        epoch: u64,
    },
    /// Another process has taken the scenario over.
    #[error("ENG011: {0}")]
    Fenced(#[from] runink_checkpoint::Fenced),
    /// The outside cannot tell whether it has a checkpoint's output.
    #[error(
        "ENG010: {name}: the outside cannot tell whether it has the output of checkpoint {checkpoint}: to write it might double rows, to leave it out might lose them"
    )]
    OutsideUnknown {
        /// The sink.
        name: String,
        /// The first checkpoint in doubt.
        checkpoint: u64,
    },
    /// A scenario with checkpoints writes what appears only when all is done.
    #[error("ENG008: {name}: this output appears only as a whole at the end, so a scenario that writes it cannot make checkpoints")]
    NotInParts {
        /// The sink.
        name: String,
    },
}

impl From<OperatorError> for EngineError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Outside { name, error } => EngineError::Connector { name, error },
            OperatorError::State { step, source: source @ StateError::Unread(_) } => EngineError::Unread { step, source },
            error => EngineError::Operator(error),
        }
    }
}

impl EngineError {
    /// Who must act.
    pub fn who(&self) -> WhoActs {
        match self {
            EngineError::Connector { error, .. } => error.who,
            EngineError::Operator(OperatorError::Expectation { .. }) => WhoActs::User,
            EngineError::Start(_)
            | EngineError::OutsideAhead { .. }
            | EngineError::OutsideUnknown { .. }
            | EngineError::Fenced(_)
            | EngineError::Unread { .. } => WhoActs::Operator,
            EngineError::NotResumable { .. } | EngineError::NotInParts { .. } | EngineError::Rounds { .. } => WhoActs::User,
            _ => WhoActs::Bug,
        }
    }

    /// Whether it may pass without anybody's doing.
    pub fn passes(&self) -> bool {
        matches!(self, EngineError::Connector { error, .. } if error.passes)
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
            EngineError::NotResumable { .. } => "ENG007",
            EngineError::NotInParts { .. } => "ENG008",
            EngineError::OutsideAhead { .. } => "ENG009",
            EngineError::OutsideUnknown { .. } => "ENG010",
            EngineError::Fenced(_) => "ENG011",
            EngineError::NoCheckpoints(_) => "ENG012",
            EngineError::Rounds { .. } => "ENG013",
            EngineError::Unread { .. } => "ENG014",
        }
    }

    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            EngineError::Connector { error, .. } => error.hint.clone(),
            EngineError::Operator(OperatorError::Expectation { .. }) => {
                Some("mend the data, or let the step `otherwise reject` or `otherwise alert` instead".into())
            }
            EngineError::Panic { .. } | EngineError::Routing { .. } | EngineError::NoCheckpoints(_) => {
                Some("please report this with the scenario and the message".into())
            }
            EngineError::NotResumable { .. } => Some("read files, a generator or Kafka, or run without `--state`".into()),
            EngineError::OutsideAhead { .. } => {
                Some("bring back the state folder that wrote it, or start anew with a new state folder and a new output".into())
            }
            EngineError::Rounds { .. } => Some(
                "allow more with `at most … rounds`; if each round goes on changing the result (a sum or a count around a cycle), keep such rows out of the recursion"
                    .into(),
            ),
            EngineError::Unread { .. } => {
                Some("look at the disk of the state folder, and start again: the scenario goes on from its newest sound checkpoint".into())
            }
            EngineError::Fenced(_) => Some("let the newer process go on; stop this one for good".into()),
            EngineError::OutsideUnknown { .. } => {
                Some("look at the end of the output; then start with a new state folder, or a new output, from where it ends".into())
            }
            EngineError::NotInParts { .. } => Some("write JSON lines or CSV, or into a folder, or run without `--state`".into()),
            _ => None,
        }
    }
}
