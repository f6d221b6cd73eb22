//! Rows on their way out: dropped where time counts, else counted and hashed without order.

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array},
    compute::cast,
    datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type},
    error::ArrowError,
};

/// Rows and the sum of their hashes, each times its multiplicity: equal for equal results, in whatever order they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answer {
    /// How many rows are there in the end.
    pub rows: i64,
    /// The sum.
    pub hash: u64,
}

/// Of a null.
const NULL: u64 = 0x6A09_E667_F3BC_C908;
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(hash: u64, value: u64) -> u64 {
    let x = (hash.rotate_left(5) ^ value).wrapping_mul(FACTOR);
    x ^ (x >> 32)
}

fn bytes(value: &[u8]) -> u64 {
    let (words, rest) = value.as_chunks::<8>();
    let whole = words.iter().fold(value.len() as u64, |h, w| mix(h, u64::from_le_bytes(*w)));
    rest.iter().fold(whole, |h, &b| mix(h, u64::from(b)))
}

impl Answer {
    /// Adds rows of these columns. Types that only differ in width or unit count as the same.
    ///
    /// # Errors
    /// Where a column's type has no hash here.
    pub fn add(&mut self, columns: &[ArrayRef], diffs: Option<&Int64Array>) -> Result<(), ArrowError> {
        let Some(rows) = columns.first().map(|c| c.len()) else { return Ok(()) };
        let mut hashes = vec![0u64; rows];
        for column in columns {
            let mut each = |value: &dyn Fn(usize) -> u64| {
                for (row, hash) in hashes.iter_mut().enumerate() {
                    *hash = mix(*hash, if column.is_null(row) { NULL } else { value(row) });
                }
            };
            match column.data_type() {
                DataType::Int64 => each(&|row| column.as_primitive::<Int64Type>().value(row) as u64),
                DataType::UInt64 => each(&|row| column.as_primitive::<UInt64Type>().value(row)),
                DataType::Int32 => each(&|row| i64::from(column.as_primitive::<Int32Type>().value(row)) as u64),
                DataType::Date32 => each(&|row| i64::from(column.as_primitive::<Date32Type>().value(row)) as u64),
                DataType::Float64 => each(&|row| column.as_primitive::<Float64Type>().value(row).to_bits()),
                DataType::Decimal128(..) => each(&|row| {
                    let value = column.as_primitive::<Decimal128Type>().value(row);
                    mix(value as u64, (value >> 64) as u64)
                }),
                DataType::Timestamp(TimeUnit::Microsecond, _) => {
                    each(&|row| column.as_primitive::<TimestampMicrosecondType>().value(row) as u64);
                }
                DataType::Utf8 => each(&|row| bytes(column.as_string::<i32>().value(row).as_bytes())),
                _ => {
                    let text = cast(column, &DataType::Utf8)?;
                    each(&|row| bytes(text.as_string::<i32>().value(row).as_bytes()));
                }
            }
        }
        for (row, hash) in hashes.into_iter().enumerate() {
            let times = diffs.map_or(1, |d| d.value(row));
            self.rows += times;
            self.hash = self.hash.wrapping_add(mix(hash, FACTOR).wrapping_mul(times as u64));
        }
        Ok(())
    }

    /// Adds what another worker has.
    pub fn join(&mut self, other: Answer) {
        self.rows += other.rows;
        self.hash = self.hash.wrapping_add(other.hash);
    }
}
