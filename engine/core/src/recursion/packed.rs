//! A row as differential holds it: the bytes of arrow's row format. Rows of the same columns compare as their values do, and the bytes of some columns followed
//! by those of others are the row of all of them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    cmp::Ordering,
    hash::{Hash, Hasher},
};

/// Rows of that many bytes lie in the value itself: three numbers, or two and a short text.
const SHORT: usize = 30;

/// See the module.
#[derive(Clone)]
pub(crate) enum Packed {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

impl Packed {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self::joined(bytes, &[])
    }

    /// One after the other.
    pub(crate) fn joined(first: &[u8], second: &[u8]) -> Self {
        let length = first.len() + second.len();
        if length > SHORT {
            return Packed::Long([first, second].concat().into());
        }
        let mut bytes = [0; SHORT];
        bytes[..first.len()].copy_from_slice(first);
        bytes[first.len()..length].copy_from_slice(second);
        Packed::Short { length: length as u8, bytes }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Packed::Short { length, bytes } => &bytes[..usize::from(*length)],
            Packed::Long(bytes) => bytes,
        }
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Packed {}

impl PartialOrd for Packed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Packed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl Hash for Packed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.bytes());
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02x?}", self.bytes())
    }
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<u8>::deserialize(deserializer).map(|bytes| Packed::new(&bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_of_any_length_compare_and_travel_as_their_bytes() {
        let rows: Vec<Vec<u8>> = (0..=2 * SHORT).flat_map(|n| [vec![7; n], vec![8; n]]).collect();
        for a in &rows {
            let packed = Packed::new(a);
            assert_eq!(packed.bytes(), &a[..]);
            let back: Packed = serde_json::from_str(&serde_json::to_string(&packed).unwrap()).unwrap();
            assert_eq!(back, packed);
            for b in &rows {
                assert_eq!(packed.cmp(&Packed::new(b)), a.cmp(b));
                assert_eq!(Packed::joined(a, b).bytes(), [&a[..], b].concat());
            }
        }
    }
}
