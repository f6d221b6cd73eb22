//! What a run shows of itself while it goes on: one line a source on a terminal, JSON lines for machines, nothing in a pipe.

use crate::{cli::Output, screen::Screen, summary};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use runink_engine::{MetricsSnapshot, SourceSnapshot};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How often machines are told.
const JSON_EVERY: Duration = Duration::from_secs(1);
/// Rates are taken over about that long.
const RATE_OVER: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Progress {
    shape: Shape,
    rates: BTreeMap<String, Rate>,
}

enum Shape {
    Quiet,
    Json { screen: Screen, last: Instant, started: Instant },
    Bars { all: MultiProgress, bars: BTreeMap<String, ProgressBar> },
}

/// Rows per second over the last while.
struct Rate {
    since: Instant,
    rows: u64,
    per_second: f64,
}

impl Progress {
    pub(crate) fn new(output: Output, screen: &Screen, shows_rows: bool) -> Self {
        let now = Instant::now();
        let shape = match output {
            Output::Json => Shape::Json { screen: *screen, last: now, started: now },
            Output::Text if screen.err_is_terminal() && !shows_rows => Shape::Bars { all: MultiProgress::new(), bars: BTreeMap::new() },
            Output::Text => Shape::Quiet,
        };
        Progress { shape, rates: BTreeMap::new() }
    }

    pub(crate) fn show<'a>(&mut self, scenarios: impl Iterator<Item = (&'a str, MetricsSnapshot)>) {
        match &mut self.shape {
            Shape::Quiet => {}
            Shape::Json { screen, last, started } => {
                if last.elapsed() >= JSON_EVERY {
                    *last = Instant::now();
                    scenarios.for_each(|(title, metrics)| screen.err(&summary::progress_json(title, &metrics, started.elapsed())));
                }
            }
            Shape::Bars { all, bars } => {
                for (title, metrics) in scenarios {
                    for source in &metrics.sources {
                        let key = format!("{title}\0{}", source.name);
                        let bar = bars.entry(key.clone()).or_insert_with(|| all.add(bar_for(source)));
                        let rate =
                            self.rates.entry(key).or_insert_with(|| Rate { since: Instant::now(), rows: source.rows, per_second: 0.0 });
                        bar.set_message(line(source, rate.at(source.rows), metrics.rejected));
                        match source.total_bytes {
                            Some(total) => bar.set_position(source.bytes.min(total)),
                            None => bar.tick(),
                        }
                    }
                }
            }
        }
    }

    /// Writes something else, with the lines out of the way.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        match &self.shape {
            Shape::Bars { all, .. } => all.suspend(write),
            Shape::Quiet | Shape::Json { .. } => write(),
        }
    }

    /// Takes the lines away.
    pub(crate) fn end(&mut self) {
        if let Shape::Bars { bars, .. } = &self.shape {
            bars.values().for_each(ProgressBar::finish_and_clear);
        }
    }
}

impl Rate {
    fn at(&mut self, rows: u64) -> f64 {
        let elapsed = self.since.elapsed();
        if elapsed >= RATE_OVER || self.per_second == 0.0 {
            self.per_second = rows.saturating_sub(self.rows) as f64 / elapsed.as_secs_f64().max(1e-3);
            if elapsed >= RATE_OVER {
                (self.since, self.rows) = (Instant::now(), rows);
            }
        }
        self.per_second
    }
}

fn bar_for(source: &SourceSnapshot) -> ProgressBar {
    let (bar, template) = match source.total_bytes {
        Some(total) => (ProgressBar::new(total), "{prefix:>12.cyan} {bar:24} {percent:>3}%  {msg}"),
        None => (ProgressBar::new_spinner(), "{prefix:>12.cyan} {spinner}  {msg}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.with_prefix(source.name.clone())
}

fn line(source: &SourceSnapshot, per_second: f64, rejected: u64) -> String {
    let mut line =
        format!("{} rows  {} rows/s  {}", summary::count(source.rows), summary::count(per_second as u64), summary::bytes(source.bytes));
    if let Some(watermark) = source.watermark_us.filter(|&us| us != i64::MAX) {
        line.push_str(&format!("  watermark {}", summary::instant(watermark)));
        if let Some(newest) = source.max_time_us {
            line.push_str(&format!(" (−{})", summary::span(newest.saturating_sub(watermark))));
        }
    }
    if rejected > 0 {
        line.push_str(&format!("  {} rejected", summary::count(rejected)));
    }
    line
}
