//! Columns of fixed width, packed into a word per row and back.

use arrow::{
    array::{Array, ArrayData, ArrayRef, AsArray, BooleanArray, make_array},
    buffer::{Buffer, NullBuffer, ScalarBuffer},
    datatypes::{ArrowNativeType, DataType, Float32Type, Float64Type, IntervalUnit},
    error::ArrowError,
};
use std::sync::Arc;

/// How many bytes a value takes; `None` where its width is not fixed (or nothing packs it).
pub(super) fn width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Boolean => Some(1),
        DataType::Interval(IntervalUnit::DayTime | IntervalUnit::MonthDayNano) => None,
        other => other.primitive_width().filter(|&w| w <= 16),
    }
}

/// A word that columns are packed into.
pub(super) trait Word: Copy + Default {
    fn or_bits(&mut self, bits: u128, shift: u32);
    fn bits(self, shift: u32) -> u128;
}

impl Word for u64 {
    #[inline]
    fn or_bits(&mut self, bits: u128, shift: u32) {
        *self |= (bits as u64) << shift;
    }
    #[inline]
    fn bits(self, shift: u32) -> u128 {
        u128::from(self >> shift)
    }
}

impl Word for u128 {
    #[inline]
    fn or_bits(&mut self, bits: u128, shift: u32) {
        *self |= bits << shift;
    }
    #[inline]
    fn bits(self, shift: u32) -> u128 {
        self >> shift
    }
}

/// Floats with one NaN and one zero, so that equal values are equal bits; other columns as they are.
pub fn normal(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => {
            let one = |v: f64| {
                if v.is_nan() {
                    f64::NAN
                } else if v == 0.0 {
                    0.0
                } else {
                    v
                }
            };
            Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(one))
        }
        DataType::Float32 => {
            let one = |v: f32| {
                if v.is_nan() {
                    f32::NAN
                } else if v == 0.0 {
                    0.0
                } else {
                    v
                }
            };
            Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(one))
        }
        _ => column.clone(),
    }
}

/// Packs columns into `words`, the first in the lowest bits. `nulls` gets a mask per row, or stays empty where nothing is null.
pub(super) fn pack<W: Word>(columns: &[ArrayRef], rows: usize, words: &mut Vec<W>, nulls: &mut Vec<u16>) -> Result<(), ArrowError> {
    words.clear();
    words.resize(rows, W::default());
    let mut shift = 0;
    for (i, column) in columns.iter().enumerate() {
        let column = normal(column);
        let bytes = width(column.data_type()).ok_or_else(|| ArrowError::SchemaError(format!("{} cannot be packed", column.data_type())))?;
        match (column.data_type(), bytes) {
            (DataType::Boolean, _) => {
                let values = column.as_boolean();
                words.iter_mut().enumerate().for_each(|(row, w)| w.or_bits(u128::from(values.value(row)), shift));
            }
            (_, 1) => pack_values::<u8, W>(&column, words, shift, u128::from),
            (_, 2) => pack_values::<u16, W>(&column, words, shift, u128::from),
            (_, 4) => pack_values::<u32, W>(&column, words, shift, u128::from),
            (_, 8) => pack_values::<u64, W>(&column, words, shift, u128::from),
            _ => pack_values::<i128, W>(&column, words, shift, |v| v as u128),
        }
        if let Some(valid) = column.nulls().filter(|n| n.null_count() > 0) {
            nulls.resize(rows, 0);
            let ones = if bytes == 16 { u128::MAX } else { (1 << (bytes * 8)) - 1 };
            for row in (0..rows).filter(|&row| valid.is_null(row)) {
                nulls[row] |= 1 << i;
                // What lies under a null is not part of the key.
                let mut kept = W::default();
                kept.or_bits(words[row].bits(0) & !(ones << shift), 0);
                words[row] = kept;
            }
        }
        shift += bytes as u32 * 8;
    }
    Ok(())
}

fn pack_values<T: ArrowNativeType, W: Word>(column: &ArrayRef, words: &mut [W], shift: u32, bits: impl Fn(T) -> u128) {
    let data = column.to_data();
    let values = ScalarBuffer::<T>::new(data.buffers()[0].clone(), data.offset(), data.len());
    words.iter_mut().zip(values.iter()).for_each(|(word, &value)| word.or_bits(bits(value), shift));
}

/// The columns of packed words.
pub(super) fn unpack<W: Word>(types: &[DataType], (words, nulls): (Vec<W>, Vec<u16>)) -> Result<Vec<ArrayRef>, ArrowError> {
    let mut shift = 0;
    let mut columns = Vec::with_capacity(types.len());
    for (i, data_type) in types.iter().enumerate() {
        let valid =
            nulls.iter().any(|&mask| mask >> i & 1 == 1).then(|| nulls.iter().map(|&mask| mask >> i & 1 == 0).collect::<NullBuffer>());
        let bytes = width(data_type).ok_or_else(|| ArrowError::SchemaError(format!("{data_type} cannot be unpacked")))?;
        let bits = words.iter().map(|w| w.bits(shift));
        let buffer = match (data_type, bytes) {
            (DataType::Boolean, _) => {
                columns.push(Arc::new(BooleanArray::new(bits.map(|b| b & 1 == 1).collect(), valid)) as ArrayRef);
                shift += 8;
                continue;
            }
            (_, 1) => Buffer::from_vec(bits.map(|b| b as u8).collect::<Vec<_>>()),
            (_, 2) => Buffer::from_vec(bits.map(|b| b as u16).collect::<Vec<_>>()),
            (_, 4) => Buffer::from_vec(bits.map(|b| b as u32).collect::<Vec<_>>()),
            (_, 8) => Buffer::from_vec(bits.map(|b| b as u64).collect::<Vec<_>>()),
            _ => Buffer::from_vec(bits.map(|b| b as i128).collect::<Vec<_>>()),
        };
        let data = ArrayData::builder(data_type.clone()).len(words.len()).add_buffer(buffer).nulls(valid).build()?;
        columns.push(make_array(data));
        shift += bytes as u32 * 8;
    }
    Ok(columns)
}
