//! Calls over rows that can be taken back which need the values themselves: `distinct`, and all of DataFusion's functions that cannot subtract.
//!
//! Every group has its different values and how often each is there. `distinct` counts, sums and averages are told when a value comes or goes, and
//! cost as much as what changed. For the others a result is computed from all values of the group, in the order that the call says and among equals by
//! the values themselves (nulls last): never in the order in which rows came, which is not known once one has been taken back. Its cost follows the
//! group's values.

use super::{Accumulate, CallInput, Evaluated, Kind};
use crate::aggregate::keys::{KeyLayout, KeyRows, KeyTable};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, StructArray, UInt32Array, new_null_array},
    buffer::{BooleanBuffer, OffsetBuffer, ScalarBuffer},
    compute::{SortOptions, filter, take},
    datatypes::{DataType, Field, FieldRef, Fields, Int64Type},
    error::ArrowError,
    row::{RowConverter, SortField},
};
use datafusion_common::DataFusionError;
use std::{mem::size_of, sync::Arc};

/// What is computed from the values.
pub(super) struct CountedPlan {
    inner: Kind,
    /// Of the arguments, then of the columns to order by.
    types: Vec<DataType>,
    /// A group and a value are a key.
    layout: Arc<KeyLayout>,
    way: Way,
}

enum Way {
    /// The inner accumulator is told when a value comes or goes.
    Distinct,
    /// The inner accumulator is fed anew for every reading.
    Replayed {
        /// A value counts once, however often it is there.
        distinct: bool,
        /// How many columns it is fed.
        fed: usize,
        /// The order of a group's values: by the columns to order by, then by the arguments.
        order: RowConverter,
        /// The columns in that order.
        by: Vec<usize>,
    },
}

impl CountedPlan {
    /// Of a function that can subtract.
    pub(super) fn distinct(inner: Kind, types: Vec<DataType>, arguments: usize) -> Result<Self, ArrowError> {
        let types = types[..arguments].to_vec();
        Ok(CountedPlan { inner, layout: layout_of(&types)?, types, way: Way::Distinct })
    }

    /// Of one that cannot.
    pub(super) fn replayed(
        inner: Kind,
        function: &str,
        types: Vec<DataType>,
        arguments: usize,
        distinct: bool,
        sort: Vec<SortOptions>,
    ) -> Result<Self, ArrowError> {
        let fed = if matches!(function, "first_value" | "last_value") { types.len() } else { arguments };
        let by: Vec<usize> = (arguments..types.len()).chain(0..arguments).collect();
        let last = SortOptions { descending: false, nulls_first: false };
        let options = sort.into_iter().chain(std::iter::repeat(last));
        let fields = by.iter().zip(options).map(|(&c, options)| SortField::new_with_options(types[c].clone(), options));
        let order = RowConverter::new(fields.collect())?;
        Ok(CountedPlan { inner, layout: layout_of(&types)?, types, way: Way::Replayed { distinct, fed, order, by } })
    }

    fn fields(&self) -> Fields {
        let columns = self.types.iter().enumerate().map(|(i, t)| Field::new(format!("c{i}"), t.clone(), true));
        columns.chain([Field::new("times", DataType::Int64, false)]).collect()
    }

    fn item(&self) -> FieldRef {
        Arc::new(Field::new_list_field(DataType::Struct(self.fields()), true))
    }

    pub(super) fn state_type(&self) -> DataType {
        DataType::List(self.item())
    }
}

fn layout_of(types: &[DataType]) -> Result<Arc<KeyLayout>, ArrowError> {
    KeyLayout::new(std::iter::once(DataType::UInt32).chain(types.iter().cloned()).collect())
}

/// Ends a chain.
const NONE: u32 = u32::MAX;

/// A value of a group.
#[derive(Debug, Clone, Copy)]
struct Value {
    times: i64,
    next: u32,
    before: u32,
}

const NEW: Value = Value { times: 0, next: NONE, before: NONE };

/// See the module.
pub(super) struct Counted {
    plan: Arc<CountedPlan>,
    inner: Box<dyn Accumulate>,
    keys: KeyTable,
    /// By number in `keys`.
    values: Vec<Value>,
    /// By group: the first of its values.
    heads: Vec<u32>,
    rows: KeyRows,
    ids: Vec<u32>,
}

impl Counted {
    pub(super) fn new(plan: Arc<CountedPlan>) -> Result<Self, DataFusionError> {
        Ok(Counted {
            inner: plan.inner.accumulator()?,
            keys: KeyTable::new(&plan.layout),
            values: Vec::new(),
            heads: Vec::new(),
            rows: KeyRows::default(),
            ids: Vec::new(),
            plan,
        })
    }

    /// Takes values that all count.
    fn add(&mut self, columns: &[ArrayRef], groups: &[u32], diff: impl Fn(usize) -> i64, bound: usize) -> Result<(), DataFusionError> {
        self.heads.resize(bound.max(self.heads.len()), NONE);
        let owners: ArrayRef = Arc::new(UInt32Array::from(groups.to_vec()));
        let key: Vec<ArrayRef> = std::iter::once(owners).chain(columns[..self.plan.types.len()].iter().cloned()).collect();
        self.plan.layout.prepare(&key, groups.len(), &mut self.rows)?;
        self.ids.clear();
        self.keys.intern(&self.rows, 0..groups.len(), &mut self.ids);
        self.values.resize(self.keys.bound().max(self.values.len()), NEW);
        // Rows with which a value comes to be there, or ceases to.
        let (mut turns, mut signs) = (Vec::new(), Vec::new());
        let mut zeros = Vec::new();
        let ids = std::mem::take(&mut self.ids);
        for (row, &id) in ids.iter().enumerate() {
            let value = &mut self.values[id as usize];
            let before = value.times;
            value.times = before.saturating_add(diff(row));
            let after = value.times;
            if (before > 0) != (after > 0) {
                turns.push(row as u32);
                signs.push(if after > 0 { 1 } else { -1 });
            }
            if before == 0 && after != 0 {
                self.link(id, groups[row]);
            }
            if after == 0 {
                zeros.push((id, groups[row]));
            }
        }
        self.ids = ids;
        for (id, group) in zeros {
            // It may be there again, or be gone already.
            if self.values[id as usize].times == 0 {
                self.let_go(id, group);
            }
        }
        if matches!(self.plan.way, Way::Distinct) {
            let rows = UInt32Array::from(turns);
            let owners: Vec<u32> = rows.values().iter().map(|&row| groups[row as usize]).collect();
            let columns = columns.iter().map(|c| take(c, &rows, None)).collect::<Result<_, _>>()?;
            self.inner.update(&CallInput { columns, mask: None, diffs: Some(signs.into()) }, &owners, bound)?;
        }
        Ok(())
    }

    /// Puts a value into its group's chain, unless it is there.
    fn link(&mut self, id: u32, group: u32) {
        let head = self.heads[group as usize];
        let value = self.values[id as usize];
        if value.next != NONE || value.before != NONE || head == id {
            return;
        }
        self.values[id as usize].next = head;
        if head != NONE {
            self.values[head as usize].before = id;
        }
        self.heads[group as usize] = id;
    }

    /// Takes a value out of its group's chain, and forgets it.
    fn let_go(&mut self, id: u32, group: u32) {
        let Value { next, before, .. } = self.values[id as usize];
        if next != NONE {
            self.values[next as usize].before = before;
        }
        if before != NONE {
            self.values[before as usize].next = next;
        } else if self.heads[group as usize] == id {
            self.heads[group as usize] = next;
        } else {
            return;
        }
        self.values[id as usize] = NEW;
        self.keys.remove(id);
    }

    /// The values of groups, group after group, and where each group's begin.
    fn of_groups(&self, groups: &[u32]) -> Result<(Vec<u32>, Vec<i32>), ArrowError> {
        let (mut ids, mut starts) = (Vec::new(), vec![0]);
        for &group in groups {
            let mut id = self.heads.get(group as usize).copied().unwrap_or(NONE);
            while id != NONE {
                ids.push(id);
                id = self.values[id as usize].next;
            }
            starts.push(i32::try_from(ids.len()).map_err(|_| ArrowError::ComputeError("more values than a list holds".into()))?);
        }
        Ok((ids, starts))
    }
}

impl Accumulate for Counted {
    fn update(&mut self, input: &CallInput, groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        match &input.mask {
            None => self.add(&input.columns, groups, |row| input.diff(row), bound),
            Some(mask) => {
                let rows: Vec<usize> = mask.set_indices().collect();
                let own: Vec<u32> = rows.iter().map(|&row| groups[row]).collect();
                let mask = BooleanArray::new(mask.clone(), None);
                let columns = input.columns.iter().map(|c| filter(c, &mask)).collect::<Result<Vec<_>, _>>()?;
                self.add(&columns, &own, |row| input.diff(rows[row]), bound)
            }
        }
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        let lists = states[0].as_list::<i32>();
        let offsets = lists.value_offsets();
        let owners = (0..lists.len()).flat_map(|i| std::iter::repeat_n(groups[i], (offsets[i + 1] - offsets[i]) as usize));
        let (first, last) = (offsets[0] as usize, offsets[lists.len()] as usize);
        let rows = lists.values().slice(first, last - first);
        let Some((times, columns)) = rows.as_struct().columns().split_last() else {
            return Err(DataFusionError::Internal("values without how often they are there".into()));
        };
        let times = times.as_primitive::<Int64Type>().values();
        self.add(columns, &owners.collect::<Vec<_>>(), |row| times[row], bound)
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>, DataFusionError> {
        let (ids, starts) = self.of_groups(groups)?;
        let mut columns = self.keys.columns(&ids)?;
        columns.remove(0);
        columns.push(Arc::new(Int64Array::from_iter_values(ids.iter().map(|&id| self.values[id as usize].times))));
        let rows = StructArray::try_new_with_length(self.plan.fields(), columns, None, ids.len())?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(starts));
        Ok(vec![Arc::new(ListArray::try_new(self.plan.item(), offsets, Arc::new(rows), None)?)])
    }

    fn evaluate(&mut self, groups: &[u32]) -> Result<Evaluated, DataFusionError> {
        let Way::Replayed { distinct, fed, order, by } = &self.plan.way else { return self.inner.evaluate(groups) };
        let (ids, starts) = self.of_groups(groups)?;
        let mut columns = self.keys.columns(&ids)?;
        columns.remove(0);
        let sorted = order.convert_columns(&by.iter().map(|&c| columns[c].clone()).collect::<Vec<_>>())?;
        let (mut rows, mut owners, mut empty) = (Vec::new(), Vec::new(), Vec::new());
        for (at, bounds) in starts.windows(2).enumerate() {
            let mut own: Vec<usize> = (bounds[0] as usize..bounds[1] as usize).collect();
            own.sort_unstable_by_key(|&row| sorted.row(row));
            let before = rows.len();
            for row in own {
                let times = self.values[ids[row] as usize].times.max(0);
                let times = if *distinct { times.min(1) } else { times };
                rows.extend(std::iter::repeat_n(row as u32, times as usize));
            }
            owners.extend(std::iter::repeat_n(at as u32, rows.len() - before));
            if rows.len() == before {
                empty.push(at as u32);
            }
        }
        let rows = UInt32Array::from(rows);
        let columns = columns[..*fed].iter().map(|c| take(c, &rows, None)).collect::<Result<_, _>>()?;
        let mut inner = self.plan.inner.accumulator()?;
        inner.update(&CallInput::of(columns), &owners, groups.len())?;
        if !empty.is_empty() {
            // Groups all of whose rows are left out have a result as well.
            let columns = self.plan.types[..*fed].iter().map(|t| new_null_array(t, empty.len())).collect();
            let mask = Some(BooleanBuffer::new_unset(empty.len()));
            inner.update(&CallInput { columns, mask, diffs: None }, &empty, groups.len())?;
        }
        inner.evaluate(&(0..groups.len() as u32).collect::<Vec<_>>())
    }

    fn forget(&mut self, group: u32) {
        let mut id = self.heads.get(group as usize).copied().unwrap_or(NONE);
        while id != NONE {
            let next = self.values[id as usize].next;
            self.values[id as usize] = NEW;
            self.keys.remove(id);
            id = next;
        }
        if let Some(head) = self.heads.get_mut(group as usize) {
            *head = NONE;
        }
        self.inner.forget(group);
    }

    fn bytes(&self) -> usize {
        self.keys.bytes() + self.values.capacity() * size_of::<Value>() + self.heads.capacity() * 4 + self.inner.bytes()
    }
}
