//! Chance that a seed decides: the same numbers on every machine and in every version.

/// Pseudo-random numbers (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Numbers of a seed and a name, so that one example's do not depend on which others are run.
    pub(crate) fn of(seed: u64, name: &str) -> Self {
        // FNV-1a: what a name comes to must not change from one version to the next.
        let named = name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
        Random(seed ^ named)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end.max(1) as u128) >> 64) as usize
    }

    /// A number from 0 to `most`.
    pub(crate) fn upto(&mut self, most: i64) -> i64 {
        let span = u128::from(most.max(0).unsigned_abs()) + 1;
        ((u128::from(self.next()) * span) >> 64) as i64
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut random = Random::of(7, "an example");
        let numbers = [random.next(), random.next()];
        assert_eq!(numbers, [Random::of(7, "an example").next(), numbers[1]]);
        assert_ne!(Random::of(8, "an example").next(), numbers[0]);
        assert_ne!(Random::of(7, "another").next(), numbers[0]);
        assert!((0..1000).all(|_| random.below(3) < 3 && random.upto(5) <= 5 && random.upto(i64::MAX) >= 0));
    }
}
