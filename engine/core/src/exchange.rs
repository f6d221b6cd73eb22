//! How batches find their worker: by key group, by name, or all to one.

use crate::{packet::Packet, scenario::Shared};
use arrow::array::{ArrayRef, UInt32Array};
use runink_checkpoint::{KeyGroup, KeyGroups};
use runink_operators::hash::{key_hashes, no_key};
use std::sync::Arc;
use timely::{
    communication::Push,
    dataflow::channels::{Message, pact::DistributorPact, pushers::exchange::Distributor},
    progress::Stamp,
};

/// Where the rows of a packet go.
#[derive(Debug, Clone)]
pub(crate) enum Route {
    /// Each row to the worker that holds its key's group.
    Keys { columns: Vec<usize>, groups: KeyGroups },
    /// The whole packet to [`Packet::target`].
    Target,
    /// Everything to one worker.
    One(usize),
}

/// timely's pact for a route.
pub(crate) fn pact(route: Route, step: &str, shared: &Arc<Shared>) -> DistributorPact<Box<dyn FnOnce(usize) -> Router>> {
    let (step, shared) = (step.to_owned(), shared.clone());
    DistributorPact(Box::new(move |peers| {
        let holders = match &route {
            Route::Keys { groups, .. } => (0..groups.count()).map(|group| groups.worker_of(KeyGroup(group), peers)).collect(),
            Route::Target | Route::One(_) => Vec::new(),
        };
        Router { route, peers, step, shared, holders, hashes: Vec::new(), picks: vec![Vec::new(); peers] }
    }))
}

/// Splits packets by a [`Route`]. Hands every row on at once; keeps only buffers.
pub(crate) struct Router {
    route: Route,
    peers: usize,
    step: String,
    shared: Arc<Shared>,
    /// By key group, the worker that holds it: a look-up per row costs less than a division.
    holders: Vec<usize>,
    hashes: Vec<u64>,
    picks: Vec<Vec<u32>>,
}

impl Distributor<Packet> for Router {
    fn partition<T: Clone, P: Push<Message<T, Packet>>>(&mut self, packet: &mut Packet, stamp: &Stamp<T>, pushers: &mut [P]) {
        let packet = std::mem::take(packet);
        let mut send = |mut packet: Packet, worker: usize| Message::push_at(&mut packet, stamp.clone(), &mut pushers[worker]);
        let Some(batch) = &packet.batch else { return };
        match &self.route {
            Route::One(worker) => send(packet, worker % self.peers),
            Route::Target => {
                let worker = packet.target as usize % self.peers;
                send(packet, worker);
            }
            // Without key columns all rows have the one key of no columns.
            Route::Keys { columns, groups } if columns.is_empty() => {
                let worker = groups.worker_of(groups.of_hash(no_key()), self.peers);
                send(packet, worker);
            }
            Route::Keys { columns, groups } => {
                let keys: Vec<ArrayRef> = columns.iter().map(|&c| batch.rows.column(c).clone()).collect();
                if let Err(error) = key_hashes(&keys, &mut self.hashes) {
                    // Rows must arrive somewhere, or progress would count them for ever; the scenario stops with the error.
                    self.shared.fail_routing(&self.step, &error.to_string());
                    return send(packet, 0);
                }
                for picks in &mut self.picks {
                    picks.clear();
                    picks.reserve(batch.len());
                }
                for (row, &hash) in self.hashes.iter().enumerate() {
                    self.picks[self.holders[usize::from(groups.of_hash(hash).0)]].push(row as u32);
                }
                if let Some(worker) = self.picks.iter().position(|p| p.len() == batch.len()) {
                    return send(packet, worker);
                }
                for (worker, picks) in self.picks.iter_mut().enumerate().filter(|(_, p)| !p.is_empty()) {
                    match batch.take(&UInt32Array::from(std::mem::take(picks))) {
                        Ok(part) => send(Packet { batch: Some(part), ..packet.clone() }, worker),
                        Err(error) => self.shared.fail_routing(&self.step, &error.to_string()),
                    }
                }
            }
        }
    }

    fn flush<T: Clone, P: Push<Message<T, Packet>>>(&mut self, _stamp: &Stamp<T>, _pushers: &mut [P]) {}
}
