//! The protocol of checkpoints as decisions over facts: what is to be done next, by what was seen. Nothing here does anything; `crate::writer` does.
//!
//! One checkpoint goes: *mark* (a boundary is complete; what was handed over up to it is merged), *write* (changes to the database, its files set aside, stored),
//! *publish* (the manifest, then the look for newer generations), *retire* (what nothing needs goes). Each step may fail and is then tried again from the first
//! step that is not done; a step that is done twice does nothing the second time.

pub(crate) mod recover;
pub(crate) mod retire;

use crate::manifest::{FileEntry, Manifest};
use runink_checkpoint::{Boundary, CheckpointNumber};
use std::collections::BTreeSet;

/// How far a candidate, a checkpoint that is to be, has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Its files are set aside on this machine.
    SetAside,
    /// They are durable in the snapshot store.
    Stored,
    /// Its manifest is as well: it exists.
    Exists,
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// A newer generation was seen: nothing more is done, ever.
    pub(crate) fenced: bool,
    /// The database can be used.
    pub(crate) database_sound: bool,
    /// The newest boundary that all parts have passed.
    pub(crate) complete: Option<Boundary>,
    /// Up to where what was handed over is merged.
    pub(crate) merged: Option<Boundary>,
    /// Up to where it is set aside on this machine.
    pub(crate) set_aside: Option<Boundary>,
    /// The newest checkpoint that was told of.
    pub(crate) published: Option<Boundary>,
    /// The candidate, if there is one.
    pub(crate) candidate: Option<(Boundary, Stage)>,
    /// Its last step failed.
    pub(crate) failed: bool,
    /// The pause between checkpoints, or after a failure, is over.
    pub(crate) due: bool,
    /// What is merged has become too much to be held in memory, and the pause after a failure is over.
    pub(crate) must_write: bool,
    /// A savepoint is asked for.
    pub(crate) savepoint: bool,
    /// Checkpoints that are older than the ones to keep.
    pub(crate) too_old: usize,
    /// The pause after a failure to delete them is over.
    pub(crate) retire_due: bool,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing until something new is seen.
    Rest,
    /// Take what was handed over up to the complete boundary.
    Merge(Boundary),
    /// Make the database anew from what was set aside last.
    Rebuild,
    /// Write what is merged and set the files aside: a new candidate.
    SetAside(Boundary),
    /// Bring the candidate's files into the snapshot store.
    Store,
    /// Write the candidate's manifest.
    Publish,
    /// Look for newer generations, and tell of the checkpoint.
    Confirm,
    /// Write the newest manifest under a savepoint's name.
    Savepoint,
    /// Delete what nothing needs.
    Retire,
}

/// See [`Action`]. The order in which it asks is the protocol. What is begun is brought to its end before something newer is begun, so that boundaries that come
/// fast cannot keep each other from being published; only a candidate that failed gives way to a newer one.
pub(crate) fn decide(facts: &Facts) -> Action {
    if facts.fenced {
        return Action::Rest;
    }
    let stage = facts.candidate.map(|(_, stage)| stage);
    let go_on = match stage {
        Some(Stage::SetAside) => Some(Action::Store),
        Some(Stage::Stored) => Some(Action::Publish),
        Some(Stage::Exists) => Some(Action::Confirm),
        None => None,
    };
    if let Some(action) = go_on
        && facts.due
        && (!facts.failed || stage == Some(Stage::Exists))
    {
        return action;
    }
    if stage.is_none() && facts.savepoint && facts.due && facts.published.is_some() {
        return Action::Savepoint;
    }
    if stage.is_none() && facts.too_old > 0 && facts.retire_due {
        return Action::Retire;
    }
    if (facts.due || facts.must_write)
        && let Some(merged) = facts.merged
        && facts.set_aside.is_none_or(|s| s < merged)
    {
        return if facts.database_sound { Action::SetAside(merged) } else { Action::Rebuild };
    }
    match (facts.complete, go_on) {
        (Some(complete), _) if facts.merged.is_none_or(|m| m < complete) => Action::Merge(complete),
        (_, Some(action)) if facts.due => action,
        _ => Action::Rest,
    }
}

/// The right to write a manifest: all files that it names are durable in the snapshot store.
#[derive(Debug)]
pub(crate) struct PublishPermit {
    manifest: Manifest,
}

impl PublishPermit {
    /// `there` has the objects that are known to be durable. `Err` is a file that is not.
    pub(crate) fn of(manifest: Manifest, there: &BTreeSet<String>) -> Result<Self, FileEntry> {
        match manifest.files.iter().find(|f| !there.contains(&f.object)) {
            Some(missing) => Err(missing.clone()),
            None => Ok(PublishPermit { manifest }),
        }
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// The number after all that were ever used.
pub(crate) fn next_number(seen: impl IntoIterator<Item = CheckpointNumber>) -> CheckpointNumber {
    seen.into_iter().max().unwrap_or_default().next()
}

#[cfg(test)]
mod tests;
