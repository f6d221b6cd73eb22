//! Literals of rules, compared by what they mean: `1.50` is `1.5`, and `'2026-01-01'` lies before `'2026-02-01'`.

use std::cmp::Ordering;

/// A literal, normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    /// A number with neither superfluous zeros nor a plus sign.
    Number { negative: bool, whole: String, fraction: String },
    /// Anything else, without its quotes.
    Text(String),
}

impl Literal {
    /// Reads a literal as a contract writes it.
    pub(super) fn of(written: &str) -> Self {
        let written = written.trim();
        if let Some(number) = number(written) {
            return number;
        }
        let inner = written.strip_prefix('\'').and_then(|w| w.strip_suffix('\'')).map(|w| w.replace("''", "'"));
        Literal::Text(inner.unwrap_or_else(|| written.to_owned()))
    }

    /// One form for all ways to write it.
    pub(super) fn canonical(&self) -> String {
        match self {
            Literal::Number { negative, whole, fraction } => {
                let sign = if *negative { "-" } else { "" };
                let point = if fraction.is_empty() { "" } else { "." };
                format!("{sign}{whole}{point}{fraction}")
            }
            Literal::Text(text) => format!("'{}'", text.replace('\'', "''")),
        }
    }

    /// Which is less; `None` where their forms do not allow to say.
    pub(super) fn compare(&self, other: &Literal) -> Option<Ordering> {
        match (self, other) {
            (Literal::Number { negative: a, whole: aw, fraction: af }, Literal::Number { negative: b, whole: bw, fraction: bf }) => {
                let magnitude = aw.len().cmp(&bw.len()).then_with(|| aw.cmp(bw)).then_with(|| af.cmp(bf));
                Some(match (a, b) {
                    (false, false) => magnitude,
                    (true, true) => magnitude.reverse(),
                    (true, false) => Ordering::Less,
                    (false, true) => Ordering::Greater,
                })
            }
            // Dates and times of one shape order like their text; other texts only when they are equal.
            (Literal::Text(a), Literal::Text(b)) if shape(a) == shape(b) && a.starts_with(|c: char| c.is_ascii_digit()) => Some(a.cmp(b)),
            (Literal::Text(a), Literal::Text(b)) if a == b => Some(Ordering::Equal),
            _ => None,
        }
    }
}

fn number(written: &str) -> Option<Literal> {
    let (negative, digits) = match written.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, written.strip_prefix('+').unwrap_or(written)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0').to_owned();
    let zero = whole.is_empty() && fraction.is_empty();
    Some(Literal::Number { negative: negative && !zero, whole: if whole.is_empty() { "0".to_owned() } else { whole.to_owned() }, fraction })
}

/// The text with every digit alike.
fn shape(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value() {
        for (a, b, expected) in [
            ("1.50", "+1.5", Ordering::Equal),
            ("-0", "0", Ordering::Equal),
            ("-2", "1", Ordering::Less),
            ("-2", "-10", Ordering::Greater),
            ("9", "10", Ordering::Less),
            ("1.25", "1.3", Ordering::Less),
            (".5", "0.50", Ordering::Equal),
        ] {
            assert_eq!(Literal::of(a).compare(&Literal::of(b)), Some(expected), "{a} and {b}");
        }
    }

    #[test]
    fn only_texts_of_one_shape_have_an_order() {
        let compare = |a: &str, b: &str| Literal::of(a).compare(&Literal::of(b));
        assert_eq!(compare("'2026-01-01'", "'2026-02-01'"), Some(Ordering::Less));
        assert_eq!(compare("'2026-01-01'", "'2026-01-01T00:00:00Z'"), None);
        assert_eq!(compare("'b'", "'a'"), None);
        assert_eq!(compare("'a'", "a"), Some(Ordering::Equal));
        assert_eq!(compare("1", "'x'"), None);
    }
}
