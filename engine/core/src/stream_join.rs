//! The timely operator of a join of two streams.

use crate::{
    Time,
    driver::{PacketOutput, RejectOutput, Stash, guarded, in_order},
    exchange::{Route, pact},
    metrics::Moved,
    operators::{MarkStream, Marks, Standing, Streams, closed},
    packet::Packet,
    scenario::Shared,
};
use arrow::datatypes::SchemaRef;
use runink_operators::{OperatorError, Rejects, stream_join::StreamJoinOperator};
use runink_planner::{Node, NodeId, StreamJoinOp};
use std::sync::Arc;
use timely::{
    dataflow::{
        Stream,
        channels::pact::Pipeline,
        operators::{Capability, InputCapability, generic::builder_rc::OperatorBuilder},
    },
    progress::frontier::MutableAntichain,
};

/// What an epoch brings.
#[derive(Default)]
struct Work {
    left: Vec<Packet>,
    right: Vec<Packet>,
    marks: Vec<Marks>,
}

/// The work of the epoch that a message belongs to; capabilities for rows and for rejects are kept with it.
fn work_of<'a>(stash: &'a mut Stash<Work>, cap: &InputCapability<Time>) -> Option<&'a mut Work> {
    let &time = cap.least()?;
    Some(stash.at(time, || [0, 1].iter().filter_map(|&output| cap.retain_least(output)).collect::<Vec<Capability<Time>>>()))
}

/// Joins two streams. Rows of both go to the worker that holds their key; an epoch's are joined when it is complete.
pub(crate) fn stream_join<'scope>(
    [left, right]: [Stream<'scope, Time, Packet>; 2],
    marks: MarkStream<'scope>,
    (id, node): (NodeId, &Node),
    op: &StreamJoinOp,
    schemas: [&SchemaRef; 2],
    shared: &Arc<Shared>,
) -> Result<Streams<'scope>, OperatorError> {
    let groups = shared.spec.settings.key_groups;
    let mut join = StreamJoinOperator::new(&node.name, op, schemas[0], schemas[1], &node.schema, groups)?;
    let scope = left.scope();
    let worker = scope.index() as u64;
    let mut builder = OperatorBuilder::new(node.name.clone(), scope);
    let (left_key, right_key) = op.on.iter().copied().unzip();
    let mut left_input = builder.new_input(left, pact(Route::Keys { columns: left_key, groups }, &node.name, shared));
    let mut right_input = builder.new_input(right, pact(Route::Keys { columns: right_key, groups }, &node.name, shared));
    let mut mark_input = builder.new_input(marks, Pipeline);
    let (output, out) = builder.new_output::<Packet>();
    let (reject_output, reject_stream) = builder.new_output::<Packet>();
    let mut output = PacketOutput::new(output);
    let mut reject_output = RejectOutput::new(reject_output, &node.name, shared);
    let (shared, name) = (shared.clone(), node.name.clone());
    let mut standing = Standing::of(node);
    builder.build(move |_| {
        let mut stash: Stash<Work> = Stash::new();
        let mut rejects = Rejects::default();
        let mut held = 0;
        move |frontiers: &[MutableAntichain<Time>]| {
            left_input.for_each(|cap, packet| {
                if let Some(work) = work_of(&mut stash, &cap) {
                    work.left.push(std::mem::take(packet));
                }
            });
            right_input.for_each(|cap, packet| {
                if let Some(work) = work_of(&mut stash, &cap) {
                    work.right.push(std::mem::take(packet));
                }
            });
            mark_input.for_each(|cap, marks| {
                if let Some(work) = work_of(&mut stash, &cap) {
                    work.marks.append(marks);
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
                    let (left, right) = (in_order(work.left), in_order(work.right));
                    let [rows_in, right_in] = [&left, &right].map(|side| side.iter().map(|b| b.len() as u64).sum::<u64>());
                    join.apply_left(left, before, clock, &mut rejects)?;
                    join.apply_right(right, before, clock, &mut rejects)?;
                    let given = join.close(watermark, clock, &mut rejects)?;
                    if let Some(counters) = shared.metrics.part(id, 0) {
                        let rows_out = given.iter().map(|b| b.len() as u64).sum();
                        counters.add(Moved { rows_in, rows_out, filtered: 0, rejected: rejects.len() as u64 });
                        counters.add_right(right_in);
                        let now = join.held() as i64;
                        counters.held_changed(now - held);
                        held = now;
                    }
                    if let [out_cap, reject_cap] = caps.as_slice() {
                        for (at, batch) in given.into_iter().enumerate() {
                            output.send(out_cap, Packet::new(batch, worker << 32 | at as u64));
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
    Ok((out, reject_stream))
}
