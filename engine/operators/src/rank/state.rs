//! A ranking's state as a checkpoint sees it: one row per row that is kept.
//!
//! `key_group`, `namespace` (the slice's end in µs, 0 without windows); as the key the ranking's keys and `.row`, which tells rows of a key apart; then
//! `.told` (the rank at which the row is to be seen outside; 1 where no rank is asked for, 0 where it is not), `.touched_us` where keys age, and the
//! other columns of the input.

use super::{
    RankOperator, Scope,
    ages::Ages,
    lists::{Lists, Offer},
    order::Lead,
    spec::{Scratch, Spec},
};
use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, Int64Array, UInt16Array},
    compute::{concat_batches, filter_record_batch},
    datatypes::{DataType, Field, FieldRef, Int64Type, Schema, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
};
use runink_checkpoint::{KeyGroups, Namespace, StateChanges, StateError, StateTable};
use std::{collections::BTreeSet, sync::Arc};

/// Captured rows that left their lists.
pub(crate) struct Deleted {
    pub(crate) namespace: i64,
    pub(crate) keys: Vec<ArrayRef>,
    pub(crate) sequences: Vec<i64>,
}

impl Deleted {
    /// Those of some lists, if there are any.
    pub(crate) fn take(lists: &mut Lists, namespace: i64) -> Result<Option<Self>, ArrowError> {
        let left = lists.take_deleted();
        if left.is_empty() {
            return Ok(None);
        }
        let (keys, sequences): (Vec<u32>, Vec<i64>) = left.into_iter().unzip();
        Ok(Some(Deleted { namespace, keys: lists.keys.columns(&keys)?, sequences }))
    }
}

/// What rows of lists look like in a checkpoint.
pub(crate) struct Layout {
    pub(crate) schema: SchemaRef,
    /// The key columns of the input, and the others.
    keys: Vec<usize>,
    pub(crate) others: Vec<usize>,
    ages: bool,
}

impl Layout {
    /// Of rows of `input` under these keys.
    pub(crate) fn of(input: &SchemaRef, keys: &[usize], ages: bool) -> Self {
        let own = |name: &str, data_type: DataType| -> FieldRef { Arc::new(Field::new(name, data_type, false)) };
        let column = |c: &usize| -> FieldRef { Arc::new(input.field(*c).clone().with_nullable(true)) };
        let others: Vec<usize> = (0..input.fields().len()).filter(|c| !keys.contains(c)).collect();
        let mut fields = vec![own("key_group", DataType::UInt16), own("namespace", DataType::Int64)];
        fields.extend(keys.iter().map(column));
        fields.extend([own(".row", DataType::Int64), own(".told", DataType::Int64)]);
        fields.extend(ages.then(|| own(".touched_us", DataType::Int64)));
        fields.extend(others.iter().map(column));
        Layout { schema: Arc::new(Schema::new(fields)), keys: keys.to_vec(), others, ages }
    }

    pub(crate) fn key_columns(&self) -> usize {
        self.keys.len() + 1
    }

    pub(crate) fn sequence_at(&self) -> usize {
        2 + self.keys.len()
    }

    /// What changed in lists since the last capture.
    pub(crate) fn captured(
        &self,
        lists: &mut Lists,
        namespace: i64,
        groups: KeyGroups,
        touched: Option<&dyn Fn(u32) -> i64>,
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let (keys, entries) = lists.take_dirty();
        if keys.is_empty() {
            return Ok(None);
        }
        let ints = |each: &dyn Fn(usize) -> i64| -> ArrayRef { Arc::new((0..keys.len()).map(each).collect::<Int64Array>()) };
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(keys.iter().map(|&key| groups.of_hash(lists.keys.hash(key)).0).collect::<UInt16Array>()),
            Arc::new(Int64Array::from_value(namespace, keys.len())),
        ];
        columns.extend(lists.keys.columns(&keys)?);
        columns.extend([ints(&|i| entries[i].sequence), ints(&|i| i64::from(entries[i].told()))]);
        if let Some(touched) = touched.filter(|_| self.ages) {
            columns.push(ints(&|i| touched(keys[i])));
        }
        let rows: Vec<u32> = entries.iter().map(|e| e.row).collect();
        columns.extend(lists.rows.gather(&rows, &self.others)?);
        RecordBatch::try_new(self.schema.clone(), columns).map(Some)
    }

    /// `namespace`, then the key.
    pub(crate) fn deleted(&self, deleted: Vec<Deleted>) -> Result<Option<RecordBatch>, ArrowError> {
        let schema = Arc::new(Schema::new(self.schema.fields()[1..=self.sequence_at()].to_vec()));
        let batches = deleted.into_iter().map(|part| {
            let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_value(part.namespace, part.sequences.len()))];
            columns.extend(part.keys);
            columns.push(Arc::new(Int64Array::from(part.sequences)));
            RecordBatch::try_new(schema.clone(), columns)
        });
        let batches = batches.collect::<Result<Vec<_>, _>>()?;
        if batches.is_empty() { Ok(None) } else { concat_batches(&schema, &batches).map(Some) }
    }

    /// The namespaces of captured rows.
    pub(crate) fn namespaces(rows: &RecordBatch) -> BTreeSet<i64> {
        rows.column(1).as_primitive::<Int64Type>().values().iter().copied().collect()
    }

    /// The captured rows of a namespace.
    pub(crate) fn of_namespace(rows: &RecordBatch, namespace: i64) -> Result<RecordBatch, ArrowError> {
        let of = rows.column(1).as_primitive::<Int64Type>();
        filter_record_batch(rows, &of.values().iter().map(|&n| Some(n == namespace)).collect::<BooleanArray>())
    }

    /// Captured rows: the columns of the input, the sequences, what was told, and when their keys were touched.
    pub(crate) fn open(&self, rows: &RecordBatch) -> Opened {
        let at = self.sequence_at();
        let ints = |column: usize| rows.column(column).as_primitive::<Int64Type>().values().to_vec();
        let first_other = at + 2 + usize::from(self.ages);
        let mut columns = vec![rows.column(0).clone(); self.keys.len() + self.others.len()];
        for (n, &column) in self.keys.iter().enumerate() {
            columns[column] = rows.column(2 + n).clone();
        }
        for (n, &column) in self.others.iter().enumerate() {
            columns[column] = rows.column(first_other + n).clone();
        }
        Opened {
            columns,
            sequences: ints(at),
            told: ints(at + 1).into_iter().map(|told| u32::try_from(told).unwrap_or(u32::MAX)).collect(),
            touched: if self.ages { ints(at + 2) } else { Vec::new() },
        }
    }

    pub(crate) fn fits(&self, rows: &RecordBatch) -> Result<(), StateError> {
        match rows.schema() == self.schema {
            true => Ok(()),
            false => Err(StateError::Schema(format!("expected {:?}, found {:?}", self.schema, rows.schema()))),
        }
    }
}

/// See [`Layout::open`].
pub(crate) struct Opened {
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) sequences: Vec<i64>,
    pub(crate) told: Vec<u32>,
    pub(crate) touched: Vec<i64>,
}

fn failed(error: impl std::fmt::Display) -> StateError {
    StateError::Operator(error.to_string())
}

/// Takes rows of a namespace in.
fn restore(spec: &Spec, layout: &Layout, lists: &mut Lists, rows: &RecordBatch, ages: Option<&mut Ages>) -> Result<(), StateError> {
    let Opened { columns, sequences, told, touched } = layout.open(rows);
    let mut scratch = Scratch::default();
    // Rows of an epoch before any that comes.
    let lead = if spec.newest_first { Lead::Same(u64::MAX) } else { Lead::None };
    spec.prepare(lists, &columns, rows.num_rows(), lead, &mut scratch).map_err(failed)?;
    let offer: Offer<'_> = scratch.offer(&columns);
    lists.restore(&spec.order, &offer, &sequences, &told)?;
    if !spec.keeps_all {
        lists.restore_thresholds(spec.limit);
    }
    if let Some(ages) = ages {
        for (&key, &at) in scratch.keys.iter().zip(&touched) {
            ages.touch(key, at);
        }
    }
    Ok(())
}

impl StateTable for RankOperator {
    fn schema(&self) -> SchemaRef {
        self.layout().schema
    }

    fn key_columns(&self) -> usize {
        self.layout().key_columns()
    }

    fn capture(&mut self) -> Result<StateChanges, StateError> {
        let layout = self.layout();
        let deleted = layout.deleted(std::mem::take(&mut self.deleted))?;
        let (mut upserted, mut expired) = (Vec::new(), None);
        match &mut self.scope {
            Scope::AllTime(all) => {
                let ages = all.ages.as_ref();
                let touched = |key: u32| ages.map_or(0, |ages| ages.touched_at(key));
                upserted.extend(layout.captured(&mut all.lists, 0, self.spec.groups, Some(&touched))?);
            }
            Scope::Panes(panes) => {
                expired = panes.expired_to.take();
                for (&end, pane) in &mut panes.panes {
                    upserted.extend(layout.captured(pane, end, self.spec.groups, None)?);
                }
            }
        }
        Ok(StateChanges {
            expired: expired.map(|end| Namespace(i64::MIN)..Namespace(end.saturating_add(1))).into_iter().collect(),
            deleted,
            upserted: if upserted.is_empty() { None } else { Some(concat_batches(&layout.schema, &upserted)?) },
        })
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), StateError> {
        let layout = self.layout();
        layout.fits(rows)?;
        match &mut self.scope {
            Scope::AllTime(all) => restore(&self.spec, &layout, &mut all.lists, rows, all.ages.as_mut()),
            Scope::Panes(panes) => {
                for end in Layout::namespaces(rows) {
                    let pane = panes.panes.entry(end).or_insert_with(|| self.spec.lists());
                    restore(&self.spec, &layout, pane, &Layout::of_namespace(rows, end)?, None)?;
                }
                Ok(())
            }
        }
    }

    fn bytes(&self) -> usize {
        self.lists().map(Lists::bytes).sum()
    }

    fn keys(&self) -> usize {
        self.lists().map(Lists::len).sum()
    }
}
