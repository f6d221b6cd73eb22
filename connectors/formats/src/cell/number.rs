//! Numbers: one scan gives sign, digits and exponent, from which every numeric type is made exactly.

/// How a number may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// As in JSON: no plus sign, no leading zeros, digits on both sides of the point.
    Json,
    /// As in CSV: any of these.
    Plain,
}

/// The most digits of a decimal.
const MAX_DECIMAL_DIGITS: usize = 38;

/// A number as it is written: `(-1)^negative * mantissa * 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) negative: bool,
    /// The digits without point; meaningless where `long`.
    pub(crate) mantissa: u64,
    pub(crate) exponent: i32,
    /// There are more digits than `mantissa` holds.
    pub(crate) long: bool,
    /// How many bytes it takes.
    pub(crate) len: usize,
}

/// Powers of ten that `f64` holds exactly.
const F64_POWERS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];
/// Powers of ten that `f32` holds exactly.
const F32_POWERS: [f32; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
const POWERS_OF_TEN: [i128; MAX_DECIMAL_DIGITS + 1] = {
    let mut powers = [1; MAX_DECIMAL_DIGITS + 1];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};
/// Whole numbers up to here are exact in `f64`.
const F64_EXACT: u64 = 1 << 53;
/// Whole numbers up to here are exact in `f32`.
const F32_EXACT: u64 = 1 << 24;
/// Digits that always fit `u64`.
const MANTISSA_DIGITS: usize = 19;
/// Exponents beyond this are as good as infinite for every type here, and are cut so that sums cannot overflow.
const MAX_EXPONENT: i32 = 1_000_000;

/// Reads the number at the start of some bytes; `None` where there is none.
#[inline(always)]
pub(crate) fn scan_number(bytes: &[u8], grammar: Grammar) -> Option<Number> {
    let mut at = 0;
    let mut negative = false;
    match bytes.first() {
        Some(b'-') => (negative, at) = (true, 1),
        Some(b'+') if grammar == Grammar::Plain => at = 1,
        _ => {}
    }
    let whole_start = at;
    let mut mantissa = 0u64;
    at += digits(&bytes[at..], &mut mantissa);
    let whole_digits = at - whole_start;
    let mut count = whole_digits;
    if grammar == Grammar::Json && (whole_digits == 0 || whole_digits > 1 && bytes[whole_start] == b'0') {
        return None;
    }
    let mut exponent = 0i32;
    if bytes.get(at) == Some(&b'.') {
        let found = digits(&bytes[at + 1..], &mut mantissa);
        if found == 0 && (grammar == Grammar::Json || whole_digits == 0) {
            return None;
        }
        at += 1 + found;
        count += found;
        exponent = -i32::try_from(found).unwrap_or(MAX_EXPONENT);
    }
    if count == 0 {
        return None;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let (value, len) = scan_exponent(&bytes[at + 1..])?;
        exponent = (exponent + value).clamp(-MAX_EXPONENT, MAX_EXPONENT);
        at += 1 + len;
    }
    // Leading zeros may make `long` of a short number, which then only takes the slower way.
    Some(Number { negative, mantissa, exponent, long: count > MANTISSA_DIGITS, len: at })
}

#[cold]
fn scan_exponent(bytes: &[u8]) -> Option<(i32, usize)> {
    let (sign, start) = match bytes.first() {
        Some(b'-') => (-1, 1),
        Some(b'+') => (1, 1),
        _ => (1, 0),
    };
    let mut value = 0i32;
    let mut at = start;
    while let Some(digit) = bytes.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
        value = (value * 10 + i32::from(digit)).min(MAX_EXPONENT / 2);
        at += 1;
    }
    (at > start).then_some((sign * value, at))
}

/// Appends the decimal digits at the start of some bytes to `value` (wrapping where they are too many) and returns how many there are.
#[inline(always)]
fn digits(bytes: &[u8], value: &mut u64) -> usize {
    const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        // Bytes become digit values; a byte that is no digit gets its high bit set in `other`.
        let word = u64::from_le_bytes(*chunk) ^ 0x3030_3030_3030_3030;
        let other = (((word & 0x7f7f_7f7f_7f7f_7f7f) + 0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080;
        let found = (other.trailing_zeros() / 8) as usize;
        if found == 0 {
            return at;
        }
        // Zeros in front make eight digits of fewer; pairs, quadruples and the whole are then summed side by side.
        let eight = word << (64 - 8 * found);
        let pairs = (eight.wrapping_mul(2561) >> 8) & 0x00ff_00ff_00ff_00ff;
        let quads = (pairs.wrapping_mul(6_553_601) >> 16) & 0x0000_ffff_0000_ffff;
        let all = quads.wrapping_mul(42_949_672_960_001) >> 32;
        *value = value.wrapping_mul(POWERS[found]).wrapping_add(all);
        at += found;
        if found < 8 {
            return at;
        }
    }
    while let Some(digit) = bytes.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
        *value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    at
}

impl Number {
    /// As a whole number; `None` where it has a fraction or does not fit. `text` is what it was read from.
    #[inline(always)]
    pub(crate) fn to_i64(self, text: &[u8]) -> Option<i64> {
        if self.exponent == 0 && !self.long {
            return if self.negative { 0i64.checked_sub_unsigned(self.mantissa) } else { i64::try_from(self.mantissa).ok() };
        }
        i64::try_from(self.to_scaled(text, 0)?).ok()
    }

    /// As a whole number, zero or more.
    #[inline]
    pub(crate) fn to_u64(self, text: &[u8]) -> Option<u64> {
        if self.exponent == 0 && !self.long && !self.negative {
            return Some(self.mantissa);
        }
        u64::try_from(self.to_scaled(text, 0)?).ok()
    }

    /// The whole number `value * 10^scale`, where it is one and fits.
    pub(crate) fn to_scaled(self, text: &[u8], scale: i32) -> Option<i128> {
        let magnitude = if self.long { long_mantissa(text)? } else { i128::from(self.mantissa) };
        let shift = self.exponent + scale;
        let value = if magnitude == 0 {
            0
        } else if shift >= 0 {
            magnitude.checked_mul(power_of_ten(shift)?)?
        } else {
            let divisor = power_of_ten(-shift)?;
            let quotient = magnitude / divisor;
            if quotient * divisor != magnitude {
                return None;
            }
            quotient
        };
        Some(if self.negative { -value } else { value })
    }

    /// The nearest `f64`; infinite where it is beyond all of them.
    #[inline(always)]
    pub(crate) fn to_f64(self, text: &[u8]) -> Option<f64> {
        // Exact operands and one rounding: correct (Clinger 1990).
        if !self.long && self.mantissa <= F64_EXACT && self.exponent.unsigned_abs() < F64_POWERS.len() as u32 {
            let power = F64_POWERS[self.exponent.unsigned_abs() as usize];
            let value = if self.exponent < 0 { self.mantissa as f64 / power } else { self.mantissa as f64 * power };
            return Some(if self.negative { -value } else { value });
        }
        std::str::from_utf8(&text[..self.len]).ok()?.parse().ok()
    }

    /// The nearest `f32`; infinite where it is beyond all of them.
    #[inline]
    pub(crate) fn to_f32(self, text: &[u8]) -> Option<f32> {
        if !self.long && self.mantissa <= F32_EXACT && self.exponent.unsigned_abs() < F32_POWERS.len() as u32 {
            let power = F32_POWERS[self.exponent.unsigned_abs() as usize];
            let value = if self.exponent < 0 { self.mantissa as f32 / power } else { self.mantissa as f32 * power };
            return Some(if self.negative { -value } else { value });
        }
        std::str::from_utf8(&text[..self.len]).ok()?.parse().ok()
    }
}

/// All digits before the exponent, where they fit.
fn long_mantissa(text: &[u8]) -> Option<i128> {
    let mut value = 0i128;
    for &byte in text {
        match byte {
            b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?,
            b'+' | b'-' | b'.' => {}
            _ => break,
        }
    }
    Some(value)
}

/// `10^exponent`, where a decimal has so many digits.
#[inline]
fn power_of_ten(exponent: i32) -> Option<i128> {
    POWERS_OF_TEN.get(usize::try_from(exponent).ok()?).copied()
}

/// Whether a decimal has no more digits than its precision.
#[inline]
pub(crate) fn fits_precision(value: i128, precision: u8) -> bool {
    POWERS_OF_TEN.get(usize::from(precision)).is_none_or(|limit| value.unsigned_abs() < limit.unsigned_abs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn json(text: &str) -> Option<Number> {
        scan_number(text.as_bytes(), Grammar::Json)
    }

    #[test]
    fn grammar_of_json_is_strict() {
        for bad in ["", "-", "+1", "01", "-01", ".5", "a", "-a", "1.", "1.e3", "1e", "1e+"] {
            assert_eq!(json(bad), None, "{bad}");
        }
        for (text, len) in [("0", 1), ("-0", 2), ("10,", 2), ("1.50}", 4), ("1E-7 ", 4), ("123456789012345678901234567890", 30)] {
            assert_eq!(json(text).unwrap().len, len, "{text}");
        }
    }

    #[test]
    fn plain_numbers_may_have_plus_zeros_and_bare_points() {
        for (text, value) in [("+1", 1.0), ("007", 7.0), (".5", 0.5), ("5.", 5.0), ("-.25", -0.25)] {
            let number = scan_number(text.as_bytes(), Grammar::Plain).unwrap();
            assert_eq!((number.len, number.to_f64(text.as_bytes())), (text.len(), Some(value)));
        }
        assert_eq!(scan_number(b".", Grammar::Plain), None);
    }

    #[test]
    fn whole_numbers_are_exact_or_nothing() {
        let whole = |text: &str| json(text).unwrap().to_i64(text.as_bytes());
        assert_eq!(whole("9223372036854775807"), Some(i64::MAX));
        assert_eq!(whole("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(whole("9223372036854775808"), None);
        assert_eq!(whole("18446744073709551616"), None);
        assert_eq!(whole("1.0"), Some(1));
        assert_eq!(whole("12e2"), Some(1200));
        assert_eq!(whole("1.5"), None);
        assert_eq!(whole("1e999999999999"), None);
        assert_eq!(whole("0e999999999999"), Some(0));
        assert_eq!(json("18446744073709551615").unwrap().to_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(json("-1").unwrap().to_u64(b"-1"), None);
        assert_eq!(json("-0").unwrap().to_u64(b"-0"), Some(0));
    }

    #[test]
    fn decimals_never_round() {
        let scaled = |text: &str, scale| json(text).unwrap().to_scaled(text.as_bytes(), scale);
        assert_eq!(scaled("12.34", 2), Some(1234));
        assert_eq!(scaled("-12.3", 2), Some(-1230));
        assert_eq!(scaled("12.345", 2), None);
        assert_eq!(scaled("12.3400", 2), Some(1234));
        assert_eq!(scaled("99999999999999999999999999999999999.999", 3), Some(99_999_999_999_999_999_999_999_999_999_999_999_999));
        assert_eq!(scaled("1e38", 2), None);
        assert_eq!(scaled("1200", -2), Some(12));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn whole_numbers_are_those_of_std(value: i64, tail in "[,} ]{0,9}") {
            let text = format!("{value}{tail}");
            let number = json(&text).unwrap();
            prop_assert_eq!(number.len, value.to_string().len());
            prop_assert_eq!(number.to_i64(text.as_bytes()), Some(value));
        }

        #[test]
        fn floats_are_those_of_std(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?") {
            let number = json(&text).unwrap();
            prop_assert_eq!(number.len, text.len());
            prop_assert_eq!(number.to_f64(text.as_bytes()).unwrap().to_bits(), text.parse::<f64>().unwrap().to_bits());
            prop_assert_eq!(number.to_f32(text.as_bytes()).unwrap().to_bits(), text.parse::<f32>().unwrap().to_bits());
        }

        #[test]
        fn any_bytes_are_scanned_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            for grammar in [Grammar::Json, Grammar::Plain] {
                if let Some(number) = scan_number(&bytes, grammar) {
                    prop_assert!(number.len <= bytes.len());
                    let _ = (number.to_i64(&bytes), number.to_scaled(&bytes, 5), number.to_f64(&bytes));
                }
            }
        }
    }
}
