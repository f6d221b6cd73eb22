//! Random schemas and rows, from a seed.

use crate::support::{field, json_field, schema};
use arrow::{
    array::*,
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
    record_batch::RecordBatch,
};
use std::sync::Arc;

/// A reproducible source of numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A number that is small as often as it is of any size.
    fn int(&mut self) -> i64 {
        let shift = self.below(64);
        self.next() as i64 >> shift
    }

    pub(crate) fn text(&mut self) -> String {
        const PIECES: [&str; 24] = [
            "a",
            "B",
            "7",
            " ",
            ",",
            "\"",
            "\"\"",
            "\n",
            "\r",
            "\r\n",
            "\\",
            "\\n",
            "\t",
            "é",
            "€",
            "😀",
            "\u{1}",
            "null",
            "NULL",
            "'",
            ";",
            "|",
            "plain text",
            "\u{feff}",
        ];
        let pieces = if self.one_in(4) { 0 } else { self.below(12) };
        (0..pieces).map(|_| PIECES[self.below(PIECES.len())]).collect()
    }

    pub(crate) fn json(&mut self, depth: usize) -> String {
        let kinds = if depth == 0 { 5 } else { 7 };
        match self.below(kinds) {
            0 => "null".into(),
            1 => if self.one_in(2) { "true" } else { "false" }.into(),
            2 => self.int().to_string(),
            3 => serde_json::to_string(&f64::from(self.int() as i32)).unwrap(),
            4 => serde_json::to_string(&self.text()).unwrap(),
            5 => format!("[{}]", (0..self.below(4)).map(|_| self.json(depth - 1)).collect::<Vec<_>>().join(", ")),
            _ => {
                let mut member = |_| format!("{}:{}", serde_json::to_string(&self.text()).unwrap(), self.json(depth - 1));
                format!("{{{}}}", (0..3).map(&mut member).collect::<Vec<_>>().join(","))
            }
        }
    }

    pub(crate) fn field(&mut self, name: &str, depth: usize) -> Field {
        let unit = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond][self.below(4)];
        let kinds = if depth == 0 { 20 } else { 22 };
        let data_type = match self.below(kinds) {
            0 => DataType::Boolean,
            1 => DataType::Int8,
            2 => DataType::Int16,
            3 => DataType::Int32,
            4 => DataType::Int64,
            5 => DataType::UInt8,
            6 => DataType::UInt16,
            7 => DataType::UInt32,
            8 => DataType::UInt64,
            9 => DataType::Float32,
            10 => DataType::Float64,
            11 => {
                let precision = 1 + self.below(38) as u8;
                DataType::Decimal128(precision, self.below(precision as usize + 1) as i8)
            }
            12 | 13 => DataType::Utf8,
            14 => DataType::Binary,
            15 => DataType::Date32,
            16 if matches!(unit, TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(unit),
            16 => DataType::Time64(unit),
            17 | 18 => DataType::Timestamp(unit, None),
            19 => return json_field(name),
            20 => DataType::List(Arc::new(self.field("item", depth - 1))),
            _ => DataType::Struct((0..1 + self.below(3)).map(|i| self.field(&format!("m{i}"), depth - 1)).collect()),
        };
        let nullable = !self.one_in(4);
        field(name, data_type).with_nullable(nullable)
    }

    pub(crate) fn batch(&mut self, rows: usize) -> RecordBatch {
        let columns = 1 + self.below(6);
        let fields: Vec<Field> = (0..columns)
            .map(|i| {
                let name = ["id", "a b", "\"q\"", "né", "x,y", "z"][i];
                self.field(name, 2)
            })
            .collect();
        let arrays = fields.iter().map(|f| self.array(f, rows)).collect();
        RecordBatch::try_new(schema(fields), arrays).unwrap()
    }

    fn array(&mut self, field: &Field, rows: usize) -> ArrayRef {
        let nulls: Option<NullBuffer> = field.is_nullable().then(|| (0..rows).map(|_| !self.one_in(4)).collect::<Vec<_>>().into());
        let nulls = nulls.filter(|n| n.null_count() > 0);
        macro_rules! values {
            ($type:ty, $value:expr) => {
                Arc::new(PrimitiveArray::<$type>::new((0..rows).map(|_| $value).collect(), nulls))
            };
        }
        match field.data_type() {
            DataType::Boolean => Arc::new(BooleanArray::new((0..rows).map(|_| self.one_in(2)).collect(), nulls)),
            DataType::Int8 => values!(Int8Type, self.int() as i8),
            DataType::Int16 => values!(Int16Type, self.int() as i16),
            DataType::Int32 => values!(Int32Type, self.int() as i32),
            DataType::Int64 => values!(Int64Type, self.int()),
            DataType::UInt8 => values!(UInt8Type, self.int() as u8),
            DataType::UInt16 => values!(UInt16Type, self.int() as u16),
            DataType::UInt32 => values!(UInt32Type, self.int() as u32),
            DataType::UInt64 => values!(UInt64Type, self.int() as u64),
            DataType::Float32 => values!(Float32Type, self.float(f32::from_bits, |x| x.is_nan(), f32::NAN)),
            DataType::Float64 => values!(Float64Type, self.float(|b: u64| f64::from_bits(b), |x| x.is_nan(), f64::NAN)),
            DataType::Decimal128(precision, scale) => {
                let limit = 10i128.pow((*precision).into());
                let values: PrimitiveArray<Decimal128Type> =
                    PrimitiveArray::new((0..rows).map(|_| (i128::from(self.int()) * i128::from(self.int())) % limit).collect(), nulls);
                Arc::new(values.with_precision_and_scale(*precision, *scale).unwrap())
            }
            DataType::Date32 => values!(Date32Type, self.int() as i32),
            DataType::Time32(TimeUnit::Second) => values!(Time32SecondType, self.below(86_400) as i32),
            DataType::Time32(_) => values!(Time32MillisecondType, self.below(86_400_000) as i32),
            DataType::Time64(TimeUnit::Microsecond) => values!(Time64MicrosecondType, self.below(86_400_000_000) as i64),
            DataType::Time64(_) => values!(Time64NanosecondType, self.below(86_400_000_000_000) as i64),
            DataType::Timestamp(TimeUnit::Second, _) => values!(TimestampSecondType, self.int()),
            DataType::Timestamp(TimeUnit::Millisecond, _) => values!(TimestampMillisecondType, self.int()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => values!(TimestampMicrosecondType, self.int()),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => values!(TimestampNanosecondType, self.int()),
            DataType::Utf8 if !field.metadata().is_empty() => {
                // The text `null` would come back as a null, which it is.
                let mut value = || Some(self.json(2)).filter(|j| j != "null").unwrap_or("1".into());
                let texts: Vec<String> = (0..rows).map(|_| value()).collect();
                let valid = |row: usize| nulls.as_ref().is_none_or(|n| n.is_valid(row));
                Arc::new(texts.iter().enumerate().map(|(i, t)| valid(i).then_some(t)).collect::<StringArray>())
            }
            DataType::Utf8 => {
                let valid = |row: usize| nulls.as_ref().is_none_or(|n| n.is_valid(row));
                Arc::new((0..rows).map(|i| Some(self.text()).filter(|_| valid(i))).collect::<StringArray>())
            }
            DataType::Binary => {
                let valid = |row: usize| nulls.as_ref().is_none_or(|n| n.is_valid(row));
                Arc::new((0..rows).map(|i| Some(self.text().into_bytes()).filter(|_| valid(i))).collect::<BinaryArray>())
            }
            DataType::List(item) => {
                let lengths: Vec<usize> = (0..rows).map(|_| self.below(4)).collect();
                let values = self.array(item, lengths.iter().sum());
                Arc::new(ListArray::new(item.clone(), OffsetBuffer::from_lengths(lengths), values, nulls))
            }
            DataType::Struct(fields) => {
                let columns = fields.iter().map(|f| self.array(f, rows)).collect();
                Arc::new(StructArray::new(fields.clone(), columns, nulls))
            }
            other => unreachable!("{other}"),
        }
    }

    fn float<B: TryFrom<u64>, F: From<f32>>(&mut self, from_bits: impl Fn(B) -> F, is_nan: impl Fn(&F) -> bool, nan: F) -> F {
        let value = match self.below(4) {
            0 => F::from(self.int() as i16 as f32 / 8.0),
            1 => [F::from(f32::INFINITY), F::from(-0.0), F::from(f32::NAN)].into_iter().nth(self.below(3)).unwrap(),
            _ => from_bits(B::try_from(self.next() >> (64 - 8 * size_of::<B>())).unwrap_or_else(|_| unreachable!())),
        };
        if is_nan(&value) { nan } else { value }
    }
}
