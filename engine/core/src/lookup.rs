//! Lookups in a running scenario: which joins ask an outside system, and the source that stands in its place.

use runink_connector_api::{Boundedness, Caching, ConnectorError, EpochBy, Lookup, Poll, SavedPosition, Share, Source, SourceReader};
use runink_operators::{OperatorError, rows::RowPipeline, table_join::Outside};
use runink_planner::{Node, NodeId, Op, Plan, StreamKind};
use std::{collections::BTreeMap, sync::Arc};

/// What a join asks for the rows of its table, where that is looked up in an outside system.
pub(crate) fn outside_of(plan: &Plan, join: &Node, lookups: &BTreeMap<NodeId, Arc<dyn Lookup>>) -> Result<Option<Outside>, OperatorError> {
    // From the join down to the source.
    let mut stages = Vec::new();
    let mut next = join.inputs.get(1);
    while let Some(&id) = next {
        let node = plan.node(id);
        match &node.op {
            Op::Rows(own) => stages.push(own),
            Op::Output => {}
            Op::Source(op) => {
                let Some(lookup) = lookups.get(&id) else { return Ok(None) };
                let StreamKind::Upsert { key } = &node.kind else {
                    return Err(OperatorError::plan(&join.name, format!("`{}` is looked up and has no key", node.name)));
                };
                let key = key.iter().map(|k| node.schema.field_with_name(k).cloned()).collect::<Result<Vec<_>, _>>();
                let key = key.map_err(|e| OperatorError::kernel(&join.name, e))?;
                let stages: Vec<_> = stages.into_iter().rev().flatten().cloned().collect();
                return Ok(Some(Outside {
                    name: node.name.clone(),
                    lookup: lookup.clone(),
                    key: Arc::new(arrow::datatypes::Schema::new(key)),
                    stages: RowPipeline::new(&stages, &node.schema)?,
                    caching: Caching::of(&op.options),
                }));
            }
            _ => return Ok(None),
        }
        next = node.inputs.first();
    }
    Ok(None)
}

/// Gives no rows: what is looked up is not read.
pub(crate) struct NotRead;

impl Source for NotRead {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }
    fn epoch_by(&self) -> EpochBy {
        EpochBy::Volume
    }
    fn partitions(&self) -> u32 {
        1
    }
    fn reader(&self, _: Share) -> Result<Box<dyn SourceReader>, ConnectorError> {
        Ok(Box::new(NotRead))
    }
    /// There is nothing to go on from.
    fn resumable(&self) -> bool {
        true
    }
    fn resume(&self, share: Share, _: &[SavedPosition]) -> Result<Box<dyn SourceReader>, ConnectorError> {
        self.reader(share)
    }
}

impl SourceReader for NotRead {
    fn poll(&mut self) -> Result<Poll, ConnectorError> {
        Ok(Poll::End)
    }
}
