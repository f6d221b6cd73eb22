//! Rows on their way out, as one run of bytes: what an outbox holds, and what is sent from.
//!
//! A frame is its length (u32, without itself), flags (u8), and in this order what the flags say is there: partition (i32), timestamp in milliseconds (i64),
//! key (u32 length, bytes), value (u32 length, bytes), headers (u16 count; each a u16 length and a name, an i32 length or -1 for null, and a value). Numbers
//! are little-endian. This is the format of outboxes in checkpoints: it does not change without its version ([`super::outbox`]).

/// What the flags say is there.
const PARTITION: u8 = 1;
const TIMESTAMP: u8 = 2;
const KEY: u8 = 4;
const VALUE: u8 = 8;
const HEADERS: u8 = 16;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Frame<'a> {
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) key: Option<&'a [u8]>,
    /// Absent where the message takes away what its key stood for.
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Vec<(&'a str, Option<&'a [u8]>)>,
}

/// Many messages, end to end.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    pub(crate) bytes: Vec<u8>,
    pub(crate) count: u64,
}

impl Frames {
    pub(crate) fn push(&mut self, frame: &Frame<'_>) {
        let out = &mut self.bytes;
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        out.push(
            flag(frame.partition.is_some(), PARTITION)
                | flag(frame.timestamp_ms.is_some(), TIMESTAMP)
                | flag(frame.key.is_some(), KEY)
                | flag(frame.value.is_some(), VALUE)
                | flag(!frame.headers.is_empty(), HEADERS),
        );
        if let Some(partition) = frame.partition {
            out.extend_from_slice(&partition.to_le_bytes());
        }
        if let Some(timestamp) = frame.timestamp_ms {
            out.extend_from_slice(&timestamp.to_le_bytes());
        }
        for part in [frame.key, frame.value].into_iter().flatten() {
            out.extend_from_slice(&(part.len() as u32).to_le_bytes());
            out.extend_from_slice(part);
        }
        if !frame.headers.is_empty() {
            out.extend_from_slice(&(frame.headers.len() as u16).to_le_bytes());
            for (name, value) in &frame.headers {
                out.extend_from_slice(&(name.len() as u16).to_le_bytes());
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(&value.map_or(-1, |v| v.len() as i32).to_le_bytes());
                out.extend_from_slice(value.unwrap_or_default());
            }
        }
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.count += 1;
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    pub(crate) fn iter(&self) -> FrameIter<'_> {
        FrameIter { rest: &self.bytes }
    }
}

/// Reads frames. Bytes that are none end it with `Err`.
pub(crate) struct FrameIter<'a> {
    pub(crate) rest: &'a [u8],
}

/// The bytes are no frames.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

impl<'a> Iterator for FrameIter<'a> {
    type Item = Result<(Frame<'a>, &'a [u8]), Damaged>;

    /// A frame, and its bytes without its length.
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let frame = next_frame(&mut self.rest);
        if frame.is_none() {
            self.rest = &[];
        }
        Some(frame.ok_or(Damaged))
    }
}

fn next_frame<'a>(rest: &mut &'a [u8]) -> Option<(Frame<'a>, &'a [u8])> {
    let length = u32::from_le_bytes(take(rest)?) as usize;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    let mut body = bytes;
    let [flags] = take(&mut body)?;
    let partition = if flags & PARTITION != 0 { Some(i32::from_le_bytes(take(&mut body)?)) } else { None };
    let timestamp_ms = if flags & TIMESTAMP != 0 { Some(i64::from_le_bytes(take(&mut body)?)) } else { None };
    let key = if flags & KEY != 0 { Some(part(&mut body)?) } else { None };
    let value = if flags & VALUE != 0 { Some(part(&mut body)?) } else { None };
    let mut headers = Vec::new();
    if flags & HEADERS != 0 {
        for _ in 0..u16::from_le_bytes(take(&mut body)?) {
            let length = u16::from_le_bytes(take(&mut body)?) as usize;
            let (name, after) = body.split_at_checked(length)?;
            body = after;
            let value = match i32::from_le_bytes(take(&mut body)?) {
                -1 => None,
                length => {
                    let (value, after) = body.split_at_checked(usize::try_from(length).ok()?)?;
                    body = after;
                    Some(value)
                }
            };
            headers.push((std::str::from_utf8(name).ok()?, value));
        }
    }
    body.is_empty().then_some((Frame { partition, timestamp_ms, key, value, headers }, bytes))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take(rest)?) as usize;
    let (part, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::{collection::vec, option, prelude::*};

    type Parts = (Option<i32>, Option<i64>, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

    fn parts() -> impl Strategy<Value = Parts> {
        let bytes = || vec(any::<u8>(), 0..20);
        (
            option::of(any::<i32>()),
            option::of(any::<i64>()),
            option::of(bytes()),
            option::of(bytes()),
            vec((".{0,5}", option::of(bytes())), 0..3),
        )
    }

    fn frame(parts: &Parts) -> Frame<'_> {
        let (partition, timestamp_ms, key, value, headers) = parts;
        Frame {
            partition: *partition,
            timestamp_ms: *timestamp_ms,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: headers.iter().map(|(n, v)| (n.as_str(), v.as_deref())).collect(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn frames_come_back(all in vec(parts(), 0..6)) {
            let mut frames = Frames::default();
            all.iter().for_each(|p| frames.push(&frame(p)));
            let back: Vec<_> = frames.iter().map(|f| f.unwrap().0).collect();
            prop_assert_eq!(back, all.iter().map(frame).collect::<Vec<_>>());
            prop_assert_eq!(frames.count, all.len() as u64);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..80)) {
            let frames = FrameIter { rest: &bytes };
            let read: Vec<_> = frames.collect();
            prop_assert!(read.iter().rev().skip(1).all(|f| f.is_ok()), "nothing is read behind what is damaged");
        }

        #[test]
        fn what_is_cut_is_damaged(all in vec(parts(), 1..4), cut in 1usize..10) {
            let mut frames = Frames::default();
            all.iter().for_each(|p| frames.push(&frame(p)));
            let last = frames.iter().last().unwrap().unwrap().1.len() + 4;
            let bytes = &frames.bytes[..frames.bytes.len() - cut.min(last - 1)];
            let last = FrameIter { rest: bytes }.last().unwrap();
            prop_assert_eq!(last, Err(Damaged));
        }
    }
}
