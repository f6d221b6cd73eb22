//! What is known of paths, in columns: rows of an event, the first, the last, or aggregated.

use super::nodes::Nodes;
use crate::{
    OperatorError,
    aggregate::calls::{GroupRows, Listed, ListedCall},
    stream_join::{bucket::NONE, rows::SideRows},
};
use arrow::{
    array::{ArrayRef, UInt32Array, new_null_array},
    compute::{can_cast_types, take},
    datatypes::{DataType, SchemaRef},
};
use datafusion_common::DataFusionError;
use runink_planner::{Pick, Reference};

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
    Call(Box<ListedCall>),
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
            Pick::Call(call) => What::Call(Box::new(ListedCall::compile(step, call, input, reference.field.data_type())?)),
        };
        let data_type = reference.field.data_type().clone();
        if let What::First { column, .. } | What::Last { column, .. } = &what
            && !can_cast_types(input.field(*column).data_type(), &data_type)
        {
            return Err(OperatorError::plan(step, format!("{} is of type {}", reference.field, input.field(*column).data_type())));
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
            What::Call(call) => {
                // Rows are given from the first to the last.
                let mut listed = GroupRows::default();
                candidates.iter().for_each(|candidate| listed.push_reversed(self.slots(candidate, nodes)));
                let Listed { values, failures } = call.of(&listed, |slots, columns| rows.gather(slots, columns))?;
                Ok(Values { column: values, failures })
            }
        }
    }

    /// The rows that count, from the last to the first.
    fn slots<'a>(&'a self, candidate: &Candidate, nodes: &'a Nodes) -> impl Iterator<Item = u32> + 'a {
        let counts = self.event.is_none_or(|wanted| wanted == candidate.event);
        let asked = (candidate.slot != NONE && counts).then_some(candidate.slot);
        let (of_event, all) = match self.event {
            Some(event) => (Some(nodes.path_of(candidate.node, event)), None),
            None => (None, Some(nodes.path(candidate.node))),
        };
        asked.into_iter().chain(of_event.into_iter().flatten().chain(all.into_iter().flatten()).map(|n| n.slot))
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
