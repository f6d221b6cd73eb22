//! Rows of an epoch in the order of their keys' numbers, which are small and dense: dealt out digit by digit, in place of being compared.

/// How many bits of a number are dealt by at once.
const DIGIT_BITS: u32 = 11;
const DIGITS: usize = 1 << DIGIT_BITS;
/// So few are compared: counting digits would cost more.
const FEW: usize = 512;

/// Sorts rows whose order begins with a number. Rows of one number that already stand in order, as those of a stream often do, are only looked at.
pub(crate) fn sort<T: Copy + Ord>(rows: &mut Vec<T>, number: impl Fn(&T) -> u32) {
    if rows.len() <= FEW {
        rows.sort_unstable();
        return;
    }
    let most = rows.iter().map(&number).max().unwrap_or_default();
    let mut dealt = rows.clone();
    let mut shift = 0;
    while shift < u32::BITS && (shift == 0 || most >> shift > 0) {
        let digit = |row: &T| (number(row) >> shift) as usize % DIGITS;
        let mut places = [0usize; DIGITS];
        rows.iter().for_each(|row| places[digit(row)] += 1);
        let mut next = 0;
        for place in &mut places {
            next += std::mem::replace(place, next);
        }
        for row in rows.iter() {
            let place = &mut places[digit(row)];
            dealt[*place] = *row;
            *place += 1;
        }
        std::mem::swap(rows, &mut dealt);
        shift += DIGIT_BITS;
    }
    for same in rows.chunk_by_mut(|a, b| number(a) == number(b)) {
        if !same.is_sorted() {
            same.sort_unstable();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_order_is_that_of_comparing(
            rows in proptest::collection::vec((prop_oneof![0..9u32, 0..5000u32, any::<u32>()], 0..4i64), 0..2000),
        ) {
            let (mut found, mut expected) = (rows.clone(), rows);
            sort(&mut found, |row| row.0);
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
