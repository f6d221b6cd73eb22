//! Random numbers by place: the value of a field of an event depends on the seed, the event's number and the field, and on nothing that was drawn before.
//!
//! SplitMix64's finaliser over a counter. It is our own, since outputs must stay the same from version to version and on every machine.

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The numbers of one event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64, event: u64) -> Self {
        Draw(mix(mix(seed.wrapping_add(GOLDEN)) ^ event.wrapping_mul(GOLDEN)))
    }

    /// The number of a field.
    pub(crate) fn bits(self, field: u64) -> u64 {
        mix(self.0.wrapping_add((field + 1).wrapping_mul(GOLDEN)))
    }

    /// A number below `end` (0 where that is 0).
    pub(crate) fn below(self, field: u64, end: u64) -> u64 {
        ((u128::from(self.bits(field)) * u128::from(end)) >> 64) as u64
    }

    /// A number from 0 to below 1.
    pub(crate) fn unit(self, field: u64) -> f64 {
        (self.bits(field) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of these.
    pub(crate) fn one_of<'a>(self, field: u64, words: &[&'a str]) -> &'a str {
        words.get(self.below(field, words.len() as u64) as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_even_and_fields_differ() {
        let mut counts = [0u32; 10];
        let mut sum = 0.0;
        for event in 0..10_000 {
            let draw = Draw::new(7, event);
            counts[draw.below(0, 10) as usize] += 1;
            sum += draw.unit(1);
            assert_ne!(draw.bits(0), draw.bits(1));
        }
        assert!(counts.iter().all(|&c| (800..1200).contains(&c)), "{counts:?}");
        assert!((4_800.0..5_200.0).contains(&sum), "{sum}");
        assert_eq!(Draw::new(7, 3).bits(2), Draw::new(7, 3).bits(2));
        assert_ne!(Draw::new(7, 3).bits(2), Draw::new(8, 3).bits(2));
    }
}
