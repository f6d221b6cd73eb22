//! The first rows of each key, by some order: of all rows so far, or of each window.
//!
//! Results depend on the rows of each epoch and on time alone. Rows that the order does not tell apart are told apart by their contents, never by which came
//! first. Over all time the result is a changelog: an epoch's changes, summed. Over an append-only input only the rows that are to be seen are kept, and
//! most rows are turned away by one comparison; over a changelog all rows are kept, since any may come up when others are taken back. A window gives its rows
//! once, when it closes.
//!
//! Parts: `order` (which row comes first), `lists` (the rows of each key, over `runs` and `rows`), `all_time` and `panes` (what comes out), `ages` (keys that
//! live their time), `state` (captures). `first` and `neighbour` are made of the same lists.

pub(crate) mod ages;
mod all_time;
pub(crate) mod lists;
pub(crate) mod order;
mod panes;
pub(crate) mod rows;
mod runs;
mod spec;
pub(crate) mod state;
pub(crate) mod visits;

use crate::{Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects, batches};
use all_time::AllTime;
use arrow::datatypes::SchemaRef;
use lists::Lists;
use panes::Panes;
use runink_checkpoint::{KeyGroups, StateTable};
use runink_planner::RankOp;
use spec::Spec;
use state::{Deleted, Layout};

/// Ranks rows by key. See the module.
pub struct RankOperator {
    spec: Spec,
    scope: Scope,
    deleted: Vec<Deleted>,
}

enum Scope {
    AllTime(Box<AllTime>),
    Panes(Box<Panes>),
}

impl RankOperator {
    /// A ranking without rows.
    ///
    /// # Errors
    /// Where the plan does not fit its schemas.
    pub fn new(step: &str, op: &RankOp, input: &SchemaRef, output: &SchemaRef, groups: KeyGroups) -> Result<Self, OperatorError> {
        let spec = Spec::new(step, op, input, output, groups)?;
        let scope = match spec.windows {
            None => Scope::AllTime(Box::new(AllTime::new(&spec, op.ttl_us())?)),
            Some(_) => Scope::Panes(Box::new(Panes::new())),
        };
        Ok(RankOperator { spec, scope, deleted: Vec::new() })
    }

    fn lists(&self) -> impl Iterator<Item = &Lists> {
        let (all, panes) = match &self.scope {
            Scope::AllTime(all) => (Some(&all.lists), None),
            Scope::Panes(panes) => (None, Some(panes.panes.values())),
        };
        all.into_iter().chain(panes.into_iter().flatten())
    }

    fn layout(&self) -> Layout {
        let ages = matches!(&self.scope, Scope::AllTime(all) if all.ages.is_some());
        Layout::of(&self.spec.input, &self.spec.keys, ages)
    }

    fn run(&mut self, batches: &[Batch], time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        let spec = &self.spec;
        match (&mut self.scope, &spec.windows) {
            (Scope::Panes(panes), Some(windowed)) => {
                let mut filtered = 0;
                for batch in batches.iter().filter(|b| !b.is_empty()) {
                    filtered += panes.apply((spec, windowed), batch, time, rejects)?;
                }
                Ok(Given { batches: panes.close((spec, windowed), time, &mut self.deleted)?, filtered })
            }
            (Scope::AllTime(all), _) => {
                let filtered = all.apply(spec, batches)?;
                let changes = all.close(spec, time.watermark, time.clock_us, &mut self.deleted)?;
                Ok(Given { batches: time.ordered(changes), filtered })
            }
            (Scope::Panes(_), None) => Err(OperatorError::plan(&spec.step, "windows without a shape")),
        }
    }
}

impl EpochOperator for RankOperator {
    fn epoch(&mut self, mut inputs: Vec<Vec<Ordered>>, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        self.run(&batches(inputs.pop().unwrap_or_default()), time, rejects)
    }

    fn held(&self) -> u64 {
        self.lists().map(|lists| lists.len() as u64).sum()
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        Some(self)
    }

    fn resume(&mut self, watermark: i64, clock_us: i64) {
        match (&mut self.scope, &self.spec.windows) {
            (Scope::Panes(panes), Some(windowed)) => panes.closed_to = panes.closed_to.max(windowed.reached(watermark, clock_us)),
            (Scope::AllTime(all), _) => all.ages.iter_mut().for_each(|ages| ages.in_event_time |= watermark != i64::MIN),
            _ => {}
        }
    }
}
