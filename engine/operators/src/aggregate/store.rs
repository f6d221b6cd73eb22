//! Rows of columns by group: what a group's newest row is can be replaced, read and forgotten.
//!
//! A replacement appends and leaves the old row dead. Chunks of similar size are put together, so that there are few; when most rows are
//! dead, all are rewritten.

use arrow::{
    array::{Array, ArrayRef, UInt64Array, new_null_array},
    compute::{concat, interleave, take},
    datatypes::DataType,
    error::ArrowError,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct RowStore {
    types: Vec<DataType>,
    chunks: Vec<Chunk>,
    /// By group: the number of its row, from 1; 0 for none.
    place: Vec<u32>,
    live: usize,
}

#[derive(Debug)]
struct Chunk {
    first: u32,
    rows: u32,
    columns: Vec<ArrayRef>,
}

/// The store is rewritten when it has this many rows and more than half of them are dead.
const REWRITE_MIN_ROWS: usize = 1024;

impl RowStore {
    pub(crate) fn new(types: Vec<DataType>) -> Self {
        RowStore { types, chunks: Vec::new(), place: Vec::new(), live: 0 }
    }

    pub(crate) fn has(&self, group: u32) -> bool {
        self.place.get(group as usize).is_some_and(|&p| p != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.live == 0
    }

    pub(crate) fn forget(&mut self, group: u32) {
        if let Some(place) = self.place.get_mut(group as usize).filter(|p| **p != 0) {
            *place = 0;
            self.live -= 1;
        }
    }

    fn rows(&self) -> usize {
        self.chunks.last().map_or(0, |c| (c.first + c.rows) as usize)
    }

    /// One row for each group, in their order; groups are distinct.
    pub(crate) fn put(&mut self, groups: &[u32], columns: Vec<ArrayRef>) -> Result<(), ArrowError> {
        let Some(&highest) = groups.iter().max() else { return Ok(()) };
        if self.place.len() <= highest as usize {
            self.place.resize(highest as usize + 1, 0);
        }
        let first = self.rows() as u32;
        for (i, &group) in groups.iter().enumerate() {
            let place = &mut self.place[group as usize];
            self.live += usize::from(*place == 0);
            *place = first + i as u32 + 1;
        }
        self.chunks.push(Chunk { first, rows: groups.len() as u32, columns });
        while let [.., before, last] = self.chunks.as_slice() {
            if last.rows * 2 < before.rows {
                break;
            }
            let both = before.columns.iter().zip(&last.columns).map(|(a, b)| concat(&[a, b])).collect::<Result<_, _>>()?;
            let joined = Chunk { first: before.first, rows: before.rows + last.rows, columns: both };
            self.chunks.truncate(self.chunks.len() - 2);
            self.chunks.push(joined);
        }
        if self.rows() >= REWRITE_MIN_ROWS && self.live * 2 < self.rows() { self.rewrite() } else { Ok(()) }
    }

    fn rewrite(&mut self) -> Result<(), ArrowError> {
        let groups: Vec<u32> = (0..self.place.len() as u32).filter(|&g| self.has(g)).collect();
        let columns = self.get(&groups)?;
        self.chunks.clear();
        for (i, &group) in groups.iter().enumerate() {
            self.place[group as usize] = i as u32 + 1;
        }
        self.chunks.push(Chunk { first: 0, rows: groups.len() as u32, columns });
        Ok(())
    }

    /// The rows of groups; nulls for a group that has none.
    pub(crate) fn get(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let place = |group: u32| self.place.get(group as usize).copied().unwrap_or(0);
        if let [chunk] = self.chunks.as_slice() {
            let rows: UInt64Array = groups.iter().map(|&g| place(g).checked_sub(1).map(u64::from)).collect();
            return chunk.columns.iter().map(|c| take(c, &rows, None)).collect();
        }
        let at = groups.iter().map(|&g| match place(g).checked_sub(1) {
            None => (0, 0),
            Some(row) => {
                let chunk = self.chunks.partition_point(|c| c.first <= row) - 1;
                (chunk + 1, (row - self.chunks[chunk].first) as usize)
            }
        });
        let at: Vec<(usize, usize)> = at.collect();
        let columns = self.types.iter().enumerate().map(|(i, data_type)| {
            let nothing = new_null_array(data_type, 1);
            let parts: Vec<&dyn Array> =
                std::iter::once(nothing.as_ref()).chain(self.chunks.iter().map(|c| c.columns[i].as_ref())).collect();
            interleave(&parts, &at)
        });
        columns.collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.place.len() * 4 + self.chunks.iter().flat_map(|c| &c.columns).map(|c| c.get_array_memory_size()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::{
        array::{AsArray, Int64Array},
        datatypes::Int64Type,
    };
    use proptest::prelude::*;
    use std::{collections::BTreeMap, sync::Arc};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_holds_what_a_map_holds(
            steps in proptest::collection::vec((proptest::collection::btree_set(0..600u32, 1..200), any::<bool>()), 1..20),
        ) {
            let mut store = RowStore::new(vec![DataType::Int64]);
            let mut map = BTreeMap::new();
            for (n, (groups, forget)) in steps.into_iter().enumerate() {
                let groups: Vec<u32> = groups.into_iter().collect();
                if forget {
                    groups.iter().for_each(|&g| { store.forget(g); map.remove(&g); });
                } else {
                    let values: Vec<i64> = groups.iter().map(|&g| i64::from(g) * 1000 + n as i64).collect();
                    map.extend(groups.iter().copied().zip(values.iter().copied()));
                    store.put(&groups, vec![Arc::new(Int64Array::from(values))]).unwrap();
                }
                let all: Vec<u32> = (0..620).rev().collect();
                let found = store.get(&all).unwrap();
                let found = found[0].as_primitive::<Int64Type>().iter().collect::<Vec<_>>();
                prop_assert_eq!(found, all.iter().map(|g| map.get(g).copied()).collect::<Vec<_>>());
                prop_assert_eq!(store.is_empty(), map.is_empty());
            }
        }
    }
}
