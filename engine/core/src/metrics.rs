//! What a running scenario counts, and how it looks at a moment.

use runink_operators::rows::StageCounts;
use runink_planner::{Op, Plan, RowStage};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

/// Counters of one scenario, shared by its workers. Plain atomics: they are added to once per batch, not per row.
#[derive(Debug)]
pub(crate) struct Metrics {
    steps: Vec<(String, StepCounters)>,
    sources: BTreeMap<usize, (String, SourceCounters)>,
    sinks: BTreeMap<usize, (String, SinkCounters)>,
}

#[derive(Debug, Default)]
pub(crate) struct StepCounters {
    rows_in: AtomicU64,
    rows_out: AtomicU64,
    filtered: AtomicU64,
    rejected: AtomicU64,
    alerts: AtomicU64,
    held: AtomicI64,
}

#[derive(Debug)]
pub(crate) struct SourceCounters {
    pub(crate) rows: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) total_bytes: AtomicU64,
    pub(crate) watermark_us: AtomicI64,
    pub(crate) max_time_us: AtomicI64,
}

#[derive(Debug, Default)]
pub(crate) struct SinkCounters {
    pub(crate) rows: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl Metrics {
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut metrics = Metrics { steps: Vec::new(), sources: BTreeMap::new(), sinks: BTreeMap::new() };
        for (id, node) in plan.nodes.iter().enumerate() {
            match &node.op {
                Op::Source(_) => {
                    let counters = SourceCounters {
                        rows: AtomicU64::new(0),
                        bytes: AtomicU64::new(0),
                        rejected: AtomicU64::new(0),
                        total_bytes: AtomicU64::new(0),
                        watermark_us: AtomicI64::new(i64::MIN),
                        max_time_us: AtomicI64::new(i64::MIN),
                    };
                    metrics.sources.insert(id, (node.name.clone(), counters));
                }
                Op::Sink(_) => {
                    metrics.sinks.insert(id, (node.name.clone(), SinkCounters::default()));
                }
                Op::Rows(stages) => stages.iter().for_each(|RowStage { step, .. }| metrics.add_step(step)),
                Op::Aggregate(_) | Op::TableJoin(_) => metrics.add_step(&node.name),
                Op::Union | Op::Rejected | Op::Output => {}
            }
        }
        metrics
    }

    fn add_step(&mut self, step: &str) {
        if !self.steps.iter().any(|(name, _)| name == step) {
            self.steps.push((step.to_owned(), StepCounters::default()));
        }
    }

    pub(crate) fn step(&self, name: &str) -> Option<&StepCounters> {
        self.steps.iter().find(|(n, _)| n == name).map(|(_, c)| c)
    }

    pub(crate) fn source(&self, node: usize) -> Option<&SourceCounters> {
        self.sources.get(&node).map(|(_, c)| c)
    }

    pub(crate) fn sink(&self, node: usize) -> Option<&SinkCounters> {
        self.sinks.get(&node).map(|(_, c)| c)
    }

    pub(crate) fn snapshot(&self, rejected_total: u64) -> MetricsSnapshot {
        let time = |cell: &AtomicI64| Some(cell.load(Relaxed)).filter(|&us| us != i64::MIN);
        MetricsSnapshot {
            rejected: rejected_total,
            sources: self
                .sources
                .values()
                .map(|(name, c)| SourceSnapshot {
                    name: name.clone(),
                    rows: c.rows.load(Relaxed),
                    bytes: c.bytes.load(Relaxed),
                    total_bytes: Some(c.total_bytes.load(Relaxed)).filter(|&n| n > 0),
                    rejected: c.rejected.load(Relaxed),
                    watermark_us: time(&c.watermark_us),
                    max_time_us: time(&c.max_time_us),
                })
                .collect(),
            steps: self
                .steps
                .iter()
                .map(|(name, c)| StepSnapshot {
                    name: name.clone(),
                    rows_in: c.rows_in.load(Relaxed),
                    rows_out: c.rows_out.load(Relaxed),
                    filtered: c.filtered.load(Relaxed),
                    rejected: c.rejected.load(Relaxed),
                    alerts: c.alerts.load(Relaxed),
                    held: u64::try_from(c.held.load(Relaxed)).unwrap_or(0),
                })
                .collect(),
            sinks: self
                .sinks
                .values()
                .map(|(name, c)| SinkSnapshot { name: name.clone(), rows: c.rows.load(Relaxed), bytes: c.bytes.load(Relaxed) })
                .collect(),
        }
    }
}

impl StepCounters {
    /// Adds what a step's stages did: rows that entered its first stage and left its last, what any of them left out.
    pub(crate) fn add_stages(&self, stages: &[StageCounts]) {
        if let (Some(first), Some(last)) = (stages.first(), stages.last()) {
            self.rows_in.fetch_add(first.rows_in, Relaxed);
            self.rows_out.fetch_add(last.rows_out, Relaxed);
        }
        for stage in stages {
            self.filtered.fetch_add(stage.filtered, Relaxed);
            self.rejected.fetch_add(stage.rejected, Relaxed);
            self.alerts.fetch_add(stage.alerts, Relaxed);
        }
    }

    pub(crate) fn add(&self, rows_in: u64, rows_out: u64, rejected: u64) {
        self.rows_in.fetch_add(rows_in, Relaxed);
        self.rows_out.fetch_add(rows_out, Relaxed);
        self.rejected.fetch_add(rejected, Relaxed);
    }

    pub(crate) fn filtered(&self, rows: u64) {
        self.filtered.fetch_add(rows, Relaxed);
    }

    /// What one worker's operator holds changed by that much.
    pub(crate) fn held_changed(&self, by: i64) {
        self.held.fetch_add(by, Relaxed);
    }
}

/// A scenario's counters at a moment.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct MetricsSnapshot {
    /// Rejected rows of all sources and steps.
    pub rejected: u64,
    /// In the plan's order.
    pub sources: Vec<SourceSnapshot>,
    /// In the plan's order.
    pub steps: Vec<StepSnapshot>,
    /// In the plan's order.
    pub sinks: Vec<SinkSnapshot>,
}

/// One source's counters.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SourceSnapshot {
    /// Its name.
    pub name: String,
    /// Rows decoded.
    pub rows: u64,
    /// Bytes read, as they lie outside.
    pub bytes: u64,
    /// Bytes there are in all, where known.
    pub total_bytes: Option<u64>,
    /// Rows that did not decode.
    pub rejected: u64,
    /// Its watermark, in µs; `None` before the first, `i64::MAX` when it has ended.
    pub watermark_us: Option<i64>,
    /// The highest event time seen, in µs.
    pub max_time_us: Option<i64>,
}

/// One step's counters. `rows_in` = `rows_out` + `filtered` + `rejected` for steps that neither group nor multiply rows.
#[derive(Debug, Clone, serde::Serialize)]
pub struct StepSnapshot {
    /// Its name.
    pub name: String,
    /// Rows that came.
    pub rows_in: u64,
    /// Rows that went out.
    pub rows_out: u64,
    /// Rows that a condition left out.
    pub filtered: u64,
    /// Rows that were rejected, late ones among them.
    pub rejected: u64,
    /// Rows for which an expectation with `alert` or `tag` did not hold.
    pub alerts: u64,
    /// Groups or table rows held.
    pub held: u64,
}

/// One sink's counters.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SinkSnapshot {
    /// Its name.
    pub name: String,
    /// Rows handed to it.
    pub rows: u64,
    /// Bytes encoded, once it has finished.
    pub bytes: u64,
}
