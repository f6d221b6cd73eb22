//! Durations and sizes as the language writes them: `250ms`, `1h30m`, `64MiB`.

use crate::{ast::DurationUs, suggest};

/// Units of durations with their length in microseconds, longest first.
const DURATION_UNITS: [(&str, i64); 7] =
    [("w", 604_800_000_000), ("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// Units of sizes in bytes.
const BYTE_UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Words that people write in place of a unit.
const UNIT_WORDS: [(&str, &str); 24] = [
    ("microsecond", "us"),
    ("microseconds", "us"),
    ("millis", "ms"),
    ("millisecond", "ms"),
    ("milliseconds", "ms"),
    ("msec", "ms"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hr", "h"),
    ("hrs", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("week", "w"),
    ("weeks", "w"),
    ("H", "h"),
    ("D", "d"),
];

/// Why a text is not a duration or a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not digits followed by a unit.
    #[error("`{0}` has no unit")]
    NoUnit(String),
    /// A unit that does not exist.
    #[error("`{unit}` is not a unit of time")]
    UnknownUnit {
        /// The digits before it.
        number: String,
        /// What was written.
        unit: String,
        /// What was probably meant.
        meant: Option<&'static str>,
    },
    /// A fraction.
    #[error("`{0}` is not a whole number")]
    Fraction(String),
    /// The same unit twice, or a larger one after a smaller one.
    #[error("units go from large to small, each at most once")]
    Order,
    /// Longer than the engine can count.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

impl UnitError {
    /// What to write instead.
    pub fn hint(&self) -> String {
        match self {
            UnitError::NoUnit(number) => format!("write the unit, for example `{number}s`; there are `ms`, `s`, `m`, `h`, `d`"),
            UnitError::UnknownUnit { number, meant: Some(unit), .. } => format!("write `{number}{unit}`"),
            UnitError::UnknownUnit { meant: None, .. } => "the units are `us`, `ms`, `s`, `m`, `h`, `d` and `w`".into(),
            UnitError::Fraction(_) => "use a smaller unit, for example `1500ms` or `1m30s`".into(),
            UnitError::Order => "for example `1h30m`".into(),
            UnitError::TooLarge(_) => "the longest duration is about 292000 years".into(),
        }
    }
}

/// Reads a duration without sign.
pub fn duration(text: &str) -> Result<DurationUs, UnitError> {
    let mut total: i64 = 0;
    let mut smallest = i64::MAX;
    let mut rest = text;
    if rest.is_empty() {
        return Err(UnitError::NoUnit(String::new()));
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        if after.starts_with('.') {
            return Err(UnitError::Fraction(text.into()));
        }
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if unit.is_empty() || number.is_empty() {
            return Err(UnitError::NoUnit(text.into()));
        }
        let Some((_, size)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
            let meant = UNIT_WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(unit)).map(|(_, unit)| *unit);
            return Err(UnitError::UnknownUnit { number: number.into(), unit: unit.into(), meant });
        };
        if *size >= smallest {
            return Err(UnitError::Order);
        }
        smallest = *size;
        total = number
            .parse::<i64>()
            .ok()
            .and_then(|n| n.checked_mul(*size))
            .and_then(|n| total.checked_add(n))
            .ok_or_else(|| UnitError::TooLarge(text.into()))?;
        rest = after;
    }
    Ok(DurationUs(total))
}

/// The unit that somebody meant by a word like `minutes`.
pub fn unit_of_word(word: &str) -> Option<&'static str> {
    UNIT_WORDS.iter().find(|(w, _)| w.eq_ignore_ascii_case(word)).map(|(_, unit)| *unit)
}

/// Reads a size: `None` where the text does not end in a unit of bytes.
pub fn bytes(text: &str) -> Option<Result<u64, UnitError>> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_')?;
    let (number, unit) = text.split_at(digits);
    let (_, size) = BYTE_UNITS.iter().find(|(name, _)| *name == unit)?;
    let value = number.replace('_', "").parse::<u64>().ok().and_then(|n| n.checked_mul(*size));
    Some(value.ok_or_else(|| UnitError::TooLarge(text.into())))
}

/// The unit of bytes that is closest to how a number ends (`64mb`).
pub fn closest_byte_unit(text: &str) -> Option<&'static str> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_' || c == '.');
    let names = BYTE_UNITS.map(|(name, _)| name);
    (unit.len() > 1).then(|| names.into_iter().find(|n| n.eq_ignore_ascii_case(unit)).or_else(|| suggest::closest(unit, names)))?
}

/// A duration as the language writes it: the largest units first, `0s` for nothing.
pub fn show_duration(DurationUs(us): DurationUs) -> String {
    let mut text = String::new();
    if us < 0 {
        text.push('-');
    }
    let mut rest = us.unsigned_abs();
    // Weeks are read but not written: people compare days.
    for (unit, size) in &DURATION_UNITS[1..] {
        let size = size.unsigned_abs();
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if us == 0 { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, us) in [("250ms", 250_000), ("5s", 5_000_000), ("1h30m", 5_400_000_000), ("1d", 86_400_000_000), ("0s", 0)] {
            assert_eq!(duration(text), Ok(DurationUs(us)), "{text}");
            assert_eq!(show_duration(DurationUs(us)), text);
        }
        assert_eq!(show_duration(DurationUs(-5_000_000)), "-5s");
    }

    #[test]
    fn wrong_durations_say_why() {
        assert_eq!(duration("5"), Err(UnitError::NoUnit("5".into())));
        assert_eq!(duration("5min").unwrap_err().hint(), "write `5m`");
        assert_eq!(duration("1.5s"), Err(UnitError::Fraction("1.5s".into())));
        assert_eq!(duration("5s1h"), Err(UnitError::Order));
        assert!(matches!(duration("99999999999999999999d"), Err(UnitError::TooLarge(_))));
        assert!(matches!(duration("5é"), Err(UnitError::UnknownUnit { .. })));
        assert!(duration("").is_err());
        assert!(duration("d").is_err());
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(bytes("64MiB"), Some(Ok(64 << 20)));
        assert_eq!(bytes("5s"), None);
        assert_eq!(bytes("12"), None);
        assert!(matches!(bytes("99999999999TiB"), Some(Err(_))));
        assert_eq!(closest_byte_unit("64mb"), Some("MB"));
    }
}
