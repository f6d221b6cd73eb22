//! When events happen: evenly, so many a second.

/// Event n happens n / rate seconds after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeline {
    /// The first event's time, in µs since 1970.
    pub(crate) first_us: i64,
    /// Events in 1,000 seconds.
    per_1000_s: u64,
}

/// Microseconds in 1,000 seconds.
const US: u64 = 1_000_000_000;

impl Timeline {
    pub(crate) fn new(first_us: i64, per_second: f64) -> Self {
        Timeline { first_us, per_1000_s: ((per_second * 1_000.0).round() as u64).max(1) }
    }

    /// How long after the first event that one happens, in µs.
    pub(crate) fn offset_us(&self, event: u64) -> u64 {
        match event.checked_mul(US) {
            Some(scaled) => scaled / self.per_1000_s,
            None => u64::try_from(u128::from(event) * u128::from(US) / u128::from(self.per_1000_s)).unwrap_or(u64::MAX),
        }
    }

    /// Its event time, in µs since 1970.
    pub(crate) fn at_us(&self, event: u64) -> i64 {
        self.first_us.saturating_add_unsigned(self.offset_us(event))
    }

    /// How many events there are in so many µs.
    pub(crate) fn events_in(&self, us: u64) -> u64 {
        u64::try_from(u128::from(us) * u128::from(self.per_1000_s) / u128::from(US)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_even_at_any_rate() {
        let third = Timeline::new(5, 1.0 / 3.0);
        assert_eq!((third.at_us(0), third.at_us(1)), (5, 5 + 3_003_003));
        let fast = Timeline::new(0, 4e6);
        assert_eq!((fast.at_us(3), fast.at_us(4), fast.events_in(10)), (0, 1, 40));
        assert_eq!(Timeline::new(0, 1.0).offset_us(u64::MAX), u64::MAX);
    }
}
