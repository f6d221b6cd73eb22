//! Rows that go together: their columns, in chunks of similar size, and where each row's slot is.

use arrow::{
    array::{Array, ArrayRef, UInt32Array},
    compute::{concat, take},
    error::ArrowError,
};

/// No slot, no row.
pub(crate) const NONE: u32 = u32::MAX;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) namespace: i64,
    chunks: Vec<Chunk>,
    /// By row: its slot, or [`NONE`] for a row that was taken out.
    pub(super) slots: Vec<u32>,
    dead: usize,
    /// The moment at which its first row is gone.
    pub(super) first_gone: i64,
    /// Its rows stand in the calendar, one by one.
    pub(super) scheduled: bool,
}

#[derive(Debug)]
struct Chunk {
    first: u32,
    rows: u32,
    columns: Vec<ArrayRef>,
}

/// A bucket is rewritten when it has this many rows and more than half of them were taken out.
const REWRITE_MIN_ROWS: usize = 1024;

impl Bucket {
    pub(super) fn new(namespace: i64) -> Self {
        Bucket { namespace, first_gone: i64::MAX, ..Bucket::default() }
    }

    /// Appends rows; their slots follow in `slots`. Chunks of similar size are put together, so that there are few.
    pub(super) fn append(&mut self, columns: Vec<ArrayRef>, slots: &[u32]) -> Result<(), ArrowError> {
        self.chunks.push(Chunk { first: self.slots.len() as u32, rows: slots.len() as u32, columns });
        self.slots.extend_from_slice(slots);
        let mut joined = self.chunks.len();
        let mut rows = 0;
        while let Some(before) = joined.checked_sub(1).map(|i| &self.chunks[i]) {
            if rows > 0 && rows * 2 < before.rows {
                break;
            }
            rows += before.rows;
            joined -= 1;
        }
        if self.chunks.len() - joined > 1 {
            let parts = &self.chunks[joined..];
            let columns =
                (0..parts[0].columns.len()).map(|c| concat(&parts.iter().map(|p| p.columns[c].as_ref()).collect::<Vec<&dyn Array>>()));
            let chunk = Chunk { first: parts[0].first, rows, columns: columns.collect::<Result<_, _>>()? };
            self.chunks.truncate(joined);
            self.chunks.push(chunk);
        }
        Ok(())
    }

    /// The chunk of a row, and the row's place in it.
    #[inline]
    pub(super) fn locate(&self, row: u32) -> (u32, u32) {
        if self.chunks.len() == 1 {
            return (0, row);
        }
        let chunk = self.chunks.partition_point(|c| c.first <= row) - 1;
        (chunk as u32, row - self.chunks[chunk].first)
    }

    pub(super) fn column(&self, chunk: u32, column: usize) -> &ArrayRef {
        &self.chunks[chunk as usize].columns[column]
    }

    pub(super) fn live(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().copied().filter(|&slot| slot != NONE)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead == self.slots.len()
    }

    /// Takes a row out. Whether the bucket is now worth a rewrite.
    pub(super) fn take_out(&mut self, row: u32) -> bool {
        self.slots[row as usize] = NONE;
        self.dead += 1;
        self.slots.len() >= REWRITE_MIN_ROWS && self.dead * 2 > self.slots.len()
    }

    /// Keeps the rows that are there. Rows get new numbers: their places in `slots`.
    pub(super) fn rewrite(&mut self) -> Result<(), ArrowError> {
        let mut chunks = Vec::new();
        for chunk in &self.chunks {
            let range = chunk.first as usize..(chunk.first + chunk.rows) as usize;
            let kept = self.slots[range].iter().enumerate().filter(|(_, slot)| **slot != NONE).map(|(row, _)| row as u32);
            let kept = kept.collect::<UInt32Array>();
            if !kept.is_empty() {
                chunks.push(chunk.columns.iter().map(|c| take(c, &kept, None)).collect::<Result<Vec<_>, _>>()?);
            }
        }
        self.slots.retain(|&slot| slot != NONE);
        self.dead = 0;
        self.chunks.clear();
        if let Some(first) = chunks.first() {
            let columns = (0..first.len()).map(|c| concat(&chunks.iter().map(|p| p[c].as_ref()).collect::<Vec<&dyn Array>>()));
            let columns = columns.collect::<Result<_, _>>()?;
            self.chunks.push(Chunk { first: 0, rows: self.slots.len() as u32, columns });
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * 4 + self.chunks.iter().flat_map(|c| &c.columns).map(|c| c.get_array_memory_size()).sum::<usize>()
    }
}
