//! What a run did, step by step, for people and for machines.

use runink_engine::{BrokenWindow, Ending, MetricsSnapshot, Outcome, RejectedRow};
use serde_json::{Value, json};
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// The closing summary.
pub(crate) fn text(title: &str, outcome: &Outcome, rejects: &[RejectedRow], elapsed: Duration, color: bool) -> String {
    let (bold, dim, yellow, off) = if color { ("\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[0m") } else { ("", "", "", "") };
    let metrics = &outcome.metrics;
    let ending = match outcome.ending {
        Ending::Completed => "completed",
        Ending::Stopped => "stopped",
    };
    let read: u64 = metrics.sources.iter().map(|s| s.rows).sum();
    let rate = read as f64 / elapsed.as_secs_f64().max(1e-6);
    let mut out = format!("{bold}{title}{off}: {ending} in {}, {} rows/s\n", seconds(elapsed), count(rate as u64));
    let mut rows = vec![["".to_owned(), "in".into(), "out".into(), "filtered".into(), "rejected".into(), "held".into(), "".into()]];
    // What a contract does to its source's rows is part of the source's line.
    for s in &metrics.sources {
        let contract = metrics.steps.iter().find(|step| step.name == s.name);
        let out = contract.map_or(s.rows, |step| step.rows_out);
        let rejected = s.rejected + contract.map_or(0, |step| step.rejected);
        let filtered = contract.map_or(0, |step| step.filtered);
        rows.push([
            s.name.clone(),
            count(s.rows),
            count(out),
            some(filtered),
            some(rejected),
            String::new(),
            format!("read {}", bytes(s.bytes)),
        ]);
    }
    for s in metrics.steps.iter().filter(|step| metrics.sources.iter().all(|source| source.name != step.name)) {
        let alerts = if s.alerts > 0 { format!("{} broke an expectation", count(s.alerts)) } else { String::new() };
        rows.push([s.name.clone(), count(s.rows_in), count(s.rows_out), some(s.filtered), some(s.rejected), some(s.held), alerts]);
    }
    for s in &metrics.sinks {
        let wrote = if s.bytes > 0 { format!("wrote {}", bytes(s.bytes)) } else { String::new() };
        rows.push([s.name.clone(), count(s.rows), String::new(), String::new(), String::new(), String::new(), wrote]);
    }
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    for (i, row) in rows.iter().enumerate() {
        let mut line = String::from(" ");
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let pad = " ".repeat(width - cell.width());
            line.push(' ');
            match column {
                0 | 6 => line.push_str(&format!("{cell}{pad}")),
                _ => line.push_str(&format!(" {pad}{cell}")),
            }
        }
        let line = line.trim_end();
        out.push_str(&if i == 0 { format!("{dim}{line}{off}\n") } else { format!("{line}\n") });
    }
    for check in metrics.checks.iter().filter(|c| c.broken > 0) {
        let (windows, broken) = (count(check.windows), count(check.broken));
        out.push_str(&format!("  {yellow}{}{off}: broken in {broken} of {windows} windows, the first of them:\n", check.name));
        for window in check.first.iter().take(3) {
            out.push_str(&format!("    {}\n", broken_window(window)));
        }
    }
    if metrics.rejected > 0 {
        out.push_str(&format!("  {yellow}{} rejected{off}, the first of them:\n", count(metrics.rejected)));
        for reject in rejects.iter().take(3) {
            out.push_str(&format!("    {}\n", rejected(reject)));
        }
    }
    out
}

/// A window that broke an expectation: when, and what was in it.
fn broken_window(window: &BrokenWindow) -> String {
    let windows = if window.windows == 1 { String::new() } else { format!(" ({} windows)", count(window.windows)) };
    let counted = if window.counted == window.rows { String::new() } else { format!(", {} of which it counts", count(window.counted)) };
    let rows = if window.rows == 1 { "row" } else { "rows" };
    format!("{} to {}{windows}: {} {rows}{counted}", instant(window.start_us), instant(window.end_us), count(window.rows))
}

/// A rejected row: why, where, and what was wrong.
fn rejected(reject: &RejectedRow) -> String {
    let place = match (&reject.place, reject.position) {
        (Some(place), Some(position)) => format!(" {place}:{position}"),
        _ => String::new(),
    };
    format!("{} in {}{place}: {}", reject.reason.as_str(), reject.step, reject.message)
}

/// What is said where no summary is shown and no sink has the rejected rows; `None` if there are none.
pub(crate) fn lost_rejects(title: &str, outcome: &Outcome, rejects: &[RejectedRow]) -> Option<String> {
    let rows = match outcome.metrics.rejected {
        0 => return None,
        1 => "1 row was".to_owned(),
        n => format!("{} rows were", count(n)),
    };
    let first = rejects.first().map(|r| format!("; the first: {}", rejected(r))).unwrap_or_default();
    Some(format!("{title}: {rows} rejected, and no sink has them{first}"))
}

/// The closing summary as one JSON line.
pub(crate) fn json(title: &str, outcome: &Outcome, rejects: &[RejectedRow], elapsed: Duration) -> String {
    let shown: Vec<Value> = rejects
        .iter()
        .map(|r| {
            json!({
                "reason": r.reason.as_str(), "step": &*r.step, "source": r.source.as_deref(), "place": r.place.as_deref(),
                "position": r.position, "message": r.message, "row": String::from_utf8_lossy(&r.row),
            })
        })
        .collect();
    let line = json!({
        "event": "summary", "scenario": title, "ending": outcome.ending, "elapsed_seconds": elapsed.as_secs_f64(),
        "metrics": outcome.metrics, "rejects_shown": shown,
    });
    format!("{line}\n")
}

/// Progress as one JSON line.
pub(crate) fn progress_json(title: &str, metrics: &MetricsSnapshot, elapsed: Duration) -> String {
    format!("{}\n", json!({"event": "progress", "scenario": title, "elapsed_seconds": elapsed.as_secs_f64(), "metrics": metrics}))
}

fn some(n: u64) -> String {
    if n == 0 { String::new() } else { count(n) }
}

/// `1_234_567` as `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes with a binary unit.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Microseconds since 1970 as people write an instant.
pub(crate) fn instant(us: i64) -> String {
    match jiff::Timestamp::from_microsecond(us) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => format!("{us} µs"),
    }
}

/// A length of time in microseconds, in its two largest units.
pub(crate) fn span(us: i64) -> String {
    let seconds = us / 1_000_000;
    match seconds {
        i64::MIN..=0 => format!("{} ms", us / 1000),
        1..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

fn seconds(elapsed: Duration) -> String {
    if elapsed < Duration::from_secs(1) { format!("{} ms", elapsed.as_millis()) } else { format!("{:.2} s", elapsed.as_secs_f64()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(["0", "12", "123", "1,234", "1,234,567"].map(String::from), [0, 12, 123, 1234, 1_234_567].map(count));
        assert_eq!([bytes(0), bytes(1023), bytes(1536), bytes(5 << 30)], ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"].map(String::from));
        assert_eq!([span(500_000), span(90_000_000), span(7_260_000_000)], ["500 ms", "90 s", "2 h 1 min"].map(String::from));
        assert_eq!(instant(0), "1970-01-01 00:00:00");
    }
}
