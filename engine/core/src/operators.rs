//! timely operators without state of their own: watermarks, rows, taps.

use crate::{
    EngineError, Time,
    checkpoints::WATERMARKS,
    driver::{PacketOutput, RejectOutput, Stash, guarded, least},
    packet::Packet,
    scenario::{Shared, Tap},
    watermark::{NOT_YET, Report, Watermarks},
};
use arrow::datatypes::SchemaRef;
use runink_checkpoint::{Epoch, Piece};
use runink_operators::{OperatorError, Rejects, rows::RowPipeline};
use runink_planner::{Node, NodeId, RowStage};
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
    let mut state = shared.start_marks().clone();
    state.readers(peers);
    let mut recorder = shared.gate.as_ref().filter(|_| first_worker).map(|gate| gate.recorder(&WATERMARKS.into(), 0, None));
    let mut builder = OperatorBuilder::new("watermarks".into(), scope);
    let mut input = builder.new_input(reports, Exchange::new(|r: &(u64, Report)| r.0));
    let (output, stream) = builder.new_output::<Vec<Marks>>();
    let mut output = timely::dataflow::operators::generic::OutputBuilder::from(output);
    let shared = shared.clone();
    builder.build(move |_| {
        let mut stash: Stash<Vec<Report>> = Stash::new();
        let mut clock_us = NOT_YET;
        let start_us = shared.epochs.start_us;
        move |frontiers: &[MutableAntichain<Time>]| {
            // All workers compute the same; one tells.
            let watermark_tap = shared.spec.watermark_tap.as_ref().filter(|_| first_worker);
            input.for_each(|cap, reports| {
                if let Some(work) = stash.of(&cap, 1) {
                    work.extend(reports.drain(..).map(|(_, report)| report));
                }
            });
            let facts = |state: &Watermarks| Ok::<_, EngineError>(Some(Piece::Facts(state.facts(start_us))));
            while let Some((time, caps, mut reports)) = stash.pop_closed(closed(frontiers)) {
                if let Some(recorder) = &mut recorder
                    && guarded(&shared, WATERMARKS, || recorder.begin(Epoch(time), |_| facts(&state))).is_none()
                {
                    return stash.clear();
                }
                // They come in any order: what they say must not depend on it.
                reports.sort_by_key(Report::rank);
                reports.iter().for_each(|r| state.report(r));
                let moved = state.close(Epoch(time));
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
            if let Some(recorder) = &mut recorder {
                guarded(&shared, WATERMARKS, || recorder.reach(least(frontiers), |_| facts(&state)));
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
    /// Where it stands before the first epoch: where the checkpoint left it that the scenario starts from.
    pub(crate) fn of(node: &Node, shared: &Shared) -> Self {
        let start = shared.start_marks();
        let at = |s: &NodeId| (s.0, start.watermark_of(s.0));
        Standing { sources: node.watermark_of.iter().map(at).collect(), clock_us: start.clock_us() }
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

/// Notes which windows broke an expectation.
pub(crate) fn checked<'scope>(
    input: Stream<'scope, Time, Packet>,
    (id, node): (NodeId, &Node),
    shared: &Arc<Shared>,
) -> Stream<'scope, Time, Packet> {
    let mut builder = OperatorBuilder::new(format!("{}: noted", node.name), input.scope());
    let mut input = builder.new_input(input, Pipeline);
    let (output, stream) = builder.new_output::<Packet>();
    let mut output = PacketOutput::new(output);
    let shared = shared.clone();
    builder.build(move |_| {
        move |_: &[MutableAntichain<Time>]| {
            input.for_each(|cap, packet| {
                let packet = std::mem::take(packet);
                if let (Some(batch), Some(check)) = (&packet.batch, shared.metrics.check(id)) {
                    check.note(&batch.rows);
                }
                if let Some(cap) = cap.retain_least(0) {
                    output.send(&cap, packet);
                }
            });
        }
    });
    stream
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
