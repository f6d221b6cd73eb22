//! The wire format: numbers of variable length, keys of fields, and what stands behind them. Positions are offsets from a message's first byte.

/// How deep groups, which no column wants, may nest. Bounds the work of stepping over them.
const MAX_GROUPS: usize = 100;
/// How deep types stand inside types, in the way that schema registries number them.
const MAX_INDEXES: usize = 32;

/// How a value stands behind its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Varint,
    Eight,
    Bytes,
    Group,
    Four,
}

/// Bytes that are no message: where, and what should stand there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) at: usize,
    pub(super) expected: &'static str,
}

/// What stands behind a key: a number as it is on the wire, or a run of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) raw: u64,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// A place in a message.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    end: usize,
}

fn broken<T>(at: usize, expected: &'static str) -> Result<T, Broken> {
    Err(Broken { at, expected })
}

impl<'a> Reader<'a> {
    /// Reads from a place to another one, both inside.
    pub(super) fn new(bytes: &'a [u8], from: usize, to: usize) -> Self {
        let end = to.min(bytes.len());
        Reader { bytes, at: from.min(end), end }
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.end
    }

    /// A number of seven bits a byte, the lowest first.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Broken> {
        let start = self.at;
        let (mut value, mut shift) = (0u64, 0);
        while self.at < self.end {
            let byte = self.bytes[self.at];
            // Ten bytes are the most; the last one has one bit.
            if shift == 63 && byte > 1 {
                return broken(start, "a number of at most 64 bits");
            }
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
        broken(self.at, "the rest of a number")
    }

    /// A field's number, and how its value stands there.
    #[inline]
    pub(super) fn key(&mut self) -> Result<(u32, Wire), Broken> {
        let start = self.at;
        let key = self.varint()?;
        let wire = match key & 7 {
            0 => Wire::Varint,
            1 => Wire::Eight,
            2 => Wire::Bytes,
            3 => Wire::Group,
            5 => Wire::Four,
            4 => return broken(start, "a field, and no group ends here"),
            _ => return broken(start, "a field"),
        };
        match u32::try_from(key >> 3) {
            Ok(number) if number > 0 && number < 1 << 29 => Ok((number, wire)),
            _ => broken(start, "a field"),
        }
    }

    /// The value behind a key.
    #[inline]
    pub(super) fn value(&mut self, number: u32, wire: Wire) -> Result<Piece, Broken> {
        let from = self.at;
        let fixed = |this: &mut Self, length: usize| -> Result<u64, Broken> {
            if this.end - from < length {
                return broken(this.end, "the rest of a number");
            }
            this.at += length;
            Ok(this.bytes[from..from + length].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
        };
        match wire {
            Wire::Varint => Ok(Piece { raw: self.varint()?, from, to: self.at }),
            Wire::Eight => Ok(Piece { raw: fixed(self, 8)?, from, to: self.at }),
            Wire::Four => Ok(Piece { raw: fixed(self, 4)?, from, to: self.at }),
            Wire::Bytes => {
                let length = self.varint()?;
                let from = self.at;
                match usize::try_from(length).ok().filter(|length| *length <= self.end - from) {
                    Some(length) => {
                        self.at += length;
                        Ok(Piece { raw: 0, from, to: self.at })
                    }
                    None => broken(from, "as many bytes as were announced"),
                }
            }
            Wire::Group => {
                let to = self.group(number)?;
                Ok(Piece { raw: 0, from, to })
            }
        }
    }

    /// Steps over a group, and returns where its content ends.
    fn group(&mut self, number: u32) -> Result<usize, Broken> {
        let mut open = vec![number];
        while !self.is_done() {
            let start = self.at;
            let key = self.varint()?;
            if key & 7 == 4 {
                if open.pop().map(u64::from) != Some(key >> 3) {
                    return broken(start, "the end of the group that was begun last");
                }
                if open.is_empty() {
                    return Ok(start);
                }
                continue;
            }
            self.at = start;
            match self.key()? {
                (_, Wire::Group) if open.len() >= MAX_GROUPS => return broken(start, "at most 100 groups inside each other"),
                (inner, Wire::Group) => open.push(inner),
                (inner, wire) => drop(self.value(inner, wire)?),
            }
        }
        broken(self.at, "the end of a group")
    }

    /// A number of fixed size or not, as in a packed field.
    pub(super) fn packed(&mut self, wire: Wire) -> Result<Piece, Broken> {
        self.value(0, wire)
    }
}

/// A number with a sign, as it was written so that small ones are short.
#[inline]
pub(super) fn unzigzag(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

#[inline]
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Which type of its schema a message has, and where the message itself begins: behind the schema's number stand how many positions there are, and each of them.
/// A lone zero is the first type.
pub(crate) fn message_indexes(bytes: &[u8], from: usize) -> Option<(Vec<usize>, usize)> {
    let mut reader = Reader::new(bytes, from, bytes.len());
    let count = usize::try_from(unzigzag(reader.varint().ok()?)).ok().filter(|count| *count <= MAX_INDEXES)?;
    if count == 0 {
        return Some((vec![0], reader.at));
    }
    let path = (0..count).map(|_| usize::try_from(unzigzag(reader.varint().ok()?)).ok()).collect::<Option<Vec<_>>>()?;
    Some((path, reader.at))
}
