//! How a source goes on where it stopped, and how a sink writes each result once: what connectors offer to checkpoints.

use crate::ConnectorError;
use std::sync::Arc;

/// How far a place (a file, a topic's partition) has been read, in the connector's own words: short text, kept in checkpoints. Its form is part of the
/// connector's on-disk format: an older form must stay readable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Resume(pub Arc<str>);

/// A place and how far one reader had read it when a checkpoint was taken. A place may occur several times: readers share it, or there were other numbers of readers before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct SavedPosition {
    /// The place: [`crate::Chunk::origin`].
    pub place: Arc<str>,
    /// Which reader.
    pub reader: usize,
    /// Of how many.
    pub readers: usize,
    /// [`crate::Chunk::after`] of its last chunk.
    pub after: Resume,
    /// It had no more rows ([`crate::Chunk::partition_ends`]).
    pub ended: bool,
}

/// How far a reader has come in a place whose pieces are dealt to all readers in turn, for sources that are read so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piecewise {
    /// The number of the place when it was read.
    pub unit: u64,
    /// The last piece that was begun.
    pub piece: u64,
    /// The highest position in it that was read; `None` where all of it was.
    pub within: Option<u64>,
}

/// What is left of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// All of it.
    All,
    /// What lies behind a position.
    After(u64),
    /// Nothing.
    Nothing,
}

impl Piecewise {
    /// As a checkpoint keeps it: `unit.piece` or `unit.piece.within`.
    pub fn save(&self) -> Resume {
        let Piecewise { unit, piece, within } = self;
        Resume(within.map_or_else(|| format!("{unit}.{piece}"), |within| format!("{unit}.{piece}.{within}")).into())
    }

    /// Of what a checkpoint kept.
    ///
    /// # Errors
    /// Where it is nothing that [`Self::save`] wrote.
    pub fn of(resume: &Resume) -> Result<Self, ConnectorError> {
        let numbers: Option<Vec<u64>> = resume.0.split('.').map(|n| n.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[unit, piece]) => Ok(Piecewise { unit, piece, within: None }),
            Some(&[unit, piece, within]) => Ok(Piecewise { unit, piece, within: Some(within) }),
            _ => Err(ConnectorError::operator("CON002", format!("`{}` is no position that this source can go on from", resume.0))
                .hint("the state folder is of another source, or of a newer Runink")),
        }
    }

    /// What is left of a piece of a place, after what all readers had read. `dealt_to` says who of n readers was given a piece of a unit.
    ///
    /// # Errors
    /// Where a position cannot be read.
    pub fn left(from: &[SavedPosition], place: &str, piece: u64, dealt_to: impl Fn(u64, usize) -> usize) -> Result<Left, ConnectorError> {
        let mut left = Left::All;
        for saved in from.iter().filter(|s| &*s.place == place) {
            let at = Piecewise::of(&saved.after)?;
            if dealt_to(at.unit, saved.readers) != saved.reader || piece > at.piece {
                continue;
            }
            match at.within {
                Some(within) if piece == at.piece => {
                    left = match left {
                        Left::All => Left::After(within),
                        Left::After(before) => Left::After(before.max(within)),
                        Left::Nothing => Left::Nothing,
                    }
                }
                _ => return Ok(Left::Nothing),
            }
        }
        Ok(left)
    }
}

/// What a writer holds back for a checkpoint: encoded rows, or names of files that wait to be renamed. Opaque to all but the sink's own [`Committer`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outbox {
    /// The payload, in the sink's own format with a version in front.
    pub bytes: Vec<u8>,
    /// How many rows it stands for.
    pub rows: u64,
    /// An order-free hash of these rows: the wrapping sum of a hash of each.
    pub hash: u64,
}

/// A hash of a row's bytes, for [`Outbox::hash`]: the same on every machine and in every version.
pub fn row_hash(bytes: &[u8]) -> u64 {
    // Multiply and fold, eight bytes at a time (the mixing step of wyhash); the length is part of it, so that a row of zeros counts.
    let mix = |state: u64, word: u64| {
        let product = u128::from(state ^ word).wrapping_mul(0xA076_1D64_78BD_642F_E703_7ED1_A0B4_28DB);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let state = words.iter().fold(0x9E37_79B9_7F4A_7C15, |state, word| mix(state, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(mix(state, u64::from_le_bytes(last)), bytes.len() as u64)
}

/// The number of a checkpoint of a scenario: they grow, and are never used twice, whatever the generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct CheckpointNumber(pub u64);

/// What the outside remembers of a sink: the newest checkpoint whose outbox it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// That one, and all before it.
    Committed(CheckpointNumber),
    /// Nothing was ever committed: the outside can tell, because what remembers does not expire.
    Nothing,
    /// The outside cannot tell any more (a marker that may have expired).
    Unknown,
}

/// Who writes a sink's outboxes to the outside, one checkpoint after the other. There is one for each sink, whatever the number of workers.
pub trait Committer: Send {
    /// Fences off whatever still runs of older generations, and says what the outside remembers. Called once, before anything else.
    ///
    /// # Errors
    /// Where the outside cannot be reached or fenced.
    fn recover(&mut self) -> Result<Witness, ConnectorError>;

    /// Writes the outboxes of a checkpoint that has been published, together with its number as a marker: all or nothing, and nothing a second time where the marker
    /// is there already. `outboxes` are those of all writers, in the writers' order.
    ///
    /// # Errors
    /// Where the outside refuses. The caller tries again with the same arguments, or stops the scenario.
    fn commit(&mut self, checkpoint: CheckpointNumber, outboxes: &[Outbox]) -> Result<(), ConnectorError>;
}

/// Who tells the outside how far a source has been read, for people and tools that look at its lag. It is never read back: checkpoints alone say where to go on.
pub trait Follower: Send {
    /// A checkpoint with these positions has been published. It does not wait for the outside.
    ///
    /// # Errors
    /// Where the outside could not be told, now or the time before. It is a warning; the scenario goes on.
    fn follow(&mut self, positions: &[SavedPosition]) -> Result<(), ConnectorError>;
}

/// Who a [`Committer`] is to the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitIdentity {
    /// The scenario's lasting name; with the sink's name it is unique where sinks of one system meet.
    pub scenario: String,
    /// The incarnation: a newer one fences off older ones.
    pub generation: u64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn saved(reader: usize, readers: usize, after: &str) -> SavedPosition {
        SavedPosition { place: "a.csv".into(), reader, readers, after: Resume(after.into()), ended: false }
    }

    #[test]
    fn the_hash_of_a_row_stays_what_it_is() {
        let hashes = [&b""[..], b"a", b"eight by", b"a longer row than eight bytes", &[0; 8], &[0; 16]].map(row_hash);
        assert_eq!(hashes.iter().collect::<std::collections::BTreeSet<_>>().len(), hashes.len());
        assert_eq!(row_hash(b"a"), 11_271_027_531_753_958_095);
    }

    #[test]
    fn pieces_are_left_out_whatever_number_of_readers_read_them() {
        let deal = |piece: u64| move |unit: u64, readers: usize| (unit + piece) as usize % readers;
        // Two readers: the first had pieces 0, 2, 4; the second 1 and a part of 3. Before, one reader had all up to piece 1.
        let from = [saved(0, 2, "0.4"), saved(1, 2, "0.3.77"), saved(0, 1, "0.1")];
        let left = |piece| Piecewise::left(&from, "a.csv", piece, deal(piece)).unwrap();
        assert_eq!([0, 1, 2, 4].map(left), [Left::Nothing; 4]);
        assert_eq!([left(3), left(5), left(6)], [Left::After(77), Left::All, Left::All]);
        assert_eq!(Piecewise::left(&from, "b.csv", 0, deal(0)).unwrap(), Left::All);
        assert!(Piecewise::left(&[saved(0, 1, "x")], "a.csv", 0, deal(0)).is_err());
    }
}
