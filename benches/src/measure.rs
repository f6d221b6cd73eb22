//! Two ways of doing the same, timed in turn, and the ratio of their medians.

use std::time::{Duration, Instant};

/// Medians of two ways.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// Of the first.
    pub first: Duration,
    /// Of the second.
    pub second: Duration,
}

impl Pair {
    /// How many times as fast the second is as the first.
    pub fn speed_of_second(&self) -> f64 {
        self.first.as_secs_f64() / self.second.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Times two ways in turn, so that what disturbs the machine disturbs both; the first round only warms up.
///
/// # Errors
/// The first that either way gives.
pub fn in_turn<E>(rounds: usize, mut first: impl FnMut() -> Result<(), E>, mut second: impl FnMut() -> Result<(), E>) -> Result<Pair, E> {
    let mut times = (Vec::new(), Vec::new());
    for round in 0..=rounds.max(1) {
        let (one, two) = (timed(&mut first)?, timed(&mut second)?);
        if round > 0 {
            times.0.push(one);
            times.1.push(two);
        }
    }
    Ok(Pair { first: median(times.0), second: median(times.1) })
}

fn timed<E>(work: &mut impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
