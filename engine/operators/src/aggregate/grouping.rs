//! What is grouped and computed, compiled: the part of an aggregation that both phases share.

use super::{
    calls::{Accumulate, Call, CallInput},
    keys::{KeyLayout, KeyRows},
    window::Windows,
};
use crate::{Batch, OperatorError};
use arrow::{
    array::{ArrayRef, Int64Array, UInt32Array},
    buffer::ScalarBuffer,
    compute::take,
    datatypes::{DataType, Field, FieldRef, SchemaRef, TimeUnit},
};
use datafusion_common::DataFusionError;
use runink_checkpoint::KeyGroups;
use runink_planner::{AggregateOp, EventTime, WindowShape};
use std::{ops::RangeInclusive, sync::Arc};

/// See the module.
pub(super) struct Grouping {
    pub(super) step: Arc<str>,
    pub(super) groups: KeyGroups,
    pub(super) keys: Vec<usize>,
    pub(super) key_fields: Vec<FieldRef>,
    pub(super) layout: Arc<KeyLayout>,
    pub(super) calls: Vec<Call>,
    /// Windows, but for sessions.
    pub(super) windows: Windows,
    /// A session's gap.
    pub(super) gap: Option<i64>,
    /// The column of event time; without it, time is the epoch's clock.
    pub(super) time: Option<EventTime>,
    pub(super) windowed: bool,
    pub(super) lateness: i64,
    /// Rows take others back.
    pub(super) retracts: bool,
    /// Between these all window edges lie, in µs: a column of the time's unit can hold them.
    pub(super) edges: RangeInclusive<i64>,
}

/// A batch's columns as an aggregation reads them.
pub(super) struct Inputs {
    pub(super) keys: Vec<ArrayRef>,
    pub(super) calls: Vec<CallInput>,
    /// How often each row is added, or taken back; once where absent.
    pub(super) diffs: Option<ScalarBuffer<i64>>,
}

impl Grouping {
    pub(super) fn new(step: &str, op: &AggregateOp, input: &SchemaRef, groups: KeyGroups) -> Result<Self, OperatorError> {
        let column = |i: usize| {
            let fields = input.fields();
            fields.get(i).cloned().ok_or_else(|| OperatorError::plan(step, format!("column {i} of {} is read", fields.len())))
        };
        let key_fields = op.keys.iter().map(|&k| column(k)).collect::<Result<Vec<_>, _>>()?;
        let types = key_fields.iter().map(|f| f.data_type().clone()).collect();
        let layout = KeyLayout::new(types).map_err(|e| OperatorError::kernel(step, e))?;
        let window = op.window.as_ref();
        let time = window.and_then(|w| w.time.clone());
        let edges = match &time {
            None => i64::MIN..=i64::MAX,
            Some(time) => edges_of(column(time.column)?.data_type())
                .ok_or_else(|| OperatorError::plan(step, format!("event time of type {}", input.field(time.column).data_type())))?,
        };
        Ok(Grouping {
            step: step.into(),
            groups,
            keys: op.keys.clone(),
            key_fields: key_fields.iter().map(|f| Arc::new(f.as_ref().clone().with_nullable(true))).collect(),
            layout,
            calls: op.calls.iter().map(|c| Call::compile(step, c, input, op.retracts)).collect::<Result<_, _>>()?,
            windows: window.and_then(|w| Windows::of(w.shape)).unwrap_or(Windows::All),
            gap: window.and_then(|w| if let WindowShape::Session { gap } = w.shape { Some(gap) } else { None }),
            time,
            windowed: window.is_some(),
            lateness: if window.is_some() { op.allowed_lateness_us } else { 0 },
            retracts: op.retracts,
            edges,
        })
    }

    /// Whether time is the epoch's clock.
    pub(super) fn by_clock(&self) -> bool {
        self.windowed && self.time.is_none()
    }

    /// The watermark of what time is here: of the event time, or the clock until the input ends.
    pub(super) fn watermark(&self, watermark: i64, clock_us: i64) -> i64 {
        if self.by_clock() && watermark != i64::MAX { clock_us } else { watermark }
    }

    pub(super) fn error(&self, error: impl Into<DataFusionError>) -> OperatorError {
        OperatorError::kernel(&self.step, error)
    }

    /// Accumulators without groups, one per call.
    pub(super) fn accumulators(&self) -> Result<Vec<Box<dyn Accumulate>>, DataFusionError> {
        self.calls.iter().map(Call::accumulator).collect()
    }

    /// What the aggregation reads from a batch.
    pub(super) fn inputs(&self, batch: &Batch) -> Result<Inputs, OperatorError> {
        let diffs = batch.diffs.as_ref().map(|d| d.values().clone()).filter(|d| d.iter().any(|&d| d != 1));
        if diffs.is_some() && !self.retracts {
            return Err(OperatorError::plan(&self.step, "an aggregation over a changelog"));
        }
        let input = |call: &Call| call.input(&batch.rows).map(|input| CallInput { diffs: diffs.clone(), ..input });
        Ok(Inputs {
            keys: self.keys.iter().map(|&k| batch.rows.column(k).clone()).collect(),
            calls: self.calls.iter().map(input).collect::<Result<_, _>>().map_err(|e| self.error(e))?,
            diffs,
        })
    }

    /// `name`: Int64, then the keys, then the states, then, where rows take others back, how many rows: what partial batches look like.
    pub(super) fn partial_fields(&self) -> Vec<FieldRef> {
        let slice = Arc::new(Field::new("slice_end_us", DataType::Int64, false));
        std::iter::once(slice)
            .chain(self.key_fields.iter().cloned())
            .chain(self.calls.iter().flat_map(|c| c.state.iter().cloned()))
            .chain(self.retracts.then(rows_field))
            .collect()
    }

    /// Splits state columns by call.
    pub(super) fn by_call<'a>(&'a self, mut states: &'a [ArrayRef]) -> impl Iterator<Item = &'a [ArrayRef]> {
        self.calls.iter().map(move |call| {
            let (own, rest) = states.split_at(call.state.len());
            states = rest;
            own
        })
    }

    pub(super) fn prepare(&self, keys: &[ArrayRef], rows: usize, out: &mut KeyRows) -> Result<(), OperatorError> {
        self.layout.prepare(keys, rows, out).map_err(|e| self.error(e))
    }
}

impl Inputs {
    pub(super) fn take(&self, indices: &UInt32Array) -> Result<Inputs, DataFusionError> {
        Ok(Inputs {
            keys: self.keys.iter().map(|k| take(k, indices, None)).collect::<Result<_, _>>()?,
            calls: self.calls.iter().map(|c| c.take(indices)).collect::<Result<_, _>>()?,
            diffs: self.diffs.as_ref().map(|d| indices.values().iter().map(|&i| d[i as usize]).collect()),
        })
    }
}

/// How many rows a group has. A name that begins with a dot is ours.
pub(super) fn rows_field() -> FieldRef {
    Arc::new(Field::new(".rows", DataType::Int64, true))
}

/// The µs that a type of event time can hold.
pub(crate) fn edges_of(data_type: &DataType) -> Option<RangeInclusive<i64>> {
    match data_type {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Some(i64::MIN / 1000..=i64::MAX / 1000),
        DataType::Timestamp(..) | DataType::Date32 => Some(i64::MIN..=i64::MAX),
        _ => None,
    }
}

/// A constant column.
pub(super) fn constant(value: i64, rows: usize) -> ArrayRef {
    Arc::new(Int64Array::from_value(value, rows))
}
