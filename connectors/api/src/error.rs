//! What goes wrong at the border, and who must act.

use std::fmt;

/// Who can mend an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhoActs {
    /// The author of the scenario: an option, a path, a schema.
    User,
    /// Whoever runs the machine: rights, disk, network.
    Operator,
    /// Nobody but Runink's developers.
    Bug,
}

/// An error of a connector: fatal for the scenario. Bad rows are never errors, they are [`crate::Reject`]s.
#[derive(Debug, thiserror::Error)]
pub struct ConnectorError {
    /// Stable code: `FIL001`, …
    pub code: &'static str,
    /// Who must act.
    pub who: WhoActs,
    /// What happened, with the thing it happened to.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// It may pass without anybody's doing (brokers that start again, a disk that is cleared): what waits for it can go on waiting.
    pub passes: bool,
    /// What it came from.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ConnectorError {
    /// An error that the scenario's author mends.
    pub fn user(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, WhoActs::User, message)
    }

    /// An error that the operator mends.
    pub fn operator(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, WhoActs::Operator, message)
    }

    /// An error that only a change of Runink mends.
    pub fn bug(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, WhoActs::Bug, message)
    }

    fn new(code: &'static str, who: WhoActs, message: impl Into<String>) -> Self {
        ConnectorError { code, who, message: message.into(), hint: None, passes: false, source: None }
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says that it may pass.
    #[must_use]
    pub fn passing(mut self) -> Self {
        self.passes = true;
        self
    }

    /// Keeps what it came from.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for ConnectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}
