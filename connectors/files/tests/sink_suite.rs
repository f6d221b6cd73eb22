//! What every sink of files owes: nothing is there before it is complete, nothing is left of what is not, and what was there stays until then.

use crate::support::names_below;
use arrow::record_batch::RecordBatch;
use runink_connector_api::{Share, Sink};
use std::{path::Path, sync::Arc};

/// Writes batches with so many writers, each getting its share, and completes them.
pub(crate) fn write(sink: &dyn Sink, peers: usize, batches: &[RecordBatch]) -> u64 {
    let mut writers: Vec<_> = (0..peers).map(|index| sink.writer(Share { index, peers }).unwrap()).collect();
    for (i, batch) in batches.iter().enumerate() {
        let writer = &mut writers[i % peers];
        writer.write(batch, None).unwrap();
        writer.flush().unwrap();
    }
    writers.into_iter().map(|w| w.finish().unwrap().rows).sum()
}

/// Checks a sink that `open` opens anew, in an empty folder; `peers` writers. Ends with the output of `batches` in place.
pub(crate) fn check(dir: &Path, peers: usize, batches: &[RecordBatch], open: impl Fn() -> Arc<dyn Sink>) {
    let visible =
        || names_below(dir).into_iter().filter(|n| !n.ends_with('/') && !n.contains("/.") && !n.starts_with('.')).collect::<Vec<_>>();
    let files = || names_below(dir).into_iter().filter(|n| !n.ends_with('/')).collect::<Vec<_>>();

    // Given up before the end: no trace.
    {
        let sink = open();
        let mut writers: Vec<_> = (0..peers).map(|index| sink.writer(Share { index, peers }).unwrap()).collect();
        for (i, batch) in batches.iter().enumerate() {
            writers[i % peers].write(batch, None).unwrap();
            writers[i % peers].flush().unwrap();
        }
        assert_eq!(visible(), [""; 0], "shown before it is complete");
        // All but one complete is not complete.
        for writer in writers.drain(1..) {
            writer.finish().unwrap();
        }
        assert_eq!(visible(), [""; 0], "shown before it is complete");
    }
    assert_eq!(files(), [""; 0], "left behind");

    let expected: u64 = batches.iter().map(|b| b.num_rows() as u64).sum();
    assert_eq!(write(open().as_ref(), peers, batches), expected);
    let complete = visible();
    assert_eq!(files(), complete, "hidden files are left");
    let contents = |names: &[String]| names.iter().map(|n| std::fs::read(dir.join(n)).unwrap()).collect::<Vec<_>>();
    let before = contents(&complete);

    // Given up the second time: what was there is still there.
    {
        let sink = open();
        let mut writers: Vec<_> = (0..peers).map(|index| sink.writer(Share { index, peers }).unwrap()).collect();
        writers[0].write(&batches[0].slice(0, 1), None).unwrap();
    }
    assert_eq!(files(), complete);
    assert_eq!(contents(&complete), before);

    // Less the second time: nothing of the first time is left.
    assert_eq!(write(open().as_ref(), peers, &[batches[0].slice(0, 1)]), 1);
    assert!(visible().len() <= complete.len());
    assert_ne!(contents(&visible()), before);

    assert_eq!(write(open().as_ref(), peers, batches), expected);
    assert_eq!(visible(), complete);
    assert_eq!(contents(&complete), before, "the same rows make the same bytes");
}
