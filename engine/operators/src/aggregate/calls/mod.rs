//! Aggregate calls: what is computed, and by which accumulator.
//!
//! Over rows that can be taken back, every accumulator can forget a row: counts and exact sums subtract, sums of floats are held without rounding
//! (`sums`), the rest keeps its values with how often each is there (`ordered`, `counted`). Results then depend on the rows alone, not on their order.
//!
//! Counts, sums, averages, minima and maxima over columns of fixed width are our own, in plain vectors by group number. Everything else is
//! DataFusion's. Integer and decimal sums are exact inside and checked when they are read: a result that does not fit its type rejects the
//! result, whatever order its rows came in.

mod borrowed;
mod count;
mod counted;
mod exact;
mod extreme;
mod float;
mod listed;
mod ordered;
mod retained;
mod sums;

pub(crate) use listed::{GroupRows, Listed, ListedCall};

use crate::{OperatorError, rows::Expression};
use arrow::{
    array::{Array, ArrayRef, AsArray},
    buffer::{BooleanBuffer, ScalarBuffer},
    compute::{SortOptions, take},
    datatypes::{DataType, Field, FieldRef, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
};
use borrowed::Borrowed;
use counted::{Counted, CountedPlan};
use datafusion_common::DataFusionError;
use datafusion_expr::Expr;
use datafusion_physical_expr::{
    PhysicalSortExpr,
    aggregate::{AggregateExprBuilder, AggregateFunctionExpr},
};
use retained::{Retained, RetainedPlan};
use runink_planner::AggregateCall;
use std::{ops::Range, sync::Arc};

/// Holds one call's state for many groups, numbered from 0.
pub(crate) trait Accumulate: Send {
    /// Takes rows: `groups` says each one's group. All groups are below `bound`.
    fn update(&mut self, input: &CallInput, groups: &[u32], bound: usize) -> Result<(), DataFusionError>;

    /// Takes states as [`Self::state`] gives them; a group may come several times.
    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], bound: usize) -> Result<(), DataFusionError>;

    /// The states of groups (each at most once), which stay as they are. What it gives for a group that got no row has no meaning.
    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>, DataFusionError>;

    /// The results of groups (each at most once), which stay as they are.
    fn evaluate(&mut self, groups: &[u32]) -> Result<Evaluated, DataFusionError>;

    /// The results of all groups below `bound`, each of which got rows. Nothing is read afterwards.
    fn finish(&mut self, bound: usize) -> Result<Evaluated, DataFusionError> {
        self.evaluate(&(0..bound as u32).collect::<Vec<_>>())
    }

    /// Makes a group as new.
    fn forget(&mut self, group: u32);

    /// An estimate of the memory held.
    fn bytes(&self) -> usize;
}

/// Results.
pub(crate) struct Evaluated {
    pub(crate) values: ArrayRef,
    /// Where there is no result, and why; in ascending order. The value there is null.
    pub(crate) failures: Vec<(usize, String)>,
}

impl Evaluated {
    fn of(values: ArrayRef) -> Self {
        Evaluated { values, failures: Vec::new() }
    }
}

/// What a call reads from rows.
#[derive(Clone)]
pub(crate) struct CallInput {
    /// The arguments, then the columns that rows are ordered by inside the call.
    pub(crate) columns: Vec<ArrayRef>,
    /// Rows that count: those for which `filter (where …)` is true.
    pub(crate) mask: Option<BooleanBuffer>,
    /// How often each row is added, or taken back; once where absent. Only accumulators over rows that can be taken back get any.
    pub(crate) diffs: Option<ScalarBuffer<i64>>,
}

impl CallInput {
    /// A range of the rows.
    pub(crate) fn slice(&self, range: Range<usize>) -> CallInput {
        CallInput {
            columns: self.columns.iter().map(|c| c.slice(range.start, range.len())).collect(),
            mask: self.mask.as_ref().map(|m| m.slice(range.start, range.len())),
            diffs: self.diffs.as_ref().map(|d| d.slice(range.start, range.len())),
        }
    }

    /// Rows by index.
    pub(crate) fn take(&self, indices: &arrow::array::UInt32Array) -> Result<CallInput, ArrowError> {
        let mask = |m: &BooleanBuffer| BooleanBuffer::collect_bool(indices.len(), |i| m.value(indices.value(i) as usize));
        Ok(CallInput {
            columns: self.columns.iter().map(|c| take(c, indices, None)).collect::<Result<_, _>>()?,
            mask: self.mask.as_ref().map(mask),
            diffs: self.diffs.as_ref().map(|d| indices.values().iter().map(|&i| d[i as usize]).collect()),
        })
    }

    /// Rows that all count, each once.
    fn of(columns: Vec<ArrayRef>) -> Self {
        CallInput { columns, mask: None, diffs: None }
    }

    /// How often a row counts.
    #[inline]
    fn diff(&self, row: usize) -> i64 {
        self.diffs.as_ref().map_or(1, |d| d[row])
    }

    /// Rows that count and whose first argument is not null; all where absent.
    fn valid(&self) -> Option<BooleanBuffer> {
        let nulls = self.columns.first().and_then(|c| c.logical_nulls()).filter(|n| n.null_count() > 0);
        match (nulls, &self.mask) {
            (None, mask) => mask.clone(),
            (Some(nulls), None) => Some(nulls.into_inner()),
            (Some(nulls), Some(mask)) => Some(nulls.inner() & mask),
        }
    }
}

/// Calls `each` for every row that counts, with its number and group.
#[inline]
fn for_each(groups: &[u32], valid: Option<&BooleanBuffer>, mut each: impl FnMut(usize, usize)) {
    match valid {
        None => groups.iter().enumerate().for_each(|(row, &group)| each(row, group as usize)),
        Some(valid) => valid.set_indices().for_each(|row| each(row, groups[row] as usize)),
    }
}

/// One call, compiled.
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) output: DataType,
    /// The columns of its state.
    pub(crate) state: Vec<FieldRef>,
    columns: Vec<Expression>,
    filter: Option<usize>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// `count(*)`.
    Rows,
    /// `count(x)`.
    Count,
    Sum(DataType),
    Average(DataType),
    Extreme {
        data_type: DataType,
        greatest: bool,
    },
    Borrowed(Arc<AggregateFunctionExpr>),
    Retained(Arc<RetainedPlan>),
    /// Over rows that can be taken back, as those that follow: `sum` and `avg` of floats.
    ExactFloat {
        average: bool,
    },
    /// `min` and `max`.
    Ordered {
        data_type: DataType,
        greatest: bool,
    },
    Counted(Arc<CountedPlan>),
}

impl Call {
    /// Compiles a call over rows of `input`, which can be taken back where it `retracts`.
    ///
    /// # Errors
    /// Where the call does not fit the schema.
    pub(crate) fn compile(step: &str, call: &AggregateCall, input: &SchemaRef, retracts: bool) -> Result<Self, OperatorError> {
        let kernel = |e: DataFusionError| OperatorError::kernel(step, e);
        if let Some(filter) = call.filter.filter(|&f| *input.field(f).data_type() != DataType::Boolean) {
            return Err(OperatorError::plan(step, format!("a filter column of type {}", input.field(filter).data_type())));
        }
        let arguments = call.args.iter().map(|a| Expression::compile(step, a, input)).collect::<Result<Vec<_>, _>>()?;
        let by = |&(column, ..): &(usize, bool, bool)| Expression::compile(step, &column_of(input, column), input);
        let order = call.order_by.iter().map(by).collect::<Result<Vec<_>, _>>()?;
        let sort = order.iter().zip(&call.order_by).map(|(e, &(_, ascending, nulls_first))| {
            PhysicalSortExpr::new(e.kernel().clone(), SortOptions { descending: !ascending, nulls_first })
        });
        let arrives_in_order = matches!(call.function.name(), "first_value" | "last_value");
        let function = AggregateExprBuilder::new(call.function.clone(), arguments.iter().map(|a| a.kernel().clone()).collect())
            .schema(input.clone())
            .alias(&call.name)
            .with_ignore_nulls(call.ignore_nulls)
            .order_by(if arrives_in_order { sort.collect() } else { Vec::new() })
            .build()
            .map_err(kernel)?;
        let output = function.field().data_type().clone();
        let plain = Kind::of(call, &arguments, input, &output).map_err(kernel)?.unwrap_or(Kind::Borrowed(Arc::new(function)));
        let types = arguments.iter().chain(&order).map(|e| e.data_type(input)).collect::<Result<Vec<_>, _>>().map_err(kernel)?;
        let sort = call.order_by.iter().map(|&(_, ascending, nulls_first)| SortOptions { descending: !ascending, nulls_first });
        let kind = if retracts {
            plain.retracting(call, types, arguments.len(), sort.collect()).map_err(kernel)?
        } else if call.distinct || !(call.order_by.is_empty() || arrives_in_order) {
            let (distinct, sort) = (call.distinct, if arrives_in_order { Vec::new() } else { sort.collect() });
            Kind::Retained(Arc::new(RetainedPlan::new(plain, types, arguments.len(), distinct, sort).map_err(|e| kernel(e.into()))?))
        } else {
            plain
        };
        let state = kind.state_fields(&output).map_err(kernel)?;
        let named = |(i, f): (usize, FieldRef)| {
            let name = if i == 0 { call.name.clone() } else { format!("{}.{i}", call.name) };
            Arc::new(Field::new(name, f.data_type().clone(), true))
        };
        Ok(Call {
            name: call.name.clone(),
            output,
            state: state.into_iter().enumerate().map(named).collect(),
            columns: arguments.into_iter().chain(order).collect(),
            filter: call.filter,
            kind,
        })
    }

    /// An accumulator without groups.
    ///
    /// # Errors
    /// Where DataFusion has none for the call.
    pub(crate) fn accumulator(&self) -> Result<Box<dyn Accumulate>, DataFusionError> {
        self.kind.accumulator()
    }

    /// Evaluates what the call reads from rows.
    ///
    /// # Errors
    /// Where a kernel fails.
    pub(crate) fn input(&self, rows: &RecordBatch) -> Result<CallInput, DataFusionError> {
        let mask = self.filter.map(|f| {
            let values = rows.column(f).as_boolean();
            match values.nulls() {
                None => values.values().clone(),
                Some(valid) => values.values() & valid.inner(),
            }
        });
        let columns = match self.kind {
            Kind::Rows => Vec::new(),
            _ => self.columns.iter().map(|e| e.evaluate(rows)).collect::<Result<_, _>>()?,
        };
        Ok(CallInput { columns, mask, diffs: None })
    }

    /// Whether a group whose state was read and put back gives the very results that it would have given.
    pub(crate) fn restores_exactly(&self, call: &AggregateCall) -> bool {
        !matches!(self.kind, Kind::Borrowed(_)) || self.merges_exactly(call)
    }

    /// Whether states of parts, merged in any order, give the very result that all rows in their order give.
    pub(crate) fn merges_exactly(&self, call: &AggregateCall) -> bool {
        match &self.kind {
            Kind::Rows | Kind::Count | Kind::Extreme { .. } => true,
            Kind::Sum(t) | Kind::Average(t) => *t != DataType::Float64,
            Kind::Borrowed(_) => matches!(call.function.name(), "min" | "max" | "bool_and" | "bool_or" | "bit_and" | "bit_or" | "bit_xor"),
            Kind::ExactFloat { .. } => true,
            Kind::Retained(_) | Kind::Ordered { .. } | Kind::Counted(_) => false,
        }
    }
}

fn column_of(input: &SchemaRef, column: usize) -> Expr {
    Expr::Column(datafusion_common::Column::new_unqualified(input.field(column).name()))
}

impl Kind {
    /// Our own, where there is one.
    fn of(call: &AggregateCall, arguments: &[Expression], input: &SchemaRef, output: &DataType) -> Result<Option<Kind>, DataFusionError> {
        let [argument] = arguments else { return Ok(None) };
        let data_type = argument.data_type(input)?;
        Ok(match call.function.name() {
            "count" if matches!(&call.args[0], Expr::Literal(value, _) if !value.is_null()) && !call.distinct => Some(Kind::Rows),
            "count" => Some(Kind::Count),
            "sum" if exact::sums(&data_type) || data_type == DataType::Float64 => Some(Kind::Sum(data_type)),
            "avg" if exact::averages(&data_type, output) || data_type == DataType::Float64 => Some(Kind::Average(data_type)),
            "min" | "max" if extreme::takes(&data_type) => Some(Kind::Extreme { data_type, greatest: call.function.name() == "max" }),
            _ => None,
        })
    }

    /// The same over rows that can be taken back. `types` are those of the arguments, then of the columns that `sort` is about.
    fn retracting(
        self,
        call: &AggregateCall,
        types: Vec<DataType>,
        arguments: usize,
        sort: Vec<SortOptions>,
    ) -> Result<Kind, DataFusionError> {
        if let ("min" | "max", [data_type, ..]) = (call.function.name(), types.as_slice()) {
            return Ok(Kind::Ordered { data_type: data_type.clone(), greatest: call.function.name() == "max" });
        }
        let linear = match self {
            Kind::Sum(DataType::Float64) => Kind::ExactFloat { average: false },
            Kind::Average(DataType::Float64) => Kind::ExactFloat { average: true },
            linear @ (Kind::Rows | Kind::Count | Kind::Sum(_) | Kind::Average(_)) => linear,
            replayed => {
                let plan = CountedPlan::replayed(replayed, call.function.name(), types, arguments, call.distinct, sort)?;
                return Ok(Kind::Counted(Arc::new(plan)));
            }
        };
        // In which order rows come changes no count and no exact sum.
        if call.distinct { Ok(Kind::Counted(Arc::new(CountedPlan::distinct(linear, types, arguments)?))) } else { Ok(linear) }
    }

    fn accumulator(&self) -> Result<Box<dyn Accumulate>, DataFusionError> {
        Ok(match self {
            Kind::Rows => Box::new(count::Count::rows()),
            Kind::Count => Box::new(count::Count::values()),
            Kind::Sum(DataType::Float64) => Box::new(float::FloatSum::sum()),
            Kind::Average(DataType::Float64) => Box::new(float::FloatSum::average()),
            Kind::Sum(data_type) => exact::sum(data_type)?,
            Kind::Average(data_type) => exact::average(data_type)?,
            Kind::Extreme { data_type, greatest } => extreme::extreme(data_type, *greatest)?,
            Kind::Borrowed(function) => Box::new(Borrowed::new(function.clone())?),
            Kind::Retained(plan) => Box::new(Retained::new(plan.clone())?),
            Kind::ExactFloat { average } => Box::new(sums::FloatSums::new(*average)),
            Kind::Ordered { data_type, greatest } => ordered::ordered(data_type, *greatest)?,
            Kind::Counted(plan) => Box::new(Counted::new(plan.clone())?),
        })
    }

    fn state_fields(&self, output: &DataType) -> Result<Vec<FieldRef>, DataFusionError> {
        let field = |name: &str, data_type: DataType| Arc::new(Field::new(name, data_type, true));
        Ok(match self {
            Kind::Rows | Kind::Count => vec![field("count", DataType::Int64)],
            Kind::Sum(DataType::Float64) | Kind::Average(DataType::Float64) => {
                vec![field("sum", DataType::Float64), field("count", DataType::Int64)]
            }
            Kind::Sum(t) | Kind::Average(t) => vec![field("sum", exact::state_type(t)), field("count", DataType::Int64)],
            Kind::Extreme { .. } => vec![field("value", output.clone())],
            Kind::Borrowed(function) => function.state_fields()?,
            Kind::Retained(plan) => vec![field("rows", plan.state_type())],
            Kind::ExactFloat { .. } => vec![field("sum", DataType::Binary), field("count", DataType::Int64)],
            Kind::Ordered { data_type, .. } => vec![field("values", ordered::state_type(data_type))],
            Kind::Counted(plan) => vec![field("rows", plan.state_type())],
        })
    }
}
