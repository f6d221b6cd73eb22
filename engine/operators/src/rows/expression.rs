//! Expressions over batches: checked arithmetic, and failures pinned to rows.
//!
//! A kernel fails for a whole batch; semantics wants the row. The good case is one vectorised call. Where that fails, `and` and `or` are
//! evaluated by need (`x <> 0 and 10 / x > 1` fails on no row), and if it still fails the batch is halved until the rows to blame stand alone.

use super::{choice::choices, days::days, strict};
use crate::OperatorError;
use arrow::{
    array::{Array, ArrayRef, new_empty_array},
    compute::concat,
    datatypes::{DataType, SchemaRef},
    record_batch::RecordBatch,
};
use datafusion_common::{DFSchema, DataFusionError};
use datafusion_expr::{Expr, execution_props::ExecutionProps, physical_planning_context::PhysicalPlanningContext};
use datafusion_physical_expr::{PhysicalExpr, create_physical_expr};
use std::sync::Arc;

/// An expression, compiled for batches of one schema.
#[derive(Debug, Clone)]
pub struct Expression {
    kernel: Arc<dyn PhysicalExpr>,
    /// The same where each row's `and` and `or` go no further than they must, if there are any.
    by_need: Option<Arc<dyn PhysicalExpr>>,
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
    /// Compiles an expression over columns of `input`. Integer arithmetic is checked: it fails where it would wrap, and a shift by as many
    /// bits as there are, or more. (Bits that a shift drops are not an overflow.)
    ///
    /// # Errors
    /// Where the expression does not fit the schema.
    pub fn compile(step: &str, expr: &Expr, input: &SchemaRef) -> Result<Self, OperatorError> {
        let schema = DFSchema::try_from(input.as_ref().clone()).map_err(|e| OperatorError::kernel(step, e))?;
        let kernel = create_physical_expr(expr, &schema, &ExecutionProps::new(), &PhysicalPlanningContext::default())
            .and_then(strict::checked)
            .map_err(|e| OperatorError::kernel(step, e))?;
        let by_need = strict::by_need(kernel.clone()).map_err(|e| OperatorError::kernel(step, e))?;
        let faster = |kernel| days(kernel, input).and_then(|k| choices(k, input)).map_err(|e| OperatorError::kernel(step, e));
        Ok(Expression { kernel: faster(kernel)?, by_need: by_need.map(faster).transpose()? })
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
    /// What the kernel said, where it fails on any row.
    pub fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, DataFusionError> {
        // A constant that fails would fail without any row to blame.
        if rows.num_rows() == 0 {
            return Ok(new_empty_array(&self.data_type(rows.schema_ref())?));
        }
        match run(&self.kernel, rows) {
            Ok(column) => Ok(column),
            Err(error) if rows.num_rows() == 1 && self.by_need.is_none() => Err(error),
            Err(_) => self.evaluate_in_parts(rows),
        }
    }

    /// Halves that pass on their own, put together. The first row that fails alone ends it: a caller that wants to know all asks [`Self::failures`].
    fn evaluate_in_parts(&self, rows: &RecordBatch) -> Result<ArrayRef, DataFusionError> {
        let mut parts = Vec::new();
        let mut pending = match &self.by_need {
            Some(_) => vec![(0, rows.num_rows())],
            None => halves(0, rows.num_rows()).to_vec(),
        };
        while let Some((start, length)) = pending.pop() {
            match run(self.careful(), &rows.slice(start, length)) {
                Ok(part) => parts.push(part),
                Err(error) if length <= 1 => return Err(error),
                Err(_) => pending.extend(halves(start, length)),
            }
        }
        match parts.as_slice() {
            [whole] => Ok(whole.clone()),
            parts => Ok(concat(&parts.iter().map(|p| p.as_ref()).collect::<Vec<&dyn Array>>())?),
        }
    }

    /// The rows on which it fails, in order. Called after `evaluate` failed.
    pub fn failures(&self, rows: &RecordBatch) -> Vec<RowFailure> {
        let mut failures = Vec::new();
        let mut pending = vec![(0, rows.num_rows())];
        while let Some((start, length)) = pending.pop() {
            match run(self.careful(), &rows.slice(start, length)) {
                Ok(_) => {}
                Err(error) if length <= 1 => failures.push(RowFailure { row: start, message: plain_message(&error) }),
                Err(_) => pending.extend(halves(start, length)),
            }
        }
        failures
    }

    fn careful(&self) -> &Arc<dyn PhysicalExpr> {
        self.by_need.as_ref().unwrap_or(&self.kernel)
    }
}

fn run(kernel: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Result<ArrayRef, DataFusionError> {
    kernel.evaluate(rows)?.into_array(rows.num_rows())
}

/// The second half, then the first: a stack gives the first back first. At most one entry for each halving waits on it.
fn halves(start: usize, length: usize) -> [(usize, usize); 2] {
    let half = length / 2;
    [(start + half, length - half), (start, half)]
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
