//! Kernels that are stricter than the library's: `and` and `or` whose right side is asked only where the left one leaves it open, a unary
//! minus that fails where it would wrap, and shifts that fail where the distance does not fit the type.

use super::instead::{Instead, Way};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray},
    buffer::BooleanBuffer,
    compute::{and_kleene, cast, kernels::numeric::neg, or_kleene},
    datatypes::{DataType, Int64Type},
    record_batch::RecordBatch,
};
use datafusion_common::{
    Result, exec_err, internal_err,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{ColumnarValue, Operator};
use datafusion_physical_expr::{
    PhysicalExpr,
    expressions::{BinaryExpr, NegativeExpr},
};
use std::sync::Arc;

/// What is stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    And,
    Or,
    Negate,
    Shift,
}

/// Arithmetic that fails where it would wrap.
pub(super) fn checked(kernel: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
    replace(kernel, |node| {
        if node.downcast_ref::<NegativeExpr>().is_some() {
            return Some(Instead::of(node.clone(), Rule::Negate));
        }
        let binary = node.downcast_ref::<BinaryExpr>()?;
        match binary.op() {
            Operator::Plus | Operator::Minus | Operator::Multiply => {
                let checked = BinaryExpr::new(binary.left().clone(), *binary.op(), binary.right().clone());
                Some(Arc::new(checked.with_fail_on_overflow(true)))
            }
            Operator::BitwiseShiftLeft | Operator::BitwiseShiftRight => Some(Instead::of(node.clone(), Rule::Shift)),
            _ => None,
        }
    })
    .map(|t| t.data)
}

/// The same with `and` and `or` that look at each row's own need, and no further; `None` where there are none. Slower: they copy the rows
/// that the right side is asked for.
pub(super) fn by_need(kernel: Arc<dyn PhysicalExpr>) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let replaced = replace(kernel, |node| {
        let rule = match node.downcast_ref::<BinaryExpr>()?.op() {
            Operator::And => Rule::And,
            Operator::Or => Rule::Or,
            _ => return None,
        };
        Some(Instead::of(node.clone(), rule))
    })?;
    Ok(replaced.transformed.then_some(replaced.data))
}

/// The expression with each node that `by` knows another form of in that form, from the leaves up.
pub(super) fn replace(
    kernel: Arc<dyn PhysicalExpr>,
    by: impl Fn(&Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>>,
) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
    kernel.transform_up(|node| {
        Ok(match by(&node) {
            Some(other) => Transformed::yes(other),
            None => Transformed::no(node),
        })
    })
}

impl Instead<Rule> {
    fn child(&self, at: usize) -> Result<&Arc<dyn PhysicalExpr>> {
        match self.inner.children().get(at) {
            Some(child) => Ok(child),
            None => internal_err!("`{}` has no operand {at}", self.inner),
        }
    }

    /// `and`, `or`: the value of the left side that settles a row alone is `settles`.
    fn combine(&self, batch: &RecordBatch, settles: bool) -> Result<ColumnarValue> {
        let left = boolean(self.child(0)?.evaluate(batch)?.into_array(batch.num_rows())?)?;
        let open = BooleanBuffer::collect_bool(left.len(), |row| left.is_null(row) || left.value(row) != settles);
        let open = BooleanArray::new(open, None);
        if open.true_count() == 0 {
            return Ok(ColumnarValue::Array(Arc::new(left)));
        }
        let right = boolean(self.child(1)?.evaluate_selection(batch, &open)?.into_array(batch.num_rows())?)?;
        let both = if settles { or_kleene(&left, &right) } else { and_kleene(&left, &right) };
        Ok(ColumnarValue::Array(Arc::new(both?)))
    }

    fn negate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        Ok(match self.child(0)?.evaluate(batch)? {
            ColumnarValue::Array(array) => ColumnarValue::Array(neg(&array)?),
            ColumnarValue::Scalar(scalar) => ColumnarValue::Scalar(scalar.arithmetic_negate()?),
        })
    }

    fn shift(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let distance = self.child(1)?.evaluate(batch)?.into_array(batch.num_rows())?;
        let bits = distance.data_type().primitive_width().unwrap_or_default() as i64 * 8;
        let distances = cast(&distance, &DataType::Int64)?;
        if let Some(wrong) = distances.as_primitive::<Int64Type>().iter().flatten().find(|d| !(0..bits).contains(d)) {
            return exec_err!("Overflow happened on: shift by {wrong} of {bits} bits");
        }
        self.inner.evaluate(batch)
    }
}

fn boolean(array: ArrayRef) -> Result<BooleanArray> {
    match array.as_boolean_opt() {
        Some(values) => Ok(values.clone()),
        None => internal_err!("a condition of type {}", array.data_type()),
    }
}

impl Way for Rule {
    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn evaluate(expr: &Instead<Self>, batch: &RecordBatch) -> Result<ColumnarValue> {
        match expr.way {
            Rule::And => expr.combine(batch, false),
            Rule::Or => expr.combine(batch, true),
            Rule::Negate => expr.negate(batch),
            Rule::Shift => expr.shift(batch),
        }
    }

    fn over(&self, inner: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
        Instead::of(inner, *self)
    }
}
