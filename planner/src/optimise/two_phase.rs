//! Aggregation in two phases, where it pays and changes no result.
//!
//! Each worker aggregates the rows it has before they are sent to the worker that holds their key. Where results go out only as something ends, a worker
//! gathers over many epochs, and sends each key once for a window; it sees itself whether that makes fewer rows, and stops where it does not. Where
//! changes go out in every epoch, it pays only where an epoch has far fewer keys than rows; the plan knows how many there can be by their types only.
//!
//! It is exact only for functions whose partial results merge to the same value in any order. Over a changelog these are counts and sums (of floats as
//! well: they are held without rounding); else floats are left out, sums and extremes alike
//! (`-0.0` and `0.0` are equal but not the same): a result must not depend on the number of workers. So are distinct and ordered calls,
//! and sessions (their windows are not known before all rows have met).

use super::rewrite::ColumnTypes;
use crate::{AggregateCall, AggregateOp, Node, Op, Plan, StreamKind, WindowShape};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion_common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion_expr::ExprSchemable;

/// Functions whose partial results merge exactly, whatever the type of their argument.
const ANY_TYPE: [&str; 6] = ["count", "bool_and", "bool_or", "bit_and", "bit_or", "bit_xor"];
/// Functions whose partial results merge exactly unless the argument is a float (or holds one).
const EXACT_TYPES: [&str; 3] = ["sum", "min", "max"];

/// How many keys there may be at most for two phases to pay in every epoch: a small part of its rows.
const MAX_KEYS: u64 = 1_024;

pub(super) fn pass(mut plan: Plan, _observe: &[String]) -> Transformed<Plan> {
    let mut changed = false;
    for at in 0..plan.nodes.len() {
        let Some(input) = plan.nodes[at].inputs.first().map(|&i| plan.node(i)) else { continue };
        let two_phase = match &plan.nodes[at].op {
            Op::Aggregate(op) => is_exact(op, input) && (op.gathers() || has_few_keys(op, &input.schema)),
            _ => continue,
        };
        if let Op::Aggregate(op) = &mut plan.nodes[at].op {
            changed |= op.two_phase != two_phase;
            op.two_phase = two_phase;
        }
    }
    Transformed::new(plan, changed, TreeNodeRecursion::Continue)
}

fn has_few_keys(op: &AggregateOp, input: &SchemaRef) -> bool {
    let values = |&key: &usize| match input.fields().get(key)?.data_type() {
        DataType::Boolean => Some(3),
        DataType::Int8 | DataType::UInt8 => Some(257),
        _ => None,
    };
    op.keys.iter().map(values).try_fold(1_u64, |all, one| Some(all.saturating_mul(one?))).is_some_and(|all| all <= MAX_KEYS)
}

fn is_exact(op: &AggregateOp, input: &Node) -> bool {
    let session = op.window.as_ref().is_some_and(|w| matches!(w.shape, WindowShape::Session { .. }));
    let merges = |c: &AggregateCall| if op.retracts { subtracts(c) } else { merges(c, &input.schema) };
    !matches!(input.kind, StreamKind::Upsert { .. }) && !session && !op.calls.is_empty() && op.calls.iter().all(merges)
}

/// Over a changelog: whether partial results are as small as the result, and merge exactly.
fn subtracts(call: &AggregateCall) -> bool {
    !call.distinct && matches!(call.function.name(), "count" | "sum" | "avg")
}

fn merges(call: &AggregateCall, input: &SchemaRef) -> bool {
    if call.distinct || !call.order_by.is_empty() {
        return false;
    }
    let name = call.function.name();
    let args_are = |fits: &dyn Fn(&DataType) -> bool| call.args.iter().all(|arg| arg.get_type(&ColumnTypes(input)).is_ok_and(|t| fits(&t)));
    // The mean of integers and of decimals has an exact sum; that of floats has none.
    ANY_TYPE.contains(&name)
        || (EXACT_TYPES.contains(&name) && args_are(&|t| !t.is_floating() && !t.is_nested()))
        || (name == "avg" && args_are(&|t| t.is_decimal() || t.is_integer()))
}
