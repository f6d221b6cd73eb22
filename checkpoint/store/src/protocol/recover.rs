//! From which checkpoint a scenario starts: the newest that is sound. One that is damaged is named, and the one before it is looked at.

use crate::StoreError;
use runink_checkpoint::CheckpointNumber;

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
    Look(CheckpointNumber),
    /// Start from it.
    Use(CheckpointNumber),
    /// There never was one: start from nothing.
    Nothing,
    /// There are some, and none can be used. Starting from nothing would say that nothing was ever done.
    Refuse,
}

/// `listed` has all numbers, `seen` what was found about some of them.
pub(crate) fn next(listed: &[CheckpointNumber], seen: &[(CheckpointNumber, Verdict)]) -> Next {
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

    #[test]
    fn the_newest_sound_one_is_used() {
        let listed = [CheckpointNumber(3), CheckpointNumber(9), CheckpointNumber(7)];
        let bad = || Verdict::Unusable(StoreError::damaged("checkpoint", "cut off"));
        assert_eq!(next(&[], &[]), Next::Nothing);
        assert_eq!(next(&listed, &[]), Next::Look(CheckpointNumber(9)));
        assert_eq!(next(&listed, &[(CheckpointNumber(9), bad())]), Next::Look(CheckpointNumber(7)));
        let seen = [(CheckpointNumber(9), bad()), (CheckpointNumber(7), Verdict::Sound)];
        assert_eq!(next(&listed, &seen), Next::Use(CheckpointNumber(7)));
        let all = [(CheckpointNumber(9), bad()), (CheckpointNumber(7), bad()), (CheckpointNumber(3), bad())];
        assert_eq!(next(&listed, &all), Next::Refuse);
    }
}
