//! Checkpoints as someone looks at them who does not run the scenario: listed, shown, verified, compared, read. It changes nothing, and may be done while the
//! scenario runs: what it reads it has brought to a folder of its own, and a checkpoint that is retired meanwhile is an error that says so.

use crate::{
    From, Probe, StoreError,
    database::{self, Entries, clear, remove},
    fetch,
    layout::{read_row_key, read_row_value},
    manifest::Manifest,
    objects::{self, Objects, Put},
    read::Checkpoint,
};
use runink_checkpoint::{CheckpointNumber, Restored, TableShape};
use std::{
    cmp::Ordering,
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering as Memory},
    },
};

/// How often a savepoint is tried anew where its checkpoint was retired meanwhile.
const MAX_SAVES: usize = 8;

/// What an entry of a list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A checkpoint, which is retired when enough newer ones are there.
    Checkpoint(CheckpointNumber),
    /// A savepoint, which stays.
    Savepoint(String),
}

/// A checkpoint or savepoint that is there, and its manifest or what is wrong with it.
#[derive(Debug)]
pub struct Entry {
    /// Which it is.
    pub kind: Kind,
    /// Its manifest.
    pub manifest: Result<Manifest, StoreError>,
}

/// What a node has in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeContents {
    /// Its name.
    pub node: Arc<str>,
    /// Its table's shape, where it has one.
    pub shape: Option<TableShape>,
    /// How many rows the table has.
    pub rows: u64,
    /// Its facts.
    pub facts: Vec<(String, Vec<u8>)>,
    /// How many rows of output it holds back.
    pub held_rows: u64,
}

/// How a node differs between two checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub node: Arc<str>,
    /// Rows that only the second has.
    pub added: u64,
    /// Rows that only the first has.
    pub removed: u64,
    /// Rows whose values differ.
    pub changed: u64,
    /// Facts that differ, by name.
    pub facts: Vec<String>,
    /// The table has another shape, so that rows were not compared.
    pub reshaped: bool,
}

impl Change {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.added == 0 && self.removed == 0 && self.changed == 0 && self.facts.is_empty() && !self.reshaped
    }
}

/// The snapshots of one scenario.
pub struct Snapshots {
    objects: Arc<dyn Objects>,
    /// Where what is read is put meanwhile.
    scratch: PathBuf,
}

static LOOKS: AtomicU64 = AtomicU64::new(0);

/// A checkpoint that is open to be looked at. Its files go when it is dropped.
pub struct Looked {
    checkpoint: Option<Checkpoint>,
    folder: PathBuf,
}

impl Drop for Looked {
    fn drop(&mut self) {
        self.checkpoint = None;
        if let Err(error) = remove(&self.folder) {
            tracing::warn!("{error}");
        }
    }
}

impl Looked {
    /// The checkpoint.
    ///
    /// # Errors
    /// None but of a look that has ended.
    pub fn checkpoint(&self) -> Result<&Checkpoint, StoreError> {
        self.checkpoint.as_ref().ok_or_else(|| StoreError::NotThere("open checkpoint".to_owned()))
    }
}

impl Snapshots {
    /// Those of a scenario: below the state folder, or at another place where `snapshots` says so.
    ///
    /// # Errors
    /// Where they are not there, or the place cannot be opened.
    pub fn open(state: &Path, scenario: &str, snapshots: Option<&str>) -> Result<Self, StoreError> {
        let name = crate::folder_name(scenario);
        let probe = Probe::default();
        let objects = match snapshots {
            Some(url) => objects::open(url, &name, &probe)?,
            None => {
                let folder = state.join(&name).join("snapshots");
                if !folder.is_dir() {
                    return Err(StoreError::NotThere(format!("state of a scenario `{scenario}` in `{}`", state.display())));
                }
                Arc::new(objects::Folder::open(&folder, &probe)?)
            }
        };
        // Beside the snapshots, so that files can be shared with them; elsewhere where there is no such folder.
        let root = state.join(&name);
        let scratch = if root.is_dir() { root } else { std::env::temp_dir() };
        Ok(Snapshots { objects, scratch })
    }

    /// The scenarios that have state in a folder.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn scenarios(state: &Path) -> Result<Vec<String>, StoreError> {
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(state).map_err(StoreError::disk(state, "read"))? {
            let folder = entry.map_err(StoreError::disk(state, "read"))?.path();
            if !folder.join("snapshots").is_dir() {
                continue;
            }
            // A folder's name may be shortened; the manifests have the whole of it.
            let objects = objects::Folder::open(&folder.join("snapshots"), &Probe::default())?;
            for id in fetch::manifests(&objects)?.into_iter().rev() {
                if let Ok(manifest) = fetch::manifest(&objects, id) {
                    names.insert(manifest.scenario);
                    break;
                }
            }
        }
        Ok(names.into_iter().collect())
    }

    /// All checkpoints, oldest first, then all savepoints.
    ///
    /// # Errors
    /// Where they cannot be listed.
    pub fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for id in fetch::manifests(&*self.objects)? {
            let manifest = fetch::manifest(&*self.objects, id);
            // It was retired between the list and the look: then it is not there, which is no error.
            if !matches!(manifest, Err(StoreError::NotThere(_))) {
                entries.push(Entry { kind: Kind::Checkpoint(id.number), manifest });
            }
        }
        for name in self.objects.list("savepoints")? {
            entries.push(Entry { manifest: fetch::savepoint(&*self.objects, &name), kind: Kind::Savepoint(name) });
        }
        Ok(entries)
    }

    /// The manifest of one.
    ///
    /// # Errors
    /// Where it is not there or damaged.
    pub fn manifest(&self, which: &From) -> Result<Manifest, StoreError> {
        match which {
            From::Number(number) => fetch::numbered(&*self.objects, *number),
            From::Savepoint(name) => fetch::savepoint(&*self.objects, name),
            From::Newest => {
                let newest = fetch::manifests(&*self.objects)?.into_iter().next_back();
                fetch::manifest(&*self.objects, newest.ok_or_else(|| StoreError::NotThere("checkpoint".to_owned()))?)
            }
        }
    }

    /// Opens one to be read; all its files are checked.
    ///
    /// # Errors
    /// Where it is not there or damaged.
    pub fn look(&self, which: &From) -> Result<Looked, StoreError> {
        let manifest = self.manifest(which)?;
        let folder = self.scratch.join(format!("look-{}-{}", std::process::id(), LOOKS.fetch_add(1, Memory::Relaxed)));
        clear(&folder)?;
        let mut looked = Looked { checkpoint: None, folder: folder.clone() };
        fetch::fetch(&*self.objects, &manifest, &folder, &Probe::default())?;
        looked.checkpoint = Some(Checkpoint::open(&folder, manifest)?);
        Ok(looked)
    }

    /// Checks all of one: the manifest, each file against it, and that each entry and row can be read. How many rows there are.
    ///
    /// # Errors
    /// What is wrong.
    pub fn verify(&self, which: &From) -> Result<u64, StoreError> {
        self.look(which)?.checkpoint()?.check()
    }

    /// What each node has in one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn contents(&self, which: &From) -> Result<Vec<NodeContents>, StoreError> {
        let looked = self.look(which)?;
        let checkpoint = looked.checkpoint()?;
        let state = |node: &str| {
            let node = node.to_owned();
            move |source| StoreError::State { node, source }
        };
        let outboxes = checkpoint.outboxes().map_err(state(""))?;
        let mut contents = Vec::new();
        for node in checkpoint.nodes() {
            let held = outboxes.iter().filter(|o| o.node == node).flat_map(|o| &o.held);
            contents.push(NodeContents {
                shape: checkpoint.shape(&node),
                rows: checkpoint.count_rows(&node)?,
                facts: checkpoint.facts(&node).map_err(state(&node))?,
                held_rows: held.map(|h| h.rows).sum(),
                node,
            });
        }
        contents.sort_by(|a, b| a.node.cmp(&b.node));
        Ok(contents)
    }

    /// Keeps one under a name, for ever; which number it has. The scenario may run meanwhile: whoever deletes files deletes manifests first and looks for savepoints after
    /// that, and here the manifest is looked for after the savepoint is there. So one of the two sees the other.
    ///
    /// # Errors
    /// Where the name is taken or none, or there is no such checkpoint.
    pub fn save(&self, name: &str, which: &From) -> Result<CheckpointNumber, StoreError> {
        let object = fetch::savepoint_object(name)?;
        let mut missing = None;
        for _ in 0..MAX_SAVES {
            let manifest = self.manifest(which)?;
            if self.objects.put_new(&object, &manifest.encode()?)? == Put::Taken {
                return Err(StoreError::Taken(name.to_owned()));
            }
            match fetch::manifest(&*self.objects, manifest.id()) {
                Ok(_) => return Ok(manifest.number),
                // A savepoint is made of another whose checkpoint is long retired: then that one holds the files.
                Err(_) if matches!(which, From::Savepoint(_)) && self.manifest(which).is_ok() => return Ok(manifest.number),
                Err(error) => {
                    self.objects.delete(&object)?;
                    missing = Some(error);
                }
            }
        }
        Err(missing.unwrap_or_else(|| StoreError::NotThere("checkpoint".to_owned())))
    }

    /// Forgets a savepoint. Its files go when the scenario next retires a checkpoint.
    ///
    /// # Errors
    /// Where there is none of that name.
    pub fn forget(&self, name: &str) -> Result<(), StoreError> {
        let object = fetch::savepoint_object(name)?;
        if self.objects.get(&object)?.is_none() {
            return Err(StoreError::NotThere(format!("savepoint `{name}`")));
        }
        self.objects.delete(&object)
    }

    /// How the nodes of two differ, by name; nodes that do not differ are left out.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn diff(&self, first: &From, second: &From) -> Result<Vec<Change>, StoreError> {
        let (first, second) = (self.look(first)?, self.look(second)?);
        let (first, second) = (first.checkpoint()?, second.checkpoint()?);
        let nodes: BTreeSet<Arc<str>> = first.nodes().into_iter().chain(second.nodes()).collect();
        let mut changes = Vec::new();
        for node in nodes {
            let change = compare(&node, first, second)?;
            if !change.is_none() {
                changes.push(change);
            }
        }
        Ok(changes)
    }
}

fn compare(node: &Arc<str>, first: &Checkpoint, second: &Checkpoint) -> Result<Change, StoreError> {
    let facts = |c: &Checkpoint| c.facts(node).map_err(|source| StoreError::State { node: node.to_string(), source });
    let (before, after) = (facts(first)?, facts(second)?);
    let differ = before.iter().filter(|f| !after.contains(f)).chain(after.iter().filter(|f| !before.contains(f)));
    let facts: BTreeSet<String> = differ.map(|(name, _)| name.clone()).collect();
    let mut change = Change { node: node.clone(), added: 0, removed: 0, changed: 0, facts: facts.into_iter().collect(), reshaped: false };
    let (was, is) = (first.shape(node), second.shape(node));
    if was.is_some() && is.is_some() && was != is {
        change.reshaped = true;
        return Ok(change);
    }
    let (one, other) = (first.database()?, second.database()?);
    let mut left = first.keys_of_rows(node).map(|keys| one.entries(keys));
    let mut right = second.keys_of_rows(node).map(|keys| other.entries(keys));
    loop {
        let order = match (at(left.as_ref())?, at(right.as_ref())?) {
            (None, None) => return Ok(change),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, old)), Some((b, new))) => {
                let (a, b) = (read_row_key(a)?, read_row_key(b)?);
                let ((old_group, _, old), (new_group, _, new)) = (read_row_value(old)?, read_row_value(new)?);
                if a == b && (old_group, old) != (new_group, new) {
                    change.changed += 1;
                }
                a.cmp(&b)
            }
        };
        match order {
            Ordering::Less => change.removed += 1,
            Ordering::Greater => change.added += 1,
            Ordering::Equal => {}
        }
        for side in [(&mut left, order.is_le()), (&mut right, order.is_ge())] {
            if let (Some(entries), true) = side {
                entries.go_on();
            }
        }
    }
}

fn at<'a>(entries: Option<&'a Entries<'_>>) -> Result<Option<database::Entry<'a>>, StoreError> {
    entries.map_or(Ok(None), |e| e.here())
}
