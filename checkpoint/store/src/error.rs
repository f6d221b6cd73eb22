//! What goes wrong between a scenario and its checkpoints, who must act, and what to do. Codes are stable; `docs/errors.md` lists them.

use crate::codec::CodecError;
use runink_checkpoint::{CheckpointNumber, Fenced, StateError};
use std::{io, path::PathBuf};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder of checkpoints cannot be used.
    #[error("CKP001: `{}` cannot be {what}: {source}", .path.display())]
    Disk {
        /// Which file or folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Another process has it.
    #[error("CKP002: the checkpoints in `{}` are in use by another process", .path.display())]
    InUse {
        /// The scenario's folder.
        path: PathBuf,
    },
    /// A newer incarnation has begun.
    #[error("CKP003: {0}")]
    Fenced(#[from] Fenced),
    /// The snapshot store cannot be reached or refuses.
    #[error("CKP004: the snapshot store `{url}` failed at {what}: {message}")]
    Remote {
        /// Which store.
        url: String,
        /// What was tried.
        what: String,
        /// Why not.
        message: String,
    },
    /// The address of the snapshot store is none.
    #[error("CKP005: `{url}` is not a snapshot store: {message}")]
    Url {
        /// As given.
        url: String,
        /// Why not.
        message: String,
    },
    /// A checkpoint is not what its manifest or its format says.
    #[error("CKP006: {what} is damaged: {how}")]
    Damaged {
        /// Which manifest, file or table.
        what: String,
        /// What was found.
        how: String,
    },
    /// There are checkpoints, and none of them can be used.
    #[error("CKP007: none of the checkpoints in `{place}` can be used: {damages}")]
    NoneSound {
        /// Where.
        place: String,
        /// Each with what is wrong with it.
        damages: String,
    },
    /// It was written by a version that this one cannot read.
    #[error("CKP008: {what} has format {found}; this version of Runink reads format {readable}")]
    Format {
        /// What.
        what: String,
        /// Its version.
        found: u64,
        /// What can be read.
        readable: u64,
    },
    /// A setting that is fixed when a scenario is first created.
    #[error("CKP009: the checkpoint has {stored} key groups, the scenario has {asked}")]
    KeyGroups {
        /// As stored.
        stored: u16,
        /// As asked for.
        asked: u16,
    },
    /// No such checkpoint or savepoint.
    #[error("CKP010: there is no {0}")]
    NotThere(String),
    /// A name that cannot be a savepoint's.
    #[error("CKP011: `{0}` cannot be the name of a savepoint")]
    Name(String),
    /// A savepoint of that name is there.
    #[error("CKP012: there is a savepoint `{0}` already")]
    Taken(String),
    /// RocksDB failed.
    #[error("CKP013: the database of checkpoints failed at {what}: {message}")]
    Database {
        /// What was tried.
        what: &'static str,
        /// What RocksDB said.
        message: String,
    },
    /// What was handed over does not fit its table.
    #[error("CKP014: step `{node}`: {source}")]
    State {
        /// Which node.
        node: String,
        /// Why.
        source: StateError,
    },
    /// A value cannot be stored, or stored bytes are no value.
    #[error("CKP015: step `{node}`: {source}")]
    Value {
        /// Which node.
        node: String,
        /// Why.
        source: CodecError,
    },
    /// The last checkpoint could not be made in time.
    #[error("CKP016: the last checkpoint was not published; the newest one is {}", .newest.map_or("none".to_owned(), |n| n.to_string()))]
    NotPublished {
        /// What there is.
        newest: Option<CheckpointNumber>,
    },
    /// The store's own thread has ended.
    #[error("CKP017: the thread that writes checkpoints has ended: {0}")]
    Ended(String),
}

/// Who must act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// Whoever wrote the command or the scenario.
    User,
    /// Whoever runs the machine.
    Operator,
    /// A bug of Runink.
    Developer,
}

impl StoreError {
    /// All codes, each with when it comes.
    pub const CODES: &'static [(&'static str, &'static str)] = &[
        ("CKP001", "a file or folder of checkpoints cannot be read or written: rights, a full disk"),
        ("CKP002", "another process has the scenario's checkpoints"),
        ("CKP003", "a newer start of the scenario has taken over"),
        ("CKP004", "the snapshot store cannot be reached or refuses"),
        ("CKP005", "the address of a snapshot store is none"),
        ("CKP006", "a manifest, a file or a row of a checkpoint is damaged"),
        ("CKP007", "there are checkpoints, and none of them can be used"),
        ("CKP008", "a checkpoint was written in a format that this version cannot read"),
        ("CKP009", "the number of key groups differs from that of the checkpoint"),
        ("CKP010", "a checkpoint or savepoint that is named is not there"),
        ("CKP011", "a name cannot be a savepoint's"),
        ("CKP012", "a savepoint of that name is there already"),
        ("CKP013", "the database of checkpoints failed: mostly a full or broken disk"),
        ("CKP014", "what a step keeps does not fit its table"),
        ("CKP015", "a step's value has no form on disk"),
        ("CKP016", "a scenario ended, and its last checkpoint could not be published"),
        ("CKP017", "the thread that writes checkpoints has ended"),
    ];

    pub(crate) fn disk(path: impl Into<PathBuf>, what: &'static str) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.into();
        move |source| StoreError::Disk { path, what, source }
    }

    pub(crate) fn damaged(what: impl Into<String>, how: impl Into<String>) -> StoreError {
        StoreError::Damaged { what: what.into(), how: how.into() }
    }

    /// Its code.
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::Disk { .. } => "CKP001",
            StoreError::InUse { .. } => "CKP002",
            StoreError::Fenced(_) => "CKP003",
            StoreError::Remote { .. } => "CKP004",
            StoreError::Url { .. } => "CKP005",
            StoreError::Damaged { .. } => "CKP006",
            StoreError::NoneSound { .. } => "CKP007",
            StoreError::Format { .. } => "CKP008",
            StoreError::KeyGroups { .. } => "CKP009",
            StoreError::NotThere(_) => "CKP010",
            StoreError::Name(_) => "CKP011",
            StoreError::Taken(_) => "CKP012",
            StoreError::Database { .. } => "CKP013",
            StoreError::State { .. } => "CKP014",
            StoreError::Value { .. } => "CKP015",
            StoreError::NotPublished { .. } => "CKP016",
            StoreError::Ended(_) => "CKP017",
        }
    }

    /// Who must act.
    pub fn actor(&self) -> Actor {
        match self {
            StoreError::Disk { .. }
            | StoreError::InUse { .. }
            | StoreError::Fenced(_)
            | StoreError::Remote { .. }
            | StoreError::Damaged { .. }
            | StoreError::NoneSound { .. }
            | StoreError::Database { .. }
            | StoreError::NotPublished { .. } => Actor::Operator,
            StoreError::Url { .. }
            | StoreError::Format { .. }
            | StoreError::KeyGroups { .. }
            | StoreError::NotThere(_)
            | StoreError::Name(_)
            | StoreError::Taken(_) => Actor::User,
            StoreError::State { .. } | StoreError::Value { .. } | StoreError::Ended(_) => Actor::Developer,
        }
    }

    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            StoreError::Disk { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "the disk is full: make room; the next checkpoint is tried by itself"
            }
            StoreError::Disk { .. } => "look at the rights of the folder and at the disk",
            StoreError::InUse { .. } => "stop the other process, or name another folder with `--state`",
            StoreError::Fenced(_) => "the newer start goes on; nothing is to be done for this one",
            StoreError::Remote { .. } => "look at the network, the address and the credentials; the next checkpoint is tried by itself",
            StoreError::Url { .. } => "write `file:///FOLDER`, `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`",
            StoreError::Damaged { .. } => "`runi checkpoint verify` says which checkpoints are sound; the one before is used",
            StoreError::NoneSound { .. } => "bring back the files from a copy, or start from nothing in another folder",
            StoreError::Format { .. } => "use the version of Runink that wrote it, or a newer one",
            StoreError::KeyGroups { .. } => "key groups are fixed when a scenario first runs: use the stored number",
            StoreError::NotThere(_) => "`runi checkpoint list` says what there is",
            StoreError::Name(_) => "a name has letters, digits, `-`, `_` and `.`, at most 100 of them, and does not begin with `.`",
            StoreError::Taken(_) => "name it otherwise, or delete the old one first",
            StoreError::Database { .. } => "look at the disk; the database is built anew from the last checkpoint by itself",
            StoreError::NotPublished { .. } => "mend what the error before says, and run again: it goes on from the newest checkpoint",
            StoreError::State { .. } | StoreError::Value { .. } | StoreError::Ended(_) => "this is a bug of Runink: please report it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_in_order() {
        let codes: Vec<&str> = StoreError::CODES.iter().map(|(code, _)| *code).collect();
        let expected: Vec<String> = (1..=codes.len()).map(|n| format!("CKP{n:03}")).collect();
        assert_eq!(codes, expected);
        let error = StoreError::NotThere("savepoint `x`".into());
        assert!(error.to_string().starts_with(error.code()));
    }
}
