//! Rows that are kept, in columns: chunks as they came, found by number.
//!
//! A row that is let go stays where it is, dead, until most rows are; then those that live are written anew. Small chunks that follow each other become
//! one, so that there are never many.

use super::order::{RowAt, same_types};
use arrow::{
    array::{Array, ArrayRef, UInt32Array, new_empty_array},
    compute::{concat, interleave, take},
    datatypes::DataType,
    error::ArrowError,
};
use std::collections::HashMap;

/// See the module.
#[derive(Debug)]
pub(crate) struct Rows {
    types: Vec<DataType>,
    chunks: Vec<Chunk>,
}

#[derive(Debug)]
struct Chunk {
    /// The number of its first row.
    first: u32,
    rows: u32,
    columns: Vec<ArrayRef>,
}

/// Chunks of fewer rows are put together.
const CHUNK_ROWS: u32 = 8192;
/// Rows are written anew in chunks of this many.
const REWRITE_ROWS: usize = 65_536;

impl Rows {
    pub(crate) fn new(types: Vec<DataType>) -> Self {
        Rows { types, chunks: Vec::new() }
    }

    /// How many rows there are, dead or not.
    pub(crate) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |c| (c.first + c.rows) as usize)
    }

    /// Adds a chunk; the number of its first row.
    pub(crate) fn push(&mut self, columns: Vec<ArrayRef>, rows: usize) -> Result<u32, ArrowError> {
        same_types(&columns, &self.types)?;
        let first = self.len();
        let fits = u32::try_from(first + rows).is_ok();
        if !fits {
            return Err(ArrowError::ComputeError("one worker cannot rank more than 4,294,967,295 rows at once: use more workers".into()));
        }
        self.chunks.push(Chunk { first: first as u32, rows: rows as u32, columns });
        Ok(first as u32)
    }

    /// Takes all rows away.
    pub(crate) fn clear(&mut self) {
        self.chunks.clear();
    }

    /// Takes the last chunk away.
    pub(crate) fn pop(&mut self) {
        self.chunks.pop();
    }

    /// Leaves of the last chunk only the rows (counted in it) that are kept.
    pub(crate) fn narrow_last(&mut self, kept: Vec<u32>) -> Result<(), ArrowError> {
        let Some(chunk) = self.chunks.last_mut() else { return Ok(()) };
        chunk.rows = kept.len() as u32;
        let kept = UInt32Array::from(kept);
        chunk.columns = chunk.columns.iter().map(|c| take(c, &kept, None)).collect::<Result<_, _>>()?;
        if chunk.rows == 0 {
            self.chunks.pop();
        }
        Ok(())
    }

    /// Puts the last chunks together as long as they are small.
    pub(crate) fn tidy(&mut self) -> Result<(), ArrowError> {
        while let [.., before, last] = self.chunks.as_slice() {
            if last.rows * 2 < before.rows || before.rows + last.rows > CHUNK_ROWS {
                break;
            }
            let both = before.columns.iter().zip(&last.columns).map(|(a, b)| concat(&[a, b])).collect::<Result<_, _>>()?;
            let joined = Chunk { first: before.first, rows: before.rows + last.rows, columns: both };
            self.chunks.truncate(self.chunks.len() - 2);
            self.chunks.push(joined);
        }
        Ok(())
    }

    fn chunk_of(&self, row: u32) -> usize {
        self.chunks.partition_point(|c| c.first <= row) - 1
    }

    /// A row.
    pub(crate) fn at(&self, row: u32) -> RowAt<'_> {
        let chunk = &self.chunks[self.chunk_of(row)];
        RowAt { columns: &chunk.columns, row: (row - chunk.first) as usize }
    }

    /// Columns for rows, in their order.
    pub(crate) fn gather(&self, rows: &[u32], columns: &[usize]) -> Result<Vec<ArrayRef>, ArrowError> {
        gather(&self.types, rows.iter().map(|&row| (self, row)), columns)
    }

    /// Writes anew: only these rows, numbered from 0 in their order.
    pub(crate) fn rewrite(&mut self, rows: &[u32]) -> Result<(), ArrowError> {
        let all: Vec<usize> = (0..self.types.len()).collect();
        let mut chunks = Vec::with_capacity(rows.len().div_ceil(REWRITE_ROWS));
        for part in rows.chunks(REWRITE_ROWS) {
            let first = chunks.last().map_or(0, |c: &Chunk| c.first + c.rows);
            chunks.push(Chunk { first, rows: part.len() as u32, columns: self.gather(part, &all)? });
        }
        self.chunks = chunks;
        Ok(())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.chunks.iter().flat_map(|c| &c.columns).map(|c| c.get_array_memory_size()).sum()
    }
}

/// Columns for rows of several stores of the same types, in their order.
pub(crate) fn gather<'a>(
    types: &[DataType],
    rows: impl Iterator<Item = (&'a Rows, u32)>,
    columns: &[usize],
) -> Result<Vec<ArrayRef>, ArrowError> {
    // Only the chunks that are needed, since there can be many.
    let mut chunks: Vec<&Chunk> = Vec::new();
    let mut known: HashMap<(*const Rows, usize), usize, ahash::RandomState> = HashMap::default();
    let mut last: Option<(*const Rows, usize)> = None;
    let places: Vec<(usize, usize)> = rows
        .map(|(store, row)| {
            // Neighbours in the result are often neighbours in a chunk.
            if let Some((of, place)) = last
                && std::ptr::eq(of, store)
                && let Some(at) = row.checked_sub(chunks[place].first).filter(|&at| at < chunks[place].rows)
            {
                return (place, at as usize);
            }
            let at = store.chunk_of(row);
            let place = *known.entry((std::ptr::from_ref(store), at)).or_insert_with(|| {
                chunks.push(&store.chunks[at]);
                chunks.len() - 1
            });
            last = Some((std::ptr::from_ref(store), place));
            (place, (row - chunks[place].first) as usize)
        })
        .collect();
    match chunks.as_slice() {
        [] => Ok(columns.iter().map(|&c| new_empty_array(&types[c])).collect()),
        [only] => {
            let rows: UInt32Array = places.iter().map(|p| p.1 as u32).collect::<Vec<_>>().into();
            columns.iter().map(|&c| take(&only.columns[c], &rows, None)).collect()
        }
        _ => columns
            .iter()
            .map(|&c| {
                let parts: Vec<&dyn Array> = chunks.iter().map(|chunk| chunk.columns[c].as_ref()).collect();
                interleave(&parts, &places)
            })
            .collect(),
    }
}
