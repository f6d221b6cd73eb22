//! What every source owes, whatever it reads.

use crate::support::rows;
use runink_connector_api::{Ordinal, Poll, Positions, Share, Source};
use std::collections::BTreeMap;

/// Everything that a source gave, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    /// By (place in the order, origin, position): the row as text, or why it was rejected.
    pub(crate) rows: BTreeMap<(Ordinal, String, u64), Result<String, String>>,
    pub(crate) bytes: u64,
}

impl Read {
    /// The good rows, in order.
    pub(crate) fn good(&self) -> Vec<&str> {
        self.rows.values().filter_map(|r| r.as_deref().ok()).collect()
    }

    /// (position, message) of the others.
    pub(crate) fn rejected(&self) -> Vec<(u64, &str)> {
        self.rows.iter().filter_map(|((_, _, at), r)| r.as_ref().err().map(|m| (*at, m.as_str()))).collect()
    }
}

/// One worker's share, added to `read`.
fn read_share(source: &dyn Source, share: Share, batch_rows: usize, read: &mut Read) {
    let mut reader = source.reader(share).unwrap();
    let mut last = Ordinal::default();
    loop {
        match reader.poll().unwrap() {
            Poll::Rows(chunk) => {
                assert!(chunk.ordinal >= last, "ordinals go back from {last:?} to {:?}", chunk.ordinal);
                assert!(chunk.batch.num_rows() <= batch_rows, "{} rows in a batch", chunk.batch.num_rows());
                assert!(chunk.partition.0 < source.partitions());
                last = chunk.ordinal;
                read.bytes += chunk.bytes;
                let at = |row: usize| match &chunk.positions {
                    Positions::From(start) => start + row as u64,
                    Positions::Each(each) => each.value(row),
                };
                let good = rows(&chunk.batch).into_iter().enumerate().map(|(i, row)| (at(i), Ok(row)));
                let bad = chunk.rejects.into_iter().map(|r| (r.position, Err(r.message)));
                for (position, row) in good.chain(bad) {
                    let key = (chunk.ordinal, chunk.origin.to_string(), position);
                    assert!(read.rows.insert(key, row).is_none(), "two rows at {position}");
                }
            }
            Poll::Pending { .. } | Poll::Waiting { .. } | Poll::CaughtUp { .. } => {}
            Poll::Watermark { ordinal, .. } => {
                assert!(ordinal >= last);
                last = ordinal;
            }
            Poll::End => break,
        }
    }
    assert!(matches!(reader.poll().unwrap(), Poll::End), "the end is the end");
}

/// Checks a bounded source with several numbers of workers: each gives the same rows at the same places, and every row once.
pub(crate) fn check(source: &dyn Source, batch_rows: usize) -> Read {
    check_with(source, batch_rows, &[2, 3, 7])
}

/// The same with these numbers of workers.
pub(crate) fn check_with(source: &dyn Source, batch_rows: usize, workers: &[usize]) -> Read {
    let mut one = Read::default();
    read_share(source, Share { index: 0, peers: 1 }, batch_rows, &mut one);
    for &peers in workers {
        let mut shared = Read::default();
        for index in 0..peers {
            read_share(source, Share { index, peers }, batch_rows, &mut shared);
        }
        assert_eq!(shared.rows.len(), one.rows.len(), "{peers} workers read another number of rows");
        assert!(shared.rows == one.rows, "{peers} workers read other rows, or at other places");
    }
    one
}
