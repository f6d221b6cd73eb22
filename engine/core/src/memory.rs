//! How much memory tables may take whose clean rows may lie in the store alone: one budget for all operators and workers of a process.
//!
//! Each operator says after an epoch how much it takes; when all together take more than the budget, each gives back in proportion to what it takes itself. So
//! nothing is divided up in advance: an operator that needs little leaves the rest to others.

use crate::{EngineError, checkpoints::not_restored, metrics::StepMemory};
use runink_checkpoint::{SpillCounts, SpillTable};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// See the module.
#[derive(Debug)]
pub struct MemoryBudget {
    bytes: u64,
    used: AtomicU64,
}

/// When memory is given back, this much of the budget stays in use, in eighths: so that rows are looked through once in a while and not in each epoch.
const LEFT_EIGHTHS: u64 = 6;

impl MemoryBudget {
    /// That many bytes.
    pub fn new(bytes: u64) -> Self {
        MemoryBudget { bytes, used: AtomicU64::new(0) }
    }

    /// How much all tables take that were looked at.
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// One table takes `now` bytes where it took `before`: how many it gives back.
    fn give_back(&self, before: u64, now: u64) -> u64 {
        let before_all = self.used.fetch_add(now.wrapping_sub(before), Relaxed);
        share_over(now, before_all.wrapping_add(now.wrapping_sub(before)), self.bytes)
    }
}

/// How many of its `own` bytes a table gives back when `all` tables together take so many.
fn share_over(own: u64, all: u64, budget: u64) -> u64 {
    if all <= budget {
        return 0;
    }
    let left = u128::from(own) * u128::from(budget / 8 * LEFT_EIGHTHS) / u128::from(all.max(1));
    own - (left as u64).min(own)
}

/// One operator's part on one worker.
pub(crate) struct Spilling {
    budget: Option<Arc<MemoryBudget>>,
    used: u64,
    counts: SpillCounts,
}

impl Spilling {
    pub(crate) fn new(budget: Option<Arc<MemoryBudget>>) -> Self {
        Spilling { budget, used: 0, counts: SpillCounts::default() }
    }

    /// An epoch is over: rows are let go if memory is wanted.
    pub(crate) fn after_epoch(&mut self, table: &mut dyn SpillTable, step: &str, counters: Option<&StepMemory>) -> Result<(), EngineError> {
        let before = self.used;
        let mut used = table.used_bytes() as u64;
        if let Some(budget) = &self.budget {
            let over = budget.give_back(before, used);
            if over > 0 {
                let freed = table.evict(usize::try_from(over).unwrap_or(usize::MAX)).map_err(|e| not_restored(step, e))?;
                if freed > 0 {
                    let now = table.used_bytes() as u64;
                    budget.give_back(used, now);
                    used = now;
                }
            }
        }
        self.used = used;
        let counts = table.spill_counts();
        if let Some(counters) = counters {
            counters.changed(before, used, &self.counts, &counts);
        }
        self.counts = counts;
        Ok(())
    }
}

impl Drop for Spilling {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.used.fetch_sub(self.used, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_give_back_in_proportion_to_what_they_take() {
        assert_eq!(share_over(50, 100, 100), 0);
        assert_eq!(share_over(100, 200, 80), 100 - 30);
        assert_eq!(share_over(0, 200, 80), 0);
        assert_eq!(share_over(7, 7, 0), 7);
        let budget = MemoryBudget::new(80);
        assert_eq!(budget.give_back(0, 60), 0);
        assert_eq!(budget.give_back(0, 60), 30);
        assert_eq!(budget.give_back(60, 30), 10);
        assert_eq!(budget.give_back(30, 20), 0);
        assert_eq!(budget.used(), 80);
    }
}
