//! From results to batches of the output: new rows, and the rows they take the place of.

use super::{calls::Evaluated, grouping::Grouping};
use crate::{Batch, OperatorError, Rejects};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, PrimitiveArray, make_comparator},
    buffer::BooleanBuffer,
    compute::{SortOptions, concat_batches, filter, kernels::cmp::not_distinct},
    datatypes::{
        ArrowPrimitiveType, DataType, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
    error::ArrowError,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use datafusion_common::DataFusionError;
use runink_connector_api::RejectReason;
use std::sync::Arc;

/// Small results are put together up to that many rows; large ones are cut.
const BATCH_ROWS: usize = 8192;

/// Results of some groups, as columns.
pub(super) struct Results {
    pub(super) keys: Vec<ArrayRef>,
    pub(super) values: Vec<ArrayRef>,
    /// Start and end of each row's window, in µs.
    pub(super) bounds: Option<(ArrayRef, ArrayRef)>,
    /// Rows without a result, with why; ascending, one per row.
    pub(super) failures: Vec<(usize, String)>,
    pub(super) rows: usize,
    /// Which groups have rows, and so a result; all where absent.
    present: Option<BooleanBuffer>,
}

impl Results {
    pub(super) fn new(
        grouping: &Grouping,
        keys: Vec<ArrayRef>,
        evaluated: Vec<Evaluated>,
        bounds: Option<(ArrayRef, ArrayRef)>,
        rows: usize,
    ) -> Self {
        let mut failures = Vec::new();
        for (call, evaluated) in grouping.calls.iter().zip(&evaluated) {
            failures.extend(evaluated.failures.iter().map(|(row, why)| (*row, format!("{}: {why}", call.name))));
        }
        failures.sort_by_key(|(row, _)| *row);
        failures.dedup_by_key(|(row, _)| *row);
        Results { keys, values: evaluated.into_iter().map(|e| e.values).collect(), bounds, failures, rows, present: None }
    }

    /// Only these groups have rows.
    pub(super) fn only(&mut self, present: BooleanBuffer) {
        self.failures.retain(|(row, _)| present.value(*row));
        self.present = Some(present);
    }

    /// Rejects the rows without a result. Gives which rows have one.
    pub(super) fn reject_failures(&self, emission: &Emission<'_>, rejects: &mut Rejects) -> Result<BooleanBuffer, OperatorError> {
        let mut good = vec![true; self.rows];
        if !self.failures.is_empty() {
            let edges = self.bounds.iter().flat_map(|(start, end)| [start, end]);
            let columns = self.keys.iter().chain(&self.values).chain(edges).cloned().collect();
            // A result that is missing is shown as null.
            let fields = emission.schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true));
            let batch = Batch::of(emission.batch(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns, self.rows)?);
            for (row, why) in &self.failures {
                good[*row] = false;
                rejects.push(RejectReason::Expression, &emission.grouping.step, why.clone(), &batch, *row);
            }
        }
        let good = BooleanBuffer::from(good);
        Ok(match &self.present {
            Some(present) => &good & present,
            None => good,
        })
    }
}

/// The output of one epoch as it comes up.
pub(super) struct Emission<'a> {
    grouping: &'a Grouping,
    schema: &'a SchemaRef,
    changelog: bool,
    pieces: Vec<(RecordBatch, i64)>,
}

impl<'a> Emission<'a> {
    pub(super) fn new(grouping: &'a Grouping, schema: &'a SchemaRef, changelog: bool) -> Self {
        Emission { grouping, schema, changelog, pieces: Vec::new() }
    }

    pub(super) fn error(&self, error: impl Into<DataFusionError>) -> OperatorError {
        self.grouping.error(error)
    }

    /// Columns as rows of a schema; window edges come in µs.
    fn batch(&self, schema: SchemaRef, mut columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, OperatorError> {
        let edges = if self.grouping.windowed { columns.len() - 2 } else { columns.len() };
        for (i, column) in columns.iter_mut().enumerate().skip(edges) {
            *column = as_timestamps(column, schema.field(i).data_type()).map_err(|e| self.error(e))?;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema, columns, &options).map_err(|e| self.error(e))
    }

    /// Gives rows out, those that `wanted` says.
    pub(super) fn push(
        &mut self,
        results: (&[ArrayRef], &[ArrayRef], Option<(ArrayRef, ArrayRef)>),
        wanted: BooleanBuffer,
        diff: i64,
    ) -> Result<(), OperatorError> {
        let (keys, values, bounds) = results;
        let rows = wanted.count_set_bits();
        if rows == 0 {
            return Ok(());
        }
        let mut columns: Vec<ArrayRef> = keys.iter().chain(values).cloned().chain(bounds.into_iter().flat_map(|(s, e)| [s, e])).collect();
        if rows < wanted.len() {
            columns = narrowed(&columns, &wanted).map_err(|e| self.error(e))?;
        }
        self.pieces.push((self.batch(self.schema.clone(), columns, rows)?, diff));
        Ok(())
    }

    /// All of it, in batches of a useful size.
    pub(super) fn finish(self) -> Result<Vec<Batch>, OperatorError> {
        let mut batches = Vec::new();
        let mut pending: Vec<(RecordBatch, i64)> = Vec::new();
        let mut rows = 0;
        for piece in self.pieces {
            if rows > 0 && rows + piece.0.num_rows() > BATCH_ROWS {
                joined(self.schema, self.changelog, &mut pending, &mut batches).map_err(|e| self.grouping.error(e))?;
                rows = 0;
            }
            rows += piece.0.num_rows();
            pending.push(piece);
        }
        joined(self.schema, self.changelog, &mut pending, &mut batches).map_err(|e| self.grouping.error(e))?;
        Ok(batches)
    }
}

fn joined(schema: &SchemaRef, changelog: bool, pending: &mut Vec<(RecordBatch, i64)>, batches: &mut Vec<Batch>) -> Result<(), ArrowError> {
    let pieces = std::mem::take(pending);
    let rows = match pieces.as_slice() {
        [] => return Ok(()),
        [(only, _)] => only.clone(),
        _ => concat_batches(schema, pieces.iter().map(|(b, _)| b))?,
    };
    let diffs = changelog.then(|| pieces.iter().flat_map(|(b, diff)| std::iter::repeat_n(*diff, b.num_rows())).collect::<Int64Array>());
    let whole = Batch { rows, diffs, origin: None };
    batches.extend((0..whole.len()).step_by(BATCH_ROWS).map(|at| whole.slice(at, BATCH_ROWS.min(whole.len() - at))));
    Ok(())
}

/// µs as timestamps of a type. Edges are checked when rows come, so that all fit.
pub(crate) fn as_timestamps(us: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    fn of<T: ArrowPrimitiveType<Native = i64>>(us: &ArrayRef, data_type: &DataType, convert: impl Fn(i64) -> i64) -> ArrayRef {
        let values: PrimitiveArray<T> = us.as_primitive::<Int64Type>().unary(convert);
        Arc::new(values.with_data_type(data_type.clone()))
    }
    Ok(match data_type {
        DataType::Timestamp(TimeUnit::Second, _) => of::<TimestampSecondType>(us, data_type, |v| v.div_euclid(1_000_000)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of::<TimestampMillisecondType>(us, data_type, |v| v.div_euclid(1_000)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of::<TimestampMicrosecondType>(us, data_type, |v| v),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => of::<TimestampNanosecondType>(us, data_type, |v| v.saturating_mul(1_000)),
        other => return Err(ArrowError::SchemaError(format!("a window's edge of type {other}"))),
    })
}

/// Row by row: whether all columns are equal; null equals null, NaN equals NaN.
pub(crate) fn equal_rows(a: &[ArrayRef], b: &[ArrayRef], rows: usize) -> Result<BooleanBuffer, DataFusionError> {
    let mut equal = BooleanBuffer::new_set(rows);
    for (a, b) in a.iter().zip(b) {
        let same = match not_distinct(a, b) {
            Ok(same) => same.values().clone(),
            // Lists and structs have no such kernel.
            Err(_) => {
                let compare = make_comparator(a.as_ref(), b.as_ref(), SortOptions::default())?;
                BooleanBuffer::collect_bool(rows, |i| compare(i, i).is_eq())
            }
        };
        equal = &equal & &same;
    }
    Ok(equal)
}

/// The wanted rows of columns.
pub(super) fn narrowed(columns: &[ArrayRef], wanted: &BooleanBuffer) -> Result<Vec<ArrayRef>, ArrowError> {
    let mask = BooleanArray::new(wanted.clone(), None);
    columns.iter().map(|c| filter(c.as_ref() as &dyn Array, &mask)).collect()
}
