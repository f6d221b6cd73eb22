//! Calls that must keep rows: `distinct` keeps one of each, `order by` keeps all until it is known in which order they go.
//!
//! The state of a group is the list of its rows, in the order in which they came.

use super::{Accumulate, CallInput, Evaluated, Kind};
use crate::aggregate::keys::{KeyLayout, KeyRows, KeyTable};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, StructArray, UInt32Array, new_empty_array},
    buffer::{OffsetBuffer, ScalarBuffer},
    compute::{SortColumn, SortOptions, concat, filter, lexsort_to_indices, take},
    datatypes::{DataType, Field, FieldRef, Fields},
    error::ArrowError,
};
use datafusion_common::DataFusionError;
use std::sync::Arc;

/// What is retained, and for whom.
pub(super) struct RetainedPlan {
    inner: Kind,
    /// Of the arguments, then of the columns to order by.
    types: Vec<DataType>,
    arguments: usize,
    /// How group and arguments together are a key.
    distinct: Option<Arc<KeyLayout>>,
    sort: Vec<SortOptions>,
}

impl RetainedPlan {
    pub(super) fn new(
        inner: Kind,
        types: Vec<DataType>,
        arguments: usize,
        distinct: bool,
        sort: Vec<SortOptions>,
    ) -> Result<Self, ArrowError> {
        let key = || KeyLayout::new(std::iter::once(DataType::UInt32).chain(types[..arguments].iter().cloned()).collect());
        Ok(RetainedPlan { distinct: distinct.then(key).transpose()?, inner, types, arguments, sort })
    }

    fn fields(&self) -> Fields {
        self.types.iter().enumerate().map(|(i, t)| Field::new(format!("c{i}"), t.clone(), true)).collect()
    }

    fn item(&self) -> FieldRef {
        Arc::new(Field::new_list_field(DataType::Struct(self.fields()), true))
    }

    pub(super) fn state_type(&self) -> DataType {
        DataType::List(self.item())
    }
}

/// A group's rows as a linked list of row numbers, from 1; 0 ends it.
#[derive(Debug, Clone, Copy, Default)]
struct Chain {
    head: u32,
    tail: u32,
    /// Tells a group from one that had its number before.
    life: u32,
}

/// Rows are rewritten when there are this many and more than half of them are of forgotten groups.
const REWRITE_MIN_ROWS: usize = 1024;

/// See the module.
pub(super) struct Retained {
    plan: Arc<RetainedPlan>,
    /// Fed as rows come where their order does not matter; else made anew for every reading.
    inner: Box<dyn Accumulate>,
    chains: Vec<Chain>,
    lives: u32,
    /// By row: the next one of its group.
    next: Vec<u32>,
    /// How many rows are of groups that were forgotten.
    dead: usize,
    /// One array per column, once they are put together.
    columns: Vec<ArrayRef>,
    pending: Vec<Vec<ArrayRef>>,
    seen: Option<KeyTable>,
}

impl Retained {
    pub(super) fn new(plan: Arc<RetainedPlan>) -> Result<Self, DataFusionError> {
        Ok(Retained {
            inner: plan.inner.accumulator()?,
            chains: Vec::new(),
            lives: 0,
            next: Vec::new(),
            dead: 0,
            columns: plan.types.iter().map(new_empty_array).collect(),
            pending: Vec::new(),
            seen: plan.distinct.as_ref().map(KeyTable::new),
            plan,
        })
    }

    fn grow(&mut self, bound: usize) {
        while self.chains.len() < bound {
            self.lives += 1;
            self.chains.push(Chain { life: self.lives, ..Chain::default() });
        }
    }

    /// Takes rows that all count.
    fn add(&mut self, columns: Vec<ArrayRef>, groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        if self.next.len() >= REWRITE_MIN_ROWS && self.dead * 2 > self.next.len() {
            self.rewrite()?;
        }
        let (columns, groups) = self.new_ones(columns, groups)?;
        self.link(&groups);
        if self.plan.sort.is_empty() {
            self.inner.update(&CallInput::of(columns.clone()), &groups, bound)?;
        }
        if !groups.is_empty() {
            self.pending.push(columns);
        }
        Ok(())
    }

    /// The next rows are those of these groups.
    fn link(&mut self, groups: &[u32]) {
        for &group in groups {
            self.next.push(0);
            let row = self.next.len() as u32;
            let chain = &mut self.chains[group as usize];
            match chain.tail {
                0 => chain.head = row,
                tail => self.next[tail as usize - 1] = row,
            }
            chain.tail = row;
        }
    }

    /// Lets go of the rows of forgotten groups.
    fn rewrite(&mut self) -> Result<(), DataFusionError> {
        let groups: Vec<u32> = (0..self.chains.len() as u32).filter(|&g| self.chains[g as usize].head != 0).collect();
        let (columns, starts) = self.rows_of(&groups)?;
        let each: Vec<u32> =
            groups.iter().zip(starts.windows(2)).flat_map(|(&g, w)| std::iter::repeat_n(g, (w[1] - w[0]) as usize)).collect();
        groups.iter().for_each(|&g| (self.chains[g as usize].head, self.chains[g as usize].tail) = (0, 0));
        self.next.clear();
        self.dead = 0;
        self.seen = self.plan.distinct.as_ref().map(KeyTable::new);
        let (columns, each) = self.new_ones(columns, &each)?;
        self.link(&each);
        self.columns = columns;
        Ok(())
    }

    /// For `distinct`: the rows whose arguments their group has not had yet.
    fn new_ones(&mut self, columns: Vec<ArrayRef>, groups: &[u32]) -> Result<(Vec<ArrayRef>, Vec<u32>), DataFusionError> {
        let (Some(seen), Some(layout)) = (&mut self.seen, &self.plan.distinct) else { return Ok((columns, groups.to_vec())) };
        let lives: ArrayRef = Arc::new(UInt32Array::from_iter_values(groups.iter().map(|&g| self.chains[g as usize].life)));
        let key: Vec<ArrayRef> = std::iter::once(lives).chain(columns[..self.plan.arguments].iter().cloned()).collect();
        let mut rows = KeyRows::default();
        layout.prepare(&key, groups.len(), &mut rows)?;
        let (mut known, mut ids) = (seen.bound() as u32, Vec::with_capacity(groups.len()));
        seen.intern(&rows, 0..groups.len(), &mut ids);
        let is_new: Vec<bool> = ids
            .iter()
            .map(|&id| {
                let new = id >= known;
                known += u32::from(new);
                new
            })
            .collect();
        let kept = groups.iter().zip(&is_new).filter(|(_, new)| **new).map(|(&g, _)| g).collect();
        let mask = BooleanArray::from(is_new);
        Ok((columns.iter().map(|c| filter(c, &mask)).collect::<Result<_, _>>()?, kept))
    }

    /// The rows of groups, group after group, and where each group's begin.
    fn rows_of(&mut self, groups: &[u32]) -> Result<(Vec<ArrayRef>, Vec<i32>), ArrowError> {
        for (i, column) in self.columns.iter_mut().enumerate().filter(|_| !self.pending.is_empty()) {
            let parts: Vec<&dyn Array> = std::iter::once(column.as_ref()).chain(self.pending.iter().map(|p| p[i].as_ref())).collect();
            *column = concat(&parts)?;
        }
        self.pending.clear();
        let (mut rows, mut starts) = (Vec::new(), vec![0]);
        for &group in groups {
            let mut row = self.chains.get(group as usize).map_or(0, |c| c.head);
            while row != 0 {
                rows.push(row - 1);
                row = self.next[row as usize - 1];
            }
            starts.push(i32::try_from(rows.len()).map_err(|_| ArrowError::ComputeError("more rows than a list holds".into()))?);
        }
        let rows = UInt32Array::from(rows);
        Ok((self.columns.iter().map(|c| take(c, &rows, None)).collect::<Result<_, _>>()?, starts))
    }
}

impl Accumulate for Retained {
    fn update(&mut self, input: &CallInput, groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.grow(bound);
        if self.plan.sort.is_empty() {
            // Groups all of whose rows are left out exist as well.
            let nothing = self.plan.types.iter().map(new_empty_array).collect();
            self.inner.update(&CallInput::of(nothing), &[], bound)?;
        }
        match &input.mask {
            None => self.add(input.columns.clone(), groups, bound),
            Some(mask) => {
                let groups: Vec<u32> = mask.set_indices().map(|row| groups[row]).collect();
                let mask = BooleanArray::new(mask.clone(), None);
                let columns = input.columns.iter().map(|c| filter(c, &mask)).collect::<Result<_, _>>()?;
                self.add(columns, &groups, bound)
            }
        }
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.grow(bound);
        let lists = states[0].as_list::<i32>();
        let offsets = lists.value_offsets();
        let each = (0..lists.len()).flat_map(|i| std::iter::repeat_n(groups[i], (offsets[i + 1] - offsets[i]) as usize));
        let (first, last) = (offsets[0] as usize, offsets[lists.len()] as usize);
        let rows = lists.values().slice(first, last - first);
        self.add(rows.as_struct().columns().to_vec(), &each.collect::<Vec<_>>(), bound)
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>, DataFusionError> {
        let (columns, starts) = self.rows_of(groups)?;
        let length = starts.last().map_or(0, |&l| l as usize);
        let rows = StructArray::try_new_with_length(self.plan.fields(), columns, None, length)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(starts));
        Ok(vec![Arc::new(ListArray::try_new(self.plan.item(), offsets, Arc::new(rows), None)?)])
    }

    fn evaluate(&mut self, groups: &[u32]) -> Result<Evaluated, DataFusionError> {
        if self.plan.sort.is_empty() {
            return self.inner.evaluate(groups);
        }
        let (columns, starts) = self.rows_of(groups)?;
        let owner: UInt32Array =
            starts.windows(2).enumerate().flat_map(|(i, w)| std::iter::repeat_n(i as u32, (w[1] - w[0]) as usize)).collect();
        // The place breaks ties: rows that are equal in order stay as they came.
        let places: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..owner.len() as u32));
        let by = self.plan.sort.iter().zip(&columns[self.plan.arguments..]).map(|(o, c)| (c.clone(), Some(*o)));
        let by = std::iter::once((Arc::new(owner.clone()) as ArrayRef, None)).chain(by).chain([(places, None)]);
        let order = lexsort_to_indices(&by.map(|(values, options)| SortColumn { values, options }).collect::<Vec<_>>(), None)?;
        let sorted = columns[..self.plan.arguments].iter().map(|c| take(c, &order, None)).collect::<Result<_, _>>()?;
        let mut inner = self.plan.inner.accumulator()?;
        // Rows of one group stand together, so the order of groups is not disturbed by the sort.
        inner.update(&CallInput::of(sorted), owner.values(), groups.len())?;
        let present = groups.iter().enumerate().filter(|(i, _)| starts[*i] != starts[i + 1]);
        let mut missing: Vec<u32> = (0..groups.len() as u32).collect();
        present.for_each(|(i, _)| missing[i] = u32::MAX);
        missing.retain(|&g| g != u32::MAX);
        if !missing.is_empty() {
            let column = |t: &DataType| arrow::array::new_null_array(t, missing.len());
            let nothing = self.plan.types[..self.plan.arguments].iter().map(column).collect();
            let mask = Some(arrow::buffer::BooleanBuffer::new_unset(missing.len()));
            inner.update(&CallInput { columns: nothing, mask, diffs: None }, &missing, groups.len())?;
        }
        inner.evaluate(&(0..groups.len() as u32).collect::<Vec<_>>())
    }

    fn forget(&mut self, group: u32) {
        let mut row = self.chains.get(group as usize).map_or(0, |c| c.head);
        while row != 0 {
            self.dead += 1;
            row = self.next[row as usize - 1];
        }
        self.lives += 1;
        let life = self.lives;
        if let Some(chain) = self.chains.get_mut(group as usize) {
            *chain = Chain { life, ..Chain::default() };
            self.inner.forget(group);
        }
    }

    fn bytes(&self) -> usize {
        let columns = self.columns.iter().chain(self.pending.iter().flatten()).map(|c| c.get_array_memory_size()).sum::<usize>();
        columns + self.next.capacity() * 4 + self.inner.bytes() + self.seen.as_ref().map_or(0, KeyTable::bytes)
    }
}
