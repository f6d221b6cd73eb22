//! Ranges of whole numbers and floats: what the type allows, what the rules leave of it, and what is likely where they leave it open.

use crate::{
    check::{Check, CheckKind, Comparison},
    value::Value,
};
use arrow::datatypes::{DataType, TimeUnit};
use rand::{RngExt, rngs::StdRng};

/// A range with both its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) low: i128,
    pub(crate) high: i128,
}

impl Range {
    pub(crate) fn pick(self, random: &mut StdRng) -> i128 {
        random.random_range(self.low..=self.high.max(self.low))
    }

    fn within(self, other: Range) -> Range {
        Range { low: self.low.clamp(other.low, other.high), high: self.high.clamp(other.low, other.high) }
    }
}

/// All values of a type that is whole in its unit; `None` for others.
pub(crate) fn of_type(data_type: &DataType) -> Option<Range> {
    let signed = |bits: u32| Range { low: -(1 << (bits - 1)), high: (1 << (bits - 1)) - 1 };
    let unsigned = |bits: u32| Range { low: 0, high: (1 << bits) - 1 };
    Some(match data_type {
        DataType::Int8 => signed(8),
        DataType::Int16 => signed(16),
        DataType::Int32 => signed(32),
        DataType::Int64 => signed(64),
        DataType::UInt8 => unsigned(8),
        DataType::UInt16 => unsigned(16),
        DataType::UInt32 => unsigned(32),
        DataType::UInt64 => unsigned(64),
        DataType::Decimal128(precision, _) => {
            let most = 10i128.checked_pow(u32::from(*precision)).map_or(i128::MAX, |p| p - 1);
            Range { low: -most, high: most }
        }
        // From 1900 to 2200: what every format can write.
        DataType::Date32 => Range { low: -25_567, high: 84_006 },
        DataType::Time32(unit) | DataType::Time64(unit) => Range { low: 0, high: 86_400 * i128::from(per_second(*unit)) - 1 },
        DataType::Timestamp(unit, _) => {
            let second = i128::from(per_second(*unit));
            Range { low: -25_567 * 86_400 * second, high: 84_006 * 86_400 * second }
        }
        _ => return None,
    })
}

/// How many units a second has.
pub(crate) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// How wide a range is that nothing closes.
fn usual_width(data_type: &DataType) -> i128 {
    match data_type {
        DataType::Decimal128(_, scale) => 10i128.checked_pow(u32::try_from(*scale).unwrap_or(0)).unwrap_or(1).saturating_mul(1_000),
        DataType::Date32 => 3_650,
        DataType::Time32(unit) | DataType::Time64(unit) => 86_400 * i128::from(per_second(*unit)) - 1,
        DataType::Timestamp(unit, _) => 30 * 86_400 * i128::from(per_second(*unit)),
        _ => 1_000,
    }
}

/// What is likely where neither end is said.
fn usual(name: &str, data_type: &DataType, start_us: i64) -> Range {
    let has = |words: &[&str]| words.iter().any(|w| name == *w || name.ends_with(&format!("_{w}")));
    let width = usual_width(data_type);
    match data_type {
        DataType::Date32 => {
            let day = i128::from(start_us.div_euclid(86_400_000_000));
            Range { low: day - width, high: day }
        }
        DataType::Timestamp(unit, _) => {
            let start = i128::from(start_us) * i128::from(per_second(*unit)) / 1_000_000;
            Range { low: start - width, high: start }
        }
        t if t.is_integer() && has(&["age"]) => Range { low: 18, high: 90 },
        t if t.is_integer() && has(&["year"]) => Range { low: 1990, high: 2026 },
        t if t.is_integer() && has(&["quantity", "qty", "count"]) => Range { low: 1, high: 20 },
        t if t.is_integer() && has(&["id", "number", "no"]) => Range { low: 1, high: 1_000_000 },
        t if t.is_integer() && has(&["percent", "percentage"]) => Range { low: 0, high: 100 },
        _ => Range { low: 0, high: width },
    }
}

/// The range from which values of a field are taken. The rules still have the last word on each.
pub(crate) fn likely(name: &str, data_type: &DataType, checks: &[Check], start_us: i64) -> Option<Range> {
    let all = of_type(data_type)?;
    let (mut low, mut high) = (None, None);
    let raise = |low: &mut Option<i128>, to: i128| *low = Some(low.map_or(to, |l: i128| l.max(to)));
    let lower = |high: &mut Option<i128>, to: i128| *high = Some(high.map_or(to, |h: i128| h.min(to)));
    for check in checks {
        match &check.kind {
            CheckKind::Compare(op, Value::Whole(bound)) => match op {
                Comparison::Less => lower(&mut high, bound - 1),
                Comparison::LessOrEqual => lower(&mut high, *bound),
                Comparison::Greater => raise(&mut low, bound + 1),
                Comparison::GreaterOrEqual => raise(&mut low, *bound),
                Comparison::Equal => {
                    raise(&mut low, *bound);
                    lower(&mut high, *bound);
                }
                Comparison::NotEqual => {}
            },
            CheckKind::Between(Value::Whole(from), Value::Whole(to)) => {
                raise(&mut low, *from);
                lower(&mut high, *to);
            }
            _ => {}
        }
    }
    let width = usual_width(data_type);
    let range = match (low, high) {
        (None, None) => usual(name, data_type, start_us),
        (Some(low), None) => Range { low, high: low.saturating_add(width) },
        (None, Some(high)) => Range { low: if high > 0 { high.saturating_sub(width).max(0) } else { high.saturating_sub(width) }, high },
        (Some(low), Some(high)) => Range { low, high },
    };
    Some(range.within(all))
}

/// The range from which floats of a field are taken.
pub(crate) fn likely_float(name: &str, checks: &[Check]) -> (f64, f64) {
    let (mut low, mut high) = (None::<f64>, None::<f64>);
    let mut bound = |op: Comparison, bits: u64| {
        let bound = f64::from_bits(bits);
        if matches!(op, Comparison::Greater | Comparison::GreaterOrEqual | Comparison::Equal) {
            low = Some(low.map_or(bound, |l| l.max(bound)));
        }
        if matches!(op, Comparison::Less | Comparison::LessOrEqual | Comparison::Equal) {
            high = Some(high.map_or(bound, |h| h.min(bound)));
        }
    };
    for check in checks {
        match &check.kind {
            CheckKind::Compare(op, Value::Float(bits)) => bound(*op, *bits),
            CheckKind::Between(Value::Float(from), Value::Float(to)) => {
                bound(Comparison::GreaterOrEqual, *from);
                bound(Comparison::LessOrEqual, *to);
            }
            _ => {}
        }
    }
    match (low, high) {
        (Some(low), Some(high)) => (low, high.max(low)),
        (Some(low), None) => (low, low + 1_000.0),
        (None, Some(high)) if high > 0.0 => ((high - 1_000.0).max(0.0), high),
        (None, Some(high)) => (high - 1_000.0, high),
        (None, None) => match name {
            n if n.contains("latitude") || n == "lat" => (-90.0, 90.0),
            n if n.contains("longitude") || n == "lon" || n == "lng" => (-180.0, 180.0),
            n if n.contains("share") || n.contains("ratio") || n.contains("probability") => (0.0, 1.0),
            n if n.contains("percent") => (0.0, 100.0),
            n if n.contains("temperature") => (-20.0, 40.0),
            _ => (0.0, 1_000.0),
        },
    }
}
