//! The hash of a key: it decides the key group, and so the worker and the place in a checkpoint.
//!
//! It is part of the state format: the same key has the same hash in every process and version, whatever array it stands in. Equal values of
//! different encodings (`Utf8` and `LargeUtf8`, `-0.0` and `0.0`, every NaN) hash alike; integers hash by value, whatever their width.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Decimal128Type, Float32Type, Float64Type, Int64Type, UInt64Type},
    error::ArrowError,
    row::{RowConverter, SortField},
};

pub use crate::aggregate::keys::normal;

const SEED: u64 = 0x5275_6e69_6e6b_2031;
const NULL: u64 = 0x6e75_6c6c_6e75_6c6c;
const TRUE: u64 = 1;

/// Hashes rows over the key columns into `hashes` (cleared first), one per row. Without columns there is no row to count: the result is empty,
/// and all rows belong to the one key that [`no_key`] stands for.
///
/// # Errors
/// Where a column's type cannot be a key.
pub fn key_hashes(columns: &[ArrayRef], hashes: &mut Vec<u64>) -> Result<(), ArrowError> {
    hashes.clear();
    let Some(first) = columns.first() else { return Ok(()) };
    hashes.resize(first.len(), SEED);
    for column in columns {
        hash_column(column, hashes)?;
    }
    Ok(())
}

/// The hash of the key of no columns.
pub fn no_key() -> u64 {
    SEED
}

/// Two multiplications' worth of mixing: every input bit reaches every output bit, the upper half included, which key groups use.
#[inline]
fn mix(hash: u64, value: u64) -> u64 {
    let product = u128::from(hash ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let folded = (product as u64) ^ ((product >> 64) as u64);
    let again = u128::from(folded).wrapping_mul(0xD6E8_FEB8_6659_FD93_A5A3_5642_9B1D_2F6B);
    (again as u64) ^ ((again >> 64) as u64)
}

#[inline]
fn hash_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let mut hash = mix(hash, bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word));
    }
    if rest.is_empty() { hash } else { mix(hash, short_word(rest)) }
}

/// One to seven bytes as a little-endian word. Loads overlap, which is faster than a loop.
#[inline]
pub(crate) fn short_word(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    if let (Some(low), Some(high)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*low)) | u64::from(u32::from_le_bytes(*high)) << (8 * (length - 4));
    }
    let at = |i: usize| u64::from(bytes[i]) << (8 * i);
    at(0) | at(length / 2) | at(length - 1)
}

fn each(column: &dyn Array, hashes: &mut [u64], value: impl Fn(usize, u64) -> u64) {
    match column.nulls().filter(|n| n.null_count() > 0) {
        None => hashes.iter_mut().enumerate().for_each(|(i, h)| *h = value(i, *h)),
        Some(nulls) => {
            for (i, hash) in hashes.iter_mut().enumerate() {
                *hash = if nulls.is_null(i) { mix(*hash, NULL) } else { value(i, *hash) };
            }
        }
    }
}

fn float_bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    }
}

fn hash_column(column: &ArrayRef, hashes: &mut [u64]) -> Result<(), ArrowError> {
    match column.data_type() {
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            each(values, hashes, |i, h| hash_bytes(h, values.value(i).as_bytes()));
        }
        DataType::LargeUtf8 | DataType::Utf8View => return hash_column(&cast(column, &DataType::Utf8)?, hashes),
        DataType::Binary => {
            let values = column.as_binary::<i32>();
            each(values, hashes, |i, h| hash_bytes(h, values.value(i)));
        }
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            return hash_column(&cast(column, &DataType::Binary)?, hashes);
        }
        DataType::Dictionary(_, values) => return hash_column(&cast(column, values)?, hashes),
        DataType::Boolean => {
            let values = column.as_boolean();
            each(values, hashes, |i, h| mix(h, if values.value(i) { TRUE } else { 0 }));
        }
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>();
            each(values, hashes, |i, h| mix(h, values.value(i) as u64));
        }
        DataType::UInt64 => {
            let values = column.as_primitive::<UInt64Type>();
            each(values, hashes, |i, h| mix(h, values.value(i)));
        }
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>();
            each(values, hashes, |i, h| mix(h, float_bits(values.value(i))));
        }
        DataType::Float32 => {
            let values = column.as_primitive::<Float32Type>();
            each(values, hashes, |i, h| mix(h, float_bits(f64::from(values.value(i)))));
        }
        DataType::Decimal128(_, _) => {
            let values = column.as_primitive::<Decimal128Type>();
            each(values, hashes, |i, h| {
                let value = values.value(i);
                mix(mix(h, value as u64), (value >> 64) as u64)
            });
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            return hash_column(&cast(column, &DataType::Int64)?, hashes);
        }
        DataType::Timestamp(_, _) | DataType::Date64 | DataType::Time64(_) | DataType::Duration(_) => {
            return hash_column(&cast(column, &DataType::Int64)?, hashes);
        }
        DataType::Date32 | DataType::Time32(_) => return hash_column(&cast(column, &DataType::Int32)?, hashes),
        other => {
            let converter = RowConverter::new(vec![SortField::new(other.clone())])?;
            let rows = converter.convert_columns(std::slice::from_ref(column))?;
            each(column.as_ref(), hashes, |i, h| hash_bytes(h, rows.row(i).as_ref()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::{Float64Array, Int32Array, Int64Array, LargeStringArray, StringArray};
    use std::sync::Arc;

    fn hashes(column: ArrayRef) -> Vec<u64> {
        let mut out = Vec::new();
        key_hashes(&[column], &mut out).unwrap();
        out
    }

    #[test]
    fn equal_values_hash_alike_whatever_their_encoding() {
        assert_eq!(
            hashes(Arc::new(StringArray::from(vec!["a", "bcdefghij"]))),
            hashes(Arc::new(LargeStringArray::from(vec!["a", "bcdefghij"])))
        );
        assert_eq!(hashes(Arc::new(Int32Array::from(vec![-7]))), hashes(Arc::new(Int64Array::from(vec![-7]))));
        assert_eq!(hashes(Arc::new(Float64Array::from(vec![0.0]))), hashes(Arc::new(Float64Array::from(vec![-0.0]))));
    }

    #[test]
    fn the_hash_is_part_of_the_state_format() {
        assert_eq!(
            hashes(Arc::new(Int64Array::from(vec![Some(1), None]))),
            vec![hashes(Arc::new(Int32Array::from(vec![1])))[0], mix(SEED, NULL)]
        );
        for length in 1..8 {
            let bytes: Vec<u8> = (1..=length).collect();
            assert_eq!(short_word(&bytes), bytes.iter().rev().fold(0, |word, &b| word << 8 | u64::from(b)), "{length}");
        }
        let golden = hashes(Arc::new(StringArray::from(vec!["runink"])));
        assert_eq!(golden, vec![hash_bytes(SEED, b"runink")]);
    }

    #[test]
    fn small_integers_spread_over_the_upper_half() {
        let all = hashes(Arc::new((0..4096i64).collect::<Int64Array>()));
        let mut seen = [0u32; 16];
        all.iter().for_each(|h| seen[(h >> 60) as usize] += 1);
        assert!(seen.iter().all(|n| (180..340).contains(n)), "{seen:?}");
    }
}
