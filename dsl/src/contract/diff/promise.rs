//! What a contract promises about its next versions: the `Compatibility:` line.

use crate::ast::Contract;
use serde::{Serialize, Serializer};
use std::fmt;

/// The value of `Compatibility:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Promise {
    /// New readers read old data.
    Backward,
    /// Old readers read new data.
    Forward,
    /// Both.
    Full,
    /// Nothing is promised; also where the line is absent.
    None,
    /// A word that is none of these.
    Unknown(String),
}

impl Promise {
    /// The contract's promise.
    pub fn of(contract: &Contract) -> Self {
        let Some(line) = contract.metadata.iter().find(|m| m.key.value.eq_ignore_ascii_case("compatibility")) else {
            return Promise::None;
        };
        match line.value.value.trim().to_lowercase().as_str() {
            "backward" => Promise::Backward,
            "forward" => Promise::Forward,
            "full" => Promise::Full,
            "none" => Promise::None,
            other => Promise::Unknown(other.to_owned()),
        }
    }

    /// Whether new readers must be able to read old data.
    pub fn covers_backward(&self) -> bool {
        matches!(self, Promise::Backward | Promise::Full)
    }

    /// Whether old readers must be able to read new data.
    pub fn covers_forward(&self) -> bool {
        matches!(self, Promise::Forward | Promise::Full)
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Promise::Backward => "backward",
            Promise::Forward => "forward",
            Promise::Full => "full",
            Promise::None => "none",
            Promise::Unknown(word) => word,
        })
    }
}

impl Serialize for Promise {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
