//! timely operators around the state machines of `runink-operators`.

use crate::{
    Time,
    driver::{PacketOutput, RejectOutput, Stash, guarded, in_order},
    exchange::{Route, pact},
    metrics::Moved,
    packet::Packet,
    scenario::{Shared, Tap},
    watermark::{NOT_YET, Report, Watermarks},
    window_order::by_window,
};
use arrow::datatypes::SchemaRef;
use runink_checkpoint::{Epoch, StateTable};
use runink_operators::{
    Batch, OperatorError, Rejects,
    aggregate::{AggregateOperator, PartialAggregate},
    rows::RowPipeline,
    table_join::TableJoinOperator,
};
use runink_planner::{AggregateOp, Node, NodeId, Op, RowStage, TableJoinOp};
use std::sync::{Arc, atomic::Ordering::Relaxed};
use timely::{
    dataflow::{
        Stream, StreamVec,
        channels::pact::{Exchange, Pipeline},
        operators::generic::builder_rc::OperatorBuilder,
    },
    progress::frontier::MutableAntichain,
};

/// The watermarks that moved in an epoch, and its wall clock.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Marks {
    moved: Vec<(usize, i64)>,
    clock_us: i64,
}

/// A worker's own copy of every epoch's watermarks.
pub(crate) type MarkStream<'scope> = StreamVec<'scope, Time, Marks>;

/// Packets, and rejects.
pub(crate) type Streams<'scope> = (Stream<'scope, Time, Packet>, Stream<'scope, Time, Packet>);

pub(crate) fn closed(frontiers: &[MutableAntichain<Time>]) -> impl Fn(Time) -> bool + '_ {
    |time| frontiers.iter().all(|f| !f.less_equal(&time))
}

/// Turns reports of all workers into watermarks, epoch by epoch.
pub(crate) fn watermarks<'scope>(reports: StreamVec<'scope, Time, (u64, Report)>, shared: &Arc<Shared>) -> MarkStream<'scope> {
    let scope = reports.scope();
    let (first_worker, peers) = (scope.index() == 0, scope.peers());
    let mut state = Watermarks::new();
    for (id, node) in shared.spec.plan.nodes.iter().enumerate() {
        if let Op::Source(op) = &node.op {
            let partitions = shared.spec.sources.get(&NodeId(id)).map_or(1, |s| s.partitions());
            state.add(id, partitions, op.lateness_us, op.advance_when_idle, peers);
        }
    }
    let mut builder = OperatorBuilder::new("watermarks".into(), scope);
    let mut input = builder.new_input(reports, Exchange::new(|r: &(u64, Report)| r.0));
    let (output, stream) = builder.new_output::<Vec<Marks>>();
    let mut output = timely::dataflow::operators::generic::OutputBuilder::from(output);
    let shared = shared.clone();
    builder.build(move |_| {
        let mut stash: Stash<Vec<Report>> = Stash::new();
        let mut clock_us = NOT_YET;
        move |frontiers: &[MutableAntichain<Time>]| {
            // All workers compute the same; one tells.
            let watermark_tap = shared.spec.watermark_tap.as_ref().filter(|_| first_worker);
            input.for_each(|cap, reports| {
                if let Some(&time) = cap.least() {
                    let work = stash.at(time, || cap.retain_least(0).into_iter().collect());
                    work.extend(reports.drain(..).map(|(_, report)| report));
                }
            });
            while let Some((time, caps, mut reports)) = stash.pop_closed(closed(frontiers)) {
                // They come in any order: what they say must not depend on it.
                reports.sort_by_key(Report::rank);
                reports.iter().for_each(|r| state.report(r));
                let moved = state.close();
                for &(source, watermark) in &moved {
                    if let Some(counters) = shared.metrics.source(source) {
                        counters.watermark_us.fetch_max(watermark, Relaxed);
                    }
                    if let Some(tap) = watermark_tap {
                        tap.observe(Epoch(time), NodeId(source), watermark);
                    }
                }
                let clock_moved = state.clock_us() != clock_us;
                clock_us = state.clock_us();
                if (!moved.is_empty() || clock_moved)
                    && let Some(cap) = caps.first()
                {
                    let mut session = output.activate();
                    session.session(cap).give(Marks { moved, clock_us });
                }
            }
        }
    });
    stream
}

/// Where the watermark stands for one node.
pub(crate) struct Standing {
    sources: Vec<(usize, i64)>,
    pub(crate) clock_us: i64,
}

impl Standing {
    pub(crate) fn of(node: &Node) -> Self {
        Standing { sources: node.watermark_of.iter().map(|s| (s.0, NOT_YET)).collect(), clock_us: NOT_YET }
    }

    pub(crate) fn take(&mut self, marks: &[Marks]) {
        for mark in marks {
            self.clock_us = self.clock_us.max(mark.clock_us);
            for &(source, watermark) in &mark.moved {
                self.sources.iter_mut().filter(|(s, _)| *s == source).for_each(|(_, w)| *w = (*w).max(watermark));
            }
        }
    }

    pub(crate) fn watermark(&self) -> i64 {
        self.sources.iter().map(|(_, w)| *w).min().unwrap_or(NOT_YET)
    }
}

/// Stateless stages.
pub(crate) fn rows<'scope>(
    input: Stream<'scope, Time, Packet>,
    (id, node): (NodeId, &Node),
    stages: &[RowStage],
    schema: &SchemaRef,
    shared: &Arc<Shared>,
) -> Result<Streams<'scope>, OperatorError> {
    let mut pipeline = RowPipeline::new(stages, schema)?;
    let mut builder = OperatorBuilder::new(node.name.clone(), input.scope());
    let mut input = builder.new_input(input, Pipeline);
    let (output, stream) = builder.new_output::<Packet>();
    let (reject_output, reject_stream) = builder.new_output::<Packet>();
    let mut output = PacketOutput::new(output);
    let mut reject_output = RejectOutput::new(reject_output, &node.name, shared);
    let (shared, name) = (shared.clone(), node.name.clone());
    builder.build(move |_| {
        let mut rejects = Rejects::default();
        move |_: &[MutableAntichain<Time>]| {
            input.for_each(|cap, packet| {
                let packet = std::mem::take(packet);
                if shared.has_failed() {
                    return;
                }
                let (order, target) = (packet.order, packet.target);
                guarded(&shared, &name, || {
                    let Some(batch) = packet.batch else { return Ok(()) };
                    let batch = pipeline.run(batch, &mut rejects)?;
                    if let (Some(batch), Some(cap)) = (batch, cap.retain_least(0)) {
                        output.send(&cap, Packet { batch: Some(batch), order, target });
                    }
                    match cap.retain_least(1) {
                        Some(cap) => reject_output.send(&cap, &mut rejects, order),
                        None => Ok(()),
                    }
                });
            });
            let counts: Vec<_> = pipeline.take_counts().map(|(step, counts)| (step.clone(), counts)).collect();
            for (at, stages) in counts.chunk_by(|a, b| a.0 == b.0).enumerate() {
                if let Some(counters) = shared.metrics.part(id, at) {
                    counters.add_stages(&stages.iter().map(|(_, c)| *c).collect::<Vec<_>>());
                }
            }
        }
    });
    Ok((stream, reject_stream))
}

#[derive(Default)]
struct TimedWork {
    packets: Vec<Packet>,
    marks: Vec<Marks>,
}

/// Moves what has come into the stash, whatever way it came.
type Arrivals = Box<dyn FnMut(&mut Stash<TimedWork>)>;

/// What an aggregation is on this worker.
enum Aggregation {
    /// The first of two phases.
    Partial(PartialAggregate),
    /// The whole of it, over rows.
    Whole(AggregateOperator),
    /// The second phase, over partial states.
    Merge(AggregateOperator),
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
    let peers = input.scope().peers();
    if peers > 1 && op.two_phase && PartialAggregate::supports(op, schema) {
        let partial = PartialAggregate::new(&node.name, op, schema, groups)?;
        let route = Route::Keys { columns: (1..=op.keys.len()).collect(), groups };
        let (partials, rejects) = timed(input, marks.clone(), None, (id, node), Aggregation::Partial(partial), shared);
        let (out, more) = timed(partials, marks, Some(route), (id, node), Aggregation::Merge(whole), shared);
        return Ok(((out, rejects), more));
    }
    let route = (peers > 1).then(|| Route::Keys { columns: op.keys.clone(), groups });
    let (out, rejects) = timed(input, marks, route, (id, node), Aggregation::Whole(whole), shared);
    let none = timely::dataflow::operators::generic::operator::empty(out.scope());
    Ok(((out, rejects), none))
}

fn timed<'scope>(
    input: Stream<'scope, Time, Packet>,
    marks: MarkStream<'scope>,
    route: Option<Route>,
    (id, node): (NodeId, &Node),
    mut aggregation: Aggregation,
    shared: &Arc<Shared>,
) -> Streams<'scope> {
    let scope = input.scope();
    let worker = scope.index() as u64;
    let mut builder = OperatorBuilder::new(node.name.clone(), scope);
    let mut input: Arrivals = match route {
        Some(route) => {
            let mut handle = builder.new_input(input, pact(route, &node.name, shared));
            Box::new(move |stash| {
                handle.for_each(|cap, packet| {
                    if let Some(&time) = cap.least() {
                        stash
                            .at(time, || [0, 1].iter().filter_map(|&o| cap.retain_least(o)).collect())
                            .packets
                            .push(std::mem::take(packet));
                    }
                });
            })
        }
        None => {
            let mut handle = builder.new_input(input, Pipeline);
            Box::new(move |stash| {
                handle.for_each(|cap, packet| {
                    if let Some(&time) = cap.least() {
                        stash
                            .at(time, || [0, 1].iter().filter_map(|&o| cap.retain_least(o)).collect())
                            .packets
                            .push(std::mem::take(packet));
                    }
                });
            })
        }
    };
    let mut mark_input = builder.new_input(marks, Pipeline);
    let (output, stream) = builder.new_output::<Packet>();
    let (reject_output, reject_stream) = builder.new_output::<Packet>();
    let mut output = PacketOutput::new(output);
    let mut reject_output = RejectOutput::new(reject_output, &node.name, shared);
    let (shared, name) = (shared.clone(), node.name.clone());
    let mut standing = Standing::of(node);
    // A windowed result's last column is the window's end.
    let window_end = matches!(&node.op, Op::Aggregate(op) if op.window.is_some()).then(|| node.schema.fields().len().saturating_sub(1));
    builder.build(move |_| {
        let mut stash: Stash<TimedWork> = Stash::new();
        let mut rejects = Rejects::default();
        let mut held = 0u64;
        move |frontiers: &[MutableAntichain<Time>]| {
            input(&mut stash);
            mark_input.for_each(|cap, marks| {
                if let Some(&time) = cap.least() {
                    stash.at(time, || [0, 1].iter().filter_map(|&o| cap.retain_least(o)).collect()).marks.append(marks);
                }
            });
            if shared.has_failed() {
                return stash.clear();
            }
            let done = guarded(&shared, &name, || {
                while let Some((_, caps, work)) = stash.pop_closed(closed(frontiers)) {
                    let before = standing.watermark();
                    standing.take(&work.marks);
                    let (watermark, clock) = (standing.watermark(), standing.clock_us);
                    let batches = in_order(work.packets);
                    let rows_in = batches.iter().map(|b| b.len() as u64).sum::<u64>();
                    let given: Vec<Batch> = match &mut aggregation {
                        Aggregation::Partial(partial) => {
                            partial.apply(batches, before, clock, &mut rejects)?.into_iter().map(Batch::of).collect()
                        }
                        Aggregation::Whole(whole) => {
                            whole.apply(batches, before, clock, &mut rejects)?;
                            whole.close(watermark, clock, &mut rejects)?.batches
                        }
                        Aggregation::Merge(whole) => {
                            whole.merge(&batches.into_iter().map(|b| b.rows).collect::<Vec<_>>())?;
                            whole.close(watermark, clock, &mut rejects)?.batches
                        }
                    };
                    let rows_out = given.iter().map(|b| b.len() as u64).sum::<u64>();
                    if let Some(counters) = shared.metrics.part(id, 0) {
                        let (rows_in, rows_out) = match &aggregation {
                            Aggregation::Partial(_) => (rows_in, 0),
                            Aggregation::Whole(_) => (rows_in, rows_out),
                            Aggregation::Merge(_) => (0, rows_out),
                        };
                        counters.add(Moved { rows_in, rows_out, filtered: 0, rejected: rejects.len() as u64 });
                        if let Aggregation::Whole(whole) | Aggregation::Merge(whole) = &aggregation {
                            let now = whole.held();
                            counters.held_changed(now as i64 - held as i64);
                            held = now;
                        }
                    }
                    if let [out_cap, reject_cap] = caps.as_slice() {
                        for (i, batch) in given.into_iter().enumerate() {
                            match window_end.filter(|_| !matches!(aggregation, Aggregation::Partial(_))) {
                                None => output.send(out_cap, Packet::new(batch, worker << 32 | i as u64)),
                                Some(end) => {
                                    let packets = by_window(batch, end, worker).map_err(|e| OperatorError::kernel(&name, e))?;
                                    packets.into_iter().for_each(|packet| output.send(out_cap, packet));
                                }
                            }
                        }
                        reject_output.send(reject_cap, &mut rejects, worker)?;
                    }
                }
                Ok(())
            });
            if done.is_none() {
                stash.clear();
            }
        }
    });
    (stream, reject_stream)
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

#[derive(Default)]
struct JoinWork {
    stream: Vec<Packet>,
    table: Vec<Packet>,
    marks: Vec<Marks>,
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
    let mut join = TableJoinOperator::new(&node.name, op, schemas.0, schemas.1, &node.schema, groups)?;
    let scope = stream.scope();
    let mut builder = OperatorBuilder::new(node.name.clone(), scope);
    let stream_key = |t: &usize| op.on.iter().find(|(_, table)| table == t).map(|(s, _)| *s);
    let (stream_route, table_route) = if op.broadcast {
        (Route::One(scope.index()), Route::Target)
    } else {
        let columns = op.table_key.iter().filter_map(stream_key).collect();
        (Route::Keys { columns, groups }, Route::Keys { columns: op.table_key.clone(), groups })
    };
    let table = if op.broadcast && scope.peers() > 1 { broadcast(table, &node.name) } else { table };
    let mut stream_input = builder.new_input(stream, pact(stream_route, &node.name, shared));
    let mut table_input = builder.new_input(table, pact(table_route, &node.name, shared));
    let mut mark_input = builder.new_input(marks, Pipeline);
    let (output, out) = builder.new_output::<Packet>();
    let (reject_output, reject_stream) = builder.new_output::<Packet>();
    let mut output = PacketOutput::new(output);
    let mut reject_output = RejectOutput::new(reject_output, &node.name, shared);
    let (shared, name) = (shared.clone(), node.name.clone());
    let mut standing = Standing::of(node);
    let counts_table = !op.broadcast || scope.index() == 0;
    builder.build(move |_| {
        let mut stash: Stash<JoinWork> = Stash::new();
        let mut rejects = Rejects::default();
        let mut held = 0i64;
        move |frontiers: &[MutableAntichain<Time>]| {
            stream_input.for_each(|cap, packet| {
                if let Some(&time) = cap.least() {
                    stash.at(time, || [0, 1].iter().filter_map(|&o| cap.retain_least(o)).collect()).stream.push(std::mem::take(packet));
                }
            });
            table_input.for_each(|cap, packet| {
                if let Some(&time) = cap.least() {
                    stash.at(time, || [0, 1].iter().filter_map(|&o| cap.retain_least(o)).collect()).table.push(std::mem::take(packet));
                }
            });
            mark_input.for_each(|cap, marks| {
                if let Some(&time) = cap.least() {
                    stash.at(time, || [0, 1].iter().filter_map(|&o| cap.retain_least(o)).collect()).marks.append(marks);
                }
            });
            if shared.has_failed() {
                return stash.clear();
            }
            let done = guarded(&shared, &name, || {
                while let Some((_, caps, work)) = stash.pop_closed(closed(frontiers)) {
                    let before = standing.watermark();
                    standing.take(&work.marks);
                    if !work.table.is_empty() {
                        join.apply_table(in_order(work.table), before)?;
                    }
                    let mut packets = work.stream;
                    packets.sort_by_key(|p| p.order);
                    for Packet { batch, order, target } in packets {
                        let Some(batch) = batch else { continue };
                        let rows_in = batch.len() as u64;
                        let joined = join.probe(batch, before, &mut rejects)?;
                        let rows_out = joined.as_ref().map_or(0, |b| b.len() as u64);
                        if let Some(counters) = shared.metrics.part(id, 0) {
                            let rejected = rejects.len() as u64;
                            counters.add(Moved { rows_in, rows_out, filtered: rows_in - rows_out - rejected, rejected });
                        }
                        if let [out_cap, reject_cap] = caps.as_slice() {
                            if let Some(joined) = joined {
                                output.send(out_cap, Packet { batch: Some(joined), order, target });
                            }
                            reject_output.send(reject_cap, &mut rejects, order)?;
                        }
                    }
                    if let Some(counters) = shared.metrics.part(id, 0).filter(|_| counts_table) {
                        let now = join.keys() as i64;
                        counters.held_changed(now - held);
                        held = now;
                    }
                }
                Ok(())
            });
            if done.is_none() {
                stash.clear();
            }
        }
    });
    Ok((out, reject_stream))
}

/// Lets somebody see what flows.
pub(crate) fn tap<'scope>(
    input: Stream<'scope, Time, Packet>,
    tap: &Arc<dyn Tap>,
    name: &str,
    shared: &Arc<Shared>,
) -> Stream<'scope, Time, Packet> {
    let mut builder = OperatorBuilder::new(format!("{name}: tap"), input.scope());
    let mut input = builder.new_input(input, Pipeline);
    let (output, stream) = builder.new_output::<Packet>();
    let mut output = PacketOutput::new(output);
    let (tap, shared, name) = (tap.clone(), shared.clone(), name.to_owned());
    builder.build(move |_| {
        move |_: &[MutableAntichain<Time>]| {
            input.for_each(|cap, packet| {
                let packet = std::mem::take(packet);
                if let (Some(batch), Some(&time)) = (&packet.batch, cap.least()) {
                    guarded(&shared, &name, || {
                        tap.observe(Epoch(time), batch);
                        Ok(())
                    });
                }
                if let Some(cap) = cap.retain_least(0) {
                    output.send(&cap, packet);
                }
            });
        }
    });
    stream
}
