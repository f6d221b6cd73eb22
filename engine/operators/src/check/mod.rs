//! Expectations on windows: how many rows a window has, or which share of them is of a kind.
//!
//! Two operators. [`CountRows`] stands where the rows are and turns an epoch's rows into a count for each window; so no row travels. [`CheckWindows`] stands on the
//! one worker that holds the key of no columns, adds the counts up, and says of each window that the watermark has passed whether the expectation holds.
//! Neither turns a row away: a late one is no longer counted, and nothing else happens to it.

mod state;

use crate::{Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects, aggregate::time::Times, batches, rows::Expression};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, TimestampMicrosecondArray, UInt64Array},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, UInt64Type},
    error::ArrowError,
    record_batch::RecordBatch,
};
use runink_checkpoint::{KeyGroups, StateTable};
use runink_planner::{CheckOp, Demand, checks_schema};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A window's rows, and how many of them count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    rows: u64,
    counted: u64,
}

impl Count {
    fn add(&mut self, other: Count) {
        self.rows = self.rows.saturating_add(other.rows);
        self.counted = self.counted.saturating_add(other.counted);
    }
}

/// The columns between the two operators: a window's start in µs, and its count.
fn counts_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("start", DataType::Int64, false),
        Field::new("rows", DataType::UInt64, false),
        Field::new("counted", DataType::UInt64, false),
    ]))
}

/// Counts rows by window, where they are.
pub struct CountRows {
    step: String,
    op: CheckOp,
    of: Option<Expression>,
}

impl CountRows {
    /// Over an input of that schema.
    ///
    /// # Errors
    /// Where the plan does not fit it.
    pub fn new(step: &str, op: &CheckOp, input: &SchemaRef) -> Result<Self, OperatorError> {
        let of = match &op.demand {
            Demand::Share { of, .. } => Some(Expression::compile(step, of, input)?),
            Demand::Rows { .. } => None,
        };
        if op.size_us <= 0 || op.time.column >= input.fields().len() {
            return Err(OperatorError::plan(step, "an expectation without windows"));
        }
        Ok(CountRows { step: step.to_owned(), op: op.clone(), of })
    }

    /// Which rows count; all where nothing is asked of them.
    fn counted(&self, rows: &RecordBatch) -> Result<Option<BooleanArray>, OperatorError> {
        let Some(of) = &self.of else { return Ok(None) };
        let column = match of.evaluate(rows) {
            Ok(column) => column,
            Err(_) => self.counted_one_by_one(of, rows)?,
        };
        let column =
            column.as_boolean_opt().ok_or_else(|| OperatorError::plan(&self.step, "an expectation that is neither true nor false"))?;
        // Null is not true.
        Ok(Some(if column.null_count() == 0 { column.clone() } else { arrow::compute::prep_null_mask_filter(column) }))
    }

    /// The rows between those on which it fails.
    fn counted_one_by_one(&self, of: &Expression, rows: &RecordBatch) -> Result<ArrayRef, OperatorError> {
        let mut failed = vec![false; rows.num_rows()];
        of.failures(rows).iter().for_each(|f| failed[f.row] = true);
        let mut parts: Vec<ArrayRef> = Vec::new();
        let mut at = 0;
        for run in failed.chunk_by(|a, b| a == b) {
            parts.push(match run.first() {
                Some(true) => Arc::new(BooleanArray::from(vec![false; run.len()])),
                _ => of.evaluate(&rows.slice(at, run.len())).map_err(|e| OperatorError::kernel(&self.step, e))?,
            });
            at += run.len();
        }
        let parts: Vec<&dyn Array> = parts.iter().map(|p| p.as_ref()).collect();
        arrow::compute::concat(&parts).map_err(|e| OperatorError::kernel(&self.step, e))
    }

    fn count(&self, batch: &Batch, clock_us: i64, counts: &mut BTreeMap<i64, Count>) -> Result<(), OperatorError> {
        let counted = self.counted(&batch.rows)?;
        let times = Times::read(&self.step, Some(&self.op.time), batch, clock_us)?;
        let size = self.op.size_us;
        // Neighbours are mostly of one window: the map is asked once for each run of them.
        let mut run: Option<(i64, Count)> = None;
        for row in 0..batch.len() {
            let Ok(at) = times.at(row) else { continue };
            let start = at.div_euclid(size).checked_mul(size).filter(|s| s.checked_add(size).is_some());
            let Some(start) = start else { continue };
            let one = Count { rows: 1, counted: u64::from(counted.as_ref().is_none_or(|c| c.value(row))) };
            match &mut run {
                Some((of, count)) if *of == start => count.add(one),
                _ => {
                    if let Some((of, count)) = run.replace((start, one)) {
                        counts.entry(of).or_default().add(count);
                    }
                }
            }
        }
        if let Some((of, count)) = run {
            counts.entry(of).or_default().add(count);
        }
        Ok(())
    }
}

impl EpochOperator for CountRows {
    fn epoch(&mut self, mut inputs: Vec<Vec<Ordered>>, time: EpochTime, _: &mut Rejects) -> Result<Given, OperatorError> {
        let mut counts = BTreeMap::new();
        for batch in batches(inputs.pop().unwrap_or_default()) {
            self.count(&batch, time.clock_us, &mut counts)?;
        }
        if counts.is_empty() {
            return Ok(Given::default());
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(counts.keys().copied().collect::<Int64Array>()),
            Arc::new(counts.values().map(|c| c.rows).collect::<UInt64Array>()),
            Arc::new(counts.values().map(|c| c.counted).collect::<UInt64Array>()),
        ];
        let rows = RecordBatch::try_new(counts_schema(), columns).map_err(|e| OperatorError::kernel(&self.step, e))?;
        Ok(Given::of(time.ordered([Batch::of(rows)])))
    }

    fn held(&self) -> u64 {
        0
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        None
    }

    fn resume(&mut self, _: i64, _: i64) {}
}

/// Adds counts up, and checks the windows that are over.
pub struct CheckWindows {
    step: String,
    op: CheckOp,
    groups: KeyGroups,
    /// By start, the windows that are not over.
    open: BTreeMap<i64, Count>,
    /// The start of the first window that has not been checked; none before there is a row.
    next: Option<i64>,
    /// What changed since the last capture.
    changed: BTreeSet<i64>,
    next_changed: bool,
    /// Windows that start before it are over, and their counts no longer kept.
    expired_to: Option<i64>,
}

/// What is known of a window, or of a run of windows without rows.
struct Checked {
    start: i64,
    windows: u64,
    count: Count,
}

impl CheckWindows {
    /// Where the expectation's counts come together.
    pub fn new(step: &str, op: &CheckOp, groups: KeyGroups) -> Self {
        CheckWindows {
            step: step.to_owned(),
            op: op.clone(),
            groups,
            open: BTreeMap::new(),
            next: None,
            changed: BTreeSet::new(),
            next_changed: false,
            expired_to: None,
        }
    }

    fn take(&mut self, rows: &RecordBatch, before: i64) -> u64 {
        let (starts, counts) = (rows.column(0).as_primitive::<Int64Type>(), |i: usize| rows.column(i).as_primitive::<UInt64Type>());
        let (all, counted) = (counts(1), counts(2));
        let mut late = 0;
        for (row, &start) in starts.values().iter().enumerate() {
            if start + self.op.size_us <= before {
                late += all.value(row);
                continue;
            }
            self.open.entry(start).or_default().add(Count { rows: all.value(row), counted: counted.value(row) });
            self.changed.insert(start);
            if self.next.is_none_or(|next| start < next) {
                self.next = Some(start);
                self.next_changed = true;
            }
        }
        late
    }

    /// The windows that are over with that watermark, in their order. At the end of the input, those are the windows up to the last one with rows.
    fn over(&mut self, watermark: i64) -> Vec<Checked> {
        let Some(mut next) = self.next else { return Vec::new() };
        let size = self.op.size_us;
        let ended = watermark == i64::MAX;
        // One past the last start that is over.
        let limit = match (ended, self.open.last_key_value()) {
            (true, Some((&last, _))) => last.saturating_add(size),
            (true, None) => return Vec::new(),
            (false, _) => watermark.div_euclid(size).saturating_mul(size),
        };
        if limit <= next {
            return Vec::new();
        }
        let counts_all = matches!(self.op.demand, Demand::Rows { .. });
        let mut checked = Vec::new();
        let still_open = self.open.split_off(&limit);
        let empty = |from: i64, to: i64| Checked { start: from, windows: to.abs_diff(from) / size.unsigned_abs(), count: Count::default() };
        for (start, count) in std::mem::replace(&mut self.open, still_open) {
            if counts_all && start > next {
                checked.push(empty(next, start));
            }
            checked.push(Checked { start, windows: 1, count });
            self.changed.remove(&start);
            next = start.saturating_add(size);
        }
        if counts_all && limit > next {
            checked.push(empty(next, limit));
        }
        self.next = Some(limit);
        self.next_changed = true;
        self.expired_to = Some(limit);
        checked
    }

    fn said(&self, checked: &[Checked]) -> Result<RecordBatch, ArrowError> {
        let end = |c: &Checked| i64::try_from(c.windows).unwrap_or(i64::MAX).saturating_mul(self.op.size_us).saturating_add(c.start);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(checked.iter().map(|c| Some(c.start)).collect::<TimestampMicrosecondArray>()),
            Arc::new(checked.iter().map(|c| Some(end(c))).collect::<TimestampMicrosecondArray>()),
            Arc::new(checked.iter().map(|c| c.windows).collect::<UInt64Array>()),
            Arc::new(checked.iter().map(|c| c.count.rows).collect::<UInt64Array>()),
            Arc::new(checked.iter().map(|c| c.count.counted).collect::<UInt64Array>()),
            Arc::new(checked.iter().map(|c| Some(self.holds(c))).collect::<BooleanArray>()),
        ];
        RecordBatch::try_new(checks_schema(), columns)
    }

    fn holds(&self, checked: &Checked) -> bool {
        self.op.demand.holds(checked.count.rows, checked.count.counted)
    }

    /// A window that broke the expectation, in words.
    fn words(&self, broken: &Checked) -> String {
        let from = crate::aggregate::time::shown(broken.start);
        let Count { rows, counted } = broken.count;
        match &self.op.demand {
            Demand::Share { .. } => format!("the window from {from}: it is true for {counted} of {rows} rows"),
            Demand::Rows { .. } => format!("the window from {from}: it has {rows} rows"),
        }
    }
}

impl EpochOperator for CheckWindows {
    fn epoch(&mut self, mut inputs: Vec<Vec<Ordered>>, time: EpochTime, _: &mut Rejects) -> Result<Given, OperatorError> {
        let mut filtered = 0;
        for batch in batches(inputs.pop().unwrap_or_default()) {
            filtered += self.take(&batch.rows, time.before);
        }
        let checked = self.over(time.watermark);
        if checked.is_empty() {
            return Ok(Given { batches: Vec::new(), filtered });
        }
        if self.op.fail
            && let Some(broken) = checked.iter().find(|c| !self.holds(c))
        {
            return Err(OperatorError::Expectation { step: self.step.clone(), text: self.op.text.clone(), row: self.words(broken) });
        }
        let rows = self.said(&checked).map_err(|e| OperatorError::kernel(&self.step, e))?;
        Ok(Given { batches: time.ordered([Batch::of(rows)]), filtered })
    }

    fn held(&self) -> u64 {
        self.open.len() as u64
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        Some(self)
    }

    fn resume(&mut self, _: i64, _: i64) {}
}
