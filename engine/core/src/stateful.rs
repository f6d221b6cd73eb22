//! The one timely operator around all operators with state, and which of them a node of the plan becomes.

use crate::{
    EngineError, Time,
    checkpoints::{Recorder, not_restored},
    driver::{PacketOutput, RejectOutput, Stash, guarded, in_order, least},
    exchange::{Route, pact},
    lookup,
    memory::Spilling,
    metrics::Moved,
    operators::{self, MarkStream, Marks, Standing, Streams, closed},
    packet::Packet,
    scenario::Shared,
};
use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use runink_checkpoint::{Boundary, Cadence, Epoch, Piece, TableShape};
use runink_operators::{
    EpochOperator, EpochTime, OperatorError, Rejects,
    aggregate::{AggregateOperator, MergeAggregate, PartialAggregate},
    check::{CheckWindows, CountRows},
    form::FormOperator,
    held::HeldRows,
    stream_join::StreamJoinOperator,
    table_join::{LookupJoin, TableJoinOperator},
};
use runink_planner::{AggregateOp, CheckOp, FormOp, Node, NodeId, StreamJoinOp, StreamKind, TableJoinOp};
use std::sync::Arc;
use timely::{
    communication::Pull,
    dataflow::{
        Stream,
        channels::{Message, pact::Pipeline},
        operators::Capability,
        operators::generic::{InputHandleCore, builder_rc::OperatorBuilder, operator::empty},
    },
    progress::frontier::MutableAntichain,
};

/// An input, and how its rows find their worker; where they are already, if absent.
type Input<'scope> = (Stream<'scope, Time, Packet>, Option<Route>);

/// What an operator's numbers mean for the books of its step.
#[derive(Debug, Clone, Copy)]
struct Counts {
    /// Its first input's rows come to the step.
    rows_in: bool,
    /// Those of the others do as well; else they are a table's.
    others_in: bool,
    /// Its rows leave the step.
    rows_out: bool,
    /// What it holds is not held by another worker as well.
    held: bool,
    /// Every worker holds all of it.
    everywhere: bool,
    /// Which of its node's parts with state it is.
    part: usize,
}

const ALL: Counts = Counts { rows_in: true, others_in: true, rows_out: true, held: true, everywhere: false, part: 0 };

/// What an epoch brings.
#[derive(Default)]
struct Work {
    inputs: Vec<Vec<Packet>>,
    marks: Vec<Marks>,
}

/// Moves what has come into the stash, whatever way it came.
type Arrivals = Box<dyn FnMut(&mut Stash<Work>)>;

fn arrivals(mut input: InputHandleCore<Time, Packet, impl Pull<Message<Time, Packet>> + 'static>, at: usize) -> Arrivals {
    Box::new(move |stash| {
        input.for_each(|cap, packet| {
            if let Some(work) = stash.of(&cap, 2) {
                if work.inputs.len() <= at {
                    work.inputs.resize_with(at + 1, Vec::new);
                }
                work.inputs[at].push(std::mem::take(packet));
            }
        });
    })
}

/// Registers an operator's state, and fills it with what the scenario starts from, or says where that lies. `None` where it has none, or no checkpoints are made.
fn restored(
    operator: &mut dyn EpochOperator,
    (id, node): (NodeId, &Node),
    (worker, peers): (usize, usize),
    counts: Counts,
    standing: &Standing,
    shared: &Arc<Shared>,
) -> Result<Option<Kept>, EngineError> {
    let (Some(gate), Some(name)) = (&shared.gate, shared.lasting_part(id, counts.part)) else { return Ok(None) };
    let shape = operator.table().map(|table| TableShape { schema: table.schema(), key_columns: table.key_columns() });
    let Some(shape) = shape else { return Ok(None) };
    let groups = shared.spec.settings.key_groups;
    let range = if counts.everywhere { 0..groups.count() } else { groups.of_worker(worker, peers) };
    let shelf = match operator.table().and_then(|table| table.spilling()).filter(|_| !counts.everywhere) {
        Some(table) => gate.shelf(&name, &shape, range.clone()).map_err(|e| not_restored(&node.name, e))?.map(|shelf| table.shelve(shelf)),
        None => None,
    };
    let spilling = shelf.map(|()| Spilling::new(gate.budget()));
    if let Some(restored) = gate.restored().filter(|_| spilling.is_none()) {
        let mut take = |rows: RecordBatch| operator.table().map_or(Ok(()), |table| table.restore(&rows));
        restored.rows(&name, &shape, range, &mut take).map_err(|e| not_restored(&node.name, e))?;
    }
    if gate.restored().is_some() {
        operator.resume(standing.watermark(), standing.clock_us);
    }
    Ok(Some(Kept { recorder: gate.recorder(&name, worker, Some(shape)), spilling }))
}

/// What an operator owes to checkpoints, and what it leaves to them.
struct Kept {
    recorder: Recorder,
    /// Where rows may lie in the store alone.
    spilling: Option<Spilling>,
}

/// What its table changed. State that all workers hold is told by the first; the others only forget what changed.
fn captured(operator: &mut dyn EpochOperator, boundary: Boundary, tells: bool, step: &str) -> Result<Option<Piece>, EngineError> {
    let Some(table) = operator.table() else { return Ok(None) };
    let changes = table.capture().map_err(|source| OperatorError::State { step: step.to_owned(), source })?;
    if let Some(table) = table.spilling() {
        table.handed_over(boundary);
    }
    Ok((tells && !changes.is_empty()).then_some(Piece::Table(changes)))
}

/// What an operator gathers ([`EpochOperator::gathers`]) and owes to the interval between two checkpoints; nothing where none are made.
struct Owed {
    cadence: Cadence,
    /// The right to send in the epoch behind the last one, so that what that one gave need not wait; and the boundary before which it must be used.
    held: Option<(Boundary, Capability<Time>)>,
}

impl Owed {
    /// Whether the interval is over, now that no epoch before `next` comes any more: then what is owed must go, with this right.
    fn due(&mut self, next: Option<Epoch>) -> Option<Capability<Time>> {
        let passed = self.cadence.passed(next);
        self.held.take_if(|(boundary, _)| *boundary <= passed).map(|(_, cap)| cap)
    }

    /// The operator has worked on an epoch.
    fn owe(&mut self, epoch: Epoch, cap: &Capability<Time>) {
        let next = Epoch(epoch.0.saturating_add(1));
        let boundary = self.cadence.after(epoch);
        let same = self.cadence.after(next) == boundary;
        self.held = Some((boundary, if same { cap.delayed(&next.0) } else { cap.clone() }));
    }
}

/// Runs an operator: it gets each epoch when the epoch is complete at all inputs.
fn stateful<'scope>(
    inputs: Vec<Input<'scope>>,
    marks: MarkStream<'scope>,
    (id, node): (NodeId, &Node),
    mut operator: Box<dyn EpochOperator>,
    counts: Counts,
    shared: &Arc<Shared>,
) -> Streams<'scope> {
    let scope = marks.scope();
    let worker = scope.index() as u64;
    let mut builder = OperatorBuilder::new(node.name.clone(), scope);
    let arities = inputs.len();
    let mut arriving: Vec<Arrivals> = Vec::with_capacity(arities);
    for (at, (stream, route)) in inputs.into_iter().enumerate() {
        arriving.push(match route {
            Some(route) => arrivals(builder.new_input(stream, pact(route, &node.name, shared)), at),
            None => arrivals(builder.new_input(stream, Pipeline), at),
        });
    }
    let mut mark_input = builder.new_input(marks, Pipeline);
    let (output, stream) = builder.new_output::<Packet>();
    let (reject_output, reject_stream) = builder.new_output::<Packet>();
    let mut output = PacketOutput::new(output);
    let mut reject_output = RejectOutput::new(reject_output, &node.name, shared);
    let (shared, name) = (shared.clone(), node.name.clone());
    let mut standing = Standing::of(node, &shared);
    let tells = !counts.everywhere || worker == 0;
    let place = (scope.index(), scope.peers());
    let started = guarded(&shared, &name, || restored(operator.as_mut(), (id, node), place, counts, &standing, &shared));
    let mut kept = started.flatten();
    let mut owed = shared.gate.as_ref().filter(|_| operator.gathers()).map(|gate| Owed { cadence: gate.cadence(), held: None });
    let again = guarded(&shared, &name, || Ok(operator.again()?)).unwrap_or_default();
    builder.build(move |capabilities| {
        let mut again = capabilities.into_iter().next().filter(|_| !again.is_empty()).map(|cap| (cap, again));
        let mut stash: Stash<Work> = Stash::new();
        let mut rejects = Rejects::default();
        let mut held = 0i64;
        move |frontiers: &[MutableAntichain<Time>]| {
            if let Some((cap, batches)) = again.take() {
                let ordered = batches.into_iter().enumerate();
                ordered.for_each(|(n, batch)| output.send(&cap, Packet::new(batch, worker << 32 | n as u64)));
            }
            arriving.iter_mut().for_each(|arrive| arrive(&mut stash));
            mark_input.for_each(|cap, marks| {
                if let Some(work) = stash.of(&cap, 2) {
                    work.marks.append(marks);
                }
            });
            if shared.has_failed() {
                owed = None;
                return stash.clear();
            }
            let done = guarded(&shared, &name, || {
                while let Some((epoch, caps, mut work)) = stash.pop_closed(closed(frontiers)) {
                    if let Some(cap) = owed.as_mut().and_then(|owed| owed.due(Some(Epoch(epoch)))) {
                        flush(operator.as_mut(), &mut output, &cap, worker)?;
                    }
                    if let Some(kept) = &mut kept {
                        kept.recorder.begin(Epoch(epoch), |at| captured(operator.as_mut(), at, tells, &name))?;
                    }
                    let before = standing.watermark();
                    standing.take(&work.marks);
                    let time = EpochTime { before, watermark: standing.watermark(), clock_us: standing.clock_us, worker };
                    work.inputs.resize_with(arities, Vec::new);
                    let inputs: Vec<_> = work.inputs.into_iter().map(in_order).collect();
                    let came: Vec<u64> = inputs.iter().map(|rows| rows.iter().map(|o| o.batch.len() as u64).sum()).collect();
                    let given = operator.epoch(inputs, time, &mut rejects)?;
                    if let Some(counters) = shared.metrics.part(id, 0) {
                        let rows_out = given.batches.iter().map(|o| o.batch.len() as u64).sum::<u64>();
                        counters.add(Moved {
                            rows_in: came.first().filter(|_| counts.rows_in).copied().unwrap_or_default(),
                            rows_out: if counts.rows_out { rows_out } else { 0 },
                            filtered: given.filtered,
                            rejected: rejects.len() as u64,
                        });
                        if counts.others_in {
                            counters.add_others(came.iter().skip(1).sum());
                        }
                        if counts.held {
                            let now = operator.held() as i64;
                            counters.held_changed(now - held);
                            held = now;
                        }
                    }
                    if let Some(spilling) = kept.as_mut().and_then(|kept| kept.spilling.as_mut())
                        && let Some(table) = operator.table().and_then(|table| table.spilling())
                    {
                        spilling.after_epoch(table, &name, shared.metrics.memory(id))?;
                    }
                    if let [out_cap, reject_cap] = caps.as_slice() {
                        for given in given.batches {
                            output.send(out_cap, Packet::new(given.batch, given.order));
                        }
                        if let Some(owed) = &mut owed {
                            owed.owe(Epoch(epoch), out_cap);
                        }
                        reject_output.send(reject_cap, &mut rejects, worker)?;
                    }
                }
                if let Some(cap) = owed.as_mut().and_then(|owed| owed.due(least(frontiers))) {
                    flush(operator.as_mut(), &mut output, &cap, worker)?;
                }
                match &mut kept {
                    Some(kept) => kept.recorder.reach(least(frontiers), |at| captured(operator.as_mut(), at, tells, &name)),
                    None => Ok(()),
                }
            });
            if done.is_none() {
                owed = None;
                stash.clear();
            }
        }
    });
    (stream, reject_stream)
}

/// Sends on what an operator has gathered.
fn flush(operator: &mut dyn EpochOperator, output: &mut PacketOutput, cap: &Capability<Time>, worker: u64) -> Result<(), OperatorError> {
    for batch in operator.flush()? {
        output.send(cap, Packet::new(batch, worker << 32));
    }
    Ok(())
}

/// Windows and groups, in one phase or two.
pub(crate) fn aggregate<'scope>(
    input: Stream<'scope, Time, Packet>,
    marks: MarkStream<'scope>,
    (id, node): (NodeId, &Node),
    op: &AggregateOp,
    schema: &SchemaRef,
    shared: &Arc<Shared>,
) -> Result<(Streams<'scope>, Stream<'scope, Time, Packet>), OperatorError> {
    let groups = shared.spec.settings.key_groups;
    let whole = AggregateOperator::new(&node.name, op, schema, &node.schema, groups)?;
    let scope = input.scope();
    let peers = scope.peers();
    if peers > 1 && op.two_phase && PartialAggregate::supports(op, schema) {
        let partial = Box::new(PartialAggregate::new(&node.name, op, schema, groups)?);
        let first = Counts { rows_out: false, ..ALL };
        let (partials, rejects) = stateful(vec![(input, None)], marks.clone(), (id, node), partial, first, shared);
        let route = Route::Keys { columns: (1..=op.keys.len()).collect(), groups };
        let second = Counts { rows_in: false, ..ALL };
        let merge = Box::new(MergeAggregate(whole));
        let (out, more) = stateful(vec![(partials, Some(route))], marks, (id, node), merge, second, shared);
        return Ok(((out, rejects), more));
    }
    let route = (peers > 1).then(|| Route::Keys { columns: op.keys.clone(), groups });
    let streams = stateful(vec![(input, route)], marks, (id, node), Box::new(whole), ALL, shared);
    Ok((streams, empty(scope)))
}

/// An operator over one input, whose rows go to the worker that holds their key.
pub(crate) fn keyed<'scope>(
    input: Stream<'scope, Time, Packet>,
    marks: MarkStream<'scope>,
    (id, node): (NodeId, &Node),
    operator: Box<dyn EpochOperator>,
    keys: &[usize],
    shared: &Arc<Shared>,
) -> Streams<'scope> {
    let groups = shared.spec.settings.key_groups;
    let route = (input.scope().peers() > 1).then(|| Route::Keys { columns: keys.to_vec(), groups });
    stateful(vec![(input, route)], marks, (id, node), operator, ALL, shared)
}

/// The rows of a recursion's input that are there, kept and given by the worker that holds their key group.
pub(crate) fn held<'scope>(
    input: Stream<'scope, Time, Packet>,
    marks: MarkStream<'scope>,
    (id, node): (NodeId, &Node),
    part: usize,
    schema: &SchemaRef,
    shared: &Arc<Shared>,
) -> Result<Stream<'scope, Time, Packet>, OperatorError> {
    let groups = shared.spec.settings.key_groups;
    let operator = Box::new(HeldRows::new(&node.name, schema, groups)?);
    let columns = (0..schema.fields().len()).collect();
    let route = (input.scope().peers() > 1).then_some(Route::Keys { columns, groups });
    let counts = Counts { rows_out: false, part, ..ALL };
    Ok(stateful(vec![(input, route)], marks, (id, node), operator, counts, shared).0)
}

/// Says of windows whether an expectation holds. Rows are counted where they are; only counts travel.
pub(crate) fn check<'scope>(
    input: Stream<'scope, Time, Packet>,
    marks: MarkStream<'scope>,
    (id, node): (NodeId, &Node),
    op: &CheckOp,
    schema: &SchemaRef,
    shared: &Arc<Shared>,
) -> Result<Stream<'scope, Time, Packet>, OperatorError> {
    let groups = shared.spec.settings.key_groups;
    let count = Box::new(CountRows::new(&node.name, op, schema)?);
    let (counts, _) = stateful(vec![(input, None)], marks.clone(), (id, node), count, ALL, shared);
    let route = Route::Keys { columns: Vec::new(), groups };
    let windows = Box::new(CheckWindows::new(&node.name, op, groups));
    let (checked, _) = stateful(vec![(counts, Some(route))], marks, (id, node), windows, ALL, shared);
    Ok(operators::checked(checked, (id, node), shared))
}

/// Changes as a sink writes them.
pub(crate) fn form<'scope>(
    input: Stream<'scope, Time, Packet>,
    marks: MarkStream<'scope>,
    (id, node): (NodeId, &Node),
    op: &FormOp,
    below: &Node,
    shared: &Arc<Shared>,
) -> Result<Streams<'scope>, OperatorError> {
    let operator = FormOperator::new(&node.name, op, &below.kind, &below.schema, &node.schema)?;
    let groups = shared.spec.settings.key_groups;
    let meets = input.scope().peers() > 1 && matches!(below.kind, StreamKind::Changelog { .. });
    let route = meets.then(|| Route::Keys { columns: op.key.clone(), groups });
    Ok(stateful(vec![(input, route)], marks, (id, node), Box::new(operator), ALL, shared))
}

/// Joins two streams. Rows of both go to the worker that holds their key.
pub(crate) fn stream_join<'scope>(
    [left, right]: [Stream<'scope, Time, Packet>; 2],
    marks: MarkStream<'scope>,
    (id, node): (NodeId, &Node),
    op: &StreamJoinOp,
    schemas: [&SchemaRef; 2],
    shared: &Arc<Shared>,
) -> Result<Streams<'scope>, OperatorError> {
    let groups = shared.spec.settings.key_groups;
    let join = StreamJoinOperator::new(&node.name, op, schemas[0], schemas[1], &node.schema, groups)?;
    let (left_key, right_key) = op.on.iter().copied().unzip();
    let route = |columns| Some(Route::Keys { columns, groups });
    let inputs = vec![(left, route(left_key)), (right, route(right_key))];
    Ok(stateful(inputs, marks, (id, node), Box::new(join), ALL, shared))
}

/// A stream looked up in a table.
pub(crate) fn table_join<'scope>(
    stream: Stream<'scope, Time, Packet>,
    table: Stream<'scope, Time, Packet>,
    marks: MarkStream<'scope>,
    (id, node): (NodeId, &Node),
    op: &TableJoinOp,
    schemas: (&SchemaRef, &SchemaRef),
    shared: &Arc<Shared>,
) -> Result<Streams<'scope>, OperatorError> {
    let groups = shared.spec.settings.key_groups;
    let join = TableJoinOperator::new(&node.name, op, schemas.0, schemas.1, &node.schema, groups)?;
    let keyed = node.inputs.get(1).is_some_and(|&table| matches!(shared.spec.plan.node(table).kind, StreamKind::Upsert { .. }));
    let join = if keyed { join.of_keyed_source() } else { join };
    let join: Box<dyn EpochOperator> = match lookup::outside_of(&shared.spec.plan, node, &shared.spec.lookups)? {
        Some(outside) => Box::new(LookupJoin::new(join, outside)),
        None => Box::new(join),
    };
    let scope = stream.scope();
    let stream_key = |t: &usize| op.on.iter().find(|(_, table)| table == t).map(|(s, _)| *s);
    let (stream_route, table_route) = if op.broadcast {
        (None, Route::Target)
    } else {
        let columns = op.table_key.iter().filter_map(stream_key).collect();
        (Some(Route::Keys { columns, groups }), Route::Keys { columns: op.table_key.clone(), groups })
    };
    let table = if op.broadcast && scope.peers() > 1 { broadcast(table, &node.name) } else { table };
    let counts = Counts { others_in: false, held: !op.broadcast || scope.index() == 0, everywhere: op.broadcast, ..ALL };
    Ok(stateful(vec![(stream, stream_route), (table, Some(table_route))], marks, (id, node), join, counts, shared))
}

/// Sends every packet to all workers.
fn broadcast<'scope>(input: Stream<'scope, Time, Packet>, name: &str) -> Stream<'scope, Time, Packet> {
    let scope = input.scope();
    let peers = scope.peers() as u32;
    let mut builder = OperatorBuilder::new(format!("{name}: broadcast"), scope);
    let mut input = builder.new_input(input, Pipeline);
    let (output, stream) = builder.new_output::<Packet>();
    let mut output = PacketOutput::new(output);
    builder.build(move |_| {
        move |_: &[MutableAntichain<Time>]| {
            input.for_each(|cap, packet| {
                let packet = std::mem::take(packet);
                if let Some(cap) = cap.retain_least(0) {
                    for target in 0..peers {
                        output.send(&cap, Packet { target, ..packet.clone() });
                    }
                }
            });
        }
    });
    stream
}
