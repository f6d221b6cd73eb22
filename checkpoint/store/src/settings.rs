//! How a scenario's checkpoints are kept.

use crate::Probe;
use runink_checkpoint::{CheckpointNumber, KeyGroups, Publications};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// Which checkpoint a scenario starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum From {
    /// The newest that is sound; from nothing where there never was one.
    #[default]
    Newest,
    /// That one.
    Number(CheckpointNumber),
    /// The savepoint of that name.
    Savepoint(String),
}

/// See the module.
#[derive(Clone)]
pub struct Settings {
    /// The folder of all scenarios' state on this machine (`--state`).
    pub folder: PathBuf,
    /// The scenario's lasting name.
    pub scenario: String,
    /// Where snapshots go: a folder or a URL; below `folder` if absent.
    pub snapshots: Option<String>,
    /// How many key groups the scenario has.
    pub key_groups: KeyGroups,
    /// How often a checkpoint is begun at most. After one that took long, there is a pause of half of that at least.
    pub every: Duration,
    /// How many checkpoints stay when newer ones come; at least one.
    pub keep: usize,
    /// Where to start from.
    pub from: From,
    /// Who hears of checkpoints.
    pub publications: Arc<dyn Publications>,
    /// What tests do at fail points.
    pub probe: Probe,
}

impl Settings {
    /// How often, unless said otherwise.
    pub const EVERY: Duration = Duration::from_millis(250);
    /// How many stay, unless said otherwise.
    pub const KEEP: usize = 5;

    /// With what is usual for the rest.
    pub fn new(folder: impl Into<PathBuf>, scenario: impl Into<String>, publications: Arc<dyn Publications>) -> Self {
        Settings {
            folder: folder.into(),
            scenario: scenario.into(),
            snapshots: None,
            key_groups: KeyGroups::default(),
            every: Settings::EVERY,
            keep: Settings::KEEP,
            from: From::Newest,
            publications,
            probe: Probe::default(),
        }
    }
}
