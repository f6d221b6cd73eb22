//! A changelog as the newest row of each key: what an epoch's changes come to.

use super::frames::{Frame, Frames};
use crate::error;
use arrow::array::Int64Array;
use runink_connector_api::ConnectorError;
use std::collections::HashMap;

/// How what is left of a key's changes is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    /// Its row, or a message without a value.
    #[default]
    Newest,
    /// What it was and what it is, as an event of Debezium's.
    Event,
}

/// The changes that wait for the end of their epochs.
#[derive(Debug, Default)]
pub(crate) struct Upserts {
    form: Form,
    pub(crate) frames: Frames,
    diffs: Vec<i64>,
}

/// What came of one key.
#[derive(Default)]
struct Net<'a> {
    /// Rows with the sum of their multiplicities, in the order they came.
    rows: Vec<(Frame<'a>, &'a [u8], i64)>,
}

impl Upserts {
    pub(crate) fn new(form: Form) -> Self {
        Upserts { form, ..Upserts::default() }
    }

    /// Says how often the rows that were added to `frames` count.
    pub(crate) fn count(&mut self, rows: usize, diffs: Option<&Int64Array>) {
        match diffs {
            Some(diffs) => self.diffs.extend_from_slice(diffs.values()),
            None => self.diffs.resize(self.diffs.len() + rows, 1),
        }
    }

    /// One message for each key that changed: its row that is left, or none where the key is gone. Rows that came and went cost nothing.
    pub(crate) fn take(&mut self, out: &mut Frames) -> Result<(), ConnectorError> {
        let mut order = Vec::new();
        let mut keys: HashMap<&[u8], Net<'_>> = HashMap::new();
        for (frame, diff) in self.frames.iter().zip(&self.diffs) {
            let (frame, bytes) = frame.map_err(|_| error::bug("a row that was just written is damaged"))?;
            let key = frame.key.unwrap_or_default();
            let net = keys.entry(key).or_insert_with(|| {
                order.push(key);
                Net::default()
            });
            match net.rows.iter_mut().find(|(_, other, _)| *other == bytes) {
                Some((_, _, sum)) => *sum += diff,
                None => net.rows.push((frame, bytes, *diff)),
            }
        }
        for key in order {
            let Some(net) = keys.remove(key) else { continue };
            let is = net.rows.iter().rev().find(|(_, _, sum)| *sum > 0).map(|(frame, ..)| frame);
            let was = net.rows.iter().find(|(_, _, sum)| *sum < 0).map(|(frame, ..)| frame);
            match (self.form, was, is) {
                (_, None, None) => {}
                (Form::Newest, _, Some(is)) => out.push(is),
                (Form::Newest, Some(was), None) => {
                    out.push(&Frame { value: None, headers: Vec::new(), timestamp_ms: None, ..was.clone() });
                }
                (Form::Event, was, is) => {
                    let event = event(was.and_then(|f| f.value), is.and_then(|f| f.value));
                    if let Some(frame) = is.or(was) {
                        out.push(&Frame { value: Some(&event), ..frame.clone() });
                    }
                }
            }
        }
        self.frames.clear();
        self.diffs.clear();
        Ok(())
    }
}

/// An event of Debezium's of two rows, which are JSON.
pub(crate) fn event(was: Option<&[u8]>, is: Option<&[u8]>) -> Vec<u8> {
    let op = match (was, is) {
        (None, _) => "c",
        (Some(_), Some(_)) => "u",
        (Some(_), None) => "d",
    };
    let or_null = |row: Option<&'_ [u8]>| row.unwrap_or(b"null").to_vec();
    [b"{\"before\":".to_vec(), or_null(was), b",\"after\":".to_vec(), or_null(is), format!(",\"op\":\"{op}\"}}").into_bytes()].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::collections::BTreeMap;

    fn net(changes: &[(u8, u8, i64)]) -> Vec<(u8, Option<u8>)> {
        let mut upserts = Upserts::default();
        for (key, value, diff) in changes {
            upserts.frames.push(&Frame { key: Some(&[*key]), value: Some(&[*value]), ..Frame::default() });
            upserts.diffs.push(*diff);
        }
        let mut out = Frames::default();
        upserts.take(&mut out).unwrap();
        out.iter().map(|f| f.unwrap().0).map(|f| (f.key.unwrap()[0], f.value.map(|v| v[0]))).collect()
    }

    #[test]
    fn a_key_has_one_message_whatever_the_order_of_its_changes() {
        assert_eq!(net(&[(1, 5, -1), (1, 6, 1), (2, 7, 1)]), [(1, Some(6)), (2, Some(7))]);
        assert_eq!(net(&[(1, 6, 1), (1, 5, -1)]), [(1, Some(6))]);
        assert_eq!(net(&[(1, 5, -1)]), [(1, None)]);
        assert_eq!(net(&[(1, 5, 1), (1, 5, -1)]), [], "it came and went");
        assert_eq!(net(&[(1, 5, -1), (1, 6, 1), (1, 6, -1)]), [(1, None)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Tables that change: applying the messages to the table before gives the table after, in any order of the changes.
        #[test]
        fn messages_lead_from_one_table_to_the_next(
            before in vec((0u8..4, 0u8..3), 0..4), after in vec((0u8..4, 0u8..3), 0..4), seed in any::<u64>(),
        ) {
            let (before, after): (BTreeMap<u8, u8>, BTreeMap<u8, u8>) = (before.into_iter().collect(), after.into_iter().collect());
            let mut changes: Vec<_> = before.iter().map(|(k, v)| (*k, *v, -1)).chain(after.iter().map(|(k, v)| (*k, *v, 1))).collect();
            let mut state = seed;
            changes.sort_by_cached_key(|_| { state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); state >> 33 });
            let mut table = before.clone();
            let messages = net(&changes);
            for (key, value) in &messages {
                match value {
                    Some(value) => table.insert(*key, *value),
                    None => table.remove(key),
                };
            }
            prop_assert_eq!(&table, &after);
            let changed = (0..4).filter(|k| before.get(k) != after.get(k)).count();
            prop_assert_eq!(messages.len(), changed, "one message for each key that changed");
        }
    }
}
