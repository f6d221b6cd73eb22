//! Values as text, appended to a buffer without a `String` between.

use super::units_per_second;
use arrow::datatypes::TimeUnit;
use std::io::Write;

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// The last ten thousand years that RFC 3339 can say, in days since 1970.
const RFC3339_DAYS: std::ops::Range<i64> = -719_528..2_932_897;

fn pair(value: u64) -> [u8; 2] {
    let at = (value % 100) as usize * 2;
    [PAIRS[at], PAIRS[at + 1]]
}

/// A whole number, zero or more.
pub(crate) fn write_u64(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    while value >= 100 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&pair(value));
        value /= 100;
    }
    if value >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&pair(value));
    } else {
        at -= 1;
        digits[at] = b'0' + value as u8;
    }
    out.extend_from_slice(&digits[at..]);
}

/// A whole number.
pub(crate) fn write_i64(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    write_u64(value.unsigned_abs(), out);
}

/// A decimal number: `value / 10^scale`, with as many digits after the point as its scale has.
pub(crate) fn write_decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let magnitude = value.unsigned_abs();
    let start = out.len();
    match u64::try_from(magnitude) {
        Ok(short) => write_u64(short, out),
        Err(_) => {
            const CUT: u128 = 10_000_000_000_000_000_000;
            // At most 39 digits: the upper part has at most 20.
            write_u64((magnitude / CUT) as u64, out);
            let lower = (magnitude % CUT) as u64;
            let padding = 19 - lower.checked_ilog10().map_or(1, |log| log as usize + 1);
            out.resize(out.len() + padding, b'0');
            write_u64(lower, out);
        }
    }
    if scale <= 0 {
        if magnitude != 0 {
            out.resize(out.len() + usize::from(scale.unsigned_abs()), b'0');
        }
        return;
    }
    let scale = usize::from(scale.unsigned_abs());
    let digits = out.len() - start;
    if digits <= scale {
        let zeros = scale + 1 - digits;
        out.resize(out.len() + zeros, b'0');
        out[start..].rotate_right(zeros);
    }
    out.insert(out.len() - scale, b'.');
}

/// A finite float: the shortest text that reads back as the same value. Not finite: `NaN`, `inf`, `-inf`.
pub(crate) fn write_f64(value: f64, out: &mut Vec<u8>) {
    if !write_short(value, out) {
        // Writing to a vector cannot fail.
        let _ = write!(out, "{value:?}");
    }
}

/// A float with few digits, as prices and distances have. Where `n / 10^d` rounds to the value, its digits read back as the value; the fewest digits that
/// do so are the shortest text.
fn write_short(value: f64, out: &mut Vec<u8>) -> bool {
    const POWERS: [u32; 5] = [1, 10, 100, 1_000, 10_000];
    /// Below this, `n` is exact for every power.
    const LARGEST: f64 = 1e11;
    const SMALLEST: f64 = 1e-3;
    let size = value.abs();
    if size != 0.0 && !(SMALLEST..LARGEST).contains(&size) {
        return false;
    }
    for power in POWERS {
        let n = (size * f64::from(power) + 0.5) as u64;
        if n as f64 / f64::from(power) == size {
            if value.is_sign_negative() {
                out.push(b'-');
            }
            let (whole, fraction) = (n / u64::from(power), n % u64::from(power));
            write_u64(whole, out);
            out.push(b'.');
            // A digit in front keeps the zeros after the point.
            let digits = power.max(10);
            let at = out.len();
            write_u64(fraction + u64::from(digits), out);
            out.remove(at);
            return true;
        }
    }
    false
}

/// As [`write_f64`], for single precision.
pub(crate) fn write_f32(value: f32, out: &mut Vec<u8>) {
    let _ = write!(out, "{value:?}");
}

/// A date, `YYYY-MM-DD`; `false` (and nothing written) where it is beyond the years 0000 to 9999.
pub(crate) fn write_date(days: i64, out: &mut Vec<u8>) -> bool {
    if !RFC3339_DAYS.contains(&days) {
        return false;
    }
    // The inverse of `days_from_civil`: eras of 400 years that begin in March.
    let day = (days + 719_468 + 146_097) as u64;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2) - 400;
    let ([y1, y2], [y3, y4], [m1, m2], [d1, d2]) = (pair(year / 100), pair(year), pair(month), pair(date));
    out.extend_from_slice(&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]);
    true
}

/// A time of day, `HH:MM:SS` and as many digits as the unit has; `false` where it is no time of a day.
pub(crate) fn write_time(value: i64, unit: TimeUnit, out: &mut Vec<u8>) -> bool {
    let scale = units_per_second(unit);
    if !(0..86_400 * scale).contains(&value) {
        return false;
    }
    let (seconds, fraction) = ((value / scale) as u64, (value % scale) as u64);
    let ([h1, h2], [m1, m2], [s1, s2]) = (pair(seconds / 3600), pair(seconds / 60 % 60), pair(seconds % 60));
    out.extend_from_slice(&[h1, h2, b':', m1, m2, b':', s1, s2]);
    let digits = scale.ilog10() as usize;
    if digits > 0 {
        out.push(b'.');
        let start = out.len();
        out.resize(start + digits, b'0');
        let mut rest = fraction;
        for digit in out[start..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    true
}

/// A moment in UTC, RFC 3339 with as many digits as the unit has; `false` where it is beyond the years 0000 to 9999.
pub(crate) fn write_timestamp(value: i64, unit: TimeUnit, out: &mut Vec<u8>) -> bool {
    let day = 86_400 * units_per_second(unit);
    if !write_date(value.div_euclid(day), out) {
        return false;
    }
    out.push(b'T');
    write_time(value.rem_euclid(day), unit, out);
    out.push(b'Z');
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cell::{Grammar, parse_date, parse_moment, scan_number};
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_have_the_digits_of_their_scale() {
        for (value, scale, expected) in
            [(1234, 2, "12.34"), (-5, 3, "-0.005"), (0, 2, "0.00"), (7, 0, "7"), (12, -2, "1200"), (100, 2, "1.00"), (0, -2, "0")]
        {
            assert_eq!(text(|out| write_decimal(value, scale, out)), expected);
        }
        assert_eq!(text(|out| write_decimal(10i128.pow(37), 1, out)), "1000000000000000000000000000000000000.0");
        assert_eq!(text(|out| write_decimal(i128::MIN, 0, out)), i128::MIN.to_string());
    }

    #[test]
    fn floats_are_short() {
        for (value, expected) in
            [(1.0, "1.0"), (0.1, "0.1"), (-0.0, "-0.0"), (1e300, "1e300"), (1.5e-9, "1.5e-9"), (123456.75, "123456.75")]
        {
            assert_eq!(text(|out| write_f64(value, out)), expected);
        }
        assert_eq!(text(|out| write_f32(0.1, out)), "0.1");
    }

    #[test]
    fn moments_beyond_rfc3339_are_left_to_the_caller() {
        assert_eq!(text(|out| assert!(write_timestamp(0, TimeUnit::Second, out))), "1970-01-01T00:00:00Z");
        assert_eq!(text(|out| assert!(write_timestamp(-1, TimeUnit::Millisecond, out))), "1969-12-31T23:59:59.999Z");
        assert_eq!(text(|out| assert!(!write_timestamp(i64::MAX, TimeUnit::Second, out))), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn whole_numbers_as_std(value: i64, wide: i128) {
            prop_assert_eq!(text(|out| write_i64(value, out)), value.to_string());
            prop_assert_eq!(text(|out| write_decimal(wide, 0, out)), wide.to_string());
        }

        #[test]
        fn floats_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let written = text(|out| write_f64(value, out));
            let number = scan_number(written.as_bytes(), Grammar::Json).unwrap();
            prop_assert_eq!(number.len, written.len());
            prop_assert_eq!(number.to_f64(written.as_bytes()).unwrap().to_bits(), bits);
        }

        #[test]
        fn short_floats_are_those_of_std(n in -1_000_000_000i64..1_000_000_000, digits in 0i32..7) {
            let value = n as f64 / 10f64.powi(digits);
            prop_assert_eq!(text(|out| write_f64(value, out)), format!("{value:?}"));
        }

        #[test]
        fn dates_and_moments_read_back(days in -719_528i64..2_932_897, value in -62_167_219_200_000_000i64..253_402_300_800_000_000) {
            prop_assert_eq!(parse_date(text(|out| { write_date(days, out); }).as_bytes()), i32::try_from(days).ok());
            let written = text(|out| { write_timestamp(value, TimeUnit::Microsecond, out); });
            prop_assert_eq!(parse_moment(written.as_bytes()).unwrap().in_unit(TimeUnit::Microsecond), Some(value));
        }
    }
}
