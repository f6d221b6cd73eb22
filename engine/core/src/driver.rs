//! What timely operators have in common: a stash of work by epoch, released in order as epochs close; and failure that stops one scenario only.

use crate::{EngineError, Time, packet::Packet, scenario::Shared};
use runink_checkpoint::Epoch;
use runink_operators::{Batch, OperatorError, Ordered, Rejects};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
use timely::{
    container::NoopBuilder,
    dataflow::{
        channels::pushers::Output,
        operators::{Capability, InputCapability, generic::OutputBuilder},
    },
    progress::frontier::MutableAntichain,
};

/// An operator's output of packets.
pub(crate) struct PacketOutput(OutputBuilder<Time, NoopBuilder<Packet>>);

impl PacketOutput {
    pub(crate) fn new(output: Output<Time, Packet>) -> Self {
        PacketOutput(OutputBuilder::from(output))
    }

    /// Sends a packet, unless it is empty.
    pub(crate) fn send(&mut self, capability: &Capability<Time>, mut packet: Packet) {
        if packet.batch.as_ref().is_some_and(|b| !b.is_empty()) {
            self.0.activate().session_with_builder(capability).give_container(&mut packet);
        }
    }
}

/// Work of epochs that are not closed yet. `caps` are the capabilities for the operator's outputs, in their order.
pub(crate) struct Stash<W> {
    epochs: BTreeMap<Time, (Vec<Capability<Time>>, W)>,
}

impl<W: Default> Stash<W> {
    pub(crate) fn new() -> Self {
        Stash { epochs: BTreeMap::new() }
    }

    /// The work of the epoch that a message belongs to. With an epoch's first message its rights to send are kept, one for each of the `outputs`.
    pub(crate) fn of(&mut self, message: &InputCapability<Time>, outputs: usize) -> Option<&mut W> {
        let &time = message.least()?;
        let first = || ((0..outputs).filter_map(|output| message.retain_least(output)).collect(), W::default());
        Some(&mut self.epochs.entry(time).or_insert_with(first).1)
    }

    /// The first epoch's work, if the epoch is closed.
    pub(crate) fn pop_closed(&mut self, closed: impl Fn(Time) -> bool) -> Option<(Time, Vec<Capability<Time>>, W)> {
        let first = self.epochs.first_entry()?;
        if !closed(*first.key()) {
            return None;
        }
        let (time, (caps, work)) = first.remove_entry();
        Some((time, caps, work))
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        self.epochs.clear();
    }
}

/// The first epoch that can still come at any input; `None` when none can.
pub(crate) fn least(frontiers: &[MutableAntichain<Time>]) -> Option<Epoch> {
    frontiers.iter().filter_map(|f| f.frontier().first().copied()).min().map(Epoch)
}

/// Packets of an epoch in their deterministic order.
pub(crate) fn in_order(mut packets: Vec<Packet>) -> Vec<Ordered> {
    packets.sort_by_key(|p| p.order);
    packets.into_iter().filter_map(|p| Some(Ordered { batch: p.batch?, order: p.order })).collect()
}

/// Runs an operator's logic so that an error or a panic in it stops its scenario and nothing else. `None` when it failed.
pub(crate) fn guarded<R>(shared: &Shared, step: &str, logic: impl FnOnce() -> Result<R, EngineError>) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(logic)) {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            shared.fail(error);
            None
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            shared.fail(EngineError::Panic { step: step.to_owned(), message: text.unwrap_or_else(|| "a panic without a message".into()) });
            None
        }
    }
}

/// Counts rejects, keeps some to be shown, and sends them on if somebody reads the reject stream.
pub(crate) struct RejectOutput {
    output: PacketOutput,
    wanted: bool,
    shared: Arc<Shared>,
    step: String,
}

impl RejectOutput {
    pub(crate) fn new(output: Output<Time, Packet>, step: &str, shared: &Arc<Shared>) -> Self {
        let reads = |n: &runink_planner::Node| matches!(n.op, runink_planner::Op::Rejected);
        let wanted = shared.spec.rejected_tap.is_some() || shared.spec.plan.nodes.iter().any(reads);
        RejectOutput { output: PacketOutput::new(output), wanted, shared: shared.clone(), step: step.to_owned() }
    }

    pub(crate) fn send(&mut self, capability: &Capability<Time>, rejects: &mut Rejects, order: u64) -> Result<(), EngineError> {
        if rejects.is_empty() {
            return Ok(());
        }
        self.shared.show_rejects(rejects.rows());
        if !self.wanted {
            rejects.take();
            return Ok(());
        }
        let batch = rejects.take_batch().map_err(|e| OperatorError::kernel(&self.step, e))?;
        if let Some(rows) = batch {
            self.output.send(capability, Packet::new(Batch::of(rows), order));
        }
        Ok(())
    }
}
