//! Recursions, on differential-dataflow: a loop inside the scenario's dataflow, in which only changes go round.
//!
//! Every input is kept as the rows that are there ([`runink_operators::held`]): that is all of a recursion's state. Its changes enter a scope whose times are
//! an epoch and a round; differential computes what each round of each epoch changes against the rounds and epochs before it. What leaves is summed by epoch.
//!
//! After a restart the kept rows enter again, all in an epoch before the first one; what follows from them had come out before, and is dropped at the end. So the
//! loop itself needs no checkpoint, and starts on any number of workers.

mod aggregate;
mod codec;
mod edge;
mod join;
mod mapped;
mod packed;

use crate::{
    EngineError, Time,
    driver::guarded,
    operators::{MarkStream, Streams},
    packet::Packet,
    scenario::Shared,
    stateful,
};
use arrow::datatypes::SchemaRef;
use differential_dataflow::{AsCollection, VecCollection, operators::iterate::Variable};
use mapped::Place;
use packed::Packed;
use runink_operators::OperatorError;
use runink_planner::{Fed, IterateOp, Node, NodeId, Op};
use std::sync::Arc;
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        Scope, Stream,
        channels::pact::Pipeline,
        operators::generic::{OutputBuilder, builder_rc::OperatorBuilder},
    },
    order::Product,
    progress::frontier::MutableAntichain,
};

/// An epoch, and a round in it.
type Inner = Product<Time, u64>;
/// Rows inside a loop.
type InnerRows<'scope> = VecCollection<'scope, Inner, Packed, isize>;
/// A row that a round could not use: why, and the row as JSON.
type Turned = (String, Vec<u8>);
/// All such rows, by operator.
type Rejected<'scope> = Vec<VecCollection<'scope, Inner, Turned, isize>>;

/// Builds a recursion.
///
/// # Errors
/// Where the plan does not fit its columns.
pub(crate) fn build<'scope>(
    inputs: Vec<Stream<'scope, Time, Packet>>,
    marks: &MarkStream<'scope>,
    (id, node): (NodeId, &Node),
    op: &IterateOp,
    schemas: &[SchemaRef],
    shared: &Arc<Shared>,
) -> Result<Streams<'scope>, EngineError> {
    let scope = marks.scope();
    let owed = shared.gate.as_ref().is_some_and(|gate| gate.restored().is_some());
    let mut collections = Vec::with_capacity(inputs.len());
    for (part, (input, schema)) in inputs.into_iter().zip(schemas).enumerate() {
        let held = stateful::held(input, marks.clone(), (id, node), part, schema, shared)?;
        collections.push(edge::enter(held, schema, &node.name, shared)?);
    }
    let place = Place { step: node.name.clone(), shared: shared.clone() };
    let (result, turned) = scope.iterative::<u64, _, _>(|inner| {
        let entered = collections.into_iter().map(|c| c.enter(inner)).collect();
        let (result, turned) = Round { scope: inner, op, place: &place, rejects: Vec::new() }.build(entered)?;
        Ok::<_, OperatorError>((result.leave(scope), turned.leave(scope)))
    })?;
    let rows = edge::leave(result, (id, node), owed, shared)?;
    Ok((rows, edge::turned_away(turned, (id, node), owed, shared)))
}

/// A loop while it is built.
struct Round<'scope, 'a> {
    scope: Scope<'scope, Inner>,
    op: &'a IterateOp,
    place: &'a Place,
    rejects: Rejected<'scope>,
}

impl<'scope> Round<'scope, '_> {
    /// The result, and the rows that were turned away.
    fn build(
        mut self,
        inputs: Vec<InnerRows<'scope>>,
    ) -> Result<(InnerRows<'scope>, VecCollection<'scope, Inner, Turned, isize>), OperatorError> {
        let (variable, before) = Variable::new(self.scope, Product::new(0, 1));
        let missing = || OperatorError::plan(&self.place.step, "a round reads what is not there");
        let mut made: Vec<InnerRows<'scope>> = Vec::with_capacity(self.op.nodes.len());
        for (at, node) in self.op.nodes.iter().enumerate() {
            let rows = match &node.op {
                Op::Fed(Fed::Round) => before.clone(),
                Op::Fed(Fed::Input(input)) => inputs.get(*input).cloned().ok_or_else(missing)?,
                _ => {
                    let below = node.inputs.iter().map(|i| made.get(i.0).cloned()).collect::<Option<Vec<_>>>().ok_or_else(missing)?;
                    self.node(node, below)?
                }
            };
            made.push(if at == self.op.result.0 { self.bounded(rows) } else { rows });
        }
        let of = |id: NodeId| made.get(id.0).cloned().ok_or_else(missing);
        variable.set(of(self.op.found)?);
        let turned = differential_dataflow::collection::concatenate(self.scope, self.rejects);
        Ok((of(self.op.result)?, turned))
    }

    fn node(&mut self, node: &Node, mut below: Vec<InnerRows<'scope>>) -> Result<InnerRows<'scope>, OperatorError> {
        let missing = || OperatorError::plan(&self.place.step, "a node of a round reads nothing");
        let schema = |input: usize| node.inputs.get(input).and_then(|i| self.op.nodes.get(i.0)).map(|n| &n.schema).ok_or_else(missing);
        let first = |below: &mut Vec<InnerRows<'scope>>| if below.is_empty() { Err(missing()) } else { Ok(below.remove(0)) };
        Ok(match &node.op {
            Op::Output => first(&mut below)?,
            Op::Union => first(&mut below)?.concatenate(below),
            Op::Rows(stages) => {
                let (rows, turned) = mapped::staged(first(&mut below)?, "rows", stages, (schema(0)?, &node.schema), self.place)?;
                self.rejects.push(turned);
                rows
            }
            Op::Aggregate(op) => aggregate::folded(first(&mut below)?, op, (schema(0)?, &node.schema), self.place, &mut self.rejects)?,
            Op::StreamJoin(op) => {
                let left = first(&mut below)?;
                let sides = [left, first(&mut below)?];
                join::joined(sides, op, [schema(0)?, schema(1)?], &node.schema, self.place, &mut self.rejects)?
            }
            _ => return Err(OperatorError::plan(&self.place.step, "a node that has no meaning in a round")),
        })
    }

    /// Lets changes go on as long as there may be rounds; the first one after them stops the scenario.
    fn bounded(&self, rows: InnerRows<'scope>) -> InnerRows<'scope> {
        let mut builder = OperatorBuilder::new(format!("{}: rounds", self.place.step), self.scope);
        let mut input = builder.new_input(rows.inner, Pipeline);
        let (output, stream) = builder.new_output::<mapped::Updates<Packed>>();
        let mut output = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(output);
        let (rounds, place) = (self.op.rounds, self.place.clone());
        builder.build(move |_| {
            move |_: &[MutableAntichain<Inner>]| {
                input.for_each(|cap, updates| {
                    if place.shared.has_failed() {
                        return;
                    }
                    if let Some((_, time, _)) = updates.iter().find(|(_, time, _)| time.inner > rounds) {
                        let (step, epoch) = (place.step.clone(), time.outer);
                        guarded::<()>(&place.shared, &place.step, || Err(EngineError::Rounds { step, rounds, epoch }));
                        return;
                    }
                    output.activate().session(&cap).give_container(updates);
                });
            }
        });
        stream.as_collection()
    }
}
