//! What says that a checkpoint exists and which files it has: `docs/checkpoint-format.md`, "Manifest". Three lines of text: the format, JSON, a checksum.

use crate::StoreError;
use runink_checkpoint::{Boundary, CheckpointNumber, Generation};
use serde::{Deserialize, Serialize};

/// The format of everything that is stored: manifests, file names, keys and values.
pub const FORMAT: u64 = 1;

/// What the first line begins with; the format's number follows.
const MAGIC: &str = "runink-checkpoint ";

/// How large a manifest may be: more is not one.
const MAX_BYTES: usize = 64 << 20;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The scenario's lasting name.
    pub scenario: String,
    /// Its number.
    pub number: CheckpointNumber,
    /// Who wrote it.
    pub generation: Generation,
    /// Where it was taken.
    pub boundary: Boundary,
    /// How many key groups the scenario has.
    pub key_groups: u16,
    /// When it was made by the machine's clock, in milliseconds since 1970: for people only.
    pub made_at_ms: u64,
    /// Its files, by name.
    pub files: Vec<FileEntry>,
}

/// Which manifest: the order is that in which they count. A newer generation's come after all of an older one's, whatever their numbers: one of an older
/// generation that arrives late, when the newer has published already, is never taken for the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManifestId {
    /// Who wrote it.
    pub generation: Generation,
    /// Its number.
    pub number: CheckpointNumber,
}

impl ManifestId {
    /// The name of its object, below `manifests/`.
    pub(crate) fn object(self) -> String {
        format!("{:020}-{:020}", self.generation.0, self.number.0)
    }

    pub(crate) fn read(object: &str) -> Option<ManifestId> {
        let (generation, number) = object.split_once('-')?;
        Some(ManifestId { generation: Generation(generation.parse().ok()?), number: CheckpointNumber(number.parse().ok()?) })
    }
}

/// A file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name in the database's folder.
    pub name: String,
    /// Its name under `files/`.
    pub object: String,
    /// How long it is.
    pub bytes: u64,
    /// The SHA-256 of its contents, as hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// As it is stored.
    ///
    /// # Errors
    /// Where it cannot be put into JSON.
    pub fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let json = serde_json::to_string(self).map_err(|e| StoreError::damaged("a manifest", e.to_string()))?;
        let text = format!("{MAGIC}{FORMAT}\n{json}\n");
        let checksum = crc32fast::hash(text.as_bytes());
        Ok(format!("{text}{checksum:08x}\n").into_bytes())
    }

    /// Reads it; `what` names it in errors.
    ///
    /// # Errors
    /// Where it is damaged, or of another format.
    pub fn decode(what: &str, bytes: &[u8]) -> Result<Manifest, StoreError> {
        let bad = |how: &str| StoreError::damaged(what, how);
        if bytes.len() > MAX_BYTES {
            return Err(bad("it is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not text"))?;
        // The format comes first: what follows it is that format's business.
        let (first, _) = text.split_once('\n').ok_or_else(|| bad("it is cut off"))?;
        let format = first.strip_prefix(MAGIC).ok_or_else(|| bad("it does not begin as a manifest"))?;
        let found: u64 = format.parse().map_err(|_| bad("its format is not a number"))?;
        if found != FORMAT {
            return Err(StoreError::Format { what: what.to_owned(), found, readable: FORMAT });
        }
        let body = text.strip_suffix('\n').ok_or_else(|| bad("it is cut off"))?;
        let at = body.rfind('\n').ok_or_else(|| bad("it is cut off"))? + 1;
        let (covered, checksum) = (&text[..at], &body[at..]);
        if checksum != format!("{:08x}", crc32fast::hash(covered.as_bytes())) {
            return Err(bad("its checksum is wrong"));
        }
        let json = covered.get(first.len() + 1..).unwrap_or_default();
        let manifest: Manifest = serde_json::from_str(json).map_err(|e| bad(&format!("its contents are wrong: {e}")))?;
        match manifest.files.iter().find(|f| !plain_name(&f.name) || !plain_name(&f.object)) {
            Some(file) => Err(bad(&format!("`{}` is not the name of a file", file.name))),
            None => Ok(manifest),
        }
    }

    /// Which one it is.
    pub fn id(&self) -> ManifestId {
        ManifestId { generation: self.generation, number: self.number }
    }

    /// How many bytes its files have.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.bytes).sum()
    }
}

/// A name that stays in its folder, whatever a manifest says.
pub(crate) fn plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= MAX_NAME && !name.starts_with('.') && name.chars().all(plain)
}

/// How long names of savepoints and files may be.
const MAX_NAME: usize = 100;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn manifest() -> Manifest {
        let file =
            |n: u64| FileEntry { name: format!("{n:06}.sst"), object: format!("1-{n:064x}.sst"), bytes: n, sha256: format!("{n:064x}") };
        Manifest {
            scenario: "Orders by hour".into(),
            number: CheckpointNumber(12),
            generation: Generation(3),
            boundary: Boundary(40),
            key_groups: 1024,
            made_at_ms: 1_700_000_000_000,
            files: vec![file(7), file(9)],
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let bytes = manifest().encode().unwrap();
        assert_eq!(Manifest::decode("m", &bytes).unwrap(), manifest());
        let newer = String::from_utf8(bytes).unwrap().replacen("checkpoint 1\n", "checkpoint 2\n", 1);
        let error = Manifest::decode("manifest 12", newer.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "CKP008: manifest 12 has format 2; this version of Runink reads format 1");
    }

    #[test]
    fn a_manifest_cannot_name_a_file_elsewhere() {
        let mut bad = manifest();
        bad.files[0].name = "../escape.sst".into();
        let error = Manifest::decode("manifest 12", &bad.encode().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "CKP006: manifest 12 is damaged: `../escape.sst` is not the name of a file");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn damage_is_found(at in 0usize..4096, bit in 0u8..8, cut in any::<bool>()) {
            let mut bytes = manifest().encode().unwrap();
            let at = at % bytes.len();
            if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
            prop_assert!(Manifest::decode("m", &bytes).is_err());
        }

        #[test]
        fn any_bytes_are_a_manifest_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _either = Manifest::decode("m", &bytes);
            let mut headed = format!("{MAGIC}{FORMAT}\n").into_bytes();
            headed.extend(bytes);
            prop_assert!(Manifest::decode("m", &headed).is_err());
        }
    }
}
