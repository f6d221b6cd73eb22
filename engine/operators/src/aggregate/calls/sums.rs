//! Sums and averages of floats over rows that can be taken back: held without rounding, and rounded once when they are read.
//!
//! So a value that is taken back leaves nothing behind, and neither the order of rows nor the number of workers changes a result. A sum is a whole
//! number of units, each a power of two: of 128 bits as long as its values lie within so many powers of two of each other, as nearly all data do; else
//! of as many bits as floats can have. Infinities and NaN are counted. A sum of zero is `0.0`, never `-0.0`.

use super::{Accumulate, CallInput, Evaluated, for_each};
use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, Float64Array, Int64Array},
    datatypes::{Float64Type, Int64Type},
};
use datafusion_common::DataFusionError;
use std::{mem::size_of, sync::Arc};

/// The least power of two that a float has.
const LEAST_POWER: i32 = -1074;
/// Bits per limb of [`Large`].
const LIMB_BITS: u32 = 32;
/// Limbs from the least power of two up to the greatest float, and 64 bits more for how often it can be added.
const LIMBS: usize = (1074 + 1024 + 64) / LIMB_BITS as usize + 2;
/// So often limbs can be added to before their carries are settled.
const UNSETTLED_MAX: u32 = 1 << 29;
/// Values of [`Sum::Small`] stay below this many bits, so that two of them can be added.
const SMALL_BITS: u32 = 126;

/// A sum without rounding.
#[derive(Debug, Clone)]
enum Sum {
    /// `units * 2^power`.
    Small {
        units: i128,
        power: i32,
    },
    Large(Box<Large>),
}

/// A number in limbs of [`LIMB_BITS`] bits, from [`LEAST_POWER`] up; and what no number can hold.
#[derive(Debug, Clone)]
struct Large {
    limbs: [i64; LIMBS],
    unsettled: u32,
    /// How many there are of infinity, negative infinity and NaN.
    special: [i64; 3],
}

/// A finite float as `mantissa * 2^power`, with an odd mantissa unless it is zero.
fn parts(value: f64) -> (i64, i32) {
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, (bits & ((1 << 52) - 1)) as i64);
    let (mantissa, power) = if exponent == 0 { (fraction, LEAST_POWER) } else { (fraction | 1 << 52, exponent + LEAST_POWER - 1) };
    if mantissa == 0 {
        return (0, 0);
    }
    let zeros = mantissa.trailing_zeros();
    let mantissa = mantissa >> zeros;
    (if value.is_sign_negative() { -mantissa } else { mantissa }, power + zeros as i32)
}

fn bits_of(units: i128) -> u32 {
    i128::BITS - units.unsigned_abs().leading_zeros()
}

/// `value * 2^power`, in two steps, of which only the last can leave the range of floats.
fn scaled(value: f64, power: i32) -> f64 {
    let two_to = |power: i32| f64::from_bits(((power + 1023) as u64) << 52);
    let half = power / 2;
    value * two_to(half) * two_to(power - half)
}

impl Sum {
    const ZERO: Sum = Sum::Small { units: 0, power: 0 };

    fn add(&mut self, value: f64, times: i64) {
        if !value.is_finite() {
            let which = if value.is_nan() { 2 } else { usize::from(value < 0.0) };
            let special = &mut self.large().special[which];
            *special = special.saturating_add(times);
            return;
        }
        let (mantissa, power) = parts(value);
        if mantissa != 0 {
            self.add_units(i128::from(mantissa) * i128::from(times), power);
        }
    }

    fn add_units(&mut self, added: i128, at: i32) {
        if let Sum::Small { units, power } = self {
            if *units == 0 {
                (*units, *power) = (added, at);
                return;
            }
            let base = (*power).min(at);
            let fits = |units: i128, power: i32| bits_of(units) + (power - base) as u32 <= SMALL_BITS;
            if (*power - base).max(at - base) < SMALL_BITS as i32 && fits(*units, *power) && fits(added, at) {
                *units = (*units << (*power - base)) + (added << (at - base));
                *power = base;
                return;
            }
        }
        self.large().add(added, at);
    }

    fn large(&mut self) -> &mut Large {
        if let Sum::Small { units, power } = *self {
            let mut large = Box::new(Large { limbs: [0; LIMBS], unsettled: 0, special: [0; 3] });
            large.add(units, power);
            *self = Sum::Large(large);
        }
        match self {
            Sum::Large(large) => large,
            Sum::Small { .. } => unreachable!("it has just become large"),
        }
    }

    fn merge(&mut self, other: &Sum) {
        match other {
            Sum::Small { units, power } => self.add_units(*units, *power),
            Sum::Large(other) => {
                let mut settled = other.clone();
                settled.settle();
                let large = self.large();
                large.settle();
                large.limbs.iter_mut().zip(settled.limbs).for_each(|(limb, more)| *limb += more);
                large.special.iter_mut().zip(settled.special).for_each(|(count, more)| *count = count.saturating_add(more));
                large.settle();
            }
        }
    }

    /// The nearest float.
    fn read(&self) -> f64 {
        match self {
            Sum::Small { units, power } => scaled(*units as f64, *power) + 0.0,
            Sum::Large(large) => large.read(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Sum::Small { units, power } => power.to_le_bytes().into_iter().chain(units.to_le_bytes()).collect(),
            Sum::Large(large) => {
                let mut large = large.clone();
                large.settle();
                large.special.iter().chain(&large.limbs).flat_map(|n| n.to_le_bytes()).collect()
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Sum, DataFusionError> {
        let wrong = || DataFusionError::Internal(format!("a sum of floats in {} bytes", bytes.len()));
        if let (Some(power), Some(units)) = (bytes.first_chunk::<4>(), bytes.get(4..).and_then(|b| <[u8; 16]>::try_from(b).ok())) {
            let (units, power) = (i128::from_le_bytes(units), i32::from_le_bytes(*power));
            let in_range = bits_of(units) <= SMALL_BITS + 1 && (LEAST_POWER..=1024).contains(&power);
            return if in_range { Ok(Sum::Small { units, power }) } else { Err(wrong()) };
        }
        let (words, []) = bytes.as_chunks::<8>() else { return Err(wrong()) };
        let words: Vec<i64> = words.iter().map(|w| i64::from_le_bytes(*w)).collect();
        let (special, limbs) = words.split_at_checked(3).ok_or_else(wrong)?;
        let (special, limbs) = (special.try_into().map_err(|_| wrong())?, limbs.try_into().map_err(|_| wrong())?);
        let mut large = Large { limbs, unsettled: 0, special };
        if large.limbs.iter().any(|l| l.unsigned_abs() > 1 << LIMB_BITS) {
            return Err(wrong());
        }
        large.settle();
        Ok(Sum::Large(Box::new(large)))
    }

    fn bytes(&self) -> usize {
        if matches!(self, Sum::Large(_)) { size_of::<Large>() } else { 0 }
    }
}

impl Large {
    fn add(&mut self, units: i128, power: i32) {
        if units == 0 {
            return;
        }
        if self.unsettled >= UNSETTLED_MAX {
            self.settle();
        }
        self.unsettled += 1;
        let place = (power - LEAST_POWER) as u32;
        let (mut at, shift) = ((place / LIMB_BITS) as usize, place % LIMB_BITS);
        let sign = if units < 0 { -1 } else { 1 };
        let mask = (1u128 << LIMB_BITS) - 1;
        let mut rest = units.unsigned_abs();
        let first = (rest << shift) & mask;
        rest >>= LIMB_BITS - shift;
        let mut part = first;
        loop {
            if let Some(limb) = self.limbs.get_mut(at) {
                *limb += sign * part as i64;
            }
            if rest == 0 {
                return;
            }
            (part, rest, at) = (rest & mask, rest >> LIMB_BITS, at + 1);
        }
    }

    /// Brings every limb but the highest into `0..2^32`.
    fn settle(&mut self) {
        let mut carry = 0;
        for limb in &mut self.limbs[..LIMBS - 1] {
            let whole = *limb + carry;
            carry = whole >> LIMB_BITS;
            *limb = whole & ((1 << LIMB_BITS) - 1);
        }
        self.limbs[LIMBS - 1] += carry;
        self.unsettled = 0;
    }

    fn read(&self) -> f64 {
        match self.special.map(|count| count > 0) {
            [_, _, true] | [true, true, _] => return f64::NAN,
            [true, ..] => return f64::INFINITY,
            [_, true, _] => return f64::NEG_INFINITY,
            _ => {}
        }
        let mut number = self.clone();
        number.settle();
        let negative = number.limbs[LIMBS - 1] < 0;
        if negative {
            number.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            number.settle();
        }
        let Some(highest) = number.limbs.iter().rposition(|&limb| limb != 0) else { return 0.0 };
        let lowest = highest.saturating_sub(3);
        let top = number.limbs[lowest..=highest].iter().rev().fold(0u128, |top, &limb| top << LIMB_BITS | limb as u128);
        // What lies below can only tip the balance.
        let tip = u128::from(number.limbs[..lowest].iter().any(|&limb| limb != 0));
        let value = scaled((top | tip) as f64, lowest as i32 * LIMB_BITS as i32 + LEAST_POWER);
        if negative { -value } else { value }
    }
}

#[derive(Debug, Clone)]
struct Slot {
    sum: Sum,
    count: i64,
}

const EMPTY: Slot = Slot { sum: Sum::ZERO, count: 0 };

/// See the module.
pub(super) struct FloatSums {
    average: bool,
    slots: Vec<Slot>,
}

impl FloatSums {
    pub(super) fn new(average: bool) -> Self {
        FloatSums { average, slots: Vec::new() }
    }

    fn slot(&self, group: u32) -> &Slot {
        self.slots.get(group as usize).unwrap_or(&EMPTY)
    }

    fn grow(&mut self, bound: usize) {
        self.slots.resize(bound.max(self.slots.len()), EMPTY);
    }
}

impl Accumulate for FloatSums {
    fn update(&mut self, input: &CallInput, groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.grow(bound);
        let values = input.columns[0].as_primitive::<Float64Type>().values();
        let slots = self.slots.as_mut_slice();
        for_each(groups, input.valid().as_ref(), |row, group| {
            let (slot, diff) = (&mut slots[group], input.diff(row));
            slot.sum.add(values[row], diff);
            slot.count = slot.count.saturating_add(diff);
        });
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], bound: usize) -> Result<(), DataFusionError> {
        self.grow(bound);
        let sums: &BinaryArray = states[0].as_binary();
        let counts = states[1].as_primitive::<Int64Type>().values();
        for (row, (&group, &count)) in groups.iter().zip(counts).enumerate() {
            let slot = &mut self.slots[group as usize];
            if sums.is_valid(row) {
                slot.sum.merge(&Sum::decode(sums.value(row))?);
            }
            slot.count = slot.count.saturating_add(count);
        }
        Ok(())
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>, DataFusionError> {
        let mut sums = BinaryBuilder::with_capacity(groups.len(), groups.len() * 20);
        groups.iter().for_each(|&g| sums.append_value(self.slot(g).sum.encode()));
        let counts = Int64Array::from_iter_values(groups.iter().map(|&g| self.slot(g).count));
        Ok(vec![Arc::new(sums.finish()), Arc::new(counts)])
    }

    fn evaluate(&mut self, groups: &[u32]) -> Result<Evaluated, DataFusionError> {
        let values = groups.iter().map(|&g| {
            let slot = self.slot(g);
            (slot.count > 0).then(|| if self.average { slot.sum.read() / slot.count as f64 } else { slot.sum.read() })
        });
        Ok(Evaluated::of(Arc::new(values.collect::<Float64Array>())))
    }

    fn forget(&mut self, group: u32) {
        if let Some(slot) = self.slots.get_mut(group as usize) {
            *slot = EMPTY;
        }
    }

    fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.slots.iter().map(|s| s.sum.bytes()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Whole numbers of the least unit, as digits of 2^32, with a sign: slow, and by school arithmetic.
    #[derive(Debug, Clone, PartialEq)]
    struct Slow(Vec<i64>);

    impl Slow {
        fn of(values: &[f64]) -> Slow {
            let mut digits = vec![0i64; 80];
            for &value in values {
                let (mantissa, power) = parts(value);
                let place = (power - LEAST_POWER) as usize;
                for bit in 0..64 {
                    if mantissa.unsigned_abs() >> bit & 1 == 1 {
                        digits[(place + bit) / 32] += mantissa.signum() << ((place + bit) % 32);
                    }
                }
            }
            Slow(digits)
        }

        /// The nearest float, found by halving: the sign of the sum less a candidate tells on which side it is.
        fn is_nearest(&self, candidate: f64, values: &[f64]) -> bool {
            let less = |other: f64| {
                let all: Vec<f64> = values.iter().copied().chain([-other]).collect();
                Slow::of(&all).sign()
            };
            let distance = |other: f64| {
                let all: Vec<f64> = values.iter().copied().chain([-other]).collect();
                let slow = Slow::of(&all);
                (slow.magnitude(), slow.sign())
            };
            let here = less(candidate);
            let beside = if here > 0 { candidate.next_up() } else { candidate.next_down() };
            here == 0 || !beside.is_finite() || distance(candidate).0 <= distance(beside).0
        }

        fn settled(&self) -> Vec<i64> {
            let (mut out, mut carry) = (Vec::new(), 0i64);
            for digit in &self.0 {
                let whole = digit + carry;
                carry = whole.div_euclid(1 << 32);
                out.push(whole.rem_euclid(1 << 32));
            }
            out.push(carry);
            out
        }

        fn sign(&self) -> i64 {
            let settled = self.settled();
            if *settled.last().unwrap() < 0 { -1 } else { i64::from(settled.iter().any(|&d| d != 0)) }
        }

        fn magnitude(&self) -> Vec<i64> {
            let mut digits = if self.sign() < 0 { Slow(self.0.iter().map(|d| -d).collect()).settled() } else { self.settled() };
            digits.reverse();
            digits
        }
    }

    fn any_float() -> impl Strategy<Value = f64> {
        prop_oneof![
            3 => (-1000..1000i64).prop_map(|v| v as f64 / 4.0),
            3 => any::<i32>().prop_map(|v| f64::from(v) * 0.01),
            1 => any::<f64>().prop_filter("finite", |v| v.is_finite() && v.abs() < 1e300),
            1 => any::<u32>().prop_map(|v| f64::from_bits(u64::from(v))),
        ]
    }

    fn sum_of(values: impl Iterator<Item = (f64, i64)>) -> Sum {
        values.fold(Sum::ZERO, |mut sum, (value, times)| {
            sum.add(value, times);
            sum
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn a_sum_is_the_nearest_float_in_any_order(values in proptest::collection::vec(any_float(), 0..12), turn in 0..12usize) {
            let once = |v: &f64| (*v, 1);
            let sum = sum_of(values.iter().map(once)).read();
            prop_assert!(Slow::of(&values).is_nearest(sum, &values), "{:?} is not {}", values, sum);
            let mut turned = values.clone();
            turned.rotate_left(turn.min(values.len()));
            prop_assert_eq!(sum_of(turned.iter().map(once)).read().to_bits(), sum.to_bits());
        }

        #[test]
        fn what_is_taken_back_leaves_nothing_behind(
            stay in proptest::collection::vec(any_float(), 0..8),
            go in proptest::collection::vec((any_float(), 1..5i64), 0..8),
            special in prop_oneof![Just(None), Just(Some(f64::NAN)), Just(Some(f64::INFINITY))],
        ) {
            let mut sum = sum_of(stay.iter().map(|v| (*v, 1)).chain(go.iter().copied()).chain(special.map(|v| (v, 1))));
            let mut copy = Sum::ZERO;
            copy.merge(&Sum::decode(&sum.encode()).unwrap());
            for sum in [&mut sum, &mut copy] {
                go.iter().for_each(|(value, times)| sum.add(*value, -times));
                special.iter().for_each(|value| sum.add(*value, -1));
                prop_assert_eq!(sum.read().to_bits(), sum_of(stay.iter().map(|v| (*v, 1))).read().to_bits());
            }
        }

        #[test]
        fn bytes_that_are_no_sum_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(sum) = Sum::decode(&bytes) {
                sum.read();
            }
        }
    }

    #[test]
    fn infinities_and_nan_are_counted() {
        let mut sum = sum_of([(1.0, 1), (f64::INFINITY, 2)].into_iter());
        assert_eq!(sum.read(), f64::INFINITY);
        sum.add(f64::NEG_INFINITY, 1);
        assert!(sum.read().is_nan());
        sum.add(f64::INFINITY, -2);
        assert_eq!(sum.read(), f64::NEG_INFINITY);
        sum.add(f64::NEG_INFINITY, -1);
        assert_eq!(sum.read(), 1.0);
        assert_eq!(sum_of([(f64::MAX, 1), (f64::MAX, 1)].into_iter()).read(), f64::INFINITY);
        assert_eq!(sum_of([(f64::MAX, 2), (f64::MAX, -1)].into_iter()).read(), f64::MAX);
    }
}
