//! What may go. A file may go only where no manifest that stays and no savepoint names it, and only if it is of our generation or an older one.
//!
//! A newer generation may have begun without our having seen it yet. It never puts a file of an older generation's name, and the checkpoint that it started from is
//! among those that stay for us: it took the newest one that was there, and ours are no older than that. So what we delete is nothing that it needs. The one
//! manifest that an older generation may have had on its way when a newer one began may lose files: it does not count once the newer one has published.

use crate::manifest::ManifestId;
use runink_checkpoint::Generation;
use std::collections::BTreeSet;

/// The name of a file with these contents, put by that generation.
pub(crate) fn object_name(generation: Generation, sha256: &str) -> String {
    format!("{}-{sha256}", generation.0)
}

/// Who put a file.
pub(crate) fn generation_of(object: &str) -> Option<Generation> {
    object.split_once('-').and_then(|(generation, _)| generation.parse().ok()).map(Generation)
}

/// The manifests to delete: all but the newest few, oldest first. None before we have published one ourselves: until then a newer generation might start from a
/// manifest of an older one that came late, of which we know nothing.
pub(crate) fn too_old(manifests: &BTreeSet<ManifestId>, own: Generation, keep: usize) -> Vec<ManifestId> {
    if manifests.iter().all(|id| id.generation != own) {
        return Vec::new();
    }
    manifests.iter().take(manifests.len().saturating_sub(keep.max(1))).copied().collect()
}

/// What is known when files are looked through.
pub(crate) struct Known<'a> {
    /// Who asks.
    pub(crate) own: Generation,
    /// The files that are there.
    pub(crate) there: &'a BTreeSet<String>,
    /// Those that something names: manifests that stay, savepoints, the candidate, what was set aside last.
    pub(crate) needed: &'a BTreeSet<String>,
    /// A manifest or savepoint that stays could not be read: what it names is not known, so nothing goes.
    pub(crate) unread: bool,
}

/// The files to delete.
pub(crate) fn garbage(known: &Known<'_>) -> Vec<String> {
    if known.unread {
        return Vec::new();
    }
    let ours = |name: &str| generation_of(name).is_some_and(|g| g <= known.own);
    known.there.iter().filter(|name| !known.needed.contains(*name) && ours(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use runink_checkpoint::CheckpointNumber;
    use std::collections::BTreeMap;

    /// A store's life: generations begin (also while an older one still runs and collects), publish, retire, collect and crash, in any order.
    #[derive(Debug, Clone)]
    enum Step {
        Begin,
        /// A process (0 is the youngest) publishes a checkpoint with some files kept from before and some new ones.
        Publish {
            process: usize,
            keep_files: u8,
            new_files: u8,
        },
        /// Anyone keeps the newest checkpoint.
        Savepoint,
        Retire {
            process: usize,
        },
        /// What was decided earlier is deleted now: it may be late.
        Collect {
            process: usize,
        },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let process = || 0usize..3;
        let step = prop_oneof![
            1 => Just(Step::Begin),
            4 => (process(), any::<u8>(), 0u8..4).prop_map(|(process, keep_files, new_files)| Step::Publish { process, keep_files, new_files }),
            1 => Just(Step::Savepoint),
            3 => process().prop_map(|process| Step::Retire { process }),
            3 => process().prop_map(|process| Step::Collect { process }),
        ];
        proptest::collection::vec(step, 1..80)
    }

    struct Process {
        own: Generation,
        /// The files of its database.
        live: BTreeSet<String>,
        manifests: BTreeSet<ManifestId>,
        there: BTreeSet<String>,
        decided: Vec<String>,
        /// It has seen that a newer generation is there.
        fenced: bool,
        number: CheckpointNumber,
    }

    #[derive(Default)]
    struct World {
        files: BTreeSet<String>,
        manifests: BTreeMap<ManifestId, BTreeSet<String>>,
        savepoints: Vec<BTreeSet<String>>,
        processes: Vec<Process>,
        contents: u64,
    }

    impl World {
        fn begin(&mut self) {
            let own = self.processes.last().map_or(Generation(1), |p| p.own.next());
            self.processes.push(Process {
                own,
                live: self.manifests.values().next_back().cloned().unwrap_or_default(),
                manifests: self.manifests.keys().copied().collect(),
                there: self.files.clone(),
                decided: Vec::new(),
                fenced: false,
                number: super::super::next_number(self.manifests.keys().map(|id| id.number)),
            });
        }

        fn collect(&mut self, at: usize) {
            for file in std::mem::take(&mut self.processes[at].decided) {
                self.files.remove(&file);
            }
        }

        fn publish(&mut self, at: usize, keep_files: u8, new_files: u8) {
            // One thread does both: only what other processes do can come between its decision and its deleting.
            self.collect(at);
            let newest = at + 1 == self.processes.len();
            let process = &mut self.processes[at];
            if process.fenced {
                return;
            }
            // One that is not the newest has one manifest on its way; after it, it looks.
            process.fenced = !newest;
            let kept = process.live.iter().enumerate().filter(|(i, _)| keep_files >> (i % 8) & 1 == 1);
            let mut named: BTreeSet<String> = kept.map(|(_, f)| f.clone()).collect();
            for _ in 0..new_files {
                // Contents come again: the name says so, the generation tells them apart.
                self.contents += 1;
                let name = object_name(process.own, &format!("{:04}", self.contents % 7));
                self.files.insert(name.clone());
                process.there.insert(name.clone());
                named.insert(name);
            }
            let id = ManifestId { generation: process.own, number: process.number };
            process.number = process.number.next();
            process.live = named.clone();
            process.manifests.insert(id);
            self.manifests.insert(id, named);
        }

        fn retire(&mut self, at: usize, keep: usize) {
            let newest = at + 1 == self.processes.len();
            let process = &mut self.processes[at];
            process.fenced |= !newest;
            let old = too_old(&process.manifests, process.own, keep);
            // As the protocol does: files are looked through only where a manifest goes.
            if process.fenced || old.is_empty() {
                return;
            }
            for id in old {
                process.manifests.remove(&id);
                self.manifests.remove(&id);
            }
            let mut needed = process.live.clone();
            needed.extend(process.manifests.iter().filter_map(|id| self.manifests.get(id)).flatten().cloned());
            needed.extend(self.savepoints.iter().flatten().cloned());
            process.decided = garbage(&Known { own: process.own, there: &process.there, needed: &needed, unread: false });
            process.there.retain(|f| !process.decided.contains(f));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Whatever happens: all files of every savepoint are there, and of every manifest that may ever be chosen.
        #[test]
        fn nothing_that_a_manifest_needs_is_deleted(steps in steps(), keep in 1usize..4) {
            let mut world = World::default();
            for step in steps {
                let aged = |process: usize, world: &World| world.processes.len().checked_sub(1).map(|n| n.saturating_sub(process));
                match step {
                    Step::Begin => world.begin(),
                    Step::Publish { process, keep_files, new_files } => {
                        if let Some(at) = aged(process, &world) { world.publish(at, keep_files, new_files) }
                    }
                    Step::Savepoint => world.savepoints.extend(world.manifests.values().next_back().cloned()),
                    Step::Retire { process } => if let Some(at) = aged(process, &world) { world.retire(at, keep) },
                    Step::Collect { process } => if let Some(at) = aged(process, &world) { world.collect(at) },
                }
                for named in &world.savepoints {
                    prop_assert!(named.is_subset(&world.files), "a savepoint has lost a file");
                }
                // Those of a generation that is over count up to where a newer one began; what came late does not.
                for (id, named) in &world.manifests {
                    let late = world.processes.iter().any(|p| p.own > id.generation && !p.manifests.contains(id));
                    prop_assert!(late || named.is_subset(&world.files), "{id:?} has lost a file");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_read_keeps_everything() {
        let there: BTreeSet<String> = [object_name(Generation(1), "aa")].into();
        let known = |unread| garbage(&Known { own: Generation(2), there: &there, needed: &BTreeSet::new(), unread }).len();
        assert_eq!((known(true), known(false)), (0, 1));
    }

    #[test]
    fn at_least_one_checkpoint_stays() {
        let id = |generation, number| ManifestId { generation: Generation(generation), number: CheckpointNumber(number) };
        let manifests: BTreeSet<ManifestId> = [id(2, 2), id(1, 1), id(1, 3)].into();
        assert_eq!(too_old(&manifests, Generation(2), 0), vec![id(1, 1), id(1, 3)]);
        assert_eq!(too_old(&manifests, Generation(2), 5), vec![]);
        assert_eq!(too_old(&manifests, Generation(3), 1), vec![], "generation 3 has published nothing");
    }

    #[test]
    fn files_of_newer_generations_are_not_ours() {
        let there: BTreeSet<String> = [object_name(Generation(1), "aa"), object_name(Generation(3), "aa"), "odd".to_owned()].into();
        let known = Known { own: Generation(2), there: &there, needed: &BTreeSet::new(), unread: false };
        assert_eq!(garbage(&known), vec!["1-aa".to_owned()]);
    }
}
