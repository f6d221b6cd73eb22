//! `cast(time as date)` of times in UTC: a day is a whole number of microseconds, so that no calendar is asked.

use super::strict::replace;
use arrow::{
    array::{Array, ArrayRef, AsArray, Date32Array},
    datatypes::{DataType, FieldRef, Schema, TimeUnit, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use datafusion_common::{Result, internal_err};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::{PhysicalExpr, expressions::CastExpr};
use std::{
    fmt,
    hash::{Hash, Hasher},
    ops::RangeInclusive,
    sync::Arc,
};

const DAY_US: i64 = 86_400_000_000;
/// More than 200,000 years around 1970. Times beyond are left to the library, which tells which have no date.
const PLAIN_US: RangeInclusive<i64> = -6_400_000_000_000_000_000..=6_400_000_000_000_000_000;

/// The date of a time.
#[derive(Debug, Eq)]
struct DayOf {
    /// The cast as the library has it.
    inner: Arc<dyn PhysicalExpr>,
}

impl PartialEq for DayOf {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Hash for DayOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

/// The same with casts to dates that this file knows.
pub(super) fn days(kernel: Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    Ok(replace(kernel, |node| {
        let cast = node.downcast_ref::<CastExpr>().filter(|c| *c.cast_type() == DataType::Date32)?;
        match cast.expr().data_type(schema) {
            Ok(DataType::Timestamp(TimeUnit::Microsecond, zone)) if zone.as_deref().is_none_or(|z| z == "UTC" || z == "+00:00") => {
                Some(Arc::new(DayOf { inner: node.clone() }))
            }
            _ => None,
        }
    })?
    .data)
}

impl fmt::Display for DayOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for DayOf {
    fn data_type(&self, input: &Schema) -> Result<DataType> {
        self.inner.data_type(input)
    }
    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.inner.nullable(input)
    }
    fn return_field(&self, input: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input)
    }
    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let children = self.inner.children();
        let Some(time) = children.first() else { return internal_err!("`{}` has no operand", self.inner) };
        let time: ArrayRef = time.evaluate(batch)?.into_array(batch.num_rows())?;
        let Some(times) = time.as_primitive_opt::<TimestampMicrosecondType>() else {
            return internal_err!("a time of type {}", time.data_type());
        };
        if !times.values().iter().all(|us| PLAIN_US.contains(us)) {
            return self.inner.evaluate(batch);
        }
        // Some 74 million days at most: they fit.
        let days: Date32Array = times.unary(|us| us.div_euclid(DAY_US) as i32);
        Ok(ColumnarValue::Array(Arc::new(days)))
    }
    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.inner.children()
    }
    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(DayOf { inner: self.inner.clone().with_new_children(children)? }))
    }
    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
