//! Queries about the last and the highest.

use super::{
    Give,
    changes::{Changes, Touched},
    columns::{Place, all_picked, from_floats, from_ints, ints},
    joins::{Running, highest},
};
use crate::{nexmark::events::Tables, run::BenchError};
use hashbrown::HashMap;

const BID: [&str; 7] = ["auction", "bidder", "price", "channel", "url", "date_time", "extra"];
/// How many bids of an auction, and how many sales of a seller count.
const TOP: usize = 10;

/// When it ended, the auction, the price.
type Sale = (i64, i64, i64);

/// Of the last sales, which stand first; none where there is no sale.
fn average(sales: &[Sale]) -> Option<f64> {
    let last = &sales[..sales.len().min(TOP)];
    (!last.is_empty()).then(|| last.iter().map(|s| s.2).sum::<i64>() as f64 / last.len() as f64)
}

pub(super) fn last_sales(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let auctions = tables.get("auction")?;
    let sellers = auctions.iter().map(|b| ints(b, "seller")).collect::<Result<Vec<_>, _>>()?;
    let mut numbers: HashMap<i64, u32> = HashMap::new();
    let mut sales: Vec<(i64, Vec<Sale>)> = Vec::new();
    let mut touched = Touched::default();
    highest(tables, |better| {
        for (Running { id, place: (batch, row), expires, best, .. }, before) in better {
            let seller = sellers[*batch][*row];
            let number = *numbers.entry(seller).or_insert_with(|| {
                sales.push((seller, Vec::new()));
                sales.len() as u32 - 1
            });
            let sold = &mut sales[number as usize].1;
            touched.touch(number, || average(sold).map(|a| (seller, a)));
            let price = best.map_or(0, |b| b.0);
            // The last first.
            let place = sold.partition_point(|(other, auction, _)| (*other, *auction) > (*expires, *id));
            match before {
                Some(_) => sold[place].2 = price,
                None => sold.insert(place, (*expires, *id, price)),
            }
        }
        let mut changes = Changes::default();
        for (number, before) in touched.end() {
            let (seller, sold) = &sales[number as usize];
            changes.push(before, average(sold).map(|a| (*seller, a)));
        }
        let (rows, diffs) = changes.split();
        let (seller, average) = rows.into_iter().unzip();
        give.changes(&[from_ints(seller), from_floats(average)], &diffs);
        Ok(())
    })
}

pub(super) fn winning_bids(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let auction = ["id", "item_name", "description", "initial_bid", "reserve", "date_time", "expires", "seller", "category", "extra"];
    let bid = ["auction", "bidder", "price", "date_time", "extra"];
    highest(tables, |better| {
        let mut changes = Changes::default();
        for (Running { place, best, .. }, before) in better {
            let row = |best: &(i64, Place)| (*place, best.1);
            changes.push(before.as_ref().map(row), best.as_ref().map(row));
        }
        let (rows, diffs) = changes.split();
        let (auctions, bids): (Vec<Place>, Vec<Place>) = rows.into_iter().unzip();
        let mut columns = all_picked(tables.get("auction")?, &auction, &auctions)?;
        columns.extend(all_picked(tables.get("bid")?, &bid, &bids)?);
        give.changes(&columns, &diffs);
        Ok(())
    })
}

pub(super) fn last_bids(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let bids = tables.get("bid")?;
    let mut numbers: HashMap<(i64, i64), u32> = HashMap::new();
    let mut last: Vec<Place> = Vec::new();
    let mut touched = Touched::default();
    for [epoch] in tables.epochs(["bid"])? {
        for b in epoch {
            let batch = &bids[b];
            for (row, pair) in ints(batch, "bidder")?.iter().copied().zip(ints(batch, "auction")?.iter().copied()).enumerate() {
                let next = last.len() as u32;
                let number = *numbers.entry(pair).or_insert(next);
                if number == next {
                    touched.touch(number, || None);
                    last.push((b, row));
                } else {
                    let place = &mut last[number as usize];
                    touched.touch(number, || Some(*place));
                    *place = (b, row);
                }
            }
        }
        let mut changes = Changes::default();
        for (number, before) in touched.end() {
            changes.push(before, Some(last[number as usize]));
        }
        let (places, diffs) = changes.split();
        give.changes(&all_picked(bids, &BID, &places)?, &diffs);
    }
    Ok(())
}

pub(super) fn top_ten(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let bids = tables.get("bid")?;
    let mut numbers: HashMap<i64, u32> = HashMap::new();
    let mut tops: Vec<Vec<(i64, Place)>> = Vec::new();
    let mut touched = Touched::default();
    for [epoch] in tables.epochs(["bid"])? {
        for b in epoch {
            let (auction, price) = (ints(&bids[b], "auction")?, ints(&bids[b], "price")?);
            for row in 0..auction.len() {
                let number = *numbers.entry(auction[row]).or_insert_with(|| {
                    tops.push(Vec::new());
                    tops.len() as u32 - 1
                });
                let top = &mut tops[number as usize];
                if top.len() == TOP && top[TOP - 1].0 >= price[row] {
                    continue;
                }
                touched.touch(number, || Some(top.clone()));
                // Events come in the order of their time: of equal prices the new one stands last.
                let place = top.partition_point(|(other, _)| *other >= price[row]);
                top.truncate(TOP - 1);
                top.insert(place.min(top.len()), (price[row], (b, row)));
            }
        }
        let mut changes = Changes::default();
        for (number, before) in touched.end() {
            let (before, after) = (before.unwrap_or_default(), &tops[number as usize]);
            for rank in 0..after.len() {
                let row = |bid: &(i64, Place)| (bid.1, rank as i64 + 1);
                changes.push(before.get(rank).map(row), after.get(rank).map(row));
            }
        }
        let (rows, diffs) = changes.split();
        let (places, ranks): (Vec<Place>, Vec<i64>) = rows.into_iter().unzip();
        let mut columns = all_picked(bids, &BID, &places)?;
        columns.push(from_ints(ranks));
        give.changes(&columns, &diffs);
    }
    Ok(())
}
