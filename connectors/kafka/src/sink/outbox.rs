//! Rows that are held back for a checkpoint, and their form in it: a version (u8), then frames ([`super::frames`]).

use super::{
    changes::Upserts,
    frames::{FrameIter, Frames},
    rows::RowWriter,
};
use crate::error;
use arrow::{array::Int64Array, record_batch::RecordBatch};
use runink_connector_api::{ConnectorError, Outbox, SinkSummary, SinkWriter, row_hash};

/// The version of the form. Older ones must stay readable.
const VERSION: u8 = 1;

/// Holds rows back.
pub(super) struct HeldWriter {
    pub(super) rows: RowWriter,
    /// Where only the newest row of a key is written.
    pub(super) upserts: Option<Upserts>,
    pub(super) frames: Frames,
    pub(super) summary: SinkSummary,
}

impl SinkWriter for HeldWriter {
    fn write(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), ConnectorError> {
        let Some(upserts) = &mut self.upserts else {
            self.rows.write(batch, diffs, &mut self.frames)?;
            self.summary.rows += self.rows.take_sharing();
            return Ok(());
        };
        self.rows.write(batch, None, &mut upserts.frames)?;
        upserts.count(batch.num_rows(), diffs);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn outbox(&mut self) -> Result<Option<Outbox>, ConnectorError> {
        if let Some(upserts) = &mut self.upserts {
            upserts.take(&mut self.frames)?;
        }
        if self.frames.count == 0 {
            return Ok(None);
        }
        let frames = std::mem::take(&mut self.frames);
        let mut hash = 0u64;
        for frame in frames.iter() {
            let (_, bytes) = frame.map_err(|_| error::bug("a row that was just written is damaged"))?;
            hash = hash.wrapping_add(row_hash(bytes));
        }
        self.summary.rows += frames.count;
        self.summary.bytes += frames.bytes.len() as u64;
        let mut bytes = Vec::with_capacity(frames.bytes.len() + 1);
        bytes.push(VERSION);
        bytes.extend_from_slice(&frames.bytes);
        Ok(Some(Outbox { bytes, rows: frames.count, hash }))
    }

    fn finish(self: Box<Self>) -> Result<SinkSummary, ConnectorError> {
        Ok(self.summary)
    }
}

/// The frames of an outbox, all of which are whole and are those that were written.
pub(super) fn opened(outbox: &Outbox) -> Result<FrameIter<'_>, ConnectorError> {
    let Some((&VERSION, rest)) = outbox.bytes.split_first() else { return Err(error::outbox("it has another form")) };
    let (mut rows, mut hash) = (0u64, 0u64);
    for frame in (FrameIter { rest }) {
        let (_, bytes) = frame.map_err(|_| error::outbox("a row of it is cut off"))?;
        rows += 1;
        hash = hash.wrapping_add(row_hash(bytes));
    }
    if (rows, hash) != (outbox.rows, outbox.hash) {
        return Err(error::outbox("its rows are not those that were held back"));
    }
    Ok(FrameIter { rest })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::frames::Frame, *};

    #[test]
    fn damage_is_noticed() {
        let mut frames = Frames::default();
        frames.push(&Frame { key: Some(b"k"), value: Some(b"value"), ..Frame::default() });
        let bytes = [&[VERSION], frames.bytes.as_slice()].concat();
        let hash = row_hash(frames.iter().next().unwrap().unwrap().1);
        let whole = Outbox { bytes, rows: 1, hash };
        assert_eq!(opened(&whole).unwrap().count(), 1);
        for at in 0..whole.bytes.len() {
            let mut damaged = whole.clone();
            damaged.bytes[at] ^= 0x20;
            assert_eq!(opened(&damaged).map(|_| ()).unwrap_err().code, "KAF034", "byte {at}");
            let cut = Outbox { bytes: whole.bytes[..at].to_vec(), ..whole.clone() };
            assert_eq!(opened(&cut).map(|_| ()).unwrap_err().code, "KAF034", "cut at {at}");
        }
    }

    /// The form of version 1, byte for byte.
    #[test]
    fn the_form_stays_what_it_is() {
        let mut frames = Frames::default();
        let headers = vec![("h", Some(&b"x"[..])), ("n", None)];
        frames.push(&Frame { partition: Some(2), timestamp_ms: Some(5), key: Some(b"k"), value: Some(b"{}"), headers });
        frames.push(&Frame { key: Some(b"gone"), ..Frame::default() });
        let shown: String = frames.bytes.iter().map(|b| format!("{b:02x}")).collect();
        let first = "29000000 1f 02000000 0500000000000000 01000000 6b 02000000 7b7d 0200 0100 68 01000000 78 0100 6e ffffffff";
        let second = "09000000 04 04000000 676f6e65";
        assert_eq!(shown, format!("{first}{second}").replace(' ', ""));
    }
}
