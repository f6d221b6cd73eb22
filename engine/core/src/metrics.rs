//! What a running scenario counts, and how it looks at a moment.

use crate::{
    books::{self, Side},
    checks::{Check, CheckSnapshot},
};
use runink_checkpoint::SpillCounts;
use runink_operators::rows::StageCounts;
use runink_planner::{NodeId, Op, Plan};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

/// Counters of one scenario, shared by its workers. Plain atomics: they are added to once per batch, not per row.
#[derive(Debug)]
pub(crate) struct Metrics {
    steps: Vec<(String, StepCounters)>,
    /// By node, the parts of steps that it does.
    parts: Vec<Vec<books::Part>>,
    sources: BTreeMap<usize, (String, SourceCounters)>,
    sinks: BTreeMap<usize, (String, SinkCounters)>,
    checks: BTreeMap<usize, Check>,
}

#[derive(Debug, Default)]
pub(crate) struct StepCounters {
    rows_in: AtomicU64,
    rows_out: AtomicU64,
    filtered: AtomicU64,
    rejected: AtomicU64,
    alerts: AtomicU64,
    held: AtomicI64,
    memory: StepMemory,
}

/// What a step's tables take that may leave rows to the store.
#[derive(Debug, Default)]
pub(crate) struct StepMemory {
    bytes: AtomicI64,
    evicted: AtomicU64,
    fetched: AtomicU64,
    looked_up: AtomicU64,
}

impl StepMemory {
    /// One worker's table takes `now` bytes where it took `before`; what its shelf was used for went on likewise.
    pub(crate) fn changed(&self, before: u64, now: u64, counts: &SpillCounts, to: &SpillCounts) {
        self.bytes.fetch_add(now as i64 - before as i64, Relaxed);
        self.evicted.fetch_add(to.evicted - counts.evicted, Relaxed);
        self.fetched.fetch_add(to.fetched - counts.fetched, Relaxed);
        self.looked_up.fetch_add(to.looked_up - counts.looked_up, Relaxed);
    }
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
        let (steps, parts) = books::of(plan);
        let steps = steps.into_iter().map(|name| (name, StepCounters::default())).collect();
        let mut metrics = Metrics { steps, parts, sources: BTreeMap::new(), sinks: BTreeMap::new(), checks: BTreeMap::new() };
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
                Op::Check(_) => {
                    metrics.checks.insert(id, Check::of(&node.name));
                }
                _ => {}
            }
        }
        metrics
    }

    /// The books of a node's part: of its only one, or of the run of stages at that place.
    pub(crate) fn part(&self, node: NodeId, at: usize) -> Option<PartCounters<'_>> {
        let part = self.parts.get(node.0)?.get(at)?;
        Some(PartCounters { side: part.side, step: &self.steps.get(part.step)?.1 })
    }

    /// The memory of a node's step.
    pub(crate) fn memory(&self, node: NodeId) -> Option<&StepMemory> {
        let part = self.parts.get(node.0)?.first()?;
        Some(&self.steps.get(part.step)?.1.memory)
    }

    pub(crate) fn source(&self, node: usize) -> Option<&SourceCounters> {
        self.sources.get(&node).map(|(_, c)| c)
    }

    pub(crate) fn sink(&self, node: usize) -> Option<&SinkCounters> {
        self.sinks.get(&node).map(|(_, c)| c)
    }

    pub(crate) fn check(&self, node: NodeId) -> Option<&Check> {
        self.checks.get(&node.0)
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
                    state_bytes: u64::try_from(c.memory.bytes.load(Relaxed)).unwrap_or(0),
                    evicted: c.memory.evicted.load(Relaxed),
                    fetched: c.memory.fetched.load(Relaxed),
                    looked_up: c.memory.looked_up.load(Relaxed),
                })
                .collect(),
            sinks: self
                .sinks
                .values()
                .map(|(name, c)| SinkSnapshot { name: name.clone(), rows: c.rows.load(Relaxed), bytes: c.bytes.load(Relaxed) })
                .collect(),
            checks: self.checks.values().map(Check::snapshot).collect(),
        }
    }
}

/// The counters of a step, for one of its parts.
pub(crate) struct PartCounters<'a> {
    side: Side,
    step: &'a StepCounters,
}

/// What a part did with its rows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moved {
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
    pub(crate) filtered: u64,
    pub(crate) rejected: u64,
}

impl PartCounters<'_> {
    /// Adds what a run of stages did.
    pub(crate) fn add_stages(&self, stages: &[StageCounts]) {
        let sum = |count: fn(&StageCounts) -> u64| stages.iter().map(count).sum();
        self.add(Moved {
            rows_in: stages.first().map_or(0, |s| s.rows_in),
            rows_out: stages.last().map_or(0, |s| s.rows_out),
            filtered: sum(|s| s.filtered),
            rejected: sum(|s| s.rejected),
        });
        self.step.alerts.fetch_add(sum(|s| s.alerts), Relaxed);
    }

    pub(crate) fn add(&self, moved: Moved) {
        let (enters, leaves, kept_out) = match self.side {
            Side::Through { enters, leaves } => (enters, leaves, 0),
            Side::Table => (false, false, moved.filtered + moved.rejected),
        };
        self.step.rows_in.fetch_add(if enters { moved.rows_in } else { kept_out }, Relaxed);
        self.step.rows_out.fetch_add(if leaves { moved.rows_out } else { 0 }, Relaxed);
        self.step.filtered.fetch_add(moved.filtered, Relaxed);
        self.step.rejected.fetch_add(moved.rejected, Relaxed);
    }

    /// Counts rows that come to the step here, and not through its first part: the right ones of a join of streams, say.
    pub(crate) fn add_others(&self, rows: u64) {
        self.step.rows_in.fetch_add(rows, Relaxed);
    }

    /// What one worker's operator holds changed by that much.
    pub(crate) fn held_changed(&self, by: i64) {
        self.step.held.fetch_add(by, Relaxed);
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
    /// Expectations on windows, in the plan's order.
    pub checks: Vec<CheckSnapshot>,
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

/// One step's counters. `rows_in` = `rows_out` + `filtered` + `rejected` for steps that neither group nor multiply rows. A join's rows are those of
/// its stream, and those of its table that the step turns away; a join of two streams counts the rows of both. A step with several outputs counts its rows once for each.
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
    /// Groups or table rows held in memory.
    pub held: u64,
    /// What its tables take in memory that may leave rows to the store, in bytes.
    pub state_bytes: u64,
    /// How many of their rows were let go from memory.
    pub evicted: u64,
    /// How many of these, or of those that a checkpoint had, came back.
    pub fetched: u64,
    /// How many keys were looked up in the store.
    pub looked_up: u64,
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
