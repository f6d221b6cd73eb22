//! What may go. A file may go only where no manifest that stays and no savepoint names it, and only if it is of our generation or an older one.
//!
//! A newer generation may have begun without our having seen it yet. It never puts a file of an older generation's name, and the checkpoint that it started from is
//! among those that stay for us: it took the newest one that was there, and ours are no older than that. So what we delete is nothing that it needs.

use runink_checkpoint::{CheckpointNumber, Generation};
use std::collections::BTreeSet;

/// The name of a file with these contents, put by that generation.
pub(crate) fn object_name(generation: Generation, sha256: &str) -> String {
    format!("{}-{sha256}", generation.0)
}

/// Who put a file.
pub(crate) fn generation_of(object: &str) -> Option<Generation> {
    object.split_once('-').and_then(|(generation, _)| generation.parse().ok()).map(Generation)
}

/// The manifests to delete: all but the newest few, oldest first.
pub(crate) fn too_old(numbers: &BTreeSet<CheckpointNumber>, keep: usize) -> Vec<CheckpointNumber> {
    numbers.iter().take(numbers.len().saturating_sub(keep.max(1))).copied().collect()
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

    /// A store's life: generations begin (also while an older one still runs and collects), publish, retire, collect and crash, in any order.
    #[derive(Debug, Clone)]
    enum Step {
        Begin,
        /// Process p (by age) publishes a checkpoint with some files kept from before and some new ones.
        Publish {
            process: usize,
            keep_files: u8,
            new_files: u8,
        },
        Savepoint,
        Retire {
            process: usize,
        },
        /// The collecting part that was decided earlier is carried out now: it may be late.
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
        live: BTreeSet<String>,
        manifests: BTreeSet<CheckpointNumber>,
        there: BTreeSet<String>,
        decided: Vec<String>,
        published: bool,
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Whatever happens, all files of every manifest and savepoint that is there are there.
        #[test]
        fn nothing_that_a_manifest_needs_is_deleted(steps in steps(), keep in 1usize..4) {
            let mut files: BTreeSet<String> = BTreeSet::new();
            let mut manifests: std::collections::BTreeMap<CheckpointNumber, BTreeSet<String>> = Default::default();
            let mut savepoints: Vec<BTreeSet<String>> = Vec::new();
            let mut processes: Vec<Process> = Vec::new();
            let mut contents = 0u64;
            for step in steps {
                match step {
                    Step::Begin => {
                        let own = processes.last().map_or(Generation(1), |p| p.own.next());
                        let live = manifests.values().next_back().cloned().unwrap_or_default();
                        processes.push(Process {
                            own, live, manifests: manifests.keys().copied().collect(), there: files.clone(), decided: Vec::new(), published: false,
                        });
                    }
                    Step::Publish { process, keep_files, new_files } => {
                        let newest = processes.len().checked_sub(1);
                        let Some(at) = newest.map(|n| n.saturating_sub(process)) else { continue };
                        // One that is not the newest has at most one manifest on its way; then it sees the newer generation.
                        let late = newest != Some(at);
                        let process = &mut processes[at];
                        if late && process.published { continue }
                        process.published = late;
                        let mut named: BTreeSet<String> = process.live.iter().enumerate()
                            .filter(|(i, _)| keep_files >> (i % 8) & 1 == 1).map(|(_, f)| f.clone()).collect();
                        for _ in 0..new_files {
                            contents += 1;
                            // Contents come again: the name says so, the generation tells them apart.
                            let name = object_name(process.own, &format!("{:04}", contents % 7));
                            files.insert(name.clone());
                            process.there.insert(name.clone());
                            named.insert(name);
                        }
                        // A late process only publishes what a newer one has not overtaken, under a number of its own.
                        if late && named.iter().any(|f| !files.contains(f)) { continue }
                        let number = super::super::next_number(manifests.keys().copied().chain(process.manifests.iter().copied()));
                        process.live = named.clone();
                        process.manifests.insert(number);
                        manifests.insert(number, named);
                    }
                    Step::Savepoint => savepoints.extend(manifests.values().next_back().cloned()),
                    Step::Retire { process } => {
                        let Some(at) = processes.len().checked_sub(1).map(|n| n.saturating_sub(process)) else { continue };
                        let process = &mut processes[at];
                        for number in too_old(&process.manifests, keep) {
                            process.manifests.remove(&number);
                            manifests.remove(&number);
                        }
                        let mut needed = process.live.clone();
                        needed.extend(process.manifests.iter().filter_map(|n| manifests.get(n)).flatten().cloned());
                        needed.extend(savepoints.iter().flatten().cloned());
                        process.decided = garbage(&Known { own: process.own, there: &process.there, needed: &needed, unread: false });
                        process.there.retain(|f| !process.decided.contains(f));
                    }
                    Step::Collect { process } => {
                        let Some(at) = processes.len().checked_sub(1).map(|n| n.saturating_sub(process)) else { continue };
                        for file in std::mem::take(&mut processes[at].decided) {
                            files.remove(&file);
                        }
                    }
                }
                // What was decided must not be named by anything that is there, then or later.
                for (number, named) in &manifests {
                    prop_assert!(named.is_subset(&files), "checkpoint {number} has lost a file");
                }
                for named in &savepoints {
                    prop_assert!(named.is_subset(&files), "a savepoint has lost a file");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_read_keeps_everything() {
        let there: BTreeSet<String> = [object_name(Generation(1), "aa")].into();
        let known = |unread| Known { own: Generation(2), there: &there, needed: &BTreeSet::new(), unread }.garbage_count();
        assert_eq!((known(true), known(false)), (0, 1));
    }

    impl Known<'_> {
        fn garbage_count(&self) -> usize {
            garbage(self).len()
        }
    }

    #[test]
    fn at_least_one_checkpoint_stays() {
        let numbers: BTreeSet<CheckpointNumber> = (1..=3).map(CheckpointNumber).collect();
        assert_eq!(too_old(&numbers, 0), vec![CheckpointNumber(1), CheckpointNumber(2)]);
        assert_eq!(too_old(&numbers, 5), vec![]);
    }

    #[test]
    fn files_of_newer_generations_are_not_ours() {
        let there: BTreeSet<String> = [object_name(Generation(1), "aa"), object_name(Generation(3), "aa"), "odd".to_owned()].into();
        let known = Known { own: Generation(2), there: &there, needed: &BTreeSet::new(), unread: false };
        assert_eq!(garbage(&known), vec!["1-aa".to_owned()]);
    }
}
