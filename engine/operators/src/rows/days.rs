//! `cast(time as date)` of times in UTC: a day is a whole number of microseconds, so that no calendar is asked.

use super::{
    instead::{Instead, Way},
    strict::replace,
};
use arrow::{
    array::{Array, ArrayRef, AsArray, Date32Array},
    datatypes::{DataType, Schema, TimeUnit, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use datafusion_common::{Result, internal_err};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::{PhysicalExpr, expressions::CastExpr};
use std::{ops::RangeInclusive, sync::Arc};

const DAY_US: i64 = 86_400_000_000;
/// More than 200,000 years around 1970. Times beyond are left to the library, which tells which have no date.
const PLAIN_US: RangeInclusive<i64> = -6_400_000_000_000_000_000..=6_400_000_000_000_000_000;

/// The date of a time.
#[derive(Debug)]
struct DayOf;

/// The same with casts to dates that this file knows.
pub(super) fn days(kernel: Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    Ok(replace(kernel, |node| {
        let cast = node.downcast_ref::<CastExpr>().filter(|c| *c.cast_type() == DataType::Date32)?;
        match cast.expr().data_type(schema) {
            Ok(DataType::Timestamp(TimeUnit::Microsecond, zone)) if zone.as_deref().is_none_or(|z| z == "UTC" || z == "+00:00") => {
                Some(Instead::of(node.clone(), DayOf))
            }
            _ => None,
        }
    })?
    .data)
}

impl Way for DayOf {
    fn same(&self, _: &Self) -> bool {
        true
    }

    fn evaluate(expr: &Instead<Self>, batch: &RecordBatch) -> Result<ColumnarValue> {
        let children = expr.inner.children();
        let Some(time) = children.first() else { return internal_err!("`{}` has no operand", expr.inner) };
        let time: ArrayRef = time.evaluate(batch)?.into_array(batch.num_rows())?;
        let Some(times) = time.as_primitive_opt::<TimestampMicrosecondType>() else {
            return internal_err!("a time of type {}", time.data_type());
        };
        if !times.values().iter().all(|us| PLAIN_US.contains(us)) {
            return expr.inner.evaluate(batch);
        }
        // Some 74 million days at most: they fit.
        let days: Date32Array = times.unary(|us| us.div_euclid(DAY_US) as i32);
        Ok(ColumnarValue::Array(Arc::new(days)))
    }

    fn over(&self, inner: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
        Instead::of(inner, DayOf)
    }
}
