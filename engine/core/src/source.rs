//! The source operator: polls a reader, stamps epochs, reports what the watermark needs.
//!
//! Outputs: packets, rejects, and reports (one copy for each worker). Two rules bound what is in flight: a reader is not asked for more while
//! [`Settings::epochs_in_flight`](crate::Settings) of its epochs are still open at the end of the dataflow, and one activation hands on at most
//! [`CHUNKS_PER_ACTIVATION`] chunks.

use crate::{
    EngineError, Time,
    checkpoints::{Recorder, not_restored},
    driver::{PacketOutput, RejectOutput, guarded},
    packet::Packet,
    quiet::Quiet,
    scenario::{Drain, Shared},
    watermark::{Fact, Report},
};
use arrow::{
    array::{Array, AsArray},
    compute::{cast, max},
    datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType},
};
use runink_checkpoint::{Epoch, Piece, StateError};
use runink_connector_api::{Chunk, EpochBy, Ordinal, Poll, SavedPosition, Share, SourceReader};
use runink_operators::{Batch, Origin, RejectedRow, Rejects};
use runink_planner::{EventTime, NodeId, SourceOp};
use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        Scope, Stream, StreamVec,
        operators::{
            Capability,
            generic::{OutputBuilder, builder_rc::OperatorBuilder},
            probe::Handle,
        },
    },
    scheduling::Activator,
};

/// How many chunks one activation hands on at most, so that other operators get their turn.
const CHUNKS_PER_ACTIVATION: usize = 4;
/// How soon a source that waits for the dataflow to catch up looks again.
const CATCH_UP_RETRY: Duration = Duration::from_micros(200);
/// Epoch of bounded tables that are read before everything else.
const PRELOAD_EPOCH: Time = 0;
const FIRST_EPOCH: Time = 1;

/// Why sources of a worker should stop, if they should.
pub(crate) type StopCell = Rc<Cell<Option<Drain>>>;

/// What a source operator gives.
pub(crate) struct SourceStreams<'scope> {
    pub(crate) packets: Stream<'scope, Time, Packet>,
    pub(crate) rejects: Stream<'scope, Time, Packet>,
    pub(crate) reports: StreamVec<'scope, Time, (u64, Report)>,
}

/// The epoch of a chunk where volume cuts epochs: one epoch for each place in the source's order.
pub(crate) fn epoch_of(ordinal: Ordinal) -> Epoch {
    Epoch((FIRST_EPOCH + (u64::from(ordinal.unit) << 32)).saturating_add(u64::from(ordinal.chunk)))
}

/// Builds the operator. `probe` sees the end of the dataflow, `preloaded` the end of the tables that come first.
pub(crate) fn build<'scope>(
    scope: Scope<'scope, Time>,
    id: NodeId,
    op: &SourceOp,
    shared: &Arc<Shared>,
    probe: Handle<Time>,
    preloaded: Handle<Time>,
    stop: StopCell,
) -> SourceStreams<'scope> {
    let node = shared.spec.plan.node(id);
    let mut builder = OperatorBuilder::new(format!("source {}", node.name), scope);
    let (packets, packet_stream) = builder.new_output::<Packet>();
    let (rejects, reject_stream) = builder.new_output::<Packet>();
    let (reports, report_stream) = builder.new_output::<Vec<(u64, Report)>>();
    let activator = scope.activator_for(builder.operator_info().address);
    let share = Share { index: scope.index(), peers: scope.peers() };
    let op = op.clone();
    let shared_for_logic = shared.clone();
    builder.build(move |mut capabilities| {
        let shared = shared_for_logic;
        let report_cap = capabilities.remove(2);
        let reject_cap = capabilities.remove(1);
        let data_cap = capabilities.remove(0);
        let node = shared.spec.plan.node(id);
        let started = guarded(&shared, &node.name.clone(), || start(id, share, &shared));
        let (reader, positions) = started.map_or((None, None), |(reader, positions)| (Some(reader), positions));
        let mut source = SourceLogic {
            id,
            share,
            name: node.name.as_str().into(),
            time: node.time.clone(),
            preload: op.preload,
            epoch_by: shared.epoch_by,
            open: Some(Open { data: data_cap, rejects: reject_cap, reports: report_cap }),
            reader,
            positions,
            pending: None,
            in_flight: VecDeque::new(),
            quiet: Quiet::new(Duration::from_micros(op.idle_us.max(0).unsigned_abs())),
            clock_reported: None,
            sent: 0,
            packets: PacketOutput::new(packets),
            rejects: RejectOutput::new(rejects, &node.name, &shared),
            reports: OutputBuilder::from(reports),
            probe,
            preloaded,
            stop,
            activator,
            shared: shared.clone(),
        };
        if source.reader.is_none() {
            source.open = None;
        }
        if let Some(first) = shared.gate.as_ref().and_then(|gate| gate.first_epoch(shared.start_marks().epoch())) {
            source.open.iter_mut().for_each(|open| open.advance(first.0));
        }
        move |_| {
            let name = source.name.clone();
            let shared = source.shared.clone();
            if shared.has_failed() || guarded(&shared, &name, || source.activate()).is_none() {
                source.open = None;
                source.reader = None;
                source.pending = None;
            }
        }
    });
    SourceStreams { packets: packet_stream, rejects: reject_stream, reports: report_stream }
}

/// Opens a worker's reader, where the scenario starts or where the checkpoint left it.
fn start(id: NodeId, share: Share, shared: &Arc<Shared>) -> Result<(Box<dyn SourceReader>, Option<Places>), EngineError> {
    let node = shared.spec.plan.node(id);
    let failed = |error| EngineError::Connector { name: node.name.clone(), error };
    let Some(source) = shared.spec.sources.get(&id) else {
        return Err(EngineError::NoConnector { name: node.name.clone(), connector: "source".into() });
    };
    let (Some(gate), Some(name)) = (&shared.gate, shared.lasting_name(id)) else {
        return Ok((source.reader(share).map_err(failed)?, None));
    };
    let mut from: Vec<SavedPosition> = Vec::new();
    for (place, bytes) in gate.facts(&name)? {
        let unreadable = |e| not_restored(&node.name, StateError::Schema(format!("the position in `{place}`: {e}")));
        from.push(serde_json::from_slice(&bytes).map_err(unreadable)?);
    }
    let reader = source.resume(share, &from).map_err(failed)?;
    Ok((reader, Some(Places { share, recorder: gate.recorder(&name, share.index, None), moved: BTreeMap::new() })))
}

/// How far a reader's places have been read, for checkpoints.
struct Places {
    share: Share,
    recorder: Recorder,
    /// Those that have moved since they were last handed over.
    moved: BTreeMap<Arc<str>, SavedPosition>,
}

impl Places {
    fn read(&mut self, epoch: Time, chunk: &Chunk) -> Result<(), EngineError> {
        self.recorder.begin(Epoch(epoch), |_| facts(&mut self.moved))?;
        if let Some(after) = &chunk.after {
            let (reader, readers) = (self.share.index, self.share.peers);
            let place = chunk.origin.clone();
            let position = SavedPosition { place: place.clone(), reader, readers, after: after.clone(), ended: chunk.partition_ends };
            self.moved.insert(place, position);
        }
        Ok(())
    }

    fn reach(&mut self, epoch: Option<Time>) -> Result<(), EngineError> {
        self.recorder.reach(epoch.map(Epoch), |_| facts(&mut self.moved))
    }
}

fn facts(moved: &mut BTreeMap<Arc<str>, SavedPosition>) -> Result<Option<Piece>, EngineError> {
    let moved = std::mem::take(moved);
    // Texts, numbers and a flag: JSON has a form for all of it.
    let fact = |(place, position): (Arc<str>, SavedPosition)| {
        (format!("{place} {}/{}", position.reader, position.readers), serde_json::to_vec(&position).unwrap_or_default())
    };
    Ok((!moved.is_empty()).then(|| Piece::Facts(moved.into_iter().map(fact).collect())))
}

/// The right to send at an epoch, for each output.
struct Open {
    data: Capability<Time>,
    rejects: Capability<Time>,
    reports: Capability<Time>,
}

impl Open {
    fn advance(&mut self, to: Time) {
        if to > *self.data.time() {
            self.data.downgrade(&to);
            self.rejects.downgrade(&to);
            self.reports.downgrade(&to);
        }
    }
}

struct SourceLogic {
    id: NodeId,
    share: Share,
    name: Arc<str>,
    time: Option<EventTime>,
    preload: bool,
    epoch_by: EpochBy,
    open: Option<Open>,
    reader: Option<Box<dyn SourceReader>>,
    /// Where checkpoints are made.
    positions: Option<Places>,
    /// What was read for an epoch that may not begin yet.
    pending: Option<Poll>,
    in_flight: VecDeque<Time>,
    quiet: Quiet,
    clock_reported: Option<Time>,
    sent: u64,
    packets: PacketOutput,
    rejects: RejectOutput,
    reports: OutputBuilder<Time, CapacityContainerBuilder<Vec<(u64, Report)>>>,
    probe: Handle<Time>,
    preloaded: Handle<Time>,
    stop: StopCell,
    activator: Activator,
    shared: Arc<Shared>,
}

impl SourceLogic {
    fn activate(&mut self) -> Result<(), EngineError> {
        if self.open.is_none() {
            return Ok(());
        }
        if let Some(drain) = self.stop.get() {
            return self.end(drain == Drain::Yes);
        }
        if !self.preload {
            if self.preloaded.less_equal(&PRELOAD_EPOCH) {
                self.activator.activate_after(CATCH_UP_RETRY);
                return Ok(());
            }
            self.begin(FIRST_EPOCH)?;
        }
        if self.by_clock() {
            let now = self.shared.epochs.epoch_at(self.shared.spec.clock.now_us());
            self.begin(now.0)?;
            self.report_clock()?;
        }
        // The clock's epochs go on all the same, so that what waits can become a checkpoint.
        let store_is_full = self.shared.gate.as_ref().is_some_and(|gate| gate.is_full());
        for _ in 0..CHUNKS_PER_ACTIVATION {
            if store_is_full || self.is_ahead() {
                self.activator.activate_after(CATCH_UP_RETRY);
                return Ok(());
            }
            let next = match (self.pending.take(), &mut self.reader) {
                (Some(poll), _) => poll,
                (None, Some(reader)) => reader.poll().map_err(|error| EngineError::Connector { name: self.name.to_string(), error })?,
                (None, None) => return Ok(()),
            };
            match next {
                Poll::Rows(chunk) => {
                    self.enter(chunk.ordinal)?;
                    if self.is_ahead() {
                        self.pending = Some(Poll::Rows(chunk));
                    } else {
                        self.send(chunk)?;
                    }
                }
                Poll::Watermark { partition, at_us, ordinal } => {
                    self.quiet.heard(partition);
                    self.enter(ordinal)?;
                    self.report_clock()?;
                    self.report(Fact::Asserted { partition: partition.0, at_us });
                }
                Poll::CaughtUp { partition } => {
                    let idle = self.quiet.caught_up(partition, Instant::now());
                    idle.into_iter().for_each(|fact| self.report(fact));
                }
                Poll::Waiting { retry_in } => {
                    self.ask_again_in(retry_in);
                    return Ok(());
                }
                Poll::Pending { retry_in, caught_up } => {
                    if caught_up {
                        let idle = self.quiet.all_caught_up(Instant::now());
                        idle.into_iter().for_each(|fact| self.report(fact));
                    } else {
                        self.quiet.held_back();
                    }
                    self.ask_again_in(retry_in);
                    return Ok(());
                }
                Poll::End => return self.end(true),
            }
        }
        self.activator.activate();
        Ok(())
    }

    fn ask_again_in(&self, retry_in: Duration) {
        let retry = if self.by_clock() { retry_in.min(self.shared.spec.settings.epoch_tick) } else { retry_in };
        self.activator.activate_after(retry);
    }

    fn by_clock(&self) -> bool {
        !self.preload && self.epoch_by == EpochBy::Clock
    }

    /// Whether the dataflow must catch up before more is read.
    fn is_ahead(&mut self) -> bool {
        while self.in_flight.front().is_some_and(|e| !self.probe.less_equal(e)) {
            self.in_flight.pop_front();
        }
        // The epoch that is being filled is in flight as well, and cannot close before it has been left.
        let current = self.open.as_ref().map(|o| *o.data.time());
        let behind = self.in_flight.iter().filter(|e| Some(**e) != current).count();
        behind >= self.shared.spec.settings.epochs_in_flight
    }

    fn begin(&mut self, epoch: Time) -> Result<(), EngineError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if let Some(places) = self.positions.as_mut().filter(|_| epoch > *open.data.time()) {
            places.reach(Some(epoch))?;
        }
        open.advance(epoch);
        Ok(())
    }

    fn enter(&mut self, ordinal: Ordinal) -> Result<(), EngineError> {
        if !self.preload && self.epoch_by == EpochBy::Volume {
            self.begin(epoch_of(ordinal).0)?;
        }
        let current = self.open.as_ref().map(|o| *o.data.time());
        if let Some(current) = current
            && self.in_flight.back() != Some(&current)
        {
            self.in_flight.push_back(current);
        }
        Ok(())
    }

    fn report(&mut self, fact: Fact) {
        let Some(open) = &self.open else { return };
        let mut output = self.reports.activate();
        let mut session = output.session(&open.reports);
        for worker in 0..self.share.peers {
            session.give((worker as u64, Report { source: self.id.0, reader: self.share.index, fact: fact.clone() }));
        }
    }

    fn report_clock(&mut self) -> Result<(), EngineError> {
        let Some(current) = self.open.as_ref().map(|o| *o.data.time()) else { return Ok(()) };
        if self.clock_reported != Some(current) {
            self.clock_reported = Some(current);
            let us = self.shared.spec.clock.stamp_us(Epoch(current));
            self.report(Fact::Clock { us });
        }
        Ok(())
    }

    fn send(&mut self, chunk: Chunk) -> Result<(), EngineError> {
        self.report_clock()?;
        self.quiet.heard(chunk.partition);
        if let Some(counters) = self.shared.metrics.source(self.id.0) {
            counters.rows.fetch_add(chunk.batch.num_rows() as u64, Relaxed);
            counters.bytes.fetch_add(chunk.bytes, Relaxed);
            counters.rejected.fetch_add(chunk.rejects.len() as u64, Relaxed);
        }
        let order = (self.id.0 as u64) << 56 | u64::from(chunk.partition.0) << 32 | (self.sent & 0xFFFF_FFFF);
        self.sent += 1;
        if let Some(time) = &self.time
            && let Some(max_us) = max_time_us(chunk.batch.column(time.column)).map(|us| us.saturating_add(time.shift_us))
        {
            if let Some(counters) = self.shared.metrics.source(self.id.0) {
                counters.max_time_us.fetch_max(max_us, Relaxed);
            }
            self.report(Fact::Seen { partition: chunk.partition.0, max_us });
        }
        if chunk.partition_ends {
            self.quiet.ended(chunk.partition);
            self.report(Fact::PartitionEnded { partition: chunk.partition.0 });
        }
        let Some(open) = &self.open else { return Ok(()) };
        if let Some(places) = &mut self.positions {
            places.read(*open.data.time(), &chunk)?;
        }
        if !chunk.rejects.is_empty() {
            let mut rejects = Rejects::default();
            for reject in chunk.rejects {
                rejects.push_row(RejectedRow {
                    reason: reject.reason,
                    step: self.name.clone(),
                    source: Some(self.name.clone()),
                    place: Some(chunk.origin.clone()),
                    position: Some(reject.position),
                    message: reject.message,
                    row: reject.raw,
                });
            }
            self.rejects.send(&open.rejects, &mut rejects, order)?;
        }
        let origin = Origin { source: self.name.clone(), place: chunk.origin, positions: chunk.positions };
        self.packets.send(&open.data, Packet::new(Batch { rows: chunk.batch, diffs: chunk.diffs, origin: Some(origin) }, order));
        Ok(())
    }

    fn end(&mut self, watermark_ends: bool) -> Result<(), EngineError> {
        if watermark_ends {
            // In the epoch after the last rows, so that what these closed can be told from what the end closes.
            let after = self.open.as_ref().map(|o| o.data.time().saturating_add(1));
            if let Some(after) = after.filter(|_| !self.preload) {
                self.begin(after)?;
            }
            self.report_clock()?;
            if self.quiet.settle_rest() {
                self.report(Fact::RestIdle);
            }
            self.report(Fact::ReaderEnded);
        }
        if let Some(places) = &mut self.positions {
            places.reach(None)?;
        }
        self.open = None;
        self.reader = None;
        self.pending = None;
        Ok(())
    }
}

/// The highest event time of a column, in µs.
pub(crate) fn max_time_us(column: &dyn Array) -> Option<i64> {
    let (value, per_second) = match column.data_type() {
        DataType::Timestamp(unit, _) => {
            let raw = column.to_data();
            let values = raw.buffer::<i64>(0);
            let highest = if column.null_count() == 0 {
                values.get(..column.len()).and_then(|v| v.iter().copied().max())
            } else {
                max(cast(&column.slice(0, column.len()), &DataType::Int64).ok()?.as_primitive::<Int64Type>())
            };
            let per_second = match unit {
                TimeUnit::Second => 1,
                TimeUnit::Millisecond => 1_000,
                TimeUnit::Microsecond => 1_000_000,
                TimeUnit::Nanosecond => 1_000_000_000,
            };
            (highest?, per_second)
        }
        _ => {
            let micros = cast(&column.slice(0, column.len()), &DataType::Timestamp(TimeUnit::Microsecond, None)).ok()?;
            (max(micros.as_primitive::<TimestampMicrosecondType>())?, 1_000_000)
        }
    };
    match per_second {
        1_000_000_000 => Some(value.div_euclid(1_000)),
        _ => Some(value.saturating_mul(1_000_000 / per_second)),
    }
}
