//! Recovery: who has the scenario's folder, which generation begins, and from which checkpoint. Done before any part of the dataflow is built.

use crate::{
    FailPoint, From, Settings, StoreError,
    claim::{self, folder_name},
    database::{Database, clear, copy_of},
    fetch,
    manifest::{Manifest, ManifestId},
    merge::Merged,
    objects::{self, Folder, Objects},
    protocol::{
        next_number,
        recover::{Next, Verdict, next},
    },
    read::Checkpoint,
    view::Views,
};
use runink_checkpoint::{Boundary, CheckpointNumber, CommitPermit, Exists, Generation};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The folders of a scenario on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) root: PathBuf,
}

impl Places {
    pub(crate) fn of(settings: &Settings) -> Self {
        Places { root: settings.folder.join(folder_name(&settings.scenario)) }
    }

    /// Where snapshots lie unless they go elsewhere.
    pub(crate) fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// The database that is written to.
    pub(crate) fn database(&self) -> PathBuf {
        self.work().join("database")
    }

    /// What the dataflow is restored from, while the database goes on.
    pub(crate) fn restored(&self) -> PathBuf {
        self.work().join("restored")
    }

    /// The nth state that was set aside.
    pub(crate) fn set_aside(&self, n: u64) -> PathBuf {
        self.work().join(format!("set-aside-{n}"))
    }
}

/// The snapshot store of a scenario.
pub(crate) fn objects_of(settings: &Settings) -> Result<Arc<dyn Objects>, StoreError> {
    match &settings.snapshots {
        Some(url) => objects::open(url, &folder_name(&settings.scenario), &settings.probe),
        None => Ok(Arc::new(Folder::open(&Places::of(settings).snapshots(), &settings.probe)?)),
    }
}

/// All that is known when a scenario may start.
pub(crate) struct Opened {
    pub(crate) lock: File,
    pub(crate) places: Places,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) generation: Generation,
    pub(crate) restored: Option<Arc<Checkpoint>>,
    /// The right to commit the outboxes of what is restored.
    pub(crate) permit: Option<CommitPermit>,
    pub(crate) database: Database,
    pub(crate) merged: Merged,
    /// What is read while the scenario runs.
    pub(crate) views: Arc<Views>,
    /// All manifests that are there, with the objects that they name; `None` where they cannot be read.
    pub(crate) manifests: BTreeMap<ManifestId, Option<BTreeSet<String>>>,
    pub(crate) files: BTreeSet<String>,
    pub(crate) next_number: CheckpointNumber,
    /// Checkpoints that are damaged, newer than the one that is used.
    pub(crate) damaged: Vec<StoreError>,
}

/// The objects that a manifest names.
pub(crate) fn objects_named(manifest: &Manifest) -> BTreeSet<String> {
    manifest.files.iter().map(|f| f.object.clone()).collect()
}

/// Whether an error says that a checkpoint can never be used, so that the one before may be. All others may pass: then nothing older must be taken in its place.
fn lasting(error: &StoreError) -> bool {
    matches!(error, StoreError::Damaged { .. } | StoreError::NotThere(_))
}

pub(crate) fn open(settings: &Settings) -> Result<Opened, StoreError> {
    let places = Places::of(settings);
    let probe = &settings.probe;
    fs::create_dir_all(places.work()).map_err(StoreError::disk(places.work(), "made"))?;
    let at = |point| probe.at(point).map_err(StoreError::disk(&places.root, "written"));
    let lock = claim::lock(&places.root)?;
    at(FailPoint::Locked)?;
    let objects = objects_of(settings)?;
    if settings.snapshots.is_none() {
        Folder::remove_leftovers(&places.snapshots())?;
    }
    let generation = claim::claim(&*objects)?;
    at(FailPoint::GenerationClaimed)?;

    // Only now, so that whoever of an older generation publishes after this list sees that we are there.
    let listed = fetch::manifests(&*objects)?;
    let folder = places.set_aside(0);
    clear_work(&places)?;
    let (found, damaged) = choose(settings, &*objects, &listed, &folder)?;
    let mut manifests = BTreeMap::new();
    for id in &listed {
        let named = match fetch::manifest(&*objects, *id) {
            Ok(manifest) => Some(objects_named(&manifest)),
            Err(error) if lasting(&error) || matches!(error, StoreError::Format { .. }) => None,
            Err(error) => return Err(error),
        };
        manifests.insert(*id, named);
    }
    let files = objects.list("files")?.into_iter().collect();
    let mut merged = Merged::default();
    let mut restored = None;
    let mut from = None;
    if let Some(manifest) = &found {
        copy_of(&folder, &places.restored())?;
        let checkpoint = Checkpoint::open(&places.restored(), manifest.clone())?;
        merged = Merged::of(checkpoint.names().clone(), checkpoint.outbox_places().clone());
        // A run that had come to its end goes on with boundaries below the end.
        let boundary = if manifest.boundary == Boundary::END { Boundary(0) } else { manifest.boundary };
        from = Some((&*folder, checkpoint.names().clone(), boundary));
        restored = Some(Arc::new(checkpoint));
        copy_of(&folder, &places.database())?;
    } else {
        clear(&places.database())?;
    }
    at(FailPoint::DatabaseFetched)?;
    let views = Arc::new(Views::open(from)?);
    let database = Database::open(&places.database())?;
    at(FailPoint::DatabaseOpened)?;
    let permit = match &found {
        Some(manifest) => Some(CommitPermit::of(Exists::seen(manifest.number), generation, claim::newest_generation(&*objects)?)?),
        None => None,
    };
    // A savepoint's checkpoint may be the newest that ever was, its own manifest long retired.
    let next_number = next_number(listed.iter().map(|id| id.number).chain(found.map(|m| m.number)));
    Ok(Opened { lock, places, objects, generation, restored, permit, database, merged, views, manifests, files, next_number, damaged })
}

/// Whatever an earlier process has left in its working folders is of no worth.
fn clear_work(places: &Places) -> Result<(), StoreError> {
    clear(&places.work())
}

/// The manifest to start from, its files in `folder`; and what was found damaged on the way.
fn choose(
    settings: &Settings,
    objects: &dyn Objects,
    listed: &[ManifestId],
    folder: &Path,
) -> Result<(Option<Manifest>, Vec<StoreError>), StoreError> {
    let probe = &settings.probe;
    let chosen = |manifest: Manifest| {
        probe.at(FailPoint::CheckpointChosen).map_err(StoreError::disk(folder, "written"))?;
        let asked = settings.key_groups.count();
        if manifest.key_groups != asked {
            return Err(StoreError::KeyGroups { stored: manifest.key_groups, asked });
        }
        Ok(manifest)
    };
    let named = match &settings.from {
        From::Newest => None,
        From::Number(number) => Some(fetch::numbered(objects, *number)?),
        From::Savepoint(name) => Some(fetch::savepoint(objects, name)?),
    };
    if let Some(manifest) = named {
        // What is asked for by name is not replaced by another.
        sound(objects, &manifest, folder, settings)?;
        return Ok((Some(chosen(manifest)?), Vec::new()));
    }
    let mut seen: Vec<(ManifestId, Verdict)> = Vec::new();
    let mut sound_one = None;
    loop {
        match next(listed, &seen) {
            Next::Nothing => return Ok((None, Vec::new())),
            Next::Look(id) => {
                let looked = fetch::manifest(objects, id).and_then(|m| sound(objects, &m, folder, settings).map(|()| m));
                match looked {
                    Ok(manifest) => {
                        sound_one = Some(manifest);
                        seen.push((id, Verdict::Sound));
                    }
                    Err(error) if lasting(&error) => seen.push((id, Verdict::Unusable(error))),
                    Err(error) => return Err(error),
                }
            }
            Next::Use(_) => {
                let damaged = seen.into_iter().filter_map(|(_, v)| if let Verdict::Unusable(e) = v { Some(e) } else { None }).collect();
                return Ok((sound_one.map(chosen).transpose()?, damaged));
            }
            Next::Refuse => {
                let said = seen.iter().filter_map(|(_, v)| if let Verdict::Unusable(e) = v { Some(e.to_string()) } else { None });
                return Err(StoreError::NoneSound { place: objects.url(), damages: said.collect::<Vec<_>>().join("; ") });
            }
        }
    }
}

/// Fetches a checkpoint and looks whether it can be opened.
fn sound(objects: &dyn Objects, manifest: &Manifest, folder: &Path, settings: &Settings) -> Result<(), StoreError> {
    fetch::fetch(objects, manifest, folder, &settings.probe)?;
    Checkpoint::open(folder, manifest.clone()).map(|_| ())
}
