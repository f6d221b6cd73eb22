//! The sink operator: hands a sink its rows in order of epochs, and completes it when the scenario has ended well.

use crate::{
    EngineError, Time,
    driver::{Stash, guarded, in_order, least},
    exchange::{Route, pact},
    packet::Packet,
    scenario::Shared,
};
use runink_checkpoint::{Epoch, HeldOutput, Piece};
use runink_connector_api::{Delivery, Outbox, Share, SinkWidth, SinkWriter};
use runink_operators::Ordered;
use runink_planner::NodeId;
use std::sync::{Arc, atomic::Ordering::Relaxed};
use timely::dataflow::{Stream, operators::generic::builder_rc::OperatorBuilder};

/// Builds the operator; its output carries nothing but progress.
pub(crate) fn build<'scope>(input: Stream<'scope, Time, Packet>, id: NodeId, shared: &Arc<Shared>) -> Stream<'scope, Time, Packet> {
    let scope = input.scope();
    let node = shared.spec.plan.node(id);
    let name = node.name.clone();
    let width = shared.spec.sinks.get(&id).map_or(SinkWidth::One, |s| s.width());
    let mut builder = OperatorBuilder::new(format!("sink {name}"), scope);
    // A sink of one writer is on worker 0; other workers' operators get no rows and open nothing.
    let (share, route) = match width {
        SinkWidth::One => ((scope.index() == 0).then_some(Share { index: 0, peers: 1 }), Route::One(0)),
        SinkWidth::EachWorker => (Some(Share { index: scope.index(), peers: scope.peers() }), Route::One(scope.index())),
    };
    let mut input = builder.new_input(input, pact(route, &name, shared));
    let (_progress, progress) = builder.new_output::<Packet>();
    let shared = shared.clone();
    builder.build(move |mut capabilities| {
        let mut hold = Some(capabilities.remove(0));
        let opened = share.and_then(|share| {
            guarded(&shared, &name, || match shared.spec.sinks.get(&id) {
                Some(sink) => sink.writer(share).map_err(|error| EngineError::Connector { name: name.clone(), error }),
                None => Err(EngineError::NoConnector { name: name.clone(), connector: "sink".into() }),
            })
        });
        let mut writer: Option<Box<dyn SinkWriter>> = opened;
        // Output that is held back goes with the checkpoint; all other is flushed as epochs close.
        let holds_back = shared.spec.sinks.get(&id).is_some_and(|sink| shared.gate.is_some() && sink.delivery() == Delivery::ExactlyOnce);
        let mut recorder = match (&shared.gate, shared.lasting_name(id), &writer) {
            (Some(gate), Some(name), Some(_)) => Some(gate.recorder(&name, share.map_or(0, |s| s.index), None)),
            _ => None,
        };
        let mut stash: Stash<Vec<Packet>> = Stash::new();
        move |frontiers| {
            input.for_each(|cap, packet| {
                if let Some(work) = stash.of(&cap, 1) {
                    work.push(std::mem::take(packet));
                }
            });
            let frontier = frontiers[0].frontier();
            let wrote = guarded(&shared, &name, || {
                let failed = |error| EngineError::Connector { name: name.clone(), error };
                let mut wrote = false;
                while let Some((epoch, _caps, packets)) = stash.pop_closed(|t| !frontier.less_equal(&t)) {
                    if let Some(recorder) = &mut recorder {
                        recorder.begin(Epoch(epoch), |_| held_back(&mut writer, &name))?;
                    }
                    for Ordered { batch, .. } in in_order(packets) {
                        if let Some(writer) = &mut writer {
                            writer.write(&batch.rows, batch.diffs.as_ref()).map_err(failed)?;
                            wrote = true;
                        }
                        if let Some(counters) = shared.metrics.sink(id.0) {
                            counters.rows.fetch_add(batch.len() as u64, Relaxed);
                        }
                    }
                }
                if let Some(writer) = writer.as_mut().filter(|_| wrote && !holds_back) {
                    writer.flush().map_err(failed)?;
                }
                match &mut recorder {
                    Some(recorder) => recorder.reach(least(frontiers), |_| held_back(&mut writer, &name)),
                    None => Ok(()),
                }
            });
            // What is written is done with: sources may go on. The right itself stays until the writer is handed over.
            if let (Some(hold), Some(&time)) = (&mut hold, frontier.first()) {
                hold.downgrade(&time);
            }
            if wrote.is_none() || shared.has_failed() {
                writer = None;
                hold = None;
                stash.clear();
            } else if frontiers[0].is_empty()
                && let Some(_held) = hold.take()
                && let Some(writer) = writer.take()
            {
                shared.writer_done(id.0, writer);
            }
        }
    });
    progress
}

/// What the writer holds back for the checkpoint.
fn held_back(writer: &mut Option<Box<dyn SinkWriter>>, name: &str) -> Result<Option<Piece>, EngineError> {
    let Some(writer) = writer else { return Ok(None) };
    let outbox = writer.outbox().map_err(|error| EngineError::Connector { name: name.to_owned(), error })?;
    Ok(outbox.map(|Outbox { bytes, rows, hash }| Piece::Outbox(HeldOutput { bytes, rows, hash })))
}
