//! Dates and times: RFC 3339 and its usual relatives.
//!
//! A moment is `YYYY-MM-DD`, then optionally `T` or a space and `HH:MM[:SS[.f…]]`, then optionally `Z`, `±HH:MM`, `±HHMM` or `±HH`. Without an offset it is
//! UTC. Digits finer than the unit wanted are cut off towards the past. Leap seconds are not accepted: Arrow has no form for them.

use arrow::datatypes::TimeUnit;

/// A point in time: whole seconds since 1970, and nanoseconds after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    seconds: i64,
    nanos: u32,
}

const SECONDS_A_DAY: i64 = 86_400;
/// Nanoseconds have nine digits.
const NANO_DIGITS: usize = 9;

/// How many of a unit make a second.
pub(crate) fn units_per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

impl Moment {
    /// Whole seconds since 1970, and nanoseconds after them; `None` where these make a second or more.
    pub(crate) fn new(seconds: i64, nanos: i32) -> Option<Self> {
        u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000).map(|nanos| Moment { seconds, nanos })
    }

    /// In a unit since 1970; `None` where that does not fit.
    #[inline(always)]
    pub(crate) fn in_unit(self, unit: TimeUnit) -> Option<i64> {
        let scale = units_per_second(unit);
        let fraction = i64::from(self.nanos) / (1_000_000_000 / scale);
        self.seconds.checked_mul(scale)?.checked_add(fraction)
    }
}

/// Two digits as a number; above 99 where they are none.
#[inline(always)]
fn two(tens: u8, ones: u8) -> u32 {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens > 9 || ones > 9 { u32::MAX } else { u32::from(tens) * 10 + u32::from(ones) }
}

/// Days since 1970 of `YYYY-MM-DD`.
#[inline(always)]
fn days([y1, y2, y3, y4, dash1, m1, m2, dash2, d1, d2]: [u8; 10]) -> Option<i32> {
    let (century, year, month, day) = (two(y1, y2), two(y3, y4), two(m1, m2), two(d1, d2));
    if century > 99 || year > 99 || dash1 != b'-' || dash2 != b'-' {
        return None;
    }
    days_from_civil(century * 100 + year, month, day)
}

/// Days since 1970 of a date of the Gregorian calendar; `None` where there is no such day.
fn days_from_civil(year: u32, month: u32, day: u32) -> Option<i32> {
    const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = *LENGTHS.get((month as usize).wrapping_sub(1))?;
    if day == 0 || day > length || (month == 2 && day == 29 && !leap) {
        return None;
    }
    // Years begin in March here, so that the leap day is a year's last. Shifted by 400 years, which are a whole cycle, to stay positive.
    let year = year + 400 - u32::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    const DAYS_TO_1970: i32 = 719_468 + 146_097;
    i32::try_from(days).ok().map(|days| days - DAYS_TO_1970)
}

/// A date as days since 1970. A moment at midnight UTC is a date too.
pub(crate) fn parse_date(text: &[u8]) -> Option<i32> {
    if let Ok(date) = <[u8; 10]>::try_from(text) {
        return days(date);
    }
    let moment = parse_moment(text)?;
    if moment.nanos != 0 || moment.seconds % SECONDS_A_DAY != 0 {
        return None;
    }
    i32::try_from(moment.seconds / SECONDS_A_DAY).ok()
}

/// A time of day, in a unit since midnight.
pub(crate) fn parse_time(text: &[u8], unit: TimeUnit) -> Option<i64> {
    let (seconds, nanos, rest) = clock(text)?;
    if !rest.is_empty() {
        return None;
    }
    Moment { seconds, nanos }.in_unit(unit)
}

/// A moment.
#[inline(always)]
pub(crate) fn parse_moment(text: &[u8]) -> Option<Moment> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    let midnight = i64::from(days(*date)?) * SECONDS_A_DAY;
    let Some((separator, rest)) = rest.split_first() else {
        return Some(Moment { seconds: midnight, nanos: 0 });
    };
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let (seconds, nanos, zone) = clock(rest)?;
    Some(Moment { seconds: midnight + seconds - offset(zone)?, nanos })
}

/// Seconds and nanoseconds of `HH:MM[:SS[.f…]]`, and what follows it.
#[inline(always)]
fn clock(text: &[u8]) -> Option<(i64, u32, &[u8])> {
    let (&[h1, h2, colon, m1, m2], mut rest) = text.split_first_chunk::<5>()?;
    let (hour, minute, mut second, mut nanos) = (two(h1, h2), two(m1, m2), 0, 0);
    if let Some((&[b':', s1, s2], after)) = rest.split_first_chunk::<3>() {
        second = two(s1, s2);
        rest = after;
        if let Some((b'.' | b',', fraction)) = rest.split_first() {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            let (fraction, after) = fraction.split_at(digits);
            for digit in &fraction[..digits.min(NANO_DIGITS)] {
                nanos = nanos * 10 + u32::from(digit - b'0');
            }
            nanos *= 10u32.pow(NANO_DIGITS.saturating_sub(digits) as u32);
            rest = after;
        }
    }
    if hour > 23 || minute > 59 || second > 59 || colon != b':' {
        return None;
    }
    Some((i64::from(hour * 3600 + minute * 60 + second), nanos, rest))
}

/// Seconds east of UTC.
#[inline(always)]
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *zone {
        [] | [b'Z' | b'z'] => return Some(0),
        [sign, h1, h2, b':', m1, m2] | [sign, h1, h2, m1, m2] => (sign, two(h1, h2), two(m1, m2)),
        [sign, h1, h2] => (sign, two(h1, h2), 0),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = i64::from(hours * 3600 + minutes * 60);
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn micros(text: &str) -> Option<i64> {
        parse_moment(text.as_bytes())?.in_unit(TimeUnit::Microsecond)
    }

    #[test]
    fn every_form_of_one_moment() {
        let expected = Some(1_767_225_600_000_000 + 3_661_500_000);
        for text in [
            "2026-01-01T01:01:01.5Z",
            "2026-01-01T01:01:01.500000",
            "2026-01-01 01:01:01.500z",
            "2026-01-01t03:01:01.5+02:00",
            "2025-12-31T23:31:01.5-01:30",
            "2025-12-31T23:31:01.5-0130",
            "2026-01-01T02:01:01,5+01",
            "2026-01-01T01:01:01.5000009Z",
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
        assert_eq!(micros("2026-01-01"), Some(1_767_225_600_000_000));
        assert_eq!(micros("2026-01-01T00:01Z"), Some(1_767_225_660_000_000));
    }

    #[test]
    fn what_is_no_moment() {
        for text in [
            "",
            "2026",
            "2026-13-01",
            "2026-00-10",
            "2026-02-29",
            "2026-01-00",
            "2026-01-32",
            "2026-04-31",
            "2026/01/01",
            "2026-01-01X00:00:00",
            "2026-01-01T24:00:00",
            "2026-01-01T00:60:00",
            "2026-01-01T00:00:60",
            "2026-01-01T00:00:00.",
            "2026-01-01T00:00:00.5X",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+1",
            "2026-01-01T00-00",
            "2026-01-01T0:00:00",
            "２026-01-01",
        ] {
            assert_eq!(parse_moment(text.as_bytes()), None, "{text}");
        }
        assert!(parse_moment(b"9999-12-31T23:59:59Z").unwrap().in_unit(TimeUnit::Nanosecond).is_none());
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let mut expected = -719_528; // 0000-01-01
        for year in 0..=9999u32 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(days) = days_from_civil(year, month, day) {
                        assert_eq!(days, expected, "{year}-{month}-{day}");
                        expected += 1;
                    }
                }
            }
        }
        assert_eq!(expected, 2_932_897);
        assert_eq!(parse_date(b"1970-01-01"), Some(0));
        assert_eq!(parse_date(b"1969-12-31T00:00:00Z"), Some(-1));
        assert_eq!(parse_date(b"1969-12-31T00:00:01Z"), None);
    }

    #[test]
    fn times_of_day() {
        assert_eq!(parse_time(b"23:59:59.999999999", TimeUnit::Nanosecond), Some(86_399_999_999_999));
        assert_eq!(parse_time(b"23:59:59.999999999", TimeUnit::Second), Some(86_399));
        assert_eq!(parse_time(b"08:30", TimeUnit::Millisecond), Some(30_600_000));
        assert_eq!(parse_time(b"08:30Z", TimeUnit::Millisecond), None);
    }
}
