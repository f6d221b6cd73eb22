//! Queries about the last and the highest.

use super::{
    Give,
    columns::{GIVEN_ROWS, Place, all_picked, from_floats, from_ints, ints, times},
    joins::{Running, highest},
};
use crate::{nexmark::events::Tables, run::BenchError};
use hashbrown::HashMap;

const BID: [&str; 7] = ["auction", "bidder", "price", "channel", "url", "date_time", "extra"];
/// How many bids of an auction, and how many sales of a seller count.
const TOP: usize = 10;

pub(super) fn last_sales(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let auctions = tables.get("auction")?;
    let sellers = auctions.iter().map(|b| ints(b, "seller")).collect::<Result<Vec<_>, _>>()?;
    let mut sales: HashMap<i64, Vec<(i64, i64, i64)>> = HashMap::new();
    for (id, Running { place: (batch, row), expires, best, .. }) in highest(tables)? {
        if let Some((price, _)) = best {
            sales.entry(sellers[batch][row]).or_default().push((expires, id, price));
        }
    }
    let (mut seller, mut average) = (Vec::new(), Vec::new());
    for (name, mut sold) in sales {
        sold.sort_unstable_by(|a, b| b.cmp(a));
        sold.truncate(TOP);
        seller.push(name);
        average.push(sold.iter().map(|s| s.2).sum::<i64>() as f64 / sold.len() as f64);
    }
    give(&[from_ints(seller), from_floats(average)]);
    Ok(())
}

pub(super) fn winning_bids(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let auction = ["id", "item_name", "description", "initial_bid", "reserve", "date_time", "expires", "seller", "category", "extra"];
    let bid = ["auction", "bidder", "price", "date_time", "extra"];
    let (auctions, bids): (Vec<Place>, Vec<Place>) = highest(tables)?.into_values().filter_map(|r| Some((r.place, r.best?.1))).unzip();
    for (auctions, bids) in auctions.chunks(GIVEN_ROWS).zip(bids.chunks(GIVEN_ROWS)) {
        let mut columns = all_picked(tables.get("auction")?, &auction, auctions)?;
        columns.extend(all_picked(tables.get("bid")?, &bid, bids)?);
        give(&columns);
    }
    Ok(())
}

pub(super) fn last_bids(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let bids = tables.get("bid")?;
    let mut last: HashMap<(i64, i64), Place> = HashMap::new();
    for (b, batch) in bids.iter().enumerate() {
        for (row, pair) in ints(batch, "bidder")?.iter().copied().zip(ints(batch, "auction")?.iter().copied()).enumerate() {
            last.insert(pair, (b, row));
        }
    }
    let places: Vec<Place> = last.into_values().collect();
    for places in places.chunks(GIVEN_ROWS) {
        give(&all_picked(bids, &BID, places)?);
    }
    Ok(())
}

pub(super) fn top_ten(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let bids = tables.get("bid")?;
    let mut tops: HashMap<i64, Vec<(i64, i64, Place)>> = HashMap::new();
    for (b, batch) in bids.iter().enumerate() {
        let (auction, price, at) = (ints(batch, "auction")?, ints(batch, "price")?, times(batch, "date_time")?);
        for row in 0..auction.len() {
            let top = tops.entry(auction[row]).or_default();
            if top.len() == TOP && top[TOP - 1].0 >= price[row] {
                continue;
            }
            // Events come in the order of their time: of equal prices the new one stands last.
            let place = top.partition_point(|(other, _, _)| *other >= price[row]);
            top.truncate(TOP - 1);
            top.insert(place.min(top.len()), (price[row], at[row], (b, row)));
        }
    }
    let (places, ranks): (Vec<Place>, Vec<i64>) =
        tops.into_values().flat_map(|top| top.into_iter().zip(1..)).map(|(bid, rank)| (bid.2, rank)).unzip();
    for (places, ranks) in places.chunks(GIVEN_ROWS).zip(ranks.chunks(GIVEN_ROWS)) {
        let mut columns = all_picked(bids, &BID, places)?;
        columns.push(from_ints(ranks.to_vec()));
        give(&columns);
    }
    Ok(())
}
