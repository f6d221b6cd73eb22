//! Aggregates over the rows of a key that are all at hand: what a recursion computes of a key whenever it changes.
//!
//! The arguments of a row's calls are packed into one value; values of a key are folded to one packed result; results of many keys become columns together. Values
//! are folded in their packed order, so that a sum of floats is the same whatever the order in which rows came.

use crate::{OperatorError, rows::Expression};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, UInt64Array},
    compute::cast,
    datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, SchemaRef, UInt64Type},
    error::ArrowError,
    record_batch::{RecordBatch, RecordBatchOptions},
    row::{RowConverter, Rows, SortField},
};
use runink_planner::{AggregateCall, AggregateOp};

/// How a value stands in its packed form.
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;
/// A sum that does not fit 128 bits.
const TOO_LARGE: u8 = 2;

/// See the module.
pub struct Fold {
    step: String,
    keys: usize,
    calls: Vec<Call>,
    output: SchemaRef,
    /// Scratch: where the next argument of each value begins.
    places: Vec<usize>,
    packed: Vec<u8>,
}

struct Call {
    kind: Kind,
    arguments: Vec<Expression>,
    filter: Option<usize>,
    output: DataType,
    /// Packs values that are compared: a single column's rows.
    converter: Option<RowConverter>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Count,
    CountDistinct,
    Least,
    Greatest,
    /// Integers and decimals, exactly.
    Sum,
    SumOfFloats,
}

/// The arguments of a call, for the rows of a batch.
struct Arguments {
    present: Option<BooleanArray>,
    values: Values,
}

enum Values {
    None,
    Rows(Rows),
    Whole(Vec<i128>),
    Floats(Float64Array),
}

impl Fold {
    /// Over rows of `input`. The result has the key columns, then one for each call, as `output` says.
    ///
    /// # Errors
    /// Where a call is one that cannot be folded, or does not fit the columns.
    pub fn new(step: &str, op: &AggregateOp, input: &SchemaRef, output: &SchemaRef) -> Result<Self, OperatorError> {
        let call = |(at, call): (usize, &AggregateCall)| Call::new(step, call, input, output.field(op.keys.len() + at).data_type());
        let calls = op.calls.iter().enumerate().map(call).collect::<Result<_, _>>()?;
        let output = output.clone();
        Ok(Fold { step: step.to_owned(), keys: op.keys.len(), calls, output, places: Vec::new(), packed: Vec::new() })
    }

    /// Packs the arguments of each row; `each` gets the row's number and its value.
    ///
    /// # Errors
    /// Where a column is of another type than the plan says.
    pub fn pack(&mut self, rows: &RecordBatch, mut each: impl FnMut(usize, &[u8])) -> Result<(), OperatorError> {
        let columns = self.calls.iter().map(|c| c.arguments(rows)).collect::<Result<Vec<_>, _>>();
        let columns = columns.map_err(|e| OperatorError::kernel(&self.step, e))?;
        for row in 0..rows.num_rows() {
            self.packed.clear();
            columns.iter().for_each(|column| column.append(row, &mut self.packed));
            each(row, &self.packed);
        }
        Ok(())
    }

    /// Folds the values of a key, each with how often it is there, to its packed result. None where no value is there.
    pub fn fold<'v>(&mut self, values: impl Iterator<Item = (&'v [u8], i64)> + Clone) -> Option<&[u8]> {
        let values = || values.clone().filter(|(_, times)| *times > 0);
        values().next()?;
        self.places.clear();
        self.places.resize(values().count(), 0);
        self.packed.clear();
        for call in &self.calls {
            call.fold(values().zip(&mut self.places), &mut self.packed);
        }
        Some(&self.packed)
    }

    /// The results of keys as columns, and for each result that does not fit its type the row and why.
    ///
    /// # Errors
    /// Where columns cannot be put together.
    pub fn results(&self, keys: &[ArrayRef], folded: &[&[u8]]) -> Result<(RecordBatch, Vec<(usize, String)>), OperatorError> {
        let mut places = vec![0; folded.len()];
        let mut failures = Vec::new();
        let mut columns = keys[..self.keys].to_vec();
        for call in &self.calls {
            let values: Vec<(u8, &[u8])> = folded.iter().zip(&mut places).map(|(value, at)| next(value, at)).collect();
            columns.push(call.column(&values, &mut failures).map_err(|e| OperatorError::kernel(&self.step, e))?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(folded.len()));
        let rows = RecordBatch::try_new_with_options(self.output.clone(), columns, &options);
        Ok((rows.map_err(|e| OperatorError::kernel(&self.step, e))?, failures))
    }
}

/// Adds an argument or a result to a packed value.
fn append(tag: u8, bytes: &[u8], to: &mut Vec<u8>) {
    to.push(tag);
    if tag == PRESENT {
        to.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        to.extend_from_slice(bytes);
    }
}

/// The next argument or result of a packed value.
fn next<'v>(value: &'v [u8], at: &mut usize) -> (u8, &'v [u8]) {
    let rest = value.get(*at..).unwrap_or_default();
    let Some((&tag, rest)) = rest.split_first() else { return (ABSENT, &[]) };
    *at += 1;
    let Some((length, rest)) = rest.split_first_chunk::<4>().filter(|_| tag == PRESENT) else { return (tag, &[]) };
    let bytes = rest.get(..u32::from_le_bytes(*length) as usize).unwrap_or_default();
    *at += 4 + bytes.len();
    (tag, bytes)
}

fn whole(bytes: &[u8]) -> i128 {
    bytes.try_into().map_or(0, i128::from_le_bytes)
}

fn float(bytes: &[u8]) -> f64 {
    bytes.try_into().map_or(0.0, f64::from_le_bytes)
}

impl Call {
    fn new(step: &str, call: &AggregateCall, input: &SchemaRef, output: &DataType) -> Result<Self, OperatorError> {
        let arguments = call.args.iter().map(|a| Expression::compile(step, a, input)).collect::<Result<Vec<_>, _>>()?;
        let empty = RecordBatch::new_empty(input.clone());
        let first = arguments.first().map(|a| a.evaluate(&empty)).transpose().map_err(|e| OperatorError::kernel(step, e))?;
        let of = first.map_or(DataType::Null, |a| a.data_type().clone());
        let kind = match (call.function.name(), call.distinct) {
            ("count", false) => Kind::Count,
            ("count", true) => Kind::CountDistinct,
            ("min", _) => Kind::Least,
            ("max", _) => Kind::Greatest,
            ("sum", false) if of.is_floating() => Kind::SumOfFloats,
            ("sum", false) if of.is_integer() || matches!(of, DataType::Decimal128(..)) => Kind::Sum,
            (name, _) => return Err(OperatorError::plan(step, format!("`{name}` of {of} cannot be folded"))),
        };
        let converter = match kind {
            Kind::CountDistinct => Some(RowConverter::new(types(&arguments, &empty).map_err(|e| OperatorError::kernel(step, e))?)),
            Kind::Least | Kind::Greatest => Some(RowConverter::new(vec![SortField::new(output.clone())])),
            Kind::Count | Kind::Sum | Kind::SumOfFloats => None,
        };
        let converter = converter.transpose().map_err(|e| OperatorError::kernel(step, e))?;
        Ok(Call { kind, arguments, filter: call.filter, output: output.clone(), converter })
    }

    fn arguments(&self, rows: &RecordBatch) -> Result<Arguments, datafusion_common::DataFusionError> {
        let columns = self.arguments.iter().map(|a| a.evaluate(rows)).collect::<Result<Vec<_>, _>>()?;
        let filter = self.filter.map(|c| rows.column(c).as_boolean().clone());
        let some_absent = columns.iter().any(|c| c.logical_null_count() > 0) || filter.is_some();
        let there = |row: usize| columns.iter().all(|c| !c.is_null(row) && *c.data_type() != DataType::Null);
        let wanted = |row: usize| filter.as_ref().is_none_or(|f| f.is_valid(row) && f.value(row));
        let present = some_absent.then(|| (0..rows.num_rows()).map(|row| Some(there(row) && wanted(row))).collect());
        let first = || columns.first().cloned().unwrap_or_else(|| arrow::array::new_null_array(&self.output, rows.num_rows()));
        let values = match (self.kind, &self.converter) {
            (Kind::CountDistinct, Some(converter)) => {
                Values::Rows(converter.convert_columns(&columns.iter().map(crate::hash::normal).collect::<Vec<_>>())?)
            }
            (Kind::Least | Kind::Greatest, Some(converter)) => {
                Values::Rows(converter.convert_columns(&[crate::hash::normal(&cast(&first(), &self.output)?)])?)
            }
            (Kind::Sum, _) => Values::Whole(whole_numbers(&first())?),
            (Kind::SumOfFloats, _) => Values::Floats(cast(&first(), &DataType::Float64)?.as_primitive::<Float64Type>().clone()),
            _ => Values::None,
        };
        Ok(Arguments { present, values })
    }

    fn fold<'v, 'p>(&self, values: impl Iterator<Item = ((&'v [u8], i64), &'p mut usize)>, out: &mut Vec<u8>) {
        let there = values.filter_map(|((value, times), at)| match next(value, at) {
            (PRESENT, bytes) => Some((bytes, times)),
            _ => None,
        });
        match self.kind {
            Kind::Count => {
                let count = there.fold(0i64, |sum, (_, times)| sum.saturating_add(times));
                append(PRESENT, &count.to_le_bytes(), out);
            }
            Kind::CountDistinct => {
                let mut all: Vec<&[u8]> = there.map(|(bytes, _)| bytes).collect();
                all.sort_unstable();
                all.dedup();
                append(PRESENT, &(all.len() as i64).to_le_bytes(), out);
            }
            Kind::Least | Kind::Greatest => {
                let bytes = there.map(|(bytes, _)| bytes);
                let best = if self.kind == Kind::Least { bytes.min() } else { bytes.max() };
                append(best.map_or(ABSENT, |_| PRESENT), best.unwrap_or_default(), out);
            }
            Kind::Sum => {
                let (mut any, mut sum) = (false, Some(0i128));
                // To the end even where it is too large: each value's next argument begins where this one ends.
                for (bytes, times) in there {
                    any = true;
                    let product = whole(bytes).checked_mul(i128::from(times));
                    sum = sum.zip(product).and_then(|(sum, product)| sum.checked_add(product));
                }
                let tag = if !any { ABSENT } else { sum.map_or(TOO_LARGE, |_| PRESENT) };
                append(tag, &sum.unwrap_or_default().to_le_bytes(), out);
            }
            Kind::SumOfFloats => {
                let sum = there.fold(None, |sum: Option<f64>, (bytes, times)| Some(sum.unwrap_or(0.0) + float(bytes) * times as f64));
                append(sum.map_or(ABSENT, |_| PRESENT), &sum.unwrap_or_default().to_le_bytes(), out);
            }
        }
    }

    /// The column of many results.
    fn column(&self, values: &[(u8, &[u8])], failures: &mut Vec<(usize, String)>) -> Result<ArrayRef, ArrowError> {
        let present = || values.iter().map(|&(tag, bytes)| (tag == PRESENT).then_some(bytes));
        Ok(match (self.kind, &self.converter) {
            (Kind::Count | Kind::CountDistinct, _) => {
                let count = |bytes: &[u8]| bytes.try_into().map_or(0, i64::from_le_bytes);
                std::sync::Arc::new(present().map(|v| v.map(count)).collect::<Int64Array>())
            }
            (Kind::Least | Kind::Greatest, Some(converter)) => {
                let null = converter.convert_columns(&[arrow::array::new_null_array(&self.output, 1)])?;
                let parser = converter.parser();
                let rows = present().map(|v| parser.parse(v.unwrap_or(null.row(0).data())));
                let columns = converter.convert_rows(rows)?;
                columns.into_iter().next().ok_or_else(|| ArrowError::ComputeError("a value without a column".into()))?
            }
            (Kind::SumOfFloats, _) => cast(&(present().map(|v| v.map(float)).collect::<Float64Array>()), &self.output)?,
            _ => {
                let too_large =
                    |sum: &str| format!("the sum does not fit {} (the exact sum is {sum}): cast the argument to a wider type", self.output);
                let mut sum = |(row, &(tag, bytes)): (usize, &(u8, &[u8]))| match tag {
                    PRESENT if fits(whole(bytes), &self.output) => Some(whole(bytes)),
                    PRESENT => {
                        failures.push((row, too_large(&whole(bytes).to_string())));
                        None
                    }
                    TOO_LARGE => {
                        failures.push((row, too_large("longer than 128 bits")));
                        None
                    }
                    _ => None,
                };
                let sums: Vec<Option<i128>> = values.iter().enumerate().map(&mut sum).collect();
                match &self.output {
                    DataType::UInt64 => std::sync::Arc::new(sums.iter().map(|s| s.map(|s| s as u64)).collect::<UInt64Array>()),
                    DataType::Decimal128(..) => {
                        std::sync::Arc::new(sums.into_iter().collect::<Decimal128Array>().with_data_type(self.output.clone()))
                    }
                    _ => std::sync::Arc::new(sums.iter().map(|s| s.map(|s| s as i64)).collect::<Int64Array>()),
                }
            }
        })
    }
}

impl Arguments {
    fn append(&self, row: usize, to: &mut Vec<u8>) {
        if self.present.as_ref().is_some_and(|p| !p.value(row)) {
            return append(ABSENT, &[], to);
        }
        match &self.values {
            Values::None => append(PRESENT, &[], to),
            Values::Rows(rows) => append(PRESENT, rows.row(row).data(), to),
            Values::Whole(values) => append(PRESENT, &values[row].to_le_bytes(), to),
            Values::Floats(values) => append(PRESENT, &values.value(row).to_le_bytes(), to),
        }
    }
}

fn types(arguments: &[Expression], empty: &RecordBatch) -> Result<Vec<SortField>, datafusion_common::DataFusionError> {
    arguments.iter().map(|a| Ok(SortField::new(a.evaluate(empty)?.data_type().clone()))).collect()
}

/// Integers or the digits of decimals; what lies under a null does not matter.
fn whole_numbers(column: &ArrayRef) -> Result<Vec<i128>, ArrowError> {
    Ok(match column.data_type() {
        DataType::Decimal128(..) => column.as_primitive::<Decimal128Type>().values().to_vec(),
        t if t.is_unsigned_integer() => {
            cast(column, &DataType::UInt64)?.as_primitive::<UInt64Type>().values().iter().map(|&v| i128::from(v)).collect()
        }
        _ => cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().values().iter().map(|&v| i128::from(v)).collect(),
    })
}

fn fits(sum: i128, output: &DataType) -> bool {
    match output {
        DataType::UInt64 => u64::try_from(sum).is_ok(),
        DataType::Decimal128(precision, _) => {
            10i128.checked_pow(u32::from(*precision)).is_none_or(|limit| sum.unsigned_abs() < limit.unsigned_abs())
        }
        _ => i64::try_from(sum).is_ok(),
    }
}
