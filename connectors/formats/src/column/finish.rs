//! Columns to Arrow arrays.

use super::{BytesKind, Column, IntKind, Member, Nulls, Rows, TimeKind, Values};
use arrow::{
    array::{
        ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, ListArray,
        PrimitiveArray, StringArray, StructArray, UInt64Array,
    },
    buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::{
        ArrowTimestampType, DataType, Fields, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType,
        Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    },
    error::ArrowError,
    util::bit_util,
};
use std::{
    mem::{replace, take},
    sync::Arc,
};

impl Nulls {
    fn finish(&mut self, rows: usize) -> Option<NullBuffer> {
        let nulls = take(&mut self.0);
        if nulls.is_empty() {
            return None;
        }
        let mut bits = MutableBuffer::new(rows.div_ceil(8)).with_bitset(rows.div_ceil(8), true);
        for row in nulls {
            bit_util::unset_bit(bits.as_slice_mut(), row as usize);
        }
        Some(NullBuffer::new(BooleanBuffer::new(bits.into(), 0, rows)))
    }
}

impl Values {
    fn finish(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        (offsets(&mut self.ends), Buffer::from_vec(renew(&mut self.bytes)))
    }
}

/// Ends to offsets, which have a zero before them.
fn offsets(ends: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.append(ends);
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

/// Takes a vector and leaves an empty one that the next batch most likely fits.
fn renew<T>(values: &mut Vec<T>) -> Vec<T> {
    let capacity = values.len();
    replace(values, Vec::with_capacity(capacity))
}

/// Values that are known to fit, in a narrower type.
fn narrow<T: ArrowPrimitiveType>(values: Vec<i64>, nulls: Option<NullBuffer>) -> ArrayRef
where
    T::Native: TryFrom<i64>,
{
    let values: Vec<T::Native> = values.into_iter().map(|v| T::Native::try_from(v).unwrap_or_default()).collect();
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))
}

/// Values as they are.
fn wide<T: ArrowPrimitiveType<Native = i64>>(values: Vec<i64>, nulls: Option<NullBuffer>) -> PrimitiveArray<T> {
    PrimitiveArray::<T>::new(values.into(), nulls)
}

fn zoned<T: ArrowTimestampType>(values: Vec<i64>, nulls: Option<NullBuffer>, zone: Option<&str>) -> ArrayRef {
    let array = wide::<T>(values, nulls);
    match zone {
        Some(zone) => Arc::new(array.with_timezone(zone)),
        None => Arc::new(array),
    }
}

impl Rows {
    /// All complete rows as arrays, leaving none.
    pub(crate) fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.len = 0;
        self.members.iter_mut().map(Member::finish).collect()
    }
}

impl Member {
    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let rows = self.column.len();
        Ok(match &mut self.column {
            Column::Flag { values, nulls } => Arc::new(BooleanArray::new(BooleanBuffer::from(renew(values)), nulls.finish(rows))),
            Column::Int { values, nulls, kind } => {
                let (values, nulls) = (renew(values), nulls.finish(rows));
                match kind {
                    IntKind::Int8 => narrow::<Int8Type>(values, nulls),
                    IntKind::Int16 => narrow::<Int16Type>(values, nulls),
                    IntKind::Int32 => narrow::<Int32Type>(values, nulls),
                    IntKind::Int64 => Arc::new(wide::<Int64Type>(values, nulls)),
                    IntKind::UInt8 => narrow::<UInt8Type>(values, nulls),
                    IntKind::UInt16 => narrow::<UInt16Type>(values, nulls),
                    IntKind::UInt32 => narrow::<UInt32Type>(values, nulls),
                }
            }
            Column::UInt64 { values, nulls } => Arc::new(UInt64Array::new(renew(values).into(), nulls.finish(rows))),
            Column::Float { values, nulls, single: false } => Arc::new(Float64Array::new(renew(values).into(), nulls.finish(rows))),
            Column::Float { values, nulls, single: true } => {
                // Exact: the values were made from single precision.
                let values: Vec<f32> = renew(values).into_iter().map(|v| v as f32).collect();
                Arc::new(Float32Array::new(values.into(), nulls.finish(rows)))
            }
            Column::Decimal { values, nulls, precision, scale } => {
                Arc::new(Decimal128Array::new(renew(values).into(), nulls.finish(rows)).with_precision_and_scale(*precision, *scale)?)
            }
            Column::Time { values, nulls, kind, unit } => {
                let (values, nulls) = (renew(values), nulls.finish(rows));
                match (kind, unit) {
                    (TimeKind::Date, _) => {
                        let days: Vec<i32> = values.into_iter().map(|v| i32::try_from(v).unwrap_or_default()).collect();
                        Arc::new(Date32Array::new(days.into(), nulls))
                    }
                    (TimeKind::Time, TimeUnit::Second) => narrow::<Time32SecondType>(values, nulls),
                    (TimeKind::Time, TimeUnit::Millisecond) => narrow::<Time32MillisecondType>(values, nulls),
                    (TimeKind::Time, TimeUnit::Microsecond) => Arc::new(wide::<Time64MicrosecondType>(values, nulls)),
                    (TimeKind::Time, TimeUnit::Nanosecond) => Arc::new(wide::<Time64NanosecondType>(values, nulls)),
                    (TimeKind::Timestamp, unit) => {
                        let zone = match self.field.data_type() {
                            DataType::Timestamp(_, zone) => zone.as_deref(),
                            _ => None,
                        };
                        match unit {
                            TimeUnit::Second => zoned::<TimestampSecondType>(values, nulls, zone),
                            TimeUnit::Millisecond => zoned::<TimestampMillisecondType>(values, nulls, zone),
                            TimeUnit::Microsecond => zoned::<TimestampMicrosecondType>(values, nulls, zone),
                            TimeUnit::Nanosecond => zoned::<TimestampNanosecondType>(values, nulls, zone),
                        }
                    }
                }
            }
            Column::Bytes { values, nulls, kind } => {
                let ((offsets, bytes), nulls) = (values.finish(), nulls.finish(rows));
                match kind {
                    BytesKind::Text | BytesKind::Json => Arc::new(StringArray::try_new(offsets, bytes, nulls)?),
                    BytesKind::Binary => Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?),
                }
            }
            Column::List { ends, nulls, item } => {
                let items = item.finish()?;
                Arc::new(ListArray::try_new(item.field.clone(), offsets(ends), items, nulls.finish(rows))?)
            }
            Column::Struct { rows: inner, nulls } => {
                let fields: Fields = inner.members.iter().map(|m| m.field.clone()).collect();
                Arc::new(StructArray::try_new_with_length(fields, inner.finish()?, nulls.finish(rows), rows)?)
            }
        })
    }
}
