//! The durable side of state: tables in RocksDB, snapshots in a folder or an object store, and the protocol of checkpoints.
//!
//! [`Store`] is what a running scenario has: worker threads hand over, one thread writes. What is written is specified in `docs/checkpoint-format.md`. The
//! decisions (what to do next, from where to start, what may be deleted) are pure functions in `protocol`; all else does what they say.

mod claim;
mod codec;
mod database;
mod error;
mod failpoint;
mod fetch;
mod inspect;
mod intake;
mod layout;
mod manifest;
mod merge;
mod objects;
mod open;
mod protocol;
mod read;
mod settings;
mod status;
mod store;
mod unsaved;
mod view;
mod writer;

pub use claim::folder_name;
pub use codec::CodecError;
pub use error::{Actor, StoreError};
pub use failpoint::{FailPoint, Probe};
pub use inspect::{Change, Entry, Kind, Looked, NodeContents, Snapshots};
pub use manifest::{FORMAT, FileEntry, Manifest, ManifestId};
pub use objects::{Folder, Objects, Put, Remote, open as open_objects};
pub use read::Checkpoint;
pub use settings::{From, Settings};
pub use status::{Failure, Status};
pub use store::Store;

/// The border that this crate stands behind.
pub use runink_checkpoint as border;
