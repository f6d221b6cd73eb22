//! Exit codes: one for each class of failure, so that a script or a scheduler can tell who must act.

use runink_connector_api::WhoActs;
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As asked.
    Done,
    /// The text has errors, examples fail, files are not formatted, a contract breaks its promise: what was asked about is not so.
    Findings,
    /// The command line itself is wrong.
    Usage,
    /// The scenario or its data must be mended by their author.
    User,
    /// The machine must be mended by whoever runs it: rights, disk, memory, network.
    Operator,
    /// A bug of Runink.
    Bug,
    /// Stopped by a signal; what was closed by then is complete.
    Interrupted,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::User => 3,
            Exit::Operator => 4,
            Exit::Bug => 5,
            Exit::Interrupted => 130,
        }
    }

    /// The graver of two.
    #[must_use]
    pub fn and(self, other: Exit) -> Exit {
        if other.code() > self.code() { other } else { self }
    }
}

impl From<WhoActs> for Exit {
    fn from(who: WhoActs) -> Self {
        match who {
            WhoActs::User => Exit::User,
            WhoActs::Operator => Exit::Operator,
            WhoActs::Bug => Exit::Bug,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}
