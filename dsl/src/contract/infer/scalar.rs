//! What a text could be besides a text: a boolean, a number, a date, a point in time.

/// What one text can be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Boolean,
    Int(i128),
    Float,
    Date,
    Timestamp { fraction_digits: u8 },
    Text,
}

/// Reads a cell of a text file.
pub(super) fn of_text(text: &str) -> Scalar {
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return Scalar::Boolean;
    }
    number(text).unwrap_or_else(|| time_of_text(text))
}

/// A number in its usual form. `007` and `+5` stay texts: they are codes more often than numbers, and would not survive the way back.
fn number(text: &str) -> Option<Scalar> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let first = digits.bytes().next()?;
    let padded = digits.len() > 1 && first == b'0' && digits.as_bytes()[1].is_ascii_digit();
    if !first.is_ascii_digit() || padded {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(Scalar::Int);
    }
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    (plain && text.parse::<f64>().is_ok_and(f64::is_finite)).then_some(Scalar::Float)
}

/// Reads a date (`2026-01-31`) or a point in time (`2026-01-31T12:00:00Z`, a blank for the `T`, seconds and zone optional).
pub(super) fn time_of_text(text: &str) -> Scalar {
    let bytes = text.as_bytes();
    let Some((date, rest)) = bytes.split_at_checked(10) else {
        return Scalar::Text;
    };
    if !is_date(date) {
        return Scalar::Text;
    }
    match rest.split_first() {
        None => Scalar::Date,
        Some((b'T' | b't' | b' ', time)) => match fraction_digits(time) {
            Some(fraction_digits) => Scalar::Timestamp { fraction_digits },
            None => Scalar::Text,
        },
        Some(_) => Scalar::Text,
    }
}

/// Two digits with a bound.
fn pair(bytes: &[u8], most: u8) -> bool {
    matches!(bytes, [a, b] if a.is_ascii_digit() && b.is_ascii_digit() && (a - b'0') * 10 + (b - b'0') <= most)
}

fn is_date(date: &[u8]) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else {
        return false;
    };
    if ![y1, y2, y3, y4, m1, m2, d1, d2].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let value = |digits: &[u8]| digits.iter().fold(0_u32, |n, d| n * 10 + u32::from(d - b'0'));
    let (year, month, day) = (value(&[y1, y2, y3, y4]), value(&[m1, m2]), value(&[d1, d2]));
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Checks `HH:MM[:SS[.f]]` with an optional zone, and counts the fraction's digits.
fn fraction_digits(time: &[u8]) -> Option<u8> {
    let (clock, zone) = match time.iter().position(|b| matches!(b, b'Z' | b'z' | b'+' | b'-')) {
        Some(at) => time.split_at(at),
        None => (time, &[][..]),
    };
    if !is_zone(zone) {
        return None;
    }
    let (hour, rest) = clock.split_at_checked(2)?;
    let (minute, rest) = rest.strip_prefix(b":")?.split_at_checked(2)?;
    if !pair(hour, 23) || !pair(minute, 59) {
        return None;
    }
    let Some(rest) = rest.strip_prefix(b":") else {
        return rest.is_empty().then_some(0);
    };
    let (second, rest) = rest.split_at_checked(2)?;
    if !pair(second, 59) {
        return None;
    }
    match rest.strip_prefix(b".") {
        None => rest.is_empty().then_some(0),
        Some(fraction) if (1..=9).contains(&fraction.len()) && fraction.iter().all(u8::is_ascii_digit) => u8::try_from(fraction.len()).ok(),
        Some(_) => None,
    }
}

fn is_zone(zone: &[u8]) -> bool {
    match zone {
        [] | [b'Z' | b'z'] => true,
        [_, h1, h2] => pair(&[*h1, *h2], 14),
        [_, h1, h2, m1, m2] | [_, h1, h2, b':', m1, m2] => pair(&[*h1, *h2], 14) && pair(&[*m1, *m2], 59),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_they_can_be_read_as() {
        for (text, expected) in [
            ("true", Scalar::Boolean),
            ("FALSE", Scalar::Boolean),
            ("yes", Scalar::Text),
            ("0", Scalar::Int(0)),
            ("-12", Scalar::Int(-12)),
            ("007", Scalar::Text),
            ("+5", Scalar::Text),
            ("1.50", Scalar::Float),
            ("1e3", Scalar::Float),
            ("1e999", Scalar::Text),
            ("-", Scalar::Text),
            ("", Scalar::Text),
            ("nan", Scalar::Text),
            ("1-2", Scalar::Text),
            ("2026-02-28", Scalar::Date),
            ("2026-02-29", Scalar::Text),
            ("2024-02-29", Scalar::Date),
            ("2026-13-01", Scalar::Text),
            ("2026-01-01T00:00:00Z", Scalar::Timestamp { fraction_digits: 0 }),
            ("2026-01-01 00:00", Scalar::Timestamp { fraction_digits: 0 }),
            ("2026-01-01 23:59:59.123456+02:00", Scalar::Timestamp { fraction_digits: 6 }),
            ("2026-01-01T24:00:00Z", Scalar::Text),
            ("2026-01-01T00:00:00.Z", Scalar::Text),
            ("2026-01-01Tea time", Scalar::Text),
            ("ééééééé", Scalar::Text),
        ] {
            assert_eq!(of_text(text), expected, "{text}");
        }
    }

    #[test]
    fn a_json_text_is_never_a_number() {
        assert_eq!(time_of_text("12"), Scalar::Text);
        assert_eq!(time_of_text("2026-01-01"), Scalar::Date);
    }
}
