//! The figures of all queries, as a table and as a plot.

use super::{
    QUERIES,
    measure::{Figures, Way, in_child},
    process::TICK_SECONDS,
};
use crate::run::BenchError;
use plotters::prelude::*;
use std::{fmt::Write as _, path::Path};

/// Goals: of the loop's speed, of one worker's speed with two, and of the peer's, which is more in those that keep much.
const SHARE: f64 = 0.5;
const GAIN: f64 = 1.8;
const TIMES_PEER: f64 = 3.0;
const TIMES_PEER_KEPT: f64 = 5.0;
const KEPT: [&str; 8] = ["q4", "q9", "q15", "q16", "q17", "q18", "q19", "q20"];

/// Million events per second and core of the strongest peer, Feldera's DBSP 0.337: its own hand-written Rust circuits, on a machine like the one that the
/// goals are for, 5 M events, processor time less that of the generator.
const PEER: [(&str, f64); 17] = [
    ("q3", 7.8),
    ("q4", 1.7),
    ("q5", 4.0),
    ("q6", 1.4),
    ("q7", 1.8),
    ("q8", 10.0),
    ("q9", 0.36),
    ("q12", 4.7),
    ("q13", 1.5),
    ("q15", 0.9),
    ("q16", 0.24),
    ("q17", 0.49),
    ("q18", 0.6),
    ("q19", 0.52),
    ("q20", 0.62),
    ("q21", 7.0),
    ("q22", 4.0),
];

/// The head of the table.
pub const HEAD: &str = "| query | loop, M events/s | one worker, per core | to the loop | two workers, per core | two to one | memory of one, MiB | peer | to the peer |
|---|---|---|---|---|---|---|---|---|";

/// One query.
pub struct Line {
    query: &'static str,
    by_hand: f64,
    one: f64,
    two: f64,
    gain: f64,
    peak_mib: f64,
}

impl Line {
    /// Measures a query in all ways, and compares their answers.
    ///
    /// # Errors
    /// Where one of them does not run, or where the answers differ.
    pub fn measure(query: &'static str, events: u64, folder: &Path) -> Result<Self, BenchError> {
        let [by_hand, one, two] = [Way::ByHand, Way::Workers(1), Way::Workers(2)].map(|way| in_child(query, way, folder));
        let (by_hand, one, two) = (by_hand?, one?, two?);
        for (workers, found) in [(1, &one), (2, &two)] {
            if found.answer != by_hand.answer {
                let message = format!("{query}: {:?} on {workers} workers, but {:?} by hand", found.answer, by_hand.answer);
                return Err(BenchError(message));
            }
        }
        // The kernel counts in steps: less than one counts as one.
        let per_core = |f: &Figures| events as f64 / 1e6 / f.cpu_s.max(TICK_SECONDS);
        Ok(Line {
            query,
            by_hand: events as f64 / 1e6 / by_hand.wall_s.max(f64::MIN_POSITIVE),
            one: per_core(&one),
            two: per_core(&two),
            gain: one.wall_s / two.wall_s.max(f64::MIN_POSITIVE),
            peak_mib: one.peak_kib as f64 / 1024.0,
        })
    }

    /// As a row of the table; what misses its goal is bold.
    pub fn row(&self) -> String {
        let against = |value: f64, goal: f64| if value >= goal { format!("{value:.2}") } else { format!("**{value:.2}**") };
        let goal = if KEPT.contains(&self.query) { TIMES_PEER_KEPT } else { TIMES_PEER };
        let peer = PEER.iter().find(|(query, _)| *query == self.query).map(|(_, rate)| *rate);
        let (rate, times) = peer.map_or_else(Default::default, |rate| (rate.to_string(), against(self.one / rate, goal)));
        format!(
            "| {} | {:.1} | {:.2} | {} | {:.2} | {} | {:.0} | {rate} | {times} |",
            self.query,
            self.by_hand,
            self.one,
            against(self.one / self.by_hand, SHARE),
            self.two,
            against(self.gain, GAIN),
            self.peak_mib,
        )
    }
}

/// The queries that are named, or all.
///
/// # Errors
/// Where a name is none.
pub fn picked(names: &[String]) -> Result<Vec<&'static str>, BenchError> {
    if names.is_empty() {
        return Ok(QUERIES.to_vec());
    }
    let known = |name: &String| QUERIES.into_iter().find(|q| q == name).ok_or_else(|| BenchError(format!("there is no query `{name}`")));
    names.iter().map(known).collect()
}

const WIDTH: u32 = 1200;
const HEIGHT: u32 = 620;
/// How much of a query's place each of its bars takes.
const BAR: f64 = 0.26;
/// The lowest rate that is drawn, in million events per second.
const LOWEST: f64 = 0.05;

/// Draws the rates, on a logarithmic scale.
///
/// # Errors
/// Where the file cannot be written.
pub fn draw(lines: &[Line], path: &Path) -> Result<(), BenchError> {
    plot(lines, path).map_err(|e| BenchError(format!("{}: {e}", path.display())))
}

/// What bars are called, their colour, and how high each is.
type Bars<'a> = (&'a str, RGBColor, &'a dyn Fn(&Line) -> f64);

fn plot(lines: &[Line], path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let highest = lines.iter().flat_map(|l| [l.by_hand, l.one]).fold(1.0, f64::max) * 1.5;
    let area = SVGBackend::new(path, (WIDTH, HEIGHT)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Nexmark: million events per second and core", ("sans-serif", 22))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(-0.5..lines.len() as f64 - 0.5, (LOWEST..highest).log_scale())?;
    let name = |x: &f64| {
        let line = lines.get(x.round() as usize).filter(|_| (x - x.round()).abs() < 1e-6);
        line.map_or_else(String::new, |l| l.query.replace("pattern-", "p"))
    };
    chart.configure_mesh().disable_x_mesh().x_labels(lines.len() * 2 + 1).x_label_formatter(&name).y_desc("logarithmic").draw()?;
    let peer = |l: &Line| PEER.iter().find(|(query, _)| *query == l.query).map_or(LOWEST, |(_, rate)| *rate);
    let series: [Bars<'_>; 3] = [
        ("a loop by hand", RGBColor(170, 170, 170), &|l| l.by_hand),
        ("Runink, one worker", RGBColor(31, 119, 180), &|l| l.one),
        ("Feldera's DBSP", RGBColor(214, 140, 60), &peer),
    ];
    for (at, (label, color, of)) in series.into_iter().enumerate() {
        let bars = lines.iter().enumerate().map(|(x, line)| {
            let left = x as f64 + (at as f64 - 1.5) * BAR;
            Rectangle::new([(left, LOWEST), (left + BAR, of(line).max(LOWEST))], color.filled())
        });
        chart.draw_series(bars)?.label(label).legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], color.filled()));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK).position(SeriesLabelPosition::UpperRight).draw()?;
    area.present()?;
    Ok(())
}

/// The whole table.
pub fn table(lines: &[Line]) -> String {
    lines.iter().fold(format!("{HEAD}\n"), |mut table, line| {
        // Writing into a text cannot fail.
        let _ = writeln!(table, "{}", line.row());
        table
    })
}
