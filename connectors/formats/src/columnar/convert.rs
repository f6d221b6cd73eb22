//! Arrays of one type to another, exactly: a value that would lose something becomes a null and is counted as a fault.
//!
//! Moments may lose digits that are finer than the unit wanted, as everywhere; floats may lose digits to a shorter float.

use crate::{
    column::{Cell, Rows},
    error,
};
use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StructArray, new_null_array},
    buffer::NullBuffer,
    compute::{CastOptions, can_cast_types, cast, cast_with_options, kernels::cmp::not_distinct},
    datatypes::{
        DataType, Field, Fields, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType,
    },
    error::ArrowError,
};
use runink_connector_api::ConnectorError;
use std::{collections::BTreeSet, sync::Arc};

/// Rows with a value that does not fit.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeSet<usize>);

impl Faults {
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> {
        self.0.iter().copied()
    }

    fn add(&mut self, row: usize) {
        self.0.insert(row);
    }

    /// Values that must be there and are not, where what they are in is there.
    fn add_missing(&mut self, values: &ArrayRef, field: &Field, around: Option<&NullBuffer>) {
        if !field.is_nullable() && values.null_count() > 0 {
            self.0.extend((0..values.len()).filter(|row| values.is_null(*row) && around.is_none_or(|n| n.is_valid(*row))));
        }
    }
}

/// Whether two types hold the same values: they differ in the names and rules of inner fields at most.
pub(super) fn is_same(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::List(a), DataType::List(b)) => is_same(a.data_type(), b.data_type()) && (b.is_nullable() || !a.is_nullable()),
        (DataType::Struct(_), DataType::Struct(_)) => from == to,
        _ => from == to,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_list(data_type: &DataType) -> Option<&Field> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => Some(item),
        _ => None,
    }
}

/// Whether some values of a type may become values of another.
pub(super) fn may_convert(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::Dictionary(_, values), _) => may_convert(values, to),
        (DataType::Null, _) => true,
        (DataType::Struct(from), DataType::Struct(to)) => to.iter().all(|field| match from.find(field.name()) {
            Some((_, inner)) => may_convert(inner.data_type(), field.data_type()),
            None => field.is_nullable(),
        }),
        (_, DataType::List(item)) => is_list(from).is_some_and(|inner| may_convert(inner.data_type(), item.data_type())),
        (DataType::Struct(_), _) | (_, DataType::Struct(_)) => false,
        _ if is_list(from).is_some() => false,
        _ => {
            from == to
                || (is_text(from) && Rows::new("text", [&Arc::new(Field::new("", to.clone(), true))]).is_ok())
                || can_cast_types(from, to)
        }
    }
}

/// A field without the rule that inner values must be there: those are faults first, and taken out.
pub(super) fn relaxed(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::List(item) => DataType::List(Arc::new(relaxed(item))),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|f| relaxed(f)).collect()),
        other => other.clone(),
    };
    Field::new(field.name(), data_type, true).with_metadata(field.metadata().clone())
}

/// An array with the same values whose inner fields are those of the type.
pub(super) fn retype(array: ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(array);
    }
    match to {
        DataType::List(item) => {
            let (_, offsets, values, nulls) = array.as_list::<i32>().clone().into_parts();
            Ok(Arc::new(ListArray::try_new(item.clone(), offsets, retype(values, item.data_type())?, nulls)?))
        }
        DataType::Struct(fields) => {
            let rows = array.len();
            let (_, columns, nulls) = array.as_struct().clone().into_parts();
            let columns = columns.into_iter().zip(fields).map(|(c, f)| retype(c, f.data_type())).collect::<Result<_, _>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, rows)?))
        }
        _ => cast(array.as_ref(), to),
    }
}

/// Converts an array to the type of a field, [`relaxed`]. Inner values that are missing where they must not be are faults.
pub(super) fn convert(array: &ArrayRef, wanted: &Field, faults: &mut Faults) -> Result<ArrayRef, ConnectorError> {
    let relaxed = relaxed(wanted);
    let (from, to) = (array.data_type(), relaxed.data_type());
    if from == to && to == wanted.data_type() {
        return Ok(array.clone());
    }
    match (from, to) {
        (DataType::Dictionary(_, values), _) => convert(&cast(array.as_ref(), values).map_err(error::batch)?, wanted, faults),
        (DataType::Null, _) => Ok(new_null_array(to, array.len())),
        (_, DataType::List(_)) => convert_list(array, wanted, faults),
        (DataType::Struct(_), DataType::Struct(_)) => convert_struct(array, wanted, faults),
        (DataType::Timestamp(from_unit, _), DataType::Timestamp(to_unit, zone)) => {
            let values = cast(array.as_ref(), &DataType::Int64).map_err(error::batch)?;
            let (from_scale, to_scale) = (per_second(*from_unit), per_second(*to_unit));
            let values = values.as_primitive::<Int64Type>();
            let scaled: Int64Array = if from_scale >= to_scale {
                values.unary(|v| v.div_euclid(from_scale / to_scale))
            } else {
                values.unary_opt(|v| v.checked_mul(to_scale / from_scale))
            };
            found_null(array, &scaled, faults);
            let zone = zone.clone();
            Ok(match to_unit {
                TimeUnit::Second => Arc::new(scaled.reinterpret_cast::<TimestampSecondType>().with_timezone_opt(zone)),
                TimeUnit::Millisecond => Arc::new(scaled.reinterpret_cast::<TimestampMillisecondType>().with_timezone_opt(zone)),
                TimeUnit::Microsecond => Arc::new(scaled.reinterpret_cast::<TimestampMicrosecondType>().with_timezone_opt(zone)),
                TimeUnit::Nanosecond => Arc::new(scaled.reinterpret_cast::<TimestampNanosecondType>().with_timezone_opt(zone)),
            })
        }
        _ if is_text(from) && !is_text(to) => convert_text(array, relaxed, faults),
        _ => {
            let safe = CastOptions { safe: true, ..CastOptions::default() };
            let result = cast_with_options(array.as_ref(), to, &safe).map_err(error::batch)?;
            found_null(array, result.as_ref(), faults);
            if may_round(from, to) {
                let back = cast_with_options(result.as_ref(), from, &safe).map_err(error::batch)?;
                let kept = not_distinct(array, &back).map_err(error::batch)?;
                for row in (0..array.len()).filter(|row| result.is_valid(*row) && !kept.value(*row)) {
                    faults.add(row);
                }
            }
            Ok(result)
        }
    }
}

/// Values that became null were not of the type.
fn found_null(before: &ArrayRef, after: &dyn Array, faults: &mut Faults) {
    if after.null_count() > before.logical_null_count() {
        let nulls = before.logical_nulls();
        for row in (0..after.len()).filter(|row| after.is_null(*row) && nulls.as_ref().is_none_or(|n| n.is_valid(*row))) {
            faults.add(row);
        }
    }
}

/// Casts that round: going back shows whether one did.
fn may_round(from: &DataType, to: &DataType) -> bool {
    let fraction = |t: &DataType| t.is_floating() || t.is_decimal();
    (fraction(from) && (to.is_integer() || to.is_decimal()))
        || (matches!(from, DataType::Timestamp(..) | DataType::Date64) && *to == DataType::Date32)
}

/// Text is read as a cell of CSV is.
fn convert_text(array: &ArrayRef, wanted: Field, faults: &mut Faults) -> Result<ArrayRef, ConnectorError> {
    let array = cast(array.as_ref(), &DataType::Utf8).map_err(error::batch)?;
    let text = array.as_string::<i32>();
    let mut rows = Rows::new("text", [&Arc::new(wanted)])?;
    for row in 0..text.len() {
        let cell = Cell { text: text.value(row).as_bytes(), quoted: true };
        let filled = text.is_valid(row) && rows.members[0].push_cell(cell, b"").is_ok();
        if !filled && text.is_valid(row) {
            rows.truncate(row);
            faults.add(row);
        }
        // The field is relaxed: no row is refused.
        let _ = rows.complete(usize::from(filled));
    }
    let mut columns = rows.finish().map_err(error::batch)?;
    columns.pop().ok_or_else(|| error::batch(ArrowError::ComputeError("there is no column".into())))
}

fn convert_list(array: &ArrayRef, wanted: &Field, faults: &mut Faults) -> Result<ArrayRef, ConnectorError> {
    let (Some(inner), DataType::List(item)) = (is_list(array.data_type()), wanted.data_type()) else {
        return Err(no_counterpart(array, wanted));
    };
    let array = cast(array.as_ref(), &DataType::List(Arc::new(inner.clone()))).map_err(error::batch)?;
    let list = array.as_list::<i32>();
    let mut bad = Faults::default();
    let values = convert(list.values(), item, &mut bad)?;
    bad.add_missing(&values, item, None);
    for place in bad.rows() {
        // The list that an item is in ends behind it; lists that are null or empty have no items.
        let row = list.offsets()[1..].partition_point(|end| *end as usize <= place);
        if row < list.len() && list.is_valid(row) && list.offsets()[row] as usize <= place {
            faults.add(row);
        }
    }
    let item = Arc::new(relaxed(item));
    let made = ListArray::try_new(item, list.offsets().clone(), values, list.nulls().cloned()).map_err(error::batch)?;
    Ok(Arc::new(made))
}

fn convert_struct(array: &ArrayRef, wanted: &Field, faults: &mut Faults) -> Result<ArrayRef, ConnectorError> {
    let DataType::Struct(fields) = wanted.data_type() else { return Err(no_counterpart(array, wanted)) };
    let from = array.as_struct();
    let mut bad = Faults::default();
    let mut columns = Vec::with_capacity(fields.len());
    for field in fields {
        let column = match from.column_by_name(field.name()) {
            Some(column) => convert(column, field, &mut bad)?,
            None => new_null_array(relaxed(field).data_type(), array.len()),
        };
        bad.add_missing(&column, field, from.nulls());
        columns.push(column);
    }
    for row in bad.rows().filter(|row| from.is_valid(*row)) {
        faults.add(row);
    }
    let fields: Fields = fields.iter().map(|f| relaxed(f)).collect();
    let made = StructArray::try_new_with_length(fields, columns, from.nulls().cloned(), array.len()).map_err(error::batch)?;
    Ok(Arc::new(made))
}

/// What [`may_convert`] rules out.
fn no_counterpart(array: &ArrayRef, wanted: &Field) -> ConnectorError {
    error::cannot_convert(wanted.name(), array.data_type(), &wanted.data_type().to_string())
}

fn per_second(unit: TimeUnit) -> i64 {
    crate::cell::units_per_second(unit)
}
