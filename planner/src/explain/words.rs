//! Lengths of time, windows, state and options in plain words.

use crate::{EmitMode, StateBound, WindowShape, WindowSpec};
use runink_connector_api::{CompareOp, Literal, OptionValue, Predicate};

/// A length of time as the language writes it, in the largest units that say it exactly: `1h30m`, `250ms`.
pub(crate) fn duration(us: i64) -> String {
    const UNITS: [(i64, &str); 6] =
        [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms"), (1, "us")];
    if us == 0 {
        return "0s".into();
    }
    let mut rest = us.unsigned_abs();
    let mut text = if us < 0 { "-".to_owned() } else { String::new() };
    for (unit, name) in UNITS {
        let count = rest / unit.unsigned_abs();
        if count > 0 {
            text.push_str(&format!("{count}{name}"));
            rest -= count * unit.unsigned_abs();
        }
    }
    text
}

/// A window as one would write it; `time` is the name of its time column.
pub(super) fn window(spec: &WindowSpec, time: Option<&str>) -> String {
    let (call, offset) = match spec.shape {
        WindowShape::Tumbling { size, offset } => (format!("tumbling({})", duration(size)), offset),
        WindowShape::Hopping { size, slide, offset } => (format!("hopping({}, {})", duration(size), duration(slide)), offset),
        WindowShape::Session { gap } => (format!("session({})", duration(gap)), 0),
        WindowShape::Cumulating { size, step, offset } => (format!("cumulating({}, {})", duration(size), duration(step)), offset),
    };
    let offset = if offset == 0 { String::new() } else { format!(" offset {}", duration(offset)) };
    match time {
        Some(time) => format!("{call}{offset} on {time}"),
        None => format!("{call}{offset} on processing time"),
    }
}

pub(super) fn emit(emit: EmitMode, windowed: bool) -> String {
    match (emit, windowed) {
        (EmitMode::OnClose, true) => "once, when a window closes".into(),
        (EmitMode::OnClose, false) => "once, when the input ends".into(),
        (EmitMode::OnChange, _) => "whenever a result changes".into(),
        (EmitMode::Every(us), true) => format!("at most every {} while a window is open, and when it closes", duration(us)),
        (EmitMode::Every(us), false) => format!("at most every {}", duration(us)),
    }
}

/// State in words; `bounded` says that what it is kept of ends.
pub(super) fn state(state: &StateBound, bounded: bool) -> String {
    match state {
        StateBound::Stateless => "none".into(),
        StateBound::Windowed { windows_per_key, lifetime_us } => {
            let windows = if *windows_per_key == 1 { "1 open window".to_owned() } else { format!("{windows_per_key} open windows") };
            match lifetime_us {
                Some(us) => format!("at most {windows} per key, each for {}", duration(*us)),
                None => format!("{windows} per key, each until it closes"),
            }
        }
        StateBound::PerKey { ttl_us: Some(us) } => format!("one row per key, until {} after its last change", duration(*us)),
        StateBound::PerKey { ttl_us: None } if bounded => "one row per key of an input that ends".into(),
        StateBound::PerKey { ttl_us: None } => "one row per key, without a bound".into(),
        StateBound::ForEver => "one row per key, for ever, as the text says".into(),
        StateBound::UntilEnd => "everything, until the input ends".into(),
        StateBound::Rows { lifetime_us: Some(us) } => format!("every row for {}", duration(*us)),
        StateBound::Rows { lifetime_us: None } => "every row, without a bound".into(),
        StateBound::RowsPerKey { rows, ttl_us, for_ever } => {
            let rows = match rows {
                Some(1) => "one row per key".to_owned(),
                Some(n) => format!("at most {n} rows per key"),
                None => "all rows of each key".to_owned(),
            };
            match ttl_us {
                Some(us) => format!("{rows}, until {} after its last change", duration(*us)),
                None if *for_ever => format!("{rows}, for ever, as the text says"),
                None if bounded => format!("{rows} of an input that ends"),
                None => format!("{rows}, without a bound"),
            }
        }
        StateBound::RowsForEver => "every row, for ever, as the text says".into(),
    }
}

/// The state of a pattern in words.
pub(super) fn state_of_matches(state: &StateBound, bounded: bool) -> String {
    const WHAT: &str = "rows that wait for their turn or may belong to a match";
    match state {
        StateBound::Rows { lifetime_us: Some(us) } => format!("{WHAT}, each for {}", duration(*us)),
        StateBound::Rows { lifetime_us: None } => format!("{WHAT}, without a bound"),
        StateBound::RowsForEver => format!("{WHAT}, for ever, as the text says"),
        _ => self::state(state, bounded),
    }
}

/// A condition that a source is told.
pub(super) fn predicate(predicate: &Predicate) -> String {
    let op = match predicate.op {
        CompareOp::Eq => "=",
        CompareOp::Ne => "<>",
        CompareOp::Lt => "<",
        CompareOp::Le => "<=",
        CompareOp::Gt => ">",
        CompareOp::Ge => ">=",
    };
    let value = match &predicate.value {
        Literal::Bool(b) => b.to_string(),
        Literal::Int(n) => n.to_string(),
        Literal::Float(x) => x.to_string(),
        Literal::Text(text) => format!("'{}'", text.replace('\'', "''")),
    };
    format!("{} {op} {value}", super::expression::name(&predicate.column))
}

/// An option's value as one would write it, without quotes.
pub(super) fn option(value: &OptionValue) -> String {
    match value {
        OptionValue::Text(text) => text.clone(),
        OptionValue::Count(n) => n.to_string(),
        OptionValue::Number(x) => x.to_string(),
        OptionValue::Flag(b) => b.to_string(),
        OptionValue::Duration(us) => duration(*us),
        OptionValue::Bytes(n) => bytes(*n),
        OptionValue::Columns(columns) => format!("[{}]", columns.join(", ")),
    }
}

fn bytes(n: u64) -> String {
    match n {
        0 => "0B".into(),
        n if n.is_multiple_of(1 << 30) => format!("{}GiB", n >> 30),
        n if n.is_multiple_of(1 << 20) => format!("{}MiB", n >> 20),
        n if n.is_multiple_of(1 << 10) => format!("{}KiB", n >> 10),
        n => format!("{n}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_exact() {
        assert_eq!(duration(60_000_000), "1m");
        assert_eq!(duration(5_400_000_000), "1h30m");
        assert_eq!(duration(1_250_001), "1s250ms1us");
        assert_eq!(duration(0), "0s");
        assert_eq!(duration(i64::MIN).chars().next(), Some('-'));
    }

    #[test]
    fn windows_read_as_they_were_written() {
        let spec = WindowSpec { shape: WindowShape::Hopping { size: 600_000_000, slide: 60_000_000, offset: 5_000_000 }, time: None };
        assert_eq!(window(&spec, Some("at")), "hopping(10m, 1m) offset 5s on at");
        assert_eq!(window(&spec, None), "hopping(10m, 1m) offset 5s on processing time");
    }
}
