//! The steps of a checkpoint, done. Each leaves the writer's facts as they were where it fails, or says that the database is lost.

use super::{Candidate, Writer};
use crate::{
    FailPoint, StoreError,
    claim::newest_generation,
    database::{Database, clear, copy_of, files_of, remove, stays},
    fetch::{self, file_object, manifest_object, measure, savepoint_object},
    manifest::{FileEntry, Manifest, ManifestId},
    objects::Put,
    open::objects_named,
    protocol::{
        PublishPermit, Stage,
        retire::{Known, garbage, object_name, too_old},
    },
    read::{facts, outboxes},
    unsaved::Unsaved,
};
use runink_checkpoint::{Boundary, CheckpointNumber, CommitPermit, Exists, Fenced, NodeFacts, Published, SinkOutboxes};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// How many names in a row may be taken: each is of our own generation, so none should be.
const MAX_TAKEN: usize = 8;

impl Writer {
    pub(super) fn merge(&mut self, upto: Boundary) -> Result<(), StoreError> {
        let (nodes, shapes, taken) = {
            let mut handed = self.intake.lock();
            (handed.nodes(), handed.shapes().clone(), handed.take(upto))
        };
        self.merged.settle(&nodes, &shapes)?;
        self.merged.committed(&taken.committed);
        for (boundary, pieces) in taken.pieces {
            self.merged.boundary(boundary, pieces, self.next_number)?;
        }
        (self.merged_to, self.merged_at) = (Some(upto), Instant::now());
        // Memory does not fail: a kill is all that can happen here.
        let _never = self.at(FailPoint::Merged);
        Ok(())
    }

    pub(super) fn rebuild(&mut self) -> Result<(), StoreError> {
        self.database = None;
        let path = self.places.database();
        match self.aside {
            Some((n, _)) => copy_of(&self.places.set_aside(n), &path)?,
            None => clear(&path)?,
        }
        // Names of files are given again: what was known of files that came after is not.
        let kept: BTreeSet<String> = files_of(&path)?.into_iter().collect();
        self.known.retain(|name, _| kept.contains(name));
        self.database = Some(Database::open(&path)?);
        Ok(())
    }

    pub(super) fn set_aside(&mut self, boundary: Boundary) -> Result<(), StoreError> {
        let n = self.asides + 1;
        let folder = self.places.set_aside(n);
        remove(&folder)?;
        // Only what has come through whole is put back.
        let Some(database) = self.database.take() else {
            return Err(StoreError::Database { what: "writing", message: "it is not open".to_owned() });
        };
        database.set_aside(&self.merged.unsaved, &folder, &self.settings.probe)?;
        self.database = Some(database);
        let before = self.aside.replace((n, boundary));
        self.asides = n;
        self.merged.unsaved = Unsaved::default();
        self.candidate = Some(Candidate {
            number: self.next_number,
            boundary,
            stage: Stage::SetAside,
            files: Vec::new(),
            begun: self.merged_at,
            stored_bytes: 0,
            made_at_ms: None,
        });
        self.failed = false;
        self.next_number = self.next_number.next();
        let before = before.map(|(old, _)| self.places.set_aside(old));
        self.showing.show(&folder, &self.merged.names, boundary, before);
        Ok(())
    }

    pub(super) fn store(&mut self) -> Result<(), StoreError> {
        let Some((n, _)) = self.aside else { return Ok(()) };
        let folder = self.places.set_aside(n);
        let mut files = Vec::new();
        let mut stored_bytes = 0;
        for name in files_of(&folder)? {
            let path = folder.join(&name);
            let entry = match self.known.get(&name) {
                Some(entry) => entry.clone(),
                None => {
                    let (bytes, sha256) = measure(&path)?;
                    FileEntry { object: object_name(self.generation, &sha256), name: name.clone(), bytes, sha256 }
                }
            };
            if !self.there.contains(&entry.object) {
                self.at(FailPoint::BeforeFileStored)?;
                self.objects.put_file(&file_object(&entry.object), &path)?;
                self.there.insert(entry.object.clone());
                stored_bytes += entry.bytes;
                self.at(FailPoint::FileStored)?;
            }
            if stays(&name) {
                self.known.insert(name, entry.clone());
            }
            files.push(entry);
        }
        self.objects.sync()?;
        self.known.retain(|name, _| files.iter().any(|f| f.name == *name));
        if let Some(candidate) = &mut self.candidate {
            (candidate.files, candidate.stage) = (files, Stage::Stored);
            candidate.stored_bytes += stored_bytes;
        }
        self.failed = false;
        self.at(FailPoint::AllFilesStored)
    }

    pub(super) fn publish(&mut self) -> Result<(), StoreError> {
        let Some(candidate) = &mut self.candidate else { return Ok(()) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
        for _ in 0..MAX_TAKEN {
            let manifest = Manifest {
                scenario: self.settings.scenario.clone(),
                number: candidate.number,
                generation: self.generation,
                boundary: candidate.boundary,
                key_groups: self.settings.key_groups.count(),
                made_at_ms: *candidate.made_at_ms.get_or_insert(now),
                files: candidate.files.clone(),
            };
            let permit = match PublishPermit::of(manifest, &self.there) {
                Ok(permit) => permit,
                Err(missing) => {
                    candidate.stage = Stage::SetAside;
                    return Err(StoreError::damaged(format!("file `{}`", missing.object), "it is not stored"));
                }
            };
            let manifest = permit.manifest();
            let ours = match self.objects.put_new(&manifest_object(manifest.id()), &manifest.encode()?)? {
                Put::Done => true,
                // An earlier try had arrived; or the name has been used by who knows whom.
                Put::Taken => fetch::manifest(&*self.objects, manifest.id()).is_ok_and(|there| there == *manifest),
            };
            if ours {
                self.manifests.insert(manifest.id(), Some(objects_named(manifest)));
                candidate.stage = Stage::Exists;
                self.failed = false;
                return self.at(FailPoint::ManifestStored);
            }
            self.manifests.insert(manifest.id(), None);
            candidate.number = self.next_number;
            self.next_number = self.next_number.next();
        }
        Err(StoreError::Remote {
            url: self.objects.url(),
            what: "writing a manifest".to_owned(),
            message: format!("{MAX_TAKEN} names in a row were taken"),
        })
    }

    pub(super) fn confirm(&mut self) -> Result<(), StoreError> {
        let Some(candidate) = &self.candidate else { return Ok(()) };
        let (number, boundary) = (candidate.number, candidate.boundary);
        let newest = newest_generation(&*self.objects)?;
        let permit = CommitPermit::of(Exists::seen(number), self.generation, newest)?;
        self.at(FailPoint::Confirmed)?;
        let outboxes = self.untold(number)?;
        let facts = self.facts_of(&self.settings.publications.wants_facts_of())?;
        self.settings.publications.published(Published { number, boundary, outboxes, permit, facts });
        self.told = number;
        self.published = Some(boundary);
        let (begun, stored_bytes) = (candidate.begun, candidate.stored_bytes);
        self.candidate = None;
        if let Some(restored) = self.restored.take() {
            // Every part has passed a boundary, so every part has taken what it needs.
            restored.close();
            if let Err(error) = remove(&self.places.restored()) {
                tracing::warn!("{error}");
            }
        }
        self.failures = 0;
        // Begun that often; but a slow disk rests for half as long as it worked.
        let took = begun.elapsed();
        self.next_at = Instant::now() + self.settings.every.saturating_sub(took).max(took / 2);
        let waiting = self.intake.lock().merged_bytes;
        self.board.write(|s| {
            (s.published, s.boundary, s.since) = (Some(number), Some(boundary), Instant::now());
            (s.took, s.stored_bytes, s.bytes_waiting) = (Some(begun.elapsed()), stored_bytes, waiting);
            (s.failures, s.failure) = (0, None);
            s.reached = Some(boundary);
            s.count += 1;
        });
        self.at(FailPoint::Told)
    }

    /// The outboxes that have become durable with a checkpoint and were not told of.
    fn untold(&self, number: CheckpointNumber) -> Result<Vec<SinkOutboxes>, StoreError> {
        if !self.merged.outboxes.iter().any(|o| self.told < o.number && o.number <= number) {
            return Ok(Vec::new());
        }
        let mut found = match (&self.database, self.aside) {
            (Some(database), _) => outboxes(database, &self.merged.names, self.told)?,
            (None, Some((n, _))) => outboxes(&Database::open_read_only(&self.places.set_aside(n))?, &self.merged.names, self.told)?,
            (None, None) => Vec::new(),
        };
        found.retain(|o| o.number <= number);
        Ok(found)
    }

    /// What the checkpoint that is set aside has of nodes' facts.
    fn facts_of(&self, nodes: &[Arc<str>]) -> Result<NodeFacts, StoreError> {
        if nodes.is_empty() {
            return Ok(NodeFacts::new());
        }
        let of = |database: &Database| {
            let known = nodes.iter().filter_map(|node| Some((node, self.merged.names.node(node)?)));
            known.map(|(node, number)| Ok((node.clone(), facts(database, number)?))).collect()
        };
        match (&self.database, self.aside) {
            (Some(database), _) => of(database),
            (None, Some((n, _))) => of(&Database::open_read_only(&self.places.set_aside(n))?),
            (None, None) => Ok(NodeFacts::new()),
        }
    }

    pub(super) fn savepoints(&mut self) -> Result<(), StoreError> {
        let asked: Vec<String> = self.intake.lock().savepoints.iter().map(|(name, _)| name.clone()).collect();
        let Some(id) = self.manifests.keys().next_back().copied() else { return Ok(()) };
        for name in asked {
            let done = self.savepoint(&name, id);
            // What may pass is tried again; what its name is to blame for is not.
            let reply = match done {
                Ok(()) => Ok(id.number),
                Err(error @ (StoreError::Name(_) | StoreError::Taken(_))) => Err(error),
                Err(error) => return Err(error),
            };
            let mut handed = self.intake.lock();
            if let Some(at) = handed.savepoints.iter().position(|(n, _)| *n == name) {
                let (_, waiting) = handed.savepoints.remove(at);
                // Whoever asked may have gone.
                let _gone = waiting.send(reply);
            }
        }
        Ok(())
    }

    fn savepoint(&self, name: &str, id: ManifestId) -> Result<(), StoreError> {
        let manifest = fetch::manifest(&*self.objects, id)?;
        if self.objects.put_new(&savepoint_object(name)?, &manifest.encode()?)? == Put::Taken
            && fetch::savepoint(&*self.objects, name).ok().as_ref() != Some(&manifest)
        {
            return Err(StoreError::Taken(name.to_owned()));
        }
        self.at(FailPoint::SavepointStored)
    }

    pub(super) fn retire(&mut self) -> Result<(), StoreError> {
        let newest = newest_generation(&*self.objects)?;
        if newest != self.generation {
            return Err(Fenced { own: self.generation, newest }.into());
        }
        for id in too_old(&self.manifests.keys().copied().collect(), self.generation, self.settings.keep) {
            self.objects.delete(&manifest_object(id))?;
            self.manifests.remove(&id);
            self.at(FailPoint::ManifestDeleted)?;
        }
        // Savepoints are looked for after manifests went: whoever makes one looks, after it, whether its manifest is still there.
        let mut needed: BTreeSet<String> = self.manifests.values().flatten().flatten().cloned().collect();
        let mut unread = self.manifests.values().any(Option::is_none);
        for name in self.objects.list("savepoints")? {
            match fetch::savepoint(&*self.objects, &name) {
                Ok(manifest) => needed.extend(objects_named(&manifest)),
                Err(StoreError::NotThere(_)) => {}
                Err(StoreError::Damaged { .. } | StoreError::Format { .. } | StoreError::Name(_)) => unread = true,
                Err(error) => return Err(error),
            }
        }
        needed.extend(self.candidate.iter().flat_map(|c| &c.files).map(|f| f.object.clone()));
        needed.extend(self.known.values().map(|f| f.object.clone()));
        for object in garbage(&Known { own: self.generation, there: &self.there, needed: &needed, unread }) {
            // First it counts as gone: were it deleted and the answer lost, nothing may rely on it.
            self.there.remove(&object);
            self.objects.delete(&file_object(&object))?;
            self.at(FailPoint::FileDeleted)?;
        }
        Ok(())
    }
}
