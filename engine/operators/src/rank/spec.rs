//! What is ranked, compiled.

use super::{
    lists::{Limit, Lists, Offer},
    order::{Lead, Order},
};
use crate::{
    Batch, OperatorError,
    aggregate::{
        grouping::edges_of,
        keys::{KeyLayout, KeyRows},
        window::Windows,
    },
};
use arrow::{
    array::ArrayRef,
    datatypes::{DataType, SchemaRef},
};
use datafusion_common::DataFusionError;
use runink_checkpoint::KeyGroups;
use runink_planner::{EventTime, RankOp, RankScope};
use std::{ops::RangeInclusive, sync::Arc};

/// See the module.
pub(super) struct Spec {
    pub(super) step: Arc<str>,
    pub(super) groups: KeyGroups,
    pub(super) keys: Vec<usize>,
    pub(super) layout: Arc<KeyLayout>,
    pub(super) order: Order,
    pub(super) limit: Limit,
    /// Rows of a list beyond the limit are kept: they come up when others are taken back.
    pub(super) keeps_all: bool,
    pub(super) newest_first: bool,
    pub(super) rank: bool,
    pub(super) changelog: bool,
    pub(super) windows: Option<Windowed>,
    pub(super) input: SchemaRef,
    pub(super) output: SchemaRef,
}

/// What windows there are.
pub(super) struct Windowed {
    pub(super) windows: Windows,
    /// The column of event time; without it, time is the epoch's clock.
    pub(super) time: Option<EventTime>,
    /// The edges come out.
    pub(super) edges: bool,
    /// Between these all edges lie, in µs.
    pub(super) range: RangeInclusive<i64>,
}

/// Buffers that are used again.
#[derive(Default)]
pub(super) struct Scratch {
    rows: KeyRows,
    pub(super) keys: Vec<u32>,
    pub(super) prefixes: Vec<u128>,
}

impl Spec {
    pub(super) fn new(step: &str, op: &RankOp, input: &SchemaRef, output: &SchemaRef, groups: KeyGroups) -> Result<Self, OperatorError> {
        let refuse = |message: String| Err(OperatorError::plan(step, message));
        if op.keys.iter().any(|&k| k >= input.fields().len()) {
            return refuse(format!("keys {:?} of {} columns", op.keys, input.fields().len()));
        }
        let count = op.count.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        if count == 0 {
            return refuse("the first 0 rows".into());
        }
        if op.newest_first && (op.changelog || count != 1 || op.ties || op.rank || op.window().is_some()) {
            return refuse("the newest row of an input that takes rows back, or more than one".into());
        }
        let windows = match &op.scope {
            RankScope::AllTime { .. } => None,
            RankScope::Window { .. } if op.changelog => return refuse("a ranking in windows of rows that are taken back".into()),
            RankScope::Window { spec, edges } => {
                let Some(windows) = Windows::of(spec.shape) else { return refuse("a ranking in session windows".into()) };
                let range = match &spec.time {
                    None => i64::MIN..=i64::MAX,
                    Some(time) => match input.fields().get(time.column).and_then(|f| edges_of(f.data_type())) {
                        Some(range) => range,
                        None => return refuse(format!("column {} is no event time", time.column)),
                    },
                };
                Some(Windowed { windows, time: spec.time.clone(), edges: *edges, range })
            }
        };
        let edges = if windows.as_ref().is_some_and(|w| w.edges) { 2 } else { 0 };
        let types = |schema: &SchemaRef| schema.fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
        let (given, wanted) = (types(input), types(output));
        let width = given.len();
        let fits = wanted.len() == width + usize::from(op.rank) + edges
            && wanted[..width] == given
            && (!op.rank || wanted[width] == DataType::Int64)
            && wanted[wanted.len() - edges..].iter().all(|t| matches!(t, DataType::Timestamp(..)));
        if !fits {
            return refuse(format!("a ranking of {given:?} gives {wanted:?}"));
        }
        let layout = KeyLayout::new(op.keys.iter().map(|&k| given[k].clone()).collect()).map_err(|e| OperatorError::kernel(step, e))?;
        Ok(Spec {
            step: step.into(),
            groups,
            keys: op.keys.clone(),
            layout,
            order: Order::new(step, &op.order, input, op.newest_first)?,
            limit: Limit { count, ties: op.ties },
            keeps_all: op.changelog,
            newest_first: op.newest_first,
            rank: op.rank,
            changelog: op.changelog,
            windows,
            input: input.clone(),
            output: output.clone(),
        })
    }

    pub(super) fn error(&self, error: impl Into<DataFusionError>) -> OperatorError {
        OperatorError::kernel(&self.step, error)
    }

    /// Lists without rows.
    pub(super) fn lists(&self) -> Lists {
        Lists::new(&self.layout, self.input.fields().iter().map(|f| f.data_type().clone()).collect())
    }

    /// Numbers the keys of rows in some lists, and finds their prefixes.
    pub(super) fn prepare(
        &self,
        lists: &mut Lists,
        columns: &[ArrayRef],
        rows: usize,
        lead: Lead<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), OperatorError> {
        let keys: Vec<ArrayRef> = self.keys.iter().map(|&k| columns[k].clone()).collect();
        self.layout.prepare(&keys, rows, &mut scratch.rows).map_err(|e| self.error(e))?;
        scratch.keys.clear();
        lists.keys.intern(&scratch.rows, 0..rows, &mut scratch.keys);
        lists.grow();
        self.order.prefixes(columns, rows, lead, &mut scratch.prefixes);
        Ok(())
    }

    /// The column's multiplicities must be +1.
    pub(super) fn only_new(&self, batch: &Batch) -> Result<(), OperatorError> {
        match batch.diffs.as_ref().is_some_and(|d| d.values().iter().any(|&d| d != 1)) {
            true => Err(OperatorError::plan(&self.step, "a ranking of append-only rows over a changelog")),
            false => Ok(()),
        }
    }
}

impl Scratch {
    pub(super) fn offer<'a>(&'a self, columns: &'a [ArrayRef]) -> Offer<'a> {
        Offer { keys: &self.keys, prefixes: &self.prefixes, columns }
    }
}
