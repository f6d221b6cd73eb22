//! What is known of paths, in columns: rows of an event, the first, the last, or aggregated.

use super::nodes::Nodes;
use crate::{
    OperatorError,
    aggregate::calls::Call,
    stream_join::{bucket::NONE, rows::SideRows},
};
use arrow::{
    array::{Array, ArrayRef, UInt32Array, new_null_array},
    compute::{can_cast_types, cast, concat, take},
    datatypes::{DataType, SchemaRef},
    record_batch::RecordBatch,
};
use datafusion_common::DataFusionError;
use datafusion_expr::Expr;
use runink_planner::{AggregateCall, Pick, Reference};
use std::sync::Arc;

/// A path, and a row behind it that is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// The path, or [`NONE`].
    pub(super) node: u32,
    /// The row, or [`NONE`].
    pub(super) slot: u32,
    /// The event that the row would be.
    pub(super) event: usize,
}

/// A reference, compiled.
pub(super) struct Value {
    event: Option<usize>,
    what: What,
    data_type: DataType,
}

enum What {
    First { column: usize, skip: usize },
    Last { column: usize, skip: usize },
    Call(Box<Aggregated>),
}

struct Aggregated {
    call: Call,
    /// The input's columns that it reads.
    columns: Vec<usize>,
    schema: SchemaRef,
    /// Its result where there is no row.
    none: ArrayRef,
}

/// A column for candidates, and those for which there is none, and why.
pub(super) struct Values {
    pub(super) column: ArrayRef,
    pub(super) failures: Vec<(usize, String)>,
}

impl Value {
    pub(super) fn compile(step: &str, reference: &Reference, input: &SchemaRef) -> Result<Self, OperatorError> {
        let what = match &reference.pick {
            Pick::First { column, skip } => What::First { column: *column, skip: *skip },
            Pick::Last { column, skip } => What::Last { column: *column, skip: *skip },
            Pick::Call(call) => What::Call(Box::new(Aggregated::compile(step, call, input)?)),
        };
        let found = match &what {
            What::First { column, .. } | What::Last { column, .. } => input.field(*column).data_type(),
            What::Call(aggregated) => &aggregated.call.output,
        };
        let data_type = reference.field.data_type().clone();
        if !can_cast_types(found, &data_type) {
            return Err(OperatorError::plan(step, format!("{} is of type {found}", reference.field)));
        }
        Ok(Value { event: reference.event, what, data_type })
    }

    /// The values for candidates.
    pub(super) fn of(&self, candidates: &[Candidate], nodes: &Nodes, rows: &SideRows) -> Result<Values, DataFusionError> {
        match &self.what {
            What::First { column, skip } => {
                let mut path = Vec::new();
                let slots = candidates.iter().map(|candidate| {
                    path.clear();
                    path.extend(self.slots(candidate, nodes));
                    path.len().checked_sub(skip + 1).map(|at| path[at])
                });
                self.picked(slots.collect(), *column, rows)
            }
            What::Last { column, skip } => {
                let slots = candidates.iter().map(|candidate| self.slots(candidate, nodes).nth(*skip)).collect();
                self.picked(slots, *column, rows)
            }
            What::Call(aggregated) => {
                let values = self.aggregated(aggregated, candidates, nodes, rows)?;
                // Texts of several forms are one type for the plan.
                let plain = *values.column.data_type() == self.data_type;
                let column = if plain { values.column } else { cast(&values.column, &self.data_type)? };
                Ok(Values { column, failures: values.failures })
            }
        }
    }

    /// The rows that count, from the last to the first.
    fn slots<'a>(&'a self, candidate: &Candidate, nodes: &'a Nodes) -> impl Iterator<Item = u32> + 'a {
        let counts = |event: usize| self.event.is_none_or(|wanted| wanted == event);
        let asked = (candidate.slot != NONE && counts(candidate.event)).then_some(candidate.slot);
        asked.into_iter().chain(nodes.path(candidate.node).filter(move |n| counts(usize::from(n.event))).map(|n| n.slot))
    }

    fn picked(&self, slots: Vec<Option<u32>>, column: usize, rows: &SideRows) -> Result<Values, DataFusionError> {
        let there: Vec<u32> = slots.iter().copied().flatten().collect();
        let column = if there.is_empty() {
            new_null_array(&self.data_type, slots.len())
        } else {
            let values = rows.gather(&there, &[column])?.swap_remove(0);
            if there.len() == slots.len() { values } else { take(&values, &spread(&slots), None)? }
        };
        Ok(Values { column, failures: Vec::new() })
    }

    fn aggregated(
        &self,
        aggregated: &Aggregated,
        candidates: &[Candidate],
        nodes: &Nodes,
        rows: &SideRows,
    ) -> Result<Values, DataFusionError> {
        let (mut slots, mut groups) = (Vec::new(), Vec::new());
        // A group for each candidate that has rows. Rows are given from the first to the last.
        let mut of: Vec<Option<u32>> = Vec::with_capacity(candidates.len());
        let mut bound = 0u32;
        for candidate in candidates {
            let first = slots.len();
            slots.extend(self.slots(candidate, nodes));
            slots[first..].reverse();
            of.push((slots.len() > first).then_some(bound));
            groups.resize(slots.len(), bound);
            bound += u32::from(slots.len() > first);
        }
        if bound == 0 {
            let none = UInt32Array::from_value(0, candidates.len());
            return Ok(Values { column: take(&aggregated.none, &none, None)?, failures: Vec::new() });
        }
        let columns = rows.gather(&slots, &aggregated.columns)?;
        let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(slots.len()));
        let batch = RecordBatch::try_new_with_options(aggregated.schema.clone(), columns, &options)?;
        let mut accumulator = aggregated.call.accumulator()?;
        accumulator.update(&aggregated.call.input(&batch)?, &groups, bound as usize)?;
        let result = accumulator.evaluate(&(0..bound).collect::<Vec<_>>())?;
        let failures = result.failures.into_iter().filter_map(|(group, why)| {
            let at = of.iter().position(|g| *g == Some(group as u32))?;
            Some((at, why))
        });
        let failures = failures.collect();
        if bound as usize == candidates.len() {
            return Ok(Values { column: result.values, failures });
        }
        let values = concat(&[result.values.as_ref(), aggregated.none.as_ref()])?;
        let at: UInt32Array = of.iter().map(|group| Some(group.unwrap_or(bound))).collect();
        Ok(Values { column: take(&values, &at, None)?, failures })
    }
}

/// For each that is there its place among those that are; null for the others.
fn spread(slots: &[Option<u32>]) -> UInt32Array {
    let mut next = 0;
    slots
        .iter()
        .map(|slot| {
            let at = slot.is_some().then_some(next);
            next += u32::from(slot.is_some());
            at
        })
        .collect()
}

impl Aggregated {
    fn compile(step: &str, call: &AggregateCall, input: &SchemaRef) -> Result<Self, OperatorError> {
        let named = call.args.iter().flat_map(Expr::column_refs).filter_map(|c| input.index_of(&c.name).ok());
        let mut columns: Vec<usize> = named.chain(call.filter).chain(call.order_by.iter().map(|o| o.0)).collect();
        columns.sort_unstable();
        columns.dedup();
        let schema = Arc::new(input.project(&columns).map_err(|e| OperatorError::kernel(step, e))?);
        let place = |column: usize| columns.binary_search(&column).unwrap_or_default();
        let call = AggregateCall {
            filter: call.filter.map(place),
            order_by: call.order_by.iter().map(|&(c, asc, first)| (place(c), asc, first)).collect(),
            ..call.clone()
        };
        let compiled = Call::compile(step, &call, &schema, false)?;
        let none = call.function.default_value(&compiled.output).and_then(|value| value.to_array());
        let none = none.map_err(|e| OperatorError::kernel(step, e))?;
        Ok(Aggregated { call: compiled, columns, schema, none })
    }
}
