//! How an aggregation gives its results out, and the context in which an epoch ends.

use super::{emit::Emission, grouping::Grouping, pane::Marks};
use crate::Rejects;
use arrow::datatypes::SchemaRef;
use runink_planner::{AggregateOp, EmitMode};

/// See the module.
pub(super) struct Settings {
    pub(super) emit: EmitMode,
    pub(super) output: SchemaRef,
    /// Results may be taken back.
    pub(super) changelog: bool,
    /// Somebody asks which groups an epoch touched.
    pub(super) touches: bool,
}

impl Settings {
    pub(super) fn of(op: &AggregateOp, output: &SchemaRef) -> Self {
        let corrects = op.window.is_some() && op.allowed_lateness_us > 0;
        let changelog = op.emit != EmitMode::OnClose || corrects;
        let ages = op.window.is_none() && op.ttl_us.is_some();
        Settings { emit: op.emit, output: output.clone(), changelog, touches: changelog || ages || op.retracts }
    }

    /// What is noted of groups that get rows.
    pub(super) fn marks(&self) -> Marks {
        if self.touches { Marks::Touched } else { Marks::Rows }
    }
}

/// An epoch's end.
pub(super) struct Turn<'a> {
    pub(super) grouping: &'a Grouping,
    pub(super) settings: &'a Settings,
    /// Up to where windows close, in their time.
    pub(super) watermark: i64,
    /// What `every d` and ages count in: the windows' time, or the clock where there is no window.
    pub(super) now: i64,
    pub(super) emission: Emission<'a>,
    pub(super) rejects: &'a mut Rejects,
}
