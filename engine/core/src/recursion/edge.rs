//! Where record batches become collections of packed rows, and where these become batches again.

use super::{Turned, codec::Codec, packed::Packed};
use crate::{
    EngineError, Time,
    checkpoints::Recorder,
    driver::{PacketOutput, RejectOutput, guarded, least},
    metrics::Moved,
    operators::closed,
    packet::Packet,
    scenario::Shared,
};
use arrow::{array::Int64Array, datatypes::SchemaRef};
use differential_dataflow::{AsCollection, VecCollection};
use runink_checkpoint::Piece;
use runink_connector_api::RejectReason;
use runink_operators::{Batch, OperatorError, RejectedRow, Rejects};
use runink_planner::{Node, NodeId};
use std::{collections::BTreeMap, sync::Arc};
use timely::{
    dataflow::{
        Stream,
        channels::pact::Pipeline,
        operators::{
            Capability,
            generic::{OutputBuilder, builder_rc::OperatorBuilder},
        },
    },
    progress::frontier::MutableAntichain,
};

/// Batches that come out have at most that many rows.
const BATCH_ROWS: usize = 8192;

/// Rows of an input, with how often each comes or goes.
pub(super) fn enter<'scope>(
    input: Stream<'scope, Time, Packet>,
    schema: &SchemaRef,
    step: &str,
    shared: &Arc<Shared>,
) -> Result<VecCollection<'scope, Time, Packed, isize>, OperatorError> {
    let codec = Codec::new(schema).map_err(|e| OperatorError::kernel(step, e))?;
    let mut builder = OperatorBuilder::new(format!("{step}: rows in"), input.scope());
    let mut input = builder.new_input(input, Pipeline);
    let (output, stream) = builder.new_output::<Vec<(Packed, Time, isize)>>();
    let mut output = OutputBuilder::<_, timely::container::CapacityContainerBuilder<_>>::from(output);
    let (shared, step) = (shared.clone(), step.to_owned());
    builder.build(move |_| {
        move |_: &[MutableAntichain<Time>]| {
            input.for_each(|cap, packet| {
                let packet = std::mem::take(packet);
                let (Some(batch), Some(&time)) = (packet.batch, cap.least()) else { return };
                if shared.has_failed() {
                    return;
                }
                guarded(&shared, &step, || {
                    let rows = codec.pack(batch.rows.columns()).map_err(|e| OperatorError::kernel(&step, e))?;
                    let diff = |row: usize| batch.diffs.as_ref().map_or(1, |d| d.value(row) as isize);
                    let updates = (0..batch.len()).map(|row| (Packed::new(rows.row(row).data()), time, diff(row)));
                    output.activate().session(&cap).give_iterator(updates);
                    Ok(())
                });
            });
        }
    });
    Ok(stream.as_collection())
}

/// What a checkpoint waits for before it counts epochs as done: what follows from them must have come out, as it does not come again after a restart.
fn recorder(id: NodeId, part: usize, worker: usize, shared: &Arc<Shared>) -> Option<Recorder> {
    let (gate, name) = (shared.gate.as_ref()?, shared.lasting_part(id, part)?);
    Some(gate.recorder(&name, worker, None))
}

/// All that is owed up to the frontier has come out.
fn reached(recorder: &mut Option<Recorder>, frontiers: &[MutableAntichain<Time>], shared: &Shared, step: &str) {
    if let Some(recorder) = recorder.as_mut().filter(|_| !shared.has_failed()) {
        let nothing = |_| Ok::<Option<Piece>, EngineError>(None);
        guarded(shared, step, || recorder.reach(least(frontiers), nothing));
    }
}

/// What came out of an epoch, until the epoch is closed.
type Pending<D> = BTreeMap<Time, (Capability<Time>, Vec<(D, isize)>)>;

/// The changes of each epoch as batches, those that take rows back first. `owed`: the rows of the first epoch had come out before the scenario started anew.
pub(super) fn leave<'scope>(
    rows: VecCollection<'scope, Time, Packed, isize>,
    (id, node): (NodeId, &Node),
    owed: bool,
    shared: &Arc<Shared>,
) -> Result<Stream<'scope, Time, Packet>, OperatorError> {
    let codec = Codec::new(&node.schema).map_err(|e| OperatorError::kernel(&node.name, e))?;
    let scope = rows.inner.scope();
    let worker = scope.index() as u64;
    let mut builder = OperatorBuilder::new(format!("{}: rows out", node.name), scope);
    let mut input = builder.new_input(rows.consolidate().inner, Pipeline);
    let (output, stream) = builder.new_output::<Packet>();
    let mut output = PacketOutput::new(output);
    let mut recorder = recorder(id, node.inputs.len(), scope.index(), shared);
    let (shared, step) = (shared.clone(), node.name.clone());
    builder.build(move |_| {
        let mut pending: Pending<Packed> = BTreeMap::new();
        move |frontiers: &[MutableAntichain<Time>]| {
            input.for_each(|cap, updates| {
                for (row, time, diff) in updates.drain(..) {
                    pending.entry(time).or_insert_with(|| (cap.delayed(&time, 0), Vec::new())).1.push((row, diff));
                }
            });
            let closed = closed(frontiers);
            while let Some(first) = pending.first_entry()
                && (closed(*first.key()) || shared.has_failed())
            {
                let (time, (cap, mut updates)) = first.remove_entry();
                if shared.has_failed() || (owed && time == 0) {
                    continue;
                }
                updates.sort_by(|a, b| (a.1 > 0, &a.0).cmp(&(b.1 > 0, &b.0)));
                guarded(&shared, &step, || {
                    for (n, some) in updates.chunks(BATCH_ROWS).enumerate() {
                        let rows = codec.unpack(some.iter().map(|(row, _)| row)).map_err(|e| OperatorError::kernel(&step, e))?;
                        let diffs = Int64Array::from_iter_values(some.iter().map(|(_, diff)| *diff as i64));
                        let batch = Batch { rows, diffs: Some(diffs), origin: None };
                        output.send(&cap, Packet::new(batch, worker << 32 | n as u64));
                    }
                    Ok(())
                });
                if let Some(counters) = shared.metrics.part(id, 0) {
                    counters.add(Moved { rows_out: updates.len() as u64, ..Moved::default() });
                }
            }
            reached(&mut recorder, frontiers, &shared, &step);
        }
    });
    Ok(stream)
}

/// Rows that a round could not use, once for each that is there now and was not at the end of the epoch before.
pub(super) fn turned_away<'scope>(
    rows: VecCollection<'scope, Time, Turned, isize>,
    (id, node): (NodeId, &Node),
    owed: bool,
    shared: &Arc<Shared>,
) -> Stream<'scope, Time, Packet> {
    let scope = rows.inner.scope();
    let worker = scope.index() as u64;
    let mut builder = OperatorBuilder::new(format!("{}: rejects", node.name), scope);
    let mut input = builder.new_input(rows.consolidate().inner, Pipeline);
    let (output, stream) = builder.new_output::<Packet>();
    let mut output = RejectOutput::new(output, &node.name, shared);
    let mut recorder = recorder(id, node.inputs.len() + 1, scope.index(), shared);
    let (shared, step): (_, Arc<str>) = (shared.clone(), node.name.as_str().into());
    builder.build(move |_| {
        let mut pending: Pending<Turned> = BTreeMap::new();
        let mut rejects = Rejects::default();
        move |frontiers: &[MutableAntichain<Time>]| {
            input.for_each(|cap, updates| {
                for (row, time, diff) in updates.drain(..) {
                    pending.entry(time).or_insert_with(|| (cap.delayed(&time, 0), Vec::new())).1.push((row, diff));
                }
            });
            let closed = closed(frontiers);
            while let Some(first) = pending.first_entry()
                && (closed(*first.key()) || shared.has_failed())
            {
                let (time, (cap, mut updates)) = first.remove_entry();
                if shared.has_failed() || (owed && time == 0) {
                    continue;
                }
                updates.sort();
                for ((message, row), diff) in updates {
                    for _ in 0..diff {
                        rejects.push_row(RejectedRow {
                            reason: RejectReason::Expression,
                            step: step.clone(),
                            source: None,
                            place: None,
                            position: None,
                            message: message.clone(),
                            row: row.clone(),
                        });
                    }
                }
                if let Some(counters) = shared.metrics.part(id, 0) {
                    counters.add(Moved { rejected: rejects.len() as u64, ..Moved::default() });
                }
                guarded(&shared, &step, || output.send(&cap, &mut rejects, worker));
            }
            reached(&mut recorder, frontiers, &shared, &step);
        }
    });
    stream
}
