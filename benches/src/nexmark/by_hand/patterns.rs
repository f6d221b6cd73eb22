//! Queries for patterns in the bids of each auction and bidder.

use super::{
    Give,
    columns::{SECOND_US, from_floats, from_ints, from_times, ints, times},
};
use crate::{nexmark::events::Tables, run::BenchError};
use hashbrown::HashMap;

const CHEAP: i64 = 10_000;
const DROP: i64 = 50;
const WITHIN_US: i64 = 5 * SECOND_US;

/// Price and time.
type Bid = (i64, i64);

fn groups(tables: &Tables) -> Result<HashMap<(i64, i64), Vec<Bid>>, BenchError> {
    let mut groups: HashMap<(i64, i64), Vec<Bid>> = HashMap::new();
    for batch in tables.get("bid")? {
        let (auction, bidder, price, at) =
            (ints(batch, "auction")?, ints(batch, "bidder")?, ints(batch, "price")?, times(batch, "date_time")?);
        for row in 0..price.len() {
            groups.entry((auction[row], bidder[row])).or_default().push((price[row], at[row]));
        }
    }
    Ok(groups)
}

pub(super) fn falling_prices(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let mut out = [(); 5].map(|()| Vec::new());
    for ((auction, bidder), bids) in groups(tables)? {
        let mut start = 0;
        while start < bids.len() {
            let falling = bids[start..].windows(2).take_while(|two| two[1].0 < two[0].0).count();
            let (bottom, up) = (start + falling, start + falling + 1);
            if falling >= 2 && up < bids.len() && bids[up].0 > bids[bottom - 1].0 {
                let row = [auction, bidder, bids[start].1, bids[bottom].1, bids[up].1];
                out.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
                start = up;
            } else {
                start += 1;
            }
        }
    }
    let [auction, bidder, start, bottom, end] = out;
    give.rows(&[from_ints(auction), from_ints(bidder), from_times(start), from_times(bottom), from_times(end)]);
    Ok(())
}

fn cheap(tables: &Tables, give: &mut Give<'_>, overlapping: bool) -> Result<(), BenchError> {
    let mut out = [(); 4].map(|()| Vec::new());
    let mut averages = Vec::new();
    for ((auction, bidder), bids) in groups(tables)? {
        let mut start = 0;
        while start < bids.len() {
            let (mut sum, mut end) = (0, start);
            while end < bids.len() && sum + bids[end].0 < CHEAP * (end - start + 1) as i64 {
                sum += bids[end].0;
                end += 1;
            }
            if end == bids.len() {
                // The bid that ends the period must be there: the last cheap one is it.
                end -= 1;
                sum -= bids[end].0;
            }
            if end == start {
                start += 1;
                continue;
            }
            let row = [auction, bidder, bids[start].1, bids[end - 1].1];
            out.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
            averages.push(sum as f64 / (end - start) as f64);
            start = if overlapping { start + 1 } else { end + 1 };
        }
    }
    let [auction, bidder, start, end] = out;
    give.rows(&[from_ints(auction), from_ints(bidder), from_times(start), from_times(end), from_floats(averages)]);
    Ok(())
}

pub(super) fn cheap_periods(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    cheap(tables, give, false)
}

pub(super) fn overlapping_cheap_periods(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    cheap(tables, give, true)
}

pub(super) fn sudden_drops(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let mut out = [(); 4].map(|()| Vec::new());
    for ((auction, bidder), bids) in groups(tables)? {
        let mut start = 0;
        while start < bids.len() {
            let (price, at) = bids[start];
            let steady = bids[start + 1..].iter().take_while(|b| b.0 > price - DROP).count();
            match bids.get(start + 1 + steady) {
                Some(low) if low.0 < price - DROP && low.1 - at <= WITHIN_US => {
                    out.iter_mut().zip([auction, bidder, low.1, price - low.0]).for_each(|(column, value)| column.push(value));
                    start += steady + 2;
                }
                _ => start += 1,
            }
        }
    }
    let [auction, bidder, at, drop] = out;
    give.rows(&[from_ints(auction), from_ints(bidder), from_times(at), from_ints(drop)]);
    Ok(())
}
