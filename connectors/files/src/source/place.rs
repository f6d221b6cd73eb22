//! How far a file that grows has been read, as checkpoints keep it: which file it was, whatever its name, and how much of it.
//!
//! A file is known again by its number on its disk, and by a hash of what stands before that place: a number is given to another file when the first is gone, and a file may be
//! written anew.

use super::follow::Identity;
use crate::error;
use runink_connector_api::{ConnectorError, Resume, SavedPosition, row_hash};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{Error, ErrorKind},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

/// By so many bytes before the place a file is told from others.
const TOLD_BY_BYTES: u64 = 256;
/// The version of the form.
const VERSION: u64 = 1;
/// How many numbers a place is.
const NUMBERS: usize = 7;

/// How far a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// What was read later has a higher one, whatever file and whatever run.
    pub(super) order: u64,
    pub(super) identity: Identity,
    /// Whole rows end here.
    pub(super) offset: u64,
    /// Line ends before that.
    pub(super) lines: u64,
    /// Of what stands before.
    hash: u64,
    /// It has been read to its end, and nothing has its name any more.
    pub(super) gone: bool,
}

impl Place {
    pub(super) fn new(order: u64, identity: Identity, (offset, lines): (u64, u64), file: &File, gone: bool) -> Result<Self, Error> {
        Ok(Place { order, identity, offset, lines, hash: hash_before(file, offset)?, gone })
    }

    pub(super) fn save(&self) -> Resume {
        let Place { order, identity: (device, inode), offset, lines, hash, gone } = self;
        let numbers = [VERSION, *order, *device, *inode, *offset, *lines, *hash];
        let text: Vec<String> = numbers.iter().map(u64::to_string).collect();
        Resume(format!("follow {}{}", text.join("."), if *gone { " gone" } else { "" }).into())
    }

    fn of(resume: &Resume) -> Option<Self> {
        let text = resume.0.strip_prefix("follow ")?;
        let (text, gone) = text.strip_suffix(" gone").map_or((text, false), |text| (text, true));
        let numbers: Vec<u64> = text.split('.').map(|n| n.parse().ok()).collect::<Option<_>>()?;
        let [VERSION, order, device, inode, offset, lines, hash] = <[u64; NUMBERS]>::try_from(numbers).ok()? else { return None };
        Some(Place { order, identity: (device, inode), offset, lines, hash, gone })
    }
}

/// A hash of the last bytes before an offset; of fewer where the file has fewer.
fn hash_before(file: &File, offset: u64) -> Result<u64, Error> {
    let from = offset.saturating_sub(TOLD_BY_BYTES);
    let mut bytes = vec![0; (offset - from) as usize];
    match file.read_exact_at(&mut bytes, from) {
        Ok(()) => Ok(row_hash(&bytes)),
        // It was cut since it was read: the next look finds that.
        Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => Ok(row_hash(&[])),
        Err(cause) => Err(cause),
    }
}

/// What a checkpoint knows of files that were followed, and what of it has been found again.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The newest of each file, with the name it had then.
    open: Vec<(Arc<str>, Place)>,
    /// Higher than any order there was.
    pub(super) next: u64,
}

impl Places {
    pub(super) fn of(from: &[SavedPosition]) -> Result<Self, ConnectorError> {
        let mut newest: BTreeMap<Identity, (Arc<str>, Place)> = BTreeMap::new();
        let mut next = 0;
        for saved in from {
            let place = Place::of(&saved.after).ok_or_else(|| error::not_a_place(&saved.after.0))?;
            next = next.max(place.order + 1);
            let known = newest.entry(place.identity).or_insert_with(|| (saved.place.clone(), place));
            if place.order > known.1.order {
                *known = (saved.place.clone(), place);
            }
        }
        Ok(Places { open: newest.into_values().filter(|(_, place)| !place.gone).collect(), next })
    }

    /// How far a file had been read; `None` where it is new.
    pub(super) fn find(&mut self, path: &Path, identity: Identity, file: &File) -> Result<Option<Place>, ConnectorError> {
        let failed = |cause| error::cannot_read(path, cause);
        let Some(at) = self.open.iter().position(|(_, place)| place.identity == identity) else { return Ok(None) };
        let place = self.open[at].1;
        let length = file.metadata().map_err(failed)?.len();
        if length < place.offset {
            return Err(error::cut(path, place.offset, length));
        }
        if hash_before(file, place.offset).map_err(failed)? != place.hash {
            return Ok(None);
        }
        Ok(Some(self.open.swap_remove(at).1))
    }

    /// An error where a file that was read is not there any more: what was written to it since would be missing.
    pub(super) fn all_found(&self) -> Result<(), ConnectorError> {
        match self.open.first() {
            Some((name, place)) => Err(error::moved_away(name, place.offset)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_form_stays_what_it_is() {
        let place = Place { order: 7, identity: (1, 2), offset: 4, lines: 3, hash: 5, gone: false };
        let text = place.save();
        assert_eq!(&*text.0, "follow 1.7.1.2.4.3.5");
        assert_eq!(Place::of(&text), Some(place));
        let gone = Place { gone: true, ..place };
        assert_eq!(Place::of(&gone.save()), Some(gone));
        for bad in ["", "0.1", "follow 1.2", "follow 2.7.1.2.4.3.5", "follow 1.7.1.2.4.3.x"] {
            assert_eq!(Place::of(&Resume(bad.into())), None, "{bad}");
        }
    }
}
