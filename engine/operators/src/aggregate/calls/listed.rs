//! A call over rows that are listed for each group, whatever store they lie in.

use super::Call;
use crate::OperatorError;
use arrow::{
    array::{Array, ArrayRef, UInt32Array},
    compute::{cast, concat, take},
    datatypes::{DataType, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use datafusion_common::DataFusionError;
use datafusion_expr::Expr;
use runink_planner::AggregateCall;
use std::sync::Arc;

/// A call, compiled. `count(x)` of no rows is 0, `sum(x)` is null: what there is for no rows is known beforehand.
pub(crate) struct ListedCall {
    call: Call,
    /// The input's columns that it reads.
    columns: Vec<usize>,
    schema: SchemaRef,
    none: ArrayRef,
    /// The type of its results in the plan.
    data_type: DataType,
}

/// Results, and those for which there is none, and why.
pub(crate) struct Listed {
    pub(crate) values: ArrayRef,
    pub(crate) failures: Vec<(usize, String)>,
}

/// Rows of groups, one group after the other.
#[derive(Default)]
pub(crate) struct GroupRows {
    /// The rows, by their numbers in their store.
    pub(crate) rows: Vec<u32>,
    /// The group of each row: groups without rows have no number.
    groups: Vec<u32>,
    /// For each group its number.
    numbers: Vec<Option<u32>>,
    bound: u32,
}

impl GroupRows {
    /// Adds a group.
    pub(crate) fn push(&mut self, rows: impl IntoIterator<Item = u32>) {
        let before = self.rows.len();
        self.rows.extend(rows);
        self.close(before);
    }

    /// Adds a group whose rows come from the last to the first.
    pub(crate) fn push_reversed(&mut self, rows: impl IntoIterator<Item = u32>) {
        let before = self.rows.len();
        self.rows.extend(rows);
        self.rows[before..].reverse();
        self.close(before);
    }

    fn close(&mut self, before: usize) {
        let any = self.rows.len() > before;
        self.numbers.push(any.then_some(self.bound));
        self.groups.resize(self.rows.len(), self.bound);
        self.bound += u32::from(any);
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }
}

impl ListedCall {
    /// Compiles a call over rows of `input`.
    ///
    /// # Errors
    /// Where it does not fit the schema.
    pub(crate) fn compile(step: &str, call: &AggregateCall, input: &SchemaRef, data_type: &DataType) -> Result<Self, OperatorError> {
        let kernel = |e: DataFusionError| OperatorError::kernel(step, e);
        let named = call.args.iter().flat_map(Expr::column_refs).filter_map(|c| input.index_of(&c.name).ok());
        let mut columns: Vec<usize> = named.chain(call.filter).chain(call.order_by.iter().map(|o| o.0)).collect();
        columns.sort_unstable();
        columns.dedup();
        let schema = Arc::new(input.project(&columns).map_err(|e| kernel(e.into()))?);
        let place = |column: usize| columns.binary_search(&column).unwrap_or_default();
        let call = AggregateCall {
            filter: call.filter.map(place),
            order_by: call.order_by.iter().map(|&(c, asc, first)| (place(c), asc, first)).collect(),
            ..call.clone()
        };
        let compiled = Call::compile(step, &call, &schema, false)?;
        if !arrow::compute::can_cast_types(&compiled.output, data_type) {
            return Err(OperatorError::plan(step, format!("{} is of type {}, not {data_type}", call.name, compiled.output)));
        }
        let none = call.function.default_value(&compiled.output).and_then(|value| value.to_array()).map_err(kernel)?;
        Ok(ListedCall { call: compiled, columns, schema, none, data_type: data_type.clone() })
    }

    /// The result of each group; `gather` gives columns of rows.
    ///
    /// # Errors
    /// Where a kernel fails.
    pub(crate) fn of<E: Into<DataFusionError>>(
        &self,
        listed: &GroupRows,
        gather: impl FnOnce(&[u32], &[usize]) -> Result<Vec<ArrayRef>, E>,
    ) -> Result<Listed, DataFusionError> {
        let GroupRows { rows, groups, numbers, bound } = listed;
        let (values, failures) = if *bound == 0 {
            (take(&self.none, &UInt32Array::from_value(0, numbers.len()), None)?, Vec::new())
        } else {
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            let columns = gather(rows, &self.columns).map_err(Into::into)?;
            let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
            let mut accumulator = self.call.accumulator()?;
            accumulator.update(&self.call.input(&batch)?, groups, *bound as usize)?;
            let result = accumulator.evaluate(&(0..*bound).collect::<Vec<_>>())?;
            let place = |number: usize| numbers.iter().position(|n| *n == Some(number as u32));
            let failures = result.failures.into_iter().filter_map(|(number, why)| Some((place(number)?, why))).collect();
            if *bound as usize == numbers.len() {
                (result.values, failures)
            } else {
                let values = concat(&[result.values.as_ref(), self.none.as_ref()])?;
                let at: UInt32Array = numbers.iter().map(|n| Some(n.unwrap_or(*bound))).collect();
                (take(&values, &at, None)?, failures)
            }
        };
        // Texts of several forms are one type for the plan.
        let values = if *values.data_type() == self.data_type { values } else { cast(&values, &self.data_type)? };
        Ok(Listed { values, failures })
    }
}
