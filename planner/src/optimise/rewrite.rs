//! What every pass needs: who reads whom, who is observed, and putting changed nodes back into an order.

use crate::{Node, NodeId, Op, Plan, RowStage, StateBound};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion_common::{
    Column, DataFusionError, ExprSchema,
    tree_node::{Transformed, TreeNode, TreeNodeRecursion},
};
use datafusion_expr::Expr;

/// Whether a node's output must stay readable under its name.
pub(super) fn is_observed(plan: &Plan, id: NodeId, observe: &[String]) -> bool {
    let name = &plan.node(id).name;
    observe.contains(name) && plan.output_of(name) == Some(id)
}

/// Who reads each node; a reader that reads it twice stands there twice.
pub(super) fn readers(plan: &Plan) -> Vec<Vec<NodeId>> {
    let mut readers = vec![Vec::new(); plan.nodes.len()];
    for (reader, node) in plan.nodes.iter().enumerate() {
        for input in &node.inputs {
            readers[input.0].push(NodeId(reader));
        }
    }
    readers
}

/// Lets all readers of one node read another.
pub(super) fn redirect(nodes: &mut [Option<Node>], from: NodeId, to: NodeId) {
    for input in nodes.iter_mut().flatten().flat_map(|n| n.inputs.iter_mut()) {
        if *input == from {
            *input = to;
        }
    }
}

/// Puts nodes in an order in which inputs stand before readers, else as they were, and numbers them anew. New nodes may stand anywhere;
/// removed ones are `None`.
pub(super) fn rebuild(scenario: String, nodes: Vec<Option<Node>>) -> Plan {
    let mut order = Vec::with_capacity(nodes.len());
    let mut placed = vec![false; nodes.len()];
    for start in 0..nodes.len() {
        let mut pending = vec![(start, false)];
        while let Some((at, inputs_done)) = pending.pop() {
            let Some(node) = &nodes[at] else { continue };
            if placed[at] {
                continue;
            }
            if inputs_done {
                placed[at] = true;
                order.push(at);
            } else {
                pending.push((at, true));
                pending.extend(node.inputs.iter().rev().map(|i| (i.0, false)));
            }
        }
    }
    let mut renumbered = vec![None; nodes.len()];
    for (new, &old) in order.iter().enumerate() {
        renumbered[old] = Some(NodeId(new));
    }
    let mut nodes = nodes;
    let renumber = |ids: &[NodeId]| ids.iter().filter_map(|i| renumbered[i.0]).collect::<Vec<_>>();
    let nodes = order.iter().filter_map(|&old| nodes[old].take()).map(|mut node| {
        node.inputs = renumber(&node.inputs);
        node.watermark_of = renumber(&node.watermark_of);
        node.watermark_of.sort_unstable();
        node.watermark_of.dedup();
        node
    });
    Plan { scenario, nodes: nodes.collect() }
}

/// A node of row stages between `input` and a node `reader`, for whom it works. The stages must keep the columns.
pub(super) fn rows_between(input_id: NodeId, input: &Node, reader: &Node, stages: Vec<RowStage>) -> Node {
    Node {
        name: reader.name.clone(),
        op: Op::Rows(stages),
        inputs: vec![input_id],
        schema: input.schema.clone(),
        kind: input.kind.clone(),
        time: input.time.clone(),
        watermark_of: input.watermark_of.clone(),
        state: StateBound::Stateless,
        bounded: input.bounded,
        lineage: input.lineage.clone(),
        at: reader.at,
    }
}

/// Types expressions over the columns of a schema, by name, without building a schema of DataFusion's.
#[derive(Debug)]
pub(super) struct ColumnTypes<'a>(pub(super) &'a Schema);

impl ExprSchema for ColumnTypes<'_> {
    fn field_from_column(&self, column: &Column) -> Result<&FieldRef, DataFusionError> {
        let found = self.0.fields().find(&column.name).map(|(_, field)| field);
        found.ok_or_else(|| DataFusionError::Plan(format!("no column `{}`", column.name)))
    }
}

/// Puts expressions in the place of columns; `None` where a column has none.
pub(super) fn substitute(expr: &Expr, of: &dyn Fn(&str) -> Option<Expr>) -> Option<Expr> {
    let mut complete = true;
    let done = expr.clone().transform(|e| {
        Ok(match &e {
            Expr::Column(column) => match of(&column.name) {
                Some(with) => Transformed::new(with, true, TreeNodeRecursion::Jump),
                None => {
                    complete = false;
                    Transformed::no(e)
                }
            },
            _ => Transformed::no(e),
        })
    });
    done.ok().filter(|_| complete).map(|t| t.data)
}

/// The columns that an expression reads, as indices into a schema.
pub(super) fn columns_of(expr: &Expr, schema: &SchemaRef) -> Vec<usize> {
    expr.column_refs().iter().filter_map(|c| schema.index_of(&c.name).ok()).collect()
}
