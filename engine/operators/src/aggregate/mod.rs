//! Groups and windows: rows of a key are aggregated by slice of time, results are given out as windows close or as they change.
//!
//! Results depend on the rows of each epoch and its watermark alone: not on batch cuts, on workers, or on when state was captured. Parts:
//! `window` (arithmetic of time), `time` (rows to slices), `keys` (keys to numbers), `calls` (accumulators by number), `pane` (one
//! slice's groups), `panes` and `sessions` (what is open, closes and goes), `emit` (results to batches), `state` (captures).
//!
//! Where the input takes rows back, every accumulator can forget a row again (`calls`), a group knows how many rows it has, and goes when it has none.
//!
//! A global aggregate (no keys) over no rows gives no row: a stream has no moment at which nothing has come yet.

pub(crate) mod calls;
pub(crate) mod emit;
mod epoch;
pub(crate) mod grouping;
pub(crate) mod keys;
mod pane;
mod panes;
mod partial;
mod sessions;
mod settings;
mod spill;
mod state;
pub(crate) mod store;
pub(crate) mod time;
pub(crate) mod window;

pub use epoch::MergeAggregate;
pub use partial::PartialAggregate;

use crate::{Batch, OperatorError, Rejects};
use arrow::{
    datatypes::{DataType, SchemaRef},
    record_batch::RecordBatch,
};
use emit::Emission;
use grouping::Grouping;
use panes::Panes;
use runink_checkpoint::{KeyGroups, StateTable};
use runink_planner::AggregateOp;
use sessions::Sessions;
use settings::{Settings, Turn};
use window::Windows;

/// What an epoch gives.
pub struct AggregateOutput {
    /// Results; with multiplicities where they can be taken back.
    pub batches: Vec<Batch>,
}

/// Aggregates rows by key, in windows or over all time. Called once per epoch, in order: [`Self::apply`] or [`Self::merge`], then
/// [`Self::close`].
pub struct AggregateOperator {
    grouping: Grouping,
    settings: Settings,
    shape: Shape,
    /// Whether groups may lie in the store alone.
    spills: bool,
}

enum Shape {
    Panes(Box<Panes>),
    Sessions { gap: i64, sessions: Box<Sessions> },
}

impl AggregateOperator {
    /// An operator without state.
    ///
    /// # Errors
    /// Where the plan does not fit its schemas.
    pub fn new(step: &str, op: &AggregateOp, input: &SchemaRef, output: &SchemaRef, groups: KeyGroups) -> Result<Self, OperatorError> {
        let grouping = Grouping::new(step, op, input, groups)?;
        let mut types: Vec<&DataType> = grouping.key_fields.iter().map(|f| f.data_type()).collect();
        types.extend(grouping.calls.iter().map(|c| &c.output));
        let edges = if grouping.windowed { 2 } else { 0 };
        let fits = output.fields().len() == types.len() + edges
            && output.fields().iter().zip(&types).all(|(f, t)| f.data_type() == *t)
            && output.fields()[types.len()..].iter().all(|f| matches!(f.data_type(), DataType::Timestamp(..)));
        if !fits {
            return Err(OperatorError::plan(step, format!("the aggregation gives {types:?}, the plan says {output:?}")));
        }
        if op.retracts && (grouping.gap.is_some() || grouping.by_clock() || op.ttl_us.is_some()) {
            return Err(OperatorError::plan(step, "sessions, processing time or a time to live over a changelog"));
        }
        let settings = Settings::of(op, output);
        let shape = match grouping.gap {
            Some(gap) => Shape::Sessions { gap, sessions: Box::new(Sessions::new(&grouping).map_err(|e| grouping.error(e))?) },
            None => {
                let cumulates = matches!(grouping.windows, Windows::Cumulating { .. });
                let ttl = op.ttl_us.filter(|_| op.window.is_none());
                Shape::Panes(Box::new(Panes::new(ttl, cumulates && !settings.changelog)))
            }
        };
        let spills = spill::can(&grouping, &settings, &shape, op);
        Ok(AggregateOperator { settings, grouping, shape, spills })
    }

    /// Says where time stood when the state that is restored was captured: the epoch's watermark and clock, in µs. Windows that had closed
    /// by then are not given out again.
    pub fn resume(&mut self, watermark: i64, clock_us: i64) {
        let reached = self.grouping.watermark(watermark, clock_us);
        match &mut self.shape {
            Shape::Panes(panes) => {
                panes.closed_to = panes.closed_to.max(reached);
                if let Some(age) = &mut panes.age {
                    age.in_event_time |= watermark != i64::MIN;
                }
            }
            Shape::Sessions { sessions, .. } => sessions.closed_to = sessions.closed_to.max(reached),
        }
    }

    /// Takes an epoch's rows. `watermark_before` is that of the epoch before, in µs: it decides which rows are late. `clock_us` is the
    /// epoch's wall clock.
    ///
    /// # Errors
    /// Where rows do not fit the plan. A row that cannot be placed is rejected.
    pub fn apply(&mut self, batches: Vec<Batch>, watermark_before: i64, clock_us: i64, rejects: &mut Rejects) -> Result<(), OperatorError> {
        let grouping = &self.grouping;
        let reached = if grouping.by_clock() { i64::MIN } else { watermark_before };
        match &mut self.shape {
            Shape::Panes(panes) => {
                panes.closed_to = panes.closed_to.max(reached);
                for batch in &batches {
                    panes.apply(grouping, batch, self.settings.marks(), clock_us, rejects)?;
                }
                Ok(())
            }
            Shape::Sessions { gap, sessions } => {
                sessions.closed_to = sessions.closed_to.max(reached);
                sessions.apply(grouping, *gap, &batches, clock_us, rejects)
            }
        }
    }

    /// Takes an epoch's partial states, as [`PartialAggregate::apply`] gives them.
    ///
    /// # Errors
    /// Where they do not fit the plan.
    pub fn merge(&mut self, partials: &[RecordBatch]) -> Result<(), OperatorError> {
        match &mut self.shape {
            Shape::Panes(panes) => partials.iter().try_for_each(|p| panes.merge(&self.grouping, p, self.settings.marks())),
            Shape::Sessions { .. } => Err(OperatorError::plan(&self.grouping.step, "sessions in two phases")),
        }
    }

    /// Ends the epoch: gives out what closed or changed. `watermark` is the epoch's, `i64::MAX` at the input's end; results that cannot be
    /// written are rejected.
    ///
    /// # Errors
    /// Where a kernel fails.
    pub fn close(&mut self, watermark: i64, clock_us: i64, rejects: &mut Rejects) -> Result<AggregateOutput, OperatorError> {
        let grouping = &self.grouping;
        let reached = grouping.watermark(watermark, clock_us);
        let mut turn = Turn {
            grouping,
            settings: &self.settings,
            watermark: reached,
            now: if grouping.windowed { reached } else { clock_us },
            emission: Emission::new(grouping, &self.settings.output, self.settings.changelog),
            rejects,
        };
        match &mut self.shape {
            Shape::Panes(panes) => panes.close(&mut turn)?,
            Shape::Sessions { sessions, .. } => sessions.close(&mut turn)?,
        }
        Ok(AggregateOutput { batches: turn.emission.finish()? })
    }

    /// How many keys (in windows: keys per slice or session) are held.
    pub fn held(&self) -> u64 {
        self.keys() as u64
    }
}
