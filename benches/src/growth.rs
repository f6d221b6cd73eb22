//! How cost grows with work: the speed of a count by key over numbers of keys, lengths of windows, skew, and lengths of epochs.

use crate::{
    measure::in_turn,
    run::{self, BenchError},
};
use arrow::{
    array::{Int64Array, TimestampMicrosecondArray},
    record_batch::RecordBatch,
};
use plotters::prelude::*;
use runink_engine::{GroupConfig, WorkerGroup};
use std::{path::Path, sync::Arc};

/// Rows per second of event time, as far as windows and epochs are concerned.
const PER_SECOND: usize = 1_000_000;
const MICROS: i64 = 1_000_000;
const KEYS: u64 = 10_000;
/// Rows of one epoch where its length is not what is looked at: 10 ms.
const EPOCH_ROWS: usize = PER_SECOND / 100;
const ROUNDS: usize = 3;

/// What the rows are like.
#[derive(Debug, Clone, Copy)]
struct Shape {
    keys: u64,
    /// How many of 100 rows have the same one key.
    hot: u64,
    epoch_rows: usize,
}

const PLAIN: Shape = Shape { keys: KEYS, hot: 0, epoch_rows: EPOCH_ROWS };

fn mixed(i: u64) -> u64 {
    let x = (i ^ (i >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB)) >> 16
}

fn batches(rows: usize, shape: Shape, with_time: bool) -> Result<Vec<RecordBatch>, BenchError> {
    let key = |i: u64| {
        let random = mixed(i);
        if random % 100 < shape.hot { 0 } else { (random / 100 % shape.keys) as i64 }
    };
    let columns: Vec<usize> = if with_time { vec![0, 3] } else { vec![0] };
    let schema = Arc::new(crate::data::schema().project(&columns).map_err(|e| BenchError(e.to_string()))?);
    (0..rows)
        .step_by(shape.epoch_rows)
        .map(|start| {
            let range = start as u64..rows.min(start + shape.epoch_rows) as u64;
            let keys: Int64Array = range.clone().map(|i| Some(key(i))).collect();
            let mut columns: Vec<arrow::array::ArrayRef> = vec![Arc::new(keys)];
            if with_time {
                let times = range.map(|i| Some(i as i64 * MICROS / PER_SECOND as i64));
                columns.push(Arc::new(times.collect::<TimestampMicrosecondArray>()));
            }
            RecordBatch::try_new(schema.clone(), columns).map_err(|e| BenchError(e.to_string()))
        })
        .collect()
}

/// One line of a drawing: million rows per second at each place.
pub struct Series {
    /// What it is.
    pub name: String,
    /// (place, rate).
    pub points: Vec<(f64, f64)>,
}

/// One drawing.
pub struct Chart {
    /// Its title, which says what the places are.
    pub title: &'static str,
    /// Its lines.
    pub series: Vec<Series>,
}

/// Runs what is measured, on groups that stay.
pub struct Growth {
    rows: usize,
    groups: [(usize, WorkerGroup); 2],
}

impl Growth {
    /// Over so many rows for each point.
    ///
    /// # Errors
    /// Where workers do not start.
    pub fn start(rows: usize) -> Result<Self, BenchError> {
        let group = |workers| WorkerGroup::start(GroupConfig { workers }).map_err(|e| BenchError(e.to_string()));
        Ok(Growth { rows, groups: [(1, group(1)?), (2, group(2)?)] })
    }

    fn series(
        &self,
        name: &str,
        window: impl Fn(f64) -> String,
        shape: impl Fn(f64) -> Shape,
        places: &[f64],
    ) -> Result<Vec<Series>, BenchError> {
        let mut series: Vec<Series> =
            self.groups.iter().map(|(workers, _)| Series { name: format!("{name}, {workers}"), points: Vec::new() }).collect();
        for &place in places {
            let text = format!(
                "Feature: Growth\n  Scenario: Growth\n    @source(name=rows, type=memory)\n    @step(name=Counts)\n      @do aggregate n = count(*) by key {}\n",
                window(place)
            );
            let plan = run::plan(&text, "Counts")?;
            let batches = batches(self.rows, shape(place), run::columns_read(&plan)?.len() > 1)?;
            let on = |at: usize| run::run(&self.groups[at].1, plan.clone(), "Counts", &batches).map(drop);
            let pair = in_turn(ROUNDS, || on(0), || on(1))?;
            let rate = |time: std::time::Duration| self.rows as f64 / 1e6 / time.as_secs_f64();
            series[0].points.push((place, rate(pair.first)));
            series[1].points.push((place, rate(pair.second)));
        }
        Ok(series)
    }

    /// All drawings, each as soon as it is measured.
    ///
    /// # Errors
    /// What the engine says.
    pub fn charts(&self, mut done: impl FnMut(&Chart)) -> Result<Vec<Chart>, BenchError> {
        let on_close = |_: f64| "emit on close".to_owned();
        let on_change = |_: f64| "emit on change".to_owned();
        let second = |_: f64| "in tumbling(1s)".to_owned();
        let keys = [1e3, 1e4, 1e5, 1e6, 1e7];
        let of_keys = |keys: f64| Shape { keys: keys as u64, ..PLAIN };
        let mut charts = Vec::new();
        let mut add = |title, series| {
            let chart = Chart { title, series };
            done(&chart);
            charts.push(chart);
        };
        let mut series = self.series("all time", on_close, of_keys, &keys)?;
        series.extend(self.series("changes", on_change, of_keys, &keys)?);
        series.extend(self.series("1 s windows", second, of_keys, &keys)?);
        add("keys", series);
        let plain = |_: f64| PLAIN;
        let milliseconds = [10.0, 100.0, 1e3, 1e4, 1e5];
        let mut series = self.series("tumbling", |ms| format!("in tumbling({ms}ms)"), plain, &milliseconds)?;
        series.extend(self.series(
            "hopping by a tenth",
            |ms| format!("in hopping({ms}ms, every {}ms)", ms / 10.0),
            plain,
            &milliseconds,
        )?);
        add("length of windows, ms", series);
        let skewed = |hot: f64| Shape { hot: hot as u64, ..PLAIN };
        let mut series = self.series("all time", on_close, skewed, &[1.0, 10.0, 50.0, 90.0, 99.0])?;
        series.extend(self.series("1 s windows", second, skewed, &[1.0, 10.0, 50.0, 90.0, 99.0])?);
        add("rows of one key, %", series);
        let epochs = |ms: f64| Shape { epoch_rows: (PER_SECOND as f64 / 1e3 * ms) as usize, ..PLAIN };
        let mut series = self.series("all time", on_close, epochs, &[1.0, 10.0, 100.0])?;
        series.extend(self.series("changes", on_change, epochs, &[1.0, 10.0, 100.0])?);
        series.extend(self.series("1 s windows", second, epochs, &[1.0, 10.0, 100.0])?);
        add("length of epochs at a million rows a second, ms", series);
        Ok(charts)
    }
}

/// As a table.
pub fn table(chart: &Chart) -> String {
    let places = chart.series.first().map(|s| s.points.iter().map(|p| p.0).collect::<Vec<_>>()).unwrap_or_default();
    let cells = |values: Vec<String>| format!("| {} |\n", values.join(" | "));
    let mut table = cells([chart.title.to_owned()].into_iter().chain(places.iter().map(f64::to_string)).collect());
    table.push_str(&cells(vec!["---".to_owned(); places.len() + 1]));
    for series in &chart.series {
        let rates = series.points.iter().map(|p| format!("{:.1}", p.1));
        table.push_str(&cells([series.name.clone()].into_iter().chain(rates).collect()));
    }
    table
}

const SIZE: (u32, u32) = (1200, 900);
/// Beside the first and the last place, in places.
const MARGIN: f64 = 0.15;
/// Rates are drawn on a logarithmic scale; the names of the lines stand below the lowest one.
const ROOM_BELOW: f64 = 20.0;
const ROOM_ABOVE: f64 = 1.5;

/// Draws all charts into one file.
///
/// # Errors
/// Where it cannot be written.
pub fn draw(charts: &[Chart], path: &Path) -> Result<(), BenchError> {
    plot(charts, path).map_err(|e| BenchError(format!("{}: {e}", path.display())))
}

fn plot(charts: &[Chart], path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    for (chart, part) in charts.iter().zip(area.split_evenly((2, 2))) {
        let places: Vec<f64> = chart.series.first().map(|s| s.points.iter().map(|p| p.0).collect()).unwrap_or_default();
        let rates = || chart.series.iter().flat_map(|s| &s.points).map(|p| p.1);
        let (low, high) = rates().fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), rate| (low.min(rate), high.max(rate)));
        let mut drawn = ChartBuilder::on(&part)
            .caption(chart.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(30)
            .y_label_area_size(50)
            .build_cartesian_2d(-MARGIN..places.len() as f64 - 1.0 + MARGIN, (low / ROOM_BELOW..high * ROOM_ABOVE).log_scale())?;
        let place = |x: &f64| {
            let place = places.get(x.round() as usize).filter(|_| (x - x.round()).abs() < 1e-6);
            place.map_or_else(String::new, f64::to_string)
        };
        let mut mesh = drawn.configure_mesh();
        mesh.disable_x_mesh().light_line_style(TRANSPARENT).x_labels(places.len() + 1).x_label_formatter(&place);
        mesh.y_desc("million rows per second").draw()?;
        for (at, series) in chart.series.iter().enumerate() {
            let color = Palette99::pick(at).to_rgba();
            let points = series.points.iter().enumerate().map(|(x, point)| (x as f64, point.1));
            drawn
                .draw_series(LineSeries::new(points, color.stroke_width(2)).point_size(3))?
                .label(&series.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        }
        drawn
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .position(SeriesLabelPosition::LowerLeft)
            .draw()?;
    }
    area.present()?;
    Ok(())
}
