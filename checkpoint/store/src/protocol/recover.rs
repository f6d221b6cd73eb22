//! From which checkpoint a scenario starts: the newest that is sound. One that is damaged is named, and the one before it is looked at.

use crate::{StoreError, manifest::ManifestId};

/// What was found about a checkpoint when it was read and checked.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// All of it is there and as its manifest says.
    Sound,
    /// It cannot be used, and never can be: damage, or another format.
    Unusable(StoreError),
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Read and check that one.
    Look(ManifestId),
    /// Start from it.
    Use(ManifestId),
    /// There never was one: start from nothing.
    Nothing,
    /// There are some, and none can be used. Starting from nothing would say that nothing was ever done.
    Refuse,
}

/// `listed` has all manifests, `seen` what was found about some of them.
pub(crate) fn next(listed: &[ManifestId], seen: &[(ManifestId, Verdict)]) -> Next {
    if let Some((sound, _)) = seen.iter().find(|(_, v)| matches!(v, Verdict::Sound)) {
        return Next::Use(*sound);
    }
    let unseen = listed.iter().filter(|n| !seen.iter().any(|(s, _)| s == *n)).max();
    match unseen {
        Some(number) => Next::Look(*number),
        None if listed.is_empty() => Next::Nothing,
        None => Next::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runink_checkpoint::{CheckpointNumber, Generation};

    fn id(generation: u64, number: u64) -> ManifestId {
        ManifestId { generation: Generation(generation), number: CheckpointNumber(number) }
    }

    #[test]
    fn the_newest_sound_one_is_used() {
        let listed = [id(1, 3), id(2, 7), id(1, 9)];
        let bad = || Verdict::Unusable(StoreError::damaged("checkpoint", "cut off"));
        assert_eq!(next(&[], &[]), Next::Nothing);
        // The newer generation's counts, although the older one's came late and has a higher number.
        assert_eq!(next(&listed, &[]), Next::Look(id(2, 7)));
        assert_eq!(next(&listed, &[(id(2, 7), bad())]), Next::Look(id(1, 9)));
        let seen = [(id(2, 7), bad()), (id(1, 9), Verdict::Sound)];
        assert_eq!(next(&listed, &seen), Next::Use(id(1, 9)));
        let all = [(id(2, 7), bad()), (id(1, 9), bad()), (id(1, 3), bad())];
        assert_eq!(next(&listed, &all), Next::Refuse);
    }
}
