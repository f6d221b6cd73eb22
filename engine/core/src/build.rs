//! From a plan to a timely dataflow, on one worker.

use crate::{
    EngineError, Time,
    operators::{self, MarkStream},
    packet::Packet,
    recursion,
    scenario::Shared,
    sink,
    source::{self, StopCell},
    stateful,
};
use arrow::datatypes::SchemaRef;
use runink_checkpoint::KeyGroups;
use runink_operators::{
    EpochOperator, OperatorError, changes::ChangesOperator, first::FirstOperator, neighbour::NeighbourOperator, pattern::PatternOperator,
    rank::RankOperator, running::RunningOperator,
};
use runink_planner::{Node, NodeId, Op};
use std::{cell::Cell, rc::Rc, sync::Arc};
use timely::{
    dataflow::{
        Scope, Stream,
        operators::{Concatenate, Probe, generic::operator::empty, probe::Handle},
    },
    worker::Worker,
};

/// A worker's part of a running scenario.
pub(crate) struct Built {
    /// timely's number of the dataflow.
    pub(crate) dataflow: usize,
    /// Sees the end of every sink, tap and leaf.
    pub(crate) probe: Handle<Time>,
    /// Tells its sources to stop.
    pub(crate) stop: StopCell,
}

/// Builds the dataflow. All workers build the same operators in the same order, whatever happens: an error that one meets stops the scenario
/// on all, but must not leave them with different dataflows.
pub(crate) fn build(worker: &mut Worker, shared: &Arc<Shared>) -> Built {
    let probe = Handle::new();
    let stop: StopCell = Rc::new(Cell::new(None));
    let dataflow = worker.next_dataflow_index();
    let name = format!("scenario {}", shared.spec.plan.scenario);
    worker.dataflow_named::<Time, _, _>(&name, |scope| {
        if let Err(error) = (Builder { scope, shared, probe: probe.clone(), stop: stop.clone() }).run() {
            shared.fail(error);
        }
    });
    if let Some(gate) = &shared.gate {
        gate.built();
    }
    Built { dataflow, probe, stop }
}

struct Builder<'scope, 'a> {
    scope: Scope<'scope, Time>,
    shared: &'a Arc<Shared>,
    probe: Handle<Time>,
    stop: StopCell,
}

impl<'scope> Builder<'scope, '_> {
    fn run(self) -> Result<(), EngineError> {
        let plan = &self.shared.spec.plan;
        let preloaded = Handle::new();
        let mut streams: Vec<Option<Stream<'scope, Time, Packet>>> = vec![None; plan.nodes.len()];
        let mut rejects = Vec::new();
        let mut reports = Vec::new();
        let is_preload = |n: &Node| matches!(&n.op, Op::Source(s) if s.preload);
        let has_preload = plan.nodes.iter().any(is_preload);
        for (id, node) in plan.nodes.iter().enumerate() {
            let Op::Source(op) = &node.op else { continue };
            let (probe, before) = (self.probe.clone(), preloaded.clone());
            let built = source::build(self.scope, NodeId(id), op, self.shared, probe, before, self.stop.clone());
            let packets = if op.preload { built.packets.probe_with(&preloaded) } else { built.packets };
            streams[id] = Some(packets);
            rejects.push(built.rejects);
            reports.push(built.reports);
        }
        if !has_preload {
            empty::<_, Packet>(self.scope).probe_with(&preloaded);
        }
        let marks = operators::watermarks(self.scope.concatenate(reports), self.shared);
        for (id, node) in plan.nodes.iter().enumerate() {
            if !matches!(node.op, Op::Source(_) | Op::Rejected | Op::Sink(_)) {
                let inputs = node.inputs.iter().map(|i| streams[i.0].clone()).collect::<Option<Vec<_>>>();
                let inputs = inputs.ok_or_else(|| OperatorError::plan(&node.name, "an input stands after its reader"))?;
                streams[id] = Some(self.node((NodeId(id), node), inputs, &marks, &mut rejects)?);
            }
            self.tap(NodeId(id), &mut streams[id]);
        }
        self.rejected(rejects, &mut streams);
        for (id, node) in plan.nodes.iter().enumerate() {
            if matches!(node.op, Op::Sink(_)) {
                let input = node.inputs.first().and_then(|i| streams[i.0].clone());
                let input = input.ok_or_else(|| OperatorError::plan(&node.name, "a sink without input"))?;
                sink::build(input, NodeId(id), self.shared).probe_with(&self.probe);
            }
        }
        // Leaves that no sink reads (steps that only taps watch, sources without readers) are part of the scenario's end as well.
        for stream in streams.into_iter().flatten() {
            stream.probe_with(&self.probe);
        }
        marks.probe_with(&self.probe);
        Ok(())
    }

    fn node(
        &self,
        (id, node): (NodeId, &Node),
        mut inputs: Vec<Stream<'scope, Time, Packet>>,
        marks: &MarkStream<'scope>,
        rejects: &mut Vec<Stream<'scope, Time, Packet>>,
    ) -> Result<Stream<'scope, Time, Packet>, EngineError> {
        let plan = &self.shared.spec.plan;
        let schema = |i: usize| node.inputs.get(i).map(|&id| plan.node(id).schema.clone());
        let missing = || OperatorError::plan(&node.name, "an input is missing");
        Ok(match &node.op {
            Op::Rows(stages) => {
                let (input, schema) = (inputs.pop().ok_or_else(missing)?, schema(0).ok_or_else(missing)?);
                let (out, more) = operators::rows(input, (id, node), stages, &schema, self.shared)?;
                rejects.push(more);
                out
            }
            Op::Union => self.scope.concatenate(inputs),
            Op::Output => inputs.pop().ok_or_else(missing)?,
            Op::Aggregate(op) => {
                let (input, schema) = (inputs.pop().ok_or_else(missing)?, schema(0).ok_or_else(missing)?);
                let ((out, first), second) = stateful::aggregate(input, marks.clone(), (id, node), op, &schema, self.shared)?;
                rejects.extend([first, second]);
                out
            }
            Op::Form(op) => {
                let (input, below) = (inputs.pop().ok_or_else(missing)?, node.inputs.first().map(|&i| plan.node(i)).ok_or_else(missing)?);
                let (out, more) = stateful::form(input, marks.clone(), (id, node), op, below, self.shared)?;
                rejects.push(more);
                out
            }
            Op::TableJoin(op) => {
                let (table, stream) = (inputs.pop().ok_or_else(missing)?, inputs.pop().ok_or_else(missing)?);
                let schemas = (&schema(0).ok_or_else(missing)?, &schema(1).ok_or_else(missing)?);
                let (out, more) = stateful::table_join(stream, table, marks.clone(), (id, node), op, schemas, self.shared)?;
                rejects.push(more);
                out
            }
            Op::StreamJoin(op) => {
                let (right, left) = (inputs.pop().ok_or_else(missing)?, inputs.pop().ok_or_else(missing)?);
                let schemas = [&schema(0).ok_or_else(missing)?, &schema(1).ok_or_else(missing)?];
                let (out, more) = stateful::stream_join([left, right], marks.clone(), (id, node), op, schemas, self.shared)?;
                rejects.push(more);
                out
            }
            Op::Changes(_) | Op::Match(_) | Op::Rank(_) | Op::First(_) | Op::Neighbour(_) | Op::Running(_) => {
                let (input, schema) = (inputs.pop().ok_or_else(missing)?, schema(0).ok_or_else(missing)?);
                let (operator, keys) = keyed_operator(node, &schema, self.shared.spec.settings.key_groups)?;
                let (out, more) = stateful::keyed(input, marks.clone(), (id, node), operator, keys, self.shared);
                rejects.push(more);
                out
            }
            Op::Check(op) => {
                let (input, schema) = (inputs.pop().ok_or_else(missing)?, schema(0).ok_or_else(missing)?);
                stateful::check(input, marks.clone(), (id, node), op, &schema, self.shared)?
            }
            Op::Iterate(op) => {
                let schemas: Option<Vec<_>> = (0..inputs.len()).map(schema).collect();
                let schemas = schemas.ok_or_else(missing)?;
                let (out, more) = recursion::build(inputs, marks, (id, node), op, &schemas, self.shared)?;
                rejects.push(more);
                out
            }
            Op::Source(_) | Op::Rejected | Op::Fed(_) | Op::Sink(_) => return Err(missing().into()),
        })
    }

    fn tap(&self, id: NodeId, stream: &mut Option<Stream<'scope, Time, Packet>>) {
        if let (Some(tap), Some(tapped)) = (self.shared.spec.taps.get(&id), stream.take_if(|_| self.shared.spec.taps.contains_key(&id))) {
            *stream = Some(operators::tap(tapped, tap, &self.shared.spec.plan.node(id).name, self.shared));
        }
    }

    /// All rejects, as the stream of the plan's `Rejected` nodes.
    fn rejected(&self, rejects: Vec<Stream<'scope, Time, Packet>>, streams: &mut [Option<Stream<'scope, Time, Packet>>]) {
        let all = self.scope.concatenate(rejects);
        let all = match &self.shared.spec.rejected_tap {
            Some(tap) => operators::tap(all, tap, "rejected", self.shared),
            None => all,
        };
        for (id, node) in self.shared.spec.plan.nodes.iter().enumerate() {
            if matches!(node.op, Op::Rejected) {
                let mut stream = Some(all.clone());
                self.tap(NodeId(id), &mut stream);
                streams[id] = stream;
            }
        }
        all.probe_with(&self.probe);
    }
}

/// The operator of a node with one input, and the columns by which its rows find their worker.
fn keyed_operator<'n>(
    node: &'n Node,
    input: &SchemaRef,
    groups: KeyGroups,
) -> Result<(Box<dyn EpochOperator>, &'n [usize]), OperatorError> {
    let (name, output) = (&node.name, &node.schema);
    Ok(match &node.op {
        Op::Changes(op) => (Box::new(ChangesOperator::new(name, op, input, groups)?), &op.key),
        Op::Match(op) => (Box::new(PatternOperator::new(name, op, input, output, groups)?), &op.keys),
        Op::Rank(op) => (Box::new(RankOperator::new(name, op, input, output, groups)?), &op.keys),
        Op::First(op) => (Box::new(FirstOperator::new(name, op, input, groups)?), &op.keys),
        Op::Neighbour(op) => (Box::new(NeighbourOperator::new(name, op, input, output, groups)?), &op.keys),
        Op::Running(op) => (Box::new(RunningOperator::new(name, op, input, output, groups)?), &op.keys),
        _ => return Err(OperatorError::plan(name, "a node that is not keyed was taken for one")),
    })
}
