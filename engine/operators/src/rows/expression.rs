//! Expressions over batches: checked arithmetic, and failures pinned to rows.
//!
//! A kernel fails for a whole batch; semantics wants the row. The good case is one vectorised call. Only where it fails is the batch
//! halved until the rows to blame stand alone.

use crate::OperatorError;
use arrow::{
    array::ArrayRef,
    datatypes::{DataType, SchemaRef},
    record_batch::RecordBatch,
};
use datafusion_common::{
    DFSchema, DataFusionError,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{Expr, Operator, execution_props::ExecutionProps, physical_planning_context::PhysicalPlanningContext};
use datafusion_physical_expr::{PhysicalExpr, create_physical_expr, expressions::BinaryExpr};
use std::sync::Arc;

/// An expression, compiled for batches of one schema.
#[derive(Debug, Clone)]
pub struct Expression {
    kernel: Arc<dyn PhysicalExpr>,
}

/// A row on which an expression failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFailure {
    /// Which row of the batch.
    pub row: usize,
    /// What the kernel said.
    pub message: String,
}

impl Expression {
    /// Compiles an expression over columns of `input`. Integer arithmetic is checked: it fails where it would wrap.
    ///
    /// # Errors
    /// Where the expression does not fit the schema.
    pub fn compile(step: &str, expr: &Expr, input: &SchemaRef) -> Result<Self, OperatorError> {
        let schema = DFSchema::try_from(input.as_ref().clone()).map_err(|e| OperatorError::kernel(step, e))?;
        let kernel = create_physical_expr(expr, &schema, &ExecutionProps::new(), &PhysicalPlanningContext::default())
            .and_then(checked)
            .map_err(|e| OperatorError::kernel(step, e))?;
        Ok(Expression { kernel })
    }

    /// The compiled form.
    pub(crate) fn kernel(&self) -> &Arc<dyn PhysicalExpr> {
        &self.kernel
    }

    /// The type of its column.
    ///
    /// # Errors
    /// Where it does not fit the schema.
    pub(crate) fn data_type(&self, input: &SchemaRef) -> Result<DataType, DataFusionError> {
        self.kernel.data_type(input)
    }

    /// The column for all rows.
    ///
    /// # Errors
    /// What the kernel said, where it failed on any row.
    pub fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, DataFusionError> {
        self.kernel.evaluate(rows)?.into_array(rows.num_rows())
    }

    /// The rows on which it fails, in order. Called after `evaluate` failed.
    pub fn failures(&self, rows: &RecordBatch) -> Vec<RowFailure> {
        let mut failures = Vec::new();
        let mut pending = vec![(0, rows.num_rows())];
        while let Some((start, length)) = pending.pop() {
            match self.evaluate(&rows.slice(start, length)) {
                Ok(_) => {}
                Err(error) if length == 1 => failures.push(RowFailure { row: start, message: plain_message(&error) }),
                Err(_) => {
                    let half = length / 2;
                    pending.push((start + half, length - half));
                    pending.push((start, half));
                }
            }
        }
        failures
    }
}

/// Arithmetic that fails where it would wrap.
fn checked(kernel: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    kernel
        .transform_up(|node| {
            let Some(binary) = node.downcast_ref::<BinaryExpr>() else {
                return Ok(Transformed::no(node));
            };
            if !matches!(binary.op(), Operator::Plus | Operator::Minus | Operator::Multiply) {
                return Ok(Transformed::no(node));
            }
            let checked = BinaryExpr::new(binary.left().clone(), *binary.op(), binary.right().clone()).with_fail_on_overflow(true);
            Ok(Transformed::yes(Arc::new(checked) as Arc<dyn PhysicalExpr>))
        })
        .map(|t| t.data)
}

/// A kernel's message without the library's own wrapping.
fn plain_message(error: &DataFusionError) -> String {
    let mut message = error.strip_backtrace();
    for prefix in ["Arrow error: ", "Execution error: ", "Compute error: ", "Arithmetic overflow: ", "Cast error: ", "Parser error: "] {
        if let Some(rest) = message.strip_prefix(prefix) {
            message = rest.to_owned();
        }
    }
    message
}
