//! What a soak has come to.

use super::{Difference, life::Phase};
use std::{fmt, time::Duration};

/// How long readers of committed messages may wait for one transaction while all is well.
const MAY_BLOCK: Duration = Duration::from_secs(2);

/// What a soak has come to.
#[derive(Debug)]
pub struct Report {
    pub(super) seed: u64,
    pub(super) rows: u64,
    pub(super) took: Duration,
    pub(super) phases: Vec<(Phase, usize)>,
    pub(super) starts: Vec<Duration>,
    pub(super) returns: Vec<Duration>,
    pub(super) longest_gap: Duration,
    pub(super) blocked_well: Duration,
    pub(super) blocked_restart: Duration,
    /// The output of the step without state.
    pub kept: Difference,
    /// The output of the windows.
    pub windows: Difference,
}

impl Report {
    /// Nothing is lost, doubled or out of order, and no reader waited for too long.
    pub fn is_well(&self) -> bool {
        self.kept.is_none() && self.windows.is_none() && self.blocked_well <= MAY_BLOCK
    }

    /// How often the scenario was killed.
    pub fn kills(&self) -> usize {
        self.phases.iter().map(|(_, times)| times).sum()
    }

    /// How often the broker went and came.
    pub fn broker_restarts(&self) -> usize {
        self.returns.len()
    }
}

/// The middle one, the one that a hundredth exceeds, and the longest.
fn spread(of: &[Duration]) -> String {
    let mut sorted = of.to_vec();
    sorted.sort_unstable();
    let at = |part: usize| sorted.get((sorted.len() * part / 100).min(sorted.len().saturating_sub(1))).map_or(0, Duration::as_millis);
    format!("median {} ms, p99 {} ms, longest {} ms ({} times)", at(50), at(99), at(100), sorted.len())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {} rows in {} s, {} kills", self.seed, self.rows, self.took.as_secs(), self.kills())?;
        writeln!(f, "\n| killed while | times |\n|---|--:|")?;
        for (phase, what) in Phase::ALL {
            let times = self.phases.iter().find(|(p, _)| *p == phase).map_or(0, |(_, times)| *times);
            writeln!(f, "| {what} | {times} |")?;
        }
        writeln!(f, "\nfrom a start to the first output: {}", spread(&self.starts))?;
        writeln!(f, "from the broker's return to the first output: {}", spread(&self.returns))?;
        let ms = |d: Duration| d.as_millis();
        writeln!(
            f,
            "longest wait of readers for a transaction: {} ms, with a kill and a start in it {} ms",
            ms(self.blocked_well),
            ms(self.blocked_restart)
        )?;
        writeln!(f, "longest time between two rows: {} ms", ms(self.longest_gap))?;
        writeln!(f, "rows without state: {}", self.kept)?;
        writeln!(f, "windows: {}", self.windows)
    }
}
